//! Optimizers on small functions.

#![allow(clippy::unreadable_literal, reason = "results as PyTorch prints them")]

use downhill_nn::optim::{Descent, Rule, Setting};
use downhill_nn::{
    Adagrad, AdagradOptions, Adam, AdamOptions, AdamWOptions, ClipNormOptions, Optimizer, Parameter,
    RMSpropOptions, SGD, SgdOptions, StateDict, clip_grad_norm_, clip_grad_value_,
};
use downhill_tensor::{DType, Tensor};

fn parameter(values: &[f64]) -> Parameter {
    Parameter::new(Tensor::from(values)).unwrap()
}

fn values(p: &Parameter) -> Vec<f64> {
    p.tensor().to_vec().unwrap()
}

#[test]
fn bad_options_are_refused_with_their_numbers() {
    let text = |options: SgdOptions| SGD::new([parameter(&[1.0])], options).unwrap_err().to_string();
    let base = SgdOptions::default();
    assert_eq!(text(SgdOptions { lr: -0.1, ..base }), "SGD: lr must be at least 0, but is -0.1");
    assert_eq!(text(SgdOptions { lr: f64::NAN, ..base }), "SGD: lr must be at least 0, but is nan");
    assert_eq!(text(SgdOptions { momentum: -0.5, ..base }), "SGD: momentum must be at least 0, but is -0.5");
    assert_eq!(
        text(SgdOptions { weight_decay: -1.0, ..base }),
        "SGD: weight_decay must be at least 0, but is -1.0"
    );
    let nesterov = "SGD: nesterov needs a momentum above 0 and no dampening, but momentum is";
    assert_eq!(text(SgdOptions { nesterov: true, ..base }), format!("{nesterov} 0.0 and dampening 0.0"));
    let damped = SgdOptions { nesterov: true, momentum: 0.9, dampening: 0.1, ..base };
    assert_eq!(text(damped), format!("{nesterov} 0.9 and dampening 0.1"));
    let none = SGD::new([], base).unwrap_err().to_string();
    assert_eq!(none, "SGD: there are no parameters to optimize");
    let p = parameter(&[1.0]);
    let twice = SGD::new([p.clone(), parameter(&[2.0]), p], base).unwrap_err().to_string();
    assert_eq!(twice, "SGD: parameters 0 and 2 are the same");
}

#[test]
fn parameters_without_a_gradient_stay() {
    let (used, unused) = (parameter(&[1.0]), parameter(&[1.0]));
    let frozen = Parameter::frozen(Tensor::from([1.0]));
    let all = [used.clone(), unused.clone(), frozen.clone()];
    let mut optimizer =
        SGD::new(all, SgdOptions { lr: 0.5, weight_decay: 0.25, ..Default::default() }).unwrap();
    (used.tensor() + frozen.tensor()).sum().backward().unwrap();
    optimizer.step().unwrap();
    assert_eq!((values(&used), values(&unused), values(&frozen)), (vec![0.375], vec![1.0], vec![1.0]));
    optimizer.zero_grad();
    assert!(used.grad().is_none());
    optimizer.set_lr(0.1).unwrap();
    assert_eq!(optimizer.lr(), 0.1);
    assert!(optimizer.set_lr(-1.0).is_err());
}

#[test]
fn a_graph_from_before_a_step_keeps_its_values() {
    let w = parameter(&[3.0]);
    let y = w.tensor().square().sum();
    w.set_grad(Some(Tensor::from([1.0]))).unwrap();
    let mut optimizer = SGD::new([w.clone()], SgdOptions { lr: 1.0, ..Default::default() }).unwrap();
    optimizer.step().unwrap();
    w.zero_grad();
    // PyTorch raises an error here; the gradient at 3 is what was asked for.
    y.backward().unwrap();
    assert_eq!((values(&w), w.grad().unwrap()), (vec![2.0], Tensor::from([6.0])));
}

#[test]
fn updates_are_in_place_when_nobody_else_holds_the_value() {
    let w = parameter(&[1.0, 2.0]);
    let address = |p: &Parameter| p.tensor().as_slice::<f64>().unwrap().as_ptr() as usize;
    let before = address(&w);
    let mut optimizer = SGD::new([w.clone()], SgdOptions { momentum: 0.9, ..Default::default() }).unwrap();
    for _ in 0..3 {
        optimizer.zero_grad();
        w.tensor().square().sum().backward().unwrap();
        optimizer.step().unwrap();
        assert_eq!(address(&w), before);
    }
    let held = w.tensor();
    optimizer.step().unwrap();
    assert_ne!(address(&w), before);
    assert_eq!(held.as_slice::<f64>().unwrap().as_ptr() as usize, before);
}

#[test]
fn long_parameters_step_as_short_ones_do() {
    let options = SgdOptions {
        lr: 0.1,
        momentum: 0.9,
        dampening: 0.5,
        weight_decay: 0.01,
        maximize: true,
        nesterov: false,
    };
    let n = 100_003;
    let value = |i: usize| (i % 17) as f32 * 0.3 - 1.0;
    let long = Parameter::new((0..n).map(value).collect::<Vec<_>>().into()).unwrap();
    let short = Parameter::new((0..17).map(value).collect::<Vec<_>>().into()).unwrap();
    for p in [&long, &short] {
        let mut optimizer = SGD::new([p.clone()], options).unwrap();
        for _ in 0..3 {
            optimizer.zero_grad();
            p.tensor().sin().sum().backward().unwrap();
            optimizer.step().unwrap();
        }
    }
    let (long, short) = (long.tensor().to_vec::<f32>().unwrap(), short.tensor().to_vec::<f32>().unwrap());
    assert!(long.iter().enumerate().all(|(i, x)| *x == short[i % 17]));
}

/// Four steps from `[1.5, −0.25, −3]` along fixed gradients.
fn walk<R: Rule>(options: R) -> Vec<f32> {
    let w = Parameter::new(Tensor::from([1.5_f32, -0.25, -3.0])).unwrap();
    let mut optimizer = Descent::new([w.clone()], options).unwrap();
    for g in [[0.5_f32, -1.25, 0.1], [-0.75, 2.0, 0.3], [1.0, 0.125, -0.7], [0.2, -0.6, 0.9]] {
        w.set_grad(Some(Tensor::from(g))).unwrap();
        optimizer.step().unwrap();
    }
    w.tensor().to_vec().unwrap()
}

/// From PyTorch 2.15, to the last bit.
#[test]
fn rules_round_as_pytorch_does() {
    let adam = AdamOptions { lr: 0.1, ..Default::default() };
    assert_eq!(walk(AdamOptions { weight_decay: 0.1, ..adam }), [1.3002362, -0.20342132, -2.7448082]);
    let amsgrad = AdamOptions { betas: (0.3, 0.9), amsgrad: true, maximize: true, ..adam };
    assert_eq!(walk(amsgrad), [1.6472543, -0.26812732, -2.800692]);
    let adamw = AdamWOptions { lr: 0.1, weight_decay: 0.2, amsgrad: true, ..Default::default() };
    assert_eq!(walk(adamw), [1.2426474, -0.19247557, -2.9497037]);
    let rmsprop = RMSpropOptions::default();
    let decayed = RMSpropOptions { lr: 0.05, weight_decay: 0.1, alpha: 0.8, ..rmsprop };
    assert_eq!(walk(decayed), [1.3461607, -0.20467898, -2.8485014]);
    let all = RMSpropOptions { momentum: 0.9, centered: true, maximize: true, ..rmsprop };
    assert_eq!(walk(all), [1.7763166, -0.3801427, -2.492169]);
    let momentum = RMSpropOptions { momentum: 0.9, ..rmsprop };
    // PyTorch has …57 for the second: the square roots of its vector library are not always the nearest.
    assert_eq!(walk(momentum), [1.2255812, -0.12146356, -3.5040634]);
    let centered = RMSpropOptions { centered: true, ..rmsprop };
    assert_eq!(walk(centered), [1.3934057, -0.21490073, -3.1812482]);
    let adagrad = AdagradOptions {
        lr: 0.1,
        lr_decay: 0.1,
        weight_decay: 0.1,
        initial_accumulator_value: 0.5,
        maximize: true,
        ..Default::default()
    };
    assert_eq!(walk(adagrad), [1.5265937, -0.27423993, -2.871639]);
}

#[test]
fn every_rule_refuses_options_outside_their_range() {
    fn text<R: Rule>(options: R) -> String {
        Descent::new([parameter(&[1.0])], options).unwrap_err().to_string()
    }
    let adam = AdamOptions::default();
    assert_eq!(text(AdamOptions { eps: -1.0, ..adam }), "Adam: eps must be at least 0, but is -1.0");
    let beta = "must be at least 0 and below 1, but is";
    assert_eq!(text(AdamOptions { betas: (1.0, 0.9), ..adam }), format!("Adam: betas.0 {beta} 1.0"));
    assert_eq!(text(AdamOptions { betas: (0.9, f64::NAN), ..adam }), format!("Adam: betas.1 {beta} nan"));
    let decay = AdamWOptions { weight_decay: -0.1, ..Default::default() };
    assert_eq!(text(decay), "AdamW: weight_decay must be at least 0, but is -0.1");
    let alpha = RMSpropOptions { alpha: -0.1, ..Default::default() };
    assert_eq!(text(alpha), "RMSprop: alpha must be at least 0, but is -0.1");
    let initial = AdagradOptions { initial_accumulator_value: -0.1, ..Default::default() };
    assert_eq!(text(initial), "Adagrad: initial_accumulator_value must be at least 0, but is -0.1");
}

#[test]
fn groups_keep_their_options_and_share_no_parameter() {
    let (a, b, c) = (parameter(&[1.0]), parameter(&[1.0]), parameter(&[1.0]));
    let base = SgdOptions { lr: 0.5, ..Default::default() };
    let mut optimizer =
        SGD::with_groups([(vec![a.clone()], base), (vec![b.clone()], SgdOptions { lr: 0.25, ..base })])
            .unwrap();
    optimizer.add_group([c.clone()], SgdOptions { maximize: true, ..base }).unwrap();
    let again = optimizer.add_group([parameter(&[0.0]), b.clone()], base).unwrap_err().to_string();
    assert_eq!(again, "SGD: parameters 1 and 4 are the same");
    for p in [&a, &b, &c] {
        p.set_grad(Some(Tensor::from([1.0]))).unwrap();
    }
    optimizer.step().unwrap();
    assert_eq!((values(&a), values(&b), values(&c)), (vec![0.5], vec![0.75], vec![1.5]));
    assert_eq!(optimizer.lrs(), [0.5, 0.25, 0.5]);
    assert_eq!(optimizer.momenta(), Some(vec![0.0; 3]));
    optimizer.set_lrs(&[0.1, 0.2, 0.3]).unwrap();
    assert_eq!(optimizer.options()[2], SgdOptions { lr: 0.3, maximize: true, ..base });
    assert!(optimizer.set_lrs(&[0.1]).is_err());
    assert!(Adagrad::new([a], AdagradOptions::default()).unwrap().set_momenta(&[0.9]).is_err());
}

/// Every option on, and a parameter that has no gradient in the first half.
fn halves<R: Rule>(options: R) {
    let run = |interrupt: bool| {
        let (a, b) = (parameter(&[1.0, -2.0]), parameter(&[0.5]));
        let mut optimizer = Descent::new([a.clone(), b.clone()], options.clone()).unwrap();
        for k in 0..6 {
            optimizer.zero_grad();
            let sum = a.tensor().square().sum();
            let loss = if k < 3 { sum } else { sum.add(&b.tensor().square().sum()).unwrap() };
            loss.backward().unwrap();
            optimizer.step().unwrap();
            if interrupt && k == 2 {
                let state = optimizer.state_dict();
                let mut plain = options.clone();
                for (_, setting) in plain.settings() {
                    if let Setting::Flag(flag) = setting {
                        *flag = false;
                    }
                }
                optimizer = Descent::new([a.clone(), b.clone()], plain).unwrap();
                optimizer.load_state_dict(&state).unwrap();
            }
        }
        (values(&a), values(&b))
    };
    assert_eq!(run(true), run(false));
}

#[test]
fn a_loaded_state_goes_on_where_the_saved_one_stopped() {
    halves(SgdOptions { momentum: 0.9, nesterov: true, maximize: true, ..Default::default() });
    halves(AdamOptions { amsgrad: true, maximize: true, ..Default::default() });
    halves(AdamWOptions { amsgrad: true, ..Default::default() });
    halves(RMSpropOptions { momentum: 0.9, centered: true, ..Default::default() });
    halves(AdagradOptions { lr_decay: 0.1, initial_accumulator_value: 0.5, ..Default::default() });
}

#[test]
fn a_state_that_does_not_fit_changes_nothing() {
    let w = parameter(&[1.0, 2.0]);
    let mut optimizer = Adam::new([w.clone()], AdamOptions::default()).unwrap();
    w.tensor().sum().backward().unwrap();
    optimizer.step().unwrap();
    let good = optimizer.state_dict();
    let mut refused = |change: &dyn Fn(&mut StateDict)| {
        let mut state = good.clone();
        change(&mut state);
        let text = optimizer.load_state_dict(&state).unwrap_err().to_string();
        assert_eq!(optimizer.state_dict(), good);
        text
    };
    let lost = refused(&|state| drop(state.remove("param_groups.0.lr")));
    assert_eq!(lost, "load_state_dict: there is no param_groups.0.lr");
    let more = refused(&|state| state.insert("state.1.step", Tensor::from(1)));
    assert_eq!(more, "load_state_dict: Adam has no place for state.1.step");
    let wide = refused(&|state| state.insert("state.0.exp_avg", Tensor::from([1.0])));
    assert_eq!(wide, "load_state_dict: expected shape [2] for state.0.exp_avg, but got shape [1]");
    let fewer = refused(&|state| state.insert("param_groups.0.params", Tensor::from([0, 1])));
    assert_eq!(fewer, "load_state_dict: expected shape [1] for param_groups.0.params, but got shape [2]");
    let negative = refused(&|state| state.insert("param_groups.0.eps", Tensor::from(-1.0)));
    assert_eq!(negative, "Adam: eps must be at least 0, but is -1.0");
}

#[test]
fn a_parameter_of_another_dtype_than_its_memory_is_an_error() {
    let w = parameter(&[1.0]);
    let mut optimizer = Adam::new([w.clone()], AdamOptions::default()).unwrap();
    w.tensor().sum().backward().unwrap();
    optimizer.step().unwrap();
    w.to_dtype(DType::F32).unwrap();
    w.tensor().sum().backward().unwrap();
    assert!(optimizer.step().is_err());
}

#[test]
fn gradients_are_clipped_together() {
    let all = [parameter(&[0.0, 0.0]), parameter(&[0.0]), Parameter::new(Tensor::from([0.0_f32])).unwrap()];
    let set = |x: f64| {
        all[0].set_grad(Some(Tensor::from([3.0, -4.0]))).unwrap();
        all[2].set_grad(Some(Tensor::from([x as f32]))).unwrap();
    };
    let clip = |max_norm, norm_type| {
        let options = ClipNormOptions { norm_type, error_if_nonfinite: true };
        clip_grad_norm_(&all, max_norm, options).map(|norm| norm.item::<f64>().unwrap())
    };
    let grads = || all.each_ref().map(|p| p.grad().map(|g| g.to_dtype(DType::F64).to_vec::<f64>().unwrap()));
    assert_eq!(clip_grad_norm_(&all, 1.0, ClipNormOptions::default()).unwrap(), Tensor::from(0.0_f32));
    set(12.0);
    assert_eq!(clip(100.0, 2.0).unwrap(), 13.0);
    assert_eq!(grads(), [Some(vec![3.0, -4.0]), None, Some(vec![12.0])]);
    assert_eq!(clip(6.0, f64::INFINITY).unwrap(), 12.0);
    let factor = 6.0 * (1.0 / (12.0 + 1e-6));
    let last = f64::from(12.0 * factor as f32);
    assert_eq!(grads(), [Some(vec![3.0 * factor, -4.0 * factor]), None, Some(vec![last])]);
    set(f64::NAN);
    assert_eq!(
        clip(1.0, 2.0).unwrap_err().to_string(),
        "clip_grad_norm_: the gradients' norm is nan, which is not finite"
    );
    assert_eq!(grads()[0], Some(vec![3.0, -4.0]));
    clip_grad_value_(&all, 3.5).unwrap();
    assert_eq!(grads()[0], Some(vec![3.0, -3.5]));
}

#[test]
fn bounds_that_make_no_sense_are_refused() -> downhill_tensor::Result<()> {
    let p = Parameter::new(Tensor::from([1.0_f32]))?;
    p.set_grad(Some(Tensor::from([2.0_f32])))?;
    for (bound, shown) in [(-1.0, "-1.0"), (f64::NAN, "nan")] {
        let text = clip_grad_norm_(std::slice::from_ref(&p), bound, ClipNormOptions::default())
            .unwrap_err()
            .to_string();
        assert_eq!(text, format!("clip_grad_norm_: max_norm must be at least 0, but is {shown}"));
        let text = clip_grad_value_(std::slice::from_ref(&p), bound).unwrap_err().to_string();
        assert_eq!(text, format!("clip_grad_value_: clip_value must be at least 0, but is {shown}"));
    }
    let options = ClipNormOptions { norm_type: f64::NAN, ..Default::default() };
    let text = clip_grad_norm_(std::slice::from_ref(&p), 1.0, options).unwrap_err().to_string();
    assert_eq!(text, "clip_grad_norm_: norm_type cannot be nan");
    assert_eq!(p.grad().expect("as it was").to_vec::<f32>()?, [2.0]);
    Ok(())
}
