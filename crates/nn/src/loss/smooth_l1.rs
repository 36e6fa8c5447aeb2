//! Smooth L1: squared near zero, absolute beyond.

use super::{L1Loss, Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Error, Result, Tensor};

/// Squared error where it is small, absolute error where it is large: the regression loss of detectors
/// ([Girshick, *Fast R-CNN*, 2015](https://arxiv.org/abs/1504.08083)).
///
#[cfg_attr(doc, doc = include_str!("../../pictures/smooth_l1.svg"))]
///
/// # Formula
/// With `d = xᵢ − tᵢ`:
///
/// ```math
/// ℓᵢ = \begin{cases} d² / (2β) & |d| < β \\ |d| − \frac{1}{2} β & \text{elsewhere} \end{cases}
/// ```
///
/// The mean divides by the number of elements. With `β = 0` it is the [`L1Loss`]; it is the Huber loss divided by `β`.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = \begin{cases} d / β & |d| < β \\ \operatorname{sign}(d) & \text{elsewhere} \end{cases}
/// ```
///
/// and its negative to `t`.
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// The square is only taken where it is at most `β²`.
///
/// # Errors
/// A negative or NaN `beta`; shapes that do not broadcast; inputs neither of which is a float.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, SmoothL1Loss};
/// use downhill::Tensor;
/// let loss = SmoothL1Loss::default().forward(&Tensor::from([0.5_f32, 3.0]), &Tensor::from([0.0_f32, 0.0]))?;
/// assert_eq!(loss.item::<f32>()?, (0.125 + 2.5) / 2.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.SmoothL1Loss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.SmoothL1Loss.html); it warns where
/// shapes broadcast.
#[derive(Clone, Debug, Module)]
pub struct SmoothL1Loss {
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
    /// Where squares become absolute values, in units of the input; not negative.
    pub beta: f64,
}

impl Default for SmoothL1Loss {
    fn default() -> Self {
        Self { reduction: Reduction::Mean, beta: 1.0 }
    }
}

impl Pointwise<2> for SmoothL1Loss {
    const OP: &'static str = "smooth_l1_loss";
    fn name(&self, _: Reduction) -> &'static str {
        "SmoothL1LossBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let d = (x - t).abs();
        let near = R::lit(0.5) * d.clone() * d.clone() / R::lit(self.beta);
        R::select(d.lt(&R::lit(self.beta)), near, d - R::lit(0.5 * self.beta))
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        // What is far has a slope of ±1, and a NaN stays one.
        let slope = |d: R| d.clamp(-self.beta, self.beta) / R::lit(self.beta);
        [slope(x.clone() - t.clone()), slope(t - x)]
    }
}

/// The loss with a constant β of 1: without the division it takes half the time.
#[derive(Clone)]
struct Unit;

impl Unit {
    const LOSS: SmoothL1Loss = SmoothL1Loss { reduction: Reduction::Mean, beta: 1.0 };
}

impl Pointwise<2> for Unit {
    const OP: &'static str = SmoothL1Loss::OP;
    fn name(&self, reduction: Reduction) -> &'static str {
        Self::LOSS.name(reduction)
    }
    #[inline(always)]
    fn value<R: Real>(&self, inputs: [R; 2]) -> R {
        Self::LOSS.value(inputs)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, inputs: [R; 2]) -> [R; 2] {
        Self::LOSS.grad(inputs)
    }
}

impl Loss for SmoothL1Loss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        if self.beta.is_nan() || self.beta < 0.0 {
            let message = format!("beta must not be negative, but is {}", self.beta);
            return Err(Error::argument("smooth_l1_loss", message));
        }
        if self.beta == 0.0 {
            return L1Loss { reduction: self.reduction, weight: None }.forward(input, target);
        }
        if self.beta == 1.0 {
            return pointwise(&Unit, [input, target], self.reduction);
        }
        pointwise(self, [input, target], self.reduction)
    }
}
