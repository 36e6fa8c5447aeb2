//! Tensors put together and taken apart: `cat`, `stack`, `split`, `chunk`, `unbind`, `repeat`, `flip`.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::{record, record_many};
use crate::dtype::dispatch;
use crate::kernel::index as kernel;
use crate::layout::Layout;
use crate::ops::index::{Rows, picked};
use crate::shape::Dims;
use crate::{DType, Error, Result, Shape, Tensor, memory};
use std::borrow::Borrow;
use std::sync::Arc;

/// How [`Tensor::split`] cuts a dimension: into parts of one size, or of these sizes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parts {
    /// Parts of this size; the last may be smaller.
    Size(usize),
    /// Parts of these sizes, which must sum to the dimension's.
    Sizes(Vec<usize>),
}

impl From<usize> for Parts {
    fn from(size: usize) -> Self {
        Self::Size(size)
    }
}

impl<const N: usize> From<[usize; N]> for Parts {
    fn from(sizes: [usize; N]) -> Self {
        Self::Sizes(sizes.to_vec())
    }
}

impl From<&[usize]> for Parts {
    fn from(sizes: &[usize]) -> Self {
        Self::Sizes(sizes.to_vec())
    }
}

impl From<Vec<usize>> for Parts {
    fn from(sizes: Vec<usize>) -> Self {
        Self::Sizes(sizes)
    }
}

/// The arrays side by side along dimension `d` of the result, each taking as much of it as it has elements for.
fn joined(op: &'static str, parts: &[&Tensor], dtype: DType, shape: Shape, d: usize) -> Result<Array> {
    let outer = shape[..d].iter().product::<usize>().max(1);
    // A part of a longer row is read where it lies: a roll takes half the time.
    let rows = |x: &Array| {
        x.layout
            .view(&Shape::of(&[outer, x.numel() / outer]))
            .filter(|rows| rows.shape[1] < 2 || rows.strides()[1] == 1)
    };
    let dense = parts.iter().map(|x| {
        let x = x.value().to_dtype(op, dtype)?;
        let x = if rows(&x).is_some() { x } else { x.contiguous(op)? };
        Ok(x.with_layout(rows(&x).unwrap_or(x.layout)))
    });
    let dense = dense.collect::<Result<Vec<Array>>>()?;
    dispatch!(dtype, T => {
        let runs: Vec<_> = dense.iter().filter(|x| x.numel() > 0).map(|x| (x.raw::<T>(), x.shape()[1], x.layout.strides()[0])).collect();
        Array::build(op, shape, |out| kernel::join(&runs, out))
    })
}

/// The dtype that holds all of them: the highest.
fn common_dtype(parts: &[&Tensor]) -> DType {
    parts.iter().map(|x| x.dtype()).max().unwrap_or(DType::F32)
}

/// Putting together and taking apart.
impl Tensor {
    /// The tensors one after the other along a dimension that they have.
    ///
    /// [`torch.cat`](https://docs.pytorch.org/docs/stable/generated/torch.cat.html). Dtypes promote; tensors of shape
    /// `[0]` are skipped, whatever the shapes of the others.
    ///
    /// # Errors
    /// [`Error::Argument`] for no tensors, [`Error::Dim`] for a dimension out of range or 0-d tensors, [`Error::Shape`]
    /// for tensors whose other sizes differ from the first one's.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (a, b) = (Tensor::from([[1], [2]]), Tensor::from([[3, 4], [5, 6]]));
    /// assert_eq!(Tensor::cat(&[&a, &b], 1)?, Tensor::from([[1, 3, 4], [2, 5, 6]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn cat<T: Borrow<Tensor>>(tensors: &[T], dim: isize) -> Result<Tensor> {
        let op = "cat";
        let all: Vec<&Tensor> = tensors.iter().map(Borrow::borrow).collect();
        if let Some(i) = all.iter().position(|x| x.dim() == 0) {
            return Err(Error::shape(op, format!("tensor {i} to have a dimension"), all[i].shape()));
        }
        let parts: Vec<&Tensor> = all.iter().copied().filter(|x| *x.shape() != [0]).collect();
        let Some(first) = parts.first().or(all.first()) else {
            return Err(Error::argument(op, "needs at least one tensor"));
        };
        let d = first.shape().dim(op, dim)?;
        let (mut size, without) = (0_usize, first.shape().reduced(d, 0));
        for x in &parts {
            if x.dim() != without.rank() || x.shape().reduced(d, 0) != without {
                let i = all.iter().position(|y| std::ptr::eq(*x, *y)).unwrap_or_default();
                let expected = format!("tensor {i} of shape {} apart from dimension {d}", first.shape());
                return Err(Error::shape(op, expected, x.shape()));
            }
            size = size.saturating_add(x.shape()[d]);
        }
        let value = joined(op, &parts, common_dtype(&all), without.with(op, d, size)?, d)?;
        let mut start = 0;
        let mut edges = Vec::new();
        for x in parts {
            let length = x.shape()[d];
            edges.extend(edge(x, &(d, start, length), |g, &(d, start, length)| {
                Ok(g.sliced("SliceBackward0", d, start, 1, length))
            }));
            start += length;
        }
        Ok(record_many("CatBackward0", value, edges))
    }

    /// Tensors of one shape one after the other along a new dimension.
    ///
    /// [`torch.stack`](https://docs.pytorch.org/docs/stable/generated/torch.stack.html). Dtypes promote.
    ///
    /// # Errors
    /// [`Error::Argument`] for no tensors, [`Error::Dim`] for a dimension out of range, [`Error::Shape`] for shapes that
    /// differ.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (a, b) = (Tensor::from([1, 2]), Tensor::from([3, 4]));
    /// assert_eq!(Tensor::stack(&[&a, &b], 0)?, Tensor::from([[1, 2], [3, 4]]));
    /// assert_eq!(Tensor::stack(&[&a, &b], 1)?, Tensor::from([[1, 3], [2, 4]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn stack<T: Borrow<Tensor>>(tensors: &[T], dim: isize) -> Result<Tensor> {
        let op = "stack";
        let parts: Vec<&Tensor> = tensors.iter().map(Borrow::borrow).collect();
        let Some(first) = parts.first() else {
            return Err(Error::argument(op, "needs at least one tensor"));
        };
        if let Some(other) = parts.iter().find(|x| x.shape() != first.shape()) {
            return Err(Error::shape(op, format!("shape {} as the first", first.shape()), other.shape()));
        }
        let d = first.new_dim(op, dim)?;
        let shape = first.shape().unsqueeze(d).with(op, d, parts.len())?;
        let value = joined(op, &parts, common_dtype(&parts), shape, d)?;
        let edges = parts
            .iter()
            .enumerate()
            .filter_map(|(i, x)| edge(x, &(d, i), |g, &(d, i)| Ok(g.selected("SelectBackward0", d, i))));
        Ok(record_many("StackBackward0", value, edges.collect()))
    }

    /// Views of parts of a dimension: all of one size but the last, or of the sizes given.
    ///
    /// [`torch.split`](https://docs.pytorch.org/docs/stable/generated/torch.split.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for parts of size 0 of what is not empty, and
    /// for sizes that do not sum to the dimension's.
    ///
    /// ```
    /// use downhill::{Tensor, arange};
    /// let x = arange(0, 5, 1)?;
    /// let parts = x.split(2, 0)?;
    /// assert_eq!(parts[2], Tensor::from([4]));
    /// assert_eq!(Tensor::cat(&parts, 0)?, x);
    /// assert_eq!(x.split([1, 4], 0)?[0], Tensor::from([0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn split(&self, parts: impl Into<Parts>, dim: isize) -> Result<Vec<Tensor>> {
        let d = self.nonscalar_dim("split", dim)?;
        let size = self.shape()[d];
        match parts.into() {
            Parts::Size(0) if size > 0 => Err(Error::argument(
                "split",
                format!("parts of size 0 do not make up a dimension of size {size}"),
            )),
            Parts::Size(part) => self.cut("split", "SplitBackward0", d, even(size, part)),
            Parts::Sizes(sizes) => {
                if sizes.iter().try_fold(0_usize, |sum, &s| sum.checked_add(s)) != Some(size) {
                    let message =
                        format!("sizes {sizes:?} do not sum to {size}, the size of dimension {dim}");
                    return Err(Error::argument("split", message));
                }
                self.cut("split", "SplitWithSizesBackward0", d, sizes.into_iter())
            }
        }
    }

    /// Views of `chunks` parts of a dimension, as even as parts of one size (but the last) can be; there may be fewer.
    ///
    /// [`torch.chunk`](https://docs.pytorch.org/docs/stable/generated/torch.chunk.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for 0 chunks.
    ///
    /// ```
    /// let parts = downhill::arange(0, 6, 1)?.chunk(4, 0)?;
    /// assert_eq!(parts.len(), 3);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn chunk(&self, chunks: usize, dim: isize) -> Result<Vec<Tensor>> {
        let d = self.nonscalar_dim("chunk", dim)?;
        let size = self.shape()[d];
        if chunks == 0 {
            return Err(Error::argument("chunk", "needs at least one chunk, but got 0"));
        }
        // PyTorch's answer for an empty dimension: that many empty parts.
        if size == 0 {
            return self.cut("chunk", "SplitBackward0", d, std::iter::repeat_n(0, chunks));
        }
        self.cut("chunk", "SplitBackward0", d, even(size, size.div_ceil(chunks)))
    }

    /// `N` views of equal parts of a dimension: `let [reset, update] = gates.chunks(1)?;`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for a size that `N` does not divide.
    ///
    /// ```
    /// let [a, b] = downhill::arange(0, 6, 1)?.chunks(0)?;
    /// assert_eq!((a.to_vec::<i64>()?, b.to_vec::<i64>()?), (vec![0, 1, 2], vec![3, 4, 5]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn chunks<const N: usize>(&self, dim: isize) -> Result<[Tensor; N]> {
        let d = self.nonscalar_dim("chunks", dim)?;
        let size = self.shape()[d];
        let parts = if size.is_multiple_of(N.max(1)) { self.chunk(N, dim)? } else { Vec::new() };
        parts.try_into().map_err(|_| {
            Error::argument("chunks", format!("{N} equal parts do not make up a dimension of size {size}"))
        })
    }

    fn cut(
        &self,
        op: &'static str,
        name: &'static str,
        d: usize,
        sizes: impl ExactSizeIterator<Item = usize>,
    ) -> Result<Vec<Tensor>> {
        let mut start = 0;
        views(
            op,
            sizes.map(|length| {
                let part = self.sliced(name, d, start, 1, length);
                start += length;
                part
            }),
        )
    }

    /// Views of the entries of a dimension, which disappears.
    ///
    /// [`torch.unbind`](https://docs.pytorch.org/docs/stable/generated/torch.unbind.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let columns = Tensor::from([[1, 2], [3, 4]]).unbind(1)?;
    /// assert_eq!(columns[0], Tensor::from([1, 3]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn unbind(&self, dim: isize) -> Result<Vec<Tensor>> {
        let d = self.nonscalar_dim("unbind", dim)?;
        views("unbind", (0..self.shape()[d]).map(|i| self.selected("UnbindBackward0", d, i)))
    }

    /// Copies side by side, so many along each dimension; further leading numbers make new dimensions.
    ///
    /// [`torch.Tensor.repeat`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.repeat.html);
    /// [`expand`](Self::expand) repeats without a copy.
    ///
    /// # Errors
    /// [`Error::Argument`] for fewer numbers than dimensions, and for a result that is too large, [`Error::Memory`].
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 2]).repeat(&[2, 2])?, Tensor::from([[1, 2, 1, 2], [1, 2, 1, 2]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn repeat(&self, repeats: &[usize]) -> Result<Tensor> {
        let Some(new) = repeats.len().checked_sub(self.dim()) else {
            let message = format!("{repeats:?} has fewer numbers than shape {} has dimensions", self.shape());
            return Err(Error::argument("repeat", message));
        };
        let sizes = [&vec![1; new][..], self.shape()].concat();
        let mut x = self.reshape(&Shape::new("repeat", &sizes)?)?;
        let all = sizes.iter().zip(repeats).map(|(size, &times)| size.saturating_mul(times));
        Shape::new("repeat", &all.collect::<Vec<_>>())?;
        for (d, (&size, &times)) in sizes.iter().zip(repeats).enumerate() {
            if times > 1 && size > 0 {
                x = x.repeated(d, times)?;
            } else if times != 1 {
                x = x.rearranged("repeat", "RepeatBackward0", d, size.checked_mul(times), |i| i % size)?;
            }
        }
        Ok(x)
    }

    /// Each entry of a dimension so many times in a row.
    ///
    /// [`torch.repeat_interleave`](https://docs.pytorch.org/docs/stable/generated/torch.repeat_interleave.html) with
    /// one number; for a number per entry, see [`index_select`](Self::index_select).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 2]).repeat_interleave(2, 0)?, Tensor::from([1, 1, 2, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn repeat_interleave(&self, repeats: usize, dim: isize) -> Result<Tensor> {
        let op = "repeat_interleave";
        let d = self.nonscalar_dim(op, dim)?;
        let size = self.shape()[d].checked_mul(repeats);
        self.rearranged(op, "IndexSelectBackward0", d, size, |i| i / repeats.max(1))
    }

    /// The entries of these dimensions in reverse order.
    ///
    /// [`torch.flip`](https://docs.pytorch.org/docs/stable/generated/torch.flip.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for one named twice.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).flip(1)?, Tensor::from([[2, 1], [4, 3]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn flip(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = dims.into();
        let mask = self.shape().dims("flip", &dims)?.0;
        let mut x = self.clone();
        for d in (0..self.dim()).filter(|&d| mask[d] && !dims.is_empty()) {
            x = x.flipped(d)?;
        }
        Ok(x)
    }

    /// The entries of a dimension so many times: a view of which a copy is made, which takes a tenth of a list of places.
    #[inline]
    fn repeated(&self, d: usize, times: usize) -> Result<Tensor> {
        let shape = *self.shape();
        let long = shape.with("repeat", d, shape[d].saturating_mul(times))?;
        let (outer, row) = (shape[..d].iter().product::<usize>(), shape[d..].iter().product::<usize>());
        let rows = self.detach().reshape([outer, 1, row])?.expand([outer, times, row])?;
        let value = rows.value().contiguous("repeat")?;
        let value = value.with_layout(Layout::contiguous(long));
        let back = edge(self, &shape, move |g, shape| {
            g.reshape([outer, times, row])?.sum_dim(1, false)?.reshape(shape)
        });
        Ok(record("RepeatBackward0", value, [back]))
    }

    /// Without a list of places, which takes ten times as long along a dimension of a million.
    #[inline]
    fn flipped(&self, d: usize) -> Result<Tensor> {
        let (op, extents) = ("flip", [self.shape()[d], self.shape()[d + 1..].iter().product()]);
        let x = self.value().contiguous(op)?;
        let value = dispatch!(x.dtype(), T => Array::build(op, *x.shape(), |out: &mut [T]| {
            if !out.is_empty() {
                kernel::flip(x.slice().unwrap_or_default(), extents, out);
            }
        }))?;
        Ok(record("FlipBackward0", value, [edge(self, &d, |g, &d| g.flipped(d))]))
    }

    /// Entry `i` of dimension `d`, which gets this size, is entry `from(i)` of this tensor.
    #[inline]
    fn rearranged(
        &self,
        op: &'static str,
        name: &'static str,
        d: usize,
        size: Option<usize>,
        from: impl Fn(usize) -> usize,
    ) -> Result<Tensor> {
        let shape = self.shape().with(op, d, size.unwrap_or(usize::MAX))?;
        let list = Arc::new(memory::collect(op, (0..shape[d]).map(from))?);
        picked(op, name, self, &Rows::of(self.shape(), d, list), shape)
    }
}

/// So many views, each of which takes memory of its own.
fn views(op: &'static str, parts: impl ExactSizeIterator<Item = Tensor>) -> Result<Vec<Tensor>> {
    memory::check::<[u64; 32]>(op, parts.len())?;
    memory::collect(op, parts)
}

/// The sizes of parts of `size`: one part, even if that is empty.
fn even(size: usize, part: usize) -> impl ExactSizeIterator<Item = usize> {
    let part = part.clamp(1, size.max(1));
    (0..size.div_ceil(part).max(1)).map(move |i| part.min(size - i * part))
}
