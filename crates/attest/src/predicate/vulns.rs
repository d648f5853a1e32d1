//! Vulnerabilities found by a scan: in-toto `vulns` v0.2, with what a policy needs beyond it.

use std::collections::BTreeMap;

use provost_model::Timestamp;
use serde::{Deserialize, Serialize};

/// The predicate. `result` is empty when nothing was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vulns {
    /// What scanned, and by which data.
    pub scanner: Scanner,
    /// When.
    pub metadata: ScanMetadata,
    /// What else provost knows: how complete the scan is, of what age its data is, what was in the image.
    #[serde(rename = "provost_scan", default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<ScanFacts>,
}

/// What scanned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scanner {
    /// Which scanner.
    pub uri: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// Its data.
    pub db: ScannerDatabase,
    /// What was found.
    #[serde(default)]
    pub result: Vec<ScanResult>,
}

/// The data that a scan went by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScannerDatabase {
    /// Where it comes from.
    #[serde(default)]
    pub uri: String,
    /// Its version: provost gives the digest of its content.
    #[serde(default)]
    pub version: String,
    /// What it is as of: for provost the oldest of the ecosystems that were needed.
    pub last_update: Timestamp,
}

/// One vulnerability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScanResult {
    /// Its id.
    pub id: String,
    /// How severe it is, by one method or several.
    #[serde(default)]
    pub severity: Vec<SeverityRating>,
    /// The packages that have it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<Occurrence>,
}

/// A severity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeverityRating {
    /// `CVSS_V3`, `CVSS_V4`; `word` where a database gives one of low, medium, high, critical.
    pub method: String,
    /// The score, a number; or the word.
    pub score: String,
}

/// A package that has a vulnerability.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Occurrence {
    /// The package.
    pub purl: String,
    /// Other ids of the vulnerability.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `vulnerability`, `malicious`, `unmaintained`, `unsound`, `notice`.
    pub kind: String,
    /// A version that is free of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// When it became known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Timestamp>,
    /// Known to be exploited since that day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exploited: Option<String>,
    /// Needed for development only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub development: bool,
    /// The file that tells of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// How near the package is to what runs: `declared`, `installed`, `read`, `linked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<String>,
    /// A VEX statement by whoever is trusted for it: `not_affected`, `fixed`, `under_investigation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vex: Option<String>,
}

/// When a scan ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanMetadata {
    /// Its beginning.
    pub scan_started_on: Timestamp,
    /// Its end.
    pub scan_finished_on: Timestamp,
}

/// What provost adds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ScanFacts {
    /// What was scanned, in words.
    pub target: String,
    /// Everything was read and judged.
    pub complete: bool,
    /// Everything was read, whether or not it could be judged: what later advisories can make of it is the whole.
    pub read_whole: bool,
    /// Why not, where it was not; the first of the reasons.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
    /// Packages that were found.
    pub packages: u64,
    /// Packages that were judged wholly.
    pub judged: u64,
    /// What the data is as of, by the ecosystems that were needed.
    pub as_of: BTreeMap<String, Timestamp>,
    /// Licences of the packages that reach the product: an SPDX expression, and how many packages have it; `NOASSERTION`
    /// where none is stated.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub licences: BTreeMap<String, u64>,
    /// When the packages were published; none where the scanner does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<ReleaseFacts>,
    /// SHA-256 of the SBOM that was judged, CycloneDX JSON; it is kept as a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
    /// The image, where one was scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageFacts>,
}

/// When packages were published.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseFacts {
    /// Packages whose date is known.
    pub known: u64,
    /// Packages whose date is not known.
    pub not_known: u64,
    /// Those of the last [`ReleaseFacts::DAYS`] days before the scan, by package URL.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub recent: BTreeMap<String, Timestamp>,
}

impl ReleaseFacts {
    /// Days before the scan of which packages are named.
    pub const DAYS: u64 = 365;
}

/// What is known of an image.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ImageFacts {
    /// Digest of its manifest.
    pub manifest: String,
    /// Digest of the index that it was chosen from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// `linux/amd64`.
    pub platform: String,
    /// Chain ids of its layers (OCI image specification, "Layer ChainID"), the lowest first.
    pub chain: Vec<String>,
    /// When each of these layers was made, as the image's history says; none where it does not say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub chain_created: Vec<Option<Timestamp>>,
    /// The user that it runs as; `root` where none is set.
    pub user: String,
    /// When it says that it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<Timestamp>,
    /// Findings about the image itself, by rule, with their number: `image-root-user`, `secret-in-image`, …
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub findings: BTreeMap<String, u64>,
}
