//! Columns brought to mean 0 and variance 1.

use crate::{Error, Result};
use downhill_tensor::{DType, Error as TensorError, Result as TensorResult, Shape, Tensor, memory};

const OP: &str = "Standardizer";

/// Brings each feature to mean 0 and variance 1: fitted on the training part, applied to the others.
///
/// # Formula
/// `(x − mean) / std`, with the mean and the standard deviation (of all entries, not of a sample of them) of each feature over dimension
/// 0, in `f64`. A feature that is constant has `std` 1. NaN stands for a missing value: it does not count, and stays what it
/// is.
///
/// # Examples
/// ```
/// use downhill::data::Standardizer;
/// use downhill::nn::StateDict;
/// use downhill::prelude::*;
///
/// let train = Tensor::from([[1.0_f32, 10.0], [3.0, 10.0]]);
/// let scaler = Standardizer::fit(&train)?;
/// assert_eq!(scaler.transform(&train)?, Tensor::from([[-1.0_f32, 0.0], [1.0, 0.0]]));
/// let test = Tensor::from([[4.0_f32, 11.0]]);
/// assert_eq!(scaler.transform(&test)?, Tensor::from([[2.0_f32, 1.0]]));
/// assert_eq!(scaler.inverse(&scaler.transform(&test)?)?, test);
///
/// // With the model in one state, and back.
/// let state: StateDict = scaler.state().into_iter().collect();
/// assert_eq!(Standardizer::from_state(state)?.transform(&test)?, scaler.transform(&test)?);
/// # Ok::<(), Error>(())
/// ```
///
/// # PyTorch
/// It has none; this is scikit-learn's
/// [`StandardScaler`](https://scikit-learn.org/stable/modules/generated/sklearn.preprocessing.StandardScaler.html).
#[doc(alias = "StandardScaler")]
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    mean: Tensor,
    std: Tensor,
}

impl Standardizer {
    /// Means and standard deviations of these entries, `[entries, features…]`.
    ///
    /// # Errors
    /// [`downhill::Error::DType`](TensorError::DType) unless they are floats, [`downhill::Error::Shape`](TensorError::Shape) without an entry,
    /// [`downhill::Error::Argument`](TensorError::Argument) for an infinite value, [`downhill::Error::Memory`](TensorError::Memory).
    #[inline]
    pub fn fit(x: &Tensor) -> Result<Self> {
        x.dtype().check_float(OP)?;
        let Some((&n @ 1.., features)) = x.shape().split_first() else {
            return Err(TensorError::shape(OP, "entries in dimension 0, at least one", x.shape()).into());
        };
        let x = x.detach().try_to_dtype(DType::F64)?.try_contiguous()?;
        let x = x.as_slice::<f64>()?;
        if let Some(infinite) = x.iter().find(|x| x.is_infinite()) {
            return Err(Error::argument(OP, format!("{infinite} has no place in a mean")));
        }
        let width = x.len() / n;
        let (mut mean, mut std) = (memory::vec(OP, 0.0, width)?, memory::vec(OP, 1.0, width)?);
        for (j, (mean, std)) in mean.iter_mut().zip(&mut std).enumerate() {
            let values = || x[j..].iter().step_by(width).copied().filter(|x| !x.is_nan());
            let count = values().count() as f64;
            if count > 0.0 {
                *mean = values().sum::<f64>() / count;
                let variance = values().map(|x| (x - *mean).powi(2)).sum::<f64>() / count;
                // What rounding leaves of a constant, as scikit-learn has it.
                let noise = count * f64::EPSILON * variance + (count * *mean * f64::EPSILON).powi(2);
                *std = if variance <= noise { 1.0 } else { variance.sqrt() };
            }
        }
        let shape = Shape::new(OP, features)?;
        Ok(Self { mean: Tensor::from_vec(mean, shape)?, std: Tensor::from_vec(std, shape)? })
    }

    /// The features' means, `f64`.
    #[inline]
    pub fn mean(&self) -> &Tensor {
        &self.mean
    }

    /// The features' standard deviations, `f64`.
    #[inline]
    pub fn std(&self) -> &Tensor {
        &self.std
    }

    /// Entries in units of standard deviations from the mean, in their own dtype.
    ///
    /// # Errors
    /// [`downhill::Error::DType`](TensorError::DType) unless they are floats, [`downhill::Error::Shape`](TensorError::Shape) for other features.
    #[inline]
    pub fn transform(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, |x| x.sub(&self.mean)?.div(&self.std))
    }

    /// What [`transform`](Self::transform) was given.
    ///
    /// # Errors
    /// As [`transform`](Self::transform).
    #[inline]
    pub fn inverse(&self, x: &Tensor) -> Result<Tensor> {
        self.apply(x, |x| x.mul(&self.std)?.add(&self.mean))
    }

    #[inline]
    fn apply(&self, x: &Tensor, f: impl Fn(Tensor) -> TensorResult<Tensor>) -> Result<Tensor> {
        x.dtype().check_float(OP)?;
        let features = self.mean.shape();
        if !x.shape().ends_with(features) {
            let expected = format!("features of shape {features} as in the fit");
            return Err(TensorError::shape(OP, expected, x.shape()).into());
        }
        Ok(f(x.try_to_dtype(DType::F64)?)?.try_to_dtype(x.dtype())?)
    }

    /// What it has learned, by name: entries of a state dict, hence of a checkpoint.
    #[inline]
    pub fn state(&self) -> [(&'static str, Tensor); 2] {
        [("mean", self.mean.clone()), ("std", self.std.clone())]
    }

    /// The one with this [`state`](Self::state).
    ///
    /// # Errors
    /// [`downhill::Error::Argument`](TensorError::Argument) unless it has the entries `mean` and `std`, floats of one shape, finite, and `std` positive.
    #[inline]
    pub fn from_state<S: AsRef<str>>(state: impl IntoIterator<Item = (S, Tensor)>) -> Result<Self> {
        let (mut mean, mut std) = (None, None);
        for (name, value) in state {
            match name.as_ref() {
                "mean" => mean = Some(value),
                "std" => std = Some(value),
                name => return Err(Error::argument(OP, format!("unexpected entry {name:?} in its state"))),
            }
        }
        let entry = |name: &str, value: Option<Tensor>| -> Result<Tensor> {
            let value =
                value.ok_or_else(|| Error::argument(OP, format!("no entry {name:?} in its state")))?;
            value.dtype().check_float(OP)?;
            Ok(value.detach().try_to_dtype(DType::F64)?)
        };
        let (mean, std) = (entry("mean", mean)?, entry("std", std)?);
        if mean.shape() != std.shape() {
            return Err(TensorError::shape(
                OP,
                format!("a std of the mean's shape {}", mean.shape()),
                std.shape(),
            )
            .into());
        }
        let (means, stds) = (mean.to_vec::<f64>()?, std.to_vec::<f64>()?);
        if let Some(x) =
            means.iter().chain(&stds).find(|x| !x.is_finite()).or(stds.iter().find(|&&x| x <= 0.0))
        {
            return Err(Error::argument(OP, format!("{x} in its state: means are finite, and stds above 0")));
        }
        Ok(Self { mean, std })
    }
}
