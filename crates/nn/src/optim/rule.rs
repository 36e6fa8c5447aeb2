//! What one optimizer has and another has not.

use crate::{Error, Parameter, Result};
use downhill_tensor::{Float, Tensor};
use std::fmt;

/// The options of an optimizer, and its step. [`Descent`](super::Descent) makes an optimizer of it.
///
/// # Examples
/// Descent by the sign of the gradient:
/// ```
/// use downhill::nn::optim::{Descent, Memory, Rule, Setting};
/// use downhill::nn::{Optimizer, Parameter};
/// use downhill::{Float, Result, Tensor, kernels};
///
/// #[derive(Clone, Debug)]
/// struct Sign {
///     lr: f64,
/// }
///
/// impl Rule for Sign {
///     const NAME: &'static str = "Sign";
///     const BUFFERS: &'static [&'static str] = &[];
///     fn settings(&mut self) -> Vec<(&'static str, Setting<'_>)> {
///         vec![("lr", Setting::Number(&mut self.lr))]
///     }
///     fn check(&self) -> Result<()> {
///         Ok(())
///     }
///     fn step<T: Float>(&self, w: &Parameter, g: &Tensor, _: &mut Memory) -> Result<()> {
///         let (lr, g) = (T::lit(self.lr), g.as_slice::<T>()?);
///         w.update(|w| kernels::update([w], [g], |[w], [g]| [w - lr * g.sign()]))
///     }
/// }
///
/// let w = Parameter::new(Tensor::from([1.0_f32, -2.0]))?;
/// let mut optimizer = Descent::new([w.clone()], Sign { lr: 0.5 })?;
/// w.tensor().square().sum().backward()?;
/// optimizer.step()?;
/// assert_eq!(w.tensor(), Tensor::from([0.5_f32, -1.5]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the rule of an optimizer",
    label = "expected the options of an optimizer"
)]
pub trait Rule: Clone + fmt::Debug {
    /// The optimizer's name, with which its errors begin.
    const NAME: &'static str;

    /// The names of all that a step may keep in its [`Memory`].
    const BUFFERS: &'static [&'static str];

    /// Those of them that hold squares: a state in which one is negative is refused.
    const SQUARES: &'static [&'static str] = &[];

    /// The options by name. One called `lr` is what schedules set, one called `momentum` or `betas.0` is what they cycle.
    fn settings(&mut self) -> Vec<(&'static str, Setting<'_>)>;

    /// Refuses options outside their range.
    ///
    /// # Errors
    /// [`Error::Argument`] with the option's name and value.
    fn check(&self) -> Result<()>;

    /// The buffers that a step with these options changes, each with the number that its elements are at first. An optimizer takes the
    /// memory for those of all parameters before it changes the first one: a step that fails has changed nothing.
    fn first_values(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Updates a parameter of dtype `T`, given its gradient in row-major order and what was kept of it.
    ///
    /// # Errors
    /// [`Error::DType`] where a buffer is of another dtype.
    fn step<T: Float>(&self, parameter: &Parameter, grad: &Tensor, memory: &mut Memory) -> Result<()>;
}

/// An option that can be changed.
#[derive(Debug)]
pub enum Setting<'a> {
    /// A number.
    Number(&'a mut f64),
    /// Something that is done or not.
    Flag(&'a mut bool),
}

impl<'a> From<&'a mut f64> for Setting<'a> {
    fn from(number: &'a mut f64) -> Self {
        Setting::Number(number)
    }
}

impl<'a> From<&'a mut bool> for Setting<'a> {
    fn from(flag: &'a mut bool) -> Self {
        Setting::Flag(flag)
    }
}

/// What an optimizer remembers of one parameter: the number of steps and the rule's buffers.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub(super) steps: u64,
    pub(super) buffers: Vec<(&'static str, Tensor)>,
    /// How many of the buffers, at the end, the step that is being made has started.
    new: usize,
}

impl Memory {
    /// The number of steps, this one included.
    pub fn steps(&self) -> f64 {
        self.steps as f64
    }

    /// Whether an earlier step left a buffer of this name.
    pub fn has(&self, name: &str) -> bool {
        self.buffers[..self.buffers.len() - self.new].iter().any(|(other, _)| *other == name)
    }

    /// Gives the buffer of this name its first value, unless there is one.
    pub fn start(&mut self, name: &'static str, value: impl FnOnce() -> Tensor) {
        if !self.buffers.iter().any(|(other, _)| *other == name) {
            self.buffers.push((name, value()));
            self.new += 1;
        }
    }

    /// Takes the memory for a step: that of buffers that are not there yet, and of copies of those that somebody else holds.
    pub(super) fn prepare<T: Float>(&mut self, first: &[(&'static str, f64)], grad: &Tensor) -> Result<()> {
        for &(name, value) in first {
            if let Some((_, buffer)) = self.buffers.iter_mut().find(|(other, _)| *other == name) {
                buffer.make_mut::<T>()?;
                continue;
            }
            self.buffers.push((name, grad.try_full_like(value)?));
            self.new += 1;
        }
        Ok(())
    }

    /// Forgets what was prepared.
    pub(super) fn undo(&mut self) {
        self.buffers.truncate(self.buffers.len() - self.new);
        self.new = 0;
    }

    /// Keeps it: the step is made.
    pub(super) fn keep(&mut self) {
        self.new = 0;
    }

    /// The buffers of these names, each another one, to be changed; zeros where there is none yet.
    ///
    /// # Errors
    /// [`Error::DType`] for a buffer whose dtype is not the gradient's `T`, [`Error::Memory`].
    pub fn buffers<T: Float, const N: usize>(
        &mut self,
        names: [&'static str; N],
        grad: &Tensor,
    ) -> Result<[&mut [T]; N]> {
        self.prepare::<T>(&names.map(|name| (name, 0.0)), grad)?;
        let mut slices = Vec::with_capacity(N);
        for (name, tensor) in &mut self.buffers {
            if let Some(place) = names.iter().position(|wanted| wanted == name) {
                slices.push((place, tensor.make_mut::<T>()?));
            }
        }
        slices.sort_by_key(|(place, _)| *place);
        let slices: Vec<_> = slices.into_iter().map(|(_, slice)| slice).collect();
        slices.try_into().map_err(|_| Error::argument("buffers", format!("a name twice in {names:?}")))
    }
}
