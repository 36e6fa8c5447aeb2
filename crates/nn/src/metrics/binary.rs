//! Two classes told apart by a score.

use super::{ConfusionMatrix, check_any, extend, mean, table};
use crate::{Error, Result};
use downhill_tensor::{Tensor, memory};

/// Scores of rows of two classes, kept over batches (16 bytes a row), and how well they tell them apart.
///
/// Class 1 is what a high score stands for. Scores may be probabilities, logits, or whatever orders the rows; only
/// [`brier_score`](Self::brier_score) wants probabilities. Equal scores are one threshold.
///
/// # Shape
/// `scores` and `target` are vectors of one length, or matrices with one column. `scores` are floats, `target` is 0 and 1 of any dtype.
///
/// # Errors
/// `update`: [`Error::Shape`] and [`Error::DType`] for other tensors, [`Error::Argument`] for a score that is NaN and a target other than 0
/// and 1, [`Error::Memory`]; then nothing has been kept. The numbers: [`Error::Argument`] before any row.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::nn::metrics::BinaryMetrics;
///
/// let mut metrics = BinaryMetrics::new();
/// metrics.update(&Tensor::from([0.1_f32, 0.4]), &Tensor::from([0, 0]))?;
/// metrics.update(&Tensor::from([0.35_f32, 0.8]), &Tensor::from([1, 1]))?;
/// assert_eq!(metrics.roc_auc()?, 0.75);
/// assert_eq!(metrics.confusion_matrix(0.5)?.accuracy()?, 0.75);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct BinaryMetrics {
    rows: Vec<(f64, bool)>,
}

/// What share of either class has a score of at least each threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct RocCurve {
    /// The share of class 0: false positives.
    pub fpr: Vec<f64>,
    /// The share of class 1: true positives.
    pub tpr: Vec<f64>,
    /// Infinity, then each score that occurs, from the largest.
    pub thresholds: Vec<f64>,
}

impl BinaryMetrics {
    /// Of no rows.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a batch.
    ///
    /// # Errors
    /// See [`BinaryMetrics`].
    #[inline]
    pub fn update(&mut self, scores: &Tensor, target: &Tensor) -> Result<()> {
        let op = "binary_metrics";
        scores.dtype().check_float(op)?;
        let (values, columns) = table(op, scores)?;
        let (classes, target_columns) = table(op, target)?;
        if columns != 1 {
            return Err(Error::shape(op, "scores of one column", scores.shape()));
        }
        if target_columns != 1 || classes.len() != values.len() {
            return Err(Error::shape(op, format!("a target of shape [{}]", values.len()), target.shape()));
        }
        if let Some(t) = classes.iter().find(|&&t| t != 0.0 && t != 1.0) {
            return Err(Error::argument(op, format!("expected a target of 0 and 1, but got {t}")));
        }
        if values.iter().any(|x| x.is_nan()) {
            return Err(Error::argument(op, "the scores have NaN in them"));
        }
        extend(op, &mut self.rows, values.into_iter().zip(classes).map(|(x, t)| (x, t == 1.0)))
    }

    /// How many rows of class 0 and of class 1 have a score of at least each score that occurs, from the largest.
    #[inline]
    fn thresholds(&self, op: &'static str) -> Result<Vec<(f64, [u64; 2])>> {
        check_any(op, self.rows.len())?;
        let mut rows = memory::collect(op, self.rows.iter().copied())?;
        rows.sort_unstable_by(|a, b| b.0.partial_cmp(&a.0).expect("no NaN was kept"));
        let mut counts = [0; 2];
        memory::collect(
            op,
            rows.chunk_by(|a, b| a.0 == b.0).map(|equal| {
                for &(_, positive) in equal {
                    counts[usize::from(positive)] += 1;
                }
                (equal[0].0, counts)
            }),
        )
    }

    /// [`thresholds`](Self::thresholds) of what has no value unless both classes occur, and how many rows each class has.
    #[inline]
    fn both(&self, op: &'static str) -> Result<(Vec<(f64, [u64; 2])>, [u64; 2])> {
        let all = self.thresholds(op)?;
        let totals = all.last().map_or([0; 2], |last| last.1);
        match totals.iter().position(|&n| n == 0) {
            Some(c) => Err(Error::argument(op, format!("is undefined where no row is of class {c}"))),
            None => Ok((all, totals)),
        }
    }

    /// The curve of false and true positives, with a point for each score that occurs.
    ///
    /// # Errors
    /// See [`BinaryMetrics`], and [`Error::Argument`] unless both classes occur.
    ///
    /// # scikit-learn
    /// [`roc_curve`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.roc_curve.html) with `drop_intermediate=False`
    #[inline]
    pub fn roc_curve(&self) -> Result<RocCurve> {
        let op = "roc_curve";
        let (all, totals) = self.both(op)?;
        let share = |c: usize| {
            let shares = all.iter().map(|(_, counts)| counts[c] as f64 / totals[c] as f64);
            memory::collect(op, std::iter::once(0.0).chain(shares))
        };
        let thresholds = std::iter::once(f64::INFINITY).chain(all.iter().map(|&(x, _)| x));
        Ok(RocCurve { fpr: share(0)?, tpr: share(1)?, thresholds: memory::collect(op, thresholds)? })
    }

    /// The area under the [ROC curve](Self::roc_curve): how likely a row of class 1 has a larger score than one of class 0, where equal
    /// scores count half. Counted, so only the last division rounds.
    ///
    /// # Errors
    /// See [`BinaryMetrics`], and [`Error::Argument`] unless both classes occur.
    ///
    /// # scikit-learn
    /// [`roc_auc_score`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.roc_auc_score.html)
    #[inline]
    pub fn roc_auc(&self) -> Result<f64> {
        let (all, [zeros, ones]) = self.both("roc_auc")?;
        let (mut twice, mut before) = (0_u128, [0; 2]);
        for (_, counts) in all {
            twice += u128::from(counts[0] - before[0]) * u128::from(counts[1] + before[1]);
            before = counts;
        }
        Ok(twice as f64 / (2 * u128::from(zeros) * u128::from(ones)) as f64)
    }

    /// The precision at each threshold, weighted by the recall that it adds: Σ (Rᵢ − Rᵢ₋₁) Pᵢ. 0 where no row is of class 1.
    ///
    /// # Errors
    /// See [`BinaryMetrics`].
    ///
    /// # scikit-learn
    /// [`average_precision_score`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.average_precision_score.html)
    #[inline]
    pub fn average_precision(&self) -> Result<f64> {
        let all = self.thresholds("average_precision")?;
        let (mut sum, mut before) = (0.0, 0);
        for &(_, [zeros, ones]) in &all {
            sum += (ones - before) as f64 * (ones as f64 / (zeros + ones) as f64);
            before = ones;
        }
        Ok(if before == 0 { 0.0 } else { sum / before as f64 })
    }

    /// The mean squared difference between the probability of class 1 and the class.
    ///
    /// # Errors
    /// See [`BinaryMetrics`], and [`Error::Argument`] for scores outside of [0, 1].
    ///
    /// # scikit-learn
    /// [`brier_score_loss`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.brier_score_loss.html)
    #[inline]
    pub fn brier_score(&self) -> Result<f64> {
        let op = "brier_score";
        check_any(op, self.rows.len())?;
        if let Some((x, _)) = self.rows.iter().find(|(x, _)| !(0.0..=1.0).contains(x)) {
            return Err(Error::argument(op, format!("expected probabilities in [0, 1], but got {x}")));
        }
        let square = |&(x, positive): &(f64, bool)| (x - f64::from(u8::from(positive))).powi(2);
        Ok(mean(&memory::collect(op, self.rows.iter().map(square))?))
    }

    /// The [`ConfusionMatrix`] of predicting class 1 above this score (0.5 of probabilities, 0 of logits), and class 0 at it: precision, recall and
    /// F-score are in it.
    ///
    /// # Errors
    /// See [`BinaryMetrics`], and [`Error::Argument`] for a threshold that is NaN.
    #[inline]
    pub fn confusion_matrix(&self, threshold: f64) -> Result<ConfusionMatrix> {
        let op = "confusion_matrix";
        check_any(op, self.rows.len())?;
        if threshold.is_nan() {
            return Err(Error::argument(op, "the threshold is NaN"));
        }
        let predicted = memory::collect(op, self.rows.iter().map(|row| i64::from(row.0 > threshold)))?;
        let target = memory::collect(op, self.rows.iter().map(|row| i64::from(row.1)))?;
        let shape = [self.rows.len()];
        super::confusion_matrix(&Tensor::from_vec(predicted, shape)?, &Tensor::from_vec(target, shape)?, 2)
    }
}

/// The functions of one batch: each is the method of the same name.
macro_rules! of_one_batch {
    ($($name:ident -> $value:ty, $($alias:literal)?, $example:literal;)*) => {$(
        #[doc = concat!("[`BinaryMetrics::", stringify!($name), "`] of one batch.")]
        ///
        /// # Errors
        /// As there.
        ///
        /// # Examples
        /// ```
        /// use downhill::Tensor;
        #[doc = concat!("use downhill::nn::metrics::", stringify!($name), ";\n")]
        /// let (scores, target) = (Tensor::from([0.1_f32, 0.4, 0.35, 0.8]), Tensor::from([0, 0, 1, 1]));
        #[doc = $example]
        /// # Ok::<(), downhill::Error>(())
        /// ```
        $(#[doc(alias = $alias)])?
        pub fn $name(scores: &Tensor, target: &Tensor) -> Result<$value> {
            let mut metrics = BinaryMetrics::new();
            metrics.update(scores, target)?;
            metrics.$name()
        }
    )*};
}
of_one_batch! {
    roc_curve -> RocCurve, , "assert_eq!(roc_curve(&scores, &target)?.tpr, [0.0, 0.5, 0.5, 1.0, 1.0]);";
    roc_auc -> f64, "roc_auc_score", "assert_eq!(roc_auc(&scores, &target)?, 0.75);";
    average_precision -> f64, "average_precision_score", "assert!((average_precision(&scores, &target)? - 0.8333).abs() < 1e-4);";
    brier_score -> f64, "brier_score_loss", "assert!((brier_score(&scores, &target)? - 0.158125).abs() < 1e-8);";
}
