//! Shapes of up to eight dimensions, stored inline.

use crate::{Error, Result};
use std::fmt;
use std::ops::Deref;

/// The most dimensions a tensor can have (`PyTorch` allows 64).
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor's dimensions. Derefs to `[usize]`.
///
/// Eight times the product of all sizes that are not 0 fits `isize`, in every shape that there is: numbers of elements and of bytes,
/// strides and offsets are sums and products of parts of it, and so need no checks of their own.
///
/// ```
/// let x = downhill::zeros([2, 3])?;
/// assert_eq!(x.shape().rank(), 2);
/// assert_eq!(x.shape().numel(), 6);
/// assert_eq!(x.shape().to_string(), "[2, 3]");
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct Shape {
    dims: [usize; MAX_RANK],
    rank: u8,
}

// A derived comparison would read all eight places.
impl PartialEq for Shape {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.rank == other.rank && self.iter().zip(&**other).all(|(a, b)| a == b)
    }
}

impl Eq for Shape {}

impl std::hash::Hash for Shape {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self[..].hash(state);
    }
}

impl Shape {
    /// The shape of a single number.
    pub const SCALAR: Self = Self { dims: [0; MAX_RANK], rank: 0 };

    /// A shape with these sizes.
    ///
    /// # Errors
    /// [`Error::Argument`] naming `op`, for more than [`MAX_RANK`] dimensions, and where `isize::MAX` bytes do not hold 8 for each
    /// element. A size of 0 does not make up for others that are too large: `[0, 1 << 40, 1 << 40]` is an error, too.
    ///
    /// ```
    /// assert_eq!(downhill::Shape::new("zeros", &[2, 3])?.numel(), 6);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn new(op: &'static str, dims: &[usize]) -> Result<Self> {
        if dims.len() > MAX_RANK {
            let message = format!("at most {MAX_RANK} dimensions are supported, but got {dims:?}");
            return Err(Error::argument(op, message));
        }
        Self::of(dims).checked(op)
    }

    /// The one place where sizes are multiplied with a check.
    fn checked(self, op: &'static str) -> Result<Self> {
        let bytes = self.iter().filter(|&&d| d != 0).try_fold(8_usize, |n, &d| n.checked_mul(d));
        if bytes.is_none_or(|n| n > isize::MAX as usize) {
            return Err(Error::argument(op, format!("a tensor of shape {self} is too large")));
        }
        Ok(self)
    }

    /// For some sizes of a shape, or the length of a slice.
    pub(crate) fn of(dims: &[usize]) -> Self {
        let mut shape = Self { dims: [0; MAX_RANK], rank: dims.len() as u8 };
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape
    }

    /// How many dimensions there are.
    #[inline]
    pub const fn rank(&self) -> usize {
        self.rank as usize
    }

    /// How many elements there are: the product of the sizes.
    #[inline]
    pub fn numel(&self) -> usize {
        self.iter().product()
    }

    /// The shape both [broadcast](https://docs.pytorch.org/docs/stable/notes/broadcasting.html) to.
    ///
    /// # Errors
    /// [`Error::Broadcast`] naming `op`, [`Error::Argument`] if the result would be too large ([`Shape::new`]).
    ///
    /// ```
    /// use downhill::Shape;
    /// let shape = Shape::broadcast("add", &Shape::new("a", &[2, 1])?, &Shape::new("b", &[3])?)?;
    /// assert_eq!(shape, [2, 3]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn broadcast(op: &'static str, lhs: &Self, rhs: &Self) -> Result<Self> {
        if rhs.rank == 0 || lhs == rhs {
            return Ok(*lhs);
        }
        let (long, short) = if lhs.rank >= rhs.rank { (lhs, rhs) } else { (rhs, lhs) };
        let mut out = *long;
        let lead = long.rank() - short.rank();
        for (o, &s) in out.dims[lead..].iter_mut().zip(&**short) {
            *o = match (*o, s) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => return Err(Error::Broadcast { op, lhs: Box::new(*lhs), rhs: Box::new(*rhs) }),
            };
        }
        out.checked(op)
    }

    /// A dimension counted from the front, from one that may be negative; a 0-d tensor counts as having one.
    pub(crate) fn dim(&self, op: &'static str, dim: isize) -> Result<usize> {
        let rank = self.rank().max(1) as isize;
        if (-rank..rank).contains(&dim) {
            Ok(if dim < 0 { dim + rank } else { dim } as usize)
        } else {
            Err(Error::Dim { op, dim, rank: self.rank() })
        }
    }

    /// Normalised dims without repetition.
    pub(crate) fn dims(&self, op: &'static str, dims: &Dims) -> Result<Mask> {
        let mut mask = Mask::default();
        for &dim in &**dims {
            let d = self.dim(op, dim)?;
            if mask.0[d] {
                let message = format!("dimension {d} appears more than once in {:?}", &**dims);
                return Err(Error::argument(op, message));
            }
            mask.0[d] = true;
        }
        if dims.is_empty() {
            mask.0[..self.rank().max(1)].fill(true);
        }
        Ok(mask)
    }

    /// This shape with dimension `dim` of another size.
    pub(crate) fn with(mut self, op: &'static str, dim: usize, size: usize) -> Result<Self> {
        assert!(dim < self.rank(), "a dimension of this shape");
        self.dims[dim] = size;
        self.checked(op)
    }

    /// This shape with dimension `dim` of size 0, 1, or less than it was.
    pub(crate) fn reduced(mut self, dim: usize, size: usize) -> Self {
        assert!(size <= self[dim].max(1), "no larger");
        self.dims[dim] = size;
        self
    }

    /// Dimension `i` of the result is dimension `dims[i]`, each once.
    pub(crate) fn permute(&self, dims: &[usize]) -> Self {
        let mut out = *self;
        dims.iter().zip(&mut out.dims).for_each(|(&from, size)| *size = self[from]);
        out
    }

    /// Without dimension `dim`.
    pub(crate) fn without(&self, dim: usize) -> Self {
        let mut out = Self::SCALAR;
        for (d, &size) in self.iter().enumerate() {
            if d != dim {
                out.push(size);
            }
        }
        out
    }

    /// For sizes of another shape, each once.
    pub(crate) fn push(&mut self, size: usize) {
        self.dims[self.rank()] = size;
        self.rank += 1;
    }

    /// With a new dimension of size 1.
    pub(crate) fn unsqueeze(&self, dim: usize) -> Self {
        let mut out = *self;
        out.dims[dim..].rotate_right(1);
        out.dims[dim] = 1;
        out.rank += 1;
        out
    }
}

impl Deref for Shape {
    type Target = [usize];
    #[inline]
    fn deref(&self) -> &[usize] {
        &self.dims[..self.rank()]
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &**self)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<const N: usize> PartialEq<[usize; N]> for Shape {
    fn eq(&self, other: &[usize; N]) -> bool {
        **self == other[..]
    }
}

impl PartialEq<[usize]> for Shape {
    fn eq(&self, other: &[usize]) -> bool {
        **self == *other
    }
}

/// Which dimensions are meant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mask(pub(crate) [bool; MAX_RANK]);

impl Mask {
    /// One dimension.
    pub(crate) fn one(dim: usize) -> Self {
        Self(std::array::from_fn(|d| d == dim))
    }
}

/// Anything that names a shape: arrays, slices and vectors of sizes, `()` for a scalar, a [`Shape`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a shape",
    label = "expected sizes as `usize`: an array such as `[2, 3]`, a slice, a vector, `()` or a `Shape`"
)]
pub trait IntoShape {
    /// The shape.
    ///
    /// # Errors
    /// More than [`MAX_RANK`] dimensions, or too many elements.
    fn into_shape(self, op: &'static str) -> Result<Shape>;
}

macro_rules! into_shape {
    ($([$($generic:tt)*] $type:ty, |$sizes:ident, $op:ident| $shape:expr;)*) => {$(
        impl<$($generic)*> IntoShape for $type {
            fn into_shape(self, $op: &'static str) -> Result<Shape> {
                let $sizes = self;
                $shape
            }
        }
    )*};
}
into_shape! {
    [] Shape, |shape, _op| Ok(shape);
    [] &Shape, |shape, _op| Ok(*shape);
    [] (), |_sizes, _op| Ok(Shape::SCALAR);
    [] usize, |size, op| Shape::new(op, &[size]);
    [] &[usize], |sizes, op| Shape::new(op, sizes);
    [] Vec<usize>, |sizes, op| Shape::new(op, &sizes);
    [] &Vec<usize>, |sizes, op| Shape::new(op, sizes);
    [const N: usize] [usize; N], |sizes, op| Shape::new(op, &sizes);
    [const N: usize] &[usize; N], |sizes, op| Shape::new(op, sizes);
}

/// One or several dimensions, negative ones counted from the end; none means all.
///
/// ```
/// let x = downhill::ones([2, 3])?;
/// assert_eq!(x.sum_dim(-1, false)?.shape(), &[2]);
/// assert_eq!(x.sum_dim([0, 1], true)?.shape(), &[1, 1]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dims(Vec<isize>);

impl Deref for Dims {
    type Target = [isize];
    fn deref(&self) -> &[isize] {
        &self.0
    }
}

macro_rules! dims_from {
    ($($type:ty),*) => {$(
        impl From<$type> for Dims {
            fn from(dim: $type) -> Self {
                Self(vec![isize::try_from(dim).unwrap_or(isize::MAX)])
            }
        }
        impl<const N: usize> From<[$type; N]> for Dims {
            fn from(dims: [$type; N]) -> Self {
                Self(dims.iter().map(|&d| isize::try_from(d).unwrap_or(isize::MAX)).collect())
            }
        }
        impl From<&[$type]> for Dims {
            fn from(dims: &[$type]) -> Self {
                Self(dims.iter().map(|&d| isize::try_from(d).unwrap_or(isize::MAX)).collect())
            }
        }
    )*};
}
dims_from!(isize, i32, i64, usize);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Eight bytes an element, where sizes of 0 count as 1.
    fn bytes(sizes: &[usize]) -> Option<usize> {
        sizes
            .iter()
            .try_fold(8_usize, |n, &d| n.checked_mul(d.max(1)))
            .filter(|&n| isize::try_from(n).is_ok())
    }

    fn sizes() -> impl Strategy<Value = Vec<usize>> {
        let size = prop_oneof![
            0_usize..3,
            (0_u32..usize::BITS, -1_isize..2)
                .prop_map(|(bits, off)| (1_usize << bits).wrapping_add_signed(off)),
            any::<usize>(),
        ];
        prop::collection::vec(size, 0..6)
    }

    proptest! {
        #[test]
        fn a_shape_is_as_large_as_its_sizes_say_or_an_error(sizes in sizes()) {
            let shape = Shape::new("op", &sizes);
            prop_assert_eq!(shape.is_ok(), bytes(&sizes).is_some());
            let Ok(shape) = shape else { return Ok(()) };
            let numel = sizes.iter().map(|&d| d as u128).product::<u128>();
            prop_assert_eq!(shape.numel() as u128, numel);
        }

        #[test]
        fn shapes_broadcast_to_one_that_is_as_large_as_its_sizes_say(sizes in sizes(), kept in any::<[bool; 6]>()) {
            let part = |kept: &dyn Fn(usize) -> bool| -> Vec<usize> {
                sizes.iter().enumerate().map(|(d, &size)| if kept(d) { size } else { 1 }).collect()
            };
            let (a, b) = (part(&|d| kept[d]), part(&|d| !kept[d]));
            let (Ok(a), Ok(b)) = (Shape::new("op", &a), Shape::new("op", &b)) else { return Ok(()) };
            let both = Shape::broadcast("op", &a, &b);
            prop_assert_eq!(both.is_ok(), bytes(&sizes).is_some());
            prop_assert!(both.is_err() || both == Shape::new("op", &sizes));
        }
    }
}
