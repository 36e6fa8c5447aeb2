//! In which order entries come.

use crate::generator::{seed, with};
use crate::{Error, Result, SharedGenerator};
use downhill_tensor::random::Generator;
use downhill_tensor::{DType, Error as TensorError, Tensor};
use std::iter;

/// The order of one epoch. It is drawn while it is read, as PyTorch's is.
pub type Order<I> = Box<dyn Iterator<Item = Result<I>> + Send>;

/// The entries of an epoch in their order: of numbers, or of batches of numbers.
///
/// # Examples
/// ```
/// use downhill::data::{Order, Sampler};
///
/// struct Backwards(usize);
///
/// impl Sampler for Backwards {
///     type Item = usize;
///     fn len(&self) -> usize {
///         self.0
///     }
///     fn iter(&self) -> Order<usize> {
///         Box::new((0..self.0).rev().map(Ok))
///     }
/// }
/// assert_eq!(Backwards(3).iter().collect::<Result<Vec<_>, _>>()?, [2, 1, 0]);
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.Sampler`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.Sampler)
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no sampler of these items",
    note = "a loader's `sampler` gives `usize`, its `batch_sampler` `Vec<usize>`, as `BatchSampler` does"
)]
pub trait Sampler: Send + Sync {
    /// What is drawn: `usize`, or `Vec<usize>` of a sampler of batches.
    type Item;

    /// How many items an epoch has.
    fn len(&self) -> usize;

    /// Whether it has none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The order of another epoch.
    fn iter(&self) -> Order<Self::Item>;
}

impl<S: Sampler + ?Sized> Sampler for Box<S> {
    type Item = S::Item;
    #[inline]
    fn len(&self) -> usize {
        (**self).len()
    }
    #[inline]
    fn iter(&self) -> Order<S::Item> {
        (**self).iter()
    }
}

/// The numbers from 0 on.
///
/// ```
/// use downhill::data::{Sampler, SequentialSampler};
/// assert_eq!(SequentialSampler::new(3).iter().collect::<Result<Vec<_>, _>>()?, [0, 1, 2]);
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.SequentialSampler`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.SequentialSampler)
#[derive(Clone, Debug)]
pub struct SequentialSampler {
    n: usize,
}

impl SequentialSampler {
    /// Those below `n`.
    #[inline]
    pub fn new(n: usize) -> Self {
        Self { n }
    }
}

impl Sampler for SequentialSampler {
    type Item = usize;
    #[inline]
    fn len(&self) -> usize {
        self.n
    }
    #[inline]
    fn iter(&self) -> Order<usize> {
        Box::new((0..self.n).map(Ok))
    }
}

/// Chunks of numbers, each drawn when the one before it is used up.
#[inline]
pub(crate) fn chunks(chunks: impl Iterator<Item = Result<Tensor>> + Send + 'static) -> Order<usize> {
    Box::new(chunks.flat_map(|chunk| {
        let (numbers, error) = match chunk.and_then(|chunk| Ok(chunk.to_vec::<i64>()?)) {
            Ok(numbers) => (numbers, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        numbers.into_iter().map(|i| Ok(i as usize)).chain(error)
    }))
}

/// The numbers below `n` in random order, or drawn with replacement.
///
/// Without a generator of its own, it seeds another one each epoch from the default generator, as PyTorch's does.
///
/// # Examples
/// ```
/// use downhill::data::{RandomSampler, Sampler, SharedGenerator};
/// let order = RandomSampler::new(10).generator(SharedGenerator::seeded(0));
/// assert_eq!(order.iter().collect::<Result<Vec<_>, _>>()?, [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]);
/// let rolls = RandomSampler::new(6).replacement(true).num_samples(100);
/// assert_eq!(rolls.iter().count(), 100);
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.RandomSampler`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.RandomSampler), which refuses to be empty.
#[derive(Clone, Debug)]
pub struct RandomSampler {
    n: usize,
    replacement: bool,
    num_samples: Option<usize>,
    generator: Option<SharedGenerator>,
}

impl RandomSampler {
    /// Of the numbers below `n`, each once.
    #[inline]
    pub fn new(n: usize) -> Self {
        Self::drawing(n, None)
    }

    #[inline]
    pub(crate) fn drawing(n: usize, generator: Option<SharedGenerator>) -> Self {
        Self { n, replacement: false, num_samples: None, generator }
    }

    /// Whether a number may come again at once; without it, after all others.
    #[must_use]
    #[inline]
    pub fn replacement(self, replacement: bool) -> Self {
        Self { replacement, ..self }
    }

    /// How many an epoch has, in place of `n`.
    #[must_use]
    #[inline]
    pub fn num_samples(self, num_samples: usize) -> Self {
        Self { num_samples: Some(num_samples), ..self }
    }

    /// What it draws from.
    #[must_use]
    #[inline]
    pub fn generator(self, generator: impl Into<SharedGenerator>) -> Self {
        Self { generator: Some(generator.into()), ..self }
    }
}

impl Sampler for RandomSampler {
    type Item = usize;
    #[inline]
    fn len(&self) -> usize {
        self.num_samples.unwrap_or(self.n)
    }
    #[inline]
    fn iter(&self) -> Order<usize> {
        let (n, replacement, samples) = (self.n, self.replacement, self.len());
        if n == 0 {
            let error = Error::argument("RandomSampler", "there are no entries to draw from");
            return Box::new((samples > 0).then_some(Err(error)).into_iter());
        }
        // PyTorch draws 32 at a time with replacement, all without; and once more at the end, even if nothing is left to take.
        let size = if replacement { 32 } else { n };
        let mut generator = self.generator.clone();
        chunks((0..=samples / size).map(move |i| {
            let take = if i < samples / size { size } else { samples % size };
            let generator = match &mut generator {
                Some(generator) => generator,
                none => none.insert(Generator::seeded(with(None, seed)?).into()),
            };
            let mut generator = generator.lock();
            Ok(if replacement {
                generator.randint(0, i64::try_from(n).unwrap_or(i64::MAX), [take], DType::I64)?
            } else {
                generator.randperm(n)?.narrow(0, 0, take)?
            })
        }))
    }
}

/// Numbers drawn with the probabilities that weights have, those of [`multinomial`](Tensor::multinomial): entry i with weight i.
///
/// # Examples
/// ```
/// use downhill::data::{Sampler, WeightedRandomSampler};
/// use downhill::{Tensor, random::manual_seed};
/// manual_seed(0);
/// let sampler = WeightedRandomSampler::new(&Tensor::from([0.1, 0.9, 0.4, 0.7, 3.0, 0.6]), 5)?;
/// assert_eq!(sampler.iter().count(), 5);
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.WeightedRandomSampler`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.WeightedRandomSampler)
#[derive(Clone, Debug)]
pub struct WeightedRandomSampler {
    weights: Tensor,
    num_samples: usize,
    replacement: bool,
    generator: Option<SharedGenerator>,
}

impl WeightedRandomSampler {
    /// An epoch of `num_samples`, with replacement.
    ///
    /// # Errors
    /// [`downhill::Error::Shape`](TensorError::Shape) unless the weights have one dimension. Weights that cannot be drawn from are an error of
    /// the order's.
    #[inline]
    pub fn new(weights: &Tensor, num_samples: usize) -> Result<Self> {
        if weights.dim() != 1 {
            return Err(TensorError::shape(
                "WeightedRandomSampler",
                "weights of one dimension",
                weights.shape(),
            )
            .into());
        }
        let weights = weights.detach().try_to_dtype(DType::F64)?;
        Ok(Self { weights, num_samples, replacement: true, generator: None })
    }

    /// Whether a number may come again.
    #[must_use]
    #[inline]
    pub fn replacement(self, replacement: bool) -> Self {
        Self { replacement, ..self }
    }

    /// What it draws from, in place of the default generator.
    #[must_use]
    #[inline]
    pub fn generator(self, generator: impl Into<SharedGenerator>) -> Self {
        Self { generator: Some(generator.into()), ..self }
    }
}

impl Sampler for WeightedRandomSampler {
    type Item = usize;
    #[inline]
    fn len(&self) -> usize {
        self.num_samples
    }
    #[inline]
    fn iter(&self) -> Order<usize> {
        let this = self.clone();
        chunks(iter::once_with(move || {
            let draw = |g: &mut Generator| g.multinomial(&this.weights, this.num_samples, this.replacement);
            Ok(with(this.generator.as_ref(), draw)?)
        }))
    }
}

/// Batches of what another sampler gives.
///
/// # Examples
/// ```
/// use downhill::data::{BatchSampler, Sampler, SequentialSampler};
/// let batches = BatchSampler::new(SequentialSampler::new(5), 2, false)?;
/// assert_eq!(batches.iter().collect::<Result<Vec<_>, _>>()?, [vec![0, 1], vec![2, 3], vec![4]]);
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.BatchSampler`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.BatchSampler)
#[derive(Clone, Debug)]
pub struct BatchSampler<S> {
    sampler: S,
    batch_size: usize,
    drop_last: bool,
}

impl<S: Sampler> BatchSampler<S> {
    /// Batches of this size; a smaller last one is dropped if asked.
    ///
    /// # Errors
    /// [`downhill::Error::Argument`](TensorError::Argument) for a size of 0.
    #[inline]
    pub fn new(sampler: S, batch_size: usize, drop_last: bool) -> Result<Self> {
        check(batch_size)?;
        Ok(Self { sampler, batch_size, drop_last })
    }
}

/// An error for batches of nothing.
#[inline]
pub(crate) fn check(batch_size: usize) -> Result<()> {
    if batch_size > 0 { Ok(()) } else { Err(Error::argument("BatchSampler", "a batch_size of 0")) }
}

/// Batches of this size; a smaller last one is dropped if asked.
#[inline]
pub(crate) fn batches<I: Send + 'static>(mut order: Order<I>, size: usize, drop_last: bool) -> Order<Vec<I>> {
    let mut ended = false;
    Box::new(iter::from_fn(move || {
        let mut batch = Vec::new();
        while !ended && batch.len() < size {
            match order.next() {
                Some(Ok(item)) => batch.push(item),
                Some(Err(error)) => {
                    ended = true;
                    return Some(Err(error));
                }
                None => ended = true,
            }
        }
        (batch.len() == size || !drop_last && !batch.is_empty()).then_some(Ok(batch))
    }))
}

impl<S: Sampler> Sampler for BatchSampler<S>
where
    S::Item: Send + 'static,
{
    type Item = Vec<S::Item>;
    #[inline]
    fn len(&self) -> usize {
        let n = self.sampler.len();
        if self.drop_last { n / self.batch_size } else { n.div_ceil(self.batch_size) }
    }
    #[inline]
    fn iter(&self) -> Order<Vec<S::Item>> {
        batches(self.sampler.iter(), self.batch_size, self.drop_last)
    }
}
