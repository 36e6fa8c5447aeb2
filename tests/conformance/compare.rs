//! When a result of ours counts as PyTorch's.

use crate::corpus::{Array, Data};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tolerance {
    pub(crate) rtol: f64,
    pub(crate) atol: f64,
}

impl Tolerance {
    pub(crate) const EXACT: Self = Tolerance { rtol: 0.0, atol: 0.0 };

    /// |ours − theirs| ≤ atol + rtol·|theirs|; NaN equals NaN, an infinity equals itself.
    pub(crate) fn admits(self, ours: f64, theirs: f64) -> bool {
        if ours.is_finite() && theirs.is_finite() {
            (ours - theirs).abs() <= self.atol + self.rtol * theirs.abs()
        } else {
            ours.total_cmp(&theirs).is_eq() || (ours.is_nan() && theirs.is_nan())
        }
    }
}

/// Compares a result, which `what` names, with PyTorch's; the error tells the first difference.
pub(crate) fn compare(what: &str, ours: &Array, theirs: &Array, tolerance: Tolerance) -> Result<(), String> {
    if ours.data.dtype() != theirs.data.dtype() {
        return Err(format!("{what} is of dtype {:?}, not {:?}", ours.data.dtype(), theirs.data.dtype()));
    }
    if ours.shape != theirs.shape {
        return Err(format!("{what} has shape {:?}, not {:?}", ours.shape, theirs.shape));
    }
    let difference = match (&ours.data, &theirs.data) {
        (Data::F64(x), Data::F64(y)) => first(x, y, |&x, &y| tolerance.admits(x, y)),
        (Data::F32(x), Data::F32(y)) => first(x, y, |&x, &y| tolerance.admits(x.into(), y.into())),
        (Data::I64(x), Data::I64(y)) => first(x, y, i64::eq),
        (Data::Bool(x), Data::Bool(y)) => first(x, y, bool::eq),
        _ => None,
    };
    match difference {
        None => Ok(()),
        Some((at, difference)) => {
            let index = unravel(at, &ours.shape);
            Err(format!("{what}{index:?} is {difference} ({tolerance:?})"))
        }
    }
}

/// Like [`compare`], where a missing tensor stands for zeros.
pub(crate) fn compare_or_zeros(
    what: &str,
    ours: Option<&Array>,
    theirs: Option<&Array>,
    tolerance: Tolerance,
) -> Result<(), String> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => compare(what, ours, theirs, tolerance),
        (Some(array), None) | (None, Some(array)) => {
            compare(what, array, &zeros_like(array), Tolerance::EXACT)
                .map_err(|difference| format!("{difference}, with the other side missing"))
        }
        (None, None) => Ok(()),
    }
}

fn zeros_like(array: &Array) -> Array {
    let data = match &array.data {
        Data::F64(values) => Data::F64(vec![0.0; values.len()]),
        Data::F32(values) => Data::F32(vec![0.0; values.len()]),
        Data::I64(values) => Data::I64(vec![0; values.len()]),
        Data::Bool(values) => Data::Bool(vec![false; values.len()]),
    };
    Array { shape: array.shape.clone(), data }
}

fn first<T: std::fmt::Display>(
    ours: &[T],
    theirs: &[T],
    equal: impl Fn(&T, &T) -> bool,
) -> Option<(usize, String)> {
    let mut pairs = ours.iter().zip(theirs).enumerate();
    pairs.find(|(_, (x, y))| !equal(x, y)).map(|(at, (x, y))| (at, format!("{x}, not {y}")))
}

fn unravel(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|size| {
            let i = at % size;
            at /= size;
            i
        })
        .collect();
    index.reverse();
    index
}
