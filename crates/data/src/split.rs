//! Parts of a dataset, for training, validation and test.

use crate::{Dataset, Error, Result, Subset};
use downhill_tensor::random::{Generator, with_default};
use downhill_tensor::{DType, Error as TensorError, Tensor, memory};
use std::collections::BTreeMap;

/// How large a part is: a length (`usize`), or a fraction of the whole (`f64`).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no size of a part",
    note = "a split takes lengths, `[80, 20]` of `usize`, or fractions, `[0.8, 0.2]` of `f64`"
)]
pub trait Portion: Copy + sealed::Sealed {
    #[doc(hidden)]
    fn lengths(op: &'static str, portions: &[Self], n: usize) -> Result<Vec<usize>>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for usize {}
    impl Sealed for f64 {}
}

impl Portion for usize {
    #[inline]
    fn lengths(op: &'static str, portions: &[Self], n: usize) -> Result<Vec<usize>> {
        if portions.iter().try_fold(0_usize, |sum, &x| sum.checked_add(x)) == Some(n) {
            return Ok(portions.to_vec());
        }
        let message = format!("the lengths {portions:?} do not add up to the {n} entries of the dataset");
        Err(Error::argument(op, message))
    }
}

impl Portion for f64 {
    /// Rounded down; what is left goes round, one each.
    #[inline]
    fn lengths(op: &'static str, portions: &[Self], n: usize) -> Result<Vec<usize>> {
        let valid = portions.iter().all(|x| (0.0..=1.0).contains(x));
        if !valid || (portions.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            let message = format!("the fractions {portions:?} are not from 0 to 1 with the sum 1");
            return Err(Error::argument(op, message));
        }
        let mut lengths: Vec<_> = portions.iter().map(|x| (n as f64 * x).floor() as usize).collect();
        let left = n.saturating_sub(lengths.iter().fold(0, |sum, &x| sum.saturating_add(x)));
        let parts = lengths.len();
        lengths.iter_mut().enumerate().for_each(|(i, x)| *x += left / parts + usize::from(i < left % parts));
        usize::lengths(op, &lengths, n)
    }
}

/// The order that a split deals out.
#[inline]
fn permutation<'a>(n: usize, generator: impl Into<Option<&'a mut Generator>>) -> Result<Vec<usize>> {
    let order = match generator.into() {
        Some(generator) => generator.randperm(n)?,
        None => with_default(|generator| generator.randperm(n))?,
    };
    Ok(order.to_vec::<i64>()?.into_iter().map(|i| i as usize).collect())
}

/// Parts of these entries.
#[inline]
fn subsets<D: Dataset + Clone, const N: usize>(
    dataset: &D,
    mut parts: [Vec<usize>; N],
) -> Result<[Subset<D>; N]> {
    let parts: Vec<_> = parts
        .iter_mut()
        .map(|part| Subset::new(dataset.clone(), std::mem::take(part)))
        .collect::<Result<_>>()?;
    parts.try_into().map_err(|_| Error::argument("random_split", "a part is missing"))
}

/// Parts of a dataset, drawn at random, which have no entry in common: for training, validation and test.
///
/// Fractions are rounded down, and what is left goes one by one to the first parts. The generator is the default one for `None`. The
/// dataset is cloned for each part: a reference, an `Arc` or a [`TensorDataset`](crate::TensorDataset) shares its entries.
///
/// # Errors
/// [`downhill::Error::Argument`](TensorError::Argument) for lengths that do not add up to the dataset's, and for fractions that are not in [0, 1] or
/// do not add up to 1; [`downhill::Error::Memory`](TensorError::Memory).
///
/// # Examples
/// ```
/// use downhill::data::{Dataset, TensorDataset, random_split};
/// use downhill::prelude::*;
/// use downhill::random::Generator;
///
/// let data = TensorDataset::new(arange(0, 10, 1)?)?;
/// let [train, validation, test] = random_split(&data, [0.8, 0.1, 0.1], &mut Generator::seeded(0))?;
/// assert_eq!((train.len(), validation.len(), test.len()), (8, 1, 1));
/// assert_eq!(train.indices(), [4, 1, 7, 5, 3, 9, 0, 8]); // as in Python
///
/// let [_train, test] = random_split(&data, [7, 3], None)?;
/// assert_eq!(test.len(), 3);
/// # Ok::<(), Error>(())
/// ```
///
/// # PyTorch
/// [`torch.utils.data.random_split`](https://docs.pytorch.org/docs/stable/data.html#torch.utils.data.random_split)
#[inline]
pub fn random_split<'a, D: Dataset + Clone, P: Portion, const N: usize>(
    dataset: D,
    portions: [P; N],
    generator: impl Into<Option<&'a mut Generator>>,
) -> Result<[Subset<D>; N]> {
    let lengths = P::lengths("random_split", &portions, dataset.len())?;
    let order = permutation(dataset.len(), generator)?;
    let mut rest = &order[..];
    let mut parts = std::array::from_fn(|_| Vec::new());
    for (part, length) in parts.iter_mut().zip(lengths) {
        let (these, after) = rest.split_at(length);
        (*part, rest) = (memory::collect("random_split", these.iter().copied())?, after);
    }
    subsets(&dataset, parts)
}

/// Parts as [`random_split`] makes them, in each of which every class has its share: of two parts no class is off by more than one
/// entry.
///
/// The parts have the lengths that [`random_split`] gives them. Entries in random order, one class after the other, each go to the part
/// that lacks most of what it should have by then.
///
/// # Errors
/// As [`random_split`]; [`downhill::Error::DType`](TensorError::DType) and [`downhill::Error::Shape`](TensorError::Shape) unless the labels are `i64`
/// or `bool`, one an entry.
///
/// # Examples
/// ```
/// use downhill::data::{Dataset, TensorDataset, stratified_split};
/// use downhill::prelude::*;
/// use downhill::random::Generator;
///
/// // Three of four are of class 0.
/// let y = arange(0, 100, 1)?.remainder(4)?.eq(0)?.to_dtype(DType::I64);
/// let data = TensorDataset::new((rand([100, 2])?, y.clone()))?;
/// let [train, test] = stratified_split(&data, &y, [0.8, 0.2], &mut Generator::seeded(0))?;
/// let ones = |part: &[usize]| part.iter().filter(|&i| i % 4 == 0).count();
/// assert_eq!((ones(train.indices()), ones(test.indices())), (20, 5));
/// # Ok::<(), Error>(())
/// ```
///
/// # PyTorch
/// It has none; scikit-learn's
/// [`train_test_split(stratify=y)`](https://scikit-learn.org/stable/modules/generated/sklearn.model_selection.train_test_split.html) draws others.
#[doc(alias = "train_test_split")]
#[inline]
pub fn stratified_split<'a, D: Dataset + Clone, P: Portion, const N: usize>(
    dataset: D,
    labels: &Tensor,
    portions: [P; N],
    generator: impl Into<Option<&'a mut Generator>>,
) -> Result<[Subset<D>; N]> {
    let (op, n) = ("stratified_split", dataset.len());
    if labels.dtype().is_float() {
        return Err(TensorError::DType { op, expected: "int64 or bool labels", got: labels.dtype() }.into());
    }
    if *labels.shape() != [n] {
        return Err(
            TensorError::shape(op, format!("one label for each of {n} entries"), labels.shape()).into()
        );
    }
    let labels = labels.try_to_dtype(DType::I64)?.to_vec::<i64>()?;
    let lengths = P::lengths(op, &portions, n)?;
    let order = permutation(n, generator)?;
    let mut classes = BTreeMap::<i64, Vec<usize>>::new();
    for &i in &order {
        classes.entry(labels[i]).or_default().push(i);
    }
    let (mut part_of, mut dealt) = (vec![0; n], vec![0; N]);
    for (before, &i) in classes.values().flatten().enumerate() {
        // How much a part lacks, times n: exact, and never in doubt.
        let lack = |&part: &usize| {
            let (length, has) = (lengths[part] as i128, dealt[part] as i128);
            length * (before as i128 + 1) - has * n as i128
        };
        let open = (0..N).filter(|&part| dealt[part] < lengths[part]);
        // The first of those that lack as much.
        let part = open.rev().max_by_key(lack).unwrap_or(0);
        (part_of[i], dealt[part]) = (part, dealt[part] + 1);
    }
    let mut parts = std::array::from_fn(|_| Vec::new());
    for i in order {
        parts[part_of[i]].push(i);
    }
    subsets(&dataset, parts)
}
