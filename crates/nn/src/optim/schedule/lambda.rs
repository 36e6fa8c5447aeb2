//! Learning rates from a function of the epoch.

use super::Schedule;
use crate::optim::Optimizer;
use crate::optim::saved::saved;
use crate::{Error, Result};
use std::fmt;
use std::sync::Arc;

/// Multiplies the initial learning rates by what a function says of the epoch.
///
/// Its state has the epoch and the initial learning rates; the function is the program's.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{LambdaLR, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 2.0, ..Default::default() })?;
/// let mut schedule = LambdaLR::new(&mut optimizer, |epoch| 1.0 / (1 + epoch) as f64)?;
/// assert_eq!(optimizer.lr(), 2.0);
/// for _epoch in 0..3 {
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(optimizer.lr(), 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.LambdaLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.LambdaLR.html)
#[derive(Clone)]
pub struct LambdaLR {
    /// One for all groups, or one for each.
    factors: Vec<Arc<Factor>>,
    base: Vec<f64>,
    epoch: usize,
}

type Factor = dyn Fn(usize) -> f64 + Send + Sync;

impl LambdaLR {
    /// The schedule, with one function for all groups. It sets the learning rates of epoch 0.
    ///
    /// # Errors
    /// What the optimizer refuses.
    #[inline]
    pub fn new(
        optimizer: &mut dyn Optimizer,
        factor: impl Fn(usize) -> f64 + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::begin(optimizer, vec![Arc::new(factor)])
    }

    /// The schedule, with a function for each group.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there is one for each group.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::optim::LambdaLR;
    /// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
    ///
    /// let [a, b] = [Parameter::new(downhill::ones([1])?)?, Parameter::new(downhill::ones([1])?)?];
    /// let options = SgdOptions { lr: 1.0, ..Default::default() };
    /// let mut optimizer = SGD::with_groups([([a], options), ([b], options)])?;
    /// LambdaLR::per_group(&mut optimizer, vec![Box::new(|_| 1.0), Box::new(|epoch| 0.5_f64.powf(epoch as f64 + 1.0))])?;
    /// assert_eq!(optimizer.lrs(), [1.0, 0.5]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn per_group(
        optimizer: &mut dyn Optimizer,
        factors: Vec<Box<dyn Fn(usize) -> f64 + Send + Sync>>,
    ) -> Result<Self> {
        let groups = optimizer.lrs().len();
        if factors.len() != groups {
            let message = format!("{} functions for {groups} groups", factors.len());
            return Err(Error::argument("LambdaLR", message));
        }
        Self::begin(optimizer, factors.into_iter().map(Arc::from).collect())
    }

    #[inline]
    fn begin(optimizer: &mut dyn Optimizer, factors: Vec<Arc<Factor>>) -> Result<Self> {
        let schedule = Self { factors, base: optimizer.initial_lrs(), epoch: 0 };
        schedule.apply(optimizer)?;
        Ok(schedule)
    }

    #[inline]
    fn apply(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        let factors = self.factors.iter().cycle();
        let lrs: Vec<_> = self.base.iter().zip(factors).map(|(base, f)| base * f(self.epoch)).collect();
        optimizer.set_lrs(&lrs)
    }
}

impl Schedule for LambdaLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        self.apply(optimizer)
    }

    #[inline]
    fn start(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        (self.base, self.epoch) = (optimizer.lrs(), 0);
        self.apply(optimizer)
    }

    saved!("LambdaLR", |_| Ok(()); base => "base_lrs", epoch => "last_epoch");
}

impl fmt::Debug for LambdaLR {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LambdaLR")
            .field("base", &self.base)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
