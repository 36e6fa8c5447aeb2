//! Modules and the functions of layers: PyTorch's classes and options as the library's own.

use std::collections::BTreeMap;

use downhill::nn::{
    BatchNorm1d, Dropout, ELU, Embedding, Flatten, Forward, GELU, Identity, LayerNorm, LeakyReLU, Linear,
    LogSigmoid, LogSoftmax, Loss, Member, Module, ReLU, Sequential, SiLU, Sigmoid, Softmax, Softplus,
    StateDict, Tanh, Visit, functional,
};
use downhill::{DType, Tensor};

use crate::arguments::{Arguments, Several, tensor};
use crate::case::{self, Call, Named, Value};
use crate::driver::Run;
use crate::losses;
use crate::report::Miss;

/// A layer that is built by its class and options; `None` if the class is not one of these.
pub(crate) fn layer(class: &str, a: &mut Arguments) -> Result<Option<Box<dyn Forward>>, Miss> {
    Ok(Some(match class {
        "Linear" => {
            let sizes = (a.need("in_features")?, a.need("out_features")?);
            if a.or("bias", true)? {
                Box::new(Linear::new(sizes.0, sizes.1)?)
            } else {
                Box::new(Linear::without_bias(sizes.0, sizes.1)?)
            }
        }
        "Dropout" => Box::new(Dropout::new(a.or("p", 0.5)?)?),
        "LayerNorm" => {
            let Several(sizes) = a.need("normalized_shape")?;
            let sizes: Result<Vec<usize>, _> = sizes.into_iter().map(usize::try_from).collect();
            let sizes = sizes.map_err(|_| Miss::types("a negative size"))?;
            let layer = LayerNorm { eps: a.or("eps", 1e-5)?, ..LayerNorm::new(sizes)? };
            let (affine, bias) = (a.or("elementwise_affine", true)?, a.or("bias", true)?);
            Box::new(LayerNorm {
                weight: layer.weight.filter(|_| affine),
                bias: layer.bias.filter(|_| affine && bias),
                ..layer
            })
        }
        "BatchNorm1d" => {
            let layer = BatchNorm1d {
                eps: a.or("eps", 1e-5)?,
                momentum: a.or("momentum", Some(0.1))?,
                ..BatchNorm1d::new(a.need("num_features")?)?
            };
            let (affine, bias) = (a.or("affine", true)?, a.or("bias", true)?);
            let layer =
                if a.or("track_running_stats", true)? { layer } else { layer.without_running_stats() };
            Box::new(BatchNorm1d {
                weight: layer.weight.filter(|_| affine),
                bias: layer.bias.filter(|_| affine && bias),
                ..layer
            })
        }
        "ELU" => Box::new(elu(a)?),
        "SiLU" => Box::new(SiLU),
        "Softplus" => Box::new(softplus(a)?),
        "GELU" => Box::new(gelu(a)?),
        "LeakyReLU" => Box::new(leaky_relu(a)?),
        "Embedding" => {
            let (rows, width) = (a.need("num_embeddings")?, a.need("embedding_dim")?);
            let table = match a.or("padding_idx", None)? {
                None => Embedding::new(rows, width)?,
                Some(padding) => Embedding::with_padding(rows, width, padding)?,
            };
            Box::new(Embedding {
                max_norm: a.or("max_norm", None)?,
                norm_type: a.or("norm_type", 2.0)?,
                scale_grad_by_freq: a.or("scale_grad_by_freq", false)?,
                ..table
            })
        }
        "Identity" => Box::new(Identity),
        "Flatten" => Box::new(Flatten { start_dim: a.or("start_dim", 1)?, end_dim: a.or("end_dim", -1)? }),
        "ReLU" => Box::new(ReLU),
        "Sigmoid" => Box::new(Sigmoid),
        "Tanh" => Box::new(Tanh),
        "LogSigmoid" => Box::new(LogSigmoid),
        "Softmax" => Box::new(Softmax::new(a.need("dim")?)),
        "LogSoftmax" => Box::new(LogSoftmax::new(a.need("dim")?)),
        _ => return Ok(None),
    }))
}

fn elu(a: &mut Arguments) -> Result<ELU, Miss> {
    Ok(ELU { alpha: a.or("alpha", 1.0)? })
}

fn softplus(a: &mut Arguments) -> Result<Softplus, Miss> {
    Ok(Softplus { beta: a.or("beta", 1.0)?, threshold: a.or("threshold", 20.0)? })
}

fn gelu(a: &mut Arguments) -> Result<GELU, Miss> {
    match &*a.or("approximate", "none".to_string())? {
        "none" => Ok(GELU { tanh: false }),
        "tanh" => Ok(GELU { tanh: true }),
        other => Err(Miss::types(format!("approximate is {other}"))),
    }
}

fn leaky_relu(a: &mut Arguments) -> Result<LeakyReLU, Miss> {
    Ok(LeakyReLU { negative_slope: a.or("negative_slope", 0.01)? })
}

/// Calls the function of a layer; `None` if it is not one of these.
pub(crate) fn function(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let Some(name) = name.strip_prefix("nn.functional.") else { return Ok(None) };
    let x = a.at::<Tensor>(0);
    Ok(Some(vec![match name {
        "embedding" => functional::embedding(&x?, &a.at(1)?)?,
        "elu" => elu(a)?.forward(&x?)?,
        "silu" => functional::silu(&x?)?,
        "softplus" => softplus(a)?.forward(&x?)?,
        "gelu" => gelu(a)?.forward(&x?)?,
        "leaky_relu" => leaky_relu(a)?.forward(&x?)?,
        "layer_norm" => {
            let [weight, bias] = [a.or::<Option<Tensor>>("weight", None)?, a.or("bias", None)?];
            let sizes = a.at::<Vec<usize>>(1)?;
            functional::layer_norm(&x?, sizes, weight.as_ref(), bias.as_ref(), a.or("eps", 1e-5)?)?
        }
        "relu" => functional::relu(&x?)?,
        "logsigmoid" => functional::logsigmoid(&x?)?,
        "linear" => functional::linear(&x?, &a.at(1)?, a.or::<Option<Tensor>>("bias", None)?.as_ref())?,
        _ => return Ok(None),
    }]))
}

/// Builds the described module, layers of a class and nets of them.
pub(crate) fn build(module: &case::Module) -> Result<Box<dyn Forward>, Miss> {
    if module.children.is_empty() && module.class != "Sequential" {
        let mut a = Arguments::constants(&[], &module.init)?;
        let built = layer(&module.class, &mut a)?;
        let built = built.ok_or_else(|| Miss::Absent(format!("no {}", module.class)))?;
        a.finish()?;
        return Ok(built);
    }
    let children = module.children.iter().map(|(name, child)| Ok((name.clone(), build(child)?)));
    let children = children.collect::<Result<Vec<_>, Miss>>()?;
    if module.class == "Sequential" {
        let mut net = Sequential::new();
        for (name, child) in children {
            net = net.add_named(&name, child)?;
        }
        return Ok(Box::new(net));
    }
    Ok(Box::new(Net { class: module.class.clone(), children }))
}

/// A user's own class, which runs its children in their order.
struct Net {
    class: String,
    children: Vec<(String, Box<dyn Forward>)>,
}

impl Module for Net {
    fn class_name(&self) -> &str {
        &self.class
    }
    fn members(&self, visit: &mut Visit<'_>) {
        for (name, child) in &self.children {
            visit(name, Member::Child(child));
        }
    }
}

impl Forward for Net {
    fn forward(&self, x: &Tensor) -> downhill::Result<Tensor> {
        self.children.iter().try_fold(x.clone(), |x, (_, child)| child.forward(&x))
    }
}

/// Sets the module's parameters and buffers, and with them its dtype.
pub(crate) fn load(module: &dyn Module, state: &Named) -> Result<(), Miss> {
    let mut values = StateDict::new();
    for (name, value) in state {
        match value {
            Value::Tensor(reference) => values.insert(name.clone(), tensor(reference)?),
            other => return Err(Miss::Wrong(format!("{name} is {other:?} in the corpus"))),
        }
    }
    if values.iter().any(|(_, value)| value.dtype() == DType::F64) {
        module.to_dtype(DType::F64)?;
    }
    module.load_state_dict(&values).map_err(|error| Miss::Refused(error.to_string()))
}

/// Builds the module that a call names, sets its state and runs it; `None` if there is no such module with parameters.
pub(crate) fn run(call: &Call, a: &mut Arguments) -> Result<Option<Run>, Miss> {
    let Some(class) = call.function.strip_prefix("nn.") else { return Ok(None) };
    if let Some(loss) = losses::with_layer(class, a)? {
        return run_module(&loss, call, a, |a| Ok(loss.forward(&a.at(0)?, &a.at(1)?)?)).map(Some);
    }
    let Some(module) = layer(class, a)? else { return Ok(None) };
    run_module(&*module, call, a, |a| Ok(module.forward(&a.at(0)?)?)).map(Some)
}

fn run_module(
    module: &dyn Module,
    call: &Call,
    a: &mut Arguments,
    forward: impl FnOnce(&Arguments) -> Result<Tensor, Miss>,
) -> Result<Run, Miss> {
    a.finish()?;
    load(module, &call.state)?;
    module.train(call.training);
    let parameters = module.named_parameters().into_iter();
    let leaves = parameters.map(|(name, p)| (format!("state.{name}"), p.tensor()));
    let mut leaves: BTreeMap<_, _> = leaves.filter(|(path, _)| call.grad_of.contains(path)).collect();
    leaves.append(&mut a.leaves);
    let outputs = vec![forward(a)?];
    let buffers = module.named_buffers().into_iter().map(|(name, b)| (name, b.tensor()));
    Ok(Run { outputs, leaves, buffers: buffers.collect() })
}
