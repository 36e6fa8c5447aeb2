//! Numbers that are a function of (seed, index) alone, so that `torch_workloads.py` makes the same bits.

/// `SplitMix64`'s finalizer over a counter that each seed starts elsewhere.
fn mix(seed: u64, index: usize) -> u64 {
    let z = (index as u64)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add(seed.wrapping_mul(0xD1B5_4A32_D192_ED03))
        .wrapping_add(0x2545_F491_4F6C_DD1D);
    let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Nearly normal, times `scale`: four 16-bit integers added, centred and brought to variance 1.
pub(crate) fn normal(seed: u64, index: usize, scale: f64) -> f32 {
    let h = mix(seed, index);
    let sum: u64 = [0, 16, 32, 48].iter().map(|shift| (h >> shift) & 0xFFFF).sum();
    let unit = (sum as f64 - 131_070.0) * (3.0_f64.sqrt() / 65536.0);
    (f64::from(unit as f32) * scale) as f32
}

/// Uniform between 0.01 and 0.99.
pub(crate) fn probability(seed: u64, index: usize) -> f32 {
    (0.01 + 0.98 * ((mix(seed, index) >> 40) as f64 / 16_777_216.0)) as f32
}

/// A class below `count`.
pub(crate) fn class(seed: u64, index: usize, count: usize) -> i64 {
    ((mix(seed, index) >> 33) % count as u64) as i64
}

/// 0 or 1.
pub(crate) fn bit(seed: u64, index: usize) -> f32 {
    (mix(seed, index) >> 63) as f32
}
