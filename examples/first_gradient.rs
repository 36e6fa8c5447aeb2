//! The first program of docs/quick-start.md: a gradient.
use downhill::prelude::*;

fn main() -> Result<()> {
    let x = Tensor::from([1.0_f32, 2.0, 3.0]).requires_grad_()?;
    let y = (&x * &x).sum();
    y.backward()?;
    println!("{y}");
    println!("{}", x.grad().expect("a gradient"));
    Ok(())
}
