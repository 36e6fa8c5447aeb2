//! Sine, cosine and tangent of an `f32`, by one product of integers: branch-free for every argument, however large.

use std::f64::consts::FRAC_PI_2;

/// The first 384 binary digits of 2/π after the point (mpmath, 600 bits).
const TWO_OVER_PI: [u64; 6] = [
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
];

/// Biased exponents from which the argument is reduced: those of 0.5 and more.
const LARGE: u32 = 126;

/// `⌊2ˢ · 2/π⌋ mod 2⁶⁴`.
const fn word(s: usize) -> u64 {
    let (i, offset) = (s / 64, s % 64);
    let before = if i == 0 { 0 } else { TWO_OVER_PI[i - 1] };
    if offset == 0 { before } else { (before << offset) | (TWO_OVER_PI[i] >> (64 - offset)) }
}

/// For each biased exponent `e`, `2^(e − 150) · 2/π` modulo 4 in units of 2⁻⁶², and the 32 binary digits after it.
const DIGITS: [[u64; 256]; 2] = {
    let mut digits = [[0; 256]; 2];
    let mut e = LARGE as usize;
    while e < 255 {
        digits[0][e] = word(e - 88);
        digits[1][e] = word(e - 88 + 32) & 0xffff_ffff;
        e += 1;
    }
    digits
};

/// `(q, r)` with `|x| = q · π/2 + r` modulo 2π and `|r| <= π/4`; below 0.5, `q` is 0 and `r` is `|x|`.
///
/// Masks and not `if`: the compiler would move a computation into the branch that needs it, and a loop with branches is not vectorised.
#[inline(always)]
fn reduce(x: f32) -> (u64, f64) {
    let bits = x.abs().to_bits();
    let (e, m) = (bits >> 23, u64::from((bits & 0x7f_ffff) | 0x80_0000));
    let place = usize::from(e as u8);
    // An f32 is no nearer to a multiple of π/2 than 2⁻³³: the error of 2⁻⁶² leaves 29 digits.
    let turns = m.wrapping_mul(DIGITS[0][place]).wrapping_add((m * DIGITS[1][place]) >> 32);
    let q = turns.wrapping_add(1 << 61) >> 62;
    let rest = turns.wrapping_sub(q << 62).cast_signed() as f64 * (FRAC_PI_2 / (1_u64 << 62) as f64);
    let small = u64::from(e < LARGE).wrapping_neg();
    let itself = f64::from_bits(f64::from(x.abs()).to_bits() & small);
    // The last term is NaN for infinities, and ±0 for finite numbers.
    (q, itself + rest + f64::from(x * 0.0))
}

/// The sine of `q · π/2 + r`. Of the Taylor series the first term left out is below 10⁻¹¹.
#[inline(always)]
fn sine(q: u64, r: f64) -> f64 {
    let z = r * r;
    let sin = (-1.0 / 39_916_800.0_f64)
        .mul_add(z, 1.0 / 362_880.0)
        .mul_add(z, -1.0 / 5_040.0)
        .mul_add(z, 1.0 / 120.0)
        .mul_add(z, -1.0 / 6.0)
        .mul_add(z * r, r);
    let cos = (1.0 / 479_001_600.0_f64)
        .mul_add(z, -1.0 / 3_628_800.0)
        .mul_add(z, 1.0 / 40_320.0)
        .mul_add(z, -1.0 / 720.0)
        .mul_add(z, 1.0 / 24.0)
        .mul_add(z, -0.5)
        .mul_add(z, 1.0);
    let odd = (q & 1).wrapping_neg();
    f64::from_bits(((sin.to_bits() & !odd) | (cos.to_bits() & odd)) ^ ((q & 2) << 62))
}

#[inline(always)]
pub(crate) fn sin_f32(x: f32) -> f32 {
    let (q, r) = reduce(x);
    let y = sine(q, r) as f32;
    f32::from_bits(y.to_bits() ^ (x.to_bits() & (1 << 31)))
}

#[inline(always)]
pub(crate) fn cos_f32(x: f32) -> f32 {
    let (q, r) = reduce(x);
    sine(q.wrapping_add(1), r) as f32
}

#[inline(always)]
pub(crate) fn tan_f32(x: f32) -> f32 {
    let (q, r) = reduce(x);
    let y = (sine(q, r) / sine(q.wrapping_add(1), r)) as f32;
    f32::from_bits(y.to_bits() ^ (x.to_bits() & (1 << 31)))
}
