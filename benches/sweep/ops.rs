//! The operations, by the names that benches/sweep.py has for them.
#![allow(
    clippy::too_many_lines,
    clippy::redundant_closure_for_method_calls,
    reason = "a table, whose rows look alike"
)]

use super::{Case, Step};
use downhill::prelude::*;

/// Operations of positive inputs: probabilities, too.
pub(crate) const POSITIVE: &[&str] =
    &["log", "log2", "log1p", "sqrt", "rsqrt", "pow_half", "reciprocal", "bce", "prod", "cumprod"];

/// The operation of this name, with what else it takes.
pub(crate) fn prepare(op: &str, case: &Case) -> Result<Step> {
    let (shape, dim) = (case.shape.clone(), case.dim);
    let (first, last) = (shape[0], shape[shape.len() - 1]);
    let other = || case.normal(&shape);
    Ok(match op {
        // Each element.
        "abs" => Box::new(|x| x.try_abs()),
        "neg" => Box::new(|x| x.neg()),
        "sign" => Box::new(|x| x.try_sign()),
        "square" => Box::new(|x| x.try_square()),
        "sqrt" => Box::new(|x| x.try_sqrt()),
        "rsqrt" => Box::new(|x| x.try_rsqrt()),
        "exp" => Box::new(|x| x.try_exp()),
        "expm1" => Box::new(|x| x.try_expm1()),
        "log" => Box::new(|x| x.try_log()),
        "log2" => Box::new(|x| x.try_log2()),
        "log1p" => Box::new(|x| x.try_log1p()),
        "sin" => Box::new(|x| x.try_sin()),
        "cos" => Box::new(|x| x.try_cos()),
        "tan" => Box::new(|x| x.try_tan()),
        "tanh" => Box::new(|x| x.try_tanh()),
        "sigmoid" => Box::new(|x| x.try_sigmoid()),
        "log_sigmoid" => Box::new(|x| x.try_log_sigmoid()),
        "erf" => Box::new(|x| x.try_erf()),
        "floor" => Box::new(|x| x.try_floor()),
        "round" => Box::new(|x| x.try_round()),
        "reciprocal" => Box::new(|x| x.try_reciprocal()),
        "relu" => Box::new(|x| x.try_relu()),
        "gelu" => Box::new(functional::gelu),
        "silu" => Box::new(functional::silu),
        "elu" => Box::new(|x| functional::elu(x, 1.0)),
        "softplus" => Box::new(|x| functional::softplus(x, 1.0, 20.0)),
        "leaky_relu" => Box::new(|x| functional::leaky_relu(x, 0.01)),
        "pow_3" => Box::new(|x| x.pow(3.0)),
        "pow_half" => Box::new(|x| x.pow(0.5)),
        "clamp" => Box::new(|x| x.clamp(-1.0, 1.0)),
        "isnan" => Box::new(|x| x.try_isnan()),
        "to_f64" => Box::new(|x| x.try_to_dtype(DType::F64)),
        "to_i64" => Box::new(|x| x.try_to_dtype(DType::I64)),
        "add_number" => Box::new(|x| x.add(2.0)),
        "mul_number" => Box::new(|x| x.mul(2.0)),
        "gt_number" => Box::new(|x| x.gt(0.0)),
        // Of two operands.
        "add" => with(other()?, |x, y| x.add(y)),
        "sub" => with(other()?, |x, y| x.sub(y)),
        "mul" => with(other()?, |x, y| x.mul(y)),
        "div" => with(other()?, |x, y| x.div(y)),
        "maximum" => with(other()?, |x, y| x.maximum(y)),
        "lt" => with(other()?, |x, y| x.lt(y)),
        "pow" => with(case.between()?, |x, y| y.pow(x)),
        "remainder" => with(case.between()?, |x, y| x.remainder(y)),
        "lerp" => with(other()?, |x, y| x.lerp(y, 0.3)),
        "add_row" => with(case.normal(&[last])?, |x, y| x.add(y)),
        "mul_column" => {
            let mut column = shape.clone();
            column[shape.len() - 1] = 1;
            with(case.normal(&column)?, |x, y| x.mul(y))
        }
        "where" => {
            let mask = other()?.gt(0.0)?;
            with(other()?, move |x, y| Tensor::where_(&mask, x, y))
        }
        "masked_fill" => with(other()?.gt(0.0)?, |x, mask| x.masked_fill(mask, 0.0)),
        "masked_select" => with(other()?.gt(0.0)?, |x, mask| x.masked_select(mask)),
        // Along dimensions.
        "sum" => Box::new(move |x| x.sum_dim(dim, false)),
        "mean" => Box::new(move |x| x.mean_dim(dim, false)),
        "amax" => Box::new(move |x| x.amax(dim, false)),
        "amin" => Box::new(move |x| x.amin(dim, false)),
        "argmax" => Box::new(move |x| x.argmax(dim, false)),
        "prod" => Box::new(move |x| x.prod_dim(dim, false)),
        "var" => Box::new(move |x| x.var_dim(dim, 1.0, false)),
        "norm" => Box::new(move |x| x.norm_dim(2.0, dim, false)),
        "logsumexp" => Box::new(move |x| x.logsumexp(dim, false)),
        "softmax" => Box::new(move |x| x.softmax(dim)),
        "log_softmax" => Box::new(move |x| x.log_softmax(dim)),
        "cumsum" => Box::new(move |x| x.cumsum(dim)),
        "cumprod" => Box::new(move |x| x.cumprod(dim)),
        "any" => Box::new(move |x| x.any_dim(dim, false)),
        "sort" => Box::new(move |x| Ok(x.sort(dim, false)?.0)),
        "topk" => {
            let k = 3.min(shape[dim as usize]);
            Box::new(move |x| Ok(x.topk(k, dim, true)?.0))
        }
        "sum_all" => Box::new(|x| x.try_sum()),
        "mean_all" => Box::new(|x| x.mean()),
        "max_all" => Box::new(|x| x.max()),
        "var_all" => Box::new(|x| x.var()),
        "norm_all" => Box::new(|x| x.norm(2.0)),
        // Moving.
        "contiguous" => Box::new(|x| x.try_contiguous()),
        "cat" => with(other()?, move |x, y| Tensor::cat(&[x, y], dim)),
        "stack" => with(other()?, move |x, y| Tensor::stack(&[x, y], dim)),
        "flip" => Box::new(move |x| x.flip(dim)),
        "roll" => Box::new(move |x| x.roll(1, dim)),
        "repeat" => {
            let mut repeats = vec![1; shape.len()];
            repeats[dim as usize] = 2;
            Box::new(move |x| x.repeat(&repeats))
        }
        "gather" => {
            let index = randint(0, shape[dim as usize] as i64, &shape[..])?;
            with(index, move |x, index| x.gather(dim, index))
        }
        "scatter_add" => {
            let index = randint(0, shape[dim as usize] as i64, &shape[..])?;
            let source = other()?;
            with(index, move |x, index| x.scatter_add(dim, index, &source))
        }
        "index_select" => {
            let n = shape[dim as usize];
            with(randint(0, n as i64, [n])?, move |x, index| x.index_select(dim, index))
        }
        "tril" => Box::new(|x| x.tril(0)),
        // Products.
        "mm" => with(case.normal(&[last, first])?, |x, y| x.mm(y)),
        "mm_t" => with(case.normal(&[first, last])?, |x, y| x.mm(&y.t()?)),
        "t_mm" => with(case.normal(&[first, last])?, |x, y| x.t()?.mm(y)),
        "mv" => with(case.normal(&[last])?, |x, y| x.mv(y)),
        "dot" => with(other()?, |x, y| x.dot(y)),
        "bmm" => with(case.normal(&[first, last, shape[1]])?, |x, y| x.bmm(y)),
        // Layers.
        "linear" => {
            let layer = Linear::new(last, last)?;
            Box::new(move |x| layer.forward(x))
        }
        "layer_norm" => {
            let layer = LayerNorm::new([last])?;
            Box::new(move |x| layer.forward(x))
        }
        "batch_norm" => {
            let layer = BatchNorm1d::new(last)?;
            Box::new(move |x| layer.forward(x))
        }
        "dropout" => {
            let layer = Dropout::new(0.5)?;
            Box::new(move |x| layer.forward(x))
        }
        "embedding" => {
            let layer = Embedding::new(first, last)?;
            let index = randint(0, first as i64, [first])?;
            Box::new(move |_| {
                enable_grad(|| layer.forward(&index)?.try_sum()?.backward()).map(|()| index.clone())
            })
        }
        "randn" => Box::new(move |_| randn(&shape[..])),
        "rand" => Box::new(move |_| rand(&shape[..])),
        "randperm" => Box::new(move |_| randperm(first)),
        _ => return losses(op, case).or_else(|_| optimizers(op, case)),
    })
}

/// An operation of the input and one more tensor.
fn with(y: Tensor, f: impl Fn(&Tensor, &Tensor) -> Result<Tensor> + 'static) -> Step {
    Box::new(move |x| f(x, &y))
}

fn losses(op: &str, case: &Case) -> Result<Step> {
    let shape = &case.shape;
    let (first, last) = (shape[0], shape[shape.len() - 1]);
    let other = || case.normal(shape);
    let signs = |shape: &[usize]| case.normal(shape)?.try_sign();
    let classes = || randint(0, last as i64, [first]);
    fn loss<L: Loss + 'static>(loss: L, y: Tensor) -> Step {
        with(y, move |x, y| loss.forward(x, y))
    }
    Ok(match op {
        "mse" => loss(MSELoss::default(), other()?),
        "l1" => loss(L1Loss::default(), other()?),
        "smooth_l1" => loss(SmoothL1Loss::default(), other()?),
        "huber" => loss(HuberLoss::default(), other()?),
        "bce" => loss(BCELoss::default(), case.between()?),
        "bce_with_logits" => loss(BCEWithLogitsLoss::default(), case.between()?),
        "kl_div" => loss(KLDivLoss::default(), case.between()?),
        "poisson_nll" => loss(PoissonNLLLoss::default(), case.between()?),
        "hinge_embedding" => loss(HingeEmbeddingLoss::default(), signs(shape)?),
        "soft_margin" => loss(SoftMarginLoss::default(), signs(shape)?),
        "gaussian_nll" => {
            let (loss, var) = (GaussianNLLLoss::default(), case.between()?);
            with(other()?, move |x, y| loss.forward(x, y, &var))
        }
        "margin_ranking" => {
            let (loss, sign) = (MarginRankingLoss::default(), signs(shape)?);
            with(other()?, move |x, y| loss.forward(x, y, &sign))
        }
        "cross_entropy" => loss(CrossEntropyLoss::default(), classes()?),
        "cross_entropy_smooth" => {
            loss(CrossEntropyLoss { label_smoothing: 0.1, ..Default::default() }, classes()?)
        }
        "cross_entropy_dense" => loss(CrossEntropyLoss::default(), other()?.softmax(1)?),
        "nll" => loss(NLLLoss::default(), classes()?),
        "multi_margin" => loss(MultiMarginLoss::default(), classes()?),
        "multilabel_margin" => loss(MultiLabelMarginLoss::default(), randint(-1, last as i64, &shape[..])?),
        "multilabel_soft_margin" => {
            loss(MultiLabelSoftMarginLoss::default(), other()?.gt(0.0)?.try_to_dtype(case.dtype)?)
        }
        "cosine_embedding" => {
            let (loss, sign) = (CosineEmbeddingLoss::default(), signs(&[first])?);
            with(other()?, move |x, y| loss.forward(x, y, &sign))
        }
        "triplet_margin" => {
            let (loss, negative) = (TripletMarginLoss::default(), other()?);
            with(other()?, move |x, y| loss.forward(x, y, &negative))
        }
        _ => return Err(Error::argument("sweep", format!("there is no operation {op}"))),
    })
}

/// A step of an optimizer: of one parameter, or of `first` parameters that have the other dimensions.
fn optimizers(op: &str, case: &Case) -> Result<Step> {
    let (many, shape) =
        if case.shape.len() > 1 { (case.shape[0], &case.shape[1..]) } else { (1, &case.shape[..]) };
    let parameters = (0..many).map(|_| Parameter::new(case.normal(shape)?)).collect::<Result<Vec<_>>>()?;
    for parameter in &parameters {
        parameter.set_grad(Some(case.normal(shape)?))?;
    }
    fn step<O: Optimizer + 'static>(mut optimizer: O) -> Step {
        Box::new(move |x| optimizer.step().map(|()| x.clone()))
    }
    Ok(match op {
        "sgd" => step(SGD::new(parameters, SgdOptions { lr: 1e-3, ..Default::default() })?),
        "sgd_momentum" => {
            step(SGD::new(parameters, SgdOptions { lr: 1e-3, momentum: 0.9, ..Default::default() })?)
        }
        "adam" => step(Adam::new(parameters, AdamOptions::default())?),
        "adamw" => step(AdamW::new(parameters, AdamWOptions::default())?),
        "rmsprop" => step(RMSprop::new(parameters, RMSpropOptions::default())?),
        "adagrad" => step(Adagrad::new(parameters, AdagradOptions::default())?),
        _ => return Err(Error::argument("sweep", format!("there is no operation {op}"))),
    })
}
