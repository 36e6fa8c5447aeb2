//! The loops of the normalisation layers, and what they are made of: moments of rows, rows brought to mean 0 and variance 1, and
//! gradients. They compute in `f64`: in `f32` digits would be lost where a mean is far from 0.
#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use crate::Result;
use downhill_tensor::kernels::{self, inlined};
use downhill_tensor::{Float, memory};

/// Mean and variance of a row or a channel; the variance divides by the number of elements.
pub(crate) type Moments = [f64; 2];

/// Elements of a block of entries, of which each channel has a partial sum.
pub(crate) const BLOCK: usize = 1 << 15;

/// Lanes of a sum. Loops of 32 and fewer are unrolled into scalars before they could be vectorised.
const LANES: usize = 64;

/// Elements up to which a sum goes one by one: lanes would cost more, three times as much for rows of ten.
const SHORT: usize = 16;

/// `Σ f([x, …])` over slices of one length, `K` sums at once.
#[inline(always)]
pub(crate) fn sums<T: Float, const N: usize, const K: usize>(
    rows: [&[T]; N],
    f: impl Fn([f64; N]) -> [f64; K],
) -> [f64; K] {
    let n = rows[0].len();
    let rows = parts(rows, 0, n);
    let mut sums = [0.0; K];
    if n <= SHORT {
        for i in 0..n {
            let terms = f(widened(&rows, i));
            for k in 0..K {
                sums[k] += terms[k];
            }
        }
        return sums;
    }
    let chunks = rows.map(inlined!(|row| &row.as_chunks::<LANES>().0[..n / LANES]));
    let mut lanes = [[0.0; LANES]; K];
    for at in 0..n / LANES {
        let mut x = [&chunks[0][at]; N];
        for j in 0..N {
            x[j] = &chunks[j][at];
        }
        lanes = added(lanes, x, &f);
    }
    for i in n / LANES * LANES..n {
        let terms = f(widened(&rows, i));
        for k in 0..K {
            lanes[k][i % LANES] += terms[k];
        }
    }
    for k in 0..K {
        let mut half = LANES / 2;
        while half > 0 {
            for i in 0..half {
                lanes[k][i] += lanes[k][i + half];
            }
            half /= 2;
        }
        sums[k] = lanes[k][0];
    }
    sums
}

/// Lanes with terms added to them. By value, so that they stay in registers.
#[inline(always)]
fn added<T: Float, F: Fn([f64; N]) -> [f64; K], const N: usize, const K: usize>(
    mut lanes: [[f64; LANES]; K],
    x: [&[T; LANES]; N],
    f: &F,
) -> [[f64; LANES]; K] {
    for l in 0..LANES {
        let mut terms = [0.0; N];
        for j in 0..N {
            terms[j] = x[j][l].cast::<f64>();
        }
        // Not `f(…)`: `&F` is a function, too, and that one is not always inlined.
        let terms = (*f)(terms);
        for k in 0..K {
            lanes[k][l] += terms[k];
        }
    }
    lanes
}

/// `len` elements of each slice, from `start` on.
#[inline(always)]
pub(crate) fn parts<T, const N: usize>(data: [&[T]; N], start: usize, len: usize) -> [&[T]; N] {
    let mut parts = data;
    for part in &mut parts {
        *part = &part[start..][..len];
    }
    parts
}

/// Element `i` of each slice.
#[inline(always)]
fn widened<T: Float, const N: usize>(rows: &[&[T]; N], i: usize) -> [f64; N] {
    let mut x = [0.0; N];
    for j in 0..N {
        x[j] = rows[j][i].cast::<f64>();
    }
    x
}

#[inline(always)]
fn moments_of<T: Float>(row: &[T]) -> Moments {
    let n = row.len() as f64;
    let [sum] = self::sums([row], inlined!(|[x]| [x]));
    let mean = sum / n;
    let [squares] = sums([row], inlined!(|[x]| [(x - mean) * (x - mean)]));
    [mean, squares / n]
}

/// `out[i] = f([x[i], …])` for slices and numbers of one length each.
#[inline(always)]
pub(crate) fn each<T: Float, const N: usize, const M: usize>(
    out: &mut [T],
    rows: [&[T]; N],
    numbers: [&[f64]; M],
    f: impl Fn([f64; N], [f64; M]) -> f64,
) {
    let n = out.len();
    let rows = parts(rows, 0, n);
    let numbers = parts(numbers, 0, n);
    for i in 0..n {
        let mut k = [0.0; M];
        for j in 0..M {
            k[j] = numbers[j][i];
        }
        out[i] = T::lit(f(widened(&rows, i), k));
    }
}

/// Calls `f(row, out)` for every row of `n` elements.
pub(crate) fn for_rows<T: Float>(out: &mut [T], n: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.is_empty() {
        return;
    }
    let rows = out.len() / n;
    kernels::write_rows::<T, _, _>(
        n,
        out,
        &mut vec![(); rows],
        work,
        inlined!(|first, chunk, _| {
            for (i, out) in chunk.chunks_exact_mut(n).enumerate() {
                f(first + i, out);
            }
        }),
    );
}

/// `1 / √(variance + eps)`.
#[inline(always)]
pub(crate) fn scale([_, variance]: Moments, eps: f64) -> f64 {
    1.0 / (variance + eps).sqrt()
}

/// Rows of `n` elements brought to mean 0 and variance 1, times the weight, plus the bias; and their moments.
pub(crate) fn scaled_rows<T: Float>(
    [x, weight, bias]: [&[T]; 3],
    n: usize,
    eps: f64,
    out: &mut [T],
    moments: &mut [Moments],
) {
    if out.is_empty() {
        return;
    }
    kernels::write_rows::<T, _, _>(
        n,
        out,
        moments,
        5,
        inlined!(|first, chunk, moments| {
            for (i, (out, moments)) in chunk.chunks_exact_mut(n).zip(moments).enumerate() {
                let row = &x[(first + i) * n..][..n];
                *moments = moments_of(row);
                affine(out, [row, weight, bias], moments[0], scale(*moments, eps));
            }
        }),
    );
}

/// `(x − mean) · scale`, rounded, and then times the weight plus the bias: a third less time than all of it in `f64`.
#[inline(always)]
fn affine<T: Float>(out: &mut [T], rows: [&[T]; 3], mean: f64, scale: f64) {
    let n = out.len();
    let [x, w, b] = parts(rows, 0, n);
    for i in 0..n {
        out[i] = T::lit((x[i].cast::<f64>() - mean) * scale).mul_add(w[i], b[i]);
    }
}

/// The gradient of `x` in [`scaled_rows`] for that of the result, `g`.
pub(crate) fn row_slopes<T: Float>(
    [g, x, weight]: [&[T]; 3],
    moments: &[Moments],
    n: usize,
    eps: f64,
    out: &mut [T],
) {
    for_rows(
        out,
        n,
        6,
        inlined!(|row, out| {
            let (g, x) = (&g[row * n..][..n], &x[row * n..][..n]);
            let (mean, scale) = (moments[row][0], scale(moments[row], eps));
            let [level, along] = sums([g, x, weight], inlined!(|[g, x, w]| [g * w, g * w * (x - mean)]));
            let (level, along) = (level / n as f64, along * (scale * scale / n as f64));
            each(
                out,
                [g, x, weight],
                [],
                inlined!(|[g, x, w], []| (g * w - level - (x - mean) * along) * scale),
            );
        }),
    );
}

/// The gradient of the weight in [`scaled_rows`]: in each column `Σ g (x − mean) / √(variance + eps)`.
pub(crate) fn weight_slopes<T: Float>(
    [g, x]: [&[T]; 2],
    moments: &[Moments],
    n: usize,
    eps: f64,
) -> Result<Vec<f64>> {
    let block = (BLOCK / n.max(1)).max(1 << 8);
    let mut parts = memory::vec("normalize", 0.0, n * moments.len().div_ceil(block))?;
    kernels::for_chunks(
        &mut parts,
        n,
        block,
        inlined!(|start, sums| {
            let first = start / n * block;
            for row in first..(first + block).min(moments.len()) {
                let (mean, scale) = (moments[row][0], scale(moments[row], eps));
                let (g, x) = (&g[row * n..][..n], &x[row * n..][..n]);
                add(sums, [g, x], inlined!(|[g, x], _| g * ((x - mean) * scale)));
            }
        }),
    );
    add_up(&mut parts, n);
    Ok(parts)
}

/// `sums[i] += f([x[i], …], i)`.
#[inline(always)]
pub(crate) fn add<T: Float, const N: usize>(
    sums: &mut [f64],
    rows: [&[T]; N],
    f: impl Fn([f64; N], usize) -> f64,
) {
    let n = sums.len();
    let rows = parts(rows, 0, n);
    for i in 0..n {
        sums[i] += f(widened(&rows, i), i);
    }
}

/// Replaces rows of `n` numbers by their sum.
pub(crate) fn add_up(parts: &mut Vec<f64>, n: usize) {
    let all = parts.len();
    let (total, rest) = parts.split_at_mut(n.min(all));
    for part in rest.chunks_exact(n.max(1)) {
        total.iter_mut().zip(part).for_each(|(a, x)| *a += x);
    }
    parts.resize(n, 0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_any_length_have_the_moments_and_slopes_of_the_formulas() {
        let number = |i: usize, seed: usize| ((i * 7919 + seed) % 613) as f64 / 613.0 - 0.3;
        for n in [1, 10, 16, 17, 64, 100, 200] {
            let rows = 700;
            let x: Vec<f64> = (0..rows * n).map(|i| number(i, 0)).collect();
            let g: Vec<f64> = (0..rows * n).map(|i| number(i, 99)).collect();
            let (w, b): (Vec<f64>, Vec<f64>) = (0..n).map(|i| (number(i, 5), number(i, 6))).unzip();
            let (mut out, mut moments) = (vec![0.0; rows * n], vec![[0.0; 2]; rows]);
            scaled_rows([&x, &w, &b], n, 0.1, &mut out, &mut moments);
            let mut slopes = vec![0.0; rows * n];
            row_slopes([&g, &x, &w], &moments, n, 0.1, &mut slopes);
            let mut of_weight = vec![0.0; n];
            for (row, x) in x.chunks_exact(n).enumerate() {
                let mean = x.iter().sum::<f64>() / n as f64;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
                let unit = |i: usize| (x[i] - mean) / (variance + 0.1).sqrt();
                let g = &g[row * n..][..n];
                let level = (0..n).map(|i| g[i] * w[i]).sum::<f64>() / n as f64;
                let along = (0..n).map(|i| g[i] * w[i] * unit(i)).sum::<f64>() / n as f64;
                for i in 0..n {
                    let exact = (g[i] * w[i] - level - unit(i) * along) / (variance + 0.1).sqrt();
                    let (y, slope) = (out[row * n + i], slopes[row * n + i]);
                    assert!((unit(i) * w[i] + b[i] - y).abs() < 1e-12, "row {row} of {n} at {i}");
                    assert!((exact - slope).abs() < 1e-12, "slope of row {row} of {n} at {i}");
                    of_weight[i] += g[i] * unit(i);
                }
            }
            let ours = weight_slopes([&g, &x], &moments, n, 0.1).unwrap();
            assert!(ours.iter().zip(&of_weight).all(|(a, b)| (a - b).abs() < 1e-9), "weight of rows of {n}");
        }
    }
}
