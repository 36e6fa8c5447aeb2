//! Shapes of up to eight dimensions, stored inline.

use crate::{Error, Result};
use std::fmt;
use std::ops::Deref;

/// The most dimensions a tensor can have (`PyTorch` allows 64).
pub const MAX_RANK: usize = 8;

/// The sizes of a tensor's dimensions. Derefs to `[usize]`.
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

    /// A shape with these sizes; an error beyond [`MAX_RANK`] dimensions or `isize::MAX` elements.
    ///
    /// # Errors
    /// [`Error::Argument`] naming `op`.
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
        let bytes = dims.iter().filter(|&&d| d != 0).try_fold(8_usize, |n, &d| n.checked_mul(d));
        if bytes.is_none_or(|n| n > isize::MAX as usize) {
            return Err(Error::argument(op, format!("a tensor of shape {dims:?} is too large")));
        }
        Ok(Self::of(dims))
    }

    /// For dims already known to be few enough.
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
    /// [`Error::Broadcast`] naming `op`.
    ///
    /// ```
    /// use downhill::Shape;
    /// let shape = Shape::broadcast("add", &Shape::new("a", &[2, 1])?, &Shape::new("b", &[3])?)?;
    /// assert_eq!(shape, [2, 3]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn broadcast(op: &'static str, lhs: &Self, rhs: &Self) -> Result<Self> {
        if lhs == rhs {
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
        Ok(out)
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
    pub(crate) fn with(mut self, dim: usize, size: usize) -> Self {
        self[..].get(dim).expect("a dimension of this shape");
        self.dims[dim] = size;
        self
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

    pub(crate) fn push(&mut self, size: usize) {
        self.dims[self.rank()] = size;
        self.rank += 1;
    }

    pub(crate) fn insert(&self, dim: usize, size: usize) -> Self {
        let mut out = *self;
        out.dims[dim..].rotate_right(1);
        out.dims[dim] = size;
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

impl std::ops::DerefMut for Shape {
    fn deref_mut(&mut self) -> &mut [usize] {
        let rank = self.rank();
        &mut self.dims[..rank]
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
pub trait IntoShape {
    /// The shape.
    ///
    /// # Errors
    /// More than [`MAX_RANK`] dimensions, or too many elements.
    fn into_shape(self, op: &'static str) -> Result<Shape>;
}

impl IntoShape for Shape {
    fn into_shape(self, _: &'static str) -> Result<Shape> {
        Ok(self)
    }
}

impl IntoShape for &Shape {
    fn into_shape(self, _: &'static str) -> Result<Shape> {
        Ok(*self)
    }
}

impl IntoShape for () {
    fn into_shape(self, _: &'static str) -> Result<Shape> {
        Ok(Shape::SCALAR)
    }
}

impl IntoShape for usize {
    fn into_shape(self, op: &'static str) -> Result<Shape> {
        Shape::new(op, &[self])
    }
}

impl<const N: usize> IntoShape for [usize; N] {
    fn into_shape(self, op: &'static str) -> Result<Shape> {
        Shape::new(op, &self)
    }
}

impl<const N: usize> IntoShape for &[usize; N] {
    fn into_shape(self, op: &'static str) -> Result<Shape> {
        Shape::new(op, self)
    }
}

impl IntoShape for &[usize] {
    fn into_shape(self, op: &'static str) -> Result<Shape> {
        Shape::new(op, self)
    }
}

impl IntoShape for Vec<usize> {
    fn into_shape(self, op: &'static str) -> Result<Shape> {
        Shape::new(op, &self)
    }
}

impl IntoShape for &Vec<usize> {
    fn into_shape(self, op: &'static str) -> Result<Shape> {
        Shape::new(op, self)
    }
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
                Self(vec![dim as isize])
            }
        }
        impl<const N: usize> From<[$type; N]> for Dims {
            fn from(dims: [$type; N]) -> Self {
                Self(dims.iter().map(|&d| d as isize).collect())
            }
        }
        impl From<&[$type]> for Dims {
            fn from(dims: &[$type]) -> Self {
                Self(dims.iter().map(|&d| d as isize).collect())
            }
        }
    )*};
}
dims_from!(isize, i32, i64, usize);
