//! Elements put, or added, where indices and slices name them: `index_put`, `index_add`, `slice_scatter`.

use crate::autograd::edge;
use crate::autograd::node::record;
use crate::construct::Number;
use crate::dtype::dispatch;
use crate::kernel::index as kernel;
use crate::kernel::map::place;
use crate::ops::index::{Located, Rows, check_bounds, check_index_dtype, picked};
use crate::ops::operand::Operand;
use crate::ops::slicing::IntoSlices;
use crate::{Element, Error, Result, Shape, Tensor, memory};
use std::sync::Arc;

/// `x` with its rows replaced by those of `source` or, to `add`, their sums. Where a row is named twice, the last one counts.
#[inline]
fn put_rows(
    op: &'static str,
    name: &'static str,
    x: &Tensor,
    rows: &Rows,
    source: &Tensor,
    add: bool,
) -> Result<Tensor> {
    let (dense, mut value) = (source.value().contiguous(op)?, x.value().clone());
    dispatch!(x.dtype(), T => {
        let join: fn(T, T) -> T = if add { Element::plus } else { |_, new| new };
        kernel::pick_back(dense.slice::<T>().unwrap_or_default(), &rows.pick(), value.make_mut(op)?, join);
    });
    let saved = (rows.clone(), *source.shape());
    let edges = [
        edge(x, &saved, move |g, (rows, shape)| {
            if add { Ok((**g).clone()) } else { put_rows(op, name, g, rows, &g.filled(op, shape, 0)?, false) }
        }),
        edge(source, &saved, move |g, (rows, shape)| picked(op, "IndexBackward0", g, rows, *shape)),
    ];
    Ok(record(name, value, edges))
}

fn check_dtype(op: &'static str, x: &Tensor, source: &Tensor) -> Result<()> {
    Error::check_same(op, ("tensor", x.dtype()), ("source", source.dtype()))
}

/// The source in this shape and dtype.
#[inline]
fn fitted(op: &'static str, x: &Tensor, source: &Operand, shape: &Shape) -> Result<Tensor> {
    if let Operand::Tensor(source) = source {
        check_dtype(op, x, source)?;
    }
    source.check_range(op, x.dtype())?;
    let source = source.to_tensor(x.dtype())?;
    let refused = |_| Error::shape(op, format!("a source that broadcasts to {shape}"), source.shape());
    source.expand(shape).map_err(refused)
}

/// Copies with other elements in some places.
impl Tensor {
    /// `self` with the elements of `source` (or the number) where [`index`](Self::index) would take them from: what `x[indices] = source`
    /// leaves in Python. With `accumulate` they are added to those that are there.
    ///
    /// The source broadcasts to the shape that `index` would give. Where an element is named twice, the last one counts, or all are
    /// added, in the order of the source. The gradient goes to all of them, as in PyTorch.
    ///
    /// [`torch.index_put`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.index_put.html).
    ///
    /// # Errors
    /// What [`index`](Self::index) refuses, [`Error::DTypes`] for a source of another dtype, [`Error::Shape`] for one that does not
    /// broadcast.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.index_put([&x.gt(2.0)?], 0, false)?, Tensor::from([[1.0_f32, 2.0], [0.0, 0.0]]));
    /// let (rows, ten) = (Tensor::from([1, 1]), Tensor::from([10.0_f32, 20.0]));
    /// assert_eq!(x.index_put([&rows], &ten, true)?, Tensor::from([[1.0_f32, 2.0], [23.0, 44.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    #[doc(alias = "__setitem__")]
    pub fn index_put<'a, I>(
        &self,
        indices: impl IntoIterator<Item = I>,
        source: impl Into<Operand>,
        accumulate: bool,
    ) -> Result<Tensor>
    where
        I: Into<Option<&'a Tensor>>,
    {
        let (op, name) = ("index_put", "IndexPutBackward0");
        let Some(Located { order, rows, shape }) = self.located(op, indices)? else {
            let all = memory::collect(op, 0..self.numel())?;
            return self.put_at(op, name, all, self.shape(), &source.into(), accumulate);
        };
        let source = fitted(op, self, &source.into(), &shape)?;
        let Some(order) = order else { return put_rows(op, name, self, &rows, &source, accumulate) };
        let put = put_rows(op, name, &self.permute(&order[..])?, &rows, &source, accumulate)?;
        let mut back: Vec<_> = (0..order.len() as isize).collect();
        back.sort_by_key(|&d| order[d as usize]);
        put.permute(&back[..])
    }

    /// `self` with the elements of `source` (or the number) where [`slice`](Self::slice) would take them from: what `x[1:3] = source`
    /// leaves in Python.
    ///
    /// The source broadcasts to the shape of the slice. Its gradient is that of the slice; that of `self` is 0 there.
    ///
    /// [`torch.slice_scatter`](https://docs.pytorch.org/docs/stable/generated/torch.slice_scatter.html), with an integer
    /// [`torch.select_scatter`](https://docs.pytorch.org/docs/stable/generated/torch.select_scatter.html), for several dimensions at once.
    ///
    /// # Errors
    /// What [`slice`](Self::slice) refuses, [`Error::DTypes`] for a source of another dtype, [`Error::Shape`] for one that does not
    /// broadcast.
    ///
    /// ```
    /// use downhill::{Tensor, zeros};
    /// let x = zeros([2, 3])?;
    /// assert_eq!(x.slice_scatter((.., 1..), 7)?, Tensor::from([[0.0_f32, 7.0, 7.0], [0.0, 7.0, 7.0]]));
    /// let row = Tensor::from([1.0_f32, 2.0, 3.0]);
    /// assert_eq!(x.slice_scatter(-1, &row)?, Tensor::from([[0.0_f32, 0.0, 0.0], [1.0, 2.0, 3.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    #[doc(alias = "select_scatter")]
    pub fn slice_scatter(&self, slices: impl IntoSlices, source: impl Into<Operand>) -> Result<Tensor> {
        let op = "slice_scatter";
        let dense = self.value().contiguous(op)?;
        let first = dense.layout.offset;
        let layout = Tensor::constant(dense).slice(slices)?.value().layout;
        let at = |i| layout.offset - first + place(&layout.shape, layout.strides(), i);
        let list = memory::collect(op, (0..layout.shape.numel()).map(at))?;
        self.put_at(op, "SliceScatterBackward0", list, &layout.shape, &source.into(), false)
    }

    /// The source, of this shape, at places of the elements in order.
    #[inline]
    fn put_at(
        &self,
        op: &'static str,
        name: &'static str,
        list: Vec<usize>,
        shape: &Shape,
        source: &Operand,
        add: bool,
    ) -> Result<Tensor> {
        let rows = Rows { list: Arc::new(list), n: self.numel(), inner: 1 };
        put_rows(op, name, self, &rows, &fitted(op, self, source, shape)?, add)
    }

    /// `self` with each row of `source` along dimension `dim` added to the row that `index` names:
    /// `self[index[i], j] += source[i, j]` for dimension 0.
    ///
    /// Sums are made in the order of the source, whatever the number of threads.
    /// [`torch.index_add`](https://docs.pytorch.org/docs/stable/generated/torch.index_add.html).
    ///
    /// # Errors
    /// [`Error::DType`] unless the index is `i64`, [`Error::DTypes`] for a source of another dtype, [`Error::Shape`] for an index of several dimensions
    /// and a source of another shape than [`index_select`](Self::index_select) would give, [`Error::Index`] for a row that there is not,
    /// or a negative one.
    ///
    /// ```
    /// use downhill::{Tensor, ones};
    /// let x = ones([3, 2])?.index_add(0, &Tensor::from([2, 0, 2]), &Tensor::from([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]]))?;
    /// assert_eq!(x, Tensor::from([[4.0_f32, 5.0], [1.0, 1.0], [7.0, 9.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn index_add(&self, dim: isize, index: &Tensor, source: &Tensor) -> Result<Tensor> {
        let op = "index_add";
        let d = self.shape().dim(op, dim)?;
        check_index_dtype(op, index)?;
        if index.dim() > 1 {
            return Err(Error::shape(op, "an index of one dimension", index.shape()));
        }
        check_dtype(op, self, source)?;
        let index = index.value().to_vec::<i64>(op)?;
        check_bounds(op, &index, self.shape().get(d).copied().unwrap_or(1))?;
        let list = Arc::new(memory::collect(op, index.iter().map(|&i| i as usize))?);
        let (rows, shape) = if self.dim() == 0 {
            (Rows { n: 1, inner: 1, list: list.clone() }, Shape::SCALAR)
        } else {
            (Rows::of(self.shape(), d, list.clone()), self.shape().with(op, d, list.len())?)
        };
        // One number of a vector may be without a dimension.
        let scalar = source.dim() == 0 && self.dim() <= 1;
        if list.len() != 1 && self.dim() == 0 || *source.shape() != shape && !(scalar && list.len() == 1) {
            let expected = format!("a source of shape {shape}, for {} indices", list.len());
            return Err(Error::shape(op, expected, source.shape()));
        }
        put_rows(op, "IndexAddBackward0", self, &rows, source, true)
    }

    /// [`index_add`](Self::index_add) of `alpha` times the source: `torch.index_add(…, alpha=…)`.
    ///
    /// # Errors
    /// As [`index_add`](Self::index_add), and [`Error::Argument`] for a float `alpha` between integers.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([1, 2]).index_add_scaled(0, &Tensor::from([1]), &Tensor::from([10]), -1)?;
    /// assert_eq!(x, Tensor::from([1, -8]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn index_add_scaled(
        &self,
        dim: isize,
        index: &Tensor,
        source: &Tensor,
        alpha: impl Into<Number>,
    ) -> Result<Tensor> {
        let (alpha, dtype) = (alpha.into(), source.dtype());
        match alpha {
            Number::Float(a) if !dtype.is_float() => {
                let message = format!("alpha must be an integer for {dtype}, but is {a}");
                return Err(Error::argument("index_add", message));
            }
            _ => {}
        }
        let scaled = source.mul(alpha)?.try_to_dtype(dtype)?;
        self.index_add(dim, index, &scaled)
    }
}
