//! What can go wrong at the gate. A refusal is no error: it is a decision.

use provost_repo::RepoError;

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// The repository cannot be read.
    #[error(transparent)]
    Repository(#[from] RepoError),
    /// A statement that should be an approval, a receipt or an entry is none.
    #[error("{what} cannot be used: {why}")]
    Malformed {
        /// What.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The policy says nothing of repositories.
    #[error("the policy has no `[repository]`: docs/gate.md shows what to add, then `provost policy sign`")]
    NoRepository,
    /// What was remembered of the log cannot be read.
    #[error("the memory of the log cannot be read: {0}")]
    Memory(String),
    /// More than [`crate::Limits`] allows.
    #[error("{what}: more than {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
}

impl GateError {
    pub(crate) fn malformed(what: &'static str, why: impl std::fmt::Display) -> Self {
        Self::Malformed { what, why: why.to_string() }
    }
}
