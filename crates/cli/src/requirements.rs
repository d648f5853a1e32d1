//! What entries of the log say of the requirements of SP 800-204D, beside the verdicts on runs.

use provost_attest::{Statement, Verified};
use provost_model::{Outcome, RuleResult, RuleState, Timestamp, Verdict};
use provost_policy::Policy;

/// Entries that are linked for one rule.
const LINKED: usize = 5;

/// A statement with its place in the log.
pub(crate) type Entry = (u64, Verified<Statement>);

/// Keeps the newest entries; they come oldest first.
pub(crate) fn keep(list: &mut Vec<Entry>, entry: Entry) {
    list.push(entry);
    if list.len() > LINKED {
        list.remove(0);
    }
}

/// A rule that some entries support. `hint` says what to do where there is none.
pub(crate) fn rule(name: &str, requirements: &[&str], found: &[Entry], reason: String, hint: &str) -> RuleResult {
    RuleResult {
        rule: name.to_owned(),
        step: None,
        state: if found.is_empty() { RuleState::NoEvidence } else { RuleState::Satisfied },
        enforced: false,
        reason,
        hint: found.is_empty().then(|| hint.to_owned()),
        requirements: requirements.iter().map(|id| (*id).to_owned()).collect(),
        statements: found.iter().rev().map(|(_, statement)| statement.envelope()).collect(),
    }
}

/// These rules as a verdict. It fails nothing: none of them is enforced.
pub(crate) fn verdict(policy: &Policy, now: Timestamp, rules: Vec<RuleResult>) -> Verdict {
    Verdict {
        outcome: Outcome::Passed,
        subjects: Vec::new(),
        policy: policy.name.clone(),
        policy_digest: policy.digest,
        judged_at: now,
        rules,
    }
}
