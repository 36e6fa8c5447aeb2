//! Tests of what tensors do, in one program: it is linked once. What needs a process to itself stands beside this folder.

mod approx;
mod autograd;
mod composed;
mod dtypes;
mod index;
mod join;
mod logic;
mod products;
mod put;
mod reduce;
// Its sizes are those of 64 bits.
#[cfg(target_pointer_width = "64")]
mod robust;
mod softmax;
mod sort;
mod values;
mod view;
mod watch;
