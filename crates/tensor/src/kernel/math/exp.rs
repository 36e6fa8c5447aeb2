//! Exponentials, and the functions that are one exponential away: `expm1`, sigmoid, tanh.

use super::pair::Pair;
use std::f64::consts::LOG2_E;

/// Adding 1.5 · 2⁵² (2²³ for `f32`) leaves the nearest integer in the low bits of the significand.
pub(super) const ROUND: f64 = 6_755_399_441_055_744.0;
const ROUND_F32: f32 = 12_582_912.0;

/// ln 2 in two parts; the first has trailing zeros enough for exact products with an exponent (fdlibm).
pub(super) const LN2_HI: f64 = 6.931_471_803_691_238e-1;
pub(super) const LN2_LO: f64 = 1.908_214_929_270_587_7e-10;
const LN2_HI_F32: f32 = 0.693_145_75;
const LN2_LO_F32: f32 = 1.428_606_8e-6;

/// `(n, r)` with `x = n ln 2 + r` and `|r| <= ln 2 / 2`; `n` comes as `n + ROUND`.
#[inline(always)]
fn reduce(x: f64) -> (f64, f64) {
    let t = x.mul_add(LOG2_E, ROUND);
    let n = t - ROUND;
    (t, n.mul_add(-LN2_LO, n.mul_add(-LN2_HI, x)))
}

/// `(2^n, e^r - 1)` for `x = n ln 2 + r` in [-700, 700], the second to 2⁻³⁰.
///
/// Degree 7, minimax for `e^r` on ±ln 2 / 2 (2⁻³⁴), by Remez exchange with 60 digits.
#[inline(always)]
fn coarse(x: f64) -> (f64, f64) {
    let (t, r) = reduce(x);
    let q = 1.979_033_993_191_753e-4_f64
        .mul_add(r, 1.394_465_936_464_904e-3)
        .mul_add(r, 8.333_497_077_181_834e-3)
        .mul_add(r, 4.166_629_495_188_178e-2)
        .mul_add(r, 1.666_666_586_892_952_3e-1)
        .mul_add(r, 5.000_000_067_680_269e-1);
    (f64::from_bits(t.to_bits().wrapping_add(1023) << 52), (r * r).mul_add(q, r))
}

/// `e^x - 1` for `x` in [-700, 700] to a relative 2⁻³⁰: an `f32` function needs no more before its one rounding.
#[inline(always)]
pub(super) fn coarse_expm1(x: f64) -> f64 {
    let (scale, em1) = coarse(x);
    scale.mul_add(em1, scale - 1.0)
}

/// `e^x` to a relative 2⁻³⁰; 0 below −700, ∞ above 700.
#[inline(always)]
pub(crate) fn coarse_exp(x: f64) -> f64 {
    let (scale, em1) = coarse(x);
    let y = scale.mul_add(em1, scale);
    let y = if x < -700.0 { 0.0 } else { y };
    if x > 700.0 { f64::INFINITY } else { y }
}

#[inline(always)]
pub(crate) fn exp_f32(x: f32) -> f32 {
    let (scale, em1) = coarse(f64::from(x));
    let y = scale.mul_add(em1, scale) as f32;
    let y = if x < -104.0 { 0.0 } else { y };
    if x > 89.0 { f32::INFINITY } else { y }
}

/// The algorithm and coefficients of SLEEF 3's `expf` (1.0 ULP).
#[inline(always)]
pub(crate) fn fast_exp_f32(x: f32) -> f32 {
    let t = x * std::f32::consts::LOG2_E + ROUND_F32;
    let n = t - ROUND_F32;
    let r = n.mul_add(-LN2_LO_F32, n.mul_add(-LN2_HI_F32, x));
    let q = 0.000_198_527_62_f32
        .mul_add(r, 0.001_393_043_6)
        .mul_add(r, 0.008_333_361)
        .mul_add(r, 0.041_666_485)
        .mul_add(r, 0.166_666_67)
        .mul_add(r, 0.5);
    let y = 1.0 + (r * r).mul_add(q, r);
    let (a, b) = powers_f32(t);
    let y = y * a * b;
    let y = if x < -104.0 { 0.0 } else { y };
    if x > 100.0 { f32::INFINITY } else { y }
}

/// Two powers of two whose product is 2^n for `t = n + ROUND_F32`; one alone would leave the normal range.
#[inline(always)]
fn powers_f32(t: f32) -> (f32, f32) {
    let n = t.to_bits().wrapping_sub(ROUND_F32.to_bits()).wrapping_add(2 * 127);
    let half = n >> 1;
    (f32::from_bits(half << 23), f32::from_bits((n - half) << 23))
}

/// The algorithm and coefficients of SLEEF 3's `expm1f` (1.0 ULP).
#[inline(always)]
pub(crate) fn expm1_f32(x: f32) -> f32 {
    let t = x * std::f32::consts::LOG2_E + ROUND_F32;
    let n = t - ROUND_F32;
    let r = Pair::new(x, 0.0).add_f32(n * -LN2_HI_F32).add_f32(n * -LN2_LO_F32);
    let q = 0.000_198_096_02_f32
        .mul_add(r.hi, 0.001_394_256_5)
        .mul_add(r.hi, 0.008_333_457)
        .mul_add(r.hi, 0.041_666_374);
    let q = r.mul_f32(q).add_f32(0.166_666_66);
    let q = r.mul(q).add_f32(0.5);
    let em1 = r.add(r.square().mul(q));
    let (a, b) = powers_f32(t);
    let e = Pair::fast_sum(1.0, em1.hi);
    let e = Pair::new(e.hi, e.lo + em1.lo);
    let y = Pair::new(e.hi * a * b, e.lo * a * b).add_f32(-1.0).round();
    let y = if x > 88.722_83 { f32::INFINITY } else { y };
    let y = if x < -16.635_532 { -1.0 } else { y };
    // -0 in, -0 out.
    if x == 0.0 { x } else { y }
}

#[inline(always)]
pub(crate) fn tanh_f32(x: f32) -> f32 {
    let a = x.abs();
    // tanh 20 is 1 - 8e-18; a comparison, unlike `min`, lets NaN through.
    let a = if a > 20.0 { 20.0 } else { a };
    let em1 = coarse_expm1(-2.0 * f64::from(a));
    ((-em1 / (2.0 + em1)) as f32).copysign(x)
}

/// `a + b`, and what that was rounded by.
#[inline(always)]
pub(super) fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let v = sum - a;
    (sum, (a - (sum - v)) + (b - v))
}

/// Half of `e^(x + low) - 1` for `x` in [-700, 710] and a `low` below the rounding error of `x`, and what it was rounded by. Half, since 2^1024 is no number.
///
/// Degree 12, minimax for the relative error of `e^r - 1` on ±ln 2 / 2 (2⁻⁶¹·⁷), by Remez exchange with 70 digits.
#[inline(always)]
pub(super) fn half_expm1(x: f64, low: f64) -> (f64, f64) {
    let t = x.mul_add(LOG2_E, ROUND);
    let n = t - ROUND;
    let high = n.mul_add(-LN2_HI, x);
    let r = n.mul_add(-LN2_LO, high);
    let lost = n.mul_add(-LN2_LO, high - r) + low;
    let q = 2.087_531_333_990_525_3e-9_f64
        .mul_add(r, 2.510_897_922_425_508e-8)
        .mul_add(r, 2.755_740_269_973_729_5e-7)
        .mul_add(r, 2.755_724_437_327_07e-6)
        .mul_add(r, 2.480_158_717_246_880_8e-5)
        .mul_add(r, 1.984_126_988_596_675_6e-4)
        .mul_add(r, 1.388_888_888_896_240_7e-3)
        .mul_add(r, 8.333_333_333_321_691e-3)
        .mul_add(r, 4.166_666_666_666_651e-2)
        .mul_add(r, 1.666_666_666_666_667_7e-1)
        .mul_add(r, 0.5);
    let rest = (r * r).mul_add(q, lost.mul_add(r, lost));
    let half = f64::from_bits(t.to_bits().wrapping_add(1022) << 52);
    let (a, lost) = two_sum(half, -0.5);
    let (sum, error) = two_sum(a, half * r);
    let rest = half.mul_add(rest, lost + error);
    let y = sum + rest;
    (y, (sum - y) + rest)
}

#[inline(always)]
pub(crate) fn expm1_f64(x: f64) -> f64 {
    // e⁻⁴⁰ is below half of the last place of 1; comparisons, unlike `max`, let NaN through.
    let clamped = if x < -40.0 { -40.0 } else { x };
    let y = 2.0 * half_expm1(clamped, 0.0).0;
    let y = if x > 710.0 { f64::INFINITY } else { y };
    // Half of a subnormal number may be none. -0 in, -0 out.
    if x.abs() < 1e-20 { x } else { y }
}

#[inline(always)]
pub(crate) fn tanh_f64(x: f64) -> f64 {
    let a = x.abs();
    // tanh 20 is 1 - 8e-18; a comparison, unlike `min`, lets NaN through.
    let a = if a > 20.0 { 20.0 } else { a };
    // -h / (1 + h), divided with what the sum and the quotient round away.
    let (h, low) = half_expm1(-2.0 * a, 0.0);
    let d = 1.0 + h;
    let inverse = 1.0 / d;
    let y = h * inverse;
    let rest = low + (-y).mul_add(d, h) - y * ((1.0 - d) + h + low);
    (-rest.mul_add(inverse, y)).copysign(x)
}

/// Degree 11, minimax for `e^r` on ±ln 2 / 2 (2⁻⁵⁷·⁹), by Remez exchange with 60 digits.
#[inline(always)]
pub(crate) fn exp_f64(x: f64) -> f64 {
    let (t, r) = reduce(x);
    let q = 2.500_005_781_509_221e-8_f64
        .mul_add(r, 2.763_024_805_465_791e-7)
        .mul_add(r, 2.755_758_638_487_825e-6)
        .mul_add(r, 2.480_149_309_993_680_7e-5)
        .mul_add(r, 1.984_126_950_656_749e-4)
        .mul_add(r, 1.388_888_894_362_895_4e-3)
        .mul_add(r, 8.333_333_333_494_466e-3)
        .mul_add(r, 4.166_666_666_653_016e-2)
        .mul_add(r, 1.666_666_666_666_641_3e-1)
        .mul_add(r, 5.000_000_000_000_011e-1);
    let y = 1.0 + (r * r).mul_add(q, r);
    // Two steps: 2^n alone leaves the normal range before the result does.
    let n = t.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(2 * 1023);
    let half = n >> 1;
    let y = y * f64::from_bits(half << 52) * f64::from_bits((n - half) << 52);
    let y = if x < -746.0 { 0.0 } else { y };
    if x > 710.0 { f64::INFINITY } else { y }
}
