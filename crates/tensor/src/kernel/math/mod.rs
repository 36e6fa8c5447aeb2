//! Elementary functions of one number, branch-free where a vector unit can gain from it.
//!
//! [`Real`](super::real::Real) and [`Float`](super::real::Float) have them as methods. On a concrete `f32`, `x.exp()` would be
//! the standard library's: call `Real::exp(x)` there.
//!
//! Errors are in units in the last place of the result (ULP), measured against `f64` (for `f32`) and asserted by
//! the tests. Unless a function says otherwise: NaN in, NaN out; exact at 0 with the sign of 0 kept, at 1 and at
//! ±∞; subnormals are neither flushed on the way in nor on the way out. The bits are those of every vector unit:
//! `mul_add` rounds once, as an instruction or as a call. (As a call, on an x86 processor without FMA, it costs an
//! order of magnitude: 17 to 40 ns an element where AVX2 takes 0.3 to 1.5.)
//!
//! | | `f32` | `f64` |
//! |---|---|---|
//! | `exp` `ln` `log1p` `log2` `tanh` `erf` `sin` `cos` `tan` | computed in `f64`, rounded once: ≤ 0.53 | |
//! | `fast_exp` `expm1` `fast_ln` | SLEEF 3's algorithms, bit for bit: ≤ 1.0 | |
//! | `quick_ln` `quick_log1p` | ≤ 1.5 | |
//! | `exp` `ln` `log1p` `expm1` `log2` `tanh` `erf` | | ≤ 1.0, vectorised; the `fast_` and `quick_` ones are these |
//! | `sin` `cos` `tan` | | ≤ 1.0 up to 10⁹, vectorised by [`trig::SIN`] and its kin; beyond, the standard library and the `libm` crate |
//! | `powr` | the standard library | the standard library |
//! | `sigmoid` | `1 / (1 + fast_exp(−x))`: ≤ 2.5, and 0 once the exponential overflows | the same |
//!
//! `exp` is 0 below about −104 (`f64`: −746) and ∞ above about 88.7 (709.8). Logarithms are −∞ at ±0 and NaN below, `log1p` at −1;
//! `log2` is exact at powers of two. `powr` has C's values at the edges: `x⁰` is 1 even for NaN.
//!
//! SLEEF (N. Shibata, F. Petrogalli, 2020) is what PyTorch vectorises with, so what it computes from these —
//! softmax, log-softmax, sigmoid — has the same bits here, given the same order of sums.
//! PyTorch sends its free-standing `exp`, `log`, `tanh`, `erf`, `sin` and `cos` to MKL, whose algorithm is not
//! published: a nearly correct rounding is the likeliest to agree.

pub(super) mod erf;
pub(super) mod exp;
pub(super) mod log;
mod pair;
pub(crate) mod trig;

#[cfg(test)]
mod tests;
