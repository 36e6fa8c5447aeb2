//! `x.slice((1.., 0))`: ranges and indices, a dimension each, as views.

use crate::ops::view::wrapped;
use crate::{Error, Result, Tensor};
use std::ops::{Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// What [`Tensor::slice`] takes of a dimension. Made from ranges and integers; negative numbers count from the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// Every `step`-th entry from `start` up to but without `end`; bounds beyond the dimension stand for its ends.
    Range {
        /// The first entry; by default, that of the dimension.
        start: Option<i64>,
        /// The one after the last; by default, the dimension's size.
        end: Option<i64>,
        /// 1 takes every entry.
        step: usize,
    },
    /// One entry; the dimension disappears.
    Index(i64),
    /// As many whole dimensions as the others leave: `...` in Python.
    Ellipsis,
    /// A new dimension of size 1: `None` in Python.
    NewAxis,
}

impl Slice {
    /// Every `step`-th entry of a range: `1::2` in Python is `Slice::from(1..).step(2)`.
    ///
    /// ```
    /// use downhill::{Slice, Tensor};
    /// let x = Tensor::from([0, 1, 2, 3, 4]);
    /// assert_eq!(x.slice(Slice::from(1..).step(2))?, Tensor::from([1, 3]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    pub fn step(self, step: usize) -> Self {
        if let Self::Range { start, end, .. } = self { Self::Range { start, end, step } } else { self }
    }
}

impl From<RangeFull> for Slice {
    fn from(_: RangeFull) -> Self {
        Self::Range { start: None, end: None, step: 1 }
    }
}

/// Not for all that becomes a [`Slice`]: of another type the compiler would then ask for that, not for [`IntoSlices`].
macro_rules! single {
    ($type:ty) => {
        impl IntoSlices for $type {
            fn into_slices(self) -> Vec<Slice> {
                vec![self.into()]
            }
        }
    };
}
single!(Slice);
single!(RangeFull);

macro_rules! slice_from {
    ($($type:ty),*) => {$(
        impl From<$type> for Slice {
            fn from(index: $type) -> Self {
                Self::Index(i64::try_from(index).unwrap_or(i64::MAX))
            }
        }
        single!($type);
        slice_from!(@range $type; Range<$type>, |r| Some(r.start), Some(r.end), 0);
        slice_from!(@range $type; RangeFrom<$type>, |r| Some(r.start), None, 0);
        slice_from!(@range $type; RangeTo<$type>, |r| None, Some(r.end), 0);
        slice_from!(@range $type; RangeInclusive<$type>, |r| Some(*r.start()), Some(*r.end()), 1);
        slice_from!(@range $type; RangeToInclusive<$type>, |r| None, Some(r.end), 1);
    )*};
    (@range $type:ty; $range:ty, |$r:ident| $start:expr, $end:expr, $after:literal) => {
        impl From<$range> for Slice {
            fn from($r: $range) -> Self {
                let (start, end): (Option<$type>, Option<$type>) = ($start, $end);
                let number = |x: $type| i64::try_from(x).unwrap_or(i64::MAX);
                // What comes after −1, the last entry, is the end of the dimension.
                let end = end.map(number).filter(|&end| $after == 0 || end != -1);
                let end = end.map(|end| end.saturating_add($after));
                Self::Range { start: start.map(number), end, step: 1 }
            }
        }
        single!($range);
    };
}
slice_from!(i32, i64, isize, usize);

/// What [`Tensor::slice`] takes: a range or an integer, a tuple or an array of them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say which entries of a tensor are meant",
    label = "expected a range or an integer for a dimension, or up to eight of them: `x.slice((1.., 0))`",
    note = "tensors of indices and masks are `x.index([&rows])`"
)]
pub trait IntoSlices {
    /// One after the other.
    fn into_slices(self) -> Vec<Slice>;
}

impl<T: Into<Slice>, const N: usize> IntoSlices for [T; N] {
    fn into_slices(self) -> Vec<Slice> {
        self.map(Into::into).to_vec()
    }
}

impl IntoSlices for &[Slice] {
    fn into_slices(self) -> Vec<Slice> {
        self.to_vec()
    }
}

macro_rules! slices_from_tuple {
    ($($name:ident)*) => {
        #[allow(non_snake_case)]
        impl<$($name: Into<Slice>),*> IntoSlices for ($($name,)*) {
            fn into_slices(self) -> Vec<Slice> {
                let ($($name,)*) = self;
                vec![$($name.into()),*]
            }
        }
    };
}
slices_from_tuple!(A);
slices_from_tuple!(A B);
slices_from_tuple!(A B C);
slices_from_tuple!(A B C D);
slices_from_tuple!(A B C D E);
slices_from_tuple!(A B C D E F);
slices_from_tuple!(A B C D E F G);
slices_from_tuple!(A B C D E F G H);

/// The first entry, the number of entries and the step between them that a range takes of a dimension.
fn resolve(start: Option<i64>, end: Option<i64>, step: usize, size: usize) -> (usize, usize, usize) {
    let bound =
        |x: i64| if x < 0 { x.saturating_add(size as i64).max(0) as usize } else { size.min(x as usize) };
    let (first, after) = (start.map_or(0, bound), end.map_or(size, bound));
    // A step beyond the dimension would overflow the stride, and reaches nothing.
    (first, after.saturating_sub(first).div_ceil(step), step.min(size.max(1)))
}

/// Parts, as views.
impl Tensor {
    /// Ranges and indices, one for each leading dimension: `x[1:3, :, -1]` in Python is `x.slice((1..3, .., -1))`.
    ///
    /// Nothing is copied. Negative numbers count from the end; ranges that reach beyond the dimension end with it (the
    /// last minibatch is `x.slice(96..128)` also where there are 100 entries); an integer removes its dimension.
    /// [`Slice`] has steps, the ellipsis and new dimensions. Index tensors are [`index`](Self::index)'s.
    ///
    /// [Indexing in PyTorch](https://docs.pytorch.org/docs/stable/tensor_view.html).
    ///
    /// # Errors
    /// [`Error::Index`] for an entry that there is not, [`Error::Shape`] for more slices than dimensions,
    /// [`Error::Argument`] for a step of 0 or a second ellipsis.
    ///
    /// ```
    /// use downhill::{Slice, Tensor, arange};
    /// let x = arange(0, 12, 1)?.reshape([3, 4])?;
    /// assert_eq!(x.slice(0)?, Tensor::from([0, 1, 2, 3]));
    /// assert_eq!(x.slice((1.., -1))?, Tensor::from([7, 11]));
    /// assert_eq!(x.slice((.., 1..=2))?, Tensor::from([[1, 2], [5, 6], [9, 10]]));
    /// assert_eq!(x.slice((Slice::Ellipsis, 0))?, Tensor::from([0, 4, 8]));
    /// assert_eq!(x.slice((Slice::NewAxis, 2, ..2))?, Tensor::from([[8, 9]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "__getitem__")]
    pub fn slice(&self, slices: impl IntoSlices) -> Result<Tensor> {
        let op = "slice";
        let slices = slices.into_slices();
        let taken = slices.iter().filter(|s| matches!(s, Slice::Range { .. } | Slice::Index(_))).count();
        let Some(rest) = self.dim().checked_sub(taken) else {
            return Err(Error::shape(
                op,
                format!("at least {taken} dimensions for as many slices"),
                self.shape(),
            ));
        };
        if slices.iter().filter(|&&s| s == Slice::Ellipsis).count() > 1 {
            return Err(Error::argument(op, "one ellipsis at most"));
        }
        let (mut x, mut d) = (self.clone(), 0);
        for slice in slices {
            match slice {
                Slice::Index(index) => {
                    x = x.selected("SelectBackward0", d, wrapped(op, index, x.shape()[d])?);
                }
                Slice::Range { step: 0, .. } => return Err(Error::argument(op, "a step must not be 0")),
                Slice::Range { start, end, step } => {
                    let (first, length, step) = resolve(start, end, step, x.shape()[d]);
                    if length != x.shape()[d] {
                        x = x.sliced("SliceBackward0", d, first, step, length);
                    }
                    d += 1;
                }
                Slice::Ellipsis => d += rest,
                Slice::NewAxis => {
                    x = x.unsqueeze(d as isize)?;
                    d += 1;
                }
            }
        }
        Ok(x)
    }

    /// The entries of the first dimension, one after the other, as views; so does `for row in &x`.
    ///
    /// # Panics
    /// For a 0-d tensor, as an operator would; [`unbind`](Self::unbind) returns an error.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1, 2], [3, 4]]);
    /// let sums: Vec<i64> = x.iter().map(|row| row.sum().item()).collect::<Result<_, _>>()?;
    /// assert_eq!(sums, [3, 7]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[track_caller]
    pub fn iter(&self) -> Iter {
        assert!(self.dim() > 0, "iter: a 0-d tensor has no entries");
        Iter { tensor: self.clone(), range: 0..self.shape()[0] }
    }
}

/// The entries of a tensor's first dimension: what [`Tensor::iter`] returns.
#[derive(Clone, Debug)]
pub struct Iter {
    tensor: Tensor,
    range: Range<usize>,
}

impl Iterator for Iter {
    type Item = Tensor;
    fn next(&mut self) -> Option<Tensor> {
        self.range.next().map(|i| self.tensor.selected("UnbindBackward0", 0, i))
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
    // Without a step for each entry, of which a view may have 2⁴⁰.
    fn nth(&mut self, n: usize) -> Option<Tensor> {
        self.range.nth(n).map(|i| self.tensor.selected("UnbindBackward0", 0, i))
    }
    fn count(self) -> usize {
        self.range.len()
    }
    fn last(mut self) -> Option<Tensor> {
        self.next_back()
    }
}

impl DoubleEndedIterator for Iter {
    fn next_back(&mut self) -> Option<Tensor> {
        self.nth_back(0)
    }
    fn nth_back(&mut self, n: usize) -> Option<Tensor> {
        self.range.nth_back(n).map(|i| self.tensor.selected("UnbindBackward0", 0, i))
    }
}

impl ExactSizeIterator for Iter {}

/// Panics for a 0-d tensor.
impl IntoIterator for &Tensor {
    type Item = Tensor;
    type IntoIter = Iter;
    #[track_caller]
    fn into_iter(self) -> Iter {
        self.iter()
    }
}
