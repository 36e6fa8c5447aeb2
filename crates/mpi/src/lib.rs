//! Data-parallel training over MPI: the training loop of one process under `mpirun`, with the same bits for any number of processes.
//!
//! Every process has the model and computes with its rows of each batch; the gradients are added up over all of them, and every process
//! makes the same step. [`DataParallel::backward`] is that step's `backward`. It cuts a batch into a fixed number of pieces and adds their
//! gradients in a fixed tree, whoever computes them, so that a training has the same losses and parameters with 1, 2 or 8 processes.
//!
//! ```
//! use downhill::data::{DataLoader, RandomSampler, TensorDataset};
//! use downhill::prelude::*;
//! use downhill_mpi::{DataParallel, Options, World, class_weights};
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     World::run(train)
//! }
//!
//! fn train(world: &World) -> Result<()> {
//!     manual_seed(0);
//!     let (x, y) = (randn([100, 4])?, randint(0, 3, [100])?);
//!     let model = Sequential::new().add(Linear::new(4, 16)?).add(ReLU).add(Linear::new(16, 3)?);
//!     let mut parallel = DataParallel::new(&model, world, Options { pieces: 8, ..Default::default() })?;
//!     let mut optimizer = Adam::new(model.parameters(), AdamOptions::default())?;
//!     // The sum, and what the mean over the global batch divides by.
//!     let criterion = CrossEntropyLoss { reduction: Reduction::Sum, ..Default::default() };
//!
//!     let shares = parallel.shares(RandomSampler::new(100), 32, false)?;
//!     let loader = DataLoader::new(TensorDataset::new((x, y))?).batch_sampler(shares);
//!     for share in loader.iter()? {
//!         optimizer.zero_grad();
//!         let loss = parallel.backward(&share?, |(x, y)| {
//!             let sum = criterion.forward(&model.forward(x)?, y)?;
//!             Ok((sum, class_weights(y, None, criterion.ignore_index)?))
//!         })?;
//!         optimizer.step()?;
//!         if world.is_root() {
//!             println!("{loss}");
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! | task | here |
//! | --- | --- |
//! | to begin and to end | [`World::run`] |
//! | gradients with the same bits for any number of processes | [`DataParallel::backward`], [`Shares`], [`class_weights`] |
//! | PyTorch's mean of the processes' gradients | [`DataParallel::average_gradients`], [`DistributedSampler`] |
//! | metrics | [`World::all_reduce`], [`World::all_gather`], [`World::broadcast`] |
//! | to go on from a file | [`World::broadcast_state`], [`DataParallel::state_dict`] |
//!
//! How it works, what it guarantees and what it costs: docs/distributed.md in the repository.

mod backward;
mod collective;
mod exchange;
mod parallel;
mod shares;
mod slots;
mod tree;
mod weights;
mod world;

pub use collective::Reduce;
pub use downhill::data::DistributedSampler;
pub use exchange::Traffic;
pub use parallel::{DataParallel, Options};
pub use shares::Shares;
pub use weights::class_weights;
pub use world::World;

/// The pages, so that their code is tested.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../README.md")]
    mod readme {}

    #[doc = include_str!("../../../docs/distributed.md")]
    mod distributed {}
}
