//! The default generator belongs to the process, hence a process for what is drawn from it.

use downhill::data::{
    Batches, DataLoader, Dataset, Portion, SharedGenerator, Subset, TensorDataset, WeightedRandomSampler,
    random_split,
};
use downhill::random::Generator;
use downhill::{Tensor, arange, rand, random::manual_seed};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<i64> {
    serde_json::from_value(value.clone()).expect("numbers")
}

fn batches(epoch: Batches<TensorDataset<Tensor>>) -> Vec<Vec<i64>> {
    epoch.map(|batch| batch.expect("a batch").to_vec().expect("numbers")).collect()
}

fn parts<P: Portion>(
    data: &TensorDataset<Tensor>,
    portions: &[P],
    generator: Option<&mut Generator>,
) -> Vec<Vec<i64>> {
    fn all<const N: usize>(parts: [Subset<&TensorDataset<Tensor>>; N]) -> Vec<Vec<i64>> {
        parts.map(|part| part.all().expect("entries").to_vec().expect("numbers")).into()
    }
    match *portions {
        [a, b] => all(random_split(data, [a, b], generator).expect("two parts")),
        [a, b, c] => all(random_split(data, [a, b, c], generator).expect("three parts")),
        _ => panic!("{} parts", portions.len()),
    }
}

fn check(case: &Value, workers: usize) {
    let size = |name: &str| case[name].as_u64().map(|n| n as usize);
    let n = size("n").expect("a number");
    let data = TensorDataset::new(arange(0, n as i64, 1).expect("numbers")).expect("a dataset");
    manual_seed(case["seed"].as_i64().expect("a seed"));
    let mut generator = case["generator_seed"].as_i64().map(Generator::seeded);
    if let Some(portions) = case["split"].as_array() {
        let lengths: Option<Vec<_>> = portions.iter().map(|x| x.as_u64().map(|n| n as usize)).collect();
        let found = if let Some(lengths) = lengths {
            parts(&data, &lengths, generator.as_mut())
        } else {
            let fractions: Vec<_> = portions.iter().filter_map(Value::as_f64).collect();
            parts(&data, &fractions, generator.as_mut())
        };
        let wanted: Vec<_> = case["parts"].as_array().expect("parts").iter().map(numbers).collect();
        assert_eq!(found, wanted, "{case}");
    } else {
        let mut loader = DataLoader::new(data)
            .batch_size(size("batch_size").expect("a size"))
            .drop_last(case["drop_last"] == true)
            .workers(workers);
        let generator = generator.map(SharedGenerator::from);
        if let Some(weights) = case["weights"].as_array() {
            let weights: Vec<_> = weights.iter().filter_map(Value::as_f64).collect();
            let sampler = WeightedRandomSampler::new(&weights.into(), size("num_samples").expect("a number"))
                .expect("a sampler")
                .replacement(case["replacement"] == true);
            loader = loader.sampler(match generator {
                Some(generator) => sampler.generator(generator),
                None => sampler,
            });
        } else {
            loader = loader.shuffle(case["shuffle"] != false);
            if let Some(generator) = generator {
                loader = loader.generator(generator);
            }
        }
        for epoch in case["epochs"].as_array().expect("epochs") {
            let wanted: Vec<_> = epoch.as_array().expect("batches").iter().map(numbers).collect();
            assert_eq!(loader.len(), wanted.len(), "{case}");
            assert_eq!(batches(loader.iter().expect("an epoch")), wanted, "{case}");
        }
    }
    let next = rand([2]).expect("numbers").to_vec::<f32>().expect("floats");
    let wanted: Vec<f32> =
        case["next"].as_array().expect("two").iter().filter_map(Value::as_f64).map(|x| x as f32).collect();
    assert_eq!(next, wanted, "{case}");
}

#[test]
fn batches_and_the_numbers_after_them_are_those_of_pytorch() {
    let file = include_str!("dataloader.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 35);
    for workers in [0, 1, 3] {
        for case in cases {
            check(case, workers);
        }
    }
}
