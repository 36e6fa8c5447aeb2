//! A small autograd tensor engine built around losses: what PyTorch computes, in Rust.
//!
//! Tensors and their derivatives are in this module, as in `torch`; [`nn`] has the modules, losses and optimizers.
//! `use downhill::prelude::*` brings in what most programs use.
//!
//! ```
//! use downhill::prelude::*;
//!
//! #[derive(Module)]
//! struct SimpleNN {
//!     fc: Linear,
//! }
//!
//! impl Forward for SimpleNN {
//!     fn forward(&self, x: &Tensor) -> Result<Tensor> {
//!         self.fc.forward(x)
//!     }
//! }
//!
//! manual_seed(0);
//! let x = randn([10, 1])?;
//! let y = &x * 2.0 - 1.0;
//! let model = SimpleNN { fc: Linear::new(1, 1)? };
//! let criterion = MSELoss::default();
//! let mut optimizer = SGD::new(model.parameters(), SgdOptions { lr: 0.1, ..Default::default() })?;
//! for _ in 0..200 {
//!     optimizer.zero_grad();
//!     criterion.forward(&model.forward(&x)?, &y)?.backward()?;
//!     optimizer.step()?;
//! }
//! assert!(criterion.forward(&model.forward(&x)?, &y)?.item::<f32>()? < 1e-3);
//! # Ok::<(), Error>(())
//! ```
//!
//! # Features
//! - `safetensors`, on by default: states and checkpoints in files. Without it, nothing that reads JSON is built.
//! - `csv`, `gzip`: [`data::Table`], and compressed files for the readers of [`data`].
//! - `ndarray`: tensors from arrays of `ndarray`, and back.
//! - `plot`, `progress`: `log::Plot`, curves as pictures; `log::Progress`, a line that shows how far a training is.
//!
//! # Threads
//! Large operations run on one thread a core, or on as many as `RAYON_NUM_THREADS` says. A process that was copied by `fork` computes on the
//! thread that calls: see [`downhill_tensor`].
//!
//! # Depth
//! Graphs may be as long as memory allows: nothing recurses over operations. Modules in modules do: [`nn::Module`] says how deep.

pub use downhill_data as data;
pub use downhill_nn as nn;
pub use downhill_tensor::*;

pub mod log;

#[cfg(doctest)]
mod pages;

/// What most programs use.
pub mod prelude {
    pub use downhill_nn::optim::{
        Adagrad, AdagradOptions, Adam, AdamOptions, AdamW, AdamWOptions, RMSprop, RMSpropOptions, Schedule,
        clip_grad_norm_, clip_grad_value_,
    };
    pub use downhill_nn::{
        AdaptiveLogSoftmaxWithLoss, BCELoss, BCEWithLogitsLoss, BatchNorm1d, BinaryFocalLoss, CTCLoss,
        Checkpoint, ClipNormOptions, CosineEmbeddingLoss, CrossEntropyLoss, DiceLoss, Dropout, ELU,
        Embedding, Flatten, FocalLoss, Forward, GELU, GaussianNLLLoss, HingeEmbeddingLoss, HuberLoss,
        Identity, KLDivLoss, KLDivReduction, L1Loss, LayerNorm, LeakyReLU, Linear, LinearCrossEntropyLoss,
        LogSigmoid, LogSoftmax, Loss, MSELoss, MarginRankingLoss, Module, MultiLabelMarginLoss,
        MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss, Optimizer, Parameter, PoissonNLLLoss, ReLU,
        Reduction, SGD, Sequential, SgdOptions, SiLU, Sigmoid, SmoothL1Loss, SoftMarginLoss, Softmax,
        Softplus, StateDict, Strict, Tanh, TripletMarginLoss, TripletMarginWithDistanceLoss, accuracy,
        functional, metrics, soft_update,
    };
    pub use downhill_tensor::random::manual_seed;
    pub use downhill_tensor::{
        DType, Error, Result, Tensor, arange, enable_grad, eye, full, linspace, no_grad, ones, rand, randint,
        randn, randperm, zeros,
    };
}
