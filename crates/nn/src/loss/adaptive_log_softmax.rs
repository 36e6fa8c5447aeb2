//! Softmax over very many classes, most of them rare.

use super::linear_cross_entropy::Sizes;
use super::rounded;
use crate::functional::linear;
use crate::{Forward, Linear, Module, Sequential, text};
use downhill_tensor::{DType, Error, Result, Shape, Tensor, memory, no_grad};

const OP: &str = "adaptive_log_softmax_with_loss";

/// The log-likelihood of classes of which few are frequent: a vocabulary.
///
/// Classes are sorted by frequency, most frequent first. The head decides among the first `cutoffs[0]` classes and one entry for
/// each cluster of rarer ones; a cluster is looked at for the rows whose target is in it only, through a narrower layer.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/adaptive_log_softmax.svg"))]
///
/// # Formula
/// With `h = ln softmax(head(x))`, which holds the frequent classes and then the clusters:
///
/// ```math
/// \ln p(c) = \begin{cases} h[c] & c < \text{cutoffs}[0] \\ h[\text{cutoffs}[0] + i] + \ln \operatorname{softmax}(\text{tail}_i(x))[c − \text{cutoffs}[i]] & c \text{ in cluster } i \end{cases}
/// ```
///
/// The loss is the mean of `−ln p(target)`. Cluster `i` passes `⌊in_features / div_valueⁱ⁺¹⌋` numbers.
///
/// # Shape
/// Input `(N, in_features)`, target `(N)` of classes; or `(in_features)` and `()`.
///
/// # Stability
/// Log-probabilities are added; no probability is formed.
///
/// # Errors
/// Cutoffs that are not increasing within `1..n_classes`; a `div_value` that is not above 0; shapes or dtypes that do not fit; a class outside of `0..n_classes`.
///
/// # Examples
/// ```
/// use downhill::nn::AdaptiveLogSoftmaxWithLoss;
/// use downhill::Tensor;
///
/// // 20 classes: 5 frequent ones, then clusters of 5 and of 10.
/// let softmax = AdaptiveLogSoftmaxWithLoss::new(16, 20, &[5, 10], Default::default())?;
/// let x = downhill::randn([4, 16])?;
/// let found = softmax.forward(&x, &Tensor::from([0, 6, 12, 19]))?;
/// found.loss.backward()?;
/// assert_eq!(found.output.shape(), &[4]);
/// assert_eq!(softmax.log_prob(&x)?.shape(), &[4, 20]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.AdaptiveLogSoftmaxWithLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveLogSoftmaxWithLoss.html),
/// after [Grave et al. 2017](https://arxiv.org/abs/1609.04309): the same parameters, drawn in the same order.
#[derive(Debug, Module)]
pub struct AdaptiveLogSoftmaxWithLoss {
    /// Scores the frequent classes and the clusters.
    pub head: Linear,
    /// For each cluster, a projection followed by the scores of its classes.
    pub tail: Vec<Sequential>,
    /// Where the clusters begin, and the number of classes.
    cutoffs: Vec<usize>,
}

/// The options of an [`AdaptiveLogSoftmaxWithLoss`].
///
/// ```
/// let options = downhill::nn::loss::AdaptiveLogSoftmaxOptions { head_bias: true, ..Default::default() };
/// assert_eq!(options.div_value, 4.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AdaptiveLogSoftmaxOptions {
    /// By how much a cluster's layer is narrower than that of the one before. Below 1 the rarest clusters have the widest layers, wider than
    /// the input and soon than memory: 0.01 makes the second one 10,000 times as wide.
    pub div_value: f64,
    /// Whether the head has a bias.
    pub head_bias: bool,
}

impl Default for AdaptiveLogSoftmaxOptions {
    #[inline]
    fn default() -> Self {
        Self { div_value: 4.0, head_bias: false }
    }
}

/// The log-likelihood of one class in each row of scores, in `f64`; few scores are converted to `f64` first.
#[inline]
fn picked(scores: &Tensor, classes: Vec<i64>) -> Result<Tensor> {
    // 32 Ki scores: 0.1 ms.
    let scores = if scores.numel() <= 1 << 15 { &scores.try_to_dtype(DType::F64)? } else { scores };
    let logs = scores.log_softmax(1)?.gather(1, &Tensor::from_slice(&classes, [classes.len(), 1])?)?;
    logs.squeeze_dim(1)?.try_to_dtype(DType::F64)
}

/// The result of [`AdaptiveLogSoftmaxWithLoss::forward`].
#[derive(Clone, Debug)]
pub struct AdaptiveLogSoftmaxOutput {
    /// The log-probability of each target.
    pub output: Tensor,
    /// Minus their mean.
    pub loss: Tensor,
}

impl AdaptiveLogSoftmaxWithLoss {
    /// Layers for these numbers of features and classes, drawn from the default generator.
    ///
    /// # Errors
    /// Cutoffs that are not increasing within `1..n_classes`; a `div_value` that is not above 0; [`Error::Memory`].
    #[inline]
    pub fn new(
        in_features: usize,
        n_classes: usize,
        cutoffs: &[usize],
        options: AdaptiveLogSoftmaxOptions,
    ) -> Result<Self> {
        let increasing = cutoffs.is_sorted_by(|a, b| a < b);
        let inside = cutoffs.iter().all(|c| (1..n_classes).contains(c));
        if cutoffs.is_empty() || !increasing || !inside {
            let message = format!("cutoffs must be increasing within 1..{n_classes}, but are {cutoffs:?}");
            return Err(Error::argument(OP, message));
        }
        let div = options.div_value;
        if div.is_nan() || div <= 0.0 {
            return Err(Error::argument(
                OP,
                format!("div_value must be above 0, but is {}", text::float(div)),
            ));
        }
        let scores = cutoffs[0] + cutoffs.len();
        let head = if options.head_bias {
            Linear::new(in_features, scores)?
        } else {
            Linear::without_bias(in_features, scores)?
        };
        let cutoffs: Vec<usize> = cutoffs.iter().copied().chain([n_classes]).collect();
        let cluster = |(i, ends): (usize, &[usize])| {
            // Python's `//` of floats: 4 // 0.1 is 39, for 0.1 is a little more than a tenth.
            let (features, divisor) = (in_features as f64, div.powf((i + 1) as f64));
            let hidden = ((features - features % divisor) / divisor).round();
            if !hidden.is_finite() {
                let message = format!("a div_value of {} makes layers of infinite width", text::float(div));
                return Err(Error::argument(OP, message));
            }
            let hidden = hidden as usize;
            let project = Linear::without_bias(in_features, hidden)?;
            Ok(Sequential::new().add(project).add(Linear::without_bias(hidden, ends[1] - ends[0])?))
        };
        let tail = cutoffs.windows(2).enumerate().map(cluster).collect::<Result<_>>()?;
        Ok(Self { head, tail, cutoffs })
    }

    /// The number of classes in the head.
    #[inline]
    fn shortlist(&self) -> usize {
        self.cutoffs[0]
    }

    /// How many classes there are.
    #[inline]
    pub fn n_classes(&self) -> usize {
        self.cutoffs[self.cutoffs.len() - 1]
    }

    /// The log-probability of each target, and the loss.
    ///
    /// # Errors
    /// See [`AdaptiveLogSoftmaxWithLoss`].
    #[inline]
    pub fn forward(&self, input: &Tensor, target: &Tensor) -> Result<AdaptiveLogSoftmaxOutput> {
        if target.dtype() != DType::I64 {
            return Err(Error::DType { op: OP, expected: "int64 class indices", got: target.dtype() });
        }
        if target.dim() > 1
            || input.dim() != target.dim() + 1
            || input.shape()[..target.dim()] != **target.shape()
        {
            let expected =
                format!("a target (N) for an input (N, C), or () for (C), here for {}", input.shape());
            return Err(Error::shape(OP, expected, target.shape()));
        }
        if target.dim() == 0 {
            let one = self.forward(&input.unsqueeze(0)?, &target.unsqueeze(0)?)?;
            return Ok(AdaptiveLogSoftmaxOutput { output: one.output.squeeze_dim(0)?, ..one });
        }
        let classes = target.try_contiguous()?;
        let classes = classes.as_slice::<i64>()?;
        let size = self.n_classes();
        if let Some(&index) = classes.iter().find(|&&c| !(0..size as i64).contains(&c)) {
            return Err(Error::Index { op: OP, index, size });
        }
        let cluster_of = |c: i64| self.cutoffs.partition_point(|&cutoff| cutoff <= c as usize);
        // Log-likelihoods are added and averaged in f64.
        let mut output = downhill_tensor::zeros(classes.len())?.try_to_dtype(DType::F64)?;
        for (i, tail) in self.tail.iter().enumerate() {
            let rows = (0..classes.len()).filter(|&r| cluster_of(classes[r]) == i + 1);
            let rows = memory::collect(OP, rows)?;
            if rows.is_empty() {
                continue;
            }
            let own = memory::collect(OP, rows.iter().map(|&r| classes[r] - self.cutoffs[i] as i64))?;
            let rows = Tensor::from_slice(&rows, rows.len())?;
            let logs = picked(&tail.forward(&input.index_select(0, &rows)?)?, own)?;
            output = output.scatter_add(0, &rows, &logs)?;
        }
        let entry = |&c: &i64| match cluster_of(c) {
            0 => c,
            i => (self.shortlist() + i - 1) as i64,
        };
        let entries = memory::collect(OP, classes.iter().map(entry))?;
        let output = output.add(&picked(&self.heads(input)?, entries)?)?;
        let loss = output.neg()?.mean()?;
        let dtype = input.dtype();
        let (output, loss) =
            (rounded("AddBackward0", &output, dtype)?, rounded("MeanBackward0", &loss, dtype)?);
        Ok(AdaptiveLogSoftmaxOutput { output, loss })
    }

    /// The head's scores; few of them are computed in `f64`.
    #[inline]
    fn heads(&self, input: &Tensor) -> Result<Tensor> {
        let weight = self.head.weight.tensor();
        let [rows, features, classes] = [input.shape().first(), input.shape().last(), weight.shape().first()]
            .map(|n| n.map_or(0, |&n| n));
        let sizes = Sizes { rows, features, classes, outputs: 1 };
        if !sizes.are_small() || weight.dtype() != input.dtype() {
            return self.head.forward(input);
        }
        let wide = |x: &Tensor| x.try_to_dtype(DType::F64);
        let bias = self.head.bias.as_ref().map(|bias| wide(&bias.tensor())).transpose()?;
        linear(&wide(input)?, &wide(&weight)?, bias.as_ref())
    }

    /// The log-probabilities of all classes, `(N, n_classes)`.
    ///
    /// # Errors
    /// An input that is not `(N, in_features)`.
    #[inline]
    pub fn log_prob(&self, input: &Tensor) -> Result<Tensor> {
        self.full(input, &self.scores(input)?)
    }

    /// The head's scores of an input.
    #[inline]
    fn scores(&self, input: &Tensor) -> Result<Tensor> {
        if input.dim() != 2 {
            return Err(Error::shape(OP, "an input of shape (N, in_features)", input.shape()));
        }
        self.head.forward(input)
    }

    /// The log-probabilities of all classes, with what the head said.
    #[inline]
    fn full(&self, input: &Tensor, scores: &Tensor) -> Result<Tensor> {
        let head = scores.log_softmax(1)?;
        let mut parts = vec![head.narrow(1, 0, self.shortlist())?];
        for (i, tail) in self.tail.iter().enumerate() {
            let cluster = head.narrow(1, (self.shortlist() + i) as i64, 1)?;
            parts.push(tail.forward(input)?.log_softmax(1)?.add(&cluster)?);
        }
        Tensor::cat(&parts, 1)
    }

    /// The most probable class of each row, `(N)`. Rows whose most probable entry of the head is a class need no cluster.
    ///
    /// # Errors
    /// As [`log_prob`](Self::log_prob).
    ///
    /// # Examples
    /// ```
    /// # use downhill::nn::AdaptiveLogSoftmaxWithLoss;
    /// let softmax = AdaptiveLogSoftmaxWithLoss::new(8, 20, &[5], Default::default())?;
    /// let x = downhill::randn([4, 8])?;
    /// assert_eq!(softmax.predict(&x)?, softmax.log_prob(&x)?.argmax(1, false)?);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn predict(&self, input: &Tensor) -> Result<Tensor> {
        no_grad(|| {
            let scores = self.scores(input)?;
            let mut best = scores.argmax(1, false)?.to_vec::<i64>()?;
            let rare = (0..best.len()).filter(|&r| best[r] >= self.shortlist() as i64);
            let rare = memory::collect(OP, rare)?;
            if !rare.is_empty() {
                let rows = Tensor::from_slice(&rare, rare.len())?;
                let logs = self.full(&input.index_select(0, &rows)?, &scores.index_select(0, &rows)?)?;
                for (r, class) in rare.into_iter().zip(logs.argmax(1, false)?.to_vec::<i64>()?) {
                    best[r] = class;
                }
            }
            let rows = Shape::new(OP, &[best.len()])?;
            Tensor::from_vec(best, rows)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    fn layers() -> Result<AdaptiveLogSoftmaxWithLoss> {
        let options = AdaptiveLogSoftmaxOptions { div_value: 2.0, head_bias: true };
        AdaptiveLogSoftmaxWithLoss::new(16, 20, &[5, 10], options)
    }

    #[test]
    fn targets_have_their_share_of_the_whole_distribution() -> Result<()> {
        let softmax = layers()?;
        softmax.to_dtype(DType::F64)?;
        let x = downhill_tensor::randn([20, 16])?.to_dtype(DType::F64).mul(3.0)?;
        let all = softmax.log_prob(&x)?;
        let mass = all.exp().sum_dim(1, false)?.sub(1.0)?.abs().max()?.item::<f64>()?;
        assert!(mass < 1e-14, "{mass}");
        let target = downhill_tensor::arange(0, 20, 1)?;
        let want = all.gather(1, &target.unsqueeze(1)?)?.squeeze_dim(1)?;
        let found = softmax.forward(&x, &target)?;
        assert!(found.output.sub(&want)?.abs().max()?.item::<f64>()? < 1e-14);
        assert_eq!(softmax.predict(&x)?, all.argmax(1, false)?);
        let one = softmax.forward(&x.select(0, 7)?, &Tensor::from(7))?;
        assert_eq!((one.output.dim(), one.output.grad_fn()), (0, Some("SqueezeBackward1")));
        assert!((one.output.item::<f64>()? - want.select(0, 7)?.item::<f64>()?).abs() < 1e-14);
        let x = x.narrow(0, 0, 4)?.requires_grad_()?;
        let loss = |x: &[Tensor]| Ok(softmax.forward(&x[0], &Tensor::from([2, 6, 19, 11]))?.loss);
        check::gradcheck(loss, std::slice::from_ref(&x))?;
        check::gradgradcheck(loss, &[x])
    }

    #[test]
    fn clusters_have_pytorchs_widths_for_any_divisor() -> Result<()> {
        // torch 2.15: [p.shape[0] for p in AdaptiveLogSoftmaxWithLoss(4, 10, [2, 5], div_value=…).tail.parameters()][::2]
        for (div_value, widths) in
            [(4.0, [1, 0]), (0.5, [8, 16]), (0.1, [39, 399]), (1.1, [3, 3]), (f64::INFINITY, [0, 0])]
        {
            let options = AdaptiveLogSoftmaxOptions { div_value, head_bias: false };
            let softmax = AdaptiveLogSoftmaxWithLoss::new(4, 10, &[2, 5], options)?;
            let found: Vec<_> = softmax.tail.iter().map(|tail| tail.parameters()[0].shape()[0]).collect();
            assert_eq!(found, widths, "{div_value}");
            assert!(
                softmax
                    .forward(&downhill_tensor::zeros([2, 4])?, &Tensor::from([3, 9]))?
                    .loss
                    .item::<f32>()?
                    > 0.0
            );
        }
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() -> Result<()> {
        let new = |cutoffs: &[usize]| {
            AdaptiveLogSoftmaxWithLoss::new(8, 20, cutoffs, AdaptiveLogSoftmaxOptions::default())
        };
        for cutoffs in [&[][..], &[0, 5], &[5, 5], &[6, 5], &[5, 20]] {
            assert_eq!(
                new(cutoffs).unwrap_err().to_string(),
                format!("{OP}: cutoffs must be increasing within 1..20, but are {cutoffs:?}")
            );
        }
        let with = |div_value: f64| {
            let options = AdaptiveLogSoftmaxOptions { div_value, head_bias: false };
            AdaptiveLogSoftmaxWithLoss::new(4, 10, &[2, 5], options)
        };
        for (div_value, shown) in [(0.0, "0.0"), (-4.0, "-4.0"), (f64::NAN, "nan")] {
            let text = with(div_value).unwrap_err().to_string();
            assert_eq!(text, format!("{OP}: div_value must be above 0, but is {shown}"));
        }
        assert!(matches!(with(1e-9), Err(Error::Memory { .. })));
        let text = with(1e-320).unwrap_err().to_string();
        assert_eq!(text, format!("{OP}: a div_value of 1e-320 makes layers of infinite width"));
        let (softmax, x) = (new(&[5])?, downhill_tensor::zeros([2, 8])?);
        let text = |x: &Tensor, target: &Tensor| softmax.forward(x, target).unwrap_err().to_string();
        assert_eq!(text(&x, &Tensor::from([0, 20])), format!("{OP}: index 20 is out of bounds for size 20"));
        assert_eq!(
            text(&x, &Tensor::from([0, 1, 2])),
            format!(
                "{OP}: expected a target (N) for an input (N, C), or () for (C), here for [2, 8], but got shape [3]"
            )
        );
        assert!(softmax.predict(&downhill_tensor::zeros(8)?).is_err());
        Ok(())
    }
}
