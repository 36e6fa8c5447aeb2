//! Time and memory.

use crate::Outcome;
use std::time::{Duration, Instant};

/// What one iteration takes, in ns.
pub(crate) struct Times {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) iterations: usize,
}

/// Times `step`: a fifth of a second to warm up, then at least 5 samples and `BENCH_SECS` seconds (1 unless set).
/// A sample is as many iterations as take 20 µs, which the clock's 50 ns do not blur.
pub(crate) fn measure(mut step: impl FnMut() -> Outcome<()>) -> Outcome<Times> {
    let seconds = std::env::var("BENCH_SECS").map_or(Ok(1.0), |text| text.parse())?;
    let start = Instant::now();
    let mut warm = 0;
    while warm == 0 || start.elapsed() < Duration::from_millis(200) {
        step()?;
        warm += 1;
    }
    let inner = (20e-6 * f64::from(warm) / start.elapsed().as_secs_f64()).ceil().max(1.0) as usize;
    let (mut samples, start) = (Vec::new(), Instant::now());
    while samples.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        let sample = Instant::now();
        for _ in 0..inner {
            step()?;
        }
        samples.push(sample.elapsed().as_nanos() as f64 / inner as f64);
    }
    samples.sort_by(f64::total_cmp);
    let iterations = samples.len() * inner;
    Ok(Times { median: samples[samples.len() / 2], min: samples[0], iterations })
}

/// The most memory that this process has had, in MiB; 0 where the system does not tell.
pub(crate) fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}
