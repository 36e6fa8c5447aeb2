//! One formula, several readings.
//!
//! A pointwise function is written once, generically over [`Real`]. Read at `f32` or `f64` it is the body of a
//! vectorised loop; read at [`Traced`] it is a graph of tensor operations, so that its derivative can be derived again.

pub use super::quick::Quick;
use crate::Tensor;
use crate::kernel::math::Math;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// What a formula may do with its variables.
///
/// ```
/// use downhill::real::Real;
/// fn softsign<R: Real>(x: R) -> R {
///     x.clone() / (R::lit(1.0) + x.abs())
/// }
/// assert_eq!(softsign(3.0_f32), 0.75);
/// ```
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
    /// The remainder of a division, with the dividend's sign. Scalars only: it has no derivative here.
    #[doc(hidden)]
    #[must_use]
    fn rem(self, other: Self) -> Self;
    /// The magnitude of `self` with the sign of `other`. Scalars only.
    #[doc(hidden)]
    #[must_use]
    fn copysign(self, other: Self) -> Self;
}

macro_rules! real {
    ($type:ty) => {
        impl Real for $type {
            type Mask = bool;
            #[inline(always)]
            fn lit(x: f64) -> Self {
                x as $type
            }
            real!(@forward $type: exp expm1 ln log1p log2 sin cos tanh sigmoid erf);
            #[inline(always)]
            fn sqrt(self) -> Self {
                <$type>::sqrt(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                <$type>::abs(self)
            }
            #[inline(always)]
            fn sign(self) -> Self {
                Math::sign(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                <$type>::floor(self)
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                <$type>::ceil(self)
            }
            #[inline(always)]
            fn round(self) -> Self {
                <$type>::round_ties_even(self)
            }
            #[inline(always)]
            fn trunc(self) -> Self {
                <$type>::trunc(self)
            }
            #[inline(always)]
            fn powr(self, y: Self) -> Self {
                Math::pow(self, y)
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                <$type>::mul_add(self, a, b)
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
            #[inline(always)]
            fn rem(self, other: Self) -> Self {
                self % other
            }
            #[inline(always)]
            fn copysign(self, other: Self) -> Self {
                <$type>::copysign(self, other)
            }
        }
    };
    (@forward $type:ty: $($name:ident)*) => {$(
        #[inline(always)]
        fn $name(self) -> Self {
            Math::$name(self)
        }
    )*};
}
real!(f32);
real!(f64);

/// The reading of a formula as a graph: a tensor, or a constant of the formula.
///
/// The tensors of one formula must have shapes that broadcast; its operators panic otherwise, as those of [`Tensor`].
///
/// ```
/// use downhill::{Tensor, real::{Real, Traced}};
/// let x = Tensor::from([0.5_f32]).requires_grad_()?;
/// let y = (Traced::from(&x) * Traced::lit(3.0)).exp().into_tensor();
/// assert!(y.requires_grad());
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum Traced {
    /// A variable or an intermediate result.
    Tensor(Tensor),
    /// A constant.
    Lit(f64),
}

impl From<&Tensor> for Traced {
    fn from(x: &Tensor) -> Self {
        Self::Tensor(x.clone())
    }
}

impl Traced {
    /// The tensor; a constant becomes a 0-d `f64`.
    pub fn into_tensor(self) -> Tensor {
        match self {
            Self::Tensor(x) => x,
            Self::Lit(x) => Tensor::from(x),
        }
    }

    fn map(self, lit: impl FnOnce(f64) -> f64, tensor: impl FnOnce(&Tensor) -> Tensor) -> Self {
        match self {
            Self::Tensor(x) => Self::Tensor(tensor(&x)),
            Self::Lit(x) => Self::Lit(lit(x)),
        }
    }

    fn operand(&self) -> crate::Operand {
        match self {
            Self::Tensor(x) => x.into(),
            Self::Lit(x) => (*x).into(),
        }
    }
}

fn fits(result: crate::Result<Tensor>) -> Traced {
    Traced::Tensor(result.unwrap_or_else(|e| panic!("{e}")))
}

macro_rules! traced_operator {
    ($trait:ident $method:ident, $lit_left:expr) => {
        impl $trait for Traced {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                match (self, other) {
                    (Self::Lit(a), Self::Lit(b)) => Self::Lit($trait::$method(a, b)),
                    (Self::Tensor(a), b) => fits(Tensor::$method(&a, b.operand())),
                    (Self::Lit(a), Self::Tensor(b)) => {
                        let left: fn(f64, &Tensor) -> crate::Result<Tensor> = $lit_left;
                        fits(left(a, &b))
                    }
                }
            }
        }
    };
}
traced_operator!(Add add, |a, b| Tensor::add(b, a));
traced_operator!(Sub sub, |a, b| b.rsub(a));
traced_operator!(Mul mul, |a, b| Tensor::mul(b, a));
traced_operator!(Div div, |a, b| Tensor::mul(&b.reciprocal(), a));

impl Neg for Traced {
    type Output = Self;
    fn neg(self) -> Self {
        match self {
            Self::Lit(x) => Self::Lit(-x),
            Self::Tensor(x) => fits(Tensor::neg(&x)),
        }
    }
}

impl Traced {
    /// A two-sided operation that takes tensors: constants become numbers of the other side's dtype.
    fn both(self, other: Self, f: impl FnOnce(&Tensor, &Tensor) -> crate::Result<Tensor>) -> Self {
        let dtype = match (&self, &other) {
            (Self::Tensor(x), _) | (_, Self::Tensor(x)) => x.dtype(),
            _ => crate::DType::F64,
        };
        let [a, b] = [self, other].map(|x| x.operand().to_tensor(dtype));
        fits(f(&a, &b))
    }
}

impl Real for Traced {
    type Mask = Tensor;
    fn lit(x: f64) -> Self {
        Self::Lit(x)
    }
    fn exp(self) -> Self {
        self.map(Real::exp, Tensor::exp)
    }
    fn expm1(self) -> Self {
        self.map(Real::expm1, Tensor::expm1)
    }
    fn ln(self) -> Self {
        self.map(Real::ln, Tensor::log)
    }
    fn log1p(self) -> Self {
        self.map(Real::log1p, Tensor::log1p)
    }
    fn log2(self) -> Self {
        self.map(Real::log2, Tensor::log2)
    }
    fn sqrt(self) -> Self {
        self.map(Real::sqrt, Tensor::sqrt)
    }
    fn abs(self) -> Self {
        self.map(Real::abs, Tensor::abs)
    }
    fn sign(self) -> Self {
        self.map(Real::sign, Tensor::sign)
    }
    fn sin(self) -> Self {
        self.map(Real::sin, Tensor::sin)
    }
    fn cos(self) -> Self {
        self.map(Real::cos, Tensor::cos)
    }
    fn tanh(self) -> Self {
        self.map(Real::tanh, Tensor::tanh)
    }
    fn sigmoid(self) -> Self {
        self.map(Real::sigmoid, Tensor::sigmoid)
    }
    fn erf(self) -> Self {
        self.map(Real::erf, Tensor::erf)
    }
    fn floor(self) -> Self {
        self.map(Real::floor, Tensor::floor)
    }
    fn ceil(self) -> Self {
        self.map(Real::ceil, Tensor::ceil)
    }
    fn round(self) -> Self {
        self.map(Real::round, Tensor::round)
    }
    fn trunc(self) -> Self {
        self.map(Real::trunc, Tensor::trunc)
    }
    fn powr(self, y: Self) -> Self {
        match (self, y) {
            (Self::Lit(a), Self::Lit(b)) => Self::Lit(a.powf(b)),
            (Self::Lit(a), Self::Tensor(b)) => fits(b.rpow(a)),
            (Self::Tensor(a), b) => fits(a.pow(b.operand())),
        }
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    fn max(self, other: Self) -> Self {
        self.both(other, super::super::tensor::Tensor::maximum)
    }
    fn min(self, other: Self) -> Self {
        self.both(other, super::super::tensor::Tensor::minimum)
    }
    fn clamp(self, low: f64, high: f64) -> Self {
        match self {
            Self::Lit(x) => Self::Lit(Real::clamp(x, low, high)),
            Self::Tensor(x) => fits(x.clamp(low, high)),
        }
    }
    fn lt(&self, other: &Self) -> Tensor {
        self.clone().both(other.clone(), |a, b| a.lt(b)).into_tensor()
    }
    fn le(&self, other: &Self) -> Tensor {
        self.clone().both(other.clone(), |a, b| a.le(b)).into_tensor()
    }
    fn eq(&self, other: &Self) -> Tensor {
        self.clone().both(other.clone(), |a, b| a.eq(b)).into_tensor()
    }
    fn select(mask: Tensor, a: Self, b: Self) -> Self {
        match (a, b) {
            // Two numbers would make a tensor of f32, too coarse for a formula in f64.
            (Self::Lit(a), Self::Lit(b)) => fits(Tensor::where_(&mask, &Tensor::from(a), &Tensor::from(b))),
            (a, b) => fits(Tensor::where_(&mask, a.operand(), b.operand())),
        }
    }
    fn rem(self, _: Self) -> Self {
        unreachable!("for scalars")
    }
    fn copysign(self, _: Self) -> Self {
        unreachable!("for scalars")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_between_constants_has_the_precision_of_the_formula() {
        let x = Tensor::from([-1.0_f64, 1.0]);
        let mask = Real::lt(&Traced::from(&x), &Traced::Lit(0.0));
        let slope = Traced::select(mask, Traced::Lit(-0.9), Traced::Lit(0.1)) * Traced::from(&x);
        assert_eq!(slope.into_tensor(), Tensor::from([0.9_f64, 0.1]));
    }
}
