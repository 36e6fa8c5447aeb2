//! Stochastic gradient descent.

use super::{Optimizer, check_not_negative, check_parameters};
use crate::{Error, Parameter, Result};
use tensor::kernels::update;
use tensor::{DType, Float, Tensor};

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
/// use nn::{Optimizer, Parameter, SGD, SgdOptions};
/// use tensor::Tensor;
///
/// let w = Parameter::new(Tensor::from([1.0_f32, 2.0]))?;
/// let mut optimizer = SGD::new([w.clone()], SgdOptions { lr: 0.25, ..Default::default() })?;
/// w.tensor().square().sum().backward()?;
/// optimizer.step()?;
/// assert_eq!(w.tensor(), Tensor::from([0.5_f32, 1.0]));
/// # Ok::<(), tensor::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.SGD`](https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html), with its rounding. A parameter
/// that is named twice is an error here.
#[derive(Debug)]
pub struct SGD {
    parameters: Vec<Parameter>,
    options: SgdOptions,
    velocities: Vec<Option<Tensor>>,
}

impl SGD {
    /// An optimizer of these parameters.
    ///
    /// # Errors
    /// [`Error::Argument`] without parameters, for one that is named twice, for a negative `lr`, `momentum` or
    /// `weight_decay`, for `nesterov` without momentum or with dampening.
    ///
    /// # Examples
    /// ```
    /// use nn::{Parameter, SGD, SgdOptions};
    ///
    /// let w = Parameter::new(tensor::ones([2])?)?;
    /// let error = SGD::new([w], SgdOptions { lr: -0.1, ..Default::default() }).unwrap_err();
    /// assert_eq!(error.to_string(), "SGD: lr must be at least 0, but is -0.1");
    /// # Ok::<(), tensor::Error>(())
    /// ```
    pub fn new(parameters: impl IntoIterator<Item = Parameter>, options: SgdOptions) -> Result<Self> {
        let op = "SGD";
        let parameters: Vec<_> = parameters.into_iter().collect();
        let SgdOptions { lr, momentum, dampening, weight_decay, nesterov, .. } = options;
        for (name, value) in [("lr", lr), ("momentum", momentum), ("weight_decay", weight_decay)] {
            check_not_negative(op, name, value)?;
        }
        if nesterov && (momentum == 0.0 || dampening != 0.0) {
            let message = format!(
                "nesterov needs a momentum above 0 and no dampening, but momentum is {momentum:?} and dampening {dampening:?}"
            );
            return Err(Error::argument(op, message));
        }
        check_parameters(op, &parameters)?;
        let velocities = vec![None; parameters.len()];
        Ok(Self { parameters, options, velocities })
    }

    /// What it does.
    pub fn options(&self) -> SgdOptions {
        self.options
    }
}

impl Optimizer for SGD {
    fn step(&mut self) -> Result<()> {
        for (parameter, velocity) in self.parameters.iter().zip(&mut self.velocities) {
            let Some(grad) = parameter.grad() else { continue };
            match parameter.dtype() {
                DType::F64 => step::<f64>(parameter, &grad, velocity, self.options)?,
                _ => step::<f32>(parameter, &grad, velocity, self.options)?,
            }
        }
        Ok(())
    }

    fn zero_grad(&mut self) {
        self.parameters.iter().for_each(Parameter::zero_grad);
    }

    fn lr(&self) -> f64 {
        self.options.lr
    }

    fn set_lr(&mut self, lr: f64) -> Result<()> {
        check_not_negative("SGD", "lr", lr)?;
        self.options.lr = lr;
        Ok(())
    }
}

/// The options as numbers of the parameter's type, and the formula.
// Rounded where PyTorch rounds: `a·x + y` is one operation there.
struct Rule<T> {
    minus_lr: T,
    momentum: T,
    gain: T,
    decay: T,
    nesterov: bool,
    maximize: bool,
}

impl<T: Float> Rule<T> {
    fn new(options: SgdOptions) -> Self {
        let SgdOptions { lr, momentum, dampening, weight_decay, nesterov, maximize } = options;
        let (minus_lr, gain) = (T::lit(-lr), T::lit(1.0 - dampening));
        Self { minus_lr, momentum: T::lit(momentum), gain, decay: T::lit(weight_decay), nesterov, maximize }
    }

    #[inline(always)]
    fn gradient(&self, w: T, g: T) -> T {
        let g = if self.maximize { -g } else { g };
        if self.decay == T::lit(0.0) { g } else { self.decay.mul_add(w, g) }
    }

    /// The new parameter and velocity; there is no old velocity at first.
    #[inline(always)]
    fn with_momentum(&self, w: T, v: T, g: T, first: bool) -> [T; 2] {
        let g = self.gradient(w, g);
        let v = if first { g } else { self.gain.mul_add(g, self.momentum * v) };
        let g = if self.nesterov { self.momentum.mul_add(v, g) } else { v };
        [self.minus_lr.mul_add(g, w), v]
    }
}

fn step<T: Float>(
    parameter: &Parameter,
    grad: &Tensor,
    velocity: &mut Option<Tensor>,
    options: SgdOptions,
) -> Result<()> {
    let rule = Rule::<T>::new(options);
    let grad = grad.detach().contiguous();
    let g = grad.as_slice::<T>()?;
    if options.momentum == 0.0 {
        return parameter.update(|w| {
            update(
                [w],
                [g],
                #[inline(always)]
                |[w], [g]| [rule.minus_lr.mul_add(rule.gradient(w, g), w)],
            );
        });
    }
    let first = velocity.is_none();
    let v = velocity.get_or_insert_with(|| grad.zeros_like()).make_mut::<T>()?;
    parameter.update(|w| {
        update(
            [w, v],
            [g],
            #[inline(always)]
            |[w, v], [g]| rule.with_momentum(w, v, g, first),
        );
    })
}
