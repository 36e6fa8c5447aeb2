//! States of modules and optimizers, loaded into others.

use super::{Draw, message};
use downhill::Result;
use downhill::nn::optim::{Adagrad, AdagradOptions, RMSprop, RMSpropOptions};
use downhill::nn::*;

fn net() -> Result<Sequential> {
    Ok(Sequential::new().add(Linear::new(2, 3)?).add(BatchNorm1d::new(3)?).add(Linear::new(3, 1)?))
}

fn optimizer(d: &mut Draw<'_>, p: Vec<Parameter>) -> Result<Box<dyn Optimizer>> {
    let [x, y] = [d.number(), d.number()];
    Ok(match d.byte() % 5 {
        0 => Box::new(SGD::new(p, SgdOptions { momentum: x, weight_decay: y, ..Default::default() })?),
        1 => Box::new(Adam::new(p, AdamOptions { lr: x, amsgrad: d.flag(), ..Default::default() })?),
        2 => Box::new(AdamW::new(p, AdamWOptions { eps: y, ..Default::default() })?),
        3 => Box::new(RMSprop::new(
            p,
            RMSpropOptions { centered: d.flag(), momentum: x, ..Default::default() },
        )?),
        _ => Box::new(Adagrad::new(p, AdagradOptions { lr_decay: x, ..Default::default() })?),
    })
}

/// The state with entries taken out, renamed, or of another value.
fn changed(d: &mut Draw<'_>, state: StateDict) -> StateDict {
    let mut new = StateDict::new();
    for (name, value) in state {
        match d.byte() {
            0..=7 => {}
            8..=11 => new.insert(format!("{name}.more"), value),
            12..=19 => {
                let shape = if d.flag() { value.shape().to_vec() } else { d.shape() };
                new.insert(name, d.tensor(&shape));
            }
            _ => new.insert(name, value),
        }
    }
    new
}

fn step(net: &Sequential, optimizer: &mut dyn Optimizer) -> Result<()> {
    optimizer.zero_grad();
    net.forward(&downhill::ones([4, 2])?)?.square().mean()?.backward()?;
    optimizer.step()
}

/// What is refused leaves the state as it was; what is taken can be gone on from.
fn load(d: &mut Draw<'_>) -> Result<()> {
    let net = net()?;
    let mut ours = optimizer(d, net.parameters())?;
    step(&net, &mut *ours)?;
    let mut theirs = if d.flag() { optimizer(d, net.parameters())? } else { ours };
    let before = (net.state_dict().to_string(), theirs.state_dict().to_string());
    let (state, own) = (changed(d, net.state_dict()), changed(d, theirs.state_dict()));
    let refused = (net.load_state_dict(&state).is_err(), theirs.load_state_dict(&own).is_err());
    if refused.0 {
        assert_eq!(net.state_dict().to_string(), before.0);
    }
    if refused.1 {
        assert_eq!(theirs.state_dict().to_string(), before.1);
    }
    step(&net, &mut *theirs)?;
    let saved = theirs.state_dict();
    theirs.load_state_dict(&saved)
}

/// One pair of states.
pub(crate) fn run(bytes: &[u8]) {
    message("states", load(&mut Draw(bytes)));
}
