//! Modules one after the other.

use crate::module::Visit;
use crate::{Error, Forward, Member, Module, Result, summary};
use downhill_tensor::Tensor;
use std::collections::HashMap;
use std::fmt;

/// Modules one after the other: each maps the output of the one before.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, Linear, Sequential, Sigmoid};
///
/// let net = Sequential::new().add(Linear::new(1, 1)?).add(Sigmoid);
/// assert_eq!(net.forward(&downhill::zeros([10, 1])?)?.shape(), &[10, 1]);
/// assert_eq!(
///     net.to_string(),
///     "Sequential(\n  (0): Linear(in_features=1, out_features=1, bias=True)\n  (1): Sigmoid()\n)",
/// );
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Sequential`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Sequential.html)
#[derive(Default)]
pub struct Sequential {
    modules: Vec<(String, Box<dyn Forward>)>,
    places: HashMap<String, usize>,
}

impl Sequential {
    /// An empty sequence, which returns its input.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a module, named by its place: `0`, `1` …
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "`+` would not read as \"and then\"")]
    #[doc(alias = "append")]
    pub fn add(mut self, module: impl Forward + 'static) -> Self {
        let mut place = self.len();
        while self.get(&place.to_string()).is_some() {
            place += 1;
        }
        self.push(place.to_string(), Box::new(module));
        self
    }

    fn push(&mut self, name: String, module: Box<dyn Forward>) {
        self.places.insert(name.clone(), self.len());
        self.modules.push((name, module));
    }

    /// Appends a module under a name of its own.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that is empty, has a dot in it or is taken.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Linear, Module, Sequential};
    ///
    /// let net = Sequential::new().add_named("fc", Linear::without_bias(1, 1)?)?;
    /// assert_eq!(net.named_parameters()[0].0, "fc.weight");
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "add_module")]
    pub fn add_named(mut self, name: &str, module: impl Forward + 'static) -> Result<Self> {
        let refuse =
            |why: &str| Err(Error::argument("Sequential", format!("the module name {name:?} {why}")));
        match name {
            "" => refuse("is empty"),
            _ if name.contains('.') => refuse("contains a dot"),
            _ if self.get(name).is_some() => refuse("is taken"),
            _ => {
                self.push(name.to_string(), Box::new(module));
                Ok(self)
            }
        }
    }

    /// The module of this name.
    pub fn get(&self, name: &str) -> Option<&dyn Forward> {
        self.places.get(name).map(|&place| &*self.modules[place].1)
    }

    /// Names and modules in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &dyn Forward)> {
        self.modules.iter().map(|(name, module)| (&name[..], &**module))
    }

    /// The number of modules.
    pub fn len(&self) -> usize {
        self.modules.len()
    }

    /// Whether it has no modules.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }
}

impl Module for Sequential {
    fn class_name(&self) -> &'static str {
        "Sequential"
    }
    fn members(&self, visit: &mut Visit<'_>) {
        for (name, module) in &self.modules {
            visit(name, Member::Child(module));
        }
    }
}

impl Forward for Sequential {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if summary::looking() {
            return self.modules.iter().try_fold(x.clone(), |x, (_, module)| {
                let y = module.forward(&x)?;
                summary::see(module, &y);
                Ok(y)
            });
        }
        self.modules.iter().try_fold(x.clone(), |x, (_, module)| module.forward(&x))
    }
}

/// PyTorch's text.
impl fmt::Display for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.repr())
    }
}

/// As [`Display`](fmt::Display).
impl fmt::Debug for Sequential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.repr())
    }
}
