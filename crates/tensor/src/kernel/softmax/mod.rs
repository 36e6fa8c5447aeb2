//! Softmax and log-softmax over the middle of a row-major `outer × n × inner` array, and their gradients.
//!
//! The operations and their order are `PyTorch`'s on a processor with AVX-512 (16 lanes of `f32`, 8 of `f64`; rows
//! below 8 elements come out the same with AVX2), and so are the bits of `f32`. The row functions are
//! `#[inline(always)]`: call them inside of [`vectorize!`](super::simd).
//!
//! Of the row's maximum only `x - max` is used, so a NaN anywhere, +∞ anywhere and -∞ everywhere make the row NaN.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]
#![allow(clippy::eq_op, reason = "the difference of a number from itself is NaN if it is not finite")]

mod columns;
pub(crate) mod logits;
mod rows;
mod short;

use super::map::{loop1, loop2};
use super::parallel::{self, Chunk, rows_at_once};
use super::real::{Float, Real};
use super::simd::{fetch, inlined, vectorize};
use rows::{
    SURE, WORK, centred, dot, each, for_rows, largest_log, log_sum, max_and_sum, place, shift, sure_slope,
    total, vector_len,
};
use std::ops::Range;

use rows::exponentials;

/// `out = (x − max) − ln Σ exp(x − max)`.
#[inline(always)]
fn log_softmax_row<T: Float>(x: &[T], out: &mut Chunk<'_, T>, range: Range<usize>) {
    let n = range.len();
    let (max, sum) = max_and_sum(x, n);
    let log = Float::fast_ln(sum);
    let sure = if sum < T::lit(SURE) { place(&x[..n], max) } else { usize::MAX };
    out.stream(
        range,
        inlined!(|at, out| {
            loop1(&x[at..], out, inlined!(|x| shift(x, max, log)));
            if let Some(o) = out.get_mut(sure.wrapping_sub(at)) {
                *o = largest_log(&x[..n], sure, max);
            }
        }),
    );
}

/// `out = exp(x − max) · (1 / Σ exp(x − max))`.
#[inline(always)]
fn softmax_row<T: Float>(x: &[T], out: &mut Chunk<'_, T>, range: Range<usize>) {
    let (_, sum): (T, T) = exponentials(x, &mut out[range.clone()]);
    let scale = T::lit(1.0) / sum;
    out.stream(
        range,
        inlined!(|_, out| {
            for o in out {
                *o = *o * scale;
            }
        }),
    );
}

/// `out = g − exp(y) Σ g` for the result `y` of [`log_softmax_row`].
#[inline(always)]
fn log_softmax_grad_row<T: Float>(y: &[T], g: &[T], out: &mut Chunk<'_, T>, range: Range<usize>) {
    let n = range.len();
    let sum: T = total(&g[..n]);
    let (sure, slope) = sure_slope(&y[..n], &g[..n]);
    out.stream(
        range,
        inlined!(|at, out| {
            fetch(y, at + n, out.len());
            fetch(g, at + n, out.len());
            each(
                &y[at..at + out.len()],
                &g[at..at + out.len()],
                out,
                inlined!(|y, g| Real::mul_add(-Float::fast_exp(y), sum, g)),
            );
            if let Some(o) = out.get_mut(sure.wrapping_sub(at)) {
                *o = slope;
            }
        }),
    );
}

/// `out = (g − Σ g·y) · y` for the result `y` of [`softmax_row`].
#[inline(always)]
fn softmax_grad_row<T: Float>(y: &[T], g: &[T], out: &mut Chunk<'_, T>, range: Range<usize>) {
    let n = range.len();
    let sum = dot(&g[..n], &y[..n]);
    out.stream(
        range,
        inlined!(|at, out| {
            fetch(y, at + n, out.len());
            fetch(g, at + n, out.len());
            loop2(&y[at..], &g[at..], out, inlined!(|y, g| centred(y, g, sum)));
        }),
    );
}

/// How an array is worked on.
enum Way {
    /// Not at all: it has no elements.
    None,
    /// Down the columns of its matrices.
    Columns,
    /// Rows shorter than a vector, several at once.
    ShortRows,
    Rows,
}

/// The way for an array of `outer × n × inner` elements.
fn way<T>(elements: usize, n: usize, inner: usize) -> Way {
    match inner {
        _ if elements == 0 => Way::None,
        2.. => Way::Columns,
        _ if n < vector_len::<T>() => Way::ShortRows,
        _ => Way::Rows,
    }
}

/// Log-softmax over the middle dimension.
pub(crate) fn log_softmax<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    match way::<T>(out.len(), n, inner) {
        Way::None => {}
        // Of an entry alone it is 0, or NaN if the entry is not finite.
        _ if n == 1 => parallel::write_blocks(out, &|start, out| {
            vectorize!(memory: out.iter_mut().zip(&x[start..]).for_each(|(o, &x)| *o = x - x));
        }),
        Way::Columns => columns::log_softmax(x, n, inner, out),
        Way::ShortRows => short::log_softmax(x, n, out),
        Way::Rows => for_rows(out, n, inlined!(|at, out, row| log_softmax_row(&x[at..], out, row))),
    }
}

/// Softmax over the middle dimension.
pub(crate) fn softmax<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    match way::<T>(out.len(), n, inner) {
        Way::None => {}
        // Of an entry alone it is 1, or NaN if the entry is not finite.
        _ if n == 1 => parallel::write_blocks(out, &|start, out| {
            vectorize!(memory: loop1(&x[start..], out, inlined!(|x| (x - x) + T::lit(1.0))));
        }),
        Way::Columns => columns::softmax(x, n, inner, out),
        Way::ShortRows => short::softmax(x, n, out),
        Way::Rows => for_rows(out, n, inlined!(|at, out, row| softmax_row(&x[at..], out, row))),
    }
}

/// `ln Σ exp(x)` over the middle dimension.
pub(crate) fn log_sum_exp<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    match way::<T>(x.len(), n, inner) {
        Way::None => return out.fill(T::lit(f64::NEG_INFINITY)),
        Way::Columns => columns::log_sum_exp(x, n, inner, out),
        Way::ShortRows => short::log_sum_exp(x, n, out),
        Way::Rows => parallel::for_chunks(out, rows_at_once(n), n * WORK, &|start, out| {
            vectorize!(T: for (i, o) in out.iter_mut().enumerate() {
                let (max, sum) = max_and_sum(&x[(start + i) * n..], n);
                *o = log_sum(max, sum);
            });
        }),
    }
    // The maximum leaves a NaN out, and where it is infinite the sum is not looked at.
    for (at, o) in out.iter_mut().enumerate().filter(|(_, o)| o.abs() == T::lit(f64::INFINITY)) {
        let column = x[at / inner * n * inner + at % inner..].iter().step_by(inner).take(n);
        if column.copied().any(|x| !Real::eq(&x, &x)) {
            *o = T::lit(f64::NAN);
        }
    }
}

/// The gradient of log-softmax from its result `y`.
pub(crate) fn log_softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    match way::<T>(out.len(), n, inner) {
        Way::None => {}
        // `y` is 0 or NaN, and a probability of 1 has no gradient.
        _ if n == 1 => parallel::write_blocks(out, &|start, out| {
            let inputs = y[start..].iter().zip(&g[start..]);
            vectorize!(memory: out.iter_mut().zip(inputs).for_each(|(o, (&y, &g))| *o = (g - g) + y));
        }),
        Way::Columns => columns::log_softmax_grad(y, g, n, inner, out),
        Way::ShortRows => short::log_softmax_grad(y, g, n, out),
        Way::Rows => {
            for_rows(out, n, inlined!(|at, out, row| log_softmax_grad_row(&y[at..], &g[at..], out, row)));
        }
    }
}

/// The gradient of softmax from its result `y`.
pub(crate) fn softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    match way::<T>(out.len(), n, inner) {
        Way::None => {}
        _ if n == 1 => parallel::write_blocks(out, &|start, out| {
            vectorize!(memory: loop2(&y[start..], &g[start..], out, inlined!(|y, g| centred(y, g, g * y))));
        }),
        Way::Columns => columns::softmax_grad(y, g, n, inner, out),
        Way::ShortRows => short::softmax_grad(y, g, n, out),
        Way::Rows => {
            for_rows(out, n, inlined!(|at, out, row| softmax_grad_row(&y[at..], &g[at..], out, row)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rows::SURE_LOG;
    use super::*;

    fn noise(n: usize) -> Vec<f64> {
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1_u64 << 53) as f64 * 6.0 - 3.0
        };
        (0..n).map(|_| next()).collect()
    }

    /// The four kernels against their formulas, in `f64`, row by row.
    #[test]
    fn kernels_equal_their_formulas_for_every_shape() {
        for (outer, n, inner) in [
            (3, 1, 1),
            (37, 7, 1),
            (2, 8, 1),
            (40, 13, 1),
            (1, 37, 1),
            (2, 5, 3),
            (3, 4, 21),
            (2, 1, 4),
            (2, 3, 300),
            (1, 5, 530),
        ] {
            let (x, g) = (noise(outer * n * inner), noise(2 * outer * n * inner));
            let g = &g[x.len()..];
            let mut outs: [Vec<f64>; 4] = std::array::from_fn(|_| vec![0.0; x.len()]);
            let [ls, s, dls, ds] = &mut outs;
            log_softmax(&x, n, inner, ls);
            softmax(&x, n, inner, s);
            log_softmax_grad(ls, g, n, inner, dls);
            softmax_grad(s, g, n, inner, ds);
            for at in 0..x.len() {
                let first = at / (n * inner) * n * inner + at % inner;
                let row = || (0..n).map(|i| first + i * inner);
                let sum: f64 = row().map(|i| x[i].exp()).sum();
                let p = x[at].exp() / sum;
                let total: f64 = row().map(|i| g[i]).sum();
                let mean: f64 = row().map(|i| g[i] * x[i].exp() / sum).sum();
                let exact = [p.ln(), p, g[at] - p * total, p * (g[at] - mean)];
                for (k, (out, exact)) in outs.iter().zip(exact).enumerate() {
                    assert!((out[at] - exact).abs() < 1e-13, "kernel {k} of {outer}×{n}×{inner} at {at}");
                }
            }
        }
    }

    /// FNV-1a over the bits; the expected ones are of what PyTorch 2.15 computed from the same inputs.
    #[test]
    fn results_have_the_bits_of_pytorch() {
        let hash = |values: &[f32]| {
            values.iter().fold(0xcbf2_9ce4_8422_2325_u64, |h, x| {
                (h ^ u64::from(x.to_bits())).wrapping_mul(0x100_0000_01b3)
            })
        };
        for (n, inner, expected) in [
            (
                5,
                1,
                [0xf7c0_b577_d25e_27c3, 0x3dee_1b26_f009_9647, 0xfafa_d26a_f460_37fc, 0x4155_9f1e_c219_8ef0],
            ),
            (
                21,
                1,
                [0x630f_623f_9f32_71aa, 0x80ea_dfdd_18b1_8b1e, 0x7a22_b336_53fb_cc81, 0x7ee4_64a4_4ef9_fe10],
            ),
            (
                3,
                18,
                [0x71bc_5e40_eafe_cd30, 0x36f9_49eb_f994_7c2b, 0x695a_4710_d128_b916, 0x55ac_f797_36d0_b84a],
            ),
        ] {
            let x: Vec<_> = (0..n * inner).map(|i| (i * 37 % 23) as f32 / 4.0 - 2.5).collect();
            let g: Vec<_> = (0..n * inner).map(|i| (i * 29 % 19) as f32 / 8.0 - 1.0).collect();
            let mut outs: [Vec<f32>; 4] = std::array::from_fn(|_| vec![0.0; x.len()]);
            let [ls, s, dls, ds] = &mut outs;
            log_softmax(&x, n, inner, ls);
            softmax(&x, n, inner, s);
            log_softmax_grad(ls, &g, n, inner, dls);
            softmax_grad(s, &g, n, inner, ds);
            // A probability near 1 keeps more digits here: PyTorch's logarithm stands in its place.
            for at in 0..if inner > 1 { x.len() } else { 0 } {
                if f64::from(ls[at]) < SURE_LOG {
                    continue;
                }
                let exp: fn(f32) -> f32 =
                    if at % inner < inner / 16 * 16 { Float::fast_exp } else { Real::exp };
                let column = (0..n).map(|i| x[i * inner + at % inner]);
                ls[at] = -Float::fast_ln(column.fold(0.0_f32, |sum, other| sum + exp(other - x[at])));
            }
            assert_eq!(outs.map(|out| hash(&out)), expected, "{n}×{inner}");
        }
    }

    #[test]
    fn short_rows_have_the_bits_of_single_rows() {
        let rows = 37;
        for n in 1..16 {
            let x: Vec<_> = noise(2 * rows * n).into_iter().map(|x| x as f32).collect();
            let (x, g) = x.split_at(rows * n);
            let mut outs: [Vec<f32>; 8] = std::array::from_fn(|_| vec![0.0; x.len()]);
            let [ls, s, dls, ds, row_ls, row_s, row_dls, row_ds] = &mut outs;
            log_softmax(x, n, 1, ls);
            softmax(x, n, 1, s);
            log_softmax_grad(ls, g, n, 1, dls);
            softmax_grad(s, g, n, 1, ds);
            let chunks: [&mut [f32]; 4] = [row_ls, row_s, row_dls, row_ds].map(|out| &mut out[..]);
            let [mut row_ls, mut row_s, mut row_dls, mut row_ds] = chunks.map(Chunk::from);
            for at in (0..x.len()).step_by(n) {
                let row = at..at + n;
                log_softmax_row(&x[at..], &mut row_ls, row.clone());
                softmax_row(&x[at..], &mut row_s, row.clone());
                log_softmax_grad_row(&ls[at..], &g[at..], &mut row_dls, row.clone());
                softmax_grad_row(&s[at..], &g[at..], &mut row_ds, row);
            }
            assert!(outs[..4] == outs[4..], "rows of {n}");
        }
    }

    #[test]
    fn infinities_and_nan_take_their_row_only() {
        let inf = f32::INFINITY;
        for (row, expected) in [
            ([0.0, -inf, 0.0], Some([0.5, 0.0, 0.5])),
            ([-inf; 3], None),
            ([inf, 0.0, 0.0], None),
            ([f32::NAN, 1.0, 2.0], None),
        ] {
            let mut out = [1.0_f32; 3];
            softmax_row(&row, &mut Chunk::from(&mut out[..]), 0..3);
            match expected {
                Some(expected) => assert_eq!(out, expected),
                None => assert!(out.iter().all(|x| x.is_nan()), "{row:?}: {out:?}"),
            }
        }
        assert_eq!(max_and_sum(&[-inf, 3.0_f32], 2), (3.0, 1.0));
        let (mut alone, mut slope) = ([1.0_f32; 4], [1.0; 4]);
        log_softmax(&[2.5, inf, -inf, f32::NAN], 1, 1, &mut alone);
        log_softmax_grad(&alone, &[3.0; 4], 1, 1, &mut slope);
        for found in [alone, slope] {
            assert!(found[0].to_bits() == 0 && found[1..].iter().all(|x| x.is_nan()), "{found:?}");
        }
        assert_eq!(logits::Logits::max_and_wide_sums(&[-inf, 3.0_f32]), (3.0, 1, [1.0, 0.0]));
    }
}
