//! Prints what a case of kind "repr" names.

use crate::arguments::tensor;
use crate::case::{Printed, Repr};
use crate::driver;
use crate::report::Miss;

pub(crate) fn check(repr: &Repr) -> Result<(), Miss> {
    let ours = text(&repr.printed)?;
    if ours == repr.text { Ok(()) } else { Err(Miss::Wrong(format!("prints\n{ours}\nnot\n{}", repr.text))) }
}

fn text(printed: &Printed) -> Result<String, Miss> {
    Ok(match printed {
        Printed::Tensor { value, requires_grad } => {
            let value = tensor(value)?;
            if *requires_grad { value.requires_grad_()?.to_string() } else { value.to_string() }
        }
        Printed::Result(call) => {
            let outputs = driver::run(call)?.outputs;
            outputs.iter().map(ToString::to_string).collect()
        }
        _ => return Err(Miss::Absent("no modules".to_string())),
    })
}
