//! The call into the library that multiplies matrices. The third file with `unsafe`: its interface takes pointers.
#![allow(unsafe_code, reason = "gemm's only entry point takes raw pointers")]

use super::matmul::{Matrix, Multiply};
use std::marker::PhantomData;
use std::ops::Range;

/// A rectangle of a row-major matrix, to be written to.
#[derive(Debug)]
pub(crate) struct Block<'a, T> {
    first: *mut T,
    /// Elements from a row to the next.
    stride: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
    rows: usize,
    columns: usize,
    matrix: PhantomData<&'a mut [T]>,
}

// SAFETY: a block stands for the exclusive borrow of its elements, which no other block has.
unsafe impl<T: Send> Send for Block<'_, T> {}

/// Cuts a matrix of `n` columns into so many pieces along its rows and its columns, of whole sixteens but for the last ones.
pub(crate) fn blocks<T>(out: &mut [T], n: usize, (down, along): (usize, usize)) -> Vec<Block<'_, T>> {
    let m = out.len() / n;
    let ranges = |len: usize, pieces: usize| {
        assert!((1..=len.div_ceil(16)).contains(&pieces), "no piece is empty");
        let border = move |piece: usize| (piece * len.div_ceil(16) / pieces * 16).min(len);
        (0..pieces).map(move |piece| border(piece)..border(piece + 1))
    };
    assert!(m * n == out.len(), "whole rows");
    let first = out.as_mut_ptr();
    let block = |rows: Range<usize>, columns: Range<usize>| Block {
        // SAFETY: the ranges begin within m rows and n columns.
        first: unsafe { first.add(rows.start * n + columns.start) },
        stride: n,
        row: rows.start,
        column: columns.start,
        rows: rows.len(),
        columns: columns.len(),
        matrix: PhantomData,
    };
    ranges(m, down)
        .flat_map(|rows| ranges(n, along).map(move |columns| (rows.clone(), columns)))
        .map(|(rows, columns)| block(rows, columns))
        .collect()
}

/// `out = a · b`, or `out += a · b`, on one thread, for the `k` columns of `a` that meet the rows of `b`; `a` begins in the
/// block's first row, `b` in its first column.
pub(crate) fn gemm<T: Multiply>(
    k: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: Block<'_, T>,
    accumulate: bool,
) {
    let (m, n) = (out.rows, out.columns);
    let last = |x: &Matrix<'_, T>, rows: usize, columns: usize| {
        (rows - 1) * x.row_stride + (columns - 1) * x.column_stride
    };
    assert!(m > 0 && k > 0 && n > 0, "the caller has handled empty products");
    assert!(last(&a, m, k) < a.data.len() && last(&b, k, n) < b.data.len(), "matrices lie within their data");
    assert!(T::KERNEL, "f32 and f64 only");
    // SAFETY: by the assertions above every element that the strides reach lies within its slice, and those of `out` are
    // the block's own; they are borrowed mutably and so overlap neither operand; `KERNEL` types are f32 and f64, which the
    // library implements.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.first,
            1,
            out.stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            if accumulate { T::one() } else { T::default() },
            T::one(),
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
