//! The losses: each in its own file, with its formula, gradient, shapes, options and PyTorch page.
//!
//! | loss | input, target | formula of a term |
//! | --- | --- | --- |
//! | [`CrossEntropyLoss`] | logits, class indices or probabilities | `−ln softmax(x)[t]` |
//! | [`LinearCrossEntropyLoss`] | features, class indices or probabilities | `−ln softmax(x Wᵀ)[t]` |
//! | [`NLLLoss`] | log-probabilities, class indices | `−x[t]` |
//! | [`BCELoss`] | probabilities, probabilities | `−t ln x − (1−t) ln(1−x)` |
//! | [`CTCLoss`] | log-probabilities, sequences of labels | `−ln Σ p(alignment)` |
//! | [`AdaptiveLogSoftmaxWithLoss`] | features, classes of which most are rare | `−ln p(t)` |
//! | [`FocalLoss`] | logits, class indices | `−(1−p)^γ ln p`, `p = softmax(x)[t]` |
//! | [`BinaryFocalLoss`] | logits, probabilities | binary cross-entropy times `(1−p)^γ` |
//! | [`DiceLoss`] | probabilities, masks | `1 − 2Σxt / (Σx² + Σt²)` |
//! | [`MSELoss`] | numbers | `(x−t)²` |
//! | [`L1Loss`] | numbers | `\|x−t\|` |
//! | [`SmoothL1Loss`] | numbers | `(x−t)²/2β` near 0, `\|x−t\|−β/2` beyond |
//! | [`TripletMarginLoss`] | anchor, positive, negative | `max(0, margin + d(a,p) − d(a,n))` |
//! | [`TripletMarginWithDistanceLoss`] | the same | the same, with a distance of one's own |
//! | [`BCEWithLogitsLoss`] | logits, probabilities | `−t ln σ(x) − (1−t) ln σ(−x)` |
//! | [`HuberLoss`] | numbers | `(x−t)²/2` near 0, `δ(\|x−t\|−δ/2)` beyond |
//! | [`KLDivLoss`] | log-probabilities, probabilities | `t (ln t − x)` |
//! | [`PoissonNLLLoss`] | log-rates, counts | `eˣ − t x` |
//! | [`GaussianNLLLoss`] | means, numbers, variances | `½ (ln v + (x−t)²/v)` |
//! | [`HingeEmbeddingLoss`] | distances, signs | `x` or `max(0, margin−x)` |
//! | [`SoftMarginLoss`] | scores, signs | `ln(1 + e^(−t x))` |
//! | [`MarginRankingLoss`] | two scores, signs | `max(0, −t (a−b) + margin)` |
//! | [`CosineEmbeddingLoss`] | two vectors, signs | `1 − cos(a, b)` or `max(0, cos(a, b) − margin)` |
//! | [`MultiMarginLoss`] | scores, class indices | `Σ max(0, margin − x[t] + x[i])ᵖ / C` |
//! | [`MultiLabelMarginLoss`] | scores, lists of labels | the same for each label, with a margin of 1 |
//! | [`MultiLabelSoftMarginLoss`] | logits, probabilities | binary cross-entropy, averaged over the classes |
//!
//! All of them can be differentiated twice. All but [`AdaptiveLogSoftmaxWithLoss`], [`DiceLoss`] and [`FocalLoss`] are one node of the
//! graph (and a conversion to `f64` and back, if a linear cross-entropy is small): one pass over memory forward, one backward.

mod adaptive_log_softmax;
mod bce;
mod bce_with_logits;
mod cosine_embedding;
mod cross_entropy;
mod cross_entropy_dense;
mod ctc;
mod ctc_alignments;
mod dice;
mod focal;
mod gaussian_nll;
mod hinge_embedding;
mod huber;
mod kl_div;
mod l1;
mod linear_cross_entropy;
mod margin_ranking;
mod mse;
mod multi_margin;
mod multilabel_margin;
mod multilabel_soft_margin;
mod nll;
mod pointwise;
mod poisson_nll;
mod row_norm;
mod rows;
mod smooth_l1;
mod soft_margin;
mod soft_row;
mod triplet_margin;
mod triplet_margin_with_distance;

pub use adaptive_log_softmax::{
    AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxOutput, AdaptiveLogSoftmaxWithLoss,
};
pub use bce::BCELoss;
pub use bce_with_logits::BCEWithLogitsLoss;
pub use cosine_embedding::CosineEmbeddingLoss;
pub use cross_entropy::CrossEntropyLoss;
pub use ctc::{CTCLoss, Lengths};
pub use dice::DiceLoss;
pub use focal::{BinaryFocalLoss, FocalLoss};
pub use gaussian_nll::GaussianNLLLoss;
pub use hinge_embedding::HingeEmbeddingLoss;
pub use huber::HuberLoss;
pub use kl_div::{KLDivLoss, KLDivReduction};
pub use l1::L1Loss;
pub use linear_cross_entropy::{LinearCrossEntropyLoss, LinearCrossEntropyOptions, linear_cross_entropy};
pub use margin_ranking::MarginRankingLoss;
pub use mse::MSELoss;
pub use multi_margin::MultiMarginLoss;
pub use multilabel_margin::MultiLabelMarginLoss;
pub use multilabel_soft_margin::MultiLabelSoftMarginLoss;
pub use nll::NLLLoss;
pub use pointwise::{Pointwise, pointwise, pointwise_weighted};
pub use poisson_nll::PoissonNLLLoss;
pub use smooth_l1::SmoothL1Loss;
pub use soft_margin::SoftMarginLoss;
pub use triplet_margin::TripletMarginLoss;
pub use triplet_margin_with_distance::{Distance, TripletMarginWithDistanceLoss};

use downhill_tensor::autograd::edge;
use downhill_tensor::{DType, Error, Result, Tensor, memory};

/// How the terms of a loss are reduced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reduction {
    /// Terms stay as they are: one number a term.
    None,
    /// The mean of the terms. What it divides by is said at each loss.
    #[default]
    Mean,
    /// The sum of the terms.
    Sum,
}

impl Reduction {
    /// The terms, reduced.
    fn of(self, terms: Tensor) -> Result<Tensor> {
        match self {
            Self::None => Ok(terms),
            Self::Mean => terms.mean(),
            Self::Sum => terms.try_sum(),
        }
    }
}

/// A job's scratch, for which there is memory: who starts the jobs has checked.
fn scratch<T>(items: impl Iterator<Item = T>) -> Vec<T> {
    memory::collect("scratch", items).unwrap_or_else(|error| panic!("{error}"))
}

/// A result that was computed in `f64`, rounded to this dtype; `name` is its `grad_fn`.
fn rounded(name: &'static str, x: &Tensor, dtype: DType) -> Result<Tensor> {
    let wide = edge(x, &(), |g, ()| g.try_to_dtype(DType::F64));
    Ok(Tensor::from_op(name, x.detach().try_to_dtype(dtype)?, [wide]))
}

/// PyTorch's names: `"none"`, `"mean"`, `"sum"`.
///
/// ```
/// use downhill::nn::Reduction;
/// assert_eq!("sum".parse::<Reduction>()?, Reduction::Sum);
/// # Ok::<(), downhill::Error>(())
/// ```
impl std::str::FromStr for Reduction {
    type Err = Error;
    fn from_str(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Self::None),
            "mean" => Ok(Self::Mean),
            "sum" => Ok(Self::Sum),
            _ => Err(Error::argument("reduction", format!("expected none, mean or sum, but got {name:?}"))),
        }
    }
}

/// A loss of an input and a target. Losses of three tensors have a `forward` of their own.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a loss of an input and a target",
    label = "expected a loss, such as `MSELoss` or `CrossEntropyLoss`",
    note = "losses of three tensors have a `forward` of their own; by `impl Loss for` a type of your own becomes one"
)]
pub trait Loss {
    /// The loss, reduced as its options say.
    ///
    /// # Errors
    /// Shapes, dtypes, values or options that the loss does not take; see there.
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor>;
}
