//! Modules that compute nothing: several dimensions as one, and what comes in as it is.

use crate::{Forward, Module, Result};
use downhill_tensor::Tensor;

/// Makes dimensions `start_dim..=end_dim` one; by default all but the first, which counts the samples.
///
/// # Examples
/// ```
/// use downhill::nn::{Flatten, Forward};
/// assert_eq!(Flatten::default().forward(&downhill::zeros([8, 1, 28, 28])?)?.shape(), &[8, 784]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Flatten`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Flatten.html)
#[derive(Clone, Copy, Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct Flatten {
    /// The first of them, counted from the end if negative.
    pub start_dim: isize,
    /// The last of them, counted from the end if negative.
    pub end_dim: isize,
}

impl Flatten {
    fn options(&self) -> String {
        format!("start_dim={}, end_dim={}", self.start_dim, self.end_dim)
    }
}

/// Dimensions 1 to −1.
impl Default for Flatten {
    fn default() -> Self {
        Self { start_dim: 1, end_dim: -1 }
    }
}

/// Gives back what comes in: a place for a layer that is left out.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, Identity};
/// let x = downhill::Tensor::from([1, 2]);
/// assert_eq!(Identity.forward(&x)?, x);
/// assert_eq!(Identity.to_string(), "Identity()");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Identity`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Identity.html), which ignores arguments of any kind.
#[derive(Clone, Copy, Debug, Default, Module)]
pub struct Identity;

impl Forward for Identity {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

impl Forward for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.flatten(self.start_dim, self.end_dim)
    }
}
