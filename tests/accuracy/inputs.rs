//! Inputs from their recipes, with the bits that `measure.py` has.

use downhill::random::Generator;
use downhill::{DType, Error, Result, Tensor};
use serde_json::Value as Json;

/// The tensor of a recipe, `f32` or `int64`; `before` are the inputs that came before.
pub(crate) fn run(recipe: &Json, generator: &mut Generator, before: &[Tensor]) -> Result<Tensor> {
    let mut x = Tensor::from(0.0_f32);
    for step in list(recipe) {
        let (name, args) = list(step).split_first().expect("a step has a name");
        let number = |i: usize| args[i].as_f64().expect("a number");
        x = match name.as_str().expect("the name of a step") {
            "randn" => generator.randn(sizes(args), DType::F32)?,
            "rand" => generator.rand(sizes(args), DType::F32)?,
            "randint" => {
                generator.randint(number(0) as i64, number(1) as i64, sizes(&args[2..]), DType::I64)?
            }
            "input" => before[number(0) as usize].clone(),
            "float" => x.to_dtype(DType::F32),
            "add" => map(&x, |x| x + number(0) as f32)?,
            "mul" => map(&x, |x| x * number(0) as f32)?,
            "add_input" => x.add(&before[number(0) as usize])?,
            "clamp" => map(&x, |x| x.max(number(0) as f32).min(number(1) as f32))?,
            "abs" => map(&x, f32::abs)?,
            "floor" => map(&x, f32::floor)?,
            "times_power_of_2" => {
                let k = generator.randint(number(0) as i64, number(1) as i64, *x.shape(), DType::I64)?;
                let power = |&k: &i64| f32::from_bits(((k + 127) as u32) << 23);
                let powers = k.as_slice::<i64>()?.iter().map(power).collect::<Vec<_>>();
                x.mul(&Tensor::from_vec(powers, *x.shape())?)?
            }
            "split" => map(&x, |x| x * 4097.0 - (x * 4097.0 - x))?,
            "softmax" => x.to_dtype(DType::F64).softmax(-1)?.to_dtype(DType::F32),
            "log_softmax" => x.to_dtype(DType::F64).log_softmax(-1)?.to_dtype(DType::F32),
            name => return Err(Error::Argument { op: "recipe", message: format!("no step {name}") }),
        };
    }
    Ok(x)
}

/// A sum over the bits, to tell inputs that differ from errors that do.
pub(crate) fn bits(x: &Tensor) -> Result<i64> {
    Ok(match x.dtype() {
        DType::I64 => x.as_slice::<i64>()?.iter().sum(),
        _ => x.as_slice::<f32>()?.iter().map(|x| i64::from(x.to_bits().cast_signed())).sum(),
    })
}

pub(crate) fn list(json: &Json) -> &[Json] {
    json.as_array().expect("an array")
}

fn sizes(args: &[Json]) -> Vec<usize> {
    args.iter().map(|n| n.as_u64().expect("a size") as usize).collect()
}

fn map(x: &Tensor, f: impl Fn(f32) -> f32) -> Result<Tensor> {
    Tensor::from_vec(x.as_slice::<f32>()?.iter().map(|&x| f(x)).collect::<Vec<_>>(), *x.shape())
}
