//! Rows shorter than a vector, sixteen at a time: one lane a row, so that each row still sums in its own order.

use super::super::math::Math;
use super::super::parallel;
use super::super::simd::vectorize;
use super::{BLOCK, Row, WIDE, WORK, centred, larger, log_sum, map, shift};

/// Element `[j][l]` is element `j` of row `l`; [`Row::LANES`] bounds the rows' length.
type Tile<T> = [[T; WIDE]; WIDE];

/// Up to sixteen rows of `n` elements, side by side.
#[inline(always)]
fn load<T: Row>(rows: &[T], n: usize) -> Tile<T> {
    let mut tile = [[T::default(); WIDE]; WIDE];
    for (l, row) in rows.chunks_exact(n).enumerate() {
        for (lanes, &x) in tile.iter_mut().zip(row) {
            lanes[l] = x;
        }
    }
    tile
}

#[inline(always)]
fn store<T: Row>(tile: &[[T; WIDE]], n: usize, out: &mut [T]) {
    for (l, row) in out.chunks_exact_mut(n).enumerate() {
        for (lanes, x) in tile.iter().zip(row) {
            *x = lanes[l];
        }
    }
}

/// `out = f(rows)`, where `f` changes the first of the tiles.
fn for_tiles<T: Row, const N: usize>(
    inputs: [&[T]; N],
    n: usize,
    out: &mut [T],
    f: impl Fn([&mut [[T; WIDE]]; N]) + Sync,
) {
    let size = WIDE * n;
    parallel::for_chunks(out, (BLOCK / size) * size, WORK, |start, chunk| {
        vectorize!(for (i, out) in chunk.chunks_mut(size).enumerate() {
            let at = start + i * size;
            let mut tiles = inputs.map(|x| load(&x[at..at + out.len()], n));
            f(tiles.each_mut().map(|tile| &mut tile[..n]));
            store(&tiles[0][..n], n, out);
        });
    });
}

#[inline(always)]
fn maxima<T: Row>(tile: &[[T; WIDE]]) -> [T; WIDE] {
    let mut max = [T::LOWEST; WIDE];
    for row in tile {
        for l in 0..WIDE {
            max[l] = larger(max[l], row[l]);
        }
    }
    max
}

#[inline(always)]
fn stats<T: Row>(tile: &[[T; WIDE]]) -> ([T; WIDE], [T; WIDE]) {
    let (max, mut sum) = (maxima(tile), [T::default(); WIDE]);
    for row in tile {
        let mut terms = *row;
        for l in 0..WIDE {
            terms[l] = Math::fast_exp(terms[l] - max[l]);
        }
        for l in 0..WIDE {
            sum[l] += terms[l];
        }
    }
    (max, sum)
}

pub(super) fn log_softmax<T: Row>(x: &[T], n: usize, out: &mut [T]) {
    for_tiles(
        [x],
        n,
        out,
        #[inline(always)]
        |[tile]| {
            let (max, sum) = stats(tile);
            let log = map(sum, Math::fast_ln);
            for row in tile {
                for l in 0..WIDE {
                    row[l] = shift(row[l], max[l], log[l]);
                }
            }
        },
    );
}

pub(super) fn softmax<T: Row>(x: &[T], n: usize, out: &mut [T]) {
    for_tiles(
        [x],
        n,
        out,
        #[inline(always)]
        |[tile]| {
            let (max, mut sum) = (maxima(tile), [T::default(); WIDE]);
            for row in &mut *tile {
                for l in 0..WIDE {
                    row[l] = Math::fast_exp(row[l] - max[l]);
                    sum[l] += row[l];
                }
            }
            let scale = sum.map(|sum| T::lit(1.0) / sum);
            for row in tile {
                for l in 0..WIDE {
                    row[l] = row[l] * scale[l];
                }
            }
        },
    );
}

pub(super) fn log_sum_exp<T: Row>(x: &[T], n: usize, out: &mut [T]) {
    parallel::for_chunks(out, BLOCK, n * WORK, |start, chunk| {
        vectorize!(for (i, out) in chunk.chunks_mut(WIDE).enumerate() {
            let tile = load(&x[(start + i * WIDE) * n..][..out.len() * n], n);
            let (max, sum) = stats(&tile[..n]);
            let mut logs = max;
            for l in 0..WIDE {
                logs[l] = log_sum(max[l], sum[l]);
            }
            out.copy_from_slice(&logs[..out.len()]);
        });
    });
}

pub(super) fn log_softmax_grad<T: Row>(y: &[T], g: &[T], n: usize, out: &mut [T]) {
    for_tiles(
        [y, g],
        n,
        out,
        #[inline(always)]
        |[y, g]| {
            let mut sum = [T::default(); WIDE];
            for g in &*g {
                for l in 0..WIDE {
                    sum[l] += g[l];
                }
            }
            for (y, g) in y.iter_mut().zip(g) {
                for l in 0..WIDE {
                    y[l] = T::fma(-Math::fast_exp(y[l]), sum[l], g[l]);
                }
            }
        },
    );
}

pub(super) fn softmax_grad<T: Row>(y: &[T], g: &[T], n: usize, out: &mut [T]) {
    for_tiles(
        [y, g],
        n,
        out,
        #[inline(always)]
        |[y, g]| {
            let mut sum = [T::default(); WIDE];
            for (y, g) in y.iter().zip(&*g) {
                for l in 0..WIDE {
                    sum[l] += g[l] * y[l];
                }
            }
            for (y, g) in y.iter_mut().zip(g) {
                for l in 0..WIDE {
                    y[l] = centred(y[l], g[l], sum[l]);
                }
            }
        },
    );
}
