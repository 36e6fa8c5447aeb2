//! Binary cross-entropy of logits.

use super::pointwise::{expanded, times_then_divided};
use super::{Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{Error, Result, Tensor};

/// Cross-entropy between a sigmoid of the input and targets in `[0, 1]`, computed from the logits.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/bce_with_logits.svg"))]
///
/// # Formula
/// With `p` the positive weight:
///
/// ```math
/// ℓᵢ = wᵢ \big((1 − tᵢ)\, xᵢ + (1 + (pᵢ − 1)\, tᵢ) \ln(1 + e^{−xᵢ})\big)
/// ```
///
/// The mean divides by the number of elements, not by the weights.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = wᵢ \big((1 − tᵢ) − (1 + (pᵢ − 1)\, tᵢ)\, σ(−xᵢ)\big)
/// ```
///
/// Without a positive weight it is `wᵢ (σ(xᵢ) − tᵢ)`.
///
/// # Shape
/// `x` and `t` of one shape; both weights broadcast to it. The loss has the dtype of `x`.
///
/// # Stability
/// Exact for logits of any finite size: a term is the line that it comes near plus a share of `ln(1 + e^(−|x|))`, and neither `1 − σ(x)`
/// nor another difference of large numbers is taken. Infinite logits give NaN, as `0 · ∞` arises; targets outside of `[0, 1]` are
/// taken as they are.
///
/// # Errors
/// Shapes that differ, integer targets, weights that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::{BCEWithLogitsLoss, Loss};
/// use downhill::Tensor;
/// let loss = BCEWithLogitsLoss::default().forward(&Tensor::from([0.0_f64, 1000.0]), &Tensor::from([1.0, 0.0]))?;
/// assert_eq!(loss.item::<f64>()?, (2.0_f64.ln() + 1000.0) / 2.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.BCEWithLogitsLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.BCEWithLogitsLoss.html).
#[derive(Clone, Debug, Default, Module)]
pub struct BCEWithLogitsLoss {
    /// A factor for each element, broadcast to the input.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
    /// A factor for the positive part of each term, broadcast to the input: above 1 it favours recall.
    pub pos_weight: Option<Tensor>,
}

impl Pointwise<2> for BCEWithLogitsLoss {
    const OP: &'static str = "binary_cross_entropy_with_logits";
    const WIDE_SUMS: bool = false;
    fn name(&self, _: Reduction) -> &'static str {
        "BinaryCrossEntropyWithLogitsBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        // (1 − t) x + ln(1 + e⁻ˣ), without the difference that is left of it below 0.
        line(positive(&x) - t, x.clone(), decay(x).log1p())
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        [excess(x.clone(), t), -x]
    }
    #[inline(always)]
    fn scaled<R: Real>(&self, inputs: [R; 2], g: R, count: f64) -> [R; 2] {
        times_then_divided(self.grad(inputs), g, count)
    }
}

/// `−|x|`, with a slope at 0, so that what is made of it can be differentiated there.
#[inline(always)]
fn below<R: Real>(x: R) -> R {
    R::select(x.lt(&R::lit(0.0)), x.clone(), -x)
}

/// `e^(−|x|)`.
#[inline(always)]
pub(super) fn decay<R: Real>(x: R) -> R {
    below(x).exp()
}

/// 0 below 0, otherwise 1.
#[inline(always)]
pub(super) fn positive<R: Real>(x: &R) -> R {
    R::select(x.lt(&R::lit(0.0)), R::lit(0.0), R::lit(1.0))
}

/// `slope · x + rest`, but NaN for an x of −∞, as PyTorch has it: there a part of `(1 − t) x + ln(1 + e⁻ˣ)` is −∞ or 0 · ∞.
#[inline(always)]
fn line<R: Real>(slope: R, x: R, rest: R) -> R {
    let low = R::select(x.lt(&R::lit(0.0)), x.clone(), R::lit(0.0));
    slope.mul_add(x, low.mul_add(R::lit(0.0), rest))
}

/// `σ(−|x|)`.
#[inline(always)]
pub(super) fn doubt<R: Real>(x: R) -> R {
    below(x).sigmoid()
}

/// `σ(x) − t`: from 1 on as `(1 − t) − σ(−x)`, which keeps what is left of a probability near 1, and below it as PyTorch.
#[inline(always)]
pub(super) fn excess<R: Real>(x: R, t: R) -> R {
    let near = x.lt(&R::lit(1.0));
    let p = R::select(near.clone(), x.clone(), -x).sigmoid();
    (R::select(near.clone(), R::lit(0.0), R::lit(1.0)) - t) + R::select(near, p.clone(), -p)
}

/// `a` below 0, otherwise `−a`.
#[inline(always)]
fn against<R: Real>(x: &R, a: R) -> R {
    R::select(x.lt(&R::lit(0.0)), a.clone(), -a)
}

/// `ln(1 + eᶻ)` without overflow.
#[inline(always)]
pub(super) fn softplus<R: Real>(z: R) -> R {
    // Of −∞ a product with 0 would be NaN.
    R::select(z.lt(&R::lit(0.0)), R::lit(0.0), z.clone()) + decay(z).log1p()
}

/// The loss with both weights, those that are missing being 1: `[x, t, w, p]`.
#[derive(Clone, Debug)]
struct BothWeights;

impl Pointwise<4> for BothWeights {
    const OP: &'static str = "binary_cross_entropy_with_logits";
    const WIDE: bool = true;
    fn name(&self, _: Reduction) -> &'static str {
        "BinaryCrossEntropyWithLogitsBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t, w, p]: [R; 4]) -> R {
        w * Self::term(x, t, p)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t, w, p]: [R; 4]) -> [R; 4] {
        let (one, below) = (R::lit(1.0), x.lt(&R::lit(0.0)));
        let factor = one.clone() + (p.clone() - one.clone()) * t.clone();
        let log = decay(x.clone()).log1p();
        let line = R::select(below, -p.clone(), -one.clone());
        [
            w.clone() * (Self::slope(&x, &t, &p) + against(&x, factor * doubt(x.clone()))),
            w.clone() * (line * x.clone() + (p.clone() - one) * log),
            Self::term(x.clone(), t.clone(), p),
            w * t * softplus(-x),
        ]
    }
}

impl BothWeights {
    /// The slope of the lines that a term comes near: `−p t` below 0, otherwise `1 − t`.
    #[inline(always)]
    fn slope<R: Real>(x: &R, t: &R, p: &R) -> R {
        R::select(x.lt(&R::lit(0.0)), -(p.clone() * t.clone()), R::lit(1.0) - t.clone())
    }

    /// `(1 − t) x + (1 + (p − 1) t) ln(1 + e⁻ˣ)`, of parts that do not cancel.
    #[inline(always)]
    fn term<R: Real>(x: R, t: R, p: R) -> R {
        let factor = R::lit(1.0) + (p.clone() - R::lit(1.0)) * t.clone();
        line(Self::slope(&x, &t, &p), x.clone(), factor * decay(x).log1p())
    }
}

impl Loss for BCEWithLogitsLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let op = <Self as Pointwise<2>>::OP;
        if input.shape() != target.shape() {
            return Err(Error::shape(
                op,
                format!("a target of the input's shape {}", input.shape()),
                target.shape(),
            ));
        }
        for x in [input, target] {
            x.dtype().check_float(op)?;
        }
        if self.weight.is_none() && self.pos_weight.is_none() {
            return pointwise(self, [input, target], self.reduction)?.try_to_dtype(input.dtype());
        }
        let one = Tensor::from(1.0_f32);
        let [w, p] =
            [&self.weight, &self.pos_weight].map(|w| expanded(op, w.as_ref().unwrap_or(&one), input.shape()));
        pointwise(&BothWeights, [input, target, &w?, &p?], self.reduction)?.try_to_dtype(input.dtype())
    }
}
