//! What operations do with dtypes: results, and refusals.

use downhill_tensor::autograd::{GradOptions, grad_with};
use downhill_tensor::{Result, Rounding, Tensor};

#[test]
fn booleans_are_numbers_only_where_pytorch_takes_them() -> Result<()> {
    let b = Tensor::from([true, false]);
    assert_eq!(b.square(), Tensor::from([1, 0]));
    for same in [b.abs(), b.relu(), b.floor(), b.ceil(), b.round(), b.trunc()] {
        assert_eq!(same, b);
    }
    assert_eq!(b.pow(true)?, b);
    assert_eq!(b.pow(false)?, Tensor::from([true, true]));
    assert_eq!(b.add_scaled(&b, 2)?, b);
    assert!(matches!(b.pow(&b), Err(downhill_tensor::Error::DType { .. })));
    assert!(matches!(b.div_rounded(&b, Rounding::Floor), Err(downhill_tensor::Error::DType { .. })));
    assert_eq!(
        Tensor::from([1.0]).add_scaled(1.0, true).unwrap_err().to_string(),
        "add: alpha must be a number for float64, but is true"
    );
    Ok(())
}

#[test]
fn integers_are_filled_with_integers_only() -> Result<()> {
    let (x, mask) = (Tensor::from([1, 2]), Tensor::from([true, false]));
    assert_eq!(x.masked_fill(&mask, 2.7)?, Tensor::from([2, 2]));
    assert_eq!(
        x.masked_fill(&mask, f64::NEG_INFINITY).unwrap_err().to_string(),
        "masked_fill: -inf is beyond the range of int64"
    );
    Ok(())
}

/// The gradient to the base is 0 for the exponent 0, whatever the rest of the graph makes of a negative base.
#[test]
fn a_power_of_zero_hides_its_base() -> Result<()> {
    let (x, y) = (Tensor::from([-2.0]).requires_grad_()?, Tensor::from([0.0]).requires_grad_()?);
    let options = GradOptions { create_graph: true, ..GradOptions::default() };
    let z = x.pow(&y)?.sum();
    let slopes = grad_with(&[(&z, None)], &[&x, &y], options)?;
    let total = slopes.into_iter().flatten().try_fold(Tensor::from(0.0), |sum, g| sum.add(&g.sum()))?;
    let second = grad_with(&[(&total, None)], &[&x], GradOptions::default())?;
    assert!(second[0].as_ref().is_some_and(|g| !g.isnan().item::<bool>().unwrap_or(true)), "{second:?}");
    Ok(())
}
