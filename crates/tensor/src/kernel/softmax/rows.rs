//! What rows are worked on with: their maxima, exponentials and sums.

use super::super::math::Math;
use super::super::simd::fetch;
use super::{Row, WIDE};

/// Elements of a row that are worked on at once.
const PIECE: usize = 16 * WIDE;

/// The elements of a row's end, the missing ones filled with `pad`.
#[inline(always)]
fn load<T: Row>(part: &[T], pad: T) -> [T; WIDE] {
    let mut lanes = [pad; WIDE];
    lanes[..part.len()].copy_from_slice(part);
    lanes
}

/// Adds up the lanes of a row of `n`: one after the other if it is shorter than a vector, otherwise by halves.
#[inline(always)]
fn add_up<T: Row, S: Row>(mut lanes: [S; WIDE], n: usize) -> S {
    if n < T::LANES {
        return lanes[..n].iter().fold(S::default(), |sum, &x| sum + x);
    }
    let mut half = T::LANES / 2;
    while half > 0 {
        for i in 0..half {
            let upper = lanes[i + half];
            lanes[i] += upper;
        }
        half /= 2;
    }
    lanes[0]
}

/// Adds terms to the lanes.
#[inline(always)]
fn add<T: Row, S: Row>(lanes: &mut [S; WIDE], terms: &[T]) {
    let chunks = terms.chunks_exact(T::LANES);
    let tail = chunks.remainder();
    for chunk in chunks {
        for i in 0..T::LANES {
            lanes[i] += chunk[i].cast::<S>();
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(tail) {
        *lane += x.cast::<S>();
    }
}

/// The sum of a row, added up in `S`.
#[inline(always)]
pub(super) fn total<T: Row, S: Row>(row: &[T]) -> S {
    let mut lanes = [S::default(); WIDE];
    add(&mut lanes, row);
    add_up::<T, S>(lanes, row.len())
}

/// Scratch that begins with a line of the caches: vectors across two lines cost a quarter of a short row.
#[repr(align(64))]
struct Tile<T>([T; PIECE]);

/// `Σ f(x)` over a row, added up in `S`, and `next` fetched. Terms are computed before any is added: a loop that does both stays
/// scalar.
#[inline(always)]
fn sum<T: Row, S: Row>(row: &[T], next: &[T], f: impl Fn(T) -> T) -> S {
    let (mut lanes, mut tile) = ([S::default(); WIDE], Tile([T::default(); PIECE]));
    for (i, piece) in row.chunks(PIECE).enumerate() {
        fetch(next, i * PIECE, PIECE);
        let terms = &mut tile.0[..piece.len()];
        each(
            piece,
            piece,
            terms,
            #[inline(always)]
            |x, _| f(x),
        );
        add(&mut lanes, terms);
    }
    add_up::<T, S>(lanes, row.len())
}

/// `Σ ab` over two rows: rounded twice in whole vectors and in rows shorter than one, once in what is left over.
#[inline(always)]
pub(super) fn dot<T: Row>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::default(); WIDE];
    let (a_chunks, b_chunks) = (a.chunks_exact(T::LANES), b.chunks_exact(T::LANES));
    let tails = a_chunks.remainder().iter().zip(b_chunks.remainder());
    for (a, b) in a_chunks.zip(b_chunks) {
        for i in 0..T::LANES {
            lanes[i] += a[i] * b[i];
        }
    }
    let short = a.len() < T::LANES;
    for (sum, (&a, &b)) in lanes.iter_mut().zip(tails) {
        *sum = if short { a * b } else { T::fma(a, b, *sum) };
    }
    add_up::<T, T>(lanes, a.len())
}

/// `out = f(a, b)`, whole vectors even at the end of the row.
#[inline(always)]
pub(super) fn each<T: Row>(a: &[T], b: &[T], out: &mut [T], f: impl Fn(T, T) -> T) {
    let whole = out.len() / WIDE * WIDE;
    let (out, end) = out.split_at_mut(whole);
    for ((o, &a), &b) in out.iter_mut().zip(&a[..whole]).zip(&b[..whole]) {
        *o = f(a, b);
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
fn max<T: Row>(row: &[T]) -> T {
    let (chunks, tail) = row.as_chunks::<{ 4 * WIDE }>();
    let max = tail.iter().fold(T::LOWEST, |max, &x| larger(max, x));
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
    let lanes = a.iter().chain(&b).chain(&c).chain(&d);
    lanes.fold(max, |max, &x| larger(max, x))
}

/// The maximum of a row, the first `n` elements, and `Σ exp(x − max)`; `max + ln sum` is the row's log-sum-exp. An entry of -∞ adds
/// exactly 0. As much of what follows the row is fetched meanwhile.
#[inline(always)]
pub(crate) fn max_and_sum<T: Row, S: Row>(x: &[T], n: usize) -> (T, S) {
    let (row, next) = x.split_at(n);
    let max = max(row);
    let sum = sum(
        row,
        next,
        #[inline(always)]
        |x| Math::fast_exp(x - max),
    );
    (max, sum)
}

/// `out = exp(x − max)`; [`max_and_sum`] of the row, to the bit.
#[inline(always)]
pub(crate) fn exponentials<T: Row, S: Row>(x: &[T], out: &mut [T]) -> (T, S) {
    let (row, next) = x.split_at(out.len());
    let max = max(row);
    for (i, (row, out)) in row.chunks(PIECE).zip(out.chunks_mut(PIECE)).enumerate() {
        fetch(next, i * PIECE, PIECE);
        each(
            row,
            row,
            out,
            #[inline(always)]
            |x, _| Math::fast_exp(x - max),
        );
    }
    (max, total(out))
}

/// `x = exp(x)` of every element, whole vectors even at the end.
#[inline(always)]
pub(crate) fn fast_exps<T: Row>(x: &mut [T]) {
    let (whole, end) = x.split_at_mut(x.len() / WIDE * WIDE);
    for x in whole {
        *x = Math::fast_exp(*x);
    }
    if !end.is_empty() {
        let mut lanes = load(end, T::default());
        // As in `each`.
        for x in &mut lanes[..std::hint::black_box(WIDE)] {
            *x = Math::fast_exp(*x);
        }
        end.copy_from_slice(&lanes[..end.len()]);
    }
}

/// [`exponentials`] of rows of `n` elements. Those of short rows are computed side by side, in whole vectors.
#[inline(always)]
pub(super) fn exponentials_of_rows<T: Row>(x: &[T], n: usize, out: &mut [T], stats: &mut [(T, T)]) {
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

/// The same with exponentials in `f64`, exact enough for differences of softmaxes.
#[inline(always)]
pub(crate) fn max_and_wide_sum<T: Row>(row: &[T]) -> (T, f64) {
    let max = max(row);
    let (wide, mut lanes, mut tile) = (max.cast::<f64>(), [0.0; WIDE], [0.0; 16 * WIDE]);
    for piece in row.chunks(tile.len()) {
        let terms = &mut tile[..piece.len()];
        for (term, &x) in terms.iter_mut().zip(piece) {
            *term = <T as Math>::wide_exp(x.cast::<f64>() - wide);
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
    (max, lanes.iter().sum())
}
