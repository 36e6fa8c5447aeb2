//! Cross-entropy of rows of few classes. Rows lie side by side in the lanes of a vector: each is then as fast as an entry of a
//! long one, and nothing is added up across lanes.

use super::cross_entropy::{Indices, LONG, weight};
use downhill_tensor::real::Real;
use downhill_tensor::{Float, kernels};

/// Classes that PyTorch adds up one after the other on every processor.
const SHORT: usize = 8;

/// Rows that are worked on at once.
const ROWS: usize = 32;

/// Of each of [`ROWS`] rows the maximum, the logarithm of the sum of its exponentials, that sum as it is in `T`, and the probability of
/// all classes but the target.
struct Stats<T> {
    max: [T; ROWS],
    logs: [f64; ROWS],
    few: [T; ROWS],
    doubts: [f64; ROWS],
}

impl Indices {
    /// The terms of rows of fewer than [`LONG`] classes.
    #[inline(always)]
    pub(super) fn short_values<T: Float>(
        &self,
        x: &[T],
        targets: &[i64],
        weights: Option<&[T]>,
        losses: &mut [f64],
    ) {
        let count = x.len() / losses.len();
        let mut scratch = [T::default(); ROWS * LONG];
        for (i, (x, losses)) in x.chunks(ROWS * count).zip(losses.chunks_mut(ROWS)).enumerate() {
            self.short_terms(x, &targets[i * ROWS..], weights, &mut scratch[..x.len()], losses);
        }
    }

    /// The terms of at most [`ROWS`] rows, which are laid side by side in `lanes`.
    #[inline(always)]
    fn short_terms<T: Float>(
        &self,
        x: &[T],
        targets: &[i64],
        weights: Option<&[T]>,
        lanes: &mut [T],
        losses: &mut [f64],
    ) -> Stats<T> {
        let rows = losses.len();
        let count = x.len() / rows;
        for (c, entries) in lanes.chunks_exact_mut(rows).enumerate() {
            for (r, entry) in entries.iter_mut().enumerate() {
                // A check that never fails, but leaves no branch.
                *entry = x.get(r * count + c).copied().unwrap_or_default();
            }
        }
        let (mut max, mut own) = ([T::lit(f64::NEG_INFINITY); ROWS], [0.0; ROWS]);
        let few = exponentials(lanes, &mut max[..rows]);
        // The target's apart: the probability of the others is their sum, and not the difference from 1.
        for (r, (own, &target)) in own.iter_mut().zip(&targets[..rows]).enumerate() {
            if let Some(c) = self.class(target) {
                *own = std::mem::take(&mut lanes[c * rows + r]).cast::<f64>();
            }
        }
        let (mut logs, mut doubts) = ([0.0; ROWS], [0.0; ROWS]);
        for entries in lanes.chunks_exact(rows) {
            for (others, &e) in doubts.iter_mut().zip(entries) {
                *others += e.cast::<f64>();
            }
        }
        for ((log, others), own) in logs.iter_mut().zip(&mut doubts).zip(own) {
            *log = Real::log1p(*others + (own - 1.0));
            *others = *others / (own + *others);
        }
        for (r, ((x, loss), &target)) in x.chunks_exact(count).zip(losses).zip(targets).enumerate() {
            let stats = (max[r], logs[r]);
            *loss = self.class(target).map_or(0.0, |c| self.term(x, c, weights, stats));
        }
        Stats { max, logs, few, doubts }
    }

    /// The terms, and the gradients of `g` times them, of rows of fewer than [`LONG`] classes.
    #[inline(always)]
    pub(super) fn short<T: Float>(
        &self,
        x: &[T],
        targets: &[i64],
        weights: Option<&[T]>,
        g: &[T],
        out: &mut [T],
        losses: &mut [f64],
    ) {
        let count = x.len() / losses.len();
        let groups = x.chunks(ROWS * count).zip(out.chunks_mut(ROWS * count));
        for (i, ((x, out), losses)) in groups.zip(losses.chunks_mut(ROWS)).enumerate() {
            let targets = &targets[i * ROWS..];
            // The output is scratch first.
            let Stats { max, mut logs, few, doubts } = self.short_terms(x, targets, weights, out, losses);
            if count < SHORT {
                // A sum of few is rounded as in PyTorch: gradients that cancel over a batch have its digits then.
                for (log, sum) in logs[..losses.len()].iter_mut().zip(few) {
                    *log = Real::ln(sum.cast::<f64>());
                }
            }
            let rows = x.chunks_exact(count).zip(out.chunks_exact_mut(count));
            for (((x, out), &max), &log) in rows.zip(&max).zip(&logs) {
                let log = T::lit(log);
                for (o, &x) in out.iter_mut().zip(x) {
                    *o = (x - max) - log;
                }
            }
            kernels::fast_exps(out);
            for (r, (out, &target)) in out.chunks_exact_mut(count).zip(targets).enumerate() {
                let Some(c) = self.class(target) else {
                    out.fill(T::default());
                    continue;
                };
                let g = if g.len() == 1 { g[0] } else { g[i * ROWS + r] }.cast::<f64>() / self.divisor;
                let own = T::lit(weight(weights, c) * g);
                let slope = T::lit(-doubts[r] * own.cast::<f64>());
                for o in out.iter_mut() {
                    *o = *o * own;
                }
                out[c] = slope;
            }
        }
    }
}

/// The rows' maxima, and in place of the entries their `exp(x − max)`, whose sums are returned.
#[inline(always)]
fn exponentials<T: Float>(lanes: &mut [T], max: &mut [T]) -> [T; ROWS] {
    let rows = max.len();
    for entries in lanes.chunks_exact(rows) {
        for (max, &x) in max.iter_mut().zip(entries) {
            *max = if x > *max { x } else { *max };
        }
    }
    let mut sums = [T::default(); ROWS];
    for entries in lanes.chunks_exact_mut(rows) {
        for (x, &max) in entries.iter_mut().zip(&*max) {
            *x = *x - max;
        }
        kernels::fast_exps(entries);
        for (sum, &e) in sums.iter_mut().zip(&*entries) {
            *sum += e;
        }
    }
    sums
}
