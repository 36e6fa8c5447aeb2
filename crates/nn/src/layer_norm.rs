//! Each sample brought to mean 0 and variance 1.

use crate::norm::{self, Rows};
use crate::{Error, Forward, Module, Parameter, Result, text};
use downhill_tensor::{IntoShape, Shape, Tensor};

/// Normalises the last dimensions of each sample, then scales and shifts each element by learned parameters.
///
/// # Formula
/// `y = (x − mean) / √(variance + eps) · weight + bias`, mean and variance over the elements of `normalized_shape`, the
/// variance without correction.
///
/// # Shape
/// Input and output `(…, *normalized_shape)`; `weight` and `bias` have `normalized_shape`.
///
/// # Stability
/// Mean and variance are computed in two passes and in `f64`: nothing cancels, however far the mean is from 0.
///
/// # Errors
/// [`Error::Shape`] for an input that does not end in `normalized_shape`, [`Error::DType`] for dtypes that differ and for integers.
///
/// # Examples
/// ```
/// use downhill::nn::{Forward, LayerNorm};
/// use downhill::Tensor;
///
/// let norm = LayerNorm { eps: 0.0, ..LayerNorm::new(2)? };
/// assert_eq!(norm.forward(&Tensor::from([[1.0_f32, 3.0], [50.0, 40.0]]))?, Tensor::from([[-1.0_f32, 1.0], [1.0, -1.0]]));
///
/// let plain = LayerNorm { weight: None, bias: None, ..LayerNorm::new([3, 4])? };
/// assert_eq!(plain.to_string(), "LayerNorm((3, 4), eps=1e-05, elementwise_affine=False, bias=False)");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.LayerNorm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.LayerNorm.html)
#[derive(Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct LayerNorm {
    /// The dimensions that are normalised together.
    pub normalized_shape: Shape,
    /// Added to the variance, so that equal elements are not divided by 0.
    pub eps: f64,
    /// The scales, 1 at first; `None` is `elementwise_affine=False`.
    pub weight: Option<Parameter>,
    /// The shifts, 0 at first.
    pub bias: Option<Parameter>,
}

impl LayerNorm {
    /// A layer with weight and bias, and an `eps` of 1e-5.
    ///
    /// # Errors
    /// [`Error::Shape`] for a shape without dimensions, or one that is too large.
    #[inline]
    pub fn new(normalized_shape: impl IntoShape) -> Result<Self> {
        let shape = normalized_shape.into_shape("layer_norm")?;
        check_shape(&shape)?;
        let weight = Some(Parameter::new(downhill_tensor::ones(shape)?)?);
        let bias = Some(Parameter::new(downhill_tensor::zeros(shape)?)?);
        Ok(Self { normalized_shape: shape, eps: 1e-5, weight, bias })
    }

    #[inline]
    fn options(&self) -> String {
        let sizes: Vec<_> = self.normalized_shape.iter().map(usize::to_string).collect();
        let shape = if let [one] = &sizes[..] { format!("{one},") } else { sizes.join(", ") };
        let [affine, bias] = [text::bool(self.weight.is_some()), text::bool(self.bias.is_some())];
        format!("({shape}), eps={}, elementwise_affine={affine}, bias={bias}", text::float(self.eps))
    }
}

impl Forward for LayerNorm {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let [weight, bias] = [&self.weight, &self.bias].map(|p| p.as_ref().map(Parameter::tensor));
        layer_norm(x, self.normalized_shape, weight.as_ref(), bias.as_ref(), self.eps)
    }
}

#[inline]
fn check_shape(shape: &Shape) -> Result<()> {
    match shape.rank() {
        0 => Err(Error::shape("layer_norm", "a normalized_shape of at least one dimension", shape)),
        _ => Ok(()),
    }
}

/// [`LayerNorm`] with these parameters.
///
/// # Errors
/// What the layer refuses.
///
/// # Examples
/// ```
/// use downhill::Tensor;
/// let x = Tensor::from([[1.0_f64, 3.0]]);
/// assert_eq!(downhill::nn::functional::layer_norm(&x, 2, None, None, 0.0)?, Tensor::from([[-1.0_f64, 1.0]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.functional.layer_norm`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.layer_norm.html)
#[inline]
pub fn layer_norm(
    x: &Tensor,
    normalized_shape: impl IntoShape,
    weight: Option<&Tensor>,
    bias: Option<&Tensor>,
    eps: f64,
) -> Result<Tensor> {
    let op = "layer_norm";
    let shape = normalized_shape.into_shape(op)?;
    check_shape(&shape)?;
    norm::check(op, x, &shape, [("weight", weight), ("bias", bias)])?;
    if !x.shape().ends_with(&shape) {
        return Err(Error::shape(op, format!("an input whose last sizes are {shape}"), x.shape()));
    }
    let n = shape.numel();
    let row =
        |t: Option<&Tensor>| t.map(|t| if t.dim() == 1 { Ok(t.clone()) } else { t.reshape([n]) }).transpose();
    let [weight, bias] = [row(weight)?, row(bias)?];
    let parameters = [weight.as_ref(), bias.as_ref()];
    Ok(norm::normalize("NativeLayerNormBackward0", Rows::Last(n), x, parameters, eps)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check;

    #[test]
    fn the_kernel_equals_its_definition_to_the_second_derivative() {
        let x: Vec<f64> = (0..24).map(|i| f64::from(i * i % 17) * 0.3 - 1.0).collect();
        let x = Tensor::from_vec(x, [2, 3, 2, 2]).unwrap().requires_grad_().unwrap();
        let w = Tensor::from([[0.5_f64, -1.0], [2.0, 0.3]]).requires_grad_().unwrap();
        let b = Tensor::from([[0.1_f64, -0.2], [0.0, 3.0]]).requires_grad_().unwrap();
        let definition = |t: &[Tensor], weight: bool, bias: bool| {
            let d = t[0].sub(&t[0].mean_dim([2, 3], true)?)?;
            let y = d.div(&d.square().mean_dim([2, 3], true)?.add(1e-2)?.sqrt())?;
            norm::affine(&y, [weight, bias], [&t[1], &t[2]])
        };
        for (weight, bias) in [(true, true), (true, false), (false, true), (false, false)] {
            let ours =
                |t: &[Tensor]| layer_norm(&t[0], [2, 2], weight.then(|| &t[1]), bias.then(|| &t[2]), 1e-2);
            check::fused(ours, |t| definition(t, weight, bias), &[x.clone(), w.clone(), b.clone()], 1e-12)
                .unwrap();
        }
        let transposed =
            |t: &[Tensor]| layer_norm(&t[0].transpose(0, 3)?, [3, 2, 2][1..].to_vec(), None, None, 1e-2);
        check::gradcheck(transposed, &[x]).unwrap();
    }

    #[test]
    fn a_far_mean_costs_no_digits() {
        let x: Vec<f32> = (0..1000).map(|i| 1e6 + f32::from(i as u8 % 4)).collect();
        let y = layer_norm(&Tensor::from(x.clone()), 1000, None, None, 0.0).unwrap().to_vec::<f32>().unwrap();
        for (x, y) in x.into_iter().zip(y) {
            // 0, 1, 2, 3 have mean 1.5 and variance 1.25.
            let exact = (f64::from(x) - 1e6 - 1.5) / 1.25_f64.sqrt();
            assert!((f64::from(y) - exact).abs() < 1e-7, "{y}, not {exact}");
        }
    }

    #[test]
    fn texts_and_errors_name_the_shapes() {
        let layer = LayerNorm::new(4).unwrap();
        assert_eq!(layer.to_string(), "LayerNorm((4,), eps=1e-05, elementwise_affine=True, bias=True)");
        let x = downhill_tensor::zeros([3, 5]).unwrap();
        assert_eq!(
            layer.forward(&x).unwrap_err().to_string(),
            "layer_norm: expected an input whose last sizes are [4], but got shape [3, 5]",
        );
        let x = downhill_tensor::zeros([3, 4]).unwrap();
        assert_eq!(layer.forward(&x).unwrap().grad_fn(), Some("NativeLayerNormBackward0"));
        assert_eq!(
            layer.forward(&x.to_dtype(downhill_tensor::DType::F64)).unwrap_err().to_string(),
            "layer_norm: the input is float64, but the weight is float32 (a literal without `_f32` is float64; `to_dtype` converts)",
        );
        assert!(LayerNorm::new(()).is_err());
        assert_eq!(layer.forward(&downhill_tensor::zeros([0, 4]).unwrap()).unwrap().shape(), &[0, 4]);
        assert_eq!(
            LayerNorm::new(0).unwrap().forward(&downhill_tensor::zeros([2, 0]).unwrap()).unwrap().shape(),
            &[2, 0]
        );
    }
}
