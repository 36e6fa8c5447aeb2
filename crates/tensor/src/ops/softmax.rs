//! Softmax and log-softmax.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::record_output;
use crate::dtype::dispatch;
use crate::kernel::{parallel, softmax};
use crate::ops::reduce::{Plan, sums_of_one};
use crate::shape::Dims;
use crate::{MAX_RANK, Result, Tensor, grad_enabled};

/// Size of a dimension, and the number of elements one step along it skips.
fn extents(x: &Tensor, dim: usize) -> (usize, usize) {
    let shape = x.shape();
    (shape.get(dim).copied().unwrap_or(1), shape.iter().skip(dim + 1).product())
}

/// One of the two kernels on a contiguous input.
macro_rules! forward {
    ($op:expr, $kernel:path, $x:expr, $dim:expr, $scratch:expr) => {{
        let (n, inner) = extents($x, $dim);
        let x = $x.value().contiguous($op)?;
        dispatch!(float x.dtype(), T => Array::build_beside($op, *x.shape(), $scratch(n, inner), |out: &mut [T]| {
            $kernel(x.slice::<T>().unwrap_or_default(), n, inner, out);
        }))?
    }};
}

/// One of the two gradients from the result and its gradient.
macro_rules! backward {
    ($op:expr, $kernel:path, $y:expr, $g:expr, $dim:expr, $scratch:expr) => {{
        let (n, inner) = extents($y, $dim);
        let (y, g) = ($y.value().contiguous($op)?, $g.value().contiguous($op)?);
        Tensor::constant(dispatch!(float y.dtype(), T => Array::build_beside($op, *y.shape(), $scratch(n, inner), |out: &mut [T]| {
            $kernel(y.slice::<T>().unwrap_or_default(), g.slice::<T>().unwrap_or_default(), n, inner, out);
        }))?)
    }};
}

/// How many bytes log-softmax takes of a column whose probability is near 1, and of its gradient.
fn columns(n: usize, inner: usize) -> usize {
    if inner == 1 { 0 } else { parallel::bytes::<[f64; 2]>(n) }
}

/// Softmax takes none.
fn nothing(_: usize, _: usize) -> usize {
    0
}

fn check(op: &'static str, x: &Tensor, dim: isize) -> Result<usize> {
    let dim = x.shape().dim(op, dim)?;
    x.dtype().check_float(op)?;
    Ok(dim)
}

/// The gradient of log-softmax `y` as a graph: `g − p Σ g` with `p = eʸ`, but `(1 − p) g − p Σ g` over the others for the largest entry,
/// where it cancels, and `1 − p` is the sum of the others.
fn log_softmax_graph(g: &Tensor, y: &Tensor, dim: usize) -> Result<Tensor> {
    let p = y.try_exp()?;
    let plain = g.sub(&p.mul(&g.sum_dim(dim, true)?)?)?;
    if y.dim() == 0 || y.numel() == 0 {
        return Ok(plain);
    }
    let mut along = [1; MAX_RANK];
    along[dim] = y.shape()[dim];
    let places = crate::arange(0, along[dim] as i64, 1)?.reshape(&along[..y.dim()])?;
    let top = places.eq(&y.detach().argmax(dim as isize, true)?)?;
    let others = |x: &Tensor| x.masked_fill(&top, 0)?.sum_dim(dim, true);
    Tensor::where_(&top, &g.mul(&others(&p)?)?.sub(&p.mul(&others(g)?)?)?, &plain)
}

/// Softmax and log-softmax.
impl Tensor {
    /// `exp(x) / Σ exp(x)` over one dimension: positive numbers that sum to 1.
    ///
    /// The maximum is subtracted first, so no `x` is too large. A row that is -∞ throughout, or holds NaN or +∞, is NaN.
    ///
    /// [`torch.softmax`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.softmax.html); for its
    /// `dtype`, convert first.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Dim`](crate::Error::Dim) for a dimension out of range.
    ///
    /// ```
    /// let x = downhill::Tensor::from([[0.0_f32, 0.0], [0.0, f32::NEG_INFINITY]]);
    /// assert_eq!(x.softmax(1)?.to_vec::<f32>()?, [0.5, 0.5, 1.0, 0.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn softmax(&self, dim: isize) -> Result<Tensor> {
        let dim = check("softmax", self, dim)?;
        let value = forward!("softmax", softmax::softmax, self, dim, nothing);
        let back = edge(self, &dim, |g, &dim| {
            let y = g.output();
            if grad_enabled() {
                return g.sub(&g.mul(&y)?.sum_dim(dim, true)?)?.mul(&y);
            }
            Ok(backward!("softmax", softmax::softmax_grad, &y, g, dim, nothing))
        });
        Ok(record_output("SoftmaxBackward0", value, [back]))
    }

    /// `ln softmax(x)` over one dimension, computed as `(x − max) − ln Σ exp(x − max)`: exact where the probability
    /// is too small for [`softmax`](Self::softmax).
    ///
    /// [`torch.log_softmax`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.log_softmax.html); for
    /// its `dtype`, convert first.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Dim`](crate::Error::Dim) for a dimension out of range.
    ///
    /// ```
    /// let x = downhill::Tensor::from([0.0_f64, -1000.0]);
    /// assert_eq!(x.log_softmax(0)?.to_vec::<f64>()?, [0.0, -1000.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn log_softmax(&self, dim: isize) -> Result<Tensor> {
        let dim = check("log_softmax", self, dim)?;
        let value = forward!("log_softmax", softmax::log_softmax, self, dim, columns);
        let back = edge(self, &dim, |g, &dim| {
            let y = g.output();
            if grad_enabled() {
                return log_softmax_graph(g, &y, dim);
            }
            Ok(backward!("log_softmax", softmax::log_softmax_grad, &y, g, dim, columns))
        });
        Ok(record_output("LogSoftmaxBackward0", value, [back]))
    }

    /// `ln Σ exp(x)` over some dimensions (none named: all), which disappear unless `keepdim`. Integers and booleans are
    /// first converted to `f32`.
    ///
    /// The maximum is subtracted first, so no `x` is too large; the gradient is [`softmax`](Self::softmax), but NaN where
    /// the result is infinite.
    ///
    /// [`torch.logsumexp`](https://docs.pytorch.org/docs/stable/generated/torch.logsumexp.html).
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension out of range, [`Error::Argument`](crate::Error::Argument) for one named twice.
    ///
    /// ```
    /// let x = downhill::Tensor::from([1000.0_f64, 1000.0]);
    /// assert_eq!(x.logsumexp(0, false)?.item::<f64>()?, 1000.0 + 2_f64.ln());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn logsumexp(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        self.log_sum_exp(&dims.into(), keepdim)
    }

    /// Apart from [`logsumexp`](Self::logsumexp), whose argument has many types: compiled once.
    fn log_sum_exp(&self, dims: &Dims, keepdim: bool) -> Result<Tensor> {
        let op = "logsumexp";
        let mask = self.shape().dims(op, dims)?;
        let x = self.try_to_dtype(self.dtype().to_float())?;
        let plan = Plan::in_any_order(op, x.value(), &mask, keepdim)?;
        let value = match plan.alone() {
            Some(alone) => sums_of_one(op, &alone)?,
            None => dispatch!(float x.dtype(), T => Array::build(op, plan.shape, |out: &mut [T]| {
                softmax::log_sum_exp(plan.input.slice::<T>().unwrap_or_default(), plan.n, plan.inner, out);
            }))?,
        };
        let back = edge(self, &(self.clone(), plan.kept), |g, (x, kept)| {
            g.reshape(kept)?.mul(&x.sub(&g.output().reshape(kept)?)?.try_exp()?)
        });
        Ok(record_output("LogsumexpBackward0", plan.finish(op, value)?, [back]))
    }
}
