//! Products over dimensions, running products, remainders, distances of pairs: against loops, and by differences.

use downhill_tensor::autograd::{GradOptions, grad_with};
use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{DType, Result, Tensor, zeros};
use proptest::prelude::*;

fn values(shape: &[usize], k: f64) -> Tensor {
    let n = shape.iter().product::<usize>();
    Tensor::from_vec::<f64>((0..n).map(|i| (i as f64 * k + k).sin() * 2.0).collect(), shape).unwrap()
}

fn leaf(shape: &[usize], k: f64) -> Tensor {
    values(shape, k).requires_grad_().unwrap()
}

fn check(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    gradcheck(&f, inputs)?;
    gradgradcheck(&f, inputs)
}

fn text(result: Result<Tensor>) -> String {
    result.unwrap_err().to_string()
}

/// By a loop over all values of all letters.
fn by_definition(equation: &str, a: &Tensor, b: &Tensor) -> Tensor {
    let (inputs, output) = equation.split_once("->").unwrap();
    let (left, right) = inputs.split_once(',').unwrap();
    let mut letters: Vec<char> = (left.to_string() + right).chars().collect();
    letters.sort_unstable();
    letters.dedup();
    let size = |l: &char| {
        let of = |text: &str, x: &Tensor| {
            text.chars().zip(x.shape().iter()).filter(|(c, _)| c == l).map(|(_, n)| *n).max()
        };
        of(left, a).max(of(right, b)).unwrap()
    };
    let sizes: Vec<usize> = letters.iter().map(size).collect();
    let out: Vec<usize> = output.chars().map(|c| size(&c)).collect();
    let [a_values, b_values] = [a, b].map(|x| x.to_vec::<f64>().unwrap());
    let mut result = vec![0.0; out.iter().product()];
    for at in 0..sizes.iter().product::<usize>() {
        let mut rest = at;
        let place: Vec<usize> = sizes.iter().map(|n| (rest % n, rest /= n).0).collect();
        let of = |text: &str, shape: &[usize]| {
            text.chars().zip(shape).fold(0, |at, (c, n)| {
                at * n + place[letters.iter().position(|l| *l == c).unwrap()].min(n - 1)
            })
        };
        result[of(output, &out)] += a_values[of(left, a.shape())] * b_values[of(right, b.shape())];
    }
    Tensor::from_vec(result, &out).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_equation_sums_what_its_letters_say(
        left in "[abcA]{0,4}", right in "[abcA]{0,4}", order in any::<[u8; 4]>(), sizes in prop::array::uniform4(1..4_usize), ones in any::<[bool; 8]>(),
    ) {
        let letters = ['a', 'b', 'c', 'A'];
        let shape = |text: &str, first: usize| -> Vec<usize> {
            // A letter that is there twice is not broadcast.
            let size = |c| if ones[first + letters.iter().position(|l| *l == c).unwrap()] { 1 } else { sizes[letters.iter().position(|l| *l == c).unwrap()] };
            text.chars().map(size).collect()
        };
        let (a, b) = (values(&shape(&left, 0), 0.7), values(&shape(&right, 4), 1.3));
        let mut output: Vec<(u8, char)> = letters.iter().zip(order).filter(|(c, o)| o % 2 == 0 && (left.contains(**c) || right.contains(**c))).map(|(c, o)| (o, *c)).collect();
        output.sort_unstable();
        let equation = format!("{left},{right}->{}", output.iter().map(|(_, c)| *c).collect::<String>());
        let (found, expected) = (Tensor::einsum(&equation, &a, &b).unwrap(), by_definition(&equation, &a, &b));
        prop_assert_eq!(found.shape(), expected.shape(), "{}", equation);
        let off = found.sub(&expected).unwrap().abs().sum().item::<f64>().unwrap();
        prop_assert!(off < 1e-10, "{equation}: {off}");
    }

    #[test]
    fn running_products_take_in_each_element(rows in 0..4_usize, n in 0..6_usize, columns in 1..4_usize, zero: bool) {
        let x = values(&[rows, n, columns], 0.9);
        let x = if zero { x.masked_fill(&x.gt(1.0).unwrap(), 0.0).unwrap() } else { x };
        let y = x.cumprod(1).unwrap();
        for k in 0..n {
            let expected = x.narrow(1, 0, k + 1).unwrap().prod_dim(1, false).unwrap();
            let off = y.select(1, k as i64).unwrap().sub(&expected).unwrap().abs().sum().item::<f64>().unwrap();
            prop_assert!(off < 1e-12);
        }
    }

    #[test]
    fn distances_are_norms_of_differences(
        batch in 1..3_usize, rows in prop::array::uniform2(0..5_usize), columns in 1..5_usize,
        p in prop::sample::select(vec![0.0, 0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY]), single: bool,
    ) {
        let dtype = if single { DType::F32 } else { DType::F64 };
        let side = |shape: &[usize], k| values(shape, k).to_dtype(dtype).requires_grad_().unwrap();
        let (a, b) = (side(&[batch, rows[0], columns], 0.7), side(&[rows[1], columns], 1.9));
        let ours = a.cdist(&b, p).unwrap();
        let theirs = (a.unsqueeze(-2).unwrap() - b.unsqueeze(-3).unwrap()).norm_dim(p, -1, false).unwrap();
        prop_assert_eq!((ours.shape(), ours.dtype()), (theirs.shape(), dtype));
        let g = values(ours.shape(), 0.3).to_dtype(dtype);
        let gradients = |y: &Tensor| {
            y.requires_grad().then(|| grad_with(&[(y, Some(&g))], &[&a, &b], GradOptions::default()).unwrap())
        };
        let pairs = [ours.clone()].into_iter().chain(gradients(&ours).into_iter().flatten().flatten());
        let expected = [theirs.clone()].into_iter().chain(gradients(&theirs).into_iter().flatten().flatten());
        for (x, y) in pairs.zip(expected) {
            let off = x.detach().sub(&y.detach()).unwrap().abs().sum().item::<f64>().unwrap();
            prop_assert!(off < if single { 1e-4 } else { 1e-10 }, "{}", off);
        }
    }

    #[test]
    fn remainders_have_the_sign_of_the_divisor(a in -50..50_i64, b in -9..9_i64, x in -9.0..9.0_f64, y in -3.0..3.0_f64) {
        if b != 0 {
            let found = Tensor::from([a]).remainder(b).unwrap();
            prop_assert_eq!(found, Tensor::from([a - b * (a as f64 / b as f64).floor() as i64]));
        }
        let found = Tensor::from([x]).remainder(&Tensor::from([y])).unwrap().item::<f64>().unwrap();
        prop_assert!(found == 0.0 || (found < 0.0) == (y < 0.0) && found.abs() <= y.abs());
        let turns = (x - found) / y;
        prop_assert!((turns - turns.round()).abs() < 1e-9);
    }
}

#[test]
fn equations_may_leave_out_the_arrow_and_have_an_ellipsis() -> Result<()> {
    let (a, b) = (values(&[2, 3, 4], 0.7), values(&[4, 5], 0.3));
    assert_eq!(Tensor::einsum("...i, ij", &a, &b)?, a.matmul(&b)?);
    assert_eq!(Tensor::einsum("bnm,mk->bnk", &a, &b)?, a.matmul(&b)?);
    assert_eq!(Tensor::einsum("ba,cb", &values(&[2, 3], 0.7), &values(&[4, 2], 0.3))?.shape(), &[3, 4]);
    assert_eq!(Tensor::einsum("...,...->...", &a, &values(&[3, 1], 0.2))?, a.mul(&values(&[3, 1], 0.2))?);
    assert_eq!(Tensor::einsum("i...,...->...", &a, &values(&[4], 0.2))?.shape(), &[3, 4]);
    assert_eq!(Tensor::einsum("...i,...i->", &a, &a)?.dim(), 0);
    assert_eq!(Tensor::einsum(",", &Tensor::from(2), &Tensor::from(3))?, Tensor::from(6));
    // A product of elements promotes, one of matrices does not.
    let ints = Tensor::from([1, 2]);
    assert_eq!(Tensor::einsum("i,i->i", &ints, &Tensor::from([0.5_f32, 2.0]))?, Tensor::from([0.5_f32, 4.0]));
    assert!(Tensor::einsum("i,i", &ints, &Tensor::from([0.5_f32, 2.0])).is_err());
    // Nothing is summed over nothing.
    assert_eq!(Tensor::einsum("ij,jk->ik", &zeros([2, 0])?, &zeros([0, 3])?)?, zeros([2, 3])?);
    for (equation, message) in [
        ("ij,jk,kl", "einsum: \"ij,jk,kl\" has not two operands, as \"ij,jk->ik\""),
        ("i1,j", "einsum: \"i1\" is not letters with one ellipsis at most"),
        ("ij,jk->iz", "einsum: 'z' in the result \"iz\" is in no operand, or there twice"),
        ("ij,jk->ii", "einsum: 'i' in the result \"ii\" is in no operand, or there twice"),
        ("i,jk", "einsum: expected a dimension for each name in \"i\", but got shape [2, 3]"),
        ("ij,kj", "einsum: expected size 3 in dimension 'j', as shape [2, 3] has, but got shape [3, 4]"),
        ("ii,jk", "einsum: expected equal sizes of the dimensions named 'i', but got shape [2, 3]"),
    ] {
        assert_eq!(text(Tensor::einsum(equation, &values(&[2, 3], 0.7), &values(&[3, 4], 0.7))), message);
    }
    Ok(())
}

#[test]
fn products_remainders_and_distances_are_twice_differentiable() -> Result<()> {
    for (equation, a, b) in [
        ("ij,jk->ki", &[2, 3][..], &[3, 2][..]),
        ("bij,bkj->bik", &[2, 2, 3], &[2, 2, 3]),
        ("ii,ij->j", &[2, 2], &[2, 3]),
        ("i,j", &[2], &[3]),
        ("ij,k->k", &[2, 2], &[3]),
        ("...i,i...->...", &[3, 2], &[2, 3]),
        ("ij,ij->i", &[1, 3], &[2, 3]),
    ] {
        check(|x| Tensor::einsum(equation, &x[0], &x[1]), &[leaf(a, 0.7), leaf(b, 1.1)])?;
    }
    check(|x| x[0].cumprod(1), &[leaf(&[2, 4], 0.9)])?;
    check(|x| x[0].cumprod(0), &[leaf(&[3, 2], 0.9)])?;
    for zeros in [[0.5, 0.0, 2.0, 3.0], [0.0, 0.0, 2.0, 0.0], [1.0, 2.0, 3.0, 0.0]] {
        check(|x| x[0].cumprod(-1), &[Tensor::from([zeros]).requires_grad_()?])?;
    }
    check(|x| x[0].cumprod(0), &[leaf(&[], 0.4)])?;
    let off_kinks = Tensor::from([0.3, -1.7, 2.2]).requires_grad_()?;
    check(|x| x[0].remainder(0.5), std::slice::from_ref(&off_kinks))?;
    check(
        |x| x[0].mul(&x[0])?.remainder(&x[1]),
        &[off_kinks, Tensor::from([[0.7], [-1.3]]).requires_grad_()?],
    )?;
    for p in [0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
        check(|x| x[0].cdist(&x[1], p), &[leaf(&[2, 3], 0.7), leaf(&[4, 3], 1.9)])?;
    }
    check(|x| x[0].cdist(&x[1], 2.0), &[leaf(&[2, 1, 2, 3], 0.7), leaf(&[3, 2, 3], 1.9)])
}

#[test]
fn running_products_of_integers_wrap_and_floats_stay_floats() -> Result<()> {
    assert_eq!(Tensor::from([true, true, false]).cumprod(0)?, Tensor::from([1, 1, 0]));
    assert_eq!(Tensor::from([i64::MAX, 2]).cumprod(0)?, Tensor::from([i64::MAX, -2]));
    assert_eq!(Tensor::from([0.5_f32, 4.0]).cumprod(0)?.dtype(), DType::F32);
    assert_eq!(zeros([2, 0])?.cumprod(1)?.shape(), &[2, 0]);
    assert_eq!(Tensor::from(3.0_f32).cumprod(-1)?, Tensor::from(3.0_f32));
    assert_eq!(
        text(zeros([2])?.cumprod(1)),
        "cumprod: dimension 1 is out of range for a tensor of 1 dimensions"
    );
    Ok(())
}

#[test]
fn remainders_at_the_edges() -> Result<()> {
    let inf = f64::INFINITY;
    let x = Tensor::from([-1.0, 1.0, 5.0, inf, 1.0, -0.0]);
    let found = x.remainder(&Tensor::from([inf, inf, -inf, 2.0, 0.0, 3.0]))?.to_vec::<f64>()?;
    assert_eq!(found[..3], [inf, 1.0, -inf]);
    assert!(found[3].is_nan() && found[4].is_nan() && found[5] == 0.0);
    assert_eq!(Tensor::from([i64::MIN]).remainder(-1)?, Tensor::from([0]));
    assert_eq!(Tensor::from([true, false]).remainder(2)?, Tensor::from([1, 0]));
    assert_eq!(text(Tensor::from([1]).remainder(0)), "remainder: integer division by zero");
    assert_eq!(text(Tensor::from([true]).remainder(true)), "remainder: expected numbers, but got bool");
    let (a, b) = (Tensor::from([7.5, -7.5]).requires_grad_()?, Tensor::from([2.0, 2.0]).requires_grad_()?);
    a.remainder(&b)?.sum().backward()?;
    assert_eq!((a.grad(), b.grad()), (Some(Tensor::from([1.0, 1.0])), Some(Tensor::from([-3.0, 4.0]))));
    Ok(())
}

#[test]
fn distances_of_equal_rows_have_no_slope_and_ties_all_of_it() -> Result<()> {
    for p in [0.0, 0.5, 1.0, 1.5, 2.0, 3.0, f64::INFINITY] {
        let x = Tensor::from([[1.0, -2.0]]).requires_grad_()?;
        x.cdist(&x.detach(), p)?.sum().backward()?;
        assert_eq!(x.grad(), Some(Tensor::from([[0.0, 0.0]])), "p = {p}");
    }
    let x = Tensor::from([[1.0, -1.0, 0.5]]).requires_grad_()?;
    x.cdist(&zeros([1, 3])?.to_dtype(DType::F64), f64::INFINITY)?.sum().backward()?;
    assert_eq!(x.grad(), Some(Tensor::from([[1.0, -1.0, 0.0]])));
    assert_eq!(Tensor::from([[1.0, 0.0]]).cdist(&Tensor::from([[0.0, 0.0]]), 0.0)?, Tensor::from([[1.0]]));
    assert_eq!(zeros([2, 0])?.cdist(&zeros([3, 0])?, f64::INFINITY)?, zeros([2, 3])?);
    assert_eq!(zeros([0, 2])?.cdist(&zeros([3, 2])?, 2.0)?.shape(), &[0, 3]);
    let x = zeros([2, 3])?;
    assert_eq!(
        text(x.cdist(&zeros([2, 2])?, 2.0)),
        "cdist: expected rows of 3 columns, as those of shape [2, 3], but got shape [2, 2]"
    );
    assert_eq!(
        text(x.cdist(&zeros([3])?, 2.0)),
        "cdist: expected rows, [.., rows, columns], but got shape [3]"
    );
    assert_eq!(text(x.cdist(&x, f64::NAN)), "cdist: p must be at least 0, but is NaN");
    assert_eq!(
        text(x.cdist(&x.to_dtype(DType::I64), 2.0)),
        "cdist: expected float32 or float64, but got int64"
    );
    Ok(())
}
