//! Binary cross-entropy averaged over the classes.

use super::bce_with_logits::softplus;
use super::{Loss, Pointwise, Reduction, pointwise_weighted};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{DType, Error, Result, Shape, Tensor};

/// Cross-entropy between sigmoids of the scores and the labels, averaged over the classes.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/multilabel_soft_margin.svg"))]
///
/// # Formula
/// ```math
/// ℓₙ = \frac{1}{C} \sum_c w[c] \big(tₙ[c] \ln(1 + e^{−xₙ[c]}) + (1 − tₙ[c]) \ln(1 + e^{xₙ[c]})\big)
/// ```
///
/// The mean divides by the number of rows.
///
/// # Gradient
/// ```math
/// \frac{∂ℓₙ}{∂xₙ[c]} = \frac{w[c]}{C} \big(σ(xₙ[c]) − tₙ[c]\big), \qquad \frac{∂ℓₙ}{∂tₙ[c]} = −\frac{w[c]}{C}\, xₙ[c]
/// ```
///
/// # Shape
/// Input `(C)` or `(…, C)`; target and weight broadcast with it. The terms have the shape without `C`.
///
/// # Stability
/// `ln(1 + eˣ) = max(x, 0) + ln(1 + e^(−|x|))`: exact for scores of any finite size.
///
/// # Errors
/// An input of integers or without dimensions, a target of booleans, shapes that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, MultiLabelSoftMarginLoss};
/// use downhill::Tensor;
/// let (x, t) = (Tensor::from([[0.0_f64, 1000.0]]), Tensor::from([[1.0, 0.0]]));
/// let loss = MultiLabelSoftMarginLoss::default().forward(&x, &t)?;
/// assert_eq!(loss.item::<f64>()?, (2.0_f64.ln() + 1000.0) / 2.0);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.MultiLabelSoftMarginLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiLabelSoftMarginLoss.html).
#[derive(Clone, Debug, Default, Module)]
pub struct MultiLabelSoftMarginLoss {
    /// A factor for each class, broadcast to the input.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

const OP: &str = "multilabel_soft_margin_loss";

/// The term of a class, divided by this number.
#[derive(Clone, Debug)]
struct Classes(f64);

impl Pointwise<2> for Classes {
    const OP: &'static str = OP;
    const WIDE: bool = true;
    #[inline]
    fn name(&self, reduction: Reduction) -> &'static str {
        match reduction {
            Reduction::None => "NegBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        }
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let rest = R::lit(1.0) - t.clone();
        (t * softplus(-x.clone()) + rest * softplus(x)) / R::lit(self.0)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        // Each part times its own sigmoid: infinite scores have a slope.
        let rest = R::lit(1.0) - t.clone();
        let slope = rest * x.clone().sigmoid() - t * (-x.clone()).sigmoid();
        [slope / R::lit(self.0), -x / R::lit(self.0)]
    }
}

impl Loss for MultiLabelSoftMarginLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        input.dtype().check_float(OP)?;
        if target.dtype() == DType::Bool {
            return Err(Error::DType { op: OP, expected: "a target of numbers", got: DType::Bool });
        }
        let Some(&classes) = input.shape().last() else {
            return Err(Error::shape(OP, "an input of at least one dimension", input.shape()));
        };
        let mut shape = Shape::broadcast(OP, input.shape(), target.shape())?;
        if let Some(weight) = &self.weight {
            shape = Shape::broadcast(OP, &shape, weight.shape())?;
        }
        let each = |divisor: f64, reduction| {
            pointwise_weighted(&Classes(divisor), [input, target], self.weight.as_ref(), reduction)
        };
        let count = classes as f64;
        if shape == *input.shape() && classes > 0 {
            match self.reduction {
                Reduction::Mean => return each(1.0, Reduction::Mean),
                Reduction::Sum => return each(count, Reduction::Sum),
                Reduction::None => {}
            }
        }
        // The input's last dimension, even where the target's rank is higher: as in PyTorch.
        let dim = input.dim() as isize - 1;
        self.reduction.of(each(1.0, Reduction::None)?.sum_dim(dim, false)?.div(count)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

    #[test]
    fn derivatives_hold_for_every_combination_of_options_and_broadcast_shapes() -> Result<()> {
        let noise = |shape: &[usize], k: f64| {
            let n = shape.iter().product::<usize>();
            let values = (0..n).map(|i| 1.5 * ((i as f64 + 0.5) * k).sin()).collect();
            Tensor::from_vec::<f64>(values, shape)?.requires_grad_()
        };
        let shapes: [[&[usize]; 3]; 6] = [
            [&[3, 4], &[3, 4], &[4]],
            [&[4], &[4], &[4]],
            [&[2, 3, 4], &[3, 4], &[4]],
            [&[4], &[3, 4], &[1]],
            [&[3, 1], &[3, 4], &[3, 1]],
            [&[3, 4], &[4], &[2, 3, 4]],
        ];
        for [x, t, w] in shapes {
            let xs = [noise(x, 1.7)?, noise(t, 2.3)?, noise(w, 0.9)?];
            for reduction in REDUCTIONS {
                let definition = |x: &[Tensor], w: Option<&Tensor>| {
                    let (inside, outside) = (x[0].log_sigmoid(), (-&x[0]).log_sigmoid());
                    let terms = x[1].mul(&inside)?.add(&(1.0 - &x[1]).mul(&outside)?)?.neg()?;
                    let terms = w.map_or_else(|| Ok(terms.clone()), |w| terms.mul(w))?;
                    let last = x[0].dim() - 1;
                    reduction.of(terms.sum_dim(last as isize, false)?.div(x[0].shape()[last] as f64)?)
                };
                let loss = |x: &[Tensor], weight: Option<Tensor>| {
                    MultiLabelSoftMarginLoss { weight, reduction }.forward(&x[0], &x[1])
                };
                check::fused(|x| loss(x, None), |x| definition(x, None), &xs[..2], 1e-12)?;
                check::fused(|x| loss(x, Some(x[2].clone())), |x| definition(x, Some(&x[2])), &xs, 1e-12)?;
            }
        }
        Ok(())
    }

    #[test]
    fn infinite_scores_have_a_slope_and_no_classes_no_mean() -> Result<()> {
        let inf = f64::INFINITY;
        let x = Tensor::from([inf, -inf, 1e4, -1e4]).requires_grad_()?;
        let t = Tensor::from([0.0, 0.0, 0.0, 0.0]);
        MultiLabelSoftMarginLoss { reduction: Reduction::Sum, ..Default::default() }
            .forward(&x, &t)?
            .backward()?;
        assert_eq!(x.grad().unwrap(), Tensor::from([0.25, 0.0, 0.25, 0.0]));
        let none = downhill_tensor::zeros([2, 0])?;
        let of = |reduction| MultiLabelSoftMarginLoss { weight: None, reduction }.forward(&none, &none);
        assert!(of(Reduction::Sum)?.item::<f32>()?.is_nan() && of(Reduction::Mean)?.item::<f32>()?.is_nan());
        assert!(of(Reduction::None)?.to_vec::<f32>()?.iter().all(|x| x.is_nan()));
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let x = Tensor::from([[1.0_f32, 2.0]]);
        let loss = MultiLabelSoftMarginLoss::default();
        let text = |x: &Tensor, t: &Tensor| loss.forward(x, t).unwrap_err().to_string();
        assert_eq!(
            text(&Tensor::from([[1, 2]]), &x),
            "multilabel_soft_margin_loss: expected float32 or float64, but got int64"
        );
        assert_eq!(
            text(&x, &Tensor::from([[true, false]])),
            "multilabel_soft_margin_loss: expected a target of numbers, but got bool"
        );
        assert_eq!(
            text(&Tensor::from(1.0_f32), &Tensor::from(1.0_f32)),
            "multilabel_soft_margin_loss: expected an input of at least one dimension, but got shape []"
        );
        assert_eq!(
            text(&x, &Tensor::from([1.0_f32, 2.0, 3.0])),
            "multilabel_soft_margin_loss: shapes [1, 2] and [3] do not broadcast"
        );
    }
}
