//! Entries of a state: how numbers are saved as tensors, and what is refused when they are loaded.

use super::PerGroup;
use crate::{Error, Result, StateDict, text};
use downhill_tensor::{DType, Tensor, memory};
use std::fmt;

/// The operation that errors name.
pub(super) const LOAD: &str = "load_state_dict";

/// Whole numbers below it are numbers of `f64`.
const TWO_53: f64 = (1_u64 << 53) as f64;

pub(super) fn missing(entry: &str) -> Error {
    Error::argument(LOAD, format!("there is no {entry}"))
}

pub(super) fn wrong(entry: &str, what: &str, got: impl fmt::Display) -> Error {
    Error::argument(LOAD, format!("{entry} {what}, but is {got}"))
}

/// The number of an entry that must have one.
pub(super) fn one(entry: &str, value: &Tensor) -> Result<f64> {
    if value.numel() != 1 {
        return Err(Error::shape(LOAD, format!("one number for {entry}"), value.shape()));
    }
    value.try_to_dtype(DType::F64)?.item()
}

/// An error unless `what` has used up a state.
pub(super) fn check_used_up(what: &str, state: &StateDict) -> Result<()> {
    match state.iter().next() {
        None => Ok(()),
        Some((name, _)) => Err(Error::argument(LOAD, format!("{what} has no place for {name}"))),
    }
}

/// What an entry of a state holds.
pub(super) trait Saved: Sized {
    /// It as a tensor.
    fn save(&self) -> Tensor;

    /// What a tensor holds, which is to take the place of `self`.
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self>;
}

impl Saved for usize {
    fn save(&self) -> Tensor {
        Tensor::from(*self as i64)
    }
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self> {
        let count = 0.0.load(entry, value)?;
        if count.fract() != 0.0 || !(0.0..TWO_53).contains(&count) {
            return Err(wrong(entry, "must be a whole number of at least 0", text::float(count)));
        }
        Ok(count as Self)
    }
}

impl Saved for f64 {
    fn save(&self) -> Tensor {
        Tensor::from(*self)
    }
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self> {
        if value.dtype() == DType::Bool {
            return Err(wrong(entry, "must be a number", value.dtype()));
        }
        one(entry, value)
    }
}

impl Saved for bool {
    fn save(&self) -> Tensor {
        Tensor::from(*self)
    }
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self> {
        if value.dtype() != DType::Bool {
            return Err(wrong(entry, "must be bool", value.dtype()));
        }
        Ok(one(entry, value)? != 0.0)
    }
}

/// One for each group.
impl Saved for Vec<f64> {
    fn save(&self) -> Tensor {
        Tensor::from(self.clone())
    }
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self> {
        if *value.shape() != [self.len()] {
            return Err(Error::shape(LOAD, format!("shape [{}] for {entry}", self.len()), value.shape()));
        }
        value.dtype().check_float(LOAD).map_err(|_| wrong(entry, "must be floats", value.dtype()))?;
        value.try_to_dtype(DType::F64)?.to_vec()
    }
}

/// As many as there are.
impl Saved for Vec<usize> {
    fn save(&self) -> Tensor {
        Tensor::from(self.iter().map(|&count| count as i64).collect::<Vec<_>>())
    }
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self> {
        if value.shape().len() != 1 {
            return Err(Error::shape(LOAD, format!("one dimension for {entry}"), value.shape()));
        }
        if value.dtype() != DType::I64 {
            return Err(wrong(entry, "must be int64", value.dtype()));
        }
        let counts = value.to_vec::<i64>()?.into_iter().map(usize::try_from);
        counts.collect::<Result<_, _>>().map_err(|_| wrong(entry, "must not be negative", value))
    }
}

/// Three for each group, one after the other.
impl Saved for Vec<[f64; 3]> {
    fn save(&self) -> Tensor {
        self.concat().save()
    }
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self> {
        let numbers = self.concat().load(entry, value)?;
        Ok(numbers.chunks_exact(3).map(|three| [three[0], three[1], three[2]]).collect())
    }
}

impl Saved for PerGroup {
    fn save(&self) -> Tensor {
        match self {
            Self::All(number) => number.save(),
            Self::Each(numbers) => numbers.save(),
        }
    }
    fn load(&self, entry: &str, value: &Tensor) -> Result<Self> {
        match self {
            _ if value.shape().is_empty() => 0.0.load(entry, value).map(Self::All),
            Self::All(_) if value.dim() == 1 => {
                // As many as there are: the view of one number may claim any number of them.
                let any = memory::vec(LOAD, 0.0, value.numel())?;
                any.load(entry, value).map(Self::Each)
            }
            Self::All(_) => Err(Error::shape(LOAD, format!("one dimension for {entry}"), value.shape())),
            Self::Each(numbers) => numbers.load(entry, value).map(Self::Each),
        }
    }
}

/// A choice between two, as whether it is the second.
macro_rules! either {
    ($choice:ident, $first:ident, $second:ident) => {
        impl $crate::optim::saved::Saved for $choice {
            fn save(&self) -> downhill_tensor::Tensor {
                (*self == Self::$second).save()
            }
            fn load(&self, entry: &str, value: &downhill_tensor::Tensor) -> $crate::Result<Self> {
                Ok(if false.load(entry, value)? { Self::$second } else { Self::$first })
            }
        }
    };
}
pub(super) use either;

/// Takes an entry out of a state, to take the place of `old`.
pub(super) fn take<T: Saved>(state: &mut StateDict, entry: &str, old: &T) -> Result<T> {
    let value = state.remove(entry).ok_or_else(|| missing(entry))?;
    old.load(entry, &value)
}

/// `state_dict` and `load_state_dict` of a schedule, from its fields and the names of their entries, and what refuses a schedule
/// with such fields.
macro_rules! saved {
    ($([$vis:vis])? $name:literal, $check:expr; $($($field:ident).+ => $entry:literal),*) => {
        /// All that a later run needs to go on: the options and how far it has come.
        $($vis)? fn state_dict(&self) -> $crate::StateDict {
            [$(($entry, $crate::optim::saved::Saved::save(&self.$($field).+))),*].into_iter().collect()
        }

        /// Goes on from a state: its options, and how far it had come. The optimizer's learning rates are in the optimizer's state.
        ///
        /// # Errors
        /// [`Error::Argument`](crate::Error::Argument) and [`Error::Shape`](crate::Error::Shape), with the entry, for one that is missing,
        /// unexpected or does not fit. Nothing is changed then.
        $($vis)? fn load_state_dict(&mut self, state: &$crate::StateDict) -> $crate::Result<()> {
            let (mut state, mut new) = (state.clone(), self.clone());
            $(new.$($field).+ = $crate::optim::saved::take(&mut state, $entry, &self.$($field).+)?;)*
            $crate::optim::saved::check_used_up($name, &state)?;
            let check: fn(&Self) -> $crate::Result<()> = $check;
            check(&new)?;
            *self = new;
            Ok(())
        }
    };
}
pub(super) use saved;
