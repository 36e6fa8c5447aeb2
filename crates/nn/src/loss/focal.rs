//! Focal losses: cross-entropy that looks away from what is easy.

use super::bce_with_logits::{decay, doubt, excess, positive};
use super::rows::{Classes, Rows, in_shape};
use super::{Loss, Pointwise, Reduction, pointwise};
use crate::Module;
use downhill_tensor::real::Real;
use downhill_tensor::{DType, Error, Result, Tensor};

#[inline]
fn check_gamma(op: &'static str, gamma: f64) -> Result<()> {
    if gamma >= 0.0 && gamma.is_finite() {
        return Ok(());
    }
    Err(Error::argument(op, format!("gamma must be at least 0, but is {gamma}")))
}

/// Cross-entropy of classes, each row weighted by how improbable its class still is.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/focal.svg"))]
///
/// # Formula
/// With `pₙ = softmax(xₙ)[tₙ]`:
///
/// ```math
/// ℓₙ = −w[tₙ]\, (1 − pₙ)^γ \ln pₙ
/// ```
///
/// or 0 where `tₙ` is `ignore_index`; the mean divides by `Σ w[tₙ]` over the rows that count. With `gamma` 0 it is
/// [`CrossEntropyLoss`](crate::CrossEntropyLoss).
///
/// # Gradient
/// ```math
/// \frac{∂ℓₙ}{∂xₙ[c]} = w[tₙ]\, (1 − pₙ)^γ \Big(\frac{γ\, pₙ \ln pₙ}{1 − pₙ} − 1\Big) \big(δ_c − \operatorname{softmax}(xₙ)[c]\big)
/// ```
///
/// where `δ_c` is 1 for `c = tₙ` and 0 elsewhere.
///
/// # Shape
/// Input `(C)`, `(N, C)` or `(N, C, d₁ …)`, target without `C`.
///
/// # Stability
/// `1 − p` is `−expm1(ln p)`, which does not cancel for sure rows.
///
/// # Errors
/// What [`CrossEntropyLoss`](crate::CrossEntropyLoss) refuses of class indices; a negative `gamma`.
///
/// # Examples
/// ```
/// use downhill::nn::{FocalLoss, Loss};
/// use downhill::Tensor;
/// // Even odds: (1/2)² ln 2.
/// let loss = FocalLoss::default().forward(&Tensor::from([[0.0_f64, 0.0]]), &Tensor::from([1]))?;
/// assert!((loss.item::<f64>()? - 0.25 * 2.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// Not there. [Lin et al. 2017](https://arxiv.org/abs/1708.02002), with a class's weight as its `α`.
#[derive(Clone, Debug, Module)]
pub struct FocalLoss {
    /// How fast sure rows lose their weight.
    pub gamma: f64,
    /// A factor for each class.
    pub weight: Option<Tensor>,
    /// The target of rows that do not count.
    pub ignore_index: i64,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for FocalLoss {
    #[inline]
    fn default() -> Self {
        Self { gamma: 2.0, weight: None, ignore_index: -100, reduction: Reduction::Mean }
    }
}

impl Loss for FocalLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let op = "focal_loss";
        check_gamma(op, self.gamma)?;
        let rows = Rows::new(op, input, target.shape())?;
        let weighted =
            Classes::new(op, &rows, target, self.weight.as_ref(), self.ignore_index, self.reduction)?;
        let plain = Classes { weight: None, ..weighted.clone() };
        // Ignored rows are replaced before anything is computed from them.
        let calm = rows.input.masked_fill(&weighted.ignored()?.unsqueeze(1)?, 0)?;
        let logs = calm.log_softmax(1)?;
        // The smallest normal number: powers of it stay finite where those of 0 would not.
        let tiny = if logs.dtype() == DType::F32 { f64::from(f32::MIN_POSITIVE) } else { f64::MIN_POSITIVE };
        let doubt = plain.picked(&logs)?.try_expm1()?.neg()?.clamp_min(tiny)?.pow(self.gamma)?;
        let terms = weighted.picked(&logs)?.neg()?.mul(&doubt)?;
        in_shape(weighted.reduced(&terms)?, self.reduction, rows.shape)
    }
}

/// Binary cross-entropy of logits, each element weighted by how improbable its target still is.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/binary_focal.svg"))]
///
/// # Formula
/// With `p = σ(x)`, the probability `q = p (1 − t) + (1 − p) t` of the wrong answer, and the cross-entropy `b`
/// ([`BCEWithLogitsLoss`](crate::BCEWithLogitsLoss)):
///
/// ```math
/// ℓᵢ = aᵢ\, qᵢ^γ\, bᵢ, \qquad a = α t + (1 − α)(1 − t)
/// ```
///
/// with `a = 1` without `alpha`; the mean divides by the number of elements.
///
/// # Gradient
/// ```math
/// \frac{∂ℓᵢ}{∂xᵢ} = a \big(q^γ (p − t) + γ\, q^{γ−1} p\, (1 − p)(1 − 2t)\, b\big)
/// ```
///
/// # Shape
/// Any; `x` and `t` broadcast.
///
/// # Stability
/// As that of [`BCEWithLogitsLoss`](crate::BCEWithLogitsLoss); where `q` is 0, so is its power, unless `gamma` is.
///
/// # Errors
/// Shapes that do not broadcast, inputs neither of which is a float, a negative `gamma`, an `alpha` outside of `[0, 1]`.
///
/// # Examples
/// ```
/// use downhill::nn::{BinaryFocalLoss, Loss};
/// use downhill::Tensor;
/// let loss = BinaryFocalLoss::default().forward(&Tensor::from([0.0_f64]), &Tensor::from([1.0]))?;
/// assert!((loss.item::<f64>()? - 0.25 * 0.25 * 2.0_f64.ln()).abs() < 1e-15);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// Not there; torchvision's [`sigmoid_focal_loss`](https://docs.pytorch.org/vision/stable/generated/torchvision.ops.sigmoid_focal_loss.html),
/// whose mean is not the default. [Lin et al. 2017](https://arxiv.org/abs/1708.02002).
#[derive(Clone, Debug, Module)]
pub struct BinaryFocalLoss {
    /// How fast sure elements lose their weight.
    pub gamma: f64,
    /// The weight of positive targets; that of negative ones is `1 − alpha`.
    pub alpha: Option<f64>,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
}

impl Default for BinaryFocalLoss {
    #[inline]
    fn default() -> Self {
        Self { gamma: 2.0, alpha: Some(0.25), reduction: Reduction::Mean }
    }
}

impl BinaryFocalLoss {
    /// `a` of a target, and its derivative.
    #[inline(always)]
    fn balance<R: Real>(&self, t: R) -> (R, R) {
        self.alpha.map_or((R::lit(1.0), R::lit(0.0)), |alpha| {
            let slope = R::lit(2.0 * alpha - 1.0);
            (R::lit(1.0 - alpha) + slope.clone() * t, slope)
        })
    }

    /// `x qⁿ`, 0 where `q` has no reciprocal, but `x` for an `n` of 0. There the cross-entropy is as small, and the loss is 0.
    #[inline(always)]
    fn times_power<R: Real>(x: R, q: &R, n: f64) -> R {
        if n == 0.0 {
            return x;
        }
        let none = (R::lit(1.0) / q.clone()).eq(&R::lit(f64::INFINITY));
        // Replaced before a power is taken: the derivative of what is not chosen must be finite, too.
        let some = R::select(none.clone(), R::lit(1.0), q.clone());
        R::select(none, R::lit(0.0), if n == -1.0 { x / some } else { x * some.powr(R::lit(n)) })
    }

    /// `σ(x)` and `σ(−x)`, neither as a difference where it is small.
    #[inline(always)]
    fn odds<R: Real>(x: &R) -> (R, R) {
        let (low, below) = (doubt(x.clone()), x.lt(&R::lit(0.0)));
        let high = R::lit(1.0) - low.clone();
        (R::select(below.clone(), low.clone(), high.clone()), R::select(below, high, low))
    }

    /// The cross-entropy.
    #[inline(always)]
    fn entropy<R: Real>(x: R, t: R) -> R {
        (positive(&x) - t) * x.clone() + decay(x).log1p()
    }
}

impl Pointwise<2> for BinaryFocalLoss {
    const OP: &'static str = "binary_focal_loss";
    const WIDE_SUMS: bool = false;
    #[inline(always)]
    fn value<R: Real>(&self, [x, t]: [R; 2]) -> R {
        let (p, rest) = Self::odds(&x);
        let q = p * (R::lit(1.0) - t.clone()) + rest * t.clone();
        Self::times_power(self.balance(t.clone()).0 * Self::entropy(x, t), &q, self.gamma)
    }
    #[inline(always)]
    fn grad<R: Real>(&self, [x, t]: [R; 2]) -> [R; 2] {
        let (one, two) = (R::lit(1.0), R::lit(2.0));
        let (p, rest) = Self::odds(&x);
        let entropy = Self::entropy(x.clone(), t.clone());
        let q = p.clone() * (one.clone() - t.clone()) + rest.clone() * t.clone();
        let (a, slope) = self.balance(t.clone());
        // What changing ln q by 1 would add: a lower power of q may be infinite.
        let steep = R::lit(self.gamma) * entropy.clone();
        let share = Self::times_power(p.clone() * rest.clone() * (one - two * t.clone()), &q, -1.0);
        [
            Self::times_power(a.clone() * (excess(x.clone(), t) + steep.clone() * share), &q, self.gamma),
            Self::times_power(slope * entropy - a.clone() * x, &q, self.gamma)
                + Self::times_power(a * steep * (rest - p), &q, self.gamma - 1.0),
        ]
    }
}

impl Loss for BinaryFocalLoss {
    #[inline]
    fn forward(&self, input: &Tensor, target: &Tensor) -> Result<Tensor> {
        let op = <Self as Pointwise<2>>::OP;
        check_gamma(op, self.gamma)?;
        if let Some(alpha) = self.alpha.filter(|alpha| !(0.0..=1.0).contains(alpha)) {
            return Err(Error::argument(op, format!("alpha must be between 0 and 1, but is {alpha}")));
        }
        pointwise(self, [input, target], self.reduction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BCEWithLogitsLoss, CrossEntropyLoss};
    use downhill_tensor::check;

    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

    fn noise(shape: &[usize], k: f64) -> Result<Tensor> {
        let n = shape.iter().product::<usize>();
        let values: Vec<_> = (0..n).map(|i| 3.0 * ((i as f64 + 0.5) * k).sin()).collect();
        Tensor::from_vec(values, shape)?.requires_grad_()
    }

    fn equal(a: &Tensor, b: &Tensor) -> Result<bool> {
        Ok(a.shape() == b.shape() && a.sub(b)?.abs().max()?.item::<f64>()? < 1e-14)
    }

    #[test]
    fn classes_equal_the_formula_to_the_second_derivative() -> Result<()> {
        let (x, target) = (noise(&[4, 3], 1.3)?, Tensor::from([0, 2, -100, 1]));
        let weight = Tensor::from([0.5, 1.0, 2.0]);
        for reduction in REDUCTIONS {
            for gamma in [0.0, 0.5, 1.0, 2.0, 3.5] {
                for weight in [None, Some(weight.clone())] {
                    let loss = FocalLoss { gamma, weight: weight.clone(), reduction, ..Default::default() };
                    let run = |x: &[Tensor]| loss.forward(&x[0], &target);
                    let definition = |x: &[Tensor]| {
                        let rows = x[0].index_select(0, &Tensor::from([0, 1, 3]))?;
                        let p = rows.softmax(1)?.gather(1, &Tensor::from([[0], [2], [1]]))?.squeeze_dim(1)?;
                        let w = match &weight {
                            Some(_) => Tensor::from([0.5, 2.0, 1.0]),
                            None => Tensor::from([1.0, 1.0, 1.0]),
                        };
                        let one = Tensor::from(1.0).sub(&p)?.pow(gamma)?;
                        let terms = one.mul(&p.log())?.mul(&w)?.neg()?;
                        Ok(match reduction {
                            Reduction::None => {
                                let zero = Tensor::from([0.0]);
                                Tensor::cat(&[&terms.narrow(0, 0, 2)?, &zero, &terms.narrow(0, 2, 1)?], 0)?
                            }
                            Reduction::Sum => terms.sum(),
                            Reduction::Mean => terms.sum().div(&w.sum())?,
                        })
                    };
                    check::fused(run, definition, std::slice::from_ref(&x), 1e-12)?;
                    if gamma == 0.0 {
                        let plain = CrossEntropyLoss { weight, reduction, ..Default::default() };
                        assert!(equal(&run(std::slice::from_ref(&x))?, &plain.forward(&x, &target)?)?);
                    }
                }
            }
        }
        Ok(())
    }

    #[test]
    fn binary_equals_the_formula_to_the_second_derivative() -> Result<()> {
        let x = noise(&[6], 1.7)?;
        let t = Tensor::from([0.0, 1.0, 0.3, 1.0, 0.0, 0.8]).requires_grad_()?;
        for reduction in REDUCTIONS {
            for (gamma, alpha) in
                [(0.0, None), (0.5, Some(0.25)), (1.0, None), (2.0, Some(0.25)), (3.5, None)]
            {
                let loss = BinaryFocalLoss { gamma, alpha, reduction };
                let run = |xs: &[Tensor]| loss.forward(&xs[0], &xs[1]);
                let definition = |xs: &[Tensor]| {
                    let (p, t) = (xs[0].sigmoid(), &xs[1]);
                    let rest = |x: &Tensor| Tensor::from(1.0).sub(x);
                    let entropy = p.log().mul(t)?.add(&rest(&p)?.log().mul(&rest(t)?)?)?.neg()?;
                    let q = p.mul(&rest(t)?)?.add(&rest(&p)?.mul(t)?)?;
                    let a = match alpha {
                        Some(alpha) => t.mul(alpha)?.add(&rest(t)?.mul(1.0 - alpha)?)?,
                        None => Tensor::from(1.0),
                    };
                    let terms = entropy.mul(&q.pow(gamma)?)?.mul(&a)?;
                    match reduction {
                        Reduction::None => Ok(terms),
                        Reduction::Sum => Ok(terms.sum()),
                        Reduction::Mean => terms.mean(),
                    }
                };
                check::fused(run, definition, &[x.clone(), t.clone()], 1e-11)?;
                if gamma == 0.0 {
                    let plain = BCEWithLogitsLoss { reduction, ..Default::default() };
                    assert!(equal(&loss.forward(&x, &t)?, &plain.forward(&x, &t)?)?);
                }
            }
        }
        Ok(())
    }

    #[test]
    fn sure_answers_have_no_weight_and_finite_gradients() -> Result<()> {
        for gamma in [0.0, 0.5, 2.0] {
            let x = Tensor::from([-1000.0_f32, 1000.0, -1000.0, 1000.0]).requires_grad_()?;
            let loss = BinaryFocalLoss { gamma, alpha: None, reduction: Reduction::None };
            let loss = loss.forward(&x, &Tensor::from([0.0_f32, 1.0, 1.0, 0.0]))?;
            assert_eq!(loss.to_vec::<f32>()?, [0.0, 0.0, 1000.0, 1000.0]);
            loss.sum().backward()?;
            assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [0.0, 0.0, -1.0, 1.0]);
            let x = Tensor::from([[1000.0_f32, -1000.0], [-1000.0, 1000.0]]).requires_grad_()?;
            let loss = FocalLoss { gamma, reduction: Reduction::Sum, ..Default::default() };
            let loss = loss.forward(&x, &Tensor::from([0, 0]))?;
            assert_eq!(loss.item::<f32>()?, 2000.0);
            loss.backward()?;
            assert_eq!(x.grad().unwrap(), Tensor::from([[0.0_f32, 0.0], [-1.0, 1.0]]));
        }
        Ok(())
    }

    #[test]
    fn bad_options_are_errors_that_name_the_numbers() {
        let (x, t) = (Tensor::from([[0.0_f32, 1.0]]), Tensor::from([0]));
        let text = |loss: &dyn Loss, t: &Tensor| loss.forward(&x, t).unwrap_err().to_string();
        let focal = FocalLoss { gamma: -1.0, ..Default::default() };
        assert_eq!(text(&focal, &t), "focal_loss: gamma must be at least 0, but is -1");
        assert_eq!(
            text(&FocalLoss::default(), &Tensor::from([2])),
            "focal_loss: index 2 is out of bounds for size 2"
        );
        let binary = BinaryFocalLoss { alpha: Some(2.0), ..Default::default() };
        assert_eq!(text(&binary, &x), "binary_focal_loss: alpha must be between 0 and 1, but is 2");
    }
}
