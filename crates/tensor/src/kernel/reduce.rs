//! Sums, in an order that depends on the length alone.
//!
//! Up to [`EXACT`] elements the order is that of PyTorch's CPU kernel (a cascade of four levels over eight `f32` or
//! four `f64` lanes), so that small programs print the same digits. Longer sums of `f32` accumulate in `f64`, which
//! costs nothing where memory is the limit and makes the mean of a million losses exact to the last digit.

use super::parallel;
use super::real::Float;
use super::simd::{fetch, vectorize};
use std::ops::AddAssign;

/// Elements up to which sums follow PyTorch's order; its own starts to depend on the threads there.
pub(crate) const EXACT: usize = 1 << 15;

/// Computed terms up to which their sum follows PyTorch's order: small programs print its digits, and in `f64` no rounding
/// of a longer one is left to luck.
///
/// ```
/// assert_eq!(downhill::kernels::SHORT_SUM, 256);
/// ```
#[allow(unreachable_pub, reason = "kernels.rs re-exports it")]
pub const SHORT_SUM: usize = 256;

/// Elements that are read at once.
const PIECE: usize = 256;

/// Terms computed at a time in long sums: a few pages of a first-level cache.
const SCRATCH: usize = 2048;

/// Lanes of PyTorch's sums: those of a vector of 32 bytes, 8 or 4.
const fn lanes<T>() -> usize {
    let lanes = 32 / size_of::<T>();
    assert!(lanes == 8 || lanes == 4, "of f32 or of f64");
    lanes
}

/// Sums of rows of `n` in PyTorch's order.
fn torch_rows<T: Float>(data: &[T], n: usize, out: &mut [T]) {
    if const { lanes::<T>() == 8 } { row_sums::<T, 8>(data, n, out) } else { row_sums::<T, 4>(data, n, out) }
}

/// The sum of one row in PyTorch's order.
fn torch_row<T: Float>(row: &[T]) -> T {
    let mut sum = [T::default()];
    torch_rows(row, row.len(), &mut sum);
    sum[0]
}

/// Column sums of a row-major `n × width` matrix in PyTorch's order.
fn torch_columns<T: Float>(data: &[T], width: usize, out: &mut [T]) {
    if const { lanes::<T>() == 8 } {
        column_sums::<T, 8>(data, width, out);
    } else {
        column_sums::<T, 4>(data, width, out);
    }
}

/// `L` sums side by side.
#[derive(Clone, Copy)]
struct Lanes<T, const L: usize>([T; L]);

impl<T: Copy + Default + AddAssign, const L: usize> Lanes<T, L> {
    #[inline(always)]
    fn zero() -> Self {
        Self([T::default(); L])
    }

    #[inline(always)]
    fn add(&mut self, other: Self) {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a += b;
        }
    }
}

#[inline(always)]
fn add_all<T: Float, const L: usize, const G: usize>(sums: &mut [Lanes<T, L>; G], items: [Lanes<T, L>; G]) {
    for (sum, item) in sums.iter_mut().zip(items) {
        sum.add(item);
    }
}

/// PyTorch's cascade, `G` of them at once, for each alone would wait for its own additions: `step` items make a partial sum of the
/// first level, `step` of those one of the second, …
#[inline(always)]
fn cascades<T: Float, const L: usize, const G: usize>(
    count: usize,
    item: impl Fn(usize) -> [Lanes<T, L>; G],
) -> [Lanes<T, L>; G] {
    let log = if count < 2 { 0 } else { (count - 1).ilog2() + 1 };
    let power = (log / 4).max(4);
    let step = 1_usize << power;
    // The first level apart: indexed beside the others, it would live in memory.
    let (mut first, mut level) = ([Lanes::zero(); G], [[Lanes::zero(); G]; 3]);
    let mut i = 0;
    while i + step <= count {
        for _ in 0..step {
            add_all(&mut first, item(i));
            i += 1;
        }
        let mut carry = std::mem::replace(&mut first, [Lanes::zero(); G]);
        for (j, sums) in level.iter_mut().enumerate() {
            add_all(sums, carry);
            if j == 2 || i & ((step - 1) << ((j + 1) as u32 * power)) != 0 {
                break;
            }
            carry = std::mem::replace(sums, [Lanes::zero(); G]);
        }
    }
    for i in i..count {
        add_all(&mut first, item(i));
    }
    for lanes in level {
        add_all(&mut first, lanes);
    }
    first
}

/// Four cascades, added up: item `i` goes to cascade `i % 4`.
#[inline(always)]
fn interleaved<T: Float, const L: usize>(count: usize, item: impl Fn(usize) -> Lanes<T, L>) -> Lanes<T, L> {
    if count < 4 {
        // What the cascades of nothing would come to, without their cost: a sum of ten elements takes a fifth of the time.
        let mut sum = Lanes::zero();
        (0..count).for_each(|i| sum.add(item(i)));
        return sum;
    }
    let [mut sum, rest @ ..] = cascades(
        count / 4,
        #[inline(always)]
        |i| [item(4 * i), item(4 * i + 1), item(4 * i + 2), item(4 * i + 3)],
    );
    (count / 4 * 4..count).for_each(|i| sum.add(item(i)));
    for lanes in rest {
        sum.add(lanes);
    }
    sum
}

/// [`torch_rows`] with `L` lanes.
fn row_sums<T: Float, const L: usize>(data: &[T], n: usize, out: &mut [T]) {
    vectorize!(T: for (i, out) in out.iter_mut().enumerate() {
        let row = &data[i * n..][..n];
        fetch(data, (i + 2) * n, n.min(4 * PIECE));
        *out = if n < L {
            interleaved(
                n,
                #[inline(always)]
                |i| Lanes([row[i]]),
            )
            .0[0]
        } else {
            let (vectors, tail) = row.as_chunks::<L>();
            let lanes = interleaved(
                vectors.len(),
                #[inline(always)]
                |i| Lanes(vectors[i]),
            );
            tail.iter().chain(&lanes.0).fold(T::default(), |sum, &x| sum + x)
        };
    });
}

/// [`torch_columns`] with `L` lanes.
fn column_sums<T: Float, const L: usize>(data: &[T], width: usize, out: &mut [T]) {
    let rows = data.len().checked_div(width).unwrap_or(0);
    // PyTorch takes whole groups of four vectors (or four columns) by plain cascades, the rest by interleaved ones.
    let group = if width >= L { 4 * L } else { 4 };
    let plain = width / group * group;
    vectorize!(T: {
        let mut j = 0;
        while j + 4 * L <= plain {
            let sums = cascades(
                rows,
                #[inline(always)]
                |i| {
                    let mut lanes = [Lanes::<T, L>::zero(); 4];
                    let row = data[i * width + j..][..4 * L].as_chunks::<L>().0;
                    lanes.iter_mut().zip(row).for_each(|(lanes, row)| lanes.0 = *row);
                    lanes
                },
            );
            for lanes in sums {
                out[j..j + L].copy_from_slice(&lanes.0);
                j += L;
            }
        }
        // The last vector reaches back to where columns are done: their sums are not stored.
        while j < width && width >= L {
            let at = j.min(width - L);
            let sums = interleaved(
                rows,
                #[inline(always)]
                |i| {
                    let mut lanes = Lanes::<T, L>::zero();
                    lanes.0.copy_from_slice(&data[i * width + at..][..L]);
                    lanes
                },
            );
            out[j..at + L].copy_from_slice(&sums.0[j - at..]);
            j = at + L;
        }
        for (j, out) in out.iter_mut().enumerate().skip(j) {
            let column = Column { data, width, j };
            *out = if j < plain { column.cascade(rows) } else { column.interleaved(rows) };
        }
    });
}

/// One column of a row-major matrix.
struct Column<'a, T> {
    data: &'a [T],
    width: usize,
    j: usize,
}

impl<T: Float> Column<'_, T> {
    #[inline(always)]
    fn at(&self, i: usize) -> Lanes<T, 1> {
        Lanes([self.data[i * self.width + self.j]])
    }

    #[inline(always)]
    fn cascade(&self, rows: usize) -> T {
        let [sum] = cascades(
            rows,
            #[inline(always)]
            |i| [self.at(i)],
        );
        sum.0[0]
    }

    #[inline(always)]
    fn interleaved(&self, rows: usize) -> T {
        interleaved(
            rows,
            #[inline(always)]
            |i| self.at(i),
        )
        .0[0]
    }
}

/// Lanes of a sum in `f64`. Of 32 the compiler makes scalars.
const WIDE: usize = 16;

/// A sum in `f64` that is fed a few terms at a time: fixed lanes, then a fixed tree.
#[derive(Clone, Copy)]
pub(crate) struct WideSum([f64; WIDE]);

impl WideSum {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self([0.0; WIDE])
    }

    /// Adds terms; only the last ones may be no multiple of [`WIDE`].
    #[inline(always)]
    pub(crate) fn feed<T: Float>(&mut self, terms: &[T]) {
        let (chunks, tail) = terms.as_chunks::<WIDE>();
        let mut lanes = self.0;
        for chunk in chunks {
            for (a, &x) in lanes.iter_mut().zip(chunk) {
                *a += x.cast::<f64>();
            }
        }
        for (a, &x) in lanes.iter_mut().zip(tail) {
            *a += x.cast::<f64>();
        }
        self.0 = lanes;
    }

    #[inline(always)]
    pub(crate) fn total(self) -> f64 {
        by_halves(self.0)
    }
}

/// Lanes, a power of two of them, added up by halves.
#[inline(always)]
pub(super) fn by_halves<T: Copy + AddAssign, const L: usize>(mut lanes: [T; L]) -> T {
    let mut half = L / 2;
    while half > 0 {
        for i in 0..half {
            let upper = lanes[i + half];
            lanes[i] += upper;
        }
        half /= 2;
    }
    lanes[0]
}

/// The sum of a block in `f64`, two at once: one would wait for its own additions (2²⁴ elements take a Zen 5 core 2.2 ms with
/// one, 1.5 with two).
#[inline(always)]
fn wide_row<T: Float>(row: &[T]) -> f64 {
    let (mut even, mut odd) = ([0.0; WIDE], [0.0; WIDE]);
    let (pairs, tail) = row.as_chunks::<{ 2 * WIDE }>();
    for (i, piece) in pairs.chunks(PIECE / (2 * WIDE)).enumerate() {
        fetch(row, (i + 8) * PIECE, PIECE);
        for pair in piece {
            for i in 0..WIDE {
                even[i] += pair[i].cast::<f64>();
            }
            for i in 0..WIDE {
                odd[i] += pair[WIDE + i].cast::<f64>();
            }
        }
    }
    let (mut even, odd) = (WideSum(even), WideSum(odd));
    even.feed(tail);
    even.total() + odd.total()
}

/// Partial sums combined pairwise, in order.
pub(crate) fn pairwise(parts: &mut [f64]) -> f64 {
    let mut n = parts.len();
    while n > 1 {
        for i in 0..n / 2 {
            parts[i] = parts[2 * i] + parts[2 * i + 1];
        }
        if n % 2 == 1 {
            parts[n / 2] = parts[n - 1];
        }
        n = n.div_ceil(2);
    }
    parts.first().copied().unwrap_or_default()
}

/// Partial sums combined pairwise and rounded once.
pub(crate) fn combine<T: Float>(parts: &mut [f64]) -> T {
    T::of_f64(pairwise(parts))
}

/// The sum of `count` terms that `fill(start, out)` computes block by block; the terms themselves are never stored
/// beyond a block.
pub(crate) fn sum_terms<T: Float>(count: usize, work: usize, fill: &(dyn Fn(usize, &mut [T]) + Sync)) -> T {
    if count <= SHORT_SUM {
        let mut terms = [T::default(); SHORT_SUM];
        fill(0, &mut terms[..count]);
        return torch_row(&terms[..count]);
    }
    let mut parts = parallel::filled(count.div_ceil(EXACT), 0.0);
    parallel::for_chunks(&mut parts, 1, work * EXACT, &|block, part| {
        let (start, end) = (block * EXACT, (block * EXACT + EXACT).min(count));
        let (mut scratch, mut sum) = ([T::default(); SCRATCH], WideSum::new());
        for at in (start..end).step_by(SCRATCH) {
            let terms = &mut scratch[..SCRATCH.min(end - at)];
            fill(at, terms);
            vectorize!(T: sum.feed(terms));
        }
        part[0] = sum.total();
    });
    combine::<T>(&mut parts)
}

/// The sum of a slice.
pub(crate) fn sum<T: Float>(data: &[T]) -> T {
    if data.len() <= EXACT {
        return torch_row(data);
    }
    let mut parts = parallel::filled(data.len().div_ceil(EXACT), 0.0);
    parallel::for_chunks(&mut parts, 1, EXACT, &|block, part| {
        let end = (block * EXACT + EXACT).min(data.len());
        part[0] = vectorize!(T: wide_row(&data[block * EXACT..end]));
    });
    combine::<T>(&mut parts)
}

/// Columns that are summed at once: their accumulators stay in the first-level cache, and a row's part is one page of `f32`.
const STRIP: usize = 1 << 10;

/// Rows whose column sums make one partial sum.
fn block_rows(width: usize) -> usize {
    (EXACT / width).max(1 << 8)
}

/// How many bytes of scratch [`sum_middle`] takes at once.
pub(crate) fn scratch(n: usize, inner: usize, outer: usize) -> usize {
    if n * inner <= EXACT || inner == 0 {
        return 0;
    }
    // Of a row, or of a matrix.
    let numbers = match inner {
        1 => n.div_ceil(EXACT),
        _ if n <= block_rows(inner) => 0,
        _ => n.div_ceil(block_rows(inner)).saturating_mul(inner),
    };
    numbers.saturating_mul(8 * outer.min(parallel::threads()))
}

/// Sums over the middle of a row-major `outer × n × inner` array.
pub(crate) fn sum_middle<T: Float>(data: &[T], n: usize, inner: usize, out: &mut [T]) {
    if n == 0 || inner == 0 {
        return out.fill(T::default());
    }
    if inner == 1 {
        if out.len() == 1 {
            out[0] = sum(data);
            return;
        }
        return parallel::for_chunks(out, (EXACT / n).max(1), n, &|start, out| {
            let rows = &data[start * n..];
            if n <= EXACT {
                return torch_rows(rows, n, out);
            }
            rows.chunks_exact(n).zip(out).for_each(|(row, out)| *out = sum(row));
        });
    }
    // One outer entry a chunk.
    parallel::for_chunks(out, inner, n, &|start, out| {
        columns(&data[start * n..][..n * inner], inner, out);
    });
}

/// Column sums of a row-major matrix.
fn columns<T: Float>(data: &[T], width: usize, out: &mut [T]) {
    if data.len() <= EXACT {
        return torch_columns(data, width, out);
    }
    let (rows, block) = (data.len() / width, block_rows(width));
    if rows <= block {
        return parallel::for_chunks(out, STRIP, rows, &|start, out| {
            let mut sums = [0.0; STRIP];
            let sums = &mut sums[..out.len()];
            add_rows(data, width, start, sums);
            out.iter_mut().zip(sums).for_each(|(o, sum)| *o = T::of_f64(*sum));
        });
    }
    let mut parts = parallel::filled(rows.div_ceil(block) * width, 0.0);
    let jobs = parts.chunks_mut(width).zip(data.chunks(block * width));
    let strip = |(start, sums): (usize, &mut [f64]), rows: &[T]| add_rows(rows, width, start * STRIP, sums);
    parallel::for_jobs(jobs, &|(part, rows): (&mut [f64], &[T])| {
        part.chunks_mut(STRIP).enumerate().for_each(|sums| strip(sums, rows));
    });
    let (total, rest) = parts.split_at_mut(width);
    for part in rest.chunks_exact(width) {
        total.iter_mut().zip(part).for_each(|(a, &x)| *a += x);
    }
    out.iter_mut().zip(total).for_each(|(o, &mut a)| *o = T::of_f64(a));
}

/// Adds to `sums` the columns from `start` on, four rows at a time: the sums are loaded and stored a fourth as often.
fn add_rows<T: Float>(data: &[T], width: usize, start: usize, sums: &mut [f64]) {
    vectorize!(T: {
        let mut fours = data.chunks_exact(4 * width);
        for (i, rows) in (&mut fours).enumerate() {
            let row = |k: usize| &rows[k * width + start..][..sums.len()];
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            for k in 4..8 {
                fetch(data, (4 * i + k) * width + start, sums.len());
            }
            for j in 0..sums.len() {
                let first = a[j].cast::<f64>() + b[j].cast::<f64>();
                sums[j] += first + (c[j].cast::<f64>() + d[j].cast::<f64>());
            }
        }
        for row in fours.remainder().chunks_exact(width) {
            for (sum, x) in sums.iter_mut().zip(&row[start..]) {
                *sum += x.cast::<f64>();
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<f32> {
        let mut state = 1_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..n).map(|_| next()).collect()
    }

    #[test]
    fn long_sums_are_exact_to_the_last_digit() {
        for n in [EXACT - 1, EXACT, EXACT + 1, 200_000, 1_000_003] {
            let data = noise(n);
            let exact: f64 = data.iter().map(|&x| f64::from(x)).sum();
            let bound = if n > EXACT { 1e-7 * exact.abs() } else { 2e-3 };
            assert!((f64::from(sum(&data)) - exact).abs() <= bound, "{n}");
        }
    }

    #[test]
    fn columns_equal_sums_of_gathered_columns() {
        for (n, width) in [(10, 3), (7, 40), (3000, 17), (5, 70_000)] {
            let data = noise(n * width);
            let mut out = vec![0.0; width];
            sum_middle(&data, n, width, &mut out);
            for (j, &o) in out.iter().enumerate() {
                let exact: f64 = (0..n).map(|i| f64::from(data[i * width + j])).sum();
                assert!((f64::from(o) - exact).abs() < 1e-4, "{n}×{width} column {j}");
            }
        }
    }

    #[test]
    fn terms_summed_block_by_block_equal_their_sum() {
        for n in [0, 5, 64, 65, 5000, EXACT + 5] {
            let data = noise(n);
            let terms =
                sum_terms(n, 1, &|start, out: &mut [f32]| out.copy_from_slice(&data[start..][..out.len()]));
            assert!((terms - sum(&data)).abs() <= 1e-6 * sum(&data).abs(), "{n}");
        }
    }
}
