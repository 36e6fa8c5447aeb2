//! Sums and means.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::record;
use crate::dtype::dispatch;
use crate::error::fallible;
use crate::kernel::{fold, reduce};
use crate::layout::Layout;
use crate::shape::{Dims, MAX_RANK, Mask};
use crate::{DType, Element, Result, Shape, Tensor};

/// A reduction as the kernels see it: a row-major `outer × n × inner` array, reduced over the middle.
pub(crate) struct Plan {
    pub(crate) input: Array,
    pub(crate) n: usize,
    pub(crate) inner: usize,
    /// The shape of what the kernels make of the input.
    pub(crate) shape: Shape,
    /// How often each element of the input stands for itself in what is reduced.
    times: usize,
    /// The result's shape, and that with the reduced dimensions kept at size 1.
    result: Shape,
    pub(crate) kept: Shape,
    /// The dimensions as the kernels see them, if not in their order.
    order: Option<Vec<usize>>,
}

impl Plan {
    /// For reducing the dimensions in `mask`; they are moved together first if they are not neighbours.
    pub(crate) fn new(op: &'static str, input: &Array, mask: &Mask, keepdim: bool) -> Result<Self> {
        let old = *input.shape();
        let [kept, shape] = shapes(&old, mask, keepdim);
        let n = (0..old.rank()).filter(|&d| mask.0[d]).map(|d| old[d]).product();
        let (input, inner) = if is_one_run(mask, &ROW_MAJOR[..old.rank()]) {
            let last = (0..old.rank()).rfind(|&d| mask.0[d]);
            (input.contiguous(op)?, last.map_or(1, |d| old[d + 1..].iter().product()))
        } else {
            (input.with_layout(input.layout.permute(&reduced_last(&old, mask))).contiguous(op)?, 1)
        };
        Ok(Self { input, n, inner, shape, times: 1, result: shape, kept, order: None })
    }

    /// A [`new`](Self::new) plan that reduces in the order in which the elements lie in memory, if it can (a transposed matrix is not
    /// copied, which takes eight times as long as its sums), and reads what a view repeats once where it is not reduced. What the
    /// kernels make of it is [`finish`](Self::finish)ed.
    pub(crate) fn in_any_order(op: &'static str, input: &Array, mask: &Mask, keepdim: bool) -> Result<Self> {
        let row_major = &ROW_MAJOR[..input.shape().rank()];
        if input.layout.is_contiguous() && is_one_run(mask, row_major) {
            return Self::new(op, input, mask, keepdim);
        }
        let [kept, result] = shapes(input.shape(), mask, keepdim);
        let input = &input.with_layout(input.layout.cut(|d| !mask.0[d] && input.layout.strides()[d] == 0));
        let order = match input.layout.order().filter(|order| is_one_run(mask, order)) {
            Some(order) => order,
            None if is_one_run(mask, row_major) => {
                return Ok(Self { result, kept, ..Self::new(op, input, mask, keepdim)? });
            }
            None => reduced_last(input.shape(), mask),
        };
        let mut moved = Mask([false; MAX_RANK]);
        order.iter().zip(&mut moved.0).for_each(|(&d, moved)| *moved = mask.0[d]);
        let plan = Self::new(op, &input.with_layout(input.layout.permute(&order)), &moved, true)?;
        Ok(Self { result, kept, order: Some(order), ..plan })
    }

    /// A plan [`in_any_order`](Self::in_any_order) that reads all that a view repeats once: a copy of all of it may be larger than memory.
    pub(crate) fn once(op: &'static str, input: &Array, mask: &Mask, keepdim: bool) -> Result<Self> {
        let (shape, repeats) = (input.shape(), |d: usize| mask.0[d] && input.layout.strides()[d] == 0);
        let times = (0..shape.rank()).filter(|&d| repeats(d)).map(|d| shape[d].max(1)).product();
        let plan = Self::in_any_order(op, &input.with_layout(input.layout.cut(repeats)), mask, keepdim)?;
        Ok(Self { times, ..plan })
    }

    /// How many bytes the kernels of folds take.
    pub(crate) fn folds(&self) -> usize {
        fold::scratch([self.n, self.inner], self.shape.numel())
    }

    /// This plan for other elements of the same layout.
    pub(crate) fn with(&self, input: Array) -> Self {
        Self { input, order: self.order.clone(), ..*self }
    }

    /// The input as what the kernels would make of it, if they reduce one element each: it is its own product and extreme.
    pub(crate) fn alone(&self) -> Option<Array> {
        let layout = if self.n == 1 { self.input.layout.view(&self.shape) } else { None };
        layout.map(|layout| self.input.with_layout(layout))
    }

    /// An array with the reduced dimensions kept, as the kernels see it.
    pub(crate) fn ordered(&self, op: &'static str, kept: &Array) -> Result<Array> {
        let layout = self.order.as_ref().map_or(kept.layout, |order| kept.layout.permute(order));
        kept.with_layout(layout).contiguous(op)
    }

    /// An array that lies as the input does for the kernels, as all others see it.
    pub(crate) fn unordered(&self, value: Array) -> Array {
        let layout = self.order.as_ref().map_or(value.layout, |order| value.layout.unpermute(order));
        Array { layout, ..value }
    }

    /// The result in its shape: repeated as the input was along the dimensions that are not reduced.
    pub(crate) fn finish(&self, op: &'static str, mut value: Array) -> Result<Array> {
        if self.order.is_some() {
            value = self.unordered(value).expand(&self.kept).contiguous(op)?;
            value.layout = Layout::contiguous(self.result);
        } else if *value.shape() != self.result {
            value = value.expand(&self.result).contiguous(op)?;
        }
        Ok(value)
    }
}

/// Dimensions in the order of their numbers.
const ROW_MAJOR: [usize; MAX_RANK] = [0, 1, 2, 3, 4, 5, 6, 7];

/// The dimensions that are not in `mask`, then those that are.
fn reduced_last(shape: &Shape, mask: &Mask) -> Vec<usize> {
    let mut order = ROW_MAJOR[..shape.rank()].to_vec();
    order.sort_by_key(|&d| mask.0[d]);
    order
}

/// Whether the dimensions in `mask` are neighbours in this order.
fn is_one_run(mask: &Mask, order: &[usize]) -> bool {
    let first = order.iter().position(|&d| mask.0[d]).unwrap_or(0);
    let end = order.iter().rposition(|&d| mask.0[d]).map_or(first, |last| last + 1);
    order[first..end].iter().all(|&d| mask.0[d])
}

/// A shape with the dimensions in `mask` kept at size 1, and the result's.
fn shapes(old: &Shape, mask: &Mask, keepdim: bool) -> [Shape; 2] {
    let (mut kept, mut dropped) = (Shape::SCALAR, Shape::SCALAR);
    for (d, &size) in old.iter().enumerate() {
        kept.push(if mask.0[d] { 1 } else { size });
        if !mask.0[d] {
            dropped.push(size);
        }
    }
    [kept, if keepdim { kept } else { dropped }]
}

/// Every dimension.
pub(crate) const ALL: Mask = Mask([true; crate::shape::MAX_RANK]);

/// The sum over what `mask` says, and its shape if that is kept. Of a long view, what it repeats is added up once, in `f64`, and
/// multiplied.
fn sum_array(op: &'static str, input: &Array, mask: &Mask, keepdim: bool) -> Result<(Array, Shape)> {
    let plan = if input.numel() > reduce::EXACT {
        Plan::once(op, input, mask, keepdim)?
    } else if input.layout.repeats() {
        Plan::new(op, input, mask, keepdim)?
    } else {
        Plan::in_any_order(op, input, mask, keepdim)?
    };
    let times = plan.times;
    let sum = match plan.input.dtype() {
        _ if times == 1 => sums(op, &plan)?,
        DType::Bool | DType::I64 => sums(op, &plan)?.map(op, |x: i64| x.wrapping_mul(times as i64))?,
        dtype => {
            let sum = sums(op, &plan.with(plan.input.to_dtype(op, DType::F64)?))?;
            dispatch!(float dtype, T => sum.map(op, |x: f64| <T as Element>::of_f64(x * times as f64)))?
        }
    };
    Ok((plan.finish(op, sum)?, plan.kept))
}

/// The sums over the middle.
fn sums(op: &'static str, plan: &Plan) -> Result<Array> {
    let (n, inner, input) = (plan.n, plan.inner, &plan.input);
    let outer = input.numel().checked_div(n * inner).unwrap_or(0);
    match input.dtype() {
        DType::Bool | DType::I64 => {
            let input = input.to_dtype(op, DType::I64)?;
            if let Some(alone) = plan.with(input.clone()).alone() {
                return Ok(alone);
            }
            Array::build_beside(op, plan.shape, plan.folds(), |out: &mut [i64]| {
                if n == 0 || out.is_empty() {
                    return out.fill(0);
                }
                let (data, add) = (input.slice::<i64>().unwrap_or_default(), i64::wrapping_add);
                fold::fold_middle(data, [n, inner], out, 0, add, add, |sum| sum);
            })
        }
        DType::F32 | DType::F64 => {
            if let Some(alone) = plan.alone() {
                return sums_of_one(op, &alone);
            }
            let scratch = reduce::scratch(n, inner, outer);
            dispatch!(float input.dtype(), T => Array::build_beside(op, plan.shape, scratch, |out: &mut [T]| {
                reduce::sum_middle(input.slice::<T>().unwrap_or_default(), n, inner, out);
            }))
        }
    }
}

/// Sums of one number each: the number, but 0 for −0.
pub(crate) fn sums_of_one(op: &'static str, x: &Array) -> Result<Array> {
    dispatch!(float x.dtype(), T => x.map(op, |x: T| <T as Element>::of_bool(false) + x))
}

/// Sums and means.
impl Tensor {
    fallible! {
        /// The sum of all elements; integers and booleans add up as `i64`.
        ///
        /// [`torch.sum`](https://docs.pytorch.org/docs/stable/generated/torch.sum.html). Up to 2^15 elements are added in
        /// PyTorch's order; longer `f32` sums accumulate in `f64`, and no sum depends on the number of threads. What a longer view
        /// repeats ([`expand`](Self::expand)) is added up once, and multiplied.
        ///
        /// ```
        /// assert_eq!(downhill::Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]).sum().item::<f32>()?, 10.0);
        /// # Ok::<(), downhill::Error>(())
        /// ```
        sum try_sum |self| self.summed("SumBackward0", &ALL, false);
    }

    /// The sum over some dimensions (none named: all), which disappear unless `keepdim`.
    ///
    /// # Errors
    /// [`Error::Dim`](crate::Error::Dim) for a dimension out of range, [`Error::Argument`](crate::Error::Argument) for one named twice, [`Error::Memory`](crate::Error::Memory).
    ///
    /// ```
    /// let x = downhill::Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_dim(0, false)?.to_vec::<f32>()?, [4.0, 6.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn sum_dim(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        let mask = self.shape().dims("sum", &dims.into())?;
        self.summed("SumBackward1", &mask, keepdim)
    }

    /// The sum over what `mask` says.
    pub(crate) fn sum_over(&self, mask: &Mask, keepdim: bool) -> Result<Tensor> {
        self.summed("SumBackward1", mask, keepdim)
    }

    fn summed(&self, name: &'static str, mask: &Mask, keepdim: bool) -> Result<Tensor> {
        let (sum, kept) = sum_array("sum", self.value(), mask, keepdim)?;
        let back =
            edge(self, &(kept, *self.shape()), |g, (kept, shape)| Ok(g.reshape(kept)?.expanded(shape)));
        Ok(record(name, sum, [back]))
    }

    /// The mean of all elements; NaN if there are none.
    ///
    /// [`torch.mean`](https://docs.pytorch.org/docs/stable/generated/torch.mean.html).
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Memory`](crate::Error::Memory).
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([1.0_f32, 2.0]).mean()?.item::<f32>()?, 1.5);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn mean(&self) -> Result<Tensor> {
        self.averaged("MeanBackward0", &ALL, false)
    }

    /// The mean over some dimensions (none named: all), which disappear unless `keepdim`.
    ///
    /// # Errors
    /// [`Error::DType`](crate::Error::DType) for integers and booleans, [`Error::Dim`](crate::Error::Dim) for a dimension out of range, [`Error::Argument`](crate::Error::Argument) for
    /// one named twice.
    ///
    /// ```
    /// let x = downhill::Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.mean_dim(1, false)?.to_vec::<f32>()?, [1.5, 3.5]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn mean_dim(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        let mask = self.shape().dims("mean", &dims.into())?;
        self.averaged("MeanBackward1", &mask, keepdim)
    }

    fn averaged(&self, name: &'static str, mask: &Mask, keepdim: bool) -> Result<Tensor> {
        self.dtype().check_float("mean")?;
        let (sum, kept) = sum_array("mean", self.value(), mask, keepdim)?;
        let n: usize = (0..self.dim()).filter(|&d| mask.0[d]).map(|d| self.shape()[d]).product();
        // A true division: the product with 1/n rounds differently in a quarter of the cases.
        let mean = match n {
            1 => sum,
            _ => {
                dispatch!(float sum.dtype(), T => sum.map("mean", |x: T| x / <T as Element>::of_f64(n as f64)))?
            }
        };
        let saved = (kept, *self.shape(), n);
        let back =
            edge(self, &saved, |g, &(kept, shape, n)| Ok(g.reshape(&kept)?.div(n as f64)?.expanded(&shape)));
        Ok(record(name, mean, [back]))
    }
}
