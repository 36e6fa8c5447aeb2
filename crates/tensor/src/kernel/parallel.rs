//! The only place that names rayon: blocks of work whose borders depend on the length alone, never on the threads.

use rayon::prelude::*;

/// Elements below which one thread does the work.
// Entering rayon from outside its pool costs 6 to 17 µs hot and up to 75 µs asleep; 2^16 streamed f32 take about 10 µs.
pub(crate) const PARALLEL_MIN: usize = 1 << 16;

/// Elements of a block of parallel work.
pub(crate) const BLOCK: usize = 1 << 15;

/// Calls `f(start, block)` for disjoint blocks that cover `out`.
pub(crate) fn for_blocks<T: Send>(out: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    for_chunks(out, BLOCK, 1, f);
}

/// Calls `f(start, chunk)` for chunks of `size` elements, in parallel where `len · work` is at least [`PARALLEL_MIN`].
pub(crate) fn for_chunks<T: Send>(
    out: &mut [T],
    size: usize,
    work: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if out.len().saturating_mul(work) < PARALLEL_MIN || out.len() <= size {
        for (i, chunk) in out.chunks_mut(size.max(1)).enumerate() {
            f(i * size, chunk);
        }
    } else {
        spread(out, size, &f);
    }
}

/// On all threads. `f` is not generic here: rayon's machinery is compiled once an element type, not once a loop.
fn spread<T: Send>(out: &mut [T], size: usize, f: &(dyn Fn(usize, &mut [T]) + Sync)) {
    out.par_chunks_mut(size).enumerate().for_each(|(i, chunk)| f(i * size, chunk));
}

/// As [`for_chunks`] for two outputs: `f(i, chunk, side_chunk)` for the `i`-th chunk of each.
pub(crate) fn for_pairs<T: Send, U: Send>(
    (out, size): (&mut [T], usize),
    (side, side_size): (&mut [U], usize),
    work: usize,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    if out.len().saturating_mul(work) < PARALLEL_MIN || out.len() <= size {
        for (i, (a, b)) in out.chunks_mut(size.max(1)).zip(side.chunks_mut(side_size.max(1))).enumerate() {
            f(i, a, b);
        }
    } else {
        spread_pairs((out, size), (side, side_size), &f);
    }
}

/// What is called for each pair of chunks.
type EachPair<'a, T, U> = dyn Fn(usize, &mut [T], &mut [U]) + Sync + 'a;

fn spread_pairs<T: Send, U: Send>(
    (out, size): (&mut [T], usize),
    (side, side_size): (&mut [U], usize),
    f: &EachPair<'_, T, U>,
) {
    let chunks = out.par_chunks_mut(size).zip(side.par_chunks_mut(side_size));
    chunks.enumerate().for_each(|(i, (a, b))| f(i, a, b));
}

/// Calls `f` for every job, in parallel.
pub(crate) fn for_jobs<J: Send>(jobs: Vec<J>, f: &(dyn Fn(J) + Sync)) {
    jobs.into_par_iter().for_each(f);
}
