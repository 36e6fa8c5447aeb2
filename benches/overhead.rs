//! What the engine adds to small operations: ns and allocations of each, alone, on the tape, and backward with the drop.
//!
//! `cargo bench --bench overhead [-- NAME…]`. Each figure is the least of many batches.

use allocation_counter::measure;
use downhill::prelude::*;
use std::hint::black_box;
use std::time::Instant;

/// Results that are alive at once.
const BATCH: usize = 64;
/// Batches; the fastest counts.
const ROUNDS: usize = 200;

/// ns and allocations of one of a batch.
#[derive(Clone, Copy)]
struct Cost {
    ns: f64,
    allocations: f64,
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:7.0} ns {:5.1} allocations", self.ns, self.allocations)
    }
}

/// Runs `f` on each item of batches that `make` makes, which is not counted; the results are dropped, uncounted.
fn cost<T, R>(make: impl Fn() -> Result<T>, mut f: impl FnMut(T) -> Result<R>) -> Result<Cost> {
    let mut best = Cost { ns: f64::INFINITY, allocations: f64::INFINITY };
    for _ in 0..ROUNDS {
        let batch: Vec<T> = (0..BATCH).map(|_| make()).collect::<Result<_>>()?;
        let mut results = Vec::with_capacity(BATCH);
        let mut ns = 0.0;
        let counted = measure(|| {
            let start = Instant::now();
            results.extend(batch.into_iter().map(|item| black_box(f(item))));
            ns = start.elapsed().as_nanos() as f64;
        });
        results.into_iter().collect::<Result<Vec<R>>>()?;
        best.ns = best.ns.min(ns / BATCH as f64);
        best.allocations = best.allocations.min(counted.count_total as f64 / BATCH as f64);
    }
    Ok(best)
}

type Operation = fn(&[Tensor; 2]) -> Result<Tensor>;

fn operations() -> Result<Vec<(&'static str, [Tensor; 2], Operation)>> {
    let short = || -> Result<_> { Ok([randn([10])?, randn([10])?]) };
    let classes = Tensor::from_vec((0..64_i64).map(|i| i % 10).collect(), [64])?;
    Ok(vec![
        ("add", short()?, |[x, y]| Ok(x + y)),
        ("mul", short()?, |[x, y]| Ok(x * y)),
        ("sigmoid", short()?, |[x, _]| Ok(x.sigmoid())),
        ("matmul", [randn([10, 2])?, randn([2, 3])?], |[x, y]| x.matmul(y)),
        ("mse", [randn([64])?, randn([64])?], |[x, y]| functional::mse_loss(x, y)),
        ("cross_entropy", [randn([64, 10])?, classes], |[x, t]| functional::cross_entropy(x, t)),
    ])
}

fn main() -> Result<()> {
    manual_seed(0);
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with("--")).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|other| other == name);
    for (name, inputs, f) in operations()? {
        if !wanted(name) {
            continue;
        }
        let alone = cost(|| Ok(()), |()| f(&inputs))?;
        let [x, y] = &inputs;
        let second = if y.dtype() == DType::F32 { y.requires_grad_()? } else { y.clone() };
        let leaves = [x.requires_grad_()?, second];
        let taped = cost(|| Ok(()), |()| f(&leaves))?;
        let ones = f(&inputs)?.ones_like();
        let back = cost(
            || f(&leaves),
            |value| {
                value.backward_with(&ones)?;
                drop(value);
                leaves[0].set_grad(None)?;
                if leaves[1].requires_grad() { leaves[1].set_grad(None) } else { Ok(()) }
            },
        )?;
        println!("{name:14} alone {alone} | on the tape {taped} | backward and drop {back}");
    }
    if wanted("sgd") {
        let model = Linear::new(2, 3)?;
        let mut sgd = SGD::new(model.parameters(), SgdOptions { lr: 0.1, ..Default::default() })?;
        model.forward(&randn([10, 2])?)?.sum().backward()?;
        println!("{:14} step  {}", "sgd", cost(|| Ok(()), |()| sgd.step())?);
    }
    Ok(())
}
