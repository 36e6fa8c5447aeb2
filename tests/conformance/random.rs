//! Runs a program on the default generator: a case of kind "random".

use downhill::random::{self, Generator};
use downhill::{DType, Tensor};

use crate::arguments::{Arguments, array, ours};
use crate::case::{Draw, Module, Random, Value};
use crate::compare::compare;
use crate::driver::expected;
use crate::modules;
use crate::report::Miss;

pub(crate) fn check(program: &Random) -> Result<(), Miss> {
    random::manual_seed(program.seed);
    for (i, draw) in program.draws.iter().enumerate() {
        if let Some(module) = &draw.module {
            check_parameters(&format!("module of draw {i}"), module, draw)?;
            continue;
        }
        let what = format!("{} of draw {i}", draw.function);
        let mut a = Arguments::constants(&draw.args, &draw.kwargs)?;
        let drawn = run(draw, &mut a)?;
        a.finish()?;
        match (drawn, &draw.out) {
            (None, Value::Null) => {}
            (Some(tensor), out) => compare(&what, &array(&tensor)?, &expected(out)?, draw.tolerance)?,
            (None, _) => return Err(Miss::Wrong(format!("{what}: no result"))),
        }
    }
    Ok(())
}

/// Builds a module and compares its parameters.
fn check_parameters(what: &str, module: &Module, draw: &Draw) -> Result<(), Miss> {
    let Value::Map(theirs) = &draw.out else {
        return Err(Miss::Wrong(format!("the corpus has {:?} for parameters", draw.out)));
    };
    let parameters = modules::build(module)?.named_parameters();
    for (name, theirs) in theirs {
        let ours = parameters.iter().find(|(ours, _)| ours == name);
        let (_, ours) = ours.ok_or_else(|| Miss::Wrong(format!("{what}: no parameter {name}")))?;
        let what = format!("{name} of {what}");
        compare(&what, &array(&ours.tensor())?, &expected(theirs)?, draw.tolerance)?;
    }
    Ok(())
}

fn run(draw: &Draw, a: &mut Arguments) -> Result<Option<Tensor>, Miss> {
    let dtype = draw.dtype.map_or(DType::F32, ours);
    let shape = &draw.shape;
    Ok(Some(match draw.function.as_str() {
        "manual_seed" => {
            random::manual_seed(a.at::<i64>(0)?);
            return Ok(None);
        }
        "rand" => {
            let (shape, dtype) = (a.at::<Vec<usize>>(0)?, a.or("dtype", DType::F32)?);
            from(|g| g.rand(shape, dtype))?
        }
        "randn" => {
            let (shape, dtype) = (a.at::<Vec<usize>>(0)?, a.or("dtype", DType::F32)?);
            from(|g| g.randn(shape, dtype))?
        }
        "randint" => random::randint(a.at(0)?, a.at(1)?, a.at::<Vec<usize>>(2)?)?,
        "randperm" => random::randperm(a.at(0)?)?,
        "normal" => random::normal(a.at(0)?, a.at(1)?, a.at::<Vec<usize>>(2)?)?,
        "bernoulli" => random::bernoulli(&a.at(0)?)?,
        "Tensor.normal_" => {
            let (mean, std) = (a.at(0)?, a.at(1)?);
            from(|g| g.normal(mean, std, shape, dtype))?
        }
        "Tensor.uniform_" => {
            let (low, high) = (a.at(0)?, a.at(1)?);
            from(|g| g.uniform(low, high, shape, dtype))?
        }
        "Tensor.random_" => match a.len() {
            0 => from(|g| g.random_integers(shape, dtype))?,
            1 => {
                let high = a.at(0)?;
                from(|g| g.randint(0, high, shape, dtype))?
            }
            _ => {
                let (low, high) = (a.at(0)?, a.at(1)?);
                from(|g| g.randint(low, high, shape, dtype))?
            }
        },
        other => return Err(Miss::Absent(format!("draws from {other}"))),
    }))
}

/// Draws from the default generator.
fn from(draw: impl FnOnce(&mut Generator) -> downhill::Result<Tensor>) -> Result<Tensor, Miss> {
    Ok(random::with_default(draw)?)
}
