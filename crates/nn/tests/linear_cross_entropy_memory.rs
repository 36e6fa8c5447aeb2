//! What a linear cross-entropy holds. Alone in its program, because the counters are of the whole process.

use downhill_nn::LinearCrossEntropyOptions;
use downhill_nn::functional::linear_cross_entropy;
use downhill_tensor::{Tensor, memory};

/// 2048 tokens of 512 features, 32,000 classes: logits are 250 MiB.
#[test]
fn a_training_step_holds_its_gradients_and_32_mib() {
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
