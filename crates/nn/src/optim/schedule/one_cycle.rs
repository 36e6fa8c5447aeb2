//! One rise of the learning rate and one long fall.

use super::{PerGroup, Schedule};
use crate::optim::Optimizer;
use crate::optim::saved::{either, saved};
use crate::{Error, Result, text};
use std::f64::consts::PI;

const OP: &str = "OneCycleLR";

/// The way from one value to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anneal {
    /// Half a wave of the cosine.
    #[default]
    Cos,
    /// A straight line.
    Linear,
}

either!(Anneal, Cos, Linear);

impl Anneal {
    #[inline]
    fn at(self, (start, end): (f64, f64), part: f64) -> f64 {
        match self {
            Self::Cos => end + (start - end) / 2.0 * ((PI * part).cos() + 1.0),
            Self::Linear => (end - start) * part + start,
        }
    }
}

/// What [`OneCycleLR`] is to do.
#[derive(Clone, Debug, PartialEq)]
pub struct OneCycleOptions {
    /// The share of the steps in which the learning rate rises.
    pub pct_start: f64,
    /// The way up and down.
    pub anneal_strategy: Anneal,
    /// Whether the momentum, or `β₁`, falls where the learning rate rises.
    pub cycle_momentum: bool,
    /// The lowest momentum, where the learning rate is highest.
    pub base_momentum: PerGroup,
    /// The highest momentum, at the start and the end.
    pub max_momentum: PerGroup,
    /// The learning rate starts at the highest one divided by this.
    pub div_factor: f64,
    /// The learning rate ends at the first one divided by this.
    pub final_div_factor: f64,
    /// Whether to fall to the first learning rate as fast as it rose, and then to the last.
    pub three_phase: bool,
}

/// PyTorch's.
impl Default for OneCycleOptions {
    #[inline]
    fn default() -> Self {
        Self {
            pct_start: 0.3,
            anneal_strategy: Anneal::Cos,
            cycle_momentum: true,
            base_momentum: PerGroup::All(0.85),
            max_momentum: PerGroup::All(0.95),
            div_factor: 25.0,
            final_div_factor: 1e4,
            three_phase: false,
        }
    }
}

/// Lets the learning rates rise to `max_lr` and fall far below where they started, and the momentum the other way round;
/// stepped after every batch.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{Anneal, OneCycleLR, OneCycleOptions, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions::default())?;
/// let options = OneCycleOptions { anneal_strategy: Anneal::Linear, ..Default::default() };
/// let mut schedule = OneCycleLR::new(&mut optimizer, 1.0, 10, options)?;
/// assert_eq!((optimizer.lr(), optimizer.momenta()), (0.04, Some(vec![0.95])));
/// schedule.step(&mut optimizer)?;
/// schedule.step(&mut optimizer)?;
/// assert_eq!((optimizer.lr(), optimizer.momenta()), (1.0, Some(vec![0.85])));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.OneCycleLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.OneCycleLR.html),
/// whose `total_steps` may be given as `epochs` times `steps_per_epoch`; after
/// [Smith and Topin 2017](https://arxiv.org/abs/1708.07120).
#[derive(Clone, Debug, PartialEq)]
pub struct OneCycleLR {
    total_steps: usize,
    pct_start: f64,
    three_phase: bool,
    anneal: Anneal,
    lrs: Vec<[f64; 3]>,
    /// Empty if the momentum stays.
    momenta: Vec<[f64; 3]>,
    at: usize,
}

/// Up to the step `end`, from and to one of a group's three learning rates and one of its momenta.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Phase {
    end: f64,
    lr: (usize, usize),
    momentum: (usize, usize),
}

/// The places of a group's learning rates; a momentum is at `MAX` where the learning rate is, which is its lowest.
const INITIAL: usize = 0;
const MAX: usize = 1;
const MIN: usize = 2;

impl OneCycleLR {
    /// The schedule, which sets the learning rates of the first step, and the momentum.
    ///
    /// # Errors
    /// [`Error::Argument`] without steps, for a `pct_start` outside of 0 to 1, a factor of 0, numbers that are not one for
    /// each group, an optimizer without momentum whose momentum is to be cycled, and a phase without length.
    #[inline]
    pub fn new(
        optimizer: &mut dyn Optimizer,
        max_lr: impl Into<PerGroup>,
        total_steps: usize,
        options: OneCycleOptions,
    ) -> Result<Self> {
        let OneCycleOptions { pct_start, div_factor, final_div_factor, .. } = options;
        let mut schedule = Self {
            total_steps,
            pct_start,
            three_phase: options.three_phase,
            anneal: options.anneal_strategy,
            lrs: Vec::new(),
            momenta: Vec::new(),
            at: 0,
        };
        schedule.check()?;
        for (name, factor) in [("div_factor", div_factor), ("final_div_factor", final_div_factor)] {
            if factor == 0.0 {
                return Err(Error::argument(OP, format!("{name} must not be 0")));
            }
        }
        let groups = optimizer.lrs().len();
        let initial = |max: f64| [max / div_factor, max, max / div_factor / final_div_factor];
        schedule.lrs = max_lr.into().spread(OP, "max_lr", groups)?.into_iter().map(initial).collect();
        if options.cycle_momentum {
            if optimizer.momenta().is_none() {
                return Err(Error::argument(OP, "cycle_momentum needs an optimizer with momentum or betas"));
            }
            let high = options.max_momentum.spread(OP, "max_momentum", groups)?;
            let low = options.base_momentum.spread(OP, "base_momentum", groups)?;
            schedule.momenta = high.into_iter().zip(low).map(|(high, low)| [high, low, high]).collect();
        }
        schedule.apply(optimizer, 0)?;
        optimizer.initial_lrs();
        Ok(schedule)
    }

    #[inline]
    fn check(&self) -> Result<()> {
        if self.total_steps == 0 {
            return Err(Error::argument(OP, "total_steps must be at least 1, but is 0"));
        }
        if !(0.0..=1.0).contains(&self.pct_start) {
            let share = text::float(self.pct_start);
            let message = format!("pct_start must be at least 0 and at most 1, but is {share}");
            return Err(Error::argument(OP, message));
        }
        Ok(())
    }

    #[inline]
    fn apply(&self, optimizer: &mut dyn Optimizer, at: usize) -> Result<()> {
        if at > self.total_steps {
            let message = format!("there are {} steps, and this is step {at}", self.total_steps);
            return Err(Error::argument(OP, message));
        }
        let step = at as f64;
        let phases = phases(self.total_steps as f64, self.pct_start, self.three_phase);
        let now = phases.iter().position(|phase| step <= phase.end).unwrap_or(phases.len() - 1);
        let start = if now == 0 { 0.0 } else { phases[now - 1].end };
        let Phase { end, lr, momentum } = phases[now];
        if end == start {
            return Err(Error::argument(OP, format!("the phase of step {at} begins and ends at {start}")));
        }
        let part = (step - start) / (end - start);
        let value = |(from, to): (usize, usize)| {
            move |values: &[f64; 3]| self.anneal.at((values[from], values[to]), part)
        };
        if !self.momenta.is_empty() {
            optimizer.set_momenta(&self.momenta.iter().map(value(momentum)).collect::<Vec<_>>())?;
        }
        optimizer.set_lrs(&self.lrs.iter().map(value(lr)).collect::<Vec<_>>())
    }
}

#[inline]
fn phases(steps: f64, rise: f64, three: bool) -> Vec<Phase> {
    let up = Phase { end: rise * steps - 1.0, lr: (INITIAL, MAX), momentum: (INITIAL, MAX) };
    let end = steps - 1.0;
    if three {
        let down = Phase { end: 2.0 * rise * steps - 2.0, lr: (MAX, INITIAL), momentum: (MAX, INITIAL) };
        vec![up, down, Phase { end, lr: (INITIAL, MIN), momentum: (INITIAL, INITIAL) }]
    } else {
        vec![up, Phase { end, lr: (MAX, MIN), momentum: (MAX, MIN) }]
    }
}

impl Schedule for OneCycleLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.apply(optimizer, self.at + 1)?;
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.at = 0;
        self.apply(optimizer, 0)
    }

    saved!(
        "OneCycleLR", Self::check;
        total_steps => "total_steps", pct_start => "pct_start", three_phase => "three_phase",
        anneal => "anneal_linear", lrs => "lrs", momenta => "momenta", at => "last_epoch"
    );
}
