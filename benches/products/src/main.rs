//! Times products of `f32` on one thread, kernels taking turns: `products M K N LAYOUT SECONDS`. In the layout `nn` both operands lie row by
//! row, in `nt` the second is a transposed matrix, in `tn` the first. Prints a line of JSON: GFLOP/s of the best time of each kernel.
use std::hint::black_box;
use std::ptr::null;
use std::time::{Duration, Instant};

use downhill::Tensor;
use private_gemm_x86::{Accum, DType, DstKind, IType, InstrSet};

/// A matrix's elements and the distances between its rows and its columns.
struct Matrix {
    data: Vec<f32>,
    strides: (isize, isize),
    shape: [usize; 2],
}

impl Matrix {
    fn new(shape: [usize; 2], transposed: bool) -> Self {
        let data = (0..shape[0] * shape[1]).map(|i| ((i * 7919 % 1009) as f32 - 504.0) / 504.0).collect();
        let strides = if transposed { (1, shape[0] as isize) } else { (shape[1] as isize, 1) };
        Self { data, strides, shape }
    }

    fn tensor(&self) -> Tensor {
        let stored = if self.strides.1 == 1 { self.shape } else { [self.shape[1], self.shape[0]] };
        let x = Tensor::from_vec(self.data.clone(), stored).expect("as many as the shape says");
        if self.strides.1 == 1 { x } else { x.t().expect("a matrix") }
    }
}

/// The least time of `f`, seconds.
fn best(budget: Duration, f: &mut dyn FnMut()) -> f64 {
    let (begin, mut least) = (Instant::now(), f64::INFINITY);
    while begin.elapsed() < budget {
        let start = Instant::now();
        f();
        least = least.min(start.elapsed().as_secs_f64());
    }
    least
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |i: usize| words[i].parse::<usize>().expect("M, K and N are numbers");
    let ([m, k, n], layout) = ([number(0), number(1), number(2)], words[3].as_bytes());
    let budget = Duration::from_secs_f64(words[4].parse().expect("seconds"));
    let (a, b) = (Matrix::new([m, k], layout[0] == b't'), Matrix::new([k, n], layout[1] == b't'));
    let (x, y) = (a.tensor(), b.tensor());
    let mut out = vec![0.0_f32; m * n];
    let (to, row) = (out.as_mut_ptr(), n as isize);
    let instructions = if is_x86_feature_detected!("avx512f") { InstrSet::Avx512 } else { InstrSet::Avx256 };

    let mut kernels: [(&str, Box<dyn FnMut()>); 4] = [
        ("downhill", Box::new(|| drop(black_box(x.mm(&y))))),
        // Each of the three writes an m × n matrix, for whose operands the strides say where elements lie within their vectors.
        (
            "gemm-f32",
            Box::new(|| {
                let kernel = gemm_f32::gemm::f32::get_gemm_fn();
                // SAFETY: as above; the result is the transposed product, whose columns are adjacent.
                unsafe {
                    kernel(
                        n,
                        m,
                        k,
                        to,
                        row,
                        1,
                        false,
                        b.data.as_ptr(),
                        b.strides.0,
                        b.strides.1,
                        a.data.as_ptr(),
                        a.strides.0,
                        a.strides.1,
                        0.0,
                        1.0,
                        false,
                        false,
                        false,
                        gemm_common::Parallelism::None,
                    );
                }
            }),
        ),
        (
            "matrixmultiply",
            Box::new(|| {
                // SAFETY: as above.
                unsafe {
                    matrixmultiply::sgemm(
                        m,
                        k,
                        n,
                        1.0,
                        a.data.as_ptr(),
                        a.strides.0,
                        a.strides.1,
                        b.data.as_ptr(),
                        b.strides.0,
                        b.strides.1,
                        0.0,
                        to,
                        row,
                        1,
                    );
                }
            }),
        ),
        (
            "private-gemm-x86",
            Box::new(|| {
                let one = 1.0_f32;
                // SAFETY: as above.
                unsafe {
                    private_gemm_x86::gemm(
                        DType::F32,
                        IType::U64,
                        instructions,
                        n,
                        m,
                        k,
                        to.cast(),
                        1,
                        row,
                        null(),
                        null(),
                        DstKind::Full,
                        Accum::Replace,
                        b.data.as_ptr().cast(),
                        b.strides.1,
                        b.strides.0,
                        false,
                        null(),
                        0,
                        a.data.as_ptr().cast(),
                        a.strides.1,
                        a.strides.0,
                        false,
                        (&raw const one).cast(),
                        1,
                    );
                }
            }),
        ),
    ];
    let mut least = [f64::INFINITY; 4];
    for _ in 0..3 {
        for ((_, kernel), least) in kernels.iter_mut().zip(&mut least) {
            *least = least.min(best(budget / 12, kernel));
        }
    }
    let flop = 2.0 * (m * k * n) as f64;
    let cells: Vec<_> =
        kernels.iter().zip(least).map(|((name, _), s)| format!("{name:?}: {:.1}", flop / s / 1e9)).collect();
    println!("{{{}}}", cells.join(", "));
}
