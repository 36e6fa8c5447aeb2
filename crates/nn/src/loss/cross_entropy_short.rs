//! Cross-entropy of rows of few classes. Rows lie side by side in the lanes of a vector: each is then as fast as an entry of a
//! long one, and nothing is added up across lanes.

use super::cross_entropy::{Indices, LONG, weight};
use downhill_tensor::real::Real;
use downhill_tensor::{Float, kernels};

/// Classes that PyTorch adds up one after the other on every processor.
const SHORT: usize = 8;

/// Rows that are worked on at once.
const ROWS: usize = 32;

/// Of each of [`ROWS`] rows the maximum, the logarithm of the sum of its exponentials, and that sum as it is in `T`.
struct Stats<T> {
    max: [T; ROWS],
    logs: [f64; ROWS],
    few: [T; ROWS],
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
        let (mut max, mut logs) = ([T::lit(f64::NEG_INFINITY); ROWS], [0.0; ROWS]);
        let few = log_sums(lanes, &mut max[..rows], &mut logs[..rows]);
        for (r, ((x, loss), &target)) in x.chunks_exact(count).zip(losses).zip(targets).enumerate() {
            let stats = (max[r], logs[r]);
            *loss = self.class(target).map_or(0.0, |c| self.term(x, c, weights, stats));
        }
        Stats { max, logs, few }
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
            let Stats { max, mut logs, few } = self.short_terms(x, targets, weights, out, losses);
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
                // (p − 1) · own, rounded once.
                let slope = out[c].mul_add(own, -own);
                for o in out.iter_mut() {
                    *o = *o * own;
                }
                out[c] = slope;
            }
        }
    }
}

/// Subtracts the rows' maxima from their entries; the maxima, and the logarithms of the sums of exponentials. These sums, added up in
/// `T`, are returned.
#[inline(always)]
fn log_sums<T: Float>(lanes: &mut [T], max: &mut [T], logs: &mut [f64]) -> [T; ROWS] {
    let rows = max.len();
    for entries in lanes.chunks_exact(rows) {
        for (max, &x) in max.iter_mut().zip(entries) {
            *max = if x > *max { x } else { *max };
        }
    }
    let (mut sums, mut exps) = ([T::default(); ROWS], [T::default(); ROWS]);
    let exps = &mut exps[..rows];
    for entries in lanes.chunks_exact_mut(rows) {
        for ((e, x), &max) in exps.iter_mut().zip(entries).zip(&*max) {
            *x = *x - max;
            *e = *x;
        }
        kernels::fast_exps(exps);
        for (sum, &e) in sums.iter_mut().zip(&*exps) {
            *sum += e;
        }
        for (log, &e) in logs.iter_mut().zip(&*exps) {
            *log += e.cast::<f64>();
        }
    }
    for log in logs {
        *log = Real::ln(*log);
    }
    sums
}
