//! Modules, losses and optimizers.
//!
//! ```
//! use downhill::nn::{Forward, Linear, Module, Optimizer, ReLU, SGD, Sequential, SgdOptions};
//! use downhill::Tensor;
//!
//! // y = x₀ − x₁, learned from four points.
//! let x = Tensor::from([[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
//! let y = Tensor::from([[0.0_f32], [-1.0], [1.0], [0.0]]);
//!
//! downhill::random::manual_seed(0);
//! let net = Sequential::new().add(Linear::new(2, 8)?).add(ReLU).add(Linear::new(8, 1)?);
//! let mut optimizer = SGD::new(net.parameters(), SgdOptions { lr: 0.1, momentum: 0.9, ..Default::default() })?;
//! let loss = |net: &Sequential| net.forward(&x)?.sub(&y)?.square().mean();
//! for _ in 0..100 {
//!     optimizer.zero_grad();
//!     loss(&net)?.backward()?;
//!     optimizer.step()?;
//! }
//! assert!(loss(&net)?.item::<f32>()? < 1e-3);
//! # Ok::<(), downhill::Error>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

// `#[derive(Module)]` writes `::downhill_nn`, here as everywhere.
extern crate self as downhill_nn;

mod activation;
mod batch_norm;
mod checkpoint;
mod distance;
mod dropout;
mod embedding;
mod field;
#[cfg(feature = "safetensors")]
mod file;
mod flatten;
mod follow;
pub mod functional;
mod fused_activations;
#[cfg(feature = "safetensors")]
mod header;
pub mod init;
mod layer_norm;
mod linear;
pub mod loss;
pub mod metrics;
mod module;
mod norm;
mod norm_channels;
mod norm_loops;
pub mod optim;
mod parameter;
#[cfg(feature = "safetensors")]
mod replace;
mod sequential;
mod state;
mod summary;
mod text;

pub use activation::{LogSigmoid, LogSoftmax, ReLU, Sigmoid, Softmax, Tanh};
pub use batch_norm::BatchNorm1d;
pub use checkpoint::{Checkpoint, generator_from_tensor, generator_to_tensor};
pub use distance::{CosineSimilarity, PairwiseDistance};
pub use downhill_derive::Module;
pub use downhill_tensor::{Error, Result};
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use field::Field;
#[cfg(feature = "safetensors")]
pub use file::{Converted, StateFile};
pub use flatten::{Flatten, Identity};
pub use follow::soft_update;
pub use fused_activations::{ELU, GELU, LeakyReLU, SiLU, Softplus};
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use loss::{
    AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxWithLoss, BCELoss, BCEWithLogitsLoss, BinaryFocalLoss,
    CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, DiceLoss, FocalLoss, GaussianNLLLoss, HingeEmbeddingLoss,
    HuberLoss, KLDivLoss, KLDivReduction, L1Loss, Loss, MSELoss, MarginRankingLoss, MultiLabelMarginLoss,
    MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss, PoissonNLLLoss, Reduction, SmoothL1Loss,
    SoftMarginLoss,
};
pub use loss::{Distance, TripletMarginLoss, TripletMarginWithDistanceLoss};
pub use loss::{LinearCrossEntropyLoss, LinearCrossEntropyOptions};
pub use metrics::accuracy;
pub use module::{Forward, Member, Mode, Module, Visit};
pub use optim::{
    Adagrad, AdagradOptions, Adam, AdamOptions, AdamW, AdamWOptions, ClipNormOptions, Optimizer, RMSprop,
    RMSpropOptions, SGD, SgdOptions, clip_grad_norm_, clip_grad_value_,
};
pub use parameter::{Buffer, Parameter};
pub use sequential::Sequential;
pub use state::{IncompatibleKeys, LoadError, StateDict, Strict};
pub use summary::{Layer, Summary, dot, summary};
