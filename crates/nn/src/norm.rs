//! What the normalisation layers share: numbers brought to mean 0 and variance 1.

use crate::Result;
use crate::norm_channels::Channels;
use crate::norm_loops::{self as loops, Moments, scale};
use downhill_tensor::autograd::fused;
use downhill_tensor::{DType, Error, Float, Shape, Tensor, memory};
use std::sync::Arc;

/// Which elements are normalised together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows {
    /// The last dimensions of each sample, so many elements together. Weight and bias have as many.
    Last(usize),
    /// All elements of an entry of dimension 1, a channel, which have one weight and bias.
    Channels,
}

/// Dimension 1 of an input of 2 or 3 dimensions.
fn channels(x: &Tensor) -> Channels {
    let size = |dim: usize| x.shape().get(dim).copied().unwrap_or(1);
    Channels { entries: size(0), channels: size(1), each: size(2) }
}

/// `(x − mean) / √(variance + eps) · weight + bias`, with the moments of what is normalised together.
#[inline]
pub(crate) fn normalize(
    name: &'static str,
    rows: Rows,
    x: &Tensor,
    [weight, bias]: [Option<&Tensor>; 2],
    eps: f64,
) -> Result<(Tensor, Arc<Vec<Moments>>)> {
    match x.dtype() {
        DType::F32 => run::<f32>(name, rows, x, [weight, bias], eps),
        DType::F64 => run::<f64>(name, rows, x, [weight, bias], eps),
        DType::I64 | DType::Bool => unreachable!("check refuses all but floats"),
    }
}

fn run<T: Float>(
    name: &'static str,
    rows: Rows,
    x: &Tensor,
    [weight, bias]: [Option<&Tensor>; 2],
    eps: f64,
) -> Result<(Tensor, Arc<Vec<Moments>>)> {
    let (has, none) = ([weight.is_some(), bias.is_some()], Tensor::from(0.0_f32));
    let [w, b] = [weight, bias].map(|t| t.unwrap_or(&none));
    let input = x.detach().try_contiguous()?;
    let [weight, bias] = [weight, bias].map(|t| t.map(Tensor::detach));
    let (value, moments) = scaled::<T>(rows, &input, [weight.as_ref(), bias.as_ref()], eps)?;
    let moments = Arc::new(moments);
    let kept = moments.clone();
    let y = fused(
        name,
        [x, w, b],
        value,
        move |i, g, [x, w, _]| slopes::<T>(rows, i, [g, x], has[0].then_some(w), &kept, eps),
        move |[x, w, b]| match rows {
            Rows::Last(n) => {
                let y = unit(&x.reshape([x.numel() / n.max(1), n])?, &[1], eps)?;
                affine(&y, has, [w, b])?.reshape(x.shape())
            }
            Rows::Channels if x.dim() == 2 => affine(&unit(x, &[0], eps)?, has, [w, b]),
            Rows::Channels => {
                let column = |has: bool, t: &Tensor| if has { t.unsqueeze(1) } else { Ok(t.clone()) };
                affine(&unit(x, &[0, 2], eps)?, has, [&column(has[0], w)?, &column(has[1], b)?])
            }
        },
    );
    Ok((y, moments))
}

/// `(x − mean) / √(variance + eps)` over these dimensions.
fn unit(x: &Tensor, dims: &[isize], eps: f64) -> Result<Tensor> {
    let centred = x.sub(&x.mean_dim(dims, true)?)?;
    let variance = centred.try_square()?.mean_dim(dims, true)?;
    centred.mul(&variance.add(eps)?.try_rsqrt()?)
}

#[inline]
pub(crate) fn affine(x: &Tensor, [scale, shift]: [bool; 2], [w, b]: [&Tensor; 2]) -> Result<Tensor> {
    let x = if scale { x.mul(w)? } else { x.clone() };
    if shift { x.add(b) } else { Ok(x) }
}

/// The elements of a parameter, or as many times what stands for one that is not given.
fn parameter<T: Float>(given: Option<&Tensor>, otherwise: f64, n: usize) -> Result<Vec<T>> {
    match given {
        Some(t) => t.to_vec::<T>(),
        None => memory::vec("normalize", T::lit(otherwise), n),
    }
}

/// The means of channels, and what their elements are multiplied by.
fn gains<T: Float>(moments: &[Moments], weight: Option<&Tensor>, eps: f64) -> Result<[Vec<f64>; 2]> {
    let weight = parameter::<T>(weight, 1.0, moments.len())?;
    let means = memory::collect("normalize", moments.iter().map(|[mean, _]| *mean))?;
    let gain = |(w, &m): (T, &Moments)| w.cast::<f64>() * scale(m, eps);
    Ok([means, memory::collect("normalize", weight.into_iter().zip(moments).map(gain))?])
}

fn scaled<T: Float>(
    rows: Rows,
    x: &Tensor,
    [weight, bias]: [Option<&Tensor>; 2],
    eps: f64,
) -> Result<(Tensor, Vec<Moments>)> {
    let data = x.as_slice::<T>()?;
    match rows {
        Rows::Last(n) => {
            let (w, b) = (parameter::<T>(weight, 1.0, n)?, parameter::<T>(bias, 0.0, n)?);
            let mut moments = memory::vec("normalize", [0.0; 2], x.numel() / n.max(1))?;
            let value = Tensor::build(x.shape(), |out| {
                loops::scaled_rows([data, &w, &b], n, eps, out, &mut moments);
            })?;
            Ok((value, moments))
        }
        Rows::Channels => {
            let moments = channels(x).moments(data)?;
            let [means, gains] = gains::<T>(&moments, weight, eps)?;
            let bias = parameter::<T>(bias, 0.0, moments.len())?;
            let shifts = memory::collect("normalize", bias.into_iter().map(T::cast::<f64>))?;
            let value =
                Tensor::build(x.shape(), |out| channels(x).scaled(data, [&means, &gains, &shifts], out))?;
            Ok((value, moments))
        }
    }
}

fn row<T: Float>(numbers: &[f64]) -> Result<Tensor> {
    Tensor::build(numbers.len(), |out: &mut [T]| {
        out.iter_mut().zip(numbers).for_each(|(o, &x)| *o = T::lit(x));
    })
}

/// The gradient of the input, of the weight or of the bias, by its number.
fn slopes<T: Float>(
    rows: Rows,
    i: usize,
    [g, x]: [&Tensor; 2],
    weight: Option<&Tensor>,
    moments: &[Moments],
    eps: f64,
) -> Result<Tensor> {
    if i == 2 {
        // The engine adds up what was broadcast.
        return match rows {
            Rows::Last(n) => g.reshape([g.numel() / n.max(1), n]),
            Rows::Channels if g.dim() == 3 => g.sum_dim(2, false),
            Rows::Channels => Ok(g.clone()),
        };
    }
    let (g, x) = (g.try_contiguous()?, x.try_contiguous()?);
    let data = [g.as_slice::<T>()?, x.as_slice::<T>()?];
    match rows {
        Rows::Last(n) if i == 1 => row::<T>(&loops::weight_slopes(data, moments, n, eps)?),
        Rows::Last(n) => {
            let w = parameter::<T>(weight, 1.0, n)?;
            Tensor::build(x.shape(), |out| {
                loops::row_slopes([data[0], data[1], &w], moments, n, eps, out);
            })
        }
        Rows::Channels => {
            let [means, gains] = gains::<T>(moments, weight, eps)?;
            let mut sums = channels(&x).sums(data, &means)?;
            let (levels, along) = sums.split_at_mut(moments.len());
            if i == 1 {
                along.iter_mut().zip(moments).for_each(|(sum, &m)| *sum *= scale(m, eps));
                return row::<T>(along);
            }
            let n = (x.numel() / moments.len().max(1)) as f64;
            for level in levels.iter_mut() {
                *level /= n;
            }
            for (along, [_, variance]) in along.iter_mut().zip(moments) {
                *along /= (variance + eps) * n;
            }
            Tensor::build(x.shape(), |out| channels(&x).slopes(data, [&means, levels, along, &gains], out))
        }
    }
}

/// The parameters must have this shape and the input's dtype, a float.
pub(crate) fn check<const N: usize>(
    op: &'static str,
    x: &Tensor,
    shape: &Shape,
    parameters: [(&'static str, Option<&Tensor>); N],
) -> Result<()> {
    x.dtype().check_float(op)?;
    for (name, tensor) in parameters {
        let Some(tensor) = tensor else { continue };
        if tensor.shape() != shape {
            return Err(Error::shape(op, format!("a {name} of shape {shape}"), tensor.shape()));
        }
        Error::check_same(op, ("input", x.dtype()), (name, tensor.dtype()))?;
    }
    Ok(())
}
