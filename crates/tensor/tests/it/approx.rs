//! Approximate equality.

use approx::{AbsDiffEq, RelativeEq, UlpsEq, assert_abs_diff_eq, assert_relative_eq, assert_ulps_eq};
use downhill_tensor::{Tensor, zeros};

#[test]
fn default_tolerances_are_those_of_the_dtype() {
    let ulp = |x: f32| f32::from_bits(x.to_bits() + 1);
    assert_relative_eq!(Tensor::from([3e10_f32, 1.0]), Tensor::from([ulp(3e10), ulp(1.0)]));
    assert_abs_diff_eq!(Tensor::from([1.0_f32]), Tensor::from([ulp(1.0)]));
    assert_ulps_eq!(Tensor::from([3e10_f32]), Tensor::from([ulp(3e10)]));
    assert!(!Tensor::from([1.0_f32]).relative_eq(&Tensor::from([1.000_001_f32]), f64::EPSILON, f64::EPSILON));
    assert_relative_eq!(Tensor::from([1.0]), Tensor::from([1.0 + f64::EPSILON]));
    assert!(Tensor::from([1.0]).relative_ne(&Tensor::from([1.0 + f64::from(f32::EPSILON)]), 0.0, 1e-9));
}

#[test]
fn tolerances_given_are_used() {
    let (a, b) = (Tensor::from([1.0_f32, 100.0]), Tensor::from([1.05_f32, 101.0]));
    assert_abs_diff_eq!(a, b, epsilon = 1.0);
    assert!(a.abs_diff_ne(&b, 0.5));
    assert_relative_eq!(a, b, max_relative = 0.05);
    assert!(a.relative_ne(&b, 0.0, 0.04));
    assert!(a.ulps_ne(&b, 0.0, 1000));
}

#[test]
fn shapes_dtypes_and_specials_decide() -> downhill_tensor::Result<()> {
    let x = Tensor::from([f32::INFINITY, f32::NEG_INFINITY]);
    assert_relative_eq!(x, x);
    let nan = Tensor::from([f32::NAN]);
    assert!(nan.relative_ne(&nan, 1.0, 1.0));
    let ones = Tensor::from([[1.0_f32, 1.0]]);
    assert!(ones.relative_ne(&ones.reshape([2])?, 1.0, 1.0));
    assert!(ones.relative_ne(&ones.to_dtype(downhill_tensor::DType::F64), 1.0, 1.0));
    assert_relative_eq!(ones.t()?, Tensor::from([[1.0_f32], [1.0]]));
    assert_relative_eq!(Tensor::from([1, 2]), Tensor::from([1, 2]));
    assert!(Tensor::from([1, 2]).abs_diff_ne(&Tensor::from([1, 3]), 1.0));
    assert_relative_eq!(zeros([0, 2])?, zeros([0, 2])?);
    Ok(())
}
