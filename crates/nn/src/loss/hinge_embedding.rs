//! Hinge loss of a distance.

use super::{Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Result, Tensor};

/// Pulls distances of similar pairs to 0 and pushes those of dissimilar pairs beyond a margin.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/hinge_embedding.svg"))]
///
/// # Formula
/// ```math
/// ℓᵢ = \begin{cases} xᵢ & tᵢ = 1 \\ \max(0, \text{margin} − xᵢ) & tᵢ = −1 \\ \text{the sum of both} & \text{elsewhere} \end{cases}
/// ```
///
/// The mean divides by the number of elements.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = \begin{cases} 1 & tᵢ = 1 \\ −1 & tᵢ = −1,\; xᵢ < \text{margin} \\ 0 & tᵢ = −1,\; xᵢ ≥ \text{margin} \end{cases}
/// ```
///
/// and for other targets the sum of both.
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// Exact up to the rounding of the difference.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::{HingeEmbeddingLoss, Loss};
/// use downhill::Tensor;
/// let distance = Tensor::from([0.5_f32, 0.25]);
/// let loss = HingeEmbeddingLoss::default().forward(&distance, &Tensor::from([1.0_f32, -1.0]))?;
/// assert_eq!(loss.item::<f32>()?, (0.5 + 0.75) / 2.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.HingeEmbeddingLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.HingeEmbeddingLoss.html).
#[derive(Clone, Debug, Module)]
pub struct HingeEmbeddingLoss {
    /// The distance from which dissimilar pairs cost nothing.
    pub margin: f64,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for HingeEmbeddingLoss {
    #[inline]
    fn default() -> Self {
        Self { margin: 1.0, reduction: Reduction::Mean }
    }
}

impl Pointwise<2> for HingeEmbeddingLoss {
    const OP: &'static str = "hinge_embedding_loss";
    const INTEGERS: bool = true;
    #[inline]
    fn name(&self, reduction: Reduction) -> &'static str {
        match reduction {
            Reduction::None => "AddBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        }
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let zero = R::lit(0.0);
        let push = (R::lit(self.margin) - x.clone()).max(zero.clone());
        let push = R::select(t.eq(&R::lit(1.0)), zero.clone(), push);
        push + R::select(t.eq(&R::lit(-1.0)), zero, x)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        let (zero, one) = (R::lit(0.0), R::lit(1.0));
        let inside = x.lt(&R::lit(self.margin));
        let push = R::select(t.eq(&one), zero.clone(), R::select(inside, -one.clone(), zero.clone()));
        [push + R::select(t.eq(&R::lit(-1.0)), zero.clone(), one), R::select(t.eq(&t), zero.clone(), zero)]
    }
}

impl Loss for HingeEmbeddingLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        pointwise(self, [input, target], self.reduction)
    }
}
