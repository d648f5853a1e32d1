//! Packages against advisories: the rule of the OSV schema, and what it cannot decide.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use provost_formats::osv::{self, RangeKind};
use provost_formats::version;
use provost_model::{Ecosystem, Package, PackageSource};
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError, Epss, Kind, Record, Records, Symbols};
use crate::ecosystem;
use crate::git::{self, GIT, History};
use crate::severity::{Rating, rate};

/// An advisory that is about a version of a package; one for all databases that speak of the same thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Vulnerability {
    /// Its id in the database that is nearest to the ecosystem.
    pub id: String,
    /// Its other ids.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Ids of what it was made from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<String>,
    /// What it warns of.
    pub kind: Kind,
    /// One line.
    pub summary: String,
    /// How severe it is.
    pub rating: Rating,
    /// The smallest later version that is free of it, where one is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// First published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<String>,
    /// Last changed.
    pub modified: String,
    /// Vulnerable functions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub symbols: Vec<Symbols>,
    /// Operating systems that it is about; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub systems: Vec<String>,
    /// How probable exploitation is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epss: Option<Epss>,
    /// Known to be exploited since that day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exploited: Option<String>,
    /// Where more is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

impl Vulnerability {
    /// How much it weighs in a word or two: `high 7.5`, `unknown`, or what it warns of where that is no vulnerability.
    pub fn weight(&self) -> String {
        match (self.kind, self.rating.score) {
            (Kind::Vulnerability, Some(score)) => format!("{} {score:.1}", self.rating.severity.name()),
            (Kind::Vulnerability, None) => self.rating.severity.name().to_owned(),
            (kind, _) => kind.name().to_owned(),
        }
    }

    /// All ids that it goes by.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.id).chain(&self.aliases).chain(&self.upstream).map(String::as_str)
    }
}

/// What the database has to say of a package.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Answer {
    /// What is known against it, most severe first.
    pub vulnerabilities: Vec<Vulnerability>,
    /// Why it could not be judged, or not wholly.
    pub undecided: Vec<String>,
    /// More is known against it than attacks and what is exploited, and was not asked for.
    pub left_out: bool,
}

/// Which advisories are about attacks or are known to be exploited; remembered, since thousands of packages may ask.
#[derive(Debug, Default)]
pub(crate) struct Grave(Mutex<HashMap<String, bool>>);

impl Grave {
    fn is(&self, database: &Database, record: &Record) -> Result<bool, DatabaseError> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(answer) = known().get(&record.id) {
            return Ok(*answer);
        }
        let mut answer = record.kind == Kind::Malicious;
        for id in std::iter::once(&record.id).chain(&record.aliases).chain(&record.upstream) {
            answer = answer || id.starts_with("CVE-") && database.exploited(id)?.is_some();
        }
        known().insert(record.id.clone(), answer);
        Ok(answer)
    }
}

/// Judges one package. Where it comes from a git repository, `history` tells what its commit has behind it.
///
/// # Errors
/// The database cannot be read.
pub fn judge(database: &Database, package: &Package, history: &dyn History) -> Result<Answer, DatabaseError> {
    judge_for(database, package, history, None)
}

/// As [`judge`], of attacks and what is exploited only.
pub(crate) fn judge_for(
    database: &Database,
    package: &Package,
    history: &dyn History,
    only: Option<&Grave>,
) -> Result<Answer, DatabaseError> {
    let mut answer = Answer::default();
    let names = ecosystem::of_package(package);
    let commit = git::commit_of(package).map(|(repository, id)| Commit { repository, id, history });
    let by_commit = match &commit {
        Some(commit) => database.lookup(GIT, &commit.repository)?,
        None => Records::default(),
    };
    let Some(name) = names.iter().find(|name| database.covers(name)) else {
        if let Some(commit) = commit.filter(|_| names.is_empty() || database.covers(GIT) || !by_commit.is_empty()) {
            if !database.covers(GIT) {
                answer.undecided.push(format!("the database has no advisories for repositories ({GIT})"));
            }
            let judged = Judged::new(Ecosystem::Generic, package.version.as_deref(), package, Some(commit));
            answer.decide(database, &judged, (&[], &by_commit), only)?;
            return Ok(answer);
        }
        if matches!(&package.source, PackageSource::Path { path } if !is_archive(path)) {
            return Ok(answer);
        }
        answer.undecided.push(match (&package.distribution, names.first()) {
            (_, Some(name)) => format!("the database has no advisories for {name}"),
            (Some(distribution), None) => format!("no advisories are known for {}", distribution.id),
            (None, None) => {
                format!("no advisories are known for packages of the kind {}", package.ecosystem.purl_type())
            }
        });
        return Ok(answer);
    };
    let order = ecosystem::order_of(name);
    let (source, source_version) = match (&package.built_from, package.ecosystem) {
        (Some((source, version)), Ecosystem::Deb | Ecosystem::Apk) => (source.as_str(), version.as_ref()),
        _ => (package.name.as_str(), None),
    };
    let records = database.lookup(name, source)?;
    if records.is_empty() && by_commit.is_empty() {
        return Ok(answer);
    }
    let wanted = source_version.or(package.version.as_ref());
    if wanted.is_none() && commit.is_none() {
        let asked = package.requirement.as_deref().unwrap_or("any version");
        answer.undecided.push(format!(
            "only declared ({asked}), not resolved to a version: {} about it cannot be judged",
            provost_model::count(records.len() as u64, "advisory", "advisories")
        ));
        return Ok(answer);
    }
    let judged = Judged::new(order, wanted.map(String::as_str), package, commit);
    if let PackageSource::Path { path } = &package.source
        && !is_archive(path)
    {
        // A directory of the project: its name may be that of a public package, or it may be a copy of one.
        if let Some(first) = judged.hits(&records, &by_commit, &mut answer.undecided).first() {
            answer.undecided.push(format!(
                "it comes from the directory {path}, by the name and version of a package that {} is about: whether it is a \
                 copy of that cannot be told",
                first.id
            ));
        }
        return Ok(answer);
    }
    answer.decide(database, &judged, (&records, &by_commit), only)?;
    Ok(answer)
}

impl Answer {
    fn decide(
        &mut self,
        database: &Database,
        judged: &Judged<'_>,
        (records, by_commit): (&[Record], &[Record]),
        only: Option<&Grave>,
    ) -> Result<(), DatabaseError> {
        let mut hits = judged.hits(records, by_commit, &mut self.undecided);
        if let Some(grave) = only {
            let all = std::mem::take(&mut hits);
            for record in all {
                if grave.is(database, record)? {
                    hits.push(record);
                } else {
                    self.left_out = true;
                }
            }
        }
        self.vulnerabilities = grouped(&hits, judged);
        for one in &mut self.vulnerabilities {
            let ids = std::iter::once(&one.id).chain(&one.aliases).chain(&one.upstream);
            for id in ids.filter(|id| id.starts_with("CVE-")) {
                if one.epss.is_none() {
                    one.epss = database.epss(id)?;
                }
                if one.exploited.is_none() {
                    one.exploited = database.exploited(id)?;
                }
            }
        }
        self.vulnerabilities.sort_by(severest_first);
        Ok(())
    }
}

/// True for a packed package: it is what its name says, wherever it lies.
fn is_archive(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".zip", ".whl", ".egg", ".gem", ".crate", ".nupkg", ".jar"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Attacks first, then the exploited, then by severity.
fn severest_first(a: &Vulnerability, b: &Vulnerability) -> Ordering {
    let rank = |one: &Vulnerability| {
        (one.kind == Kind::Malicious, one.exploited.is_some(), one.kind == Kind::Vulnerability, one.rating.severity)
    };
    rank(b).cmp(&rank(a)).then_with(|| a.id.cmp(&b.id))
}

/// True when a record is about a version, whatever package asks.
#[cfg(test)]
pub(crate) fn is_about(record: &Record, order: Ecosystem, version: &str) -> bool {
    let valid = version::is_valid(order, version);
    let judged = Judged { order, version: Some(version), valid, from_git: false, commit: None };
    matches!(judged.affects(record), Decision::Yes)
}

enum Decision {
    Yes,
    No,
    Unknown(&'static str),
}

impl Decision {
    fn of(affected: bool) -> Self {
        if affected { Self::Yes } else { Self::No }
    }
}

/// A commit of a repository, as the database names that.
struct Commit<'a> {
    repository: String,
    id: &'a str,
    history: &'a dyn History,
}

struct Judged<'a> {
    order: Ecosystem,
    version: Option<&'a str>,
    valid: bool,
    from_git: bool,
    commit: Option<Commit<'a>>,
}

const NO_HISTORY: &str =
    "it speaks of commits, and the history of the repository is not at hand (`--git-history` names a clone)";

impl<'a> Judged<'a> {
    fn new(order: Ecosystem, version: Option<&'a str>, package: &Package, commit: Option<Commit<'a>>) -> Self {
        let valid = version.is_some_and(|version| version::is_valid(order, version));
        let from_git = matches!(package.source, PackageSource::Git { .. });
        Self { order, version, valid, from_git, commit }
    }

    /// The records that are about it: those of its name, and those of its repository. What its commit tells goes before what its
    /// version says, which need not have changed with a mend.
    fn hits<'r>(&self, records: &'r [Record], by_commit: &'r [Record], undecided: &mut Vec<String>) -> Vec<&'r Record> {
        let mut hits = Vec::new();
        let mut take = |record: &'r Record, decision: Decision| match decision {
            Decision::Yes => hits.push(record),
            Decision::No => {}
            Decision::Unknown(why) => undecided.push(format!("{}: {why}", record.id)),
        };
        for record in records {
            let other = by_commit.iter().find(|other| other.id == record.id);
            let told = self.at_commit(record).or_else(|| self.at_commit(other?));
            // A version tells more than a mend that the history has not.
            let told = told.filter(|affected| !(*affected && self.version.is_some() && self.lacks_mend(record)));
            take(record, told.map_or_else(|| self.affects(record), Decision::of));
        }
        for record in by_commit.iter().filter(|record| !records.iter().any(|known| known.id == record.id)) {
            let tag = |listed: &String, version: &str| {
                let plain = |text: &str| text.trim_start_matches(['v', 'V']).to_owned();
                plain(listed) == plain(version)
            };
            let by_tag = self
                .version
                .filter(|version| !record.versions.is_empty() && self.commit.as_ref().is_none_or(|c| c.id != *version))
                .map(|version| record.versions.iter().any(|listed| tag(listed, version)));
            take(record, self.at_commit(record).or(by_tag).map_or(Decision::Unknown(NO_HISTORY), Decision::of));
        }
        hits
    }

    fn lacks_mend(&self, record: &Record) -> bool {
        let lacks = |commit: &Commit<'_>| !git::knows_mends(&record.ranges, &commit.repository, commit.history);
        record.ranges.iter().any(|range| range.kind != RangeKind::Git) && self.commit.as_ref().is_some_and(lacks)
    }

    /// What its commit tells.
    fn at_commit(&self, record: &Record) -> Option<bool> {
        let commit = self.commit.as_ref()?;
        git::includes(&record.ranges, &commit.repository, commit.id, commit.history)
    }

    fn compare(&self, kind: RangeKind, a: &str, b: &str) -> Ordering {
        match kind {
            RangeKind::SemVer => version::compare_semver(a, b),
            _ => version::compare(self.order, a, b),
        }
    }

    fn affects(&self, record: &Record) -> Decision {
        let Some(version) = self.version else {
            let commits = record.ranges.iter().any(|range| range.kind == RangeKind::Git);
            let versions = "it speaks of versions, and only a commit is known";
            return Decision::Unknown(if commits { NO_HISTORY } else { versions });
        };
        let same = |listed: &String| listed == version || self.compare(RangeKind::Ecosystem, listed, version).is_eq();
        if record.versions.iter().any(same) {
            return Decision::Yes;
        }
        let ordered = |range: &&osv::Range| range.kind != RangeKind::Git;
        if !record.ranges.iter().any(|range| ordered(&range)) {
            // Commits tell nothing of a version; where versions are listed, those count.
            return if self.from_git && !record.ranges.is_empty() {
                Decision::Unknown(NO_HISTORY)
            } else if record.ranges.is_empty() || !record.versions.is_empty() {
                Decision::No
            } else {
                Decision::Unknown("it speaks of commits only")
            };
        }
        if !self.valid {
            return Decision::Unknown("the package's version is none by the rules of its ecosystem");
        }
        let hit = record
            .ranges
            .iter()
            .filter(ordered)
            .any(|range| osv::includes(&range.events, version, &|a, b| self.compare(range.kind, a, b)));
        if hit {
            return Decision::Yes;
        }
        // An end that is no version leaves open what lies before it.
        let readable =
            |event: &osv::Event| matches!(event.version(), "0" | "*") || version::is_valid(self.order, event.version());
        let ecosystem = |range: &&osv::Range| range.kind == RangeKind::Ecosystem;
        if record.ranges.iter().filter(ecosystem).any(|range| !range.events.iter().all(readable)) {
            return Decision::Unknown("its range ends at something that is no version by the rules of the ecosystem");
        }
        Decision::No
    }

    fn fixed(&self, record: &Record) -> Option<String> {
        let by_commit = |commit: &Commit<'_>| git::mend(&record.ranges, &commit.repository).map(str::to_owned);
        let Some(version) = self.version.filter(|_| self.at_commit(record).is_none()) else {
            return self.commit.as_ref().and_then(by_commit);
        };
        let after = |range: &'_ osv::Range| {
            let compare = |a: &str, b: &str| self.compare(range.kind, a, b);
            osv::includes(&range.events, version, &compare)
                .then(|| osv::fixed_after(&range.events, version, &compare).map(str::to_owned))
                .flatten()
        };
        // A version is free of it when no range holds it: the greatest of the ranges' ends.
        let ends = record.ranges.iter().filter(|range| range.kind != RangeKind::Git).filter_map(after);
        ends.max_by(|a, b| self.compare(RangeKind::Ecosystem, a, b))
    }
}

/// Which database's id is shown: the ecosystem's own first.
fn preference(id: &str) -> usize {
    const ORDER: &[&str] = &[
        "MAL-", "RUSTSEC-", "GO-", "PYSEC-", "HSEC-", "DSA-", "DLA-", "DEBIAN-", "USN-", "UBUNTU-", "ALPINE-", "GHSA-",
        "CVE-",
    ];
    ORDER.iter().position(|prefix| id.starts_with(prefix)).unwrap_or(ORDER.len())
}

/// One vulnerability for all records that are aliases of one another.
fn grouped(records: &[&Record], judged: &Judged<'_>) -> Vec<Vulnerability> {
    let mut group_of: Vec<usize> = (0..records.len()).collect();
    let mut first: HashMap<String, usize> = HashMap::new();
    for (index, record) in records.iter().copied().enumerate() {
        // What informs (unmaintained) and what warns of a vulnerability stay apart, whatever they call one another.
        for id in std::iter::once(&record.id).chain(&record.aliases) {
            let key = format!("{:?}\0{id}", record.kind);
            let other = *first.entry(key).or_insert(index);
            let (a, b) = (root(&group_of, index), root(&group_of, other));
            group_of[a.max(b)] = a.min(b);
        }
    }
    let mut groups: Vec<(usize, Vec<&Record>)> = Vec::new();
    for (index, record) in records.iter().copied().enumerate() {
        let root = root(&group_of, index);
        match groups.iter_mut().find(|(known, _)| *known == root) {
            Some((_, members)) => members.push(record),
            None => groups.push((root, vec![record])),
        }
    }
    groups.into_iter().map(|(_, members)| together(&members, judged)).collect()
}

fn root(group_of: &[usize], mut index: usize) -> usize {
    while group_of[index] != index {
        index = group_of[index];
    }
    index
}

fn together(members: &[&Record], judged: &Judged<'_>) -> Vulnerability {
    let mut members = members.to_vec();
    members.sort_by_key(|record| (preference(&record.id), record.id.clone()));
    let main = members[0];
    let mut aliases: Vec<String> =
        members.iter().flat_map(|record| std::iter::once(&record.id).chain(&record.aliases)).cloned().collect();
    aliases.sort();
    aliases.dedup();
    aliases.retain(|alias| *alias != main.id);
    let mut upstream: Vec<String> = members.iter().flat_map(|record| &record.upstream).cloned().collect();
    upstream.sort();
    upstream.dedup();
    let ratings = members.iter().map(|record| rate(&record.severity, record.word.as_deref()));
    // The nearest database's rating counts; others fill in where it has none.
    let rating = ratings.reduce(|a, b| if a.severity == crate::severity::Severity::Unknown { b } else { a });
    let fixes = members.iter().filter_map(|record| judged.fixed(record));
    let text = |one: fn(&Record) -> &str| members.iter().map(|record| one(record)).find(|text| !text.is_empty());
    Vulnerability {
        id: main.id.clone(),
        aliases,
        upstream,
        kind: main.kind,
        summary: text(|record| &record.summary).unwrap_or_default().to_owned(),
        rating: rating.unwrap_or_default(),
        fixed: fixes.max_by(|a, b| judged.compare(RangeKind::Ecosystem, a, b)),
        published: members.iter().filter_map(|record| record.published.clone()).min(),
        modified: members.iter().map(|record| record.modified.clone()).max().unwrap_or_default(),
        symbols: members.iter().flat_map(|record| record.symbols.clone()).collect(),
        systems: if members.iter().any(|r| r.systems.is_empty()) { Vec::new() } else { main.systems.clone() },
        epss: None,
        exploited: None,
        url: members.iter().find_map(|record| record.url.clone()),
    }
}
