//! The losses by PyTorch's names, with their options.

use downhill::nn::functional::linear_cross_entropy;
use downhill::nn::loss::{AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxWithLoss};
use downhill::nn::{
    BCELoss, BCEWithLogitsLoss, CTCLoss, CosineEmbeddingLoss, CrossEntropyLoss, GaussianNLLLoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, LinearCrossEntropyOptions, Loss, MSELoss,
    MarginRankingLoss, Module, MultiLabelMarginLoss, MultiLabelSoftMarginLoss, MultiMarginLoss, NLLLoss,
    PoissonNLLLoss, SmoothL1Loss, SoftMarginLoss, TripletMarginLoss, TripletMarginWithDistanceLoss,
};
use downhill::{Error, Result, Tensor};
use serde_json::Value as Json;
use std::str::FromStr;

/// The options of a case; those that are `{"input": i}` are tensors.
pub(crate) struct Options<'a> {
    pub(crate) json: &'a Json,
    pub(crate) inputs: &'a [Tensor],
}

impl Options<'_> {
    fn number(&self, name: &str, default: f64) -> f64 {
        self.json.get(name).map_or(default, |x| x.as_f64().expect("a number"))
    }
    fn flag(&self, name: &str) -> bool {
        self.json.get(name).is_some_and(|x| x.as_bool().expect("a flag"))
    }
    fn tensor(&self, name: &str) -> Option<Tensor> {
        let at = self.json.get(name)?["input"].as_u64().expect("an input");
        Some(self.inputs[at as usize].clone())
    }
    fn reduction<R: FromStr<Err = Error> + Default>(&self) -> Result<R> {
        self.json.get("reduction").map_or(Ok(R::default()), |name| name.as_str().expect("a name").parse())
    }
}

/// The loss of this name. Where the gradients are those of parameters, these take the place of the inputs.
pub(crate) fn call(name: &str, o: &Options<'_>, x: &mut [Tensor]) -> Result<Tensor> {
    let of_two: Box<dyn Loss> = match name {
        "CrossEntropyLoss" => Box::new(CrossEntropyLoss {
            weight: o.tensor("weight"),
            label_smoothing: o.number("label_smoothing", 0.0),
            reduction: o.reduction()?,
            ..Default::default()
        }),
        "NLLLoss" => {
            Box::new(NLLLoss { weight: o.tensor("weight"), reduction: o.reduction()?, ..Default::default() })
        }
        "BCELoss" => Box::new(BCELoss { weight: o.tensor("weight"), reduction: o.reduction()? }),
        "BCEWithLogitsLoss" => Box::new(BCEWithLogitsLoss {
            weight: o.tensor("weight"),
            reduction: o.reduction()?,
            pos_weight: o.tensor("pos_weight"),
        }),
        "MSELoss" => Box::new(MSELoss { weight: o.tensor("weight"), reduction: o.reduction()? }),
        "L1Loss" => Box::new(L1Loss { weight: o.tensor("weight"), reduction: o.reduction()? }),
        "SmoothL1Loss" => Box::new(SmoothL1Loss { reduction: o.reduction()?, beta: o.number("beta", 1.0) }),
        "HuberLoss" => Box::new(HuberLoss {
            weight: o.tensor("weight"),
            reduction: o.reduction()?,
            delta: o.number("delta", 1.0),
        }),
        "KLDivLoss" => Box::new(KLDivLoss { reduction: o.reduction()?, log_target: o.flag("log_target") }),
        "PoissonNLLLoss" => Box::new(PoissonNLLLoss {
            log_input: o.json.get("log_input").is_none(),
            full: o.flag("full"),
            reduction: o.reduction()?,
            ..Default::default()
        }),
        "HingeEmbeddingLoss" => {
            Box::new(HingeEmbeddingLoss { reduction: o.reduction()?, ..Default::default() })
        }
        "SoftMarginLoss" => Box::new(SoftMarginLoss { reduction: o.reduction()? }),
        "MultiMarginLoss" => Box::new(MultiMarginLoss {
            p: o.number("p", 1.0),
            margin: o.number("margin", 1.0),
            weight: o.tensor("weight"),
            reduction: o.reduction()?,
        }),
        "MultiLabelMarginLoss" => Box::new(MultiLabelMarginLoss { reduction: o.reduction()? }),
        "MultiLabelSoftMarginLoss" => {
            Box::new(MultiLabelSoftMarginLoss { weight: o.tensor("weight"), reduction: o.reduction()? })
        }
        _ => return of_more(name, o, x),
    };
    of_two.forward(&x[0], &x[1])
}

fn of_more(name: &str, o: &Options<'_>, x: &mut [Tensor]) -> Result<Tensor> {
    Ok(match name {
        "GaussianNLLLoss" => {
            let loss =
                GaussianNLLLoss { full: o.flag("full"), reduction: o.reduction()?, ..Default::default() };
            loss.forward(&x[0], &x[1], &x[2])?
        }
        "MarginRankingLoss" => {
            let loss = MarginRankingLoss { margin: o.number("margin", 0.0), reduction: o.reduction()? };
            loss.forward(&x[0], &x[1], &x[2])?
        }
        "TripletMarginLoss" => {
            let loss = TripletMarginLoss {
                p: o.number("p", 2.0),
                swap: o.flag("swap"),
                reduction: o.reduction()?,
                ..Default::default()
            };
            loss.forward(&x[0], &x[1], &x[2])?
        }
        "TripletMarginWithDistanceLoss" => {
            let loss = TripletMarginWithDistanceLoss {
                swap: o.flag("swap"),
                reduction: o.reduction()?,
                ..Default::default()
            };
            loss.forward(&x[0], &x[1], &x[2])?
        }
        "CosineEmbeddingLoss" => {
            let loss = CosineEmbeddingLoss { margin: o.number("margin", 0.0), reduction: o.reduction()? };
            loss.forward(&x[0], &x[1], &x[2])?
        }
        "LinearCrossEntropyLoss" => {
            let options = LinearCrossEntropyOptions {
                label_smoothing: o.number("label_smoothing", 0.0),
                reduction: o.reduction()?,
                ..Default::default()
            };
            linear_cross_entropy(&x[0], &x[1], &x[2], None, &options)?
        }
        "CTCLoss" => {
            let (steps, batch) = (x[0].size(0)?, x[0].size(1)?);
            let labels = x[1].size(1)?;
            let inputs: Vec<usize> = (0..batch).map(|n| steps - n).collect();
            let targets: Vec<usize> = (0..batch).map(|n| labels - n % 3).collect();
            CTCLoss { reduction: o.reduction()?, ..Default::default() }
                .forward(&x[0], &x[1], inputs, targets)?
        }
        "AdaptiveLogSoftmaxWithLoss" => {
            let cutoffs = o.json["cutoffs"].as_array().expect("cutoffs").iter();
            let cutoffs: Vec<usize> = cutoffs.map(|c| c.as_u64().expect("a cutoff") as usize).collect();
            let options = AdaptiveLogSoftmaxOptions::default();
            let size = o.number("n_classes", 0.0) as usize;
            let layers = AdaptiveLogSoftmaxWithLoss::new(x[0].size(-1)?, size, &cutoffs, options)?;
            for ((_, parameter), x) in layers.named_parameters().into_iter().zip(&mut x[2..]) {
                parameter.to_dtype(x.dtype())?;
                parameter.set(x)?;
                *x = parameter.tensor();
            }
            layers.forward(&x[0], &x[1])?.loss
        }
        _ => return Err(Error::Argument { op: "losses", message: format!("no loss {name}") }),
    })
}
