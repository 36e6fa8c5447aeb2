//! The graph behind a result, to look at: its operations, their shapes, and what they keep for the backward pass.

use crate::ops::operand::Operand;
use crate::{DType, Shape, Tensor};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;

/// An operation of a graph, or a leaf.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its place on the tape: the older of two has the smaller number.
    pub id: u64,
    /// The operation, as [`grad_fn`](Tensor::grad_fn) has it; `AccumulateGrad` for a leaf.
    pub name: &'static str,
    /// The shape of its result.
    pub shape: Shape,
    /// The dtype of its result.
    pub dtype: DType,
    /// Whether it is a leaf, whose gradient is kept.
    pub is_leaf: bool,
    /// The ids of the nodes that its gradient goes to.
    pub inputs: Vec<u64>,
    /// The bytes of the tensors that it keeps; one that several nodes keep is counted at each. `None` where its derivative keeps more than
    /// tensors, as those of fused operations do, and after a backward pass has freed it.
    pub saved: Option<usize>,
}

/// The number of a tensor's node on the tape; `None` for a constant.
///
/// ```
/// use downhill::{Tensor, graph};
/// let x = Tensor::from([1.0]).requires_grad_()?;
/// assert!(graph::id(&x) < graph::id(&x.exp()) && graph::id(&Tensor::from(1.0)).is_none());
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn id(x: &Tensor) -> Option<u64> {
    x.node().map(|node| node.id)
}

/// The nodes that a result was computed by, each once, from the newest to the oldest. Nothing is freed.
///
/// ```
/// use downhill::{Tensor, graph};
/// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
/// let names: Vec<_> = graph::nodes(&x.exp().sum()).into_iter().map(|node| node.name).collect();
/// assert_eq!(names, ["SumBackward0", "ExpBackward0", "AccumulateGrad"]);
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn nodes(result: &Tensor) -> Vec<Node> {
    let mut waiting: BTreeMap<_, _> = result.node().map(|node| (node.id, node.clone())).into_iter().collect();
    let mut found = Vec::new();
    while let Some((id, mut node)) = waiting.pop_last() {
        let (mut inputs, mut saved) = (Vec::new(), Some(0));
        match super::node::Node::op(&mut node, true) {
            None => {}
            Some(Err(_)) => saved = None,
            Some(Ok(op)) => {
                saved = Some(op.output.map_or(0, |output| output.bytes()));
                for edge in op.edges.into_iter() {
                    saved = saved.zip(edge.saved().map_or(Some(0), bytes)).map(|(a, b)| a.saturating_add(b));
                    inputs.push(edge.to.id);
                    waiting.insert(edge.to.id, edge.to);
                }
            }
        }
        let (name, shape, dtype, is_leaf) = (node.name, node.shape, node.dtype, node.is_leaf());
        found.push(Node { id, name, shape, dtype, is_leaf, inputs, saved });
    }
    found
}

/// The bytes of what a derivative has saved, where that is tensors and nothing else.
#[inline]
fn bytes(saved: &dyn Any) -> Option<usize> {
    let bytes = |x: &Tensor| x.value().bytes();
    if let Some(x) = saved.downcast_ref() {
        return Some(bytes(x));
    }
    if let Some((x, y)) = saved.downcast_ref() {
        return Some(bytes(x).saturating_add(bytes(y)));
    }
    saved.downcast_ref().map(|operand: &Operand| operand.tensor().map_or(0, bytes))
}

/// The graph behind a result in Graphviz's language: `dot -Tsvg` draws it.
///
/// Leaves are called after their order; [`dot_with`] takes names, and `nn::dot` those of a module.
///
/// ```
/// use downhill::{Tensor, graph};
/// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
/// let text = graph::dot(&x.exp().sum());
/// assert!(text.contains(r#"n1 [label="ExpBackward0\n[2] float32\nsaves 8 bytes"]"#));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn dot(result: &Tensor) -> String {
    dot_with(result, &[])
}

/// [`dot`] with names for some of the leaves.
///
/// ```
/// use downhill::{Tensor, graph};
/// let x = Tensor::from([1.0_f32, 2.0]).requires_grad_()?;
/// assert!(graph::dot_with(&x.exp(), &[("x".to_string(), x.clone())]).contains(r#"label="x\n[2] float32""#));
/// # Ok::<(), downhill::Error>(())
/// ```
#[inline]
pub fn dot_with(result: &Tensor, names: &[(String, Tensor)]) -> String {
    let mut nodes = nodes(result);
    nodes.reverse();
    let places: BTreeMap<_, _> = nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect();
    let names: BTreeMap<_, _> = names.iter().filter_map(|(name, x)| Some((id(x)?, name))).collect();
    let mut text = "digraph {\n  node [shape=box, fontname=monospace];\n".to_string();
    for (place, node) in nodes.iter().enumerate() {
        let (name, look) = match names.get(&node.id) {
            Some(name) => (name.replace('\\', "\\\\").replace('"', "\\\""), ", style=filled"),
            None if node.is_leaf => (format!("leaf {place}"), ", style=filled"),
            None => (node.name.to_string(), ""),
        };
        let saved = match node.saved {
            _ if node.is_leaf => String::new(),
            Some(0) => String::new(),
            Some(bytes) => format!("\\nsaves {bytes} bytes"),
            None => "\\nsaves more than tensors".to_string(),
        };
        let Node { shape, dtype, .. } = node;
        let _ = writeln!(text, "  n{place} [label=\"{name}\\n{shape} {dtype}{saved}\"{look}];");
        for input in &node.inputs {
            let _ = writeln!(text, "  n{} -> n{place};", places[input]);
        }
    }
    text.push_str("}\n");
    text
}
