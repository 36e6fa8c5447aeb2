//! Losses that are a function of each element: the trait to write one, and the driver that makes it fast.

use super::Reduction;
use downhill_tensor::autograd::{Edge, edge};
use downhill_tensor::real::{Quick, Real, Traced};
use downhill_tensor::{DType, Error, Float, Result, Shape, Tensor, grad_enabled, kernels};
use std::sync::{Arc, Mutex, PoisonError};

/// A loss term and its gradient, written once for every reading: `f32` and `f64` loops, and the graph that second
/// derivatives go through.
///
/// The gradient is written out and not derived, because conventions live there: what happens at ties, kinks and clamps.
/// A loss of your own is these two functions, and [`pointwise`] makes it fused, parallel and twice differentiable:
///
/// ```
/// use downhill::nn::loss::{Pointwise, Reduction, pointwise};
/// use downhill::{Tensor, real::Real};
///
/// /// `ln cosh(x − t)`.
/// #[derive(Clone)]
/// struct LogCosh;
///
/// impl Pointwise<2> for LogCosh {
///     const OP: &'static str = "log_cosh";
///     fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
///         let d = (x - t).abs();
///         d.clone() + (-(R::lit(2.0) * d)).exp().log1p() - R::lit(std::f64::consts::LN_2)
///     }
///     fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
///         let slope = (x - t).tanh();
///         [slope.clone(), -slope]
///     }
/// }
///
/// let x = Tensor::from([0.0_f32, 1.0]).requires_grad_()?;
/// let loss = pointwise(&LogCosh, [&x, &Tensor::from([0.0_f32, 0.0])], Reduction::Sum)?;
/// loss.backward()?;
/// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [0.0, 1.0_f32.tanh()]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub trait Pointwise<const N: usize>: Clone + Send + Sync + 'static {
    /// The loss's name, which its errors start with.
    const OP: &'static str;

    /// Whether integers are taken, as `f32`; if not, one of the inputs must be a float.
    const INTEGERS: bool = false;

    /// Whether `f32` is computed in `f64` and rounded once: for terms that lose digits, such as differences of logarithms. Without it
    /// terms are rounded, and a few of them added, as in PyTorch.
    const WIDE: bool = false;

    /// Whether the terms of a sum of many are in `f64` all the same, and only the sum is rounded: unless they have an exponential
    /// or a logarithm, which cost twice as much there. Without it such terms are read as [`Quick`].
    const WIDE_SUMS: bool = true;

    /// The name that a printed result shows as its `grad_fn`.
    fn name(&self, _: Reduction) -> &'static str {
        Self::OP
    }

    /// The term of one element of each input.
    fn value<R: Real>(&self, inputs: [R; N]) -> R;

    /// Its gradient to each input.
    fn grad<R: Real>(&self, inputs: [R; N]) -> [R; N];

    /// The gradient of the reduced loss: [`grad`](Self::grad) times `g`, divided by `count` for a mean. Overridden where
    /// another order rounds less; the graph of second derivatives has `grad` itself.
    #[inline(always)]
    fn scaled<R: Real>(&self, inputs: [R; N], g: R, count: f64) -> [R; N] {
        let factor = g / R::lit(count);
        self.grad(inputs).map(
            #[inline(always)]
            |slope| slope * factor.clone(),
        )
    }
}

/// The terms of another loss, each multiplied by the last input.
#[derive(Clone, Debug)]
pub struct Weighted<L>(pub L);

impl<L: Pointwise<2>> Pointwise<3> for Weighted<L> {
    const OP: &'static str = L::OP;
    const INTEGERS: bool = L::INTEGERS;
    // One product more than the terms have.
    const WIDE: bool = true;
    fn name(&self, reduction: Reduction) -> &'static str {
        self.0.name(reduction)
    }
    #[inline(always)]
    fn value<R: Real>(&self, [x, t, w]: [R; 3]) -> R {
        self.0.value([x, t]) * w
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t, w]: [R; 3]) -> [R; 3] {
        let [dx, dt] = self.0.grad([x.clone(), t.clone()]);
        [dx * w.clone(), dt * w, self.0.value([x, t])]
    }
}

/// A pointwise loss of `inputs`, which are broadcast and promoted to a common float dtype; the mean divides by the
/// number of elements.
///
/// # Errors
/// Shapes that do not broadcast, and inputs none of which is a float.
///
/// See [`Pointwise`] for an example.
pub fn pointwise<L: Pointwise<N>, const N: usize>(
    loss: &L,
    inputs: [&Tensor; N],
    reduction: Reduction,
) -> Result<Tensor> {
    let inputs = prepare(L::OP, L::INTEGERS, inputs)?;
    match inputs[0].dtype() {
        DType::F64 => run::<f64, f64, L, N>(loss, inputs, reduction),
        _ if L::WIDE => run::<f32, f64, L, N>(loss, inputs, reduction),
        _ => run::<f32, f32, L, N>(loss, inputs, reduction),
    }
}

/// A loss of `input` and `target`, its terms multiplied by `weight` if there is one, which must have the input's shape.
pub(super) fn weighted<L: Pointwise<2>>(
    loss: &L,
    [input, target]: [&Tensor; 2],
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    let Some(weight) = weight else { return pointwise(loss, [input, target], reduction) };
    if weight.shape() != input.shape() {
        let expected = format!("a weight of the input's shape {}", input.shape());
        return Err(Error::shape(L::OP, expected, weight.shape()));
    }
    pointwise(&Weighted(loss.clone()), [input, target, weight], reduction)
}

/// A weight in the shape of the input.
pub(super) fn expanded(op: &'static str, weight: &Tensor, shape: &Shape) -> Result<Tensor> {
    let fits = |_| Error::shape(op, format!("a weight that broadcasts to {shape}"), weight.shape());
    weight.expand(shape).map_err(fits)
}

/// The same, with a mean that divides by the summed weights.
pub(super) fn weighted_mean<L: Pointwise<2>>(
    loss: &L,
    inputs: [&Tensor; 2],
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    match weight {
        Some(w) if reduction == Reduction::Mean => {
            weighted(loss, inputs, weight, Reduction::Sum)?.div(&w.sum())
        }
        _ => weighted(loss, inputs, weight, reduction),
    }
}

/// The inputs in one shape, one dtype and row-major order.
fn prepare<const N: usize>(op: &'static str, integers: bool, inputs: [&Tensor; N]) -> Result<[Tensor; N]> {
    let mut shape = *inputs[0].shape();
    let mut dtype = inputs[0].dtype();
    for x in &inputs[1..] {
        shape = Shape::broadcast(op, &shape, x.shape())?;
        dtype = dtype.promote(x.dtype());
    }
    if integers {
        dtype = dtype.promote(DType::F32);
    }
    if !dtype.is_float() {
        return Err(Error::DType { op, expected: "float32 or float64", got: dtype });
    }
    let mut prepared = inputs.map(Clone::clone);
    for x in &mut prepared {
        // Three clones would be a tenth of a small loss.
        if x.dtype() == dtype && *x.shape() == shape && x.is_contiguous() {
            continue;
        }
        let cast = x.to_dtype(dtype);
        *x = if *cast.shape() == shape { cast.contiguous() } else { cast.expand(&shape)?.contiguous() };
    }
    Ok(prepared)
}

/// What an edge needs: the loss, its inputs, and the gradient of the first one if the forward pass computed it.
struct Saved<L, const N: usize> {
    loss: L,
    inputs: [Tensor; N],
    reduction: Reduction,
    /// For an incoming gradient of 1.
    ready: Mutex<Option<Tensor>>,
}

/// For inputs of type `T`, computed in `C`.
fn run<T: Float, C: Float, L: Pointwise<N>, const N: usize>(
    loss: &L,
    inputs: [Tensor; N],
    reduction: Reduction,
) -> Result<Tensor> {
    let mut saved = Saved { loss: loss.clone(), inputs, reduction, ready: Mutex::new(None) };
    let (value, ready) = saved.forward::<T, C>()?;
    saved.ready = Mutex::new(ready);
    let saved = Arc::new(saved);
    let edges: [Option<Edge>; N] =
        std::array::from_fn(|i| edge(&saved.inputs[i], &saved, move |g, saved| saved.gradient::<T, C>(i, g)));
    Ok(Tensor::from_op(loss.name(reduction), value, edges))
}

impl<L: Pointwise<N>, const N: usize> Saved<L, N> {
    fn slices<T: Float>(&self) -> Result<[&[T]; N]> {
        let mut slices = [&[][..]; N];
        for (slice, x) in slices.iter_mut().zip(&self.inputs) {
            *slice = x.as_slice::<T>()?;
        }
        Ok(slices)
    }

    /// What the mean divides by; 1 for the others.
    fn count(&self) -> f64 {
        if self.reduction == Reduction::Mean { self.inputs[0].numel() as f64 } else { 1.0 }
    }

    /// The term of one element of each input, or a quick one.
    #[inline(always)]
    fn term<T: Float, C: Float, const QUICK: bool>(&self, x: [T; N]) -> C {
        if QUICK {
            self.loss.value(std::array::from_fn(|k| Quick(x[k].cast::<C>()))).0
        } else {
            self.loss.value(std::array::from_fn(|k| x[k].cast()))
        }
    }

    /// The gradient to input `i` for the gradient `g` of the loss.
    #[inline(always)]
    fn slope<T: Float, C: Float>(&self, i: usize, x: [T; N], g: T, count: f64) -> T {
        let slopes: [C; N] = self.loss.scaled(std::array::from_fn(|k| x[k].cast()), g.cast(), count);
        slopes[i].cast()
    }

    /// The loss, and the gradient of the first input if that is wanted.
    fn forward<T: Float, C: Float>(&self) -> Result<(Tensor, Option<Tensor>)> {
        let (slices, shape) = (self.slices::<T>()?, *self.inputs[0].shape());
        if self.reduction == Reduction::None {
            let terms = Tensor::build(shape, |out| {
                kernels::map(
                    slices,
                    out,
                    #[inline(always)]
                    |x| self.term::<T, C, false>(x).cast(),
                );
            });
            return Ok((terms?, None));
        }
        match (shape.numel() > kernels::FEW, L::WIDE_SUMS) {
            (false, _) => self.reduced::<T, C, C, false>(),
            (true, true) => self.reduced::<T, C, f64, false>(),
            (true, false) => self.reduced::<T, C, C, true>(),
        }
    }

    /// The same for a reduced loss, its terms in `S`, quick or not.
    fn reduced<T: Float, C: Float, S: Float, const QUICK: bool>(&self) -> Result<(Tensor, Option<Tensor>)> {
        let (slices, shape) = (self.slices::<T>()?, *self.inputs[0].shape());
        let (count, one) = (self.count(), T::lit(1.0));
        let (sum, ready) = if grad_enabled() && self.inputs[0].requires_grad() {
            // Value and gradient in one pass over memory: the incoming gradient is nearly always 1.
            let mut sum = S::default();
            let slope = Tensor::build(shape, |out| {
                sum = kernels::map_sum(
                    slices,
                    out,
                    #[inline(always)]
                    |x| (self.term::<T, S, QUICK>(x), self.slope::<T, C>(0, x, one, count)),
                );
            })?;
            (sum, Some(slope))
        } else {
            let sum = kernels::sum(
                slices,
                shape.numel(),
                #[inline(always)]
                |x| self.term::<T, S, QUICK>(x),
            );
            (sum, None)
        };
        Ok((Tensor::build((), |out: &mut [T]| out[0] = (sum / S::lit(count)).cast())?, ready))
    }

    /// The gradient of input `i`, for the gradient `g` of the loss.
    fn gradient<T: Float, C: Float>(&self, i: usize, g: &Tensor) -> Result<Tensor> {
        let (loss, shape, count) = (&self.loss, *self.inputs[i].shape(), self.count());
        if grad_enabled() {
            let slopes = loss.grad(self.inputs.each_ref().map(Traced::from));
            let slope = slopes.into_iter().nth(i).expect("one slope an input");
            let scaled = (slope * (Traced::from(g) / Traced::lit(count))).into_tensor();
            return scaled.to_dtype(g.dtype()).expand(&shape);
        }
        // Nothing runs while it is locked, so poison means nothing.
        let ready =
            if i == 0 { self.ready.lock().unwrap_or_else(PoisonError::into_inner).take() } else { None };
        if let Some(slope) = ready {
            return if g.item::<f64>()? == 1.0 { Ok(slope) } else { slope.mul(g) };
        }
        let slices = self.slices::<T>()?;
        let g = g.contiguous();
        let each = g.as_slice::<T>()?;
        Tensor::build(shape, |out| {
            kernels::map_with(
                slices,
                each,
                out,
                #[inline(always)]
                |x, g| self.slope::<T, C>(i, x, g, count),
            );
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::*;
    use downhill_tensor::check;

    /// The loss in tensor operations.
    fn definition<L: Pointwise<N>, const N: usize>(
        loss: &L,
        xs: &[Tensor],
        reduction: Reduction,
    ) -> Result<Tensor> {
        let terms = loss.value(std::array::from_fn(|k| Traced::from(&xs[k]))).into_tensor();
        match reduction {
            Reduction::None => Ok(terms),
            Reduction::Mean => terms.mean(),
            Reduction::Sum => Ok(terms.sum()),
        }
    }

    /// Numbers in `low..high`, reproducible and without a pattern.
    fn noise(n: u32, low: f64, high: f64, k: f64) -> Vec<f64> {
        (0..n).map(|i| low + (high - low) * ((f64::from(i) * k).sin() * 0.49 + 0.5)).collect()
    }

    const SIZES: [(u32, Reduction); 4] =
        [(5, Reduction::None), (7, Reduction::Mean), (40_000, Reduction::Mean), (70, Reduction::Sum)];

    fn check_loss<L: Pointwise<2>>(
        loss: &L,
        input: fn(u32) -> Vec<f64>,
        target: fn(u32) -> Vec<f64>,
    ) -> Result<()> {
        for (n, reduction) in SIZES {
            let [x, t, w] = [input(n), target(n), noise(n, 0.5, 2.0, 0.9)].map(Tensor::from);
            let [x, t, w] = [x.requires_grad_()?, t.requires_grad_()?, w.requires_grad_()?];
            let run = |xs: &[Tensor]| pointwise(loss, [&xs[0], &xs[1]], reduction);
            check::fused(run, |xs| definition(loss, xs, reduction), &[x.clone(), t.clone()], 1e-11)?;
            let weighted = Weighted(loss.clone());
            let run = |xs: &[Tensor]| pointwise(&weighted, [&xs[0], &xs[1], &xs[2]], reduction);
            check::fused(run, |xs| definition(&weighted, xs, reduction), &[x, t, w], 1e-11)?;
        }
        Ok(())
    }

    /// Signs, for the losses of pairs.
    fn signs(n: u32) -> Vec<f64> {
        (0..n).map(|i| if i % 3 == 0 { -1.0 } else { 1.0 }).collect()
    }

    #[test]
    fn kernels_equal_their_definitions_to_the_second_derivative() -> Result<()> {
        // Differences that keep away from the kinks, at 0, beta, delta and the margins.
        let input = |n| noise(n, -3.0, 3.0, 1.7);
        let target = |n| {
            let apart = [-2.0, -0.7, -0.12, 0.15, 0.6, 1.8].into_iter().cycle();
            noise(n, -3.0, 3.0, 1.7).into_iter().zip(apart).map(|(x, d)| x + d).collect()
        };
        let unit = |n| noise(n, 0.05, 0.95, 1.7);
        let other_unit = |n| noise(n, 0.05, 0.95, 2.3);
        let counts = |n| noise(n, 1.2, 5.0, 2.3);
        check_loss(&MSELoss::default(), input, target)?;
        check_loss(&L1Loss::default(), input, target)?;
        check_loss(&SmoothL1Loss::default(), input, target)?;
        check_loss(&SmoothL1Loss { beta: 0.3, ..Default::default() }, input, target)?;
        check_loss(&HuberLoss::default(), input, target)?;
        check_loss(&HuberLoss { delta: 0.3, ..Default::default() }, input, target)?;
        check_loss(&BCELoss::default(), unit, other_unit)?;
        check_loss(&BCEWithLogitsLoss::default(), input, unit)?;
        check_loss(&SoftMarginLoss::default(), input, signs)?;
        check_loss(&HingeEmbeddingLoss { margin: 5.0, ..Default::default() }, input, signs)?;
        for log_target in [false, true] {
            check_loss(&KLDivLoss { log_target, ..Default::default() }, input, unit)?;
        }
        for (log_input, full) in [(true, true), (true, false), (false, true), (false, false)] {
            check_loss(&PoissonNLLLoss { log_input, full, ..Default::default() }, unit, counts)?;
        }
        Ok(())
    }

    #[test]
    fn losses_of_three_tensors_equal_their_definitions() -> Result<()> {
        let leaf = |values: Vec<f64>| Tensor::from(values).requires_grad_();
        for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            let (a, b) = (leaf(noise(30, -1.0, 1.0, 1.7))?, leaf(noise(30, -1.0, 1.0, 2.3))?);
            let positive = leaf(noise(30, 0.5, 2.0, 0.9))?;
            for full in [false, true] {
                let loss = GaussianNLLLoss { full, reduction, ..Default::default() };
                let xs = [a.clone(), b.clone(), positive.clone()];
                check::fused(
                    |x| loss.forward(&x[0], &x[1], &x[2]),
                    |x| definition(&loss, x, reduction),
                    &xs,
                    1e-11,
                )?;
            }
            let loss = MarginRankingLoss { margin: 3.0, reduction };
            let xs = [a, b, leaf(signs(30))?];
            check::fused(
                |x| loss.forward(&x[0], &x[1], &x[2]),
                |x| definition(&loss, x, reduction),
                &xs,
                1e-11,
            )?;
        }
        Ok(())
    }

    #[test]
    fn binary_weights_equal_the_definition() -> Result<()> {
        let leaf = |values: Vec<f64>| Tensor::from_vec(values, [6, 4])?.requires_grad_();
        let xs = [leaf(noise(24, -3.0, 3.0, 1.7))?, leaf(noise(24, 0.05, 0.95, 2.3))?];
        let (weight, pos_weight) =
            (Tensor::from([[0.5], [1.0], [2.0], [0.1], [3.0], [1.5]]), Tensor::from([2.0, 0.5, 1.0, 4.0]));
        for reduction in [Reduction::None, Reduction::Mean, Reduction::Sum] {
            for (w, p) in [(true, true), (true, false), (false, true)] {
                let (w, p) = (w.then(|| weight.clone()), p.then(|| pos_weight.clone()));
                let loss = BCEWithLogitsLoss { weight: w.clone(), reduction, pos_weight: p.clone() };
                let definition = |xs: &[Tensor]| {
                    let plus = (1.0 + (-&xs[0]).exp()).log();
                    let more = p
                        .as_ref()
                        .map_or_else(|| Ok(xs[1].ones_like()), |p| (p - 1.0).mul(&xs[1])?.add(1.0))?;
                    let terms = (1.0 - &xs[1]) * &xs[0] + more * plus;
                    let terms = w.as_ref().map_or_else(|| Ok(terms.clone()), |w| terms.mul(w))?;
                    match reduction {
                        Reduction::None => Ok(terms),
                        Reduction::Mean => terms.mean(),
                        Reduction::Sum => Ok(terms.sum()),
                    }
                };
                check::fused(|xs| loss.forward(&xs[0], &xs[1]), definition, &xs, 1e-11)?;
            }
        }
        Ok(())
    }

    #[test]
    fn the_gradient_kept_from_the_forward_pass_is_the_one_computed_later() -> Result<()> {
        let x = Tensor::from([0.3_f32, -2.0, 5.0]).requires_grad_()?;
        let t = Tensor::from([0.0_f32, 1.0, 2.0]);
        let loss = pointwise(&MSELoss::default(), [&x, &t], Reduction::Mean)?;
        let retain = downhill_tensor::autograd::BackwardOptions { retain_graph: true, ..Default::default() };
        loss.backward_with_options(None, retain)?;
        let kept = x.grad();
        x.set_grad(None)?;
        loss.backward()?;
        assert_eq!(kept, x.grad());
        Ok(())
    }
}
