//! Modules: what holds parameters, by name, and what follows from that.

use crate::state::{IncompatibleKeys, LoadError, StateDict, Strict};
use crate::{Buffer, Parameter, Result};
use downhill_tensor::{DType, Tensor};
use std::collections::HashSet;
use std::fmt;
use std::mem;
#[cfg(feature = "safetensors")]
use std::path::Path;
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
/// # Depth
/// A module in a module in a module … is run, printed, named and dropped by recursion, on up to 2 KiB of stack a level in an optimized
/// program, besides what a `forward` of one's own takes: 1,000 levels fit the 2 MiB of a thread, 4,000 the usual 8 MiB of the main one.
/// Deeper models need a thread with more ([`stack_size`](std::thread::Builder::stack_size)). Modules side by side, as in a
/// [`Sequential`](crate::Sequential), are one level, however many.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a module",
    label = "not a module",
    note = "a struct of layers and parameters becomes one by `#[derive(Module)]`"
)]
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
        let (mut all, mut seen) = (Vec::new(), HashSet::new());
        walk(self, &mut |name, member| match member {
            Member::Parameter(p) if seen.insert(p.id()) => all.push((name.to_string(), p.clone())),
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
        walk(self, &mut |name, member| {
            if let Member::Buffer(b) = member {
                all.push((name.to_string(), b.clone()));
            }
        });
        all
    }

    /// The values of all parameters and buffers by name, as they are now: later updates do not change them.
    fn state_dict(&self) -> StateDict {
        let mut all = StateDict::new();
        walk(self, &mut |name, member| match member {
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
        self.load_state_dict_with(state, Strict::Yes).map(|_| ())
    }

    /// As [`load_state_dict`](Self::load_state_dict); with [`Strict::No`] what is missing stays as it is, what is unexpected is left out,
    /// and both are returned.
    ///
    /// # Errors
    /// [`LoadError`] with [`Strict::No`] for entries of another shape only, or without memory; nothing has been loaded then.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module, Strict};
    ///
    /// let (old, new) = (Linear::without_bias(2, 3)?, Linear::new(2, 3)?);
    /// let keys = new.load_state_dict_with(&old.state_dict(), Strict::No)?;
    /// assert_eq!((keys.missing, keys.unexpected), (vec!["bias".to_string()], vec![]));
    /// assert_eq!(new.weight.tensor(), old.weight.tensor());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// [`torch.nn.Module.load_state_dict`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.load_state_dict)
    /// with `strict`
    fn load_state_dict_with(&self, state: &StateDict, strict: Strict) -> Result<IncompatibleKeys, LoadError> {
        let mut error = LoadError::new(self.class_name());
        let mut known = HashSet::new();
        walk(self, &mut |name, member| {
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
        let mut keys = IncompatibleKeys::default();
        if strict == Strict::No {
            (keys.missing, keys.unexpected) =
                (mem::take(&mut error.missing), mem::take(&mut error.unexpected));
        }
        if !error.is_empty() {
            return Err(error);
        }
        // All that may want memory before anything changes.
        let mut new = Vec::new();
        walk(self, &mut |name, member| {
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
        walk(self, &mut |name, member| {
            // What is missing stays as it is.
            if state.get(name).is_none() {
                return;
            }
            match member {
                Member::Parameter(p) => new.next().map_or((), |value| p.set(&value).expect("ready for it")),
                Member::Buffer(b) => new.next().map_or((), |value| b.set(value)),
                _ => {}
            }
        });
        Ok(keys)
    }

    /// Writes all parameters and buffers to a file, in the safetensors format: [`state_dict`](Self::state_dict), [`StateDict::save`].
    ///
    /// # Errors
    /// As [`StateDict::save`].
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module};
    ///
    /// let path = std::env::temp_dir().join(format!("downhill-doc-module-{}.safetensors", std::process::id()));
    /// let (trained, fresh) = (Linear::new(2, 3)?, Linear::new(2, 3)?);
    /// trained.save(&path)?;
    /// fresh.load(&path)?;
    /// assert_eq!(fresh.weight.tensor(), trained.weight.tensor());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// `safetensors.torch.save_model`
    #[cfg(feature = "safetensors")]
    fn save(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        self.state_dict().save(path)
    }

    /// Sets all parameters and buffers to the values of a file: [`StateDict::load`], [`load_state_dict`](Self::load_state_dict).
    ///
    /// # Errors
    /// As [`StateDict::load`], and a [`LoadError`] as an [`Error::File`](crate::Error::File); nothing has been loaded then.
    ///
    /// # PyTorch
    /// `safetensors.torch.load_model`
    #[cfg(feature = "safetensors")]
    fn load(&self, path: impl AsRef<Path>) -> Result<()>
    where
        Self: Sized,
    {
        let path = path.as_ref();
        self.load_state_dict(&StateDict::load(path)?)
            .map_err(|error| crate::file::misfit("load", path, error))
    }

    /// Switches layers such as [`Dropout`](crate::Dropout) between training and evaluation.
    fn train(&self, mode: bool) {
        walk(self, &mut |_, member| {
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
        walk(self, &mut |_, member| {
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
        walk(self, &mut |_, member| match member {
            Member::Parameter(p) => new.push(p.tensor()),
            Member::Buffer(b) => new.push(b.tensor()),
            _ => {}
        });
        // All of them before anything changes.
        let convert = |x: Tensor| if x.dtype().is_float() { x.detach().try_to_dtype(dtype) } else { Ok(x) };
        let mut new = new.into_iter().map(convert).collect::<Result<Vec<_>>>()?.into_iter();
        let mut result = Ok(());
        walk(self, &mut |_, member| match (member, result.is_ok()) {
            (Member::Parameter(p), true) => result = new.next().map_or(Ok(()), |value| p.replace(value)),
            (Member::Buffer(b), true) => new.next().map_or((), |value| b.set(value)),
            _ => {}
        });
        result
    }

    /// PyTorch's text: its class, what [`extra_repr`](Self::extra_repr) says, its children, indented.
    fn repr(&self) -> String {
        let mut text = String::new();
        self.write_repr(&mut text, 0);
        text
    }

    /// Appends [`repr`](Self::repr), all lines but the first indented by this many spaces. A module with a text of its own writes it here:
    /// text that is made inside out would be copied once a level.
    fn write_repr(&self, text: &mut String, indent: usize) {
        let members = &mut |visit: &mut Visit<'_>| self.members(visit);
        write_repr(self.class_name(), &self.extra_repr(), members, text, indent);
    }
}

/// What [`Module::write_repr`] writes; outside of the trait, so that it is compiled once.
fn write_repr(
    class: &str,
    extra: &str,
    members: &mut dyn FnMut(&mut Visit<'_>),
    text: &mut String,
    indent: usize,
) {
    let line = format!("\n{:indent$}", "");
    let extra = extra.replace('\n', &format!("{line}  "));
    text.extend([class, "("]);
    let (start, list) = (text.len(), class == LIST);
    // Of the line before: where it and its module's text start, its first name, and how many share it.
    let mut last: Option<(usize, usize, usize, usize)> = None;
    members(&mut |name, member| {
        let Member::Child(child) = member else { return };
        if text.len() == start && !extra.is_empty() {
            text.extend([&line, "  ", &extra]);
        }
        let at = text.len();
        text.extend([&line, "  (", name, "): "]);
        let module = text.len();
        child.write_repr(text, indent + 2);
        match (last.as_mut(), name.parse()) {
            // Equal neighbours of a list share a line.
            (Some((at_last, module_last, first, count)), Ok(_))
                if list && text[*module_last..at] == text[module..] =>
            {
                text.truncate(at);
                *count += 1;
                let head = format!("{line}  ({first}-{}): {count} x ", *first + *count - 1);
                text.replace_range(*at_last..*module_last, &head);
                *module_last = *at_last + head.len();
            }
            (_, name) => last = name.ok().map(|first| (at, module, first, 1)),
        }
    });
    if text.len() > start {
        text.extend([&line, ")"]);
    } else if extra.contains('\n') {
        text.extend([&line, "  ", &extra, &line, ")"]);
    } else {
        text.extend([&extra, ")"]);
    }
}

/// What a vector or tuple of modules is called when it is printed.
pub(crate) const LIST: &str = "ModuleList";

/// Every parameter, buffer and mode in a module, with its dotted name: the module's own parameters, its own buffers, then
/// those of its children.
fn walk<M: Module + ?Sized>(module: &M, visit: &mut Visit<'_>) {
    walk_members(&mut |visit| module.members(visit), &mut String::new(), visit);
}

/// As [`walk`], of what hands out members, where `path` is the name of their module; the same `path` afterwards.
fn walk_members(members: &mut dyn FnMut(&mut Visit<'_>), path: &mut String, visit: &mut Visit<'_>) {
    for turn in 0..3 {
        members(&mut |name, member| {
            let its_turn = match member {
                Member::Parameter(_) => 0,
                Member::Buffer(_) | Member::Mode(_) => 1,
                Member::Child(_) => 2,
            };
            if its_turn != turn {
                return;
            }
            let length = path.len();
            if length > 0 {
                path.push('.');
            }
            path.push_str(name);
            match member {
                Member::Child(child) => walk_members(&mut |visit| child.members(visit), path, visit),
                _ => visit(path, member),
            }
            path.truncate(length);
        });
    }
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not map one tensor to another",
    label = "not a layer",
    note = "`impl Forward for` it says what it computes, beside `#[derive(Module)]`; a function of tensors is called as it is"
)]
#[doc(alias = "__call__")]
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
            fn write_repr(&self, text: &mut String, indent: usize) {
                (**self).write_repr(text, indent);
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
