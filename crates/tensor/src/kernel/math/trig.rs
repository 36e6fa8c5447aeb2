//! Sine, cosine and tangent. Of usual arguments multiples of π/2 are subtracted; of an `f32`, however large, digits of 2/π are taken by
//! one product of integers, without a branch; of a large `f64` they are the standard library's.

use super::exp::{ROUND, two_sum};
use crate::kernel::map::loop_with_fallback;
use crate::kernel::simd::{inlined, vectorize};
use std::f64::consts::{FRAC_2_PI, FRAC_PI_2};

/// A function's loops over `f32` and over `f64`.
pub(crate) type Loops = (fn(&[f32], &mut [f32]), fn(&[f64], &mut [f64]));

/// Arguments up to which multiples of π/2 are subtracted.
const NEAR: f64 = 1e9;

/// What [`FRAC_PI_2`] leaves of π/2, in two parts.
const PI_2_LOW: [f64; 2] = [6.123_233_995_736_766e-17, -1.497_384_904_859_169_8e-33];

/// `(q, r, low)` with `x = q · π/2 + r + low` modulo 2π, and `|r| <= π/4`, for `x` in 0 ..= [`NEAR`].
#[inline(always)]
fn near(x: f64) -> (u64, f64, f64) {
    let t = x.mul_add(FRAC_2_PI, ROUND);
    let n = t - ROUND;
    // Exact: of a number between 0.5 and [`NEAR`] as many digits are left as π/2 has.
    let high = n.mul_add(-FRAC_PI_2, x);
    let p = n * PI_2_LOW[0];
    let (r, low) = two_sum(high, -p);
    (t.to_bits(), r, n.mul_add(-PI_2_LOW[1], low - n.mul_add(PI_2_LOW[0], -p)))
}

/// The sine of `q · π/2 + r + low`, and what it was rounded by.
///
/// Of degree 13 and 14, minimax for the relative error on ±π/4 (2⁻⁵⁷·⁹, 2⁻⁶³·⁹), by Remez exchange with 70 digits.
#[inline(always)]
fn exact_sine(q: u64, r: f64, low: f64) -> (f64, f64) {
    let z = r * r;
    let half = 0.5 * z;
    let one = 1.0 - half;
    let sin = 1.589_619_787_354_358_4e-10_f64
        .mul_add(z, -2.505_074_722_340_506_5e-8)
        .mul_add(z, 2.755_731_361_806_016_5e-6)
        .mul_add(z, -1.984_126_982_958_032_9e-4)
        .mul_add(z, 8.333_333_333_322_108e-3)
        .mul_add(z, -1.666_666_666_666_663e-1)
        .mul_add(z * r, low * one);
    let cos = (-1.135_851_393_858_682e-11_f64)
        .mul_add(z, 2.087_570_041_558_362e-9)
        .mul_add(z, -2.755_731_417_623_388e-7)
        .mul_add(z, 2.480_158_728_884_136_7e-5)
        .mul_add(z, -1.388_888_888_887_304e-3)
        .mul_add(z, 4.166_666_666_666_659_5e-2)
        .mul_add(z * z, ((1.0 - one) - half) - r * low);
    let odd = (q & 1).wrapping_neg();
    let choose = |even: f64, other: f64| {
        f64::from_bits(((even.to_bits() & !odd) | (other.to_bits() & odd)) ^ ((q & 2) << 62))
    };
    let (high, rest) = (choose(r, one), choose(sin, cos));
    let y = high + rest;
    (y, (high - y) + rest)
}

/// `y` with the sign of `x` on top of its own.
#[inline(always)]
fn signed(y: f64, x: f64) -> f64 {
    f64::from_bits(y.to_bits() ^ (x.to_bits() & (1 << 63)))
}

#[inline(always)]
fn near_sin(x: f64) -> f64 {
    let (q, r, low) = near(x.abs());
    signed(exact_sine(q, r, low).0, x)
}

#[inline(always)]
fn near_cos(x: f64) -> f64 {
    let (q, r, low) = near(x.abs());
    exact_sine(q.wrapping_add(1), r, low).0
}

#[inline(always)]
fn near_tan(x: f64) -> f64 {
    let (q, r, low) = near(x.abs());
    let ((sin, sin_low), (cos, cos_low)) = (exact_sine(q, r, low), exact_sine(q.wrapping_add(1), r, low));
    // Divided with what the quotient rounds away.
    let inverse = 1.0 / cos;
    let y = sin * inverse;
    let rest = (-y).mul_add(cos, sin) + (sin_low - y * cos_low);
    signed(rest.mul_add(inverse, y), x)
}

/// [`near`] for an `f32`.
#[inline(always)]
fn near_f32(x: f32) -> (u64, f64) {
    let x = f64::from(x.abs());
    let t = x.mul_add(FRAC_2_PI, ROUND);
    let n = t - ROUND;
    (t.to_bits(), n.mul_add(-PI_2_LOW[0], n.mul_add(-FRAC_PI_2, x)))
}

#[inline(always)]
fn near_sin_f32(x: f32) -> f32 {
    let (q, r) = near_f32(x);
    signed(sine(q, r), f64::from(x)) as f32
}

#[inline(always)]
fn near_cos_f32(x: f32) -> f32 {
    let (q, r) = near_f32(x);
    sine(q.wrapping_add(1), r) as f32
}

#[inline(always)]
fn near_tan_f32(x: f32) -> f32 {
    let (q, r) = near_f32(x);
    signed(sine(q, r) / sine(q.wrapping_add(1), r), f64::from(x)) as f32
}

/// `$any` is the function of any number, `$near` for those that are near.
macro_rules! loops {
    ($($name:ident: $type:ident $any:ident $near:ident;)*) => { $(
        #[allow(clippy::neg_cmp_op_on_partial_ord, reason = "NaN needs no fallback")]
        fn $name(x: &[$type], out: &mut [$type]) {
            vectorize!(loop_with_fallback([x], out, inlined!(|[x]| ($near(x), !(x.abs() > NEAR as $type))), |[x]| $any(x)));
        }
    )* };
}
loops! {
    sines_f32: f32 sin_f32 near_sin_f32;
    sines_f64: f64 sin_f64 near_sin;
    cosines_f32: f32 cos_f32 near_cos_f32;
    cosines_f64: f64 cos_f64 near_cos;
    tangents_f32: f32 tan_f32 near_tan_f32;
    tangents_f64: f64 tan_f64 near_tan;
}
pub(crate) const SIN: Loops = (sines_f32, sines_f64);
pub(crate) const COS: Loops = (cosines_f32, cosines_f64);
pub(crate) const TAN: Loops = (tangents_f32, tangents_f64);

#[inline]
pub(crate) fn sin_f64(x: f64) -> f64 {
    if x.abs() <= NEAR { near_sin(x) } else { x.sin() }
}

#[inline]
pub(crate) fn cos_f64(x: f64) -> f64 {
    if x.abs() <= NEAR { near_cos(x) } else { x.cos() }
}

#[inline]
pub(crate) fn tan_f64(x: f64) -> f64 {
    if x.abs() <= NEAR { near_tan(x) } else { libm::tan(x) }
}

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
