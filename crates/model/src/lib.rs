//! The words of the domain, shared by every other crate: digests, times, names of files, records of a run,
//! requirements of NIST SP 800-204D and verdicts.
//!
//! Nothing here touches a file, a clock, the network or the environment.

mod digest;
mod file;
mod finding;
mod observation;
mod package;
mod purl;
mod requirement;
mod run;
mod text;
mod time;
mod verdict;

pub use digest::{Digest, DigestError, DigestSet, Hasher, sha256};
pub use file::{FileEntry, FileKind, FileName, FileSet};
pub use finding::{Confidence, Excerpt, Finding, Level, Span};
pub use observation::{
    BackEnd, Compared, Coverage, Execution, NameQuestion, NetworkEvent, NetworkKind, Observation, ObservedFile,
    ObservedProcess, Origin, Permission, Use, Violation,
};
pub use package::{
    Claims, Completeness, Distribution, Ecosystem, Inventory, Package, PackageHash, PackageSource, Problem, Root,
    Scope, Scopes,
};
pub use purl::{MAXIMUM_PURL_BYTES, Purl, PurlBuilder, PurlError, repository_address};
pub use requirement::{ALL_REQUIREMENTS, Requirement, Strength};
pub use run::{Ending, EnvironmentFact, FactSource, Isolation, RunRecord, Tool};
pub use text::{count, human_bytes, printable};
pub use time::{TimeError, Timestamp};
pub use verdict::{Outcome, RequirementState, RuleResult, RuleState, Verdict};
