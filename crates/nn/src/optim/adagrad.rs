//! Steps divided by the root of the sum of all squares so far.

use super::{Descent, Memory, Rule, Setting, Slope, check_not_negative};
use crate::{Parameter, Result};
use downhill_tensor::kernels::{inlined, update};
use downhill_tensor::{Float, Tensor};

/// What [`Adagrad`] is to do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdagradOptions {
    /// The learning rate `γ`.
    pub lr: f64,
    /// How fast the learning rate falls, `η`.
    pub lr_decay: f64,
    /// The factor `λ` of the parameter that is added to its gradient.
    pub weight_decay: f64,
    /// What the sum of squares starts from.
    pub initial_accumulator_value: f64,
    /// What is added to the divisor `ε`.
    pub eps: f64,
    /// Whether to climb instead of descend.
    pub maximize: bool,
}

/// PyTorch's: a learning rate of 0.01, `ε` of 1e-10, nothing else.
impl Default for AdagradOptions {
    #[inline]
    fn default() -> Self {
        Self {
            lr: 1e-2,
            lr_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator_value: 0.0,
            eps: 1e-10,
            maximize: false,
        }
    }
}

/// Gradient descent with steps divided by the root of the sum of all squares so far.
///
/// # Formula
/// `g ← ±∇w + λ·w`; `s ← s + g²`; `w ← w − γ/(1 + (t − 1)·η) · g / (√s + ε)` in step `t`. One pass over memory for each
/// parameter.
///
/// # Errors
/// [`new`](Descent::new) refuses a negative `lr`, `lr_decay`, `weight_decay`, `initial_accumulator_value` or `eps`.
///
/// # Examples
/// ```
/// use downhill::nn::{Adagrad, AdagradOptions, Optimizer, Parameter};
/// use downhill::Tensor;
///
/// let w = Parameter::new(Tensor::from([3.0_f32, -1.0]))?;
/// let mut optimizer = Adagrad::new([w.clone()], AdagradOptions { lr: 0.5, ..Default::default() })?;
/// w.tensor().square().sum().backward()?;
/// optimizer.step()?;
/// approx::assert_relative_eq!(w.tensor(), Tensor::from([2.5_f32, -0.5]), max_relative = 1e-6);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.optim.Adagrad`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Adagrad.html), with its rounding; after
/// [Duchi, Hazan and Singer 2011](https://jmlr.org/papers/v12/duchi11a.html).
pub type Adagrad = Descent<AdagradOptions>;

const SUM: &str = "sum";

impl Rule for AdagradOptions {
    const NAME: &'static str = "Adagrad";
    const BUFFERS: &'static [&'static str] = &[SUM];
    const SQUARES: &'static [&'static str] = &[SUM];

    #[inline]
    fn settings(&mut self) -> Vec<(&'static str, Setting<'_>)> {
        vec![
            ("lr", (&mut self.lr).into()),
            ("lr_decay", (&mut self.lr_decay).into()),
            ("weight_decay", (&mut self.weight_decay).into()),
            ("initial_accumulator_value", (&mut self.initial_accumulator_value).into()),
            ("eps", (&mut self.eps).into()),
            ("maximize", (&mut self.maximize).into()),
        ]
    }

    #[inline]
    fn check(&self) -> Result<()> {
        let Self { lr, lr_decay, weight_decay, initial_accumulator_value: initial, eps, .. } = *self;
        for (name, value) in [
            ("lr", lr),
            ("lr_decay", lr_decay),
            ("weight_decay", weight_decay),
            ("initial_accumulator_value", initial),
            ("eps", eps),
        ] {
            check_not_negative(Self::NAME, name, value)?;
        }
        Ok(())
    }

    fn first_values(&self) -> Vec<(&'static str, f64)> {
        vec![(SUM, self.initial_accumulator_value)]
    }

    fn step<T: Float>(&self, parameter: &Parameter, grad: &Tensor, memory: &mut Memory) -> Result<()> {
        let slope = Slope { decay: T::lit(self.weight_decay), maximize: self.maximize };
        let (eps, decayed) = (T::lit(self.eps), self.lr / (1.0 + (memory.steps() - 1.0) * self.lr_decay));
        let minus_lr = T::lit(-decayed);
        let g = grad.as_slice::<T>()?;
        let [s] = memory.buffers([SUM], grad)?;
        parameter.update(|w| {
            update(
                [w, s],
                [g],
                inlined!(move |[w, s], [g]| {
                    let g = slope.of(w, g);
                    let s = g.mul_add(g, s);
                    [w + minus_lr * g / (s.sqrt() + eps), s]
                }),
            );
        })
    }
}
