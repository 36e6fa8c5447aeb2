//! Numbers that were predicted against those that are true.

use super::{check_any, check_finite, extend, mean, table};
use crate::{Error, Result};
use downhill_tensor::{Tensor, memory};

/// Predictions and targets, kept over batches (16 bytes an element), and how far they are from each other.
///
/// # Shape
/// `predicted` and `target` have one shape, `(rows)` or `(rows, outputs)`; a vector and a matrix of one column are the same. Of several
/// outputs each number is the mean over them.
///
/// # Errors
/// `update`: [`Error::Shape`] and [`Error::DType`] for other tensors, [`Error::Argument`] for NaN and infinity in them, [`Error::Memory`]; then
/// nothing has been kept. The numbers: [`Error::Argument`] before any row.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::nn::metrics::RegressionMetrics;
///
/// let mut metrics = RegressionMetrics::new();
/// metrics.update(&Tensor::from([2.5_f32, 0.0]), &Tensor::from([3.0_f32, -0.5]))?;
/// metrics.update(&Tensor::from([2.0_f32, 8.0]), &Tensor::from([2.0_f32, 7.0]))?;
/// assert_eq!((metrics.mean_absolute_error()?, metrics.mean_squared_error()?), (0.5, 0.375));
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct RegressionMetrics {
    outputs: usize,
    /// Row by row, each prediction with its target.
    pairs: Vec<[f64; 2]>,
}

impl RegressionMetrics {
    /// Of no rows.
    #[inline]
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a batch.
    ///
    /// # Errors
    /// See [`RegressionMetrics`].
    #[inline]
    pub fn update(&mut self, predicted: &Tensor, target: &Tensor) -> Result<()> {
        let op = "regression_metrics";
        predicted.dtype().check_float(op)?;
        target.dtype().check_float(op)?;
        let ((p, outputs), (t, columns)) = (table(op, predicted)?, table(op, target)?);
        if columns != outputs || p.len() != t.len() {
            return Err(Error::shape(op, format!("a target of shape {}", predicted.shape()), target.shape()));
        }
        if !self.pairs.is_empty() && outputs != self.outputs {
            let expected = format!("predictions of {} outputs, as before", self.outputs);
            return Err(Error::shape(op, expected, predicted.shape()));
        }
        check_finite(op, "prediction", &p)?;
        check_finite(op, "target", &t)?;
        extend(op, &mut self.pairs, p.into_iter().zip(t).map(|(p, t)| [p, t]))?;
        self.outputs = outputs;
        Ok(())
    }

    /// The mean over outputs of what `f` makes of each one's predictions and targets.
    #[inline]
    fn mean(&self, op: &'static str, f: &dyn Fn(&[[f64; 2]]) -> Result<f64>) -> Result<f64> {
        check_any(op, self.pairs.len())?;
        let mut terms = memory::vec(op, 0.0, self.outputs)?;
        for (c, term) in terms.iter_mut().enumerate() {
            *term = f(&memory::collect(op, self.pairs.iter().skip(c).step_by(self.outputs).copied())?)?;
        }
        Ok(mean(&terms))
    }

    /// The share of the target's variance that the predictions explain, 1 − Σ(t − p)² / Σ(t − t̄)²: 1 is perfect, 0 as good as the mean. Of
    /// a constant target it is 1 for perfect predictions, else 0.
    ///
    /// # Errors
    /// See [`RegressionMetrics`], and [`Error::Argument`] for less than two rows.
    ///
    /// # scikit-learn
    /// [`r2_score`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.r2_score.html)
    #[inline]
    pub fn r2_score(&self) -> Result<f64> {
        let op = "r2_score";
        if !self.pairs.is_empty() && self.pairs.len() == self.outputs {
            return Err(Error::argument(op, "is undefined for less than two rows"));
        }
        self.mean(op, &|pairs| {
            let center = mean_of(op, pairs, &|[_, t]| t)?;
            let (unexplained, total) =
                (square(op, pairs)?, mean_of(op, pairs, &|[_, t]| (t - center).powi(2))?);
            Ok(match (unexplained == 0.0, total == 0.0) {
                (true, _) => 1.0,
                (false, true) => 0.0,
                _ => 1.0 - unexplained / total,
            })
        })
    }

    /// The mean of |t − p|.
    ///
    /// # Errors
    /// See [`RegressionMetrics`].
    ///
    /// # scikit-learn
    /// [`mean_absolute_error`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.mean_absolute_error.html)
    #[inline]
    pub fn mean_absolute_error(&self) -> Result<f64> {
        let op = "mean_absolute_error";
        self.mean(op, &|pairs| mean_of(op, pairs, &distance))
    }

    /// The mean of (t − p)².
    ///
    /// # Errors
    /// See [`RegressionMetrics`].
    ///
    /// # scikit-learn
    /// [`mean_squared_error`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.mean_squared_error.html)
    #[inline]
    pub fn mean_squared_error(&self) -> Result<f64> {
        let op = "mean_squared_error";
        self.mean(op, &|pairs| square(op, pairs))
    }

    /// The square root of the [mean squared error](Self::mean_squared_error) of each output.
    ///
    /// # Errors
    /// See [`RegressionMetrics`].
    ///
    /// # scikit-learn
    /// [`root_mean_squared_error`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.root_mean_squared_error.html)
    #[inline]
    pub fn root_mean_squared_error(&self) -> Result<f64> {
        let op = "root_mean_squared_error";
        self.mean(op, &|pairs| square(op, pairs).map(f64::sqrt))
    }

    /// The median of |t − p|, of an even number of rows the mean of the two in the middle: what few outliers do not change.
    ///
    /// # Errors
    /// See [`RegressionMetrics`].
    ///
    /// # scikit-learn
    /// [`median_absolute_error`](https://scikit-learn.org/stable/modules/generated/sklearn.metrics.median_absolute_error.html)
    #[inline]
    pub fn median_absolute_error(&self) -> Result<f64> {
        let op = "median_absolute_error";
        self.mean(op, &|pairs| {
            let mut all = memory::collect(op, pairs.iter().copied().map(distance))?;
            all.sort_unstable_by(f64::total_cmp);
            let n = all.len();
            Ok(mean(&all[(n - 1) / 2..=n / 2]))
        })
    }
}

#[inline]
fn mean_of(op: &'static str, pairs: &[[f64; 2]], f: &dyn Fn([f64; 2]) -> f64) -> Result<f64> {
    Ok(mean(&memory::collect(op, pairs.iter().map(|&pair| f(pair)))?))
}

#[inline]
fn distance([p, t]: [f64; 2]) -> f64 {
    (t - p).abs()
}

#[inline]
fn square(op: &'static str, pairs: &[[f64; 2]]) -> Result<f64> {
    mean_of(op, pairs, &|pair| distance(pair).powi(2))
}

/// The functions of one batch: each is the method of the same name.
macro_rules! of_one_batch {
    ($($name:ident $example:literal;)*) => {$(
        #[doc = concat!("[`RegressionMetrics::", stringify!($name), "`] of one batch.")]
        ///
        /// # Errors
        /// As there.
        ///
        /// # Examples
        /// ```
        /// use downhill::Tensor;
        #[doc = concat!("use downhill::nn::metrics::", stringify!($name), ";\n")]
        /// let (predicted, target) = (Tensor::from([2.5, 0.0, 2.0, 8.0]), Tensor::from([3.0, -0.5, 2.0, 7.0]));
        #[doc = concat!("assert!((", stringify!($name), "(&predicted, &target)? - ", $example, ").abs() < 1e-6);")]
        /// # Ok::<(), downhill::Error>(())
        /// ```
        pub fn $name(predicted: &Tensor, target: &Tensor) -> Result<f64> {
            let mut metrics = RegressionMetrics::new();
            metrics.update(predicted, target)?;
            metrics.$name()
        }
    )*};
}
of_one_batch! {
    r2_score "0.9486081";
    mean_absolute_error "0.5";
    mean_squared_error "0.375";
    root_mean_squared_error "0.6123724";
    median_absolute_error "0.5";
}
