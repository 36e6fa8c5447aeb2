//! The engine: MT19937 of Matsumoto and Nishimura, "Mersenne Twister" (1998), with their seeding of 2002.

#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use crate::kernel::simd::{inlined, vectorize};

/// Words of state.
pub(super) const WORDS: usize = 624;
const SHIFT: usize = 397;

/// A stream of 32-bit words, computed in blocks of 624.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Mt19937 {
    /// The block, before tempering.
    pub(super) words: [u32; WORDS],
    /// How many words of the block are spent; 0 only after seeding, when there is no block yet.
    pub(super) next: usize,
}

impl Mt19937 {
    pub(super) fn seeded(seed: u32) -> Self {
        let mut words = [seed; WORDS];
        for j in 1..WORDS {
            let previous = words[j - 1];
            words[j] = (previous ^ (previous >> 30)).wrapping_mul(1_812_433_253).wrapping_add(j as u32);
        }
        Self { words, next: 0 }
    }

    pub(super) fn next_u32(&mut self) -> u32 {
        let word = temper(self.unspent()[0]);
        self.next += 1;
        word
    }

    /// Two words, the first of them the high half.
    pub(super) fn next_u64(&mut self) -> u64 {
        let high = self.next_u32();
        join([high, self.next_u32()])
    }

    /// Fills `out` with `f` of one word each. Mark `f` `#[inline(always)]`.
    pub(super) fn map_u32<T>(&mut self, mut out: &mut [T], f: impl Fn(u32) -> T + Copy) {
        while !out.is_empty() {
            let words = self.unspent();
            let n = words.len().min(out.len());
            let (now, later) = out.split_at_mut(n);
            vectorize!(map(now, &words[..n], inlined!(move |&word| f(temper(word)))));
            self.next += n;
            out = later;
        }
    }

    /// Fills `out` with `f` of two words each. Mark `f` `#[inline(always)]`.
    pub(super) fn map_u64<T>(&mut self, mut out: &mut [T], f: impl Fn(u64) -> T + Copy) {
        while !out.is_empty() {
            let (pairs, _) = self.unspent().as_chunks::<2>();
            let n = pairs.len().min(out.len());
            let (now, later) = out.split_at_mut(n.max(1));
            if n == 0 {
                // One word is left: the pair straddles two blocks.
                now[0] = f(self.next_u64());
            } else {
                vectorize!(map(now, &pairs[..n], inlined!(move |pair| f(join(pair.map(temper))))));
                self.next += 2 * n;
            }
            out = later;
        }
    }

    /// What is left of the block, never empty, not yet tempered.
    fn unspent(&mut self) -> &[u32] {
        if self.next == 0 || self.next == WORDS {
            vectorize!(twist(&mut self.words));
            self.next = 0;
        }
        &self.words[self.next..]
    }
}

/// Takes `f` by value: what it captured is loaded once, not again after every store to `out`.
#[inline(always)]
fn map<S, T>(out: &mut [T], from: &[S], f: impl Fn(&S) -> T) {
    let from = &from[..out.len()];
    for i in 0..out.len() {
        out[i] = f(&from[i]);
    }
}

#[inline(always)]
fn twist(s: &mut [u32; WORDS]) {
    for k in 0..WORDS - SHIFT {
        s[k] = s[k + SHIFT] ^ mix(s[k], s[k + 1]);
    }
    for k in WORDS - SHIFT..WORDS - 1 {
        s[k] = s[k + SHIFT - WORDS] ^ mix(s[k], s[k + 1]);
    }
    s[WORDS - 1] = s[SHIFT - 1] ^ mix(s[WORDS - 1], s[0]);
}

#[inline(always)]
fn mix(high: u32, low: u32) -> u32 {
    let y = (high & 0x8000_0000) | (low & 0x7fff_ffff);
    (y >> 1) ^ ((y & 1) * 0x9908_b0df)
}

#[inline(always)]
fn temper(mut y: u32) -> u32 {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c_5680;
    y ^= (y << 15) & 0xefc6_0000;
    y ^ (y >> 18)
}

#[inline(always)]
fn join([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_those_of_the_published_engine() {
        let mut engine = Mt19937::seeded(0);
        let first = [(); 4].map(|()| engine.next_u32());
        assert_eq!(first, [0x8c7f_0aac, 0x97c4_aa2f, 0xb716_a675, 0xd821_ccc0]);

        // The C++ standard's check of std::mt19937: the 10000th word from the default seed.
        let mut engine = Mt19937::seeded(5489);
        let last = (0..10_000).map(|_| engine.next_u32()).last();
        assert_eq!(last, Some(4_123_659_995));
    }

    #[test]
    fn a_fill_equals_single_draws_from_any_position() {
        for (skip, n) in [(0, 624), (0, 625), (1, 700), (623, 3), (624, 2000)] {
            let mut one = Mt19937::seeded(5);
            one.map_u32(&mut vec![0; skip], |w| w);
            let mut other = one.clone();

            let mut words = vec![0; n];
            one.map_u32(&mut words, |w| w);
            assert!(words.iter().all(|&w| w == other.next_u32()));

            let mut words = vec![0; n];
            one.map_u64(&mut words, |w| w);
            assert!(words.iter().all(|&w| w == other.next_u64()));
            assert!(one == other);
        }
    }
}
