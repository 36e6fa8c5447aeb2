//! Loops that move elements to or from the places that indices name. Callers have checked the indices.

use super::map::place;
use super::parallel;

/// Elements of a block of parallel work, at least: whole rows are added until it is reached.
const BLOCK: usize = 1 << 14;

/// The size of a block made of whole rows.
fn whole(row: usize) -> usize {
    row.max(1) * (BLOCK / row.max(1)).max(1)
}

/// Where the elements along one dimension of a strided array lie: a walk over `shape` by `strides`, which are 0 for
/// that dimension, plus `step` times an index.
#[derive(Debug)]
pub(crate) struct Along<'a> {
    pub(crate) shape: &'a [usize],
    pub(crate) strides: &'a [usize],
    pub(crate) step: usize,
}

impl Along<'_> {
    fn row(&self) -> usize {
        self.shape.last().copied().unwrap_or(1).max(1)
    }

    /// The places of elements `first..` of one row, for their indices.
    fn places<'a>(&self, first: usize, index: &'a [i64]) -> impl Iterator<Item = usize> + 'a {
        let (start, inner) =
            (place(self.shape, self.strides, first), self.strides.last().copied().unwrap_or(0));
        let step = self.step;
        index.iter().enumerate().map(move |(i, &at)| start + i * inner + at as usize * step)
    }
}

/// `out[p] = data[place of p]`, in the order of `index`.
pub(crate) fn gather<T: Copy + Send + Sync>(data: &[T], along: &Along<'_>, index: &[i64], out: &mut [T]) {
    assert_eq!(index.len(), out.len());
    let row = along.row();
    parallel::for_chunks(out, whole(row), 1, &|start, out| {
        for (r, out) in out.chunks_mut(row).enumerate() {
            let first = start + r * row;
            let places = along.places(first, &index[first..first + out.len()]);
            out.iter_mut().zip(places).for_each(|(o, at)| *o = data[at]);
        }
    });
}

/// `f(&mut out[place of p], p)`, one after the other: where places repeat, the order decides.
pub(crate) fn scatter<T>(out: &mut [T], along: &Along<'_>, index: &[i64], f: impl Fn(&mut T, usize)) {
    let row = along.row();
    for (r, index) in index.chunks(row).enumerate() {
        for (i, at) in along.places(r * row, index).enumerate() {
            f(&mut out[at], r * row + i);
        }
    }
}

/// Which rows of a row-major `outer × n × inner` array are meant, in each of its `outer` blocks.
#[derive(Debug)]
pub(crate) struct Pick<'a> {
    pub(crate) rows: &'a [usize],
    pub(crate) n: usize,
    pub(crate) inner: usize,
}

impl Pick<'_> {
    /// Calls `f` with the start of a block and a part of the rows in it, for `count` rows from number `first` on.
    fn parts(&self, first: usize, mut count: usize, mut f: impl FnMut(usize, &[usize])) {
        let m = self.rows.len().max(1);
        let (mut block, mut at) = (first / m, first % m);
        while count > 0 {
            let run = count.min(m - at);
            f(block * self.n * self.inner, &self.rows[at..at + run]);
            count -= run;
            (block, at) = (block + 1, 0);
        }
    }
}

/// Copies the rows, one after the other, into `outer × rows × inner` elements.
pub(crate) fn pick<T: Copy + Send + Sync>(data: &[T], which: &Pick<'_>, out: &mut [T]) {
    let inner = which.inner.max(1);
    parallel::for_chunks(out, whole(inner), 1, &|start, mut out| {
        which.parts(start / inner, out.len() / inner, |block, rows| {
            let (to, rest) = std::mem::take(&mut out).split_at_mut(rows.len() * inner);
            if inner == 1 {
                to.iter_mut().zip(rows).for_each(|(o, &row)| *o = data[block + row]);
            } else {
                for (to, row) in to.chunks_exact_mut(inner).zip(rows) {
                    to.copy_from_slice(&data[block + row * inner..][..inner]);
                }
            }
            out = rest;
        });
    });
}

/// The reverse: adds each row of `source` to the row of `out` that it would have been picked from, one after the other.
pub(crate) fn pick_back<T: Copy>(source: &[T], which: &Pick<'_>, out: &mut [T], add: impl Fn(T, T) -> T) {
    let inner = which.inner.max(1);
    let mut source = source.chunks_exact(inner);
    which.parts(0, source.len(), |block, rows| {
        for (row, source) in rows.iter().zip(source.by_ref()) {
            let to = &mut out[block + row * inner..][..inner];
            to.iter_mut().zip(source).for_each(|(o, &x)| *o = add(*o, x));
        }
    });
}

/// The rows of a row-major `outer × n × inner` array in reverse order, in each of its `outer` blocks.
pub(crate) fn flip<T: Copy + Send + Sync>(data: &[T], [n, inner]: [usize; 2], out: &mut [T]) {
    parallel::for_chunks(out, whole(n * inner), 1, &|start, out| {
        let blocks = out.chunks_exact_mut(n * inner).zip(data[start..].chunks_exact(n * inner));
        for (out, data) in blocks {
            if inner == 1 {
                out.iter_mut().zip(data.iter().rev()).for_each(|(o, &x)| *o = x);
            } else {
                let rows = out.chunks_exact_mut(inner).zip(data.chunks_exact(inner).rev());
                rows.for_each(|(o, x)| o.copy_from_slice(x));
            }
        }
    });
}

/// How many elements of a mask are true.
pub(crate) fn count(mask: &[bool]) -> usize {
    mask.iter().filter(|&&b| b).count()
}

/// The places where a mask is true, for a vector with room for one more than [`count`] says.
pub(crate) fn places(mask: &[bool], mut found: Vec<usize>) -> Vec<usize> {
    let count = count(mask);
    found.resize(count + 1, 0);
    let mut next = 0;
    // Each place is written, the next one over it unless the mask holds: a branch would be mispredicted every other time.
    for (place, &b) in mask.iter().enumerate() {
        found[next] = place;
        next += usize::from(b);
    }
    found.truncate(count);
    found
}

/// Lays parts side by side: of each, a run of its elements in turn, one run so many elements after the other.
pub(crate) fn join<T: Copy + Send + Sync>(parts: &[(&[T], usize, usize)], out: &mut [T]) {
    let row = parts.iter().map(|(_, run, _)| run).sum::<usize>().max(1);
    parallel::for_chunks(out, whole(row), 1, &|start, out| {
        for (r, mut out) in out.chunks_exact_mut(row).enumerate() {
            let row = start / row + r;
            for &(data, run, step) in parts {
                let (to, rest) = out.split_at_mut(run);
                to.copy_from_slice(&data[row * step..][..run]);
                out = rest;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arrays_are_gathered_and_picked_across_blocks() {
        let (rows, columns) = (9000, 9);
        let data: Vec<i64> = (0..rows as i64 * columns as i64).collect();
        let index: Vec<i64> = (0..data.len() as i64).map(|p| p * 7 % columns as i64).collect();
        let along = Along { shape: &[rows, columns], strides: &[columns, 0], step: 1 };
        let mut out = vec![0; data.len()];
        gather(&data, &along, &index, &mut out);
        assert!((0..out.len()).all(|p| out[p] == (p - p % columns) as i64 + index[p]));
        let which: Vec<usize> = (0..rows).map(|r| r * 13 % rows).collect();
        pick(&data, &Pick { rows: &which, n: rows, inner: columns }, &mut out);
        assert!((0..out.len()).all(|p| out[p] == (which[p / columns] * columns + p % columns) as i64));
        let mut back = vec![0; data.len()];
        pick_back(&out, &Pick { rows: &which, n: rows, inner: columns }, &mut back, |a, b| a + b);
        assert_eq!(back, data);
    }

    #[test]
    fn places_are_those_of_true() {
        assert_eq!(places(&[false, true, true, false, true], vec![]), [1, 2, 4]);
        assert_eq!(places(&[false], vec![]), [0; 0]);
        assert_eq!(places(&[], vec![]), [0; 0]);
    }

    #[test]
    fn parts_are_laid_side_by_side() {
        let mut out = [0; 9];
        join(&[(&[1, 0, 2, 0, 3], 1, 2), (&[4, 5, 6, 7, 8, 9], 2, 2)], &mut out);
        assert_eq!(out, [1, 4, 5, 2, 6, 7, 3, 8, 9]);
    }
}
