//! Where an array's elements lie in its buffer. Views are arithmetic on this type; no element moves.

use crate::shape::{MAX_RANK, Shape};

/// Element `[i, j, …]` lies at `offset + i·strides[0] + j·strides[1] + …`.
///
/// Strides are products of a shape's sizes, and the offset is the place of an element: none overflows ([`Shape`]).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    strides: [usize; MAX_RANK],
    pub(crate) offset: usize,
}

impl Layout {
    /// Row-major, from the buffer's start.
    pub(crate) fn contiguous(shape: Shape) -> Self {
        let mut strides = [0; MAX_RANK];
        let mut step = 1;
        for (s, &d) in strides[..shape.rank()].iter_mut().zip(&*shape).rev() {
            *s = step;
            step *= d.max(1);
        }
        Self { shape, strides, offset: 0 }
    }

    pub(crate) fn strides(&self) -> &[usize] {
        &self.strides[..self.shape.rank()]
    }

    /// Whether the elements lie side by side in row-major order. Strides of dimensions of size 1 do not matter.
    pub(crate) fn is_contiguous(&self) -> bool {
        let mut step = 1;
        for (&d, &s) in self.shape.iter().zip(self.strides()).rev() {
            if d == 0 {
                return true;
            }
            if d != 1 {
                if s != step {
                    return false;
                }
                step *= d;
            }
        }
        true
    }

    /// Whether elements stand for several places.
    pub(crate) fn repeats(&self) -> bool {
        self.shape.iter().zip(self.strides()).any(|(&d, &s)| d > 1 && s == 0)
    }

    /// The dimensions from the farthest steps to the nearest, as they lie in memory; `None` if that is row-major, or elements repeat.
    pub(crate) fn order(&self) -> Option<Vec<usize>> {
        if self.is_contiguous() || self.repeats() {
            return None;
        }
        let mut order: Vec<usize> = (0..self.shape.rank()).collect();
        order.sort_by_key(|&d| std::cmp::Reverse(self.strides[d]));
        (!order.is_sorted()).then_some(order)
    }

    /// What [`permute`](Self::permute) made of this one's permutation.
    pub(crate) fn unpermute(&self, dims: &[usize]) -> Self {
        let mut back = [0; MAX_RANK];
        dims.iter().enumerate().for_each(|(to, &from)| back[from] = to);
        self.permute(&back[..dims.len()])
    }

    pub(crate) fn permute(&self, dims: &[usize]) -> Self {
        let mut out = *self;
        out.shape = self.shape.permute(dims);
        dims.iter().zip(&mut out.strides).for_each(|(&from, stride)| *stride = self.strides[from]);
        out
    }

    /// Entries `start, start + step, …` (`length` of them) of dimension `dim`.
    pub(crate) fn slice(&self, dim: usize, start: usize, step: usize, length: usize) -> Self {
        let mut out = *self;
        if length > 0 {
            out.offset += start * self.strides[dim];
        }
        out.shape = self.shape.reduced(dim, length);
        out.strides[dim] *= step;
        out
    }

    /// Entry `index` of dimension `dim`, which disappears.
    pub(crate) fn select(&self, dim: usize, index: usize) -> Self {
        let mut out = *self;
        out.offset += index * self.strides[dim];
        out.shape = self.shape.without(dim);
        out.strides[dim..].rotate_left(1);
        out
    }

    pub(crate) fn unsqueeze(&self, dim: usize) -> Self {
        let step = if dim < self.shape.rank() { self.strides[dim] * self.shape[dim] } else { 1 };
        let mut out = *self;
        out.shape = self.shape.unsqueeze(dim);
        out.strides[dim..].rotate_right(1);
        out.strides[dim] = step;
        out
    }

    /// Without the dimensions `drop` says, which must have size 1.
    pub(crate) fn squeeze(&self, drop: &[bool; MAX_RANK]) -> Self {
        let mut out = Self { shape: Shape::SCALAR, strides: [0; MAX_RANK], offset: self.offset };
        for (d, (&size, &stride)) in self.shape.iter().zip(self.strides()).enumerate() {
            if !drop[d] {
                out.strides[out.shape.rank()] = stride;
                out.shape.push(size);
            }
        }
        out
    }

    /// The first entry alone of the dimensions that `which` says, unless they are empty.
    pub(crate) fn cut(&self, which: impl Fn(usize) -> bool) -> Self {
        let mut out = *self;
        for d in (0..self.shape.rank()).filter(|&d| which(d) && self.shape[d] > 1) {
            out.shape = out.shape.reduced(d, 1);
        }
        out
    }

    /// Repeats dimensions of size 1 (and new leading ones) by stride 0. `shape` must be one this one broadcasts to.
    pub(crate) fn expand(&self, shape: &Shape) -> Self {
        let lead = shape.rank() - self.shape.rank();
        let mut out = Self { shape: *shape, strides: [0; MAX_RANK], offset: self.offset };
        for (d, (&size, &stride)) in self.shape.iter().zip(self.strides()).enumerate() {
            out.strides[lead + d] = if size == shape[lead + d] { stride } else { 0 };
        }
        out
    }

    /// These elements in the same order under another shape, if that needs no copy.
    pub(crate) fn view(&self, shape: &Shape) -> Option<Self> {
        if self.is_contiguous() {
            let mut out = Self::contiguous(*shape);
            out.offset = self.offset;
            return Some(out);
        }
        let mut out = Self { shape: *shape, strides: [0; MAX_RANK], offset: self.offset };
        let mut to = shape.rank();
        let mut from = self.shape.rank();
        // Walk groups of old dimensions that lie evenly in memory; each must be filled by whole new dimensions.
        while from > 0 {
            let inner = self.strides[from - 1];
            let mut size = self.shape[from - 1];
            from -= 1;
            while from > 0 && (self.shape[from - 1] == 1 || self.strides[from - 1] == inner * size) {
                size *= self.shape[from - 1];
                from -= 1;
            }
            let mut filled = 1;
            while to > 0 && (filled < size || shape[to - 1] == 1) {
                out.strides[to - 1] = inner * filled;
                filled *= shape[to - 1];
                to -= 1;
            }
            if filled != size {
                return None;
            }
        }
        (to == 0).then_some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transposed_matrix_is_viewed_only_where_rows_stay_whole() {
        let matrix = Layout::contiguous(Shape::of(&[2, 3]));
        let t = matrix.permute(&[1, 0]);
        assert!(t.view(&Shape::of(&[6])).is_none());
        assert_eq!(t.view(&Shape::of(&[3, 1, 2])).unwrap().strides()[0], 1);
        assert_eq!(matrix.view(&Shape::of(&[3, 2])).unwrap().strides(), [2, 1]);
    }

    #[test]
    fn size_one_dimensions_do_not_break_contiguity() {
        let layout = Layout::contiguous(Shape::of(&[4, 1, 3])).permute(&[1, 0, 2]);
        assert!(layout.is_contiguous());
    }
}
