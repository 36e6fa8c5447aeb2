//! Two operands: what they may be, the dtype and the shape of what they make, and the loop over both.

use crate::array::Array;
use crate::construct::Number;
use crate::kernel::map;
use crate::kernel::simd::{inlined, vectorize};
use crate::{DType, Element, Result, Shape, Tensor};
use std::borrow::Cow;

/// What an operation takes besides a tensor: another tensor or a number. Numbers do not widen a tensor's dtype within
/// its kind (`f32 + 1.0` stays `f32`); see [type promotion](https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc).
#[derive(Clone, Debug)]
pub enum Operand {
    /// A tensor.
    Tensor(Tensor),
    /// A number.
    Number(Number),
}

impl From<&Tensor> for Operand {
    fn from(x: &Tensor) -> Self {
        Self::Tensor(x.clone())
    }
}

impl From<Tensor> for Operand {
    fn from(x: Tensor) -> Self {
        Self::Tensor(x)
    }
}

impl From<&Operand> for Operand {
    fn from(x: &Operand) -> Self {
        x.clone()
    }
}

impl From<Number> for Operand {
    fn from(x: Number) -> Self {
        Self::Number(x)
    }
}

macro_rules! operand {
    ($($type:ty),*) => {$(
        impl From<$type> for Operand {
            fn from(x: $type) -> Self {
                Self::Number(x.into())
            }
        }
    )*};
}
operand!(bool, i32, i64, usize, f32, f64);

impl Operand {
    pub(crate) fn tensor(&self) -> Option<&Tensor> {
        if let Self::Tensor(x) = self { Some(x) } else { None }
    }

    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::Tensor(x) => x.dtype(),
            Self::Number(Number::Bool(_)) => DType::Bool,
            Self::Number(Number::Int(_)) => DType::I64,
            Self::Number(Number::Float(_)) => DType::F32,
        }
    }

    pub(crate) fn shape(&self) -> &Shape {
        self.tensor().map_or(&Shape::SCALAR, Tensor::shape)
    }

    /// An error if it is a number beyond the range of `dtype`.
    pub(crate) fn check_range(&self, op: &'static str, dtype: DType) -> Result<()> {
        if let Self::Number(n) = self { n.check_range(op, dtype) } else { Ok(()) }
    }

    /// A tensor of this dtype.
    pub(crate) fn to_tensor(&self, dtype: DType) -> Result<Tensor> {
        match self {
            Self::Tensor(x) => x.try_to_dtype(dtype),
            Self::Number(n) => crate::construct::number_tensor("full", &Shape::SCALAR, dtype, *n),
        }
    }
}

/// What an operand says about the dtype of a result. Numbers rank below 0-d tensors, those below tensors with dimensions.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    dtype: DType,
    rank: u8,
}

impl From<&Tensor> for Standing {
    fn from(x: &Tensor) -> Self {
        Self { dtype: x.dtype(), rank: 1 + u8::from(x.dim() > 0) }
    }
}

impl From<&Operand> for Standing {
    fn from(operand: &Operand) -> Self {
        operand.tensor().map_or(Self { dtype: operand.dtype(), rank: 0 }, Self::from)
    }
}

/// The dtype of a result: an operand of lower standing counts only if its kind (bool, integer, float) is higher.
pub(crate) fn promote(a: impl Into<Standing>, b: impl Into<Standing>) -> DType {
    let (a, b) = (a.into(), b.into());
    let (high, low) = if a.rank >= b.rank { (a, b) } else { (b, a) };
    let kind = |dtype: DType| (dtype != DType::Bool, dtype.is_float());
    if high.rank == low.rank || kind(low.dtype) > kind(high.dtype) {
        high.dtype.promote(low.dtype)
    } else {
        high.dtype
    }
}

/// The right side of a pointwise operation, ready for the loop.
pub(crate) enum Side<'a> {
    Array(Cow<'a, Array>),
    Number(Number),
}

impl<'a> Side<'a> {
    #[inline]
    pub(crate) fn new(op: &'static str, operand: &'a Operand, dtype: DType) -> Result<Self> {
        Ok(match operand {
            Operand::Tensor(x) => Self::Array(x.value().cast(op, dtype)?),
            Operand::Number(n) => Self::Number(*n),
        })
    }
}

/// `f` of every pair of elements, with both sides already of type `A`.
#[inline(never)]
#[allow(clippy::redundant_closure, reason = "a closure can be inlined always")]
pub(crate) fn zip<A: Element, O: Element>(
    op: &'static str,
    a: &Array,
    b: &Side<'_>,
    shape: &Shape,
    f: impl Fn(A, A) -> O + Sync,
) -> Result<Tensor> {
    let number = &|&[x, n]: &[&[A]; 2], out: &mut [O]| {
        let n = n[0];
        map::map1(x, out, inlined!(|x| f(x, n)));
    };
    let array = &|&[x, y]: &[&[A]; 2], out: &mut [O]| map::map2(x, y, out, inlined!(|x, y| f(x, y)));
    zip_parts(op, a, b, shape, number, array)
}

/// A pointwise operation on two operands that has a fast formula for most numbers: [`loop_with_fallback`](map::loop_with_fallback).
pub(crate) fn zip_with_fallback<T: Element>(
    op: &'static str,
    a: &Tensor,
    b: &Operand,
    fast: impl Fn(T, T) -> (T, bool) + Sync,
    fallback: impl Fn(T, T) -> T + Sync,
) -> Result<Tensor> {
    let shape = Shape::broadcast(op, a.shape(), b.shape())?;
    let (a, b) = (a.value().cast(op, T::DTYPE)?, Side::new(op, b, T::DTYPE)?);
    let number = &|&[x, n]: &[&[T]; 2], out: &mut [T]| {
        let n = n[0];
        vectorize!(map::loop_with_fallback([x], out, inlined!(|[x]| fast(x, n)), |[x]| fallback(x, n)));
    };
    let array = &|x: &[&[T]; 2], out: &mut [T]| {
        vectorize!(map::loop_with_fallback(*x, out, inlined!(|[x, y]| fast(x, y)), |[x, y]| fallback(x, y)));
    };
    zip_parts(op, &a, &b, &shape, number, array)
}

/// [`zip`] of two loops: with a number, which is the only element of the second operand, and with an array.
fn zip_parts<A: Element, O: Element>(
    op: &'static str,
    a: &Array,
    b: &Side<'_>,
    shape: &Shape,
    number: &dyn map::Loop<A, O, 2>,
    array: &dyn map::Loop<A, O, 2>,
) -> Result<Tensor> {
    let a = spread(a, shape);
    let value = match b {
        Side::Number(n) => {
            let n = [n.cast()];
            a.each(op, &|&[x]: &[&[A]; 1], out: &mut [O]| number.run(&[x, &n], out))
        }
        Side::Array(b) => Array::in_memory_order([&a, &spread(b, shape)], &|shape, [a, b]| {
            Array::build(op, shape, |out| map::each([a.strided(), b.strided()], out, array))
        }),
    };
    value.map(Tensor::constant)
}

/// The array broadcast to `shape`.
pub(crate) fn spread<'a>(a: &'a Array, shape: &Shape) -> Cow<'a, Array> {
    if a.shape() == shape { Cow::Borrowed(a) } else { Cow::Owned(a.expand(shape)) }
}

/// A pointwise operation on two operands; `$f` is read at every dtype's type.
// In a struct, made by a function, both sides and the shape are moved: a chain of operations takes 6 % more instructions.
macro_rules! pointwise2 {
    ($($float:ident)? $op:literal, $a:expr, $b:expr, $dtype:expr, $f:expr) => {{
        let shape = Shape::broadcast($op, $a.shape(), $b.shape())?;
        let a = $a.value().cast($op, $dtype)?;
        let b = Side::new($op, $b, $dtype)?;
        dispatch!($($float)? $dtype, T => zip::<T, T>($op, &a, &b, &shape, $f))?
    }};
}
pub(crate) use pointwise2;
