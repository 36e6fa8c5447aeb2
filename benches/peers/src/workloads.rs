//! The workloads of `benches/workloads/work.rs`, and what a library has to do for them.

use crate::{Outcome, Step, numbers};

/// Elements of a large tensor.
const LARGE: usize = 1 << 24;

/// Numbers in rows.
pub struct Array<const N: usize> {
    pub values: Vec<f32>,
    pub shape: [usize; N],
}

impl<const N: usize> Array<N> {
    fn new(shape: [usize; N], value: impl Fn(usize) -> f32) -> Self {
        Self { values: (0..shape.iter().product()).map(value).collect(), shape }
    }
}

fn normals<const N: usize>(seed: u64, shape: [usize; N], scale: f64) -> Array<N> {
    Array::new(shape, |i| numbers::normal(seed, i, scale))
}

fn probabilities(seed: u64, n: usize) -> Array<1> {
    Array::new([n], |i| numbers::probability(seed, i))
}

fn bits(seed: u64, shape: [usize; 2]) -> Array<2> {
    Array::new(shape, |i| numbers::bit(seed, i))
}

fn classes(seed: u64, n: usize, count: usize) -> Vec<i64> {
    (0..n).map(|i| numbers::class(seed, i, count)).collect()
}

/// Weights of a linear layer, [outputs, inputs].
fn weights(seed: u64, inputs: usize, outputs: usize) -> Array<2> {
    normals(seed, [outputs, inputs], (inputs as f64).powf(-0.5))
}

/// The workloads in a library's terms, written as its user would. Losses are means.
pub trait Library {
    const NAME: &str;
    /// The crate whose version is the library's.
    const PACKAGE: &str;

    /// `mse`, `l1`, `smooth_l1` or `bce`.
    fn loss(name: &str, x: Array<1>, t: Array<1>) -> Outcome<Step>;
    fn cross_entropy(x: Array<2>, t: Vec<i64>) -> Outcome<Step>;
    /// Of the logarithms of the softmax of `x`, which are inputs.
    fn nll(x: Array<2>, t: Vec<i64>) -> Outcome<Step>;
    /// The cross-entropy of x · Wᵀ.
    fn linear_cross_entropy(x: Array<2>, w: Array<2>, t: Vec<i64>) -> Outcome<Step>;
    /// Backward from a dense gradient; the value is not compared.
    fn softmax(x: Array<2>, gradient: Array<2>) -> Outcome<Step>;
    fn log_softmax(x: Array<2>, gradient: Array<2>) -> Outcome<Step>;
    /// `(x * y + z).sigmoid().sum()`.
    fn elementwise(inputs: [Array<1>; 3]) -> Outcome<Step>;
    fn sum(x: Array<1>) -> Outcome<Step>;
    /// Over the rows; the value is Σ|mean|.
    fn mean_dim(x: Array<2>) -> Outcome<Step>;
    /// The value is Σ|product|.
    fn matmul(a: Array<2>, b: Array<2>) -> Outcome<Step>;
    fn matmul_backward(a: Array<2>, b: Array<2>, gradient: Array<2>) -> Outcome<Step>;
    /// `y * 1.0001` and `y + 0.0001` in turn, on one element.
    fn chain(operations: usize) -> Outcome<Step>;
    /// A step of linear layers with ReLU between them, cross-entropy, SGD.
    fn classifier(layers: Vec<Array<2>>, x: Array<2>, t: Vec<i64>, momentum: Option<f64>) -> Outcome<Step>;
    /// A step of a linear layer and a sigmoid, binary cross-entropy, SGD.
    fn binary_classifier(layer: Array<2>, x: Array<2>, t: Array<2>) -> Outcome<Step>;
}

/// Of every optimizer.
pub const LEARNING_RATE: f64 = 0.1;

/// One workload, its inputs made.
pub(crate) struct Work {
    pub(crate) step: Step,
    /// What one iteration repeats.
    pub(crate) operations: usize,
    pub(crate) note: &'static str,
    /// The checksum is that of this iteration.
    iteration: usize,
    /// Whether the value is compared.
    compared: bool,
}

impl Work {
    fn new(step: Step) -> Self {
        Self { step, operations: 1, note: "", iteration: 1, compared: true }
    }

    /// The value that backward starts from is the library's way to a dense gradient.
    fn dense(step: Step) -> Self {
        Self { compared: false, ..Self::new(step) }
    }

    fn magnitude(step: Step) -> Self {
        Self { note: "checksum: sum of magnitudes", ..Self::new(step) }
    }

    fn training(step: Step) -> Self {
        Self { iteration: 3, note: "checksum: loss of the third step", ..Self::new(step) }
    }

    /// Runs the first iterations; the value, and Σ|gradient|.
    pub(crate) fn checksums(&mut self) -> Outcome<(f64, f64)> {
        for _ in 1..self.iteration {
            drop((self.step)()?);
        }
        let (value, gradient) = (self.step)()?()?;
        Ok((if self.compared { value } else { 0.0 }, gradient))
    }
}

fn mlp<L: Library>(sizes: &[usize], batch: usize) -> Outcome<Work> {
    let pairs = sizes.windows(2).zip(10..);
    let layers = pairs.map(|(pair, seed)| weights(seed, pair[0], pair[1])).collect();
    let (x, t) = (normals(1, [batch, sizes[0]], 1.0), classes(2, batch, sizes[sizes.len() - 1]));
    Ok(Work::training(L::classifier(layers, x, t, Some(0.9))?))
}

fn loss<L: Library>(name: &str, n: usize, [rows, width]: [usize; 2]) -> Outcome<Work> {
    let (logits, t) = (|| normals(1, [rows, width], 1.0), || classes(2, rows, width));
    Ok(Work::new(match name {
        "cross_entropy" => L::cross_entropy(logits(), t())?,
        "nll" => L::nll(logits(), t())?,
        "bce" => L::loss(name, probabilities(1, n), probabilities(2, n))?,
        _ => L::loss(name, normals(1, [n], 1.0), normals(2, [n], 1.0))?,
    }))
}

/// The workload of this name.
pub(crate) fn find<L: Library>(name: &str) -> Outcome<Work> {
    let square = |seed, n| normals(seed, [n, n], 1.0);
    let rows = |seed| normals(seed, [16384, 1024], 1.0);
    let parts: Vec<_> = name.split('/').collect();
    Ok(match parts[..] {
        ["loss", name, "large"] => loss::<L>(name, LARGE, [16384, 1024])?,
        ["loss", name, "small"] => loss::<L>(name, 64, [64, 10])?,
        ["ce", "vocab"] => loss::<L>("cross_entropy", 0, [4096, 32000])?,
        ["linear_ce"] => {
            let (x, w, t) = (normals(1, [2048, 512], 1.0), weights(2, 512, 32000), classes(3, 2048, 32000));
            Work::new(L::linear_cross_entropy(x, w, t)?)
        }
        ["softmax", "large"] => Work::dense(L::softmax(rows(1), rows(2))?),
        ["log_softmax", "large"] => Work::dense(L::log_softmax(rows(1), rows(2))?),
        ["elementwise", "large"] => {
            Work::new(L::elementwise([1, 2, 3].map(|seed| normals(seed, [LARGE], 1.0)))?)
        }
        ["sum", "large"] => Work::new(L::sum(normals(1, [LARGE], 1.0))?),
        ["mean_dim", "large"] => Work::magnitude(L::mean_dim(rows(1))?),
        ["simplenn_step"] => {
            let (x, t) = (normals(1, [10, 2], 1.0), classes(2, 10, 3));
            Work::training(L::classifier(vec![weights(5, 2, 3)], x, t, None)?)
        }
        ["bce_step"] => {
            let (x, t) = (normals(1, [10, 1], 1.0), bits(2, [10, 1]));
            Work::training(L::binary_classifier(weights(5, 1, 1), x, t)?)
        }
        ["mlp_step"] => mlp::<L>(&[784, 256, 128, 10], 128)?,
        ["mlp_wide_step"] => mlp::<L>(&[1024, 4096, 4096, 1000], 256)?,
        ["matmul", n] => {
            let n = n.parse()?;
            Work::magnitude(L::matmul(square(1, n), square(2, n))?)
        }
        ["matmul_bwd", n] => {
            let n = n.parse()?;
            Work::dense(L::matmul_backward(square(1, n), square(2, n), square(3, n))?)
        }
        ["chain", n] => {
            let operations = n.parse()?;
            Work { operations, ..Work::new(L::chain(operations)?) }
        }
        _ => return Err(format!("no workload {name}").into()),
    })
}
