//! A generator that several hold.

use downhill_tensor::DType;
use downhill_tensor::random::{Generator, Seed, with_default};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A generator that a loader and its samplers draw from, and whoever keeps a clone: to share it, or to save its state.
///
/// # Examples
/// ```
/// use downhill::data::{DataLoader, SharedGenerator, TensorDataset};
/// use downhill::prelude::*;
///
/// let generator = SharedGenerator::seeded(1);
/// let data = TensorDataset::new(arange(0, 10, 1)?)?;
/// let loader = DataLoader::new(data).batch_size(10).shuffle(true).generator(generator.clone());
/// let state = generator.lock().state(); // into a checkpoint
/// let first: Vec<_> = loader.iter()?.collect::<Result<_, _>>()?;
///
/// generator.lock().set_state(&state)?;
/// let again: Vec<_> = loader.iter()?.collect::<Result<_, _>>()?;
/// assert_eq!(first, again);
/// # Ok::<(), Error>(())
/// ```
///
/// # PyTorch
/// [`torch.Generator`](https://docs.pytorch.org/docs/stable/generated/torch.Generator.html), which Python shares by itself.
#[derive(Clone, Debug)]
pub struct SharedGenerator(Arc<Mutex<Generator>>);

impl SharedGenerator {
    /// One with this seed.
    #[inline]
    pub fn seeded(seed: impl Seed) -> Self {
        Generator::seeded(seed).into()
    }

    /// The generator itself, which the others wait for meanwhile: do not ask a loader that has it for a batch.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, Generator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<Generator> for SharedGenerator {
    #[inline]
    fn from(generator: Generator) -> Self {
        Self(Arc::new(Mutex::new(generator)))
    }
}

/// Calls `f` with this generator, or else the default one.
#[inline]
pub(crate) fn with<R>(generator: Option<&SharedGenerator>, f: impl FnOnce(&mut Generator) -> R) -> R {
    match generator {
        Some(generator) => f(&mut generator.lock()),
        None => with_default(f),
    }
}

/// What PyTorch draws to seed something else: 63 bits.
#[inline]
pub(crate) fn seed(generator: &mut Generator) -> downhill_tensor::Result<i64> {
    generator.random_integers((), DType::I64)?.item()
}
