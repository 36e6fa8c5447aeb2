//! Folds, searches and running folds over the middle of a row-major `outer × n × inner` array.
//!
//! Every function takes the extents as `[n, inner]`; `n` and `inner` are at least 1 and the data is `outer·n·inner` long.
//! Closures must be `#[inline(always)]`, as all that [`vectorize!`](super::simd) runs.

use super::parallel;
use super::reduce::EXACT;
use super::simd::vectorize;

const LANES: usize = 16;

/// Columns that are folded at once, at least: of fewer, each row would have to be fetched from memory for a line or two.
const STRIP: usize = 256;

/// Lanes of a row of at least twice as many elements, of states that fit into registers: with 16 each step waits for the one before, and a product of 3,000 elements gets
/// lost in denormal numbers (amax and prod of such rows take a third and a twentieth of the time).
const WIDE: usize = 64;

/// One row: in order up to 16 elements, otherwise on lanes that are then joined by halves.
#[inline(always)]
fn fold_row<T: Copy, A: Copy>(row: &[T], init: A, step: &impl Fn(A, T) -> A, join: &impl Fn(A, A) -> A) -> A {
    if size_of::<A>() <= 8 && row.len() >= 2 * WIDE {
        return fold_lanes::<T, A, WIDE>(row, init, step, join);
    }
    if row.len() >= LANES {
        return fold_lanes::<T, A, LANES>(row, init, step, join);
    }
    let mut acc = init;
    for &x in row {
        acc = (*step)(acc, x);
    }
    acc
}

#[inline(always)]
fn fold_lanes<T: Copy, A: Copy, const L: usize>(
    row: &[T],
    init: A,
    step: &impl Fn(A, T) -> A,
    join: &impl Fn(A, A) -> A,
) -> A {
    let (chunks, tail) = row.as_chunks::<L>();
    let mut lanes = [init; L];
    for chunk in chunks {
        for (acc, &x) in lanes.iter_mut().zip(chunk) {
            *acc = (*step)(*acc, x);
        }
    }
    for (acc, &x) in lanes.iter_mut().zip(tail) {
        *acc = (*step)(*acc, x);
    }
    let mut half = L / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = (*join)(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// `out = finish(fold)`, where `step` takes in an element and `join` unites two folds that began with `init`.
pub(crate) fn fold_middle<T: Copy + Sync, A: Copy + Send + Sync, O: Send>(
    data: &[T],
    [n, inner]: [usize; 2],
    out: &mut [O],
    init: A,
    step: impl Fn(A, T) -> A + Sync,
    join: impl Fn(A, A) -> A + Sync,
    finish: impl Fn(A) -> O + Sync,
) {
    if inner > 1 {
        return for_columns([n, inner], out, |first, out| {
            let mut folds = vec![init; out.len()];
            vectorize!(T: for i in 0..n {
                for (acc, &x) in folds.iter_mut().zip(&data[first + i * inner..]) {
                    *acc = step(*acc, x);
                }
            });
            out.iter_mut().zip(folds).for_each(|(o, acc)| *o = finish(acc));
        });
    }
    if n <= EXACT {
        return parallel::for_chunks(out, (EXACT / n).max(1), n, &|start, out| {
            vectorize!(T: for (i, o) in out.iter_mut().enumerate() {
                *o = finish(fold_row(&data[(start + i) * n..][..n], init, &step, &join));
            });
        });
    }
    let blocks = n.div_ceil(EXACT);
    let mut parts = vec![init; out.len() * blocks];
    parallel::for_chunks(&mut parts, 1, EXACT, &|at, part| {
        let (row, from) = (at / blocks * n, at % blocks * EXACT);
        let block = &data[row + from..row + (from + EXACT).min(n)];
        part[0] = vectorize!(T: fold_row(block, init, &step, &join));
    });
    for (o, parts) in out.iter_mut().zip(parts.chunks_exact(blocks)) {
        *o = finish(parts.iter().copied().fold(init, &join));
    }
}

/// Calls `f(first, out)` for pieces of `out` that lie side by side in one matrix `n × inner`; `first` is where the first of
/// their columns starts in the data.
fn for_columns<O: Send>([n, inner]: [usize; 2], out: &mut [O], f: impl Fn(usize, &mut [O]) + Sync) {
    parallel::for_chunks(out, (EXACT / n).max(STRIP), n, &|start, chunk| {
        let mut done = 0;
        while done < chunk.len() {
            let (entry, column) = ((start + done) / inner, (start + done) % inner);
            let len = (inner - column).min(chunk.len() - done);
            f(entry * n * inner + column, &mut chunk[done..done + len]);
            done += len;
        }
    });
}

/// The first place in a row: whole vectors are compared until one has it.
#[inline(always)]
fn find<T: Copy>(row: &[T], value: T, same: impl Fn(T, T) -> bool) -> usize {
    let (chunks, _) = row.as_chunks::<LANES>();
    let hit = |chunk: &[T; LANES]| chunk.iter().fold(false, |hit, &x| hit | same(x, value));
    let start = LANES * chunks.iter().position(hit).unwrap_or(chunks.len());
    start + row[start..].iter().position(|&x| same(x, value)).unwrap_or(0)
}

/// The place along the middle of the first element that is `same` as the value of its row or column.
pub(crate) fn find_middle<T: Copy + Sync>(
    data: &[T],
    [n, inner]: [usize; 2],
    values: &[T],
    out: &mut [i64],
    same: impl Fn(T, T) -> bool + Sync,
) {
    if inner == 1 {
        return parallel::for_chunks(out, (EXACT / n).max(1), n, &|start, out| {
            vectorize!(T: for (i, o) in out.iter_mut().enumerate() {
                *o = find(&data[(start + i) * n..][..n], values[start + i], &same) as i64;
            });
        });
    }
    for_columns([n, inner], out, |first, out| {
        let at = first / (n * inner) * inner + first % inner;
        // Backwards, so that the first occurrence is the last one written.
        vectorize!(T: for i in (0..n).rev() {
            let columns = out.iter_mut().zip(&data[first + i * inner..]).zip(&values[at..]);
            for ((o, &x), &value) in columns {
                if same(x, value) {
                    *o = i as i64;
                }
            }
        });
    });
}

/// Running folds along the middle, forwards or backwards: each `out` takes in its own element.
pub(crate) fn scan_middle<T: Copy + Sync, A: Copy + Send + Sync, O: Send>(
    data: &[T],
    [n, inner]: [usize; 2],
    out: &mut [O],
    backwards: bool,
    init: A,
    step: impl Fn(A, T) -> A + Sync,
    finish: impl Fn(A) -> O + Sync,
) {
    parallel::for_chunks(out, n * inner, 2, &|start, out| {
        if inner == 1 {
            let mut acc = init;
            for i in 0..n {
                let at = if backwards { n - 1 - i } else { i };
                acc = step(acc, data[start + at]);
                out[at] = finish(acc);
            }
            return;
        }
        let mut folds = parallel::filled(inner, init);
        for i in 0..n {
            let at = if backwards { n - 1 - i } else { i } * inner;
            let rows = out[at..].iter_mut().zip(&data[start + at..]).zip(&mut folds);
            for ((o, &x), acc) in rows {
                *acc = step(*acc, x);
                *o = finish(*acc);
            }
        }
    });
}

/// The product of all others along the middle: exact where zeros make `product / element` undefined.
pub(crate) fn product_of_others<T>(data: &[T], [n, inner]: [usize; 2], out: &mut [T])
where
    T: Copy + Send + Sync + std::ops::Mul<Output = T> + From<f32>,
{
    parallel::for_chunks(out, n * inner, 2, &|start, out| {
        let data = &data[start..];
        let mut before = parallel::filled(inner, T::from(1.0));
        for (o, x) in out.chunks_exact_mut(inner).zip(data.chunks_exact(inner)) {
            o.copy_from_slice(&before);
            before.iter_mut().zip(x).for_each(|(acc, &x)| *acc = *acc * x);
        }
        let mut after = parallel::filled(inner, T::from(1.0));
        for (o, x) in out.chunks_exact_mut(inner).zip(data.chunks_exact(inner)).rev() {
            for ((o, acc), &x) in o.iter_mut().zip(&mut after).zip(x) {
                *o = *o * *acc;
                *acc = *acc * x;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<i64> {
        (0..n as i64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> 40).collect()
    }

    const EXTENTS: [(usize, usize, usize); 8] = [
        (1, 1, 1),
        (3, 5, 1),
        (2, 16, 1),
        (3, 41, 1),
        (1, 2 * EXACT + 7, 1),
        (2, EXACT + 1, 1),
        (3, 9, 4),
        (2, 300, 700),
    ];

    fn middle(outer: usize, n: usize, inner: usize) -> impl Iterator<Item = impl Iterator<Item = usize>> {
        (0..outer * inner).map(move |o| (0..n).map(move |i| o / inner * n * inner + i * inner + o % inner))
    }

    #[test]
    fn folds_and_first_places_equal_those_of_gathered_rows() {
        for (outer, n, inner) in EXTENTS {
            let data = noise(outer * n * inner);
            let mut maxima = vec![0; outer * inner];
            fold_middle(&data, [n, inner], &mut maxima, i64::MIN, i64::max, i64::max, |x| x);
            let mut places = vec![-1; outer * inner];
            find_middle(&data, [n, inner], &maxima, &mut places, |a, b| a == b);
            for (o, row) in middle(outer, n, inner).enumerate() {
                let row: Vec<_> = row.map(|i| data[i]).collect();
                assert_eq!(maxima[o], *row.iter().max().unwrap(), "{outer}×{n}×{inner} at {o}");
                let place = row.iter().position(|&x| x == maxima[o]).unwrap();
                assert_eq!(places[o], place as i64, "{outer}×{n}×{inner} at {o}");
            }
        }
    }

    #[test]
    fn running_sums_start_at_either_end() {
        for (outer, n, inner) in EXTENTS {
            let data = noise(outer * n * inner);
            for backwards in [false, true] {
                let mut sums = vec![0; data.len()];
                scan_middle(&data, [n, inner], &mut sums, backwards, 0, |s, x| s + x, |s| s);
                for row in middle(outer, n, inner) {
                    let mut row: Vec<_> = row.collect();
                    if backwards {
                        row.reverse();
                    }
                    let mut sum = 0;
                    for i in row {
                        sum += data[i];
                        assert_eq!(sums[i], sum, "{outer}×{n}×{inner} at {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn products_of_others_survive_zeros() {
        let mut out = [9.0_f32; 6];
        product_of_others(&[2.0, 0.0, 3.0, 4.0, 5.0, 0.0], [3, 2], &mut out);
        assert_eq!(out, [15.0, 0.0, 10.0, 0.0, 6.0, 0.0]);
    }
}
