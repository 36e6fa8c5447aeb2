//! What the default generator draws for a new layer: a process of its own, in which no other test draws.

use downhill_nn::{AdaptiveLogSoftmaxOptions, AdaptiveLogSoftmaxWithLoss, Module};
use downhill_tensor::random::manual_seed;
use downhill_tensor::{Result, Tensor};

/// torch 2.15: `manual_seed(0); m = AdaptiveLogSoftmaxWithLoss(16, 20, [5, 10], div_value=2., head_bias=True);
/// m(torch.randn(4, 16), torch.tensor([0, 6, 12, 19]))`
#[test]
fn it_draws_computes_and_prints_what_pytorch_does() -> Result<()> {
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
