//! Elements picked by index tensors and masks: `index_select`, `index`, `masked_select`, `nonzero`, `one_hot`.
//!
//! All of them copy whole rows of a dimension, or of several that lie side by side, so they share one operation and
//! its derivative: [`picked`] and [`put_back`], each of which is the other's.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::record;
use crate::dtype::dispatch;
use crate::error::fallible;
use crate::kernel::index::{self as kernel, Pick};
use crate::kernel::map::place;
use crate::kernel::parallel::for_chunks;
use crate::ops::view::wrapped;
use crate::{DType, Element, Error, Result, Shape, Tensor, memory};
use std::sync::Arc;

/// Rows of an array seen as `outer × n × inner`.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) list: Arc<Vec<usize>>,
    pub(crate) n: usize,
    pub(crate) inner: usize,
}

/// The places where a mask is true.
fn places(op: &'static str, mask: &[bool]) -> Result<Vec<usize>> {
    Ok(kernel::places(mask, memory::with_capacity(op, kernel::count(mask) + 1)?))
}

impl Rows {
    /// These rows of dimension `d`.
    pub(crate) fn of(shape: &Shape, d: usize, list: Arc<Vec<usize>>) -> Self {
        Self { list, n: shape[d], inner: shape[d + 1..].iter().product() }
    }

    pub(crate) fn pick(&self) -> Pick<'_> {
        Pick { rows: &self.list, n: self.n, inner: self.inner }
    }

    /// How many elements of a row lie side by side, at least, and the number of dimensions around these runs.
    fn run(&self, x: &Array) -> (usize, usize) {
        let (shape, strides) = (x.shape(), x.layout.strides());
        let (mut run, mut outer) = (1, shape.rank());
        while run < self.inner && (shape[outer - 1] == 1 || strides[outer - 1] == run) {
            outer -= 1;
            run *= shape[outer];
        }
        (run, outer)
    }
}

/// The rows of an array that does not lie row-major, run by run: what is not picked is not read.
fn pick_runs<T: Element>(x: &Array, rows: &Rows, run: usize, outer: usize, out: &mut [T]) {
    let (data, shape, strides) = (x.raw::<T>(), &x.shape()[..outer], &x.layout.strides()[..outer]);
    let (runs, m) = (rows.inner / run, rows.list.len());
    for_chunks(out, run * (1_usize << 14).div_ceil(run), 1, &|start, out| {
        for (i, out) in out.chunks_exact_mut(run).enumerate() {
            let at = start / run + i;
            let (row, rest) = (at / runs, at % runs);
            let from = (row / m * rows.n + rows.list[row % m]) * runs + rest;
            out.copy_from_slice(&data[place(shape, strides, from)..][..run]);
        }
    });
}

/// Where [`Tensor::index`] takes elements from: rows of the tensor, with its dimensions in another order where the indexed ones do not
/// lie side by side, and the shape of what it gives.
pub(crate) struct Located {
    pub(crate) order: Option<Vec<isize>>,
    pub(crate) rows: Rows,
    pub(crate) shape: Shape,
}

/// The rows of `x`, one after the other, as a tensor of this shape.
pub(crate) fn picked(
    op: &'static str,
    name: &'static str,
    x: &Tensor,
    rows: &Rows,
    shape: Shape,
) -> Result<Tensor> {
    let runs = (!x.is_contiguous()).then(|| rows.run(x.value()));
    // A run costs about as much as eight elements of a copy of all of them.
    let runs = runs.filter(|(run, _)| shape.numel() / run * 8 <= x.numel());
    let dense = if runs.is_some() { x.value().clone() } else { x.value().contiguous(op)? };
    let value = dispatch!(x.dtype(), T => Array::build(op, shape, |out: &mut [T]| match runs {
        Some((run, outer)) => pick_runs(&dense, rows, run, outer, out),
        None => kernel::pick(dense.slice().unwrap_or_default(), &rows.pick(), out),
    }))?;
    let back = edge(x, &(rows.clone(), *x.shape()), |g, (rows, shape)| put_back(g, rows, *shape));
    Ok(record(name, value, [back]))
}

/// Zeros of this shape, to whose rows those of `g` have been added.
fn put_back(g: &Tensor, rows: &Rows, shape: Shape) -> Result<Tensor> {
    let op = "index_add";
    let (dense, mut value) = (g.value().contiguous(op)?, g.filled(op, &shape, 0)?.into_value());
    dispatch!(g.dtype(), T => kernel::pick_back(
        dense.slice::<T>().unwrap_or_default(), &rows.pick(), value.make_mut(op)?, Element::plus,
    ));
    let back = edge(g, &(rows.clone(), *g.shape()), |h, (rows, shape)| {
        picked("index_select", "IndexSelectBackward0", h, rows, *shape)
    });
    Ok(record("IndexAddBackward0", value, [back]))
}

/// An error unless the elements are integers.
pub(crate) fn check_index_dtype(op: &'static str, index: &Tensor) -> Result<()> {
    let expected = "an int64 index";
    if index.dtype() == DType::I64 { Ok(()) } else { Err(Error::DType { op, expected, got: index.dtype() }) }
}

/// An error for the first index beyond the size, or negative.
pub(crate) fn check_bounds(op: &'static str, index: &[i64], size: usize) -> Result<()> {
    let beyond = index.iter().find(|&&i| i < 0 || i as usize >= size);
    beyond.map_or(Ok(()), |&index| Err(Error::Index { op, index, size }))
}

/// Elements by index.
impl Tensor {
    /// The entries of a dimension that `index` names, in its order.
    ///
    /// [`torch.index_select`](https://docs.pytorch.org/docs/stable/generated/torch.index_select.html). An entry named
    /// more than once gets the sum of the gradients.
    ///
    /// # Errors
    /// [`Error::DType`] unless the index is `i64`, [`Error::Shape`] unless it has at most one dimension,
    /// [`Error::Index`] for an entry that there is not, or a negative one.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1, 2, 3], [4, 5, 6]]);
    /// assert_eq!(x.index_select(1, &Tensor::from([2, 0, 0]))?, Tensor::from([[3, 1, 1], [6, 4, 4]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn index_select(&self, dim: isize, index: &Tensor) -> Result<Tensor> {
        let op = "index_select";
        let d = self.shape().dim(op, dim)?;
        check_index_dtype(op, index)?;
        if index.dim() > 1 {
            return Err(Error::shape(op, "an index of one dimension", index.shape()));
        }
        if self.dim() == 0 && index.numel() != 1 {
            return Err(Error::shape(op, "one index into a 0-d tensor", index.shape()));
        }
        let index = index.value().to_vec::<i64>(op)?;
        check_bounds(op, &index, self.shape().get(d).copied().unwrap_or(1))?;
        let name = "IndexSelectBackward0";
        let list = Arc::new(memory::collect(op, index.iter().map(|&i| i as usize))?);
        if self.dim() == 0 {
            return picked(op, name, self, &Rows { list, n: 1, inner: 1 }, Shape::SCALAR);
        }
        let shape = self.shape().with(op, d, list.len())?;
        picked(op, name, self, &Rows::of(self.shape(), d, list), shape)
    }

    /// Indexing with index tensors, one for each leading dimension; `None` keeps a dimension whole.
    ///
    /// The index tensors broadcast to one shape, which takes the place of the dimensions that they index if these are
    /// neighbours, and comes first otherwise: `x[[i, j]]` of the result is `x[i[..], j[..]]`. Negative indices count
    /// from the end. A `bool` tensor indexes as many dimensions as it has: it stands for the places where it is true.
    ///
    /// [`x[i, j]` in PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_select.html), where
    /// ranges and index tensors mix; here [`slice`](Self::slice) takes the former. An element named more than once gets
    /// the sum of the gradients.
    ///
    /// # Errors
    /// [`Error::DType`] for indices that are neither `i64` nor `bool`, [`Error::Broadcast`] if they do not broadcast,
    /// [`Error::Index`] for an entry that there is not, [`Error::Shape`] for a mask whose shape is not that of the
    /// dimensions it indexes and for more indices than dimensions.
    ///
    /// ```
    /// use downhill::{Tensor, arange};
    /// let log_probs = Tensor::from([[0.1_f32, 0.2], [0.3, 0.4], [0.5, 0.6]]);
    /// let y = Tensor::from([1, 0, 1]);
    /// assert_eq!(log_probs.index([&arange(0, 3, 1)?, &y])?, Tensor::from([0.2_f32, 0.3, 0.6]));
    /// assert_eq!(log_probs.index([None, Some(&Tensor::from(-1))])?, Tensor::from([0.2_f32, 0.4, 0.6]));
    /// assert_eq!(log_probs.index([&log_probs.gt(0.3)?])?, Tensor::from([0.4_f32, 0.5, 0.6]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "take")]
    pub fn index<'a, I>(&self, indices: impl IntoIterator<Item = I>) -> Result<Tensor>
    where
        I: Into<Option<&'a Tensor>>,
    {
        let op = "index";
        let Some(Located { order, rows, shape }) = self.located(op, indices)? else {
            return Ok(self.clone());
        };
        let x = order.map(|order| self.permute(&order[..])).transpose()?;
        picked(op, "IndexBackward0", x.as_ref().unwrap_or(self), &rows, shape)
    }

    /// The places that these indices name; `None` without any.
    pub(crate) fn located<'a, I>(
        &self,
        op: &'static str,
        indices: impl IntoIterator<Item = I>,
    ) -> Result<Option<Located>>
    where
        I: Into<Option<&'a Tensor>>,
    {
        let mut list = Vec::new();
        for index in indices {
            match index.into() {
                None => list.push(None),
                Some(mask) if mask.dtype() == DType::Bool => {
                    list.extend(self.places_of(op, mask, list.len())?.into_iter().map(Some));
                }
                Some(index) => {
                    check_index_dtype(op, index)?;
                    list.push(Some(index.detach()));
                }
            }
        }
        if list.len() > self.dim() {
            let expected = format!("a tensor of at least {} dimensions for as many indices", list.len());
            return Err(Error::shape(op, expected, self.shape()));
        }
        let indexed: Vec<usize> = (0..list.len()).filter(|&d| list[d].is_some()).collect();
        let (Some(&first), Some(&last)) = (indexed.first(), indexed.last()) else { return Ok(None) };
        let mut places = Shape::SCALAR;
        for index in list.iter().flatten() {
            places = Shape::broadcast(op, &places, index.shape())?;
        }
        let size = |d: &usize| self.shape()[*d];
        let (neighbours, n) = (last - first + 1 == indexed.len(), indexed.iter().map(size).product());
        let rest: Vec<usize> = (0..self.dim()).filter(|d| !indexed.contains(d)).collect();
        let kept: Vec<usize> = rest.iter().map(size).collect();
        let before = if neighbours { first } else { 0 };
        let shape = Shape::new(op, &[&kept[..before], &places, &kept[before..]].concat())?;
        let mut rows = memory::vec(op, 0, places.numel())?;
        for &d in &indexed {
            let size = self.shape()[d];
            let Some(index) = &list[d] else { continue };
            let index = index.value().expand(&places).to_vec::<i64>(op)?;
            for (row, i) in rows.iter_mut().zip(index) {
                *row = *row * size + wrapped(op, i, size)?;
            }
        }
        let rows = Rows { list: Arc::new(rows), n, inner: kept[before..].iter().product() };
        let order = [indexed, rest].concat().into_iter().map(|d| d as isize);
        Ok(Some(Located { order: (!neighbours).then(|| order.collect()), rows, shape }))
    }

    /// The indices of the true elements of a mask over dimensions `first..`, one tensor for each dimension.
    fn places_of(&self, op: &'static str, mask: &Tensor, first: usize) -> Result<Vec<Tensor>> {
        let covered = self.shape().get(first..first + mask.dim());
        if mask.dim() == 0 || covered != Some(&**mask.shape()) {
            let expected = format!("a mask of the sizes from dimension {first} on of shape {}", self.shape());
            return Err(Error::shape(op, expected, mask.shape()));
        }
        mask.try_nonzero()?.unbind(1)
    }

    /// The elements where `mask` is true, in row-major order; the two broadcast.
    ///
    /// [`torch.masked_select`](https://docs.pytorch.org/docs/stable/generated/torch.masked_select.html).
    ///
    /// # Errors
    /// [`Error::DType`] unless the mask is `bool`, [`Error::Broadcast`] for shapes that do not fit.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1, 5], [7, 2]]);
    /// assert_eq!(x.masked_select(&x.gt(2)?)?, Tensor::from([5, 7]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn masked_select(&self, mask: &Tensor) -> Result<Tensor> {
        let op = "masked_select";
        if mask.dtype() != DType::Bool {
            return Err(Error::DType { op, expected: "a bool mask", got: mask.dtype() });
        }
        let shape = Shape::broadcast(op, self.shape(), mask.shape())?;
        let mask = mask.value().expand(&shape).to_vec::<bool>(op)?;
        let list = Arc::new(places(op, &mask)?);
        let found = Shape::new(op, &[list.len()])?;
        let rows = Rows { list, n: mask.len(), inner: 1 };
        let x = if *self.shape() == shape { self.clone() } else { self.expanded(&shape) };
        picked(op, "MaskedSelectBackward0", &x, &rows, found)
    }

    fallible! {
        /// The indices of the elements that are not zero, a row each, in row-major order: `i64` of shape
        /// `[found, dimensions]`.
        ///
        /// [`torch.nonzero`](https://docs.pytorch.org/docs/stable/generated/torch.nonzero.html).
        ///
        /// ```
        /// use downhill::Tensor;
        /// assert_eq!(Tensor::from([[0, 5], [7, 0]]).nonzero(), Tensor::from([[0, 1], [1, 0]]));
        /// ```
        nonzero try_nonzero |self| {
            let (op, shape) = ("nonzero", *self.shape());
            let found = places(op, &self.value().to_dtype(op, DType::Bool)?.to_vec::<bool>(op)?)?;
            let indices = Shape::new(op, &[found.len(), shape.rank()])?;
            let value = Array::build(op, indices, |out: &mut [i64]| {
                for (row, &at) in out.chunks_exact_mut(shape.rank().max(1)).zip(&found) {
                    let mut rest = at;
                    for (o, &size) in row.iter_mut().zip(&*shape).rev() {
                        *o = (rest % size) as i64;
                        rest /= size;
                    }
                }
            });
            Ok(Tensor::constant(value?))
        };
    }

    /// Class indices as vectors of zeros with a one at the class: `i64`, with a new last dimension of `num_classes`
    /// (by default, one more than the largest class).
    ///
    /// [`torch.nn.functional.one_hot`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.one_hot.html).
    ///
    /// # Errors
    /// [`Error::DType`] unless the classes are `i64`, [`Error::Index`] for a class that there is not,
    /// [`Error::Argument`] for an empty tensor without a number of classes.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([0, 2]).one_hot(3)?, Tensor::from([[1, 0, 0], [0, 0, 1]]));
    /// assert_eq!(Tensor::from([0, 1]).one_hot(None)?, Tensor::from([[1, 0], [0, 1]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn one_hot(&self, num_classes: impl Into<Option<usize>>) -> Result<Tensor> {
        let op = "one_hot";
        if self.dtype() != DType::I64 {
            return Err(Error::DType { op, expected: "int64 classes", got: self.dtype() });
        }
        let classes = self.value().to_vec::<i64>(op)?;
        let n = match (num_classes.into(), classes.iter().max()) {
            (None | Some(0), None) => {
                return Err(Error::argument(op, "an empty tensor does not tell the number of classes"));
            }
            (None, Some(&largest)) => usize::try_from(largest).map_or(0, |n| n.saturating_add(1)),
            (Some(n), _) => n,
        };
        check_bounds(op, &classes, n)?;
        let shape = Shape::new(op, &[self.shape(), &[n][..]].concat())?;
        let value = Array::build(op, shape, |out: &mut [i64]| {
            out.fill(0);
            out.chunks_exact_mut(n.max(1)).zip(&classes).for_each(|(row, &class)| row[class as usize] = 1);
        });
        Ok(Tensor::constant(value?))
    }
}
