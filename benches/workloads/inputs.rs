//! Tensors of the numbers of a seed.

use crate::numbers::{bit, class, normal, probability};
use downhill::prelude::*;

fn floats<const N: usize>(shape: [usize; N], value: impl Fn(usize) -> f32) -> Result<Tensor> {
    Tensor::build(shape, |out| out.iter_mut().enumerate().for_each(|(i, x)| *x = value(i)))
}

pub(crate) fn normals<const N: usize>(seed: u64, shape: [usize; N], scale: f64) -> Result<Tensor> {
    floats(shape, |i| normal(seed, i, scale))
}

pub(crate) fn probabilities<const N: usize>(seed: u64, shape: [usize; N]) -> Result<Tensor> {
    floats(shape, |i| probability(seed, i))
}

pub(crate) fn bits<const N: usize>(seed: u64, shape: [usize; N]) -> Result<Tensor> {
    floats(shape, |i| bit(seed, i))
}

pub(crate) fn classes(seed: u64, n: usize, count: usize) -> Result<Tensor> {
    let write = |out: &mut [i64]| out.iter_mut().enumerate().for_each(|(i, t)| *t = class(seed, i, count));
    Tensor::build([n], write)
}
