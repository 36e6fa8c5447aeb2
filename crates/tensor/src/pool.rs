//! Freed buffers, kept by size class for the next step.
//!
//! A training step that returns its memory to the system pays the page faults again: 6 to 11 times the step's own time
//! (16 × 4 MiB: 50 against 4.6 ms; 2-core EPYC, 2026-11). Less than [`MIN`] bytes are not the pool's: the system's
//! allocator is as fast there, and gives them with their counter.

use crate::buffer::Block;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The smallest pooled size, in bytes.
pub(crate) const MIN: usize = 1024;
/// Four classes an octave from [`MIN`] up: at most a quarter of a block is unused.
const CLASSES: usize = 4 * 44;

/// What a block's bytes may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Number,
    Bool,
}

type Shelf = Mutex<Vec<Block>>;
static NUMBERS: [Shelf; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];
static BOOLS: [Shelf; CLASSES] = [const { Mutex::new(Vec::new()) }; CLASSES];
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CACHED: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The class of a size and the bytes a block of that class has.
fn class(bytes: usize) -> (usize, usize) {
    let last = bytes.max(MIN) - 1;
    let octave = last.ilog2();
    let quarter = 1 << (octave - 2);
    let steps = last / quarter;
    ((octave + 1 - MIN.ilog2()) as usize * 4 + steps - 4, quarter * (steps + 1))
}

fn shelf(index: usize, kind: Kind) -> &'static Shelf {
    match kind {
        Kind::Number => &NUMBERS[index],
        Kind::Bool => &BOOLS[index],
    }
}

/// Counts bytes that a tensor holds from now on.
pub(crate) fn hold(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Relaxed) + bytes;
    // Reading first: a write to what all threads share costs as much as a small operation.
    if live > PEAK.load(Relaxed) {
        PEAK.fetch_max(live, Relaxed);
    }
}

/// Counts bytes that a tensor holds no more.
pub(crate) fn release(bytes: usize) {
    LIVE.fetch_sub(bytes, Relaxed);
}

/// A block of at least `bytes` bytes, [`MIN`] or more.
pub(crate) fn take(bytes: usize, kind: Kind) -> Block {
    let (index, size) = class(bytes);
    let kept = lock(shelf(index, kind)).pop();
    kept.inspect(|b| _ = CACHED.fetch_sub(b.bytes(), Relaxed)).unwrap_or_else(|| Block::new(size))
}

/// Takes a block back; frees it if the pool holds enough.
pub(crate) fn give(block: Block, bytes: usize, kind: Kind) {
    // What was live at once may be wanted at once again; more than that never.
    let most = PEAK.load(Relaxed).min(LIMIT.load(Relaxed));
    let size = block.bytes();
    if CACHED.fetch_add(size, Relaxed) + size > most {
        CACHED.fetch_sub(size, Relaxed);
        return;
    }
    lock(shelf(class(bytes).0, kind)).push(block);
}

/// A panic while the lock is held cannot leave the list half-changed, so poison means nothing.
fn lock(shelf: &Shelf) -> std::sync::MutexGuard<'_, Vec<Block>> {
    shelf.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The memory that tensors hold, and the pool behind it.
pub mod memory {
    use super::{BOOLS, CACHED, LIMIT, LIVE, NUMBERS, PEAK, Relaxed, lock};

    /// Bytes in use and kept, of the whole process.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Stats {
        /// Bytes that tensors hold now, without those of less than 1 KiB: counting would cost as much as using them.
        pub live: usize,
        /// The most bytes that they held at once since the start or the last [`reset_peak`].
        pub peak: usize,
        /// Bytes of freed buffers kept for reuse.
        pub cached: usize,
    }

    /// Reads the counters.
    ///
    /// ```
    /// let before = downhill::memory::stats().live;
    /// let x = downhill::zeros([1024])?;
    /// assert!(downhill::memory::stats().live >= before + 4096);
    /// # drop(x);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn stats() -> Stats {
        Stats { live: LIVE.load(Relaxed), peak: PEAK.load(Relaxed), cached: CACHED.load(Relaxed) }
    }

    /// Gives every kept buffer back to the system.
    ///
    /// ```
    /// downhill::memory::clear();
    /// ```
    pub fn clear() {
        for shelf in NUMBERS.iter().chain(&BOOLS) {
            for block in std::mem::take(&mut *lock(shelf)) {
                CACHED.fetch_sub(block.bytes(), Relaxed);
            }
        }
    }

    /// Lets the peak start again from what is live now.
    ///
    /// ```
    /// downhill::memory::reset_peak();
    /// ```
    pub fn reset_peak() {
        PEAK.store(LIVE.load(Relaxed), Relaxed);
    }

    /// The most bytes of freed buffers to keep; without a limit, as many as were ever live at once.
    ///
    /// ```
    /// downhill::memory::set_limit(Some(64 << 20));
    /// downhill::memory::set_limit(None);
    /// ```
    pub fn set_limit(bytes: Option<usize>) {
        LIMIT.store(bytes.unwrap_or(usize::MAX), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_tight_and_monotone() {
        let mut last = (0, 0);
        for bytes in (MIN..100_000).step_by(7).chain([MIN, 2048, 2049, 1 << 40]) {
            let (index, size) = class(bytes);
            assert!(size >= bytes && size <= bytes + bytes / 4 + 1, "{bytes} got {size}");
            assert!(index < CLASSES);
            if bytes > last.1 {
                assert!(index > last.0 || last.1 == 0, "{bytes}");
                last = (index, size);
            }
        }
    }
}
