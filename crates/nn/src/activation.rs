//! Functions of each element, and of each row, as modules.

use crate::{Forward, Module, Result, functional as f};
use downhill_tensor::Tensor;

/// Each row a module without parameters: its documentation, its class, the function it calls.
macro_rules! activations {
    ($($(#[$doc:meta])* $class:ident = $function:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, Module)]
        pub struct $class;

        impl Forward for $class {
            #[inline]
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
    /// use downhill::nn::{Forward, Sigmoid};
    /// assert_eq!(Sigmoid.forward(&downhill::Tensor::from(0.0_f32))?.item::<f32>()?, 0.5);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.Sigmoid`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Sigmoid.html)
    Sigmoid = f::sigmoid;

    /// `max(x, 0)` of each element; its gradient at 0 is 0.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Forward, ReLU};
    /// assert_eq!(ReLU.forward(&downhill::Tensor::from([-1, 2]))?, downhill::Tensor::from([0, 2]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.ReLU`](https://docs.pytorch.org/docs/stable/generated/torch.nn.ReLU.html)
    ReLU = f::relu;

    /// The hyperbolic tangent of each element.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Forward, Tanh};
    /// assert_eq!(Tanh.forward(&downhill::Tensor::from(0.0_f32))?.item::<f32>()?, 0.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.Tanh`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Tanh.html)
    Tanh = f::tanh;

    /// The logarithm of the logistic function of each element, without overflow.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Forward, LogSigmoid};
    /// assert_eq!(LogSigmoid.forward(&downhill::Tensor::from(-1000.0_f32))?.item::<f32>()?, -1000.0);
    /// # Ok::<(), downhill::Error>(())
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
            #[inline]
            pub fn new(dim: isize) -> Self {
                Self { dim }
            }

            #[inline]
            fn options(&self) -> String {
                format!("dim={}", self.dim)
            }
        }

        impl Forward for $class {
            #[inline]
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
    /// use downhill::nn::{Forward, Softmax};
    /// let p = Softmax::new(1).forward(&downhill::Tensor::from([[0.0_f32, 0.0]]))?;
    /// assert_eq!(p.to_vec::<f32>()?, [0.5, 0.5]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.Softmax`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Softmax.html); the dimension is required.
    Softmax = f::softmax;

    /// Logarithms of probabilities from logits: `xᵢ − ln Σ e^xⱼ` along a dimension.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Forward, LogSoftmax};
    /// let p = LogSoftmax::new(1).forward(&downhill::Tensor::from([[1e4_f32, 0.0]]))?;
    /// assert_eq!(p.to_vec::<f32>()?, [0.0, -1e4]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.LogSoftmax`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LogSoftmax.html); the dimension is
    /// required.
    LogSoftmax = f::log_softmax;
}
