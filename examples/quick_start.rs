//! The second program of docs/quick-start.md: a network that is trained, saved and loaded.
use downhill::prelude::*;

#[derive(Module)]
struct Net {
    hidden: Linear,
    out: Linear,
}

impl Net {
    fn new() -> Result<Self> {
        Ok(Net { hidden: Linear::new(2, 32)?, out: Linear::new(32, 2)? })
    }
}

impl Forward for Net {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.out.forward(&self.hidden.forward(x)?.relu())
    }
}

/// Points in a square, and 1 for those in a circle.
fn points(n: usize) -> Result<(Tensor, Tensor)> {
    let x = rand([n, 2])? * 2.0 - 1.0;
    let inside = x.square().sum_dim(1, false)?.lt(0.5)?;
    Ok((x, inside.to_dtype(DType::I64)))
}

fn main() -> Result<()> {
    manual_seed(0);
    let loader = DataLoader::new(TensorDataset::new(points(1000)?)?).batch_size(50).shuffle(true);
    let (x, y) = points(200)?;

    let net = Net::new()?;
    println!("{net}");
    let criterion = CrossEntropyLoss::default();
    let mut optimizer = Adam::new(net.parameters(), AdamOptions { lr: 0.01, ..Default::default() })?;

    for epoch in 1..=10 {
        for batch in loader.iter()? {
            let (x, y) = batch?;
            optimizer.zero_grad();
            let loss = criterion.forward(&net.forward(&x)?, &y)?;
            loss.backward()?;
            optimizer.step()?;
        }
        let outputs = no_grad(|| net.forward(&x))?;
        let loss = criterion.forward(&outputs, &y)?;
        println!("epoch {epoch:2}: loss {loss:.3}, accuracy {:.2}", accuracy(&outputs, &y)?);
    }

    let path = std::env::temp_dir().join("quick_start.safetensors");
    net.save(&path)?;
    let loaded = Net::new()?;
    loaded.load(&path)?;
    let same = loaded.forward(&x)? == net.forward(&x)?;
    println!("loaded, and it answers the same: {same}");
    Ok(())
}
