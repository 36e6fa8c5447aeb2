//! Operations that others make, in value and derivative, without a loop of their own.

use crate::autograd::edge;
use crate::autograd::node::attach;
use crate::dtype::dispatch;
use crate::ops::operand::{Operand, Side, zip};
use crate::real::Real;
use crate::shape::Dims;
use crate::{DType, Error, Result, Shape, Tensor, full, memory, no_grad};
use std::borrow::Cow;

/// What [`Tensor::unique`] finds.
#[derive(Clone, Debug)]
pub struct Unique {
    /// Each value once, in increasing order.
    pub values: Tensor,
    /// The place in `values` of each element, in the tensor's shape.
    pub inverse: Tensor,
    /// How often each value occurs.
    pub counts: Tensor,
}

/// Operations composed of others.
impl Tensor {
    /// `self + weight · (end − self)`, on the way from here to `end`; from the other end where the weight is at least ½, so that 1 gives
    /// `end` exactly.
    ///
    /// [`torch.lerp`](https://docs.pytorch.org/docs/stable/generated/torch.lerp.html). Shapes broadcast.
    ///
    /// # Errors
    /// [`Error::DType`] unless they are floats, [`Error::DTypes`] for an end of another dtype, [`Error::Broadcast`].
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (a, b) = (Tensor::from([1.0_f32, 2.0]), Tensor::from([3.0_f32, 10.0]));
    /// assert_eq!(a.lerp(&b, 0.25)?, Tensor::from([1.5_f32, 4.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn lerp(&self, end: &Tensor, weight: impl Into<Operand>) -> Result<Tensor> {
        let (op, weight, dtype) = ("lerp", weight.into(), self.dtype());
        dtype.check_float(op)?;
        Error::check_same(op, ("start", dtype), ("end", end.dtype()))?;
        weight.check_range(op, dtype)?;
        if let Operand::Number(w) = weight {
            let shape = Shape::broadcast(op, self.shape(), end.shape())?;
            let ends = (self.value(), Side::Array(Cow::Borrowed(end.value())));
            let value = dispatch!(float dtype, T => {
                let w: T = w.cast();
                let (near, rest) = (Real::abs(w) < T::lit(0.5), T::lit(1.0) - w);
                zip::<T, T>(op, ends.0, &ends.1, &shape, |a, b| if near { a + (b - a) * w } else { b - (b - a) * rest })
            })?;
            let w = w.cast::<f64>();
            let edges = [edge(self, &(), move |g, ()| g.mul(1.0 - w)), edge(end, &(), move |g, ()| g.mul(w))];
            return Ok(attach("LerpBackward0", value, edges));
        }
        let w = weight.to_tensor(dtype)?;
        let d = end.sub(self)?;
        let from_end = end.sub(&d.mul(&w.neg()?.add(1)?)?)?;
        Tensor::where_(&w.try_abs()?.lt(0.5)?, &self.add(&d.mul(&w)?)?, &from_end)
    }

    /// All products of two vectors: element `[i, j]` is `self[i] · other[j]`.
    ///
    /// [`torch.outer`](https://docs.pytorch.org/docs/stable/generated/torch.outer.html).
    ///
    /// # Errors
    /// [`Error::Shape`] unless both are vectors.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 2]).outer(&Tensor::from([3, 4]))?, Tensor::from([[3, 4], [6, 8]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    #[doc(alias = "ger")]
    pub fn outer(&self, other: &Tensor) -> Result<Tensor> {
        for x in [self, other] {
            if x.dim() != 1 {
                return Err(Error::shape("outer", "a vector", x.shape()));
            }
        }
        self.unsqueeze(1)?.mul(&other.unsqueeze(0)?)
    }

    /// The entries of a dimension moved on by `shift` places; those that leave it at the end come in at the start.
    ///
    /// [`torch.roll`](https://docs.pytorch.org/docs/stable/generated/torch.roll.html) of one dimension; without one, PyTorch rolls the flat
    /// tensor: `x.flatten(0, -1)?.roll(1, 0)?.reshape(…)?`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 2, 3]).roll(1, 0)?, Tensor::from([3, 1, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn roll(&self, shift: i64, dim: isize) -> Result<Tensor> {
        let size = self.shape()[self.nonscalar_dim("roll", dim)?];
        let first = if size == 0 { 0 } else { (-i128::from(shift)).rem_euclid(size as i128) as usize };
        let part = |start: usize, length| self.detach().narrow(dim, start as i64, length);
        let value = no_grad(|| Tensor::cat(&[part(first, size - first)?, part(0, first)?], dim))?;
        let back = edge(self, &(first as i64, dim), |g, &(shift, dim)| g.roll(shift, dim));
        Ok(Tensor::from_op("RollBackward0", value, [back]))
    }

    /// The diagonal of a matrix as a vector, or the matrix of zeros whose diagonal a vector is; `diagonal` counts from the main one, upwards.
    ///
    /// [`torch.diag`](https://docs.pytorch.org/docs/stable/generated/torch.diag.html).
    ///
    /// # Errors
    /// [`Error::Shape`] unless it is a vector or a matrix, [`Error::Argument`] for a matrix that is too large.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).diag(0)?, Tensor::from([1, 4]));
    /// assert_eq!(Tensor::from([5]).diag(1)?, Tensor::from([[0, 5], [0, 0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    #[doc(alias = "diagonal")]
    #[doc(alias = "diag_embed")]
    pub fn diag(&self, diagonal: i64) -> Result<Tensor> {
        let op = "diag";
        let away = usize::try_from(diagonal.unsigned_abs()).unwrap_or(usize::MAX);
        let (down, right) = if diagonal < 0 { (away, 0) } else { (0, away) };
        let places = |length: usize| {
            let from =
                |start| Tensor::from_vec(memory::collect(op, (0..length).map(|i| start + i))?, [length]);
            Ok::<_, Error>([from(down)?, from(right)?])
        };
        match **self.shape() {
            [n] => {
                let size = n.saturating_add(away);
                let zeros = self.filled(op, &Shape::new(op, &[size, size])?, 0)?;
                zeros.index_put(&places(n)?, self, false)
            }
            [rows, columns] => {
                self.index(&places(rows.saturating_sub(down).min(columns.saturating_sub(right)))?)
            }
            _ => Err(Error::shape(op, "a vector or a matrix", self.shape())),
        }
    }

    /// The mean of the elements that are not NaN; NaN if all are.
    ///
    /// [`torch.nanmean`](https://docs.pytorch.org/docs/stable/generated/torch.nanmean.html).
    ///
    /// # Errors
    /// [`Error::DType`] unless they are floats.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1.0_f32, f32::NAN, 4.0]).nanmean()?, Tensor::from(2.5_f32));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn nanmean(&self) -> Result<Tensor> {
        let all: Vec<isize> = (0..self.dim() as isize).collect();
        self.nanmean_dim(&all[..], false)
    }

    /// [`nanmean`](Self::nanmean) over dimensions.
    ///
    /// # Errors
    /// [`Error::DType`] unless they are floats, [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, f32::NAN], [2.0, 4.0]]);
    /// assert_eq!(x.nanmean_dim(1, false)?, Tensor::from([1.0_f32, 3.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn nanmean_dim(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.dtype().check_float("nanmean")?;
        let (dims, missing) = (dims.into(), self.try_isnan()?);
        let sum = |x: &Tensor| if self.dim() == 0 { Ok(x.clone()) } else { x.sum_dim(dims.clone(), keepdim) };
        sum(&self.masked_fill(&missing, 0)?)?
            .div(&sum(&missing.try_logical_not()?.try_to_dtype(DType::I64)?)?)
    }

    /// The value below which the share `q` of all elements lies, between the two nearest in proportion; NaN if there is one.
    ///
    /// [`torch.quantile`](https://docs.pytorch.org/docs/stable/generated/torch.quantile.html) of one `q` with `interpolation="linear"`.
    ///
    /// # Errors
    /// [`Error::DType`] unless they are floats, [`Error::Argument`] for a `q` outside of [0, 1] and of no elements.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([4.0_f32, 1.0, 2.0]).quantile(0.75)?, Tensor::from(3.0_f32));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn quantile(&self, q: f64) -> Result<Tensor> {
        self.reshape(self.numel())?.quantile_dim(q, 0, false)
    }

    /// [`quantile`](Self::quantile) of each row along a dimension.
    ///
    /// # Errors
    /// As [`quantile`](Self::quantile), and [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, 2.0], [5.0, 3.0]]);
    /// assert_eq!(x.quantile_dim(0.5, 1, false)?, Tensor::from([1.5_f32, 4.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn quantile_dim(&self, q: f64, dim: isize, keepdim: bool) -> Result<Tensor> {
        let op = "quantile";
        self.dtype().check_float(op)?;
        let size = self.shape()[self.nonscalar_dim(op, dim)?];
        if !(0.0..=1.0).contains(&q) {
            return Err(Error::argument(op, format!("q must be in [0, 1], but got {q}")));
        }
        let Some(last) = size.checked_sub(1) else {
            return Err(Error::argument(op, "has no value of no elements"));
        };
        // In the tensor's precision, as in PyTorch: it decides between which two elements.
        let rank =
            if self.dtype() == DType::F32 { f64::from(q as f32 * last as f32) } else { q * last as f64 };
        let (sorted, _) = self.sort(dim, false)?;
        let entry = |at: f64| sorted.narrow(dim, (at as i64).min(last as i64), 1);
        let (below, top) = (entry(rank.floor())?, sorted.narrow(dim, last as i64, 1)?);
        let found = below.lerp(&entry(rank.ceil())?, rank - rank.floor())?;
        // NaN is sorted behind all others.
        let found = Tensor::where_(&top.try_isnan()?, &top, &found)?;
        if keepdim { Ok(found) } else { found.squeeze_dim(dim) }
    }

    /// How often each number from 0 on occurs in a vector, or the sum of the weights where it occurs. The result has `minlength` elements,
    /// more if there are larger numbers.
    ///
    /// [`torch.bincount`](https://docs.pytorch.org/docs/stable/generated/torch.bincount.html). Here the weights can be differentiated.
    ///
    /// # Errors
    /// [`Error::DType`] unless it is `int64`, [`Error::Shape`] unless it is a vector and the weights are as long, [`Error::Index`] for a
    /// negative number.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([0, 2, 2]).bincount(None, 4)?, Tensor::from([1, 0, 2, 0]));
    /// let weights = Tensor::from([0.5, 1.0, 2.0]);
    /// assert_eq!(Tensor::from([0, 2, 2]).bincount(Some(&weights), 0)?, Tensor::from([0.5, 0.0, 3.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn bincount(&self, weights: Option<&Tensor>, minlength: usize) -> Result<Tensor> {
        let op = "bincount";
        if self.dtype() != DType::I64 {
            return Err(Error::DType { op, expected: "int64 numbers", got: self.dtype() });
        }
        if self.dim() != 1 {
            return Err(Error::shape(op, "a vector", self.shape()));
        }
        if let Some(w) = weights.filter(|w| w.shape() != self.shape()) {
            return Err(Error::shape(op, format!("weights of shape {}", self.shape()), w.shape()));
        }
        let numbers = self.to_vec::<i64>()?;
        let length =
            numbers.iter().max().map_or(0, |&n| usize::try_from(n).map_or(0, |n| n.saturating_add(1)));
        if let Some(&index) = numbers.iter().find(|&&n| n < 0) {
            return Err(Error::Index { op, index, size: length });
        }
        let terms = match weights {
            None => self.try_ones_like()?,
            Some(w) if w.dtype().is_float() => w.clone(),
            Some(w) => w.try_to_dtype(DType::F64)?,
        };
        full(length.max(minlength), 0)?.try_to_dtype(terms.dtype())?.scatter_add(0, self, &terms)
    }

    /// The values that occur, where, and how often. Every NaN is a value of its own.
    ///
    /// [`torch.unique`](https://docs.pytorch.org/docs/stable/generated/torch.unique.html) with `return_inverse` and `return_counts`. It is a
    /// constant.
    ///
    /// # Errors
    /// [`Error::Memory`].
    ///
    /// ```
    /// use downhill::{Tensor, Unique};
    /// let Unique { values, inverse, counts } = Tensor::from([[7, 2], [2, 9]]).unique()?;
    /// assert_eq!(values, Tensor::from([2, 7, 9]));
    /// assert_eq!(inverse, Tensor::from([[1, 0], [0, 2]]));
    /// assert_eq!(counts, Tensor::from([2, 1, 1]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn unique(&self) -> Result<Unique> {
        let n = self.numel();
        let flat = self.detach().reshape(n)?;
        let (sorted, order) = flat.sort(0, false)?;
        let rest = n.saturating_sub(1);
        let changes = sorted.narrow(0, (n - rest) as i64, rest)?.ne(&sorted.narrow(0, 0, rest)?)?;
        let first = full(n - rest, true)?;
        let starts = Tensor::cat(&[&first, &changes], 0)?.try_nonzero()?.squeeze_dim(1)?;
        let steps =
            Tensor::cat(&[&first.try_to_dtype(DType::I64)?.sub(1)?, &changes.try_to_dtype(DType::I64)?], 0)?;
        let places = steps.cumsum(0)?;
        let inverse = order.try_zeros_like()?.scatter(0, &order, &places)?.reshape(self.shape())?;
        Ok(Unique { values: sorted.index_select(0, &starts)?, inverse, counts: places.bincount(None, 0)? })
    }
}
