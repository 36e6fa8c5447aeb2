//! Hooks, gradients that results keep, and the search for gradients that are not finite.

use downhill_tensor::autograd::{BackwardOptions, GradOptions, detect_anomaly, edge, grad, grad_with};
use downhill_tensor::{Error, Result, Tensor, no_grad, zeros};
use std::sync::{Arc, Mutex};

fn leaf(values: &[f64]) -> Tensor {
    Tensor::from(values).requires_grad_().unwrap()
}

/// Keeps what it sees.
fn seen(x: &Tensor) -> Result<Arc<Mutex<Vec<Tensor>>>> {
    let list = Arc::new(Mutex::new(Vec::new()));
    let see = list.clone();
    x.register_hook(move |g| {
        see.lock().unwrap().push(g.clone());
        Ok(None)
    })?;
    Ok(list)
}

#[test]
fn a_hook_sees_the_whole_gradient_once_and_in_order() -> Result<()> {
    let x = leaf(&[1.0, 2.0]);
    let y = x.mul(3)?;
    let before = seen(&y)?;
    y.register_hook(|g| g.mul(10).map(Some))?;
    let after = seen(&y)?;
    y.add(&y.square())?.sum().backward()?;
    // 1 + 2y for y = 3x.
    assert_eq!(*before.lock().unwrap(), [Tensor::from([7.0, 13.0])]);
    assert_eq!(*after.lock().unwrap(), [Tensor::from([70.0, 130.0])]);
    assert_eq!(x.grad(), Some(Tensor::from([210.0, 390.0])));
    Ok(())
}

#[test]
fn a_hook_on_a_leaf_changes_what_is_accumulated_until_it_is_removed() -> Result<()> {
    let x = leaf(&[1.0]);
    let hook = x.register_hook(|g| g.mul(5).map(Some))?;
    x.sum().backward()?;
    assert_eq!(x.grad(), Some(Tensor::from([5.0])));
    assert_eq!(grad(&x.sum(), &[&x])?, [Tensor::from([5.0])]);
    hook.remove();
    x.sum().backward()?;
    assert_eq!(x.grad(), Some(Tensor::from([6.0])));
    // A leaf that `grad` does not ask for is left alone.
    let (z, asked) = (leaf(&[1.0]), leaf(&[2.0]));
    let calls = seen(&z)?;
    grad(&z.mul(&asked)?.sum(), &[&asked])?;
    assert!(calls.lock().unwrap().is_empty());
    Ok(())
}

#[test]
fn a_hook_that_fails_or_does_not_fit_ends_the_pass_and_leaves_the_leaves() -> Result<()> {
    let x = leaf(&[1.0, 2.0]);
    let y = x.exp();
    y.register_hook(|_| Ok(Some(zeros([3])?)))?;
    assert_eq!(
        y.sum().backward().unwrap_err().to_string(),
        "register_hook: expected a gradient of shape [2], but got shape [3]"
    );
    let y = x.exp();
    y.register_hook(|_| Err(Error::argument("hook", "enough")))?;
    assert_eq!(y.sum().backward().unwrap_err().to_string(), "hook: enough");
    assert_eq!(x.grad(), None);
    assert_eq!(x.detach().register_hook(|_| Ok(None)).unwrap_err(), Error::NoGrad { op: "register_hook" });
    // A gradient of another dtype is converted.
    let y = x.mul(2)?;
    y.register_hook(|_| Ok(Some(Tensor::from([1, 2]))))?;
    y.sum().backward()?;
    assert_eq!(x.grad(), Some(Tensor::from([2.0, 4.0])));
    Ok(())
}

#[test]
fn what_a_hook_does_can_be_derived_again() -> Result<()> {
    let x = leaf(&[3.0]);
    let y = x.square();
    let hook = y.register_hook(|g| g.mul(g).map(Some))?;
    let options = GradOptions { create_graph: true, ..GradOptions::default() };
    // g = y for y²/2, and g² after the hook: dx = y²·2x = 2x⁵.
    let half = y.square().mul(0.5)?.sum();
    let dx = grad_with(&[(&half, None)], &[&x], options)?.remove(0).unwrap();
    assert_eq!(dx.detach(), Tensor::from([486.0]));
    // It would see the second pass, too.
    hook.remove();
    assert_eq!(grad(&dx.sum(), &[&x])?, [Tensor::from([810.0])]);
    Ok(())
}

#[test]
fn results_keep_their_gradients_when_asked_to() -> Result<()> {
    let x = leaf(&[1.0, 2.0]);
    let y = x.square();
    assert!(matches!(y.try_grad(), Err(Error::Argument { op: "grad", .. })));
    assert_eq!(y.set_grad(None), Err(Error::NoGrad { op: "set_grad" }));
    y.retain_grad()?;
    assert_eq!(y.try_grad()?, None);
    y.register_hook(|g| g.mul(2).map(Some))?;
    let retain = BackwardOptions { retain_graph: true, ..BackwardOptions::default() };
    let z = y.mul(&y)?.sum();
    z.backward_with_options(None, retain)?;
    assert_eq!((y.grad(), x.grad()), (Some(Tensor::from([4.0, 16.0])), Some(Tensor::from([8.0, 64.0]))));
    z.backward_with_options(None, retain)?;
    assert_eq!(y.grad(), Some(Tensor::from([8.0, 32.0])));
    y.set_grad(None)?;
    z.backward()?;
    assert_eq!(y.grad(), Some(Tensor::from([4.0, 16.0])));
    x.retain_grad()?;
    assert_eq!(x.detach().retain_grad(), Err(Error::NoGrad { op: "retain_grad" }));
    assert_eq!(x.detach().try_grad(), Err(Error::NoGrad { op: "grad" }));
    Ok(())
}

#[test]
fn the_first_gradient_that_is_not_finite_is_named_with_its_place() {
    let x = leaf(&[0.0, 4.0]);
    let root = detect_anomaly(|| x.mul(1)?.sqrt().mul(2)?.sum().backward()).unwrap_err();
    let Error::Anomaly { op: "SqrtBackward0", what: "inf", shapes, site } = &root else { panic!("{root}") };
    assert_eq!((&*shapes[0], &*shapes[1]), (&[2][..], &[2][..]));
    // WebAssembly has no backtraces.
    let place = "the_first_gradient_that_is_not_finite_is_named_with_its_place";
    assert!(site.contains(place) || cfg!(target_family = "wasm"), "{site}");
    assert!(
        root.to_string().starts_with(
            "SqrtBackward0: a gradient of shape [2] has inf in it; the result has shape [2], and was computed in "
        ),
        "{root}"
    );
    assert_eq!(x.grad(), None);
    // 0 · ∞ is the multiplication's.
    let masked = detect_anomaly(|| x.sqrt().mul(&Tensor::from([0.0, 1.0]))?.sum().backward()).unwrap_err();
    assert!(matches!(masked, Error::Anomaly { op: "SqrtBackward0", what: "nan", .. }), "{masked}");
    let outside = x.sqrt().sum();
    assert_eq!(
        detect_anomaly(|| outside.backward()).unwrap_err().to_string(),
        "SqrtBackward0: a gradient of shape [2] has inf in it; the result has shape [2], and was computed outside of \
         detect_anomaly, which does not know where"
    );
    // A derivative of one's own, and of a derivative.
    let own = |x: &Tensor| Tensor::from_op("Own", x.detach(), [edge(x, &(), |g, ()| g.mul(f64::NAN))]);
    let error = detect_anomaly(|| own(&x).sum().backward()).unwrap_err();
    assert!(matches!(error, Error::Anomaly { op: "Own", what: "nan", .. }), "{error}");
}

#[test]
fn finite_gradients_are_no_anomaly_and_none_is_looked_for_outside() -> Result<()> {
    let x = leaf(&[0.0, 4.0]);
    detect_anomaly(|| x.square().sum().backward())?;
    assert_eq!(x.grad(), Some(Tensor::from([0.0, 8.0])));
    x.sqrt().sum().backward()?;
    assert!(x.grad().unwrap().isinf().any().item::<bool>()?);
    assert!(!no_grad(|| detect_anomaly(|| x.sqrt())).requires_grad());
    if cfg!(panic = "unwind") {
        let panicked = std::panic::catch_unwind(|| detect_anomaly(|| panic!("inside")));
        assert!(panicked.is_err() && x.sqrt().sum().backward().is_ok());
    }
    Ok(())
}
