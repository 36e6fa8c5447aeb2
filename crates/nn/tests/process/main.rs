//! Tests that read or seed what the whole process shares: the counters of memory and the default generator. They are alone in
//! their program, and take turns.

mod resume;

use downhill_nn::functional::linear_cross_entropy;
use downhill_nn::{
    AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxWithLoss, Forward, Linear, LinearCrossEntropyOptions, Loss,
    MSELoss, Module, Optimizer, Parameter, ReLU, SGD, Sequential, SgdOptions, StateDict,
};
use downhill_tensor::random::manual_seed;
use downhill_tensor::{Result, Tensor, memory};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Until it is dropped, no other test here runs. One that failed does not matter to the next.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_training_step_leaves_parameters_and_velocities() {
    let _turn = turn();
    let live = || memory::stats().live;
    let start = live();
    {
        let net =
            Sequential::new().add(Linear::new(20, 300).unwrap()).add(ReLU).add(Linear::new(300, 3).unwrap());
        // Less than a KiB is not counted.
        let bytes = net.parameters().iter().map(|p| p.numel() * size_of::<f32>()).collect::<Vec<_>>();
        let parameters: usize = bytes.iter().filter(|&&bytes| bytes >= 1024).sum();
        let (x, y) = (downhill_tensor::randn([500, 20]).unwrap(), downhill_tensor::randn([500, 3]).unwrap());
        let mut optimizer =
            SGD::new(net.parameters(), SgdOptions { momentum: 0.9, ..Default::default() }).unwrap();
        let before = live();
        let mut step = || {
            optimizer.zero_grad();
            MSELoss::default().forward(&net.forward(&x).unwrap(), &y).unwrap().backward().unwrap();
            optimizer.step().unwrap();
            optimizer.zero_grad();
        };
        step();
        assert_eq!(live() - before, parameters, "one velocity for each parameter");
        for _ in 0..5 {
            step();
        }
        assert_eq!(live() - before, parameters);

        // An evaluation without a graph keeps its result alone.
        let output = downhill_tensor::no_grad(|| net.forward(&x)).unwrap();
        assert_eq!(live() - before, parameters + output.numel() * size_of::<f32>());

        // A snapshot shares memory until the next step.
        let state = net.state_dict();
        assert_eq!(live() - before, parameters + output.numel() * size_of::<f32>());
        step();
        assert_eq!(live() - before, 2 * parameters + output.numel() * size_of::<f32>());
        drop(state);
    }
    assert_eq!(live(), start);
}

/// 2048 tokens of 512 features, 32,000 classes: logits are 250 MiB.
#[test]
fn a_training_step_holds_its_gradients_and_32_mib() {
    let _turn = turn();
    let x = downhill_tensor::randn([2048, 512]).unwrap().requires_grad_().unwrap();
    let w =
        downhill_tensor::randn([32_000, 512]).unwrap().mul(0.05).unwrap().detach().requires_grad_().unwrap();
    // Memory is laid out for all rows; that most are ignored saves this test time.
    let target: Vec<i64> = (0..2048).map(|i| if i % 6 == 0 { i * 15 } else { -100 }).collect();
    let target = Tensor::from(target);
    let gradients = 4 * (x.numel() + w.numel());
    for upstream in [1.0, 0.5] {
        x.set_grad(None).unwrap();
        w.set_grad(None).unwrap();
        let before = memory::stats().live;
        memory::reset_peak();
        let loss =
            linear_cross_entropy(&x, &w, &target, None, &LinearCrossEntropyOptions::default()).unwrap();
        loss.mul(upstream).unwrap().backward().unwrap();
        let beyond = memory::stats().peak - before - gradients;
        assert!(beyond <= 32 << 20, "{beyond} bytes beyond the gradients");
        // Nothing but the gradients is left.
        drop(loss);
        assert_eq!(memory::stats().live - before, gradients);
    }
}

#[test]
fn initial_values_are_those_of_pytorch() {
    let _turn = turn();
    manual_seed(0);
    let fc = Linear::new(3, 2).unwrap();
    let bits =
        |p: &Parameter| p.tensor().to_vec::<f32>().unwrap().iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let weight = [0xbb8d_a3e8, 0x3e9e_9313, 0xbef3_4b7e, 0xbed9_8bc9, 0xbe63_b4b1, 0x3e1e_8953];
    assert_eq!(bits(&fc.weight), weight);
    assert_eq!(bits(fc.bias.as_ref().unwrap()), [0xbc3b_6b40, 0x3eea_617a]);
    // Weights without elements draw nothing; the bias has bound 0.
    let empty = Linear::new(0, 2).unwrap();
    assert_eq!(empty.bias.unwrap().tensor(), downhill_tensor::zeros([2]).unwrap());
}

/// torch 2.15: `manual_seed(0); m = AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10], div_value=2., head_bias=True);
/// m(torch.randn(4, 16), torch.tensor([0, 6, 12, 19]))`
#[test]
fn it_draws_computes_and_prints_what_pytorch_does() -> Result<()> {
    let _turn = turn();
    manual_seed(0);
    let options = AdaptiveLogSoftmaxOptions { div_value: 2.0, head_bias: true };
    let softmax = AdaptiveLogSoftmaxWithLoss::new(16, 20, &[5, 10], options)?;
    let found = softmax.forward(&downhill_tensor::randn([4, 16])?, &Tensor::from([0, 6, 12, 19]))?;
    for (ours, theirs) in found.output.to_vec::<f32>()?.iter().zip([-1.8686, -4.0388, -4.4593, -4.1951]) {
        assert!((ours - theirs).abs() < 6e-5, "{ours}, not {theirs}");
    }
    assert!((found.loss.item::<f32>()? - 3.6405).abs() < 6e-5);
    assert_eq!((found.output.grad_fn(), found.loss.grad_fn()), (Some("AddBackward0"), Some("MeanBackward0")));
    let names: Vec<_> = softmax.named_parameters().into_iter().map(|(name, _)| name).collect();
    let want = [
        "head.weight",
        "head.bias",
        "tail.0.0.weight",
        "tail.0.1.weight",
        "tail.1.0.weight",
        "tail.1.1.weight",
    ];
    assert_eq!(names, want);
    let text = "AdaptiveLogSoftmaxWithLoss(
  (head): Linear(in_features=16, out_features=7, bias=True)
  (tail): ModuleList(
    (0): Sequential(
      (0): Linear(in_features=16, out_features=8, bias=False)
      (1): Linear(in_features=8, out_features=5, bias=False)
    )
    (1): Sequential(
      (0): Linear(in_features=16, out_features=4, bias=False)
      (1): Linear(in_features=4, out_features=10, bias=False)
    )
  )
)";
    assert_eq!(softmax.to_string(), text);
    Ok(())
}

/// Headers that tell of 4 GiB in files of some bytes, and a whole file cut off behind its header.
#[test]
fn a_file_that_tells_of_more_than_it_has_takes_no_memory() {
    let _turn = turn();
    let file = |header: &str, length: u64| {
        let bytes = [&length.to_le_bytes(), header.as_bytes(), &[0; 8]].concat();
        memory::reset_peak();
        let before = memory::stats().live;
        StateDict::from_bytes(&bytes).unwrap_err();
        assert_eq!(memory::stats().peak, before, "{header}");
    };
    for dtype in ["F32", "U8", "F16", "BOOL"] {
        let bytes = (if dtype == "F32" { 4 } else { 1 + u64::from(dtype == "F16") }) << 30;
        let header =
            format!(r#"{{"a":{{"dtype":"{dtype}","shape":[1073741824],"data_offsets":[0,{bytes}]}}}}"#);
        file(&header, header.len() as u64);
        file(&header, 1 << 32);
    }
    let state: StateDict = [("a", downhill_tensor::zeros([1 << 16]).unwrap())].into_iter().collect();
    let whole = state.to_bytes().unwrap();
    memory::reset_peak();
    let before = memory::stats().live;
    StateDict::from_bytes(&whole[..whole.len() - 1]).unwrap_err();
    assert_eq!(memory::stats().peak, before);
}
