//! Programs on large tensors, on one thread and on three.
#![no_main]
// The other targets' parts.
#![allow(dead_code)]

#[path = "../../tests/random/mod.rs"]
mod random;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| random::threads::run(bytes));
