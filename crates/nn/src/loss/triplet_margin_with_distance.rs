//! The triplet loss with a distance of one's own.

use super::Reduction;
use super::triplet_margin::{TripletMarginLoss, triplet};
use crate::{Member, Module, PairwiseDistance, Visit};
use downhill_tensor::{Result, Tensor};
use std::fmt;

/// A distance of rows: a closure, a [`PairwiseDistance`], or a module of one's own.
///
/// ```
/// use downhill::nn::{Distance, Linear, Forward, Module, PairwiseDistance, TripletMarginWithDistanceLoss};
/// use downhill::{Result, Tensor};
///
/// /// Euclid's distance in a space that is learned.
/// #[derive(Module)]
/// struct Learned {
///     projection: Linear,
/// }
///
/// impl Distance for Learned {
///     fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
///         PairwiseDistance::default().forward(&self.projection.forward(a)?, &self.projection.forward(b)?)
///     }
///     fn module(&self) -> Option<&dyn Module> {
///         Some(self)
///     }
/// }
///
/// let loss = TripletMarginWithDistanceLoss::new(Learned { projection: Linear::new(4, 2)? });
/// assert_eq!(loss.named_parameters()[0].0, "distance_function.projection.weight");
/// # Ok::<(), downhill::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a distance of rows",
    label = "expected `PairwiseDistance`, a function of two tensors, or a type with `impl Distance`"
)]
pub trait Distance {
    /// The distances of `a` and `b`, one a pair.
    ///
    /// # Errors
    /// Shapes, dtypes or values that it does not take.
    fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor>;

    /// Itself if it is a module, whose parameters are then those of the loss.
    #[inline]
    fn module(&self) -> Option<&dyn Module> {
        None
    }

    /// The [`PairwiseDistance`] that it is, if it is one: a loss is then one pass over its rows, and rounded once.
    #[inline]
    fn pairwise(&self) -> Option<&PairwiseDistance> {
        None
    }
}

impl<F: Fn(&Tensor, &Tensor) -> Result<Tensor>> Distance for F {
    #[inline]
    fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        self(a, b)
    }
}

impl Distance for PairwiseDistance {
    #[inline]
    fn distance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        self.forward(a, b)
    }
    #[inline]
    fn module(&self) -> Option<&dyn Module> {
        Some(self)
    }
    #[inline]
    fn pairwise(&self) -> Option<&PairwiseDistance> {
        Some(self)
    }
}

/// [`TripletMarginLoss`](crate::TripletMarginLoss) with any distance.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/triplet_margin_with_distance.svg"))]
///
/// # Formula
/// ```math
/// ℓ = \max(0, \text{margin} + d(a, p) − d(a, n))
/// ```
///
/// of an anchor `a`, a positive `p` and a negative `n`; with `swap`, the smaller one of `d(a, n)` and `d(p, n)` stands for `d(a, n)`.
///
/// # Gradient
/// Where the loss is positive
///
/// ```math
/// \frac{∂ℓ}{∂a} = \frac{∂d(a, p)}{∂a} − \frac{∂d(a, n)}{∂a}
/// ```
///
/// and so to `p` and `n`; 0 elsewhere; where `swap` finds `d(a, n) = d(p, n)`, half through each.
///
/// # Shape
/// Three tensors with the same number of dimensions; the terms have the shape of the distances.
///
/// # Stability
/// The distance's: a norm whose argument is 0 has no slope there, so add an eps as [`PairwiseDistance`] does.
///
/// # Errors
/// A margin that is not positive; shapes that do not fit; the distance's own.
///
/// # Examples
/// ```
/// use downhill::nn::{CosineSimilarity, TripletMarginWithDistanceLoss};
/// use downhill::Tensor;
/// let cosine = CosineSimilarity::default();
/// let distance = move |a: &Tensor, b: &Tensor| cosine.forward(a, b)?.mul(-1.0)?.add(1.0);
/// let loss = TripletMarginWithDistanceLoss { margin: 0.5, ..TripletMarginWithDistanceLoss::new(distance) };
/// let (anchor, positive) = (Tensor::from([[1.0_f64, 0.0]]), Tensor::from([[0.0_f64, 2.0]]));
/// assert_eq!(loss.forward(&anchor, &positive, &anchor)?.item::<f64>()?, 1.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.TripletMarginWithDistanceLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.TripletMarginWithDistanceLoss.html),
/// which refuses a margin when it is built.
#[derive(Clone)]
pub struct TripletMarginWithDistanceLoss<D = PairwiseDistance> {
    /// The distance of two tensors.
    pub distance_function: D,
    /// How much farther away the negative example has to be.
    pub margin: f64,
    /// Whether the positive example's distance to the negative one counts if it is smaller.
    pub swap: bool,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for TripletMarginWithDistanceLoss {
    #[inline]
    fn default() -> Self {
        Self::new(PairwiseDistance::default())
    }
}

/// Leaves the distance out, which may be a closure.
impl<D> fmt::Debug for TripletMarginWithDistanceLoss<D> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TripletMarginWithDistanceLoss")
            .field("margin", &self.margin)
            .field("swap", &self.swap)
            .field("reduction", &self.reduction)
            .finish_non_exhaustive()
    }
}

impl<D: Distance> TripletMarginWithDistanceLoss<D> {
    /// The loss of this distance with a margin of 1, without swap, and a mean.
    #[inline]
    pub fn new(distance_function: D) -> Self {
        Self { distance_function, margin: 1.0, swap: false, reduction: Reduction::Mean }
    }

    /// The loss of anchors with a positive and a negative example each.
    ///
    /// # Errors
    /// See [the struct](Self).
    #[inline]
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        let (op, inputs) = ("triplet_margin_with_distance_loss", [anchor, positive, negative]);
        let Self { margin, swap, reduction, .. } = *self;
        if let Some(&PairwiseDistance { p, eps, keepdim: false }) = self.distance_function.pairwise() {
            return TripletMarginLoss { margin, p, eps, swap, reduction }.named(op, inputs);
        }
        let terms = triplet(op, inputs, |a, b| self.distance_function.distance(a, b), margin, swap)?;
        self.reduction.of(terms)
    }
}

impl<D: Distance + Send + Sync> Module for TripletMarginWithDistanceLoss<D> {
    #[inline]
    fn class_name(&self) -> &'static str {
        "TripletMarginWithDistanceLoss"
    }
    #[inline]
    fn members(&self, visit: &mut Visit<'_>) {
        if let Some(distance) = self.distance_function.module() {
            visit("distance_function", Member::Child(distance));
        }
    }
}

impl<D: Distance + Send + Sync> fmt::Display for TripletMarginWithDistanceLoss<D> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.repr())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check::{gradcheck, gradgradcheck};

    fn examples() -> Result<[Tensor; 3]> {
        Ok([
            Tensor::from([[0.3_f64, -1.2], [2.0, 0.1]]).requires_grad_()?,
            Tensor::from([[1.1_f64, 0.4], [-0.9, 0.7]]).requires_grad_()?,
            Tensor::from([[0.9_f64, 1.5], [-0.2, -0.6]]).requires_grad_()?,
        ])
    }

    #[test]
    fn derivatives_hold_for_a_closure_with_every_combination_of_options() -> Result<()> {
        // Not symmetric, and a number an element instead of one a row.
        let distance = |a: &Tensor, b: &Tensor| a.exp().sub(b)?.square().mul(a);
        for swap in [false, true] {
            for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
                let loss = TripletMarginWithDistanceLoss {
                    margin: 20.0,
                    swap,
                    reduction,
                    ..TripletMarginWithDistanceLoss::new(distance)
                };
                let run = |x: &[Tensor]| loss.forward(&x[0], &x[1], &x[2]);
                gradcheck(run, &examples()?)?;
                gradgradcheck(run, &examples()?)?;
            }
        }
        Ok(())
    }

    #[test]
    fn by_default_it_is_the_triplet_loss() -> Result<()> {
        let [a, p, n] = examples()?;
        let loss = TripletMarginWithDistanceLoss::default();
        assert_eq!(loss.forward(&a, &p, &n)?, TripletMarginLoss::default().forward(&a, &p, &n)?);
        Ok(())
    }

    #[test]
    fn it_prints_a_distance_that_is_a_module() {
        let text = "TripletMarginWithDistanceLoss(\n  (distance_function): PairwiseDistance()\n)";
        assert_eq!(TripletMarginWithDistanceLoss::default().to_string(), text);
        let closure = TripletMarginWithDistanceLoss::new(|a: &Tensor, b: &Tensor| a.sub(b));
        assert_eq!(closure.to_string(), "TripletMarginWithDistanceLoss()");
    }
}
