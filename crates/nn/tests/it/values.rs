//! Values at the ends of what a type can hold, and texts and dtypes that PyTorch has.

use downhill_nn::{
    BCELoss, BCEWithLogitsLoss, ClipNormOptions, CosineSimilarity, Forward, GaussianNLLLoss, HuberLoss,
    Identity, KLDivLoss, KLDivReduction, Linear, Loss, MSELoss, Module, PairwiseDistance, Parameter,
    Reduction, SmoothL1Loss, Softplus, clip_grad_norm_,
};
use downhill_tensor::autograd::{GradOptions, grad, grad_with};
use downhill_tensor::{DType, Result, Tensor};

/// The second derivative of the sum of what `f` makes of each element.
fn second(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<Vec<f64>> {
    let x = x.requires_grad_()?;
    let options = GradOptions { create_graph: true, ..Default::default() };
    let first = grad_with(&[(&f(&x)?.sum(), None)], &[&x], options)?.remove(0).expect("a gradient");
    let options = GradOptions { allow_unused: true, ..Default::default() };
    let second = grad_with(&[(&first.sum(), None)], &[&x], options)?.remove(0);
    second.unwrap_or_else(|| x.zeros_like()).to_dtype(DType::F64).to_vec()
}

#[test]
fn beyond_its_threshold_a_softplus_is_a_line() -> Result<()> {
    let x = Tensor::from([-3.0_f64, 1.0, 2.0, 3.0]);
    let found = second(|x| Softplus { beta: 2.0, threshold: 3.0 }.forward(x), &x)?;
    assert_eq!(found[2..], [0.0, 0.0]);
    assert!(found[0] > 0.0 && found[1] > 0.0);
    Ok(())
}

#[test]
fn a_batch_mean_of_one_number_is_the_number() -> Result<()> {
    let loss = KLDivLoss { reduction: KLDivReduction::BatchMean, log_target: false };
    let (x, t) = (Tensor::from(-0.5_f64), Tensor::from(0.25_f64));
    assert_eq!(loss.forward(&x, &t)?.item::<f64>()?, 0.25 * 0.25_f64.ln() + 0.125);
    Ok(())
}

#[test]
fn binary_cross_entropy_has_the_dtype_of_its_input() -> Result<()> {
    let one = Some(Tensor::from([1.0_f64, 1.0]));
    for weight in [None, one] {
        for reduction in [Reduction::None, Reduction::Mean] {
            let loss = BCEWithLogitsLoss { weight: weight.clone(), reduction, pos_weight: None };
            let (single, double) = (Tensor::from([0.5_f32, 1.0]), Tensor::from([0.5_f64, 1.0]));
            let x = single.requires_grad_()?;
            let found = loss.forward(&x, &double)?;
            assert_eq!(found.dtype(), DType::F32);
            assert_eq!(grad(&found.sum(), &[&x])?[0].dtype(), DType::F32);
            assert_eq!(loss.forward(&double, &single)?.dtype(), DType::F64);
        }
    }
    Ok(())
}

#[test]
fn frozen_parameters_print_without_a_gradient_and_nothing_is_an_identity() -> Result<()> {
    let text = "Parameter containing:\ntensor([1., 2.])";
    let values = || Tensor::from([1.0_f32, 2.0]);
    assert_eq!(Parameter::frozen(values()).to_string(), text);
    assert_eq!(Parameter::frozen(values().requires_grad_()?).to_string(), text);
    let frozen = Parameter::new(values())?;
    frozen.requires_grad_(false)?;
    assert_eq!((frozen.to_string(), format!("{frozen:?}")), (text.to_string(), text.to_string()));
    frozen.set(&values())?;
    frozen.to_dtype(DType::F64)?;
    assert_eq!(frozen.to_string(), "Parameter containing:\ntensor([1., 2.], dtype=torch.float64)");
    let layer = Linear::new(2, 1)?;
    layer.parameters().iter().try_for_each(|p| p.requires_grad_(false))?;
    assert!(layer.parameters().iter().all(|p| !p.to_string().contains("requires_grad")));
    assert_eq!(Identity.forward(&values())?, values());
    assert_eq!((Identity.to_string().as_str(), Identity.parameters().len()), ("Identity()", 0));
    Ok(())
}

/// −0 is printed as `-0.`: where nothing differs there is no slope, and none of either sign.
#[test]
fn where_nothing_differs_both_gradients_print_as_0() -> Result<()> {
    let losses: [&dyn Loss; 4] = [
        &MSELoss::default(),
        &SmoothL1Loss::default(),
        &SmoothL1Loss { beta: 0.5, ..Default::default() },
        &HuberLoss::default(),
    ];
    for loss in losses {
        let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
        let t = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
        for gradient in grad(&loss.forward(&x, &t)?, &[&x, &t])? {
            assert_eq!(gradient.to_string(), "tensor([0., 0.])");
        }
    }
    let (x, t) = (Tensor::from([0.5_f32]), Tensor::from([0.5_f32]).requires_grad_()?);
    assert_eq!(grad(&BCELoss::default().forward(&x, &t)?, &[&t])?[0].to_string(), "tensor([0.])");
    Ok(())
}

#[test]
fn gradients_of_targets_are_finite_for_the_smallest_probabilities() -> Result<()> {
    for (x, expected) in [
        (1e-40_f64, 92.103_403_719_761_83),
        (1e-20, 46.051_701_859_880_91),
        (0.3, 0.847_297_860_387_203_6),
        (0.2, 4.0_f64.ln()),
    ] {
        for (dtype, tolerance) in [(DType::F32, 1e-6), (DType::F64, 1e-14)] {
            for upper in [false, true] {
                if upper && x < 1e-3 {
                    continue;
                }
                let (x, expected) = if upper { (1.0 - x, -expected) } else { (x, expected) };
                let x = Tensor::from([x]).to_dtype(dtype);
                let t = x.full_like(0.5).requires_grad_()?;
                let found = grad(&BCELoss::default().forward(&x, &t)?, &[&t])?[0]
                    .to_dtype(DType::F64)
                    .item::<f64>()?;
                // An f32 near 10⁻⁴⁰ has 17 bits.
                assert!((found / expected - 1.0).abs() < tolerance, "{dtype}: {found} for {expected}");
            }
        }
    }
    let x = Tensor::from([1e-310_f64]);
    let t = Tensor::from([0.5_f64]).requires_grad_()?;
    let found = grad(&BCELoss::default().forward(&x, &t)?, &[&t])?[0].item::<f64>()?;
    assert!((found - 310.0 * 10.0_f64.ln()).abs() < 1e-10, "{found}");
    Ok(())
}

#[test]
fn variances_of_any_size_have_a_gradient() -> Result<()> {
    let loss = GaussianNLLLoss { eps: f64::MIN_POSITIVE, reduction: Reduction::Sum, ..Default::default() };
    for v in [1e-162_f64, 1e-200, 1e-300, 1e170, 1e300] {
        for (d, expected) in [(0.0, 0.5 / v), (v, 0.5 * (1.0 - v) / v)] {
            let (x, t) = (Tensor::from([d]), Tensor::from([0.0_f64]));
            let var = Tensor::from([v]).requires_grad_()?;
            let found = grad(&loss.forward(&x, &t, &var)?, &[&var])?[0].item::<f64>()?;
            assert!((found / expected - 1.0).abs() < 1e-14, "{v}, {d}: {found} for {expected}");
        }
    }
    Ok(())
}

#[test]
fn what_is_made_of_norms_does_not_overflow() -> Result<()> {
    let x = Tensor::from([[2e20_f32, 1.0, 1.0]]).requires_grad_()?;
    let y = Tensor::from([[1e20_f32, 0.0, 0.0]]);
    let cosine = CosineSimilarity::default().forward(&x, &y)?;
    assert_eq!(cosine.to_vec::<f32>()?, [1.0]);
    let distance = PairwiseDistance { eps: 0.0, ..Default::default() }.forward(&x, &y)?;
    assert_eq!(distance.to_vec::<f32>()?, [1e20]);
    assert_eq!(grad(&distance.sum(), &[&x])?[0].to_vec::<f32>()?, [1.0, 1e-20, 1e-20]);
    let p = Parameter::new(Tensor::from([0.0_f32, 0.0, 0.0]))?;
    p.set_grad(Some(Tensor::from([2e20_f32, 1.0, 1.0])))?;
    let norm = clip_grad_norm_(
        std::slice::from_ref(&p),
        1.0,
        ClipNormOptions { error_if_nonfinite: true, ..Default::default() },
    )?;
    assert_eq!(norm.item::<f32>()?, 2e20);
    let clipped = p.grad().expect("a gradient").to_vec::<f32>()?;
    assert!((clipped[0] - 1.0).abs() < 1e-6 && (clipped[1] / 5e-21 - 1.0).abs() < 1e-6, "{clipped:?}");
    Ok(())
}

#[test]
fn an_eps_that_makes_no_sense_is_refused() {
    let x = Tensor::from([[1.0_f32, 2.0]]);
    for eps in [-1.0, f64::NEG_INFINITY, f64::NAN, f64::INFINITY] {
        let cosine = CosineSimilarity { eps, ..Default::default() }.forward(&x, &x).unwrap_err();
        assert!(
            cosine.to_string().starts_with("cosine_similarity: eps must be at least 0 and finite, but is ")
        );
    }
    let distance = PairwiseDistance { eps: f64::NAN, ..Default::default() }.forward(&x, &x).unwrap_err();
    assert_eq!(distance.to_string(), "pairwise_distance: eps must be finite, but is nan");
}
