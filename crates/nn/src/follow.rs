//! One module that follows another: target networks, averages of weights.

use crate::{Error, Module, Result};
use downhill_tensor::{Tensor, no_grad};

/// Moves the parameters of `target` towards those of `source`, `t + τ·(s − t)`, and copies the buffers: the target network of
/// reinforcement learning with a `tau` of 0.005, an exponential moving average of weights with `1 − decay`, a copy with 1.
///
/// # Errors
/// [`Error::Argument`] for parameters or buffers of other names or shapes and a `tau` outside of [0, 1], [`Error::Memory`]; nothing has
/// changed then.
///
/// # Examples
/// ```
/// use downhill::nn::{Linear, Module, soft_update};
/// use downhill::random::fork_rng;
///
/// let model = Linear::new(2, 2)?;
/// // A module of its own; `fork_rng` spends no random numbers on it.
/// let target = fork_rng(|| Linear::new(2, 2))?;
/// soft_update(&target, &model, 1.0)?;
/// assert_eq!(target.weight.tensor(), model.weight.tensor());
/// // After each step of the optimizer:
/// soft_update(&target, &model, 0.005)?;
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// `target.load_state_dict(source.state_dict())` for a copy;
/// [`torch.optim.swa_utils.AveragedModel`](https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema) with
/// `get_ema_multi_avg_fn(decay)`
#[inline]
#[doc(alias = "AveragedModel")]
#[doc(alias = "ema")]
#[doc(alias = "polyak")]
#[doc(alias = "deepcopy")]
pub fn soft_update(target: &impl Module, source: &impl Module, tau: f64) -> Result<()> {
    if !(0.0..=1.0).contains(&tau) {
        return Err(Error::argument("soft_update", format!("tau must be in [0, 1], but got {tau}")));
    }
    let (to, from) = (target.named_parameters(), source.named_parameters());
    let (buffers, sources) = (target.named_buffers(), source.named_buffers());
    let value = |(name, p): &(String, crate::Parameter)| (name.clone(), p.tensor());
    let held = |(name, b): &(String, crate::Buffer)| (name.clone(), b.tensor());
    let old: Vec<_> = to.iter().map(value).chain(buffers.iter().map(held)).collect();
    let new: Vec<_> = from.iter().map(value).chain(sources.iter().map(held)).collect();
    let one = |i: usize, all: &[(String, Tensor)]| {
        all.get(i).map_or("nothing".to_string(), |(name, x)| format!("{name} of shape {}", x.shape()))
    };
    if let Some(i) = (0..old.len().max(new.len())).find(|&i| one(i, &old) != one(i, &new)) {
        let message = format!("the target has {}, but the source {}", one(i, &old), one(i, &new));
        return Err(Error::argument("soft_update", message));
    }
    // All that may want memory before anything changes.
    let moved = old.iter().zip(&new).enumerate().map(|(i, ((_, old), (_, new)))| {
        let new = new.detach().try_to_dtype(old.dtype())?;
        if i < to.len() && old.dtype().is_float() {
            no_grad(|| old.detach().lerp(&new, tau))
        } else {
            Ok(new)
        }
    });
    let moved = moved.collect::<Result<Vec<_>>>()?;
    let ready = to.iter().zip(&moved).map(|((_, p), new)| p.ready_for(new)).collect::<Result<Vec<_>>>()?;
    to.iter().zip(&ready).try_for_each(|((_, p), new)| p.set(new))?;
    buffers.iter().zip(&moved[to.len()..]).for_each(|((_, b), new)| b.set(new.clone()));
    Ok(())
}
