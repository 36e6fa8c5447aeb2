//! Optimizers: how parameters follow their gradients.

mod sgd;

pub use sgd::{SGD, SgdOptions};

use crate::{Error, Parameter, Result, text};

/// What changes parameters after a backward pass.
///
/// # PyTorch
/// [`torch.optim.Optimizer`](https://docs.pytorch.org/docs/stable/optim.html#torch.optim.Optimizer)
pub trait Optimizer {
    /// Updates every parameter that has a gradient.
    ///
    /// # Errors
    /// Parameters whose shape or dtype has changed since the step before.
    fn step(&mut self) -> Result<()>;

    /// Forgets the gradients of all parameters: they are `None` afterwards.
    fn zero_grad(&mut self);

    /// The learning rate.
    fn lr(&self) -> f64;

    /// Sets the learning rate, as a schedule does between epochs.
    ///
    /// # Errors
    /// [`Error::Argument`] for one below 0 or NaN.
    fn set_lr(&mut self, lr: f64) -> Result<()>;
}

/// An error unless the option is 0 or more.
fn check_not_negative(op: &'static str, name: &str, value: f64) -> Result<()> {
    // Also refuses NaN.
    if value >= 0.0 {
        return Ok(());
    }
    Err(Error::argument(op, format!("{name} must be at least 0, but is {}", text::float(value))))
}

/// An error unless there are parameters, each of them once.
fn check_parameters(op: &'static str, parameters: &[Parameter]) -> Result<()> {
    if parameters.is_empty() {
        return Err(Error::argument(op, "there are no parameters to optimize"));
    }
    for (i, p) in parameters.iter().enumerate() {
        if let Some(first) = parameters[..i].iter().position(|other| p.is(other)) {
            return Err(Error::argument(op, format!("parameters {first} and {i} are the same")));
        }
    }
    Ok(())
}
