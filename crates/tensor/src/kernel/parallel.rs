//! The only place that names rayon: blocks of work whose borders depend on the length alone, never on the threads (those of
//! products do, which does not show in their bits).
//!
//! The thread that calls does its share, and rayon's help as soon as they are awake ([`share`]).

use super::simd::StreamingStores;
use super::sizes::{BLOCK, PARALLEL_MIN, ROW_BLOCK, STREAM_MIN, TILE};
use crate::dtype::Element;
use std::ops::{Deref, DerefMut, Range};
use std::sync::{Mutex, PoisonError};

/// The threads beside the caller's.
#[cfg(feature = "parallel")]
mod pool {
    use super::super::sizes::SPIN;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// The process that started the threads.
    static OWNER: OnceLock<u32> = OnceLock::new();

    /// How many threads share work.
    pub(crate) fn threads() -> usize {
        OWNER.get_or_init(process);
        rayon::current_num_threads()
    }

    /// The number of this process; 0 where there is only one.
    fn process() -> u32 {
        if cfg!(target_family = "wasm") { 0 } else { std::process::id() }
    }

    /// Whether this process is a copy, by `fork`, of the one that started the threads: it has none of them, and would wait for ever.
    fn forked() -> bool {
        OWNER.get().is_some_and(|&owner| owner != process())
    }

    /// Calls `work` on every thread.
    pub(super) fn on_all(work: &(dyn Fn() + Sync)) {
        let others = threads() - 1;
        if others == 0 || forked() {
            return work();
        }
        let done = AtomicUsize::new(0);
        rayon::in_place_scope(|scope| {
            for _ in 0..others {
                scope.spawn(|_| {
                    work();
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }
            work();
            for _ in 0..SPIN {
                if done.load(Ordering::Relaxed) == others {
                    break;
                }
                std::hint::spin_loop();
            }
        });
    }
}

/// The caller's thread alone.
#[cfg(not(feature = "parallel"))]
mod pool {
    pub(crate) fn threads() -> usize {
        1
    }

    pub(super) fn on_all(work: &(dyn Fn() + Sync)) {
        work();
    }
}

pub(crate) use pool::threads;

/// Calls `f` for every item, on as many threads as take part; each has a state of its own, from `start`.
///
/// The items are taken one after the other, so the caller never waits for a thread that has not woken up with work left. Entering
/// rayon's pool instead would cost it two hand-overs: with 128 rows a training step took as long on two threads as on one.
fn share<S, I: Send>(
    items: impl Iterator<Item = I> + Send,
    start: &(dyn Fn() -> S + Sync),
    f: &(dyn Fn(&mut S, I) + Sync),
) {
    let items = Mutex::new(items);
    let take = || items.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        let mut state = None;
        while let Some(item) = take() {
            f(state.get_or_insert_with(start), item);
        }
    };
    pool::on_all(&work);
}

/// How many neighbouring chunks a thread takes at once: the processor goes on prefetching from one to the next. At least 64 groups
/// remain.
fn group(chunks: usize) -> usize {
    (chunks / 64).clamp(1, 16)
}

/// An empty vector with room for `n` elements, if there is memory for it.
fn reserved<T>(n: usize) -> Option<Vec<T>> {
    let mut scratch = Vec::new();
    scratch.try_reserve_exact(n).is_ok().then_some(scratch)
}

/// An empty vector with room for `n` elements, for callers that have checked the memory.
pub(crate) fn scratch<T>(n: usize) -> Vec<T> {
    let bytes = n.saturating_mul(size_of::<T>());
    reserved(n).unwrap_or_else(|| panic!("cannot allocate {bytes} bytes of scratch"))
}

/// The bytes of `n` elements for each job that runs at once; 0 if they are few, for which nobody asks whether there is memory.
pub(crate) fn bytes<T>(n: usize) -> usize {
    let bytes = n.saturating_mul(size_of::<T>());
    // Whoever asks how many threads there are starts them: a process of 1 ms takes 0.2 ms more.
    if bytes < 1 << 10 { 0 } else { bytes.saturating_mul(threads()) }
}

/// `n` copies of a value, for callers that have checked the memory.
pub(crate) fn filled<T: Clone>(n: usize, value: T) -> Vec<T> {
    let mut scratch = scratch(n);
    scratch.resize(n, value);
    scratch
}

/// Calls `f` for every job, in parallel.
pub(crate) fn for_jobs<J: Send>(jobs: impl Iterator<Item = J> + Send, f: &(dyn Fn(J) + Sync)) {
    share(jobs, &|| (), &|(), job| f(job));
}

/// A function of a chunk's first place and its elements. Not a type parameter, so that sharing work is compiled once an element type and
/// not once a loop.
pub(crate) type Each<'a, T> = dyn Fn(usize, &mut [T]) + Sync + 'a;

/// A function of a thread's state, a pair's number, and a pair of chunks.
type EachPair<'a, S, T, U> = dyn Fn(&mut S, usize, &mut [T], &mut [U]) + Sync + 'a;

/// Calls `f(state, i, chunk, side_chunk)` for the `i`-th chunks of `size` and `side_size` elements, in parallel where `out.len() · work`
/// is at least [`PARALLEL_MIN`]; each thread has a state of its own, from `start`.
fn for_pairs<S, T: Send, U: Send>(
    (out, size): (&mut [T], usize),
    (side, side_size): (&mut [U], usize),
    work: usize,
    start: &(dyn Fn() -> S + Sync),
    f: &EachPair<'_, S, T, U>,
) {
    let each = |state: &mut S, first: usize, (out, side): (&mut [T], &mut [U])| {
        let chunks = out.chunks_mut(size.max(1)).zip(side.chunks_mut(side_size.max(1)));
        chunks.enumerate().for_each(|(i, (a, b))| f(state, first + i, a, b));
    };
    if out.len() <= size || out.len().saturating_mul(work) < PARALLEL_MIN {
        return each(&mut start(), 0, (out, side));
    }
    let group = group(out.len().div_ceil(size));
    let groups = out.chunks_mut(group * size).zip(side.chunks_mut(group * side_size)).enumerate();
    share(groups, start, &|state, (i, pair)| each(state, i * group, pair));
}

/// Calls `f(start, chunk)` for chunks of `size` elements, in parallel where `len · work` is at least [`PARALLEL_MIN`].
pub(crate) fn for_chunks<T: Send>(out: &mut [T], size: usize, work: usize, f: &Each<'_, T>) {
    match out.len() {
        0 => {}
        n if n <= size => f(0, out),
        n => {
            let mut nothing = vec![(); n.div_ceil(size)];
            for_pairs((out, size), (&mut nothing, 1), work, &|| (), &|(), i, chunk, _| f(i * size, chunk));
        }
    }
}

/// Calls `f(start, block)` for disjoint blocks that cover `out`.
pub(crate) fn for_blocks<T: Send>(out: &mut [T], f: &Each<'_, T>) {
    for_chunks(out, BLOCK, 1, f);
}

/// [`for_blocks`] for an output that `f` only writes: a large one is computed in scratch and streamed.
pub(crate) fn write_blocks<T: Element>(out: &mut [T], f: &Each<'_, T>) {
    if size_of_val(out) < STREAM_MIN {
        return for_blocks(out, f);
    }
    let mut nothing = vec![(); out.len().div_ceil(BLOCK)];
    sink_blocks(out, &mut nothing, &|i, mut sink, ()| {
        for at in (0..sink.len()).step_by(TILE) {
            sink.fill(at, TILE.min(sink.len() - at), &mut |out| f(i * BLOCK + at, out));
        }
    });
}

/// A block of an output that is only written; if it is part of a large one, it is streamed from scratch.
pub(crate) struct Sink<'a, T> {
    out: &'a mut [T],
    stream: Option<&'a mut ([T; TILE], StreamingStores)>,
}

impl<T: Element> Sink<'_, T> {
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// Elements `start..start + n` are what `f` writes; at most [`TILE`] of them where they are streamed.
    #[inline(always)]
    pub(crate) fn fill(&mut self, start: usize, n: usize, f: &mut dyn FnMut(&mut [T])) {
        let out = &mut self.out[start..start + n];
        match &mut self.stream {
            Some((scratch, stream)) => {
                f(&mut scratch[..n]);
                stream.copy(&scratch[..n], out);
            }
            None => f(out),
        }
    }
}

/// Calls `f(i, block, number)` for the blocks that cover `out`, with a number each.
pub(crate) fn sink_blocks<T: Element, U: Send>(
    out: &mut [T],
    numbers: &mut [U],
    f: &(dyn Fn(usize, Sink<'_, T>, &mut U) + Sync),
) {
    let large = size_of_val(out) >= STREAM_MIN;
    let start = || large.then(|| ([T::default(); TILE], StreamingStores::new()));
    for_pairs((out, BLOCK), (numbers, 1), 1, &start, &|stream, i, out, number| {
        f(i, Sink { out, stream: stream.as_mut() }, &mut number[0]);
    });
}

/// A part of an output that is only written; derefs to its elements, which hold any values at first. Those of a large output are
/// scratch, and streamed in the end, or as soon as they are final ([`stream`](Self::stream)).
#[derive(Debug)]
pub struct Chunk<'a, T: Element> {
    values: &'a mut [T],
    stream: Option<(&'a StreamingStores, &'a mut [T])>,
    sent: usize,
}

impl<T: Element> Deref for Chunk<'_, T> {
    type Target = [T];
    #[inline(always)]
    fn deref(&self) -> &[T] {
        self.values
    }
}

impl<T: Element> DerefMut for Chunk<'_, T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        self.values
    }
}

/// Elements in their place.
impl<'a, T: Element> From<&'a mut [T]> for Chunk<'a, T> {
    fn from(values: &'a mut [T]) -> Self {
        Self { values, stream: None, sent: 0 }
    }
}

impl<T: Element> Chunk<'_, T> {
    /// Calls `f(at, piece)` for the pieces of a range. Each piece and all elements before it are final then: one piece is streamed
    /// to memory while the next is computed. `at` counts from the range's start.
    ///
    /// # Panics
    /// If the range is not within the chunk, or begins before elements that are final.
    ///
    /// ```
    /// let mut squares = vec![0.0; 10];
    /// downhill::kernels::write_rows::<f64, _, _>(5, &mut squares, &mut [(); 2], 1, |first, out, _| {
    ///     out.stream(0..out.len(), |at, piece| {
    ///         piece.iter_mut().enumerate().for_each(|(i, x)| *x = ((5 * first + at + i) as f64).powi(2));
    ///     });
    /// });
    /// assert_eq!(squares[9], 81.0);
    /// ```
    #[inline(always)]
    pub fn stream(&mut self, range: Range<usize>, mut f: impl FnMut(usize, &mut [T])) {
        for at in range.clone().step_by(TILE) {
            let end = (at + TILE).min(range.end);
            f(at - range.start, &mut self.values[at..end]);
            self.send(end);
        }
    }

    #[inline(always)]
    fn send(&mut self, end: usize) {
        if let Some((stream, out)) = &mut self.stream {
            stream.copy(&self.values[self.sent..end], &mut out[self.sent..end]);
            self.sent = end;
        }
    }
}

/// Rows of `n` elements in a chunk.
pub(crate) fn rows_at_once(n: usize) -> usize {
    (ROW_BLOCK / n.max(1)).max(1)
}

/// Calls `f(first, rows, numbers)` for chunks of whole rows of `n` elements with a number each. `f` only writes the rows: those of a large
/// output are computed in scratch and streamed.
pub(crate) fn write_rows<T: Element, U: Send>(
    n: usize,
    out: &mut [T],
    numbers: &mut [U],
    work: usize,
    f: &(dyn Fn(usize, &mut Chunk<'_, T>, &mut [U]) + Sync),
) {
    let rows = rows_at_once(n);
    let size = rows * n.max(1);
    let large = size_of_val(out) >= STREAM_MIN && out.len() > size;
    let start = || if large { Some((reserved(size)?, StreamingStores::new())) } else { None };
    for_pairs((out, size), (numbers, rows), work, &start, &|state, i, out, numbers| {
        // Without memory for scratch, in its place.
        let Some((scratch, stream)) = state else { return f(i * rows, &mut out.into(), numbers) };
        scratch.resize(size, T::default());
        let values = &mut scratch[..out.len()];
        let mut chunk = Chunk { values, stream: Some((stream, out)), sent: 0 };
        f(i * rows, &mut chunk, numbers);
        chunk.send(chunk.len());
    });
}
