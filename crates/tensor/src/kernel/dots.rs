//! Products of few rows with the transpose of a matrix: what a linear layer computes for a small batch.
//!
//! The library would transpose the whole weight to pack it, which costs more than such a product: 2 to 16 rows times 512 × 512 take
//! it five times as long.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use super::gemm::{Block, Matrix};
use super::real::Float;
use super::simd::{inlined, vectorize};
use crate::dtype::{DType, Element};
use std::any::Any;

/// Lanes of a sum.
const LANES: usize = 32;

/// Rows and columns of the result that are computed at once, two columns of them at a time: each element that is loaded meets two or four
/// others, and the sums stay in registers of 64 bytes.
// 16 × 512 × 512 in f32 on one thread of a busy 2-core Sapphire Rapids, GFLOP/s: one column of 64 lanes, each added up by itself, 27; two of
// 64 54, two of 32 63; the library 20.
const SIDE: usize = 4;

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
    vectorize!(T: for j in (0..out.columns()).step_by(SIDE) {
        let (mut i, rows, columns) = (0, out.rows(), out.columns().min(j + SIDE) - j);
        while i < rows {
            let (count, sums) = if i + 2 < rows {
                (4, sums::<T, 4>(k, a, b, [i, rows - 1], [j, out.columns() - 1]))
            } else {
                (2, sums::<T, 2>(k, a, b, [i, rows - 1], [j, out.columns() - 1]))
            };
            for row in i..rows.min(i + count) {
                let line = &mut out.line(row)[j..j + columns];
                for (c, o) in line.iter_mut().enumerate() {
                    let sum = sums[c * SIDE + row - i];
                    *o = if accumulate { *o + sum } else { sum };
                }
            }
            i += count;
        }
    });
}

/// The dot products of `N` rows of `a` and [`SIDE`] columns of `b` from these on, column by column; beyond the last ones, of these.
#[inline(always)]
fn sums<T: Float, const N: usize>(
    k: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    [row, last_row]: [usize; 2],
    [column, last_column]: [usize; 2],
) -> [T; SIDE * SIDE] {
    let mut x = [&a.data[..0]; N];
    for i in 0..N {
        x[i] = &a.data[(row + i).min(last_row) * a.row_stride..][..k];
    }
    let mut parts = [[T::lit(0.0); LANES / 2]; SIDE * SIDE];
    for c in [0, SIDE / 2] {
        let y = |j: usize| &b.data[(column + j).min(last_column) * b.column_stride..][..k];
        let lanes = products(x, [y(c), y(c + 1)]);
        for j in 0..2 {
            for i in 0..N {
                parts[(c + j) * SIDE + i] = folded(&lanes[j][i]);
            }
        }
    }
    added_up(parts)
}

/// The lanes of the sums of products of each of `x` with each of `y`.
#[inline(always)]
fn products<T: Float, const N: usize>(x: [&[T]; N], y: [&[T]; 2]) -> [[[T; LANES]; N]; 2] {
    let count = y[0].len() / LANES;
    let xs = x.map(inlined!(|x| &x.as_chunks::<LANES>().0[..count]));
    let ys = y.map(inlined!(|y| &y.as_chunks::<LANES>().0[..count]));
    let (mut first, mut second) = ([[T::lit(0.0); LANES]; N], [[T::lit(0.0); LANES]; N]);
    for at in 0..count {
        for i in 0..N {
            first[i] = fused(first[i], &xs[i][at], &ys[0][at]);
            second[i] = fused(second[i], &xs[i][at], &ys[1][at]);
        }
    }
    for l in count * LANES..y[0].len() {
        for i in 0..N {
            let lane = l - count * LANES;
            first[i][lane] = x[i][l].mul_add(y[0][l], first[i][lane]);
            second[i][lane] = x[i][l].mul_add(y[1][l], second[i][lane]);
        }
    }
    [first, second]
}

/// `lanes + x · y`. By value, so that the lanes stay in registers.
#[inline(always)]
fn fused<T: Float>(mut lanes: [T; LANES], x: &[T; LANES], y: &[T; LANES]) -> [T; LANES] {
    for l in 0..LANES {
        lanes[l] = x[l].mul_add(y[l], lanes[l]);
    }
    lanes
}

/// Each half of the lanes added to the other.
#[inline(always)]
fn folded<T: Float>(lanes: &[T; LANES]) -> [T; LANES / 2] {
    let mut half = [T::lit(0.0); LANES / 2];
    for l in 0..LANES / 2 {
        half[l] = lanes[l] + lanes[l + LANES / 2];
    }
    half
}

/// Of each array its sum, by halves: sixteen at once, in whole vectors. One by one that costs more than the products.
#[inline(always)]
fn added_up<T: Float>(mut parts: [[T; 16]; 16]) -> [T; 16] {
    for i in 0..8 {
        parts[i] = joined::<T, 8>(&parts[2 * i], &parts[2 * i + 1]);
    }
    for i in 0..4 {
        parts[i] = joined::<T, 4>(&parts[2 * i], &parts[2 * i + 1]);
    }
    for i in 0..2 {
        parts[i] = joined::<T, 2>(&parts[2 * i], &parts[2 * i + 1]);
    }
    joined::<T, 1>(&parts[0], &parts[1])
}

/// The runs of `2 H` elements of `p` and then those of `q`, the halves of each added.
#[inline(always)]
fn joined<T: Float, const H: usize>(p: &[T; 16], q: &[T; 16]) -> [T; 16] {
    let (mut left, mut right) = ([T::lit(0.0); 16], [T::lit(0.0); 16]);
    for i in 0..8 {
        let at = i / H * 2 * H + i % H;
        (left[i], right[i]) = (p[at], p[at + H]);
        (left[8 + i], right[8 + i]) = (q[at], q[at + H]);
    }
    let mut sums = [T::lit(0.0); 16];
    for i in 0..16 {
        sums[i] = left[i] + right[i];
    }
    sums
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
