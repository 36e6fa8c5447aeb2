//! Loops for operations of your own: parallel, compiled for the widest vector unit, with the same bits for any number
//! of threads. The losses of `nn` are built from them.
//!
//! What a loop calls is compiled for the vector unit only where it is inlined: closures want [`inlined!`], the functions that
//! they call `#[inline(always)]`.
//!
//! Slices come from [`Tensor::as_slice`](crate::Tensor::as_slice), results go into
//! [`Tensor::build`](crate::Tensor::build).

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use crate::Float;
use crate::kernel::matmul::{self, Matrix};
use crate::kernel::parallel::Sink;
use crate::kernel::reduce::WideSum;
use crate::kernel::simd::{fetch, vectorize};
use crate::kernel::sizes::{BLOCK, PARALLEL_MIN};
use crate::kernel::{gemm, parallel, reduce, update as in_place};

pub use crate::kernel::parallel::Chunk;
pub use crate::kernel::reduce::SHORT_SUM;
pub use crate::kernel::simd::inlined;
pub use crate::kernel::sizes::TILE;
pub use crate::kernel::softmax::logits::{LOGIT_ROWS, Logits, Slopes};

/// Calls `f(start, chunk)` for chunks of `size` elements of `out`, in parallel if `out.len() · work` is worth it
/// (`work` in units of one addition).
///
/// Chunks depend on `size` alone, so what `f` computes must not depend on the thread.
///
/// # Panics
/// If `size` is 0 and `out` has elements.
///
/// ```
/// let mut squares = vec![0; 100];
/// downhill::kernels::for_chunks(&mut squares, 10, 1, |start, chunk| {
///     chunk.iter_mut().enumerate().for_each(|(i, x)| *x = (start + i) * (start + i));
/// });
/// assert_eq!(squares[99], 9801);
/// ```
#[track_caller]
pub fn for_chunks<T: Send>(out: &mut [T], size: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    assert!(size > 0 || out.is_empty(), "for_chunks: a chunk has at least one element");
    parallel::for_chunks(out, size, work, &|start, chunk| vectorize!(f(start, chunk)));
}

/// Calls `f(first, out)` for runs of rows of `width` elements, which have a number each in `out`; in parallel if all of them
/// are worth it (`work` additions an element). `C` is the type that rows are computed in: it decides how wide the vectors
/// are that `f` is compiled for.
///
/// ```
/// let x = [1.0_f32, 2.0, 3.0, 4.0];
/// let mut sums = [0.0_f32; 2];
/// downhill::kernels::rows::<f32, _>(2, &mut sums, 1, |first, out| {
///     for (i, o) in out.iter_mut().enumerate() {
///         *o = x[2 * (first + i)..][..2].iter().sum();
///     }
/// });
/// assert_eq!(sums, [3.0, 7.0]);
/// ```
pub fn rows<C: Float, O: Send>(width: usize, out: &mut [O], work: usize, f: impl Fn(usize, &mut [O]) + Sync) {
    let (rows, work) = (parallel::rows_at_once(width), work.saturating_mul(width));
    parallel::for_chunks(out, rows, work, &|first, out| vectorize!(C: f(first, out)));
}

/// [`rows`] with an output of whole rows, and a number for each of them in `side`: `f(first, out, side)` writes all elements of
/// `out`, which hold arbitrary values at first, and may write `side`. A large output is written by streaming stores.
///
/// # Panics
/// If `side` has fewer elements than `out` has rows.
///
/// ```
/// let (mut doubled, mut sums) = (vec![0.0; 6], vec![0.0; 3]);
/// downhill::kernels::write_rows::<f64, _, _>(2, &mut doubled, &mut sums, 1, |first, out, sums| {
///     for (i, (row, sum)) in out.chunks_exact_mut(2).zip(sums).enumerate() {
///         row.fill(2.0 * (first + i) as f64);
///         *sum = row.iter().sum();
///     }
/// });
/// assert_eq!(sums, [0.0, 4.0, 8.0]);
/// ```
pub fn write_rows<C: Float, T: Float, U: Send>(
    width: usize,
    out: &mut [T],
    side: &mut [U],
    work: usize,
    f: impl Fn(usize, &mut Chunk<'_, T>, &mut [U]) + Sync,
) {
    assert!(out.len().div_ceil(width.max(1)) <= side.len(), "write_rows: every row has a number beside it");
    parallel::write_rows(width, out, side, work, &|first, out, side| vectorize!(C: f(first, out, side)));
}

/// Calls `f` for every job, in parallel if all of them together are worth it (`work` in units of one addition). A job holds
/// what it writes to: parts of several outputs that no other job has.
///
/// ```
/// let (mut a, mut b) = ([0; 4], [0; 2]);
/// let jobs = a.chunks_mut(2).zip(&mut b).enumerate().collect();
/// downhill::kernels::for_jobs(jobs, 6, |(i, (pair, sum))| {
///     pair.fill(i);
///     *sum = 2 * i;
/// });
/// assert_eq!((a, b), ([0, 0, 1, 1], [0, 2]));
/// ```
pub fn for_jobs<J: Send>(jobs: Vec<J>, work: usize, f: impl Fn(J) + Sync) {
    let run = |job| vectorize!(f(job));
    if work < PARALLEL_MIN || jobs.len() < 2 {
        jobs.into_iter().for_each(run);
    } else {
        parallel::for_jobs(jobs.into_iter(), &run);
    }
}

/// The matrix product `out = a · b`, or with `accumulate` `out += a · b`. With `[m, k, n]`, `a` is `m × k`, `b` is `k × n`, and
/// `out` the first `m × n` elements of a slice, row by row. An operand is a slice with the distances between its rows and
/// between its columns: `[k, 1]` if `a` lies row by row, `[1, m]` if its transpose does.
///
/// The product runs on the thread that calls it: a part of a larger product, in a job of [`for_jobs`] or [`for_chunks`].
/// [`Tensor::matmul`](crate::Tensor::matmul) uses all threads.
///
/// # Panics
/// If a matrix does not lie within its slice.
///
/// ```
/// use downhill::kernels::matmul;
/// let (row, column) = ([1.0_f32, 2.0], [3.0, 4.0]);
/// let mut out = [0.0];
/// matmul([1, 2, 1], (&row, [2, 1]), (&column, [1, 1]), &mut out, false);
/// assert_eq!(out, [11.0]);
/// matmul([1, 2, 1], (&row, [2, 1]), (&column, [1, 1]), &mut out, true);
/// assert_eq!(out, [22.0]);
/// ```
pub fn matmul<T: Float>(
    [m, k, n]: [usize; 3],
    (a, a_strides): (&[T], [usize; 2]),
    (b, b_strides): (&[T], [usize; 2]),
    out: &mut [T],
    accumulate: bool,
) {
    let matrix = |data, [row_stride, column_stride]: [usize; 2]| Matrix { data, row_stride, column_stride };
    let (a, b) = (matrix(a, a_strides), matrix(b, b_strides));
    let len = m.checked_mul(n).filter(|&len| len <= out.len()).expect("the result lies within its slice");
    matmul::matmul_here([m, k, n], a, b, &mut out[..len], accumulate);
}

/// The most bytes of scratch that [`matmul`] takes where every thread computes such a product. Where there is no memory for them
/// the process is aborted, so check first, with [`memory::check`](crate::memory::check).
///
/// ```
/// assert!(downhill::kernels::matmul_scratch::<f32>([512, 64, 16]) >= 512 * 64 * 4);
/// ```
pub fn matmul_scratch<T: Float>(sizes: [usize; 3]) -> usize {
    gemm::packing::<T>(sizes).saturating_add(gemm::kept()).saturating_mul(parallel::threads())
}

/// A tile of each of `N` slices, from one start; the last tile of a slice is filled up with elements that do not count.
pub type Tiles<'a, T, const N: usize> = [&'a [T; TILE]; N];

/// Calls `f(at, n, tiles)` for `len` elements of the inputs from `start` on, [`TILE`] at a time; of the last ones only `n` count.
#[inline(always)]
fn for_tiles<T: Float, const N: usize>(
    inputs: &[&[T]; N],
    start: usize,
    len: usize,
    mut f: impl FnMut(usize, usize, Tiles<'_, T, N>),
) {
    let mut last = [[T::default(); TILE]; N];
    for at in (0..len).step_by(TILE) {
        let n = (len - at).min(TILE);
        for (last, x) in last.iter_mut().zip(inputs) {
            let rest = &x[start + at..];
            if n < TILE {
                last[..n].copy_from_slice(&rest[..n]);
            }
            fetch(rest, 8 * TILE, TILE);
        }
        let mut tiles = last.each_ref();
        for (tile, x) in tiles.iter_mut().zip(inputs) {
            *tile = x[start + at..].first_chunk().unwrap_or(tile);
        }
        f(at, n, tiles);
    }
}

/// Element `i` of each tile.
#[inline(always)]
fn column<T: Float, const N: usize>(tiles: &Tiles<'_, T, N>, i: usize) -> [T; N] {
    let mut column = [T::default(); N];
    for k in 0..N {
        column[k] = tiles[k][i];
    }
    column
}

/// Calls `f` for each element of tiles, and writes what it gives to `out`, in a loop for the widest vector unit: what a function that
/// [`map_tiles`] or [`sum_tiles`] calls consists of.
///
/// ```
/// use downhill::kernels::{TILE, each};
/// let (x, mut out) = ([3.0_f32; TILE], [0.0; 2]);
/// each(&[&x], &mut out, |[x]| x * x);
/// assert_eq!(out, [9.0, 9.0]);
/// ```
#[inline]
pub fn each<T: Float, U: Float, const N: usize>(
    tiles: &Tiles<'_, T, N>,
    out: &mut [U],
    f: impl Fn([T; N]) -> U,
) {
    vectorize!(T: each_here(*tiles, out, &f));
}

/// [`each`] in the code that calls it. As an argument `out` is known to overlap nothing, captured by a closure it is not.
#[inline(always)]
fn each_here<T: Float, U: Float, const N: usize, F: Fn([T; N]) -> U>(
    tiles: Tiles<'_, T, N>,
    out: &mut [U],
    f: &F,
) {
    for i in 0..out.len().min(TILE) {
        // Not `f(…)`: `&F` is a function, too, and that one is not always inlined.
        out[i] = (*f)(column(&tiles, i));
    }
}

/// `out[i] = f([inputs[0][i], inputs[1][i], …])`. All slices have one length.
///
/// # Panics
/// If an input is shorter than `out`.
///
/// ```
/// let mut out = [0.0_f32; 2];
/// downhill::kernels::map([&[1.0, 2.0], &[3.0, 4.0]], &mut out, |[a, b]| a * b);
/// assert_eq!(out, [3.0, 8.0]);
/// ```
pub fn map<T: Float, const N: usize>(inputs: [&[T]; N], out: &mut [T], f: impl Fn([T; N]) -> T + Sync) {
    map_tiles(inputs, out, &|_, tiles, out| each(&tiles, out, &f));
}

/// Calls `f(start, tiles, out)` for at most [`TILE`] elements at a time, those from `start` on, until `out` is written: [`map`]
/// of a function that is compiled by itself.
///
/// # Panics
/// If an input is shorter than `out`.
///
/// ```
/// use downhill::kernels::{each, map_tiles};
/// let mut out = [0.0_f32; 1000];
/// map_tiles([&[2.0; 1000]], &mut out, &|_, tiles, out| each(&tiles, out, |[x]| x * x));
/// assert_eq!(out, [4.0; 1000]);
/// ```
pub fn map_tiles<T: Float, const N: usize>(
    inputs: [&[T]; N],
    out: &mut [T],
    f: &(dyn Fn(usize, Tiles<'_, T, N>, &mut [T]) + Sync),
) {
    let mut nothing = vec![(); out.len().div_ceil(BLOCK)];
    parallel::sink_blocks(out, &mut nothing, &|block, mut sink, ()| {
        let start = block * BLOCK;
        for_tiles(&inputs, start, sink.len(), |at, n, tiles| {
            sink.fill(at, n, &mut |out| f(start + at, tiles, out));
        });
    });
}

/// The sum of `count` terms that `f(start, tiles, terms, out)` computes, at most [`TILE`] at a time; it may write an output beside
/// them, in the same pass over memory. Added up in lanes, in an order that depends on `count` alone.
///
/// # Panics
/// If an input, or the output, is shorter than `count`.
///
/// ```
/// use downhill::kernels::{each, sum_tiles};
/// let (x, mut slope) = ([3.0_f32; 1000], [0.0; 1000]);
/// let sum = sum_tiles([&x], 1000, Some(&mut slope), &|_, tiles, terms, out| {
///     each(&tiles, terms, |[x]| f64::from(x * x));
///     if let Some(out) = out {
///         each(&tiles, out, |[x]| 2.0 * x);
///     }
/// });
/// assert_eq!((sum, slope), (9000.0, [6.0; 1000]));
/// ```
pub fn sum_tiles<T: Float, const N: usize>(
    inputs: [&[T]; N],
    count: usize,
    out: Option<&mut [T]>,
    f: &(dyn Fn(usize, Tiles<'_, T, N>, &mut [f64], Option<&mut [T]>) + Sync),
) -> f64 {
    let block = |start: usize, mut out: Option<Sink<'_, T>>| {
        let (mut sum, mut terms) = (WideSum::new(), [0.0; TILE]);
        for_tiles(&inputs, start, BLOCK.min(count - start), |at, n, tiles| {
            let terms = &mut terms[..n];
            match &mut out {
                Some(out) => out.fill(at, n, &mut |out| f(start + at, tiles, terms, Some(out))),
                None => f(start + at, tiles, terms, None),
            }
            feed(&mut sum, terms);
        });
        sum.total()
    };
    let mut parts = parallel::filled(count.div_ceil(BLOCK), 0.0);
    match out {
        Some(out) => parallel::sink_blocks(&mut out[..count], &mut parts, &|i, out, part| {
            *part = block(i * BLOCK, Some(out));
        }),
        None => parallel::for_chunks(&mut parts, 1, BLOCK, &|i, part| part[0] = block(i * BLOCK, None)),
    }
    reduce::pairwise(&mut parts)
}

/// [`sum_tiles`] of at most [`SHORT_SUM`] terms of a type of their own, in the order of [`Tensor::sum`](crate::Tensor::sum).
///
/// # Panics
/// If there are more of them, or if an input or the output is shorter.
///
/// ```
/// use downhill::kernels::{each, sum_short};
/// let x = [3.0_f32; 10];
/// let sum: f32 = sum_short([&x], 10, None, &|tiles, terms, _| each(&tiles, terms, |[x]| x * x));
/// assert_eq!(sum, 90.0);
/// ```
pub fn sum_short<T: Float, U: Float, const N: usize>(
    inputs: [&[T]; N],
    count: usize,
    mut out: Option<&mut [T]>,
    f: &dyn Fn(Tiles<'_, T, N>, &mut [U], Option<&mut [T]>),
) -> U {
    let mut terms = [U::default(); SHORT_SUM];
    let terms = &mut terms[..count];
    for_tiles(&inputs, 0, count, |_, _, tiles| {
        f(tiles, terms, out.as_deref_mut().map(|out| &mut out[..count]));
    });
    reduce::sum(terms)
}

#[inline(never)]
fn feed(sum: &mut WideSum, terms: &[f64]) {
    vectorize!(sum.feed(terms));
}

/// Gives every element of the `state` slices a new value, in one pass over all of them: `f([state[0][i], …],
/// [inputs[0][i], …])` are the new elements `i`. What an optimizer's step is made of. Numbers that `f` captures by value (`move`) stay in
/// registers.
///
/// # Panics
/// If the lengths differ.
///
/// ```
/// // Gradient descent with momentum.
/// let (mut w, mut velocity, g) = ([1.0_f32, 2.0], [0.0, 1.0], [10.0, 10.0]);
/// downhill::kernels::update([&mut w, &mut velocity], [&g], |[w, v], [g]| {
///     let v = 0.5 * v + g;
///     [w - 0.25 * v, v]
/// });
/// assert_eq!((w, velocity), ([-1.5, -0.625], [10.0, 10.5]));
/// ```
pub fn update<T: Float, const M: usize, const N: usize>(
    state: [&mut [T]; M],
    inputs: [&[T]; N],
    f: impl Fn([T; M], [T; N]) -> [T; M] + Copy + Sync,
) {
    in_place::update(state, inputs, f);
}

/// The sum of `f([inputs[0][i], inputs[1][i], …])` over all `i` below `count`, without storing the terms: up to [`SHORT_SUM`] in
/// the order of [`Tensor::sum`](crate::Tensor::sum), more of them in `f64`. Terms may be wider than inputs.
///
/// # Panics
/// If an input is shorter than `count`.
///
/// ```
/// use downhill::kernels::sum;
/// assert_eq!(sum([&[1.0_f32, 2.0], &[3.0, 4.0]], 2, |[a, b]| a * b), 11.0);
/// assert_eq!(sum([&[1e-9_f32, 1.0]], 2, |[a]| f64::from(a)), 1.0 + f64::from(1e-9_f32));
/// ```
pub fn sum<T: Float, U: Float, const N: usize>(
    inputs: [&[T]; N],
    count: usize,
    f: impl Fn([T; N]) -> U + Sync,
) -> U {
    if count <= FEW {
        let mut terms = [U::default(); FEW];
        vectorize!(memory: few(inputs, &mut terms[..count], &f));
        return reduce::sum(&terms[..count]);
    }
    sum_of_tiles(inputs, count, &|tiles, terms| each(&tiles, terms, &f))
}

/// Terms up to which a sum takes no tiles, which cost as much as 256 terms: losses of rows of ten take a third to half of the time.
const FEW: usize = 32;

/// As [`each_here`], of slices.
#[inline(always)]
fn few<T: Float, U: Float, const N: usize>(inputs: [&[T]; N], out: &mut [U], f: &impl Fn([T; N]) -> U) {
    for i in 0..out.len() {
        let mut x = [T::default(); N];
        for k in 0..N {
            x[k] = inputs[k][i];
        }
        out[i] = (*f)(x);
    }
}

/// [`sum`], compiled once for its types.
fn sum_of_tiles<T: Float, U: Float, const N: usize>(
    inputs: [&[T]; N],
    count: usize,
    f: &(dyn Fn(Tiles<'_, T, N>, &mut [U]) + Sync),
) -> U {
    reduce::sum_terms(count, 1, &|start, terms| {
        for_tiles(&inputs, start, terms.len(), |at, n, tiles| f(tiles, &mut terms[at..at + n]));
    })
}

/// The sum of numbers in the order of [`Tensor::sum`](crate::Tensor::sum).
///
/// ```
/// assert_eq!(downhill::kernels::sum_slice(&[1.0_f32, 2.0]), 3.0);
/// ```
pub fn sum_slice<T: Float>(x: &[T]) -> T {
    reduce::sum(x)
}

/// The sum of `count` terms that `fill(start, terms)` computes a few at a time, in the order of [`sum`]. A term costs about
/// `work` additions.
///
/// ```
/// let sum = downhill::kernels::sum_terms(3, 1, |start, terms: &mut [f64]| {
///     terms.iter_mut().enumerate().for_each(|(i, x)| *x = (start + i) as f64);
/// });
/// assert_eq!(sum, 3.0);
/// ```
pub fn sum_terms<T: Float>(count: usize, work: usize, fill: impl Fn(usize, &mut [T]) + Sync) -> T {
    reduce::sum_terms(count, work, &|start, out| vectorize!(T: fill(start, out)))
}

/// `out[i] = f(i, p)` where `p` is the softmax of entry `i` of a row, from its maximum and the sum of all exponentials that
/// [`Logits::max_and_wide_sums`] has: in `f64`, exact enough for one rounding to `T`.
///
/// ```
/// let (row, mut out) = ([0.0_f32, 0.0], [0.0; 2]);
/// downhill::kernels::map_softmax(&row, (0.0, 2.0), &mut out, |_, p| p - 1.0);
/// assert_eq!(out, [-0.5, -0.5]);
/// ```
pub fn map_softmax<T: Float>(row: &[T], (max, sum): (T, f64), out: &mut [T], f: impl Fn(usize, f64) -> f64) {
    let (max, scale) = (max.cast::<f64>(), 1.0 / sum);
    vectorize!(memory: for (i, (o, &x)) in out.iter_mut().zip(row).enumerate() {
        *o = T::of_f64(f(i, T::wide_exp(x.cast::<f64>() - max) * scale));
    });
}

/// `eˣ` within one unit in the last place, as [`Tensor::softmax`](crate::Tensor::softmax) computes it: exactly 1 at 0 and 0 at
/// −∞. A loop over it is vectorised inside of [`for_chunks`] and [`for_jobs`].
///
/// ```
/// assert_eq!(downhill::kernels::fast_exp(0.0_f32), 1.0);
/// ```
#[inline(always)]
pub fn fast_exp<T: Float>(x: T) -> T {
    x.fast_exp()
}
