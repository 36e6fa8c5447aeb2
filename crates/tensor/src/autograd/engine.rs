//! The one loop: newest node first, until nothing waits.

use super::node::{Grad, Node, Op};
use super::with_grad_mode;
use crate::{Result, Tensor};
use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use triomphe::Arc;

/// Node ids are distinct already: they are their own hash.
#[derive(Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, _: &[u8]) {
        unreachable!("only ids are hashed")
    }
    fn write_u64(&mut self, id: u64) {
        // The table takes its control byte from the high bits.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

pub(super) type ById<T> = HashMap<u64, T, BuildHasherDefault<IdHasher>>;

/// Orders nodes by age, newest first out of a max-heap.
struct Newest(Arc<Node>);

impl PartialEq for Newest {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}
impl Eq for Newest {}
impl PartialOrd for Newest {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Newest {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

/// Where gradients go.
pub(super) enum Want {
    /// Into the leaves that are reached.
    Leaves,
    /// Into the map, for the nodes that are its keys; nodes older than all of them are not visited.
    Nodes { found: ById<Option<Tensor>>, oldest: u64 },
}

/// Gradients that wait for their node. The newest node of all may wait in a place of its own: in a chain of operations it is the
/// only one, and needs neither heap nor map.
#[derive(Default)]
struct Queue {
    newest: Option<(Arc<Node>, Tensor)>,
    heap: BinaryHeap<Newest>,
    waiting: ById<Tensor>,
}

impl Queue {
    fn push(&mut self, to: Arc<Node>, grad: Tensor) -> Result<()> {
        match &self.newest {
            Some((node, _)) if node.id > to.id => return self.enqueue(to, grad),
            None if self.heap.peek().is_some_and(|next| next.0.id >= to.id) => {
                return self.enqueue(to, grad);
            }
            _ => {}
        }
        self.newest = Some(match self.newest.take() {
            Some((node, earlier)) if node.id == to.id => (node, accumulate(earlier, grad)?),
            older => {
                if let Some((node, grad)) = older {
                    self.enqueue(node, grad)?;
                }
                (to, grad)
            }
        });
        Ok(())
    }

    fn enqueue(&mut self, to: Arc<Node>, grad: Tensor) -> Result<()> {
        let id = to.id;
        let sum = if let Some(earlier) = self.waiting.remove(&id) {
            accumulate(earlier, grad)?
        } else {
            self.heap.push(Newest(to));
            grad
        };
        self.waiting.insert(id, sum);
        Ok(())
    }

    fn pop(&mut self) -> Option<(Arc<Node>, Tensor)> {
        if self.newest.is_some() {
            return self.newest.take();
        }
        let Newest(node) = self.heap.pop()?;
        let grad = self.waiting.remove(&node.id).expect("a node enters the heap with its gradient");
        Some((node, grad))
    }
}

/// A gradient in the shape and dtype of the node that it is for.
fn fit(grad: Tensor, to: &Node) -> Result<Tensor> {
    if grad.shape() == &to.shape && grad.dtype() == to.dtype {
        return Ok(grad);
    }
    Ok(grad.sum_to(&to.shape)?.to_dtype(to.dtype))
}

fn accumulate(earlier: Tensor, grad: Tensor) -> Result<Tensor> {
    crate::ops::arithmetic::add_owned(earlier, &grad)
}

/// Sends the gradients of `roots` back along the tape.
pub(super) fn run(
    roots: impl IntoIterator<Item = (Arc<Node>, Tensor)>,
    want: &mut Want,
    create_graph: bool,
    retain: bool,
) -> Result<()> {
    let mut queue = Queue::default();
    for (node, seed) in roots {
        queue.push(node, seed)?;
    }
    with_grad_mode(create_graph, || {
        while let Some((mut node, grad)) = queue.pop() {
            let oldest = match want {
                Want::Leaves => 0,
                Want::Nodes { found, oldest } => {
                    if let Some(slot) = found.get_mut(&node.id) {
                        *slot = Some(grad.clone());
                    }
                    if node.id == *oldest {
                        continue;
                    }
                    *oldest
                }
            };
            let Some(op) = Node::op(&mut node, retain) else {
                if matches!(want, Want::Leaves) {
                    node.accumulate(grad, accumulate)?;
                }
                continue;
            };
            let Op { edges, output } = op?;
            for edge in edges.into_iter().filter(|edge| edge.to.id >= oldest) {
                let g = edge.pull(&Grad { grad: &grad, node: &node, output: output.as_deref() })?;
                let g = fit(g, &edge.to)?;
                queue.push(edge.to, g)?;
            }
        }
        Ok(())
    })
}
