//! What can go wrong while a command is run and watched.

use std::path::PathBuf;

/// What can go wrong while a command is run and watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TraceError {
    /// The command could not be started.
    #[error("cannot start `{command}`: {source}")]
    Start {
        /// The program.
        command: String,
        /// Why.
        source: std::io::Error,
    },
    /// A directory or file of the tree could not be used.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A glob that cannot be read.
    #[error("the glob `{glob}` cannot be read: {why}")]
    Glob {
        /// The glob.
        glob: String,
        /// What is wrong.
        why: String,
    },
    /// The tree is larger than can be recorded.
    #[error("{0}")]
    TooLarge(String),
    /// The confinement that was required cannot be had.
    #[error(
        "the command cannot be kept from the keys here: {why}. Allow it with `isolation = \"best-effort\"` (the evidence then says so)"
    )]
    NoConfinement {
        /// Why not.
        why: String,
    },
    /// The supervisor's process failed; the sentence says how.
    #[error("{0}")]
    Supervisor(String),
    /// What the supervisor's process said of the confinement.
    #[error("{0}")]
    Said(String),
    /// The kernel refused a call.
    #[error("{call}: {source}")]
    Kernel {
        /// Which call.
        call: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

impl TraceError {
    pub(crate) fn kernel(call: &'static str, errno: nix::Error) -> Self {
        Self::Kernel { call, source: errno.into() }
    }
}
