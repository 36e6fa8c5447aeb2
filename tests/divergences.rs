//! Where PyTorch does otherwise, on purpose: tests that `docs/divergences.md` names.

use downhill::check::gradcheck;
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
