//! Schedules: how learning rates change from epoch to epoch.

mod decay;
mod lambda;
mod one_cycle;
mod plateau;
mod polynomial;
mod sequential;
mod warm_restarts;
mod warm_up;

pub use decay::{CosineAnnealingLR, ExponentialLR, MultiStepLR, StepLR};
pub use lambda::LambdaLR;
pub use one_cycle::{Anneal, OneCycleLR, OneCycleOptions};
pub use plateau::{Better, PlateauOptions, ReduceLROnPlateau, Threshold};
pub use polynomial::PolynomialLR;
pub use sequential::SequentialLR;
pub use warm_restarts::{CosineAnnealingWarmRestarts, WarmRestartsOptions};
pub use warm_up::{ConstantLR, LinearLR, LinearLrOptions};

use super::Optimizer;
use crate::{Error, Result, StateDict};

/// What sets the learning rates of an optimizer's groups, step by step.
///
/// A schedule that begins with other learning rates than the optimizer has sets them when it is made, and every one is handed
/// the optimizer at each step. Steps start from the rates that it has, so that schedules can be combined and rates changed by
/// hand; only [`LambdaLR`], [`CosineAnnealingWarmRestarts`] and [`OneCycleLR`] set their own.
///
/// # Examples
/// A schedule of one's own, which can be saved and loaded:
/// ```
/// use downhill::Tensor;
/// use downhill::nn::optim::Schedule;
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions, StateDict};
/// use downhill::{Error, Result};
///
/// /// Halves the learning rate, but no more than a number of times.
/// struct Halve {
///     left: i64,
/// }
///
/// impl Schedule for Halve {
///     fn start(&mut self, _: &mut dyn Optimizer) -> Result<()> {
///         Ok(())
///     }
///     fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
///         if self.left > 0 {
///             self.left -= 1;
///             let lrs: Vec<_> = optimizer.lrs().iter().map(|lr| lr / 2.0).collect();
///             optimizer.set_lrs(&lrs)?;
///         }
///         Ok(())
///     }
///     fn state_dict(&self) -> StateDict {
///         [("left", Tensor::from(self.left))].into_iter().collect()
///     }
///     fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
///         let left = state.get("left").ok_or(Error::argument("load_state_dict", "there is no left"))?;
///         self.left = left.item()?;
///         Ok(())
///     }
/// }
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let mut schedule = Halve { left: 2 };
/// for _epoch in 0..5 {
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(optimizer.lr(), 0.25);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.LRScheduler`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LRScheduler.html),
/// which holds the optimizer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schedule of learning rates",
    label = "expected a schedule, such as `StepLR`"
)]
#[doc(alias = "LRScheduler")]
pub trait Schedule {
    /// Goes on to the next epoch, after the optimizer's steps of this one.
    ///
    /// # Errors
    /// [`Error::Argument`] beyond the schedule's end, and for an optimizer with another number of groups.
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()>;

    /// Begins with epoch 0, as when it was made, from the learning rates that the optimizer has.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()>;

    /// [`start`](Self::start) where [`SequentialLR`] comes to it: by the closed formula, as PyTorch's `step(0)` computes, for which
    /// some schedules have one that rounds otherwise.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.start(optimizer)
    }

    /// All that a later run needs to go on: the options and how far it has come.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::optim::{Schedule, StepLR};
    ///
    /// let schedule = StepLR::new(30, 0.1)?;
    /// assert_eq!(schedule.state_dict().get("last_epoch"), Some(&downhill::Tensor::from(0)));
    ///
    /// let mut other = StepLR::new(10, 0.5)?;
    /// other.load_state_dict(&schedule.state_dict())?;
    /// assert_eq!(other, schedule);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.optim.lr_scheduler.LRScheduler.state_dict`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LRScheduler.html#torch.optim.lr_scheduler.LRScheduler.state_dict),
    /// of tensors only here.
    fn state_dict(&self) -> StateDict;

    /// Goes on from a [`state_dict`](Self::state_dict): its options, and how far it had come. It sets no learning rates: those that it had
    /// set are in the optimizer's state.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`], with the entry, for one that is missing, unexpected or does not fit: the state of another
    /// kind of schedule, of other groups, or options that the schedule refuses. Nothing is changed then.
    fn load_state_dict(&mut self, state: &StateDict) -> Result<()>;
}

/// Multiplies the learning rates that the optimizer has, once it remembers those before the first schedule.
#[inline]
fn scale(optimizer: &mut dyn Optimizer, factor: f64) -> Result<()> {
    optimizer.initial_lrs();
    let lrs: Vec<_> = optimizer.lrs().iter().map(|lr| lr * factor).collect();
    optimizer.set_lrs(&lrs)
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
