//! The reading of a formula as a graph of tensor operations, so that its derivative can be derived again.

use crate::autograd::edge;
use crate::autograd::node::record;
use crate::error::or_panic;
use crate::kernel::real::Real;
use crate::{DType, Error, Operand, Result, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The reading of a formula as a graph: a tensor, or a constant of the formula.
///
/// The tensors of one formula must have shapes that broadcast. The first error of an operation, that there is no memory among them,
/// is what becomes of the whole formula.
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
    /// The error of an operation.
    Failed(Box<Error>),
}

impl From<&Tensor> for Traced {
    #[inline]
    fn from(x: &Tensor) -> Self {
        Self::Tensor(x.clone())
    }
}

impl Traced {
    /// The tensor; a constant becomes a 0-d `f64`.
    ///
    /// # Panics
    /// With the text of the error that [`try_into_tensor`](Self::try_into_tensor) returns.
    #[inline]
    #[track_caller]
    pub fn into_tensor(self) -> Tensor {
        or_panic(self.try_into_tensor())
    }

    /// The tensor; a constant becomes a 0-d `f64`.
    ///
    /// # Errors
    /// The first one of the formula's operations.
    ///
    /// ```
    /// use downhill::{Tensor, real::{Real, Traced}};
    /// let [a, b] = [Tensor::from([1.0, 2.0]), Tensor::from([1.0, 2.0, 3.0])].map(|x| Traced::from(&x));
    /// let error = (a + b).exp().try_into_tensor().unwrap_err();
    /// assert_eq!(error.to_string(), "add: shapes [2] and [3] do not broadcast");
    /// ```
    #[inline]
    pub fn try_into_tensor(self) -> Result<Tensor> {
        match self {
            Self::Tensor(x) => Ok(x),
            Self::Lit(x) => Ok(Tensor::from(x)),
            Self::Failed(error) => Err(*error),
        }
    }

    fn map(self, lit: impl FnOnce(f64) -> f64, tensor: impl FnOnce(&Tensor) -> Result<Tensor>) -> Self {
        match self {
            Self::Tensor(x) => tensor(&x).into(),
            Self::Lit(x) => Self::Lit(lit(x)),
            Self::Failed(error) => Self::Failed(error),
        }
    }

    #[inline]
    fn operand(self) -> Result<Operand> {
        match self {
            Self::Tensor(x) => Ok(Operand::Tensor(x)),
            Self::Lit(x) => Ok(x.into()),
            Self::Failed(error) => Err(*error),
        }
    }

    /// The constant as a number of this dtype: one beyond its range is infinite, as it is in a loop over such numbers.
    #[inline]
    fn within(self, dtype: DType) -> Self {
        match self {
            Self::Lit(x) if dtype == DType::F32 => Self::Lit(f64::from(x as f32)),
            other => other,
        }
    }

    /// What `f` makes of two operands.
    fn with(self, other: Self, f: impl FnOnce(Operand, Operand) -> Result<Tensor>) -> Self {
        self.operand().and_then(|a| f(a, other.operand()?)).into()
    }

    /// What `f` makes of two tensors: constants become numbers of the other side's dtype.
    fn both(self, other: Self, f: impl FnOnce(&Tensor, &Tensor) -> Result<Tensor>) -> Self {
        let dtype = match (&self, &other) {
            (Self::Tensor(x), _) | (_, Self::Tensor(x)) => x.dtype(),
            _ => DType::F64,
        };
        self.with(other, |a, b| f(&a.to_tensor(dtype)?, &b.to_tensor(dtype)?))
    }
}

impl From<Result<Tensor>> for Traced {
    #[inline]
    fn from(result: Result<Tensor>) -> Self {
        result.map_or_else(|error| Self::Failed(Box::new(error)), Self::Tensor)
    }
}

macro_rules! traced_operator {
    ($trait:ident $method:ident, |$number:ident, $x:ident| $number_first:expr) => {
        impl $trait for Traced {
            type Output = Self;
            fn $method(self, other: Self) -> Self {
                if let (Self::Lit(a), Self::Lit(b)) = (&self, &other) {
                    return Self::Lit($trait::$method(*a, *b));
                }
                self.with(other, |a, b| match (a, b) {
                    (Operand::Tensor(a), b) => Tensor::$method(&a, b),
                    (Operand::Number($number), b) => {
                        let $x = &b.to_tensor(b.dtype())?;
                        $number_first
                    }
                })
            }
        }
    };
}
traced_operator!(Add add, |a, x| Tensor::add(x, a));
traced_operator!(Sub sub, |a, x| x.rsub(a));
traced_operator!(Mul mul, |a, x| Tensor::mul(x, a));
traced_operator!(Div div, |a, x| Tensor::mul(&x.try_reciprocal()?, a));

impl Neg for Traced {
    type Output = Self;
    fn neg(self) -> Self {
        self.map(|x| -x, Tensor::neg)
    }
}

/// The functions of one number, each with that of a tensor; what few use is compiled where it is used.
macro_rules! functions {
    ($($(#[$inline:meta])? $name:ident $of_tensor:expr;)*) => {$(
        $(#[$inline])?
        fn $name(self) -> Self {
            self.map(Real::$name, $of_tensor)
        }
    )*};
}

// What the losses' gradients call is compiled here, the rest in the crate that calls it.
impl Real for Traced {
    type Mask = Self;
    #[inline]
    fn lit(x: f64) -> Self {
        Self::Lit(x)
    }
    functions! {
        exp Tensor::try_exp;
        #[inline] expm1 Tensor::try_expm1;
        ln Tensor::try_log;
        log1p Tensor::try_log1p;
        #[inline] log2 Tensor::try_log2;
        #[inline] sqrt Tensor::try_sqrt;
        abs Tensor::try_abs;
        sign Tensor::try_sign;
        #[inline] sin Tensor::try_sin;
        #[inline] cos Tensor::try_cos;
        #[inline] tan Tensor::try_tan;
        #[inline] tanh Tensor::try_tanh;
        #[inline] sigmoid exact_sigmoid;
        #[inline] erf Tensor::try_erf;
        #[inline] floor Tensor::try_floor;
        #[inline] ceil Tensor::try_ceil;
        #[inline] round Tensor::try_round;
        #[inline] trunc Tensor::try_trunc;
    }
    #[inline]
    fn powr(self, y: Self) -> Self {
        match (self, y) {
            (Self::Lit(a), y) => y.map(|b| a.powf(b), |b| b.rpow(a)),
            (x, y) => x.with(y, |a, b| a.to_tensor(a.dtype())?.pow(b)),
        }
    }
    fn mul_add(self, a: Self, b: Self) -> Self {
        self * a + b
    }
    fn max(self, other: Self) -> Self {
        self.both(other, Tensor::maximum)
    }
    fn min(self, other: Self) -> Self {
        self.both(other, Tensor::minimum)
    }
    fn clamp(self, low: f64, high: f64) -> Self {
        let bound = |bound, dtype| Self::Lit(bound).within(dtype).operand();
        self.map(|x| Real::clamp(x, low, high), |x| x.clamp(bound(low, x.dtype())?, bound(high, x.dtype())?))
    }
    fn lt(&self, other: &Self) -> Self {
        self.clone().both(other.clone(), |a, b| a.lt(b))
    }
    fn le(&self, other: &Self) -> Self {
        self.clone().both(other.clone(), |a, b| a.le(b))
    }
    fn eq(&self, other: &Self) -> Self {
        self.clone().both(other.clone(), |a, b| a.eq(b))
    }
    fn select(mask: Self, a: Self, b: Self) -> Self {
        // Two numbers would make a tensor of f32, too coarse for a formula in f64.
        let (a, b) = match (a, b) {
            (Self::Lit(a), Self::Lit(b)) => (Self::Tensor(Tensor::from(a)), Self::Tensor(Tensor::from(b))),
            (Self::Tensor(a), b) => (Self::Tensor(a.clone()), b.within(a.dtype())),
            (a, Self::Tensor(b)) => (a.within(b.dtype()), Self::Tensor(b)),
            both => both,
        };
        mask.map(|mask| mask, |mask| Tensor::where_(mask, a.operand()?, b.operand()?))
    }
}

/// [`Tensor::sigmoid`] whose derivative is exact where `1 − σ(x)` has no digits left. It keeps the input and takes an exponential, and so
/// is left to what derives derivatives.
fn exact_sigmoid(x: &Tensor) -> Result<Tensor> {
    let slope = edge(x, x, |g, x| {
        // −|x| with a slope at 0.
        let e = Tensor::where_(&x.lt(0)?, x, &x.neg()?)?.try_exp()?;
        let sum = Tensor::add(&e, 1)?;
        Tensor::mul(g, &Tensor::div(&e, &Tensor::mul(&sum, &sum)?)?)
    });
    Ok(record("SigmoidBackward0", x.detach().try_sigmoid()?.into_value(), [slope]))
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
