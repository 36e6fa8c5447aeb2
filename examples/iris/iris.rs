//! Learns to tell three species of iris apart from four measurements, on the real data of 1936.
//!
//! `cargo run --example iris [SEED]`
use downhill::data::{CsvOptions, Kind, Table};
use downhill::log::Progress;
use downhill::prelude::*;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/iris.csv");
const SPECIES: [&str; 3] = ["setosa", "versicolor", "virginica"];
const EPOCHS: usize = 200;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    manual_seed(std::env::args().nth(1).map_or(Ok(0), |s| s.parse::<i128>())? as u64);
    // Measurements in centimetres, and the species of each flower.
    let kinds = vec![("species".into(), Kind::Classes(SPECIES.map(String::from).into()))];
    let (x, y) = Table::open(FILE, &CsvOptions { kinds, ..Default::default() })?.split_target("species")?;

    // 100 flowers to learn from, 50 that the network never sees; measurements in units of their spread.
    let order = randperm(y.numel())?;
    let (train, test) = (order.narrow(0, 0, 100)?, order.narrow(0, 100, 50)?);
    let (x_train, y_train) = (x.index_select(0, &train)?, y.index_select(0, &train)?);
    let (x_test, y_test) = (x.index_select(0, &test)?, y.index_select(0, &test)?);
    let (mean, std) = (x_train.mean_dim(0, false)?, x_train.std_dim(0, 1.0, false)?);
    let (x_train, x_test) = ((x_train - &mean) / &std, (x_test - &mean) / &std);

    let model = Sequential::new().add(Linear::new(4, 16)?).add(ReLU).add(Linear::new(16, 3)?);
    println!("{model}");
    let criterion = CrossEntropyLoss::default();
    let options = SgdOptions { lr: 0.05, momentum: 0.9, ..Default::default() };
    let mut optimizer = SGD::new(model.parameters(), options)?;

    let progress = Progress::new(EPOCHS);
    for epoch in 1..=EPOCHS {
        let order = randperm(100)?;
        let mut total = 0.0;
        for batch in progress.epoch(epoch, order.split(20, 0)?) {
            optimizer.zero_grad();
            let outputs = model.forward(&x_train.index_select(0, &batch)?)?;
            let loss = criterion.forward(&outputs, &y_train.index_select(0, &batch)?)?;
            loss.backward()?;
            optimizer.step()?;
            total += loss.item::<f64>()?;
        }
        progress.loss(total / 5.0);
        if epoch == 1 || epoch % 50 == 0 {
            progress.print(format!("epoch {epoch:3}: loss {:.4}", total / 5.0));
        }
    }
    drop(progress);

    let outputs = no_grad(|| model.forward(&x_test))?;
    println!("accuracy on 50 flowers it has not seen: {:.2}", accuracy(&outputs, &y_test)?);
    println!("\n{:>12}  {}", "", SPECIES.map(|s| format!("{s:>10}")).join(" "));
    let guessed = outputs.argmax(1, false)?.to_vec::<i64>()?;
    for (class, name) in SPECIES.iter().enumerate() {
        let actual = y_test.to_vec::<i64>()?;
        let count = |guess: usize| {
            actual.iter().zip(&guessed).filter(|&(&a, &g)| (a, g) == (class as i64, guess as i64)).count()
        };
        println!("{name:>12}  {}", [0, 1, 2].map(|guess| format!("{:>10}", count(guess))).join(" "));
    }
    println!("rows: the species; columns: what the network says");
    Ok(())
}
