//! Element types: what they are, how they convert, how two of them promote, and how a dtype becomes a Rust type.

use std::fmt;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// `bool`, one byte an element.
    Bool,
    /// `i64`: indices and counts.
    I64,
    /// `f32`: the default for numbers with a point.
    F32,
    /// `f64`.
    F64,
}

impl DType {
    /// Whether elements are `f32` or `f64`: only such tensors can require a gradient.
    ///
    /// ```
    /// assert!(downhill::DType::F32.is_float() && !downhill::DType::I64.is_float());
    /// ```
    pub const fn is_float(self) -> bool {
        match self {
            Self::F32 | Self::F64 => true,
            Self::I64 | Self::Bool => false,
        }
    }

    /// The smallest dtype that holds both ([PyTorch's rule](https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc)
    /// for two tensors of equal standing): `Bool < I64 < F32 < F64`.
    ///
    /// ```
    /// use downhill::DType;
    /// assert_eq!(DType::I64.promote(DType::F32), DType::F32);
    /// ```
    #[must_use]
    pub fn promote(self, other: Self) -> Self {
        self.max(other)
    }

    /// Itself if it is a float, otherwise the default float `f32`.
    pub(crate) fn to_float(self) -> Self {
        self.max(Self::F32)
    }
}

/// PyTorch's name: `float32`, `float64`, `int64`, `bool`.
impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bool => "bool",
            Self::I64 => "int64",
            Self::F32 => "float32",
            Self::F64 => "float64",
        })
    }
}

mod sealed {
    /// What keeps [`Element`](super::Element) to its four types.
    pub trait Sealed {}
}

/// A Rust type that a tensor can hold: `f32`, `f64`, `i64`, `bool`.
// One type a dtype: buffers rely on it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a type that a tensor holds",
    label = "expected `f32`, `f64`, `i64` or `bool`",
    note = "where the type cannot be inferred it has to be named: `x.item::<f32>()?`, `x.to_vec::<f32>()?`"
)]
pub trait Element:
    sealed::Sealed + Copy + Default + PartialEq + PartialOrd + Send + Sync + fmt::Debug + 'static
{
    /// The dtype of this type.
    const DTYPE: DType;
    #[doc(hidden)]
    fn of_bool(x: bool) -> Self;
    #[doc(hidden)]
    fn of_i64(x: i64) -> Self;
    #[doc(hidden)]
    fn of_f32(x: f32) -> Self;
    #[doc(hidden)]
    fn of_f64(x: f64) -> Self;
    /// Converts as PyTorch's `Tensor.to(dtype)` does: floats to integers towards zero (those beyond
    /// `i64` to its minimum), anything to `bool` by `!= 0`.
    #[must_use]
    fn cast<U: Element>(self) -> U;
    /// The sum; integers wrap, booleans or.
    #[doc(hidden)]
    #[must_use]
    fn plus(self, other: Self) -> Self;
    /// The difference; integers wrap, of booleans whether they differ.
    #[doc(hidden)]
    #[must_use]
    fn minus(self, other: Self) -> Self;
    /// The product; integers wrap, booleans and.
    #[doc(hidden)]
    #[must_use]
    fn times(self, other: Self) -> Self;
}

macro_rules! element {
    (
        $type:ty, $dtype:ident, $of:ident, |$x:ident| $bool:expr, $i64:expr, $f32:expr, $f64:expr;
        |$a:ident, $b:ident| $plus:expr, $minus:expr, $times:expr
    ) => {
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const DTYPE: DType = DType::$dtype;
            #[inline(always)]
            fn of_bool($x: bool) -> Self {
                $bool
            }
            #[inline(always)]
            fn of_i64($x: i64) -> Self {
                $i64
            }
            #[inline(always)]
            fn of_f32($x: f32) -> Self {
                $f32
            }
            #[inline(always)]
            fn of_f64($x: f64) -> Self {
                $f64
            }
            #[inline(always)]
            fn cast<U: Element>(self) -> U {
                U::$of(self)
            }
            #[inline(always)]
            fn plus(self, $b: Self) -> Self {
                let $a = self;
                $plus
            }
            #[inline(always)]
            fn minus(self, $b: Self) -> Self {
                let $a = self;
                $minus
            }
            #[inline(always)]
            fn times(self, $b: Self) -> Self {
                let $a = self;
                $times
            }
        }
    };
}

/// 2⁶³, which is beyond `i64`.
pub(crate) const TWO_63: f64 = 9_223_372_036_854_775_808.0;

/// Towards zero; what `i64` cannot hold, NaN included, becomes its minimum, as processors (and so PyTorch) have it.
#[inline(always)]
fn truncated(x: f64) -> i64 {
    if x.abs() < TWO_63 { x as i64 } else { i64::MIN }
}

element!(bool, Bool, of_bool, |x| x, x != 0, x != 0.0, x != 0.0; |a, b| a | b, a ^ b, a & b);
element!(
    i64, I64, of_i64, |x| i64::from(x), x, truncated(x.into()), truncated(x);
    |a, b| a.wrapping_add(b), a.wrapping_sub(b), a.wrapping_mul(b)
);
element!(f32, F32, of_f32, |x| f32::from(u8::from(x)), x as f32, x, x as f32; |a, b| a + b, a - b, a * b);
element!(f64, F64, of_f64, |x| f64::from(u8::from(x)), x as f64, f64::from(x), x; |a, b| a + b, a - b, a * b);

/// The end of an operation on floats that was given others.
#[cold]
pub(crate) fn not_float(dtype: DType) -> ! {
    unreachable!(
        "{dtype} in an operation on floats, which refuses or converts others before it looks at elements"
    )
}

/// Runs `$body` with `$T` standing for the dtype's Rust type: `dispatch!(dtype, T => f::<T>(x))`;
/// with `float` in front, for the two floats only, see [`not_float`].
macro_rules! dispatch {
    (float $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            dtype @ ($crate::DType::I64 | $crate::DType::Bool) => $crate::dtype::not_float(dtype),
        }
    };
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
        }
    };
}
pub(crate) use dispatch;
