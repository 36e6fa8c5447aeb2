//! `NLLLoss` wants log-probabilities: the raw outputs go through `log_softmax` by hand.
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
    let criterion = NLLLoss::default();
    let outputs = model.forward(&x)?;
    let log_probs = outputs.log_softmax(1)?;
    println!("{log_probs}");
    let loss = criterion.forward(&log_probs, &y)?;
    println!("NLLLoss: {:?}", loss.item::<f64>()?);
    let twice = criterion.forward(&outputs.softmax(1)?.log_softmax(1)?, &y)?;
    println!("softmax, then log_softmax: {:?}", twice.item::<f64>()?);
    println!("CrossEntropyLoss: {:?}", CrossEntropyLoss::default().forward(&outputs, &y)?.item::<f64>()?);

    loss.backward()?;
    println!("{}", model.fc.weight.grad().ok_or("no gradient")?);
    println!("{}", model.fc.bias.as_ref().and_then(Parameter::grad).ok_or("no gradient")?);
    SGD::new(model.parameters(), SgdOptions { lr: 0.1, ..Default::default() })?.step()?;
    println!(
        "after one step: {:?}",
        criterion.forward(&model.forward(&x)?.log_softmax(1)?, &y)?.item::<f64>()?
    );
    Ok(())
}
