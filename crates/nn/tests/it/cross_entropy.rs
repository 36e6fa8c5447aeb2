//! Cross-entropy with and without a gradient.

use downhill_nn::functional;
use downhill_tensor::{Result, Tensor, no_grad};

#[test]
fn a_loss_has_the_same_bits_with_and_without_a_gradient() -> Result<()> {
    for (rows, classes) in [(1, 1), (7, 2), (31, 7), (32, 8), (33, 10), (100, 63), (5, 64), (70, 100)] {
        let noise = (0..rows * classes).map(|i| (i as f32 * 1.7).sin() * 4.0).collect();
        let x = Tensor::from_vec(noise, [rows, classes])?.requires_grad_()?;
        let targets = (0..rows).map(|r| if r % 5 == 4 { -100 } else { (r * 3 % classes) as i64 }).collect();
        let t = Tensor::from_vec(targets, [rows])?;
        let trained = functional::cross_entropy(&x, &t)?.item::<f32>()?;
        let judged = no_grad(|| functional::cross_entropy(&x, &t))?.item::<f32>()?;
        assert_eq!(trained.to_bits(), judged.to_bits(), "{rows} rows of {classes}");
    }
    Ok(())
}
