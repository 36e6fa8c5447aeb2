//! Calls and checks one case of kind "op": its results, its gradients, the gradients of those, the buffers that it changed.

use std::collections::BTreeMap;

use downhill::Tensor;
use downhill::autograd::{GradOptions, grad_with};

use crate::arguments::{Arguments, array, tensor};
use crate::case::{Call, Named, Op, Reference, Results, Value};
use crate::compare::{compare, compare_or_zeros};
use crate::corpus::Array;
use crate::report::Miss;
use crate::{losses, modules, ops};

/// What a call has given.
pub(crate) struct Run {
    pub(crate) outputs: Vec<Tensor>,
    /// The arguments and parameters that require a gradient, by their paths.
    pub(crate) leaves: BTreeMap<String, Tensor>,
    /// A module's buffers after the call.
    pub(crate) buffers: BTreeMap<String, Tensor>,
}

/// Calls what the case names.
pub(crate) fn run(call: &Call) -> Result<Run, Miss> {
    let mut arguments = Arguments::new(call)?;
    if let Some(run) = modules::run(call, &mut arguments)? {
        return Ok(run);
    }
    for table in [ops::call, losses::call, modules::function] {
        if let Some(outputs) = table(&call.function, &mut arguments)? {
            arguments.finish()?;
            return Ok(Run { outputs, leaves: arguments.leaves, buffers: BTreeMap::new() });
        }
    }
    Err(Miss::Absent("not in the library".to_string()))
}

pub(crate) fn check(op: &Op) -> Result<(), Miss> {
    let results = match &op.expected {
        Ok(results) => results,
        Err(words) => return check_refusal(&op.call, words),
    };
    let first = run(&op.call)?;
    check_outputs(&first, results)?;
    if !results.grads.is_empty() {
        gradients(&first, results, false)?;
    }
    if !results.directions.is_empty() {
        let again = run(&op.call)?;
        let grads = gradients(&again, results, true)?;
        check_second(&again, &grads, results)?;
    }
    Ok(())
}

fn check_refusal(call: &Call, words: &str) -> Result<(), Miss> {
    match run(call) {
        Err(Miss::Refused(_) | Miss::Types(_)) => Ok(()),
        Err(miss) => Err(miss),
        Ok(_) => Err(Miss::Wrong(format!("a value, where PyTorch says: {words}"))),
    }
}

fn check_outputs(run: &Run, results: &Results) -> Result<(), Miss> {
    let theirs = each(&results.output);
    if run.outputs.len() != theirs.len() {
        let counts = format!("{} results, not {}", run.outputs.len(), theirs.len());
        return Err(Miss::Wrong(counts));
    }
    for (i, (ours, theirs)) in run.outputs.iter().zip(theirs).enumerate() {
        let what = if i == 0 { "output".to_string() } else { format!("output {i}") };
        compare(&what, &array(ours)?, &expected(theirs)?, results.tolerance)?;
    }
    for (name, theirs) in &results.state_after {
        let ours = run.buffers.get(name);
        let ours = ours.ok_or_else(|| Miss::Wrong(format!("no buffer {name}")))?;
        let what = format!("{name} after the call");
        compare(&what, &array(ours)?, &expected(theirs)?, results.tolerance)?;
    }
    Ok(())
}

/// The gradients of the leaves, compared with PyTorch's.
fn gradients(
    run: &Run,
    results: &Results,
    create_graph: bool,
) -> Result<BTreeMap<String, Option<Tensor>>, Miss> {
    let upstream = each(&results.upstream).into_iter().map(|value| match value {
        Value::Tensor(reference) => tensor(reference).map(Some),
        _ => Ok(None),
    });
    let upstream = upstream.collect::<Result<Vec<_>, _>>()?;
    let roots = run.outputs.iter().zip(&upstream);
    let roots = roots.filter_map(|(y, g)| Some((y, g.as_ref()?)));
    let grads = pull_back(roots, &run.leaves, create_graph)?;
    check_named("gradient of", &grads, &results.grads, results)?;
    Ok(grads)
}

fn check_second(run: &Run, grads: &BTreeMap<String, Option<Tensor>>, results: &Results) -> Result<(), Miss> {
    let mut roots = Vec::new();
    for (path, direction) in &results.directions {
        if let (Some(Some(grad)), Value::Tensor(direction)) = (grads.get(path), direction) {
            roots.push((grad, tensor(direction)?));
        }
    }
    let roots = roots.iter().map(|(grad, direction)| (*grad, direction));
    let second = pull_back(roots, &run.leaves, false)?;
    check_named("second derivative of", &second, &results.second, results)
}

/// The sum over the roots of the gradients with respect to the leaves.
fn pull_back<'a>(
    roots: impl Iterator<Item = (&'a Tensor, &'a Tensor)>,
    leaves: &BTreeMap<String, Tensor>,
    create_graph: bool,
) -> Result<BTreeMap<String, Option<Tensor>>, Miss> {
    // A root that depends on no leaf has no gradient to give.
    let roots: Vec<_> = roots.filter(|(y, _)| y.requires_grad()).map(|(y, g)| (y, Some(g))).collect();
    let inputs: Vec<&Tensor> = leaves.values().collect();
    let options = GradOptions { create_graph, allow_unused: true, ..GradOptions::default() };
    let grads = grad_with(&roots, &inputs, options)?;
    Ok(leaves.keys().cloned().zip(grads).collect())
}

fn check_named(
    what: &str,
    ours: &BTreeMap<String, Option<Tensor>>,
    theirs: &Named,
    results: &Results,
) -> Result<(), Miss> {
    for (path, theirs) in theirs {
        let ours = ours.get(path).and_then(Option::as_ref).map(array).transpose()?;
        let theirs = match theirs {
            Value::Null => None,
            value => Some(expected(value)?),
        };
        let what = format!("{what} {path}");
        compare_or_zeros(&what, ours.as_ref(), theirs.as_ref(), results.tolerance)?;
    }
    Ok(())
}

/// A result, or each of several.
fn each(value: &Value) -> Vec<&Value> {
    match value {
        Value::List(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// A stored result as plain data.
pub(crate) fn expected(value: &Value) -> Result<Array, Miss> {
    match value {
        Value::Tensor(reference) => dense(reference),
        other => Err(Miss::Wrong(format!("the corpus has {other:?} for a tensor"))),
    }
}

fn dense(reference: &Reference) -> Result<Array, Miss> {
    array(&tensor(reference)?)
}
