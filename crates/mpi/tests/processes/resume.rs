//! A training that is killed and goes on from its last checkpoint.

use crate::case::{Outcome, fingerprint, start};
use crate::failure::kill;
use downhill::data::{DataLoader, RandomSampler, TensorDataset};
use downhill::prelude::*;
use downhill::random::{get_rng_state, set_rng_state};
use downhill_mpi::{DataParallel, Options, World};
use std::path::Path;

const EPOCHS: u64 = 3;
/// Of 8 steps an epoch, the one of the second in which rank 3 dies.
const KILLED: u64 = 6;

/// Trains from the checkpoint in a file if there is one, writes one every second step, and prints what has become of the model.
pub(crate) fn process(world: &World, arguments: &[String]) -> Outcome {
    let (path, killed) = (Path::new(&arguments[0]), arguments.get(1).is_some());
    manual_seed(5);
    let x = randn([64, 6])?;
    let y = x.square().sum_dim(1, true)?;
    let model =
        Sequential::new().add(Linear::new(6, 16)?).add(Tanh).add(Dropout::new(0.2)?).add(Linear::new(16, 1)?);
    let mut parallel = DataParallel::new(&model, world, Options::default())?;
    let mut optimizer = Adam::new(model.parameters(), AdamOptions { lr: 0.01, ..Default::default() })?;
    let criterion = MSELoss { reduction: Reduction::Sum, ..Default::default() };
    let shares = parallel.shares(RandomSampler::new(64), 8, true)?;
    let loader = DataLoader::new(TensorDataset::new((x, y))?).batch_sampler(shares);

    // Rank 0 reads the file, and all go on from what it holds.
    let file = if world.is_root() && path.exists() { StateDict::load(path)? } else { StateDict::new() };
    let file = world.broadcast_state(&file)?;
    let (mut epoch, mut done) = (0, 0);
    if !file.is_empty() {
        let checkpoint = Checkpoint::from_state_dict(&file)?;
        checkpoint.restore(&model, &mut optimizer)?;
        parallel.load_state_dict(&checkpoint.extra)?;
        (epoch, done) = (checkpoint.epoch, checkpoint.step);
    }
    if world.is_root() {
        println!("from epoch {epoch}, step {done}");
    }
    while epoch < EPOCHS {
        // The order of the epoch follows from where the generator is now.
        let generator = get_rng_state();
        for (step, share) in (1..).zip(loader.iter()?).skip(done as usize) {
            optimizer.zero_grad();
            parallel.backward(&share?, |(x, y)| {
                Ok((criterion.forward(&model.forward(x)?, y)?, y.numel() as f64))
            })?;
            optimizer.step()?;
            if world.is_root() && step % 2 == 0 {
                let now = Checkpoint::of(&model, &optimizer);
                let generator = generator.clone();
                Checkpoint { epoch, step, generator, extra: parallel.state_dict(), ..now }.save(path)?;
            }
            if killed && world.rank() == 3 && (epoch, step) == (1, KILLED + 1) {
                kill();
            }
        }
        (epoch, done) = (epoch + 1, 0);
    }
    assert_eq!(world.all_gather(&Tensor::from(fingerprint(&model)?.cast_signed()))?.len(), world.size());
    if world.is_root() {
        println!("{:x}", fingerprint(&model)?);
    }
    // It is the same generator that all have gone on with.
    set_rng_state(&get_rng_state())?;
    Ok(())
}

pub(crate) fn after_a_kill() {
    let path = |name: &str| {
        let name = format!("downhill-mpi-{name}-{}.safetensors", std::process::id());
        std::env::temp_dir().join(name).to_str().expect("a path").to_string()
    };
    let (whole, cut, copy) = (path("whole"), path("cut"), path("copy"));
    let uninterrupted = start(4, "train", &[&whole]).printed();
    let (head, bits) = uninterrupted.split_once('\n').expect("two lines");
    assert_eq!(head, "from epoch 0, step 0");

    assert!(!start(4, "train", &[&cut, "kill"]).success);
    std::fs::copy(&cut, &copy).expect("a checkpoint");
    // On as many processes, and on fewer.
    for (processes, path) in [(4, &cut), (2, &copy)] {
        let resumed = start(processes, "train", &[path]).printed();
        assert_eq!(resumed, format!("from epoch 1, step {KILLED}\n{bits}"));
    }
    for path in [whole, cut, copy] {
        std::fs::remove_file(path).expect("a checkpoint");
    }
}
