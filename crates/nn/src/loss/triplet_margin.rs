//! The triplet loss.

use super::Reduction;
use crate::{Module, PairwiseDistance};
use tensor::autograd::edge;
use tensor::{Error, Result, Tensor};

/// Draws an anchor to a positive example and away from a negative one, until they differ by a margin.
///
/// # Formula
/// `max(0, margin + d(a, p) − d(a, n))` with the [`PairwiseDistance`] `d(u, v) = ‖u − v + eps‖ₚ`; with `swap`, the smaller
/// one of `d(a, n)` and `d(p, n)` stands for `d(a, n)`.
///
/// # Gradient
/// That of `d(a, p) − d(a, n)` where the loss is positive, 0 elsewhere; where `d(a, n) = d(p, n)`, half through each.
///
/// # Shape
/// Three tensors `(D)` or `(…, D)` with the same number of dimensions, which broadcast; the terms have the shape without `D`.
///
/// # Stability
/// `eps` keeps the distance of equal vectors away from 0, where its slope jumps.
///
/// # Errors
/// A margin that is not positive; shapes that do not fit.
///
/// # Examples
/// ```
/// use nn::TripletMarginLoss;
/// use tensor::Tensor;
/// let anchor = Tensor::from([[0.0_f64, 0.0]]).requires_grad_()?;
/// let (positive, negative) = (Tensor::from([[4.0_f64, 0.0]]), Tensor::from([[0.0_f64, -4.0]]));
/// let loss = TripletMarginLoss { eps: 0.0, ..Default::default() }.forward(&anchor, &positive, &negative)?;
/// assert_eq!(loss.item::<f64>()?, 1.0);
/// loss.backward()?;
/// assert_eq!(anchor.grad().unwrap(), Tensor::from([[-1.0_f64, -1.0]]));
/// # Ok::<(), tensor::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.TripletMarginLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.TripletMarginLoss.html), which
/// refuses a margin when it is built.
#[derive(Clone, Debug, Module)]
pub struct TripletMarginLoss {
    /// How much farther away the negative example has to be.
    pub margin: f64,
    /// The norm of the distance.
    pub p: f64,
    /// What is added to each difference.
    pub eps: f64,
    /// Whether the positive example's distance to the negative one counts if it is smaller.
    pub swap: bool,
    /// What becomes of the terms.
    pub reduction: Reduction,
}

impl Default for TripletMarginLoss {
    fn default() -> Self {
        Self { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean }
    }
}

impl TripletMarginLoss {
    /// The loss of anchors with a positive and a negative example each.
    ///
    /// # Errors
    /// See [the struct](Self).
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        let distance = PairwiseDistance { p: self.p, eps: self.eps, keepdim: false };
        let terms = triplet(
            "triplet_margin_loss",
            [anchor, positive, negative],
            |a, b| distance.forward(a, b),
            self.margin,
            self.swap,
        )?;
        self.reduction.of(terms)
    }
}

/// The terms of a triplet loss with any distance.
pub(super) fn triplet(
    op: &'static str,
    [anchor, positive, negative]: [&Tensor; 3],
    distance: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    margin: f64,
    swap: bool,
) -> Result<Tensor> {
    if margin <= 0.0 {
        return Err(Error::argument(op, format!("margin must be greater than 0, but is {margin}")));
    }
    let ranks = [anchor, positive, negative].map(Tensor::dim);
    if ranks != [ranks[0]; 3] {
        let [a, p, n] = ranks;
        let message =
            format!("anchor, positive and negative must have as many dimensions, but have {a}, {p} and {n}");
        return Err(Error::argument(op, message));
    }
    let near = distance(anchor, positive)?;
    let mut far = distance(anchor, negative)?;
    if swap {
        far = far.minimum(&distance(positive, negative)?)?;
    }
    let terms = near.add(margin)?.sub(&far)?;
    let inside = terms.gt(0)?;
    let slope = edge(&terms, &inside, |g, inside| Tensor::where_(inside, &**g, 0));
    Ok(Tensor::from_op("ClampMinBackward0", terms.detach().clamp_min(0)?, [slope]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tensor::check::{gradcheck, gradgradcheck};

    /// Of the three triplets, one is far from its margin and two are within.
    fn examples() -> Result<[Tensor; 3]> {
        Ok([
            Tensor::from([[0.3_f64, -1.2], [2.0, 0.1], [0.5, 0.4]]).requires_grad_()?,
            Tensor::from([[1.1_f64, 0.4], [-0.9, 0.7], [0.45, 0.3]]).requires_grad_()?,
            Tensor::from([[0.9_f64, 1.5], [-0.2, -0.6], [9.0, -7.0]]).requires_grad_()?,
        ])
    }

    #[test]
    fn derivatives_hold_for_every_combination_of_options() -> Result<()> {
        for p in [1.0, 2.0, 3.0, f64::INFINITY] {
            for swap in [false, true] {
                for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
                    let loss = TripletMarginLoss { margin: 1.3, p, eps: 0.01, swap, reduction };
                    let run = |x: &[Tensor]| loss.forward(&x[0], &x[1], &x[2]);
                    gradcheck(run, &examples()?)?;
                    gradgradcheck(run, &examples()?)?;
                }
            }
        }
        Ok(())
    }

    #[test]
    fn a_tie_of_the_swap_shares_its_gradient_and_the_kink_has_none() -> Result<()> {
        let a = Tensor::from([[1.0_f64, 0.0]]).requires_grad_()?;
        let b = Tensor::from([[-1.0_f64, 0.0]]).requires_grad_()?;
        let n = Tensor::from([[0.0_f64, 1.0]]);
        let loss =
            TripletMarginLoss { eps: 0.0, swap: true, reduction: Reduction::None, ..Default::default() };
        let terms = loss.forward(&a, &b, &n)?;
        assert_eq!(terms.grad_fn(), Some("ClampMinBackward0"));
        terms.sum().backward()?;
        let half = 0.5_f64 / 2.0_f64.sqrt();
        let found = a.grad().unwrap().to_vec::<f64>()?;
        assert!((found[0] - (1.0 - half)).abs() < 1e-15 && (found[1] - half).abs() < 1e-15);
        // d(a, p) − d(a, n) = −margin.
        let a = Tensor::from([[0.0_f64]]).requires_grad_()?;
        let loss = TripletMarginLoss { eps: 0.0, ..Default::default() };
        loss.forward(&a, &Tensor::from([[1.0_f64]]), &Tensor::from([[2.0_f64]]))?.backward()?;
        assert_eq!(a.grad().unwrap(), Tensor::from([[0.0_f64]]));
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let (x, v) = (Tensor::from([[1.0_f32, 2.0]]), Tensor::from([1.0_f32, 2.0]));
        let text = |margin: f64, [a, p, n]: [&Tensor; 3]| {
            let loss = TripletMarginLoss { margin, ..Default::default() };
            loss.forward(a, p, n).unwrap_err().to_string()
        };
        assert_eq!(text(-1.0, [&x, &x, &x]), "triplet_margin_loss: margin must be greater than 0, but is -1");
        assert_eq!(
            text(1.0, [&x, &v, &x]),
            "triplet_margin_loss: anchor, positive and negative must have as many dimensions, but have 2, 1 and 2"
        );
    }
}
