//! Files of states: the bytes are the file.
#![no_main]
// The other targets' parts.
#![allow(dead_code)]

#[path = "../../tests/random/mod.rs"]
mod random;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| random::files::run(bytes));
