//! Folds, searches and running folds over the middle of a row-major `outer × n × inner` array.
//!
//! Every function takes the extents as `[n, inner]`; `n` and `inner` are at least 1 and the data is `outer·n·inner` long.
//! Closures must be `#[inline(always)]`, as all that [`vectorize!`](super::simd) runs.

use super::parallel;
use super::real::Float;
use super::reduce::EXACT;
use super::simd::{fetch, vectorize};
use crate::dtype::Element;

const LANES: usize = 16;

/// The fewest columns that are folded at once: of a few columns a row is a cache line or two, of a thousand it is a page.
const STRIP: usize = 1 << 10;

/// Lanes of a row of at least twice as many elements, of states that fit into registers: with 16 each step waits for the one before, and a product of 3,000 elements gets
/// lost in denormal numbers (amax and prod of such rows take a third and a twentieth of the time).
const WIDE: usize = 64;

/// One row: in order up to 16 elements, otherwise on lanes that are then joined by halves.
#[inline(always)]
fn fold_row<T: Copy, A: Copy>(row: &[T], init: A, step: &impl Fn(A, T) -> A, join: &impl Fn(A, A) -> A) -> A {
    if size_of::<A>() <= 8 && row.len() >= 2 * WIDE {
        return fold_lanes::<T, A, WIDE>(row, init, step, join);
    }
    if row.len() >= LANES {
        return fold_lanes::<T, A, LANES>(row, init, step, join);
    }
    let mut acc = init;
    for &x in row {
        acc = (*step)(acc, x);
    }
    acc
}

#[inline(always)]
fn fold_lanes<T: Copy, A: Copy, const L: usize>(
    row: &[T],
    init: A,
    step: &impl Fn(A, T) -> A,
    join: &impl Fn(A, A) -> A,
) -> A {
    let (chunks, tail) = row.as_chunks::<L>();
    let (pairs, rest) = chunks.as_chunks::<2>();
    let mut lanes = [init; L];
    // Two at once: of one, an extreme would be stored where it changes alone, and loading what is stored in part waits for the store
    // (amax of rows of 1,000 takes half the time).
    for [a, b] in pairs {
        for (acc, (&a, &b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *acc = (*step)((*step)(*acc, a), b);
        }
    }
    for (acc, &x) in lanes.iter_mut().zip(rest.as_flattened()) {
        *acc = (*step)(*acc, x);
    }
    for (acc, &x) in lanes.iter_mut().zip(tail) {
        *acc = (*step)(*acc, x);
    }
    let mut half = L / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = (*join)(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// How many bytes [`fold_middle`] and [`first_middle`] take for folds of up to 24 bytes.
pub(crate) fn scratch([n, inner]: [usize; 2], outputs: usize) -> usize {
    match inner {
        1 if n <= EXACT => 0,
        1 => outputs.saturating_mul(n.div_ceil(EXACT)).saturating_mul(24),
        _ => parallel::bytes::<[u64; 3]>(STRIP.min(inner).min(outputs)),
    }
}

/// `out = finish(fold)`, where `step` takes in an element and `join` unites two folds that began with `init`.
pub(crate) fn fold_middle<T: Element, A: Copy + Send + Sync, O: Send>(
    data: &[T],
    [n, inner]: [usize; 2],
    out: &mut [O],
    init: A,
    step: impl Fn(A, T) -> A + Sync,
    join: impl Fn(A, A) -> A + Sync,
    finish: impl Fn(A) -> O + Sync,
) {
    if inner > 1 {
        return for_columns([n, inner], out, init, |first, folds, out| {
            folds.fill(init);
            vectorize!(T: for i in 0..n {
                for (acc, &x) in folds.iter_mut().zip(&data[first + i * inner..]) {
                    *acc = step(*acc, x);
                }
            });
            out.iter_mut().zip(folds).for_each(|(o, acc)| *o = finish(*acc));
        });
    }
    if n <= EXACT {
        return parallel::for_chunks(out, (EXACT / n).max(1), n, &|start, out| {
            vectorize!(T: for (i, o) in out.iter_mut().enumerate() {
                fetch(data, (start + i + 2) * n, n.min(PART));
                *o = finish(fold_row(&data[(start + i) * n..][..n], init, &step, &join));
            });
        });
    }
    let blocks = n.div_ceil(EXACT);
    let mut parts = parallel::filled(out.len() * blocks, init);
    parallel::for_chunks(&mut parts, 1, EXACT, &|at, part| {
        let (row, from) = (at / blocks * n, at % blocks * EXACT);
        let block = &data[row + from..row + (from + EXACT).min(n)];
        part[0] = vectorize!(T: fold_row(block, init, &step, &join));
    });
    for (o, parts) in out.iter_mut().zip(parts.chunks_exact(blocks)) {
        *o = finish(parts.iter().copied().fold(init, &join));
    }
}

/// Calls `f(first, folds, out)` for pieces of `out`, of a strip at most, that lie side by side in one matrix `n × inner`; `first` is where
/// the first of their columns starts in the data, and `folds` has a place for each.
fn for_columns<A: Copy + Sync, O: Send>(
    [n, inner]: [usize; 2],
    out: &mut [O],
    any: A,
    f: impl Fn(usize, &mut [A], &mut [O]) + Sync,
) {
    parallel::for_chunks(out, (EXACT / n).max(STRIP), n, &|start, chunk| {
        let (mut folds, mut done) = (parallel::filled(STRIP.min(inner).min(chunk.len()), any), 0);
        while done < chunk.len() {
            let (entry, column) = ((start + done) / inner, (start + done) % inner);
            let len = (inner - column).min(chunk.len() - done).min(STRIP);
            f(entry * n * inner + column, &mut folds[..len], &mut chunk[done..done + len]);
            done += len;
        }
    });
}

/// Elements of a part of a row. The extreme of a part is found first, and searched for only where it beats all parts before.
const PART: usize = 1 << 10;

/// The place of a row's extreme, searched for in the one part that has it.
#[inline(always)]
fn first_in_row<T: Copy>(row: &[T], step: &impl Fn(T, T) -> T, same: &impl Fn(T, T) -> bool) -> usize {
    let (mut best, mut at) = (row[0], 0);
    for (i, part) in row.chunks(PART).enumerate() {
        let found = (*step)(best, fold_row(part, part[0], step, step));
        if !(*same)(best, found) {
            (best, at) = (found, i * PART);
        }
    }
    let part = &row[at..(at + PART).min(row.len())];
    let (chunks, _) = part.as_chunks::<LANES>();
    let hit = |chunk: &[T; LANES]| chunk.iter().fold(false, |hit, &x| hit | (*same)(x, best));
    let start = LANES * chunks.iter().position(hit).unwrap_or(chunks.len());
    at + start + part[start..].iter().position(|&x| (*same)(x, best)).unwrap_or(0)
}

/// The place along the middle of the first element that is `same` as the extreme, the one of two that `step` chooses.
pub(crate) fn first_middle<T: Copy + Send + Sync>(
    data: &[T],
    [n, inner]: [usize; 2],
    out: &mut [i64],
    step: impl Fn(T, T) -> T + Sync,
    same: impl Fn(T, T) -> bool + Sync,
) {
    if inner > 1 {
        return for_columns([n, inner], out, data[0], |first, extremes, out| {
            extremes.copy_from_slice(&data[first..first + out.len()]);
            out.fill(0);
            vectorize!(T: for i in 1..n {
                let columns = out.iter_mut().zip(&data[first + i * inner..]).zip(&mut *extremes);
                for ((o, &x), extreme) in columns {
                    let found = step(*extreme, x);
                    *o = if same(*extreme, found) { *o } else { i as i64 };
                    *extreme = found;
                }
            });
        });
    }
    if n <= EXACT {
        return parallel::for_chunks(out, (EXACT / n).max(1), n, &|start, out| {
            vectorize!(T: for (i, o) in out.iter_mut().enumerate() {
                *o = first_in_row(&data[(start + i) * n..][..n], &step, &same) as i64;
            });
        });
    }
    let blocks = n.div_ceil(EXACT);
    let mut parts = parallel::filled(out.len() * blocks, 0);
    parallel::for_chunks(&mut parts, 1, EXACT, &|at, part| {
        let (row, from) = (at / blocks * n, at % blocks * EXACT);
        let block = &data[row + from..row + (from + EXACT).min(n)];
        part[0] = from + vectorize!(T: first_in_row(block, &step, &same));
    });
    for ((row, o), parts) in data.chunks_exact(n).zip(out).zip(parts.chunks_exact(blocks)) {
        let later = |a: usize, &b: &usize| if same(row[a], step(row[a], row[b])) { a } else { b };
        *o = parts.iter().fold(parts[0], later) as i64;
    }
}

/// The gradient of an extreme: elements that equal their row's (or column's) entry of `values` divide its entry of `shares` among
/// them, all others get 0.
pub(crate) fn share_middle<T: Float>(
    data: &[T],
    [n, inner]: [usize; 2],
    values: &[T],
    shares: &[T],
    out: &mut [T],
) {
    let of = |hit: bool, share: T, count: f64| T::of_bool(hit) * share / T::of_f64(count);
    let entries = (EXACT / (n * inner)).max(1);
    parallel::for_chunks(out, entries * n * inner, 2, &|start, out| {
        let (data, at) = (&data[start..][..out.len()], start / n);
        let mut counts = parallel::filled(inner, 0.0);
        vectorize!(memory: for (i, (out, data)) in out.chunks_exact_mut(n * inner).zip(data.chunks_exact(n * inner)).enumerate() {
            let (values, shares) = (&values[at + i * inner..][..inner], &shares[at + i * inner..][..inner]);
            if inner == 1 {
                let (value, share) = (values[0], shares[0]);
                let count = data.iter().filter(|&&x| x == value).count() as f64;
                let (hit, miss) = (of(true, share, count), of(false, share, count));
                out.iter_mut().zip(data).for_each(|(o, &x)| *o = if x == value { hit } else { miss });
                continue;
            }
            counts.fill(0.0);
            for data in data.chunks_exact(inner) {
                for ((count, &x), &value) in counts.iter_mut().zip(data).zip(values) {
                    *count += if x == value { 1.0 } else { 0.0 };
                }
            }
            for (out, data) in out.chunks_exact_mut(inner).zip(data.chunks_exact(inner)) {
                let columns = out.iter_mut().zip(data).zip(values).zip(shares).zip(&counts);
                columns.for_each(|((((o, &x), &value), &share), &count)| *o = of(x == value, share, count));
            }
        });
    });
}

/// Rows whose running folds are interleaved: in one row each step waits for the one before.
const ROWS: usize = 8;

/// Running folds along the middle, forwards or backwards: each `out` takes in its own element.
pub(crate) fn scan_middle<T: Copy + Sync, A: Copy + Send + Sync, O: Send>(
    data: &[T],
    [n, inner]: [usize; 2],
    out: &mut [O],
    backwards: bool,
    init: A,
    step: impl Fn(A, T) -> A + Sync,
    finish: impl Fn(A) -> O + Sync,
) {
    let entries = (EXACT / (n * inner)).max(1);
    parallel::for_chunks(out, entries * n * inner, 2, &|start, out| {
        let data = &data[start..][..out.len()];
        if inner == 1 {
            let mut groups = out.chunks_exact_mut(ROWS * n);
            let done = groups.len() * ROWS * n;
            for (group, data) in (&mut groups).zip(data.chunks_exact(ROWS * n)) {
                scan_rows::<_, _, _, ROWS>(data, group, backwards, init, &step, &finish);
            }
            for (row, data) in groups.into_remainder().chunks_exact_mut(n).zip(data[done..].chunks_exact(n)) {
                scan_rows::<_, _, _, 1>(data, row, backwards, init, &step, &finish);
            }
            return;
        }
        let mut folds = [init; STRIP];
        for (data, out) in data.chunks_exact(n * inner).zip(out.chunks_exact_mut(n * inner)) {
            for first in (0..inner).step_by(STRIP) {
                let folds = &mut folds[..STRIP.min(inner - first)];
                folds.fill(init);
                vectorize!(T: for i in 0..n {
                    let at = if backwards { n - 1 - i } else { i } * inner + first;
                    for ((o, &x), acc) in out[at..].iter_mut().zip(&data[at..]).zip(&mut *folds) {
                        *acc = step(*acc, x);
                        *o = finish(*acc);
                    }
                });
            }
        }
    });
}

/// Running folds of `R` rows.
#[inline(always)]
fn scan_rows<T: Copy, A: Copy, O, const R: usize>(
    data: &[T],
    out: &mut [O],
    backwards: bool,
    init: A,
    step: &impl Fn(A, T) -> A,
    finish: &impl Fn(A) -> O,
) {
    let n = data.len() / R;
    let mut rest = out;
    let rows: [&[T]; R] = std::array::from_fn(|r| &data[r * n..][..n]);
    let mut outs: [&mut [O]; R] = std::array::from_fn(|_| {
        let (row, after) = std::mem::take(&mut rest).split_at_mut(n);
        rest = after;
        row
    });
    let mut folds = [init; R];
    let mut at = |i: usize| {
        for ((acc, row), out) in folds.iter_mut().zip(&rows).zip(&mut outs) {
            *acc = (*step)(*acc, row[i]);
            out[i] = (*finish)(*acc);
        }
    };
    if backwards { (0..n).rev().for_each(&mut at) } else { (0..n).for_each(&mut at) }
}

/// For each element the product of all others along the middle, without a division, which zeros would spoil.
pub(crate) fn product_of_others<T>(data: &[T], [n, inner]: [usize; 2], out: &mut [T])
where
    T: Copy + Send + Sync + std::ops::Mul<Output = T> + From<f32>,
{
    parallel::for_chunks(out, n * inner, 2, &|start, out| {
        let data = &data[start..];
        let mut before = parallel::filled(inner, T::from(1.0));
        for (o, x) in out.chunks_exact_mut(inner).zip(data.chunks_exact(inner)) {
            o.copy_from_slice(&before);
            before.iter_mut().zip(x).for_each(|(acc, &x)| *acc = *acc * x);
        }
        let mut after = parallel::filled(inner, T::from(1.0));
        for (o, x) in out.chunks_exact_mut(inner).zip(data.chunks_exact(inner)).rev() {
            for ((o, acc), &x) in o.iter_mut().zip(&mut after).zip(x) {
                *o = *o * *acc;
                *acc = *acc * x;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize) -> Vec<i64> {
        (0..n as i64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64) >> 40).collect()
    }

    const EXTENTS: [(usize, usize, usize); 11] = [
        (17, 3, 1),
        (9, 1030, 1),
        (2, 5, STRIP + 3),
        (1, 1, 1),
        (3, 5, 1),
        (2, 16, 1),
        (3, 41, 1),
        (1, 2 * EXACT + 7, 1),
        (2, EXACT + 1, 1),
        (3, 9, 4),
        (2, 300, 700),
    ];

    fn middle(outer: usize, n: usize, inner: usize) -> impl Iterator<Item = impl Iterator<Item = usize>> {
        (0..outer * inner).map(move |o| (0..n).map(move |i| o / inner * n * inner + i * inner + o % inner))
    }

    #[test]
    fn folds_and_first_places_equal_those_of_gathered_rows() {
        for (outer, n, inner) in EXTENTS {
            let data = noise(outer * n * inner);
            let mut maxima = vec![0; outer * inner];
            fold_middle(&data, [n, inner], &mut maxima, i64::MIN, i64::max, i64::max, |x| x);
            let mut places = vec![-1; outer * inner];
            first_middle(&data, [n, inner], &mut places, i64::max, |a, b| a == b);
            for (o, row) in middle(outer, n, inner).enumerate() {
                let row: Vec<_> = row.map(|i| data[i]).collect();
                assert_eq!(maxima[o], *row.iter().max().unwrap(), "{outer}×{n}×{inner} at {o}");
                let place = row.iter().position(|&x| x == maxima[o]).unwrap();
                assert_eq!(places[o], place as i64, "{outer}×{n}×{inner} at {o}");
            }
        }
    }

    #[test]
    fn running_sums_start_at_either_end() {
        for (outer, n, inner) in EXTENTS {
            let data = noise(outer * n * inner);
            for backwards in [false, true] {
                let mut sums = vec![0; data.len()];
                scan_middle(&data, [n, inner], &mut sums, backwards, 0, |s, x| s + x, |s| s);
                for row in middle(outer, n, inner) {
                    let mut row: Vec<_> = row.collect();
                    if backwards {
                        row.reverse();
                    }
                    let mut sum = 0;
                    for i in row {
                        sum += data[i];
                        assert_eq!(sums[i], sum, "{outer}×{n}×{inner} at {i}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_of_several_is_found_wherever_it_is() {
        for n in [3, PART, 3 * PART + 5, 2 * EXACT + 9] {
            for first in [0, 1, n / 2, n - 1] {
                let mut row = vec![0; n];
                row[first..].iter_mut().step_by(7).for_each(|x| *x = 1);
                let mut place = [-1];
                first_middle(&row, [n, 1], &mut place, i64::max, |a, b| a == b);
                assert_eq!(place, [first as i64], "of {n}");
            }
        }
    }

    #[test]
    fn those_that_equal_share_what_there_is() {
        for [n, inner] in [[4, 1], [2, 2]] {
            let (data, mut out) = ([3.0_f32, 1.0, 3.0, 2.0], [9.0; 4]);
            let (values, shares) =
                if inner == 1 { (vec![3.0], vec![8.0]) } else { (vec![3.0, 2.0], vec![8.0, 5.0]) };
            share_middle(&data, [n, inner], &values, &shares, &mut out);
            assert_eq!(out, if inner == 1 { [4.0, 0.0, 4.0, 0.0] } else { [4.0, 0.0, 4.0, 5.0] });
        }
    }

    #[test]
    fn products_of_others_survive_zeros() {
        let mut out = [9.0_f32; 6];
        product_of_others(&[2.0, 0.0, 3.0, 4.0, 5.0, 0.0], [3, 2], &mut out);
        assert_eq!(out, [15.0, 0.0, 10.0, 0.0, 6.0, 0.0]);
    }
}
