//! What the mean of a cross-entropy divides by.

use downhill::{Error, Result, Tensor};

/// The sum of the weights of the targets' classes: what the mean of [`CrossEntropyLoss`](downhill::nn::CrossEntropyLoss) and [`NLLLoss`](downhill::nn::NLLLoss) divides by,
/// so that [`backward`](crate::DataParallel::backward) gives the mean over the global batch.
///
/// Without weights each target counts 1; one that is `ignore_index` counts 0.
///
/// # Formula
/// Σᵢ weight\[targetᵢ\], over the i with targetᵢ ≠ `ignore_index`, added in `f64`.
///
/// # Errors
/// [`Error::DType`] for targets that are no `int64`, [`Error::Index`] for a class that the weights do not have.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill_mpi::class_weights;
///
/// let target = Tensor::from([0, 2, -100, 2]);
/// assert_eq!(class_weights(&target, None, -100)?, 3.0);
/// assert_eq!(class_weights(&target, Some(&Tensor::from([1.0_f32, 1.0, 0.25])), -100)?, 1.5);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn class_weights(target: &Tensor, weight: Option<&Tensor>, ignore_index: i64) -> Result<f64> {
    let weight =
        weight.map(|weight| weight.detach().to_dtype(downhill::DType::F64).to_vec::<f64>()).transpose()?;
    let mut sum = 0.0;
    for class in target.to_vec::<i64>()? {
        sum += match &weight {
            _ if class == ignore_index => 0.0,
            None => 1.0,
            Some(weight) => *usize::try_from(class)
                .ok()
                .and_then(|class| weight.get(class))
                .ok_or(Error::Index { op: "class_weights", index: class, size: weight.len() })?,
        };
    }
    Ok(sum)
}
