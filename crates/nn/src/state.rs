//! The values of a module's parameters and buffers, by name.

use crate::Error;
use downhill_tensor::{Shape, Tensor};
use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// The values of a module's parameters and buffers by name, in order. Made by [`Module::state_dict`](crate::Module::state_dict).
///
/// A state is a snapshot: a later update of the parameters leaves it as it is (and copies, once, what both still share).
///
/// # Examples
/// ```
/// use downhill::nn::{Linear, Module, StateDict};
/// use downhill::Tensor;
///
/// let fc = Linear::new(1, 1)?;
/// let state: StateDict = [("weight", Tensor::from([[0.5_f32]])), ("bias", Tensor::from([2.0_f32]))].into_iter().collect();
/// fc.load_state_dict(&state)?;
/// assert_eq!(fc.state_dict().to_string(), "OrderedDict([('weight', tensor([[0.5000]])), ('bias', tensor([2.]))])");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// The `OrderedDict` of [`torch.nn.Module.state_dict`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Module.html#torch.nn.Module.state_dict),
/// whose tensors are the parameters' own and change with them.
#[derive(Clone, Default)]
pub struct StateDict {
    /// By place: those of entries that were taken out stay free.
    entries: BTreeMap<usize, (String, Tensor)>,
    places: HashMap<String, usize>,
}

impl StateDict {
    /// An empty state.
    pub fn new() -> Self {
        Self::default()
    }

    /// The value of this name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.places.get(name).map(|place| &self.entries[place].1)
    }

    /// Sets the value of this name: at its place if there is one, at the end otherwise.
    pub fn insert(&mut self, name: impl Into<String>, value: Tensor) {
        let name = name.into();
        let end = self.entries.last_key_value().map_or(0, |(last, _)| last + 1);
        let place = *self.places.entry(name.clone()).or_insert(end);
        self.entries.insert(place, (name, value));
    }

    /// Takes an entry out.
    pub fn remove(&mut self, name: &str) -> Option<Tensor> {
        let place = self.places.remove(name)?;
        self.entries.remove(&place).map(|(_, value)| value)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.entries.values().map(|(name, value)| (&name[..], value))
    }

    /// Every entry with `prefix` before its name: the state of a module inside of another one.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module};
    ///
    /// let state = Linear::new(2, 2)?.state_dict().with_prefix("encoder.");
    /// assert!(state.get("encoder.weight").is_some());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    pub fn with_prefix(&self, prefix: &str) -> Self {
        self.iter().map(|(name, value)| (format!("{prefix}{name}"), value.clone())).collect()
    }

    /// The entries whose names begin with `prefix`, without it: the state of one part of a module.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module, Sequential};
    ///
    /// let (net, head) = (Sequential::new().add(Linear::new(2, 3)?).add(Linear::new(3, 1)?), Linear::new(3, 1)?);
    /// head.load_state_dict(&net.state_dict().strip_prefix("1."))?;
    /// assert_eq!(head.weight.tensor(), *net.state_dict().get("1.weight").unwrap());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    ///
    /// # PyTorch
    /// `torch.nn.modules.utils.consume_prefix_in_state_dict_if_present`, which keeps the other entries.
    #[must_use]
    pub fn strip_prefix(&self, prefix: &str) -> Self {
        let inside =
            |(name, value): (&str, &Tensor)| Some((name.strip_prefix(prefix)?.to_string(), value.clone()));
        self.iter().filter_map(inside).collect()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Equal names and values in the same order.
impl PartialEq for StateDict {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<S: Into<String>> FromIterator<(S, Tensor)> for StateDict {
    fn from_iter<I: IntoIterator<Item = (S, Tensor)>>(entries: I) -> Self {
        let mut state = Self::new();
        state.extend(entries);
        state
    }
}

impl<S: Into<String>> Extend<(S, Tensor)> for StateDict {
    fn extend<I: IntoIterator<Item = (S, Tensor)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(name, value)| self.insert(name, value));
    }
}

impl IntoIterator for StateDict {
    type Item = (String, Tensor);
    type IntoIter = std::vec::IntoIter<Self::Item>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_values().collect::<Vec<_>>().into_iter()
    }
}

/// The text of Python's `OrderedDict`.
impl fmt::Display for StateDict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries: Vec<_> = self.iter().map(|(name, value)| format!("('{name}', {value})")).collect();
        match &entries[..] {
            [] => f.pad("OrderedDict()"),
            _ => f.pad(&format!("OrderedDict([{}])", entries.join(", "))),
        }
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for StateDict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Whether a state must have exactly the entries of a module; see [`Module::load_state_dict_with`](crate::Module::load_state_dict_with).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strict {
    /// It must have exactly those.
    #[default]
    Yes,
    /// What is missing or unexpected is left out.
    No,
}

/// What [`Module::load_state_dict_with`](crate::Module::load_state_dict_with) left out.
///
/// # PyTorch
/// The named tuple of `missing_keys` and `unexpected_keys` that `load_state_dict` returns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncompatibleKeys {
    /// Names of the module that the state lacks.
    pub missing: Vec<String>,
    /// Names of the state that the module lacks.
    pub unexpected: Vec<String>,
}

/// Why a [`StateDict`] does not fit a module: every entry that is missing, unexpected or of another shape.
///
/// # Examples
/// ```
/// use downhill::nn::{Linear, Module, StateDict};
///
/// let error = Linear::new(2, 2)?.load_state_dict(&StateDict::new()).unwrap_err();
/// assert_eq!(error.missing, ["weight", "bias"]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct LoadError {
    /// The module's class.
    pub class: String,
    /// Names of the module that the state lacks.
    pub missing: Vec<String>,
    /// Names of the state that the module lacks.
    pub unexpected: Vec<String>,
    /// Name, shape in the state, shape in the module.
    pub mismatched: Vec<(String, Shape, Shape)>,
    /// The [`Error::Memory`], if there is no memory for the values in the module's dtypes.
    pub memory: Option<Box<Error>>,
}

/// As [`Display`](fmt::Display): it is what people see of an error that `main` returns.
impl fmt::Debug for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl LoadError {
    pub(crate) fn new(class: &str) -> Self {
        let class = class.to_string();
        Self { class, missing: Vec::new(), unexpected: Vec::new(), mismatched: Vec::new(), memory: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty()
            && self.unexpected.is_empty()
            && self.mismatched.is_empty()
            && self.memory.is_none()
    }
}

/// PyTorch's text.
impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.memory {
            return write!(f, "{error}");
        }
        write!(f, "Error(s) in loading state_dict for {}:", self.class)?;
        for (what, names) in [("Missing", &self.missing), ("Unexpected", &self.unexpected)] {
            if !names.is_empty() {
                let names: Vec<_> = names.iter().map(|name| format!("\"{name}\"")).collect();
                write!(f, "\n\t{what} key(s) in state_dict: {}. ", names.join(", "))?;
            }
        }
        for (name, theirs, ours) in &self.mismatched {
            write!(
                f,
                "\n\tsize mismatch for {name}: copying a param with shape torch.Size({theirs}) from checkpoint, \
                 the shape in current model is torch.Size({ours})."
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}

/// For `?` in functions that return the workspace's error.
impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        match error.memory {
            Some(error) => *error,
            None => Self::argument("load_state_dict", error.to_string()),
        }
    }
}
