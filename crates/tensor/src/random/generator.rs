use super::mt19937::{Mt19937, WORDS};
use crate::{Error, Result};
use rand::TryRng;
use rand::rand_core::utils;
use std::convert::Infallible;

/// A source of random numbers: the same seed gives the numbers that PyTorch gives on a CPU, to the bit.
///
/// A generator is a value: a clone continues with the same numbers as the original. It implements `rand`'s
/// [`Rng`](rand::Rng), so every distribution of `rand` and `rand_distr` can be drawn from it; `next_u32` is
/// one word of the engine, `next_u64` two, the first of them the high half.
///
/// # Examples
/// ```
/// use downhill::random::Generator;
/// use rand::{Rng, RngExt};
///
/// let mut a = Generator::seeded(0);
/// assert_eq!(a.next_u32(), 0x8c7f_0aac);
///
/// let mut b = a.clone();
/// assert_eq!(a.random_range(0..1000), b.random_range(0..1000));
/// assert_eq!(a, b);
/// ```
///
/// # PyTorch
/// [`torch.Generator`](https://docs.pytorch.org/docs/stable/generated/torch.Generator.html). Machines without
/// AVX2 get other numbers from PyTorch than all others do; here every machine gets those of the majority.
#[derive(Clone, PartialEq)]
pub struct Generator {
    pub(super) engine: Mt19937,
    seed: u64,
    /// The second of the two values that Box and Muller's method makes at a time (see `normal.rs`).
    pub(super) spare_normal: Option<f64>,
}

impl Generator {
    /// A generator with PyTorch's default seed, 67280421310721.
    pub fn new() -> Self {
        Self::seeded(67_280_421_310_721_u64)
    }

    /// A generator with this seed; see [`manual_seed`](Self::manual_seed).
    pub fn seeded(seed: impl Seed) -> Self {
        let seed = seed.to_u64();
        Self {
            // Only the low half reaches the engine, in PyTorch too.
            engine: Mt19937::seeded(seed as u32),
            seed,
            spare_normal: None,
        }
    }

    /// Starts again from `seed`. A negative seed stands for 2⁶⁴ + seed; seeds that agree in their low 32 bits
    /// give the same numbers.
    ///
    /// # Examples
    /// ```
    /// use downhill::random::Generator;
    /// use rand::Rng;
    ///
    /// let mut generator = Generator::seeded(1);
    /// let first = generator.next_u32();
    /// generator.manual_seed(1);
    /// assert_eq!(generator.next_u32(), first);
    /// ```
    pub fn manual_seed(&mut self, seed: impl Seed) {
        *self = Self::seeded(seed);
    }

    /// The seed this generator started from.
    pub fn initial_seed(&self) -> u64 {
        self.seed
    }

    /// The state as PyTorch writes it: 5056 bytes that
    /// [`torch.Generator.set_state`](https://docs.pytorch.org/docs/stable/generated/torch.Generator.html#torch.Generator.set_state)
    /// accepts.
    ///
    pub fn state(&self) -> Vec<u8> {
        let next = self.engine.next;
        let left = if next == 0 { 1 } else { WORDS + 1 - next };
        let mut bytes = Vec::with_capacity(STATE_BYTES);
        bytes.extend(self.seed.to_le_bytes());
        bytes.extend((left as u32).to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
        bytes.extend((next as u64).to_le_bytes());
        for word in self.engine.words {
            bytes.extend(u64::from(word).to_le_bytes());
        }
        bytes.extend([0; 8]);
        bytes.extend(self.spare_normal.unwrap_or(0.0).to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(u32::from(self.spare_normal.is_some()).to_le_bytes());
        bytes.resize(STATE_BYTES, 0);
        bytes
    }

    /// Continues from a [`state`](Self::state), one of PyTorch's or of this library.
    ///
    /// # Errors
    /// [`Error::Argument`] unless `state` is 5056 bytes that a generator can have written; the generator is unchanged.
    ///
    /// # Examples
    /// ```
    /// let error = downhill::random::Generator::new().set_state(&[0; 16]).unwrap_err();
    /// assert_eq!(error.to_string(), "set_state: expected 5056 bytes, but got 16");
    /// ```
    pub fn set_state(&mut self, state: &[u8]) -> Result<()> {
        if state.len() != STATE_BYTES {
            let message = format!("expected {STATE_BYTES} bytes, but got {}", state.len());
            return Err(Error::argument("set_state", message));
        }
        let (numbers, _) = state.as_chunks::<8>();
        let number = |i: usize| u64::from_le_bytes(numbers[i]);
        let (left, seeded, next) = (number(1) as u32, number(1) >> 32, number(2));
        let fresh = (left, next) == (1, 0);
        if seeded != 1
            || !(fresh || (1..=WORDS as u64).contains(&next) && u64::from(left) + next == WORDS as u64 + 1)
        {
            let message =
                format!("seeded = {seeded}, left = {left} and next = {next} are no state of the engine");
            return Err(Error::argument("set_state", message));
        }
        let words = std::array::from_fn(|i| number(3 + i) as u32);
        let has_spare = number(630) as u32 != 0;
        *self = Self {
            engine: Mt19937 { words, next: next as usize },
            seed: number(0),
            spare_normal: has_spare.then(|| f64::from_bits(number(628))),
        };
        Ok(())
    }
}

/// What PyTorch writes: seed u64, words left i32, seeded i32, words spent u64, 624 words as u64, three f64 of which
/// the second is the spare normal value, its presence i32, and 12 bytes that a CPU does not use.
const STATE_BYTES: usize = 5056;

/// A generator with the default seed.
impl Default for Generator {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl TryRng for Generator {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.engine.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.engine.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        utils::fill_bytes_via_next_word(bytes, || self.try_next_u32())
    }
}

/// An integer that can seed a [`Generator`]: `i32`, `i64`, `u32`, `u64` or `usize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot seed a generator",
    label = "expected an integer: `i32`, `i64`, `u32`, `u64` or `usize`"
)]
pub trait Seed: sealed::Seed {}

mod sealed {
    pub trait Seed {
        fn to_u64(self) -> u64;
    }
}

macro_rules! seed {
    ($($type:ty),*) => {$(
        impl Seed for $type {}
        impl sealed::Seed for $type {
            fn to_u64(self) -> u64 {
                self as u64
            }
        }
    )*};
}
seed!(i32, i64, u32, u64, usize);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::{crc32, hex};
    use rand::{Rng, RngExt};

    #[test]
    fn only_the_low_half_of_a_seed_counts() {
        let [mut a, mut b] = [7, 7 + (1_i64 << 32)].map(Generator::seeded);
        assert_eq!(a.next_u64(), b.next_u64());
        assert_eq!(b.initial_seed(), 7 + (1 << 32));
        assert_eq!(Generator::seeded(-1).initial_seed(), u64::MAX);
        assert_eq!(Generator::seeded(-1), Generator::seeded(u64::MAX));
        assert_eq!(Generator::new().initial_seed(), 67_280_421_310_721);
    }

    #[test]
    fn seeding_forgets_the_spare_normal() {
        let mut generator = Generator::seeded(0);
        generator.fill_normal(&mut [0.0_f32; 3], 0.0, 1.0);
        assert_ne!(generator, Generator::seeded(0));
        generator.manual_seed(0);
        assert_eq!(generator, Generator::seeded(0));
    }

    #[test]
    fn state_is_written_as_pytorch_writes_it() {
        let mut generator = Generator::seeded(7);
        let number = |state: &[u8], at| u32::from_le_bytes(state[at..at + 4].try_into().unwrap());
        assert_eq!([8, 12, 16].map(|at| number(&generator.state(), at)), [1, 1, 0]);

        generator.fill_normal(&mut [0.0_f32; 1], 0.0, 1.0);
        let state = generator.state();
        assert_eq!(state.len(), 5056);
        assert_eq!([8, 12, 16].map(|at| number(&state, at)), [621, 1, 4]);
        assert_eq!(state[5024..5032], 0.786_141_298_723_535_8_f64.to_le_bytes());
        assert_eq!(number(&state, 5040), 1);
        assert_eq!(crc32(state), 1_065_602_006);
    }

    #[test]
    fn a_generator_continues_from_a_state() {
        let mut generator = Generator::seeded(7);
        for n in [0, 1, 2, 623, 700] {
            generator.fill_normal(&mut vec![0.0_f32; n], 0.0, 1.0);
            let mut other = Generator::new();
            other.set_state(&generator.state()).unwrap();
            assert_eq!(other, generator);
        }
    }

    #[test]
    fn a_state_that_no_generator_writes_is_refused() {
        let mut generator = Generator::seeded(7);
        let mut state = generator.state();
        state[16] = 5;
        let error = generator.set_state(&state).unwrap_err();
        assert_eq!(
            error.to_string(),
            "set_state: seeded = 1, left = 1 and next = 5 are no state of the engine"
        );
        assert_eq!(generator, Generator::seeded(7));
    }

    #[test]
    fn distributions_of_rand_draw_from_the_engine() {
        let mut generator = Generator::seeded(0);
        let mut bytes = [0; 8];
        generator.fill_bytes(&mut bytes);
        assert_eq!(bytes, [0xac, 0x0a, 0x7f, 0x8c, 0x2f, 0xaa, 0xc4, 0x97]);
        assert_eq!(generator.next_u64(), 0xb716_a675_d821_ccc0);
        let x: f64 = generator.sample(rand_distr::Gamma::new(2.0, 1.0).unwrap());
        assert!(x > 0.0);
    }

    #[test]
    fn fills_of_different_types_share_one_stream() {
        let mut generator = Generator::seeded(0);
        let (mut normal, mut uniform, mut last) = ([0.0_f32; 3], [0.0_f32; 2], [0.0_f32; 1]);
        generator.fill_normal(&mut normal, 0.0, 1.0);
        generator.fill_uniform(&mut uniform, 0.0, 1.0);
        generator.fill_normal(&mut last, 0.0, 1.0);
        assert_eq!(hex(&normal), "3fc53f5c be963c50 c00b7149");
        assert_eq!(hex(&uniform), "3ee94812 3f21ded3");
        assert_eq!(hex(&last), "3f1184b6");
    }
}
