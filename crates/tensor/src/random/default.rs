//! The generator that is used where none is named, and tensors from it.

use super::{Generator, Seed};
use crate::shape::IntoShape;
use crate::{DType, Result, Tensor};
use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};

static DEFAULT: LazyLock<Mutex<Generator>> = LazyLock::new(|| {
    // The keys of a `RandomState` come from the operating system; 53 bits, as many as PyTorch takes.
    let entropy = RandomState::new().hash_one(0) >> 11;
    Mutex::new(Generator::seeded(entropy))
});

thread_local! {
    static IN_USE: Cell<bool> = const { Cell::new(false) };
}

/// Seeds the default generator: from here on the numbers are the same in every run.
///
/// # Examples
/// ```
/// downhill::random::manual_seed(0);
/// ```
///
/// # PyTorch
/// [`torch.manual_seed`](https://docs.pytorch.org/docs/stable/generated/torch.manual_seed.html)
pub fn manual_seed(seed: impl Seed) {
    with_default(|generator| generator.manual_seed(seed));
}

/// Calls `f` with the default generator, which other threads wait for meanwhile.
///
/// # Panics
/// If `f` itself calls something that draws from the default generator.
///
/// # Examples
/// ```
/// use rand::RngExt;
/// use downhill::random::{manual_seed, with_default};
///
/// manual_seed(0);
/// let roll = with_default(|generator| generator.random_range(1..=6));
/// assert!((1..=6).contains(&roll));
/// ```
///
/// # PyTorch
/// `torch.default_generator`
#[doc(alias = "default_generator")]
pub fn with_default<R>(f: impl FnOnce(&mut Generator) -> R) -> R {
    struct Release;
    impl Drop for Release {
        fn drop(&mut self) {
            IN_USE.set(false);
        }
    }
    // Waiting for ourselves would last forever.
    assert!(!IN_USE.replace(true), "the default generator is already in use on this thread");
    let _release = Release;
    f(&mut DEFAULT.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The [state](Generator::state) of the default generator.
///
/// # Examples
/// ```
/// use downhill::random::{get_rng_state, set_rng_state};
///
/// let state = get_rng_state();
/// let x = downhill::rand([3])?;
/// set_rng_state(&state)?;
/// assert_eq!(downhill::rand([3])?, x);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.get_rng_state`](https://docs.pytorch.org/docs/stable/generated/torch.get_rng_state.html), to the byte.
pub fn get_rng_state() -> Vec<u8> {
    with_default(|generator| generator.state())
}

/// Lets the default generator go on from a [state](get_rng_state).
///
/// # Errors
/// As [`Generator::set_state`].
///
/// # PyTorch
/// [`torch.set_rng_state`](https://docs.pytorch.org/docs/stable/generated/torch.set_rng_state.html)
pub fn set_rng_state(state: &[u8]) -> Result<()> {
    with_default(|generator| generator.set_state(state))
}

/// Numbers uniform in [0, 1), as `f32`; [`Generator::rand`] takes a dtype.
///
/// [`torch.rand`](https://docs.pytorch.org/docs/stable/generated/torch.rand.html).
///
/// # Errors
/// A shape that is too large.
///
/// # Examples
/// ```
/// downhill::random::manual_seed(0);
/// let x = downhill::rand([2])?;
/// assert_eq!(x.to_vec::<f32>()?, [0.496_256_6, 0.768_221_8]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn rand(shape: impl IntoShape) -> Result<Tensor> {
    with_default(|g| g.rand(shape, DType::F32))
}

/// Standard normal numbers, as `f32`; [`Generator::randn`] takes a dtype.
///
/// [`torch.randn`](https://docs.pytorch.org/docs/stable/generated/torch.randn.html).
///
/// # Errors
/// A shape that is too large.
///
/// # Examples
/// ```
/// downhill::random::manual_seed(0);
/// let x = downhill::randn([2])?;
/// assert_eq!(x.to_vec::<f32>()?, [1.540_996_1, -0.293_428_9]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn randn(shape: impl IntoShape) -> Result<Tensor> {
    with_default(|g| g.randn(shape, DType::F32))
}

/// Numbers uniform in `[from, to)`, as `f32`; [`Generator::uniform`] takes a dtype.
///
/// [`torch.Tensor.uniform_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.uniform_.html), on a new tensor.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) if `from` exceeds `to`, or if they or their distance are no finite `f32`.
///
/// # Examples
/// ```
/// let x = downhill::uniform(-1.0, 1.0, [100])?;
/// assert!(x.to_vec::<f32>()?.iter().all(|x| (-1.0..1.0).contains(x)));
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias = "uniform_")]
pub fn uniform(from: f64, to: f64, shape: impl IntoShape) -> Result<Tensor> {
    with_default(|g| g.uniform(from, to, shape, DType::F32))
}

/// Normal numbers with this mean and standard deviation, as `f32`; [`Generator::normal`] takes a dtype.
///
/// [`torch.normal`](https://docs.pytorch.org/docs/stable/generated/torch.normal.html) with two numbers; with tensors it is
/// `randn(shape)? * std + mean`.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) unless `std` is at least 0.
///
/// # Examples
/// ```
/// let x = downhill::normal(5.0, 0.0, [2])?;
/// assert_eq!(x.to_vec::<f32>()?, [5.0, 5.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias = "normal_")]
pub fn normal(mean: f64, std: f64, shape: impl IntoShape) -> Result<Tensor> {
    with_default(|g| g.normal(mean, std, shape, DType::F32))
}

/// Integers from `low` to `high − 1`, as `i64`; [`Generator::randint`] takes a dtype.
///
/// [`torch.randint`](https://docs.pytorch.org/docs/stable/generated/torch.randint.html).
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) unless `low` is less than `high`.
///
/// # Examples
/// ```
/// downhill::random::manual_seed(0);
/// assert_eq!(downhill::randint(0, 10, [4])?.to_vec::<i64>()?, [4, 9, 3, 0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn randint(low: i64, high: i64, shape: impl IntoShape) -> Result<Tensor> {
    with_default(|g| g.randint(low, high, shape, DType::I64))
}

/// The integers below `n` in random order.
///
/// [`torch.randperm`](https://docs.pytorch.org/docs/stable/generated/torch.randperm.html).
///
/// # Errors
/// A size that is too large.
///
/// # Examples
/// ```
/// downhill::random::manual_seed(0);
/// assert_eq!(downhill::randperm(4)?.to_vec::<i64>()?, [0, 1, 3, 2]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn randperm(n: usize) -> Result<Tensor> {
    with_default(|g| g.randperm(n))
}

/// Ones and zeros, a one with the probability that `p` has in its place.
///
/// [`torch.bernoulli`](https://docs.pytorch.org/docs/stable/generated/torch.bernoulli.html).
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless `p` is a float, [`Error::Argument`](crate::Error::Argument) unless all of it is in [0, 1].
///
/// # Examples
/// ```
/// let x = downhill::bernoulli(&downhill::Tensor::from([0.0_f32, 1.0]))?;
/// assert_eq!(x.to_vec::<f32>()?, [0.0, 1.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn bernoulli(p: &Tensor) -> Result<Tensor> {
    with_default(|g| g.bernoulli(p))
}

/// Ones and zeros in the shape and dtype of `x`, a one with probability `p`: what dropout multiplies with.
/// The elements are drawn in the order in which `x` has them in memory.
///
/// [`torch.Tensor.bernoulli_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.bernoulli_.html) with a number,
/// on a tensor like `x`. On Intel's processors PyTorch lets MKL draw, which gives other numbers.
///
/// # Errors
/// [`Error::Argument`](crate::Error::Argument) unless `p` is in [0, 1].
///
/// # Examples
/// ```
/// let x = downhill::ones([1000])?;
/// let mean = downhill::bernoulli_like(&x, 0.3)?.mean()?.item::<f32>()?;
/// assert!((mean - 0.3).abs() < 0.1);
/// # Ok::<(), downhill::Error>(())
/// ```
#[doc(alias = "bernoulli_")]
pub fn bernoulli_like(x: &Tensor, p: f64) -> Result<Tensor> {
    with_default(|g| g.bernoulli_like(x, p))
}

/// Numbers uniform in [0, 1) in the shape and dtype of `x`, drawn in the order in which `x` has its elements in memory.
///
/// [`torch.rand_like`](https://docs.pytorch.org/docs/stable/generated/torch.rand_like.html).
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless `x` is of floats.
///
/// # Examples
/// ```
/// let x = downhill::rand_like(&downhill::Tensor::from([[1.0, 2.0]]))?;
/// assert_eq!((x.shape().to_vec(), x.dtype()), (vec![1, 2], downhill::DType::F64));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn rand_like(x: &Tensor) -> Result<Tensor> {
    with_default(|g| g.rand_like(x))
}

/// Standard normal numbers in the shape and dtype of `x`, drawn in the order in which `x` has its elements in memory.
///
/// [`torch.randn_like`](https://docs.pytorch.org/docs/stable/generated/torch.randn_like.html).
///
/// # Errors
/// [`Error::DType`](crate::Error::DType) unless `x` is of floats.
///
/// # Examples
/// ```
/// let noise = downhill::randn_like(&downhill::zeros([100])?)?;
/// assert!(noise.mean()?.item::<f32>()?.abs() < 0.5);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn randn_like(x: &Tensor) -> Result<Tensor> {
    with_default(|g| g.randn_like(x))
}

/// Calls `f`, and sets the default generator back to where it was: what `f` draws changes no number that follows.
///
/// [`torch.random.fork_rng`](https://docs.pytorch.org/docs/stable/random.html#torch.random.fork_rng).
///
/// # Examples
/// ```
/// use downhill::random::{fork_rng, manual_seed};
/// manual_seed(0);
/// let first = fork_rng(|| downhill::rand([2]))?;
/// assert_eq!(downhill::rand([2])?, first);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn fork_rng<R>(f: impl FnOnce() -> R) -> R {
    struct Restore(Generator);
    impl Drop for Restore {
        fn drop(&mut self) {
            with_default(|g| g.clone_from(&self.0));
        }
    }
    let _restore = Restore(with_default(|g| g.clone()));
    f()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(target_family = "wasm", ignore = "a panic ends the process there")]
    fn a_panic_leaves_the_default_generator_usable() {
        let nested = std::panic::catch_unwind(|| with_default(|_| manual_seed(1)));
        assert!(nested.is_err());
        with_default(|_| ());
    }

    #[test]
    fn the_default_generator_gives_the_numbers_of_one_with_its_seed() -> Result<()> {
        with_default(|default| {
            default.manual_seed(3);
            assert_eq!(default.randn([3], DType::F32)?, Generator::seeded(3).randn([3], DType::F32)?);
            Ok(())
        })
    }
}
