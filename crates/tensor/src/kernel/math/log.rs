//! Logarithms: split off the exponent, then a series in `(m - 1) / (m + 1)`, or in `m - 1` where few digits are wanted.

use super::exp::{LN2_HI, LN2_LO, ROUND};
use super::pair::Pair;
use crate::kernel::simd::inlined;
use std::f64::consts::{FRAC_1_SQRT_2, LN_2, LOG2_E};

const SQRT_HALF: f32 = std::f32::consts::FRAC_1_SQRT_2;
const TWO_64: f32 = 18_446_744_073_709_551_616.0;

/// The exponent of `x` when its significand is taken in [0.75, 1.5).
#[inline(always)]
fn exponent_f32(x: f32) -> i32 {
    ((x * (1.0 / 0.75)).to_bits() >> 23).cast_signed() - 127
}

/// `e ln 2 + ln((1 + x) / (1 - x))`, the second as SLEEF 3's polynomial.
#[inline(always)]
fn series_f32(e: f32, x: Pair) -> f32 {
    let x2 = x.hi * x.hi;
    let t = 0.302_729_5_f32.mul_add(x2, 0.399_610_82).mul_add(x2, 0.666_669_5);
    let ln2 = Pair::new(std::f32::consts::LN_2, -1.904_654_3e-9);
    ln2.mul_f32(e).fast_add(x.scale(2.0)).fast_add_f32(x2 * x.hi * t).round()
}

/// The algorithm and coefficients of SLEEF 3's `logf` (1.0 ULP).
#[inline(always)]
pub(crate) fn fast_ln_f32(x: f32) -> f32 {
    let tiny = x < f32::MIN_POSITIVE;
    let s = if tiny { x * TWO_64 } else { x };
    let e = exponent_f32(s);
    let m = f32::from_bits(s.to_bits().wrapping_sub((e << 23).cast_unsigned()));
    let e = if tiny { e - 64 } else { e };
    let y = series_f32(e as f32, Pair::sum(-1.0, m).div(Pair::sum(1.0, m)));
    edges_f32(x, y)
}

/// `y = ln x` with the values where the series has none.
#[inline(always)]
fn edges_f32(x: f32, y: f32) -> f32 {
    // Not `==` ∞ and 0: of such a chain the compiler makes a test of the class, in three times the instructions.
    let y = if x > f32::MAX { x } else { y };
    let y = if x < f32::from_bits(1) { f32::NEG_INFINITY } else { y };
    // Not `x < 0.0`: the bits of a NaN went through the series as if it were a number.
    if x >= 0.0 { y } else { f32::NAN }
}

/// `(e, m)` with `u = 2^e m` and `m` in [sqrt 1/2, sqrt 2), for normal and positive `u`.
#[inline(always)]
fn split_f32(u: f32) -> (i32, f32) {
    let shifted = u.to_bits().wrapping_add(1_f32.to_bits() - SQRT_HALF.to_bits());
    let m = f32::from_bits((shifted & ((1 << 23) - 1)) + SQRT_HALF.to_bits());
    ((shifted >> 23).cast_signed() - 127, m)
}

/// `ln(1 + f)` for `1 + f` in [sqrt 1/2, sqrt 2), with a relative error of 2⁻³⁰, to be rounded once.
///
/// Degree 11, minimax for the relative error, by Remez exchange with 60 digits. A division would save four terms and cost more.
/// The last terms are too small for their roundings to matter: they are computed in `f32`, in lanes of half the size.
#[inline(always)]
fn wide_series(f: f64, low: f32) -> f64 {
    let tail = 0.067_250_62_f32
        .mul_add(low, -0.116_760_48)
        .mul_add(low, 0.119_009_525)
        .mul_add(low, -0.124_073_386)
        .mul_add(low, 0.142_176_8)
        .mul_add(low, -0.166_676_9)
        .mul_add(low, 0.200_022_2);
    let q = f64::from(tail)
        .mul_add(f, -0.250_000_257_001_942_95)
        .mul_add(f, 0.333_333_108_121_969_37)
        .mul_add(f, -0.499_999_997_535_371_83);
    (f * f).mul_add(q, f)
}

/// `e ln 2 + ln(1 + f)`, rounded once.
#[inline(always)]
fn round_once(e: i32, f: f64, low: f32) -> f32 {
    f64::from(e).mul_add(LN_2, wide_series(f, low)) as f32
}

/// [`round_once`] in `f32`, for sums of many: of degree 10, by Remez exchange, with a relative error of 2⁻²⁷ beside its roundings.
#[inline(always)]
fn short_series(e: i32, f: f32) -> f32 {
    let q = (-0.076_217_264_f32)
        .mul_add(f, 0.129_043_9)
        .mul_add(f, -0.132_429_88)
        .mul_add(f, 0.141_818_33)
        .mul_add(f, -0.166_090_83)
        .mul_add(f, 0.200_019_73)
        .mul_add(f, -0.250_015_83)
        .mul_add(f, 0.333_333_25)
        .mul_add(f, -0.499_999_88);
    (e as f32).mul_add(std::f32::consts::LN_2, (f * f).mul_add(q, f))
}

/// `(e, f)` with `x = 2^e (1 + f)`.
#[inline(always)]
fn reduce_f32(x: f32) -> (i32, f32) {
    let tiny = x < f32::MIN_POSITIVE;
    let (e, m) = split_f32(if tiny { x * TWO_64 } else { x });
    (if tiny { e - 64 } else { e }, m - 1.0)
}

#[inline(always)]
pub(crate) fn ln_f32(x: f32) -> f32 {
    let (e, f) = reduce_f32(x);
    edges_f32(x, round_once(e, f64::from(f), f))
}

#[inline(always)]
pub(crate) fn quick_ln_f32(x: f32) -> f32 {
    let (e, f) = reduce_f32(x);
    edges_f32(x, short_series(e, f))
}

#[inline(always)]
pub(crate) fn log1p_f32(x: f32) -> f32 {
    log1p_by(x, inlined!(|e, f, lost| round_once(e, f64::from(f) + f64::from(lost), f + lost)))
}

#[inline(always)]
pub(crate) fn quick_log1p_f32(x: f32) -> f32 {
    log1p_by(x, inlined!(|e, f, lost| short_series(e, f + lost)))
}

#[inline(always)]
fn log1p_by(x: f32, series: impl Fn(i32, f32, f32) -> f32) -> f32 {
    let u = x + 1.0;
    let (e, m) = split_f32(u);
    // What the sum rounded away: exact where it matters, below 2²⁴. 2⁻¹²⁷ may be 0.
    let scale = f32::from_bits((127 - e.min(127)).cast_unsigned() << 23);
    let (f, lost) = (m - 1.0, (x - (u - 1.0)) * scale);
    let y = edges_f32(u, series(e, f, lost));
    // -0 in, -0 out.
    if x == 0.0 { x } else { y }
}

#[inline(always)]
pub(crate) fn log2_f32(x: f32) -> f32 {
    let (e, f) = reduce_f32(x);
    edges_f32(x, wide_series(f64::from(f), f).mul_add(LOG2_E, f64::from(e)) as f32)
}

/// `(s, bias)` for [`split_f64`]: subnormal numbers are scaled.
#[inline(always)]
fn scaled_f64(x: f64) -> (f64, u64) {
    if x < f64::MIN_POSITIVE { (x * (1_u64 << 54) as f64, 1023 + 54) } else { (x, 1023) }
}

/// `(e, f)` with `u = 2^(e + bias - 1023) (1 + f)` and `1 + f` in [sqrt 1/2, sqrt 2), for normal and positive `u`.
#[inline(always)]
fn split_f64(u: f64, bias: u64) -> (f64, f64) {
    let shifted = u.to_bits().wrapping_add(1_f64.to_bits() - FRAC_1_SQRT_2.to_bits());
    let m = f64::from_bits((shifted & ((1 << 52) - 1)) + FRAC_1_SQRT_2.to_bits());
    // Adding an integer to the bits of 1.5 · 2⁵² converts it to floating point on every vector unit.
    let e = f64::from_bits(ROUND.to_bits() + (shifted >> 52) - bias) - ROUND;
    (e, m - 1.0)
}

/// `(s, b)` with `ln(1 + f) = f - half + s b` and `half = f² / 2`.
///
/// fdlibm's reduction and coefficients (`e_log.c`, `s_log1p.c`; < 1 ULP).
#[inline(always)]
fn series_f64(f: f64, half: f64) -> (f64, f64) {
    let s = f / (2.0 + f);
    let z = s * s;
    let r = 1.479_819_860_511_658_6e-1_f64
        .mul_add(z, 1.531_383_769_920_937_3e-1)
        .mul_add(z, 1.818_357_216_161_805e-1)
        .mul_add(z, 2.222_219_843_214_978_4e-1)
        .mul_add(z, 2.857_142_874_366_239e-1)
        .mul_add(z, 3.999_999_999_940_942e-1)
        .mul_add(z, 6.666_666_666_666_735e-1)
        * z;
    (s, half + r)
}

/// `ln(u + u c)` for a relative correction `c` below the rounding error of `u`.
#[inline(always)]
fn sum_f64((u, bias): (f64, u64), c: f64) -> f64 {
    let (e, f) = split_f64(u, bias);
    let half = 0.5 * f * f;
    let (s, b) = series_f64(f, half);
    e * LN2_HI - ((half - s.mul_add(b, e.mul_add(LN2_LO, c))) - f)
}

#[inline(always)]
pub(crate) fn ln_f64(x: f64) -> f64 {
    edges_f64(x, sum_f64(scaled_f64(x), 0.0))
}

/// The logarithm of the significand and its product with 1 / ln 2 are sums of two numbers.
#[inline(always)]
pub(crate) fn log2_f64(x: f64) -> f64 {
    const LOG2_E_LOW: f64 = 2.035_527_374_093_103_3e-17;
    let (u, bias) = scaled_f64(x);
    let (e, f) = split_f64(u, bias);
    let half = 0.5 * f * f;
    let (s, b) = series_f64(f, half);
    let high = f - half;
    let low = s.mul_add(b, ((f - high) - half) - (0.5 * f).mul_add(f, -half));
    let y = high * LOG2_E;
    let rest = high.mul_add(LOG2_E_LOW, low.mul_add(LOG2_E, high.mul_add(LOG2_E, -y)));
    let sum = e + y;
    edges_f64(x, sum + (((e - sum) + y) + rest))
}

#[inline(always)]
fn edges_f64(x: f64, y: f64) -> f64 {
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x >= 0.0 { y } else { f64::NAN }
}

#[inline(always)]
pub(crate) fn log1p_f64(x: f64) -> f64 {
    let u = 1.0 + x;
    // What the sum rounded away; the larger operand first.
    let lost = if x > 1.0 { 1.0 - (u - x) } else { x - (u - 1.0) };
    let y = edges_f64(u, sum_f64((u, 1023), lost / u));
    if x == 0.0 { x } else { y }
}
