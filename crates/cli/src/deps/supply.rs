//! What is asked of packages beside advisories: where they come from, whether they are installed as locked, under which
//! licence, since when they are published, and how near they are to what runs.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_deps::{
    Age, Collected, Compared, Database, Fault, Issue, Observed, Reach, Severity, Ways, age_of, drift, flaws, reaches,
};
use provost_model::{Completeness, Ecosystem, Package, Timestamp};
use provost_policy::LicenceRules;

use crate::clock;
use crate::commands::Context;
use crate::commands::deps::{Judging, Supply};
use crate::home::Project;
use crate::judge::{self, Anchors};

/// What is asked.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Hosts that packages may come from.
    pub registries: Vec<String>,
    /// Days that a version has to be published, and the time that they are counted to.
    pub min_age: Option<(i64, Timestamp)>,
    /// Licences that are permitted.
    pub licences: LicenceRules,
    /// The least severity that counts, by grade.
    pub limits: Vec<(Reach, Severity)>,
    /// What a watched run read.
    pub observed: Option<(String, Observed)>,
}

impl Asked {
    pub(crate) fn of(judging: &Judging, root: &Path, context: &Context) -> Result<Self> {
        let mut licences =
            LicenceRules { permitted: judging.allow_licence.clone(), denied: judging.deny_licence.clone() };
        if judging.licences {
            licences = of_policy(root, context)?;
        }
        Ok(Self {
            registries: judging.supply.registry.clone(),
            min_age: min_age(&judging.supply)?,
            licences,
            limits: judging.fail_on_reach.clone(),
            observed: None,
        })
    }
}

/// Days, and the time that they are counted to.
pub(crate) fn min_age(supply: &Supply) -> Result<Option<(i64, Timestamp)>> {
    let now = clock::now();
    if supply.at.is_some_and(|at| at > now) {
        bail!("--at lies in the future");
    }
    Ok(supply.min_age.map(|days| (days, supply.at.unwrap_or(now))))
}

/// The licences that the project's signed policy permits: whoever changes the project cannot change those.
fn of_policy(root: &Path, context: &Context) -> Result<LicenceRules> {
    let project = Project::find(root)?;
    let anchors = Anchors::load(Some(&context.home), &[], &[])?;
    let policy = judge::read_policy(&project.signed_policy(&context.home), &anchors, &[])
        .context("--licences goes by the project's signed policy")?;
    let rules = policy
        .policy
        .scan
        .as_ref()
        .map(|scan| LicenceRules { permitted: scan.permitted_licences.clone(), denied: scan.denied_licences.clone() });
    match rules {
        Some(rules) if !rules.is_empty() => Ok(rules),
        _ => bail!("the policy says nothing of licences: `permitted-licences` or `denied-licences` in its [scan]"),
    }
}

/// What was found of that.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The grade of every package, by source and package.
    pub reaches: Vec<Vec<Reach>>,
    /// Locks and installed trees that were compared.
    pub compared: Vec<Compared>,
    /// Packages without a stated licence, where only some licences are permitted.
    pub unlicensed: Vec<(usize, usize)>,
    /// Ages, where they were asked for.
    pub ages: Option<Ages>,
}

/// How old packages are.
#[derive(Debug)]
pub(crate) struct Ages {
    /// Days that are asked for.
    pub days: i64,
    /// The time that they are counted to.
    pub at: Timestamp,
    /// Packages whose date is known.
    pub known: u64,
    /// Packages whose date is not known.
    pub unknown: Vec<(usize, usize)>,
}

impl Found {
    /// True when nothing that was asked had to stay open.
    pub(crate) fn is_complete(&self) -> bool {
        self.unlicensed.is_empty() && self.ages.as_ref().is_none_or(|ages| ages.unknown.is_empty())
    }
}

/// Looks at everything; the issues go to those of the advisories.
pub(crate) fn look(
    asked: &Asked,
    collected: &Collected,
    database: &Database,
    issues: &mut Vec<Issue>,
) -> Result<Found> {
    issues.extend(flaws(collected, &asked.registries));
    let compared = drift(collected);
    issues.extend(compared.issues);
    let mut found = Found {
        reaches: reaches(collected, asked.observed.as_ref().map(|(_, observed)| observed)),
        compared: compared.compared,
        ..Found::default()
    };
    let mut of = Issues { collected, ways: HashMap::new() };
    if !asked.licences.is_empty() {
        found.unlicensed = licences(&asked.licences, collected, &mut of, issues);
    }
    if let Some((days, at)) = asked.min_age {
        let mut ages = Ages { days, at, known: 0, unknown: Vec::new() };
        for (source, package, one) in every(collected) {
            match age_of(one, database)? {
                Age::None => {}
                Age::Unknown => ages.unknown.push((source, package)),
                Age::Known(..) => ages.known += 1,
            }
            if let Some(fault) = young(one, database, days, at)? {
                issues.push(of.issue(source, package, fault));
            }
        }
        found.ages = Some(ages);
    }
    Ok(found)
}

/// The fault of a package that was published too short a time before.
pub(crate) fn young(package: &Package, database: &Database, days: i64, at: Timestamp) -> Result<Option<Fault>> {
    Ok(match age_of(package, database)? {
        Age::Known(released, by) if released.plus_days(days) > at => {
            let since = (at.seconds() - released.seconds()).div_euclid(86_400);
            Some(Fault::Young { released, days: since, by })
        }
        _ => None,
    })
}

/// Makes issues, with the way by which their package came in.
struct Issues<'c> {
    collected: &'c Collected,
    ways: HashMap<usize, Ways>,
}

impl Issues<'_> {
    fn issue(&mut self, source: usize, package: usize, fault: Fault) -> Issue {
        let inventory = &self.collected.sources[source].inventory;
        let path = self.ways.entry(source).or_insert_with(|| Ways::of(inventory)).to(package);
        Issue { source, package, fault, linked: None, path }
    }
}

/// Every package that the distribution did not bring, and that is one of its own.
fn every(collected: &Collected) -> impl Iterator<Item = (usize, usize, &Package)> {
    let sources = collected.sources.iter().enumerate().filter(|(_, source)| source.managed.is_none());
    sources.flat_map(|(number, source)| {
        source.inventory.packages.iter().enumerate().map(move |(index, package)| (number, index, package))
    })
}

/// Judges licences as the policy does: of what reaches the product. Returns packages of which none is stated, where only
/// some are permitted: the policy refuses those.
fn licences(
    rules: &LicenceRules,
    collected: &Collected,
    of: &mut Issues<'_>,
    issues: &mut Vec<Issue>,
) -> Vec<(usize, usize)> {
    // A lock that says nothing of licences is helped by the tree that was installed from it.
    let key = |package: &Package| (package.ecosystem, package.name.clone(), package.version.clone());
    let mut stated: HashMap<_, &str> = HashMap::new();
    for (_, _, package) in every(collected) {
        if let Some(licence) = &package.licence {
            stated.entry(key(package)).or_insert(licence);
        }
    }
    let mut open = Vec::new();
    for (source, index, package) in every(collected) {
        let inventory = &collected.sources[source].inventory;
        let no_package = matches!(package.ecosystem, Ecosystem::Oci | Ecosystem::GitHubActions);
        let own = matches!(package.source, provost_model::PackageSource::Path { .. });
        if package.scopes.is_development_only() || no_package || own {
            continue;
        }
        let licence = package.licence.as_deref().or_else(|| stated.get(&key(package)).copied());
        let expression = licence.and_then(provost_formats::licence::normalise).map(|one| one.to_string());
        let text = expression.as_deref().unwrap_or("NOASSERTION");
        if rules.permits(text) {
            continue;
        }
        match expression {
            Some(expression) => issues.push(of.issue(source, index, Fault::Licence { expression })),
            // What is only declared is told to be that already.
            None if inventory.completeness == Completeness::Declared => {}
            None => open.push((source, index)),
        }
    }
    open
}
