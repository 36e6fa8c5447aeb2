//! Learns to read handwritten digits of 8 × 8 pixels.
//!
//! `cargo run --release --example digits [SEED]`
use downhill::data::{CsvOptions, DataLoader, Dataset, Kind, Table, TensorDataset, stratified_split};
use downhill::prelude::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/digits.csv.gz");
const EPOCHS: usize = 20;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i64>())?);
    let options =
        CsvOptions { header: false, kinds: vec![("64".into(), Kind::Category)], ..Default::default() };
    let (x, y) = Table::open(FILE, &options)?.split_target("64")?;
    let data = TensorDataset::new((x / 16.0, y.clone()))?;
    let [train, test] = stratified_split(&data, &y, [0.8, 0.2], None)?;
    let (x_test, y_test) = test.all()?;
    println!("{} digits to learn from, {} that the network never sees", train.len(), test.len());

    let model = Sequential::new().add(Linear::new(64, 64)?).add(ReLU).add(Linear::new(64, 10)?);
    println!("{model}");
    let criterion = CrossEntropyLoss::default();
    let mut optimizer = Adam::new(model.parameters(), AdamOptions { lr: 0.003, ..Default::default() })?;

    let loader = DataLoader::new(train).batch_size(32).shuffle(true);
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
        let outputs = no_grad(|| model.forward(&x_test))?;
        let loss = total / loader.len() as f64;
        println!("epoch {epoch:2}: loss {loss:.4}, accuracy {:.3}", accuracy(&outputs, &y_test)?);
    }
    Ok(())
}
