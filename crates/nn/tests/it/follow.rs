//! Modules that follow others.

use downhill_nn::functional::normalize;
use downhill_nn::*;
use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::random::Generator;
use downhill_tensor::{DType, Tensor, ones, zeros};

#[test]
fn a_target_moves_towards_its_source_and_shares_nothing_with_it() -> Result<()> {
    let net =
        || -> Result<Sequential> { Ok(Sequential::new().add(Linear::new(3, 3)?).add(BatchNorm1d::new(3)?)) };
    let (target, source) = (net()?, net()?);
    source.forward(&Tensor::from([[1.0_f32, 2.0, 3.0], [3.0, 1.0, 4.0]]))?;
    let (before, state) = (target.state_dict(), source.state_dict());
    soft_update(&target, &source, 0.25)?;
    let after = target.state_dict();
    for (name, x) in after.iter() {
        let (old, new) = (before.get(name).unwrap(), state.get(name).unwrap());
        let parameter = name.ends_with("weight") || name.ends_with("bias");
        assert_eq!(*x, if parameter { old.lerp(new, 0.25)? } else { new.clone() }, "{name}");
    }
    assert!(target.parameters().iter().all(|p| p.tensor().is_leaf() && p.requires_grad()));
    soft_update(&target, &source, 1.0)?;
    let copy = target.state_dict();
    source.parameters()[0].set(&zeros([3, 3])?)?;
    assert!(copy.iter().all(|(name, x)| x == state.get(name).unwrap()));
    // Of another dtype, the target keeps its own.
    target.to_dtype(DType::F64)?;
    soft_update(&target, &source, 0.5)?;
    assert_eq!(target.parameters()[0].dtype(), DType::F64);
    Ok(())
}

#[test]
fn other_modules_are_refused_and_left_alone() -> Result<()> {
    let (a, b) = (Linear::new(2, 2)?, Linear::new(3, 2)?);
    let before = a.state_dict();
    let text = |result: Result<()>| result.unwrap_err().to_string();
    assert_eq!(
        text(soft_update(&a, &b, 0.5)),
        "soft_update: the target has weight of shape [2, 2], but the source weight of shape [2, 3]"
    );
    assert_eq!(
        text(soft_update(&a, &Linear::without_bias(2, 2)?, 0.5)),
        "soft_update: the target has bias of shape [2], but the source nothing"
    );
    assert_eq!(text(soft_update(&a, &a, 1.5)), "soft_update: tau must be in [0, 1], but got 1.5");
    assert_eq!(a.state_dict().get("weight"), before.get("weight"));
    Ok(())
}

#[test]
fn an_optimizer_prints_no_weights() -> Result<()> {
    let optimizer = SGD::new([Parameter::new(ones([1000])?)?], SgdOptions::default())?;
    let text = format!("{optimizer:?}");
    assert!(text.contains("Parameter { group: 0, shape: [1000], steps: 0 }") && text.len() < 400, "{text}");
    Ok(())
}

#[test]
fn rows_are_brought_to_length_1() -> Result<()> {
    let x = Generator::seeded(0).randn([3, 4], DType::F64)?.requires_grad_()?;
    for (p, dim) in [(2.0, 1), (1.0, 0), (3.0, -1)] {
        let lengths = normalize(&x, p, dim)?.norm_dim(p, dim, false)?;
        assert!(lengths.sub(1)?.abs().max()?.item::<f64>()? < 1e-15);
        gradcheck(|x| normalize(&x[0], p, dim), std::slice::from_ref(&x))?;
        gradgradcheck(|x| normalize(&x[0], p, dim), std::slice::from_ref(&x))?;
    }
    assert_eq!(normalize(&zeros([2, 2])?, 2.0, 1)?, zeros([2, 2])?);
    assert!(normalize(&Tensor::from([[1, 2]]), 2.0, 1).is_err());
    Ok(())
}
