//! The cross-entropy of one row with targets that give every class a share: probabilities, and smoothed indices.

use downhill_tensor::kernels::{self, Logits, inlined};
use downhill_tensor::real::Real;

/// A row of logits `x`: its maximum, where that is, its exponential and the sum of all others'. Of class `c`, `q(c)` is the share in the
/// target times the weight. All but the exponentials is computed in `f64` and rounded once.
pub(super) struct SoftRow<'a, T> {
    x: &'a [T],
    max: T,
    top: usize,
    most: f64,
    rest: f64,
}

impl<'a, T: Logits> SoftRow<'a, T> {
    pub(super) fn new(x: &'a [T]) -> Self {
        let (max, top, [most, rest]) = T::max_and_wide_sums(x);
        Self { x, max, top, most, rest }
    }

    /// `ln Σ exp(x − max)`: what is left of a probability near 1 is kept.
    #[inline(always)]
    fn ln_sum(&self) -> f64 {
        Real::log1p(self.rest + (self.most - 1.0))
    }

    /// `−ln p(c)` of each class: `ln Σ exp(x − max) − (x(c) − max)`.
    #[inline(always)]
    pub(super) fn neg_log(&self) -> impl Fn(usize) -> f64 + Sync + use<'a, T> {
        let (x, max, ln_sum) = (self.x, self.max.cast::<f64>(), self.ln_sum());
        inlined!(move |c: usize| ln_sum - (x[c].cast::<f64>() - max))
    }

    /// The loss, `−Σ q ln p`.
    #[inline(always)]
    pub(super) fn term(&self, q: impl Fn(usize) -> f64 + Sync) -> f64 {
        let (max, ln_sum) = (self.max.cast::<f64>(), self.ln_sum());
        kernels::sum_terms(
            self.x.len(),
            2,
            inlined!(|at, out: &mut [f64]| {
                // Slices of one length: an index that is checked is not vectorised.
                for (i, (o, x)) in out.iter_mut().zip(&self.x[at..]).enumerate() {
                    *o = q(at + i) * (ln_sum - (x.cast::<f64>() - max));
                }
            }),
        )
    }

    /// The gradient of the loss by the row, `p Σ q − q`, times `g`; of the entry `apart`, which has most of the target, with a probability
    /// in `f64`.
    #[inline(always)]
    pub(super) fn slope(&self, q: impl Fn(usize) -> f64 + Sync, apart: Option<usize>, g: f64, out: &mut [T]) {
        let (top, sum) = (self.top, self.most + self.rest);
        // Without the largest entry's.
        let others = kernels::sum_terms(
            self.x.len(),
            1,
            inlined!(|at, out: &mut [f64]| {
                out.iter_mut().enumerate().for_each(|(i, o)| *o = q(at + i));
                if let Some(o) = out.get_mut(top.wrapping_sub(at)) {
                    *o = 0.0;
                }
            }),
        );
        let own = if top < self.x.len() { q(top) } else { 0.0 };
        let factors = others + own;
        kernels::map_softmax(self.x, (self.max, sum), out, inlined!(|c, p| (p * factors - q(c)) * g));
        if let Some(c) = apart {
            let e = Real::exp(self.x[c].cast::<f64>() - self.max.cast::<f64>());
            out[c] = T::lit((e / sum * factors - q(c)) * g);
        }
        if let Some(o) = out.get_mut(top) {
            // Of the largest, p Σ q − q cancels, and p (Σ q − q) − (1 − p) q does not.
            *o = T::lit((self.most / sum * others - self.rest / sum * own) * g);
        }
    }
}
