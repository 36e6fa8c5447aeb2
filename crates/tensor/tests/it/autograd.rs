//! The tape: order, depth, freeing, threads.

use downhill_tensor::autograd::{BackwardOptions, GradOptions, edge, grad, grad_with};
use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Error, Result, Tensor, enable_grad, no_grad};

fn leaf(values: &[f64]) -> Tensor {
    Tensor::from(values).requires_grad_().unwrap()
}

#[test]
fn a_chain_of_a_million_operations_is_built_differentiated_and_dropped() -> Result<()> {
    let x = leaf(&[1.0]);
    let mut y = x.clone();
    for i in 0..1_000_000 {
        y = if i % 2 == 0 { y.mul(1.000_001)? } else { y.add(1e-7)? };
    }
    y.sum().backward()?;
    let slope = x.grad().unwrap().item::<f64>()?;
    assert!((slope - 1.000_001_f64.powi(500_000)).abs() < 1e-9, "{slope}");
    // A second chain is dropped without ever being differentiated.
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.mul(&y)?;
    }
    drop(y);
    Ok(())
}

#[test]
fn a_chain_of_closures_that_capture_their_predecessors_is_dropped_without_recursion() {
    let mut y = leaf(&[1.0]);
    for _ in 0..300_000 {
        let before = y.clone();
        y = Tensor::from_op("Own", y.detach(), [edge(&y, &before, |g, before| g.mul(before))]);
    }
    drop(y);
}

#[test]
fn hooks_and_gradients_that_hold_tensors_are_dropped_without_recursion() -> Result<()> {
    let (mut hooked, mut last) = (leaf(&[1.0]), leaf(&[1.0]));
    for _ in 0..100_000 {
        let (next, before, grad) = (hooked.square(), hooked.clone(), leaf(&[1.0]));
        next.register_hook(move |_| Ok(Some(before.clone())))?;
        hooked = next;
        grad.set_grad(Some(last))?;
        last = grad;
    }
    drop((hooked, last));
    Ok(())
}

fn chain(operations: usize) -> Tensor {
    (0..operations).fold(leaf(&[1.0]), |y, i| if i % 2 == 0 { y.mul(&y).unwrap() } else { y.exp() })
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads there")]
fn a_graph_that_a_thread_holds_when_it_ends_is_dropped_without_recursion() {
    use std::cell::RefCell;
    thread_local! {
        static HELD: RefCell<Option<Tensor>> = const { RefCell::new(None) };
    }
    // Thread-locals end in the order in which they began, or against it: the queue of dead nodes first or last.
    for queue_first in [true, false] {
        let run = move || {
            if queue_first {
                drop(chain(3));
            }
            HELD.set(Some(chain(200_000)));
            drop(chain(3));
        };
        let small = std::thread::Builder::new().stack_size(256 << 10);
        small.spawn(run).unwrap().join().expect("the thread ends");
    }
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a panic ends the process there")]
fn a_panic_in_the_drop_of_a_saved_value_does_not_keep_the_graph() {
    use std::panic::catch_unwind;
    use std::sync::Arc;
    #[derive(Clone)]
    struct Saved(Arc<()>, bool);
    impl Drop for Saved {
        fn drop(&mut self) {
            // The last one of all that has a node, so that it is not the copy which the edge was made from.
            assert!(!self.1 || Arc::strong_count(&self.0) != 50, "a drop that fails");
        }
    }
    let count = Arc::new(());
    let graph = |fails: bool| {
        let saved = Saved(count.clone(), fails);
        let y = (0..100).fold(leaf(&[1.0]), |y, _| {
            Tensor::from_op("Saving", y.detach(), [edge(&y, &saved, |g, _| Ok((**g).clone()))])
        });
        assert_eq!(Arc::strong_count(&count), 102);
        y
    };
    let y = graph(true);
    assert!(catch_unwind(std::panic::AssertUnwindSafe(|| drop(y))).is_err());
    assert_eq!(Arc::strong_count(&count), 1, "all others are dropped, too");
    for _ in 0..3 {
        drop(graph(false));
        assert_eq!(Arc::strong_count(&count), 1, "later graphs are freed");
    }
}

#[test]
fn gradients_accumulate_into_leaves_until_they_are_cleared() -> Result<()> {
    let x = leaf(&[1.0, 2.0]);
    x.square().sum().backward()?;
    x.square().sum().backward()?;
    assert_eq!(x.grad().unwrap().to_vec::<f64>()?, [4.0, 8.0]);
    x.set_grad(None)?;
    assert!(x.grad().is_none());
    Ok(())
}

#[test]
fn second_backward_reports_freed_graph() -> Result<()> {
    let x = leaf(&[2.0]);
    let y = x.square().sum();
    y.backward()?;
    assert_eq!(y.backward().unwrap_err(), Error::GraphFreed { op: "SumBackward0" });
    let y = x.square().sum();
    y.backward_with_options(None, BackwardOptions { retain_graph: true, ..Default::default() })?;
    y.backward()?;
    assert_eq!(x.grad().unwrap().item::<f64>()?, 12.0);
    Ok(())
}

#[test]
fn roots_that_cannot_be_differentiated_are_errors() {
    let x = leaf(&[1.0, 2.0]);
    assert!(matches!(x.square().backward().unwrap_err(), Error::NotScalar { .. }));
    assert_eq!(Tensor::from(1.0).backward().unwrap_err(), Error::NoGrad { op: "backward" });
    assert!(matches!(x.square().backward_with(&Tensor::from(1.0)).unwrap_err(), Error::Shape { .. }));
    assert!(matches!(Tensor::from([1]).requires_grad_().unwrap_err(), Error::DType { .. }));
}

#[test]
fn unused_inputs_are_errors_unless_allowed() -> Result<()> {
    let (x, z) = (leaf(&[1.0]), leaf(&[1.0]));
    let y = x.exp().sum();
    assert!(matches!(grad(&y, &[&x, &z]).unwrap_err(), Error::Argument { .. }));
    let y = x.exp().sum();
    let options = GradOptions { allow_unused: true, ..Default::default() };
    let found = grad_with(&[(&y, None)], &[&x, &z], options)?;
    assert!(found[0].is_some() && found[1].is_none());
    Ok(())
}

#[test]
fn gradients_of_gradients() -> Result<()> {
    let x = leaf(&[1.5]);
    let y = x.pow(4)?.sum();
    let options = GradOptions { create_graph: true, ..Default::default() };
    let d1 = grad_with(&[(&y, None)], &[&x], options)?.remove(0).unwrap();
    let d2 = grad_with(&[(&d1, None)], &[&x], options)?.remove(0).unwrap();
    let d3 = grad(&d2, &[&x])?.remove(0);
    assert_eq!(d1.item::<f64>()?, 4.0 * 1.5 * 1.5 * 1.5);
    assert_eq!(d2.item::<f64>()?, 12.0 * 1.5 * 1.5);
    assert_eq!(d3.item::<f64>()?, 24.0 * 1.5);
    Ok(())
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "a panic ends the process there")]
fn grad_mode_is_restored_and_per_thread() {
    let x = leaf(&[1.0]);
    assert!(!no_grad(|| x.exp()).requires_grad());
    assert!(no_grad(|| enable_grad(|| x.exp())).requires_grad());
    let caught = std::panic::catch_unwind(|| no_grad(|| panic!("on purpose")));
    assert!(caught.is_err() && x.exp().requires_grad());
    no_grad(|| std::thread::scope(|s| s.spawn(|| assert!(x.exp().requires_grad())).join().unwrap()));
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads there")]
fn a_graph_crosses_threads_and_trunks_are_shared() -> Result<()> {
    let x = leaf(&[2.0]);
    let trunk = x.square();
    let results: Vec<_> = (0..4)
        .map(|i| {
            let trunk = trunk.clone();
            std::thread::spawn(move || trunk.mul(f64::from(i)).map(|y| y.sum()))
        })
        .map(|handle| handle.join().unwrap())
        .collect::<Result<_>>()?;
    for y in &results {
        y.backward_with_options(None, BackwardOptions { retain_graph: true, ..Default::default() })?;
    }
    assert_eq!(x.grad().unwrap().item::<f64>()?, 4.0 * (1.0 + 2.0 + 3.0));
    Ok(())
}

#[test]
fn broadcast_gradients_have_the_inputs_shape_and_dtype() -> Result<()> {
    let a = Tensor::from([[1.0_f32], [2.0]]).requires_grad_()?;
    let b = Tensor::from([1.0_f64, 2.0, 3.0]).requires_grad_()?;
    a.mul(&b)?.sum().backward()?;
    let (ga, gb) = (a.grad().unwrap(), b.grad().unwrap());
    assert_eq!((ga.dtype(), ga.to_vec::<f32>()?), (DType::F32, vec![6.0, 6.0]));
    assert_eq!((gb.dtype(), gb.to_vec::<f64>()?), (DType::F64, vec![3.0, 3.0, 3.0]));
    Ok(())
}

#[test]
fn every_row_of_the_table_is_twice_differentiable() -> Result<()> {
    for row in downhill_tensor::pointwise::TABLE {
        let (a, b) = (row.domain.start, row.domain.end);
        let points: Vec<_> = (0..7).map(|i| a + (b - a) * (f64::from(i) + 0.37) / 7.3).collect();
        let x = leaf(&points);
        gradcheck(|x| Ok((row.function)(&x[0])), std::slice::from_ref(&x))?;
        gradgradcheck(|x| Ok((row.function)(&x[0])), &[x])?;
    }
    Ok(())
}

#[test]
fn matrix_products_are_twice_differentiable() -> Result<()> {
    let a = leaf(&[0.5, -1.0, 2.0, 0.3, 0.7, -0.2]).detach();
    let a = a.reshape([2, 3])?.requires_grad_()?;
    let b = leaf(&[1.5, -0.1, 0.2, 0.9, -0.7, 1.2]).detach().reshape([3, 2])?.requires_grad_()?;
    let bias = leaf(&[0.1, 0.2]);
    gradcheck(|x| x[0].mm(&x[1]), &[a.clone(), b.clone()])?;
    gradgradcheck(|x| x[0].mm(&x[1]), &[a.clone(), b.clone()])?;
    gradgradcheck(|x| x[2].addmm(&x[0], &x[1], 0.5, 2.0), &[a.clone(), b.clone(), bias.clone()])?;
    let weight = b.detach().t()?.contiguous().requires_grad_()?;
    for x in [a.clone(), a.detach().t()?.contiguous().t()?.requires_grad_()?] {
        gradcheck(|x| x[0].linear(&x[1], &x[2]), &[x.clone(), weight.clone(), bias.clone()])?;
        gradgradcheck(|x| x[0].linear(&x[1], &x[2]), &[x, weight.clone(), bias.clone()])?;
    }
    let v = leaf(&[1.0, 2.0, 3.0]);
    gradgradcheck(|x| x[0].matmul(&x[1]), &[a, v.clone()])?;
    gradgradcheck(|x| x[0].dot(&x[1]), &[v.clone(), v])
}

#[test]
#[cfg_attr(target_family = "wasm", ignore = "there are no threads there")]
fn threads_that_differentiate_at_once_lose_no_gradient() -> Result<()> {
    let x = leaf(&[1.0, 2.0]);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..500).try_for_each(|_| x.mul(2.0)?.sum().backward()).expect("a sum"));
        }
    });
    assert_eq!(x.grad().expect("differentiated").to_vec::<f64>()?, [8000.0, 8000.0]);
    Ok(())
}

#[test]
fn a_graph_is_walked_without_recursion_and_each_node_once() -> Result<()> {
    use downhill_tensor::graph;
    let x = Tensor::from([1.0, 2.0]).requires_grad_()?;
    let mut y = x.clone();
    for _ in 0..100_000 {
        y = y.mul(&x)?;
    }
    let nodes = graph::nodes(&y);
    assert_eq!(nodes.len(), 100_001);
    assert!(nodes.windows(2).all(|pair| pair[0].id > pair[1].id));
    // Each product keeps both factors.
    assert!(nodes[..100_000].iter().all(|node| node.saved == Some(32) && node.inputs.len() == 2));
    assert!(nodes[100_000].is_leaf && graph::id(&x) == Some(nodes[100_000].id));
    assert!(graph::nodes(&Tensor::from(1.0)).is_empty());
    assert_eq!(graph::dot(&Tensor::from(1.0)), "digraph {\n  node [shape=box, fontname=monospace];\n}\n");
    let named = graph::dot_with(&x, &[("a\"b\\".to_string(), x.clone())]);
    assert!(named.contains(r#"label="a\"b\\\n[2] float64""#), "{named}");
    y.sum().backward()?;
    assert_eq!(graph::nodes(&y)[0].saved, None);
    Ok(())
}
