//! Sums and means.

use crate::array::Array;
use crate::autograd::edge;
use crate::autograd::node::record;
use crate::dtype::dispatch;
use crate::kernel::{fold, reduce};
use crate::shape::{Dims, Mask};
use crate::{DType, Result, Shape, Tensor};

/// A reduction as the kernels see it: a row-major `outer × n × inner` array, reduced over the middle.
pub(crate) struct Plan {
    pub(crate) input: Array,
    pub(crate) n: usize,
    pub(crate) inner: usize,
    /// The result's shape with the reduced dimensions kept at size 1.
    pub(crate) kept: Shape,
    /// The result's shape.
    pub(crate) shape: Shape,
}

impl Plan {
    /// For reducing the dimensions in `mask`; they are moved together first if they are not neighbours.
    pub(crate) fn new(input: &Array, mask: &Mask, keepdim: bool) -> Self {
        let old = *input.shape();
        let reduced: Vec<_> = (0..old.rank()).filter(|&d| mask.0[d]).collect();
        let mut kept = old;
        let mut dropped = Shape::SCALAR;
        for d in 0..old.rank() {
            if mask.0[d] {
                kept = kept.reduced(d, 1);
            } else {
                dropped.push(old[d]);
            }
        }
        let n = reduced.iter().map(|&d| old[d]).product();
        let neighbours = reduced.windows(2).all(|w| w[0] + 1 == w[1]);
        let (input, inner) = if neighbours {
            (input.contiguous(), reduced.last().map_or(1, |&d| old[d + 1..].iter().product()))
        } else {
            let order: Vec<_> = (0..old.rank()).filter(|&d| !mask.0[d]).chain(reduced).collect();
            (input.with_layout(input.layout.permute(&order)).contiguous(), 1)
        };
        Self { input, n, inner, kept, shape: if keepdim { kept } else { dropped } }
    }
}

/// Every dimension.
pub(crate) const ALL: Mask = Mask([true; crate::shape::MAX_RANK]);

fn sum_array(plan: &Plan) -> Array {
    let (n, inner, input) = (plan.n, plan.inner, &plan.input);
    match input.dtype() {
        DType::Bool | DType::I64 => {
            let input = input.to_dtype(DType::I64);
            Array::build(plan.shape, |out: &mut [i64]| {
                if n == 0 || out.is_empty() {
                    return out.fill(0);
                }
                let (data, add) = (input.slice::<i64>().unwrap_or_default(), i64::wrapping_add);
                fold::fold_middle(data, [n, inner], out, 0, add, add, |sum| sum);
            })
        }
        DType::F32 | DType::F64 => {
            dispatch!(float input.dtype(), T => Array::build(plan.shape, |out: &mut [T]| {
                reduce::sum_middle(input.slice::<T>().unwrap_or_default(), n, inner, out);
            }))
        }
    }
}

/// Sums and means.
impl Tensor {
    /// The sum of all elements; integers and booleans add up as `i64`.
    ///
    /// [`torch.sum`](https://docs.pytorch.org/docs/stable/generated/torch.sum.html). Up to 2^15 elements are added in
    /// PyTorch's order; longer `f32` sums accumulate in `f64`, and no sum depends on the number of threads.
    ///
    /// ```
    /// assert_eq!(downhill::Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]).sum().item::<f32>()?, 10.0);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[must_use]
    pub fn sum(&self) -> Tensor {
        self.summed("SumBackward0", &ALL, false)
    }

    /// The sum over some dimensions (none named: all), which disappear unless `keepdim`.
    ///
    /// # Errors
    /// [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for one named twice.
    ///
    /// ```
    /// let x = downhill::Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.sum_dim(0, false)?.to_vec::<f32>()?, [4.0, 6.0]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn sum_dim(&self, dims: impl Into<Dims>, keepdim: bool) -> Result<Tensor> {
        let mask = self.shape().dims("sum", &dims.into())?;
        Ok(self.summed("SumBackward1", &mask, keepdim))
    }

    /// The sum over what `mask` says.
    pub(crate) fn sum_over(&self, mask: &Mask, keepdim: bool) -> Tensor {
        self.summed("SumBackward1", mask, keepdim)
    }

    fn summed(&self, name: &'static str, mask: &Mask, keepdim: bool) -> Tensor {
        let plan = Plan::new(self.value(), mask, keepdim);
        let saved = (plan.kept, *self.shape());
        let back = edge(self, &saved, |g, (kept, shape)| Ok(g.reshape(kept)?.expanded(shape)));
        record(name, sum_array(&plan), [back])
    }

    /// The mean of all elements; NaN if there are none.
    ///
    /// [`torch.mean`](https://docs.pytorch.org/docs/stable/generated/torch.mean.html).
    ///
    /// # Errors
    /// [`Error::DType`] for integers and booleans.
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
    /// [`Error::DType`] for integers and booleans, [`Error::Dim`] for a dimension out of range, [`Error::Argument`] for
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
        let plan = Plan::new(self.value(), mask, keepdim);
        let sum = sum_array(&plan);
        // A true division: the product with 1/n rounds differently in a quarter of the cases.
        let mean = dispatch!(float sum.dtype(), T => sum.map(|x: T| x / <T as crate::Element>::of_f64(plan.n as f64)));
        let saved = (plan.kept, *self.shape(), plan.n);
        let back =
            edge(self, &saved, |g, &(kept, shape, n)| Ok(g.reshape(&kept)?.div(n as f64)?.expanded(&shape)));
        Ok(record(name, mean, [back]))
    }
}
