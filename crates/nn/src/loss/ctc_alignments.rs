//! The alignments of connectionist temporal classification: the sum over all alignments of a target, forwards and backwards.
//!
//! All of it is computed in `f64`: a log-likelihood of a thousand steps is a number of four digits, and the posteriors are
//! exponentials of differences of such, which in `f32` have three digits left.

use super::scratch;
use downhill_tensor::kernels::inlined;
use downhill_tensor::real::Real;
use downhill_tensor::{
    Element, Float, IntoShape, Result, Shape, Tensor, arange, full, kernels, memory, no_grad,
};
use std::iter::repeat_n;

pub(super) const OP: &str = "ctc_loss";

/// Additions that one state of a step costs: three exponentials and a logarithm.
const WORK: usize = 16;

/// A batch of targets, each with blanks before, between and after its labels: the states that an alignment passes.
#[derive(Clone, Debug)]
pub(super) struct Alignments {
    pub(super) steps: usize,
    pub(super) batch: usize,
    pub(super) classes: usize,
    /// The states of the longest target.
    pub(super) states: usize,
    /// `(batch, states)`: the class of each state; blanks behind a shorter target.
    pub(super) labels: Vec<usize>,
    /// Steps of each input.
    pub(super) inputs: Vec<usize>,
    /// Labels of each target.
    pub(super) targets: Vec<usize>,
}

/// `ln(eᵃ + eᵇ + eᶜ)`.
#[inline(always)]
fn log_add(a: f64, b: f64, c: f64) -> f64 {
    let max = Real::max(Real::max(a, b), c);
    // Three −∞ have −∞, not the NaN of their differences.
    let max = if max == f64::NEG_INFINITY { 0.0 } else { max };
    Real::ln(Real::exp(a - max) + Real::exp(b - max) + Real::exp(c - max)) + max
}

/// The logarithm of a way there, −∞ where it is barred, even if it is NaN.
#[inline(always)]
fn unless(barred: bool, way: f64) -> f64 {
    if barred { f64::NEG_INFINITY } else { way }
}

impl Alignments {
    /// The divisor of each sample's loss in a mean: the length of its target, at least 1.
    #[inline]
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.targets.iter().map(|&length| length.max(1))
    }

    /// The states of one sample.
    #[inline]
    fn states_of(&self, n: usize) -> &[usize] {
        &self.labels[n * self.states..][..=2 * self.targets[n]]
    }

    /// Whether an alignment may come to this state from the one before the last: not past a label, and not between equal
    /// labels, which only a blank keeps apart.
    #[inline]
    fn jumps(labels: &[usize], s: usize) -> bool {
        s >= 2 && labels[s] != labels[s - 2]
    }

    /// Where an alignment may not jump to a state. Two entries more than states.
    #[inline]
    fn barred(labels: &[usize]) -> Vec<bool> {
        scratch((0..labels.len() + 2).map(|s| s >= labels.len() || !Self::jumps(labels, s)))
    }

    /// The log-probabilities of the states of sample `n` at step `t`.
    #[inline(always)]
    fn pick<T: Float>(&self, x: &[T], n: usize, t: usize, labels: &[usize], out: &mut [f64]) {
        let x = &x[(t * self.batch + n) * self.classes..][..self.classes];
        for (o, &c) in out.iter_mut().zip(labels) {
            *o = x[c].cast();
        }
    }

    /// A row of `alpha`: two entries of −∞, so that every state has two before it, and the states.
    #[inline]
    fn row(&self) -> usize {
        self.states + 2
    }

    /// The shape of `alpha`, the scratch of all samples: a row before the first step and one a step.
    fn alpha(&self) -> [usize; 3] {
        [self.batch, self.steps + 1, self.row()]
    }

    /// An error if there is no memory for what the jobs take.
    fn check_scratch(&self) -> Result<()> {
        memory::check_jobs::<[f64; 4]>(OP, self.row().max(self.classes))
    }

    /// Minus the log-likelihoods. Fills `alpha`: of each step and state the log-probability of all ways there.
    fn forward<T: Float>(&self, x: &[T], alpha: &mut [f64], nll: &mut [f64]) {
        let size = (self.steps + 1) * self.row();
        kernels::write_rows::<f64, _, _>(
            size,
            alpha,
            nll,
            WORK,
            inlined!(|first, alpha, nll| {
                for (i, nll) in nll.iter_mut().enumerate() {
                    *nll = self.forward_one(x, first + i, &mut alpha[i * size..][..size]);
                }
            }),
        );
    }

    /// [`forward`](Self::forward) of sample `n`.
    #[inline(always)]
    fn forward_one<T: Float>(&self, x: &[T], n: usize, alpha: &mut [f64]) -> f64 {
        let none = f64::NEG_INFINITY;
        let (labels, row) = (self.states_of(n), self.row());
        let (barred, count) = (Self::barred(labels), labels.len());
        let mut own = scratch(repeat_n(none, count));
        alpha[..row].fill(none);
        alpha[2] = 0.0;
        for (t, start) in (0..self.inputs[n]).map(|t| (t, t * row)) {
            let (before, now) = alpha[start..].split_at_mut(row);
            self.pick(x, n, t, labels, &mut own);
            if t == 0 {
                // It begins with the first blank or the first label; what other states have, if it be NaN, is not seen.
                let begin = count.min(2);
                now.fill(none);
                now[2..][..begin].copy_from_slice(&own[..begin]);
                continue;
            }
            now[..2].fill(none);
            let now = &mut now[2..][..count];
            let (stay, step, jump) = (&before[2..][..count], &before[1..][..count], &before[..count]);
            for (s, o) in now.iter_mut().enumerate() {
                *o = log_add(stay[s], step[s], unless(barred[s], jump[s])) + own[s];
            }
        }
        let last = &alpha[self.inputs[n] * row..][..count + 2];
        // It ends in the last blank or the last label, if there is one.
        if count > 1 { -log_add(last[count + 1], last[count], none) } else { -last[2] }
    }

    /// For each sample, step and state the probability that an alignment passes it. `alpha` is from [`forward`](Self::forward).
    fn posterior<T: Float>(&self, x: &[T], alpha: &[f64], nll: &[f64], out: &mut [f64]) {
        let size = self.steps * self.states;
        kernels::for_chunks(
            out,
            size,
            WORK,
            inlined!(|start, out| {
                let none = f64::NEG_INFINITY;
                let (n, row) = (start / size, self.row());
                let alpha = &alpha[n * (self.steps + 1) * row..][..(self.steps + 1) * row];
                let (labels, steps) = (self.states_of(n), self.inputs[n]);
                let (barred, count) = (Self::barred(labels), labels.len());
                let none_of = |count| scratch(repeat_n(none, count));
                let (mut own, mut tail, mut next) = (none_of(count), none_of(count), none_of(count + 2));
                tail[count.saturating_sub(2)..].fill(0.0);
                for t in (0..steps).rev() {
                    // At the end only the last blank and the last label count.
                    let first = if t + 1 < steps { 0 } else { count.saturating_sub(2) };
                    if t + 1 < steps {
                        for (s, o) in tail.iter_mut().enumerate() {
                            *o = log_add(next[s], next[s + 1], unless(barred[s + 2], next[s + 2]));
                        }
                    }
                    let alpha = &alpha[(t + 1) * row + 2..][..count];
                    self.pick(x, n, t, labels, &mut own);
                    let ways = alpha[first..].iter().zip(&tail[first..]).zip(&own[first..]);
                    for (o, ((&before, &behind), &own)) in
                        out[t * self.states..][first..count].iter_mut().zip(ways)
                    {
                        // NaN where the log-probability is infinite.
                        *o = Real::exp(before + behind + nll[n] + 0.0 * own);
                    }
                    let ways = tail[first..].iter().zip(&own[first..]);
                    for (o, (&behind, &own)) in next[first..count].iter_mut().zip(ways) {
                        *o = behind + own;
                    }
                }
            }),
        );
    }

    /// PyTorch's gradient: `g · (exp(x) − posterior)` of each sample's steps, 0 behind them; NaN where `x` is −∞ and of
    /// samples without an alignment, unless these count as 0.
    pub(super) fn gradient<T: Float>(
        &self,
        shape: &Shape,
        (x, alpha, nll): (&[T], &[f64], &[f64]),
        g: &[f64],
        zero_infinity: bool,
    ) -> Result<Tensor> {
        self.check_scratch()?;
        let posterior = [self.batch, self.steps, self.states].into_shape(OP)?.numel();
        let mut posterior = memory::vec(OP, 0.0, posterior)?;
        self.posterior(x, alpha, nll, &mut posterior);
        let rows_a_chunk = ((1 << 13) / self.classes).max(1);
        let write = |out: &mut [T]| {
            kernels::for_chunks(
                out,
                rows_a_chunk * self.classes,
                4,
                inlined!(|start, out| {
                    let mut row = scratch(repeat_n(0.0, self.classes));
                    for (i, out) in out.chunks_exact_mut(self.classes).enumerate() {
                        let r = start / self.classes + i;
                        let (t, n) = (r / self.batch, r % self.batch);
                        let (impossible, unknown) = (nll[n] == f64::INFINITY, nll[n].is_nan());
                        if t >= self.inputs[n] || (impossible && zero_infinity) {
                            out.fill(T::default());
                            continue;
                        }
                        let x = &x[r * self.classes..][..self.classes];
                        for (o, &x) in row.iter_mut().zip(x) {
                            *o = Real::exp(x.cast::<f64>());
                        }
                        let visited = &posterior[(n * self.steps + t) * self.states..];
                        for (&c, &p) in self.states_of(n).iter().zip(visited) {
                            row[c] -= p;
                        }
                        let g = g[n];
                        for ((o, &slope), &x) in out.iter_mut().zip(&row).zip(x) {
                            let undefined = impossible || unknown || x == T::lit(f64::NEG_INFINITY);
                            *o = T::select(undefined, T::lit(f64::NAN), (slope * g).cast());
                        }
                    }
                }),
            );
        };
        Tensor::build(shape, write)
    }

    /// Minus the log-likelihoods plus `Σ exp(x)` over the steps, in tensor operations. The sum is what makes its gradient
    /// `exp(x) − posterior`; of log-probabilities it is the number of steps. It is NaN where the gradient shall be: of samples that
    /// are `undefined`, and where `x` is −∞.
    #[inline]
    pub(super) fn potential(&self, x: &Tensor, undefined: &Tensor) -> Result<Tensor> {
        let (n, s) = (self.batch, self.states);
        let none = full([n, 2], f64::NEG_INFINITY)?.try_to_dtype(x.dtype())?;
        let labels = Tensor::from_slice(&self.labels, [n, s])?;
        let barred = |i: usize| !Self::jumps(&self.labels[i / s * s..][..s], i % s);
        let barred = Tensor::from_vec(memory::collect(OP, (0..n * s).map(barred))?, [n, s])?;
        let steps = Tensor::from_slice(&self.inputs, [n, 1])?;
        let own = x.gather(2, &labels.unsqueeze(0)?.expand([self.steps, n, s])?)?;
        let start = (0..n * s).map(|i| if i % s == 0 { 0.0 } else { f64::NEG_INFINITY });
        let start = memory::collect(OP, start)?;
        let mut alpha = Tensor::from_vec(start, [n, s])?.try_to_dtype(x.dtype())?;
        for t in 0..self.steps {
            let padded = Tensor::cat(&[&none, &alpha], 1)?;
            let (step, jump) = (padded.narrow(1, 1, s)?, padded.narrow(1, 0, s)?);
            let ways = [alpha.clone(), step, jump.masked_fill(&barred, f64::NEG_INFINITY)?];
            let now = sum_of_exp(&ways)?.add(&own.select(0, t as i64)?)?;
            alpha = Tensor::where_(&steps.gt(t)?, &now, &alpha)?;
        }
        let last = Tensor::from_slice(&self.targets, [n, 1])?.mul(2)?;
        let label = alpha.gather(1, &last.sub(1)?.clamp_min(0)?)?;
        let label = label.masked_fill(&last.eq(0)?, f64::NEG_INFINITY)?;
        let likelihood = sum_of_exp(&[alpha.gather(1, &last)?, label])?.squeeze_dim(1)?;
        self.mass(x, &steps, undefined)?.sub(&likelihood)
    }

    /// `Σ exp(x)` of each sample over the steps that it has.
    #[inline]
    fn mass(&self, x: &Tensor, steps: &Tensor, undefined: &Tensor) -> Result<Tensor> {
        let step = arange(0, self.steps as i64, 1)?.unsqueeze(0)?;
        let behind = step.ge(steps)?.t()?.unsqueeze(2)?;
        let nan_where = |mask: &Tensor| Tensor::where_(mask, f64::NAN, 1.0);
        // Before and after, so that a NaN behind the steps is not seen.
        let mass = x.masked_fill(&behind, 0)?.try_exp()?.masked_fill(&behind, 0)?;
        let mass = mass.mul(&nan_where(&x.eq(f64::NEG_INFINITY)?)?)?;
        mass.mul(&nan_where(undefined)?.unsqueeze(1)?)?.sum_dim([0, 2], false)
    }
}

/// `ln Σ eˣ` of tensors of one shape; where all are −∞ it is −∞, with a gradient of 0.
#[inline]
fn sum_of_exp(xs: &[Tensor]) -> Result<Tensor> {
    let max = no_grad(|| {
        let max = xs[1..].iter().try_fold(xs[0].detach(), |max, x| max.maximum(x))?;
        max.masked_fill(&max.eq(f64::NEG_INFINITY)?, 0)
    })?;
    let mut sum = xs[0].sub(&max)?.try_exp()?;
    for x in &xs[1..] {
        sum = sum.add(&x.sub(&max)?.try_exp()?)?;
    }
    let empty = sum.eq(0)?;
    sum.masked_fill(&empty, 1)?.try_log()?.add(&max)?.masked_fill(&empty, f64::NEG_INFINITY)
}

/// The alignments's values of a tensor of log-probabilities: minus the log-likelihoods, and the scratch.
pub(super) fn evaluate<T: Float>(alignments: &Alignments, x: &Tensor) -> Result<(Vec<f64>, Tensor)> {
    let x = x.as_slice::<T>()?;
    alignments.check_scratch()?;
    let mut nll = memory::vec(OP, 0.0, alignments.batch)?;
    let alpha = Tensor::build(alignments.alpha(), |out| alignments.forward(x, out, &mut nll))?;
    Ok((nll, alpha))
}
