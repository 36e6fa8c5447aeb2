//! Files of data: the first byte says how a table is read, all of them are an array, too.
#![no_main]
// The other targets' parts.
#![allow(dead_code)]

#[path = "../../tests/random/mod.rs"]
mod random;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| random::readers::run(bytes));
