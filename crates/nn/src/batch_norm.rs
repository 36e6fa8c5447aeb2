//! Each channel brought to mean 0 and variance 1 over the batch.

use crate::norm::{self, Rows};
use crate::norm_loops::Moments;
use crate::{Buffer, Error, Forward, Mode, Module, Parameter, Result, text};
use downhill_tensor::autograd::fused;
use downhill_tensor::{DType, IntoShape, Tensor};

/// What a printed result shows as its `grad_fn`.
const NAME: &str = "NativeBatchNormBackward0";

/// Normalises each channel over the batch, then scales and shifts it by learned parameters.
///
/// In training, mean and variance are those of the batch, and running averages of them are kept; in evaluation, the running
/// averages take their place.
///
/// # Formula
/// `y = (x − mean) / √(variance + eps) · weight + bias`, the variance without correction; `running ← (1 − momentum) · running +
/// momentum · batch`, the running variance with correction.
///
/// # Shape
/// Input and output `(N, C)` or `(N, C, L)`; parameters and averages `(C)`.
///
/// # Stability
/// Mean and variance are computed in two passes and in `f64`: nothing cancels, however far the mean is from 0.
///
/// # Errors
/// [`Error::Shape`] for an input of another shape and for a single value a channel in training, [`Error::DType`] for dtypes that
/// differ and for integers, [`Error::Argument`] for an `eps` that is not positive (in evaluation: negative).
///
/// # Examples
/// ```
/// use downhill::nn::{BatchNorm1d, Forward, Module};
/// use downhill::Tensor;
///
/// let norm = BatchNorm1d { eps: 1e-9, ..BatchNorm1d::new(2)? };
/// let x = Tensor::from([[1.0_f32, 50.0], [3.0, 40.0]]);
/// assert_eq!(norm.forward(&x)?, Tensor::from([[-1.0_f32, 1.0], [1.0, -1.0]]));
///
/// norm.eval();
/// let names: Vec<_> = norm.named_buffers().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["running_mean", "running_var", "num_batches_tracked"]);
/// assert_ne!(norm.forward(&x)?, Tensor::from([[-1.0_f32, 1.0], [1.0, -1.0]]));
///
/// let plain = BatchNorm1d { weight: None, bias: None, ..BatchNorm1d::new(2)?.without_running_stats() };
/// assert_eq!(plain.state_dict().iter().count(), 0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.BatchNorm1d`](https://docs.pytorch.org/docs/stable/generated/torch.nn.BatchNorm1d.html)
#[derive(Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct BatchNorm1d {
    /// The number of channels.
    pub num_features: usize,
    /// Added to the variance, so that equal elements are not divided by 0.
    pub eps: f64,
    /// The part of a batch in the running averages; `None` gives all batches the same part.
    pub momentum: Option<f64>,
    /// The scales, 1 at first; `None` is `affine=False`.
    pub weight: Option<Parameter>,
    /// The shifts, 0 at first.
    pub bias: Option<Parameter>,
    /// The running average of the means, 0 at first; `None` is `track_running_stats=False`.
    pub running_mean: Option<Buffer>,
    /// The running average of the variances, 1 at first.
    pub running_var: Option<Buffer>,
    /// How many batches have been averaged, an `i64`.
    pub num_batches_tracked: Option<Buffer>,
    /// Training or evaluation.
    pub mode: Mode,
}

impl BatchNorm1d {
    /// A layer in training, with parameters and running averages; `eps` is 1e-5, `momentum` 0.1.
    ///
    /// # Errors
    /// A size that is too large.
    #[inline]
    pub fn new(num_features: usize) -> Result<Self> {
        let [zeros, ones] = [downhill_tensor::zeros(num_features)?, downhill_tensor::ones(num_features)?];
        Ok(Self {
            num_features,
            eps: 1e-5,
            momentum: Some(0.1),
            weight: Some(Parameter::new(ones.clone())?),
            bias: Some(Parameter::new(zeros.clone())?),
            running_mean: Some(Buffer::new(zeros)),
            running_var: Some(Buffer::new(ones)),
            num_batches_tracked: Some(Buffer::new(Tensor::from(0_i64))),
            mode: Mode::default(),
        })
    }

    /// A layer without running averages: it normalises by the batch in evaluation, too.
    ///
    /// # Examples
    /// ```
    /// let norm = downhill::nn::BatchNorm1d::new(3)?.without_running_stats();
    /// assert!(norm.to_string().ends_with("track_running_stats=False)"));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn without_running_stats(self) -> Self {
        Self { running_mean: None, running_var: None, num_batches_tracked: None, ..self }
    }

    #[inline]
    fn options(&self) -> String {
        let momentum = self.momentum.map_or("None".to_string(), text::float);
        let flags = [self.weight.is_some(), self.bias.is_some(), self.running_mean.is_some()];
        let [affine, bias, tracks] = flags.map(text::bool);
        let (n, eps) = (self.num_features, text::float(self.eps));
        format!(
            "{n}, eps={eps}, momentum={momentum}, affine={affine}, bias={bias}, track_running_stats={tracks}"
        )
    }

    /// Counts the batch and takes its moments into the running averages.
    #[inline]
    fn track(&self, moments: &[Moments], n: usize) -> Result<()> {
        let (mut new, mut count) = (Vec::new(), 0.0);
        if let Some(tracked) = &self.num_batches_tracked {
            let more = tracked.tensor().add(1)?;
            count = more.item::<i64>()? as f64;
            new.push((tracked, more));
        }
        if let (Some(mean), Some(var), 1..) = (&self.running_mean, &self.running_var, n) {
            let part = self.momentum.unwrap_or(1.0 / count);
            let correction = n as f64 / (n as f64 - 1.0);
            let average = |running: &Buffer, batch: &dyn Fn(&Moments) -> f64| {
                let old = running.tensor();
                let mut all = old.try_to_dtype(DType::F64)?.to_vec::<f64>()?;
                all.iter_mut().zip(moments).for_each(|(x, m)| *x = (1.0 - part) * *x + part * batch(m));
                Tensor::from_vec(all, old.shape())?.try_to_dtype(old.dtype())
            };
            new.push((mean, average(mean, &|[mean, _]| *mean)?));
            new.push((var, average(var, &|[_, variance]| variance * correction)?));
        }
        // Nothing can fail any more.
        for (buffer, value) in new {
            buffer.set(value);
        }
        Ok(())
    }

    #[inline]
    fn run(&self, x: &Tensor, parameters: [Option<&Tensor>; 2]) -> Result<Tensor> {
        let running = [&self.running_mean, &self.running_var].map(|b| b.as_ref().map(Buffer::tensor));
        let training = self.mode.is_training();
        let [mean, var] = &running;
        let averages = mean.as_ref().zip(var.as_ref()).filter(|_| !training);
        self.check(x, parameters, [mean.as_ref(), var.as_ref()], averages.is_none())?;
        // Parameters and averages of shape (C, 1) where they are to broadcast to (C, …).
        let column = |t: &Tensor| t.unsqueeze(1);
        let Some((mean, var)) = averages else {
            let (y, moments) = norm::normalize(NAME, Rows::Channels, x, parameters, self.eps)?;
            if training {
                self.track(&moments, x.numel() / x.size(1)?.max(1))?;
            }
            return Ok(y);
        };
        let scale = var.add(self.eps)?.try_rsqrt()?;
        if x.dim() == 2 {
            return fixed(x, parameters, mean.clone(), scale);
        }
        let [weight, bias] = parameters.map(|t| t.map(column).transpose());
        fixed(x, [weight?.as_ref(), bias?.as_ref()], column(mean)?, column(&scale)?)
    }

    #[inline]
    fn check(
        &self,
        x: &Tensor,
        [weight, bias]: [Option<&Tensor>; 2],
        [mean, var]: [Option<&Tensor>; 2],
        by_batch: bool,
    ) -> Result<()> {
        let op = "batch_norm";
        if !(2..=3).contains(&x.dim()) {
            return Err(Error::shape(op, "an input of 2 or 3 dimensions", x.shape()));
        }
        let named = [("weight", weight), ("bias", bias), ("running_mean", mean), ("running_var", var)];
        norm::check(op, x, &x.size(1)?.into_shape(op)?, named)?;
        let eps = text::float(self.eps);
        if self.eps.is_nan() || self.eps < 0.0 {
            return Err(Error::argument(op, format!("eps must not be negative, but is {eps}")));
        }
        if by_batch && self.eps == 0.0 {
            return Err(Error::argument(
                op,
                format!("eps must be positive to normalise by a batch, but is {eps}"),
            ));
        }
        let single = x.numel() == x.size(1)? && x.size(0)? == 1;
        if by_batch && single {
            return Err(Error::shape(op, "more than one value a channel to normalise by a batch", x.shape()));
        }
        Ok(())
    }
}

impl Forward for BatchNorm1d {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(Parameter::tensor));
        self.run(x, [weight.as_ref(), bias.as_ref()])
    }
}

/// `(x − mean) · scale · weight + bias` with a constant mean and scale.
#[inline]
fn fixed(x: &Tensor, [weight, bias]: [Option<&Tensor>; 2], mean: Tensor, scale: Tensor) -> Result<Tensor> {
    let (has, none, slope) = ([weight.is_some(), bias.is_some()], Tensor::from(0.0_f32), scale.clone());
    let [w, b] = [weight, bias].map(|t| t.unwrap_or(&none));
    let unit = move |x: &Tensor| x.sub(&mean)?.mul(&scale);
    let value = norm::affine(&unit(&x.detach())?, has, [&w.detach(), &b.detach()])?;
    let define = unit.clone();
    Ok(fused(
        NAME,
        [x, w, b],
        value,
        move |i, g, [x, w, _]| match i {
            0 if has[0] => g.mul(w)?.mul(&slope),
            0 => g.mul(&slope),
            1 => g.mul(&unit(x)?),
            _ => Ok(g.clone()),
        },
        move |[x, w, b]| norm::affine(&define(x)?, has, [w, b]),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    fn numbers(n: u32) -> Vec<f64> {
        (0..n).map(|i| f64::from(i * i % 17) * 0.3 - 1.0).collect()
    }

    fn layer(training: bool) -> BatchNorm1d {
        let layer = BatchNorm1d { eps: 1e-2, ..BatchNorm1d::new(3).unwrap() };
        layer.to_dtype(DType::F64).unwrap();
        layer.running_mean.as_ref().unwrap().set(Tensor::from([0.5_f64, -1.0, 2.0]));
        layer.running_var.as_ref().unwrap().set(Tensor::from([0.5_f64, 1.0, 2.0]));
        layer.train(training);
        layer
    }

    #[test]
    fn kernels_equal_their_definitions_to_the_second_derivative() {
        let two = Tensor::from_vec(numbers(12), [4, 3]).unwrap().requires_grad_().unwrap();
        let three = Tensor::from_vec(numbers(24), [2, 3, 4]).unwrap().requires_grad_().unwrap();
        let w = Tensor::from([0.5_f64, -1.0, 2.0]).requires_grad_().unwrap();
        let b = Tensor::from([0.1_f64, 0.0, 3.0]).requires_grad_().unwrap();
        for (x, training) in [(&two, true), (&two, false), (&three, true), (&three, false)] {
            let layer = layer(training);
            // Training moves the averages, which evaluation reads.
            let [running_mean, running_var] =
                [&layer.running_mean, &layer.running_var].map(|b| b.as_ref().unwrap().tensor());
            let all: &[isize] = if x.dim() == 3 { &[0, 2] } else { &[0] };
            let shaped = |t: &Tensor| if x.dim() == 3 { t.unsqueeze(1) } else { Ok(t.clone()) };
            let definition = |t: &[Tensor], weight: bool, bias: bool| {
                let (mean, var) = if training {
                    (t[0].mean_dim(all, true)?, t[0].var_dim(all, 0.0, true)?)
                } else {
                    (shaped(&running_mean)?, shaped(&running_var)?)
                };
                let y = t[0].sub(&mean)?.div(&var.add(1e-2)?.sqrt())?;
                norm::affine(&y, [weight, bias], [&shaped(&t[1])?, &shaped(&t[2])?])
            };
            for (weight, bias) in [(true, true), (true, false), (false, false)] {
                let ours = |t: &[Tensor]| layer.run(&t[0], [weight.then(|| &t[1]), bias.then(|| &t[2])]);
                let inputs = [x.clone(), w.clone(), b.clone()];
                check::fused(ours, |t| definition(t, weight, bias), &inputs, 1e-12).unwrap();
            }
        }
    }

    #[test]
    fn averages_move_by_momentum_or_become_the_mean_of_all_batches() {
        let x = Tensor::from([[1.0_f64, 2.0, 3.0], [3.0, 2.0, 5.0]]);
        let after = |layer: &BatchNorm1d| {
            layer.forward(&x).unwrap();
            let numbers = |b: &Option<Buffer>| b.as_ref().unwrap().tensor().to_vec::<f64>().unwrap();
            (numbers(&layer.running_mean), numbers(&layer.running_var))
        };
        let quarter = BatchNorm1d { momentum: Some(0.25), ..layer(true) };
        assert_eq!(after(&quarter), (vec![0.875, -0.25, 2.5], vec![0.875, 0.75, 2.0]));
        let all = BatchNorm1d { momentum: None, ..layer(true) };
        assert_eq!(after(&all), (vec![2.0, 2.0, 4.0], vec![2.0, 0.0, 2.0]));
        assert_eq!(all.num_batches_tracked.as_ref().unwrap().tensor(), Tensor::from(1));
        // A batch of nothing is counted, but has no mean.
        let empty = layer(true);
        empty.forward(&downhill_tensor::zeros([0, 3]).unwrap().to_dtype(DType::F64)).unwrap();
        assert_eq!(empty.running_mean.unwrap().tensor(), Tensor::from([0.5_f64, -1.0, 2.0]));
        assert_eq!(empty.num_batches_tracked.unwrap().tensor(), Tensor::from(1));
    }

    #[test]
    fn misfits_are_refused_with_their_numbers() {
        let layer = BatchNorm1d::new(3).unwrap();
        assert_eq!(
            layer.to_string(),
            "BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)",
        );
        let text = |layer: &BatchNorm1d, x: &[usize]| {
            layer.forward(&downhill_tensor::zeros(x).unwrap()).unwrap_err().to_string()
        };
        assert_eq!(
            text(&layer, &[3]),
            "batch_norm: expected an input of 2 or 3 dimensions, but got shape [3]",
        );
        assert_eq!(text(&layer, &[5, 4]), "batch_norm: expected a weight of shape [4], but got shape [3]");
        assert_eq!(
            text(&layer, &[1, 3, 1]),
            "batch_norm: expected more than one value a channel to normalise by a batch, but got shape [1, 3, 1]",
        );
        let layer = BatchNorm1d { eps: 0.0, ..layer };
        assert_eq!(
            text(&layer, &[2, 3]),
            "batch_norm: eps must be positive to normalise by a batch, but is 0.0",
        );
        layer.eval();
        assert!(layer.forward(&downhill_tensor::zeros([1, 3]).unwrap()).is_ok());
        let layer = BatchNorm1d { eps: -1.0, ..layer };
        assert_eq!(text(&layer, &[2, 3]), "batch_norm: eps must not be negative, but is -1.0");
    }
}
