//! Optimizers: how parameters follow their gradients.
//!
//! An optimizer is a [`Rule`], which is its options and one fused pass over a parameter, in a [`Descent`], which has the
//! parameters, groups them and remembers what the rule keeps of each.

mod adagrad;
mod adam;
mod clip;
mod descent;
mod rmsprop;
mod rule;
mod saved;
mod schedule;
mod sgd;

pub use adagrad::{Adagrad, AdagradOptions};
pub use adam::{Adam, AdamFamilyOptions, AdamOptions, AdamW, AdamWOptions};
pub use clip::{ClipNormOptions, clip_grad_norm_, clip_grad_value_};
pub use descent::Descent;
pub use rmsprop::{RMSprop, RMSpropOptions};
pub use rule::{Memory, Rule, Setting};
pub use schedule::{
    Anneal, Better, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, ExponentialLR, LambdaLR,
    LinearLR, LinearLrOptions, MultiStepLR, OneCycleLR, OneCycleOptions, PerGroup, PlateauOptions,
    PolynomialLR, ReduceLROnPlateau, Schedule, SequentialLR, StepLR, Threshold, WarmRestartsOptions,
};
pub use sgd::{SGD, SgdOptions};

use crate::{Error, Result, StateDict, text};
use downhill_tensor::Float;

/// What changes parameters after a backward pass.
///
/// # PyTorch
/// [`torch.optim.Optimizer`](https://docs.pytorch.org/docs/stable/optim.html#torch.optim.Optimizer)
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an optimizer",
    label = "expected an optimizer, such as `SGD` or `Adam`"
)]
pub trait Optimizer {
    /// Updates every parameter that has a gradient.
    ///
    /// # Errors
    /// Parameters whose dtype has changed since the step before, [`Error::Memory`]; then nothing has changed.
    fn step(&mut self) -> Result<()>;

    /// Forgets the gradients of all parameters: they are `None` afterwards.
    fn zero_grad(&mut self);

    /// The learning rate of each group of parameters.
    fn lrs(&self) -> Vec<f64>;

    /// Sets the learning rate of each group, as a schedule does. Any number is taken but NaN: a schedule may end a rounding
    /// error below 0.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there is one for each group, and for NaN; then nothing is set.
    fn set_lrs(&mut self, lrs: &[f64]) -> Result<()>;

    /// The learning rates that the groups had when their first schedule was made, or have if this is the first one: what those start
    /// from that are made after it.
    ///
    /// # PyTorch
    /// `initial_lr` of `param_groups`
    fn initial_lrs(&mut self) -> Vec<f64> {
        self.lrs()
    }

    /// The momentum of each group, or `β₁` where the optimizer has that; `None` where it has neither.
    fn momenta(&self) -> Option<Vec<f64>>;

    /// Sets the momentum, or `β₁`, of each group.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there is one for each group, and for an optimizer that has neither.
    fn set_momenta(&mut self, momenta: &[f64]) -> Result<()>;

    /// All that a later run needs to go on: `state.I.NAME` for what is remembered of parameter `I`, and
    /// `param_groups.K.NAME` for the options of group `K`.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Adam, AdamOptions, Optimizer, Parameter};
    ///
    /// let w = Parameter::new(downhill::ones([2])?)?;
    /// let mut optimizer = Adam::new([w.clone()], AdamOptions::default())?;
    /// w.tensor().sum().backward()?;
    /// optimizer.step()?;
    /// let state = optimizer.state_dict();
    /// assert_eq!(state.get("state.0.step").unwrap().item::<i64>()?, 1);
    /// assert_eq!(state.get("state.0.exp_avg").unwrap().shape(), &[2]);
    /// assert_eq!(state.get("param_groups.0.lr").unwrap().item::<f64>()?, 1e-3);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.optim.Optimizer.state_dict`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.state_dict.html),
    /// whose nested dictionaries are one here, of tensors only.
    fn state_dict(&self) -> StateDict;

    /// Goes on from a [`state_dict`](Self::state_dict): its options and all that it remembers.
    ///
    /// # Errors
    /// [`Error::Argument`] and [`Error::Shape`], with the entry, for one that is missing, unexpected or does not fit: other parameters
    /// than the optimizer's, a number of steps that is not whole, negative squares, a parameter of which only a part is remembered,
    /// options that the optimizer refuses. Nothing is changed then.
    fn load_state_dict(&mut self, state: &StateDict) -> Result<()>;

    /// The learning rate, of the first group.
    fn lr(&self) -> f64 {
        self.lrs().first().copied().unwrap_or(0.0)
    }

    /// Sets the learning rate, of all groups.
    ///
    /// # Errors
    /// [`Error::Argument`] for one below 0 or NaN.
    #[doc(alias = "param_groups")]
    fn set_lr(&mut self, lr: f64) -> Result<()> {
        check_not_negative("set_lr", "lr", lr)?;
        self.set_lrs(&vec![lr; self.lrs().len()])
    }
}

/// An error unless the option is 0 or more.
fn check_not_negative(op: &'static str, name: &str, value: f64) -> Result<()> {
    // Also refuses NaN.
    if value >= 0.0 {
        return Ok(());
    }
    Err(Error::argument(op, format!("{name} must be at least 0, but is {}", text::float(value))))
}

/// `a + t·(b − a)` for a small `t`, and from the other end for one of 0.5 and more, as `torch.lerp` has it.
#[inline(always)]
fn lerp<T: Float>(a: T, b: T, t: T) -> T {
    let d = b - a;
    if t < T::lit(0.5) { t.mul_add(d, a) } else { (t - T::lit(1.0)).mul_add(d, b) }
}

/// The gradient that a rule works with: uphill if that is wanted, with `decay` times the parameter.
#[derive(Clone, Copy)]
struct Slope<T> {
    decay: T,
    maximize: bool,
}

impl<T: Float> Slope<T> {
    #[inline(always)]
    fn of(self, w: T, g: T) -> T {
        let g = if self.maximize { -g } else { g };
        if self.decay == T::lit(0.0) { g } else { self.decay.mul_add(w, g) }
    }
}
