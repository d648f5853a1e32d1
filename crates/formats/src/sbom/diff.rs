//! What changed from one bill of materials to another.

use std::collections::BTreeMap;

use provost_model::{PackageHash, PackageSource};

use super::bom::{Bom, Component};

/// What changed of one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<T> {
    /// The package, without its version: its package URL, or kind and name.
    pub package: String,
    /// Before.
    pub before: T,
    /// After.
    pub after: T,
}

/// What changed. Every list is sorted by package.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Diff {
    /// Packages (with version) that are only in the second.
    pub added: Vec<String>,
    /// Packages (with version) that are only in the first.
    pub removed: Vec<String>,
    /// Packages with other versions: those that went, those that came.
    pub versions: Vec<Change<Vec<String>>>,
    /// The same version with another content: an alarm. Digests of one algorithm that both sides have.
    pub hashes: Vec<Change<PackageHash>>,
    /// The same version under other licences; empty where none is stated.
    pub licences: Vec<Change<String>>,
    /// The same version needed for something else; empty where nothing is stated.
    pub scopes: Vec<Change<String>>,
}

impl Diff {
    /// True where nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// By package, then by version: the components.
type Index<'a> = BTreeMap<String, BTreeMap<String, Vec<&'a Component>>>;

fn index(bom: &Bom) -> Index<'_> {
    let mut index: Index<'_> = BTreeMap::new();
    for component in &bom.components {
        let (package, version) = identity(component);
        index.entry(package).or_default().entry(version).or_default().push(component);
    }
    index
}

/// Package and version. Qualifiers belong to the package (another architecture or registry is another package) but for
/// what changes with every version or release: what it was built from, an image's tag, the release of the system, the
/// commit of a repository. A commit is part of the version.
fn identity(component: &Component) -> (String, String) {
    let mut version = component.package.version.clone().unwrap_or_default();
    let package = match &component.purl {
        Some(purl) => {
            // `v1.0.0` and `1.0.0` of a Go module are one version, whoever wrote the document.
            let number = version.strip_prefix('v').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
            if let Some(number) = number.filter(|_| purl.kind == "golang") {
                version = number.to_owned();
            }
            let mut bare = purl.clone();
            bare.version = None;
            for changing in ["upstream", "tag", "distro", "checksum"] {
                bare.qualifiers.remove(changing);
            }
            if let PackageSource::Git { url, revision } = &component.package.source {
                if bare.qualifiers.contains_key("vcs_url") {
                    bare.qualifiers.insert("vcs_url".into(), url.clone());
                }
                if let Some(revision) = revision {
                    version = format!("{version}#{revision}");
                }
            }
            bare.to_string()
        }
        None => format!("{:?}:{}", component.kind, component.package.name).to_lowercase(),
    };
    (package, version)
}

fn shown(package: &str, version: &str) -> String {
    if version.is_empty() {
        return package.to_owned();
    }
    match package.find(['?', '#']) {
        Some(cut) => format!("{}@{version}{}", &package[..cut], &package[cut..]),
        None => format!("{package}@{version}"),
    }
}

/// Compares two documents, the first being the older one.
pub fn diff(before: &Bom, after: &Bom) -> Diff {
    let (old, new) = (index(before), index(after));
    let mut out = Diff::default();
    for (package, versions) in &old {
        let Some(others) = new.get(package) else {
            out.removed.extend(versions.keys().map(|version| shown(package, version)));
            continue;
        };
        let went: Vec<String> = versions.keys().filter(|one| !others.contains_key(*one)).cloned().collect();
        let came: Vec<String> = others.keys().filter(|one| !versions.contains_key(*one)).cloned().collect();
        match (went.is_empty(), came.is_empty()) {
            (true, true) => {}
            (true, false) => out.added.extend(came.iter().map(|version| shown(package, version))),
            (false, true) => out.removed.extend(went.iter().map(|version| shown(package, version))),
            (false, false) => out.versions.push(Change { package: package.clone(), before: went, after: came }),
        }
        for (version, components) in versions {
            if let Some(others) = others.get(version) {
                same_version(&shown(package, version), components, others, &mut out);
            }
        }
    }
    for (package, versions) in &new {
        if !old.contains_key(package) {
            out.added.extend(versions.keys().map(|version| shown(package, version)));
        }
    }
    out.added.sort();
    out.removed.sort();
    out
}

fn same_version(package: &str, before: &[&Component], after: &[&Component], out: &mut Diff) {
    let hashes = |components: &[&Component]| -> Vec<PackageHash> {
        let mut all: Vec<PackageHash> = components.iter().flat_map(|one| one.package.hashes.clone()).collect();
        all.sort();
        all.dedup();
        all
    };
    let (old, new) = (hashes(before), hashes(after));
    for hash in &new {
        let same: Vec<&PackageHash> = old.iter().filter(|one| one.algorithm == hash.algorithm).collect();
        // An algorithm that only one side has says nothing.
        if let Some(first) = same.first().filter(|_| !same.contains(&hash)) {
            out.hashes.push(Change { package: package.to_owned(), before: (*first).clone(), after: hash.clone() });
        }
    }
    let mut compare = |list: fn(&mut Diff) -> &mut Vec<Change<String>>, of: &dyn Fn(&Component) -> String| {
        let all = |components: &[&Component]| {
            let mut all: Vec<String> = components.iter().map(|one| of(one)).collect();
            all.sort();
            all.dedup();
            all.join("; ")
        };
        let (before, after) = (all(before), all(after));
        if before != after {
            list(out).push(Change { package: package.to_owned(), before, after });
        }
    };
    compare(|diff| &mut diff.licences, &|one| one.licence().map(|licence| licence.to_string()).unwrap_or_default());
    compare(|diff| &mut diff.scopes, &|one| {
        let names: Vec<&str> = one.package.scopes.iter().map(super::vocabulary::scope_name).collect();
        names.join(", ")
    });
}
