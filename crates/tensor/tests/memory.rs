//! Nothing stays allocated but what somebody holds. One test: the counters are the process's.

use downhill_tensor::{Result, Tensor, memory, no_grad};

fn step(w: &Tensor, x: &Tensor) -> Result<()> {
    let y = x.matmul(w)?.sigmoid();
    let loss = y.log().mean()?.add(&y.exp().sum())?.add(&w.softmax(1)?.square().sum())?;
    loss.backward()?;
    w.set_grad(None)
}

#[test]
fn live_bytes_return_to_what_is_held() -> Result<()> {
    let w = downhill_tensor::full([64, 32], 0.01_f32)?.requires_grad_()?;
    let x = downhill_tensor::full([100, 64], 0.5_f32)?;
    let held = 4 * (64 * 32 + 100 * 64);
    assert_eq!(memory::stats().live, held);

    for _ in 0..3 {
        step(&w, &x)?;
        assert_eq!(memory::stats().live, held, "after a step");
    }
    // A graph that is never differentiated, one that is differentiated twice, and results held by nobody.
    drop(x.matmul(&w)?.exp().log_softmax(1)?.sum());
    let y = w.square().sum();
    y.backward_with_options(
        None,
        downhill_tensor::autograd::BackwardOptions { create_graph: true, ..Default::default() },
    )?;
    let g = w.grad().expect("differentiated");
    w.set_grad(None)?;
    g.sum().backward()?;
    w.set_grad(None)?;
    drop((y, g));
    no_grad(|| x.matmul(&w))?;
    assert_eq!(memory::stats().live, held, "after graphs");

    // A backward pass frees what the graph has saved, though the loss lives on.
    let loss = x.matmul(&w)?.exp().sum();
    loss.backward()?;
    w.set_grad(None)?;
    assert_eq!(memory::stats().live, held, "while the loss is held, which needs no buffer");
    drop(loss);

    // The pool keeps no more than was live at once, and gives it back.
    let stats = memory::stats();
    assert!(stats.cached <= stats.peak, "{stats:?}");
    memory::clear();
    assert_eq!(memory::stats().cached, 0);
    memory::set_limit(Some(0));
    step(&w, &x)?;
    assert_eq!(memory::stats().cached, 0, "beyond the limit");
    drop((w, x));

    // A batch of a view's rows costs the batch.
    let view = downhill_tensor::zeros([1000, 9])?.slice((.., ..-1))?;
    let held = memory::stats().live;
    memory::reset_peak();
    drop(view.index_select(0, &Tensor::from([5, 999]))?);
    assert!(memory::stats().peak < held + 1000, "{:?}", memory::stats());
    drop(view);
    assert_eq!(memory::stats().live, 0);
    Ok(())
}
