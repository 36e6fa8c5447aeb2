//! States that an optimizer must not go on from: every one of all optimizers, with every option on.

use downhill_nn::optim::{Descent, Rule};
use downhill_nn::{
    AdagradOptions, AdamOptions, AdamWOptions, Optimizer, Parameter, RMSpropOptions, SgdOptions, StateDict,
};
use downhill_tensor::{DType, Tensor};

/// An optimizer of two parameters of which one has been stepped, and something to call with each.
fn for_all(test: impl Fn(&mut dyn Optimizer)) {
    fn stepped<R: Rule>(options: R) -> Descent<R> {
        let [a, b] = [[1.0_f64, -2.0], [0.5, 3.0]].map(|x| Parameter::new(Tensor::from(x)).unwrap());
        let mut optimizer = Descent::new([a.clone(), b], options).unwrap();
        a.tensor().square().sum().backward().unwrap();
        optimizer.step().unwrap();
        optimizer
    }
    test(&mut stepped(SgdOptions { momentum: 0.9, nesterov: true, ..Default::default() }));
    test(&mut stepped(SgdOptions::default()));
    test(&mut stepped(AdamOptions { amsgrad: true, ..Default::default() }));
    test(&mut stepped(AdamOptions::default()));
    test(&mut stepped(AdamWOptions { amsgrad: true, ..Default::default() }));
    test(&mut stepped(RMSpropOptions { momentum: 0.9, centered: true, ..Default::default() }));
    test(&mut stepped(RMSpropOptions { centered: true, ..Default::default() }));
    test(&mut stepped(RMSpropOptions::default()));
    test(&mut stepped(AdagradOptions::default()));
}

/// What loading a changed state says. Nothing may be loaded.
fn refused(optimizer: &mut dyn Optimizer, change: impl FnOnce(&mut StateDict)) -> String {
    let good = optimizer.state_dict();
    let mut state = good.clone();
    change(&mut state);
    let result = optimizer.load_state_dict(&state);
    assert_eq!(optimizer.state_dict(), good);
    match result {
        Err(error) => error.to_string(),
        Ok(()) => panic!("loaded {state}\nby one with {good}"),
    }
}

#[test]
fn a_state_without_one_of_its_entries_is_refused() {
    for_all(|optimizer| {
        let good = optimizer.state_dict();
        optimizer.load_state_dict(&good).unwrap();
        let alone = good.iter().filter(|(name, _)| name.starts_with("state.")).count() == 1;
        for (name, _) in good.iter() {
            // Nothing is lost with the number of steps of an optimizer that remembers nothing else.
            if alone && name == "state.0.step" {
                continue;
            }
            let text = refused(optimizer, |state| drop(state.remove(name)));
            assert_eq!(text, format!("load_state_dict: there is no {name}"));
        }
    });
}

#[test]
fn a_state_with_an_absurd_entry_is_refused_by_name() {
    for_all(|optimizer| {
        let good = optimizer.state_dict();
        for (name, value) in good.iter() {
            let mut others = vec![
                Tensor::from([[1.0_f64, 2.0, 3.0]]),
                Tensor::from([[1_i64], [2]]),
                value.to_dtype(DType::F64).mul(f64::NAN).unwrap(),
            ];
            let last = name.rsplit('.').next().unwrap_or_default();
            match last {
                "step" => {
                    others.extend([-5.0_f64, 2.7, f64::INFINITY, 1e300].map(Tensor::from));
                    others.push(Tensor::from(true));
                }
                "params" => {
                    others.push(Tensor::from([7, 9]));
                    others.push(Tensor::from([1, 0]));
                    others.push(value.to_dtype(DType::F64));
                }
                "exp_avg_sq" | "max_exp_avg_sq" | "square_avg" | "sum" => {
                    others.push(Tensor::from([1.0_f64, -1e-30]));
                    others.push(Tensor::from([true, true]));
                }
                "exp_avg" | "momentum_buffer" | "grad_avg" => {
                    others = vec![Tensor::from([1, 1]), Tensor::from([true, false]), Tensor::from([1.0_f64])];
                }
                "nesterov" | "maximize" | "amsgrad" | "centered" => others.push(Tensor::from(2.5_f64)),
                "lr" => others.push(Tensor::from(true)),
                _ => others.extend([Tensor::from(true), Tensor::from(f64::NEG_INFINITY)]),
            }
            // A buffer that is not yet there is one of a momentum.
            if name.starts_with("state.") && !["step", "momentum_buffer"].contains(&last) {
                others.push(Tensor::from([0.0_f64; 0]));
            }
            for other in others {
                // A run that has diverged can be saved and loaded.
                if name.starts_with("state.")
                    && last != "step"
                    && other.numel() == 2
                    && other.shape() == value.shape()
                    && other.dtype() == DType::F64
                    && other.isnan().to_vec::<bool>().unwrap() == [true; 2]
                {
                    continue;
                }
                let text = refused(optimizer, |state| state.insert(name, other.clone()));
                assert!(text.contains(last) || text.contains(name), "{name} = {other}: {text}");
            }
        }
    });
}

/// A momentum that a schedule has set, and no step since.
#[test]
fn a_buffer_that_the_next_step_starts_is_told_and_loaded() {
    let run = |interrupt: bool| {
        let w = Parameter::new(Tensor::from([1.0_f64, -2.0])).unwrap();
        let mut optimizer =
            Descent::new([w.clone()], SgdOptions { dampening: 0.5, ..Default::default() }).unwrap();
        for k in 0..4 {
            if k == 2 {
                optimizer.set_momenta(&[0.9]).unwrap();
                if interrupt {
                    let state = optimizer.state_dict();
                    assert_eq!(state.get("state.0.momentum_buffer").unwrap().shape(), &[0]);
                    optimizer = Descent::new([w.clone()], SgdOptions::default()).unwrap();
                    optimizer.load_state_dict(&state).unwrap();
                    assert_eq!(optimizer.state_dict(), state);
                }
            }
            optimizer.zero_grad();
            w.tensor().square().sum().backward().unwrap();
            optimizer.step().unwrap();
        }
        w.tensor()
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn a_step_may_be_a_whole_float_as_pytorch_has_it() {
    for_all(|optimizer| {
        let mut state = optimizer.state_dict();
        state.insert("state.0.step", Tensor::from(3.0_f32));
        optimizer.load_state_dict(&state).unwrap();
        assert_eq!(optimizer.state_dict().get("state.0.step"), Some(&Tensor::from(3)));
    });
}
