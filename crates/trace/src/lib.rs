//! Runs a command: observes it and confines it. Linux.
//!
//! This first part observes from outside: the file tree before and after, the command's start, end and status. The
//! kernel-level back ends (seccomp notification, ptrace) take their place beside [`run()`] and fill the same records;
//! until then every record says what was not seen ([`BACK_END`], [`NOT_SEEN`]).
//!
//! Confinement keeps the command away from the keys and the evidence store, and from the supervisor itself.

mod confine;
mod directory;
mod error;
mod filter;
pub mod observe;
mod run;
mod signals;
mod snapshot;

pub use confine::{Confinement, ConfinementWish};
pub use directory::Directory;
pub use error::TraceError;
pub use filter::kill_on_socket;
pub use run::{RunOutcome, RunRequest, run};
pub use signals::{BlockedSignals, end_like};
pub use snapshot::{Selection, Snapshot, hash_file};

/// The name of the back end, in evidence.
pub const BACK_END: &str = "wrapper";

/// What this back end cannot see, one sentence each.
pub const NOT_SEEN: &[&str] = &[
    "processes that the command started",
    "files that were read, and files made and removed again while it ran",
    "files outside the working tree",
    "network connections",
    "work handed to a daemon",
];

/// Limits of the observation.
pub struct Limits;

impl Limits {
    /// A file that is hashed, in bytes of its apparent size: sparse files of any size cost time otherwise.
    pub const FILE: u64 = 64 * 1024 * 1024 * 1024;
    /// Files of one tree.
    pub const FILES: usize = 5_000_000;
    /// Nesting of directories.
    pub const DEPTH: usize = 512;
    /// How often a file that changes while it is read is read again.
    pub const ATTEMPTS: usize = 3;
}
