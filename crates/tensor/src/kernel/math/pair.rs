//! A number held as an unevaluated sum of two `f32`, about 48 bits: what a double-rounding-free `f32` logarithm needs.
//!
//! The operations are the classical error-free transformations (Dekker 1971, Knuth), with a fused
//! multiply-add for the error of a product, in the order SLEEF 3 performs them: the order decides the last bit.

/// `hi + lo`, with `lo` below the rounding error of `hi`.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) hi: f32,
    pub(super) lo: f32,
}

impl Pair {
    #[inline(always)]
    pub(super) fn new(hi: f32, lo: f32) -> Self {
        Self { hi, lo }
    }

    /// `a + b`, exactly.
    #[inline(always)]
    pub(super) fn sum(a: f32, b: f32) -> Self {
        let hi = a + b;
        let v = hi - a;
        Self::new(hi, (a - (hi - v)) + (b - v))
    }

    /// `a + b`, exactly if `|a| >= |b|`.
    #[inline(always)]
    pub(super) fn fast_sum(a: f32, b: f32) -> Self {
        let hi = a + b;
        Self::new(hi, (a - hi) + b)
    }

    /// The nearest `f32`.
    #[inline(always)]
    pub(super) fn round(self) -> f32 {
        self.hi + self.lo
    }

    /// `self * s` for a power of two `s`, exactly.
    #[inline(always)]
    pub(super) fn scale(self, s: f32) -> Self {
        Self::new(self.hi * s, self.lo * s)
    }

    #[inline(always)]
    pub(super) fn add(self, b: Self) -> Self {
        let hi = self.hi + b.hi;
        let v = hi - self.hi;
        let lo = (self.hi - (hi - v)) + (b.hi - v);
        Self::new(hi, lo + (self.lo + b.lo))
    }

    #[inline(always)]
    pub(super) fn add_f32(self, b: f32) -> Self {
        let sum = Self::sum(self.hi, b);
        Self::new(sum.hi, sum.lo + self.lo)
    }

    /// `self + b` if `|self| >= |b|`.
    #[inline(always)]
    pub(super) fn fast_add(self, b: Self) -> Self {
        let hi = self.hi + b.hi;
        Self::new(hi, (self.hi - hi) + b.hi + self.lo + b.lo)
    }

    /// `self + b` if `|self| >= |b|`.
    #[inline(always)]
    pub(super) fn fast_add_f32(self, b: f32) -> Self {
        let hi = self.hi + b;
        Self::new(hi, (self.hi - hi) + b + self.lo)
    }

    #[inline(always)]
    pub(super) fn mul(self, b: Self) -> Self {
        let hi = self.hi * b.hi;
        let error = self.hi.mul_add(b.hi, -hi);
        Self::new(hi, self.hi.mul_add(b.lo, self.lo.mul_add(b.hi, error)))
    }

    #[inline(always)]
    pub(super) fn mul_f32(self, b: f32) -> Self {
        let hi = self.hi * b;
        Self::new(hi, self.lo.mul_add(b, self.hi.mul_add(b, -hi)))
    }

    #[inline(always)]
    pub(super) fn square(self) -> Self {
        let hi = self.hi * self.hi;
        let error = self.hi.mul_add(self.hi, -hi);
        Self::new(hi, (self.hi + self.hi).mul_add(self.lo, error))
    }

    #[inline(always)]
    pub(super) fn div(self, d: Self) -> Self {
        let t = 1.0 / d.hi;
        let hi = self.hi * t;
        let error = t.mul_add(self.hi, -hi);
        let v = (-d.lo).mul_add(t, (-d.hi).mul_add(t, 1.0));
        Self::new(hi, hi.mul_add(v, self.lo.mul_add(t, error)))
    }
}
