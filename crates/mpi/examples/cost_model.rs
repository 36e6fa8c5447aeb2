//! What exchanging gradients costs: predicted from a network's latency and bandwidth and a core's speed, and measured.
//!
//! `cost_model PROCESSES PIECES CORES LATENCY_US GBIT_PER_S SUM_GBYTE_PER_S PARAMETERS…` predicts; `mpirun -n N cost_model` measures.
//! docs/distributed.md explains both.
use downhill::autograd::edge;
use downhill::nn::Parameter;
use downhill::prelude::*;
use downhill_mpi::{DataParallel, Options, World};
use std::process::ExitCode;
use std::time::Duration;

/// Bytes of a bucket, as in [`Options`].
const BUCKET: f64 = (16 << 20) as f64;

/// A network between processes, each of which sends and receives at once.
struct Network {
    processes: f64,
    /// How many processes share a core, whose work takes as many times as long.
    sharing: f64,
    /// Seconds a message.
    latency: f64,
    /// Bytes a second in each direction.
    bandwidth: f64,
    /// Bytes of gradients that a core adds up or divides in a second.
    sums: f64,
}

/// What a process does in one step.
struct Cost {
    messages: f64,
    bytes: f64,
    /// Bytes that are added to others or divided.
    summed: f64,
}

impl Network {
    /// A ring: n − 1 times an n-th of each bucket for the sums, and as often for their result.
    fn ring(&self, parameters: f64) -> Cost {
        self.tree(parameters, Blocks { most: 1.0, all: self.processes })
    }

    /// The fixed tree: to each of the n − 1 others its n-th of each block, and to each of them an n-th of the result. It adds
    /// its n-th of all blocks up, and divides the sum.
    fn tree(&self, parameters: f64, blocks: Blocks) -> Cost {
        let others = self.processes - 1.0;
        let buckets = (4.0 * parameters / BUCKET).ceil();
        let part = 4.0 * parameters / self.processes;
        Cost {
            messages: 2.0 * others * buckets,
            bytes: (1.0 + blocks.most) * part * others,
            summed: blocks.all * part,
        }
    }

    /// Both ways begin with two small all-gathers, in which a message goes round log₂ n times.
    fn seconds(&self, cost: &Cost) -> f64 {
        let rounds = if self.processes > 1.0 { 2.0 * self.processes.log2().ceil() } else { 0.0 };
        self.sharing
            * ((cost.messages + rounds) * self.latency
                + cost.bytes / self.bandwidth
                + cost.summed / self.sums)
    }
}

/// What processes add their pieces up to: a block each if powers of two divide each other.
#[derive(Clone, Copy)]
struct Blocks {
    /// Of one process.
    most: f64,
    all: f64,
}

fn blocks(processes: usize, pieces: usize) -> Blocks {
    let of = |rank: usize| {
        let (mut start, end) = (pieces * rank / processes, pieces * (rank + 1) / processes);
        let mut count = 0;
        while start < end {
            // The largest power of two that divides the start and stays below the end.
            let fits = (0..usize::BITS).rev().map(|bit| 1_usize << bit);
            start += fits.into_iter().find(|n| start.is_multiple_of(*n) && *n <= end - start).unwrap_or(1);
            count += 1;
        }
        count
    };
    let counts = || (0..processes).map(of);
    Blocks { most: counts().max().unwrap_or(1) as f64, all: counts().sum::<usize>() as f64 }
}

fn predict(arguments: &[f64]) -> Result<(), String> {
    let [processes, pieces, cores, latency, gbits, sums, sizes @ ..] = arguments else {
        return Err("PROCESSES PIECES CORES LATENCY_US GBIT_PER_S SUM_GBYTE_PER_S PARAMETERS…".into());
    };
    let network = Network {
        processes: *processes,
        sharing: (processes / cores).max(1.0),
        latency: latency * 1e-6,
        bandwidth: gbits * 1e9 / 8.0,
        sums: sums * 1e9,
    };
    let blocks = blocks(*processes as usize, *pieces as usize);
    println!("| parameters | ring | messages | MB | tree, {} blocks | messages | MB |", blocks.most);
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for &size in sizes {
        let cells = [network.ring(size), network.tree(size, blocks)].map(|cost| {
            let ms = network.seconds(&cost) * 1e3;
            format!("{ms:.3} ms | {} | {:.1}", cost.messages, cost.bytes / 1e6)
        });
        println!("| {size} | {} | {} |", cells[0], cells[1]);
    }
    Ok(())
}

#[derive(Module)]
struct Vector {
    w: Parameter,
}

/// The median over steps of the time that one takes to exchange its gradients.
fn median(
    parallel: &mut DataParallel<'_>,
    mut step: impl FnMut(&mut DataParallel<'_>) -> Result<()>,
) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..25 {
        let before = parallel.traffic().time;
        step(parallel)?;
        times.push(parallel.traffic().time.saturating_sub(before));
    }
    times.sort();
    Ok(times[times.len() / 2])
}

fn measure(world: &World) -> Result<()> {
    if world.is_root() {
        println!("| processes | parameters | all-reduce | tree |\n| --- | --- | --- | --- |");
    }
    for size in [1_000, 100_000, 1_000_000, 10_000_000] {
        let model = Vector { w: Parameter::new(zeros([size])?)? };
        // A piece a process: nothing is added but what comes from others.
        let options = Options { pieces: world.size(), ..Options::default() };
        let mut parallel = DataParallel::new(&model, world, options)?;
        // All have their gradients when the exchange begins: what is measured is not how long others compute, with whom they may share a core.
        let loss = || {
            let gradient = full([size], 0.5)?;
            world.barrier()?;
            let back = edge(&model.w.tensor(), &gradient, |_, gradient| Ok(gradient.clone()));
            Ok::<_, Error>(Tensor::from_op("GivenBackward", Tensor::from(1.0_f32), [back]))
        };
        let ring = median(&mut parallel, |parallel| {
            model.zero_grad();
            loss()?.backward()?;
            parallel.average_gradients()
        })?;
        let tree = median(&mut parallel, |parallel| {
            model.zero_grad();
            parallel.backward_rows(1, |_| Ok((loss()?, 1.0))).map(drop)
        })?;
        if world.is_root() {
            let ms = |time: Duration| format!("{:.3} ms", time.as_secs_f64() * 1e3);
            println!("| {} | {size} | {} | {} |", world.size(), ms(ring), ms(tree));
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Result<Vec<f64>, _> = std::env::args().skip(1).map(|number| number.parse()).collect();
    let result = match arguments {
        Ok(numbers) if numbers.is_empty() => return World::run(measure),
        Ok(numbers) => predict(&numbers),
        Err(error) => Err(error.to_string()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
