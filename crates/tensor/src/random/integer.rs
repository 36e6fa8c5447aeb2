//! Integers from a range, and permutations.

use super::Generator;
use crate::Element;
use crate::kernel::simd::inlined;

/// An element type, and which integers it can hold.
pub(crate) trait Integer: Element {
    /// How many integers there are from 0 to the last one before the first gap, or to the largest.
    const RANGE: u64;
    /// Bits of the significand, for the floats.
    const DIGITS: Option<u32>;
}

impl Integer for bool {
    const RANGE: u64 = 2;
    const DIGITS: Option<u32> = None;
}
impl Integer for i64 {
    const RANGE: u64 = 1 << 63;
    const DIGITS: Option<u32> = None;
}
impl Integer for f32 {
    const RANGE: u64 = (1 << 24) + 1;
    const DIGITS: Option<u32> = Some(24);
}
impl Integer for f64 {
    const RANGE: u64 = (1 << 53) + 1;
    const DIGITS: Option<u32> = Some(53);
}

/// Ranges below this take one word an element, others two.
const ONE_WORD: u64 = 1 << 28;

impl Generator {
    /// Fills `out` with integers from `low` to `high − 1`, which `T` must tell apart (see [`representable`]).
    pub(crate) fn fill_randint<T: Integer>(&mut self, out: &mut [T], low: i64, high: i64) {
        self.fill_range(out, low, high.wrapping_sub(low) as u64);
    }

    /// Fills `out` with integers from 0 to the largest up to which `T` has them all.
    pub(crate) fn fill_random<T: Integer>(&mut self, out: &mut [T]) {
        self.fill_range(out, 0, T::RANGE);
    }

    /// The remainder of one or two words: plain modulo, with its slight preference for small remainders.
    fn fill_range<T: Integer>(&mut self, out: &mut [T], low: i64, range: u64) {
        if range < ONE_WORD {
            let range = range as u32;
            self.engine
                .map_u32(out, inlined!(move |word| T::of_i64(low.wrapping_add(i64::from(word % range)))));
        } else {
            self.engine
                .map_u64(out, inlined!(move |words| T::of_i64(low.wrapping_add((words % range) as i64))));
        }
    }

    /// A random order of the integers below `out.len()`.
    pub(crate) fn fill_randperm(&mut self, out: &mut [i64]) {
        // Up to here the remainder of one word is close enough to uniform for PyTorch.
        const ONE_WORD: usize = (u32::MAX / 20) as usize;
        let n = out.len();
        if n < ONE_WORD {
            for (slot, i) in out.iter_mut().zip(0..) {
                *slot = i;
            }
            for i in 0..n.saturating_sub(1) {
                let z = self.engine.next_u32() as usize % (n - i);
                out.swap(i, i + z);
            }
        } else {
            for i in 0..n {
                let z = (self.engine.next_u64() % (i as u64 + 1)) as usize;
                out[i] = out[z];
                out[z] = i as i64;
            }
        }
    }
}

/// The bounds of the integers that `T` can tell from `low - 1` and from `high`, which may leave none.
///
/// Beyond 2²⁴ (`f32`) or 2⁵³ (`f64`) a float skips integers, and rounding could leave the range asked for.
pub(crate) fn representable<T: Integer>(low: i64, high: i64) -> (i64, i64) {
    let Some(digits) = T::DIGITS else {
        return (low, high);
    };
    // The distance of two floats at x.
    let gap = |x: i64| 1_i64 << (x.unsigned_abs().ilog2() + 1 - digits);
    let first: i64 = T::of_i64(low + 1).cast();
    let last: i64 = T::of_i64(high - 1).cast();
    (
        if first < low { first + gap(low + 1) } else { low },
        if last >= high { last.saturating_sub(gap(high - 1)) } else { high },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::testing::{Bits, crc32, hex};

    fn randint<T: Integer>(n: usize, low: i64, high: i64) -> Vec<T> {
        let mut out = vec![T::default(); n];
        let (low, high) = representable::<T>(low, high);
        Generator::seeded(0).fill_randint(&mut out, low, high);
        out
    }

    fn floats<T: Integer + Bits>(low: i64, high: i64) -> String {
        hex(&randint::<T>(4, low, high))
    }

    #[test]
    fn values_are_those_of_pytorch() {
        let ints = randint::<i64>;
        assert_eq!(ints(10, 0, 10), [4, 9, 3, 0, 3, 9, 7, 3, 7, 3]);
        assert_eq!(ints(2, 0, (1 << 28) - 1), [209_652_404, 130_329_144]);
        assert_eq!(ints(2, 0, 1 << 28), [130_329_135, 136_432_832]);
        assert_eq!(ints(2, -1 << 31, 1 << 31), [398_764_591, 1_478_610_112]);
        assert_eq!(ints(3, 0, 1 << 40), [741_280_623_151, 506_137_267_392, 291_447_657_211]);
        assert_eq!(ints(2, i64::MIN, i64::MAX), [900_450_186_894_289_455, 3_969_543_146_641_149_120]);
        assert_eq!(randint::<bool>(4, 0, 2), [false, true, true, false]);
    }

    #[test]
    fn floats_stay_inside_the_range_where_they_skip_integers() {
        let f32 = floats::<f32>;
        let f64 = floats::<f64>;
        assert_eq!(f32(0, (1 << 28) - 1), "4d47f0b3 4cf89558 4ce2d4e5 4d021cd9");
        assert_eq!(f32(0, 1 << 28), "4d47f0b3 4cf89558 4ce2d4e5 4d021cd9");
        assert_eq!(f32(-1 << 31, 1 << 31), "4eae9446 cde45656 cefa07c9 4dbd080f");
        assert_eq!(f32(0, 1 << 40), "52645b3f 5233bb23 535e2a55 529eacb9");
        assert_eq!(f32(-(1 << 24) - 9, -(1 << 24) - 3), "cb800004 cb800003 cb800002 cb800004");
        assert_eq!(f64(0, 1 << 40), "426592f89545e000 425d760873300000 4250f6e894bec000 42687b1caface000");
        assert_eq!(
            f64((1 << 53) - 3, (1 << 53) + 9),
            "4340000000000002 4340000000000000 4340000000000001 433ffffffffffffd"
        );
        // 2⁶⁰ + 1 and its neighbours are one `f32`: nothing is left to draw.
        let (low, high) = representable::<f32>((1 << 60) + 1, (1 << 60) + 2);
        assert!(low >= high);
    }

    #[test]
    fn the_range_without_bounds_depends_on_the_type() {
        fn draw<T: Integer, const N: usize>() -> [T; N] {
            let mut out = [T::default(); N];
            Generator::seeded(0).fill_random(&mut out);
            out
        }
        assert_eq!(draw::<i64, 2>(), [900_450_186_894_289_455, 3_969_543_146_641_149_120]);
        assert_eq!(draw::<bool, 8>(), [false, true, true, false, true, true, true, true]);
        assert_eq!(hex(&draw::<f32, 4>()), "4afe1440 4b44a998 49b52df0 4a072fa0");
        assert_eq!(hex(&draw::<f64, 2>()), "433f0aac97c4a5cc 4336a675d821c708");
    }

    #[test]
    fn long_fills_are_those_of_pytorch() {
        fn checksum(n: usize, fill: impl Fn(&mut Generator, &mut [i64])) -> u32 {
            let mut out = vec![0; n];
            fill(&mut Generator::seeded(3), &mut out);
            crc32(out.iter().flat_map(|x| x.to_le_bytes()))
        }
        assert_eq!(checksum(1000, Generator::fill_randperm), 601_978_552);
        let wide = |g: &mut Generator, out: &mut [i64]| g.fill_randint(out, -7, 1 << 35);
        assert_eq!(checksum(1000, wide), 2_021_013_559);
        let narrow = |g: &mut Generator, out: &mut [i64]| g.fill_randint(out, -7, 200);
        assert_eq!(checksum(1000, narrow), 528_628_439);
    }

    #[test]
    fn permutations_are_those_of_pytorch() {
        let mut order = [0; 10];
        Generator::seeded(0).fill_randperm(&mut order);
        assert_eq!(order, [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]);
        for n in [0, 1] {
            let mut generator = Generator::seeded(0);
            generator.fill_randperm(&mut vec![0; n]);
            assert_eq!(generator, Generator::seeded(0));
        }
    }
}
