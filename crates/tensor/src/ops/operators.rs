//! `a + b` and its kin, for tensors, references and numbers.
//!
//! Operators are for expressions that fit by construction: where a method returns an error, they panic with its text,
//! at the user's line. Use the methods in code that takes shapes from outside.

use crate::{Number, Result, Tensor};
use std::ops::{Add, Div, Mul, Neg, Sub};

#[track_caller]
fn fits(result: Result<Tensor>) -> Tensor {
    match result {
        Ok(x) => x,
        Err(error) => panic!("{error}"),
    }
}

/// For each operator: tensors and references on both sides, and numbers on either.
macro_rules! operator {
    ($trait:ident $method:ident, |$x:ident, $n:ident| $number_first:expr) => {
        operator!(@tensors $trait $method, Tensor, Tensor, |r| &r);
        operator!(@tensors $trait $method, Tensor, &Tensor, |r| r);
        operator!(@tensors $trait $method, &Tensor, Tensor, |r| &r);
        operator!(@tensors $trait $method, &Tensor, &Tensor, |r| r);
        operator!(@numbers $trait $method, |$x, $n| $number_first, f64 i64);
    };
    (@tensors $trait:ident $method:ident, $left:ty, $right:ty, |$r:ident| $as_ref:expr) => {
        /// Panics where the method of the same name returns an error.
        impl $trait<$right> for $left {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $r: $right) -> Tensor {
                fits(Tensor::$method(&self, $as_ref))
            }
        }
    };
    (@numbers $trait:ident $method:ident, |$x:ident, $n:ident| $number_first:expr, $($number:ty)*) => {$(
        /// Panics where the method of the same name returns an error.
        impl $trait<$number> for Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: $number) -> Tensor {
                fits(Tensor::$method(&self, right))
            }
        }
        /// Panics where the method of the same name returns an error.
        impl $trait<$number> for &Tensor {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: $number) -> Tensor {
                fits(Tensor::$method(self, right))
            }
        }
        /// Panics where the method of the same name returns an error.
        impl $trait<Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, right: Tensor) -> Tensor {
                $trait::$method(self, &right)
            }
        }
        /// Panics where the method of the same name returns an error.
        impl $trait<&Tensor> for $number {
            type Output = Tensor;
            #[track_caller]
            fn $method(self, $x: &Tensor) -> Tensor {
                let $n = Number::from(self);
                fits($number_first)
            }
        }
    )*};
}

operator!(Add add, |x, n| Tensor::add(x, n));
operator!(Sub sub, |x, n| x.rsub(n));
operator!(Mul mul, |x, n| Tensor::mul(x, n));
operator!(Div div, |x, n| Tensor::mul(&x.reciprocal(), n));

/// Panics for booleans.
impl Neg for Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        fits(Tensor::neg(&self))
    }
}

/// Panics for booleans.
impl Neg for &Tensor {
    type Output = Tensor;
    #[track_caller]
    fn neg(self) -> Tensor {
        fits(Tensor::neg(self))
    }
}
