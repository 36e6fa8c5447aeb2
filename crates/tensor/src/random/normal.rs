//! Normal numbers by the method of Box and Muller: two uniform numbers give a radius and an angle, hence two values.
//!
//! From 16 elements on, blocks of 16 are transformed in the element type; below, one value at a time is made
//! in `f64`, and the second of each pair waits in the generator for the next short call.

use super::Generator;
use super::uniform::{Uniform, unit};
use crate::Element;
use crate::kernel::parallel::for_chunks;
use crate::kernel::simd::vectorize;
use std::f64::consts::TAU;

/// Uniform numbers that are transformed together: slots 0..8 become radii, slots 8..16 angles.
const BLOCK: usize = 16;

/// Blocks in one task of a parallel transform.
const BLOCKS: usize = 1024;

/// A float that can be drawn normally.
pub(crate) trait Normal: Uniform {
    /// What a block costs, in elements streamed by a plain loop.
    const WORK: usize;

    /// Turns blocks of numbers uniform in [0, 1) into normal ones.
    fn transform(blocks: &mut [[Self; BLOCK]], mean: f64, std: f64);
}

impl Normal for f32 {
    // 0.8 ns an element against 0.15 (2-core EPYC).
    const WORK: usize = 5 * BLOCK;

    fn transform(blocks: &mut [[Self; BLOCK]], mean: f64, std: f64) {
        vectorize!(box_muller(blocks, mean as f32, std as f32));
    }
}

impl Normal for f64 {
    // 14 ns an element, most of it in libm.
    const WORK: usize = 100 * BLOCK;

    fn transform(blocks: &mut [[Self; BLOCK]], mean: f64, std: f64) {
        for block in blocks {
            let (radii, angles) = block.split_at_mut(BLOCK / 2);
            for (a, b) in radii.iter_mut().zip(angles) {
                let r = (-2.0 * (1.0 - *a).ln()).sqrt();
                let (sin, cos) = (TAU * *b).sin_cos();
                *a = (r * cos).mul_add(std, mean);
                *b = (r * sin).mul_add(std, mean);
            }
        }
    }
}

impl Generator {
    /// Fills `out` with normal numbers of this mean and standard deviation.
    pub(crate) fn fill_normal<T: Normal>(&mut self, out: &mut [T], mean: f64, std: f64) {
        if out.len() < BLOCK {
            out.fill_with(|| self.next_normal().mul_add(std, mean).cast());
            return;
        }
        self.fill_uniform(out, 0.0, 1.0);
        for_chunks(out.as_chunks_mut().0, BLOCKS, T::WORK, &|_, blocks| T::transform(blocks, mean, std));
        if !out.len().is_multiple_of(BLOCK) {
            // The last 16 are drawn anew, over some that are done: PyTorch's way to end on a whole block.
            let last = out.last_chunk_mut::<BLOCK>().expect("at least one block");
            self.fill_uniform(last, 0.0, 1.0);
            T::transform(std::slice::from_mut(last), mean, std);
        }
    }

    /// One standard normal number.
    fn next_normal(&mut self) -> f64 {
        if let Some(spare) = self.spare_normal.take() {
            return spare;
        }
        let theta = TAU * unit(self.engine.next_u64());
        let r = (-2.0 * (-unit(self.engine.next_u64())).ln_1p()).sqrt();
        let (sin, cos) = theta.sin_cos();
        self.spare_normal = Some(r * sin);
        r * cos
    }
}

#[inline(always)]
fn box_muller(blocks: &mut [[f32; BLOCK]], mean: f32, std: f32) {
    for block in blocks {
        let (radii, angles) = block.split_at_mut(BLOCK / 2);
        for (a, b) in radii.iter_mut().zip(angles) {
            let r = (-2.0 * ln(1.0 - *a)).sqrt();
            let (sin, cos) = sin_cos(std::f32::consts::TAU * *b);
            *a = (r * cos).mul_add(std, mean);
            *b = (r * sin).mul_add(std, mean);
        }
    }
}

/// Natural logarithm for x > 0, as in Moshier's Cephes library (`logf.c`) with products and sums fused.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the published coefficients")]
fn ln(x: f32) -> f32 {
    const P: [f32; 9] = [
        7.037_683_629_2e-2,
        -1.151_461_031_0e-1,
        1.167_699_874_0e-1,
        -1.242_014_084_6e-1,
        1.424_932_278_7e-1,
        -1.666_805_766_5e-1,
        2.000_071_476_5e-1,
        -2.499_999_399_3e-1,
        3.333_333_117_4e-1,
    ];
    let bits = x.max(f32::MIN_POSITIVE).to_bits();
    let m = f32::from_bits((bits & 0x007f_ffff) | 0x3f00_0000);
    let e = (bits >> 23) as i32 - 126;
    // x = m · 2ᵉ with m in [½, 1); below √½ double m, so that the series is about 1.
    let small = m < std::f32::consts::FRAC_1_SQRT_2;
    let e = (e - i32::from(small)) as f32;
    let x = (m - 1.0) + if small { m } else { 0.0 };
    let z = x * x;
    let mut y = P[0];
    for p in &P[1..] {
        y = y.mul_add(x, *p);
    }
    let y = (y * x).mul_add(z, e * -2.121_944_40e-4);
    let y = (-z).mul_add(0.5, y);
    e.mul_add(0.693_359_375, x + y)
}

/// Sine and cosine for 0 ≤ x < 2π, as in Moshier's Cephes library (`sinf.c`) with products and sums fused.
#[inline(always)]
#[allow(clippy::excessive_precision, reason = "the published coefficients")]
fn sin_cos(x: f32) -> (f32, f32) {
    // Octants, rounded up to an even number j: what is left of x lies in [−π/4, π/4].
    let j = ((x * 1.273_239_544_735_16) as i32 + 1) & !1;
    let y = j as f32;
    let x = y.mul_add(-0.785_156_25, x);
    let x = y.mul_add(-2.418_756_484_985_351_562_5e-4, x);
    let x = y.mul_add(-3.774_894_977_445_941_08e-8, x);
    let z = x * x;

    let c = 2.443_315_711_809_948e-5_f32;
    let c = c.mul_add(z, -1.388_731_625_493_765e-3);
    let c = c.mul_add(z, 4.166_664_568_298_827e-2);
    let c = (c * z).mul_add(z, -(z * 0.5)) + 1.0;

    let s = -1.951_529_589_1e-4_f32;
    let s = s.mul_add(z, 8.332_160_873_6e-3);
    let s = s.mul_add(z, -1.666_665_461_1e-1);
    let s = (s * z).mul_add(x, x);

    let (sin, cos) = if j & 2 == 0 { (s, c) } else { (c, s) };
    (if j & 4 == 0 { sin } else { -sin }, if (j - 2) & 4 == 0 { -cos } else { cos })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::simd::forced;
    use crate::random::testing::{Bits, crc32, hex};

    /// In `f64` they depend on the C library's cosine, whose last bit is another one in WebAssembly.
    const WIDE: bool = cfg!(not(target_family = "wasm"));

    fn draw<T: Normal + Default + Bits>(n: usize, mean: f64, std: f64) -> String {
        let mut out = vec![T::default(); n];
        Generator::seeded(0).fill_normal(&mut out, mean, std);
        hex(&out)
    }

    #[test]
    fn short_fills_are_those_of_pytorch() {
        assert_eq!(draw::<f32>(5, 0.0, 1.0), "3fc53f5c be963c50 c00b7149 3f1184b6 bf8ad1a1");
        assert_eq!(draw::<f32>(3, 2.5, 0.3), "403d964e 401a5dbd 3fec55a1");
        assert_eq!(draw::<f64>(3, 0.0, 1.0), "3ff8a7eb8902be3a bfd2c78a087c6fea c0016e2920a70ee5");
        assert_eq!(draw::<f64>(3, 2.5, 0.3), "4007b2c9baf39c89 40034bb79fae889a 3ffd8ab41f9bc3dd");
    }

    #[test]
    fn blocks_are_those_of_pytorch() {
        assert_eq!(
            draw::<f32>(16, 0.0, 1.0),
            "bf901b85 bf93808a be804bd6 bede255d 3f594515 3f312783 bea1cc6d c0075fc1 \
             3ea50138 bfa1b4f4 3eb330ff 3e9dc3bb 3df56f77 3f9e6b93 3f8ef28e be7d367c"
        );
        assert!(draw::<f32>(16, 2.5, 0.3).starts_with("400a6246 4009dfeb 401b305b 4017ab66"));
        let wide = draw::<f64>(16, 0.0, 1.0);
        let wide: Vec<_> = wide.split(' ').collect();
        if WIDE {
            assert_eq!([wide[0], wide[1]], ["c0027bb92e9262dc", "bfd7e35794939460"]);
            assert_eq!([wide[8], wide[9]], ["bff4bae386384915", "3ff860cb8d864a6e"]);
        }
    }

    #[test]
    fn a_rest_overwrites_the_last_sixteen() {
        let narrow = draw::<f32>(20, 0.0, 1.0);
        assert!(
            narrow.starts_with("bf901b85 bf93808a be804bd6 bede255d 3f194d8b bfc70d5b beaec6ca 3fed2f4e ")
        );
        assert!(narrow.ends_with(" 3f6e8c30 3fa12737 4000519a 3d5c1b3a"));
        let wide = draw::<f64>(17, 2.5, 0.3);
        let pytorch = "3ffce8f74a74f7e3 40027aea843d43b3 4000f949b34250de 4002415c7c0653ec 4003f3bbd0f2ab08 \
             400481355008d063 40046cdd79a6a504 400201bc105c9b4b 400492ab1a9eb66d 40036ae5d5656bf8 \
             4002250fd6cafb0c 40002beba57a0bb6 400259e7a98471bc 40079245da2104c2 4002ec7e4ad902f2 \
             4001dc915717ee8f 40059ea1e9de117f";
        assert!(wide == pytorch || !WIDE, "{wide}");
    }

    fn checksum<T: Normal + Bits>(n: usize) -> u32 {
        let mut generator = Generator::seeded(3);
        let mut out = vec![T::default(); n];
        generator.fill_normal(&mut out, -0.3, 1.7);
        crc32(T::bytes(&out))
    }

    #[test]
    fn long_fills_are_those_of_pytorch() {
        assert_eq!(checksum::<f32>(100_003), 326_418_836);
        assert!(checksum::<f64>(100_003) == 390_235_120 || !WIDE);
    }

    #[test]
    fn every_vector_width_gives_the_same_bits() {
        // One task of blocks, so that all of it runs on this thread, which the level is forced on.
        let expected = checksum::<f32>(BLOCK * BLOCKS);
        for level in forced::levels() {
            assert_eq!(forced::at_most(level, || checksum::<f32>(BLOCK * BLOCKS)), expected, "{level:?}");
        }
    }

    #[test]
    fn a_spare_value_outlives_other_calls() {
        let mut generator = Generator::seeded(0);
        let (mut short, mut long) = ([0.0_f32; 3], [0.0_f32; 20]);
        generator.fill_normal(&mut short, 0.0, 1.0);
        generator.fill_normal(&mut long, 0.0, 1.0);
        generator.fill_normal(&mut short[..1], 0.0, 1.0);
        assert_eq!(hex(&short[..1]), "3f1184b6");
    }
}
