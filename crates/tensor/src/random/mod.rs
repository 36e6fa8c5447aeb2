//! Random numbers: the generator of PyTorch's CPU backend, to the bit.
//!
//! A [`Generator`] is an MT19937 engine and one spare normal value. All numbers come from it in the order of the
//! calls and of the elements, on one thread, so the same seed gives the same numbers on every machine:
//! those of PyTorch on a processor with AVX2 (normal `f64`s use the system's `log`, `sin` and `cos`, whose last bit
//! differs between systems). Calls that name no generator share the default one, which starts
//! from a seed of the operating system until [`manual_seed`] sets it.
//!
//! ```
//! tensor::random::manual_seed(0);
//! assert_eq!(tensor::random::with_default(|g| g.initial_seed()), 0);
//! ```
#![allow(
    clippy::cast_lossless,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "random bits are cut to size on purpose"
)]
#![allow(clippy::inline_always, reason = "what `vectorize!` runs must be inlined into it")]
#![allow(dead_code, reason = "the tensors that are filled with these are on their way")]

mod bernoulli;
mod generator;
mod integer;
mod mt19937;
mod normal;
mod uniform;

pub use generator::{Generator, Seed};

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
/// tensor::random::manual_seed(0);
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
/// use tensor::random::{manual_seed, with_default};
///
/// manual_seed(0);
/// let roll = with_default(|generator| generator.random_range(1..=6));
/// assert!((1..=6).contains(&roll));
/// ```
///
/// # PyTorch
/// `torch.default_generator`
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_leaves_the_default_generator_usable() {
        let nested = std::panic::catch_unwind(|| with_default(|_| manual_seed(1)));
        assert!(nested.is_err());
        assert_eq!(with_default(|g| g.initial_seed()).leading_zeros().min(11), 11);
    }
}

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
