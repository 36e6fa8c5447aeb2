//! Reverse-mode differentiation.
//!
//! Every operation on a tensor that requires a gradient records a node; nodes are numbered as they are created, and
//! that order is the tape. [`Tensor::backward`] walks it from the newest node to the oldest.
//!
//! ```
//! use downhill::Tensor;
//! let x = Tensor::from([1.0_f32, 2.0, 3.0]).requires_grad_()?;
//! let y = x.square().sum();
//! y.backward()?;
//! assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [2.0, 4.0, 6.0]);
//! # Ok::<(), downhill::Error>(())
//! ```

mod engine;
mod fused;
pub mod graph;
mod mode;
pub(crate) mod node;
mod ready;
mod watch;

pub use fused::fused;
pub use mode::{detect_anomaly, enable_grad, grad_enabled, no_grad};
pub use node::{Edge, Grad, edge};
pub use ready::Ready;
pub use watch::Hook;

use crate::{Error, Result, Tensor};
use engine::Want;
use node::Node;
use triomphe::Arc;

/// What [`Tensor::backward_with_options`] may keep.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackwardOptions {
    /// Keep the graph for another pass.
    pub retain_graph: bool,
    /// Record the pass itself, so that the gradients can be differentiated. Implies `retain_graph`.
    pub create_graph: bool,
}

/// What [`grad_with`] may keep and leave out.
#[derive(Clone, Copy, Debug, Default)]
pub struct GradOptions {
    /// Keep the graph for another pass.
    pub retain_graph: bool,
    /// Record the pass itself, so that the gradients can be differentiated. Implies `retain_graph`.
    pub create_graph: bool,
    /// Give `None` for an input that the outputs do not depend on, instead of an error.
    pub allow_unused: bool,
}

/// The gradients of `output`, a scalar, with respect to `inputs`; nothing is accumulated into leaves.
///
/// [`torch.autograd.grad`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html) with its defaults.
///
/// # Errors
/// What [`grad_with`] refuses, an input that `output` does not depend on included.
///
/// ```
/// use downhill::{Tensor, autograd::grad};
/// let x = Tensor::from(3.0_f64).requires_grad_()?;
/// let y = x.square();
/// assert_eq!(grad(&y, &[&x])?[0].item::<f64>()?, 6.0);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn grad(output: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
    let found = grad_with(&[(output, None)], inputs, GradOptions::default())?;
    Ok(found.into_iter().flatten().collect())
}

/// The gradients of `output`, a scalar, as results that can be differentiated again: for penalties on gradients and for equations with
/// derivatives in them. The graph is kept.
///
/// [`torch.autograd.grad`](https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html) with `create_graph=True`.
///
/// # Errors
/// What [`grad`] refuses.
///
/// ```
/// use downhill::Tensor;
/// use downhill::autograd::grad_create_graph;
/// let x = Tensor::from([1.0, 2.0]).requires_grad_()?;
/// let [slope] = grad_create_graph(&x.pow(3)?.sum(), [&x])?;
/// let [curvature] = grad_create_graph(&slope.sum(), [&x])?;
/// assert_eq!(curvature, Tensor::from([6.0, 12.0]));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
#[doc(alias = "create_graph")]
pub fn grad_create_graph<const N: usize>(output: &Tensor, inputs: [&Tensor; N]) -> Result<[Tensor; N]> {
    let options = GradOptions { create_graph: true, ..GradOptions::default() };
    let found: Vec<_> = grad_with(&[(output, None)], &inputs, options)?.into_iter().flatten().collect();
    found.try_into().map_err(|_| Error::NoGrad { op: "grad" })
}

/// The gradients of several outputs, each with its own incoming gradient (`None` for a scalar: 1), summed over the
/// outputs.
///
/// # Errors
/// [`Error::NoGrad`] for an output or input outside of any graph, [`Error::NotScalar`] for an output of several
/// elements without a gradient, [`Error::Shape`] for a gradient of another shape, [`Error::GraphFreed`] after an
/// earlier pass, [`Error::Argument`] for an unused input unless `allow_unused`.
///
/// ```
/// use downhill::{Tensor, autograd::{GradOptions, grad_with}};
/// let x = Tensor::from(2.0_f64).requires_grad_()?;
/// let y = x.mul(&x)?.mul(&x)?;
/// let options = GradOptions { create_graph: true, ..GradOptions::default() };
/// let dy = grad_with(&[(&y, None)], &[&x], options)?.remove(0).unwrap();
/// let d2y = downhill::autograd::grad(&dy, &[&x])?.remove(0);
/// assert_eq!((dy.item::<f64>()?, d2y.item::<f64>()?), (12.0, 12.0));
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn grad_with(
    outputs: &[(&Tensor, Option<&Tensor>)],
    inputs: &[&Tensor],
    options: GradOptions,
) -> Result<Vec<Option<Tensor>>> {
    let nodes = inputs.iter().map(|x| x.node().ok_or(Error::NoGrad { op: "grad" }));
    let ids = nodes.map(|node| node.map(|n| n.id)).collect::<Result<Vec<_>>>()?;
    let Some(&oldest) = ids.iter().min() else { return Ok(Vec::new()) };
    let found = ids.iter().map(|&id| (id, None)).collect();
    let mut want = Want::Nodes { found, oldest };
    let roots = outputs.iter().map(|(y, g)| root("grad", y, *g, options.create_graph));
    let roots = roots.collect::<Result<Vec<_>>>()?;
    let GradOptions { retain_graph, create_graph, allow_unused } = options;
    engine::run(roots, &mut want, create_graph, retain_graph || create_graph)?;
    let Want::Nodes { found, .. } = want else { unreachable!("set above") };
    let found: Vec<_> = ids.iter().map(|id| found[id].clone()).collect();
    match found.iter().position(Option::is_none) {
        Some(i) if !allow_unused => {
            let message = format!("the outputs do not depend on input {i} (allow_unused gives None there)");
            Err(Error::argument("grad", message))
        }
        _ => Ok(found),
    }
}

/// A root of a backward pass with its gradient.
fn root(
    op: &'static str,
    y: &Tensor,
    gradient: Option<&Tensor>,
    create_graph: bool,
) -> Result<(Arc<Node>, Tensor)> {
    let node = y.node().ok_or(Error::NoGrad { op })?.clone();
    let seed = match gradient {
        Some(g) if g.shape() != y.shape() => {
            return Err(Error::shape(op, format!("a gradient of shape {}", y.shape()), g.shape()));
        }
        Some(g) if create_graph => g.try_to_dtype(y.dtype())?,
        Some(g) => g.detach().try_to_dtype(y.dtype())?,
        None if y.numel() == 1 => y.try_ones_like()?,
        None => return Err(Error::NotScalar { shape: Box::new(*y.shape()) }),
    };
    Ok((node, seed))
}

/// Gradients.
impl Tensor {
    /// Adds the gradient of this scalar to the [`grad`](Self::grad) of every leaf that it was computed from, and
    /// frees the graph.
    ///
    /// [`torch.Tensor.backward`](https://docs.pytorch.org/docs/stable/generated/torch.Tensor.backward.html).
    ///
    /// # Errors
    /// [`Error::NotScalar`] if it has more than one element, [`Error::NoGrad`] if it is a constant,
    /// [`Error::GraphFreed`] on a second pass through the same graph, and those of derivatives, such as [`Error::Memory`]. After an
    /// error the leaves' gradients are as before; what the pass has gone through of the graph is freed.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([1.0_f32, -2.0]).requires_grad_()?;
    /// x.abs().sum().backward()?;
    /// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [1.0, -1.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn backward(&self) -> Result<()> {
        self.backward_with_options(None, BackwardOptions::default())
    }

    /// [`backward`](Self::backward) from a tensor of any shape, given the gradient of what follows with respect to it.
    ///
    /// # Errors
    /// As [`backward`](Self::backward), and [`Error::Shape`] for a gradient of another shape.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
    /// x.square().backward_with(&Tensor::from([1.0_f32, 10.0]))?;
    /// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [2.0, 40.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn backward_with(&self, gradient: &Tensor) -> Result<()> {
        self.backward_with_options(Some(gradient), BackwardOptions::default())
    }

    /// [`backward_with`](Self::backward_with) and [`BackwardOptions`].
    ///
    /// # Errors
    /// As [`backward_with`](Self::backward_with).
    ///
    /// ```
    /// use downhill::{Tensor, autograd::BackwardOptions};
    /// let x = Tensor::from(3.0_f32).requires_grad_()?;
    /// let y = x.square();
    /// y.backward_with_options(None, BackwardOptions { retain_graph: true, ..Default::default() })?;
    /// y.backward()?; // gradients add up
    /// assert_eq!(x.grad().unwrap().item::<f32>()?, 12.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "retain_graph")]
    pub fn backward_with_options(&self, gradient: Option<&Tensor>, options: BackwardOptions) -> Result<()> {
        let BackwardOptions { retain_graph, create_graph } = options;
        let root = root("backward", self, gradient, create_graph)?;
        engine::run([root], &mut Want::Leaves, create_graph, retain_graph || create_graph)
    }

    /// This value as a leaf of the graph: a tensor whose [`grad`](Self::grad) `backward` fills.
    ///
    /// # Errors
    /// [`Error::DType`] unless the elements are floats.
    ///
    /// ```
    /// let x = downhill::Tensor::from([1.0_f32]).requires_grad_()?;
    /// assert!(x.requires_grad() && x.is_leaf());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn requires_grad_(&self) -> Result<Tensor> {
        self.dtype().check_float("requires_grad_")?;
        Ok(Tensor::attached(self.value().clone(), Some(Node::leaf(self.value()))))
    }

    /// Whether operations on this tensor are recorded.
    ///
    /// ```
    /// assert!(!downhill::Tensor::from([1.0_f32]).requires_grad());
    /// ```
    pub fn requires_grad(&self) -> bool {
        self.node().is_some()
    }

    /// Whether it was not computed from a tensor that requires a gradient.
    ///
    /// ```
    /// let x = downhill::Tensor::from([1.0_f32]).requires_grad_()?;
    /// assert!(x.is_leaf() && !x.exp().is_leaf());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn is_leaf(&self) -> bool {
        self.node().is_none_or(|node| node.is_leaf())
    }

    /// The gradient that `backward` has accumulated into this leaf, or into a result that [retains](Self::retain_grad) it. `None` before,
    /// and for all others: [`try_grad`](Self::try_grad) tells which.
    ///
    /// ```
    /// assert!(downhill::Tensor::from([1.0_f32]).grad().is_none());
    /// ```
    pub fn grad(&self) -> Option<Tensor> {
        self.node()?.grad()
    }

    /// Replaces the accumulated gradient; `None` is where training steps start.
    ///
    /// # Errors
    /// [`Error::NoGrad`] if it is neither a leaf that requires a gradient nor a result that [retains](Self::retain_grad) it, [`Error::Shape`] and [`Error::DType`] if the
    /// gradient's differ from the leaf's.
    ///
    /// ```
    /// let x = downhill::Tensor::from([1.0_f32]).requires_grad_()?;
    /// x.exp().sum().backward()?;
    /// x.set_grad(None)?;
    /// assert!(x.grad().is_none());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn set_grad(&self, grad: Option<Tensor>) -> Result<()> {
        let node = self.node().filter(|n| n.keeps_grad()).ok_or(Error::NoGrad { op: "set_grad" })?;
        if let Some(g) = &grad {
            if g.shape() != self.shape() {
                return Err(Error::shape("set_grad", format!("shape {}", self.shape()), g.shape()));
            }
            Error::check_same("set_grad", ("leaf", self.dtype()), ("gradient", g.dtype()))?;
        }
        node.set_grad(grad);
        Ok(())
    }

    /// This value as a constant.
    ///
    /// ```
    /// let x = downhill::Tensor::from([1.0_f32]).requires_grad_()?;
    /// assert!(!x.exp().detach().requires_grad());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    pub fn detach(&self) -> Tensor {
        if self.requires_grad() { Tensor::attached(self.value().clone(), None) } else { self.clone() }
    }

    /// A value with a derivative of your own: `value` (its history is dropped) becomes the result of an operation
    /// called `name` with these [`edge`]s.
    ///
    /// ```
    /// use downhill::{Tensor, autograd::edge};
    /// // The straight-through estimator: rounds, but lets the gradient pass.
    /// let x = Tensor::from([0.4_f32, 1.6]).requires_grad_()?;
    /// let y = Tensor::from_op("StraightThrough", x.detach().round(), [edge(&x, &(), |g, ()| Ok((**g).clone()))]);
    /// y.sum().backward()?;
    /// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [1.0, 1.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "Function")]
    pub fn from_op<const N: usize>(name: &'static str, value: Tensor, edges: [Option<Edge>; N]) -> Tensor {
        node::attach(name, value, edges)
    }

    /// As [`from_op`](Self::from_op), for any number of edges.
    ///
    /// ```
    /// use downhill::{Tensor, autograd::edge};
    /// let xs = [1.0_f32, 2.0, 3.0].map(|x| Tensor::from(x).requires_grad_());
    /// let xs = xs.into_iter().collect::<Result<Vec<_>, _>>()?;
    /// let total = xs.iter().try_fold(Tensor::from(0.0_f32), |sum, x| sum.add(&x.detach()))?;
    /// let y = Tensor::from_edges("AddN", total, xs.iter().map(|x| edge(x, &(), |g, ()| Ok((**g).clone()))));
    /// y.backward()?;
    /// assert_eq!(xs[2].grad(), Some(Tensor::from(1.0_f32)));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    pub fn from_edges(
        name: &'static str,
        value: Tensor,
        edges: impl IntoIterator<Item = Option<Edge>>,
    ) -> Tensor {
        node::record_many(name, value.value().clone(), edges.into_iter().flatten().collect())
    }

    /// The name of the operation that computed it, as PyTorch prints it (`MulBackward0`).
    ///
    /// ```
    /// let x = downhill::Tensor::from([1.0_f32]).requires_grad_()?;
    /// assert_eq!(x.exp().grad_fn(), Some("ExpBackward0"));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn grad_fn(&self) -> Option<&'static str> {
        self.node().filter(|node| !node.is_leaf()).map(|node| node.name)
    }
}
