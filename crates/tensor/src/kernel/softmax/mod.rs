//! Softmax and log-softmax over the middle of a row-major `outer × n × inner` array, and their gradients.
//!
//! The operations and their order are `PyTorch`'s on a processor with AVX-512 (16 lanes of `f32`, 8 of `f64`; rows
//! below 8 elements come out the same with AVX2), and so are the bits of `f32`. The row functions are
//! `#[inline(always)]`: call them inside of [`vectorize!`](super::simd).
//!
//! Of the row's maximum only `x - max` is used, so a NaN anywhere, +∞ anywhere and -∞ everywhere make the row NaN.

mod columns;
mod short;

use super::math::Math;
use super::matmul::Multiply;
use super::parallel;
use super::reduce::Summand;
use super::simd::{fetch, vectorize};
use crate::dtype::Element;
use crate::real::Real;

/// An element of an exponential row costs about eight times one that is streamed: 1 ns.
const WORK: usize = 8;

/// Elements of a block of work.
const BLOCK: usize = 1 << 12;

/// Lanes of the widest row.
const WIDE: usize = 16;

/// Elements of a row that are worked on at once.
const PIECE: usize = 16 * WIDE;

/// What rows are made of.
#[allow(unreachable_pub, private_bounds, reason = "a bound that seals `Float`")]
pub trait Row: Element + Real<Mask = bool> + Summand + Math + Multiply {
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

/// The elements of a row's end, the missing ones filled with `pad`.
#[inline(always)]
fn load<T: Row>(part: &[T], pad: T) -> [T; WIDE] {
    let mut lanes = [pad; WIDE];
    lanes[..part.len()].copy_from_slice(part);
    lanes
}

/// Adds up the lanes of a row of `n`: one after the other if it is shorter than a vector, otherwise by halves.
#[inline(always)]
fn add_up<T: Row, S: Row>(mut lanes: [S; WIDE], n: usize) -> S {
    if n < T::LANES {
        return lanes[..n].iter().fold(S::default(), |sum, &x| sum + x);
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

/// Adds terms to the lanes.
#[inline(always)]
fn add<T: Row, S: Row>(lanes: &mut [S; WIDE], terms: &[T]) {
    let chunks = terms.chunks_exact(T::LANES);
    let tail = chunks.remainder();
    for chunk in chunks {
        for i in 0..T::LANES {
            lanes[i] += chunk[i].cast::<S>();
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(tail) {
        *lane += x.cast::<S>();
    }
}

/// The sum of a row, added up in `S`.
#[inline(always)]
fn total<T: Row, S: Row>(row: &[T]) -> S {
    let mut lanes = [S::default(); WIDE];
    add(&mut lanes, row);
    add_up::<T, S>(lanes, row.len())
}

/// `Σ f(x)` over a row, added up in `S`, and `next` fetched. Terms are computed before any is added: a loop that does both stays
/// scalar.
#[inline(always)]
fn sum<T: Row, S: Row>(row: &[T], next: &[T], f: impl Fn(T) -> T) -> S {
    let (mut lanes, mut tile) = ([S::default(); WIDE], [T::default(); PIECE]);
    for (i, piece) in row.chunks(PIECE).enumerate() {
        fetch(next, i * PIECE, PIECE);
        let terms = &mut tile[..piece.len()];
        each(
            piece,
            piece,
            terms,
            #[inline(always)]
            |x, _| f(x),
        );
        add(&mut lanes, terms);
    }
    add_up::<T, S>(lanes, row.len())
}

/// `Σ ab` over two rows: rounded twice in whole vectors and in rows shorter than one, once in what is left over.
#[inline(always)]
fn dot<T: Row>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::default(); WIDE];
    let (a_chunks, b_chunks) = (a.chunks_exact(T::LANES), b.chunks_exact(T::LANES));
    let tails = a_chunks.remainder().iter().zip(b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..T::LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    let short = a.len() < T::LANES;
    for (sum, (&a, &b)) in lanes.iter_mut().zip(tails) {
        *sum = if short { a * b } else { T::fma(a, b, *sum) };
    }
    add_up::<T, T>(lanes, a.len())
}

/// `out = f(a, b)`, whole vectors even at the end of the row.
#[inline(always)]
fn each<T: Row>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    let whole = out.len() / WIDE * WIDE;
    let (out, end) = out.split_at_mut(whole);
    for ((o, &a), &b) in out.iter_mut().zip(&a[..whole]).zip(&b[..whole]) {
        *o = f(a, b);
    }
    if !end.is_empty() {
        let (a, b) = (load(&a[whole..], T::default()), load(&b[whole..], T::default()));
        let mut lanes = [T::default(); WIDE];
        // A loop of so few turns is unrolled into scalars where the compiler knows their number.
        let n = std::hint::black_box(WIDE);
        for ((o, &a), &b) in lanes[..n].iter_mut().zip(&a[..n]).zip(&b[..n]) {
            *o = f(a, b);
        }
        end.copy_from_slice(&lanes[..end.len()]);
    }
}

/// The larger; a NaN on the right loses.
#[inline(always)]
fn larger<T: PartialOrd>(max: T, x: T) -> T {
    if x > max { x } else { max }
}

#[inline(always)]
fn max<T: Row>(row: &[T]) -> T {
    /// Several vectors: a comparison waits for the one before in its lane.
    const LANES: usize = 4 * WIDE;
    let (chunks, tail) = row.as_chunks::<LANES>();
    let max = tail.iter().fold(T::LOWEST, |max, &x| larger(max, x));
    if chunks.is_empty() {
        return max;
    }
    let mut lanes = [max; LANES];
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = larger(lanes[i], chunk[i]);
        }
    }
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = larger(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// The maximum of a row, the first `n` elements, and `Σ exp(x − max)`; `max + ln sum` is the row's log-sum-exp. An entry of -∞ adds
/// exactly 0. As much of what follows the row is fetched meanwhile.
#[inline(always)]
pub(crate) fn max_and_sum<T: Row, S: Row>(x: &[T], n: usize) -> (T, S) {
    let (row, next) = x.split_at(n);
    let max = max(row);
    let sum = sum(
        row,
        next,
        #[inline(always)]
        |x| Math::fast_exp(x - max),
    );
    (max, sum)
}

/// `out = exp(x − max)`; [`max_and_sum`] of the row, to the bit.
#[inline(always)]
pub(crate) fn exponentials<T: Row, S: Row>(x: &[T], out: &mut [T]) -> (T, S) {
    let (row, next) = x.split_at(out.len());
    let max = max(row);
    for (i, (row, out)) in row.chunks(PIECE).zip(out.chunks_mut(PIECE)).enumerate() {
        fetch(next, i * PIECE, PIECE);
        each(
            row,
            row,
            out,
            #[inline(always)]
            |x, _| Math::fast_exp(x - max),
        );
    }
    (max, total(out))
}

/// `x = exp(x)` of every element, whole vectors even at the end.
#[inline(always)]
pub(crate) fn fast_exps<T: Row>(x: &mut [T]) {
    let (whole, end) = x.split_at_mut(x.len() / WIDE * WIDE);
    for x in whole {
        *x = Math::fast_exp(*x);
    }
    if !end.is_empty() {
        let mut lanes = load(end, T::default());
        // As in `each`.
        for x in &mut lanes[..std::hint::black_box(WIDE)] {
            *x = Math::fast_exp(*x);
        }
        end.copy_from_slice(&lanes[..end.len()]);
    }
}

/// [`exponentials`] of rows of `n` elements. Those of short rows are computed side by side, in whole vectors.
#[inline(always)]
fn exponentials_of_rows<T: Row>(x: &[T], n: usize, out: &mut [T], stats: &mut [(T, T)]) {
    for ((row, out), stat) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)).zip(&mut *stats) {
        let max = max(row);
        for (o, &x) in out.iter_mut().zip(row) {
            *o = x - max;
        }
        stat.0 = max;
    }
    fast_exps(out);
    for (row, stat) in out.chunks_exact(n).zip(stats) {
        stat.1 = total(row);
    }
}

/// The same with exponentials in `f64`, exact enough for differences of softmaxes.
#[inline(always)]
pub(crate) fn max_and_wide_sum<T: Row>(row: &[T]) -> (T, f64) {
    let max = max(row);
    let (wide, mut lanes, mut tile) = (max.cast::<f64>(), [0.0; WIDE], [0.0; 16 * WIDE]);
    for piece in row.chunks(tile.len()) {
        let terms = &mut tile[..piece.len()];
        for (term, &x) in terms.iter_mut().zip(piece) {
            *term = <T as Math>::wide_exp(x.cast::<f64>() - wide);
        }
        let (chunks, tail) = terms.as_chunks::<WIDE>();
        for chunk in chunks {
            for i in 0..WIDE {
                lanes[i] += chunk[i];
            }
        }
        for (lane, &term) in lanes.iter_mut().zip(tail) {
            *lane += term;
        }
    }
    (max, lanes.iter().sum())
}

/// `max + ln sum`, where the difference of an infinite maximum from itself is not 0.
#[inline(always)]
fn log_sum<T: Row>(max: T, sum: T) -> T {
    if Real::abs(max) == -T::LOWEST { max } else { max + Math::fast_ln(sum) }
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
fn log_softmax_row<T: Row>(x: &[T], out: &mut [T]) {
    let (max, sum) = max_and_sum::<T, T>(x, out.len());
    let log = Math::fast_ln(sum);
    for (o, &x) in out.iter_mut().zip(x) {
        *o = shift(x, max, log);
    }
}

/// `out = exp(x − max) · (1 / Σ exp(x − max))`.
#[inline(always)]
fn softmax_row<T: Row>(x: &[T], out: &mut [T]) {
    let (_, sum): (T, T) = exponentials(x, out);
    let scale = T::lit(1.0) / sum;
    for o in out {
        *o = *o * scale;
    }
}

/// `out = g − exp(y) Σ g` for the result `y` of [`log_softmax_row`].
#[inline(always)]
fn log_softmax_grad_row<T: Row>(y: &[T], g: &[T], out: &mut [T]) {
    let ((y, next_y), (g, next_g)) = (y.split_at(out.len()), g.split_at(out.len()));
    let sum: T = total(g);
    for (i, (out, (y, g))) in out.chunks_mut(PIECE).zip(y.chunks(PIECE).zip(g.chunks(PIECE))).enumerate() {
        fetch(next_y, i * PIECE, PIECE);
        fetch(next_g, i * PIECE, PIECE);
        each(
            y,
            g,
            out,
            #[inline(always)]
            |y, g| T::fma(-Math::fast_exp(y), sum, g),
        );
    }
}

/// `out = (g − Σ g·y) · y` for the result `y` of [`softmax_row`].
#[inline(always)]
fn softmax_grad_row<T: Row>(y: &[T], g: &[T], out: &mut [T]) {
    let ((y, next_y), (g, next_g)) = (y.split_at(out.len()), g.split_at(out.len()));
    let sum = dot(g, y);
    for (i, (out, (y, g))) in out.chunks_mut(PIECE).zip(y.chunks(PIECE).zip(g.chunks(PIECE))).enumerate() {
        fetch(next_y, i * PIECE, PIECE);
        fetch(next_g, i * PIECE, PIECE);
        for ((o, &y), &g) in out.iter_mut().zip(y).zip(g) {
            *o = centred(y, g, sum);
        }
    }
}

/// Calls `f(first, row)` for every row of `n` elements, in blocks of whole rows.
fn for_rows<T: Row>(out: &mut [T], n: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    parallel::write_chunks(out, (BLOCK / n).max(1) * n, WORK, |start, chunk| {
        vectorize!(for (i, row) in chunk.chunks_exact_mut(n).enumerate() {
            f(start + i * n, row);
        });
    });
}

/// Log-softmax over the middle dimension.
pub(crate) fn log_softmax<T: Row>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner > 1 {
        return columns::log_softmax(x, n, inner, out);
    }
    if n < T::LANES {
        return short::log_softmax(x, n, out);
    }
    for_rows(
        out,
        n,
        #[inline(always)]
        |at, out| log_softmax_row(&x[at..], out),
    );
}

/// Softmax over the middle dimension.
pub(crate) fn softmax<T: Row>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner > 1 {
        return columns::softmax(x, n, inner, out);
    }
    if n < T::LANES {
        return short::softmax(x, n, out);
    }
    for_rows(
        out,
        n,
        #[inline(always)]
        |at, out| softmax_row(&x[at..], out),
    );
}

/// `ln Σ exp(x)` over the middle dimension.
pub(crate) fn log_sum_exp<T: Row>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if n == 0 || out.is_empty() {
        return out.fill(T::LOWEST);
    }
    finite_log_sum_exp(x, n, inner, out);
    // The maximum leaves a NaN out, and where it is infinite the sum is not looked at.
    for (at, o) in out.iter_mut().enumerate().filter(|(_, o)| o.abs() == -T::LOWEST) {
        let column = x[at / inner * n * inner + at % inner..].iter().step_by(inner).take(n);
        if column.copied().any(|x| !Real::eq(&x, &x)) {
            *o = T::lit(f64::NAN);
        }
    }
}

fn finite_log_sum_exp<T: Row>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    if inner > 1 {
        return columns::log_sum_exp(x, n, inner, out);
    }
    if n < T::LANES {
        return short::log_sum_exp(x, n, out);
    }
    parallel::for_chunks(out, (BLOCK / n).max(1), n * WORK, |start, out| {
        vectorize!(for (i, o) in out.iter_mut().enumerate() {
            let (max, sum) = max_and_sum(&x[(start + i) * n..], n);
            *o = log_sum(max, sum);
        });
    });
}

/// The gradient of log-softmax from its result `y`.
pub(crate) fn log_softmax_grad<T: Row>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner > 1 {
        return columns::log_softmax_grad(y, g, n, inner, out);
    }
    if n < T::LANES {
        return short::log_softmax_grad(y, g, n, out);
    }
    for_rows(
        out,
        n,
        #[inline(always)]
        |at, out| log_softmax_grad_row(&y[at..], &g[at..], out),
    );
}

/// The gradient of softmax from its result `y`.
pub(crate) fn softmax_grad<T: Row>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    if out.is_empty() {
        return;
    }
    if inner > 1 {
        return columns::softmax_grad(y, g, n, inner, out);
    }
    if n < T::LANES {
        return short::softmax_grad(y, g, n, out);
    }
    for_rows(
        out,
        n,
        #[inline(always)]
        |at, out| softmax_grad_row(&y[at..], &g[at..], out),
    );
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
            [(3, 1, 1), (37, 7, 1), (2, 8, 1), (40, 13, 1), (1, 37, 1), (2, 5, 3), (3, 4, 21), (2, 1, 4)]
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
            for at in (0..x.len()).step_by(n) {
                let range = at..at + n;
                log_softmax_row(&x[range.clone()], &mut row_ls[range.clone()]);
                softmax_row(&x[range.clone()], &mut row_s[range.clone()]);
                log_softmax_grad_row(&ls[range.clone()], &g[range.clone()], &mut row_dls[range.clone()]);
                softmax_grad_row(&s[range.clone()], &g[range.clone()], &mut row_ds[range]);
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
            let mut out = [1.0; 3];
            softmax_row(&row, &mut out);
            match expected {
                Some(expected) => assert_eq!(out, expected),
                None => assert!(out.iter().all(|x| x.is_nan()), "{row:?}: {out:?}"),
            }
        }
        assert_eq!(max_and_sum::<f32, f32>(&[-inf, 3.0], 2), (3.0, 1.0));
        assert_eq!(max_and_wide_sum(&[-inf, 3.0_f32]), (3.0, 1.0));
    }
}
