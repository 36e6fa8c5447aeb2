//! What a model is made of, as a table; the graph of its loss with its names.

use crate::{Forward, Member, Module, Parameter, Result};
use downhill_tensor::{Shape, Tensor, enable_grad, graph, random::fork_rng};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;

thread_local! {
    static LOOKING: Cell<bool> = const { Cell::new(false) };
    /// The outputs of modules in a [`Sequential`](crate::Sequential), by their addresses.
    static SEEN: RefCell<HashMap<usize, Shape>> = RefCell::default();
}

/// What a layer does with a weight before it reads it.
const VIEWS: [&str; 5] =
    ["TBackward0", "TransposeBackward0", "PermuteBackward0", "ViewBackward0", "UnsqueezeBackward0"];

/// Whether a [`summary`] is being made.
#[inline]
pub(crate) fn looking() -> bool {
    LOOKING.get()
}

/// Notes the output of a module.
#[inline]
pub(crate) fn see(module: &dyn Module, output: &Tensor) {
    SEEN.with_borrow_mut(|seen| seen.insert(address(module), *output.shape()));
}

#[inline]
fn address(module: &dyn Module) -> usize {
    std::ptr::from_ref(module).addr()
}

/// A module of a model.
#[derive(Clone, Debug)]
pub struct Layer {
    /// Its dotted name; empty for the model itself.
    pub name: String,
    /// What it is printed with.
    pub class: String,
    /// The shape of its output, where that was seen.
    pub output: Option<Shape>,
    /// Elements of its own parameters, without those of modules in it.
    pub parameters: usize,
}

/// What [`summary`] finds; printed, it is a table.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Every module, each before those in it.
    pub layers: Vec<Layer>,
    /// Elements of all parameters, each counted once.
    pub parameters: usize,
    /// Of these, those that require a gradient.
    pub trainable: usize,
}

/// The modules of a model with the shapes of their outputs for an input, and their parameters.
///
/// The model is run once, in the mode it is in; buffers and the default generator are as before afterwards. Two kinds of outputs are seen: of
/// modules in a [`Sequential`](crate::Sequential), and of those with parameters that require a gradient, by the operation that reads them.
/// Others (an activation that is a field of a struct, a module that holds others) have none in the table. A module that runs twice
/// has its last output.
///
/// # Errors
/// What the model's `forward` refuses.
///
/// # Examples
/// ```
/// use downhill::nn::{Linear, ReLU, Sequential, summary};
///
/// let net = Sequential::new().add(Linear::new(4, 16)?).add(ReLU).add(Linear::new(16, 3)?);
/// let table = summary(&net, &downhill::zeros([10, 4])?)?;
/// assert_eq!((table.layers[2].output.unwrap().to_vec(), table.parameters), (vec![10, 16], 131));
/// println!("{table}");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// The package `torchinfo`
#[inline]
#[doc(alias = "torchinfo")]
pub fn summary(model: &impl Forward, input: &Tensor) -> Result<Summary> {
    summarize(model, input)
}

#[inline]
fn summarize(model: &dyn Forward, input: &Tensor) -> Result<Summary> {
    struct Stop;
    impl Drop for Stop {
        #[inline]
        fn drop(&mut self) {
            LOOKING.set(false);
        }
    }
    let buffers: Vec<_> = model.named_buffers().into_iter().map(|(_, b)| (b.tensor(), b)).collect();
    SEEN.take();
    LOOKING.set(true);
    let stop = Stop;
    let output = fork_rng(|| enable_grad(|| model.forward(input)));
    drop(stop);
    for (value, buffer) in buffers {
        buffer.set(value);
    }
    let (output, seen) = (output?, SEEN.take());
    let (mut views, mut by_leaf) = (HashMap::new(), HashMap::new());
    for node in graph::nodes(&output).into_iter().rev() {
        let is_view = VIEWS.contains(&node.name);
        for input in node.inputs {
            let leaf = views.get(&input).copied().unwrap_or(input);
            if is_view {
                views.insert(node.id, leaf);
            }
            by_leaf.insert(leaf, node.shape);
        }
    }
    let mut layers = Vec::new();
    describe(
        model.class_name(),
        address_of(model),
        &mut |visit| model.members(visit),
        String::new(),
        &(&by_leaf, &seen),
        &mut layers,
    );
    layers[0].output = Some(*output.shape());
    let all = model.parameters();
    let count = |all: &mut dyn Iterator<Item = &Parameter>| all.map(Parameter::numel).sum();
    let trainable = count(&mut all.iter().filter(|p| p.requires_grad()));
    Ok(Summary { layers, parameters: count(&mut all.iter()), trainable })
}

#[inline]
fn address_of(model: &dyn Forward) -> usize {
    std::ptr::from_ref(model).addr()
}

type Outputs<'a> = (&'a HashMap<u64, Shape>, &'a HashMap<usize, Shape>);

/// Appends a module and those in it.
#[inline]
fn describe(
    class: &str,
    address: usize,
    members: &mut dyn FnMut(&mut crate::Visit<'_>),
    name: String,
    outputs: &Outputs<'_>,
    layers: &mut Vec<Layer>,
) {
    let place = layers.len();
    let output = outputs.1.get(&address).copied();
    layers.push(Layer { name: name.clone(), class: class.to_string(), output, parameters: 0 });
    members(&mut |member_name, member| match member {
        Member::Parameter(p) => {
            let layer = &mut layers[place];
            layer.parameters += p.numel();
            let read = graph::id(&p.tensor()).and_then(|id| outputs.0.get(&id));
            layer.output = layer.output.or(read.copied());
        }
        Member::Child(child) => {
            let dot = if name.is_empty() { "" } else { "." };
            let path = format!("{name}{dot}{member_name}");
            describe(
                child.class_name(),
                self::address(child),
                &mut |visit| child.members(visit),
                path,
                outputs,
                layers,
            );
        }
        Member::Buffer(_) | Member::Mode(_) => {}
    });
}

/// A line for each module, aligned; then the sums.
impl fmt::Display for Summary {
    #[inline]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = |layer: &Layer| {
            let depth = if layer.name.is_empty() { 0 } else { layer.name.split('.').count() };
            let output = layer.output.map_or("-".to_string(), |shape| shape.to_string());
            let parameters =
                if layer.parameters == 0 { "-".to_string() } else { layer.parameters.to_string() };
            let name = if layer.name.is_empty() { String::new() } else { format!(" ({})", layer.name) };
            [format!("{}{}{name}", "  ".repeat(depth), layer.class), output, parameters]
        };
        let head = ["layer", "output", "parameters"].map(String::from);
        let rows: Vec<_> = std::iter::once(head).chain(self.layers.iter().map(cells)).collect();
        let width = |c: usize| rows.iter().map(|row| row[c].chars().count()).max().unwrap_or(0);
        let [a, b, c] = [width(0), width(1), width(2)];
        for [layer, output, parameters] in &rows {
            writeln!(f, "{layer:a$}  {output:>b$}  {parameters:>c$}")?;
        }
        write!(f, "{} parameters, {} of them trained", self.parameters, self.trainable)
    }
}

/// The [graph](graph::dot) behind a loss in Graphviz's language, its leaves called after the parameters of a module.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, Linear, dot};
///
/// let model = Linear::new(2, 1)?;
/// let text = dot(&model.forward(&downhill::ones([3, 2])?)?.sum(), &model);
/// assert!(text.contains(r#"label="weight\n[1, 2] float32""#));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// The package `torchviz`
#[inline]
#[doc(alias = "torchviz")]
pub fn dot(loss: &Tensor, module: &impl Module) -> String {
    let names: Vec<_> = module.named_parameters().into_iter().map(|(name, p)| (name, p.tensor())).collect();
    graph::dot_with(loss, &names)
}
