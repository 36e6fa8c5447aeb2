//! The norm of the difference of two rows, in `f64`.

use downhill_tensor::real::Real;
use downhill_tensor::{Float, kernels};

/// `‖u − v + eps‖ₚ`, the [`PairwiseDistance`](crate::PairwiseDistance) of two rows that have at least one number.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowNorm {
    pub(super) p: f64,
    pub(super) eps: f64,
}

/// Two rows `u` and `v` of one length with their distance, and the gradient that comes to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a, T> {
    pub(super) u: &'a [T],
    pub(super) v: &'a [T],
    pub(super) distance: f64,
    pub(super) g: f64,
}

impl RowNorm {
    /// The distance of two rows of one length.
    #[inline(always)]
    pub(super) fn distance<T: Float>(self, u: &[T], v: &[T]) -> f64 {
        // One number is its own norm: no power of it can overflow.
        let p = if u.len() == 1 && self.p != 0.0 { 1.0 } else { self.p };
        let distance = if p == 2.0 {
            self.sum(u, v, |x| x * x).sqrt()
        } else if p == 1.0 {
            self.sum(u, v, f64::abs)
        } else if p == 3.0 {
            // The usual one of the others: without a power of each number.
            self.sum(u, v, |x| x * x * x.abs()).cbrt()
        } else if p == 0.0 {
            self.sum(u, v, |x| f64::from(x != 0.0))
        } else if p.is_infinite() {
            let largest = |m: f64, x: f64| if x > m || x.is_nan() { x } else { m };
            let smallest = |m: f64, x: f64| if x < m || x.is_nan() { x } else { m };
            let numbers = u.iter().zip(v).map(|(&u, &v)| self.difference(u, v).abs());
            if p > 0.0 { numbers.fold(0.0, largest) } else { numbers.fold(f64::INFINITY, smallest) }
        } else {
            self.sum(u, v, |x| x.abs().powf(p)).powf(1.0 / p)
        };
        // Sums of powers from here on have lost nothing that counts.
        let smallest = || (f64::MIN_POSITIVE * 2_f64.powi(64)).powf(1.0 / p);
        let safe = p == 0.0 || p == 1.0 || p.is_infinite() || distance.is_nan();
        let safe = safe || distance < f64::INFINITY && (p >= 2.0 && distance > 1.0 || distance > smallest());
        if safe { distance } else { self.rescaled(u, v, p, distance) }
    }

    /// The distance where powers are too large or too small: with the number that decides scaled to 1, as in
    /// [`Tensor::norm`](downhill_tensor::Tensor::norm).
    #[cold]
    fn rescaled<T: Float>(self, u: &[T], v: &[T], p: f64, distance: f64) -> f64 {
        let numbers = || u.iter().zip(v).map(|(&u, &v)| self.difference(u, v).abs());
        let unit =
            if p > 0.0 { numbers().fold(0.0, f64::max) } else { numbers().fold(f64::INFINITY, f64::min) };
        if unit == 0.0 || unit.is_infinite() {
            return distance;
        }
        unit * numbers().map(|x| (x / unit).powf(p)).sum::<f64>().powf(1.0 / p)
    }

    #[inline(always)]
    fn difference<T: Float>(self, u: T, v: T) -> f64 {
        u.cast::<f64>() - v.cast::<f64>() + self.eps
    }

    #[inline(always)]
    fn sum<T: Float>(self, u: &[T], v: &[T], f: impl Fn(f64) -> f64 + Sync) -> f64 {
        kernels::sum(
            [u, v],
            u.len(),
            #[inline(always)]
            |[u, v]| f(self.difference(u, v)),
        )
    }

    /// The gradient of all pairs' distances to their first rows, rounded once. With a negative `g` it is that to the second.
    // What is 0, shared or NaN is so in the gradient of `Tensor::norm`.
    #[inline(always)]
    pub(super) fn gradient<T: Float, const N: usize>(self, pairs: [Pair<'_, T>; N], out: &mut [T]) {
        let p = self.p;
        // What all numbers of a pair are multiplied by.
        let scale = |pair: &Pair<'_, T>| match pair.distance {
            _ if p == 0.0 => 0.0,
            _ if p == 1.0 => pair.g,
            d if p.is_infinite() => {
                let hits =
                    pair.u.iter().zip(pair.v).filter(|(u, v)| hit(self.difference(**u, **v), d)).count();
                pair.g / hits as f64
            }
            0.0 => 0.0,
            d if p == 2.0 => pair.g / d,
            _ => pair.g,
        };
        let scales = pairs.each_ref().map(scale);
        // Powers of quotients, since those of the numbers themselves may be infinite.
        let part = |x: f64, d: f64| if d == 0.0 { 0.0 } else { x / d };
        if p == 2.0 {
            self.fill(pairs, scales, out, |x, _| x);
        } else if p == 3.0 {
            self.fill(pairs, scales, out, |x, d| part(x, d) * part(x, d).abs());
        } else if p == 0.0 || p == 1.0 {
            self.fill(pairs, scales, out, |x, _| Real::sign(x));
        } else if p.is_infinite() {
            self.fill(pairs, scales, out, |x, d| if hit(x, d) { Real::sign(x) } else { 0.0 });
        } else if p < 1.0 {
            self.fill(pairs, scales, out, |x, d| {
                if x == 0.0 || d == 0.0 { 0.0 } else { Real::sign(x) * (x / d).abs().powf(p - 1.0) }
            });
        } else if p < 2.0 {
            self.fill(pairs, scales, out, |x, d| Real::sign(x) * part(x, d).abs().powf(p - 1.0));
        } else {
            self.fill(pairs, scales, out, |x, d| part(x, d) * part(x, d).abs().powf(p - 2.0));
        }
    }

    /// `out = Σ slope(difference, distance) · scale` over the pairs.
    #[inline(always)]
    fn fill<T: Float, const N: usize>(
        self,
        pairs: [Pair<'_, T>; N],
        scales: [f64; N],
        out: &mut [T],
        slope: impl Fn(f64, f64) -> f64,
    ) {
        // Of one length, so that no index is checked.
        let pairs = pairs.map(|pair| Pair { u: &pair.u[..out.len()], v: &pair.v[..out.len()], ..pair });
        for (i, o) in out.iter_mut().enumerate() {
            let mut sum = 0.0;
            for (pair, scale) in pairs.iter().zip(&scales) {
                sum += slope(self.difference(pair.u[i], pair.v[i]), pair.distance) * scale;
            }
            *o = T::lit(sum);
        }
    }
}

/// Whether a difference is one of those that make the distance, for `p` = ±∞.
#[inline(always)]
fn hit(x: f64, distance: f64) -> bool {
    x.abs() == distance || (x.is_nan() && distance.is_nan())
}
