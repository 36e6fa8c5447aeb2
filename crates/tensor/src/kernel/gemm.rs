//! The call into the library that multiplies matrices. The third file with `unsafe`: its interface takes pointers.
#![allow(unsafe_code, reason = "gemm's only entry point takes raw pointers")]

use super::matmul::{Matrix, Multiply};

/// `out = a · b`, or `out += a · b`, on one thread, for `m × k` and `k × n` matrices; `out` is row-major.
pub(crate) fn gemm<T: Multiply>(
    m: usize,
    k: usize,
    n: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    let last = |x: &Matrix<'_, T>, rows: usize, columns: usize| {
        (rows - 1) * x.row_stride + (columns - 1) * x.column_stride
    };
    assert!(m > 0 && k > 0 && n > 0 && out.len() == m * n, "the caller has handled empty products");
    assert!(last(&a, m, k) < a.data.len() && last(&b, k, n) < b.data.len(), "matrices lie within their data");
    assert!(T::KERNEL, "f32 and f64 only");
    // SAFETY: by the assertions above every element that the strides reach lies within its slice; `out` is borrowed
    // mutably and so overlaps neither; `KERNEL` types are f32 and f64, which the library implements.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            n as isize,
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
