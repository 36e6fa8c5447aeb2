//! The reading of a formula in a sum of many terms.

use super::real::{Float, Real};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A number whose exponentials and logarithms are within 1.5 units in the last place, and not rounded once: for the terms of a
/// long sum, whose last digits are lost in it. They take a third of the time.
///
/// ```
/// use downhill::real::{FastMath, Real};
/// assert!((FastMath(2.0_f32).ln().0 - 2.0_f32.ln()).abs() <= f32::EPSILON);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FastMath<T>(
    /// The number.
    pub T,
);

macro_rules! quick {
    ($($trait:ident $name:ident),*; same $($same:ident)*; two $($two:ident)*; compare $($compare:ident)*) => {
        $(impl<T: Float> $trait for FastMath<T> {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                Self($trait::$name(self.0, other.0))
            }
        })*
        impl<T: Float> Neg for FastMath<T> {
            type Output = Self;
            #[inline(always)]
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl<T: Float> Real for FastMath<T> {
            type Mask = bool;
            #[inline(always)]
            fn lit(x: f64) -> Self {
                Self(T::lit(x))
            }
            #[inline(always)]
            fn exp(self) -> Self {
                Self(Float::fast_exp(self.0))
            }
            #[inline(always)]
            fn ln(self) -> Self {
                Self(Float::quick_ln(self.0))
            }
            #[inline(always)]
            fn log1p(self) -> Self {
                Self(Float::quick_log1p(self.0))
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                Self(Real::mul_add(self.0, a.0, b.0))
            }
            #[inline(always)]
            fn clamp(self, low: f64, high: f64) -> Self {
                Self(Real::clamp(self.0, low, high))
            }
            #[inline(always)]
            fn select(mask: bool, a: Self, b: Self) -> Self {
                Self(T::select(mask, a.0, b.0))
            }
            $(#[inline(always)]
            fn $same(self) -> Self {
                Self(Real::$same(self.0))
            })*
            $(#[inline(always)]
            fn $two(self, other: Self) -> Self {
                Self(Real::$two(self.0, other.0))
            })*
            $(#[inline(always)]
            fn $compare(&self, other: &Self) -> bool {
                Real::$compare(&self.0, &other.0)
            })*
        }
    };
}
quick!(
    Add add, Sub sub, Mul mul, Div div;
    same expm1 log2 sqrt abs sign sin cos tan tanh sigmoid erf floor ceil round trunc;
    two powr max min;
    compare lt le eq
);
