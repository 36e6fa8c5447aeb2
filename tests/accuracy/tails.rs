//! Losses of sure and of wrong logits, to the second derivative, beside 50 digits of exact arithmetic: `tails.py` says what the
//! cases are.

use crate::inputs::list;
use crate::losses::{self, Options};
use downhill::autograd::{GradOptions, grad_with};
use downhill::nn::{BinaryFocalLoss, FocalLoss, Forward, Loss, NLLLoss, Reduction, Softplus};
use downhill::{DType, Result, Tensor};
use serde_json::Value as Json;

/// How far a result may be from the exact one, in units in its last place.
const ULPS: f64 = 4.0;

/// How far where rows are compared: a logarithm of a probability is rounded, too, and `eʸ` is off by as many units as `y` is large,
/// as in PyTorch.
const ROW_ULPS: f64 = 64.0;

/// Compares the cases whose title contains the filter; how many there are, and how many results are not as near.
pub(crate) fn check(path: &std::path::Path, filter: &str) -> (usize, usize) {
    let json: Json = serde_json::from_str(&std::fs::read_to_string(path).expect("the data")).expect("JSON");
    let (mut count, mut wrong) = (0, 0);
    for case in list(&json) {
        for dtype in [DType::F32, DType::F64] {
            let (loss, t) = (case["loss"].as_str().expect("a name"), &case["t"]);
            let title = format!("tails {loss} {} {dtype} {t} {}", case["options"], case["x"]);
            if !title.contains(filter) {
                continue;
            }
            count += 1;
            let allowed = match loss {
                "CrossEntropyLoss" | "NLLLoss" | "KLDivLoss" | "FocalLoss" => ROW_ULPS,
                // A cube has three times the error.
                "BinaryFocalLoss" => 2.0 * ULPS,
                _ => ULPS,
            };
            let worst = run(case, loss, dtype).unwrap_or_else(|e| panic!("{title}: {e}"));
            for (what, ulps) in ["value", "gradient", "second derivative"].into_iter().zip(worst) {
                if ulps > allowed {
                    println!("{title}: {what} is {ulps:.1} units in the last place off");
                    wrong += 1;
                }
            }
        }
    }
    (count, wrong)
}

/// The largest errors of value, gradient and second derivatives.
fn run(case: &Json, loss: &str, dtype: DType) -> Result<[f64; 3]> {
    let x = tensor(&case["x"], dtype)?.requires_grad_()?;
    let value = call(loss, case, &x, dtype)?;
    let options = |create_graph| GradOptions { retain_graph: true, create_graph, allow_unused: true };
    let grad = |y: &Tensor, create_graph| -> Result<Tensor> {
        if !y.requires_grad() {
            return Ok(x.zeros_like());
        }
        let found = grad_with(&[(&y.sum(), None)], &[&x], options(create_graph))?.remove(0);
        Ok(found.unwrap_or_else(|| x.zeros_like()))
    };
    // The kernel's, and that of the graph.
    let (plain, first) = (grad(&value, false)?, grad(&value, true)?);
    let mut worst = [
        errors(&value, &case["value"], dtype)?,
        errors(&plain, &case["grad"], dtype)?.max(errors(&first, &case["grad"], dtype)?),
        0.0,
    ];
    for (direction, expected) in list(&case["directions"]).iter().zip(list(&case["second"])) {
        let along = tensor(direction, dtype)?.reshape(x.shape())?;
        worst[2] = worst[2].max(errors(&grad(&first.mul(&along)?, false)?, expected, dtype)?);
    }
    Ok(worst)
}

/// The loss: of those that `losses.rs` has, or of a function that takes none of its targets.
fn call(loss: &str, case: &Json, x: &Tensor, dtype: DType) -> Result<Tensor> {
    let (json, t) = (&case["options"], &case["t"]);
    let gamma = json["gamma"].as_f64().unwrap_or_default();
    let target = match t {
        Json::Array(_) => tensor(t, if t[0].is_array() { dtype } else { DType::I64 })?,
        t => x.detach().full_like(t.as_f64().expect("a number")),
    };
    // Factors stand for tensors: a class weight for that of every class.
    let mut json = json.clone();
    let mut inputs = Vec::new();
    for name in ["weight", "pos_weight"] {
        if let Some(factor) = json.get(name).and_then(Json::as_f64) {
            json[name] = serde_json::json!({ "input": inputs.len() });
            let classes = if loss == "CrossEntropyLoss" { 3 } else { 1 };
            inputs.push(downhill::full([classes], factor)?.to_dtype(dtype));
        }
    }
    match loss {
        "log_sigmoid" => Ok(x.log_sigmoid().neg()?.neg()?),
        "Softplus" => Softplus::default().forward(x),
        "BinaryFocalLoss" => {
            BinaryFocalLoss { gamma, alpha: None, reduction: Reduction::None }.forward(x, &target)
        }
        "FocalLoss" => FocalLoss { gamma, ..Default::default() }.forward(x, &target),
        "NLLLoss" => NLLLoss::default().forward(&x.log_softmax(-1)?, &target),
        // A target of 0 and 1 has no entropy: the divergence is the cross-entropy.
        "KLDivLoss" => {
            json["reduction"] = "sum".into();
            let mut x = [x.log_softmax(-1)?, target];
            losses::call(loss, &Options { json: &json, inputs: &inputs }, &mut x)
        }
        _ => losses::call(loss, &Options { json: &json, inputs: &inputs }, &mut [x.clone(), target]),
    }
}

/// Numbers, or rows of them.
fn tensor(json: &Json, dtype: DType) -> Result<Tensor> {
    let rows = list(json);
    let numbers = |json: &[Json]| json.iter().map(|x| x.as_f64().expect("a number")).collect::<Vec<_>>();
    let x = if rows[0].is_array() {
        let flat = rows.iter().flat_map(|row| numbers(list(row))).collect::<Vec<_>>();
        Tensor::from_vec(flat, [rows.len(), list(&rows[0]).len()])?
    } else {
        Tensor::from(numbers(rows))
    };
    Ok(x.to_dtype(dtype))
}

/// The largest error in units in the last place.
fn errors(found: &Tensor, exact: &Json, dtype: DType) -> Result<f64> {
    let found = found.to_dtype(DType::F64).to_vec::<f64>()?;
    let exact = list(exact).iter().map(|x| x.as_str().expect("a text").parse::<f64>().expect("a number"));
    assert_eq!(found.len(), exact.len());
    Ok(found.iter().zip(exact).map(|(&found, exact)| ulps(found, exact, dtype)).fold(0.0, f64::max))
}

fn ulps(found: f64, exact: f64, dtype: DType) -> f64 {
    let (digits, smallest) =
        if dtype == DType::F32 { (24, f64::from(f32::MIN_POSITIVE)) } else { (53, f64::MIN_POSITIVE) };
    // Below the normal range no digit is promised.
    if exact.abs() < smallest {
        return if found.abs() <= smallest { 0.0 } else { f64::INFINITY };
    }
    // The power of two at or below the number.
    let size = f64::from_bits(exact.abs().to_bits() & !((1 << 52) - 1));
    let error = (found - exact).abs() / (size * 2_f64.powi(1 - digits));
    if error.is_nan() { f64::INFINITY } else { error }
}
