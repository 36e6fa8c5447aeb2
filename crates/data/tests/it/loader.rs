use downhill::data::{
    BatchSampler, DataLoader, Dataset, Error, Order, RandomSampler, Result, Sampler, SequentialSampler,
    SharedGenerator, TensorDataset, WeightedRandomSampler,
};
use downhill::{Tensor, arange};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::yield_now;
use std::time::{Duration, Instant};

fn numbers(n: i64) -> TensorDataset<Tensor> {
    TensorDataset::new(arange(0, n, 1).unwrap()).unwrap()
}

fn seeded() -> SharedGenerator {
    SharedGenerator::seeded(0)
}

/// A dataset that counts what it loads, and does what some numbers ask for.
struct Slow {
    n: usize,
    loaded: Arc<AtomicUsize>,
    refuse: Option<usize>,
    panic: Option<usize>,
}

impl Slow {
    fn new(n: usize) -> Self {
        Self { n, loaded: Arc::default(), refuse: None, panic: None }
    }
}

impl Dataset for Slow {
    type Item = (f32, i64);
    fn len(&self) -> usize {
        self.n
    }
    fn get(&self, index: usize) -> Result<(f32, i64)> {
        self.loaded.fetch_add(1, Ordering::SeqCst);
        // Whoever comes later may be done sooner.
        (0..if index.is_multiple_of(7) { 10_000 } else { 10 }).for_each(|_| yield_now());
        assert_ne!(Some(index), self.panic, "entry {index} is broken");
        if Some(index) == self.refuse {
            Err(Error::other("no such file"))
        } else {
            Ok((index as f32 / 3.0, index as i64))
        }
    }
}

fn texts(loader: &DataLoader<Slow>) -> Vec<String> {
    let text = |batch: Result<(Tensor, Tensor)>| match batch {
        Ok((x, y)) => format!("{:?} {:?}", x.to_vec::<f32>().unwrap(), y.to_vec::<i64>().unwrap()),
        Err(error) => error.to_string(),
    };
    loader.iter().unwrap().map(text).collect()
}

#[test]
fn threads_change_neither_order_nor_bits_nor_errors() {
    let loader = |workers| {
        let data = Slow { refuse: Some(17), ..Slow::new(50) };
        DataLoader::new(data).batch_size(4).shuffle(true).generator(seeded()).workers(workers)
    };
    let alone = loader(0);
    let (first, second) = (texts(&alone), texts(&alone));
    assert_eq!(first.len(), 13);
    assert_ne!(first, second);
    assert_eq!(first.iter().filter(|text| *text == "entry 17: no such file").count(), 1);
    for workers in [1, 2, 5] {
        let threads = loader(workers);
        assert_eq!(texts(&threads), first, "{workers}");
        assert_eq!(texts(&threads), second, "{workers}");
    }
}

#[test]
fn a_panic_of_a_worker_is_an_error_in_its_batchs_place() {
    let data = Slow { panic: Some(5), ..Slow::new(8) };
    let texts = texts(&DataLoader::new(data).batch_size(2).generator(seeded()).workers(2));
    assert_eq!(texts.len(), 4);
    assert!(texts[2].starts_with("DataLoader: a worker panicked: "), "{}", texts[2]);
    assert!(texts[2].contains("entry 5 is broken"), "{}", texts[2]);
    assert_eq!(texts[3], "[2.0, 2.3333333] [6, 7]");
}

#[test]
fn an_epoch_that_is_left_early_stops_its_threads() {
    let data = Slow::new(10_000);
    let loaded = data.loaded.clone();
    let loader = DataLoader::new(data).batch_size(10).generator(seeded()).workers(3);
    let mut epoch = loader.iter().unwrap();
    assert!(epoch.next().unwrap().is_ok());
    drop(epoch);
    // Three threads, two batches each, and the one that was taken.
    let stopped = loaded.load(Ordering::SeqCst);
    assert!(stopped <= 70, "{stopped}");
    drop(loader);
    assert_eq!(Arc::strong_count(&loaded), 1, "a thread has the dataset still");
    assert_eq!(loaded.load(Ordering::SeqCst), stopped);
}

#[test]
fn threads_load_ahead_as_much_as_they_may() {
    let data = Slow::new(1000);
    let loaded = data.loaded.clone();
    let loader = DataLoader::new(data).generator(seeded()).workers(2);
    let mut epoch = loader.iter().unwrap();
    assert!(epoch.next().unwrap().is_ok());
    let start = Instant::now();
    while loaded.load(Ordering::SeqCst) < 4 && start.elapsed() < Duration::from_secs(20) {
        yield_now();
    }
    assert_eq!(loaded.load(Ordering::SeqCst), 4);
}

#[test]
fn options_that_make_no_sense_are_refused() {
    let loader = || DataLoader::new(numbers(4)).generator(seeded());
    let batches = || BatchSampler::new(SequentialSampler::new(4), 2, false).unwrap();
    let refused = [
        (loader().batch_size(0), "BatchSampler: a batch_size of 0"),
        (
            loader().shuffle(true).sampler(SequentialSampler::new(4)),
            "DataLoader: a sampler leaves nothing to shuffle",
        ),
        (
            loader().batch_sampler(batches()).batch_size(2),
            "DataLoader: a batch_sampler leaves nothing to batch_size, shuffle, sampler and drop_last",
        ),
    ];
    for (loader, message) in refused {
        assert_eq!(loader.iter().unwrap_err().to_string(), message);
    }
    let error = BatchSampler::new(SequentialSampler::new(4), 0, false).unwrap_err();
    assert_eq!(error.to_string(), "BatchSampler: a batch_size of 0");
    let matrix = Tensor::from([[1.0, 2.0]]);
    let error = WeightedRandomSampler::new(&matrix, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "WeightedRandomSampler: expected weights of one dimension, but got shape [1, 2]"
    );
}

#[test]
fn an_order_that_cannot_be_drawn_is_an_error_and_the_end() {
    let weights = Tensor::from([0.0, 0.0]);
    let sampler = || WeightedRandomSampler::new(&weights, 2).unwrap().generator(seeded());
    for workers in [0, 2] {
        let loader = DataLoader::new(numbers(2)).generator(seeded()).sampler(sampler()).workers(workers);
        let items: Vec<_> = loader.iter().unwrap().map(|batch| batch.unwrap_err().to_string()).collect();
        assert_eq!(items, ["multinomial: all weights are 0"]);
    }
    let none = RandomSampler::new(0).num_samples(3).iter().map(|i| i.unwrap_err().to_string());
    assert_eq!(none.collect::<Vec<_>>(), ["RandomSampler: there are no entries to draw from"]);
}

#[test]
fn empty_datasets_have_no_batches() {
    for shuffle in [false, true] {
        let loader = DataLoader::new(numbers(0)).batch_size(3).shuffle(shuffle).generator(seeded());
        assert!(loader.is_empty() && loader.iter().unwrap().next().is_none());
    }
}

/// Batches of a sampler of one's own, which goes on after its end.
struct Pairs;

impl Sampler for Pairs {
    type Item = Vec<usize>;
    fn len(&self) -> usize {
        2
    }
    fn iter(&self) -> Order<Vec<usize>> {
        let mut i = 0;
        Box::new(std::iter::from_fn(move || {
            i += 1;
            (i % 3 != 0).then(|| Ok(vec![i % 3, 0]))
        }))
    }
}

#[test]
fn samplers_of_ones_own_end_once() {
    for workers in [0, 2] {
        let loader = DataLoader::new(numbers(3)).generator(seeded()).batch_sampler(Pairs).workers(workers);
        let mut epoch = loader.iter().unwrap();
        assert_eq!(epoch.size_hint(), (0, Some(2)));
        let batches: Vec<_> = epoch.by_ref().map(Result::unwrap).collect();
        assert_eq!(batches, [Tensor::from([1, 0]), Tensor::from([2, 0])]);
        assert!(epoch.next().is_none());
    }
}

#[test]
fn random_samplers_draw_what_pytorchs_draw() {
    let take = |sampler: RandomSampler| sampler.iter().map(Result::unwrap).collect::<Vec<_>>();
    let order = take(RandomSampler::new(4).num_samples(10).generator(seeded()));
    let mut generator = downhill::random::Generator::seeded(0);
    let mut wanted = Vec::new();
    for _ in 0..3 {
        wanted.extend(generator.randperm(4).unwrap().to_vec::<i64>().unwrap());
    }
    let order: Vec<_> = order.into_iter().map(|i| i as i64).collect();
    assert_eq!(order, wanted[..10]);
    // `list(RandomSampler(range(10), True, 5, torch.Generator().manual_seed(0)))`.
    let rolls = take(RandomSampler::new(10).replacement(true).num_samples(5).generator(seeded()));
    assert_eq!(rolls, [4, 9, 3, 0, 3]);
}
