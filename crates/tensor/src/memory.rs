//! The memory that tensors hold, and the pool behind it.

use crate::buffer::POOL;

pub use crate::pool::Stats;

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
    POOL.stats()
}

/// Gives every kept buffer back to the system.
///
/// ```
/// downhill::memory::clear();
/// ```
pub fn clear() {
    POOL.clear();
}

/// Lets the peak start again from what is live now.
///
/// ```
/// downhill::memory::reset_peak();
/// ```
pub fn reset_peak() {
    POOL.reset_peak();
}

/// The most bytes of freed buffers to keep; without a limit, as many as were ever live at once.
///
/// ```
/// downhill::memory::set_limit(Some(64 << 20));
/// downhill::memory::set_limit(None);
/// ```
pub fn set_limit(bytes: Option<usize>) {
    POOL.set_limit(bytes.unwrap_or(usize::MAX));
}
