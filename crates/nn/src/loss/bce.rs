//! Binary cross-entropy of probabilities.

use super::pointwise::expanded;
use super::{Loss, Pointwise, Reduction, pointwise, pointwise_weighted};
use crate::Module;
use downhill_tensor::kernels::inlined;
use downhill_tensor::real::Real;
use downhill_tensor::{DType, Error, Float, Result, Tensor, kernels};

/// Cross-entropy between probabilities and targets in `[0, 1]`, one independent yes-or-no question an element.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/bce.svg"))]
///
/// # Formula
/// ```math
/// ℓᵢ = −wᵢ \big(tᵢ \max(\ln xᵢ, −100) + (1 − tᵢ) \max(\ln(1 − xᵢ), −100)\big)
/// ```
///
/// The mean divides by the number of elements, not by the weights.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = \frac{wᵢ (xᵢ − tᵢ)}{\max((1 − xᵢ)\, xᵢ, 10^{−12})}, \qquad \frac{∂ℓᵢ}{∂tᵢ} = wᵢ \ln \frac{1 − xᵢ}{xᵢ}
/// ```
///
/// # Shape
/// `x` and `t` of one shape; the weight broadcasts to it.
///
/// # Stability
/// The clamps keep a confident mistake finite: at most 100. From logits, `BCEWithLogitsLoss` keeps its precision
/// where a sigmoid has rounded to 0 or 1.
///
/// # Errors
/// Shapes or dtypes that differ; inputs or targets outside of `[0, 1]`, NaN included; a weight that does not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::{BCELoss, Loss};
/// use downhill::Tensor;
/// let x = Tensor::from([0.5_f64, 0.0]).requires_grad_()?;
/// let loss = BCELoss::default().forward(&x, &Tensor::from([1.0_f64, 1.0]))?;
/// assert_eq!(loss.item::<f64>()?, (2.0_f64.ln() + 100.0) / 2.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.BCELoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.BCELoss.html).
#[derive(Clone, Debug, Default, Module)]
pub struct BCELoss {
    /// A factor for each element, broadcast to the input.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Pointwise<2> for BCELoss {
    const OP: &'static str = "binary_cross_entropy";
    const WIDE_SUMS: bool = false;
    fn name(&self, _: Reduction) -> &'static str {
        "BinaryCrossEntropyBackward0"
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let floor = R::lit(-100.0);
        let no = (-x.clone()).log1p().max(floor.clone());
        let term = (t.clone() - R::lit(1.0)) * no - t.clone() * x.clone().ln().max(floor);
        // Of an x outside a logarithm is NaN.
        R::select(t.clone().clamp(0.0, 1.0).eq(&t), term, R::lit(OUTSIDE))
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        [slope(x.clone(), t), logit(x)]
    }
    #[inline(always)]
    fn scaled<R: Real>(&self, [x, t]: [R; 2], g: R, count: f64) -> [R; 2] {
        [divided(slope(x.clone(), t), g.clone(), count), g * logit(x) / R::lit(count)]
    }
}

/// The term of an input that is no probability: the sum is NaN then, which tells that there was one.
const OUTSIDE: f64 = f64::NAN;

/// `(x − t) / max((1 − x) x, 1e-12)` in PyTorch's order.
#[inline(always)]
fn slope<R: Real>(x: R, t: R) -> R {
    // A float's 1e-12, also between doubles.
    let variance = ((R::lit(1.0) - x.clone()) * x.clone()).max(R::lit(f64::from(1e-12_f32)));
    (x - t) / variance
}

/// `a / count · g`, rounded as the quotient is, without a division an element.
#[inline(always)]
fn divided<R: Real>(a: R, g: R, count: f64) -> R {
    if count == 1.0 {
        return a * g;
    }
    let factor = g.clone() / R::lit(count);
    let rest = (-factor.clone()).mul_add(R::lit(count), g) / R::lit(count);
    a.clone().mul_add(factor, a * rest)
}

/// `ln((1 − x) / x)` from the smaller one, `m`, of `x` and `1 − x`: as `± log1p((1 − 2m) / m)`, since a difference of logarithms would
/// lose every digit near ½; as `∓ ln(m / (1 − m))` below ¼, where the other quotient may be infinite.
#[inline(always)]
fn logit<R: Real>(x: R) -> R {
    let (one, low) = (R::lit(1.0), x.le(&R::lit(0.5)));
    let m = R::select(low.clone(), x.clone(), one.clone() - x);
    let small = m.lt(&R::lit(0.25));
    let safe = m.clone().clamp(0.25, 1.0);
    let near = ((one - R::lit(2.0) * safe.clone()) / safe).log1p();
    let size = R::select(small, -(m.clone() / (R::lit(1.0) - m)).ln(), near);
    R::select(low, size.clone(), -size)
}

impl Loss for BCELoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let op = Self::OP;
        if input.shape() != target.shape() {
            return Err(Error::shape(
                op,
                format!("a target of the input's shape {}", input.shape()),
                target.shape(),
            ));
        }
        input.dtype().check_float(op)?;
        Error::check_same(op, ("input", input.dtype()), ("target", target.dtype()))?;
        let loss = if let Some(weight) = &self.weight {
            let weight = expanded(op, weight, input.shape())?.try_to_dtype(input.dtype())?;
            pointwise_weighted(self, [input, target], Some(&weight), self.reduction)?
        } else {
            pointwise(self, [input, target], self.reduction)?
        };
        // A pass to look at them would take as long as the loss: it is spared where the loss says that all is well.
        let well = self.reduction != Reduction::None && !loss.item::<f64>()?.is_nan();
        if !well && !within_unit(input, target)? {
            let what = if within_unit(input, input)? { "target" } else { "input" };
            return Err(Error::argument(op, format!("every element of the {what} must be between 0 and 1")));
        }
        Ok(loss)
    }
}

/// Whether all elements of both lie in `[0, 1]`, in one pass.
fn within_unit(x: &Tensor, t: &Tensor) -> Result<bool> {
    fn outside<T: Float>(x: &Tensor, t: &Tensor) -> Result<T> {
        let (zero, one) = (T::lit(0.0), T::lit(1.0));
        Ok(kernels::sum(
            [x.as_slice::<T>()?, t.as_slice::<T>()?],
            x.numel(),
            inlined!(|[x, t]| {
                // A choice at a time: a conjunction would be branches.
                let outside = |x: T| if x >= zero && x <= one { zero } else { one };
                outside(x) + outside(t)
            }),
        ))
    }
    let (x, t) = (x.try_contiguous()?, t.try_contiguous()?);
    Ok(match x.dtype() {
        DType::F32 => outside::<f32>(&x, &t)? == 0.0,
        DType::F64 => outside::<f64>(&x, &t)? == 0.0,
        got @ (DType::I64 | DType::Bool) => return Err(Error::not_float(BCELoss::OP, got)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let half = Tensor::from([0.5_f32, 0.5]);
        let text = |x: &Tensor, t: &Tensor, weight: Option<Tensor>| {
            BCELoss { weight, ..Default::default() }.forward(x, t).unwrap_err().to_string()
        };
        let weight = Some(Tensor::from([1.0_f32, 1.0, 1.0]));
        assert_eq!(
            text(&half, &half, weight),
            "binary_cross_entropy: expected a weight that broadcasts to [2], but got shape [3]"
        );
        assert_eq!(
            text(&half, &Tensor::from([0.5_f32]), None),
            "binary_cross_entropy: expected a target of the input's shape [2], but got shape [1]"
        );
        for outside in [1.5, -0.1, f32::NAN, f32::INFINITY] {
            let outside = Tensor::from([0.5, outside]);
            assert_eq!(
                text(&outside, &half, None),
                "binary_cross_entropy: every element of the input must be between 0 and 1"
            );
            assert_eq!(
                text(&half, &outside, None),
                "binary_cross_entropy: every element of the target must be between 0 and 1"
            );
        }
        assert_eq!(
            text(&half, &Tensor::from([0, 1]), None),
            "binary_cross_entropy: the input is float32, but the target is int64 (a literal without a point is int64; `to_dtype` converts)"
        );
    }
}
