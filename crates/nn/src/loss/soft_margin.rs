//! Logistic loss of a score and a sign.

use super::bce_with_logits::decay;
use super::pointwise::times_then_divided;
use super::{Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Result, Tensor};

/// Logistic loss for targets of −1 and 1.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/soft_margin.svg"))]
///
/// # Formula
/// ```math
/// ℓᵢ = \ln(1 + e^{−tᵢ xᵢ})
/// ```
///
/// The mean divides by the number of elements.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = −tᵢ\, σ(−tᵢ xᵢ), \qquad \frac{∂ℓᵢ}{∂tᵢ} = −xᵢ\, σ(−tᵢ xᵢ)
/// ```
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// As in PyTorch the exponential overflows: from `−t x > 88` in `f32` (709 in `f64`) the loss is infinite and its
/// gradient NaN. [`BCEWithLogitsLoss`](super::BCEWithLogitsLoss), the same loss for targets of 0 and 1, does not overflow.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, SoftMarginLoss};
/// use downhill::Tensor;
/// let loss = SoftMarginLoss::default().forward(&Tensor::from([0.0_f64, 0.0]), &Tensor::from([1.0, -1.0]))?;
/// assert_eq!(loss.item::<f64>()?, 2.0_f64.ln());
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.SoftMarginLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.SoftMarginLoss.html).
#[derive(Clone, Debug, Default, Module)]
pub struct SoftMarginLoss {
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Pointwise<2> for SoftMarginLoss {
    const OP: &'static str = "soft_margin_loss";
    const WIDE_SUMS: bool = false;
    const INTEGERS: bool = true;
    #[inline]
    fn name(&self, _: Reduction) -> &'static str {
        "SoftMarginLossBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        (-(t * x)).exp().log1p()
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        let z = -(t.clone() * x.clone());
        // eᶻ / (1 + eᶻ), from 1 on what that of −z leaves: the slope of a quotient of large numbers would cancel. It is NaN where eᶻ is ∞.
        let (e, small, one) = (z.clone().exp(), decay(z.clone()), R::lit(1.0));
        let near = z.lt(&one);
        let part = R::select(near.clone(), e.clone(), small);
        let part = part.clone() / (one.clone() + part);
        let s = R::select(near, part.clone(), one - part) + (e.clone() - e);
        [-(t * s.clone()), -(x * s)]
    }
    #[inline(always)]
    fn scaled<R: Real>(&self, inputs: [R; 2], g: R, count: f64) -> [R; 2] {
        times_then_divided(self.grad(inputs), g, count)
    }
}

impl Loss for SoftMarginLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        pointwise(self, [input, target], self.reduction)
    }
}
