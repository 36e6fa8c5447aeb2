//! Datasets, loaders and readers: `downhill::data`.
//!
//! A [`Dataset`] has entries by number, a [`DataLoader`] makes batches of them: the same seed gives PyTorch's.
//!
//! ```
//! use downhill::data::{DataLoader, TensorDataset};
//! use downhill::prelude::*;
//!
//! let (x, y) = (arange(0, 10, 1)?.to_dtype(DType::F32).reshape([5, 2])?, Tensor::from([0, 1, 0, 1, 0]));
//! let loader = DataLoader::new(TensorDataset::new((x, y))?).batch_size(2).shuffle(true);
//! manual_seed(0);
//! for epoch in 0..2 {
//!     for batch in loader.iter()? {
//!         let (x, y) = batch?;
//!         assert_eq!((x.size(1)?, x.size(0)?), (2, y.size(0)?));
//!     }
//! }
//! # Ok::<(), Error>(())
//! ```
//!
//! | task | here |
//! | --- | --- |
//! | entries | [`TensorDataset`], [`Subset`], a [`Dataset`] of your own |
//! | parts of a dataset | [`random_split`], [`stratified_split`] |
//! | their order | [`SequentialSampler`], [`RandomSampler`], [`WeightedRandomSampler`], [`BatchSampler`], a [`Sampler`] of your own |
//! | the part of a process, of several that train together | [`DistributedSampler`] |
//! | batches, loaded ahead by threads if asked | [`DataLoader`] |
//! | MNIST's files | [`Idx`] |
//! | comma-separated values | `Table`, with the feature `csv` |
//! | columns brought to mean 0 and variance 1 | [`Standardizer`] |
//!
//! # Features
//! `csv` brings `Table`; with `gzip` every reader also takes compressed files, which it knows by their first bytes. Both are off by
//! default, in `downhill` as here: `downhill = { features = ["csv", "gzip"] }`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod collate;
mod dataset;
mod distributed;
mod error;
mod generator;
mod idx;
mod loader;
mod sampler;
mod source;
mod split;
mod standardizer;
#[cfg(feature = "csv")]
mod table;
mod tensors;
mod workers;

pub use collate::Collate;
pub use dataset::{Batch, Dataset, Subset};
pub use distributed::DistributedSampler;
pub use error::{Error, Result};
pub use generator::SharedGenerator;
pub use idx::Idx;
pub use loader::{Batches, DataLoader};
pub use sampler::{BatchSampler, Order, RandomSampler, Sampler, SequentialSampler, WeightedRandomSampler};
pub use split::{Portion, random_split, stratified_split};
pub use standardizer::Standardizer;
#[cfg(feature = "csv")]
pub use table::{CsvOptions, Kind, Table};
pub use tensors::{TensorDataset, Tensors};
