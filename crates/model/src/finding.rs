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

/// How sure a check is of what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Looks like it, but more likely it is not: a test value, a placeholder, a name.
    Weak,
    /// Probably.
    Likely,
    /// Its structure proves it: a checksum is right, a key parses. Not: that it is still in force.
    Verified,
}

/// A place in a text: lines and columns start at 1, columns count Unicode code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Span {
    /// Byte offset of the first byte from the beginning of the file or member.
    pub offset: u64,
    /// Length in bytes.
    pub length: u64,
    /// First line.
    pub line: u64,
    /// Column of the first byte.
    pub column: u64,
    /// Line of the last byte.
    pub end_line: u64,
    /// Column after the last byte.
    pub end_column: u64,
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
    /// The way from that file to where it was found, outermost first: members of archives, decodings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub within: Vec<String>,
    /// Where in the file, or in the innermost member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// The commit that brought it, for findings in history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How sure the check is, where it can tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<Confidence>,
    /// Why it is believed, or doubted; one phrase each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub why: Vec<String>,
    /// The line that it was found in, cut and without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<Excerpt>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The process of the run that did it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<u32>,
    /// Stays the same for the same finding in another run: rule and what it is about, without times and numbers.
    pub fingerprint: Digest,
}

/// A line as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Excerpt {
    /// The text, with secrets replaced; at most some 200 characters.
    pub text: String,
    /// First character of what was found, counted from 0.
    pub start: usize,
    /// The character after it.
    pub end: usize,
}

impl Finding {
    /// A finding; `about` is what makes it the same finding in another run.
    pub fn new(rule: &str, level: Level, message: String, about: &[&str]) -> Self {
        let mut text = rule.to_owned();
        for part in about {
            text.push('\0');
            text.push_str(part);
        }
        Self {
            rule: rule.to_owned(),
            level,
            message,
            file: None,
            within: Vec::new(),
            span: None,
            commit: None,
            confidence: None,
            why: Vec::new(),
            excerpt: None,
            help: None,
            process: None,
            fingerprint: sha256(text.as_bytes()),
        }
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
