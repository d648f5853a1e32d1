//! The policy: a signed document that says who may build what, with which tools, and what evidence an artifact needs.
//! Verified statements and facts go in, a verdict with a reason for every rule comes out. Pure: no file, no clock, no
//! network, so the same policy gives the same verdict in CI, at a consumer's desk and at admission.
//!
//! Missing evidence is never a pass, and every failure is reported, not the first only.

mod access;
mod document;
mod error;
mod evaluate;
mod examples;
mod licence;
mod passed;
mod rego;
mod report;
mod rules;

pub use access::{
    Access, AccessRule, AuthorClass, BreakGlass, ChangeKind, CheckRule, Delegated, Delegation, Freeze, GateRules,
    Globs, Keep, Operation, Person, PersonKey, ProtectRule, Repository, RootKeys, TimeSource, Weekly, Who,
};
pub use document::{
    BuildRules, EvidenceRules, Example, Expectation, Functionary, Identity, LogKey, Mode, ObservationWanted, Policy,
    RegoRule, ScanException, ScanRules, Severity, Step,
};
pub use error::{PolicyError, Problem};
pub use evaluate::{Evidence, Facts, Item, evaluate, said_time};
pub use examples::{ExampleOutcome, judge_example};
pub use licence::LicenceRules;
pub use passed::Passed;
pub use report::{RequirementReport, requirement_states};
pub use rules::{RULES, RuleInfo};

/// The payload type of a signed policy. The payload is the policy's TOML, byte for byte as it was reviewed.
pub const POLICY_PAYLOAD: &str = "application/vnd.provost.policy.v1+toml";

/// Limits on policies and on their evaluation. Each is tested.
pub struct Limits;

impl Limits {
    /// A policy, in bytes.
    pub const POLICY: usize = 1024 * 1024;
    /// Steps, functionaries and the like, each.
    pub const ITEMS: usize = 1000;
    /// Time that one Rego rule may take, in milliseconds.
    pub const REGO_MILLISECONDS: u64 = 2000;
}
