//! Truth: `logical_and` and its kin, bits and their operators `&` `|` `^` `!`, `any` and `all`, `isfinite`.

use crate::array::Array;
use crate::dtype::dispatch;
use crate::error::{fallible, or_panic};
use crate::kernel::fold;
use crate::ops::operand::{Operand, Side, promote, zip};
use crate::ops::reduce::{ALL, Plan};
use crate::shape::{Dims, Mask};
use crate::{DType, Element, Error, Result, Shape, Tensor};
use std::ops::{BitAnd, BitOr, BitXor, Not};

/// `f` of whether the elements are not 0.
#[inline]
fn logical(op: &'static str, a: &Tensor, b: &Operand, f: fn(bool, bool) -> bool) -> Result<Tensor> {
    let shape = Shape::broadcast(op, a.shape(), b.shape())?;
    let (a, b) = (a.value().cast(op, DType::Bool)?, Side::new(op, b, DType::Bool)?);
    zip::<bool, bool>(op, &a, &b, &shape, f)
}

/// A function of truth values, or of the bits of integers.
#[inline]
fn bitwise(
    op: &'static str,
    a: &Tensor,
    b: &Operand,
    f: fn(bool, bool) -> bool,
    bits: fn(i64, i64) -> i64,
) -> Result<Tensor> {
    match promote(a, b) {
        DType::Bool => logical(op, a, b, f),
        DType::I64 => {
            let shape = Shape::broadcast(op, a.shape(), b.shape())?;
            let (a, b) = (a.value().cast(op, DType::I64)?, Side::new(op, b, DType::I64)?);
            zip::<i64, i64>(op, &a, &b, &shape, bits)
        }
        got @ (DType::F32 | DType::F64) => Err(Error::DType { op, expected: BITS, got }),
    }
}

const BITS: &str = "booleans or integers";

/// A logical method, a bitwise one, and the operator that calls it.
macro_rules! connectives {
    ($($logical:ident $bitwise:ident $trait:ident $method:ident $operator:tt, $word:literal, [$($result:literal),*];)*) => {
        /// Logical and bitwise operations on two tensors, which broadcast.
        impl Tensor {$(
            #[doc = concat!("Where ", $word, " not 0, as a mask; NaN is not 0. Operands broadcast.")]
            ///
            #[doc = concat!("[`torch.", stringify!($logical), "`](https://docs.pytorch.org/docs/stable/generated/torch.", stringify!($logical), ".html).")]
            ///
            /// # Errors
            /// [`Error::Broadcast`] for shapes that do not fit.
            ///
            /// ```
            /// use downhill::Tensor;
            /// let (a, b) = (Tensor::from([2.0_f32, 0.0, 5.0, 0.0]), Tensor::from([true, true, false, false]));
            #[doc = concat!("assert_eq!(a.", stringify!($logical), "(&b)?, Tensor::from([", $(stringify!($result), ", ",)* "]));")]
            /// # Ok::<(), downhill::Error>(())
            /// ```
            #[inline]
            pub fn $logical(&self, other: impl Into<Operand>) -> Result<Tensor> {
                logical(stringify!($logical), self, &other.into(), $trait::$method)
            }

            #[doc = concat!("`self ", stringify!($operator), " other`: where ", $word, " true; between integers, of each bit. Operands broadcast and promote.")]
            ///
            #[doc = concat!("[`torch.", stringify!($bitwise), "`](https://docs.pytorch.org/docs/stable/generated/torch.", stringify!($bitwise), ".html).")]
            ///
            /// # Errors
            /// [`Error::Broadcast`] for shapes that do not fit, [`Error::DType`] for floats.
            ///
            /// ```
            /// use downhill::Tensor;
            /// let (a, b) = (Tensor::from([true, false, true, false]), Tensor::from([true, true, false, false]));
            #[doc = concat!("assert_eq!(a.", stringify!($bitwise), "(&b)?, Tensor::from([", $(stringify!($result), ", ",)* "]));")]
            #[doc = concat!("assert_eq!(Tensor::from(12).", stringify!($bitwise), "(10)?.item::<i64>()?, 12 ", stringify!($operator), " 10);")]
            #[doc = concat!("assert_eq!(&a ", stringify!($operator), " &b, a.", stringify!($bitwise), "(&b)?);")]
            /// # Ok::<(), downhill::Error>(())
            /// ```
            #[inline]
            pub fn $bitwise(&self, other: impl Into<Operand>) -> Result<Tensor> {
                bitwise(stringify!($bitwise), self, &other.into(), $trait::$method, $trait::$method)
            }
        )*}
        $(
            connectives!(@operator $trait $method $bitwise, Tensor, Tensor, |right| &right);
            connectives!(@operator $trait $method $bitwise, Tensor, &Tensor, |right| right);
            connectives!(@operator $trait $method $bitwise, &Tensor, Tensor, |right| &right);
            connectives!(@operator $trait $method $bitwise, &Tensor, &Tensor, |right| right);
        )*
    };
    (@operator $trait:ident $method:ident $bitwise:ident, $left:ty, $right:ty, |$r:ident| $as_ref:expr) => {
        #[doc = concat!("Panics where [`", stringify!($bitwise), "`](Tensor::", stringify!($bitwise), ") returns an error.")]
        impl $trait<$right> for $left {
            type Output = Tensor;
            #[inline]
            #[track_caller]
            fn $method(self, $r: $right) -> Tensor {
                or_panic(self.$bitwise($as_ref))
            }
        }
    };
}
connectives! {
    logical_and bitwise_and BitAnd bitand &, "both are", [true, false, false, false];
    logical_or bitwise_or BitOr bitor |, "one of the two, or both, is", [true, true, true, false];
    logical_xor bitwise_xor BitXor bitxor ^, "exactly one of the two is", [false, true, true, false];
}

/// Panics where [`bitwise_not`](Tensor::bitwise_not) returns an error.
impl Not for &Tensor {
    type Output = Tensor;
    #[inline]
    #[track_caller]
    fn not(self) -> Tensor {
        or_panic(self.bitwise_not())
    }
}

/// Panics where [`bitwise_not`](Tensor::bitwise_not) returns an error.
impl Not for Tensor {
    type Output = Tensor;
    #[inline]
    #[track_caller]
    fn not(self) -> Tensor {
        !&self
    }
}

/// Logical and bitwise operations.
impl Tensor {
    /// `!self`: the other truth value; of integers, every bit flipped, `−1 − self`.
    ///
    /// [`torch.bitwise_not`](https://docs.pytorch.org/docs/stable/generated/torch.bitwise_not.html). That of any dtype is
    /// [`logical_not`](Self::logical_not).
    ///
    /// # Errors
    /// [`Error::DType`] for floats.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(!Tensor::from([true, false]), Tensor::from([false, true]));
    /// assert_eq!(Tensor::from([0, 5]).bitwise_not()?, Tensor::from([-1, -6]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn bitwise_not(&self) -> Result<Tensor> {
        let op = "bitwise_not";
        Ok(Tensor::constant(match self.dtype() {
            DType::Bool => self.value().map(op, |x: bool| !x)?,
            DType::I64 => self.value().map(op, |x: i64| !x)?,
            got @ (DType::F32 | DType::F64) => return Err(Error::DType { op, expected: BITS, got }),
        }))
    }

    fallible! {
        /// Where an element is neither infinite nor NaN.
        /// [`torch.isfinite`](https://docs.pytorch.org/docs/stable/generated/torch.isfinite.html).
        ///
        /// ```
        /// use downhill::Tensor;
        /// let x = Tensor::from([1.0_f32, f32::INFINITY, f32::NAN]);
        /// assert_eq!(x.isfinite(), Tensor::from([true, false, false]));
        /// ```
        isfinite try_isfinite |self| {
            let finite = |x: f64| x.is_finite();
            let value = dispatch!(self.dtype(), T => self.value().map("isfinite", |x: T| finite(x.cast())));
            Ok(Tensor::constant(value?))
        };

        /// Whether any element is not 0, as a 0-d mask; false without elements. NaN is not 0.
        /// [`torch.any`](https://docs.pytorch.org/docs/stable/generated/torch.any.html).
        ///
        /// ```
        /// use downhill::Tensor;
        /// assert!(Tensor::from([0.0_f32, f32::NAN]).isnan().any().item::<bool>()?);
        /// # Ok::<(), downhill::Error>(())
        /// ```
        any try_any |self| quantified("any", self, &ALL, false, false);

        /// Whether no element is 0, as a 0-d mask; true without elements.
        /// [`torch.all`](https://docs.pytorch.org/docs/stable/generated/torch.all.html).
        ///
        /// ```
        /// use downhill::Tensor;
        /// assert!(!Tensor::from([1, 0, 2]).all().item::<bool>()?);
        /// # Ok::<(), downhill::Error>(())
        /// ```
        all try_all |self| quantified("all", self, &ALL, false, true);
    }

    /// [`any`](Self::any) along some dimensions, all if none is named; they disappear unless `keepdim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for one named twice.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[0, 2], [0, 0]]).any_dim(1, false)?, Tensor::from([true, false]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn any_dim(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        quantified("any", self, &self.shape().dims("any", &dims.into())?, keepdim, false)
    }

    /// [`all`](Self::all) along some dimensions, all if none is named; they disappear unless `keepdim`.
    ///
    /// # Errors
    /// As [`any_dim`](Self::any_dim).
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[1, 2], [0, 3]]).all_dim(0, true)?, Tensor::from([[false, true]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn all_dim(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        quantified("all", self, &self.shape().dims("all", &dims.into())?, keepdim, true)
    }
}

/// Whether all elements along what `mask` says are not 0, or any is.
#[inline]
fn quantified(op: &'static str, x: &Tensor, mask: &Mask, keepdim: bool, all: bool) -> Result<Tensor> {
    let plan = Plan::once(op, x.value(), mask, keepdim)?;
    if let Some(alone) = plan.alone() {
        return Ok(Tensor::constant(plan.finish(op, alone.to_dtype(op, DType::Bool)?)?));
    }
    let value = dispatch!(plan.input.dtype(), T => Array::build_beside(op, plan.shape, plan.folds(), |out: &mut [bool]| {
        if plan.n == 0 || out.is_empty() {
            return out.fill(all);
        }
        // All are unless any is not.
        let step = |any: bool, x: T| any | ((x != T::default()) != all);
        let (data, extents) = (plan.input.slice::<T>().unwrap_or_default(), [plan.n, plan.inner]);
        fold::fold_middle(data, extents, out, false, step, BitOr::bitor, |any| any != all);
    }))?;
    Ok(Tensor::constant(plan.finish(op, value)?))
}
