//! Learns to read handwritten digits from the four files of MNIST, or of a set that is stored like it.
//!
//! `cargo run --release --example mnist [FOLDER] [SEED]`; without a folder, from a small sample that lies beside this file.
use downhill::data::{DataLoader, Dataset, Idx, TensorDataset};
use downhill::log::{Curves, Progress};
use downhill::prelude::*;
use std::path::Path;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample");
const EPOCHS: usize = 10;

/// Pictures, a row each, and digits. The files are plain, or compressed by gzip.
fn load(folder: &Path, part: &str) -> Result<TensorDataset<(Tensor, Tensor)>, downhill::data::Error> {
    let open = |kind: &str| {
        let plain = folder.join(format!("{part}-{kind}-ubyte"));
        Idx::open(if plain.exists() { plain } else { folder.join(format!("{part}-{kind}-ubyte.gz")) })
    };
    let (x, y) = (open("images-idx3")?.images()?, open("labels-idx1")?.labels()?);
    TensorDataset::new((x.flatten(1, -1)?, y))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).unwrap_or(SAMPLE.into());
    manual_seed(std::env::args().nth(2).map_or(Ok(0), |s| s.parse::<i64>())?);
    let [train, test] = ["train", "t10k"].map(|part| load(folder.as_ref(), part));
    let (train, (x_test, y_test)) = (train?, test?.all()?);
    println!("{} digits to learn from, {} to test", train.len(), y_test.numel());

    let pixels = x_test.size(1)?;
    let model = Sequential::new().add(Linear::new(pixels, 128)?).add(ReLU).add(Linear::new(128, 10)?);
    println!("{model}");
    let criterion = CrossEntropyLoss::default();
    let mut optimizer = Adam::new(model.parameters(), AdamOptions::default())?;
    let loader = DataLoader::new(train).batch_size(64).shuffle(true);
    let mut curves = Curves::create("target/curves/mnist.csv")?;
    let (progress, mut last) = (Progress::new(EPOCHS), 0.0);
    for epoch in 1..=EPOCHS {
        let mut total = 0.0;
        for batch in progress.epoch(epoch, loader.iter()?) {
            let (x, y) = batch?;
            optimizer.zero_grad();
            let loss = criterion.forward(&model.forward(&x)?, &y)?;
            loss.backward()?;
            optimizer.step()?;
            total += loss.item::<f64>()?;
            progress.loss(loss.item()?);
        }
        let outputs = no_grad(|| model.forward(&x_test))?;
        let total = total / loader.len() as f64;
        last = accuracy(&outputs, &y_test)?;
        progress.print(format!("epoch {epoch:2}: loss {total:.4}, accuracy {last:.4}"));
        curves.add(epoch, &[("loss", total), ("accuracy", last)])?;
    }
    model.save("target/mnist.safetensors")?;
    assert!(last > 0.9, "it has learned less than it should");
    Ok(())
}
