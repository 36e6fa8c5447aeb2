//! One schedule after another.

use super::Schedule;
use crate::optim::Optimizer;
use crate::optim::saved::{LOAD, Saved, check_used_up, take};
use crate::{Error, Result, StateDict};
use downhill_tensor::Tensor;
use std::fmt;

const OP: &str = "SequentialLR";

/// Runs schedules one after another, each from the initial learning rates: a warm-up, then half a wave of the cosine.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{CosineAnnealingLR, LinearLR, LinearLrOptions, Schedule, SequentialLR};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let options = LinearLrOptions { start_factor: 0.5, total_iters: 2, ..Default::default() };
/// let warm_up = LinearLR::new(&mut optimizer, options)?;
/// let cosine = CosineAnnealingLR::new(&mut optimizer, 2, 0.0)?;
/// let mut schedule = SequentialLR::new(&mut optimizer, vec![Box::new(warm_up), Box::new(cosine)], [2])?;
/// let mut lrs = vec![];
/// for _epoch in 0..5 {
///     lrs.push(optimizer.lr());
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(lrs, [0.5, 0.75, 1.0, 0.5, 0.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.SequentialLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.SequentialLR.html).
/// There, one inside of another is refused or counts wrong; here it runs.
pub struct SequentialLR {
    schedules: Vec<Box<dyn Schedule + Send + Sync>>,
    milestones: Vec<usize>,
    base: Vec<f64>,
    epoch: usize,
}

impl SequentialLR {
    /// The schedule; the schedule `i + 1` begins in the epoch `milestones[i]`. The optimizer gets its
    /// [initial](Optimizer::initial_lrs) learning rates back, and the first schedule begins with them.
    ///
    /// # Errors
    /// [`Error::Argument`] without schedules, and unless there is one milestone less than schedules, in ascending order.
    #[inline]
    pub fn new(
        optimizer: &mut dyn Optimizer,
        schedules: Vec<Box<dyn Schedule + Send + Sync>>,
        milestones: impl Into<Vec<usize>>,
    ) -> Result<Self> {
        let mut schedule = Self { schedules, milestones: milestones.into(), base: Vec::new(), epoch: 0 };
        check(&schedule.milestones, schedule.schedules.len())?;
        let initial = optimizer.initial_lrs();
        optimizer.set_lrs(&initial)?;
        schedule.start(optimizer)?;
        Ok(schedule)
    }

    /// Which schedule the epoch has.
    #[inline]
    fn now(&self) -> usize {
        self.milestones.partition_point(|milestone| *milestone <= self.epoch)
    }
}

#[inline]
fn check(milestones: &[usize], schedules: usize) -> Result<()> {
    if schedules == 0 {
        return Err(Error::argument(OP, "there are no schedules"));
    }
    if milestones.len() + 1 != schedules {
        let message =
            format!("{} milestones for {schedules} schedules: there must be one less", milestones.len());
        return Err(Error::argument(OP, message));
    }
    if !milestones.is_sorted() {
        return Err(Error::argument(OP, format!("milestones must ascend, but are {milestones:?}")));
    }
    Ok(())
}

impl Schedule for SequentialLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        let now = self.now();
        if now > 0 && self.milestones[now - 1] == self.epoch {
            optimizer.set_lrs(&self.base)?;
            self.schedules[now].restart(optimizer)
        } else {
            self.schedules[now].step(optimizer)
        }
    }

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        (self.base, self.epoch) = (optimizer.lrs(), 0);
        let now = self.now();
        self.schedules[now].start(optimizer)
    }

    #[inline]
    fn state_dict(&self) -> StateDict {
        let own = [
            ("milestones", self.milestones.save()),
            ("base_lrs", self.base.save()),
            ("last_epoch", self.epoch.save()),
        ];
        let mut state: StateDict = own.into_iter().collect();
        for (i, schedule) in self.schedules.iter().enumerate() {
            state.extend(schedule.state_dict().with_prefix(&format!("schedulers.{i}.")));
        }
        state
    }

    #[inline]
    fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
        let mut rest: StateDict = state.clone();
        let milestones = take(&mut rest, "milestones", &self.milestones)?;
        let base = take(&mut rest, "base_lrs", &self.base)?;
        let epoch = take(&mut rest, "last_epoch", &self.epoch)?;
        check(&milestones, self.schedules.len())?;
        let prefixes: Vec<_> = (0..self.schedules.len()).map(|i| format!("schedulers.{i}.")).collect();
        let known = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
        let unknown: StateDict = rest.iter().filter(|(name, _)| !known(name)).map(clone).collect();
        check_used_up(OP, &unknown)?;
        let before: Vec<_> = self.schedules.iter().map(|schedule| schedule.state_dict()).collect();
        for (i, prefix) in prefixes.iter().enumerate() {
            let Err(error) = self.schedules[i].load_state_dict(&rest.strip_prefix(prefix)) else { continue };
            // Those before it go back to where they were.
            for (schedule, old) in self.schedules[..i].iter_mut().zip(&before) {
                schedule.load_state_dict(old)?;
            }
            return Err(within(prefix, error));
        }
        (self.milestones, self.base, self.epoch) = (milestones, base, epoch);
        Ok(())
    }
}

#[inline]
fn clone((name, value): (&str, &Tensor)) -> (String, Tensor) {
    (name.to_string(), value.clone())
}

/// The error of a schedule, with the place of its state.
#[inline]
fn within(prefix: &str, error: Error) -> Error {
    let text = error.to_string();
    let text = text.strip_prefix(&format!("{LOAD}: ")).unwrap_or(&text);
    Error::argument(LOAD, format!("{prefix}*: {text}"))
}

impl fmt::Debug for SequentialLR {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SequentialLR").field(&self.state_dict()).finish()
    }
}
