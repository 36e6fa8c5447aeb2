//! Functions of each element, and of each row, as modules.

use crate::{Forward, Module, Result, functional as f};
use tensor::Tensor;

/// Each row a module without parameters: its documentation, its class, the function it calls.
macro_rules! activations {
    ($($(#[$doc:meta])* $class:ident = $function:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Module)]
        pub struct $class;

        impl Forward for $class {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                $function(x)
            }
        }
    )*};
}

activations! {
    /// The logistic function `1 / (1 + e⁻ˣ)` of each element.
    ///
    /// # Examples
    /// ```
    /// use nn::{Forward, Sigmoid};
    /// assert_eq!(Sigmoid.forward(&tensor::Tensor::from(0.0_f32))?.item::<f32>()?, 0.5);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.Sigmoid`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html)
    Sigmoid = f::sigmoid;

    /// `max(x, 0)` of each element; its gradient at 0 is 0.
    ///
    /// # Examples
    /// ```
    /// use nn::{Forward, ReLU};
    /// assert_eq!(ReLU.forward(&tensor::Tensor::from([-1, 2]))?, tensor::Tensor::from([0, 2]));
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.ReLU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html)
    ReLU = f::relu;

    /// The hyperbolic tangent of each element.
    ///
    /// # Examples
    /// ```
    /// use nn::{Forward, Tanh};
    /// assert_eq!(Tanh.forward(&tensor::Tensor::from(0.0_f32))?.item::<f32>()?, 0.0);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.Tanh`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html)
    Tanh = f::tanh;

    /// The logarithm of the logistic function of each element, without overflow.
    ///
    /// # Examples
    /// ```
    /// use nn::{Forward, LogSigmoid};
    /// assert_eq!(LogSigmoid.forward(&tensor::Tensor::from(-1000.0_f32))?.item::<f32>()?, -1000.0);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.LogSigmoid`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSigmoid.html)
    LogSigmoid = f::logsigmoid;
}

/// Each row a module with a dimension: its documentation, its class, the function it calls.
macro_rules! along_a_dimension {
    ($($(#[$doc:meta])* $class:ident = $function:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Module)]
        #[module(extra_repr = Self::options)]
        pub struct $class {
            /// The dimension, counted from the end if negative.
            pub dim: isize,
        }

        impl $class {
            /// Along this dimension.
            pub fn new(dim: isize) -> Self {
                Self { dim }
            }

            fn options(&self) -> String {
                format!("dim={}", self.dim)
            }
        }

        impl Forward for $class {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                $function(x, self.dim)
            }
        }
    )*};
}

along_a_dimension! {
    /// Probabilities from logits: `e^xᵢ / Σ e^xⱼ` along a dimension.
    ///
    /// # Examples
    /// ```
    /// use nn::{Forward, Softmax};
    /// let p = Softmax::new(1).forward(&tensor::Tensor::from([[0.0_f32, 0.0]]))?;
    /// assert_eq!(p.to_vec::<f32>()?, [0.5, 0.5]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.Softmax`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html); the dimension is required.
    Softmax = f::softmax;

    /// Logarithms of probabilities from logits: `xᵢ − ln Σ e^xⱼ` along a dimension.
    ///
    /// # Examples
    /// ```
    /// use nn::{Forward, LogSoftmax};
    /// let p = LogSoftmax::new(1).forward(&tensor::Tensor::from([[1e4_f32, 0.0]]))?;
    /// assert_eq!(p.to_vec::<f32>()?, [0.0, -1e4]);
    /// # Ok::<(), tensor::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.LogSoftmax`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html); the dimension is
    /// required.
    LogSoftmax = f::log_softmax;
}
