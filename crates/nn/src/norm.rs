//! What the normalisation layers share: rows brought to mean 0 and variance 1.

use crate::Result;
use downhill_tensor::autograd::fused;
use downhill_tensor::{DType, Error, Float, Shape, Tensor, kernels, memory};
use std::sync::Arc;

/// Which elements are normalised together; they become the rows of a matrix.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows {
    /// This many at the end.
    Last(usize),
    /// All elements of an entry of dimension 1.
    Channels,
}

impl Rows {
    #[inline]
    fn split(self, x: &Tensor) -> Result<Tensor> {
        match self {
            Self::Last(n) => x.reshape([x.numel() / n.max(1), n]),
            Self::Channels => {
                let channels = x.size(1)?;
                x.transpose(0, 1)?.reshape([channels, x.numel() / channels.max(1)])
            }
        }
    }

    #[inline]
    fn join(self, rows: &Tensor, shape: &Shape) -> Result<Tensor> {
        match self {
            Self::Last(_) => rows.reshape(shape),
            Self::Channels => {
                let mut transposed = shape.to_vec();
                transposed.swap(0, 1);
                rows.reshape(&transposed[..])?.transpose(0, 1)?.try_contiguous()
            }
        }
    }
}

/// The mean and the variance (without correction) of a row.
pub(crate) type Moments = [f64; 2];

/// `(x − mean) / √(variance + eps) · weight + bias` for each row of `x`, with the moments of the rows. Weight and bias
/// broadcast to the matrix of rows.
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
    let flat = rows.split(&x.detach())?.try_contiguous()?;
    let moments = Arc::new(moments::<T>(&flat)?);
    let given = [weight, bias].map(|t| t.map(Tensor::detach));
    let value = scaled::<T>(rows, &flat, &moments, [given[0].as_ref(), given[1].as_ref()], eps)?;
    let value = rows.join(&value, x.shape())?;
    let kept = moments.clone();
    let y = fused(
        name,
        [x, w, b],
        value,
        move |i, g, [x, w, _]| {
            let (shape, g) = (*x.shape(), rows.split(g)?);
            if i == 2 {
                return Ok(g);
            }
            let x = rows.split(x)?.try_contiguous()?;
            if i == 1 {
                return g.mul(&scaled::<T>(rows, &x, &kept, [None; 2], eps)?);
            }
            let g = if has[0] { g.mul(w)? } else { g };
            rows.join(&slopes::<T>(&g.try_contiguous()?, &x, &kept, eps)?, &shape)
        },
        move |[x, w, b]| {
            let flat = rows.split(x)?;
            let centred = flat.sub(&flat.mean_dim(1, true)?)?;
            let variance = centred.try_square()?.mean_dim(1, true)?;
            let unit = centred.mul(&variance.add(eps)?.try_rsqrt()?)?;
            rows.join(&affine(&unit, has, [w, b])?, x.shape())
        },
    );
    Ok((y, moments))
}

#[inline]
pub(crate) fn affine(x: &Tensor, [scale, shift]: [bool; 2], [w, b]: [&Tensor; 2]) -> Result<Tensor> {
    let x = if scale { x.mul(w)? } else { x.clone() };
    if shift { x.add(b) } else { Ok(x) }
}

/// The sum of `f` of each pair of elements, in an order that depends on their number alone.
#[inline(always)]
fn sum<T: Float>(x: &[T], y: &[T], f: impl Fn(f64, f64) -> f64) -> f64 {
    // Chunks of a fixed length are what vectorises.
    let ((xs, x), (ys, y)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    let mut lanes = [0.0; 16];
    for (x, y) in xs.iter().zip(ys) {
        for i in 0..16 {
            lanes[i] += f(x[i].cast::<f64>(), y[i].cast::<f64>());
        }
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(x).zip(y) {
        *lane += f(x.cast::<f64>(), y.cast::<f64>());
    }
    lanes.iter().sum()
}

/// In two passes and in `f64`: nothing cancels, however far the mean is from 0.
fn moments<T: Float>(x: &Tensor) -> Result<Vec<Moments>> {
    let (data, n) = (x.as_slice::<T>()?, x.size(1)?);
    let mut moments = memory::vec("normalize", [0.0; 2], x.size(0)?)?;
    kernels::rows::<T, _>(
        n,
        &mut moments,
        3,
        #[inline(always)]
        |start, chunk| {
            for (i, out) in chunk.iter_mut().enumerate() {
                let row = &data[(start + i) * n..][..n];
                let mean = sum(row, row, |x, _| x) / n as f64;
                *out = [mean, sum(row, row, |x, _| (x - mean) * (x - mean)) / n as f64];
            }
        },
    );
    Ok(moments)
}

/// `(x − mean) / √(variance + eps) · weight + bias`, rounded once.
fn scaled<T: Float>(
    rows: Rows,
    x: &Tensor,
    moments: &[Moments],
    [weight, bias]: [Option<&Tensor>; 2],
    eps: f64,
) -> Result<Tensor> {
    let (data, n) = (x.as_slice::<T>()?, x.size(1)?);
    let row_major = |t: Option<&Tensor>| t.map(Tensor::try_contiguous).transpose();
    let (weight, bias) = (row_major(weight)?, row_major(bias)?);
    let [weight, bias] = [&weight, &bias].map(|t| t.as_ref().map(Tensor::as_slice::<T>));
    let (weight, bias) = (weight.transpose()?, bias.transpose()?);
    // A row of what is not given, where weight and bias are rows.
    let missing = |given: Option<&[T]>, x: f64| {
        let len = if given.is_none() && matches!(rows, Rows::Last(_)) { n } else { 0 };
        memory::vec("normalize", T::lit(x), len)
    };
    let (ones, zeros) = (missing(weight, 1.0)?, missing(bias, 0.0)?);
    Tensor::build(x.shape(), |out| {
        for_rows(
            out,
            n,
            2,
            #[inline(always)]
            |row, out| {
                let [mean, variance] = moments[row];
                let scale = 1.0 / (variance + eps).sqrt();
                let x = &data[row * n..][..n];
                if let Rows::Channels = rows {
                    let w = weight.map_or(scale, |w| w[row].cast::<f64>() * scale);
                    let b = bias.map_or(0.0, |b| b[row].cast::<f64>());
                    for (o, x) in out.iter_mut().zip(x) {
                        *o = T::lit((x.cast::<f64>() - mean) * w + b);
                    }
                } else {
                    let (w, b) = (&weight.unwrap_or(&ones)[..n], &bias.unwrap_or(&zeros)[..n]);
                    for (((o, x), w), b) in out.iter_mut().zip(x).zip(w).zip(b) {
                        *o = T::lit((x.cast::<f64>() - mean) * scale * w.cast::<f64>() + b.cast::<f64>());
                    }
                }
            },
        );
    })
}

/// The gradient of [`scaled`] without weight and bias for the gradient `g`: `(g − mean(g) − y · mean(g · y)) / √(variance + eps)`.
fn slopes<T: Float>(g: &Tensor, x: &Tensor, moments: &[Moments], eps: f64) -> Result<Tensor> {
    let (gs, xs, n) = (g.as_slice::<T>()?, x.as_slice::<T>()?, x.size(1)?);
    Tensor::build(x.shape(), |out| {
        for_rows(
            out,
            n,
            6,
            #[inline(always)]
            |row, out| {
                let (g, x) = (&gs[row * n..][..n], &xs[row * n..][..n]);
                let [mean, variance] = moments[row];
                let scale = 1.0 / (variance + eps).sqrt();
                let unit = |x: f64| (x - mean) * scale;
                let level = sum(g, g, |g, _| g) / n as f64;
                let along = sum(g, x, |g, x| g * unit(x)) / n as f64;
                for ((o, g), x) in out.iter_mut().zip(g).zip(x) {
                    *o = T::lit((g.cast::<f64>() - level - unit(x.cast::<f64>()) * along) * scale);
                }
            },
        );
    })
}

/// Calls `f(row, out)` for each row of `n` elements, in parallel.
fn for_rows<T: Float>(out: &mut [T], n: usize, work: usize, f: impl Fn(usize, &mut [T]) + Sync) {
    if out.is_empty() {
        return;
    }
    let rows = out.len() / n;
    kernels::write_rows::<T, _, _>(
        n,
        out,
        &mut vec![(); rows],
        work,
        #[inline(always)]
        |first, chunk, _| {
            for (i, out) in chunk.chunks_exact_mut(n).enumerate() {
                f(first + i, out);
            }
        },
    );
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
