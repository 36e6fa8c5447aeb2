//! Where PyTorch does otherwise, on purpose: tests that `docs/divergences.md` names.

use downhill::autograd;
use downhill::check::gradcheck;
use downhill::nn::optim::{PlateauOptions, ReduceLROnPlateau};
use downhill::nn::{CosineSimilarity, PairwiseDistance};
use downhill::prelude::*;
use downhill::random::Generator;
use downhill::{Combine, MAX_RANK};
use std::panic::catch_unwind;

#[test]
fn a_write_is_seen_by_nobody_else() -> Result<()> {
    let mut x = zeros([2, 2])?;
    let (same, row, transposed) = (x.clone(), x.slice(0)?, x.t()?);
    x.make_mut::<f32>()?[0] = 5.0;
    assert_eq!(x.slice((0, 0))?.item::<f32>()?, 5.0);
    for other in [same, row, transposed] {
        assert_eq!(other, other.zeros_like());
    }
    Ok(())
}

#[test]
fn requires_grad_returns_a_leaf_and_leaves_the_tensor_as_it_is() -> Result<()> {
    let x = ones([2])?;
    let leaf = x.requires_grad_()?;
    assert!(leaf.requires_grad() && !x.requires_grad());
    Ok(())
}

#[test]
fn an_operator_panics_with_the_text_that_the_method_returns() -> Result<()> {
    let (a, b) = (zeros([3])?, zeros([2])?);
    let text = a.add(&b).unwrap_err().to_string();
    assert_eq!(text, "add: shapes [3] and [2] do not broadcast");
    let panic = catch_unwind(|| &a + &b).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>(), Some(&text));
    Ok(())
}

#[test]
fn a_ninth_dimension_is_an_error() -> Result<()> {
    assert_eq!(MAX_RANK, 8);
    let x = zeros([1; 8])?;
    let text = "at most 8 dimensions are supported, but got [1, 1, 1, 1, 1, 1, 1, 1, 1]";
    assert_eq!(zeros([1; 9]).unwrap_err(), Error::argument("zeros", text));
    assert!(x.unsqueeze(0).is_err() && Tensor::stack(&[&x], 0).is_err());
    assert!(x.reshape([1; 9]).is_err() && x.expand([1; 9]).is_err());
    Ok(())
}

#[test]
fn integers_of_any_width_become_int64() -> Result<()> {
    let targets = [Tensor::from([0_i32, 1]), Tensor::from([0_u8, 1]), Tensor::from([0_usize, 1])];
    for target in targets {
        assert_eq!(target.dtype(), DType::I64);
        functional::nll_loss(&zeros([2, 3])?, &target)?;
    }
    assert_eq!(Tensor::from(1.0).dtype(), DType::F64);
    Ok(())
}

#[test]
fn square_roots_are_correctly_rounded() -> Result<()> {
    let x = Generator::seeded(0).rand([100_000], DType::F32)?.mul(10)?;
    let exact = x.to_dtype(DType::F64).sqrt().to_dtype(DType::F32);
    assert_eq!(x.sqrt(), exact);
    Ok(())
}

#[test]
fn sums_scattered_into_a_tensor_have_a_derivative() -> Result<()> {
    let x = zeros([3])?.to_dtype(DType::F64).requires_grad_()?;
    let source = Tensor::from([2.0, 3.0]).requires_grad_()?;
    let index = Tensor::from([1, 1]);
    gradcheck(|x| x[0].scatter_combined(0, &index, &x[1], Combine::Add), &[x, source])
}

#[test]
fn losses_of_shapes_that_differ_broadcast_without_a_word() -> Result<()> {
    let (x, t) = (zeros([3, 1])?, Tensor::from([0.0_f32, 1.0, 2.0]));
    for loss in [functional::mse_loss, functional::l1_loss, functional::smooth_l1_loss] {
        assert_eq!(loss(&x, &t)?, loss(&x.expand([3, 3])?, &t.expand([3, 3])?)?);
    }
    Ok(())
}

#[test]
fn gradcheck_finds_one_wrong_entry() -> Result<()> {
    use downhill::autograd::edge;
    let wrong = |x: &Tensor| -> Result<Tensor> {
        let factor = Tensor::from([2.0, 2.0, 2.02]);
        Ok(Tensor::from_op("Wrong", x.detach().mul(2)?, [edge(x, &factor, |g, f| g.mul(f))]))
    };
    let x = Tensor::from([0.1, 0.2, 0.3]).requires_grad_()?;
    assert!(gradcheck(|x| wrong(&x[0]), &[x]).is_err());
    Ok(())
}

#[test]
fn losses_whose_terms_cancel_are_rounded_once() -> Result<()> {
    let mut generator = Generator::seeded(0);
    let x = generator.randn([40, 6, 12], DType::F32)?.log_softmax(-1)?;
    let t = generator.randn([40, 6, 12], DType::F32)?.softmax(-1)?;
    let labels = generator.randint(1, 12, [6, 10], DType::I64)?;
    type Program<'a> = &'a dyn Fn(DType) -> Result<Tensor>;
    let losses: [(&str, Program<'_>); 5] = [
        ("kl_div", &|to| KLDivLoss::default().forward(&x.to_dtype(to), &t.to_dtype(to))),
        ("poisson_nll", &|to| PoissonNLLLoss::default().forward(&x.to_dtype(to), &t.to_dtype(to))),
        ("gaussian_nll", &|to| {
            GaussianNLLLoss::default().forward(&x.to_dtype(to), &t.to_dtype(to), &t.to_dtype(to))
        }),
        ("ctc", &|to| {
            let loss = CTCLoss { reduction: Reduction::None, ..Default::default() };
            loss.forward(&x.to_dtype(to), &labels, [40; 6], [10; 6])
        }),
        ("norm", &|to| x.to_dtype(to).norm_dim(2.0, 0, false)),
    ];
    for (name, loss) in losses {
        let exact = loss(DType::F64)?.to_dtype(DType::F32);
        let off = loss(DType::F32)?.sub(&exact)?.abs().max()?.item::<f64>()?;
        // Twice rounded is next to once rounded: half a unit of the largest, and a trace.
        assert!(off <= exact.abs().max()?.item::<f64>()? * 1.2e-7, "{name} is off by {off}");
    }
    Ok(())
}

#[test]
fn what_is_left_of_a_probability_near_1_is_kept() -> Result<()> {
    let close = |found: f32, exact: f64| (f64::from(found) / exact - 1.0).abs() < 4e-7;
    let rest = 1.0 / (18_f64.exp() + 1.0);
    let x = Tensor::from([[18.0_f32, 0.0]]).requires_grad_()?;
    let target = Tensor::from([0]);
    let log = x.log_softmax(1)?;
    for loss in [functional::cross_entropy(&x, &target)?, functional::nll_loss(&log, &target)?] {
        assert!(close(loss.item::<f32>()?, rest));
        let g = autograd::grad(&loss, &[&x])?.remove(0).to_vec::<f32>()?;
        assert!(close(g[0], -rest) && close(g[1], rest), "{g:?}");
    }
    let loss = BCEWithLogitsLoss::default().forward(&Tensor::from([-16.0_f32]), &Tensor::from([0.0_f32]))?;
    assert!(close(loss.item::<f32>()?, (-16_f64).exp().ln_1p()));
    Ok(())
}

#[test]
fn options_that_make_no_sense_are_refused() -> Result<()> {
    let (x, t) = (zeros([2, 3])?, Tensor::from([0, 2]));
    for label_smoothing in [-0.1, 1.1, f64::NAN] {
        assert!(CrossEntropyLoss { label_smoothing, ..Default::default() }.forward(&x, &t).is_err());
    }
    for eps in [0.0, -1.0, f64::NAN] {
        assert!(GaussianNLLLoss { eps, ..Default::default() }.forward(&x, &x, &ones([2, 3])?).is_err());
    }
    assert!(CosineSimilarity { eps: -1.0, ..Default::default() }.forward(&x, &x).is_err());
    assert!(PairwiseDistance { eps: f64::INFINITY, ..Default::default() }.forward(&x, &x).is_err());
    let mut norm = BatchNorm1d::new(3)?;
    norm.eps = f64::NAN;
    assert!(norm.forward(&x).is_err());
    let sgd = SGD::new([Parameter::new(ones([1])?)?], SgdOptions::default())?;
    assert!(ReduceLROnPlateau::new(&sgd, PlateauOptions { factor: f64::NAN, ..Default::default() }).is_err());
    // What PyTorch refuses is refused.
    let (int, flag) = (x.to_dtype(DType::I64), x.to_dtype(DType::Bool));
    assert!(
        KLDivLoss::default().forward(&int, &int).is_err() && L1Loss::default().forward(&x, &flag).is_err()
    );
    Ok(())
}

/// Neither products of the library nor functions of C: FNV-1a over the bits, the same everywhere.
#[test]
fn what_our_loops_compute_has_these_bits_on_every_processor() -> Result<()> {
    let mut generator = Generator::seeded(7);
    let x = generator.randn([64, 12], DType::F32)?;
    let target = generator.randint(0, 12, [64], DType::I64)?;
    let w = Parameter::new(generator.randn([12, 12], DType::F32)?)?;
    let mut optimizer =
        RMSprop::new([w.clone()], RMSpropOptions { momentum: 0.9, centered: true, ..Default::default() })?;
    for _ in 0..10 {
        optimizer.zero_grad();
        // 12 × 12 × 12 multiplications a product: a plain loop.
        let rows = (0..4).map(|i| x.narrow(0, i * 12, 12)?.mm(&w.tensor())).collect::<Result<Vec<_>>>()?;
        let loss = functional::cross_entropy(&Tensor::cat(&rows, 0)?, &target.narrow(0, 0, 48)?)?;
        loss.backward()?;
        optimizer.step()?;
    }
    let y = x.to_dtype(DType::F64);
    let parts = [
        w.tensor(),
        x.exp(),
        x.expm1(),
        x.tanh(),
        x.sigmoid(),
        x.erf(),
        x.abs().log(),
        x.abs().log1p(),
        x.abs().log2(),
        x.abs().sqrt(),
        x.softmax(1)?,
        x.log_softmax(0)?,
        x.logsumexp(1, false)?,
        x.sum(),
        x.var()?,
        x.norm(2.0)?,
        x.cumsum(0)?,
        y.exp(),
        y.abs().log(),
        y.abs().log1p(),
        y.softmax(1)?,
        y.log_softmax(0)?,
        y.sigmoid(),
        y.erf(),
        y.mean()?,
        functional::binary_cross_entropy_with_logits(&x, &x.sigmoid())?,
        functional::mse_loss(&y, &y.exp())?,
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in &parts {
        for x in part.to_dtype(DType::F64).contiguous().as_slice::<f64>()? {
            hash = (hash ^ x.to_bits()).wrapping_mul(0x100_0000_01b3);
        }
    }
    assert_eq!(hash, 0x8db0_8dba_d9cd_ba2e, "{hash:#x}");
    Ok(())
}
