//! What is printed: a line per call, the first failures, the sum.

use std::collections::BTreeMap;
use std::fmt;

/// Failures of one call beyond these are counted, not told.
const TOLD: usize = 5;

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

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count { passed, failed, unsupported } = self;
        write!(f, "{passed} passed, {failed} failed, {unsupported} unsupported")
    }
}

#[derive(Default)]
struct Subject {
    count: Count,
    /// The first of them, with their cases.
    failures: Vec<String>,
    /// The first thing that is missing.
    missing: Option<String>,
}

#[derive(Default)]
pub(crate) struct Report(BTreeMap<String, Subject>);

impl Report {
    pub(crate) fn add(&mut self, subject: &str, case: &str, outcome: Outcome) {
        let subject = self.0.entry(subject.to_string()).or_default();
        match outcome {
            Outcome::Passed => subject.count.passed += 1,
            Outcome::Failed(reason) => {
                subject.count.failed += 1;
                if subject.failures.len() < TOLD {
                    subject.failures.push(format!("{case}: {reason}"));
                }
            }
            Outcome::Unsupported(reason) => {
                subject.count.unsupported += 1;
                subject.missing.get_or_insert(reason);
            }
        }
    }

    pub(crate) fn total(&self) -> Count {
        self.0.values().fold(Count::default(), |sum, Subject { count, .. }| Count {
            passed: sum.passed + count.passed,
            failed: sum.failed + count.failed,
            unsupported: sum.unsupported + count.unsupported,
        })
    }

    pub(crate) fn print(&self) {
        for (call, Subject { count, missing, .. }) in &self.0 {
            let reason = missing.as_ref().and_then(|reason| reason.lines().next());
            let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
            println!("{call}: {count}{reason}");
        }
        for failure in self.0.values().flat_map(|subject| &subject.failures) {
            println!("FAILED {failure}");
        }
        println!("conformance: {}", self.total());
    }
}
