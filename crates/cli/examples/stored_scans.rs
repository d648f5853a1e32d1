//! Fills the evidence store of the project in the working directory with signed scans of artifacts that never were, each
//! with a bill of materials of its own: what `provost recheck` is measured with.
//!
//! `stored_scans NUMBER DATABASE ADVISORIES…`: the advisories (OSV archives) tell the names of packages that have any.
#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::ControlFlow;

use anyhow::{Context as _, Result};
use provost::home::{Home, Project};
use provost::signing::{self, Role};
use provost_attest::predicate::{
    CYCLONEDX, Occurrence, ScanFacts, ScanMetadata, ScanResult, Scanner, ScannerDatabase, VULNS, Vulns,
};
use provost_attest::{ResourceDescriptor, Statement};
use provost_deps::{Cache, Collected, Database, Source, to_bom};
use provost_evidence::{NewRecord, Store};
use provost_formats::archive;
use provost_formats::osv::{Advisory, Event};
use provost_formats::sbom::{Bom, Component, ComponentKind, Tool, cyclonedx};
use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, Root, Scope, Scopes, sha256};

/// Packages of one bill of materials.
const PACKAGES: usize = 150;
/// Packages that nothing is known against, beside those of the advisories.
const OTHERS: usize = 30_000;

/// Numbers that are the same at every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Small numbers are far likelier, as some packages are in everything.
    fn popular(&mut self, end: usize) -> usize {
        let share = self.below(1 << 20) as f64 / f64::from(1 << 20);
        ((share * share * share) * end as f64) as usize
    }
}

fn ecosystem(name: &str) -> Option<Ecosystem> {
    match name {
        "crates.io" => Some(Ecosystem::Cargo),
        "PyPI" => Some(Ecosystem::PyPi),
        "Go" => Some(Ecosystem::Go),
        "npm" => Some(Ecosystem::Npm),
        _ => None,
    }
}

/// Packages that advisories name, with versions that these name too.
fn named(paths: &[String]) -> Result<Vec<(Ecosystem, String, Vec<String>)>> {
    let mut found: BTreeMap<(&'static str, String), (Ecosystem, Vec<String>)> = BTreeMap::new();
    for path in paths {
        let bytes = std::fs::read(path).with_context(|| path.clone())?;
        let source = archive::Source::Seek(&mut Cursor::new(&bytes));
        archive::members(archive::Kind::Zip, source, 1_000_000, &mut |_, reader| {
            let mut text = Vec::new();
            let read = reader.ok().and_then(|reader| reader.read_to_end(&mut text).ok());
            let Some(advisory) = read.and_then(|_| Advisory::parse(&text).ok()) else {
                return ControlFlow::Continue(());
            };
            for affected in &advisory.affected {
                let Some((package, ecosystem)) =
                    affected.package.as_ref().and_then(|one| Some((one, ecosystem(&one.ecosystem)?)))
                else {
                    continue;
                };
                let key = (ecosystem.purl_type(), package.name.clone());
                let versions = &mut found.entry(key).or_insert((ecosystem, Vec::new())).1;
                versions.extend(affected.versions.iter().take(2).cloned());
                for event in affected.ranges.iter().flat_map(|range| &range.events) {
                    // Mostly what is mended already, as in products that somebody looks after.
                    if let Event::Fixed(version) = event
                        && version.len() < 30
                    {
                        versions.extend(std::iter::repeat_n(version.clone(), 3));
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
    }
    Ok(found.into_iter().map(|((_, name), (ecosystem, versions))| (ecosystem, name, versions)).collect())
}

fn pool(paths: &[String], numbers: &mut Numbers) -> Result<Vec<(Ecosystem, String, Vec<String>)>> {
    let mut pool = named(paths)?;
    pool.retain(|(.., versions)| !versions.is_empty());
    let all = [Ecosystem::Npm, Ecosystem::Npm, Ecosystem::Cargo, Ecosystem::PyPi, Ecosystem::Go];
    for index in 0..OTHERS {
        let ecosystem = all[numbers.below(all.len())];
        let name = match ecosystem {
            Ecosystem::Go => format!("example.test/owner{}/module-{index}", index % 700),
            Ecosystem::Npm if index % 4 == 0 => format!("@scope{}/package-{index}", index % 300),
            _ => format!("package-{index}"),
        };
        let versions = (0..8).map(|_| format!("{}.{}.{}", numbers.below(6), numbers.below(30), numbers.below(12)));
        pool.push((ecosystem, name, versions.collect()));
    }
    // Popular ones of every kind.
    for index in (1..pool.len()).rev() {
        pool.swap(index, numbers.below(index + 1));
    }
    Ok(pool)
}

fn inventory(pool: &[(Ecosystem, String, Vec<String>)], numbers: &mut Numbers) -> Inventory {
    let mut inventory = Inventory::new("package-lock.json v3", Completeness::Graph);
    let mut seen = std::collections::BTreeSet::new();
    while inventory.packages.len() < PACKAGES {
        let chosen = numbers.popular(pool.len());
        if !seen.insert(chosen) {
            continue;
        }
        let (ecosystem, name, versions) = &pool[chosen];
        let version = versions[numbers.below(versions.len())].clone();
        let mut package = Package::new(*ecosystem, name.clone(), Some(version.clone()));
        let scope = if numbers.below(4) == 0 { Scope::Development } else { Scope::Production };
        package.scopes = Scopes::only(scope);
        package.direct = Some(inventory.packages.len() < 20);
        let digest = sha256(format!("{name}@{version}").as_bytes()).to_hex();
        package.hashes.push(PackageHash { algorithm: "sha512".to_owned(), value: format!("{digest}{digest}") });
        package.licence = Some(["MIT", "Apache-2.0", "MIT OR Apache-2.0", "BSD-3-Clause"][numbers.below(4)].to_owned());
        package.line = Some(numbers.next() % 20_000 + 1);
        inventory.packages.push(package);
    }
    for index in 0..PACKAGES {
        let later = (index + 1..PACKAGES).filter(|_| numbers.below(50) == 0);
        inventory.packages[index].dependencies = later.collect();
    }
    let dependencies = (0..20).map(|index| (index, Scope::Production)).collect();
    inventory.roots.push(Root { name: Some("service".to_owned()), version: None, path: String::new(), dependencies });
    inventory
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [number, database, advisories @ ..] = arguments.as_slice() else {
        anyhow::bail!("stored_scans NUMBER DATABASE ADVISORIES…");
    };
    let number: usize = number.parse()?;
    let home = Home::find()?;
    let project = Project::find(std::path::Path::new("."))?;
    let store = Store::open(&project.store(&home))?;
    let signer = signing::load(Role::Builder, &home, &project)?;
    let log = signing::load(Role::Log, &home, &project)?;
    let database = Database::open(database.as_ref())?;
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let pool = pool(advisories, &mut numbers)?;
    let (cache, mut bytes, mut issues) = (Cache::default(), 0, 0);
    for at in 0..number {
        let name = format!("service-{at}");
        let mut collected = Collected::default();
        let inventory = inventory(&pool, &mut numbers);
        let mut results: BTreeMap<String, ScanResult> = BTreeMap::new();
        for package in &inventory.packages {
            for one in &cache.judge(&database, package)?.vulnerabilities {
                issues += 1;
                let result = results.entry(one.id.clone()).or_insert(ScanResult {
                    id: one.id.clone(),
                    severity: Vec::new(),
                    annotations: Vec::new(),
                });
                result.annotations.push(Occurrence {
                    purl: package.purl().to_string(),
                    aliases: one.ids().skip(1).map(str::to_owned).collect(),
                    kind: one.kind.name().to_owned(),
                    fixed: one.fixed.clone(),
                    development: package.scopes.is_development_only(),
                    location: "package-lock.json".to_owned(),
                    ..Occurrence::default()
                });
            }
        }
        collected.sources.push(Source {
            path: "package-lock.json".to_owned(),
            reader: "lock".to_owned(),
            inventory,
            managed: None,
            functions: None,
        });
        let now = provost::clock::now();
        let bom = Bom {
            timestamp: Some(now),
            tools: vec![Tool { vendor: None, name: "provost".to_owned(), version: None }],
            ..Bom::default()
        };
        let subject =
            Component::new("subject", ComponentKind::Application, Package::new(Ecosystem::Generic, name.clone(), None));
        let text = cyclonedx::write(&to_bom(bom, subject, &collected, true), cyclonedx::Edition::V1_6);
        bytes += text.len();
        let predicate = Vulns {
            scanner: Scanner {
                uri: "urn:provost:scanner".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                db: ScannerDatabase {
                    uri: "urn:provost:advisories".to_owned(),
                    version: format!("sha256:{}", database.info().digest),
                    last_update: database.info().created,
                },
                result: results.into_values().collect(),
            },
            metadata: ScanMetadata { scan_started_on: now, scan_finished_on: now },
            scan: Some(ScanFacts {
                target: name.clone(),
                complete: true,
                read_whole: true,
                packages: PACKAGES as u64,
                judged: PACKAGES as u64,
                sbom: Some(sha256(text.as_bytes()).to_hex()),
                ..ScanFacts::default()
            }),
        };
        let subjects = vec![ResourceDescriptor::named(name, sha256(&at.to_le_bytes()))];
        let document: serde_json::Value = serde_json::from_str(&text)?;
        let found = Statement::new(subjects.clone(), VULNS, &predicate)?.sign(signer.as_ref())?;
        let bill = Statement::new(subjects, CYCLONEDX, &document)?.sign(signer.as_ref())?;
        store.put_blob(text.as_bytes())?;
        let key = signer.public_key().clone();
        let records = [NewRecord { envelope: found, key: key.clone() }, NewRecord { envelope: bill, key }];
        store.append(&records, log.as_ref())?;
    }
    println!(
        "{number} scans of {PACKAGES} packages, {} bytes and {:.1} issues each",
        bytes / number.max(1),
        issues as f64 / number.max(1) as f64
    );
    Ok(())
}
