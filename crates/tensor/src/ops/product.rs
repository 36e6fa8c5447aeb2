//! Products, running sums and running products.

use crate::array::Array;
use crate::autograd::node::{record, record_output};
use crate::autograd::{GradOptions, edge, grad_with};
use crate::dtype::dispatch;
use crate::error::fallible;
use crate::kernel::simd::inlined;
use crate::kernel::{fold, parallel};
use crate::ops::reduce::{ALL, Plan, sums_of_one};
use crate::shape::Mask;
use crate::{DType, Element, Error, Result, Tensor, enable_grad, grad_enabled};

/// Integers for booleans.
#[inline]
fn numbers(op: &'static str, x: &Array) -> Result<Array> {
    if x.dtype() == DType::Bool { x.to_dtype(op, DType::I64) } else { Ok(x.clone()) }
}

#[inline]
fn product(plan: &Plan) -> Result<Array> {
    let input = numbers("prod", &plan.input)?;
    if let Some(alone) = plan.with(input.clone()).alone() {
        return Ok(alone);
    }
    dispatch!(input.dtype(), T => Array::build_beside("prod", plan.shape, plan.folds(), |out: &mut [T]| {
        let one = T::of_bool(true);
        if plan.n == 0 || out.is_empty() {
            return out.fill(one);
        }
        let data = input.slice::<T>().unwrap_or_default();
        fold::fold_middle(data, [plan.n, plan.inner], out, one, Element::times, Element::times, |x| x);
    }))
}

#[inline]
pub(crate) fn has_zero(x: &Tensor) -> Result<bool> {
    let x = x.value().contiguous("prod")?;
    Ok(dispatch!(float x.dtype(), T => x.slice::<T>().unwrap_or_default().contains(&0.0)))
}

/// For every element, the product of all others that are multiplied with it.
#[inline]
fn others(x: &Tensor, mask: &Mask) -> Result<Tensor> {
    let plan = Plan::new("prod", x.value(), mask, true)?;
    // Two numbers of each column.
    let scratch = parallel::bytes::<[f64; 2]>(plan.inner);
    let value = dispatch!(float x.dtype(), T => Array::build_beside("prod", *x.shape(), scratch, |out: &mut [T]| {
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
        let plan = Plan::in_any_order("prod", self.value(), &mask, keepdim)?;
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
        Ok(record_output(name, plan.finish("prod", product(&plan)?)?, [back]))
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

    /// The running products along one dimension: each element times all before it. Integers and booleans multiply as `i64`, `f32`
    /// in `f64`, rounded for each element. The gradient is exact also where elements are 0.
    ///
    /// [`torch.cumprod`](https://docs.pytorch.org/docs/stable/generated/torch.cumprod.html); for its `dtype`, convert first.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([2.0_f32, 3.0, 4.0]).cumprod(0)?, Tensor::from([2.0_f32, 6.0, 24.0]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn cumprod(&self, dim: isize) -> Result<Tensor> {
        let dim = self.shape().dim("cumprod", dim)?;
        let back = edge(self, self, move |g, x| products_back(g, x, &g.output(), dim));
        Ok(record_output("CumprodBackward0", scanned("cumprod", self, dim, false, true)?, [back]))
    }
}

/// The running sums, or products, from the front or from the back.
#[inline]
fn scanned(op: &'static str, x: &Tensor, dim: usize, backwards: bool, product: bool) -> Result<Array> {
    let plan = Plan::new(op, x.value(), &Mask::one(dim), false)?;
    let (input, extents) = (numbers(op, &plan.input)?, [plan.n, plan.inner]);
    let shape = *x.shape();
    if shape.numel() == 0 || plan.n == 1 && (product || input.dtype() == DType::I64) {
        return Ok(input);
    }
    if plan.n == 1 {
        return sums_of_one(op, &input);
    }
    match input.dtype() {
        DType::Bool => unreachable!("numbers has made them integers"),
        DType::I64 => Array::build(op, shape, |out| {
            let data = input.slice::<i64>().unwrap_or_default();
            let join = if product { i64::wrapping_mul } else { i64::wrapping_add };
            fold::scan_middle(data, extents, out, backwards, i64::from(product), join, |sum| sum);
        }),
        DType::F32 | DType::F64 => {
            dispatch!(float input.dtype(), T => Array::build(op, shape, |out: &mut [T]| {
                let data = input.slice::<T>().unwrap_or_default();
                if product {
                    fold::scan_middle(data, extents, out, backwards, 1.0, inlined!(|acc: f64, x: T| acc * x.cast::<f64>()), T::of_f64);
                } else {
                    fold::scan_middle(data, extents, out, backwards, 0.0, inlined!(|sum: f64, x: T| sum + x.cast::<f64>()), T::of_f64);
                }
            }))
        }
    }
}

/// The running sums from the front or, for the gradient of that, from the back.
#[inline]
fn running(x: &Tensor, dim: usize, backwards: bool) -> Result<Tensor> {
    let value = scanned("cumsum", x, dim, backwards, false)?;
    Ok(record("CumsumBackward0", value, [edge(x, &(), move |g, ()| running(g, dim, !backwards))]))
}

/// The running products in tensor operations: of runs that double, so that zeros need no division.
#[inline]
fn by_doubling(x: &Tensor, dim: usize) -> Result<Tensor> {
    let (mut y, d, mut done) = (x.clone(), dim as isize, 1);
    while x.dim() > 0 && done < x.shape()[dim] {
        let (rest, at) = (x.shape()[dim] - done, done as i64);
        let tail = y.narrow(d, at, rest)?.mul(&y.narrow(d, 0, rest)?)?;
        y = Tensor::cat(&[&y.narrow(d, 0, done)?, &tail], d)?;
        done *= 2;
    }
    Ok(y)
}

/// The gradient of the running products `y` of `x`.
#[inline]
fn products_back(g: &Tensor, x: &Tensor, y: &Tensor, dim: usize) -> Result<Tensor> {
    if !has_zero(x)? {
        return running(&g.mul(y)?, dim, true)?.div(x);
    }
    let create_graph = grad_enabled();
    let x = if create_graph { x.reshape(x.shape())? } else { x.requires_grad_()? };
    let y = enable_grad(|| by_doubling(&x, dim))?;
    let options = GradOptions { create_graph, ..GradOptions::default() };
    let found = grad_with(&[(&y, Some(g))], &[&x], options)?;
    found.into_iter().flatten().next().ok_or(Error::NoGrad { op: "cumprod" })
}
