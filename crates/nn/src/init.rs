//! How parameters start.

use crate::Result;
use downhill_tensor::{IntoShape, Tensor};

/// How many inputs each output of a weight of this shape sees: the sizes after the first, multiplied.
fn fan_in(shape: &[usize]) -> usize {
    shape.iter().skip(1).product()
}

/// Numbers uniform in `[−bound, bound)` with `bound = √3 · √(2 / (1 + a²)) / √fan_in`, from the default generator; `a` is the
/// negative slope of the leaky rectifier that follows.
///
/// # Errors
/// A shape that is too large.
///
/// # Examples
/// ```
/// let weight = downhill::nn::init::kaiming_uniform([100, 50], 0.0)?;
/// let bound = (6.0_f32 / 50.0).sqrt();
/// assert!(weight.to_vec::<f32>()?.iter().all(|w| w.abs() <= bound));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.init.kaiming_uniform_`](https://docs.pytorch.org/docs/stable/nn.init.html#torch.nn.init.kaiming_uniform_), the same
/// draws; a weight without elements draws nothing.
pub fn kaiming_uniform(shape: impl IntoShape, a: f64) -> Result<Tensor> {
    let shape = shape.into_shape("kaiming_uniform")?;
    if shape.numel() == 0 {
        return downhill_tensor::zeros(shape);
    }
    // In this order, for PyTorch's bits.
    let gain = (2.0 / (1.0 + a * a)).sqrt();
    let bound = 3.0_f64.sqrt() * (gain / (fan_in(&shape) as f64).sqrt());
    downhill_tensor::random::uniform(-bound, bound, shape)
}

/// The bias that goes with a weight of this shape: uniform in `[−1/√fan_in, 1/√fan_in)`.
pub(crate) fn bias(weight: &[usize]) -> Result<Tensor> {
    let bound = match fan_in(weight) {
        0 => 0.0,
        n => 1.0 / (n as f64).sqrt(),
    };
    downhill_tensor::random::uniform(-bound, bound, weight[0])
}
