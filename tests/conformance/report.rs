//! What is printed: a line per call, the first failures, the sum.

use std::collections::BTreeMap;

/// Failures beyond these are counted, not told.
const TOLD: usize = 40;

pub(crate) enum Outcome {
    Passed,
    /// With the first difference.
    Failed(String),
    /// With what is missing.
    Unsupported(String),
}

/// Why a case did not pass.
#[derive(Debug)]
pub(crate) enum Miss {
    /// A result differs.
    Wrong(String),
    /// The library returned this error.
    Refused(String),
    /// The library's types cannot express the call.
    Types(String),
    /// The library does not have what is called.
    Absent(String),
}

impl Miss {
    pub(crate) fn types(reason: impl Into<String>) -> Self {
        Miss::Types(reason.into())
    }
}

impl From<downhill::Error> for Miss {
    fn from(error: downhill::Error) -> Self {
        Miss::Refused(error.to_string())
    }
}

/// A difference that was found.
impl From<String> for Miss {
    fn from(difference: String) -> Self {
        Miss::Wrong(difference)
    }
}

impl From<Result<(), Miss>> for Outcome {
    fn from(result: Result<(), Miss>) -> Self {
        match result {
            Ok(()) => Outcome::Passed,
            Err(Miss::Wrong(difference)) => Outcome::Failed(difference),
            Err(Miss::Refused(error)) => Outcome::Failed(format!("refused: {error}")),
            Err(Miss::Types(reason) | Miss::Absent(reason)) => Outcome::Unsupported(reason),
        }
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) unsupported: usize,
}

#[derive(Default)]
pub(crate) struct Report {
    calls: BTreeMap<String, Count>,
    failures: Vec<String>,
    /// The first thing missing, by call.
    missing: BTreeMap<String, String>,
}

impl Report {
    pub(crate) fn add(&mut self, subject: &str, case: &str, outcome: Outcome) {
        let count = self.calls.entry(subject.to_string()).or_default();
        match outcome {
            Outcome::Passed => count.passed += 1,
            Outcome::Failed(reason) => {
                count.failed += 1;
                self.failures.push(format!("{case}: {reason}"));
            }
            Outcome::Unsupported(reason) => {
                count.unsupported += 1;
                self.missing.entry(subject.to_string()).or_insert(reason);
            }
        }
    }

    pub(crate) fn total(&self) -> Count {
        self.calls.values().fold(Count::default(), |sum, count| Count {
            passed: sum.passed + count.passed,
            failed: sum.failed + count.failed,
            unsupported: sum.unsupported + count.unsupported,
        })
    }

    pub(crate) fn print(&self) {
        for (call, count) in &self.calls {
            let Count { passed, failed, unsupported } = count;
            let reason = self.missing.get(call);
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            println!("{call}: {passed} passed, {failed} failed, {unsupported} unsupported{reason}");
        }
        for failure in self.failures.iter().take(TOLD) {
            println!("FAILED {failure}");
        }
        if self.failures.len() > TOLD {
            println!("… and {} more failures", self.failures.len() - TOLD);
        }
        let Count { passed, failed, unsupported } = self.total();
        println!("conformance: {passed} passed, {failed} failed, {unsupported} unsupported");
    }
}
