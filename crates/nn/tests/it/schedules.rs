//! Learning rates over the epochs. The expected ones are PyTorch 2.15's, to the last bit.

#![allow(clippy::unreadable_literal, reason = "results as PyTorch prints them")]

use downhill_nn::optim::{
    Anneal, Better, CosineAnnealingLR, ExponentialLR, LambdaLR, LinearLR, LinearLrOptions, MultiStepLR,
    OneCycleLR, OneCycleOptions, PerGroup, PlateauOptions, PolynomialLR, ReduceLROnPlateau, Schedule, StepLR,
};
use downhill_nn::{Adagrad, AdagradOptions, Adam, AdamOptions, Optimizer, Parameter, SGD, SgdOptions};
use downhill_tensor::Tensor;

fn parameter() -> Vec<Parameter> {
    vec![Parameter::new(downhill_tensor::ones([1]).unwrap()).unwrap()]
}

/// Two groups, of learning rates 1 and 0.5.
fn sgd() -> SGD {
    let base = SgdOptions { lr: 1.0, ..Default::default() };
    SGD::with_groups([(parameter(), base), (parameter(), SgdOptions { lr: 0.5, ..base })]).unwrap()
}

#[test]
fn schedules_combine() {
    let mut optimizer = sgd();
    let options = LinearLrOptions { start_factor: 0.25, total_iters: 3, ..Default::default() };
    let mut warm_up = LinearLR::new(&mut optimizer, options).unwrap();
    let mut decay = ExponentialLR::new(0.9);
    let mut lrs = vec![optimizer.lrs()];
    for _ in 0..4 {
        warm_up.step(&mut optimizer).unwrap();
        decay.step(&mut optimizer).unwrap();
        lrs.push(optimizer.lrs());
    }
    let expected = [
        [0.25, 0.125],
        [0.45, 0.225],
        [0.6075, 0.30375],
        [0.7290000000000001, 0.36450000000000005],
        [0.6561000000000001, 0.32805000000000006],
    ];
    assert_eq!(lrs, expected);
}

#[test]
fn the_cosine_rises_again() {
    let mut optimizer = sgd();
    let mut schedule = CosineAnnealingLR::new(&mut optimizer, 3, 0.1).unwrap();
    let mut lrs = vec![];
    for _ in 0..8 {
        lrs.push(optimizer.lrs());
        schedule.step(&mut optimizer).unwrap();
    }
    let expected = [
        [1.0, 0.5],
        [0.775, 0.4],
        [0.3250000000000001, 0.20000000000000007],
        [0.1, 0.1],
        [0.32499999999999996, 0.19999999999999998],
        [0.7750000000000005, 0.40000000000000024],
        [1.0000000000000007, 0.5000000000000003],
        [0.7750000000000007, 0.40000000000000036],
    ];
    assert_eq!(lrs, expected);
}

#[test]
fn one_cycle_moves_the_first_beta_of_each_group() {
    let options = AdamOptions::default();
    let mut optimizer = Adam::with_groups([(parameter(), options), (parameter(), options)]).unwrap();
    let cycle = OneCycleOptions {
        anneal_strategy: Anneal::Linear,
        base_momentum: [0.8, 0.7].into(),
        max_momentum: 0.9.into(),
        pct_start: 0.5,
        div_factor: 10.0,
        final_div_factor: 100.0,
        ..Default::default()
    };
    let mut schedule = OneCycleLR::new(&mut optimizer, [0.4, 0.2], 6, cycle).unwrap();
    // One step more than the cycle has: PyTorch goes on along the last line.
    let expected = [
        ([0.04, 0.02], [0.9, 0.9]),
        ([0.22000000000000003, 0.11000000000000001], [0.8500000000000001, 0.8]),
        ([0.4, 0.2], [0.8, 0.7]),
        ([0.26680000000000004, 0.13340000000000002], [0.8333333333333334, 0.7666666666666666]),
        ([0.13360000000000005, 0.06680000000000003], [0.8666666666666667, 0.8333333333333333]),
        ([0.00040000000000001146, 0.00020000000000000573], [0.9, 0.9]),
        ([-0.13279999999999992, -0.06639999999999996], [0.9333333333333333, 0.9666666666666667]),
    ];
    for (i, (lrs, betas)) in expected.iter().enumerate() {
        if i > 0 {
            schedule.step(&mut optimizer).unwrap();
        }
        assert_eq!((optimizer.lrs(), optimizer.momenta()), (lrs.to_vec(), Some(betas.to_vec())));
    }
    let end = schedule.step(&mut optimizer).unwrap_err().to_string();
    assert_eq!(end, "OneCycleLR: there are 6 steps, and this is step 7");
    // What a schedule leaves behind can be saved and loaded.
    let state = optimizer.state_dict();
    optimizer.load_state_dict(&state).unwrap();
}

#[test]
fn a_plateau_respects_cooldown_and_the_lowest_rates() {
    let mut optimizer = sgd();
    let options = PlateauOptions {
        mode: Better::Max,
        patience: 0,
        cooldown: 2,
        min_lr: [0.05, 0.2].into(),
        ..Default::default()
    };
    let mut schedule = ReduceLROnPlateau::new(&optimizer, options).unwrap();
    let mut lrs = vec![];
    for metric in [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 1.0, f64::NAN, 1.0, 1.0] {
        schedule.step(&mut optimizer, metric).unwrap();
        lrs.push(optimizer.lrs());
    }
    let mut expected = vec![[1.0, 0.5], [0.1, 0.2], [0.1, 0.2], [0.1, 0.2]];
    expected.resize(11, [0.05, 0.2]);
    assert_eq!(lrs, expected);
}

#[test]
fn a_milestone_counts_as_often_as_it_stands() {
    let mut optimizer = sgd();
    let mut schedule = MultiStepLR::new(&mut optimizer, [2, 0, 2], 0.5).unwrap();
    let mut lrs = vec![];
    for _ in 0..4 {
        lrs.push(optimizer.lr());
        schedule.step(&mut optimizer).unwrap();
    }
    assert_eq!(lrs, [0.5, 0.5, 0.125, 0.125]);
}

#[test]
fn bad_options_are_refused_with_their_numbers() {
    fn text<T>(made: downhill_nn::Result<T>) -> String {
        made.err().expect("an error").to_string()
    }
    let mut optimizer = sgd();
    assert_eq!(text(StepLR::new(0, 0.1)), "StepLR: step_size must be at least 1, but is 0");
    let cosine = text(CosineAnnealingLR::new(&mut optimizer, 0, 0.0));
    assert_eq!(cosine, "CosineAnnealingLR: t_max must be at least 1, but is 0");
    let linear = LinearLrOptions { start_factor: 0.0, ..Default::default() };
    let linear = text(LinearLR::new(&mut optimizer, linear));
    assert_eq!(linear, "LinearLR: start_factor must be above 0 and at most 1, but is 0.0");
    let linear = LinearLrOptions { end_factor: 1.5, ..Default::default() };
    let linear = text(LinearLR::new(&mut optimizer, linear));
    assert_eq!(linear, "LinearLR: end_factor must be at least 0 and at most 1, but is 1.5");
    let plateau = PlateauOptions { factor: 1.0, ..Default::default() };
    let plateau = text(ReduceLROnPlateau::new(&optimizer, plateau));
    assert_eq!(plateau, "ReduceLROnPlateau: factor must be below 1, but is 1.0");
    let plateau = PlateauOptions { min_lr: [0.1].into(), ..Default::default() };
    let plateau = text(ReduceLROnPlateau::new(&optimizer, plateau));
    assert_eq!(plateau, "ReduceLROnPlateau: min_lr has 1 values for 2 groups");
    let mut cycle =
        |max_lr: PerGroup, steps, options| text(OneCycleLR::new(&mut optimizer, max_lr, steps, options));
    let d = OneCycleOptions::default;
    assert_eq!(cycle(1.0.into(), 0, d()), "OneCycleLR: total_steps must be at least 1, but is 0");
    assert_eq!(cycle([1.0].into(), 5, d()), "OneCycleLR: max_lr has 1 values for 2 groups");
    let share = OneCycleOptions { pct_start: 1.5, ..d() };
    assert_eq!(
        cycle(1.0.into(), 5, share),
        "OneCycleLR: pct_start must be at least 0 and at most 1, but is 1.5"
    );
    assert_eq!(
        cycle(1.0.into(), 5, OneCycleOptions { div_factor: 0.0, ..d() }),
        "OneCycleLR: div_factor must not be 0"
    );
    // The rise would last from step 0 to step 0.
    let short = OneCycleOptions { pct_start: 0.1, ..d() };
    assert_eq!(cycle(1.0.into(), 10, short), "OneCycleLR: the phase of step 0 begins and ends at 0");
    let mut adagrad = Adagrad::new(parameter(), AdagradOptions::default()).unwrap();
    let cycle = text(OneCycleLR::new(&mut adagrad, 1.0, 5, d()));
    assert_eq!(cycle, "OneCycleLR: cycle_momentum needs an optimizer with momentum or betas");
}

#[test]
fn options_of_plateaus_that_are_nan_are_refused() {
    let w = Parameter::new(Tensor::from(1.0)).unwrap();
    let sgd = SGD::new([w], SgdOptions::default()).unwrap();
    let plain = PlateauOptions::default;
    for options in [
        PlateauOptions { threshold: f64::NAN, ..plain() },
        PlateauOptions { eps: f64::NAN, ..plain() },
        PlateauOptions { factor: f64::NAN, ..plain() },
    ] {
        assert!(ReduceLROnPlateau::new(&sgd, options).is_err());
    }
    // A state whose `min_lrs` claims more groups than there is memory for.
    let mut plateau = ReduceLROnPlateau::new(&sgd, plain()).unwrap();
    let mut state = plateau.state_dict();
    state.insert("min_lrs", Tensor::from([0.0]).expand([1_i64 << 40]).unwrap());
    assert!(plateau.load_state_dict(&state).is_err());
}

#[test]
fn a_learning_rate_of_nan_is_refused_and_nothing_is_set() {
    let mut sgd = SGD::new(parameter(), SgdOptions::default()).unwrap();
    let lrs = sgd.lrs();
    let schedules: [Box<dyn Schedule>; 4] = [
        Box::new(StepLR::new(1, f64::NAN).unwrap()),
        Box::new(ExponentialLR::new(f64::NAN)),
        Box::new(PolynomialLR::new(10, f64::NAN)),
        Box::new(LambdaLR::new(&mut sgd, |epoch| if epoch == 0 { 1.0 } else { f64::NAN }).unwrap()),
    ];
    for mut schedule in schedules {
        assert_eq!(schedule.step(&mut sgd).unwrap_err().to_string(), "SGD: lr cannot be nan");
        assert_eq!(sgd.lrs(), lrs);
    }
    assert!(MultiStepLR::new(&mut sgd, [0], f64::NAN).is_err() && sgd.set_lr(f64::NAN).is_err());
    assert_eq!(sgd.lrs(), lrs);
}
