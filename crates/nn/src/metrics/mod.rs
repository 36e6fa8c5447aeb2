//! How good a model is, in numbers that people read: scikit-learn's, with its values.
//!
//! | question | at once | over batches |
//! | --- | --- | --- |
//! | which class? | [`accuracy`], [`confusion_matrix`], [`precision_recall_fscore`], [`classification_report`], [`matthews_corrcoef`], [`cohen_kappa`] | [`ConfusionMatrix`] |
//! | is it among the first k? | [`top_k_accuracy`] | [`TopKAccuracy`] |
//! | which of two, by a score? | [`roc_auc`], [`roc_curve`], [`average_precision`], [`brier_score`] | [`BinaryMetrics`] |
//! | how far off? | [`r2_score`], [`mean_absolute_error`], [`mean_squared_error`], [`root_mean_squared_error`], [`median_absolute_error`] | [`RegressionMetrics`] |
//!
//! What accumulates over batches has `new`, `update(&predicted, &target)?` and a method for each number, which has the value of the whole,
//! not the mean over batches. The prediction comes first, as in losses; in scikit-learn it comes second. Numbers are computed in `f64`
//! and in integers, and no graph is recorded.
//!
//! What has no value (no rows at all; a ROC curve with one class only) is an [`Error::Argument`] that says so, where scikit-learn warns
//! and gives NaN. NaN and infinity among scores and predictions are one, too.
//!
//! ```
//! use downhill::Tensor;
//! use downhill::nn::metrics::ConfusionMatrix;
//!
//! let mut matrix = ConfusionMatrix::new(3)?;
//! matrix.update(&Tensor::from([0, 2, 1]), &Tensor::from([0, 2, 2]))?; // a batch of classes
//! matrix.update(&Tensor::from([[0.1_f32, 2.0, -1.0]]), &Tensor::from([1]))?; // a batch of logits
//! assert_eq!(matrix.accuracy()?, 0.75);
//! assert_eq!(matrix.precision_recall_fscore()?.per_class[2].recall, 0.5);
//! # Ok::<(), downhill::Error>(())
//! ```

mod binary;
mod classes;
mod regression;

pub use binary::{BinaryMetrics, RocCurve, average_precision, brier_score, roc_auc, roc_curve};
pub use classes::{
    ClassScores, ConfusionMatrix, PrecisionRecallFscore, ReportOptions, ScoreOptions, classification_report,
    cohen_kappa, confusion_matrix, matthews_corrcoef, precision_recall_fscore,
};
pub use regression::{
    RegressionMetrics, mean_absolute_error, mean_squared_error, median_absolute_error, r2_score,
    root_mean_squared_error,
};

use crate::{Error, Result};
use downhill_tensor::{DType, Tensor, kernels, memory};

/// The share of rows whose largest logit is that of the target's class; NaN for no rows.
///
/// # Shape
/// `logits` `(rows, classes)`, or the predicted classes `(rows)`, `int64`; `target` `(rows)`, `int64`.
///
/// # Errors
/// [`Error::Shape`] and [`Error::DType`] for tensors that are not like that.
///
/// # Examples
/// ```
/// use downhill::Tensor;
///
/// let logits = Tensor::from([[0.1_f32, 2.0, -1.0], [0.3, 0.2, 0.1]]);
/// assert_eq!(downhill::nn::accuracy(&logits, &Tensor::from([1, 2]))?, 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// `(logits.argmax(dim=1) == target).double().mean().item()`
#[doc(alias = "accuracy_score")]
#[inline]
pub fn accuracy(logits: &Tensor, target: &Tensor) -> Result<f64> {
    let [predicted, target] = predicted_classes("accuracy", logits, target)?;
    let (p, t) = (predicted.as_slice::<i64>()?, target.as_slice::<i64>()?);
    Ok(p.iter().zip(t).filter(|(p, t)| p == t).count() as f64 / t.len() as f64)
}

/// The share of rows whose target is among the `k` classes with the largest logits: [`TopKAccuracy`] of one batch.
///
/// # Errors
/// As [`TopKAccuracy`].
///
/// # Examples
/// ```
/// use downhill::Tensor;
///
/// let logits = Tensor::from([[0.1_f32, 2.0, 1.0], [0.3, 0.2, 0.1]]);
/// assert_eq!(downhill::nn::metrics::top_k_accuracy(&logits, &Tensor::from([2, 2]), 2)?, 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias = "top_k_accuracy_score")]
#[inline]
pub fn top_k_accuracy(logits: &Tensor, target: &Tensor, k: usize) -> Result<f64> {
    let mut all = TopKAccuracy::new(k)?;
    all.update(logits, target)?;
    all.value()
}

/// The share of rows whose target is among the `k` classes with the largest logits, over batches.
///
/// Of equal logits the class with the smaller number comes first, as in `argmax`, and NaN is larger than all: with `k` 1 this is
/// [`accuracy`]. With `k` of the number of classes or more it is 1.
///
/// # Shape
/// `logits` `(rows, classes)`, `target` `(rows)`, `int64`.
///
/// # Errors
/// `new`: [`Error::Argument`] for `k` 0. `update`: [`Error::Shape`], [`Error::DType`] for other tensors, [`Error::Index`] for a target that
/// is no class; then nothing has been counted. `value`: [`Error::Argument`] before any row.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::nn::metrics::TopKAccuracy;
///
/// let mut top = TopKAccuracy::new(2)?;
/// top.update(&Tensor::from([[0.1_f32, 2.0, 1.0]]), &Tensor::from([2]))?;
/// top.update(&Tensor::from([[0.3_f32, 0.2, 0.1]]), &Tensor::from([2]))?;
/// assert_eq!(top.value()?, 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # scikit-learn
/// [`top_k_accuracy_score`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.top_k_accuracy_score.html), which takes the
/// larger number of equal logits.
#[derive(Clone, Debug)]
pub struct TopKAccuracy {
    k: usize,
    hits: u64,
    rows: u64,
}

impl TopKAccuracy {
    /// Of no rows.
    ///
    /// # Errors
    /// See [`TopKAccuracy`].
    #[inline]
    pub fn new(k: usize) -> Result<Self> {
        match k {
            0 => Err(Error::argument("top_k_accuracy", "k must be at least 1, but got 0")),
            _ => Ok(Self { k, hits: 0, rows: 0 }),
        }
    }

    /// Counts a batch.
    ///
    /// # Errors
    /// See [`TopKAccuracy`].
    #[inline]
    pub fn update(&mut self, logits: &Tensor, target: &Tensor) -> Result<()> {
        let op = "top_k_accuracy";
        logits.dtype().check_float(op)?;
        check_rows(op, logits, target)?;
        let (values, classes) = table(op, logits)?;
        let target = target.try_contiguous()?;
        let target = target.as_slice::<i64>()?;
        check_classes(op, target, classes)?;
        let above = |a: f64, b: f64| a > b || (a.is_nan() && !b.is_nan());
        let hit = |(row, &t): (&[f64], &i64)| {
            let (t, x) = (t as usize, row[t as usize]);
            let first = |(j, &y): (usize, &f64)| above(y, x) || (j < t && !above(x, y));
            row.iter().enumerate().filter(|&entry| first(entry)).count() < self.k
        };
        self.hits += values.chunks(classes.max(1)).zip(target).filter(|&row| hit(row)).count() as u64;
        self.rows += target.len() as u64;
        Ok(())
    }

    /// The share.
    ///
    /// # Errors
    /// See [`TopKAccuracy`].
    #[inline]
    pub fn value(&self) -> Result<f64> {
        check_any("top_k_accuracy", self.rows as usize)?;
        Ok(self.hits as f64 / self.rows as f64)
    }
}

/// Logits of rows, or their classes, and a class for each row.
#[inline]
fn check_rows(op: &'static str, predicted: &Tensor, target: &Tensor) -> Result<()> {
    let classes = predicted.dim() == 1 && predicted.dtype() == DType::I64;
    if predicted.dim() != 2 && !classes {
        return Err(Error::shape(op, "logits of 2 dimensions", predicted.shape()));
    }
    if target.dtype() != DType::I64 {
        return Err(Error::DType { op, expected: "an int64 target", got: target.dtype() });
    }
    let rows = predicted.shape()[0];
    if target.shape() != &[rows] {
        return Err(Error::shape(op, format!("a target of shape [{rows}]"), target.shape()));
    }
    Ok(())
}

/// The predicted classes, those of the largest logits if logits are given, and the target, side by side in memory.
#[inline]
fn predicted_classes(op: &'static str, predicted: &Tensor, target: &Tensor) -> Result<[Tensor; 2]> {
    check_rows(op, predicted, target)?;
    let classes = match predicted.dim() {
        2 => predicted.argmax(1, false)?,
        _ => predicted.try_contiguous()?,
    };
    Ok([classes, target.try_contiguous()?])
}

#[inline]
fn check_classes(op: &'static str, indices: &[i64], classes: usize) -> Result<()> {
    match indices.iter().find(|&&t| !(0..classes as i64).contains(&t)) {
        Some(&index) => Err(Error::Index { op, index, size: classes }),
        None => Ok(()),
    }
}

#[inline]
fn check_any(op: &'static str, rows: usize) -> Result<()> {
    if rows == 0 { Err(Error::argument(op, "has no value before any row is counted")) } else { Ok(()) }
}

/// A vector, which is a column, or a matrix: its elements row by row, and how many columns it has.
#[inline]
fn table(op: &'static str, x: &Tensor) -> Result<(Vec<f64>, usize)> {
    let columns = match **x.shape() {
        [_] => 1,
        [_, columns] => columns,
        _ => return Err(Error::shape(op, "a vector or a matrix with one row a sample", x.shape())),
    };
    Ok((x.detach().try_to_dtype(DType::F64)?.to_vec()?, columns))
}

/// Refuses NaN and infinity.
#[inline]
fn check_finite(op: &'static str, what: &str, x: &[f64]) -> Result<()> {
    match x.iter().find(|x| !x.is_finite()) {
        Some(x) => Err(Error::argument(op, format!("the {what} has {x} in it"))),
        None => Ok(()),
    }
}

/// Appends, or says that there is no memory.
#[inline]
fn extend<T>(op: &'static str, all: &mut Vec<T>, more: impl ExactSizeIterator<Item = T>) -> Result<()> {
    let bytes = (all.len() + more.len()) * size_of::<T>();
    if all.try_reserve(more.len()).is_err() {
        memory::clear();
        all.try_reserve_exact(more.len()).map_err(|_| Error::Memory { op, bytes, shape: None })?;
    }
    all.extend(more);
    Ok(())
}

#[inline]
fn mean(terms: &[f64]) -> f64 {
    kernels::sum_slice(terms) / terms.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misfits_are_refused_with_their_numbers() {
        let logits = downhill_tensor::zeros([4, 3]).unwrap();
        let text = |logits: &Tensor, target: &Tensor| accuracy(logits, target).unwrap_err().to_string();
        assert_eq!(
            text(&logits, &Tensor::from([0, 1])),
            "accuracy: expected a target of shape [4], but got shape [2]"
        );
        assert_eq!(
            text(&logits, &Tensor::from([0.0_f32; 4])),
            "accuracy: expected an int64 target, but got float32",
        );
        assert_eq!(
            text(&downhill_tensor::zeros([4]).unwrap(), &Tensor::from([0; 4])),
            "accuracy: expected logits of 2 dimensions, but got shape [4]",
        );
        assert!(accuracy(&downhill_tensor::zeros([2, 0]).unwrap(), &Tensor::from([0, 0])).is_err());
        let nothing = Tensor::from(&[] as &[i64]);
        assert!(accuracy(&downhill_tensor::zeros([0, 3]).unwrap(), &nothing).unwrap().is_nan());
    }
}
