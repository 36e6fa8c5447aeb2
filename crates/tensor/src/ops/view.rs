//! Views: other shapes over the same memory. None copies but `reshape` and `contiguous`, and those only if they must.

use crate::autograd::edge;
use crate::autograd::node::{Edge, record};
use crate::error::{fallible, or_panic};
use crate::layout::Layout;
use crate::shape::{Dims, IntoShape, MAX_RANK, Mask};
use crate::{DType, Error, Result, Shape, Tensor};

/// The sizes asked of `reshape`, `view` and `expand`: −1 stands for "the rest" or "as it is".
#[derive(Clone, Debug)]
pub struct Sizes(Vec<i64>);

macro_rules! sizes {
    ($($type:ty),*) => {$(
        impl<const N: usize> From<[$type; N]> for Sizes {
            fn from(sizes: [$type; N]) -> Self {
                Self(sizes.iter().map(|&s| i64::try_from(s).unwrap_or(i64::MAX)).collect())
            }
        }
        impl<const N: usize> From<&[$type; N]> for Sizes {
            fn from(sizes: &[$type; N]) -> Self {
                Self(sizes.iter().map(|&s| i64::try_from(s).unwrap_or(i64::MAX)).collect())
            }
        }
        impl From<&[$type]> for Sizes {
            fn from(sizes: &[$type]) -> Self {
                Self(sizes.iter().map(|&s| i64::try_from(s).unwrap_or(i64::MAX)).collect())
            }
        }
        impl From<Vec<$type>> for Sizes {
            fn from(sizes: Vec<$type>) -> Self {
                Self::from(&sizes[..])
            }
        }
        impl From<$type> for Sizes {
            fn from(size: $type) -> Self {
                Self(vec![i64::try_from(size).unwrap_or(i64::MAX)])
            }
        }
    )*};
}
sizes!(i32, i64, isize, usize);

impl From<&Shape> for Sizes {
    fn from(shape: &Shape) -> Self {
        Self::from(&**shape)
    }
}

impl From<()> for Sizes {
    fn from((): ()) -> Self {
        Self(Vec::new())
    }
}

impl Sizes {
    /// The shape of `numel` elements that is meant.
    fn infer(&self, op: &'static str, numel: usize) -> Result<Shape> {
        let sizes = &self.0;
        let bad = |what: &str| {
            Err(Error::argument(op, format!("shape {sizes:?} {what} for a tensor of {numel} elements")))
        };
        let unknown = sizes.iter().filter(|&&s| s == -1).count();
        if unknown > 1 || sizes.iter().any(|&s| s < -1) {
            return bad("is invalid (one size may be -1, others must not be negative)");
        }
        let known = sizes.iter().filter(|&&s| s != -1).try_fold(1_usize, |n, &s| n.checked_mul(s as usize));
        let Some(known) = known else { return bad("is too large") };
        let rest = match (unknown, known) {
            (0, _) if known == numel => 0,
            (1, 1..) if numel.is_multiple_of(known) => numel / known,
            (1, 0) if numel == 0 => return bad("is ambiguous"),
            _ => return bad("is invalid"),
        };
        let dims: Vec<_> = sizes.iter().map(|&s| if s == -1 { rest } else { s as usize }).collect();
        Shape::new(op, &dims)
    }
}

/// An index counted from the front, from one that may be negative.
pub(crate) fn wrapped(op: &'static str, index: i64, size: usize) -> Result<usize> {
    let at = if index < 0 { index + size as i64 } else { index };
    if at < 0 || at as usize >= size { Err(Error::Index { op, index, size }) } else { Ok(at as usize) }
}

/// Shapes and views.
impl Tensor {
    fn viewed<const N: usize>(&self, name: &'static str, layout: Layout, edges: [Option<Edge>; N]) -> Tensor {
        record(name, self.value().with_layout(layout), edges)
    }

    fn reshaped(&self, name: &'static str, layout: Layout) -> Tensor {
        let back = edge(self, self.shape(), |g, shape| g.reshape(shape));
        self.viewed(name, layout, [back])
    }

    /// These elements in row-major order under another shape; one size may be −1. Copies only if it must.
    ///
    /// [`torch.reshape`](https://docs.pytorch.org/docs/stable/generated/torch.reshape.html).
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape of another number of elements, [`Error::Memory`] for the copy.
    ///
    /// ```
    /// let x = downhill::arange(0, 6, 1)?.reshape([2, -1])?;
    /// assert_eq!(x.shape(), &[2, 3]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn reshape(&self, sizes: impl Into<Sizes>) -> Result<Tensor> {
        let shape = sizes.into().infer("reshape", self.numel())?;
        if let Some(layout) = self.value().layout.view(&shape) {
            return Ok(self.reshaped("ViewBackward0", layout));
        }
        let dense = self.value().contiguous("reshape")?.with_layout(Layout::contiguous(shape));
        let back = edge(self, self.shape(), |g, shape| g.reshape(shape));
        Ok(record("UnsafeViewBackward0", dense, [back]))
    }

    /// [`reshape`](Self::reshape), but an error where it would copy.
    ///
    /// [`torch.Tensor.view`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.view.html).
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape of another number of elements, or one that these strides do not allow.
    ///
    /// ```
    /// let x = downhill::arange(0, 6, 1)?.view([2, 3])?;
    /// assert!(x.t()?.view([6]).is_err());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn view(&self, sizes: impl Into<Sizes>) -> Result<Tensor> {
        let shape = sizes.into().infer("view", self.numel())?;
        let layout = self.value().layout.view(&shape).ok_or_else(|| {
            let message =
                format!("shape {shape} does not fit the strides of shape {} (reshape copies)", self.shape());
            Error::argument("view", message)
        })?;
        Ok(self.reshaped("ViewBackward0", layout))
    }

    /// Dimensions `start..=end` become one.
    ///
    /// [`torch.flatten`](https://docs.pytorch.org/docs/stable/generated/torch.flatten.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for dimensions out of range, [`Error::Argument`] for `start` after `end`.
    ///
    /// ```
    /// assert_eq!(downhill::zeros([2, 3, 4])?.flatten(1, -1)?.shape(), &[2, 12]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "ravel")]
    pub fn flatten(&self, start: isize, end: isize) -> Result<Tensor> {
        let shape = self.shape();
        let (a, b) = (shape.dim("flatten", start)?, shape.dim("flatten", end)?);
        if a > b {
            return Err(Error::argument("flatten", format!("start_dim {start} comes after end_dim {end}")));
        }
        if shape.rank() == 0 {
            return self.reshape([1]);
        }
        if a == b {
            return Ok(self.clone());
        }
        let mut flat = Shape::SCALAR;
        shape[..a].iter().for_each(|&d| flat.push(d));
        flat.push(shape[a..=b].iter().product());
        shape[b + 1..].iter().for_each(|&d| flat.push(d));
        self.reshape(&flat)
    }

    /// Exchanges two dimensions.
    ///
    /// [`torch.transpose`](https://docs.pytorch.org/docs/stable/generated/torch.transpose.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for dimensions out of range.
    ///
    /// ```
    /// assert_eq!(downhill::zeros([2, 3, 4])?.transpose(0, -1)?.shape(), &[4, 3, 2]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "swapaxes")]
    pub fn transpose(&self, dim0: isize, dim1: isize) -> Result<Tensor> {
        self.exchanged("TransposeBackward0", "transpose", dim0, dim1)
    }

    /// The transpose of a matrix; tensors of fewer dimensions stay as they are.
    ///
    /// [`torch.t`](https://docs.pytorch.org/docs/stable/generated/torch.t.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for more than two dimensions.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[1, 2]]).t()?, downhill::Tensor::from([[1], [2]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn t(&self) -> Result<Tensor> {
        match self.dim() {
            0 | 1 => Ok(self.clone()),
            2 => self.exchanged("TBackward0", "t", 0, 1),
            _ => Err(Error::shape("t", "at most two dimensions", self.shape())),
        }
    }

    fn exchanged(&self, name: &'static str, op: &'static str, dim0: isize, dim1: isize) -> Result<Tensor> {
        let (a, b) = (self.shape().dim(op, dim0)?, self.shape().dim(op, dim1)?);
        if self.dim() == 0 {
            return Ok(self.reshaped(name, self.value().layout));
        }
        let mut order: [usize; MAX_RANK] = std::array::from_fn(|i| i);
        order.swap(a, b);
        let layout = self.value().layout.permute(&order[..self.dim()]);
        let back = edge(self, &(a, b), |g, &(a, b)| g.transpose(a as isize, b as isize));
        Ok(self.viewed(name, layout, [back]))
    }

    /// Dimension `i` of the result is dimension `dims[i]` of this tensor.
    ///
    /// [`torch.permute`](https://docs.pytorch.org/docs/stable/generated/torch.permute.html).
    ///
    /// # Errors
    /// [`Error::Argument`] unless `dims` names every dimension once, [`Error::Dim`] for one out of range.
    ///
    /// ```
    /// assert_eq!(downhill::zeros([2, 3, 4])?.permute([2, 0, 1])?.shape(), &[4, 2, 3]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn permute(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = dims.into();
        if dims.len() != self.dim() {
            let message = format!("{:?} does not name each dimension of shape {} once", &*dims, self.shape());
            return Err(Error::argument("permute", message));
        }
        self.shape().dims("permute", &dims)?;
        let order = dims.iter().map(|&d| self.shape().dim("permute", d)).collect::<Result<Vec<_>>>()?;
        let mut inverse = vec![0_isize; order.len()];
        order.iter().enumerate().for_each(|(to, &from)| inverse[from] = to as isize);
        let layout = self.value().layout.permute(&order);
        let back = edge(self, &inverse, |g, inverse| g.permute(&inverse[..]));
        Ok(self.viewed("PermuteBackward0", layout, [back]))
    }

    /// Without the dimensions of size 1.
    ///
    /// [`torch.squeeze`](https://docs.pytorch.org/docs/stable/generated/torch.squeeze.html).
    ///
    /// ```
    /// assert_eq!(downhill::zeros([1, 2, 1])?.squeeze().shape(), &[2]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    pub fn squeeze(&self) -> Tensor {
        let mut drop = [false; MAX_RANK];
        self.shape().iter().zip(&mut drop).for_each(|(&d, drop)| *drop = d == 1);
        self.reshaped("SqueezeBackward0", self.value().layout.squeeze(&drop))
    }

    /// Without these dimensions where their size is 1.
    ///
    /// # Errors
    /// [`Error::Dim`] for dimensions out of range, [`Error::Argument`] for one named twice.
    ///
    /// ```
    /// assert_eq!(downhill::zeros([1, 2, 1])?.squeeze_dim(-1)?.shape(), &[1, 2]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn squeeze_dim(&self, dims: impl Into<Dims>) -> Result<Tensor> {
        let dims = dims.into();
        let name = if dims.len() == 1 { "SqueezeBackward1" } else { "SqueezeBackward2" };
        if dims.is_empty() {
            return Ok(self.reshaped(name, self.value().layout));
        }
        let mut drop = self.shape().dims("squeeze", &dims)?.0;
        self.shape().iter().zip(&mut drop).for_each(|(&d, drop)| *drop &= d == 1);
        Ok(self.reshaped(name, self.value().layout.squeeze(&drop)))
    }

    /// With a new dimension of size 1 at `dim`.
    ///
    /// [`torch.unsqueeze`](https://docs.pytorch.org/docs/stable/generated/torch.unsqueeze.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] beyond the most dimensions there can be.
    ///
    /// ```
    /// assert_eq!(downhill::zeros([2])?.unsqueeze(-1)?.shape(), &[2, 1]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn unsqueeze(&self, dim: isize) -> Result<Tensor> {
        let at = self.new_dim("unsqueeze", dim)?;
        Ok(self.reshaped("UnsqueezeBackward0", self.value().layout.unsqueeze(at)))
    }

    /// Repeats dimensions of size 1, and new leading ones, without a copy; −1 keeps a size.
    ///
    /// [`torch.Tensor.expand`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.expand.html).
    ///
    /// # Errors
    /// [`Error::Argument`] for sizes that this shape does not expand to.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[1], [2]]).expand([-1, 3])?.to_vec::<i64>()?, [1, 1, 1, 2, 2, 2]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "expand_as")]
    pub fn expand(&self, sizes: impl Into<Sizes>) -> Result<Tensor> {
        let Sizes(sizes) = sizes.into();
        let from = self.shape();
        let fails = || Error::argument("expand", format!("shape {from} does not expand to {sizes:?}"));
        let lead = sizes.len().checked_sub(from.rank()).ok_or_else(fails)?;
        let mut dims = Vec::with_capacity(sizes.len());
        for (i, &size) in sizes.iter().enumerate() {
            let old = i.checked_sub(lead).map(|d| from[d]);
            dims.push(match (size, old) {
                (-1, Some(old)) => old,
                (0.., Some(old)) if old == 1 || old == size as usize => size as usize,
                (0.., None) => size as usize,
                _ => return Err(fails()),
            });
        }
        Ok(self.expanded(&Shape::new("expand", &dims)?))
    }

    /// For a shape that this one is known to broadcast to.
    pub(crate) fn expanded(&self, shape: &Shape) -> Tensor {
        let back = edge(self, &(), |g, ()| Ok((**g).clone()));
        self.viewed("ExpandBackward0", self.value().layout.expand(shape), [back])
    }

    /// [`expand`](Self::expand) to a shape.
    ///
    /// [`torch.broadcast_to`](https://docs.pytorch.org/docs/stable/generated/torch.broadcast_to.html).
    ///
    /// # Errors
    /// As [`expand`](Self::expand).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 2]).broadcast_to([2, 2])?, downhill::Tensor::from([[1, 2], [1, 2]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn broadcast_to(&self, sizes: impl Into<Sizes>) -> Result<Tensor> {
        self.expand(sizes)
    }

    /// Entries `start..start + length` of a dimension; a negative start counts from the end.
    ///
    /// [`torch.narrow`](https://docs.pytorch.org/docs/stable/generated/torch.narrow.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for entries that there are not.
    ///
    /// ```
    /// assert_eq!(downhill::arange(0, 5, 1)?.narrow(0, 1, 2)?.to_vec::<i64>()?, [1, 2]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn narrow(&self, dim: isize, start: i64, length: usize) -> Result<Tensor> {
        let d = self.nonscalar_dim("narrow", dim)?;
        let size = self.shape()[d];
        let first = if start < 0 { start + size as i64 } else { start };
        if first < 0 || (first as usize).checked_add(length).is_none_or(|end| end > size) {
            let message = format!("start {start} and length {length} exceed dimension {dim} of size {size}");
            return Err(Error::argument("narrow", message));
        }
        Ok(self.sliced("SliceBackward0", d, first as usize, 1, length))
    }

    /// Entries `start, start + step, …` of dimension `d`; the bounds have been checked.
    pub(crate) fn sliced(
        &self,
        name: &'static str,
        d: usize,
        start: usize,
        step: usize,
        length: usize,
    ) -> Tensor {
        let layout = self.value().layout.slice(d, start, step, length);
        let saved = (*self.shape(), d, start, step);
        let back = edge(self, &saved, |g, &(shape, d, start, step)| g.embed(&shape, d, start, step));
        self.viewed(name, layout, [back])
    }

    /// Entry `index` of a dimension, which disappears; a negative index counts from the end.
    ///
    /// [`torch.select`](https://docs.pytorch.org/docs/stable/generated/torch.select.html).
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension, [`Error::Index`] for an index out of range.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[1, 2], [3, 4]]).select(0, -1)?, downhill::Tensor::from([3, 4]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn select(&self, dim: isize, index: i64) -> Result<Tensor> {
        let d = self.nonscalar_dim("select", dim)?;
        let at = wrapped("select", index, self.shape()[d])?;
        Ok(self.selected("SelectBackward0", d, at))
    }

    /// Entry `at` of dimension `d`; the bounds have been checked.
    pub(crate) fn selected(&self, name: &'static str, d: usize, at: usize) -> Tensor {
        let layout = self.value().layout.select(d, at);
        let back = edge(self, &(*self.shape(), d, at), |g, &(shape, d, at)| {
            g.unsqueeze(d as isize)?.embed(&shape, d, at, 1)
        });
        self.viewed(name, layout, [back])
    }

    /// Zeros of `shape` with this tensor at entries `start, start + step, …` of dimension `d`: what [`sliced`] undoes.
    fn embed(&self, shape: &Shape, d: usize, start: usize, step: usize) -> Result<Tensor> {
        let (op, length) = ("slice", self.shape()[d]);
        let mut value = self.filled(op, shape, 0)?.into_value();
        crate::dtype::dispatch!(self.dtype(), T => {
            let target = value.layout.slice(d, start, step, length);
            let source = self.value().contiguous(op)?;
            let out = value.make_mut::<T>(op)?;
            crate::kernel::map::unpack(
                source.slice::<T>().unwrap_or_default(), self.shape(), target.strides(),
                out.get_mut(target.offset..).unwrap_or_default(),
            );
        });
        let back = edge(self, &(d, start, step, length), |g, &(d, start, step, length)| {
            Ok(g.sliced("SliceBackward0", d, start, step, length))
        });
        Ok(record("SliceBackward0", value, [back]))
    }

    /// The place of a new dimension, counted from the front.
    pub(crate) fn new_dim(&self, op: &'static str, dim: isize) -> Result<usize> {
        let rank = self.dim() as isize + 1;
        if !(-rank..rank).contains(&dim) {
            return Err(Error::Dim { op, dim, rank: self.dim() });
        }
        if rank as usize > MAX_RANK {
            return Err(Error::argument(op, format!("at most {MAX_RANK} dimensions are supported")));
        }
        Ok(if dim < 0 { dim + rank } else { dim } as usize)
    }

    /// A dimension of a tensor that has one.
    pub(crate) fn nonscalar_dim(&self, op: &'static str, dim: isize) -> Result<usize> {
        if self.dim() == 0 {
            return Err(Error::Dim { op, dim, rank: 0 });
        }
        self.shape().dim(op, dim)
    }

    fallible! {
        /// Itself if its elements lie in row-major order, otherwise a copy in which they do.
        ///
        /// [`torch.Tensor.contiguous`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.contiguous.html).
        ///
        /// ```
        /// let x = downhill::Tensor::from([[1, 2], [3, 4]]).t()?.contiguous();
        /// assert!(x.is_contiguous());
        /// # Ok::<(), downhill::Error>(())
        /// ```
        contiguous try_contiguous |self| {
            if self.is_contiguous() {
                return Ok(self.clone());
            }
            let back = edge(self, &(), |g, ()| Ok((**g).clone()));
            Ok(record("CloneBackward0", self.value().contiguous("contiguous")?, [back]))
        };
    }

    /// The elements converted to another dtype: floats to integers towards zero, anything to `bool` by `!= 0`.
    ///
    /// [`torch.Tensor.to`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.to.html).
    ///
    /// # Panics
    /// If there is no memory, with the text of the error that [`try_to_dtype`](Self::try_to_dtype) returns.
    ///
    /// ```
    /// use downhill::{DType, Tensor};
    /// assert_eq!(Tensor::from([1.7_f32, -1.7]).to_dtype(DType::I64), Tensor::from([1, -1]));
    /// ```
    #[must_use]
    #[track_caller]
    #[doc(alias = "to")]
    #[doc(alias = "type")]
    #[doc(alias = "float")]
    #[doc(alias = "double")]
    #[doc(alias = "long")]
    pub fn to_dtype(&self, dtype: DType) -> Tensor {
        or_panic(self.try_to_dtype(dtype))
    }

    /// [`to_dtype`](Self::to_dtype) that returns an error if there is no memory.
    ///
    /// # Errors
    /// [`Error::Memory`].
    ///
    /// ```
    /// use downhill::{DType, Tensor};
    /// assert_eq!(Tensor::from([1, 2]).try_to_dtype(DType::F32)?, Tensor::from([1.0_f32, 2.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn try_to_dtype(&self, dtype: DType) -> Result<Tensor> {
        if dtype == self.dtype() {
            return Ok(self.clone());
        }
        let value = self.value().to_dtype("to_dtype", dtype)?;
        if !dtype.is_float() {
            return Ok(Tensor::constant(value));
        }
        // The engine casts the gradient back.
        Ok(record("ToCopyBackward0", value, [edge(self, &(), |g, ()| Ok((**g).clone()))]))
    }

    /// Summed over what broadcasting had repeated: the inverse of [`expand`](Self::expand) for gradients.
    pub(crate) fn sum_to(&self, shape: &Shape) -> Result<Tensor> {
        if self.shape() == shape {
            return Ok(self.clone());
        }
        let lead = self.dim() - shape.rank();
        let repeated = |d: usize| d < lead || (shape[d - lead] == 1 && self.shape()[d] != 1);
        let mask = Mask(std::array::from_fn(|d| d < self.dim() && repeated(d)));
        if !mask.0.contains(&true) {
            return self.reshape(shape);
        }
        if mask.0[lead..].contains(&true) {
            self.sum_over(&mask, true)?.reshape(shape)
        } else {
            self.sum_over(&mask, false)
        }
    }
}

/// A shape like another tensor's, for methods that take sizes.
impl IntoShape for &Tensor {
    fn into_shape(self, _: &'static str) -> Result<Shape> {
        Ok(*self.shape())
    }
}
