//! Operations and losses on tensors that are large enough to be shared among threads: the same bits for one thread and for three.

use super::{Call, Case, Draw, losses::losses, operations::operations};
use downhill::autograd::{GradOptions, grad_with};
use downhill::{DType, Result, Tensor};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::LazyLock;

static POOLS: LazyLock<[ThreadPool; 2]> =
    LazyLock::new(|| [1, 3].map(|n| ThreadPoolBuilder::new().num_threads(n).build().expect("threads")));

/// Elements of a result that a program goes on with, and of one that is differentiated twice.
const MOST: usize = 1 << 18;

/// Of some 70,000 elements, more than one thread takes alone; now and then of few. No two sizes have a large product: there are
/// operations on all pairs.
fn shape(d: &mut Draw<'_>) -> Vec<usize> {
    match d.byte() % 8 {
        0 => d.shape(),
        1 => vec![70_001],
        2 => vec![64, 1100],
        3 => vec![1100, 64],
        4 => vec![41, 43, 40],
        _ => vec![257, 273],
    }
}

/// What is computed of all pairs, of a vector alone too many.
const PAIRS: [&str; 6] = ["einsum", "multilabel_margin", "cdist", "index", "outer", "diag"];

/// Ten numbers that are drawn, some of them absurd, among many that are not.
fn tensor(d: &mut Draw<'_>, shape: &[usize]) -> Tensor {
    let (dtype, leaf) = (d.of(&[DType::F32, DType::F32, DType::F64, DType::I64, DType::Bool]), d.flag());
    let drawn: Vec<_> = (0..10).map(|_| d.number()).collect();
    let mut state = u64::from(d.byte()) << 8 | 1;
    let values = (0..shape.iter().product()).map(|_| {
        // Knuth's multipliers; the high bits are the random ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = (state >> 40) as f64 / f64::from(1 << 22) - 2.0;
        if state >> 52 < 10 { drawn[(state >> 52) as usize] } else { number }
    });
    let x = Tensor::from_vec::<f64>(values.collect(), shape).expect("as many").to_dtype(dtype);
    if leaf && dtype.is_float() { x.requires_grad_().expect("a float") } else { x }
}

fn case(d: &mut Draw<'_>) -> Case {
    let shape = shape(d);
    let a = tensor(d, &shape);
    let [b, c] = [(); 2].map(|()| {
        let shape = d.like(&shape);
        tensor(d, &shape)
    });
    Case::of(d, [a, b, c])
}

/// What draws its parameters anew each time, from the generator that is everybody's.
const DRAWN: [&str; 4] = ["adaptive", "linear_cross_entropy_layer", "dropout", "embedding_"];

/// The result of a call, and its first and second derivatives; nothing of one that is refused.
fn compute(case: &Case, call: Call) -> Vec<Tensor> {
    let leaves: Vec<_> = [&case.a, &case.b, &case.c].into_iter().filter(|x| x.requires_grad()).collect();
    let mut all = call(case).unwrap_or_default();
    all.retain(|y| y.numel() <= MOST);
    let slopes = |y: &Tensor, create_graph: bool| -> Result<Vec<Tensor>> {
        let options = GradOptions { retain_graph: true, create_graph, allow_unused: true };
        Ok(grad_with(&[(y, Some(&y.try_ones_like()?))], &leaves, options)?.into_iter().flatten().collect())
    };
    for y in all.clone().iter().filter(|y| y.requires_grad() && !leaves.is_empty()).take(3) {
        all.extend(slopes(y, false).unwrap_or_default());
        for g in slopes(y, true).unwrap_or_default() {
            if g.requires_grad() {
                all.extend(slopes(&g, false).unwrap_or_default());
            }
            all.push(g);
        }
    }
    all
}

/// The bits of its elements; of NaN only that it is one, whose bits the order of operands decides.
fn bits(x: &Tensor) -> Vec<u64> {
    let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
    match x.dtype() {
        DType::I64 => x.to_vec::<i64>().expect("integers").into_iter().map(i64::cast_unsigned).collect(),
        DType::F32 | DType::F64 | DType::Bool => {
            x.to_dtype(DType::F64).to_vec::<f64>().expect("numbers").into_iter().map(bits).collect()
        }
    }
}

/// A few calls, each alone.
pub(crate) fn run(bytes: &[u8]) {
    let mut d = Draw(bytes);
    let case = case(&mut d);
    let calls = operations().into_iter().chain(losses());
    let calls: Vec<_> =
        calls.filter(|(name, _)| !DRAWN.iter().any(|drawn| name.starts_with(drawn))).collect();
    for _ in 0..=d.below(4) {
        let (name, call) = d.of(&calls);
        if case.a.dim() == 1 && PAIRS.iter().any(|pairs| name.starts_with(pairs)) {
            continue;
        }
        let [one, three] = POOLS.each_ref().map(|pool| pool.install(|| compute(&case, call)));
        assert_eq!(one.len(), three.len(), "{name}: other results on three threads");
        for (i, (a, b)) in one.iter().zip(&three).enumerate() {
            assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{name}");
            assert!(bits(a) == bits(b), "{name}: result {i} has other bits on three threads");
        }
    }
}
