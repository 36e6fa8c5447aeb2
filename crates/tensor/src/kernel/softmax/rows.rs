//! Rows: the loop over them, their maxima, exponentials and sums.

use super::super::parallel::{self, Chunk};
use super::super::real::{Float, Real};
use super::super::reduce::by_halves;
use super::super::simd::{fetch, inlined, vectorize};
use super::super::sizes::TILE;
use std::ops::Range;

/// An element of an exponential row costs about eight times one that is streamed: 1 ns.
pub(super) const WORK: usize = 8;

/// Lanes of the widest row.
pub(super) const WIDE: usize = 16;

/// Lanes that sums are spread over: those of an AVX-512 vector.
pub(super) const fn vector_len<T>() -> usize {
    64 / size_of::<T>()
}

/// `max + ln sum`, where the difference of an infinite maximum from itself is not 0.
#[inline(always)]
pub(super) fn log_sum<T: Float>(max: T, sum: T) -> T {
    if Real::abs(max) == T::lit(f64::INFINITY) { max } else { max + Float::fast_ln(sum) }
}

/// `(x − max) − log`.
#[inline(always)]
pub(super) fn shift<T: Float>(x: T, max: T, log: T) -> T {
    (x - max) - log
}

/// `(g − sum)·y`, in this order, which is PyTorch's: not `y·g − y·sum`.
#[inline(always)]
pub(super) fn centred<T: Float>(y: T, g: T, sum: T) -> T {
    (g - sum) * y
}

/// Calls `f(first, chunk, row)` for every row of `n` elements, in blocks of whole rows; `row` is its range within the chunk.
pub(super) fn for_rows<T: Float>(
    out: &mut [T],
    n: usize,
    f: impl Fn(usize, &mut Chunk<'_, T>, Range<usize>) + Sync,
) {
    let mut nothing = vec![(); out.len() / n];
    parallel::write_rows(n, out, &mut nothing, WORK, &|first, chunk, _| {
        vectorize!(T: for at in (0..chunk.len()).step_by(n) {
            f(first * n + at, chunk, at..at + n);
        });
    });
}

/// The elements of a row's end, the missing ones filled with `pad`.
#[inline(always)]
fn load<T: Float>(part: &[T], pad: T) -> [T; WIDE] {
    let mut lanes = [pad; WIDE];
    lanes[..part.len()].copy_from_slice(part);
    lanes
}

/// Adds up the lanes of a row of `n`: one after the other if it is shorter than a vector, otherwise by halves.
#[inline(always)]
fn add_up<T: Float, S: Float>(lanes: [S; WIDE], n: usize) -> S {
    if n < vector_len::<T>() {
        return lanes[..n].iter().fold(S::default(), |sum, &x| sum + x);
    }
    match lanes.first_chunk::<{ WIDE / 2 }>() {
        Some(&half) if vector_len::<T>() < WIDE => by_halves(half),
        _ => by_halves(lanes),
    }
}

/// Adds terms to the lanes.
#[inline(always)]
fn add<T: Float, S: Float>(lanes: &mut [S; WIDE], terms: &[T]) {
    let chunks = terms.chunks_exact(vector_len::<T>());
    let tail = chunks.remainder();
    for chunk in chunks {
        for i in 0..vector_len::<T>() {
            lanes[i] += chunk[i].cast::<S>();
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(tail) {
        *lane += x.cast::<S>();
    }
}

/// The sum of a row, added up in `S`.
#[inline(always)]
pub(super) fn total<T: Float, S: Float>(row: &[T]) -> S {
    let mut lanes = [S::default(); WIDE];
    add(&mut lanes, row);
    add_up::<T, S>(lanes, row.len())
}

/// Scratch that begins with a line of the caches: vectors across two lines cost a quarter of a short row.
#[repr(align(64))]
struct Tile<T>([T; TILE]);

/// The term `f(x)` of entry `apart`, if there is one, and the sum of the others, added up in `S`; `next` is fetched. Terms are
/// computed before any is added: a loop that does both stays scalar.
#[inline(always)]
fn sums<T: Float, S: Float>(row: &[T], next: &[T], apart: usize, f: impl Fn(T) -> T) -> (T, S) {
    let (mut lanes, mut tile, mut own) = ([S::default(); WIDE], Tile([T::default(); TILE]), T::default());
    for (i, piece) in row.chunks(TILE).enumerate() {
        fetch(next, i * TILE, TILE);
        let terms = &mut tile.0[..piece.len()];
        each(piece, piece, terms, inlined!(|x, _| f(x)));
        if let Some(term) = terms.get_mut(apart.wrapping_sub(i * TILE)) {
            own = std::mem::take(term);
        }
        add(&mut lanes, terms);
    }
    (own, add_up::<T, S>(lanes, row.len()))
}

/// `Σ ab` over two rows: rounded twice in whole vectors and in rows shorter than one, once in what is left over.
#[inline(always)]
pub(super) fn dot<T: Float>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::default(); WIDE];
    let (a_chunks, b_chunks) = (a.chunks_exact(vector_len::<T>()), b.chunks_exact(vector_len::<T>()));
    let tails = a_chunks.remainder().iter().zip(b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..vector_len::<T>() {
            lanes[i] += a[i] * b[i];
        }
    }
    let short = a.len() < vector_len::<T>();
    for (sum, (&a, &b)) in lanes.iter_mut().zip(tails) {
        *sum = if short { a * b } else { Real::mul_add(a, b, *sum) };
    }
    add_up::<T, T>(lanes, a.len())
}

/// `out = f(a, b)`, whole vectors even at the end of the row.
#[inline(always)]
pub(super) fn each<T: Float>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    let whole = out.len() / WIDE * WIDE;
    let (out, end) = out.split_at_mut(whole);
    let (x, y) = (&a[..whole], &b[..whole]);
    for i in 0..whole {
        out[i] = f(x[i], y[i]);
    }
    if !end.is_empty() {
        let (a, b) = (load(&a[whole..], T::default()), load(&b[whole..], T::default()));
        let mut lanes = [T::default(); WIDE];
        // A loop of so few turns is unrolled into scalars where the compiler knows their number.
        let n = std::hint::black_box(WIDE);
        for ((o, &a), &b) in lanes[..n].iter_mut().zip(&a[..n]).zip(&b[..n]) {
            *o = f(a, b);
        }
        end.copy_from_slice(&lanes[..end.len()]);
    }
}

/// The larger; a NaN on the right loses.
#[inline(always)]
pub(super) fn larger<T: PartialOrd>(max: T, x: T) -> T {
    if x > max { x } else { max }
}

#[inline(always)]
pub(super) fn max<T: Float>(row: &[T]) -> T {
    let (chunks, tail) = row.as_chunks::<{ 4 * WIDE }>();
    let max = tail.iter().fold(T::lit(f64::NEG_INFINITY), |max, &x| larger(max, x));
    if chunks.is_empty() {
        return max;
    }
    // Several vectors: a comparison waits for the one before in its lane. One array of all lanes would lie in memory.
    let [mut a, mut b, mut c, mut d] = [[max; WIDE]; 4];
    for chunk in chunks {
        let (parts, _) = chunk.as_chunks::<WIDE>();
        for i in 0..WIDE {
            a[i] = larger(a[i], parts[0][i]);
        }
        for i in 0..WIDE {
            b[i] = larger(b[i], parts[1][i]);
        }
        for i in 0..WIDE {
            c[i] = larger(c[i], parts[2][i]);
        }
        for i in 0..WIDE {
            d[i] = larger(d[i], parts[3][i]);
        }
    }
    // By halves: one after the other they cost a tenth of a row of a thousand.
    for i in 0..WIDE {
        a[i] = larger(larger(a[i], b[i]), larger(c[i], d[i]));
    }
    let mut half = WIDE / 2;
    while half > 0 {
        for i in 0..half {
            a[i] = larger(a[i], a[i + half]);
        }
        half /= 2;
    }
    a[0]
}

/// The maximum of a row, the first `n` elements, and `Σ exp(x − max)`; `max + ln sum` is the row's log-sum-exp. An entry of -∞ adds
/// exactly 0. As much of what follows the row is fetched meanwhile.
#[inline(always)]
pub(super) fn max_and_sum<T: Float>(x: &[T], n: usize) -> (T, T) {
    let (max, _, sum) = max_and_sums(x, n, usize::MAX);
    (max, sum)
}

/// The maximum of a row, the first `n` elements, `exp(x − max)` of entry `apart`, and the sum of the others'.
#[inline(always)]
pub(super) fn max_and_sums<T: Float, S: Float>(x: &[T], n: usize, apart: usize) -> (T, T, S) {
    let (row, next) = x.split_at(n);
    let max = max(row);
    let (own, others) = sums(row, next, apart, inlined!(|x| Float::fast_exp(x - max)));
    (max, own, others)
}

/// The place of the first entry that equals this; `usize::MAX` if none does.
#[inline(always)]
pub(super) fn place<T: Float>(row: &[T], value: T) -> usize {
    let equal = |x: &T| *x == value;
    // Sixteen comparisons for a branch.
    let found = row.chunks(WIDE).position(|part| part.iter().fold(false, |any, x| any | equal(x)));
    found.and_then(|at| Some(at * WIDE + row[at * WIDE..].iter().position(equal)?)).unwrap_or(usize::MAX)
}

/// The log-probability of the largest entry: `−ln(1 + Σ exp(x − max))` over the others, which keeps what is left of a probability near 1.
/// Few rows want it: it is compiled by itself.
#[inline(never)]
pub(super) fn largest_log<T: Float>(row: &[T], place: usize, max: T) -> T {
    let (own, others): (T, f64) = vectorize!(T: sums(
        row,
        &[],
        place,
        inlined!(|x| Float::fast_exp(x - max)),
    ));
    T::lit(-Real::log1p(others + (own.cast::<f64>() - 1.0)))
}

/// Sums of exponentials below which the largest entry's logarithm is computed from the others; that logarithm is then above
/// [`SURE_LOG`]. What is less sure has digits enough, and keeps PyTorch's.
pub(super) const SURE: f64 = 1.125;

/// −ln [`SURE`].
pub(super) const SURE_LOG: f64 = -0.117_783_035_656_383_45;

/// `out = exp(x − max)`; the maximum and the sum of these, to the bit those of [`max_and_sum`].
#[inline(always)]
pub(super) fn exponentials<T: Float, S: Float>(x: &[T], out: &mut [T]) -> (T, S) {
    let (max, _, sum) = exponentials_apart(x, usize::MAX, out);
    (max, sum)
}

/// `out = exp(x − max)`, but 0 in place `apart`; [`max_and_sums`] of the row, to the bit.
#[inline(always)]
pub(super) fn exponentials_apart<T: Float, S: Float>(x: &[T], apart: usize, out: &mut [T]) -> (T, T, S) {
    let (row, next) = x.split_at(out.len());
    let max = max(row);
    for (i, (row, out)) in row.chunks(TILE).zip(out.chunks_mut(TILE)).enumerate() {
        fetch(next, i * TILE, TILE);
        each(row, row, out, inlined!(|x, _| Float::fast_exp(x - max)));
    }
    let own = out.get_mut(apart).map(std::mem::take).unwrap_or_default();
    (max, own, total(out))
}

/// `x = exp(x)` of every element, whole vectors even at the end. Compiled by itself: short rows call it for a group of them.
#[inline(never)]
pub(super) fn fast_exps<T: Float>(x: &mut [T]) {
    vectorize!(T: {
        let (whole, end) = x.split_at_mut(x.len() / WIDE * WIDE);
        for x in whole {
            *x = Float::fast_exp(*x);
        }
        if !end.is_empty() {
            let mut lanes = load(end, T::default());
            // As in `each`.
            for x in &mut lanes[..std::hint::black_box(WIDE)] {
                *x = Float::fast_exp(*x);
            }
            end.copy_from_slice(&lanes[..end.len()]);
        }
    });
}

/// [`exponentials`] of rows of `n` elements. Those of short rows are computed side by side, in whole vectors.
#[inline(always)]
pub(super) fn exponentials_of_rows<T: Float>(x: &[T], n: usize, out: &mut [T], stats: &mut [(T, T)]) {
    for ((row, out), stat) in x.chunks_exact(n).zip(out.chunks_exact_mut(n)).zip(&mut *stats) {
        let max = max(row);
        for (o, &x) in out.iter_mut().zip(row) {
            *o = x - max;
        }
        stat.0 = max;
    }
    fast_exps(out);
    for (row, stat) in out.chunks_exact(n).zip(stats) {
        stat.1 = total(row);
    }
}

/// The maximum of a row, its place, and its exponential and the sum of the others': [`max_and_sums`] with exponentials in `f64`, exact
/// enough for differences of softmaxes.
#[inline(always)]
pub(super) fn max_and_wide_sums<T: Float>(row: &[T]) -> (T, usize, [f64; 2]) {
    let max = max(row);
    // A row with NaN has no largest entry: whichever is taken, what follows is NaN.
    let (place, mut own) = (place(row, max).min(row.len().saturating_sub(1)), 0.0);
    let (wide, mut lanes, mut tile) = (max.cast::<f64>(), [0.0; WIDE], [0.0; 16 * WIDE]);
    for (i, piece) in row.chunks(16 * WIDE).enumerate() {
        let terms = &mut tile[..piece.len()];
        for (term, &x) in terms.iter_mut().zip(piece) {
            *term = T::wide_exp(x.cast::<f64>() - wide);
        }
        if let Some(term) = terms.get_mut(place.wrapping_sub(i * 16 * WIDE)) {
            own = std::mem::take(term);
        }
        let (chunks, tail) = terms.as_chunks::<WIDE>();
        for chunk in chunks {
            for i in 0..WIDE {
                lanes[i] += chunk[i];
            }
        }
        for (lane, &term) in lanes.iter_mut().zip(tail) {
            *lane += term;
        }
    }
    (max, place, [own, lanes.iter().sum()])
}

/// The place of a probability near 1, if the row `y` of their logarithms has one, and its entry of the gradient, where
/// `g − exp(y) Σ g` cancels: `(1 − p) g − p Σ g` over the others.
#[inline(always)]
pub(super) fn sure_slope<T: Float>(y: &[T], g: &[T]) -> (usize, T) {
    let top = max(y);
    if !(SURE_LOG..=0.0).contains(&top.cast::<f64>()) {
        return (usize::MAX, T::default());
    }
    slope_at_top(y, g, top)
}

/// Few rows want it: it is compiled by itself.
#[inline(never)]
fn slope_at_top<T: Float>(y: &[T], g: &[T], top: T) -> (usize, T) {
    let (at, others) = vectorize!(T: {
        let at = place(y, top);
        (at, total::<T, T>(&g[..at]) + total::<T, T>(&g[at + 1..]))
    });
    (at, -Real::expm1(top) * g[at] - Real::exp(top) * others)
}
