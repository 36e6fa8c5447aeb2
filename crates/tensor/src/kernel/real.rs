//! The numbers of formulas and of floating-point kernels: what a formula may do, and what `f32` and `f64` can beyond that.

use super::math::{erf, exp, log, trig};
use crate::dtype::Element;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub};

/// The operations that a formula may apply to its variables.
///
/// ```
/// use downhill::real::Real;
/// fn softsign<R: Real>(x: R) -> R {
///     x.clone() / (R::lit(1.0) + x.abs())
/// }
/// assert_eq!(softsign(3.0_f32), 0.75);
/// ```
#[diagnostic::on_unimplemented(
    message = "a formula cannot be read at `{Self}`",
    label = "expected `f32`, `f64` or `Traced`",
    note = "numbers in a formula are `R::lit(2.0)`; tensors enter it by `Traced`"
)]
pub trait Real:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> + Neg<Output = Self>
{
    /// The result of a comparison.
    type Mask: Clone;
    /// A constant, rounded to the type.
    #[must_use]
    fn lit(x: f64) -> Self;
    /// `eˣ`.
    #[must_use]
    fn exp(self) -> Self;
    /// `eˣ − 1`, exact near 0.
    #[must_use]
    fn expm1(self) -> Self;
    /// Natural logarithm.
    #[must_use]
    fn ln(self) -> Self;
    /// `ln(1 + x)`, exact near 0.
    #[must_use]
    fn log1p(self) -> Self;
    /// Logarithm to base 2.
    #[must_use]
    fn log2(self) -> Self;
    /// Square root.
    #[must_use]
    fn sqrt(self) -> Self;
    /// `|x|`.
    #[must_use]
    fn abs(self) -> Self;
    /// −1, 0 or 1; 0 for NaN.
    #[must_use]
    fn sign(self) -> Self;
    /// Sine.
    #[must_use]
    fn sin(self) -> Self;
    /// Cosine.
    #[must_use]
    fn cos(self) -> Self;
    /// Tangent.
    #[must_use]
    fn tan(self) -> Self;
    /// Hyperbolic tangent.
    #[must_use]
    fn tanh(self) -> Self;
    /// `1 / (1 + e⁻ˣ)`.
    #[must_use]
    fn sigmoid(self) -> Self;
    /// The error function.
    #[must_use]
    fn erf(self) -> Self;
    /// Rounds down.
    #[must_use]
    fn floor(self) -> Self;
    /// Rounds up.
    #[must_use]
    fn ceil(self) -> Self;
    /// Rounds to the nearest integer, ties to even.
    #[must_use]
    fn round(self) -> Self;
    /// Rounds towards zero.
    #[must_use]
    fn trunc(self) -> Self;
    /// `self` to the power `y`.
    #[must_use]
    fn powr(self, y: Self) -> Self;
    /// `self · a + b`: rounded once for scalars.
    #[must_use]
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// The larger; a NaN wins.
    #[must_use]
    fn max(self, other: Self) -> Self;
    /// The smaller; a NaN wins.
    #[must_use]
    fn min(self, other: Self) -> Self;
    /// `self` within `low..=high`; NaN stays.
    #[must_use]
    fn clamp(self, low: f64, high: f64) -> Self;
    /// `self < other`.
    fn lt(&self, other: &Self) -> Self::Mask;
    /// `self <= other`.
    fn le(&self, other: &Self) -> Self::Mask;
    /// `self == other`.
    fn eq(&self, other: &Self) -> Self::Mask;
    /// `a` where the mask holds, `b` elsewhere; both are computed.
    #[must_use]
    fn select(mask: Self::Mask, a: Self, b: Self) -> Self;
}

/// `f32` or `f64`: the types that formulas are read at and kernels of floating-point operations are written for.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a floating-point type of kernels",
    label = "expected `f32` or `f64`"
)]
pub trait Float: Element + Real<Mask = bool> + AddAssign {
    /// `eˣ` within 1 ULP: the exponential inside PyTorch's softmax and sigmoid. Exactly 1 at 0 and exactly 0 at −∞, so a row's
    /// maximum weighs 1 and a masked entry nothing.
    #[doc(hidden)]
    #[must_use]
    fn fast_exp(self) -> Self;
    /// The logarithm inside PyTorch's log-softmax, within 1 ULP.
    #[doc(hidden)]
    #[must_use]
    fn fast_ln(self) -> Self;
    /// `ln x` within 1.5 ULP, in a third of the time: for the terms of long sums, where one term's last digit is lost.
    #[doc(hidden)]
    #[must_use]
    fn quick_ln(self) -> Self;
    /// `ln(1 + x)` within 1.5 ULP, for such terms.
    #[doc(hidden)]
    #[must_use]
    fn quick_log1p(self) -> Self;
    /// `eˣ` to 2⁻³⁰ or better, for one rounding to this type.
    #[doc(hidden)]
    #[must_use]
    fn wide_exp(x: f64) -> f64;
    /// The remainder of a division, with the dividend's sign.
    #[doc(hidden)]
    #[must_use]
    fn rem(self, other: Self) -> Self;
    /// The magnitude of `self` with the sign of `other`.
    #[doc(hidden)]
    #[must_use]
    fn copysign(self, other: Self) -> Self;
}

/// The readings at one type: functions by name, with what computes them.
macro_rules! float {
    (
        $type:ident: $($real:ident $of_real:path),*; float $($float:ident $of_float:path),*; wide_exp $wide_exp:path
    ) => {
        impl Real for $type {
            type Mask = bool;
            $(#[inline(always)]
            fn $real(self) -> Self {
                $of_real(self)
            })*
            #[inline(always)]
            fn lit(x: f64) -> Self {
                x as $type
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                1.0 / (1.0 + Float::fast_exp(-self))
            }
            #[inline(always)]
            fn sign(self) -> Self {
                // Choices between floats stay in their vectors; integers would have to be converted.
                let (up, down) = (if self > 0.0 { 1.0 } else { 0.0 }, if self < 0.0 { 1.0 } else { 0.0 });
                up - down
            }
            #[inline(always)]
            fn powr(self, y: Self) -> Self {
                self.powf(y)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                $type::mul_add(self, a, b)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                // Of a literal it is known that it is no NaN: one instruction is left.
                if other > self || other.is_nan() { other } else { self }
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                if other < self || other.is_nan() { other } else { self }
            }
            #[inline(always)]
            fn clamp(self, low: f64, high: f64) -> Self {
                let (low, high) = (low as $type, high as $type);
                let raised = if self < low { low } else { self };
                if raised > high { high } else { raised }
            }
            #[inline(always)]
            fn lt(&self, other: &Self) -> bool {
                *self < *other
            }
            #[inline(always)]
            fn le(&self, other: &Self) -> bool {
                *self <= *other
            }
            #[inline(always)]
            fn eq(&self, other: &Self) -> bool {
                *self == *other
            }
            #[inline(always)]
            fn select(mask: bool, a: Self, b: Self) -> Self {
                if mask { a } else { b }
            }
        }

        impl Float for $type {
            $(#[inline(always)]
            fn $float(self) -> Self {
                $of_float(self)
            })*
            #[inline(always)]
            fn wide_exp(x: f64) -> f64 {
                $wide_exp(x)
            }
            #[inline(always)]
            fn rem(self, other: Self) -> Self {
                self % other
            }
            #[inline(always)]
            fn copysign(self, other: Self) -> Self {
                $type::copysign(self, other)
            }
        }
    };
}

float!(f32:
    exp exp::exp_f32, expm1 exp::expm1_f32, ln log::ln_f32, log1p log::log1p_f32, log2 log::log2_f32, tanh exp::tanh_f32,
    erf erf::erf_f32, sin trig::sin_f32, cos trig::cos_f32, tan trig::tan_f32, sqrt f32::sqrt, abs f32::abs, floor f32::floor, ceil f32::ceil,
    round f32::round_ties_even, trunc f32::trunc;
    float fast_exp exp::fast_exp_f32, fast_ln log::fast_ln_f32, quick_ln log::quick_ln_f32, quick_log1p log::quick_log1p_f32;
    wide_exp exp::coarse_exp
);
float!(f64:
    exp exp::exp_f64, expm1 exp::expm1_f64, ln log::ln_f64, log1p log::log1p_f64, log2 log::log2_f64, tanh exp::tanh_f64,
    erf erf::erf_f64, sin trig::sin_f64, cos trig::cos_f64, tan trig::tan_f64, sqrt f64::sqrt, abs f64::abs, floor f64::floor, ceil f64::ceil,
    round f64::round_ties_even, trunc f64::trunc;
    float fast_exp exp::exp_f64, fast_ln log::ln_f64, quick_ln log::ln_f64, quick_log1p log::log1p_f64;
    wide_exp exp::exp_f64
);
