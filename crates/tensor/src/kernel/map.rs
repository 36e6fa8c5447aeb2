//! Pointwise loops over one to three operands of any strides, into a row-major output.
//!
//! A loop body only ever sees slices: operands that lie row-major are handed over as they are, others are packed
//! block by block into scratch that stays in the first-level cache.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use super::parallel;
use super::simd::{fetch, vectorize};
use super::sizes::PACKED;
use crate::dtype::Element;

/// An operand: element `[i, j, …]` is `data[i·strides[0] + j·strides[1] + …]`.
#[derive(Debug)]
pub(crate) struct Strided<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) strides: &'a [usize],
}

impl<T: Element> Strided<'_, T> {
    fn is_row_major(&self, shape: &[usize]) -> bool {
        let mut step = 1;
        shape.iter().zip(self.strides).rev().all(|(&d, &s)| {
            let fits = d == 1 || s == step;
            step *= d;
            fits
        })
    }

    /// Elements `start..start + len` of a row-major operand. Of one that is read in small parts the next is fetched.
    fn part(&self, start: usize, len: usize) -> &[T] {
        if len <= PACKED {
            fetch(self.data, start + len, len);
        }
        &self.data[start..start + len]
    }

    /// Elements `start..start + len` in row-major order: a part of the data itself, or packed into `scratch`.
    fn block<'s>(
        &'s self,
        shape: &[usize],
        dense: bool,
        start: usize,
        len: usize,
        scratch: &'s mut [T],
    ) -> &'s [T] {
        if dense {
            return self.part(start, len);
        }
        pack(self.data, shape, self.strides, start, &mut scratch[..len]);
        &scratch[..len]
    }
}

/// Copies the elements `start..` of a strided operand in row-major order, as many as `out` takes.
pub(crate) fn pack<T: Copy>(data: &[T], shape: &[usize], strides: &[usize], start: usize, out: &mut [T]) {
    let rank = shape.len();
    let Some(inner) = rank.checked_sub(1) else {
        out.fill(data[0]);
        return;
    };
    // One number for all, as the gradient of a sum is: in rows of ten a tenth of the time.
    if shape.iter().zip(strides).all(|(&d, &s)| d == 1 || s == 0) {
        return out.fill(data[0]);
    }
    let mut index = [0; 8];
    let mut rest = start;
    let mut at = 0;
    for d in (0..rank).rev() {
        index[d] = rest % shape[d];
        rest /= shape[d];
        at += index[d] * strides[d];
    }
    let mut done = 0;
    while done < out.len() {
        let run = (shape[inner] - index[inner]).min(out.len() - done);
        let to = &mut out[done..done + run];
        match strides[inner] {
            0 => to.fill(data[at]),
            1 => to.copy_from_slice(&data[at..at + run]),
            s => to.iter_mut().zip(data[at..].iter().step_by(s)).for_each(|(o, &x)| *o = x),
        }
        done += run;
        at += run * strides[inner];
        index[inner] += run;
        for d in (1..rank).rev() {
            if index[d] < shape[d] {
                break;
            }
            index[d] = 0;
            at = at + strides[d - 1] - shape[d] * strides[d];
            index[d - 1] += 1;
        }
    }
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

/// The inverse of [`pack`] from the start: puts row-major elements where the strides say.
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

/// The loop of [`map1`], in the code that calls it: by index, since zipped iterators over several units of code are not inlined
/// completely, and what reads a table is not vectorised then (sines take ten times as long); and as arguments, which overlap nothing.
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

/// Calls `run` for parts of operands and of the output that belong together. Not generic in the loop, so that it is compiled
/// once a pair of types.
pub(crate) fn each<A: Element, O: Element, const N: usize>(
    shape: &[usize],
    operands: [Strided<'_, A>; N],
    out: &mut [O],
    run: &(dyn Fn(&[&[A]; N], &mut [O]) + Sync),
) {
    // Loops and not `operands.map(…)`, which is compiled into twice the code.
    let mut dense = [true; N];
    for (dense, x) in dense.iter_mut().zip(&operands) {
        *dense = x.is_row_major(shape);
    }
    parallel::write_blocks(out, &|start, out| {
        let mut parts = [&[][..]; N];
        if dense == [true; N] {
            for (part, x) in parts.iter_mut().zip(&operands) {
                *part = x.part(start, out.len());
            }
            return run(&parts, out);
        }
        let mut scratch = [[A::default(); PACKED]; N];
        for (i, out) in out.chunks_mut(PACKED).enumerate() {
            let mut parts = parts;
            for (k, scratch) in scratch.iter_mut().enumerate() {
                parts[k] = operands[k].block(shape, dense[k], start + i * PACKED, out.len(), scratch);
            }
            run(&parts, out);
        }
    });
}

/// `out[i] = if c[i] { a[i] } else { b[i] }`.
pub(crate) fn choose<T: Element>(
    shape: &[usize],
    c: Strided<'_, bool>,
    a: Strided<'_, T>,
    b: Strided<'_, T>,
    out: &mut [T],
) {
    let dense = (c.is_row_major(shape), a.is_row_major(shape), b.is_row_major(shape));
    parallel::write_blocks(out, &|start, out| {
        let (mut sc, mut sa, mut sb) = ([false; PACKED], [T::default(); PACKED], [T::default(); PACKED]);
        for (i, out) in out.chunks_mut(PACKED).enumerate() {
            let at = start + i * PACKED;
            let c = c.block(shape, dense.0, at, out.len(), &mut sc);
            let a = a.block(shape, dense.1, at, out.len(), &mut sa);
            let b = b.block(shape, dense.2, at, out.len(), &mut sb);
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
        let (shape, strides) = ([4, 3, 2], [1, 8, 4]);
        let mut out = vec![0; 24];
        let a = Strided { data: &data, strides: &strides };
        each(&shape, [a], &mut out, &|[a]: &[&[i64]; 1], out| out.copy_from_slice(a));
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
        let (sa, sb) = (Strided { data: &a, strides: &[1, 0] }, Strided { data: &b, strides: &[0, 1] });
        each(&[rows, columns], [sa, sb], &mut out, &|[a, b], out| map2(a, b, out, |a, b| a + b));
        assert!((0..rows * columns).all(|i| out[i] == a[i / columns] + b[i % columns]));
    }
}
