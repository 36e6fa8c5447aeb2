//! Batches of a dataset.

use crate::generator::{seed, with};
use crate::sampler::{batches, check};
use crate::workers::{Workers, start};
use crate::{
    Batch, Dataset, Error, Order, RandomSampler, Result, Sampler, SequentialSampler, SharedGenerator,
};
use std::fmt;
use std::iter::Fuse;
use std::sync::Arc;

/// Batches of a dataset, in order or shuffled: the same seed gives PyTorch's.
///
/// It is made once, and each [`iter`](Self::iter) is an epoch.
///
/// # Random numbers
/// An epoch draws from its [`generator`](Self::generator), or else from the default one, what PyTorch's does: 63 bits when it begins, shuffled or
/// not (PyTorch seeds its processes with them), and the order when the first batch is asked for. So what is drawn afterwards is
/// the same, too. With a generator of its own, a shuffled epoch draws another permutation when it ends, which nobody sees.
///
/// # Examples
/// ```
/// use downhill::data::{DataLoader, TensorDataset};
/// use downhill::prelude::*;
///
/// let data = TensorDataset::new((arange(0, 8, 1)?, arange(0, 80, 10)?))?;
/// let loader = DataLoader::new(data).batch_size(4).shuffle(true);
/// manual_seed(0);
/// let mut first = Vec::new();
/// for batch in loader.iter()? {
///     let (x, y) = batch?;
///     assert_eq!(&x * 10, y);
///     first.push(x);
/// }
/// assert_eq!(first, [Tensor::from([2, 0, 5, 3]), Tensor::from([1, 4, 7, 6])]); // as in Python
/// # Ok::<(), Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.DataLoader`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.DataLoader); `collate_fn` is
/// [`Dataset::batch`], `num_workers` is [`workers`](Self::workers).
pub struct DataLoader<D: Dataset> {
    dataset: Arc<D>,
    batch_size: usize,
    shuffle: bool,
    drop_last: bool,
    generator: Option<SharedGenerator>,
    sampler: Option<Box<dyn Sampler<Item = usize>>>,
    batch_sampler: Option<Box<dyn Sampler<Item = Vec<usize>>>>,
    /// What starts threads: only who asks for them has a dataset that can be sent to one.
    start: Option<(usize, fn(&Arc<D>, usize) -> Result<Workers<Batch<D>>>)>,
}

impl<D: Dataset> DataLoader<D> {
    /// Of one entry a batch, in order.
    #[inline]
    pub fn new(dataset: D) -> Self {
        Self {
            dataset: Arc::new(dataset),
            batch_size: 1,
            shuffle: false,
            drop_last: false,
            generator: None,
            sampler: None,
            batch_sampler: None,
            start: None,
        }
    }

    /// How many entries a batch has, the last one perhaps less.
    #[must_use]
    #[inline]
    pub fn batch_size(self, batch_size: usize) -> Self {
        Self { batch_size, ..self }
    }

    /// Whether each epoch has an order of its own, that of a [`RandomSampler`].
    #[must_use]
    #[inline]
    pub fn shuffle(self, shuffle: bool) -> Self {
        Self { shuffle, ..self }
    }

    /// Whether a last batch is left out that is smaller than the others.
    #[must_use]
    #[inline]
    pub fn drop_last(self, drop_last: bool) -> Self {
        Self { drop_last, ..self }
    }

    /// What it draws from, in place of the default generator. A [`sampler`](Self::sampler) has its own.
    #[must_use]
    #[inline]
    pub fn generator(self, generator: impl Into<SharedGenerator>) -> Self {
        Self { generator: Some(generator.into()), ..self }
    }

    /// The order of the entries.
    #[must_use]
    #[inline]
    pub fn sampler(self, sampler: impl Sampler<Item = usize> + 'static) -> Self {
        Self { sampler: Some(Box::new(sampler)), ..self }
    }

    /// The order of the batches and what is in them.
    #[must_use]
    #[inline]
    pub fn batch_sampler(self, sampler: impl Sampler<Item = Vec<usize>> + 'static) -> Self {
        Self { batch_sampler: Some(Box::new(sampler)), ..self }
    }

    /// Loads ahead on this many threads, two batches each; 0 loads on the thread that asks. Order, bits and errors are the same.
    ///
    /// It is for datasets that take long over an entry; one of tensors is faster without. The threads are started with the epoch, and stop
    /// with it, or when it is dropped. A panic of the dataset is an [`Error::Panic`] in its batch's place. The order is read ahead, too:
    /// who draws from the loader's own generator inside the loop, or leaves it early, may find it further on.
    ///
    /// Threads need a dataset that borrows nothing: a clone of a [`TensorDataset`](crate::TensorDataset), which has the same tensors, or an
    /// `Arc`. One that draws random numbers has to make them of the entry's number: threads share the default generator in any order.
    ///
    /// ```
    /// use downhill::data::{DataLoader, TensorDataset};
    /// use downhill::prelude::*;
    /// let data = TensorDataset::new(arange(0, 10, 1)?)?;
    /// let loader = DataLoader::new(data).batch_size(3).workers(2);
    /// let batches: Vec<_> = loader.iter()?.collect::<Result<_, _>>()?;
    /// assert_eq!(batches[1], Tensor::from([3, 4, 5]));
    /// # Ok::<(), Error>(())
    /// ```
    #[doc(alias = "num_workers")]
    #[must_use]
    #[inline]
    pub fn workers(self, n: usize) -> Self
    where
        D: Send + Sync + 'static,
        Batch<D>: Send + 'static,
    {
        Self { start: (n > 0).then_some((n, start::<D>)), ..self }
    }

    /// The dataset.
    #[inline]
    pub fn dataset(&self) -> &D {
        &self.dataset
    }

    /// How many batches an epoch has.
    #[inline]
    pub fn len(&self) -> usize {
        if let Some(batches) = &self.batch_sampler {
            return batches.len();
        }
        let n = self.sampler.as_ref().map_or(self.dataset.len(), Sampler::len);
        if self.drop_last { n / self.batch_size.max(1) } else { n.div_ceil(self.batch_size.max(1)) }
    }

    /// Whether it has none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins an epoch.
    ///
    /// # Errors
    /// [`downhill::Error::Argument`](downhill_tensor::Error::Argument) for a batch size of 0, and for two options that both say what the order is;
    /// [`Error::Io`] if a thread cannot be started.
    #[allow(clippy::iter_not_returning_iterator, reason = "a loop begins with `loader.iter()?`")]
    #[inline]
    pub fn iter(&self) -> Result<Batches<D>> {
        let order = self.order()?;
        with(self.generator.as_ref(), seed)?;
        // A thread has a batch to load, at least.
        let workers =
            self.start.map(|(n, start)| start(&self.dataset, n.min(self.len().max(1)))).transpose()?;
        Ok(Batches { dataset: self.dataset.clone(), order: order.fuse(), left: self.len(), workers })
    }

    #[inline]
    fn order(&self) -> Result<Order<Vec<usize>>> {
        let refuse = |message| Err(Error::argument("DataLoader", message));
        if let Some(batches) = &self.batch_sampler {
            if self.shuffle || self.sampler.is_some() || self.drop_last || self.batch_size != 1 {
                return refuse(
                    "a batch_sampler leaves nothing to batch_size, shuffle, sampler and drop_last",
                );
            }
            return Ok(batches.iter());
        }
        check(self.batch_size)?;
        let n = self.dataset.len();
        let order = match (&self.sampler, self.shuffle) {
            (Some(_), true) => return refuse("a sampler leaves nothing to shuffle"),
            (Some(sampler), false) => sampler.iter(),
            (None, false) => SequentialSampler::new(n).iter(),
            (None, true) => RandomSampler::drawing(n, self.generator.clone()).iter(),
        };
        Ok(batches(order, self.batch_size, self.drop_last))
    }
}

impl<D: Dataset> fmt::Debug for DataLoader<D> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataLoader").field("batches", &self.len()).finish_non_exhaustive()
    }
}

/// The batches of one epoch. Made by [`DataLoader::iter`].
///
/// An entry that cannot be had is an error in its batch's place, and the next batch follows; an order that cannot be drawn is the last
/// item.
pub struct Batches<D: Dataset> {
    dataset: Arc<D>,
    order: Fuse<Order<Vec<usize>>>,
    left: usize,
    workers: Option<Workers<Batch<D>>>,
}

impl<D: Dataset> Iterator for Batches<D> {
    type Item = Result<Batch<D>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.saturating_sub(1);
        match &mut self.workers {
            Some(workers) => workers.next(&mut self.order),
            None => self.order.next().map(|indices| self.dataset.batch(&indices?)),
        }
    }

    /// What samplers say of their lengths.
    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.left))
    }
}

impl<D: Dataset> fmt::Debug for Batches<D> {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches").field("left", &self.left).finish_non_exhaustive()
    }
}
