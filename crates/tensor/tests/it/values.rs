//! Values at the ends of what a type can hold, where a formula that is right on paper is not.

use downhill_tensor::{Result, Tensor, arange, autograd};

/// Python's numbers are doubles: there `0.3` and `0.1` are counted with, whatever the dtype.
#[test]
fn a_range_has_a_finite_step() {
    for step in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        assert!(arange(0.0, 1.0, step).is_err() && arange(0.0, 0.0, step).is_err(), "{step}");
    }
}

#[test]
fn ranges_of_f32_are_as_long_as_those_of_the_decimals_they_stand_for() -> Result<()> {
    for (hundredths, step) in [(10, 0.1_f32), (20, 0.2), (5, 0.05), (1, 0.01), (2, 0.02), (70, 0.7)] {
        for k in 1..=100 {
            let end = f64::from(k * hundredths) / 100.0;
            let expected = arange(0.0, end, f64::from(hundredths) / 100.0)?;
            let found = arange(0.0_f32, end as f32, step)?;
            assert_eq!(found.numel(), expected.numel(), "0, {end}, {step}");
            assert_eq!(found, expected.to_dtype(found.dtype()), "0, {end}, {step}");
            let down = arange(end as f32, 0.0_f32, -step)?;
            assert_eq!(down.numel(), arange(end, 0.0, -f64::from(hundredths) / 100.0)?.numel());
        }
    }
    assert_eq!(arange(0.0_f32, 0.3, 0.1)?.numel(), 3);
    assert_eq!(arange(0.0_f32, 1.1, 0.1)?.numel(), 11);
    Ok(())
}

/// The norm of numbers times a power of two is their norm times it, however large or small.
#[test]
fn norms_and_their_gradients_scale_with_the_numbers() -> Result<()> {
    let (inf, numbers) = (f64::INFINITY, [3.0_f64, -4.0, 0.5, 0.0]);
    for (dtype, scales) in [
        (downhill_tensor::DType::F32, [-100, -60, 0, 60, 120]),
        (downhill_tensor::DType::F64, [-1000, -520, 0, 520, 1015]),
    ] {
        for p in [2.0, 1.0, 1.5, 3.0, 7.5, 0.5, -1.0, -2.5, inf, -inf] {
            let run = |k: i32| -> Result<(f64, Vec<f64>)> {
                // Without the 0, which a negative norm is 0 of.
                let n = if p > 0.0 { 4 } else { 3 };
                let x = Tensor::from(numbers[..n].iter().map(|x| x * 2_f64.powi(k)).collect::<Vec<_>>());
                let x = x.to_dtype(dtype).requires_grad_()?;
                let norm = x.norm(p)?;
                let of_rows = x.expand([3, n])?.norm_dim(p, 1, false)?.select(0, 1)?;
                let of_columns = x.expand([3, n])?.t()?.norm_dim(p, 0, false)?.select(0, 1)?;
                assert!(of_rows == norm && of_columns == norm, "{p} {k}");
                let slope = autograd::grad(&norm, &[&x])?.remove(0);
                Ok((
                    norm.to_dtype(downhill_tensor::DType::F64).item::<f64>()?,
                    slope.to_dtype(downhill_tensor::DType::F64).to_vec()?,
                ))
            };
            let (plain, slopes) = run(0)?;
            for k in scales {
                let (scaled, same) = run(k)?;
                let error = (scaled / 2_f64.powi(k) / plain - 1.0).abs();
                let tolerance = if dtype == downhill_tensor::DType::F32 { 1e-5 } else { 1e-12 };
                assert!(error < tolerance, "{dtype} p {p}, 2^{k}: {scaled} for {plain}");
                for (a, b) in same.iter().zip(&slopes) {
                    assert!(
                        (a - b).abs() <= tolerance * b.abs(),
                        "{dtype} p {p}, 2^{k}: {same:?} for {slopes:?}"
                    );
                }
            }
        }
    }
    let x = Tensor::from([2e20_f32, 1.0, 1.0]);
    assert_eq!(x.norm(2.0)?.item::<f32>()?, 2e20);
    assert_eq!(Tensor::from([f32::INFINITY, 1.0]).norm(3.0)?.item::<f32>()?, f32::INFINITY);
    assert!(Tensor::from([f32::NAN, 1e30]).norm(2.0)?.item::<f32>()?.is_nan());
    assert_eq!(Tensor::from([0.0_f32, 0.0]).norm(2.0)?.item::<f32>()?, 0.0);
    Ok(())
}

#[test]
fn deviations_scale_with_the_numbers() -> Result<()> {
    let numbers = [0.5, -1.25, 3.0, 0.75, -2.0];
    for correction in [0.0, 1.0, 2.5] {
        let run = |k: i32| -> Result<(f64, Vec<f64>)> {
            let x = Tensor::from(numbers.map(|x| x * 2_f64.powi(k))).requires_grad_()?;
            let std = x.std_dim(0, correction, false)?;
            let of_rows = x.expand([3, 5])?.std_dim(1, correction, false)?.select(0, 1)?;
            let of_columns = x.expand([3, 5])?.t()?.std_dim(0, correction, false)?.select(0, 1)?;
            for other in [of_rows, of_columns] {
                assert!((other.div(&std)?.item::<f64>()? - 1.0).abs() < 1e-15);
            }
            Ok((std.item::<f64>()? / 2_f64.powi(k), autograd::grad(&std, &[&x])?.remove(0).to_vec()?))
        };
        let (plain, slopes) = run(0)?;
        for k in [-1000, -520, -400, 400, 520, 1015] {
            let (scaled, same) = run(k)?;
            assert!((scaled / plain - 1.0).abs() < 1e-15, "2^{k}: {scaled} for {plain}");
            for (a, b) in same.iter().zip(&slopes) {
                assert!((a - b).abs() <= 1e-14 * b.abs(), "2^{k}: {same:?} for {slopes:?}");
            }
        }
    }
    // What is beyond the range is infinite, and what has no spread has none.
    assert_eq!(Tensor::from([1.7e308, -1.7e308]).var()?.item::<f64>()?, f64::INFINITY);
    assert_eq!(Tensor::from([1.0, f64::INFINITY]).std()?.to_string(), "tensor(nan, dtype=torch.float64)");
    assert_eq!(Tensor::from([0.5; 7]).std()?.item::<f64>()?, 0.0);
    assert_eq!(Tensor::from([1e200; 7]).std()?.item::<f64>()?, 0.0);
    Ok(())
}
