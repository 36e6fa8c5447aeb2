//! What is watched of a backward pass: hooks on gradients, gradients that results keep, and where an operation was called.

use super::node::Node;
use crate::{DType, Error, Result, Tensor};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Where the library's crates lie, by the file of a frame: this crate's file `node.rs` notes the call.
fn folder(file: &str) -> Option<&str> {
    let end = file.rsplitn(3, ':').last()?.strip_suffix("/src/autograd/node.rs")?.rfind("tensor")?;
    Some(&file[..end])
}

/// The first caller that is no part of this library or of Rust's, in the text of a backtrace, if the program has names. A frame has a file
/// if there is debug information, and the path of a module in its name unless there are lines alone.
fn caller(trace: &str) -> Option<String> {
    const OURS: [&str; 8] =
        ["downhill_tensor", "downhill_nn", "downhill::", "std::", "core::", "alloc::", "__rustc", "__rust_"];
    const RUST: [&str; 3] = ["/library/core/", "/library/std/", "/library/alloc/"];
    let (mut lines, mut crates) = (trace.lines().map(str::trim).peekable(), None);
    while let Some(line) = lines.next() {
        let Some((number, name)) = line.split_once(": ") else { continue };
        let file = lines.peek().and_then(|line| line.strip_prefix("at "));
        crates = crates.or(file.and_then(folder));
        let ours = |file: &str| {
            RUST.iter().any(|part| file.contains(part))
                || crates.is_some_and(|crates| file.starts_with(crates) && file.contains("/src/"))
        };
        let own = name.trim_start_matches(['<', '&']);
        if number.parse::<u32>().is_err()
            || OURS.iter().any(|part| own.starts_with(part))
            || own.contains("unknown>")
            || file.is_some_and(ours)
        {
            continue;
        }
        return Some(file.map_or(name.to_string(), |file| format!("{name}, {file}")));
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
        Some(trace) => caller(&trace.to_string())
            .map_or_else(|| "in a program without names".to_string(), |at| format!("in {at}")),
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

#[cfg(test)]
mod tests {
    use super::caller;

    #[test]
    fn the_caller_is_named_with_and_without_debug_information() {
        let no_debug = "   0: downhill_tensor::autograd::node::Node::note_call\n   1: downhill_tensor::ops::pointwise::apply\n   \
                        2: <downhill_nn::loss::mse::MSELoss as downhill_nn::loss::Loss>::forward\n   3: program::user_loss\n   4: program::main\n";
        assert_eq!(caller(no_debug).as_deref(), Some("program::user_loss"));
        let frames = |crates: &str, name: &str, node: &str| {
            format!(
                "   0: {node}\n             at {crates}tensor/src/autograd/node.rs:240:49\n   1: call_once<(), closure>\n             \
                 at /rustc/0123/library/core/src/ops/function.rs:250:5\n   2: forward\n             \
                 at {crates}nn/src/loss/mse.rs:9:9\n   3: {name}\n             at ./src/main.rs:7:13\n   4: main\n             at ./src/main.rs:9:1\n"
            )
        };
        for crates in ["./crates/", "/home/x/.cargo/registry/src/index/downhill-"] {
            for (name, node) in [
                ("user_loss", "note_call"),
                ("program::user_loss", "downhill_tensor::autograd::node::Node::note_call"),
            ] {
                let text = frames(crates, name, node);
                let text = if crates.ends_with('-') {
                    text.replace("/src/autograd", "-0.1.0/src/autograd").replace("nn/src", "nn-0.1.0/src")
                } else {
                    text
                };
                assert_eq!(caller(&text), Some(format!("{name}, ./src/main.rs:7:13")), "{text}");
            }
        }
        // The tests of the library's crates are a program.
        let test = frames("./crates/", "closure", "note_call")
            .replace("./src/main.rs:7", "./crates/tensor/tests/it/watch.rs:7");
        assert_eq!(caller(&test).as_deref(), Some("closure, ./crates/tensor/tests/it/watch.rs:7:13"));
        assert_eq!(caller("   0: <unknown>\n   1: <unknown>\n"), None);
    }
}
