//! Approximate equality, for tests: the traits of the [`approx`](https://docs.rs/approx/0.5) crate.

use crate::dtype::dispatch;
use crate::{Float, Tensor};
use ::approx::{AbsDiffEq, RelativeEq, UlpsEq};

/// Whether shapes and dtypes are equal and `f32` or `f64` says so of every pair of floats; other elements must be equal.
fn all<F: Close>(a: &Tensor, b: &Tensor, f: F) -> bool {
    if a.shape() != b.shape() || a.dtype() != b.dtype() {
        return false;
    }
    if !a.dtype().is_float() {
        return a == b;
    }
    dispatch!(float a.dtype(), T => a.value().all_pairs::<T>(b.value(), &|a, b| a.iter().zip(b).all(|(a, b)| f.close(a, b))))
}

/// A comparison that is read at both floats.
trait Close {
    fn close<T: Approx>(&self, a: &T, b: &T) -> bool;
}

/// A float that `approx` compares with tolerances of its own type.
trait Approx: Float + AbsDiffEq<Epsilon = Self> + RelativeEq + UlpsEq {}
impl Approx for f32 {}
impl Approx for f64 {}

/// The tolerance in the elements' type. The default, `f64`'s machine epsilon, stands for that type's own: no two
/// distinct `f32` are relatively as near as that.
fn tolerance<T: Approx>(epsilon: f64) -> T {
    if epsilon == f64::EPSILON { T::default_epsilon() } else { T::of_f64(epsilon) }
}

struct Absolute(f64);
impl Close for Absolute {
    fn close<T: Approx>(&self, a: &T, b: &T) -> bool {
        a.abs_diff_eq(b, tolerance(self.0))
    }
}

struct Relative(f64, f64);
impl Close for Relative {
    fn close<T: Approx>(&self, a: &T, b: &T) -> bool {
        a.relative_eq(b, tolerance(self.0), tolerance(self.1))
    }
}

struct Ulps(f64, u32);
impl Close for Ulps {
    fn close<T: Approx>(&self, a: &T, b: &T) -> bool {
        a.ulps_eq(b, tolerance(self.0), self.1)
    }
}

/// `approx::assert_abs_diff_eq!(a, b)`: elements that differ by no more than `epsilon`.
///
/// Tensors of different shapes or dtypes are not equal; a NaN equals nothing; integers and booleans must be equal.
/// The default tolerance is the machine epsilon of the dtype.
///
/// ```
/// use approx::assert_abs_diff_eq;
/// let x = downhill::Tensor::from([1.0_f32, 2.0]);
/// assert_abs_diff_eq!(x.sqrt().square(), x, epsilon = 1e-6);
/// ```
impl AbsDiffEq for Tensor {
    type Epsilon = f64;
    fn default_epsilon() -> f64 {
        f64::EPSILON
    }
    fn abs_diff_eq(&self, other: &Self, epsilon: f64) -> bool {
        all(self, other, Absolute(epsilon))
    }
}

/// `approx::assert_relative_eq!(a, b)`: elements that differ by no more than `epsilon`, or `max_relative` of the larger.
///
/// ```
/// use approx::assert_relative_eq;
/// let x = downhill::Tensor::from([1.0_f32, 2e10]);
/// assert_relative_eq!(x.sqrt().square(), x, max_relative = 1e-6);
/// ```
impl RelativeEq for Tensor {
    fn default_max_relative() -> f64 {
        f64::EPSILON
    }
    fn relative_eq(&self, other: &Self, epsilon: f64, max_relative: f64) -> bool {
        all(self, other, Relative(epsilon, max_relative))
    }
}

/// `approx::assert_ulps_eq!(a, b)`: elements that differ by no more than `epsilon`, or with at most `max_ulps` floats
/// between them.
///
/// ```
/// use approx::assert_ulps_eq;
/// let x = downhill::Tensor::from([1.0_f32, 2e10]);
/// assert_ulps_eq!(x.sqrt().square(), x, max_ulps = 4);
/// ```
impl UlpsEq for Tensor {
    fn default_max_ulps() -> u32 {
        f64::default_max_ulps()
    }
    fn ulps_eq(&self, other: &Self, epsilon: f64, max_ulps: u32) -> bool {
        all(self, other, Ulps(epsilon, max_ulps))
    }
}
