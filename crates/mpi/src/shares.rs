//! Which rows of a batch are whose.

use crate::tree::{pieces_of, rows_of};
use downhill::data::{BatchSampler, Order, Result, Sampler};

/// One process's rows of the batches of a sampler. Made by [`DataParallel::shares`](crate::DataParallel::shares).
///
/// A batch is cut into pieces, of which the first have one row more if they cannot be equal; a process has the rows of its own pieces. In a batch
/// of fewer rows than pieces a process may have none: its share is then empty, as a dataset of tensors can load it.
///
/// # Examples
/// ```
/// use downhill::data::{Sampler, SequentialSampler};
/// use downhill_mpi::Shares;
///
/// // 10 rows in batches of 8 and 4 pieces, of which 2 are those of process 1 of 2.
/// let shares = Shares::new(SequentialSampler::new(10), 8, false, 4, (1, 2))?;
/// assert_eq!(shares.iter().collect::<Result<Vec<_>, _>>()?, [vec![4, 5, 6, 7], vec![]]);
/// # Ok::<(), downhill::data::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Shares<S> {
    batches: BatchSampler<S>,
    pieces: usize,
    rank: usize,
    size: usize,
}

impl<S: Sampler<Item = usize>> Shares<S> {
    /// Those of a process with a rank, of so many.
    ///
    /// # Errors
    /// [`downhill::Error::Argument`] for a batch size of 0, no pieces, and a rank that is not below the number of processes.
    pub fn new(
        sampler: S,
        batch_size: usize,
        drop_last: bool,
        pieces: usize,
        (rank, size): (usize, usize),
    ) -> Result<Self> {
        if pieces == 0 || rank >= size {
            let message = format!("{pieces} pieces, and rank {rank} of {size} processes");
            return Err(downhill::Error::argument("Shares", message).into());
        }
        Ok(Self { batches: BatchSampler::new(sampler, batch_size, drop_last)?, pieces, rank, size })
    }
}

impl<S: Sampler<Item = usize>> Sampler for Shares<S> {
    type Item = Vec<usize>;

    fn len(&self) -> usize {
        self.batches.len()
    }

    fn iter(&self) -> Order<Vec<usize>> {
        let (own, pieces) = (pieces_of(self.rank, self.size, self.pieces), self.pieces);
        Box::new(self.batches.iter().map(move |batch| {
            let batch = batch?;
            Ok(batch[rows_of(own.clone(), pieces, batch.len())].to_vec())
        }))
    }
}
