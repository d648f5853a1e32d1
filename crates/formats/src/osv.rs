//! Advisories in the OSV format (OpenSSF Open Source Vulnerability schema 1.7.5), and its rule of evaluation: which
//! versions of a package an advisory is about.
//!
//! Reading is lenient where the schema says that consumers must be (unknown fields, absent lists, `null`), and strict where
//! a wrong reading would give a wrong answer: an event with two meanings or with none refuses the whole advisory, so that it
//! can be set aside and reported.

use std::cmp::Ordering;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Bytes of one advisory that are read at most.
pub const MAXIMUM_BYTES: usize = 32 << 20;

/// One advisory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Advisory {
    /// Version of the schema; absent means 1.0.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_version: Option<String>,
    /// Its id: `RUSTSEC-2020-0071`, `GHSA-…`, `CVE-…`, `MAL-…`.
    pub id: String,
    /// When it last changed, RFC 3339 in UTC.
    pub modified: String,
    /// When it was first published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// When it was taken back: from then on it is about nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<String>,
    /// Other ids of the same vulnerability.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ids of vulnerabilities of what it was made from. Not the same vulnerability (schema 1.7: `upstream`).
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<String>,
    /// Ids of closely related ones.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<String>,
    /// One line.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// All of it, Markdown.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    pub details: String,
    /// How severe it is.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    /// What it is about.
    #[serde(default, deserialize_with = "or_default")]
    pub affected: Vec<Affected>,
    /// Where more is said.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<Reference>,
    /// What else its database says.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub database_specific: Value,
}

/// A severity by a named method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Severity {
    /// `CVSS_V2`, `CVSS_V3`, `CVSS_V4`, `Ubuntu`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The vector, or the word.
    pub score: String,
}

/// A package and the versions that are affected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Affected {
    /// The package; absent where only a git repository is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<Package>,
    /// How severe it is for this package, where that differs.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    /// Ranges of versions.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Versions, one by one.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// What the ecosystem adds.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub ecosystem_specific: Value,
    /// What the database adds.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub database_specific: Value,
}

/// The package of an advisory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// `crates.io`, `PyPI`, `Debian:12`; a suffix after `:` names a release.
    pub ecosystem: String,
    /// Its name there.
    pub name: String,
    /// Its package URL, without a version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purl: Option<String>,
}

/// Where more is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// `ADVISORY`, `FIX`, `WEB`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// Its address.
    pub url: String,
}

/// How the versions of a range are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RangeKind {
    /// By SemVer 2.0, without a leading `v`.
    #[serde(rename = "SEMVER")]
    SemVer,
    /// By the ecosystem's own rules.
    #[serde(rename = "ECOSYSTEM")]
    Ecosystem,
    /// By a git repository's history: versions are commits.
    #[serde(rename = "GIT")]
    Git,
}

/// A range of versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// How they are ordered.
    #[serde(rename = "type")]
    pub kind: RangeKind,
    /// The repository, for [`RangeKind::Git`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// Where it begins and ends.
    pub events: Vec<Event>,
}

/// A version at which something changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "RawEvent")]
pub enum Event {
    /// The first that is affected; `0` is before every version.
    Introduced(String),
    /// The first that is not affected any more.
    Fixed(String),
    /// The last that is affected.
    LastAffected(String),
    /// The range speaks of versions before this only; `*` is after every version.
    Limit(String),
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

impl TryFrom<RawEvent> for Event {
    type Error = &'static str;

    fn try_from(raw: RawEvent) -> Result<Self, Self::Error> {
        match (raw.introduced, raw.fixed, raw.last_affected, raw.limit) {
            (Some(version), None, None, None) => Ok(Self::Introduced(version)),
            (None, Some(version), None, None) => Ok(Self::Fixed(version)),
            (None, None, Some(version), None) => Ok(Self::LastAffected(version)),
            (None, None, None, Some(version)) => Ok(Self::Limit(version)),
            _ => Err("an event has to be one of introduced, fixed, last_affected and limit"),
        }
    }
}

impl Event {
    /// Its version.
    pub fn version(&self) -> &str {
        match self {
            Self::Introduced(version) | Self::Fixed(version) | Self::LastAffected(version) | Self::Limit(version) => {
                version
            }
        }
    }
}

/// `null` is as good as absent.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Why an advisory is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OsvError {
    /// It is no JSON, or not of this form.
    #[error("not an advisory in the OSV format: {0}")]
    Json(#[from] serde_json::Error),
    /// It breaks a rule of the schema.
    #[error("{0}")]
    Rule(String),
}

impl Advisory {
    /// Reads one advisory.
    ///
    /// # Errors
    /// It is no JSON, a field that decides has the wrong form, or a rule of the schema is broken in a way that leaves open
    /// which versions are meant.
    pub fn parse(bytes: &[u8]) -> Result<Self, OsvError> {
        if bytes.len() > MAXIMUM_BYTES {
            return Err(OsvError::Rule(format!("it has more than {MAXIMUM_BYTES} bytes")));
        }
        let advisory: Self = serde_json::from_slice(bytes)?;
        advisory.check()?;
        Ok(advisory)
    }

    fn check(&self) -> Result<(), OsvError> {
        let rule = |text: String| Err(OsvError::Rule(text));
        if self.id.is_empty() || self.id.len() > 256 || self.id.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return rule(format!("{:?} cannot be an id", self.id.chars().take(80).collect::<String>()));
        }
        for affected in &self.affected {
            if let Some(package) = &affected.package
                && (package.name.is_empty() || package.ecosystem.is_empty())
            {
                return rule("a package without a name or ecosystem".to_owned());
            }
            for range in &affected.ranges {
                if !range.events.iter().any(|event| matches!(event, Event::Introduced(_))) {
                    return rule("a range without an `introduced` event affects nothing".to_owned());
                }
                if range.kind == RangeKind::Git && range.repo.is_none() {
                    return rule("a GIT range without its repository".to_owned());
                }
            }
            if affected.ranges.is_empty() && affected.versions.is_empty() && affected.package.is_none() {
                return rule("an `affected` entry names no package and no versions".to_owned());
            }
        }
        Ok(())
    }

    /// True when it was taken back.
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.as_ref().is_some_and(|when| !when.is_empty())
    }

    /// True for a package that is itself an attack (OpenSSF malicious-packages: `MAL-` ids).
    pub fn is_malicious(&self) -> bool {
        self.id.starts_with("MAL-")
    }
}

/// How versions are compared: a total order.
pub type Compare<'a> = dyn Fn(&str, &str) -> Ordering + 'a;

/// Whether a version is before everything.
fn is_zero(version: &str) -> bool {
    version == "0"
}

/// True when a version lies in a range (OSV schema, "Evaluation": `IncludedInRanges` and `BeforeLimits`). For commits in a
/// [`RangeKind::Git`] range the order is the history's, which `compare` has to know.
pub fn includes(events: &[Event], version: &str, compare: &Compare<'_>) -> bool {
    let mut limited = false;
    let mut before = false;
    for event in events {
        if let Event::Limit(limit) = event {
            limited = true;
            before = before || limit == "*" || compare(version, limit).is_lt();
        }
    }
    if limited && !before {
        return false;
    }
    // The last event that is not after the version decides, so there is no need to sort: of those that it has reached, the
    // greatest. `last_affected` takes effect behind its version. Where a range begins and ends at one version nothing
    // changes there: exports write `[1.0, 1.0)` for nothing, and end one range where they begin the next.
    let cancelled = |event: &Event| {
        let at = event.version();
        events.len() <= CANCELLED
            && events.iter().any(|other| {
                matches!(
                    (event, other),
                    (Event::Introduced(_), Event::Fixed(_)) | (Event::Fixed(_), Event::Introduced(_))
                ) && order(at, other.version(), compare).is_eq()
            })
    };
    let mut latest: Option<(&str, u8)> = None;
    for event in events {
        let (at, rank) = match event {
            Event::Fixed(at) => (at.as_str(), 0),
            Event::Introduced(at) => (at.as_str(), STARTS),
            Event::LastAffected(at) => (at.as_str(), 2),
            Event::Limit(_) => continue,
        };
        let reached = match event {
            Event::LastAffected(_) => compare(version, at).is_gt(),
            _ => is_zero(at) || compare(version, at).is_ge(),
        };
        if reached
            && latest.is_none_or(|(known, known_rank)| order(at, known, compare).then(rank.cmp(&known_rank)).is_gt())
            && !cancelled(event)
        {
            latest = Some((at, rank));
        }
    }
    latest.is_some_and(|(_, rank)| rank == STARTS)
}

/// Ranges of more events than this are not searched for such.
const CANCELLED: usize = 2_000;

/// Where an introduction stands among events of one version.
const STARTS: u8 = 1;

fn order(a: &str, b: &str, compare: &Compare<'_>) -> Ordering {
    match (is_zero(a), is_zero(b)) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => compare(a, b),
    }
}

/// The smallest version after `version` at which a range that includes it ends, where it says so.
pub fn fixed_after<'e>(events: &'e [Event], version: &str, compare: &Compare<'_>) -> Option<&'e str> {
    events
        .iter()
        .filter_map(|event| match event {
            Event::Fixed(at) if compare(at, version).is_gt() => Some(at.as_str()),
            _ => None,
        })
        .min_by(|a, b| compare(a, b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(a: &str, b: &str) -> Ordering {
        a.parse::<u32>().unwrap_or(0).cmp(&b.parse().unwrap_or(0))
    }

    fn events(text: &str) -> Vec<Event> {
        text.split_whitespace()
            .map(|word| {
                let (kind, version) = (&word[..1], word[1..].to_owned());
                match kind {
                    "i" => Event::Introduced(version),
                    "f" => Event::Fixed(version),
                    "l" => Event::LastAffected(version),
                    _ => Event::Limit(version),
                }
            })
            .collect()
    }

    fn affected(text: &str) -> Vec<u32> {
        (1..10).filter(|n| includes(&events(text), &n.to_string(), &numbers)).collect()
    }

    #[test]
    fn ranges_as_the_schema_evaluates_them() {
        assert_eq!(affected("i0 f3"), [1, 2]);
        assert_eq!(affected("f3 i0"), [1, 2]);
        assert_eq!(affected("i2 l4"), [2, 3, 4]);
        assert_eq!(affected("i2 f3 i5 f7"), [2, 5, 6]);
        assert_eq!(affected("i5 f7 i2 f3 i9"), [2, 5, 6, 9]);
        assert_eq!(affected("i2 L4"), [2, 3]);
        assert_eq!(affected("i2 L4 L6"), [2, 3, 4, 5]);
        assert_eq!(affected("i2 L*"), [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(affected("i1 f4 i4 f6"), [1, 2, 3, 4, 5]);
        assert_eq!(affected("i3 f3"), [] as [u32; 0]);
        assert_eq!(affected("i3 f3 i5 f7"), [5, 6]);
        assert_eq!(affected("i3 l3"), [3]);
        assert_eq!(affected("f3"), [] as [u32; 0]);
    }

    #[test]
    fn the_next_fix_is_the_smallest_after_the_version() {
        let all = events("i1 f3 i5 f8 f7");
        assert_eq!(fixed_after(&all, "5", &numbers), Some("7"));
        assert_eq!(fixed_after(&all, "9", &numbers), None);
    }

    #[test]
    fn an_event_of_two_meanings_refuses_the_advisory() {
        let text = |event: &str| {
            format!(
                r#"{{"id":"X-1","modified":"2024-01-01T00:00:00Z","affected":[{{"package":{{"ecosystem":"npm","name":"a"}},
                "ranges":[{{"type":"SEMVER","events":[{event}]}}],"versions":null}}]}}"#
            )
        };
        assert!(Advisory::parse(text(r#"{"introduced":"0"}"#).as_bytes()).is_ok());
        for wrong in [r#"{"introduced":"0","fixed":"1"}"#, "{}", r#"{"fixed":"1"}"#, r#"{"introduced":1}"#, "3"] {
            assert!(Advisory::parse(text(wrong).as_bytes()).is_err(), "{wrong}");
        }
    }
}
