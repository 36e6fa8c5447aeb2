//! Two differentiable operations of your own: one from tensor operations, one with loops.
use downhill::autograd::{edge, fused};
use downhill::{DType, Error, Float, Result, Tensor, check, kernels};

/// 1 where `x` is positive, 0 elsewhere, with the gradient of a sigmoid: a neuron that fires or does not, and can still
/// be trained. The value and the derivative need not agree, so this is the way to write what no derivative describes.
fn spike(x: &Tensor) -> Result<Tensor> {
    let fires = x.gt(0)?.to_dtype(x.dtype());
    let back = edge(x, x, |g, x| {
        let s = x.sigmoid();
        g.mul(&(&s * (1.0 - &s)))
    });
    Ok(Tensor::from_op("SpikeBackward", fires, [back]))
}

/// Every row divided by its length, √Σx²: one pass over memory forward, one backward.
fn unit_rows(x: &Tensor) -> Result<Tensor> {
    let [_, width] = **x.shape() else { return Err(Error::shape("unit_rows", "a matrix", x.shape())) };
    let rows = move |x: &Tensor, g: Option<&Tensor>| match x.dtype() {
        DType::F64 => kernel::<f64>(x, g, width.max(1)),
        _ => kernel::<f32>(x, g, width.max(1)),
    };
    let x = x.contiguous();
    let backward = move |_: usize, g: &Tensor, [x]: [&Tensor; 1]| rows(x, Some(&g.contiguous()));
    Ok(fused("UnitRowsBackward", [&x], rows(&x, None)?, backward, |[x]| definition(x)))
}

/// The same in tensor operations.
fn definition(x: &Tensor) -> Result<Tensor> {
    x.div(&x.square().sum_dim(1, true)?.sqrt())
}

/// The rows `y = x / |x|`, or, given the gradient `g` of `y`, that of `x`: `(g − y (g · y)) / |x|`.
fn kernel<T: Float>(input: &Tensor, g: Option<&Tensor>, width: usize) -> Result<Tensor> {
    let (x, g) = (input.as_slice::<T>()?, g.map(Tensor::as_slice::<T>).transpose()?);
    Tensor::build(input.shape(), |out| {
        kernels::for_chunks(out, width, 2, |start, out| {
            let x = &x[start..][..width];
            let length = kernels::sum([x], width, |[x]| x * x).sqrt();
            match g.map(|g| &g[start..][..width]) {
                None => out.iter_mut().zip(x).for_each(|(o, &x)| *o = x / length),
                Some(g) => {
                    let along = kernels::sum([g, x], width, |[g, x]| g * x) / (length * length);
                    for ((o, &x), &g) in out.iter_mut().zip(x).zip(g) {
                        *o = (g - x * along) / length;
                    }
                }
            }
        });
    })
}

fn main() -> Result<()> {
    let x = Tensor::from([-2.0_f32, -0.1, 0.1, 2.0]).requires_grad_()?;
    let y = spike(&x)?;
    y.sum().backward()?;
    println!("spike:    {y}");
    println!("gradient: {}", x.grad().ok_or(Error::NoGrad { op: "spike" })?);

    let x = Tensor::from([[3.0_f64, 4.0], [-5.0, 12.0]]).requires_grad_()?;
    println!("unit rows:\n{}", unit_rows(&x)?);
    check::fused(|x| unit_rows(&x[0]), |x| definition(&x[0]), &[x], 1e-12)?;
    println!("its kernels agree with its definition, and its first two derivatives with differences");
    Ok(())
}
