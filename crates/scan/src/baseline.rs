//! What was there before: a list of known findings, so that only new ones fail.

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{Digest, Finding};
use serde::{Deserialize, Serialize};

/// A list of known findings. It holds no secret: fingerprints are keyed, and the key is for recognising, not for opening.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Baseline {
    /// Version of the form: 1.
    pub version: u32,
    /// The key of the fingerprints, 64 hexadecimal digits: scans that use this baseline use it too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint_key: Option<Digest>,
    /// Known findings, by fingerprint.
    pub findings: BTreeMap<String, Known>,
}

/// A known finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Known {
    /// Rule.
    pub rule: String,
    /// The files that it is known in: in another one it is new.
    pub files: BTreeSet<String>,
    /// What someone said of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Why a text is no baseline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// Not JSON of this form.
    #[error("not a baseline: {0}")]
    Form(#[from] serde_json::Error),
    /// Another version.
    #[error("a baseline of version {0}; this version reads version 1")]
    Version(u32),
    /// A fingerprint that is none.
    #[error("`{0}` is no fingerprint: 64 hexadecimal digits are expected")]
    Fingerprint(String),
}

impl Baseline {
    /// Of the findings of a scan.
    pub fn of<'f>(findings: impl IntoIterator<Item = &'f Finding>, key: Option<Digest>) -> Self {
        let mut known: BTreeMap<String, Known> = BTreeMap::new();
        for finding in findings {
            let new = || Known { rule: finding.rule.clone(), files: BTreeSet::new(), note: None };
            let entry = known.entry(finding.fingerprint.to_hex()).or_insert_with(new);
            entry.files.extend(finding.file.clone());
        }
        let findings = known;
        Self { version: 1, fingerprint_key: key, findings }
    }

    /// True when it has a finding.
    pub fn has(&self, finding: &Finding) -> bool {
        let known = self.findings.get(&finding.fingerprint.to_hex());
        known.is_some_and(|known| finding.file.as_ref().is_none_or(|file| known.files.contains(file)))
    }

    /// From its JSON form.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &[u8]) -> Result<Self, BaselineError> {
        let baseline: Self = serde_json::from_slice(text)?;
        if baseline.version != 1 {
            return Err(BaselineError::Version(baseline.version));
        }
        if let Some(wrong) = baseline.findings.keys().find(|key| key.parse::<Digest>().is_err()) {
            return Err(BaselineError::Fingerprint(wrong.chars().take(80).collect()));
        }
        Ok(baseline)
    }

    /// Its JSON form: one finding a line would still merge badly, so each is an object of its own, in order.
    ///
    /// # Errors
    /// Never for values made here.
    pub fn to_json(&self) -> Result<String, BaselineError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}
