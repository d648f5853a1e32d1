//! What can be wrong with an attestation.

use provost_tlog::TlogError;

/// What can be wrong with an attestation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttestError {
    /// A text or JSON that is malformed.
    #[error("malformed {what}: {why}")]
    Malformed {
        /// What was read.
        what: &'static str,
        /// What is wrong, and where.
        why: String,
    },
    /// A limit was reached.
    #[error("{what} is over the limit of {limit}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The payload is of another type than was asked for.
    #[error("the envelope's payload type is `{found}`, expected `{expected}`")]
    WrongPayloadType {
        /// What was asked for.
        expected: String,
        /// What it says.
        found: String,
    },
    /// The predicate is of another type than was asked for.
    #[error("the statement's predicate type is `{found}`, expected `{expected}`{hint}")]
    WrongPredicateType {
        /// What was asked for.
        expected: String,
        /// What it says.
        found: String,
        /// A known mistake, named.
        hint: &'static str,
    },
    /// Fewer distinct trusted keys signed than are needed.
    #[error("{found} of {needed} needed signatures by distinct trusted keys verify{detail}")]
    NotEnoughSignatures {
        /// How many verify.
        found: usize,
        /// How many are needed.
        needed: usize,
        /// Why others did not count.
        detail: String,
    },
    /// The log proof does not hold.
    #[error("the log proof does not hold: {0}")]
    Log(#[from] TlogError),
    /// The log entry speaks of another envelope.
    #[error("the log entry does not belong to this envelope: {0}")]
    ForeignEntry(&'static str),
    /// A key could not be used.
    #[error("{0}")]
    Key(String),
}

impl AttestError {
    pub(crate) fn malformed(what: &'static str, why: impl ToString) -> Self {
        Self::Malformed { what, why: why.to_string() }
    }
}
