//! Every loss and layer, with absurd options.

use super::{Call, Case, Draw, calls, check};
use downhill::nn::loss::linear_cross_entropy;
use downhill::nn::*;
use downhill::{DType, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Every loss and layer of one case.
pub(crate) fn run(bytes: &[u8]) {
    let case = Case::new(&mut Draw(bytes));
    for (name, call) in losses() {
        let run = || check(name, &[&case.a, &case.b, &case.c], || call(&case));
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| panic!("{name} panicked"));
    }
}

fn reduction(c: &Case) -> Reduction {
    [Reduction::None, Reduction::Mean, Reduction::Sum][c.count % 3]
}

/// Class indices for the rows of `a`, if it has classes.
fn classes(c: &Case) -> Tensor {
    let dim = isize::from(c.a.dim() > 1);
    c.a.detach().argmax(dim, false).unwrap_or_else(|_| c.b.to_dtype(DType::I64))
}

/// A layer whose weight and bias are any parameters.
fn linear(c: &Case) -> Linear {
    let bias = if c.flag { Some(Parameter::frozen(c.b.clone())) } else { None };
    Linear { weight: Parameter::frozen(c.c.clone()), bias }
}

fn layer(c: &Case) -> Result<LinearCrossEntropyLoss> {
    let outputs: Vec<_> = c.sizes.iter().map(|&n| n as usize).collect();
    let options = LinearCrossEntropyOptions {
        weight: c.flag.then(|| c.c.clone()),
        reduction: reduction(c),
        ignore_index: Some(c.at),
        label_smoothing: c.x,
        z_loss: c.y,
        scratch_bytes: c.count,
    };
    let features = c.a.size(-1).unwrap_or(c.count);
    LinearCrossEntropyLoss::with_outputs(
        features,
        c.count,
        if c.flag { &outputs } else { &[] },
        c.flag,
        options,
    )
}

fn with_linear(c: &Case) -> Result<LinearCrossEntropyLoss> {
    let mut loss = layer(c)?;
    loss.linear = linear(c);
    Ok(loss)
}

fn adaptive(c: &Case) -> Result<AdaptiveLogSoftmaxWithLoss> {
    let cutoffs: Vec<_> = c.sizes.iter().map(|&n| n as usize).collect();
    // Little below 1, or so little that no memory is enough.
    let div_value = if (1e-30..0.25).contains(&c.x) { 0.25 } else { c.x };
    let options = AdaptiveLogSoftmaxOptions { div_value, head_bias: c.flag };
    let features = c.a.size(-1).unwrap_or(c.count);
    match c.at {
        0 => AdaptiveLogSoftmaxWithLoss::new(features, c.count, &cutoffs, options),
        1.. => AdaptiveLogSoftmaxWithLoss::new(features, 7, &[1, 3], options),
        _ => AdaptiveLogSoftmaxWithLoss::new(features, c.at as usize, &cutoffs, options),
    }
}

pub(crate) fn losses() -> Vec<(&'static str, Call)> {
    calls!(|c|
        cross_entropy: CrossEntropyLoss {
            weight: c.flag.then(|| c.c.detach()), ignore_index: c.at, label_smoothing: c.x, reduction: reduction(c), z_loss: c.x,
        }.forward(&c.a, &c.b)?;
        cross_entropy_plain: CrossEntropyLoss { reduction: reduction(c), ..Default::default() }
            .forward(&c.a, &c.b.to_dtype(DType::Bool).to_dtype(DType::I64))?;
        cross_entropy_smooth: CrossEntropyLoss { label_smoothing: 0.1, ..Default::default() }
            .forward(&c.a, &c.a.argmax(1.min(c.a.dim() as isize - 1), false)?)?;
        nll: NLLLoss { weight: c.flag.then(|| c.c.clone()), ignore_index: c.at, reduction: reduction(c) }
            .forward(&c.a, &c.b)?;
        bce: BCELoss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c) }.forward(&c.a, &c.b)?;
        bce_unit: BCELoss { weight: None, reduction: reduction(c) }
            .forward(&c.a.sigmoid(), &c.b.to_dtype(c.a.dtype()).sigmoid())?;
        bce_with_logits: BCEWithLogitsLoss {
            weight: c.flag.then(|| c.c.clone()), reduction: reduction(c), pos_weight: (!c.flag).then(|| c.c.clone()),
        }.forward(&c.a, &c.b)?;
        mse: MSELoss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c) }.forward(&c.a, &c.b)?;
        l1: L1Loss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c) }.forward(&c.a, &c.b)?;
        smooth_l1: SmoothL1Loss { reduction: reduction(c), beta: c.x }.forward(&c.a, &c.b)?;
        huber: HuberLoss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c), delta: c.x }
            .forward(&c.a, &c.b)?;
        kl_div: KLDivLoss { log_target: c.flag, ..Default::default() }.forward(&c.a, &c.b)?;
        kl_div_batch: KLDivLoss { reduction: KLDivReduction::BatchMean, log_target: c.flag }.forward(&c.a, &c.b)?;
        poisson: PoissonNLLLoss { full: c.flag, eps: c.x, log_input: c.count > 2, reduction: reduction(c) }
            .forward(&c.a, &c.b)?;
        gaussian: GaussianNLLLoss { full: c.flag, eps: c.x, reduction: reduction(c) }.forward(&c.a, &c.b, &c.c)?;
        gaussian_positive: GaussianNLLLoss { reduction: reduction(c), ..Default::default() }
            .forward(&c.a, &c.b, &c.c.square())?;
        hinge_embedding: HingeEmbeddingLoss { margin: c.x, reduction: reduction(c) }.forward(&c.a, &c.b)?;
        soft_margin: SoftMarginLoss { reduction: reduction(c) }.forward(&c.a, &c.b)?;
        multi_margin: MultiMarginLoss {
            p: c.count as f64, margin: c.x, weight: c.flag.then(|| c.c.detach()), reduction: reduction(c),
        }.forward(&c.a, &c.b)?;
        multi_margin_plain: MultiMarginLoss { reduction: reduction(c), ..Default::default() }
            .forward(&c.a, &c.a.argmax(-1, false)?)?;
        multilabel_margin: MultiLabelMarginLoss { reduction: reduction(c) }.forward(&c.a, &c.b)?;
        multilabel_margin_plain: MultiLabelMarginLoss { reduction: reduction(c) }
            .forward(&c.a, &c.b.sign().to_dtype(DType::I64).clamp(-1, 0)?)?;
        multilabel_soft_margin: MultiLabelSoftMarginLoss {
            weight: c.flag.then(|| c.c.clone()), reduction: reduction(c),
        }.forward(&c.a, &c.b)?;
        cosine_embedding: CosineEmbeddingLoss { margin: c.x, reduction: reduction(c) }.forward(&c.a, &c.b, &c.c)?;
        cosine_embedding_plain: CosineEmbeddingLoss { margin: c.x, reduction: reduction(c) }
            .forward(&c.a, &c.b, &c.a.argmax(-1, false)?)?;
        margin_ranking: MarginRankingLoss { margin: c.x, reduction: reduction(c) }.forward(&c.a, &c.b, &c.c)?;
    focal: FocalLoss { gamma: c.x, weight: c.flag.then(|| c.c.clone()), ignore_index: c.at, reduction: reduction(c) }
            .forward(&c.a, &classes(c))?;
        focal_any: FocalLoss { gamma: c.x, reduction: reduction(c), ..Default::default() }.forward(&c.a, &c.b)?;
        binary_focal: BinaryFocalLoss { gamma: c.x, alpha: c.flag.then_some(c.y), reduction: reduction(c) }
            .forward(&c.a, &c.b)?;
        dice: DiceLoss { smooth: c.x, reduction: reduction(c) }.forward(&c.a, &c.b)?;
        triplet: TripletMarginLoss { margin: c.x, p: c.y, eps: c.at as f64, swap: c.flag, reduction: reduction(c) }
            .forward(&c.a, &c.b, &c.c)?;
        triplet_p: TripletMarginLoss { p: c.count as f64, swap: c.flag, ..Default::default() }.forward(&c.a, &c.b, &c.c)?;
        triplet_distance: TripletMarginWithDistanceLoss {
            margin: c.x, swap: c.flag, reduction: reduction(c),
            ..TripletMarginWithDistanceLoss::new(PairwiseDistance { p: c.y, eps: c.x, keepdim: false })
        }.forward(&c.a, &c.b, &c.c)?;
        pairwise_distance: PairwiseDistance { p: c.x, eps: c.y, keepdim: c.flag }.forward(&c.a, &c.b)?;
        cosine_similarity: CosineSimilarity { dim: c.dim, eps: c.x }.forward(&c.a, &c.b)?;
        linear_cross_entropy: linear_cross_entropy(
            &c.a, &c.c, &classes(c), None,
            &LinearCrossEntropyOptions { label_smoothing: c.x, z_loss: c.y, reduction: reduction(c), ..Default::default() },
        )?;
        linear_cross_entropy_layer: layer(c)?.forward(&c.a, &classes(c))?;
        linear_cross_entropy_any: with_linear(c)?.forward(&c.a, &c.b)?;
        ctc: CTCLoss { blank: c.count, reduction: reduction(c), zero_infinity: c.flag }
            .forward(&c.a, &classes(c), &c.b, &c.c)?;
        ctc_plain: CTCLoss { blank: 0, reduction: reduction(c), zero_infinity: c.flag }
            .forward(&c.a, &c.b, c.a.size(0)?, c.b.size(-1)?)?;
        adaptive: adaptive(c)?.forward(&c.a, &classes(c))?.loss;
        adaptive_all: adaptive(c)?.log_prob(&c.a)?;
        adaptive_best: adaptive(c)?.predict(&c.a)?;
        cross_entropy_weights: CrossEntropyLoss {
            weight: Some(c.c.clone()), label_smoothing: c.x.abs().min(1.0), z_loss: c.y.abs(), reduction: reduction(c), ..Default::default()
        }.forward(&c.a, &classes(c))?;
        cross_entropy_wide: CrossEntropyLoss { label_smoothing: c.x, ..Default::default() }.forward(&c.a, &c.a.softmax(1)?)?;
        bce_mixed: BCELoss { weight: Some(c.c.clone()), reduction: reduction(c) }.forward(&c.a.sigmoid(), &c.b.clamp(0, 1)?)?;
        kl_div_mixed: KLDivLoss { log_target: c.flag, ..Default::default() }.forward(&c.a, &c.b.to_dtype(c.c.dtype()))?;
        batch_norm: BatchNorm1d { eps: c.x, ..BatchNorm1d::new(c.a.size(1)?)? }.forward(&c.a)?;
        batch_norm_any: BatchNorm1d { momentum: Some(c.y), ..BatchNorm1d::new(c.count)? }.forward(&c.a)?;
        batch_norm_now: BatchNorm1d::new(c.a.size(1)?)?.without_running_stats().forward(&c.a)?;
        layer_norm: LayerNorm { eps: c.x, ..LayerNorm::new(&c.a.shape()[c.count.min(c.a.dim())..])? }.forward(&c.a)?;
        layer_norm_any: LayerNorm::new(c.b.shape())?.forward(&c.a)?;
        linear: linear(c).forward(&c.a)?;
        dropout: Dropout::new(c.x)?.forward(&c.a)?;
        embedding_layer: Embedding::new(5, c.count)?.forward(&c.a)?;
        embedding_padded: Embedding::with_padding(3, 2, c.at as isize)?.forward(&c.a.argmax(c.dim, c.flag)?)?;
        elu: functional::elu(&c.a, c.x)?; silu: functional::silu(&c.a)?; softplus: functional::softplus(&c.a, c.x, c.y)?;
        gelu: functional::gelu(&c.a)?; leaky_relu: functional::leaky_relu(&c.a, c.x)?; normalize: functional::normalize(&c.a, c.x, c.dim)?;
    )
    .into()
}
