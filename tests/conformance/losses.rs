//! The losses, as modules and as functions: PyTorch's names and options as the library's structs.

use downhill::Tensor;
use downhill::nn::{
    BCELoss, CrossEntropyLoss, L1Loss, Loss, MSELoss, Module, NLLLoss, Reduction, SmoothL1Loss,
};

use crate::arguments::Arguments;
use crate::report::Miss;

/// Computes the loss of this name; `None` if it is not one of these.
pub(crate) fn call(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let Some(loss) = of_two(name, a)? else { return Ok(None) };
    Ok(Some(vec![loss.forward(&a.at(0)?, &a.at(1)?)?]))
}

/// A loss that prints as a module.
pub(crate) trait Printed: Loss + Module {}
impl<L: Loss + Module> Printed for L {}

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
        }),
        "nn.NLLLoss" | "nn.functional.nll_loss" => Box::new(NLLLoss {
            weight: a.option("weight")?,
            ignore_index: a.or("ignore_index", -100)?,
            reduction: reduction(a)?,
        }),
        _ => return Ok(None),
    }))
}

fn reduction(a: &mut Arguments) -> Result<Reduction, Miss> {
    let name = a.option::<String>("reduction")?;
    Ok(name.map_or(Ok(Reduction::default()), |name| name.parse())?)
}
