//! A table of vectors, one for each index.

use crate::{Error, Forward, Module, Parameter, Result, text};
use downhill_tensor::autograd::edge;
use downhill_tensor::{DType, Float, Shape, Tensor, grad_enabled, memory};
use std::collections::HashMap;

const OP: &str = "embedding";

/// The vectors that indices stand for: rows of a table that is learned.
///
/// # Shape
/// Input `(…)` of `i64`, output `(…, embedding_dim)`; `weight` `(num_embeddings, embedding_dim)`.
///
/// # Gradient
/// A row gets the sum of the gradients of its occurrences; the row of `padding_idx` gets none.
///
/// # Examples
/// ```
/// use downhill::nn::{Embedding, Forward};
/// use downhill::Tensor;
///
/// downhill::random::manual_seed(0);
/// let words = Embedding::with_padding(10, 3, 0)?;
/// let y = words.forward(&Tensor::from([[1, 2, 0], [4, 0, 0]]))?;
/// assert_eq!(y.shape(), &[2, 3, 3]);
/// assert_eq!(y.select(0, 1)?.select(0, 2)?, downhill::zeros([3])?);
///
/// let fine = Embedding { scale_grad_by_freq: true, ..Embedding::new(5, 3)? };
/// assert_eq!(fine.to_string(), "Embedding(5, 3, scale_grad_by_freq=True)");
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.Embedding`](https://docs.pytorch.org/docs/stable/generated/torch.nn.Embedding.html), with its initial values: a
/// standard normal distribution, 0 for `padding_idx`. There are no sparse gradients.
#[derive(Debug, Module)]
#[module(extra_repr = Self::options)]
pub struct Embedding {
    /// The vectors, one a row.
    pub weight: Parameter,
    /// A row that is not trained.
    pub padding_idx: Option<usize>,
    /// The largest norm that a row may have: rows that are looked up are scaled down to it, in the weight itself.
    pub max_norm: Option<f64>,
    /// The `p` of the norm that `max_norm` limits.
    pub norm_type: f64,
    /// Whether a row's gradient is divided by how often its index occurs in the input.
    pub scale_grad_by_freq: bool,
}

impl Embedding {
    /// A table drawn from the default generator.
    ///
    /// # Errors
    /// Sizes that are too large.
    #[inline]
    pub fn new(num_embeddings: usize, embedding_dim: usize) -> Result<Self> {
        Ok(Self::from_weight(Parameter::new(downhill_tensor::random::normal(
            0.0,
            1.0,
            [num_embeddings, embedding_dim],
        )?)?))
    }

    /// A table with a row of zeros that is not trained, counted from the end if negative.
    ///
    /// # Errors
    /// [`Error::Argument`] unless there is such a row; sizes that are too large.
    ///
    /// # Examples
    /// ```
    /// let last = downhill::nn::Embedding::with_padding(5, 3, -1)?;
    /// assert_eq!(last.padding_idx, Some(4));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn with_padding(num_embeddings: usize, embedding_dim: usize, padding_idx: isize) -> Result<Self> {
        let row = match usize::try_from(padding_idx) {
            Ok(row) => Some(row),
            Err(_) => num_embeddings.checked_sub(padding_idx.unsigned_abs()),
        };
        let row = row.filter(|&row| row < num_embeddings).ok_or_else(|| {
            Error::argument("embedding", format!("no row {padding_idx} for padding among {num_embeddings}"))
        })?;
        let table = Self { padding_idx: Some(row), ..Self::new(num_embeddings, embedding_dim)? };
        let at = row * embedding_dim;
        table.weight.update(|w: &mut [f32]| w[at..at + embedding_dim].fill(0.0))?;
        Ok(table)
    }

    /// A table with this weight, a row for each index: `Embedding.from_pretrained` for a [frozen](Parameter::frozen) one.
    ///
    /// # Examples
    /// ```
    /// use downhill::nn::{Embedding, Forward, Parameter};
    /// use downhill::Tensor;
    ///
    /// let known = Embedding::from_weight(Parameter::frozen(Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]])));
    /// assert_eq!(known.forward(&Tensor::from([1]))?, Tensor::from([[3.0_f32, 4.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn from_weight(weight: Parameter) -> Self {
        Self { weight, padding_idx: None, max_norm: None, norm_type: 2.0, scale_grad_by_freq: false }
    }

    #[inline]
    fn options(&self) -> String {
        let mut parts: Vec<_> = self.weight.shape().iter().map(usize::to_string).collect();
        parts.extend(self.padding_idx.map(|row| format!("padding_idx={row}")));
        parts.extend(self.max_norm.map(|max| format!("max_norm={}", text::float(max))));
        if self.norm_type.to_bits() != 2.0_f64.to_bits() {
            parts.push(format!("norm_type={}", text::float(self.norm_type)));
        }
        if self.scale_grad_by_freq {
            parts.push("scale_grad_by_freq=True".to_string());
        }
        parts.join(", ")
    }

    /// Scales the rows that are looked up down to the norm `max`.
    fn renormalize<T: Float>(&self, input: &Tensor, max: f64) -> Result<()> {
        let mut rows = rows(input, &self.weight.tensor())?;
        rows.sort_unstable();
        rows.dedup();
        let index = Tensor::from_slice(&rows, rows.len())?;
        let used = self.weight.tensor().detach().index_select(0, &index)?;
        let norms = used.norm_dim(self.norm_type, 1, false)?.try_to_dtype(DType::F64)?.to_vec::<f64>()?;
        let long = rows.into_iter().zip(norms).filter(|&(_, norm)| norm > max);
        let long = memory::collect(OP, long)?;
        if long.is_empty() {
            return Ok(());
        }
        let width = used.size(1)?;
        drop(used);
        self.weight.update(|w: &mut [T]| {
            for (row, norm) in long {
                let scale = T::lit(max / (norm + 1e-7));
                w[row * width..][..width].iter_mut().for_each(|x| *x = *x * scale);
            }
        })
    }
}

impl Forward for Embedding {
    #[inline]
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        if let Some(max) = self.max_norm {
            match self.weight.dtype() {
                DType::F32 => self.renormalize::<f32>(x, max)?,
                DType::F64 => self.renormalize::<f64>(x, max)?,
                got @ (DType::I64 | DType::Bool) => return Err(Error::not_float("embedding", got)),
            }
        }
        look_up(x, &self.weight.tensor(), self.padding_idx, self.scale_grad_by_freq)
    }
}

/// The rows of `weight` that the indices `x` name: [`Embedding`] with its default options.
///
/// # Errors
/// [`Error::DType`] unless the indices are `i64`, [`Error::Shape`] unless `weight` is a matrix, [`Error::Index`] for a row
/// that there is not.
///
/// # Examples
/// ```
/// use downhill::nn::functional::embedding;
/// use downhill::Tensor;
///
/// let weight = Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(embedding(&Tensor::from([1, 1]), &weight)?, Tensor::from([[3.0_f32, 4.0], [3.0, 4.0]]));
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.functional.embedding`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.embedding.html)
#[inline]
pub fn embedding(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    look_up(x, weight, None, false)
}

/// The indices, which must be rows of `weight`.
#[inline]
fn rows(x: &Tensor, weight: &Tensor) -> Result<Vec<usize>> {
    let op = OP;
    if x.dtype() != DType::I64 {
        return Err(Error::DType { op, expected: "int64 indices", got: x.dtype() });
    }
    if weight.dim() != 2 {
        return Err(Error::shape(op, "a weight of 2 dimensions", weight.shape()));
    }
    let size = weight.size(0)?;
    let rows = x.to_vec::<i64>()?;
    if let Some(&index) = rows.iter().find(|&&row| !(0..size as i64).contains(&row)) {
        return Err(Error::Index { op, index, size });
    }
    memory::collect(op, rows.into_iter().map(|row| row as usize))
}

#[inline]
fn look_up(x: &Tensor, weight: &Tensor, padding_idx: Option<usize>, by_frequency: bool) -> Result<Tensor> {
    let rows = rows(x, weight)?;
    let index = Tensor::from_slice(&rows, [rows.len(), 1])?;
    let (shape, width) = ([x.shape(), &weight.shape()[1..]].concat(), weight.size(1)?);
    let value = weight.detach().index_select(0, &index.squeeze_dim(1)?)?.reshape(&shape[..])?;
    let padding = padding_idx.map(|row| index.eq(row as i64)).transpose()?;
    let counts =
        by_frequency.then(|| counts(&rows)?.try_to_dtype(weight.dtype())?.unsqueeze(1)).transpose()?;
    let saved = (*weight.shape(), index, padding, counts);
    let back = edge(weight, &saved, move |g, (shape, index, padding, counts)| {
        let mut g = g.reshape([index.numel(), width])?;
        if let Some(padding) = padding {
            g = g.masked_fill(padding, 0)?;
        }
        if let Some(counts) = counts {
            g = g.div(counts)?;
        }
        if !grad_enabled() {
            return match g.dtype() {
                DType::F32 => add_rows::<f32>(&g, &rows, *shape),
                DType::F64 => add_rows::<f64>(&g, &rows, *shape),
                got @ (DType::I64 | DType::Bool) => Err(Error::not_float(OP, got)),
            };
        }
        let zeros = downhill_tensor::zeros(shape)?.try_to_dtype(g.dtype())?;
        zeros.scatter_add(0, &index.expand(g.shape())?, &g)
    });
    Ok(Tensor::from_op("EmbeddingBackward0", value, [back]))
}

/// Zeros, with row `i` of `g` added to row `rows[i]`: a third of the time of a scatter, which reads an index for each element.
#[inline]
fn add_rows<T: Float>(g: &Tensor, rows: &[usize], shape: Shape) -> Result<Tensor> {
    let (g, width) = (g.try_contiguous()?, shape[1].max(1));
    let data = g.as_slice::<T>()?;
    Tensor::build(shape, |out: &mut [T]| {
        out.fill(T::default());
        for (&row, x) in rows.iter().zip(data.chunks_exact(width)) {
            out[row * width..][..width].iter_mut().zip(x).for_each(|(o, &x)| *o += x);
        }
    })
}

/// How often each of the rows occurs among them.
#[inline]
fn counts(rows: &[usize]) -> Result<Tensor> {
    // An entry takes more than a key and a value.
    memory::check::<[u64; 4]>(OP, rows.len())?;
    let mut counts = HashMap::new();
    for row in rows {
        *counts.entry(row).or_insert(0_i64) += 1;
    }
    Tensor::from_vec(memory::collect(OP, rows.iter().map(|row| counts[row]))?, rows.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::check::{gradcheck, gradgradcheck};

    fn table() -> Embedding {
        let weight = Tensor::from([[1.0_f32, 0.0], [0.0, 3.0], [3.0, 4.0]]);
        Embedding::from_weight(Parameter::new(weight).unwrap())
    }

    #[test]
    fn padding_that_is_no_row_is_refused() {
        for (rows, row) in
            [(3, 3), (3, -4), (0, 0), (0, -1), (3, isize::MIN), (usize::MAX, isize::MIN), (usize::MAX, -1)]
        {
            assert!(Embedding::with_padding(rows, 1, row).is_err(), "{row} of {rows}");
        }
        assert_eq!(Embedding::with_padding(3, 1, -3).unwrap().padding_idx, Some(0));
    }

    fn gradient(layer: &Embedding, x: &Tensor) -> Vec<f32> {
        layer.weight.zero_grad();
        let y = layer.forward(x).unwrap();
        assert_eq!(y.grad_fn(), Some("EmbeddingBackward0"));
        y.sum().backward().unwrap();
        layer.weight.grad().unwrap().to_vec().unwrap()
    }

    #[test]
    fn options_change_the_gradient() {
        let x = Tensor::from([[2, 0], [2, 1]]);
        assert_eq!(gradient(&table(), &x), [1.0, 1.0, 1.0, 1.0, 2.0, 2.0]);
        let padded = Embedding { padding_idx: Some(2), ..table() };
        assert_eq!(gradient(&padded, &x), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]);
        let scaled = Embedding { scale_grad_by_freq: true, ..table() };
        assert_eq!(gradient(&scaled, &x), [1.0; 6]);
    }

    #[test]
    fn long_rows_that_are_looked_up_are_scaled_in_the_weight() {
        let layer = Embedding { max_norm: Some(2.0), ..table() };
        layer.forward(&Tensor::from([0, 2, 2])).unwrap();
        let w = layer.weight.tensor().to_vec::<f32>().unwrap();
        for (x, y) in w.iter().zip([1.0, 0.0, 0.0, 3.0, 1.2, 1.6]) {
            // PyTorch divides by the norm plus 1e-7.
            assert!((x - y).abs() < 1e-6, "{w:?}");
        }
        assert_eq!(layer.to_string(), "Embedding(3, 2, max_norm=2.0)");
    }

    #[test]
    fn derivatives_equal_differences() {
        let w = Tensor::from([[1.0_f64, 0.5], [0.2, 3.0], [3.0, 4.0]]).requires_grad_().unwrap();
        let x = Tensor::from([[2, 0], [2, 1]]);
        for scaled in [false, true] {
            let f = |t: &[Tensor]| {
                look_up(&x, &t[0].square(), None, false)?.square().mul(1.0 + f64::from(u8::from(scaled)))
            };
            gradcheck(f, std::slice::from_ref(&w)).unwrap();
            gradgradcheck(f, std::slice::from_ref(&w)).unwrap();
        }
    }

    #[test]
    fn misfits_are_refused_with_their_numbers() {
        let text = |x: Tensor| table().forward(&x).unwrap_err().to_string();
        assert_eq!(text(Tensor::from([3])), "embedding: index 3 is out of bounds for size 3");
        assert_eq!(text(Tensor::from([-1])), "embedding: index -1 is out of bounds for size 3");
        assert_eq!(text(Tensor::from([1.0_f32])), "embedding: expected int64 indices, but got float32");
        assert_eq!(
            Embedding::with_padding(5, 3, 5).unwrap_err().to_string(),
            "embedding: no row 5 for padding among 5",
        );
        assert!(Embedding::with_padding(5, 3, -6).is_err());
    }
}
