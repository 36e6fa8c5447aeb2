use downhill::data::{DistributedSampler, Sampler};
use serde_json::Value;

#[test]
fn the_parts_of_all_processes_are_those_of_pytorch() {
    let file: Value = serde_json::from_str(include_str!("../distributed.json")).expect("JSON");
    let cases = file["cases"].as_array().expect("cases");
    assert_eq!(cases.len(), 48);
    for case in cases {
        let number = |name: &str| case[name].as_u64().expect("a number");
        for epoch in case["epochs"].as_array().expect("epochs") {
            let parts: Vec<Vec<usize>> = serde_json::from_value(epoch[1].clone()).expect("numbers");
            for (rank, wanted) in parts.iter().enumerate() {
                let sampler = DistributedSampler::new(number("n") as usize, parts.len(), rank)
                    .expect("a sampler")
                    .shuffle(case["shuffle"] == true)
                    .drop_last(case["drop_last"] == true)
                    .seed(number("seed"));
                sampler.clone().set_epoch(epoch[0].as_u64().expect("a number"));
                let found: Vec<_> = sampler.iter().collect::<Result<_, _>>().expect("numbers");
                assert_eq!(found, *wanted, "rank {rank} in epoch {} of {case}", epoch[0]);
                assert_eq!(sampler.len(), wanted.len());
            }
        }
    }
}

#[test]
fn a_rank_is_below_the_number_of_processes() {
    let error = DistributedSampler::new(10, 2, 2).expect_err("there are ranks 0 and 1");
    assert_eq!(error.to_string(), "DistributedSampler: rank 2 is not below the number of processes, 2");
    assert!(DistributedSampler::new(10, 0, 0).is_err());
    assert_eq!(DistributedSampler::new(0, 2, 1).expect("a sampler").iter().count(), 0);
}
