//! The program that the README shows.
use downhill::prelude::*;

#[derive(Module)]
struct SimpleNN {
    fc: Linear,
}

impl Forward for SimpleNN {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fc.forward(x)
    }
}

fn main() -> Result<()> {
    manual_seed(0);
    let x = randn([10, 2])?;
    let y = Tensor::from([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);

    let model = SimpleNN { fc: Linear::new(2, 3)? };
    println!("{model}");

    let criterion = CrossEntropyLoss::default();
    let options = SgdOptions { lr: 0.1, ..Default::default() };
    let mut optimizer = SGD::new(model.parameters(), options)?;

    for _ in 0..100 {
        optimizer.zero_grad();
        let loss = criterion.forward(&model.forward(&x)?, &y)?;
        loss.backward()?;
        optimizer.step()?;
    }

    let outputs = model.forward(&x)?;
    let loss = criterion.forward(&outputs, &y)?.item::<f64>()?;
    println!("after 100 steps: {loss:?}");
    println!("{}", outputs.argmax(1, false)?);
    Ok(())
}
