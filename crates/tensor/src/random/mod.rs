//! Random numbers: those of PyTorch's CPU generator, to the bit.
//!
//! [`rand`](rand()), [`randn`], [`uniform`], [`normal`], [`randint`], [`randperm`], [`bernoulli`] and [`multinomial`] draw
//! from the default generator, which is seeded by the operating system until [`manual_seed`] seeds it. A [`Generator`] of your
//! own has methods of the same names that also take a dtype. [`Tensor::sample`](crate::Tensor::sample) draws from
//! the distributions of `rand` and `rand_distr`.
//!
//! ```
//! use downhill::{DType, random::Generator};
//!
//! downhill::random::manual_seed(0);
//! let x = downhill::randn([2, 3])?;
//!
//! let mut generator = Generator::seeded(0);
//! assert_eq!(generator.randn([2, 3], DType::F32)?, x);
//! # Ok::<(), downhill::Error>(())
//! ```
//!
//! Numbers are drawn on one thread, in the order of the calls and of the elements, so a seed gives the same numbers on
//! every machine: those of PyTorch on a processor with AVX2. Only normal `f64`s use the system's `log`, `sin` and `cos`,
//! whose last bit differs between systems.

mod bernoulli;
mod default;
mod draw;
mod generator;
mod integer;
mod mt19937;
mod multinomial;
mod normal;
mod uniform;

pub use default::{
    bernoulli, bernoulli_like, fork_rng, get_rng_state, manual_seed, normal, rand, rand_like, randint, randn,
    randn_like, randperm, set_rng_state, uniform, with_default,
};
pub use generator::{Generator, Seed};
pub use multinomial::multinomial;

/// How the tests compare numbers with PyTorch's.
#[cfg(test)]
mod testing {
    /// Numbers as their bits.
    pub(super) trait Bits: Copy + Sized {
        fn hex(self) -> String;
        fn bytes(of: &[Self]) -> Vec<u8>;
    }

    macro_rules! bits {
        ($($type:ty: $digits:literal),*) => {$(
            impl Bits for $type {
                fn hex(self) -> String {
                    format!(concat!("{:0", $digits, "x}"), self.to_bits())
                }
                fn bytes(of: &[Self]) -> Vec<u8> {
                    of.iter().flat_map(|x| x.to_le_bytes()).collect()
                }
            }
        )*};
    }
    bits!(f32: 8, f64: 16);

    pub(super) fn hex<T: Bits>(of: &[T]) -> String {
        of.iter().map(|x| x.hex()).collect::<Vec<_>>().join(" ")
    }

    /// As Python's `zlib.crc32`.
    pub(super) fn crc32(bytes: impl IntoIterator<Item = u8>) -> u32 {
        !bytes.into_iter().fold(u32::MAX, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 * (crc & 1)))
        })
    }
}
