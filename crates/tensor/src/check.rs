//! Tests for derivatives: against finite differences, and a fused operation against its definition.

use crate::autograd::{GradOptions, grad_with};
use crate::{DType, Error, Result, Tensor, memory, no_grad};

/// Step of the central differences: the cube root of the double's epsilon balances truncation and rounding.
const STEP: f64 = 6e-6;
const RTOL: f64 = 1e-4;
const ATOL: f64 = 1e-5;

/// A reproducible direction of ±1-ish entries, so that no symmetry of the function hides an error.
#[inline]
fn direction(like: &Tensor, salt: u64) -> Result<Tensor> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ salt.wrapping_mul(0xd1b5_4a32_d192_ed03);
    let next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1_u64 << 53) as f64 * 2.0 - 1.0
    };
    let values = std::iter::repeat_with(next).take(like.numel());
    Tensor::from_vec(memory::collect("direction", values)?, like.shape())
}

/// The sum of the products of two lists of tensors; `None` stands for zeros.
#[inline]
fn inner(xs: &[Option<Tensor>], directions: &[Tensor]) -> Result<Tensor> {
    let mut total = Tensor::from(0.0);
    for (x, d) in xs.iter().zip(directions) {
        if let Some(x) = x {
            total = total.add(&x.mul(d)?.try_sum()?)?;
        }
    }
    Ok(total)
}

/// Compares the gradients of `f` with central differences, along two random directions for each input.
///
/// `f` maps `f64` tensors to one tensor of any shape; inputs that require a gradient are varied. Give inputs where `f`
/// is smooth: kinks have no derivative to compare with.
///
/// [`torch.autograd.gradcheck`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradcheck.html).
///
/// # Errors
/// [`Error::Argument`] with both numbers where they differ by more than `1e-5 + 1e-4·|difference quotient|`, what
/// `f` returns, and [`Error::DType`] for inputs other than `f64`.
///
/// ```
/// use downhill::{Tensor, check::gradcheck};
/// let x = Tensor::from([0.5_f64, -1.0]).requires_grad_()?;
/// gradcheck(|x| x[0].tanh().mul(&x[0]), &[x])?;
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn gradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    check_inputs("gradcheck", inputs)?;
    let leaves = fresh(inputs)?;
    let y = f(&leaves)?;
    let upstream = direction(&y, 1)?;
    let wanted: Vec<_> = leaves.iter().filter(|x| x.requires_grad()).collect();
    if !y.requires_grad() {
        return Err(Error::NoGrad { op: "gradcheck" });
    }
    let options = GradOptions { allow_unused: true, ..GradOptions::default() };
    let found = grad_with(&[(&y, Some(&upstream))], &wanted, options)?;
    let value = |xs: &[Tensor]| no_grad(|| f(xs)?.mul(&upstream)?.try_sum()?.item::<f64>());
    compare("gradcheck", inputs, &found, value)
}

/// [`gradcheck`] of the gradients themselves: compares the derivative of `f`'s gradients with their central differences.
///
/// [`torch.autograd.gradgradcheck`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.gradcheck.gradgradcheck.html).
///
/// # Errors
/// As [`gradcheck`].
///
/// ```
/// use downhill::{Tensor, check::gradgradcheck};
/// let x = Tensor::from([0.5_f64, -1.0]).requires_grad_()?;
/// gradgradcheck(|x| Ok(x[0].tanh()), &[x])?;
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn gradgradcheck(f: impl Fn(&[Tensor]) -> Result<Tensor>, inputs: &[Tensor]) -> Result<()> {
    check_inputs("gradgradcheck", inputs)?;
    let y = f(&fresh(inputs)?)?;
    // The upstream gradient is an input, too: the gradient is linear in it.
    let mut all = inputs.to_vec();
    all.push(direction(&y, 2)?.requires_grad_()?);
    let directions = inputs.iter().enumerate().map(|(i, x)| direction(x, 3 + i as u64));
    let directions = directions.collect::<Result<Vec<_>>>()?;
    let slope = |xs: &[Tensor]| -> Result<Tensor> {
        let Some((upstream, xs)) = xs.split_last() else { return Err(Error::NoGrad { op: "gradgradcheck" }) };
        let wanted: Vec<_> = xs.iter().filter(|x| x.requires_grad()).collect();
        let y = f(xs)?;
        let options = GradOptions { create_graph: true, allow_unused: true, ..GradOptions::default() };
        let found = grad_with(&[(&y, Some(upstream))], &wanted, options)?;
        let along = xs.iter().zip(&directions).filter(|(x, _)| x.requires_grad());
        let along: Vec<_> = along.map(|(_, d)| d.clone()).collect();
        inner(&found, &along)
    };
    let leaves = fresh(&all)?;
    let h = slope(&leaves)?;
    let wanted: Vec<_> = leaves.iter().filter(|x| x.requires_grad()).collect();
    let options = GradOptions { allow_unused: true, ..GradOptions::default() };
    let found = if h.requires_grad() {
        grad_with(&[(&h, None)], &wanted, options)?
    } else {
        vec![None; wanted.len()]
    };
    compare("gradgradcheck", &all, &found, |xs| slope(&fresh(xs)?)?.item::<f64>())
}

#[inline]
fn check_inputs(op: &'static str, inputs: &[Tensor]) -> Result<()> {
    for x in inputs.iter().filter(|x| x.requires_grad()) {
        if x.dtype() != DType::F64 {
            return Err(Error::DType {
                op,
                expected: "float64 (others are too coarse for differences)",
                got: x.dtype(),
            });
        }
    }
    if inputs.iter().any(Tensor::requires_grad) { Ok(()) } else { Err(Error::NoGrad { op }) }
}

/// New leaves for those that require a gradient.
#[inline]
fn fresh(inputs: &[Tensor]) -> Result<Vec<Tensor>> {
    inputs
        .iter()
        .map(|x| if x.requires_grad() { x.detach().requires_grad_() } else { Ok(x.clone()) })
        .collect()
}

/// The gradients along random directions against central differences of `value`.
fn compare(
    op: &'static str,
    inputs: &[Tensor],
    found: &[Option<Tensor>],
    value: impl Fn(&[Tensor]) -> Result<f64>,
) -> Result<()> {
    let varied = (0..inputs.len()).filter(|&i| inputs[i].requires_grad());
    for (i, found) in varied.zip(found) {
        for salt in 0..2 {
            let d = direction(&inputs[i], 100 + salt)?;
            let shifted = |step: f64| -> Result<f64> {
                let mut moved = inputs.to_vec();
                moved[i] = inputs[i].detach().add_scaled(&d, step)?.requires_grad_()?;
                value(&moved)
            };
            let quotient = (shifted(STEP)? - shifted(-STEP)?) / (2.0 * STEP);
            let ours = match found {
                Some(g) => g.detach().mul(&d)?.try_sum()?.item::<f64>()?,
                None => 0.0,
            };
            // NaN must fail, so the comparison is written for success.
            let close = (ours - quotient).abs() <= ATOL + RTOL * quotient.abs();
            if !close {
                let message = format!(
                    "input {i}: the derivative along a direction is {ours}, by differences {quotient}"
                );
                return Err(Error::argument(op, message));
            }
        }
    }
    Ok(())
}

/// Checks an operation made by [`fused`](crate::autograd::fused): its kernels' value and gradients equal those of
/// `definition` to `rtol` (relative to the largest entry), and [`gradcheck`] and [`gradgradcheck`] hold.
///
/// # Errors
/// [`Error::Argument`] with the numbers where they differ.
///
/// ```
/// use downhill::{Tensor, check};
/// let x = Tensor::from([0.5_f64, -1.0]).requires_grad_()?;
/// check::fused(|x| Ok(x[0].square()), |x| x[0].mul(&x[0]), &[x], 1e-12)?;
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn fused(
    f: impl Fn(&[Tensor]) -> Result<Tensor>,
    definition: impl Fn(&[Tensor]) -> Result<Tensor>,
    inputs: &[Tensor],
    rtol: f64,
) -> Result<()> {
    let xs = fresh(inputs)?;
    let (y, d) = (f(&xs)?, definition(&xs)?);
    equal("value", &y, &d, rtol)?;
    let upstream = direction(&y, 4)?;
    let wanted: Vec<_> = xs.iter().filter(|x| x.requires_grad()).collect();
    let options = GradOptions { allow_unused: true, ..GradOptions::default() };
    let ours = grad_with(&[(&y, Some(&upstream))], &wanted, options)?;
    let theirs = grad_with(&[(&d, Some(&upstream))], &wanted, options)?;
    for ((a, b), x) in ours.iter().zip(&theirs).zip(&wanted) {
        let zeros = x.try_zeros_like()?;
        equal("gradient", a.as_ref().unwrap_or(&zeros), b.as_ref().unwrap_or(&zeros), rtol)?;
    }
    gradcheck(&f, inputs)?;
    gradgradcheck(&f, inputs)
}

#[inline]
fn equal(what: &str, a: &Tensor, b: &Tensor, rtol: f64) -> Result<()> {
    if a.shape() != b.shape() || a.dtype() != b.dtype() {
        let message = format!(
            "{what}: {} {} by the kernel, {} {} by definition",
            a.dtype(),
            a.shape(),
            b.dtype(),
            b.shape()
        );
        return Err(Error::argument("fused", message));
    }
    let (a, b) = (
        a.detach().try_to_dtype(DType::F64)?.to_vec::<f64>()?,
        b.detach().try_to_dtype(DType::F64)?.to_vec::<f64>()?,
    );
    let scale = b.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
    for (i, (x, y)) in a.iter().zip(&b).enumerate() {
        let same = (x - y).abs() <= rtol * scale || x == y || (x.is_nan() && y.is_nan());
        if !same {
            return Err(Error::argument(
                "fused",
                format!("{what} {i}: {x} by the kernel, {y} by definition"),
            ));
        }
    }
    Ok(())
}
