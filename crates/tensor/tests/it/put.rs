//! Elements put or added where indices and slices name them: against loops, and by differences.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Result, Slice, Tensor, arange, zeros};
use proptest::prelude::*;

fn leaf(shape: &[usize]) -> Tensor {
    let n = shape.iter().product::<usize>();
    let values = (0..n).map(|i| (i as f64 * 0.7).sin() + 0.01 * i as f64).collect();
    Tensor::from_vec::<f64>(values, shape).unwrap().requires_grad_().unwrap()
}

/// First and second derivatives; squares make the second ones depend on the inputs.
fn check(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    let f =
        |x: &[Tensor]| f(&x.iter().map(Tensor::square).collect::<Vec<_>>())?.mul(&leaf(&[]).sin().add(1)?);
    gradcheck(f, inputs)?;
    gradgradcheck(f, inputs)
}

#[test]
fn puts_have_first_and_second_derivatives() -> Result<()> {
    let (rows, columns) = (Tensor::from([2, 0]), Tensor::from([[1], [3]]));
    for add in [false, true] {
        check(|x| x[0].index_put([&rows], &x[1], add), &[leaf(&[3, 4]), leaf(&[2, 4])])?;
        check(|x| x[0].index_put([&rows], &x[1], add), &[leaf(&[3, 4]), leaf(&[])])?;
        check(|x| x[0].index_put([&rows, &columns], &x[1], add), &[leaf(&[3, 4, 2]), leaf(&[2, 1, 1])])?;
        check(
            |x| x[0].index_put([Some(&rows), None, Some(&columns)], &x[1], add),
            &[leaf(&[3, 2, 4]), leaf(&[2])],
        )?;
        let mask = arange(0, 6, 1)?.reshape([2, 3])?.gt(2)?;
        check(|x| x[0].index_put([&mask], &x[1], add), &[leaf(&[2, 3]), leaf(&[3])])?;
    }
    let twice = Tensor::from([1, 1, 0]);
    check(|x| x[0].index_put([&twice], &x[1], true), &[leaf(&[2]), leaf(&[3])])?;
    check(|x| x[0].index_add(1, &twice, &x[1]), &[leaf(&[2, 2]), leaf(&[2, 3])])?;
    check(|x| x[0].index_add_scaled(0, &twice, &x[1], -0.5), &[leaf(&[2, 2]), leaf(&[3, 2])])?;
    check(|x| x[0].slice_scatter((1, Slice::from(..).step(2)), &x[1]), &[leaf(&[2, 5]), leaf(&[3])])?;
    check(|x| x[0].slice_scatter((Slice::Ellipsis, 1..), &x[1]), &[leaf(&[2, 2, 3]), leaf(&[2, 1])])
}

#[test]
fn where_places_repeat_the_last_counts_and_all_get_the_gradient() -> Result<()> {
    let source = Tensor::from([1.0, 2.0, 3.0]).requires_grad_()?;
    let y = zeros([2])?.to_dtype(DType::F64).index_put([&Tensor::from([0, 1, 0])], &source, false)?;
    assert_eq!(y.detach(), Tensor::from([3.0, 2.0]));
    y.backward_with(&Tensor::from([10.0, 20.0]))?;
    assert_eq!(source.grad(), Some(Tensor::from([10.0, 20.0, 10.0])));
    Ok(())
}

#[test]
fn without_indices_everything_is_put() -> Result<()> {
    let x = Tensor::from([[5, 6], [7, 8]]);
    let none: [Option<&Tensor>; 0] = [];
    assert_eq!(x.index_put(none, 3, false)?, Tensor::from([[3, 3], [3, 3]]));
    assert_eq!(x.index_put([None], &Tensor::from([1, 2]), true)?, Tensor::from([[6, 8], [8, 10]]));
    assert_eq!(x.slice_scatter(.., 0)?, x.zeros_like());
    assert_eq!(zeros([0, 2])?.slice_scatter(.., 1)?.shape(), &[0, 2]);
    // Of a part that begins elsewhere, and of a view.
    let part = arange(0, 6, 1)?.reshape([3, 2])?.narrow(0, 1, 2)?;
    assert_eq!(part.slice_scatter((1, ..), 9)?, Tensor::from([[2, 3], [9, 9]]));
    assert_eq!(part.t()?.slice_scatter((1, ..), 9)?, Tensor::from([[2, 4], [9, 9]]));
    assert_eq!(Tensor::from(4).index_add(0, &Tensor::from([0]), &Tensor::from(3))?, Tensor::from(7));
    assert_eq!(Tensor::from([4, 5]).index_add(0, &Tensor::from(1), &Tensor::from(3))?, Tensor::from([4, 8]));
    Ok(())
}

#[test]
fn what_does_not_fit_is_an_error_with_the_numbers() -> Result<()> {
    let (x, rows) = (zeros([3, 2])?, Tensor::from([0, 3]));
    let text = |result: Result<Tensor>| result.unwrap_err().to_string();
    let ones = downhill_tensor::ones([2, 2])?;
    assert_eq!(text(x.index_put([&rows], &ones, false)), "index_put: index 3 is out of bounds for size 3");
    assert_eq!(text(x.index_add(0, &rows, &ones)), "index_add: index 3 is out of bounds for size 3");
    let rows = Tensor::from([0, -1]);
    assert_eq!(text(x.index_add(0, &rows, &ones)), "index_add: index -1 is out of bounds for size 3");
    assert_eq!(x.index_put([&rows], 1, false)?.sum().item::<f32>()?, 4.0);
    assert_eq!(
        text(x.index_put([&rows], &zeros([3])?, false)),
        "index_put: expected a source that broadcasts to [2, 2], but got shape [3]"
    );
    assert_eq!(
        text(x.index_put([&rows], &Tensor::from([1, 2]), true)),
        "index_put: the tensor is float32, but the source is int64 (a literal without a point is int64; `to_dtype` converts)"
    );
    assert_eq!(
        text(x.index_add(1, &Tensor::from([0]), &ones)),
        "index_add: expected a source of shape [3, 1], for 1 indices, but got shape [2, 2]"
    );
    assert_eq!(text(x.index_add(0, &ones, &ones)), "index_add: expected an int64 index, but got float32");
    assert_eq!(
        text(Tensor::from([1]).index_add_scaled(0, &Tensor::from([0]), &Tensor::from([1]), 0.5)),
        "index_add: alpha must be an integer for int64, but is 0.5"
    );
    assert_eq!(
        text(x.slice_scatter(0, &zeros([3])?)),
        "slice_scatter: expected a source that broadcasts to [2], but got shape [3]"
    );
    assert_eq!(text(x.slice_scatter(5, 0)), "slice: index 5 is out of bounds for size 3");
    assert!(text(x.index_put([&rows], 1e300, false)).ends_with("is beyond the range of float32"));
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn puts_are_the_reverse_of_index(
        shape in prop::collection::vec(1..4_usize, 1..4), picks in prop::collection::vec(0..12_i64, 0..5), d in 0..3_usize, add: bool,
    ) {
        let d = d % shape.len();
        let index = Tensor::from(picks.iter().map(|i| i % shape[d] as i64).collect::<Vec<_>>());
        let x = leaf(&shape).detach();
        let places: Vec<_> = (0..d).map(|_| None).chain([Some(&index)]).collect();
        let source = x.index(places.clone()).unwrap().mul(10).unwrap().add(1).unwrap();
        let put = x.index_put(places.clone(), &source, add).unwrap();
        let mut expected = x.clone();
        for (k, &i) in index.to_vec::<i64>().unwrap().iter().enumerate() {
            let row = source.select(d as isize, k as i64).unwrap();
            let slices: Vec<_> = (0..d).map(|_| Slice::from(..)).chain([Slice::Index(i)]).collect();
            let row = if add { expected.slice(&slices[..]).unwrap().add(&row).unwrap() } else { row };
            expected = expected.slice_scatter(&slices[..], &row).unwrap();
        }
        prop_assert_eq!(&put, &expected);
        if add {
            prop_assert_eq!(x.index_add(d as isize, &index, &source).unwrap(), expected);
        }
    }
}
