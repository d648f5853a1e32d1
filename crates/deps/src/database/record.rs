//! What the database says of one package: a record an advisory.

use provost_formats::osv::{Advisory, Affected, Range, Severity};
use provost_model::{Digest, Hasher};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What an advisory warns of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A vulnerability.
    #[default]
    Vulnerability,
    /// The package is an attack.
    Malicious,
    /// Nobody looks after it any more (RustSec `informational`).
    Unmaintained,
    /// Safe code can break the rules of memory with it (RustSec).
    Unsound,
    /// Worth knowing (RustSec).
    Notice,
}

impl Kind {
    /// Its name, as reports and statements have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vulnerability => "vulnerability",
            Self::Malicious => "malicious",
            Self::Unmaintained => "unmaintained",
            Self::Unsound => "unsound",
            Self::Notice => "notice",
        }
    }

    fn is_vulnerability(&self) -> bool {
        *self == Self::Vulnerability
    }
}

/// Vulnerable functions of a package that can be imported on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symbols {
    /// What is imported: a Go package path; empty where the advisory names functions by their whole path.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub path: String,
    /// Its functions; empty: all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
}

/// One advisory, as far as it is about one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its id.
    pub id: String,
    /// Other ids of the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ids of what it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<String>,
    /// One line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// What it warns of.
    #[serde(default, skip_serializing_if = "Kind::is_vulnerability")]
    pub kind: Kind,
    /// Severities by method.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub severity: Vec<Severity>,
    /// The database's own word for how severe it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub word: Option<String>,
    /// First published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// Last changed.
    pub modified: String,
    /// Ranges of versions. GIT ranges are kept: a package from git may be judged by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Versions that no range tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
    /// Vulnerable functions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<Symbols>,
    /// Operating systems that it is about; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub systems: Vec<String>,
    /// Where more is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
}

fn kind_of(advisory: &Advisory, affected: &Affected) -> Kind {
    if advisory.is_malicious() {
        return Kind::Malicious;
    }
    match affected.database_specific["informational"].as_str() {
        Some("unmaintained") => Kind::Unmaintained,
        Some("unsound") => Kind::Unsound,
        Some(_) => Kind::Notice,
        None => Kind::Vulnerability,
    }
}

fn symbols_of(affected: &Affected) -> Vec<Symbols> {
    let specific = &affected.ecosystem_specific;
    let go = specific["imports"].as_array().into_iter().flatten().filter_map(|import| {
        let path = import["path"].as_str()?.to_owned();
        Some(Symbols { path, names: strings(&import["symbols"]) })
    });
    let rust = strings(&specific["affects"]["functions"]);
    go.chain((!rust.is_empty()).then(|| Symbols { path: String::new(), names: rust })).collect()
}

impl Record {
    /// What an advisory says of one of its packages. `versions` that its ranges tell already are left out by the caller.
    pub(super) fn new(advisory: &Advisory, affected: &Affected) -> Self {
        let severity = if affected.severity.is_empty() { &advisory.severity } else { &affected.severity };
        let word = advisory.database_specific["severity"]
            .as_str()
            .or_else(|| affected.database_specific["severity"].as_str())
            .or_else(|| affected.ecosystem_specific["severity"].as_str())
            .or_else(|| affected.ecosystem_specific["urgency"].as_str());
        let url = advisory.database_specific["url"].as_str().or_else(|| {
            let wanted =
                |kind: &str| advisory.references.iter().find(|one| one.kind == kind).map(|one| one.url.as_str());
            wanted("ADVISORY").or_else(|| wanted("WEB")).or_else(|| advisory.references.first().map(|r| r.url.as_str()))
        });
        Self {
            id: advisory.id.clone(),
            aliases: advisory.aliases.clone(),
            upstream: advisory.upstream.clone(),
            summary: advisory.summary.clone(),
            kind: kind_of(advisory, affected),
            severity: severity.clone(),
            word: word.map(str::to_owned),
            published: advisory.published.clone(),
            modified: advisory.modified.clone(),
            ranges: affected.ranges.clone(),
            versions: affected.versions.clone(),
            symbols: symbols_of(affected),
            systems: strings(&affected.ecosystem_specific["affects"]["os"]),
            url: url.map(str::to_owned),
        }
    }
}

/// All records of one package, as they lie in the file.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Group {
    pub(super) ecosystem: String,
    pub(super) name: String,
    pub(super) records: Vec<Record>,
}

/// A package's name as it is looked up: ecosystems that do not tell upper from lower case, or `-` from `_`, are brought to
/// one form.
pub fn lookup_name(ecosystem: &str, name: &str) -> String {
    let base = ecosystem.split(':').next().unwrap_or(ecosystem);
    match base {
        "PyPI" => {
            let mut out = String::with_capacity(name.len());
            for c in name.chars() {
                let c = if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() };
                if c != '-' || !out.ends_with('-') {
                    out.push(c);
                }
            }
            out
        }
        // Module paths tell upper from lower case, but their package URLs do not, and no two differ in that alone.
        "Go" | "NuGet" | "Packagist" | "GitHub Actions" | "Hex" | "Pub" => name.to_lowercase(),
        "SwiftURL" => {
            let name = name.trim_start_matches("https://").trim_start_matches("http://");
            name.strip_suffix(".git").unwrap_or(name).to_lowercase()
        }
        _ => name.to_owned(),
    }
}

/// The hash that a key is found by: the first eight bytes of its SHA-256.
pub(super) fn hash(parts: &[&str]) -> u64 {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    let digest: Digest = hasher.finish();
    let mut first = [0; 8];
    first.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

/// A key twice as long, for what is not compared by name afterwards: nobody can choose a version so that it is taken for
/// one of the millions that are known.
pub(super) fn long_hash(parts: &[&str]) -> (u64, u64) {
    let mut hasher = Hasher::new();
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(b"\0");
    }
    let digest: Digest = hasher.finish();
    let half = |from: usize| {
        let mut half = [0; 8];
        half.copy_from_slice(&digest.as_bytes()[from..from + 8]);
        u64::from_be_bytes(half)
    };
    (half(0), half(8))
}
