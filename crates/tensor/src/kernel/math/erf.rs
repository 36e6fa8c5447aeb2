//! The error function.

use super::exp::coarse_expm1;

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
