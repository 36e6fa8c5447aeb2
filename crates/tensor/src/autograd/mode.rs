//! Grad mode: whether the operations of a thread are recorded.

use std::cell::Cell;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
}

/// Whether operations on this thread record what their derivatives need.
///
/// ```
/// assert!(downhill::grad_enabled());
/// assert!(!downhill::no_grad(downhill::grad_enabled));
/// ```
pub fn grad_enabled() -> bool {
    ENABLED.get()
}

/// Runs `f` with recording on or off.
pub(super) fn with_grad_mode<R>(enabled: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ENABLED.set(self.0);
        }
    }
    let _restore = Restore(ENABLED.replace(enabled));
    f()
}

/// Runs `f` without recording: its results are constants. A closure and not a guard, because a guard that is not
/// bound to a name would end at once.
///
/// Per thread, as [`torch.no_grad`](https://docs.pytorch.org/docs/stable/generated/torch.no_grad.html).
///
/// ```
/// use downhill::{Tensor, no_grad};
/// let x = Tensor::from([1.0_f32]).requires_grad_()?;
/// assert!(!no_grad(|| x.exp()).requires_grad());
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn no_grad<R>(f: impl FnOnce() -> R) -> R {
    with_grad_mode(false, f)
}

/// Runs `f` with recording on, inside of a [`no_grad`].
///
/// ```
/// use downhill::{enable_grad, grad_enabled, no_grad};
/// assert!(no_grad(|| enable_grad(grad_enabled)));
/// ```
pub fn enable_grad<R>(f: impl FnOnce() -> R) -> R {
    with_grad_mode(true, f)
}
