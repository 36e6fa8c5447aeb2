//! Modules: names, state, modes, text.

use downhill_nn::{
    Buffer, Dropout, Flatten, Forward, Linear, LogSoftmax, Mode, Module, Parameter, ReLU, Sequential,
    Softmax, StateDict, Strict, Tanh,
};
use downhill_tensor::{DType, Tensor};
use std::marker::PhantomData;
use std::sync::Arc;

fn linear(inputs: usize, outputs: usize) -> Linear {
    Linear::new(inputs, outputs).unwrap()
}

fn names(module: &dyn Module) -> Vec<String> {
    module.named_parameters().into_iter().map(|(name, _)| name).collect()
}

#[derive(Module)]
struct Everything<A: Forward> {
    a: A,
    list: Vec<Linear>,
    none: Option<Linear>,
    pair: (ReLU, Linear),
    boxed: Box<dyn Forward>,
    shared: Arc<Linear>,
    again: Arc<Linear>,
    scale: Parameter,
    mean: Buffer,
    dropout: Dropout,
    mode: Mode,
    width: usize,
    sizes: Vec<usize>,
    constant: Tensor,
    kind: PhantomData<u8>,
    r#type: &'static str,
    #[module(skip)]
    index: std::collections::HashMap<String, usize>,
}

fn everything() -> Everything<Sequential> {
    let shared = Arc::new(linear(1, 1));
    Everything {
        a: Sequential::new().add(linear(1, 2)).add(ReLU),
        list: vec![linear(1, 1), linear(1, 1), linear(1, 2)],
        none: None,
        pair: (ReLU, linear(2, 1)),
        boxed: Box::new(Tanh),
        shared: shared.clone(),
        again: shared,
        scale: Parameter::new(downhill_tensor::ones([2]).unwrap()).unwrap(),
        mean: Buffer::new(downhill_tensor::zeros([2]).unwrap()),
        dropout: Dropout::new(0.1).unwrap(),
        mode: Mode::default(),
        width: 3,
        sizes: vec![1, 2],
        constant: downhill_tensor::ones([2]).unwrap(),
        kind: PhantomData,
        r#type: "plain",
        index: std::collections::HashMap::new(),
    }
}

#[test]
fn own_parameters_come_before_those_of_children_and_shared_ones_once() {
    let net = everything();
    let want = [
        "scale",
        "a.0.weight",
        "a.0.bias",
        "list.0.weight",
        "list.0.bias",
        "list.1.weight",
        "list.1.bias",
        "list.2.weight",
        "list.2.bias",
        "pair.1.weight",
        "pair.1.bias",
        "shared.weight",
        "shared.bias",
    ];
    assert_eq!(names(&net), want);
    let state = net.state_dict();
    let keys: Vec<_> = state.iter().map(|(name, _)| name).collect();
    assert_eq!(keys[..2], ["scale", "mean"]);
    assert_eq!(keys[keys.len() - 2..], ["again.weight", "again.bias"]);
    assert_eq!(net.named_buffers()[0].0, "mean");
    let _plain = (net.width, net.sizes, net.constant, net.kind, net.r#type, net.index, net.none);
}

#[test]
fn modules_print_as_in_pytorch() {
    let want = "\
Everything(
  (a): Sequential(
    (0): Linear(in_features=1, out_features=2, bias=True)
    (1): ReLU()
  )
  (list): ModuleList(
    (0-1): 2 x Linear(in_features=1, out_features=1, bias=True)
    (2): Linear(in_features=1, out_features=2, bias=True)
  )
  (pair): ModuleList(
    (0): ReLU()
    (1): Linear(in_features=2, out_features=1, bias=True)
  )
  (boxed): Tanh()
  (shared): Linear(in_features=1, out_features=1, bias=True)
  (again): Linear(in_features=1, out_features=1, bias=True)
  (dropout): Dropout(p=0.1, inplace=False)
)";
    assert_eq!(everything().to_string(), want);
    assert_eq!(Sequential::new().to_string(), "Sequential()");
    assert_eq!(Softmax::new(-1).to_string(), "Softmax(dim=-1)");
    assert_eq!(LogSoftmax::new(1).to_string(), "LogSoftmax(dim=1)");
    assert_eq!(Flatten::default().to_string(), "Flatten(start_dim=1, end_dim=-1)");
    let unbiased: Box<dyn Forward> = Box::new(Linear::without_bias(4, 3).unwrap());
    assert_eq!(unbiased.to_string(), "Linear(in_features=4, out_features=3, bias=False)");
}

#[test]
fn modes_reach_every_layer() {
    let net = Sequential::new().add(Dropout::default()).add(Sequential::new().add(Dropout::default()));
    let x = downhill_tensor::ones([100]).unwrap();
    assert!(net.is_training() && net.forward(&x).unwrap() != x);
    net.eval();
    assert!(!net.is_training() && net.forward(&x).unwrap() == x);
    net.train(true);
    assert!(net.is_training() && net.forward(&x).unwrap() != x);
    assert!(ReLU.is_training());
}

#[test]
fn state_is_a_snapshot_and_loads_again() {
    let net = everything();
    net.mean.set(downhill_tensor::ones([2]).unwrap());
    let state = net.state_dict();
    net.scale.update(|w: &mut [f32]| w.fill(7.0)).unwrap();
    net.mean.set(downhill_tensor::zeros([2]).unwrap());
    assert_eq!(state.get("scale"), Some(&downhill_tensor::ones([2]).unwrap()));
    assert!(state.iter().all(|(_, value)| !value.requires_grad()));
    net.load_state_dict(&state).unwrap();
    assert_eq!(net.state_dict(), state);
    // The parameters stay the same objects, and leaves.
    assert!(net.scale.tensor().requires_grad());
}

/// The words are those of torch 2.15 for the same calls.
#[test]
fn every_misfit_is_named_and_nothing_is_loaded() {
    let net = Sequential::new().add(linear(2, 2)).add(Sequential::new().add(linear(2, 1)));
    let before = net.state_dict();
    let bad: StateDict = [
        ("0.weight", downhill_tensor::zeros([2, 3]).unwrap()),
        ("0.bias", downhill_tensor::zeros([2]).unwrap()),
        ("1.0.x", downhill_tensor::zeros([2]).unwrap()),
    ]
    .into_iter()
    .collect();
    let error = net.load_state_dict(&bad).unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error(s) in loading state_dict for Sequential:\n\
         \tMissing key(s) in state_dict: \"1.0.weight\", \"1.0.bias\". \n\
         \tUnexpected key(s) in state_dict: \"1.0.x\". \n\
         \tsize mismatch for 0.weight: copying a param with shape torch.Size([2, 3]) from checkpoint, \
         the shape in current model is torch.Size([2, 2]).",
    );
    assert_eq!(error.unexpected, ["1.0.x"]);
    assert_eq!(net.state_dict(), before);
    assert!(
        downhill_tensor::Error::from(error).to_string().starts_with("load_state_dict: Error(s) in loading")
    );
}

#[test]
fn loading_converts_to_the_parameters_dtype() {
    let fc = linear(2, 1);
    let state: StateDict =
        [("weight", Tensor::from([[1.0_f64, 2.0]])), ("bias", Tensor::from([3]))].into_iter().collect();
    fc.load_state_dict(&state).unwrap();
    assert_eq!(fc.weight.tensor(), Tensor::from([[1.0_f32, 2.0]]));
    fc.to_dtype(DType::F64).unwrap();
    assert_eq!(fc.forward(&Tensor::from([1.0_f64, 1.0])).unwrap(), Tensor::from([6.0_f64]));
    let error = fc.to_dtype(DType::I64).unwrap_err().to_string();
    assert_eq!(error, "Module::to_dtype: expected float32 or float64, but got int64");
}

#[test]
fn frozen_modules_get_no_gradient() {
    let (body, head) = (linear(2, 2), linear(2, 1));
    body.requires_grad_(false).unwrap();
    let x = downhill_tensor::ones([3, 2]).unwrap();
    head.forward(&body.forward(&x).unwrap()).unwrap().sum().backward().unwrap();
    assert!(body.weight.grad().is_none() && head.weight.grad().is_some());
    body.requires_grad_(true).unwrap();
    head.forward(&body.forward(&x).unwrap()).unwrap().sum().backward().unwrap();
    assert!(body.weight.grad().is_some());
    head.zero_grad();
    assert!(head.weight.grad().is_none());
}

#[test]
fn names_in_a_sequence_are_unique_and_without_dots() {
    let net =
        Sequential::new().add_named("fc", linear(1, 1)).unwrap().add(ReLU).add_named("3", ReLU).unwrap();
    let net = net.add(ReLU).add(ReLU);
    assert_eq!(net.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["fc", "1", "3", "4", "5"]);
    let refused = |name: &str| Sequential::new().add(ReLU).add_named(name, ReLU).unwrap_err().to_string();
    assert_eq!(refused("a.b"), "Sequential: the module name \"a.b\" contains a dot");
    assert_eq!(refused(""), "Sequential: the module name \"\" is empty");
    assert_eq!(refused("0"), "Sequential: the module name \"0\" is taken");
}

#[test]
fn a_state_that_is_not_strict_loads_what_fits() {
    let source = Sequential::new().add(Linear::new(2, 3).unwrap()).add(Linear::new(3, 1).unwrap());
    let net = Sequential::new().add(Linear::new(2, 3).unwrap()).add(Linear::new(3, 1).unwrap());
    let mut state = source.state_dict();
    let before = net.state_dict();
    state.remove("0.weight");
    state.remove("1.bias");
    state.insert("2.weight", downhill_tensor::ones([1]).unwrap());
    let error = net.load_state_dict(&state).unwrap_err();
    assert_eq!((error.missing.len(), error.unexpected.len()), (2, 1));
    assert_eq!(net.state_dict(), before);
    let keys = net.load_state_dict_with(&state, Strict::No).unwrap();
    assert_eq!(keys.missing, ["0.weight", "1.bias"]);
    assert_eq!(keys.unexpected, ["2.weight"]);
    let after = net.state_dict();
    for (name, of) in [("0.weight", &before), ("0.bias", &state), ("1.weight", &state), ("1.bias", &before)] {
        assert_eq!(after.get(name), of.get(name), "{name}");
    }
    // A shape that does not fit is refused all the same, and nothing is loaded.
    state.insert("0.bias", downhill_tensor::ones([7]).unwrap());
    let error = net.load_state_dict_with(&state, Strict::No).unwrap_err();
    assert!(error.missing.is_empty() && error.unexpected.is_empty() && error.mismatched.len() == 1);
    assert_eq!(net.state_dict(), after);
}

#[test]
fn prefixes_come_and_go() {
    let state = Linear::new(2, 3).unwrap().state_dict();
    let inside = state.with_prefix("encoder.");
    assert_eq!(inside.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["encoder.weight", "encoder.bias"]);
    let mut both = inside.clone();
    both.extend(state.with_prefix("head."));
    assert_eq!(both.strip_prefix("encoder."), state);
    assert!(both.strip_prefix("decoder.").is_empty());
}
