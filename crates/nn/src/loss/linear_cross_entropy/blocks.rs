//! A cross-entropy of `x · Wᵀ + b` in blocks of logits, so that no more than a few megabytes of them ever exist.
//!
//! A block has some rows of `x` and all classes; it lies class by class (`block[c·rows + r]`), so that a range of classes is one
//! piece of memory, a row's sums are lanes of a vector, and no product has to transpose `W`. Classes are cut into groups, which
//! go to the cores, and a group into tiles, which stay in a core's cache. A block takes two passes: logits and the statistics
//! of each row; then softmax minus target in their place, and of that the three gradients. Where even a few rows of logits
//! are too many, the second pass computes them again, tile by tile.
//!
//! Cuts depend on the sizes alone and parts are added in the order of the groups: the bits do not depend on the threads.

use super::cut::{Cut, SMALL_TILE, Sizes};
use super::stats::{Lanes, Stat};
use crate::loss::rows::Classes;
use downhill_tensor::kernels::inlined;
use downhill_tensor::{Float, Result, Tensor, kernels, memory};
use std::ops::Range;

pub(super) const OP: &str = "linear_cross_entropy";

/// The targets of the rows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a, T> {
    /// Classes, one for each row and output.
    Classes(&'a Classes),
    /// Probabilities, `(outputs, rows, classes)`.
    Probabilities(&'a [T]),
}

/// The factor of each term in what is differentiated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Factors<'a, T> {
    /// One factor for all cross-entropies, and one for all `z_loss` terms.
    Same(f64, f64),
    /// One a row and output.
    Each(&'a [T]),
}

/// The loss, ready to be computed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks<'a, T> {
    pub(super) sizes: Sizes,
    /// `(rows, features)`
    pub(super) input: &'a [T],
    /// `(outputs, classes, features)`
    pub(super) linear: &'a [T],
    /// `(outputs, classes)`
    pub(super) bias: Option<&'a [T]>,
    pub(super) target: Target<'a, T>,
    /// A factor for each class.
    pub(super) weight: Option<&'a [T]>,
    /// The weight of the target with label smoothing, and that of every class.
    pub(super) shares: (f64, f64),
    pub(super) z_loss: f64,
    /// Bytes of logits and of partial sums at a time.
    pub(super) budget: usize,
}

/// The results of a pass.
#[derive(Debug)]
pub(super) struct Found {
    /// For each row and output the cross-entropy and the `z_loss` term; zeros for an ignored one.
    pub(super) terms: Vec<[f64; 2]>,
    /// The gradients of input, linear weight, bias and probabilities that were wanted.
    pub(super) slopes: [Option<Tensor>; 4],
}

/// The numbers of each row that the second pass needs.
#[derive(Clone, Debug, Default)]
struct Slopes<T> {
    max: Vec<T>,
    /// The factor of `exp(z − max)`.
    scale: Vec<T>,
    /// The factor of the spread factors.
    spread: Vec<f64>,
    /// The gradient of the target's logit but for its spread factor.
    own: Vec<f64>,
}

/// Memory of `len` elements, counted as a tensor's.
fn scratch<T: Float>(len: usize) -> Result<Tensor> {
    Tensor::build([len], |_: &mut [T]| ())
}

/// The `i`-th part of this length; nothing of a gradient that is not wanted.
fn part_of<T>(all: &mut [T], i: usize, len: usize) -> &mut [T] {
    all.get_mut(i * len..(i + 1) * len).unwrap_or_default()
}

/// One block of rows for one output.
struct Block<'a, T> {
    all: &'a Blocks<'a, T>,
    cut: Cut,
    output: usize,
    /// Which rows, without the ignored ones.
    rows: &'a [usize],
    /// The rows' inputs as a matrix, and its transpose.
    x: &'a [T],
    transposed: &'a [T],
}

impl<T: Float> Blocks<'_, T> {
    /// The terms, and for given factors the gradients that are wanted.
    #[inline]
    pub(super) fn pass(&self, factors: Option<Factors<'_, T>>, wanted: [bool; 4]) -> Result<Found> {
        let Sizes { rows, features, classes, outputs } = self.sizes;
        let mut terms = memory::vec(OP, [0.0; 2], rows * outputs)?;
        let make =
            |i: usize, len: usize| (factors.is_some() && wanted[i]).then(|| scratch::<T>(len)).transpose();
        let mut slopes = [
            make(0, rows * features)?,
            make(1, outputs * classes * features)?,
            make(2, outputs * classes)?,
            make(3, outputs * rows * classes)?,
        ];
        let mut out: Vec<&mut [T]> = Vec::with_capacity(4);
        for slope in &mut slopes {
            out.push(match slope {
                Some(slope) => slope.make_mut::<T>()?,
                None => &mut [],
            });
        }
        let [dx, dw, db, dt] = &mut out[..] else { return Ok(Found { terms, slopes }) };
        dx.fill(T::default());
        db.fill(T::default());
        if classes * rows == 0 {
            dw.fill(T::default());
            return Ok(Found { terms, slopes });
        }
        let backward = !(dx.is_empty() && dw.is_empty() && db.is_empty());
        let cut = Cut::new(self.sizes, self.budget / size_of::<T>());
        let cut = Cut { kept: cut.kept && backward, ..cut };
        let (n, tile) = (cut.rows, cut.tile);
        let products =
            [[tile, features, n], [tile, n, features], [n, tile, features], [SMALL_TILE, features, classes]];
        memory::check::<u8>(OP, products.map(kernels::matmul_scratch::<T>).into_iter().max().unwrap_or(0))?;
        let mut x = scratch::<T>(cut.rows * features)?;
        let mut z = scratch::<T>(cut.logits(classes))?;
        let mut parts = scratch::<T>(if dx.is_empty() { 0 } else { cut.groups * cut.rows * features })?;
        let mut transposed = scratch::<T>(cut.rows * features)?;
        let (x, z, parts) = (x.make_mut::<T>()?, z.make_mut::<T>()?, parts.make_mut::<T>()?);
        let transposed = transposed.make_mut::<T>()?;
        for output in 0..outputs {
            let live = self.live(output)?;
            let dw = part_of(dw, output, classes * features);
            let db = part_of(db, output, classes);
            if live.is_empty() {
                dw.fill(T::default());
            }
            for (i, rows) in live.chunks(cut.rows).enumerate() {
                let x = &mut x[..rows.len() * features];
                for (x, &r) in x.chunks_exact_mut(features.max(1)).zip(rows) {
                    x.copy_from_slice(&self.input[r * features..][..features]);
                }
                // Once: each tile's product would do it again.
                for (k, transposed) in transposed.chunks_exact_mut(rows.len()).take(features).enumerate() {
                    transposed.iter_mut().zip(x.iter().skip(k).step_by(features)).for_each(|(t, &x)| *t = x);
                }
                let block = Block { all: self, cut, output, rows, x, transposed };
                let stats = block.statistics(z)?;
                for (&r, term) in rows.iter().zip(block.terms(&stats)?) {
                    terms[r * outputs + output] = term;
                }
                let Some(factors) = factors else { continue };
                if !dt.is_empty() {
                    let from = output * self.sizes.rows * classes + rows[0] * classes;
                    block.probabilities(&stats, factors, &mut dt[from..][..rows.len() * classes]);
                }
                if !backward {
                    continue;
                }
                let slopes = block.slopes(&stats, factors)?;
                block.backward(&slopes, z, dw, db, parts, i > 0)?;
                block.collect(parts, dx);
            }
        }
        Ok(Found { terms, slopes })
    }

    /// The rows that count for an output.
    #[inline]
    fn live(&self, output: usize) -> Result<Vec<usize>> {
        let all = 0..self.sizes.rows;
        match self.target {
            Target::Probabilities(_) => memory::collect(OP, all),
            Target::Classes(classes) => {
                let targets = classes.targets()?;
                let counts = |r: &usize| classes.class(targets[r * self.sizes.outputs + output]).is_some();
                memory::collect(OP, all.filter(counts))
            }
        }
    }

    /// Whether every class has a factor `q`, and not the target alone.
    #[inline]
    fn spreads(&self) -> bool {
        self.shares.1 > 0.0 || matches!(self.target, Target::Probabilities(_))
    }

    #[inline(always)]
    fn class_weight(&self, c: usize) -> f64 {
        self.weight.map_or(1.0, |w| w[c].cast())
    }
}

impl<T: Float> Block<'_, T> {
    /// The class of each row; one that there is not where targets are probabilities.
    #[inline]
    fn targets(&self) -> Result<Vec<usize>> {
        let Target::Classes(classes) = self.all.target else { return Ok(vec![usize::MAX; self.rows.len()]) };
        let (targets, outputs) = (classes.targets()?, self.all.sizes.outputs);
        Ok(self.rows.iter().map(|&r| targets[r * outputs + self.output] as usize).collect())
    }

    /// The factor of `−ln p` of a class beside the target's own.
    #[inline(always)]
    fn spread(&self, c: usize, r: usize) -> f64 {
        let (share, every) = self.all.shares;
        let t = match self.all.target {
            Target::Classes(_) => 0.0,
            Target::Probabilities(t) => {
                let Sizes { rows, classes, .. } = self.all.sizes;
                t[(self.output * rows + self.rows[r]) * classes + c].cast()
            }
        };
        self.all.class_weight(c) * (share * t + every)
    }

    /// [`spread`](Self::spread), where it is the same in all rows.
    #[inline(always)]
    fn same_spread(&self, c: usize) -> Option<f64> {
        matches!(self.all.target, Target::Classes(_)).then(|| self.all.class_weight(c) * self.all.shares.1)
    }

    /// For each row the sum of its spread factors.
    #[inline]
    fn spread_totals(&self) -> Vec<f64> {
        let total = |r: usize| (0..self.all.sizes.classes).map(|c| self.spread(c, r)).sum();
        match self.all.target {
            _ if !self.all.spreads() => vec![0.0; self.rows.len()],
            Target::Classes(_) => vec![total(0); self.rows.len()],
            Target::Probabilities(_) => (0..self.rows.len()).map(total).collect(),
        }
    }

    /// The logits of some classes, class by class.
    #[inline(always)]
    fn logits(&self, classes: Range<usize>, z: &mut [T]) {
        let Sizes { features, classes: count, .. } = self.all.sizes;
        let first = self.output * count + classes.start;
        let w = &self.all.linear[first * features..];
        let n = self.rows.len();
        let run = self.all.sizes.run();
        for k in (0..features.max(1)).step_by(run) {
            let sizes = [classes.len(), run.min(features - k), n];
            kernels::matmul(sizes, (&w[k..], [features, 1]), (&self.transposed[k * n..], [n, 1]), z, k > 0);
        }
        if let Some(bias) = self.all.bias {
            for (z, &b) in z.chunks_exact_mut(n).zip(&bias[first..]) {
                for z in z {
                    *z += b;
                }
            }
        }
    }

    /// The classes of a group, with the places of its tiles in the group's part of the logits.
    #[inline(always)]
    fn tiles(&self, group: usize) -> impl Iterator<Item = (Range<usize>, Range<usize>)> + use<T> {
        let (cut, n, first) = (self.cut, self.rows.len(), group * self.cut.group);
        let end = (first + cut.group).min(self.all.sizes.classes);
        (first..end).step_by(cut.tile).map(move |c| {
            let classes = c..(c + cut.tile).min(end);
            let from = if cut.kept { (c - first) * n } else { 0 };
            (classes.clone(), from..from + classes.len() * n)
        })
    }

    /// The elements of logits that each group works in.
    #[inline]
    fn group_len(&self) -> usize {
        self.rows.len() * if self.cut.kept { self.cut.group } else { self.cut.tile }
    }

    /// About what a pass costs.
    #[inline]
    fn work(&self) -> usize {
        self.rows.len().saturating_mul(self.all.sizes.classes).saturating_mul(self.all.sizes.features + 8)
    }

    /// The first pass: logits into `z`, and what they say of each row.
    #[inline]
    fn statistics(&self, z: &mut [T]) -> Result<Vec<Stat>> {
        let (n, targets) = (self.rows.len(), self.targets()?);
        let mut parts = vec![Stat::EMPTY; n * self.cut.groups];
        let jobs = z.chunks_mut(self.group_len()).zip(parts.chunks_mut(n)).enumerate().collect();
        let work = self.work();
        kernels::for_jobs(
            jobs,
            work,
            inlined!(|(group, (z, stats)): (usize, (&mut [T], &mut [Stat]))| {
                let mut lanes = Lanes::new(n);
                for (classes, place) in self.tiles(group) {
                    let z = &mut z[place];
                    self.logits(classes.clone(), z);
                    self.add_spread(classes.clone(), z, &mut lanes.spread);
                    let own = |r: usize| {
                        classes.contains(&targets[r]).then(|| (targets[r] - classes.start) * n + r)
                    };
                    lanes.add(z, own, stats);
                }
            }),
        );
        let mut stats = vec![Stat::EMPTY; n];
        for part in parts.chunks(n) {
            stats.iter_mut().zip(part).for_each(|(stat, part)| *stat = stat.and(*part));
        }
        Ok(stats)
    }

    /// Adds, for each row, the sum of the logits times their spread factors.
    #[inline(always)]
    fn add_spread(&self, classes: Range<usize>, z: &[T], sums: &mut [f64]) {
        if !self.all.spreads() {
            return;
        }
        sums.fill(0.0);
        for (c, z) in classes.zip(z.chunks_exact(sums.len())) {
            let terms = sums.iter_mut().zip(z);
            match self.same_spread(c) {
                Some(q) => terms.for_each(|(s, &z)| *s += q * z.cast::<f64>()),
                None => {
                    terms.enumerate().for_each(|(r, (s, &z))| *s += self.spread(c, r) * z.cast::<f64>());
                }
            }
        }
    }

    /// The cross-entropy and the `z_loss` term of each row.
    #[inline]
    fn terms(&self, stats: &[Stat]) -> Result<Vec<[f64; 2]>> {
        let (targets, totals) = (self.targets()?, self.spread_totals());
        let term = |(r, s): (usize, &Stat)| {
            let log_sum = s.log_sum();
            let own = match self.all.target {
                Target::Classes(_) => self.all.shares.0 * self.all.class_weight(targets[r]) * s.loss(),
                Target::Probabilities(_) => 0.0,
            };
            let spread = if self.all.spreads() { totals[r] * log_sum - s.spread } else { 0.0 };
            let drift = if self.all.z_loss > 0.0 { self.all.z_loss * log_sum * log_sum } else { 0.0 };
            [own + spread, drift]
        };
        Ok(stats.iter().enumerate().map(term).collect())
    }

    /// The factors of a row's terms.
    #[inline]
    fn factors(&self, factors: Factors<'_, T>, r: usize) -> (f64, f64) {
        match factors {
            Factors::Same(term, drift) => (term, drift),
            Factors::Each(g) => {
                let g = g[self.rows[r] * self.all.sizes.outputs + self.output].cast();
                (g, g)
            }
        }
    }

    #[inline]
    fn slopes(&self, stats: &[Stat], factors: Factors<'_, T>) -> Result<Slopes<T>> {
        let (targets, totals) = (self.targets()?, self.spread_totals());
        let mut slopes = Slopes::default();
        for (r, s) in stats.iter().enumerate() {
            let (factor, drift) = self.factors(factors, r);
            let (own, total) = s.sum();
            let share = match self.all.target {
                Target::Classes(_) => self.all.shares.0 * self.all.class_weight(targets[r]) * factor,
                Target::Probabilities(_) => 0.0,
            };
            let drift = if self.all.z_loss > 0.0 { 2.0 * self.all.z_loss * s.log_sum() * drift } else { 0.0 };
            let rest = totals[r] * factor + drift;
            slopes.max.push(T::lit(s.max));
            slopes.scale.push(T::lit((share + rest) / total));
            slopes.spread.push(factor);
            // (p − 1) · share + p · rest, without the difference.
            slopes.own.push(own / total * rest - s.others / total * share);
        }
        Ok(slopes)
    }

    /// The second pass: the gradient of the logits in their place, and its products.
    #[inline]
    fn backward(
        &self,
        slopes: &Slopes<T>,
        z: &mut [T],
        dw: &mut [T],
        db: &mut [T],
        parts: &mut [T],
        accumulate: bool,
    ) -> Result<()> {
        let (n, targets) = (self.rows.len(), self.targets()?);
        let Sizes { features, classes: count, .. } = self.all.sizes;
        let group = self.cut.group;
        let mut dw = dw.chunks_mut((group * features).max(1));
        let mut db = db.chunks_mut(group);
        let mut parts = parts.chunks_mut((n * features).max(1));
        let job = |(i, z)| {
            let none = Option::unwrap_or_default;
            (i, z, none(dw.next()), none(db.next()), none(parts.next()))
        };
        type Job<'a, T> = (usize, &'a mut [T], &'a mut [T], &'a mut [T], &'a mut [T]);
        let jobs = z.chunks_mut(self.group_len()).take(self.cut.groups).enumerate().map(job).collect();
        kernels::for_jobs(
            jobs,
            self.work(),
            inlined!(|(group, z, dw, db, part): Job<'_, T>| {
                for (i, (classes, place)) in self.tiles(group).enumerate() {
                    let z = &mut z[place];
                    if !self.cut.kept {
                        self.logits(classes.clone(), z);
                    }
                    self.tile_slopes(classes.clone(), slopes, &targets, z);
                    let first = i * self.cut.tile;
                    if !db.is_empty() {
                        for (d, z) in db[first..].iter_mut().zip(z.chunks_exact(n)) {
                            *d += T::lit(z.iter().map(|z| z.cast::<f64>()).sum());
                        }
                    }
                    if !dw.is_empty() {
                        let sizes = [classes.len(), n, features];
                        let dw = &mut dw[first * features..];
                        kernels::matmul(sizes, (z, [n, 1]), (self.x, [features, 1]), dw, accumulate);
                    }
                    if !part.is_empty() {
                        let w = &self.all.linear[(self.output * count + classes.start) * features..];
                        let sizes = [n, classes.len(), features];
                        kernels::matmul(sizes, (z, [1, n]), (w, [features, 1]), part, i > 0);
                    }
                }
            }),
        );
        Ok(())
    }

    /// From the logits of a tile to their gradient.
    #[inline(always)]
    fn tile_slopes(&self, classes: Range<usize>, slopes: &Slopes<T>, targets: &[usize], z: &mut [T]) {
        let n = self.rows.len();
        for z in z.chunks_exact_mut(n) {
            for ((z, &max), &scale) in z.iter_mut().zip(&slopes.max).zip(&slopes.scale) {
                *z = kernels::fast_exp(*z - max) * scale;
            }
        }
        let spreads = self.all.spreads();
        if spreads {
            for (c, z) in classes.clone().zip(z.chunks_exact_mut(n)) {
                let terms = z.iter_mut().zip(&slopes.spread);
                match self.same_spread(c) {
                    Some(q) => terms.for_each(|(z, factor)| *z = *z - T::lit(q * factor)),
                    None => terms.enumerate().for_each(|(r, (z, factor))| {
                        *z = *z - T::lit(self.spread(c, r) * factor);
                    }),
                }
            }
        }
        for (r, &c) in targets.iter().enumerate() {
            if classes.contains(&c) {
                let q = if spreads { self.spread(c, r) * slopes.spread[r] } else { 0.0 };
                z[(c - classes.start) * n + r] = T::lit(slopes.own[r] - q);
            }
        }
    }

    /// Adds the groups' parts of the input's gradient to it.
    #[inline]
    fn collect(&self, parts: &mut [T], dx: &mut [T]) {
        let (n, features) = (self.rows.len(), self.all.sizes.features);
        if dx.is_empty() {
            return;
        }
        let (sum, others) = parts.split_at_mut(n * features);
        kernels::for_chunks(sum, 1 << 12, self.cut.groups, |start, sum| {
            for part in others.chunks_exact(n * features).take(self.cut.groups - 1) {
                sum.iter_mut().zip(&part[start..]).for_each(|(sum, &part)| *sum += part);
            }
        });
        for (&r, sum) in self.rows.iter().zip(sum.chunks_exact(features)) {
            let dx = &mut dx[r * features..][..features];
            dx.iter_mut().zip(sum).for_each(|(d, &sum)| *d += sum);
        }
    }

    /// The gradient of the targets' probabilities, `share · w · −ln p`: as large as they are, so its own memory takes the logits.
    #[inline]
    fn probabilities(&self, stats: &[Stat], factors: Factors<'_, T>, dt: &mut [T]) {
        let Sizes { features, classes, .. } = self.all.sizes;
        let first = self.output * classes;
        let w = &self.all.linear[first * features..];
        kernels::for_chunks(dt, SMALL_TILE * classes.max(1), features + 8, |start, dt| {
            let (from, n) = (start / classes, dt.len() / classes);
            let x = &self.x[from * features..];
            kernels::matmul([n, features, classes], (x, [features, 1]), (w, [1, features]), dt, false);
            for (r, dt) in dt.chunks_exact_mut(classes).enumerate() {
                let s = &stats[from + r];
                let (log_sum, max) = (s.others.ln(), s.max);
                let factor = self.factors(factors, from + r).0 * self.all.shares.0;
                for (c, d) in dt.iter_mut().enumerate() {
                    let z = self.all.bias.map_or(*d, |b| *d + b[first + c]).cast::<f64>();
                    *d = T::lit(factor * self.all.class_weight(c) * (log_sum - (z - max)));
                }
            }
        });
    }
}
