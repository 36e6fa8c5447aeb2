//! Memory of one of the four dtypes, and the one place where a dtype becomes a Rust type.

use crate::buffer::{Buffer, Plain};
use crate::{DType, Element};
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) enum Storage {
    F32(Arc<Buffer<f32>>),
    F64(Arc<Buffer<f64>>),
    I64(Arc<Buffer<i64>>),
    Bool(Arc<Buffer<bool>>),
}

impl Storage {
    pub(crate) fn dtype(&self) -> DType {
        match self {
            Self::F32(_) => DType::F32,
            Self::F64(_) => DType::F64,
            Self::I64(_) => DType::I64,
            Self::Bool(_) => DType::Bool,
        }
    }
}

/// How an element type finds its variant of [`Storage`]. Sealed: the four dtypes are all there are.
#[allow(private_interfaces, private_bounds, unreachable_pub)]
pub trait Stored: Plain + Sized {
    #[doc(hidden)]
    fn store(buffer: Arc<Buffer<Self>>) -> Storage;
    #[doc(hidden)]
    fn of(storage: &Storage) -> Option<&Arc<Buffer<Self>>>;
    #[doc(hidden)]
    fn of_mut(storage: &mut Storage) -> Option<&mut Arc<Buffer<Self>>>;
}

macro_rules! stored {
    ($($type:ty: $variant:ident),*) => {$(
        #[allow(private_interfaces)]
        impl Stored for $type {
            fn store(buffer: Arc<Buffer<Self>>) -> Storage {
                Storage::$variant(buffer)
            }
            fn of(storage: &Storage) -> Option<&Arc<Buffer<Self>>> {
                if let Storage::$variant(b) = storage { Some(b) } else { None }
            }
            fn of_mut(storage: &mut Storage) -> Option<&mut Arc<Buffer<Self>>> {
                if let Storage::$variant(b) = storage { Some(b) } else { None }
            }
        }
    )*};
}
stored!(f32: F32, f64: F64, i64: I64, bool: Bool);

/// Runs `$body` with `$T` standing for the dtype's Rust type: `dispatch!(dtype, T => f::<T>(x))`;
/// with `float` in front, for the two floats only (others are unreachable: callers have checked).
macro_rules! dispatch {
    (float $dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            _ => {
                type $T = f32;
                $body
            }
        }
    };
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::F32 => {
                type $T = f32;
                $body
            }
            $crate::DType::F64 => {
                type $T = f64;
                $body
            }
            $crate::DType::I64 => {
                type $T = i64;
                $body
            }
            $crate::DType::Bool => {
                type $T = bool;
                $body
            }
        }
    };
}
pub(crate) use dispatch;

/// A fresh buffer as storage, from values.
pub(crate) fn store<T: Element>(buffer: Buffer<T>) -> Storage {
    T::store(Arc::new(buffer))
}
