//! Uniform numbers: the low 24 or 53 bits of one or two words, scaled.

use super::Generator;
use super::mt19937::Mt19937;
use crate::Float;
use crate::kernel::simd::inlined;

/// A float that can be drawn uniformly.
pub(crate) trait Uniform: Float {
    /// Numbers in `[from, to)`, as `u · (to − from) + from` rounded once.
    fn fill(engine: &mut Mt19937, out: &mut [Self], from: f64, to: f64);
}

impl Uniform for f32 {
    fn fill(engine: &mut Mt19937, out: &mut [Self], from: f64, to: f64) {
        let (from, to) = (from as f32, to as f32);
        let width = to - from;
        engine.map_u32(
            out,
            inlined!(move |word| {
                let u = (word & 0xff_ffff) as f32 * 2.0_f32.powi(-24);
                below(u.mul_add(width, from), from, to)
            }),
        );
    }
}

impl Uniform for f64 {
    fn fill(engine: &mut Mt19937, out: &mut [Self], from: f64, to: f64) {
        let width = to - from;
        engine.map_u64(out, inlined!(move |words| below(unit(words).mul_add(width, from), from, to)));
    }
}

/// A number in [0, 1) from two words.
#[inline(always)]
pub(super) fn unit(words: u64) -> f64 {
    // 2⁻⁵³; the low 53 bits are exact in an `f64`.
    (words & ((1 << 53) - 1)) as f64 * (0.5 * f64::EPSILON)
}

/// Rounding may reach the open end of the range; such a value becomes the closed end.
#[inline(always)]
fn below<T: Copy + PartialEq>(value: T, from: T, to: T) -> T {
    if value == to { from } else { value }
}

impl Generator {
    /// Fills `out` with numbers uniform in `[from, to)`.
    pub(crate) fn fill_uniform<T: Uniform>(&mut self, out: &mut [T], from: f64, to: f64) {
        T::fill(&mut self.engine, out, from, to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::{Bits, crc32, hex};

    fn draw<T: Uniform + Default + Bits>(seed: i64, n: usize, from: f64, to: f64) -> String {
        let mut out = vec![T::default(); n];
        Generator::seeded(seed).fill_uniform(&mut out, from, to);
        hex(&out)
    }

    #[test]
    fn values_are_those_of_pytorch() {
        let f32 = draw::<f32>;
        let f64 = draw::<f64>;
        assert_eq!(f32(0, 5, 0.0, 1.0), "3efe1558 3f44aa2f 3db533a8 3e073300 3e9d6686");
        assert_eq!(f32(42, 5, 0.0, 1.0), "3f61dc66 3f6a3db3 3ec406b8 3f75950e 3ec7e8d4");
        assert_eq!(f32(-1, 3, 0.0, 1.0), "3f7e69a3 3f124122 3f11ec0c");
        assert_eq!(f32(0, 4, -0.5, 0.5), "bb755400 3e89545e bed2b316 bebc6680");
        assert_eq!(f32(0, 4, 0.1, 0.7), "3ecba667 3f0f994f 3e1cc2b2 3e378500");
        assert_eq!(f64(0, 3, 0.0, 1.0), "3fef0aac97c4aa2f 3fe6a675d821ccc0 3fdd6687b744a5f6");
        assert_eq!(f64(0, 3, -0.5, 0.25), "3fcd2005c74dfe8d 3f9f9b0c432b3200 bfc3e6346d19070f");
    }

    #[test]
    fn long_fills_are_those_of_pytorch() {
        fn checksum<T: Uniform + Default + Bits>() -> u32 {
            let mut generator = Generator::seeded(3);
            let mut out = vec![T::default(); 100_003];
            generator.fill_uniform(&mut out[..1], 0.0, 1.0);
            generator.fill_uniform(&mut out, -0.7, 1.3);
            crc32(T::bytes(&out))
        }
        assert_eq!(checksum::<f32>(), 709_909_505);
        assert_eq!(checksum::<f64>(), 4_189_606_867);
    }

    #[test]
    fn a_pair_of_words_may_straddle_two_blocks() {
        let mut generator = Generator::seeded(0);
        generator.fill_uniform(&mut [0.0_f32; 623], 0.0, 1.0);
        let mut out = [0.0_f64; 2];
        generator.fill_uniform(&mut out, 0.0, 1.0);
        assert_eq!(hex(&out), "3fb8e720a2dc79d0 3fd19f022de072e2");
    }

    #[test]
    fn the_upper_end_is_never_drawn() {
        let mut generator = Generator::seeded(0);
        let mut out = [0.0_f32; 4096];
        // Between 1 and its successor there is nothing to draw but 1.
        generator.fill_uniform(&mut out, 1.0, f64::from(1.0_f32.next_up()));
        assert!(out.iter().all(|x| x.to_bits() == 1.0_f32.to_bits()));
        generator.fill_uniform(&mut out, 2.0, 2.0);
        assert!(out.iter().all(|x| x.to_bits() == 2.0_f32.to_bits()));
    }
}
