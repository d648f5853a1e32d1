//! What a run really read, for the bill of materials: packages that were read and that were not, packages of the build
//! machine, files that no package explains.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use provost_attest::predicate::{MATERIALS, Materials};
use provost_attest::verify_envelope;
use provost_deps::{Collected, Observed, Source, observe, source_of_reads};
use provost_evidence::Store;
use provost_formats::sbom::{Bom, Property};
use provost_formats::system::{self, Input, Kind};
use provost_model::{FileKind, Inventory, Package, Scope, Scopes};

use crate::commands::Context;
use crate::home::Project;
use crate::judge::{self, Anchors};

/// What a run read: absolute paths, and the run.
pub(crate) struct Reads {
    pub(crate) invocation: String,
    pub(crate) paths: BTreeSet<String>,
}

/// The files that a run read, from the statement about its materials: the last run, or the one that was named.
pub(crate) fn reads(wanted: &str, context: &Context) -> Result<Reads> {
    let project = Project::find(Path::new("."))?;
    let store = judge::open_store(&context.home, &project.store(&context.home))
        .context("--observed needs the evidence of a run: `provost run -- …` makes it")?;
    let anchors = Anchors::load(Some(&context.home), &[], &[])?;
    let policy = judge::read_policy(&project.signed_policy(&context.home), &anchors, &[])?;
    let mut last: Option<Materials> = None;
    judge::envelopes_of(&store, &[MATERIALS], &mut |_, envelope| {
        if let Ok(verified) = verify_envelope(envelope, &judge::signers_of(&policy.policy, envelope), 1)
            && let Ok(materials) = verified.value().predicate_as::<Materials>(MATERIALS)
            && materials.observed.is_some()
            && (wanted == "last" || materials.invocation_id.starts_with(wanted))
        {
            last = Some(materials);
        }
        ControlFlow::<()>::Continue(())
    })?;
    let Some(materials) = last else {
        bail!(
            "no run in the evidence log was watched{}",
            if wanted == "last" { String::new() } else { format!(" and begins with {wanted}") }
        );
    };
    let paths = paths(&store, &materials)?;
    Ok(Reads { invocation: materials.invocation_id, paths })
}

fn paths(store: &Store, materials: &Materials) -> Result<BTreeSet<String>> {
    let Some(list) = &materials.observed else { return Ok(BTreeSet::new()) };
    let entries = match &list.entries {
        Some(entries) => entries.clone(),
        None => {
            let blob = store.blob(&list.leaves)?.context("the list of what was read is not in the store")?;
            list.open(&blob)?
        }
    };
    let files = entries.into_iter().filter(|entry| entry.kind == FileKind::File && !entry.name.percent_encoded);
    Ok(files.map(|entry| entry.name.text).collect())
}

/// The packages of the machine that the build ran on, and whose each file is.
fn machine() -> Vec<Inventory> {
    const KNOWN: &[(&str, Kind)] = &[
        ("var/lib/dpkg/status", Kind::Dpkg),
        ("lib/apk/db/installed", Kind::Apk),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", Kind::Rpm),
        ("var/lib/rpm/rpmdb.sqlite", Kind::Rpm),
        ("var/lib/rpm/Packages", Kind::Rpm),
    ];
    let root = Path::new("/");
    let mut found = Vec::new();
    for (path, kind) in KNOWN {
        let Ok(bytes) = crate::input::read(&root.join(path), 256 << 20) else { continue };
        let directory = root.join(path).parent().map(Path::to_owned).unwrap_or_default();
        let beside = |name: &str| crate::input::read(&directory.join(name), 64 << 20).ok();
        let input = Input { path, bytes: &bytes, beside: &beside };
        if let Ok(inventory) = system::read(*kind, &[input]) {
            found.push(inventory);
        }
    }
    found
}

/// What the reads say of what was collected, for a scan: what the run took and nothing names becomes a source.
pub(crate) fn weigh(collected: &mut Collected, reads: &Reads, from: &Path) -> Observed {
    let inventories = machine();
    let owner = owners(&inventories);
    let from = if from.is_file() { from.parent().filter(|path| !path.as_os_str().is_empty()) } else { Some(from) };
    let here = from
        .unwrap_or(Path::new("."))
        .canonicalize()
        .map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_default();
    let observed = observe(collected, &reads.paths, &here, &|path| owner_in(&owner, path).map(|_| String::new()));
    collected.sources.extend(source_of_reads(&reads.invocation, &observed));
    observed
}

/// The package of each file of the machine.
fn owners(inventories: &[Inventory]) -> HashMap<&str, (usize, usize)> {
    let mut owner: HashMap<&str, (usize, usize)> = HashMap::new();
    for (number, inventory) in inventories.iter().enumerate() {
        for (index, package) in inventory.packages.iter().enumerate() {
            for file in &package.files {
                owner.insert(file.trim_start_matches('/'), (number, index));
            }
        }
    }
    owner
}

fn owner_in(owner: &HashMap<&str, (usize, usize)>, path: &str) -> Option<(usize, usize)> {
    let path = path.trim_start_matches('/');
    // Where `/usr` was merged, the database still has the old place.
    owner.get(path).or_else(|| owner.get(path.strip_prefix("usr/")?)).copied()
}

/// Adds what the build machine gave, and returns what the reads say of the rest.
pub(crate) fn add(collected: &mut Collected, reads: &Reads) -> Observed {
    let inventories = machine();
    let owner = owners(&inventories);
    let of = |path: &str| owner_in(&owner, path);
    let here = std::env::current_dir().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default();
    let observed = observe(collected, &reads.paths, &here, &|path| of(path).map(|_| String::new()));
    let mut used: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for at in reads.paths.iter().filter_map(|path| of(path)) {
        *used.entry(at).or_default() += 1;
    }
    for (number, inventory) in inventories.iter().enumerate() {
        let mut part = Inventory::new(inventory.kind.clone(), provost_model::Completeness::List);
        for (at, _) in used.range((number, 0)..(number + 1, 0)) {
            let mut package: Package = inventory.packages[at.1].clone();
            package.files = Vec::new();
            package.dependencies = Vec::new();
            package.scopes = Scopes::only(Scope::Build);
            part.packages.push(package);
        }
        if !part.packages.is_empty() {
            let path = "the build machine".to_owned();
            collected.sources.push(Source {
                path,
                reader: "build-machine".to_owned(),
                inventory: part,
                managed: None,
                functions: None,
            });
        }
    }
    observed
}

/// Marks the components.
pub(crate) fn mark(bom: &mut Bom, collected: &Collected, observed: &Observed, reads: &Reads) {
    let mut files: BTreeMap<String, u64> = BTreeMap::new();
    for ((source, package), number) in &observed.read {
        let purl = collected.sources[*source].inventory.packages[*package].purl().to_string();
        *files.entry(purl).or_default() += number;
    }
    let machine: BTreeSet<String> = collected
        .sources
        .iter()
        .filter(|source| source.reader == "build-machine")
        .flat_map(|source| &source.inventory.packages)
        .map(|package| package.purl().to_string())
        .collect();
    for component in &mut bom.components {
        let Some(purl) = component.purl.as_ref().map(ToString::to_string) else { continue };
        let value = match files.get(&purl) {
            Some(number) => format!("{number} files"),
            None if machine.contains(&purl) => "yes, from the build machine".to_owned(),
            None => "no".to_owned(),
        };
        component.properties.push(Property::new("provost:read-in-build", value));
    }
    bom.properties.push(Property::new("provost:run", reads.invocation.clone()));
    bom.properties.push(Property::new("provost:unexplained-files", observed.unexplained_count.to_string()));
    for (name, number) in observed.not_listed.iter().take(1000) {
        bom.properties.push(Property::new("provost:read-but-not-listed", format!("{name} ({number} files)")));
    }
    for path in observed.unexplained.iter().take(200) {
        bom.properties.push(Property::new("provost:unexplained-file", path.clone()));
    }
}
