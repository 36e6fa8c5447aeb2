//! What a corpus asks, as types: see the README of the corpus for the meaning of each field.

use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value as Json;

use crate::compare::Tolerance;
use crate::corpus::{Array, Data, Dtype, Tensors};

/// Values by name: arguments, a module's state, gradients.
pub(crate) type Named = BTreeMap<String, Value>;

/// An argument or a result.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Dtype(Dtype),
    Tensor(Reference),
    List(Vec<Value>),
    /// Options that travel together, such as `LinearCrossEntropyOptions`.
    Map(Named),
}

/// A stored tensor, or a view of one.
#[derive(Clone, Debug)]
pub(crate) struct Reference {
    pub(crate) stored: Rc<Array>,
    pub(crate) view: View,
}

#[derive(Clone, Debug)]
pub(crate) enum View {
    Whole,
    Transposed(usize, usize),
    Expanded(Vec<usize>),
}

pub(crate) struct Case {
    /// What the case is counted under: the name of its call, or of its kind and class.
    pub(crate) subject: String,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Op(Op),
    Random(Random),
    Repr(Repr),
    Optim(Optim),
    Lr(Lr),
    Train(Train),
}

/// Either what PyTorch computes, or that it refuses, in its words.
pub(crate) type Expected<T> = Result<T, String>;

/// A call of a function, or of a module that is built first.
pub(crate) struct Call {
    pub(crate) function: String,
    pub(crate) init: Named,
    pub(crate) state: Named,
    pub(crate) training: bool,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Named,
    pub(crate) grad_of: Vec<String>,
}

pub(crate) struct Op {
    pub(crate) call: Call,
    pub(crate) expected: Expected<Results>,
}

pub(crate) struct Results {
    pub(crate) output: Value,
    pub(crate) upstream: Value,
    pub(crate) grads: Named,
    pub(crate) directions: Named,
    pub(crate) second: Named,
    pub(crate) state_after: Named,
    pub(crate) tolerance: Tolerance,
}

pub(crate) struct Module {
    pub(crate) class: String,
    pub(crate) init: Named,
    pub(crate) children: Vec<(String, Module)>,
}

pub(crate) struct Random {
    pub(crate) seed: u64,
    pub(crate) draws: Vec<Draw>,
}

/// One call on the generator.
pub(crate) struct Draw {
    pub(crate) function: String,
    pub(crate) args: Vec<Value>,
    pub(crate) kwargs: Named,
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: Option<Dtype>,
    pub(crate) module: Option<Module>,
    /// A tensor; for a module, its parameters by name; null for `manual_seed`.
    pub(crate) out: Value,
    /// Zero where the result must be equal to the last bit.
    pub(crate) tolerance: Tolerance,
}

pub(crate) struct Repr {
    pub(crate) printed: Printed,
    pub(crate) text: String,
}

pub(crate) enum Printed {
    Tensor { value: Reference, requires_grad: bool },
    Result(Call),
    Parameter { value: Reference, requires_grad: bool },
    Module(Module),
    StateDict { module: Module, state: Named },
    Parameters { module: Module, state: Named },
}

pub(crate) struct Optim {
    pub(crate) optimizer: String,
    pub(crate) options: Named,
    pub(crate) expected: Expected<Steps>,
}

pub(crate) struct Steps {
    pub(crate) params: Vec<Value>,
    /// By step, then by parameter; null where a parameter has none.
    pub(crate) grads: Vec<Vec<Value>>,
    pub(crate) after: Vec<Vec<Value>>,
    pub(crate) tolerance: Tolerance,
}

pub(crate) struct Lr {
    pub(crate) scheduler: String,
    pub(crate) options: Named,
    /// The learning rate that the schedule starts from.
    pub(crate) base: f64,
    pub(crate) momentum: Option<f64>,
    pub(crate) expected: Expected<Rates>,
}

pub(crate) struct Rates {
    pub(crate) lrs: Vec<f64>,
    pub(crate) momenta: Vec<f64>,
    /// One a step for `ReduceLROnPlateau`, empty otherwise.
    pub(crate) metrics: Vec<f64>,
    pub(crate) tolerance: Tolerance,
}

pub(crate) struct Train {
    pub(crate) net: Module,
    pub(crate) state: Named,
    pub(crate) input: Reference,
    pub(crate) target: Reference,
    pub(crate) loss: Module,
    pub(crate) optimizer: String,
    pub(crate) options: Named,
    pub(crate) losses: Vec<f64>,
    pub(crate) after: Named,
    pub(crate) tolerance: Tolerance,
}

impl Value {
    fn read(json: &Json, tensors: &Tensors) -> Result<Self, String> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(flag) => Value::Bool(*flag),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(int), ..) => Value::Int(int),
                // Only a seed can be this large, and a negative seed s stands for 2⁶⁴ + s.
                (None, Some(int), _) => Value::Int(int.cast_signed()),
                (None, None, Some(float)) => Value::Float(float),
                _ => return Err(format!("the number {number}")),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => {
                Value::List(items.iter().map(|item| Value::read(item, tensors)).collect::<Result<_, _>>()?)
            }
            Json::Object(fields) => {
                if let Some(name) = fields.get("tensor") {
                    Value::Tensor(Reference::read(name, json, tensors)?)
                } else if let Some(text) = fields.get("float").and_then(Json::as_str) {
                    Value::Float(text.parse().map_err(|_| format!("the float {text}"))?)
                } else if let Some(name) = fields.get("dtype").and_then(Json::as_str) {
                    Value::Dtype(Dtype::named(name)?)
                } else {
                    let read =
                        |(name, json): (&String, &Json)| Ok((name.clone(), Value::read(json, tensors)?));
                    Value::Map(fields.iter().map(read).collect::<Result<_, String>>()?)
                }
            }
        })
    }
}

impl Dtype {
    fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "float64" => Dtype::F64,
            "float32" => Dtype::F32,
            "int64" => Dtype::I64,
            "bool" => Dtype::Bool,
            _ => return Err(format!("the dtype {name}")),
        })
    }
}

impl Reference {
    fn read(name: &Json, json: &Json, tensors: &Tensors) -> Result<Self, String> {
        let stored = name.as_str().and_then(|name| tensors.get(name));
        let stored = stored.ok_or_else(|| format!("the tensor {name} is not in the file"))?;
        let view = if let Some(dims) = json.get("transposed") {
            match sizes(dims)?[..] {
                [a, b] => View::Transposed(a, b),
                _ => return Err("`transposed` is not two dims".to_string()),
            }
        } else if let Some(shape) = json.get("expanded") {
            View::Expanded(sizes(shape)?)
        } else {
            View::Whole
        };
        Ok(Reference { stored: Rc::clone(stored), view })
    }
}

fn sizes(json: &Json) -> Result<Vec<usize>, String> {
    let items = json.as_array().ok_or_else(|| format!("{json} is not an array of sizes"))?;
    items
        .iter()
        .map(|item| item.as_u64().and_then(|n| usize::try_from(n).ok()))
        .collect::<Option<_>>()
        .ok_or_else(|| format!("{json} is not an array of sizes"))
}

/// The fields of one JSON object of a case.
#[derive(Clone, Copy)]
struct Fields<'a> {
    json: &'a Json,
    tensors: &'a Tensors,
}

impl<'a> Fields<'a> {
    fn of(self, key: &str) -> Result<Fields<'a>, String> {
        let json = self.json.get(key).ok_or_else(|| format!("no `{key}`"))?;
        Ok(Fields { json, ..self })
    }

    fn has(self, key: &str) -> bool {
        self.json.get(key).is_some()
    }

    /// Null where the key is missing.
    fn value(self, key: &str) -> Result<Value, String> {
        self.json.get(key).map_or(Ok(Value::Null), |json| Value::read(json, self.tensors))
    }

    fn list(self, key: &str) -> Result<Vec<Value>, String> {
        match self.value(key)? {
            Value::List(items) => Ok(items),
            Value::Null => Ok(Vec::new()),
            other => Err(format!("`{key}` is {other:?}, not an array")),
        }
    }

    fn lists(self, key: &str) -> Result<Vec<Vec<Value>>, String> {
        let rows = self.list(key)?.into_iter().map(|row| match row {
            Value::List(items) => Ok(items),
            other => Err(format!("`{key}` holds {other:?}, not an array")),
        });
        rows.collect()
    }

    fn named(self, key: &str) -> Result<Named, String> {
        match self.value(key)? {
            Value::Map(named) => Ok(named),
            Value::Null => Ok(Named::new()),
            other => Err(format!("`{key}` is {other:?}, not a map")),
        }
    }

    fn text(self, key: &str) -> Result<String, String> {
        match self.value(key)? {
            Value::Text(text) => Ok(text),
            other => Err(format!("`{key}` is {other:?}, not a text")),
        }
    }

    fn texts(self, key: &str) -> Result<Vec<String>, String> {
        let texts = self.list(key)?.into_iter().map(|item| match item {
            Value::Text(text) => Ok(text),
            other => Err(format!("`{key}` holds {other:?}, not a text")),
        });
        texts.collect()
    }

    fn flag(self, key: &str, default: bool) -> Result<bool, String> {
        match self.value(key)? {
            Value::Bool(flag) => Ok(flag),
            Value::Null => Ok(default),
            other => Err(format!("`{key}` is {other:?}, not a boolean")),
        }
    }

    fn float(self, key: &str) -> Result<Option<f64>, String> {
        match self.value(key)? {
            Value::Float(float) => Ok(Some(float)),
            Value::Int(int) => Ok(Some(int as f64)),
            Value::Null => Ok(None),
            other => Err(format!("`{key}` is {other:?}, not a number")),
        }
    }

    /// A stored tensor or an array of numbers.
    fn floats(self, key: &str) -> Result<Vec<f64>, String> {
        match self.value(key)? {
            Value::Null => Ok(Vec::new()),
            Value::Tensor(Reference { stored, .. }) => match &stored.data {
                Data::F64(values) => Ok(values.clone()),
                Data::F32(values) => Ok(values.iter().map(|&v| v.into()).collect()),
                _ => Err(format!("`{key}` is not of floats")),
            },
            Value::List(items) => items
                .into_iter()
                .map(|item| match item {
                    Value::Float(float) => Ok(float),
                    Value::Int(int) => Ok(int as f64),
                    other => Err(format!("`{key}` holds {other:?}, not a number")),
                })
                .collect(),
            other => Err(format!("`{key}` is {other:?}, not numbers")),
        }
    }

    fn tensor(self, key: &str) -> Result<Reference, String> {
        match self.value(key)? {
            Value::Tensor(tensor) => Ok(tensor),
            other => Err(format!("`{key}` is {other:?}, not a tensor")),
        }
    }

    fn tolerance(self) -> Result<Tolerance, String> {
        let field = |key| self.float(key)?.ok_or(format!("no `{key}`"));
        Ok(Tolerance { rtol: field("rtol")?, atol: field("atol")? })
    }

    /// What `read` finds, or the words of PyTorch's refusal.
    fn expected<T>(self, read: impl FnOnce(Self) -> Result<T, String>) -> Result<Expected<T>, String> {
        if self.has("error") { Ok(Err(self.text("error")?)) } else { read(self).map(Ok) }
    }
}

impl Case {
    /// Reads a case; `None` if it is of a kind that this program does not know.
    pub(crate) fn read(json: &Json, tensors: &Tensors) -> Result<Option<Self>, String> {
        let fields = Fields { json, tensors };
        let kind = match fields.text("kind")?.as_str() {
            "op" => Kind::Op(Op { call: Call::read(fields)?, expected: fields.expected(Results::read)? }),
            "random" => Kind::Random(Random::read(fields)?),
            "repr" => Kind::Repr(Repr::read(fields)?),
            "optim" => Kind::Optim(Optim {
                optimizer: fields.text("optimizer")?,
                options: fields.named("options")?,
                expected: fields.expected(Steps::read)?,
            }),
            "lr" => Kind::Lr(Lr::read(fields)?),
            "train" => Kind::Train(Train::read(fields)?),
            _ => return Ok(None),
        };
        let subject = match &kind {
            Kind::Op(op) => op.call.function.clone(),
            Kind::Random(_) => "random".to_string(),
            Kind::Repr(_) => "repr".to_string(),
            Kind::Optim(optim) => format!("optim.{}", optim.optimizer),
            Kind::Lr(lr) => format!("optim.lr_scheduler.{}", lr.scheduler),
            Kind::Train(_) => "train".to_string(),
        };
        Ok(Some(Case { subject, kind }))
    }
}

impl Call {
    fn read(fields: Fields) -> Result<Self, String> {
        Ok(Call {
            function: fields.text("call")?,
            init: fields.named("init")?,
            state: fields.named("state")?,
            training: fields.flag("training", true)?,
            args: fields.list("args")?,
            kwargs: fields.named("kwargs")?,
            grad_of: fields.texts("grad_of")?,
        })
    }
}

impl Results {
    fn read(fields: Fields) -> Result<Self, String> {
        Ok(Results {
            output: fields.value("output")?,
            upstream: fields.value("upstream")?,
            grads: fields.named("grads")?,
            directions: fields.named("directions")?,
            second: fields.named("second")?,
            state_after: fields.named("state_after")?,
            tolerance: fields.tolerance()?,
        })
    }
}

impl Module {
    fn read(fields: Fields) -> Result<Self, String> {
        let none = Vec::new();
        let children = fields.json.get("children").and_then(Json::as_array).unwrap_or(&none);
        let child = |pair: &Json| match pair.as_array().map(Vec::as_slice) {
            Some([Json::String(name), json]) => Ok((name.clone(), Module::read(Fields { json, ..fields })?)),
            _ => Err(format!("{pair} is not the name of a module and the module")),
        };
        Ok(Module {
            class: fields.text("class")?,
            init: fields.named("init")?,
            children: children.iter().map(child).collect::<Result<_, _>>()?,
        })
    }
}

impl Random {
    fn read(fields: Fields) -> Result<Self, String> {
        let seed = match fields.value("seed")? {
            Value::Int(seed) => seed.cast_unsigned(),
            other => return Err(format!("the seed {other:?}")),
        };
        let calls = fields.json.get("calls").and_then(Json::as_array).ok_or("no `calls`")?;
        let draws = calls.iter().map(|json| Draw::read(Fields { json, ..fields }));
        Ok(Random { seed, draws: draws.collect::<Result<_, _>>()? })
    }
}

impl Draw {
    fn read(fields: Fields) -> Result<Self, String> {
        let exact = fields.flag("exact", false)? || !fields.has("out");
        Ok(Draw {
            function: fields.text("fn")?,
            args: fields.list("args")?,
            kwargs: fields.named("kwargs")?,
            shape: fields.json.get("shape").map_or(Ok(Vec::new()), sizes)?,
            dtype: match fields.value("dtype")? {
                Value::Text(name) => Some(Dtype::named(&name)?),
                Value::Dtype(dtype) => Some(dtype),
                _ => None,
            },
            module: fields.of("module").ok().map(Module::read).transpose()?,
            out: fields.value("out")?,
            tolerance: if exact { Tolerance::EXACT } else { fields.tolerance()? },
        })
    }
}

impl Repr {
    fn read(fields: Fields) -> Result<Self, String> {
        let printed = if let Ok(object) = fields.of("object") {
            let module = || Module::read(object.of("module")?);
            match object.text("type")?.as_str() {
                "parameter" => Printed::Parameter {
                    value: fields.tensor("value")?,
                    requires_grad: fields.flag("requires_grad", true)?,
                },
                "module" => Printed::Module(module()?),
                "state_dict" => Printed::StateDict { module: module()?, state: fields.named("state")? },
                "parameters" => Printed::Parameters { module: module()?, state: fields.named("state")? },
                other => return Err(format!("an object of type {other}")),
            }
        } else if fields.has("call") {
            Printed::Result(Call::read(fields)?)
        } else {
            Printed::Tensor {
                value: fields.tensor("value")?,
                requires_grad: fields.flag("requires_grad", false)?,
            }
        };
        Ok(Repr { printed, text: fields.text("text")? })
    }
}

impl Steps {
    fn read(fields: Fields) -> Result<Self, String> {
        Ok(Steps {
            params: fields.list("params")?,
            grads: fields.lists("grads")?,
            after: fields.lists("after")?,
            tolerance: fields.tolerance()?,
        })
    }
}

impl Lr {
    fn read(fields: Fields) -> Result<Self, String> {
        Ok(Lr {
            scheduler: fields.text("scheduler")?,
            options: fields.named("options")?,
            base: fields.float("lr")?.ok_or("no `lr`")?,
            momentum: fields.float("momentum")?,
            expected: fields.expected(|fields| {
                Ok(Rates {
                    lrs: fields.floats("lrs")?,
                    momenta: fields.floats("momenta")?,
                    metrics: fields.floats("metrics")?,
                    tolerance: fields.tolerance()?,
                })
            })?,
        })
    }
}

impl Train {
    fn read(fields: Fields) -> Result<Self, String> {
        Ok(Train {
            net: Module::read(fields.of("net")?)?,
            state: fields.named("state")?,
            input: fields.tensor("input")?,
            target: fields.tensor("target")?,
            loss: Module::read(fields.of("loss")?)?,
            optimizer: fields.text("optimizer")?,
            options: fields.named("options")?,
            losses: fields.floats("losses")?,
            after: fields.named("after")?,
            tolerance: fields.tolerance()?,
        })
    }
}
