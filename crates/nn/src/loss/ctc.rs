//! Connectionist temporal classification.

use super::Reduction;
use super::ctc_alignments::{Alignments, OP, evaluate};
use crate::Module;
use downhill_tensor::autograd::fused;
use downhill_tensor::{DType, Error, Float, Result, Tensor, memory};
use std::sync::Arc;

/// Connectionist temporal classification: a sequence of labels whose places in the input are not known.
///
#[cfg_attr(doc, doc = include_str!("../../pictures/ctc.svg"))]
///
/// # Formula
/// ```math
/// ℓₙ = −\ln \sum_a \prod_{s=1}^{T} \exp(x[s, n, a_s])
/// ```
///
/// over all alignments `a` of `T` classes that give the target when equal neighbours are merged and then blanks dropped. The mean
/// divides each `ℓₙ` by its target's length (at least 1), then averages the batch.
///
/// # Gradient
/// ```math
/// \frac{∂ℓₙ}{∂x[s, n, c]} = \exp(x[s, n, c]) − p[s, n, c]
/// ```
///
/// where `p[s, n, c]` is the probability that an alignment has class `c` at step `s`; 0 behind the input's length. This is PyTorch's
/// convention: it is the derivative for inputs that come from `log_softmax` (the true one, `−p`, has the same sum with the gradient of
/// `log_softmax`). It may be differentiated again, as often as one likes.
///
/// # Shape
/// Input `(T, N, C)` or `(T, C)`: log-probabilities. Targets `(N, S)`, or `(Σ lengths)` one after the other; no more than a
/// target's length is read. Lengths: one a sample.
///
/// # Stability
/// The recursion is in logarithms: no probability underflows. A target that does not fit into its input has a loss of ∞
/// and a gradient of NaN, or 0 and 0 with `zero_infinity`; a loss of NaN stays, and its gradient is NaN. As in PyTorch, the gradient to a log-probability of −∞ is NaN.
///
/// # Errors
/// Shapes, dtypes or lengths that do not fit; an input without elements; a blank or a label outside of `0..C`.
///
/// # Examples
/// ```
/// use downhill::nn::CTCLoss;
/// use downhill::Tensor;
/// // Two steps, even odds of a blank and a label: of the four alignments three give "1".
/// let x = Tensor::from([[0.0_f64, 0.0], [0.0, 0.0]]).log_softmax(1)?;
/// let loss = CTCLoss::default().forward(&x, &Tensor::from([1]), 2, 1)?;
/// assert!((loss.item::<f64>()? + 0.75_f64.ln()).abs() < 1e-15);
/// // A batch of two, its targets one after the other.
/// let x = Tensor::stack(&[&x, &x], 1)?;
/// let loss = CTCLoss::default().forward(&x, &Tensor::from([1, 1]), [2, 2], [1, 1])?;
/// assert!((loss.item::<f64>()? + 0.75_f64.ln()).abs() < 1e-15);
/// # Ok::<(), downhill::Error>(())
/// ```
///
/// # PyTorch
/// [`torch.nn.CTCLoss`](https://docs.pytorch.org/docs/stable/generated/torch.nn.CTCLoss.html), after
/// [Graves et al. 2006](https://www.cs.toronto.edu/~graves/icml_2006.pdf). There it cannot be differentiated twice, labels outside of
/// `0..C` read whatever lies there, and targets may be floats.
#[derive(Clone, Debug, Default, Module)]
pub struct CTCLoss {
    /// The class that stands for no label.
    pub blank: usize,
    /// The reduction of the terms: their mean, their sum, or none.
    pub reduction: Reduction,
    /// Whether targets that do not fit into their inputs count as 0 instead of ∞.
    pub zero_infinity: bool,
}

/// The lengths of a batch's sequences: an `int64` tensor, or one or more numbers.
///
/// ```
/// use downhill::nn::loss::Lengths;
/// for lengths in [Lengths::from([3, 5]), vec![3, 5].into(), (&[3, 5][..]).into(), (&downhill::Tensor::from([3, 5])).into()] {
///     println!("{lengths:?}");
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Lengths(Tensor);

macro_rules! lengths {
    ($([$($generic:tt)*] $type:ty: $value:ident => $tensor:expr;)*) => {$(
        impl<$($generic)*> From<$type> for Lengths {
            #[inline]
            fn from($value: $type) -> Self {
                Self($tensor)
            }
        }
    )*};
}
lengths! {
    [] &Tensor: x => x.clone();
    [] usize: x => Tensor::from(x);
    [] Vec<usize>: x => Tensor::from(x);
    [] &[usize]: x => Tensor::from(x.to_vec());
    [const N: usize] [usize; N]: x => Tensor::from(x.to_vec());
    [const N: usize] &[usize; N]: x => Tensor::from(x.to_vec());
}

impl Lengths {
    /// The numbers, each at most `max`.
    #[inline]
    fn check(&self, what: &str, batch: usize, max: usize) -> Result<Vec<usize>> {
        if self.0.dtype() != DType::I64 {
            return Err(Error::DType { op: OP, expected: "int64 lengths", got: self.0.dtype() });
        }
        if self.0.numel() != batch {
            return Err(Error::shape(OP, format!("{what} for a batch of {batch}"), self.0.shape()));
        }
        let lengths = self.0.try_contiguous()?;
        let lengths = lengths.as_slice::<i64>()?;
        if let Some(length) = lengths.iter().find(|length| !(0..=max as i64).contains(length)) {
            return Err(Error::argument(OP, format!("{what} must be in 0..={max}, but one is {length}")));
        }
        memory::collect(OP, lengths.iter().map(|&length| length as usize))
    }
}

impl CTCLoss {
    /// The loss of log-probabilities and targets.
    ///
    /// # Errors
    /// See [`CTCLoss`].
    #[inline]
    pub fn forward(
        &self,
        log_probs: &Tensor,
        targets: &Tensor,
        input_lengths: impl Into<Lengths>,
        target_lengths: impl Into<Lengths>,
    ) -> Result<Tensor> {
        let (batched, x) = self.batch(log_probs)?;
        let alignments = self.alignments(&x, targets, &input_lengths.into(), &target_lengths.into())?;
        let loss = match x.dtype() {
            DType::F32 => self.fused::<f32>(&x, alignments)?,
            DType::F64 => self.fused::<f64>(&x, alignments)?,
            got @ (DType::I64 | DType::Bool) => return Err(Error::not_float(OP, got)),
        };
        if batched || self.reduction != Reduction::None { Ok(loss) } else { loss.squeeze_dim(0) }
    }

    /// Whether there is a batch, and the input with one.
    #[inline]
    fn batch(&self, log_probs: &Tensor) -> Result<(bool, Tensor)> {
        let shape = log_probs.shape();
        log_probs.dtype().check_float(OP)?;
        if !(2..=3).contains(&shape.rank()) || shape.numel() == 0 {
            let expected = "log-probabilities of shape (T, N, C) or (T, C), not empty";
            return Err(Error::shape(OP, expected, shape));
        }
        let classes = log_probs.size(-1)?;
        if self.blank >= classes {
            return Err(Error::Index { op: OP, index: self.blank as i64, size: classes });
        }
        let batched = shape.rank() == 3;
        Ok((
            batched,
            if batched { log_probs.try_contiguous()? } else { log_probs.unsqueeze(1)?.try_contiguous()? },
        ))
    }

    #[inline]
    fn alignments(
        &self,
        x: &Tensor,
        targets: &Tensor,
        inputs: &Lengths,
        lengths: &Lengths,
    ) -> Result<Alignments> {
        let (steps, batch, classes) = (x.shape()[0], x.shape()[1], x.shape()[2]);
        if targets.dtype() != DType::I64 {
            return Err(Error::DType { op: OP, expected: "int64 targets", got: targets.dtype() });
        }
        let width = match targets.dim() {
            1 => targets.numel(),
            2 if targets.shape()[0] == batch => targets.shape()[1],
            _ => {
                let expected = format!("targets of shape ({batch}, S) or (S)");
                return Err(Error::shape(OP, expected, targets.shape()));
            }
        };
        let inputs = inputs.check("input lengths", batch, steps)?;
        let lengths = lengths.check("target lengths", batch, width)?;
        let total: usize = lengths.iter().sum();
        if targets.dim() == 1 && total != width {
            let expected = format!("{total} labels, the sum of the target lengths");
            return Err(Error::shape(OP, expected, targets.shape()));
        }
        let targets_in_a_row = targets.try_contiguous()?;
        let all = targets_in_a_row.as_slice::<i64>()?;
        let states = 2 * lengths.iter().max().map_or(0, |&max| max) + 1;
        let mut labels = memory::vec(OP, self.blank, batch.saturating_mul(states))?;
        let mut offset = 0;
        for (n, &length) in lengths.iter().enumerate() {
            let start = if targets.dim() == 2 { n * width } else { offset };
            for (s, &label) in all[start..][..length].iter().enumerate() {
                if !(0..classes as i64).contains(&label) {
                    return Err(Error::Index { op: OP, index: label, size: classes });
                }
                labels[n * states + 2 * s + 1] = label as usize;
            }
            offset += length;
        }
        Ok(Alignments { steps, batch, classes, states, labels, inputs, targets: lengths })
    }

    /// The loss of a batch.
    fn fused<T: Float>(&self, x: &Tensor, alignments: Alignments) -> Result<Tensor> {
        let (nll, alpha) = evaluate::<T>(&alignments, x)?;
        let each = Tensor::from_slice(&nll, nll.len())?;
        let infinite = each.eq(f64::INFINITY)?;
        let undefined =
            if self.zero_infinity { each.try_isnan()? } else { each.try_isnan()?.maximum(&infinite)? };
        // Samples are rounded once, when they have been reduced.
        let value = self.reduced(each, &infinite, &alignments)?.try_to_dtype(x.dtype())?;
        let name = match self.reduction {
            Reduction::None if self.zero_infinity => "WhereBackward0",
            Reduction::None => "CtcLossBackward0",
            Reduction::Mean => "MeanBackward0",
            Reduction::Sum => "SumBackward0",
        };
        let alignments = Arc::new(alignments);
        let (this, definition) = (self.clone(), (self.clone(), alignments.clone()));
        let backward = move |_: usize, g: &Tensor, [x]: [&Tensor; 1]| {
            let g = g.try_contiguous()?;
            let g = g.as_slice::<T>()?.iter().map(|g| g.cast::<f64>()).cycle();
            let batch = alignments.batch as f64;
            let g = memory::collect(
                OP,
                g.zip(alignments.lengths()).map(|(g, n)| match this.reduction {
                    Reduction::None | Reduction::Sum => g,
                    Reduction::Mean => g / batch / n as f64,
                }),
            )?;
            let saved = (x.as_slice::<T>()?, alpha.as_slice()?, &nll[..]);
            alignments.gradient(x.shape(), saved, &g, this.zero_infinity)
        };
        Ok(fused(name, [x], value, backward, move |[x]| {
            let (this, alignments) = &definition;
            // A sample that counts as 0 has a gradient of 0, also if it has a NaN.
            let x = if this.zero_infinity { &x.masked_fill(&infinite.unsqueeze(1)?, 0)? } else { x };
            this.reduced(alignments.potential(x, &undefined)?, &infinite, alignments)
        }))
    }

    /// The samples' losses, reduced.
    #[inline]
    fn reduced(&self, each: Tensor, infinite: &Tensor, alignments: &Alignments) -> Result<Tensor> {
        let each = if self.zero_infinity { Tensor::where_(infinite, 0.0, &each)? } else { each };
        if self.reduction != Reduction::Mean {
            return self.reduction.of(each);
        }
        let lengths = memory::collect(OP, alignments.lengths())?;
        each.div(&Tensor::from_slice(&lengths, lengths.len())?)?.mean()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use downhill_tensor::autograd::{GradOptions, grad_with};
    use downhill_tensor::check;

    const REDUCTIONS: [Reduction; 3] = [Reduction::None, Reduction::Mean, Reduction::Sum];

    fn noise(shape: &[usize], k: f64) -> Result<Tensor> {
        let n = shape.iter().product::<usize>();
        Tensor::from_vec((0..n).map(|i| 2.0 * ((i as f64 + 0.5) * k).sin()).collect::<Vec<_>>(), shape)
    }

    /// The definition: every sequence of classes whose labels, merged and without blanks, are the target.
    fn by_enumeration(x: &[f64], classes: usize, blank: usize, target: &[usize]) -> f64 {
        let steps = x.len() / classes;
        let mut total = 0.0;
        for code in 0..classes.pow(steps as u32) {
            let path: Vec<usize> = (0..steps).map(|t| code / classes.pow(t as u32) % classes).collect();
            let mut labels = path.clone();
            labels.dedup();
            labels.retain(|&c| c != blank);
            if labels == target {
                total += path.iter().enumerate().map(|(t, &c)| x[t * classes + c]).sum::<f64>().exp();
            }
        }
        -total.ln()
    }

    #[test]
    fn it_sums_over_all_alignments() -> Result<()> {
        let targets: [&[usize]; 7] =
            [&[], &[1], &[1, 1], &[1, 2], &[2, 2, 1], &[1, 2, 1, 2, 1], &[1, 1, 1, 1]];
        for (blank, rename) in [(0, [0, 1, 2]), (2, [2, 0, 1])] {
            for steps in 1..6 {
                let x = noise(&[steps, 3], 1.7)?.log_softmax(1)?;
                let values = x.to_vec::<f64>()?;
                for target in targets {
                    let target: Vec<usize> = target.iter().map(|&c| rename[c]).collect();
                    let loss = CTCLoss { blank, reduction: Reduction::Sum, zero_infinity: false };
                    let labels = Tensor::from(target.clone());
                    let ours = loss.forward(&x, &labels, steps, target.len())?.item::<f64>()?;
                    let want = by_enumeration(&values, 3, blank, &target);
                    assert!(ours == want || (ours - want).abs() < 1e-12, "{target:?}: {ours}, not {want}");
                }
            }
        }
        Ok(())
    }

    /// Of log-probabilities the potential is the loss plus the number of steps.
    #[test]
    fn kernels_equal_the_definition_for_every_combination_of_options() -> Result<()> {
        let z = noise(&[6, 3, 4], 1.3)?.requires_grad_()?;
        let (inputs, lengths) = ([6, 4, 5], [3, 0, 2]);
        let padded = Tensor::from([[1, 1, 2], [0, 0, 0], [3, 1, 0]]);
        let in_a_row = Tensor::from([1, 1, 2, 3, 1]);
        for reduction in REDUCTIONS {
            for targets in [&padded, &in_a_row] {
                for zero_infinity in [false, true] {
                    let loss = CTCLoss { blank: 0, reduction, zero_infinity };
                    let kernel = |z: &[Tensor]| loss.forward(&z[0].log_softmax(2)?, targets, inputs, lengths);
                    let definition = |z: &[Tensor]| {
                        let x = z[0].log_softmax(2)?;
                        let alignments = loss.alignments(&x, targets, &inputs.into(), &lengths.into())?;
                        let undefined = downhill_tensor::zeros(3)?.ne(0)?;
                        let each =
                            alignments.potential(&x, &undefined)?.sub(&Tensor::from(inputs.to_vec()))?;
                        Ok(match reduction {
                            Reduction::None => each,
                            Reduction::Sum => each.sum(),
                            Reduction::Mean => each.div(&Tensor::from([3, 1, 2]))?.mean()?,
                        })
                    };
                    check::fused(kernel, definition, std::slice::from_ref(&z), 1e-12)?;
                }
            }
        }
        Ok(())
    }

    /// The gradients of three steps of three classes whose log-probabilities are −1 but for one.
    #[test]
    fn nan_and_infinities_come_through_where_pytorchs_do() -> Result<()> {
        const NAN: f64 = f64::NAN;
        // The place of the odd one, its value, steps, loss, which gradients are NaN; after torch 2.15.
        let cases: [(usize, f64, usize, f64, &[usize]); 5] = [
            (0, NAN, 1, 0.0, &[]),
            (0, NAN, 2, NAN, &[0, 1, 2, 3, 4, 5]),
            (2, NAN, 2, 0.901_387_711_331_89, &[2]),
            (3, f64::INFINITY, 2, NAN, &[0, 1, 2, 3, 4, 5]),
            (6, NAN, 2, 0.901_387_711_331_89, &[]),
        ];
        for (at, odd, steps, want, nan) in cases {
            let mut x = vec![-1.0; 9];
            x[at] = odd;
            let x = Tensor::from_vec(x, [3, 3])?.requires_grad_()?;
            // In one step two labels are impossible.
            let target = vec![1; 3 - steps];
            let count = target.len();
            let loss = CTCLoss { zero_infinity: true, reduction: Reduction::Sum, blank: 0 };
            let found = loss.forward(&x, &Tensor::from(target), steps, count)?;
            let value = found.item::<f64>()?;
            assert!((value - want).abs() < 1e-14 || (value.is_nan() && want.is_nan()), "{at}: {value}");
            for create_graph in [true, false] {
                let options = GradOptions { create_graph, ..Default::default() };
                let slopes = grad_with(&[(&found, None)], &[&x], options)?[0].clone().unwrap();
                let slopes = slopes.to_vec::<f64>()?;
                let places: Vec<_> = (0..9).filter(|&i| slopes[i].is_nan()).collect();
                assert_eq!(places, nan, "{at}: {slopes:?}");
            }
        }
        Ok(())
    }

    #[test]
    fn the_first_derivative_is_the_same_with_a_graph_of_it() -> Result<()> {
        // Not log-probabilities, so that the convention shows.
        let x = noise(&[5, 2, 4], 0.9)?.requires_grad_()?;
        let loss = functional_loss(&x, Reduction::Sum, false)?;
        let plain =
            grad_with(&[(&loss, None)], &[&x], GradOptions { retain_graph: true, ..Default::default() })?;
        let kept =
            grad_with(&[(&loss, None)], &[&x], GradOptions { create_graph: true, ..Default::default() })?;
        let (plain, kept) = (plain[0].clone().unwrap(), kept[0].clone().unwrap());
        let difference = plain.sub(&kept)?.abs().max()?.item::<f64>()?;
        assert!(difference < 1e-13, "{difference}");
        // exp(x) − posterior: the posterior of a step sums to 1.
        let total = x.exp().sub(&plain)?.sum_dim(2, false)?;
        let want = Tensor::from([[1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0], [1.0, 0.0]]);
        let behind = Tensor::from([[0.0, 0.0]; 4]);
        let last = x.detach().select(0, 4)?.select(0, 1)?.exp().sum();
        let behind =
            Tensor::cat(&[&behind, &Tensor::stack(&[&Tensor::from(0.0), &last], 0)?.unsqueeze(0)?], 0)?;
        assert!(total.sub(&want.add(&behind)?)?.abs().max()?.item::<f64>()? < 1e-12);
        Ok(())
    }

    fn functional_loss(x: &Tensor, reduction: Reduction, zero_infinity: bool) -> Result<Tensor> {
        let loss = CTCLoss { reduction, zero_infinity, ..Default::default() };
        loss.forward(x, &Tensor::from([[1, 1], [2, 3]]), [5, 4], [2, 2])
    }

    #[test]
    fn what_does_not_fit_is_infinite_or_nothing() -> Result<()> {
        let x = noise(&[2, 2, 3], 1.1)?.log_softmax(2)?.requires_grad_()?;
        let run = |zero_infinity, create_graph| -> Result<(Vec<f64>, Vec<f64>)> {
            let loss = CTCLoss { reduction: Reduction::None, zero_infinity, blank: 0 };
            // Equal neighbours need a blank between them: three steps.
            let loss = loss.forward(&x, &Tensor::from([[1, 1], [1, 2]]), [2, 2], [2, 2])?;
            let g = Tensor::from([1.0, 1.0]);
            let options = GradOptions { create_graph, ..Default::default() };
            let found = grad_with(&[(&loss, Some(&g))], &[&x], options)?.remove(0).unwrap();
            Ok((loss.to_vec()?, found.select(1, 0)?.to_vec()?))
        };
        for create_graph in [false, true] {
            let (loss, g) = run(false, create_graph)?;
            assert_eq!((loss[0], loss[1].is_finite()), (f64::INFINITY, true));
            assert!(g.iter().all(|g| g.is_nan()), "{g:?}");
            let (loss, g) = run(true, create_graph)?;
            assert_eq!((loss[0], g), (0.0, vec![0.0; 6]));
        }
        // A log-probability of −∞ that no alignment needs.
        let x = Tensor::from([[0.0, 0.0, f64::NEG_INFINITY]; 2]).log_softmax(1)?.requires_grad_()?;
        let loss = CTCLoss::default().forward(&x, &Tensor::from([1]), 2, 1)?;
        assert!((loss.item::<f64>()? + 0.75_f64.ln()).abs() < 1e-15);
        for create_graph in [false, true] {
            let options = GradOptions { create_graph, retain_graph: true, ..Default::default() };
            let g = grad_with(&[(&loss, None)], &[&x], options)?.remove(0).unwrap().to_vec::<f64>()?;
            let nan: Vec<_> = g.iter().map(|g| g.is_nan()).collect();
            assert_eq!(nan, [false, false, true, false, false, true]);
        }
        Ok(())
    }

    #[test]
    fn without_steps_only_the_empty_target_is_possible() -> Result<()> {
        let x = noise(&[2, 2, 3], 1.1)?.log_softmax(2)?.requires_grad_()?;
        let loss = CTCLoss { reduction: Reduction::None, ..Default::default() };
        let loss = loss.forward(&x, &Tensor::from([1]), [0, 0], [0, 1])?;
        assert_eq!(loss.to_vec::<f64>()?[1], f64::INFINITY);
        assert_eq!(loss.to_vec::<f64>()?[0], 0.0);
        Ok(())
    }

    #[test]
    fn single_precision_and_views_agree() -> Result<()> {
        let x = noise(&[2, 5, 4], 0.8)?.log_softmax(2)?.transpose(0, 1)?;
        let single = x.to_dtype(DType::F32).requires_grad_()?;
        for reduction in REDUCTIONS {
            let (a, b) =
                (functional_loss(&x, reduction, false)?, functional_loss(&single, reduction, false)?);
            assert_eq!(b.dtype(), DType::F32);
            assert!(a.sub(&b)?.abs().max()?.item::<f64>()? < 1e-5);
        }
        functional_loss(&single, Reduction::Mean, false)?.backward()?;
        assert_eq!(single.grad().unwrap().dtype(), DType::F32);
        Ok(())
    }

    #[test]
    fn results_are_named_as_in_pytorch() -> Result<()> {
        let x = noise(&[5, 2, 4], 0.8)?.requires_grad_()?;
        let name = |reduction, zero| Ok::<_, Error>(functional_loss(&x, reduction, zero)?.grad_fn());
        assert_eq!(name(Reduction::None, false)?, Some("CtcLossBackward0"));
        assert_eq!(name(Reduction::None, true)?, Some("WhereBackward0"));
        assert_eq!(name(Reduction::Mean, true)?, Some("MeanBackward0"));
        assert_eq!(name(Reduction::Sum, false)?, Some("SumBackward0"));
        let one = CTCLoss { reduction: Reduction::None, ..Default::default() };
        let one = one.forward(&x.select(1, 0)?, &Tensor::from([1]), 5, 1)?;
        assert_eq!((one.dim(), one.grad_fn()), (0, Some("SqueezeBackward1")));
        assert_eq!(CTCLoss::default().to_string(), "CTCLoss()");
        Ok(())
    }

    #[test]
    fn bad_input_is_an_error_that_names_the_numbers() {
        let x = downhill_tensor::zeros([5, 2, 4]).unwrap();
        let (targets, fine) = (Tensor::from([[1, 2], [3, 1]]), Tensor::from([2, 2]));
        let text = |x: &Tensor, targets: &Tensor, inputs: &Tensor, lengths: &Tensor, blank| {
            let loss = CTCLoss { blank, ..Default::default() };
            loss.forward(x, targets, inputs, lengths).unwrap_err().to_string()
        };
        let ints = |x: &[usize]| Tensor::from(x.to_vec());
        assert_eq!(text(&x, &targets, &fine, &fine, 4), "ctc_loss: index 4 is out of bounds for size 4");
        assert_eq!(
            text(&x, &targets, &ints(&[6, 5]), &fine, 0),
            "ctc_loss: input lengths must be in 0..=5, but one is 6"
        );
        assert_eq!(
            text(&x, &targets, &Tensor::from([-1, 5]), &fine, 0),
            "ctc_loss: input lengths must be in 0..=5, but one is -1"
        );
        assert_eq!(
            text(&x, &targets, &fine, &ints(&[3, 1]), 0),
            "ctc_loss: target lengths must be in 0..=2, but one is 3"
        );
        assert_eq!(
            text(&x, &targets, &ints(&[5, 5, 5]), &fine, 0),
            "ctc_loss: expected input lengths for a batch of 2, but got shape [3]"
        );
        assert_eq!(
            text(&x, &Tensor::from([1, 2, 3]), &fine, &fine, 0),
            "ctc_loss: expected 4 labels, the sum of the target lengths, but got shape [3]"
        );
        assert_eq!(
            text(&x, &Tensor::from([[1, 2]]), &fine, &fine, 0),
            "ctc_loss: expected targets of shape (2, S) or (S), but got shape [1, 2]"
        );
        assert_eq!(
            text(&x, &Tensor::from([[1, 4], [1, 1]]), &fine, &fine, 0),
            "ctc_loss: index 4 is out of bounds for size 4"
        );
        assert_eq!(
            text(&x, &targets.to_dtype(DType::F32), &fine, &fine, 0),
            "ctc_loss: expected int64 targets, but got float32"
        );
        assert_eq!(
            text(&x, &targets, &fine.to_dtype(DType::F32), &fine, 0),
            "ctc_loss: expected int64 lengths, but got float32"
        );
        assert_eq!(
            text(&fine, &targets, &fine, &fine, 0),
            "ctc_loss: expected float32 or float64, but got int64"
        );
        assert_eq!(
            text(&downhill_tensor::zeros([0, 2, 4]).unwrap(), &targets, &fine, &fine, 0),
            "ctc_loss: expected log-probabilities of shape (T, N, C) or (T, C), not empty, but got shape [0, 2, 4]"
        );
    }
}
