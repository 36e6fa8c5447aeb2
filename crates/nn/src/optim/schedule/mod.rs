//! Schedules: how learning rates change from epoch to epoch.

mod decay;
mod one_cycle;
mod plateau;

pub use decay::{CosineAnnealingLR, ExponentialLR, LinearLR, LinearLrOptions, MultiStepLR, StepLR};
pub use one_cycle::{Anneal, OneCycleLR, OneCycleOptions};
pub use plateau::{Better, PlateauOptions, ReduceLROnPlateau, Threshold};

use super::Optimizer;
use crate::{Error, Result};

/// What sets the learning rates of an optimizer's groups, step by step.
///
/// A schedule that begins with other learning rates than the optimizer has sets them when it is made, and every one is handed
/// the optimizer at each step. Steps start from the rates that it has, so that schedules can be combined and rates changed by
/// hand; only [`OneCycleLR`] sets its own.
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.LRScheduler`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LRScheduler.html),
/// which holds the optimizer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schedule of learning rates",
    label = "expected a schedule, such as `StepLR`"
)]
pub trait Schedule {
    /// Goes on to the next epoch, after the optimizer's steps of this one.
    ///
    /// # Errors
    /// [`Error::Argument`] beyond the schedule's end, and for an optimizer with another number of groups.
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()>;
}

/// A number for all groups of parameters, or one for each.
///
/// # Examples
/// ```
/// use downhill::nn::optim::PerGroup;
///
/// assert_eq!(PerGroup::from(0.5), PerGroup::All(0.5));
/// assert_eq!(PerGroup::from([0.5, 0.25]), PerGroup::Each(vec![0.5, 0.25]));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum PerGroup {
    /// One number for all.
    All(f64),
    /// One for each.
    Each(Vec<f64>),
}

impl From<f64> for PerGroup {
    #[inline]
    fn from(number: f64) -> Self {
        Self::All(number)
    }
}

impl From<Vec<f64>> for PerGroup {
    #[inline]
    fn from(numbers: Vec<f64>) -> Self {
        Self::Each(numbers)
    }
}

impl<const N: usize> From<[f64; N]> for PerGroup {
    #[inline]
    fn from(numbers: [f64; N]) -> Self {
        Self::Each(numbers.into())
    }
}

impl PerGroup {
    /// One for each of the groups.
    #[inline]
    fn spread(&self, op: &'static str, name: &str, groups: usize) -> Result<Vec<f64>> {
        match self {
            Self::All(number) => Ok(vec![*number; groups]),
            Self::Each(numbers) if numbers.len() == groups => Ok(numbers.clone()),
            Self::Each(numbers) => {
                let message = format!("{name} has {} values for {groups} groups", numbers.len());
                Err(Error::argument(op, message))
            }
        }
    }
}
