//! The one error type of the workspace.

use crate::{DType, Shape};
use std::io::ErrorKind;
use std::path::Path;

/// What an operation returns when it can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation refused its arguments.
///
/// Every message starts with the operation's name and holds the numbers that did not fit:
///
/// ```
/// let a = downhill::Tensor::from([1.0_f32, 2.0, 3.0]);
/// let b = downhill::Tensor::from([1.0_f32, 2.0]);
/// let error = a.add(&b).unwrap_err();
/// assert_eq!(error.to_string(), "add: shapes [3] and [2] do not broadcast");
/// assert_eq!(format!("{error:?}"), error.to_string()); // what a `main` that returns it prints, and `unwrap`
/// ```
#[non_exhaustive]
#[derive(Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// A shape that the operation cannot take.
    #[error("{op}: expected {expected}, but got shape {got}")]
    Shape {
        /// The operation.
        op: &'static str,
        /// What it takes, in words and numbers.
        expected: String,
        /// The offending shape.
        got: Box<Shape>,
    },
    /// Two shapes that no broadcasting makes equal.
    #[error("{op}: shapes {lhs} and {rhs} do not broadcast")]
    Broadcast {
        /// The operation.
        op: &'static str,
        /// Left shape.
        lhs: Box<Shape>,
        /// Right shape.
        rhs: Box<Shape>,
    },
    /// A dtype that the operation cannot take.
    #[error("{op}: expected {expected}, but got {got}{}", if matches!((*expected, got), ("float32", DType::F64) | ("float64", DType::F32)) { LITERAL } else { "" })]
    DType {
        /// The operation.
        op: &'static str,
        /// What it takes.
        expected: &'static str,
        /// The offending dtype.
        got: DType,
    },
    /// Two dtypes that must be one.
    #[error("{op}: the {} is {}, but the {} is {}{}", lhs.0, lhs.1, rhs.0, rhs.1, cause(lhs.1, rhs.1))]
    DTypes {
        /// The operation.
        op: &'static str,
        /// One tensor and its dtype.
        lhs: (&'static str, DType),
        /// The other tensor and its dtype.
        rhs: (&'static str, DType),
    },
    /// A dimension that the tensor does not have.
    #[error("{op}: dimension {dim} is out of range for a tensor of {rank} dimensions")]
    Dim {
        /// The operation.
        op: &'static str,
        /// The dimension asked for.
        dim: isize,
        /// How many there are.
        rank: usize,
    },
    /// An index beyond a dimension's size.
    #[error("{op}: index {index} is out of bounds for size {size}")]
    Index {
        /// The operation.
        op: &'static str,
        /// The offending index.
        index: i64,
        /// The size it must stay below.
        size: usize,
    },
    /// An option or value outside its range.
    #[error("{op}: {message}")]
    Argument {
        /// The operation.
        op: &'static str,
        /// What is wrong, with the value.
        message: String,
    },
    /// More memory than there is, or than the system gives.
    #[error("{op}: cannot allocate {bytes} bytes{}", .shape.as_ref().map_or(String::new(), |s| format!(" for a tensor of shape {s}")))]
    Memory {
        /// The operation.
        op: &'static str,
        /// How many bytes it asked for; `usize::MAX` stands for all that are more.
        bytes: usize,
        /// The shape of the tensor that they are for; scratch has none.
        shape: Option<Box<Shape>>,
    },
    /// `backward` without a gradient on a tensor with more than one element.
    #[error(
        "backward: a gradient can be created implicitly only for a scalar, but the root has shape {shape}"
    )]
    NotScalar {
        /// The root's shape.
        shape: Box<Shape>,
    },
    /// A tensor that no graph leads to.
    #[error("{op}: the tensor does not require a gradient and was not computed from one that does")]
    NoGrad {
        /// The operation.
        op: &'static str,
    },
    /// A gradient that is NaN or infinite, inside of [`detect_anomaly`](crate::autograd::detect_anomaly).
    #[error("{op}: a gradient of shape {} has {what} in it; the result has shape {}, and was computed {site}", .shapes[0], .shapes[1])]
    Anomaly {
        /// The operation whose derivative computed it.
        op: &'static str,
        /// `"nan"` or `"inf"`.
        what: &'static str,
        /// The gradient's shape, and that of the operation's result.
        shapes: Box<[Shape; 2]>,
        /// Where the operation was called, in words.
        site: Box<str>,
    },
    /// A file that cannot be read or written, or that holds what it should not.
    #[error("{op}: {}: {message}", .path.display())]
    File {
        /// The operation.
        op: &'static str,
        /// The file.
        path: Box<Path>,
        /// What the system says, as whether there is no such file; `InvalidData` for what a file holds.
        kind: ErrorKind,
        /// What is wrong, with the numbers.
        message: String,
    },
    /// A second pass through a graph that the first one freed.
    #[error(
        "backward: the graph behind {op} has been freed by an earlier backward pass; \
         retain it there (retain_graph) to go through it again"
    )]
    GraphFreed {
        /// The node that was met first.
        op: &'static str,
    },
}

/// As [`Display`](std::fmt::Display): it is what people see of an error that `main` returns.
impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

/// What a `float64` among `float32` comes of.
const LITERAL: &str = " (a literal without `_f32` is float64; `to_dtype` converts)";

/// What two dtypes that differ come of, most likely.
fn cause(a: DType, b: DType) -> &'static str {
    match (a, b) {
        (DType::F32, DType::F64) | (DType::F64, DType::F32) => LITERAL,
        (DType::I64, _) | (_, DType::I64) => " (a literal without a point is int64; `to_dtype` converts)",
        _ => " (`to_dtype` converts)",
    }
}

impl Error {
    /// An [`Error::Argument`] with this message.
    ///
    /// ```
    /// let error = downhill::Error::argument("clamp", "needs min or max");
    /// assert_eq!(error.to_string(), "clamp: needs min or max");
    /// ```
    pub fn argument(op: &'static str, message: impl Into<String>) -> Self {
        Self::Argument { op, message: message.into() }
    }

    /// An [`Error::DType`] of an operation that takes `f32` and `f64` only.
    ///
    /// ```
    /// let error = downhill::Error::not_float("mean", downhill::DType::I64);
    /// assert_eq!(error.to_string(), "mean: expected float32 or float64, but got int64");
    /// ```
    pub fn not_float(op: &'static str, got: DType) -> Self {
        Self::DType { op, expected: "float32 or float64", got }
    }

    /// An [`Error::DTypes`] unless the two, which the text names, are one.
    ///
    /// # Errors
    /// [`Error::DTypes`].
    ///
    /// ```
    /// use downhill::{DType, Error};
    /// assert!(Error::check_same("mm", ("left side", DType::F32), ("right side", DType::F32)).is_ok());
    /// let error = Error::check_same("linear", ("input", DType::F64), ("weight", DType::F32)).unwrap_err();
    /// let text = "linear: the input is float64, but the weight is float32 (a literal without `_f32` is float64; `to_dtype` converts)";
    /// assert_eq!(error.to_string(), text);
    /// ```
    pub fn check_same(
        op: &'static str,
        lhs: (&'static str, DType),
        rhs: (&'static str, DType),
    ) -> Result<()> {
        if lhs.1 == rhs.1 { Ok(()) } else { Err(Self::DTypes { op, lhs, rhs }) }
    }

    /// An [`Error::Shape`] with these words.
    ///
    /// ```
    /// let shape = *downhill::Tensor::from([1.0_f32, 2.0]).shape();
    /// let error = downhill::Error::shape("mm", "a matrix", &shape);
    /// assert_eq!(error.to_string(), "mm: expected a matrix, but got shape [2]");
    /// ```
    pub fn shape(op: &'static str, expected: impl Into<String>, got: &Shape) -> Self {
        Self::Shape { op, expected: expected.into(), got: Box::new(*got) }
    }

    /// An [`Error::Memory`] for a tensor of this shape, its elements of `size` bytes.
    #[cold]
    pub(crate) fn memory(op: &'static str, shape: &Shape, size: usize) -> Self {
        Self::Memory { op, bytes: shape.numel().saturating_mul(size), shape: Some(Box::new(*shape)) }
    }
}

/// A check that ends in an error.
impl DType {
    /// Refuses all but floats, for an operation of this name.
    ///
    /// # Errors
    /// [`Error::DType`] unless the dtype is `f32` or `f64`.
    ///
    /// ```
    /// use downhill::DType;
    /// assert!(DType::F64.check_float("mean").is_ok() && DType::Bool.check_float("mean").is_err());
    /// ```
    pub fn check_float(self, op: &'static str) -> Result<()> {
        if self.is_float() { Ok(()) } else { Err(Error::not_float(op, self)) }
    }
}

/// For what does not return a result: the value, or a panic with the error's text.
#[inline]
#[track_caller]
pub(crate) fn or_panic<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Methods without arguments that return a tensor or panic: each gets a second form, which returns the error.
macro_rules! fallible {
    ($($(#[$doc:meta])* $name:ident $try_name:ident |$self:ident| $body:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Panics
        #[doc = concat!("If there is no memory, with the text of the error that [`", stringify!($try_name), "`](Self::", stringify!($try_name), ") returns.")]
        #[must_use]
        #[inline]
        #[track_caller]
        pub fn $name(&self) -> Tensor {
            $crate::error::or_panic(self.$try_name())
        }

        #[doc = concat!("[`", stringify!($name), "`](Self::", stringify!($name), ") that returns an error if there is no memory.")]
        ///
        /// # Errors
        /// [`Error::Memory`](crate::Error::Memory).
        ///
        /// ```
        #[doc = concat!("let x = downhill::Tensor::from([1.0_f32, 2.0]);\nassert!(x.", stringify!($try_name), "().is_ok());")]
        /// ```
        #[inline]
        pub fn $try_name(&$self) -> $crate::Result<Tensor> {
            $body
        }
    )*};
}
pub(crate) use fallible;
