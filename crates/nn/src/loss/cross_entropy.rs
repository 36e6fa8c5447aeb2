//! Softmax cross-entropy of logits.

use super::nll::name;
use super::rows::{Classes, Rows, in_shape, reduce};
use super::{Loss, Reduction};
use crate::Module;
use downhill_tensor::autograd::fused;
use downhill_tensor::kernels::{self, Chunk};
use downhill_tensor::real::Real;
use downhill_tensor::{DType, Error, Float, Result, Tensor, grad_enabled, memory};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Classes from which rows are no longer short: their exponentials are computed once and scaled, in half the time and no less exactly.
/// The gradients of fewer cost nothing, and keep PyTorch's digits where they cancel over a batch.
pub(super) const LONG: usize = 64;

/// Cross-entropy between logits and class indices or class probabilities: the loss of classification.
///
/// # Formula
/// With `l = ln softmax(x)` and `e = label_smoothing`:
/// - indices: `ℓₙ = −(1−e) w[tₙ] lₙ[tₙ] − e/C Σ_c w[c] lₙ[c]`, 0 where `tₙ` is `ignore_index`; the mean divides by
///   `Σ w[tₙ]` over the rows that count (NaN if none does), not by their number;
/// - probabilities: `ℓₙ = −Σ_c w[c] ((1−e) tₙ[c] + e/C) lₙ[c]`; the mean divides by the number of rows.
///
/// With `z_loss` each row that counts has `z_loss · (ln Σ eˣ)²` more, whatever its weight; the mean of these divides by the number
/// of such rows.
///
/// # Gradient
/// `∂ℓₙ/∂xₙ = softmax(xₙ) Σ_c q_c − q`, where `q` holds the factors of `−lₙ` above; of `z_loss`, `2 z_loss ln(Σ eˣ) softmax(xₙ)`.
///
/// # Shape
/// Input `(C)`, `(N, C)` or `(N, C, d₁ …)`; a target without `C` holds indices, one of the input's shape probabilities.
///
/// # Stability
/// The row's maximum is subtracted first. Logits of −∞ have probability 0 and are fine but for the target. An ignored
/// row contributes exactly nothing to the loss and the gradient, whatever it holds.
///
/// # Errors
/// Shapes or dtypes that do not fit, a class outside of `0..C` that is not `ignore_index`, `label_smoothing` outside of
/// `[0, 1]`, a non-negative `ignore_index` with probabilities.
///
/// # Examples
/// ```
/// use downhill::nn::{CrossEntropyLoss, Loss};
/// use downhill::Tensor;
/// let logits = Tensor::from([[2.0_f64, 0.0], [0.0, 0.0]]).requires_grad_()?;
/// let loss = CrossEntropyLoss::default().forward(&logits, &Tensor::from([0, 1]))?;
/// let expected = ((1.0 + (-2.0_f64).exp()).ln() + 2.0_f64.ln()) / 2.0;
/// assert!((loss.item::<f64>()? - expected).abs() < 1e-15);
/// // Probabilities, and rows that do not count:
/// CrossEntropyLoss::default().forward(&logits, &Tensor::from([[0.9, 0.1], [0.5, 0.5]]))?;
/// CrossEntropyLoss { ignore_index: 1, ..Default::default() }.forward(&logits, &Tensor::from([0, 1]))?;
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.CrossEntropyLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.CrossEntropyLoss.html), where an
/// ignored row that holds NaN has a gradient of NaN. `z_loss` is not there; see
/// [de Brébisson & Vincent 2016](https://arxiv.org/abs/1604.08859) and [PaLM](https://arxiv.org/abs/2204.02311), section 5.
#[derive(Clone, Debug, Module)]
pub struct CrossEntropyLoss {
    /// A factor for each class.
    pub weight: Option<Tensor>,
    /// The target of rows that do not count.
    pub ignore_index: i64,
    /// The share of the target that is spread over all classes, in `[0, 1]`.
    pub label_smoothing: f64,
    /// What becomes of the terms.
    pub reduction: Reduction,
    /// The factor of the squared `ln Σ eˣ` that is added: it keeps logits from drifting. 1e-4 is usual, 0 none.
    pub z_loss: f64,
}

impl Default for CrossEntropyLoss {
    fn default() -> Self {
        Self {
            weight: None,
            ignore_index: -100,
            label_smoothing: 0.0,
            reduction: Reduction::Mean,
            z_loss: 0.0,
        }
    }
}

pub(super) const OP: &str = "cross_entropy";

/// An error for a smoothing outside of 0 … 1, and for a negative factor of the z-loss.
pub(super) fn check_options(op: &'static str, label_smoothing: f64, z_loss: f64) -> Result<()> {
    if !(0.0..=1.0).contains(&label_smoothing) {
        return Err(Error::argument(
            op,
            format!("label_smoothing must be between 0 and 1, but is {label_smoothing}"),
        ));
    }
    if z_loss.is_nan() || z_loss < 0.0 {
        return Err(Error::argument(op, format!("z_loss must be at least 0, but is {z_loss}")));
    }
    Ok(())
}

impl Loss for CrossEntropyLoss {
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        check_options(OP, self.label_smoothing, self.z_loss)?;
        if self.z_loss > 0.0 {
            let plain = Self { z_loss: 0.0, ..self.clone() };
            return plain.forward(input, target)?.add(&self.drift(input, target)?);
        }
        if input.shape() == target.shape() && input.dim() > 0 {
            return self.probabilities(input, target);
        }
        let rows = Rows::new(OP, input, target.shape())?;
        let classes =
            Classes::new(OP, &rows, target, self.weight.as_ref(), self.ignore_index, self.reduction)?;
        let name = if self.label_smoothing > 0.0 { "AddBackward0" } else { name(input) };
        match input.dtype() {
            DType::F32 => Indices::run::<f32>(self, rows, classes, name),
            DType::F64 => Indices::run::<f64>(self, rows, classes, name),
            got @ (DType::I64 | DType::Bool) => Err(Error::not_float(OP, got)),
        }
    }
}

/// The kernels for class indices.
pub(super) struct Indices {
    classes: Classes,
    /// What the mean divides by.
    pub(super) divisor: f64,
    /// The share of the target class, and that of every class.
    share: (f64, f64),
    /// The gradient for an incoming gradient of 1, where the forward pass has computed it.
    ready: Mutex<Option<Tensor>>,
}

impl Indices {
    fn run<T: Float>(
        loss: &CrossEntropyLoss,
        rows: Rows,
        classes: Classes,
        name: &'static str,
    ) -> Result<Tensor> {
        let e = loss.label_smoothing;
        let share = (1.0 - e, e / rows.classes as f64);
        let this = Self { divisor: classes.divisor::<T, f64>()?, share, classes, ready: Mutex::new(None) };
        let keep = this.classes.reduction != Reduction::None && grad_enabled() && rows.input.requires_grad();
        let one = keep.then(|| T::lit(1.0));
        let (terms, slope) = this.pass::<T>(&rows.input, one.as_ref().map(std::slice::from_ref), true)?;
        *this.ready.lock().unwrap_or_else(PoisonError::into_inner) = slope;
        let targets = this.classes.targets()?;
        let value = reduce::<T, f64>(&rows, this.classes.reduction, this.divisor, |r| {
            this.classes.class(targets[r]).map(|_| terms[r])
        })?;
        let (definition, shape) = (this.classes.clone(), rows.shape);
        Ok(fused(
            name,
            [&rows.input],
            value,
            move |_, g, [x]| this.gradient::<T>(x, g),
            move |[x]| in_shape(define(&definition, share, x)?, definition.reduction, shape),
        ))
    }

    fn gradient<T: Float>(&self, x: &Tensor, g: &Tensor) -> Result<Tensor> {
        if let Some(slope) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return if g.item::<f64>()? == 1.0 { Ok(slope) } else { slope.mul(g) };
        }
        let g = g.try_contiguous()?;
        let (_, slope) = self.pass::<T>(x, Some(g.as_slice()?), false)?;
        slope.ok_or(Error::NoGrad { op: OP })
    }

    /// The terms of the rows, and, given the gradient of the loss (one number, or one a row), that of the input.
    fn pass<T: Float>(
        &self,
        input: &Tensor,
        g: Option<&[T]>,
        terms: bool,
    ) -> Result<(Vec<f64>, Option<Tensor>)> {
        let (x, targets, weights) =
            (input.as_slice::<T>()?, self.classes.targets()?, self.classes.weights::<T>()?);
        let count = input.shape()[1];
        let mut losses = memory::vec(OP, 0.0, targets.len())?;
        if count == 0 || targets.is_empty() {
            return Ok((losses, g.map(|_| input.try_zeros_like()).transpose()?));
        }
        let short = self.share.1 == 0.0 && count < LONG;
        // From a row on: the kernels fetch what follows.
        let from = |r: usize| &x[r * count..];
        let Some(g) = g else {
            kernels::rows::<T, _>(
                count,
                &mut losses,
                4,
                #[inline(always)]
                |start, out| {
                    if short {
                        let x = &x[start * count..][..out.len() * count];
                        return self.short_values(x, &targets[start..], weights, out);
                    }
                    for (i, o) in out.iter_mut().enumerate() {
                        if let Some(c) = self.class(targets[start + i]) {
                            let x = from(start + i);
                            let (max, sums) = self.stats(x, count, c);
                            *o = self.term(&x[..count], c, weights, (max, log_sum(sums)));
                        }
                    }
                },
            );
            return Ok((losses, None));
        };
        let slope = Tensor::build(input.shape(), |out| {
            kernels::write_rows::<T, _, _>(
                count,
                out,
                &mut losses,
                4,
                #[inline(always)]
                |first, out, losses| {
                    if short {
                        let x = &x[first * count..][..out.len()];
                        let g = if g.len() == 1 { g } else { &g[first..] };
                        return self.short(x, &targets[first..], weights, g, out, losses);
                    }
                    for (i, loss) in losses.iter_mut().enumerate() {
                        let (r, own) = (first + i, i * count..(i + 1) * count);
                        let Some(c) = self.class(targets[r]) else {
                            out[own].fill(T::default());
                            continue;
                        };
                        let g = if g.len() == 1 { g[0] } else { g[r] }.cast::<f64>() / self.divisor;
                        let x = &from(r)[..count];
                        let (max, sums) = if self.share.1 == 0.0 {
                            let stats = kernels::exponentials(from(r), c, &mut out[own.clone()]);
                            weigh(out, own, c, stats.1, weight(weights, c) * g);
                            stats
                        } else {
                            let (max, top, sums) = kernels::max_and_wide_sums(x);
                            self.slope(x, c, weights, (max, top, sums), g, &mut out[own]);
                            (max, sums)
                        };
                        if terms {
                            *loss = self.term(x, c, weights, (max, log_sum(sums)));
                        }
                    }
                },
            );
        })?;
        Ok((losses, Some(slope)))
    }

    /// The class of a row, or `None` if the row is ignored.
    #[inline(always)]
    pub(super) fn class(&self, target: i64) -> Option<usize> {
        self.classes.class(target)
    }

    /// The maximum of a row, the first `count` elements, and its exponentials' sum in two parts: one entry, and the others.
    #[inline(always)]
    fn stats<T: Float>(&self, x: &[T], count: usize, c: usize) -> (T, [f64; 2]) {
        if self.share.1 == 0.0 {
            return kernels::max_and_sums(x, count, c);
        }
        let (max, _, sums) = kernels::max_and_wide_sums(&x[..count]);
        (max, sums)
    }

    /// The loss of a row, from its maximum and the logarithm of the sum of its exponentials. A row has one logarithm and one loss: in `f64`
    /// they cost nothing, and their last digit is what a good fit has left.
    #[inline(always)]
    pub(super) fn term<T: Float>(
        &self,
        x: &[T],
        c: usize,
        weights: Option<&[T]>,
        (max, ln_sum): (T, f64),
    ) -> f64 {
        let (share, every) = self.share;
        let own = weight(weights, c) * (ln_sum - (x[c].cast::<f64>() - max.cast::<f64>()));
        if every == 0.0 {
            return own;
        }
        let spread = kernels::sum_terms(
            x.len(),
            1,
            #[inline(always)]
            |start, out: &mut [f64]| {
                for (i, o) in out.iter_mut().enumerate() {
                    let x = x[start + i].cast::<f64>();
                    *o = weight(weights, start + i) * (ln_sum - (x - max.cast::<f64>()));
                }
            },
        );
        share * own + every * spread
    }

    /// The gradient of a row's loss times `g`, with label smoothing.
    #[inline(always)]
    fn slope<T: Float>(
        &self,
        x: &[T],
        c: usize,
        weights: Option<&[T]>,
        (max, top, [most, rest]): (T, usize, [f64; 2]),
        g: f64,
        out: &mut [T],
    ) {
        let (share, every) = self.share;
        let own = share * weight(weights, c) * g;
        let (sum, every) = (most + rest, every * g);
        let e = Real::exp(x[c].cast::<f64>() - max.cast::<f64>());
        // The weights without the largest entry's.
        let others = weights.map_or(x.len() as f64 - 1.0, |w| {
            let sum = |w: &[T]| {
                kernels::sum(
                    [w],
                    w.len(),
                    #[inline(always)]
                    |[w]| w.cast::<f64>(),
                )
            };
            sum(&w[..top.min(w.len())]) + sum(w.get(top + 1..).unwrap_or_default())
        });
        let factors = own + every * (others + weight(weights, top));
        // p Σ q − q cancels.
        kernels::map_softmax(
            x,
            (max, sum),
            out,
            #[inline(always)]
            |c, p| p * factors - every * weight(weights, c),
        );
        out[c] = T::lit(e / sum * factors - every * weight(weights, c) - own);
        if let Some(o) = out.get_mut(top) {
            // Of the largest, p (Σ q − q) − (1 − p) q does not.
            let (more, less) = if top == c { (0.0, own) } else { (own, 0.0) };
            let q = every * weight(weights, top) + less;
            *o = T::lit(most / sum * (every * others + more) - rest / sum * q);
        }
    }
}

/// The weight of class `c`, 1 without weights.
#[inline(always)]
pub(super) fn weight<T: Float>(weights: Option<&[T]>, c: usize) -> f64 {
    weights.map_or(1.0, |w| w[c].cast())
}

/// `ln Σ exp(x − max)`, from an exponential and the sum of the others: what is left of a probability near 1 is kept.
#[inline(always)]
pub(super) fn log_sum([own, others]: [f64; 2]) -> f64 {
    Real::log1p(others + (own - 1.0))
}

/// The gradient of a row's loss times `own`, from the row's exponentials, `c`'s apart, and their sums.
#[inline(always)]
fn weigh<T: Float>(out: &mut Chunk<'_, T>, row: Range<usize>, c: usize, [e, others]: [f64; 2], own: f64) {
    let sum = e + others;
    // p − 1 is minus the probability of the others.
    let (scale, slope) = (T::lit(own / sum), T::lit(-others / sum * own));
    out.stream(
        row,
        #[inline(always)]
        |at, out| {
            for o in out.iter_mut() {
                *o = *o * scale;
            }
            if let Some(o) = c.checked_sub(at).and_then(|c| out.get_mut(c)) {
                *o = slope;
            }
        },
    );
}

/// The loss in tensor operations, for a matrix of logits.
fn define(classes: &Classes, (share, every): (f64, f64), x: &Tensor) -> Result<Tensor> {
    // Ignored rows are replaced before anything is computed from them.
    let ignored = classes.ignored()?;
    let logs = x.masked_fill(&ignored.unsqueeze(1)?, 0)?.log_softmax(1)?;
    let own = classes.picked(&logs)?.neg()?;
    if every == 0.0 {
        return classes.reduced(&own);
    }
    let spread = match &classes.weight {
        Some(w) => logs.mul(w)?.sum_dim(1, false)?,
        None => logs.sum_dim(1, false)?,
    };
    let terms = own.mul(share)?.sub(&spread.mul(every)?)?;
    classes.reduced(&terms.masked_fill(&ignored, 0)?)
}

impl CrossEntropyLoss {
    /// What `z_loss` adds, of input and target that the loss has taken.
    fn drift(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let dim = 1.min(input.dim() as isize - 1);
        let squares = |x: &Tensor| x.logsumexp(dim, false)?.try_square()?.mul(self.z_loss);
        let (terms, ignored) = if target.dtype() == DType::I64 {
            let ignored = target.eq(self.ignore_index)?;
            let ignored = if input.dim() == 1 { ignored.reshape(())? } else { ignored };
            let counted = input.masked_fill(&ignored.unsqueeze(dim)?, 0)?;
            (squares(&counted)?.masked_fill(&ignored, 0)?, ignored.try_sum()?.item::<i64>()?)
        } else {
            (squares(input)?, 0)
        };
        match self.reduction {
            Reduction::None => Ok(terms),
            Reduction::Sum => terms.try_sum(),
            Reduction::Mean => terms.try_sum()?.div(terms.numel() as i64 - ignored),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::NLLLoss;
    use downhill_tensor::check;

    fn noise(n: usize, k: f64) -> Vec<f64> {
        (0..n).map(|i| 3.0 * ((i as f64 + 0.5) * k).sin()).collect()
    }

    pub(in crate::loss) fn matrix(rows: usize, classes: usize, k: f64) -> Result<Tensor> {
        Tensor::from_vec(noise(rows * classes, k), [rows, classes])?.requires_grad_()
    }

    /// Every combination of the options.
    pub(in crate::loss) fn variants(classes: usize) -> impl Iterator<Item = CrossEntropyLoss> {
        let weight = Tensor::from((0..classes).map(|c| 0.5 + c as f64 / 3.0).collect::<Vec<_>>());
        let reductions = [Reduction::None, Reduction::Mean, Reduction::Sum];
        reductions.into_iter().flat_map(move |reduction| {
            [None, Some(weight.clone())].into_iter().flat_map(move |weight| {
                [0.0, 0.3].map(|label_smoothing| CrossEntropyLoss {
                    weight: weight.clone(),
                    label_smoothing,
                    reduction,
                    ..Default::default()
                })
            })
        })
    }

    #[test]
    fn kernels_equal_the_definition_for_every_combination_of_options() -> Result<()> {
        for (rows, classes) in [(1, 2), (5, 3), (4, 17)] {
            let x = matrix(rows, classes, 1.3)?;
            let targets: Vec<i64> =
                (0..rows as i64).map(|r| if r % 4 == 3 { -100 } else { r * 7 % classes as i64 }).collect();
            let target = Tensor::from(targets);
            for loss in variants(classes) {
                let rows = Rows::new(OP, &x, target.shape())?;
                let c = Classes::new(OP, &rows, &target, loss.weight.as_ref(), -100, loss.reduction)?;
                let e = loss.label_smoothing;
                let share = (1.0 - e, e / classes as f64);
                let definition = |xs: &[Tensor]| define(&c, share, &xs[0]);
                check::fused(
                    |xs| loss.forward(&xs[0], &target),
                    definition,
                    std::slice::from_ref(&x),
                    1e-12,
                )?;
            }
        }
        Ok(())
    }

    #[test]
    fn z_loss_adds_the_squared_normaliser_of_the_rows_that_count() -> Result<()> {
        let x = matrix(4, 3, 1.3)?;
        let (target, z) = (Tensor::from([0, 2, -100, 1]), 0.1);
        let counted = Tensor::from([0, 1, 3]);
        for plain in variants(3) {
            let loss = CrossEntropyLoss { z_loss: z, ..plain.clone() };
            let definition = |xs: &[Tensor]| {
                let lse = xs[0].exp().sum_dim(1, false)?.log().square().mul(z)?;
                let more = match plain.reduction {
                    Reduction::None => lse.mul(&Tensor::from([1.0, 1.0, 0.0, 1.0]))?,
                    Reduction::Sum => lse.index_select(0, &counted)?.sum(),
                    Reduction::Mean => lse.index_select(0, &counted)?.mean()?,
                };
                plain.forward(&xs[0], &target)?.add(&more)
            };
            check::fused(|xs| loss.forward(&xs[0], &target), definition, std::slice::from_ref(&x), 1e-12)?;
        }
        // Other shapes, and probabilities.
        let loss = CrossEntropyLoss { z_loss: z, ..Default::default() };
        let with = |x: &Tensor, t: &Tensor| -> Result<f64> {
            loss.forward(x, t)?.sub(&CrossEntropyLoss::default().forward(x, t)?)?.item::<f64>()
        };
        let lse = x.logsumexp(1, false)?.square().mul(z)?;
        let want = lse.mean()?.item::<f64>()?;
        assert!((with(&x, &x.detach().softmax(1)?)? - want).abs() < 1e-14);
        let image = x.t()?.unsqueeze(0)?;
        assert!((with(&image, &Tensor::from([[0, 2, 1, 1]]))? - want).abs() < 1e-14);
        let first = lse.select(0, 0)?.item::<f64>()?;
        assert!((with(&x.select(0, 0)?, &Tensor::from(1))? - first).abs() < 1e-14);
        let negative = CrossEntropyLoss { z_loss: -1.0, ..Default::default() }.forward(&x, &target);
        assert_eq!(negative.unwrap_err().to_string(), "cross_entropy: z_loss must be at least 0, but is -1");
        Ok(())
    }

    #[test]
    fn further_dimensions_are_rows() -> Result<()> {
        let x = Tensor::from_vec(noise(2 * 3 * 4 * 5, 0.9), [2, 3, 4, 5])?.requires_grad_()?;
        let target = Tensor::from_vec((0..40).map(|i| i * 5 % 3).collect::<Vec<i64>>(), [2, 4, 5])?;
        let loss = CrossEntropyLoss::default().forward(&x, &target)?;
        assert_eq!(loss.grad_fn(), Some("NllLoss2DBackward0"));
        let flat = x.permute([0, 2, 3, 1])?.reshape([40, 3])?;
        let same = CrossEntropyLoss::default().forward(&flat, &target.flatten(0, -1)?)?;
        assert!((loss.item::<f64>()? - same.item::<f64>()?).abs() < 1e-15);
        loss.backward()?;
        let g = x.grad();
        x.set_grad(None)?;
        same.backward()?;
        assert_eq!(g, x.grad());
        Ok(())
    }

    #[test]
    fn ignored_rows_contribute_exactly_nothing() -> Result<()> {
        let wild = Tensor::from([[1.0_f32, 2.0], [f32::NAN, f32::INFINITY], [0.5, 0.1]]).requires_grad_()?;
        let calm = Tensor::from([[1.0_f32, 2.0], [0.5, 0.1]]).requires_grad_()?;
        for label_smoothing in [0.0, 0.1] {
            let loss = CrossEntropyLoss { label_smoothing, ..Default::default() };
            let a = loss.forward(&wild, &Tensor::from([0, -100, 1]))?;
            let b = loss.forward(&calm, &Tensor::from([0, 1]))?;
            assert_eq!(a, b);
            a.backward()?;
            b.backward()?;
            let (ga, gb) = (wild.grad().unwrap(), calm.grad().unwrap());
            assert_eq!(ga.select(0, 1)?.to_vec::<f32>()?, [0.0, 0.0]);
            assert_eq!(ga.select(0, 2)?, gb.select(0, 1)?);
            wild.set_grad(None)?;
            calm.set_grad(None)?;
        }
        Ok(())
    }

    #[test]
    fn nothing_but_ignored_rows_is_nan_with_a_gradient_of_zeros() -> Result<()> {
        let x = matrix(2, 3, 1.0)?;
        let loss = CrossEntropyLoss::default().forward(&x, &Tensor::from([-100, -100]))?;
        assert!(loss.item::<f64>()?.is_nan());
        loss.backward()?;
        assert_eq!(x.grad().unwrap(), x.zeros_like());
        Ok(())
    }

    #[test]
    fn it_is_the_nll_of_the_log_softmax() -> Result<()> {
        let (x, target) = (matrix(9, 4, 2.1)?, Tensor::from((0..9).map(|i| i % 4).collect::<Vec<i64>>()));
        let a = CrossEntropyLoss::default().forward(&x, &target)?;
        let b = NLLLoss::default().forward(&x.log_softmax(1)?, &target)?;
        assert_eq!(a, b);
        b.backward()?;
        let g = x.grad();
        x.set_grad(None)?;
        a.backward()?;
        // One has p − 1 from the sum of the others, the other from the logarithm.
        let difference = g.expect("a gradient").sub(&x.grad().expect("a gradient"))?.abs().max()?;
        assert!(difference.item::<f64>()? < 1e-16);
        let definition = |xs: &[Tensor]| {
            let picked = xs[0].gather(1, &target.unsqueeze(1)?)?.squeeze_dim(1)?;
            picked.mean()?.neg()
        };
        check::fused(|xs| NLLLoss::default().forward(&xs[0], &target), definition, &[x], 1e-12)
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let x = Tensor::from([[1.0_f32, 2.0, 3.0], [1.0, 2.0, 3.0]]);
        let text =
            |loss: &CrossEntropyLoss, target: &Tensor| loss.forward(&x, target).unwrap_err().to_string();
        let plain = CrossEntropyLoss::default();
        assert_eq!(text(&plain, &Tensor::from([0, 3])), "cross_entropy: index 3 is out of bounds for size 3");
        assert_eq!(
            text(&plain, &Tensor::from([0, 1, 2])),
            "cross_entropy: expected a target of shape [2] for an input of shape [2, 3], but got shape [3]"
        );
        assert_eq!(
            text(&plain, &Tensor::from([0.0_f32, 1.0])),
            "cross_entropy: expected int64 class indices, but got float32"
        );
        let smooth = CrossEntropyLoss { label_smoothing: 1.5, ..Default::default() };
        assert_eq!(
            text(&smooth, &Tensor::from([0, 1])),
            "cross_entropy: label_smoothing must be between 0 and 1, but is 1.5"
        );
        let weighted = CrossEntropyLoss { weight: Some(Tensor::from([1.0_f32])), ..Default::default() };
        assert_eq!(
            text(&weighted, &Tensor::from([0, 1])),
            "cross_entropy: expected a weight for each of 3 classes, but got shape [1]"
        );
    }
}
