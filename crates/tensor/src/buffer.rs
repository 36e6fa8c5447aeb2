//! The memory of tensors; blocks return to the pool when dropped. One of the three files with `unsafe`.
#![allow(unsafe_code)]

use crate::pool::{self, Kind};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::ptr::NonNull;
use triomphe::Arc;

/// Raw memory, owned; its bytes are always initialised.
#[derive(Debug)]
pub(crate) struct Block {
    ptr: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a block is plain memory with one owner; nothing in it is tied to a thread.
unsafe impl Send for Block {}

/// A block begins with a line of the cache.
const ALIGN: usize = 64;

/// Bytes from which a block is mapped on its own, in huge pages where the system grants them: of 64 MiB the first touch
/// then costs 6.5 ms and not 27, and a pass over it misses no page.
#[cfg(target_os = "linux")]
const MAPPED: usize = 4 << 20;

impl Block {
    /// Zeroed memory of `bytes` > 0 bytes.
    pub(crate) fn new(bytes: usize) -> Self {
        #[cfg(target_os = "linux")]
        if bytes >= MAPPED {
            return Self::map(bytes);
        }
        let layout = Layout::from_size_align(bytes, ALIGN).expect("shapes are checked to fit isize");
        // SAFETY: the layout has a size above 0.
        let ptr = unsafe { alloc_zeroed(layout) };
        let ptr = NonNull::new(ptr).unwrap_or_else(|| handle_alloc_error(layout));
        Self { ptr, bytes }
    }

    /// Zeroed memory straight from the system, in whole pages.
    #[cfg(target_os = "linux")]
    fn map(bytes: usize) -> Self {
        let (readable, private) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address that the system chooses touches no other memory.
        let ptr = unsafe { libc::mmap(std::ptr::null_mut(), bytes, readable, private, -1, 0) };
        let mapped = NonNull::new(ptr.cast::<u8>()).filter(|_| ptr != libc::MAP_FAILED);
        let layout = || Layout::from_size_align(bytes, 1).expect("shapes are checked to fit isize");
        let ptr = mapped.unwrap_or_else(|| handle_alloc_error(layout()));
        // SAFETY: the range was mapped above. This is advice, which may be declined.
        unsafe { libc::madvise(ptr.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        Self { ptr, bytes }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        #[cfg(target_os = "linux")]
        if self.bytes >= MAPPED {
            // SAFETY: mapped in `map` with this length, and unmapped once because a block has one owner.
            unsafe { libc::munmap(self.ptr.as_ptr().cast(), self.bytes) };
            return;
        }
        let layout = Layout::from_size_align(self.bytes, ALIGN).expect("as in new");
        // SAFETY: allocated in `new` with this very layout, and freed once because a block has one owner.
        unsafe { dealloc(self.ptr.as_ptr(), layout) }
    }
}

/// Element types a buffer may hold: any bytes of the memory's kind are a valid value of them.
///
/// # Safety
/// `KIND` must be `Kind::Bool` for `bool` (whose bytes are only ever 0 or 1) and `Kind::Number` otherwise,
/// and every bit pattern must be a valid number of the type.
pub(crate) unsafe trait Plain: Copy {
    const KIND: Kind;
}

// SAFETY: all bit patterns are valid.
unsafe impl Plain for f32 {
    const KIND: Kind = Kind::Number;
}
// SAFETY: all bit patterns are valid.
unsafe impl Plain for f64 {
    const KIND: Kind = Kind::Number;
}
// SAFETY: all bit patterns are valid.
unsafe impl Plain for i64 {
    const KIND: Kind = Kind::Number;
}
// SAFETY: blocks of this kind start zeroed (false) and only ever hold bools.
unsafe impl Plain for bool {
    const KIND: Kind = Kind::Bool;
}

/// Bytes that need no memory of their own: a number of any type, or two.
const FEW: usize = 16;

type Words = [u64; FEW / 8];

/// The first `len` elements of initialised words.
fn slice<T: Plain>(words: &[u64], len: usize) -> &[T] {
    assert!(len * size_of::<T>() <= size_of_val(words), "they fit");
    // SAFETY: by the assertion the words hold as many elements; they are initialised, and aligned to 8 bytes.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), len) }
}

fn slice_mut<T: Plain>(words: &mut [u64], len: usize) -> &mut [T] {
    assert!(len * size_of::<T>() <= size_of_val(words), "they fit");
    // SAFETY: as in `slice`; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast(), len) }
}

/// Initialised elements, with whatever values their memory held before, and the number of them.
#[derive(Debug)]
pub(crate) struct Pooled<T: Plain> {
    block: Option<Block>,
    len: usize,
    marker: std::marker::PhantomData<T>,
}

// SAFETY: `T: Sync` elements behind `&Pooled` are only read; writing needs `&mut Pooled`.
unsafe impl<T: Plain + Sync> Sync for Pooled<T> {}

impl<T: Plain> Pooled<T> {
    fn new(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        pool::hold(bytes);
        Self { block: Some(pool::take(bytes, T::KIND)), len, marker: std::marker::PhantomData }
    }

    fn first(&self) -> *mut T {
        self.block.as_ref().expect("there until dropped").ptr.as_ptr().cast()
    }

    fn slice(&self) -> &[T] {
        // SAFETY: the block holds at least `len` initialised elements, aligned to 64 bytes.
        unsafe { std::slice::from_raw_parts(self.first(), self.len) }
    }

    fn slice_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `slice`, and `&mut self` makes this the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.first(), self.len) }
    }
}

impl<T: Plain> Drop for Pooled<T> {
    fn drop(&mut self) {
        let bytes = self.len * size_of::<T>();
        pool::release(bytes);
        if let Some(block) = self.block.take() {
            pool::give(block, bytes, T::KIND);
        }
    }
}

/// Elements that arrays share: a few in place, copied with the array; less than the pool keeps in one allocation with their
/// counter; more in a block of the pool.
#[derive(Clone, Debug)]
pub(crate) enum Buffer<T: Plain> {
    Few { words: Words, len: u8 },
    Small { words: Arc<[u64]>, len: u16 },
    Many(Arc<Pooled<T>>),
}

impl<T: Plain> Buffer<T> {
    /// `len` elements of any values.
    pub(crate) fn new(len: usize) -> Self {
        let bytes = len * size_of::<T>();
        if bytes <= FEW {
            Self::Few { words: Words::default(), len: len as u8 }
        } else if bytes < pool::MIN {
            Self::Small { words: std::iter::repeat_n(0, bytes.div_ceil(8)).collect(), len: len as u16 }
        } else {
            Self::Many(Arc::new(Pooled::new(len)))
        }
    }

    /// Whether no other array shares the memory.
    pub(crate) fn is_unique(&self) -> bool {
        match self {
            Self::Few { .. } => true,
            Self::Small { words, .. } => Arc::strong_count(words) == 1,
            Self::Many(elements) => Arc::strong_count(elements) == 1,
        }
    }

    /// For writing, of a buffer that was just made.
    pub(crate) fn fresh(&mut self) -> &mut [T] {
        self.get_mut().expect("no other array has it yet")
    }

    /// For writing, if no other array shares the memory.
    pub(crate) fn get_mut(&mut self) -> Option<&mut [T]> {
        match self {
            Self::Few { words, len } => Some(slice_mut(words, usize::from(*len))),
            Self::Small { words, len } => {
                Arc::get_mut(words).map(|words| slice_mut(words, usize::from(*len)))
            }
            Self::Many(elements) => Arc::get_mut(elements).map(Pooled::slice_mut),
        }
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];
    #[inline]
    fn deref(&self) -> &[T] {
        match self {
            Self::Few { words, len } => slice(words, usize::from(*len)),
            Self::Small { words, len } => slice(words, usize::from(*len)),
            Self::Many(elements) => elements.slice(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer<T: Plain>(values: &[T]) -> Buffer<T> {
        let mut buffer = Buffer::new(values.len());
        buffer.get_mut().expect("new").copy_from_slice(values);
        buffer
    }

    #[test]
    fn buffers_hold_what_was_written() {
        for len in [0, 1, 3, 255, 256, 257, 5000] {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            assert_eq!(&*buffer(&values), &values[..]);
        }
    }

    #[test]
    fn bool_buffers_are_valid_after_reuse() {
        drop(buffer(&[f32::NAN; 1000]));
        let fresh = Buffer::<bool>::new(4000);
        assert!(fresh.iter().all(|&b| u8::from(b) <= 1));
    }
}
