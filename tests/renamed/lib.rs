//! A module in a package that calls downhill by another name: it compiles, so the derive writes that name alone.

use dh::prelude::*;

/// A layer, and options of a module's own.
#[derive(Debug, Module)]
#[module(crate = dh::nn, extra_repr = Self::options)]
pub struct Net {
    /// The layer.
    pub fc: Linear,
}

impl Net {
    fn options(&self) -> String {
        format!("outputs={}", self.fc.weight.tensor().shape()[0])
    }
}

/// A network.
///
/// # Errors
/// Those of [`Linear::new`].
pub fn net() -> Result<Net> {
    Ok(Net { fc: Linear::new(2, 3)? })
}
