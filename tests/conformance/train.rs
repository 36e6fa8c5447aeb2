//! Runs a whole training loop: a case of kind "train".

use downhill::Tensor;
use downhill::nn::{Forward, Loss, Module, Optimizer};

use crate::arguments::{Arguments, array, tensor};
use crate::case::{self, Train};
use crate::compare::compare;
use crate::driver::expected;
use crate::report::Miss;
use crate::{losses, modules, optim};

pub(crate) fn check(case: &Train) -> Result<(), Miss> {
    let net = modules::build(&case.net)?;
    modules::load(&*net, &case.state)?;
    let loss = loss(&case.loss)?;
    let mut optimizer = optim::build(&case.optimizer, &case.options, net.parameters())?;
    let (input, target) = (tensor(&case.input)?, tensor(&case.target)?);
    for (step, &theirs) in case.losses.iter().enumerate() {
        let ours = train(&*net, &*loss, &mut *optimizer, &input, &target)?;
        if !case.tolerance.admits(ours, theirs) {
            let difference = format!("loss of step {step} is {ours}, not {theirs} ({:?})", case.tolerance);
            return Err(Miss::Wrong(difference));
        }
    }
    let state = net.state_dict();
    for (name, theirs) in &case.after {
        let ours = state.get(name).ok_or_else(|| Miss::Wrong(format!("no {name} in the state")))?;
        compare(&format!("{name} at the end"), &array(ours)?, &expected(theirs)?, case.tolerance)?;
    }
    Ok(())
}

/// One step; the loss before it.
fn train(
    net: &dyn Forward,
    loss: &dyn Loss,
    optimizer: &mut dyn Optimizer,
    input: &Tensor,
    target: &Tensor,
) -> downhill::Result<f64> {
    optimizer.zero_grad();
    let loss = loss.forward(&net.forward(input)?, target)?;
    loss.backward()?;
    optimizer.step()?;
    loss.to_dtype(downhill::DType::F64).item()
}

fn loss(module: &case::Module) -> Result<Box<dyn losses::Printed>, Miss> {
    let mut a = Arguments::constants(&[], &module.init)?;
    let loss = losses::of_two(&format!("nn.{}", module.class), &mut a)?;
    a.finish()?;
    loss.ok_or_else(|| Miss::Absent(format!("no {}", module.class)))
}
