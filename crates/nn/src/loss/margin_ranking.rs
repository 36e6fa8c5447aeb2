//! Hinge loss of an order.

use super::{Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Error, Result, Tensor};

/// Wants the first score above the second by a margin where the target is 1, below it where the target is −1.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/margin_ranking.svg"))]
///
/// # Formula
/// ```math
/// ℓᵢ = \max(0, −tᵢ (aᵢ − bᵢ) + \text{margin})
/// ```
///
/// The mean divides by the number of elements.
///
/// # Gradient
/// Where the term is not clipped
///
/// ```math
/// \frac{∂ℓᵢ}{∂aᵢ} = −tᵢ, \qquad \frac{∂ℓᵢ}{∂bᵢ} = tᵢ, \qquad \frac{∂ℓᵢ}{∂tᵢ} = bᵢ − aᵢ
/// ```
///
/// and 0 elsewhere.
///
/// # Shape
/// Three tensors of equally many dimensions, which broadcast.
///
/// # Stability
/// Exact up to the rounding of the differences.
///
/// # Errors
/// Other ranks, shapes that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::MarginRankingLoss;
/// use downhill::Tensor;
/// let (a, b) = (Tensor::from([2.0_f32, 0.0]), Tensor::from([1.0_f32, 3.0]));
/// let loss = MarginRankingLoss::default().forward(&a, &b, &Tensor::from([1.0_f32, 1.0]))?;
/// assert_eq!(loss.item::<f32>()?, 1.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.MarginRankingLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.MarginRankingLoss.html).
#[derive(Clone, Debug, Default, Module)]
pub struct MarginRankingLoss {
    /// How far apart the scores should be.
    pub margin: f64,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Pointwise<3> for MarginRankingLoss {
    const OP: &'static str = "margin_ranking_loss";
    const INTEGERS: bool = true;
    #[inline]
    fn name(&self, reduction: Reduction) -> &'static str {
        match reduction {
            Reduction::None => "ClampMinBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        }
    }
    #[inline(always)]
    fn value<R: Real>(&self, [a, b, t]: [R; 3]) -> R {
        (-(t * (a - b)) + R::lit(self.margin)).max(R::lit(0.0))
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [a, b, t]: [R; 3]) -> [R; 3] {
        let (zero, d) = (R::lit(0.0), a - b);
        let term = -(t.clone() * d.clone()) + R::lit(self.margin);
        // A NaN is clipped, too.
        let kept = zero.lt(&term);
        [
            R::select(kept.clone(), -t.clone(), zero.clone()),
            R::select(kept.clone(), t, zero.clone()),
            // A product: an infinite difference that is clipped has no slope, as in PyTorch.
            -d * R::select(kept, R::lit(1.0), zero),
        ]
    }
}

impl MarginRankingLoss {
    /// The loss of scores `first` and `second`, whose order `target` gives.
    ///
    /// # Errors
    /// Other ranks, shapes that do not broadcast.
    #[inline]
    pub fn forward(&self, first: &Tensor, second: &Tensor, target: &Tensor) -> Result<Tensor> {
        for x in [second, target] {
            if x.dim() != first.dim() {
                let expected =
                    format!("{} dimensions, as the first input {} has", first.dim(), first.shape());
                return Err(Error::shape(Self::OP, expected, x.shape()));
            }
        }
        pointwise(self, [first, second, target], self.reduction)
    }
}
