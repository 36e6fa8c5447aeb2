//! Optimizers and their schedules: cases of the kinds "optim" and "lr".

use downhill::nn::{
    Adagrad, AdagradOptions, Adam, AdamOptions, AdamW, AdamWOptions, Optimizer, Parameter, RMSprop,
    RMSpropOptions, SGD, SgdOptions,
};

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
    macro_rules! adam {
        ($optimizer:ident, $options:ident) => {{
            let d = $options::default();
            let betas = match a.option::<Vec<f64>>("betas")?.as_deref() {
                None => d.betas,
                Some(&[beta1, beta2]) => (beta1, beta2),
                Some(other) => return Err(Miss::types(format!("betas is {other:?}"))),
            };
            let options = $options {
                lr: a.or("lr", d.lr)?,
                betas,
                eps: a.or("eps", d.eps)?,
                weight_decay: a.or("weight_decay", d.weight_decay)?,
                amsgrad: a.or("amsgrad", d.amsgrad)?,
                maximize: a.or("maximize", d.maximize)?,
            };
            Box::new($optimizer::new(parameters, options)?)
        }};
    }
    let optimizer: Box<dyn Optimizer> = match name {
        "Adagrad" => {
            let d = AdagradOptions::default();
            let options = AdagradOptions {
                lr: a.or("lr", d.lr)?,
                lr_decay: a.or("lr_decay", d.lr_decay)?,
                weight_decay: a.or("weight_decay", d.weight_decay)?,
                initial_accumulator_value: a.or("initial_accumulator_value", d.initial_accumulator_value)?,
                eps: a.or("eps", d.eps)?,
                maximize: a.or("maximize", d.maximize)?,
            };
            Box::new(Adagrad::new(parameters, options)?)
        }
        "Adam" => adam!(Adam, AdamOptions),
        "AdamW" => adam!(AdamW, AdamWOptions),
        "RMSprop" => {
            let d = RMSpropOptions::default();
            let options = RMSpropOptions {
                lr: a.or("lr", d.lr)?,
                alpha: a.or("alpha", d.alpha)?,
                eps: a.or("eps", d.eps)?,
                weight_decay: a.or("weight_decay", d.weight_decay)?,
                momentum: a.or("momentum", d.momentum)?,
                centered: a.or("centered", d.centered)?,
                maximize: a.or("maximize", d.maximize)?,
            };
            Box::new(RMSprop::new(parameters, options)?)
        }
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
