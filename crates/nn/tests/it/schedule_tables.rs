//! Schedules against PyTorch, to the bit, and their states.

use downhill_nn::optim::{
    ConstantLR, CosineAnnealingLR, CosineAnnealingWarmRestarts, ExponentialLR, LambdaLR, LinearLR,
    LinearLrOptions, MultiStepLR, OneCycleLR, OneCycleOptions, PlateauOptions, PolynomialLR,
    ReduceLROnPlateau, Schedule, SequentialLR, StepLR, WarmRestartsOptions,
};
use downhill_nn::{Optimizer, Parameter, Result, SGD, SgdOptions, StateDict};
use downhill_tensor::{DType, Tensor};

pub(crate) type Boxed = Box<dyn Schedule + Send + Sync>;
pub(crate) type Make = fn(&mut dyn Optimizer) -> Result<Vec<Boxed>>;

/// One that makes a part of a sequence.
type Part<'a> = &'a dyn Fn(&mut dyn Optimizer) -> Result<Boxed>;

fn sequential(o: &mut dyn Optimizer, milestones: &[usize], parts: &[Part<'_>]) -> Result<Vec<Boxed>> {
    let parts = parts.iter().map(|part| part(o)).collect::<Result<_>>()?;
    Ok(vec![Box::new(SequentialLR::new(o, parts, milestones)?)])
}

fn constant(o: &mut dyn Optimizer) -> Result<Boxed> {
    Ok(Box::new(ConstantLR::new(o, 0.3, 4)?))
}

fn linear(o: &mut dyn Optimizer) -> Result<Boxed> {
    Ok(Box::new(LinearLR::new(o, LinearLrOptions { start_factor: 0.1, ..Default::default() })?))
}

fn cosine(o: &mut dyn Optimizer) -> Result<Boxed> {
    Ok(Box::new(CosineAnnealingLR::new(o, 7, 0.013)?))
}

#[allow(clippy::unnecessary_wraps, reason = "as the others")]
fn exponential(_: &mut dyn Optimizer) -> Result<Boxed> {
    Ok(Box::new(ExponentialLR::new(0.87)))
}

fn restarts(
    o: &mut dyn Optimizer,
    t_0: usize,
    t_mult: usize,
    eta_min: f64,
) -> Result<CosineAnnealingWarmRestarts> {
    CosineAnnealingWarmRestarts::new(o, WarmRestartsOptions { t_0, t_mult, eta_min })
}

fn factor(epoch: usize) -> f64 {
    1.0 / (1.0 + 0.1 * epoch as f64)
}

fn lambda(o: &mut dyn Optimizer) -> Result<LambdaLR> {
    let groups = o.lrs().len();
    let all: [Box<dyn Fn(usize) -> f64 + Send + Sync>; 2] =
        [Box::new(|epoch| 0.95_f64.powf(epoch as f64)), Box::new(factor)];
    LambdaLR::per_group(o, all.into_iter().take(groups).collect())
}

/// What the names of `../data/schedules.py` stand for.
pub(crate) const CASES: &[(&str, Make)] = &[
    ("step", |_| Ok(vec![Box::new(StepLR::new(5, 0.3)?)])),
    ("multi_step", |o| Ok(vec![Box::new(MultiStepLR::new(o, [0, 4, 4, 9], 0.7)?)])),
    ("exponential", |o| Ok(vec![exponential(o)?])),
    ("cosine", |o| Ok(vec![cosine(o)?])),
    ("linear", |o| {
        let options = LinearLrOptions { start_factor: 0.1, end_factor: 0.9, total_iters: 6 };
        Ok(vec![Box::new(LinearLR::new(o, options)?)])
    }),
    ("lambda", |o| Ok(vec![Box::new(LambdaLR::new(o, |epoch| 0.95_f64.powf(epoch as f64))?)])),
    ("lambda_per_group", |o| Ok(vec![Box::new(lambda(o)?)])),
    ("constant", |o| Ok(vec![constant(o)?])),
    ("constant_for_ever", |o| Ok(vec![Box::new(ConstantLR::new(o, 0.0, 100)?)])),
    ("constant_of_no_epochs", |o| Ok(vec![Box::new(ConstantLR::new(o, 0.3, 0)?)])),
    ("polynomial_1", |_| Ok(vec![Box::new(PolynomialLR::new(9, 1.0))])),
    ("polynomial_2", |_| Ok(vec![Box::new(PolynomialLR::new(30, 2.0))])),
    ("polynomial_0.9", |_| Ok(vec![Box::new(PolynomialLR::new(13, 0.9))])),
    ("restarts_1", |o| Ok(vec![Box::new(restarts(o, 5, 1, 0.0)?)])),
    ("restarts_2", |o| Ok(vec![Box::new(restarts(o, 3, 2, 0.007)?)])),
    ("restarts_3", |o| Ok(vec![Box::new(restarts(o, 1, 3, 0.01)?)])),
    ("warm_up_then_cosine", |o| sequential(o, &[5], &[&linear, &cosine])),
    ("cosine_then_warm_up", |o| sequential(o, &[6], &[&cosine, &linear])),
    ("constant_then_exponential_then_step", |o| {
        sequential(o, &[3, 11], &[&constant, &exponential, &|_| Ok(Box::new(StepLR::new(4, 0.5)?))])
    }),
    ("polynomial_then_restarts", |o| {
        sequential(
            o,
            &[4],
            &[&|_| Ok(Box::new(PolynomialLR::new(6, 1.5))), &|o| Ok(Box::new(restarts(o, 3, 2, 0.007)?))],
        )
    }),
    ("restarts_then_lambda", |o| {
        sequential(o, &[8], &[&|o| Ok(Box::new(restarts(o, 3, 2, 0.007)?)), &|o| Ok(Box::new(lambda(o)?))])
    }),
    ("lambda_then_multi_step", |o| {
        sequential(
            o,
            &[2],
            &[&|o| Ok(Box::new(LambdaLR::new(o, factor)?)), &|o| {
                Ok(Box::new(MultiStepLR::new(o, [0, 3], 0.6)?))
            }],
        )
    }),
    ("first_over_at_once", |o| sequential(o, &[0, 6], &[&linear, &cosine, &exponential])),
    ("constant_of_no_epochs_second", |o| {
        sequential(o, &[3], &[&exponential, &|o| Ok(Box::new(ConstantLR::new(o, 0.3, 0)?))])
    }),
    ("two_at_once", |o| Ok(vec![linear(o)?, exponential(o)?])),
    ("cosine_made_after_a_warm_up", |o| Ok(vec![linear(o)?, cosine(o)?])),
];

fn sgd() -> SGD {
    let group = |lr| {
        let w = Parameter::new(downhill_tensor::ones([1]).unwrap()).unwrap();
        ([w], SgdOptions { lr, momentum: 0.9, ..Default::default() })
    };
    SGD::with_groups([group(1.0), group(0.3)]).unwrap()
}

/// PyTorch's rates of a case: of both groups, at first and after each step.
fn expected(name: &str) -> Vec<Vec<f64>> {
    let text = include_str!("../data/schedules.txt");
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).unwrap();
    let rates: Vec<f64> = line.split(' ').map(|rate| rate.parse().unwrap()).collect();
    rates.chunks(2).map(<[f64]>::to_vec).collect()
}

#[test]
fn rates_are_those_of_pytorch_to_the_bit() {
    for (name, make) in CASES {
        let mut optimizer = sgd();
        let mut schedules = make(&mut optimizer).unwrap();
        for (step, rates) in expected(name).iter().enumerate() {
            assert_eq!(optimizer.lrs(), *rates, "{name}, after step {step}");
            for schedule in &mut schedules {
                schedule.step(&mut optimizer).unwrap();
            }
        }
    }
}

#[test]
fn warm_restarts_go_to_any_part_of_an_epoch() {
    for (name, [t_0, t_mult], low) in
        [("restarts_1", [5, 1], 0.0), ("restarts_2", [3, 2], 0.007), ("restarts_3", [1, 3], 0.01)]
    {
        let mut optimizer = sgd();
        let mut schedule = restarts(&mut optimizer, t_0, t_mult, low).unwrap();
        for (i, rates) in expected(&format!("{name}_in_parts")).iter().enumerate() {
            assert_eq!(optimizer.lrs(), *rates, "{name}, after step {i}");
            schedule.step_to(&mut optimizer, (i * 11 % 24) as f64 * 0.625).unwrap();
        }
        let error = schedule.step_to(&mut optimizer, f64::NAN).unwrap_err().to_string();
        assert_eq!(error, "CosineAnnealingWarmRestarts: epoch must be at least 0, but is nan");
    }
}

/// A cosine made when another schedule has made some steps: PyTorch's scheduler has the initial rates, too.
#[test]
fn a_later_schedule_has_the_rates_before_the_first_one() {
    for (name, make) in CASES {
        if *name == "constant_for_ever" {
            continue;
        }
        let mut optimizer = sgd();
        let mut schedules = make(&mut optimizer).unwrap();
        for _ in 0..6 {
            for schedule in &mut schedules {
                schedule.step(&mut optimizer).unwrap();
            }
        }
        let later = CosineAnnealingLR::new(&mut optimizer, 3, 0.0).unwrap();
        assert_eq!(later.state_dict().get("base_lrs"), Some(&Tensor::from([1.0, 0.3])), "{name}");
    }
}

/// Also one inside of another, which PyTorch does not run.
#[test]
fn a_sequence_runs_inside_of_another() {
    let mut optimizer = sgd();
    let inner = |o: &mut dyn Optimizer| {
        let parts: Vec<Boxed> = vec![constant(o)?, exponential(o)?];
        Ok(Box::new(SequentialLR::new(o, parts, [2])?) as Boxed)
    };
    let schedules = sequential(&mut optimizer, &[3], &[&linear, &inner]).unwrap();
    let mut schedules = schedules;
    let mut found = vec![];
    for _ in 0..7 {
        found.push(optimizer.lr());
        schedules[0].step(&mut optimizer).unwrap();
    }
    assert_eq!(found[3..], [0.3, 0.3, 1.0, 0.87]);
}

/// All schedules with the state of one that has made some steps.
fn stepped(steps: usize) -> Vec<(&'static str, Boxed, SGD, Boxed)> {
    let one_cycle: Make = |o| {
        let options = OneCycleOptions { three_phase: true, ..Default::default() };
        Ok(vec![Box::new(OneCycleLR::new(o, [0.5, 0.25], 60, options)?)])
    };
    let cases = CASES.iter().copied().chain([("one_cycle", one_cycle)]);
    let cases = cases.map(|(name, make)| {
        let mut optimizer = sgd();
        let mut schedule = make(&mut optimizer).unwrap().remove(0);
        for _ in 0..steps {
            schedule.step(&mut optimizer).unwrap();
        }
        (name, schedule, optimizer, make(&mut sgd()).unwrap().remove(0))
    });
    cases.collect()
}

#[test]
fn a_loaded_schedule_goes_on_where_the_saved_one_was() {
    for steps in 0..8 {
        for (name, mut schedule, mut optimizer, mut fresh) in stepped(steps) {
            let mut other = sgd();
            fresh.load_state_dict(&schedule.state_dict()).unwrap();
            assert_eq!(fresh.state_dict(), schedule.state_dict(), "{name}");
            other.load_state_dict(&optimizer.state_dict()).unwrap();
            for _ in 0..9 {
                schedule.step(&mut optimizer).unwrap();
                fresh.step(&mut other).unwrap();
                assert_eq!(other.lrs(), optimizer.lrs(), "{name} from step {steps}");
            }
        }
    }
}

/// What loading a changed state says. Nothing may be loaded.
fn refused(schedule: &mut dyn Schedule, change: impl FnOnce(&mut StateDict)) -> String {
    let good = schedule.state_dict();
    let mut state = good.clone();
    change(&mut state);
    let result = schedule.load_state_dict(&state);
    assert_eq!(schedule.state_dict(), good);
    match result {
        Err(error) => error.to_string(),
        Ok(()) => panic!("loaded {state}\nby one with {good}"),
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused_by_name() {
    for (_, mut schedule, ..) in stepped(3) {
        let good = schedule.state_dict();
        for (name, value) in good.iter() {
            let last = name.rsplit('.').next().unwrap();
            let text = refused(&mut *schedule, |state| drop(state.remove(name)));
            assert!(text.contains(&format!("there is no {last}")), "{name}: {text}");
            let renamed = format!("{name}_");
            let text = refused(&mut *schedule, |state| state.insert(&renamed[..], value.clone()));
            assert!(text.contains(&format!("has no place for {last}_")), "{name}: {text}");
            let mut others = vec![downhill_tensor::zeros([2, 3]).unwrap()];
            match last {
                "last_epoch" | "total_iters" | "step_size" | "T_0" | "T_mult" | "T_max" | "total_steps" => {
                    others.extend([-1.0, 0.5, f64::NAN, 1e300].map(Tensor::from));
                }
                "three_phase" | "anneal_linear" => others.push(Tensor::from(1.0)),
                "milestones" => others.extend([Tensor::from([-1]), Tensor::from([0.5])]),
                "base_lrs" => others.extend([Tensor::from([1.0]), Tensor::from([true, true])]),
                "gamma" | "factor" | "eta_min" | "power" | "T_cur" => others.push(Tensor::from(true)),
                _ => {}
            }
            if ["step_size", "T_0", "T_mult", "T_max", "total_steps"].contains(&last) {
                others.push(Tensor::from(0));
            }
            if ["start_factor", "end_factor", "pct_start", "factor", "T_cur", "T_i"].contains(&last) {
                others.extend([-0.5, f64::NAN].map(Tensor::from));
            }
            for other in others {
                let text = refused(&mut *schedule, |state| state.insert(name, other.clone()));
                assert!(text.to_lowercase().contains(&last.to_lowercase()), "{name} = {other}: {text}");
            }
        }
    }
    let mut optimizer = sgd();
    let [mut step, cosine] = [exponential(&mut optimizer), cosine(&mut optimizer)].map(Result::unwrap);
    let text = step.load_state_dict(&cosine.state_dict()).unwrap_err().to_string();
    assert_eq!(text, "load_state_dict: there is no gamma");
    // A number may be of another dtype, as in a state written by hand.
    let state: StateDict = [("gamma", Tensor::from(0.5_f32))].into_iter().collect();
    step.load_state_dict(&state).unwrap();
    assert_eq!(step.state_dict().get("gamma"), Some(&Tensor::from(0.5)));
}

#[test]
fn a_sequence_of_which_one_refuses_keeps_all() {
    let mut optimizer = sgd();
    let mut schedule = sequential(&mut optimizer, &[2], &[&linear, &cosine]).unwrap().remove(0);
    schedule.step(&mut optimizer).unwrap();
    let text = refused(&mut *schedule, |state| {
        state.insert("schedulers.0.last_epoch", Tensor::from(77));
        state.insert("schedulers.1.T_max", Tensor::from(0));
    });
    assert_eq!(
        text,
        "load_state_dict: schedulers.1.*: CosineAnnealingLR: t_max must be at least 1, but is 0"
    );
    let text = refused(&mut *schedule, |state| state.insert("milestones", Tensor::from([2, 3])));
    assert_eq!(text, "SequentialLR: 2 milestones for 2 schedules: there must be one less");
}

#[test]
fn sequences_and_functions_that_do_not_fit_are_refused() {
    let text = |made: Result<Vec<Boxed>>| made.map(|_| ()).unwrap_err().to_string();
    let mut o = sgd();
    assert_eq!(text(sequential(&mut o, &[], &[])), "SequentialLR: there are no schedules");
    let few = text(sequential(&mut o, &[], &[&linear, &cosine]));
    assert_eq!(few, "SequentialLR: 0 milestones for 2 schedules: there must be one less");
    let back = text(sequential(&mut o, &[5, 3], &[&linear, &cosine, &exponential]));
    assert_eq!(back, "SequentialLR: milestones must ascend, but are [5, 3]");
    let lambda = LambdaLR::per_group(&mut o, vec![Box::new(|_| 1.0)]).unwrap_err().to_string();
    assert_eq!(lambda, "LambdaLR: 1 functions for 2 groups");
    for factor in [1.5, -0.1, f64::NAN] {
        let constant = ConstantLR::new(&mut o, factor, 5).unwrap_err().to_string();
        assert!(
            constant.starts_with("ConstantLR: factor must be at least 0 and at most 1, but is "),
            "{constant}"
        );
    }
    let mut constant = ConstantLR::new(&mut o, 0.0, 1).unwrap();
    let end = constant.step(&mut o).unwrap_err().to_string();
    assert_eq!(end, "ConstantLR: factor is 0, and cannot be taken back");
    let zero = restarts(&mut o, 0, 1, 0.0).unwrap_err().to_string();
    assert_eq!(zero, "CosineAnnealingWarmRestarts: t_0 must be at least 1, but is 0");
}

#[test]
fn a_plateau_goes_on_from_its_state() {
    let options =
        PlateauOptions { patience: 1, cooldown: 1, min_lr: [0.01, 0.02].into(), ..Default::default() };
    let metrics = [1.0, 0.5, 0.6, 0.7, 0.8, 0.4, 0.4, 0.4, 0.4, 0.4];
    for stop in 0..metrics.len() {
        let mut optimizer = sgd();
        let mut schedule = ReduceLROnPlateau::new(&optimizer, options.clone()).unwrap();
        for metric in &metrics[..stop] {
            schedule.step(&mut optimizer, *metric).unwrap();
        }
        let mut fresh = ReduceLROnPlateau::new(&sgd(), PlateauOptions::default()).unwrap();
        fresh.load_state_dict(&schedule.state_dict()).unwrap();
        assert_eq!(fresh, schedule);
        let mut state = schedule.state_dict();
        state.insert("factor", Tensor::from(1.0));
        let text = fresh.load_state_dict(&state).unwrap_err().to_string();
        assert_eq!(text, "ReduceLROnPlateau: factor must be below 1, but is 1.0");
        state.insert("factor", Tensor::from(0.1));
        state.insert("min_lrs", Tensor::from([1, 2]).to_dtype(DType::F64));
        fresh.load_state_dict(&state).unwrap();
        assert_ne!(fresh, schedule);
    }
}
