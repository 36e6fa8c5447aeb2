//! Products and running sums.

use crate::array::Array;
use crate::autograd::node::{record, record_output};
use crate::autograd::{GradOptions, edge, grad_with};
use crate::dtype::dispatch;
use crate::error::fallible;
use crate::kernel::{fold, parallel};
use crate::ops::reduce::{ALL, Plan};
use crate::shape::Mask;
use crate::{DType, Element, Error, Result, Tensor, grad_enabled, memory};

/// Integers for booleans.
#[inline]
fn numbers(op: &'static str, x: &Array) -> Result<Array> {
    if x.dtype() == DType::Bool { x.to_dtype(op, DType::I64) } else { Ok(x.clone()) }
}

#[inline]
fn product(plan: &Plan) -> Result<Array> {
    let input = numbers("prod", &plan.input)?;
    dispatch!(input.dtype(), T => Array::build("prod", plan.shape, |out: &mut [T]| {
        let one = T::of_bool(true);
        if plan.n == 0 || out.is_empty() {
            return out.fill(one);
        }
        let data = input.slice::<T>().unwrap_or_default();
        fold::fold_middle(data, [plan.n, plan.inner], out, one, Element::times, Element::times, |x| x);
    }))
}

#[inline]
fn has_zero(x: &Tensor) -> Result<bool> {
    let x = x.value().contiguous("prod")?;
    Ok(dispatch!(float x.dtype(), T => x.slice::<T>().unwrap_or_default().contains(&0.0)))
}

/// An error if there is no memory for two numbers of each column on every thread, the kernels' scratch.
fn check_scratch(op: &'static str, plan: &Plan) -> Result<()> {
    if plan.inner == 1 || plan.input.numel() == 0 {
        return Ok(());
    }
    memory::check::<[f64; 2]>(op, parallel::threads() * plan.inner)
}

/// For every element, the product of all others that are multiplied with it.
#[inline]
fn others(x: &Tensor, mask: &Mask) -> Result<Tensor> {
    let plan = Plan::new("prod", x.value(), mask, true)?;
    check_scratch("prod", &plan)?;
    let value = dispatch!(float x.dtype(), T => Array::build("prod", *x.shape(), |out: &mut [T]| {
        if !out.is_empty() {
            fold::product_of_others(plan.input.slice::<T>().unwrap_or_default(), [plan.n, plan.inner], out);
        }
    }));
    Ok(Tensor::constant(value?))
}

/// The product along `dim` (kept) by halves: any number of zeros differentiates any number of times.
#[inline]
fn by_halves(x: &Tensor, dim: usize) -> Result<Tensor> {
    let dim = dim as isize;
    let (mut x, mut odd) = (x.clone(), None::<Tensor>);
    while x.size(dim)? > 1 {
        let n = x.size(dim)?;
        if n % 2 == 1 {
            let last = x.narrow(dim, n as i64 - 1, 1)?;
            odd = Some(odd.map_or_else(|| Ok(last.clone()), |odd| odd.mul(&last))?);
        }
        x = x.narrow(dim, 0, n / 2)?.mul(&x.narrow(dim, (n / 2) as i64, n / 2)?)?;
    }
    odd.map_or_else(|| Ok(x.clone()), |odd| x.mul(&odd))
}

/// `g` times the product of all others, as a graph that can be differentiated again.
#[inline]
fn differentiable(g: &Tensor, x: &Tensor, dim: Option<usize>) -> Result<Tensor> {
    let x = x.reshape(x.shape())?;
    let y = match dim {
        Some(dim) => by_halves(&x, dim)?,
        None => by_halves(&x.flatten(0, -1)?, 0)?,
    };
    let options = GradOptions { create_graph: true, ..GradOptions::default() };
    let found = grad_with(&[(&y, Some(&g.reshape(y.shape())?))], &[&x], options)?;
    found.into_iter().flatten().next().ok_or(Error::NoGrad { op: "prod" })
}

/// Products.
impl Tensor {
    #[inline]
    fn multiplied(&self, name: &'static str, dim: Option<usize>, keepdim: bool) -> Result<Tensor> {
        let mask = dim.map_or(ALL, Mask::one);
        let plan = Plan::new("prod", self.value(), &mask, keepdim)?;
        let saved = (self.clone(), plan.kept);
        let back = edge(self, &saved, move |g, (x, kept)| {
            let g_kept = g.reshape(kept)?;
            if x.dim() == 0 {
                Ok(g_kept)
            } else if !has_zero(x)? {
                g_kept.mul(&g.output().reshape(kept)?.div(x)?)
            } else if grad_enabled() {
                differentiable(&g_kept, x, dim)
            } else {
                g_kept.mul(&others(x, &mask)?)
            }
        });
        Ok(record_output(name, product(&plan)?, [back]))
    }

    fallible! {
        /// The product of all elements; integers and booleans multiply as `i64`. Its gradient is exact also where
        /// elements are 0.
        ///
        /// [`torch.prod`](https://docs.pytorch.org/docs/stable/generated/torch.prod.html).
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([2.0_f32, 3.0, 4.0]).prod().item::<f32>()?, 24.0);
        /// # Ok::<(), downhill::Error>(())
        /// ```
        prod try_prod |self| self.multiplied("ProdBackward0", None, false);
    }

    /// The products along one dimension, which disappears unless `keepdim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[2.0_f32, 3.0], [4.0, 5.0]]).prod_dim(1, false)?, Tensor::from([6.0_f32, 20.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn prod_dim(&self, dim: isize, keepdim: bool) -> Result<Tensor> {
        let dim = self.shape().dim("prod", dim)?;
        self.multiplied("ProdBackward1", Some(dim), keepdim)
    }

    /// The running sums along one dimension: each element and all before it. Integers and booleans add up as `i64`,
    /// `f32` accumulates in `f64`.
    ///
    /// [`torch.cumsum`](https://docs.pytorch.org/docs/stable/generated/torch.cumsum.html); for its `dtype`, convert first.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1.0_f32, 2.0, 3.0]).cumsum(0)?, Tensor::from([1.0_f32, 3.0, 6.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn cumsum(&self, dim: isize) -> Result<Tensor> {
        let dim = self.shape().dim("cumsum", dim)?;
        running(self, dim, false)
    }
}

/// The running sums from the front or, for the gradient of that, from the back.
#[inline]
fn running(x: &Tensor, dim: usize, backwards: bool) -> Result<Tensor> {
    let op = "cumsum";
    let plan = Plan::new(op, x.value(), &Mask::one(dim), false)?;
    check_scratch(op, &plan)?;
    let (input, extents) = (numbers(op, &plan.input)?, [plan.n, plan.inner]);
    let shape = *x.shape();
    let value = if shape.numel() == 0 {
        input
    } else {
        match input.dtype() {
            DType::Bool => unreachable!("numbers has made them integers"),
            DType::I64 => Array::build(op, shape, |out| {
                let data = input.slice::<i64>().unwrap_or_default();
                fold::scan_middle(data, extents, out, backwards, 0, i64::wrapping_add, |sum| sum);
            })?,
            DType::F32 | DType::F64 => {
                dispatch!(float input.dtype(), T => Array::build(op, shape, |out: &mut [T]| {
                    let (data, add) = (input.slice::<T>().unwrap_or_default(), |sum: f64, x: T| sum + x.cast::<f64>());
                    fold::scan_middle(data, extents, out, backwards, 0.0, add, Element::cast::<T>);
                }))?
            }
        }
    };
    Ok(record("CumsumBackward0", value, [edge(x, &(), move |g, ()| running(g, dim, !backwards))]))
}
