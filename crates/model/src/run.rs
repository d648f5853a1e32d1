//! What is known of one run of a wrapped command, before it becomes statements.

use serde::{Deserialize, Serialize};

use crate::{Digest, FileSet, Timestamp};

/// Who can stand behind a fact. SP 800-204D leaves the grading to the tool; ours follows who could check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactSource {
    /// Measured by provost itself, outside the command's reach.
    Measured,
    /// Signed by the platform and verified.
    PlatformSigned,
    /// Said by the environment (variables, configuration): anyone who could set it could forge it.
    SelfDeclared,
}

/// One fact about where a step ran.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EnvironmentFact {
    /// Stable name in kebab-case, e.g. `operating-system`, `ci-job`.
    pub name: String,
    /// The value, as text.
    pub value: String,
    /// Who stands behind it.
    pub source: FactSource,
    /// How it was learned: a file, a system call or a variable's name.
    pub basis: String,
}

/// A program of the tool chain, by content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tool {
    /// The name it is called by.
    pub name: String,
    /// The file after all symbolic links.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: Digest,
    /// True when the digest was taken earlier and the file's identity (device, inode, size, times) is unchanged.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remembered: bool,
}

/// How the command was kept from the keys and the store, as measured by the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Isolation {
    /// `namespaces+landlock`, `landlock` or `none`.
    pub mechanism: String,
    /// The Landlock ABI that the kernel offers; 0 where it has none.
    pub landlock_abi: u32,
    /// True when the supervisor saw every protected path refused to a probe with the command's own confinement.
    pub keys_unreachable: bool,
    /// What the confinement does not cover, one sentence each.
    pub limits: Vec<String>,
}

/// How the command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    /// It exited with this status.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// The time limit that the user asked for was reached.
    TimedOut,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(number) => write!(f, "ended by signal {number}"),
            Self::TimedOut => f.write_str("stopped at its time limit"),
        }
    }
}

impl Ending {
    /// True for exit status 0 alone.
    pub fn is_success(self) -> bool {
        self == Self::Exited(0)
    }
}

/// One run, as the supervisor saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Where it ran.
    pub directory: String,
    /// Process id of the command.
    pub process_id: u32,
    /// When the supervisor began to collect evidence: before the command.
    pub collected_from: Timestamp,
    /// When the command was started.
    pub started: Timestamp,
    /// When it ended.
    pub finished: Timestamp,
    /// How it ended.
    pub ending: Ending,
    /// Descendants that were still running when the command had ended.
    pub left_running: u32,
    /// How it was confined.
    pub isolation: Isolation,
    /// The files before the command ran.
    pub materials: FileSet,
    /// The files that it made or changed.
    pub products: FileSet,
    /// Names of the materials that were gone after the command.
    pub deleted: Vec<crate::FileName>,
    /// What was seen while it ran.
    pub observation: crate::Observation,
}
