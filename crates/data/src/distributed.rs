//! The part of the entries that is one process's.

use crate::sampler::chunks;
use crate::{Error, Order, Result, Sampler};
use downhill_tensor::random::Generator;
use downhill_tensor::{Tensor, memory};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of one process, of several that share a dataset: every process has as many.
///
/// All processes have the same order, shuffled by the sum of a seed and the epoch, of which the process of a rank takes each `processes`-th number from
/// its rank on. Where they do not divide the entries, the first numbers come again at the end, or the last ones are left out.
///
/// Each epoch has the same order until [`set_epoch`](Self::set_epoch) is called. Clones share the epoch: a loader is given one, and the other sets it.
///
/// # Examples
/// ```
/// use downhill::data::{DistributedSampler, Sampler};
///
/// let order = |rank| DistributedSampler::new(5, 2, rank)?.iter().collect::<Result<Vec<_>, _>>();
/// assert_eq!((order(0)?, order(1)?), (vec![4, 1, 2], vec![0, 3, 4])); // as in Python
///
/// let sampler = DistributedSampler::new(5, 2, 0)?.shuffle(false).drop_last(true);
/// assert_eq!(sampler.iter().collect::<Result<Vec<_>, _>>()?, [0, 2]);
/// # Ok::<(), downhill::data::Error>(())
/// ```
/// A new order each epoch:
/// ```
/// use downhill::data::{DataLoader, DistributedSampler, TensorDataset};
/// use downhill::prelude::*;
///
/// let sampler = DistributedSampler::new(100, 4, 3)?;
/// let data = TensorDataset::new(arange(0, 100, 1)?)?;
/// let loader = DataLoader::new(data).batch_size(5).sampler(sampler.clone());
/// for epoch in 0..3 {
///     sampler.set_epoch(epoch);
///     assert_eq!(loader.iter()?.count(), 5);
/// }
/// # Ok::<(), Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.distributed.DistributedSampler`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.distributed.DistributedSampler)
#[derive(Clone, Debug)]
pub struct DistributedSampler {
    n: usize,
    processes: usize,
    rank: usize,
    shuffle: bool,
    seed: u64,
    drop_last: bool,
    epoch: Arc<AtomicU64>,
}

impl DistributedSampler {
    /// Of the numbers below `n`, shuffled, those of the process of this rank.
    ///
    /// # Errors
    /// [`downhill::Error::Argument`](downhill_tensor::Error::Argument) for a rank that is not below the number of processes.
    #[inline]
    pub fn new(n: usize, processes: usize, rank: usize) -> Result<Self> {
        if rank >= processes {
            let message = format!("rank {rank} is not below the number of processes, {processes}");
            return Err(Error::argument("DistributedSampler", message));
        }
        Ok(Self { n, processes, rank, shuffle: true, seed: 0, drop_last: false, epoch: Arc::default() })
    }

    /// Whether the order is random.
    #[must_use]
    #[inline]
    pub fn shuffle(self, shuffle: bool) -> Self {
        Self { shuffle, ..self }
    }

    /// What the order is drawn from, with the epoch; the same in every process, 0 unless set.
    #[must_use]
    #[inline]
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Whether the last numbers are left out that not every process can have one of, in place of some that come twice.
    #[must_use]
    #[inline]
    pub fn drop_last(self, drop_last: bool) -> Self {
        Self { drop_last, ..self }
    }

    /// The number of the epoch that follows, for this sampler and its clones.
    #[inline]
    pub fn set_epoch(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }
}

impl Sampler for DistributedSampler {
    type Item = usize;

    #[inline]
    fn len(&self) -> usize {
        if self.drop_last { self.n / self.processes } else { self.n.div_ceil(self.processes) }
    }

    #[inline]
    fn iter(&self) -> Order<usize> {
        let seed = self.seed.wrapping_add(self.epoch.load(Ordering::Relaxed)).cast_signed();
        let (n, shuffle, len) = (self.n, self.shuffle, self.len());
        let (rank, processes) = (self.rank as u128, self.processes as u128);
        let places = (0..len).map(move |i| ((rank + i as u128 * processes) % n as u128) as usize);
        chunks(iter::once_with(move || {
            let places = Tensor::from_slice(&memory::collect("DistributedSampler", places)?, len)?;
            if !shuffle {
                return Ok(places);
            }
            Ok(Generator::seeded(seed).randperm(n)?.index_select(0, &places)?)
        }))
    }
}
