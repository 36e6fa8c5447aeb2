//! Steps divided by a running mean of squares.

use super::{Descent, Memory, Rule, Setting, Slope, check_not_negative, lerp};
use crate::{Parameter, Result};
use downhill_tensor::kernels::{inlined, update};
use downhill_tensor::{Float, Tensor};

/// What [`RMSprop`] is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RMSpropOptions {
    /// The learning rate `γ`.
    pub lr: f64,
    /// The share `α` of the running means that is kept from step to step.
    pub alpha: f64,
    /// What is added to the divisor `ε`.
    pub eps: f64,
    /// The factor `λ` of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// The share `μ` of the velocity that is kept from step to step.
    pub momentum: f64,
    /// Whether to divide by the deviation from the mean instead of the mean square.
    pub centered: bool,
    /// Whether to climb instead of descend.
    pub maximize: bool,
}

/// PyTorch's: a learning rate of 0.01, `α` of 0.99, `ε` of 1e-8, nothing else.
impl Default for RMSpropOptions {
    #[inline]
    fn default() -> Self {
        Self {
            lr: 1e-2,
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            maximize: false,
        }
    }
}

/// Gradient descent with steps divided by the root of a running mean of squares.
///
/// # Formula
/// `g ← ±∇w + λ·w`; `v ← α·v + (1 − α)·g²`; `d = √v + ε`, or centered `a ← α·a + (1 − α)·g`, `d = √(v − a²) + ε`;
/// `w ← w − γ·g/d`, or with momentum `b ← μ·b + g/d`, `w ← w − γ·b`. One pass over memory for each parameter.
///
/// # Errors
/// [`new`](Descent::new) refuses a negative `lr`, `alpha`, `eps`, `weight_decay` or `momentum`.
///
/// # Examples
/// ```
/// use downhill::nn::{Optimizer, Parameter, RMSprop, RMSpropOptions};
/// use downhill::Tensor;
///
/// let w = Parameter::new(Tensor::from([3.0, -1.0]))?;
/// let mut optimizer = RMSprop::new([w.clone()], RMSpropOptions { lr: 0.1, alpha: 0.75, ..Default::default() })?;
/// w.tensor().square().sum().backward()?;
/// optimizer.step()?;
/// // The first step is γ/√(1 − α).
/// approx::assert_relative_eq!(w.tensor(), Tensor::from([2.8, -0.8]), max_relative = 1e-6);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.RMSprop`](https://docs.pytorch.org/docs/stable/generated/torch.optim.RMSprop.html), with its rounding; after
/// [Hinton's lecture](https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf) and, centered,
/// [Graves 2013](https://arxiv.org/abs/1308.0850).
pub type RMSprop = Descent<RMSpropOptions>;

const SQUARE: &str = "square_avg";
const MEAN: &str = "grad_avg";
const VELOCITY: &str = "momentum_buffer";

impl Rule for RMSpropOptions {
    const NAME: &'static str = "RMSprop";
    const BUFFERS: &'static [&'static str] = &[SQUARE, MEAN, VELOCITY];
    const SQUARES: &'static [&'static str] = &[SQUARE];

    #[inline]
    fn settings(&mut self) -> Vec<(&'static str, Setting<'_>)> {
        vec![
            ("lr", (&mut self.lr).into()),
            ("alpha", (&mut self.alpha).into()),
            ("eps", (&mut self.eps).into()),
            ("weight_decay", (&mut self.weight_decay).into()),
            ("momentum", (&mut self.momentum).into()),
            ("centered", (&mut self.centered).into()),
            ("maximize", (&mut self.maximize).into()),
        ]
    }

    #[inline]
    fn check(&self) -> Result<()> {
        let Self { lr, alpha, eps, weight_decay, momentum, .. } = *self;
        for (name, value) in [
            ("lr", lr),
            ("alpha", alpha),
            ("eps", eps),
            ("weight_decay", weight_decay),
            ("momentum", momentum),
        ] {
            check_not_negative(Self::NAME, name, value)?;
        }
        Ok(())
    }

    fn first_values(&self) -> Vec<(&'static str, f64)> {
        let used = [(SQUARE, true), (MEAN, self.centered), (VELOCITY, self.momentum > 0.0)];
        used.into_iter().filter(|&(_, used)| used).map(|(name, _)| (name, 0.0)).collect()
    }

    fn step<T: Float>(&self, parameter: &Parameter, grad: &Tensor, memory: &mut Memory) -> Result<()> {
        let step = Step::<T>::new(*self);
        let g = grad.as_slice::<T>()?;
        match (self.centered, self.momentum > 0.0) {
            (false, false) => {
                let [v] = memory.buffers([SQUARE], grad)?;
                parameter.update(|w| {
                    update(
                        [w, v],
                        [g],
                        inlined!(move |[w, v], [g]| {
                            let (g, v) = step.square(w, v, g);
                            [step.moved(w, g, v), v]
                        }),
                    );
                })
            }
            (true, false) => {
                let [v, a] = memory.buffers([SQUARE, MEAN], grad)?;
                parameter.update(|w| {
                    update(
                        [w, v, a],
                        [g],
                        inlined!(move |[w, v, a], [g]| {
                            let (g, v) = step.square(w, v, g);
                            let a = lerp(a, g, step.rest);
                            [step.moved(w, g, variance(v, a)), v, a]
                        }),
                    );
                })
            }
            (false, true) => {
                let [v, b] = memory.buffers([SQUARE, VELOCITY], grad)?;
                parameter.update(|w| {
                    update(
                        [w, v, b],
                        [g],
                        inlined!(move |[w, v, b], [g]| {
                            let (g, v) = step.square(w, v, g);
                            let b = step.velocity(b, g, v);
                            [step.minus_lr.mul_add(b, w), v, b]
                        }),
                    );
                })
            }
            (true, true) => {
                let [v, a, b] = memory.buffers([SQUARE, MEAN, VELOCITY], grad)?;
                parameter.update(|w| {
                    update(
                        [w, v, a, b],
                        [g],
                        inlined!(move |[w, v, a, b], [g]| {
                            let (g, v) = step.square(w, v, g);
                            let a = lerp(a, g, step.rest);
                            let b = step.velocity(b, g, variance(v, a));
                            [step.minus_lr.mul_add(b, w), v, a, b]
                        }),
                    );
                })
            }
        }
    }
}

/// From the mean of the square and the mean.
#[inline(always)]
fn variance<T: Float>(square: T, mean: T) -> T {
    (-mean).mul_add(mean, square)
}

/// The options as numbers of the parameter's type, and the parts of the formula.
// Rounded where PyTorch rounds.
#[derive(Clone, Copy)]
struct Step<T> {
    slope: Slope<T>,
    minus_lr: T,
    alpha: T,
    rest: T,
    eps: T,
    momentum: T,
}

impl<T: Float> Step<T> {
    #[inline]
    fn new(options: RMSpropOptions) -> Self {
        let RMSpropOptions { lr, alpha, eps, weight_decay, momentum, maximize, .. } = options;
        Self {
            slope: Slope { decay: T::lit(weight_decay), maximize },
            minus_lr: T::lit(-lr),
            alpha: T::lit(alpha),
            rest: T::lit(1.0 - alpha),
            eps: T::lit(eps),
            momentum: T::lit(momentum),
        }
    }

    /// The gradient to follow and the new mean of its square.
    #[inline(always)]
    fn square(&self, w: T, v: T, g: T) -> (T, T) {
        let g = self.slope.of(w, g);
        (g, (self.rest * g).mul_add(g, v * self.alpha))
    }

    #[inline(always)]
    fn moved(&self, w: T, g: T, v: T) -> T {
        w + self.minus_lr * g / (v.sqrt() + self.eps)
    }

    #[inline(always)]
    fn velocity(&self, b: T, g: T, v: T) -> T {
        b * self.momentum + g / (v.sqrt() + self.eps)
    }
}
