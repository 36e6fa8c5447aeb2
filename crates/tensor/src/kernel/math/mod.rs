//! Elementary functions of one number, branch-free where a vector unit can gain from it.
//!
//! Call them as `Math::exp(x)`. None takes `self`, so `x.exp()` never reaches them: on a concrete `f32` that
//! would be the inherent method, and the difference would go unseen.
//!
//! Errors are in units in the last place of the result (ULP), measured against `f64` (for `f32`) and asserted by
//! the tests. Unless a function says otherwise: NaN in, NaN out; exact at 0 with the sign of 0 kept, at 1 and at
//! ±∞; subnormals are neither flushed on the way in nor on the way out. The bits are those of every vector unit:
//! `mul_add` rounds once, as an instruction or as a call. (As a call, on an x86 processor without FMA, it costs an
//! order of magnitude: 17 to 40 ns an element where AVX2 takes 0.3 to 1.5.)
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | `exp` `ln` `log1p` `log2` `tanh` `erf` | computed in `f64`, rounded once: ≤ 0.53 | |
//! | `fast_exp` `expm1` `fast_ln` `fast_log1p` | SLEEF 3's algorithms, bit for bit: ≤ 1.0 | |
//! | `quick_ln` `quick_log1p` | ≤ 1.5 | |
//! | `exp` `ln` `log1p` | | ≤ 1.0, vectorised; the `fast_` and `quick_` ones are these |
//! | `expm1` `log2` `tanh` `sin` `cos` `pow` | `sin` `cos` `pow`: the standard library | the standard library |
//! | `erf` | | the `libm` crate |
//!
//! SLEEF (N. Shibata, F. Petrogalli, 2020) is what `PyTorch` vectorises with, so what it computes from these —
//! softmax, log-softmax, sigmoid, softplus, log-sigmoid — has the same bits here, given the same order of sums.
//! `PyTorch` sends its free-standing `exp`, `log`, `tanh`, `erf`, `sin` and `cos` to MKL, whose algorithm is not
//! published: a nearly correct rounding is the likeliest to agree.

mod erf;
mod exp;
mod log;
mod pair;

/// Elementary functions of `f32` and `f64`; see the [module](self) for accuracy and for how to call them.
pub(crate) trait Math: Copy {
    /// `e^x`; 0 below about -104 (`f64`: -746), ∞ above about 88.7 (`f64`: 709.8).
    fn exp(x: Self) -> Self;

    /// `e^x` within 1 ULP: the exponential inside `PyTorch`'s softmax, sigmoid and softplus.
    ///
    /// Exactly 1 at 0 and exactly 0 at -∞, so a row's maximum weighs 1 and a masked entry nothing.
    fn fast_exp(x: Self) -> Self;

    /// `e^x` of a number that is wider: to 2⁻³⁰ for one rounding to `f32`.
    fn wide_exp(x: f64) -> f64;

    /// `e^x - 1`, accurate near 0.
    fn expm1(x: Self) -> Self;

    /// Natural logarithm; -∞ at ±0, NaN below.
    fn ln(x: Self) -> Self;

    /// The logarithm inside `PyTorch`'s log-softmax, within 1 ULP.
    fn fast_ln(x: Self) -> Self;

    /// `ln(1 + x)`, accurate near 0; -∞ at -1, NaN below.
    fn log1p(x: Self) -> Self;

    /// The `ln(1 + x)` inside `PyTorch`'s softplus and log-sigmoid, within 1 ULP.
    fn fast_log1p(x: Self) -> Self;

    /// `ln(x)` and `ln(1 + x)` for the terms of long sums, where one term's last digit is lost: in a third of the time.
    fn quick_ln(x: Self) -> Self;
    fn quick_log1p(x: Self) -> Self;

    /// Logarithm to base 2, exact at powers of two; -∞ at ±0, NaN below.
    fn log2(x: Self) -> Self;

    /// Hyperbolic tangent.
    fn tanh(x: Self) -> Self;

    /// `1 / (1 + e^-x)` in just these operations: ≤ 2.5 ULP, and exactly 0 once `e^-x` overflows.
    fn sigmoid(x: Self) -> Self;

    /// `ln(1 + e^x)` as `max(x, 0) + log1p(e^-|x|)`, which cannot overflow: ≤ 2 ULP; ∞ at ∞, 0 at -∞.
    fn ln_1p_exp(x: Self) -> Self;

    /// `ln(sigmoid(x))` as `min(x, 0) - log1p(e^-|x|)`: [`Math::ln_1p_exp`] of `-x`, negated, but 0 and not -0 at ∞.
    fn log_sigmoid(x: Self) -> Self;

    /// Error function.
    fn erf(x: Self) -> Self;

    /// Sine of `x` radians, for `x` of any size.
    fn sin(x: Self) -> Self;

    /// Cosine of `x` radians, for `x` of any size.
    fn cos(x: Self) -> Self;

    /// `x^y`, with C's values at the edges (`pow(x, 0) = 1` even for NaN).
    fn pow(x: Self, y: Self) -> Self;

    /// Square root, correctly rounded.
    fn sqrt(x: Self) -> Self;

    /// `1 / sqrt(x)`, each operation rounded: ≤ 1.5 ULP.
    fn rsqrt(x: Self) -> Self;

    /// Absolute value.
    fn abs(x: Self) -> Self;

    /// Largest integer not above `x`.
    fn floor(x: Self) -> Self;

    /// Smallest integer not below `x`.
    fn ceil(x: Self) -> Self;

    /// Nearest integer, halves to the even one.
    fn round_half_even(x: Self) -> Self;

    /// -1, 0 or 1; 0 for ±0 and, as in `PyTorch`, for NaN.
    fn sign(x: Self) -> Self;
}

macro_rules! math {
    ($T:ident, $wide:path { $($name:ident: $f:expr,)* }) => {
        impl Math for $T {
            $(#[inline(always)]
            fn $name(x: Self) -> Self {
                $f(x)
            })*

            #[inline(always)]
            fn wide_exp(x: f64) -> f64 {
                $wide(x)
            }

            #[inline(always)]
            fn sigmoid(x: Self) -> Self {
                1.0 / (1.0 + Self::fast_exp(-x))
            }

            #[inline(always)]
            fn ln_1p_exp(x: Self) -> Self {
                // A comparison, unlike `max`, lets NaN through.
                let positive = if x < 0.0 { 0.0 } else { x };
                positive + Math::fast_log1p(Math::fast_exp(-x.abs()))
            }

            #[inline(always)]
            fn log_sigmoid(x: Self) -> Self {
                let negative = if x > 0.0 { 0.0 } else { x };
                negative - Math::fast_log1p(Math::fast_exp(-x.abs()))
            }

            #[inline(always)]
            fn pow(x: Self, y: Self) -> Self {
                x.powf(y)
            }

            #[inline(always)]
            fn rsqrt(x: Self) -> Self {
                1.0 / x.sqrt()
            }

            #[inline(always)]
            fn sign(x: Self) -> Self {
                // Choices between floats stay in their vectors; integers would have to be converted.
                let (up, down) = (if x > 0.0 { 1.0 } else { 0.0 }, if x < 0.0 { 1.0 } else { 0.0 });
                up - down
            }
        }
    };
}

math!(
    f32,
    exp::coarse_exp {
        exp: exp::exp_f32,
        fast_exp: exp::fast_exp_f32,
        expm1: exp::expm1_f32,
        ln: log::ln_f32,
        fast_ln: log::fast_ln_f32,
        log1p: log::log1p_f32,
        fast_log1p: log::fast_log1p_f32,
        quick_ln: log::quick_ln_f32,
        quick_log1p: log::quick_log1p_f32,
        log2: log::log2_f32,
        tanh: exp::tanh_f32,
        erf: erf::erf_f32,
        sin: f32::sin,
        cos: f32::cos,
        sqrt: f32::sqrt,
        abs: f32::abs,
        floor: f32::floor,
        ceil: f32::ceil,
        round_half_even: f32::round_ties_even,
    }
);

math!(
    f64,
    exp::exp_f64 {
        exp: exp::exp_f64,
        fast_exp: exp::exp_f64,
        expm1: f64::exp_m1,
        ln: log::ln_f64,
        fast_ln: log::ln_f64,
        log1p: log::log1p_f64,
        fast_log1p: log::log1p_f64,
        quick_ln: log::ln_f64,
        quick_log1p: log::log1p_f64,
        log2: f64::log2,
        tanh: f64::tanh,
        erf: libm::erf,
        sin: f64::sin,
        cos: f64::cos,
        sqrt: f64::sqrt,
        abs: f64::abs,
        floor: f64::floor,
        ceil: f64::ceil,
        round_half_even: f64::round_ties_even,
    }
);

#[cfg(test)]
mod tests;
