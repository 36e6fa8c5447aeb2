//! Variances, standard deviations and norms.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::{record, record_output};
use crate::dtype::dispatch;
use crate::kernel::{fold, reduce};
use crate::ops::extremes::{End, check_empty, extreme};
use crate::ops::product::has_zero;
use crate::ops::reduce::{ALL, Plan};
use crate::real::Real;
use crate::shape::{Dims, Mask};
use crate::{DType, Element, Float, Result, Tensor};

/// Count, mean and sum of squared differences from the mean, by Welford's recurrence; united by Chan's formula.
#[derive(Clone, Copy, Default)]
struct Moments {
    n: f64,
    mean: f64,
    m2: f64,
}

impl Moments {
    #[inline(always)]
    fn with(self, x: f64) -> Self {
        let n = self.n + 1.0;
        let delta = x - self.mean;
        let mean = self.mean + delta / n;
        Self { n, mean, m2: self.m2 + delta * (x - mean) }
    }

    #[inline(always)]
    fn join(self, other: Self) -> Self {
        if self.n == 0.0 {
            return other;
        }
        if other.n == 0.0 {
            return self;
        }
        let n = self.n + other.n;
        let (delta, share) = (other.mean - self.mean, other.n / n);
        Self { n, mean: self.mean + delta * share, m2: self.m2 + other.m2 + delta * delta * self.n * share }
    }
}

/// The variances, or with `root` their square roots. As PyTorch: a single one from the rounded mean, several by Welford.
#[inline]
fn variance(op: &'static str, plan: &Plan, correction: f64, root: bool) -> Result<Array> {
    let n = plan.n;
    let finish = move |m2: f64| {
        let variance = m2 / (n as f64 - correction).max(0.0);
        if root { variance.sqrt() } else { variance }
    };
    let variances = dispatch!(float plan.input.dtype(), T => Array::build_beside(op, plan.shape, plan.folds(), |out: &mut [T]| {
        let data = plan.input.slice::<T>().unwrap_or_default();
        match out {
            [] => {}
            _ if n == 0 => out.fill(T::of_f64(f64::NAN)),
            [out] => {
                let mean = (reduce::sum(data) / T::of_f64(n as f64)).cast::<f64>();
                let m2 = reduce::sum_terms(n, 1, &|start, terms| {
                    for (term, &x) in terms.iter_mut().zip(&data[start..]) {
                        let delta = x.cast::<f64>() - mean;
                        *term = delta * delta;
                    }
                });
                *out = T::of_f64(finish(m2));
            }
            _ => fold::fold_middle(
                data,
                [n, plan.inner],
                out,
                Moments::default(),
                #[inline(always)] |m: Moments, x: T| m.with(x.cast()),
                Moments::join,
                #[inline(always)] |m| T::of_f64(finish(m.m2)),
            ),
        }
    }))?;
    // No square of an `f32` leaves the range of `f64`.
    if variances.dtype() == DType::F64 {
        unbounded(op, variances, plan, correction, root)
    } else {
        Ok(variances)
    }
}

/// Variances of `f64`, computed again where a square may have left its range: of numbers scaled to 1.
#[inline]
fn unbounded(op: &'static str, mut found: Array, plan: &Plan, correction: f64, root: bool) -> Result<Array> {
    let data = plan.input.slice::<f64>().unwrap_or_default();
    // A root below has lost digits of its square; a variance that has lost some is too small for them.
    let whole = |x: f64| if root { (1e-146..f64::INFINITY).contains(&x) } else { x.is_finite() };
    for (at, found) in found.make_mut::<f64>(op)?.iter_mut().enumerate() {
        if plan.n == 0 || whole(*found) {
            continue;
        }
        let numbers = lane(data, plan, at);
        let unit = numbers.clone().map(f64::abs).fold(0.0, f64::max);
        let divisor = (plan.n as f64 - correction).max(0.0);
        if unit > 0.0 && unit.is_finite() && numbers.clone().all(f64::is_finite) && divisor > 0.0 {
            let mean = numbers.clone().map(|x| x / unit).sum::<f64>() / plan.n as f64;
            let m2 = numbers.map(|x| (x / unit - mean) * (x / unit - mean)).sum::<f64>();
            *found = if root { unit * (m2 / divisor).sqrt() } else { unit * (unit * (m2 / divisor)) };
        }
    }
    Ok(found)
}

/// The numbers that the result at `at` is of.
#[inline]
fn lane<'a, T: Float>(
    data: &'a [T],
    plan: &Plan,
    at: usize,
) -> impl Iterator<Item = f64> + Clone + use<'a, T> {
    let first = at / plan.inner * plan.n * plan.inner + at % plan.inner;
    data[first..].iter().step_by(plan.inner).take(plan.n).map(|x| x.cast::<f64>())
}

/// `Σ |x|^p` to the power `1/p`, and its limits at 0 and ±∞. Powers are rounded to the dtype; but sums are added up in `f64`, and their
/// roots rounded once. Where powers leave the dtype's range, the numbers are scaled first.
#[inline]
fn norms(plan: &Plan, p: f64) -> Result<Array> {
    let op = "norm";
    // The size of one number is its norm: no power of it can overflow.
    if let Some(alone) = plan.alone().filter(|_| p != 0.0) {
        return dispatch!(float alone.dtype(), T => alone.map(op, |x: T| x.abs()));
    }
    dispatch!(float plan.input.dtype(), T => {
        if p == 2.0 {
            return rescaled(sums(op, plan, |x: T| x * x, f64::sqrt)?, plan, p);
        }
        let powers = plan.input.map(op, |x: T| match p {
            0.0 => T::of_bool(x != T::of_bool(false)),
            _ if p == 1.0 || p.is_infinite() => x.abs(),
            _ => Real::powr(Real::abs(x), T::of_f64(p)),
        })?;
        let of_powers = plan.with(powers);
        if p.is_infinite() && plan.n > 0 {
            return extreme(op, &of_powers, if p > 0.0 { End::Largest } else { End::Smallest });
        }
        if p == 0.0 || p == 1.0 {
            return sums(op, &of_powers, |x: T| x, |sum| sum);
        }
        rescaled(sums(op, &of_powers, |x: T| x, |sum| sum.powf(1.0 / p))?, plan, p)
    })
}

/// Norms, computed again where a power may have left the range of the dtype: with the largest number scaled to 1, or, for a negative
/// `p`, the smallest.
fn rescaled(mut norms: Array, plan: &Plan, p: f64) -> Result<Array> {
    let (smallest, largest) = if norms.dtype() == DType::F32 {
        (f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX))
    } else {
        (f64::MIN_POSITIVE, f64::MAX)
    };
    // Sums of powers from 2⁶⁴ times the smallest normal number on have lost nothing that counts.
    let bounds = [smallest * 2_f64.powi(64), largest].map(|sum| sum.powf(1.0 / p));
    dispatch!(float norms.dtype(), T => {
        let (low, high) = (bounds[0].min(bounds[1]), bounds[0].max(bounds[1]));
        let data = plan.input.slice::<T>().unwrap_or_default();
        for (at, norm) in norms.make_mut::<T>("norm")?.iter_mut().enumerate() {
            if plan.n == 0 || (low..high).contains(&norm.cast::<f64>()) || norm.is_nan() {
                continue;
            }
            let numbers = || lane(data, plan, at).map(f64::abs);
            let unit = if p > 0.0 { numbers().fold(0.0, f64::max) } else { numbers().fold(f64::INFINITY, f64::min) };
            if unit > 0.0 && unit.is_finite() {
                *norm = T::of_f64(unit * numbers().map(|x| (x / unit).powf(p)).sum::<f64>().powf(1.0 / p));
            }
        }
        Ok(norms)
    })
}

/// What `root` makes of the sums of `power`s.
fn sums<T: Float>(
    op: &'static str,
    plan: &Plan,
    power: impl Fn(T) -> T + Sync,
    root: impl Fn(f64) -> f64 + Sync,
) -> Result<Array> {
    Array::build_beside(op, plan.shape, plan.folds(), |out: &mut [T]| {
        if plan.n == 0 || out.is_empty() {
            return out.fill(T::default());
        }
        let data = plan.input.slice::<T>().unwrap_or_default();
        let step = |sum: f64, x: T| sum + power(x).cast::<f64>();
        let finish = |sum: f64| {
            let rounded = T::of_f64(sum).cast::<f64>();
            T::of_f64(root(if rounded.is_infinite() { rounded } else { sum }))
        };
        fold::fold_middle(data, [plan.n, plan.inner], out, 0.0, step, |a, b| a + b, finish);
    })
}

/// The gradient of a norm `y` over what `mask` says, as in PyTorch: 0 where the norm is 0, and at `p` = ±∞ shared
/// by the elements that reach it.
#[inline]
fn norm_slope(g: &Tensor, x: &Tensor, y: &Tensor, p: f64, mask: &Mask) -> Result<Tensor> {
    // Of quotients, since powers of the numbers themselves may be infinite.
    let zero = || y.eq(0)?.broadcast_to(x.shape());
    // Most norms are not 0: a third of the time.
    let part = || if has_zero(y)? { x.div(y)?.masked_fill(&zero()?, 0) } else { x.div(y) };
    if p == 0.0 {
        x.try_zeros_like()
    } else if p == 1.0 {
        x.try_sign()?.mul(g)
    } else if p == 2.0 {
        g.mul(&part()?)
    } else if p.is_infinite() {
        let hit = Tensor::where_(&y.try_isnan()?, &x.try_isnan()?, &x.try_abs()?.eq(y)?)?;
        x.try_sign()?.mul(&hit)?.mul(&g.div(&hit.sum_over(mask, true)?)?)
    } else if p < 1.0 {
        let powers = x.div(y)?.try_abs()?.pow(p - 1.0)?.masked_fill(&x.eq(0)?.add(&zero()?)?, 0)?;
        x.try_sign()?.mul(&powers)?.mul(g)
    } else if p < 2.0 {
        x.try_sign()?.mul(&part()?.try_abs()?.pow(p - 1.0)?)?.mul(g)
    } else {
        let part = part()?;
        part.mul(&part.try_abs()?.pow(p - 2.0)?)?.mul(g)
    }
}

/// Variances, standard deviations and norms.
impl Tensor {
    /// The variance of all elements, `Σ (x − mean)² / (n − 1)`; NaN for fewer than two.
    ///
    /// [`torch.var`](https://docs.pytorch.org/docs/stable/generated/torch.var.html); [`var_dim`](Self::var_dim) takes
    /// another `correction` than 1.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1.0_f32, 2.0, 3.0]).var()?.item::<f32>()?, 1.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn var(&self) -> Result<Tensor> {
        self.deviation(false, None, 1.0, false)
    }

    /// The variances over some dimensions (none named: all), which disappear unless `keepdim`:
    /// `Σ (x − mean)² / (n − correction)`, where a negative divisor counts as 0.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Dim`](crate::Error::Dim) for a dimension out of range, [`Error::Argument`](crate::Error::Argument) for
    /// one named twice.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, 3.0], [2.0, 6.0]]);
    /// assert_eq!(x.var_dim(1, 0.0, false)?, Tensor::from([1.0_f32, 4.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn var_dim(&self, dims: impl Into<Dims>, correction: f64, keepdim: bool) -> Result<Tensor> {
        self.deviation(false, Some(dims.into()), correction, keepdim)
    }

    /// The standard deviation of all elements, the square root of [`var`](Self::var). Its gradient is 0 where it is 0.
    ///
    /// [`torch.std`](https://docs.pytorch.org/docs/stable/generated/torch.std.html); [`std_dim`](Self::std_dim) takes
    /// another `correction` than 1.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1.0_f32, 3.0, 5.0]).std()?.item::<f32>()?, 2.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn std(&self) -> Result<Tensor> {
        self.deviation(true, None, 1.0, false)
    }

    /// The standard deviations over some dimensions (none named: all), the square roots of [`var_dim`](Self::var_dim).
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Dim`](crate::Error::Dim) for a dimension out of range, [`Error::Argument`](crate::Error::Argument) for
    /// one named twice.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1.0_f32, 3.0], [2.0, 6.0]]);
    /// assert_eq!(x.std_dim(1, 0.0, false)?, Tensor::from([1.0_f32, 2.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn std_dim(&self, dims: impl Into<Dims>, correction: f64, keepdim: bool) -> Result<Tensor> {
        self.deviation(true, Some(dims.into()), correction, keepdim)
    }

    #[inline]
    fn deviation(&self, root: bool, dims: Option<Dims>, correction: f64, keepdim: bool) -> Result<Tensor> {
        let (op, name) = if root { ("std", "StdBackward0") } else { ("var", "VarBackward0") };
        self.dtype().check_float(op)?;
        let all = self.dim() == 0 || dims.as_ref().is_none_or(|dims| dims.is_empty());
        let mask = dims.map_or(Ok(ALL), |dims| self.shape().dims(op, &dims))?;
        let plan = Plan::in_any_order(op, self.value(), &mask, keepdim)?;
        let value = plan.finish(op, variance(op, &plan, correction, root)?)?;
        let (n, kept) = (plan.n as f64, plan.kept);
        let slope = move |g: &Tensor, x: &Tensor| {
            let (g, mean) = (g.reshape(&kept)?, x.sum_over(&mask, true)?.div(n)?);
            if all && n <= correction {
                // PyTorch's convention where the divisor is not positive.
                return g.mul(&Tensor::where_(&x.eq(&mean)?, f64::NAN, f64::INFINITY)?);
            }
            g.mul(2.0 / (n - correction))?.mul(&x.sub(&mean)?)
        };
        if !root {
            return Ok(record(name, value, [edge(self, self, move |g, x| slope(g, x))]));
        }
        let back = edge(self, self, move |g, x| {
            let y = g.output();
            slope(&g.div(&y.mul(2)?)?.masked_fill(&y.eq(0)?, 0)?, x)
        });
        Ok(record_output(name, value, [back]))
    }

    /// The `p`-norm of all elements, `(Σ |x|^p)^(1/p)`: Euclid's for 2, the largest and the smallest absolute value for
    /// ±∞, the number of elements other than 0 for 0. Its gradient is 0 where it is 0.
    ///
    /// [`torch.norm`](https://docs.pytorch.org/docs/stable/generated/torch.norm.html), whose default is 2; its nuclear norm
    /// is not provided.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Shape`](crate::Error::Shape) without elements if `p` is negative or ∞.
    ///
    /// ```
    /// let x = downhill::Tensor::from([3.0_f32, -4.0]);
    /// assert_eq!(x.norm(2.0)?.item::<f32>()?, 5.0);
    /// assert_eq!(x.norm(f64::INFINITY)?.item::<f32>()?, 4.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    #[doc(alias = "vector_norm")]
    pub fn norm(&self, p: f64) -> Result<Tensor> {
        self.normed(p, &ALL, false)
    }

    /// The `p`-norms over some dimensions (none named: all), which disappear unless `keepdim`; see [`norm`](Self::norm).
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Dim`](crate::Error::Dim) for a dimension out of range, [`Error::Argument`](crate::Error::Argument) for
    /// one named twice, [`Error::Shape`](crate::Error::Shape) for one of size 0 if `p` is negative or ∞.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[3.0_f32, -4.0], [0.0, 1.0]]);
    /// assert_eq!(x.norm_dim(1.0, 1, false)?, Tensor::from([7.0_f32, 1.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn norm_dim(&self, p: f64, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        let mask = self.shape().dims("norm", &dims.into())?;
        self.normed(p, &mask, keepdim)
    }

    #[inline]
    fn normed(&self, p: f64, mask: &Mask, keepdim: bool) -> Result<Tensor> {
        self.dtype().check_float("norm")?;
        if p < 0.0 || p == f64::INFINITY {
            check_empty("norm", self.shape(), mask)?;
        }
        let plan = Plan::in_any_order("norm", self.value(), mask, keepdim)?;
        let saved = (self.clone(), plan.kept, *mask);
        let value = plan.finish("norm", norms(&plan, p)?)?;
        let back = edge(self, &saved, move |g, (x, kept, mask)| {
            norm_slope(&g.reshape(kept)?, x, &g.output().reshape(kept)?, p, mask)
        });
        Ok(record_output("LinalgVectorNormBackward0", value, [back]))
    }
}
