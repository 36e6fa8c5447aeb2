//! Columns: reductions down the rows of `n × inner` matrices.
//!
//! A strip of neighbouring columns goes through all passes before the next does: from the second on they find it in the caches.

use super::super::gemm::{Block, blocks};
use super::super::parallel;
use super::super::real::{Float, Real};
use super::super::simd::{inlined, vectorize};
use super::super::sizes::{PARALLEL_MIN, ROW_BLOCK};
use super::rows::{
    SURE, SURE_LOG, WORK, centred, larger, largest_log, log_sum, place, shift, sure_slope, vector_len,
};

/// The most columns of a strip. Of 16, a row would be one cache line of each page.
const STRIP: usize = 256;

/// Neighbouring columns of an `n × inner` matrix.
#[derive(Clone, Copy)]
struct Strip {
    /// The place of the first element in the data.
    first: usize,
    n: usize,
    inner: usize,
    columns: usize,
    /// How many of the columns `PyTorch` has in whole vectors; for the others it calls the C library's exponential.
    vectors: usize,
}

impl Strip {
    fn new<T>(n: usize, inner: usize, entry: usize, (column, columns): (usize, usize)) -> Self {
        let whole = inner / vector_len::<T>() * vector_len::<T>();
        let vectors = whole.saturating_sub(column).min(columns);
        Self { first: entry * n * inner + column, n, inner, columns, vectors }
    }

    /// Row `i` of the strip in the data.
    #[inline(always)]
    fn row<T>(self, data: &[T], i: usize) -> &[T] {
        &data[self.first + i * self.inner..][..self.columns]
    }

    /// Row `i` of the result becomes `f(a, b, c)`; columns outside of whole vectors become `rest`.
    #[inline(always)]
    fn write<T: Float>(
        self,
        out: &mut [T],
        inputs: [&[T]; 3],
        f: impl Fn(T, T, T) -> T,
        rest: impl Fn(T, T, T) -> T,
    ) {
        let (vectors, tail) = out.split_at_mut(self.vectors);
        zip(vectors, inputs, inlined!(|_, a, b, c| f(a, b, c)));
        zip(tail, inputs.map(|x| &x[self.vectors..]), inlined!(|_, a, b, c| rest(a, b, c)));
    }

    /// The maxima and `Σ exp(x − max)` of the columns; the exponentials go to `out`, if there is one.
    #[inline(always)]
    fn stats<T: Float>(self, x: &[T], mut out: Option<&mut Block<'_, T>>) -> [[T; STRIP]; 2] {
        let (mut max, mut sum) = ([T::lit(f64::NEG_INFINITY); STRIP], [T::default(); STRIP]);
        let mut scratch = sum;
        for i in 0..self.n {
            let row = self.row(x, i);
            zip(&mut max[..self.columns], [row; 3], inlined!(|max, x, _, _| larger(max, x)));
        }
        for i in 0..self.n {
            let row = self.row(x, i);
            let terms = match &mut out {
                Some(out) => out.line(i),
                None => &mut scratch[..self.columns],
            };
            self.write(
                terms,
                [row, &max, &max],
                inlined!(|x, max, _| Float::fast_exp(x - max)),
                inlined!(|x, max, _| Real::exp(x - max)),
            );
            zip(&mut sum[..self.columns], [&*terms; 3], inlined!(|sum, e, _, _| sum + e));
        }
        [max, sum]
    }

    /// Writes an entry of a column of the result: `f` of the column's entries says where, and what.
    fn patch<T: Float>(
        self,
        column: usize,
        [a, b]: [&[T]; 2],
        out: &mut Block<'_, T>,
        f: impl Fn(&[T], &[T]) -> (usize, T),
    ) {
        let entries = |data: &[T]| {
            let mut scratch = parallel::scratch(self.n);
            scratch.extend((0..self.n).map(|i| self.row(data, i)[column]));
            scratch
        };
        let (x, y) = (entries(a), entries(b));
        let (at, value) = vectorize!(T: f(&x, &y));
        if at < self.n {
            out.line(at)[column] = value;
        }
    }
}

/// `out = f(out, a, b, c)`.
#[inline(always)]
fn zip<T: Float>(out: &mut [T], [a, b, c]: [&[T]; 3], f: impl Fn(T, T, T, T) -> T) {
    let n = out.len();
    let (a, b, c) = (&a[..n], &b[..n], &c[..n]);
    for i in 0..n {
        out[i] = f(out[i], a[i], b[i], c[i]);
    }
}

/// Calls `f` for strips that cover all of the matrices `n × inner`, with their part of the output.
fn for_strips<T: Float>(n: usize, inner: usize, out: &mut [T], f: &(dyn Fn(Strip, Block<'_, T>) + Sync)) {
    let size = n * inner;
    if inner <= STRIP {
        return parallel::for_chunks(out, (ROW_BLOCK / size).max(1) * size, WORK, &|start, out| {
            for (i, entry) in out.chunks_mut(size).enumerate() {
                f(Strip::new::<T>(n, inner, start / size + i, (0, inner)), Block::whole(entry, inner));
            }
        });
    }
    let parallel = out.len().saturating_mul(WORK) >= PARALLEL_MIN;
    let jobs = out.chunks_mut(size).enumerate().flat_map(|(entry, out)| {
        let strips = blocks(out, inner, (1, inner.div_ceil(STRIP))).into_iter();
        strips.map(move |block| (Strip::new::<T>(n, inner, entry, (block.column, block.columns())), block))
    });
    let run = |(strip, block): (Strip, Block<'_, T>)| f(strip, block);
    if parallel { parallel::for_jobs(jobs, &run) } else { jobs.for_each(run) }
}

pub(super) fn log_softmax<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    for_strips(n, inner, out, &|strip, mut out| {
        let [max, sum] = vectorize!(T: {
            let [max, sum] = strip.stats(x, None);
            let mut log = sum;
            log[..strip.columns].iter_mut().for_each(|s| *s = Float::fast_ln(*s));
            for i in 0..strip.n {
                strip.write(out.line(i), [strip.row(x, i), &max, &log], shift, shift);
            }
            [max, sum]
        });
        for (column, sum) in sum[..strip.columns].iter().enumerate() {
            if *sum < T::lit(SURE) {
                strip.patch(
                    column,
                    [x, x],
                    &mut out,
                    inlined!(|x, _| {
                        let at = place(x, max[column]);
                        (at, largest_log(x, at, max[column]))
                    }),
                );
            }
        }
    });
}

pub(super) fn softmax<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    for_strips(n, inner, out, &|strip, mut out| {
        vectorize!(T: {
            let [_, sum] = strip.stats(x, Some(&mut out));
            for i in 0..strip.n {
                // Here PyTorch divides; along rows it multiplies by the reciprocal.
                zip(
                    out.line(i),
                    [&sum; 3],
                    inlined!(|e, sum, _, _| e / sum),
                );
            }
        });
    });
}

pub(super) fn log_sum_exp<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    parallel::for_chunks(out, inner, n * WORK, &|start, out| {
        for (i, out) in out.chunks_mut(STRIP).enumerate() {
            let strip = Strip::new::<T>(n, inner, start / inner, (i * STRIP, out.len()));
            vectorize!(T: {
                let [max, sum] = strip.stats(x, None);
                zip(
                    out,
                    [&max, &sum, &sum],
                    inlined!(|_, max, sum, _| log_sum(max, sum)),
                );
            });
        }
    });
}

pub(super) fn log_softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    for_strips(n, inner, out, &|strip, mut out| {
        let sure = vectorize!(T: {
            let (mut sum, mut top) = ([T::default(); STRIP], [T::lit(f64::NEG_INFINITY); STRIP]);
            for i in 0..strip.n {
                let (y, g) = (strip.row(y, i), strip.row(g, i));
                zip(
                    &mut sum[..strip.columns],
                    [g; 3],
                    inlined!(|sum, g, _, _| sum + g),
                );
                zip(
                    &mut top[..strip.columns],
                    [y; 3],
                    inlined!(|top, y, _, _| larger(top, y)),
                );
            }
            for i in 0..strip.n {
                strip.write(
                    out.line(i),
                    [strip.row(y, i), strip.row(g, i), &sum],
                    inlined!(|y, g, sum| Real::mul_add(-Float::fast_exp(y), sum, g)),
                    inlined!(|y, g, sum| Real::mul_add(-Real::exp(y), sum, g)),
                );
            }
            top
        });
        // Where a probability is near 1, an entry is.
        for (column, top) in sure[..strip.columns].iter().enumerate() {
            if *top >= T::lit(SURE_LOG) {
                strip.patch(column, [y, g], &mut out, sure_slope);
            }
        }
    });
}

pub(super) fn softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    for_strips(n, inner, out, &|strip, mut out| {
        vectorize!(T: {
            let mut sum = [T::default(); STRIP];
            for i in 0..strip.n {
                let (y, g) = (strip.row(y, i), strip.row(g, i));
                zip(
                    &mut sum[..strip.columns],
                    [g, y, y],
                    inlined!(|sum, g, y, _| Real::mul_add(g, y, sum)),
                );
            }
            for i in 0..strip.n {
                zip(
                    out.line(i),
                    [strip.row(y, i), strip.row(g, i), &sum],
                    inlined!(|_, y, g, sum| centred(y, g, sum)),
                );
            }
        });
    });
}
