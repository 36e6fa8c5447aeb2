//! Comparisons, masks, and what chooses between values: `where_`, `maximum`, `clamp`, `masked_fill`.

use crate::array::Array;
use crate::autograd::node::{attach, record};
use crate::autograd::{Edge, edge};
use crate::dtype::dispatch;
use crate::error::fallible;
use crate::kernel::map;
use crate::ops::operand::{Operand, Side, pointwise2, promote, spread, zip};
use crate::{DType, Element, Error, Number, Result, Shape, Tensor};

fn compare(op: &'static str, a: &Tensor, b: &Operand, f: impl Compare) -> Result<Tensor> {
    let shape = Shape::broadcast(op, a.shape(), b.shape())?;
    let dtype = promote(a, b);
    let (a, b) = (a.value().cast(op, dtype)?, Side::new(op, b, dtype)?);
    dispatch!(dtype, T => zip::<T, bool>(op, &a, &b, &shape, |a, b| f.holds(&a, &b)))
}

/// A comparison of any element type.
trait Compare: Sync + Copy {
    fn holds<T: PartialOrd>(self, a: &T, b: &T) -> bool;
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident $type:ident $operator:tt;)*) => {
        $(#[derive(Clone, Copy)]
        struct $type;
        impl Compare for $type {
            #[inline(always)]
            fn holds<T: PartialOrd>(self, a: &T, b: &T) -> bool {
                a $operator b
            }
        })*
        /// Comparisons, element by element, as `bool` tensors. Operands broadcast and promote.
        impl Tensor {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// [`Error::Broadcast`] for shapes that do not fit.
            pub fn $name(&self, other: impl Into<Operand>) -> Result<Tensor> {
                #[inline]
                fn $name(a: &Tensor, b: &Operand) -> Result<Tensor> {
                    compare(stringify!($name), a, b, $type)
                }
                $name(self, &other.into())
            }
        )*}
    };
}

comparisons! {
    /// `self == other`; NaN equals nothing. [`torch.eq`](https://docs.pytorch.org/docs/stable/generated/torch.eq.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 2]).eq(2)?, downhill::Tensor::from([false, true]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    eq Eq ==;
    /// `self != other`. [`torch.ne`](https://docs.pytorch.org/docs/stable/generated/torch.ne.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 2]).ne(2)?, downhill::Tensor::from([true, false]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ne Ne !=;
    /// `self < other`. [`torch.lt`](https://docs.pytorch.org/docs/stable/generated/torch.lt.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 2]).lt(2)?, downhill::Tensor::from([true, false]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    lt Lt <;
    /// `self <= other`. [`torch.le`](https://docs.pytorch.org/docs/stable/generated/torch.le.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 3]).le(2)?, downhill::Tensor::from([true, false]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    le Le <=;
    /// `self > other`. [`torch.gt`](https://docs.pytorch.org/docs/stable/generated/torch.gt.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 3]).gt(2)?, downhill::Tensor::from([false, true]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    gt Gt >;
    /// `self >= other`. [`torch.ge`](https://docs.pytorch.org/docs/stable/generated/torch.ge.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 2]).ge(2)?, downhill::Tensor::from([false, true]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ge Ge >=;
}

/// The larger of two; a NaN wins.
#[inline(always)]
pub(crate) fn larger<T: PartialOrd>(a: T, b: T) -> T {
    if a > b || is_nan(&a) { a } else { b }
}

/// The smaller of two; a NaN wins.
#[inline(always)]
pub(crate) fn smaller<T: PartialOrd>(a: T, b: T) -> T {
    if a < b || is_nan(&a) { a } else { b }
}

#[allow(clippy::eq_op, reason = "only a NaN differs from itself")]
#[inline(always)]
pub(crate) fn is_nan<T: PartialOrd>(x: &T) -> bool {
    x != x
}

/// The gradient of `maximum` or `minimum` to one side: nothing where the other side was chosen, half at a tie. Next
/// to a NaN neither side loses, and both get all of it.
fn chosen(g: &Tensor, lost: &Tensor, tie: &Tensor) -> Result<Tensor> {
    let shared = Tensor::where_(tie, &g.mul(0.5)?, g)?;
    Tensor::where_(lost, 0.0, &shared)
}

/// Masks, and choices by them.
impl Tensor {
    /// The larger element of two tensors; a NaN wins. At a tie each side gets half of the gradient.
    ///
    /// [`torch.maximum`](https://docs.pytorch.org/docs/stable/generated/torch.maximum.html); a number is refused there.
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 5]).maximum(&Tensor::from([3, 2]))?, Tensor::from([3, 5]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn maximum(&self, other: &Tensor) -> Result<Tensor> {
        let b = Operand::from(other);
        let dtype = promote(self, &b);
        let value = pointwise2!("maximum", self, &b, dtype, larger);
        let both = (self.clone(), other.clone());
        let left = edge(self, &both, |g, (a, b)| chosen(g, &a.lt(b)?, &a.eq(b)?));
        let right = edge(other, &both, |g, (a, b)| chosen(g, &b.lt(a)?, &a.eq(b)?));
        Ok(attach("MaximumBackward0", value, [left, right]))
    }

    /// The smaller element of two tensors; a NaN wins. At a tie each side gets half of the gradient.
    ///
    /// [`torch.minimum`](https://docs.pytorch.org/docs/stable/generated/torch.minimum.html); a number is refused there.
    ///
    /// # Errors
    /// [`Error::Broadcast`] for shapes that do not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 5]).minimum(&Tensor::from([3, 2]))?, Tensor::from([1, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn minimum(&self, other: &Tensor) -> Result<Tensor> {
        let b = Operand::from(other);
        let dtype = promote(self, &b);
        let value = pointwise2!("minimum", self, &b, dtype, smaller);
        let both = (self.clone(), other.clone());
        let left = edge(self, &both, |g, (a, b)| chosen(g, &a.gt(b)?, &a.eq(b)?));
        let right = edge(other, &both, |g, (a, b)| chosen(g, &b.gt(a)?, &a.eq(b)?));
        Ok(attach("MinimumBackward0", value, [left, right]))
    }

    /// `a` where `condition` holds, `b` elsewhere.
    ///
    /// [`torch.where`](https://docs.pytorch.org/docs/stable/generated/torch.where.html). The gradient of the side that
    /// was not chosen is 0.
    ///
    /// # Errors
    /// [`Error::DType`] unless the condition is `bool`, [`Error::Broadcast`] for shapes that do not fit,
    /// [`Error::Argument`] for a number beyond the range of the result's dtype.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([-1.0_f32, 2.0]);
    /// assert_eq!(Tensor::where_(&x.gt(0)?, &x, 0.0)?, Tensor::from([0.0_f32, 2.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "where")]
    pub fn where_(condition: &Tensor, a: impl Into<Operand>, b: impl Into<Operand>) -> Result<Tensor> {
        Self::where_operands(condition, &a.into(), &b.into())
    }

    fn where_operands(condition: &Tensor, a: &Operand, b: &Operand) -> Result<Tensor> {
        if condition.dtype() != DType::Bool {
            let expected = "a bool condition";
            return Err(Error::DType { op: "where", expected, got: condition.dtype() });
        }
        let dtype = promote(a, b);
        let shape = Shape::broadcast("where", a.shape(), b.shape())?;
        let shape = Shape::broadcast("where", condition.shape(), &shape)?;
        for side in [a, b] {
            side.check_range("where", dtype)?;
        }
        let (x, y) = (a.to_tensor(dtype)?, b.to_tensor(dtype)?);
        let value =
            dispatch!(dtype, T => choose::<T>("where", condition.value(), x.value(), y.value(), shape))?;
        let left = a.tensor().and_then(|a| edge(a, condition, |g, c| Tensor::where_(c, &**g, 0.0)));
        let right = b.tensor().and_then(|b| edge(b, condition, |g, c| Tensor::where_(c, 0.0, &**g)));
        Ok(record("WhereBackward0", value, [left, right]))
    }

    /// `self` where `mask` is false, `value` (a number or a 0-d tensor) where it is true.
    ///
    /// [`torch.Tensor.masked_fill`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.masked_fill.html).
    ///
    /// # Errors
    /// [`Error::DType`] unless the mask is `bool`, [`Error::Shape`] unless the value is 0-d, [`Error::Broadcast`] for
    /// shapes that do not fit, [`Error::Argument`] for a value beyond the range of the tensor's dtype.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([1.0_f32, 2.0]);
    /// assert_eq!(x.masked_fill(&x.gt(1)?, 0.0)?, Tensor::from([1.0_f32, 0.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn masked_fill(&self, mask: &Tensor, value: impl Into<Operand>) -> Result<Tensor> {
        self.fill_where(mask, &value.into())
    }

    /// Apart from [`masked_fill`](Self::masked_fill), whose value has many types: compiled once.
    fn fill_where(&self, mask: &Tensor, value: &Operand) -> Result<Tensor> {
        if mask.dtype() != DType::Bool {
            return Err(Error::DType { op: "masked_fill", expected: "a bool mask", got: mask.dtype() });
        }
        if value.shape().rank() != 0 {
            return Err(Error::shape("masked_fill", "a 0-d value", value.shape()));
        }
        let shape = Shape::broadcast("masked_fill", self.shape(), mask.shape())?;
        if value.dtype().is_float() {
            let number = Number::Float(value.to_tensor(DType::F64)?.item()?);
            number.check_range("masked_fill", self.dtype())?;
        }
        let (x, y) = (self.value(), value.to_tensor(self.dtype())?);
        let filled =
            dispatch!(self.dtype(), T => choose::<T>("masked_fill", mask.value(), y.value(), x, shape))?;
        let left = edge(self, mask, |g, mask| g.masked_fill(mask, 0));
        let right =
            value.tensor().and_then(|v| edge(v, mask, |g, mask| Tensor::where_(mask, &**g, 0.0)?.try_sum()));
        Ok(record("MaskedFillBackward0", filled, [left, right]))
    }

    /// `min` where smaller, `max` where larger, also where `min > max`. The gradient is 0 where it clips, for NaN
    /// and at the bounds (as in PyTorch 2.15; older releases gave 1 there).
    ///
    /// [`torch.clamp`](https://docs.pytorch.org/docs/stable/generated/torch.clamp.html); for one bound only, see
    /// [`clamp_min`](Self::clamp_min) and [`clamp_max`](Self::clamp_max).
    ///
    /// # Errors
    /// [`Error::Broadcast`] for bounds whose shapes do not fit, [`Error::Argument`] for numbers beyond the range of
    /// the result's dtype, [`Error::DType`] for booleans.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([-2.0_f32, 0.5, 2.0]).clamp(0, 1)?, Tensor::from([0.0_f32, 0.5, 1.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "clip")]
    pub fn clamp(&self, min: impl Into<Operand>, max: impl Into<Operand>) -> Result<Tensor> {
        clamp(self, Some(&min.into()), Some(&max.into()))
    }

    /// `min` where smaller.
    ///
    /// # Errors
    /// [`Error::Broadcast`] for a bound whose shape does not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([-2, 2]).clamp_min(0)?, Tensor::from([0, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn clamp_min(&self, min: impl Into<Operand>) -> Result<Tensor> {
        clamp(self, Some(&min.into()), None)
    }

    /// `max` where larger.
    ///
    /// # Errors
    /// [`Error::Broadcast`] for a bound whose shape does not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([-2, 2]).clamp_max(0)?, Tensor::from([-2, 0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn clamp_max(&self, max: impl Into<Operand>) -> Result<Tensor> {
        clamp(self, None, Some(&max.into()))
    }

    fallible! {
        /// Where an element is NaN. [`torch.isnan`](https://docs.pytorch.org/docs/stable/generated/torch.isnan.html).
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([1.0_f32, f32::NAN]).isnan(), downhill::Tensor::from([false, true]));
        /// ```
        isnan try_isnan |self| {
            Ok(Tensor::constant(dispatch!(self.dtype(), T => self.value().map("isnan", |x: T| is_nan(&x)))?))
        };

        /// Where an element is infinite. [`torch.isinf`](https://docs.pytorch.org/docs/stable/generated/torch.isinf.html).
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([1.0_f32, f32::INFINITY]).isinf(), downhill::Tensor::from([false, true]));
        /// ```
        isinf try_isinf |self| {
            let infinite = |x: f64| x.is_infinite();
            let value = dispatch!(self.dtype(), T => self.value().map("isinf", |x: T| infinite(x.cast())));
            Ok(Tensor::constant(value?))
        };

        /// Where an element is zero (or false).
        /// [`torch.logical_not`](https://docs.pytorch.org/docs/stable/generated/torch.logical_not.html).
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([true, false]).logical_not(), downhill::Tensor::from([false, true]));
        /// ```
        logical_not try_logical_not |self| {
            let value = dispatch!(self.dtype(), T => self.value().map("logical_not", |x: T| !x.cast::<bool>()));
            Ok(Tensor::constant(value?))
        };
    }
}

fn choose<T: Element>(
    op: &'static str,
    condition: &Array,
    a: &Array,
    b: &Array,
    shape: Shape,
) -> Result<Array> {
    let (c, a, b) = (spread(condition, &shape), spread(a, &shape), spread(b, &shape));
    Array::in_memory_order([&c, &a, &b], &|shape, [c, a, b]| {
        Array::build(op, shape, |out: &mut [T]| map::choose(&c.strided(), &a.strided(), &b.strided(), out))
    })
}

fn clamp(x: &Tensor, min: Option<&Operand>, max: Option<&Operand>) -> Result<Tensor> {
    let bounds = || [min, max].into_iter().flatten();
    let mut dtype = x.dtype();
    let mut shape = *x.shape();
    for bound in bounds() {
        dtype = dtype.max(promote(x, bound));
        shape = Shape::broadcast("clamp", &shape, bound.shape())?;
    }
    if dtype == DType::Bool {
        return Err(Error::DType { op: "clamp", expected: "numbers", got: dtype });
    }
    bounds().try_for_each(|bound| bound.check_range("clamp", dtype))?;
    let op = "clamp";
    let mut value = x.value().to_dtype(op, dtype)?;
    if let (Some(Operand::Number(min)), Some(Operand::Number(max))) = (min, max) {
        // In one pass.
        value = dispatch!(dtype, T => {
            let (min, max): (T, T) = (min.cast(), max.cast());
            value.map(op, |x| smaller_bound(larger_bound(x, min), max))
        })?;
    } else {
        if let Some(min) = min {
            let shape = Shape::broadcast("clamp", value.shape(), min.shape())?;
            value = dispatch!(dtype, T => zip::<T, T>(op, &value, &Side::new(op, min, dtype)?, &shape, larger_bound))?.into_value();
        }
        if let Some(max) = max {
            value = dispatch!(dtype, T => zip::<T, T>(op, &value, &Side::new(op, max, dtype)?, &shape, smaller_bound))?.into_value();
        }
    }
    if bounds().all(|b| b.tensor().is_none()) {
        let saved = (x.clone(), min.cloned(), max.cloned());
        let inside = edge(x, &saved, |g, (x, min, max)| {
            let g = min
                .as_ref()
                .map_or_else(|| Ok((**g).clone()), |min| Tensor::where_(&x.gt(min)?, &**g, 0.0))?;
            max.as_ref().map_or_else(|| Ok(g.clone()), |max| Tensor::where_(&x.lt(max)?, &g, 0.0))
        });
        return Ok(record("ClampBackward1", value, [inside]));
    }
    let bound = |bound: Option<&Operand>| bound.map(|bound| bound.to_tensor(dtype)).transpose();
    let edges = match (bound(min)?, bound(max)?) {
        (Some(min), Some(max)) => edges_between(x, min, max),
        (Some(min), None) => edges_beyond(x, min, |a, b| a.lt(b)),
        (None, Some(max)) => edges_beyond(x, max, |a, b| a.gt(b)),
        (None, None) => [None, None, None],
    };
    Ok(record("ClampBackward0", value, edges))
}

/// The edges of a clamp to one tensor: those of `maximum` and `minimum`.
fn edges_beyond(
    x: &Tensor,
    bound: Tensor,
    beyond: fn(&Tensor, &Tensor) -> Result<Tensor>,
) -> [Option<Edge>; 3] {
    let both = (x.clone(), bound);
    let (x, bound) = (&both.0, &both.1);
    [
        edge(x, &both, move |g, (x, bound)| chosen(g, &beyond(x, bound)?, &x.eq(bound)?)),
        edge(bound, &both, move |g, (x, bound)| chosen(g, &beyond(bound, x)?, &x.eq(bound)?)),
        None,
    ]
}

/// The edges of a clamp between two tensors. Where they are in order, a tie with one of them is shared; where they are
/// crossed, `max` gets all of the gradient. On masks, `add` is or and `mul` is and.
fn edges_between(x: &Tensor, min: Tensor, max: Tensor) -> [Option<Edge>; 3] {
    let all = (x.clone(), min, max);
    let (x, min, max) = (&all.0, &all.1, &all.2);
    [
        edge(x, &all, |g, (x, min, max)| {
            let tie = x.eq(min)?.add(&x.eq(max)?)?.mul(&min.lt(max)?)?;
            chosen(g, &x.lt(min)?.add(&x.gt(max)?)?, &tie)
        }),
        edge(min, &all, |g, (x, min, max)| {
            let tie = x.eq(min)?.mul(&min.lt(max)?)?;
            let won = x.lt(min)?.mul(&min.le(max)?)?;
            chosen(g, &won.add(&tie)?.try_logical_not()?, &tie)
        }),
        edge(max, &all, |g, (x, min, max)| {
            let tie = x.eq(max)?.mul(&min.lt(max)?)?;
            let won = x.gt(max)?.mul(&min.le(max)?)?.add(&min.gt(max)?)?;
            chosen(g, &won.add(&tie)?.try_logical_not()?, &tie)
        }),
    ]
}

#[inline(always)]
fn larger_bound<T: PartialOrd>(x: T, min: T) -> T {
    if x < min || is_nan(&min) { min } else { x }
}

#[inline(always)]
fn smaller_bound<T: PartialOrd>(x: T, max: T) -> T {
    if x > max || is_nan(&max) { max } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradients of `clamp(x, min, max)` to `x`, `min` and `max`, in this order.
    fn clamp_gradients([x, min, max]: [f64; 3]) -> [f64; 3] {
        let leaves = [x, min, max].map(|v| Tensor::from(v).requires_grad_().unwrap());
        leaves[0].clamp(&leaves[1], &leaves[2]).unwrap().backward().unwrap();
        leaves.map(|leaf| leaf.grad().unwrap().item().unwrap())
    }

    #[test]
    fn clamp_between_tensors_shares_its_gradient_as_pytorch_does() {
        const NAN: f64 = f64::NAN;
        // Measured: torch 2.15.0, torch.clamp(x, min, max).backward().
        let measured = [
            ([1.0, 0.0, 2.0], [1.0, 0.0, 0.0]),
            ([0.0, 0.0, 2.0], [0.5, 0.5, 0.0]),
            ([2.0, 0.0, 2.0], [0.5, 0.0, 0.5]),
            ([1.0, 1.0, 1.0], [1.0, 0.0, 0.0]),
            ([0.0, 1.0, 1.0], [0.0, 1.0, 0.0]),
            ([1.0, 2.0, 0.0], [0.0, 0.0, 1.0]),
            ([2.0, 2.0, 1.0], [0.0, 0.0, 1.0]),
            ([NAN, 0.0, 1.0], [1.0, 0.0, 0.0]),
            ([NAN, 2.0, 1.0], [1.0, 0.0, 1.0]),
            ([0.0, 1.0, NAN], [0.0, 0.0, 0.0]),
            ([1.0, NAN, 1.0], [1.0, 0.0, 0.0]),
        ];
        for (operands, gradients) in measured {
            assert_eq!(clamp_gradients(operands), gradients, "{operands:?}");
        }
    }

    #[test]
    fn next_to_a_nan_both_sides_get_the_gradient() {
        let (a, b) = (Tensor::from([f32::NAN, 1.0]), Tensor::from([1.0_f32, f32::NAN]));
        let (a, b) = (a.requires_grad_().unwrap(), b.requires_grad_().unwrap());
        a.maximum(&b).unwrap().sum().backward().unwrap();
        for leaf in [a, b] {
            assert_eq!(leaf.grad().unwrap(), Tensor::from([1.0_f32, 1.0]));
        }
    }
}
