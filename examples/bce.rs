//! Binary classification: Sequential(Linear, Sigmoid) and `BCELoss` on float labels.
use downhill::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i128>())? as u64);

    let x = randn([10, 1])?;
    let y = Tensor::from([0.0_f32, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]).view([-1, 1])?;

    let model = Sequential::new().add(Linear::new(1, 1)?).add(Sigmoid);
    println!("{model}");
    let criterion = BCELoss::default();
    let outputs = model.forward(&x)?;
    println!("{outputs}");
    let loss = criterion.forward(&outputs, &y)?;
    println!("BCELoss: {:?}", loss.item::<f64>()?);
    println!("{loss}");

    let options = SgdOptions { lr: 0.5, momentum: 0.9, ..Default::default() };
    let mut optimizer = SGD::new(model.parameters(), options)?;
    for step in 0..50 {
        optimizer.zero_grad();
        let loss = criterion.forward(&model.forward(&x)?, &y)?;
        loss.backward()?;
        optimizer.step()?;
        if step % 10 == 9 {
            println!("step {}: {:.4}", step + 1, loss.item::<f64>()?);
        }
    }
    for (name, value) in model.state_dict().iter() {
        println!("{name} {value}");
    }
    Ok(())
}
