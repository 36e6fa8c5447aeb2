//! Learns to read handwritten digits of 8 × 8 pixels, on any number of processes with the same bits.
//!
//! `cargo build --release --example digits_mpi && mpirun -n 2 target/release/examples/digits_mpi [SEED] [EPOCHS]`
use downhill::data::{
    CsvOptions, DataLoader, Dataset, Kind, RandomSampler, Table, TensorDataset, stratified_split,
};
use downhill::prelude::*;
use downhill_mpi::{DataParallel, Options, World, class_weights};
use std::process::ExitCode;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/digits/digits.csv.gz");

fn main() -> ExitCode {
    World::run(train)
}

fn train(world: &World) -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    manual_seed(arguments.next().map_or(Ok(0), |s| s.parse::<i64>())?);
    let epochs = arguments.next().map_or(Ok(20), |n| n.parse::<usize>())?;
    let options =
        CsvOptions { header: false, kinds: vec![("64".into(), Kind::Category)], ..Default::default() };
    let (x, y) = Table::open(FILE, &options)?.split_target("64")?;
    let data = TensorDataset::new((x / 16.0, y.clone()))?;
    let [train, test] = stratified_split(&data, &y, [0.8, 0.2], None)?;
    let (x_test, y_test) = test.all()?;

    let model = Sequential::new().add(Linear::new(64, 64)?).add(ReLU).add(Linear::new(64, 10)?);
    let mut parallel = DataParallel::new(&model, world, Options::default())?;
    let criterion = CrossEntropyLoss { reduction: Reduction::Sum, ..Default::default() };
    let mut optimizer = Adam::new(model.parameters(), AdamOptions { lr: 0.003, ..Default::default() })?;

    let shares = parallel.shares(RandomSampler::new(train.len()), 32, false)?;
    let loader = DataLoader::new(train).batch_sampler(shares);
    for epoch in 1..=epochs {
        let mut total = 0.0;
        for share in loader.iter()? {
            optimizer.zero_grad();
            total += parallel.backward(&share?, |(x, y)| {
                let loss = criterion.forward(&model.forward(x)?, y)?;
                Ok((loss, class_weights(y, None, criterion.ignore_index)?))
            })?;
            optimizer.step()?;
        }
        if world.is_root() {
            let outputs = no_grad(|| model.forward(&x_test))?;
            let loss = total / loader.len() as f64;
            println!("epoch {epoch:2}: loss {loss:.17}, accuracy {:.3}", accuracy(&outputs, &y_test)?);
        }
    }
    Ok(())
}
