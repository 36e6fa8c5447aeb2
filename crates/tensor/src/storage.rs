//! Memory of one of the four dtypes, and the one place where a dtype becomes a Rust type.

use crate::DType;
use crate::buffer::{Buffer, Plain};

#[derive(Clone, Debug)]
pub(crate) enum Storage {
    F32(Buffer<f32>),
    F64(Buffer<f64>),
    I64(Buffer<i64>),
    Bool(Buffer<bool>),
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

    /// Whether no other array shares the memory.
    pub(crate) fn is_unique(&self) -> bool {
        match self {
            Self::F32(x) => x.is_unique(),
            Self::F64(x) => x.is_unique(),
            Self::I64(x) => x.is_unique(),
            Self::Bool(x) => x.is_unique(),
        }
    }
}

/// How an element type finds its variant of [`Storage`]. Sealed: the four dtypes are all there are.
#[allow(private_interfaces, private_bounds, unreachable_pub)]
pub trait Stored: Plain + Sized {
    #[doc(hidden)]
    fn store(buffer: Buffer<Self>) -> Storage;
    #[doc(hidden)]
    fn of(storage: &Storage) -> Option<&Buffer<Self>>;
    #[doc(hidden)]
    fn of_mut(storage: &mut Storage) -> Option<&mut Buffer<Self>>;
}

macro_rules! stored {
    ($($type:ty: $variant:ident),*) => {$(
        #[allow(private_interfaces)]
        impl Stored for $type {
            fn store(buffer: Buffer<Self>) -> Storage {
                Storage::$variant(buffer)
            }
            fn of(storage: &Storage) -> Option<&Buffer<Self>> {
                if let Storage::$variant(b) = storage { Some(b) } else { None }
            }
            fn of_mut(storage: &mut Storage) -> Option<&mut Buffer<Self>> {
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
