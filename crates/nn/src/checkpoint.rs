//! All that a training needs to go on, in one place.

use crate::optim::Optimizer;
use crate::{Error, Module, Result, StateDict};
use downhill_tensor::random::{Generator, get_rng_state, set_rng_state};
use downhill_tensor::{DType, Tensor, memory};
use std::fmt;
#[cfg(feature = "safetensors")]
use std::path::Path;

/// All that a training needs to go on, to the bit: the states of model, optimizer, schedule and generator, and how far it has come.
///
/// # Examples
/// Saved after each epoch:
/// ```
/// use downhill::nn::optim::{ExponentialLR, Schedule};
/// use downhill::nn::{Adam, AdamOptions, Checkpoint, Dropout, Forward, Linear, Module, Optimizer, Sequential};
/// use downhill::{Result, Tensor, randn, random};
///
/// fn build() -> Result<(Sequential, Adam, ExponentialLR)> {
///     let net = Sequential::new().add(Linear::new(4, 3)?).add(Dropout::new(0.5)?);
///     let optimizer = Adam::new(net.parameters(), AdamOptions::default())?;
///     Ok((net, optimizer, ExponentialLR::new(0.9)))
/// }
///
/// fn epoch(net: &Sequential, optimizer: &mut Adam, schedule: &mut ExponentialLR) -> Result<()> {
///     optimizer.zero_grad();
///     net.forward(&randn([8, 4])?)?.square().mean()?.backward()?;
///     optimizer.step()?;
///     schedule.step(optimizer)
/// }
///
/// let path = std::env::temp_dir().join(format!("downhill-doc-checkpoint-{}.safetensors", std::process::id()));
/// let (net, mut optimizer, mut schedule) = build()?;
/// epoch(&net, &mut optimizer, &mut schedule)?;
/// let checkpoint = Checkpoint { epoch: 1, schedule: schedule.state_dict(), ..Checkpoint::of(&net, &optimizer) };
/// checkpoint.save(&path)?;
/// epoch(&net, &mut optimizer, &mut schedule)?;
///
/// // Another process, later.
/// random::manual_seed(99);
/// let (other, mut optimizer, mut schedule) = build()?;
/// let checkpoint = Checkpoint::load(&path)?;
/// schedule.load_state_dict(&checkpoint.schedule)?;
/// checkpoint.restore(&other, &mut optimizer)?;
/// for _ in checkpoint.epoch..2 {
///     epoch(&other, &mut optimizer, &mut schedule)?;
/// }
/// assert_eq!(other.state_dict(), net.state_dict());
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// The dictionary of one's own that is given to `torch.save`.
#[derive(Clone, Default, PartialEq)]
pub struct Checkpoint {
    /// How many epochs are done.
    pub epoch: u64,
    /// How many steps are done, of the epoch or of all, as the training counts them.
    pub step: u64,
    /// The model's.
    pub model: StateDict,
    /// The optimizer's.
    pub optimizer: StateDict,
    /// The schedule's.
    pub schedule: StateDict,
    /// The [state](get_rng_state) of the default generator; empty if it is not part of it.
    pub generator: Vec<u8>,
    /// Anything else: what a standardizer has found, the best loss so far, the state of a generator of one's own
    /// ([`generator_to_tensor`]).
    pub extra: StateDict,
}

/// How far it has come: what it holds would fill pages.
impl fmt::Debug for Checkpoint {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint")
            .field("epoch", &self.epoch)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

/// The parts that are states, with what their names begin with.
const PARTS: [&str; 4] = ["model.", "optimizer.", "schedule.", "extra."];

const LOAD: &str = "from_state_dict";

impl Checkpoint {
    /// The states of a model, its optimizer and the default generator, as they are now.
    #[inline]
    pub fn of(model: &(impl Module + ?Sized), optimizer: &(impl Optimizer + ?Sized)) -> Self {
        Self {
            model: model.state_dict(),
            optimizer: optimizer.state_dict(),
            generator: get_rng_state(),
            ..Self::default()
        }
    }

    /// Loads the states of the model, its optimizer and the default generator.
    ///
    /// # Errors
    /// What one of them refuses; nothing is loaded then.
    #[inline]
    pub fn restore(
        &self,
        model: &(impl Module + ?Sized),
        optimizer: &mut (impl Optimizer + ?Sized),
    ) -> Result<()> {
        let mut generator = Generator::new();
        if !self.generator.is_empty() {
            generator.set_state(&self.generator)?;
        }
        let before = model.state_dict();
        model.load_state_dict(&self.model)?;
        if let Err(error) = optimizer.load_state_dict(&self.optimizer) {
            model.load_state_dict(&before)?;
            return Err(error);
        }
        if self.generator.is_empty() { Ok(()) } else { set_rng_state(&self.generator) }
    }

    /// All of it as one state, which is what a file holds: `epoch`, `step`, `generator`, and `model.NAME`, `optimizer.NAME`,
    /// `schedule.NAME`, `extra.NAME`.
    #[inline]
    pub fn state_dict(&self) -> StateDict {
        let count = |count: u64| Tensor::from(count.cast_signed());
        let mut all: StateDict =
            [("epoch", count(self.epoch)), ("step", count(self.step))].into_iter().collect();
        if !self.generator.is_empty() {
            all.insert("generator", bytes_to_tensor(&self.generator));
        }
        for (prefix, part) in
            PARTS.into_iter().zip([&self.model, &self.optimizer, &self.schedule, &self.extra])
        {
            all.extend(part.with_prefix(prefix));
        }
        all
    }

    /// The checkpoint of a [`state_dict`](Self::state_dict).
    ///
    /// # Errors
    /// [`Error::Argument`] for a state that is no checkpoint's.
    #[inline]
    pub fn from_state_dict(state: &StateDict) -> Result<Self> {
        let [model, optimizer, schedule, extra] = PARTS.map(|prefix| state.strip_prefix(prefix));
        let known = |name: &str| {
            ["epoch", "step", "generator"].contains(&name) || PARTS.iter().any(|part| name.starts_with(part))
        };
        if let Some((name, _)) = state.iter().find(|(name, _)| !known(name)) {
            return Err(Error::argument(LOAD, format!("a checkpoint has no place for {name}")));
        }
        let count = |name: &str| {
            let value = state.get(name).filter(|value| value.dtype() == DType::I64 && value.numel() == 1);
            let value =
                value.ok_or_else(|| Error::argument(LOAD, format!("a checkpoint has one int64 {name}")))?;
            Ok::<_, Error>(value.item::<i64>()?.cast_unsigned())
        };
        let generator = state.get("generator").map(tensor_to_bytes).transpose()?.unwrap_or_default();
        let (epoch, step) = (count("epoch")?, count("step")?);
        Ok(Self { epoch, step, model, optimizer, schedule, generator, extra })
    }

    /// Writes it to a file, as [`StateDict::save`] does: a crash leaves the old file or the new one.
    ///
    /// # Errors
    /// As [`StateDict::save`].
    #[cfg(feature = "safetensors")]
    #[inline]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.state_dict().save(path)
    }

    /// Reads it from a file.
    ///
    /// # Errors
    /// As [`StateDict::load`], and [`Error::File`] for a file of another kind.
    #[cfg(feature = "safetensors")]
    #[inline]
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::from_state_dict(&StateDict::load(path)?)
            .map_err(|error| crate::file::misfit("load", path, error))
    }
}

/// The state of a generator as a tensor of 632 `int64`, which hold its 5056 bytes in order: for [`Checkpoint::extra`].
///
/// # Examples
/// ```
/// use downhill::nn::{generator_from_tensor, generator_to_tensor};
/// use downhill::random::Generator;
///
/// let generator = Generator::seeded(7);
/// assert_eq!(generator_from_tensor(&generator_to_tensor(&generator))?, generator);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// `generator.get_state()`; `tensor.view(torch.uint8)` of this one are its bytes.
#[inline]
pub fn generator_to_tensor(generator: &Generator) -> Tensor {
    bytes_to_tensor(&generator.state())
}

/// The generator of a [tensor](generator_to_tensor).
///
/// # Errors
/// [`Error::Argument`] for a tensor that holds no generator's state.
#[inline]
pub fn generator_from_tensor(tensor: &Tensor) -> Result<Generator> {
    let mut generator = Generator::new();
    generator.set_state(&tensor_to_bytes(tensor)?)?;
    Ok(generator)
}

#[inline]
fn bytes_to_tensor(bytes: &[u8]) -> Tensor {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().map(|number| i64::from_le_bytes(*number)).collect::<Vec<_>>().into()
}

#[inline]
fn tensor_to_bytes(tensor: &Tensor) -> Result<Vec<u8>> {
    if tensor.dtype() != DType::I64 {
        return Err(Error::DType { op: "generator", expected: "int64", got: tensor.dtype() });
    }
    memory::collect("generator", tensor.to_vec::<i64>()?.into_iter().flat_map(i64::to_le_bytes))
}
