//! Binary cross-entropy of logits.

use super::pointwise::{expanded, times_then_divided};
use super::{Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Error, Result, Tensor};

/// Cross-entropy between a sigmoid of the input and targets in `[0, 1]`, computed from the logits.
///
/// # Formula
/// With `p` the positive weight: `ℓᵢ = wᵢ ((1 − tᵢ) xᵢ + (1 + (pᵢ − 1) tᵢ) ln(1 + e^(−xᵢ)))`; the mean divides by the
/// number of elements, not by the weights.
///
/// # Gradient
/// `∂ℓᵢ/∂xᵢ = wᵢ ((1 − tᵢ) − (1 + (pᵢ − 1) tᵢ) σ(−xᵢ))`; without a positive weight, `wᵢ (σ(xᵢ) − tᵢ)`.
///
/// # Shape
/// `x` and `t` of one shape; both weights broadcast to it. The loss has the dtype of `x`.
///
/// # Stability
/// `ln(1 + e^(−x)) = max(−x, 0) + ln(1 + e^(−|x|))`: exact for logits of any finite size. Infinite ones give NaN, as
/// `0 · ∞` arises; targets outside of `[0, 1]` are taken as they are.
///
/// # Errors
/// Shapes that differ, integer targets, weights that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::{BCEWithLogitsLoss, Loss};
/// use downhill::Tensor;
/// let loss = BCEWithLogitsLoss::default().forward(&Tensor::from([0.0_f64, 1000.0]), &Tensor::from([1.0, 0.0]))?;
/// assert_eq!(loss.item::<f64>()?, (2.0_f64.ln() + 1000.0) / 2.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.BCEWithLogitsLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html).
#[derive(Clone, Debug, Default, Module)]
pub struct BCEWithLogitsLoss {
    /// A factor for each element, broadcast to the input.
    pub weight: Option<Tensor>,
    /// What becomes of the terms.
    pub reduction: Reduction,
    /// A factor for the positive part of each term, broadcast to the input: above 1 it favours recall.
    pub pos_weight: Option<Tensor>,
}

impl Pointwise<2> for BCEWithLogitsLoss {
    const OP: &'static str = "binary_cross_entropy_with_logits";
    const WIDE_SUMS: bool = false;
    fn name(&self, _: Reduction) -> &'static str {
        "BinaryCrossEntropyWithLogitsBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        (R::lit(1.0) - t) * x.clone() + softplus(-x)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        [x.clone().sigmoid() - t, -x]
    }
    #[inline(always)]
    fn scaled<R: Real>(&self, inputs: [R; 2], g: R, count: f64) -> [R; 2] {
        times_then_divided(self.grad(inputs), g, count)
    }
}

/// `ln(1 + eᶻ)` without overflow.
#[inline(always)]
pub(super) fn softplus<R: Real>(z: R) -> R {
    z.clone().max(R::lit(0.0)) + (-z.abs()).exp().log1p()
}

/// The loss with both weights, those that are missing being 1: `[x, t, w, p]`.
#[derive(Clone, Debug)]
struct BothWeights;

impl Pointwise<4> for BothWeights {
    const OP: &'static str = "binary_cross_entropy_with_logits";
    const WIDE: bool = true;
    fn name(&self, _: Reduction) -> &'static str {
        "BinaryCrossEntropyWithLogitsBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t, w, p]: [R; 4]) -> R {
        let one = R::lit(1.0);
        let factor = one.clone() + (p - one.clone()) * t.clone();
        w * ((one - t) * x.clone() + factor * softplus(-x))
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t, w, p]: [R; 4]) -> [R; 4] {
        let one = R::lit(1.0);
        let more = p - one.clone();
        let factor = one.clone() + more.clone() * t.clone();
        let (plus, s) = (softplus(-x.clone()), (-x.clone()).sigmoid());
        [
            w.clone() * ((one.clone() - t.clone()) - factor.clone() * s),
            w.clone() * (more * plus.clone() - x.clone()),
            (one - t.clone()) * x + factor * plus.clone(),
            w * t * plus,
        ]
    }
}

impl Loss for BCEWithLogitsLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let op = <Self as Pointwise<2>>::OP;
        if input.shape() != target.shape() {
            return Err(Error::shape(
                op,
                format!("a target of the input's shape {}", input.shape()),
                target.shape(),
            ));
        }
        for x in [input, target] {
            x.dtype().check_float(op)?;
        }
        if self.weight.is_none() && self.pos_weight.is_none() {
            return pointwise(self, [input, target], self.reduction)?.try_to_dtype(input.dtype());
        }
        let one = Tensor::from(1.0_f32);
        let [w, p] =
            [&self.weight, &self.pos_weight].map(|w| expanded(op, w.as_ref().unwrap_or(&one), input.shape()));
        pointwise(&BothWeights, [input, target, &w?, &p?], self.reduction)?.try_to_dtype(input.dtype())
    }
}
