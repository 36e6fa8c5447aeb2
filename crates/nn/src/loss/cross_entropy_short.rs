//! Cross-entropy of rows of few classes. Rows lie side by side in the lanes of a vector: each is then as fast as an entry of a
//! long one, and nothing is added up across lanes.

use super::cross_entropy::{Indices, weight};
use tensor::real::Real;
use tensor::{Float, kernels};

/// Classes that PyTorch adds up one after the other on every processor.
const SHORT: usize = 8;

/// Classes from which rows are no longer short: their exponentials are computed once and scaled, in half the time and no less exactly.
/// The gradients of fewer cost nothing, and keep PyTorch's digits where they cancel over a batch.
pub(super) const LONG: usize = 64;

/// Rows that are worked on at once.
const ROWS: usize = 32;

impl Indices {
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
            let (targets, rows) = (&targets[i * ROWS..], losses.len());
            // The output is scratch first.
            for (c, entries) in out.chunks_exact_mut(rows).enumerate() {
                for (r, entry) in entries.iter_mut().enumerate() {
                    // A check that never fails, but leaves no branch.
                    *entry = x.get(r * count + c).copied().unwrap_or_default();
                }
            }
            let (mut max, mut logs) = ([T::lit(f64::NEG_INFINITY); ROWS], [0.0; ROWS]);
            let (max, logs) = (&mut max[..rows], &mut logs[..rows]);
            let few = log_sums(out, max, logs);
            for (r, ((x, loss), &target)) in x.chunks_exact(count).zip(losses).zip(targets).enumerate() {
                let stats = (max[r], logs[r]);
                *loss = self.class(target).map_or(0.0, |c| self.term(x, c, weights, stats));
            }
            if count < SHORT {
                // A sum of few is rounded as in PyTorch: gradients that cancel over a batch have its digits then.
                for (log, sum) in logs.iter_mut().zip(few) {
                    *log = Real::ln(sum.cast::<f64>());
                }
            }
            let rows = x.chunks_exact(count).zip(out.chunks_exact_mut(count));
            for (((x, out), &max), &log) in rows.zip(&*max).zip(&*logs) {
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
