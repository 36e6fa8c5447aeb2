//! Negative log-likelihood of counts.

use super::{Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Result, Tensor};
use std::f64::consts::TAU;

/// Negative log-likelihood of counts under a Poisson distribution with the predicted rate.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/poisson_nll.svg"))]
///
/// # Formula
/// ```math
/// ℓᵢ = \begin{cases} e^{xᵢ} − tᵢ xᵢ & \text{for a predicted log-rate (log\_input)} \\ xᵢ − tᵢ \ln(xᵢ + \text{eps}) & \text{for a rate} \end{cases}
/// ```
///
/// `full` adds Stirling's `t ln t − t + ½ ln(2π t)` where `t > 1`. The mean divides by the number of elements.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = e^{xᵢ} − tᵢ \quad\text{or}\quad 1 − \frac{tᵢ}{xᵢ + \text{eps}}
/// ```
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// `eps` keeps the logarithm of a rate of 0 finite. A log-rate above 88 overflows `f32`.
///
/// # Errors
/// Shapes that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, PoissonNLLLoss};
/// use downhill::Tensor;
/// let loss = PoissonNLLLoss::default().forward(&Tensor::from([0.0_f64, 1.0]), &Tensor::from([2.0, 3.0]))?;
/// assert!((loss.item::<f64>()? - (1.0 + (1.0_f64.exp() - 3.0)) / 2.0).abs() < 1e-15);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.PoissonNLLLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.PoissonNLLLoss.html).
#[derive(Clone, Debug, Module)]
pub struct PoissonNLLLoss {
    /// Whether the input is the logarithm of the rate.
    pub log_input: bool,
    /// Whether to add Stirling's approximation of `ln t!`.
    pub full: bool,
    /// Added to a rate before its logarithm.
    pub eps: f64,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for PoissonNLLLoss {
    #[inline]
    fn default() -> Self {
        Self { log_input: true, full: false, eps: 1e-8, reduction: Reduction::Mean }
    }
}

impl Pointwise<2> for PoissonNLLLoss {
    const OP: &'static str = "poisson_nll_loss";
    const INTEGERS: bool = true;
    const WIDE: bool = true;
    #[inline]
    fn name(&self, reduction: Reduction) -> &'static str {
        match reduction {
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
            Reduction::None if self.full => "AddBackward0",
            Reduction::None => "SubBackward0",
        }
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let loss = if self.log_input {
            x.clone().exp() - t.clone() * x
        } else {
            x.clone() - t.clone() * (x + R::lit(self.eps)).ln()
        };
        if !self.full {
            return loss;
        }
        let stirling = t.clone() * t.clone().ln() - t.clone() + R::lit(0.5) * (R::lit(TAU) * t.clone()).ln();
        loss + R::select(t.le(&R::lit(1.0)), R::lit(0.0), stirling)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        let one = R::lit(1.0);
        let [dx, dt] = if self.log_input {
            [x.clone().exp() - t.clone(), -x]
        } else {
            let rate = x + R::lit(self.eps);
            [one.clone() - t.clone() / rate.clone(), -rate.ln()]
        };
        if !self.full {
            return [dx, dt];
        }
        // A product and not a choice: at targets of 0 the slope is NaN, as PyTorch's.
        let stirling = t.clone().ln() + R::lit(0.5) / t.clone();
        [dx, dt + stirling * R::select(t.le(&one), R::lit(0.0), one)]
    }
}

impl Loss for PoissonNLLLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        pointwise(self, [input, target], self.reduction)
    }
}
