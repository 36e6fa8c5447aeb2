//! A process that builds a small network, prints six losses and ends.

use crate::Outcome;
use downhill::prelude::*;
use std::process::Command;

/// What the process does.
pub(crate) fn program() -> Outcome<()> {
    let model = Linear::new(2, 3)?;
    model.weight.set(&Tensor::from([[0.3_f32, -0.2], [0.1, 0.4], [-0.5, 0.2]]))?;
    model.bias.iter().try_for_each(|bias| bias.set(&Tensor::from([0.0_f32, 0.1, -0.1])))?;
    let table = |f: fn(f64) -> f64, shape: [usize; 2]| {
        Tensor::from_vec((0..shape[0] * shape[1]).map(|i| f(f64::from(i as u32)) as f32).collect(), shape)
    };
    let y = model.forward(&table(|i| (i * 0.37).sin(), [10, 2])?)?;
    let classes = Tensor::from([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    let real = table(|i| (i * 0.11).cos(), [10, 3])?;
    let hard = table(|i| i % 2.0, [10, 3])?;
    for (name, loss) in [
        ("cross_entropy", functional::cross_entropy(&y, &classes)?),
        ("nll", functional::nll_loss(&y.log_softmax(1)?, &classes)?),
        ("bce", functional::binary_cross_entropy(&y.sigmoid(), &hard)?),
        ("mse", functional::mse_loss(&y, &real)?),
        ("l1", functional::l1_loss(&y, &real)?),
        ("smooth_l1", functional::smooth_l1_loss(&y, &real)?),
    ] {
        println!("{name} {:.6}", loss.item::<f64>()?);
    }
    Ok(())
}

/// Runs the process; the sum of the losses that it prints.
pub(crate) fn start() -> Outcome<f64> {
    let output = Command::new(std::env::current_exe()?).arg("--cold-start").output()?;
    let text = String::from_utf8(output.stdout)?;
    let losses: Vec<f64> =
        text.split_whitespace().skip(1).step_by(2).map(str::parse).collect::<Result<_, _>>()?;
    if losses.len() == 6 { Ok(losses.iter().sum()) } else { Err(format!("six losses, not {text:?}").into()) }
}
