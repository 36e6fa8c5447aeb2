//! downhill

pub use nn;
pub use tensor::*;
