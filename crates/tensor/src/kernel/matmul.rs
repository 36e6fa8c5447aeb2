//! Matrix products: a library's kernel on our own fixed blocks.

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

/// Rows and columns of a block of parallel work; fixed, so that the bits do not depend on the threads.
const BLOCK_ROWS: usize = 256;

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

/// `out = a · b`, or `out += a · b`, for `m × k` and `k × n` matrices, `out` row-major.
pub(crate) fn matmul<T: Multiply>(
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
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
    if !T::KERNEL || m * n * k <= SMALL {
        return plain(k, n, a, b, out, accumulate);
    }
    parallel::for_chunks(out, BLOCK_ROWS * n, k, |start, out| {
        let first = start / n;
        let rows = out.len() / n;
        let a = Matrix { data: &a.data[first * a.row_stride..], ..a };
        super::gemm::gemm(rows, k, n, a, b, out, accumulate);
    });
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
