//! Rows of logits with one entry apart, the target's: what cross-entropy is made of. Compiled once a type and vector unit, so
//! that a loss need not be.

use super::super::parallel::Chunk;
use super::super::real::{Float, Real};
use super::super::simd::{inlined, vectorize};
use super::rows::{exponentials_apart, fast_exps, max_and_sums, max_and_wide_sums};

/// The most rows that [`Logits::softmax_apart`] takes at once.
pub const LOGIT_ROWS: usize = 32;

/// Entries from which a row is long: its exponentials are computed once and scaled, in half the time and as exactly. A shorter row
/// computes those of its gradient anew, which keeps PyTorch's digits where gradients cancel over a batch.
const LONG: usize = 64;

/// Entries that PyTorch adds up one after the other on every processor.
const FEW: usize = 8;

/// Elements of a small group, which has less scratch.
const SMALL: usize = 1 << 8;

/// Where the gradient of rows goes.
#[derive(Debug)]
pub struct Slopes<'a, 'b, T: Float> {
    /// An output of whole rows.
    pub out: &'a mut Chunk<'b, T>,
    /// The first of these rows in it.
    pub first: usize,
    /// The factor of each row.
    pub scales: &'a [f64; LOGIT_ROWS],
}

/// `f32` and `f64` as logits.
pub trait Logits: Float {
    /// For at most [`LOGIT_ROWS`] rows of `n` entries, the first of `x`: the maximum `m` of each and `ln Σ exp(x − m)`, as exact as a
    /// probability near 1 wants it if it is that of the entry `apart`; and, if asked for, the gradient of `−ln pₐ` by the row,
    /// `p − 1` at `apart` and `p` elsewhere, times a scale. A row without an entry apart does not count: its gradient is 0, and its numbers
    /// mean nothing. If `x` goes on, the rows that follow are prefetched.
    ///
    /// # Panics
    /// If `x`, `apart` or the output has fewer rows than `stats`, `stats` more than [`LOGIT_ROWS`], or an entry apart is not below `n`.
    ///
    /// ```
    /// use downhill::kernels::Logits;
    /// let mut stats = [(0.0, 0.0)];
    /// f64::softmax_apart(&[7.0, 7.0], 2, &[Some(0)], None, &mut stats);
    /// assert_eq!(stats, [(7.0, std::f64::consts::LN_2)]);
    /// ```
    fn softmax_apart(
        x: &[Self],
        n: usize,
        apart: &[Option<usize>],
        slopes: Option<Slopes<'_, '_, Self>>,
        stats: &mut [(Self, f64)],
    );

    /// The maximum `m` of a row, its place (any one in a row with NaN), `exp(x − m)` of that entry and the sum of all others': in `f64`, exact
    /// enough for one rounding of what is made of them.
    ///
    /// ```
    /// use downhill::kernels::Logits;
    /// assert_eq!(f32::max_and_wide_sums(&[1.0, 1.0]), (1.0, 0, [1.0, 1.0]));
    /// ```
    fn max_and_wide_sums(row: &[Self]) -> (Self, usize, [f64; 2]);
}

macro_rules! logits {
    ($($type:ident)*) => {$(
        impl Logits for $type {
            fn softmax_apart(
                x: &[Self],
                n: usize,
                apart: &[Option<usize>],
                slopes: Option<Slopes<'_, '_, Self>>,
                stats: &mut [(Self, f64)],
            ) {
                vectorize!($type: softmax_apart(x, n, apart, slopes, stats));
            }

            fn max_and_wide_sums(row: &[Self]) -> (Self, usize, [f64; 2]) {
                vectorize!($type: max_and_wide_sums(row))
            }
        }
    )*};
}
logits!(f32 f64);

#[inline(always)]
fn softmax_apart<T: Float>(
    x: &[T],
    n: usize,
    apart: &[Option<usize>],
    slopes: Option<Slopes<'_, '_, T>>,
    stats: &mut [(T, f64)],
) {
    let (rows, apart) = (stats.len(), &apart[..stats.len()]);
    assert!(rows <= LOGIT_ROWS, "softmax_apart: at most {LOGIT_ROWS} rows at once, but got {rows}");
    assert!(apart.iter().flatten().all(|&c| c < n), "softmax_apart: an entry apart is one of {n}");
    if rows * n == 0 {
        return;
    }
    if n >= LONG {
        return long(x, n, apart, slopes, stats);
    }
    let x = &x[..rows * n];
    let (mut small, mut large);
    let (lanes, scales) = match slopes {
        // The output is scratch first.
        Some(Slopes { out, first, scales }) => (&mut out[first * n..][..x.len()], &scales[..]),
        // Zeros for the largest group would take as long as a small group's exponentials.
        None if x.len() <= SMALL => {
            small = [T::default(); SMALL];
            (&mut small[..x.len()], &[][..])
        }
        None => {
            large = [T::default(); LOGIT_ROWS * LONG];
            (&mut large[..x.len()], &[][..])
        }
    };
    let Sums { max, mut logs, few, doubts } = short_sums(x, n, apart, lanes);
    stats.iter_mut().zip(max).zip(logs).for_each(|((s, max), log)| *s = (max, log));
    if scales.is_empty() {
        return;
    }
    let out = lanes;
    if n < FEW {
        // A sum of few is rounded as in PyTorch: gradients that cancel over a batch have its digits then.
        for (log, sum) in logs[..rows].iter_mut().zip(few) {
            *log = Real::ln(sum.cast::<f64>());
        }
    }
    for (((x, out), &max), &log) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)).zip(&max).zip(&logs) {
        let log = T::lit(log);
        for (o, &x) in out.iter_mut().zip(x) {
            *o = (x - max) - log;
        }
    }
    fast_exps(out);
    for (((out, &apart), &scale), doubt) in out.chunks_exact_mut(n).zip(apart).zip(scales).zip(doubts) {
        let Some(apart) = apart else {
            out.fill(T::default());
            continue;
        };
        let scale = T::lit(scale);
        for o in out.iter_mut() {
            *o = *o * scale;
        }
        out[apart] = T::lit(-doubt * scale.cast::<f64>());
    }
}

/// Numbers of each row: its maximum, the logarithm of the sum of its exponentials, that sum in `T`, and the probability of all
/// entries but the one apart.
struct Sums<T> {
    max: [T; LOGIT_ROWS],
    logs: [f64; LOGIT_ROWS],
    few: [T; LOGIT_ROWS],
    doubts: [f64; LOGIT_ROWS],
}

/// Rows of few entries lie side by side in the lanes of a vector: each is then as fast as an entry of a long one, and nothing is added
/// up across lanes.
#[inline(always)]
fn short_sums<T: Float>(x: &[T], n: usize, apart: &[Option<usize>], lanes: &mut [T]) -> Sums<T> {
    let rows = apart.len();
    for (c, entries) in lanes.chunks_exact_mut(rows).enumerate() {
        for (r, entry) in entries.iter_mut().enumerate() {
            // A check that never fails, but leaves no branch.
            *entry = x.get(r * n + c).copied().unwrap_or_default();
        }
    }
    let (mut max, mut own) = ([T::lit(f64::NEG_INFINITY); LOGIT_ROWS], [0.0; LOGIT_ROWS]);
    let few = exponentials_of_lanes(lanes, &mut max[..rows]);
    // The one apart: the probability of the others is their sum, and not the difference from 1.
    for (r, (own, &c)) in own.iter_mut().zip(apart).enumerate() {
        if let Some(c) = c {
            *own = std::mem::take(&mut lanes[c * rows + r]).cast::<f64>();
        }
    }
    let (mut logs, mut doubts) = ([0.0; LOGIT_ROWS], [0.0; LOGIT_ROWS]);
    for entries in lanes.chunks_exact(rows) {
        for (others, &e) in doubts.iter_mut().zip(entries) {
            *others += e.cast::<f64>();
        }
    }
    for ((log, others), own) in logs.iter_mut().zip(&mut doubts).zip(own) {
        *log = Real::log1p(*others + (own - 1.0));
        *others = *others / (own + *others);
    }
    Sums { max, logs, few, doubts }
}

/// The rows' maxima, and in place of the entries their `exp(x − max)`, whose sums are returned.
#[inline(always)]
fn exponentials_of_lanes<T: Float>(lanes: &mut [T], max: &mut [T]) -> [T; LOGIT_ROWS] {
    let rows = max.len();
    for entries in lanes.chunks_exact(rows) {
        for (max, &x) in max.iter_mut().zip(entries) {
            *max = if x > *max { x } else { *max };
        }
    }
    let mut sums = [T::default(); LOGIT_ROWS];
    for entries in lanes.chunks_exact_mut(rows) {
        for (x, &max) in entries.iter_mut().zip(&*max) {
            *x = *x - max;
        }
    }
    fast_exps(lanes);
    for entries in lanes.chunks_exact(rows) {
        for (sum, &e) in sums.iter_mut().zip(entries) {
            *sum += e;
        }
    }
    sums
}

#[inline(always)]
fn long<T: Float>(
    x: &[T],
    n: usize,
    apart: &[Option<usize>],
    mut slopes: Option<Slopes<'_, '_, T>>,
    stats: &mut [(T, f64)],
) {
    for (r, (&c, stat)) in apart.iter().zip(stats).enumerate() {
        let Some(c) = c else {
            if let Some(Slopes { out, first, .. }) = &mut slopes {
                out[(*first + r) * n..][..n].fill(T::default());
            }
            continue;
        };
        // From a row on: what follows is prefetched.
        let x = &x[r * n..];
        let (max, own, others): (T, T, f64) = match &mut slopes {
            None => max_and_sums(x, n, c),
            Some(Slopes { out, first, scales }) => {
                let row = (*first + r) * n..(*first + r + 1) * n;
                let (max, own, others): (T, T, f64) = exponentials_apart(x, c, &mut out[row.clone()]);
                let (sum, g) = (own.cast::<f64>() + others, scales[r]);
                // p − 1 is minus the probability of the others.
                let (scale, slope) = (T::lit(g / sum), T::lit(-others / sum * g));
                out.stream(
                    row,
                    inlined!(|at, out| {
                        for o in out.iter_mut() {
                            *o = *o * scale;
                        }
                        if let Some(o) = out.get_mut(c.wrapping_sub(at)) {
                            *o = slope;
                        }
                    }),
                );
                (max, own, others)
            }
        };
        *stat = (max, Real::log1p(others + (own.cast::<f64>() - 1.0)));
    }
}
