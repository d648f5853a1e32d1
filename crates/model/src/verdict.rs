//! A verdict: what the policy says, with a reason for every rule.

use serde::{Deserialize, Serialize};

use crate::{Digest, Timestamp};

/// The answer as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Every enforced rule is satisfied.
    Passed,
    /// At least one enforced rule is not.
    Failed,
}

/// The state of one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuleState {
    /// Satisfied, and a statement supports it.
    Satisfied,
    /// A statement shows that it is not.
    NotSatisfied,
    /// Nothing speaks for or against it. Never a pass: an enforced rule without evidence fails the verdict.
    NoEvidence,
    /// The rule has nothing to say here; the reason tells why.
    NotApplicable,
}

/// The state of a requirement of SP 800-204D in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RequirementState {
    /// A statement supports it.
    Satisfied,
    /// A statement speaks against it.
    NotSatisfied,
    /// No rule speaks of it: there is none, or the policy does not use it.
    NotImplemented,
    /// It has nothing to say here.
    NotApplicable,
    /// There is a check, but nothing to check.
    NoEvidence,
}

/// What one rule found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleResult {
    /// Stable kebab-case id of the rule; user rules are `rego/<name>`.
    pub rule: String,
    /// The step it speaks of, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Its state.
    pub state: RuleState,
    /// False when the policy only wants to be told.
    pub enforced: bool,
    /// One sentence: why.
    pub reason: String,
    /// What to do about it, when it is not satisfied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Requirements of SP 800-204D that it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requirements: Vec<String>,
    /// Digests of the envelopes that support the state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Digest>,
}

impl RuleResult {
    /// True when this result makes the whole verdict fail.
    pub fn fails(&self) -> bool {
        self.enforced && matches!(self.state, RuleState::NotSatisfied | RuleState::NoEvidence)
    }
}

/// What the policy says of one artifact, or of one step's run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Passed or failed.
    pub outcome: Outcome,
    /// The digests it speaks of.
    pub subjects: Vec<Digest>,
    /// Name of the policy.
    pub policy: String,
    /// SHA-256 of the policy's bytes as signed.
    pub policy_digest: Digest,
    /// When it was judged.
    pub judged_at: Timestamp,
    /// Every rule, in the policy's order.
    pub rules: Vec<RuleResult>,
}

impl Verdict {
    /// The rules that make it fail.
    pub fn failures(&self) -> impl Iterator<Item = &RuleResult> {
        self.rules.iter().filter(|rule| rule.fails())
    }
}
