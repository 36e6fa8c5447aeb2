//! Learns to tell malignant tumours from benign ones, and stops when the validation part no longer gains.
//!
//! `cargo run --example breast_cancer [SEED]`
use downhill::data::{
    CsvOptions, DataLoader, Dataset, Kind, Standardizer, Table, TensorDataset, random_split,
};
use downhill::log::Curves;
use downhill::prelude::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/breast_cancer.csv");
const CLASSES: [&str; 2] = ["benign", "malignant"];
const PATIENCE: usize = 10;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i64>())?);
    let kinds = vec![("diagnosis".into(), Kind::Classes(CLASSES.map(String::from).into()))];
    let (x, y) = Table::open(FILE, &CsvOptions { kinds, ..Default::default() })?.split_target("diagnosis")?;
    let data = TensorDataset::new((x, y.to_dtype(DType::F32).unsqueeze(1)?))?;
    let [train, valid, test] = random_split(data, [0.6, 0.2, 0.2], None)?;
    let ((x, y), (x_valid, y_valid), (x_test, y_test)) = (train.all()?, valid.all()?, test.all()?);
    let scaler = Standardizer::fit(&x)?;
    let (x, x_valid, x_test) =
        (scaler.transform(&x)?, scaler.transform(&x_valid)?, scaler.transform(&x_test)?);

    // As if there were as many malignant tumours as benign ones.
    let malignant = y.sum().item::<f64>()?;
    let pos_weight = (y.numel() as f64 - malignant) / malignant;
    println!("{} tumours to learn from, {malignant} of them malignant: weight {pos_weight:.2}", y.numel());
    let model = Sequential::new().add(Linear::new(30, 16)?).add(ReLU).add(Linear::new(16, 1)?);
    println!("{model}");
    let criterion =
        BCEWithLogitsLoss { pos_weight: Some(Tensor::from([pos_weight as f32])), ..Default::default() };
    let mut optimizer = Adam::new(model.parameters(), AdamOptions { lr: 0.01, ..Default::default() })?;

    let loader = DataLoader::new(TensorDataset::new((x, y))?).batch_size(32).shuffle(true);
    let (mut best, mut best_epoch, mut best_state) = (f64::INFINITY, 0, model.state_dict());
    let mut curves = Curves::create("target/curves/breast_cancer.csv")?;
    for epoch in 1.. {
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
        let loss = criterion.forward(&outputs, &y_valid)?.item::<f64>()?;
        let auc = metrics::roc_auc(&outputs, &y_valid)?;
        let total = total / loader.len() as f64;
        println!("epoch {epoch:2}: loss {total:.4}, validation {loss:.4}, AUC {auc:.4}");
        curves.add(epoch, &[("loss", total), ("validation", loss), ("AUC", auc)])?;
        if loss < best {
            (best, best_epoch, best_state) = (loss, epoch, model.state_dict());
        } else if epoch - best_epoch == PATIENCE {
            break;
        }
    }
    model.load_state_dict(&best_state)?;

    let outputs = no_grad(|| model.forward(&x_test))?;
    let auc = metrics::roc_auc(&outputs, &y_test)?;
    println!("epoch {best_epoch} was the best; AUC on {} tumours it has not seen: {auc:.4}", y_test.numel());
    let [guessed, actual] = [outputs.gt(0)?, y_test].map(|x| x.squeeze().to_dtype(DType::I64));
    println!("{}", metrics::classification_report(&guessed, &actual, &CLASSES)?);
    assert!(auc > 0.98, "it has learned less than it should");
    Ok(())
}
