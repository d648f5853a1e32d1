//! What can go wrong with the store.

use std::path::PathBuf;

use provost_attest::AttestError;
use provost_tlog::TlogError;

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceError {
    /// A file could not be read or written.
    #[error("cannot {action} {path}: {source}{}", hint(source))]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// There is no store here.
    #[error("there is no evidence store at {0}: run `provost init`, or set PROVOST_STORE to where it is")]
    NoStore(PathBuf),
    /// There is a store already.
    #[error("there is an evidence store at {0} already")]
    Exists(PathBuf),
    /// Another format than this program writes.
    #[error("the store at {path} says `{found}`; this provost reads `{expected}`")]
    Format {
        /// Where.
        path: PathBuf,
        /// What it says.
        found: String,
        /// What is expected.
        expected: &'static str,
    },
    /// Others than the owner could change the store.
    #[error("{path} can be written by others than its owner (mode {mode:o}): run `chmod go-w {path}`")]
    Exposed {
        /// Which directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The log's newest checkpoint is older than what was acknowledged.
    #[error(
        "the log in {path} was rolled back: it has {found} entries, but {acknowledged} were acknowledged. \
         Restore the missing files; evidence must not be appended to this store before that"
    )]
    RolledBack {
        /// Which store.
        path: PathBuf,
        /// Entries now.
        found: u64,
        /// Entries that were acknowledged.
        acknowledged: u64,
    },
    /// A file of the store does not hold what it must.
    #[error("{path} is damaged: {why}. Restore it from a copy; `provost log fsck` checks the whole store")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Someone shows another history of a log than was seen before.
    #[error("{0}")]
    Rollback(String),
    /// Nothing shows that two states of a log are one history.
    #[error("{0}")]
    Unproven(String),
    /// The log's key is not the one that was given.
    #[error("the store's log key is {expected}, the signer's is {found}")]
    WrongKey {
        /// The store's.
        expected: String,
        /// The signer's.
        found: String,
    },
    /// Too much at once.
    #[error("{0}")]
    TooLarge(String),
    /// The log does not hold.
    #[error(transparent)]
    Log(#[from] TlogError),
    /// An envelope does not hold.
    #[error(transparent)]
    Attest(#[from] AttestError),
    /// The index could not be used.
    #[error("the index {path}: {why}. {advice}")]
    Index {
        /// Which file.
        path: PathBuf,
        /// Why.
        why: String,
        /// What to do.
        advice: &'static str,
    },
}

fn hint(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::StorageFull => ". Nothing was acknowledged; make room and run the step again",
        std::io::ErrorKind::ReadOnlyFilesystem => ". The store must be writable to record evidence",
        std::io::ErrorKind::PermissionDenied => ". Run as the store's owner",
        _ => "",
    }
}

impl EvidenceError {
    pub(crate) fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }
}
