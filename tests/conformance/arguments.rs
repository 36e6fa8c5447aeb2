//! A case's values as the library's own, and how a call takes them.

use std::collections::BTreeMap;

use downhill::{DType, Number, Operand, Tensor};

use crate::case::{Call, Named, Reference, Value, View};
use crate::corpus::{Array, Data, Dtype};
use crate::report::Miss;

/// An argument in the library's types.
#[derive(Clone, Debug)]
pub(crate) enum Argument {
    Null,
    Number(Number),
    Text(String),
    Dtype(DType),
    Tensor(Tensor),
    List(Vec<Argument>),
    Map(BTreeMap<String, Argument>),
}

/// The arguments of one call, and the leaves among them whose gradients are asked for.
pub(crate) struct Arguments {
    positional: Vec<Argument>,
    named: BTreeMap<String, Argument>,
    pub(crate) leaves: BTreeMap<String, Tensor>,
}

impl Arguments {
    pub(crate) fn new(call: &Call) -> Result<Self, Miss> {
        let mut leaves = Leaves { wanted: &call.grad_of, found: BTreeMap::new() };
        let positional = leaves.list("args", &call.args)?;
        // A module has only the one, a function only the other.
        let mut named = leaves.named("init", &call.init)?;
        named.append(&mut leaves.named("kwargs", &call.kwargs)?);
        Ok(Arguments { positional, named, leaves: leaves.found })
    }

    /// Arguments none of which requires a gradient.
    pub(crate) fn constants(args: &[Value], options: &Named) -> Result<Self, Miss> {
        let mut leaves = Leaves { wanted: &[], found: BTreeMap::new() };
        let positional = leaves.list("args", args)?;
        let named = leaves.named("kwargs", options)?;
        Ok(Arguments { positional, named, leaves: leaves.found })
    }

    /// The required argument at this position.
    pub(crate) fn at<T: Take>(&self, position: usize) -> Result<T, Miss> {
        let argument = self.positional.get(position);
        let argument = argument.ok_or_else(|| Miss::types(format!("no argument {position}")))?;
        T::take(argument).ok_or_else(|| Miss::types(format!("argument {position} is {argument:?}")))
    }

    pub(crate) fn len(&self) -> usize {
        self.positional.len()
    }

    /// The option of this name, once; `None` if it is not given.
    pub(crate) fn option<T: Take>(&mut self, name: &str) -> Result<Option<T>, Miss> {
        let Some(argument) = self.named.remove(name) else {
            return Ok(None);
        };
        T::take(&argument).map(Some).ok_or_else(|| Miss::types(format!("{name} is {argument:?}")))
    }

    /// The option of this name, or its default.
    pub(crate) fn or<T: Take>(&mut self, name: &str, default: T) -> Result<T, Miss> {
        Ok(self.option(name)?.unwrap_or(default))
    }

    /// The option of this name, which has no default.
    pub(crate) fn need<T: Take>(&mut self, name: &str) -> Result<T, Miss> {
        self.option(name)?.ok_or_else(|| Miss::types(format!("no {name}")))
    }

    /// Every option that is given must have been taken.
    pub(crate) fn finish(&self) -> Result<(), Miss> {
        match self.named.first_key_value() {
            None => Ok(()),
            Some((name, value)) => Err(Miss::types(format!("{name} is {value:?}"))),
        }
    }
}

struct Leaves<'a> {
    wanted: &'a [String],
    found: BTreeMap<String, Tensor>,
}

impl Leaves<'_> {
    fn argument(&mut self, path: &str, value: &Value) -> Result<Argument, Miss> {
        Ok(match value {
            Value::Null => Argument::Null,
            Value::Bool(flag) => Argument::Number(Number::Bool(*flag)),
            Value::Int(int) => Argument::Number(Number::Int(*int)),
            Value::Float(float) => Argument::Number(Number::Float(*float)),
            Value::Text(text) => Argument::Text(text.clone()),
            Value::Dtype(dtype) => Argument::Dtype(ours(*dtype)),
            Value::Tensor(reference) => {
                let mut tensor = tensor(reference)?;
                if self.wanted.iter().any(|wanted| wanted == path) {
                    tensor = tensor.requires_grad_()?;
                    self.found.insert(path.to_string(), tensor.clone());
                }
                Argument::Tensor(tensor)
            }
            Value::List(items) => Argument::List(self.list(path, items)?),
            Value::Map(map) => Argument::Map(self.named(path, map)?),
        })
    }

    fn list(&mut self, path: &str, items: &[Value]) -> Result<Vec<Argument>, Miss> {
        let items = items.iter().enumerate();
        items.map(|(i, item)| self.argument(&format!("{path}.{i}"), item)).collect()
    }

    fn named(&mut self, path: &str, map: &Named) -> Result<BTreeMap<String, Argument>, Miss> {
        map.iter()
            .map(|(name, value)| Ok((name.clone(), self.argument(&format!("{path}.{name}"), value)?)))
            .collect()
    }
}

pub(crate) fn ours(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::I64 => DType::I64,
        Dtype::Bool => DType::Bool,
    }
}

/// A stored tensor as one of ours.
pub(crate) fn tensor(reference: &Reference) -> Result<Tensor, Miss> {
    let Array { shape, data } = &*reference.stored;
    let whole = match data {
        Data::F64(values) => Tensor::from_slice(values, shape),
        Data::F32(values) => Tensor::from_slice(values, shape),
        Data::I64(values) => Tensor::from_slice(values, shape),
        Data::Bool(values) => Tensor::from_slice(values, shape),
    }?;
    Ok(match &reference.view {
        View::Whole => whole,
        View::Transposed(a, b) => whole.transpose(a.cast_signed(), b.cast_signed())?,
        View::Expanded(sizes) => whole.expand(&sizes[..])?,
    })
}

/// One of our tensors as plain data.
pub(crate) fn array(tensor: &Tensor) -> Result<Array, Miss> {
    let data = match tensor.dtype() {
        DType::F64 => Data::F64(tensor.to_vec()?),
        DType::F32 => Data::F32(tensor.to_vec()?),
        DType::I64 => Data::I64(tensor.to_vec()?),
        DType::Bool => Data::Bool(tensor.to_vec()?),
    };
    Ok(Array { shape: tensor.shape().to_vec(), data })
}

/// A type that arguments convert to; `None` where the value is not of it.
pub(crate) trait Take: Sized {
    fn take(argument: &Argument) -> Option<Self>;
}

macro_rules! take {
    ($($type:ty: $pattern:pat => $value:expr),* $(,)?) => {$(
        impl Take for $type {
            fn take(argument: &Argument) -> Option<Self> {
                match argument {
                    $pattern => $value,
                    _ => None,
                }
            }
        }
    )*};
}
take! {
    bool: Argument::Number(Number::Bool(flag)) => Some(*flag),
    i32: Argument::Number(Number::Int(int)) => (*int).try_into().ok(),
    i64: Argument::Number(Number::Int(int)) => Some(*int),
    isize: Argument::Number(Number::Int(int)) => (*int).try_into().ok(),
    usize: Argument::Number(Number::Int(int)) => (*int).try_into().ok(),
    Number: Argument::Number(number) => Some(*number),
    String: Argument::Text(text) => Some(text.clone()),
    DType: Argument::Dtype(dtype) => Some(*dtype),
    Tensor: Argument::Tensor(tensor) => Some(tensor.clone()),
    BTreeMap<String, Argument>: Argument::Map(map) => Some(map.clone()),
}

impl Take for f64 {
    fn take(argument: &Argument) -> Option<Self> {
        match argument {
            Argument::Number(Number::Int(int)) => Some(*int as f64),
            Argument::Number(Number::Float(float)) => Some(*float),
            _ => None,
        }
    }
}

impl Take for Operand {
    fn take(argument: &Argument) -> Option<Self> {
        match argument {
            Argument::Tensor(tensor) => Some(Operand::Tensor(tensor.clone())),
            Argument::Number(number) => Some(Operand::Number(*number)),
            _ => None,
        }
    }
}

impl Take for Argument {
    fn take(argument: &Argument) -> Option<Self> {
        Some(argument.clone())
    }
}

/// One dim or an array of them.
pub(crate) struct Several(pub(crate) Vec<isize>);

impl Take for Several {
    fn take(argument: &Argument) -> Option<Self> {
        let one = isize::take(argument).map(|dim| vec![dim]);
        one.or_else(|| Vec::take(argument)).map(Several)
    }
}

impl<T: Take> Take for Option<T> {
    fn take(argument: &Argument) -> Option<Self> {
        match argument {
            Argument::Null => Some(None),
            _ => T::take(argument).map(Some),
        }
    }
}

impl<T: Take> Take for Vec<T> {
    fn take(argument: &Argument) -> Option<Self> {
        match argument {
            Argument::List(items) => items.iter().map(T::take).collect(),
            _ => None,
        }
    }
}
