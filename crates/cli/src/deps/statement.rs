//! The signed statements of a scan: what was found (in-toto vulns), and the bill of materials that it was found in.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_attest::predicate::{
    CYCLONEDX, Occurrence, ReleaseFacts, ScanFacts, ScanMetadata, ScanResult, Scanner, ScannerDatabase, SeverityRating,
    VULNS, Vulns,
};
use provost_attest::{ResourceDescriptor, Statement};
use provost_deps::{Age, Fault, Vulnerability, age_of};
use provost_evidence::NewRecord;
use provost_model::{Timestamp, printable};

use super::{Done, Row, bom};
use crate::commands::Context;
use crate::commands::deps::DepsArgs;
use crate::commands::verify::Artifact;
use crate::home::Project;
use crate::signing::{self, Role};
use crate::{clock, judge, render};

/// Reasons of incompleteness that a statement names.
const GAPS: usize = 20;

/// What a scan of packages speaks of: the artifacts that were named, else the files that are read.
pub(crate) fn subjects(args: &DepsArgs) -> Result<Vec<ResourceDescriptor>> {
    let descriptor = |text: &String| -> Result<ResourceDescriptor> {
        let artifact = Artifact::find(text)?;
        Ok(ResourceDescriptor::named(artifact.shown, artifact.digest))
    };
    if !args.of.is_empty() {
        return args.of.iter().map(descriptor).collect();
    }
    let mut subjects = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            bail!(
                "--attest of a directory needs to know what it is about: name the artifact with --of FILE or --of sha256:…"
            );
        }
        subjects.push(descriptor(&path.display().to_string())?);
    }
    if subjects.is_empty() {
        bail!("--attest needs to know what it is about: name the artifact with --of FILE or --of sha256:…");
    }
    Ok(subjects)
}

fn ratings(one: &Vulnerability) -> Vec<SeverityRating> {
    let method = match one.rating.from.as_deref() {
        Some(vector) if vector.starts_with("CVSS:4") => "CVSS_V4",
        Some(vector) if vector.starts_with("CVSS:3") => "CVSS_V3",
        Some(_) if one.rating.score.is_some() => "CVSS_V2",
        Some(_) => "word",
        None => return Vec::new(),
    };
    let score = match one.rating.score {
        Some(score) => format!("{score:.1}"),
        None => one.rating.severity.name().to_owned(),
    };
    vec![SeverityRating { method: method.to_owned(), score }]
}

fn occurrence(done: &Done, row: &Row) -> Occurrence {
    let source = &done.collected.sources[row.issue.source];
    let package = &source.inventory.packages[row.issue.package];
    let mut at = Occurrence {
        purl: package.purl().to_string(),
        development: package.scopes.is_development_only(),
        location: source.path.clone(),
        reach: Some(row.reach.name().to_owned()),
        vex: row.vex.as_ref().map(|vex| vex.status.name().to_owned()),
        ..Occurrence::default()
    };
    match &row.issue.fault {
        Fault::Advisory(one) => {
            at.aliases = one.ids().skip(1).map(str::to_owned).collect();
            at.kind = one.kind.name().to_owned();
            at.fixed.clone_from(&one.fixed);
            at.published = one.published.as_ref().and_then(|time| time.parse().ok());
            at.exploited.clone_from(&one.exploited);
        }
        other => at.kind = other.id().to_owned(),
    }
    at
}

/// What is known of when packages were published, for policies that ask for an age of their own.
fn releases(done: &Done) -> ReleaseFacts {
    let mut facts = ReleaseFacts::default();
    let at = done.found.ages.as_ref().map_or(done.began, |ages| ages.at);
    let from = at.plus_days(-i64::try_from(ReleaseFacts::DAYS).unwrap_or(i64::MAX));
    for source in done.collected.sources.iter().filter(|source| source.managed.is_none()) {
        for package in &source.inventory.packages {
            match age_of(package, &done.database) {
                Ok(Age::Known(released, _)) => {
                    facts.known += 1;
                    if released >= from {
                        let known = facts.recent.entry(package.purl().to_string()).or_insert(released);
                        *known = released.max(*known);
                    }
                }
                Ok(Age::None) => {}
                Ok(Age::Unknown) | Err(_) => facts.not_known += 1,
            }
        }
    }
    facts
}

/// The predicate of a scan.
pub(crate) fn predicate(done: &Done, sbom: Option<String>) -> Vulns {
    let mut results: BTreeMap<String, ScanResult> = BTreeMap::new();
    for row in &done.rows {
        let id = row.issue.fault.id().to_owned();
        let severity = match &row.issue.fault {
            Fault::Advisory(one) => ratings(one),
            _ => Vec::new(),
        };
        let result = results.entry(id.clone()).or_insert(ScanResult { id, severity, annotations: Vec::new() });
        result.annotations.push(occurrence(done, row));
    }
    let info = done.database.info();
    let as_of: BTreeMap<String, Timestamp> = done
        .assessment
        .ecosystems
        .keys()
        .filter_map(|name| Some((name.clone(), info.ecosystems.get(name)?.as_of)))
        .collect();
    let oldest = as_of.values().min().copied().unwrap_or(info.created);
    let mut licences: BTreeMap<String, u64> = BTreeMap::new();
    for package in done.collected.sources.iter().flat_map(|source| &source.inventory.packages) {
        if package.scopes.is_development_only() {
            continue;
        }
        let stated = package.licence.as_deref().and_then(provost_formats::licence::normalise);
        let text = stated.map_or_else(|| "NOASSERTION".to_owned(), |expression| expression.to_string());
        *licences.entry(text).or_default() += 1;
    }
    let mut gaps: Vec<String> = Vec::new();
    let coverage = &done.collected.coverage;
    let left_out = coverage.skips.iter().filter(|gap| gap.why == "excluded by request").count();
    if left_out > 0 {
        gaps.push(format!("{left_out} left out by request"));
    }
    if done.collected.sources.is_empty() {
        gaps.push("nothing was found that tells of packages".to_owned());
    }
    gaps.extend(coverage.failures.iter().chain(&coverage.parts).map(|gap| format!("{}: {}", gap.place, gap.why)));
    gaps.extend(done.assessment.undecided.iter().map(|one| {
        let source = &done.collected.sources[one.source];
        format!("{}: {}: {}", source.path, source.inventory.packages[one.package].name, one.why)
    }));
    gaps.extend(
        done.assessment
            .declared
            .iter()
            .map(|index| format!("{}: declared, not resolved", done.collected.sources[*index].path)),
    );
    gaps.truncate(GAPS);
    let mut image = done.image.clone();
    if let Some(image) = &mut image {
        for other in &done.others {
            *image.findings.entry(other.finding.rule.clone()).or_default() += 1;
        }
    }
    Vulns {
        scanner: Scanner {
            uri: "urn:provost:scanner".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            db: ScannerDatabase {
                uri: "urn:provost:advisories".to_owned(),
                version: format!("sha256:{}", info.digest),
                last_update: oldest,
            },
            result: results.into_values().collect(),
        },
        metadata: ScanMetadata { scan_started_on: done.began, scan_finished_on: clock::now() },
        scan: Some(ScanFacts {
            target: done.target.clone(),
            complete: done.is_complete() && left_out == 0,
            read_whole: left_out == 0
                && !done.collected.sources.is_empty()
                && done.collected.coverage.is_complete()
                && done.assessment.declared.is_empty(),
            gaps,
            packages: done.collected.packages() as u64,
            judged: done.assessment.judged as u64,
            as_of,
            licences,
            releases: Some(releases(done)),
            sbom,
            image,
        }),
    }
}

/// Signs the statements and puts them into the project's log.
pub(crate) fn attest(done: &Done, subjects: &[ResourceDescriptor], context: &Context) -> Result<()> {
    let project = Project::find(Path::new("."))?;
    let store = judge::open_store(&context.home, &project.store(&context.home))
        .context("--attest needs an evidence store: `provost init` makes one")?;
    let signer = signing::load(Role::Builder, &context.home, &project)?;
    let log_key = signing::load(Role::Log, &context.home, &project)?;
    let text =
        bom::write(&bom::of(&done.target, &done.collected, done.image.as_ref(), done.began), bom::Form::CycloneDx16)?;
    let digest = provost_model::sha256(text.as_bytes());
    let predicate = predicate(done, Some(digest.to_hex()));
    let found = Statement::new(subjects.to_vec(), VULNS, &predicate)?.sign(signer.as_ref())?;
    let document: serde_json::Value = serde_json::from_str(&text)?;
    let bill = Statement::new(subjects.to_vec(), CYCLONEDX, &document)?.sign(signer.as_ref())?;
    store.put_blob(text.as_bytes())?;
    let key = signer.public_key().clone();
    let records = [NewRecord { envelope: found, key: key.clone() }, NewRecord { envelope: bill, key }];
    let receipts = store.append(&records, log_key.as_ref()).context("the statements could not be kept")?;
    judge::remember_store(&context.home, &store)?;
    if let (Some(first), Some(last)) = (receipts.first(), receipts.last()) {
        let text =
            format!("signed statements: entries {} and {} of {}", first.index, last.index, store.root().display());
        anstream::eprintln!("{}", render::dim(&printable(&text)));
    }
    Ok(())
}
