//! Elements moved along one dimension by an index for each: `gather`, and its reverses `scatter` and `scatter_add`.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::record;
use crate::dtype::dispatch;
use crate::kernel::index::{self as kernel, Along};
use crate::layout::Layout;
use crate::ops::index::{check_bounds, check_index_dtype};
use crate::ops::operand::Operand;
use crate::{DType, Element, Error, Result, Shape, Tensor};

/// What `scatter` does with an element that it finds where it puts one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Combine {
    /// Adds to it.
    Add,
    /// Multiplies it.
    Multiply,
}

/// A scalar counts as having one dimension.
fn lifted(layout: Layout) -> Layout {
    if layout.shape.rank() == 0 { layout.unsqueeze(0) } else { layout }
}

/// Calls `f` with the places of an index along dimension `d` of an array that lies like this.
fn along<R>(
    op: &'static str,
    layout: Layout,
    d: usize,
    index: &Array,
    f: impl FnOnce(&Along<'_>, &[i64]) -> R,
) -> Result<R> {
    let (layout, index) = (lifted(layout), index.to_dtype(op, DType::I64)?.contiguous(op)?);
    let mut strides = layout.strides().to_vec();
    let step = std::mem::take(&mut strides[d]);
    let shape = lifted(index.layout).shape;
    Ok(f(&Along { shape: &shape, strides: &strides, step }, index.slice().unwrap_or_default()))
}

/// The checks of an index along `dim` of a tensor of this shape. An empty index names nothing, and always fits.
fn check(op: &'static str, shape: &Shape, dim: isize, index: &Tensor) -> Result<usize> {
    let d = shape.dim(op, dim)?;
    if index.numel() == 0 {
        return Ok(d);
    }
    check_index_dtype(op, index)?;
    let size = shape.get(d).copied().unwrap_or(1);
    check_sizes(op, shape, index, Some(d))?;
    check_bounds(op, index.value().contiguous(op)?.slice().unwrap_or_default(), size)?;
    Ok(d)
}

/// An error unless the index has as many dimensions as `shape` and, apart from dimension `d`, none is larger.
fn check_sizes(op: &'static str, shape: &Shape, index: &Tensor, d: Option<usize>) -> Result<()> {
    let fits = |(e, (i, s)): (usize, (&usize, &usize))| i <= s || Some(e) == d;
    if shape.rank().max(1) == index.dim().max(1) && index.shape().iter().zip(&**shape).enumerate().all(fits) {
        return Ok(());
    }
    if shape.rank().max(1) != index.dim().max(1) {
        let expected = format!("an index of {} dimensions, as shape {shape} has", shape.rank());
        return Err(Error::shape(op, expected, index.shape()));
    }
    let apart = d.map_or(String::new(), |d| format!(" apart from dimension {d}"));
    Err(Error::shape(op, format!("an index no larger than shape {shape}{apart}"), index.shape()))
}

/// The elements at the places that the index names along dimension `d`.
pub(crate) fn gather_array(op: &'static str, x: &Array, d: usize, index: &Array) -> Result<Array> {
    along(op, x.layout, d, index, |along, places| {
        dispatch!(x.dtype(), T => Array::build(op, *index.shape(), |out: &mut [T]| {
            kernel::gather(x.raw(), along, places, out);
        }))
    })?
}

fn gathered(x: &Tensor, d: usize, index: &Tensor) -> Result<Tensor> {
    let value = gather_array("gather", x.value(), d, index.value())?;
    let saved = (*x.shape(), d, index.detach());
    let back = edge(x, &saved, |g, (shape, d, index)| scattered_zeros(g, *shape, *d, index));
    Ok(record("GatherBackward0", value, [back]))
}

/// Zeros of this shape, to which `g` has been added along dimension `d`: the gradient of a gather.
pub(crate) fn scattered_zeros(g: &Tensor, shape: Shape, d: usize, index: &Tensor) -> Result<Tensor> {
    let zeros = g.filled("scatter_add", &shape, 0)?.into_value();
    let value =
        dispatch!(float g.dtype(), T => put::<T>("scatter_add", zeros, d, index, &g.into(), Element::plus))?;
    let back = edge(g, &(d, index.clone()), |h, (d, index)| gathered(h, *d, index));
    Ok(record("ScatterAddBackward0", value, [back]))
}

/// `target` with `f(element, source)` at the places that the index names. The source has the index's shape.
#[inline]
fn put<T: Element>(
    op: &'static str,
    mut target: Array,
    d: usize,
    index: &Tensor,
    source: &Operand,
    f: impl Fn(T, T) -> T,
) -> Result<Array> {
    let layout = Layout::contiguous(*target.shape());
    let out = target.make_mut::<T>(op)?;
    match source {
        Operand::Number(n) => {
            let n = n.cast();
            along(op, layout, d, index.value(), |along, index| {
                kernel::scatter(out, along, index, |o, _| *o = f(*o, n));
            })?;
        }
        Operand::Tensor(source) => {
            let dense = source.value().contiguous(op)?;
            let source = dense.slice::<T>().unwrap_or_default();
            along(op, layout, d, index.value(), |along, index| {
                kernel::scatter(out, along, index, |o, p| *o = f(*o, source[p]));
            })?;
        }
    }
    Ok(target)
}

/// Elements by an index for each.
impl Tensor {
    /// Element `[i, j, k]` of the result is `self[index[i, j, k], j, k]` for dimension 0, `self[i, index[i, j, k], k]`
    /// for dimension 1, and so on; the result has the shape of `index`.
    ///
    /// [`torch.gather`](https://docs.pytorch.org/docs/stable/generated/torch.gather.html).
    ///
    /// # Errors
    /// [`Error::DType`] unless the index is `i64`, [`Error::Shape`] if it has another number of dimensions or is larger
    /// in one other than `dim`, [`Error::Index`] for an entry that there is not, or a negative one.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let log_probs = Tensor::from([[-0.1_f32, -2.3], [-0.7, -0.7]]);
    /// let target = Tensor::from([0, 1]);
    /// let picked = log_probs.gather(1, &target.unsqueeze(1)?)?;
    /// assert_eq!(picked, Tensor::from([[-0.1_f32], [-0.7]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn gather(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let d = check("gather", self.shape(), dim, index)?;
        gathered(self, d, index)
    }

    /// `self` with elements of `source` (or the number) put where [`gather`](Self::gather) would take them from:
    /// `self[index[i, j], j] = source[i, j]` for dimension 0.
    ///
    /// Where places repeat, the last one counts; the gradient goes to all of them, as in PyTorch.
    /// [`torch.scatter`](https://docs.pytorch.org/docs/stable/generated/torch.scatter.html).
    ///
    /// # Errors
    /// What [`gather`](Self::gather) refuses, [`Error::DType`] for a source of another dtype, [`Error::Shape`] for one of
    /// another number of dimensions than the index, or smaller.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = downhill::full([2, 3], 0)?;
    /// let index = Tensor::from([[2], [0]]);
    /// assert_eq!(x.scatter(1, &index, 7)?, Tensor::from([[0, 0, 7], [7, 0, 0]]));
    /// assert_eq!(x.scatter(1, &index, &Tensor::from([[1], [2]]))?, Tensor::from([[0, 0, 1], [2, 0, 0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn scatter(&self, dim: isize, index: &Tensor, source: impl Into<Operand>) -> Result<Tensor> {
        let op = "scatter";
        let (d, source) = self.scatter_arguments(op, dim, index, &source.into())?;
        let value = dispatch!(self.dtype(), T => put::<T>(op, self.value().clone(), d, index, &source, |_, new| new))?;
        let saved = (d, index.detach());
        let name = if source.tensor().is_some() { "ScatterBackward0" } else { "ScatterBackward1" };
        Ok(record(
            name,
            value,
            [
                edge(self, &saved, |g, (d, index)| g.scatter(*d as isize, index, 0)),
                source.tensor().and_then(|s| edge(s, &saved, |g, (d, index)| gathered(g, *d, index))),
            ],
        ))
    }

    /// [`scatter`](Self::scatter), but each element of the source is added to, or multiplied with, the one it meets.
    ///
    /// `torch.scatter(…, reduce="add")` or `"multiply"`. The product has no derivative, as in PyTorch; the sum has one
    /// here (there, only [`scatter_add`](Self::scatter_add) does).
    ///
    /// # Errors
    /// As [`scatter`](Self::scatter); `backward` returns [`Error::Argument`] for the product.
    ///
    /// ```
    /// use downhill::{Combine, Tensor};
    /// let x = Tensor::from([10, 20]).scatter_combined(0, &Tensor::from([0, 0]), 3, Combine::Multiply)?;
    /// assert_eq!(x, Tensor::from([90, 20]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "scatter_reduce")]
    #[inline]
    pub fn scatter_combined(
        &self,
        dim: isize,
        index: &Tensor,
        source: impl Into<Operand>,
        combine: Combine,
    ) -> Result<Tensor> {
        let (d, source) = self.scatter_arguments("scatter", dim, index, &source.into())?;
        if combine == Combine::Add {
            return self.added("ScatterBackward2", d, index, &source);
        }
        let value = dispatch!(self.dtype(), T => put::<T>("scatter", self.value().clone(), d, index, &source, Element::times))?;
        let no = || Err(Error::argument("scatter", "the product with what is there has no derivative"));
        let edges = [
            edge(self, &(), move |_, ()| no()),
            source.tensor().and_then(|s| edge(s, &(), move |_, ()| no())),
        ];
        Ok(record("ScatterBackward3", value, edges))
    }

    /// `self` with the elements of `source` added where [`gather`](Self::gather) would take them from:
    /// `self[index[i, j], j] += source[i, j]` for dimension 0.
    ///
    /// Sums are made in the order of the source, whatever the number of threads.
    /// [`torch.scatter_add`](https://docs.pytorch.org/docs/stable/generated/torch.scatter_add.html).
    ///
    /// # Errors
    /// As [`scatter`](Self::scatter).
    ///
    /// ```
    /// use downhill::Tensor;
    /// let histogram = downhill::full([3], 0)?.scatter_add(0, &Tensor::from([2, 0, 2]), &Tensor::from([1, 1, 1]))?;
    /// assert_eq!(histogram, Tensor::from([1, 0, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn scatter_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let (d, source) = self.scatter_arguments("scatter_add", dim, index, &source.into())?;
        self.added("ScatterAddBackward0", d, index, &source)
    }

    fn added(&self, name: &'static str, d: usize, index: &Tensor, source: &Operand) -> Result<Tensor> {
        let value = dispatch!(self.dtype(), T => put::<T>("scatter_add", self.value().clone(), d, index, source, Element::plus))?;
        Ok(record(
            name,
            value,
            [
                edge(self, &(), |g, ()| Ok((**g).clone())),
                source
                    .tensor()
                    .and_then(|s| edge(s, &(d, index.detach()), |g, (d, index)| gathered(g, *d, index))),
            ],
        ))
    }

    /// The dimension, and the source cut to the shape of the index.
    #[inline]
    fn scatter_arguments(
        &self,
        op: &'static str,
        dim: isize,
        index: &Tensor,
        source: &Operand,
    ) -> Result<(usize, Operand)> {
        let Some(source) = source.tensor() else {
            return Ok((check(op, self.shape(), dim, index)?, source.clone()));
        };
        Error::check_same(op, ("tensor", self.dtype()), ("source", source.dtype()))?;
        let d = check(op, self.shape(), dim, index)?;
        if index.numel() == 0 {
            // Nothing is put, so nothing is read: any number stands for the source.
            return Ok((d, 0.into()));
        }
        check_sizes(op, source.shape(), index, None)?;
        let mut cut = source.clone();
        for (e, (&size, &had)) in index.shape().iter().zip(&**source.shape()).enumerate() {
            if size < had {
                cut = cut.sliced("SliceBackward0", e, 0, 1, size);
            }
        }
        let cut = if cut.dim() == index.dim() { cut } else { cut.reshape(index.shape())? };
        Ok((d, (&cut).into()))
    }
}
