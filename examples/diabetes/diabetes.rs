//! Predicts how diabetes progresses, with four losses, from clean targets and from some with outliers: which loss is robust?
//!
//! `cargo run --example diabetes [SEED]`
use downhill::data::{CsvOptions, DataLoader, Dataset, Standardizer, Table, TensorDataset, random_split};
use downhill::log::{Curves, Plot};
use downhill::prelude::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/diabetes.csv");
const EPOCHS: usize = 60;
const TITLE: &str = "Four losses that learn from targets with outliers";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let seed = std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i64>())?;
    manual_seed(seed);
    let (x, y) = Table::open(FILE, &CsvOptions::default())?.split_target("progression")?;
    let data = TensorDataset::new((x, y.unsqueeze(1)? / 100.0))?;
    let [train, test] = random_split(data, [0.75, 0.25], None)?;
    let ((x, y), (x_test, y_test)) = (train.all()?, test.all()?);
    let scaler = Standardizer::fit(&x)?;
    let (x, x_test) = (scaler.transform(&x)?, scaler.transform(&x_test)?);
    // One of twenty targets has a zero too many.
    let outlier = rand(y.shape())?.lt(0.05)?;
    let y_spoiled = Tensor::where_(&outlier, &y * 10.0, &y)?;
    let outliers = outlier.sum().item::<i64>()?;
    print!("{} patients to learn from, {outliers} of them with a target ten times too large; ", y.numel());
    println!("{} to test", y_test.numel());

    // The mean absolute error and R² on the test part, of a linear model that learns with this loss; both are written each epoch.
    let test_errors = |criterion: &dyn Loss, y: &Tensor, file: &str| -> Result<(f64, f64)> {
        manual_seed(seed);
        let model = Linear::new(10, 1)?;
        let mut optimizer = Adam::new(model.parameters(), AdamOptions { lr: 0.02, ..Default::default() })?;
        let data = TensorDataset::new((x.clone(), y.clone()))?;
        let loader = DataLoader::new(data).batch_size(32).shuffle(true);
        let (mut errors, mut curves) = ((0.0, 0.0), Curves::create(file)?);
        for epoch in 1..=EPOCHS {
            for batch in loader.iter()? {
                let (x, y) = batch?;
                optimizer.zero_grad();
                criterion.forward(&model.forward(&x)?, &y)?.backward()?;
                optimizer.step()?;
            }
            let outputs = no_grad(|| model.forward(&x_test))?;
            let mae = 100.0 * metrics::mean_absolute_error(&outputs, &y_test)?;
            errors = (mae, metrics::r2_score(&outputs, &y_test)?);
            curves.add(epoch, &[("MAE", errors.0), ("R²", errors.1)])?;
        }
        Ok(errors)
    };

    println!("\n{:<22}{:^17}{:^17}", "", "clean", "with outliers");
    println!("{:<22}{:>8}{:>8} {:>8}{:>8}", "loss", "MAE", "R²", "MAE", "R²");
    let losses: [(&str, &dyn Loss); 4] = [
        ("MSE", &MSELoss::default()),
        ("L1", &L1Loss::default()),
        ("Smooth L1, beta 1", &SmoothL1Loss::default()),
        ("Huber, delta 0.2", &HuberLoss { delta: 0.2, ..Default::default() }),
    ];
    let mut plot = Plot { x: "epoch".into(), y: "MAE on the test part".into(), ..Plot::new(TITLE) };
    for (name, criterion) in losses {
        let file = format!("target/curves/diabetes_{}", name.replace([' ', ','], ""));
        let [clean, spoiled] = ["clean", "spoiled"].map(|part| format!("{file}_{part}.csv"));
        let (mae, r2) = test_errors(criterion, &y, &clean)?;
        let (spoiled_mae, spoiled_r2) = test_errors(criterion, &y_spoiled, &spoiled)?;
        println!("{name:<22}{mae:8.2}{r2:8.3} {spoiled_mae:8.2}{spoiled_r2:8.3}");
        assert!(mae < 55.0 && (spoiled_mae < 55.0) == (name != "MSE"), "another result than expected");
        plot = plot.run(name, &spoiled, "MAE")?;
    }
    plot.save("target/curves/diabetes.svg")?;
    Ok(())
}
