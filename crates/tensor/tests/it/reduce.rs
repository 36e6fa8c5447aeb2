//! Reductions: derivatives, ties, NaN, empty tensors, refusals.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Result, Tensor, zeros};

const NAN: f64 = f64::NAN;
const INF: f64 = f64::INFINITY;

/// Distinct values of both signs, none near 0.
fn input(shape: &[usize]) -> Result<Tensor> {
    let n = shape.iter().product::<usize>();
    let value = |i: usize| ((i * 7 % 31) as f64 + 1.0) * if i % 3 == 1 { -0.25 } else { 0.125 };
    Tensor::from_vec((0..n).map(value).collect(), shape)
}

fn derivatives(f: impl Fn(&Tensor) -> Result<Tensor>, x: &Tensor) -> Result<()> {
    let x = x.requires_grad_()?;
    gradcheck(|x| f(&x[0]), std::slice::from_ref(&x))?;
    gradgradcheck(|x| f(&x[0]), &[x])
}

/// The gradient of the sum of what `f` computes.
fn gradient(f: impl Fn(&Tensor) -> Result<Tensor>, x: &[f64]) -> Result<Vec<f64>> {
    let x = Tensor::from(x).requires_grad_()?;
    f(&x)?.sum().backward()?;
    x.grad().map_or_else(|| Ok(vec![0.0; x.numel()]), |g| g.to_vec())
}

/// Equal, with NaN equal to NaN.
#[track_caller]
fn same(a: &[f64], b: &[f64]) {
    let equal = |(x, y): (&f64, &f64)| x == y || (x.is_nan() && y.is_nan());
    assert!(a.len() == b.len() && a.iter().zip(b).all(equal), "{a:?} and {b:?}");
}

#[test]
fn derivatives_of_whole_reductions_match_differences() -> Result<()> {
    for shape in [&[][..], &[1], &[5], &[3, 4], &[2, 3, 3]] {
        let x = input(shape)?;
        derivatives(|x| Ok(x.prod()), &x)?;
        derivatives(|x| x.logsumexp([0; 0], false), &x)?;
        derivatives(Tensor::max, &x)?;
        derivatives(Tensor::min, &x)?;
        derivatives(Tensor::median, &x)?;
        derivatives(|x| x.amax([0; 0], true), &x)?;
        for p in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, -1.0, INF, -INF] {
            derivatives(|x| x.norm(p), &x)?;
        }
        if x.numel() > 1 {
            derivatives(Tensor::var, &x)?;
            derivatives(Tensor::std, &x)?;
        }
    }
    Ok(())
}

#[test]
fn derivatives_along_dims_match_differences() -> Result<()> {
    let x = input(&[3, 4, 2])?;
    for keepdim in [false, true] {
        for dim in 0..3 {
            derivatives(|x| x.prod_dim(dim, keepdim), &x)?;
            derivatives(|x| Ok(x.max_dim(dim, keepdim)?.0), &x)?;
            derivatives(|x| Ok(x.min_dim(dim, keepdim)?.0), &x)?;
            derivatives(|x| Ok(x.median_dim(dim, keepdim)?.0), &x)?;
            derivatives(|x| x.cumsum(dim), &x)?;
        }
        for dims in [&[1][..], &[0, 2], &[-1, 1], &[2, 0, 1]] {
            derivatives(|x| x.amax(dims, keepdim), &x)?;
            derivatives(|x| x.amin(dims, keepdim), &x)?;
            derivatives(|x| x.var_dim(dims, 0.5, keepdim), &x)?;
            derivatives(|x| x.std_dim(dims, 0.0, keepdim), &x)?;
            derivatives(|x| x.logsumexp(dims, keepdim), &x)?;
            derivatives(|x| x.norm_dim(2.0, dims, keepdim), &x)?;
            derivatives(|x| x.norm_dim(3.0, dims, keepdim), &x)?;
        }
    }
    Ok(())
}

#[test]
fn products_differentiate_through_any_number_of_zeros() -> Result<()> {
    for zeros in [&[2][..], &[0, 4], &[0, 1, 2, 3, 4, 5, 6]] {
        let mut values = input(&[7])?.to_vec::<f64>()?;
        for &i in zeros {
            values[i] = 0.0;
        }
        derivatives(|x| Ok(x.prod()), &Tensor::from(&values[..]))?;
        let table = Tensor::from_vec([&values[..], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]].concat(), [2, 7])?;
        derivatives(|x| x.prod_dim(1, false), &table)?;
        derivatives(|x| x.prod_dim(0, true), &table)?;
    }
    same(&gradient(|x| Ok(x.prod()), &[0.0, 2.0, -3.0])?, &[-6.0, 0.0, 0.0]);
    Ok(())
}

#[test]
fn ties_share_the_gradient_or_the_first_takes_it() -> Result<()> {
    let x = [1.0, 3.0, 3.0, 2.0];
    same(&gradient(Tensor::max, &x)?, &[0.0, 0.5, 0.5, 0.0]);
    same(&gradient(|x| x.amax(0, false), &x)?, &[0.0, 0.5, 0.5, 0.0]);
    same(&gradient(|x| Ok(x.max_dim(0, false)?.0), &x)?, &[0.0, 1.0, 0.0, 0.0]);
    same(
        &gradient(Tensor::median, &[2.0, 2.0, 1.0, 5.0, 2.0])?,
        &[1.0 / 3.0, 1.0 / 3.0, 0.0, 0.0, 1.0 / 3.0],
    );
    same(
        &gradient(|x| Ok(x.median_dim(0, false)?.0), &[2.0, 2.0, 1.0, 5.0, 2.0])?,
        &[0.0, 1.0, 0.0, 0.0, 0.0],
    );
    same(&gradient(|x| x.norm(INF), &[-3.0, 1.0, 3.0])?, &[-0.5, 0.0, 0.5]);
    assert_eq!(Tensor::from([2, 5, 5]).argmax(0, false)?.item::<i64>()?, 1);
    assert_eq!(Tensor::from([[5, 2], [2, 5]]).argmin(0, false)?.to_vec::<i64>()?, [1, 0]);
    Ok(())
}

#[test]
fn nan_is_the_extreme_and_the_median() -> Result<()> {
    let x = [1.0, NAN, 3.0, NAN];
    let t = Tensor::from(x);
    for y in [t.max()?, t.min()?, t.amax(0, false)?, t.amin(0, false)?, t.median()?, t.norm(INF)?] {
        assert!(y.item::<f64>()?.is_nan());
    }
    assert_eq!(t.argmax(0, false)?.item::<i64>()?, 1);
    assert_eq!(t.min_dim(0, false)?.1.item::<i64>()?, 1);
    same(&gradient(Tensor::max, &x)?, &[0.0, 0.5, 0.0, 0.5]);
    same(&gradient(|x| x.amax(0, false), &x)?, &[NAN; 4]);
    Ok(())
}

#[test]
fn edges_of_single_reductions() -> Result<()> {
    let item = |x: Result<Tensor>| x?.item::<f64>();
    same(&[item(Tensor::from(2.0).var())?, item(Tensor::from([2.0, 2.0]).std())?], &[NAN, 0.0]);
    same(&gradient(Tensor::std, &[2.0, 2.0])?, &[0.0, 0.0]);
    same(&[item(Tensor::from([1.0, 3.0]).var_dim(0, 2.0, false))?], &[INF]);
    same(&[item(Tensor::from([-INF, -INF]).logsumexp(0, false))?], &[-INF]);
    same(&gradient(|x| x.logsumexp(0, false), &[-INF, -INF])?, &[NAN, NAN]);
    same(&[item(Tensor::from([INF, 0.0]).logsumexp(0, false))?], &[INF]);
    same(&gradient(|x| x.norm(2.0), &[0.0, 0.0])?, &[0.0, 0.0]);
    same(&gradient(|x| x.norm(0.0), &[1.0, 0.0])?, &[0.0, 0.0]);
    same(
        &[item(Tensor::from([1.0, 0.0]).norm(-1.0))?, item(Tensor::from([1.0, INF]).norm(-2.0))?],
        &[0.0, 1.0],
    );
    same(&gradient(|x| x.norm(-1.0), &[1.0, 0.0])?, &[0.0, 0.0]);
    Ok(())
}

#[test]
fn empty_reductions_have_a_value_or_are_refused() -> Result<()> {
    let none = zeros([0, 3])?.to_dtype(DType::F64);
    assert_eq!(none.prod().item::<f64>()?, 1.0);
    assert_eq!(none.prod_dim(0, false)?.to_vec::<f64>()?, [1.0; 3]);
    assert_eq!(none.norm(2.0)?.item::<f64>()?, 0.0);
    assert_eq!(none.logsumexp(0, false)?.to_vec::<f64>()?, [-INF; 3]);
    same(&none.var_dim(0, 1.0, false)?.to_vec::<f64>()?, &[NAN; 3]);
    assert_eq!(none.logsumexp([0; 0], false)?.item::<f64>()?, -INF);
    assert!(none.median()?.item::<f64>()?.is_nan());
    assert!(none.to_dtype(DType::I64).median().is_err());
    assert_eq!(none.to_dtype(DType::Bool).median()?, Tensor::from(true));
    assert_eq!(none.cumsum(0)?.shape(), &[0, 3]);
    for other_dim in [
        none.amax(1, false)?,
        none.max_dim(1, false)?.0,
        none.median_dim(1, false)?.1,
        none.argmin(1, false)?,
    ] {
        assert_eq!(other_dim.shape(), &[0]);
    }
    assert_eq!(
        none.max().unwrap_err().to_string(),
        "max: expected no reduced dimension of size 0, but got shape [0, 3]"
    );
    for refused in
        [none.amin(0, false), none.argmax(None, false), none.norm(INF), none.norm_dim(-1.0, 0, false)]
    {
        assert!(refused.is_err());
    }
    Ok(())
}

#[test]
fn integers_and_booleans() -> Result<()> {
    let (i, b) = (Tensor::from([3, 1, 2]), Tensor::from([true, false, true]));
    assert_eq!(i.prod(), Tensor::from(6));
    assert_eq!(b.prod(), Tensor::from(0));
    assert_eq!(b.cumsum(0)?, Tensor::from([1, 1, 2]));
    assert_eq!(b.max()?, Tensor::from(true));
    assert_eq!(b.amin(0, true)?, Tensor::from([false]));
    assert_eq!(b.min_dim(0, false)?, (Tensor::from(false), Tensor::from(1)));
    assert_eq!(i.median_dim(0, false)?, (Tensor::from(2), Tensor::from(2)));
    assert_eq!(i.logsumexp(0, false)?.dtype(), DType::F32);
    for refused in [i.var(), b.std(), i.norm(2.0), b.argmax(0, false), b.median()] {
        assert!(matches!(refused, Err(downhill_tensor::Error::DType { .. })));
    }
    Ok(())
}

#[test]
fn long_reductions_agree_with_short_ones() -> Result<()> {
    let n = 200_003;
    let x: Vec<f32> = (0..n).map(|i| ((i * 7919 % 100_003) as f32).sin()).collect();
    let (long, wide) = (Tensor::from(&x[..]), Tensor::from_slice(&x[..200_000], [4, 25_000, 2])?);
    let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / n as f64;
    let variance = x.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
    assert!((long.var()?.item::<f64>()? - variance).abs() < 1e-7);
    let norm = x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    assert!((long.norm(2.0)?.item::<f64>()? - norm).abs() < 1e-5 * norm);
    let place = long.argmax(None, false)?.item::<i64>()? as usize;
    assert_eq!(Some(place), x.iter().position(|&v| x.iter().all(|&w| w <= v)));
    for (dim, stats) in [(1, wide.var_dim(1, 1.0, false)?), (0, wide.var_dim(0, 1.0, false)?)] {
        let transposed = wide.transpose(dim, 2)?.contiguous();
        let other = transposed.var_dim(2, 1.0, false)?;
        let other = if dim == 0 { other.t()? } else { other };
        let difference = stats.sub(&other)?.abs().max()?.item::<f32>()?;
        assert!(difference < 1e-6, "dim {dim}: {difference}");
    }
    Ok(())
}

/// Views in another order, and what they are as tensors of their own.
#[test]
fn reductions_of_permuted_views_are_those_of_their_copies() -> Result<()> {
    let x = downhill_tensor::random::Generator::seeded(2).randn([3, 4, 5, 6], DType::F64)?.mul(2)?;
    let near = |a: &Tensor, b: &Tensor| -> Result<bool> {
        Ok(a.shape() == b.shape() && a.is_contiguous() && a.sub(b)?.abs().max()?.item::<f64>()? < 1e-12)
    };
    for order in [[3, 2, 1, 0], [1, 0, 2, 3], [0, 3, 1, 2], [2, 0, 3, 1]] {
        for view in
            [x.permute(order)?, x.narrow(2, 1, 3)?.permute(order)?, x.narrow(0, 1, 1)?.permute(order)?]
        {
            let copy = view.contiguous();
            for keepdim in [false, true] {
                for dims in
                    [&[][..], &[0], &[1], &[2], &[3], &[1, 3], &[0, 2], &[0, 1], &[2, 3], &[0, 1, 2, 3]]
                {
                    let all = |x: &Tensor| -> Result<_> {
                        let whole = x.requires_grad_()?;
                        whole.amax(dims, keepdim)?.pow(2)?.sum().backward()?;
                        Ok([
                            x.sum_dim(dims, keepdim)?,
                            x.mean_dim(dims, keepdim)?,
                            x.amax(dims, keepdim)?,
                            x.amin(dims, keepdim)?,
                            x.var_dim(dims, 0.0, keepdim)?,
                            x.norm_dim(2.0, dims, keepdim)?,
                            x.norm_dim(3.0, dims, keepdim)?,
                            x.logsumexp(dims, keepdim)?,
                            x.gt(3)?.any_dim(dims, keepdim)?.to_dtype(DType::F64),
                            whole.grad().expect("a leaf").contiguous(),
                        ])
                    };
                    for (i, (ours, want)) in all(&view)?.iter().zip(all(&copy)?).enumerate() {
                        assert!(near(ours, &want)?, "{order:?} {dims:?} {i}: {ours} {want}");
                    }
                }
                for dim in 0..4 {
                    assert_eq!(view.max_dim(dim, keepdim)?, copy.max_dim(dim, keepdim)?);
                    assert_eq!(view.argmin(dim, keepdim)?, copy.argmin(dim, keepdim)?);
                    assert!(near(&view.prod_dim(dim, keepdim)?, &copy.prod_dim(dim, keepdim)?)?);
                    assert!(near(&view.cumsum(dim)?, &copy.cumsum(dim)?)?);
                }
            }
            assert_eq!(view.max()?, copy.max()?);
            assert_eq!(view.argmax(None, false)?, copy.argmax(None, false)?);
            assert!(near(&view.var()?, &copy.var()?)? && near(&view.sum(), &copy.sum())?);
        }
    }
    Ok(())
}

/// PyTorch's −0 and 0.
#[test]
fn one_element_is_its_own_product_and_extreme() -> Result<()> {
    let x = Tensor::from([[-0.0_f32], [3.0]]);
    for (result, sign) in [
        (x.sum_dim(1, false)?, 1.0_f32),
        (x.mean_dim(1, false)?, 1.0),
        (x.logsumexp(1, false)?, 1.0),
        (x.cumsum(1)?, 1.0),
        (x.prod_dim(1, false)?, -1.0),
        (x.cumprod(1)?, -1.0),
        (x.amax(1, false)?, -1.0),
        (x.amin(1, true)?, -1.0),
    ] {
        let values = result.to_vec::<f32>()?;
        assert_eq!(values, [0.0, 3.0]);
        assert_eq!(1.0_f32.copysign(values[0]), sign);
    }
    assert_eq!(x.argmax(1, false)?, Tensor::from([0, 0]));
    assert_eq!(x.norm_dim(2.0, 1, false)?, Tensor::from([0.0_f32, 3.0]));
    assert_eq!(x.any_dim(1, false)?, Tensor::from([false, true]));
    assert_eq!(Tensor::from([[true]]).sum_dim(1, false)?, Tensor::from([1]));
    Ok(())
}

/// Views that repeat, and what they are as tensors of their own.
#[test]
fn reductions_of_views_that_repeat_are_those_of_their_copies() -> Result<()> {
    let x = downhill_tensor::random::Generator::seeded(1).randn([3, 1, 5, 1], DType::F32)?;
    for dtype in [DType::F32, DType::F64, DType::I64, DType::Bool] {
        let x = x.mul(2)?.to_dtype(dtype);
        let wide = x.expand([3, 40, 5, 70])?;
        let copy = wide.contiguous();
        for keepdim in [false, true] {
            for dims in [&[][..], &[0], &[1], &[2], &[3], &[1, 3], &[0, 2], &[0, 1], &[2, 3], &[0, 1, 2, 3]] {
                let (ours, want) = (wide.sum_dim(dims, keepdim)?, copy.sum_dim(dims, keepdim)?);
                assert!(ours.is_contiguous() && ours.shape() == want.shape() && ours.dtype() == want.dtype());
                let error = ours.sub(&want)?.abs().max()?.item::<f64>()?;
                assert!(error <= 1e-6 * want.abs().max()?.item::<f64>()?, "{dtype} {dims:?}: {error}");
                assert_eq!(wide.amax(dims, keepdim)?, copy.amax(dims, keepdim)?);
                assert_eq!(wide.amin(dims, keepdim)?, copy.amin(dims, keepdim)?);
            }
            for dim in -4..4 {
                assert_eq!(wide.max_dim(dim, keepdim)?, copy.max_dim(dim, keepdim)?);
                if dtype != DType::Bool {
                    assert_eq!(wide.argmin(dim, keepdim)?, copy.argmin(dim, keepdim)?);
                }
            }
        }
        assert_eq!(wide.min()?, copy.min()?);
        if dtype != DType::Bool {
            assert_eq!(wide.argmax(None, false)?, copy.argmax(None, false)?);
        }
    }
    Ok(())
}

#[cfg(target_pointer_width = "64")]
#[test]
fn a_view_larger_than_memory_is_reduced_without_a_copy() -> Result<()> {
    const TIMES: usize = 1 << 40;
    let x = Tensor::from([[1.5_f32], [-0.25]]).requires_grad_()?;
    let wide = x.expand([2, TIMES])?;
    assert_eq!(wide.sum().item::<f32>()?, 1.25 * TIMES as f32);
    assert_eq!(wide.mean()?.item::<f32>()?, 0.625);
    assert_eq!(wide.sum_dim(1, false)?, Tensor::from([1.5 * TIMES as f32, -0.25 * TIMES as f32]));
    assert_eq!(wide.mean_dim(1, true)?, x.detach());
    assert_eq!((wide.max()?.item::<f32>()?, wide.min()?.item::<f32>()?), (1.5, -0.25));
    assert_eq!(wide.argmax(1, false)?, Tensor::from([0, 0]));
    assert_eq!(wide, wide.clone());
    wide.mean()?.backward()?;
    assert_eq!(x.grad(), Some(Tensor::from([[0.5_f32], [0.5]])));
    let ones = Tensor::from(1).expand([TIMES])?;
    assert_eq!(ones.sum().item::<i64>()?, TIMES as i64);
    assert!(ones.to_string().starts_with("tensor([1, 1, 1,  ..., 1, 1, 1]"));
    Ok(())
}
