//! A fall to 0 along a power.

use super::{Schedule, scale};
use crate::Result;
use crate::optim::Optimizer;
use crate::optim::saved::saved;

/// Lets the learning rates fall from where they are to 0 in `total_iters` epochs, along a power of what is left.
///
/// # Formula
/// `γₜ = γ₀·(1 − t/T)ᵖ` up to `t = T`, computed from `γₜ₋₁` as PyTorch does.
///
/// # Examples
/// ```
/// use downhill::nn::optim::{PolynomialLR, Schedule};
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let w = Parameter::new(downhill::ones([1])?)?;
/// let mut optimizer = SGD::new([w], SgdOptions { lr: 1.0, ..Default::default() })?;
/// let mut schedule = PolynomialLR::new(4, 1.0);
/// let mut lrs = vec![];
/// for _epoch in 0..6 {
///     lrs.push(optimizer.lr());
///     schedule.step(&mut optimizer)?;
/// }
/// assert_eq!(lrs, [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.lr_scheduler.PolynomialLR`](https://docs.pytorch.org/docs/stable/generated/torch.optim.lr_scheduler.PolynomialLR.html),
/// whose `total_iters` are 5 and whose `power` is 1 by default.
#[derive(Clone, Debug, PartialEq)]
pub struct PolynomialLR {
    total_iters: usize,
    power: f64,
    epoch: usize,
}

impl PolynomialLR {
    /// The schedule.
    #[inline]
    pub fn new(total_iters: usize, power: f64) -> Self {
        Self { total_iters, power, epoch: 0 }
    }
}

impl Schedule for PolynomialLR {
    #[inline]
    fn step(&mut self, optimizer: &mut dyn Optimizer) -> Result<()> {
        self.epoch += 1;
        if self.epoch > self.total_iters {
            return Ok(());
        }
        let left = |epoch: usize| 1.0 - epoch as f64 / self.total_iters as f64;
        scale(optimizer, (left(self.epoch) / left(self.epoch - 1)).powf(self.power))
    }

    #[inline]
    fn start(&mut self, _: &mut dyn Optimizer) -> Result<()> {
        self.epoch = 0;
        Ok(())
    }

    saved!(
        "PolynomialLR", |_| Ok(());
        total_iters => "total_iters", power => "power", epoch => "last_epoch"
    );
}
