//! One formula, several readings.
//!
//! A pointwise function is written once, generically over [`Real`]. Read at `f32` or `f64` it is the body of a
//! vectorised loop; read at [`Traced`] it is a graph of tensor operations, so that its derivative can be derived again.

pub use crate::kernel::fast_math::FastMath;
pub use crate::kernel::real::Real;
pub use crate::ops::traced::Traced;
