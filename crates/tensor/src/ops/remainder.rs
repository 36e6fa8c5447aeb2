//! The remainder of a division.

use crate::autograd::edge;
use crate::autograd::node::attach;
use crate::dtype::dispatch;
use crate::ops::arithmetic::{Rounding, check_divisor};
use crate::ops::operand::{Operand, Side, pointwise2, promote, zip};
use crate::{DType, Error, Float, Result, Shape, Tensor};

/// Of the divisor's sign, as Python's `%`. Exact: a remainder needs no rounding but where the sign is mended.
#[inline(always)]
fn modulo<T: Float>(a: T, b: T) -> T {
    let (rem, zero) = (a.rem(b), T::default());
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
            DType::F32 | DType::F64 => pointwise2!(float "remainder", self, &other, dtype, modulo),
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
