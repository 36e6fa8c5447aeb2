//! The one loop: newest node first, until nothing waits.

use super::mode::{anomaly, with_grad_mode};
use super::node::{Grad, Node, Op};
use super::watch::check_finite;
use crate::ops::arithmetic::add_owned;
use crate::{Result, Tensor};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem;
use triomphe::Arc;

/// Where gradients go.
pub(super) enum Want {
    /// Into the leaves that are reached.
    Leaves,
    /// Into the map, for the nodes whose ids are its keys; nodes older than all of them are not visited.
    Nodes { found: BTreeMap<u64, Option<Tensor>>, oldest: u64 },
}

impl Want {
    /// Whether a leaf's gradient is wanted.
    fn has(&self, leaf: &Node) -> bool {
        match self {
            Self::Leaves => true,
            Self::Nodes { found, .. } => found.contains_key(&leaf.id),
        }
    }
}

/// A node, and the sum of the gradients that have arrived for it so far.
type Waiting = (Arc<Node>, Tensor);

/// The nodes that wait, by id. The newest of all may wait outside of the tree: in a chain of operations it is the only one.
#[derive(Default)]
struct Queue {
    newest: Option<Waiting>,
    older: BTreeMap<u64, Waiting>,
}

impl Queue {
    /// Adds a gradient to those that have arrived for a node.
    fn push(&mut self, to: Arc<Node>, grad: Tensor) -> Result<()> {
        let id = to.id;
        let newest = match &self.newest {
            Some((node, _)) => Some(node.id),
            None => self.older.last_key_value().map(|(&id, _)| id),
        };
        if newest < Some(id) {
            if let Some((node, grad)) = self.newest.replace((to, grad)) {
                self.older.insert(node.id, (node, grad));
            }
            return Ok(());
        }
        let sum = match &mut self.newest {
            Some((node, sum)) if node.id == id => sum,
            _ => match self.older.entry(id) {
                Entry::Occupied(waiting) => &mut waiting.into_mut().1,
                Entry::Vacant(place) => {
                    place.insert((to, grad));
                    return Ok(());
                }
            },
        };
        let earlier = mem::replace(sum, grad.clone());
        *sum = add_owned(earlier, &grad)?;
        Ok(())
    }

    /// The newest node that waits.
    fn pop(&mut self) -> Option<Waiting> {
        self.newest.take().or_else(|| self.older.pop_last().map(|(_, waiting)| waiting))
    }
}

/// A gradient in the shape and dtype of the node that it is for.
fn fit(grad: Tensor, to: &Node) -> Result<Tensor> {
    if grad.shape() == &to.shape && grad.dtype() == to.dtype {
        return Ok(grad);
    }
    grad.sum_to(&to.shape)?.try_to_dtype(to.dtype)
}

/// Adds to the gradients of leaves: to all of them or, if there is no memory, to none.
fn accumulate_all(mut grads: Vec<(Arc<Node>, Tensor)>) -> Result<()> {
    let mut taken = Vec::new();
    for (leaf, grad) in &mut grads {
        let Some(earlier) = leaf.set_grad(None) else { continue };
        taken.push((leaf.clone(), earlier.clone()));
        match add_owned(mem::replace(grad, earlier.clone()), &earlier) {
            Ok(sum) => *grad = sum,
            Err(error) => {
                give(taken)?;
                return Err(error);
            }
        }
    }
    give(grads)
}

/// Gives each leaf a gradient; adds it to one that another thread has put there meanwhile.
fn give(grads: Vec<(Arc<Node>, Tensor)>) -> Result<()> {
    grads
        .into_iter()
        .try_for_each(|(leaf, grad)| leaf.accumulate(grad, |earlier, grad| add_owned(earlier, &grad)))
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
        // And results that keep their gradients.
        let (mut leaves, anomaly) = (Vec::new(), anomaly());
        while let Some((mut node, mut grad)) = queue.pop() {
            if let Some(watch) = node.watch()
                && (!node.is_leaf() || want.has(&node))
            {
                grad = watch.hooked(&node, grad)?;
                if watch.retained.get().is_some() {
                    leaves.push((node.clone(), grad.clone()));
                }
            }
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
                    leaves.push((node, grad));
                }
                continue;
            };
            let Op { edges, output } = op?;
            for edge in edges.into_iter().filter(|edge| edge.to.id >= oldest) {
                let g = edge.pull(&Grad { grad: &grad, node: &node, output: output.as_deref() })?;
                if anomaly {
                    check_finite(&g, &node)?;
                }
                let g = fit(g, &edge.to)?;
                queue.push(edge.to, g)?;
            }
        }
        accumulate_all(leaves)
    })
}
