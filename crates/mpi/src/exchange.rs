//! Sums over the processes' blocks, in the order of the fixed tree.
//!
//! Each process owns a part of the elements. It gets that part of every block of the others, adds them up as the tree says, and sends the sum
//! to all: as many bytes as a ring where each process has one block, and the sums do not depend on who has which.

use crate::tree::{Fold, blocks, pieces_of};
use crate::world::World;
use downhill::Element;
use mpi::point_to_point::send_receive_into;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence};
use std::convert::Infallible;
use std::ops::Range;
use std::time::Duration;

/// A float that gradients are made of.
pub(crate) trait Number: Element + Equivalence {
    fn sum(self, other: Self) -> Self;
    /// The quotient, or one next to it.
    fn divided(self, by: f64) -> Self;
}

impl Number for f32 {
    fn sum(self, other: Self) -> Self {
        self + other
    }
    fn divided(self, by: f64) -> Self {
        // A loop has the reciprocal before it; a division takes five times as long as the rest. It errs by 2⁻⁵³ and is rounded to 2⁻²⁴.
        (f64::from(self) * (1.0 / by)) as Self
    }
}

impl Number for f64 {
    fn sum(self, other: Self) -> Self {
        self + other
    }
    fn divided(self, by: f64) -> Self {
        self / by
    }
}

/// What this process has sent, and how long it took. Made by [`DataParallel::traffic`](crate::DataParallel::traffic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// From when its own gradients were there until all were: waiting for slower processes, packing and adding up included.
    pub time: Duration,
    /// Messages of gradients; those of an `MPI_Allreduce`, by which [`average_gradients`](crate::DataParallel::average_gradients) sums small ones, are not counted.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Traffic {
    fn count<T>(&mut self, sent: &[T]) {
        self.messages += 1;
        self.bytes += size_of_val(sent) as u64;
    }
}

/// What an exchange takes memory for, kept from one step to the next: a fresh page costs more than what it receives.
#[derive(Debug)]
pub(crate) struct Exchange<'w, T> {
    world: &'w World,
    /// From each process its blocks of this one's part, one after the other.
    received: Vec<Vec<T>>,
    sent: Vec<T>,
    pub(crate) traffic: Traffic,
}

impl<'w, T: Number> Exchange<'w, T> {
    pub(crate) fn new(world: &'w World) -> Self {
        let received = vec![Vec::new(); world.size()];
        Self { world, received, sent: Vec::new(), traffic: Traffic::default() }
    }

    /// Of this process's blocks, as many elements of each as the others have: then the first slice is the sum over the blocks of all
    /// processes, divided by the divisor.
    pub(crate) fn reduce(&mut self, own: &mut [&mut [T]], pieces: usize, divisor: f64) {
        let (comm, me, size) = (self.world.comm(), self.world.rank(), self.world.size());
        let len = own[0].len();
        let part = |rank: usize| len * rank / size..len * (rank + 1) / size;
        let mine = part(me);
        for step in 1..size {
            let (to, from) = ((me + step) % size, (me + size - step) % size);
            let count = blocks(pieces_of(from, size, pieces)).len();
            self.received[from].resize(count * mine.len(), T::default());
            let sent = if let [only] = own {
                &only[part(to)]
            } else {
                self.sent.clear();
                for block in own.iter() {
                    self.sent.extend_from_slice(&block[part(to)]);
                }
                &self.sent[..]
            };
            self.traffic.count(sent);
            let (to, from_process) = (comm.process_at_rank(to as i32), comm.process_at_rank(from as i32));
            send_receive_into(sent, &to, &mut self.received[from][..], &from_process);
        }
        self.add_up(own, pieces, mine.clone());
        // The sum is where the tree's leftmost block was.
        if me == 0 {
            own[0][mine.clone()].iter_mut().for_each(|x| *x = x.divided(divisor));
        } else {
            let sums = &self.received[0][..mine.len()];
            own[0][mine.clone()].iter_mut().zip(sums).for_each(|(x, sum)| *x = sum.divided(divisor));
        }
        for step in 1..size {
            let (to, from) = ((me + step) % size, (me + size - step) % size);
            let (sent, received) = two(own[0], mine.clone(), part(from));
            self.traffic.count(sent);
            let (to, from) = (comm.process_at_rank(to as i32), comm.process_at_rank(from as i32));
            send_receive_into(sent, &to, received, &from);
        }
    }

    /// Adds the blocks of all processes, in the part that is this process's, into the first block of all.
    fn add_up(&mut self, own: &mut [&mut [T]], pieces: usize, mine: Range<usize>) {
        if mine.is_empty() {
            return;
        }
        let (me, size) = (self.world.rank(), self.world.size());
        let (mut own, mut fold) = (Some(own), Fold::new());
        let mut add = |left, right| Ok::<_, Infallible>(add(left, right));
        for (rank, received) in self.received.iter_mut().enumerate() {
            let slices: Vec<&mut [T]> = match own.take_if(|_| rank == me) {
                Some(own) => own.iter_mut().map(|block| &mut block[mine.clone()]).collect(),
                None => received.chunks_exact_mut(mine.len()).collect(),
            };
            for (block, slice) in blocks(pieces_of(rank, size, pieces)).into_iter().zip(slices) {
                let Ok(()) = fold.push(block, slice, &mut add);
            }
        }
        let Ok(_) = fold.finish(&mut add);
    }
}

/// The left side, with the right one added to it.
fn add<'a, T: Number>(left: &'a mut [T], right: &mut [T]) -> &'a mut [T] {
    left.iter_mut().zip(right).for_each(|(left, right)| *left = left.sum(*right));
    left
}

/// Two parts that do not overlap, the second for writing; they may be empty.
fn two<T>(all: &mut [T], read: Range<usize>, write: Range<usize>) -> (&[T], &mut [T]) {
    if write.end <= read.start {
        let (left, right) = all.split_at_mut(read.start);
        (&right[..read.len()], &mut left[write])
    } else {
        let (left, right) = all.split_at_mut(read.end);
        (&left[read.clone()], &mut right[write.start - read.end..write.end - read.end])
    }
}

impl World {
    /// The words of all processes, by rank; all have as many.
    pub(crate) fn gather_words(&self, own: &[u64]) -> Vec<u64> {
        let mut all = vec![0; own.len() * self.size()];
        self.comm().all_gather_into(own, &mut all[..]);
        all
    }
}
