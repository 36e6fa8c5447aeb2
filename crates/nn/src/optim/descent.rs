//! Groups of parameters that follow a rule.

use super::saved::{LOAD, Saved, check_used_up, missing, take, wrong};
use super::{Memory, Optimizer, Rule, Setting};
use crate::{Error, Parameter, Result, StateDict};
use downhill_tensor::{DType, Tensor};
use std::collections::HashMap;
use std::fmt;

/// An optimizer: parameters in groups, each with options of its own, and what is remembered of each parameter.
///
/// [`SGD`](super::SGD), [`Adam`](super::Adam) and the others are names for it with a certain [`Rule`].
///
/// # Examples
/// ```
/// use downhill::nn::{Optimizer, Parameter, SGD, SgdOptions};
///
/// let (slow, fast) = (Parameter::new(downhill::ones([1])?)?, Parameter::new(downhill::ones([1])?)?);
/// let options = SgdOptions { lr: 0.25, ..Default::default() };
/// let mut optimizer =
///     SGD::with_groups([(vec![slow.clone()], options), (vec![fast.clone()], SgdOptions { lr: 0.5, ..options })])?;
/// (slow.tensor() + fast.tensor()).sum().backward()?;
/// optimizer.step()?;
/// assert_eq!((slow.tensor(), fast.tensor()), (downhill::full([1], 0.75_f32)?, downhill::full([1], 0.5_f32)?));
/// assert_eq!(optimizer.lrs(), [0.25, 0.5]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [Per-parameter options](https://docs.pytorch.org/docs/stable/optim.html#per-parameter-options)
#[derive(Debug)]
pub struct Descent<R> {
    /// Of each group.
    options: Vec<R>,
    /// Of each group that was there when a schedule was made, the learning rate before the first one.
    initial: Vec<f64>,
    /// Group after group.
    members: Vec<Member>,
    /// Which member a parameter is, by [`Parameter::id`].
    places: HashMap<usize, usize>,
}

struct Member {
    group: usize,
    parameter: Parameter,
    memory: Memory,
}

/// Without the elements, of which there may be millions.
impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shape, steps) = (self.parameter.shape(), self.memory.steps);
        write!(f, "Parameter {{ group: {}, shape: {shape}, steps: {steps} }}", self.group)
    }
}

impl Member {
    /// The gradient that the optimizer `op` follows, in row-major order, once there is all the memory that a step takes.
    fn prepare(&mut self, op: &'static str, first: &[(&'static str, f64)]) -> Result<Option<Tensor>> {
        let Some(grad) = self.parameter.grad() else { return Ok(None) };
        let grad = grad.detach().try_contiguous()?;
        match grad.dtype() {
            DType::F32 => self.memory.prepare::<f32>(first, &grad)?,
            DType::F64 => self.memory.prepare::<f64>(first, &grad)?,
            got @ (DType::I64 | DType::Bool) => return Err(Error::not_float(op, got)),
        }
        self.parameter.unshare()?;
        Ok(Some(grad))
    }
}

impl<R: Rule> Descent<R> {
    /// An optimizer of these parameters, all with the same options.
    ///
    /// # Errors
    /// [`Error::Argument`] without parameters, for one that is named twice and for options outside their range.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Parameter, SGD, SgdOptions};
    ///
    /// let w = Parameter::new(downhill::ones([2])?)?;
    /// let error = SGD::new([w], SgdOptions { lr: -0.1, ..Default::default() }).unwrap_err();
    /// assert_eq!(error.to_string(), "SGD: lr must be at least 0, but is -0.1");
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn new(parameters: impl IntoIterator<Item = Parameter>, options: R) -> Result<Self> {
        Self::with_groups([(parameters, options)])
    }

    /// An optimizer of groups of parameters, each with its options.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    #[doc(alias = "param_groups")]
    pub fn with_groups<P: IntoIterator<Item = Parameter>>(
        groups: impl IntoIterator<Item = (P, R)>,
    ) -> Result<Self> {
        let mut optimizer =
            Self { options: Vec::new(), initial: Vec::new(), members: Vec::new(), places: HashMap::new() };
        for (parameters, options) in groups {
            optimizer.add_group(parameters, options)?;
        }
        if optimizer.members.is_empty() {
            return Err(Error::argument(R::NAME, "there are no parameters to optimize"));
        }
        Ok(optimizer)
    }

    /// Takes in another group of parameters, as when a frozen part is set free.
    ///
    /// # Errors
    /// [`Error::Argument`] for a parameter that is there already and for options outside their range.
    ///
    /// # PyTorch
    /// [`torch.optim.Optimizer.add_param_group`](https://docs.pytorch.org/docs/stable/generated/torch.optim.Optimizer.add_param_group.html)
    #[doc(alias = "add_param_group")]
    pub fn add_group(&mut self, parameters: impl IntoIterator<Item = Parameter>, options: R) -> Result<()> {
        options.check()?;
        let (group, count) = (self.options.len(), self.members.len());
        for parameter in parameters {
            let place = self.members.len();
            if let Some(first) = self.places.insert(parameter.id(), place) {
                let message = format!("parameters {first} and {place} are the same");
                self.members.truncate(count);
                self.places = self.members.iter().enumerate().map(|(i, m)| (m.parameter.id(), i)).collect();
                return Err(Error::argument(R::NAME, message));
            }
            self.members.push(Member { group, parameter, memory: Memory::default() });
        }
        self.options.push(options);
        Ok(())
    }

    /// The options of each group.
    pub fn options(&self) -> &[R] {
        &self.options
    }

    /// A number of each group; `None` if the rule has none of these names.
    fn numbers(&self, names: &[&str]) -> Option<Vec<f64>> {
        self.options.iter().map(|options| number(&mut options.clone(), names).copied()).collect()
    }

    fn set_numbers(&mut self, names: &[&str], values: &[f64]) -> Result<()> {
        if values.len() != self.options.len() {
            let message = format!("{} values of {names:?} for {} groups", values.len(), self.options.len());
            return Err(Error::argument(R::NAME, message));
        }
        if values.iter().any(|value| value.is_nan()) {
            return Err(Error::argument(R::NAME, format!("{} cannot be nan", names.join(" or "))));
        }
        for (options, &value) in self.options.iter_mut().zip(values) {
            let place = number(options, names);
            *place.ok_or_else(|| Error::argument(R::NAME, format!("has no {}", names.join(" or "))))? = value;
        }
        Ok(())
    }

    /// The indices of a group's parameters.
    fn indices(&self, group: usize) -> Tensor {
        let end = |group| self.members.partition_point(|member| member.group < group) as i64;
        (end(group)..end(group + 1)).collect::<Vec<_>>().into()
    }

    /// The memory of parameter `i` in a state, taken out of it: all that a step with these options goes on from, or nothing.
    fn load_memory(&self, i: usize, options: &R, state: &mut StateDict) -> Result<Memory> {
        let (mut memory, parameter) = (Memory::default(), &self.members[i].parameter);
        let Some(steps) = Self::load_steps(i, options, state)? else { return Ok(memory) };
        // A momentum may begin after the first step, and its buffer with it.
        let mut plain = options.clone();
        if let Some(momentum) = number(&mut plain, MOMENTUM) {
            *momentum = 0.0;
        }
        let always = plain.first_values();
        memory.steps = steps;
        for &name in R::BUFFERS {
            let entry = format!("state.{i}.{name}");
            let Some(tensor) = state.remove(&entry) else { continue };
            if *tensor.shape() != parameter.shape() {
                if *tensor.shape() == NOT_YET && always.iter().all(|(always, _)| *always != name) {
                    continue;
                }
                return Err(Error::shape(
                    LOAD,
                    format!("shape {} for {entry}", parameter.shape()),
                    tensor.shape(),
                ));
            }
            tensor.dtype().check_float(LOAD).map_err(|_| wrong(&entry, "must be floats", tensor.dtype()))?;
            if R::SQUARES.contains(&name) && tensor.lt(0)?.try_sum()?.item::<i64>()? > 0 {
                return Err(wrong(&entry, "must not be negative", tensor.min()?));
            }
            memory.buffers.push((name, tensor.try_to_dtype(parameter.dtype())?.try_contiguous()?));
        }
        Ok(memory)
    }

    /// The number of steps that parameter `i` has made, taken out of a state; `None` if it has made none, and nothing is remembered.
    fn load_steps(i: usize, options: &R, state: &mut StateDict) -> Result<Option<u64>> {
        let entry = |name: &str| format!("state.{i}.{name}");
        let Some(steps) = state.remove(&entry("step")) else {
            return match R::BUFFERS.iter().find(|name| state.get(&entry(name)).is_some()) {
                None => Ok(None),
                Some(_) => Err(missing(&entry("step"))),
            };
        };
        if let Some((name, _)) =
            options.first_values().iter().find(|(name, _)| state.get(&entry(name)).is_none())
        {
            return Err(missing(&entry(name)));
        }
        Ok(Some(0_usize.load(&entry("step"), &steps)? as u64))
    }

    /// The options of a group in a state, taken out of it.
    fn load_options(&self, group: usize, state: &mut StateDict) -> Result<R> {
        let entry = |name: &str| format!("param_groups.{group}.{name}");
        let (name, ours) = (entry("params"), self.indices(group));
        let theirs = state.remove(&name).ok_or_else(|| missing(&name))?;
        if theirs.shape() != ours.shape() {
            return Err(Error::shape(LOAD, format!("shape {} for {name}", ours.shape()), theirs.shape()));
        }
        if theirs != ours {
            return Err(wrong(&name, &format!("must be {ours}"), theirs));
        }
        let mut options = self.options[group].clone();
        for (name, setting) in options.settings() {
            let name = entry(name);
            match setting {
                Setting::Number(number) => *number = take(state, &name, number)?,
                Setting::Flag(flag) => *flag = take(state, &name, flag)?,
            }
        }
        // A schedule may have left the learning rate below 0.
        let mut checked = options.clone();
        if let Some(lr) = number(&mut checked, LR) {
            *lr = lr.abs();
        }
        checked.check()?;
        Ok(options)
    }
}

/// The shape of a buffer that the next step starts: the options have come to ask for it since the last one.
const NOT_YET: [usize; 1] = [0];

/// The first setting of one of these names.
fn number<'a, R: Rule>(options: &'a mut R, names: &[&str]) -> Option<&'a mut f64> {
    options.settings().into_iter().find_map(|(name, setting)| match setting {
        Setting::Number(number) if names.contains(&name) => Some(number),
        _ => None,
    })
}

const LR: &[&str] = &["lr"];
const MOMENTUM: &[&str] = &["momentum", "betas.0"];

impl<R: Rule> Optimizer for Descent<R> {
    fn step(&mut self) -> Result<()> {
        let first: Vec<_> = self.options.iter().map(Rule::first_values).collect();
        let grads = self.members.iter_mut().map(|member| member.prepare(R::NAME, &first[member.group]));
        let grads = grads.collect::<Result<Vec<_>>>();
        let grads = grads.inspect_err(|_| self.members.iter_mut().for_each(|member| member.memory.undo()))?;
        for (Member { group, parameter, memory }, grad) in self.members.iter_mut().zip(grads) {
            let (options, Some(grad)) = (&self.options[*group], grad) else { continue };
            memory.steps += 1;
            match grad.dtype() {
                DType::F32 => options.step::<f32>(parameter, &grad, memory)?,
                DType::F64 => options.step::<f64>(parameter, &grad, memory)?,
                got @ (DType::I64 | DType::Bool) => return Err(Error::not_float(R::NAME, got)),
            }
            memory.keep();
        }
        Ok(())
    }

    fn zero_grad(&mut self) {
        self.members.iter().for_each(|member| member.parameter.zero_grad());
    }

    fn lrs(&self) -> Vec<f64> {
        self.numbers(LR).unwrap_or_default()
    }

    fn set_lrs(&mut self, lrs: &[f64]) -> Result<()> {
        self.set_numbers(LR, lrs)
    }

    fn initial_lrs(&mut self) -> Vec<f64> {
        let lrs = self.lrs();
        self.initial.extend(lrs.into_iter().skip(self.initial.len()));
        self.initial.clone()
    }

    fn momenta(&self) -> Option<Vec<f64>> {
        self.numbers(MOMENTUM)
    }

    fn set_momenta(&mut self, momenta: &[f64]) -> Result<()> {
        self.set_numbers(MOMENTUM, momenta)
    }

    fn state_dict(&self) -> StateDict {
        let mut state = StateDict::new();
        for (i, Member { memory, group, .. }) in
            self.members.iter().enumerate().filter(|(_, m)| m.memory.steps > 0)
        {
            state.insert(format!("state.{i}.step"), Tensor::from(memory.steps.cast_signed()));
            for (name, tensor) in &memory.buffers {
                state.insert(format!("state.{i}.{name}"), tensor.clone());
            }
            for (name, _) in self.options[*group].first_values().iter().filter(|(name, _)| !memory.has(name))
            {
                state.insert(format!("state.{i}.{name}"), Tensor::from([0.0_f32; 0]));
            }
        }
        for (group, options) in self.options.iter().enumerate() {
            for (name, setting) in options.clone().settings() {
                let value = match setting {
                    Setting::Number(number) => Tensor::from(*number),
                    Setting::Flag(flag) => Tensor::from(*flag),
                };
                state.insert(format!("param_groups.{group}.{name}"), value);
            }
            state.insert(format!("param_groups.{group}.params"), self.indices(group));
        }
        state
    }

    fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
        let mut state = state.clone();
        let groups = 0..self.options.len();
        let options: Vec<_> =
            groups.map(|group| self.load_options(group, &mut state)).collect::<Result<_>>()?;
        let memories = self.members.iter().enumerate();
        let memories: Vec<_> = memories
            .map(|(i, member)| self.load_memory(i, &options[member.group], &mut state))
            .collect::<Result<_>>()?;
        check_used_up(R::NAME, &state)?;
        self.options = options;
        self.members.iter_mut().zip(memories).for_each(|(member, memory)| member.memory = memory);
        Ok(())
    }
}
