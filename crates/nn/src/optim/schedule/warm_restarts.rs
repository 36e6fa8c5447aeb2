//! Half a wave of the cosine, again and again.

use super::Schedule;
use crate::optim::Optimizer;
use crate::optim::saved::saved;
use crate::{Error, Result, text};
use std::f64::consts::PI;

const OP: &str = "CosineAnnealingWarmRestarts";

/// What [`CosineAnnealingWarmRestarts`] is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WarmRestartsOptions {
    /// The number of epochs up to the first restart, at least 1.
    pub t_0: usize,
    /// Each period is this many times as long as the one before; at least 1.
    pub t_mult: usize,
    /// The learning rate at the end of a period.
    pub eta_min: f64,
}

/// PyTorch's, and 10 epochs, where it has no default.
impl Default for WarmRestartsOptions {
    #[inline]
    fn default() -> Self {
        Self { t_0: 10, t_mult: 1, eta_min: 0.0 }
    }
}

/// Lets the learning rates fall along half a wave of the cosine, and begins again at the initial ones when a period is over.
///
/// # Formula
/// `γ = η + (γ₀ − η)·(1 + cos(πt/T))/2`, where `t` counts from the last restart and `T` is the period: `t_0`, then `t_mult` times the
/// one before.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{CosineAnnealingWarmRestarts, Schedule, WarmRestartsOptions};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let options = WarmRestartsOptions { t_0: 1, t_mult: 2, ..Default::default() };
/// let mut schedule = CosineAnnealingWarmRestarts::new(&mut optimizer, options)?;
/// let mut lrs = vec![];
/// for _epoch in 0..6 {
///     lrs.push((optimizer.lr() * 100.0).round());
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(lrs, [100.0, 100.0, 50.0, 100.0, 85.0, 50.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.CosineAnnealingWarmRestarts.html);
/// after [Loshchilov and Hutter 2016](https://arxiv.org/abs/1608.03983).
#[derive(Clone, Debug, PartialEq)]
pub struct CosineAnnealingWarmRestarts {
    options: WarmRestartsOptions,
    base: Vec<f64>,
    /// Epochs since the last restart, which may be a part of one.
    since: f64,
    period: f64,
    /// The whole epochs.
    epoch: usize,
}

impl CosineAnnealingWarmRestarts {
    /// The schedule, from the optimizer's [initial](Optimizer::initial_lrs) learning rates.
    ///
    /// # Errors
    /// [`Error::Argument`] for a `t_0` or `t_mult` of 0.
    #[inline]
    pub fn new(optimizer: &mut dyn Optimizer, options: WarmRestartsOptions) -> Result<Self> {
        let period = options.t_0 as f64;
        let schedule = Self { options, base: optimizer.initial_lrs(), since: 0.0, period, epoch: 0 };
        schedule.check()?;
        schedule.apply(optimizer)?;
        Ok(schedule)
    }

    #[inline]
    fn check(&self) -> Result<()> {
        let WarmRestartsOptions { t_0, t_mult, .. } = self.options;
        for (name, count) in [("t_0", t_0), ("t_mult", t_mult)] {
            if count == 0 {
                return Err(Error::argument(OP, format!("{name} must be at least 1, but is 0")));
            }
        }
        if !(self.since >= 0.0 && self.period >= 1.0) {
            let (since, period) = (text::float(self.since), text::float(self.period));
            return Err(Error::argument(
                OP,
                format!("T_cur of {since} in a T_i of {period} is no place in it"),
            ));
        }
        Ok(())
    }

    /// Goes to an epoch, which may be a part of one: `epoch + batch / batches`.
    ///
    /// # Errors
    /// [`Error::Argument`] for an epoch below 0 or NaN.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::optim::{CosineAnnealingWarmRestarts, WarmRestartsOptions};
    /// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
    ///
    /// let w = Parameter::new(downhill::ones([1])?)?;
    /// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
    /// let mut schedule = CosineAnnealingWarmRestarts::new(&mut optimizer, WarmRestartsOptions::default())?;
    /// schedule.step_to(&mut optimizer, 15.0)?;
    /// assert_eq!(optimizer.lr(), 0.5);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn step_to(&mut self, optimizer: &mut dyn Optimizer, epoch: f64) -> Result<()> {
        if !(epoch >= 0.0 && epoch.is_finite()) {
            return Err(Error::argument(
                OP,
                format!("epoch must be at least 0, but is {}", text::float(epoch)),
            ));
        }
        let (t_0, t_mult) = (self.options.t_0 as f64, self.options.t_mult as f64);
        if epoch < t_0 {
            (self.since, self.period) = (epoch, t_0);
        } else if self.options.t_mult == 1 {
            // PyTorch leaves the period as it is.
            self.since = epoch % t_0;
        } else {
            // As Python computes a logarithm to a base.
            let restarts = ((epoch / t_0 * (t_mult - 1.0) + 1.0).ln() / t_mult.ln()).trunc();
            let power = t_mult.powf(restarts);
            self.since = epoch - t_0 * (power - 1.0) / (t_mult - 1.0);
            self.period = t_0 * power;
        }
        self.epoch = epoch as usize;
        self.apply(optimizer)
    }

    #[inline]
    fn apply(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        let (low, wave) = (self.options.eta_min, 1.0 + (PI * self.since / self.period).cos());
        optimizer.set_lrs(&self.base.iter().map(|base| low + (base - low) * wave / 2.0).collect::<Vec<_>>())
    }
}

impl Schedule for CosineAnnealingWarmRestarts {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        self.since += 1.0;
        if self.since >= self.period {
            self.since %= self.period;
            self.period *= self.options.t_mult as f64;
        }
        self.apply(optimizer)
    }

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        (self.base, self.since, self.epoch) = (optimizer.lrs(), 0.0, 0);
        self.period = self.options.t_0 as f64;
        self.apply(optimizer)
    }

    saved!(
        "CosineAnnealingWarmRestarts", Self::check;
        options.t_0 => "T_0", options.t_mult => "T_mult", options.eta_min => "eta_min", base => "base_lrs",
        since => "T_cur", period => "T_i", epoch => "last_epoch"
    );
}
