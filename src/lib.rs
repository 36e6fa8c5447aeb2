//! downhill

pub use nn;
pub use tensor::*;

#[cfg(doctest)]
mod pages;
