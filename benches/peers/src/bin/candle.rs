//! candle on the CPU.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device::Cpu, Result, Tensor, Var};
use candle_nn::{Activation, Linear, Module, Optimizer, SGD, Sequential, loss, ops};
use peers::{Array, LEARNING_RATE, Library, Outcome, Step};

fn tensor<const N: usize>(array: Array<N>) -> Result<Tensor> {
    Tensor::from_vec(array.values, &array.shape, &Cpu)
}

fn variable<const N: usize>(array: Array<N>) -> Result<Var> {
    Var::from_tensor(&tensor(array)?)
}

/// What candle calls for as classes.
fn classes(t: &[i64]) -> Result<Tensor> {
    Tensor::from_iter(t.iter().map(|&t| t as u32), &Cpu)
}

fn item(x: &Tensor) -> Outcome<f64> {
    Ok(f64::from(x.flatten_all()?.to_vec1::<f32>()?[0]))
}

fn magnitude(x: &Tensor) -> Outcome<f64> {
    Ok(peers::magnitude(&x.flatten_all()?.to_vec1()?))
}

fn forward(f: impl Fn() -> Result<Tensor> + 'static, checksum: fn(&Tensor) -> Outcome<f64>) -> Outcome<Step> {
    Ok(Box::new(move || {
        let value = f()?;
        Ok(Box::new(move || Ok((checksum(&value)?, 0.0))))
    }))
}

fn backward<const N: usize>(
    leaves: [Var; N],
    f: impl Fn(&[Var; N]) -> Result<Tensor> + 'static,
) -> Outcome<Step> {
    Ok(Box::new(move || {
        let value = f(&leaves)?;
        let mut store = value.backward()?;
        let gradients = leaves.each_ref().map(|leaf| store.remove(leaf));
        Ok(Box::new(move || {
            Ok((item(&value)?, gradients.iter().flatten().map(magnitude).sum::<Outcome<f64>>()?))
        }))
    }))
}

/// A layer, its parameters added to `parameters`.
fn linear(weight: Array<2>, parameters: &mut Vec<Var>) -> Result<Linear> {
    let bias = Var::zeros(weight.shape[0], DType::F32, &Cpu)?;
    let weight = variable(weight)?;
    let layer = Linear::new(weight.as_tensor().clone(), Some(bias.as_tensor().clone()));
    parameters.extend([weight, bias]);
    Ok(layer)
}

type Update = Box<dyn FnMut(&GradStore) -> Result<()>>;

fn sgd(parameters: Vec<Var>, momentum: Option<f64>) -> Result<Update> {
    let Some(momentum) = momentum else {
        let mut optimizer = SGD::new(parameters, LEARNING_RATE)?;
        return Ok(Box::new(move |gradients| optimizer.step(gradients)));
    };
    // candle's SGD has no momentum.
    let mut velocities: Vec<_> = parameters.iter().map(|p| p.zeros_like()).collect::<Result<_>>()?;
    Ok(Box::new(move |gradients| {
        for (parameter, velocity) in parameters.iter().zip(&mut velocities) {
            if let Some(gradient) = gradients.get(parameter) {
                *velocity = ((&*velocity * momentum)? + gradient)?;
                parameter.set(&parameter.sub(&(&*velocity * LEARNING_RATE)?)?)?;
            }
        }
        Ok(())
    }))
}

fn training(
    model: Sequential,
    x: Tensor,
    criterion: impl Fn(&Tensor) -> Result<Tensor> + 'static,
    mut update: Update,
) -> Outcome<Step> {
    Ok(Box::new(move || {
        let loss = criterion(&model.forward(&x)?)?;
        update(&loss.backward()?)?;
        Ok(Box::new(move || Ok((item(&loss)?, 0.0))))
    }))
}

/// candle has that of logits alone.
fn binary_cross_entropy(x: &Tensor, t: &Tensor) -> Result<Tensor> {
    let left = (t * x.log()?)?;
    let right = (t.affine(-1.0, 1.0)? * x.affine(-1.0, 1.0)?.log()?)?;
    (left + right)?.mean_all()?.neg()
}

struct Candle;

impl Library for Candle {
    const NAME: &str = "candle";
    const PACKAGE: &str = "candle-core";

    fn loss(name: &str, x: Array<1>, t: Array<1>) -> Outcome<Step> {
        let f: fn(&Tensor, &Tensor) -> Result<Tensor> = match name {
            "mse" => loss::mse,
            "l1" => |x, t| (x - t)?.abs()?.mean_all(),
            "smooth_l1" => |x, t| loss::huber(x, t, 1.0),
            "bce" => binary_cross_entropy,
            _ => return Err(format!("no loss {name}").into()),
        };
        let t = tensor(t)?;
        backward([variable(x)?], move |[x]| f(x, &t))
    }

    fn cross_entropy(x: Array<2>, t: Vec<i64>) -> Outcome<Step> {
        let t = classes(&t)?;
        backward([variable(x)?], move |[x]| loss::cross_entropy(x, &t))
    }

    fn nll(x: Array<2>, t: Vec<i64>) -> Outcome<Step> {
        let (x, t) = (ops::log_softmax(&tensor(x)?, 1)?, classes(&t)?);
        backward([Var::from_tensor(&x)?], move |[x]| loss::nll(x, &t))
    }

    fn linear_cross_entropy(x: Array<2>, w: Array<2>, t: Vec<i64>) -> Outcome<Step> {
        let t = classes(&t)?;
        let f = move |[x, w]: &[Var; 2]| loss::cross_entropy(&x.matmul(&w.t()?)?, &t);
        backward([variable(x)?, variable(w)?], f)
    }

    fn softmax(x: Array<2>, gradient: Array<2>) -> Outcome<Step> {
        let gradient = tensor(gradient)?;
        backward([variable(x)?], move |[x]| (ops::softmax(x.as_tensor(), 1)? * &gradient)?.sum_all())
    }

    fn log_softmax(x: Array<2>, gradient: Array<2>) -> Outcome<Step> {
        let gradient = tensor(gradient)?;
        backward([variable(x)?], move |[x]| (ops::log_softmax(x.as_tensor(), 1)? * &gradient)?.sum_all())
    }

    fn elementwise([x, y, z]: [Array<1>; 3]) -> Outcome<Step> {
        let f = |[x, y, z]: &[Var; 3]| {
            ops::sigmoid(&((x.as_tensor() * y.as_tensor())? + z.as_tensor())?)?.sum_all()
        };
        backward([variable(x)?, variable(y)?, variable(z)?], f)
    }

    fn sum(x: Array<1>) -> Outcome<Step> {
        let x = tensor(x)?;
        forward(move || x.sum_all(), item)
    }

    fn mean_dim(x: Array<2>) -> Outcome<Step> {
        let x = tensor(x)?;
        forward(move || x.mean(1), magnitude)
    }

    fn matmul(a: Array<2>, b: Array<2>) -> Outcome<Step> {
        let (a, b) = (tensor(a)?, tensor(b)?);
        forward(move || a.matmul(&b), magnitude)
    }

    fn matmul_backward(a: Array<2>, b: Array<2>, gradient: Array<2>) -> Outcome<Step> {
        let gradient = tensor(gradient)?;
        backward([variable(a)?, variable(b)?], move |[a, b]| (a.matmul(b)? * &gradient)?.sum_all())
    }

    fn chain(operations: usize) -> Outcome<Step> {
        backward([Var::ones(1, DType::F32, &Cpu)?], move |[x]| {
            let mut y = x.as_tensor().clone();
            for _ in 0..operations / 2 {
                y = (y * 1.0001)?;
                y = (y + 0.0001)?;
            }
            Ok(y)
        })
    }

    fn classifier(layers: Vec<Array<2>>, x: Array<2>, t: Vec<i64>, momentum: Option<f64>) -> Outcome<Step> {
        let (mut model, mut parameters) = (candle_nn::seq(), vec![]);
        for weight in layers {
            if !model.is_empty() {
                model = model.add(Activation::Relu);
            }
            model = model.add(linear(weight, &mut parameters)?);
        }
        let t = classes(&t)?;
        training(model, tensor(x)?, move |y| loss::cross_entropy(y, &t), sgd(parameters, momentum)?)
    }

    fn binary_classifier(layer: Array<2>, x: Array<2>, t: Array<2>) -> Outcome<Step> {
        let (t, mut parameters) = (tensor(t)?, vec![]);
        let model = candle_nn::seq().add(linear(layer, &mut parameters)?).add(Activation::Sigmoid);
        training(model, tensor(x)?, move |y| binary_cross_entropy(y, &t), sgd(parameters, None)?)
    }
}

fn main() -> std::process::ExitCode {
    peers::main::<Candle>()
}
