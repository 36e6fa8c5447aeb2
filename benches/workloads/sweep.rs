//! Whether several threads are ever slower than one: every kernel at sizes from 1 to 10⁷ elements.

use crate::Outcome;
use crate::inputs::{classes, normals};
use downhill::prelude::*;
use std::hint::black_box;
use std::time::{Duration, Instant};

type Kernel = Box<dyn Fn() -> Result<Tensor> + Sync + Send>;

fn kernels(n: usize) -> Result<Vec<(&'static str, Kernel)>> {
    let (x, y) = (normals(1, [n], 1.0)?, normals(2, [n], 1.0)?);
    let (rows, side) = (n.div_ceil(100), n.isqrt());
    let (logits, t) = (normals(1, [rows, 100.min(n)], 1.0)?, classes(2, rows, 100.min(n))?);
    let (a, b) = (normals(1, [side, side], 1.0)?, normals(2, [side, side], 1.0)?);
    let (exp, sum) = (x.clone(), x.clone());
    let mut kernels: Vec<(_, Kernel)> = vec![
        ("mse", Box::new(move || functional::mse_loss(&x, &y))),
        ("exp", Box::new(move || Ok(exp.exp()))),
        ("sum", Box::new(move || Ok(sum.sum()))),
        ("cross_entropy", Box::new(move || functional::cross_entropy(&logits, &t))),
    ];
    if side <= 1024 {
        kernels.push(("matmul", Box::new(move || a.matmul(&b))));
    }
    Ok(kernels)
}

/// The least time of an iteration, in ns, in a few milliseconds of them.
fn least(kernel: &Kernel) -> Result<f64> {
    let (start, mut least) = (Instant::now(), f64::INFINITY);
    let mut inner = 1;
    while start.elapsed() < Duration::from_millis(8) || inner == 1 {
        let sample = Instant::now();
        for _ in 0..inner {
            black_box(kernel()?);
        }
        let ns = sample.elapsed().as_nanos() as f64 / f64::from(inner);
        least = least.min(ns);
        inner = (20e3 / ns).ceil().max(2.0) as u32;
    }
    Ok(least)
}

/// Compares this process's threads with one, at all sizes; the largest quotient is printed for each kernel.
/// Fails where that is above 1.15: 0.15 is what the minima of two equal runs differ by on a busy machine.
pub(crate) fn sweep() -> Outcome<()> {
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut worst: Vec<(&str, f64, usize)> = Vec::new();
    for n in (0..=7).flat_map(|power| [1, 2, 5].map(|digit| digit * 10_usize.pow(power))).take(22) {
        for (name, kernel) in kernels(n)? {
            // The least of as many rounds each, two or more while they differ: a neighbour on the machine disturbs some, not all. Both on
            // threads that were started: the main thread's stack lies differently in the caches' lines.
            let mut times = [f64::INFINITY; 2];
            for round in 0..8 {
                let all = std::thread::scope(|scope| scope.spawn(|| least(&kernel)).join());
                let all = all.map_err(|_| "a kernel panicked")??;
                times = [times[0].min(all), times[1].min(one.install(|| least(&kernel))?)];
                if round > 0 && times[0] <= 1.1 * times[1] {
                    break;
                }
            }
            let quotient = times[0] / times[1];
            match worst.iter_mut().find(|entry| entry.0 == name) {
                Some(entry) if entry.1 >= quotient => {}
                Some(entry) => *entry = (name, quotient, n),
                None => worst.push((name, quotient, n)),
            }
        }
    }
    for (name, quotient, n) in &worst {
        println!("{name}: at most {quotient:.2} times the time of one thread, at {n} elements");
    }
    let slow = worst.iter().any(|&(_, quotient, _)| quotient > 1.15);
    if slow { Err("more threads are slower than one".into()) } else { Ok(()) }
}
