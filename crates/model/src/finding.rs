//! Findings: what a check has to say of a place. Every engine says it in this form.

use serde::{Deserialize, Serialize};

use crate::{Digest, sha256};

/// How serious a finding is; the levels of SARIF 2.1.0 (section 3.27.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Worth knowing.
    Note,
    /// Probably wrong.
    Warning,
    /// Wrong.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The check, kebab-case.
    pub rule: String,
    /// How serious.
    pub level: Level,
    /// What was found, in one sentence.
    pub message: String,
    /// The file that it is about, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The process of the run that did it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// Stays the same for the same finding in another run: rule and what it is about, without times and numbers.
    pub fingerprint: Digest,
}

impl Finding {
    /// A finding; `about` is what makes it the same finding in another run.
    pub fn new(rule: &str, level: Level, message: String, about: &[&str]) -> Self {
        let mut text = rule.to_owned();
        for part in about {
            text.push('\0');
            text.push_str(part);
        }
        Self { rule: rule.to_owned(), level, message, file: None, process: None, fingerprint: sha256(text.as_bytes()) }
    }

    /// The same, about a file.
    #[must_use]
    pub fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// The same, done by a process.
    #[must_use]
    pub fn by(mut self, process: u32) -> Self {
        self.process = Some(process);
        self
    }
}
