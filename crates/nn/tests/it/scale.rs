//! Models of many parameters and of many levels: what each costs is linear in them.

use downhill_nn::{
    Adam, AdamOptions, ClipNormOptions, Forward, Linear, Module, Optimizer, Parameter, ReLU, Result, SGD,
    Sequential, SgdOptions, StateDict, Visit, clip_grad_norm_,
};
use downhill_tensor::Tensor;
use downhill_tensor::autograd::{GradOptions, grad_with};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const COUNT: usize = 16_000;

/// Tests are less optimized.
const LIMIT: Duration = Duration::from_secs(if cfg!(debug_assertions) { 3 } else { 1 });

/// What `run` gives, once it has taken no longer than the limit.
fn timed<T>(what: &str, run: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = run();
    let time = start.elapsed();
    println!("{what}: {time:?}");
    assert!(time < LIMIT, "{what} took {time:?}");
    result
}

#[derive(Module)]
struct Many {
    each: Vec<Parameter>,
}

fn parameters() -> Vec<Parameter> {
    (0..COUNT).map(|i| Parameter::new(Tensor::from([i as f32])).unwrap()).collect()
}

#[test]
fn a_module_of_16000_parameters_is_named_saved_loaded_and_printed_in_linear_time() {
    let module = Many { each: parameters() };
    let named = timed("named_parameters", || module.named_parameters());
    assert_eq!((named.len(), &named[COUNT - 1].0[..]), (COUNT, "each.15999"));
    let state = timed("state_dict", || module.state_dict());
    timed("load_state_dict", || module.load_state_dict(&state)).unwrap();
    let bad: StateDict =
        timed("rename", || state.iter().map(|(n, x)| (format!("x{n}"), x.clone())).collect());
    let error = timed("refuse", || module.load_state_dict(&bad)).unwrap_err();
    assert_eq!((error.missing.len(), error.unexpected.len()), (COUNT, COUNT));
    timed("print an error", || error.to_string());
    timed("print a state", || state.to_string());
    timed("compare", || assert_eq!(state, state.clone()));
    let mut rest = state;
    timed("remove", || named.iter().for_each(|(name, _)| assert!(rest.remove(name).is_some())));
    timed("switch", || {
        module.eval();
        module.requires_grad_(false).unwrap();
        module.zero_grad();
        module.to_dtype(downhill_tensor::DType::F64).unwrap();
    });
}

#[test]
fn sequences_and_lists_of_16000_modules_are_made_and_printed_in_linear_time() {
    let net = timed("add", || (0..COUNT).fold(Sequential::new(), |net, _| net.add(ReLU)));
    assert!(net.get("15999").is_some() && net.get("16000").is_none());
    let text = timed("print", || net.to_string());
    assert!(text.ends_with("\n  (15999): ReLU()\n)"));
    let add = |net: Sequential, i: usize| net.add_named(&format!("n{i}"), ReLU).unwrap();
    timed("add_named", || (0..COUNT).fold(Sequential::new(), add));

    #[derive(Module)]
    struct Lists {
        equal: Vec<Linear>,
        pairs: Vec<Linear>,
    }
    let linear = |i: usize| Linear::new(1, 1 + i / 2 % 2).unwrap();
    let lists =
        Lists { equal: (0..COUNT).map(|_| linear(0)).collect(), pairs: (0..COUNT).map(linear).collect() };
    let text = timed("print lists", || lists.to_string());
    assert!(text.contains("(0-15999): 16000 x Linear"));
    assert!(text.contains("    (15998-15999): 2 x Linear(in_features=1, out_features=2, bias=True)\n  )"));
}

#[test]
fn an_optimizer_of_16000_parameters_is_made_stepped_saved_and_loaded_in_linear_time() {
    let all = parameters();
    let step = |all: &[Parameter]| {
        all.iter().try_for_each(|p| p.set_grad(Some(Tensor::from([1.0_f32]))))?;
        clip_grad_norm_(all, 1.0, ClipNormOptions::default())
    };
    timed("clip", || step(&all)).unwrap();
    let mut adam = timed("new", || Adam::new(all.clone(), AdamOptions::default())).unwrap();
    timed("step", || adam.step()).unwrap();
    let state = timed("state_dict", || adam.state_dict());
    assert_eq!(state.len(), 3 * COUNT + 8);
    timed("load_state_dict", || adam.load_state_dict(&state)).unwrap();
    timed("print", || state.to_string());
    timed("zero_grad", || adam.zero_grad());

    let groups = all.iter().map(|p| ([p.clone()], SgdOptions::default()));
    let mut sgd = timed("a group each", || SGD::with_groups(groups)).unwrap();
    let state = timed("save groups", || sgd.state_dict());
    timed("load groups", || sgd.load_state_dict(&state)).unwrap();
    timed("rates", || sgd.set_lrs(&sgd.lrs())).unwrap();
    assert_eq!(
        sgd.add_group(
            [Parameter::new(Tensor::from(1.0_f32)).unwrap(), all[7].clone()],
            SgdOptions::default()
        )
        .unwrap_err()
        .to_string(),
        "SGD: parameters 7 and 16001 are the same"
    );
    // What was refused is not there: its place is free again.
    sgd.add_group([Parameter::new(Tensor::from(1.0_f32)).unwrap()], SgdOptions::default()).unwrap();
    assert_eq!(sgd.lrs().len(), COUNT + 1);
}

#[test]
fn a_graph_of_16000_leaves_is_made_and_gone_through_in_linear_time() {
    let all: Vec<_> = parameters().iter().map(Parameter::tensor).collect();
    let joined = timed("stack", || Tensor::stack(&all, 0)).unwrap();
    let total =
        timed("sum", || all.iter().try_fold(joined.sum(), |sum, x| sum.add(&x.square().sum()))).unwrap();
    let inputs: Vec<_> = all.iter().collect();
    let options = GradOptions { create_graph: true, ..GradOptions::default() };
    let found = timed("grad", || grad_with(&[(&total, None)], &inputs, options)).unwrap();
    assert_eq!(found[7].as_ref().map(Tensor::detach), Some(Tensor::from([15.0_f32])));
    timed("backward", || total.backward()).unwrap();
    assert_eq!(all[COUNT - 1].grad(), Some(Tensor::from([2.0_f32 * 15_999.0 + 1.0])));
    timed("unbind", || joined.unbind(0)).unwrap();
    timed("split", || joined.split(1, 0)).unwrap();
    let net = (0..COUNT).fold(Sequential::new(), |net, _| net.add(ReLU));
    timed("forward", || net.forward(&all[5])).unwrap();
}

/// A module that writes its own text.
struct Poem;

impl Module for Poem {
    fn class_name(&self) -> &'static str {
        "Poem"
    }
    fn members(&self, _: &mut Visit<'_>) {}
    fn write_repr(&self, text: &mut String, indent: usize) {
        text.extend(["two\n", &" ".repeat(indent), "lines"]);
    }
}

impl Forward for Poem {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }
}

#[test]
fn a_module_may_write_its_own_text_wherever_it_stands() {
    let boxed: Box<dyn Forward> = Box::new(Poem);
    let net = Sequential::new().add(Sequential::new().add(boxed));
    assert_eq!(net.to_string(), "Sequential(\n  (0): Sequential(\n    (0): two\n    lines\n  )\n)");
    assert_eq!(Poem.repr(), "two\nlines");
}

/// A module in a module in a module …, at whose end is a [`Probe`].
#[derive(Module)]
struct Nest {
    inner: Box<dyn Forward>,
}

impl Forward for Nest {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.inner.forward(x)
    }
}

/// Where the stack is when it runs, or is printed.
#[derive(Module)]
#[module(extra_repr = Probe::seen)]
struct Probe {
    #[module(skip)]
    at: Arc<AtomicUsize>,
}

impl Probe {
    fn seen(&self) -> String {
        let here = 0_u8;
        self.at.store(std::ptr::from_ref(&here).addr(), Ordering::Relaxed);
        String::new()
    }
}

impl Forward for Probe {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.seen();
        Ok(x.clone())
    }
}

#[test]
fn modules_nested_3000_deep_run_and_are_printed_in_linear_time_in_2_kib_of_stack_a_level() {
    const DEPTH: usize = 3_000;
    let run = || {
        let at = Arc::new(AtomicUsize::new(0));
        let mut nest: Box<dyn Forward> = Box::new(Probe { at: at.clone() });
        for i in 0..DEPTH {
            nest = if i % 2 == 0 {
                Box::new(Nest { inner: nest })
            } else {
                Box::new(Sequential::new().add(nest))
            };
        }
        let here = 0_u8;
        let levels = |what: &str| {
            let bytes = (std::ptr::from_ref(&here).addr() - at.load(Ordering::Relaxed)) / DEPTH;
            println!("{what}: {bytes} bytes of stack a level");
            assert!(bytes <= 2048, "{what}: {bytes}");
        };
        let text = timed("print", || nest.to_string());
        levels("print");
        assert_eq!(text.lines().count(), 2 * DEPTH + 1);
        timed("forward", || nest.forward(&Tensor::from(1.0_f32))).unwrap();
        levels("forward");
        assert!(timed("state_dict", || nest.state_dict()).is_empty());
        timed("drop", || drop(nest));
    };
    std::thread::Builder::new().stack_size(DEPTH * 2048 + (1 << 20)).spawn(run).unwrap().join().unwrap();
}
