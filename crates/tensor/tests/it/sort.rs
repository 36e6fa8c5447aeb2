//! Order.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Error, Result, Tensor, arange, full, zeros};
use proptest::prelude::*;

/// Few distinct values, so that ties are common.
fn elements() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
        (-2..3_i32).prop_map(f64::from)
    ]
}

fn order(a: f64, b: f64) -> std::cmp::Ordering {
    a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

proptest! {
    #[test]
    fn sorting_is_a_stable_ordered_permutation(
        rows in 1_usize..4, data in prop::collection::vec(elements(), 12), n in 0_usize..5, descending: bool, across: bool,
    ) {
        let x = Tensor::from_vec(data[..rows * n].to_vec(), [rows, n])?;
        let (x, dim) = if across { (x.t()?, 0) } else { (x, -1) };
        let (values, indices) = x.sort(dim, descending)?;
        prop_assert_eq!(x.argsort(dim, descending)?, indices.clone());
        prop_assert_eq!(values.shape(), x.shape());
        for i in 0..rows as i64 {
            let row = |x: &Tensor| x.select(isize::from(across), i);
            let (from, to, at) = (row(&x)?.to_vec::<f64>()?, row(&values)?.to_vec::<f64>()?, row(&indices)?.to_vec::<i64>()?);
            let mut expected: Vec<usize> = (0..n).collect();
            expected.sort_by(|&i, &j| if descending { order(from[j], from[i]) } else { order(from[i], from[j]) });
            prop_assert_eq!(at.iter().map(|&i| i as usize).collect::<Vec<_>>(), expected.clone());
            let bits = |x: &f64| x.to_bits();
            prop_assert_eq!(to.iter().map(bits).collect::<Vec<_>>(), expected.iter().map(|&i| bits(&from[i])).collect::<Vec<_>>());
        }
    }

    #[test]
    fn topk_is_the_beginning_of_the_sorted_entries(data in prop::collection::vec(elements(), 0..40), k in 0_usize..40, largest: bool) {
        let x = Tensor::from(data);
        let k = k.min(x.numel());
        let (values, indices) = x.topk(k, 0, largest)?;
        let (_, sorted) = x.sort(0, largest)?;
        prop_assert_eq!(indices.clone(), sorted.narrow(0, 0, k)?);
        prop_assert!(values.eq(&x.gather(0, &indices)?)?.to_vec::<bool>()?.iter().zip(values.to_vec::<f64>()?).all(|(e, v)| *e || v.is_nan()));
    }
}

#[test]
fn sorted_values_have_first_and_second_derivatives() -> Result<()> {
    let x = Tensor::from([[0.3, -1.0, 2.0], [1.5, 0.1, -0.2]]).requires_grad_()?;
    for dim in [0, 1] {
        let square = |x: &[Tensor]| x[0].mul(&x[0].exp());
        let sort = |x: &[Tensor]| Ok(square(x)?.sort(dim, true)?.0);
        gradcheck(sort, std::slice::from_ref(&x))?;
        gradgradcheck(sort, std::slice::from_ref(&x))?;
        let topk = |x: &[Tensor]| Ok(square(x)?.topk(2, dim, false)?.0);
        gradcheck(topk, std::slice::from_ref(&x))?;
        gradgradcheck(topk, std::slice::from_ref(&x))?;
    }
    assert_eq!(x.sort(0, false)?.0.grad_fn(), Some("SortBackward0"));
    assert_eq!(x.topk(1, 0, false)?.0.grad_fn(), Some("TopkBackward0"));
    assert!(!x.sort(0, false)?.1.requires_grad());
    Ok(())
}

#[test]
fn other_dtypes_scalars_and_empty_dimensions_are_sorted() -> Result<()> {
    let (values, indices) = Tensor::from([true, false, true]).sort(0, true)?;
    assert_eq!((values, indices), (Tensor::from([true, true, false]), Tensor::from([0, 2, 1])));
    assert_eq!(Tensor::from([3, i64::MIN, i64::MAX]).argsort(0, false)?, Tensor::from([1, 0, 2]));
    assert_eq!(Tensor::from([2.5_f32, 0.5]).sort(-1, false)?.0, Tensor::from([0.5_f32, 2.5]));
    let scalar = Tensor::from(5.0_f32);
    assert_eq!(scalar.sort(-1, false)?, (scalar.clone(), Tensor::from(0)));
    assert_eq!(scalar.topk(1, 0, true)?, (scalar.clone(), Tensor::from(0)));
    let empty = zeros([2, 0])?;
    for dim in [0, 1] {
        assert_eq!(empty.sort(dim, false)?, (empty.clone(), empty.to_dtype(DType::I64)));
    }
    assert_eq!(zeros([3, 2])?.topk(0, 1, true)?.0.shape(), &[3, 0]);
    Ok(())
}

#[test]
fn long_rows_are_sorted() -> Result<()> {
    let n = 200_000;
    let x = arange(0, n, 1)?.mul(7_919)?;
    let x = x.sub(&x.div_rounded(n, downhill_tensor::Rounding::Floor)?.mul(n)?)?;
    assert_eq!(x.sort(0, false)?.0, arange(0, n, 1)?);
    let rows = x.reshape([-1, 8])?;
    let first = rows.topk(3, 1, true)?.0;
    assert_eq!(first, rows.sort(1, true)?.0.narrow(1, 0, 3)?);
    assert_eq!(full([100_000], 1)?.argsort(0, true)?, arange(0, 100_000, 1)?);
    Ok(())
}

#[test]
fn what_cannot_be_sorted_is_an_error() {
    let x = Tensor::from([1.0_f32, 2.0]);
    assert!(matches!(x.sort(1, false), Err(Error::Dim { op: "sort", dim: 1, rank: 1 })));
    assert!(matches!(x.argsort(-2, false), Err(Error::Dim { op: "argsort", .. })));
    assert_eq!(x.topk(3, 0, true).unwrap_err().to_string(), "topk: k is 3, but dimension 0 has 2 entries");
    assert!(matches!(Tensor::from(1).topk(2, 0, true), Err(Error::Argument { .. })));
    assert!(matches!(Tensor::from([true]).topk(1, 0, true), Err(Error::DType { .. })));
}
