//! Activations with formulas of their own: what lets a negative input through, a little.

use crate::{Forward, Module, Result, text};
use downhill_tensor::Tensor;
use downhill_tensor::pointwise::{self, Formula};
use downhill_tensor::real::Real;
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, SQRT_2};

fn apply<F: Formula>(f: F, x: &Tensor) -> Result<Tensor> {
    x.dtype().check_float(F::OP)?;
    pointwise::apply(f, x)
}

/// The exponential linear unit: `x` if it is positive, `alpha · (eˣ − 1)` otherwise.
///
/// # Gradient
/// 1 for positive `x`, `alpha · eˣ` otherwise.
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless the elements are floats.
///
/// # Examples
/// ```
/// use downhill::nn::{ELU, Forward};
/// use downhill::Tensor;
///
/// let y = ELU { alpha: 2.0 }.forward(&Tensor::from([f32::NEG_INFINITY, 3.0]))?;
/// assert_eq!(y, Tensor::from([-2.0_f32, 3.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.ELU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ELU.html)
#[derive(Clone, Copy, Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct ELU {
    /// What large negative inputs become, times −1.
    pub alpha: f64,
}

impl ELU {
    #[inline]
    fn options(&self) -> String {
        format!("alpha={}", text::float(self.alpha))
    }
}

/// `alpha` is 1.
impl Default for ELU {
    #[inline]
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Formula for ELU {
    const OP: &'static str = "elu";
    const NAME: &'static str = "EluBackward0";
    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        let below = R::lit(self.alpha) * x.clone().min(R::lit(0.0)).expm1();
        R::select(x.lt(&R::lit(0.0)), below, x)
    }
    #[inline(always)]
    fn grad<R: Real>(self, g: R, x: R) -> R {
        // The clamp keeps the exponential finite where it is not taken: 0 · ∞ is NaN.
        let slope = R::lit(self.alpha) * x.clone().clamp(f64::NEG_INFINITY, 0.0).exp();
        // A NaN is not above 0, so that it stays one.
        R::select(R::lit(0.0).lt(&x), g.clone(), g * slope)
    }
}

impl Forward for ELU {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        apply(*self, x)
    }
}

/// The sigmoid linear unit, also called swish: `x · σ(x)`.
///
/// # Gradient
/// `σ(x) · (1 + x · σ(−x))`
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless the elements are floats.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, SiLU};
/// use downhill::Tensor;
///
/// let y = SiLU.forward(&Tensor::from([-100.0_f32, 0.0, 100.0]))?;
/// assert_eq!(y.to_vec::<f32>()?[1..], [0.0, 100.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.SiLU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.SiLU.html)
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct SiLU;

impl Formula for SiLU {
    const OP: &'static str = "silu";
    const NAME: &'static str = "SiluBackward0";
    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.clone() / (R::lit(1.0) + (-x).exp())
    }
    #[inline(always)]
    fn grad<R: Real>(self, g: R, x: R) -> R {
        // What is left of 1 is a sigmoid, too: the difference has few digits.
        let (s, rest) = (x.clone().sigmoid(), (-x.clone()).sigmoid());
        g * s * (R::lit(1.0) + x * rest)
    }
}

impl Forward for SiLU {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        apply(*self, x)
    }
}

/// A smooth rectifier, always positive: `ln(1 + e^(beta·x)) / beta`, and `x` itself where `beta · x` is above `threshold`.
///
/// # Gradient
/// `σ(beta · x)`, and 1 above the threshold.
///
/// # Stability
/// No exponential overflows, whatever the threshold.
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless the elements are floats.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, Softplus};
/// use downhill::Tensor;
///
/// let y = Softplus::default().forward(&Tensor::from([0.0_f64, 1000.0]))?;
/// assert_eq!(y, Tensor::from([2.0_f64.ln(), 1000.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Softplus`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Softplus.html), which overflows below a threshold
/// above 88 (`float32`) or 709 (`float64`).
#[derive(Clone, Copy, Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct Softplus {
    /// How sharp the bend is.
    pub beta: f64,
    /// Where it becomes a straight line.
    pub threshold: f64,
}

impl Softplus {
    #[inline]
    fn options(&self) -> String {
        format!("beta={}, threshold={}", text::float(self.beta), text::float(self.threshold))
    }
}

/// `beta` is 1, `threshold` 20.
impl Default for Softplus {
    #[inline]
    fn default() -> Self {
        Self { beta: 1.0, threshold: 20.0 }
    }
}

impl Formula for Softplus {
    const OP: &'static str = "softplus";
    const NAME: &'static str = "SoftplusBackward0";
    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        let z = x.clone() * R::lit(self.beta);
        let curve = (z.clone().max(R::lit(0.0)) + (-z.clone().abs()).exp().log1p()) / R::lit(self.beta);
        R::select(R::lit(self.threshold).lt(&z), x, curve)
    }
    #[inline(always)]
    fn grad<R: Real>(self, g: R, x: R) -> R {
        let z = x * R::lit(self.beta);
        R::select(R::lit(self.threshold).lt(&z), g.clone(), g * z.sigmoid())
    }
}

impl Forward for Softplus {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        apply(*self, x)
    }
}

/// The Gaussian error linear unit: `x · Φ(x)`, where `Φ` is the normal distribution function `(1 + erf(x/√2)) / 2`, or its
/// approximation `(1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2`.
///
/// # Gradient
/// `Φ(x) + x · φ(x)` with the density `φ`; that of the approximation where it is used.
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless the elements are floats.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, GELU};
/// use downhill::Tensor;
///
/// let x = Tensor::from([0.0_f32, 10.0]);
/// assert_eq!(GELU::default().forward(&x)?, x);
/// assert_eq!(GELU { tanh: true }.to_string(), "GELU(approximate='tanh')");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.GELU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.GELU.html)
#[derive(Clone, Copy, Debug, Default, Module)]
#[module(extra_repr = Self::options)]
pub struct GELU {
    /// Whether to take the approximation: `approximate="tanh"`.
    pub tanh: bool,
}

impl GELU {
    #[inline]
    fn options(&self) -> String {
        format!("approximate='{}'", if self.tanh { "tanh" } else { "none" })
    }
}

/// By the error function.
#[derive(Clone, Copy)]
struct Exact;

impl Formula for Exact {
    const OP: &'static str = "gelu";
    const NAME: &'static str = "GeluBackward0";
    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        x.clone() * R::lit(0.5) * (R::lit(1.0) + (x * R::lit(FRAC_1_SQRT_2)).erf())
    }
    #[inline(always)]
    fn grad<R: Real>(self, g: R, x: R) -> R {
        let below = R::lit(0.5) * (R::lit(1.0) + (x.clone() * R::lit(FRAC_1_SQRT_2)).erf());
        let density =
            R::lit(FRAC_2_SQRT_PI * FRAC_1_SQRT_2 * 0.5) * (R::lit(-0.5) * x.clone() * x.clone()).exp();
        g * (below + x * density)
    }
}

/// By the hyperbolic tangent.
#[derive(Clone, Copy)]
struct Approximate;

impl Approximate {
    const SCALE: f64 = SQRT_2 * FRAC_2_SQRT_PI * 0.5;
    /// From <https://arxiv.org/abs/1606.08415>.
    const CUBIC: f64 = 0.044_715;

    #[inline(always)]
    fn inner<R: Real>(x: R) -> R {
        let cube = x.clone() * x.clone() * x.clone();
        (R::lit(Self::SCALE) * (x + R::lit(Self::CUBIC) * cube)).tanh()
    }
}

impl Formula for Approximate {
    const OP: &'static str = "gelu";
    const NAME: &'static str = "GeluBackward0";
    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        R::lit(0.5) * x.clone() * (R::lit(1.0) + Self::inner(x))
    }
    #[inline(always)]
    fn grad<R: Real>(self, g: R, x: R) -> R {
        let t = Self::inner(x.clone());
        let left = R::lit(0.5) * (R::lit(1.0) + t.clone());
        let inner = R::lit(Self::SCALE) * (R::lit(1.0) + R::lit(3.0 * Self::CUBIC) * x.clone() * x.clone());
        let right = R::lit(0.5) * x * (R::lit(1.0) - t.clone() * t) * inner;
        g * (left + right)
    }
}

impl Forward for GELU {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if self.tanh { apply(Approximate, x) } else { apply(Exact, x) }
    }
}

/// The leaky rectifier: `x` if it is positive, `negative_slope · x` otherwise.
///
/// # Gradient
/// 1 for positive `x`, `negative_slope` otherwise.
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless the elements are floats.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, LeakyReLU};
/// use downhill::Tensor;
///
/// let y = LeakyReLU { negative_slope: 0.25 }.forward(&Tensor::from([-4.0_f32, 3.0]))?;
/// assert_eq!(y, Tensor::from([-1.0_f32, 3.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.LeakyReLU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LeakyReLU.html)
#[derive(Clone, Copy, Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct LeakyReLU {
    /// The slope for negative inputs.
    pub negative_slope: f64,
}

impl LeakyReLU {
    #[inline]
    fn options(&self) -> String {
        format!("negative_slope={}", text::float(self.negative_slope))
    }
}

/// `negative_slope` is 0.01.
impl Default for LeakyReLU {
    #[inline]
    fn default() -> Self {
        Self { negative_slope: 0.01 }
    }
}

impl Formula for LeakyReLU {
    const OP: &'static str = "leaky_relu";
    const NAME: &'static str = "LeakyReluBackward0";
    #[inline(always)]
    fn value<R: Real>(self, x: R) -> R {
        self.grad(x.clone(), x)
    }
    #[inline(always)]
    fn grad<R: Real>(self, g: R, x: R) -> R {
        R::select(R::lit(0.0).lt(&x), g.clone(), g * R::lit(self.negative_slope))
    }
}

impl Forward for LeakyReLU {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        apply(*self, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check::{gradcheck, gradgradcheck};

    fn all() -> Vec<(Box<dyn Forward>, &'static str, &'static str)> {
        vec![
            (Box::new(ELU::default()), "ELU(alpha=1.0)", "EluBackward0"),
            (Box::new(ELU { alpha: 0.5 }), "ELU(alpha=0.5)", "EluBackward0"),
            (Box::new(SiLU), "SiLU()", "SiluBackward0"),
            (Box::new(Softplus::default()), "Softplus(beta=1.0, threshold=20.0)", "SoftplusBackward0"),
            (
                Box::new(Softplus { beta: -2.0, threshold: 0.5 }),
                "Softplus(beta=-2.0, threshold=0.5)",
                "SoftplusBackward0",
            ),
            (Box::new(GELU::default()), "GELU(approximate='none')", "GeluBackward0"),
            (Box::new(GELU { tanh: true }), "GELU(approximate='tanh')", "GeluBackward0"),
            (Box::new(LeakyReLU::default()), "LeakyReLU(negative_slope=0.01)", "LeakyReluBackward0"),
        ]
    }

    #[test]
    fn the_slope_of_elu_is_alpha_at_0_and_nan_at_nan() -> Result<()> {
        let x = Tensor::from([0.0_f32, f32::NAN, 1.0]).requires_grad_()?;
        ELU { alpha: 0.5 }.forward(&x)?.sum().backward()?;
        let slopes = x.grad().unwrap().to_vec::<f32>()?;
        assert!(slopes[0] == 0.5 && slopes[1].is_nan() && slopes[2] == 1.0, "{slopes:?}");
        Ok(())
    }

    #[test]
    fn derivatives_equal_differences_and_texts_are_pytorchs() {
        let x = Tensor::from([[-3.0_f64, -1.2, -0.3], [0.4, 1.1, 2.5]]).requires_grad_().unwrap();
        for (layer, text, name) in all() {
            for view in [|x: &Tensor| x.clone(), |x: &Tensor| x.t().unwrap()] {
                let f = |t: &[Tensor]| layer.forward(&view(&t[0]));
                gradcheck(f, std::slice::from_ref(&x)).unwrap();
                gradgradcheck(f, std::slice::from_ref(&x)).unwrap();
            }
            assert_eq!(layer.to_string(), text);
            assert_eq!(layer.forward(&x).unwrap().grad_fn(), Some(name));
            let error = layer.forward(&Tensor::from([1, 2])).unwrap_err().to_string();
            assert!(error.ends_with(": expected float32 or float64, but got int64"), "{error}");
        }
    }

    /// Measured with torch 2.15: at 0, and where the other branch overflows.
    #[test]
    fn derivatives_at_kinks_and_far_out_are_pytorchs() {
        let at = |layer: &dyn Forward, x: f64| {
            let x = Tensor::from(x).requires_grad_().unwrap();
            let options = downhill_tensor::autograd::GradOptions {
                create_graph: true,
                allow_unused: true,
                ..Default::default()
            };
            let y = layer.forward(&x).unwrap();
            let g = downhill_tensor::autograd::grad_with(&[(&y, None)], &[&x], options)
                .unwrap()
                .remove(0)
                .unwrap();
            let second =
                downhill_tensor::autograd::grad_with(&[(&g, None)], &[&x], options).unwrap().remove(0);
            let number = |t: &Tensor| t.item::<f64>().unwrap();
            (number(&y), number(&g), second.map_or(0.0, |t| number(&t)))
        };
        assert_eq!(at(&ELU { alpha: 2.0 }, 0.0), (0.0, 2.0, 0.0));
        assert_eq!(at(&ELU { alpha: 2.0 }, 800.0), (800.0, 1.0, 0.0));
        assert_eq!(at(&Softplus::default(), 800.0), (800.0, 1.0, 0.0));
        assert_eq!(at(&Softplus { beta: 1.0, threshold: 1e3 }, 800.0), (800.0, 1.0, 0.0));
        assert_eq!(at(&SiLU, -800.0).1, 0.0);
        // σ′ (2 + x (1 − 2σ)), of which a 1 − σ that is rounded leaves three digits.
        let p = (-30.0_f64).exp();
        let second = p / (1.0 + p).powi(2) * (2.0 - 30.0 * (1.0 - p) / (1.0 + p));
        assert!((at(&SiLU, 30.0).2 / second - 1.0).abs() < 1e-13);
    }
}
