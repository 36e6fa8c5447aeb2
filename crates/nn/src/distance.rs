//! Distances and similarities of vectors.

use crate::{Module, text};
use downhill_tensor::autograd::edge;
use downhill_tensor::{Error, Result, Shape, Tensor};

/// The distance of two vectors, or of each pair of rows.
///
/// # Formula
/// `‖a − b + eps‖ₚ` over the last dimension.
///
/// # Gradient
/// The norm's: for `p = 2`, `(a − b + eps) / d` to `a` and its negative to `b`.
///
/// # Shape
/// `(D)` or `(…, D)`, which broadcast; the result has no last dimension, or with `keepdim` one of size 1.
///
/// # Stability
/// `eps` keeps the norm away from 0, where its slope jumps; it also makes the distance of `a` and `a` `eps·√D`.
///
/// # Errors
/// Shapes that do not broadcast; booleans; a `p` that is NaN, an `eps` that is not finite.
///
/// # Examples
/// ```
/// use downhill::nn::PairwiseDistance;
/// use downhill::Tensor;
/// let (a, b) = (Tensor::from([[0.0_f64, 3.0]]), Tensor::from([[4.0_f64, 0.0]]));
/// let manhattan = PairwiseDistance { p: 1.0, eps: 0.0, ..Default::default() };
/// assert_eq!(manhattan.forward(&a, &b)?, Tensor::from([7.0_f64]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.PairwiseDistance`](https://docs.pytorch.org/docs/stable/generated/torch.nn.PairwiseDistance.html).
#[derive(Clone, Debug, Module)]
pub struct PairwiseDistance {
    /// The norm: 2 is Euclid's, 1 Manhattan's, ∞ the largest difference.
    pub p: f64,
    /// What is added to each difference.
    pub eps: f64,
    /// Whether the last dimension stays, with size 1.
    pub keepdim: bool,
}

impl Default for PairwiseDistance {
    #[inline]
    fn default() -> Self {
        Self { p: 2.0, eps: 1e-6, keepdim: false }
    }
}

impl PairwiseDistance {
    /// The distances of `a` and `b`.
    ///
    /// # Errors
    /// See [the struct](Self).
    #[inline]
    pub fn forward(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        if !self.eps.is_finite() {
            let message = format!("eps must be finite, but is {}", text::float(self.eps));
            return Err(Error::argument("pairwise_distance", message));
        }
        a.sub(b)?.add(self.eps)?.norm_dim(self.p, -1, self.keepdim)
    }
}

/// The cosine of the angle between two vectors, or between those along a dimension.
///
/// # Formula
/// `a·b / (max(‖a‖, eps) max(‖b‖, eps))`.
///
/// # Gradient
/// `∂/∂a = (b/‖b‖ − cos · a/‖a‖) / ‖a‖`, and the same to `b`; where `eps` replaces a norm, the slope stays that of the norm.
///
/// # Shape
/// `a` and `b` broadcast; the result lacks the dimension `dim`.
///
/// # Stability
/// A vector of zeros has the cosine 0 to every other.
///
/// # Errors
/// Shapes that do not broadcast; inputs neither of which is a float; a dimension out of range; an `eps` that is negative, infinite
/// or NaN.
///
/// # Examples
/// ```
/// use downhill::nn::CosineSimilarity;
/// use downhill::Tensor;
/// let (a, b) = (Tensor::from([[0.0_f64, 3.0]]), Tensor::from([[4.0_f64, 0.0], [0.0, 1.0]]));
/// assert_eq!(CosineSimilarity::default().forward(&a, &b)?, Tensor::from([0.0_f64, 1.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.CosineSimilarity`](https://docs.pytorch.org/docs/stable/generated/torch.nn.CosineSimilarity.html).
#[derive(Clone, Debug, Module)]
pub struct CosineSimilarity {
    /// The dimension along which the vectors lie.
    pub dim: isize,
    /// The smallest norm that is divided by.
    pub eps: f64,
}

impl Default for CosineSimilarity {
    #[inline]
    fn default() -> Self {
        Self { dim: 1, eps: 1e-8 }
    }
}

impl CosineSimilarity {
    /// The cosines of `a` and `b`.
    ///
    /// # Errors
    /// See [the struct](Self).
    #[inline]
    pub fn forward(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let op = "cosine_similarity";
        if !(0.0..f64::INFINITY).contains(&self.eps) {
            let message = format!("eps must be at least 0 and finite, but is {}", text::float(self.eps));
            return Err(Error::argument(op, message));
        }
        let dtype = a.dtype().promote(b.dtype());
        dtype.check_float(op)?;
        let shape = Shape::broadcast(op, a.shape(), b.shape())?;
        let unit = |x: &Tensor| {
            let x = x.try_to_dtype(dtype)?.expand(&shape)?;
            let norm = x.norm_dim(2.0, self.dim, true)?;
            // The clamped value with the slope of the unclamped one, as in PyTorch.
            let clamped = norm.detach().clamp_min(self.eps)?;
            let norm = [edge(&norm, &(), |g, ()| Ok((**g).clone()))];
            x.div(&Tensor::from_op("ClampMinBackward0", clamped, norm))
        };
        unit(a)?.mul(&unit(b)?)?.sum_dim(self.dim, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check::{gradcheck, gradgradcheck};

    #[test]
    fn derivatives_hold_for_every_norm_and_for_broadcast_rows() -> Result<()> {
        let a = Tensor::from([[0.3_f64, -1.2, 0.5], [2.0, 0.1, -0.4]]).requires_grad_()?;
        let b = Tensor::from([1.1_f64, 0.4, -0.9]).requires_grad_()?;
        for p in [1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
            let distance = PairwiseDistance { p, eps: 0.05, keepdim: p == 2.0 };
            gradcheck(|x| distance.forward(&x[0], &x[1]), &[a.clone(), b.clone()])?;
            gradgradcheck(|x| distance.forward(&x[0], &x[1]), &[a.clone(), b.clone()])?;
        }
        for dim in [0, 1, -1] {
            let cosine = CosineSimilarity { dim, ..Default::default() };
            gradcheck(|x| cosine.forward(&x[0], &x[1]), &[a.clone(), b.clone()])?;
            gradgradcheck(|x| cosine.forward(&x[0], &x[1]), &[a.clone(), b.clone()])?;
        }
        Ok(())
    }

    #[test]
    fn a_norm_below_eps_has_the_value_of_eps_and_the_slope_of_the_norm() -> Result<()> {
        let a = Tensor::from([[3e-9_f64, 4e-9]]).requires_grad_()?;
        let cosine = CosineSimilarity::default().forward(&a, &Tensor::from([[1.0_f64, 2.0]]))?;
        cosine.sum().backward()?;
        // torch.nn.functional.cosine_similarity 2.15 gives 0.4919, [15205262.2470, 50087922.6960].
        assert!((cosine.item::<f64>()? - 0.4919).abs() < 1e-4);
        let found = a.grad().unwrap().to_vec::<f64>()?;
        assert!((found[0] - 15_205_262.247).abs() < 1e-3 && (found[1] - 50_087_922.696).abs() < 1e-3);
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let (a, b) = (Tensor::from([[1.0_f32, 2.0, 3.0]]), Tensor::from([[1.0_f32, 2.0]]));
        let text = |found: Result<Tensor>| found.unwrap_err().to_string();
        assert_eq!(
            text(PairwiseDistance::default().forward(&a, &b)),
            "sub: shapes [1, 3] and [1, 2] do not broadcast"
        );
        assert_eq!(
            text(CosineSimilarity::default().forward(&a, &b)),
            "cosine_similarity: shapes [1, 3] and [1, 2] do not broadcast"
        );
        let ints = Tensor::from([[1, 2]]);
        assert_eq!(
            text(CosineSimilarity::default().forward(&ints, &ints)),
            "cosine_similarity: expected float32 or float64, but got int64"
        );
    }
}
