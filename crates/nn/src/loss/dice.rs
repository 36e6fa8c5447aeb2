//! Dice loss: the overlap of two masks.

use super::{Loss, Reduction};
use crate::Module;
use downhill_tensor::{Error, Result, Tensor};

/// One minus the overlap of a predicted and a true mask: the loss of segmentation where most pixels are background.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/dice.svg"))]
///
/// # Formula
/// Of each sample, over all its elements, with the smoothing `s`:
///
/// ```math
/// ℓₙ = 1 − \frac{2 \sum_i xᵢ tᵢ + s}{\sum_i xᵢ² + \sum_i tᵢ² + s}
/// ```
///
/// # Gradient
/// With the fraction `d` and its denominator `b`:
///
/// ```math
/// \frac{∂ℓₙ}{∂xᵢ} = \frac{2 (xᵢ d − tᵢ)}{b}
/// ```
///
/// and the same with `x` and `t` exchanged.
///
/// # Shape
/// Probabilities and targets of one shape `(N, …)`; for a loss of each class, flatten `(N, C, …)` to `(N·C, …)`.
///
/// # Stability
/// `smooth` keeps the fraction defined: where both masks are empty the loss is 0, not NaN.
///
/// # Errors
/// Shapes that differ or have no first dimension, inputs neither of which is a float, a negative `smooth`.
///
/// # Examples
/// ```
/// use downhill::nn::{DiceLoss, Loss};
/// use downhill::Tensor;
/// let loss = DiceLoss { smooth: 0.0, ..Default::default() };
/// let (x, t) = (Tensor::from([[1.0_f64, 1.0, 0.0, 0.0]]), Tensor::from([[0.0_f64, 1.0, 0.0, 0.0]]));
/// assert!((loss.forward(&x, &t)?.item::<f64>()? - 1.0 / 3.0).abs() < 1e-15);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// Not there. [Milletari et al. 2016](https://arxiv.org/abs/1606.04797), who have no `smooth`.
#[derive(Clone, Debug, Module)]
pub struct DiceLoss {
    /// Added above and below the fraction bar.
    pub smooth: f64,
    /// The reduction of the samples' losses: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for DiceLoss {
    #[inline]
    fn default() -> Self {
        Self { smooth: 1e-5, reduction: Reduction::Mean }
    }
}

impl Loss for DiceLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let op = "dice_loss";
        if self.smooth.is_nan() || self.smooth < 0.0 {
            return Err(Error::argument(op, format!("smooth must be at least 0, but is {}", self.smooth)));
        }
        if input.dim() == 0 {
            return Err(Error::shape(op, "an input of shape (N, …)", input.shape()));
        }
        if input.shape() != target.shape() {
            let expected = format!("a target of the input's shape {}", input.shape());
            return Err(Error::shape(op, expected, target.shape()));
        }
        let dtype = input.dtype().promote(target.dtype());
        dtype.check_float(op)?;
        let samples = |x: &Tensor| x.try_to_dtype(dtype)?.unsqueeze(-1)?.flatten(1, -1);
        let (x, t) = (samples(input)?, samples(target)?);
        let sum = |x: &Tensor| x.sum_dim(1, false);
        let overlap = sum(&x.mul(&t)?)?.mul(2.0)?.add(self.smooth)?;
        let total = sum(&x.try_square()?)?.add(&sum(&t.try_square()?)?)?.add(self.smooth)?;
        let losses = Tensor::from(1.0_f32).try_to_dtype(dtype)?.sub(&overlap.div(&total)?)?;
        match self.reduction {
            Reduction::None => Ok(losses),
            Reduction::Sum => losses.try_sum(),
            Reduction::Mean => losses.mean(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    fn noise(n: usize, k: f64) -> Vec<f64> {
        (0..n).map(|i| 0.5 + 0.49 * ((i as f64 + 0.5) * k).sin()).collect()
    }

    #[test]
    fn it_is_the_formula_of_each_sample() -> Result<()> {
        let (a, b) = (noise(24, 1.3), noise(24, 0.7));
        let [x, t] = [&a, &b].map(|v| Tensor::from_vec(v.clone(), [3, 2, 4]));
        let (x, t) = (x?.requires_grad_()?, t?.requires_grad_()?);
        for smooth in [0.0, 1.0] {
            let want: Vec<f64> = a
                .chunks(8)
                .zip(b.chunks(8))
                .map(|(x, t)| {
                    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                    1.0 - (2.0 * dot(x, t) + smooth) / (dot(x, x) + dot(t, t) + smooth)
                })
                .collect();
            let run = |reduction| DiceLoss { smooth, reduction }.forward(&x, &t);
            for (ours, want) in run(Reduction::None)?.to_vec::<f64>()?.iter().zip(&want) {
                assert!((ours - want).abs() < 1e-14);
            }
            let sum: f64 = want.iter().sum();
            assert!((run(Reduction::Sum)?.item::<f64>()? - sum).abs() < 1e-14);
            assert!((run(Reduction::Mean)?.item::<f64>()? - sum / 3.0).abs() < 1e-14);
            let loss = |xs: &[Tensor]| DiceLoss { smooth, ..Default::default() }.forward(&xs[0], &xs[1]);
            check::gradcheck(loss, &[x.clone(), t.clone()])?;
            check::gradgradcheck(loss, &[x.clone(), t.clone()])?;
        }
        Ok(())
    }

    #[test]
    fn equal_masks_have_none_and_disjoint_ones_all() -> Result<()> {
        let (mask, other) = (Tensor::from([[0.0_f32, 1.0]]), Tensor::from([[1, 0]]));
        let loss = DiceLoss::default();
        assert_eq!(loss.forward(&mask, &mask)?.item::<f32>()?, 0.0);
        assert!((loss.forward(&mask, &other)?.item::<f32>()? - 1.0).abs() < 1e-5);
        let empty = mask.zeros_like().requires_grad_()?;
        let nothing = loss.forward(&empty, &mask.zeros_like())?;
        assert_eq!(nothing.item::<f32>()?, 0.0);
        nothing.backward()?;
        assert_eq!(empty.grad().unwrap(), mask.zeros_like());
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let x = Tensor::from([[0.0_f32, 1.0]]);
        let text = |loss: DiceLoss, t: &Tensor| loss.forward(&x, t).unwrap_err().to_string();
        assert_eq!(
            text(DiceLoss::default(), &Tensor::from([0.0_f32, 1.0])),
            "dice_loss: expected a target of the input's shape [1, 2], but got shape [2]"
        );
        let negative = DiceLoss { smooth: -1.0, ..Default::default() };
        assert_eq!(text(negative, &x), "dice_loss: smooth must be at least 0, but is -1");
    }
}
