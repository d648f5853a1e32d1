//! What a change brings: packages that come, go, or become another.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use provost_formats::version;
use provost_model::{Ecosystem, Package, PackageHash, PackageSource};
use serde::Serialize;

use crate::inventory::Collected;
use crate::look_alike::{LookAlike, look_alike};

/// Where a package stands in an inventory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct At {
    /// Index of the source.
    pub source: usize,
    /// Index of the package in it.
    pub package: usize,
}

/// A change of one package in one source.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", tag = "change")]
pub enum Change {
    /// It comes in.
    Added {
        /// Where it stands afterwards.
        at: At,
        /// True when no source had it before, in any version.
        new: bool,
    },
    /// It is gone.
    Removed {
        /// Where it stood before.
        before: At,
    },
    /// Its version is another.
    Version {
        /// Where it stood before.
        before: At,
        /// Where it stands afterwards.
        at: At,
        /// True when the new version is the older one.
        down: bool,
    },
    /// The same version, but other content: its digests or its source differ.
    Content {
        /// Where it stood before.
        before: At,
        /// Where it stands afterwards.
        at: At,
        /// What differs.
        what: String,
    },
}

/// What is worth a look about a package that comes in or becomes another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "signal")]
pub enum Signal {
    /// It runs a script when it is installed.
    InstallScript,
    /// Its name is one keystroke from that of a well-known package.
    LookAlike(LookAlike),
    /// It does not come from a registry.
    NotFromRegistry {
        /// From where instead.
        from: String,
    },
    /// It comes over a connection that anyone on the way can change.
    Unprotected {
        /// The address.
        url: String,
    },
    /// It comes from a git repository, by a name that can move.
    Unpinned {
        /// The repository.
        url: String,
    },
    /// It has no digest in a lock whose other packages have one.
    NoDigest,
    /// Its content changed while its version stayed.
    ContentChanged {
        /// What differs.
        what: String,
    },
    /// Its version went down.
    Downgraded,
    /// Its name belongs to the project's own, and it comes from elsewhere (dependency confusion).
    Confusion {
        /// The pattern of own names that fits.
        own: String,
    },
}

type Key = (String, Ecosystem, String);

fn packages(collected: &Collected) -> BTreeMap<Key, Vec<At>> {
    let mut found: BTreeMap<Key, Vec<At>> = BTreeMap::new();
    for (source, one) in collected.sources.iter().enumerate() {
        for (package, each) in one.inventory.packages.iter().enumerate() {
            let key = (one.path.clone(), each.ecosystem, each.name.clone());
            found.entry(key).or_default().push(At { source, package });
        }
    }
    found
}

/// The package at a place.
pub fn package_at(collected: &Collected, at: At) -> &Package {
    &collected.sources[at.source].inventory.packages[at.package]
}

/// Compares two states of a project.
pub fn changes(before: &Collected, after: &Collected) -> Vec<Change> {
    let (old, new) = (packages(before), packages(after));
    let known: BTreeSet<(Ecosystem, &str)> =
        old.keys().map(|(_, ecosystem, name)| (*ecosystem, name.as_str())).collect();
    let keys: BTreeSet<&Key> = old.keys().chain(new.keys()).collect();
    let mut changes = Vec::new();
    for key in keys {
        let none = Vec::new();
        let mut was: Vec<At> = old.get(key).unwrap_or(&none).clone();
        let mut is: Vec<At> = new.get(key).unwrap_or(&none).clone();
        // What stands on both sides in the same version is the same, unless its content is another.
        is.retain(|at| {
            let here = package_at(after, *at);
            let Some(index) = was.iter().position(|one| package_at(before, *one).version == here.version) else {
                return true;
            };
            let earlier = was.remove(index);
            if let Some(what) = content_changed(package_at(before, earlier), here) {
                changes.push(Change::Content { before: earlier, at: *at, what });
            }
            false
        });
        let version = |collected: &Collected, at: &At| package_at(collected, *at).version.clone().unwrap_or_default();
        was.sort_by(|a, b| version::compare(key.1, &version(before, a), &version(before, b)));
        is.sort_by(|a, b| version::compare(key.1, &version(after, a), &version(after, b)));
        while !was.is_empty() && !is.is_empty() {
            let (earlier, at) = (was.remove(0), is.remove(0));
            let down = version::compare(key.1, &version(after, &at), &version(before, &earlier)) == Ordering::Less;
            changes.push(Change::Version { before: earlier, at, down });
        }
        let new = !known.contains(&(key.1, key.2.as_str()));
        changes.extend(is.into_iter().map(|at| Change::Added { at, new }));
        changes.extend(was.into_iter().map(|before| Change::Removed { before }));
    }
    changes
}

/// What differs between two packages of the same version.
fn content_changed(before: &Package, after: &Package) -> Option<String> {
    let by_algorithm = |hashes: &[PackageHash]| {
        let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for hash in hashes {
            sets.entry(hash.algorithm.clone()).or_default().insert(hash.value.clone());
        }
        sets
    };
    let (old, new) = (by_algorithm(&before.hashes), by_algorithm(&after.hashes));
    for (algorithm, values) in &new {
        // More files of a release are no change; other digests with none in common are.
        if old.get(algorithm).is_some_and(|earlier| earlier.is_disjoint(values)) {
            return Some(format!("its {algorithm}"));
        }
        // Where one file is meant, any of several digests is as good as the first.
        let more = old.get(algorithm).is_some_and(|earlier| !values.is_subset(earlier));
        if more && !matches!(after.ecosystem, Ecosystem::PyPi | Ecosystem::Maven | Ecosystem::RubyGems) {
            return Some(format!("a further {algorithm}"));
        }
    }
    if !old.is_empty() && new.is_empty() {
        return Some("its digests are gone".to_owned());
    }
    if !old.is_empty() && !new.keys().any(|algorithm| old.contains_key(algorithm)) {
        return Some("no digest of an algorithm that it had before".to_owned());
    }
    match (&before.source, &after.source) {
        (PackageSource::Git { url: old, revision: from }, PackageSource::Git { url: new, revision: to })
            if old == new =>
        {
            // A name that became a commit is pinned now. A step of a workflow that follows a major version moves on with it.
            let follows = after.ecosystem == Ecosystem::GitHubActions
                && after.version.as_ref().is_none_or(|version| !version.contains('.'));
            let moved = from.is_some() && from != to && !follows;
            let name = |revision: &Option<String>| revision.clone().unwrap_or_else(|| "no commit".to_owned());
            moved.then(|| format!("its commit: {} before, {} now", name(from), name(to)))
        }
        (old, new) if old != new => Some(format!("its source: {} before, {} now", source_name(old), source_name(new))),
        _ => None,
    }
}

fn source_name(source: &PackageSource) -> String {
    match source {
        PackageSource::Registry => "the registry".to_owned(),
        PackageSource::OtherRegistry { url } | PackageSource::Url { url } | PackageSource::Git { url, .. } => {
            url.clone()
        }
        PackageSource::Path { path } => path.clone(),
    }
}

/// What is worth a look about a package. `own` are patterns of the project's own names: `@acme/*`, `acme-*`.
pub fn signals(after: &Collected, change: &Change, own: &[String]) -> Vec<Signal> {
    let mut signals = Vec::new();
    let at = match change {
        Change::Removed { .. } => return signals,
        Change::Added { at, .. } => at,
        Change::Version { at, down, .. } => {
            if *down {
                signals.push(Signal::Downgraded);
            }
            at
        }
        Change::Content { at, what, .. } => {
            signals.push(Signal::ContentChanged { what: what.clone() });
            at
        }
    };
    let inventory = &after.sources[at.source].inventory;
    let package = &inventory.packages[at.package];
    if package.install_script {
        signals.push(Signal::InstallScript);
    }
    if matches!(change, Change::Added { new: true, .. })
        && let Some(one) = look_alike(package.ecosystem, &package.name)
    {
        signals.push(Signal::LookAlike(one));
    }
    match &package.source {
        PackageSource::Registry | PackageSource::Path { .. } => {}
        PackageSource::OtherRegistry { url } => signals.extend(unprotected(url)),
        PackageSource::Url { url } => {
            signals.push(Signal::NotFromRegistry { from: url.clone() });
            signals.extend(unprotected(url));
        }
        PackageSource::Git { url, revision } => {
            // Steps of workflows come from repositories, all of them.
            if package.ecosystem != Ecosystem::GitHubActions {
                signals.push(Signal::NotFromRegistry { from: url.clone() });
            }
            signals.extend(unprotected(url));
            let pinned = revision.as_ref().is_some_and(|r| r.len() >= 40 && r.bytes().all(|b| b.is_ascii_hexdigit()));
            if !pinned {
                signals.push(Signal::Unpinned { url: url.clone() });
            }
        }
    }
    let from_registry = matches!(package.source, PackageSource::Registry | PackageSource::OtherRegistry { .. });
    let others_have = inventory.packages.iter().filter(|one| !one.hashes.is_empty()).count();
    if from_registry && package.hashes.is_empty() && others_have * 2 > inventory.packages.len() {
        signals.push(Signal::NoDigest);
    }
    if matches!(package.source, PackageSource::Registry)
        && let Some(pattern) = own.iter().find(|pattern| fits(pattern, &package.name))
    {
        signals.push(Signal::Confusion { own: pattern.clone() });
    }
    signals
}

fn unprotected(url: &str) -> Option<Signal> {
    let open = ["http://", "git://", "git+http://", "ftp://", "svn://"].iter().any(|scheme| url.starts_with(scheme));
    open.then(|| Signal::Unprotected { url: url.to_owned() })
}

/// A pattern with `*` for any characters.
fn fits(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::Source;
    use provost_model::{Completeness, Inventory};

    fn state(packages: &[(&str, &str, &str)]) -> Collected {
        let mut inventory = Inventory::new("test", Completeness::List);
        for (name, version, hash) in packages {
            let mut package = Package::new(Ecosystem::Npm, *name, Some((*version).to_owned()));
            if !hash.is_empty() {
                package.hashes.push(PackageHash { algorithm: "sha512".into(), value: (*hash).to_owned() });
            }
            inventory.packages.push(package);
        }
        let source = Source {
            path: "package-lock.json".into(),
            reader: "npm-lock".into(),
            inventory,
            managed: None,
            functions: None,
        };
        Collected { sources: vec![source], ..Collected::default() }
    }

    #[test]
    fn added_removed_up_down_and_other_content() {
        let before = state(&[
            ("a", "1.0.0", "1"),
            ("b", "2.0.0", "2"),
            ("c", "1.0.0", "3"),
            ("d", "1.0.0", "4"),
            ("d", "2.0.0", "5"),
        ]);
        let after = state(&[
            ("a", "1.0.0", "9"),
            ("b", "1.9.0", "2"),
            ("e", "1.0.0", ""),
            ("d", "2.0.0", "5"),
            ("d", "3.0.0", "6"),
        ]);
        let all = changes(&before, &after);
        let name = |at: &At| package_at(&after, *at).name.clone();
        let shown: Vec<String> = all
            .iter()
            .map(|change| match change {
                Change::Added { at, new } => format!("+{} {new}", name(at)),
                Change::Removed { before: at } => format!("-{}", package_at(&before, *at).name),
                Change::Version { at, down, .. } => format!("~{} {down}", name(at)),
                Change::Content { at, what, .. } => format!("!{} {what}", name(at)),
            })
            .collect();
        assert_eq!(shown, ["!a its sha512", "~b true", "-c", "~d false", "+e true"]);
        let added = all.last().expect("one");
        assert!(signals(&after, added, &[]).contains(&Signal::NoDigest));
        assert!(signals(&after, added, &["e*".into()]).iter().any(|s| matches!(s, Signal::Confusion { .. })));
    }

    #[test]
    fn a_step_that_is_pinned_is_no_swap_and_a_commit_that_moves_is() {
        let at = |ecosystem, version: &str, revision: Option<&str>| {
            let mut package = Package::new(ecosystem, "owner/step", Some(version.to_owned()));
            let revision = revision.map(str::to_owned);
            package.source = PackageSource::Git { url: "https://github.com/owner/step".into(), revision };
            package
        };
        let changed = |ecosystem, version: &str, from, to| {
            content_changed(&at(ecosystem, version, from), &at(ecosystem, version, to)).is_some()
        };
        assert!(!changed(Ecosystem::GitHubActions, "v4", None, Some("a")));
        assert!(!changed(Ecosystem::GitHubActions, "v4", Some("a"), Some("b")));
        assert!(changed(Ecosystem::GitHubActions, "v4.1.0", Some("a"), Some("b")));
        assert!(changed(Ecosystem::Cargo, "1.0.0", Some("a"), Some("b")));
        let mut registry = at(Ecosystem::Npm, "1.0.0", None);
        registry.source = PackageSource::Registry;
        assert!(content_changed(&registry, &at(Ecosystem::Npm, "1.0.0", Some("a"))).is_some());
    }

    #[test]
    fn patterns_of_own_names() {
        assert!(fits("@acme/*", "@acme/tools"));
        assert!(!fits("@acme/*", "@acmes/tools"));
        assert!(fits("acme-*-internal", "acme-a-internal"));
        assert!(fits("exact", "exact") && !fits("exact", "exactly"));
    }
}
