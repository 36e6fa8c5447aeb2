//! Learns to read handwritten digits of 8 × 8 pixels, and keeps the best network in a file; reads some with it.
//!
//! `cargo run --example digits [SEED]`, then `cargo run --example digits predict`
use downhill::data::{CsvOptions, DataLoader, Dataset, Kind, Table, TensorDataset, random_split};
use downhill::log::Curves;
use downhill::prelude::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/digits.csv.gz");
const BEST: &str = "target/digits.safetensors";
const EPOCHS: u64 = 20;

fn model() -> Result<Sequential> {
    Ok(Sequential::new().add(Linear::new(64, 64)?).add(ReLU).add(Linear::new(64, 10)?))
}

fn digits() -> Result<(Tensor, Tensor)> {
    let options =
        CsvOptions { header: false, kinds: vec![("64".into(), Kind::Category)], ..Default::default() };
    let (x, y) = Table::open(FILE, &options)?.split_target("64")?;
    Ok((x / 16.0, y))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("predict") {
        return predict();
    }
    manual_seed(argument.map_or(Ok(0), |s| s.parse::<i64>())?);
    let [train, valid, test] = random_split(TensorDataset::new(digits()?)?, [0.6, 0.2, 0.2], None)?;
    let ((x_valid, y_valid), (x_test, y_test)) = (valid.all()?, test.all()?);
    println!("{} digits to learn from, {} that the network never sees", train.len(), test.len());

    let model = model()?;
    println!("{model}");
    let criterion = CrossEntropyLoss::default();
    let mut optimizer = Adam::new(model.parameters(), AdamOptions { lr: 0.003, ..Default::default() })?;
    let loader = DataLoader::new(train).batch_size(32).shuffle(true);
    let mut best = f64::INFINITY;
    let mut curves = Curves::create("target/curves/digits.csv")?;
    for epoch in 1..=EPOCHS {
        let mut total = 0.0;
        for batch in loader.iter()? {
            let (x, y) = batch?;
            optimizer.zero_grad();
            let loss = criterion.forward(&model.forward(&x)?, &y)?;
            loss.backward()?;
            optimizer.step()?;
            total += loss.item::<f64>()?;
        }
        let outputs = no_grad(|| model.forward(&x_valid))?;
        let (total, loss) =
            (total / loader.len() as f64, criterion.forward(&outputs, &y_valid)?.item::<f64>()?);
        let accuracy = accuracy(&outputs, &y_valid)?;
        println!("epoch {epoch:2}: loss {total:.4}, validation {loss:.4}, accuracy {accuracy:.3}");
        curves.add(epoch as usize, &[("loss", total), ("validation", loss), ("accuracy", accuracy)])?;
        if loss < best {
            best = loss;
            Checkpoint { epoch, ..Checkpoint::of(&model, &optimizer) }.save(BEST)?;
        }
    }

    let checkpoint = Checkpoint::load(BEST)?;
    checkpoint.restore(&model, &mut optimizer)?;
    let outputs = no_grad(|| model.forward(&x_test))?;
    let accuracy = accuracy(&outputs, &y_test)?;
    println!("epoch {} was the best; accuracy on digits it has not seen: {accuracy:.3}", checkpoint.epoch);
    println!("rows: the digit; columns: what the network says");
    println!("{}", metrics::confusion_matrix(&outputs, &y_test, 10)?.counts());
    assert!(accuracy > 0.95, "it has learned less than it should");
    predict()
}

/// Reads the last three digits of the file with the network that has been kept.
fn predict() -> Result<(), Box<dyn std::error::Error>> {
    let model = model()?;
    model.load_state_dict(&Checkpoint::load(BEST)?.model)?;
    let x = digits()?.0.slice(-3..)?;
    let (chances, read) = no_grad(|| model.forward(&x)?.softmax(1)?.max_dim(1, false))?;
    for row in &x.reshape([3, 8, 8])?.transpose(0, 1)?.reshape([8, 24])? {
        let shade = |x: f32| [' ', '·', '+', '#'][(x * 3.99) as usize];
        println!("{}", row.to_vec::<f32>()?.into_iter().map(shade).collect::<String>());
    }
    for (chance, digit) in chances.iter().zip(read.iter()) {
        print!("{} ({chance:.2}) ", digit.item::<i64>()?);
    }
    println!();
    Ok(())
}
