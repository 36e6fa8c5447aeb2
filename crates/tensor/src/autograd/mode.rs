//! Grad mode: whether the operations of a thread are recorded; and whether it looks for gradients that are not finite.

use std::cell::Cell;
use std::thread::LocalKey;

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(true) };
    static ANOMALY: Cell<bool> = const { Cell::new(false) };
}

/// Whether operations on this thread record what their derivatives need.
///
/// ```
/// assert!(downhill::grad_enabled());
/// assert!(!downhill::no_grad(downhill::grad_enabled));
/// ```
#[doc(alias = "is_grad_enabled")]
pub fn grad_enabled() -> bool {
    ENABLED.get()
}

/// Runs `f` with recording on or off.
pub(super) fn with_grad_mode<R>(enabled: bool, f: impl FnOnce() -> R) -> R {
    with(&ENABLED, enabled, f)
}

/// Runs `f` with a flag set, and sets it back.
fn with<R>(flag: &'static LocalKey<Cell<bool>>, value: bool, f: impl FnOnce() -> R) -> R {
    struct Restore(&'static LocalKey<Cell<bool>>, bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            self.0.set(self.1);
        }
    }
    let _restore = Restore(flag, flag.replace(value));
    f()
}

/// Whether this thread looks for gradients that are not finite.
pub(super) fn anomaly() -> bool {
    ANOMALY.get()
}

/// Runs `f` and looks for the operation whose gradient is first NaN or infinite: a backward pass inside of it ends with
/// [`Error::Anomaly`](crate::Error::Anomaly), which names the operation, its shapes and, if it was called inside as well, where.
///
/// For debugging: each gradient is read once more, and each operation notes where it was called: in the first function that is not this
/// library's. The error names it, with file and line if the program has debug information (`debug = "line-tables-only"` in its profile is
/// enough); a release build has none unless it asks for it, and then the function's name is all; a program without names
/// (`strip = true`) gives none. Per thread.
///
/// [`torch.autograd.detect_anomaly`](https://docs.pytorch.org/docs/stable/autograd.html#torch.autograd.detect_anomaly), which looks for NaN
/// only.
///
/// ```
/// use downhill::{Error, Tensor, autograd::detect_anomaly};
/// let x = Tensor::from([0.0_f32, 1.0]).requires_grad_()?;
/// let error = detect_anomaly(|| x.sqrt().sum().backward()).unwrap_err();
/// assert!(matches!(error, Error::Anomaly { op: "SqrtBackward0", .. }));
/// assert!(error.to_string().starts_with("SqrtBackward0: a gradient of shape [2] has inf in it; "));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
#[doc(alias = "set_detect_anomaly")]
pub fn detect_anomaly<R>(f: impl FnOnce() -> R) -> R {
    with(&ANOMALY, true, f)
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
#[doc(alias = "inference_mode")]
#[doc(alias = "set_grad_enabled")]
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
