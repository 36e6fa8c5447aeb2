//! Products of few rows with the transpose of a matrix: what a linear layer computes for a small batch.
//!
//! The library would transpose the whole weight to pack it, which costs more than such a product: 2 to 16 rows times 512 × 512 take
//! it five times as long.

use super::gemm::{Block, Matrix};
use super::real::Float;
use super::reduce::by_halves;
use super::simd::{inlined, vectorize};
use crate::dtype::{DType, Element};
use std::any::Any;

/// Lanes of a sum. Loops of 32 and fewer are unrolled before they could be vectorised.
const LANES: usize = 64;

type Dots<T> = fn(usize, Matrix<'_, T>, Matrix<'_, T>, Block<'_, T>, bool);

/// [`dots`] for a type, if it is one of floats.
pub(super) fn find<T: Element>() -> Option<Dots<T>> {
    let function: &dyn Any = match T::DTYPE {
        DType::F32 => &(dots as Dots<f32>),
        DType::F64 => &(dots as Dots<f64>),
        DType::I64 | DType::Bool => return None,
    };
    function.downcast_ref().copied()
}

/// `out = a · b`, or `out += a · b`, where the rows of `a` and the columns of `b` lie side by side, `k` elements each. Each result is
/// a sum by itself, so it does not depend on how a product is cut.
fn dots<T: Float>(k: usize, a: Matrix<'_, T>, b: Matrix<'_, T>, mut out: Block<'_, T>, accumulate: bool) {
    // Loops and no closures: what is compiled apart from them knows no vectors, and calls a function to multiply and add.
    vectorize!(T: for j in 0..out.columns() {
        let y = &b.data[j * b.column_stride..][..k];
        let (mut i, rows) = (0, out.rows());
        while i + 4 <= rows {
            let x = [line(a, i, k), line(a, i + 1, k), line(a, i + 2, k), line(a, i + 3, k)];
            for (row, sum) in (i..).zip(products(x, y)) {
                put(&mut out.line(row)[j], sum, accumulate);
            }
            i += 4;
        }
        for row in i..rows {
            let [sum] = products([line(a, row, k)], y);
            put(&mut out.line(row)[j], sum, accumulate);
        }
    });
}

/// A row of `a`.
#[inline(always)]
fn line<T>(a: Matrix<'_, T>, row: usize, k: usize) -> &[T] {
    &a.data[row * a.row_stride..][..k]
}

#[inline(always)]
fn put<T: Float>(out: &mut T, sum: T, accumulate: bool) {
    *out = if accumulate { *out + sum } else { sum };
}

/// The sums of products of each of `x` with `y`, which is loaded once.
#[inline(always)]
fn products<T: Float, const N: usize>(x: [&[T]; N], y: &[T]) -> [T; N] {
    let (chunks, tail) = y.as_chunks::<LANES>();
    let xs = x.map(inlined!(|x| x.as_chunks::<LANES>().0));
    let mut lanes = [[T::lit(0.0); LANES]; N];
    for (at, y) in chunks.iter().enumerate() {
        for i in 0..N {
            lanes[i] = fused(lanes[i], &xs[i][at], y);
        }
    }
    let mut sums = [T::lit(0.0); N];
    for i in 0..N {
        let rest = &x[i][chunks.len() * LANES..];
        for ((lane, &x), &y) in lanes[i].iter_mut().zip(rest).zip(tail) {
            *lane = x.mul_add(y, *lane);
        }
        sums[i] = by_halves(lanes[i]);
    }
    sums
}

/// `lanes + x · y`. By value, so that the lanes stay in registers.
#[inline(always)]
fn fused<T: Float>(mut lanes: [T; LANES], x: &[T; LANES], y: &[T; LANES]) -> [T; LANES] {
    for l in 0..LANES {
        lanes[l] = x[l].mul_add(y[l], lanes[l]);
    }
    lanes
}

#[cfg(test)]
mod tests {
    use crate::kernel::gemm::{Matrix, blocks};

    #[test]
    fn few_rows_times_a_transposed_matrix_are_sums_of_products() {
        let number = |i: usize| ((i * 7919) % 61) as f64 / 61.0 - 0.5;
        for (m, k, n) in [(2, 1, 3), (3, 63, 5), (4, 64, 1), (5, 65, 17), (9, 200, 33), (16, 129, 20)] {
            let a: Vec<_> = (0..m * k).map(number).collect();
            let b: Vec<_> = (0..n * k).map(|i| number(i + 5)).collect();
            let matrix = |data, row_stride, column_stride| Matrix { data, row_stride, column_stride };
            let mut out = vec![1.0; m * n];
            for block in blocks(&mut out, n, (1, n.div_ceil(16))) {
                let b = matrix(&b[block.column * k..], 1, k);
                super::dots::<f64>(k, matrix(&a, k, 1), b, block, true);
            }
            for (at, &sum) in out.iter().enumerate() {
                let (row, column) = (&a[at / n * k..][..k], &b[at % n * k..][..k]);
                let exact = 1.0 + row.iter().zip(column).map(|(x, y)| x * y).sum::<f64>();
                assert!((sum - exact).abs() < 1e-13, "{m}x{k}x{n} at {at}: {sum}, not {exact}");
            }
        }
    }
}
