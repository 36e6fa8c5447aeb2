//! The largest and the smallest element, and where they are.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::{Grad, record, record_output};
use crate::dtype::dispatch;
use crate::kernel::{fold, parallel};
use crate::ops::compare::{is_nan, larger, smaller};
use crate::ops::reduce::{ALL, Plan};
use crate::shape::{Dims, Mask};
use crate::{DType, Element, Error, Result, Shape, Tensor, grad_enabled};

/// The extreme that is wanted.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum End {
    Largest,
    Smallest,
}

/// An error if a reduced dimension is empty: no elements have no extreme.
#[inline]
pub(crate) fn check_empty(op: &'static str, shape: &Shape, mask: &Mask) -> Result<()> {
    if (0..shape.rank()).any(|d| mask.0[d] && shape[d] == 0) {
        return Err(Error::shape(op, "no reduced dimension of size 0", shape));
    }
    Ok(())
}

#[inline]
pub(crate) fn extreme(op: &'static str, plan: &Plan, end: End) -> Result<Array> {
    if let Some(alone) = plan.alone() {
        return Ok(alone);
    }
    dispatch!(plan.input.dtype(), T => Array::build_beside(op, plan.shape, plan.folds(), |out: &mut [T]| {
        let (data, extents) = (plan.input.slice::<T>().unwrap_or_default(), [plan.n, plan.inner]);
        if out.is_empty() {
            return;
        }
        let (lowest, highest) = match T::DTYPE {
            DType::Bool => (false.cast(), true.cast()),
            DType::I64 => (i64::MIN.cast(), i64::MAX.cast()),
            DType::F32 | DType::F64 => (f64::NEG_INFINITY.cast(), f64::INFINITY.cast()),
        };
        match end {
            End::Largest => {
                fold::fold_middle(data, extents, out, lowest, larger::<T>, larger::<T>, |x| x);
            }
            End::Smallest => {
                fold::fold_middle(data, extents, out, highest, smaller::<T>, smaller::<T>, |x| x);
            }
        }
    }))
}

/// The same number, or both NaN.
#[inline(always)]
#[allow(clippy::needless_bitwise_bool, reason = "without branches the loop is vectorised")]
fn same<T: PartialOrd + Copy>(a: T, b: T) -> bool {
    (a == b) | (is_nan(&a) & is_nan(&b))
}

/// The first places of the [`extreme`]s.
#[inline]
fn places(op: &'static str, plan: &Plan, end: End) -> Result<Array> {
    dispatch!(plan.input.dtype(), T => Array::build_beside(op, plan.shape, plan.folds(), |out: &mut [i64]| {
        let (data, extents) = (plan.input.slice::<T>().unwrap_or_default(), [plan.n, plan.inner]);
        match end {
            _ if out.is_empty() || plan.n == 1 => out.fill(0),
            End::Largest => fold::first_middle(data, extents, out, larger::<T>, same::<T>),
            End::Smallest => fold::first_middle(data, extents, out, smaller::<T>, same::<T>),
        }
    }))
}

/// The elements at the places.
#[inline]
pub(crate) fn at_places(op: &'static str, plan: &Plan, places: &Array) -> Result<Array> {
    let (n, inner) = (plan.n, plan.inner);
    dispatch!(plan.input.dtype(), T => Array::build(op, plan.shape, |out: &mut [T]| {
        let data = plan.input.slice::<T>().unwrap_or_default();
        for (i, (o, &place)) in out.iter_mut().zip(places.slice::<i64>().unwrap_or_default()).enumerate() {
            *o = data[(i / inner * n + place as usize) * inner + i % inner];
        }
    }))
}

/// The gradient of `amax`: split evenly where several are equal; NaN, as 0/0, if the result is.
#[inline]
fn split_by_count(g: &Grad<'_>, x: &Tensor, mask: &Mask, kept: &Shape) -> Result<Tensor> {
    let op = "amax";
    if !grad_enabled() && x.numel() > 0 && !x.value().layout.repeats() {
        // The same in one pass, where no derivative of it is wanted: a fifth of the time.
        let plan = Plan::in_any_order(op, x.value(), mask, true)?;
        let counts = parallel::bytes::<f64>(plan.inner);
        let [y, g] = [
            plan.ordered(op, g.output().reshape(kept)?.value())?,
            plan.ordered(op, g.reshape(kept)?.value())?,
        ];
        let value = dispatch!(float y.dtype(), T => Array::build_beside(op, *plan.input.shape(), counts, |out: &mut [T]| {
            let [x, y, g] = [&plan.input, &y, &g].map(|x| x.slice::<T>().unwrap_or_default());
            fold::share_middle(x, [plan.n, plan.inner], y, g, out);
        }))?;
        return Ok(Tensor::constant(plan.unordered(value)));
    }
    let hit = x.eq(&g.output().reshape(kept)?)?;
    let count = hit.sum_over(mask, true)?;
    g.reshape(kept)?.mul(&hit)?.div(&count)
}

/// The gradient of `max()`: split evenly where several are equal, where NaN equals NaN; 0 for all others.
#[inline]
pub(crate) fn split_among_equals(g: &Grad<'_>, x: &Tensor) -> Result<Tensor> {
    let y = g.output();
    let hit = if y.try_isnan()?.item()? { x.try_isnan()? } else { x.eq(&y)? };
    Tensor::where_(&hit, &g.div(&hit.try_sum()?)?, 0.0)
}

/// A result chosen by its place along `dim`: the gradient goes to that place.
#[inline]
pub(crate) fn record_chosen(
    name: &'static str,
    x: &Tensor,
    dim: usize,
    plan: &Plan,
    values: Array,
    places: &Tensor,
) -> Tensor {
    let n = x.shape().get(dim).copied().unwrap_or(1);
    let saved = (places.clone(), plan.kept);
    let back = edge(x, &saved, move |g, (places, kept)| {
        let along = crate::arange(0, n as i64, 1)?;
        let mut shape = Shape::of(&[1; crate::MAX_RANK][..kept.rank()]);
        if kept.rank() > 0 {
            shape = shape.with("arange", dim, n)?;
        }
        let hit = places.reshape(kept)?.eq(&along.reshape(&shape)?)?;
        Tensor::where_(&hit, &g.reshape(kept)?, 0.0)
    });
    record(name, values, [back])
}

/// The largest and the smallest element.
impl Tensor {
    #[inline]
    fn amax_amin(
        &self,
        op: &'static str,
        name: &'static str,
        end: End,
        dims: &Dims,
        keepdim: bool,
    ) -> Result<Tensor> {
        let mask = self.shape().dims(op, dims)?;
        check_empty(op, self.shape(), &mask)?;
        let plan = Plan::once(op, self.value(), &mask, keepdim)?;
        let value = plan.finish(op, extreme(op, &plan, end)?)?;
        let saved = (self.clone(), mask, plan.kept);
        let back = edge(self, &saved, |g, (x, mask, kept)| split_by_count(g, x, mask, kept));
        Ok(record_output(name, value, [back]))
    }

    #[inline]
    fn max_min(&self, op: &'static str, name: &'static str, end: End) -> Result<Tensor> {
        check_empty(op, self.shape(), &ALL)?;
        let plan = Plan::once(op, self.value(), &ALL, false)?;
        let value = plan.finish(op, extreme(op, &plan, end)?)?;
        Ok(record_output(name, value, [edge(self, self, split_among_equals)]))
    }

    #[inline]
    fn max_min_dim(
        &self,
        op: &'static str,
        name: &'static str,
        end: End,
        dim: isize,
        keepdim: bool,
    ) -> Result<(Tensor, Tensor)> {
        let dim = self.shape().dim(op, dim)?;
        let mask = Mask::one(dim);
        check_empty(op, self.shape(), &mask)?;
        let plan = Plan::once(op, self.value(), &mask, keepdim)?;
        let places = places(op, &plan, end)?;
        let values = plan.finish(op, at_places(op, &plan, &places)?)?;
        let places = Tensor::constant(plan.finish(op, places)?);
        Ok((record_chosen(name, self, dim, &plan, values, &places), places))
    }

    #[inline]
    fn arg(&self, op: &'static str, end: End, dim: Option<isize>, keepdim: bool) -> Result<Tensor> {
        if self.dtype() == DType::Bool {
            return Err(Error::DType { op, expected: "numbers", got: self.dtype() });
        }
        let mask = match dim {
            None => ALL,
            Some(dim) => Mask::one(self.shape().dim(op, dim)?),
        };
        check_empty(op, self.shape(), &mask)?;
        // Of all elements, the place counts those that a view repeats.
        let plan = match dim {
            Some(_) => Plan::once(op, self.value(), &mask, keepdim)?,
            None => Plan::new(op, self.value(), &mask, keepdim)?,
        };
        Ok(Tensor::constant(plan.finish(op, places(op, &plan, end)?)?))
    }

    /// The largest element; NaN if there is one. Equal ones share the gradient.
    ///
    /// [`torch.max`](https://docs.pytorch.org/docs/stable/generated/torch.max.html); its form with two tensors is
    /// [`maximum`](Self::maximum).
    ///
    /// # Errors
    /// [`Error::Shape`] without elements.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1.0_f32, 3.0, 2.0]).max()?.item::<f32>()?, 3.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn max(&self) -> Result<Tensor> {
        self.max_min("max", "MaxBackward1", End::Largest)
    }

    /// The smallest element; NaN if there is one. Equal ones share the gradient.
    ///
    /// [`torch.min`](https://docs.pytorch.org/docs/stable/generated/torch.min.html); its form with two tensors is
    /// [`minimum`](Self::minimum).
    ///
    /// # Errors
    /// [`Error::Shape`] without elements.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1.0_f32, 3.0, 2.0]).min()?.item::<f32>()?, 1.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn min(&self) -> Result<Tensor> {
        self.max_min("min", "MinBackward1", End::Smallest)
    }

    /// The largest elements along one dimension, and their places in it (`i64`). Of equal ones, or of several NaN,
    /// it is the first, which also gets the gradient.
    ///
    /// [`torch.max`](https://docs.pytorch.org/docs/stable/generated/torch.max.html) with `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Shape`] for one of size 0.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (values, places) = Tensor::from([[1.0_f32, 5.0], [4.0, 4.0]]).max_dim(1, false)?;
    /// assert_eq!(values, Tensor::from([5.0_f32, 4.0]));
    /// assert_eq!(places, Tensor::from([1, 0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn max_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.max_min_dim("max", "MaxBackward0", End::Largest, dim, keepdim)
    }

    /// The smallest elements along one dimension, and their places in it (`i64`). Of equal ones, or of several NaN,
    /// it is the first, which also gets the gradient.
    ///
    /// [`torch.min`](https://docs.pytorch.org/docs/stable/generated/torch.min.html) with `dim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Shape`] for one of size 0.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (values, places) = Tensor::from([[1.0_f32, 5.0], [4.0, 4.0]]).min_dim(0, false)?;
    /// assert_eq!(values, Tensor::from([1.0_f32, 4.0]));
    /// assert_eq!(places, Tensor::from([0, 1]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn min_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        self.max_min_dim("min", "MinBackward0", End::Smallest, dim, keepdim)
    }

    /// The largest elements over some dimensions (none named: all), which disappear unless `keepdim`. Equal ones share
    /// the gradient; where the result is NaN, so is the gradient.
    ///
    /// [`torch.amax`](https://docs.pytorch.org/docs/stable/generated/torch.amax.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for one named twice, [`Error::Shape`] for one of
    /// size 0.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, 5.0], [4.0, 4.0]]);
    /// assert_eq!(x.amax(1, false)?, Tensor::from([5.0_f32, 4.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn amax(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.amax_amin("amax", "AmaxBackward0", End::Largest, &dims.into(), keepdim)
    }

    /// The smallest elements over some dimensions (none named: all), which disappear unless `keepdim`. Equal ones share
    /// the gradient; where the result is NaN, so is the gradient.
    ///
    /// [`torch.amin`](https://docs.pytorch.org/docs/stable/generated/torch.amin.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for one named twice, [`Error::Shape`] for one of
    /// size 0.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, 5.0], [4.0, 4.0]]);
    /// assert_eq!(x.amin(0, true)?, Tensor::from([[1.0_f32, 4.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn amin(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.amax_amin("amin", "AminBackward0", End::Smallest, &dims.into(), keepdim)
    }

    /// The place of the first largest element (or of the first NaN): along a dimension, or in row-major order for `None`.
    ///
    /// [`torch.argmax`](https://docs.pytorch.org/docs/stable/generated/torch.argmax.html).
    ///
    /// # Errors
    /// [`Error::DType`] for booleans, [`Error::Dim`] for a dimension out of range, [`Error::Shape`] for one of size 0.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let scores = Tensor::from([[0.1_f32, 0.7, 0.2], [0.5, 0.5, 0.0]]);
    /// assert_eq!(scores.argmax(1, false)?, Tensor::from([1, 0]));
    /// assert_eq!(scores.argmax(None, false)?, Tensor::from(1));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn argmax(&self, dim: impl Into<Option<isize>>, keepdim: bool) -> Result<Tensor> {
        self.arg("argmax", End::Largest, dim.into(), keepdim)
    }

    /// The place of the first smallest element (or of the first NaN): along a dimension, or in row-major order for `None`.
    ///
    /// [`torch.argmin`](https://docs.pytorch.org/docs/stable/generated/torch.argmin.html).
    ///
    /// # Errors
    /// [`Error::DType`] for booleans, [`Error::Dim`] for a dimension out of range, [`Error::Shape`] for one of size 0.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[2, 1], [1, 3]]).argmin(None, false)?, Tensor::from(1));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn argmin(&self, dim: impl Into<Option<isize>>, keepdim: bool) -> Result<Tensor> {
        self.arg("argmin", End::Smallest, dim.into(), keepdim)
    }
}
