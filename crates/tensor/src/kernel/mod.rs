//! The loops: plain slices in, plain slices out.
//!
//! A kernel knows nothing of tensors, shapes or the tape; from the rest of the crate it imports `dtype` alone.
//! - Lengths that must agree are the caller's promise, asserted at the top of the loop.
//! - Results have the same bits for every number of threads and every width of vector unit: blocks and lanes
//!   are fixed by length, never by the machine.
//! - Loops worth vectorising run inside [`vectorize!`](simd); no other file names an instruction set.
#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    reason = "the operations that call these kernels land one by one"
)]

pub(crate) mod simd;
