//! Watching a command from the kernel's side, and holding it to what it may do.
//!
//! A [`Watcher`] is a process of its own, forked before any key is read. It enters the command's namespaces, starts the
//! command under a seccomp filter, and does or judges every call that matters. What comes back is an
//! [`Observation`] with a statement of what it covers.

mod address;
mod balancer;
mod calls;
mod change;
mod dns;
mod ebpf;
mod execute;
mod eyes;
mod filter;
mod forward;
mod guard;
mod http;
mod network;
mod notify;
mod open;
#[cfg(target_arch = "x86_64")]
mod ptrace;
mod record;
mod sniff;
mod start;
mod supervisor;
mod sys;
mod table;
mod tracee;
mod walk;
mod watcher;

use std::path::PathBuf;

use provost_model::{Isolation, Observation, Timestamp};
use serde::{Deserialize, Serialize};

pub use dns::{addresses as dns_addresses, question as dns_question};
pub use ebpf::needed_kernel_types;
pub use guard::{Endpoint, Guard, Mode, NetworkRule, ToolRule};
pub use http::Requests as HttpRequests;
pub use sniff::{Asked, look as look_at_first_bytes};
pub use table::{observed_calls, table};
pub use watcher::{Live, Watcher};

use crate::run::RunOutcome;

/// A clock.
pub type Clock = fn() -> Timestamp;

/// Which back end is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ObserveWish {
    /// The best that is to be had; none where there is none.
    #[default]
    Auto,
    /// Seccomp notification, or an error before the command starts.
    Notify,
    /// Selective ptrace, or an error before the command starts.
    Ptrace,
    /// eBPF programs, or an error before the command starts.
    Ebpf,
    /// Notification and eBPF, and what each saw is held against the other.
    Both,
    /// Nobody watches.
    None,
}

/// Limits of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObserverLimits {
    /// Processes at once.
    pub processes: usize,
    /// Different files.
    pub files: usize,
    /// Programs executed by one process, one after the other.
    pub programs: usize,
    /// Network events, and names asked for.
    pub network: usize,
    /// Violations.
    pub violations: usize,
    /// A file whose content gets a digest, in bytes.
    pub hashed_size: u64,
    /// Text of the arguments of one execution, in bytes.
    pub arguments: usize,
    /// Memory of one process (address space), in bytes; no limit when 0.
    pub memory: u64,
    /// Open files of one process; as inherited when 0.
    pub open_files: u64,
}

impl Default for ObserverLimits {
    fn default() -> Self {
        Self {
            processes: 4096,
            files: 2_000_000,
            programs: 1000,
            network: 50_000,
            violations: 10_000,
            hashed_size: 16 << 30,
            arguments: 32 * 1024,
            memory: 0,
            open_files: 0,
        }
    }
}

/// What is to be run, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Plan {
    /// Program and arguments, as bytes.
    pub command: Vec<Vec<u8>>,
    /// Where.
    pub directory: PathBuf,
    /// Variables that the command must not inherit.
    pub without: Vec<String>,
    /// End it after so many milliseconds; `None` for never.
    pub time_limit: Option<u64>,
    /// How much confinement is wanted: `required`, `best-effort`, `off`.
    pub confinement: String,
    /// Directories and files of keys and store.
    pub hidden: Vec<PathBuf>,
    /// Files in them that must turn out to be unreachable.
    pub probes: Vec<PathBuf>,
    /// The back end.
    pub observe: ObserveWish,
    /// What the run may do.
    pub guard: Guard,
    /// Limits.
    pub limits: ObserverLimits,
    /// A directory for the run's temporary files and the guard's own; removed by the caller.
    pub scratch: PathBuf,
    /// Digests from earlier runs.
    pub remembered: Vec<Remembered>,
    /// Name servers, when not the host's.
    pub resolvers: Vec<std::net::SocketAddr>,
}

/// The digest of a file's content, and what of the file must be unchanged for it to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Device and inode.
    pub inode: (u64, u64),
    /// Size in bytes.
    pub size: i64,
    /// Time of the last change of content: seconds and nanoseconds.
    pub modified: (i64, i64),
    /// Time of the last change of anything: seconds and nanoseconds.
    pub changed: (i64, i64),
    /// The content's digest.
    pub digest: provost_model::Digest,
}

/// What is known before the command starts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ready {
    /// How the command will be confined.
    pub isolation: Isolation,
    /// Who will watch.
    pub back_end: provost_model::BackEnd,
    /// Layers of the guard that hold here.
    pub layers: Vec<String>,
    /// Why better back ends are not used, one sentence each.
    pub not_used: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// How the command ran and ended.
    pub outcome: RunOutcome,
    /// What was seen.
    pub observation: Observation,
    /// Digests for later runs: of files outside the tree that have not changed for a while.
    pub remember: Vec<Remembered>,
    /// Digests of files that the run wrote, as they are now, where an unchanged file is sure to have that content.
    pub products: Vec<Remembered>,
}
