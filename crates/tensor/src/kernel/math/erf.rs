//! The error function.

use super::exp::{coarse_expm1, half_expm1};
use std::f64::consts::FRAC_2_SQRT_PI;

/// `erf |x| = 1 - e^(-|x| Q(|x|))`, which keeps relative accuracy down to 0 and needs no second interval.
///
/// Q of degree 9, minimax for the relative error of erf on [0, 3.95] (2⁻³¹), by Remez exchange with 60 digits.
#[inline(always)]
pub(crate) fn erf_f32(x: f32) -> f32 {
    let a = f64::from(x.abs());
    // erf 3.95 rounds to 1; a comparison, unlike `min`, lets NaN through.
    let a = if a > 3.95 { 3.95 } else { a };
    let q = 1.193_292_626_010_354_4e-6_f64
        .mul_add(a, -2.135_453_715_920_513_6e-5)
        .mul_add(a, 1.674_807_404_226_107_2e-4)
        .mul_add(a, -7.406_854_608_666_475e-4)
        .mul_add(a, 1.799_353_318_172_080_8e-3)
        .mul_add(a, -2.530_606_573_044_608_5e-4)
        .mul_add(a, -1.911_769_504_452_519e-2)
        .mul_add(a, 1.027_712_771_954_838_7e-1)
        .mul_add(a, 6.366_198_345_730_547e-1)
        .mul_add(a, 1.128_379_166_627_884_2);
    (-coarse_expm1(-a * q) as f32).copysign(x)
}

/// As [`erf_f32`], with Q in two parts. Rounding errors of the small one are damped by `e^(-|x| Q)` where they are not small.
///
/// Q of degree 25, minimax for the relative error of erf on [0, 5.95] (2⁻⁶⁰), by Remez exchange with 90 digits.
#[inline(always)]
pub(crate) fn erf_f64(x: f64) -> f64 {
    const FIRST: f64 = FRAC_2_SQRT_PI;
    const FIRST_LOW: f64 = 1.455_084_722_068_167_4e-17;
    let a = x.abs();
    // erf 5.95 rounds to 1.
    let a = if a > 5.95 { 5.95 } else { a };
    // Two chains, half as long as one.
    let z = a * a;
    let even = (-1.249_755_847_812_115_7e-16_f64)
        .mul_add(z, -1.702_210_536_385_511e-13)
        .mul_add(z, -2.986_755_229_725_985_6e-11)
        .mul_add(z, -1.563_043_215_966_768_8e-9)
        .mul_add(z, -3.025_966_602_616_269e-8)
        .mul_add(z, -1.966_068_708_772_531_6e-7)
        .mul_add(z, 1.972_562_784_878_984e-7)
        .mul_add(z, 2.685_495_554_743_610_8e-6)
        .mul_add(z, -2.978_840_311_895_816e-5)
        .mul_add(z, 2.586_876_343_900_281_5e-5)
        .mul_add(z, 1.696_205_953_371_755_8e-3)
        .mul_add(z, -1.912_844_700_867_185_8e-2)
        .mul_add(z, 6.366_197_723_675_816e-1);
    let odd = 6.725_657_658_502_258e-15_f64
        .mul_add(z, 2.693_525_112_643_266_8e-12)
        .mul_add(z, 2.463_360_340_559_572e-10)
        .mul_add(z, 7.763_549_139_080_353e-9)
        .mul_add(z, 9.084_919_731_704_349e-8)
        .mul_add(z, 2.342_316_849_460_740_4e-7)
        .mul_add(z, -1.580_526_433_181_119_4e-6)
        .mul_add(z, 3.517_946_512_080_968_7e-6)
        .mul_add(z, 6.452_079_749_053_105e-5)
        .mul_add(z, -5.901_230_957_803_221e-4)
        .mul_add(z, -2.091_946_442_614_485_3e-4)
        .mul_add(z, 1.027_726_033_019_235_5e-1);
    let p = odd.mul_add(a, even);
    let q = a.mul_add(p, FIRST);
    let low = a.mul_add(p, FIRST - q) + FIRST_LOW;
    let z = a * q;
    let y = -2.0 * half_expm1(-z, -a.mul_add(low, a.mul_add(q, -z))).0;
    // Half of a subnormal number may be none.
    (if a < 1e-20 { z } else { y }).copysign(x)
}
