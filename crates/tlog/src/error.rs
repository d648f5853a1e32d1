//! What can be wrong with a log.

use provost_model::Digest;

/// What can be wrong with a log, a proof, a tile or a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlogError {
    /// A text or a binary form that is malformed.
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
        limit: u64,
    },
    /// A proof that does not lead to the root.
    #[error("the {what} does not lead to the root {expected}: it gives {found}")]
    WrongRoot {
        /// Inclusion or consistency proof.
        what: &'static str,
        /// The root that was claimed.
        expected: Digest,
        /// The root that the proof gives.
        found: Digest,
    },
    /// A proof with too few or too many hashes for its sizes.
    #[error("the {what} has {found} hashes; index and sizes ask for another number")]
    WrongLength {
        /// Inclusion or consistency proof.
        what: &'static str,
        /// How many it has.
        found: usize,
    },
    /// Sizes or an index that cannot be.
    #[error("{0}")]
    OutOfRange(String),
    /// A signature by a known key that does not verify, or none by a known key.
    #[error("the signed note is not trusted: {0}")]
    Untrusted(String),
    /// The reader could not give a tile.
    #[error("cannot read {path}: {why}")]
    Unreadable {
        /// Path of the tile in the log.
        path: String,
        /// Why.
        why: String,
    },
}

impl TlogError {
    pub(crate) fn malformed(what: &'static str, why: impl ToString) -> Self {
        Self::Malformed { what, why: why.to_string() }
    }
}
