//! The distances of all pairs of rows.

use crate::autograd::edge;
use crate::autograd::node::record;
use crate::{Error, Result, Tensor};

/// Distances.
impl Tensor {
    /// The distance of each row of `self` from each row of `other`: `[…, P, M]` and `[…, R, M]` give `[…, P, R]`.
    ///
    /// `‖aᵢ − bⱼ‖ₚ = (Σₘ |aᵢₘ − bⱼₘ|ᵖ)^(1/p)`; the largest difference for `p = ∞`, the number of differences for `p = 0`. Leading
    /// dimensions broadcast. The gradient where two rows are equal is 0. Differences are formed, all `P·R·M` of them: PyTorch's default
    /// takes products of rows instead from 25 rows on, which loses the digits of rows that are near.
    ///
    /// [`torch.cdist`](https://docs.pytorch.org/docs/stable/generated/torch.cdist.html), with
    /// `compute_mode="donot_use_mm_for_euclid_dist"`. It can be differentiated any number of times here, there once.
    ///
    /// # Errors
    /// [`Error::Shape`] for less than two dimensions and rows of two lengths, [`Error::Broadcast`] for leading dimensions that do not
    /// fit, [`Error::DType`] unless both are floats, [`Error::Argument`] for a `p` below 0 or NaN.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (a, b) = (Tensor::from([[0.0_f32, 0.0], [3.0, 0.0]]), Tensor::from([[3.0_f32, 4.0]]));
    /// assert_eq!(a.cdist(&b, 2.0)?, Tensor::from([[5.0_f32], [4.0]]));
    /// assert_eq!(a.cdist(&b, 1.0)?, Tensor::from([[7.0_f32], [4.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        let op = "cdist";
        for x in [self, other] {
            x.dtype().check_float(op)?;
            if x.dim() < 2 {
                return Err(Error::shape(op, "rows, [.., rows, columns]", x.shape()));
            }
        }
        let columns = self.size(-1)?;
        if other.size(-1)? != columns {
            let expected = format!("rows of {columns} columns, as those of shape {}", self.shape());
            return Err(Error::shape(op, expected, other.shape()));
        }
        if p.is_nan() || p < 0.0 {
            return Err(Error::argument(op, format!("p must be at least 0, but is {p}")));
        }
        let difference = self.unsqueeze(-2)?.sub(&other.unsqueeze(-3)?)?;
        if columns == 0 {
            return difference.sum_dim(-1, false);
        }
        if p.is_finite() {
            return difference.norm_dim(p, -1, false);
        }
        let largest = difference.detach().try_abs()?.amax(-1, true)?;
        // Every column that is as far gets all of the gradient, where a norm's would be shared.
        let back = edge(&difference, &(difference.detach(), largest.clone()), |g, (d, largest)| {
            Tensor::where_(&d.try_abs()?.eq(largest)?, &g.unsqueeze(-1)?.mul(&d.try_sign()?)?, 0.0)
        });
        Ok(record("CdistBackward0", largest.squeeze_dim(-1)?.into_value(), [back]))
    }
}
