//! Modules: what holds parameters, by name, and what follows from that.

use crate::state::{LoadError, StateDict};
use crate::{Buffer, Parameter, Result};
use downhill_tensor::{DType, Tensor};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A part of a module, as [`Module::members`] hands it out.
#[derive(Clone, Copy)]
pub enum Member<'a> {
    /// A parameter of its own.
    Parameter(&'a Parameter),
    /// A buffer of its own.
    Buffer(&'a Buffer),
    /// A module inside of it.
    Child(&'a dyn Module),
    /// Whether it is being trained, where that makes a difference.
    Mode(&'a Mode),
}

impl fmt::Debug for Member<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(x) => f.debug_tuple("Parameter").field(x).finish(),
            Self::Buffer(x) => f.debug_tuple("Buffer").field(x).finish(),
            Self::Child(x) => f.debug_tuple("Child").field(&x.class_name()).finish(),
            Self::Mode(x) => x.fmt(f),
        }
    }
}

/// What [`Module::members`] calls, with the name and the member.
pub type Visit<'a> = dyn FnMut(&str, Member<'_>) + 'a;

/// A part of a model: it holds [`Parameter`]s and other modules, each under a name.
///
/// `#[derive(Module)]` writes the implementation from the fields, [`Display`](fmt::Display) with PyTorch's text included; all else
/// follows from [`members`](Self::members). A field of a type that is neither a module, a parameter, a buffer nor plain data (a
/// number, a string, a tensor) must be marked `#[module(skip)]`: forgetting one is a compile error, see [`Field`](crate::Field).
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, Linear, Module};
/// use downhill::Tensor;
///
/// #[derive(Module)]
/// struct SimpleNN {
///     fc: Linear,
/// }
///
/// impl Forward for SimpleNN {
///     fn forward(&self, x: &Tensor) -> downhill::nn::Result<Tensor> {
///         self.fc.forward(x)
///     }
/// }
///
/// let model = SimpleNN { fc: Linear::new(2, 3)? };
/// assert_eq!(model.to_string(), "SimpleNN(\n  (fc): Linear(in_features=2, out_features=3, bias=True)\n)");
/// let names: Vec<_> = model.named_parameters().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["fc.weight", "fc.bias"]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Module`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html)
pub trait Module: Send + Sync {
    /// The name it is printed with.
    fn class_name(&self) -> &str;

    /// Hands out each of its own parameters, buffers and children, in the order of its fields.
    fn members(&self, visit: &mut Visit<'_>);

    /// What is printed between its parentheses; nothing unless a module says otherwise.
    fn extra_repr(&self) -> String {
        String::new()
    }

    /// Every parameter once, with its dotted name: a module's own before those of its children.
    fn named_parameters(&self) -> Vec<(String, Parameter)> {
        let mut all: Vec<(String, Parameter)> = Vec::new();
        walk(self, "", &mut |name, member| match member {
            Member::Parameter(p) if !all.iter().any(|(_, other)| p.is(other)) => {
                all.push((name.to_string(), p.clone()));
            }
            _ => {}
        });
        all
    }

    /// Every parameter once: what an optimizer takes.
    fn parameters(&self) -> Vec<Parameter> {
        self.named_parameters().into_iter().map(|(_, p)| p).collect()
    }

    /// Every buffer with its dotted name.
    fn named_buffers(&self) -> Vec<(String, Buffer)> {
        let mut all = Vec::new();
        walk(self, "", &mut |name, member| {
            if let Member::Buffer(b) = member {
                all.push((name.to_string(), b.clone()));
            }
        });
        all
    }

    /// The values of all parameters and buffers by name, as they are now: later updates do not change them.
    fn state_dict(&self) -> StateDict {
        let mut all = StateDict::new();
        walk(self, "", &mut |name, member| match member {
            Member::Parameter(p) => all.insert(name, p.tensor().detach()),
            Member::Buffer(b) => all.insert(name, b.tensor()),
            _ => {}
        });
        all
    }

    /// Sets all parameters and buffers to the values of these names, converted to their dtypes.
    ///
    /// # Errors
    /// [`LoadError`] names every entry that is missing, unexpected or of another shape, or says that there is no memory; then nothing
    /// has been loaded.
    fn load_state_dict(&self, state: &StateDict) -> Result<(), LoadError> {
        let mut error = LoadError::new(self.class_name());
        let mut known = std::collections::HashSet::new();
        walk(self, "", &mut |name, member| {
            let shape = match member {
                Member::Parameter(p) => p.shape(),
                Member::Buffer(b) => *b.tensor().shape(),
                _ => return,
            };
            known.insert(name.to_string());
            match state.get(name) {
                None => error.missing.push(name.to_string()),
                Some(value) if *value.shape() != shape => {
                    error.mismatched.push((name.to_string(), *value.shape(), shape));
                }
                Some(_) => {}
            }
        });
        error.unexpected = state
            .iter()
            .filter(|(name, _)| !known.contains(*name))
            .map(|(name, _)| name.to_string())
            .collect();
        if !error.is_empty() {
            return Err(error);
        }
        // All that may want memory before anything changes.
        let mut new = Vec::new();
        walk(self, "", &mut |name, member| {
            let Some(value) = state.get(name) else { return };
            let converted = match member {
                Member::Parameter(p) => p.ready_for(value),
                Member::Buffer(b) => value.try_to_dtype(b.tensor().dtype()),
                _ => return,
            };
            match converted {
                Ok(value) => new.push(value),
                Err(memory) => error.memory = Some(Box::new(memory)),
            }
        });
        if !error.is_empty() {
            return Err(error);
        }
        let mut new = new.into_iter();
        walk(self, "", &mut |_, member| match member {
            Member::Parameter(p) => new.next().map_or((), |value| p.set(&value).expect("ready for it")),
            Member::Buffer(b) => new.next().map_or((), |value| b.set(value)),
            _ => {}
        });
        Ok(())
    }

    /// Switches layers such as [`Dropout`](crate::Dropout) between training and evaluation.
    fn train(&self, mode: bool) {
        walk(self, "", &mut |_, member| {
            if let Member::Mode(m) = member {
                m.0.store(mode, Ordering::Relaxed);
            }
        });
    }

    /// `train(false)`.
    fn eval(&self) {
        self.train(false);
    }

    /// Whether it is being trained; true for a module in which that makes no difference.
    fn is_training(&self) -> bool {
        let mut first = None;
        walk(self, "", &mut |_, member| {
            if let Member::Mode(m) = member {
                first.get_or_insert(m.is_training());
            }
        });
        first.unwrap_or(true)
    }

    /// Forgets the gradients of all parameters.
    fn zero_grad(&self) {
        self.parameters().iter().for_each(Parameter::zero_grad);
    }

    /// Lets backward passes fill the gradients of all parameters, or freezes them.
    ///
    /// # Errors
    /// What [`Parameter::requires_grad_`] refuses.
    fn requires_grad_(&self, on: bool) -> Result<()> {
        self.parameters().iter().try_for_each(|p| p.requires_grad_(on))
    }

    /// Converts all parameters and buffers that are floats to another float dtype, in place.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) unless `dtype` is a float.
    fn to_dtype(&self, dtype: DType) -> Result<()> {
        dtype.check_float("Module::to_dtype")?;
        let mut new = Vec::new();
        walk(self, "", &mut |_, member| match member {
            Member::Parameter(p) => new.push(p.tensor()),
            Member::Buffer(b) => new.push(b.tensor()),
            _ => {}
        });
        // All of them before anything changes.
        let convert = |x: Tensor| if x.dtype().is_float() { x.detach().try_to_dtype(dtype) } else { Ok(x) };
        let mut new = new.into_iter().map(convert).collect::<Result<Vec<_>>>()?.into_iter();
        let mut result = Ok(());
        walk(self, "", &mut |_, member| match (member, result.is_ok()) {
            (Member::Parameter(p), true) => result = new.next().map_or(Ok(()), |value| p.replace(value)),
            (Member::Buffer(b), true) => new.next().map_or((), |value| b.set(value)),
            _ => {}
        });
        result
    }

    /// PyTorch's text: its class, what [`extra_repr`](Self::extra_repr) says, its children, indented.
    fn repr(&self) -> String {
        text(self.class_name(), self.extra_repr(), &mut |visit| self.members(visit))
    }
}

/// What [`Module::repr`] says; outside of the trait, so that it is compiled once.
fn text(class: &str, extra: String, members: &mut dyn FnMut(&mut Visit<'_>)) -> String {
    let mut lines: Vec<(String, String, usize)> = Vec::new();
    let list = class == LIST;
    members(&mut |name, member| {
        let Member::Child(child) = member else { return };
        let text = child.repr().replace('\n', "\n  ");
        match lines.last_mut() {
            // Equal neighbours of a list share a line.
            Some((_, last, count)) if list && *last == text => *count += 1,
            _ => lines.push((name.to_string(), text, 1)),
        }
    });
    if lines.is_empty() && !extra.contains('\n') {
        return format!("{class}({extra})");
    }
    let extra = if extra.is_empty() { extra } else { format!("\n  {}", extra.replace('\n', "\n  ")) };
    let line = |(name, text, count): (String, String, usize)| match name.parse::<usize>() {
        Ok(first) if count > 1 => format!("\n  ({first}-{}): {count} x {text}", first + count - 1),
        _ => format!("\n  ({name}): {text}"),
    };
    format!("{class}({extra}{}\n)", lines.into_iter().map(line).collect::<String>())
}

/// What a vector or tuple of modules is called when it is printed.
pub(crate) const LIST: &str = "ModuleList";

/// Every parameter, buffer and mode in a module, with its dotted name: the module's own parameters, its own buffers, then
/// those of its children.
fn walk<M: Module + ?Sized>(module: &M, prefix: &str, visit: &mut Visit<'_>) {
    let join = |name: &str| if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
    let mut own = |wanted: fn(&Member<'_>) -> bool| {
        module.members(&mut |name, member| {
            if wanted(&member) {
                visit(&join(name), member);
            }
        });
    };
    own(|member| matches!(member, Member::Parameter(_)));
    own(|member| matches!(member, Member::Buffer(_) | Member::Mode(_)));
    module.members(&mut |name, member| {
        if let Member::Child(child) = member {
            walk(child, &join(name), visit);
        }
    });
}

/// A module that maps one tensor to another.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, ReLU};
/// use downhill::Tensor;
///
/// let layer: Box<dyn Forward> = Box::new(ReLU);
/// assert_eq!(layer.forward(&Tensor::from([-1.0_f32, 2.0]))?, Tensor::from([0.0_f32, 2.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
pub trait Forward: Module {
    /// The output for an input.
    ///
    /// # Errors
    /// An input that the module cannot take.
    fn forward(&self, x: &Tensor) -> Result<Tensor>;
}

macro_rules! pointer {
    ($($pointer:ident),*) => {$(
        /// What it points to.
        impl<M: Module + ?Sized> Module for $pointer<M> {
            fn class_name(&self) -> &str {
                (**self).class_name()
            }
            fn members(&self, visit: &mut Visit<'_>) {
                (**self).members(visit);
            }
            fn extra_repr(&self) -> String {
                (**self).extra_repr()
            }
        }
        /// What it points to.
        impl<M: Forward + ?Sized> Forward for $pointer<M> {
            fn forward(&self, x: &Tensor) -> Result<Tensor> {
                (**self).forward(x)
            }
        }
    )*};
}
pointer!(Box, Arc);

macro_rules! display {
    ($($object:ty),*) => {$(
        /// PyTorch's text.
        impl fmt::Display for $object {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.repr())
            }
        }
        /// As [`Display`](fmt::Display).
        impl fmt::Debug for $object {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.repr())
            }
        }
    )*};
}
display!(dyn Module + '_, dyn Forward + '_);

/// Whether a layer is being trained, for layers that behave differently then. A field of this type is switched by
/// [`Module::train`] and [`Module::eval`]; it starts in training.
///
/// # Examples
/// ```
/// use downhill::nn::{Mode, Module};
///
/// #[derive(Module)]
/// struct Noise {
///     mode: Mode,
/// }
///
/// let noise = Noise { mode: Mode::default() };
/// noise.eval();
/// assert!(!noise.mode.is_training());
/// ```
#[derive(Debug)]
pub struct Mode(AtomicBool);

impl Mode {
    /// Whether it is training.
    pub fn is_training(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Training.
impl Default for Mode {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}
