//! Tensors put together and taken apart.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Error, Result, Tensor, arange, full, zeros};
use proptest::prelude::*;

fn values(shape: &[usize]) -> Tensor {
    let n: usize = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i as f64 * 0.7).sin()).collect(), shape.to_vec()).unwrap()
}

fn leaf(shape: &[usize]) -> Tensor {
    values(shape).requires_grad_().unwrap()
}

fn check(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
    let f = |x: &[Tensor]| f(&x.iter().map(Tensor::square).collect::<Vec<_>>());
    gradcheck(f, inputs).unwrap();
    gradgradcheck(f, inputs).unwrap();
}

fn shape_and_dim() -> impl Strategy<Value = (Vec<usize>, isize)> {
    prop::collection::vec(0_usize..5, 1..4).prop_flat_map(|shape| {
        let rank = shape.len() as isize;
        (Just(shape), -rank..rank)
    })
}

proptest! {
    #[test]
    fn cat_undoes_split_and_chunk((shape, dim) in shape_and_dim(), part in 1_usize..6) {
        let x = values(&shape);
        let parts = x.split(part, dim)?;
        prop_assert!(parts.iter().rev().skip(1).all(|p| p.size(dim) == Ok(part)));
        prop_assert_eq!(Tensor::cat(&parts, dim)?, x.clone());
        let sizes: Vec<usize> = parts.iter().map(|p| p.size(dim)).collect::<Result<_>>()?;
        prop_assert_eq!(x.split(sizes, dim)?, parts);
        let chunks = x.chunk(part, dim)?;
        prop_assert!(chunks.len() <= part);
        prop_assert_eq!(Tensor::cat(&chunks, dim)?, x);
    }

    #[test]
    fn stack_undoes_unbind((shape, dim) in shape_and_dim(), swap in 0_isize..3) {
        let x = values(&shape).transpose(0, swap % shape.len() as isize)?;
        let parts = x.unbind(dim)?;
        prop_assert_eq!(parts.len(), x.size(dim)?);
        if !parts.is_empty() {
            prop_assert_eq!(Tensor::stack(&parts, dim)?, x);
        }
    }

    #[test]
    fn repeat_and_flip_read_the_entries_they_say((shape, dim) in shape_and_dim(), times in 0_usize..4) {
        let x = values(&shape);
        let (d, n) = ((dim + shape.len() as isize) as usize % shape.len(), x.size(dim)?);
        let entries = |list: Vec<usize>| x.index_select(dim, &Tensor::from(list));
        let mut repeats = vec![1; shape.len()];
        repeats[d] = times;
        prop_assert_eq!(x.repeat(&repeats)?, entries((0..n * times).map(|i| i % n).collect())?);
        prop_assert_eq!(x.repeat_interleave(times, dim)?, entries((0..n * times).map(|i| i / times).collect())?);
        prop_assert_eq!(x.flip(dim)?, entries((0..n).rev().collect())?);
    }
}

#[test]
fn joining_and_cutting_have_first_and_second_derivatives() {
    check(|x| Tensor::cat(x, 1), &[leaf(&[2, 1]), leaf(&[2, 3]), leaf(&[2, 0])]);
    check(|x| Tensor::cat(&[&x[0], &x[0], &values(&[1, 2])], 0), &[leaf(&[2, 2])]);
    check(|x| Tensor::stack(x, -1), &[leaf(&[2, 3]), leaf(&[2, 3])]);
    check(|x| Tensor::stack(x, 0), &[leaf(&[]), leaf(&[])]);
    check(|x| x[0].split(2, 1)?[0].mul(&x[0].split([2, 3], 1)?[0]), &[leaf(&[2, 5])]);
    check(|x| x[0].chunk(2, 0)?[1].mul(&x[0].unbind(0)?[2]), &[leaf(&[3, 2])]);
    check(|x| x[0].repeat(&[2, 1, 3]), &[leaf(&[2, 3])]);
    check(|x| x[0].repeat_interleave(3, 0), &[leaf(&[2, 3])]);
    check(|x| x[0].flip([0, 1]), &[leaf(&[2, 3])]);
}

#[test]
fn cat_and_stack_promote_and_send_each_part_its_gradient() -> Result<()> {
    let (a, b) = (Tensor::from([1.0_f32]).requires_grad_()?, leaf(&[2]));
    let y = Tensor::cat(&[&a, &b, &Tensor::from([true])], 0)?;
    assert_eq!(y.dtype(), DType::F64);
    y.backward_with(&Tensor::from([1.0, 2.0, 3.0, 4.0]))?;
    assert_eq!(a.grad().unwrap(), Tensor::from([1.0_f32]));
    assert_eq!(b.grad().unwrap(), Tensor::from([2.0, 3.0]));
    let y = Tensor::stack(&[&Tensor::from(true), &Tensor::from(2)], 0)?;
    assert_eq!(y, Tensor::from([1, 2]));
    // Skipped tensors count for the dtype.
    let none = Tensor::from_vec(Vec::<f64>::new(), [0])?;
    assert_eq!(Tensor::cat(&[&none, &Tensor::from([[1]])], 1)?, Tensor::from([[1.0]]));
    assert_eq!(Tensor::cat(&[&none, &none], 0)?, none);
    Ok(())
}

#[test]
fn empty_dimensions_are_cut_as_in_pytorch() -> Result<()> {
    let x = zeros([0, 2])?;
    let shapes = |parts: Vec<Tensor>| parts.iter().map(|p| p.shape().to_vec()).collect::<Vec<_>>();
    assert_eq!(shapes(x.split(0, 0)?), [[0, 2]]);
    assert_eq!(shapes(x.split(3, 0)?), [[0, 2]]);
    assert_eq!(shapes(x.chunk(3, 0)?), [[0, 2], [0, 2], [0, 2]]);
    assert_eq!(x.split([], 0)?.len(), 0);
    assert_eq!(x.unbind(0)?.len(), 0);
    assert_eq!(Tensor::from(5).repeat(&[2, 2])?, full([2, 2], 5)?);
    assert_eq!(Tensor::from(5).repeat(&[])?, Tensor::from(5));
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error() -> Result<()> {
    let (x, scalar) = (zeros([2, 3])?, Tensor::from(1.0_f32));
    let text = |result: Result<Tensor>| result.unwrap_err().to_string();
    assert_eq!(text(Tensor::cat::<Tensor>(&[], 0)), "cat: needs at least one tensor");
    assert_eq!(
        text(Tensor::cat(&[&x, &zeros([2, 4])?], 0)),
        "cat: expected tensor 1 of shape [2, 3] apart from dimension 0, but got shape [2, 4]",
    );
    assert!(matches!(Tensor::cat(&[&x, &zeros([2])?], 0), Err(Error::Shape { .. })));
    assert!(matches!(Tensor::cat(&[&scalar, &scalar], 0), Err(Error::Shape { .. })));
    assert!(matches!(Tensor::cat(&[&x, &x], 2), Err(Error::Dim { op: "cat", dim: 2, rank: 2 })));
    assert_eq!(text(Tensor::stack::<Tensor>(&[], 0)), "stack: needs at least one tensor");
    assert!(matches!(Tensor::stack(&[&x, &scalar], 0), Err(Error::Shape { .. })));
    assert!(matches!(Tensor::stack(&[&x, &x], 3), Err(Error::Dim { op: "stack", dim: 3, rank: 2 })));
    let eight = zeros([1; 8])?;
    assert!(matches!(Tensor::stack(&[&eight, &eight], 0), Err(Error::Argument { op: "stack", .. })));
    let refused = x.split(0, 0).unwrap_err().to_string();
    assert_eq!(refused, "split: parts of size 0 do not make up a dimension of size 2");
    let refused = x.split([1, 3], 1).unwrap_err().to_string();
    assert_eq!(refused, "split: sizes [1, 3] do not sum to 3, the size of dimension 1");
    assert!(matches!(x.split([usize::MAX, 4], 1), Err(Error::Argument { .. })));
    assert!(matches!(scalar.split(1, 0), Err(Error::Dim { op: "split", .. })));
    assert!(matches!(x.chunk(0, 0), Err(Error::Argument { op: "chunk", .. })));
    assert!(matches!(scalar.unbind(0), Err(Error::Dim { op: "unbind", .. })));
    assert!(matches!(x.repeat(&[2]), Err(Error::Argument { op: "repeat", .. })));
    assert!(matches!(x.repeat(&[usize::MAX, 2]), Err(Error::Argument { op: "repeat", .. })));
    assert!(matches!(x.repeat_interleave(usize::MAX, 0), Err(Error::Argument { .. })));
    assert!(matches!(x.flip([0, -2]), Err(Error::Argument { op: "flip", .. })));
    Ok(())
}

#[test]
fn nodes_have_pytorchs_names() -> Result<()> {
    let x = leaf(&[2, 3]);
    let names = [
        (Tensor::cat(&[&x, &x], 0)?, "CatBackward0"),
        (Tensor::stack(&[&x, &x], 0)?, "StackBackward0"),
        (x.split(1, 0)?.remove(0), "SplitBackward0"),
        (x.split([1, 1], 0)?.remove(0), "SplitWithSizesBackward0"),
        (x.chunk(2, 0)?.remove(0), "SplitBackward0"),
        (x.unbind(0)?.remove(0), "UnbindBackward0"),
        (x.repeat(&[2, 1])?, "RepeatBackward0"),
        (x.flip(0)?, "FlipBackward0"),
    ];
    for (y, name) in names {
        assert_eq!(y.grad_fn(), Some(name));
    }
    Ok(())
}

#[test]
fn long_tensors_are_joined_and_flipped_whole() -> Result<()> {
    let x = arange(0, 300_000, 1)?.reshape([100_000, 3])?;
    let y = Tensor::cat(&[&x, &x.flip(0)?], 1)?;
    assert_eq!(y.sum_dim(1, false)?, full([100_000], 9 * 99_999 + 6)?);
    Ok(())
}
