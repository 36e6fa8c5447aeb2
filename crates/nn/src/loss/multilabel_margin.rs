//! The hinge loss of several labels a row.

use super::rows::{RowWise, Rows, row_wise};
use super::{Loss, Reduction, scratch};
use crate::Module;
use downhill_tensor::kernels::inlined;
use downhill_tensor::{DType, Error, Float, Result, Shape, Tensor, kernels, memory};
use std::iter::repeat_n;

/// Wants the score of each label above that of every class that is none by a margin of 1.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/multilabel_margin.svg"))]
///
/// # Formula
/// ```math
/// ℓₙ = \frac{1}{C} \sum_t \sum_i \max(0, 1 − xₙ[t] + xₙ[i])
/// ```
///
/// over the labels `t` of the row and the classes `i` that are none; the mean divides by the number of rows. A row of the target
/// lists its labels, up to the first −1; one that is listed twice counts twice.
///
/// # Gradient
/// For each pair inside of the margin
///
/// ```math
/// \frac{∂ℓₙ}{∂xₙ[i]} = \frac{1}{C}, \qquad \frac{∂ℓₙ}{∂xₙ[t]} = −\frac{1}{C}
/// ```
///
/// are added.
///
/// # Shape
/// Input `(C)` or `(N, C)`, target of the same shape.
///
/// # Stability
/// Exact up to the rounding of the differences. A pair with NaN contributes nothing.
///
/// # Errors
/// Shapes or dtypes that do not fit, a label outside of `−1..C`, also behind the first −1.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, MultiLabelMarginLoss};
/// use downhill::Tensor;
/// let x = Tensor::from([[0.125_f32, 0.25, 0.5, 0.75]]).requires_grad_()?;
/// // Labels 3 and 0; what stands behind −1 is not read.
/// let loss = MultiLabelMarginLoss::default().forward(&x, &Tensor::from([[3, 0, -1, 1]]))?;
/// assert_eq!(loss.item::<f32>()?, (0.5 + 0.75 + 1.125 + 1.375) / 4.0);
/// loss.backward()?;
/// assert_eq!(x.grad().unwrap(), Tensor::from([[-0.5_f32, 0.5, 0.5, -0.5]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.MultiLabelMarginLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.MultiLabelMarginLoss.html),
/// which has no second derivative.
#[derive(Clone, Debug, Default, Module)]
pub struct MultiLabelMarginLoss {
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

const OP: &str = "multilabel_margin_loss";

impl Loss for MultiLabelMarginLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        // A single number is a vector of one class.
        let single = input.dim() < 2 && target.dim() < 2 && input.numel() == target.numel();
        if target.shape() != input.shape() && !single {
            let expected = format!("a target of the input's shape {}", input.shape());
            return Err(Error::shape(OP, expected, target.shape()));
        }
        if target.dtype() != DType::I64 {
            return Err(Error::DType { op: OP, expected: "int64 labels", got: target.dtype() });
        }
        let shape = Shape::new(OP, &input.shape()[..input.dim().max(1) - 1])?;
        let rows = Rows::of_matrix(OP, input, shape)?;
        let target = target.to_vec::<i64>()?;
        if let Some(&t) = target.iter().find(|t| !(-1..rows.classes as i64).contains(t)) {
            return Err(Error::Index { op: OP, index: t, size: rows.classes });
        }
        memory::check_jobs::<[u64; 2]>(OP, rows.classes)?;
        let labels = Labels { target, classes: rows.classes };
        row_wise("MultilabelMarginLossBackward0", labels, &rows, self.reduction)
    }
}

/// The labels of each row: those before the first that is negative.
struct Labels {
    target: Vec<i64>,
    classes: usize,
}

impl Labels {
    #[inline(always)]
    fn of(&self, r: usize) -> impl Iterator<Item = usize> {
        self.target[r * self.classes..][..self.classes].iter().map_while(|&t| usize::try_from(t).ok())
    }

    /// Which classes of a row are none of its labels.
    #[inline]
    fn others(&self, r: usize, classes: usize) -> Vec<bool> {
        let mut others = scratch(repeat_n(true, classes));
        self.of(r).for_each(|t| others[t] = false);
        others
    }
}

impl RowWise for Labels {
    #[inline(always)]
    fn term<T: Float>(&self, r: usize, row: &[T]) -> f64 {
        let others = self.others(r, row.len());
        let others = row.iter().zip(others).filter(|(_, other)| *other);
        let others: Vec<T> = scratch(others.map(|(&x, _)| x));
        let mut sum = 0.0;
        for t in self.of(r) {
            let offset = 1.0 - row[t].cast::<f64>();
            sum += kernels::sum(
                [&others],
                others.len(),
                inlined!(|[x]| {
                    let z = offset + x.cast::<f64>();
                    if z > 0.0 { z } else { 0.0 }
                }),
            );
        }
        sum / row.len() as f64
    }

    #[inline(always)]
    fn slope<T: Float>(&self, r: usize, row: &[T], g: f64, out: &mut [T]) {
        let others: Vec<u32> = scratch(self.others(r, row.len()).into_iter().map(u32::from));
        let g = g / row.len() as f64;
        // How many pairs inside of the margin each class has.
        let mut pairs = scratch(repeat_n(0_u32, row.len()));
        out.fill(T::default());
        for t in self.of(r) {
            let (offset, mut own) = (1.0 - row[t].cast::<f64>(), 0_u32);
            for ((pairs, &x), &other) in pairs.iter_mut().zip(row).zip(&others) {
                let inside = u32::from(offset + x.cast::<f64>() > 0.0) & other;
                *pairs += inside;
                own += inside;
            }
            if own > 0 {
                out[t] = out[t] - T::lit(g * f64::from(own));
            }
        }
        for (o, &n) in out.iter_mut().zip(&pairs).filter(|(_, n)| **n > 0) {
            *o = T::lit(g * f64::from(n));
        }
    }

    #[inline]
    fn definition(&self, x: &Tensor) -> Result<Tensor> {
        let classes = x.shape()[1];
        // A row for each label of each row.
        let each = || (0..x.shape()[0]).flat_map(|r| self.of(r).map(move |t| (r, t)));
        let rows = memory::collect(OP, each().map(|(r, _)| r))?;
        let labels = memory::collect(OP, each().map(|(_, t)| t))?;
        let others = memory::collect(OP, each().flat_map(|(r, _)| self.others(r, classes)))?;
        let pairs = rows.len();
        let (rows, labels) = (Tensor::from_vec(rows, [pairs])?, Tensor::from_vec(labels, [pairs, 1])?);
        let scores = x.index_select(0, &rows)?;
        let z = scores.sub(&scores.gather(1, &labels)?)?.add(1.0)?;
        let others = Tensor::from_vec(others, [pairs, classes])?;
        let z = Tensor::where_(&others.mul(&z.gt(0)?)?, &z, 0)?.sum_dim(1, false)?;
        // Zeros that belong to the graph, also where no row has a label.
        x.narrow(1, 0, 0)?.sum_dim(1, false)?.scatter_add(0, &rows, &z)?.div(classes as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    #[test]
    fn kernels_equal_the_definition_to_the_second_derivative_for_every_reduction() -> Result<()> {
        // 300 classes in 110 rows are more than a block.
        for (n, classes) in [(4_usize, 5_usize), (1, 1), (110, 300)] {
            // No two differ by 1.
            let scores = (0..n * classes).map(|i| 0.3 * (i * 37 % 11) as f64).collect();
            let x = Tensor::from_vec::<f64>(scores, [n, classes])?.requires_grad_()?;
            // Rows without a label, with one that is listed twice, and of nothing but labels.
            let listed = |r: usize| if r % 4 == 3 { classes } else { (r % 4).min(classes - 1) };
            let label = |r: usize, i: usize| (i * 2 * usize::from(r % 4 != 2) + r) % classes;
            let target: Vec<i64> = (0..n * classes)
                .map(|k| (k / classes, k % classes))
                .map(|(r, i)| if i < listed(r) { label(r, i) as i64 } else { -1 })
                .collect();
            let target = Tensor::from_vec(target, [n, classes])?;
            let labels = Labels { target: target.to_vec()?, classes };
            // Of the many rows one reduction: blocks do not know which it is.
            let reductions = if n < 110 {
                &[Reduction::None, Reduction::Mean, Reduction::Sum][..]
            } else {
                &[Reduction::Mean]
            };
            for &reduction in reductions {
                let loss = MultiLabelMarginLoss { reduction };
                let definition = |x: &[Tensor]| reduction.of(labels.definition(&x[0])?);
                check::fused(|x| loss.forward(&x[0], &target), definition, std::slice::from_ref(&x), 1e-12)?;
            }
        }
        Ok(())
    }

    #[test]
    fn shapes_without_a_batch_and_empty_batches_have_a_loss() -> Result<()> {
        let none = MultiLabelMarginLoss { reduction: Reduction::None };
        let (x, t) = (Tensor::from([0.25_f32, 0.5, -0.25]), Tensor::from([1, -1, 0]));
        let batch = none.forward(&x.unsqueeze(0)?, &t.unsqueeze(0)?)?;
        assert_eq!(none.forward(&x, &t)?, batch.reshape(())?);
        for (x, t) in [(Tensor::from(0.5_f32), Tensor::from([0])), (Tensor::from([0.5_f32]), Tensor::from(0))]
        {
            assert_eq!(none.forward(&x, &t)?, Tensor::from(0.0_f32));
        }
        let empty = downhill_tensor::zeros([0, 3])?.requires_grad_()?;
        let target = Tensor::from_vec::<i64>(vec![], [0, 3])?;
        assert_eq!(none.forward(&empty, &target)?.shape(), &[0]);
        let mean = MultiLabelMarginLoss::default().forward(&empty, &target)?;
        assert_eq!(mean.item::<f32>()?, 0.0);
        mean.backward()?;
        assert_eq!(empty.grad().unwrap().shape(), &[0, 3]);
        Ok(())
    }

    #[test]
    fn the_margin_itself_costs_nothing_and_neither_does_nan() -> Result<()> {
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        let x = Tensor::from([[1.0, 0.0, 2.0], [1.0, nan, 2.0], [nan, 1.0, 2.0], [1.0, inf, 2.0]]);
        let x = x.requires_grad_()?;
        let target = Tensor::from([[0_i64, -1, -1]]).expand([4, 3])?;
        let terms = MultiLabelMarginLoss { reduction: Reduction::None }.forward(&x, &target)?;
        assert_eq!(terms, Tensor::from([2.0 / 3.0, 2.0 / 3.0, 0.0, inf]));
        terms.sum().backward()?;
        let slope = 1.0 / 3.0;
        let both = [-2.0 / 3.0, slope, slope];
        let found = x.grad().unwrap();
        assert_eq!(found, Tensor::from([[-slope, 0.0, slope], [-slope, 0.0, slope], [0.0; 3], both]));
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let x = Tensor::from([[1.0_f32, 2.0, 3.0]]);
        let text =
            |x: &Tensor, t: &Tensor| MultiLabelMarginLoss::default().forward(x, t).unwrap_err().to_string();
        assert_eq!(
            text(&x, &Tensor::from([1, 2, -1])),
            "multilabel_margin_loss: expected a target of the input's shape [1, 3], but got shape [3]"
        );
        assert_eq!(
            text(&x, &Tensor::from([[1, -1, 3]])),
            "multilabel_margin_loss: index 3 is out of bounds for size 3"
        );
        assert_eq!(
            text(&x, &Tensor::from([[-2, 1, 0]])),
            "multilabel_margin_loss: index -2 is out of bounds for size 3"
        );
        assert_eq!(text(&x, &x), "multilabel_margin_loss: expected int64 labels, but got float32");
        let (cube, none) =
            (downhill_tensor::zeros([1, 1, 1]).unwrap(), downhill_tensor::zeros([1, 0]).unwrap());
        for x in [cube, none] {
            let error = text(&x, &x.to_dtype(DType::I64));
            let expected = "multilabel_margin_loss: expected a vector or a matrix with at least one class";
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
