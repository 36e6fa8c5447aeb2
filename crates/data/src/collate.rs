//! Batches from entries.

use crate::Result;
use downhill_tensor::Tensor;

/// What a batch can be made of: entries of a [`Dataset`](crate::Dataset).
///
/// Tensors are stacked along a new first dimension, numbers and booleans become a tensor, texts a vector; tuples are collated member
/// by member, so that a batch of `(Tensor, i64)` is `(Tensor, Tensor)`.
///
/// # Examples
/// ```
/// use downhill::{Tensor, data::Collate};
/// let entries = vec![(Tensor::from([1.0, 2.0]), 7), (Tensor::from([3.0, 4.0]), 8)];
/// let (x, y) = Collate::collate(entries)?;
/// assert_eq!((x, y), (Tensor::from([[1.0, 2.0], [3.0, 4.0]]), Tensor::from([7, 8])));
/// # Ok::<(), downhill::data::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.default_collate`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.default_collate)
#[diagnostic::on_unimplemented(
    message = "no batch can be made of `{Self}`",
    note = "entries are tensors, numbers, texts, or tuples of them; `impl Collate` says what a batch of others is"
)]
#[doc(alias = "collate_fn", alias = "default_collate")]
pub trait Collate: Sized {
    /// What a batch is.
    type Batch;

    /// The batch of these entries, in their order.
    ///
    /// # Errors
    /// Of tensors, for shapes or dtypes that differ, and for none at all; an implementation's own.
    fn collate(entries: Vec<Self>) -> Result<Self::Batch>;
}

impl Collate for Tensor {
    type Batch = Tensor;
    #[inline]
    fn collate(entries: Vec<Self>) -> Result<Tensor> {
        Ok(Tensor::stack(&entries.iter().collect::<Vec<_>>(), 0)?)
    }
}

impl Collate for String {
    type Batch = Vec<String>;
    #[inline]
    fn collate(entries: Vec<Self>) -> Result<Vec<String>> {
        Ok(entries)
    }
}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Collate for $type {
            type Batch = Tensor;
            #[inline]
            fn collate(entries: Vec<Self>) -> Result<Tensor> {
                Ok(Tensor::from_slice(&entries, entries.len())?)
            }
        }
    )*};
}
numbers!(f32 f64 i64 bool i32 u8 u32 usize);

macro_rules! tuples {
    ($($($T:ident $i:tt)*;)*) => {$(
        impl<$($T: Collate),*> Collate for ($($T,)*) {
            type Batch = ($($T::Batch,)*);
            #[inline]
            fn collate(entries: Vec<Self>) -> Result<Self::Batch> {
                let mut columns = ($(Vec::<$T>::new(),)*);
                for entry in entries {
                    $(columns.$i.push(entry.$i);)*
                }
                Ok(($($T::collate(columns.$i)?,)*))
            }
        }
    )*};
}
tuples! {
    A 0;
    A 0 B 1;
    A 0 B 1 C 2;
    A 0 B 1 C 2 D 3;
    A 0 B 1 C 2 D 3 E 4;
    A 0 B 1 C 2 D 3 E 4 F 5;
}
