//! Softmax and log-softmax over the middle of a row-major `outer × n × inner` array, and their gradients.
//!
//! The operations and their order are `PyTorch`'s on a processor with AVX-512 (16 lanes of `f32`, 8 of `f64`; rows
//! below 8 elements come out the same with AVX2), and so are the bits of `f32`. The row functions are
//! `#[inline(always)]`: call them inside of [`vectorize!`](super::simd).
//!
//! Of the row's maximum only `x - max` is used, so a NaN anywhere, +∞ anywhere and -∞ everywhere make the row NaN.

use super::math::Math;
use super::parallel;
use super::reduce::Summand;
use super::simd::vectorize;
use crate::dtype::Element;
use crate::real::Real;

/// An element of an exponential row costs about eight times one that is streamed: 1 ns.
const WORK: usize = 8;

/// Elements of a block of work.
const BLOCK: usize = 1 << 12;

/// Lanes of the widest row.
const WIDE: usize = 16;

/// What rows are made of.
#[allow(unreachable_pub, private_bounds, reason = "a bound that seals `Float`")]
pub trait Row: Element + Real<Mask = bool> + Summand + Math {
    /// The lanes that sums are spread over.
    const LANES: usize;
    const LOWEST: Self;
    /// `a·b + c`, rounded once.
    fn fma(a: Self, b: Self, c: Self) -> Self;
}

macro_rules! row {
    ($type:ty, $lanes:literal) => {
        impl Row for $type {
            const LANES: usize = $lanes;
            const LOWEST: Self = <$type>::NEG_INFINITY;
            #[inline(always)]
            fn fma(a: Self, b: Self, c: Self) -> Self {
                a.mul_add(b, c)
            }
        }
    };
}
row!(f32, 16);
row!(f64, 8);

/// The lanes of one vector, the missing ones filled with `pad`.
#[inline(always)]
fn load<T: Row>(part: &[T], pad: T) -> [T; WIDE] {
    let mut lanes = [pad; WIDE];
    lanes[..part.len()].copy_from_slice(part);
    lanes
}

/// Folds two rows of one length lane by lane and adds the lanes up: one after the other in rows shorter than a vector,
/// otherwise by halves. `last` is the step for what is left after whole vectors; steps over `pad`s must add 0.
#[inline(always)]
fn fold<T: Row>(a: &[T], b: &[T], pad: T, step: impl Fn(T, T, T) -> T, last: impl Fn(T, T, T) -> T) -> T {
    let mut lanes = [T::default(); WIDE];
    let (a_chunks, b_chunks) = (a.chunks_exact(T::LANES), b.chunks_exact(T::LANES));
    let (a_tail, b_tail) = (load(a_chunks.remainder(), pad), load(b_chunks.remainder(), pad));
    if a.len() < T::LANES {
        for i in 0..T::LANES {
            lanes[i] = step(lanes[i], a_tail[i], b_tail[i]);
        }
        return lanes[..a.len()].iter().fold(T::default(), |sum, &x| sum + x);
    }
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..T::LANES {
            lanes[i] = step(lanes[i], a[i], b[i]);
        }
    }
    for i in 0..T::LANES {
        lanes[i] = last(lanes[i], a_tail[i], b_tail[i]);
    }
    let mut half = T::LANES / 2;
    while half > 0 {
        for i in 0..half {
            let upper = lanes[i + half];
            lanes[i] += upper;
        }
        half /= 2;
    }
    lanes[0]
}

/// `out = f(a, b)`, whole vectors even in short rows.
#[inline(always)]
fn each<T: Row>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    let (a_chunks, b_chunks) = (a.chunks_exact(T::LANES), b.chunks_exact(T::LANES));
    let (a_tail, b_tail) =
        (load(a_chunks.remainder(), T::default()), load(b_chunks.remainder(), T::default()));
    let mut out_chunks = out.chunks_exact_mut(T::LANES);
    for ((o, a), b) in out_chunks.by_ref().zip(a_chunks).zip(b_chunks) {
        for i in 0..T::LANES {
            o[i] = f(a[i], b[i]);
        }
    }
    let mut tail = [T::default(); WIDE];
    for i in 0..T::LANES {
        tail[i] = f(a_tail[i], b_tail[i]);
    }
    let rest = out_chunks.into_remainder();
    rest.copy_from_slice(&tail[..rest.len()]);
}

/// The larger; a NaN on the right loses.
#[inline(always)]
fn larger<T: PartialOrd>(max: T, x: T) -> T {
    if x > max { x } else { max }
}

#[inline(always)]
fn max<T: Row>(row: &[T]) -> T {
    let mut lanes = [T::LOWEST; WIDE];
    let chunks = row.chunks_exact(WIDE);
    let tail = load(chunks.remainder(), T::LOWEST);
    for chunk in chunks {
        for i in 0..WIDE {
            lanes[i] = larger(lanes[i], chunk[i]);
        }
    }
    for i in 0..WIDE {
        lanes[i] = larger(lanes[i], tail[i]);
    }
    lanes.into_iter().fold(T::LOWEST, larger)
}

/// The maximum of a row and `Σ exp(x − max)`; `max + ln sum` is the row's log-sum-exp. An entry of -∞ adds exactly 0.
#[inline(always)]
pub(crate) fn max_and_sum<T: Row>(row: &[T]) -> (T, T) {
    let max = max(row);
    let step = |sum, x, _| sum + Math::fast_exp(x - max);
    (max, fold(row, row, T::LOWEST, step, step))
}

#[inline(always)]
fn shift<T: Row>(x: T, max: T, log: T) -> T {
    (x - max) - log
}

/// The order of `PyTorch`: not `y·g − y·sum`.
#[inline(always)]
fn centred<T: Row>(y: T, g: T, sum: T) -> T {
    (g - sum) * y
}

/// `out = (x − max) − ln Σ exp(x − max)`.
#[inline(always)]
pub(crate) fn log_softmax_row<T: Row>(row: &[T], out: &mut [T]) {
    let (max, sum) = max_and_sum(row);
    let log = Math::ln(sum);
    for (o, &x) in out.iter_mut().zip(row) {
        *o = shift(x, max, log);
    }
}

/// `out = exp(x − max) · (1 / Σ exp(x − max))`.
#[inline(always)]
pub(crate) fn softmax_row<T: Row>(row: &[T], out: &mut [T]) {
    let max = max(row);
    each(row, row, out, |x, _| Math::fast_exp(x - max));
    let step = |sum, e, _| sum + e;
    let scale = T::lit(1.0) / fold(out, out, T::default(), step, step);
    for o in out {
        *o = *o * scale;
    }
}

/// `out = g − exp(y) Σ g` for the result `y` of [`log_softmax_row`].
#[inline(always)]
pub(crate) fn log_softmax_grad_row<T: Row>(y: &[T], g: &[T], out: &mut [T]) {
    let step = |sum, g, _| sum + g;
    let sum = fold(g, g, T::default(), step, step);
    each(y, g, out, |y, g| T::fma(-Math::fast_exp(y), sum, g));
}

/// `out = (g − Σ g·y) · y` for the result `y` of [`softmax_row`].
#[inline(always)]
pub(crate) fn softmax_grad_row<T: Row>(y: &[T], g: &[T], out: &mut [T]) {
    let sum = fold(g, y, T::default(), |sum, g, y| sum + g * y, |sum, g, y| T::fma(g, y, sum));
    for ((o, &y), &g) in out.iter_mut().zip(y).zip(g) {
        *o = centred(y, g, sum);
    }
}

/// Calls `f(first, row)` for every row of `n` elements, in blocks of whole rows.
fn for_rows<T: Row>(out: &mut [T], n: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    let block = (BLOCK / n.max(1)).max(1) * n;
    parallel::for_chunks(out, block, WORK, |start, chunk| {
        vectorize!(for (i, row) in chunk.chunks_exact_mut(n).enumerate() {
            f(start + i * n, row);
        });
    });
}

/// One number per column of each of the `outer` matrices `n × inner`: calls `f(first, at, vector, out)`, where `first` is
/// the place of the first of these columns in the data, `at` that in `out`'s whole, and `vector` tells whether
/// `PyTorch` has them in whole vectors.
fn for_columns<T: Row>(
    n: usize,
    inner: usize,
    out: &mut [T],
    f: impl Fn(usize, usize, bool, &mut [T]) + Sync,
) {
    let whole = inner / T::LANES * T::LANES;
    parallel::for_chunks(out, (BLOCK / n).max(T::LANES), n * WORK, |start, chunk| {
        let mut done = 0;
        while done < chunk.len() {
            let (entry, column) = ((start + done) / inner, (start + done) % inner);
            let border = if column < whole { whole } else { inner };
            let len = (border - column).min(chunk.len() - done);
            let columns = &mut chunk[done..done + len];
            vectorize!(f(entry * n * inner + column, start + done, column < whole, columns));
            done += len;
        }
    });
}

/// `out = f(a, b, c)`, row by row. `a` has the shape of `out`; `c` has one number per column, and `b` either.
/// The columns that fill no whole vector go through `rest`: there `PyTorch` calls the C library's exponential.
fn finish<T: Row>(
    [n, inner]: [usize; 2],
    [a, b, c]: [&[T]; 3],
    out: &mut [T],
    f: impl Fn(T, T, T) -> T + Sync,
    rest: impl Fn(T, T, T) -> T + Sync,
) {
    let whole = inner / T::LANES * T::LANES;
    let dense = b.len() == out.len();
    for_rows(
        out,
        inner,
        #[inline(always)]
        |at, out| {
            let column = at / (n * inner) * inner;
            let (a, b, c) = (&a[at..], &b[if dense { at } else { column }..], &c[column..]);
            let (vectors, tail) = out.split_at_mut(whole);
            zip(vectors, a, b, c, &f);
            zip(tail, &a[whole..], &b[whole..], &c[whole..], &rest);
        },
    );
}

#[inline(always)]
fn zip<T: Row>(out: &mut [T], a: &[T], b: &[T], c: &[T], f: impl Fn(T, T, T) -> T) {
    for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *o = f(a, b, c);
    }
}

/// The maxima and `Σ exp(x − max)` of all columns.
fn column_stats<T: Row>(x: &[T], n: usize, inner: usize) -> (Vec<T>, Vec<T>) {
    let count = x.len() / n;
    let (mut maxima, mut sums) = (vec![T::LOWEST; count], vec![T::default(); count]);
    for_columns(
        n,
        inner,
        &mut maxima,
        #[inline(always)]
        |first, _, _, max| {
            for i in 0..n {
                max.iter_mut().zip(&x[first + i * inner..]).for_each(|(m, &x)| *m = larger(*m, x));
            }
        },
    );
    for_columns(
        n,
        inner,
        &mut sums,
        #[inline(always)]
        |first, at, vector, sum| {
            for i in 0..n {
                let columns = sum.iter_mut().zip(&x[first + i * inner..]).zip(&maxima[at..]);
                if vector {
                    columns.for_each(|((s, &x), &m)| *s += Math::fast_exp(x - m));
                } else {
                    columns.for_each(|((s, &x), &m)| *s += Math::exp(x - m));
                }
            }
        },
    );
    (maxima, sums)
}

/// The sums of all columns of `g`, or of `g·y`.
fn column_sums<T: Row>(g: &[T], y: Option<&[T]>, n: usize, inner: usize) -> Vec<T> {
    let mut sums = vec![T::default(); g.len() / n];
    for_columns(
        n,
        inner,
        &mut sums,
        #[inline(always)]
        |first, _, _, sum| {
            for at in (first..).step_by(inner).take(n) {
                let columns = sum.iter_mut().zip(&g[at..]);
                match y {
                    None => columns.for_each(|(s, &g)| *s += g),
                    Some(y) => columns.zip(&y[at..]).for_each(|((s, &g), &y)| *s = T::fma(g, y, *s)),
                }
            }
        },
    );
    sums
}

/// Log-softmax over the middle dimension.
pub(crate) fn log_softmax<T: Row>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        return for_rows(
            out,
            n,
            #[inline(always)]
            |at, out| log_softmax_row(&x[at..at + n], out),
        );
    }
    let (maxima, mut logs) = column_stats(x, n, inner);
    vectorize!(logs.iter_mut().for_each(|s| *s = Math::ln(*s)));
    finish([n, inner], [x, &maxima, &logs], out, shift, shift);
}

/// Softmax over the middle dimension.
pub(crate) fn softmax<T: Row>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        return for_rows(
            out,
            n,
            #[inline(always)]
            |at, out| softmax_row(&x[at..at + n], out),
        );
    }
    let (maxima, sums) = column_stats(x, n, inner);
    // Here PyTorch divides; along rows it multiplies by the reciprocal.
    finish(
        [n, inner],
        [x, &maxima, &sums],
        out,
        #[inline(always)]
        |x, max, sum| Math::fast_exp(x - max) / sum,
        #[inline(always)]
        |x, max, sum| Math::exp(x - max) / sum,
    );
}

/// `ln Σ exp(x)` over the middle dimension.
pub(crate) fn log_sum_exp<T: Row>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if n == 0 || out.is_empty() {
        return out.fill(T::LOWEST);
    }
    // An infinite maximum is the result, but its difference from itself is not 0.
    let finish = |max: T, sum: T| if max.abs() == -T::LOWEST { max } else { max + Math::ln(sum) };
    if inner == 1 {
        return for_rows(
            out,
            1,
            #[inline(always)]
            |at, out| {
                let (max, sum) = max_and_sum(&x[at * n..][..n]);
                out[0] = finish(max, sum);
            },
        );
    }
    let (maxima, sums) = column_stats(x, n, inner);
    for ((o, max), sum) in out.iter_mut().zip(maxima).zip(sums) {
        *o = finish(max, sum);
    }
}

/// The gradient of log-softmax from its result `y`.
pub(crate) fn log_softmax_grad<T: Row>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        return for_rows(
            out,
            n,
            #[inline(always)]
            |at, out| log_softmax_grad_row(&y[at..at + n], &g[at..at + n], out),
        );
    }
    let sums = column_sums(g, None, n, inner);
    finish(
        [n, inner],
        [y, g, &sums],
        out,
        #[inline(always)]
        |y, g, sum| T::fma(-Math::fast_exp(y), sum, g),
        #[inline(always)]
        |y, g, sum| T::fma(-Math::exp(y), sum, g),
    );
}

/// The gradient of softmax from its result `y`.
pub(crate) fn softmax_grad<T: Row>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner == 1 {
        return for_rows(
            out,
            n,
            #[inline(always)]
            |at, out| softmax_grad_row(&y[at..at + n], &g[at..at + n], out),
        );
    }
    let sums = column_sums(g, Some(y), n, inner);
    finish([n, inner], [y, g, &sums], out, centred, centred);
}

#[cfg(test)]
mod tests {
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
        for (outer, n, inner) in
            [(3, 1, 1), (2, 7, 1), (2, 8, 1), (1, 37, 1), (2, 5, 3), (3, 4, 21), (2, 1, 4)]
        {
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
            assert_eq!(outs.map(|out| hash(&out)), expected, "{n}×{inner}");
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
            let mut out = [1.0; 3];
            softmax_row(&row, &mut out);
            match expected {
                Some(expected) => assert_eq!(out, expected),
                None => assert!(out.iter().all(|x| x.is_nan()), "{row:?}: {out:?}"),
            }
        }
        assert_eq!(max_and_sum(&[-inf, 3.0_f32]), (3.0, 1.0));
    }
}
