//! Matrix products: a library's kernel on blocks of our own. Integers, and booleans as `or` of `and`, multiply in plain loops.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use super::dots;
use super::gemm::{self, Block, Kernel, blocks};
use super::parallel;
use super::simd::vectorize;
use crate::dtype::Element;

pub(crate) use super::gemm::Matrix;

/// Multiplications up to which the plain loops are used.
// The library packs its operands; below this its overhead shows, and the plain order of additions is PyTorch's own.
const SMALL: usize = 1 << 12;

/// Rows up to which a product with a transposed matrix is one of dot products: from 32 on the library is as fast.
const FEW_ROWS: usize = 16;

/// Columns up to which the other matrix is transposed for it: 4 × 512 × 4 takes a fifth of the library's time.
const FEW_COLUMNS: usize = 32;

/// Multiplications that are worth a task of their own.
const TASK: usize = 1 << 21;

/// Multiplications of a product.
fn work([m, k, n]: [usize; 3]) -> usize {
    m.saturating_mul(k).saturating_mul(n)
}

/// Into how many pieces the rows and the columns of a product are cut, for this many threads.
///
/// Blocks in one row each pack all of `a`, blocks in one column all of `b`, so the longer side is cut, and no more often than
/// threads or caches ask for. The cuts do not show in the bits: every element is a sum over `k`, which the library cuts at
/// lengths that depend on `k` alone where a side is longer than 64 and a block has more than 256 elements.
// GFLOP/s of two threads on a 2-core Sapphire Rapids, in blocks 256, 512 and 1024 wide: 2048×2048×2048 370, 380, 387;
// 4096×256×4096 with `a` transposed 309, 332, 341; 256×4096×4096 with `b` transposed 297, 303, 293.
fn pieces([m, k, n]: [usize; 3], b_is_transposed: bool, threads: usize) -> (usize, usize) {
    /// What is worth a task of its own, besides: elements, and elements along the side that is cut.
    const AREA: usize = 1 << 10;
    const SHORT: usize = 128;
    /// Elements along the side that is cut, and along the other one, that caches hold.
    const LONG: usize = 1024;
    const ACROSS: usize = 2048;
    let long = if b_is_transposed { LONG / 2 } else { LONG };
    let most = (work([m, k, n]) / TASK).min(m * n / AREA).min(m.max(n) / SHORT).max(1);
    let pieces = m.max(n).div_ceil(long).next_multiple_of(threads).min(most);
    let across = m.min(n).div_ceil(ACROSS);
    if n >= m { (across, pieces) } else { (pieces, across) }
}

/// The threads that share a product. Not asked for where one computes it, since that starts them.
fn threads(sizes: [usize; 3]) -> usize {
    if work(sizes) < 2 * TASK { 1 } else { parallel::threads() }
}

/// Bytes of scratch that [`matmul`] takes, at most.
pub(crate) fn scratch<T: Element>([m, k, n]: [usize; 3], b_is_transposed: bool) -> usize {
    if work([m, k, n]) <= SMALL || !T::DTYPE.is_float() {
        return 0;
    }
    let few = m <= FEW_ROWS && n <= FEW_COLUMNS;
    let copy = if few { k.saturating_mul(n).saturating_mul(size_of::<T>()) } else { 0 };
    let threads = threads([m, k, n]);
    let (down, along) = pieces([m, k, n], b_is_transposed, threads);
    let block = [m.div_ceil(down).next_multiple_of(16), k, n.div_ceil(along).next_multiple_of(16)];
    gemm::packing::<T>(block).saturating_add(gemm::kept()).saturating_mul(threads.min(down * along)).max(copy)
}

/// `out = a · b`, or `out += a · b`, for `m × k` and `k × n` matrices, `out` row-major; on all threads.
pub(crate) fn matmul<T: Element>(
    [m, k, n]: [usize; 3],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    let pieces = pieces([m, k, n], b.column_stride != 1, threads([m, k, n]));
    product([m, k, n], a, b, out, accumulate, pieces);
}

/// [`matmul`] on the thread that calls it.
pub(crate) fn matmul_here<T: Element>(
    [m, k, n]: [usize; 3],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    product([m, k, n], a, b, out, accumulate, (1, 1));
}

fn product<T: Element>(
    [m, k, n]: [usize; 3],
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
    pieces: (usize, usize),
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
    if n == 1 && m > 1 {
        // A column of results is a row in memory as well, and products of few rows are faster: 64 × 64 × 1 takes a third of the time.
        return product([1, k, m], b.transposed(), a.transposed(), out, accumulate, (pieces.1, pieces.0));
    }
    assert!(a.fits(m, k) && b.fits(k, n), "matrices lie within their slices");
    let kernel = if work([m, k, n]) > SMALL { Kernel::find() } else { None };
    let Some(kernel) = kernel else { return plain(k, n, a, b, out, accumulate) };
    let few = m <= FEW_ROWS && k > 1 && a.column_stride == 1;
    let dots = if few && (b.row_stride == 1 || m > 1 && n <= FEW_COLUMNS) { dots::find() } else { None };
    let mut scratch = Vec::new();
    let b = if dots.is_some() && b.row_stride != 1 { transposed(k, n, b, &mut scratch) } else { b };
    let run = |out: Block<'_, T>| {
        let a = Matrix { data: &a.data[out.row * a.row_stride..], ..a };
        let b = Matrix { data: &b.data[out.column * b.column_stride..], ..b };
        match dots {
            Some(dots) => dots(k, a, b, out, accumulate),
            None => kernel.run(k, a, b, out, accumulate),
        }
    };
    let mut blocks = blocks(out, n, pieces);
    if blocks.len() == 1 {
        blocks.drain(..).for_each(run);
    } else {
        parallel::for_jobs(blocks.into_iter(), &run);
    }
}

/// A copy of a matrix whose columns lie side by side.
fn transposed<'a, T: Element>(
    k: usize,
    n: usize,
    b: Matrix<'_, T>,
    scratch: &'a mut Vec<T>,
) -> Matrix<'a, T> {
    *scratch = parallel::filled(k * n, T::default());
    for (j, column) in scratch.chunks_exact_mut(k).enumerate() {
        for (i, x) in column.iter_mut().enumerate() {
            *x = b.data[i * b.row_stride + j * b.column_stride];
        }
    }
    Matrix { data: scratch, row_stride: 1, column_stride: k }
}

/// The product in order of `k`, each product and sum rounded: what PyTorch's small products do.
fn plain<T: Element>(
    k: usize,
    n: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    if out.len() >= PANEL_ROWS * n {
        return vectorize!(T: panels(k, n, a, b, out, accumulate));
    }
    let first = usize::from(!accumulate);
    vectorize!(T: for (i, row) in out.chunks_exact_mut(n).enumerate() {
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

/// Rows from which a copy of a part of `b`, [`PANEL`] columns wide, pays: a thousand products of 10 × 10 × 10 take a third of the time.
const PANEL_ROWS: usize = 4;

/// Columns of a panel.
const PANEL: usize = 16;

/// [`plain`] by parts of `b` in which a row is a whole vector.
#[inline(always)]
fn panels<T: Element>(
    k: usize,
    n: usize,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    out: &mut [T],
    accumulate: bool,
) {
    const DEPTH: usize = 32;
    let mut panel = [[T::default(); PANEL]; DEPTH];
    for j in (0..n).step_by(PANEL) {
        let width = PANEL.min(n - j);
        for l in (0..k).step_by(DEPTH) {
            let depth = DEPTH.min(k - l);
            for (d, row) in panel[..depth].iter_mut().enumerate() {
                let at = (l + d) * b.row_stride + j * b.column_stride;
                for (c, x) in row[..width].iter_mut().enumerate() {
                    *x = b.data[at + c * b.column_stride];
                }
            }
            for (i, out) in out.chunks_exact_mut(n).enumerate() {
                let (out, at) = (&mut out[j..j + width], i * a.row_stride + l * a.column_stride);
                let (mut sums, mut done) = ([T::default(); PANEL], 0);
                if l > 0 || accumulate {
                    sums[..width].copy_from_slice(out);
                } else {
                    // Not a sum with 0, which is not -0.
                    for c in 0..PANEL {
                        sums[c] = a.data[at].times(panel[0][c]);
                    }
                    done = 1;
                }
                for d in done..depth {
                    sums = added(sums, a.data[at + d * a.column_stride], &panel[d]);
                }
                out.copy_from_slice(&sums[..width]);
            }
        }
    }
}

/// `sums + x y`. By value, so that they stay in registers.
#[inline(always)]
fn added<T: Element>(mut sums: [T; PANEL], x: T, y: &[T; PANEL]) -> [T; PANEL] {
    for c in 0..PANEL {
        sums[c] = sums[c].plus(x.times(y[c]));
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn products_of_any_shape_and_layout_are_sums_of_products() {
        let number = |i: usize| ((i * 37 % 101) as f64 - 50.0) / 8.0;
        for (m, k, n) in [
            (1, 1, 1),
            (3, 700, 5),
            (130, 40, 530),
            (530, 40, 130),
            (257, 129, 255),
            (1040, 9, 1040),
            (64, 64, 1),
            (200, 300, 1),
            (10, 10, 10),
            (5, 40, 20),
            (16, 129, 20),
        ] {
            let (a, b): (Vec<_>, Vec<_>) =
                ((0..m * k).map(number).collect(), (0..k * n).map(|i| number(i + 7)).collect());
            for (at, bt) in [(false, false), (true, false), (false, true), (true, true)] {
                let strides = |transposed: bool, rows: usize, columns: usize| {
                    if transposed { (1, rows) } else { (columns, 1) }
                };
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

    fn number(i: usize, seed: u64) -> f64 {
        (i as u64 ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) as f64 / 1e19 - 1.0
    }

    fn same_bits<T: Element>(
        [m, k, n]: [usize; 3],
        [a_turned, b_turned]: [bool; 2],
        threads: usize,
        number: impl Fn(usize) -> T,
    ) -> Result<(), TestCaseError> {
        let numbers = |len: usize| (0..len).map(&number).collect::<Vec<_>>();
        let (a, b) = (numbers(m * k), numbers(k * n));
        fn matrix<T>(data: &[T], transposed: bool, rows: usize, columns: usize) -> Matrix<'_, T> {
            let (row_stride, column_stride) = if transposed { (1, rows) } else { (columns, 1) };
            Matrix { data, row_stride, column_stride }
        }
        let (a, b) = (matrix(&a, a_turned, m, k), matrix(&b, b_turned, k, n));
        let in_pieces = |pieces| {
            let mut out = vec![T::default(); m * n];
            product([m, k, n], a, b, &mut out, false, pieces);
            out
        };
        // As if every product were worth tasks.
        let most = (m * n / 1024).min(m.max(n) / 128).clamp(1, threads);
        let cut = if n >= m { (1, most) } else { (most, 1) };
        let whole = in_pieces((1, 1));
        prop_assert_eq!(&whole, &in_pieces(cut));
        prop_assert_eq!(&whole, &in_pieces(pieces([m, k, n], b_turned, threads)));
        Ok(())
    }

    proptest! {
        // The optimised tests try ten times as many.
        #![proptest_config(ProptestConfig {
            cases: ProptestConfig::default().cases / if cfg!(debug_assertions) { 10 } else { 1 },
            ..ProptestConfig::default()
        })]
        #[test]
        fn bits_do_not_depend_on_the_blocks(
            (m, n) in prop_oneof![
                (1..20_usize, 100..3000_usize),
                (100..3000_usize, 1..20_usize),
                (60..600_usize, 60..600_usize),
            ],
            k in prop_oneof![1..40_usize, 400..1600_usize],
            (a_turned, b_turned, threads) in (any::<bool>(), any::<bool>(), 2..20_usize),
            seed in any::<u64>(),
        ) {
            same_bits::<f32>([m, k, n], [a_turned, b_turned], threads, |i| number(i, seed) as f32)?;
            same_bits::<f64>([m, k, n], [a_turned, b_turned], threads, |i| number(i, seed))?;
        }
    }
}
