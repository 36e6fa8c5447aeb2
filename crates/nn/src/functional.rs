//! PyTorch's `torch.nn.functional`: the losses and layers as functions, with their default options. The options are
//! the fields of the structs, which are the same code.

pub use crate::dropout::dropout;
pub use crate::embedding::embedding;
pub use crate::layer_norm::layer_norm;
pub use crate::linear::linear;
pub use crate::loss::linear_cross_entropy;

use crate::Forward;
use crate::loss::{Lengths, Loss};
use downhill_tensor::{DType, Error, Result, Tensor};

/// A loss with its default options, as a function.
macro_rules! losses {
    ($($name:ident $loss:ident;)*) => {$(
        #[doc = concat!("[`", stringify!($loss), "`](crate::", stringify!($loss), ") with its default options.")]
        ///
        /// # Errors
        /// What the loss refuses.
        #[inline]
        pub fn $name(input: &Tensor, target: &Tensor) -> Result<Tensor> {
            crate::$loss::default().forward(input, target)
        }
    )*};
}

losses! {
    cross_entropy CrossEntropyLoss;
    nll_loss NLLLoss;
    binary_cross_entropy BCELoss;
    mse_loss MSELoss;
    l1_loss L1Loss;
    smooth_l1_loss SmoothL1Loss;
    binary_cross_entropy_with_logits BCEWithLogitsLoss;
    hinge_embedding_loss HingeEmbeddingLoss;
    huber_loss HuberLoss;
    kl_div KLDivLoss;
    poisson_nll_loss PoissonNLLLoss;
    soft_margin_loss SoftMarginLoss;
    multi_margin_loss MultiMarginLoss;
    multilabel_margin_loss MultiLabelMarginLoss;
    multilabel_soft_margin_loss MultiLabelSoftMarginLoss;
}

/// The rows along a dimension brought to length 1 in the p-norm, `x / max(‖x‖ₚ, 1e-12)`: what cosine similarity compares.
///
/// # Errors
/// [`Error::DType`] unless `x` is of floats, [`Error::Dim`] for a dimension out of range.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// use downhill::nn::functional::normalize;
///
/// let unit = normalize(&Tensor::from([[3.0_f32, 4.0], [0.0, 0.0]]), 2.0, 1)?;
/// assert_eq!(unit, Tensor::from([[0.6_f32, 0.8], [0.0, 0.0]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.functional.normalize`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.normalize.html), whose defaults are
/// `p=2` and `dim=1`
#[inline]
pub fn normalize(x: &Tensor, p: f64, dim: isize) -> Result<Tensor> {
    x.dtype().check_float("normalize")?;
    x.div(&x.norm_dim(p, dim, true)?.clamp_min(1e-12)?)
}

/// [`MarginRankingLoss`](crate::MarginRankingLoss) with its default options.
///
/// # Errors
/// What the loss refuses.
#[inline]
pub fn margin_ranking_loss(first: &Tensor, second: &Tensor, target: &Tensor) -> Result<Tensor> {
    crate::MarginRankingLoss::default().forward(first, second, target)
}

/// [`CosineEmbeddingLoss`](crate::CosineEmbeddingLoss) with its default options.
///
/// # Errors
/// What the loss refuses.
#[inline]
pub fn cosine_embedding_loss(a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
    crate::CosineEmbeddingLoss::default().forward(a, b, target)
}

/// [`GaussianNLLLoss`](crate::GaussianNLLLoss) with its default options.
///
/// # Errors
/// What the loss refuses.
#[inline]
pub fn gaussian_nll_loss(input: &Tensor, target: &Tensor, var: &Tensor) -> Result<Tensor> {
    crate::GaussianNLLLoss::default().forward(input, target, var)
}

/// [`CTCLoss`](crate::CTCLoss) with its default options.
///
/// # Errors
/// What the loss refuses.
#[inline]
pub fn ctc_loss(
    log_probs: &Tensor,
    targets: &Tensor,
    input_lengths: impl Into<Lengths>,
    target_lengths: impl Into<Lengths>,
) -> Result<Tensor> {
    crate::CTCLoss::default().forward(log_probs, targets, input_lengths, target_lengths)
}

/// [`TripletMarginLoss`](crate::TripletMarginLoss) with its default options.
///
/// # Errors
/// What the loss refuses.
#[inline]
pub fn triplet_margin_loss(anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
    crate::TripletMarginLoss::default().forward(anchor, positive, negative)
}

/// [`TripletMarginWithDistanceLoss`](crate::TripletMarginWithDistanceLoss) of this distance.
///
/// # Errors
/// What the loss refuses.
#[inline]
pub fn triplet_margin_with_distance_loss(
    anchor: &Tensor,
    positive: &Tensor,
    negative: &Tensor,
    distance_function: impl crate::Distance,
) -> Result<Tensor> {
    crate::TripletMarginWithDistanceLoss::new(distance_function).forward(anchor, positive, negative)
}

/// [`PairwiseDistance`](crate::PairwiseDistance) with its default options.
///
/// # Errors
/// What the layer refuses.
#[inline]
pub fn pairwise_distance(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    crate::PairwiseDistance::default().forward(a, b)
}

/// [`CosineSimilarity`](crate::CosineSimilarity) along dimension 1.
///
/// # Errors
/// What the layer refuses.
#[inline]
pub fn cosine_similarity(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    crate::CosineSimilarity::default().forward(a, b)
}

/// The logistic function of each element, [`Tensor::sigmoid`].
///
/// # Errors
/// None.
///
/// # Examples
/// ```
/// assert_eq!(downhill::nn::functional::sigmoid(&downhill::Tensor::from(0.0_f32))?.item::<f32>()?, 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    x.try_sigmoid()
}

/// `max(x, 0)` of each element, [`Tensor::relu`].
///
/// # Errors
/// [`Error::DType`] for booleans.
///
/// # Examples
/// ```
/// assert_eq!(downhill::nn::functional::relu(&downhill::Tensor::from([-1, 2]))?, downhill::Tensor::from([0, 2]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn relu(x: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::Bool => Err(Error::DType { op: "relu", expected: "numbers", got: DType::Bool }),
        DType::I64 | DType::F32 | DType::F64 => x.try_relu(),
    }
}

/// The hyperbolic tangent of each element, [`Tensor::tanh`].
///
/// # Errors
/// None.
///
/// # Examples
/// ```
/// assert_eq!(downhill::nn::functional::tanh(&downhill::Tensor::from(0.0_f32))?.item::<f32>()?, 0.0);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn tanh(x: &Tensor) -> Result<Tensor> {
    x.try_tanh()
}

/// The logarithm of the logistic function of each element, [`Tensor::log_sigmoid`].
///
/// # Errors
/// [`Error::DType`] unless the elements are floats.
///
/// # Examples
/// ```
/// assert_eq!(downhill::nn::functional::logsigmoid(&downhill::Tensor::from(-1000.0_f32))?.item::<f32>()?, -1000.0);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn logsigmoid(x: &Tensor) -> Result<Tensor> {
    // PyTorch's kernel has no version for integers.
    x.dtype().check_float("logsigmoid")?;
    x.try_log_sigmoid()
}

/// Probabilities from logits along a dimension, [`Tensor::softmax`].
///
/// # Errors
/// What the method refuses.
///
/// # Examples
/// ```
/// let p = downhill::nn::functional::softmax(&downhill::Tensor::from([[0.0_f32, 0.0]]), 1)?;
/// assert_eq!(p.to_vec::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn softmax(x: &Tensor, dim: isize) -> Result<Tensor> {
    x.softmax(dim)
}

/// Logarithms of probabilities from logits along a dimension, [`Tensor::log_softmax`].
///
/// # Errors
/// What the method refuses.
///
/// # Examples
/// ```
/// let p = downhill::nn::functional::log_softmax(&downhill::Tensor::from([[1e4_f32, 0.0]]), 1)?;
/// assert_eq!(p.to_vec::<f32>()?, [0.0, -1e4]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn log_softmax(x: &Tensor, dim: isize) -> Result<Tensor> {
    x.log_softmax(dim)
}

/// Dimensions `start_dim..=end_dim` as one, [`Tensor::flatten`].
///
/// # Errors
/// What the method refuses.
///
/// # Examples
/// ```
/// assert_eq!(downhill::nn::functional::flatten(&downhill::zeros([2, 3, 4])?, 1, -1)?.shape(), &[2, 12]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn flatten(x: &Tensor, start_dim: isize, end_dim: isize) -> Result<Tensor> {
    x.flatten(start_dim, end_dim)
}

/// Class indices as rows of a 1 among zeros, [`Tensor::one_hot`].
///
/// # Errors
/// What the method refuses.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// let x = downhill::nn::functional::one_hot(&Tensor::from([0, 2]), 3)?;
/// assert_eq!(x, Tensor::from([[1, 0, 0], [0, 0, 1]]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn one_hot(x: &Tensor, num_classes: impl Into<Option<usize>>) -> Result<Tensor> {
    x.one_hot(num_classes)
}

/// The exponential linear unit, [`ELU`](crate::ELU).
///
/// # Errors
/// What the layer refuses.
///
/// # Examples
/// ```
/// let x = downhill::Tensor::from([f32::NEG_INFINITY, 3.0]);
/// assert_eq!(downhill::nn::functional::elu(&x, 2.0)?, downhill::Tensor::from([-2.0_f32, 3.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn elu(x: &Tensor, alpha: f64) -> Result<Tensor> {
    crate::ELU { alpha }.forward(x)
}

/// The sigmoid linear unit, [`SiLU`](crate::SiLU).
///
/// # Errors
/// What the layer refuses.
///
/// # Examples
/// ```
/// assert_eq!(downhill::nn::functional::silu(&downhill::Tensor::from(0.0_f32))?.item::<f32>()?, 0.0);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn silu(x: &Tensor) -> Result<Tensor> {
    crate::SiLU.forward(x)
}

/// A smooth rectifier, [`Softplus`](crate::Softplus).
///
/// # Errors
/// What the layer refuses.
///
/// # Examples
/// ```
/// let x = downhill::Tensor::from([0.0_f64, 1000.0]);
/// assert_eq!(downhill::nn::functional::softplus(&x, 1.0, 20.0)?, downhill::Tensor::from([2.0_f64.ln(), 1000.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn softplus(x: &Tensor, beta: f64, threshold: f64) -> Result<Tensor> {
    crate::Softplus { beta, threshold }.forward(x)
}

/// The Gaussian error linear unit, [`GELU`](crate::GELU) without the approximation.
///
/// # Errors
/// What the layer refuses.
///
/// # Examples
/// ```
/// assert_eq!(downhill::nn::functional::gelu(&downhill::Tensor::from(10.0_f32))?.item::<f32>()?, 10.0);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    crate::GELU::default().forward(x)
}

/// The leaky rectifier, [`LeakyReLU`](crate::LeakyReLU).
///
/// # Errors
/// What the layer refuses.
///
/// # Examples
/// ```
/// let x = downhill::Tensor::from([-4.0_f32, 3.0]);
/// assert_eq!(downhill::nn::functional::leaky_relu(&x, 0.25)?, downhill::Tensor::from([-1.0_f32, 3.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn leaky_relu(x: &Tensor, negative_slope: f64) -> Result<Tensor> {
    crate::LeakyReLU { negative_slope }.forward(x)
}
