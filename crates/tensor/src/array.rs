//! A value without a history: memory and where the elements lie in it.

use crate::buffer::Buffer;
use crate::dtype::dispatch;
use crate::kernel::map::{self, Strided};
use crate::kernel::simd::inlined;
use crate::layout::Layout;
use crate::{DType, Element, Error, Result, Shape, memory, pool};
use std::borrow::Cow;

#[derive(Clone, Debug)]
pub(crate) struct Array {
    pub(crate) buffer: Buffer,
    pub(crate) layout: Layout,
}

impl Array {
    /// A new array whose elements `write` sets, every one of them, as the result of `op`.
    #[inline]
    pub(crate) fn build<T: Element>(
        op: &'static str,
        shape: Shape,
        write: impl FnOnce(&mut [T]),
    ) -> Result<Self> {
        Self::build_beside(op, shape, 0, write)
    }

    /// [`build`](Self::build) by a loop that takes so many bytes of scratch: an error unless there is memory for them beside the result.
    #[inline]
    pub(crate) fn build_beside<T: Element>(
        op: &'static str,
        shape: Shape,
        scratch: usize,
        write: impl FnOnce(&mut [T]),
    ) -> Result<Self> {
        let mut buffer = Self::memory::<T>(op, &shape)?;
        // Less is as little as a node, for which nobody asks.
        if scratch >= pool::MIN && shape.numel() > 0 {
            memory::check::<u8>(op, scratch)?;
        }
        write(buffer.fresh());
        Ok(Self { buffer, layout: Layout::contiguous(shape) })
    }

    /// Apart from [`build`](Self::build), which is compiled once a loop.
    fn memory<T: Element>(op: &'static str, shape: &Shape) -> Result<Buffer> {
        Buffer::new::<T>(shape.numel()).ok_or_else(|| Error::memory(op, shape, size_of::<T>()))
    }

    /// [`build`](Self::build) for the loops of other crates: compiled once a type, and slower by some calls.
    #[inline(never)]
    pub(crate) fn build_dyn<T: Element>(
        op: &'static str,
        shape: Shape,
        write: &mut dyn FnMut(&mut [T]),
    ) -> Result<Self> {
        Self::build(op, shape, write)
    }

    pub(crate) fn full<T: Element>(op: &'static str, shape: Shape, value: T) -> Result<Self> {
        Self::build(op, shape, |out: &mut [T]| out.fill(value))
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

    /// Of its elements; what it shares of a larger buffer, or repeats, does not show.
    pub(crate) fn bytes(&self) -> usize {
        dispatch!(self.dtype(), T => self.numel() * size_of::<T>())
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
        Strided::new(self.raw(), self.shape(), self.layout.strides())
    }

    /// Itself if row-major, otherwise a row-major copy.
    pub(crate) fn contiguous(&self, op: &'static str) -> Result<Self> {
        if self.layout.is_contiguous() {
            return Ok(self.clone());
        }
        dispatch!(self.dtype(), T => self.copy::<T>(op))
    }

    /// Row-major, in memory of its own.
    fn copy<T: Element>(&self, op: &'static str) -> Result<Self> {
        Self::build(op, *self.shape(), |out| map::copy(&self.strided::<T>(), out))
    }

    /// `f` of every element.
    #[allow(clippy::redundant_closure, reason = "a closure can be inlined always")]
    pub(crate) fn map<A: Element, O: Element>(
        &self,
        op: &'static str,
        f: impl Fn(A) -> O + Sync,
    ) -> Result<Self> {
        self.each(op, &|&[a]: &[&[A]; 1], out: &mut [O]| map::map1(a, out, inlined!(|x| f(x))))
    }

    /// The array that a loop makes of parts of this one, in any order. What a view repeats is computed once.
    pub(crate) fn each<A: Element, O: Element>(
        &self,
        op: &'static str,
        body: &dyn map::Loop<A, O, 1>,
    ) -> Result<Self> {
        if self.layout.is_contiguous() {
            return Self::build(op, *self.shape(), |out| map::each_dense([self.raw()], out, body));
        }
        if self.layout.repeats() {
            let once = self.with_layout(self.layout.cut(|d| self.layout.strides()[d] == 0));
            return once.each(op, body)?.expand(self.shape()).copy::<O>(op);
        }
        Self::in_memory_order([self], &|shape, [x]| {
            Self::build(op, shape, |out| map::each([x.strided()], out, body))
        })
    }

    /// What `make` makes, element by element, of operands of one shape: with their dimensions in the order in which the first operand that
    /// has an element for each place lies in memory. That is how the result lies, too, as in PyTorch.
    pub(crate) fn in_memory_order<const N: usize>(
        operands: [&Self; N],
        make: &dyn Fn(Shape, [&Self; N]) -> Result<Self>,
    ) -> Result<Self> {
        if operands.iter().all(|x| x.layout.is_contiguous()) {
            return make(*operands[0].shape(), operands);
        }
        let first = operands.iter().find(|x| !x.layout.repeats());
        let Some(order) = first.and_then(|x| x.layout.order()) else {
            return make(*operands[0].shape(), operands);
        };
        let moved = operands.map(|x| x.with_layout(x.layout.permute(&order)));
        let made = make(*moved[0].shape(), moved.each_ref())?;
        Ok(Self { layout: made.layout.unpermute(&order), ..made })
    }

    pub(crate) fn to_dtype(&self, op: &'static str, dtype: DType) -> Result<Self> {
        Ok(self.cast(op, dtype)?.into_owned())
    }

    /// [`to_dtype`](Self::to_dtype) without a copy of an array that has the dtype.
    #[inline]
    pub(crate) fn cast(&self, op: &'static str, dtype: DType) -> Result<Cow<'_, Self>> {
        if dtype == self.dtype() {
            return Ok(Cow::Borrowed(self));
        }
        self.converted(op, dtype).map(Cow::Owned)
    }

    fn converted(&self, op: &'static str, dtype: DType) -> Result<Self> {
        dispatch!(self.dtype(), A => dispatch!(dtype, O => self.map(op, |x: A| x.cast::<O>())))
    }

    pub(crate) fn expand(&self, shape: &Shape) -> Self {
        self.with_layout(self.layout.expand(shape))
    }

    /// Whether no other array shares the memory, and it is row-major from the start.
    pub(crate) fn is_unique(&self) -> bool {
        self.buffer.is_unique() && self.layout.offset == 0 && self.layout.is_contiguous()
    }

    /// A row-major array that nobody else holds, by copying if need be.
    pub(crate) fn make_mut<T: Element>(&mut self, op: &'static str) -> Result<&mut [T]> {
        if !self.is_unique() {
            *self = self.copy::<T>(op)?;
        }
        let n = self.numel();
        Ok(&mut self.buffer.get_mut().expect("the dtype was matched, and it is unique")[..n])
    }

    /// Element `index` in row-major order.
    pub(crate) fn get<T: Element>(&self, index: usize) -> T {
        self.raw::<T>()[map::place(self.shape(), self.layout.strides(), index)]
    }

    /// The elements in order.
    pub(crate) fn to_vec<T: Element>(&self, op: &'static str) -> Result<Vec<T>> {
        if let Some(elements) = self.slice::<T>() {
            return memory::collect(op, elements.iter().copied());
        }
        let mut out = memory::vec(op, T::default(), self.numel())?;
        map::copy(&self.strided(), &mut out);
        Ok(out)
    }

    /// Whether `same` holds for parts that belong together of two arrays of one shape and dtype. Neither is copied as a whole, and what both repeat
    /// is compared once.
    pub(crate) fn all_pairs<T: Element>(&self, other: &Self, same: &dyn Fn(&[T], &[T]) -> bool) -> bool {
        let (a, b) = (self.layout.strides(), other.layout.strides());
        let repeats = |d: usize| a[d] == 0 && b[d] == 0;
        let once = |x: &Self| x.with_layout(x.layout.cut(repeats));
        let (x, y) = (once(self), once(other));
        let (n, x, y) = (x.numel(), x.strided(), y.strided());
        let (mut a, mut b) = ([T::default(); 512], [T::default(); 512]);
        (0..n).step_by(a.len()).all(|start| {
            let len = (n - start).min(a.len());
            x.pack(start, &mut a[..len]);
            y.pack(start, &mut b[..len]);
            same(&a[..len], &b[..len])
        })
    }
}
