//! The texts of errors, side by side in `errors.txt`, so that a person can read them in one go. `ERRORS=write cargo test errors` writes
//! the file anew.
#![allow(clippy::redundant_closure_call, reason = "the call may end in `?`")]

use downhill::autograd::{GradOptions, grad, grad_with};
use downhill::data::{
    CsvOptions, DataLoader, Dataset, Idx, Kind, SequentialSampler, Standardizer, Table, TensorDataset,
    random_split, stratified_split,
};
use downhill::log::{self, Curves};
use downhill::nn::functional as f;
use downhill::nn::optim::*;
use downhill::nn::*;
use downhill::prelude::{DType, Tensor};
use downhill::random::set_rng_state;
use downhill::{Combine, Rounding, arange, full, linspace, ones, rand, randint, randperm, zeros};
use std::fmt::Display;
use std::fs;

/// The text of what was refused, its call with it.
fn line<T, E: Display>(call: &str, run: impl FnOnce() -> std::result::Result<T, E>) -> String {
    let text = run().err().map_or("is taken".to_string(), |error| error.to_string());
    // Parts of lines of more than one.
    format!("{call:58} {}", text.replace("\n\t", " / "))
}

macro_rules! lines {
    ($($call:expr;)*) => {
        vec![$({
            let call = stringify!($call).split_whitespace().collect::<Vec<_>>().join(" ");
            line(&call, || $call)
        },)*]
    };
}

fn operations() -> Vec<String> {
    let (m, v, d) = (zeros([2, 3]).unwrap(), zeros([3]).unwrap(), zeros([3]).unwrap().to_dtype(DType::F64));
    let (i, b) = (Tensor::from([0, 1, 5]), Tensor::from([true, false, true]));
    let (w, leaf) = (zeros([4, 2]).unwrap(), ones([3]).unwrap().requires_grad_().unwrap());
    let (batch, turned) = (zeros([2, 3, 4]).unwrap(), m.t().unwrap());
    let huge = [1_usize << 40, 1 << 20];
    lines!(
        zeros([1; 9]); zeros(huge); zeros([1_usize << 62]); full([1_usize << 45], 0.0); arange(0, 5, 0); arange(0.0, f64::NAN, 1.0);
        linspace(0.0, 1.0, 1 << 45); rand([1; 9]); randint(3, 3, [2]);
        randperm(1 << 45); Tensor::from_vec(vec![1.0, 2.0], [3]); m.as_slice::<f64>(); d.as_slice::<f32>(); i.to_vec::<bool>();
        turned.as_slice::<f32>(); m.item::<f32>(); v.item::<f64>();
        m.add(&w); m.sub(&w); b.sub(&b); m.div(&w); b.div_rounded(&b, Rounding::Floor); i.div_rounded(0, Rounding::Trunc);
        b.pow(&b); i.pow(-1); m.add_scaled(&w, 2); i.add_scaled(&i, 0.5); b.neg(); i.round_decimals(1);
        m.maximum(&w); Tensor::where_(&i, &v, &v); Tensor::where_(&b, &m, &w); v.masked_fill(&i, 0); v.masked_fill(&b, &v);
        v.masked_fill(&b, 1e300); b.clamp(0, 1); m.eq(&w);
        m.reshape([4, -1]); m.reshape([-1, -1]); m.view([5]); m.t().unwrap().view([6]); m.flatten(1, 0); m.transpose(0, 2); batch.t();
        m.permute([0, 0]); m.permute([0]); m.squeeze_dim(2); m.unsqueeze(4); m.expand([2, 4]); m.expand([3]); m.narrow(1, 2, 2);
        m.select(0, 2); m.select(2, 0); m.slice((0, 0, 0)); m.slice(5);
        Tensor::cat::<Tensor>(&[], 0); Tensor::cat(&[&m, &w], 0); Tensor::cat(&[&v, &full([], 1.0)?], 0); Tensor::stack(&[&m, &w], 0);
        m.split(0, 0); m.split(&[1, 3][..], 1); m.chunk(0, 0); m.repeat(&[2]); m.repeat_interleave(2, 3); m.flip([0, 0]);
        v.index_select(0, &v); v.index_select(0, &i); m.index_select(0, &w); m.index([&i]); m.index([&v]); v.masked_select(&i);
        m.masked_select(&b); v.one_hot(3); i.one_hot(3); m.gather(1, &i); m.gather(1, &Tensor::from([[0, 1, 7]]));
        m.scatter(1, &Tensor::from([[0]]), &d.unsqueeze(0)?); v.scatter_add(0, &i, &d); v.scatter(0, &i, 1.0);
        v.scatter_combined(0, &i, 2.0, Combine::Multiply); m.sort(2, true); m.topk(4, 1, true); b.topk(1, 0, true);
        m.mm(&v); m.mm(&w); m.mm(&Tensor::from([[1.0], [2.0], [3.0]])); v.dot(&d); v.dot(&zeros([2])?); m.mv(&m); b.dot(&b);
        batch.bmm(&m); batch.bmm(&zeros([3, 4, 1])?); batch.matmul(&v); full([], 1.0)?.matmul(&v); m.matmul(&w); i.matmul(&v);
        v.tril(0); m.linear(&w, &v);
        m.sum_dim(2, false); m.sum_dim([0, 0], false); i.mean(); zeros([0])?.max(); zeros([0, 2])?.amax(0, false);
        zeros([0])?.argmax(None, false); b.argmax(None, false); b.median(); m.median_dim(3, false); i.var(); i.norm(2.0);
        m.cumsum(2); i.softmax(0); m.log_softmax(-3); m.logsumexp(2, false);
        i.requires_grad_(); v.backward(); leaf.backward(); leaf.exp().backward(); leaf.sum().backward_with(&v);
        leaf.set_grad(Some(m.clone())); leaf.set_grad(Some(d.clone())); v.set_grad(Some(v.clone()));
        { let y = leaf.square().sum(); y.backward()?; y.backward() };
        grad(&v.sum(), &[&leaf]); grad(&leaf.sum(), &[&ones([1])?.requires_grad_()?]);
        grad_with(&[(&leaf.exp(), Some(&m))], &[&leaf], GradOptions::default());
    )
}

fn losses() -> Vec<String> {
    let (x, t) = (zeros([2, 3]).unwrap(), Tensor::from([0, 2]));
    let (d, v) = (x.to_dtype(DType::F64), zeros([3]).unwrap());
    let i = x.to_dtype(DType::I64);
    let ce = CrossEntropyLoss::default();
    let two = Some(zeros([2]).unwrap());
    lines!(
        ce.forward(&i, &t); ce.forward(&x, &zeros([2])?); ce.forward(&x, &Tensor::from([0, 3])); ce.forward(&x, &Tensor::from([0]));
        ce.forward(&x, &d); ce.forward(&x, &i); ce.forward(&zeros([])?, &t);
        CrossEntropyLoss { weight: two.clone(), ..ce.clone() }.forward(&x, &t);
        CrossEntropyLoss { weight: Some(v.to_dtype(DType::F64)), ..ce.clone() }.forward(&x, &t);
        CrossEntropyLoss { weight: Some(v.requires_grad_()?), ..ce.clone() }.forward(&x, &t);
        CrossEntropyLoss { label_smoothing: -0.1, ..ce.clone() }.forward(&x, &t);
        CrossEntropyLoss { ignore_index: 1, ..ce.clone() }.forward(&x, &x);
        CrossEntropyLoss { z_loss: f64::NAN, ..ce.clone() }.forward(&x, &t);
        f::nll_loss(&x, &x); f::nll_loss(&x, &Tensor::from([0, -1]));
        LinearCrossEntropyLoss::new(2, 3, LinearCrossEntropyOptions::default())?.forward(&x, &t);
        f::linear_cross_entropy(&x, &zeros([4, 2])?, &t, None, &LinearCrossEntropyOptions::default());
        f::linear_cross_entropy(&x, &zeros([4, 3])?.to_dtype(DType::F64), &t, None, &LinearCrossEntropyOptions::default());
        FocalLoss { gamma: -1.0, ..Default::default() }.forward(&x, &t);
        BinaryFocalLoss { alpha: Some(2.0), ..Default::default() }.forward(&x, &x);
        BCELoss::default().forward(&x, &v); BCELoss::default().forward(&x, &d); BCELoss::default().forward(&x, &full([2, 3], 2.0)?.to_dtype(DType::F32));
        BCELoss { weight: two.clone(), ..Default::default() }.forward(&x, &x);
        BCEWithLogitsLoss::default().forward(&x, &v); BCEWithLogitsLoss::default().forward(&x, &i);
        BCEWithLogitsLoss { pos_weight: two.clone(), ..Default::default() }.forward(&x, &x);
        MSELoss::default().forward(&x, &zeros([2])?); MSELoss::default().forward(&i, &i);
        MSELoss { weight: two.clone(), ..Default::default() }.forward(&x, &x);
        HuberLoss { delta: 0.0, ..Default::default() }.forward(&x, &x); SmoothL1Loss { beta: -1.0, ..Default::default() }.forward(&x, &x);
        KLDivLoss::default().forward(&x, &zeros([2])?); GaussianNLLLoss::default().forward(&x, &x, &zeros([4])?);
        GaussianNLLLoss::default().forward(&x, &x, &full([2, 3], -1.0)?); GaussianNLLLoss { eps: 0.0, ..Default::default() }.forward(&x, &x, &x);
        PoissonNLLLoss::default().forward(&x, &zeros([2])?); SoftMarginLoss::default().forward(&x, &zeros([2])?);
        HingeEmbeddingLoss::default().forward(&x, &zeros([2])?); MultiLabelSoftMarginLoss::default().forward(&i, &x);
        MultiMarginLoss::default().forward(&x, &x); MultiMarginLoss::default().forward(&x, &Tensor::from([0])); MultiMarginLoss::default().forward(&x, &Tensor::from([0, 9]));
        MultiLabelMarginLoss::default().forward(&x, &x); MultiLabelMarginLoss::default().forward(&x, &t);
        MarginRankingLoss::default().forward(&x, &x, &t); CosineEmbeddingLoss::default().forward(&x, &x, &x);
        TripletMarginLoss { margin: 0.0, ..Default::default() }.forward(&x, &x, &x); TripletMarginLoss::default().forward(&x, &x, &v);
        CTCLoss::default().forward(&x, &t, vec![2], vec![2]); CTCLoss::default().forward(&zeros([4, 1, 3])?, &Tensor::from([[1, 7]]), vec![4], vec![2]);
        CTCLoss::default().forward(&zeros([4, 2, 3])?, &Tensor::from([[1, 2]]), vec![4, 4], vec![2, 2]);
        DiceLoss::default().forward(&x, &v); accuracy(&x, &x); accuracy(&x, &Tensor::from([0]));
    )
}

fn modules() -> Vec<String> {
    let x = zeros([2, 3]).unwrap();
    let (d, i) = (x.to_dtype(DType::F64), x.to_dtype(DType::I64));
    let linear = Linear::new(3, 2).unwrap();
    let p = || Parameter::new(ones([2]).unwrap()).unwrap();
    let sgd = |options| SGD::new([p()], options).map(|_| ());
    let other =
        ["weight", "bias", "more"].map(|name| (name, ones([2]).unwrap())).into_iter().collect::<StateDict>();
    let mut adam = Adam::new([p()], AdamOptions::default()).unwrap();
    lines!(
        linear.forward(&d); linear.forward(&i); linear.forward(&zeros([2, 4])?); f::linear(&x, &zeros([2, 3])?, Some(&zeros([3])?));
        LayerNorm::new([3])?.forward(&d); LayerNorm::new([3])?.forward(&i); LayerNorm::new([4])?.forward(&x); LayerNorm::new(()).map(|_| ());
        BatchNorm1d::new(3)?.forward(&d); BatchNorm1d::new(2)?.forward(&x); BatchNorm1d::new(3)?.forward(&zeros([1, 3])?);
        BatchNorm1d::new(3)?.forward(&zeros([3])?); Embedding::new(2, 2)?.forward(&x); Embedding::new(2, 2)?.forward(&Tensor::from([0, 2]));
        Dropout::new(1.5).map(|_| ()); ELU::default().forward(&i); f::softmax(&x, 2); Flatten { start_dim: 2, end_dim: 3 }.forward(&x);
        PairwiseDistance::default().forward(&x, &zeros([2, 4])?); PairwiseDistance { eps: f64::NAN, ..Default::default() }.forward(&x, &x);
        CosineSimilarity::default().forward(&i, &i); CosineSimilarity { eps: -1.0, ..Default::default() }.forward(&x, &x);
        Parameter::new(i.clone()); p().set(&x); p().set_grad(Some(x.clone())); Parameter::frozen(x.clone()).set_grad(Some(x.clone()));
        linear.load_state_dict(&StateDict::new());
        linear.load_state_dict(&other);
        sgd(SgdOptions { lr: -0.1, ..Default::default() }); sgd(SgdOptions { momentum: f64::NAN, ..Default::default() });
        sgd(SgdOptions { nesterov: true, ..Default::default() }); sgd(SgdOptions { dampening: f64::NAN, ..Default::default() });
        Adam::new([p()], AdamOptions { betas: (1.0, 0.9), ..Default::default() }).map(|_| ()); Adam::new([], AdamOptions::default()).map(|_| ());
        { let w = p(); SGD::new([w.clone(), w], SgdOptions::default()).map(|_| ()) };
        adam.load_state_dict(&StateDict::new()); adam.set_lr(f64::NAN); adam.set_lrs(&[0.1, 0.2]);
        clip_grad_norm_(&[{ let w = p(); w.set_grad(Some(full([2], f64::NAN)?.to_dtype(DType::F32)))?; w }], 1.0, ClipNormOptions { error_if_nonfinite: true, ..Default::default() });
        clip_grad_norm_(&[p()], -1.0, ClipNormOptions::default()); clip_grad_value_(&[p()], f64::NAN); adam.set_lrs(&[f64::NAN]);
        AdaptiveLogSoftmaxWithLoss::new(4, 10, &[2], AdaptiveLogSoftmaxOptions { div_value: 0.0, ..Default::default() });
        AdaptiveLogSoftmaxWithLoss::new(4, 10, &[2], AdaptiveLogSoftmaxOptions { div_value: 1e-320, ..Default::default() });
        "most".parse::<Reduction>();
    )
}

fn data_and_curves() -> Vec<String> {
    let folder = std::env::temp_dir().join(format!("downhill-errors-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    // Paths would differ: each call begins where the files are.
    let path = |name: &str| folder.join(name);
    let table = |text: &str| Table::read(text.as_bytes(), &CsvOptions::default());
    let numbers = |text: &str| {
        let kinds = vec![("a".into(), Kind::Number)];
        Table::read(text.as_bytes(), &CsvOptions { kinds, ..Default::default() })
    };
    let idx = |bytes: &[u8]| Idx::read(bytes);
    let (rows, few) = (zeros([4, 2]).unwrap(), zeros([3]).unwrap());
    let labels = Tensor::from([0, 0, 1, 1]);
    let data = TensorDataset::new((rows.clone(), labels.clone())).unwrap();
    let mut curves = Curves::create(path("a.csv")).unwrap();
    curves.add(0, &[("loss", 1.0)]).unwrap();
    let found = lines!(
        idx(&[0, 0]); idx(&[1, 2, 3, 4]); idx(&[0, 0, 7, 1]); idx(&[0, 0, 8, 9, 0, 0, 0, 1]); idx(&[0, 0, 8, 1, 0, 0, 0, 2, 5]); idx(&[0, 0, 8, 1, 0, 0, 0, 1, 5, 6]);
        idx(&[0, 0, 8, 1, 0, 0, 0, 1, 5]).and_then(|x| x.images()); idx(&[0, 0, 8, 2, 0, 0, 0, 1, 0, 0, 0, 1, 5]).and_then(|x| x.labels());
        table(""); table("a,a\n"); table("a,b\n1\n"); table("a\n\u{e9}\n").and_then(|x| x.values("b")); numbers("a\nx\n"); numbers("b\n1\n");
        table("a,b\n1,2\n").and_then(|x| x.classes("a").map(<[_]>::len)); table("a\n1\n\n?\n2\n").and_then(|x| x.split_target("a"));
        TensorDataset::new((rows.clone(), few.clone())); TensorDataset::new((rows.clone(), Tensor::from(1.0))); data.get(4); data.batch(&[0, 9]);
        random_split(&data, [3, 2], None); random_split(&data, [0.5, 0.6], None); random_split(&data, [0.5, -0.5], None); stratified_split(&data, &few, [0.5, 0.5], None);
        DataLoader::new(&data).batch_size(0).iter().map(|_| ()); DataLoader::new(&data).shuffle(true).sampler(SequentialSampler::new(4)).iter().map(|_| ());
        Standardizer::fit(&labels); Standardizer::fit(&rows).and_then(|s| s.transform(&zeros([2, 5])?)); Standardizer::from_state([("mean", few.clone())]);
        curves.add(1, &[("rate", 1.0)]); curves.add(1, &[("loss", 1.0), ("loss", 2.0)]); curves.add(1, &[("", 1.0)]); Curves::create("curves.txt");
        log::read(path("a.csv"), "rate"); { fs::write(path("a.csv"), "step,loss\n0,x\n").unwrap(); log::read(path("a.csv"), "loss") };
        Curves::append({ fs::write(path("b.csv"), "epoch\n").unwrap(); path("b.csv") });
    );
    fs::remove_dir_all(&folder).unwrap();
    found.into_iter().map(|line| line.replace(&folder.display().to_string(), "…")).collect()
}

fn schedules_and_files() -> Vec<String> {
    let p = || Parameter::new(ones([2]).unwrap()).unwrap();
    let mut o = SGD::with_groups([([p()], SgdOptions::default()), ([p()], SgdOptions::default())]).unwrap();
    let mut step = StepLR::new(2, 0.5).unwrap();
    let cosine = CosineAnnealingLR::new(&mut o, 5, 0.0).unwrap();
    let mut both = SequentialLR::new(&mut o, vec![Box::new(step.clone()), Box::new(cosine)], [2]).unwrap();
    let with = |name, value| -> StateDict { [(name, value)].into_iter().collect() };
    let file = |header: &str, data: &[u8]| {
        let length = (header.len() as u64).to_le_bytes();
        StateDict::from_bytes(&[&length, header.as_bytes(), data].concat())
    };
    lines!(
        StepLR::new(0, 0.5); CosineAnnealingLR::new(&mut o, 0, 0.0); ConstantLR::new(&mut o, 2.0, 5); ConstantLR::new(&mut o, 0.0, 1)?.step(&mut o);
        LinearLR::new(&mut o, LinearLrOptions { start_factor: 0.0, ..Default::default() }); LambdaLR::per_group(&mut o, vec![]);
        CosineAnnealingWarmRestarts::new(&mut o, WarmRestartsOptions { t_mult: 0, ..Default::default() });
        CosineAnnealingWarmRestarts::new(&mut o, WarmRestartsOptions::default())?.step_to(&mut o, -1.0);
        SequentialLR::new(&mut o, vec![], []); SequentialLR::new(&mut o, vec![Box::new(step.clone())], [2]);
        OneCycleLR::new(&mut o, [1.0], 5, OneCycleOptions::default()); ReduceLROnPlateau::new(&o, PlateauOptions { factor: 2.0, ..Default::default() }); ReduceLROnPlateau::new(&o, PlateauOptions { threshold: f64::NAN, ..Default::default() });
        step.load_state_dict(&StateDict::new()); step.load_state_dict(&o.state_dict()); step.load_state_dict(&both.state_dict());
        step.load_state_dict(&StateDict::from_iter([("step_size", Tensor::from(0)), ("gamma", Tensor::from(1.0)), ("last_epoch", Tensor::from(0))]));
        step.load_state_dict(&with("step_size", Tensor::from(0.5))); step.load_state_dict(&with("step_size", ones([2])?));
        { let mut state = both.state_dict(); state.remove("schedulers.1.T_max"); both.load_state_dict(&state) };
        { let mut state = both.state_dict(); state.insert("base_lrs", Tensor::from([0.1])); both.load_state_dict(&state) };
        StateDict::load("tutorial/nll.0.txt"); Linear::new(1, 1)?.load("tutorial/nll.0.txt"); with("__metadata__", Tensor::from(1)).to_bytes();
        StateDict::from_bytes(b"1234"); file("[]", b""); file("{", b""); file("{}", b"1"); file(r#"{"a":{},"b":{}}"#, b"");
        file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, b"12345678");
        file(r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}"#, b"1234"); file(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#, b"123456");
        file(r#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#, b"1234"); file(r#"{"a":{"dtype":"C64","shape":[1],"data_offsets":[0,8]}}"#, b"12345678");
        file(r#"{"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#, b"7"); file(r#"{"a":{"dtype":"U64","shape":[1],"data_offsets":[0,8]}}"#, &[255; 8]);
        Checkpoint::from_state_dict(&o.state_dict()); Checkpoint::from_state_dict(&StateDict::new()); generator_from_tensor(&Tensor::from([1, 2]));
        Checkpoint { generator: vec![0; 5056], ..Checkpoint::of(&Linear::new(1, 1)?, &o) }.restore(&Linear::new(1, 1)?, &mut o);
        set_rng_state(&[1, 2]);
    )
}

#[test]
fn every_error_reads_as_the_file_says() {
    let parts = [
        ("Operations", operations()),
        ("Losses", losses()),
        ("Modules and optimizers", modules()),
        ("Schedules and files", schedules_and_files()),
        ("Data and curves", data_and_curves()),
    ];
    let parts = parts.map(|(title, lines)| format!("# {title}\n{}\n", lines.join("\n")));
    let found = parts.join("\n").lines().map(str::trim_end).collect::<Vec<_>>().join("\n") + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("errors.txt");
    if std::env::var_os("ERRORS").is_some() {
        return fs::write(&path, found).expect("a file that can be written");
    }
    let expected = fs::read_to_string(&path).expect("errors.txt");
    for (found, expected) in found.lines().zip(expected.lines()) {
        assert_eq!(found, expected, "`ERRORS=write cargo test errors` takes it over");
    }
    assert_eq!(found.lines().count(), expected.lines().count());
}
