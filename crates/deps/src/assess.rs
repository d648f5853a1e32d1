//! What is wrong with the packages of an inventory.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock};

use provost_model::{Completeness, Ecosystem, Package, Timestamp};
use rayon::prelude::*;
use serde::Serialize;

use crate::database::{Database, DatabaseError};
use crate::ecosystem;
use crate::git::{self, GIT, History, NoHistory};
use crate::inventory::{Collected, Source, Ways};
use crate::matching::{Answer, Grave, Vulnerability, judge, judge_for};
use crate::origin::Flaw;
use crate::release::ReleasedBy;

/// What is wrong with a package.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "what")]
pub enum Fault {
    /// An advisory is about this version.
    Advisory(#[serde(serialize_with = "shared")] Arc<Vulnerability>),
    /// Its authors say that it should not be used any more.
    Deprecated {
        /// What they say.
        text: String,
    },
    /// The version was taken back.
    Yanked,
    /// The entry of its lock contradicts itself or the rest.
    Lock {
        /// How.
        #[serde(flatten)]
        flaw: Flaw,
    },
    /// It is installed, or was read, in a version that is not the locked one.
    NotAsLocked {
        /// The versions that are locked.
        locked: Vec<String>,
        /// The lock.
        lock: String,
    },
    /// It is installed, or was read, and no lock of the project names it.
    NotLocked {
        /// The lock.
        lock: String,
    },
    /// Its licence is none of those that are permitted.
    Licence {
        /// The expression; `NOASSERTION` where none is stated.
        expression: String,
    },
    /// It was published too short a time ago.
    Young {
        /// When.
        released: Timestamp,
        /// Whole days since then.
        days: i64,
        /// Who says so.
        by: ReleasedBy,
    },
}

fn shared<S: serde::Serializer>(one: &Arc<Vulnerability>, serializer: S) -> Result<S::Ok, S::Error> {
    Vulnerability::serialize(one, serializer)
}

impl Fault {
    /// What tells it from others of the same package: the advisory's id, or what is wrong.
    pub fn id(&self) -> &str {
        match self {
            Self::Advisory(one) => &one.id,
            Self::Deprecated { .. } => "deprecated",
            Self::Yanked => "yanked",
            Self::Lock { flaw } => flaw.id(),
            Self::NotAsLocked { .. } => "not-as-locked",
            Self::NotLocked { .. } => "not-locked",
            Self::Licence { .. } => "licence",
            Self::Young { .. } => "young",
        }
    }
}

/// Issues that are listed; of what is known beyond so many, attacks and what is exploited alone, and as many of these. A
/// product has hundreds; what has more is there to fill the memory of whoever judges it.
pub const MAXIMUM_ISSUES: usize = 50_000;

/// Packages that are judged before their answers are shortened.
const TOGETHER: usize = 64;

/// Something wrong with a package of a source.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Issue {
    /// Index of the source.
    pub source: usize,
    /// Index of the package in it.
    pub package: usize,
    /// What is wrong.
    #[serde(flatten)]
    pub fault: Fault,
    /// Whether a program that has it holds the functions that are vulnerable; none where that cannot be told. The linker
    /// leaves out what nothing calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linked: Option<bool>,
    /// Indexes of the packages that lead to it, the directly needed one first and itself last; empty where that is not known.
    /// The middle of a long way is left out ([`MAXIMUM_WAY`](crate::MAXIMUM_WAY)).
    pub path: Vec<usize>,
}

/// A package that could not be judged, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Undecided {
    /// Index of the source.
    pub source: usize,
    /// Index of the package in it.
    pub package: usize,
    /// Why.
    pub why: String,
}

/// The whole.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Assessment {
    /// What is wrong, source by source, most severe first.
    pub issues: Vec<Issue>,
    /// What could not be judged.
    pub undecided: Vec<Undecided>,
    /// Packages that were judged wholly.
    pub judged: usize,
    /// Container images that are named: what is in them is another question.
    pub images: usize,
    /// Sources that say only what was asked for.
    pub declared: Vec<usize>,
    /// OSV's names of the ecosystems that packages were judged by, with their number.
    pub ecosystems: BTreeMap<String, usize>,
}

/// What makes two packages the same to the database.
fn key(package: &Package) -> String {
    let source = match &package.source {
        provost_model::PackageSource::Path { .. } => "path",
        provost_model::PackageSource::Git { .. } => "git",
        _ => "",
    };
    let at = git::commit_of(package).map(|(repository, commit)| format!("{repository}#{commit}")).unwrap_or_default();
    let (built, built_version) = match &package.built_from {
        Some((name, version)) => (name.as_str(), version.as_deref().unwrap_or_default()),
        None => ("", ""),
    };
    let distribution =
        package.distribution.as_ref().map(|one| format!("{}:{}", one.id, one.version)).unwrap_or_default();
    [
        package.ecosystem.purl_type(),
        &package.name,
        package.version.as_deref().unwrap_or("\u{1}"),
        source,
        &at,
        built,
        built_version,
        &distribution,
    ]
    .join("\0")
}

/// Answers that were given already, for many inventories of much the same packages.
#[derive(Debug, Default)]
pub struct Cache(RwLock<HashMap<String, Arc<Answer>>>);

impl Cache {
    /// Judges a package, unless that was done before.
    ///
    /// # Errors
    /// The database cannot be read.
    pub fn judge(&self, database: &Database, package: &Package) -> Result<Arc<Answer>, DatabaseError> {
        let key = key(package);
        if let Some(known) = self.0.read().unwrap_or_else(|e| e.into_inner()).get(&key) {
            return Ok(Arc::clone(known));
        }
        let answer = Arc::new(judge(database, package, &NoHistory)?);
        self.0.write().unwrap_or_else(|e| e.into_inner()).insert(key, Arc::clone(&answer));
        Ok(answer)
    }
}

/// An answer whose vulnerabilities several issues share.
struct Shared {
    vulnerabilities: Vec<Arc<Vulnerability>>,
    undecided: Vec<String>,
    /// Some were left out.
    cut: bool,
}

/// How many more issues are listed.
#[derive(Default)]
struct Room {
    any: usize,
    grave: usize,
}

impl Room {
    fn takes(&mut self, one: &Vulnerability) -> bool {
        if self.any < MAXIMUM_ISSUES {
            self.any += 1;
            return true;
        }
        let grave = one.kind == crate::database::Kind::Malicious || one.exploited.is_some();
        if grave && self.grave < MAXIMUM_ISSUES {
            self.grave += 1;
            return true;
        }
        false
    }
}

/// Judges every package against the database, each once however often it stands there.
///
/// # Errors
/// The database cannot be read.
pub fn assess(collected: &Collected, database: &Database, history: &dyn History) -> Result<Assessment, DatabaseError> {
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut unique: Vec<&Package> = Vec::new();
    let mut places: Vec<(usize, usize, usize)> = Vec::new();
    for (source, found) in collected.sources.iter().enumerate() {
        for (index, package) in found.inventory.packages.iter().enumerate() {
            let number = *first.entry(key(package)).or_insert_with(|| {
                unique.push(package);
                unique.len() - 1
            });
            places.push((source, index, number));
        }
    }
    let grave = Grave::default();
    let mut room = Room::default();
    let mut answers: Vec<Shared> = Vec::with_capacity(unique.len());
    for unique in unique.chunks(TOGETHER) {
        // Of what is not listed any more nothing is put together.
        let only = (room.any >= MAXIMUM_ISSUES).then_some(&grave);
        let judged = unique.par_iter().with_min_len(8).map(|package| judge_for(database, package, history, only));
        for answer in judged.collect::<Result<Vec<_>, _>>()? {
            let known = answer.vulnerabilities.len();
            let kept =
                answer.vulnerabilities.into_iter().filter(|one| room.takes(one)).map(Arc::new).collect::<Vec<_>>();
            answers.push(Shared {
                cut: answer.left_out || kept.len() < known,
                vulnerabilities: kept,
                undecided: answer.undecided,
            });
        }
    }
    // The same package in many places is an issue in each.
    let mut room = Room::default();
    let mut left_out = false;
    let mut ways: Option<(usize, Ways)> = None;
    let mut assessment = Assessment::default();
    for (source, found) in collected.sources.iter().enumerate() {
        // Steps and images that a pipeline names bring nothing that a lock would tell.
        let resolvable = |package: &Package| {
            !matches!(package.ecosystem, Ecosystem::GitHubActions | Ecosystem::Oci | Ecosystem::Generic)
        };
        if found.inventory.completeness == Completeness::Declared && found.inventory.packages.iter().any(resolvable) {
            assessment.declared.push(source);
        }
    }
    for (source, index, number) in places {
        let inventory = &collected.sources[source].inventory;
        let package = &inventory.packages[index];
        let answer = &answers[number];
        if package.ecosystem == Ecosystem::Oci {
            assessment.images += 1;
            continue;
        }
        if answer.undecided.is_empty() && !answer.cut {
            assessment.judged += 1;
        }
        let names = ecosystem::of_package(package).into_iter();
        let names = names.chain(git::commit_of(package).map(|_| GIT.to_owned()));
        let name = names.into_iter().find(|name| database.covers(name));
        if let Some(name) = name {
            *assessment.ecosystems.entry(name).or_default() += 1;
        }
        let undecided = answer
            .undecided
            .iter()
            .filter(|_| collected.sources[source].managed.is_none())
            .map(|why| Undecided { source, package: index, why: why.clone() });
        assessment.undecided.extend(undecided);
        // What a distribution brought is judged by the distribution's advisories; an attack is one wherever it comes from.
        let managed = collected.sources[source].managed.is_some();
        let here = |one: &&Arc<Vulnerability>| !managed || one.kind == crate::database::Kind::Malicious;
        let known = answer.vulnerabilities.iter().filter(here).count();
        let mut faults: Vec<Fault> = answer
            .vulnerabilities
            .iter()
            .filter(here)
            .filter(|one| room.takes(one))
            .map(|one| Fault::Advisory(Arc::clone(one)))
            .collect();
        if (answer.cut || faults.len() < known) && !std::mem::replace(&mut left_out, true) {
            let why = format!(
                "more than {MAXIMUM_ISSUES} issues: from here on only attacks and what is exploited are listed"
            );
            assessment.undecided.push(Undecided { source, package: index, why });
        }
        if let Some(text) = &package.deprecated {
            faults.push(Fault::Deprecated { text: text.clone() });
        }
        if package.yanked {
            faults.push(Fault::Yanked);
        }
        if !faults.is_empty() {
            if ways.as_ref().is_none_or(|(of, _)| *of != source) {
                ways = Some((source, Ways::of(inventory)));
            }
            let path = ways.as_ref().map(|(_, ways)| ways.to(index)).unwrap_or_default();
            assessment.issues.extend(faults.into_iter().map(|fault| Issue {
                source,
                package: index,
                linked: linked(&collected.sources[source], &fault),
                fault,
                path: path.clone(),
            }));
        }
    }
    Ok(assessment)
}

/// Whether a Go program holds a function that an advisory names.
fn linked(source: &Source, fault: &Fault) -> Option<bool> {
    let (Some(functions), Fault::Advisory(one)) = (&source.functions, fault) else { return None };
    // Where one import is vulnerable as a whole, no function tells.
    let told =
        !one.symbols.is_empty() && one.symbols.iter().all(|import| !import.path.is_empty() && !import.names.is_empty());
    told.then(|| one.symbols.iter().any(|import| import.names.iter().any(|name| functions.has(&import.path, name))))
}
