//! The losses, as modules and as functions: PyTorch's names and options as the library's structs.

use downhill::Tensor;
use downhill::nn::{BCELoss, CrossEntropyLoss, L1Loss, Loss, MSELoss, NLLLoss, Reduction, SmoothL1Loss};

use crate::arguments::Arguments;
use crate::report::Miss;

/// Computes the loss of this name; `None` if it is not one of these.
pub(crate) fn call(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let result = match name {
        "nn.L1Loss" | "nn.functional.l1_loss" => {
            of_two(a, |a| Ok(L1Loss { weight: a.option("weight")?, reduction: reduction(a)? }))?
        }
        "nn.MSELoss" | "nn.functional.mse_loss" => {
            of_two(a, |a| Ok(MSELoss { weight: a.option("weight")?, reduction: reduction(a)? }))?
        }
        "nn.SmoothL1Loss" | "nn.functional.smooth_l1_loss" => {
            of_two(a, |a| Ok(SmoothL1Loss { reduction: reduction(a)?, beta: a.or("beta", 1.0)? }))?
        }
        "nn.BCELoss" | "nn.functional.binary_cross_entropy" => {
            of_two(a, |a| Ok(BCELoss { weight: a.option("weight")?, reduction: reduction(a)? }))?
        }
        "nn.NLLLoss" | "nn.functional.nll_loss" => of_two(a, |a| {
            Ok(NLLLoss {
                weight: a.option("weight")?,
                ignore_index: a.or("ignore_index", -100)?,
                reduction: reduction(a)?,
            })
        })?,
        "nn.CrossEntropyLoss" | "nn.functional.cross_entropy" => of_two(a, |a| {
            Ok(CrossEntropyLoss {
                weight: a.option("weight")?,
                ignore_index: a.or("ignore_index", -100)?,
                label_smoothing: a.or("label_smoothing", 0.0)?,
                reduction: reduction(a)?,
            })
        })?,
        _ => return Ok(None),
    };
    Ok(Some(vec![result]))
}

/// A loss of an input and a target.
fn of_two<L: Loss>(
    a: &mut Arguments,
    build: impl FnOnce(&mut Arguments) -> Result<L, Miss>,
) -> Result<Tensor, Miss> {
    Ok(build(a)?.forward(&a.at(0)?, &a.at(1)?)?)
}

fn reduction(a: &mut Arguments) -> Result<Reduction, Miss> {
    let name = a.option::<String>("reduction")?;
    Ok(name.map_or(Ok(Reduction::default()), |name| name.parse())?)
}
