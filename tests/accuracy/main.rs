//! In `f32` every loss and its gradient are at least as near to the exact ones as PyTorch's: `pytorch.json` has PyTorch's errors,
//! README.md says what is compared.
//!
//! `cargo test --release --test accuracy [-- TEXT]` prints a line a case: PyTorch's errors and ours. Without `--release`, cases of
//! many classes or steps are left out.

mod inputs;
mod losses;
mod tails;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use downhill::random::Generator;
use downhill::{DType, Result, Tensor};
use inputs::list;
use losses::Options;
use serde_json::Value as Json;

/// What is compared.
const ERRORS: [&str; 3] = ["value", "gradient", "elements"];

/// The smallest number in the normal range of `f32`.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// The error of a result that is rounded correctly: half a unit in the last place, at most.
const ROUNDING: f64 = 1.0 / (1 << 24) as f64;

/// The two libraries' results in `f64`, which stand for the exact ones, differ in their last digits, and with them the errors.
const SLACK: f64 = 1e-3;

/// How far our results in `f64` may be from PyTorch's, in terms of the sum of magnitudes.
const AGREEMENT: f64 = 1e-9;

fn main() -> ExitCode {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("accuracy/pytorch.json");
    let json: Json = serde_json::from_str(&fs::read_to_string(&path).expect("the data")).expect("JSON");
    println!(
        "{:33}| {:>8} {:>8} | {:>8} {:>8} | {:>8} {:>8} |",
        "", "value", "", "gradient", "", "elements", ""
    );
    println!("{:33}|{}", "", format!(" {:>8} {:>8} |", "PyTorch", "ours").repeat(3));
    let (mut worse, mut count) = (0, 0);
    for case in list(&json["cases"]) {
        let title = format!("{} {} {}", text(case, "loss"), case["options"], text(case, "family"));
        let family = text(case, "family");
        let many =
            case["large"] == true || ["1e5", "1000 steps", "many"].iter().any(|s| family.starts_with(s));
        let large = many && cfg!(debug_assertions);
        if large || !title.contains(&filter) {
            continue;
        }
        println!("{title}");
        match check(case) {
            Ok(ours) => {
                count += 1;
                worse += usize::from(!report(case, ours));
            }
            Err(reason) => {
                println!("{:33}| FAILED {reason}", "");
                worse += 1;
            }
        }
    }
    println!("accuracy: {count} cases, {worse} of them worse than PyTorch");
    let (tails, wrong) = tails::check(&path.with_file_name("tails.json"), &filter);
    println!("tails: {tails} cases, {wrong} results of them not within 4 units in the last place");
    if worse + wrong == 0 && count + tails > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn text<'a>(case: &'a Json, key: &str) -> &'a str {
    case[key].as_str().expect("a text")
}

/// Prints the errors; whether none of ours is larger.
fn report(case: &Json, ours: [f64; 3]) -> bool {
    let theirs = ERRORS.map(|k| case["pytorch"][k].as_f64().expect("an error"));
    // What JSON has for infinity.
    let theirs = theirs.map(|x| if x >= 1e300 { f64::INFINITY } else { x });
    let mut columns = Vec::new();
    let mut good = true;
    for (ours, theirs) in ours.into_iter().zip(theirs) {
        let fine = ours <= theirs.max(ROUNDING) * (1.0 + SLACK);
        let end = if fine { ' ' } else { '!' };
        columns.push(format!(" {theirs:8.1e} {ours:8.1e}{end}|"));
        good &= fine;
    }
    println!("{:33}|{}{}", "", columns.concat(), if good { "" } else { " WORSE" });
    good
}

/// Our errors of value, gradient and elements.
fn check(case: &Json) -> std::result::Result<[f64; 3], String> {
    let (mut worst, mut bits) = ([0.0_f64; 3], 0);
    for draw in 0..number(&case["draws"]) {
        let mut generator = Generator::seeded(number(&case["seed"]) + draw);
        let mut inputs = Vec::new();
        for recipe in list(&case["inputs"]) {
            inputs.push(inputs::run(recipe, &mut generator, &inputs).map_err(|e| e.to_string())?);
        }
        bits += inputs.iter().map(|x| inputs::bits(x).expect("floats or integers")).sum::<i64>();
        let run = |dtype| results(case, &inputs, dtype).map_err(|e| e.to_string());
        let (exact, ours) = (run(DType::F64)?, run(DType::F32)?);
        if draw == 0 {
            agree(&exact, list(&case["exact"]))?;
        }
        for (i, (ours, exact)) in ours.iter().zip(&exact).enumerate() {
            let [largest, elements] = errors(ours, exact);
            if i == 0 {
                worst[0] = worst[0].max(largest);
            } else {
                worst = [worst[0], worst[1].max(largest), worst[2].max(elements)];
            }
        }
    }
    if case["bits"].as_i64() != Some(bits) {
        return Err("the inputs are not those of measure.py".to_string());
    }
    Ok(worst)
}

fn number(json: &Json) -> u64 {
    json.as_u64().expect("a number")
}

/// The loss and its gradients.
fn results(case: &Json, inputs: &[Tensor], dtype: DType) -> Result<Vec<Vec<f64>>> {
    let cast = |x: &Tensor| if x.dtype().is_float() { x.to_dtype(dtype) } else { x.clone() };
    let mut x: Vec<Tensor> = inputs.iter().map(cast).collect();
    let grads: Vec<usize> = list(&case["grads"]).iter().map(|i| number(i) as usize).collect();
    for &i in &grads {
        x[i] = x[i].requires_grad_()?;
    }
    let all = x.clone();
    let options = Options { json: &case["options"], inputs: &all };
    let args = number(&case["args"]) as usize;
    let loss = losses::call(text(case, "loss"), &options, &mut x[..args])?;
    loss.sum().backward()?;
    let mut found = vec![loss];
    found.extend(grads.iter().map(|&i| x[i].grad().unwrap_or_else(|| x[i].zeros_like())));
    found.iter().map(|x| x.to_dtype(DType::F64).to_vec::<f64>()).collect()
}

/// Whether our results in `f64` are PyTorch's: the sum of magnitudes, and one in which each place counts differently.
fn agree(exact: &[Vec<f64>], recorded: &[Json]) -> std::result::Result<(), String> {
    for (i, (x, theirs)) in exact.iter().zip(recorded).enumerate() {
        let finite = || x.iter().map(|&x| if x.is_finite() { x } else { 0.0 });
        let sum: f64 = finite().map(f64::abs).sum();
        let weighted: f64 = finite().enumerate().map(|(i, x)| x * (1 + i % 7) as f64).sum();
        for (ours, theirs) in [sum, weighted].into_iter().zip(list(theirs)) {
            let theirs = theirs.as_f64().expect("a sum");
            if (ours - theirs).abs() > AGREEMENT * sum.max(SMALLEST) {
                let what = if i == 0 { "the loss" } else { "a gradient" };
                return Err(format!("{what} in f64 is {ours:e}, not {theirs:e}"));
            }
        }
    }
    Ok(())
}

/// 0 between equal infinities and between NaNs, infinite where only one is such.
fn difference(got: f64, exact: f64) -> f64 {
    if got == exact || (got.is_nan() && exact.is_nan()) {
        return 0.0;
    }
    let d = (got - exact).abs();
    if d.is_nan() { f64::INFINITY } else { d }
}

/// The largest error in terms of the largest magnitude, and of each element that is in the normal range of `f32`: at most 1, where no
/// digit is right.
fn errors(got: &[f64], exact: &[f64]) -> [f64; 2] {
    let largest = exact.iter().filter(|x| x.is_finite()).fold(SMALLEST, |max, x| max.max(x.abs()));
    let (mut worst, mut elements) = (0.0_f64, 0.0_f64);
    for (&got, &exact) in got.iter().zip(exact) {
        let d = difference(got, exact);
        worst = worst.max(d);
        if exact.is_nan() || exact.abs() >= SMALLEST {
            elements = elements.max(if exact.is_finite() { d / exact.abs() } else { d });
        }
    }
    [worst / largest, elements.min(1.0)]
}
