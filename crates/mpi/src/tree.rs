//! The fixed tree: in which order the pieces' gradients are added, whoever computes them.
//!
//! The tree of `pieces` leaves is the one that a binary counter makes: 0 + 1, 2 + 3, (0 + 1) + (2 + 3), …; what is left at the end is added
//! from the right. A *block* is a node of it: `len` leaves from `start` on, `len` a power of two that divides `start`. A process adds what
//! it can, the largest blocks in its range of pieces, and these are what travels.

use std::convert::Infallible;
use std::ops::Range;

/// A node of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

/// The pieces of a process, contiguous: `⌊pieces · rank ÷ size⌋` and those that follow below the next process's first.
pub(crate) fn pieces_of(rank: usize, size: usize, pieces: usize) -> Range<usize> {
    pieces * rank / size..pieces * (rank + 1) / size
}

/// The rows of a piece, of a global batch of so many rows: the first `rows mod pieces` pieces have one row more than the others.
pub(crate) fn rows_of(piece: Range<usize>, pieces: usize, rows: usize) -> Range<usize> {
    let first = |piece: usize| piece * (rows / pieces) + piece.min(rows % pieces);
    first(piece.start)..first(piece.end)
}

/// The blocks that a range of pieces adds up to.
pub(crate) fn blocks(pieces: Range<usize>) -> Vec<Block> {
    let mut fold = Fold::new();
    for piece in pieces {
        let Ok(()) = fold.push(Block { start: piece, len: 1 }, (), &mut |(), ()| Ok::<_, Infallible>(()));
    }
    fold.stack.into_iter().map(|(block, ())| block).collect()
}

/// Adds blocks in the order of the tree, as they come from left to right.
#[derive(Debug)]
pub(crate) struct Fold<T> {
    pub(crate) stack: Vec<(Block, T)>,
}

impl<T> Fold<T> {
    pub(crate) fn new() -> Self {
        Self { stack: Vec::new() }
    }

    /// Takes the next block, and adds what then is complete. `add` takes the left operand first.
    pub(crate) fn push<E>(
        &mut self,
        mut block: Block,
        mut value: T,
        add: &mut impl FnMut(T, T) -> Result<T, E>,
    ) -> Result<(), E> {
        let is_right_half =
            |left: Block, right: Block| left.len == right.len && left.start.is_multiple_of(2 * left.len);
        while let Some((_, left)) = self.stack.pop_if(|(left, _)| is_right_half(*left, block)) {
            block = Block { start: block.start - block.len, len: 2 * block.len };
            value = add(left, value)?;
        }
        self.stack.push((block, value));
        Ok(())
    }

    /// The sum of all; none of no blocks.
    pub(crate) fn finish<E>(mut self, add: &mut impl FnMut(T, T) -> Result<T, E>) -> Result<Option<T>, E> {
        let Some((_, mut value)) = self.stack.pop() else { return Ok(None) };
        while let Some((_, left)) = self.stack.pop() {
            value = add(left, value)?;
        }
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[expect(clippy::unnecessary_wraps, reason = "what `Fold` takes")]
    fn add(a: f32, b: f32) -> Result<f32, Infallible> {
        Ok(a + b)
    }

    /// The sum as `size` processes compute it.
    fn sum(values: &[f32], size: usize) -> f32 {
        let mut all = Fold::new();
        for rank in 0..size {
            let mut own = Fold::new();
            for piece in pieces_of(rank, size, values.len()) {
                own.push(Block { start: piece, len: 1 }, values[piece], &mut add).unwrap();
            }
            for (block, value) in own.stack {
                all.push(block, value, &mut add).unwrap();
            }
        }
        all.finish(&mut add).unwrap().unwrap()
    }

    #[test]
    fn four_pieces_are_added_in_pairs() {
        let x = [1e8_f32, 1.0, -1e8, 1.0];
        assert_eq!(sum(&x, 1), (x[0] + x[1]) + (x[2] + x[3]));
        // Seven: what is left is added from the right.
        let x = [1e8_f32, 1.0, -1e8, 1.0, 3.0, 1e7, 0.1];
        assert_eq!(sum(&x, 1), ((x[0] + x[1]) + (x[2] + x[3])) + ((x[4] + x[5]) + x[6]));
    }

    #[test]
    fn a_process_whose_pieces_are_a_node_sends_one_block() {
        assert_eq!(blocks(4..8), [Block { start: 4, len: 4 }]);
        let starts = |range| blocks(range).iter().map(|b| (b.start, b.len)).collect::<Vec<_>>();
        assert_eq!(starts(3..8), [(3, 1), (4, 4)]);
        assert_eq!(starts(1..7), [(1, 1), (2, 2), (4, 2), (6, 1)]);
        assert_eq!(starts(2..2), []);
    }

    proptest! {
        #[test]
        fn the_sum_has_the_same_bits_for_any_number_of_processes(
            values in prop::collection::vec(-1e3_f32..1e3, 1..40),
            size in 1_usize..40,
        ) {
            prop_assert_eq!(sum(&values, size.min(values.len())).to_bits(), sum(&values, 1).to_bits());
        }

        #[test]
        fn the_rows_of_the_pieces_are_all_rows_and_follow_from_a_share_alone(
            rows in 0_usize..100, pieces in 1_usize..20, size in 1_usize..20,
        ) {
            let mut next = 0;
            for rank in 0..size {
                let own = pieces_of(rank, size, pieces);
                let share = rows_of(own.clone(), pieces, rows);
                for (i, piece) in own.clone().enumerate() {
                    let global = rows_of(piece..piece + 1, pieces, rows);
                    prop_assert_eq!(global.start, next);
                    next = global.end;
                    let local = rows_of(i..i + 1, own.len(), share.len());
                    prop_assert_eq!(local.start + share.start..local.end + share.start, global);
                }
            }
            prop_assert_eq!(next, rows);
        }
    }
}
