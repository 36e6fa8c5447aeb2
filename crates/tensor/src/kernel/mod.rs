//! The loops: plain slices in, plain slices out.
//!
//! A kernel knows nothing of tensors, shapes or the tape; from the rest of the crate it imports `dtype` alone.
//! - Lengths that must agree are the caller's promise, asserted at the top of the loop.
//! - Results have the same bits for every number of threads and every width of vector unit: blocks and lanes
//!   are fixed by length, never by the machine.
//! - Loops worth vectorising run inside [`vectorize!`](simd); no other file names an instruction set.
#![allow(
    clippy::inline_always,
    reason = "a function left out of line is compiled for the baseline: see `simd`"
)]
#![allow(clippy::cast_possible_truncation, reason = "narrowing is what a numeric kernel rounds with")]

pub(crate) mod dots;
pub(crate) mod fast_math;
pub(crate) mod fold;
pub(crate) mod gemm;
pub(crate) mod index;
pub(crate) mod map;
pub(crate) mod math;
pub(crate) mod matmul;
pub(crate) mod parallel;
pub(crate) mod real;
pub(crate) mod reduce;
pub(crate) mod simd;
pub(crate) mod sizes;
pub(crate) mod softmax;
pub(crate) mod sort;
pub(crate) mod update;
