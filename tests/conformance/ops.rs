//! The tensor operations: PyTorch's names and arguments as calls of the library.

use downhill::{Combine, DType, Number, Operand, Parts, Rounding, Tensor};

use crate::arguments::{Argument, Arguments, Several, Take};
use crate::report::Miss;

/// Calls the operation of this name; `None` if it is not one of these.
pub(crate) fn call(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    for group in [arithmetic, functions, reductions, matrices, shapes, indexing] {
        if let Some(outputs) = group(name, a)? {
            return Ok(Some(outputs));
        }
    }
    Ok(None)
}

/// Arithmetic, comparisons and choices.
fn arithmetic(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let result = match name {
        "add" => match alpha(a)? {
            None => x(a)?.add(operand(a, 1)?)?,
            Some(alpha) => x(a)?.add_scaled(operand(a, 1)?, alpha)?,
        },
        "sub" => match alpha(a)? {
            None => x(a)?.sub(operand(a, 1)?)?,
            Some(alpha) => x(a)?.sub_scaled(operand(a, 1)?, alpha)?,
        },
        "mul" => x(a)?.mul(operand(a, 1)?)?,
        "div" => match rounding(a)? {
            None => x(a)?.div(operand(a, 1)?)?,
            Some(rounding) => x(a)?.div_rounded(operand(a, 1)?, rounding)?,
        },
        "pow" => match a.at(0)? {
            Operand::Tensor(base) => base.pow(operand(a, 1)?)?,
            Operand::Number(base) => a.at::<Tensor>(1)?.rpow(base)?,
        },
        "maximum" => x(a)?.maximum(&a.at(1)?)?,
        "minimum" => x(a)?.minimum(&a.at(1)?)?,
        "eq" => x(a)?.eq(operand(a, 1)?)?,
        "ne" => x(a)?.ne(operand(a, 1)?)?,
        "lt" => x(a)?.lt(operand(a, 1)?)?,
        "le" => x(a)?.le(operand(a, 1)?)?,
        "gt" => x(a)?.gt(operand(a, 1)?)?,
        "ge" => x(a)?.ge(operand(a, 1)?)?,
        "clamp" => match (a.option::<Operand>("min")?, a.option::<Operand>("max")?) {
            (Some(min), Some(max)) => x(a)?.clamp(min, max)?,
            (Some(min), None) => x(a)?.clamp_min(min)?,
            (None, Some(max)) => x(a)?.clamp_max(max)?,
            (None, None) => return Err(Miss::types("neither min nor max")),
        },
        "where" => Tensor::where_(&x(a)?, operand(a, 1)?, operand(a, 2)?)?,
        "masked_fill" => x(a)?.masked_fill(&a.at(1)?, operand(a, 2)?)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![result]))
}

/// Functions of each element.
fn functions(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let result = match name {
        "abs" => x(a)?.abs(),
        "neg" => x(a)?.neg()?,
        "exp" => x(a)?.exp(),
        "expm1" => x(a)?.expm1(),
        "log" => x(a)?.log(),
        "log1p" => x(a)?.log1p(),
        "log2" => x(a)?.log2(),
        "sqrt" => x(a)?.sqrt(),
        "rsqrt" => x(a)?.rsqrt(),
        "square" => x(a)?.square(),
        "sin" => x(a)?.sin(),
        "cos" => x(a)?.cos(),
        "tanh" => x(a)?.tanh(),
        "sigmoid" => x(a)?.sigmoid(),
        "erf" => x(a)?.erf(),
        "sign" => x(a)?.sign(),
        "floor" => x(a)?.floor(),
        "ceil" => x(a)?.ceil(),
        "isnan" => x(a)?.isnan(),
        "isinf" => x(a)?.isinf(),
        "logical_not" => x(a)?.logical_not(),
        "round" => match a.or("decimals", 0)? {
            0 => x(a)?.round(),
            decimals => x(a)?.round_decimals(decimals)?,
        },
        _ => return Ok(None),
    };
    Ok(Some(vec![result]))
}

/// Reductions and softmax.
fn reductions(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let result = match name {
        "sum" => match (converted(a)?, dims(a)?, keepdim(a)?) {
            (x, None, _) => x.sum(),
            (x, Some(dims), keepdim) => x.sum_dim(&dims[..], keepdim)?,
        },
        "mean" => match (converted(a)?, dims(a)?, keepdim(a)?) {
            (x, None, _) => x.mean()?,
            (x, Some(dims), keepdim) => x.mean_dim(&dims[..], keepdim)?,
        },
        "prod" => match (converted(a)?, a.or("dim", None)?, keepdim(a)?) {
            (x, None, _) => x.prod(),
            (x, Some(dim), keepdim) => x.prod_dim(dim, keepdim)?,
        },
        "amax" => x(a)?.amax(&dims(a)?.unwrap_or_default()[..], keepdim(a)?)?,
        "amin" => x(a)?.amin(&dims(a)?.unwrap_or_default()[..], keepdim(a)?)?,
        "max" | "min" | "median" => return chosen(name, a).map(Some),
        "argmax" => x(a)?.argmax(a.or::<Option<isize>>("dim", None)?, keepdim(a)?)?,
        "argmin" => x(a)?.argmin(a.or::<Option<isize>>("dim", None)?, keepdim(a)?)?,
        "var" => match (dims(a)?, a.or("correction", 1.0)?, keepdim(a)?) {
            (None, 1.0, false) => x(a)?.var()?,
            (dims, correction, keepdim) => {
                x(a)?.var_dim(&dims.unwrap_or_default()[..], correction, keepdim)?
            }
        },
        "std" => match (dims(a)?, a.or("correction", 1.0)?, keepdim(a)?) {
            (None, 1.0, false) => x(a)?.std()?,
            (dims, correction, keepdim) => {
                x(a)?.std_dim(&dims.unwrap_or_default()[..], correction, keepdim)?
            }
        },
        "norm" => match (order(a)?, dims(a)?, keepdim(a)?) {
            (None, Some(dims), _) if dims.len() > 2 => return Err(Miss::types("a matrix norm over 3 dims")),
            (p, None, false) => x(a)?.norm(p.unwrap_or(2.0))?,
            (p, dims, keepdim) => x(a)?.norm_dim(p.unwrap_or(2.0), &dims.unwrap_or_default()[..], keepdim)?,
        },
        "logsumexp" => x(a)?.logsumexp(&sizes(a)?[..], keepdim(a)?)?,
        "softmax" => converted(a)?.softmax(a.at(1)?)?,
        "log_softmax" => converted(a)?.log_softmax(a.at(1)?)?,
        "cumsum" => converted(a)?.cumsum(a.at(1)?)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![result]))
}

/// The functions with three forms: of all elements, of two tensors, and along a dim, with the places.
fn chosen(name: &str, a: &mut Arguments) -> Result<Vec<Tensor>, Miss> {
    let x = x(a)?;
    if a.len() == 1 {
        return Ok(vec![match name {
            "max" => x.max()?,
            "min" => x.min()?,
            _ => x.median()?,
        }]);
    }
    let Ok(dim) = a.at::<isize>(1) else {
        let other = a.at(1)?;
        return Ok(vec![if name == "max" { x.maximum(&other)? } else { x.minimum(&other)? }]);
    };
    let keepdim = keepdim(a)?;
    let (values, places) = match name {
        "max" => x.max_dim(dim, keepdim)?,
        "min" => x.min_dim(dim, keepdim)?,
        _ => x.median_dim(dim, keepdim)?,
    };
    Ok(vec![values, places])
}

/// The `p` of a norm; `None` for Frobenius's, which is also the default.
fn order(a: &mut Arguments) -> Result<Option<f64>, Miss> {
    struct Order(Option<f64>);
    impl Take for Order {
        fn take(argument: &Argument) -> Option<Self> {
            match argument {
                Argument::Text(text) if text == "fro" => Some(Order(None)),
                _ => f64::take(argument).map(|p| Order(Some(p))),
            }
        }
    }
    Ok(a.or("p", Order(None))?.0)
}

/// Products and triangles.
fn matrices(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let result = match name {
        "matmul" => x(a)?.matmul(&a.at(1)?)?,
        "mm" => x(a)?.mm(&a.at(1)?)?,
        "bmm" => x(a)?.bmm(&a.at(1)?)?,
        "mv" => x(a)?.mv(&a.at(1)?)?,
        "addmm" => {
            let beta = a.or("beta", Number::Int(1))?;
            let alpha = alpha(a)?.unwrap_or(Number::Int(1));
            x(a)?.addmm(&a.at(1)?, &a.at(2)?, beta, alpha)?
        }
        "dot" => x(a)?.dot(&a.at(1)?)?,
        "tril" => x(a)?.tril(a.or("diagonal", 0)?)?,
        "triu" => x(a)?.triu(a.or("diagonal", 0)?)?,
        _ => return Ok(None),
    };
    Ok(Some(vec![result]))
}

/// Views, and what joins and splits.
fn shapes(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let result = match name {
        "transpose" => x(a)?.transpose(a.at(1)?, a.at(2)?)?,
        "permute" => x(a)?.permute(&sizes(a)?[..])?,
        "reshape" => x(a)?.reshape(&sizes(a)?[..])?,
        "Tensor.view" => x(a)?.view(&sizes(a)?[..])?,
        "Tensor.expand" => x(a)?.expand(&sizes(a)?[..])?,
        "broadcast_to" => x(a)?.broadcast_to(&sizes(a)?[..])?,
        "squeeze" => match dims(a)? {
            None => x(a)?.squeeze(),
            Some(dims) => x(a)?.squeeze_dim(&dims[..])?,
        },
        "unsqueeze" => x(a)?.unsqueeze(a.at(1)?)?,
        "flatten" => x(a)?.flatten(a.or("start_dim", 0)?, a.or("end_dim", -1)?)?,
        "narrow" => x(a)?.narrow(a.at(1)?, a.at(2)?, a.at(3)?)?,
        "select" => x(a)?.select(a.at(1)?, a.at(2)?)?,
        "Tensor.to" => x(a)?.to_dtype(a.at(1)?),
        "cat" => Tensor::cat(&a.at::<Vec<Tensor>>(0)?, a.or("dim", 0)?)?,
        "stack" => Tensor::stack(&a.at::<Vec<Tensor>>(0)?, a.or("dim", 0)?)?,
        "split" => {
            let parts = match a.at::<usize>(1) {
                Ok(size) => Parts::from(size),
                Err(_) => Parts::from(a.at::<Vec<usize>>(1)?),
            };
            return Ok(Some(x(a)?.split(parts, a.or("dim", 0)?)?));
        }
        "chunk" => return Ok(Some(x(a)?.chunk(a.at(1)?, a.or("dim", 0)?)?)),
        _ => return Ok(None),
    };
    Ok(Some(vec![result]))
}

/// Indexing and sorting.
fn indexing(name: &str, a: &mut Arguments) -> Result<Option<Vec<Tensor>>, Miss> {
    let result = match name {
        "index_select" => x(a)?.index_select(a.at(1)?, &a.at(2)?)?,
        "gather" => x(a)?.gather(a.at(1)?, &a.at(2)?)?,
        "scatter" => match combine(a)? {
            None => x(a)?.scatter(a.at(1)?, &a.at(2)?, operand(a, 3)?)?,
            Some(combine) => x(a)?.scatter_combined(a.at(1)?, &a.at(2)?, operand(a, 3)?, combine)?,
        },
        "scatter_add" => x(a)?.scatter_add(a.at(1)?, &a.at(2)?, &a.at(3)?)?,
        "masked_select" => x(a)?.masked_select(&a.at(1)?)?,
        "nn.functional.one_hot" => {
            let classes = Some(a.or("num_classes", -1_isize)?).filter(|&n| n != -1);
            let classes = classes.map(usize::try_from).transpose();
            x(a)?.one_hot(classes.map_err(|_| Miss::types("a negative number of classes"))?)?
        }
        "sort" => {
            // Always stable.
            a.or("stable", false)?;
            let (values, indices) = x(a)?.sort(a.or("dim", -1)?, a.or("descending", false)?)?;
            return Ok(Some(vec![values, indices]));
        }
        "topk" => {
            // Always sorted.
            a.or("sorted", true)?;
            let (values, indices) = x(a)?.topk(a.at(1)?, a.or("dim", -1)?, a.or("largest", true)?)?;
            return Ok(Some(vec![values, indices]));
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![result]))
}

/// The first argument.
fn x(a: &Arguments) -> Result<Tensor, Miss> {
    a.at(0)
}

fn operand(a: &Arguments, position: usize) -> Result<Operand, Miss> {
    a.at(position)
}

/// The second argument, where it is an array.
fn sizes(a: &Arguments) -> Result<Vec<isize>, Miss> {
    a.at(1)
}

fn alpha(a: &mut Arguments) -> Result<Option<Number>, Miss> {
    a.option("alpha")
}

fn keepdim(a: &mut Arguments) -> Result<bool, Miss> {
    a.or("keepdim", false)
}

fn combine(a: &mut Arguments) -> Result<Option<Combine>, Miss> {
    Ok(match a.or::<Option<String>>("reduce", None)?.as_deref() {
        None => None,
        Some("add") => Some(Combine::Add),
        Some("multiply") => Some(Combine::Multiply),
        Some(other) => return Err(Miss::types(format!("reduce is {other}"))),
    })
}

/// The option `dim`: one, several, or none.
fn dims(a: &mut Arguments) -> Result<Option<Vec<isize>>, Miss> {
    Ok(a.or::<Option<Several>>("dim", None)?.map(|Several(dims)| dims))
}

/// The first argument, first converted to the option `dtype`.
fn converted(a: &mut Arguments) -> Result<Tensor, Miss> {
    Ok(match a.option::<DType>("dtype")? {
        None => x(a)?,
        Some(dtype) => x(a)?.to_dtype(dtype),
    })
}

fn rounding(a: &mut Arguments) -> Result<Option<Rounding>, Miss> {
    Ok(match a.or::<Option<String>>("rounding_mode", None)?.as_deref() {
        None => None,
        Some("floor") => Some(Rounding::Floor),
        Some("trunc") => Some(Rounding::Trunc),
        Some(other) => return Err(Miss::types(format!("rounding_mode is {other}"))),
    })
}
