//! What processes add up: gradients and buffers, and how they are packed into buckets.

use crate::collective::MOST;
use crate::exchange::{Exchange, Number};
use crate::world::World;
use downhill::{DType, Element, Result, Shape, Tensor};
use mpi::collective::SystemOperation;
use mpi::traits::CommunicatorCollectives;

/// A gradient or a buffer of a process or block, or of one of its pieces.
pub(crate) type Values = Vec<Option<Tensor>>;

/// What a value is like that all processes have: of the float dtype and shape.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) dtype: DType,
    pub(crate) shape: Shape,
    /// Which divisor it has: all of a bucket have one.
    pub(crate) is_buffer: bool,
}

impl Slot {
    pub(crate) fn bytes(&self) -> usize {
        self.shape.numel() * if self.dtype == DType::F64 { 8 } else { 4 }
    }
}

/// Slots of one kind and dtype in order: a large one by itself, small ones as many together as the bytes allow.
pub(crate) fn buckets(slots: &[Slot], used: &[bool], bytes: usize) -> Vec<Vec<usize>> {
    let (mut all, mut filled) = (Vec::<Vec<usize>>::new(), 0);
    for (i, slot) in slots.iter().enumerate().filter(|&(i, _)| used[i]) {
        let fits = all.last().and_then(|last| last.last()).is_some_and(|&last: &usize| {
            (slots[last].dtype, slots[last].is_buffer) == (slot.dtype, slot.is_buffer)
        }) && filled + slot.bytes() <= bytes;
        match all.last_mut().filter(|_| fits) {
            Some(last) => last.push(i),
            None => all.push(vec![i]),
        }
        filled = slot.bytes() + if fits { filled } else { 0 };
    }
    all
}

/// Elements that are sent at once.
fn chunk<T>(bytes: usize) -> usize {
    // Several blocks may go in one message.
    (bytes / size_of::<T>()).clamp(1, MOST / 8)
}

/// The values of some slots one after the other, zeros where there is none.
fn pack<T: Number>(slots: &[Slot], bucket: &[usize], values: &Values) -> Result<Vec<T>> {
    let mut flat = Vec::new();
    for &slot in bucket {
        match &values[slot] {
            Some(value) => flat.extend_from_slice(value.try_contiguous()?.as_slice::<T>()?),
            None => flat.resize(flat.len() + slots[slot].shape.numel(), T::default()),
        }
    }
    Ok(flat)
}

fn unpack<T: Number>(slots: &[Slot], bucket: &[usize], flat: &[T], values: &mut Values) -> Result<()> {
    let mut rest = flat;
    for &slot in bucket {
        let shape = slots[slot].shape;
        let (own, after) = rest.split_at(shape.numel());
        rest = after;
        values[slot] = Some(Tensor::build(shape, |out: &mut [T]| out.copy_from_slice(own))?);
    }
    Ok(())
}

/// The only value of its bucket, for writing in place.
fn alone<'v, T: Element>(slot: &Slot, value: &'v mut Option<Tensor>) -> Result<&'v mut [T]> {
    let own = match value.take() {
        Some(own) => own.try_contiguous()?,
        None => Tensor::build(slot.shape, |out: &mut [T]| out.fill(T::default()))?,
    };
    value.insert(own).make_mut()
}

/// Adds the values of all processes' blocks, in the order of the tree, and divides: the sums are then those of the first block here.
pub(crate) fn reduce<T: Number>(
    exchange: &mut Exchange<'_, T>,
    (slots, bucket): (&[Slot], &[usize]),
    own: &mut [Values],
    bytes: usize,
    (pieces, divisor): (usize, f64),
) -> Result<()> {
    let mut flat: Vec<Vec<T>> = Vec::new();
    let mut slices: Vec<&mut [T]> = if let [slot] = *bucket {
        own.iter_mut().map(|values| alone(&slots[slot], &mut values[slot])).collect::<Result<_>>()?
    } else {
        flat = own.iter().map(|values| pack(slots, bucket, values)).collect::<Result<_>>()?;
        flat.iter_mut().map(|flat| &mut flat[..]).collect()
    };
    let (len, chunk) = (slices[0].len(), chunk::<T>(bytes));
    for start in (0..len).step_by(chunk) {
        let end = len.min(start + chunk);
        let mut parts: Vec<_> = slices.iter_mut().map(|slice| &mut slice[start..end]).collect();
        exchange.reduce(&mut parts, pieces, divisor);
    }
    if bucket.len() > 1 { unpack(slots, bucket, &flat[0], &mut own[0]) } else { Ok(()) }
}

/// The mean of the processes' values, by MPI's own sum.
pub(crate) fn average<T: Number>(
    world: &World,
    (slots, bucket): (&[Slot], &[usize]),
    values: &mut Values,
    bytes: usize,
) -> Result<()> {
    let own = pack::<T>(slots, bucket, values)?;
    let mut mean = downhill::memory::vec("average_gradients", T::default(), own.len())?;
    for (own, mean) in own.chunks(chunk::<T>(bytes)).zip(mean.chunks_mut(chunk::<T>(bytes))) {
        world.comm().all_reduce_into(own, mean, SystemOperation::sum());
    }
    for x in &mut mean {
        *x = x.divided(world.size() as f64);
    }
    unpack(slots, bucket, &mean, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_one_kind_and_no_more_bytes_than_allowed() {
        let slot =
            |n: usize, dtype, is_buffer| Slot { dtype, shape: Shape::new("", &[n]).unwrap(), is_buffer };
        let small = slot(10, DType::F32, false);
        let slots = [
            small,
            small,
            small,
            slot(10, DType::F64, false),
            small,
            slot(1000, DType::F32, false),
            slot(10, DType::F32, true),
        ];
        let all = [true; 7];
        assert_eq!(buckets(&slots, &all, 80), [vec![0, 1], vec![2], vec![3], vec![4], vec![5], vec![6]]);
        let mut used = all;
        used[3] = false;
        assert_eq!(buckets(&slots, &used, 200), [vec![0, 1, 2, 4], vec![5], vec![6]]);
    }
}
