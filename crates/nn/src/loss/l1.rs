//! Mean absolute error.

use super::pointwise::weighted_mean;
use super::{Loss, Pointwise, Reduction};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{DType, Error, Result, Tensor};

/// Absolute error: the loss of regression that outliers do not dominate.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/l1.svg"))]
///
/// # Formula
/// ```math
/// ℓᵢ = |xᵢ − tᵢ|
/// ```
///
/// With weights the terms are `wᵢ ℓᵢ`. The mean divides by the number of elements, or by the sum of the weights.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = \operatorname{sign}(xᵢ − tᵢ)
/// ```
///
/// which is 0 where they are equal, and its negative to `t`.
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// Exact up to the rounding of the difference.
///
/// # Errors
/// Shapes that do not broadcast; inputs neither of which is a float; a weight of another shape.
///
/// # Examples
/// ```
/// use downhill::nn::{L1Loss, Loss};
/// use downhill::Tensor;
/// let loss = L1Loss::default().forward(&Tensor::from([1.0_f32, 2.0]), &Tensor::from([0.0_f32, 4.0]))?;
/// assert_eq!(loss.item::<f32>()?, 1.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.L1Loss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.L1Loss.html); it warns where shapes
/// broadcast, and takes the weight in [the function](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.l1_loss.html)
/// only.
#[derive(Clone, Debug, Default, Module)]
pub struct L1Loss {
    /// A factor for each element, of the input's shape.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Pointwise<2> for L1Loss {
    const OP: &'static str = "l1_loss";
    fn name(&self, reduction: Reduction) -> &'static str {
        match reduction {
            Reduction::None => "AbsBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        }
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        (x - t).abs()
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        let slope = (x - t).sign();
        [slope.clone(), -slope]
    }
}

impl Loss for L1Loss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        if input.dtype() == DType::Bool || target.dtype() == DType::Bool {
            return Err(Error::DType { op: Self::OP, expected: "numbers", got: DType::Bool });
        }
        weighted_mean(self, [input, target], self.weight.as_ref(), self.reduction)
    }
}
