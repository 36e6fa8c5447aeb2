//! Operations made of others: against their definitions, and by differences.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Error, Result, Tensor, Unique, arange, ones, rand_like, randn_like, zeros};
use proptest::prelude::*;

fn leaf<const N: usize>(x: [f64; N]) -> Tensor {
    Tensor::from(x).requires_grad_().unwrap()
}

/// First and second derivatives; squares make the second ones depend on the inputs.
fn check(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
    let f = |x: &[Tensor]| f(&x.iter().map(Tensor::square).collect::<Vec<_>>());
    gradcheck(f, inputs).unwrap();
    gradgradcheck(f, inputs).unwrap();
}

#[test]
fn all_have_first_and_second_derivatives() {
    let (x, y) = (leaf([0.3, -0.7, 1.1, 0.5]), leaf([0.9, 0.2, -0.4, 0.6]));
    let matrix = |x: &Tensor| x.reshape([2, 2]);
    for w in [-0.3, 0.2, 0.5, 0.9, 1.4] {
        check(|x| x[0].lerp(&x[1], w), &[x.clone(), y.clone()]);
    }
    let w = leaf([0.3, 0.9, 1.3, 0.1]);
    check(|x| x[0].lerp(&x[1], &x[2]), &[x.clone(), y.clone(), w]);
    check(|x| x[0].outer(&x[1]), &[x.clone(), y.clone()]);
    for k in [-1, 0, 1, 2] {
        check(|x| x[0].roll(k, 0), std::slice::from_ref(&x));
        check(|x| matrix(&x[0])?.roll(k, -1), std::slice::from_ref(&x));
        check(|x| x[0].diag(k), std::slice::from_ref(&x));
        check(|x| matrix(&x[0])?.diag(k), std::slice::from_ref(&x));
    }
    check(|x| x[0].nanmean(), std::slice::from_ref(&x));
    check(|x| matrix(&x[0])?.nanmean_dim(0, true), std::slice::from_ref(&x));
    for q in [0.0, 0.3, 0.5, 0.9, 1.0] {
        check(|x| x[0].quantile(q), std::slice::from_ref(&x));
        check(|x| matrix(&x[0])?.quantile_dim(q, 0, false), std::slice::from_ref(&x));
    }
    let index = Tensor::from([2, 0, 2, 1]);
    check(|x| index.bincount(Some(&x[0]), 5), std::slice::from_ref(&x));
    check(|x| Ok(x[0].tan()), &[leaf([0.3, -0.7, 1.1, 0.5])]);
    check(|x| Ok(x[0].log10()), &[leaf([0.3, -0.7, 1.1, 2.5])]);
}

#[test]
fn tan_and_log10_are_rounded_once() -> Result<()> {
    let powers: Vec<f32> = (-30..=30).map(|n: i16| 10_f64.powi(n.into()) as f32).collect();
    for (x, n) in Tensor::from(powers).log10().to_vec::<f32>()?.into_iter().zip(-30_i16..) {
        assert_eq!(x, f32::from(n));
    }
    let x = Tensor::from([0.0, -0.0, 1.0, -1.5, 1e9, f64::INFINITY, f64::NAN, -1.0]);
    let (tan, log) = (x.tan().to_vec::<f64>()?, x.log10().to_vec::<f64>()?);
    for (i, &x) in x.to_vec::<f64>()?.iter().enumerate() {
        let near = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan()) || (a / b - 1.0).abs() < 3e-16;
        assert!(near(tan[i], x.tan()) && near(log[i], x.log10()), "{x}: {} {}", tan[i], log[i]);
    }
    assert_eq!(Tensor::from([100]).log10(), Tensor::from([2.0_f32]));
    let y = leaf([0.5]);
    assert_eq!((y.tan().grad_fn(), y.log10().grad_fn()), (Some("TanBackward0"), Some("Log10Backward0")));
    Ok(())
}

#[test]
fn lerp_ends_at_its_ends() -> Result<()> {
    let (a, b) = (Tensor::from([0.1_f32, -3.0, 1e8]), Tensor::from([0.7_f32, 5.0, -1.0]));
    assert_eq!((a.lerp(&b, 0)?, a.lerp(&b, 1)?), (a.clone(), b.clone()));
    let w = Tensor::from([0.0_f32, 1.0, 1.0]);
    assert_eq!(a.lerp(&b, &w)?, Tensor::from([0.1_f32, 5.0, -1.0]));
    // With tensors and with numbers the same bits.
    for w in [0.3_f32, 0.5, 0.9] {
        assert_eq!(a.lerp(&b, w)?, a.lerp(&b, &Tensor::from([w; 3]))?);
    }
    assert!(matches!(a.lerp(&b.to_dtype(DType::F64), 0.5), Err(Error::DTypes { op: "lerp", .. })));
    assert!(arange(0, 3, 1)?.lerp(&arange(0, 3, 1)?, 0.5).is_err());
    Ok(())
}

#[test]
fn missing_numbers_are_left_out_of_a_mean() -> Result<()> {
    let nan = f64::NAN;
    let x = Tensor::from([[1.0, nan, 3.0], [nan, nan, nan]]).requires_grad_()?;
    let means = x.nanmean_dim(1, false)?;
    assert_eq!(means.select(0, 0)?.item::<f64>()?, 2.0);
    assert!(means.select(0, 1)?.item::<f64>()?.is_nan());
    assert_eq!(x.nanmean()?.item::<f64>()?, 2.0);
    x.nanmean()?.backward()?;
    assert_eq!(x.grad(), Some(Tensor::from([[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]])));
    assert_eq!(Tensor::from(2.5).nanmean()?, Tensor::from(2.5));
    assert!(zeros([0])?.nanmean()?.item::<f32>()?.is_nan());
    assert!(Tensor::from([1, 2]).nanmean().is_err());
    Ok(())
}

#[test]
fn quantiles_lie_between_elements() -> Result<()> {
    let x = Tensor::from([[4.0, 0.0, 1.0, 3.0, 2.0], [f64::NAN, 0.0, 1.0, 2.0, 3.0]]);
    let of = |q| x.quantile_dim(q, 1, false)?.to_vec::<f64>();
    for (q, expected) in [(0.0, 0.0), (0.25, 1.0), (0.3, 1.2), (1.0, 4.0)] {
        let found = of(q)?;
        assert!((found[0] - expected).abs() < 1e-15 && found[1].is_nan(), "{q}: {found:?}");
    }
    assert_eq!(x.quantile_dim(0.5, 0, true)?.shape(), &[1, 5]);
    assert_eq!(x.select(0, 0)?.quantile(0.5)?, Tensor::from(2.0));
    assert_eq!(Tensor::from(7.0).quantile(0.3)?, Tensor::from(7.0));
    let text = |x: Result<Tensor>| x.unwrap_err().to_string();
    assert_eq!(text(x.quantile(1.5)), "quantile: q must be in [0, 1], but got 1.5");
    assert_eq!(text(zeros([0])?.quantile(0.5)), "quantile: has no value of no elements");
    assert_eq!(
        text(x.quantile_dim(0.5, 2, false)),
        "quantile: dimension 2 is out of range for a tensor of 2 dimensions"
    );
    assert!(x.quantile(f64::NAN).is_err() && arange(0, 3, 1)?.quantile(0.5).is_err());
    Ok(())
}

#[test]
fn what_does_not_fit_is_refused() -> Result<()> {
    let (m, v) = (zeros([2, 3])?, zeros([3])?);
    let text = |x: Result<Tensor>| x.unwrap_err().to_string();
    assert_eq!(text(m.outer(&v)), "outer: expected a vector, but got shape [2, 3]");
    assert_eq!(
        text(zeros([1, 1, 1])?.diag(0)),
        "diag: expected a vector or a matrix, but got shape [1, 1, 1]"
    );
    assert!(v.diag(i64::MAX).is_err() && v.diag(i64::MIN).is_err());
    assert_eq!(m.diag(i64::MIN)?.shape(), &[0]);
    assert_eq!(text(v.roll(1, 1)), "roll: dimension 1 is out of range for a tensor of 1 dimensions");
    assert_eq!(v.roll(i64::MIN, 0)?.shape(), &[3]);
    assert_eq!(zeros([0])?.roll(3, 0)?.shape(), &[0]);
    assert_eq!(text(v.bincount(None, 0)), "bincount: expected int64 numbers, but got float32");
    let n = Tensor::from([1, -2]);
    assert_eq!(text(n.bincount(None, 0)), "bincount: index -2 is out of bounds for size 2");
    assert_eq!(text(n.bincount(Some(&v), 0)), "bincount: expected weights of shape [2], but got shape [3]");
    assert!(Tensor::from([i64::MAX]).bincount(None, 0).is_err());
    assert_eq!(arange(0, 0, 1)?.bincount(None, 2)?, Tensor::from([0, 0]));
    assert_eq!(Tensor::from([1]).bincount(Some(&Tensor::from([true])), 0)?, Tensor::from([0.0, 1.0]));
    let text = |x: Result<[Tensor; 2]>| x.unwrap_err().to_string();
    assert_eq!(text(v.chunks(0)), "chunks: 2 equal parts do not make up a dimension of size 3");
    let [] = v.chunks(0).unwrap_or_default();
    let rows: [&[f32]; 2] = [&[1.0], &[1.0, 2.0]];
    let ragged = Tensor::from_rows(&rows).unwrap_err().to_string();
    assert_eq!(ragged, "from_rows: row 1 has 2 elements, but row 0 has 1");
    Ok(())
}

#[test]
fn random_tensors_are_like_others() -> Result<()> {
    use downhill_tensor::random::{Generator, fork_rng, manual_seed};
    let x = ones([2, 3])?.to_dtype(DType::F64);
    let drawn = Generator::seeded(0).randn_like(&x)?;
    assert_eq!(drawn, Generator::seeded(0).randn([2, 3], DType::F64)?);
    // In the order of memory.
    assert_eq!(Generator::seeded(0).randn_like(&x.t()?)?, drawn.t()?);
    let uniform = Generator::seeded(0).rand_like(&x.t()?)?;
    assert_eq!(uniform, Generator::seeded(0).rand([2, 3], DType::F64)?.t()?);
    assert!(rand_like(&arange(0, 2, 1)?).is_err() && randn_like(&Tensor::from(true)).is_err());
    manual_seed(3);
    let first = fork_rng(|| rand_like(&x))?;
    if cfg!(panic = "unwind") {
        assert_eq!(std::panic::catch_unwind(|| fork_rng(|| panic!("on purpose"))).ok(), None::<()>);
    }
    assert_eq!(rand_like(&x)?, first);
    Ok(())
}

proptest! {
    #[test]
    fn rolling_and_counting_are_their_definitions(list in prop::collection::vec(0_i64..7, 0..20), shift in -30_i64..30, k in -4_i64..4) {
        let x = Tensor::from(list.clone());
        let n = list.len();
        let mut rolled = list.clone();
        if n > 0 {
            rolled.rotate_right(shift.rem_euclid(n as i64) as usize);
        }
        prop_assert_eq!(x.roll(shift, 0)?.to_vec::<i64>()?, rolled);
        let count = |v: i64| list.iter().filter(|&&x| x == v).count() as i64;
        let counts: Vec<_> = (0..=list.iter().max().copied().unwrap_or(-1)).map(count).collect();
        prop_assert_eq!(x.bincount(None, 0)?.to_vec::<i64>()?, counts);
        let mut distinct = list.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let Unique { values, inverse, counts } = x.unique()?;
        prop_assert_eq!(values.to_vec::<i64>()?, distinct.clone());
        prop_assert_eq!(counts.to_vec::<i64>()?, distinct.into_iter().map(count).collect::<Vec<_>>());
        prop_assert_eq!(values.index_select(0, &inverse)?, x.clone());
        // The diagonal of what has it as its diagonal.
        prop_assert_eq!(x.diag(k)?.diag(k)?, x.clone());
        prop_assert_eq!(x.diag(k)?.sum(), x.sum());
    }
}
