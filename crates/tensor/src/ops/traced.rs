//! The reading of a formula as a graph of tensor operations, so that its derivative can be derived again.

use crate::Tensor;
use crate::kernel::real::Real;
use std::ops::{Add, Div, Mul, Neg, Sub};

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
    #[inline]
    fn from(x: &Tensor) -> Self {
        Self::Tensor(x.clone())
    }
}

impl Traced {
    /// The tensor; a constant becomes a 0-d `f64`.
    #[inline]
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

    #[inline]
    fn operand(&self) -> crate::Operand {
        match self {
            Self::Tensor(x) => x.into(),
            Self::Lit(x) => (*x).into(),
        }
    }
}

#[inline]
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
    #[inline]
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
            (Self::Lit(_), Self::Lit(_)) => crate::DType::F64,
        };
        let [a, b] = [self, other].map(|x| x.operand().to_tensor(dtype));
        fits(f(&a, &b))
    }
}

impl Real for Traced {
    type Mask = Tensor;
    #[inline]
    fn lit(x: f64) -> Self {
        Self::Lit(x)
    }
    #[inline]
    fn exp(self) -> Self {
        self.map(Real::exp, Tensor::exp)
    }
    #[inline]
    fn expm1(self) -> Self {
        self.map(Real::expm1, Tensor::expm1)
    }
    #[inline]
    fn ln(self) -> Self {
        self.map(Real::ln, Tensor::log)
    }
    #[inline]
    fn log1p(self) -> Self {
        self.map(Real::log1p, Tensor::log1p)
    }
    #[inline]
    fn log2(self) -> Self {
        self.map(Real::log2, Tensor::log2)
    }
    #[inline]
    fn sqrt(self) -> Self {
        self.map(Real::sqrt, Tensor::sqrt)
    }
    #[inline]
    fn abs(self) -> Self {
        self.map(Real::abs, Tensor::abs)
    }
    #[inline]
    fn sign(self) -> Self {
        self.map(Real::sign, Tensor::sign)
    }
    #[inline]
    fn sin(self) -> Self {
        self.map(Real::sin, Tensor::sin)
    }
    #[inline]
    fn cos(self) -> Self {
        self.map(Real::cos, Tensor::cos)
    }
    #[inline]
    fn tanh(self) -> Self {
        self.map(Real::tanh, Tensor::tanh)
    }
    #[inline]
    fn sigmoid(self) -> Self {
        self.map(Real::sigmoid, Tensor::sigmoid)
    }
    #[inline]
    fn erf(self) -> Self {
        self.map(Real::erf, Tensor::erf)
    }
    #[inline]
    fn floor(self) -> Self {
        self.map(Real::floor, Tensor::floor)
    }
    #[inline]
    fn ceil(self) -> Self {
        self.map(Real::ceil, Tensor::ceil)
    }
    #[inline]
    fn round(self) -> Self {
        self.map(Real::round, Tensor::round)
    }
    #[inline]
    fn trunc(self) -> Self {
        self.map(Real::trunc, Tensor::trunc)
    }
    #[inline]
    fn powr(self, y: Self) -> Self {
        match (self, y) {
            (Self::Lit(a), Self::Lit(b)) => Self::Lit(a.powf(b)),
            (Self::Lit(a), Self::Tensor(b)) => fits(b.rpow(a)),
            (Self::Tensor(a), b) => fits(a.pow(b.operand())),
        }
    }
    #[inline]
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    #[inline]
    fn max(self, other: Self) -> Self {
        self.both(other, Tensor::maximum)
    }
    #[inline]
    fn min(self, other: Self) -> Self {
        self.both(other, Tensor::minimum)
    }
    #[inline]
    fn clamp(self, low: f64, high: f64) -> Self {
        match self {
            Self::Lit(x) => Self::Lit(Real::clamp(x, low, high)),
            Self::Tensor(x) => fits(x.clamp(low, high)),
        }
    }
    #[inline]
    fn lt(&self, other: &Self) -> Tensor {
        self.clone().both(other.clone(), |a, b| a.lt(b)).into_tensor()
    }
    #[inline]
    fn le(&self, other: &Self) -> Tensor {
        self.clone().both(other.clone(), |a, b| a.le(b)).into_tensor()
    }
    #[inline]
    fn eq(&self, other: &Self) -> Tensor {
        self.clone().both(other.clone(), |a, b| a.eq(b)).into_tensor()
    }
    #[inline]
    fn select(mask: Tensor, a: Self, b: Self) -> Self {
        match (a, b) {
            // Two numbers would make a tensor of f32, too coarse for a formula in f64.
            (Self::Lit(a), Self::Lit(b)) => fits(Tensor::where_(&mask, &Tensor::from(a), &Tensor::from(b))),
            (a, b) => fits(Tensor::where_(&mask, a.operand(), b.operand())),
        }
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
