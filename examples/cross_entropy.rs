//! Multi-class classification with `CrossEntropyLoss`: raw logits in, class indices as the target.
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i128>())? as u64);

    let x = randn([10, 2])?;
    let y = Tensor::from([0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);

    let model = SimpleNN { fc: Linear::new(2, 3)? };
    println!("{model}");
    for (name, parameter) in model.named_parameters() {
        println!("{name} {parameter}");
    }

    let criterion = CrossEntropyLoss::default();
    let outputs = model.forward(&x)?;
    println!("{outputs}");
    let loss = criterion.forward(&outputs, &y)?;
    println!("CrossEntropyLoss: {:?}", loss.item::<f64>()?);
    println!("{loss}");

    let mut optimizer = SGD::new(model.parameters(), SgdOptions { lr: 0.1, ..Default::default() })?;
    optimizer.zero_grad();
    loss.backward()?;
    for (name, parameter) in model.named_parameters() {
        println!("{name} {}", parameter.grad().ok_or("no gradient")?);
    }
    optimizer.step()?;
    for (name, value) in model.state_dict().iter() {
        println!("{name} {value}");
    }
    println!("after one step: {:?}", criterion.forward(&model.forward(&x)?, &y)?.item::<f64>()?);

    for _ in 0..99 {
        optimizer.zero_grad();
        criterion.forward(&model.forward(&x)?, &y)?.backward()?;
        optimizer.step()?;
    }
    println!("after 100 steps: {:?}", criterion.forward(&model.forward(&x)?, &y)?.item::<f64>()?);
    println!("{}", model.forward(&x)?.argmax(1, false)?);
    Ok(())
}
