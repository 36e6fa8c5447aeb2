//! Medians.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::record_output;
use crate::dtype::dispatch;
use crate::kernel::parallel::{self, scratch};
use crate::ops::compare::is_nan;
use crate::ops::extremes::{at_places, check_empty, record_chosen, split_among_equals};
use crate::ops::reduce::{ALL, Plan};
use crate::shape::Mask;
use crate::{DType, Element, Error, Result, Tensor};
use std::cmp::Ordering;

/// Place of the median in a row (of an even number the lower middle one): the first NaN if there is one, and of
/// equal elements the one that a stable sort puts in the middle.
fn median_place<T: Element>(row: &[T], order: &mut Vec<usize>) -> usize {
    if let Some(nan) = row.iter().position(is_nan) {
        return nan;
    }
    order.clear();
    order.extend(0..row.len());
    let by_value =
        |&a: &usize, &b: &usize| row[a].partial_cmp(&row[b]).unwrap_or(Ordering::Equal).then(a.cmp(&b));
    *order.select_nth_unstable_by((row.len() - 1) / 2, by_value).1
}

/// The places of the medians over the middle of `outer × n × inner`.
#[inline]
fn median_places(plan: &Plan) -> Result<Array> {
    let (n, inner) = (plan.n, plan.inner);
    let bytes = parallel::bytes::<(i64, usize)>(n);
    dispatch!(plan.input.dtype(), T => Array::build_beside("median", plan.shape, bytes, |out: &mut [i64]| {
        let data = plan.input.slice::<T>().unwrap_or_default();
        parallel::for_chunks(out, 16, 16 * n, &|start, out| {
            let (mut row, mut order) = (scratch(n), scratch(n));
            for (i, o) in out.iter_mut().enumerate() {
                let first = (start + i) / inner * n * inner + (start + i) % inner;
                row.clear();
                row.extend(data[first..].iter().step_by(inner).take(n));
                *o = median_place::<T>(&row, &mut order) as i64;
            }
        });
    }))
}

#[inline]
fn check_dtype(x: &Tensor) -> Result<()> {
    if x.dtype() == DType::Bool {
        return Err(Error::DType { op: "median", expected: "numbers", got: x.dtype() });
    }
    Ok(())
}

/// Medians.
impl Tensor {
    /// The middle element in order of size, of an even number the lower of the two; NaN if there is one or if a float tensor
    /// is empty, and true, which NaN is as a boolean, of no booleans. Equal ones share the gradient.
    ///
    /// [`torch.median`](https://docs.pytorch.org/docs/stable/generated/torch.median.html).
    ///
    /// # Errors
    /// [`Error::DType`] for booleans unless there are none, [`Error::Shape`] for integers without elements.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([4.0_f32, 1.0, 3.0, 2.0]).median()?.item::<f32>()?, 2.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn median(&self) -> Result<Tensor> {
        let plan = Plan::new("median", self.value(), &ALL, false)?;
        let value = if self.numel() == 0 && self.dtype() != DType::I64 {
            self.filled("median", &plan.shape, f64::NAN)?.into_value()
        } else {
            check_dtype(self)?;
            check_empty("median", self.shape(), &ALL)?;
            at_places("median", &plan, &median_places(&plan)?)?
        };
        Ok(record_output("MedianBackward0", value, [edge(self, self, split_among_equals)]))
    }

    /// The middle elements along one dimension, of an even number the lower of the two, and their places (`i64`). A row
    /// with a NaN has the first one as its median; of equal elements, it is the place that a stable sort puts in the middle,
    /// which also gets the gradient.
    ///
    /// [`torch.median`](https://docs.pytorch.org/docs/stable/generated/torch.median.html) with `dim`.
    ///
    /// # Errors
    /// [`Error::DType`] for booleans, [`Error::Dim`] for a dimension out of range, [`Error::Shape`] for one of size 0.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (values, places) = Tensor::from([[4.0_f32, 1.0, 3.0], [0.0, 5.0, 2.0]]).median_dim(1, false)?;
    /// assert_eq!(values, Tensor::from([3.0_f32, 2.0]));
    /// assert_eq!(places, Tensor::from([2, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn median_dim(&self, dim: isize, keepdim: bool) -> Result<(Tensor, Tensor)> {
        check_dtype(self)?;
        let dim = self.shape().dim("median", dim)?;
        let mask = Mask::one(dim);
        check_empty("median", self.shape(), &mask)?;
        let plan = Plan::new("median", self.value(), &mask, keepdim)?;
        let places = median_places(&plan)?;
        let values = at_places("median", &plan, &places)?;
        let places = Tensor::constant(places);
        Ok((record_chosen("MedianBackward1", self, dim, &plan, values, &places), places))
    }
}
