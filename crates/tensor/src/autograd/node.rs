//! A point on the tape: where a value came from and how gradients go back from it.

use super::mode::{anomaly, grad_enabled};
use crate::array::Array;
use crate::{DType, Error, Result, Shape, Tensor};
use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::fmt;
use std::mem;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use triomphe::Arc;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A node has no value: only its place on the tape, what a gradient for it must look like, and its edges.
pub(crate) struct Node {
    /// Position on the tape. Inputs are always older, that is smaller, than outputs.
    pub(crate) id: u64,
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) dtype: DType,
    kind: Kind,
    watch: OnceLock<Box<Watch>>,
}

type See = dyn Fn(&Tensor) -> Result<Option<Tensor>> + Send + Sync;

/// What few nodes have.
#[derive(Default)]
pub(crate) struct Watch {
    /// In the order in which they were registered, each with whether it is still there.
    hooks: Mutex<Vec<(std::sync::Arc<AtomicBool>, std::sync::Arc<See>)>>,
    /// The gradient of a result that keeps it.
    pub(super) retained: OnceLock<Mutex<Option<Tensor>>>,
    /// Where the operation was called, inside of `detect_anomaly`.
    pub(super) call: OnceLock<Backtrace>,
}

impl Watch {
    pub(super) fn add(&self, there: std::sync::Arc<AtomicBool>, see: std::sync::Arc<See>) {
        lock(&self.hooks).push((there, see));
    }

    /// The gradient of this node after its hooks.
    pub(super) fn hooked(&self, node: &Node, grad: Tensor) -> Result<Tensor> {
        let hooks = {
            let mut hooks = lock(&self.hooks);
            hooks.retain(|(there, _)| there.load(Ordering::Relaxed));
            hooks.clone()
        };
        // No lock is held: a hook may compute, differentiate, and register others.
        hooks.iter().try_fold(grad, |grad, (_, see)| match see(&grad)? {
            None => Ok(grad),
            Some(new) if *new.shape() == node.shape => new.try_to_dtype(node.dtype),
            Some(new) => {
                Err(Error::shape("register_hook", format!("a gradient of shape {}", node.shape), new.shape()))
            }
        })
    }
}

/// Outside of the lock, which costs two atomic operations: whether a node is a leaf is asked in each step.
enum Kind {
    /// With its gradient.
    Leaf(Mutex<Option<Tensor>>),
    /// `None` once it is freed.
    Op(Mutex<Option<Op>>),
}

/// What backward needs of an operation.
#[derive(Clone)]
pub(crate) struct Op {
    pub(super) edges: Edges,
    /// The operation's own result, where a derivative is written in it. A value, so no cycle.
    pub(super) output: Option<Box<Array>>,
}

/// Most operations have one or two inputs; theirs need no allocation.
#[derive(Clone)]
pub(crate) enum Edges {
    Few([Option<Edge>; 2]),
    Many(Vec<Edge>),
}

impl Edges {
    pub(super) fn into_iter(self) -> impl Iterator<Item = Edge> {
        let (few, many) = match self {
            Self::Few(edges) => (edges, Vec::new()),
            Self::Many(edges) => ([None, None], edges),
        };
        few.into_iter().flatten().chain(many)
    }

    fn new<const N: usize>(edges: [Option<Edge>; N]) -> Self {
        let mut edges = edges.into_iter();
        if N <= 2 {
            Self::Few([edges.next().flatten(), edges.next().flatten()])
        } else {
            Self::Many(edges.flatten().collect())
        }
    }
}

trait Derivative: Send + Sync {
    fn pull(&self, g: &Grad<'_>) -> Result<Tensor>;
    /// What it has saved; `None` where that and what it captures drops nothing.
    fn saved(&self) -> Option<&dyn Any>;
}

impl<S: Send + Sync + 'static, F: Fn(&Grad<'_>, &S) -> Result<Tensor> + Send + Sync> Derivative for (S, F) {
    fn pull(&self, g: &Grad<'_>) -> Result<Tensor> {
        self.1(g, &self.0)
    }
    fn saved(&self) -> Option<&dyn Any> {
        mem::needs_drop::<(S, F)>().then_some(&self.0)
    }
}

/// A derivative that saves nothing needs no memory.
#[derive(Clone)]
enum Vjp {
    Bare(&'static dyn Derivative),
    Saving(std::sync::Arc<dyn Derivative>),
}

impl Vjp {
    fn new<D: Derivative + 'static>(f: D) -> Self {
        if const { size_of::<D>() == 0 && !mem::needs_drop::<D>() } {
            // A box of nothing is no allocation, so nothing leaks.
            Self::Bare(Box::leak(Box::new(f)))
        } else {
            Self::Saving(std::sync::Arc::new(f))
        }
    }
}

/// The way of a gradient from an operation's result to one of its inputs. Made by [`edge`].
#[derive(Clone)]
pub struct Edge {
    pub(super) to: Arc<Node>,
    vjp: Vjp,
}

impl Edge {
    /// The gradient of the input, from that of the result.
    pub(super) fn pull(&self, g: &Grad<'_>) -> Result<Tensor> {
        match &self.vjp {
            Vjp::Bare(vjp) => vjp.pull(g),
            Vjp::Saving(vjp) => vjp.pull(g),
        }
    }

    /// What its derivative has saved, unless that is no memory.
    pub(super) fn saved(&self) -> Option<&dyn Any> {
        match &self.vjp {
            Vjp::Bare(_) => None,
            Vjp::Saving(vjp) => vjp.saved(),
        }
    }
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Edge(to {})", self.to.name)
    }
}

/// What a derivative sees: derefs to the incoming gradient, and knows the operation's own result.
pub struct Grad<'a> {
    pub(super) grad: &'a Tensor,
    pub(super) node: &'a Arc<Node>,
    pub(super) output: Option<&'a Array>,
}

impl fmt::Debug for Grad<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Grad({}, {:?})", self.node.name, self.grad)
    }
}

impl Deref for Grad<'_> {
    type Target = Tensor;
    fn deref(&self) -> &Tensor {
        self.grad
    }
}

impl Grad<'_> {
    /// The operation's result, attached to the tape again: for derivatives that are written in it (`exp`, `softmax`).
    /// Only for operations recorded with their output.
    pub(crate) fn output(&self) -> Tensor {
        let value = self.output.expect("recorded with record_output");
        Tensor::attached(value.clone(), grad_enabled().then(|| self.node.clone()))
    }
}

/// The edge from an operation to its input `to`; `vjp` maps the gradient of the result and what was saved to the
/// gradient of `to`.
///
/// The edge is `None`, and saves nothing, where no gradient is wanted: outside of grad mode or for a constant. The engine
/// sums the gradient to `to`'s shape (undoing broadcasting) and casts it to its dtype, so `vjp` need not.
///
/// ```
/// use downhill::{Tensor, autograd::edge};
/// // Gradient reversal: the identity, whose gradient changes its sign.
/// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
/// let y = Tensor::from_op("ReverseBackward", x.detach(), [edge(&x, &(), |g, ()| g.neg())]);
/// y.sum().backward()?;
/// assert_eq!(x.grad().unwrap().to_vec::<f32>()?, [-1.0, -1.0]);
/// # Ok::<(), downhill::Error>(())
/// ```
pub fn edge<S: Clone + Send + Sync + 'static>(
    to: &Tensor,
    saved: &S,
    vjp: impl Fn(&Grad<'_>, &S) -> Result<Tensor> + Send + Sync + 'static,
) -> Option<Edge> {
    let to = wanted(to)?;
    Some(Edge { to, vjp: Vjp::new((saved.clone(), vjp)) })
}

/// The node of an input whose gradient is wanted.
fn wanted(to: &Tensor) -> Option<Arc<Node>> {
    to.node().filter(|_| grad_enabled()).cloned()
}

impl Node {
    #[inline(always)]
    fn new(name: &'static str, value: &Array, kind: Kind) -> Arc<Self> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let (shape, dtype, watch) = (*value.shape(), value.dtype(), OnceLock::new());
        let node = Arc::new(Self { id, name, shape, dtype, kind, watch });
        if anomaly() {
            node.note_call();
        }
        node
    }

    #[cold]
    fn note_call(&self) {
        let _ = self.watched().call.set(Backtrace::force_capture());
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        self.watch.get().map(|watch| &**watch)
    }

    pub(super) fn watched(&self) -> &Watch {
        self.watch.get_or_init(Box::default)
    }

    /// Where the gradient is kept, if it is.
    fn slot(&self) -> Option<&Mutex<Option<Tensor>>> {
        match &self.kind {
            Kind::Leaf(grad) => Some(grad),
            Kind::Op(_) => self.watch()?.retained.get(),
        }
    }

    pub(super) fn keeps_grad(&self) -> bool {
        self.slot().is_some()
    }

    pub(crate) fn leaf(value: &Array) -> Arc<Self> {
        Self::new("AccumulateGrad", value, Kind::Leaf(Mutex::default()))
    }

    pub(crate) fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::Leaf(_))
    }

    pub(crate) fn grad(&self) -> Option<Tensor> {
        lock(self.slot()?).clone()
    }

    /// Adds to the gradient that it keeps.
    pub(super) fn accumulate(
        &self,
        mut grad: Tensor,
        add: impl Fn(Tensor, Tensor) -> Result<Tensor>,
    ) -> Result<()> {
        let Some(slot) = self.slot() else { return Ok(()) };
        // Nothing is added up under the lock: what another thread puts there meanwhile is added in the next turn.
        loop {
            let earlier = {
                let mut slot = lock(slot);
                let Some(earlier) = slot.take() else {
                    *slot = Some(grad);
                    return Ok(());
                };
                earlier
            };
            grad = add(earlier, grad)?;
        }
    }

    /// Sets the gradient that it keeps and returns the one before.
    pub(crate) fn set_grad(&self, value: Option<Tensor>) -> Option<Tensor> {
        mem::replace(&mut *lock(self.slot()?), value)
    }

    /// What backward needs; without `retain` the node gives it away and is freed. `None` for a leaf.
    pub(super) fn op(this: &mut Arc<Self>, retain: bool) -> Option<Result<Op>> {
        // A node that nobody else holds needs no lock.
        let op = if !retain
            && Arc::strong_count(this) == 1
            && let Some(Self { kind: Kind::Op(op), .. }) = Arc::get_mut(this)
        {
            op.get_mut().unwrap_or_else(PoisonError::into_inner).take()
        } else {
            let Kind::Op(op) = &this.kind else { return None };
            let mut op = lock(op);
            if retain { op.clone() } else { op.take() }
        };
        Some(op.ok_or(Error::GraphFreed { op: this.name }))
    }
}

/// No code of others runs while a lock is held, so poison means nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A value with the edges that lead back from it; a constant if there are none.
pub(crate) fn record<const N: usize>(name: &'static str, value: Array, edges: [Option<Edge>; N]) -> Tensor {
    let node = node(name, &value, edges, || None);
    Tensor::attached(value, node)
}

/// [`record`] for a derivative that reads [`Grad::output`].
pub(crate) fn record_output<const N: usize>(
    name: &'static str,
    value: Array,
    edges: [Option<Edge>; N],
) -> Tensor {
    let node = node(name, &value, edges, || Some(Box::new(value.clone())));
    Tensor::attached(value, node)
}

/// As [`record`], for a value that is a tensor already; its history is dropped.
pub(crate) fn attach<const N: usize>(name: &'static str, value: Tensor, edges: [Option<Edge>; N]) -> Tensor {
    let node = node(name, value.value(), edges, || None);
    value.with_node(node)
}

/// As [`record`], for any number of inputs.
pub(crate) fn record_many(name: &'static str, value: Array, edges: Vec<Edge>) -> Tensor {
    let edges = (!edges.is_empty()).then_some(Edges::Many(edges));
    let node =
        edges.map(|edges| Node::new(name, &value, Kind::Op(Mutex::new(Some(Op { edges, output: None })))));
    Tensor::attached(value, node)
}

fn node<const N: usize>(
    name: &'static str,
    value: &Array,
    edges: [Option<Edge>; N],
    output: impl FnOnce() -> Option<Box<Array>>,
) -> Option<Arc<Node>> {
    if edges.iter().all(Option::is_none) {
        return None;
    }
    Some(Node::new(
        name,
        value,
        Kind::Op(Mutex::new(Some(Op { edges: Edges::new(edges), output: output() }))),
    ))
}

/// What a dead node had, and what may hold other nodes: its edges, the gradient of a leaf, its hooks.
#[allow(clippy::large_enum_variant, dead_code, reason = "most are edges; held until they are dropped")]
enum Dead {
    Edges(Edges),
    Grad(Tensor),
    Watch(Box<Watch>),
}

/// What dead nodes had waits to be dropped, so that dropping a long graph is a loop and not a recursion.
struct Drain {
    waiting: Vec<Dead>,
    running: bool,
}

thread_local! {
    static DRAIN: RefCell<Drain> = const { RefCell::new(Drain::new()) };
}

/// Of threads that end, and have lost their own.
static LAST: Mutex<Drain> = Mutex::new(Drain::new());

impl Drain {
    const fn new() -> Self {
        Self { waiting: Vec::new(), running: false }
    }

    /// Whether the caller shall drop what waits, because nobody does.
    fn push(&mut self, own: Option<Dead>, watch: Option<Box<Watch>>) -> bool {
        if let Some(own) = own {
            self.waiting.push(own);
        }
        if let Some(watch) = watch {
            self.waiting.push(Dead::Watch(watch));
        }
        !mem::replace(&mut self.running, true)
    }

    fn pop(&mut self) -> Option<Dead> {
        let next = self.waiting.pop();
        self.running = next.is_some();
        next
    }
}

/// Drops all that waits. A panic in the drop of what a derivative saved goes on after the last of them.
fn drop_all(pop: impl Fn() -> Option<Dead>) {
    let mut first = None;
    while let Some(dead) = pop() {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(dead))) {
            first.get_or_insert(panic);
        }
    }
    // Two panics at once would abort.
    if let Some(panic) = first.filter(|_| !std::thread::panicking()) {
        resume_unwind(panic);
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let mut own = match &mut self.kind {
            Kind::Op(op) => op
                .get_mut()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
                .map(|Op { edges, .. }| Dead::Edges(edges)),
            Kind::Leaf(grad) => grad.get_mut().unwrap_or_else(PoisonError::into_inner).take().map(Dead::Grad),
        };
        let mut watch = self.watch.take();
        if own.is_none() && watch.is_none() {
            return;
        }
        let mut push = |drain: &mut Drain| drain.push(own.take(), watch.take());
        match DRAIN.try_with(|drain| push(&mut drain.borrow_mut())) {
            Ok(true) => drop_all(|| DRAIN.with(|drain| drain.borrow_mut().pop())),
            Ok(false) => {}
            Err(_) => {
                if push(&mut lock(&LAST)) {
                    drop_all(|| lock(&LAST).pop());
                }
            }
        }
    }
}
