//! The workloads, written as a user of the library would.

use crate::Outcome;
use crate::inputs::{bits, classes, normals, probabilities};
use downhill::nn::LinearCrossEntropyOptions;
use downhill::prelude::*;

/// Every workload that runs when none is named.
pub(crate) const NAMES: [&str; 36] = [
    "loss/mse/large",
    "loss/l1/large",
    "loss/smooth_l1/large",
    "loss/bce/large",
    "loss/cross_entropy/large",
    "loss/nll/large",
    "ce/vocab",
    "linear_ce",
    "softmax/large",
    "log_softmax/large",
    "elementwise/large",
    "sum/large",
    "mean_dim/large",
    "loss/mse/small",
    "loss/l1/small",
    "loss/smooth_l1/small",
    "loss/bce/small",
    "loss/cross_entropy/small",
    "loss/nll/small",
    "simplenn_step",
    "bce_step",
    "chain/10000",
    "chain/1000000",
    "mlp_step",
    "mlp_wide_step",
    "matmul/64",
    "matmul/256",
    "matmul/1024",
    "matmul/2048",
    "matmul_bwd/1024",
    "serve/1",
    "serve/8",
    "serve/64",
    "coldstart",
    "bounds/read",
    "bounds/copy",
];

/// Elements of a large tensor.
pub(crate) const LARGE: usize = 1 << 24;

/// One workload, its inputs made.
pub(crate) struct Work {
    step: Box<dyn FnMut() -> Result<Tensor>>,
    leaves: Vec<Tensor>,
    checksum: fn(&Tensor) -> Result<f64>,
    /// The checksum is that of this iteration.
    iteration: usize,
    /// What one iteration repeats.
    pub(crate) operations: usize,
    pub(crate) note: &'static str,
}

fn item(value: &Tensor) -> Result<f64> {
    value.item()
}

/// Σ|x|, added in `f64`.
pub(crate) fn magnitude(x: &Tensor) -> Result<f64> {
    Ok(x.contiguous().as_slice::<f32>()?.iter().map(|&x| f64::from(x.abs())).sum())
}

impl Work {
    /// Nothing but a forward pass.
    fn forward(step: impl FnMut() -> Result<Tensor> + 'static) -> Self {
        Self { step: Box::new(step), leaves: vec![], checksum: item, iteration: 1, operations: 1, note: "" }
    }

    /// Forward and backward, the gradients of the time before dropped: from 1, or from a dense gradient.
    fn backward<const N: usize>(
        leaves: [Tensor; N],
        gradient: Option<Tensor>,
        f: impl Fn(&[Tensor; N]) -> Result<Tensor> + 'static,
    ) -> Result<Self> {
        let leaves = leaves.map(|leaf| leaf.requires_grad_());
        let leaves: Vec<_> = leaves.into_iter().collect::<Result<_>>()?;
        let held: [Tensor; N] = leaves.clone().try_into().expect("as many as came");
        let checksum = if gradient.is_some() { |_: &Tensor| Ok(0.0) } else { item };
        let step = move || {
            held.iter().try_for_each(|leaf| leaf.set_grad(None))?;
            let value = f(&held)?;
            match &gradient {
                Some(gradient) => value.backward_with(gradient)?,
                None => value.backward()?,
            }
            Ok(value)
        };
        Ok(Self { leaves, checksum, ..Self::forward(step) })
    }

    /// A training step.
    fn training(
        model: impl Forward + 'static,
        criterion: impl Loss + 'static,
        options: SgdOptions,
        (x, y): (Tensor, Tensor),
    ) -> Result<Self> {
        let mut optimizer = SGD::new(model.parameters(), options)?;
        let step = move || {
            optimizer.zero_grad();
            let loss = criterion.forward(&model.forward(&x)?, &y)?;
            loss.backward()?;
            optimizer.step()?;
            Ok(loss)
        };
        Ok(Self { iteration: 3, note: "checksum: loss of the third step", ..Self::forward(step) })
    }

    /// One iteration.
    pub(crate) fn step(&mut self) -> Outcome<()> {
        std::hint::black_box((self.step)()?);
        Ok(())
    }

    /// Runs the first iterations; the value, and Σ|gradient|.
    pub(crate) fn checksums(&mut self) -> Outcome<(f64, f64)> {
        for _ in 1..self.iteration {
            (self.step)()?;
        }
        let value = (self.checksum)(&(self.step)()?)?;
        let grads = self.leaves.iter().filter_map(Tensor::grad);
        Ok((value, grads.map(|grad| magnitude(&grad)).sum::<Result<f64>>()?))
    }
}

/// A linear layer with weights of a seed, and no bias yet.
fn linear(seed: u64, inputs: usize, outputs: usize) -> Result<Linear> {
    let layer = Linear::new(inputs, outputs)?;
    layer.weight.set(&normals(seed, [outputs, inputs], (inputs as f64).powf(-0.5))?)?;
    layer.bias.iter().try_for_each(|bias| bias.set(&zeros([outputs])?))?;
    Ok(layer)
}

/// Linear layers of these sizes, with `ReLU` between them.
pub(crate) fn network(sizes: &[usize]) -> Result<Sequential> {
    let mut model = Sequential::new();
    for (i, pair) in sizes.windows(2).enumerate() {
        model = model.add(linear(10 + i as u64, pair[0], pair[1])?);
        if i + 2 < sizes.len() {
            model = model.add(ReLU);
        }
    }
    Ok(model)
}

fn mlp(sizes: &[usize], batch: usize) -> Result<Work> {
    let data = (normals(1, [batch, sizes[0]], 1.0)?, classes(2, batch, *sizes.last().expect("some sizes"))?);
    let options = SgdOptions { lr: 0.1, momentum: 0.9, ..Default::default() };
    Work::training(network(sizes)?, CrossEntropyLoss::default(), options, data)
}

fn loss(name: &str, size: &str) -> Outcome<Work> {
    let n = match size {
        "large" => LARGE,
        "small" => 64,
        number => number.parse()?,
    };
    // Losses over classes: rows × classes; 100 classes where the number of elements is given.
    let [rows, width] = match size {
        "large" => [16384, 1024],
        "small" => [64, 10],
        _ => [n / 100, 100],
    };
    Ok(match name {
        "cross_entropy" => rows_of_logits(rows, width)?,
        "nll" => {
            let (x, t) = (normals(1, [rows, width], 1.0)?.log_softmax(1)?, classes(2, rows, width)?);
            Work::backward([x], None, move |[x]| functional::nll_loss(x, &t))?
        }
        "bce" => {
            let (x, t) = (probabilities(1, [n])?, probabilities(2, [n])?);
            Work::backward([x], None, move |[x]| functional::binary_cross_entropy(x, &t))?
        }
        _ => {
            let f = match name {
                "mse" => functional::mse_loss,
                "l1" => functional::l1_loss,
                "smooth_l1" => functional::smooth_l1_loss,
                _ => return Err(format!("no loss {name}").into()),
            };
            let (x, t) = (normals(1, [n], 1.0)?, normals(2, [n], 1.0)?);
            Work::backward([x], None, move |[x]| f(x, &t))?
        }
    })
}

fn rows_of_logits(rows: usize, width: usize) -> Result<Work> {
    let (x, t) = (normals(1, [rows, width], 1.0)?, classes(2, rows, width)?);
    Work::backward([x], None, move |[x]| functional::cross_entropy(x, &t))
}

/// The loss of a linear layer's logits, which are never all there.
fn linear_cross_entropy(rows: usize, width: usize) -> Result<Work> {
    let (x, w) = (normals(1, [rows, 512], 1.0)?, normals(2, [width, 512], 512.0_f64.powf(-0.5))?);
    let t = classes(3, rows, width)?;
    Work::backward([x, w], None, move |[x, w]| {
        functional::linear_cross_entropy(x, w, &t, None, &LinearCrossEntropyOptions::default())
    })
}

fn matmul(n: usize) -> Result<Work> {
    let (a, b) = (normals(1, [n, n], 1.0)?, normals(2, [n, n], 1.0)?);
    let work = Work::forward(move || a.matmul(&b));
    Ok(Work { checksum: magnitude, note: "checksum: sum of magnitudes", ..work })
}

fn matmul_backward(n: usize) -> Result<Work> {
    let (a, b) = (normals(1, [n, n], 1.0)?, normals(2, [n, n], 1.0)?);
    Work::backward([a, b], Some(normals(3, [n, n], 1.0)?), |[a, b]| a.matmul(b))
}

fn chain(operations: usize) -> Result<Work> {
    let work = Work::backward([ones([1])?], None, move |[x]| {
        let mut y = x.clone();
        for _ in 0..operations / 2 {
            y = &y * 1.0001;
            y = &y + 0.0001;
        }
        Ok(y)
    })?;
    Ok(Work { operations, ..work })
}

fn softmax(f: fn(&Tensor, isize) -> Result<Tensor>) -> Result<Work> {
    let (x, gradient) = (normals(1, [16384, 1024], 1.0)?, normals(2, [16384, 1024], 1.0)?);
    Work::backward([x], Some(gradient), move |[x]| f(x, 1))
}

/// The numbers in `AxB`.
fn pair(text: &str) -> Outcome<(usize, usize)> {
    let (a, b) = text.split_once('x').ok_or("two numbers with an x between them")?;
    Ok((a.parse()?, b.parse()?))
}

/// The workload of this name. Where [`NAMES`] has a number, any other will do.
pub(crate) fn find(name: &str) -> Outcome<Work> {
    let parts: Vec<_> = name.split('/').collect();
    Ok(match parts[..] {
        ["loss", name, size] => loss(name, size)?,
        ["ce", "vocab"] => rows_of_logits(4096, 32000)?,
        ["linear_ce"] => linear_cross_entropy(2048, 32000)?,
        ["linear_ce", size] => {
            let (rows, width) = pair(size)?;
            linear_cross_entropy(rows, width)?
        }
        ["simplenn_step"] => Work::training(
            linear(5, 2, 3)?,
            CrossEntropyLoss::default(),
            SgdOptions { lr: 0.1, ..Default::default() },
            (normals(1, [10, 2], 1.0)?, classes(2, 10, 3)?),
        )?,
        ["bce_step"] => Work::training(
            Sequential::new().add(linear(5, 1, 1)?).add(Sigmoid),
            BCELoss::default(),
            SgdOptions { lr: 0.1, ..Default::default() },
            (normals(1, [10, 1], 1.0)?, bits(2, [10, 1])?),
        )?,
        ["mlp_step"] => mlp(&[784, 256, 128, 10], 128)?,
        ["mlp_wide_step"] => mlp(&[1024, 4096, 4096, 1000], 256)?,
        ["mlp", size] => {
            let (batch, width) = pair(size)?;
            mlp(&[width, width, width, 10], batch)?
        }
        ["matmul", n] => matmul(n.parse()?)?,
        ["matmul_bwd", n] => matmul_backward(n.parse()?)?,
        ["chain", n] => chain(n.parse()?)?,
        ["elementwise", "large"] => {
            let inputs = [normals(1, [LARGE], 1.0)?, normals(2, [LARGE], 1.0)?, normals(3, [LARGE], 1.0)?];
            Work::backward(inputs, None, |[x, y, z]| Ok((x * y + z).sigmoid().sum()))?
        }
        ["softmax", "large"] => softmax(Tensor::softmax)?,
        ["log_softmax", "large"] => softmax(Tensor::log_softmax)?,
        ["sum", "large"] => {
            let x = normals(1, [LARGE], 1.0)?;
            Work::forward(move || Ok(x.sum()))
        }
        ["mean_dim", "large"] => {
            let x = normals(1, [16384, 1024], 1.0)?;
            Work { checksum: magnitude, ..Work::forward(move || x.mean_dim(1, false)) }
        }
        _ => return Err(format!("no workload {name}; they are\n{}", NAMES.join("\n")).into()),
    })
}
