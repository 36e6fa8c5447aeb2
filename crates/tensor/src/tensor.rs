//! The tensor: a value, and where it came from.

use crate::array::Array;
use crate::autograd::node::Node;
use crate::dtype::dispatch;
use crate::error::or_panic;
use crate::shape::IntoShape;
use crate::{DType, Element, Error, Result, Shape};
use triomphe::Arc;

/// An n-dimensional array of `f32`, `f64`, `i64` or `bool` that may remember how it was computed.
///
/// A tensor's elements never change; cloning is one atomic increment; it can be shared between threads.
///
/// ```
/// use downhill::Tensor;
/// let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
/// let y = (&x * 2.0 + 1.0).sum();
/// assert_eq!(y.item::<f32>()?, 24.0);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone)]
pub struct Tensor(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    value: Array,
    node: Option<Arc<Node>>,
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Tensor>();
};

impl Tensor {
    #[inline]
    pub(crate) fn attached(value: Array, node: Option<Arc<Node>>) -> Self {
        Self(Arc::new(Inner { value, node }))
    }

    #[inline]
    pub(crate) fn constant(value: Array) -> Self {
        Self::attached(value, None)
    }

    #[inline]
    pub(crate) fn value(&self) -> &Array {
        &self.0.value
    }

    #[inline]
    pub(crate) fn node(&self) -> Option<&Arc<Node>> {
        self.0.node.as_ref()
    }

    /// This value with another history.
    pub(crate) fn with_node(mut self, node: Option<Arc<Node>>) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.node = node;
            return self;
        }
        Self::attached(self.value().clone(), node)
    }

    /// The value itself if nobody else holds this tensor and it has no history.
    pub(crate) fn into_value(self) -> Array {
        match Arc::try_unwrap(self.0) {
            Ok(inner) => inner.value,
            Err(shared) => shared.value.clone(),
        }
    }

    /// Whether this handle and its value are the only ones.
    pub(crate) fn is_unique(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && self.value().is_unique()
    }

    /// The sizes of its dimensions.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[1.0_f32, 2.0]]).shape(), &[1, 2]);
    /// ```
    #[inline]
    pub fn shape(&self) -> &Shape {
        self.value().shape()
    }

    /// The number of dimensions, [`torch.Tensor.dim`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.dim.html).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from(1.0_f32).dim(), 0);
    /// ```
    pub fn dim(&self) -> usize {
        self.shape().rank()
    }

    /// The size of one dimension, counted from the end if negative.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension that there is not.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[1.0_f32, 2.0]]).size(-1)?, 2);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn size(&self, dim: isize) -> Result<usize> {
        let d = self.shape().dim("size", dim)?;
        self.shape().get(d).copied().ok_or(Error::Dim { op: "size", dim, rank: 0 })
    }

    /// The number of elements.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[1.0_f32, 2.0]]).numel(), 2);
    /// ```
    pub fn numel(&self) -> usize {
        self.value().numel()
    }

    /// The element type.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1, 2]).dtype(), downhill::DType::I64);
    /// ```
    #[inline]
    pub fn dtype(&self) -> DType {
        self.value().dtype()
    }

    /// Whether the elements lie side by side in row-major order.
    ///
    /// ```
    /// let x = downhill::Tensor::from([[1, 2], [3, 4]]);
    /// assert!(x.is_contiguous() && !x.t()?.is_contiguous());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn is_contiguous(&self) -> bool {
        self.value().layout.is_contiguous()
    }

    /// The single element, converted to `T`.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is exactly one element.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[2.5_f32]]).item::<f64>()?, 2.5);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn item<T: Element>(&self) -> Result<T> {
        if self.numel() != 1 {
            return Err(Error::shape("item", "exactly one element", self.shape()));
        }
        Ok(dispatch!(self.dtype(), U => self.value().get::<U>(0).cast()))
    }

    /// The elements in row-major order.
    ///
    /// # Errors
    /// [`Error::DType`] unless `T` is the element type ([`to_dtype`](Self::to_dtype) converts), [`Error::Memory`].
    ///
    /// ```
    /// let x = downhill::Tensor::from([[1, 2], [3, 4]]);
    /// assert_eq!(x.t()?.to_vec::<i64>()?, [1, 3, 2, 4]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "tolist")]
    #[doc(alias = "numpy")]
    pub fn to_vec<T: Element>(&self) -> Result<Vec<T>> {
        self.check_dtype::<T>("to_vec")?;
        self.value().to_vec("to_vec")
    }

    /// The elements themselves, without a copy.
    ///
    /// # Errors
    /// [`Error::DType`] unless `T` is the element type, [`Error::Argument`] unless the tensor is
    /// [contiguous](Self::contiguous).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1.0_f32, 2.0]).as_slice::<f32>()?, [1.0, 2.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn as_slice<T: Element>(&self) -> Result<&[T]> {
        self.check_dtype::<T>("as_slice")?;
        let slice = self.value().slice();
        slice.ok_or_else(|| {
            Error::argument("as_slice", "the tensor is not contiguous (contiguous() copies it)")
        })
    }

    /// The elements for writing: in place if nobody else holds this memory, in a copy of its own otherwise, so that
    /// whoever does (a clone, a view, a graph that saved the value) keeps what they have.
    ///
    /// A leaf stays the leaf that it was and keeps its [`grad`](Self::grad).
    ///
    /// # Errors
    /// [`Error::DType`] unless `T` is the element type, [`Error::Argument`] for the result of a recorded operation,
    /// which has to stay what the operation gave ([`detach`](Self::detach) it first), [`Error::Memory`] for the copy.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let mut x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
    /// let before = x.clone();
    /// x.make_mut::<f32>()?[0] = 5.0;
    /// assert_eq!(x, Tensor::from([5.0_f32, 2.0]));
    /// assert_eq!(before, Tensor::from([1.0_f32, 2.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// What `with torch.no_grad(): x[…] = …` is there, except that nobody else sees the change.
    #[doc(alias = "copy_")]
    pub fn make_mut<T: Element>(&mut self) -> Result<&mut [T]> {
        self.check_dtype::<T>("make_mut")?;
        if let Some(name) = self.grad_fn() {
            return Err(Error::argument("make_mut", format!("the tensor is the result of {name}")));
        }
        Arc::make_mut(&mut self.0).value.make_mut("make_mut")
    }

    pub(crate) fn check_dtype<T: Element>(&self, op: &'static str) -> Result<()> {
        let expected = match T::DTYPE {
            DType::Bool => "bool",
            DType::I64 => "int64",
            DType::F32 => "float32",
            DType::F64 => "float64",
        };
        if self.dtype() == T::DTYPE { Ok(()) } else { Err(Error::DType { op, expected, got: self.dtype() }) }
    }

    /// Values in row-major order as a tensor of this shape.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shape has another number of elements, [`Error::Memory`].
    ///
    /// ```
    /// let x = downhill::Tensor::from_vec(vec![1.0_f32, 2.0, 3.0, 4.0], [2, 2])?;
    /// assert_eq!(x.shape(), &[2, 2]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "as_tensor")]
    #[doc(alias = "from_numpy")]
    pub fn from_vec<T: IntoElement>(values: Vec<T>, shape: impl IntoShape) -> Result<Self> {
        Self::from_slice(&values, shape)
    }

    /// [`from_vec`](Self::from_vec) from a slice.
    ///
    /// # Errors
    /// [`Error::Shape`] if the shape has another number of elements, [`Error::Memory`].
    ///
    /// ```
    /// let x = downhill::Tensor::from_slice(&[1, 2, 3, 4], [2, 2])?;
    /// assert_eq!(x.dtype(), downhill::DType::I64);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn from_slice<T: IntoElement>(values: &[T], shape: impl IntoShape) -> Result<Self> {
        let shape = shape.into_shape("from_vec")?;
        if shape.numel() != values.len() {
            return Err(Error::shape("from_vec", format!("a shape of {} elements", values.len()), &shape));
        }
        let write = |out: &mut [T::Element]| out.iter_mut().zip(values).for_each(|(o, x)| *o = x.element());
        Ok(Self::constant(Array::build("from_vec", shape, write)?))
    }

    /// A matrix from its rows, vectors or slices of one length; no rows are of shape `[0, 0]`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a row of another length than the first, [`Error::Memory`].
    ///
    /// ```
    /// use downhill::Tensor;
    /// let rows = vec![vec![1.0_f32, 2.0], vec![3.0, 4.0]];
    /// assert_eq!(Tensor::from_rows(&rows)?, Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn from_rows<T: IntoElement>(rows: &[impl AsRef<[T]>]) -> Result<Self> {
        let width = rows.first().map_or(0, |row| row.as_ref().len());
        if let Some(i) = rows.iter().position(|row| row.as_ref().len() != width) {
            let found = rows[i].as_ref().len();
            let message = format!("row {i} has {found} elements, but row 0 has {width}");
            return Err(Error::argument("from_rows", message));
        }
        let values = crate::memory::collect("from_rows", rows.iter().flat_map(AsRef::as_ref).copied())?;
        Self::from_vec(values, [rows.len(), width])
    }

    /// A tensor whose elements `write` sets: how an operation of your own makes its result without a copy.
    /// The slice holds arbitrary values at first.
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
    ///
    /// ```
    /// let x = downhill::Tensor::build([3], |out: &mut [f32]| out.copy_from_slice(&[1.0, 2.0, 3.0]))?;
    /// assert_eq!(x.sum().item::<f32>()?, 6.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn build<T: Element>(shape: impl IntoShape, write: impl FnOnce(&mut [T])) -> Result<Self> {
        let mut write = Some(write);
        let shape = shape.into_shape("build")?;
        let value = Array::build_dyn("build", shape, &mut |out| {
            if let Some(write) = write.take() {
                write(out);
            }
        });
        value.map(Self::constant)
    }
}

/// Rust types that become elements: the four dtypes' own, and the integers that `i64` holds, which become `i64`. `usize` is one of
/// them, `u64` is not: what counts elements fits, what has 64 bits need not.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an element of a tensor",
    label = "elements are `f32`, `f64`, `i64`, `bool` and smaller integers",
    note = "nested vectors are `Tensor::from_rows(&rows)?`; other numbers convert with `as`"
)]
pub trait IntoElement: Copy {
    /// The element type.
    type Element: Element;
    /// The element.
    fn element(self) -> Self::Element;
}

macro_rules! into_element {
    ($($type:ty => $element:ty),*) => {$(
        impl IntoElement for $type {
            type Element = $element;
            #[inline]
            fn element(self) -> $element {
                self as $element
            }
        }
        /// A 0-d tensor.
        impl From<$type> for Tensor {
            fn from(value: $type) -> Self {
                Self::constant(or_panic(Array::full("from", Shape::SCALAR, value.element())))
            }
        }
    )*};
}
into_element!(f32 => f32, f64 => f64, i64 => i64, bool => bool, i8 => i64, u8 => i64, i16 => i64, u16 => i64, i32 => i64, u32 => i64, usize => i64);

macro_rules! from_nested {
    ($($dims:ident)*; $type:ty; |$x:ident| $flat:expr) => {
        /// Panics if there is no memory.
        impl<T: IntoElement, $(const $dims: usize),*> From<$type> for Tensor {
            #[track_caller]
            fn from($x: $type) -> Self {
                let values: &[T] = $flat;
                or_panic(Self::from_slice(values, [$($dims),*]))
            }
        }
    };
}
from_nested!(A; [T; A]; |x| &x);
from_nested!(A B; [[T; B]; A]; |x| x.as_flattened());
from_nested!(A B C; [[[T; C]; B]; A]; |x| x.as_flattened().as_flattened());
from_nested!(A B C D; [[[[T; D]; C]; B]; A]; |x| x.as_flattened().as_flattened().as_flattened());

/// A 1-d tensor. Panics if there is no memory.
impl<T: IntoElement> From<&[T]> for Tensor {
    #[track_caller]
    fn from(values: &[T]) -> Self {
        or_panic(Self::from_slice(values, values.len()))
    }
}

/// A 1-d tensor. Panics if there is no memory.
impl<T: IntoElement> From<Vec<T>> for Tensor {
    #[track_caller]
    fn from(values: Vec<T>) -> Self {
        Self::from(&values[..])
    }
}

/// Equal shape, dtype and elements, as [`torch.equal`](https://docs.pytorch.org/docs/stable/generated/torch.equal.html):
/// a NaN is not equal to itself.
impl PartialEq for Tensor {
    fn eq(&self, other: &Self) -> bool {
        self.shape() == other.shape()
            && self.dtype() == other.dtype()
            && dispatch!(self.dtype(), T => self.value().all_pairs::<T>(other.value(), &|a, b| a == b))
    }
}

impl Tensor {
    fn text(&self) -> String {
        self.text_with(&crate::display::print_options())
    }

    fn text_with(&self, options: &crate::PrintOptions) -> String {
        use crate::display::{History, Values, tensor_text};
        let value = self.value();
        let history = match (self.node(), self.grad_fn()) {
            (None, _) => History::Constant,
            (Some(_), None) => History::Leaf,
            (Some(_), Some(name)) => History::Computed(name),
        };
        let values = match self.dtype() {
            DType::F32 => Values::F32(&|i| value.get(i)),
            DType::F64 => Values::F64(&|i| value.get(i)),
            DType::I64 => Values::I64(&|i| value.get(i)),
            DType::Bool => Values::Bool(&|i| value.get(i)),
        };
        tensor_text(options, self.shape(), &values, &history)
    }
}

/// PyTorch's text: `tensor([1., 2.], grad_fn=<AddBackward0>)`. With a precision, a single element is printed as the number that it is, as
/// in Python, and several with so many digits.
///
/// ```
/// use downhill::Tensor;
/// let loss = Tensor::from(0.69314718_f32);
/// assert_eq!(format!("{loss} {loss:.2} {loss:8.4}"), "tensor(0.6931) 0.69   0.6931");
/// assert_eq!(format!("{:.1}", Tensor::from([0.25_f32, 1.0])), "tensor([0.2, 1.0])");
/// # Ok::<(), downhill::Error>(())
/// ```
impl std::fmt::Display for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (f.precision(), self.item::<f64>()) {
            (None, _) => f.pad(&self.text()),
            (Some(_), Ok(number)) if number.is_nan() => f.write_str("nan"),
            (Some(_), Ok(number)) => std::fmt::Display::fmt(&number, f),
            (Some(digits), Err(_)) => {
                let precision = u8::try_from(digits).unwrap_or(u8::MAX);
                f.write_str(&self.text_with(&crate::PrintOptions { precision, ..crate::print_options() }))
            }
        }
    }
}

/// As [`Display`](std::fmt::Display).
impl std::fmt::Debug for Tensor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text())
    }
}
