//! The tutorial's programs print what Python prints, for several seeds.
//!
//! `tests/tutorial/NAME.SEED.txt` is the output of the Python program under `PyTorch` 2.15 on a processor with AVX2.
//! Every line must be equal to the byte, but for numbers of more than eight significant digits: `PyTorch` rounds every step of
//! a loss to `f32`, and its last bits depend on the processor. They may differ by two units in the last place of an `f32`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Two units in the last place of an `f32`, in terms of the number.
const TOLERANCE: f64 = 2.0 * f32::EPSILON as f64;

/// The example's program, which `cargo test` has built; built now if only this test was asked for.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples").join(name);
    if !path.exists() {
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--workspace", "--example", name]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        assert!(build.status().unwrap().success());
    }
    path
}

/// A line as its numbers of more than eight significant digits, and the rest.
fn split(line: &str) -> (Vec<f64>, String) {
    let mut long = Vec::new();
    let words =
        line.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || ".-+".contains(c))).map(|word| {
            let number = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
            let mantissa = number.split('e').next().unwrap();
            let digits =
                mantissa.trim_start_matches(['-', '0', '.']).chars().filter(char::is_ascii_digit).count();
            match number.parse() {
                Ok(x) if digits > 8 => {
                    long.push(x);
                    word.replacen(number, "#", 1)
                }
                _ => word.to_string(),
            }
        });
    let rest = words.collect();
    (long, rest)
}

/// What an example prints.
pub(crate) fn run(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(program(name)).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn compare(name: &str, seed: &str, ours: &str, theirs: &str) {
    assert_eq!(ours.lines().count(), theirs.lines().count(), "{name} {seed}: the number of lines\n{ours}");
    for (a, b) in ours.lines().zip(theirs.lines()) {
        let ((x, rest_a), (y, rest_b)) = (split(a), split(b));
        let close = x.len() == y.len() && x.iter().zip(&y).all(|(x, y)| (x - y).abs() <= TOLERANCE * y.abs());
        assert!(rest_a == rest_b && close, "{name} {seed}:\n  ours:   {a}\n  Python: {b}");
    }
}

/// Runs the program for each seed that there is an expected output of.
fn check(name: &str) {
    let folder = std::env::var("TUTORIAL")
        .map_or_else(|_| Path::new(env!("CARGO_MANIFEST_DIR")).join("tutorial"), PathBuf::from);
    let mut seeds = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_str().unwrap();
        let Some(seed) = file.strip_prefix(name).and_then(|f| f.strip_prefix('.')?.strip_suffix(".txt"))
        else {
            continue;
        };
        let theirs = std::fs::read_to_string(&path).unwrap();
        compare(name, seed, &run(name, &[seed]), &theirs);
        seeds += 1;
    }
    assert!(seeds >= 5, "{name}: only {seeds} expected outputs");
}

#[test]
fn cross_entropy_prints_what_python_prints() {
    check("cross_entropy");
}

#[test]
fn nll_prints_what_python_prints() {
    check("nll");
}

#[test]
fn bce_prints_what_python_prints() {
    check("bce");
}

#[test]
fn mse_prints_what_python_prints() {
    check("mse");
}

#[test]
fn l1_prints_what_python_prints() {
    check("l1");
}

#[test]
fn smooth_l1_prints_what_python_prints() {
    check("smooth_l1");
}

#[test]
fn thoughts_prints_what_python_prints() {
    check("thoughts");
}

#[test]
fn the_comparison_can_fail() {
    compare("x", "0", "loss: 0.12345678901", "loss: 0.12345678999");
    for (a, b) in [("loss: 0.12345678901", "loss: 0.12346678901"), ("1.2346", "1.2345"), ("a 1", "b 1")] {
        assert!(std::panic::catch_unwind(|| compare("x", "0", a, b)).is_err(), "{a} passes for {b}");
    }
}
