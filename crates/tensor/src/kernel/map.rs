//! Pointwise loops over one to three operands of any strides, into a row-major output.
//!
//! A loop body only ever sees slices: operands that lie row-major are handed over as they are, others are packed
//! block by block into scratch that stays in the first-level cache.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use super::parallel;
use super::simd::{fetch, inlined, vectorize};
use super::sizes::PACKED;
use crate::dtype::Element;

/// Columns that are transposed at once: as many `f32` as a cache line holds.
const STRIP: usize = 16;

/// An operand, and the walk over its elements in row-major order. Dimensions of size 1 are left out, and neighbours that lie evenly are one:
/// a column of a million elements is one run, not a million.
#[derive(Debug)]
pub(crate) struct Strided<'a, T> {
    data: &'a [T],
    /// Of each dimension, the outermost first.
    sizes: [usize; 8],
    strides: [usize; 8],
    rank: usize,
}

impl<'a, T: Element> Strided<'a, T> {
    /// Element `[i, j, …]` is `data[i·strides[0] + j·strides[1] + …]`.
    pub(crate) fn new(data: &'a [T], shape: &[usize], strides: &[usize]) -> Self {
        let mut walk = Self { data, sizes: [1; 8], strides: [0; 8], rank: 0 };
        for (&size, &stride) in shape.iter().zip(strides).filter(|&(&size, _)| size != 1) {
            if walk.rank > 0 && walk.strides[walk.rank - 1] == size * stride {
                walk.sizes[walk.rank - 1] *= size;
            } else {
                walk.sizes[walk.rank] = size;
                walk.rank += 1;
            }
            walk.strides[walk.rank - 1] = stride;
        }
        walk
    }

    /// Whether the innermost two dimensions are the columns and rows of a matrix.
    fn is_transposed(&self) -> bool {
        self.rank > 1 && self.strides[self.rank - 1] > 1 && self.strides[self.rank - 2] == 1
    }

    fn is_row_major(&self) -> bool {
        self.rank == 0 || self.rank == 1 && self.strides[0] == 1
    }

    /// Elements `start..start + len` in row-major order: a part of the data itself, or packed into `scratch`.
    fn block<'s>(&'s self, dense: bool, start: usize, len: usize, scratch: &'s mut [T]) -> &'s [T] {
        if dense {
            return part(self.data, start, len);
        }
        self.pack(start, &mut scratch[..len]);
        &scratch[..len]
    }

    /// Copies the elements `start..` in row-major order, as many as `out` takes.
    pub(crate) fn pack(&self, start: usize, out: &mut [T]) {
        let (data, sizes, strides) = (self.data, &self.sizes, &self.strides);
        let Some(inner) = self.rank.checked_sub(1) else {
            out.fill(data[0]);
            return;
        };
        // One number for all, as the gradient of a sum is: in rows of ten a tenth of the time.
        if sizes[..=inner].iter().zip(strides).all(|(&d, &s)| d == 1 || s == 0) {
            out.fill(data[0]);
            return;
        }
        let transposed = self.is_transposed();
        let (mut index, mut rest, mut at, mut done) = ([0; 8], start, 0, 0);
        for d in (0..=inner).rev() {
            index[d] = rest % sizes[d];
            rest /= sizes[d];
            at += index[d] * strides[d];
        }
        while done < out.len() {
            let run = (sizes[inner] - index[inner]).min(out.len() - done);
            if transposed && index[inner] == 0 && out.len() - done >= 2 * run {
                let rows = (sizes[inner - 1] - index[inner - 1]).min((out.len() - done) / run);
                transpose(&data[at..], strides[inner], run, &mut out[done..done + rows * run]);
                // As after the last of these rows.
                (index[inner - 1], at, done) =
                    (index[inner - 1] + rows - 1, at + rows - 1, done + (rows - 1) * run);
            } else {
                let to = &mut out[done..done + run];
                match strides[inner] {
                    0 => to.fill(data[at]),
                    1 => to.copy_from_slice(&data[at..at + run]),
                    s => to.iter_mut().zip(data[at..].iter().step_by(s)).for_each(|(o, &x)| *o = x),
                }
            }
            done += run;
            at += run * strides[inner];
            index[inner] += run;
            for d in (1..=inner).rev() {
                if index[d] < sizes[d] {
                    break;
                }
                index[d] = 0;
                at = at + strides[d - 1] - sizes[d] * strides[d];
                index[d - 1] += 1;
            }
        }
    }
}

/// `out[r][c] = data[c·stride + r]`. Takes a few columns of all rows at a time, so that a cache line is used up before it is
/// evicted (1000 × 1000 takes 0.7 ms and not 0.9, 1024 × 1024 a ninth).
fn transpose<T: Element>(data: &[T], stride: usize, columns: usize, out: &mut [T]) {
    for c in (0..columns).step_by(STRIP) {
        for (r, row) in out.chunks_exact_mut(columns).enumerate() {
            let row = &mut row[c..(c + STRIP).min(columns)];
            row.iter_mut().zip(data[c * stride + r..].iter().step_by(stride)).for_each(|(o, &x)| *o = x);
        }
    }
}

/// Copies all elements in row-major order.
pub(crate) fn copy<T: Element>(from: &Strided<'_, T>, out: &mut [T]) {
    // Not in the small pieces that are streamed, which hold no two rows.
    let write = if from.is_transposed() { parallel::for_blocks } else { parallel::write_blocks };
    write(out, &|start, out| from.pack(start, out));
}

/// Where element `index` in row-major order lies.
pub(crate) fn place(shape: &[usize], strides: &[usize], mut index: usize) -> usize {
    let mut at = 0;
    for (&d, &s) in shape.iter().zip(strides).rev() {
        at += index % d * s;
        index /= d;
    }
    at
}

/// The inverse of [`Strided::pack`]: puts row-major elements where the strides say.
pub(crate) fn unpack<T: Copy>(data: &[T], shape: &[usize], strides: &[usize], out: &mut [T]) {
    let Some((&inner, outer)) = shape.split_last() else {
        out[0] = data[0];
        return;
    };
    let step = strides[outer.len()];
    for (row, values) in data.chunks_exact(inner.max(1)).enumerate() {
        let at = place(outer, &strides[..outer.len()], row);
        for (i, &x) in values.iter().enumerate() {
            out[at + i * step] = x;
        }
    }
}

/// The loop of a simple function, compiled for vectors of `f32` and `f64`. Integers and booleans gain nothing.
macro_rules! simple_loop {
    ($type:ident: $loop:expr) => {
        if const { <$type>::DTYPE.is_float() } { vectorize!(memory: $loop) } else { $loop }
    };
}

/// The loop of [`map1`]. By index: zipped iterators are not always inlined, and a loop that reads a table then stays scalar (sines
/// take ten times as long). The slices are arguments, so the compiler knows that they do not overlap.
#[inline(always)]
pub(crate) fn loop1<A: Copy, O>(a: &[A], out: &mut [O], f: impl Fn(A) -> O) {
    let n = out.len();
    let a = &a[..n];
    for i in 0..n {
        out[i] = f(a[i]);
    }
}

/// As [`loop1`], of [`map2`].
#[inline(always)]
pub(crate) fn loop2<A: Copy, O>(a: &[A], b: &[A], out: &mut [O], f: impl Fn(A, A) -> O) {
    let n = out.len();
    let (a, b) = (&a[..n], &b[..n]);
    for i in 0..n {
        out[i] = f(a[i], b[i]);
    }
}

/// `out[i] = fast(x[..][i]).0`, or the fallback's result where the second of the pair is false, which is seldom: a branch in the loop would
/// keep it scalar.
#[inline(always)]
pub(crate) fn loop_with_fallback<A: Element, O, const N: usize>(
    x: [&[A]; N],
    out: &mut [O],
    fast: impl Fn([A; N]) -> (O, bool),
    fallback: impl Fn([A; N]) -> O,
) {
    let n = out.len();
    let x = x.map(inlined!(|x| &x[..n]));
    let mut all = true;
    for i in 0..n {
        let (y, valid) = fast(elements(&x, i));
        out[i] = y;
        all &= valid;
    }
    for i in 0..if all { 0 } else { n } {
        let x = elements(&x, i);
        if !fast(x).1 {
            out[i] = fallback(x);
        }
    }
}

/// Element `i` of each.
#[inline(always)]
fn elements<A: Element, const N: usize>(x: &[&[A]; N], i: usize) -> [A; N] {
    let mut elements = [A::default(); N];
    for k in 0..N {
        elements[k] = x[k][i];
    }
    elements
}

/// `out[i] = f(a[i])`.
// Pass a closure, not `&f`: a reference to a function is one, too, and that one is inlined by link-time optimisation only.
#[inline(always)]
pub(crate) fn map1<A: Element, O: Element>(a: &[A], out: &mut [O], f: impl Fn(A) -> O) {
    simple_loop!(A: loop1(a, out, f));
}

/// `out[i] = f(a[i], b[i])`.
#[inline(always)]
pub(crate) fn map2<A: Element, O: Element>(a: &[A], b: &[A], out: &mut [O], f: impl Fn(A, A) -> O) {
    simple_loop!(A: loop2(a, b, out, f));
}

/// A loop over parts of `N` operands, `Fn(&[&[A]; N], &mut [O])`. An object of `Fn` itself would hold the loop twice: the second time for
/// a call that consumes it.
pub(crate) trait Loop<A, O, const N: usize>: Sync {
    fn run(&self, parts: &[&[A]; N], out: &mut [O]);
}

impl<A, O, const N: usize, F: Fn(&[&[A]; N], &mut [O]) + Sync> Loop<A, O, N> for F {
    #[inline]
    fn run(&self, parts: &[&[A]; N], out: &mut [O]) {
        self(parts, out);
    }
}

/// Runs the loop on parts of operands and of the output that belong together. Not generic in it, so that this is compiled once a pair of
/// types.
pub(crate) fn each<A: Element, O: Element, const N: usize>(
    operands: [Strided<'_, A>; N],
    out: &mut [O],
    body: &dyn Loop<A, O, N>,
) {
    // Loops and not `operands.map(…)`, which is compiled into twice the code.
    let (mut dense, mut data) = ([true; N], [&[][..]; N]);
    for (k, x) in operands.iter().enumerate() {
        (dense[k], data[k]) = (x.is_row_major(), x.data);
    }
    if dense == [true; N] {
        return each_dense(data, out, body);
    }
    parallel::write_blocks(out, &|start, out| {
        let mut scratch = [[A::default(); PACKED]; N];
        for (i, out) in out.chunks_mut(PACKED).enumerate() {
            let mut parts = [&[][..]; N];
            for (k, scratch) in scratch.iter_mut().enumerate() {
                parts[k] = operands[k].block(dense[k], start + i * PACKED, out.len(), scratch);
            }
            body.run(&parts, out);
        }
    });
}

/// [`each`] for row-major operands, without a [`Strided`], which costs a tenth of an operation on one element.
pub(crate) fn each_dense<A: Element, O: Element, const N: usize>(
    operands: [&[A]; N],
    out: &mut [O],
    body: &dyn Loop<A, O, N>,
) {
    parallel::write_blocks(out, &|start, out| {
        let mut parts = operands;
        for part in &mut parts {
            *part = self::part(part, start, out.len());
        }
        body.run(&parts, out);
    });
}

/// Elements `start..start + len` of a row-major operand. Where parts are small, the next one is prefetched.
fn part<T: Element>(data: &[T], start: usize, len: usize) -> &[T] {
    if len <= PACKED {
        fetch(data, start + len, len);
    }
    &data[start..start + len]
}

/// `out[i] = if c[i] { a[i] } else { b[i] }`.
pub(crate) fn choose<T: Element>(
    c: &Strided<'_, bool>,
    a: &Strided<'_, T>,
    b: &Strided<'_, T>,
    out: &mut [T],
) {
    let dense = (c.is_row_major(), a.is_row_major(), b.is_row_major());
    parallel::write_blocks(out, &|start, out| {
        let (mut sc, mut sa, mut sb) = ([false; PACKED], [T::default(); PACKED], [T::default(); PACKED]);
        for (i, out) in out.chunks_mut(PACKED).enumerate() {
            let at = start + i * PACKED;
            let c = c.block(dense.0, at, out.len(), &mut sc);
            let a = a.block(dense.1, at, out.len(), &mut sa);
            let b = b.block(dense.2, at, out.len(), &mut sb);
            simple_loop!(T: for (((o, &c), &a), &b) in out.iter_mut().zip(c).zip(a).zip(b) {
                *o = if c { a } else { b };
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strided_operands_are_read_in_row_major_order() {
        let data: Vec<i64> = (0..24).collect();
        let mut out = vec![0; 24];
        let a = Strided::new(&data, &[4, 3, 2], &[1, 8, 4]);
        each([a], &mut out, &|[a]: &[&[i64]; 1], out: &mut [i64]| out.copy_from_slice(a));
        let mut k = 0;
        for i in 0..4 {
            for j in 0..3 {
                for l in 0..2 {
                    assert_eq!(out[k], i + j * 8 + l * 4);
                    k += 1;
                }
            }
        }
    }

    #[test]
    fn broadcast_and_long_operands_cross_block_boundaries() {
        let (rows, columns) = (700, 3);
        let a: Vec<f64> = (0..rows).map(|x| x as f64).collect();
        let b = [0.25, 0.5, 0.75];
        let mut out = vec![0.0; rows * columns];
        let shape = [rows, columns];
        let (sa, sb) = (Strided::new(&a, &shape, &[1, 0]), Strided::new(&b, &shape, &[0, 1]));
        each([sa, sb], &mut out, &|[a, b]: &[&[f64]; 2], out: &mut [f64]| map2(a, b, out, |a, b| a + b));
        assert!((0..rows * columns).all(|i| out[i] == a[i / columns] + b[i % columns]));
    }
}
