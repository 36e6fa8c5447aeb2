//! The linear cross-entropy against a linear layer followed by a cross-entropy.

use downhill_nn::functional::linear_cross_entropy;
use downhill_nn::{
    CrossEntropyLoss, LinearCrossEntropyLoss, LinearCrossEntropyOptions, Loss, Module, Parameter, Reduction,
    StateDict,
};
use downhill_tensor::autograd::{GradOptions, grad_with};
use downhill_tensor::{DType, Result, Tensor, check, no_grad};
use proptest::prelude::*;

type Options = LinearCrossEntropyOptions;

/// Numbers without a pattern, between −1 and 1.
fn noise(shape: &[usize], k: f64) -> Tensor {
    let n: usize = shape.iter().product();
    let values: Vec<f64> = (0..n).map(|i| ((i as f64 + 0.7) * k).sin()).collect();
    Tensor::from_vec(values, shape).unwrap()
}

/// All logits at once.
fn definition(
    x: &Tensor,
    w: &Tensor,
    target: &Tensor,
    bias: Option<&Tensor>,
    options: &Options,
) -> Result<Tensor> {
    let (classes, features) = (w.size(0)?, w.size(-1)?);
    let rows = x.numel() / features;
    let outputs = w.numel() / features / classes;
    let mut logits = x.reshape([rows, features])?.matmul(&w.reshape([-1, features as isize])?.t()?)?;
    if let Some(bias) = bias {
        logits = logits.add(&bias.reshape([-1])?)?;
    }
    let logits = logits.reshape([rows, classes, outputs])?;
    let dense = target.dtype().is_float();
    let shape = if dense { vec![rows, classes, outputs] } else { vec![rows, outputs] };
    let loss = CrossEntropyLoss {
        weight: options.weight.clone(),
        ignore_index: options.ignore_index.unwrap_or(-100),
        label_smoothing: options.label_smoothing,
        reduction: options.reduction,
        z_loss: options.z_loss,
    };
    let loss = loss.forward(&logits, &target.reshape(&shape[..])?)?;
    if options.reduction != Reduction::None {
        return Ok(loss);
    }
    let mut shape = x.shape()[..x.dim() - 1].to_vec();
    shape.extend(&w.shape()[1..w.dim() - 1]);
    loss.reshape(&shape[..])
}

/// A loss and its arguments.
#[derive(Clone, Debug)]
struct Case {
    x: Tensor,
    w: Tensor,
    bias: Option<Tensor>,
    target: Tensor,
    options: Options,
}

impl Case {
    /// `rows × features` with `outputs` targets a row; of class indices every fourth is ignored.
    fn new(
        [rows, features, classes, outputs]: [usize; 4],
        dense: bool,
        bias: bool,
        options: Options,
    ) -> Self {
        let (scores, targets) = if outputs == 1 {
            (vec![classes], vec![rows])
        } else {
            (vec![classes, outputs], vec![rows, outputs])
        };
        let ignore = options.ignore_index.unwrap_or(-100);
        let class = |i: usize| if i % 4 == 3 { ignore } else { (i * 7 % classes) as i64 };
        let target = if dense {
            let probabilities = noise(&[rows, classes, outputs], 0.37).softmax(1).unwrap();
            let shape = [&[rows], &scores[..]].concat();
            probabilities.reshape(&shape[..]).unwrap().requires_grad_().unwrap()
        } else {
            Tensor::from_vec((0..rows * outputs).map(class).collect(), &targets[..]).unwrap()
        };
        let leaf = |shape: &[usize], k, scale| noise(shape, k).mul(scale).unwrap().requires_grad_().unwrap();
        Self {
            x: leaf(&[rows, features], 1.3, 2.0),
            w: leaf(&[&scores[..], &[features]].concat(), 0.71, 1.0),
            bias: bias.then(|| leaf(&scores, 2.9, 1.0)),
            target,
            options,
        }
    }

    fn inputs(&self) -> Vec<Tensor> {
        let mut inputs = vec![self.x.clone(), self.w.clone()];
        inputs.extend(self.bias.clone());
        inputs.extend(self.target.requires_grad().then(|| self.target.clone()));
        inputs
    }

    fn call(&self, f: Function, inputs: &[Tensor]) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(|_| &inputs[2]);
        let target = if self.target.requires_grad() { &inputs[inputs.len() - 1] } else { &self.target };
        f(&inputs[0], &inputs[1], target, bias, &self.options)
    }

    fn check(&self) -> Result<()> {
        let f = |x: &[Tensor]| self.call(linear_cross_entropy, x);
        check::fused(f, |x| self.call(definition, x), &self.inputs(), 1e-11)
    }

    /// The loss and the gradients for an upstream gradient of this.
    fn all(&self, upstream: f64) -> Result<Vec<Tensor>> {
        let inputs: Vec<Tensor> =
            self.inputs().iter().map(|x| x.detach().requires_grad_()).collect::<Result<_>>()?;
        let loss = self.call(linear_cross_entropy, &inputs)?;
        let g = loss.ones_like().mul(upstream)?;
        let mut all =
            grad_with(&[(&loss, Some(&g))], &inputs.iter().collect::<Vec<_>>(), GradOptions::default())?
                .into_iter()
                .collect::<Option<Vec<_>>>()
                .expect("every input has a gradient");
        all.push(loss.detach());
        Ok(all)
    }

    fn to_f32(&self) -> Result<Self> {
        let leaf = |x: &Tensor| x.detach().to_dtype(DType::F32).requires_grad_();
        Ok(Self {
            x: leaf(&self.x)?,
            w: leaf(&self.w)?,
            bias: self.bias.as_ref().map(leaf).transpose()?,
            target: if self.target.dtype().is_float() { leaf(&self.target)? } else { self.target.clone() },
            options: Options {
                weight: self.options.weight.as_ref().map(|w| w.to_dtype(DType::F32)),
                ..self.options.clone()
            },
        })
    }
}

type Function = fn(&Tensor, &Tensor, &Tensor, Option<&Tensor>, &Options) -> Result<Tensor>;

const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

/// The furthest that two results are apart, in units of the largest entry of `b` or of 1.
fn distance(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.to_dtype(DType::F64), b.to_dtype(DType::F64));
    let most = |x: &Tensor| x.to_vec::<f64>().unwrap().iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    most(&a.sub(&b).unwrap()) / most(&b).max(1.0)
}

#[test]
fn every_combination_of_options_equals_the_definition_and_can_be_differentiated_twice() -> Result<()> {
    for reduction in REDUCTIONS {
        for choice in 0..64 {
            let on = |bit: usize| choice >> bit & 1 == 1;
            let (dense, outputs) = (on(0), if on(1) { 2 } else { 1 });
            let options = Options {
                weight: on(2).then(|| noise(&[4], 0.9).abs()),
                reduction,
                ignore_index: (!dense && on(3)).then_some(1),
                label_smoothing: if on(4) { 0.3 } else { 0.0 },
                z_loss: if on(3) { 0.01 } else { 0.0 },
                ..Default::default()
            };
            Case::new([5, 3, 4, outputs], dense, on(5), options).check()?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Blocks of one row up to all, kept or computed twice, tiles and groups of every size.
    #[test]
    fn any_cut_gives_the_same(
        rows in 1..150_usize, features in 1..9_usize, classes in 1..700_usize, outputs in 1..3_usize,
        kilobytes in 0..900_usize, dense: bool, bias: bool, smooth: bool, weighted: bool, reduction in 0..3_usize,
    ) {
        let options = Options {
            weight: weighted.then(|| noise(&[classes], 0.9).abs()),
            reduction: REDUCTIONS[reduction],
            label_smoothing: if smooth { 0.1 } else { 0.0 },
            scratch_bytes: kilobytes << 10,
            ..Default::default()
        };
        let case = Case::new([rows, features, classes, outputs], dense, bias, options);
        let by_definition = {
            let inputs = case.inputs();
            let loss = case.call(definition, &inputs)?;
            let g = loss.ones_like().mul(0.7)?;
            let inputs: Vec<_> = inputs.iter().collect();
            let mut all = grad_with(&[(&loss, Some(&g))], &inputs, GradOptions::default())?;
            all.push(Some(loss));
            all.into_iter().flatten().collect::<Vec<_>>()
        };
        let ours = case.all(0.7)?;
        prop_assert_eq!(ours.len(), by_definition.len());
        for (i, (a, b)) in ours.iter().zip(&by_definition).enumerate() {
            prop_assert_eq!(a.shape(), b.shape());
            prop_assert!(distance(a, b) < 1e-12, "{}: {}", i, distance(a, b));
        }
        for (i, (a, b)) in case.to_f32()?.all(0.7)?.iter().zip(&by_definition).enumerate() {
            prop_assert!(distance(a, b) < 2e-5, "float32 {}: {}", i, distance(a, b));
        }
    }

    #[test]
    fn any_shapes_give_a_result_or_an_error(
        x in prop::collection::vec(0..4_usize, 0..4), w in prop::collection::vec(0..4_usize, 0..5),
        t in prop::collection::vec(0..4_usize, 0..5), fit: bool, dense: bool, reduction in 0..3_usize,
    ) {
        let mut w = w;
        if let (true, Some(last), Some(&features)) = (fit, w.last_mut(), x.last()) {
            *last = features;
        }
        let t = if fit && w.len() > 1 && !x.is_empty() {
            let (lead, scores) = (&x[..x.len() - 1], &w[..w.len() - 1]);
            [lead, if dense { scores } else { &scores[1..] }].concat()
        } else {
            t
        };
        let target = if dense { noise(&t, 0.4) } else { downhill_tensor::zeros(&t[..])?.to_dtype(DType::I64) };
        let options = Options { reduction: REDUCTIONS[reduction], ..Default::default() };
        let (x, w) = (noise(&x, 1.1).requires_grad_()?, noise(&w, 0.3).requires_grad_()?);
        if let Ok(loss) = linear_cross_entropy(&x, &w, &target, None, &options) {
            loss.sum().backward()?;
            for leaf in [x, w] {
                let slope = leaf.grad().expect("a gradient");
                prop_assert_eq!(slope.shape(), leaf.shape());
            }
        }
    }
}

/// torch 2.15, where the logits of a batch of sequences have to be flattened first.
#[test]
fn any_number_of_leading_dimensions_is_a_batch() -> Result<()> {
    let case =
        Case::new([6, 3, 5, 1], false, true, Options { reduction: Reduction::None, ..Default::default() });
    let flat = case.all(1.0)?;
    let batch =
        Case { x: case.x.reshape([2, 1, 3, 3])?, target: case.target.reshape([2, 1, 3])?, ..case.clone() };
    let found = batch.all(1.0)?;
    assert_eq!(found[3].shape(), &[2, 1, 3]);
    assert_eq!(found[0].shape(), &[2, 1, 3, 3]);
    for (a, b) in found.iter().zip(&flat) {
        assert_eq!(a.reshape(b.shape())?, *b);
    }
    let one = Case { x: case.x.select(0, 1)?, target: case.target.select(0, 1)?, ..case };
    assert_eq!(one.all(1.0)?[3].item::<f64>()?, flat[3].to_vec::<f64>()?[1]);
    Ok(())
}

#[test]
fn ignored_rows_are_as_if_they_were_not_there() -> Result<()> {
    for (reduction, label_smoothing) in REDUCTIONS.into_iter().flat_map(|r| [(r, 0.0), (r, 0.2)]) {
        let options = Options { reduction, label_smoothing, ..Default::default() };
        let whole = Case::new([40, 3, 70, 1], false, true, options);
        let target = whole.target.to_vec::<i64>()?;
        let live: Vec<usize> = (0..40).filter(|&r| target[r] != -100).collect();
        let live = Tensor::from(live);
        let mut values = whole.x.to_vec::<f64>()?;
        for r in (0..40).filter(|&r| target[r] == -100) {
            values[3 * r..3 * r + 3].copy_from_slice(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
        }
        let bad = Case { x: Tensor::from_vec(values, [40, 3])?.requires_grad_()?, ..whole.clone() };
        let dropped = Case {
            x: whole.x.detach().index_select(0, &live)?.requires_grad_()?,
            target: whole.target.index_select(0, &live)?,
            ..whole
        };
        let (bad, dropped) = (bad.all(1.0)?, dropped.all(1.0)?);
        assert_eq!(bad[0].index_select(0, &live)?, dropped[0]);
        assert_eq!(bad[0].eq(0.0)?.sum().item::<i64>()?, 30, "ten ignored rows");
        assert_eq!(bad[1..3], dropped[1..3]);
        if reduction != Reduction::None {
            assert_eq!(bad[3], dropped[3]);
        }
    }
    Ok(())
}

/// As torch 2.15 with `options=None`.
#[test]
fn nothing_but_ignored_rows_has_a_gradient_of_zero() -> Result<()> {
    for (reduction, want) in [(Reduction::Mean, f64::NAN), (Reduction::Sum, 0.0)] {
        let case = Case::new([3, 2, 5, 1], false, true, Options { reduction, ..Default::default() });
        let case = Case { target: Tensor::from([-100, -100, -100]), ..case };
        let found = case.all(1.0)?;
        let loss = found[3].item::<f64>()?;
        assert!(loss == want || loss.is_nan() && want.is_nan());
        assert!(found[..3].iter().all(|g| *g == g.zeros_like()), "{found:?}");
    }
    Ok(())
}

/// As torch 2.15 for the logits of a bias alone.
#[test]
fn infinite_and_nan_logits_have_the_values_of_cross_entropy() -> Result<()> {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    let rows = [[0.0, -inf, 1.0], [-inf; 3], [0.0, inf, 0.0], [nan, 0.0, 0.0], [nan; 3], [-inf, -inf, 2.0]];
    for (logits, class) in rows.into_iter().flat_map(|row| [(row, 0), (row, 1)]) {
        // Wide enough for several tiles, of which some hold nothing but −∞.
        let mut wide = vec![if logits[2] == -inf || logits[2] > 1.5 { -inf } else { -0.5 }; 300];
        for (at, z) in [0, 1, 299].into_iter().zip(logits) {
            wide[at] = z;
        }
        let bias = Tensor::from(wide).requires_grad_()?;
        let (x, w) = (
            downhill_tensor::zeros([1, 2])?.to_dtype(DType::F64),
            downhill_tensor::zeros([300, 2])?.to_dtype(DType::F64),
        );
        let target = Tensor::from([class]);
        let options = Options { reduction: Reduction::Sum, ..Default::default() };
        let ours = linear_cross_entropy(&x, &w, &target, Some(&bias), &options)?;
        let theirs = definition(&x, &w, &target, Some(&bias), &options)?;
        let slopes =
            [&ours, &theirs].map(|loss| grad_with(&[(loss, None)], &[&bias], GradOptions::default()));
        let [ours_slope, theirs_slope] =
            slopes.map(|g| g.unwrap()[0].clone().unwrap().to_vec::<f64>().unwrap());
        let same = |a: f64, b: f64| a == b || (a - b).abs() < 1e-14 || a.is_nan() && b.is_nan();
        assert!(same(ours.item()?, theirs.item()?), "{logits:?} {class}: {ours} and not {theirs}");
        for (a, b) in ours_slope.into_iter().zip(theirs_slope) {
            assert!(same(a, b), "{logits:?} {class}: a slope of {a} and not {b}");
        }
    }
    Ok(())
}

/// Where p of the target is 1 − 4e−12; torch 2.15 says a loss and a slope of 0.
#[test]
fn what_is_left_of_a_probability_near_1_is_exact() -> Result<()> {
    let w = Tensor::from([[27.0_f32], [0.0], [0.0]]).requires_grad_()?;
    let x = Tensor::from([[1.0_f32]]);
    let loss = linear_cross_entropy(&x, &w, &Tensor::from([0]), None, &Options::default())?;
    loss.backward()?;
    let rest = 2.0 * (-27.0_f64).exp();
    let close = |a: f32, b: f64| (f64::from(a) / b - 1.0).abs() < 3e-7;
    assert!(close(loss.item()?, rest.ln_1p()), "{loss}");
    let slope = w.grad().unwrap().to_vec::<f32>()?;
    assert!(close(slope[0], -rest / (1.0 + rest)), "{slope:?}");
    assert!(close(slope[1], rest / (1.0 + rest) / 2.0), "{slope:?}");
    Ok(())
}

#[test]
fn the_bits_do_not_depend_on_the_threads() -> Result<()> {
    let cases = [(false, 0.0, 28 << 20), (false, 0.1, 1 << 20), (true, 0.0, 3 << 20)];
    for (reduction, (dense, label_smoothing, scratch_bytes)) in
        REDUCTIONS.into_iter().flat_map(|r| cases.map(|case| (r, case)))
    {
        let options = Options { reduction, label_smoothing, scratch_bytes, ..Default::default() };
        let case = Case::new([230, 33, 2500, 1], dense, true, options).to_f32()?;
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| case.all(0.3)).unwrap()
        };
        let one = on(1);
        for threads in [2, 3, 7] {
            assert!(one == on(threads), "{reduction:?} {dense} with {threads} threads");
        }
        // Too large for f64, and with a last run of a single feature.
        let options = Options { reduction, label_smoothing, scratch_bytes, ..Default::default() };
        let exact = Case::new([230, 33, 2500, 1], dense, true, options).all(0.3)?;
        for (x, exact) in one.iter().zip(exact) {
            let error = x.to_dtype(DType::F64).sub(&exact)?.abs().max()?.item::<f64>()?;
            assert!(error <= 4e-6 * exact.abs().max()?.item::<f64>()?, "{reduction:?} {dense}: {error:e}");
        }
    }
    Ok(())
}

#[test]
fn the_loss_is_the_same_without_a_gradient_and_a_graph_can_be_used_again() -> Result<()> {
    for reduction in REDUCTIONS {
        let case = Case::new([9, 4, 50, 1], false, true, Options { reduction, ..Default::default() });
        let inputs = case.inputs();
        let loss = case.call(linear_cross_entropy, &inputs)?;
        assert_eq!(no_grad(|| case.call(linear_cross_entropy, &inputs))?, loss.detach());
        let slopes = |upstream: f64, retain_graph| -> Result<Vec<Tensor>> {
            let g = loss.ones_like().mul(upstream)?;
            let options = GradOptions { retain_graph, ..Default::default() };
            let found = grad_with(&[(&loss, Some(&g))], &inputs.iter().collect::<Vec<_>>(), options)?;
            Ok(found.into_iter().flatten().collect())
        };
        let first = slopes(1.0, true)?;
        // Of the weight alone, then of all: nothing may be left over from an earlier upstream gradient.
        grad_with(
            &[(&loss, Some(&loss.ones_like().mul(5.0)?))],
            &[&inputs[1]],
            GradOptions { retain_graph: true, ..Default::default() },
        )?;
        for (a, b) in slopes(2.0, false)?.iter().zip(&first) {
            assert!(distance(a, &b.mul(2.0)?) < 1e-14);
        }
    }
    Ok(())
}

/// torch 2.15: `manual_seed(0); m = LinearCrossEntropyLoss(3, 4, out_features=(2,), bias=True, label_smoothing=0.1); print(m)`
#[test]
fn the_module_prints_and_is_saved_as_in_pytorch() -> Result<()> {
    let options = Options { label_smoothing: 0.1, ignore_index: Some(1), ..Default::default() };
    let loss = LinearCrossEntropyLoss::with_outputs(3, 4, &[2], true, options)?;
    let text = "LinearCrossEntropyLoss(
  in_features=3, num_classes=4, out_features=(2,), bias=True, reduction=mean, ignore_index=1, label_smoothing=0.1, options=None
  (linear): Linear(in_features=3, out_features=8, bias=True)
)";
    assert_eq!(loss.to_string(), text);
    let names: Vec<_> = loss.named_parameters().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["linear.weight", "linear.bias"]);
    assert_eq!((loss.in_features(), loss.num_classes(), loss.out_features()), (3, 4, &[2][..]));
    let state: StateDict = loss.state_dict();
    loss.load_state_dict(&state).expect("its own state");
    let value = loss.forward(&downhill_tensor::ones([1, 3])?, &Tensor::from([[0, 1]]))?;
    assert_eq!(value.grad_fn(), Some("AddBackward0"));
    value.backward()?;
    assert_eq!(loss.linear.bias.as_ref().and_then(Parameter::grad).expect("a gradient").shape(), &[8]);
    let plain = LinearCrossEntropyLoss::new(2, 3, Options::default())?;
    assert!(
        plain
            .to_string()
            .contains("out_features=(), bias=False, reduction=mean, ignore_index=None, label_smoothing=0.0")
    );
    Ok(())
}

#[test]
fn bad_input_is_an_error_that_names_the_numbers() {
    let zeros = |shape: &[usize]| downhill_tensor::zeros(shape).unwrap();
    let (x, w, t) = (zeros(&[2, 3]), zeros(&[4, 3]), Tensor::from([0, 1]));
    let plain = Options::default();
    let text = |x: &Tensor, w: &Tensor, t: &Tensor, b: Option<&Tensor>, options: &Options| {
        let error = linear_cross_entropy(x, w, t, b, options).unwrap_err().to_string();
        error.strip_prefix("linear_cross_entropy: ").expect("the operation first").to_string()
    };
    for (found, want) in [
        (text(&x, &w, &Tensor::from([0, 4]), None, &plain), "index 4 is out of bounds for size 4"),
        (
            text(&x, &zeros(&[4, 5]), &t, None, &plain),
            "expected a linear_weight whose last size is 3, for an input of shape [2, 3], but got shape [4, 5]",
        ),
        (
            text(&x, &zeros(&[3]), &t, None, &plain),
            "expected a linear_weight of at least two dimensions, but got shape [3]",
        ),
        (
            text(&Tensor::from(1.0_f32), &w, &t, None, &plain),
            "expected an input of at least one dimension, but got shape []",
        ),
        (
            text(&x, &w, &t, Some(&zeros(&[3])), &plain),
            "expected a linear_bias of shape [4], but got shape [3]",
        ),
        (
            text(&x, &w, &Tensor::from([0, 1, 2]), None, &plain),
            "expected a target of shape [2] (or [2, 4] of probabilities) for an input of shape [2, 3], but got shape [3]",
        ),
        (
            text(&zeros(&[3]), &zeros(&[4, 2, 3]), &Tensor::from([0, 1]), None, &plain),
            "expected an input of shape (N, 3) for several targets a row, [2], but got shape [3]",
        ),
        (
            text(&x, &w.to_dtype(DType::F64), &t, None, &plain),
            "the input is float32, but the linear_weight is float64 (a literal without `_f32` is float64; `to_dtype` converts)",
        ),
        (text(&x.to_dtype(DType::I64), &w, &t, None, &plain), "expected float32 or float64, but got int64"),
        (text(&x, &w, &zeros(&[2]), None, &plain), "expected int64 class indices, but got float32"),
        (
            text(&x, &w, &zeros(&[2, 4]).to_dtype(DType::F64), None, &plain),
            "the input is float32, but the target of probabilities is float64 (a literal without `_f32` is float64; `to_dtype` converts)",
        ),
        (
            text(&x, &w, &zeros(&[2, 4]), None, &Options { ignore_index: Some(-1), ..plain.clone() }),
            "ignore_index does not apply to class probabilities",
        ),
        (
            text(&x, &w, &t, None, &Options { weight: Some(zeros(&[3])), ..plain.clone() }),
            "expected a weight for each of 4 classes, but got shape [3]",
        ),
        (
            text(&x, &w, &t, None, &Options { label_smoothing: 2.0, ..plain.clone() }),
            "label_smoothing must be between 0 and 1, but is 2",
        ),
        (
            text(&x, &w, &t, None, &Options { z_loss: -1.0, ..plain.clone() }),
            "z_loss must be at least 0, but is -1",
        ),
    ] {
        assert_eq!(found, want);
    }
    let new = |options| LinearCrossEntropyLoss::new(3, 4, options).unwrap_err().to_string();
    assert_eq!(
        new(Options { weight: Some(zeros(&[3])), ..plain.clone() }),
        "linear_cross_entropy: expected a weight for each of 4 classes, but got shape [3]"
    );
    assert_eq!(
        new(Options { label_smoothing: f64::NAN, ..plain }),
        "linear_cross_entropy: label_smoothing must be between 0 and 1, but is NaN"
    );
}
