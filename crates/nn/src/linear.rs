//! The affine map.

use crate::{Forward, Module, Parameter, Result, init};
use downhill_tensor::autograd::edge;
use downhill_tensor::{Error, MAX_RANK, Tensor};

/// An affine map of the last dimension.
///
/// # Formula
/// `y = x · Wᵀ + b`
///
/// # Shape
/// Input `(…, in_features)`, output `(…, out_features)`; `weight` `(out_features, in_features)`, `bias` `(out_features)`.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, Linear};
///
/// downhill::random::manual_seed(0);
/// let fc = Linear::new(2, 3)?;
/// assert_eq!(fc.to_string(), "Linear(in_features=2, out_features=3, bias=True)");
/// assert_eq!(fc.forward(&downhill::zeros([10, 2])?)?.shape(), &[10, 3]);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Linear`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Linear.html), with its initial values: both
/// parameters uniform in `[−1/√in_features, 1/√in_features)`, the weight drawn first.
#[derive(Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct Linear {
    /// The weight `W`, `(out_features, in_features)`.
    pub weight: Parameter,
    /// The bias `b`, `(out_features)`.
    pub bias: Option<Parameter>,
}

impl Linear {
    /// A layer with a bias, drawn from the default generator.
    ///
    /// # Errors
    /// Sizes that are too large.
    pub fn new(in_features: usize, out_features: usize) -> Result<Self> {
        let layer = Self::without_bias(in_features, out_features)?;
        let bias = Parameter::new(init::bias(&layer.weight.shape())?)?;
        Ok(Self { bias: Some(bias), ..layer })
    }

    /// A layer without a bias: `Linear(…, bias=False)`.
    ///
    /// # Errors
    /// Sizes that are too large.
    ///
    /// # Examples
    /// ```
    /// assert!(downhill::nn::Linear::without_bias(2, 3)?.bias.is_none());
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn without_bias(in_features: usize, out_features: usize) -> Result<Self> {
        let weight = init::kaiming_uniform([out_features, in_features], 5.0_f64.sqrt())?;
        Ok(Self { weight: Parameter::new(weight)?, bias: None })
    }

    fn options(&self) -> String {
        let shape = self.weight.shape();
        let size = |d: usize| shape.get(d).map_or(String::new(), usize::to_string);
        let bias = if self.bias.is_some() { "True" } else { "False" };
        format!("in_features={}, out_features={}, bias={bias}", size(1), size(0))
    }
}

impl Forward for Linear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let bias = self.bias.as_ref().map(Parameter::tensor);
        linear(x, &self.weight.tensor(), bias.as_ref())
    }
}

/// `x · Wᵀ + b` of the last dimension; without a row dimension in `weight`, without one in the output.
///
/// # Shape
/// `x` `(…, in)`, `weight` `(out, in)` or `(in)`, `bias` `(out)` or anything that broadcasts to the output `(…, out)`.
///
/// # Errors
/// [`Error::Shape`] for shapes that do not fit, [`Error::DType`] for dtypes that differ.
///
/// # Examples
/// ```
/// use downhill::nn::functional::linear;
/// use downhill::Tensor;
///
/// let (x, w) = (Tensor::from([[1.0_f32, 2.0]]), Tensor::from([[3.0_f32, 4.0], [5.0, 6.0]]));
/// assert_eq!(linear(&x, &w, Some(&Tensor::from([0.5_f32, 0.0])))?, Tensor::from([[11.5_f32, 17.0]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.functional.linear`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html)
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let op = "linear";
    if !(1..=2).contains(&weight.dim()) {
        return Err(Error::shape(op, "a weight of 1 or 2 dimensions", weight.shape()));
    }
    let features = weight.size(-1)?;
    if x.dim() == 0 || x.size(-1)? != features {
        let expected =
            format!("an input whose last size is {features}, for a weight of shape {}", weight.shape());
        return Err(Error::shape(op, expected, x.shape()));
    }
    Error::check_same(op, ("input", x.dtype()), ("weight", weight.dtype()))?;
    bias.map_or(Ok(()), |b| Error::check_same(op, ("input", x.dtype()), ("bias", b.dtype())))?;
    let (lead, outputs) = (&x.shape()[..x.dim() - 1], &weight.shape()[..weight.dim() - 1]);
    let mut shape = [0; MAX_RANK];
    shape[..lead.len()].copy_from_slice(lead);
    shape[lead.len()..][..outputs.len()].copy_from_slice(outputs);
    let shape = &shape[..lead.len() + outputs.len()];
    if let Some(b) = bias {
        let skip = shape.len().checked_sub(b.dim());
        let fits =
            skip.is_some_and(|skip| b.shape().iter().zip(&shape[skip..]).all(|(&b, &y)| b == 1 || b == y));
        if !fits {
            return Err(Error::shape(op, format!("a bias that expands to shape {shape:?}"), b.shape()));
        }
    }
    let rows = lead.iter().product::<usize>();
    match (bias, weight.dim(), x.dim()) {
        (Some(b), 2, 2) => x.linear(weight, b),
        // One product of all rows, if they are rows in memory.
        (Some(b), 2, _) if b.dim() <= 1 && x.is_contiguous() => {
            let y = x.reshape([rows, features])?.linear(weight, b)?;
            shaped("UnsafeViewBackward0", &y, shape)
        }
        (None, 2, 1) => shaped("SqueezeBackward4", &x.unsqueeze(0)?.mm(&weight.t()?)?, shape),
        (Some(b), ..) => x.matmul(&weight.t()?)?.add(b),
        (None, ..) => x.matmul(&weight.t()?),
    }
}

/// The elements of `x` under another shape, as an operation of this name.
fn shaped(name: &'static str, x: &Tensor, shape: &[usize]) -> Result<Tensor> {
    let back = edge(x, x.shape(), |g, shape| g.reshape(shape));
    Ok(Tensor::from_op(name, x.detach().reshape(shape)?, [back]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(x: impl Into<Tensor>) -> Tensor {
        x.into().requires_grad_().unwrap()
    }

    /// The names that torch 2.15 prints, measured.
    #[test]
    fn results_are_named_as_in_pytorch() {
        let (w, b) = (leaf([[1.0_f32, 2.0], [3.0, 4.0], [5.0, 6.0]]), leaf([1.0_f32, 1.0, 1.0]));
        let vector = Tensor::from([1.0_f32, 1.0]);
        let matrix = Tensor::from([[1.0_f32, 1.0]]);
        let cube = Tensor::from([[[1.0_f32, 1.0], [2.0, 0.0]]]);
        let transposed = cube.transpose(1, 2).unwrap();
        for (x, with, without) in [
            (vector, "UnsafeViewBackward0", "SqueezeBackward4"),
            (matrix, "AddmmBackward0", "MmBackward0"),
            (cube, "UnsafeViewBackward0", "UnsafeViewBackward0"),
            (transposed, "AddBackward0", "UnsafeViewBackward0"),
        ] {
            assert_eq!(linear(&x, &w, Some(&b)).unwrap().grad_fn(), Some(with), "{x}");
            assert_eq!(linear(&x, &w, None).unwrap().grad_fn(), Some(without), "{x}");
        }
        let (row, x) = (leaf([1.0_f32, 2.0]), Tensor::from([3.0_f32, 4.0]));
        assert_eq!(linear(&x, &row, None).unwrap().grad_fn(), Some("DotBackward0"));
    }

    #[test]
    fn every_rank_computes_the_same() {
        let (w, b) = (leaf([[1.0_f64, 2.0], [3.0, 4.0], [5.0, 6.0]]), leaf([1.0_f64, 10.0, 100.0]));
        let x = leaf([[1.0_f64, 1.0], [2.0, 0.5]]);
        let want = linear(&x, &w, Some(&b)).unwrap();
        assert_eq!(want, Tensor::from([[4.0_f64, 17.0, 111.0], [4.0, 18.0, 113.0]]));
        let views: [fn(&Tensor) -> Tensor; 3] = [
            |x| x.reshape([1, 2, 1, 2]).unwrap(),
            |x| x.t().unwrap().contiguous().t().unwrap().unsqueeze(1).unwrap(),
            |x| x.unsqueeze(0).unwrap().expand([3, 2, 2]).unwrap(),
        ];
        for view in views {
            let y = linear(&view(&x), &w, Some(&b)).unwrap();
            assert_eq!(y.size(-1).unwrap(), 3);
            let rows = y.reshape([-1, 2, 3]).unwrap();
            assert_eq!(rows.narrow(0, 0, 1).unwrap().squeeze_dim(0).unwrap(), want);
        }
        let f = |t: &[Tensor]| linear(&t[0].reshape([2, 1, 2])?, &t[1], Some(&t[2]));
        downhill_tensor::check::gradcheck(f, &[x, w, b]).unwrap();
    }

    #[test]
    fn misfits_are_refused_with_their_numbers() {
        let (w, x) = (downhill_tensor::zeros([3, 2]).unwrap(), downhill_tensor::zeros([4, 2]).unwrap());
        let text = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| linear(x, w, b).unwrap_err().to_string();
        assert_eq!(
            text(&downhill_tensor::zeros([4, 5]).unwrap(), &w, None),
            "linear: expected an input whose last size is 2, for a weight of shape [3, 2], but got shape [4, 5]",
        );
        assert_eq!(
            text(&x, &w, Some(&downhill_tensor::zeros([2]).unwrap())),
            "linear: expected a bias that expands to shape [4, 3], but got shape [2]",
        );
        assert_eq!(
            text(&x, &downhill_tensor::zeros([1, 3, 2]).unwrap(), None),
            "linear: expected a weight of 1 or 2 dimensions, but got shape [1, 3, 2]",
        );
        assert_eq!(
            text(&x, &w.to_dtype(downhill_tensor::DType::F64), None),
            "linear: the input is float32, but the weight is float64 (a literal without `_f32` is float64; `to_dtype` converts)",
        );
        assert!(linear(&Tensor::from(1.0_f32), &w, None).is_err());
    }
}
