//! What the losses over class indices share: the checks, and inputs as rows of classes.

use super::Reduction;
use downhill_tensor::autograd::fused;
use downhill_tensor::kernels::{self, Chunk, inlined};
use downhill_tensor::{DType, Error, Float, Result, Shape, Tensor, memory};
use std::sync::Arc;

/// An input of shape `(C)`, `(N, C)` or `(N, C, d₁ …)` as a matrix with one row a target.
#[derive(Debug)]
pub(super) struct Rows {
    /// `(rows, classes)`, row-major; still part of the graph.
    pub(super) input: Tensor,
    pub(super) classes: usize,
    /// The targets' shape, which unreduced losses have.
    pub(super) shape: Shape,
}

impl Rows {
    /// The input with its classes last. `target` has the input's shape without them.
    pub(super) fn new(op: &'static str, input: &Tensor, target: &Shape) -> Result<Self> {
        input.dtype().check_float(op)?;
        let shape = input.shape();
        let (classes, expected, matrix) = match shape.rank() {
            0 => return Err(Error::shape(op, "an input of at least one dimension", shape)),
            1 => (shape[0], Shape::SCALAR, input.unsqueeze(0)?.try_contiguous()?),
            2 => (shape[1], Shape::new(op, &shape[..1])?, input.try_contiguous()?),
            rank => {
                let mut dims: Vec<usize> = (0..rank).filter(|&d| d != 1).collect();
                let expected: Vec<usize> = dims.iter().map(|&d| shape[d]).collect();
                dims.push(1);
                let rows = expected.iter().product();
                let matrix = input.permute(&dims[..])?.reshape([rows, shape[1]])?.try_contiguous()?;
                (shape[1], Shape::new(op, &expected)?, matrix)
            }
        };
        // A single target for an input without a batch.
        let single = shape.rank() == 1 && *target == [1];
        if *target != expected && !single {
            return Err(Error::shape(
                op,
                format!("a target of shape {expected} for an input of shape {shape}"),
                target,
            ));
        }
        Ok(Self { input: matrix, classes, shape: expected })
    }

    /// An input of shape `()`, `(C)` or `(N, C)` with at least one class, for losses that take no other. `shape` is that of
    /// the terms, one a row.
    pub(super) fn of_matrix(op: &'static str, input: &Tensor, shape: Shape) -> Result<Self> {
        input.dtype().check_float(op)?;
        let classes = input.shape().last().copied().unwrap_or(1);
        if input.dim() > 2 || classes == 0 {
            return Err(Error::shape(op, "a vector or a matrix with at least one class", input.shape()));
        }
        Ok(Self { input: input.reshape([shape.numel(), classes])?.try_contiguous()?, classes, shape })
    }
}

/// Class indices, checked, with what the reduction needs of them.
#[derive(Clone, Debug)]
pub(super) struct Classes {
    /// One class a row, row-major; `ignore_index` where a row does not count.
    pub(super) target: Tensor,
    pub(super) weight: Option<Tensor>,
    pub(super) ignore_index: i64,
    pub(super) reduction: Reduction,
}

impl Classes {
    /// Checks every target and the weight.
    pub(super) fn new(
        op: &'static str,
        rows: &Rows,
        target: &Tensor,
        weight: Option<&Tensor>,
        ignore_index: i64,
        reduction: Reduction,
    ) -> Result<Self> {
        if target.dtype() != DType::I64 {
            return Err(Error::DType { op, expected: "int64 class indices", got: target.dtype() });
        }
        check_weight(op, weight, rows)?;
        let target = target.try_contiguous()?;
        let valid = |t: i64| t == ignore_index || (0..rows.classes as i64).contains(&t);
        if let Some(&t) = target.as_slice::<i64>()?.iter().find(|&&t| !valid(t)) {
            return Err(Error::Index { op, index: t, size: rows.classes });
        }
        let weight = weight.map(Tensor::try_contiguous).transpose()?;
        Ok(Self { target, weight, ignore_index, reduction })
    }

    pub(super) fn targets(&self) -> Result<&[i64]> {
        self.target.as_slice()
    }

    /// The class of a row, or `None` if the row is ignored.
    #[inline]
    pub(super) fn class(&self, t: i64) -> Option<usize> {
        (t != self.ignore_index).then_some(t as usize)
    }

    pub(super) fn weights<T: Float>(&self) -> Result<Option<&[T]>> {
        self.weight.as_ref().map(Tensor::as_slice).transpose()
    }

    /// The divisor of the reduction: for a mean the summed weights of the rows that count, otherwise 1.
    /// Weights of type `T` are added up in `S`.
    pub(super) fn divisor<T: Float, S: Float>(&self) -> Result<S> {
        if self.reduction != Reduction::Mean {
            return Ok(S::lit(1.0));
        }
        let (targets, weights) = (self.targets()?, self.weights::<T>()?);
        Ok(match weights {
            None => S::lit(targets.iter().filter(|&&t| t != self.ignore_index).count() as f64),
            Some(w) => sum_rows(targets.len(), |r| self.class(targets[r]).map(|c| w[c].cast())),
        })
    }
}

/// The weight must be one number a class, of the input's dtype, and a constant.
pub(super) fn check_weight(op: &'static str, weight: Option<&Tensor>, rows: &Rows) -> Result<()> {
    let Some(weight) = weight else { return Ok(()) };
    if *weight.shape() != [rows.classes] {
        return Err(Error::shape(
            op,
            format!("a weight for each of {} classes", rows.classes),
            weight.shape(),
        ));
    }
    Error::check_same(op, ("input", rows.input.dtype()), ("class weight", weight.dtype()))?;
    if weight.requires_grad() {
        return Err(Error::argument(op, "the weight must not require a gradient: the loss has none for it"));
    }
    Ok(())
}

/// The sum of the terms of the rows that count, up to 2^15 rows in the order of PyTorch's loss: a cascade of eight
/// levels whose position is the row, so that ignored rows leave gaps.
pub(super) fn sum_rows<T: Float>(rows: usize, term: impl Fn(usize) -> Option<T> + Sync) -> T {
    if rows > 1 << 15 {
        return kernels::sum_terms(
            rows,
            4,
            inlined!(|start, out| {
                for (i, o) in out.iter_mut().enumerate() {
                    *o = term(start + i).unwrap_or_default();
                }
            }),
        );
    }
    let log = if rows < 2 { 0 } else { (rows - 1).ilog2() + 1 };
    let power = (log / 8).max(4);
    let mask = (1_usize << power) - 1;
    let mut level = [T::default(); 8];
    for row in 0..rows {
        let Some(x) = term(row) else { continue };
        level[0] += x;
        for j in 0..7 {
            if row & (mask << (j as u32 * power)) != 0 {
                break;
            }
            let carry = std::mem::take(&mut level[j]);
            level[j + 1] += carry;
        }
    }
    level.into_iter().fold(T::default(), |sum, x| sum + x)
}

/// The reduced loss from the terms of the rows that count, which may be wider than the result.
pub(super) fn reduce<T: Float, S: Float>(
    rows: &Rows,
    reduction: Reduction,
    divisor: S,
    term: impl Fn(usize) -> Option<S> + Sync,
) -> Result<Tensor> {
    let count = rows.shape.numel();
    if reduction == Reduction::None {
        return Tensor::build(rows.shape, |out: &mut [T]| {
            for (r, o) in out.iter_mut().enumerate() {
                *o = term(r).map_or(T::default(), S::cast);
            }
        });
    }
    let sum = sum_rows(count, term);
    Tensor::build((), |out: &mut [T]| out[0] = (sum / divisor).cast())
}

/// The parts of definitions in tensor operations.
impl Classes {
    /// Where a row does not count.
    pub(super) fn ignored(&self) -> Result<Tensor> {
        self.target.reshape([-1])?.eq(self.ignore_index)
    }

    /// For each row the entry of its class times the class's weight; 0 for an ignored row.
    pub(super) fn picked(&self, rows: &Tensor) -> Result<Tensor> {
        let ignored = self.ignored()?;
        let class = self.target.reshape([-1])?.masked_fill(&ignored, 0)?;
        let own = if rows.shape()[1] == 0 {
            rows.sum_dim(1, false)?
        } else {
            rows.gather(1, &class.unsqueeze(1)?)?.squeeze_dim(1)?
        };
        let own = match &self.weight {
            Some(w) if w.numel() > 0 => own.mul(&w.index_select(0, &class)?)?,
            _ => own,
        };
        own.masked_fill(&ignored, 0)
    }

    /// The terms, reduced.
    pub(super) fn reduced(&self, terms: &Tensor) -> Result<Tensor> {
        match self.reduction {
            Reduction::None => Ok(terms.clone()),
            Reduction::Sum => terms.try_sum(),
            Reduction::Mean => {
                terms.try_sum()?.div(self.divisor::<f64, f64>().or_else(|_| self.divisor::<f32, f64>())?)
            }
        }
    }
}

/// The last step of a definition: terms in the targets' shape, a reduced loss as it is.
pub(super) fn in_shape(loss: Tensor, reduction: Reduction, shape: Shape) -> Result<Tensor> {
    if reduction == Reduction::None { loss.reshape(&shape) } else { Ok(loss) }
}

/// `f(r)` of each of `n` rows of `width` elements, in parallel; `work` is what an element costs, in additions.
#[inline(always)]
pub(super) fn of_rows<O: Clone + Default + Send>(
    op: &'static str,
    (n, width): (usize, usize),
    work: usize,
    f: impl Fn(usize) -> O + Sync,
) -> Result<Vec<O>> {
    let mut out = memory::vec(op, O::default(), n)?;
    kernels::rows::<f64, _>(
        width,
        &mut out,
        work,
        inlined!(|first: usize, out: &mut [O]| {
            out.iter_mut().enumerate().for_each(|(i, o)| *o = f(first + i));
        }),
    );
    Ok(out)
}

/// The gradient of an input whose last dimension is a row: `f(r, g, out)` writes that of row `r`, for the gradient `g` of its term, which
/// is one for all rows or one a row in `g`, divided by `divisor`.
#[inline(always)]
pub(super) fn slopes_of_rows<T: Float>(
    shape: &Shape,
    (g, divisor): (&Tensor, f64),
    work: usize,
    f: impl Fn(usize, f64, &mut [T]) + Sync,
) -> Result<Tensor> {
    let (g, width) = (g.try_contiguous()?, shape[shape.rank() - 1].max(1));
    let each = g.as_slice::<T>()?;
    Tensor::build(shape, |out| {
        let mut nothing = vec![(); out.len() / width];
        kernels::write_rows::<f64, _, _>(
            width,
            out,
            &mut nothing,
            work,
            inlined!(|first, out: &mut Chunk<'_, T>, _: &mut [()]| {
                for (r, out) in (first..).zip(out.chunks_exact_mut(width)) {
                    let g = if each.len() > 1 { each[r] } else { each[0] };
                    f(r, g.cast::<f64>() / divisor, out);
                }
            }),
        );
    })
}

/// A loss with a term for each row of a matrix, computed from the whole row, in `f64` and rounded once.
pub(super) trait RowWise: Send + Sync + 'static {
    /// The term of row `r`.
    fn term<T: Float>(&self, r: usize, row: &[T]) -> f64;

    /// The gradient of `g` times the term.
    fn slope<T: Float>(&self, r: usize, row: &[T], g: f64, out: &mut [T]);

    /// The terms of all rows in tensor operations.
    fn definition(&self, input: &Tensor) -> Result<Tensor>;
}

/// The reduced loss of rows that have at least one class; the mean divides by their number.
pub(super) fn row_wise<L: RowWise>(
    name: &'static str,
    loss: L,
    rows: &Rows,
    reduction: Reduction,
) -> Result<Tensor> {
    match rows.input.dtype() {
        DType::F32 => run::<f32, L>(name, loss, rows, reduction),
        DType::F64 => run::<f64, L>(name, loss, rows, reduction),
        DType::I64 | DType::Bool => unreachable!("Rows refuses all but floats"),
    }
}

fn run<T: Float, L: RowWise>(
    name: &'static str,
    loss: L,
    rows: &Rows,
    reduction: Reduction,
) -> Result<Tensor> {
    let (count, shape) = (rows.classes, rows.shape);
    let x = rows.input.as_slice::<T>()?;
    let terms =
        of_rows(name, (shape.numel(), count), 1, inlined!(|r| loss.term(r, &x[r * count..][..count])))?;
    // Without a row the mean is 0, and not 0 / 0.
    let divisor = if reduction == Reduction::Mean { shape.numel().max(1) as f64 } else { 1.0 };
    let value = reduce::<T, f64>(rows, reduction, divisor, |r| Some(terms[r]))?;
    let loss = Arc::new(loss);
    let definition = loss.clone();
    let backward = move |_: usize, g: &Tensor, [x]: [&Tensor; 1]| {
        let slice = x.as_slice::<T>()?;
        slopes_of_rows(
            x.shape(),
            (g, divisor),
            2,
            inlined!(|r, g, out: &mut [T]| loss.slope(r, &slice[r * count..][..count], g, out)),
        )
    };
    Ok(fused(name, [&rows.input], value, backward, move |[x]| {
        let terms = definition.definition(x)?;
        match reduction {
            Reduction::None => terms.reshape(&shape),
            _ => terms.try_sum()?.div(divisor),
        }
    }))
}
