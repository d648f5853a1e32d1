//! A policy's own examples: cases that it must judge as it says.

use provost_model::{Outcome, Verdict};

use crate::{Example, Expectation};

/// What came of an example.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExampleOutcome {
    /// True when the policy judged as the example says.
    pub holds: bool,
    /// One sentence.
    pub reason: String,
}

/// Holds a verdict against what an example expects: the outcome, and each rule that must be among the failures.
pub fn judge_example(example: &Example, verdict: &Verdict) -> ExampleOutcome {
    let failures: Vec<&str> = verdict.failures().map(|rule| rule.rule.as_str()).collect();
    let expected = match example.expect {
        Expectation::Passed => Outcome::Passed,
        Expectation::Failed => Outcome::Failed,
    };
    if verdict.outcome != expected {
        let why = if failures.is_empty() { "no rule failed".to_owned() } else { failures.join(", ") };
        return ExampleOutcome {
            holds: false,
            reason: format!("expected {:?}, got {:?}: {why}", example.expect, verdict.outcome),
        };
    }
    let missing: Vec<&str> =
        example.because.iter().map(String::as_str).filter(|rule| !failures.contains(rule)).collect();
    if missing.is_empty() {
        return ExampleOutcome { holds: true, reason: "as expected".into() };
    }
    ExampleOutcome { holds: false, reason: format!("these rules did not fail: {}", missing.join(", ")) }
}
