//! Suppressions: findings that someone decided to live with, for a reason and, if they say so, for a time.

use std::collections::BTreeSet;

use globset::GlobMatcher;
use provost_model::{Finding, Timestamp};
use serde::Deserialize;

use crate::baseline::Baseline;

/// One suppression.
#[derive(Debug, Clone)]
pub struct Suppression {
    /// The finding, if it is about one only.
    pub fingerprint: Option<String>,
    /// The rule; every rule when absent.
    pub rule: Option<String>,
    /// Files; every file when absent.
    pub path: Option<GlobMatcher>,
    /// Line, for marks within a file.
    pub line: Option<u64>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts, `YYYY-MM-DD`.
    pub until: Option<String>,
    /// Where it stands, for people.
    pub source: String,
}

/// All suppressions of a scan.
#[derive(Debug, Clone, Default)]
pub struct Suppressions(pub Vec<Suppression>);

/// Why a text is no list of suppressions.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuppressionError {
    /// Not TOML of this form.
    #[error("not a list of suppressions: {0}")]
    Form(#[from] toml::de::Error),
    /// One of them is wrong.
    #[error("suppression {number}: {why}")]
    Entry {
        /// Its place in the list, from 1.
        number: usize,
        /// What is wrong.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    suppression: Vec<RawSuppression>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSuppression {
    fingerprint: Option<String>,
    rule: Option<String>,
    path: Option<String>,
    reason: String,
    until: Option<String>,
}

impl Suppressions {
    /// From TOML: `[[suppression]]` with `fingerprint`, or `rule` and `path`, a `reason`, and perhaps `until`.
    ///
    /// # Errors
    /// It is none, or one of them has no reason, no target or no date where one should be.
    pub fn parse(text: &str, source: &str) -> Result<Self, SuppressionError> {
        let raw: Raw = toml::from_str(text)?;
        let mut list = Vec::new();
        for (index, raw) in raw.suppression.into_iter().enumerate() {
            let wrong = |why: String| SuppressionError::Entry { number: index + 1, why };
            if raw.reason.trim().len() < 4 {
                return Err(wrong("`reason` has to say why".into()));
            }
            if raw.fingerprint.is_none() && raw.path.is_none() {
                return Err(wrong("`fingerprint` or `path` has to say which findings".into()));
            }
            if let Some(until) = &raw.until
                && !is_date(until)
            {
                return Err(wrong(format!("`until` has to be a day, YYYY-MM-DD, and not `{until}`")));
            }
            let path = match &raw.path {
                Some(path) => Some(globset::Glob::new(path).map_err(|e| wrong(e.to_string()))?.compile_matcher()),
                None => None,
            };
            list.push(Suppression {
                fingerprint: raw.fingerprint.map(|text| text.to_ascii_lowercase()),
                rule: raw.rule,
                path,
                line: None,
                reason: raw.reason,
                until: raw.until,
                source: format!("{source}, suppression {}", index + 1),
            });
        }
        Ok(Self(list))
    }
}

/// `YYYY-MM-DD`. Days compare as texts.
fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'-' } else { b.is_ascii_digit() })
        && format!("{text}T00:00:00Z").parse::<Timestamp>().is_ok()
}

impl Suppression {
    fn matches(&self, finding: &Finding) -> bool {
        let file = finding.file.as_deref().unwrap_or_default();
        self.fingerprint.as_ref().is_none_or(|wanted| finding.fingerprint.to_hex().starts_with(wanted.as_str()))
            && self.rule.as_ref().is_none_or(|rule| *rule == finding.rule)
            && self.path.as_ref().is_none_or(|path| path.is_match(file))
            && self.line.is_none_or(|line| finding.span.is_some_and(|s| s.line <= line && line <= s.end_line))
    }
}

/// How a finding stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It counts.
    New,
    /// The baseline has it.
    Known,
    /// Someone decided to live with it: why.
    Suppressed(String),
}

impl State {
    /// Its name in reports and statements.
    pub fn name(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Known => "known",
            Self::Suppressed(_) => "suppressed",
        }
    }
}

/// A finding and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The finding.
    pub finding: Finding,
    /// How it stands.
    pub state: State,
}

/// Findings held against baseline and suppressions.
#[derive(Debug, Clone, Default)]
pub struct Judgement {
    /// All findings.
    pub findings: Vec<Judged>,
    /// What suppresses nothing, has expired, or does not count; one sentence each.
    pub remarks: Vec<String>,
    /// Known findings that are not there any more: how many.
    pub gone: usize,
}

impl Judgement {
    /// The findings that count.
    pub fn new_ones(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|judged| judged.state == State::New).map(|judged| &judged.finding)
    }
}

/// Holds findings against what is known. `today` decides what has expired.
pub fn judge(
    findings: Vec<Finding>,
    baseline: Option<&Baseline>,
    suppressions: &Suppressions,
    today: &Timestamp,
) -> Judgement {
    let today = today.to_string();
    let today = today.get(..10).unwrap_or_default();
    let mut used = vec![false; suppressions.0.len()];
    let mut met = BTreeSet::new();
    let mut judged = Vec::with_capacity(findings.len());
    for finding in findings {
        let fingerprint = finding.fingerprint.to_hex();
        let mut state = State::New;
        for (suppression, used) in suppressions.0.iter().zip(&mut used) {
            if suppression.matches(&finding) {
                *used = true;
                if suppression.until.as_deref().is_none_or(|until| today <= until) {
                    state = State::Suppressed(suppression.reason.clone());
                }
            }
        }
        if state == State::New && baseline.is_some_and(|b| b.has(&finding)) {
            state = State::Known;
        }
        met.insert(fingerprint);
        judged.push(Judged { finding, state });
    }
    let mut remarks = Vec::new();
    for (suppression, used) in suppressions.0.iter().zip(used) {
        let source = &suppression.source;
        match &suppression.until {
            Some(until) if today > until.as_str() => {
                remarks.push(format!("{source}: it expired on {until} and does not count any more"));
            }
            _ if !used => remarks.push(format!("{source}: it suppresses nothing; remove it")),
            _ => {}
        }
    }
    let gone = baseline.map_or(0, |b| b.findings.keys().filter(|key| !met.contains(*key)).count());
    Judgement { findings: judged, remarks, gone }
}
