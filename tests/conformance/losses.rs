//! The losses, as modules and as functions: PyTorch's names and options as the library's structs.

use downhill::nn::{
    BCELoss, BCEWithLogitsLoss, CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, LinearCrossEntropyLoss, LinearCrossEntropyOptions,
    Loss, MSELoss, MarginRankingLoss, Module, MultiLabelMarginLoss, MultiLabelSoftMarginLoss,
    MultiMarginLoss, NLLLoss, PoissonNLLLoss, Reduction, SmoothL1Loss, SoftMarginLoss, TripletMarginLoss,
    TripletMarginWithDistanceLoss, functional,
};
use downhill::{Error, Tensor};
use std::str::FromStr;

use crate::arguments::{Argument, Arguments};
use crate::report::Miss;

/// Computes the loss of this name; `None` if it is not one of these.
pub(crate) fn call(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    if let Some(loss) = of_two(name, a)? {
        return Ok(Some(vec![loss.forward(&a.at(0)?, &a.at(1)?)?]));
    }
    if let Some(loss) = of_three(name, a)? {
        return Ok(Some(vec![loss.loss(&a.at(0)?, &a.at(1)?, &a.at(2)?)?]));
    }
    if name == "nn.functional.linear_cross_entropy" {
        let (bias, options) = (a.option::<Tensor>("linear_bias")?, linear_cross_entropy(a)?);
        let loss =
            functional::linear_cross_entropy(&a.at(0)?, &a.at(1)?, &a.at(2)?, bias.as_ref(), &options)?;
        return Ok(Some(vec![loss]));
    }
    if !matches!(name, "nn.CTCLoss" | "nn.functional.ctc_loss") {
        return Ok(None);
    }
    let (loss, inputs, targets) = (ctc(a)?, lengths(a, 2)?, lengths(a, 3)?);
    Ok(Some(vec![loss.forward(&a.at(0)?, &a.at(1)?, &inputs, &targets)?]))
}

/// A loss that prints as a module.
pub(crate) trait Printed: Loss + Module {}
impl<L: Loss + Module> Printed for L {}

/// A loss of three tensors, which prints as a module.
pub(crate) trait OfThree: Module {
    fn loss(&self, a: &Tensor, b: &Tensor, c: &Tensor) -> downhill::Result<Tensor>;
}

macro_rules! of_three {
    ($($loss:ty),* $(,)?) => {$(
        impl OfThree for $loss {
            fn loss(&self, a: &Tensor, b: &Tensor, c: &Tensor) -> downhill::Result<Tensor> {
                self.forward(a, b, c)
            }
        }
    )*};
}
of_three!(
    CosineEmbeddingLoss,
    GaussianNLLLoss,
    MarginRankingLoss,
    TripletMarginLoss,
    TripletMarginWithDistanceLoss
);

/// A loss of three tensors, built with its options.
pub(crate) fn of_three(name: &str, a: &mut Arguments) -> Result<Option<Box<dyn OfThree>>, Miss> {
    Ok(Some(match name {
        "nn.GaussianNLLLoss" | "nn.functional.gaussian_nll_loss" => Box::new(GaussianNLLLoss {
            full: a.or("full", false)?,
            eps: a.or("eps", 1e-6)?,
            reduction: reduction(a)?,
        }),
        "nn.CosineEmbeddingLoss" | "nn.functional.cosine_embedding_loss" => {
            Box::new(CosineEmbeddingLoss { margin: a.or("margin", 0.0)?, reduction: reduction(a)? })
        }
        "nn.MarginRankingLoss" | "nn.functional.margin_ranking_loss" => {
            Box::new(MarginRankingLoss { margin: a.or("margin", 0.0)?, reduction: reduction(a)? })
        }
        "nn.TripletMarginLoss" | "nn.functional.triplet_margin_loss" => Box::new(TripletMarginLoss {
            margin: a.or("margin", 1.0)?,
            p: a.or("p", 2.0)?,
            eps: a.or("eps", 1e-6)?,
            swap: a.or("swap", false)?,
            reduction: reduction(a)?,
        }),
        "nn.TripletMarginWithDistanceLoss" | "nn.functional.triplet_margin_with_distance_loss" => {
            Box::new(TripletMarginWithDistanceLoss {
                margin: a.or("margin", 1.0)?,
                swap: a.or("swap", false)?,
                reduction: reduction(a)?,
                ..Default::default()
            })
        }
        _ => return Ok(None),
    }))
}

/// A loss of an input and a target, built with its options.
pub(crate) fn of_two(name: &str, a: &mut Arguments) -> Result<Option<Box<dyn Printed>>, Miss> {
    Ok(Some(match name {
        "nn.L1Loss" | "nn.functional.l1_loss" => {
            Box::new(L1Loss { weight: a.option("weight")?, reduction: reduction(a)? })
        }
        "nn.MSELoss" | "nn.functional.mse_loss" => {
            Box::new(MSELoss { weight: a.option("weight")?, reduction: reduction(a)? })
        }
        "nn.SmoothL1Loss" | "nn.functional.smooth_l1_loss" => {
            Box::new(SmoothL1Loss { reduction: reduction(a)?, beta: a.or("beta", 1.0)? })
        }
        "nn.BCELoss" | "nn.functional.binary_cross_entropy" => {
            Box::new(BCELoss { weight: a.option("weight")?, reduction: reduction(a)? })
        }
        "nn.CrossEntropyLoss" | "nn.functional.cross_entropy" => Box::new(CrossEntropyLoss {
            weight: a.option("weight")?,
            ignore_index: a.or("ignore_index", -100)?,
            label_smoothing: a.or("label_smoothing", 0.0)?,
            reduction: reduction(a)?,
            z_loss: 0.0,
        }),
        "nn.NLLLoss" | "nn.functional.nll_loss" => Box::new(NLLLoss {
            weight: a.option("weight")?,
            ignore_index: a.or("ignore_index", -100)?,
            reduction: reduction(a)?,
        }),
        "nn.BCEWithLogitsLoss" | "nn.functional.binary_cross_entropy_with_logits" => {
            Box::new(BCEWithLogitsLoss {
                weight: a.option("weight")?,
                reduction: reduction(a)?,
                pos_weight: a.option("pos_weight")?,
            })
        }
        "nn.HuberLoss" | "nn.functional.huber_loss" => Box::new(HuberLoss {
            weight: a.option("weight")?,
            reduction: reduction(a)?,
            delta: a.or("delta", 1.0)?,
        }),
        "nn.KLDivLoss" | "nn.functional.kl_div" => {
            Box::new(KLDivLoss { reduction: parsed(a)?, log_target: a.or("log_target", false)? })
        }
        "nn.PoissonNLLLoss" | "nn.functional.poisson_nll_loss" => Box::new(PoissonNLLLoss {
            log_input: a.or("log_input", true)?,
            full: a.or("full", false)?,
            eps: a.or("eps", 1e-8)?,
            reduction: reduction(a)?,
        }),
        "nn.HingeEmbeddingLoss" | "nn.functional.hinge_embedding_loss" => {
            Box::new(HingeEmbeddingLoss { margin: a.or("margin", 1.0)?, reduction: reduction(a)? })
        }
        "nn.SoftMarginLoss" | "nn.functional.soft_margin_loss" => {
            Box::new(SoftMarginLoss { reduction: reduction(a)? })
        }
        "nn.MultiMarginLoss" | "nn.functional.multi_margin_loss" => Box::new(MultiMarginLoss {
            p: a.or("p", 1.0)?,
            margin: a.or("margin", 1.0)?,
            weight: a.option("weight")?,
            reduction: reduction(a)?,
        }),
        "nn.MultiLabelMarginLoss" | "nn.functional.multilabel_margin_loss" => {
            Box::new(MultiLabelMarginLoss { reduction: reduction(a)? })
        }
        "nn.MultiLabelSoftMarginLoss" | "nn.functional.multilabel_soft_margin_loss" => {
            Box::new(MultiLabelSoftMarginLoss { weight: a.option("weight")?, reduction: reduction(a)? })
        }
        _ => return Ok(None),
    }))
}

/// A loss that owns its layer; `None` if the class is not one of these.
pub(crate) fn with_layer(class: &str, a: &mut Arguments) -> Result<Option<LinearCrossEntropyLoss>, Miss> {
    if class != "LinearCrossEntropyLoss" {
        return Ok(None);
    }
    let (features, classes) = (a.need("in_features")?, a.need("num_classes")?);
    let (outputs, bias) = (a.or("out_features", Vec::<usize>::new())?, a.or("bias", false)?);
    let options = linear_cross_entropy(a)?;
    Ok(Some(LinearCrossEntropyLoss::with_outputs(features, classes, &outputs, bias, options)?))
}

/// PyTorch's `options` change memory use and not values.
fn linear_cross_entropy(a: &mut Arguments) -> Result<LinearCrossEntropyOptions, Miss> {
    a.option::<Argument>("options")?;
    Ok(LinearCrossEntropyOptions {
        weight: a.option("weight")?,
        reduction: reduction(a)?,
        ignore_index: a.or("ignore_index", None)?,
        label_smoothing: a.or("label_smoothing", 0.0)?,
        ..Default::default()
    })
}

fn reduction(a: &mut Arguments) -> Result<Reduction, Miss> {
    parsed(a)
}

fn parsed<R: Default + FromStr<Err = Error>>(a: &mut Arguments) -> Result<R, Miss> {
    let name = a.option::<String>("reduction")?;
    Ok(name.map_or(Ok(R::default()), |name| name.parse())?)
}

pub(crate) fn ctc(a: &mut Arguments) -> Result<CTCLoss, Miss> {
    let (blank, zero_infinity) = (a.or("blank", 0)?, a.or("zero_infinity", false)?);
    Ok(CTCLoss { blank, reduction: reduction(a)?, zero_infinity })
}

/// Lengths are a tensor or an array of numbers.
fn lengths(a: &Arguments, position: usize) -> Result<Tensor, Miss> {
    a.at::<Tensor>(position).or_else(|_| Ok(Tensor::from(a.at::<Vec<i64>>(position)?)))
}
