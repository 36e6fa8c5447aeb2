//! What the programs that measure other libraries share: inputs, workloads, the clock and the line of JSON.

#[path = "../../workloads/measure.rs"]
mod measure;
#[path = "../../workloads/numbers.rs"]
mod numbers;
mod workloads;

use measure::{Times, measure, peak_memory};
use std::process::ExitCode;
pub use workloads::{Array, LEARNING_RATE, Library};

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Computes the value and Σ|gradient| of an iteration, outside of the time.
pub type Checksums = Box<dyn FnOnce() -> Outcome<(f64, f64)>>;

/// One iteration.
pub type Step = Box<dyn FnMut() -> Outcome<Checksums>>;

/// Σ|x|, added in `f64`.
pub fn magnitude(values: &[f32]) -> f64 {
    values.iter().map(|x| f64::from(x.abs())).sum()
}

/// The version of a package in the lock file.
fn version(package: &str) -> Option<&'static str> {
    let entry = format!("name = \"{package}\"\nversion = \"");
    include_str!("../Cargo.lock").split_once(&entry)?.1.split('"').next()
}

fn run<L: Library>() -> Outcome<()> {
    use lexopt::prelude::*;
    let (mut name, mut threads) = (String::new(), usize::from(std::thread::available_parallelism()?));
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("threads") => threads = parser.value()?.parse()?,
            Value(value) => name = value.string()?,
            other => return Err(other.unexpected().into()),
        }
    }
    // No library takes the number in any other way.
    if std::env::var("RAYON_NUM_THREADS").ok() != Some(threads.to_string()) {
        return Err(format!("RAYON_NUM_THREADS must be {threads}, as --threads is").into());
    }
    let (peer, version) = (L::NAME, version(L::PACKAGE).ok_or("no such package")?);
    let base = peak_memory();
    let mut work = workloads::find::<L>(&name)?;
    let (checksum, gradient) = work.checksums()?;
    let Times { median, min, iterations } = measure(|| (work.step)().map(drop))?;
    println!(
        r#"{{"peer":"{peer}","version":"{version}","workload":"{name}","threads":{threads},"median_ns":{median:.1},"min_ns":{min:.1},"iters":{iterations},"ns_per_op":{:.2},"checksum":{checksum},"checksum_grad_l1":{gradient},"peak_rss_mib":{:.1},"base_rss_mib":{base:.1},"note":"{}"}}"#,
        median / work.operations as f64,
        peak_memory(),
        work.note,
    );
    Ok(())
}

/// `NAME --threads N`: measures a workload and prints its line.
pub fn main<L: Library>() -> ExitCode {
    match run::<L>() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", L::NAME);
            ExitCode::FAILURE
        }
    }
}
