//! Cross-entropy of the logits of a linear layer, without the logits.

mod blocks;
mod cut;
mod stats;

use super::cross_entropy::check_options;
use super::rows::{Classes, Rows, check_weight};
use super::{CrossEntropyLoss, Loss, Reduction, rounded};
use crate::{Linear, Module};
use downhill_tensor::autograd::fused;
use downhill_tensor::{DType, Error, Float, Result, Shape, Tensor, grad_enabled, kernels};
use std::sync::{Mutex, PoisonError};

use blocks::{Blocks, Factors, Found, OP, Target};
pub(super) use cut::Sizes;

/// A linear layer and the [`CrossEntropyLoss`] of its output, computed together: the loss of language models, whose logits are larger
/// than everything else.
///
#[cfg_attr(doc, doc = include_str!("../../../pictures/linear_cross_entropy.svg"))]
///
/// # Formula
/// [`CrossEntropyLoss`]'s for the logits
///
/// ```math
/// z = x\, Wᵀ + b
/// ```
///
/// With `out_features` each row has several targets, and each of these its own part of the layer.
///
/// # Gradient
/// With `G = ∂ℓ/∂z` as there:
///
/// ```math
/// \frac{∂ℓ}{∂x} = G\, W, \qquad \frac{∂ℓ}{∂W} = Gᵀ x, \qquad \frac{∂ℓ}{∂b} = \sum_n Gₙ
/// ```
///
/// For a mean or a sum they are computed along with the loss where a gradient will be wanted; unreduced losses compute the logits
/// again.
///
/// # Shape
/// Input `(…, in_features)`; target `(…)` of class indices or `(…, num_classes)` of probabilities. With `out_features = (d₁ …)`, target
/// `(N, d₁ …)` or `(N, num_classes, d₁ …)`.
///
/// # Memory
/// Beyond the gradients and what is as large as the input, [`scratch_bytes`](LinearCrossEntropyOptions::scratch_bytes): logits are
/// computed, used and overwritten a block of rows at a time. Second derivatives are those of the definition and hold all logits.
/// `out_features` cost a copy of the weight, and one of its gradient.
///
/// # Stability
/// As [`CrossEntropyLoss`]; beyond it, `1 − p` of the target is the sum of the other probabilities and not a difference, and sums over
/// classes and rows are carried in `f64`; small problems are computed in `f64` altogether and rounded once. Ignored rows are left out before anything is computed: they take no time, and whatever they
/// hold, they contribute exactly nothing.
///
/// # Errors
/// What [`CrossEntropyLoss`] refuses; sizes that do not fit; any `ignore_index` with probabilities; several targets for an input without rows.
///
/// # Examples
/// ```
/// use downhill::nn::{LinearCrossEntropyLoss, Loss, Module};
/// use downhill::Tensor;
///
/// // 16 features, a vocabulary of 1000.
/// let loss = LinearCrossEntropyLoss::new(16, 1000, Default::default())?;
/// let x = downhill::randn([4, 16])?.requires_grad_()?;
/// let target = Tensor::from([3, 999, 0, -100]);
/// loss.forward(&x, &target)?.backward()?;
/// assert_eq!(loss.linear.weight.grad().unwrap().shape(), &[1000, 16]);
/// assert_eq!(x.grad().unwrap().select(0, 3)?, downhill::zeros(16)?); // an ignored row
/// assert_eq!(loss.named_parameters()[0].0, "linear.weight");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.LinearCrossEntropyLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LinearCrossEntropyLoss.html), which has no
/// `z_loss`, takes inputs of one or two dimensions and, with its default options, holds all logits.
#[derive(Debug, Module)]
#[module(extra_repr = Self::text)]
pub struct LinearCrossEntropyLoss {
    /// The layer; its outputs are `num_classes · d₁ · …`, classes outermost.
    pub linear: Linear,
    num_classes: usize,
    out_features: Vec<usize>,
    /// What the loss does with the logits.
    #[module(skip)]
    pub options: LinearCrossEntropyOptions,
}

/// The options of a [`LinearCrossEntropyLoss`] and of [`linear_cross_entropy`].
///
/// ```
/// let options = downhill::nn::LinearCrossEntropyOptions { label_smoothing: 0.1, ..Default::default() };
/// assert_eq!(options.ignore_index, None);
/// ```
#[derive(Clone, Debug)]
pub struct LinearCrossEntropyOptions {
    /// A factor for each class.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
    /// The target of rows that do not count; without it, −100.
    pub ignore_index: Option<i64>,
    /// The share of the target that is spread over all classes, in `[0, 1]`.
    pub label_smoothing: f64,
    /// The factor of the squared `ln Σ eˣ` that is added, as in [`CrossEntropyLoss`].
    pub z_loss: f64,
    /// The most memory, in bytes, for logits and partial sums; at least one row of a tile of classes is held. It changes results
    /// by rounding only.
    pub scratch_bytes: usize,
}

impl Default for LinearCrossEntropyOptions {
    #[inline]
    fn default() -> Self {
        Self {
            weight: None,
            reduction: Reduction::Mean,
            ignore_index: None,
            label_smoothing: 0.0,
            z_loss: 0.0,
            // 128 rows of 32,000 classes and 512 features in f32: with what else a process needs, 32 MiB above inputs and
            // gradients. 192 rows would save 5 % of the time.
            scratch_bytes: 19 << 20,
        }
    }
}

impl LinearCrossEntropyLoss {
    /// A layer without a bias, drawn from the default generator, and its loss.
    ///
    /// # Errors
    /// A weight of another size than `num_classes`, a `label_smoothing` outside of `[0, 1]`, sizes that are too large.
    #[inline]
    pub fn new(in_features: usize, num_classes: usize, options: LinearCrossEntropyOptions) -> Result<Self> {
        Self::with_outputs(in_features, num_classes, &[], false, options)
    }

    /// A layer and loss with several targets a row, with or without a bias.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{LinearCrossEntropyLoss, Loss};
    /// let loss = LinearCrossEntropyLoss::with_outputs(8, 10, &[2], true, Default::default())?;
    /// let target = downhill::Tensor::from([[0, 9], [3, 3], [7, 1]]);
    /// assert_eq!(loss.forward(&downhill::randn([3, 8])?, &target)?.dim(), 0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn with_outputs(
        in_features: usize,
        num_classes: usize,
        out_features: &[usize],
        bias: bool,
        options: LinearCrossEntropyOptions,
    ) -> Result<Self> {
        if let Some(weight) = options.weight.as_ref().filter(|w| *w.shape() != [num_classes]) {
            let expected = format!("a weight for each of {num_classes} classes");
            return Err(Error::shape(OP, expected, weight.shape()));
        }
        check_options(OP, options.label_smoothing, options.z_loss)?;
        let outputs = out_features.iter().try_fold(num_classes, |n, &d| n.checked_mul(d));
        let outputs = outputs.ok_or_else(|| {
            Error::argument(OP, format!("{num_classes} classes times {out_features:?} outputs are too many"))
        })?;
        let linear =
            if bias { Linear::new(in_features, outputs) } else { Linear::without_bias(in_features, outputs) };
        Ok(Self { linear: linear?, num_classes, out_features: out_features.to_vec(), options })
    }

    /// Features of a row of the input.
    #[inline]
    pub fn in_features(&self) -> usize {
        self.linear.weight.shape().last().copied().unwrap_or(0)
    }

    /// How many classes there are.
    #[inline]
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The shape of a row's targets; empty if there is one.
    #[inline]
    pub fn out_features(&self) -> &[usize] {
        &self.out_features
    }

    #[inline]
    fn text(&self) -> String {
        let outputs: Vec<_> = self.out_features.iter().map(ToString::to_string).collect();
        let outputs = if outputs.len() == 1 { format!("{},", outputs[0]) } else { outputs.join(", ") };
        let LinearCrossEntropyOptions { reduction, ignore_index, label_smoothing, .. } = &self.options;
        let reduction = format!("{reduction:?}").to_lowercase();
        let ignore_index = ignore_index.map_or("None".to_string(), |i| i.to_string());
        format!(
            "in_features={}, num_classes={}, out_features=({outputs}), bias={}, reduction={reduction}, \
             ignore_index={ignore_index}, label_smoothing={label_smoothing:?}, options=None",
            self.in_features(),
            self.num_classes,
            if self.linear.bias.is_some() { "True" } else { "False" },
        )
    }
}

impl Loss for LinearCrossEntropyLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let weight = self.linear.weight.tensor();
        if weight.dim() != 2 {
            return Err(Error::shape(OP, "a layer whose weight is a matrix", weight.shape()));
        }
        let mut shape = vec![self.num_classes];
        shape.extend(&self.out_features);
        let bias = self.linear.bias.as_ref().map(|b| b.tensor().reshape(&shape[..])).transpose()?;
        shape.push(self.in_features());
        let weight = weight.reshape(&shape[..])?;
        linear_cross_entropy(input, &weight, target, bias.as_ref(), &self.options)
    }
}

/// The cross-entropy of `input · linear_weightᵀ + linear_bias`; see [`LinearCrossEntropyLoss`].
///
/// # Shape
/// `linear_weight` `(num_classes, d₁ …, in_features)`, `linear_bias` without the last.
///
/// # Errors
/// What [`LinearCrossEntropyLoss`] refuses.
///
/// # Examples
/// ```
/// use downhill::nn::functional::linear_cross_entropy;
/// use downhill::Tensor;
/// let (x, w) = (Tensor::from([[1.0, 2.0]]), Tensor::from([[1.0, 0.0], [0.0, 1.0]]));
/// let loss = linear_cross_entropy(&x, &w, &Tensor::from([1]), None, &Default::default())?;
/// assert!((loss.item::<f64>()? - (-1.0_f64).exp().ln_1p()).abs() < 1e-15);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.functional.linear_cross_entropy`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear_cross_entropy.html)
#[inline]
pub fn linear_cross_entropy(
    input: &Tensor,
    linear_weight: &Tensor,
    target: &Tensor,
    linear_bias: Option<&Tensor>,
    options: &LinearCrossEntropyOptions,
) -> Result<Tensor> {
    let fit = Fit::new(input, linear_weight, target, linear_bias, options)?;
    match input.dtype() {
        DType::F64 => run::<f64>(fit, linear_weight, target, linear_bias, options),
        dtype @ DType::F32 if fit.sizes.are_small() => {
            let wide =
                |x: &Tensor| if x.dtype() == dtype { x.try_to_dtype(DType::F64) } else { Ok(x.clone()) };
            let (input, linear_weight, target) = (wide(input)?, wide(linear_weight)?, wide(target)?);
            let bias = linear_bias.map(wide).transpose()?;
            let weight = options.weight.as_ref().map(wide).transpose()?;
            let options = LinearCrossEntropyOptions { weight, ..options.clone() };
            let loss = linear_cross_entropy(&input, &linear_weight, &target, bias.as_ref(), &options)?;
            rounded(fit.name, &loss, dtype)
        }
        DType::F32 => run::<f32>(fit, linear_weight, target, linear_bias, options),
        got @ (DType::I64 | DType::Bool) => Err(Error::not_float(OP, got)),
    }
}

/// Arguments that fit.
struct Fit {
    sizes: Sizes,
    /// The input as a matrix.
    input: Tensor,
    /// The shape of an unreduced loss.
    shape: Shape,
    /// The classes, unless the targets are probabilities.
    classes: Option<Classes>,
    name: &'static str,
}

impl Fit {
    #[inline]
    fn new(
        input: &Tensor,
        linear: &Tensor,
        target: &Tensor,
        bias: Option<&Tensor>,
        options: &LinearCrossEntropyOptions,
    ) -> Result<Self> {
        check_options(OP, options.label_smoothing, options.z_loss)?;
        input.dtype().check_float(OP)?;
        Error::check_same(OP, ("input", input.dtype()), ("linear_weight", linear.dtype()))?;
        if let Some(bias) = bias {
            Error::check_same(OP, ("input", input.dtype()), ("linear_bias", bias.dtype()))?;
        }
        if input.dim() == 0 {
            return Err(Error::shape(OP, "an input of at least one dimension", input.shape()));
        }
        if linear.dim() < 2 {
            return Err(Error::shape(OP, "a linear_weight of at least two dimensions", linear.shape()));
        }
        let (lead, features) = (&input.shape()[..input.dim() - 1], input.size(-1)?);
        if linear.size(-1)? != features {
            let expected = format!(
                "a linear_weight whose last size is {features}, for an input of shape {}",
                input.shape()
            );
            return Err(Error::shape(OP, expected, linear.shape()));
        }
        let scores = &linear.shape()[..linear.dim() - 1];
        if let Some(bias) = bias.filter(|b| b.shape()[..] != *scores) {
            return Err(Error::shape(OP, format!("a linear_bias of shape {scores:?}"), bias.shape()));
        }
        let (classes, outputs) = (scores[0], &scores[1..]);
        if lead.is_empty() && !outputs.is_empty() {
            let expected =
                format!("an input of shape (N, {features}) for several targets a row, {outputs:?}");
            return Err(Error::shape(OP, expected, input.shape()));
        }
        let rows = lead.iter().product();
        let sizes = Sizes { rows, features, classes, outputs: outputs.iter().product() };
        let shape = Shape::new(OP, &[lead, outputs].concat())?;
        let dense = [lead, &scores[..1], outputs].concat();
        let of_rows = Rows { input: input.clone(), classes, shape };
        let (averaged, smooth) = (options.reduction == Reduction::Mean, options.label_smoothing > 0.0);
        let (classes, name) = if target.shape()[..] == dense[..] {
            if options.ignore_index.is_some() {
                let message = "ignore_index does not apply to class probabilities";
                return Err(Error::argument(OP, message));
            }
            // A target of the logits' shape.
            Error::check_same(OP, ("input", input.dtype()), ("target of probabilities", target.dtype()))?;
            check_weight(OP, options.weight.as_ref(), &of_rows)?;
            (None, if averaged { "DivBackward1" } else { "NegBackward0" })
        } else {
            // A single target for an input without rows.
            let single = lead.is_empty() && *target.shape() == [1];
            if *target.shape() != shape && !single {
                let expected = format!(
                    "a target of shape {shape} (or {dense:?} of probabilities) for an input of shape {}",
                    input.shape()
                );
                return Err(Error::shape(OP, expected, target.shape()));
            }
            let (weight, ignore) = (options.weight.as_ref(), options.ignore_index.unwrap_or(-100));
            let classes = Classes::new(OP, &of_rows, target, weight, ignore, options.reduction)?;
            let plain = if outputs.is_empty() { "NllLossBackward0" } else { "NllLoss2DBackward0" };
            (Some(classes), if smooth { "AddBackward0" } else { plain })
        };
        Ok(Self { sizes, input: input.reshape([rows, features])?.try_contiguous()?, shape, classes, name })
    }
}

fn run<T: Float>(
    fit: Fit,
    linear: &Tensor,
    target: &Tensor,
    bias: Option<&Tensor>,
    options: &LinearCrossEntropyOptions,
) -> Result<Tensor> {
    let Fit { sizes, input, shape, classes, name } = fit;
    let Sizes { rows, features, classes: count, outputs } = sizes;
    // Each output's layer, and its targets, as matrices of their own.
    let linear = linear.reshape([count, outputs, features])?.transpose(0, 1)?.try_contiguous()?;
    // What is not there is empty, and a constant.
    let none = || Tensor::build([0], |_: &mut [T]| ());
    let bias = match bias {
        Some(b) => b.reshape([count, outputs])?.t()?.try_contiguous()?,
        None => none()?,
    };
    let dense = match classes {
        None => target.reshape([rows, count, outputs])?.permute([2, 0, 1])?.try_contiguous()?,
        Some(_) => none()?,
    };
    let weight = options.weight.as_ref().map(Tensor::try_contiguous).transpose()?;
    let this =
        Fused { sizes, shape, classes, options: LinearCrossEntropyOptions { weight, ..options.clone() } };
    let divisors = this.divisors::<T>()?;
    let inputs = [&input, &linear, &bias, &dense];
    let wanted = inputs.map(|x| grad_enabled() && x.requires_grad());
    let early = options.reduction != Reduction::None && wanted.contains(&true);
    let Found { terms, slopes } = this
        .blocks::<T>(inputs)?
        .pass(early.then_some(Factors::Same(1.0 / divisors.0, 1.0 / divisors.1)), wanted)?;
    let value = if options.reduction == Reduction::None {
        Tensor::build(shape, |out| {
            out.iter_mut().zip(&terms).for_each(|(o, [term, drift])| *o = T::lit(term + drift));
        })?
    } else {
        let [term, drift] = terms.iter().fold([0.0; 2], |sum, term| [sum[0] + term[0], sum[1] + term[1]]);
        let drift = if options.z_loss > 0.0 { drift / divisors.1 } else { 0.0 };
        Tensor::build((), |out| out[0] = T::lit(term / divisors.0 + drift))?
    };
    let ready = Mutex::new(Ready { upstream: None, slopes });
    let definition = this.clone();
    Ok(fused(
        name,
        inputs,
        value,
        move |i, g, inputs| this.gradient::<T>(&ready, divisors, i, g, inputs),
        move |inputs| definition.define(inputs),
    ))
}

/// The checked problem, which the kernels and the definition share.
#[derive(Clone)]
struct Fused {
    sizes: Sizes,
    shape: Shape,
    classes: Option<Classes>,
    options: LinearCrossEntropyOptions,
}

/// Gradients that have been computed and not been asked for.
struct Ready {
    /// The gradient of the unreduced loss that they are for; of a reduced loss they are for 1.
    upstream: Option<Tensor>,
    slopes: [Option<Tensor>; 4],
}

impl Fused {
    /// The divisors of the summed cross-entropies and of the summed `z_loss` terms.
    fn divisors<T: Float>(&self) -> Result<(f64, f64)> {
        let all = self.shape.numel() as f64;
        if self.options.reduction != Reduction::Mean {
            return Ok((1.0, 1.0));
        }
        let Some(classes) = &self.classes else { return Ok((all, all)) };
        let count = classes.targets()?.iter().filter(|&&t| classes.class(t).is_some()).count();
        Ok((classes.divisor::<T, f64>()?, count as f64))
    }

    fn blocks<'a, T: Float>(
        &'a self,
        [input, linear, bias, dense]: [&'a Tensor; 4],
    ) -> Result<Blocks<'a, T>> {
        let smoothing = self.options.label_smoothing;
        let bias = bias.as_slice()?;
        Ok(Blocks {
            sizes: self.sizes,
            input: input.as_slice()?,
            linear: linear.as_slice()?,
            bias: (!bias.is_empty()).then_some(bias),
            target: match &self.classes {
                Some(classes) => Target::Classes(classes),
                None => Target::Probabilities(dense.as_slice()?),
            },
            weight: self.options.weight.as_ref().map(Tensor::as_slice).transpose()?,
            shares: (1.0 - smoothing, smoothing / self.sizes.classes as f64),
            z_loss: self.options.z_loss,
            budget: self.options.scratch_bytes,
        })
    }

    /// The gradient of one input, and those of the others for when they are asked for.
    fn gradient<T: Float>(
        &self,
        ready: &Mutex<Ready>,
        divisors: (f64, f64),
        i: usize,
        g: &Tensor,
        inputs: [&Tensor; 4],
    ) -> Result<Tensor> {
        let reduced = self.options.reduction != Reduction::None;
        let lock = || ready.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = {
            let mut ready = lock();
            let fits = reduced || ready.upstream.as_ref() == Some(g);
            fits.then(|| ready.slopes[i].take()).flatten()
        };
        let mut slope = if let Some(slope) = kept {
            slope
        } else {
            let each = g.try_contiguous()?;
            let factors = if reduced {
                Factors::Same(1.0 / divisors.0, 1.0 / divisors.1)
            } else {
                Factors::Each(each.as_slice::<T>()?)
            };
            let wanted = inputs.map(Tensor::requires_grad);
            let mut found = self.blocks::<T>(inputs)?.pass(Some(factors), wanted)?;
            let slope = found.slopes[i].take().ok_or(Error::NoGrad { op: OP })?;
            *lock() = Ready { upstream: (!reduced).then(|| g.clone()), slopes: found.slopes };
            slope
        };
        if reduced && g.item::<f64>()? != 1.0 {
            // In place: nobody else holds it.
            let g = g.item::<T>()?;
            kernels::update([slope.make_mut::<T>()?], [], |[s], []| [s * g]);
        }
        slope.reshape(inputs[i].shape())
    }

    /// The loss in tensor operations, from all logits.
    #[inline]
    fn define(&self, [input, linear, bias, dense]: [&Tensor; 4]) -> Result<Tensor> {
        let Sizes { rows, features, classes: count, outputs } = self.sizes;
        let mut x = input.unsqueeze(0)?.expand([outputs, rows, features])?;
        if let Some(classes) = &self.classes {
            // Ignored rows are replaced before anything is computed from them.
            let ignored = classes.ignored()?.reshape([rows, outputs])?.t()?;
            x = x.masked_fill(&ignored.unsqueeze(2)?, 0)?;
        }
        let mut logits = x.matmul(&linear.transpose(1, 2)?)?;
        if bias.numel() > 0 {
            logits = logits.add(&bias.unsqueeze(1)?)?;
        }
        let by_row = |x: &Tensor| x.transpose(0, 1)?.reshape([rows * outputs, count]);
        let target = match &self.classes {
            Some(classes) => classes.target.reshape([rows * outputs])?,
            None => by_row(dense)?,
        };
        let loss = CrossEntropyLoss {
            weight: self.options.weight.clone(),
            ignore_index: self.options.ignore_index.unwrap_or(-100),
            label_smoothing: self.options.label_smoothing,
            reduction: self.options.reduction,
            z_loss: self.options.z_loss,
        };
        let loss = loss.forward(&by_row(&logits)?, &target)?;
        if self.options.reduction == Reduction::None { loss.reshape(&self.shape) } else { Ok(loss) }
    }
}
