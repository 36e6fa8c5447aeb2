//! Random shapes, dtypes, values and options thrown at every operation and loss: an error or a sound result, never a
//! panic. A result is sound if its shape is right, it prints, and its gradients have the shapes of the inputs.

use downhill::nn::*;
use downhill::prelude::{DType, Tensor};
use downhill::{Error, Operand, Result, Rounding, Shape};
use proptest::prelude::*;

/// What the operations are called with.
#[derive(Clone, Debug)]
struct Case {
    a: Tensor,
    b: Tensor,
    c: Tensor,
    dim: isize,
    dims: Vec<isize>,
    sizes: Vec<i64>,
    count: usize,
    at: i64,
    x: f64,
    y: f64,
    flag: bool,
}

fn numbers() -> impl Strategy<Value = f64> {
    let special =
        [0.0, -0.0, 1.0, -1.0, 0.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, -1e-300, 100.0];
    prop_oneof![4 => -3.0..3.0_f64, 1 => proptest::sample::select(special.to_vec())]
}

/// A leaf, a constant, or a view of one; small indices among the integers.
fn tensor() -> impl Strategy<Value = Tensor> {
    let shape = proptest::collection::vec(prop_oneof![4 => 1..4_usize, 1 => Just(0)], 0..4);
    (shape, 0..4_usize, proptest::collection::vec(numbers(), 64), any::<bool>(), any::<bool>()).prop_map(
        |(shape, dtype, values, turned, leaf)| {
            let n: usize = shape.iter().product();
            let x = Tensor::from_vec(values[..n].to_vec(), &shape).unwrap();
            let x = x.to_dtype([DType::F32, DType::F64, DType::I64, DType::Bool][dtype]);
            let x = if turned && shape.len() > 1 { x.transpose(0, -1).unwrap() } else { x };
            if leaf && x.dtype().is_float() { x.requires_grad_().unwrap() } else { x }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let tensors = (tensor(), tensor(), tensor(), any::<bool>());
    let places = (
        -5..5_isize,
        proptest::collection::vec(-4..4_isize, 0..4),
        proptest::collection::vec(-2..7_i64, 0..4),
    );
    (tensors, places, 0..6_usize, -6..6_i64, numbers(), numbers(), any::<bool>()).prop_map(
        |((a, b, c, alike), (dim, dims, sizes), count, at, x, y, flag)| {
            // Shapes that agree get further than those that do not.
            let [b, c] = if alike { [b, c].map(|o| fit(&o, &a)) } else { [b, c] };
            Case { a, b, c, dim, dims, sizes, count, at, x, y, flag }
        },
    )
}

/// `x`'s dtype and values in the shape of `like`.
fn fit(x: &Tensor, like: &Tensor) -> Tensor {
    let values = x.detach().to_dtype(DType::F64).to_vec::<f64>().unwrap();
    let filled =
        (0..like.numel()).map(|i| values.get(i % values.len().max(1)).copied().unwrap_or(0.5)).collect();
    Tensor::from_vec::<f64>(filled, like.shape()).unwrap().to_dtype(x.dtype())
}

type Call = fn(&Case) -> Result<Vec<Tensor>>;

/// `name => expression in c`, a tensor or a result of one.
macro_rules! calls {
    (|$c:ident| $($name:ident: $call:expr;)*) => {
        [$((stringify!($name), (|$c: &Case| Ok(vec![$call])) as Call)),*]
    };
}

fn operations() -> Vec<(&'static str, Call)> {
    let one = calls!(|c|
        add: c.a.add(&c.b)?; sub: c.a.sub(&c.b)?; mul: c.a.mul(&c.b)?; div: c.a.div(&c.b)?;
        add_number: c.a.add(c.x)?; sub_int: c.a.sub(c.at)?; mul_bool: c.a.mul(c.flag)?; div_number: c.a.div(c.x)?;
        add_scaled: c.a.add_scaled(&c.b, c.x)?; sub_scaled: c.a.sub_scaled(&c.b, c.at)?;
        div_trunc: c.a.div_rounded(&c.b, Rounding::Trunc)?; div_floor: c.a.div_rounded(&c.b, Rounding::Floor)?;
        pow: c.a.pow(&c.b)?; pow_number: c.a.pow(c.x)?; pow_int: c.a.pow(c.at)?; rpow: c.a.rpow(c.x)?;
        maximum: c.a.maximum(&c.b)?; minimum: c.a.minimum(&c.b)?;
        eq: c.a.eq(&c.b)?; ne: c.a.ne(&c.b)?; lt: c.a.lt(c.x)?; le: c.a.le(&c.b)?; gt: c.a.gt(&c.b)?; ge: c.a.ge(c.at)?;
        where_: Tensor::where_(&c.c, &c.a, &c.b)?; where_number: Tensor::where_(&c.a.gt(0)?, &c.b, c.x)?;
        masked_fill: c.a.masked_fill(&c.b, c.x)?; masked_fill_tensor: c.a.masked_fill(&c.b.gt(0)?, &c.c)?;
        clamp: c.a.clamp(c.x, c.y)?; clamp_tensors: c.a.clamp(&c.b, &c.c)?; clamp_min: c.a.clamp_min(&c.b)?;
        clamp_max: c.a.clamp_max(c.at)?; isnan: c.a.isnan(); isinf: c.a.isinf(); logical_not: c.a.logical_not();
        neg: c.a.neg()?; abs: c.a.abs(); square: c.a.square(); sign: c.a.sign(); floor: c.a.floor(); ceil: c.a.ceil();
        round: c.a.round(); round_decimals: c.a.round_decimals(c.at as i32)?; trunc: c.a.trunc();
        reciprocal: c.a.reciprocal(); exp: c.a.exp(); expm1: c.a.expm1(); log: c.a.log(); log1p: c.a.log1p();
        log2: c.a.log2(); sqrt: c.a.sqrt(); rsqrt: c.a.rsqrt(); sin: c.a.sin(); cos: c.a.cos(); tanh: c.a.tanh();
        sigmoid: c.a.sigmoid(); erf: c.a.erf(); relu: c.a.relu(); log_sigmoid: c.a.log_sigmoid();
        sum: c.a.sum(); sum_dim: c.a.sum_dim(&c.dims[..], c.flag)?; mean: c.a.mean()?;
        mean_dim: c.a.mean_dim(&c.dims[..], c.flag)?; prod: c.a.prod(); prod_dim: c.a.prod_dim(c.dim, c.flag)?;
        max: c.a.max()?; min: c.a.min()?; amax: c.a.amax(&c.dims[..], c.flag)?; amin: c.a.amin(&c.dims[..], c.flag)?;
        argmax: c.a.argmax(c.dim, c.flag)?; argmin: c.a.argmin(None, c.flag)?; median: c.a.median()?;
        var: c.a.var()?; var_dim: c.a.var_dim(&c.dims[..], c.x, c.flag)?; std: c.a.std()?;
        std_dim: c.a.std_dim(&c.dims[..], 1.0, c.flag)?; norm: c.a.norm(c.x)?;
        norm_dim: c.a.norm_dim(c.x, &c.dims[..], c.flag)?; logsumexp: c.a.logsumexp(&c.dims[..], c.flag)?;
        cumsum: c.a.cumsum(c.dim)?; softmax: c.a.softmax(c.dim)?; log_softmax: c.a.log_softmax(c.dim)?;
        mm: c.a.mm(&c.b)?; mm_t: c.a.mm(&c.a.t()?)?; bmm: c.a.bmm(&c.b)?; mv: c.a.mv(&c.b)?; dot: c.a.dot(&c.b)?;
        matmul: c.a.matmul(&c.b)?; matmul_t: c.a.matmul(&c.a.transpose(-1, -2)?)?;
        addmm: c.a.addmm(&c.b, &c.c, c.x, c.y)?; addmm_t: c.c.addmm(&c.a, &c.a.t()?, c.at, 1)?;
        linear: c.a.linear(&c.b, &c.c)?;
        tril: c.a.tril(c.at)?; triu: c.a.triu(c.at)?;
        reshape: c.a.reshape(&c.sizes[..])?; view: c.a.view(&c.sizes[..])?; flatten: c.a.flatten(c.dim, c.at as isize)?;
        transpose: c.a.transpose(c.dim, c.at as isize)?; t: c.a.t()?; permute: c.a.permute(&c.dims[..])?;
        squeeze: c.a.squeeze(); squeeze_dim: c.a.squeeze_dim(&c.dims[..])?; unsqueeze: c.a.unsqueeze(c.dim)?;
        expand: c.a.expand(&c.sizes[..])?; broadcast_to: c.a.broadcast_to(&c.sizes[..])?;
        narrow: c.a.narrow(c.dim, c.at, c.count)?; select: c.a.select(c.dim, c.at)?; contiguous: c.a.contiguous();
        to_int: c.a.to_dtype(DType::I64); to_f64: c.a.to_dtype(DType::F64); to_bool: c.a.to_dtype(DType::Bool);
        cat: Tensor::cat(&[&c.a, &c.b, &c.c], c.dim)?; stack: Tensor::stack(&[&c.a, &c.b], c.dim)?;
        repeat_interleave: c.a.repeat_interleave(c.count, c.dim)?; flip: c.a.flip(&c.dims[..])?;
        repeat: c.a.repeat(&[c.count, 2])?;
        index_select: c.a.index_select(c.dim, &c.b)?; gather: c.a.gather(c.dim, &c.b)?;
        gather_small: c.a.gather(c.dim, &c.b.to_dtype(DType::Bool).to_dtype(DType::I64))?;
        scatter: c.a.scatter(c.dim, &c.b, &c.c)?; scatter_number: c.a.scatter(c.dim, &c.b.ones_like(), c.x)?;
        scatter_add: c.a.scatter_add(c.dim, &c.b.to_dtype(DType::Bool).to_dtype(DType::I64), &c.c)?;
        masked_select: c.a.masked_select(&c.b)?; masked_select_some: c.a.masked_select(&c.b.gt(0)?)?;
        nonzero: c.a.nonzero(); one_hot: c.a.clamp(-1, 5)?.one_hot(c.count)?;
        index: c.a.index([&c.b, &c.c])?; argsort: c.a.argsort(c.dim, c.flag)?;
        zeros_like: c.a.zeros_like(); full_like: c.a.full_like(c.x); detach: c.a.detach();
    );
    let several: [(&str, Call); 9] = [
        ("max_dim", |c| c.a.max_dim(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("min_dim", |c| c.a.min_dim(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("median_dim", |c| c.a.median_dim(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("sort", |c| c.a.sort(c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("topk", |c| c.a.topk(c.count, c.dim, c.flag).map(|(v, i)| vec![v, i])),
        ("split", |c| c.a.split(c.count, c.dim)),
        ("chunk", |c| c.a.chunk(c.count, c.dim)),
        ("unbind", |c| c.a.unbind(c.dim)),
        ("iter", |c| if c.a.dim() == 0 { Ok(vec![]) } else { Ok(c.a.iter().collect()) }),
    ];
    one.into_iter().chain(several).collect()
}

fn reduction(c: &Case) -> Reduction {
    [Reduction::None, Reduction::Mean, Reduction::Sum][c.count % 3]
}

fn losses() -> Vec<(&'static str, Call)> {
    calls!(|c|
        cross_entropy: CrossEntropyLoss {
            weight: c.flag.then(|| c.c.detach()), ignore_index: c.at, label_smoothing: c.x, reduction: reduction(c), z_loss: c.x,
        }.forward(&c.a, &c.b)?;
        cross_entropy_plain: CrossEntropyLoss { reduction: reduction(c), ..Default::default() }
            .forward(&c.a, &c.b.to_dtype(DType::Bool).to_dtype(DType::I64))?;
        cross_entropy_smooth: CrossEntropyLoss { label_smoothing: 0.1, ..Default::default() }
            .forward(&c.a, &c.a.argmax(1.min(c.a.dim() as isize - 1), false)?)?;
        nll: NLLLoss { weight: c.flag.then(|| c.c.clone()), ignore_index: c.at, reduction: reduction(c) }
            .forward(&c.a, &c.b)?;
        bce: BCELoss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c) }.forward(&c.a, &c.b)?;
        bce_unit: BCELoss { weight: None, reduction: reduction(c) }
            .forward(&c.a.sigmoid(), &c.b.to_dtype(c.a.dtype()).sigmoid())?;
        bce_with_logits: BCEWithLogitsLoss {
            weight: c.flag.then(|| c.c.clone()), reduction: reduction(c), pos_weight: (!c.flag).then(|| c.c.clone()),
        }.forward(&c.a, &c.b)?;
        mse: MSELoss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c) }.forward(&c.a, &c.b)?;
        l1: L1Loss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c) }.forward(&c.a, &c.b)?;
        smooth_l1: SmoothL1Loss { reduction: reduction(c), beta: c.x }.forward(&c.a, &c.b)?;
        huber: HuberLoss { weight: c.flag.then(|| c.c.clone()), reduction: reduction(c), delta: c.x }
            .forward(&c.a, &c.b)?;
        kl_div: KLDivLoss { log_target: c.flag, ..Default::default() }.forward(&c.a, &c.b)?;
        kl_div_batch: KLDivLoss { reduction: KLDivReduction::BatchMean, log_target: c.flag }.forward(&c.a, &c.b)?;
        poisson: PoissonNLLLoss { full: c.flag, eps: c.x, log_input: c.count > 2, reduction: reduction(c) }
            .forward(&c.a, &c.b)?;
        gaussian: GaussianNLLLoss { full: c.flag, eps: c.x, reduction: reduction(c) }.forward(&c.a, &c.b, &c.c)?;
        gaussian_positive: GaussianNLLLoss { reduction: reduction(c), ..Default::default() }
            .forward(&c.a, &c.b, &c.c.square())?;
        hinge_embedding: HingeEmbeddingLoss { margin: c.x, reduction: reduction(c) }.forward(&c.a, &c.b)?;
        soft_margin: SoftMarginLoss { reduction: reduction(c) }.forward(&c.a, &c.b)?;
        multi_margin: MultiMarginLoss {
            p: c.count as f64, margin: c.x, weight: c.flag.then(|| c.c.detach()), reduction: reduction(c),
        }.forward(&c.a, &c.b)?;
        multi_margin_plain: MultiMarginLoss { reduction: reduction(c), ..Default::default() }
            .forward(&c.a, &c.a.argmax(-1, false)?)?;
        multilabel_margin: MultiLabelMarginLoss { reduction: reduction(c) }.forward(&c.a, &c.b)?;
        multilabel_margin_plain: MultiLabelMarginLoss { reduction: reduction(c) }
            .forward(&c.a, &c.b.sign().to_dtype(DType::I64).clamp(-1, 0)?)?;
        multilabel_soft_margin: MultiLabelSoftMarginLoss {
            weight: c.flag.then(|| c.c.clone()), reduction: reduction(c),
        }.forward(&c.a, &c.b)?;
        cosine_embedding: CosineEmbeddingLoss { margin: c.x, reduction: reduction(c) }.forward(&c.a, &c.b, &c.c)?;
        cosine_embedding_plain: CosineEmbeddingLoss { margin: c.x, reduction: reduction(c) }
            .forward(&c.a, &c.b, &c.a.argmax(-1, false)?)?;
        margin_ranking: MarginRankingLoss { margin: c.x, reduction: reduction(c) }.forward(&c.a, &c.b, &c.c)?;
    )
    .into()
}

/// Sound, or an error with a message.
fn check(name: &str, case: &Case, result: Result<Vec<Tensor>>) {
    let results = match result {
        Ok(results) => results,
        Err(error) => return assert!(error.to_string().contains(": "), "{name}: {error}"),
    };
    for y in results {
        let elements = y.to_dtype(DType::F64).contiguous().as_slice::<f64>().unwrap().len();
        assert_eq!(elements, y.shape().iter().product::<usize>(), "{name}");
        assert!(y.to_string().starts_with("tensor("), "{name}");
        if !y.requires_grad() {
            continue;
        }
        for x in [&case.a, &case.b, &case.c] {
            if x.requires_grad() {
                x.set_grad(None).unwrap();
            }
        }
        y.backward_with(&y.ones_like()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for x in [&case.a, &case.b, &case.c] {
            if let Some(g) = x.grad() {
                assert_eq!((g.shape(), g.dtype()), (x.shape(), x.dtype()), "{name}");
            }
        }
    }
}

/// The shape of an element-by-element operation of `a` and `b`.
fn check_shape(name: &str, case: &Case, result: &Result<Vec<Tensor>>) {
    let of_two = ["add", "sub", "mul", "div", "pow", "maximum", "minimum", "eq", "ne", "le", "gt"];
    let of_one = ["exp", "log", "sigmoid", "tanh", "abs", "softmax", "log_softmax", "cumsum", "tril", "flip"];
    let expected = if of_two.contains(&name) {
        Shape::broadcast("test", case.a.shape(), case.b.shape())
    } else if of_one.contains(&name) {
        Ok(*case.a.shape())
    } else {
        return;
    };
    match (result, expected) {
        (Ok(y), expected) => assert_eq!(Ok(*y[0].shape()), expected, "{name}"),
        (Err(Error::Broadcast { .. }), expected) => assert!(expected.is_err(), "{name}"),
        (Err(_), _) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_operation_refuses_or_computes(case in case()) {
        for (name, call) in operations() {
            let result = std::panic::catch_unwind(|| call(&case));
            let result = result.unwrap_or_else(|_| panic!("{name} panicked"));
            check_shape(name, &case, &result);
            check(name, &case, result);
        }
        // Numbers convert to operands of every kind.
        let _ = [Operand::from(case.x), Operand::from(case.at), Operand::from(case.flag)];
    }

    #[test]
    fn every_loss_refuses_or_computes(case in case()) {
        for (name, call) in losses() {
            let result = std::panic::catch_unwind(|| call(&case));
            check(name, &case, result.unwrap_or_else(|_| panic!("{name} panicked")));
        }
    }
}
