//! The operations. Each file holds the forward, the derivative and the documentation of its own; the loops are in
//! [`kernel`](crate::kernel).

pub(crate) mod arithmetic;
pub(crate) mod compare;
pub(crate) mod extremes;
pub(crate) mod index;
pub(crate) mod join;
pub(crate) mod matmul;
pub(crate) mod median;
pub(crate) mod operators;
pub mod pointwise;
pub(crate) mod product;
pub(crate) mod reduce;
pub(crate) mod scatter;
pub(crate) mod slicing;
pub(crate) mod softmax;
pub(crate) mod sort;
pub(crate) mod statistics;
pub(crate) mod traced;
pub(crate) mod view;
