//! Schedules that know an epoch's learning rate from that of the epoch before.

use super::Schedule;
use crate::optim::Optimizer;
use crate::{Error, Result, text};
use std::f64::consts::PI;

/// Multiplies the learning rates that the optimizer has.
#[inline]
fn scale(optimizer: &mut dyn Optimizer, factor: f64) -> Result<()> {
    let lrs: Vec<_> = optimizer.lrs().iter().map(|lr| lr * factor).collect();
    optimizer.set_lrs(&lrs)
}

/// Multiplies the learning rates by `gamma` every `step_size` epochs.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{Schedule, StepLR};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let mut schedule = StepLR::new(2, 0.5)?;
/// let mut lrs = vec![];
/// for _epoch in 0..5 {
///     // Here the optimizer steps.
///     lrs.push(optimizer.lr());
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(lrs, [1.0, 1.0, 0.5, 0.5, 0.25]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.StepLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.StepLR.html),
/// whose `gamma` is 0.1 by default.
#[derive(Clone, Debug, PartialEq)]
pub struct StepLR {
    step_size: usize,
    gamma: f64,
    epoch: usize,
}

impl StepLR {
    /// The schedule.
    ///
    /// # Errors
    /// [`Error::Argument`] for a `step_size` of 0.
    #[inline]
    pub fn new(step_size: usize, gamma: f64) -> Result<Self> {
        if step_size == 0 {
            return Err(Error::argument("StepLR", "step_size must be at least 1, but is 0"));
        }
        Ok(Self { step_size, gamma, epoch: 0 })
    }
}

impl Schedule for StepLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        if self.epoch.is_multiple_of(self.step_size) { scale(optimizer, self.gamma) } else { Ok(()) }
    }
}

/// Multiplies the learning rates by `gamma` at each of the milestones, which are epochs; twice where one stands twice.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{MultiStepLR, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let mut schedule = MultiStepLR::new(&mut optimizer, [1, 3], 0.5)?;
/// let mut lrs = vec![];
/// for _epoch in 0..4 {
///     lrs.push(optimizer.lr());
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(lrs, [1.0, 0.5, 0.5, 0.25]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.MultiStepLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.MultiStepLR.html),
/// whose `gamma` is 0.1 by default.
#[derive(Clone, Debug, PartialEq)]
pub struct MultiStepLR {
    milestones: Vec<usize>,
    gamma: f64,
    epoch: usize,
}

impl MultiStepLR {
    /// The schedule; a milestone at 0 acts at once.
    ///
    /// # Errors
    /// What the optimizer refuses.
    pub fn new(optimizer: &mut dyn Optimizer, milestones: impl Into<Vec<usize>>, gamma: f64) -> Result<Self> {
        let schedule = Self { milestones: milestones.into(), gamma, epoch: 0 };
        schedule.apply(optimizer)?;
        Ok(schedule)
    }

    #[inline]
    fn apply(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        match self.milestones.iter().filter(|milestone| **milestone == self.epoch).count() {
            0 => Ok(()),
            times => scale(optimizer, self.gamma.powf(times as f64)),
        }
    }
}

impl Schedule for MultiStepLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        self.apply(optimizer)
    }
}

/// Multiplies the learning rates by `gamma` every epoch.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{ExponentialLR, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let mut schedule = ExponentialLR::new(0.5);
/// schedule.step(&mut optimizer)?;
/// schedule.step(&mut optimizer)?;
/// assert_eq!(optimizer.lr(), 0.25);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.ExponentialLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ExponentialLR.html)
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialLR {
    gamma: f64,
}

impl ExponentialLR {
    /// The schedule.
    #[inline]
    pub fn new(gamma: f64) -> Self {
        Self { gamma }
    }
}

impl Schedule for ExponentialLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        scale(optimizer, self.gamma)
    }
}

/// Lets the learning rates fall from where they are to `eta_min` in `t_max` epochs, along half a wave of the cosine, and
/// then rise again.
///
/// # Formula
/// `γₜ = η + (γ₀ − η)·(1 + cos(πt/T))/2`, computed from `γₜ₋₁` as PyTorch does.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{CosineAnnealingLR, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let mut schedule = CosineAnnealingLR::new(&optimizer, 4, 0.0)?;
/// for _epoch in 0..4 {
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(optimizer.lr(), 0.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.CosineAnnealingLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingLR.html),
/// whose `eta_min` is 0 by default; after [Loshchilov and Hutter 2016](https://arxiv.org/abs/1608.03983).
#[derive(Clone, Debug, PartialEq)]
pub struct CosineAnnealingLR {
    t_max: usize,
    eta_min: f64,
    start: Vec<f64>,
    epoch: usize,
}

impl CosineAnnealingLR {
    /// The schedule, from the learning rates that the optimizer has.
    ///
    /// # Errors
    /// [`Error::Argument`] for a `t_max` of 0.
    #[inline]
    pub fn new(optimizer: &dyn Optimizer, t_max: usize, eta_min: f64) -> Result<Self> {
        if t_max == 0 {
            return Err(Error::argument("CosineAnnealingLR", "t_max must be at least 1, but is 0"));
        }
        Ok(Self { t_max, eta_min, start: optimizer.lrs(), epoch: 0 })
    }
}

impl Schedule for CosineAnnealingLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        let (epoch, period, low) = (self.epoch as f64, self.t_max as f64, self.eta_min);
        let old = optimizer.lrs().into_iter();
        let new: Vec<_> = if (self.epoch - 1) % self.t_max.saturating_mul(2) == self.t_max {
            // The rate before is at the minimum, and the quotient below 0/0.
            old.zip(&self.start)
                .map(|(lr, start)| lr + (start - low) * (1.0 - (PI / period).cos()) / 2.0)
                .collect()
        } else {
            let ratio = (1.0 + (PI * epoch / period).cos()) / (1.0 + (PI * (epoch - 1.0) / period).cos());
            old.map(|lr| ratio * (lr - low) + low).collect()
        };
        optimizer.set_lrs(&new)
    }
}

/// What [`LinearLR`] is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearLrOptions {
    /// The factor at the start, above 0 and up to 1.
    pub start_factor: f64,
    /// The factor at the end, from 0 to 1.
    pub end_factor: f64,
    /// The number of epochs from start to end.
    pub total_iters: usize,
}

/// PyTorch's: from a third to all in 5 epochs.
impl Default for LinearLrOptions {
    #[inline]
    fn default() -> Self {
        Self { start_factor: 1.0 / 3.0, end_factor: 1.0, total_iters: 5 }
    }
}

/// Multiplies the learning rates by a factor that goes in equal steps from one value to another, as to warm up.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{LinearLR, LinearLrOptions, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let options = LinearLrOptions { start_factor: 0.5, total_iters: 2, ..Default::default() };
/// let mut schedule = LinearLR::new(&mut optimizer, options)?;
/// let mut lrs = vec![];
/// for _epoch in 0..4 {
///     lrs.push(optimizer.lr());
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(lrs, [0.5, 0.75, 1.0, 1.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.LinearLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LinearLR.html)
#[derive(Clone, Debug, PartialEq)]
pub struct LinearLR {
    options: LinearLrOptions,
    epoch: usize,
}

impl LinearLR {
    /// The schedule. The learning rates that the optimizer has are multiplied by the first factor.
    ///
    /// # Errors
    /// [`Error::Argument`] for factors outside their range.
    #[inline]
    pub fn new(optimizer: &mut dyn Optimizer, options: LinearLrOptions) -> Result<Self> {
        let LinearLrOptions { start_factor: start, end_factor: end, .. } = options;
        if !(start > 0.0 && start <= 1.0) {
            let message =
                format!("start_factor must be above 0 and at most 1, but is {}", text::float(start));
            return Err(Error::argument("LinearLR", message));
        }
        if !(0.0..=1.0).contains(&end) {
            let message = format!("end_factor must be at least 0 and at most 1, but is {}", text::float(end));
            return Err(Error::argument("LinearLR", message));
        }
        scale(optimizer, start)?;
        Ok(Self { options, epoch: 0 })
    }
}

impl Schedule for LinearLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        let LinearLrOptions { start_factor: start, end_factor: end, total_iters } = self.options;
        if self.epoch > total_iters {
            return Ok(());
        }
        let before = total_iters as f64 * start + (self.epoch - 1) as f64 * (end - start);
        scale(optimizer, 1.0 + (end - start) / before)
    }
}
