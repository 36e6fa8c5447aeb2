//! downhill-derive
