//! How good a model is, in numbers that people read.

use crate::{Error, Result};
use downhill_tensor::{DType, Tensor};

/// The share of rows whose largest logit is that of the target's class; NaN for no rows.
///
/// # Shape
/// `logits` `(rows, classes)`, `target` `(rows)`, `int64`.
///
/// # Errors
/// [`Error::Shape`] and [`Error::DType`] for tensors that are not like that.
///
/// # Examples
/// ```
/// use downhill::Tensor;
///
/// let logits = Tensor::from([[0.1_f32, 2.0, -1.0], [0.3, 0.2, 0.1]]);
/// assert_eq!(downhill::nn::accuracy(&logits, &Tensor::from([1, 2]))?, 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// `(logits.argmax(dim=1) == target).double().mean().item()`
#[inline]
pub fn accuracy(logits: &Tensor, target: &Tensor) -> Result<f64> {
    let op = "accuracy";
    if logits.dim() != 2 {
        return Err(Error::shape(op, "logits of 2 dimensions", logits.shape()));
    }
    if target.dtype() != DType::I64 {
        return Err(Error::DType { op, expected: "an int64 target", got: target.dtype() });
    }
    let rows = logits.shape()[0];
    if target.shape() != &[rows] {
        return Err(Error::shape(op, format!("a target of shape [{rows}]"), target.shape()));
    }
    let hits = logits.argmax(1, false)?.eq(target)?.try_to_dtype(DType::F64)?;
    hits.mean()?.item()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misfits_are_refused_with_their_numbers() {
        let logits = downhill_tensor::zeros([4, 3]).unwrap();
        let text = |logits: &Tensor, target: &Tensor| accuracy(logits, target).unwrap_err().to_string();
        assert_eq!(
            text(&logits, &Tensor::from([0, 1])),
            "accuracy: expected a target of shape [4], but got shape [2]"
        );
        assert_eq!(
            text(&logits, &Tensor::from([0.0_f32; 4])),
            "accuracy: expected an int64 target, but got float32",
        );
        assert_eq!(
            text(&downhill_tensor::zeros([4]).unwrap(), &Tensor::from([0; 4])),
            "accuracy: expected logits of 2 dimensions, but got shape [4]",
        );
        assert!(accuracy(&downhill_tensor::zeros([2, 0]).unwrap(), &Tensor::from([0, 0])).is_err());
        let nothing = Tensor::from(&[] as &[i64]);
        assert!(accuracy(&downhill_tensor::zeros([0, 3]).unwrap(), &nothing).unwrap().is_nan());
    }
}
