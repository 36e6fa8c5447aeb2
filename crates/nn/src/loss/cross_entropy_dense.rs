//! Softmax cross-entropy of logits and class probabilities.

use super::Reduction;
use super::cross_entropy::{CrossEntropyLoss, OP};
use super::rows::{Rows, check_weight, in_shape, of_rows, slopes_of_rows};
use super::soft_row::SoftRow;
use downhill_tensor::autograd::fused;
use downhill_tensor::kernels::{self, Logits, inlined};
use downhill_tensor::{DType, Error, Float, Result, Shape, Tensor};

impl CrossEntropyLoss {
    /// For a target of class probabilities. Everything beyond the exponentials is computed in `f64` and rounded once.
    #[inline]
    pub(super) fn probabilities(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        if !target.dtype().is_float() {
            let expected = "floats as class probabilities (a target of the input's shape)";
            return Err(Error::DType { op: OP, expected, got: target.dtype() });
        }
        if self.ignore_index >= 0 {
            let message = format!("ignore_index {} does not apply to class probabilities", self.ignore_index);
            return Err(Error::argument(OP, message));
        }
        Error::check_same(OP, ("input", input.dtype()), ("target", target.dtype()))?;
        let without = input.shape().iter().enumerate().filter(|&(d, _)| d != 1.min(input.dim() - 1));
        let shape = Shape::new(OP, &without.map(|(_, &n)| n).collect::<Vec<_>>())?;
        let rows = Rows::new(OP, input, &shape)?;
        let targets = Rows::new(OP, target, &shape)?;
        check_weight(OP, self.weight.as_ref(), &rows)?;
        match input.dtype() {
            DType::F32 => self.dense::<f32>(&rows, &targets),
            DType::F64 => self.dense::<f64>(&rows, &targets),
            got @ (DType::I64 | DType::Bool) => Err(Error::not_float(OP, got)),
        }
    }

    /// The factor of each log-probability: `w ((1−e) t + e/C)`.
    fn factors<T: Float>(&self, classes: usize) -> Result<impl Fn(T, usize) -> f64 + Sync + use<'_, T>> {
        let weights = self.weight.as_ref().map(|w| w.as_slice::<T>()).transpose()?;
        let (share, every) = (1.0 - self.label_smoothing, self.label_smoothing / classes as f64);
        Ok(inlined!(move |t: T, c: usize| {
            let t = share * t.cast::<f64>() + every;
            weights.map_or(t, |w| w[c].cast::<f64>() * t)
        }))
    }

    fn dense<T: Logits>(&self, rows: &Rows, targets: &Rows) -> Result<Tensor> {
        let this =
            Self { weight: self.weight.as_ref().map(Tensor::try_contiguous).transpose()?, ..self.clone() };
        let (count, n) = (rows.classes, rows.shape.numel());
        let divisor = if self.reduction == Reduction::Mean { n as f64 } else { 1.0 };
        let value = {
            let factor = this.factors::<T>(count)?;
            let (x, t) = (rows.input.as_slice::<T>()?, targets.input.as_slice::<T>()?);
            // As a trait object: the loops that gain by vectors are in the kernels.
            let term: &(dyn Fn(usize) -> f64 + Sync) = &|r| {
                let t = &t[r * count..][..count];
                SoftRow::new(&x[r * count..][..count]).term(inlined!(|c| factor(t[c], c)))
            };
            let terms = of_rows(OP, (n, count), 4, term)?;
            if self.reduction == Reduction::None {
                Tensor::build(rows.shape, |out: &mut [T]| {
                    out.iter_mut().zip(&terms).for_each(|(o, &x)| *o = T::lit(x));
                })?
            } else {
                let sum = kernels::sum([&terms[..]], n, |[x]| x);
                Tensor::build((), |out: &mut [T]| out[0] = T::lit(sum / divisor))?
            }
        };
        let name = if self.reduction == Reduction::Mean { "DivBackward1" } else { "NegBackward0" };
        let (definition, shape) = (this.clone(), rows.shape);
        Ok(fused(
            name,
            [&rows.input, &targets.input],
            value,
            move |i, g, [x, t]| this.dense_gradient::<T>(i, g, x, t, divisor),
            move |[x, t]| in_shape(definition.define_dense(x, t, divisor)?, definition.reduction, shape),
        ))
    }

    fn dense_gradient<T: Logits>(
        &self,
        i: usize,
        g: &Tensor,
        input: &Tensor,
        target: &Tensor,
        divisor: f64,
    ) -> Result<Tensor> {
        let count = input.shape()[1];
        let factor = self.factors::<T>(count)?;
        let slope_of_target = {
            let weights = self.weight.as_ref().map(|w| w.as_slice::<T>()).transpose()?;
            let share = 1.0 - self.label_smoothing;
            #[inline(always)]
            move |c: usize| weights.map_or(share, |w| share * w[c].cast::<f64>())
        };
        let (x, t) = (input.as_slice::<T>()?, target.as_slice::<T>()?);
        let slope: &(dyn Fn(usize, f64, &mut [T]) + Sync) = &|r, g, out| {
            let (x, t) = (&x[r * count..][..count], &t[r * count..][..count]);
            let row = SoftRow::new(x);
            if i == 0 {
                return row.slope(inlined!(|c| factor(t[c], c)), None, g, out);
            }
            let neg_log = row.neg_log();
            out.iter_mut().enumerate().for_each(|(c, o)| *o = T::lit(slope_of_target(c) * neg_log(c) * g));
        };
        slopes_of_rows(input.shape(), (g, divisor), 4, slope)
    }

    /// The loss of probabilities in tensor operations, for matrices.
    #[inline]
    fn define_dense(&self, x: &Tensor, t: &Tensor, divisor: f64) -> Result<Tensor> {
        let e = self.label_smoothing;
        let smooth = t.mul(1.0 - e)?.add(e / x.shape()[1] as f64)?;
        let factors = self.weight.as_ref().map_or_else(|| Ok(smooth.clone()), |w| smooth.mul(w))?;
        let terms = x.log_softmax(1)?.mul(&factors)?.sum_dim(1, false)?.neg()?;
        if self.reduction == Reduction::None { Ok(terms) } else { terms.try_sum()?.div(divisor) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::cross_entropy::tests::{matrix, variants};
    use downhill_tensor::check;

    #[test]
    fn probabilities_equal_the_definition_for_every_combination_of_options() -> Result<()> {
        let (x, t) = (matrix(5, 3, 1.3)?, matrix(5, 3, 0.7)?.detach().softmax(1)?.requires_grad_()?);
        for loss in variants(3) {
            let divisor = if loss.reduction == Reduction::Mean { 5.0 } else { 1.0 };
            let definition = |xs: &[Tensor]| loss.define_dense(&xs[0], &xs[1], divisor);
            check::fused(
                |xs| crate::Loss::forward(&loss, &xs[0], &xs[1]),
                definition,
                &[x.clone(), t.clone()],
                1e-12,
            )?;
        }
        Ok(())
    }
}
