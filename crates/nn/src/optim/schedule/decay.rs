//! Schedules that know an epoch's learning rate from that of the epoch before.

use super::{Schedule, scale};
use crate::optim::Optimizer;
use crate::optim::saved::saved;
use crate::{Error, Result};
use std::f64::consts::PI;

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
        let schedule = Self { step_size, gamma, epoch: 0 };
        schedule.check()?;
        Ok(schedule)
    }

    #[inline]
    fn check(&self) -> Result<()> {
        if self.step_size == 0 {
            return Err(Error::argument("StepLR", "step_size must be at least 1, but is 0"));
        }
        Ok(())
    }
}

impl Schedule for StepLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        if self.epoch.is_multiple_of(self.step_size) { scale(optimizer, self.gamma) } else { Ok(()) }
    }

    #[inline]
    fn start(&mut self, _: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        Ok(())
    }

    saved!("StepLR", Self::check; step_size => "step_size", gamma => "gamma", epoch => "last_epoch");
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
    #[inline]
    pub fn new(optimizer: &mut dyn Optimizer, milestones: impl Into<Vec<usize>>, gamma: f64) -> Result<Self> {
        let mut schedule = Self { milestones: milestones.into(), gamma, epoch: 0 };
        schedule.start(optimizer)?;
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

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        self.apply(optimizer)
    }

    saved!("MultiStepLR", |_| Ok(()); milestones => "milestones", gamma => "gamma", epoch => "last_epoch");
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

    #[inline]
    fn start(&mut self, _: &mut dyn Optimizer) -> Result<()> {
        Ok(())
    }

    saved!("ExponentialLR", |_| Ok(()); gamma => "gamma");
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
/// let mut schedule = CosineAnnealingLR::new(&mut optimizer, 4, 0.0)?;
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
    base: Vec<f64>,
    epoch: usize,
}

impl CosineAnnealingLR {
    /// The schedule, from the optimizer's [initial](Optimizer::initial_lrs) learning rates.
    ///
    /// # Errors
    /// [`Error::Argument`] for a `t_max` of 0.
    #[inline]
    pub fn new(optimizer: &mut dyn Optimizer, t_max: usize, eta_min: f64) -> Result<Self> {
        let schedule = Self { t_max, eta_min, base: optimizer.initial_lrs(), epoch: 0 };
        schedule.check()?;
        Ok(schedule)
    }

    #[inline]
    fn check(&self) -> Result<()> {
        if self.t_max == 0 {
            return Err(Error::argument("CosineAnnealingLR", "t_max must be at least 1, but is 0"));
        }
        Ok(())
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
            old.zip(&self.base)
                .map(|(lr, base)| lr + (base - low) * (1.0 - (PI / period).cos()) / 2.0)
                .collect()
        } else {
            let ratio = (1.0 + (PI * epoch / period).cos()) / (1.0 + (PI * (epoch - 1.0) / period).cos());
            old.map(|lr| ratio * (lr - low) + low).collect()
        };
        optimizer.set_lrs(&new)
    }

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        (self.base, self.epoch) = (optimizer.lrs(), 0);
        Ok(())
    }

    #[inline]
    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.start(optimizer)?;
        let low = self.eta_min;
        optimizer.set_lrs(&self.base.iter().map(|base| low + (base - low) * 2.0 / 2.0).collect::<Vec<_>>())
    }

    saved!(
        "CosineAnnealingLR", Self::check;
        t_max => "T_max", eta_min => "eta_min", base => "base_lrs", epoch => "last_epoch"
    );
}
