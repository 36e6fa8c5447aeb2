//! Kullback-Leibler divergence.

use super::{Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Error, Result, Tensor};

/// How a [`KLDivLoss`] is reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KLDivReduction {
    /// Not at all.
    None,
    /// The mean over all elements, which is not the divergence: see `BatchMean`.
    #[default]
    Mean,
    /// The sum.
    Sum,
    /// The sum divided by the size of the first dimension: the mean divergence of a batch of distributions.
    BatchMean,
}

/// PyTorch's names: `"none"`, `"mean"`, `"sum"`, `"batchmean"`.
///
/// ```
/// use downhill::nn::KLDivReduction;
/// assert_eq!("batchmean".parse::<KLDivReduction>()?, KLDivReduction::BatchMean);
/// # Ok::<(), downhill::Error>(())
/// ```
impl std::str::FromStr for KLDivReduction {
    type Err = Error;
    #[inline]
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Self::None),
            "mean" => Ok(Self::Mean),
            "sum" => Ok(Self::Sum),
            "batchmean" => Ok(Self::BatchMean),
            _ => Err(Error::argument(
                "kl_div",
                format!("expected none, mean, sum or batchmean, but got {name:?}"),
            )),
        }
    }
}

/// The Kullback-Leibler divergence of a distribution from the target's, given as log-probabilities
/// ([Kullback and Leibler, 1951](https://doi.org/10.1214/aoms/1177729694)).
///
#[cfg_attr(doc, doc = include_str!("../../pictures/kl_div.svg"))]
///
/// # Formula
/// With `x = ln q`:
///
/// ```math
/// ℓᵢ = tᵢ\, (\ln tᵢ − xᵢ)
/// ```
///
/// or 0 where `tᵢ = 0`; with `log_target`, `ℓᵢ = e^tᵢ (tᵢ − xᵢ)`. The mean divides by the number of elements; the mathematical mean
/// of a batch is `BatchMean`.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = −tᵢ, \qquad \frac{∂ℓᵢ}{∂tᵢ} = \ln tᵢ + 1 − xᵢ
/// ```
///
/// or `−e^tᵢ` and `e^tᵢ (tᵢ − xᵢ + 1)`.
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// A target of 0 needs no logarithm; where the input is −∞, too, the term is NaN, and so it is for negative targets and
/// for a log-target of −∞.
///
/// # Errors
/// Shapes that do not broadcast, inputs neither of which is a float.
///
/// # Examples
/// ```
/// use downhill::nn::{KLDivLoss, KLDivReduction, Loss};
/// use downhill::Tensor;
/// let q = Tensor::from([[0.5_f64, 0.5]]).log();
/// let loss = KLDivLoss { reduction: KLDivReduction::BatchMean, ..Default::default() };
/// assert_eq!(loss.forward(&q, &Tensor::from([[1.0, 0.0]]))?.item::<f64>()?, 2.0_f64.ln());
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.KLDivLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.KLDivLoss.html); it warns about `Mean`.
#[derive(Clone, Debug, Default, Module)]
pub struct KLDivLoss {
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: KLDivReduction,
    /// Whether the target holds logarithms.
    pub log_target: bool,
}

impl Pointwise<2> for KLDivLoss {
    const OP: &'static str = "kl_div";
    const WIDE: bool = true;
    #[inline]
    fn name(&self, reduction: Reduction) -> &'static str {
        match (self.reduction, reduction) {
            (KLDivReduction::Mean, _) => "MeanBackward0",
            (_, Reduction::Sum) => "SumBackward0",
            _ if self.log_target => "MulBackward0",
            _ => "SubBackward0",
        }
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        if self.log_target {
            return t.clone().exp() * (t - x);
        }
        let zero = R::lit(0.0);
        let entropy = R::select(t.eq(&zero), zero, t.clone() * t.clone().ln());
        entropy - t * x
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        let one = R::lit(1.0);
        if self.log_target {
            let p = t.clone().exp();
            return [-p.clone(), p * (t - x + one)];
        }
        // At a target of 0 the logarithm's −∞ meets the term's 0, which PyTorch makes NaN.
        let slope = R::select(t.eq(&R::lit(0.0)), R::lit(f64::NAN), t.clone().ln() + one - x);
        [-t, slope]
    }
}

impl Loss for KLDivLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let reduction = match self.reduction {
            KLDivReduction::None => Reduction::None,
            KLDivReduction::Mean => Reduction::Mean,
            KLDivReduction::Sum | KLDivReduction::BatchMean => Reduction::Sum,
        };
        let loss = pointwise(self, [input, target], reduction)?;
        match input.shape().first() {
            Some(&batch) if self.reduction == KLDivReduction::BatchMean => loss.div(batch),
            _ => Ok(loss),
        }
    }
}
