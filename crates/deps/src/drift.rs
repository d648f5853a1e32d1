//! What is installed, and what a run read, against what the project's lock says.

use std::collections::{BTreeMap, BTreeSet};

use provost_model::{Completeness, Ecosystem, Package, PackageSource};

use crate::assess::{Fault, Issue};
use crate::ecosystem;
use crate::inventory::{Collected, Source, directory_of};
use crate::lookup_name;

/// Name of the reader of the sources that a run's reads are.
pub const READ: &str = "read-in-run";

/// What the comparison says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Drift {
    /// Packages that are installed, or were read, otherwise than locked.
    pub issues: Vec<Issue>,
    /// Pairs of a lock and an installed tree that were compared, with the number of locked packages that are not installed:
    /// those for development, of other platforms and optional ones need not be.
    pub compared: Vec<Compared>,
}

/// A lock that an installed tree was held against.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Compared {
    /// The lock.
    pub lock: String,
    /// The directory of the tree.
    pub tree: String,
    /// Packages that are installed.
    pub installed: usize,
    /// Packages that are locked and not installed.
    pub missing: usize,
    /// Installed ones that no lock would name: packages that others brought within themselves.
    pub bundled: usize,
}

/// Locks that tell the versions of what an installed tree holds.
fn locks_of(reader: &str) -> &'static [&'static str] {
    match reader {
        "node-modules" => &["npm-shrinkwrap", "npm-lock", "yarn-lock", "pnpm-lock", "bun-lock"],
        "python-installed" => &["uv-lock", "poetry-lock", "pdm-lock", "pipfile-lock", "pylock", "python-requirements"],
        "composer-installed" => &["composer-lock"],
        "gemspec-installed" => &["gemfile-lock"],
        "go-vendor" => &["go-mod", "go-sum"],
        _ => &[],
    }
}

/// The directory of the project that an installed package belongs to, the directory of the tree, and whether the package
/// lies within another one. None for what is no part of a project's own tree.
fn place(source: &Source) -> Option<(&str, &str, bool)> {
    let path = source.path.as_str();
    let before = |at: usize| path[..at].trim_end_matches('/');
    match source.reader.as_str() {
        "node-modules" => {
            let at = if path.starts_with("node_modules/") { 0 } else { path.find("/node_modules/")? + 1 };
            let (project, rest) = (before(at), &path[at + "node_modules/".len()..]);
            // pnpm's and yarn's stores: the package behind is one of the tree's own.
            let store = [".pnpm/", ".store/"].iter().find_map(|store| rest.strip_prefix(store));
            let rest = match store {
                Some(inside) => inside.split_once("/node_modules/").map(|(_, rest)| rest)?,
                None => rest,
            };
            // name/node_modules/name/…/package.json; other places are tests and examples.
            let mut nested = false;
            for (depth, part) in rest.strip_suffix("/package.json")?.split("/node_modules/").enumerate() {
                nested = depth > 0;
                let names = part.split('/').count();
                if names != if part.starts_with('@') { 2 } else { 1 } {
                    return None;
                }
            }
            Some((project, &path[..at + "node_modules".len()], nested))
        }
        "python-installed" => {
            // project/.venv/lib/python3.x/site-packages/…
            let at = path.rfind("/site-packages/")?;
            let library = directory_of(&path[..at]);
            let environment = if library.ends_with("/lib") || library.ends_with("/lib64") {
                directory_of(library)
            } else {
                // Windows: project/venv/Lib/site-packages
                path[..at].strip_suffix("/Lib")?
            };
            (!environment.is_empty()).then(|| (directory_of(environment), &path[..at + "/site-packages".len()], false))
        }
        "composer-installed" => {
            let tree = directory_of(directory_of(path));
            Some((directory_of(tree), tree, false))
        }
        "gemspec-installed" => {
            let at = path.find("vendor/bundle/")?;
            Some((before(at), &path[..at + "vendor/bundle".len()], false))
        }
        "go-vendor" => {
            let tree = directory_of(path);
            Some((directory_of(tree), tree, false))
        }
        _ => None,
    }
}

type Name = (Ecosystem, String);

fn name_of(package: &Package) -> Name {
    (package.ecosystem, lookup_name(ecosystem::name_of(package.ecosystem), &package.name))
}

fn version_of(package: &Package) -> Option<String> {
    let version = package.version.as_deref()?;
    Some(match package.ecosystem {
        // The same version is written in more than one way.
        Ecosystem::PyPi => version.trim_start_matches('v').to_ascii_lowercase(),
        Ecosystem::Go | Ecosystem::Packagist => {
            version.trim_start_matches('v').trim_end_matches("+incompatible").to_owned()
        }
        _ => version.to_owned(),
    })
}

/// What a lock says of each name.
struct Locked<'c> {
    source: &'c Source,
    versions: BTreeMap<Name, BTreeSet<Option<String>>>,
    roots: BTreeSet<String>,
    members: Vec<String>,
}

impl<'c> Locked<'c> {
    fn of(source: &'c Source) -> Self {
        let inventory = &source.inventory;
        let mut versions: BTreeMap<Name, BTreeSet<Option<String>>> = BTreeMap::new();
        for package in &inventory.packages {
            // What comes from a directory or a repository has the version that it has there.
            let open = matches!(
                package.source,
                PackageSource::Path { .. } | PackageSource::Git { .. } | PackageSource::Url { .. }
            );
            let version = if open { None } else { version_of(package) };
            versions.entry(name_of(package)).or_default().insert(version.clone());
            if let Some(alias) = &package.alias {
                let name = lookup_name(ecosystem::name_of(package.ecosystem), alias);
                versions.entry((package.ecosystem, name)).or_default().insert(version);
            }
        }
        let directory = directory_of(&source.path);
        let members = inventory.roots.iter().filter(|root| !root.path.is_empty()).map(|root| match directory {
            "" => root.path.clone(),
            directory => format!("{directory}/{}", root.path),
        });
        let roots = inventory.roots.iter().filter_map(|root| root.name.as_ref()).map(|name| lookup_name("PyPI", name));
        Self { source, versions, roots: roots.collect(), members: members.collect() }
    }

    fn is_of(&self, project: &str) -> bool {
        directory_of(&self.source.path) == project || self.members.iter().any(|member| member == project)
    }

    /// What is wrong with a package that is there.
    fn fault(&self, package: &Package) -> Option<Fault> {
        let lock = self.source.path.clone();
        match self.versions.get(&name_of(package)) {
            None => Some(Fault::NotLocked { lock }),
            Some(known) if known.contains(&None) || package.version.is_none() => None,
            Some(known) => {
                let here = version_of(package);
                let same = |one: &Option<String>| {
                    *one == here
                        || one.as_ref().zip(here.as_ref()).is_some_and(|(a, b)| {
                            provost_formats::version::compare(package.ecosystem, a, b) == std::cmp::Ordering::Equal
                        })
                };
                (!known.iter().any(same))
                    .then(|| Fault::NotAsLocked { locked: known.iter().flatten().cloned().collect(), lock })
            }
        }
    }
}

/// What a package manager puts into a tree by itself, and the project's own package.
fn is_of_the_tool(package: &Package, locked: &Locked<'_>) -> bool {
    let tools: &[&str] = match package.ecosystem {
        Ecosystem::PyPi => &["pip", "setuptools", "wheel", "distribute", "pkg-resources", "uv"],
        Ecosystem::RubyGems => &["bundler"],
        _ => &[],
    };
    let own = locked.roots.contains(&lookup_name("PyPI", &package.name));
    tools.contains(&package.name.as_str()) || own || matches!(package.source, PackageSource::Path { .. })
}

/// Compares every installed tree with the lock of its project, and what a run read with the locks of all.
pub fn drift(collected: &Collected) -> Drift {
    let mut drift = Drift::default();
    if !collected.sources.iter().any(|source| source.reader == READ || place(source).is_some()) {
        return drift;
    }
    let usable = |source: &&Source| source.inventory.completeness != Completeness::Declared;
    let locks: Vec<Locked<'_>> = collected
        .sources
        .iter()
        .filter(usable)
        .filter(|source| LOCKS.contains(&source.reader.as_str()))
        .map(Locked::of)
        .collect();
    let mut seen: BTreeMap<(String, String), (Compared, BTreeSet<Name>)> = BTreeMap::new();
    for (number, source) in collected.sources.iter().enumerate() {
        if source.reader == READ {
            drift.issues.extend(of_reads(number, source, &locks));
            continue;
        }
        if source.managed.is_some() {
            continue;
        }
        let Some((project, tree, nested)) = place(source) else { continue };
        // Of several locks the first in the manager's own order.
        let lock = locks_of(&source.reader)
            .iter()
            .find_map(|id| locks.iter().find(|lock| lock.source.reader == *id && lock.is_of(project)));
        let Some(lock) = lock else { continue };
        let key = (lock.source.path.clone(), tree.to_owned());
        let (compared, names) = seen.entry(key).or_insert_with(|| {
            let (lock, tree) = (lock.source.path.clone(), tree.to_owned());
            (Compared { lock, tree, installed: 0, missing: 0, bundled: 0 }, BTreeSet::new())
        });
        for (index, package) in source.inventory.packages.iter().enumerate() {
            compared.installed += 1;
            names.insert(name_of(package));
            let fault = lock.fault(package);
            // npm locks what packages bring within themselves; the others do not.
            let bundled = nested && !lock.source.reader.starts_with("npm-");
            match fault {
                Some(Fault::NotLocked { .. }) if is_of_the_tool(package, lock) => {}
                Some(_) if bundled => compared.bundled += 1,
                Some(fault) => {
                    drift.issues.push(Issue { source: number, package: index, fault, linked: None, path: Vec::new() });
                }
                None => {}
            }
        }
    }
    for ((path, _), (mut compared, names)) in seen {
        let lock = locks.iter().find(|lock| lock.source.path == path);
        let packages = lock.into_iter().flat_map(|lock| &lock.source.inventory.packages);
        let locked: BTreeSet<Name> = packages.filter(|one| one.name != "stdlib").map(name_of).collect();
        compared.missing = locked.difference(&names).count();
        drift.compared.push(compared);
    }
    drift
}

/// Every reader that [`locks_of`] names, and those whose packages are read from a cache.
const LOCKS: &[&str] = &[
    "npm-shrinkwrap",
    "npm-lock",
    "yarn-lock",
    "pnpm-lock",
    "bun-lock",
    "uv-lock",
    "poetry-lock",
    "pdm-lock",
    "pipfile-lock",
    "pylock",
    "python-requirements",
    "composer-lock",
    "gemfile-lock",
    "go-mod",
    "go-sum",
    "cargo-lock",
    "gradle-lockfile",
    "nuget-lock",
];

/// What a run read is held against all locks of its ecosystem: which of them the build went by is not known.
fn of_reads(number: usize, source: &Source, locks: &[Locked<'_>]) -> Vec<Issue> {
    let mut issues = Vec::new();
    for (index, package) in source.inventory.packages.iter().enumerate() {
        let of_kind = |lock: &&Locked<'_>| lock.versions.keys().any(|(ecosystem, _)| *ecosystem == package.ecosystem);
        let about: Vec<&Locked<'_>> = locks.iter().filter(of_kind).collect();
        let faults: Vec<Fault> = about.iter().filter_map(|lock| lock.fault(package)).collect();
        if about.is_empty() || faults.len() < about.len() {
            continue;
        }
        // That another version is locked tells more than that one lock does not name it.
        let other = faults.iter().find(|fault| matches!(fault, Fault::NotAsLocked { .. }));
        if let Some(fault) = other.or(faults.first()).cloned() {
            issues.push(Issue { source: number, package: index, fault, linked: None, path: Vec::new() });
        }
    }
    issues
}

#[cfg(test)]
mod tests {
    use super::*;
    use provost_model::Inventory;

    fn source(path: &str, reader: &str, ecosystem: Ecosystem, packages: &[(&str, &str)]) -> Source {
        let mut inventory = Inventory::new(reader, Completeness::List);
        for (name, version) in packages {
            inventory.packages.push(Package::new(ecosystem, *name, Some((*version).to_owned())));
        }
        Source { path: path.into(), reader: reader.into(), inventory, managed: None, functions: None }
    }

    fn found(sources: Vec<Source>) -> (Vec<String>, Vec<Compared>) {
        let collected = Collected { sources, ..Collected::default() };
        let drift = drift(&collected);
        let show = |issue: &Issue| {
            let source = &collected.sources[issue.source];
            format!("{} {} {}", source.path, source.inventory.packages[issue.package].name, issue.fault.id())
        };
        (drift.issues.iter().map(show).collect(), drift.compared)
    }

    #[test]
    fn node_modules_against_the_lock_of_their_project() {
        let npm = Ecosystem::Npm;
        let lock = |reader| source("web/lock", reader, npm, &[("a", "1.0.0"), ("b", "2.0.0"), ("o", "1.0.0")]);
        let at = |path: &str, name: &str, version: &str| source(path, "node-modules", npm, &[(name, version)]);
        let tree = || {
            vec![
                at("web/node_modules/a/package.json", "a", "1.0.0"),
                at("web/node_modules/b/package.json", "b", "2.0.1"),
                at("web/node_modules/c/package.json", "c", "1.0.0"),
                at("web/node_modules/a/node_modules/d/package.json", "d", "1.0.0"),
                at("web/node_modules/a/test/node_modules/e/package.json", "e", "1.0.0"),
                at("web/node_modules/.pnpm/b@2.0.0/node_modules/b/package.json", "b", "2.0.0"),
                at("other/node_modules/z/package.json", "z", "1.0.0"),
            ]
        };
        let (issues, compared) = found([vec![lock("npm-lock")], tree()].concat());
        assert_eq!(
            issues,
            [
                "web/node_modules/b/package.json b not-as-locked",
                "web/node_modules/c/package.json c not-locked",
                "web/node_modules/a/node_modules/d/package.json d not-locked",
            ]
        );
        assert_eq!((compared[0].installed, compared[0].missing), (5, 1));
        // yarn locks nothing of what packages bring within themselves.
        let (issues, compared) = found([vec![lock("yarn-lock")], tree()].concat());
        assert_eq!((issues.len(), compared[0].bundled), (2, 1));
    }

    #[test]
    fn environments_of_python_without_what_their_tool_put_there() {
        let py = Ecosystem::PyPi;
        let lock = source("uv.lock", "uv-lock", py, &[("urllib3", "2.0"), ("typing-extensions", "4.0.0")]);
        let at = |name: &str, version: &str| {
            source(
                &format!(".venv/lib/python3.11/site-packages/{name}.dist-info/METADATA"),
                "python-installed",
                py,
                &[(name, version)],
            )
        };
        let (issues, _) =
            found(vec![lock, at("urllib3", "2.0.0"), at("Typing_Extensions", "4.1"), at("pip", "24.0"), at("x", "1")]);
        assert_eq!(issues.len(), 2, "{issues:?}");
        assert!(issues[0].contains("Typing_Extensions not-as-locked") && issues[1].contains("x not-locked"));
    }

    #[test]
    fn what_a_run_read_is_held_against_every_lock() {
        let cargo = Ecosystem::Cargo;
        let locks = || {
            vec![
                source("a/Cargo.lock", "cargo-lock", cargo, &[("x", "1.0.0")]),
                source("b/Cargo.lock", "cargo-lock", cargo, &[("y", "1.0.0")]),
            ]
        };
        let read = source("run", READ, cargo, &[("x", "1.0.0"), ("y", "1.0.1"), ("z", "1.0.0")]);
        let (issues, _) = found([locks(), vec![read]].concat());
        assert_eq!(issues, ["run y not-as-locked", "run z not-locked"]);
        // Of an ecosystem that no lock is of, nothing can be said.
        let read = source("run", READ, Ecosystem::Npm, &[("n", "1.0.0")]);
        assert!(found([locks(), vec![read]].concat()).0.is_empty());
    }
}
