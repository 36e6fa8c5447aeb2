//! A gradient that the forward pass computes.

use crate::{Result, Tensor};
use std::sync::{Mutex, PoisonError};

/// The gradient of a reduced loss to its input, computed in the forward pass, in the same pass over memory as the loss: for an
/// incoming gradient of 1, which is nearly always the one that comes. The first backward pass takes it; a second one (with
/// `retain_graph`) finds nothing and computes.
///
/// ```
/// use downhill::{Tensor, autograd::Ready};
/// let ready = Ready::new(Some(Tensor::from([2.0_f32])));
/// assert_eq!(ready.take(&Tensor::from(0.5_f32))?, Some(Tensor::from([1.0_f32])));
/// assert_eq!(ready.take(&Tensor::from(0.5_f32))?, None);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Ready(Mutex<Option<Tensor>>);

impl Ready {
    /// Keeps a gradient, or none.
    pub fn new(gradient: Option<Tensor>) -> Self {
        Self(Mutex::new(gradient))
    }

    /// Keeps another gradient.
    pub fn set(&self, gradient: Option<Tensor>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = gradient;
    }

    /// The gradient for an incoming one of `g`, if it is still here.
    ///
    /// # Errors
    /// If `g` has more than one element.
    pub fn take(&self, g: &Tensor) -> Result<Option<Tensor>> {
        // Nothing runs while it is locked, so poison means nothing.
        let Some(gradient) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Ok(None);
        };
        Ok(Some(if g.item::<f64>()? == 1.0 { gradient } else { gradient.mul(g)? }))
    }
}
