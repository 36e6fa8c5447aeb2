//! Columns: reductions down the rows of `n × inner` matrices.

use super::super::parallel;
use super::super::real::{Float, Real};
use super::super::simd::{inlined, vectorize};
use super::super::sizes::ROW_BLOCK;
use super::rows::{
    SURE, SURE_LOG, WORK, centred, for_rows, larger, largest_log, log_sum, place, shift, sure_slope,
    vector_len,
};

/// One number per column of each of the `outer` matrices `n × inner`: calls `f(first, at, vector, out)`, where `first` is
/// the place of the first of these columns in the data, `at` that in `out`'s whole, and `vector` tells whether
/// `PyTorch` has them in whole vectors.
fn for_columns<T: Float>(
    n: usize,
    inner: usize,
    out: &mut [T],
    f: impl Fn(usize, usize, bool, &mut [T]) + Sync,
) {
    let whole = inner / vector_len::<T>() * vector_len::<T>();
    parallel::for_chunks(out, (ROW_BLOCK / n).max(vector_len::<T>()), n * WORK, &|start, chunk| {
        let mut done = 0;
        while done < chunk.len() {
            let (entry, column) = ((start + done) / inner, (start + done) % inner);
            let border = if column < whole { whole } else { inner };
            let len = (border - column).min(chunk.len() - done);
            let columns = &mut chunk[done..done + len];
            vectorize!(T: f(entry * n * inner + column, start + done, column < whole, columns));
            done += len;
        }
    });
}

/// `out = f(a, b, c)`, row by row. `a` has the shape of `out`; `c` has one number per column, and `b` either.
/// The columns that fill no whole vector go through `rest`: there `PyTorch` calls the C library's exponential.
fn finish<T: Float>(
    [n, inner]: [usize; 2],
    [a, b, c]: [&[T]; 3],
    out: &mut [T],
    f: impl Fn(T, T, T) -> T + Sync,
    rest: impl Fn(T, T, T) -> T + Sync,
) {
    let whole = inner / vector_len::<T>() * vector_len::<T>();
    let dense = b.len() == out.len();
    for_rows(
        out,
        inner,
        inlined!(|at, out, row| {
            let column = at / (n * inner) * inner;
            let (a, b, c) = (&a[at..], &b[if dense { at } else { column }..], &c[column..]);
            let (vectors, tail) = out[row].split_at_mut(whole);
            zip(vectors, a, b, c, &f);
            zip(tail, &a[whole..], &b[whole..], &c[whole..], &rest);
        }),
    );
}

#[inline(always)]
fn zip<T: Float>(out: &mut [T], a: &[T], b: &[T], c: &[T], f: impl Fn(T, T, T) -> T) {
    for (((o, &a), &b), &c) in out.iter_mut().zip(a).zip(b).zip(c) {
        *o = f(a, b, c);
    }
}

/// The maxima and `Σ exp(x − max)` of all columns.
fn column_stats<T: Float>(x: &[T], n: usize, inner: usize) -> (Vec<T>, Vec<T>) {
    let count = x.len() / n;
    let (mut maxima, mut sums) =
        (parallel::filled(count, T::lit(f64::NEG_INFINITY)), parallel::filled(count, T::default()));
    for_columns(
        n,
        inner,
        &mut maxima,
        inlined!(|first, _, _, max| {
            for i in 0..n {
                max.iter_mut().zip(&x[first + i * inner..]).for_each(|(m, &x)| *m = larger(*m, x));
            }
        }),
    );
    for_columns(
        n,
        inner,
        &mut sums,
        inlined!(|first, at, vector, sum| {
            for i in 0..n {
                let columns = sum.iter_mut().zip(&x[first + i * inner..]).zip(&maxima[at..]);
                if vector {
                    columns.for_each(|((s, &x), &m)| *s += Float::fast_exp(x - m));
                } else {
                    columns.for_each(|((s, &x), &m)| *s += Real::exp(x - m));
                }
            }
        }),
    );
    (maxima, sums)
}

/// The sums of all columns of `g`, or of `g·y`.
fn column_sums<T: Float>(g: &[T], y: Option<&[T]>, n: usize, inner: usize) -> Vec<T> {
    let mut sums = parallel::filled(g.len() / n, T::default());
    for_columns(
        n,
        inner,
        &mut sums,
        inlined!(|first, _, _, sum| {
            for at in (first..).step_by(inner).take(n) {
                let columns = sum.iter_mut().zip(&g[at..]);
                match y {
                    None => columns.for_each(|(s, &g)| *s += g),
                    Some(y) => columns.zip(&y[at..]).for_each(|((s, &g), &y)| *s = Real::mul_add(g, y, *s)),
                }
            }
        }),
    );
    sums
}

pub(super) fn log_softmax<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    let (maxima, mut logs) = column_stats(x, n, inner);
    let sure: Vec<usize> = (0..logs.len()).filter(|&at| logs[at] < T::lit(SURE)).collect();
    vectorize!(T: logs.iter_mut().for_each(|s| *s = Float::fast_ln(*s)));
    finish([n, inner], [x, &maxima, &logs], out, shift, shift);
    patch(
        &sure,
        [n, inner],
        [x, x],
        out,
        inlined!(|x, _| {
            let max = x.iter().copied().fold(x[0], larger);
            let at = place(x, max);
            (at, largest_log(x, at, max))
        }),
    );
}

/// Writes one entry of each of these columns: `f` of the column's entries says where, and what.
fn patch<T: Float>(
    columns: &[usize],
    [n, inner]: [usize; 2],
    [a, b]: [&[T]; 2],
    out: &mut [T],
    f: impl Fn(&[T], &[T]) -> (usize, T),
) {
    let mut scratch = parallel::filled(2 * n, T::default());
    let (x, y) = scratch.split_at_mut(n);
    for &column in columns {
        let first = column / inner * n * inner + column % inner;
        for i in 0..n {
            (x[i], y[i]) = (a[first + i * inner], b[first + i * inner]);
        }
        let (at, value) = vectorize!(T: f(x, y));
        if at < n {
            out[first + at * inner] = value;
        }
    }
}

pub(super) fn softmax<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    let (maxima, sums) = column_stats(x, n, inner);
    // Here PyTorch divides; along rows it multiplies by the reciprocal.
    finish(
        [n, inner],
        [x, &maxima, &sums],
        out,
        inlined!(|x, max, sum| Float::fast_exp(x - max) / sum),
        inlined!(|x, max, sum| Real::exp(x - max) / sum),
    );
}

pub(super) fn log_sum_exp<T: Float>(x: &[T], n: usize, inner: usize, out: &mut [T]) {
    let (maxima, sums) = column_stats(x, n, inner);
    vectorize!(T: for ((o, &max), &sum) in out.iter_mut().zip(&maxima).zip(&sums) {
        *o = log_sum(max, sum);
    });
}

pub(super) fn log_softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    let sums = column_sums(g, None, n, inner);
    finish(
        [n, inner],
        [y, g, &sums],
        out,
        inlined!(|y, g, sum| Real::mul_add(-Float::fast_exp(y), sum, g)),
        inlined!(|y, g, sum| Real::mul_add(-Real::exp(y), sum, g)),
    );
    // Where a probability is near 1, an entry is.
    let near = |y: &T| *y >= T::lit(SURE_LOG);
    let mut sure = Vec::new();
    for (i, part) in y.chunks(ROW_BLOCK).enumerate() {
        if vectorize!(T: part.iter().fold(false, |any, y| any | near(y))) {
            let places = (i * ROW_BLOCK..).zip(part).filter(|(_, y)| near(y));
            sure.extend(places.map(|(at, _)| at / (n * inner) * inner + at % inner));
        }
    }
    patch(&sure, [n, inner], [y, g], out, sure_slope);
}

pub(super) fn softmax_grad<T: Float>(y: &[T], g: &[T], n: usize, inner: usize, out: &mut [T]) {
    let sums = column_sums(g, Some(y), n, inner);
    finish([n, inner], [y, g, &sums], out, centred, centred);
}
