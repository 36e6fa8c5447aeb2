//! How work is cut: the sizes that kernels share, each with the measurement that it is from. What one algorithm alone knows stands with it.

/// Elements below which one thread does the work.
// Waking another thread costs 5 µs where it still spins and up to 75 µs asleep; 2^16 streamed f32 take about 10 µs.
pub(crate) const PARALLEL_MIN: usize = 1 << 16;

/// Turns of a loop in which the caller waits for the others' last items, about 10 µs, before it sleeps.
#[cfg(feature = "parallel")]
pub(crate) const SPIN: usize = 1 << 9;

/// Elements of a block of parallel work. Sums of many terms are added up by blocks: another size gives other last digits.
pub(crate) const BLOCK: usize = 1 << 15;

/// Elements of a chunk of rows: several short rows share one, so that they are not dearer than long ones.
pub(crate) const ROW_BLOCK: usize = 1 << 12;

/// Elements of a strided operand that are packed at once: three operands of 8 bytes fill the 32 KiB of a first-level cache less than
/// half.
pub(crate) const PACKED: usize = 512;

/// Elements that a pointwise loop takes from its inputs at once: in arrays of a fixed length the compiler sees that no index is out
/// of bounds, and that they do not overlap, and vectorises. As many are streamed at once.
// a·b + a in f32, 30,000 elements, a 2-core Zen 5: 0.47 ns an element on slices, 0.27 with 64, 0.11 with 128, 0.07 with 256.
// SGD with momentum, the same: 1.66 ns an element on slices, 0.33 with 64, 0.26 with 256.
// Streaming, (x·y + z).sigmoid().sum() of 2^24, one thread of a Sapphire Rapids: 54 ms with 512, 48 with 256, 50 with 128. In f32 256 are
// sixteen lines, as many as a processor writes while it goes on.
pub const TILE: usize = 256;

/// Bytes from which a result is written by streaming stores.
// A result of this size is gone from a last-level cache of 32 MiB before it is read again, and would be read from memory only to be overwritten.
pub(crate) const STREAM_MIN: usize = 16 << 20;
