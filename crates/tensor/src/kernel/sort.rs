//! Sorting rows, as the places that their elements come from.

use super::parallel;
use std::cmp::Ordering;

/// Places up to which a row is scanned for what comes before the last of them, and elements that are compared at once.
// The largest five of 3,000 numbers take a fifth of the time that selecting among all takes.
const FEW: usize = 32;
const LANES: usize = 16;

/// By size; a NaN is larger than all numbers, and equal to another.
#[allow(clippy::eq_op, reason = "only a NaN differs from itself")]
fn by_size<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

/// The places of the `k` smallest (or largest) elements of each row of `n`, in order; equal elements keep theirs.
pub(crate) fn first<T>(data: &[T], n: usize, k: usize, largest: bool, out: &mut [i64])
where
    T: Copy + PartialOrd + Send + Sync,
{
    assert!(k <= n);
    let order = |(a, i): &(T, i64), (b, j): &(T, i64)| {
        let by_size = if largest { by_size(b, a) } else { by_size(a, b) };
        by_size.then(i.cmp(j))
    };
    let rows = parallel::rows_at_once(n);
    parallel::for_chunks(out, k * rows, n / k.max(1), &|start, out| {
        let mut pairs = parallel::scratch(n);
        for (r, out) in out.chunks_exact_mut(k).enumerate() {
            let row = &data[(start / k + r) * n..][..n];
            pairs.clear();
            if k <= FEW && k < n {
                few(row, k, largest, &order, &mut pairs);
                out.iter_mut().zip(&pairs).for_each(|(o, &(_, i))| *o = i);
                continue;
            }
            pairs.extend(row.iter().zip(0..).map(|(&x, i)| (x, i)));
            if k < n {
                pairs.select_nth_unstable_by(k, order);
                pairs.truncate(k);
            }
            // No two pairs are equal, so an unstable sort is stable.
            pairs.sort_unstable_by(order);
            out.iter_mut().zip(&pairs).for_each(|(o, &(_, i))| *o = i);
        }
    });
}

/// The first `k` in order of a row, where `k` is small: most chunks have none that comes before the last of those that were found.
fn few<T: Copy + PartialOrd>(
    row: &[T],
    k: usize,
    largest: bool,
    order: &impl Fn(&(T, i64), &(T, i64)) -> Ordering,
    found: &mut Vec<(T, i64)>,
) {
    let Some(last) = k.checked_sub(1) else { return };
    found.extend(row[..k].iter().zip(0..).map(|(&x, i)| (x, i)));
    found.sort_unstable_by(order);
    for (start, chunk) in (k..).step_by(LANES).zip(row[k..].chunks(LANES)) {
        if !any_before(chunk, found[last].0, largest) {
            continue;
        }
        for (&x, i) in chunk.iter().zip(start as i64..) {
            if any_before(&[x], found[last].0, largest) {
                found.pop();
                found.insert(found.partition_point(|pair| order(pair, &(x, i)).is_lt()), (x, i));
            }
        }
    }
}

/// Whether one of the elements comes before `last` by its size; a NaN is the largest.
#[allow(clippy::eq_op, reason = "only a NaN differs from itself")]
#[allow(clippy::needless_bitwise_bool, reason = "without branches the loop is vectorised")]
fn any_before<T: Copy + PartialOrd>(chunk: &[T], last: T, largest: bool) -> bool {
    if largest {
        last == last && chunk.iter().fold(false, |any, &x| any | (x > last) | (x != x))
    } else {
        chunk.iter().fold(false, |any, &x| any | (x < last) | ((last != last) & (x == x)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_few_are_those_of_the_whole_order() {
        let numbers: Vec<f32> = (0..300).map(|i| ((i * 7919) % 41) as f32 - 20.0).collect();
        let with_nan = |every: usize| {
            let mut row = numbers.clone();
            row.iter_mut().step_by(every).for_each(|x| *x = f32::NAN);
            row
        };
        for row in [numbers.clone(), with_nan(3), with_nan(50), vec![f32::NAN; 70], vec![1.0; 70]] {
            for (k, largest) in [1, 2, 31, 32].into_iter().flat_map(|k| [(k, true), (k, false)]) {
                let mut all = vec![0; row.len()];
                first(&row, row.len(), row.len(), largest, &mut all);
                let mut few = vec![0; k];
                first(&row, row.len(), k, largest, &mut few);
                assert_eq!(few, all[..k], "{k} {largest}");
            }
        }
    }
}
