//! A dataset of tensors.

use crate::{Batch, Collate, Dataset, Result};
use downhill_tensor::{Error as TensorError, Result as TensorResult, Tensor};

/// What a [`TensorDataset`] is made of: a tensor, or a tuple of up to six.
#[diagnostic::on_unimplemented(
    message = "no dataset of tensors can be made of `{Self}`",
    note = "`TensorDataset::new` takes a tensor or a tuple of up to six: `TensorDataset::new((x, y))?`"
)]
pub trait Tensors: Collate<Batch = Self> + sealed::Sealed {
    #[doc(hidden)]
    fn map(&self, f: &mut dyn FnMut(&Tensor) -> TensorResult<Tensor>) -> TensorResult<Self>;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for Tensor {}
impl Tensors for Tensor {
    #[inline]
    fn map(&self, f: &mut dyn FnMut(&Tensor) -> TensorResult<Tensor>) -> TensorResult<Self> {
        f(self)
    }
}

macro_rules! tuples {
    ($($($T:ident $i:tt)*;)*) => {$(
        impl sealed::Sealed for ($($T,)*) {}
        impl Tensors for ($($T,)*) {
            #[inline]
            fn map(&self, f: &mut dyn FnMut(&Tensor) -> TensorResult<Tensor>) -> TensorResult<Self> {
                Ok(($(f(&self.$i)?,)*))
            }
        }
    )*};
}
tuples! {
    Tensor 0;
    Tensor 0 Tensor 1;
    Tensor 0 Tensor 1 Tensor 2;
    Tensor 0 Tensor 1 Tensor 2 Tensor 3;
    Tensor 0 Tensor 1 Tensor 2 Tensor 3 Tensor 4;
    Tensor 0 Tensor 1 Tensor 2 Tensor 3 Tensor 4 Tensor 5;
}

/// The rows of tensors: entry i is row i of each. A batch is one gather of each tensor.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::data::{Dataset, TensorDataset};
/// let data = TensorDataset::new((Tensor::from([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), Tensor::from([0, 1, 2])))?;
/// assert_eq!(data.get(1)?, (Tensor::from([3.0, 4.0]), Tensor::from(1)));
/// assert_eq!(data.batch(&[2, 0])?, (Tensor::from([[5.0, 6.0], [1.0, 2.0]]), Tensor::from([2, 0])));
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.TensorDataset`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.TensorDataset)
#[derive(Clone, Debug)]
pub struct TensorDataset<T> {
    tensors: T,
    len: usize,
}

impl<T: Tensors> TensorDataset<T> {
    /// Of these tensors, a tensor or a tuple. One that is not contiguous is copied once, here.
    ///
    /// # Errors
    /// [`downhill::Error::Shape`](TensorError::Shape) for a tensor without dimensions, or of another first size than the first tensor;
    /// [`downhill::Error::Memory`](TensorError::Memory).
    #[inline]
    pub fn new(tensors: T) -> Result<Self> {
        let (mut len, op) = (None, "TensorDataset");
        let tensors = tensors.map(&mut |x| {
            let Some(&size) = x.shape().first() else {
                return Err(TensorError::shape(op, "tensors of one dimension at least", x.shape()));
            };
            let len = *len.get_or_insert(size);
            if size != len {
                let expected = format!("size {len} in dimension 0, as the first tensor has");
                return Err(TensorError::shape(op, expected, x.shape()));
            }
            x.try_contiguous()
        })?;
        Ok(Self { tensors, len: len.unwrap_or(0) })
    }

    /// The tensors.
    #[inline]
    pub fn tensors(&self) -> &T {
        &self.tensors
    }
}

impl<T: Tensors> Dataset for TensorDataset<T> {
    type Item = T;
    #[inline]
    fn len(&self) -> usize {
        self.len
    }
    #[inline]
    fn get(&self, index: usize) -> Result<T> {
        Ok(self.tensors.map(&mut |x| x.select(0, index as i64))?)
    }
    #[inline]
    fn batch(&self, indices: &[usize]) -> Result<Batch<Self>> {
        let rows = Tensor::from_slice(indices, indices.len())?;
        Ok(self.tensors.map(&mut |x| x.index_select(0, &rows))?)
    }
}
