//! Matrix products, and the triangles of matrices.

use crate::array::Array;
use crate::autograd::node::record;
use crate::autograd::{Grad, edge};
use crate::construct::Number;
use crate::dtype::dispatch;
use crate::kernel::map::place;
use crate::kernel::matmul::{self, Matrix};
use crate::kernel::parallel;
use crate::layout::Layout;
use crate::{DType, Element, Error, Result, Shape, Tensor, memory};

/// The matrices of the last two dimensions.
fn matrix<T: Element>(x: &Array) -> Matrix<'_, T> {
    let strides = x.layout.strides();
    let (row_stride, column_stride) = (strides[strides.len() - 2], strides[strides.len() - 1]);
    Matrix { data: x.raw(), row_stride, column_stride }
}

/// The product of two batches of matrices of one dtype; batch dimensions have been broadcast already.
fn product(op: &'static str, a: &Array, b: &Array) -> Result<Array> {
    let rank = a.shape().rank();
    let (m, k, n) = (a.shape()[rank - 2], a.shape()[rank - 1], b.shape()[rank - 1]);
    let shape = a.shape().with(op, rank - 1, n)?;
    fn run<T: Element>(
        op: &'static str,
        a: &Array,
        b: &Array,
        shape: Shape,
        [m, k, n]: [usize; 3],
    ) -> Result<Array> {
        let transposed = matrix::<T>(b).column_stride != 1;
        if shape.numel() == 0 {
            return Array::build(op, shape, |_: &mut [T]| ());
        }
        let scratch = matmul::scratch::<T>([m, k, n], transposed);
        if shape.rank() == 2 {
            return Array::build_beside(op, shape, scratch, |out| {
                matmul::matmul([m, k, n], matrix::<T>(a), matrix(b), out, false);
            });
        }
        let batches = |x: &Array| {
            let outer = Shape::of(&x.shape()[..x.shape().rank() - 2]);
            let strides = x.layout.strides();
            memory::collect(op, (0..outer.numel()).map(|i| place(&outer, strides, i)))
        };
        let (starts_a, starts_b) = (batches(a)?, batches(b)?);
        Array::build_beside(op, shape, scratch, |out| {
            for (i, out) in out.chunks_exact_mut((m * n).max(1)).enumerate() {
                let (x, y) = (matrix::<T>(a), matrix::<T>(b));
                // Empty matrices lie nowhere.
                let x = Matrix { data: x.data.get(starts_a[i]..).unwrap_or_default(), ..x };
                let y = Matrix { data: y.data.get(starts_b[i]..).unwrap_or_default(), ..y };
                matmul::matmul([m, k, n], x, y, out, false);
            }
        })
    }
    match a.dtype() {
        DType::F32 => run::<f32>(op, a, b, shape, [m, k, n]),
        DType::F64 => run::<f64>(op, a, b, shape, [m, k, n]),
        DType::I64 => run::<i64>(op, a, b, shape, [m, k, n]),
        DType::Bool => unreachable!("check_dtypes refuses booleans"),
    }
}

/// The transpose of the last two dimensions.
fn mt(x: &Tensor) -> Result<Tensor> {
    x.transpose(-2, -1)
}

/// The product of matrices, or of batches of equal rank.
fn multiply(op: &'static str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    let value = product(op, a.value(), b.value())?;
    let [left, right] = gradients(a, b);
    let name = if a.dim() == 2 { "MmBackward0" } else { "BmmBackward0" };
    Ok(record(name, value, [edge(a, b, left), edge(b, a, right)]))
}

/// What makes of the product's gradient that of an operand, given the other one.
type Gradient = fn(&Grad<'_>, &Tensor) -> Result<Tensor>;

/// The gradients of a product, each laid out as its operand is: that of a transposed weight, transposed again, is row-major.
fn gradients(a: &Tensor, b: &Tensor) -> [Gradient; 2] {
    let transposed = |x: &Tensor| matches!(x.value().layout.strides(), [.., 1, columns] if *columns != 1);
    fn with(a: &Tensor, b: &Tensor) -> Result<Tensor> {
        multiply("matmul", a, b)
    }
    [
        if transposed(a) { |g, b| mt(&with(b, &mt(g)?)?) } else { |g, b| with(g, &mt(b)?) },
        if transposed(b) { |g, a| mt(&with(&mt(g)?, a)?) } else { |g, a| with(&mt(a)?, g) },
    ]
}

fn check_dtypes(op: &'static str, a: &Tensor, b: &Tensor) -> Result<()> {
    Error::check_same(op, ("left side", a.dtype()), ("right side", b.dtype()))?;
    if a.dtype() == DType::Bool {
        return Err(Error::DType { op, expected: "numbers", got: DType::Bool });
    }
    Ok(())
}

fn check_rank(op: &'static str, x: &Tensor, rank: usize) -> Result<()> {
    if x.dim() == rank { Ok(()) } else { Err(Error::shape(op, format!("{rank} dimensions"), x.shape())) }
}

/// An error unless `a`'s last dimension equals dimension `d` of `b`.
fn check_inner(op: &'static str, a: &Tensor, b: &Tensor, d: usize) -> Result<()> {
    let k = a.shape()[a.dim() - 1];
    if b.shape()[d] == k {
        return Ok(());
    }
    let expected = format!("size {k} in dimension {d} of the right side, to follow shape {}", a.shape());
    Err(Error::shape(op, expected, b.shape()))
}

/// Matrix products. Operands must have one dtype.
impl Tensor {
    /// The product of two matrices: `(m, k) · (k, n)`.
    ///
    /// [`torch.mm`](https://docs.pytorch.org/docs/stable/generated/torch.mm.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for other ranks or inner sizes that differ, [`Error::DType`] for dtypes that do.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let x = Tensor::from([[1, 2], [3, 4]]).mm(&Tensor::from([[1], [1]]))?;
    /// assert_eq!(x, Tensor::from([[3], [7]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn mm(&self, other: &Tensor) -> Result<Tensor> {
        check_dtypes("mm", self, other)?;
        check_rank("mm", self, 2)?;
        check_rank("mm", other, 2)?;
        check_inner("mm", self, other, 0)?;
        multiply("mm", self, other)
    }

    /// The products of two batches of matrices: `(b, m, k) · (b, k, n)`.
    ///
    /// [`torch.bmm`](https://docs.pytorch.org/docs/stable/generated/torch.bmm.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for other ranks, batches or inner sizes that differ, [`Error::DType`] for dtypes that do.
    ///
    /// ```
    /// let x = downhill::ones([5, 2, 3])?.bmm(&downhill::ones([5, 3, 4])?)?;
    /// assert_eq!(x.shape(), &[5, 2, 4]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn bmm(&self, other: &Tensor) -> Result<Tensor> {
        check_dtypes("bmm", self, other)?;
        check_rank("bmm", self, 3)?;
        check_rank("bmm", other, 3)?;
        if self.shape()[0] != other.shape()[0] {
            let expected =
                format!("a batch of {} matrices, to follow shape {}", self.shape()[0], self.shape());
            return Err(Error::shape("bmm", expected, other.shape()));
        }
        check_inner("bmm", self, other, 1)?;
        multiply("bmm", self, other)
    }

    /// The product of a matrix and a vector: `(m, k) · (k)`.
    ///
    /// [`torch.mv`](https://docs.pytorch.org/docs/stable/generated/torch.mv.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for other ranks or sizes that differ, [`Error::DType`] for dtypes that do.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).mv(&Tensor::from([1, 1]))?, Tensor::from([3, 7]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn mv(&self, vector: &Tensor) -> Result<Tensor> {
        check_dtypes("mv", self, vector)?;
        check_rank("mv", self, 2)?;
        check_rank("mv", vector, 1)?;
        check_inner("mv", self, vector, 0)?;
        let column = vector.value().with_layout(vector.value().layout.unsqueeze(1));
        let value = product("mv", self.value(), &column)?;
        let value = value.with_layout(Layout::contiguous(value.shape().without(1)));
        let left = edge(self, vector, |g, v| g.unsqueeze(1)?.mul(&v.unsqueeze(0)?));
        let right = edge(vector, self, |g, m| m.t()?.mv(g));
        Ok(record("MvBackward0", value, [left, right]))
    }

    /// The inner product of two vectors.
    ///
    /// [`torch.dot`](https://docs.pytorch.org/docs/stable/generated/torch.dot.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for other ranks or sizes that differ, [`Error::DType`] for dtypes that do.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([1, 2]).dot(&Tensor::from([3, 4]))?.item::<i64>()?, 11);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn dot(&self, other: &Tensor) -> Result<Tensor> {
        check_dtypes("dot", self, other)?;
        check_rank("dot", self, 1)?;
        check_rank("dot", other, 1)?;
        check_inner("dot", self, other, 0)?;
        let row = self.value().with_layout(self.value().layout.unsqueeze(0));
        let column = other.value().with_layout(other.value().layout.unsqueeze(1));
        let value = product("dot", &row, &column)?;
        let value = value.with_layout(Layout::contiguous(Shape::SCALAR));
        let left = edge(self, other, |g, b| g.mul(b));
        let right = edge(other, self, |g, a| g.mul(a));
        Ok(record("DotBackward0", value, [left, right]))
    }

    /// The matrix product of tensors of any rank: vectors are rows or columns, leading dimensions are batches and
    /// broadcast.
    ///
    /// [`torch.matmul`](https://docs.pytorch.org/docs/stable/generated/torch.matmul.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for 0-d operands or inner sizes that differ, [`Error::Broadcast`] for batches that do not fit,
    /// [`Error::DType`] for dtypes that differ.
    ///
    /// ```
    /// let x = downhill::ones([5, 1, 2, 3])?.matmul(&downhill::ones([7, 3, 4])?)?;
    /// assert_eq!(x.shape(), &[5, 7, 2, 4]);
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[doc(alias = "__matmul__")]
    pub fn matmul(&self, other: &Tensor) -> Result<Tensor> {
        let op = "matmul";
        check_dtypes(op, self, other)?;
        match (self.dim(), other.dim()) {
            (0, _) => Err(Error::shape(op, "at least one dimension", self.shape())),
            (_, 0) => Err(Error::shape(op, "at least one dimension", other.shape())),
            (1, 1) => self.dot(other),
            (2, 1) => self.mv(other),
            (2, 2) => self.mm(other),
            (1, 2) => {
                check_inner(op, self, other, 0)?;
                self.unsqueeze(0)?.mm(other)?.squeeze_dim(0)
            }
            (1, r) => {
                check_inner(op, self, other, r - 2)?;
                self.unsqueeze(0)?.matmul(other)?.squeeze_dim(-2)
            }
            (_, 1) => {
                check_inner(op, self, other, 0)?;
                self.matmul(&other.unsqueeze(1)?)?.squeeze_dim(-1)
            }
            (r, 2) => {
                // One product of all rows.
                check_inner(op, self, other, 0)?;
                let (rows, k, n) = (&self.shape()[..r - 1], self.shape()[r - 1], other.shape()[1]);
                let flat = self.reshape([rows.iter().product(), k])?.mm(other)?;
                let shape = [rows, &[n]].concat();
                flat.reshaped_as("UnsafeViewBackward0", &Shape::new(op, &shape)?)
            }
            (r, s) => {
                check_inner(op, self, other, s - 2)?;
                let (batch_a, batch_b) =
                    (Shape::of(&self.shape()[..r - 2]), Shape::of(&other.shape()[..s - 2]));
                let batch = Shape::broadcast(op, &batch_a, &batch_b)?;
                let with = |x: &Tensor| Shape::new(op, &[&*batch, &x.shape()[x.dim() - 2..]].concat());
                let (a, b) = (self.expanded(&with(self)?), other.expanded(&with(other)?));
                let y = multiply(op, &a, &b)?;
                y.reshaped_as("UnsafeViewBackward0", y.shape())
            }
        }
    }

    /// `beta · self + alpha · a · b` for matrices `a` and `b`, with `self` broadcast: what a linear layer computes.
    ///
    /// [`torch.addmm`](https://docs.pytorch.org/docs/stable/generated/torch.addmm.html). With `beta` 0, `self` is not
    /// read: its NaNs do not show.
    ///
    /// # Errors
    /// What [`mm`](Self::mm) refuses, [`Error::Broadcast`] if `self` does not expand to the product's shape,
    /// [`Error::Argument`] for float factors of integer matrices.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let bias = Tensor::from([10, 20]);
    /// let y = bias.addmm(&Tensor::from([[1, 2]]), &Tensor::from([[1, 0], [0, 1]]), 1, 1)?;
    /// assert_eq!(y, Tensor::from([[11, 22]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn addmm(
        &self,
        a: &Tensor,
        b: &Tensor,
        beta: impl Into<Number>,
        alpha: impl Into<Number>,
    ) -> Result<Tensor> {
        let op = "addmm";
        let (beta, alpha) = (beta.into(), alpha.into());
        check_dtypes(op, a, b)?;
        check_dtypes(op, a, self)?;
        check_rank(op, a, 2)?;
        check_rank(op, b, 2)?;
        check_inner(op, a, b, 0)?;
        if !a.dtype().is_float() && [beta, alpha].iter().any(|n| matches!(n, Number::Float(_))) {
            return Err(Error::argument(op, "integer matrices take integer factors"));
        }
        let value = affine(op, self, a.value(), b.value(), beta, alpha)?;
        let [left, right] = gradients(a, b);
        Ok(record(
            "AddmmBackward0",
            value,
            [
                edge(self, &beta, |g, &beta| scaled(g, beta)),
                edge(a, &(b.clone(), alpha), move |g, (b, alpha)| scaled(&left(g, b)?, *alpha)),
                edge(b, &(a.clone(), alpha), move |g, (a, alpha)| scaled(&right(g, a)?, *alpha)),
            ],
        ))
    }

    /// `self · weightᵀ + bias` for matrices, as one operation: what a linear layer computes.
    ///
    /// [`torch.nn.functional.linear`](https://docs.pytorch.org/docs/stable/generated/torch.nn.functional.linear.html), which
    /// `downhill::nn::functional::linear` extends to other ranks.
    ///
    /// # Errors
    /// [`Error::DType`] for operands of different dtypes, [`Error::Shape`] unless `self` and `weight` have two dimensions and rows of
    /// one length, [`Error::Broadcast`] if `bias` does not expand to the product's shape.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let y = Tensor::from([[1, 2]]).linear(&Tensor::from([[1, 0], [0, 1], [1, 1]]), &Tensor::from([10, 20, 30]))?;
    /// assert_eq!(y, Tensor::from([[11, 22, 33]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    pub fn linear(&self, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
        let op = "linear";
        check_dtypes(op, self, weight)?;
        check_dtypes(op, self, bias)?;
        check_rank(op, self, 2)?;
        check_rank(op, weight, 2)?;
        check_inner(op, self, weight, 1)?;
        let transposed = weight.value().with_layout(weight.value().layout.permute(&[1, 0]));
        let value = affine(op, bias, self.value(), &transposed, 1.into(), 1.into())?;
        let [left, _] = gradients(self, weight);
        Ok(record(
            "AddmmBackward0",
            value,
            [
                edge(bias, &(), |g, ()| Ok((**g).clone())),
                edge(self, weight, move |g, w| left(g, &mt(w)?)),
                edge(weight, self, |g, x| multiply("matmul", &mt(g)?, x)),
            ],
        ))
    }

    fn reshaped_as(&self, name: &'static str, shape: &Shape) -> Result<Tensor> {
        let value = self.value().contiguous("matmul")?.with_layout(Layout::contiguous(*shape));
        Ok(record(name, value, [edge(self, self.shape(), |g, shape| g.reshape(shape))]))
    }
}

/// Triangles of matrices.
impl Tensor {
    /// The elements of the last two dimensions on and below a diagonal, zeros above it. Diagonal 0 is the main one,
    /// positive ones are above it.
    ///
    /// [`torch.tril`](https://docs.pytorch.org/docs/stable/generated/torch.tril.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than two dimensions.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).tril(0)?, Tensor::from([[1, 0], [3, 4]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn tril(&self, diagonal: i64) -> Result<Tensor> {
        self.check_matrices("tril")?;
        let kept = |row: i64, n| 0..(row.saturating_add(diagonal).saturating_add(1)).clamp(0, n);
        let value = self.triangle("tril", kept)?;
        Ok(record("TrilBackward0", value, [edge(self, &diagonal, |g, &diagonal| g.tril(diagonal))]))
    }

    /// The elements of the last two dimensions on and above a diagonal, zeros below it.
    ///
    /// [`torch.triu`](https://docs.pytorch.org/docs/stable/generated/torch.triu.html).
    ///
    /// # Errors
    /// [`Error::Shape`] for fewer than two dimensions.
    ///
    /// ```
    /// use downhill::Tensor;
    /// assert_eq!(Tensor::from([[1, 2], [3, 4]]).triu(1)?, Tensor::from([[0, 2], [0, 0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn triu(&self, diagonal: i64) -> Result<Tensor> {
        self.check_matrices("triu")?;
        let value = self.triangle("triu", |row, n| row.saturating_add(diagonal).clamp(0, n)..n)?;
        Ok(record("TriuBackward0", value, [edge(self, &diagonal, |g, &diagonal| g.triu(diagonal))]))
    }

    fn check_matrices(&self, op: &'static str) -> Result<()> {
        if self.dim() >= 2 { Ok(()) } else { Err(Error::shape(op, "at least two dimensions", self.shape())) }
    }

    /// Of each row of each matrix, given its number and length, the columns that `kept` says; zeros elsewhere.
    fn triangle(&self, op: &'static str, kept: impl Fn(i64, i64) -> std::ops::Range<i64>) -> Result<Array> {
        let shape = *self.shape();
        let (rows, n) = (shape[shape.rank() - 2], shape[shape.rank() - 1]);
        let x = self.value().contiguous(op)?;
        dispatch!(x.dtype(), T => Array::build(op, shape, |out: &mut [T]| {
            let x = x.slice::<T>().unwrap_or_default();
            let lines = out.chunks_exact_mut(n.max(1)).zip(x.chunks_exact(n.max(1)));
            for (i, (out, x)) in lines.enumerate() {
                let kept = kept((i % rows) as i64, n as i64);
                let kept = kept.start as usize..kept.end as usize;
                out.fill(T::default());
                out[kept.clone()].copy_from_slice(&x[kept]);
            }
        }))
    }
}

/// `beta · bias + alpha · a · b` for matrices.
fn affine(
    op: &'static str,
    bias: &Tensor,
    a: &Array,
    b: &Array,
    beta: Number,
    alpha: Number,
) -> Result<Array> {
    let shape = a.shape().with(op, 1, b.shape()[1])?;
    if Shape::broadcast(op, bias.shape(), &shape)? != shape {
        return Err(Error::Broadcast { op, lhs: Box::new(*bias.shape()), rhs: Box::new(shape) });
    }
    let mut value = product(op, a, b)?;
    let bias = bias.value().expand(&shape);
    dispatch!(value.dtype(), T => add_bias::<T>(op, &mut value, &bias, beta, alpha))?;
    Ok(value)
}

fn scaled(x: &Tensor, factor: Number) -> Result<Tensor> {
    if factor.cast::<f64>() == 1.0 { Ok(x.clone()) } else { x.mul(factor) }
}

/// `value = beta · bias + alpha · value`, in place.
fn add_bias<T: Element>(
    op: &'static str,
    value: &mut Array,
    bias: &Array,
    beta: Number,
    alpha: Number,
) -> Result<()> {
    let (b, a) = (beta.cast::<T>(), alpha.cast::<T>());
    let (skip, plain) = (beta.cast::<f64>() == 0.0, (beta.cast::<f64>(), alpha.cast::<f64>()) == (1.0, 1.0));
    let columns = value.shape()[1].max(1);
    // One row for all, or a row each.
    let same = bias.layout.strides() == [0, 1];
    let bias = if same { bias.clone() } else { bias.contiguous(op)? };
    let bias = bias.raw::<T>();
    let rows = (1 << 13) / columns + 1;
    parallel::for_chunks(value.make_mut::<T>(op)?, rows * columns, 1, &|start, chunk| {
        for (i, row) in chunk.chunks_exact_mut(columns).enumerate() {
            let bias = &bias[if same { 0 } else { start + i * columns }..][..columns];
            for (y, &x) in row.iter_mut().zip(bias) {
                *y = match (plain, skip) {
                    (true, _) => y.plus(x),
                    (_, true) => a.times(*y),
                    _ => a.times(*y).plus(b.times(x)),
                };
            }
        }
    });
    Ok(())
}
