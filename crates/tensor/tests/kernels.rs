//! What loops refuse that anyone may call with any numbers.

use downhill_tensor::kernels::matmul;
use downhill_tensor::randn;
use std::panic::catch_unwind;
use std::process::Command;

#[test]
fn a_matrix_that_leaves_its_slice_panics_whatever_its_strides() {
    let product = |sizes: [usize; 3], a_strides: [usize; 2], b_strides: [usize; 2], len: usize| {
        catch_unwind(|| {
            let (a, b, mut out) = (vec![1.0_f32; 4096], vec![1.0_f32; 4096], vec![0.0_f32; len]);
            matmul(sizes, (&a, a_strides), (&b, b_strides), &mut out, false);
            out
        })
    };
    assert_eq!(product([64, 64, 64], [64, 1], [64, 1], 4096).unwrap(), [64.0; 4096]);
    // The strides of single rows and columns do not matter.
    assert_eq!(product([1, 64, 64], [usize::MAX, 1], [64, 1], 64).unwrap(), [64.0; 64]);
    assert_eq!(product([64, 64, 1], [64, 1], [1, usize::MAX], 64).unwrap(), [64.0; 64]);
    for (sizes, a, b) in [
        ([64, 64, 64], [65, 1], [64, 1]),
        ([64, 64, 64], [64, 1], [64, 2]),
        // The last place is below 4096 modulo 2^64.
        ([65, 64, 63], [1 << 58, 1], [64, 1]),
        ([64, 65, 63], [64, 1], [1 << 58, 1]),
        ([2, 2, 2], [1 << 63, 1 << 63], [2, 1]),
        ([3, 1, 1], [1 << 63, 1], [1, 1]),
        // The product of the sizes is 0.
        ([1 << 32, 1, 1 << 32], [1, 1], [1, 1]),
    ] {
        assert!(product(sizes, a, b, 4096).is_err(), "{sizes:?} {a:?} {b:?}");
    }
}

/// In a process of its own, since another test may start threads.
#[test]
#[cfg(target_os = "linux")]
fn small_work_starts_no_thread() {
    const ALONE: &str = "DOWNHILL_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let mut test = Command::new(std::env::current_exe().unwrap());
        test.args(["--exact", "small_work_starts_no_thread"]).env(ALONE, "1");
        assert!(test.status().unwrap().success());
        return;
    }
    let threads = || std::fs::read_dir("/proc/self/task").unwrap().count();
    let before = threads();
    let (x, w) = (randn([64, 20]).unwrap(), randn([20, 30]).unwrap().requires_grad_().unwrap());
    let y = x.matmul(&w).unwrap().softmax(1).unwrap();
    y.max_dim(1, false).unwrap().0.sum().backward().unwrap();
    y.sort(1, false).unwrap();
    assert_eq!(threads(), before);
}
