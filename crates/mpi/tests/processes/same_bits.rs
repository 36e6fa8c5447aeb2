//! Losses and parameters that do not depend on the number of processes.

use crate::case::{Outcome, fingerprint, mpirun, start};
use downhill::data::{DataLoader, RandomSampler, TensorDataset};
use downhill::nn::BatchNorm1d;
use downhill::prelude::*;
use downhill_mpi::{DataParallel, Options, World, class_weights};

/// A training of 100 steps.
struct Training {
    name: &'static str,
    options: Options,
    batch_size: usize,
    dtype: DType,
    adam: bool,
}

/// Every training, in one start of the processes.
fn trainings() -> Vec<Training> {
    let plain =
        |name| Training { name, options: Options::default(), batch_size: 32, dtype: DType::F32, adam: false };
    let bytes = |bucket_bytes| Options { bucket_bytes, ..Options::default() };
    vec![
        plain("sgd"),
        // Every parameter in several parts; the bits are those of the first.
        Training { options: bytes(400), ..plain("sgd, small buckets") },
        Training { adam: true, ..plain("adam, dropout, weights and ignored rows") },
        // Batches of 6 rows and a last one of 4: some processes have none.
        Training { batch_size: 6, ..plain("sgd, fewer rows than pieces") },
        Training { batch_size: 40, ..plain("batch normalization") },
        Training {
            options: Options { pieces: 11, ..Options::default() },
            dtype: DType::F64,
            ..plain("eleven pieces")
        },
    ]
}

fn model(name: &str) -> Result<Sequential> {
    let net = Sequential::new().add(Linear::new(8, 24)?);
    Ok(match name {
        "batch normalization" => net.add(BatchNorm1d::new(24)?).add(ReLU).add(Linear::new(24, 3)?),
        "adam, dropout, weights and ignored rows" => {
            net.add(ReLU).add(Dropout::new(0.3)?).add(Linear::new(24, 3)?)
        }
        _ => net.add(Tanh).add(Linear::new(24, 3)?),
    })
}

fn data(dtype: DType) -> Result<(Tensor, Tensor)> {
    let x = randn([100, 8])?.to_dtype(dtype);
    let y = x.narrow(1, 0, 3)?.argmax(1, false)?;
    // Every seventh row does not count, and those are not spread evenly.
    let ignored = arange(0, 100, 1)?.remainder(7)?.eq(0)?.logical_and(&x.select(1, 0)?.gt(0.0)?)?;
    Ok((x, Tensor::where_(&ignored, -100, &y)?))
}

fn train(world: &World, training: &Training) -> Result<Vec<f64>, Box<dyn std::error::Error>> {
    let Training { name, options, batch_size, dtype, adam } = training;
    manual_seed(7);
    let (x, y) = data(*dtype)?;
    let model = model(name)?;
    model.to_dtype(*dtype)?;
    let mut parallel = DataParallel::new(&model, world, options.clone())?;
    let weight = adam.then(|| Tensor::from([1.0_f32, 0.3, 2.5]).to_dtype(*dtype));
    let criterion = CrossEntropyLoss { reduction: Reduction::Sum, weight, ..Default::default() };
    let mut optimizer: Box<dyn Optimizer> = if *adam {
        Box::new(Adam::new(model.parameters(), AdamOptions { lr: 0.01, ..Default::default() })?)
    } else {
        Box::new(SGD::new(model.parameters(), SgdOptions { lr: 0.1, momentum: 0.9, ..Default::default() })?)
    };
    let drop_last = *batch_size == 40;
    let shares = parallel.shares(RandomSampler::new(100), *batch_size, drop_last)?;
    let loader = DataLoader::new(TensorDataset::new((x, y))?).batch_sampler(shares);
    let mut losses = Vec::new();
    while losses.len() < 100 {
        for share in loader.iter()? {
            optimizer.zero_grad();
            losses.push(parallel.backward(&share?, |(x, y)| {
                let loss = criterion.forward(&model.forward(x)?, y)?;
                Ok((loss, class_weights(y, criterion.weight.as_ref(), -100)?))
            })?);
            optimizer.step()?;
        }
    }
    losses.truncate(100);
    let print = Tensor::from(fingerprint(&model)?.cast_signed());
    let all = world.all_gather(&print)?;
    assert!(all.iter().all(|other| *other == print), "the processes' models differ");
    if world.is_root() {
        let bits: Vec<_> = losses.iter().map(|loss| format!("{:x}", loss.to_bits())).collect();
        println!("{name}: {} {:x}", bits.join(" "), print.item::<i64>()?);
    }
    Ok(losses)
}

pub(crate) fn process(world: &World, _: &[String]) -> Outcome {
    for training in &trainings() {
        let losses = train(world, training)?;
        let (first, last): (f64, f64) = (losses[..10].iter().sum(), losses[90..].iter().sum());
        assert!(last < 0.7 * first, "{}: it learns nothing, {first} {last}", training.name);
    }
    Ok(())
}

pub(crate) fn for_any_number_of_processes() {
    let one = start(1, "same_bits", &[]).printed();
    let lines: Vec<_> = one.lines().collect();
    assert_eq!(lines.len(), trainings().len());
    let numbers = |line: &str| line.split_once(": ").expect("a name").1.to_string();
    assert_eq!(numbers(lines[0]), numbers(lines[1]), "the size of buckets shows");
    assert_ne!(numbers(lines[0]), numbers(lines[2]));
    for processes in [2, 3, 4, 8] {
        let several = start(processes, "same_bits", &[]).printed();
        for (one, several) in lines.iter().zip(several.lines()) {
            assert_eq!(*one, several, "{processes} processes");
        }
        assert_eq!(several, one);
    }
}

/// The gradients of one batch, beside those of the loss whose mean is over that batch.
pub(crate) fn mean(world: &World, _: &[String]) -> Outcome {
    manual_seed(3);
    let (x, y) = data(DType::F64)?;
    let model = Linear::new(8, 3)?;
    model.to_dtype(DType::F64)?;
    let weight = Some(Tensor::from([1.0, 0.3, 2.5]));
    let criterion = CrossEntropyLoss { weight: weight.clone(), ..Default::default() };
    let whole = criterion.forward(&model.forward(&x)?, &y)?;
    whole.backward()?;
    let gradients: Vec<_> = model.parameters().iter().filter_map(Parameter::grad).collect();

    let mut parallel = DataParallel::new(&model, world, Options { pieces: 16, ..Options::default() })?;
    let sum = CrossEntropyLoss { reduction: Reduction::Sum, ..criterion };
    let rows = parallel.shares(downhill::data::SequentialSampler::new(100), 100, false)?;
    let data = TensorDataset::new((x, y))?;
    // Twice without `zero_grad` between: gradients add up.
    let before = parallel.traffic();
    for (turn, share) in [1.0, 2.0].into_iter().zip([&rows, &rows]) {
        if turn == 1.0 {
            model.zero_grad();
        }
        for share in DataLoader::new(&data).batch_sampler(share.clone()).iter()? {
            let loss = parallel.backward(&share?, |(x, y)| {
                Ok((sum.forward(&model.forward(x)?, y)?, class_weights(y, weight.as_ref(), -100)?))
            })?;
            assert!((loss - whole.item::<f64>()?).abs() < 1e-14);
        }
        for (parameter, expected) in model.parameters().iter().zip(&gradients) {
            let distance =
                (parameter.grad().expect("a gradient") / turn - expected).abs().amax(0, false)?.max()?;
            assert!(distance.item::<f64>()? < 1e-15, "{distance}");
        }
    }
    // 27 elements of 8 bytes, twice: a process has one block or two of each, sends the others theirs of it, and all of them the sums.
    let (traffic, size) = (parallel.traffic(), world.size());
    let (bytes, messages) = (traffic.bytes - before.bytes, traffic.messages - before.messages);
    assert_eq!(messages, 2 * 2 * (size as u64 - 1));
    let blocks = if size == 3 { [2, 3, 2][world.rank()] } else { 1 };
    assert_eq!(bytes, 2 * 8 * 27 * (size as u64 - 1) / size as u64 * (blocks + 1));
    Ok(())
}

pub(crate) fn the_mean_is_that_of_the_global_batch() {
    for processes in [1, 3] {
        start(processes, "mean", &[]).printed();
    }
}

pub(crate) fn of_the_example() {
    let test = std::env::current_exe().expect("a path");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("target/debug");
    let example = folder.join("examples/digits_mpi");
    let one = mpirun(1, &example, &["0", "3"]).printed();
    assert!(one.lines().last().is_some_and(|line| line.contains("accuracy 0.9")), "{one}");
    assert_eq!(mpirun(2, &example, &["0", "3"]).printed(), one);
}
