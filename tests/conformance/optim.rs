//! Optimizers and their schedules: cases of the kinds "optim" and "lr".

use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};

use crate::arguments::{Arguments, array, tensor};
use crate::case::{Lr, Named, Optim, Steps, Value};
use crate::compare::compare;
use crate::driver::expected;
use crate::report::Miss;

/// The optimizer of this name, over these parameters.
pub(crate) fn build(
    name: &str,
    options: &Named,
    parameters: Vec<Parameter>,
) -> Result<Box<dyn Optimizer>, Miss> {
    let mut a = Arguments::constants(&[], options)?;
    let optimizer: Box<dyn Optimizer> = match name {
        "SGD" => {
            let d = SgdOptions::default();
            let options = SgdOptions {
                lr: a.or("lr", d.lr)?,
                momentum: a.or("momentum", d.momentum)?,
                dampening: a.or("dampening", d.dampening)?,
                weight_decay: a.or("weight_decay", d.weight_decay)?,
                nesterov: a.or("nesterov", d.nesterov)?,
                maximize: a.or("maximize", d.maximize)?,
            };
            Box::new(SGD::new(parameters, options)?)
        }
        _ => return Err(Miss::Absent("not in the library".to_string())),
    };
    a.finish()?;
    Ok(optimizer)
}

pub(crate) fn check(case: &Optim) -> Result<(), Miss> {
    let steps = match &case.expected {
        Ok(steps) => steps,
        Err(words) => {
            let parameter = Parameter::new(downhill::ones([2])?)?;
            return match build(&case.optimizer, &case.options, vec![parameter]) {
                Err(Miss::Refused(_) | Miss::Types(_)) => Ok(()),
                Err(miss) => Err(miss),
                Ok(_) => Err(Miss::Wrong(format!("an optimizer, where PyTorch says: {words}"))),
            };
        }
    };
    let parameters = steps.params.iter().map(|value| Ok(Parameter::new(stored(value)?)?));
    let parameters = parameters.collect::<Result<Vec<_>, Miss>>()?;
    let mut optimizer = build(&case.optimizer, &case.options, parameters.clone())?;
    check_steps(steps, &parameters, &mut *optimizer)
}

fn check_steps(steps: &Steps, parameters: &[Parameter], optimizer: &mut dyn Optimizer) -> Result<(), Miss> {
    for (step, (grads, after)) in steps.grads.iter().zip(&steps.after).enumerate() {
        for (parameter, grad) in parameters.iter().zip(grads) {
            let grad = match grad {
                Value::Null => None,
                grad => Some(stored(grad)?),
            };
            parameter.set_grad(grad)?;
        }
        optimizer.step()?;
        for (i, (parameter, after)) in parameters.iter().zip(after).enumerate() {
            let what = format!("parameter {i} after step {step}");
            compare(&what, &array(&parameter.tensor())?, &expected(after)?, steps.tolerance)?;
        }
    }
    Ok(())
}

fn stored(value: &Value) -> Result<downhill::Tensor, Miss> {
    match value {
        Value::Tensor(reference) => tensor(reference),
        other => Err(Miss::Wrong(format!("the corpus has {other:?} for a tensor"))),
    }
}

pub(crate) fn check_lr(_case: &Lr) -> Result<(), Miss> {
    Err(Miss::Absent("not in the library".to_string()))
}
