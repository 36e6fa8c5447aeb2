//! A training that is interrupted after any step and resumed from its checkpoint ends with the bits of one that is not: with every
//! optimizer and every schedule, with dropout and shuffling, and in another process.

use crate::turn;
use downhill_nn::optim::{
    ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, Descent, ExponentialLR, LambdaLR, LinearLR,
    LinearLrOptions, MultiStepLR, OneCycleLR, OneCycleOptions, PlateauOptions, PolynomialLR,
    ReduceLROnPlateau, Rule, Schedule, SequentialLR, StepLR, WarmRestartsOptions,
};
use downhill_nn::{
    AdagradOptions, AdamOptions, AdamWOptions, BatchNorm1d, Checkpoint, Dropout, Forward, Linear, Loss,
    MSELoss, Module, Optimizer, Parameter, RMSpropOptions, ReLU, Result, Sequential, SgdOptions, StateDict,
};
use downhill_tensor::random::{get_rng_state, manual_seed, set_rng_state};
use downhill_tensor::{Tensor, randn, randperm};
use std::fs;
use std::path::Path;
use std::process::Command;

type Build<T> = fn(&mut dyn Optimizer) -> Result<T>;
type MakeOptimizer = fn(Vec<Parameter>) -> Result<Box<dyn Optimizer>>;

/// A schedule that may want a metric.
enum Any {
    Plain(Box<dyn Schedule + Send + Sync>),
    Plateau(ReduceLROnPlateau),
}

impl Any {
    fn step(&mut self, optimizer: &mut dyn Optimizer, loss: f64) -> Result<()> {
        match self {
            Self::Plain(schedule) => schedule.step(optimizer),
            Self::Plateau(schedule) => schedule.step(optimizer, loss),
        }
    }
    fn state_dict(&self) -> StateDict {
        match self {
            Self::Plain(schedule) => schedule.state_dict(),
            Self::Plateau(schedule) => schedule.state_dict(),
        }
    }
    fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
        match self {
            Self::Plain(schedule) => schedule.load_state_dict(state),
            Self::Plateau(schedule) => schedule.load_state_dict(state),
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "all others may fail")]
fn plain(schedule: impl Schedule + Send + Sync + 'static) -> Result<Any> {
    Ok(Any::Plain(Box::new(schedule)))
}

const SCHEDULES: &[(&str, Build<Any>)] = &[
    ("StepLR", |_| plain(StepLR::new(2, 0.5)?)),
    ("MultiStepLR", |o| plain(MultiStepLR::new(o, [1, 4, 4], 0.5)?)),
    ("ExponentialLR", |_| plain(ExponentialLR::new(0.9))),
    ("CosineAnnealingLR", |o| plain(CosineAnnealingLR::new(o, 3, 0.001)?)),
    ("LinearLR", |o| plain(LinearLR::new(o, LinearLrOptions::default())?)),
    ("ConstantLR", |o| plain(ConstantLR::new(o, 0.5, 4)?)),
    ("PolynomialLR", |_| plain(PolynomialLR::new(8, 0.9))),
    ("LambdaLR", |o| plain(LambdaLR::new(o, |epoch| 0.9_f64.powf(epoch as f64))?)),
    ("CosineAnnealingWarmRestarts", |o| {
        plain(CosineAnnealingWarmRestarts::new(o, WarmRestartsOptions { t_0: 2, t_mult: 2, eta_min: 0.001 })?)
    }),
    ("OneCycleLR", |o| {
        let options = OneCycleOptions { cycle_momentum: o.momenta().is_some(), ..Default::default() };
        plain(OneCycleLR::new(o, 0.05, 12, options)?)
    }),
    ("SequentialLR", |o| {
        let warm_up = LinearLR::new(o, LinearLrOptions { total_iters: 3, ..Default::default() })?;
        let cosine = CosineAnnealingLR::new(o, 5, 0.001)?;
        plain(SequentialLR::new(o, vec![Box::new(warm_up), Box::new(cosine)], [3])?)
    }),
    ("ReduceLROnPlateau", |o| {
        let options = PlateauOptions { patience: 0, cooldown: 1, factor: 0.5, ..Default::default() };
        Ok(Any::Plateau(ReduceLROnPlateau::new(o, options)?))
    }),
];

/// Two groups: what is left of the learning rates is a list.
fn groups<R: Rule + 'static>(parameters: Vec<Parameter>, [a, b]: [R; 2]) -> Result<Box<dyn Optimizer>> {
    let (first, second) = parameters.split_at(2);
    Ok(Box::new(Descent::with_groups([(first.to_vec(), a), (second.to_vec(), b)])?))
}

const OPTIMIZERS: &[(&str, MakeOptimizer)] = &[
    ("SGD", |p| {
        let options = |lr| SgdOptions { lr, momentum: 0.9, nesterov: true, ..Default::default() };
        groups(p, [options(0.05), options(0.03)])
    }),
    ("Adam", |p| {
        let options = |lr| AdamOptions { lr, amsgrad: true, ..Default::default() };
        groups(p, [options(0.05), options(0.03)])
    }),
    ("AdamW", |p| {
        let options = |lr| AdamWOptions { lr, ..Default::default() };
        groups(p, [options(0.05), options(0.03)])
    }),
    ("RMSprop", |p| {
        let options = |lr| RMSpropOptions { lr, momentum: 0.9, centered: true, ..Default::default() };
        groups(p, [options(0.05), options(0.03)])
    }),
    ("Adagrad", |p| {
        let options = |lr| AdagradOptions { lr, lr_decay: 0.1, ..Default::default() };
        groups(p, [options(0.05), options(0.03)])
    }),
];

const ROWS: usize = 6;
const BATCH: usize = 2;
const STEPS: u64 = 8;

struct Training {
    net: Sequential,
    optimizer: Box<dyn Optimizer>,
    schedule: Any,
    /// Of this epoch.
    order: Tensor,
    steps: u64,
    data: (Tensor, Tensor),
}

impl Training {
    fn new(optimizer: MakeOptimizer, schedule: Build<Any>) -> Result<Self> {
        let net = Sequential::new()
            .add(Linear::new(3, 4)?)
            .add(BatchNorm1d::new(4)?)
            .add(ReLU)
            .add(Dropout::new(0.3)?)
            .add(Linear::new(4, 1)?);
        let mut optimizer = optimizer(net.parameters())?;
        let schedule = schedule(&mut *optimizer)?;
        let order = Tensor::from([0_i64; ROWS]);
        let x: Vec<f32> = (0..ROWS * 3).map(|i| (i * i % 7) as f32 - 3.0).collect();
        let x = Tensor::from_vec(x, [ROWS, 3])?;
        let y = x.sum_dim(1, true)?;
        Ok(Self { net, optimizer, schedule, order, steps: 0, data: (x, y) })
    }

    fn step(&mut self) -> Result<()> {
        let batches = ROWS / BATCH;
        let batch = self.steps as usize % batches;
        if batch == 0 {
            self.order = randperm(ROWS)?;
        }
        let start = (batch * BATCH) as i64;
        let rows = self.order.narrow(0, start, BATCH)?;
        let (x, y) = (self.data.0.index_select(0, &rows)?, self.data.1.index_select(0, &rows)?);
        self.optimizer.zero_grad();
        let loss = MSELoss::default().forward(&self.net.forward(&x)?, &y)?;
        loss.backward()?;
        self.optimizer.step()?;
        self.schedule.step(&mut *self.optimizer, loss.item()?)?;
        self.steps += 1;
        Ok(())
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            epoch: self.steps / (ROWS / BATCH) as u64,
            step: self.steps,
            schedule: self.schedule.state_dict(),
            extra: [("order", self.order.clone())].into_iter().collect(),
            ..Checkpoint::of(&self.net, &*self.optimizer)
        }
    }

    fn resume(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.schedule.load_state_dict(&checkpoint.schedule)?;
        self.steps = checkpoint.step;
        self.order = checkpoint.extra.get("order").expect("it was saved").clone();
        checkpoint.restore(&self.net, &mut *self.optimizer)
    }

    /// All that it has become, in bytes.
    fn bytes(&self) -> Vec<u8> {
        self.checkpoint().state_dict().to_bytes().expect("a state that can be written")
    }
}

#[test]
fn an_interrupted_training_ends_with_the_bits_of_one_that_is_not() -> Result<()> {
    let _turn = turn();
    for (optimizer_name, optimizer) in OPTIMIZERS {
        for (schedule_name, schedule) in SCHEDULES {
            manual_seed(3);
            let mut whole = Training::new(*optimizer, *schedule)?;
            let mut saved = vec![whole.bytes()];
            for _ in 0..STEPS {
                whole.step()?;
                saved.push(whole.bytes());
            }
            for (done, bytes) in saved.iter().enumerate() {
                // What another process has drawn.
                manual_seed(done as i64 + 100);
                randn([7])?;
                let mut resumed = Training::new(*optimizer, *schedule)?;
                resumed.resume(&Checkpoint::from_state_dict(&StateDict::from_bytes(bytes)?)?)?;
                assert_eq!(resumed.bytes(), *bytes);
                while resumed.steps < STEPS {
                    resumed.step()?;
                }
                let what = format!("{optimizer_name} and {schedule_name}, resumed after step {done}");
                assert!(Some(&resumed.bytes()) == saved.last(), "{what}");
            }
        }
    }
    Ok(())
}

const PATH: &str = "DOWNHILL_CHECKPOINT";

/// Which optimizer and schedule another process has; it is told by their places.
fn pair(i: usize) -> (MakeOptimizer, Build<Any>) {
    (OPTIMIZERS[i % OPTIMIZERS.len()].1, SCHEDULES[i % SCHEDULES.len()].1)
}

#[test]
fn another_process_ends_with_the_same_bits() -> Result<()> {
    let _turn = turn();
    let path = std::env::temp_dir().join(format!("downhill-resume-{}.safetensors", std::process::id()));
    for i in 0..SCHEDULES.len() {
        let (optimizer, schedule) = pair(i);
        let mut training = Training::new(optimizer, schedule)?;
        for _ in 0..=i % 7 {
            training.step()?;
        }
        training.checkpoint().save(&path)?;
        while training.steps < STEPS {
            training.step()?;
        }
        let status = Command::new(std::env::current_exe().expect("a test is a program"))
            .args(["--exact", "--ignored", "--quiet", "resume::goes_on_from_a_file"])
            .env(PATH, &path)
            .env("DOWNHILL_PAIR", i.to_string())
            .status();
        assert!(status.expect("it runs").success());
        assert_eq!(Checkpoint::load(&path)?.state_dict().to_bytes()?, training.bytes(), "{i}");
    }
    fs::remove_file(path).expect("it is there");
    Ok(())
}

#[test]
#[ignore = "is started by another_process_ends_with_the_same_bits"]
fn goes_on_from_a_file() -> Result<()> {
    let path = std::env::var_os(PATH).expect("a path");
    let path = Path::new(&path);
    let (optimizer, schedule) =
        pair(std::env::var("DOWNHILL_PAIR").expect("a number").parse().expect("a number"));
    let mut training = Training::new(optimizer, schedule)?;
    training.resume(&Checkpoint::load(path)?)?;
    while training.steps < STEPS {
        training.step()?;
    }
    training.checkpoint().save(path)
}

#[test]
fn a_checkpoint_that_does_not_fit_changes_nothing() -> Result<()> {
    let _turn = turn();
    let mut training = Training::new(OPTIMIZERS[1].1, SCHEDULES[0].1)?;
    training.step()?;
    let good = training.checkpoint();
    training.step()?;
    let before = training.bytes();
    let mut refused = |change: fn(&mut Checkpoint)| {
        let mut checkpoint = good.clone();
        change(&mut checkpoint);
        let error = checkpoint.restore(&training.net, &mut *training.optimizer).unwrap_err();
        assert_eq!(training.bytes(), before);
        error.to_string()
    };
    let text = refused(|c| drop(c.model.remove("0.weight")));
    assert!(text.contains("Missing key(s) in state_dict: \"0.weight\""), "{text}");
    let text = refused(|c| drop(c.optimizer.remove("param_groups.0.lr")));
    assert_eq!(text, "load_state_dict: there is no param_groups.0.lr");
    let text = refused(|c| c.generator.truncate(8));
    assert_eq!(text, "set_state: expected 5056 bytes, but got 8");
    // Without a generator, the default one goes on as it was.
    let drawn = get_rng_state();
    Checkpoint { generator: vec![], ..good }.restore(&training.net, &mut *training.optimizer)?;
    assert_eq!(get_rng_state(), drawn);
    assert!(set_rng_state(&drawn[1..]).is_err());
    Ok(())
}
