//! `add`, `sub`, `mul`, `div`, `pow`: two operands, broadcast and promoted.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::attach;
use crate::construct::Number;
use crate::dtype::dispatch;
use crate::error::fallible;
use crate::kernel::parallel;
use crate::kernel::simd::{inlined, vectorize};
use crate::ops::operand::{Operand, Side, pointwise2, promote, zip, zip_with_fallback};
use crate::real::Real;
use crate::{DType, Element, Error, Result, Shape, Tensor};

/// How a quotient is rounded to an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero.
    Trunc,
    /// Towards negative infinity, as Python's `//`.
    Floor,
}

/// Arithmetic. Operands broadcast and promote as in PyTorch.
impl Tensor {
    /// `self + other`.
    ///
    /// Booleans add up by *or*, integers wrap. [`torch.add`](https://docs.pytorch.org/docs/stable/generated/torch.add.html).
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([1, 2]).add(&Tensor::from([[10], [20]]))?;
    /// assert_eq!(x, Tensor::from([[11, 12], [21, 22]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn add(&self, other: impl Into<Operand>) -> Result<Tensor> {
        self.add_operand(other.into())
    }

    fn add_operand(&self, other: Operand) -> Result<Tensor> {
        let dtype = promote(self, &other);
        let value = pointwise2!("add", self, &other, dtype, Element::plus);
        let left = edge(self, &(), |g, ()| Ok((**g).clone()));
        let right = other.tensor().and_then(|b| edge(b, &(), |g, ()| Ok((**g).clone())));
        Ok(attach("AddBackward0", value, [left, right]))
    }

    /// `self − other`. [`torch.sub`](https://docs.pytorch.org/docs/stable/generated/torch.sub.html).
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit, [`Error::DType`] for booleans.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1.5_f32, 2.0]).sub(1)?, Tensor::from([0.5_f32, 1.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "subtract")]
    pub fn sub(&self, other: impl Into<Operand>) -> Result<Tensor> {
        self.sub_operand(other.into())
    }

    fn sub_operand(&self, other: Operand) -> Result<Tensor> {
        self.check_sub(&other)?;
        let dtype = promote(self, &other);
        let value = pointwise2!("sub", self, &other, dtype, Element::minus);
        let left = edge(self, &(), |g, ()| Ok((**g).clone()));
        let right = other.tensor().and_then(|b| edge(b, &(), |g, ()| g.neg()));
        Ok(attach("SubBackward0", value, [left, right]))
    }

    fn check_sub(&self, other: &Operand) -> Result<()> {
        if self.dtype() == DType::Bool || other.dtype() == DType::Bool {
            let expected = "numbers (logical_not inverts a mask)";
            return Err(Error::DType { op: "sub", expected, got: DType::Bool });
        }
        Ok(())
    }

    /// `self + alpha · other`, rounded after the product and after the sum: `torch.add(…, alpha=…)`.
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit, [`Error::Argument`] for a float `alpha` between integers.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 2]).add_scaled(&Tensor::from([1, 1]), 10)?, Tensor::from([11, 12]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn add_scaled(&self, other: impl Into<Operand>, alpha: impl Into<Number>) -> Result<Tensor> {
        self.scaled("add", &other.into(), alpha.into(), "AddBackward0")
    }

    /// `self − alpha · other`: `torch.sub(…, alpha=…)`.
    ///
    /// # Errors
    /// As [`add_scaled`](Self::add_scaled), and [`Error::DType`] for booleans.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1.0_f32]).sub_scaled(&Tensor::from([2.0_f32]), 0.5)?, Tensor::from([0.0_f32]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn sub_scaled(&self, other: impl Into<Operand>, alpha: impl Into<Number>) -> Result<Tensor> {
        let other = other.into();
        self.check_sub(&other)?;
        let negative = match alpha.into() {
            Number::Bool(b) => Number::Bool(b), // refused below
            Number::Int(n) => Number::Int(n.wrapping_neg()),
            Number::Float(x) => Number::Float(-x),
        };
        self.scaled("sub", &other, negative, "SubBackward0")
    }

    fn scaled(&self, op: &'static str, other: &Operand, alpha: Number, name: &'static str) -> Result<Tensor> {
        let dtype = promote(self, other);
        match alpha {
            Number::Float(a) if !dtype.is_float() => {
                return Err(Error::argument(op, format!("alpha must be an integer for {dtype}, but is {a}")));
            }
            Number::Bool(a) if dtype != DType::Bool => {
                return Err(Error::argument(op, format!("alpha must be a number for {dtype}, but is {a}")));
            }
            _ => {}
        }
        let shape = Shape::broadcast(op, self.shape(), other.shape())?;
        let (a, b) = (self.value().cast(op, dtype)?, Side::new(op, other, dtype)?);
        let value = dispatch!(dtype, T => {
            let alpha = alpha.cast::<T>();
            zip::<T, T>(op, &a, &b, &shape, |x, y| x.plus(alpha.times(y)))
        })?;
        let left = edge(self, &(), |g, ()| Ok((**g).clone()));
        let right = other.tensor().and_then(|b| edge(b, &alpha, |g, &alpha| g.mul(alpha)));
        Ok(attach(name, value, [left, right]))
    }

    /// `number − self`, what `1.0 - x` calls.
    pub(crate) fn rsub(&self, number: impl Into<Number>) -> Result<Tensor> {
        let number = Operand::Number(number.into());
        self.check_sub(&number)?;
        let dtype = promote(self, &number);
        let value = pointwise2!("sub", self, &number, dtype, |x, n| n.minus(x));
        Ok(attach("RsubBackward1", value, [edge(self, &(), |g, ()| g.neg())]))
    }

    /// `self · other`, element by element.
    ///
    /// Booleans multiply by *and*. [`torch.mul`](https://docs.pytorch.org/docs/stable/generated/torch.mul.html).
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1.5_f32, 2.0]).mul(2)?, Tensor::from([3.0_f32, 4.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "multiply")]
    pub fn mul(&self, other: impl Into<Operand>) -> Result<Tensor> {
        self.mul_operand(other.into())
    }

    fn mul_operand(&self, other: Operand) -> Result<Tensor> {
        let dtype = promote(self, &other);
        let value = pointwise2!("mul", self, &other, dtype, Element::times);
        let left = edge(self, &other, |g, b| g.mul(b));
        let right = other.tensor().and_then(|b| edge(b, self, |g, a| g.mul(a)));
        Ok(attach("MulBackward0", value, [left, right]))
    }

    /// `self / other`; integers divide to `f32`.
    ///
    /// [`torch.div`](https://docs.pytorch.org/docs/stable/generated/torch.div.html).
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 3]).div(2)?, Tensor::from([0.5_f32, 1.5]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "divide")]
    #[doc(alias = "true_divide")]
    pub fn div(&self, other: impl Into<Operand>) -> Result<Tensor> {
        self.div_operand(other.into())
    }

    fn div_operand(&self, other: Operand) -> Result<Tensor> {
        let dtype = promote(self, &other).to_float();
        let value = pointwise2!(float "div", self, &other, dtype, |a, b| a / b);
        let quotient = (self.clone(), other.clone());
        let left = edge(self, &other, |g, b| g.div(b));
        let right =
            other.tensor().and_then(|b| edge(b, &quotient, |g, (a, b)| g.neg()?.mul(&a.div(b)?.div(b)?)));
        Ok(attach("DivBackward0", value, [left, right]))
    }

    /// `self / other` rounded to an integer (still in the operands' dtype); its gradient is 0.
    ///
    /// [`torch.div(…, rounding_mode=…)`](https://docs.pytorch.org/docs/stable/generated/torch.div.html).
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit, [`Error::DType`] for booleans, [`Error::Argument`] for an integer
    /// division by zero.
    ///
    /// ```
    /// use downhill::{Rounding, Tensor};
    /// let x = Tensor::from([-3, 3]);
    /// assert_eq!(x.div_rounded(2, Rounding::Floor)?, Tensor::from([-2, 1]));
    /// assert_eq!(x.div_rounded(2, Rounding::Trunc)?, Tensor::from([-1, 1]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "floor_divide")]
    pub fn div_rounded(&self, other: impl Into<Operand>, rounding: Rounding) -> Result<Tensor> {
        let other = other.into();
        let dtype = promote(self, &other);
        let value = match dtype {
            DType::Bool => {
                let expected = "numbers to round the quotient of";
                return Err(Error::DType { op: "div", expected, got: dtype });
            }
            DType::I64 => int_div(self, &other, rounding)?,
            DType::F32 | DType::F64 => {
                pointwise2!(float "div", self, &other, dtype, |a, b| match rounding {
                    Rounding::Trunc => Real::trunc(a / b),
                    Rounding::Floor => floor_div(a, b),
                })
            }
        };
        let left = edge(self, &(), |g, ()| g.try_zeros_like());
        let right = other.tensor().and_then(|b| edge(b, &(), |g, ()| g.try_zeros_like()));
        Ok(attach("DivBackward1", value, [left, right]))
    }

    fallible! {
        /// `1 / self`; integers are converted to `f32`.
        ///
        /// [`torch.reciprocal`](https://docs.pytorch.org/docs/stable/generated/torch.reciprocal.html).
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([4]).reciprocal(), downhill::Tensor::from([0.25_f32]));
        /// ```
        reciprocal try_reciprocal |self| {
            let (op, dtype) = ("reciprocal", self.dtype().to_float());
            let x = self.value().cast(op, dtype)?;
            let value = dispatch!(float dtype, T => x.map(op, |x: T| T::of_f64(1.0) / x))?;
            let back = edge(self, &(), |g, ()| g.neg()?.mul(&g.output().try_square()?));
            Ok(crate::autograd::node::record_output("ReciprocalBackward0", value, [back]))
        };
    }

    /// `self ^ exponent`. Between integers the result is an integer, and wraps.
    ///
    /// [`torch.pow`](https://docs.pytorch.org/docs/stable/generated/torch.pow.html). The gradient of `x⁰` is 0, also at
    /// `x = 0`, and so is that of `0^y` to `y`.
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit, [`Error::Argument`] for integers to a negative number,
    /// [`Error::DType`] for booleans to a boolean.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([2.0_f32, 3.0]).pow(2)?, Tensor::from([4.0_f32, 9.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn pow(&self, exponent: impl Into<Operand>) -> Result<Tensor> {
        self.pow_operand(exponent.into())
    }

    fn pow_operand(&self, exponent: Operand) -> Result<Tensor> {
        let dtype = promote(self, &exponent);
        let value = power(self, &exponent, dtype)?;
        let edges = match &exponent {
            Operand::Number(n) => [
                edge(self, &(self.clone(), *n), |g, (x, n)| {
                    let p = n.cast::<f64>();
                    if p == 0.0 {
                        return g.try_zeros_like();
                    }
                    g.mul(&x.pow(p - 1.0)?.mul(p)?)
                }),
                None,
            ],
            Operand::Tensor(y) => {
                let both = (self.clone(), y.clone());
                [
                    edge(self, &both, |g, (x, y)| {
                        let slope = y.mul(&x.pow(&y.try_to_dtype(g.dtype())?.sub(1)?)?)?;
                        // The product is what is masked: for a second derivative, `g` may be NaN there.
                        Tensor::where_(&y.eq(0)?, 0.0, &g.mul(&slope)?)
                    }),
                    edge(y, &both, |g, (x, y)| {
                        let flat = x.eq(0)?.mul(&y.ge(0)?)?;
                        let slope = g.output().mul(&x.try_log()?)?;
                        g.mul(&Tensor::where_(&flat, 0.0, &slope)?)
                    }),
                ]
            }
        };
        let name = if matches!(exponent, Operand::Number(_)) { "PowBackward0" } else { "PowBackward1" };
        Ok(crate::autograd::node::record_output(name, value, edges))
    }

    /// `base ^ self` for a number `base`: `torch.pow(base, x)`.
    ///
    /// # Errors
    /// As [`pow`](Self::pow).
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1.0_f32, 3.0]).rpow(2)?, Tensor::from([2.0_f32, 8.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn rpow(&self, base: impl Into<Number>) -> Result<Tensor> {
        let base = base.into();
        let dtype = promote(self, &Operand::from(base));
        let value = power(&Operand::from(base).to_tensor(dtype)?, &self.into(), dtype)?;
        let back = edge(self, &(self.clone(), base), |g, (y, base)| {
            let base = base.cast::<f64>();
            let slope = g.output().mul(base.ln())?;
            if base == 0.0 { g.mul(&Tensor::where_(&y.ge(0)?, 0.0, &slope)?) } else { g.mul(&slope) }
        });
        Ok(crate::autograd::node::record_output("PowBackward2", value, [back]))
    }
}

/// An error for an integer that is divided by 0.
pub(crate) fn check_divisor(op: &'static str, b: &Operand, shape: &Shape) -> Result<()> {
    if shape.numel() > 0 && b.to_tensor(DType::I64)?.value().to_vec::<i64>(op)?.contains(&0) {
        return Err(Error::argument(op, "integer division by zero"));
    }
    Ok(())
}

fn int_div(a: &Tensor, b: &Operand, rounding: Rounding) -> Result<Tensor> {
    let shape = Shape::broadcast("div", a.shape(), b.shape())?;
    check_divisor("div", b, &shape)?;
    let (a, b) = (a.value().cast("div", DType::I64)?, Side::new("div", b, DType::I64)?);
    zip::<i64, i64>("div", &a, &b, &shape, |a, b| match rounding {
        Rounding::Trunc => a.wrapping_div(b),
        Rounding::Floor => a.wrapping_div(b) - i64::from(a.wrapping_rem(b) != 0 && (a < 0) != (b < 0)),
    })
}

/// Rounds `a / b` down as Python does: exact where the quotient is near an integer.
#[inline(always)]
fn floor_div<T: crate::Float>(a: T, b: T) -> T {
    let zero = T::default();
    if b == zero {
        return a / b;
    }
    let rem = a.rem(b);
    let mut quotient = (a - rem) / b;
    if rem != zero && (b < zero) != (rem < zero) {
        quotient = quotient - T::of_f64(1.0);
    }
    if quotient == zero {
        return zero.copysign(a / b);
    }
    let floor = quotient.floor();
    if quotient - floor > T::of_f64(0.5) { floor + T::of_f64(1.0) } else { floor }
}

fn power(base: &Tensor, exponent: &Operand, dtype: DType) -> Result<Array> {
    let op = "pow";
    match (dtype, exponent) {
        (DType::Bool, Operand::Tensor(_)) => Err(Error::DType { op: "pow", expected: "numbers", got: dtype }),
        (DType::Bool, Operand::Number(n)) => {
            let y = n.cast::<bool>();
            base.value().map(op, |x: bool| x || !y)
        }
        (DType::I64, Operand::Number(n)) if n.cast::<i64>() < 0 => {
            let message = format!("integers cannot be raised to the negative power {}", n.cast::<i64>());
            Err(Error::argument("pow", message))
        }
        (DType::I64, _) => {
            let shape = Shape::broadcast("pow", base.shape(), exponent.shape())?;
            let (a, b) = (base.value().cast(op, dtype)?, Side::new(op, exponent, dtype)?);
            zip::<i64, i64>(op, &a, &b, &shape, int_pow).map(Tensor::into_value)
        }
        (DType::F32 | DType::F64, _) => float_power(base, exponent, dtype),
    }
}

fn float_power(base: &Tensor, exponent: &Operand, dtype: DType) -> Result<Array> {
    let op = "pow";
    // The exponents that PyTorch computes without a power function, with its roundings.
    if let Operand::Number(n) = exponent {
        let x = base.value().cast(op, dtype)?;
        let one = 1.0;
        return dispatch!(float dtype, T => match n.cast::<f64>() {
            0.5 => x.map(op, |x: T| Real::sqrt(x)),
            2.0 => x.map(op, |x: T| x * x),
            3.0 => x.map(op, |x: T| x * x * x),
            -0.5 => x.map(op, |x: T| T::of_f64(one) / Real::sqrt(x)),
            -1.0 => x.map(op, |x: T| T::of_f64(one) / x),
            -2.0 => x.map(op, |x: T| T::of_f64(one) / (x * x)),
            _ => return any_power(base, exponent, dtype),
        });
    }
    any_power(base, exponent, dtype)
}

#[allow(clippy::redundant_closure, reason = "a closure can be inlined always")]
fn any_power(base: &Tensor, exponent: &Operand, dtype: DType) -> Result<Array> {
    if dtype == DType::F32 {
        return Ok(zip_with_fallback("pow", base, exponent, inlined!(|x, y| fast_power(x, y)), Real::powr)?
            .into_value());
    }
    Ok(pointwise2!(float "pow", base, exponent, dtype, Real::powr).into_value())
}

/// In `f64`, rounded once; true for a positive base, neither of the two infinite or NaN.
#[inline(always)]
#[allow(clippy::needless_bitwise_bool, reason = "a branch is not vectorised")]
fn fast_power(x: f32, y: f32) -> (f32, bool) {
    let power = Real::exp(f64::from(y) * Real::ln(f64::from(x)));
    (power as f32, (x > 0.0) & (x < f32::INFINITY) & (y.abs() < f32::INFINITY))
}

fn int_pow(base: i64, exponent: i64) -> i64 {
    if exponent < 0 {
        return match base {
            1 => 1,
            -1 => 1 - 2 * (exponent & 1),
            _ => 0,
        };
    }
    let (mut result, mut square, mut rest) = (1_i64, base, exponent);
    while rest > 0 {
        if rest & 1 == 1 {
            result = result.wrapping_mul(square);
        }
        square = square.wrapping_mul(square);
        rest >>= 1;
    }
    result
}

/// `a + b`, in `a`'s memory if nobody else holds it and nothing is recorded: how gradients accumulate.
pub(crate) fn add_owned(a: Tensor, b: &Tensor) -> Result<Tensor> {
    let recorded = crate::grad_enabled() && (a.requires_grad() || b.requires_grad());
    let alike = a.shape() == b.shape() && a.dtype() == b.dtype() && b.is_contiguous();
    if recorded || !alike || !a.is_unique() {
        return a.add(b);
    }
    let mut value = a.into_value();
    dispatch!(float value.dtype(), T => {
        let b = b.value().slice::<T>().unwrap_or_default();
        parallel::for_blocks(value.make_mut::<T>("add")?, &|start, out| {
            vectorize!(T: for (o, &x) in out.iter_mut().zip(&b[start..]) { *o += x });
        });
    });
    Ok(Tensor::constant(value))
}
