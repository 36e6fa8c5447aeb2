//! The loss of the angle between two vectors.

use super::Reduction;
use super::rows::{of_rows, slopes_of_rows};
use crate::Module;
use downhill_tensor::autograd::fused;
use downhill_tensor::kernels::inlined;
use downhill_tensor::real::Real;
use downhill_tensor::{DType, Error, Float, Result, Tensor, kernels};

/// Turns vectors in the same direction where the target is 1, and away from each other, up to a margin, where it is −1.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/cosine_embedding.svg"))]
///
/// # Formula
/// ```math
/// ℓₙ = \begin{cases} 1 − \cos(aₙ, bₙ) & tₙ = 1 \\ \max(0, \cos(aₙ, bₙ) − \text{margin}) & tₙ = −1 \\ 0 & \text{elsewhere} \end{cases}
/// \qquad \cos(a, b) = \frac{a·b}{\sqrt{(a·a + ε)(b·b + ε)}}
/// ```
///
/// with `ε = 1e-12`. The mean divides by the number of pairs.
///
/// # Gradient
/// ```math
/// \frac{∂\cos(a, b)}{∂a} = \frac{b}{\sqrt{(a·a + ε)(b·b + ε)}} − \frac{\cos(a, b)\, a}{a·a + ε}
/// ```
///
/// and the same to `b`; with a minus where `tₙ = 1`, and 0 where the term is clipped.
///
/// # Shape
/// Vectors `(D)` with a target `()`, or `(N, D)` with `(N)`, which broadcast.
///
/// # Stability
/// A vector of zeros has the cosine 0 to every other. It is computed in `f64`, and scaled where a square would leave its range.
///
/// # Errors
/// Other ranks, shapes that do not broadcast.
///
/// # Examples
/// ```
/// use downhill::nn::CosineEmbeddingLoss;
/// use downhill::Tensor;
/// let (a, b) = (Tensor::from([[3.0_f64, 4.0], [1.0, 0.0]]), Tensor::from([[4.0_f64, 3.0], [0.0, 2.0]]));
/// let loss = CosineEmbeddingLoss::default().forward(&a, &b, &Tensor::from([1, -1]))?;
/// assert!((loss.item::<f64>()? - (1.0 - 24.0 / 25.0) / 2.0).abs() < 1e-12);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.CosineEmbeddingLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.CosineEmbeddingLoss.html).
#[derive(Clone, Debug, Default, Module)]
pub struct CosineEmbeddingLoss {
    /// The cosine up to which vectors that should differ cost nothing.
    pub margin: f64,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

const OP: &str = "cosine_embedding_loss";

/// Added to the squared lengths: `1e-12` as an `f32`, for `f64`, too.
const EPSILON: f64 = 1e-12_f32 as f64;

/// Numbers from here on may have squares whose sum is infinite.
const LONG: f64 = 1e140;

impl CosineEmbeddingLoss {
    /// The loss of vectors `a` and `b`, of which `target` says whether they belong together.
    ///
    /// # Errors
    /// Other ranks, shapes that do not broadcast.
    #[inline]
    pub fn forward(&self, a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
        if target.dim() > 1 {
            return Err(Error::shape(OP, "a target of at most one dimension", target.shape()));
        }
        for x in [a, b] {
            if x.dim() != target.dim() + 1 {
                let expected =
                    format!("an input of {} dimensions for a target of {}", target.dim() + 1, target.dim());
                return Err(Error::shape(OP, expected, x.shape()));
            }
        }
        let plain =
            a.dtype() == b.dtype() && a.shape() == b.shape() && a.shape()[..target.dim()] == **target.shape();
        if !plain {
            return self.definition(a, b, target);
        }
        match a.dtype() {
            DType::F32 => self.fused::<f32>(a, b, target),
            DType::F64 => self.fused::<f64>(a, b, target),
            DType::I64 | DType::Bool => self.definition(a, b, target),
        }
    }

    /// The loss in tensor operations.
    #[inline]
    fn definition(&self, a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
        // Squares of f32 overflow.
        let dtype = a.dtype().promote(b.dtype());
        let dtype = if dtype.is_float() { dtype } else { DType::F32 };
        let (a, b) = (a.try_to_dtype(DType::F64)?, b.try_to_dtype(DType::F64)?);
        // A cosine does not change with its vectors' units, but squares of long ones are infinite.
        let unit = |x: &Tensor| {
            if dtype == DType::F32 || x.size(-1)? == 0 {
                return Ok(Tensor::from(1.0));
            }
            let largest = x.detach().try_abs()?.amax(-1, true)?;
            Tensor::where_(&largest.gt(LONG)?, &largest, 1.0)
        };
        let (of_a, of_b) = (unit(&a)?, unit(&b)?);
        let (a, b) = (a.div(&of_a)?, b.div(&of_b)?);
        let length = |x: &Tensor, unit: &Tensor| {
            let least = unit.try_reciprocal()?.try_square()?.mul(EPSILON)?;
            x.mul(x)?.sum_dim(-1, true)?.add(&least)?.try_sqrt()
        };
        let cosine = a.mul(&b)?.sum_dim(-1, true)?.div(&length(&a, &of_a)?)?.div(&length(&b, &of_b)?)?;
        let cosine = cosine.squeeze_dim(-1)?.try_to_dtype(dtype)?;
        let pull = Tensor::where_(&target.eq(1)?, &(1.0 - &cosine), 0)?;
        let push = Tensor::where_(&target.eq(-1)?, &cosine.sub(self.margin)?.clamp_min(0)?, 0)?;
        self.reduction.of(pull.add(&push)?)
    }

    fn fused<T: Float>(&self, a: &Tensor, b: &Tensor, target: &Tensor) -> Result<Tensor> {
        let (n, count) = (target.numel(), a.shape()[target.dim()]);
        let target = target.detach();
        let signs = target.try_to_dtype(DType::F64)?.to_vec::<f64>()?;
        let (a, b) = (a.try_contiguous()?, b.try_contiguous()?);
        let (x, y) = (a.as_slice::<T>()?, b.as_slice::<T>()?);
        let pairs = of_rows(
            OP,
            (n, count),
            3,
            inlined!(|r| Pair::new(&x[r * count..][..count], &y[r * count..][..count])),
        )?;
        let terms = Tensor::build(target.shape(), |out: &mut [f64]| {
            for ((o, pair), &t) in out.iter_mut().zip(&pairs).zip(&signs) {
                *o = match t {
                    1.0 => 1.0 - pair.cosine,
                    -1.0 => Real::max(pair.cosine - self.margin, 0.0),
                    _ => 0.0,
                };
            }
        })?;
        let value = self.reduction.of(terms)?.try_to_dtype(T::DTYPE)?;
        let name = match self.reduction {
            Reduction::None => "AddBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        };
        let divisor = if self.reduction == Reduction::Mean { n as f64 } else { 1.0 };
        let this = self.clone();
        let backward = move |i: usize, g: &Tensor, [a, b]: [&Tensor; 2]| {
            let (x, y) = (a.as_slice::<T>()?, b.as_slice::<T>()?);
            slopes_of_rows(
                a.shape(),
                (g, divisor),
                2,
                inlined!(|r, g, out: &mut [T]| {
                    let pair: &Pair = &pairs[r];
                    let slope = match signs[r] {
                        1.0 => -g,
                        -1.0 if pair.cosine > this.margin => g,
                        _ => 0.0,
                    };
                    let (x, y) = (&x[r * count..][..count], &y[r * count..][..count]);
                    let (own, other) = if i == 0 { (x, y) } else { (y, x) };
                    pair.gradient(slope, i, own, other, out);
                }),
            )
        };
        Ok(fused(name, [&a, &b], value, backward, move |[a, b]| this.definition(a, b, &target)))
    }
}

/// The cosine of a pair of vectors and their lengths, in `f64`.
#[derive(Clone, Copy, Default)]
struct Pair {
    cosine: f64,
    /// Their lengths, and a little more.
    lengths: [f64; 2],
}

impl Pair {
    #[inline(always)]
    fn new<T: Float>(x: &[T], y: &[T]) -> Self {
        let sum = |a: &[T], b: &[T]| {
            kernels::sum([a, b], x.len(), inlined!(|[a, b]| a.cast::<f64>() * b.cast::<f64>()))
        };
        let lengths = [sum(x, x) + EPSILON, sum(y, y) + EPSILON].map(f64::sqrt);
        let product = sum(x, y);
        if product.is_finite() && lengths.iter().all(|length| length.is_finite()) {
            return Self { cosine: product / lengths[0] / lengths[1], lengths };
        }
        Self::long(x, y)
    }

    /// [`new`](Self::new) for vectors whose squares overflow.
    #[cold]
    fn long<T: Float>(x: &[T], y: &[T]) -> Self {
        let lengths = [x, y].map(|x| {
            let numbers = || x.iter().map(|x| x.cast::<f64>());
            let unit = numbers().fold(1.0, |most: f64, x| most.max(x.abs()));
            unit * (numbers().map(|x| (x / unit) * (x / unit)).sum::<f64>() + EPSILON / unit / unit).sqrt()
        });
        let shares =
            x.iter().zip(y).map(|(x, y)| x.cast::<f64>() / lengths[0] * (y.cast::<f64>() / lengths[1]));
        Self { cosine: shares.sum(), lengths }
    }

    /// The gradient of `slope · cos` to the first or the second vector.
    #[inline(always)]
    fn gradient<T: Float>(&self, slope: f64, i: usize, own: &[T], other: &[T], out: &mut [T]) {
        let [along, across] = [self.lengths[i], self.lengths[1 - i]].map(f64::recip);
        let shrink = self.cosine * along;
        for ((o, &x), &y) in out.iter_mut().zip(own).zip(other) {
            *o = T::lit((across * y.cast::<f64>() - shrink * x.cast::<f64>()) * (slope * along));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::{autograd, check};

    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

    fn noise(shape: &[usize], k: f64) -> Result<Tensor> {
        let n = shape.iter().product::<usize>();
        let values = (0..n).map(|i| 1.5 * ((i as f64 + 0.5) * k).sin()).collect();
        Tensor::from_vec::<f64>(values, shape)?.requires_grad_()
    }

    #[test]
    fn kernels_equal_the_definition_to_the_second_derivative_for_every_combination_of_options() -> Result<()>
    {
        // 300 numbers in 130 rows are more than a block.
        let shapes: [(&[usize], &[usize], &[usize]); 6] = [
            (&[4, 3], &[4, 3], &[4]),
            (&[5], &[5], &[]),
            (&[130, 300], &[130, 300], &[130]),
            (&[4, 3], &[1, 3], &[4]),
            (&[4, 3], &[4, 1], &[4]),
            (&[4, 3], &[4, 3], &[1]),
        ];
        for (a, b, t) in shapes {
            let xs = [noise(a, 1.7)?, noise(b, 2.3)?];
            let signs = (0..t.iter().product()).map(|i: usize| [1, -1, -1, 1, 0][i % 5]).collect();
            let target = Tensor::from_vec::<i64>(signs, t)?;
            for reduction in REDUCTIONS {
                for margin in [0.0, -0.4] {
                    let loss = CosineEmbeddingLoss { margin, reduction };
                    let run = |x: &[Tensor]| loss.forward(&x[0], &x[1], &target);
                    check::fused(run, |x| loss.definition(&x[0], &x[1], &target), &xs, 1e-11)?;
                }
            }
        }
        Ok(())
    }

    #[test]
    fn zeros_and_opposites_have_pytorchs_values_and_slopes() -> Result<()> {
        let a = Tensor::from([[0.0, 0.0], [1.0, 2.0], [1.0, 0.0]]).requires_grad_()?;
        let b = Tensor::from([[1.0, 0.0], [2.0, 4.0], [0.0, 1.0]]);
        let loss = CosineEmbeddingLoss { reduction: Reduction::None, ..Default::default() };
        // torch 2.15 gives 1, 1.2501e-13, and 0 at the margin, with these slopes.
        let terms = loss.forward(&a, &b, &Tensor::from([1, 1, -1]))?;
        let found = terms.to_vec::<f64>()?;
        assert!(found[0] == 1.0 && (found[1] - 1.25e-13).abs() < 1e-15 && found[2] == 0.0);
        terms.sum().backward()?;
        let found = a.grad().unwrap().to_vec::<f64>()?;
        assert!((found[0] + 1_000_000.001_997_401_4).abs() < 1e-6 && found[1] == 0.0);
        assert!((found[2] + 4e-14).abs() < 1e-15 && (found[3] + 8e-14).abs() < 1e-15);
        assert_eq!(&found[4..], [0.0, 0.0]);
        Ok(())
    }

    #[test]
    fn long_vectors_have_the_angles_and_slopes_of_short_ones() -> Result<()> {
        let (a, b) = (
            Tensor::from([[1.0, 2.0, -0.5], [0.5, -1.0, 3.0]]),
            Tensor::from([[1.5, 1.0, 0.0], [2.0, 1.0, 3.0]]),
        );
        let target = Tensor::from([1, -1]);
        let loss = CosineEmbeddingLoss { reduction: Reduction::None, ..Default::default() };
        let run = |unit: [f64; 2], definition: bool| -> Result<Vec<Vec<f64>>> {
            let (a, b) = (a.mul(unit[0])?.requires_grad_()?, b.mul(unit[1])?.requires_grad_()?);
            let y =
                if definition { loss.definition(&a, &b, &target)? } else { loss.forward(&a, &b, &target)? };
            let slopes = autograd::grad(&y.sum(), &[&a, &b])?;
            // In the vectors' own units.
            [y, slopes[0].mul(unit[0])?, slopes[1].mul(unit[1])?].iter().map(Tensor::to_vec).collect()
        };
        let plain = run([1.0, 1.0], false)?;
        for unit in
            [[1e200, 1.0], [1e170, 1e170], [1e155, 1e-100], [1e307, 1e300], [1e120, 1e200], [1e160, 1e150]]
        {
            for definition in [false, true] {
                // The 1e-12 that is added counts for little where vectors have a length of 1, and is all where they have none.
                let found = run(unit, definition)?;
                if unit[1] < 1.0 {
                    assert!(found.iter().flatten().all(|x| x.is_finite()));
                    continue;
                }
                for (x, y) in found.iter().flatten().zip(plain.iter().flatten()) {
                    assert!((x - y).abs() < 1e-11, "{unit:?} {definition}: {x} for {y}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn integers_other_targets_and_empty_vectors_have_a_loss() -> Result<()> {
        let loss = CosineEmbeddingLoss { reduction: Reduction::None, ..Default::default() };
        let (a, b) = (Tensor::from([[3, 4], [1, 0]]), Tensor::from([[3, 4], [1, 0]]));
        let found = loss.forward(&a, &b, &Tensor::from([-1.0_f32, 0.5]))?;
        assert_eq!(found, Tensor::from([1.0_f32, 0.0]));
        let none = downhill_tensor::zeros([2, 0])?;
        assert_eq!(loss.forward(&none, &none, &Tensor::from([1, -1]))?, Tensor::from([1.0_f32, 0.0]));
        let none = downhill_tensor::zeros([0, 3])?.requires_grad_()?;
        let mean = CosineEmbeddingLoss::default().forward(&none, &none, &downhill_tensor::zeros([0])?)?;
        assert!(mean.item::<f32>()?.is_nan());
        mean.backward()?;
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let (x, v) = (Tensor::from([[1.0_f32, 2.0], [0.0, 1.0]]), Tensor::from([1.0_f32, 2.0]));
        let text = |a: &Tensor, b: &Tensor, t: &Tensor| {
            CosineEmbeddingLoss::default().forward(a, b, t).unwrap_err().to_string()
        };
        assert_eq!(
            text(&x, &x, &x),
            "cosine_embedding_loss: expected a target of at most one dimension, but got shape [2, 2]"
        );
        assert_eq!(
            text(&x, &v, &v),
            "cosine_embedding_loss: expected an input of 2 dimensions for a target of 1, but got shape [2]"
        );
        assert_eq!(
            text(&x, &x, &Tensor::from(1)),
            "cosine_embedding_loss: expected an input of 1 dimensions for a target of 0, but got shape [2, 2]"
        );
    }
}
