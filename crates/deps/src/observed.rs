//! Packages against what a build really read: which were used, which were not, and which files no package explains.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use provost_model::{Completeness, Ecosystem, Inventory, Package};
use serde::Serialize;

use crate::ecosystem;
use crate::inventory::{Collected, Source};

/// A package that a path of a package cache belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Owner {
    /// Its ecosystem.
    pub ecosystem: Ecosystem,
    /// Its name, in the form that it is looked up by.
    pub name: String,
    /// Its version, where the path tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ecosystem.purl_type(), self.name)?;
        self.version.iter().try_for_each(|version| write!(f, "@{version}"))
    }
}

/// The package that a file of a package manager's cache or install directory belongs to, told by the conventions of each.
pub fn owner_of(path: &str) -> Option<Owner> {
    let after = |mark: &str| path.rfind(mark).map(|at| &path[at + mark.len()..]);
    let owner = |ecosystem, name: &str, version: Option<&str>| {
        let osv = ecosystem::name_of(ecosystem);
        let name = crate::lookup_name(osv, name);
        Some(Owner { ecosystem, name, version: version.map(str::to_owned) })
    };
    if let Some(rest) = after("/registry/src/") {
        let mut parts = rest.split('/');
        let (_, folder) = (parts.next()?, parts.next()?);
        let (name, version) = name_and_version(folder)?;
        return owner(Ecosystem::Cargo, name, Some(version));
    }
    if let Some(rest) = after("/registry/cache/") {
        let file = rest.split('/').nth(1)?.strip_suffix(".crate")?;
        let (name, version) = name_and_version(file)?;
        return owner(Ecosystem::Cargo, name, Some(version));
    }
    if let Some(rest) = after("/node_modules/") {
        let mut parts = rest.split('/');
        let first = parts.next()?;
        let name = if first.starts_with('@') { format!("{first}/{}", parts.next()?) } else { first.to_owned() };
        return (!name.starts_with('.')).then(|| owner(Ecosystem::Npm, &name, None)).flatten();
    }
    if let Some(rest) = after("/pkg/mod/") {
        let (module, rest) = rest.split_once('@')?;
        if module.starts_with("cache/") {
            return None;
        }
        let version = rest.split('/').next()?.trim_start_matches('v');
        return owner(Ecosystem::Go, &unescape(module), Some(&unescape(version)));
    }
    if let Some(rest) = after("/pkg/mod/cache/download/") {
        let (module, file) = rest.split_once("/@v/")?;
        let version = [".zip", ".mod", ".info", ".ziphash"].iter().find_map(|end| file.strip_suffix(end))?;
        return owner(Ecosystem::Go, &unescape(module), Some(&unescape(version.trim_start_matches('v'))));
    }
    if let Some(rest) = after("/.m2/repository/") {
        let parts: Vec<&str> = rest.split('/').collect();
        let [group @ .., artifact, version, _] = parts.as_slice() else { return None };
        return owner(Ecosystem::Maven, &format!("{}:{artifact}", group.join(".")), Some(version));
    }
    if let Some(rest) = after("/modules-2/files-2.1/") {
        let mut parts = rest.split('/');
        let (group, artifact, version) = (parts.next()?, parts.next()?, parts.next()?);
        return owner(Ecosystem::Maven, &format!("{group}:{artifact}"), Some(version));
    }
    for mark in ["/site-packages/", "/dist-packages/"] {
        if let Some(rest) = after(mark) {
            let first = rest.split('/').next()?;
            let name = first
                .strip_suffix(".dist-info")
                .or_else(|| first.strip_suffix(".egg-info"))
                .and_then(|folder| folder.split('-').next())
                .unwrap_or_else(|| first.strip_suffix(".py").unwrap_or(first));
            return (name != "__pycache__").then(|| owner(Ecosystem::PyPi, name, None)).flatten();
        }
    }
    if let Some(rest) = after("/.nuget/packages/") {
        let mut parts = rest.split('/');
        return owner(Ecosystem::NuGet, parts.next()?, parts.next());
    }
    if let Some(rest) = after("/gems/") {
        let (name, version) = name_and_version(rest.split('/').next()?)?;
        return owner(Ecosystem::RubyGems, name, Some(version));
    }
    None
}

/// `name-1.2.3` in two: the version begins behind the last hyphen that a digit follows and that no name goes on behind.
fn name_and_version(folder: &str) -> Option<(&str, &str)> {
    let at = folder
        .match_indices('-')
        .map(|(at, _)| at)
        .find(|at| folder[at + 1..].starts_with(|c: char| c.is_ascii_digit()) && folder[at + 1..].contains('.'))?;
    Some((&folder[..at], &folder[at + 1..]))
}

/// Go writes capital letters as `!` and the small letter (module reference, "Module cache").
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => out.extend(chars.next().map(|c| c.to_ascii_uppercase())),
            c => out.push(c),
        }
    }
    out
}

/// What a build's reads say of packages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// Files that were read of each package, by source and package.
    pub read: BTreeMap<(usize, usize), u64>,
    /// Packages that were read and stand in no source: number of files by owner.
    pub not_listed: BTreeMap<Owner, u64>,
    /// Those of them that the build took for the project, and not as tools of the machine: from a package manager's cache,
    /// or from the project's own directory.
    pub taken: BTreeSet<Owner>,
    /// Files that were read from outside the project and that no package explains; the first thousand.
    pub unexplained: Vec<String>,
    /// How many those are.
    pub unexplained_count: u64,
}

/// Holds what was read (absolute paths) against what was collected. `project` is the directory that was collected from;
/// `owned` tells the system's package that a file belongs to.
pub fn observe(
    collected: &Collected,
    read: &BTreeSet<String>,
    project: &str,
    owned: &dyn Fn(&str) -> Option<String>,
) -> Observed {
    let mut by_name: BTreeMap<(Ecosystem, String), Vec<(usize, usize)>> = BTreeMap::new();
    for (source, one) in collected.sources.iter().enumerate() {
        for (index, package) in one.inventory.packages.iter().enumerate() {
            let name = crate::lookup_name(ecosystem::name_of(package.ecosystem), &package.name);
            by_name.entry((package.ecosystem, name)).or_default().push((source, index));
        }
    }
    let package = |at: &(usize, usize)| -> &Package { &collected.sources[at.0].inventory.packages[at.1] };
    let mut observed = Observed::default();
    for path in read {
        if let Some(owner) = owner_of(path) {
            let known = by_name.get(&(owner.ecosystem, owner.name.clone())).map(Vec::as_slice).unwrap_or_default();
            let fits = |at: &&(usize, usize)| match (&owner.version, &package(at).version) {
                (Some(read), Some(locked)) => read == locked || read == locked.trim_start_matches('v'),
                _ => true,
            };
            let mut found = known.iter().filter(fits).peekable();
            // What a package of the system holds is the machine's.
            if found.peek().is_none() && owned(path).is_none() {
                let within =
                    !project.is_empty() && path.strip_prefix(project).is_some_and(|rest| rest.starts_with('/'));
                if within || (owner.version.is_some() && owner.ecosystem != Ecosystem::RubyGems) {
                    observed.taken.insert(owner.clone());
                }
                *observed.not_listed.entry(owner.clone()).or_default() += 1;
            }
            for at in found {
                *observed.read.entry(*at).or_default() += 1;
            }
        } else if !path.starts_with(project) && owned(path).is_none() {
            observed.unexplained_count += 1;
            if observed.unexplained.len() < 1000 {
                observed.unexplained.push(path.clone());
            }
        }
    }
    observed
}

/// What a run took for the project and no source names, as a source of its own: it is judged as all others are.
pub fn source_of_reads(run: &str, observed: &Observed) -> Option<Source> {
    let mut inventory = Inventory::new("what the run read", Completeness::List);
    for owner in &observed.taken {
        inventory.packages.push(Package::new(owner.ecosystem, owner.name.clone(), owner.version.clone()));
    }
    (!inventory.packages.is_empty()).then(|| Source {
        path: format!("run {}", run.rsplit(':').next().unwrap_or(run)),
        reader: crate::READ.to_owned(),
        inventory,
        managed: None,
        functions: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_their_packages() {
        let of = |path: &str| {
            owner_of(path).map(|o| format!("{} {} {}", o.ecosystem.purl_type(), o.name, o.version.unwrap_or_default()))
        };
        for (path, wanted) in [
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/serde_json-1.0.1/src/lib.rs",
                "cargo serde_json 1.0.1",
            ),
            ("/c/registry/src/i/tracing-log-0.1.3/src/lib.rs", "cargo tracing-log 0.1.3"),
            ("/c/registry/src/i/rand-0.9.0-alpha.1/src/lib.rs", "cargo rand 0.9.0-alpha.1"),
            ("/w/node_modules/a/node_modules/@scope/b/index.js", "npm @scope/b "),
            ("/go/pkg/mod/github.com/!burnt!sushi/toml@v1.2.0/x.go", "golang github.com/burntsushi/toml 1.2.0"),
            (
                "/h/.m2/repository/org/apache/commons/commons-lang3/3.1/commons-lang3-3.1.jar",
                "maven org.apache.commons:commons-lang3 3.1",
            ),
            ("/v/lib/python3.11/site-packages/requests/api.py", "pypi requests "),
            ("/v/lib/python3.11/site-packages/Typing_Extensions-4.0.dist-info/RECORD", "pypi typing-extensions "),
            ("/usr/lib/ruby/gems/3.1.0/gems/rake-13.0.6/lib/rake.rb", "gem rake 13.0.6"),
        ] {
            assert_eq!(of(path).as_deref(), Some(wanted), "{path}");
        }
        assert_eq!(of("/usr/include/stdio.h"), None);
    }
}
