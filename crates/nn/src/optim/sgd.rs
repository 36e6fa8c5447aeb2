//! Stochastic gradient descent.

use super::{Descent, Memory, Rule, Setting, Slope, check_not_negative};
use crate::{Error, Parameter, Result, text};
use downhill_tensor::kernels::{inlined, update};
use downhill_tensor::{Float, Tensor};

/// What [`SGD`] is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// The learning rate `γ`.
    pub lr: f64,
    /// The share `μ` of the velocity that is kept from step to step.
    pub momentum: f64,
    /// The share `τ` of the gradient that does not enter the velocity.
    pub dampening: f64,
    /// The factor `λ` of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// Whether to look ahead along the velocity.
    pub nesterov: bool,
    /// Whether to climb instead of descend.
    pub maximize: bool,
}

/// PyTorch's: a learning rate of 0.001, nothing else.
impl Default for SgdOptions {
    fn default() -> Self {
        Self { lr: 1e-3, momentum: 0.0, dampening: 0.0, weight_decay: 0.0, nesterov: false, maximize: false }
    }
}

/// Stochastic gradient descent, with momentum if wanted.
///
/// # Formula
/// `g ← ±∇w + λ·w`; with momentum `v ← μ·v + (1 − τ)·g` (at first `v ← g`) and `g ← v`, or `g ← g + μ·v` with Nesterov's;
/// `w ← w − γ·g`. One pass over memory for each parameter.
///
/// # Examples
/// ```
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
/// use downhill::Tensor;
///
/// let w = Parameter::new(Tensor::from([1.0_f32, 2.0]))?;
/// let mut optimizer = SGD::new([w.clone()], SgdOptions { lr: 0.25, ..Default::default() })?;
/// w.tensor().square().sum().backward()?;
/// optimizer.step()?;
/// assert_eq!(w.tensor(), Tensor::from([0.5_f32, 1.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.SGD`](https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html), with its rounding. A parameter
/// that is named twice is an error here.
pub type SGD = Descent<SgdOptions>;

const VELOCITY: &str = "momentum_buffer";

impl Rule for SgdOptions {
    const NAME: &'static str = "SGD";
    const BUFFERS: &'static [&'static str] = &[VELOCITY];

    fn settings(&mut self) -> Vec<(&'static str, Setting<'_>)> {
        vec![
            ("lr", (&mut self.lr).into()),
            ("momentum", (&mut self.momentum).into()),
            ("dampening", (&mut self.dampening).into()),
            ("weight_decay", (&mut self.weight_decay).into()),
            ("nesterov", (&mut self.nesterov).into()),
            ("maximize", (&mut self.maximize).into()),
        ]
    }

    fn check(&self) -> Result<()> {
        let Self { lr, momentum, dampening, weight_decay, nesterov, .. } = *self;
        for (name, value) in [("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)] {
            check_not_negative(Self::NAME, name, value)?;
        }
        if !dampening.is_finite() {
            let message = format!("dampening must be finite, but is {}", text::float(dampening));
            return Err(Error::argument(Self::NAME, message));
        }
        if nesterov && (momentum == 0.0 || dampening != 0.0) {
            let message = format!(
                "nesterov needs a momentum above 0 and no dampening, but momentum is {momentum:?} and dampening {dampening:?}"
            );
            return Err(Error::argument(Self::NAME, message));
        }
        Ok(())
    }

    fn first_values(&self) -> Vec<(&'static str, f64)> {
        if self.momentum == 0.0 { vec![] } else { vec![(VELOCITY, 0.0)] }
    }

    fn step<T: Float>(&self, parameter: &Parameter, grad: &Tensor, memory: &mut Memory) -> Result<()> {
        let step = Step::<T>::new(*self);
        let g = grad.as_slice::<T>()?;
        if self.momentum == 0.0 {
            return parameter.update(|w| {
                update([w], [g], inlined!(move |[w], [g]| [step.minus_lr.mul_add(step.slope.of(w, g), w)]));
            });
        }
        let first = !memory.has(VELOCITY);
        let [v] = memory.buffers::<T, 1>([VELOCITY], grad)?;
        parameter.update(|w| {
            update([w, v], [g], inlined!(move |[w, v], [g]| step.with_momentum(w, v, g, first)));
        })
    }
}

/// The options as numbers of the parameter's type, and the formula.
// Rounded where PyTorch rounds: `a·x + y` is one operation there.
#[derive(Clone, Copy)]
struct Step<T> {
    minus_lr: T,
    momentum: T,
    gain: T,
    slope: Slope<T>,
    nesterov: bool,
}

impl<T: Float> Step<T> {
    fn new(options: SgdOptions) -> Self {
        let SgdOptions { lr, momentum, dampening, weight_decay, nesterov, maximize } = options;
        let slope = Slope { decay: T::lit(weight_decay), maximize };
        let (minus_lr, gain) = (T::lit(-lr), T::lit(1.0 - dampening));
        Self { minus_lr, momentum: T::lit(momentum), gain, slope, nesterov }
    }

    /// The new parameter and velocity; there is no old velocity at first.
    #[inline(always)]
    fn with_momentum(&self, w: T, v: T, g: T, first: bool) -> [T; 2] {
        let g = self.slope.of(w, g);
        let v = if first { g } else { self.gain.mul_add(g, self.momentum * v) };
        let g = if self.nesterov { self.momentum.mul_add(v, g) } else { v };
        [self.minus_lr.mul_add(g, w), v]
    }
}
