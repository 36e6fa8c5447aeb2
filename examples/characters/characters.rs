//! Learns which character follows eight others, in *Romeo and Juliet*, and writes on.
//!
//! `cargo run --example characters [SEED]`
use downhill::data::{DataLoader, Dataset, TensorDataset, random_split};
use downhill::log::Curves;
use downhill::nn::LinearCrossEntropyOptions;
use downhill::prelude::*;
use std::collections::BTreeSet;

const TEXT: &str = include_str!("romeo_and_juliet.txt");
const CONTEXT: usize = 8; // How many characters the model sees.
const EPOCHS: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i64>())?);
    let characters: Vec<char> = TEXT.chars().collect::<BTreeSet<_>>().into_iter().collect();
    let codes: Vec<i64> =
        TEXT.chars().filter_map(|c| Some(characters.binary_search(&c).ok()? as i64)).collect();
    let n = codes.len() - CONTEXT;
    let x = codes.windows(CONTEXT).take(n).flatten().copied().collect::<Vec<_>>();
    let data = TensorDataset::new((Tensor::from(x).reshape([n, CONTEXT])?, Tensor::from(&codes[CONTEXT..])))?;
    let [train, valid] = random_split(data, [0.9, 0.1], None)?;
    let (x_valid, y_valid) = valid.all()?;
    println!("{} characters of {} kinds", codes.len(), characters.len());

    let features = Sequential::new()
        .add(Embedding::new(characters.len(), 12)?)
        .add(Flatten::default())
        .add(Linear::new(12 * CONTEXT, 64)?)
        .add(Tanh);
    let criterion = LinearCrossEntropyLoss::new(64, characters.len(), LinearCrossEntropyOptions::default())?;
    let parameters = [features.parameters(), criterion.parameters()].concat();
    let mut optimizer = AdamW::new(parameters, AdamWOptions { lr: 0.005, ..Default::default() })?;

    let loader = DataLoader::new(train).batch_size(64).shuffle(true);
    let mut loss = f64::INFINITY;
    let mut curves = Curves::create("target/curves/characters.csv")?;
    for epoch in 1..=EPOCHS {
        let mut total = 0.0;
        for batch in loader.iter()? {
            let (x, y) = batch?;
            optimizer.zero_grad();
            let loss = criterion.forward(&features.forward(&x)?, &y)?;
            loss.backward()?;
            optimizer.step()?;
            total += loss.item::<f64>()?;
        }
        loss = no_grad(|| criterion.forward(&features.forward(&x_valid)?, &y_valid))?.item()?;
        let total = total / loader.len() as f64;
        println!("epoch {epoch}: loss {total:.4}, validation {loss:.4}");
        curves.add(epoch, &[("loss", total), ("validation", loss)])?;
    }

    let mut codes = codes[..CONTEXT].to_vec();
    for _ in 0..300 {
        let x = Tensor::from(&codes[codes.len() - CONTEXT..]).unsqueeze(0)?;
        let logits = no_grad(|| criterion.linear.forward(&features.forward(&x)?))?;
        codes.push((logits / 0.7).softmax(1)?.multinomial(1, false)?.item()?);
    }
    println!("{}", codes.iter().map(|&c| characters[c as usize]).collect::<String>());
    assert!(loss < 2.2, "it has learned less than it should");
    Ok(())
}
