//! Negative log-likelihood of log-probabilities.

use super::rows::{Classes, Rows, in_shape, reduce};
use super::{Loss, Reduction};
use crate::Module;
use downhill_tensor::autograd::fused;
use downhill_tensor::kernels::inlined;
use downhill_tensor::{DType, Error, Float, Result, Tensor, kernels};

/// Minus the log-probability of the right class.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/nll.svg"))]
///
/// # Formula
/// ```math
/// ℓₙ = −w[tₙ]\, xₙ[tₙ]
/// ```
///
/// or 0 where `tₙ` is `ignore_index`; the mean divides by `Σ w[tₙ]` over the rows that count, which is NaN if none does.
///
/// # Gradient
/// ```math
/// \frac{∂ℓₙ}{∂xₙ[c]} = \begin{cases} −w[tₙ] & c = tₙ \\ 0 & \text{elsewhere} \end{cases}
/// ```
///
/// # Shape
/// Input `(C)`, `(N, C)` or `(N, C, d₁ …)`, target without `C`.
///
/// # Stability
/// A −∞ of another class is not read. An ignored row contributes exactly nothing.
///
/// # Errors
/// Shapes or dtypes that do not fit, a class outside of `0..C` that is not `ignore_index`.
///
/// # Examples
/// ```
/// use downhill::nn::{Loss, NLLLoss};
/// use downhill::Tensor;
/// let x = Tensor::from([[-0.1_f32, -2.4], [-1.6, -0.2]]).requires_grad_()?;
/// let loss = NLLLoss::default().forward(&x, &Tensor::from([0, 1]))?;
/// assert_eq!(loss.item::<f32>()?, 0.15);
/// loss.backward()?;
/// assert_eq!(x.grad().unwrap(), Tensor::from([[-0.5_f32, 0.0], [0.0, -0.5]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.NLLLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.NLLLoss.html).
#[derive(Clone, Debug, Module)]
pub struct NLLLoss {
    /// A factor for each class.
    pub weight: Option<Tensor>,
    /// The target of rows that do not count.
    pub ignore_index: i64,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for NLLLoss {
    fn default() -> Self {
        Self { weight: None, ignore_index: -100, reduction: Reduction::Mean }
    }
}

impl Loss for NLLLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let op = "nll_loss";
        let rows = Rows::new(op, input, target.shape())?;
        let classes =
            Classes::new(op, &rows, target, self.weight.as_ref(), self.ignore_index, self.reduction)?;
        match input.dtype() {
            DType::F32 => run::<f32>(&rows, classes, name(input)),
            DType::F64 => run::<f64>(&rows, classes, name(input)),
            got @ (DType::I64 | DType::Bool) => Err(Error::not_float(op, got)),
        }
    }
}

/// PyTorch's name for the operation: it has two, by the rank of the input.
pub(super) fn name(input: &Tensor) -> &'static str {
    if input.dim() > 2 { "NllLoss2DBackward0" } else { "NllLossBackward0" }
}

fn run<T: Float>(rows: &Rows, classes: Classes, name: &'static str) -> Result<Tensor> {
    let (x, targets, weights) = (rows.input.as_slice::<T>()?, classes.targets()?, classes.weights::<T>()?);
    let divisor = classes.divisor::<T, f64>()?;
    let value = reduce::<T, f64>(rows, classes.reduction, divisor, |r| {
        let c = classes.class(targets[r])?;
        let x = -x[r * rows.classes + c].cast::<f64>();
        Some(weights.map_or(x, |w| x * w[c].cast::<f64>()))
    })?;
    let (count, shape) = (rows.classes, rows.shape);
    let definition = classes.clone();
    Ok(fused(
        name,
        [&rows.input],
        value,
        move |_, g, [x]| gradient::<T>(&classes, g, x, count, divisor),
        move |[x]| {
            let x = x.masked_fill(&definition.ignored()?.unsqueeze(1)?, 0)?;
            in_shape(definition.reduced(&definition.picked(&x)?.neg()?)?, definition.reduction, shape)
        },
    ))
}

fn gradient<T: Float>(
    classes: &Classes,
    g: &Tensor,
    x: &Tensor,
    count: usize,
    divisor: f64,
) -> Result<Tensor> {
    let (targets, weights) = (classes.targets()?, classes.weights::<T>()?);
    let g = g.try_contiguous()?;
    let each = g.as_slice::<T>()?;
    let slope = |g: T| -g.cast::<f64>() / divisor;
    // One division, and not one a row.
    let common = (classes.reduction != Reduction::None).then(|| slope(each[0]));
    Tensor::build(x.shape(), |out| {
        kernels::write_rows::<T, _, _>(
            count,
            out,
            &mut vec![(); targets.len()],
            1,
            inlined!(|first, out, _| {
                out.fill(T::default());
                for (i, row) in out.chunks_exact_mut(count.max(1)).enumerate() {
                    let r = first + i;
                    if let Some(c) = classes.class(targets[r]) {
                        let slope = common.unwrap_or_else(|| slope(each[r]));
                        row[c] = T::lit(weights.map_or(slope, |w| w[c].cast::<f64>() * slope));
                    }
                }
            }),
        );
    })
}
