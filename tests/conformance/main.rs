//! Runs a corpus of what PyTorch computes against the library.
//!
//! `cargo test --release --test conformance [-- TEXT]` runs the cases of `tests/corpus`, or of the folder that the environment
//! variable `CONFORMANCE` names; with a text, only those whose name or call contains it. It prints one line per call, the first
//! failures with their reasons, and the sum, and fails if a case fails; with `CONFORMANCE_STRICT=1` also if one is unsupported.

mod arguments;
mod case;
mod compare;
mod corpus;
mod driver;
mod losses;
mod modules;
mod ops;
mod optim;
mod random;
mod report;
mod repr;
mod train;

use std::any::Any;
use std::env;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use case::{Case, Kind};
use corpus::File;
use report::{Outcome, Report};

fn main() -> ExitCode {
    let folder = env::var_os("CONFORMANCE")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus"), PathBuf::from);
    let strict = env::var_os("CONFORMANCE_STRICT").is_some_and(|value| value == "1");
    let filter = env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let report = match run(&folder, filter.as_deref().unwrap_or("")) {
        Ok(report) => report,
        Err(reason) => {
            println!("{reason}");
            return ExitCode::FAILURE;
        }
    };
    report.print();
    let total = report.total();
    if total.failed > 0 || (strict && total.unsupported > 0) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(folder: &Path, filter: &str) -> Result<Report, String> {
    let mut report = Report::default();
    for path in corpus::files(folder)? {
        let at_path = |reason| format!("{}: {reason}", path.display());
        let file = File::read(&path).map_err(at_path)?;
        for json in &file.cases {
            let name = json["name"].as_str().unwrap_or("a case without a name");
            match Case::read(json, &file.tensors) {
                Ok(Some(case)) if name.contains(filter) || case.subject.contains(filter) => {
                    report.add(&case.subject, name, outcome(&case));
                }
                Ok(Some(_)) => {}
                Ok(None) => {
                    let kind = json["kind"].to_string();
                    report.add(&kind, name, Outcome::Unsupported("an unknown kind".to_string()));
                }
                Err(reason) => return Err(at_path(format!("{name}: {reason}"))),
            }
        }
    }
    Ok(report)
}

fn outcome(case: &Case) -> Outcome {
    // A panic is a failure of its case and is told there.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| run_case(case)));
    panic::set_hook(hook);
    outcome.unwrap_or_else(|payload| Outcome::Failed(format!("panicked: {}", message(&*payload))))
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("without a message")
}

fn run_case(case: &Case) -> Outcome {
    let result = match &case.kind {
        Kind::Op(op) => driver::check(op),
        Kind::Random(program) => random::check(program),
        Kind::Repr(repr) => repr::check(repr),
        Kind::Optim(optim) => optim::check(optim),
        Kind::Lr(lr) => optim::check_lr(lr),
        Kind::Train(train) => train::check(train),
    };
    result.into()
}
