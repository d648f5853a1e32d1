//! SLSA Verification Summary Attestation 1.x (slsa.dev/spec/v1.2/verification_summary).

use std::collections::BTreeMap;

use provost_model::{DigestSet, Outcome, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ResourceDescriptor;

/// The predicate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who verified.
    pub verifier: Verifier,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_verified: Option<Timestamp>,
    /// What was verified, as its user names it.
    pub resource_uri: String,
    /// By which policy.
    pub policy: PolicyReference,
    /// Every attestation that was used, or none at all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_attestations: Vec<ResourceDescriptor>,
    /// Passed or failed.
    pub verification_result: Outcome,
    /// What was reached: at most one level of each track.
    pub verified_levels: Vec<String>,
    /// Version of SLSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// Its URI.
    pub id: String,
    /// Versions of its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// By which policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyReference {
    /// Its URI.
    pub uri: String,
    /// Its content.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: DigestSet,
}
