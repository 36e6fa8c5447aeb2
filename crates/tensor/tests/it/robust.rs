//! Whatever the arguments: a result or an error, never a panic.

use downhill_tensor::{Combine, DType, Operand, Result, Rounding, Slice, Tensor};
use proptest::prelude::*;

const DTYPES: [DType; 4] = [DType::Bool, DType::I64, DType::F32, DType::F64];

fn tensor() -> impl Strategy<Value = Tensor> {
    let element = prop_oneof![
        4 => -2_i64..4,
        1 => prop::sample::select(vec![i64::MIN, i64::MAX, i64::MIN + 1, 1 << 40]),
    ];
    let shape = prop::collection::vec(0_usize..4, 0..4);
    (shape, prop::collection::vec(element, 27), prop::sample::select(&DTYPES[..]), any::<(bool, bool)>())
        .prop_map(|(shape, values, dtype, (transposed, leaf))| {
            let n: usize = shape.iter().product();
            let x = Tensor::from_vec(values[..n].to_vec(), shape).unwrap().to_dtype(dtype);
            let x = if transposed && x.dim() > 1 { x.transpose(0, -1).unwrap() } else { x };
            if leaf { x.requires_grad_().unwrap_or(x) } else { x }
        })
}

fn int() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -4_i64..5, 1 => prop::sample::select(vec![i64::MIN, i64::MAX])]
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0_usize..5, 1 => Just(usize::MAX), 1 => Just(1 << 62)]
}

type Operation = fn(&[Tensor], &[i64], &[usize]) -> Result<Vec<Tensor>>;

fn one(x: Result<Tensor>) -> Result<Vec<Tensor>> {
    Ok(vec![x?])
}

fn pair(x: Result<(Tensor, Tensor)>) -> Result<Vec<Tensor>> {
    x.map(|(values, indices)| vec![values, indices])
}

fn operand(x: &[Tensor], i: &[i64]) -> Operand {
    match i[3] {
        3.. => i[0].into(),
        2 => (i[0] as f64).into(),
        _ => (&x[1]).into(),
    }
}

/// An operation by its number: every method that takes tensors, dimensions or sizes.
const OPERATIONS: &[(&str, Operation)] = &[
    ("add", |x, i, _| one(x[0].add(operand(x, i)))),
    ("sub", |x, i, _| one(x[0].sub(operand(x, i)))),
    ("mul", |x, i, _| one(x[0].mul(operand(x, i)))),
    ("div", |x, i, _| one(x[0].div(operand(x, i)))),
    ("add_scaled", |x, i, _| one(x[0].add_scaled(operand(x, i), i[1]))),
    ("sub_scaled", |x, i, _| one(x[0].sub_scaled(operand(x, i), i[1]))),
    ("div_rounded", |x, i, _| one(x[0].div_rounded(operand(x, i), Rounding::Floor))),
    ("div_rounded", |x, i, _| one(x[0].div_rounded(operand(x, i), Rounding::Trunc))),
    ("pow", |x, i, _| one(x[0].pow(operand(x, i)))),
    ("rpow", |x, i, _| one(x[0].rpow(i[0]))),
    ("eq", |x, i, _| one(x[0].eq(operand(x, i)))),
    ("lt", |x, i, _| one(x[0].lt(operand(x, i)))),
    ("maximum", |x, _, _| one(x[0].maximum(&x[1]))),
    ("minimum", |x, _, _| one(x[0].minimum(&x[1]))),
    ("where", |x, i, _| one(Tensor::where_(&x[0], &x[1], operand(&x[1..], i)))),
    ("masked_fill", |x, i, _| one(x[0].masked_fill(&x[2], operand(x, i)))),
    ("clamp", |x, i, _| one(x[0].clamp(operand(x, i), i[1]))),
    ("clamp_min", |x, i, _| one(x[0].clamp_min(operand(x, i)))),
    ("clamp_max", |x, i, _| one(x[0].clamp_max(operand(x, i)))),
    ("neg", |x, _, _| one(x[0].neg())),
    ("square", |x, _, _| Ok(vec![x[0].try_square()?, x[0].try_abs()?, x[0].try_sign()?, x[0].try_round()?])),
    ("isnan", |x, _, _| Ok(vec![x[0].try_isnan()?, x[0].try_isinf()?, x[0].try_logical_not()?])),
    ("like", |x, i, _| Ok(vec![x[0].try_zeros_like()?, x[0].try_full_like(i[0])?, x[0].try_contiguous()?])),
    ("exp", |x, _, _| Ok(vec![x[0].try_exp()?, x[0].try_log()?, x[0].try_erf()?, x[0].try_sigmoid()?])),
    ("round_decimals", |x, i, _| one(x[0].round_decimals(i[0] as i32))),
    ("sum", |x, i, _| one(x[0].sum_dim([i[0] as isize, i[1] as isize], i[2] > 0))),
    ("mean", |x, i, _| one(x[0].mean_dim(i[0] as isize, i[2] > 0))),
    ("prod", |x, i, _| one(x[0].prod_dim(i[0] as isize, i[2] > 0))),
    ("cumsum", |x, i, _| one(x[0].cumsum(i[0] as isize))),
    ("amax", |x, i, _| one(x[0].amax([i[0] as isize, i[1] as isize], i[2] > 0))),
    ("amin", |x, i, _| one(x[0].amin(i[0] as isize, i[2] > 0))),
    ("max", |x, i, _| pair(x[0].max_dim(i[0] as isize, i[2] > 0))),
    ("min", |x, i, _| pair(x[0].min_dim(i[0] as isize, i[2] > 0))),
    ("median", |x, i, _| pair(x[0].median_dim(i[0] as isize, i[2] > 0))),
    ("extremes", |x, _, _| Ok(vec![x[0].max()?, x[0].min()?, x[0].argmax(None, false)?, x[0].median()?])),
    ("argmin", |x, i, _| one(x[0].argmin(i[0] as isize, i[2] > 0))),
    ("var", |x, i, _| one(x[0].var_dim(i[0] as isize, i[1] as f64, i[2] > 0))),
    ("std", |x, i, _| one(x[0].std_dim(&i[..2], i[1] as f64, i[2] > 0))),
    ("norm", |x, i, _| one(x[0].norm_dim(i[1] as f64, i[0] as isize, i[2] > 0))),
    ("norm", |x, _, _| {
        Ok(vec![x[0].try_sum()?, x[0].try_prod()?, x[0].norm(f64::INFINITY)?, x[0].norm(0.0)?])
    }),
    ("logsumexp", |x, i, _| one(x[0].logsumexp(&i[..2], i[2] > 0))),
    ("softmax", |x, i, _| one(x[0].softmax(i[0] as isize))),
    ("log_softmax", |x, i, _| one(x[0].log_softmax(i[0] as isize))),
    ("matmul", |x, _, _| one(x[0].matmul(&x[1]))),
    ("mm", |x, _, _| one(x[0].mm(&x[1]))),
    ("bmm", |x, _, _| one(x[0].bmm(&x[1]))),
    ("mv", |x, _, _| one(x[0].mv(&x[1]))),
    ("dot", |x, _, _| one(x[0].dot(&x[1]))),
    ("addmm", |x, i, _| one(x[0].addmm(&x[1], &x[2], i[0], i[1]))),
    ("linear", |x, _, _| one(x[0].linear(&x[1], &x[2]))),
    ("tril", |x, i, _| one(x[0].tril(i[0]))),
    ("triu", |x, i, _| one(x[0].triu(i[0]))),
    ("reshape", |x, i, _| one(x[0].reshape(&i[..2]))),
    ("view", |x, i, _| one(x[0].view(&i[..3]))),
    ("flatten", |x, i, _| one(x[0].flatten(i[0] as isize, i[1] as isize))),
    ("transpose", |x, i, _| one(x[0].transpose(i[0] as isize, i[1] as isize))),
    ("permute", |x, i, _| one(x[0].permute(&i[..x[0].dim().min(3)]))),
    ("t", |x, _, _| one(x[0].t())),
    ("squeeze", |x, i, _| one(x[0].squeeze_dim(&i[..2]))),
    ("unsqueeze", |x, i, _| one(x[0].unsqueeze(i[0] as isize))),
    ("expand", |x, i, _| one(x[0].expand(&i[..3]))),
    ("narrow", |x, i, n| one(x[0].narrow(i[0] as isize, i[1], n[0]))),
    ("select", |x, i, _| one(x[0].select(i[0] as isize, i[1]))),
    ("slice", |x, i, n| one(x[0].slice((i[0]..i[1], Slice::from(i[2]..).step(n[0]))))),
    ("slice", |x, i, _| one(x[0].slice((i[0], ..=i[1], Slice::NewAxis, Slice::Ellipsis)))),
    ("index_select", |x, i, _| one(x[0].index_select(i[0] as isize, &x[1]))),
    ("gather", |x, i, _| one(x[0].gather(i[0] as isize, &x[1]))),
    ("scatter", |x, i, _| one(x[0].scatter(i[0] as isize, &x[1], operand(&x[1..], i)))),
    ("scatter_add", |x, i, _| one(x[0].scatter_add(i[0] as isize, &x[1], &x[2]))),
    ("scatter_add", |x, i, _| {
        one(x[0].scatter_combined(i[0] as isize, &x[1], operand(&x[1..], i), Combine::Add))
    }),
    ("scatter_multiply", |x, i, _| {
        one(x[0].scatter_combined(i[0] as isize, &x[1], operand(&x[1..], i), Combine::Multiply))
    }),
    ("index", |x, _, _| one(x[0].index([&x[1]]))),
    ("index", |x, _, _| one(x[0].index([&x[1], &x[2]]))),
    ("index", |x, _, _| one(x[0].index([Some(&x[1]), None, Some(&x[2])]))),
    ("masked_select", |x, _, _| one(x[0].masked_select(&x[1]))),
    ("nonzero", |x, _, _| one(x[0].try_nonzero())),
    ("one_hot", |x, _, n| one(x[0].clamp_max(9)?.one_hot(n[0].checked_sub(1)))),
    ("cat", |x, i, _| one(Tensor::cat(x, i[0] as isize))),
    ("stack", |x, i, _| one(Tensor::stack(&[&x[0], &x[0], &x[1]], i[0] as isize))),
    ("split", |x, i, n| x[0].split(n[0], i[0] as isize)),
    ("split", |x, i, n| x[0].split(&n[..2], i[0] as isize)),
    ("chunk", |x, i, n| x[0].chunk(n[0], i[0] as isize)),
    ("unbind", |x, i, _| x[0].unbind(i[0] as isize)),
    ("repeat", |x, _, n| one(x[0].repeat(&n[..3]))),
    ("repeat_interleave", |x, i, n| one(x[0].repeat_interleave(n[0], i[0] as isize))),
    ("flip", |x, i, _| one(x[0].flip(&i[..2]))),
    ("sort", |x, i, _| pair(x[0].sort(i[0] as isize, i[1] > 0))),
    ("topk", |x, i, n| pair(x[0].topk(n[0], i[0] as isize, i[1] > 0))),
    ("print", |x, _, _| Ok(vec![Tensor::from(x[0].to_string().len())])),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 4_000 } else { 20_000 }, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_operation_panics(
        which in 0..OPERATIONS.len(),
        x in prop::collection::vec(tensor(), 3),
        i in prop::collection::vec(int(), 4),
        n in prop::collection::vec(size(), 3),
    ) {
        let (_, operation) = OPERATIONS[which];
        let Ok(results) = operation(&x, &i, &n) else { return Ok(()) };
        for y in results.iter().filter(|y| y.requires_grad()) {
            let Err(error) = y.backward_with(&y.detach().ones_like()) else { continue };
            // Parts of one tensor share its history; products with what is there have no derivative.
            let text = error.to_string();
            prop_assert!(text.contains("has been freed") || text.contains("has no derivative"), "{}", text);
        }
        for x in x.iter().filter(|x| x.is_leaf()) {
            prop_assert!(x.grad().is_none_or(|g| g.shape() == x.shape() && g.dtype() == x.dtype()));
        }
    }
}

/// Sizes of which one is enough for a tensor that no memory holds, and some that fit no number.
fn huge() -> impl Strategy<Value = usize> {
    let near = (42_u32..64, -1_isize..2).prop_map(|(bits, off)| (1_usize << bits).wrapping_add_signed(off));
    prop_oneof![near, Just(usize::MAX), Just((1 << 62) + 1024), Just((1 << 57) + (1 << 5))]
}

/// A view that repeats a few elements, or a tensor without elements beside a huge dimension.
fn huge_tensor() -> impl Strategy<Value = Option<Tensor>> {
    let size = || prop_oneof![3 => 0_usize..4, 2 => huge()];
    let order = prop::sample::select(vec![[0, 1, 2], [2, 1, 0], [1, 2, 0]]);
    (tensor(), prop::collection::vec(size(), 3), order, any::<bool>()).prop_map(|(x, sizes, order, leaf)| {
        let mut shape = [1; 3];
        // Dimensions of size 1 grow; those of other sizes stay.
        for (d, &size) in x.shape().iter().rev().enumerate() {
            shape[2 - d] = size;
        }
        shape.iter_mut().zip(&sizes).filter(|(d, _)| **d == 1).for_each(|(d, &size)| *d = size);
        let x = x.reshape(&x.shape()[x.dim().saturating_sub(3)..]).ok()?;
        let x = x.expand(shape).ok()?.permute(order).unwrap();
        Some(if leaf { x.requires_grad_().unwrap_or(x) } else { x })
    })
}

/// The elements that a shape has, if its bytes fit a number.
fn elements(shape: &[usize]) -> Option<usize> {
    let all = shape.iter().try_fold(8_usize, |n, &d| n.checked_mul(d.max(1)));
    all.filter(|&n| isize::try_from(n).is_ok()).map(|_| shape.iter().product())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(debug_assertions) { 4_000 } else { 20_000 }, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn huge_sizes_are_errors_or_give_shapes_that_are_as_large_as_they_say(
        which in 0..OPERATIONS.len(),
        x in prop::collection::vec(huge_tensor(), 3),
        small in tensor(),
        i in prop::collection::vec(int(), 4),
        n in prop::collection::vec(prop_oneof![size(), huge()], 3),
    ) {
        let (_, operation) = OPERATIONS[which];
        let x: Vec<Tensor> = x.into_iter().map(|x| x.unwrap_or_else(|| small.clone())).collect();
        for x in &x {
            prop_assert_eq!(Some(x.numel()), elements(x.shape()));
        }
        let Ok(results) = operation(&x, &i, &n) else { return Ok(()) };
        for y in &results {
            prop_assert_eq!(Some(y.numel()), elements(y.shape()));
            prop_assert!(y.to_string().len() < 1 << 20);
            if y.requires_grad() {
                let _ = y.backward_with(&Tensor::from(1.0).to_dtype(y.dtype()).expand(y.shape()).unwrap());
            }
        }
    }

    #[test]
    fn constructors_take_any_sizes(sizes in prop::collection::vec(prop_oneof![0_usize..4, huge()], 0..5)) {
        let results = [
            downhill_tensor::zeros(&sizes[..]),
            downhill_tensor::full(&sizes[..], true),
            downhill_tensor::rand(&sizes[..]),
            Tensor::build(&sizes[..], |out: &mut [i64]| out.fill(1)),
            Tensor::from_vec(Vec::<f64>::new(), &sizes[..]),
            Tensor::from(1).expand(&sizes[..]),
            Tensor::from(1).reshape(&sizes[..]),
        ];
        for y in results.into_iter().flatten() {
            prop_assert!(y.shape()[..] == sizes[..] && Some(y.numel()) == elements(&sizes));
        }
    }
}
