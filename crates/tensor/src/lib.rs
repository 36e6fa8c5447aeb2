//! downhill-tensor
