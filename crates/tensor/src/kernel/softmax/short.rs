//! Rows shorter than a vector: their exponentials are computed side by side, the rest row by row.

use super::super::parallel;
use super::super::real::{Float, Real};
use super::super::simd::{inlined, vectorize};
use super::super::sizes::ROW_BLOCK;
use super::rows::{
    SURE, WIDE, WORK, centred, dot, exponentials_of_rows, fast_exps, largest_log, log_sum, place, shift,
    sure_slope, total,
};

/// Rows that are worked on at once.
const ROWS: usize = 64;

/// Calls `f(first, out)` for groups of at most [`ROWS`] rows of `n`, compiled for the vector unit.
fn for_groups<T: Float>(n: usize, out: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    let size = ROWS * n;
    parallel::for_chunks(out, (ROW_BLOCK / size).max(1) * size, WORK, &|start, chunk| {
        vectorize!(T: for (i, out) in chunk.chunks_mut(size).enumerate() {
            f(start + i * size, out);
        });
    });
}

/// `out = exp(x − max)`; the maxima and sums of as many rows as there are.
#[inline(always)]
fn stats<T: Float>(x: &[T], n: usize, out: &mut [T]) -> [(T, T); ROWS] {
    let mut stats = [(T::default(), T::default()); ROWS];
    exponentials_of_rows(x, n, out, &mut stats[..out.len() / n]);
    stats
}

pub(super) fn log_softmax<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    for_groups(
        n,
        out,
        inlined!(|at, out| {
            let x = &x[at..at + out.len()];
            let stats = stats(x, n, out);
            let mut logs = [T::default(); ROWS];
            for (log, (_, sum)) in logs[..out.len() / n].iter_mut().zip(&stats) {
                *log = Float::fast_ln(*sum);
            }
            let rows = x.chunks_exact(n).zip(out.chunks_exact_mut(n));
            for ((row, out), (&(max, sum), &log)) in rows.zip(stats.iter().zip(&logs)) {
                for (o, &x) in out.iter_mut().zip(row) {
                    *o = shift(x, max, log);
                }
                if sum < T::lit(SURE) {
                    let at = place(row, max);
                    out[at] = largest_log(row, at, max);
                }
            }
        }),
    );
}

pub(super) fn softmax<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    for_groups(
        n,
        out,
        inlined!(|at, out| {
            let stats = stats(&x[at..at + out.len()], n, out);
            for (row, (_, sum)) in out.chunks_exact_mut(n).zip(stats) {
                let scale = T::lit(1.0) / sum;
                for o in row {
                    *o = *o * scale;
                }
            }
        }),
    );
}

pub(super) fn log_sum_exp<T: Float>(x: &[T], n: usize, out: &mut [T]) {
    parallel::for_chunks(out, ROW_BLOCK, n * WORK, &|start, out| {
        vectorize!(T: for (i, out) in out.chunks_mut(ROWS).enumerate() {
            let mut scratch = [T::default(); ROWS * WIDE];
            let x = &x[(start + i * ROWS) * n..][..out.len() * n];
            let stats = stats(x, n, &mut scratch[..x.len()]);
            for (o, (max, sum)) in out.iter_mut().zip(stats) {
                *o = log_sum(max, sum);
            }
        });
    });
}

pub(super) fn log_softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, out: &mut [T]) {
    for_groups(
        n,
        out,
        inlined!(|at, out| {
            let (y, g) = (&y[at..at + out.len()], &g[at..at + out.len()]);
            out.copy_from_slice(y);
            fast_exps(out);
            for ((row, y), g) in out.chunks_exact_mut(n).zip(y.chunks_exact(n)).zip(g.chunks_exact(n)) {
                let sum: T = total(g);
                for (o, &g) in row.iter_mut().zip(g) {
                    *o = Real::mul_add(-*o, sum, g);
                }
                let (sure, slope) = sure_slope(y, g);
                if let Some(o) = row.get_mut(sure) {
                    *o = slope;
                }
            }
        }),
    );
}

pub(super) fn softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, out: &mut [T]) {
    for_groups(
        n,
        out,
        inlined!(|at, out| {
            let (y, g) = (&y[at..at + out.len()], &g[at..at + out.len()]);
            for ((row, y), g) in out.chunks_exact_mut(n).zip(y.chunks_exact(n)).zip(g.chunks_exact(n)) {
                let sum = dot(g, y);
                for ((o, &y), &g) in row.iter_mut().zip(y).zip(g) {
                    *o = centred(y, g, sum);
                }
            }
        }),
    );
}
