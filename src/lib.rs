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
//! # Where things are
//!
//! | to | look at |
//! | --- | --- |
//! | make tensors and compute with them | [`Tensor`], whose methods are the operations; [`randn`], [`arange`] and their kin below |
//! | differentiate | [`Tensor::backward`], [`autograd`], [`no_grad`]; [`check::gradcheck`] for operations of your own |
//! | build a network, and train it | [`nn`]: [`nn::Module`], the tables below |
//! | know how good it is | [`nn::metrics`]: accuracy, ROC, R² and others; [`log::Curves`] while it trains |
//! | read data, and make batches | [`data`]: [`data::TensorDataset`], [`data::DataLoader`], readers of files |
//! | stop, and go on | [`nn::Checkpoint`]; [`nn::Module::save`] for the parameters alone |
//! | have the same numbers each time | [`random`]: [`random::manual_seed`] |
//! | extend the library | [`real`], formulas; [`autograd::fused`]; [`kernels`], the loops; [`pointwise`], a table |
//!
//! # Losses
//! [`nn::loss`] has their formulas, [their guide] which one to take. Each has a picture on its page.
//!
//! | for | losses |
//! | --- | --- |
//! | one class of several | [`CrossEntropyLoss`](nn::CrossEntropyLoss), [`NLLLoss`](nn::NLLLoss), [`FocalLoss`](nn::FocalLoss), [`MultiMarginLoss`](nn::MultiMarginLoss) |
//! | one class of very many | [`LinearCrossEntropyLoss`](nn::LinearCrossEntropyLoss), [`AdaptiveLogSoftmaxWithLoss`](nn::AdaptiveLogSoftmaxWithLoss) |
//! | yes or no, several labels, masks | [`BCEWithLogitsLoss`](nn::BCEWithLogitsLoss), [`BCELoss`](nn::BCELoss), [`BinaryFocalLoss`](nn::BinaryFocalLoss), [`SoftMarginLoss`](nn::SoftMarginLoss), [`MultiLabelMarginLoss`](nn::MultiLabelMarginLoss), [`MultiLabelSoftMarginLoss`](nn::MultiLabelSoftMarginLoss), [`DiceLoss`](nn::DiceLoss) |
//! | numbers | [`MSELoss`](nn::MSELoss), [`L1Loss`](nn::L1Loss), [`SmoothL1Loss`](nn::SmoothL1Loss), [`HuberLoss`](nn::HuberLoss), [`GaussianNLLLoss`](nn::GaussianNLLLoss) |
//! | counts, distributions | [`PoissonNLLLoss`](nn::PoissonNLLLoss), [`KLDivLoss`](nn::KLDivLoss) |
//! | sequences | [`CTCLoss`](nn::CTCLoss) |
//! | pairs and triplets | [`MarginRankingLoss`](nn::MarginRankingLoss), [`HingeEmbeddingLoss`](nn::HingeEmbeddingLoss), [`CosineEmbeddingLoss`](nn::CosineEmbeddingLoss), [`TripletMarginLoss`](nn::TripletMarginLoss), [`TripletMarginWithDistanceLoss`](nn::TripletMarginWithDistanceLoss) |
//! | something else | one of your own: [`nn::loss::Pointwise`] takes two formulas |
//!
//! # Layers
//!
//! | kind | layers |
//! | --- | --- |
//! | with parameters | [`Linear`](nn::Linear), [`Embedding`](nn::Embedding), [`LayerNorm`](nn::LayerNorm), [`BatchNorm1d`](nn::BatchNorm1d) |
//! | activations | [`ReLU`](nn::ReLU), [`LeakyReLU`](nn::LeakyReLU), [`ELU`](nn::ELU), [`GELU`](nn::GELU), [`SiLU`](nn::SiLU), [`Softplus`](nn::Softplus), [`Sigmoid`](nn::Sigmoid), [`LogSigmoid`](nn::LogSigmoid), [`Tanh`](nn::Tanh), [`Softmax`](nn::Softmax), [`LogSoftmax`](nn::LogSoftmax) |
//! | others | [`Dropout`](nn::Dropout), [`Flatten`](nn::Flatten), [`Identity`](nn::Identity), [`Sequential`](nn::Sequential), [`CosineSimilarity`](nn::CosineSimilarity), [`PairwiseDistance`](nn::PairwiseDistance) |
//! | your own | [`#[derive(Module)]`](nn::Module) on a struct, and [`Forward`](nn::Forward) |
//!
//! # Optimizers
//!
//! | what | which |
//! | --- | --- |
//! | optimizers | [`SGD`](nn::SGD), [`Adam`](nn::Adam), [`AdamW`](nn::AdamW), [`RMSprop`](nn::RMSprop), [`Adagrad`](nn::Adagrad); a [`Rule`](nn::optim::Rule) of your own |
//! | learning rates that fall | [`StepLR`](nn::optim::StepLR), [`MultiStepLR`](nn::optim::MultiStepLR), [`ExponentialLR`](nn::optim::ExponentialLR), [`PolynomialLR`](nn::optim::PolynomialLR), [`CosineAnnealingLR`](nn::optim::CosineAnnealingLR), [`CosineAnnealingWarmRestarts`](nn::optim::CosineAnnealingWarmRestarts), [`ReduceLROnPlateau`](nn::optim::ReduceLROnPlateau) |
//! | that rise, and others | [`LinearLR`](nn::optim::LinearLR), [`ConstantLR`](nn::optim::ConstantLR), [`OneCycleLR`](nn::optim::OneCycleLR), [`LambdaLR`](nn::optim::LambdaLR), [`SequentialLR`](nn::optim::SequentialLR); a [`Schedule`](nn::optim::Schedule) of your own |
//! | gradients that are too long | [`clip_grad_norm_`](nn::clip_grad_norm_), [`clip_grad_value_`](nn::clip_grad_value_) |
//!
//! # Guides
//!
//! | page | what |
//! | --- | --- |
//! | [Quick start](https://github.com/downhill-rs/downhill/blob/main/docs/quick-start.md) | from nothing to a trained network, line by line |
//! | [Coming from PyTorch](https://github.com/downhill-rs/downhill/blob/main/docs/coming-from-pytorch.md) | the Python line, the Rust line |
//! | [Losses](https://github.com/downhill-rs/downhill/blob/main/docs/losses.md) | which loss to take; pictures, formulas, gradients, options, pitfalls |
//! | [… of classes](https://github.com/downhill-rs/downhill/blob/main/docs/losses/classes.md) | losses of classes |
//! | [… of labels](https://github.com/downhill-rs/downhill/blob/main/docs/losses/labels.md) | losses of labels and masks |
//! | [… of numbers](https://github.com/downhill-rs/downhill/blob/main/docs/losses/numbers.md) | losses of numbers, counts and distributions |
//! | [… of sequences](https://github.com/downhill-rs/downhill/blob/main/docs/losses/sequences.md) | losses of sequences |
//! | [… of pairs](https://github.com/downhill-rs/downhill/blob/main/docs/losses/pairs.md) | losses of pairs and triplets |
//! | [Programs](https://github.com/downhill-rs/downhill/blob/main/docs/programs.md) | whole programs, beside their twins in Python |
//! | [Divergences](https://github.com/downhill-rs/downhill/blob/main/docs/divergences.md) | where PyTorch and downhill differ, and why |
//! | [How autograd works](https://github.com/downhill-rs/downhill/blob/main/docs/how-autograd-works.md) | from the chain rule to the engine in six programs |
//! | [Adding an operation](https://github.com/downhill-rs/downhill/blob/main/docs/adding-an-op.md) | a row of a table, a function, a fused operation, a loss |
//! | [Architecture](https://github.com/downhill-rs/downhill/blob/main/docs/architecture.md) | the files, and what must stay true |
//! | [Several machines](https://github.com/downhill-rs/downhill/blob/main/docs/distributed.md) | training over MPI, with the same bits for any number of processes |
//! | [Performance](https://github.com/downhill-rs/downhill/blob/main/docs/performance.md) | beside PyTorch, and how to measure it |
//! | [Roadmap](https://github.com/downhill-rs/downhill/blob/main/docs/roadmap.md) | what is open, and what is absent on purpose |
//!
//! [their guide]: https://github.com/downhill-rs/downhill/blob/main/docs/losses.md
//!
//! # Features
//! - `parallel`, on by default: large operations run on all cores. Without it everything runs on the thread that calls, with the same
//!   results, and rayon is not built: for WebAssembly and small devices.
//! - `safetensors`, on by default: states and checkpoints in files. Without it, nothing that reads JSON is built.
//! - `csv`: [`data`]'s `Table`, from comma-separated values. `gzip`: its readers take compressed files.
//! - `ndarray`: tensors from arrays of the crate `ndarray`, and back.
//! - `plot`, `progress`: `log::Plot`, curves as pictures; `log::Progress`, a line that shows how far a training is.
//!
//! # Threads
//! Large operations run on one thread a core, or on as many as `RAYON_NUM_THREADS` says. A process that was copied by `fork` computes on the
//! thread that calls: see [`downhill_tensor`].
//!
//! # Depth
//! Graphs may be as long as memory allows: nothing recurses over operations. Modules in modules do: [`nn::Module`] says how deep.
//!
//! # Under another name
//! A program that renames the package tells `#[derive(Module)]`, which writes `::downhill::nn` otherwise: with
//! `dh = { package = "downhill" }` it is
//! ```
//! # use downhill as dh; // The dependency's name.
//! use dh::prelude::*;
//!
//! #[derive(Module)]
//! #[module(crate = dh::nn)]
//! struct Net {
//!     fc: Linear,
//! }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(inline)]
pub use downhill_data as data;
#[doc(inline)]
pub use downhill_nn as nn;
#[doc(inline)]
pub use downhill_tensor::*;

pub mod log;

#[cfg(doctest)]
mod pages;

/// What most programs use.
pub mod prelude {
    pub use downhill_data::{DataLoader, Dataset, TensorDataset};
    pub use downhill_nn::optim::{
        Adagrad, AdagradOptions, Adam, AdamOptions, AdamW, AdamWOptions, CosineAnnealingLR, OneCycleLR,
        RMSprop, RMSpropOptions, ReduceLROnPlateau, Schedule, StepLR, clip_grad_norm_, clip_grad_value_,
    };
    pub use downhill_nn::{
        AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxWithLoss, BCELoss, BCEWithLogitsLoss, BatchNorm1d,
        BinaryFocalLoss, CTCLoss, Checkpoint, ClipNormOptions, CosineEmbeddingLoss, CosineSimilarity,
        CrossEntropyLoss, DiceLoss, Dropout, ELU, Embedding, Flatten, FocalLoss, Forward, GELU,
        GaussianNLLLoss, HingeEmbeddingLoss, HuberLoss, Identity, KLDivLoss, KLDivReduction, L1Loss,
        LayerNorm, LeakyReLU, Linear, LinearCrossEntropyLoss, LinearCrossEntropyOptions, LogSigmoid,
        LogSoftmax, Loss, MSELoss, MarginRankingLoss, Module, MultiLabelMarginLoss, MultiLabelSoftMarginLoss,
        MultiMarginLoss, NLLLoss, Optimizer, PairwiseDistance, Parameter, PoissonNLLLoss, ReLU, Reduction,
        SGD, Sequential, SgdOptions, SiLU, Sigmoid, SmoothL1Loss, SoftMarginLoss, Softmax, Softplus,
        StateDict, Strict, Tanh, TripletMarginLoss, TripletMarginWithDistanceLoss, accuracy, functional,
        metrics, soft_update,
    };
    pub use downhill_tensor::random::manual_seed;
    pub use downhill_tensor::{
        DType, Error, Result, Tensor, arange, enable_grad, eye, full, linspace, no_grad, ones, rand, randint,
        randn, randperm, zeros,
    };
}
