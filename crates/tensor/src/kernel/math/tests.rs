#![allow(clippy::float_cmp, reason = "edges are exact")]
#![allow(clippy::type_complexity, clippy::too_many_lines, reason = "tables of functions")]

use super::super::real::{Float, Real};
use super::super::simd::forced::{at_most, levels};
use super::super::simd::{Level, vectorize};
use super::trig;

type Unary<T> = fn(&[T], &mut [T]);

/// The vectorised loop over one function: what a kernel runs.
macro_rules! map {
    (@ fast_exp) => { Float::fast_exp };
    (@ fast_ln) => { Float::fast_ln };
    (@ quick_ln) => { Float::quick_ln };
    (@ quick_log1p) => { Float::quick_log1p };
    (@ $name:ident) => { Real::$name };
    ($T:ident, $name:ident) => {
        |x: &[$T], out: &mut [$T]| {
            vectorize!(for (out, &x) in out.iter_mut().zip(x) {
                *out = map!(@ $name)(x);
            })
        }
    };
}

/// One `f32` in 4099 over all bit patterns: every exponent, both signs, subnormals, infinities and NaNs.
fn every_exponent_f32() -> Vec<f32> {
    (0..=u32::MAX).step_by(4099).map(f32::from_bits).chain(SPECIAL.map(|x| x as f32)).collect()
}

/// 2²⁰ `f64` bit patterns by a golden-ratio walk, and as many in [-40, 40].
fn every_exponent_f64() -> Vec<f64> {
    let bits = (0..1_u64 << 20).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let near = bits.clone().map(|b| (b >> 11) as f64 / (1_u64 << 53) as f64 * 80.0 - 40.0);
    bits.map(f64::from_bits).chain(near).chain(SPECIAL).collect()
}

const SPECIAL: [f64; 14] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    2.0,
    20.0,
    -20.0,
    1e-45,
    -1e-45,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e300,
];

fn run<T: Copy + Default>(f: Unary<T>, x: &[T]) -> Vec<T> {
    let mut out = vec![T::default(); x.len()];
    f(x, &mut out);
    out
}

/// The distance of `got` from `exact` in units of the last `f32` place of `exact`; infinite where only one is finite.
fn ulp_f32(got: f32, exact: f64) -> f64 {
    let rounded = exact as f32;
    if got == rounded || (got.is_nan() && rounded.is_nan()) {
        return (f64::from(got) - exact).abs().min(0.5);
    }
    if !got.is_finite() || exact.is_nan() {
        return f64::INFINITY;
    }
    let exponent = (rounded.abs().min(f32::MAX).to_bits() >> 23).max(1);
    (f64::from(got) - exact).abs() / 2_f64.powi(exponent.cast_signed() - 127 - 23)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[test]
fn f32_functions_stay_within_their_ulp() {
    let cases: [(&str, Unary<f32>, fn(f64) -> f64, f64); 17] = [
        ("exp", map!(f32, exp), f64::exp, 0.51),
        ("fast_exp", map!(f32, fast_exp), f64::exp, 1.0),
        ("expm1", map!(f32, expm1), f64::exp_m1, 1.0),
        ("ln", map!(f32, ln), f64::ln, 0.51),
        ("fast_ln", map!(f32, fast_ln), f64::ln, 1.0),
        ("log1p", map!(f32, log1p), f64::ln_1p, 0.53),
        ("quick_ln", map!(f32, quick_ln), f64::ln, 1.5),
        ("quick_log1p", map!(f32, quick_log1p), f64::ln_1p, 1.5),
        // Half a last place for the rounding, and 2⁻⁶ for the relative error of 2⁻³⁰ that the series has.
        ("log2", map!(f32, log2), f64::log2, 0.516),
        ("tanh", map!(f32, tanh), f64::tanh, 0.51),
        ("erf", map!(f32, erf), libm::erf, 0.52),
        ("sin", map!(f32, sin), f64::sin, 0.51),
        ("cos", map!(f32, cos), f64::cos, 0.51),
        ("tan", map!(f32, tan), f64::tan, 0.53),
        ("sines", trig::SIN.0, f64::sin, 0.51),
        ("cosines", trig::COS.0, f64::cos, 0.51),
        ("tangents", trig::TAN.0, f64::tan, 0.53),
    ];
    let x = every_exponent_f32();
    for (name, f, exact, bound) in cases {
        for (&x, y) in x.iter().zip(run(f, &x)) {
            let error = ulp_f32(y, exact(f64::from(x)));
            assert!(error <= bound, "{name}({x:e}) = {y:e} is off by {error} ULP");
        }
    }
}

#[test]
fn f32_sigmoid_stays_within_its_ulp_until_the_exponential_overflows() {
    let x = every_exponent_f32();
    for (&x, y) in x.iter().zip(run(map!(f32, sigmoid), &x)) {
        if x < -88.0 {
            assert!((0.0..1e-38).contains(&y), "sigmoid({x:e}) = {y:e}");
        } else {
            let error = ulp_f32(y, sigmoid(f64::from(x)));
            assert!(error <= 2.5, "sigmoid({x:e}) = {y:e} is off by {error} ULP");
        }
    }
}

#[test]
fn f64_functions_stay_within_two_ulp_of_the_standard_library() {
    let cases: [(&str, Unary<f64>, fn(f64) -> f64); 11] = [
        ("expm1", map!(f64, expm1), f64::exp_m1),
        ("log2", map!(f64, log2), f64::log2),
        ("tanh", map!(f64, tanh), f64::tanh),
        ("erf", map!(f64, erf), libm::erf),
        ("sin", trig::SIN.1, f64::sin),
        ("cos", trig::COS.1, f64::cos),
        ("tan", trig::TAN.1, libm::tan),
        ("exp", map!(f64, exp), f64::exp),
        ("ln", map!(f64, ln), f64::ln),
        ("log1p", map!(f64, log1p), f64::ln_1p),
        ("fast_exp", map!(f64, fast_exp), f64::exp),
    ];
    let x = every_exponent_f64();
    for (name, f, std) in cases {
        for (&x, y) in x.iter().zip(run(f, &x)) {
            let want = std(x);
            let same = y == want || (y.is_nan() && want.is_nan());
            // One for the standard library's error, one for ours.
            let near = y.to_bits().abs_diff(want.to_bits()) <= 2;
            assert!(same || near, "{name}({x:e}) = {y:e}, the standard library has {want:e}");
        }
    }
}

#[test]
fn every_level_computes_the_same_bits() {
    let x = every_exponent_f32();
    for f in [
        map!(f32, exp) as Unary<f32>,
        map!(f32, fast_exp),
        map!(f32, expm1),
        map!(f32, ln),
        map!(f32, fast_ln),
        map!(f32, log1p),
        map!(f32, log2),
        map!(f32, tanh),
        map!(f32, erf),
        map!(f32, sigmoid),
        trig::SIN.0,
        trig::COS.0,
        trig::TAN.0,
    ] {
        // Of a NaN only that it is one: its payload and sign are not promised.
        let bits =
            |level| at_most(level, || run(f, &x)).into_iter().map(|y| (!y.is_nan()).then_some(y.to_bits()));
        for level in levels() {
            assert!(bits(level).eq(bits(Level::Baseline)), "{level:?} differs from the baseline");
        }
    }
    let x = every_exponent_f64();
    for f in [
        map!(f64, exp) as Unary<f64>,
        map!(f64, ln),
        map!(f64, log1p),
        map!(f64, expm1),
        map!(f64, log2),
        map!(f64, tanh),
        map!(f64, erf),
        trig::SIN.1,
        trig::COS.1,
        trig::TAN.1,
    ] {
        let bits =
            |level| at_most(level, || run(f, &x)).into_iter().map(|y| (!y.is_nan()).then_some(y.to_bits()));
        for level in levels() {
            assert!(bits(level).eq(bits(Level::Baseline)), "{level:?} differs from the baseline");
        }
    }
}

/// Inputs at which the result is not the correct rounding, so that agreeing is no accident: `(x, y)` as bits, from
/// PyTorch 2.15.0 on AVX-512 (`torch.expm1`, `log1p`, `sigmoid`; its SLEEF's `expf` and `logf` for the others).
#[test]
fn f32_functions_share_their_last_bit_with_pytorch() {
    let cases: [(&str, fn(f32) -> f32, [(u32, u32); 4]); 4] = [
        (
            "fast_exp",
            Float::fast_exp,
            [
                (0x404a_8bfd, 0x41bd_7890),
                (0xbf94_f754, 0x3e9f_e582),
                (0x3f45_df68, 0x400a_a1ce),
                (0x417e_6bea, 0x4af5_b4ea),
            ],
        ),
        (
            "expm1",
            Real::expm1,
            [
                (0x3de4_fb82, 0x3df2_4631),
                (0x3f62_0089, 0x3fb5_7782),
                (0x408e_5d16, 0x42a9_0f2d),
                (0x40a3_cf02, 0x4326_2bdf),
            ],
        ),
        (
            "fast_ln",
            Float::fast_ln,
            [
                (0x3f96_43ac, 0x3e24_36ed),
                (0x4090_8626, 0x3fc0_fca3),
                (0x3eed_0114, 0xbf45_2ee4),
                (0x3f63_5327, 0xbdf3_4c22),
            ],
        ),
        (
            "sigmoid",
            Real::sigmoid,
            [
                (0x404a_8bfd, 0x3f75_a0fc),
                (0x3fca_02fc, 0x3f54_362d),
                (0xbd49_b906, 0x3ef9_b28c),
                (0x413b_3ee0, 0x3f7f_ff76),
            ],
        ),
    ];
    for (name, f, pairs) in cases {
        for (x, y) in pairs {
            let got = f(f32::from_bits(x)).to_bits();
            assert_eq!(got, y, "{name}({:e}): {got:#x}, PyTorch has {y:#x}", f32::from_bits(x));
        }
    }
}

/// What the module's documentation promises of the edges, for one type.
macro_rules! edges {
    ($T:ident, $test:ident) => {
        #[test]
        fn $test() {
            const INF: $T = $T::INFINITY;
            const NAN: $T = $T::NAN;
            let same = |a: $T, b: $T| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
            let cases: &[(&str, fn($T) -> $T, &[($T, $T)])] = &[
                (
                    "exp",
                    Real::exp,
                    &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), ($T::MAX, INF), ($T::MIN, 0.0)],
                ),
                (
                    "fast_exp",
                    Float::fast_exp,
                    &[(0.0, 1.0), (-0.0, 1.0), (INF, INF), (-INF, 0.0), ($T::MIN, 0.0)],
                ),
                ("expm1", Real::expm1, &[(0.0, 0.0), (-0.0, -0.0), (INF, INF), (-INF, -1.0)]),
                (
                    "ln",
                    Real::ln,
                    &[(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN)],
                ),
                (
                    "log1p",
                    Real::log1p,
                    &[(0.0, 0.0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-2.0, NAN), (-INF, NAN)],
                ),
                (
                    "fast_ln",
                    Float::fast_ln,
                    &[(1.0, 0.0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN)],
                ),
                (
                    "log2",
                    Real::log2,
                    &[(8.0, 3.0), (0.125, -3.0), (1.0, 0.0), (0.0, -INF), (INF, INF), (-1.0, NAN)],
                ),
                ("tanh", Real::tanh, &[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)]),
                ("sigmoid", Real::sigmoid, &[(0.0, 0.5), (INF, 1.0), (-INF, 0.0)]),
                ("erf", Real::erf, &[(0.0, 0.0), (-0.0, -0.0), (INF, 1.0), (-INF, -1.0)]),
                ("sin", Real::sin, &[(0.0, 0.0), (-0.0, -0.0), (INF, NAN)]),
                ("cos", Real::cos, &[(0.0, 1.0), (INF, NAN)]),
                ("tan", Real::tan, &[(0.0, 0.0), (-0.0, -0.0), (INF, NAN)]),
                ("sqrt", Real::sqrt, &[(4.0, 2.0), (-0.0, -0.0), (-1.0, NAN), (INF, INF)]),
                ("round", Real::round, &[(0.5, 0.0), (1.5, 2.0), (2.5, 2.0), (-0.5, -0.0)]),
                ("floor", Real::floor, &[(1.5, 1.0), (-1.5, -2.0)]),
                ("ceil", Real::ceil, &[(1.5, 2.0), (-1.5, -1.0)]),
                ("abs", Real::abs, &[(-1.5, 1.5), (-0.0, 0.0)]),
            ];
            for (name, f, pairs) in cases {
                for &(x, y) in pairs.iter().chain(&[(NAN, NAN)]) {
                    assert!(same(f(x), y), "{name}({x:e}) = {:e}, not {y:e}", f(x));
                }
            }
            for (x, y) in [(-3.0, -1.0), (2.0, 1.0), (0.0, 0.0), (-0.0, 0.0), (NAN, 0.0)] {
                assert!(same(Real::sign(x), y), "sign({x:e})");
            }
            assert!(same(Real::powr(2.0, 0.5), $T::sqrt(2.0)));
            assert!(same(Real::powr(NAN, 0.0), 1.0));
        }
    };
}

edges!(f32, f32_edges_are_exact);
edges!(f64, f64_edges_are_exact);
