//! Training that runs out of memory, catches the error and goes on. The tests start themselves again, in a process whose address
//! space is limited.
#![cfg(target_os = "linux")]

use downhill_nn::optim::{Descent, Rule};
use downhill_nn::*;
use downhill_tensor::random::Generator;
use downhill_tensor::{DType, Error, Result, Tensor, memory};
use std::process::Command;

/// Of the limited process, in KiB.
const LIMIT: usize = 600 << 10;
/// Rows of a batch, whose activations are 8 MiB each.
const ROWS: usize = 1 << 15;
/// Elements of what fills the memory, 4 MiB, of what does so for a training, 8 MiB, and for scratch, 1 MiB: each is tried again for each
/// that is set free.
const BALLAST: usize = 1 << 20;
const LARGE_BALLAST: usize = 1 << 21;
const SMALL_BALLAST: usize = 1 << 18;

fn in_little_space(test: &str) {
    let this = std::env::current_exe().expect("a test is a program");
    let script = format!("ulimit -v {LIMIT} && exec \"$0\" --exact --ignored --nocapture {test}");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(this)
        .env("RAYON_NUM_THREADS", "2")
        .env("MALLOC_ARENA_MAX", "1")
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("there is a shell");
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(
        output.status.success() && text[0].contains("1 passed"),
        "{}: {}\n{}",
        output.status,
        text[0],
        text[1]
    );
}

/// A fingerprint of the values: a list of their bits would take as much memory as they do. Of a large tensor 2^16 of them, all along it.
fn bits(states: [StateDict; 2]) -> u64 {
    let mut hash = 0_u64;
    for (_, x) in states.into_iter().flatten() {
        let x = x.to_dtype(DType::F32).contiguous();
        let values = x.as_slice::<f32>().expect("f32");
        for x in values.iter().step_by(values.len().div_ceil(1 << 16).max(1)) {
            hash = (hash ^ u64::from(x.to_bits())).wrapping_mul(0x100_0000_01b3);
        }
    }
    hash
}

/// All memory but a little.
fn ballast(elements: usize) -> Vec<Tensor> {
    let mut ballast = Vec::new();
    while let Ok(more) = downhill_tensor::zeros([elements]) {
        ballast.push(more);
    }
    // For what is not a tensor: nodes, names, lists.
    ballast.truncate(ballast.len() - 2);
    ballast
}

struct Training {
    net: Sequential,
    optimizer: Adam,
    x: Tensor,
    target: Tensor,
}

impl Training {
    fn new() -> Result<Self> {
        downhill_tensor::random::manual_seed(1);
        let net = Sequential::new()
            .add(Linear::new(16, 64)?)
            .add(LayerNorm::new([64])?)
            .add(ReLU)
            .add(Linear::new(64, 64)?)
            .add(GELU::default())
            .add(Linear::new(64, 8)?);
        let optimizer = Adam::new(net.parameters(), AdamOptions { amsgrad: true, ..Default::default() })?;
        let mut generator = Generator::seeded(2);
        let x = generator.randn([ROWS, 16], DType::F32)?;
        let target = generator.randint(0, 8, [ROWS], DType::I64)?;
        Ok(Self { net, optimizer, x, target })
    }

    /// An error says how far the step came.
    fn step(&mut self) -> Result<(), (&'static str, Error)> {
        self.optimizer.zero_grad();
        let output = self.net.forward(&self.x).map_err(|e| ("forward", e))?;
        let loss = CrossEntropyLoss::default().forward(&output, &self.target).map_err(|e| ("loss", e))?;
        drop(output);
        loss.backward().map_err(|e| ("backward", e))?;
        clip_grad_norm_(&self.net.parameters(), 1.0, ClipNormOptions::default()).map_err(|e| ("clip", e))?;
        self.optimizer.step().map_err(|e| ("step", e))?;
        self.optimizer.zero_grad();
        Ok(())
    }

    fn state(&self) -> u64 {
        bits([self.net.state_dict(), self.optimizer.state_dict()])
    }
}

#[test]
fn a_step_without_memory_changes_nothing() {
    in_little_space("limited_training");
}

#[test]
#[ignore = "started by the test above"]
fn limited_training() -> Result<()> {
    let want = {
        let mut training = Training::new()?;
        for _ in 0..3 {
            training.step().expect("there is memory for a step");
        }
        training.state()
    };
    let mut training = Training::new()?;
    let mut ballast = ballast(LARGE_BALLAST);
    let (before, live) = (training.state(), memory::stats().live);
    let mut failed = Vec::new();
    // A little more is set free from attempt to attempt.
    while let Err((phase, error)) = training.step() {
        assert!(matches!(error, Error::Memory { .. }), "{phase}: {error}");
        assert!(training.net.parameters().iter().all(|p| p.grad().is_none()), "after {phase}");
        assert_eq!(training.state(), before, "after {phase}");
        failed.push(phase);
        assert_eq!(
            memory::stats().live + failed.len().saturating_sub(1) * LARGE_BALLAST * 4,
            live,
            "after {phase}"
        );
        assert!(ballast.pop().is_some(), "a step fits the limit: {failed:?}");
    }
    assert!(failed.contains(&"forward") && failed.contains(&"backward"), "{failed:?}");
    drop(ballast);
    for _ in 0..2 {
        training.step().expect("there is memory for a step");
    }
    assert_eq!(training.state(), want, "the bits differ after {failed:?}");
    Ok(())
}

/// Steps of a small and a large parameter, with and without a first attempt without memory.
fn limited_steps<R: Rule>(options: R) -> Result<()> {
    let start = || -> Result<_> {
        let parameters = [1, 3 << 20].map(|n| Parameter::new(downhill_tensor::ones([n])?));
        let [small, large] = parameters;
        let (small, large) = (small?, large?);
        for p in [&small, &large] {
            p.set_grad(Some(p.tensor().detach().mul(0.5)?))?;
        }
        Ok((Descent::new([small.clone(), large.clone()], options.clone())?, [small, large]))
    };
    let state = |optimizer: &Descent<R>, parameters: &[Parameter; 2]| {
        let values = parameters.iter().enumerate().map(|(i, p)| (i.to_string(), p.tensor().detach()));
        bits([values.collect(), optimizer.state_dict()])
    };
    let mut finals = Vec::new();
    for limited in [false, true] {
        let (mut optimizer, parameters) = start()?;
        if limited {
            // A copy of the value, which somebody else holds, is what rules without buffers want memory for.
            let (held, before) = (parameters[1].tensor(), state(&optimizer, &parameters));
            let ballast = ballast(BALLAST);
            let error = optimizer.step().expect_err("there is no memory for a step");
            drop(ballast);
            assert!(matches!(error, Error::Memory { .. }), "{}: {error}", R::NAME);
            assert_eq!(state(&optimizer, &parameters), before, "{}", R::NAME);
            drop(held);
        }
        for _ in 0..2 {
            optimizer.step()?;
        }
        finals.push(state(&optimizer, &parameters));
    }
    assert_eq!(finals[0], finals[1], "{}: the bits differ", R::NAME);
    Ok(())
}

#[test]
fn an_optimizer_without_memory_changes_no_parameter() {
    in_little_space("limited_optimizers");
}

#[test]
#[ignore = "started by the test above"]
fn limited_optimizers() -> Result<()> {
    limited_steps(SgdOptions::default())?;
    limited_steps(SgdOptions { momentum: 0.9, dampening: 0.5, ..Default::default() })?;
    limited_steps(AdamOptions::default())?;
    limited_steps(AdamWOptions { amsgrad: true, ..Default::default() })?;
    limited_steps(RMSpropOptions { centered: true, momentum: 0.5, ..Default::default() })?;
    limited_steps(AdagradOptions { initial_accumulator_value: 0.5, ..Default::default() })
}

#[test]
fn loading_and_converting_without_memory_changes_no_parameter() {
    in_little_space("limited_loading");
}

#[test]
#[ignore = "started by the test above"]
fn limited_loading() -> Result<()> {
    let net =
        || Ok::<_, Error>(Sequential::new().add(Linear::new(4, 4)?).add(Linear::new(1 << 11, 1 << 11)?));
    let (ours, theirs) = (net()?, net()?.state_dict());
    let shared = ours.state_dict();
    let before = bits([ours.state_dict(), StateDict::new()]);
    let ballast = ballast(BALLAST);
    let load: Error = ours.load_state_dict(&theirs).expect_err("there is no memory for a copy").into();
    let convert = ours.to_dtype(DType::F64).expect_err("there is no memory for doubles");
    drop(ballast);
    for error in [load, convert] {
        assert!(matches!(error, Error::Memory { .. }), "{error}");
    }
    assert_eq!(bits([ours.state_dict(), StateDict::new()]), before);
    ours.load_state_dict(&theirs)?;
    assert_eq!(ours.state_dict(), theirs);
    drop(shared);
    Ok(())
}

#[test]
fn scratch_without_memory_is_an_error() {
    in_little_space("limited_scratch");
}

#[test]
#[ignore = "started by the test above"]
fn limited_scratch() -> Result<()> {
    let x = Generator::seeded(3).randn([1 << 18], DType::F32)?;
    let (tall, wide) = (x.mul(100.0)?.reshape([1 << 17, 2])?, x.reshape([4, 1 << 16])?);
    let (square, hit) = (x.reshape([1 << 9, 1 << 9])?, x.gt(0)?);
    let labels = tall.gt(0)?.to_dtype(DType::I64);
    // The first takes more than the memory that is left at first; what it frees, the allocator may keep for the others.
    let operations: [(&str, &dyn Fn() -> Result<()>); 17] = [
        ("sort", &|| x.sort(0, false).map(drop)),
        ("topk", &|| x.topk(1000, 0, true).map(drop)),
        ("median", &|| x.median_dim(0, false).map(drop)),
        ("log_softmax", &|| tall.log_softmax(0).map(drop)),
        ("unique", &|| x.unique().map(drop)),
        ("quantile", &|| x.quantile(0.5).map(drop)),
        ("argmax", &|| wide.argmax(1, false).map(drop)),
        ("min_dim", &|| wide.min_dim(0, false).map(drop)),
        ("amax", &|| tall.amax(0, false).map(drop)),
        ("sum_dim", &|| square.sum_dim(0, false).map(drop)),
        ("var", &|| wide.var_dim(1, 1.0, false).map(drop)),
        ("prod", &|| tall.prod_dim(0, false).map(drop)),
        ("any", &|| wide.any_dim(1, false).map(drop)),
        ("mm", &|| square.mm(&square).map(drop)),
        ("multilabel_margin", &|| MultiLabelMarginLoss::default().forward(&tall, &labels).map(drop)),
        ("binary metrics", &|| {
            let mut metrics = metrics::BinaryMetrics::new();
            metrics.update(&x, &hit)?;
            metrics.roc_curve()?;
            metrics.confusion_matrix(0.5).map(drop)
        }),
        ("regression metrics", &|| {
            let mut metrics = metrics::RegressionMetrics::new();
            metrics.update(&tall, &tall)?;
            metrics.r2_score()?;
            metrics.median_absolute_error().map(drop)
        }),
    ];
    for (i, (name, operation)) in operations.into_iter().enumerate() {
        let (mut ballast, mut refused) = (ballast(SMALL_BALLAST), 0);
        // A little more is set free from attempt to attempt.
        while let Err(error) = operation() {
            assert!(matches!(error, Error::Memory { .. }), "{name}: {error}");
            assert!(ballast.pop().is_some(), "{name} fits the limit");
            refused += 1;
        }
        assert!(refused > 0 || i > 0, "{name} fits into 2 MiB");
    }
    Ok(())
}
