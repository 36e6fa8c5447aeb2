//! The distances of all pairs of rows.

use crate::array::Array;
use crate::autograd::node::record;
use crate::autograd::{edge, fused};
use crate::dtype::dispatch;
use crate::kernel::parallel;
use crate::ops::compare::larger;
use crate::{Error, Float, Result, Shape, Tensor};

/// `‖a − b‖ₚ`, added up in `f64`.
#[inline]
fn distance<T: Float>(a: &[T], b: &[T], p: f64) -> f64 {
    let differences = || a.iter().zip(b).map(|(&x, &y)| (x - y).cast::<f64>().abs());
    let norm = |scale: f64| match p {
        2.0 => differences().map(|d| (d / scale) * (d / scale)).sum::<f64>().sqrt(),
        p => differences().map(|d| (d / scale).powf(p)).sum::<f64>().powf(p.recip()),
    };
    match p {
        0.0 => differences().map(|d| f64::from(u8::from(d != 0.0))).sum(),
        1.0 => differences().sum(),
        f64::INFINITY => differences().fold(0.0, larger),
        _ => match norm(1.0) {
            norm if norm.is_nan() || (1e-150..1e150).contains(&norm) => norm,
            // The powers may have left the range of f64.
            beyond => match differences().fold(0.0, larger) {
                scale if scale > 0.0 && scale.is_finite() => scale * norm(scale),
                _ => beyond,
            },
        },
    }
}

/// The derivative of a distance to one difference.
#[inline(always)]
fn slope(d: f64, distance: f64, p: f64) -> f64 {
    let size = d.abs();
    if d == 0.0 || distance == 0.0 || p == 0.0 || p == f64::INFINITY && size != distance {
        return 0.0;
    }
    let sign = if d.is_nan() { d } else { d.signum() };
    match p {
        1.0 | f64::INFINITY => sign,
        2.0 => d / distance,
        p => sign * (size / distance).powf(p - 1.0),
    }
}

/// The rows of both sides: `batch × rows × columns`, one after the other.
struct Pairs<'a, T> {
    own: &'a [T],
    other: &'a [T],
    rows: [usize; 2],
    columns: usize,
    p: f64,
}

impl<T: Float> Pairs<'_, T> {
    fn distances(&self, out: &mut [T]) {
        let (Self { own, other, columns, p, .. }, [rows, others]) = (self, self.rows);
        parallel::for_chunks(out, others, *columns, &|start, out| {
            let row = start / others;
            let (a, first) = (&own[row * columns..][..*columns], row / rows * others);
            for (o, b) in out.iter_mut().zip(other[first * columns..].chunks_exact(*columns)) {
                *o = T::of_f64(distance(a, b, *p));
            }
        });
    }

    /// The gradient of one side's rows, where `at` is the place of a pair: batch, row of this side, row of the other.
    fn gradient(&self, g: &[T], y: &[T], at: &(dyn Fn([usize; 3]) -> usize + Sync), out: &mut [T]) {
        let (Self { own, other, columns, p, .. }, [rows, others]) = (self, self.rows);
        parallel::for_chunks(out, *columns, others, &|start, out| {
            let row = start / columns;
            let (a, batch) = (&own[start..][..*columns], row / rows);
            let mut sums = parallel::filled(*columns, 0.0);
            for j in 0..others {
                let pair = at([batch, row % rows, j]);
                let (g, y): (f64, f64) = (g[pair].cast(), y[pair].cast());
                let b = &other[(batch * others + j) * columns..][..*columns];
                for ((sum, &x), &z) in sums.iter_mut().zip(a).zip(b) {
                    *sum += g * slope((x - z).cast(), y, *p);
                }
            }
            out.iter_mut().zip(sums).for_each(|(o, sum)| *o = T::of_f64(sum));
        });
    }
}

/// The distances in tensor operations.
#[inline]
fn definition(a: &Tensor, b: &Tensor, p: f64) -> Result<Tensor> {
    let difference = a.unsqueeze(-2)?.sub(&b.unsqueeze(-3)?)?;
    if p.is_finite() {
        return difference.norm_dim(p, -1, false);
    }
    let largest = difference.detach().try_abs()?.amax(-1, true)?;
    // Every column that is as far gets all of the gradient, where a norm's would be shared.
    let back = edge(&difference, &(difference.detach(), largest.clone()), |g, (d, largest)| {
        Tensor::where_(&d.try_abs()?.eq(largest)?, &g.unsqueeze(-1)?.mul(&d.try_sign()?)?, 0.0)
    });
    Ok(record("CdistBackward0", largest.squeeze_dim(-1)?.into_value(), [back]))
}

/// Distances of rows.
impl Tensor {
    /// The distance of each row of `self` from each row of `other`: `[…, P, M]` and `[…, R, M]` give `[…, P, R]`.
    ///
    /// `‖aᵢ − bⱼ‖ₚ = (Σₘ |aᵢₘ − bⱼₘ|ᵖ)^(1/p)`; the largest difference for `p = ∞`, the number of differences for `p = 0`. Leading
    /// dimensions broadcast. The gradient where two rows are equal is 0. Nothing of `P·R·M` elements is made but for second derivatives.
    /// PyTorch's default takes products of rows from 25 rows on, which loses the digits of rows that are near.
    ///
    /// [`torch.cdist`](https://docs.pytorch.org/docs/stable/generated/torch.cdist.html), with
    /// `compute_mode="donot_use_mm_for_euclid_dist"`. It can be differentiated any number of times here, there once.
    ///
    /// # Errors
    /// [`Error::Shape`] for less than two dimensions and rows of two lengths, [`Error::Broadcast`] for leading dimensions that do not
    /// fit, [`Error::DType`] unless both are floats, [`Error::Argument`] for a `p` below 0 or NaN.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (a, b) = (Tensor::from([[0.0_f32, 0.0], [3.0, 0.0]]), Tensor::from([[3.0_f32, 4.0]]));
    /// assert_eq!(a.cdist(&b, 2.0)?, Tensor::from([[5.0_f32], [4.0]]));
    /// assert_eq!(a.cdist(&b, 1.0)?, Tensor::from([[7.0_f32], [4.0]]));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn cdist(&self, other: &Tensor, p: f64) -> Result<Tensor> {
        let op = "cdist";
        for x in [self, other] {
            x.dtype().check_float(op)?;
            if x.dim() < 2 {
                return Err(Error::shape(op, "rows, [.., rows, columns]", x.shape()));
            }
        }
        let columns = self.size(-1)?;
        if other.size(-1)? != columns {
            let expected = format!("rows of {columns} columns, as those of shape {}", self.shape());
            return Err(Error::shape(op, expected, other.shape()));
        }
        if p.is_nan() || p < 0.0 {
            return Err(Error::argument(op, format!("p must be at least 0, but is {p}")));
        }
        let split = |x: &Tensor| (Shape::of(&x.shape()[..x.dim() - 2]), x.shape()[x.dim() - 2]);
        let ((left, p_rows), (right, r_rows)) = (split(self), split(other));
        let batch = Shape::broadcast(op, &left, &right)?;
        let dtype = self.dtype().promote(other.dtype());
        let side = |x: &Tensor, rows: usize| {
            let shape = Shape::new(op, &[&batch[..], &[rows, columns]].concat())?;
            x.try_to_dtype(dtype)?.expand(&shape)?.try_contiguous()
        };
        let (a, b) = (side(self, p_rows)?, side(other, r_rows)?);
        let shape = Shape::new(op, &[&batch[..], &[p_rows, r_rows]].concat())?;
        if columns == 0 {
            // The distance of rows without columns, whatever they are computed from.
            return a.sum_dim(-1, true)?.expand(&shape);
        }
        let value = Tensor::constant(dispatch!(float dtype, T => Array::build(op, shape, |out: &mut [T]| {
            let [own, other] = [&a, &b].map(|x| x.value().slice().unwrap_or_default());
            Pairs { own, other, rows: [p_rows, r_rows], columns, p }.distances(out);
        }))?);
        let y = value.clone();
        let backward = move |i: usize, g: &Tensor, x: [&Tensor; 2]| {
            let (own, other, g) = (x[i], x[1 - i], g.try_contiguous()?);
            let place = |[batch, own, other]: [usize; 3]| {
                let [row, column] = if i == 0 { [own, other] } else { [other, own] };
                (batch * p_rows + row) * r_rows + column
            };
            let rows = if i == 0 { [p_rows, r_rows] } else { [r_rows, p_rows] };
            // The sums of a row.
            let scratch = parallel::bytes::<f64>(columns);
            let value = dispatch!(float dtype, T => Array::build_beside(op, *own.shape(), scratch, |out: &mut [T]| {
                let [own, other, g, y] = [own, other, &g, &y].map(|x| x.value().slice().unwrap_or_default());
                Pairs { own, other, rows, columns, p }.gradient(g, y, &place, out);
            }));
            Ok(Tensor::constant(value?))
        };
        Ok(fused("CdistBackward0", [&a, &b], value, backward, move |[a, b]| definition(a, b, p)))
    }
}
