//! The gate: no contribution reaches the build, and no push reaches the repository, that the policy does not allow
//! (SP 800-204D 5.1.2 and 5.1.4).
//!
//! What is proposed is read from git itself: commits, the tree that would result, changed paths with what kind of change
//! each is, who wrote, committed and signed. Approvals are signed statements over base, head, resulting tree and policy.
//! The decision is a function of these, of the policy of the target, and of a time that the proposer does not control.

mod approval;
mod authors;
mod bearing;
mod checks;
mod decide;
mod error;
mod kinds;
mod ledger;
mod log;
mod proposal;
mod push;
mod replay;
mod revocable;
mod verdict;

pub use approval::{
    APPROVAL, APPROVAL_NAMESPACE, Approval, ApprovalDecision, KeptBy, Relation, Seen, Standing, relate, standing,
    verify_approval,
};
pub use authors::{CommitRecord, CommitSignature, Contributor, Contributors, Via, contributors, records};
pub use bearing::bearing;
pub use checks::CheckStatement;
pub use decide::{Answer, Circumstances, Decision, RuleReport, StaleApproval, decide, rules_that_speak};
pub use error::GateError;
pub use kinds::{ChangeRecord, classify};
pub use ledger::{Ledger, LoggedVerdict, Remembered, Trail};
pub use log::{RECEIPT, REFERENCE_UPDATE, Receipt, ReceiptKind, RefChange, ReferenceUpdate, UpdateState};
pub use proposal::{Binding, Moved, Proposal, Target};
pub use push::{FirstSeen, History, PushFacts, RefUpdate, Refusal, judge_push};
pub use replay::{Anomaly, AnomalyKind, Controls, Known, RefState, Replay, ReplayState};
pub use revocable::Revocable;
pub use verdict::{GATE_VERDICT, GateVerdict};

/// Limits on what the gate takes. What lies beyond is refused, never passed over.
pub struct Limits;

impl Limits {
    /// A file whose content is looked at, in bytes; a larger one is `large` and its text is not judged.
    pub const CONTENT: u64 = 8 << 20;
    /// Approvals that are considered for one proposal.
    pub const APPROVALS: usize = 10_000;
    /// Commits that an entry of the log names for one ref.
    pub const LOGGED: usize = 1000;
    /// Pushes that git may still give up.
    pub const REVOCABLE: usize = 1000;
    /// Approvals of one person that are followed over another base, and those that are told of although they do not count; as
    /// many rejections are followed. What is of the same base, or takes something back, has no limit.
    pub const EACH: usize = 16;
    /// A comment or reason, in bytes.
    pub const COMMENT: usize = 4096;
    /// Paths that a report names for one rule.
    pub const NAMED_PATHS: usize = 20;
}

/// What a statement says, if its predicate is of this kind. `what` names it in errors.
fn predicate_of<T: serde::de::DeserializeOwned>(
    statement: &provost_attest::Statement,
    kind: &str,
    what: &'static str,
) -> Result<T, GateError> {
    if statement.predicate_type != kind {
        return Err(GateError::malformed(what, format!("its predicate is {}", statement.predicate_type)));
    }
    serde_json::from_value(statement.predicate.clone()).map_err(|e| GateError::malformed(what, e))
}
