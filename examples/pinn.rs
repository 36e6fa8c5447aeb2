//! Solves the heat equation by a network that is trained to obey it (a physics-informed network, PINN).
//!
//! ∂u/∂t = α ∂²u/∂x² on a rod that is 0 at both ends and sin πx at the start; the solution is e^(−απ²t) sin πx.
//!
//! `cargo run --example pinn [SEED]`
use downhill::autograd::grad_create_graph;
use downhill::log::Curves;
use downhill::prelude::*;
use std::f64::consts::PI;

const ALPHA: f64 = 0.1;
const STEPS: usize = 1000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i64>())?);
    let model = Sequential::new()
        .add(Linear::new(2, 20)?)
        .add(Tanh)
        .add(Linear::new(20, 20)?)
        .add(Tanh)
        .add(Linear::new(20, 1)?);
    println!("{model}");
    let u = |x: &Tensor, t: &Tensor| model.forward(&Tensor::cat(&[x, t], 1)?);
    let criterion = MSELoss::default();
    let mut optimizer = Adam::new(model.parameters(), AdamOptions { lr: 0.005, ..Default::default() })?;

    let mut curves = Curves::create("target/curves/pinn.csv")?;
    for step in 1..=STEPS {
        optimizer.zero_grad();
        // Inside: the residual of the equation, from first and second derivatives of the network.
        let (x, t) = (rand([64, 1])?.requires_grad_()?, rand([64, 1])?.requires_grad_()?);
        let [u_x, u_t] = grad_create_graph(&u(&x, &t)?.sum(), [&x, &t])?;
        let [u_xx] = grad_create_graph(&u_x.sum(), [&x])?;
        let inside = criterion.forward(&u_t, &(ALPHA * u_xx))?;
        // At the start, and at both ends.
        let (x, t) = (rand([32, 1])?, rand([32, 1])?);
        let zero = zeros([32, 1])?;
        let start = criterion.forward(&u(&x, &zero)?, &(&x * PI).sin())?;
        let left = criterion.forward(&u(&zero, &t)?, &zero)?;
        let right = criterion.forward(&u(&ones([32, 1])?, &t)?, &zero)?;
        let loss = inside + start + left + right;
        loss.backward()?;
        optimizer.step()?;
        curves.add(step, &[("loss", loss.item()?)])?;
        if step == 1 || step % 200 == 0 {
            println!("step {step:4}: loss {:.6}", loss.item::<f64>()?);
        }
    }

    println!("\n{:>5}{:>12}{:>12}", "t", "u(½, t)", "network");
    let solution = |x: &Tensor, t: &Tensor| (t * (-ALPHA * PI * PI)).exp() * (x * PI).sin();
    let (x, t) = (full([5, 1], 0.5_f32)?, linspace(0.0_f32, 1.0, 5)?.unsqueeze(1)?);
    let rows = Tensor::cat(&[&t, &solution(&x, &t), &no_grad(|| u(&x, &t))?], 1)?;
    for row in rows.to_vec::<f32>()?.chunks(3) {
        println!("{:5.2}{:12.4}{:12.4}", row[0], row[1], row[2]);
    }
    let (x, t) = (rand([1000, 1])?, rand([1000, 1])?);
    let error = (no_grad(|| u(&x, &t))? - solution(&x, &t)).square().mean()?.sqrt().item::<f64>()?;
    println!("root mean squared error at 1000 places: {error:.4}");
    assert!(error < 0.02, "it has learned less than it should");
    Ok(())
}
