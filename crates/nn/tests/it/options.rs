//! Losses with their options in random combinations, on random shapes and dtypes, against definitions in tensor operations: the
//! value, the gradients, for `f64` the gradients of the gradients. (`CTCLoss` has its definition, and this test, in its own file.)

use downhill_nn::loss::*;
use downhill_tensor::autograd::{GradOptions, grad_with};
use downhill_tensor::{DType, Result, Tensor};
use proptest::prelude::*;

/// What a case is made of; each loss takes what it needs.
#[derive(Clone, Debug)]
struct Draw {
    seed: u64,
    dtype: DType,
    reduction: Reduction,
    /// Sizes of a batch, and of what follows it.
    batch: usize,
    more: Vec<usize>,
    classes: usize,
    flags: [bool; 4],
    /// Real options, in `0..1`.
    reals: [f64; 2],
}

fn draws() -> impl Strategy<Value = Draw> {
    (
        any::<u64>(),
        prop::sample::select(vec![DType::F64, DType::F64, DType::F32]),
        prop::sample::select(vec![Reduction::None, Reduction::Mean, Reduction::Sum]),
        1..5_usize,
        prop::collection::vec(1..4_usize, 0..3),
        2..6_usize,
        any::<[bool; 4]>(),
        [0.0..1.0_f64, 0.0..1.0_f64],
    )
        .prop_map(|(seed, dtype, reduction, batch, more, classes, flags, reals)| Draw {
            seed,
            dtype,
            reduction,
            batch,
            more,
            classes,
            flags,
            reals,
        })
}

impl Draw {
    /// Number `i` of stream `k`, in `0..1`.
    fn unit(&self, k: u64, i: u64) -> f64 {
        let mut z = self.seed.wrapping_add((k << 32 | i).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn constant(&self, k: u64, shape: &[usize], low: f64, high: f64) -> Tensor {
        let n = shape.iter().product::<usize>() as u64;
        let values: Vec<f64> = (0..n).map(|i| low + (high - low) * self.unit(k, i)).collect();
        Tensor::from_vec(values, shape).unwrap().to_dtype(self.dtype)
    }

    fn leaf(&self, k: u64, shape: &[usize], low: f64, high: f64) -> Tensor {
        self.constant(k, shape, low, high).requires_grad_().unwrap()
    }

    fn signs(&self, k: u64, shape: &[usize]) -> Tensor {
        self.constant(k, shape, -1.0, 1.0).sign()
    }

    /// A batch and what follows it; with the first flag a number alone.
    fn shape(&self) -> Vec<usize> {
        if self.flags[0] { vec![] } else { [&[self.batch], &self.more[..]].concat() }
    }

    fn some<T>(&self, flag: usize, value: impl FnOnce() -> T) -> Option<T> {
        self.flags[flag].then(value)
    }

    fn reduced(&self, terms: &Tensor) -> Result<Tensor> {
        match self.reduction {
            Reduction::None => Ok(terms.clone()),
            Reduction::Mean => terms.mean(),
            Reduction::Sum => Ok(terms.sum()),
        }
    }

    /// Fails unless both have one value, one gradient and one second derivative.
    fn check(&self, ours: &Tensor, theirs: &Tensor, inputs: &[&Tensor]) -> Result<()> {
        let tolerance = if self.dtype == DType::F64 { 1e-9 } else { 3e-4 };
        let close = |what: &str, a: &Tensor, b: &Tensor| {
            assert_eq!((a.shape(), a.dtype()), (b.shape(), b.dtype()), "{what} of {self:?}");
            let [a, b] = [a, b].map(|x| x.detach().to_dtype(DType::F64).to_vec::<f64>().unwrap());
            let scale = b.iter().fold(1.0_f64, |m, x| m.max(x.abs()));
            for (a, b) in a.iter().zip(&b) {
                assert!((a - b).abs() <= tolerance * scale, "{what}: {a}, by definition {b}, of {self:?}");
            }
        };
        close("value", ours, theirs);
        let upstream = self.constant(90, ours.shape(), -1.0, 1.0);
        let double = self.dtype == DType::F64;
        let gradients = |y: &Tensor, create_graph| {
            let options = GradOptions { retain_graph: true, create_graph, allow_unused: true };
            let found = grad_with(&[(y, Some(&upstream))], inputs, options)?;
            Ok::<_, downhill_tensor::Error>(
                found.into_iter().zip(inputs).map(|(g, x)| g.unwrap_or_else(|| x.zeros_like())),
            )
        };
        // Without a graph the kernels run, with one the definitions.
        let expected: Vec<_> = gradients(theirs, double)?.collect();
        for (ours, theirs) in gradients(ours, false)?.zip(&expected) {
            close("gradient", &ours, theirs);
        }
        if !double {
            return Ok(());
        }
        let second = |gradients: Vec<Tensor>| -> Result<Vec<Tensor>> {
            let mut sum = Tensor::from(0.0_f64);
            for (k, g) in gradients.iter().enumerate() {
                sum = sum.add(&g.mul(&self.constant(91 + k as u64, g.shape(), -1.0, 1.0))?.sum())?;
            }
            if !sum.requires_grad() {
                return Ok(inputs.iter().map(|x| x.zeros_like()).collect());
            }
            let options = GradOptions { retain_graph: true, allow_unused: true, ..GradOptions::default() };
            let found = grad_with(&[(&sum, None)], inputs, options)?;
            Ok(found.into_iter().zip(inputs).map(|(g, x)| g.unwrap_or_else(|| x.zeros_like())).collect())
        };
        for (ours, theirs) in second(gradients(ours, true)?.collect())?.iter().zip(&second(expected)?) {
            close("second derivative", ours, theirs);
        }
        Ok(())
    }

    /// An input, classes for it, and the class that is ignored; one row at least is not.
    fn classes(&self) -> Result<(Tensor, Tensor, i64)> {
        let without = self.shape();
        let mut shape = without.clone();
        shape.insert(without.len().min(1), self.classes);
        let n = without.iter().product::<usize>();
        let class = |i: usize| (self.unit(1, i as u64) * self.classes as f64) as i64;
        let ignored = if self.flags[1] { 1 } else { -100 };
        let target = (0..n).map(|i| if i > 0 && self.unit(2, i as u64) < 0.3 { ignored } else { class(i) });
        let mut target: Vec<i64> = target.collect();
        if target[0] == ignored {
            target[0] = 0;
        }
        Ok((self.leaf(0, &shape, -2.0, 2.0), Tensor::from_vec(target, &without)?, ignored))
    }
}

/// The input as rows of classes, the target as one column, and where it counts.
fn rows(x: &Tensor, target: &Tensor, ignored: i64) -> Result<[Tensor; 3]> {
    let counts = target.reshape([-1])?.ne(ignored)?;
    let classes = target.reshape([-1])?.masked_fill(&counts.logical_not(), 0)?.unsqueeze(1)?;
    let x = if x.dim() < 2 { x.unsqueeze(0)? } else { x.clone() };
    Ok([
        x.flatten(2, -1)
            .map_or_else(|_| x.reshape([classes.numel() as i64, -1]), |x| x.transpose(1, 2)?.flatten(0, 1))?,
        classes,
        counts,
    ])
}

/// The terms of rows that count in the target's shape, or reduced; the mean is one of weights.
fn of_rows(d: &Draw, terms: &Tensor, weights: &Tensor, counts: &Tensor, target: &Tensor) -> Result<Tensor> {
    let terms = terms.mul(counts)?;
    match d.reduction {
        Reduction::None => terms.reshape(target.shape()),
        Reduction::Sum => Ok(terms.sum()),
        Reduction::Mean => terms.sum().div(&weights.mul(counts)?.sum()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn losses_of_class_indices(d in draws()) {
        let (x, target, ignore_index) = d.classes().unwrap();
        let all = d.constant(3, &[d.classes], 0.2, 2.0);
        let weight = d.some(2, || all.clone());
        let [scores, classes, counts] = rows(&x, &target, ignore_index).unwrap();
        let w = weight.clone().unwrap_or_else(|| all.ones_like());
        let own = w.index_select(0, &classes.squeeze_dim(1).unwrap()).unwrap();
        let picked = |logs: &Tensor| logs.gather(1, &classes).unwrap().squeeze_dim(1).unwrap();
        let logs = &scores - scores.exp().sum_dim(1, true).unwrap().log();

        let ours = NLLLoss { weight: weight.clone(), ignore_index, reduction: d.reduction }.forward(&x, &target).unwrap();
        let theirs = of_rows(&d, &(-picked(&scores) * &own), &own, &counts, &target).unwrap();
        d.check(&ours, &theirs, &[&x]).unwrap();

        let e = if d.flags[3] { d.reals[0] } else { 0.0 };
        let loss = CrossEntropyLoss { weight: weight.clone(), ignore_index, label_smoothing: e, reduction: d.reduction, z_loss: 0.0 };
        let every = (-&logs * &w).sum_dim(1, false).unwrap() / d.classes as f64;
        let terms = -picked(&logs) * &own * (1.0 - e) + every * e;
        let theirs = of_rows(&d, &terms, &own, &counts, &target).unwrap();
        d.check(&loss.forward(&x, &target).unwrap(), &theirs, &[&x]).unwrap();

        let z_loss = d.reals[1] + 1e-3;
        let drift = scores.exp().sum_dim(1, false).unwrap().log().square() * z_loss;
        let theirs = theirs + of_rows(&d, &drift, &own.ones_like(), &counts, &target).unwrap();
        d.check(&CrossEntropyLoss { z_loss, ..loss }.forward(&x, &target).unwrap(), &theirs, &[&x]).unwrap();

        let gamma = 3.0 * d.reals[1];
        let loss = FocalLoss { gamma, weight, ignore_index, reduction: d.reduction };
        let doubt = (1.0 - picked(&logs).exp()).pow(gamma).unwrap();
        let theirs = of_rows(&d, &(-picked(&logs) * doubt * &own), &own, &counts, &target).unwrap();
        d.check(&loss.forward(&x, &target).unwrap(), &theirs, &[&x]).unwrap();
    }

    #[test]
    fn cross_entropy_of_probabilities(d in draws()) {
        let (x, _, _) = d.classes().unwrap();
        let t = d.leaf(1, x.shape(), 0.0, 1.0);
        let weight = d.some(2, || d.constant(3, &[d.classes], 0.2, 2.0));
        let e = if d.flags[3] { d.reals[0] } else { 0.0 };
        let loss = CrossEntropyLoss { weight: weight.clone(), label_smoothing: e, reduction: d.reduction, ..Default::default() };
        let dim = 1.min(x.dim() as isize - 1);
        let mut shape = vec![1; x.dim()];
        shape[dim as usize] = d.classes;
        let w = weight.unwrap_or_else(|| d.constant(3, &[d.classes], 1.0, 1.0)).reshape(&shape[..]).unwrap();
        let logs = &x - x.exp().sum_dim(dim, true).unwrap().log();
        let terms = -(w * (&t * (1.0 - e) + e / d.classes as f64) * logs).sum_dim(dim, false).unwrap();
        d.check(&loss.forward(&x, &t).unwrap(), &d.reduced(&terms).unwrap(), &[&x, &t]).unwrap();
    }

    #[test]
    fn losses_of_margins(d in draws()) {
        let (n, c, margin, reduction) = (d.batch, d.classes, 2.0 * d.reals[0], d.reduction);
        let single = d.flags[0];
        let x = d.leaf(0, &[n, c][usize::from(single)..], -1.0, 1.0);
        let count = if single { 1 } else { n };
        let class = |i: usize| (d.unit(1, i as u64) * c as f64) as i64;
        let target = Tensor::from((0..count).map(class).collect::<Vec<_>>());
        let target = if single { target.reshape(()).unwrap() } else { target };
        let all = d.constant(3, &[c], 0.2, 2.0);
        let (p, weight) = (if d.flags[1] { 2.0 } else { 1.0 }, d.some(2, || all.clone()));
        let loss = MultiMarginLoss { p, margin, weight: weight.clone(), reduction };
        let column = target.reshape([-1, 1]).unwrap();
        let scores = x.reshape([count, c]).unwrap();
        let z = (&scores - scores.gather(1, &column).unwrap() + margin).relu().pow(p).unwrap();
        let others = 1.0 - column.one_hot(c).unwrap().squeeze_dim(1).unwrap().to_dtype(d.dtype);
        let own = weight.unwrap_or_else(|| all.ones_like()).index_select(0, &target.reshape([-1]).unwrap()).unwrap();
        let terms = (z * others).sum_dim(1, false).unwrap() * own / c as f64;
        let theirs = d.reduced(&terms.reshape(target.shape()).unwrap()).unwrap();
        d.check(&loss.forward(&x, &target).unwrap(), &theirs, &[&x]).unwrap();

        let t = d.leaf(2, x.shape(), 0.0, 1.0);
        let weight = d.some(2, || d.leaf(3, if d.flags[3] { x.shape() } else { &[1] }, 0.2, 2.0));
        let one = d.constant(3, &[1], 1.0, 1.0);
        let w = weight.as_ref().unwrap_or(&one);
        let each = &t * (-&x).exp().log1p() + (1.0 - &t) * x.exp().log1p();
        let theirs = d.reduced(&((w * each).sum_dim(-1, false).unwrap() / c as f64)).unwrap();
        let inputs: Vec<_> = [&x, &t].into_iter().chain(&weight).collect();
        let loss = MultiLabelSoftMarginLoss { weight: weight.clone(), reduction };
        d.check(&loss.forward(&x, &t).unwrap(), &theirs, &inputs).unwrap();

        let b = d.leaf(4, x.shape(), -1.0, 1.0);
        let y = d.signs(5, target.shape());
        let length = |x: &Tensor| (x.square().sum_dim(-1, false).unwrap() + 1e-12).sqrt();
        let cosine = (&x * &b).sum_dim(-1, false).unwrap() / (length(&x) * length(&b));
        let push = (&cosine - (margin - 1.0)).relu();
        let terms = (&y + 1.0) / 2.0 * (1.0 - &cosine) + (1.0 - &y) / 2.0 * push;
        let loss = CosineEmbeddingLoss { margin: margin - 1.0, reduction };
        d.check(&loss.forward(&x, &b, &y).unwrap(), &d.reduced(&terms).unwrap(), &[&x, &b]).unwrap();
    }

    #[test]
    fn losses_of_triplets(d in draws()) {
        let shape = if d.flags[0] { vec![d.classes] } else { vec![d.batch, d.classes] };
        let [a, p, n] = [0, 1, 2].map(|k| d.leaf(k, &shape, -1.0, 1.0));
        let (margin, swap, reduction) = (0.1 + 2.0 * d.reals[0], d.flags[1], d.reduction);
        let (norm, eps) = (if d.flags[2] { 2.0 } else { 1.0 + 3.0 * d.reals[1] }, if d.flags[3] { 0.1 } else { 1e-6 });
        let distance = |a: &Tensor, b: &Tensor| {
            let powers = (a - b + eps).abs().pow(norm).unwrap().sum_dim(-1, false).unwrap();
            powers.pow(1.0 / norm).unwrap()
        };
        let far = distance(&a, &n);
        let far = if swap { far.minimum(&distance(&p, &n)).unwrap() } else { far };
        let theirs = d.reduced(&(distance(&a, &p) - far + margin).relu()).unwrap();
        let loss = TripletMarginLoss { margin, p: norm, eps, swap, reduction };
        d.check(&loss.forward(&a, &p, &n).unwrap(), &theirs, &[&a, &p, &n]).unwrap();
        let squares = |a: &Tensor, b: &Tensor| (a - b).square().sum_dim(-1, false);
        let far = squares(&a, &n).unwrap();
        let far = if swap { far.minimum(&squares(&p, &n).unwrap()).unwrap() } else { far };
        let theirs = d.reduced(&(squares(&a, &p).unwrap() - far + margin).relu()).unwrap();
        let loss = TripletMarginWithDistanceLoss { margin, swap, reduction, ..TripletMarginWithDistanceLoss::new(squares) };
        d.check(&loss.forward(&a, &p, &n).unwrap(), &theirs, &[&a, &p, &n]).unwrap();
    }

    #[test]
    fn losses_of_numbers(d in draws()) {
        let (shape, reduction) = (d.shape(), d.reduction);
        let mut narrow = shape.clone();
        if let (true, Some(first)) = (d.flags[3], narrow.first_mut()) {
            *first = 1;
        }
        let (x, t) = (d.leaf(0, &shape, -2.0, 2.0), d.leaf(1, &narrow, -2.0, 2.0));
        let weight = d.some(1, || d.leaf(2, &shape, 0.2, 2.0));
        let w = weight.clone().unwrap_or_else(|| x.ones_like());
        let inputs: Vec<_> = [&x, &t].into_iter().chain(&weight).collect();
        let far = &x - &t;
        // The mean of these divides by the weights.
        let mean = |terms: Tensor| if reduction == Reduction::Mean { terms.sum().div(&w.sum()) } else { d.reduced(&terms) };
        let ours = MSELoss { weight: weight.clone(), reduction }.forward(&x, &t).unwrap();
        d.check(&ours, &mean(&w * far.square()).unwrap(), &inputs).unwrap();
        let ours = L1Loss { weight: weight.clone(), reduction }.forward(&x, &t).unwrap();
        d.check(&ours, &mean(&w * far.abs()).unwrap(), &inputs).unwrap();
        let delta = 0.1 + 2.0 * d.reals[0];
        let near = far.abs().lt(delta).unwrap();
        let huber = Tensor::where_(&near, &(far.square() / 2.0), &((far.abs() - delta / 2.0) * delta)).unwrap();
        let ours = HuberLoss { weight: weight.clone(), reduction, delta }.forward(&x, &t).unwrap();
        d.check(&ours, &d.reduced(&(&w * &huber)).unwrap(), &inputs).unwrap();
        let ours = SmoothL1Loss { reduction, beta: delta }.forward(&x, &t).unwrap();
        d.check(&ours, &d.reduced(&(huber / delta)).unwrap(), &[&x, &t]).unwrap();
    }

    #[test]
    fn losses_of_probabilities(d in draws()) {
        let (shape, reduction) = (d.shape(), d.reduction);
        let (x, t) = (d.leaf(0, &shape, -2.0, 2.0), d.leaf(1, &shape, 0.05, 0.95));
        let u = d.leaf(4, &shape, 0.05, 0.95);
        let weight = d.some(1, || d.leaf(2, &shape, 0.2, 2.0));
        let w = weight.clone().unwrap_or_else(|| x.ones_like());
        let ours = BCELoss { weight: weight.clone(), reduction }.forward(&u, &t).unwrap();
        let theirs = -(&w * (&t * u.log() + (1.0 - &t) * (1.0 - &u).log()));
        let inputs: Vec<_> = [&u, &t].into_iter().chain(&weight).collect();
        d.check(&ours, &d.reduced(&theirs).unwrap(), &inputs).unwrap();
        let last = shape.last().copied().unwrap_or(1);
        let pos_weight = d.some(2, || d.leaf(3, &[last][..shape.len().min(1)], 0.2, 2.0));
        let p = pos_weight.clone().unwrap_or_else(|| x.ones_like());
        let ours = BCEWithLogitsLoss { weight: weight.clone(), reduction, pos_weight: pos_weight.clone() };
        let theirs = &w * (&p * &t * (-&x).exp().log1p() + (1.0 - &t) * x.exp().log1p());
        let inputs: Vec<_> = [&x, &t].into_iter().chain(&weight).chain(&pos_weight).collect();
        d.check(&ours.forward(&x, &t).unwrap(), &d.reduced(&theirs).unwrap(), &inputs).unwrap();
        let (gamma, alpha) = (3.0 * d.reals[0], d.some(3, || d.reals[1]));
        let q = x.sigmoid() * (1.0 - &t) + (-&x).sigmoid() * &t;
        let a = alpha.map_or_else(|| x.ones_like(), |alpha| &t * alpha + (1.0 - &t) * (1.0 - alpha));
        let entropy = &t * (-&x).exp().log1p() + (1.0 - &t) * x.exp().log1p();
        let ours = BinaryFocalLoss { gamma, alpha, reduction }.forward(&x, &t).unwrap();
        d.check(&ours, &d.reduced(&(a * q.pow(gamma).unwrap() * entropy)).unwrap(), &[&x, &t]).unwrap();
        let log_target = d.flags[3];
        let (kind, divisor) = match reduction {
            Reduction::None => (KLDivReduction::None, 1.0),
            Reduction::Sum if d.flags[2] && !shape.is_empty() => (KLDivReduction::BatchMean, shape[0] as f64),
            Reduction::Sum => (KLDivReduction::Sum, 1.0),
            Reduction::Mean => (KLDivReduction::Mean, 1.0),
        };
        let theirs = if log_target { t.exp() * (&t - &x) } else { &t * (t.log() - &x) };
        let ours = KLDivLoss { reduction: kind, log_target }.forward(&x, &t).unwrap();
        d.check(&ours, &(d.reduced(&theirs).unwrap() / divisor), &[&x, &t]).unwrap();
        if !shape.is_empty() {
            let smooth = d.reals[0];
            let sum = |x: Tensor| x.reshape([shape[0] as i64, -1]).unwrap().sum_dim(1, false).unwrap();
            let part = (sum(&u * &t) * 2.0 + smooth) / (sum(u.square()) + sum(t.square()) + smooth);
            let ours = DiceLoss { smooth, reduction }.forward(&u, &t).unwrap();
            d.check(&ours, &d.reduced(&(1.0 - part)).unwrap(), &[&u, &t]).unwrap();
        }
    }

    #[test]
    fn losses_of_distributions_and_signs(d in draws()) {
        let (shape, reduction) = (d.shape(), d.reduction);
        let (x, t) = (d.leaf(0, &shape, 0.1, 2.0), d.leaf(1, &shape, 0.0, 4.0));
        let (log_input, full, eps) = (d.flags[1], d.flags[2], 1e-3 + d.reals[0]);
        let rate = if log_input { x.exp() - &t * &x } else { &x - &t * (&x + eps).log() };
        // Stirling's formula, for counts above 1.
        let stirling = &t * t.log() - &t + (&t * std::f64::consts::TAU).log() / 2.0;
        let stirling = Tensor::where_(&t.gt(1).unwrap(), &stirling, 0).unwrap();
        let theirs = if full { rate + stirling } else { rate };
        let ours = PoissonNLLLoss { log_input, full, eps, reduction }.forward(&x, &t).unwrap();
        d.check(&ours, &d.reduced(&theirs).unwrap(), &[&x, &t]).unwrap();
        let var = d.leaf(2, &shape, 0.2, 2.0);
        let constant = if full { std::f64::consts::TAU.ln() / 2.0 } else { 0.0 };
        let theirs = (var.log() + (&x - &t).square() / &var) / 2.0 + constant;
        let ours = GaussianNLLLoss { full, eps: 0.1 * d.reals[1], reduction }.forward(&x, &t, &var).unwrap();
        d.check(&ours, &d.reduced(&theirs).unwrap(), &[&x, &t, &var]).unwrap();
        let (y, margin) = (d.signs(3, &shape), 2.0 * d.reals[0]);
        let theirs = (-&y * (&x - &t) + margin).relu();
        let ours = MarginRankingLoss { margin, reduction }.forward(&x, &t, &y).unwrap();
        d.check(&ours, &d.reduced(&theirs).unwrap(), &[&x, &t]).unwrap();
        let theirs = (&y + 1.0) / 2.0 * &x + (1.0 - &y) / 2.0 * (margin - &x).relu();
        let ours = HingeEmbeddingLoss { margin, reduction }.forward(&x, &y).unwrap();
        d.check(&ours, &d.reduced(&theirs).unwrap(), &[&x]).unwrap();
    }
}
