//! How long the library takes for what its users do: `cargo bench --bench workloads -- [NAME…] [--threads N]`.
//!
//! A line of JSON for each workload whose name is, or begins with, one of those given; all without a name. Each runs in a
//! process of its own, so that the peak of memory is its own. `sweep` compares many threads with one; `--times N`
//! repeats a workload N times and measures nothing, for profilers. `docs/performance.md` tells what they are.

mod bounds;
mod coldstart;
mod inputs;
mod measure;
mod numbers;
mod serve;
mod sweep;
mod work;

use measure::{Times, measure, peak_memory};
use std::process::{Command, ExitCode};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// The command line.
#[derive(Default)]
struct Options {
    names: Vec<String>,
    threads: usize,
    times: Option<usize>,
    cold_start: bool,
    list: bool,
}

impl Options {
    fn parse() -> Outcome<Self> {
        use lexopt::prelude::*;
        let mut options =
            Self { threads: std::thread::available_parallelism()?.into(), ..Default::default() };
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("threads") => options.threads = parser.value()?.parse()?,
                Long("times") => options.times = Some(parser.value()?.parse()?),
                Long("cold-start") => options.cold_start = true,
                Long("list") => options.list = true,
                // What cargo adds.
                Long("bench") => {}
                Value(name) => options.names.push(name.string()?),
                other => return Err(other.unexpected().into()),
            }
        }
        Ok(options)
    }

    /// The workloads that the names mean.
    fn workloads(&self) -> Vec<String> {
        if self.names.is_empty() {
            return work::NAMES.map(String::from).to_vec();
        }
        let meant = |name: &String| {
            let exact = work::NAMES.contains(&name.as_str());
            let begun: Vec<_> = work::NAMES
                .iter()
                .filter(|other| !exact && other.starts_with(name))
                .map(ToString::to_string)
                .collect();
            if begun.is_empty() { vec![name.clone()] } else { begun }
        };
        self.names.iter().flat_map(meant).collect()
    }
}

/// A number of JSON, which has no infinities.
fn number(x: f64) -> String {
    if x.is_finite() { x.to_string() } else { "null".into() }
}

/// Measures one workload in this process and prints its line.
fn run(name: &str, threads: usize) -> Outcome<()> {
    let base = peak_memory();
    let (mut operations, mut note, mut serving) = (1, String::new(), String::new());
    let (times, checksums) = if let Some((mut pass, bytes)) = bounds::find(name) {
        let times = measure(|| {
            pass();
            Ok(())
        })?;
        note = format!("{:.1} GB/s", bytes as f64 / times.min);
        (times, (0.0, 0.0))
    } else if name == "coldstart" {
        let checksum = coldstart::start()?;
        (measure(|| coldstart::start().map(drop))?, (checksum, 0.0))
    } else if let Some(rows) = name.strip_prefix("serve/") {
        let (served, checksum) = serve::serve(rows.parse()?)?;
        serving = format!(r#","serving":[{}]"#, serve::json(&served)?);
        let [alone, ..] = &served[..] else { return Err("nobody was served".into()) };
        let (median, min) = (alone.quantile(0.5), alone.quantile(0.0));
        (Times { median, min, iterations: alone.requests() }, (checksum, 0.0))
    } else {
        let mut work = work::find(name)?;
        (operations, note) = (work.operations, work.note.into());
        let checksums = work.checksums()?;
        (measure(|| work.step())?, checksums)
    };
    let Times { median, min, iterations } = times;
    println!(
        r#"{{"peer":"downhill","version":"{}","workload":"{name}","threads":{threads},"median_ns":{median:.1},"min_ns":{min:.1},"iters":{iterations},"ns_per_op":{:.2},"checksum":{},"checksum_grad_l1":{},"peak_rss_mib":{:.1},"base_rss_mib":{base:.1},"note":"{note}"{serving}}}"#,
        env!("CARGO_PKG_VERSION"),
        median / operations as f64,
        number(checksums.0),
        number(checksums.1),
        peak_memory(),
    );
    Ok(())
}

/// Each workload in a process of its own.
fn spread(names: &[String], options: &Options) -> Outcome<()> {
    for name in names {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([name, "--threads", &options.threads.to_string()]);
        if !command.status()?.success() {
            return Err(format!("{name} failed").into());
        }
    }
    Ok(())
}

fn start() -> Outcome<()> {
    let options = Options::parse()?;
    if options.cold_start {
        return coldstart::program();
    }
    if options.list {
        println!("{}", work::NAMES.join("\n"));
        return Ok(());
    }
    let names = options.workloads();
    let [name] = &names[..] else { return spread(&names, &options) };
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
    if name == "sweep" {
        return sweep::sweep();
    }
    match options.times {
        Some(times) => {
            let mut work = work::find(name)?;
            (0..times).try_for_each(|_| work.step())
        }
        None => run(name, options.threads),
    }
}

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
