//! `sort`, `argsort`, `topk`.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::record;
use crate::dtype::dispatch;
use crate::kernel::{parallel, sort as kernel};
use crate::ops::scatter::{gather_array, scattered_zeros};
use crate::{DType, Error, Result, Shape, Tensor};

/// Whether there is one entry, which is taken: a scalar counts as one.
#[inline]
fn is_alone(shape: &Shape, d: usize, k: usize) -> bool {
    shape.get(d).is_none_or(|&size| size == 1 && k == 1)
}

/// The indices of the first `k` entries of dimension `d` in order.
#[inline]
fn ranked(op: &'static str, x: &Array, d: usize, k: usize, largest: bool) -> Result<Tensor> {
    let shape = *x.shape();
    if is_alone(&shape, d, k) {
        return Ok(Tensor::constant(Array::full(op, shape, 0_i64)?));
    }
    let last = shape.rank() - 1;
    let mut order: Vec<usize> = (0..shape.rank()).collect();
    order.swap(d, last);
    let rows = x.with_layout(x.layout.permute(&order)).contiguous(op)?;
    let scratch = parallel::bytes::<u128>(shape[d]);
    let indices = dispatch!(x.dtype(), T => Array::build_beside(op, rows.shape().reduced(last, k), scratch, |out: &mut [i64]| {
        kernel::first::<T>(rows.slice().unwrap_or_default(), shape[d], k, largest, out);
    }))?;
    Ok(Tensor::constant(indices.with_layout(indices.layout.permute(&order)).contiguous(op)?))
}

/// The values at indices that [`ranked`] found.
#[inline]
fn values(op: &'static str, name: &'static str, x: &Tensor, d: usize, indices: &Tensor) -> Result<Tensor> {
    if is_alone(x.shape(), d, indices.shape().get(d).copied().unwrap_or(1)) {
        return Ok(record(name, x.value().contiguous(op)?, [edge(x, &(), |g, ()| Ok((**g).clone()))]));
    }
    let value = gather_array(op, x.value(), d, indices.value())?;
    let saved = (*x.shape(), d, indices.clone());
    let back = edge(x, &saved, |g, (shape, d, indices)| scattered_zeros(g, *shape, *d, indices));
    Ok(record(name, value, [back]))
}

/// Order.
impl Tensor {
    /// The entries of a dimension from the smallest to the largest (or the other way round), and the indices that they
    /// come from. Equal ones keep their order; NaN counts as the largest.
    ///
    /// [`torch.sort`](https://docs.pytorch.org/docs/stable/generated/torch.sort.html), always `stable`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (values, indices) = Tensor::from([3, 1, 2]).sort(-1, false)?;
    /// assert_eq!(values, Tensor::from([1, 2, 3]));
    /// assert_eq!(indices, Tensor::from([1, 2, 0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn sort(&self, dim: isize, descending: bool) -> Result<(Tensor, Tensor)> {
        let d = self.shape().dim("sort", dim)?;
        let indices = ranked("sort", self.value(), d, self.shape().get(d).copied().unwrap_or(1), descending)?;
        Ok((values("sort", "SortBackward0", self, d, &indices)?, indices))
    }

    /// The indices that [`sort`](Self::sort) returns.
    ///
    /// [`torch.argsort`](https://docs.pytorch.org/docs/stable/generated/torch.argsort.html), always `stable`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([3, 1, 2]).argsort(0, true)?, Tensor::from([0, 2, 1]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn argsort(&self, dim: isize, descending: bool) -> Result<Tensor> {
        let d = self.shape().dim("argsort", dim)?;
        ranked("argsort", self.value(), d, self.shape().get(d).copied().unwrap_or(1), descending)
    }

    /// The `k` largest (or smallest) entries of a dimension, in order, and the indices that they come from. NaN counts
    /// as the largest.
    ///
    /// [`torch.topk`](https://docs.pytorch.org/docs/stable/generated/torch.topk.html), always `sorted`. Of equal entries
    /// the first ones count here, in their order; PyTorch does not say which.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for more entries than there are,
    /// [`Error::DType`] for booleans.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (values, indices) = Tensor::from([0.1_f32, 0.7, 0.2]).topk(2, -1, true)?;
    /// assert_eq!(values, Tensor::from([0.7_f32, 0.2]));
    /// assert_eq!(indices, Tensor::from([1, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn topk(&self, k: usize, dim: isize, largest: bool) -> Result<(Tensor, Tensor)> {
        let d = self.shape().dim("topk", dim)?;
        if self.dtype() == DType::Bool {
            return Err(Error::DType { op: "topk", expected: "numbers", got: DType::Bool });
        }
        let size = self.shape().get(d).copied().unwrap_or(1);
        if k > size {
            return Err(Error::argument("topk", format!("k is {k}, but dimension {dim} has {size} entries")));
        }
        let indices = ranked("topk", self.value(), d, k, largest)?;
        Ok((values("topk", "TopkBackward0", self, d, &indices)?, indices))
    }
}
