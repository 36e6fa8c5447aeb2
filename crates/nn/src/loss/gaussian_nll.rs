//! Negative log-likelihood of Gaussians with predicted variance.

use super::{Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::autograd::edge;
use downhill_tensor::real::Real;
use downhill_tensor::{Error, Result, Tensor};
use std::f64::consts::TAU;

/// Negative log-likelihood of the target under a Gaussian with the predicted mean and variance
/// ([Nix and Weigend, 1994](https://doi.org/10.1109/ICNN.1994.374138)).
///
#[cfg_attr(doc, doc = include_str!("../../pictures/gaussian_nll.svg"))]
///
/// # Formula
/// With `v = max(var, eps)`:
///
/// ```math
/// ℓᵢ = \frac{1}{2} \Big(\ln vᵢ + \frac{(xᵢ − tᵢ)²}{vᵢ}\Big)
/// ```
///
/// `full` adds `½ ln 2π`. The mean divides by the number of elements.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = \frac{xᵢ − tᵢ}{vᵢ}, \qquad \frac{∂ℓᵢ}{∂\text{var}ᵢ} = \frac{1}{2} \Big(\frac{1}{vᵢ} − \frac{(xᵢ − tᵢ)²}{vᵢ²}\Big)
/// ```
///
/// and the negative of the first to `t`; the second is taken at the clamped variance, but not cut off by the clamp.
///
/// # Shape
/// `x` and `t` broadcast; `var` has the input's shape, or that with one dimension 1 or without the last.
///
/// # Stability
/// `eps` bounds what a variance near 0 can cost.
///
/// # Errors
/// A negative variance, one of another shape, an `eps` that is not positive.
///
/// # Examples
/// ```
/// use downhill::nn::GaussianNLLLoss;
/// use downhill::Tensor;
/// let (x, t) = (Tensor::from([1.0_f64, 2.0]), Tensor::from([1.0_f64, 4.0]));
/// let loss = GaussianNLLLoss::default().forward(&x, &t, &Tensor::from([1.0_f64, 1.0]))?;
/// assert_eq!(loss.item::<f64>()?, 1.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.GaussianNLLLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GaussianNLLLoss.html).
#[derive(Clone, Debug, Module)]
pub struct GaussianNLLLoss {
    /// Whether to add the constant `½ ln 2π`.
    pub full: bool,
    /// The smallest variance that is used.
    pub eps: f64,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for GaussianNLLLoss {
    #[inline]
    fn default() -> Self {
        Self { full: false, eps: 1e-6, reduction: Reduction::Mean }
    }
}

impl Pointwise<3> for GaussianNLLLoss {
    const OP: &'static str = "gaussian_nll_loss";
    const WIDE: bool = true;
    #[inline]
    fn name(&self, reduction: Reduction) -> &'static str {
        match reduction {
            Reduction::None if self.full => "AddBackward0",
            Reduction::None => "MulBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        }
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t, v]: [R; 3]) -> R {
        let d = x - t;
        let loss = R::lit(0.5) * (v.clone().ln() + d.clone() * (d / v));
        if self.full { loss + R::lit(0.5 * TAU.ln()) } else { loss }
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t, v]: [R; 3]) -> [R; 3] {
        let d = x - t;
        let slope = d.clone() / v.clone();
        // The square of a variance may be too small or too large to be divided by.
        let spread = R::lit(0.5) * (R::lit(1.0) - d * slope.clone()) / v;
        [slope.clone(), -slope, spread]
    }
}

impl GaussianNLLLoss {
    /// The loss of predicted means and variances.
    ///
    /// # Errors
    /// A negative variance, one of another shape, an `eps` that is not positive.
    #[inline]
    pub fn forward(&self, input: &Tensor, target: &Tensor, var: &Tensor) -> Result<Tensor> {
        let op = Self::OP;
        if self.eps.is_nan() || self.eps <= 0.0 {
            return Err(Error::argument(op, format!("eps must be positive, but is {}", self.eps)));
        }
        let var = fit(op, input, var)?;
        if var.detach().lt(0)?.try_sum()?.item::<i64>()? > 0 {
            return Err(Error::argument(op, "the variance has negative entries"));
        }
        // The clamped value with the slope of the unclamped one.
        let clamped = var.detach().clamp_min(self.eps)?;
        let var = Tensor::from_op("ClampMinBackward0", clamped, [edge(&var, &(), |g, ()| Ok((**g).clone()))]);
        pointwise(self, [input, target, &var], self.reduction)
    }
}

/// The variance in a shape that broadcasts to the input's.
#[inline]
fn fit(op: &'static str, input: &Tensor, var: &Tensor) -> Result<Tensor> {
    let (x, v) = (input.shape(), var.shape());
    if x == v {
        return Ok(var.clone());
    }
    let Some((_, leading)) = x.split_last() else {
        return if v.rank() == 0 { Ok(var.clone()) } else { Err(wrong(op, input, var)) };
    };
    if **v == *leading {
        return var.unsqueeze(-1);
    }
    // One dimension of size 1, shared.
    let other: usize = x.iter().zip(&**v).filter(|(a, b)| a != b).map(|(_, b)| b).sum();
    if x.rank() == v.rank() && other == 1 { Ok(var.clone()) } else { Err(wrong(op, input, var)) }
}

#[inline]
fn wrong(op: &'static str, input: &Tensor, var: &Tensor) -> Error {
    let expected =
        format!("a variance of the input's shape {}, or with one size 1 or the last missing", input.shape());
    Error::shape(op, expected, var.shape())
}
