//! Looking at a model and at the graph of its loss.

use downhill_nn::*;
use downhill_tensor::{Tensor, graph, ones, random, zeros};

#[derive(Module)]
struct Net {
    body: Sequential,
    act: ReLU,
    head: Linear,
}

impl Forward for Net {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.head.forward(&self.act.forward(&self.body.forward(x)?)?)
    }
}

fn net() -> Result<Net> {
    let body = Sequential::new().add(Linear::new(4, 8)?).add(BatchNorm1d::new(8)?).add(Dropout::new(0.5)?);
    Ok(Net { body, act: ReLU, head: Linear::without_bias(8, 3)? })
}

#[test]
fn a_summary_is_a_table_and_leaves_the_model_as_it_was() -> Result<()> {
    let net = net()?;
    net.head.weight.requires_grad_(false)?;
    let (before, x) = (net.state_dict(), ones([10, 4])?);
    let table = downhill_tensor::no_grad(|| summary(&net, &x))?;
    let lines = [
        "layer                     output  parameters",
        "Net                      [10, 3]           -",
        "  Sequential (body)            -           -",
        "    Linear (body.0)      [10, 8]          40",
        "    BatchNorm1d (body.1) [10, 8]          16",
        "    Dropout (body.2)     [10, 8]           -",
        "  ReLU (act)                   -           -",
        "  Linear (head)                -          24",
        "80 parameters, 56 of them trained",
    ];
    let squeezed = |text: &str| text.split_whitespace().map(String::from).collect::<Vec<_>>();
    for (found, expected) in table.to_string().lines().zip(lines) {
        assert_eq!(squeezed(found), squeezed(expected));
    }
    let widths: Vec<_> = table.to_string().lines().take(8).map(str::len).collect();
    assert!(widths.iter().all(|w| *w == widths[0]), "{table}");
    assert_eq!(table.layers.len(), 7);
    for (name, x) in net.state_dict().iter() {
        assert_eq!(Some(x), before.get(name), "{name}");
    }
    assert!(net.parameters().iter().all(|p| p.grad().is_none()));
    // By the operation that reads the weight.
    net.head.weight.requires_grad_(true)?;
    assert_eq!(summary(&net, &x)?.layers[6].output.map(|shape| shape.to_vec()), Some(vec![10, 3]));
    assert!(summary(&net, &zeros([10, 5])?).is_err());
    assert!(random::fork_rng(|| net.forward(&x)).is_ok());
    Ok(())
}

#[test]
fn a_graph_is_drawn_with_names_shapes_and_bytes() -> Result<()> {
    let model = Linear::new(2, 1)?;
    let loss = model.forward(&ones([3, 2])?)?.exp().sum();
    let text = dot(&loss, &model);
    for line in [
        "digraph {",
        r#"[label="weight\n[1, 2] float32", style=filled];"#,
        r#"[label="bias\n[1] float32", style=filled];"#,
        r#"[label="AddmmBackward0\n[3, 1] float32"#,
        r#"[label="ExpBackward0\n[3, 1] float32\nsaves 12 bytes"];"#,
        r#"[label="SumBackward0\n[] float32"];"#,
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    // Every node but the last has an arrow.
    assert_eq!(text.matches("->").count(), text.matches("label").count() - 1);
    let before = graph::nodes(&loss).len();
    loss.backward()?;
    assert_eq!(graph::nodes(&loss).len(), 1, "what is freed leads nowhere, of {before}");
    Ok(())
}
