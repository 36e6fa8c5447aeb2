//! The call into the library that multiplies matrices. The third file with `unsafe`: its interface takes pointers.
#![allow(unsafe_code, reason = "the library's entry points take raw pointers")]

use crate::dtype::{DType, Element};
use gemm_common::Parallelism;
use std::any::Any;
use std::marker::PhantomData;
use std::ops::Range;

/// A matrix: element `(i, j)` is `data[i·row_stride + j·column_stride]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

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
    assert!(m * n == out.len(), "whole rows");
    let ranges = |len: usize, pieces: usize| {
        assert!((1..=len.div_ceil(16)).contains(&pieces), "no piece is empty");
        // In 128 bits no product overflows, so borders never decrease: no element is in two pieces.
        let border = move |piece: usize| {
            let sixteens = piece as u128 * len.div_ceil(16) as u128 / pieces as u128;
            (sixteens as usize * 16).min(len)
        };
        (0..pieces).map(move |piece| border(piece)..border(piece + 1))
    };
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

impl<'a, T> Block<'a, T> {
    /// All of a matrix of so many columns.
    pub(crate) fn whole(out: &'a mut [T], columns: usize) -> Self {
        let rows = out.len() / columns.max(1);
        Self {
            first: out.as_mut_ptr(),
            stride: columns,
            row: 0,
            column: 0,
            rows,
            columns,
            matrix: PhantomData,
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    pub(crate) fn line(&mut self, row: usize) -> &mut [T] {
        assert!(row < self.rows, "a row of the block");
        // SAFETY: the row begins within the block, which is borrowed mutably, and has this many elements there.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(row * self.stride), self.columns) }
    }
}

impl<T> Matrix<'_, T> {
    pub(crate) fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// Whether the elements of so many rows and columns, one at least, lie within the data.
    pub(crate) fn fits(&self, rows: usize, columns: usize) -> bool {
        let down = (rows - 1).checked_mul(self.row_stride);
        let along = (columns - 1).checked_mul(self.column_stride);
        down.zip(along).and_then(|(x, y)| x.checked_add(y)).is_some_and(|last| last < self.data.len())
    }
}

/// A function of the library: `c = alpha · c + beta · a · b` for an `m × n` matrix `c` and `k` columns of `a`. Of each matrix it
/// gets the first element and the distances between its columns and its rows.
type Function<T> = unsafe fn(
    usize,
    usize,
    usize,
    *mut T,
    isize,
    isize,
    bool,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    T,
    bool,
    bool,
    bool,
    Parallelism,
);

/// The library's kernel for a type.
#[derive(Clone, Copy)]
pub(crate) struct Kernel<T>(Function<T>);

/// The most bytes that the library takes to pack the operands of an `m × k` by `k × n` product: a run along `k` of `b`, and of a
/// few panels of `a`. It aborts the process where there is no memory for them, so a caller looks first.
pub(crate) fn packing<T>([m, k, n]: [usize; 3]) -> usize {
    /// Columns of `a` in a run, and rows in its panels, at most (`gemm-common` 0.19, `kernel_params`).
    const RUN: usize = 1 << 10;
    const PANELS: usize = 1 << 10;
    // The result may be computed as its transpose.
    let sides = m.max(n).saturating_add(m.min(n).min(PANELS));
    k.min(RUN).saturating_mul(sides.saturating_add(64)).saturating_mul(size_of::<T>())
}

/// Bytes that each thread takes for its first product, and keeps.
pub(crate) fn kept() -> usize {
    gemm_common::cache::CACHE_INFO[1].cache_bytes
}

impl<T: Element> Kernel<T> {
    /// The kernel, if the library has one for the type.
    pub(crate) fn find() -> Option<Self> {
        let function: &dyn Any = match T::DTYPE {
            DType::F32 => &gemm_f32::gemm::f32::get_gemm_fn(),
            DType::F64 => &gemm_f64::gemm::f64::get_gemm_fn(),
            DType::I64 | DType::Bool => return None,
        };
        Some(Self(*function.downcast_ref().expect("a function on this type")))
    }

    /// `out = a · b`, or `out += a · b`, on one thread, for the `k` columns of `a` that meet the rows of `b`; `a` begins in the
    /// block's first row, `b` in its first column.
    pub(crate) fn run(
        self,
        k: usize,
        a: Matrix<'_, T>,
        b: Matrix<'_, T>,
        out: Block<'_, T>,
        accumulate: bool,
    ) {
        let (m, n) = (out.rows, out.columns);
        assert!(m > 0 && k > 0 && n > 0, "the caller has handled empty products");
        assert!(a.fits(m, k) && b.fits(k, n), "matrices lie within their data");
        // The stride of a single row or column does not matter, and may be anything.
        let step = |x: &Matrix<'_, T>, stride: usize| stride.min(x.data.len()) as isize;
        let itself = |x: Matrix<'_, T>| (x.data.as_ptr(), step(&x, x.column_stride), step(&x, x.row_stride));
        let transpose =
            |x: Matrix<'_, T>| (x.data.as_ptr(), step(&x, x.row_stride), step(&x, x.column_stride));
        let stride = out.stride as isize;
        // The kernel writes columns: rows of the result are columns of its transpose, which is bᵀ · aᵀ.
        let (m, n, to, x, y) = if stride > 1 {
            (n, m, (stride, 1), transpose(b), transpose(a))
        } else {
            (m, n, (1, stride), itself(a), itself(b))
        };
        let one = T::of_bool(true);
        let alpha = if accumulate { one } else { T::default() };
        // SAFETY: by the assertions above every element that the strides reach lies within its slice, and those of `out` are
        // the block's own; they are borrowed mutably and so overlap neither operand.
        unsafe {
            (self.0)(
                m,
                n,
                k,
                out.first,
                to.0,
                to.1,
                accumulate,
                x.0,
                x.1,
                x.2,
                y.0,
                y.1,
                y.2,
                alpha,
                one,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_whose_last_place_wraps_does_not_lie_within_its_data() {
        let data = [0.0_f32; 64];
        let fits = |row_stride, column_stride, rows, columns| {
            Matrix { data: &data, row_stride, column_stride }.fits(rows, columns)
        };
        assert!(fits(8, 1, 8, 8) && !fits(8, 1, 8, 9) && !fits(8, 1, 9, 8));
        // Each of these ends at a place below 64, when it wraps.
        assert!(!fits(usize::MAX / 4 + 1, 1, 5, 8));
        assert!(!fits(usize::MAX - 6, 1, 2, 8));
        assert!(!fits(usize::MAX / 2 + 1, usize::MAX / 2 + 1, 2, 2));
        // The stride of a single row does not matter.
        assert!(fits(usize::MAX, 1, 1, 64));
    }

    #[test]
    fn blocks_cover_the_matrix_once() {
        for (m, n, pieces) in [(33, 5, (3, 1)), (5, 33, (1, 2)), (40, 40, (2, 3)), (1, 1, (1, 1))] {
            let mut out = vec![0; m * n];
            let covered: usize = blocks(&mut out, n, pieces).iter().map(|b| b.rows * b.columns).sum();
            assert_eq!(covered, m * n);
        }
    }
}
