//! Elements by index: against loops over the definition, and by differences.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{Combine, DType, Error, Result, Slice, Tensor, arange, full, zeros};
use proptest::prelude::*;

/// Distinct values that are not on a line.
fn values(shape: &[usize]) -> Tensor {
    let n = shape.iter().product();
    Tensor::from_vec((0..n).map(|i| (i as f64 * 0.7).sin() + 0.01 * i as f64).collect(), shape.to_vec())
        .unwrap()
}

fn leaf(shape: &[usize]) -> Tensor {
    values(shape).requires_grad_().unwrap()
}

/// First and second derivatives; squares make the second ones depend on the inputs.
fn check(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) {
    let f = |x: &[Tensor]| f(&x.iter().map(Tensor::square).collect::<Vec<_>>());
    gradcheck(f, inputs).unwrap();
    gradgradcheck(f, inputs).unwrap();
}

fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect()
}

/// Every index of a shape, in row-major order.
fn places(shape: &[usize]) -> Vec<Vec<usize>> {
    let strides = strides(shape);
    let n: usize = shape.iter().product();
    (0..n).map(|p| (0..shape.len()).map(|d| p / strides[d] % shape[d]).collect()).collect()
}

fn at(shape: &[usize], place: &[usize]) -> usize {
    place.iter().zip(strides(shape)).map(|(i, s)| i * s).sum()
}

/// A shape, a dimension, the shape of an index that fits, and numbers to make the index from.
fn along() -> impl Strategy<Value = (Vec<usize>, usize, Vec<usize>, Vec<usize>)> {
    prop::collection::vec(1_usize..5, 1..4).prop_flat_map(|shape| {
        let dims = shape.len();
        (Just(shape), 0..dims).prop_flat_map(|(shape, d)| {
            let sizes: Vec<_> =
                shape.iter().enumerate().map(|(e, &n)| if e == d { 0..=6 } else { 0..=n }).collect();
            (Just(shape), Just(d), sizes, prop::collection::vec(0_usize..100, 6 * 25))
        })
    })
}

/// An index along dimension `d`, and where its elements lead.
fn make_index(shape: &[usize], d: usize, sizes: &[usize], noise: &[usize]) -> (Tensor, Vec<usize>) {
    let places = places(sizes);
    let index: Vec<i64> = (0..places.len()).map(|p| (noise[p % noise.len()] % shape[d]) as i64).collect();
    let targets = places.iter().zip(&index).map(|(place, &i)| {
        let mut place = place.clone();
        place[d] = i as usize;
        at(shape, &place)
    });
    let targets = targets.collect();
    (Tensor::from_vec(index, sizes.to_vec()).unwrap(), targets)
}

proptest! {
    #[test]
    fn gather_and_scatter_are_their_definitions((shape, d, sizes, noise) in along()) {
        let (index, targets) = make_index(&shape, d, &sizes, &noise);
        let (x, dim) = (values(&shape), d as isize);
        let data = x.to_vec::<f64>()?;
        let found = x.gather(dim, &index)?;
        prop_assert_eq!(&found.shape()[..], &sizes[..]);
        prop_assert_eq!(found.to_vec::<f64>()?, targets.iter().map(|&t| data[t]).collect::<Vec<_>>());
        // A source larger than the index: its first elements count.
        let larger: Vec<usize> = sizes.iter().map(|n| n + noise[0] % 2).collect();
        let source = values(&larger);
        let terms: Vec<f64> = {
            let all = source.to_vec::<f64>()?;
            places(&sizes).iter().map(|p| all[at(&larger, p)]).collect()
        };
        let naive = |f: &dyn Fn(f64, f64) -> f64| {
            let mut out = data.clone();
            targets.iter().zip(&terms).for_each(|(&t, &x)| out[t] = f(out[t], x));
            out
        };
        prop_assert_eq!(x.scatter(dim, &index, &source)?.to_vec::<f64>()?, naive(&|_, x| x));
        prop_assert_eq!(x.scatter(dim, &index, 7)?.to_vec::<f64>()?, naive(&|_, _| 7.0));
        prop_assert_eq!(x.scatter_add(dim, &index, &source)?.to_vec::<f64>()?, naive(&|o, x| o + x));
        let product = x.scatter_combined(dim, &index, &source, Combine::Multiply)?;
        prop_assert_eq!(product.to_vec::<f64>()?, naive(&|o, x| o * x));
        let sum = x.scatter_combined(dim, &index, 0.5, Combine::Add)?;
        prop_assert_eq!(sum.to_vec::<f64>()?, naive(&|o, _| o + 0.5));
        // Views are read as what they show.
        let back = x.transpose(0, -1)?.gather(-1 - dim, &index.transpose(0, -1)?)?;
        prop_assert_eq!(back.transpose(0, -1)?, found);
    }

    /// Few entries are read where they lie, many in a copy.
    #[test]
    fn views_are_picked_from_as_their_copies_are(
        shape in prop::collection::vec(1_usize..6, 1..4), d in 0_usize..3, turn in 0_usize..4, cut in 0_usize..2, step in 1_usize..3,
        list in prop::collection::vec(0_usize..100, 0..9), rank in 1_usize..3,
    ) {
        let mut x = values(&shape);
        for dim in 0..shape.len() {
            x = x.slice((Slice::Ellipsis, Slice::from(cut.min(x.shape()[shape.len() - 1] - 1) as i64..).step(step)))?;
            x = x.transpose(dim as isize, ((dim + turn) % shape.len()) as isize)?;
        }
        let x = x.unsqueeze(1)?.expand(&[x.shape()[..1].to_vec(), vec![2], x.shape()[1..].to_vec()].concat()[..])?;
        let d = d % x.dim();
        let index = Tensor::from(list.iter().map(|i| i % x.shape()[d]).collect::<Vec<_>>());
        prop_assert_eq!(x.index_select(d as isize, &index)?, x.contiguous().index_select(d as isize, &index)?);
        let of = |d: usize| Tensor::from(list.iter().map(|i| i % x.shape()[d]).collect::<Vec<_>>());
        let (first, last) = (of(0), of(x.dim() - 1));
        let mut all = vec![None; x.dim()];
        (all[0], all[x.dim() - 1]) = (Some(&first), (rank == 2).then_some(&last));
        prop_assert_eq!(x.index(all.clone())?, x.contiguous().index(all)?);
        let mask = x.gt(0.3 * list.len() as f64)?;
        prop_assert_eq!(x.masked_select(&mask)?, x.contiguous().masked_select(&mask)?);
    }

    #[test]
    fn index_select_takes_entries(shape in prop::collection::vec(1_usize..4, 1..4), d in 0_usize..3, list in prop::collection::vec(0_usize..100, 0..6)) {
        let d = d % shape.len();
        let list: Vec<usize> = list.iter().map(|i| i % shape[d]).collect();
        let x = values(&shape);
        let found = x.index_select(d as isize, &Tensor::from(list.clone()))?;
        let entries: Vec<_> = list.iter().map(|&i| x.narrow(d as isize, i as i64, 1)).collect::<Result<_>>()?;
        let expected = if entries.is_empty() { x.narrow(d as isize, 0, 0)? } else { Tensor::cat(&entries, d as isize)? };
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn indexing_with_tensors_is_its_definition(
        shape in prop::collection::vec(1_usize..4, 1..5),
        used in prop::collection::vec(prop::option::weighted(0.7, 0_usize..4), 4),
        noise in prop::collection::vec(0_usize..100, 16),
    ) {
        let x = values(&shape);
        // Shapes that broadcast to [2, 3].
        let forms: [&[usize]; 4] = [&[], &[3], &[2, 1], &[2, 3]];
        let make = |d: usize, form: usize| {
            let n: usize = forms[form].iter().product();
            let list: Vec<i64> = (0..n).map(|i| (noise[i + d] % (2 * shape[d])) as i64 - shape[d] as i64).collect();
            Tensor::from_vec(list, forms[form].to_vec()).unwrap()
        };
        let indices: Vec<Option<Tensor>> =
            used[..shape.len()].iter().enumerate().map(|(d, form)| form.map(|form| make(d, form))).collect();
        let found = x.index(indices.iter().map(Option::as_ref))?;
        let Some(first) = indices.iter().position(Option::is_some) else {
            prop_assert_eq!(found, x);
            return Ok(());
        };
        let count = indices.iter().flatten().count();
        let neighbours = indices[first..first + count.min(shape.len() - first)].iter().flatten().count() == count;
        let mut common = vec![];
        for form in used[..shape.len()].iter().flatten() {
            let form = forms[*form];
            common = Tensor::where_(&full(common, true)?, &full(form.to_vec(), 0)?, 0)?.shape().to_vec();
        }
        let rest: Vec<usize> = (0..shape.len()).filter(|&d| indices[d].is_none()).collect();
        let before = if neighbours { rest.iter().filter(|&&d| d < first).count() } else { 0 };
        let mut expected = Vec::new();
        let rest_sizes: Vec<usize> = rest.iter().map(|&d| shape[d]).collect();
        let out: Vec<usize> = [&rest_sizes[..before], &common, &rest_sizes[before..]].concat();
        prop_assert_eq!(&found.shape()[..], &out[..]);
        for place in places(&out) {
            let (i, kept) = (&place[before..before + common.len()], [&place[..before], &place[before + common.len()..]].concat());
            let mut from = vec![0; shape.len()];
            rest.iter().zip(&kept).for_each(|(&d, &k)| from[d] = k);
            for d in 0..shape.len() {
                if let Some(index) = &indices[d] {
                    let mut element = index.expand(common.iter().map(|&n| n as i64).collect::<Vec<_>>())?;
                    for &k in i {
                        element = element.select(0, k as i64)?;
                    }
                    let element = element.item::<i64>()?;
                    from[d] = (if element < 0 { element + shape[d] as i64 } else { element }) as usize;
                }
            }
            expected.push(x.to_vec::<f64>()?[at(&shape, &from)]);
        }
        prop_assert_eq!(found.to_vec::<f64>()?, expected);
    }

    #[test]
    fn masks_select_in_order(shape in prop::collection::vec(0_usize..4, 0..4), bits in prop::collection::vec(any::<bool>(), 27)) {
        let n: usize = shape.iter().product();
        let mask = Tensor::from_vec(bits[..n].to_vec(), shape.clone())?;
        let x = values(&shape);
        let expected: Vec<f64> = x.to_vec::<f64>()?.into_iter().zip(&bits).filter_map(|(x, &b)| b.then_some(x)).collect();
        prop_assert_eq!(x.masked_select(&mask)?.to_vec::<f64>()?, expected.clone());
        if !shape.is_empty() {
            prop_assert_eq!(x.index([&mask])?.to_vec::<f64>()?, expected);
        }
        let found: Vec<i64> = places(&shape).iter().zip(&bits).filter(|(_, b)| **b).flat_map(|(p, _)| p.iter().map(|&i| i as i64).collect::<Vec<_>>()).collect();
        prop_assert_eq!(mask.nonzero().to_vec::<i64>()?, found);
    }
}

#[test]
fn indexing_has_first_and_second_derivatives() {
    let x = || leaf(&[3, 4]);
    let index = Tensor::from([[0, 2, 2], [3, 0, 0]]);
    check(|x| x[0].gather(1, &index), &[x()]);
    check(|x| x[0].gather(0, &Tensor::from([[2, 0, 1, 1]])), &[x()]);
    check(|x| x[0].gather(0, &Tensor::from(2)), &[leaf(&[3])]);
    check(|x| x[0].index_select(1, &Tensor::from([3, 0, 3])), &[x()]);
    check(|x| x[0].index_select(0, &Tensor::from(0)), &[leaf(&[])]);
    check(|x| x[0].masked_select(&values(&[3, 4]).gt(0)?), &[x()]);
    check(|x| x[0].masked_select(&Tensor::from([[true, false, true, true]])), &[leaf(&[2, 3, 1])]);
    check(|x| x[0].index([&arange(0, 3, 1)?, &Tensor::from([1, 1, -1])]), &[x()]);
    let (i, j) = (Tensor::from([[0], [1]]), Tensor::from([2, 2, 0]));
    check(|x| x[0].index([Some(&i), None, Some(&j)]), &[leaf(&[2, 2, 3])]);
    check(|x| x[0].index([None, Some(&i)]), &[leaf(&[2, 2, 3])]);
    check(|x| x[0].index([&Tensor::from([true, false, true])]), &[x()]);
    // Places may repeat where terms add up.
    check(|x| x[0].scatter_add(1, &index, &x[1]), &[x(), leaf(&[2, 3])]);
    check(|x| x[0].scatter_combined(1, &index, &x[1], Combine::Add), &[x(), leaf(&[3, 4])]);
    let distinct = Tensor::from([[0, 2, 1], [3, 0, 1]]);
    check(|x| x[0].scatter(1, &distinct, &x[1]), &[x(), leaf(&[2, 3])]);
    check(|x| x[0].scatter(1, &distinct, &x[1]), &[x(), leaf(&[3, 5])]);
    check(|x| x[0].scatter(1, &index, 2.0), &[x()]);
    check(|x| x[0].scatter(0, &Tensor::from(1), &x[1]), &[leaf(&[2]), leaf(&[])]);
    for diagonal in [-5, -1, 0, 2, 5] {
        check(|x| x[0].tril(diagonal), &[leaf(&[2, 3, 4])]);
        check(|x| x[0].triu(diagonal), &[leaf(&[2, 3, 4])]);
    }
}

#[test]
fn repeated_places_share_the_gradient_as_in_pytorch() -> Result<()> {
    let (x, source) = (leaf(&[2]), leaf(&[3]));
    x.scatter(0, &Tensor::from([1, 1, 1]), &source)?.backward_with(&Tensor::from([1.0, 5.0]))?;
    assert_eq!(x.grad().unwrap(), Tensor::from([1.0, 0.0]));
    assert_eq!(source.grad().unwrap(), Tensor::from([5.0, 5.0, 5.0]));
    let y = x.scatter_combined(0, &Tensor::from([0]), 2.0, Combine::Multiply)?.sum();
    let text = "scatter: the product with what is there has no derivative";
    assert_eq!(y.backward().unwrap_err().to_string(), text);
    Ok(())
}

#[test]
fn all_dtypes_are_moved() -> Result<()> {
    let index = Tensor::from([2, 0, 2]);
    for dtype in [DType::Bool, DType::I64, DType::F32, DType::F64] {
        let x = Tensor::from([0, 1, 1]).to_dtype(dtype);
        let moved = Tensor::from([1, 0, 1]).to_dtype(dtype);
        assert_eq!(x.gather(0, &index)?, moved);
        assert_eq!(x.index_select(0, &index)?, moved);
        assert_eq!(x.index([&index])?, moved);
        assert_eq!(x.masked_select(&x.gt(0)?)?, Tensor::from([1, 1]).to_dtype(dtype));
        assert_eq!(x.scatter(0, &index, &x)?, Tensor::from([1, 1, 1]).to_dtype(dtype));
        let sum = x.zeros_like().scatter_add(0, &index, &x)?;
        assert_eq!(sum, Tensor::from([1, 0, 1]).to_dtype(dtype));
    }
    // Numbers are converted to the tensor's dtype.
    assert_eq!(Tensor::from([0, 1]).scatter(0, &Tensor::from([0]), 2.7)?, Tensor::from([2, 1]));
    assert_eq!(Tensor::from([false]).scatter(0, &Tensor::from([0]), 2)?, Tensor::from([true]));
    Ok(())
}

#[test]
fn scalars_count_as_one_element() -> Result<()> {
    let x = Tensor::from(5.0_f32);
    assert_eq!(x.gather(0, &Tensor::from([0, 0]))?, Tensor::from([5.0_f32, 5.0]));
    assert_eq!(x.gather(-1, &Tensor::from(0))?, x);
    assert_eq!(Tensor::from([3, 4]).gather(0, &Tensor::from(1))?, Tensor::from(4));
    assert_eq!(x.index_select(0, &Tensor::from([0]))?, x);
    assert_eq!(x.scatter(0, &Tensor::from([0]), &Tensor::from([4.0_f32]))?, Tensor::from(4.0_f32));
    assert_eq!(x.masked_select(&Tensor::from(true))?, Tensor::from([5.0_f32]));
    assert_eq!(Tensor::from(2).one_hot(None)?, Tensor::from([0, 0, 1]));
    Ok(())
}

#[test]
fn empty_indices_name_nothing() -> Result<()> {
    let (x, none) = (leaf(&[3, 4]), Tensor::from_vec(Vec::<i64>::new(), [0])?);
    assert_eq!(x.index_select(1, &none)?.shape(), &[3, 0]);
    assert_eq!(x.index([&none])?.shape(), &[0, 4]);
    assert_eq!(x.gather(1, &none)?.shape(), &[0]);
    assert_eq!(x.gather(1, &zeros([0, 9])?)?.shape(), &[0, 9]);
    let y = x.scatter(1, &none, &values(&[1, 1]))?;
    assert_eq!(y.detach(), x.detach());
    x.gather(1, &none)?.sum().add(&y.sum())?.backward()?;
    assert_eq!(x.grad().unwrap(), values(&[3, 4]).ones_like());
    assert_eq!(zeros([0, 3])?.index_select(0, &none)?.shape(), &[0, 3]);
    assert_eq!(none.one_hot(3)?.shape(), &[0, 3]);
    assert_eq!(zeros([2, 0, 3])?.tril(0)?.shape(), &[2, 0, 3]);
    Ok(())
}

#[test]
fn wrong_indices_are_errors_that_name_the_numbers() -> Result<()> {
    let x = values(&[3, 4]);
    let (one, float) = (Tensor::from([1]), Tensor::from([1.0_f32]));
    let text = |result: Result<Tensor>| result.unwrap_err().to_string();
    assert_eq!(
        text(x.index_select(0, &Tensor::from([0, 3]))),
        "index_select: index 3 is out of bounds for size 3"
    );
    assert_eq!(
        text(x.index_select(0, &Tensor::from([-1]))),
        "index_select: index -1 is out of bounds for size 3"
    );
    assert_eq!(text(x.index_select(0, &float)), "index_select: expected an int64 index, but got float32");
    assert_eq!(
        text(x.index_select(0, &Tensor::from([[0]]))),
        "index_select: expected an index of one dimension, but got shape [1, 1]",
    );
    assert!(matches!(x.index_select(2, &one), Err(Error::Dim { op: "index_select", dim: 2, rank: 2 })));
    assert_eq!(text(x.gather(1, &Tensor::from([[0, 4]]))), "gather: index 4 is out of bounds for size 4");
    assert_eq!(text(x.gather(1, &Tensor::from([[-1]]))), "gather: index -1 is out of bounds for size 4");
    assert_eq!(
        text(x.gather(1, &one)),
        "gather: expected an index of 2 dimensions, as shape [3, 4] has, but got shape [1]",
    );
    assert_eq!(
        text(x.gather(1, &full([4, 1], 0)?)),
        "gather: expected an index no larger than shape [3, 4] apart from dimension 1, but got shape [4, 1]",
    );
    assert_eq!(
        text(x.scatter(1, &Tensor::from([[0, 1]]), &values(&[1, 1]))),
        "scatter: expected an index no larger than shape [1, 1], but got shape [1, 2]",
    );
    assert!(matches!(x.scatter(1, &Tensor::from([[0]]), &float), Err(Error::DTypes { op: "scatter", .. })));
    assert!(matches!(x.scatter_add(1, &Tensor::from([[0]]), &values(&[1])), Err(Error::Shape { .. })));
    assert!(matches!(x.scatter_add(0, &Tensor::from([[34]]), &values(&[1, 1])), Err(Error::Index { .. })));
    assert_eq!(text(x.index([&Tensor::from([3])])), "index: index 3 is out of bounds for size 3");
    assert_eq!(text(x.index([&Tensor::from([-4])])), "index: index -4 is out of bounds for size 3");
    assert_eq!(
        text(x.index([&Tensor::from([0, 1]), &Tensor::from([0, 1, 2])])),
        "index: shapes [2] and [3] do not broadcast"
    );
    assert_eq!(
        text(x.index([&one, &one, &one])),
        "index: expected a tensor of at least 3 dimensions for as many indices, but got shape [3, 4]",
    );
    assert_eq!(
        text(x.index([&Tensor::from([true, false])])),
        "index: expected a mask of the sizes from dimension 0 on of shape [3, 4], but got shape [2]",
    );
    assert!(matches!(x.index([&Tensor::from(true)]), Err(Error::Shape { .. })));
    assert!(matches!(x.index([&float]), Err(Error::DType { .. })));
    assert!(matches!(Tensor::from(1).index([&one]), Err(Error::Shape { .. })));
    assert!(matches!(zeros([0, 3])?.index([&Tensor::from([0])]), Err(Error::Index { .. })));
    assert_eq!(text(x.masked_select(&one)), "masked_select: expected a bool mask, but got int64");
    assert!(matches!(x.masked_select(&Tensor::from([true, false])), Err(Error::Broadcast { .. })));
    assert_eq!(text(one.one_hot(1)), "one_hot: index 1 is out of bounds for size 1");
    assert!(matches!(Tensor::from([-1]).one_hot(None), Err(Error::Index { .. })));
    assert!(matches!(float.one_hot(3), Err(Error::DType { .. })));
    assert!(matches!(Tensor::from_vec(Vec::<i64>::new(), [0])?.one_hot(None), Err(Error::Argument { .. })));
    assert!(matches!(values(&[3]).tril(0), Err(Error::Shape { .. })));
    Ok(())
}

#[test]
fn nodes_have_pytorchs_names() -> Result<()> {
    let (x, index) = (leaf(&[3, 4]), Tensor::from([[1]]));
    let names = [
        x.gather(0, &index)?,
        x.index_select(0, &Tensor::from([1]))?,
        x.index([&Tensor::from([1])])?,
        x.masked_select(&x.gt(0)?)?,
        x.scatter(0, &index, &values(&[1, 1]))?,
        x.scatter(0, &index, 1.0)?,
        x.scatter_add(0, &index, &values(&[1, 1]))?,
        x.tril(0)?,
        x.triu(0)?,
    ];
    let names: Vec<_> = names.iter().filter_map(Tensor::grad_fn).collect();
    let expected = [
        "GatherBackward0",
        "IndexSelectBackward0",
        "IndexBackward0",
        "MaskedSelectBackward0",
        "ScatterBackward0",
        "ScatterBackward1",
        "ScatterAddBackward0",
        "TrilBackward0",
        "TriuBackward0",
    ];
    assert_eq!(names, expected);
    Ok(())
}
