//! The predicates that provost makes and reads. `docs/predicates.md` describes each with an example.

mod environment;
mod files;
mod link;
mod pack;
mod process;
mod provenance;
mod vsa;
mod vulns;

pub use environment::{Attribute, Environment};
pub use files::{Artifacts, CacheState, GitState, Lockfile, Materials, Submodule};
pub use link::Link;
pub use pack::Pack;
pub use process::{
    Completeness, Guarding, Monitor, MonitorLog, MonitoredProcess, Process, ProcessEvent, TraceMetadata,
};
pub use provenance::{BuildDefinition, BuildMetadata, Builder, Provenance, RunDetails};
pub use vsa::{PolicyReference, VerificationSummary, Verifier};
pub use vulns::{
    ImageFacts, Occurrence, ReleaseFacts, ScanFacts, ScanMetadata, ScanResult, Scanner, ScannerDatabase,
    SeverityRating, Vulns,
};

/// SCAI attribute report v0.3: the environment attestation (SP 800-204D 5.1.1).
pub const ENVIRONMENT: &str = "https://in-toto.io/attestation/scai/v0.3";
/// Runtime trace v0.2: the process attestation.
pub const PROCESS: &str = "https://in-toto.io/attestation/runtime-trace/v0.2";
/// Materials v0.1, documented in `docs/predicates.md`: no vetted predicate holds a file list by Merkle root.
pub const MATERIALS: &str = "urn:provost:predicate:materials:v0.1";
/// Artifacts v0.1, documented in `docs/predicates.md`.
pub const ARTIFACTS: &str = "urn:provost:predicate:artifacts:v0.1";
/// SLSA Provenance 1.x.
pub const PROVENANCE: &str = "https://slsa.dev/provenance/v1";
/// in-toto link v0.3.
pub const LINK: &str = "https://in-toto.io/attestation/link/v0.3";
/// SLSA Verification Summary 1.x.
pub const VSA: &str = "https://slsa.dev/verification_summary/v1";
/// in-toto test result v0.1: what a scan found.
pub const TEST_RESULT: &str = "https://in-toto.io/attestation/test-result/v0.1";
/// in-toto vulnerabilities v0.2: what a scan of packages found.
pub const VULNS: &str = "https://in-toto.io/attestation/vulns/v0.2";
/// CycloneDX, as cosign and witness name it; a version may follow.
pub const CYCLONEDX: &str = "https://cyclonedx.org/bom";
/// Pack v0.1, documented in `docs/predicates.md`: advisories or rules, with version and end.
pub const PACK: &str = "urn:provost:predicate:pack:v0.1";
/// SPDX 2.
pub const SPDX: &str = "https://spdx.dev/Document";
/// The build type of `provost run`, documented in `docs/predicates.md`.
pub const RUN_BUILD_TYPE: &str = "urn:provost:build-type:run:v1";

/// The short name that policies and people use for a predicate type; the type itself when it has none.
pub fn short_name(predicate_type: &str) -> &str {
    match predicate_type {
        ENVIRONMENT => "environment",
        PROCESS => "process",
        MATERIALS => "materials",
        ARTIFACTS => "artifacts",
        PROVENANCE => "provenance",
        LINK => "link",
        VSA => "vsa",
        VULNS => "vulns",
        CYCLONEDX => "cyclonedx",
        SPDX => "spdx",
        PACK => "pack",
        // Predicates of our own that are made elsewhere: what stands before the version.
        other => other
            .strip_prefix("urn:provost:predicate:")
            .and_then(|rest| rest.split_once(':'))
            .map_or(other, |(name, _)| name),
    }
}

/// The predicate type behind a short name; a name with a colon is taken as the type itself.
pub fn by_short_name(name: &str) -> Option<&str> {
    Some(match name {
        "environment" => ENVIRONMENT,
        "process" => PROCESS,
        "materials" => MATERIALS,
        "artifacts" => ARTIFACTS,
        "provenance" => PROVENANCE,
        "link" => LINK,
        "vsa" => VSA,
        "vulns" => VULNS,
        "cyclonedx" => CYCLONEDX,
        "spdx" => SPDX,
        "pack" => PACK,
        other if other.contains(':') => other,
        _ => return None,
    })
}
