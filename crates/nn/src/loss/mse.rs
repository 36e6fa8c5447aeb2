//! Mean squared error.

use super::pointwise::weighted_mean;
use super::{Loss, Pointwise, Reduction};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Result, Tensor};

/// Squared error: the loss of regression with Gaussian noise.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/mse.svg"))]
///
/// # Formula
/// ```math
/// ℓᵢ = (xᵢ − tᵢ)²
/// ```
///
/// With weights the terms are `wᵢ ℓᵢ`. The mean divides by the number of elements, or by the sum of the weights.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = 2\, (xᵢ − tᵢ)
/// ```
///
/// and its negative to `t`.
///
/// # Shape
/// Any; `x` and `t` broadcast, which is rarely what is meant: compare `(N, 1)` with `(N, 1)`, not with `(N)`.
///
/// # Stability
/// Squares overflow `f32` from `|x − t| > 1.8e19`, as in PyTorch.
///
/// # Errors
/// Shapes that do not broadcast; inputs neither of which is a float; a weight of another shape.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, MSELoss};
/// use downhill::Tensor;
/// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
/// let loss = MSELoss::default().forward(&x, &Tensor::from([0.0_f32, 4.0]))?;
/// assert_eq!(loss.item::<f32>()?, 2.5);
/// loss.backward()?;
/// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [1.0, -2.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.MSELoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.MSELoss.html); it warns where shapes
/// broadcast, and takes the weight in [the function](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.mse_loss.html)
/// only.
#[derive(Clone, Debug, Default, Module)]
pub struct MSELoss {
    /// A factor for each element, of the input's shape.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Pointwise<2> for MSELoss {
    const OP: &'static str = "mse_loss";
    fn name(&self, _: Reduction) -> &'static str {
        "MseLossBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let d = x - t;
        d.clone() * d
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        // Both from a difference: a slope of 0 is then not −0.
        [R::lit(2.0) * (x.clone() - t.clone()), R::lit(2.0) * (t - x)]
    }
}

impl Loss for MSELoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        weighted_mean(self, [input, target], self.weight.as_ref(), self.reduction)
    }
}
