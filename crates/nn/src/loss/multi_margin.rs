//! The hinge loss of many classes.

use super::rows::{RowWise, Rows, check_weight, row_wise};
use super::{Loss, Reduction};
use crate::Module;
use downhill_tensor::kernels::inlined;
use downhill_tensor::{DType, Error, Float, Result, Tensor, arange, kernels, memory};

/// Wants the score of the right class above that of every other one by a margin.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/multi_margin.svg"))]
///
/// # Formula
/// ```math
/// ℓₙ = \frac{w[tₙ]}{C} \sum_{i ≠ tₙ} \max(0, \text{margin} − xₙ[tₙ] + xₙ[i])ᵖ
/// ```
///
/// The mean divides by the number of rows.
///
/// # Gradient
/// For `i ≠ tₙ` inside of the margin
///
/// ```math
/// \frac{∂ℓₙ}{∂xₙ[i]} = \frac{w[tₙ]}{C}\, p\, (\text{margin} − xₙ[tₙ] + xₙ[i])^{p−1}
/// ```
///
/// with `p` 1 or 2; minus their sum to `xₙ[tₙ]`; 0 elsewhere, and at the margin.
///
/// # Shape
/// Input `(C)` or `(N, C)`, target a class for each row.
///
/// # Stability
/// Exact up to the rounding of the differences. A score that is NaN contributes nothing.
///
/// # Errors
/// An order other than 1 and 2, shapes or dtypes that do not fit, a class outside of `0..C`.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, MultiMarginLoss};
/// use downhill::Tensor;
/// let x = Tensor::from([[0.25_f32, 0.5, 0.125, 1.0]]).requires_grad_()?;
/// let loss = MultiMarginLoss::default().forward(&x, &Tensor::from([3]))?;
/// assert_eq!(loss.item::<f32>()?, (0.25 + 0.5 + 0.125) / 4.0);
/// loss.backward()?;
/// assert_eq!(x.grad().unwrap(), Tensor::from([[0.25_f32, 0.25, 0.25, -0.75]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.MultiMarginLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiMarginLoss.html), which has no
/// second derivative.
#[derive(Clone, Debug, Module)]
pub struct MultiMarginLoss {
    /// The power of each term, 1 or 2.
    pub p: f64,
    /// How far below the right class's score the others should be.
    pub margin: f64,
    /// A factor for each class.
    pub weight: Option<Tensor>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for MultiMarginLoss {
    #[inline]
    fn default() -> Self {
        Self { p: 1.0, margin: 1.0, weight: None, reduction: Reduction::Mean }
    }
}

const OP: &str = "multi_margin_loss";

impl Loss for MultiMarginLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        if self.p != 1.0 && self.p != 2.0 {
            return Err(Error::argument(OP, format!("p must be 1 or 2, but is {}", self.p)));
        }
        let n = if input.dim() == 2 { input.shape()[0] } else { 1 };
        if target.dim() > 1 || target.numel() != n {
            let expected = format!("a class for each of {n} rows of an input of shape {}", input.shape());
            return Err(Error::shape(OP, expected, target.shape()));
        }
        if target.dtype() != DType::I64 {
            return Err(Error::DType { op: OP, expected: "int64 class indices", got: target.dtype() });
        }
        let rows = Rows::of_matrix(OP, input, *target.shape())?;
        check_weight(OP, self.weight.as_ref(), &rows)?;
        let targets = target.to_vec::<i64>()?;
        if let Some(&t) = targets.iter().find(|t| !(0..rows.classes as i64).contains(t)) {
            return Err(Error::Index { op: OP, index: t, size: rows.classes });
        }
        let weights = match &self.weight {
            Some(w) => {
                let w = w.try_to_dtype(DType::F64)?.to_vec::<f64>()?;
                memory::collect(OP, targets.iter().map(|&t| w[t as usize]))?
            }
            None => memory::vec(OP, 1.0, targets.len())?,
        };
        let targets = memory::collect(OP, targets.into_iter().map(|t| t as usize))?;
        let loss = Margins { targets, weights, margin: self.margin, square: self.p == 2.0 };
        row_wise("MultiMarginLossBackward0", loss, &rows, self.reduction)
    }
}

/// The loss with what it needs of each row.
struct Margins {
    targets: Vec<usize>,
    /// The weights of the targets.
    weights: Vec<f64>,
    margin: f64,
    square: bool,
}

impl Margins {
    /// The sum of the terms of other classes, for the target's score.
    #[inline(always)]
    fn sum<T: Float>(&self, others: &[T], own: T) -> f64 {
        let offset = self.margin - own.cast::<f64>();
        kernels::sum(
            [others],
            others.len(),
            inlined!(|[x]| {
                let z = offset + x.cast::<f64>();
                let z = if z > 0.0 { z } else { 0.0 };
                if self.square { z * z } else { z }
            }),
        )
    }
}

impl RowWise for Margins {
    #[inline(always)]
    fn term<T: Float>(&self, r: usize, row: &[T]) -> f64 {
        let t = self.targets[r];
        let sum = self.sum(&row[..t], row[t]) + self.sum(&row[t + 1..], row[t]);
        sum * self.weights[r] / row.len() as f64
    }

    #[inline(always)]
    fn slope<T: Float>(&self, r: usize, row: &[T], g: f64, out: &mut [T]) {
        let t = self.targets[r];
        let offset = self.margin - row[t].cast::<f64>();
        let g = g * self.weights[r] / row.len() as f64;
        let slope = |x: T| {
            let z = offset + x.cast::<f64>();
            let slope = if self.square { 2.0 * g * z } else { g };
            if z > 0.0 { slope } else { 0.0 }
        };
        for (o, &x) in out.iter_mut().zip(row) {
            *o = T::lit(slope(x));
        }
        let sum = |part: &[T]| kernels::sum([part], part.len(), inlined!(|[x]| slope(x)));
        out[t] = T::lit(-(sum(&row[..t]) + sum(&row[t + 1..])));
    }

    #[inline]
    fn definition(&self, x: &Tensor) -> Result<Tensor> {
        let classes = x.shape()[1];
        let targets = Tensor::from_slice(&self.targets, [x.shape()[0], 1])?;
        let others = arange(0, classes as i64, 1)?.ne(&targets)?;
        let z = x.sub(&x.gather(1, &targets)?)?.add(self.margin)?;
        let z = Tensor::where_(&others.mul(&z.gt(0)?)?, &z, 0)?;
        let z = if self.square { z.try_square()? } else { z };
        let weights = Tensor::from_slice(&self.weights, self.weights.len())?.try_to_dtype(x.dtype())?;
        z.sum_dim(1, false)?.mul(&weights)?.div(classes as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    #[test]
    fn kernels_equal_the_definition_to_the_second_derivative_for_every_combination_of_options() -> Result<()>
    {
        // 300 classes in 130 rows are more than a block.
        for (n, classes) in [(4, 5), (1, 1), (130, 300)] {
            // No two differ by one of the margins.
            let scores = (0..n * classes).map(|i| 0.125 * (i * 37 % 23) as f64).collect();
            let x = Tensor::from_vec::<f64>(scores, [n, classes])?.requires_grad_()?;
            let targets: Vec<usize> = (0..n).map(|i| i * 7 % classes).collect();
            let target = Tensor::from(targets.iter().map(|&t| t as i64).collect::<Vec<_>>());
            let all = Tensor::from((0..classes).map(|c| 0.5 + (c % 3) as f64).collect::<Vec<_>>());
            for (p, margin, reduction) in [
                (1.0, 1.05, Reduction::Mean),
                (1.0, 0.3, Reduction::None),
                (2.0, 0.7, Reduction::Mean),
                (2.0, 1.2, Reduction::None),
                (2.0, -0.1, Reduction::Sum),
            ] {
                for weight in [None, Some(all.clone())] {
                    let picked = |w: &Tensor| w.index_select(0, &target)?.to_vec::<f64>();
                    let weights = weight.as_ref().map_or_else(|| Ok(vec![1.0; n]), picked)?;
                    let margins = Margins { targets: targets.clone(), weights, margin, square: p == 2.0 };
                    let loss = MultiMarginLoss { p, margin, weight, reduction };
                    let definition = |x: &[Tensor]| reduction.of(margins.definition(&x[0])?);
                    check::fused(
                        |x| loss.forward(&x[0], &target),
                        definition,
                        std::slice::from_ref(&x),
                        1e-12,
                    )?;
                }
            }
        }
        Ok(())
    }

    #[test]
    fn shapes_without_a_batch_and_empty_batches_have_a_loss() -> Result<()> {
        let none = MultiMarginLoss { reduction: Reduction::None, ..Default::default() };
        let x = Tensor::from([0.25_f32, 0.5, -0.25]);
        let single = none.forward(&x, &Tensor::from([1]))?;
        assert_eq!(single, none.forward(&x.unsqueeze(0)?, &Tensor::from([1]))?);
        assert_eq!(single.reshape(())?, none.forward(&x, &Tensor::from(1))?);
        assert_eq!(none.forward(&Tensor::from(3.0_f32), &Tensor::from(0))?, Tensor::from(0.0_f32));
        let empty = downhill_tensor::zeros([0, 3])?.requires_grad_()?;
        let target = Tensor::from_vec::<i64>(vec![], [0])?;
        assert_eq!(none.forward(&empty, &target)?.shape(), &[0]);
        for reduction in [Reduction::Mean, Reduction::Sum] {
            let loss = MultiMarginLoss { reduction, ..Default::default() }.forward(&empty, &target)?;
            assert_eq!(loss.item::<f32>()?, 0.0);
            loss.backward()?;
        }
        assert_eq!(empty.grad().unwrap().shape(), &[0, 3]);
        Ok(())
    }

    #[test]
    fn the_margin_itself_costs_nothing_and_neither_does_nan() -> Result<()> {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let x = Tensor::from([[1.0, 0.0, 2.0], [1.0, nan, 2.0], [nan, 1.0, 2.0], [-inf, 1.0, 2.0]]);
        let x = x.requires_grad_()?;
        let loss = MultiMarginLoss { reduction: Reduction::None, p: 2.0, ..Default::default() };
        let terms = loss.forward(&x, &Tensor::from([0, 0, 0, 0]))?;
        assert_eq!(terms, Tensor::from([4.0 / 3.0, 4.0 / 3.0, 0.0, inf]));
        terms.sum().backward()?;
        let slope = 4.0 / 3.0;
        let found = x.grad().unwrap();
        assert_eq!(
            found,
            Tensor::from([[-slope, 0.0, slope], [-slope, 0.0, slope], [0.0; 3], [-inf, inf, inf]])
        );
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let (x, t) = (Tensor::from([[1.0_f32, 2.0, 3.0], [0.0; 3]]), Tensor::from([0, 1]));
        let plain = MultiMarginLoss::default();
        let text =
            |loss: &MultiMarginLoss, x: &Tensor, t: &Tensor| loss.forward(x, t).unwrap_err().to_string();
        let cubic = MultiMarginLoss { p: 3.0, ..plain.clone() };
        assert_eq!(text(&cubic, &x, &t), "multi_margin_loss: p must be 1 or 2, but is 3");
        assert_eq!(
            text(&plain, &x, &Tensor::from([0])),
            "multi_margin_loss: expected a class for each of 2 rows of an input of shape [2, 3], but got shape [1]"
        );
        assert_eq!(
            text(&plain, &x, &Tensor::from([0, 3])),
            "multi_margin_loss: index 3 is out of bounds for size 3"
        );
        assert_eq!(
            text(&plain, &x, &Tensor::from([-1, 0])),
            "multi_margin_loss: index -1 is out of bounds for size 3"
        );
        assert_eq!(
            text(&plain, &x, &Tensor::from([0.0_f32, 1.0])),
            "multi_margin_loss: expected int64 class indices, but got float32"
        );
        assert_eq!(
            text(&plain, &downhill_tensor::zeros([2, 0]).unwrap(), &t),
            "multi_margin_loss: expected a vector or a matrix with at least one class, but got shape [2, 0]"
        );
        let weighted = MultiMarginLoss { weight: Some(Tensor::from([1.0_f32])), ..plain };
        assert_eq!(
            text(&weighted, &x, &t),
            "multi_margin_loss: expected a weight for each of 3 classes, but got shape [1]"
        );
    }
}
