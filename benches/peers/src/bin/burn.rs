//! burn with its CPU backend `flex`.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::nn::loss::{
    BinaryCrossEntropyLossConfig, CrossEntropyLossConfig, LpLossConfig, MseLoss, Reduction,
    SmoothL1LossConfig,
};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::prelude::*;
use burn::tensor::activation::{log_softmax, relu, sigmoid, softmax};
use peers::{Array, LEARNING_RATE, Library, Outcome, Step};

fn data<const N: usize>(array: Array<N>) -> TensorData {
    TensorData::new(array.values, array.shape)
}

/// Outside of autodiff.
fn plain<const N: usize>(array: Array<N>) -> Tensor<N> {
    Tensor::from_data(data(array), &Device::flex())
}

fn device() -> Device {
    Device::flex().autodiff()
}

fn tensor<const N: usize>(array: Array<N>) -> Tensor<N> {
    Tensor::from_data(data(array), &device())
}

fn classes(t: Vec<i64>) -> Tensor<1, Int> {
    let n = t.len();
    Tensor::from_data(TensorData::new(t, [n]), &device())
}

fn values<const N: usize>(x: Tensor<N>) -> Outcome<Vec<f32>> {
    Ok(x.into_data().try_into_vec()?)
}

fn magnitude<const N: usize>(x: Tensor<N>) -> Outcome<f64> {
    Ok(peers::magnitude(&values(x)?))
}

fn item<const N: usize>(x: Tensor<N>) -> Outcome<f64> {
    Ok(f64::from(values(x)?[0]))
}

fn forward<const N: usize>(
    f: impl Fn() -> Tensor<N> + 'static,
    checksum: fn(Tensor<N>) -> Outcome<f64>,
) -> Outcome<Step> {
    Ok(Box::new(move || {
        let value = f();
        Ok(Box::new(move || Ok((checksum(value)?, 0.0))))
    }))
}

fn backward<const N: usize, const R: usize>(
    leaves: [Tensor<R>; N],
    f: impl Fn([Tensor<R>; N]) -> Tensor<1> + 'static,
) -> Outcome<Step> {
    let leaves = leaves.map(Tensor::require_grad);
    Ok(Box::new(move || {
        let value = f(leaves.clone());
        let mut store = value.backward();
        let gradients = leaves.each_ref().map(|leaf| leaf.grad_remove(&mut store));
        Ok(Box::new(move || {
            let gradient = gradients.into_iter().flatten().map(magnitude).sum::<Outcome<f64>>()?;
            Ok((item(value)?, gradient))
        }))
    }))
}

/// A layer; burn keeps weights as [inputs, outputs].
fn linear(weight: Array<2>) -> Linear {
    let bias = Tensor::zeros([weight.shape[0]], &device());
    let weight = Param::from_data(plain(weight).transpose().into_data(), &device());
    Linear { weight, bias: Some(Param::from_tensor(bias)) }
}

/// Linear layers with ReLU between them.
#[derive(Module, Debug)]
struct Mlp {
    layers: Vec<Linear>,
}

impl Mlp {
    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for (i, layer) in self.layers.iter().enumerate() {
            x = layer.forward(if i == 0 { x } else { relu(x) });
        }
        x
    }
}

fn training(
    mut model: Mlp,
    x: Tensor<2>,
    criterion: impl Fn(Tensor<2>) -> Tensor<1> + 'static,
    config: SgdConfig,
) -> Outcome<Step> {
    let mut optimizer = config.init();
    Ok(Box::new(move || {
        let loss = criterion(model.forward(x.clone()));
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(LEARNING_RATE, model.clone(), gradients);
        Ok(Box::new(move || Ok((item(loss)?, 0.0))))
    }))
}

fn cross_entropy(t: Vec<i64>) -> impl Fn(Tensor<2>) -> Tensor<1> {
    let (criterion, t) = (CrossEntropyLossConfig::new().init(&device()), classes(t));
    move |x| criterion.forward(x, t.clone())
}

/// burn has that of hard targets alone.
fn binary_cross_entropy(x: Tensor<1>, t: Tensor<1>) -> Tensor<1> {
    (t.clone() * x.clone().log() + (-t + 1.0) * (-x + 1.0).log()).mean().neg()
}

struct Burn;

impl Library for Burn {
    const NAME: &str = "burn";
    const PACKAGE: &str = "burn";

    fn loss(name: &str, x: Array<1>, t: Array<1>) -> Outcome<Step> {
        let f: fn(Tensor<1>, Tensor<1>) -> Tensor<1> = match name {
            "mse" => |x, t| MseLoss::new().forward(x, t, Reduction::Mean),
            "l1" => |x, t| LpLossConfig::l1().forward(x, t, Reduction::Mean),
            "smooth_l1" => {
                |x, t| SmoothL1LossConfig::new().init().forward_with_reduction(x, t, Reduction::Mean)
            }
            "bce" => binary_cross_entropy,
            _ => return Err(format!("no loss {name}").into()),
        };
        let t = tensor(t);
        backward([tensor(x)], move |[x]| f(x, t.clone()))
    }

    fn cross_entropy(x: Array<2>, t: Vec<i64>) -> Outcome<Step> {
        let criterion = cross_entropy(t);
        backward([tensor(x)], move |[x]| criterion(x))
    }

    fn nll(x: Array<2>, t: Vec<i64>) -> Outcome<Step> {
        let (x, t) = (log_softmax(tensor(x), 1), classes(t).unsqueeze_dim::<2>(1));
        // burn has it as a part of cross-entropy alone.
        backward([x], move |[x]| x.gather(1, t.clone()).mean().neg())
    }

    fn linear_cross_entropy(x: Array<2>, w: Array<2>, t: Vec<i64>) -> Outcome<Step> {
        let criterion = cross_entropy(t);
        backward([tensor(x), tensor(w)], move |[x, w]| criterion(x.matmul(w.transpose())))
    }

    fn softmax(x: Array<2>, gradient: Array<2>) -> Outcome<Step> {
        let gradient = tensor(gradient);
        backward([tensor(x)], move |[x]| (softmax(x, 1) * gradient.clone()).sum())
    }

    fn log_softmax(x: Array<2>, gradient: Array<2>) -> Outcome<Step> {
        let gradient = tensor(gradient);
        backward([tensor(x)], move |[x]| (log_softmax(x, 1) * gradient.clone()).sum())
    }

    fn elementwise(inputs: [Array<1>; 3]) -> Outcome<Step> {
        backward(inputs.map(tensor), |[x, y, z]| sigmoid(x * y + z).sum())
    }

    fn sum(x: Array<1>) -> Outcome<Step> {
        let x = plain(x);
        forward(move || x.clone().sum(), item)
    }

    fn mean_dim(x: Array<2>) -> Outcome<Step> {
        let x = plain(x);
        forward(move || x.clone().mean_dim(1), magnitude)
    }

    fn matmul(a: Array<2>, b: Array<2>) -> Outcome<Step> {
        let (a, b) = (plain(a), plain(b));
        forward(move || a.clone().matmul(b.clone()), magnitude)
    }

    fn matmul_backward(a: Array<2>, b: Array<2>, gradient: Array<2>) -> Outcome<Step> {
        let gradient = tensor(gradient);
        backward([tensor(a), tensor(b)], move |[a, b]| (a.matmul(b) * gradient.clone()).sum())
    }

    fn chain(operations: usize) -> Outcome<Step> {
        backward([Tensor::ones([1], &device())], move |[x]| {
            let mut y = x;
            for _ in 0..operations / 2 {
                y = y * 1.0001;
                y = y + 0.0001;
            }
            y
        })
    }

    fn classifier(layers: Vec<Array<2>>, x: Array<2>, t: Vec<i64>, momentum: Option<f64>) -> Outcome<Step> {
        let model = Mlp { layers: layers.into_iter().map(linear).collect() };
        let momentum = momentum.map(|m| MomentumConfig::new().with_momentum(m).with_dampening(0.0));
        training(model, tensor(x), cross_entropy(t), SgdConfig::new().with_momentum(momentum))
    }

    fn binary_classifier(layer: Array<2>, x: Array<2>, t: Array<2>) -> Outcome<Step> {
        let criterion = BinaryCrossEntropyLossConfig::new().init(&device());
        let (model, t) = (Mlp { layers: vec![linear(layer)] }, tensor(t).int());
        training(model, tensor(x), move |y| criterion.forward(sigmoid(y), t.clone()), SgdConfig::new())
    }
}

fn main() -> std::process::ExitCode {
    peers::main::<Burn>()
}
