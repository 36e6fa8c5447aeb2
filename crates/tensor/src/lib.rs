//! Tensors that remember how they were computed.
//!
//! ```
//! use downhill::Tensor;
//!
//! // Data: f32, f64, i64 and bool; arrays nest.
//! let x = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
//! let t = Tensor::from([1.0_f32, 0.0]);
//!
//! // A leaf that wants a gradient, and a program.
//! let w = Tensor::from([0.5_f32, -0.5]).requires_grad_()?;
//! let loss = (x.mv(&w)?.sigmoid() - t).square().mean()?;
//!
//! // Reverse mode fills the leaf's gradient and frees the graph.
//! loss.backward()?;
//! assert_eq!(w.grad().unwrap().shape(), &[2]);
//!
//! // Methods return errors that name the numbers; operators panic with the same text.
//! assert_eq!(
//!     x.mv(&Tensor::from([1.0_f32])).unwrap_err().to_string(),
//!     "mv: expected size 2 in dimension 0 of the right side, to follow shape [2, 2], but got shape [1]",
//! );
//! # Ok::<(), downhill::Error>(())
//! ```
//!
//! # Threads
//! Large operations run on rayon's threads: one a core, or as many as the environment variable `RAYON_NUM_THREADS` says; without
//! the feature `parallel`, which is on by default, on the thread that calls. The bits are the same.
//!
//! A process that was copied by `fork` has none of the threads, and computes on the thread that calls, with the same results. As
//! everywhere, `fork` only while no other thread computes, which may hold a lock that the copy waits for; a copy of a process that has
//! used rayon itself, but not this library, must not use either.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod approx;
mod array;
pub mod autograd;
mod buffer;
pub mod check;
mod construct;
mod display;
mod dtype;
mod error;
mod kernel;
pub mod kernels;
mod layout;
pub mod memory;
#[cfg(feature = "ndarray")]
mod ndarray;
mod ops;
mod pool;
pub mod random;
pub mod real;
mod shape;
mod tensor;

pub use autograd::{enable_grad, grad_enabled, graph, no_grad};
pub use construct::{Number, Step, arange, eye, full, linspace, ones, zeros};
pub use display::{PrintOptions, print_options, set_print_options};
pub use dtype::{DType, Element};
pub use error::{Error, Result};
pub use kernel::real::Float;
pub use ops::arithmetic::Rounding;
pub use ops::composed::Unique;
pub use ops::join::Parts;
pub use ops::operand::Operand;
pub use ops::pointwise;
pub use ops::scatter::Combine;
pub use ops::slicing::{IntoSlices, Iter, Slice};
pub use ops::view::Sizes;
pub use random::{
    bernoulli, bernoulli_like, multinomial, normal, rand, rand_like, randint, randn, randn_like, randperm,
    uniform,
};
pub use shape::{Dims, IntoShape, MAX_RANK, Shape};
pub use tensor::{IntoElement, Tensor};
