//! A kernel that carries its definition: first derivatives run the kernel, derivatives of derivatives the definition.

use super::mode::grad_enabled;
use super::node::{Edge, attach, edge, record};
use super::{GradOptions, grad_with};
use crate::{Result, Tensor};
use triomphe::Arc;

/// A differentiable operation with kernels of its own.
///
/// `value` is the result that the forward kernel computed from `inputs`. `backward(i, g, inputs)` is the gradient of
/// input `i` for the gradient `g` of the result; it runs while no graph is being built. While one is (that is, for
/// second derivatives), `definition`, the same function in ordinary tensor operations, is differentiated instead.
///
/// Every differentiable tensor that `definition` reads must be among its arguments: one that it captures would lose
/// its gradient. [`check::fused`](crate::check::fused) tests that the kernels and the definition agree.
///
/// ```
/// use downhill::{Tensor, autograd::fused};
/// fn cube(x: &Tensor) -> downhill::Result<Tensor> {
///     let value = Tensor::from_vec(x.to_vec::<f64>()?.iter().map(|x| x * x * x).collect(), x.shape())?;
///     Ok(fused(
///         "CubeBackward",
///         [x],
///         value,
///         |_, g, [x]| g.mul(&x.square().mul(3.0)?),
///         |[x]| x.mul(x)?.mul(x),
///     ))
/// }
/// let x = Tensor::from([2.0_f64]).requires_grad_()?;
/// cube(&x)?.sum().backward()?;
/// assert_eq!(x.grad().unwrap().item::<f64>()?, 12.0);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn fused<const N: usize, B, D>(
    name: &'static str,
    inputs: [&Tensor; N],
    value: Tensor,
    backward: B,
    definition: D,
) -> Tensor
where
    B: Fn(usize, &Tensor, [&Tensor; N]) -> Result<Tensor> + Send + Sync + 'static,
    D: Fn([&Tensor; N]) -> Result<Tensor> + Send + Sync + 'static,
{
    if !grad_enabled() || inputs.iter().all(|x| !x.requires_grad()) {
        return value;
    }
    let op = Arc::new((inputs.map(Clone::clone), backward, definition));
    let edges: [Option<Edge>; N] = std::array::from_fn(|i| {
        edge(inputs[i], &op, move |g, op| {
            let (inputs, backward, definition) = &**op;
            if !grad_enabled() {
                return backward(i, g, inputs.each_ref());
            }
            // Aliases keep inputs that depend on each other apart: the inner pass stops at them.
            let aliases = inputs.each_ref().map(alias);
            let y = definition(aliases.each_ref())?;
            let options = GradOptions { create_graph: true, allow_unused: true, ..GradOptions::default() };
            let found = grad_with(&[(&y, Some(g))], &[&aliases[i]], options)?.remove(0);
            found.map_or_else(|| inputs[i].try_zeros_like(), Ok)
        })
    });
    attach(name, value, edges)
}

/// A tensor's value under a node of its own.
fn alias(x: &Tensor) -> Tensor {
    record("AliasBackward0", x.value().clone(), [edge(x, &(), |g, ()| Ok((*g).clone()))])
}
