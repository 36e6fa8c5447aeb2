//! Gradients that are too long.

use crate::{Error, Parameter, Result, text};
use downhill_tensor::{DType, Tensor};

/// How [`clip_grad_norm_`] measures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipNormOptions {
    /// The `p` of the norm; ∞ is the largest absolute value.
    pub norm_type: f64,
    /// Whether a norm that is infinite or NaN is an error.
    pub error_if_nonfinite: bool,
}

/// PyTorch's: Euclid's norm, and no error.
impl Default for ClipNormOptions {
    #[inline]
    fn default() -> Self {
        Self { norm_type: 2.0, error_if_nonfinite: false }
    }
}

/// Shortens the gradients of these parameters together, as one vector, to a norm of at most about `max_norm`. The result is
/// the norm before.
///
/// # Formula
/// `n = (Σᵢ ‖gᵢ‖ᵖ)^(1/p)`; `gᵢ ← gᵢ·min(max_norm/(n + 10⁻⁶), 1)`.
///
/// # Errors
/// [`Error::Argument`] for a `max_norm` below 0 or NaN, a `norm_type` of NaN, and for a norm that is not finite, if that is asked for: the gradients are left as they are. Without it,
/// they become 0 or NaN. [`Error::Shape`] where a gradient without elements has no norm, of ±∞. [`Error::Memory`]; then they are left
/// as they are, too.
///
/// # Examples
/// ```
/// use downhill::nn::{ClipNormOptions, Parameter, clip_grad_norm_};
/// use downhill::Tensor;
///
/// let (a, b) = (Parameter::new(downhill::ones([1])?)?, Parameter::new(downhill::ones([1])?)?);
/// a.set_grad(Some(Tensor::from([3.0_f32])))?;
/// b.set_grad(Some(Tensor::from([4.0_f32])))?;
/// let norm = clip_grad_norm_(&[a.clone(), b], 0.5, ClipNormOptions::default())?;
/// assert_eq!(norm.item::<f32>()?, 5.0);
/// approx::assert_relative_eq!(a.grad().unwrap(), Tensor::from([0.3_f32]), max_relative = 1e-5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.utils.clip_grad_norm_`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_norm_.html)
#[inline]
pub fn clip_grad_norm_(parameters: &[Parameter], max_norm: f64, options: ClipNormOptions) -> Result<Tensor> {
    let ClipNormOptions { norm_type, error_if_nonfinite } = options;
    check("clip_grad_norm_", "max_norm", max_norm)?;
    if norm_type.is_nan() {
        return Err(Error::argument("clip_grad_norm_", "norm_type cannot be nan"));
    }
    let grads: Vec<_> = parameters.iter().filter_map(Parameter::grad).map(|grad| grad.detach()).collect();
    let dtype = grads.iter().map(Tensor::dtype).fold(DType::F32, DType::promote);
    let norms = grads.iter().map(|grad| grad.norm(norm_type)?.try_to_dtype(dtype));
    let norms: Vec<_> = norms.collect::<Result<_>>()?;
    if norms.is_empty() {
        return Ok(Tensor::from(0.0_f32));
    }
    let total = Tensor::stack(&norms, 0)?.norm(norm_type)?;
    let value: f64 = total.try_to_dtype(DType::F64)?.item()?;
    if error_if_nonfinite && !value.is_finite() {
        let message = format!("the gradients' norm is {}, which is not finite", text::float(value));
        return Err(Error::argument("clip_grad_norm_", message));
    }
    // A number divided by a tensor is rounded twice in PyTorch.
    let factor = total.try_full_like(1.0)?.div(&total.add(1e-6)?)?.mul(max_norm)?.clamp_max(1.0)?;
    replace(parameters, |grad| grad.mul(&factor.try_to_dtype(grad.dtype())?))?;
    Ok(total)
}

/// Brings every element of the gradients of these parameters into `−clip_value..=clip_value`.
///
/// # Errors
/// [`Error::Argument`] for a `clip_value` below 0 or NaN, [`Error::Memory`]; then the gradients are left as they are.
///
/// # Examples
/// ```
/// use downhill::nn::{Parameter, clip_grad_value_};
/// use downhill::Tensor;
///
/// let w = Parameter::new(downhill::ones([2])?)?;
/// w.set_grad(Some(Tensor::from([3.0_f32, -0.25])))?;
/// clip_grad_value_(&[w.clone()], 0.5)?;
/// assert_eq!(w.grad(), Some(Tensor::from([0.5_f32, -0.25])));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.utils.clip_grad_value_`](https://docs.pytorch.org/docs/stable/generated/torch.nn.utils.clip_grad_value_.html)
#[inline]
pub fn clip_grad_value_(parameters: &[Parameter], clip_value: f64) -> Result<()> {
    check("clip_grad_value_", "clip_value", clip_value)?;
    replace(parameters, |grad| grad.clamp(-clip_value, clip_value))
}

/// A bound below 0 would turn gradients round.
fn check(op: &'static str, name: &str, bound: f64) -> Result<()> {
    if bound >= 0.0 {
        return Ok(());
    }
    Err(Error::argument(op, format!("{name} must be at least 0, but is {}", text::float(bound))))
}

/// Puts what `f` makes of them in the place of the gradients: of all, or after an error of none.
fn replace(parameters: &[Parameter], f: impl Fn(&Tensor) -> Result<Tensor>) -> Result<()> {
    let new = parameters.iter().map(|p| p.grad().map(|grad| f(&grad.detach())).transpose());
    let new = new.collect::<Result<Vec<_>>>()?;
    let with_grad = parameters.iter().zip(new).filter(|(_, grad)| grad.is_some());
    with_grad.into_iter().try_for_each(|(parameter, grad)| parameter.set_grad(grad))
}
