//! Regression with `MSELoss`: a line with noise and one outlier.
use downhill::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i128>())? as u64);

    let x = randn([20, 2])?;
    let y = x.matmul(&Tensor::from([[2.0_f32], [-3.4]]))? + 4.2 + 0.01 * randn([20, 1])?;
    let y = y + 25.0 * Tensor::from(3).one_hot(20)?.view([20, 1])?;

    let model = Linear::new(2, 1)?;
    let criterion = MSELoss::default();
    let outputs = model.forward(&x)?;
    let loss = criterion.forward(&outputs, &y)?;
    println!("MSELoss: {:?}", loss.item::<f64>()?);
    println!("{loss}");
    loss.backward()?;
    for parameter in model.parameters() {
        println!("{}", parameter.grad().ok_or("no gradient")?);
    }

    let mut optimizer = SGD::new(model.parameters(), SgdOptions { lr: 0.05, ..Default::default() })?;
    for step in 0..200 {
        optimizer.zero_grad();
        let loss = criterion.forward(&model.forward(&x)?, &y)?;
        loss.backward()?;
        optimizer.step()?;
        if step % 50 == 49 {
            println!("step {}: {:.4}", step + 1, loss.item::<f64>()?);
        }
    }
    for parameter in model.parameters() {
        println!("{parameter}");
    }
    Ok(())
}
