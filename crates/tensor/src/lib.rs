//! downhill-tensor

mod kernel;
