//! A value without a history: memory and where the elements lie in it.

use crate::buffer::Buffer;
use crate::dtype::dispatch;
use crate::kernel::map::{self, Strided};
use crate::layout::Layout;
use crate::{DType, Element, Shape};
use std::borrow::Cow;

#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) buffer: Buffer,
    pub(crate) layout: Layout,
}

impl Array {
    /// A new array whose elements `write` sets, every one of them.
    #[inline]
    pub(crate) fn build<T: Element>(shape: Shape, write: impl FnOnce(&mut [T])) -> Self {
        let mut buffer = Buffer::new::<T>(shape.numel());
        write(buffer.fresh());
        Self { buffer, layout: Layout::contiguous(shape) }
    }

    pub(crate) fn full<T: Element>(shape: Shape, value: T) -> Self {
        Self::build(shape, |out: &mut [T]| out.fill(value))
    }

    pub(crate) fn shape(&self) -> &Shape {
        &self.layout.shape
    }

    pub(crate) fn dtype(&self) -> DType {
        self.buffer.dtype()
    }

    pub(crate) fn numel(&self) -> usize {
        self.shape().numel()
    }

    pub(crate) fn with_layout(&self, layout: Layout) -> Self {
        Self { buffer: self.buffer.clone(), layout }
    }

    /// The whole buffer from the first element on. Callers have matched the dtype.
    pub(crate) fn raw<T: Element>(&self) -> &[T] {
        let elements = self.buffer.get().expect("the dtype was matched");
        &elements[self.layout.offset.min(elements.len())..]
    }

    /// The elements in order, if they lie side by side.
    pub(crate) fn slice<T: Element>(&self) -> Option<&[T]> {
        self.layout.is_contiguous().then(|| &self.raw()[..self.numel()])
    }

    pub(crate) fn strided<T: Element>(&self) -> Strided<'_, T> {
        Strided { data: self.raw(), strides: self.layout.strides() }
    }

    /// Itself if row-major, otherwise a row-major copy.
    pub(crate) fn contiguous(&self) -> Self {
        if self.layout.is_contiguous() {
            return self.clone();
        }
        dispatch!(self.dtype(), T => self.map(|x: T| x))
    }

    /// `f` of every element.
    pub(crate) fn map<A: Element, O: Element>(&self, f: impl Fn(A) -> O + Sync) -> Self {
        let shape = *self.shape();
        Self::build(shape, |out| map::map1(&shape, self.strided(), out, f))
    }

    pub(crate) fn to_dtype(&self, dtype: DType) -> Self {
        self.cast(dtype).into_owned()
    }

    /// [`to_dtype`](Self::to_dtype) without a copy of an array that has the dtype.
    pub(crate) fn cast(&self, dtype: DType) -> Cow<'_, Self> {
        if dtype == self.dtype() {
            return Cow::Borrowed(self);
        }
        Cow::Owned(dispatch!(self.dtype(), A => dispatch!(dtype, O => self.map(|x: A| x.cast::<O>()))))
    }

    pub(crate) fn expand(&self, shape: &Shape) -> Self {
        self.with_layout(self.layout.expand(shape))
    }

    /// Whether no other array shares the memory, and it is row-major from the start.
    pub(crate) fn is_unique(&self) -> bool {
        self.buffer.is_unique() && self.layout.offset == 0 && self.layout.is_contiguous()
    }

    /// A row-major array that nobody else holds, by copying if need be.
    pub(crate) fn make_mut<T: Element>(&mut self) -> &mut [T] {
        if !self.is_unique() {
            *self = self.map(|x: T| x);
        }
        let n = self.numel();
        &mut self.buffer.get_mut().expect("the dtype was matched, and it is unique")[..n]
    }

    /// Element `index` in row-major order.
    pub(crate) fn get<T: Element>(&self, index: usize) -> T {
        self.raw::<T>()[map::place(self.shape(), self.layout.strides(), index)]
    }

    pub(crate) fn to_vec<T: Element>(&self) -> Vec<T> {
        self.contiguous().slice().expect("contiguous").to_vec()
    }
}
