//! Entries by number.

use crate::{Collate, Error, Result};
use downhill_tensor::{Error as TensorError, memory};
use std::sync::Arc;

/// Entries by number, and batches of them.
///
/// # Examples
/// ```
/// use downhill::data::{DataLoader, Dataset, Result};
/// use downhill::{Tensor, full};
///
/// /// Pictures that are read when they are wanted.
/// struct Pictures {
///     labels: Vec<i64>,
/// }
///
/// impl Dataset for Pictures {
///     type Item = (Tensor, i64);
///     fn len(&self) -> usize {
///         self.labels.len()
///     }
///     fn get(&self, index: usize) -> Result<(Tensor, i64)> {
///         Ok((full([2, 2], index as f32)?, self.labels[index]))
///     }
/// }
///
/// let loader = DataLoader::new(Pictures { labels: vec![0, 1, 1] }).batch_size(2);
/// let (x, y) = loader.iter()?.next().expect("two batches")?;
/// assert_eq!((x.shape(), y), (full([2, 2, 2], 0)?.shape(), Tensor::from([0, 1])));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.Dataset`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.Dataset); [`batch`](Self::batch) has the place of
/// `__getitems__` and of the loader's `collate_fn`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no dataset",
    note = "`TensorDataset::new((x, y))?` makes one of tensors; `impl Dataset` makes one of anything"
)]
pub trait Dataset {
    /// One entry.
    type Item: Collate;

    /// The number of entries.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The entry of this number, below [`len`](Self::len).
    ///
    /// # Errors
    /// The dataset's own; [`Error::other`] makes one of any error.
    fn get(&self, index: usize) -> Result<Self::Item>;

    /// The entries of these numbers as a batch: by default each [`get`](Self::get), [collated](Collate).
    ///
    /// # Errors
    /// [`Error::Entry`] for the first entry that cannot be had; entries that do not make a batch.
    fn batch(&self, indices: &[usize]) -> Result<Batch<Self>> {
        let entry =
            |&index| self.get(index).map_err(|source| Error::Entry { index, source: Box::new(source) });
        Collate::collate(indices.iter().map(entry).collect::<Result<_>>()?)
    }

    /// All entries as one batch: what a [`Standardizer`](crate::Standardizer) is fitted to, or a model is measured on.
    ///
    /// # Errors
    /// As [`batch`](Self::batch).
    ///
    /// ```
    /// use downhill::Tensor;
    /// use downhill::data::{Dataset, Subset, TensorDataset};
    /// let data = TensorDataset::new(Tensor::from([10, 11, 12, 13]))?;
    /// assert_eq!(Subset::new(&data, [3, 1])?.all()?, Tensor::from([13, 11]));
    /// # Ok::<(), downhill::data::Error>(())
    /// ```
    fn all(&self) -> Result<Batch<Self>> {
        self.batch(&memory::collect("Dataset", 0..self.len())?)
    }
}

/// What a batch of a dataset is.
pub type Batch<D> = <<D as Dataset>::Item as Collate>::Batch;

macro_rules! pointers {
    ($($type:ty),*) => {$(
        impl<D: Dataset + ?Sized> Dataset for $type {
            type Item = D::Item;
            #[inline]
            fn len(&self) -> usize {
                (**self).len()
            }
            #[inline]
            fn get(&self, index: usize) -> Result<Self::Item> {
                (**self).get(index)
            }
            #[inline]
            fn batch(&self, indices: &[usize]) -> Result<Batch<D>> {
                (**self).batch(indices)
            }
        }
    )*};
}
pointers!(&D, Box<D>, Arc<D>);

/// Some of a dataset's entries, in an order of their own.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::data::{Dataset, Subset, TensorDataset};
/// let data = TensorDataset::new(Tensor::from([10, 11, 12, 13]))?;
/// let some = Subset::new(&data, [3, 1])?;
/// assert_eq!((some.len(), some.get(0)?), (2, Tensor::from(13)));
/// assert_eq!(some.batch(&[1, 0])?, Tensor::from([11, 13]));
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.Subset`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.Subset)
#[derive(Clone, Debug)]
pub struct Subset<D> {
    dataset: D,
    indices: Arc<[usize]>,
}

impl<D: Dataset> Subset<D> {
    /// These entries of the dataset, which may be a reference.
    ///
    /// # Errors
    /// [`downhill::Error::Index`](downhill_tensor::Error::Index) for one that there is not.
    #[inline]
    pub fn new(dataset: D, indices: impl Into<Arc<[usize]>>) -> Result<Self> {
        let (indices, size) = (indices.into(), dataset.len());
        match indices.iter().find(|&&i| i >= size) {
            Some(&index) => Err(beyond("Subset", index, size)),
            None => Ok(Self { dataset, indices }),
        }
    }

    /// The numbers that the entries have in the dataset.
    #[inline]
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    #[inline]
    fn index(&self, index: usize) -> Result<usize> {
        self.indices.get(index).copied().ok_or_else(|| beyond("Subset", index, self.indices.len()))
    }
}

#[inline]
fn beyond(op: &'static str, index: usize, size: usize) -> Error {
    TensorError::Index { op, index: index as i64, size }.into()
}

impl<D: Dataset> Dataset for Subset<D> {
    type Item = D::Item;
    #[inline]
    fn len(&self) -> usize {
        self.indices.len()
    }
    #[inline]
    fn get(&self, index: usize) -> Result<Self::Item> {
        self.dataset.get(self.index(index)?)
    }
    #[inline]
    fn batch(&self, indices: &[usize]) -> Result<Batch<D>> {
        self.dataset.batch(&indices.iter().map(|&i| self.index(i)).collect::<Result<Vec<_>>>()?)
    }
}
