//! The memory that tensors hold, and the pool behind it.
//!
//! # Out of memory
//! What would take more memory than there is, or than the system gives, is an [`Error::Memory`] and changes nothing. Methods that do
//! not return a [`Result`], operators among them, panic with its text; each of the methods has a second form that returns the error
//! ([`try_sum`](crate::Tensor::try_sum) is that of `sum`). The process never aborts for the want of a tensor's memory.
//!
//! Before it gives up, the pool gives back what it keeps. On Linux, where more memory is granted than there is and a process that
//! uses it is killed, tensors together hold no more than the RAM and the swap of the system, or the limit of its control group.

use crate::buffer::POOL;
use crate::kernel::parallel;
use crate::{Error, Result, pool};

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

/// `n` times `value`, as `vec![value; n]`: scratch of an operation `op` of your own.
///
/// # Errors
/// [`Error::Memory`] where `vec!` aborts the process.
///
/// ```
/// assert_eq!(downhill::memory::vec("op", 0.5, 2)?, [0.5, 0.5]);
/// assert!(downhill::memory::vec("op", 0.5, 1 << 60).is_err());
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn vec<T: Clone>(op: &'static str, value: T, n: usize) -> Result<Vec<T>> {
    collect(op, std::iter::repeat_n(value, n))
}

/// What an iterator gives, as [`Iterator::collect`].
///
/// # Errors
/// [`Error::Memory`] where `collect` aborts the process.
///
/// ```
/// assert_eq!(downhill::memory::collect("op", (0..5).filter(|i| i % 2 == 0))?, [0, 2, 4]);
/// assert!(downhill::memory::collect("op", 0..1_usize << 60).is_err());
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn collect<T>(op: &'static str, items: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
    let items = items.into_iter();
    let (least, most) = items.size_hint();
    let mut vec = with_capacity(op, least)?;
    if most == Some(least) {
        vec.extend(items);
        return Ok(vec);
    }
    for item in items {
        if vec.len() == vec.capacity() {
            let mut larger = with_capacity(op, (2 * vec.len()).max(16))?;
            larger.append(&mut vec);
            vec = larger;
        }
        vec.push(item);
    }
    Ok(vec)
}

/// An error if there is no memory for `n` elements of `T`: before a loop whose jobs take scratch, where no error can be returned.
///
/// # Errors
/// [`Error::Memory`].
///
/// ```
/// assert!(downhill::memory::check::<f64>("op", 100).is_ok());
/// assert!(downhill::memory::check::<f64>("op", usize::MAX).is_err());
/// ```
pub fn check<T>(op: &'static str, n: usize) -> Result<()> {
    with_capacity::<T>(op, n).map(drop)
}

/// [`check`] for a loop each of whose jobs takes `n` elements: as many run at once as there are threads.
///
/// # Errors
/// [`Error::Memory`].
///
/// ```
/// assert!(downhill::memory::check_jobs::<f64>("op", 100).is_ok());
/// assert!(downhill::memory::check_jobs::<f64>("op", usize::MAX).is_err());
/// ```
pub fn check_jobs<T>(op: &'static str, n: usize) -> Result<()> {
    check::<u8>(op, parallel::bytes::<T>(n))
}

/// An empty vector with room for `n` elements.
pub(crate) fn with_capacity<T>(op: &'static str, n: usize) -> Result<Vec<T>> {
    let bytes = n.saturating_mul(size_of::<T>());
    let reserve = || {
        let mut vec = Vec::new();
        vec.try_reserve_exact(n).ok().map(|()| vec)
    };
    // The pool frees nothing for a few bytes.
    let made = if bytes < pool::MIN { reserve() } else { POOL.room(bytes, reserve) };
    match made {
        Some(vec) => Ok(vec),
        None => Err(Error::Memory { op, bytes, shape: None }),
    }
}
