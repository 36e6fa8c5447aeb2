//! How long a training step takes on several processes, for bench/compare.py: `mpirun -n 2 steps WORKLOAD WAY [SECONDS]`.
//!
//! WAY is `all_reduce`, or the number of pieces of the fixed tree. Rank 0 prints a line of JSON.
use downhill::nn::LinearCrossEntropyOptions;
use downhill::prelude::*;
use downhill_mpi::{DataParallel, Options, Reduce, World};
use inputs::{classes, normals};
use std::process::ExitCode;
use std::time::{Duration, Instant};

// The numbers of the other benchmarks, which PyTorch's side makes, too.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../benches/workloads/inputs.rs"]
mod inputs;
#[allow(dead_code, unreachable_pub)]
#[path = "../../../benches/workloads/numbers.rs"]
mod numbers;

type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A training whose global batch is this many rows.
struct Work {
    x: Tensor,
    y: Tensor,
    model: Sequential,
    /// The weight of a layer whose logits are never all there, in place of the model.
    classes: Option<Parameter>,
}

impl Work {
    fn mlp(sizes: &[usize], batch: usize) -> Result<Self> {
        let mut model = Sequential::new();
        for (i, pair) in sizes.windows(2).enumerate() {
            let layer = Linear::new(pair[0], pair[1])?;
            layer.weight.set(&normals(10 + i as u64, [pair[1], pair[0]], (pair[0] as f64).powf(-0.5))?)?;
            layer.bias.iter().try_for_each(|bias| bias.set(&zeros([pair[1]])?))?;
            model = model.add(layer);
            if i + 2 < sizes.len() {
                model = model.add(ReLU);
            }
        }
        let x = normals(1, [batch, sizes[0]], 1.0)?;
        Ok(Self { x, y: classes(2, batch, *sizes.last().expect("some sizes"))?, model, classes: None })
    }

    fn find(name: &str) -> Outcome<Self> {
        Ok(match name {
            "mlp_step" => Self::mlp(&[784, 256, 128, 10], 128)?,
            "mlp_wide_step" => Self::mlp(&[1024, 4096, 4096, 1000], 256)?,
            "linear_ce" => {
                let (x, y) = (normals(1, [2048, 512], 1.0)?, classes(3, 2048, 32000)?);
                let layer = Linear::without_bias(512, 32000)?;
                layer.weight.set(&normals(2, [32000, 512], 512.0_f64.powf(-0.5))?)?;
                let classes = Some(layer.weight.clone());
                Self { x, y, model: Sequential::new().add(layer), classes }
            }
            _ => return Err(format!("no workload {name}").into()),
        })
    }

    fn loss(&self, x: &Tensor, y: &Tensor, reduction: Reduction) -> Result<Tensor> {
        if let Some(weight) = &self.classes {
            // Of what comes before the layer, too.
            let x = x.requires_grad_()?;
            let options = LinearCrossEntropyOptions { reduction, ..Default::default() };
            return functional::linear_cross_entropy(&x, &weight.tensor(), y, None, &options);
        }
        CrossEntropyLoss { reduction, ..Default::default() }.forward(&self.model.forward(x)?, y)
    }
}

fn measure(world: &World) -> Outcome<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [name, way, seconds @ ..] = &arguments[..] else { return Err("steps WORKLOAD WAY [SECONDS]".into()) };
    let seconds = seconds.first().map_or(Ok(2.0), |seconds| seconds.parse::<f64>())?;
    let work = Work::find(name)?;
    let pieces = if way == "all_reduce" { world.size() } else { way.parse()? };
    let mut parallel = DataParallel::new(&work.model, world, Options { pieces, ..Default::default() })?;
    let mut optimizer =
        SGD::new(work.model.parameters(), SgdOptions { lr: 0.1, momentum: 0.9, ..Default::default() })?;
    let rows = work.y.numel() / world.size();
    let own = |x: &Tensor| x.narrow(0, (rows * world.rank()) as i64, rows)?.try_contiguous();
    let share = (own(&work.x)?, own(&work.y)?);
    // The loss, and how long all steps so far have talked.
    let mut step = || -> Result<(f64, Duration)> {
        optimizer.zero_grad();
        let loss = if way == "all_reduce" {
            let loss = work.loss(&share.0, &share.1, Reduction::Mean)?;
            loss.backward()?;
            parallel.average_gradients()?;
            loss.item::<f64>()?
        } else {
            let loss = |(x, y): &(Tensor, Tensor)| Ok((work.loss(x, y, Reduction::Sum)?, y.numel() as f64));
            parallel.backward(&share, loss)?
        };
        optimizer.step()?;
        Ok((loss, parallel.traffic().time))
    };
    // The loss of the third step, which PyTorch's side has, too.
    step()?;
    step()?;
    let loss = world.all_reduce(&Tensor::from(step()?.0), Reduce::Sum)?.item::<f64>()? / world.size() as f64;
    let start = Instant::now();
    let (_, before) = step()?;
    // All make as many steps.
    let count = Tensor::from((seconds / start.elapsed().as_secs_f64()).clamp(5.0, 1e5) as i64);
    let count = world.broadcast(&count, 0)?.item::<i64>()?;
    world.barrier()?;
    let (mut times, mut talked) = (Vec::new(), Duration::ZERO);
    for _ in 0..count {
        let start = Instant::now();
        talked = step()?.1.saturating_sub(before);
        times.push(start.elapsed());
    }
    let total: Duration = times.iter().sum();
    times.sort();
    if world.is_root() {
        println!(
            r#"{{"peer":"downhill {way}","workload":"{name}","processes":{},"median_ns":{},"share":{:.4},"loss":{loss},"steps":{count}}}"#,
            world.size(),
            times[times.len() / 2].as_nanos(),
            talked.as_secs_f64() / total.as_secs_f64()
        );
    }
    Ok(())
}

fn main() -> ExitCode {
    World::run(measure)
}
