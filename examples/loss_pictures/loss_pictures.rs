//! Draws the pictures of `docs/losses`: of every loss its value and its gradient, both computed by this library, along
//! one line through its inputs.
use downhill::nn::loss::{AdaptiveLogSoftmaxOptions, LinearCrossEntropyOptions, Reduction::None as Each};
use downhill::prelude::*;
use draw::Picture;
use std::error::Error as StdError;
use std::path::PathBuf;

mod draw;

/// Where the pictures are.
fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/losses")
}

fn main() -> Result<(), Box<dyn StdError>> {
    for picture in pictures()? {
        std::fs::write(folder().join(format!("{}.svg", picture.name)), picture.draw()?)?;
    }
    Ok(())
}

#[test]
fn the_committed_pictures_are_those_that_are_drawn() -> Result<(), Box<dyn StdError>> {
    let pictures = pictures()?;
    for picture in &pictures {
        let path = folder().join(format!("{}.svg", picture.name));
        let committed = std::fs::read_to_string(&path)?;
        assert!(picture.draw()? == committed, "{}: run the example loss_pictures", path.display());
    }
    let committed = std::fs::read_dir(folder())?.map(|entry| entry.map(|entry| entry.path()));
    let committed = committed.collect::<Result<Vec<_>, _>>()?;
    let drawings = committed.iter().filter(|path| path.extension().is_some_and(|e| e == "svg"));
    assert_eq!(drawings.count(), pictures.len());
    Ok(())
}

/// A number for each element of `x`.
fn all(x: &Tensor, value: f64) -> Result<Tensor> {
    Tensor::from(value).expand(x.shape())
}

/// Rows of `x` and constants.
fn row(x: &Tensor, others: &[f64]) -> Result<Tensor> {
    let mut columns = vec![x.clone()];
    for &other in others {
        columns.push(all(x, other)?);
    }
    Tensor::stack(&columns, 1)
}

/// The class 0 for each element.
fn first(x: &Tensor) -> Result<Tensor> {
    Tensor::from(0).expand(x.shape())
}

const SCORE: &str = "score of the target class, the others being 0";
const LOGIT: &str = "logit x";
const ERROR: &str = "error x − t (units of x)";
const NATS: &str = "loss (nats)";
const SLOPE: &str = "gradient ∂ℓ/∂x";

fn pictures() -> Result<Vec<Picture>> {
    let mut pictures = classes()?;
    pictures.extend(labels()?);
    pictures.extend(numbers()?);
    pictures.extend(likelihoods()?);
    pictures.extend(sequences()?);
    pictures.extend(pairs()?);
    Ok(pictures)
}

fn classes() -> Result<Vec<Picture>> {
    let hinge = |p: f64, margin: f64| {
        move |x: &Tensor| {
            let loss = MultiMarginLoss { p, margin, reduction: Each, ..Default::default() };
            loss.forward(&row(x, &[0.0, 1.0])?, &first(x)?)
        }
    };
    let smooth = |e: f64| {
        move |x: &Tensor| {
            let loss = CrossEntropyLoss { label_smoothing: e, reduction: Each, ..Default::default() };
            loss.forward(&row(x, &[0.0, 0.0])?, &first(x)?)
        }
    };
    let drift = |z: f64| {
        move |x: &Tensor| {
            let loss = CrossEntropyLoss { z_loss: z, reduction: Each, ..Default::default() };
            loss.forward(&Tensor::stack(&[x, x, x], 1)?, &first(x)?)
        }
    };
    let layer = |class: i64| {
        move |x: &Tensor| {
            let options = LinearCrossEntropyOptions { reduction: Each, ..Default::default() };
            let (w, t) = (Tensor::from([[1.0], [0.0], [-1.0]]), Tensor::from(class).expand(x.shape())?);
            functional::linear_cross_entropy(&x.unsqueeze(1)?, &w, &t, None, &options)
        }
    };
    let nll = |w: f64| {
        move |x: &Tensor| {
            let weight = Some(Tensor::from([w, 1.0]));
            NLLLoss { weight, reduction: Each, ..Default::default() }.forward(&row(x, &[-1.0])?, &first(x)?)
        }
    };
    let focal = |gamma: f64| {
        move |x: &Tensor| {
            FocalLoss { gamma, reduction: Each, ..Default::default() }.forward(&row(x, &[0.0])?, &first(x)?)
        }
    };
    Ok(vec![
        Picture::new("cross_entropy", "CrossEntropyLoss of three classes", [SCORE, NATS, SLOPE], -6.0..8.0)
            .curve("label_smoothing 0", smooth(0.0))?
            .curve("0.1", smooth(0.1))?
            .curve("0.3", smooth(0.3))?,
        Picture::new(
            "linear_cross_entropy",
            "LinearCrossEntropyLoss of one feature, weights 1, 0 and −1",
            ["the feature x", NATS, SLOPE],
            -6.0..6.0,
        )
        .curve("target of weight 1", layer(0))?
        .curve("0", layer(1))?
        .curve("−1", layer(2))?,
        Picture::new(
            "z_loss",
            "CrossEntropyLoss with z_loss: three equal logits",
            ["all three logits", NATS, "gradient, summed"],
            -60.0..60.0,
        )
        .curve("z_loss 0", drift(0.0))?
        .curve("1e-4", drift(1e-4))?
        .curve("3e-4", drift(3e-4))?,
        Picture::new(
            "nll",
            "NLLLoss",
            ["log-probability of the target class (nats)", NATS, SLOPE],
            -6.0..0.0,
        )
        .show(0.0..12.0, -2.5..0.0)
        .curve("class weight 1", nll(1.0))?
        .curve("2", nll(2.0))?
        .curve("0.5", nll(0.5))?,
        Picture::new(
            "focal",
            "FocalLoss of two classes",
            ["score of the target class, the other being 0", NATS, SLOPE],
            -4.0..6.0,
        )
        .curve("gamma 0 (cross-entropy)", focal(0.0))?
        .curve("1", focal(1.0))?
        .curve("2", focal(2.0))?
        .curve("5", focal(5.0))?,
        Picture::new(
            "multi_margin",
            "MultiMarginLoss of three classes",
            ["score of the target class, the others being 0 and 1", "loss", SLOPE],
            -2.0..4.0,
        )
        .curve("margin 1, p = 1", hinge(1.0, 1.0))?
        .curve("margin 2, p = 1", hinge(1.0, 2.0))?
        .curve("margin 1, p = 2", hinge(2.0, 1.0))?,
        Picture::new(
            "adaptive_log_softmax",
            "AdaptiveLogSoftmaxWithLoss: 4 frequent classes, a cluster of 16",
            ["the score that varies, all others being 0", NATS, SLOPE],
            -6.0..8.0,
        )
        .curve("a frequent class: its score", |x| adaptive(x, 0, 0))?
        .curve("a rare class: its cluster's score", |x| adaptive(x, 4, 4))?
        .curve("a rare class: its own score", |x| adaptive(x, 4, 5))?,
    ])
}

/// The loss of a class of 20, as a function of one score: 0..4 are those of frequent classes, 4 is the cluster's, 5 the
/// first one's in it.
fn adaptive(x: &Tensor, class: i64, varied: usize) -> Result<Tensor> {
    let options = AdaptiveLogSoftmaxOptions { div_value: 1.0, ..Default::default() };
    let loss = AdaptiveLogSoftmaxWithLoss::new(1, 20, &[4], options)?;
    let unit =
        |n: usize, i: usize| Tensor::from((0..n).map(|j| f64::from(j == i)).collect::<Vec<_>>()).unsqueeze(1);
    let state: StateDict = [
        ("head.weight", unit(5, varied)?),
        ("tail.0.0.weight", Tensor::from([[1.0]])),
        ("tail.0.1.weight", unit(16, varied.wrapping_sub(5))?),
    ]
    .into_iter()
    .collect();
    loss.load_state_dict(&state).expect("its own shapes");
    let x = x.to_dtype(DType::F32).unsqueeze(1)?;
    let found = loss.forward(&x, &Tensor::from(class).expand(x.numel())?)?;
    Ok(found.output.neg()?.to_dtype(DType::F64))
}

fn labels() -> Result<Vec<Picture>> {
    // The classes 0 and 1 are labels.
    let listed = |place: usize| {
        move |x: &Tensor| {
            let mut columns = vec![all(x, 2.0)?, all(x, 1.0)?, all(x, 0.0)?, all(x, -1.0)?];
            columns[place] = x.clone();
            let target = Tensor::from([0, 1, -1, -1]).expand([x.numel(), 4])?;
            MultiLabelMarginLoss { reduction: Each }.forward(&Tensor::stack(&columns, 1)?, &target)
        }
    };
    let averaged = |t: f64, weight: f64| {
        move |x: &Tensor| {
            let weight = Some(Tensor::from([weight, 1.0]));
            let loss = MultiLabelSoftMarginLoss { weight, reduction: Each };
            loss.forward(&row(x, &[0.0])?, &row(&all(x, t)?, &[1.0])?)
        }
    };
    let bce =
        |t: f64| move |x: &Tensor| BCELoss { reduction: Each, ..Default::default() }.forward(x, &all(x, t)?);
    let logits = |t: f64, p: f64| {
        move |x: &Tensor| {
            let pos_weight = Some(Tensor::from(p));
            BCEWithLogitsLoss { pos_weight, reduction: Each, ..Default::default() }.forward(x, &all(x, t)?)
        }
    };
    let focal = |t: f64, gamma: f64, alpha: Option<f64>| {
        move |x: &Tensor| BinaryFocalLoss { gamma, alpha, reduction: Each }.forward(x, &all(x, t)?)
    };
    let soft = |t: f64| move |x: &Tensor| SoftMarginLoss { reduction: Each }.forward(x, &all(x, t)?);
    let dice = |count: usize| {
        move |x: &Tensor| {
            let mask: Vec<f64> = (0..100).map(|i| f64::from(i < count)).collect();
            let mask = Tensor::from(mask);
            // The mask's pixels get x, the others 0.1.
            let guess = x.unsqueeze(1)?.mul(&mask)?.add(&mask.mul(-0.1)?.add(0.1)?)?;
            DiceLoss { reduction: Each, ..Default::default() }.forward(&guess, &mask.expand(guess.shape())?)
        }
    };
    Ok(vec![
        Picture::new("bce", "BCELoss", ["probability x", NATS, SLOPE], 0.001..0.999)
            .show(0.0..5.0, -12.0..12.0)
            .curve("target 1", bce(1.0))?
            .curve("0", bce(0.0))?
            .curve("0.7", bce(0.7))?,
        Picture::new("bce_with_logits", "BCEWithLogitsLoss", [LOGIT, NATS, SLOPE], -6.0..6.0)
            .curve("target 1", logits(1.0, 1.0))?
            .curve("0", logits(0.0, 1.0))?
            .curve("0.7", logits(0.7, 1.0))?
            .curve("1 with pos_weight 3", logits(1.0, 3.0))?,
        Picture::new("binary_focal", "BinaryFocalLoss", [LOGIT, NATS, SLOPE], -6.0..6.0)
            .curve("target 1: gamma 0", focal(1.0, 0.0, None))?
            .curve("gamma 2", focal(1.0, 2.0, None))?
            .curve("gamma 2, alpha 0.25", focal(1.0, 2.0, Some(0.25)))?
            .curve("target 0: gamma 2, alpha 0.25", focal(0.0, 2.0, Some(0.25)))?,
        Picture::new("soft_margin", "SoftMarginLoss", ["score x", NATS, SLOPE], -6.0..6.0)
            .curve("target 1", soft(1.0))?
            .curve("−1", soft(-1.0))?,
        Picture::new(
            "multilabel_soft_margin",
            "MultiLabelSoftMarginLoss of two classes, the other with logit 0 and target 1",
            [LOGIT, NATS, SLOPE],
            -6.0..6.0,
        )
        .curve("target 1", averaged(1.0, 1.0))?
        .curve("0", averaged(0.0, 1.0))?
        .curve("1 with weight 2", averaged(1.0, 2.0))?,
        Picture::new(
            "multilabel_margin",
            "MultiLabelMarginLoss: two labels with scores 2 and 1, two others with 0 and −1",
            ["the score that varies", "loss", SLOPE],
            -3.0..4.0,
        )
        .curve("the first label's", listed(0))?
        .curve("the first other's", listed(2))?,
        Picture::new(
            "dice",
            "DiceLoss of 100 pixels, the background predicted 0.1",
            ["predicted probability of the foreground's pixels", "loss", "gradient, summed"],
            0.0..1.0,
        )
        .curve("1 pixel of foreground", dice(1))?
        .curve("10", dice(10))?
        .curve("50", dice(50))?,
    ])
}

fn numbers() -> Result<Vec<Picture>> {
    let weight = |x: &Tensor, w: f64| all(x, w).map(Some);
    let mse = |w: f64| {
        move |x: &Tensor| MSELoss { weight: weight(x, w)?, reduction: Each }.forward(x, &all(x, 0.0)?)
    };
    let l1 = |w: f64| {
        move |x: &Tensor| L1Loss { weight: weight(x, w)?, reduction: Each }.forward(x, &all(x, 0.0)?)
    };
    let smooth =
        |beta: f64| move |x: &Tensor| SmoothL1Loss { beta, reduction: Each }.forward(x, &all(x, 0.0)?);
    let huber = |delta: f64| {
        move |x: &Tensor| HuberLoss { delta, reduction: Each, ..Default::default() }.forward(x, &all(x, 0.0)?)
    };
    Ok(vec![
        Picture::new("mse", "MSELoss", [ERROR, "loss (units of x, squared)", SLOPE], -3.0..3.0)
            .curve("weight 1", mse(1.0))?
            .curve("2", mse(2.0))?
            .curve("0.5", mse(0.5))?,
        Picture::new("l1", "L1Loss", [ERROR, "loss (units of x)", SLOPE], -3.0..3.0)
            .curve("weight 1", l1(1.0))?
            .curve("2", l1(2.0))?
            .curve("0.5", l1(0.5))?,
        Picture::new("smooth_l1", "SmoothL1Loss", [ERROR, "loss (units of x)", SLOPE], -3.0..3.0)
            .curve("beta 0 (L1Loss)", smooth(0.0))?
            .curve("0.5", smooth(0.5))?
            .curve("1", smooth(1.0))?
            .curve("2", smooth(2.0))?,
        Picture::new("huber", "HuberLoss", [ERROR, "loss (units of x, squared)", SLOPE], -3.0..3.0)
            .curve("delta 0.5", huber(0.5))?
            .curve("1", huber(1.0))?
            .curve("2", huber(2.0))?,
    ])
}

fn likelihoods() -> Result<Vec<Picture>> {
    let gaussian = |d: f64| {
        move |x: &Tensor| {
            GaussianNLLLoss { reduction: Each, ..Default::default() }.forward(&all(x, d)?, &all(x, 0.0)?, x)
        }
    };
    let poisson = |t: f64| {
        move |x: &Tensor| PoissonNLLLoss { reduction: Each, ..Default::default() }.forward(x, &all(x, t)?)
    };
    let kl = |t: f64| {
        move |x: &Tensor| {
            let q = Tensor::stack(&[x, &x.mul(-1.0)?.add(1.0)?], 1)?.log();
            let terms = KLDivLoss { reduction: KLDivReduction::None, ..Default::default() };
            terms.forward(&q, &Tensor::from([t, 1.0 - t]).expand(q.shape())?)?.sum_dim(1, false)
        }
    };
    Ok(vec![
        Picture::new(
            "gaussian_nll",
            "GaussianNLLLoss as a function of the variance",
            ["predicted variance (units of x, squared)", NATS, "gradient ∂ℓ/∂var"],
            0.0..6.0,
        )
        .show(-1.5..3.0, -3.0..3.0)
        .curve("error x − t = 0", gaussian(0.0))?
        .curve("0.5", gaussian(0.5))?
        .curve("1", gaussian(1.0))?
        .curve("2", gaussian(2.0))?,
        Picture::new(
            "poisson_nll",
            "PoissonNLLLoss",
            ["log-rate x", "loss (nats, up to a constant)", SLOPE],
            -3.0..3.0,
        )
        .show(-6.0..14.0, -6.0..14.0)
        .curve("count 0", poisson(0.0))?
        .curve("1", poisson(1.0))?
        .curve("5", poisson(5.0))?,
        Picture::new(
            "kl_div",
            "KLDivLoss of two outcomes",
            ["predicted probability q of the first", NATS, "gradient ∂ℓ/∂q"],
            0.0..1.0,
        )
        .show(0.0..2.5, -8.0..8.0)
        .curve("target 0.5", kl(0.5))?
        .curve("0.8", kl(0.8))?
        .curve("1", kl(1.0))?,
    ])
}

fn sequences() -> Result<Vec<Picture>> {
    // Four steps; the blank's logit is the same in all, those of two labels are 0.
    let ctc = |target: &'static [i64]| {
        move |x: &Tensor| {
            let n = x.numel();
            let logits = row(x, &[0.0, 0.0])?.unsqueeze(0)?.expand([4, n, 3])?;
            let targets = Tensor::from(target).expand([n, target.len()])?;
            let loss = CTCLoss { reduction: Each, ..Default::default() };
            loss.forward(&logits.log_softmax(2)?, &targets, vec![4; n], vec![target.len(); n])
        }
    };
    Ok(vec![
        Picture::new(
            "ctc",
            "CTCLoss of four steps over blank, a and b",
            ["logit of the blank in every step, the labels' being 0", NATS, SLOPE],
            -6.0..6.0,
        )
        .curve("target “a”", ctc(&[1]))?
        .curve("“ab”", ctc(&[1, 2]))?
        .curve("“aa”", ctc(&[1, 1]))?,
    ])
}

fn pairs() -> Result<Vec<Picture>> {
    let cosine = |t: f64, margin: f64| {
        move |x: &Tensor| {
            let a = Tensor::stack(&[x.cos(), x.sin()], 1)?;
            let b = Tensor::from([1.0, 0.0]).expand(a.shape())?;
            CosineEmbeddingLoss { margin, reduction: Each }.forward(&a, &b, &all(x, t)?)
        }
    };
    let hinge = |t: f64, margin: f64| {
        move |x: &Tensor| HingeEmbeddingLoss { margin, reduction: Each }.forward(x, &all(x, t)?)
    };
    let ranking = |t: f64, margin: f64| {
        move |x: &Tensor| MarginRankingLoss { margin, reduction: Each }.forward(x, &all(x, 0.0)?, &all(x, t)?)
    };
    let triplet = |margin: f64, swap: bool| {
        move |x: &Tensor| {
            let loss = TripletMarginLoss { margin, swap, reduction: Each, ..Default::default() };
            let negative = x.unsqueeze(1)?;
            loss.forward(
                &negative.detach().zeros_like(),
                &negative.detach().zeros_like().add(1.0)?,
                &negative,
            )
        }
    };
    Ok(vec![
        Picture::new(
            "hinge_embedding",
            "HingeEmbeddingLoss",
            ["distance x (its own units)", "loss (units of x)", SLOPE],
            0.0..3.0,
        )
        .curve("target 1", hinge(1.0, 1.0))?
        .curve("−1, margin 1", hinge(-1.0, 1.0))?
        .curve("−1, margin 2", hinge(-1.0, 2.0))?,
        Picture::new(
            "margin_ranking",
            "MarginRankingLoss",
            ["difference a − b of the scores (their units)", "loss (units of the scores)", "gradient ∂ℓ/∂a"],
            -3.0..3.0,
        )
        .curve("target 1, margin 0", ranking(1.0, 0.0))?
        .curve("1, margin 1", ranking(1.0, 1.0))?
        .curve("−1, margin 1", ranking(-1.0, 1.0))?,
        Picture::new(
            "cosine_embedding",
            "CosineEmbeddingLoss",
            ["angle between the vectors (radians)", "loss", "gradient ∂ℓ/∂angle"],
            0.0..std::f64::consts::PI,
        )
        .curve("target 1", cosine(1.0, 0.0))?
        .curve("−1, margin 0", cosine(-1.0, 0.0))?
        .curve("−1, margin 0.5", cosine(-1.0, 0.5))?,
        Picture::new(
            "triplet_margin",
            "TripletMarginLoss: anchor at 0, positive at 1",
            ["place of the negative (units of the distance)", "loss (units of the distance)", SLOPE],
            -3.0..3.0,
        )
        .curve("margin 1", triplet(1.0, false))?
        .curve("margin 0.5", triplet(0.5, false))?
        .curve("margin 1, swap", triplet(1.0, true))?,
        Picture::new(
            "triplet_margin_with_distance",
            "TripletMarginWithDistanceLoss: positive at distance 1, margin 1",
            ["negative's difference from the anchor (units of x)", "loss (units of the distance)", SLOPE],
            -3.0..3.0,
        )
        .curve("d = |u|", |x| with_distance(x, Tensor::abs))?
        .curve("u²", |x| with_distance(x, Tensor::square))?
        .curve("u²/(1 + u²)", |x| with_distance(x, |d| 1.0 - 1.0 / (d.square() + 1.0)))?,
    ])
}

fn with_distance(x: &Tensor, norm: impl Fn(&Tensor) -> Tensor) -> Result<Tensor> {
    let distance = |a: &Tensor, b: &Tensor| Ok(norm(&a.sub(b)?));
    let loss =
        TripletMarginWithDistanceLoss { reduction: Each, ..TripletMarginWithDistanceLoss::new(distance) };
    loss.forward(&all(x, 0.0)?, &all(x, 1.0)?, x)
}
