//! Gradients of a global batch with the same bits for any number of processes.

use crate::parallel::DataParallel;
use crate::slots::Values;
use crate::tree::{Block, Fold, blocks, pieces_of, rows_of};
use crate::world::{Call, WORDS};
use downhill::data::Tensors;
use downhill::nn::Buffer;
use downhill::random::{fork_rng, get_rng_state, manual_seed};
use downhill::{Error, Result, Tensor, no_grad};
use std::ops::Range;
use std::time::Instant;

/// What a piece gives, and what pieces add up to.
struct Sums {
    loss: f64,
    weight: f64,
    /// Gradients and buffers; those of a piece without rows, and of parameters that it does not use, are absent, and count as zeros.
    values: Values,
}

impl Sums {
    fn add(self, right: Self) -> Result<Self> {
        let values = self.values.into_iter().zip(right.values).map(|(left, right)| match (left, right) {
            (Some(left), Some(right)) => Ok(Some(left.add(&right)?)),
            // 0 + −0 = 0: what is absent counts as zeros here as it does in another process.
            (Some(one), None) | (None, Some(one)) => Ok(Some(one.add(0.0)?)),
            (None, None) => Ok(None),
        });
        let values = no_grad(|| values.collect::<Result<_>>())?;
        Ok(Self { loss: self.loss + right.loss, weight: self.weight + right.weight, values })
    }
}

impl DataParallel<'_> {
    /// Adds the gradients of the global batch's mean loss up, as `backward` does, and returns that loss: both have the same bits for any number of processes.
    ///
    /// `share` are this process's rows of the global batch, as [`shares`](Self::shares) gives them: a tensor or a tuple of tensors. They are
    /// cut into this process's pieces, each of which is given to `f`. It returns the *sum* of the piece's losses and what the mean divides by, the
    /// piece's part of it: the number of elements, of rows, or the sum of [`class_weights`](crate::class_weights).
    ///
    /// # Formula
    /// loss = Σₖ lossₖ ÷ Σₖ weightₖ, gradient = Σₖ gradientₖ ÷ Σₖ weightₖ, over all pieces k of all processes, added in a fixed tree. Of weights that
    /// add up to 0 both are NaN, as PyTorch's mean of no rows.
    ///
    /// # Random numbers
    /// Each piece has a generator of its own, seeded by [`Options::seed`](crate::Options::seed), the number of calls so far and the number of the piece: it is the default
    /// generator while `f` runs, for dropout. Afterwards the default generator is where it was.
    ///
    /// # Buffers
    /// Each piece begins with the same buffers; afterwards they have the mean of the pieces' values. So batch normalization takes its
    /// statistics of a piece, as it does of a process with PyTorch.
    ///
    /// # Memory
    /// Up to log₂(pieces ÷ processes) + 1 times the gradients, for the partial sums.
    ///
    /// # Errors
    /// After any of them, the gradients that there were before are gone. What `f` returns; [`Error::Shape`] for a loss of more than one element; [`Error::Argument`] for a weight that is negative or not finite. In all processes: [`Error::Argument`] for shares
    /// that are not those of one batch, if the processes' default generators differ, so that they would shuffle differently, or if
    /// they have not made as many steps.
    ///
    /// # Examples
    /// See [`DataParallel`].
    pub fn backward<B: Tensors>(
        &mut self,
        share: &B,
        mut f: impl FnMut(&B) -> Result<(Tensor, f64)>,
    ) -> Result<f64> {
        let mut rows = None;
        share.map(&mut |x| {
            rows.get_or_insert(x.size(0)?);
            Ok(x.clone())
        })?;
        self.backward_rows(rows.unwrap_or(0), |rows| {
            f(&share.map(&mut |x| x.narrow(0, rows.start as i64, rows.len()))?)
        })
    }

    /// As [`backward`](Self::backward), for batches of any kind: `f` is given which rows of the share are the piece's.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    ///
    /// # Examples
    /// ```
    /// use downhill::prelude::*;
    /// use downhill_mpi::{DataParallel, Options, World};
    ///
    /// let world = World::init()?;
    /// let model = Linear::new(1, 1)?;
    /// let mut parallel = DataParallel::new(&model, &world, Options { pieces: 2, ..Default::default() })?;
    /// // Of 6 rows, 3 a piece.
    /// let loss = parallel.backward_rows(6, |rows| {
    ///     let x = arange(rows.start as f32, rows.end as f32, 1.0)?.unsqueeze(1)?;
    ///     Ok(((x - model.weight.tensor()).square().sum(), rows.len() as f64))
    /// })?;
    /// assert!(loss > 0.0 && model.weight.grad().is_some());
    /// world.finish()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn backward_rows(
        &mut self,
        rows: usize,
        mut f: impl FnMut(Range<usize>) -> Result<(Tensor, f64)>,
    ) -> Result<f64> {
        // What backward passes have added up before.
        let before = self.take_gradients()?;
        let mut changed = vec![false; self.slots.len()];
        let own = self.own_blocks(rows, &mut changed, &mut f)?;

        let start = Instant::now();
        let mut words = [0; WORDS];
        words[..3].copy_from_slice(&[rows as u64, self.step, fingerprint(&get_rng_state())]);
        let rows = self.check(&self.world.agree(Call::Backward, words)?)?;

        let mut sums = Vec::new();
        for (_, block) in &own {
            let used =
                block.values.iter().zip(&self.slots).map(|(value, slot)| !slot.is_buffer && value.is_some());
            changed.iter_mut().zip(used).for_each(|(changed, used)| *changed |= used);
            sums.extend([block.loss.to_bits(), block.weight.to_bits()]);
        }
        // As many words in each process.
        sums.resize(2 * self.most_blocks(), 0);
        let (used, sums) = self.used_anywhere(&changed, &sums);
        let (loss, weight) = self.totals(&sums);
        let mut values: Vec<_> = own.into_iter().map(|(_, block)| block.values).collect();
        let divisors = [weight, rows.min(self.options.pieces) as f64];
        self.reduce_all(&mut values, &used, self.options.pieces, divisors)?;
        self.put(before, values.swap_remove(0), &used)?;
        if rows < self.options.pieces {
            // A process without rows has counted no batch.
            for buffer in self.buffers.iter().filter(|buffer| !buffer.tensor().dtype().is_float()) {
                buffer.set(self.world.broadcast(&buffer.tensor(), 0)?);
            }
        }
        self.step += 1;
        self.spent(start);
        Ok(loss / weight)
    }

    /// The sums of this process's blocks, and which buffers its pieces have changed.
    fn own_blocks(
        &self,
        rows: usize,
        changed: &mut [bool],
        f: &mut dyn FnMut(Range<usize>) -> Result<(Tensor, f64)>,
    ) -> Result<Vec<(Block, Sums)>> {
        let own = pieces_of(self.world.rank(), self.world.size(), self.options.pieces);
        let start: Vec<_> = self.buffers.iter().map(Buffer::tensor).collect();
        let mut fold = Fold::new();
        for (i, piece) in own.clone().enumerate() {
            let rows = rows_of(i..i + 1, own.len(), rows);
            let sums = if rows.is_empty() {
                Sums { loss: 0.0, weight: 0.0, values: vec![None; self.slots.len()] }
            } else {
                self.buffers.iter().zip(&start).for_each(|(buffer, start)| buffer.set(start.clone()));
                self.piece(piece, rows, &start, changed, f)?
            };
            fold.push(Block { start: piece, len: 1 }, sums, &mut Sums::add)?;
        }
        Ok(fold.stack)
    }

    /// One piece: its losses, its gradients, and the buffers that it leaves.
    fn piece(
        &self,
        piece: usize,
        rows: Range<usize>,
        start: &[Tensor],
        changed: &mut [bool],
        f: &mut dyn FnMut(Range<usize>) -> Result<(Tensor, f64)>,
    ) -> Result<Sums> {
        let (loss, weight) = fork_rng(|| {
            manual_seed(seed_of(self.seed, self.step, piece));
            let (loss, weight) = f(rows)?;
            let value = loss.item::<f64>()?;
            loss.backward()?;
            Ok::<_, Error>((value, weight))
        })?;
        if !weight.is_finite() || weight < 0.0 {
            let message = format!("piece {piece} has a weight of {weight}");
            return Err(Error::argument(Call::Backward.name(), message));
        }
        let mut values = self.take_gradients()?;
        for (buffer, start) in self.buffers.iter().zip(start).filter(|(_, start)| start.dtype().is_float()) {
            let now = buffer.tensor();
            changed[values.len()] |= now != *start;
            values.push(Some(now));
        }
        Ok(Sums { loss, weight, values })
    }

    /// The rows of the global batch, of which the processes have the shares that they say.
    fn check(&self, all: &[[u64; WORDS]]) -> Result<usize> {
        let refuse = |message: String| Err(Error::argument(Call::Backward.name(), message));
        let total: usize = all.iter().map(|words| words[0] as usize).sum();
        for (rank, words) in all.iter().enumerate() {
            let rows =
                rows_of(pieces_of(rank, all.len(), self.options.pieces), self.options.pieces, total).len();
            if words[0] != rows as u64 {
                let found = words[0];
                return refuse(format!(
                    "process {rank} has {found} of {total} rows, but its share is {rows}"
                ));
            }
            if words[1] != all[0][1] {
                return refuse(format!(
                    "process {rank} is in step {}, but process 0 in {}",
                    words[1], all[0][1]
                ));
            }
            if words[2] != all[0][2] {
                return refuse(format!(
                    "the default generators of process {rank} and process 0 differ: one has drawn more than the other, or has another \
                     seed (fork_rng, for what one process draws alone)"
                ));
            }
        }
        if total == 0 { refuse("the batch has no rows".into()) } else { Ok(total) }
    }

    fn most_blocks(&self) -> usize {
        let (size, pieces) = (self.world.size(), self.options.pieces);
        (0..size).map(|rank| blocks(pieces_of(rank, size, pieces)).len()).max().unwrap_or(0)
    }

    /// The sums of all processes' losses and weights.
    fn totals(&self, sums: &[Vec<u64>]) -> (f64, f64) {
        let mut fold = Fold::new();
        let mut add =
            |a: (f64, f64), b: (f64, f64)| Ok::<_, std::convert::Infallible>((a.0 + b.0, a.1 + b.1));
        for (rank, words) in sums.iter().enumerate() {
            let blocks = blocks(pieces_of(rank, sums.len(), self.options.pieces));
            for (block, pair) in blocks.into_iter().zip(words.chunks_exact(2)) {
                let Ok(()) = fold.push(block, (f64::from_bits(pair[0]), f64::from_bits(pair[1])), &mut add);
            }
        }
        let Ok(total) = fold.finish(&mut add);
        total.unwrap_or_default()
    }

    /// Gives parameters their gradients, added to those before, and buffers their values.
    fn put(&self, before: Values, values: Values, used: &[bool]) -> Result<()> {
        let mut values = values.into_iter().zip(used).map(|(value, used)| value.filter(|_| *used));
        for (parameter, before) in self.parameters.iter().zip(before) {
            let new = match (before, values.next().flatten()) {
                (Some(before), Some(new)) => Some(no_grad(|| before.add(&new))?),
                (before, new) => before.or(new),
            };
            if new.is_some() {
                parameter.set_grad(new)?;
            }
        }
        for buffer in self.buffers.iter().filter(|buffer| buffer.tensor().dtype().is_float()) {
            values.next().flatten().into_iter().for_each(|value| buffer.set(value));
        }
        Ok(())
    }
}

/// The seed of a piece's generator: `SplitMix64`'s finalizer (Steele, Lea and Flood, 2014) of each number in turn.
fn seed_of(seed: i64, step: u64, piece: usize) -> i64 {
    let mix = |z: u64| {
        let z = z.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    mix(mix(mix(seed.cast_unsigned()) ^ step) ^ piece as u64).cast_signed()
}

/// A number that differs where the bytes do, almost certainly: FNV-1a, by words.
fn fingerprint(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks();
    words.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| {
        (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn pieces_and_steps_have_seeds_of_their_own() {
        let seeds = (0..3).flat_map(|seed| {
            (0..100).flat_map(move |step| (0..16).map(move |piece| seed_of(seed, step, piece)))
        });
        assert_eq!(seeds.collect::<HashSet<_>>().len(), 3 * 100 * 16);
    }
}
