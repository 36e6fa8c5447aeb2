//! The memory of tensors; blocks return to the pool when dropped. One of the three files with `unsafe`.
#![allow(unsafe_code)]

use crate::dtype::{DType, Element};
use crate::pool::{self, Kind, Pool};
use std::alloc::{Layout, alloc_zeroed, dealloc};
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
// SAFETY: a shared block gives its address and nothing else.
unsafe impl Sync for Block {}

/// A block begins with a line of the cache.
const ALIGN: usize = 64;

/// Bytes from which a block is mapped on its own, in huge pages where the system grants them: of 64 MiB the first touch
/// then costs 6.5 ms and not 27, and a pass over it misses no page.
#[cfg(target_os = "linux")]
const MAPPED: usize = 4 << 20;

impl Block {
    /// Zeroed memory of `bytes` > 0 bytes, if the system gives it.
    pub(crate) fn new(bytes: usize) -> Option<Self> {
        assert!(bytes > 0, "an allocation has a size");
        #[cfg(target_os = "linux")]
        if bytes >= MAPPED {
            return Self::map(bytes);
        }
        let layout = Layout::from_size_align(bytes, ALIGN).ok()?;
        // SAFETY: the layout has a size above 0, by the assertion.
        let ptr = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        Some(Self { ptr, bytes })
    }

    /// Zeroed memory straight from the system, in whole pages.
    #[cfg(target_os = "linux")]
    fn map(bytes: usize) -> Option<Self> {
        let (readable, private) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address that the system chooses touches no other memory.
        let ptr = unsafe { libc::mmap(std::ptr::null_mut(), bytes, readable, private, -1, 0) };
        let ptr = NonNull::new(ptr.cast::<u8>()).filter(|_| ptr != libc::MAP_FAILED)?;
        // SAFETY: the range was mapped above. This is advice, which may be declined.
        unsafe { libc::madvise(ptr.as_ptr().cast(), bytes, libc::MADV_HUGEPAGE) };
        Some(Self { ptr, bytes })
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

/// The blocks of all dropped buffers.
pub(crate) static POOL: Pool<Block> = Pool::new();

/// A block of the pool, in use.
#[derive(Debug)]
struct Pooled {
    block: Option<Block>,
    bytes: usize,
    kind: Kind,
}

impl Pooled {
    fn new(bytes: usize, kind: Kind) -> Option<Self> {
        let block = POOL.take(bytes, kind, Block::new)?;
        assert!(block.bytes >= bytes, "the pool gives what was asked for");
        Some(Self { block: Some(block), bytes, kind })
    }

    fn first(&self) -> *mut u8 {
        self.block.as_ref().expect("there until dropped").ptr.as_ptr()
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            POOL.give(block, self.bytes, self.kind);
        }
    }
}

/// Bytes that need no memory of their own: a number of any type, or two.
const INLINE: usize = 16;

/// A few bytes in place, copied with the array; less than the pool keeps in one allocation with their counter; more in a block of
/// the pool. They are always initialised, and as many as the elements take, or more.
#[derive(Clone, Debug)]
enum Memory {
    Inline { words: [u64; INLINE / 8], len: u8 },
    Small { words: Arc<[u64]>, len: u16 },
    Many { block: Arc<Pooled>, len: usize },
}

/// Elements of one dtype that arrays share.
#[derive(Clone, Debug)]
pub(crate) struct Buffer {
    dtype: DType,
    memory: Memory,
}

impl Buffer {
    /// `len` elements of any values; `None` if there is no memory for them.
    pub(crate) fn new<T: Element>(len: usize) -> Option<Self> {
        let bytes = len.checked_mul(size_of::<T>())?;
        let kind = match T::DTYPE {
            DType::Bool => Kind::Bool,
            DType::I64 | DType::F32 | DType::F64 => Kind::Number,
        };
        let memory = if bytes <= INLINE {
            Memory::Inline { words: [0; INLINE / 8], len: len as u8 }
        } else if bytes < pool::MIN {
            Memory::Small { words: std::iter::repeat_n(0, bytes.div_ceil(8)).collect(), len: len as u16 }
        } else {
            Memory::Many { block: Arc::new(Pooled::new(bytes, kind)?), len }
        };
        Some(Self { dtype: T::DTYPE, memory })
    }

    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether no other array shares the memory.
    pub(crate) fn is_unique(&self) -> bool {
        match &self.memory {
            Memory::Inline { .. } => true,
            Memory::Small { words, .. } => Arc::strong_count(words) == 1,
            Memory::Many { block, .. } => Arc::strong_count(block) == 1,
        }
    }

    /// The elements for writing, of a buffer that was just made of this type.
    pub(crate) fn fresh<T: Element>(&mut self) -> &mut [T] {
        self.get_mut().expect("no other array has it yet")
    }

    /// The elements, if they are of this type.
    #[inline]
    pub(crate) fn get<T: Element>(&self) -> Option<&[T]> {
        if self.dtype != T::DTYPE {
            return None;
        }
        let (first, len) = match &self.memory {
            Memory::Inline { words, len } => (words.as_ptr().cast(), usize::from(*len)),
            Memory::Small { words, len } => (words.as_ptr().cast(), usize::from(*len)),
            Memory::Many { block, len } => (block.first().cast::<T>().cast_const(), *len),
        };
        // SAFETY: the memory was made for `len` elements of this dtype, aligned to 8 bytes at least, and is borrowed as long as the
        // slice. `Element` is sealed and has one type a dtype, so it was written as `T` only, and began as zeros or as what was
        // written to another buffer of its kind: of numbers, whose bits may be any, or of bools.
        Some(unsafe { std::slice::from_raw_parts(first, len) })
    }

    /// The elements for writing, if they are of this type and no other array shares the memory.
    #[inline]
    pub(crate) fn get_mut<T: Element>(&mut self) -> Option<&mut [T]> {
        if self.dtype != T::DTYPE {
            return None;
        }
        let (first, len) = match &mut self.memory {
            Memory::Inline { words, len } => (words.as_mut_ptr().cast(), usize::from(*len)),
            Memory::Small { words, len } => (Arc::get_mut(words)?.as_mut_ptr().cast(), usize::from(*len)),
            Memory::Many { block, len } => (Arc::get_mut(block)?.first().cast::<T>(), *len),
        };
        // SAFETY: as in `get`; the memory is borrowed exclusively.
        Some(unsafe { std::slice::from_raw_parts_mut(first, len) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer<T: Element>(values: &[T]) -> Buffer {
        let mut buffer = Buffer::new::<T>(values.len()).expect("there is memory");
        buffer.get_mut().expect("new").copy_from_slice(values);
        buffer
    }

    #[test]
    fn buffers_hold_what_was_written() {
        for len in [0, 1, 3, 255, 256, 257, 5000] {
            let values: Vec<f32> = (0..len).map(|i| i as f32).collect();
            assert_eq!(buffer(&values).get(), Some(&values[..]));
        }
    }

    #[test]
    fn buffers_have_elements_of_their_own_dtype_only() {
        for len in [1, 5, 5000] {
            let mut numbers = buffer(&vec![0.5; len]);
            assert!(numbers.get::<i64>().is_none() && numbers.get_mut::<bool>().is_none());
        }
    }

    #[test]
    fn a_shared_buffer_is_not_written_to() {
        for len in [5, 5000] {
            let mut one = buffer(&vec![1_i64; len]);
            let other = one.clone();
            assert!(!one.is_unique() && one.get_mut::<i64>().is_none());
            drop(other);
            assert!(one.is_unique() && one.get_mut::<i64>().is_some());
        }
    }

    #[test]
    fn bool_buffers_are_valid_after_reuse() {
        drop(buffer(&[f32::NAN; 1000]));
        let fresh = Buffer::new::<bool>(4000).expect("there is memory");
        assert!(fresh.get::<bool>().expect("bools").iter().all(|&b| u8::from(b) <= 1));
    }

    #[cfg(target_pointer_width = "64")]
    #[test]
    fn lengths_whose_bytes_wrap_have_no_memory() {
        for len in [usize::MAX, isize::MAX as usize, (1 << 62) + 1024, 1 << 61, 1 << 52] {
            assert!(Buffer::new::<f32>(len).is_none() && Buffer::new::<f64>(len).is_none(), "{len}");
        }
    }
}
