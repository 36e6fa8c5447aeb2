//! Huber's loss: squared near zero, linear beyond.

use super::pointwise::check_shape;
use super::{Loss, Pointwise, Reduction, pointwise_weighted};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Error, Result, Tensor};

/// Squared error up to `delta`, linear beyond: regression that a few outliers do not pull
/// ([Huber, *Robust Estimation of a Location Parameter*, 1964](https://doi.org/10.1214/aoms/1177703732)).
///
#[cfg_attr(doc, doc = include_str!("../../pictures/huber.svg"))]
///
/// # Formula
/// With `d = xᵢ − tᵢ`:
///
/// ```math
/// ℓᵢ = \begin{cases} \frac{1}{2} d² & |d| ≤ δ \\ δ\, (|d| − \frac{1}{2} δ) & \text{elsewhere} \end{cases}
/// ```
///
/// With weights the terms are `wᵢ ℓᵢ`. The mean divides by the number of elements. It is `δ` times
/// [`SmoothL1Loss`](super::SmoothL1Loss) with `β = δ`.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = \min(\max(d, −δ), δ)
/// ```
///
/// and its negative to `t`.
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// The square is only taken where it is at most `δ²`.
///
/// # Errors
/// A `delta` that is not positive; shapes that do not broadcast; inputs neither of which is a float; a weight of another
/// shape than the input.
///
/// # Examples
/// ```
/// use downhill::nn::{HuberLoss, Loss};
/// use downhill::Tensor;
/// let loss = HuberLoss { delta: 2.0, ..Default::default() };
/// let loss = loss.forward(&Tensor::from([1.0_f32, 5.0]), &Tensor::from([0.0_f32, 0.0]))?;
/// assert_eq!(loss.item::<f32>()?, (0.5 + 8.0) / 2.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.HuberLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.HuberLoss.html); it warns where shapes
/// broadcast, and takes the weight in
/// [the function](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.huber_loss.html) only.
#[derive(Clone, Debug, Module)]
pub struct HuberLoss {
    /// A factor for each element, of the input's shape.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
    /// Where squares become lines, in units of the input; positive.
    pub delta: f64,
}

impl Default for HuberLoss {
    #[inline]
    fn default() -> Self {
        Self { weight: None, reduction: Reduction::Mean, delta: 1.0 }
    }
}

impl Pointwise<2> for HuberLoss {
    const OP: &'static str = "huber_loss";
    #[inline]
    fn name(&self, _: Reduction) -> &'static str {
        "HuberLossBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let d = (x - t).abs();
        let near = R::lit(0.5) * d.clone() * d.clone();
        let far = R::lit(self.delta) * (d.clone() - R::lit(0.5 * self.delta));
        R::select(d.le(&R::lit(self.delta)), near, far)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        [(x.clone() - t.clone()).clamp(-self.delta, self.delta), (t - x).clamp(-self.delta, self.delta)]
    }
}

impl Loss for HuberLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        // Written so that NaN is refused, too.
        if self.delta > 0.0 {
            check_shape(Self::OP, input, self.weight.as_ref())?;
            return pointwise_weighted(self, [input, target], self.weight.as_ref(), self.reduction);
        }
        Err(Error::argument(Self::OP, format!("delta must be positive, but is {}", self.delta)))
    }
}
