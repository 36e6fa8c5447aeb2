//! What logits say of their row: a maximum and sums relative to it, tile by tile.

use downhill_tensor::{Float, kernels};

/// Terms that are added up in the element type before they go to an `f64`.
const RUN: usize = 16;

/// Statistics of one row of logits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stat {
    pub(super) max: f64,
    /// `Σ exp(z − max)` without the target's.
    pub(super) others: f64,
    /// The target's logit.
    pub(super) own: f64,
    /// `Σ q z` over the classes' spread factors `q`.
    pub(super) spread: f64,
}

impl Stat {
    /// The statistics of no logits.
    pub(super) const EMPTY: Self =
        Self { max: f64::NEG_INFINITY, others: 0.0, own: f64::NEG_INFINITY, spread: 0.0 };

    /// The statistics of these classes and of `more` together.
    #[inline]
    pub(super) fn and(self, more: Self) -> Self {
        let own = if more.own == f64::NEG_INFINITY { self.own } else { more.own };
        // The sum of classes that are all −∞ is 0 already, or NaN.
        let scaled = |part: Self, max: f64| {
            if part.max == f64::NEG_INFINITY { part.others } else { part.others * (part.max - max).exp() }
        };
        let max = self.max.max(more.max);
        Self { max, others: scaled(self, max) + scaled(more, max), own, spread: self.spread + more.spread }
    }

    /// The target's `exp(z − max)`, and all of them.
    #[inline]
    pub(super) fn sum(&self) -> (f64, f64) {
        let own = if self.own == f64::NEG_INFINITY { 0.0 } else { (self.own - self.max).exp() };
        (own, self.others + own)
    }

    /// `ln Σ exp(z)`
    #[inline]
    pub(super) fn log_sum(&self) -> f64 {
        self.max + self.sum().1.ln()
    }

    /// Minus the logarithm of the target's probability.
    #[inline]
    pub(super) fn loss(&self) -> f64 {
        let (own, total) = self.sum();
        // ln(1 + rest) keeps what is left of a probability near 1.
        if own > self.others { (self.others / own).ln_1p() } else { total.ln() - (self.own - self.max) }
    }
}

/// Running sums over a tile of logits, with a lane for each row.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    max: Vec<T>,
    /// The number that is subtracted before the exponential.
    shift: Vec<T>,
    run: Vec<T>,
    sum: Vec<f64>,
    /// [`Stat::spread`] of the tile, for the caller to fill.
    pub(super) spread: Vec<f64>,
}

impl<T: Float> Lanes<T> {
    #[inline]
    pub(super) fn new(rows: usize) -> Self {
        let zeros = || vec![T::default(); rows];
        Self { max: zeros(), shift: zeros(), run: zeros(), sum: vec![0.0; rows], spread: vec![0.0; rows] }
    }

    /// Adds a tile, class by class, to the statistics. `own` is the place of a row's target in it.
    #[inline(always)]
    pub(super) fn add(&mut self, z: &mut [T], own: impl Fn(usize) -> Option<usize>, stats: &mut [Stat]) {
        let n = stats.len();
        let lowest = T::lit(f64::NEG_INFINITY);
        let Self { max, shift, run, sum, spread } = self;
        max.fill(lowest);
        for z in z.chunks_exact(n) {
            for (m, &z) in max.iter_mut().zip(z) {
                *m = if z > *m { z } else { *m };
            }
        }
        // Set the targets' logits apart: 1 − p is the sum of the others, without a difference.
        for (r, stat) in stats.iter_mut().enumerate() {
            if let Some(place) = own(r) {
                stat.own = z[place].cast();
                z[place] = lowest;
            }
        }
        // Of classes that are all −∞ the maximum counts as 0: their sum is then 0 and not NaN.
        for (shift, &m) in shift.iter_mut().zip(&*max) {
            *shift = if m == lowest { T::default() } else { m };
        }
        sum.fill(0.0);
        for z in z.chunks(RUN * n) {
            run.fill(T::default());
            for z in z.chunks_exact(n) {
                for ((s, &z), &shift) in run.iter_mut().zip(z).zip(&*shift) {
                    *s += kernels::fast_exp(z - shift);
                }
            }
            sum.iter_mut().zip(&*run).for_each(|(sum, s)| *sum += s.cast::<f64>());
        }
        for (r, stat) in stats.iter_mut().enumerate() {
            if let Some(place) = own(r) {
                z[place] = T::lit(stat.own);
            }
            let tile = Stat { max: max[r].cast(), others: sum[r], spread: spread[r], ..Stat::EMPTY };
            *stat = stat.and(tile);
        }
    }
}
