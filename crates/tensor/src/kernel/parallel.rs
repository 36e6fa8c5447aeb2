//! The only place that names rayon: blocks of work whose borders depend on the length alone, never on the threads.

use super::simd::PastCaches;
use crate::dtype::Element;
use rayon::prelude::*;

/// Elements below which one thread does the work.
// Entering rayon from outside its pool costs 6 to 17 µs hot and up to 75 µs asleep; 2^16 streamed f32 take about 10 µs.
pub(crate) const PARALLEL_MIN: usize = 1 << 16;

/// Elements of a block of parallel work.
pub(crate) const BLOCK: usize = 1 << 15;

/// Bytes from which a result goes past the caches.
// It is gone from a last-level cache of 32 MiB before it is read again, and would be read from memory only to be overwritten.
pub(crate) const STREAM_MIN: usize = 16 << 20;

/// Elements that go past the caches at once: few, so that the processor reads what comes next while it writes.
const PIECE: usize = 1 << 9;

/// Whether this much work is worth more than one thread. A pool of one is not entered: handing work over costs, too.
fn worthwhile(len: usize, work: usize) -> bool {
    len.saturating_mul(work) >= PARALLEL_MIN && rayon::current_num_threads() > 1
}

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
    if out.len() <= size || !worthwhile(out.len(), work) {
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

/// As [`for_blocks`] for an output that `f` only writes: a large one is computed in scratch and goes past the caches.
pub(crate) fn write_blocks<T: Element>(out: &mut [T], f: impl Fn(usize, &mut [T]) + Sync) {
    if size_of_val(out) < STREAM_MIN {
        return for_blocks(out, f);
    }
    for_blocks(out, |start, block| {
        let (mut scratch, past) = ([T::default(); PIECE], PastCaches::new());
        for (i, out) in block.chunks_mut(PIECE).enumerate() {
            let scratch = &mut scratch[..out.len()];
            f(start + i * PIECE, scratch);
            past.copy(scratch, out);
        }
    });
}

/// A block of an output that is only written, which goes past the caches if it is part of a large one.
pub(crate) struct Sink<'a, T> {
    out: &'a mut [T],
    past: Option<PastCaches>,
}

impl<T: Element> Sink<'_, T> {
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    #[inline(always)]
    pub(crate) fn put(&mut self, start: usize, values: &[T]) {
        let out = &mut self.out[start..start + values.len()];
        match &self.past {
            Some(past) => past.copy(values, out),
            None => out.copy_from_slice(values),
        }
    }
}

/// Calls `f(i, block, number)` for the blocks that cover `out`, with a number each.
pub(crate) fn sink_blocks<T: Element, U: Send>(
    out: &mut [T],
    numbers: &mut [U],
    f: impl Fn(usize, Sink<'_, T>, &mut U) + Sync,
) {
    let large = size_of_val(out) >= STREAM_MIN;
    let f = |i: usize, out: &mut [T], number: &mut [U]| {
        f(i, Sink { out, past: large.then(PastCaches::new) }, &mut number[0]);
    };
    if !worthwhile(out.len(), 1) {
        out.chunks_mut(BLOCK).zip(numbers.chunks_mut(1)).enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        spread_pairs((out, BLOCK), (numbers, 1), &f);
    }
}

/// As [`for_chunks`] for an output that `f` only writes, as in [`write_blocks`].
pub(crate) fn write_chunks<T: Element>(
    out: &mut [T],
    size: usize,
    work: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if size_of_val(out) < STREAM_MIN {
        return for_chunks(out, size, work, f);
    }
    let count = out.len().div_ceil(size.max(1));
    write_pairs((out, size), (&mut vec![(); count], 1), work, |i, out, _| f(i * size, out));
}

/// As [`write_chunks`] for two outputs: `f(i, chunk, side_chunk)` for the `i`-th chunk of each; only `out` may be scratch.
pub(crate) fn write_pairs<T: Element, U: Send>(
    (out, size): (&mut [T], usize),
    (side, side_size): (&mut [U], usize),
    work: usize,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync,
) {
    if size_of_val(out) >= STREAM_MIN {
        stream_pairs((out, size), (side, side_size), &f);
    } else if out.len() <= size || !worthwhile(out.len(), work) {
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

fn stream_pairs<T: Element, U: Send>(
    (out, size): (&mut [T], usize),
    (side, side_size): (&mut [U], usize),
    f: &EachPair<'_, T, U>,
) {
    let start = || (vec![T::default(); size], PastCaches::new());
    let step = |(scratch, past): &mut (Vec<T>, PastCaches), (i, (a, b)): (usize, (&mut [T], &mut [U]))| {
        let scratch = &mut scratch[..a.len()];
        f(i, scratch, b);
        past.copy(scratch, a);
    };
    if worthwhile(out.len(), 1) {
        let chunks = out.par_chunks_mut(size).zip(side.par_chunks_mut(side_size));
        chunks.enumerate().for_each_init(start, step);
    } else {
        let mut state = start();
        let chunks = out.chunks_mut(size).zip(side.chunks_mut(side_size));
        chunks.enumerate().for_each(|pair| step(&mut state, pair));
    }
}

/// Calls `f` for every job, in parallel.
pub(crate) fn for_jobs<J: Send>(jobs: Vec<J>, f: &(dyn Fn(J) + Sync)) {
    if rayon::current_num_threads() > 1 {
        jobs.into_par_iter().for_each(f);
    } else {
        jobs.into_iter().for_each(f);
    }
}
