//! RustSec's own advisories: TOML at the head of Markdown, brought to the OSV form with the same meaning.
//!
//! An advisory lists requirements of versions that are patched, and of those that never were affected; everything else is
//! affected (EXAMPLE_ADVISORY.md of rustsec/advisory-db).

use semver::{BuildMetadata, Comparator, Op, Prerelease, Version, VersionReq};
use serde::Deserialize;
use serde_json::json;

use crate::osv::{self, Advisory, Affected, Event, OsvError, Range, RangeKind, Reference, Severity};

/// How an advisory begins.
pub const START: &str = "```toml";

/// Requirements of one advisory that are read at most.
const MAXIMUM_REQUIREMENTS: usize = 1000;

#[derive(Deserialize)]
struct Document {
    advisory: Head,
    #[serde(default)]
    versions: Versions,
    #[serde(default)]
    affected: AffectedPart,
}

#[derive(Deserialize)]
struct Head {
    id: String,
    package: String,
    date: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    related: Vec<String>,
    #[serde(default)]
    references: Vec<String>,
    url: Option<String>,
    cvss: Option<String>,
    informational: Option<String>,
    withdrawn: Option<String>,
    #[serde(default)]
    categories: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

#[derive(Deserialize, Default)]
struct AffectedPart {
    #[serde(default)]
    arch: Vec<String>,
    #[serde(default)]
    os: Vec<String>,
    #[serde(default)]
    functions: std::collections::BTreeMap<String, toml::Value>,
}

/// True for the name of an advisory's file about a crate; those about the language itself lie elsewhere.
pub fn is_advisory(path: &str) -> bool {
    let mut parts = path.rsplit('/');
    let file = parts.next().unwrap_or_default();
    let collection = parts.nth(1);
    file.starts_with("RUSTSEC-") && file.ends_with(".md") && collection.is_none_or(|name| name == "crates")
}

/// Reads an advisory about a crate.
///
/// # Errors
/// It is none, a requirement cannot be read, or no version is affected.
pub fn parse(text: &str) -> Result<Advisory, OsvError> {
    let rule = |what: String| OsvError::Rule(what);
    if text.len() > osv::MAXIMUM_BYTES {
        return Err(rule(format!("it has more than {} bytes", osv::MAXIMUM_BYTES)));
    }
    let rest = text.trim_start_matches('\u{feff}').trim_start();
    let rest = rest.strip_prefix(START).ok_or_else(|| rule("it does not begin with ```toml".to_owned()))?;
    let (head, body) = rest.split_once("\n```").ok_or_else(|| rule("its TOML has no end".to_owned()))?;
    let Document { advisory, versions, affected } =
        toml::from_str(head).map_err(|error| rule(format!("its TOML cannot be read: {}", error.message())))?;
    let body = body.trim();
    let (title, details) = body.split_once('\n').unwrap_or((body, ""));
    let title = title.strip_prefix('#').unwrap_or_default().trim();
    let time = |day: &str| format!("{day}T12:00:00Z");
    let reference = |kind: &str, url: String| Reference { kind: kind.to_owned(), url };
    let page = reference("ADVISORY", format!("https://rustsec.org/advisories/{}.html", advisory.id));
    let more = advisory.references.into_iter().map(|url| reference("WEB", url));
    let references =
        std::iter::once(page).chain(advisory.url.map(|url| reference("REPORT", url))).chain(more).collect();
    let events = affected_events(&versions.patched, &versions.unaffected)?;
    let functions: Vec<&String> = affected.functions.keys().collect();
    let found = Advisory {
        schema_version: None,
        id: advisory.id,
        modified: time(advisory.withdrawn.as_deref().unwrap_or(&advisory.date)),
        published: Some(time(&advisory.date)),
        withdrawn: advisory.withdrawn.as_deref().map(time),
        aliases: advisory.aliases,
        upstream: Vec::new(),
        related: advisory.related,
        summary: title.to_owned(),
        details: details.trim().to_owned(),
        severity: advisory
            .cvss
            .iter()
            .map(|score| {
                let kind = if score.starts_with("CVSS:4") { "CVSS_V4" } else { "CVSS_V3" };
                Severity { kind: kind.to_owned(), score: score.clone() }
            })
            .collect(),
        affected: vec![Affected {
            package: Some(osv::Package {
                ecosystem: "crates.io".to_owned(),
                name: advisory.package.clone(),
                purl: Some(format!("pkg:cargo/{}", advisory.package)),
            }),
            severity: Vec::new(),
            ranges: vec![Range { kind: RangeKind::SemVer, repo: None, events }],
            versions: Vec::new(),
            ecosystem_specific: json!({
                "affects": {"arch": affected.arch, "os": affected.os, "functions": functions},
            }),
            database_specific: json!({"categories": advisory.categories, "informational": advisory.informational}),
        }],
        references,
        database_specific: serde_json::Value::Null,
    };
    // One rule for all forms: what the OSV reader would refuse is refused.
    Advisory::parse(&serde_json::to_vec(&found)?)
}

/// Versions from the first (included) to the second (excluded), which may be missing.
type Interval = (Version, Option<Version>);

/// Everything that no requirement covers.
fn affected_events(patched: &[String], unaffected: &[String]) -> Result<Vec<Event>, OsvError> {
    if patched.len() + unaffected.len() > MAXIMUM_REQUIREMENTS {
        return Err(OsvError::Rule(format!("it has more than {MAXIMUM_REQUIREMENTS} requirements of versions")));
    }
    let mut free = patched.iter().chain(unaffected).map(|text| interval(text)).collect::<Result<Vec<_>, _>>()?;
    free.sort();
    let mut at = lowest();
    let mut events = Vec::new();
    for (from, to) in free {
        if to.as_ref().is_some_and(|to| *to <= from) {
            continue;
        }
        if from > at {
            events.push(Event::Introduced(at.to_string()));
            events.push(Event::Fixed(from.to_string()));
        }
        match to {
            Some(to) => at = at.max(to),
            None if events.is_empty() => {
                return Err(OsvError::Rule("every version is patched or unaffected: it affects nothing".to_owned()));
            }
            None => return Ok(events),
        }
    }
    events.push(Event::Introduced(at.to_string()));
    Ok(events)
}

fn interval(text: &str) -> Result<Interval, OsvError> {
    let requirement = VersionReq::parse(text)
        .map_err(|error| OsvError::Rule(format!("{text:?} is no requirement of versions: {error}")))?;
    let mut whole: Interval = (lowest(), None);
    for comparator in &requirement.comparators {
        let (from, to) = bounds(comparator)?;
        whole.0 = whole.0.max(from);
        whole.1 = match (whole.1, to) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }
    Ok(whole)
}

fn bounds(one: &Comparator) -> Result<Interval, OsvError> {
    let (minor, patch) = (one.minor.unwrap_or(0), one.patch.unwrap_or(0));
    let first = Version { major: one.major, minor, patch, pre: one.pre.clone(), build: BuildMetadata::EMPTY };
    let too_large = || OsvError::Rule("a version is too large".to_owned());
    let up = |number: u64| number.checked_add(1).ok_or_else(too_large);
    // What follows all versions that the comparator's own numbers stand for.
    let after = match (one.minor, one.patch) {
        (None, _) => Version::new(up(one.major)?, 0, 0),
        (Some(minor), None) => Version::new(one.major, up(minor)?, 0),
        (Some(minor), Some(patch)) if one.pre.is_empty() => {
            Version { pre: prerelease("0")?, ..Version::new(one.major, minor, up(patch)?) }
        }
        _ => Version { pre: prerelease(&format!("{}.0", one.pre))?, ..first.clone() },
    };
    Ok(match one.op {
        Op::Exact | Op::Wildcard => (first, Some(after)),
        Op::Greater => (after, None),
        Op::GreaterEq => (first, None),
        Op::Less => (lowest(), Some(first)),
        Op::LessEq => (lowest(), Some(after)),
        Op::Tilde => {
            let end = match one.minor {
                Some(minor) => Version::new(one.major, up(minor)?, 0),
                None => Version::new(up(one.major)?, 0, 0),
            };
            (first, Some(end))
        }
        Op::Caret => {
            let end = match (one.major, one.minor, one.patch) {
                (0, Some(0), Some(patch)) => Version::new(0, 0, up(patch)?),
                (0, Some(minor), _) => Version::new(0, up(minor)?, 0),
                (major, ..) => Version::new(up(major)?, 0, 0),
            };
            // What comes before the next incompatible version is not asked for either.
            (first, Some(Version { pre: prerelease("0")?, ..end }))
        }
        _ => return Err(OsvError::Rule("a requirement of versions has an operator that is not known".to_owned())),
    })
}

fn prerelease(text: &str) -> Result<Prerelease, OsvError> {
    Prerelease::new(text).map_err(|error| OsvError::Rule(error.to_string()))
}

/// Before every version.
fn lowest() -> Version {
    Version { major: 0, minor: 0, patch: 0, pre: Prerelease::new("0").unwrap_or_default(), build: BuildMetadata::EMPTY }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(patched: &[&str], unaffected: &[&str]) -> String {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        match affected_events(&owned(patched), &owned(unaffected)) {
            Ok(events) => events
                .iter()
                .map(|event| match event {
                    Event::Introduced(version) => format!("[{version}"),
                    other => format!(" {})", other.version()),
                })
                .collect(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_is_not_free_is_affected() {
        for (patched, unaffected, expected) in [
            (&[][..], &[][..], "[0.0.0-0"),
            (&[">= 0.6.14, < 1.0.0", ">= 1.6.1"], &["< 0.6.3"], "[0.6.3 0.6.14)[1.0.0 1.6.1)"),
            (&["> 1.2.3"], &[], "[0.0.0-0 1.2.4-0)"),
            (&[], &["<= 1.2.3"], "[1.2.4-0"),
            (&["= 1.0.0-rc.1"], &[], "[0.0.0-0 1.0.0-rc.1)[1.0.0-rc.1.0"),
            (&["^0.7", "^1.2.3"], &[], "[0.0.0-0 0.7.0)[0.8.0-0 1.2.3)[2.0.0-0"),
            (&["> 1"], &["< 1"], "[1.0.0 2.0.0)"),
            (&[">= 2", ">= 1, < 3"], &[], "[0.0.0-0 1.0.0)"),
        ] {
            assert_eq!(events(patched, unaffected), expected, "{patched:?} {unaffected:?}");
        }
        assert!(events(&[">= 1"], &["< 2"]).contains("affects nothing"));
        assert!(events(&["* 7"], &[]).contains("no requirement"));
        assert!(events(&["> 18446744073709551615"], &[]).contains("too large"));
    }

    #[test]
    fn hostile_texts() {
        for bad in ["", "# x", "```toml", "```toml\n", "```toml\n[advisory]\n```\n", "```toml\nx = 1\n```\n# t"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(is_advisory("advisory-db-main/crates/a/RUSTSEC-2020-0001.md") && is_advisory("RUSTSEC-2020-0001.md"));
        assert!(!is_advisory("rust/std/RUSTSEC-2020-0001.md") && !is_advisory("crates/a/README.md"));
    }
}
