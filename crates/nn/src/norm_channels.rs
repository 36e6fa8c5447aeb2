//! The loops of batch normalisation: of channels, which lie beside each other in each entry of a batch.
#![allow(
    clippy::needless_range_loop,
    reason = "several arrays at one index vectorise, zipped iterators need not"
)]

use crate::Result;
use crate::norm_loops::{self as loops, BLOCK, Moments, add, add_up, each, for_rows, parts};
use downhill_tensor::kernels::{self, inlined};
use downhill_tensor::{Float, memory};
use std::ops::Range;

/// Channels and entries side by side, at most.
const WIDE: usize = 64;

/// Dimension 1 of an array: so many entries of so many channels, and elements of a channel in an entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channels {
    pub(crate) entries: usize,
    pub(crate) channels: usize,
    pub(crate) each: usize,
}

impl Channels {
    /// Elements of an entry.
    fn width(self) -> usize {
        self.channels * self.each
    }

    /// Elements of a channel.
    fn count(self) -> f64 {
        (self.entries * self.each) as f64
    }

    /// How many entries go side by side where an entry is too short for vectors: of ten channels this takes a third of the time.
    fn narrow(self) -> usize {
        if self.each == 1 && self.channels > 0 { WIDE / self.channels } else { 1 }
    }

    /// Numbers of the channels, for as many entries.
    #[inline(always)]
    fn repeated(self, numbers: &[f64]) -> [f64; WIDE] {
        let mut repeated = [0.0; WIDE];
        for (i, x) in repeated[..self.narrow() * self.channels].iter_mut().enumerate() {
            *x = numbers[i % self.channels];
        }
        repeated
    }

    /// Entries of a block.
    fn block(self) -> usize {
        (BLOCK / self.width().max(1)).max(if self.each == 1 { 1 << 8 } else { 1 })
    }

    /// Two numbers of each channel for every block of entries, which `f(range of elements, first, second)` makes of zeros: those of the
    /// first block's channels, then the second numbers, then those of the second block.
    fn blocks(self, f: impl Fn(Range<usize>, &mut [f64], &mut [f64]) + Sync) -> Result<Vec<f64>> {
        let (width, block, two) = (self.width(), self.block(), 2 * self.channels);
        let mut parts = memory::vec("normalize", 0.0, two * self.entries.div_ceil(block))?;
        kernels::for_chunks(
            &mut parts,
            two,
            block * self.each,
            inlined!(|start, part| {
                let (first, second) = part.split_at_mut(self.channels);
                let from = start / two * block;
                f(from * width..(from + block).min(self.entries) * width, first, second);
            }),
        );
        Ok(parts)
    }

    /// `sums[c] += Σ f([x, …], means[c])` over the elements of channel `c` in these entries.
    #[inline(always)]
    fn add<T: Float, const N: usize>(
        self,
        sums: &mut [f64],
        data: [&[T]; N],
        means: &[f64],
        f: impl Fn([f64; N], f64) -> f64,
    ) {
        let rows = self.narrow();
        if rows > 1 {
            let (wide, mut many) = (rows * self.channels, [0.0; WIDE]);
            let repeated = self.repeated(means);
            for at in (0..data[0].len()).step_by(wide) {
                let entries = data.map(inlined!(|x| &x[at..x.len().min(at + wide)]));
                add(&mut many[..entries[0].len()], entries, inlined!(|x, i| f(x, repeated[i])));
            }
            for (i, x) in many[..wide].iter().enumerate() {
                sums[i % self.channels] += x;
            }
            return;
        }
        for at in (0..data[0].len()).step_by(self.width().max(1)) {
            let entry = parts(data, at, self.width());
            if self.each == 1 {
                add(sums, entry, inlined!(|x, i| f(x, means[i])));
                continue;
            }
            for (c, (total, &mean)) in sums.iter_mut().zip(means).enumerate() {
                let run = parts(entry, c * self.each, self.each);
                let [sum] = loops::sums(run, inlined!(|x| [f(x, mean)]));
                *total += sum;
            }
        }
    }

    /// `out = f([x, …], [k, …])`, where each channel has numbers `k`.
    fn map<T: Float, const N: usize, const M: usize>(
        self,
        data: [&[T]; N],
        numbers: [&[f64]; M],
        out: &mut [T],
        f: impl Fn([f64; N], [f64; M]) -> f64 + Sync,
    ) {
        let rows = self.narrow();
        if rows > 1 {
            let wide = rows * self.channels;
            let repeated = numbers.map(|x| self.repeated(x));
            let mut nothing = vec![(); out.len().div_ceil(wide)];
            return kernels::write_rows::<T, _, _>(
                wide,
                out,
                &mut nothing,
                2,
                inlined!(|first, out, _| {
                    for (i, out) in out.chunks_mut(wide).enumerate() {
                        let (start, n) = ((first + i) * wide, out.len());
                        let mut k = [&[][..]; M];
                        for j in 0..M {
                            k[j] = &repeated[j][..n];
                        }
                        each(out, parts(data, start, n), k, &f);
                    }
                }),
            );
        }
        for_rows(
            out,
            self.width(),
            2,
            inlined!(|entry, out| {
                let entry = parts(data, entry * self.width(), self.width());
                if self.each == 1 {
                    return each(out, entry, numbers, &f);
                }
                for (c, out) in out.chunks_exact_mut(self.each).enumerate() {
                    let mut k = [0.0; M];
                    for j in 0..M {
                        k[j] = numbers[j][c];
                    }
                    let run = entry.map(inlined!(|x| &x[c * self.each..]));
                    each(out, run, [], inlined!(|x, []| f(x, k)));
                }
            }),
        );
    }

    /// Moments of the channels: of each block, put together by the formula of Chan and others (1979).
    pub(crate) fn moments<T: Float>(self, x: &[T]) -> Result<Vec<Moments>> {
        let parts = self.blocks(inlined!(|range, means, squares| {
            let x = &x[range];
            let n = (x.len() / self.channels) as f64;
            let zeros = &*squares;
            self.add(means, [x], zeros, inlined!(|[x], _| x));
            for mean in means.iter_mut() {
                *mean /= n;
            }
            self.add(squares, [x], means, inlined!(|[x], mean| (x - mean) * (x - mean)));
        }))?;
        let (mut moments, mut before) = (memory::vec("normalize", [0.0; 2], self.channels)?, 0.0);
        for part in parts.chunks_exact((2 * self.channels).max(1)) {
            let n = ((self.block() * self.each) as f64).min(self.count() - before);
            let (means, squares) = part.split_at(self.channels);
            for (([mean, square], &m), &s) in moments.iter_mut().zip(means).zip(squares) {
                let away = m - *mean;
                *mean += away * (n / (before + n));
                *square += s + away * away * (before * n / (before + n));
            }
            before += n;
        }
        for [_, square] in &mut moments {
            *square /= before;
        }
        Ok(moments)
    }

    /// Of each channel `Σ g` and `Σ g (x − mean)`.
    pub(crate) fn sums<T: Float>(self, [g, x]: [&[T]; 2], means: &[f64]) -> Result<Vec<f64>> {
        let mut parts = self.blocks(inlined!(|range, levels, along| {
            let (g, x) = (&g[range.clone()], &x[range]);
            self.add(levels, [g], means, inlined!(|[g], _| g));
            self.add(along, [g, x], means, inlined!(|[g, x], mean| g * (x - mean)));
        }))?;
        add_up(&mut parts, 2 * self.channels);
        Ok(parts)
    }

    /// `(x − mean) · gain + shift`.
    pub(crate) fn scaled<T: Float>(self, x: &[T], numbers: [&[f64]; 3], out: &mut [T]) {
        self.map([x], numbers, out, inlined!(|[x], [mean, gain, shift]| (x - mean) * gain + shift));
    }

    /// `(g − level − (x − mean) · along) · gain`.
    pub(crate) fn slopes<T: Float>(self, data: [&[T]; 2], numbers: [&[f64]; 4], out: &mut [T]) {
        self.map(
            data,
            numbers,
            out,
            inlined!(|[g, x], [mean, level, along, gain]| (g - level - (x - mean) * along) * gain),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_of_any_shape_are_those_of_the_formulas() {
        let number = |i: usize, seed: usize| ((i * 7919 + seed) % 613) as f64 / 613.0 + 100.0;
        // Few and many channels, one block of entries and several, runs that lanes add up and runs that are too short for them.
        for (entries, channels, each) in
            [(5, 3, 1), (20_000, 3, 1), (700, 40, 1), (4, 2, 100), (900, 5, 20), (2, 3, 4)]
        {
            let all = Channels { entries, channels, each };
            let x: Vec<f64> = (0..entries * channels * each).map(|i| number(i, 0)).collect();
            let g: Vec<f64> = (0..x.len()).map(|i| number(i, 99) - 100.5).collect();
            let of = |c: usize, data: &[f64]| -> Vec<f64> {
                let own = |i: &usize| i / each % channels == c;
                (0..data.len()).filter(own).map(|i| data[i]).collect()
            };
            let moments = all.moments(&x).unwrap();
            let means: Vec<f64> = moments.iter().map(|m| m[0]).collect();
            let sums = all.sums([&g, &x], &means).unwrap();
            let (gains, shifts): (Vec<f64>, Vec<f64>) =
                (0..channels).map(|c| (c as f64 + 1.0, c as f64)).unzip();
            let mut out = vec![0.0; x.len()];
            all.scaled(&x, [&means, &gains, &shifts], &mut out);
            for c in 0..channels {
                let (x, g, out) = (of(c, &x), of(c, &g), of(c, &out));
                let n = x.len() as f64;
                let mean = x.iter().sum::<f64>() / n;
                let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                let along = x.iter().zip(&g).map(|(x, g)| g * (x - mean)).sum::<f64>();
                let exact = [mean, variance, g.iter().sum(), along];
                let ours = [moments[c][0], moments[c][1], sums[c], sums[channels + c]];
                for (ours, exact) in ours.into_iter().zip(exact) {
                    assert!((ours - exact).abs() < 1e-9 * n, "{all:?}, channel {c}: {ours}, not {exact}");
                }
                for (x, y) in x.iter().zip(out) {
                    assert!(((x - mean) * gains[c] + shifts[c] - y).abs() < 1e-9, "{all:?}, channel {c}");
                }
            }
        }
    }
}
