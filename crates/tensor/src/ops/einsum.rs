//! Sums of products that an equation names.

use crate::shape::MAX_RANK;
use crate::{Error, Result, Tensor};

const OP: &str = "einsum";

/// A dimension's name: a letter, or for those of an ellipsis the place from the right, below [`MAX_RANK`].
type Label = u8;

/// The names of the dimensions of one operand. An ellipsis stands for `rank` without those that have names.
#[inline]
fn labels(text: &str, x: &Tensor) -> Result<Vec<Label>> {
    let parts: Vec<&str> = text.split("...").collect();
    let named: usize = parts.iter().map(|part| part.len()).sum();
    let covered = x.dim().checked_sub(named);
    let letters = parts.iter().all(|part| part.bytes().all(|b| b.is_ascii_alphabetic()));
    if !letters || parts.len() > 2 {
        return Err(Error::argument(OP, format!("{text:?} is not letters with one ellipsis at most")));
    }
    match covered {
        Some(0) => {}
        Some(_) if parts.len() == 2 => {}
        _ => return Err(Error::shape(OP, format!("a dimension for each name in {text:?}"), x.shape())),
    }
    let ellipsis = (MAX_RANK - covered.unwrap_or(0)..MAX_RANK).map(|place| place as Label);
    let after = parts.get(1).into_iter().flat_map(|part| part.bytes());
    Ok(parts[0].bytes().chain(ellipsis).chain(after).collect())
}

/// The names of the result's dimensions: those after the arrow, or each that is there once, in order of the alphabet.
#[inline]
fn result(text: Option<&str>, inputs: &[Label]) -> Result<Vec<Label>> {
    let mut ellipsis: Vec<Label> = inputs.iter().copied().filter(|&l| usize::from(l) < MAX_RANK).collect();
    ellipsis.sort_unstable();
    ellipsis.dedup();
    let Some(text) = text else {
        let twice = |l: &Label| inputs.iter().skip_while(|other| *other != l).skip(1).any(|other| other == l);
        let once = |l: &Label| l.is_ascii_alphabetic() && !twice(l);
        let mut letters: Vec<Label> = inputs.iter().copied().filter(once).collect();
        letters.sort_unstable();
        return Ok([ellipsis, letters].concat());
    };
    let (before, after) = text.split_once("...").unwrap_or((text, ""));
    let letters = before.bytes().chain(after.bytes());
    for (i, letter) in letters.clone().enumerate() {
        if !letter.is_ascii_alphabetic()
            || !inputs.contains(&letter)
            || letters.clone().take(i).any(|l| l == letter)
        {
            let message =
                format!("{:?} in the result {text:?} is in no operand, or there twice", letter as char);
            return Err(Error::argument(OP, message));
        }
    }
    let ellipsis = if text.contains("...") { ellipsis } else { Vec::new() };
    Ok(before.bytes().chain(ellipsis).chain(after.bytes()).collect())
}

/// The diagonal of dimensions of one name, in the place of the first.
#[inline]
fn diagonal(mut x: Tensor, mut names: Vec<Label>) -> Result<(Tensor, Vec<Label>)> {
    while let Some(j) = (1..names.len()).find(|&j| names[..j].contains(&names[j])) {
        let i = names.iter().position(|&l| l == names[j]).unwrap_or(0);
        if x.shape()[i] != x.shape()[j] {
            let expected = format!("equal sizes of the dimensions named {:?}", names[j] as char);
            return Err(Error::shape(OP, expected, x.shape()));
        }
        let along = crate::arange(0, x.shape()[i] as i64, 1)?;
        let rest = (0..names.len()).filter(|&d| d != i && d != j);
        let order: Vec<isize> = [i, j].into_iter().chain(rest).map(|d| d as isize).collect();
        x = x.permute(&order[..])?.index([&along, &along])?;
        let name = names.remove(j);
        names.remove(i);
        names.insert(0, name);
    }
    Ok((x, names))
}

/// `x` with the dimensions of these names in this order: 1 for those that it lacks, and what it has of size 1 repeated to the size.
#[inline]
fn arranged(x: &Tensor, names: &[Label], order: &[(Label, usize)], repeat: bool) -> Result<Tensor> {
    let own: Vec<isize> =
        order.iter().filter_map(|(l, _)| names.iter().position(|n| n == l).map(|d| d as isize)).collect();
    let x = x.permute(&own[..])?;
    let size = |(l, _): &(Label, usize)| own_size(&x, order, names, *l);
    let ones: Vec<usize> = order.iter().map(size).collect();
    let x = x.reshape(&ones[..])?;
    if !repeat {
        return Ok(x);
    }
    x.expand(&order.iter().map(|(_, n)| *n as i64).collect::<Vec<_>>()[..])
}

/// The size of the dimension of this name of an operand in that order, 1 if it has none.
#[inline]
fn own_size(x: &Tensor, order: &[(Label, usize)], names: &[Label], label: Label) -> usize {
    let before = order.iter().take_while(|(l, _)| *l != label).filter(|(l, _)| names.contains(l)).count();
    if names.contains(&label) { x.shape()[before] } else { 1 }
}

/// Sums of products.
impl Tensor {
    /// The sum of products of two tensors over the dimensions that the equation leaves out: in `"ij,jk->ik"`, `Σⱼ aᵢⱼ bⱼₖ`.
    ///
    /// Each letter names a dimension, in both operands the same one, of equal sizes or 1. Those that the part after the arrow does not
    /// name are summed over. Without an arrow the result has each letter that is there once, in order of the alphabet, capitals first. A
    /// letter twice in one operand is its diagonal; `...` stands for all dimensions without a name, which broadcast and come first. Spaces
    /// mean nothing. It is one matrix product ([`bmm`](Self::bmm)), or without a sum over both one product of elements.
    ///
    /// [`torch.einsum`](https://docs.pytorch.org/docs/stable/generated/torch.einsum.html), for two operands.
    ///
    /// # Errors
    /// [`Error::Argument`] for an equation that cannot be read or has not two operands, [`Error::Shape`] for operands that do not have its
    /// dimensions, [`Error::DType`] for a matrix product of two dtypes or of booleans.
    ///
    /// ```
    /// use downhill::Tensor;
    /// let (a, b) = (Tensor::from([[1.0_f32, 2.0], [3.0, 4.0]]), Tensor::from([10.0_f32, 1.0]));
    /// assert_eq!(Tensor::einsum("ij,j->i", &a, &b)?, Tensor::from([12.0_f32, 34.0]));
    /// assert_eq!(Tensor::einsum("i,j", &b, &b)?, Tensor::from([[100.0_f32, 10.0], [10.0, 1.0]]));
    /// assert_eq!(Tensor::einsum("ii,ii->", &a, &a)?, Tensor::from(17.0_f32));
    /// # Ok::<(), downhill::Error>(())
    /// ```
    #[inline]
    pub fn einsum(equation: &str, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let text: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
        let (inputs, output) = text.split_once("->").map_or((&text[..], None), |(i, o)| (i, Some(o)));
        let [left, right] = inputs.split(',').collect::<Vec<_>>()[..] else {
            return Err(Error::argument(OP, format!("{equation:?} has not two operands, as \"ij,jk->ik\"")));
        };
        let (left, right) = (labels(left, a)?, labels(right, b)?);
        let output = result(output, &[&left[..], &right[..]].concat())?;
        let ((mut a, left), (mut b, right)) = (diagonal(a.clone(), left)?, diagonal(b.clone(), right)?);
        let [mut batch, mut summed, mut rows, mut columns] = [const { Vec::new() }; 4];
        let [mut gone_left, mut gone_right] = [const { Vec::<isize>::new() }; 2];
        for (d, &l) in left.iter().enumerate() {
            let m = a.shape()[d];
            match (right.iter().position(|&r| r == l).map(|d| b.shape()[d]), output.contains(&l)) {
                (Some(n), _) if m != n && m != 1 && n != 1 => {
                    let name =
                        if l.is_ascii_alphabetic() { format!("{:?}", l as char) } else { "...".to_string() };
                    let expected = format!("size {m} in dimension {name}, as shape {} has", a.shape());
                    return Err(Error::shape(OP, expected, b.shape()));
                }
                // What has one entry repeats it as often as the other one has entries, none included.
                (Some(n), true) => batch.push((l, if m == 1 { n } else { m })),
                (Some(n), false) => summed.push((l, if m == 1 { n } else { m })),
                (None, true) => rows.push((l, m)),
                (None, false) => gone_left.push(d as isize),
            }
        }
        for (d, &r) in right.iter().enumerate().filter(|(_, r)| !left.contains(r)) {
            if output.contains(&r) { columns.push((r, b.shape()[d])) } else { gone_right.push(d as isize) }
        }
        let kept = |names: &[Label], gone: &[isize]| -> Vec<Label> {
            names
                .iter()
                .enumerate()
                .filter(|(d, _)| !gone.contains(&(*d as isize)))
                .map(|(_, &l)| l)
                .collect()
        };
        let (left, right) = (kept(&left, &gone_left), kept(&right, &gone_right));
        if !gone_left.is_empty() {
            a = a.sum_dim(&gone_left[..], false)?;
        }
        if !gone_right.is_empty() {
            b = b.sum_dim(&gone_right[..], false)?;
        }
        let all = [&batch[..], &rows, &columns].concat();
        if summed.is_empty() {
            let order: Vec<_> =
                output.iter().filter_map(|l| all.iter().find(|(k, _)| k == l).copied()).collect();
            return arranged(&a, &left, &order, false)?.mul(&arranged(&b, &right, &order, false)?);
        }
        let size = |part: &[(Label, usize)]| part.iter().map(|(_, n)| n).product::<usize>();
        let [count, n, p, q] = [&batch, &summed, &rows, &columns].map(|part| size(part));
        let a = arranged(&a, &left, &[&batch[..], &rows, &summed].concat(), true)?.reshape([count, p, n])?;
        let b =
            arranged(&b, &right, &[&batch[..], &summed, &columns].concat(), true)?.reshape([count, n, q])?;
        let product = a.bmm(&b)?.reshape(&all.iter().map(|(_, n)| *n).collect::<Vec<_>>()[..])?;
        let order = output.iter().filter_map(|l| all.iter().position(|(k, _)| k == l).map(|d| d as isize));
        product.permute(&order.collect::<Vec<_>>()[..])
    }
}
