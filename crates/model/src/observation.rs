//! What was seen of a run from the kernel's side: processes, files, network, and what was not seen.
//!
//! Every back end of the observer produces this one shape, so that two of them can be compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Ending, FileName, Timestamp};

/// Who watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackEnd {
    /// Nobody: the tree before and after is all there is.
    None,
    /// Seccomp user notification: the supervisor opens files itself and hands the descriptors over.
    Notify,
    /// Selective ptrace: calls are looked at when they return, through the traced process's own descriptors.
    Ptrace,
    /// eBPF tracepoints. Sees what happened, after it happened.
    Ebpf,
}

impl BackEnd {
    /// Its name in evidence and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Notify => "notify",
            Self::Ptrace => "ptrace",
            Self::Ebpf => "ebpf",
        }
    }
}

/// Everything that was seen of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// Who watched.
    pub back_end: BackEnd,
    /// Processes, in the order in which they were first seen; a process's `id` is its place in this list.
    pub processes: Vec<ObservedProcess>,
    /// Files, ordered by name.
    pub files: Vec<ObservedFile>,
    /// Network activity in order of time.
    pub network: Vec<NetworkEvent>,
    /// Names that were asked for, in order of time.
    pub names: Vec<NameQuestion>,
    /// What the policy does not allow, and what was refused.
    pub violations: Vec<Violation>,
    /// What was and was not covered.
    pub coverage: Coverage,
}

/// One process of the run's tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedProcess {
    /// Its place in the list.
    pub id: u32,
    /// Process id as the supervisor sees it.
    pub pid: u32,
    /// The process that made it; absent for the command itself, and where it could not be learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u32>,
    /// The programs that it executed, in order. Empty: it went on as a copy of its parent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub programs: Vec<Execution>,
    /// When it was first seen.
    pub started_on: Timestamp,
    /// When it ended; absent when it was still there at the end of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Timestamp>,
    /// How it ended, where that could be learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// The daemon that made it for whoever asked, when it is not of the run's own tree: what it did may be others' work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_by: Option<String>,
}

/// One program that a process executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Execution {
    /// The file that the kernel runs, after all links; for a script, its interpreter.
    pub path: FileName,
    /// SHA-256 of that file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The script, when the file that was named is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<FileName>,
    /// SHA-256 of the script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script_digest: Option<Digest>,
    /// Arguments, the first being the program's own name.
    pub arguments: Vec<String>,
    /// True when not all of the arguments are here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub arguments_cut: bool,
    /// Working directory at that moment.
    pub directory: FileName,
    /// When.
    pub at: Timestamp,
}

/// What was done with a file. In order of strength: the strongest is what counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    /// A directory was opened.
    Listed,
    /// Opened for reading.
    Read,
    /// Executed: as a program, a script or a program's loader.
    Executed,
    /// Mode or owner changed.
    Changed,
    /// Opened for writing, or cut.
    Written,
    /// Made: opened with creation, a link, a directory, a device, or the new name of a renaming.
    Created,
    /// It lost this name by a renaming.
    Renamed,
    /// Removed.
    Deleted,
}

/// Where a file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The working tree, under version control or not.
    Repository,
    /// The cache or store of a package manager.
    PackageCache,
    /// Installed by the distribution.
    Distribution,
    /// Made by this run.
    Built,
    /// Temporary directories.
    Temporary,
    /// Files that the kernel makes up: `/proc`, `/sys`, `/dev`.
    Kernel,
    /// Anything else.
    Other,
}

/// One file that the run touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObservedFile {
    /// The path as the kernel resolved it.
    #[serde(flatten)]
    pub name: FileName,
    /// All that was done with it, weakest first.
    pub uses: Vec<Use>,
    /// What was done with it first.
    pub first_use: Use,
    /// When that was.
    pub first_on: Timestamp,
    /// Which process that was.
    pub first_by: u32,
    /// The processes that wrote it (at most 16 of them).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub written_by: Vec<u32>,
    /// SHA-256 of the contents that were used, in order, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<Digest>,
    /// SHA-256 at the end of the run, for files that the run wrote and that are still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_digest: Option<Digest>,
    /// Size in bytes at its last use, or at the end when the run wrote it.
    pub size: u64,
    /// Group, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Why a digest may not be that of the bytes that were used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl ObservedFile {
    /// The strongest use.
    pub fn strongest(&self) -> Use {
        self.uses.iter().copied().max().unwrap_or(self.first_use)
    }

    /// True when its content went into the run: read or executed before the run wrote it.
    pub fn is_input(&self) -> bool {
        matches!(self.first_use, Use::Read | Use::Executed) && self.origin != Some(Origin::Kernel)
    }

    /// True when the run left it behind: written or made, and still there.
    pub fn is_output(&self) -> bool {
        self.final_digest.is_some()
    }
}

/// Whether something was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// It went on.
    Allowed,
    /// It was refused.
    Refused,
}

/// What a network event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NetworkKind {
    /// A connection was asked for.
    Connect,
    /// A datagram was sent to an address.
    Datagram,
    /// An address was taken.
    Bind,
    /// Connections were waited for.
    Listen,
    /// A socket of an unusual kind was made.
    Socket,
}

/// One network event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkEvent {
    /// What.
    pub kind: NetworkKind,
    /// Who.
    pub process: u32,
    /// When.
    pub at: Timestamp,
    /// `tcp`, `udp`, `unix`, `netlink`, `packet`, `raw`, `vsock`, or the number of the family.
    pub protocol: String,
    /// Address; for a Unix socket its path, `@` before an abstract one.
    pub address: String,
    /// Port, where there are ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The name that was asked for to get this address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The server that the first bytes asked for: TLS server name, or HTTP host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_for: Option<String>,
    /// The service that work is handed to, when this is one: what it does is not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegated_to: Option<String>,
    /// Let through or not.
    pub permission: Permission,
    /// What the kernel or the remote side said, when it did not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many times this same event occurred.
    pub count: u64,
}

/// A name that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NameQuestion {
    /// The name.
    pub name: String,
    /// The type of record: `A`, `AAAA`, `TXT` or its number.
    pub record: String,
    /// Who asked, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// When.
    pub at: Timestamp,
    /// Addresses that were answered; absent where the answer was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<Vec<String>>,
    /// Answered or not.
    pub permission: Permission,
}

/// Something that the policy does not allow, or that is refused to every command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// Kind, kebab-case: `network`, `source-write`, `credential`, `tool`, `memory`, `kernel`, `limit`, …
    pub kind: String,
    /// Who.
    pub process: u32,
    /// First time.
    pub at: Timestamp,
    /// What was wanted, in words.
    pub what: String,
    /// Let through (mode `detect`) or refused.
    pub permission: Permission,
    /// How many times.
    pub count: u64,
}

/// What an observation covers. It is signed with it: without it silence would read as completeness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Coverage {
    /// Why better back ends were not used, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_used: Vec<String>,
    /// System calls that were observed.
    pub observed: Vec<String>,
    /// System calls that are refused to the command.
    pub refused: Vec<String>,
    /// What is not seen, one sentence each.
    pub not_seen: Vec<String>,
    /// Services that work was handed to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegated: Vec<String>,
    /// Layers of the guard that were active, each probed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers: Vec<String>,
    /// Counters by name: `calls`, `opens`, `opensFailed`, `continued`, `unreadable`, `forks`, …
    pub counters: BTreeMap<String, u64>,
    /// Events that were lost.
    pub events_lost: u64,
    /// Why the observation is incomplete, one sentence each; empty when it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<String>,
    /// How this compares with what another back end saw of the same run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<Compared>,
}

/// Two back ends that watched the same run: each is the test of the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The other one.
    pub with: BackEnd,
    /// How many things both saw, by kind: `programs`, `processes`, `read`, `executed`, `written`, `created`, `deleted`,
    /// `connections`.
    pub same: BTreeMap<String, u64>,
    /// What only one saw for a reason that is known: the reason, and how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub explained: BTreeMap<String, u64>,
    /// What only one saw, one sentence each (at most 200 of them).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
    /// How many such differences there are.
    pub different: u64,
    /// The other one's counters.
    pub counters: BTreeMap<String, u64>,
}

impl Observation {
    /// An observation in which nobody watched.
    pub fn none(reason: Vec<String>) -> Self {
        Self {
            back_end: BackEnd::None,
            processes: Vec::new(),
            files: Vec::new(),
            network: Vec::new(),
            names: Vec::new(),
            violations: Vec::new(),
            coverage: Coverage { not_used: reason, ..Coverage::default() },
        }
    }

    /// True when a back end watched, nothing was lost and nothing was handed to others.
    pub fn is_complete(&self) -> bool {
        self.back_end != BackEnd::None
            && self.coverage.events_lost == 0
            && self.coverage.incomplete.is_empty()
            && self.coverage.delegated.is_empty()
    }
}
