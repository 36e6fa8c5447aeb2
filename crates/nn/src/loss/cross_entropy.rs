//! Softmax cross-entropy of logits.

use super::nll::name;
use super::rows::{Classes, Rows, in_shape, reduce};
use super::soft_row::SoftRow;
use super::{Loss, Reduction};
use crate::Module;
use downhill_tensor::autograd::{Ready, fused};
use downhill_tensor::kernels::{self, Chunk, LOGIT_ROWS, Logits, Slopes, inlined};
use downhill_tensor::{DType, Error, Float, Result, Tensor, grad_enabled, memory};

/// Cross-entropy between logits and class indices or class probabilities: the loss of classification.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/cross_entropy.svg"))]
///
/// # Formula
/// With `l = ln softmax(x)` and `e = label_smoothing`, for indices
///
/// ```math
/// ℓₙ = −(1 − e)\, w[tₙ]\, lₙ[tₙ] − \frac{e}{C} \sum_c w[c]\, lₙ[c]
/// ```
///
/// or 0 where `tₙ` is `ignore_index`; the mean divides by `Σ w[tₙ]` over the rows that count (NaN if none does), not by their
/// number. For probabilities
///
/// ```math
/// ℓₙ = −\sum_c w[c] \Big((1 − e)\, tₙ[c] + \frac{e}{C}\Big)\, lₙ[c]
/// ```
///
/// and the mean divides by the number of rows.
///
/// With `z_loss` each row that counts has `z_loss · (ln Σ eˣ)²` more, whatever its weight; the mean of these divides by the number
/// of such rows.
///
/// # Gradient
/// With `q` the factors of `−lₙ` above:
///
/// ```math
/// \frac{∂ℓₙ}{∂xₙ} = \operatorname{softmax}(xₙ) \sum_c q_c − q
/// ```
///
/// and of `z_loss`, `2 z_loss ln(Σ eˣ) softmax(xₙ)`.
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
    /// The reduction of the terms: their mean, their sum, or none.
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
struct Indices {
    classes: Classes,
    /// The divisor of the mean; 1 without one.
    divisor: f64,
    /// The share of the target class, and that of every class.
    share: (f64, f64),
}

impl Indices {
    fn run<T: Logits>(
        loss: &CrossEntropyLoss,
        rows: Rows,
        classes: Classes,
        name: &'static str,
    ) -> Result<Tensor> {
        let e = loss.label_smoothing;
        let share = (1.0 - e, e / rows.classes as f64);
        let this = Self { divisor: classes.divisor::<T, f64>()?, share, classes };
        let keep = this.classes.reduction != Reduction::None && grad_enabled() && rows.input.requires_grad();
        let one = keep.then(|| T::lit(1.0));
        let (terms, slope) = this.pass::<T>(&rows.input, one.as_ref().map(std::slice::from_ref), true)?;
        let ready = Ready::new(slope);
        let targets = this.classes.targets()?;
        let value = reduce::<T, f64>(&rows, this.classes.reduction, this.divisor, |r| {
            this.classes.class(targets[r]).map(|_| terms[r])
        })?;
        let (definition, shape) = (this.classes.clone(), rows.shape);
        Ok(fused(
            name,
            [&rows.input],
            value,
            move |_, g, [x]| match ready.take(g)? {
                Some(slope) => Ok(slope),
                None => this.gradient::<T>(x, g),
            },
            move |[x]| in_shape(define(&definition, share, x)?, definition.reduction, shape),
        ))
    }

    fn gradient<T: Logits>(&self, x: &Tensor, g: &Tensor) -> Result<Tensor> {
        let g = g.try_contiguous()?;
        let (_, slope) = self.pass::<T>(x, Some(g.as_slice()?), false)?;
        slope.ok_or(Error::NoGrad { op: OP })
    }

    /// The terms of the rows, if they are wanted, and, given the gradient of the loss (one number, or one a row), that of the input.
    fn pass<T: Logits>(
        &self,
        input: &Tensor,
        g: Option<&[T]>,
        terms: bool,
    ) -> Result<(Vec<f64>, Option<Tensor>)> {
        let (x, targets, weights) =
            (input.as_slice::<T>()?, self.classes.targets()?, self.classes.weights::<T>()?);
        let n = input.shape()[1];
        let mut losses = memory::vec(OP, 0.0, targets.len())?;
        if n == 0 || targets.is_empty() {
            return Ok((losses, g.map(|_| input.try_zeros_like()).transpose()?));
        }
        let matrix = Matrix { x, n, targets, weights, g: g.unwrap_or_default(), terms };
        // As trait objects: the loops that gain by vectors are in the kernels, compiled once.
        if g.is_none() {
            let f: &(dyn Fn(usize, &mut [f64]) + Sync) = &|at, losses| self.rows(&matrix, at, None, losses);
            kernels::rows::<T, _>(n, &mut losses, 4, f);
            return Ok((losses, None));
        }
        let f: &(dyn Fn(usize, &mut Chunk<'_, T>, &mut [f64]) + Sync) =
            &|at, out, losses| self.rows(&matrix, at, Some(out), losses);
        let slope = Tensor::build(input.shape(), |out| {
            kernels::write_rows::<T, _, _>(n, out, &mut losses, 4, f);
        })?;
        Ok((losses, Some(slope)))
    }

    /// The terms of the rows from `first` on and, given an output, their gradients.
    fn rows<T: Logits>(
        &self,
        &Matrix { x, n, targets, weights, g, terms }: &Matrix<'_, T>,
        first: usize,
        mut out: Option<&mut Chunk<'_, T>>,
        losses: &mut [f64],
    ) {
        let smooth = self.share.1 != 0.0;
        for (i, losses) in losses.chunks_mut(LOGIT_ROWS).enumerate() {
            let (start, rows) = (i * LOGIT_ROWS, losses.len());
            let x = &x[(first + start) * n..];
            let (mut own, mut scales) = ([None; LOGIT_ROWS], [0.0; LOGIT_ROWS]);
            for (r, &target) in targets[first + start..][..rows].iter().enumerate() {
                if let Some(c) = self.classes.class(target) {
                    let g = if g.len() > 1 { g.get(first + start + r) } else { g.first() };
                    let scale = g.map_or(0.0, |g| g.cast::<f64>() / self.divisor);
                    (own[r], scales[r]) = (Some(c), if smooth { scale } else { weight(weights, c) * scale });
                }
            }
            if smooth {
                for (r, loss) in losses.iter_mut().enumerate() {
                    let out = out.as_deref_mut().map(|out| &mut out[(start + r) * n..][..n]);
                    let Some(c) = own[r] else {
                        if let Some(out) = out {
                            out.fill(T::default());
                        }
                        continue;
                    };
                    let (row, q) = (SoftRow::new(&x[r * n..][..n]), smoothed(weights, c, self.share));
                    if let Some(out) = out {
                        row.slope(q, Some(c), scales[r], out);
                    }
                    *loss = if terms { row.term(q) } else { 0.0 };
                }
                continue;
            }
            let mut stats = [(T::default(), 0.0); LOGIT_ROWS];
            let slopes = out.as_deref_mut().map(|out| Slopes { out, first: start, scales: &scales });
            T::softmax_apart(x, n, &own, slopes, &mut stats[..rows]);
            for (r, (loss, (max, ln_sum))) in losses.iter_mut().zip(stats).enumerate().filter(|_| terms) {
                if let Some(c) = own[r] {
                    // In `f64`: a row has one loss, whose last digit is what a good fit has left.
                    *loss = weight(weights, c) * (ln_sum - (x[r * n + c].cast::<f64>() - max.cast::<f64>()));
                }
            }
        }
    }
}

/// The logits and what the loss of a row depends on.
struct Matrix<'a, T> {
    x: &'a [T],
    n: usize,
    targets: &'a [i64],
    weights: Option<&'a [T]>,
    /// One number, one a row, or none where no gradient is wanted.
    g: &'a [T],
    /// Whether the terms are wanted, and not the gradient alone.
    terms: bool,
}

/// The weight of class `c`, 1 without weights.
#[inline(always)]
fn weight<T: Float>(weights: Option<&[T]>, c: usize) -> f64 {
    weights.map_or(1.0, |w| w[c].cast())
}

/// The factor of each `−ln p` for the target `own` with label smoothing.
#[inline(always)]
fn smoothed<T: Float>(
    weights: Option<&[T]>,
    own: usize,
    (share, every): (f64, f64),
) -> impl Fn(usize) -> f64 + Copy + Sync {
    inlined!(move |c| weight(weights, c) * if c == own { share + every } else { every })
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
    /// The term that `z_loss` adds, for an input and a target that have been checked.
    fn drift(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let dim = 1.min(input.dim() as isize - 1);
        let squares = |x: &Tensor| {
            let log = x.logsumexp(dim, false)?;
            log.mul(&log)?.mul(self.z_loss)
        };
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
    use downhill_tensor::{autograd::grad, check};

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
    fn a_row_without_a_largest_logit_is_nan_and_spoils_no_other() -> Result<()> {
        for classes in [3, 65] {
            let rows: Vec<f64> =
                [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].iter().flat_map(|&x| vec![x; classes]).collect();
            let strange = Tensor::from_vec(rows, [3, classes])?;
            let x = Tensor::cat(&[&strange, &matrix(1, classes, 1.3)?.detach()], 0)?.requires_grad_()?;
            let target = Tensor::from([0, 1, 2, classes as i64 - 1]);
            for loss in variants(classes) {
                let loss = CrossEntropyLoss { reduction: Reduction::None, ..loss };
                let terms = loss.forward(&x, &target)?;
                assert_eq!(terms.isnan(), Tensor::from([true, true, true, false]), "{loss:?}");
                let g = grad(&terms.sum(), &[&x])?.remove(0);
                let alone = x.narrow(0, 3, 1)?.detach().requires_grad_()?;
                let wanted =
                    grad(&loss.forward(&alone, &target.narrow(0, 3, 1)?)?.sum(), &[&alone])?.remove(0);
                assert_eq!(g.narrow(0, 3, 1)?, wanted, "{loss:?}");
                assert_eq!(g.isnan().all_dim(1, false)?, Tensor::from([true, true, true, false]), "{loss:?}");
            }
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
