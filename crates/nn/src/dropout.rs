//! Random zeros against overfitting.

use crate::{Error, Forward, Mode, Module, Result, text};
use downhill_tensor::Tensor;

/// In training, sets each element to zero with probability `p` and divides the others by `1 − p`, so that the expected value
/// stays; in evaluation, returns its input.
///
/// # Examples
/// ```
/// use downhill::nn::{Dropout, Forward, Module};
/// use downhill::Tensor;
///
/// downhill::random::manual_seed(0);
/// let dropout = Dropout::new(0.5)?;
/// let x = downhill::ones([10])?;
/// assert_eq!(dropout.forward(&x)?.to_vec::<f32>()?, [0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 2.0, 0.0, 2.0]);
/// dropout.eval();
/// assert_eq!(dropout.forward(&x)?, x);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Dropout`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Dropout.html), with the zeros it draws on
/// processors other than Intel's (where its own math library draws others).
#[derive(Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct Dropout {
    p: f64,
    mode: Mode,
}

impl Dropout {
    /// A layer in training.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `p` is within `0..=1`.
    #[inline]
    pub fn new(p: f64) -> Result<Self> {
        check(p)?;
        Ok(Self { p, mode: Mode::default() })
    }

    #[inline]
    fn options(&self) -> String {
        format!("p={}, inplace=False", text::float(self.p))
    }
}

/// `p` is 0.5.
impl Default for Dropout {
    #[inline]
    fn default() -> Self {
        Self { p: 0.5, mode: Mode::default() }
    }
}

impl Forward for Dropout {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        dropout(x, self.p, self.mode.is_training())
    }
}

#[inline]
fn check(p: f64) -> Result<()> {
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::argument(
        "dropout",
        format!("the probability p must be between 0 and 1, but is {}", text::float(p)),
    ))
}

/// In training, zeros with probability `p`, and the other elements divided by `1 − p`; otherwise its input.
///
/// # Errors
/// [`Error::Argument`] unless `p` is within `0..=1`, [`Error::DType`] if integers would have to be divided.
///
/// # Examples
/// ```
/// let x = downhill::ones([2])?;
/// assert_eq!(downhill::nn::functional::dropout(&x, 1.0, true)?, downhill::zeros([2])?);
/// assert_eq!(downhill::nn::functional::dropout(&x, 0.5, false)?, x);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.functional.dropout`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.dropout.html)
#[inline]
pub fn dropout(x: &Tensor, p: f64, training: bool) -> Result<Tensor> {
    check(p)?;
    if !training || p == 0.0 || x.numel() == 0 {
        return Ok(x.clone());
    }
    if p == 1.0 {
        return x.mul(0);
    }
    x.dtype().check_float("dropout")?;
    x.mul(&downhill_tensor::random::bernoulli_like(x, 1.0 - p)?.div(1.0 - p)?)
}
