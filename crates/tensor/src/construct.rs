//! Tensors from nothing: zeros, ranges, the identity.

use crate::array::Array;
use crate::dtype::TWO_63;
use crate::dtype::dispatch;
use crate::error::{fallible, or_panic};
use crate::shape::IntoShape;
use crate::tensor::IntoElement;
use crate::{DType, Element, Error, Result, Shape, Tensor};

/// `value` in every element; its type decides the dtype.
///
/// [`torch.full`](https://docs.pytorch.org/docs/stable/generated/torch.full.html).
///
/// # Errors
/// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
///
/// ```
/// assert_eq!(downhill::full([2], 7)?.to_vec::<i64>()?, [7, 7]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn full<T: IntoElement>(shape: impl IntoShape, value: T) -> Result<Tensor> {
    full_as("full", shape, value.element())
}

/// `f32` zeros; [`Tensor::to_dtype`] or [`full`] give other dtypes.
///
/// [`torch.zeros`](https://docs.pytorch.org/docs/stable/generated/torch.zeros.html).
///
/// # Errors
/// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
///
/// ```
/// assert_eq!(downhill::zeros([2])?.to_vec::<f32>()?, [0.0, 0.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn zeros(shape: impl IntoShape) -> Result<Tensor> {
    full_as("zeros", shape, 0.0_f32)
}

/// `f32` ones.
///
/// [`torch.ones`](https://docs.pytorch.org/docs/stable/generated/torch.ones.html).
///
/// # Errors
/// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
///
/// ```
/// assert_eq!(downhill::ones([2])?.to_vec::<f32>()?, [1.0, 1.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn ones(shape: impl IntoShape) -> Result<Tensor> {
    full_as("ones", shape, 1.0_f32)
}

fn full_as<T: Element>(op: &'static str, shape: impl IntoShape, value: T) -> Result<Tensor> {
    Ok(Tensor::constant(Array::full(op, shape.into_shape(op)?, value)?))
}

/// The `f32` identity matrix of size `n`.
///
/// [`torch.eye`](https://docs.pytorch.org/docs/stable/generated/torch.eye.html).
///
/// # Errors
/// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
///
/// ```
/// assert_eq!(downhill::eye(2)?.to_vec::<f32>()?, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn eye(n: usize) -> Result<Tensor> {
    let shape = [n, n].into_shape("eye")?;
    let value = Array::build("eye", shape, |out: &mut [f32]| {
        out.fill(0.0);
        out.iter_mut().step_by(n + 1).for_each(|x| *x = 1.0);
    });
    Ok(Tensor::constant(value?))
}

/// Number types that [`arange`] counts in.
#[diagnostic::on_unimplemented(
    message = "`arange` does not count in `{Self}`",
    label = "expected `i32`, `i64`, `f32` or `f64`"
)]
pub trait Step: IntoElement + Into<Number> {}
impl Step for i32 {}
impl Step for i64 {}
impl Step for f32 {}
impl Step for f64 {}

/// A number that is an integer or a float: what decides the dtype of a result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A truth value.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
}

impl Number {
    /// The number as an element type, converted as by [`Element::cast`].
    pub(crate) fn cast<T: Element>(self) -> T {
        match self {
            Self::Bool(x) => x.cast(),
            Self::Int(x) => x.cast(),
            Self::Float(x) => x.cast(),
        }
    }

    /// An error if the number is beyond the range of `dtype`; infinities and NaN are within that of floats.
    pub(crate) fn check_range(self, op: &'static str, dtype: DType) -> Result<()> {
        let Self::Float(x) = self else { return Ok(()) };
        let fits = match dtype {
            DType::I64 => (-TWO_63..TWO_63).contains(&x),
            DType::F32 => !x.is_finite() || x.abs() <= f64::from(f32::MAX),
            DType::F64 | DType::Bool => true,
        };
        if fits { Ok(()) } else { Err(Error::argument(op, format!("{x:?} is beyond the range of {dtype}"))) }
    }
}

macro_rules! number {
    ($($type:ty => $variant:ident($inner:ty)),*) => {$(
        impl From<$type> for Number {
            fn from(x: $type) -> Self {
                Self::$variant(x as $inner)
            }
        }
    )*};
}
number!(bool => Bool(bool), i32 => Int(i64), i64 => Int(i64), usize => Int(i64), f32 => Float(f64), f64 => Float(f64));

/// `start, start + step, …` up to but without `end`: `i64` for integers, otherwise the type given.
///
/// [`torch.arange`](https://docs.pytorch.org/docs/stable/generated/torch.arange.html); the elements are
/// `start + i·step` in double precision, rounded once. An `f32` stands for the shortest decimal that is rounded to it, as it is
/// printed: `0.3_f32` is 0.3, so that `arange(0.0_f32, 0.3, 0.1)` ends before it.
///
/// # Errors
/// [`Error::Argument`] for a step of 0 or one that leads away from `end`, or bounds or a step that are not finite, [`Error::Memory`].
///
/// ```
/// assert_eq!(downhill::arange(0, 10, 3)?.to_vec::<i64>()?, [0, 3, 6, 9]);
/// assert_eq!(downhill::arange(1.0_f32, 0.0, -0.5)?.to_vec::<f32>()?, [1.0, 0.5]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn arange<T: Step>(start: T, end: T, step: T) -> Result<Tensor> {
    let [a, b, s] = [start, end, step].map(Into::<Number>::into);
    let [x, y, d] = [a, b, s].map(Number::cast::<f64>);
    let [x, y, d] = if T::Element::DTYPE == DType::F32 { [x, y, d].map(decimal) } else { [x, y, d] };
    let count = ((y - x) / d).ceil();
    if d == 0.0 || !d.is_finite() || !count.is_finite() || count < 0.0 {
        let message =
            format!("from {x} to {y} by {d} is not a range (step must be nonzero and lead towards the end)");
        return Err(Error::argument("arange", message));
    }
    let count = match (a, b, s) {
        // Exact beyond 2^53, where doubles are not.
        (Number::Int(a), Number::Int(b), Number::Int(s)) => {
            (i128::from(b) - i128::from(a)).unsigned_abs().div_ceil(u128::from(s.unsigned_abs())) as usize
        }
        _ => count as usize,
    };
    let shape = count.into_shape("arange")?;
    let value = Array::build("arange", shape, |out: &mut [T::Element]| {
        for (i, o) in out.iter_mut().enumerate() {
            *o = match (a, s) {
                (Number::Int(a), Number::Int(s)) => a.wrapping_add(s.wrapping_mul(i as i64)).cast(),
                _ => (x + i as f64 * d).cast(),
            };
        }
    });
    Ok(Tensor::constant(value?))
}

/// The shortest decimal that is rounded to this `f32`.
fn decimal(x: f64) -> f64 {
    (x as f32).to_string().parse().unwrap_or(x)
}

/// `steps` `f32` values from `start` to `end`, both included, evenly spaced.
///
/// [`torch.linspace`](https://docs.pytorch.org/docs/stable/generated/torch.linspace.html): the first half is counted
/// from `start`, the second from `end`, each rounded in `f32`.
///
/// # Errors
/// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
///
/// ```
/// assert_eq!(downhill::linspace(0.0, 1.0, 5)?.to_vec::<f32>()?, [0.0, 0.25, 0.5, 0.75, 1.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn linspace(start: f32, end: f32, steps: usize) -> Result<Tensor> {
    let shape = steps.into_shape("linspace")?;
    let step = (end - start) / steps.saturating_sub(1).max(1) as f32;
    let value = Array::build("linspace", shape, |out: &mut [f32]| {
        for (i, o) in out.iter_mut().enumerate() {
            *o = if i < steps / 2 || steps == 1 {
                step.mul_add(i as f32, start)
            } else {
                (-step).mul_add((steps - 1 - i) as f32, end)
            };
        }
    });
    Ok(Tensor::constant(value?))
}

/// Tensors like another.
impl Tensor {
    fallible! {
        /// Zeros of the same shape and dtype.
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([1, 2]).zeros_like(), downhill::Tensor::from([0, 0]));
        /// ```
        zeros_like try_zeros_like |self| self.filled("zeros_like", self.shape(), 0);

        /// Ones of the same shape and dtype.
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([5, 2]).ones_like(), downhill::Tensor::from([1, 1]));
        /// ```
        ones_like try_ones_like |self| self.filled("ones_like", self.shape(), 1);
    }

    /// `value`, converted to this tensor's dtype, in the same shape.
    ///
    /// # Panics
    /// If there is no memory, with the text of the error that [`try_full_like`](Self::try_full_like) returns.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([5_f32, 2.0]).full_like(3), downhill::Tensor::from([3_f32, 3.0]));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn full_like(&self, value: impl Into<Number>) -> Tensor {
        or_panic(self.try_full_like(value))
    }

    /// [`full_like`](Self::full_like) that returns an error if there is no memory.
    ///
    /// # Errors
    /// [`Error::Memory`].
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([5, 2]).try_full_like(3)?, downhill::Tensor::from([3, 3]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn try_full_like(&self, value: impl Into<Number>) -> Result<Tensor> {
        self.filled("full_like", self.shape(), value)
    }

    /// `value` in this tensor's dtype and another shape.
    pub(crate) fn filled(&self, op: &'static str, shape: &Shape, value: impl Into<Number>) -> Result<Tensor> {
        number_tensor(op, shape, self.dtype(), value.into())
    }
}

/// `value` in every element, as `dtype`.
pub(crate) fn number_tensor(op: &'static str, shape: &Shape, dtype: DType, value: Number) -> Result<Tensor> {
    Ok(Tensor::constant(dispatch!(dtype, T => Array::full::<T>(op, *shape, value.cast()))?))
}
