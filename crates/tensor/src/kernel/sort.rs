//! Sorting rows, as the places that their elements come from.

use super::parallel;
use std::cmp::Ordering;

/// Elements of the rows of a block of parallel work, at least.
const BLOCK: usize = 1 << 12;

/// By size; a NaN is larger than all numbers, and equal to another.
#[allow(clippy::eq_op, reason = "only a NaN differs from itself")]
fn by_size<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| (a != a).cmp(&(b != b)))
}

/// Of each row of `n` elements, the places of the `k` smallest (or largest) in order, equal ones as they come.
pub(crate) fn first<T>(data: &[T], n: usize, k: usize, largest: bool, out: &mut [i64])
where
    T: Copy + PartialOrd + Send + Sync,
{
    assert!(k <= n);
    let order = |(a, i): &(T, i64), (b, j): &(T, i64)| {
        let by_size = if largest { by_size(b, a) } else { by_size(a, b) };
        by_size.then(i.cmp(j))
    };
    let rows = (BLOCK / n.max(1)).max(1);
    parallel::for_chunks(out, k * rows, n / k.max(1), &|start, out| {
        let mut pairs = parallel::scratch(n);
        for (r, out) in out.chunks_exact_mut(k).enumerate() {
            let row = &data[(start / k + r) * n..][..n];
            pairs.clear();
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
