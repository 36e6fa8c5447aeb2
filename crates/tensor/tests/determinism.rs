//! The same bits for any number of threads.

use downhill_tensor::random::Generator;
use downhill_tensor::{DType, Result, Tensor};

/// Every kind of parallel loop, on sizes beyond its threshold.
fn program() -> Result<Vec<Tensor>> {
    let mut g = Generator::seeded(3);
    let mut results = Vec::new();
    for dtype in [DType::F32, DType::F64] {
        let x = g.randn([513, 517], dtype)?.requires_grad_()?;
        let y = g.randn([517, 300], dtype)?.requires_grad_()?;
        let long = g.randn([1_000_003], dtype)?.requires_grad_()?;
        let product = x.matmul(&y)?;
        let loss = product.sigmoid().log_softmax(1)?.sum().add(&long.square().mean()?)?;
        let loss = loss.add(&x.t()?.softmax(0)?.exp().sum_dim(0, false)?.mean()?)?;
        let loss = loss
            .add(&long.narrow(0, 0, 1_000_000)?.reshape([100_000, 10])?.sum_dim(0, false)?.square().sum())?;
        loss.backward()?;
        results.push(loss.detach());
        results.extend([&x, &y, &long].map(|leaf| leaf.grad().expect("differentiated")));
        results.push(g.randn([100_001], dtype)?);
    }
    Ok(results)
}

/// A number that stands for the bits of the results.
fn digest(results: &[Tensor]) -> Result<u64> {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for result in results {
        for x in result.to_dtype(DType::F64).to_vec::<f64>()? {
            digest = (digest ^ x.to_bits()).wrapping_mul(0x0100_0000_01b3);
        }
    }
    Ok(digest)
}

/// CI compares what this prints with and without the feature `parallel`.
#[test]
fn results_have_bits() {
    let results = program().unwrap();
    println!("bits: {:016x}", digest(&results).unwrap());
    assert!(results == program().unwrap());
}

#[cfg(feature = "parallel")]
#[test]
fn results_have_the_same_bits_for_any_number_of_threads() {
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(program).unwrap()
    };
    let one = on(1);
    for threads in [2, 3, 7, 16] {
        for (i, (a, b)) in one.iter().zip(on(threads)).enumerate() {
            assert!(*a == b, "result {i} differs between 1 and {threads} threads");
        }
    }
    // And outside of any pool of ours, where CI varies RAYON_NUM_THREADS.
    assert!(one == program().unwrap());
}
