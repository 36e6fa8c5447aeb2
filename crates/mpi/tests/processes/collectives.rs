//! What processes exchange, and what they refuse.

use crate::case::{Outcome, start};
use downhill::nn::{Buffer, Parameter, StateDict};
use downhill::prelude::*;
use downhill_mpi::{DataParallel, Options, Reduce, World};

#[track_caller]
fn refused<T>(result: Result<T>, text: &str) {
    match result {
        Ok(_) => panic!("not refused: {text}"),
        Err(error) => assert!(error.to_string().contains(text), "{error}"),
    }
}

pub(crate) fn process(world: &World, _: &[String]) -> Outcome {
    let (rank, size) = (world.rank(), world.size());
    let n = size as i64;
    // All processes begin with rank 0's random numbers.
    let drawn = world.all_gather(&rand([3])?)?;
    assert!(drawn.iter().all(|other| *other == drawn[0]));

    let counts = Tensor::from([rank, 1, 10 * rank]);
    assert_eq!(world.all_reduce(&counts, Reduce::Sum)?, Tensor::from([n * (n - 1) / 2, n, 5 * n * (n - 1)]));
    assert_eq!(world.all_reduce(&counts, Reduce::Max)?, Tensor::from([n - 1, 1, 10 * (n - 1)]));
    assert_eq!(world.all_reduce(&counts, Reduce::Min)?, Tensor::from([0, 1, 0]));
    // Not contiguous, of floats, and without elements.
    let x = arange(0.0_f32, 6.0, 1.0)?.reshape([2, 3])?.t()?;
    assert_eq!(world.all_reduce(&x, Reduce::Sum)?, &x * size as f64);
    assert_eq!(world.all_reduce(&Tensor::from(0.5), Reduce::Sum)?, Tensor::from(0.5 * size as f64));
    assert_eq!(world.all_reduce(&zeros([0, 2])?, Reduce::Sum)?, zeros([0, 2])?);
    refused(world.all_reduce(&Tensor::from([true]), Reduce::Sum), "all_reduce: expected int64");

    let last = size - 1;
    let x = Tensor::from([[rank, 5], [6, 7]]).t()?;
    assert_eq!(world.broadcast(&x, last)?, Tensor::from([[last, 6], [5, 7]]));
    assert_eq!(world.broadcast(&Tensor::from(rank == last), last)?, Tensor::from(true));
    refused(world.broadcast(&x, size), &format!("broadcast: there is no process {size}, but {size}"));

    // Of different lengths.
    let own = full([rank, 2], rank as f64)?;
    for (other, x) in world.all_gather(&own)?.iter().enumerate() {
        assert_eq!(*x, full([other, 2], other as f64)?);
    }
    let all = world.all_gather(&Tensor::from([rank % 2 == 0]))?;
    assert_eq!(all[last], Tensor::from([last.is_multiple_of(2)]));

    let state: StateDict =
        [("a.long name", x.clone()), ("ä", Tensor::from([true, false])), ("", Tensor::from(2.5_f32))]
            .into_iter()
            .collect();
    let sent = if world.is_root() { state.clone() } else { StateDict::new() };
    let got = world.broadcast_state(&sent)?;
    let names: Vec<_> = got.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a.long name", "ä", ""]);
    assert_eq!(got.get("a.long name"), Some(&Tensor::from([[0, 6], [5, 7]])));
    assert_eq!(got.get(""), state.get(""));
    world.barrier()?;
    assert!(World::init().is_err());
    Ok(())
}

pub(crate) fn do_what_they_say() {
    for processes in [1, 3] {
        start(processes, "collectives", &[]).printed();
    }
}

#[derive(Module)]
struct Net {
    first: Linear,
    /// Used by rank 1 alone.
    second: Parameter,
    /// Used by nobody.
    third: Parameter,
    seen: Buffer,
}

pub(crate) fn average(world: &World, _: &[String]) -> Outcome {
    let (rank, size) = (world.rank(), world.size());
    manual_seed(rank as i64);
    let net = Net {
        first: Linear::new(6, 5)?,
        // Large enough to be summed as `backward` does.
        second: Parameter::new(rand([60_000])?)?,
        third: Parameter::new(rand([2])?)?,
        seen: Buffer::new(Tensor::from([rank as f32])),
    };
    for bucket_bytes in [1 << 20, 100_000, 999] {
        let parallel = DataParallel::new(&net, world, Options { bucket_bytes, ..Options::default() })?;
        // Now all have rank 0's.
        assert_eq!(net.seen.tensor(), Tensor::from([0.0_f32]));
        let states = world.all_gather(&net.second.tensor())?;
        assert!(states.iter().all(|other| *other == states[0]));

        net.zero_grad();
        let x = randn([4, 6])?;
        let mut loss = net.first.forward(&x)?.square().mean()?;
        if rank == 1 {
            loss = loss.add(net.second.tensor().square().sum())?;
            net.seen.set(Tensor::from([5.0_f32]));
        }
        loss.backward()?;
        let own = net.first.weight.grad().expect("a gradient");
        parallel.average_gradients()?;
        let sum = Tensor::stack(&world.all_gather(&own)?, 0)?.sum_dim(0, false)?;
        let mean = net.first.weight.grad().expect("a gradient");
        let distance = (&mean - sum / size as f64).abs().max()?.item::<f32>()?;
        assert!(distance <= 2e-7 * mean.abs().max()?.item::<f32>()?, "{distance}");
        assert!(world.all_gather(&mean)?.iter().all(|other| *other == mean));
        let second = net.second.grad().expect("a gradient");
        assert_eq!(second, net.second.tensor().detach() * 2.0 / size as f64);
        assert_eq!(net.third.grad(), None);
        assert_eq!(net.seen.tensor(), Tensor::from([0.0_f32]));
    }
    Ok(())
}

pub(crate) fn average_gradients() {
    for processes in [2, 3] {
        start(processes, "average", &[]).printed();
    }
}

/// Errors come to all processes, which then go on together.
pub(crate) fn differ(world: &World, _: &[String]) -> Outcome {
    let rank = world.rank();
    let x = zeros([3 + rank])?;
    let text = "process 1 has shape [4] and dtype float32, but process 0 shape [3] and dtype float32";
    refused(world.all_reduce(&x, Reduce::Sum), &format!("all_reduce: {text}"));
    refused(world.broadcast(&x, 0), &format!("broadcast: {text}"));
    let x = if rank == 2 { Tensor::from([1]) } else { Tensor::from([1.0]) };
    refused(world.all_gather(&x), "all_gather: process 2 has shape [1] and dtype int64");
    let reduce = if rank == 1 { Reduce::Max } else { Reduce::Sum };
    refused(world.all_reduce(&zeros([1])?, reduce), "process 1 and process 0 name different reductions");
    let text = "process 1 is in barrier, but process 0 in all_gather";
    if rank == 1 {
        refused(world.barrier(), text);
    } else {
        refused(world.all_gather(&zeros([1])?), text);
    }
    assert_eq!(world.all_gather(&Tensor::from(1))?.len(), 3);
    Ok(())
}

pub(crate) fn calls_that_differ() {
    start(3, "differ", &[]).printed();
}

pub(crate) fn models(world: &World, _: &[String]) -> Outcome {
    let rank = world.rank();
    let options = Options::default();
    let new = |model: &Linear, options: &Options| DataParallel::new(model, world, options.clone());
    let text = "the model of process 1 has weight of shape [3, 3] and dtype float32, where that of process 0 has weight of shape [2, 3]";
    refused(new(&Linear::new(3, 2 + rank)?, &options), if rank == 1 { text } else { "process 1 has failed" });
    let double = Linear::new(3, 2)?;
    double.to_dtype(if rank == 1 { DType::F64 } else { DType::F32 })?;
    refused(new(&double, &options), if rank == 1 { "dtype float64" } else { "process 1 has failed" });
    let model = if rank == 1 { Linear::without_bias(3, 2)? } else { Linear::new(3, 2)? };
    refused(new(&model, &options), if rank == 1 { "has nothing" } else { "process 1 has failed" });
    let model = Linear::new(3, 2)?;
    let other = Options { pieces: 8 + rank, ..Options::default() };
    refused(new(&model, &other), "the options of process 1 differ from those of process 0");
    refused(
        new(&model, &Options { pieces: 1, ..Options::default() }),
        "2 processes need as many pieces at least",
    );
    refused(new(&model, &Options { bucket_bytes: 0, ..Options::default() }), "buckets a byte");

    // The models above have drawn different numbers.
    manual_seed(0);
    let mut parallel = new(&model, &options)?;
    let x = rand([8, 3])?;
    let step = |parallel: &mut DataParallel<'_>, rows: usize, weight: f64| {
        let x = x.narrow(0, 0, rows)?;
        parallel.backward(&x, |x| Ok((model.forward(x)?.sum(), weight)))
    };
    refused(step(&mut parallel, 7 + rank, 1.0), "process 0 has 7 of 15 rows, but its share is 8");
    refused(step(&mut parallel, 0, 1.0), "the batch has no rows");
    refused(step(&mut parallel, 4, -1.0), "has a weight of -1");
    refused(step(&mut parallel, 4, f64::NAN), "has a weight of NaN");
    assert!(!step(&mut parallel, 4, 0.0)?.is_finite());
    assert!(step(&mut parallel, 4, 1.0)?.is_finite());
    refused(parallel.backward(&x, |x| Ok((model.forward(x)?, 1.0))), "item: expected exactly one element");
    if rank == 1 {
        rand([1])?;
    }
    refused(step(&mut parallel, 4, 1.0), "the default generators of process 1 and process 0 differ");
    manual_seed(1);
    step(&mut parallel, 4, 1.0)?;
    let state = parallel.state_dict();
    if rank == 1 {
        let mut state = state.clone();
        state.insert("step", Tensor::from(9));
        parallel.load_state_dict(&state)?;
    }
    refused(step(&mut parallel, 4, 1.0), "process 1 is in step 9, but process 0 in 3");
    parallel.load_state_dict(&state)?;
    step(&mut parallel, 4, 1.0)?;
    refused(parallel.load_state_dict(&StateDict::new()), "there is no int64 seed");
    let mut other = new(&model, &Options { pieces: 4, ..Options::default() })?;
    refused(other.load_state_dict(&state), "the state has 8 pieces, but the options have 4");
    Ok(())
}

pub(crate) fn models_that_differ() {
    start(2, "models", &[]).printed();
}
