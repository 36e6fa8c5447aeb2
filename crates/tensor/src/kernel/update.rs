//! One pass over several arrays of one length, some of which it overwrites.
#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use super::parallel;
use super::simd::{fetch, vectorize};
use super::sizes::{BLOCK, PARALLEL_MIN, TILE};
use crate::dtype::Element;

/// Elements up to which copies cost more than they gain.
const SHORT: usize = 32;

/// `state[..][i] = f(state[..][i], inputs[..][i])`.
pub(crate) fn update<T: Element, const M: usize, const N: usize>(
    state: [&mut [T]; M],
    inputs: [&[T]; N],
    f: impl Fn([T; M], [T; N]) -> [T; M] + Copy + Sync,
) {
    let short = |state: &mut [&mut [T]; M], inputs: &[&[T]; N], len: usize| {
        vectorize!(T: each_here(state, inputs, len, &f));
    };
    let tile = |state: &mut [[T; TILE]; M], inputs: &[[T; TILE]; N]| {
        vectorize!(T: each_here(state, inputs, TILE, &f));
    };
    each(state, inputs, &Loops { short: &short, tile: &tile });
}

/// The loop itself. As arguments, tiles are known not to overlap; captured by a closure they are not.
#[inline(always)]
fn each_here<T, S, I, F, const M: usize, const N: usize>(
    state: &mut [S; M],
    inputs: &[I; N],
    len: usize,
    f: &F,
) where
    T: Element,
    S: AsMut<[T]> + AsRef<[T]>,
    I: AsRef<[T]>,
    F: Fn([T; M], [T; N]) -> [T; M] + Copy,
{
    // Of a copy it is known that no store changes what it holds: without, the loop stays scalar, in three times the time.
    let f = *f;
    for i in 0..len {
        let (mut old, mut x) = ([T::default(); M], [T::default(); N]);
        for k in 0..M {
            old[k] = state[k].as_ref()[i];
        }
        for k in 0..N {
            x[k] = inputs[k].as_ref()[i];
        }
        let new = f(old, x);
        for k in 0..M {
            state[k].as_mut()[i] = new[k];
        }
    }
}

/// The loop of an update over slices of at most [`SHORT`] elements, and over tiles.
struct Loops<'a, T, const M: usize, const N: usize> {
    short: &'a (dyn Fn(&mut [&mut [T]; M], &[&[T]; N], usize) + Sync),
    tile: &'a (dyn Fn(&mut [[T; TILE]; M], &[[T; TILE]; N]) + Sync),
}

/// [`update`], compiled once for its types.
fn each<T: Element, const M: usize, const N: usize>(
    state: [&mut [T]; M],
    inputs: [&[T]; N],
    loops: &Loops<'_, T, M, N>,
) {
    let len = state.first().map_or(0, |x| x.len());
    let equal = state.iter().all(|x| x.len() == len) && inputs.iter().all(|x| x.len() == len);
    assert!(equal, "slices of one length");
    if len < PARALLEL_MIN {
        return block(state, inputs, len, loops);
    }
    let mut state = state.map(|x| x.chunks_mut(BLOCK));
    let mut inputs = inputs.map(|x| x.chunks(BLOCK));
    let job = |start| {
        let state = state.each_mut().map(|x| x.next().expect("as long as the others"));
        let inputs = inputs.each_mut().map(|x| x.next().expect("as long as the others"));
        (state, inputs, BLOCK.min(len - start))
    };
    parallel::for_jobs((0..len).step_by(BLOCK).map(job), &|(state, inputs, len)| {
        block(state, inputs, len, loops);
    });
}

/// [`each`] on the thread that calls it.
fn block<T: Element, const M: usize, const N: usize>(
    mut state: [&mut [T]; M],
    inputs: [&[T]; N],
    len: usize,
    loops: &Loops<'_, T, M, N>,
) {
    if len <= SHORT {
        return (loops.short)(&mut state, &inputs, len);
    }
    let (mut s, mut x) = ([[T::default(); TILE]; M], [[T::default(); TILE]; N]);
    for start in (0..len).step_by(TILE) {
        let n = TILE.min(len - start);
        let read = |to: &mut [T; TILE], from: &[T]| {
            to[..n].copy_from_slice(&from[start..start + n]);
            fetch(from, start + 2 * TILE, TILE);
        };
        s.iter_mut().zip(&state).for_each(|(s, from)| read(s, from));
        x.iter_mut().zip(&inputs).for_each(|(x, from)| read(x, from));
        (loops.tile)(&mut s, &x);
        s.iter().zip(&mut state).for_each(|(s, to)| to[start..start + n].copy_from_slice(&s[..n]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_any_length_are_updated_in_every_place() {
        for len in [0, 1, 1000, 1 << 16, 100_003] {
            let mut state: Vec<f64> = (0..len).map(f64::from).collect();
            let (mut other, input) = (state.clone(), state.clone());
            update([&mut state, &mut other], [&input], |[x, y], [z]| [x * z + 1.0, y + z]);
            assert!(state.iter().zip(&input).all(|(x, z)| *x == z * z + 1.0));
            assert!(other.iter().zip(&input).all(|(y, z)| *y == 2.0 * z));
        }
    }
}
