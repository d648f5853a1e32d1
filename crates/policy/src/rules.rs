//! The table of typed rules: id, what it asks, which requirements of SP 800-204D it serves, and how it counts unless
//! the policy says otherwise.

use crate::Mode;

/// A rule.
#[derive(Debug, Clone, Copy)]
pub struct RuleInfo {
    /// Stable kebab-case id.
    pub id: &'static str,
    /// What it asks.
    pub text: &'static str,
    /// Requirements of SP 800-204D that it serves.
    pub requirements: &'static [&'static str],
    /// How it counts unless the policy says otherwise.
    pub default: Mode,
}

const fn rule(id: &'static str, text: &'static str, requirements: &'static [&'static str], default: Mode) -> RuleInfo {
    RuleInfo { id, text, requirements, default }
}

use Mode::{Enforce, Warn};

/// Every typed rule, in the order in which they are reported.
pub const RULES: &[RuleInfo] = &[
    rule("policy-valid", "the policy is signed and has not expired", &["POL-1", "BUILD-1"], Enforce),
    rule(
        "step-evidence",
        "every required attestation of the step is there for this artifact",
        &["POL-2", "ATT-1", "ATT-2", "ATT-3", "ATT-4"],
        Enforce,
    ),
    rule(
        "step-functionaries",
        "enough distinct, permitted keys signed each required attestation",
        &["POL-2", "TRUST-2", "TRUST-5", "UPD-3", "ATT-5"],
        Enforce,
    ),
    rule("key-validity", "each key was valid, and not revoked, when it signed", &["ATT-5", "UPD-2"], Enforce),
    rule("evidence-logged", "each attestation is proved to be in a known log", &["ATT-6", "STRAT-2"], Enforce),
    rule("evidence-witnessed", "enough witnesses cosigned the log's checkpoint", &["ATT-6"], Enforce),
    rule(
        "evidence-time",
        "no attestation is older than allowed or dated in the future",
        &["STRAT-3", "BUILD-3"],
        Enforce,
    ),
    rule("step-succeeded", "the command ended with status 0", &["BUILD-2"], Enforce),
    rule("step-command", "the command is the permitted one", &["BUILD-2", "POL-4"], Enforce),
    rule("one-run", "the step's attestations are of one and the same run", &["TRUST-5", "BUILD-3"], Enforce),
    rule(
        "artifact-listed",
        "the artifact is among the files that the step made",
        &["ATT-4", "EVID-2", "TRUST-3"],
        Enforce,
    ),
    rule(
        "artifact-flow",
        "materials come from the products of the steps that the policy names",
        &["TRUST-4", "TRUST-5", "POL-4"],
        Enforce,
    ),
    rule(
        "build-isolated",
        "keys and store were measured to be out of the command's reach",
        &["EVID-1", "EVID-3", "EVID-4", "PRE-5", "STRAT-4"],
        Enforce,
    ),
    rule(
        "build-tools",
        "the tools are the permitted ones, by digest",
        &["BUILD-1", "POL-4", "PULL-PUSH_REQ-2"],
        Enforce,
    ),
    rule(
        "build-platform",
        "the builder is a permitted one, and no workstation where those are refused",
        &["BASE-2", "BUILD-1", "POL-4"],
        Enforce,
    ),
    rule("build-who", "a permitted user ran the build", &["BUILD-1", "TRUST-2"], Enforce),
    rule("source-clean", "the source is a clean commit from a permitted place", &["ATT-3", "PULL-2"], Enforce),
    rule("materials-certain", "every material could be read and did not change meanwhile", &["EVID-2", "ATT-3"], Warn),
    rule(
        "build-observed",
        "the command was watched from the kernel's side",
        &["EVID-1", "EVID-2", "ATT-2", "BUILD-3"],
        Enforce,
    ),
    rule(
        "build-guarded",
        "what the policy does not allow was refused to the run",
        &["BUILD-1", "BUILD-2", "BASE-4"],
        Enforce,
    ),
    rule("guard-kept", "the run did nothing against its guard", &["BUILD-2", "EVID-4", "BASE-4"], Enforce),
    rule("behaviour", "nothing suspicious was found in what the run did", &["EVID-4", "BUILD-3", "DEPLOY-5"], Warn),
    rule("nothing-left-running", "no process of the build outlived it", &["BUILD-3", "EVID-4"], Warn),
    rule(
        "scan-present",
        "a scan of the artifact for vulnerable packages is there, signed by who may, and recent",
        &["DEPLOY-4", "TRUST-6", "BASE-9"],
        Enforce,
    ),
    rule(
        "scan-complete",
        "the scan read and judged everything, by data that is recent",
        &["DEPLOY-4", "COMMIT-T4"],
        Enforce,
    ),
    rule(
        "vulnerabilities",
        "no vulnerability, attack or neglect that the policy refuses was found",
        &["DEPLOY-4", "COMMIT-T2", "COMMIT-T3"],
        Enforce,
    ),
    rule("licences", "every licence is one that the policy permits", &["COMMIT-T2", "BASE-6"], Enforce),
    rule(
        "dependency-age",
        "no package is of a version that was published too short a time ago",
        &["COMMIT-T2", "DEPLOY-4"],
        Enforce,
    ),
    rule(
        "image",
        "the image has a permitted base, and nothing about it that the policy refuses",
        &["DEPLOY-3", "DEPLOY-4"],
        Enforce,
    ),
    rule("key-custody", "the signing key is kept as the policy asks", &["EVID-3", "UPD-6", "ATT-5"], Enforce),
];
