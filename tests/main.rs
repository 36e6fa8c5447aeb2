//! Tests across the crates, in one program: it is linked once.

mod bad_input;
mod curves;
mod diagnostics;
mod divergences;
mod docs;
mod errors;
mod plot;
mod progress;
mod random;
mod tutorial;
