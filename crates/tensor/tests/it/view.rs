//! Views: random chains of them against index arithmetic.

use downhill_tensor::check::{gradcheck, gradgradcheck};
use downhill_tensor::{Error, MAX_RANK, Result, Slice, Tensor, arange, zeros};
use proptest::prelude::*;

/// The same elements as a view and as a plain list.
#[derive(Clone, Debug)]
struct Both {
    view: Tensor,
    shape: Vec<usize>,
    elements: Vec<i64>,
}

impl Both {
    fn new(shape: &[usize]) -> Self {
        let n: usize = shape.iter().product();
        let elements: Vec<i64> = (0..n as i64).collect();
        let view = Tensor::from_vec(elements.clone(), shape.to_vec()).unwrap();
        Self { view, shape: shape.to_vec(), elements }
    }

    /// What `view` shows if its element at a place is this one's at `from` of that place.
    fn read(&self, view: Tensor, shape: Vec<usize>, from: impl Fn(&[usize]) -> Vec<usize>) -> Self {
        let strides = |shape: &[usize]| -> Vec<usize> {
            (0..shape.len()).map(|d| shape[d + 1..].iter().product()).collect()
        };
        let (old, new) = (strides(&self.shape), strides(&shape));
        let n: usize = shape.iter().product();
        let place = |p: usize| -> Vec<usize> { (0..shape.len()).map(|d| p / new[d] % shape[d]).collect() };
        let at = |p: usize| from(&place(p)).iter().zip(&old).map(|(i, s)| i * s).sum::<usize>();
        let elements = (0..n).map(|p| self.elements[at(p)]).collect();
        Self { view, shape, elements }
    }

    /// One view operation, chosen by numbers.
    fn step(&self, kind: u8, a: usize, b: usize) -> Result<Self> {
        let (x, rank) = (&self.view, self.shape.len());
        let d = a % rank.max(1);
        let size = self.shape.get(d).copied().unwrap_or(1);
        let mut shape = self.shape.clone();
        Ok(match kind {
            0 if rank > 0 => {
                // A range with a step.
                let (start, step) = (b % (size + 1), 1 + b / 7 % 3);
                let mut slices = vec![Slice::from(..); rank];
                slices[d] = Slice::from(start..).step(step);
                shape[d] = (size - start).div_ceil(step);
                self.read(x.slice(&slices[..])?, shape, |p| {
                    let mut p = p.to_vec();
                    p[d] = start + p[d] * step;
                    p
                })
            }
            1 if rank > 0 && size > 0 => {
                let i = b % size;
                shape.remove(d);
                self.read(x.select(d as isize - rank as isize, i as i64 - size as i64)?, shape, |p| {
                    let mut p = p.to_vec();
                    p.insert(d, i);
                    p
                })
            }
            2 if rank > 0 => {
                let e = b % rank;
                shape.swap(d, e);
                self.read(x.transpose(d as isize, e as isize)?, shape, |p| {
                    let mut p = p.to_vec();
                    p.swap(d, e);
                    p
                })
            }
            3 if rank > 0 => {
                let mut order: Vec<usize> = (0..rank).collect();
                order.rotate_left(d);
                let moved = order.iter().map(|&d| shape[d]).collect();
                self.read(x.permute(&order[..])?, moved, |p| {
                    let mut from = vec![0; rank];
                    order.iter().zip(p).for_each(|(&d, &i)| from[d] = i);
                    from
                })
            }
            4 if rank < MAX_RANK => {
                let d = a % (rank + 1);
                shape.insert(d, 1);
                let y = x.unsqueeze(d as isize)?;
                self.read(y, shape, |p| [&p[..d], &p[d + 1..]].concat())
            }
            5 if rank > 0 && size == 1 => {
                let n = b % 4;
                shape[d] = n;
                let sizes: Vec<i64> = (0..rank).map(|e| if e == d { n as i64 } else { -1 }).collect();
                self.read(x.expand(sizes)?, shape, |p| {
                    let mut p = p.to_vec();
                    p[d] = 0;
                    p
                })
            }
            6 => {
                let dims: Vec<usize> = (0..rank).filter(|&d| shape[d] != 1).collect();
                let squeezed = dims.iter().map(|&d| shape[d]).collect();
                self.read(x.squeeze(), squeezed, |p| {
                    let mut from = vec![0; rank];
                    dims.iter().zip(p).for_each(|(&d, &i)| from[d] = i);
                    from
                })
            }
            7 if rank > 1 && d + 1 < rank => {
                let merged = shape[d] * shape[d + 1];
                shape.splice(d..d + 2, [merged]);
                let y = x.flatten(d as isize, d as isize + 1)?;
                Self { view: y, shape, elements: self.elements.clone() }
            }
            8 if rank > 0 && rank < MAX_RANK && size % 2 == 0 => {
                shape.splice(d..=d, [size / 2, 2]);
                let sizes: Vec<usize> = shape.clone();
                Self { view: x.reshape(sizes)?, shape, elements: self.elements.clone() }
            }
            _ => self.clone(),
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn chains_of_views_show_what_index_arithmetic_says(
        shape in prop::collection::vec(0_usize..5, 0..4),
        steps in prop::collection::vec((0_u8..9, 0_usize..100, 0_usize..100), 0..9),
    ) {
        let mut both = Both::new(&shape);
        for (kind, a, b) in steps {
            both = both.step(kind, a, b)?;
            prop_assert_eq!(&both.view.shape()[..], &both.shape[..]);
            prop_assert_eq!(both.view.to_vec::<i64>()?, both.elements.clone());
            // Loops read the view's strides, copies do not.
            prop_assert_eq!(both.view.add(&both.view.contiguous())?, both.view.mul(2)?);
        }
        let y = both.view.to_dtype(downhill_tensor::DType::F64).requires_grad_()?;
        y.slice((Slice::Ellipsis,))?.sum().backward()?;
        prop_assert_eq!(y.grad().unwrap(), y.detach().ones_like());
    }

    #[test]
    fn ranges_are_pythons(size in 0_i64..6, start in prop::option::of(-8_i64..8), end in prop::option::of(-8_i64..8), step in 1_usize..4) {
        let x = arange(0, size, 1)?;
        // Python's rule, entry by entry.
        let from_front = |i: i64| if i < 0 { i + size } else { i };
        let (first, after) = (start.map_or(0, from_front).max(0), end.map_or(size, from_front));
        let expected: Vec<i64> = (0..size).filter(|&i| i >= first && i < after && (i - first) % step as i64 == 0).collect();
        prop_assert_eq!(x.slice(Slice::Range { start, end, step })?.to_vec::<i64>()?, expected.clone());
        if step == 1 {
            let found = match (start, end) {
                (Some(a), Some(b)) => x.slice(a..b),
                (Some(a), None) => x.slice(a..),
                (None, Some(b)) => x.slice(..b),
                (None, None) => x.slice(..),
            };
            prop_assert_eq!(found?.to_vec::<i64>()?, expected.clone());
            // `..=-1` reaches the last entry, as `..0` does not.
            if let Some(end) = end.filter(|&end| end != 0) {
                prop_assert_eq!(x.slice(..=end - 1)?, x.slice(..end)?);
            }
        }
    }
}

#[test]
fn slices_mix_ranges_indices_and_new_dimensions() -> Result<()> {
    let x = arange(0, 24, 1)?.reshape([2, 3, 4])?;
    assert_eq!(x.slice((1, .., 1..3))?, Tensor::from([[13, 14], [17, 18], [21, 22]]));
    assert_eq!(x.slice((-1, -1, -1))?, Tensor::from(23));
    assert_eq!(x.slice([0, 1])?, Tensor::from([4, 5, 6, 7]));
    assert_eq!(x.slice(..=-1)?, x);
    assert_eq!(x.slice((.., ..=0, 1..=2))?, Tensor::from([[[1, 2]], [[13, 14]]]));
    assert_eq!(x.slice(1_usize..9)?.shape(), &[1, 3, 4]);
    assert_eq!(x.slice((Slice::Ellipsis, Slice::from(..).step(usize::MAX)))?.shape(), &[2, 3, 1]);
    assert_eq!(x.slice((0, Slice::Ellipsis, Slice::NewAxis))?.shape(), &[3, 4, 1]);
    assert_eq!(x.slice((Slice::NewAxis, 0, 0, Slice::NewAxis, 0, Slice::Ellipsis))?.shape(), &[1, 1]);
    assert_eq!(x.slice(i64::MIN..i64::MAX)?, x);
    assert_eq!(Tensor::from(5).slice(Slice::Ellipsis)?, Tensor::from(5));
    Ok(())
}

#[test]
fn wrong_slices_are_errors_that_name_the_numbers() -> Result<()> {
    let x = zeros([2, 3])?;
    let text = |result: Result<Tensor>| result.unwrap_err().to_string();
    assert_eq!(text(x.slice(2)), "slice: index 2 is out of bounds for size 2");
    assert_eq!(text(x.slice((.., -4))), "slice: index -4 is out of bounds for size 3");
    assert_eq!(
        text(x.slice((0, 0, 0))),
        "slice: expected at least 3 dimensions for as many slices, but got shape [2, 3]"
    );
    assert_eq!(text(x.slice(Slice::from(..).step(0))), "slice: a step must not be 0");
    assert_eq!(text(x.slice((Slice::Ellipsis, Slice::Ellipsis))), "slice: one ellipsis at most");
    assert!(matches!(zeros([1; 8])?.slice(Slice::NewAxis), Err(Error::Argument { .. })));
    Ok(())
}

#[test]
fn a_tensor_is_a_sequence_of_its_entries() -> Result<()> {
    let x = Tensor::from([[1.0_f64, 2.0], [3.0, 4.0], [5.0, 6.0]]).requires_grad_()?;
    assert_eq!(x.iter().len(), 3);
    assert_eq!(x.iter().rev().map(|row| row.sum().item()).collect::<Result<Vec<f64>>>()?, [11.0, 7.0, 3.0]);
    let mut sum = Tensor::from(0.0);
    for (i, row) in (&x).into_iter().enumerate() {
        assert_eq!(row.grad_fn(), Some("UnbindBackward0"));
        sum = sum.add(&row.mul(i as f64)?.sum())?;
    }
    sum.backward()?;
    assert_eq!(x.grad().unwrap(), Tensor::from([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]));
    Ok(())
}

#[test]
fn views_have_first_and_second_derivatives() -> Result<()> {
    let n = 24;
    let x = Tensor::from((0..n).map(|i| (f64::from(i) * 0.7).sin()).collect::<Vec<_>>());
    let x = x.reshape([2, 3, 4])?.requires_grad_()?;
    let one = || x.slice((.., ..1)).unwrap().detach().requires_grad_().unwrap();
    let check = |f: &dyn Fn(&Tensor) -> Result<Tensor>, x: Tensor| {
        gradcheck(|x| f(&x[0].square()), std::slice::from_ref(&x)).unwrap();
        gradgradcheck(|x| f(&x[0].square()), &[x]).unwrap();
    };
    check(&|x| x.slice((1, Slice::from(..).step(2), 1..)), x.clone());
    check(&|x| x.slice((.., 5..)), x.clone());
    check(&|x| x.reshape([4, -1]), x.clone());
    check(&|x| x.transpose(0, 2)?.reshape([4, 6]), x.clone());
    check(&|x| x.view([6, 4]), x.clone());
    check(&|x| x.flatten(0, 1), x.clone());
    check(&|x| x.permute([2, 0, 1]), x.clone());
    check(&|x| x.unsqueeze(1), x.clone());
    check(&|x| x.narrow(2, 1, 2), x.clone());
    check(&|x| x.select(1, -1), x.clone());
    check(&|x| Ok(x.squeeze()), one());
    check(&|x| x.squeeze_dim([0, 1]), one());
    check(&|x| x.expand([3, 2, 3, 4]), one());
    check(&|x| Ok(x.transpose(0, 1)?.contiguous()), x.clone());
    Ok(())
}

#[test]
fn entries_far_into_a_view_are_reached_at_once() -> Result<()> {
    // Not 2^40, which 32 bits do not have.
    let (many, half) = (usize::MAX / 32, usize::MAX / 64);
    let x = Tensor::from([[1.0, 2.0]]).expand([many as i64, 2])?;
    let row = Tensor::from([1.0, 2.0]);
    assert_eq!(x.iter().nth(half), Some(row.clone()));
    assert_eq!(x.iter().nth_back(half), Some(row.clone()));
    assert_eq!(x.iter().skip(half).next_back(), Some(row.clone()));
    assert_eq!((x.iter().last(), x.iter().count()), (Some(row), many));
    let few = Tensor::from([1, 2, 3, 4]);
    let mut entries = few.iter();
    assert_eq!((entries.nth(1), entries.next_back()), (Some(Tensor::from(2)), Some(Tensor::from(4))));
    assert_eq!((entries.len(), entries.nth(5), entries.next()), (1, None, None));
    Ok(())
}
