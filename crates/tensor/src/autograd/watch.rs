//! What is watched of a backward pass: hooks on gradients, gradients that results keep, and where an operation was called.

use super::node::Node;
use crate::{DType, Error, Result, Tensor};
use std::backtrace::Backtrace;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// The first caller that is no part of this library or of Rust's, if the program has names.
fn caller(trace: &Backtrace) -> Option<String> {
    const OURS: [&str; 8] =
        ["downhill_tensor", "downhill_nn", "downhill::", "std::", "core::", "alloc::", "__rustc", "__rust_"];
    let text = trace.to_string();
    let mut lines = text.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        let Some((number, name)) = line.split_once(": ") else { continue };
        let own = name.trim_start_matches(['<', '&']);
        if number.parse::<u32>().is_err()
            || OURS.iter().any(|part| own.starts_with(part))
            || own.contains("unknown>")
        {
            continue;
        }
        return Some(match lines.peek().and_then(|line| line.strip_prefix("at ")) {
            Some(place) => format!("{name}, {place}"),
            None => name.to_string(),
        });
    }
    None
}

/// An error for a gradient that is not finite, which the derivative of `node` has computed.
pub(super) fn check_finite(grad: &Tensor, node: &Node) -> Result<()> {
    let values = grad.try_to_dtype(DType::F64)?.to_vec::<f64>()?;
    let what = match (values.iter().any(|x| x.is_nan()), values.iter().any(|x| x.is_infinite())) {
        (true, _) => "nan",
        (false, true) => "inf",
        (false, false) => return Ok(()),
    };
    let call = node.watch().and_then(|watch| watch.call.get());
    let site = match call {
        None => "outside of detect_anomaly, which does not know where".to_string(),
        Some(trace) => {
            caller(trace).map_or_else(|| "in a program without names".to_string(), |at| format!("in {at}"))
        }
    };
    let shapes = Box::new([*grad.shape(), node.shape]);
    Err(Error::Anomaly { op: node.name, what, shapes, site: site.into() })
}

/// A hook on a tensor's gradient. Made by [`Tensor::register_hook`]; letting go of it leaves the hook where it is.
pub struct Hook(Arc<AtomicBool>);

impl Hook {
    /// Takes the hook off.
    ///
    /// ```
    /// let x = downhill::Tensor::from(1.0_f32).requires_grad_()?;
    /// let hook = x.register_hook(|g| Ok(Some(g.mul(10)?)))?;
    /// hook.remove();
    /// x.exp().backward()?;
    /// assert!(x.grad().unwrap().item::<f32>()? < 3.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn remove(self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook")
    }
}

/// What gradients pass by.
impl Tensor {
    /// Lets `hook` see the gradient of this tensor, or replace it, in every backward pass: all of it, when all that was computed from the
    /// tensor has sent its part, and before it goes on or is added to a leaf's [`grad`](Self::grad).
    ///
    /// `None` leaves the gradient as it is. Several hooks run in order, each on what the one before made. An error ends the pass. A hook
    /// that holds the tensor itself, or what was computed from it, keeps both alive.
    ///
    /// [`torch.Tensor.register_hook`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.register_hook.html).
    ///
    /// # Errors
    /// [`Error::NoGrad`] for a constant. A backward pass returns [`Error::Shape`] for a gradient of another shape.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
    /// let y = x.square();
    /// y.register_hook(|g| g.mul(0.5).map(Some))?;
    /// y.sum().backward()?;
    /// assert_eq!(x.grad(), Some(Tensor::from([1.0_f32, 2.0])));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn register_hook(
        &self,
        hook: impl Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync + 'static,
    ) -> Result<Hook> {
        let node = self.node().ok_or(Error::NoGrad { op: "register_hook" })?;
        let there = Arc::new(AtomicBool::new(true));
        node.watched().add(there.clone(), Arc::new(hook));
        Ok(Hook(there))
    }

    /// Lets backward passes fill the [`grad`](Self::grad) of this result, as they do for leaves; nothing happens to a leaf.
    ///
    /// [`torch.Tensor.retain_grad`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.retain_grad.html).
    ///
    /// # Errors
    /// [`Error::NoGrad`] for a constant.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
    /// let y = x.square();
    /// y.retain_grad()?;
    /// y.square().sum().backward()?;
    /// assert_eq!(y.grad(), Some(Tensor::from([2.0_f32, 8.0])));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn retain_grad(&self) -> Result<()> {
        let node = self.node().ok_or(Error::NoGrad { op: "retain_grad" })?;
        if !node.is_leaf() {
            node.watched().retained.get_or_init(Mutex::default);
        }
        Ok(())
    }

    /// The [`grad`](Self::grad), or why there can be none: PyTorch warns there.
    ///
    /// # Errors
    /// [`Error::NoGrad`] for a constant, [`Error::Argument`] for a result that does not [retain](Self::retain_grad) its gradient.
    ///
    /// ```
    /// let x = downhill::Tensor::from(1.0_f32).requires_grad_()?;
    /// assert_eq!(x.try_grad()?, None); // no backward pass yet
    /// let error = x.exp().try_grad().unwrap_err();
    /// assert_eq!(error.to_string(), "grad: the result of ExpBackward0 keeps no gradient, unless retain_grad is called before");
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn try_grad(&self) -> Result<Option<Tensor>> {
        let node = self.node().ok_or(Error::NoGrad { op: "grad" })?;
        if !node.keeps_grad() {
            let message =
                format!("the result of {} keeps no gradient, unless retain_grad is called before", node.name);
            return Err(Error::argument("grad", message));
        }
        Ok(node.grad())
    }
}
