//! Classes that were predicted against those that are true.

use super::{check_any, check_classes, predicted_classes};
use crate::{Error, Result};
use downhill_tensor::Tensor;
use std::fmt::Write;

/// How often class `p` was predicted where class `t` is true, in row `t` and column `p`, over batches.
///
/// # Shape
/// `predicted` `(rows)`, `int64`, or logits `(rows, classes)`, of which the largest counts; `target` `(rows)`, `int64`.
///
/// # Errors
/// `new`: [`Error::Memory`]. `update`: [`Error::Shape`] and [`Error::DType`] for other tensors, [`Error::Index`] for a class beyond the
/// last; then nothing has been counted. The numbers: [`Error::Argument`] before any row.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::nn::metrics::ConfusionMatrix;
///
/// let mut matrix = ConfusionMatrix::new(2)?;
/// matrix.update(&Tensor::from([0, 1, 1]), &Tensor::from([0, 0, 1]))?;
/// assert_eq!(*matrix.counts(), Tensor::from([[1, 1], [0, 1]]));
/// assert_eq!(matrix.cohen_kappa()?, 0.4);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # scikit-learn
/// [`confusion_matrix`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.confusion_matrix.html) with
/// `labels=range(classes)`
#[derive(Clone, Debug)]
pub struct ConfusionMatrix {
    counts: Tensor,
}

/// Precision, recall and F-score of a class, or their average, and how many rows are of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScores {
    /// The share of the rows predicted as the class that are of it.
    pub precision: f64,
    /// The share of the rows of the class that were predicted as it.
    pub recall: f64,
    /// The harmonic mean of the two, where recall counts `beta²` times as much.
    pub fscore: f64,
    /// Rows of the class; of averages, all rows.
    pub support: u64,
}

/// [`ClassScores`] of each class, and their averages.
#[derive(Clone, Debug, PartialEq)]
pub struct PrecisionRecallFscore {
    /// In the order of the classes.
    pub per_class: Vec<ClassScores>,
    /// The mean over classes, absent ones included.
    pub macro_avg: ClassScores,
    /// Of all rows together: each is the accuracy.
    pub micro_avg: ClassScores,
    /// The mean over classes, weighted by their support.
    pub weighted_avg: ClassScores,
}

/// What [`ConfusionMatrix::precision_recall_fscore_with`] may be told.
#[derive(Clone, Copy, Debug)]
pub struct ScoreOptions {
    /// How many times as important recall is as precision: 0 or more, infinity included. 1 by default.
    pub beta: f64,
    /// What 0/0 is: 0 (the default), 1, or NaN, which averages leave out.
    pub zero_division: f64,
}

impl Default for ScoreOptions {
    #[inline]
    fn default() -> Self {
        Self { beta: 1.0, zero_division: 0.0 }
    }
}

/// What [`ConfusionMatrix::report_with`] may be told.
#[derive(Clone, Copy, Debug)]
pub struct ReportOptions<'a> {
    /// A name for each class; without any, their numbers.
    pub names: &'a [&'a str],
    /// Digits behind the point, 2 by default.
    pub digits: usize,
    /// What 0/0 is, see [`ScoreOptions`].
    pub zero_division: f64,
}

impl Default for ReportOptions<'_> {
    #[inline]
    fn default() -> Self {
        Self { names: &[], digits: 2, zero_division: 0.0 }
    }
}

impl ConfusionMatrix {
    /// Of no rows.
    ///
    /// # Errors
    /// See [`ConfusionMatrix`].
    #[inline]
    pub fn new(classes: usize) -> Result<Self> {
        Ok(Self { counts: Tensor::build([classes, classes], |counts: &mut [i64]| counts.fill(0))? })
    }

    /// One batch, and as many classes as occur in it.
    #[inline]
    fn of(op: &'static str, predicted: &Tensor, target: &Tensor) -> Result<Self> {
        let both = predicted_classes(op, predicted, target)?;
        let most = both.iter().map(|x| x.as_slice::<i64>()).collect::<Result<Vec<_>>>()?;
        let most = most.into_iter().flatten().max().map_or(0, |&c| c.saturating_add(1));
        let mut matrix = Self::new(usize::try_from(most).unwrap_or(0))?;
        matrix.count(op, &both)?;
        Ok(matrix)
    }

    /// Counts a batch.
    ///
    /// # Errors
    /// See [`ConfusionMatrix`].
    #[inline]
    pub fn update(&mut self, predicted: &Tensor, target: &Tensor) -> Result<()> {
        let op = "confusion_matrix";
        self.count(op, &predicted_classes(op, predicted, target)?)
    }

    #[inline]
    fn count(&mut self, op: &'static str, [predicted, target]: &[Tensor; 2]) -> Result<()> {
        let (classes, p, t) = (self.classes(), predicted.as_slice::<i64>()?, target.as_slice::<i64>()?);
        check_classes(op, p, classes)?;
        check_classes(op, t, classes)?;
        let counts = self.counts.make_mut::<i64>()?;
        p.iter().zip(t).for_each(|(&p, &t)| counts[t as usize * classes + p as usize] += 1);
        Ok(())
    }

    #[inline]
    fn classes(&self) -> usize {
        self.counts.shape()[0]
    }

    /// The counts, `(classes, classes)`, `int64`: a row for each true class, a column for each predicted one.
    #[inline]
    pub fn counts(&self) -> &Tensor {
        &self.counts
    }

    /// Of each class the rows that are right, that were predicted as it, and that are of it; and all rows.
    #[inline]
    fn sums(&self, op: &'static str) -> Result<(Vec<[f64; 3]>, f64)> {
        let (n, counts) = (self.classes(), self.counts.as_slice::<i64>()?);
        let rows = counts.iter().sum::<i64>();
        check_any(op, rows as usize)?;
        let column = |c: usize| counts[c..].iter().step_by(n).sum::<i64>();
        let row = |c: usize| counts[c * n..][..n].iter().sum::<i64>();
        let sums = (0..n).map(|c| [counts[c * n + c], column(c), row(c)].map(|x| x as f64));
        Ok((sums.collect(), rows as f64))
    }

    /// The share of rows that were predicted right.
    ///
    /// # Errors
    /// See [`ConfusionMatrix`].
    #[inline]
    pub fn accuracy(&self) -> Result<f64> {
        let (sums, rows) = self.sums("accuracy")?;
        Ok(sums.iter().map(|[right, ..]| right).sum::<f64>() / rows)
    }

    /// Precision, recall and F1 of each class, and their averages.
    ///
    /// # Errors
    /// See [`ConfusionMatrix`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// use downhill::nn::metrics::confusion_matrix;
    ///
    /// let matrix = confusion_matrix(&Tensor::from([0, 1, 1, 1]), &Tensor::from([0, 0, 1, 1]), 2)?;
    /// let scores = matrix.precision_recall_fscore()?;
    /// assert_eq!((scores.per_class[0].precision, scores.per_class[0].recall), (1.0, 0.5));
    /// assert_eq!((scores.macro_avg.recall, scores.micro_avg.recall), (0.75, 0.75));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # scikit-learn
    /// [`precision_recall_fscore_support`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.precision_recall_fscore_support.html)
    /// with `labels=range(classes)`, for each value of `average`
    #[inline]
    pub fn precision_recall_fscore(&self) -> Result<PrecisionRecallFscore> {
        self.precision_recall_fscore_with(ScoreOptions::default())
    }

    /// [`precision_recall_fscore`](Self::precision_recall_fscore) with [`ScoreOptions`].
    ///
    /// # Errors
    /// See [`ConfusionMatrix`], and [`Error::Argument`] for options out of their range.
    #[inline]
    pub fn precision_recall_fscore_with(&self, options: ScoreOptions) -> Result<PrecisionRecallFscore> {
        let (op, ScoreOptions { beta, zero_division }) = ("precision_recall_fscore", options);
        if beta.is_nan() || beta < 0.0 {
            return Err(Error::argument(op, format!("beta must be 0 or more, but got {beta}")));
        }
        if !(zero_division.is_nan() || zero_division == 0.0 || zero_division == 1.0) {
            let message = format!("zero_division must be 0, 1 or NaN, but got {zero_division}");
            return Err(Error::argument(op, message));
        }
        let (sums, rows) = self.sums(op)?;
        let ratio = |a: f64, b: f64| if b == 0.0 { zero_division } else { a / b };
        let scores = |&[right, predicted, of_it]: &[f64; 3]| {
            let (precision, recall) = (ratio(right, predicted), ratio(right, of_it));
            let b2 = beta * beta;
            let fscore = match beta {
                0.0 => precision,
                f64::INFINITY => recall,
                // From the counts: neither 0/0 nor the rounding of the two is in the way.
                _ => ratio((1.0 + b2) * right, b2 * of_it + predicted),
            };
            ClassScores { precision, recall, fscore, support: of_it as u64 }
        };
        let per_class: Vec<_> = sums.iter().map(scores).collect();
        let average = |weight: &dyn Fn(&ClassScores) -> f64| {
            let mean = |get: &dyn Fn(&ClassScores) -> f64| {
                let known = per_class.iter().filter(|s| !get(s).is_nan());
                let [mut sum, mut weights, mut plain, mut count] = [0.0; 4];
                for s in known {
                    sum += get(s) * weight(s);
                    weights += weight(s);
                    plain += get(s);
                    count += 1.0;
                }
                if weights == 0.0 { plain / count } else { sum / weights }
            };
            let [precision, recall, fscore] =
                [mean(&|s| s.precision), mean(&|s| s.recall), mean(&|s| s.fscore)];
            ClassScores { precision, recall, fscore, support: rows as u64 }
        };
        let right = sums.iter().map(|[right, ..]| right).sum();
        let (macro_avg, weighted_avg) = (average(&|_| 1.0), average(&|s| s.support as f64));
        Ok(PrecisionRecallFscore {
            macro_avg,
            weighted_avg,
            micro_avg: scores(&[right, rows, rows]),
            per_class,
        })
    }

    /// The correlation between what was predicted and what is true, in [−1, 1]: 1 is perfect, 0 no better than chance. 0 also where all
    /// rows are of one class or predicted as one.
    ///
    /// # Errors
    /// See [`ConfusionMatrix`].
    ///
    /// # scikit-learn
    /// [`matthews_corrcoef`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.matthews_corrcoef.html)
    #[inline]
    pub fn matthews_corrcoef(&self) -> Result<f64> {
        let [covariance, predicted, of_it, _] = self.covariances("matthews_corrcoef")?;
        let scale = (predicted * of_it).sqrt();
        Ok(if scale == 0.0 { 0.0 } else { covariance / scale })
    }

    /// How much more often both agree than by chance: 1 − (share of errors) / (share of errors by chance).
    ///
    /// # Errors
    /// See [`ConfusionMatrix`], and [`Error::Argument`] where chance makes no error: all rows are of one class and predicted as it.
    ///
    /// # scikit-learn
    /// [`cohen_kappa_score`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.cohen_kappa_score.html)
    #[inline]
    pub fn cohen_kappa(&self) -> Result<f64> {
        let [covariance, _, _, chance] = self.covariances("cohen_kappa")?;
        if chance == 0.0 {
            return Err(Error::argument(
                "cohen_kappa",
                "is undefined where all rows are of one class and predicted as it",
            ));
        }
        Ok(covariance / chance)
    }

    /// Times the squared number of rows: the covariance of what is predicted with what is true, of each with itself, and the errors
    /// that chance makes.
    #[inline]
    fn covariances(&self, op: &'static str) -> Result<[f64; 4]> {
        let (sums, rows) = self.sums(op)?;
        let total = |f: &dyn Fn(&[f64; 3]) -> f64| sums.iter().map(f).sum::<f64>();
        let (right, square) = (total(&|s| s[0]), rows * rows);
        let by_chance = total(&|s| s[1] * s[2]);
        let [predicted, of_it] = [total(&|s| s[1] * s[1]), total(&|s| s[2] * s[2])].map(|x| square - x);
        Ok([right * rows - by_chance, predicted, of_it, square - by_chance])
    }

    /// The scores of each class and their averages as a table, as scikit-learn prints it.
    ///
    /// # Errors
    /// See [`ConfusionMatrix`].
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// use downhill::nn::metrics::confusion_matrix;
    ///
    /// let matrix = confusion_matrix(&Tensor::from([0, 1, 1, 1]), &Tensor::from([0, 0, 1, 1]), 2)?;
    /// let lines = [
    ///     "              precision    recall  f1-score   support",
    ///     "",
    ///     "           0       1.00      0.50      0.67         2",
    ///     "           1       0.67      1.00      0.80         2",
    ///     "",
    ///     "    accuracy                           0.75         4",
    ///     "   macro avg       0.83      0.75      0.73         4",
    ///     "weighted avg       0.83      0.75      0.73         4",
    ///     "",
    /// ];
    /// assert_eq!(matrix.report()?, lines.join("\n"));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # scikit-learn
    /// [`classification_report`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.classification_report.html) with
    /// `labels=range(classes)`
    #[inline]
    pub fn report(&self) -> Result<String> {
        self.report_with(ReportOptions::default())
    }

    /// [`report`](Self::report) with [`ReportOptions`].
    ///
    /// # Errors
    /// See [`ConfusionMatrix`], and [`Error::Argument`] for another number of names than classes, more than 100 digits, and as
    /// [`precision_recall_fscore_with`](Self::precision_recall_fscore_with).
    #[inline]
    pub fn report_with(&self, options: ReportOptions<'_>) -> Result<String> {
        let (op, ReportOptions { names, digits, zero_division }) = ("classification_report", options);
        if !names.is_empty() && names.len() != self.classes() {
            let message = format!("expected {} names, one a class, but got {}", self.classes(), names.len());
            return Err(Error::argument(op, message));
        }
        if digits > 100 {
            return Err(Error::argument(op, format!("expected at most 100 digits, but got {digits}")));
        }
        let scores =
            self.precision_recall_fscore_with(ScoreOptions { zero_division, ..Default::default() })?;
        let number = |c: usize| names.get(c).map_or_else(|| c.to_string(), |name| (*name).to_string());
        let names: Vec<_> = (0..self.classes()).map(number).collect();
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let width = longest.max("weighted avg".len()).max(digits);
        let float = |x: f64| if x.is_nan() { "nan".to_string() } else { format!("{x:.digits$}") };
        let mut text = String::new();
        let mut row = |name: &str, [a, b, c, d]: [String; 4]| {
            writeln!(text, "{name:>width$}  {a:>9} {b:>9} {c:>9} {d:>9}").expect("a string");
        };
        let all =
            |s: &ClassScores| [float(s.precision), float(s.recall), float(s.fscore), s.support.to_string()];
        row("", ["precision", "recall", "f1-score", "support"].map(String::from));
        row("", Default::default());
        names.iter().zip(&scores.per_class).for_each(|(name, s)| row(name, all(s)));
        row("", Default::default());
        let [_, _, share, rows] = all(&scores.micro_avg);
        row("accuracy", [String::new(), String::new(), share, rows]);
        row("macro avg", all(&scores.macro_avg));
        row("weighted avg", all(&scores.weighted_avg));
        Ok(text.lines().flat_map(|line| [line.trim_end(), "\n"]).collect())
    }
}

/// The [`ConfusionMatrix`] of one batch.
///
/// # Errors
/// As [`ConfusionMatrix`].
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// let matrix = downhill::nn::metrics::confusion_matrix(&Tensor::from([0, 1, 1]), &Tensor::from([0, 0, 1]), 2)?;
/// assert_eq!(*matrix.counts(), Tensor::from([[1, 1], [0, 1]]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn confusion_matrix(predicted: &Tensor, target: &Tensor, classes: usize) -> Result<ConfusionMatrix> {
    let mut matrix = ConfusionMatrix::new(classes)?;
    matrix.update(predicted, target)?;
    Ok(matrix)
}

/// [`ConfusionMatrix::precision_recall_fscore`] of one batch.
///
/// # Errors
/// As [`ConfusionMatrix`].
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::nn::metrics::precision_recall_fscore;
///
/// let scores = precision_recall_fscore(&Tensor::from([0, 1, 1, 1]), &Tensor::from([0, 0, 1, 1]), 2)?;
/// assert_eq!((scores.per_class[1].fscore, scores.per_class[1].support), (0.8, 2));
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias = "precision_recall_fscore_support")]
#[doc(alias = "precision_score")]
#[doc(alias = "recall_score")]
#[doc(alias = "f1_score")]
#[doc(alias = "fbeta_score")]
#[inline]
pub fn precision_recall_fscore(
    predicted: &Tensor,
    target: &Tensor,
    classes: usize,
) -> Result<PrecisionRecallFscore> {
    confusion_matrix(predicted, target, classes)?.precision_recall_fscore()
}

/// [`ConfusionMatrix::matthews_corrcoef`] of one batch.
///
/// # Errors
/// As [`ConfusionMatrix`], whose classes are those up to the largest here.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// let r = downhill::nn::metrics::matthews_corrcoef(&Tensor::from([0, 1, 1, 1]), &Tensor::from([0, 0, 1, 1]))?;
/// assert_eq!(r, 1.0 / 3.0_f64.sqrt());
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn matthews_corrcoef(predicted: &Tensor, target: &Tensor) -> Result<f64> {
    ConfusionMatrix::of("matthews_corrcoef", predicted, target)?.matthews_corrcoef()
}

/// [`ConfusionMatrix::cohen_kappa`] of one batch.
///
/// # Errors
/// As [`ConfusionMatrix`], whose classes are those up to the largest here, and [`cohen_kappa`](ConfusionMatrix::cohen_kappa).
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// let kappa = downhill::nn::metrics::cohen_kappa(&Tensor::from([0, 1, 1, 1]), &Tensor::from([0, 0, 1, 1]))?;
/// assert_eq!(kappa, 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias = "cohen_kappa_score")]
#[inline]
pub fn cohen_kappa(predicted: &Tensor, target: &Tensor) -> Result<f64> {
    ConfusionMatrix::of("cohen_kappa", predicted, target)?.cohen_kappa()
}

/// [`ConfusionMatrix::report`] of one batch, with a name for each class.
///
/// # Errors
/// As [`ConfusionMatrix::report_with`].
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::nn::metrics::classification_report;
///
/// let text = classification_report(&Tensor::from([0, 1, 1]), &Tensor::from([0, 0, 1]), &["cat", "dog"])?;
/// assert_eq!(text.lines().nth(2), Some("         cat       1.00      0.50      0.67         2"));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn classification_report(predicted: &Tensor, target: &Tensor, names: &[&str]) -> Result<String> {
    let matrix = confusion_matrix(predicted, target, names.len())?;
    matrix.report_with(ReportOptions { names, ..Default::default() })
}
