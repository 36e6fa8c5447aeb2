//! The remainder of a division.

use crate::autograd::edge;
use crate::autograd::node::attach;
use crate::dtype::dispatch;
use crate::kernel::simd::inlined;
use crate::ops::arithmetic::{Rounding, check_divisor};
use crate::ops::operand::{Operand, Side, promote, zip, zip_with_fallback};
use crate::real::Real;
use crate::{DType, Error, Float, Result, Shape, Tensor};

/// The remainder of the dividend's sign, exact where the second of the pair is true: for quotients of fewer digits than a number has.
#[inline(always)]
#[allow(clippy::neg_cmp_op_on_partial_ord, reason = "NaN needs no fallback")]
fn rem<T: Float>(a: T, b: T) -> (T, bool) {
    let quotient = a / b;
    // Too far from 0 by 1, if it was rounded to a whole number: what is left then has the other sign.
    let rest = (-Real::trunc(quotient)).mul_add(b, a);
    let rem = if rest.copysign(a) == rest { rest } else { rest + b.copysign(a) };
    let largest = T::lit(if size_of::<T>() == 4 { (1 << 22) as f64 } else { (1_u64 << 51) as f64 });
    // 0 has the dividend's sign, too; nothing is left of a number below an infinite divisor.
    (rem.copysign(a), !(Real::abs(quotient) > largest) & (Real::abs(b) < T::lit(f64::INFINITY)))
}

/// `rem`, of the divisor's sign, as Python's `%`. Exact: a remainder needs no rounding but where the sign is mended.
#[inline(always)]
fn signed<T: Float>(rem: T, b: T) -> T {
    let zero = T::default();
    if rem != zero && (b < zero) != (rem < zero) { rem + b } else { rem }
}

/// Remainders.
impl Tensor {
    /// The remainder of `self / other`, of the sign of `other`, as Python's `%`. Operands broadcast and promote.
    ///
    /// `a − b·⌊a / b⌋`, without the rounding of that formula. The gradient is 1 to `self` and `−⌊a / b⌋` to `other`. A float divided by
    /// 0 has the remainder NaN.
    ///
    /// [`torch.remainder`](https://docs.pytorch.org/docs/stable/generated/torch.remainder.html).
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit, [`Error::DType`] for booleans, [`Error::Argument`] for an integer division by
    /// zero.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([-3, 3]).remainder(2)?, Tensor::from([1, 1]));
    /// assert_eq!(Tensor::from([-0.5_f32, 7.5]).remainder(-2)?, Tensor::from([-0.5_f32, -0.5]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn remainder(&self, other: impl Into<Operand>) -> Result<Tensor> {
        let (op, other) = ("remainder", other.into());
        let dtype = promote(self, &other);
        let value = match dtype {
            DType::Bool => return Err(Error::DType { op, expected: "numbers", got: dtype }),
            DType::I64 => {
                let shape = Shape::broadcast(op, self.shape(), other.shape())?;
                check_divisor(op, &other, &shape)?;
                let (a, b) = (self.value().cast(op, dtype)?, Side::new(op, &other, dtype)?);
                zip::<i64, i64>(op, &a, &b, &shape, |a, b| {
                    let rem = a.wrapping_rem(b);
                    if rem != 0 && (b < 0) != (rem < 0) { rem + b } else { rem }
                })?
            }
            DType::F32 | DType::F64 => dispatch!(float dtype, T => zip_with_fallback::<T>(
                op,
                self,
                &other,
                inlined!(|a: T, b: T| {
                    let (rem, exact) = rem(a, b);
                    (signed(rem, b), exact)
                }),
                |a: T, b: T| signed(a.rem(b), b),
            ))?,
        };
        let (both, name) = ((self.clone(), other.clone()), ["RemainderBackward0", "RemainderBackward1"]);
        let edges = [
            edge(self, &(), |g, ()| Ok((**g).clone())),
            other
                .tensor()
                .and_then(|b| edge(b, &both, |g, (a, b)| g.neg()?.mul(&a.div_rounded(b, Rounding::Floor)?))),
        ];
        Ok(attach(name[usize::from(other.tensor().is_some())], value, edges))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of numbers with these exponents, and of those that are none, against the standard library's remainder.
    fn remainders<T: Float + crate::tensor::IntoElement>(number: impl Fn(u64) -> T) -> Result<()> {
        let bits = |seed: u64| (0..4096_u64).map(move |i| (i + seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let special = [0.0, -0.0, 1.0, -3.0, 0.1, f64::INFINITY, f64::NEG_INFINITY, f64::NAN].map(T::lit);
        let pairs = special.into_iter().flat_map(|a| special.map(|b| (a, b)));
        let pairs = bits(1).zip(bits(77_777)).map(|(a, b)| (number(a), number(b))).chain(pairs);
        let (a, b): (Vec<T>, Vec<T>) = pairs.unzip();
        let found =
            Tensor::from_vec(a.clone(), [a.len()])?.remainder(&Tensor::from_vec(b.clone(), [b.len()])?)?;
        for ((a, b), found) in a.into_iter().zip(b).zip(found.to_vec::<T>()?) {
            let exact = signed(a.rem(b), b).cast::<f64>();
            let same = found.cast::<f64>().to_bits() == exact.to_bits()
                || exact.is_nan() && found.cast::<f64>().is_nan();
            assert!(same, "{a:?} % {b:?} is {exact}, not {found:?}");
        }
        Ok(())
    }

    #[test]
    fn remainders_are_exact_for_near_and_far_quotients() -> Result<()> {
        // Exponents within 2^±20, then all of them.
        let near = |bits: u64, one: u64, digits: u32| {
            (bits & ((1 << digits) - 1)) | (one + (((bits >> 56) % 40) << digits) - (20 << digits))
        };
        remainders(|bits| {
            f32::from_bits(near(bits, u64::from(1_f32.to_bits()), 23) as u32 | ((bits >> 63) as u32) << 31)
        })?;
        remainders(|bits| f32::from_bits((bits >> 32) as u32))?;
        remainders(|bits| f64::from_bits(near(bits, 1_f64.to_bits(), 52) | (bits >> 63) << 63))?;
        // Whole numbers, which divide each other.
        remainders(|bits| (bits >> 60) as f32 - 8.0)?;
        remainders(f64::from_bits)
    }
}
