//! Adam, and Adam with decoupled weight decay.

use super::{Descent, Memory, Rule, Setting, Slope, check_not_negative, lerp};
use crate::{Error, Parameter, Result, text};
use downhill_tensor::kernels::{inlined, update};
use downhill_tensor::{Float, Tensor};

/// What [`Adam`] and [`AdamW`] are to do; [`AdamOptions`] and [`AdamWOptions`] are names for it. `DECOUPLED` says whether weight
/// decay stays out of the running means, as in [`AdamW`].
///
/// # Examples
/// ```
/// use downhill::nn::{AdamOptions, AdamWOptions};
///
/// let (adam, adamw) = (AdamOptions::default(), AdamWOptions::default());
/// assert_eq!((adam.lr, adam.betas, adam.eps, adam.weight_decay), (1e-3, (0.9, 0.999), 1e-8, 0.0));
/// assert_eq!((adamw.lr, adamw.betas, adamw.eps, adamw.weight_decay), (1e-3, (0.9, 0.999), 1e-8, 0.01));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamFamilyOptions<const DECOUPLED: bool> {
    /// The learning rate `γ`.
    pub lr: f64,
    /// The shares `β₁` and `β₂` of the running means that are kept from step to step.
    pub betas: (f64, f64),
    /// What is added to the divisor `ε`.
    pub eps: f64,
    /// The factor `λ`: of the parameter that is added to its gradient for [`Adam`], by which the parameter shrinks, times the
    /// learning rate, for [`AdamW`].
    pub weight_decay: f64,
    /// Whether to divide by the largest mean of squares so far.
    pub amsgrad: bool,
    /// Whether to climb instead of descend.
    pub maximize: bool,
}

/// What [`Adam`] is to do.
pub type AdamOptions = AdamFamilyOptions<false>;

/// What [`AdamW`] is to do.
pub type AdamWOptions = AdamFamilyOptions<true>;

/// PyTorch's: a learning rate of 0.001, `β` of 0.9 and 0.999, `ε` of 1e-8, for [`AdamW`] a weight decay of 0.01, nothing else.
impl<const DECOUPLED: bool> Default for AdamFamilyOptions<DECOUPLED> {
    fn default() -> Self {
        Self {
            lr: 1e-3,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: if DECOUPLED { 0.01 } else { 0.0 },
            amsgrad: false,
            maximize: false,
        }
    }
}

/// Adam: steps of about the learning rate, whatever the scale of the gradient.
///
/// # Formula
/// `g ← ±∇w + λ·w`; `m ← β₁·m + (1 − β₁)·g`; `v ← β₂·v + (1 − β₂)·g²`; with `amsgrad` `u ← max(u, v)`, else `u = v`;
/// `w ← w − γ/(1 − β₁ᵗ) · m / (√u/√(1 − β₂ᵗ) + ε)` in step `t`. One pass over memory for each parameter.
///
/// # Errors
/// [`new`](Descent::new) refuses a negative `lr`, `eps` or `weight_decay`, and `betas` outside of `[0, 1)`.
///
/// # Examples
/// ```
/// use downhill::nn::{Adam, AdamOptions, Optimizer, Parameter};
/// use downhill::Tensor;
///
/// let w = Parameter::new(Tensor::from([3.0_f32, -0.5]))?;
/// let mut optimizer = Adam::new([w.clone()], AdamOptions { lr: 0.25, ..Default::default() })?;
/// w.tensor().square().sum().backward()?;
/// optimizer.step()?;
/// approx::assert_relative_eq!(w.tensor(), Tensor::from([2.75_f32, -0.25]), max_relative = 1e-6);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.Adam`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adam.html), with its rounding; after
/// [Kingma and Ba 2014](https://arxiv.org/abs/1412.6980) and, for `amsgrad`,
/// [Reddi, Kale and Kumar 2018](https://openreview.net/forum?id=ryQu7f-RZ).
pub type Adam = Descent<AdamOptions>;

/// Adam whose weight decay does not enter the running means.
///
/// # Formula
/// `w ← w − γ·λ·w`, then as [`Adam`] without weight decay.
///
/// # Errors
/// As [`Adam`].
///
/// # Examples
/// ```
/// use downhill::nn::{AdamW, AdamWOptions, Optimizer, Parameter};
/// use downhill::Tensor;
///
/// let w = Parameter::new(Tensor::from([4.0_f32]))?;
/// let mut optimizer = AdamW::new([w.clone()], AdamWOptions { lr: 0.5, weight_decay: 0.5, ..Default::default() })?;
/// w.set_grad(Some(Tensor::from([0.0_f32])))?;
/// optimizer.step()?;
/// assert_eq!(w.tensor(), Tensor::from([3.0_f32]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.AdamW`](https://docs.pytorch.org/docs/stable/generated/torch.optim.AdamW.html), with its rounding; after
/// [Loshchilov and Hutter 2017](https://arxiv.org/abs/1711.05101).
pub type AdamW = Descent<AdamWOptions>;

const MEAN: &str = "exp_avg";
const SQUARE: &str = "exp_avg_sq";
const HIGHEST: &str = "max_exp_avg_sq";

impl<const DECOUPLED: bool> Rule for AdamFamilyOptions<DECOUPLED> {
    const NAME: &'static str = if DECOUPLED { "AdamW" } else { "Adam" };
    const BUFFERS: &'static [&'static str] = &[MEAN, SQUARE, HIGHEST];
    const SQUARES: &'static [&'static str] = &[SQUARE, HIGHEST];

    fn settings(&mut self) -> Vec<(&'static str, Setting<'_>)> {
        vec![
            ("lr", (&mut self.lr).into()),
            ("betas.0", (&mut self.betas.0).into()),
            ("betas.1", (&mut self.betas.1).into()),
            ("eps", (&mut self.eps).into()),
            ("weight_decay", (&mut self.weight_decay).into()),
            ("amsgrad", (&mut self.amsgrad).into()),
            ("maximize", (&mut self.maximize).into()),
        ]
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [("lr", self.lr), ("eps", self.eps), ("weight_decay", self.weight_decay)] {
            check_not_negative(Self::NAME, name, value)?;
        }
        for (name, beta) in [("betas.0", self.betas.0), ("betas.1", self.betas.1)] {
            if !(0.0..1.0).contains(&beta) {
                let message = format!("{name} must be at least 0 and below 1, but is {}", text::float(beta));
                return Err(Error::argument(Self::NAME, message));
            }
        }
        Ok(())
    }

    fn first_values(&self) -> Vec<(&'static str, f64)> {
        let names = if self.amsgrad { &[MEAN, SQUARE, HIGHEST][..] } else { &[MEAN, SQUARE] };
        names.iter().map(|&name| (name, 0.0)).collect()
    }

    fn step<T: Float>(&self, parameter: &Parameter, grad: &Tensor, memory: &mut Memory) -> Result<()> {
        Step::<T>::new(self, memory.steps()).run(parameter, grad, memory, self.amsgrad)
    }
}

/// The options as numbers of the parameter's type, and the formula.
// Rounded where PyTorch rounds.
#[derive(Clone, Copy)]
struct Step<T> {
    slope: Slope<T>,
    keep: T,
    mean: T,
    beta: T,
    square: T,
    root: T,
    eps: T,
    minus_size: T,
}

impl<T: Float> Step<T> {
    fn new<const DECOUPLED: bool>(options: &AdamFamilyOptions<DECOUPLED>, step: f64) -> Self {
        let AdamFamilyOptions { lr, betas: (beta1, beta2), eps, weight_decay, maximize, .. } = *options;
        let (keep, decay) = if DECOUPLED { (1.0 - lr * weight_decay, 0.0) } else { (1.0, weight_decay) };
        Self {
            slope: Slope { decay: T::lit(decay), maximize },
            keep: T::lit(keep),
            mean: T::lit(1.0 - beta1),
            beta: T::lit(beta2),
            square: T::lit(1.0 - beta2),
            root: T::lit((1.0 - beta2.powf(step)).sqrt()),
            eps: T::lit(eps),
            minus_size: T::lit(-(lr / (1.0 - beta1.powf(step)))),
        }
    }

    /// The new means, of the gradient and of its square.
    #[inline(always)]
    fn means(&self, w: T, m: T, v: T, g: T) -> (T, T) {
        let g = self.slope.of(w, g);
        (lerp(m, g, self.mean), (self.square * g).mul_add(g, v * self.beta))
    }

    /// The new parameter, for the mean `m` of the gradient and a mean `u` of its square.
    #[inline(always)]
    fn moved(&self, w: T, m: T, u: T) -> T {
        w * self.keep + self.minus_size * m / (u.sqrt() / self.root + self.eps)
    }

    fn run(self, parameter: &Parameter, grad: &Tensor, memory: &mut Memory, amsgrad: bool) -> Result<()> {
        let g = grad.as_slice::<T>()?;
        if amsgrad {
            let [m, v, u] = memory.buffers([MEAN, SQUARE, HIGHEST], grad)?;
            return parameter.update(|w| {
                update(
                    [w, m, v, u],
                    [g],
                    inlined!(move |[w, m, v, u], [g]| {
                        let (m, v) = self.means(w, m, v, g);
                        let u = u.max(v);
                        [self.moved(w, m, u), m, v, u]
                    }),
                );
            });
        }
        let [m, v] = memory.buffers([MEAN, SQUARE], grad)?;
        parameter.update(|w| {
            update(
                [w, m, v],
                [g],
                inlined!(move |[w, m, v], [g]| {
                    let (m, v) = self.means(w, m, v, g);
                    [self.moved(w, m, v), m, v]
                }),
            );
        })
    }
}
