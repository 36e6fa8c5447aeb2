//! Smaller learning rates once nothing improves.

use super::PerGroup;
use crate::optim::Optimizer;
use crate::optim::saved::{either, saved};
use crate::{Error, Result, text};

/// Which metric is the better one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Better {
    /// The smaller, as of a loss.
    #[default]
    Min,
    /// The larger, as of an accuracy.
    Max,
}

either!(Better, Min, Max);

/// What [`ReduceLROnPlateau`] compares a difference with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threshold {
    /// The threshold times the best metric.
    #[default]
    Rel,
    /// The threshold.
    Abs,
}

either!(Threshold, Rel, Abs);

/// What [`ReduceLROnPlateau`] is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct PlateauOptions {
    /// Which metric is the better one.
    pub mode: Better,
    /// What the learning rates are multiplied by, below 1.
    pub factor: f64,
    /// How many epochs in a row may pass without improvement.
    pub patience: usize,
    /// How much an improvement is at least.
    pub threshold: f64,
    /// Of what the threshold is meant.
    pub threshold_mode: Threshold,
    /// How many epochs do not count after a reduction.
    pub cooldown: usize,
    /// The learning rates stay at or above this.
    pub min_lr: PerGroup,
    /// A reduction by no more than this is left out.
    pub eps: f64,
}

/// PyTorch's.
impl Default for PlateauOptions {
    #[inline]
    fn default() -> Self {
        Self {
            mode: Better::Min,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: Threshold::Rel,
            cooldown: 0,
            min_lr: PerGroup::All(0.0),
            eps: 1e-8,
        }
    }
}

/// Multiplies the learning rates by a factor once a metric has not improved for some epochs.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{PlateauOptions, ReduceLROnPlateau};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let options = PlateauOptions { factor: 0.5, patience: 1, ..Default::default() };
/// let mut schedule = ReduceLROnPlateau::new(&optimizer, options)?;
/// for loss in [3.0, 2.0, 2.0, 2.0] {
///     schedule.step(&mut optimizer, loss)?;
/// }
/// assert_eq!(optimizer.lr(), 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.ReduceLROnPlateau`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.ReduceLROnPlateau.html)
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceLROnPlateau {
    options: PlateauOptions,
    best: f64,
    bad_epochs: usize,
    cooling: usize,
}

impl ReduceLROnPlateau {
    /// The schedule.
    ///
    /// # Errors
    /// [`Error::Argument`] for a factor that is not below 1, for a threshold or an `eps` that is NaN, and for a `min_lr` that does not have one for each group.
    #[inline]
    pub fn new(optimizer: &dyn Optimizer, options: PlateauOptions) -> Result<Self> {
        options.min_lr.spread("ReduceLROnPlateau", "min_lr", optimizer.lrs().len())?;
        let best = match options.mode {
            Better::Min => f64::INFINITY,
            Better::Max => f64::NEG_INFINITY,
        };
        let schedule = Self { options, best, bad_epochs: 0, cooling: 0 };
        schedule.check()?;
        Ok(schedule)
    }

    #[inline]
    fn check(&self) -> Result<()> {
        let PlateauOptions { threshold, eps, .. } = self.options;
        for (name, value) in [("threshold", threshold), ("eps", eps)] {
            if value.is_nan() {
                return Err(Error::argument("ReduceLROnPlateau", format!("{name} cannot be nan")));
            }
        }
        // Also refuses NaN.
        if matches!(self.options.factor.partial_cmp(&1.0), Some(std::cmp::Ordering::Less)) {
            return Ok(());
        }
        let message = format!("factor must be below 1, but is {}", text::float(self.options.factor));
        Err(Error::argument("ReduceLROnPlateau", message))
    }

    saved!(
        [pub] "ReduceLROnPlateau", Self::check;
        options.mode => "mode_max", options.factor => "factor", options.patience => "patience",
        options.threshold => "threshold", options.threshold_mode => "threshold_abs",
        options.cooldown => "cooldown", options.min_lr => "min_lrs", options.eps => "eps", best => "best",
        bad_epochs => "num_bad_epochs", cooling => "cooldown_counter"
    );

    /// Goes on to the next epoch, given the metric of this one.
    ///
    /// # Errors
    /// [`Error::Argument`] if `min_lr` does not have one for each group.
    #[inline]
    pub fn step(&mut self, optimizer: &mut dyn Optimizer, metric: f64) -> Result<()> {
        if self.improves(metric) {
            self.best = metric;
            self.bad_epochs = 0;
        } else {
            self.bad_epochs += 1;
        }
        if self.cooling > 0 {
            self.cooling -= 1;
            self.bad_epochs = 0;
        }
        if self.bad_epochs > self.options.patience {
            self.reduce(optimizer)?;
            self.cooling = self.options.cooldown;
            self.bad_epochs = 0;
        }
        Ok(())
    }

    #[inline]
    fn improves(&self, metric: f64) -> bool {
        let PlateauOptions { mode, threshold, threshold_mode, .. } = self.options;
        match (mode, threshold_mode) {
            (Better::Min, Threshold::Rel) => metric < self.best * (1.0 - threshold),
            (Better::Min, Threshold::Abs) => metric < self.best - threshold,
            (Better::Max, Threshold::Rel) => metric > self.best * (1.0 + threshold),
            (Better::Max, Threshold::Abs) => metric > self.best + threshold,
        }
    }

    #[inline]
    fn reduce(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        let PlateauOptions { factor, min_lr, eps, .. } = &self.options;
        let mut lrs = optimizer.lrs();
        let lowest = min_lr.spread("ReduceLROnPlateau", "min_lr", lrs.len())?;
        for (lr, low) in lrs.iter_mut().zip(lowest) {
            let new = (*lr * factor).max(low);
            if *lr - new > *eps {
                *lr = new;
            }
        }
        optimizer.set_lrs(&lrs)
    }
}
