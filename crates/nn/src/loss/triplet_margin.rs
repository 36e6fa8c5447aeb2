//! The triplet loss.

use super::Reduction;
use super::row_norm::{Pair, RowNorm};
use super::rows::{of_rows, slopes_of_rows};
use crate::{Module, PairwiseDistance};
use downhill_tensor::autograd::{edge, fused};
use downhill_tensor::kernels::inlined;
use downhill_tensor::real::Real;
use downhill_tensor::{DType, Error, Float, Result, Shape, Tensor};

/// Draws an anchor to a positive example and away from a negative one, until they differ by a margin.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/triplet_margin.svg"))]
///
/// # Formula
/// ```math
/// ℓ = \max(0, \text{margin} + d(a, p) − d(a, n)), \qquad d(u, v) = ‖u − v + \text{eps}‖ₚ
/// ```
///
/// of an anchor `a`, a positive `p` and a negative `n`, with the [`PairwiseDistance`] `d`; with `swap`, the smaller one of `d(a, n)` and
/// `d(p, n)` stands for `d(a, n)`.
///
/// # Gradient
/// Where the loss is positive
///
/// ```math
/// \frac{∂ℓ}{∂a} = \frac{∂d(a, p)}{∂a} − \frac{∂d(a, n)}{∂a}
/// ```
///
/// and so to `p` and `n`; 0 elsewhere; where `swap` finds `d(a, n) = d(p, n)`, half through each.
///
/// # Shape
/// Three tensors `(D)` or `(…, D)` with the same number of dimensions, which broadcast; the terms have the shape without `D`.
///
/// # Stability
/// `eps` keeps the distance of equal vectors away from 0, where its slope jumps.
///
/// # Errors
/// A margin that is not positive; shapes that do not fit.
///
/// # Examples
/// ```
/// use downhill::nn::TripletMarginLoss;
/// use downhill::Tensor;
/// let anchor = Tensor::from([[0.0_f64, 0.0]]).requires_grad_()?;
/// let (positive, negative) = (Tensor::from([[4.0_f64, 0.0]]), Tensor::from([[0.0_f64, -4.0]]));
/// let loss = TripletMarginLoss { eps: 0.0, ..Default::default() }.forward(&anchor, &positive, &negative)?;
/// assert_eq!(loss.item::<f64>()?, 1.0);
/// loss.backward()?;
/// assert_eq!(anchor.grad().unwrap(), Tensor::from([[-1.0_f64, -1.0]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.TripletMarginLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.TripletMarginLoss.html), which
/// refuses a margin when it is built.
#[derive(Clone, Debug, Module)]
pub struct TripletMarginLoss {
    /// How much farther away the negative example has to be.
    pub margin: f64,
    /// The norm of the distance.
    pub p: f64,
    /// Added to each difference.
    pub eps: f64,
    /// Whether the positive example's distance to the negative one counts if it is smaller.
    pub swap: bool,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for TripletMarginLoss {
    #[inline]
    fn default() -> Self {
        Self { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::Mean }
    }
}

impl TripletMarginLoss {
    /// The loss of anchors with a positive and a negative example each.
    ///
    /// # Errors
    /// See [the struct](Self).
    #[inline]
    pub fn forward(&self, anchor: &Tensor, positive: &Tensor, negative: &Tensor) -> Result<Tensor> {
        self.named("triplet_margin_loss", [anchor, positive, negative])
    }

    /// The loss under the name that its errors have.
    #[inline]
    pub(super) fn named(&self, op: &'static str, inputs: [&Tensor; 3]) -> Result<Tensor> {
        check(op, inputs, self.margin)?;
        let (dtype, shape) = (inputs[0].dtype(), self.rows(inputs));
        let Some(shape) = shape.filter(|_| inputs.iter().all(|x| x.dtype() == dtype)) else {
            return self.definition(op, inputs);
        };
        match dtype {
            DType::F32 => self.fused::<f32>(op, inputs, &shape),
            DType::F64 => self.fused::<f64>(op, inputs, &shape),
            DType::I64 | DType::Bool => self.definition(op, inputs),
        }
    }

    /// The shape that all three broadcast to, if every distance is one of rows of its last dimension.
    #[inline]
    fn rows(&self, [a, p, n]: [&Tensor; 3]) -> Option<Shape> {
        let both = Shape::broadcast("", a.shape(), p.shape()).ok()?;
        let shape = Shape::broadcast("", &both, n.shape()).ok()?;
        let count = *shape.last()?;
        let long = |x: &Tensor, y: &Tensor| [x, y].iter().any(|x| x.shape().last() == Some(&count));
        (count > 0 && long(a, p) && long(a, n) && (!self.swap || long(p, n))).then_some(shape)
    }

    /// The loss in tensor operations.
    #[inline]
    fn definition(&self, op: &'static str, inputs: [&Tensor; 3]) -> Result<Tensor> {
        let distance = PairwiseDistance { p: self.p, eps: self.eps, keepdim: false };
        let terms = triplet(op, inputs, |a, b| distance.forward(a, b), self.margin, self.swap)?;
        self.reduction.of(terms)
    }

    /// The loss of tensors that broadcast to `shape`; distances and gradients are computed in `f64` and rounded once.
    fn fused<T: Float>(&self, op: &'static str, [a, p, n]: [&Tensor; 3], shape: &Shape) -> Result<Tensor> {
        let dense = |x: &Tensor| x.expand(shape)?.try_contiguous();
        let (a, p, n) = (dense(a)?, dense(p)?, dense(n)?);
        let norm = RowNorm { p: self.p, eps: self.eps };
        let (count, shape) = (shape[shape.rank() - 1], Shape::new(op, &shape[..shape.rank() - 1])?);
        let (x, y, z) = (a.as_slice::<T>()?, p.as_slice::<T>()?, n.as_slice::<T>()?);
        let triplets = of_rows(
            op,
            (shape.numel(), count),
            4,
            inlined!(|r| {
                let [x, y, z] = [x, y, z].map(|x| &x[r * count..][..count]);
                let across = if self.swap { norm.distance(y, z) } else { f64::INFINITY };
                Triplet { near: norm.distance(x, y), far: norm.distance(x, z), across }
            }),
        )?;
        let terms = Tensor::build(shape, |out: &mut [f64]| {
            for (o, triplet) in out.iter_mut().zip(&triplets) {
                *o = Real::max(triplet.excess(self.margin), 0.0);
            }
        })?;
        let value = self.reduction.of(terms)?.try_to_dtype(T::DTYPE)?;
        let name = match self.reduction {
            Reduction::None => "ClampMinBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        };
        let divisor = if self.reduction == Reduction::Mean { triplets.len() as f64 } else { 1.0 };
        let (this, definition) = (self.clone(), self.clone());
        let backward = move |i: usize, g: &Tensor, inputs: [&Tensor; 3]| {
            let [x, y, z] =
                [inputs[0].as_slice::<T>()?, inputs[1].as_slice::<T>()?, inputs[2].as_slice::<T>()?];
            slopes_of_rows(
                inputs[i].shape(),
                (g, divisor),
                4,
                inlined!(|r, g, out: &mut [T]| {
                    let [x, y, z] = [x, y, z].map(|x| &x[r * count..][..count]);
                    let triplet: &Triplet = &triplets[r];
                    let [near, far, across] = triplet.slopes(g, &this);
                    let near = |g| Pair { u: x, v: y, distance: triplet.near, g: g * near };
                    let far = |g| Pair { u: x, v: z, distance: triplet.far, g: g * far };
                    let across = |g| Pair { u: y, v: z, distance: triplet.across, g: g * across };
                    match (i, this.swap) {
                        (0, _) => norm.gradient([near(1.0), far(1.0)], out),
                        (1, true) => norm.gradient([near(-1.0), across(1.0)], out),
                        (1, false) => norm.gradient([near(-1.0)], out),
                        (_, true) => norm.gradient([far(-1.0), across(-1.0)], out),
                        (_, false) => norm.gradient([far(-1.0)], out),
                    }
                }),
            )
        };
        Ok(fused(name, [&a, &p, &n], value, backward, move |inputs| definition.definition(op, inputs)))
    }
}

/// The distances within a triplet: of the anchor to the positive example, to the negative one, and with `swap` of those two.
#[derive(Clone, Copy, Debug, Default)]
struct Triplet {
    near: f64,
    far: f64,
    across: f64,
}

impl Triplet {
    /// The term before it is clamped at 0.
    #[inline(always)]
    fn excess(&self, margin: f64) -> f64 {
        self.near + margin - Real::min(self.far, self.across)
    }

    /// The gradients of the distances, for the gradient `g` of the term.
    #[inline(always)]
    fn slopes(&self, g: f64, loss: &TripletMarginLoss) -> [f64; 3] {
        let g = if self.excess(loss.margin) > 0.0 { g } else { 0.0 };
        let share = |own: f64, other: f64| match own {
            _ if own == other => 0.5,
            _ if own > other => 0.0,
            _ => 1.0,
        };
        let far = if loss.swap { share(self.far, self.across) } else { 1.0 };
        [g, -g * far, -g * share(self.across, self.far)]
    }
}

/// The margin is positive, and all have as many dimensions.
#[inline]
fn check(op: &'static str, inputs: [&Tensor; 3], margin: f64) -> Result<()> {
    if margin <= 0.0 {
        return Err(Error::argument(op, format!("margin must be greater than 0, but is {margin}")));
    }
    let ranks = inputs.map(Tensor::dim);
    if ranks != [ranks[0]; 3] {
        let [a, p, n] = ranks;
        let message =
            format!("anchor, positive and negative must have as many dimensions, but have {a}, {p} and {n}");
        return Err(Error::argument(op, message));
    }
    Ok(())
}

/// The terms of a triplet loss with any distance.
#[inline]
pub(super) fn triplet(
    op: &'static str,
    [anchor, positive, negative]: [&Tensor; 3],
    distance: impl Fn(&Tensor, &Tensor) -> Result<Tensor>,
    margin: f64,
    swap: bool,
) -> Result<Tensor> {
    check(op, [anchor, positive, negative], margin)?;
    let near = distance(anchor, positive)?;
    let mut far = distance(anchor, negative)?;
    if swap {
        far = far.minimum(&distance(positive, negative)?)?;
    }
    let terms = near.add(margin)?.sub(&far)?;
    let inside = terms.gt(0)?;
    let slope = edge(&terms, &inside, |g, inside| Tensor::where_(inside, &**g, 0));
    Ok(Tensor::from_op("ClampMinBackward0", terms.detach().clamp_min(0)?, [slope]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    /// Of the three triplets, one is far from its margin and two are within.
    fn examples() -> Result<[Tensor; 3]> {
        Ok([
            Tensor::from([[0.3_f64, -1.2], [2.0, 0.1], [0.5, 0.4]]).requires_grad_()?,
            Tensor::from([[1.1_f64, 0.4], [-0.9, 0.7], [0.45, 0.3]]).requires_grad_()?,
            Tensor::from([[0.9_f64, 1.5], [-0.2, -0.6], [9.0, -7.0]]).requires_grad_()?,
        ])
    }

    const NORMS: [f64; 9] = [2.0, 1.0, 3.0, 1.5, 2.5, 0.5, -1.0, f64::INFINITY, f64::NEG_INFINITY];
    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

    fn run(loss: &TripletMarginLoss) -> impl Fn(&[Tensor]) -> Result<Tensor> {
        |x| loss.forward(&x[0], &x[1], &x[2])
    }

    fn definition(loss: &TripletMarginLoss) -> impl Fn(&[Tensor]) -> Result<Tensor> {
        |x| loss.definition("", [&x[0], &x[1], &x[2]])
    }

    fn noise(shape: &[usize], k: f64) -> Result<Tensor> {
        let n = shape.iter().product::<usize>();
        let values = (0..n).map(|i| 1.5 * ((i as f64 + 0.5) * k).sin()).collect();
        Tensor::from_vec::<f64>(values, shape)?.requires_grad_()
    }

    #[test]
    fn kernels_equal_the_definition_to_the_second_derivative_for_every_combination_of_options() -> Result<()>
    {
        for p in NORMS {
            for swap in [false, true] {
                for reduction in REDUCTIONS {
                    let loss = TripletMarginLoss { margin: 1.3, p, eps: 0.01, swap, reduction };
                    check::fused(run(&loss), definition(&loss), &examples()?, 1e-11)?;
                }
            }
        }
        // 300 numbers in 130 rows are more than a block; of a single number, or of none, no distance is one of rows.
        let shapes: [[&[usize]; 3]; 6] = [
            [&[130, 300], &[130, 300], &[130, 300]],
            [&[2, 1, 3], &[1, 4, 3], &[1, 1, 1]],
            [&[5], &[5], &[1]],
            [&[4, 1], &[4, 1], &[4, 3]],
            [&[4, 3], &[4, 1], &[4, 1]],
            [&[], &[], &[]],
        ];
        for [a, b, n] in shapes {
            for swap in [false, true] {
                let loss = TripletMarginLoss { margin: 2.0, swap, ..Default::default() };
                let x = [noise(a, 1.7)?, noise(b, 2.3)?, noise(n, 0.9)?];
                check::fused(run(&loss), definition(&loss), &x, 1e-11)?;
            }
        }
        Ok(())
    }

    #[test]
    fn zeros_ties_infinities_and_nan_have_the_values_and_slopes_of_the_definition() -> Result<()> {
        let numbers = [0.0, 1.0, -1.0, 2.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-200, 1e200];
        let n = numbers.len();
        // All triplets of them beside each of a few numbers.
        let column = |stride: usize| {
            let values =
                (0..n * n * n).flat_map(|i| [numbers[i / stride % n], [0.0, 1.0][i * stride % 2], 0.5]);
            Tensor::from_vec::<f64>(values.collect(), [n * n * n, 3])?.requires_grad_()
        };
        let x = [column(1)?, column(n)?, column(n * n)?];
        for p in [NORMS.as_slice(), &[0.0]].concat() {
            for swap in [false, true] {
                let loss =
                    TripletMarginLoss { p, eps: 0.0, swap, reduction: Reduction::None, ..Default::default() };
                let found = |f: &dyn Fn(&[Tensor]) -> Result<Tensor>| {
                    let terms = f(&x)?;
                    x.iter().try_for_each(|x| x.set_grad(None))?;
                    terms.sum().backward()?;
                    let mut all = terms.to_vec::<f64>()?;
                    for x in &x {
                        all.extend(x.grad().unwrap().to_vec::<f64>()?);
                    }
                    Ok::<_, Error>(all)
                };
                let (kernel, operations) = (found(&run(&loss))?, found(&definition(&loss))?);
                for (i, (a, b)) in kernel.iter().zip(&operations).enumerate() {
                    let same =
                        a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-14 * b.abs().max(1.0);
                    assert!(same, "{loss:?} {i}: {a} and {b}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn in_f32_a_result_is_rounded_once() -> Result<()> {
        for p in NORMS {
            let loss = TripletMarginLoss { p, swap: true, reduction: Reduction::Sum, ..Default::default() };
            let found = |dtype| {
                let x = [1.7, 2.3, 0.9].map(|k| noise(&[40, 7], k).map(|x| x.detach().to_dtype(DType::F32)));
                let [a, b, n] = x;
                let x = [a?, b?, n?].map(|x| x.to_dtype(dtype).requires_grad_());
                let [a, b, n] = x;
                let x = [a?, b?, n?];
                let value = loss.forward(&x[0], &x[1], &x[2])?;
                value.backward()?;
                let all = [value, x[0].grad().unwrap(), x[1].grad().unwrap(), x[2].grad().unwrap()];
                all.map(|x| x.to_dtype(DType::F32).to_vec::<f32>()).into_iter().collect::<Result<Vec<_>>>()
            };
            assert_eq!(found(DType::F32)?, found(DType::F64)?, "p = {p}");
        }
        Ok(())
    }

    #[test]
    fn a_tie_of_the_swap_shares_its_gradient_and_the_kink_has_none() -> Result<()> {
        let a = Tensor::from([[1.0_f64, 0.0]]).requires_grad_()?;
        let b = Tensor::from([[-1.0_f64, 0.0]]).requires_grad_()?;
        let n = Tensor::from([[0.0_f64, 1.0]]);
        let loss =
            TripletMarginLoss { eps: 0.0, swap: true, reduction: Reduction::None, ..Default::default() };
        let terms = loss.forward(&a, &b, &n)?;
        assert_eq!(terms.grad_fn(), Some("ClampMinBackward0"));
        terms.sum().backward()?;
        let half = 0.5_f64 / 2.0_f64.sqrt();
        let found = a.grad().unwrap().to_vec::<f64>()?;
        assert!((found[0] - (1.0 - half)).abs() < 1e-15 && (found[1] - half).abs() < 1e-15);
        // d(a, p) − d(a, n) = −margin.
        let a = Tensor::from([[0.0_f64]]).requires_grad_()?;
        let loss = TripletMarginLoss { eps: 0.0, ..Default::default() };
        loss.forward(&a, &Tensor::from([[1.0_f64]]), &Tensor::from([[2.0_f64]]))?.backward()?;
        assert_eq!(a.grad().unwrap(), Tensor::from([[0.0_f64]]));
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let (x, v) = (Tensor::from([[1.0_f32, 2.0]]), Tensor::from([1.0_f32, 2.0]));
        let text = |margin: f64, [a, p, n]: [&Tensor; 3]| {
            let loss = TripletMarginLoss { margin, ..Default::default() };
            loss.forward(a, p, n).unwrap_err().to_string()
        };
        assert_eq!(text(-1.0, [&x, &x, &x]), "triplet_margin_loss: margin must be greater than 0, but is -1");
        assert_eq!(
            text(1.0, [&x, &v, &x]),
            "triplet_margin_loss: anchor, positive and negative must have as many dimensions, but have 2, 1 and 2"
        );
    }
}
