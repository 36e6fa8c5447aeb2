//! Indices drawn with given weights.

use super::uniform::unit;
use super::{Generator, with_default};
use crate::array::Array;
use crate::dtype::dispatch;
use crate::kernel::simd::inlined;
use crate::{DType, Element, Error, Float, Result, Tensor, memory};

const OP: &str = "multinomial";

/// Indices drawn with the probabilities that weights have, row by row: those of [`Tensor::multinomial`], as a function.
///
/// # Errors
/// As [`Tensor::multinomial`].
///
/// # Examples
/// ```
/// downhill::random::manual_seed(0);
/// let rolls = downhill::multinomial(&downhill::ones([6])?, 4, true)?;
/// assert_eq!(rolls.to_vec::<i64>()?, [5, 4, 2, 5]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn multinomial(weights: &Tensor, num_samples: usize, replacement: bool) -> Result<Tensor> {
    with_default(|g| g.multinomial(weights, num_samples, replacement))
}

impl Tensor {
    /// Indices drawn from the default generator with the probabilities that these weights have, which need not add up to 1: `i64` of
    /// shape `[num_samples]`, or `[rows, num_samples]` for a matrix, each row of which is drawn from by itself. A weight of 0 is never
    /// drawn; without replacement no index is drawn twice.
    ///
    /// # Formula
    /// With replacement, the first index whose cumulated weight, as a part of the sum, reaches a uniform number. Without, or for a
    /// single sample, the indices of the largest wᵢ / eᵢ, largest first, with eᵢ = −ln(1 − uᵢ) exponential.
    ///
    /// # Errors
    /// [`Error::DType`] unless the weights are floats; [`Error::Shape`] unless they are a vector or a matrix with a column at least;
    /// [`Error::Argument`] for no samples, for a weight that is negative or not finite, for a row whose weights are all 0, or whose
    /// sum overflows, for fewer weights above 0 than samples without replacement, and for more than 2²⁴ weights of `f32`.
    ///
    /// # Examples
    /// ```
    /// use downhill::Tensor;
    /// downhill::random::manual_seed(0);
    /// // The next word of a language model, for each of two texts.
    /// let logits = Tensor::from([[0.0_f32, 1.0, 2.0], [9.0, 0.0, 0.0]]);
    /// assert_eq!(logits.softmax(1)?.multinomial(1, false)?, Tensor::from([[2], [0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.multinomial`](https://docs.pytorch.org/docs/stable/generated/torch.multinomial.html), to the bit; on its CPU it draws weights of 0
    /// where too few are above, which is an error here.
    #[inline]
    pub fn multinomial(&self, num_samples: usize, replacement: bool) -> Result<Tensor> {
        multinomial(self, num_samples, replacement)
    }
}

impl Generator {
    /// Indices drawn from this generator; see [`Tensor::multinomial`].
    ///
    /// # Errors
    /// As [`Tensor::multinomial`]; the generator is unchanged.
    ///
    /// # Examples
    /// ```
    /// use downhill::{Tensor, random::Generator};
    /// let order = Generator::seeded(0).multinomial(&Tensor::from([0.1, 0.9, 0.4, 0.7]), 4, false)?;
    /// assert_eq!(order, Tensor::from([1, 2, 3, 0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn multinomial(&mut self, weights: &Tensor, num_samples: usize, replacement: bool) -> Result<Tensor> {
        weights.dtype().check_float(OP)?;
        let (Some(&n @ 1..), 1..=2) = (weights.shape().last(), weights.dim()) else {
            let expected = "a vector or matrix of weights, with one a row at least";
            return Err(Error::shape(OP, expected, weights.shape()));
        };
        if num_samples == 0 {
            return Err(Error::argument(OP, "cannot draw 0 samples"));
        }
        if weights.dtype() == DType::F32 && n > 1 << 24 {
            let message = format!("{n} weights are more than the 2^24 that float32 can add up");
            return Err(Error::argument(OP, message));
        }
        let shape = weights.shape().with(OP, weights.dim() - 1, num_samples)?;
        let value = weights.value().contiguous(OP)?;
        dispatch!(float weights.dtype(), T => {
            let weights: &[T] = value.slice().unwrap_or_default();
            weights.chunks_exact(n).try_for_each(|row| check(row, num_samples, replacement))?;
            if !replacement || num_samples == 1 {
                let scores = Array::build(OP, *value.shape(), |out| self.fill_scores(out, weights))?;
                return Ok(Tensor::constant(scores).topk(num_samples, -1, true)?.1);
            }
            let mut parts = memory::vec(OP, T::default(), n)?;
            let drawn = Array::build(OP, shape, |out: &mut [i64]| {
                for (out, row) in out.chunks_exact_mut(num_samples).zip(weights.chunks_exact(n)) {
                    cumulate(row, &mut parts);
                    for index in out {
                        let u = unit(self.engine.next_u64());
                        // Not even a uniform number of 0 reaches a weight of 0.
                        *index = parts.partition_point(|&part| part == 0.0 || part.cast::<f64>() < u) as i64;
                    }
                }
            })?;
            Ok(Tensor::constant(drawn))
        })
    }

    /// Fills `out` with each weight's part of an exponential number: the largest of them is an index drawn.
    #[inline]
    fn fill_scores<T: Float>(&mut self, out: &mut [T], weights: &[T]) {
        self.engine.map_u64(out, inlined!(move |words| T::of_f64(-(-unit(words)).ln_1p())));
        // A uniform number of 0 gives an exponential one of 0, by which a weight of 0 cannot be divided.
        let least = T::lit(f64::from(f32::MIN_POSITIVE));
        for (x, &w) in out.iter_mut().zip(weights) {
            *x = w / x.max(least);
        }
    }
}

/// What a row of weights cannot be.
#[inline]
fn check<T: Float>(row: &[T], num_samples: usize, replacement: bool) -> Result<()> {
    let (zero, refuse) = (T::default(), |message: String| Err(Error::argument(OP, message)));
    if let Some(w) = row.iter().find(|&&w| !(zero..T::lit(f64::INFINITY)).contains(&w)) {
        return refuse(format!("a weight must be finite and at least 0, but got {w:?}"));
    }
    let positive = row.iter().filter(|&&w| w > zero).count();
    if positive == 0 {
        return refuse("all weights are 0".into());
    }
    if !replacement && positive < num_samples {
        let message =
            format!("cannot draw {num_samples} samples without replacement: {positive} weights are above 0");
        return refuse(message);
    }
    if replacement && row.iter().fold(zero, |sum, &w| sum + w) == T::lit(f64::INFINITY) {
        return refuse(format!("the weights' sum overflows {}", T::DTYPE));
    }
    Ok(())
}

/// The sums of the weights so far, as parts of the whole: the last is 1.
#[inline]
fn cumulate<T: Float>(row: &[T], parts: &mut [T]) {
    let mut sum = T::default();
    for (part, &w) in parts.iter_mut().zip(row) {
        sum += w;
        *part = sum;
    }
    for part in parts {
        *part = *part / sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::crc32;

    #[test]
    fn values_are_those_of_pytorch() -> Result<()> {
        let mut bytes = Vec::new();
        for (seed, dtype) in (0..3).flat_map(|seed| [DType::F32, DType::F64].map(|dtype| (seed, dtype))) {
            for (n, rows) in [1, 6, 50, 1000].into_iter().flat_map(|n| [(n, 0), (n, 3)]) {
                for (replacement, k) in [false, true].into_iter().flat_map(|r| [1, 5, 20].map(|k| (r, k))) {
                    if !replacement && k > n {
                        continue;
                    }
                    let mut g = Generator::seeded(seed);
                    let weights = if rows == 0 { g.rand([n], dtype)? } else { g.rand([rows, n], dtype)? };
                    let at = crate::Slice::from(n as i64 / 2);
                    let zero = weights.slice_scatter((crate::Slice::Ellipsis, at), 0)?;
                    let drawn = g.multinomial(if n > 1 { &zero } else { &weights }, k, replacement)?;
                    bytes.extend(drawn.to_vec::<i64>()?.into_iter().flat_map(i64::to_le_bytes));
                    bytes.extend(g.rand([1], DType::F32)?.item::<f32>()?.to_le_bytes());
                }
            }
        }
        // Of `torch.multinomial` in these 252 cases, each followed by `torch.rand(1)`.
        assert_eq!((bytes.len(), crc32(bytes)), (32_304, 1_809_693_865));
        Ok(())
    }

    #[test]
    fn weights_of_0_are_not_drawn_by_uniform_numbers_of_0() -> Result<()> {
        let mut state = Generator::seeded(0).state();
        // All words are 0, and then all that follow.
        state[24..24 + 8 * 624].fill(0);
        let mut g = Generator::new();
        g.set_state(&state)?;
        let weights = Tensor::from([0.0, 0.0, 0.5, 0.0]);
        assert_eq!(g.multinomial(&weights, 2, true)?, Tensor::from([2, 2]));
        assert_eq!(g.multinomial(&weights, 1, false)?, Tensor::from([2]));
        Ok(())
    }

    #[test]
    fn refused_arguments_leave_the_generator_as_it_was() {
        let mut g = Generator::seeded(0);
        let weights = Tensor::from([0.5, 0.0]);
        let not_finite = |x: f32| Tensor::from([1.0, x]);
        let errors = [
            (g.multinomial(&Tensor::from([1, 2]), 1, true), "expected float32 or float64, but got int64"),
            (
                g.multinomial(&Tensor::from(1.0), 1, true),
                "expected a vector or matrix of weights, with one a row at least, but got shape []",
            ),
            (
                g.multinomial(&crate::zeros([2, 0]).unwrap(), 1, true),
                "expected a vector or matrix of weights, with one a row at least, but got shape [2, 0]",
            ),
            (g.multinomial(&weights, 0, true), "cannot draw 0 samples"),
            (
                g.multinomial(&weights, 2, false),
                "cannot draw 2 samples without replacement: 1 weights are above 0",
            ),
            (
                g.multinomial(&not_finite(-1.0), 2, true),
                "a weight must be finite and at least 0, but got -1.0",
            ),
            (
                g.multinomial(&not_finite(f32::NAN), 1, true),
                "a weight must be finite and at least 0, but got NaN",
            ),
            (
                g.multinomial(&not_finite(f32::INFINITY), 1, true),
                "a weight must be finite and at least 0, but got inf",
            ),
            (g.multinomial(&Tensor::from([0.0]), 1, true), "all weights are 0"),
            (
                g.multinomial(&Tensor::from([f32::MAX, f32::MAX]), 2, true),
                "the weights' sum overflows float32",
            ),
        ];
        for (result, message) in errors {
            assert_eq!(result.unwrap_err().to_string(), format!("multinomial: {message}"));
        }
        assert_eq!(g, Generator::seeded(0));
    }
}
