//! What several processes do: the program starts itself under `mpirun`, once a test, and is the process that is tested there.
//!
//! `cargo test --test processes [NAME…]` runs those tests whose names contain one of these.

mod case;
mod collectives;
mod failure;
mod resume;
mod same_bits;

use case::Case;
use std::process::ExitCode;
use std::time::Instant;

/// The tests, which start processes and look at what they print.
const TESTS: [(&str, fn()); 12] = [
    ("same_bits_for_any_number_of_processes", same_bits::for_any_number_of_processes),
    ("the_mean_is_that_of_the_global_batch", same_bits::the_mean_is_that_of_the_global_batch),
    ("the_example_prints_the_same_for_any_number_of_processes", same_bits::of_the_example),
    ("collectives_do_what_they_say", collectives::do_what_they_say),
    ("average_gradients_is_the_mean_of_the_processes", collectives::average_gradients),
    ("calls_that_differ_are_errors_everywhere", collectives::calls_that_differ),
    ("models_and_batches_that_differ_are_errors_everywhere", collectives::models_that_differ),
    ("an_error_ends_all", failure::an_error_ends_all),
    ("a_panic_ends_all", failure::a_panic_ends_all),
    ("a_dead_process_ends_all", failure::a_dead_process_ends_all),
    ("a_process_that_is_done_early_ends_all", failure::done_early),
    ("training_goes_on_after_a_kill_with_the_same_bits", resume::after_a_kill),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    if let [first, case, rest @ ..] = &arguments[..]
        && first == "--case"
    {
        return Case::run(case, rest);
    }
    let names: Vec<_> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let meant = |test: &str| names.is_empty() || names.iter().any(|name| test.contains(name.as_str()));
    let mut failed = 0;
    for (name, test) in TESTS.iter().filter(|(name, _)| meant(name)) {
        let start = Instant::now();
        let passed = std::panic::catch_unwind(test).is_ok();
        let seconds = start.elapsed().as_secs_f64();
        println!("test {name} … {} ({seconds:.1} s)", if passed { "ok" } else { "FAILED" });
        failed += u32::from(!passed);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
