//! Matrix products: a library's kernel on our own fixed blocks.

use super::gemm::{self, Block, gemm};
use super::parallel;
use super::simd::vectorize;

/// A matrix: element `(i, j)` is `data[i·rows + j·columns]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Matrix<'a, T> {
    pub(crate) data: &'a [T],
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

/// Multiplications up to which the plain loops are used.
// The library packs its operands; below this its overhead shows, and the plain order of additions is PyTorch's own.
const SMALL: usize = 1 << 12;

/// Multiplications of a product.
fn work([m, k, n]: [usize; 3]) -> usize {
    m.saturating_mul(k).saturating_mul(n)
}

/// The height and width of the blocks that a product is computed in. They depend on its sizes alone, and so do the bits.
///
/// Blocks in one row each pack all of `b` again, blocks in one column all of `a`: the longer side is cut.
// Below 512 along the longer side at most two: 256×256×256 takes 83 µs in two blocks and 96 in four (a 2-core Sapphire Rapids).
// GFLOP/s of two threads on a 2-core Zen 3, as one block, by 4 or 8 rows of blocks, by as many columns:
// 128×784×256 with `b` transposed 70, 87, 157; 256×4096×4096 64, 21, 94; 4096×256×4096 with `a` transposed 54, 135, 104.
fn block([m, k, n]: [usize; 3]) -> (usize, usize) {
    /// Elements along the side that is cut, and along the other one, that make packing worth its time.
    const LONG: usize = 256;
    const ACROSS: usize = 1024;
    /// Multiplications that are worth a task of their own.
    const TASK: usize = 1 << 21;
    let cut = |long: usize, across: usize| {
        let pieces = (long / LONG).max((work([m, k, n]) / TASK).min(long / (LONG / 2))).max(1);
        (
            long.div_ceil(pieces).next_multiple_of(16),
            across.div_ceil(across.div_ceil(ACROSS)).next_multiple_of(16),
        )
    };
    if n >= m {
        let (width, height) = cut(n, m);
        (height, width)
    } else {
        cut(m, n)
    }
}

/// Number types that matrices multiply in; integers wrap.
pub(crate) trait Multiply: Copy + Default + Send + Sync + 'static {
    /// Whether the library has a kernel for it.
    const KERNEL: bool;
    fn one() -> Self;
    fn times(self, other: Self) -> Self;
    fn plus(self, other: Self) -> Self;
}

macro_rules! multiply {
    ($type:ty, $kernel:literal, $one:literal, |$x:ident, $y:ident| $times:expr, $plus:expr) => {
        impl Multiply for $type {
            const KERNEL: bool = $kernel;
            fn one() -> Self {
                $one
            }
            #[inline(always)]
            fn times(self, $y: Self) -> Self {
                let $x = self;
                $times
            }
            #[inline(always)]
            fn plus(self, $y: Self) -> Self {
                let $x = self;
                $plus
            }
        }
    };
}
multiply!(f32, true, 1.0, |x, y| x * y, x + y);
multiply!(f64, true, 1.0, |x, y| x * y, x + y);
multiply!(i64, false, 1, |x, y| x.wrapping_mul(y), x.wrapping_add(y));

/// `out = a · b`, or `out += a · b`, for `m × k` and `k × n` matrices, `out` row-major; on all threads.
pub(crate) fn matmul<T: Multiply>(
    [m, k, n]: [usize; 3],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    product([m, k, n], a, b, out, accumulate, block);
}

/// The same on the thread that calls it.
pub(crate) fn matmul_here<T: Multiply>(
    [m, k, n]: [usize; 3],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    product([m, k, n], a, b, out, accumulate, |[m, _, n]| (m, n));
}

fn product<T: Multiply>(
    [m, k, n]: [usize; 3],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
    block: fn([usize; 3]) -> (usize, usize),
) {
    if out.is_empty() {
        return;
    }
    if k == 0 {
        if !accumulate {
            out.fill(T::default());
        }
        return;
    }
    if !T::KERNEL || work([m, k, n]) <= SMALL {
        return plain(k, n, a, b, out, accumulate);
    }
    let run = |out: Block<'_, T>| {
        let a = Matrix { data: &a.data[out.row * a.row_stride..], ..a };
        let b = Matrix { data: &b.data[out.column * b.column_stride..], ..b };
        gemm(k, a, b, out, accumulate);
    };
    let mut blocks = gemm::blocks(out, n, block([m, k, n]));
    if blocks.len() == 1 { blocks.drain(..).for_each(run) } else { parallel::for_jobs(blocks, &run) }
}

/// In order of `k`, product and sum rounded apart: what PyTorch's small products do.
fn plain<T: Multiply>(
    k: usize,
    n: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    let first = usize::from(!accumulate);
    vectorize!(for (i, row) in out.chunks_exact_mut(n).enumerate() {
        if !accumulate {
            let x = a.data[i * a.row_stride];
            for (j, o) in row.iter_mut().enumerate() {
                *o = x.times(b.data[j * b.column_stride]);
            }
        }
        for l in first..k {
            let x = a.data[i * a.row_stride + l * a.column_stride];
            if b.column_stride == 1 {
                let b = &b.data[l * b.row_stride..][..n];
                row.iter_mut().zip(b).for_each(|(o, &y)| *o = o.plus(x.times(y)));
            } else {
                for (j, o) in row.iter_mut().enumerate() {
                    *o = o.plus(x.times(b.data[l * b.row_stride + j * b.column_stride]));
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_any_shape_and_layout_are_sums_of_products() {
        let number = |i: usize| ((i * 37 % 101) as f64 - 50.0) / 8.0;
        for (m, k, n) in
            [(1, 1, 1), (3, 700, 5), (130, 40, 530), (530, 40, 130), (257, 129, 255), (1040, 9, 1040)]
        {
            let (a, b): (Vec<_>, Vec<_>) =
                ((0..m * k).map(number).collect(), (0..k * n).map(|i| number(i + 7)).collect());
            for (at, bt) in [(false, false), (true, false), (false, true), (true, true)] {
                let strides =
                    |turned: bool, rows: usize, columns: usize| if turned { (1, rows) } else { (columns, 1) };
                let ((ar, ac), (br, bc)) = (strides(at, m, k), strides(bt, k, n));
                let x = Matrix { data: &a, row_stride: ar, column_stride: ac };
                let y = Matrix { data: &b, row_stride: br, column_stride: bc };
                let mut out = vec![1.0; m * n];
                matmul([m, k, n], x, y, &mut out, true);
                // Sums of multiples of 1/64 are exact.
                for at in (0..m * n).step_by(1 + m * n / 97) {
                    let (i, j) = (at / n, at % n);
                    let exact: f64 = (0..k).map(|l| a[i * ar + l * ac] * b[l * br + j * bc]).sum();
                    assert_eq!(out[at], 1.0 + exact, "{m}×{k}×{n} at {i}, {j}");
                }
            }
        }
    }
}
