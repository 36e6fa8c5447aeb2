//! Masks: what they say together, and of many elements.

use downhill_tensor::{DType, Error, Operand, Result, Tensor, zeros};
use proptest::prelude::*;

type Method = fn(&Tensor, Operand) -> Result<Tensor>;

/// Of each connective the method on truth, the one on bits, and what they do.
const CONNECTIVES: [(Method, Method, fn(bool, bool) -> bool, fn(i64, i64) -> i64); 3] = [
    (Tensor::logical_and, Tensor::bitwise_and, |a, b| a && b, |a, b| a & b),
    (Tensor::logical_or, Tensor::bitwise_or, |a, b| a || b, |a, b| a | b),
    (Tensor::logical_xor, Tensor::bitwise_xor, |a, b| a != b, |a, b| a ^ b),
];

#[test]
fn connectives_take_every_dtype_as_truth_and_broadcast() {
    let left = [0.0, -0.0, 2.0, f64::NAN];
    let right = [0.0, 1.0, f64::NEG_INFINITY];
    for (logical, _, f, _) in CONNECTIVES {
        for [a, b] in
            [[DType::F32, DType::F64], [DType::F64, DType::Bool], [DType::I64, DType::F32], [DType::Bool; 2]]
        {
            let x = Tensor::from(left).to_dtype(a).unsqueeze(1).unwrap();
            let y = Tensor::from(right).to_dtype(b);
            let truth = |x: &Tensor| x.to_dtype(DType::Bool).to_vec::<bool>().unwrap();
            let expected: Vec<_> =
                truth(&x).into_iter().flat_map(|p| truth(&y).into_iter().map(move |q| f(p, q))).collect();
            let found = logical(&x, (&y).into()).unwrap();
            assert_eq!(found, Tensor::from_vec(expected, [4, 3]).unwrap(), "{a} {b}");
        }
        let found = logical(&Tensor::from([true, false]), 3.into()).unwrap();
        assert_eq!(found, Tensor::from([f(true, true), f(false, true)]));
    }
}

#[test]
fn bits_are_those_of_booleans_and_integers() -> Result<()> {
    let (mask, ints, floats) = (Tensor::from([true, false]), Tensor::from([6, -3]), Tensor::from([1.0_f32]));
    for (_, bitwise, f, bits) in CONNECTIVES {
        assert_eq!(bitwise(&mask, true.into())?, Tensor::from([f(true, true), f(false, true)]));
        assert_eq!(bitwise(&ints, 5.into())?, Tensor::from([bits(6, 5), bits(-3, 5)]));
        assert_eq!(bitwise(&mask, (&ints).into())?, Tensor::from([bits(1, 6), bits(0, -3)]));
        let error = bitwise(&mask, (&floats).into()).unwrap_err().to_string();
        assert!(error.ends_with(": expected booleans or integers, but got float32"), "{error}");
        assert!(matches!(
            bitwise(&mask, (&zeros([3])?.to_dtype(DType::Bool)).into()),
            Err(Error::Broadcast { .. })
        ));
    }
    assert_eq!(
        (&mask & &ints, &mask | &mask, mask.clone() ^ &mask),
        (Tensor::from([0, 0]), mask.clone(), Tensor::from([false, false]))
    );
    assert_eq!((!&mask, !ints), (Tensor::from([false, true]), Tensor::from([-7, 2])));
    assert_eq!(
        floats.bitwise_not().unwrap_err().to_string(),
        "bitwise_not: expected booleans or integers, but got float32"
    );
    Ok(())
}

#[test]
#[should_panic(expected = "bitwise_and: expected booleans or integers, but got float32")]
fn an_operator_panics_with_the_methods_text() {
    let _ = Tensor::from([1.0_f32]) & Tensor::from([1.0_f32]);
}

#[test]
fn nothing_has_any_and_all() -> Result<()> {
    let none = zeros([0, 3])?;
    assert!(!none.any().item::<bool>()? && none.all().item::<bool>()?);
    assert_eq!(none.any_dim(0, false)?, Tensor::from([false; 3]));
    assert_eq!(none.all_dim(0, true)?, Tensor::from([[true; 3]]));
    assert_eq!(none.all_dim(1, false)?.shape(), &[0]);
    let repeated = Tensor::from([[1.0_f32], [0.0]]).expand([2, 1 << 20])?;
    assert_eq!(
        (repeated.any_dim(1, false)?, repeated.all_dim(0, false)?.any()),
        (Tensor::from([true, false]), Tensor::from(false))
    );
    assert!(Tensor::from([f64::NAN]).all().item::<bool>()?);
    assert_eq!(
        none.any_dim(2, false).unwrap_err().to_string(),
        "any: dimension 2 is out of range for a tensor of 2 dimensions"
    );
    Ok(())
}

#[test]
fn finite_is_neither_infinite_nor_nan() {
    let x = Tensor::from([1e300, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 0.0]);
    assert_eq!(x.isfinite(), Tensor::from([true, false, false, false, true]));
    assert_eq!(x.isfinite(), !(x.isnan() | x.isinf()));
    assert_eq!(Tensor::from([1, i64::MAX]).isfinite(), Tensor::from([true, true]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_and_all_are_largest_and_smallest(shape in prop::collection::vec(1..7_usize, 1..4), d in 0..3_usize, keep: bool, seed: u64) {
        let (n, d) = (shape.iter().product::<usize>(), (d % shape.len()) as isize);
        let bits = (0..n).map(|i| seed.rotate_left(i as u32 * 7) % 5 > 0).collect();
        let x = Tensor::from_vec::<bool>(bits, &shape).unwrap();
        prop_assert_eq!(x.any_dim(d, keep).unwrap(), x.amax(d, keep).unwrap());
        prop_assert_eq!(x.all_dim(d, keep).unwrap(), x.amin(d, keep).unwrap());
        prop_assert_eq!(x.any(), x.amax(&[0_isize; 0][..], false).unwrap());
    }
}
