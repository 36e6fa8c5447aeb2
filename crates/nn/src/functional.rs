//! PyTorch's `torch.nn.functional`: the losses and layers as functions, with their default options. The options are
//! the fields of the structs, which are the same code.

use crate::loss::Loss;
use tensor::{Result, Tensor};

/// A loss with its default options, as a function.
macro_rules! losses {
    ($($name:ident $loss:ident;)*) => {$(
        #[doc = concat!("[`", stringify!($loss), "`](crate::", stringify!($loss), ") with its default options.")]
        ///
        /// # Errors
        /// As there.
        pub fn $name(input: &Tensor, target: &Tensor) -> Result<Tensor> {
            crate::$loss::default().forward(input, target)
        }
    )*};
}

losses! {
    cross_entropy CrossEntropyLoss;
    nll_loss NLLLoss;
    binary_cross_entropy BCELoss;
    mse_loss MSELoss;
    l1_loss L1Loss;
    smooth_l1_loss SmoothL1Loss;
}
