//! Losses that are a function of each element: the trait to write one, and the driver that makes it fast.

use super::Reduction;
use downhill_tensor::autograd::{Edge, Ready, edge};
use downhill_tensor::kernels::{self, SHORT_SUM, TILE, Tiles, each, inlined};
use downhill_tensor::real::{FastMath, Real, Traced};
use downhill_tensor::{DType, Error, Float, Result, Shape, Tensor, grad_enabled};
use std::sync::Arc;

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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the formula of a loss",
    label = "expected a type with `impl Pointwise<N>` for a loss of N tensors",
    note = "a formula says in `value` what a term is and in `grad` its slopes, of as many operands as there are tensors"
)]
pub trait Pointwise<const N: usize>: Clone + Send + Sync + 'static {
    /// The loss's name, which its errors start with.
    const OP: &'static str;

    /// Whether integers are taken, as `f32`; if not, one of the inputs must be a float.
    const INTEGERS: bool = false;

    /// Whether `f32` is computed in `f64` and rounded once: for terms that lose digits, such as differences of logarithms. Without it
    /// terms are rounded, and a few of them added, as in PyTorch.
    const WIDE: bool = false;

    /// Whether the terms of a sum of many are in `f64` all the same, and only the sum is rounded: unless they have an exponential
    /// or a logarithm, which cost twice as much there. Without it such terms are read as [`FastMath`].
    const WIDE_SUMS: bool = true;

    /// The name that a printed result shows as its `grad_fn`.
    fn name(&self, _: Reduction) -> &'static str {
        Self::OP
    }

    /// The term of one element of each input.
    fn value<R: Real>(&self, inputs: [R; N]) -> R;

    /// The gradient of [`value`](Self::value) to each input.
    fn grad<R: Real>(&self, inputs: [R; N]) -> [R; N];

    /// The gradient of the reduced loss: [`grad`](Self::grad) times `g`, divided by `count` for a mean. Overridden where
    /// another order rounds less; the graph of second derivatives has `grad` itself.
    #[inline(always)]
    fn scaled<R: Real>(&self, inputs: [R; N], g: R, count: f64) -> [R; N] {
        times(self.grad(inputs), g / R::lit(count))
    }
}

/// Each slope times a factor.
// A loop and not `slopes.map(…)`, which is a call for each element in a program without link-time optimisation.
#[inline(always)]
fn times<R: Real, const N: usize>(mut slopes: [R; N], factor: R) -> [R; N] {
    for slope in &mut slopes {
        *slope = slope.clone() * factor.clone();
    }
    slopes
}

/// Each slope times `g`, then divided by `count`.
#[inline(always)]
pub(super) fn times_then_divided<R: Real, const N: usize>(mut slopes: [R; N], g: R, count: f64) -> [R; N] {
    for slope in &mut slopes {
        *slope = slope.clone() * g.clone() / R::lit(count);
    }
    slopes
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
    pointwise_weighted(loss, inputs, None, reduction)
}

/// A [`pointwise`] loss whose terms are multiplied by `weight`, if there is one; it is broadcast and promoted like an input.
///
/// # Errors
/// What [`pointwise`] refuses.
///
/// ```
/// use downhill::Tensor;
/// use downhill::nn::{MSELoss, Reduction, loss::pointwise_weighted};
/// let (x, t, w) = (Tensor::from([3.0_f32, 1.0]), Tensor::from([1.0_f32, 0.0]), Tensor::from([0.5_f32, 2.0]));
/// let loss = pointwise_weighted(&MSELoss::default(), [&x, &t], Some(&w), Reduction::Sum)?;
/// assert_eq!(loss.item::<f32>()?, 4.0);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn pointwise_weighted<L: Pointwise<N>, const N: usize>(
    loss: &L,
    inputs: [&Tensor; N],
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    let (mut inputs, mut weight, name) = (inputs.map(Clone::clone), weight.cloned(), loss.name(reduction));
    prepare(L::OP, L::INTEGERS, &mut inputs, weight.as_mut())?;
    let dtype = inputs[0].dtype();
    let saved = Arc::new(Saved { inputs, weight, reduction, ready: Ready::default(), loss: loss.clone() });
    match dtype {
        DType::F32 => run::<f32, N>(name, saved),
        DType::F64 => run::<f64, N>(name, saved),
        DType::I64 | DType::Bool => Err(Error::not_float(L::OP, dtype)),
    }
}

/// A weight in the shape of the input.
pub(super) fn expanded(op: &'static str, weight: &Tensor, shape: &Shape) -> Result<Tensor> {
    let fits = |_| Error::shape(op, format!("a weight that broadcasts to {shape}"), weight.shape());
    weight.expand(shape).map_err(fits)
}

/// A weight must have the input's shape.
pub(super) fn check_shape(op: &'static str, input: &Tensor, weight: Option<&Tensor>) -> Result<()> {
    match weight.map(Tensor::shape) {
        Some(shape) if shape != input.shape() => {
            Err(Error::shape(op, format!("a weight of the input's shape {}", input.shape()), shape))
        }
        _ => Ok(()),
    }
}

/// [`pointwise_weighted`] with a mean that divides by the summed weights.
pub(super) fn weighted_mean<L: Pointwise<2>>(
    loss: &L,
    inputs: [&Tensor; 2],
    weight: Option<&Tensor>,
    reduction: Reduction,
) -> Result<Tensor> {
    check_shape(L::OP, inputs[0], weight)?;
    match weight {
        Some(w) if reduction == Reduction::Mean => {
            pointwise_weighted(loss, inputs, weight, Reduction::Sum)?.div(&w.try_sum()?)
        }
        _ => pointwise_weighted(loss, inputs, weight, reduction),
    }
}

/// Brings the inputs and the weight to one shape, one dtype and row-major order.
fn prepare(
    op: &'static str,
    integers: bool,
    inputs: &mut [Tensor],
    weight: Option<&mut Tensor>,
) -> Result<()> {
    let mut shape = *inputs[0].shape();
    let mut dtype = inputs[0].dtype();
    for x in inputs[1..].iter().chain(weight.as_deref()) {
        shape = Shape::broadcast(op, &shape, x.shape())?;
        dtype = dtype.promote(x.dtype());
    }
    if integers {
        dtype = dtype.promote(DType::F32);
    }
    dtype.check_float(op)?;
    for x in inputs.iter_mut().chain(weight) {
        // Three clones would be a tenth of a small loss.
        if x.dtype() == dtype && *x.shape() == shape && x.is_contiguous() {
            continue;
        }
        let cast = x.try_to_dtype(dtype)?;
        *x = if *cast.shape() == shape {
            cast.try_contiguous()?
        } else {
            cast.expand(&shape)?.try_contiguous()?
        };
    }
    Ok(())
}

/// The loops of a loss over tiles of inputs of type `T`, and its graph: all that is compiled once a loss.
trait Loops<T: Float, const N: usize>: Send + Sync {
    /// The terms, rounded to `T`.
    fn terms(&self, x: Tiles<'_, T, N>, out: &mut [T]);

    /// The terms in `f64`; those of a sum of many may be less exact where that is faster.
    fn wide_terms(&self, x: Tiles<'_, T, N>, many: bool, out: &mut [f64]);

    /// The gradient to input `i`, for the gradient `g` of the loss, divided by `count`.
    fn slopes(&self, i: usize, x: Tiles<'_, T, N>, g: T, count: f64, out: &mut [T]);

    /// The terms as a graph.
    fn value(&self, x: [Traced; N]) -> Traced;

    /// The gradients as a graph.
    fn grad(&self, x: [Traced; N]) -> [Traced; N];

    /// Whether terms are computed in `f64`.
    fn is_wide(&self) -> bool;

    /// The loops over `f64`.
    fn wide(&self) -> &dyn Loops<f64, N>;
}

impl<T: Float, L: Pointwise<N>, const N: usize> Loops<T, N> for L {
    fn terms(&self, x: Tiles<'_, T, N>, out: &mut [T]) {
        if const { L::WIDE || size_of::<T>() == 8 } {
            let mut wide = [0.0; TILE];
            self.wide_terms(x, false, &mut wide[..out.len()]);
            return narrow(&wide, out);
        }
        each(&x, out, inlined!(|x| Pointwise::value(self, x)));
    }

    fn wide_terms(&self, x: Tiles<'_, T, N>, many: bool, out: &mut [f64]) {
        if const { L::WIDE || size_of::<T>() == 8 } || many && L::WIDE_SUMS {
            return each(&x, out, inlined!(|x| Pointwise::value(self, cast::<T, f64, N>(x))));
        }
        let mut terms = [T::default(); TILE];
        let terms = &mut terms[..out.len()];
        if many {
            each(&x, terms, inlined!(|x| Pointwise::value(self, fast_math(x)).0));
        } else {
            self.terms(x, terms);
        }
        widen(terms, out);
    }

    fn slopes(&self, i: usize, x: Tiles<'_, T, N>, g: T, count: f64, out: &mut [T]) {
        if i == 0 {
            each(&x, out, inlined!(|x| scaled(self, x, g, count)[0]));
        } else {
            each(&x, out, inlined!(|x| scaled(self, x, g, count)[i]));
        }
    }

    fn value(&self, x: [Traced; N]) -> Traced {
        Pointwise::value(self, x)
    }

    fn grad(&self, x: [Traced; N]) -> [Traced; N] {
        Pointwise::grad(self, x)
    }

    fn is_wide(&self) -> bool {
        L::WIDE || size_of::<T>() == 8
    }

    fn wide(&self) -> &dyn Loops<f64, N> {
        self
    }
}

/// [`Pointwise::scaled`], in `f64` and rounded once where the loss is wide.
#[inline(always)]
fn scaled<T: Float, L: Pointwise<N>, const N: usize>(loss: &L, x: [T; N], g: T, count: f64) -> [T; N] {
    if const { L::WIDE } {
        cast::<f64, T, N>(loss.scaled(cast(x), g.cast(), count))
    } else {
        loss.scaled(x, g, count)
    }
}

/// The numbers in another type.
#[inline(always)]
fn cast<T: Float, C: Float, const N: usize>(x: [T; N]) -> [C; N] {
    let mut cast = [C::default(); N];
    for (cast, x) in cast.iter_mut().zip(x) {
        *cast = x.cast();
    }
    cast
}

#[inline(always)]
fn fast_math<T: Float, const N: usize>(x: [T; N]) -> [FastMath<T>; N] {
    let mut terms = [FastMath(T::default()); N];
    for (term, x) in terms.iter_mut().zip(x) {
        term.0 = x;
    }
    terms
}

/// Tiles in `f64`.
fn widened<T: Float, const N: usize>(x: Tiles<'_, T, N>) -> [[f64; TILE]; N] {
    let mut wide = [[0.0; TILE]; N];
    for (wide, x) in wide.iter_mut().zip(x) {
        widen(x, wide);
    }
    wide
}

fn widen<T: Float>(x: &[T], out: &mut [f64]) {
    out.iter_mut().zip(x).for_each(|(o, x)| *o = x.cast());
}

fn narrow<T: Float>(x: &[f64], out: &mut [T]) {
    out.iter_mut().zip(x).for_each(|(o, &x)| *o = T::lit(x));
}

/// Numbers times their weights.
fn weigh<T: Float, U: Float>(x: &mut [U], weights: &[T]) {
    x.iter_mut().zip(weights).for_each(|(x, w)| *x = *x * w.cast());
}

/// All that an edge needs: the inputs, and the gradient of the first one if the forward pass computed it.
struct Saved<const N: usize, L: ?Sized> {
    inputs: [Tensor; N],
    weight: Option<Tensor>,
    reduction: Reduction,
    ready: Ready,
    loss: L,
}

type AnySaved<T, const N: usize> = Saved<N, dyn Loops<T, N>>;

fn run<T: Float, const N: usize>(name: &'static str, saved: Arc<AnySaved<T, N>>) -> Result<Tensor> {
    let value = saved.forward()?;
    let way = |i: usize, to| edge(to, &saved, move |g, saved: &Arc<AnySaved<T, N>>| saved.gradient(i, g));
    if let Some(weight) = &saved.weight {
        let inputs = saved.inputs.iter().chain([weight]).enumerate();
        return Ok(Tensor::from_edges(name, value, inputs.map(|(i, to)| way(i, to))));
    }
    let mut edges: [Option<Edge>; N] = [const { None }; N];
    for (i, (edge, to)) in edges.iter_mut().zip(&saved.inputs).enumerate() {
        *edge = way(i, to);
    }
    Ok(Tensor::from_op(name, value, edges))
}

impl<T: Float, const N: usize> AnySaved<T, N> {
    fn slices(&self) -> Result<([&[T]; N], Option<&[T]>)> {
        let mut slices = [&[][..]; N];
        for (slice, x) in slices.iter_mut().zip(&self.inputs) {
            *slice = x.as_slice()?;
        }
        Ok((slices, self.weight.as_ref().map(Tensor::as_slice).transpose()?))
    }

    /// The divisor of the mean; 1 for the other reductions.
    fn count(&self) -> f64 {
        if self.reduction == Reduction::Mean { self.inputs[0].numel() as f64 } else { 1.0 }
    }

    /// The loss; beside it, if that is wanted, the gradient of the first input.
    fn forward(&self) -> Result<Tensor> {
        let ((inputs, weights), shape) = (self.slices()?, *self.inputs[0].shape());
        let (numel, count) = (shape.numel(), self.count());
        if self.reduction == Reduction::None {
            return Tensor::build(shape, |out| {
                kernels::map_tiles(inputs, out, &|start, x, out| match weights {
                    None => self.loss.terms(x, out),
                    Some(weights) => {
                        let mut wide = [0.0; TILE];
                        self.weighted_terms(x, &weights[start..], &mut wide[..out.len()]);
                        narrow(&wide, out);
                    }
                });
            });
        }
        let slope = |start: usize, x: Tiles<'_, T, N>, out: Option<&mut [T]>| {
            if let Some(out) = out {
                self.slope_tile(0, x, (T::lit(1.0), count), weights.map(|w| &w[start..]), out);
            }
        };
        let wide =
            |start: usize, x: Tiles<'_, T, N>, many: bool, terms: &mut [f64], out: Option<&mut [T]>| {
                match weights {
                    None => self.loss.wide_terms(x, many, terms),
                    Some(weights) => self.weighted_terms(x, &weights[start..], terms),
                }
                slope(start, x, out);
            };
        let sum = |out: Option<&mut [T]>| {
            if numel > SHORT_SUM {
                return kernels::sum_tiles(inputs, numel, out, &|start, x, terms, out| {
                    wide(start, x, true, terms, out);
                });
            }
            // Few terms are added in the type in which they are.
            if self.loss.is_wide() || weights.is_some() {
                return kernels::sum_short(inputs, numel, out, &|x, terms, out| {
                    wide(0, x, false, terms, out);
                });
            }
            let terms = |x: Tiles<'_, T, N>, terms: &mut [T], out: Option<&mut [T]>| {
                self.loss.terms(x, terms);
                slope(0, x, out);
            };
            kernels::sum_short(inputs, numel, out, &terms).cast()
        };
        let sum = if grad_enabled() && self.inputs[0].requires_grad() {
            let mut total = 0.0;
            self.ready.set(Some(Tensor::build(shape, |out| total = sum(Some(out)))?));
            total
        } else {
            sum(None)
        };
        Tensor::build((), |out: &mut [T]| out[0] = T::lit(sum / count))
    }

    /// A tile of terms times their weights. Computed in `f64`, so that the product is rounded once.
    fn weighted_terms(&self, x: Tiles<'_, T, N>, weights: &[T], out: &mut [f64]) {
        self.loss.wide().wide_terms(widened(x).each_ref(), false, out);
        weigh(out, weights);
    }

    /// A tile of the gradient to input `i`, for a gradient `g` of the loss, divided by `count`.
    #[inline]
    fn slope_tile(
        &self,
        i: usize,
        x: Tiles<'_, T, N>,
        (g, count): (T, f64),
        weights: Option<&[T]>,
        out: &mut [T],
    ) {
        let Some(weights) = weights else { return self.loss.slopes(i, x, g, count, out) };
        let mut wide = [0.0; TILE];
        let wide = &mut wide[..out.len()];
        self.loss.wide().slopes(i, widened(x).each_ref(), g.cast(), count, wide);
        weigh(wide, weights);
        narrow(wide, out);
    }

    /// The gradient of input `i`, or of the weight, for the gradient `g` of the loss.
    fn gradient(&self, i: usize, g: &Tensor) -> Result<Tensor> {
        if grad_enabled() {
            return self.graph(i, g);
        }
        if i == 0
            && let Some(slope) = self.ready.take(g)?
        {
            return Ok(slope);
        }
        let ((inputs, weights), count) = (self.slices()?, self.count());
        let g = g.try_contiguous()?;
        let each = g.as_slice::<T>()?;
        let reduced = self.reduction != Reduction::None;
        let one = if reduced { each[0] } else { T::lit(1.0) };
        Tensor::build(self.inputs[0].shape(), |out| {
            kernels::map_tiles(inputs, out, &|start, x, out| {
                if i < N {
                    self.slope_tile(i, x, (one, count), weights.map(|w| &w[start..]), out);
                } else {
                    let mut wide = [0.0; TILE];
                    let wide = &mut wide[..out.len()];
                    self.loss.wide().wide_terms(widened(x).each_ref(), false, wide);
                    for x in wide.iter_mut() {
                        *x = *x * one.cast::<f64>() / count;
                    }
                    narrow(wide, out);
                }
                if !reduced {
                    weigh(out, &each[start..]);
                }
            });
        })
    }

    /// [`gradient`](Self::gradient) as a graph.
    fn graph(&self, i: usize, g: &Tensor) -> Result<Tensor> {
        let mut inputs = [const { Traced::Lit(0.0) }; N];
        for (traced, x) in inputs.iter_mut().zip(&self.inputs) {
            *traced = Traced::from(x);
        }
        let slope = if i < N {
            let slope = self.loss.grad(inputs).into_iter().nth(i).expect("one slope an input");
            if let Some(weight) = &self.weight { slope * Traced::from(weight) } else { slope }
        } else {
            self.loss.value(inputs)
        };
        let scaled = (slope * (Traced::from(g) / Traced::lit(self.count()))).try_into_tensor()?;
        scaled.try_to_dtype(g.dtype())?.expand(self.inputs[0].shape())
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

    const SIZES: [(u32, Reduction); 3] = [(5, Reduction::None), (7, Reduction::Mean), (70, Reduction::Sum)];
    /// More than a block, which no loss knows of: of two of them.
    const LARGE: [(u32, Reduction); 1] = [(40_000, Reduction::Mean)];

    fn check_loss<L: Pointwise<2>>(
        loss: &L,
        input: fn(u32) -> Vec<f64>,
        target: fn(u32) -> Vec<f64>,
    ) -> Result<()> {
        check_sizes(&SIZES, loss, input, target)
    }

    fn check_sizes<L: Pointwise<2>>(
        sizes: &[(u32, Reduction)],
        loss: &L,
        input: fn(u32) -> Vec<f64>,
        target: fn(u32) -> Vec<f64>,
    ) -> Result<()> {
        for &(n, reduction) in sizes {
            let [x, t, w] = [input(n), target(n), noise(n, 0.5, 2.0, 0.9)].map(Tensor::from);
            let [x, t, w] = [x.requires_grad_()?, t.requires_grad_()?, w.requires_grad_()?];
            let run = |xs: &[Tensor]| pointwise(loss, [&xs[0], &xs[1]], reduction);
            check::fused(run, |xs| definition(loss, xs, reduction), &[x.clone(), t.clone()], 1e-11)?;
            let run = |xs: &[Tensor]| pointwise_weighted(loss, [&xs[0], &xs[1]], Some(&xs[2]), reduction);
            let weighted = |xs: &[Tensor]| {
                let terms = definition(loss, &xs[..2], Reduction::None)?.mul(&xs[2])?;
                match reduction {
                    Reduction::None => Ok(terms),
                    Reduction::Mean => terms.mean(),
                    Reduction::Sum => Ok(terms.sum()),
                }
            };
            check::fused(run, weighted, &[x, t, w], 1e-11)?;
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
        check_sizes(&LARGE, &MSELoss::default(), input, target)?;
        check_sizes(&LARGE, &BCELoss::default(), unit, other_unit)?;
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
