//! Schedules that begin with smaller learning rates and come back to the optimizer's.

use super::{Schedule, scale};
use crate::optim::Optimizer;
use crate::optim::saved::saved;
use crate::{Error, Result, text};

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
        let mut schedule = Self { options, epoch: 0 };
        schedule.check()?;
        schedule.start(optimizer)?;
        Ok(schedule)
    }

    #[inline]
    fn check(&self) -> Result<()> {
        let LinearLrOptions { start_factor: start, end_factor: end, .. } = self.options;
        if !(start > 0.0 && start <= 1.0) {
            let message =
                format!("start_factor must be above 0 and at most 1, but is {}", text::float(start));
            return Err(Error::argument("LinearLR", message));
        }
        if !(0.0..=1.0).contains(&end) {
            let message = format!("end_factor must be at least 0 and at most 1, but is {}", text::float(end));
            return Err(Error::argument("LinearLR", message));
        }
        Ok(())
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

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        scale(optimizer, self.options.start_factor)
    }

    saved!(
        "LinearLR", Self::check;
        options.start_factor => "start_factor", options.end_factor => "end_factor",
        options.total_iters => "total_iters", epoch => "last_epoch"
    );
}

/// Multiplies the learning rates by a factor for some epochs, and then takes the factor back.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{ConstantLR, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let mut schedule = ConstantLR::new(&mut optimizer, 0.25, 2)?;
/// let mut lrs = vec![];
/// for _epoch in 0..4 {
///     lrs.push(optimizer.lr());
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(lrs, [0.25, 0.25, 1.0, 1.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.ConstantLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ConstantLR.html),
/// whose `factor` is a third and whose `total_iters` are 5 by default.
#[derive(Clone, Debug, PartialEq)]
pub struct ConstantLR {
    factor: f64,
    total_iters: usize,
    epoch: usize,
}

impl ConstantLR {
    /// The schedule. The learning rates that the optimizer has are multiplied by the factor.
    ///
    /// # Errors
    /// [`Error::Argument`] for a factor outside of 0 to 1; one of 0 is refused by the step that would take it back.
    #[inline]
    pub fn new(optimizer: &mut dyn Optimizer, factor: f64, total_iters: usize) -> Result<Self> {
        let mut schedule = Self { factor, total_iters, epoch: 0 };
        schedule.check()?;
        schedule.start(optimizer)?;
        Ok(schedule)
    }

    #[inline]
    fn check(&self) -> Result<()> {
        if (0.0..=1.0).contains(&self.factor) {
            return Ok(());
        }
        let message = format!("factor must be at least 0 and at most 1, but is {}", text::float(self.factor));
        Err(Error::argument("ConstantLR", message))
    }
}

impl Schedule for ConstantLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        match (self.epoch == self.total_iters, self.factor == 0.0) {
            (false, _) => Ok(()),
            (true, false) => scale(optimizer, 1.0 / self.factor),
            (true, true) => Err(Error::argument("ConstantLR", "factor is 0, and cannot be taken back")),
        }
    }

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        scale(optimizer, self.factor)
    }

    #[inline]
    fn restart(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        // In no epochs it is over.
        let over = if self.total_iters == 0 { 1.0 - self.factor } else { 0.0 };
        scale(optimizer, self.factor + over)
    }

    saved!(
        "ConstantLR", Self::check;
        factor => "factor", total_iters => "total_iters", epoch => "last_epoch"
    );
}
