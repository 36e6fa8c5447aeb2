//! Prints what a case of kind "repr" names.

use downhill::nn::{Forward, Module as _, Parameter};

use crate::arguments::{Arguments, tensor};
use crate::case::{Module, Named, Printed, Repr};
use crate::driver;
use crate::losses;
use crate::modules;
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
        Printed::Parameter { value, requires_grad } => {
            let value = tensor(value)?;
            if *requires_grad { Parameter::new(value)? } else { Parameter::frozen(value) }.to_string()
        }
        Printed::Module(module) => {
            let mut a = Arguments::constants(&[], &module.init)?;
            if module.class == "CTCLoss" {
                return Ok(losses::ctc(&mut a)?.repr());
            }
            if let Some(loss) = losses::with_layer(&module.class, &mut a)? {
                return Ok(loss.to_string());
            }
            let name = format!("nn.{}", module.class);
            if let Some(loss) = losses::of_two(&name, &mut a)? {
                loss.repr()
            } else if let Some(loss) = losses::of_three(&name, &mut a)? {
                loss.repr()
            } else {
                modules::build(module)?.to_string()
            }
        }
        Printed::StateDict { module, state } => loaded(module, state)?.state_dict().to_string(),
        Printed::Parameters { module, state } => {
            let parameters = loaded(module, state)?.parameters();
            let texts: Vec<_> = parameters.iter().map(ToString::to_string).collect();
            format!("[{}]", texts.join(", "))
        }
    })
}

fn loaded(module: &Module, state: &Named) -> Result<Box<dyn Forward>, Miss> {
    let module = modules::build(module)?;
    modules::load(&*module, state)?;
    Ok(module)
}
