//! Optimizers and their schedules: cases of the kinds "optim" and "lr".

use downhill::Number;
use downhill::nn::optim::{
    Anneal, Better, ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, ExponentialLR, LinearLR,
    LinearLrOptions, MultiStepLR, OneCycleLR, OneCycleOptions, PerGroup, PlateauOptions, PolynomialLR,
    ReduceLROnPlateau, Schedule, StepLR, Threshold, WarmRestartsOptions,
};
use downhill::nn::{
    Adagrad, AdagradOptions, Adam, AdamOptions, AdamW, AdamWOptions, Optimizer, Parameter, RMSprop,
    RMSpropOptions, SGD, SgdOptions,
};

use crate::arguments::{Argument, Arguments, Take, array, tensor};
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

/// A schedule, stepped with the metric of an epoch.
type Stepper = Box<dyn FnMut(&mut dyn Optimizer, f64) -> downhill::Result<()>>;

fn stepper(mut schedule: impl Schedule + 'static) -> Stepper {
    Box::new(move |optimizer, _| schedule.step(optimizer))
}

fn schedule(case: &Lr, optimizer: &mut SGD) -> Result<Stepper, Miss> {
    let mut a = Arguments::constants(&[], &case.options)?;
    let schedule = match &case.scheduler[..] {
        "StepLR" => stepper(StepLR::new(a.need("step_size")?, a.or("gamma", 0.1)?)?),
        "MultiStepLR" => {
            let milestones: Vec<usize> = a.need("milestones")?;
            stepper(MultiStepLR::new(optimizer, milestones, a.or("gamma", 0.1)?)?)
        }
        "ExponentialLR" => stepper(ExponentialLR::new(a.need("gamma")?)),
        "CosineAnnealingLR" => {
            stepper(CosineAnnealingLR::new(optimizer, a.need("T_max")?, a.or("eta_min", 0.0)?)?)
        }
        "LinearLR" => {
            let d = LinearLrOptions::default();
            let options = LinearLrOptions {
                start_factor: a.or("start_factor", d.start_factor)?,
                end_factor: a.or("end_factor", d.end_factor)?,
                total_iters: a.or("total_iters", d.total_iters)?,
            };
            stepper(LinearLR::new(optimizer, options)?)
        }
        "ConstantLR" => {
            let factor = a.or("factor", 1.0 / 3.0)?;
            stepper(ConstantLR::new(optimizer, factor, a.or("total_iters", 5)?)?)
        }
        "PolynomialLR" => stepper(PolynomialLR::new(a.or("total_iters", 5)?, a.or("power", 1.0)?)),
        "CosineAnnealingWarmRestarts" => {
            let options = WarmRestartsOptions {
                t_0: a.need("T_0")?,
                t_mult: a.or("T_mult", 1)?,
                eta_min: a.or("eta_min", 0.0)?,
            };
            stepper(CosineAnnealingWarmRestarts::new(optimizer, options)?)
        }
        "OneCycleLR" => {
            let total_steps = match a.option("total_steps")?.flatten() {
                Some(steps) => steps,
                None => a.need::<usize>("epochs")? * a.need::<usize>("steps_per_epoch")?,
            };
            let max_lr = numbers(&mut a, "max_lr")?.ok_or_else(|| Miss::types("no max_lr"))?;
            let options = one_cycle(&mut a)?;
            stepper(OneCycleLR::new(optimizer, max_lr, total_steps, options)?)
        }
        "ReduceLROnPlateau" => {
            let options = plateau(&mut a)?;
            let mut schedule = ReduceLROnPlateau::new(optimizer, options)?;
            Box::new(move |optimizer: &mut dyn Optimizer, metric| schedule.step(optimizer, metric))
        }
        _ => return Err(Miss::Absent("not in the library".to_string())),
    };
    a.finish()?;
    Ok(schedule)
}

fn one_cycle(a: &mut Arguments) -> Result<OneCycleOptions, Miss> {
    let d = OneCycleOptions::default();
    Ok(OneCycleOptions {
        pct_start: match a.option("pct_start")? {
            None => d.pct_start,
            Some(Number::Float(share)) => share,
            Some(other) => return Err(Miss::types(format!("pct_start is {other:?}"))),
        },
        anneal_strategy: match a.option::<String>("anneal_strategy")?.as_deref() {
            None => d.anneal_strategy,
            Some("cos") => Anneal::Cos,
            Some("linear") => Anneal::Linear,
            Some(other) => return Err(Miss::types(format!("anneal_strategy is {other}"))),
        },
        cycle_momentum: a.or("cycle_momentum", d.cycle_momentum)?,
        base_momentum: numbers(a, "base_momentum")?.unwrap_or(d.base_momentum),
        max_momentum: numbers(a, "max_momentum")?.unwrap_or(d.max_momentum),
        div_factor: a.or("div_factor", d.div_factor)?,
        final_div_factor: a.or("final_div_factor", d.final_div_factor)?,
        three_phase: a.or("three_phase", d.three_phase)?,
    })
}

fn plateau(a: &mut Arguments) -> Result<PlateauOptions, Miss> {
    let d = PlateauOptions::default();
    Ok(PlateauOptions {
        mode: match a.option::<String>("mode")?.as_deref() {
            None => d.mode,
            Some("min") => Better::Min,
            Some("max") => Better::Max,
            Some(other) => return Err(Miss::types(format!("mode is {other}"))),
        },
        factor: a.or("factor", d.factor)?,
        patience: a.or("patience", d.patience)?,
        threshold: a.or("threshold", d.threshold)?,
        threshold_mode: match a.option::<String>("threshold_mode")?.as_deref() {
            None => d.threshold_mode,
            Some("rel") => Threshold::Rel,
            Some("abs") => Threshold::Abs,
            Some(other) => return Err(Miss::types(format!("threshold_mode is {other}"))),
        },
        cooldown: a.or("cooldown", d.cooldown)?,
        min_lr: numbers(a, "min_lr")?.unwrap_or(d.min_lr),
        eps: a.or("eps", d.eps)?,
    })
}

/// A number, or an array of one for each group.
fn numbers(a: &mut Arguments, name: &str) -> Result<Option<PerGroup>, Miss> {
    Ok(match a.option(name)? {
        None => None,
        Some(Argument::List(items)) => {
            let numbers: Option<Vec<f64>> = items.iter().map(Take::take).collect();
            Some(numbers.ok_or_else(|| Miss::types(format!("{name} is {items:?}")))?.into())
        }
        Some(one) => {
            Some(PerGroup::All(f64::take(&one).ok_or_else(|| Miss::types(format!("{name} is {one:?}")))?))
        }
    })
}

pub(crate) fn check_lr(case: &Lr) -> Result<(), Miss> {
    let parameter = Parameter::new(downhill::ones([2])?)?;
    let options = SgdOptions { lr: case.base, momentum: case.momentum.unwrap_or(0.0), ..Default::default() };
    let mut optimizer = SGD::new([parameter], options)?;
    let made = schedule(case, &mut optimizer);
    let rates = match &case.expected {
        Ok(rates) => rates,
        Err(words) => {
            return match made {
                Err(Miss::Refused(_) | Miss::Types(_)) => Ok(()),
                Err(miss) => Err(miss),
                Ok(_) => Err(Miss::Wrong(format!("a schedule, where PyTorch says: {words}"))),
            };
        }
    };
    let mut step = made?;
    for (i, &lr) in rates.lrs.iter().enumerate() {
        if i > 0 {
            step(&mut optimizer, rates.metrics.get(i - 1).copied().unwrap_or(0.0))?;
        }
        let check = |what: &str, ours: f64, theirs: f64| {
            if rates.tolerance.admits(ours, theirs) {
                return Ok(());
            }
            Err(Miss::Wrong(format!("{what} {i} is {ours}, not {theirs} ({:?})", rates.tolerance)))
        };
        check("learning rate", optimizer.lr(), lr)?;
        if let Some(&momentum) = rates.momenta.get(i) {
            check("momentum", optimizer.options()[0].momentum, momentum)?;
        }
    }
    Ok(())
}
