//! Tensors of random numbers from a generator.

use super::Generator;
use super::integer::representable;
use crate::array::Array;
use crate::dtype::dispatch;
use crate::layout::Layout;
use crate::shape::IntoShape;
use crate::tensor::IntoElement;
use crate::{DType, Element, Error, Result, Shape, Tensor};
use rand::Rng;
use rand_distr::Distribution;
use std::cmp::Reverse;

/// Tensors from this generator; the functions of the same names in [`random`](super) use the default one.
impl Generator {
    /// Numbers uniform in [0, 1); see [`rand`](super::rand()).
    ///
    /// # Errors
    /// [`Error::DType`] unless `dtype` is a float.
    ///
    /// # Examples
    /// ```
    /// use downhill::{DType, random::Generator};
    ///
    /// let x = Generator::seeded(0).rand([1], DType::F64)?;
    /// assert_eq!(x.item::<f64>()?, 0.970_053_001_806_553_1);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn rand(&mut self, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        dtype.check_float("rand")?;
        self.uniform(0.0, 1.0, shape.into_shape("rand")?, dtype)
    }

    /// Numbers uniform in `[from, to)`; see [`uniform`](super::uniform).
    ///
    /// # Errors
    /// As [`uniform`](super::uniform); [`Error::DType`] unless `dtype` is a float.
    ///
    /// # Examples
    /// ```
    /// use downhill::{DType, random::Generator};
    ///
    /// let x = Generator::seeded(0).uniform(2.0, 3.0, [1], DType::F64)?;
    /// assert_eq!(x.item::<f64>()?, 2.970_053_001_806_553);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn uniform(&mut self, from: f64, to: f64, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        let shape = shape.into_shape("uniform")?;
        let max = match dtype {
            DType::F32 => f64::from(f32::MAX),
            DType::F64 => f64::MAX,
            DType::I64 | DType::Bool => return Err(Error::not_float("uniform", dtype)),
        };
        for (name, bound) in [("from", from), ("to", to)] {
            // Also refuses NaN.
            if !(-max..=max).contains(&bound) {
                return Err(Error::argument(
                    "uniform",
                    format!("{name} = {bound:?} is out of bounds for {dtype}"),
                ));
            }
        }
        if from > to {
            let message = format!("expects a range [from, to), but got from = {from:?} > to = {to:?}");
            return Err(Error::argument("uniform", message));
        }
        if to - from > max {
            let message =
                format!("the distance of from = {from:?} and to = {to:?} is out of bounds for {dtype}");
            return Err(Error::argument("uniform", message));
        }
        let array = dispatch!(float dtype, T => Array::build("uniform", shape, |out: &mut [T]| self.fill_uniform(out, from, to)))?;
        Ok(Tensor::constant(array))
    }

    /// Standard normal numbers; see [`randn`](super::randn).
    ///
    /// # Errors
    /// [`Error::DType`] unless `dtype` is a float.
    ///
    /// # Examples
    /// ```
    /// use downhill::{DType, random::Generator};
    ///
    /// let x = Generator::seeded(0).randn([1], DType::F64)?;
    /// assert_eq!(x.item::<f64>()?, 1.540_996_108_244_043_3);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn randn(&mut self, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        dtype.check_float("randn")?;
        self.normal(0.0, 1.0, shape.into_shape("randn")?, dtype)
    }

    /// Normal numbers with this mean and standard deviation; see [`normal`](super::normal).
    ///
    /// # Errors
    /// As [`normal`](super::normal); [`Error::DType`] unless `dtype` is a float.
    ///
    /// # Examples
    /// ```
    /// use downhill::{DType, random::Generator};
    ///
    /// let x = Generator::new().normal(5.0, 0.0, [1], DType::F64)?;
    /// assert_eq!(x.item::<f64>()?, 5.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn normal(&mut self, mean: f64, std: f64, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        let shape = shape.into_shape("normal")?;
        dtype.check_float("normal")?;
        if std.is_nan() || std < 0.0 {
            return Err(Error::argument("normal", format!("std must be at least 0, but got {std:?}")));
        }
        let array = dispatch!(float dtype, T => Array::build("normal", shape, |out: &mut [T]| self.fill_normal(out, mean, std)))?;
        Ok(Tensor::constant(array))
    }

    /// Integers from `low` to `high − 1` as elements of any dtype; see [`randint`](super::randint).
    ///
    /// Beyond 2²⁴ (`f32`) or 2⁵³ (`f64`), where floats skip integers, the range is cut to those that a float tells
    /// from its borders, as in PyTorch.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `low` is less than `high` and the dtype can hold numbers between them.
    ///
    /// # Examples
    /// ```
    /// use downhill::{DType, random::Generator};
    ///
    /// let x = Generator::seeded(0).randint(0, 10, [4], DType::F32)?;
    /// assert_eq!(x.to_vec::<f32>()?, [4.0, 9.0, 3.0, 0.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn randint(&mut self, low: i64, high: i64, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        let shape = shape.into_shape("randint")?;
        if low >= high {
            let message = format!("expects low < high, but got low = {low} and high = {high}");
            return Err(Error::argument("randint", message));
        }
        if dtype == DType::Bool && (low < 0 || high > 2) {
            return Err(Error::argument("randint", format!("{low}..{high} is out of bounds for bool")));
        }
        let array = dispatch!(dtype, T => {
            let (low, high) = match representable::<T>(low, high) {
                (first, end) if first < end => (first, end),
                _ => return Err(Error::argument("randint", format!("no {dtype} lies between {low} and {high}"))),
            };
            Array::build("randint", shape, |out: &mut [T]| self.fill_randint(out, low, high))
        })?;
        Ok(Tensor::constant(array))
    }

    /// Integers from 0 to the largest up to which `dtype` holds them all: 2²⁴ (`f32`), 2⁵³ (`f64`), 2⁶³ − 1
    /// (`i64`), 1 (`bool`).
    ///
    /// [`torch.Tensor.random_`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.random_.html) without bounds.
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use downhill::{DType, random::Generator};
    ///
    /// let x = Generator::seeded(0).random_integers([2], DType::Bool)?;
    /// assert_eq!(x.to_vec::<bool>()?, [false, true]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn random_integers(&mut self, shape: impl IntoShape, dtype: DType) -> Result<Tensor> {
        let shape = shape.into_shape("random_integers")?;
        let array = dispatch!(dtype, T => Array::build("random_integers", shape, |out: &mut [T]| self.fill_random(out)))?;
        Ok(Tensor::constant(array))
    }

    /// The integers below `n` in random order; see [`randperm`](super::randperm).
    ///
    /// # Errors
    /// [`Error::Argument`] for a size that is too large, [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// let x = downhill::random::Generator::seeded(0).randperm(4)?;
    /// assert_eq!(x.to_vec::<i64>()?, [0, 1, 3, 2]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn randperm(&mut self, n: usize) -> Result<Tensor> {
        let shape = n.into_shape("randperm")?;
        Ok(Tensor::constant(Array::build("randperm", shape, |out: &mut [i64]| self.fill_randperm(out))?))
    }

    /// Ones and zeros, a one with the probability that `p` has in its place; see [`bernoulli`](super::bernoulli).
    ///
    /// # Errors
    /// As [`bernoulli`](super::bernoulli).
    ///
    /// # Examples
    /// ```
    /// use downhill::{Tensor, random::Generator};
    ///
    /// let x = Generator::new().bernoulli(&Tensor::from([0.0_f32, 1.0]))?;
    /// assert_eq!(x.to_vec::<f32>()?, [0.0, 1.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn bernoulli(&mut self, p: &Tensor) -> Result<Tensor> {
        p.dtype().check_float("bernoulli")?;
        let (shape, p) = (*p.shape(), p.value().contiguous("bernoulli")?);
        let array = dispatch!(float p.dtype(), T => {
            let p = &p.raw::<T>()[..shape.numel()];
            for &p in p {
                check_probability(p.cast())?;
            }
            Array::build("bernoulli", shape, |out: &mut [T]| self.fill_bernoulli_each(out, p))
        })?;
        Ok(Tensor::constant(array))
    }

    /// Ones and zeros in the shape and dtype of `x`, a one with probability `p`; see [`bernoulli_like`](super::bernoulli_like).
    ///
    /// # Errors
    /// As [`bernoulli_like`](super::bernoulli_like).
    ///
    /// # Examples
    /// ```
    /// use downhill::{Tensor, random::Generator};
    ///
    /// let x = Tensor::from([0_i64; 10]);
    /// let ones = Generator::seeded(0).bernoulli_like(&x, 0.3)?;
    /// assert_eq!(ones, Tensor::from([0_i64, 0, 0, 0, 0, 0, 1, 0, 0, 1]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn bernoulli_like(&mut self, x: &Tensor, p: f64) -> Result<Tensor> {
        check_probability(p)?;
        in_order(x, |shape| {
            let array = dispatch!(x.dtype(), T => {
                Array::build("bernoulli", shape, |out: &mut [T]| self.fill_bernoulli(out, p))
            })?;
            Ok(Tensor::constant(array))
        })
    }

    /// Numbers uniform in [0, 1) in the shape and dtype of `x`; see [`rand_like`](super::rand_like).
    ///
    /// # Errors
    /// As [`rand_like`](super::rand_like).
    ///
    /// # Examples
    /// ```
    /// use downhill::{Tensor, random::Generator};
    /// assert_eq!(Generator::seeded(0).rand_like(&Tensor::from([0.0]))?.item::<f64>()?, 0.970_053_001_806_553_1);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn rand_like(&mut self, x: &Tensor) -> Result<Tensor> {
        in_order(x, |shape| self.rand(shape, x.dtype()))
    }

    /// Standard normal numbers in the shape and dtype of `x`; see [`randn_like`](super::randn_like).
    ///
    /// # Errors
    /// As [`randn_like`](super::randn_like).
    ///
    /// # Examples
    /// ```
    /// use downhill::{Tensor, random::Generator};
    /// assert_eq!(Generator::seeded(0).randn_like(&Tensor::from([0.0_f32]))?.item::<f32>()?, 1.540_996_1);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn randn_like(&mut self, x: &Tensor) -> Result<Tensor> {
        in_order(x, |shape| self.randn(shape, x.dtype()))
    }
}

impl Tensor {
    /// Elements drawn one by one from any distribution of `rand` or `rand_distr`, by a [`Generator`] or another
    /// source of random numbers.
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape that is too large, [`Error::Memory`].
    ///
    /// # Examples
    /// ```
    /// use rand_distr::Gamma;
    /// use downhill::{Tensor, random::Generator};
    ///
    /// let mut generator = Generator::seeded(0);
    /// let gamma = Gamma::new(2.0_f32, 1.0).expect("positive parameters");
    /// let x = Tensor::sample([2, 3], gamma, &mut generator)?;
    /// assert!(x.to_vec::<f32>()?.iter().all(|&x| x > 0.0));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.distributions`](https://docs.pytorch.org/docs/stable/distributions.html), with other numbers:
    /// `rand_distr`'s algorithms are its own.
    pub fn sample<T: IntoElement>(
        shape: impl IntoShape,
        distribution: impl Distribution<T>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        let shape = shape.into_shape("sample")?;
        let value = Array::build("sample", shape, |out: &mut [T::Element]| {
            out.fill_with(|| distribution.sample(rng).element());
        });
        Ok(Self::constant(value?))
    }
}

fn check_probability(p: f64) -> Result<()> {
    // Also refuses NaN.
    if (0.0..=1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::argument("bernoulli", format!("a probability must be in [0, 1], but got {p}")))
}

/// What is drawn in the order that `x` has in memory, in the shape of `x`.
fn in_order(x: &Tensor, draw: impl FnOnce(Shape) -> Result<Tensor>) -> Result<Tensor> {
    let order = memory_order(&x.value().layout);
    let mut back: Vec<isize> = vec![0; order.len()];
    for (to, &from) in order.iter().enumerate() {
        back[from] = to as isize;
    }
    draw(x.value().layout.permute(&order).shape)?.permute(&back[..])
}

/// The dimensions from the one with the longest steps in memory to the one with the shortest: the order in which
/// PyTorch fills a tensor that is laid out like this one. Repeated dimensions leave the order as it is.
fn memory_order(layout: &Layout) -> Vec<usize> {
    let strides = layout.strides();
    let mut order: Vec<_> = (0..strides.len()).collect();
    if !strides.contains(&0) {
        order.sort_by_key(|&d| Reverse(strides[d]));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_arguments_leave_the_generator_as_it_was() {
        let mut g = Generator::seeded(0);
        let (one, f32, f64) = ([1], DType::F32, DType::F64);
        let wrong = Tensor::from([0.5_f32, f32::NAN]);
        let errors = [
            (g.rand(one, DType::I64), "rand: expected float32 or float64, but got int64"),
            (g.randn(one, DType::Bool), "randn: expected float32 or float64, but got bool"),
            (
                g.uniform(2.0, 1.0, one, f32),
                "uniform: expects a range [from, to), but got from = 2.0 > to = 1.0",
            ),
            (g.uniform(0.0, 1e39, one, f32), "uniform: to = 1e39 is out of bounds for float32"),
            (g.uniform(f64::NAN, 1.0, one, f64), "uniform: from = NaN is out of bounds for float64"),
            (
                g.uniform(-3e38, 3e38, one, f32),
                "uniform: the distance of from = -3e38 and to = 3e38 is out of bounds for float32",
            ),
            (g.normal(0.0, -1.0, one, f32), "normal: std must be at least 0, but got -1.0"),
            (g.normal(0.0, f64::NAN, [0], f32), "normal: std must be at least 0, but got NaN"),
            (g.randint(5, 5, one, DType::I64), "randint: expects low < high, but got low = 5 and high = 5"),
            (g.randint(0, 3, one, DType::Bool), "randint: 0..3 is out of bounds for bool"),
            (
                g.randint((1 << 60) + 1, (1 << 60) + 2, one, f32),
                "randint: no float32 lies between 1152921504606846977 and 1152921504606846978",
            ),
            (g.bernoulli(&Tensor::from([1, 0])), "bernoulli: expected float32 or float64, but got int64"),
            (g.bernoulli(&wrong), "bernoulli: a probability must be in [0, 1], but got NaN"),
            (g.bernoulli_like(&wrong, 1.5), "bernoulli: a probability must be in [0, 1], but got 1.5"),
        ];
        for (result, message) in errors {
            assert_eq!(result.unwrap_err().to_string(), message);
        }
        assert_eq!(g, Generator::seeded(0));
    }

    #[test]
    fn a_tensor_like_another_is_drawn_in_its_order_in_memory() -> Result<()> {
        let rows = crate::zeros([2, 3, 4])?;
        let drawn = Generator::seeded(0).bernoulli_like(&rows, 0.5)?;
        let transposed = Generator::seeded(0).bernoulli_like(&rows.permute([2, 0, 1])?, 0.5)?;
        assert_eq!(transposed, drawn.permute([2, 0, 1])?);
        Ok(())
    }

    #[test]
    fn empty_tensors_draw_nothing() -> Result<()> {
        let mut g = Generator::seeded(0);
        for x in
            [g.rand([0], DType::F32)?, g.randn([2, 0], DType::F64)?, g.randint(0, 5, [0, 2], DType::I64)?]
        {
            assert_eq!(x.numel(), 0);
        }
        assert_eq!(g, Generator::seeded(0));
        Ok(())
    }
}
