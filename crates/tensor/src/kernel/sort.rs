//! Sorting rows, as the places that their elements come from: by keys, whole numbers in the same order, which compare in half the time.

use super::parallel;
use crate::dtype::{DType, Element};

/// Places up to which a row is scanned for what comes before the last of them, and elements that are compared at once.
// The largest five of 3,000 numbers take a fifth of the time that selecting among all takes.
const FEW: usize = 32;
const LANES: usize = 16;

/// Whole numbers in the order of the elements, where a NaN is larger than all and 0 equals −0.
#[inline(always)]
fn key<T: Element>(x: T) -> u64 {
    // Of negative numbers all bits, of others the sign.
    let flip = |bits: i64| (bits ^ ((bits >> 63) | i64::MIN)) as u64;
    match T::DTYPE {
        DType::Bool | DType::I64 => x.cast::<i64>() as u64 ^ (1 << 63),
        DType::F32 | DType::F64 => {
            let x = x.cast::<f64>();
            if x.is_nan() { u64::MAX } else { flip((x + 0.0).to_bits() as i64) }
        }
    }
}

/// A key, and the place that decides between equal ones: one number, which is compared without a branch.
#[inline(always)]
fn pair(key: u64, place: i64) -> u128 {
    u128::from(key) << 64 | place as u128
}

/// The places of the `k` smallest (or largest) elements of each row of `n`, in order; equal elements keep theirs.
pub(crate) fn first<T: Element>(data: &[T], n: usize, k: usize, largest: bool, out: &mut [i64]) {
    assert!(k <= n);
    let key = |x: T| if largest { !key(x) } else { key(x) };
    let rows = parallel::rows_at_once(n);
    parallel::for_chunks(out, k * rows, n / k.max(1), &|start, out| {
        let mut pairs = parallel::scratch(n);
        for (r, out) in out.chunks_exact_mut(k).enumerate() {
            let row = &data[(start / k + r) * n..][..n];
            pairs.clear();
            if k <= FEW && k < n / 2 && n > 2 * FEW {
                few(row, k, largest, &key, &mut pairs);
            } else {
                pairs.extend(row.iter().zip(0..).map(|(&x, i)| pair(key(x), i)));
                rank(&mut pairs, k);
            }
            out.iter_mut().zip(&pairs).for_each(|(o, &pair)| *o = pair as i64);
        }
    });
}

/// Brings the first `k` to the front, in order. Compiled once, for keys of all types.
fn rank(pairs: &mut Vec<u128>, k: usize) {
    if k < pairs.len() {
        pairs.select_nth_unstable(k);
        pairs.truncate(k);
    }
    // No two pairs are equal, so an unstable sort is stable.
    pairs.sort_unstable();
}

/// The first `k` in order of a row, where `k` is small: most chunks have none that comes before the last of those that were found.
fn few<T: Copy + PartialOrd>(
    row: &[T],
    k: usize,
    largest: bool,
    key: &impl Fn(T) -> u64,
    found: &mut Vec<u128>,
) {
    let Some(last) = k.checked_sub(1) else { return };
    found.extend(row[..k].iter().zip(0..).map(|(&x, i)| pair((*key)(x), i)));
    found.sort_unstable();
    for (start, chunk) in (k..).step_by(LANES).zip(row[k..].chunks(LANES)) {
        if !any_before(chunk, row[found[last] as i64 as usize], largest) {
            continue;
        }
        for (&x, i) in chunk.iter().zip(start as i64..) {
            let pair = pair((*key)(x), i);
            if pair < found[last] {
                found.pop();
                found.insert(found.partition_point(|before| *before < pair), pair);
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
