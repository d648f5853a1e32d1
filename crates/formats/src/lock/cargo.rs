//! `Cargo.lock`, versions 1 to 4 (cargo's `core/resolver/encode.rs`).

use std::collections::{HashMap, HashSet, VecDeque};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, PackageSource, Root};

use super::cargo_manifest::{self, Ask, Manifest};
use super::graph::{OptionalEdges, Unknown, full, join, spread, within};
use super::tree::{Fields, Node, decode, note, shown, toml};
use super::{Input, LockError, Reader};

/// What Cargo writes.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "cargo-lock", wants: |path| super::named(path, "Cargo.lock"), read, covered_by: &[] },
    Reader {
        id: "cargo-manifest",
        wants: |path| super::named(path, "Cargo.toml"),
        read: cargo_manifest::read,
        covered_by: &["cargo-lock"],
    },
];

/// Manifests of one workspace that are read at most.
const MAXIMUM_MANIFESTS: usize = 5000;

/// Patterns of members that are tried.
const MAXIMUM_PATTERNS: usize = 64;

/// Versions of one crate that a project may ask for.
const MAXIMUM_VERSIONS: usize = 64;

/// What an entry of the lock became.
enum Place {
    /// A package.
    Package(usize),
    /// A project of the workspace.
    Root(usize),
    /// Another entry stands for it (`[replace]`).
    Replaced(String),
}

struct Entry<'a> {
    place: Place,
    dependencies: Vec<(&'a str, u32)>,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = toml::parse(&text)?;
    let checksums = old_checksums(&tree.root);
    let version = match tree.root.get("version").and_then(Node::scalar) {
        Some(version) => shown(version),
        None if checksums.is_empty() => "2".to_owned(),
        None => "1".to_owned(),
    };
    let mut inventory = Inventory::new(format!("Cargo.lock v{version}"), Completeness::Graph);
    if !matches!(version.as_str(), "1" | "2" | "3" | "4") {
        note(&mut inventory.problems, None, format!("version {version} of Cargo.lock is not known; read as version 4"));
    }
    let projects = Projects::read(input, &tree.root);

    let mut names = Names::default();
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut asked: Vec<Option<&[Ask]>> = Vec::new();
    let packages = tree.root.get("package").map(Node::items).unwrap_or_default();
    for node in tree.root.get("root").into_iter().chain(packages) {
        if full(&mut inventory) {
            break;
        }
        let Some(mut fields) = Fields::of(node, "package", &mut inventory.problems) else { continue };
        let (name, version) = (fields.text("name"), fields.text("version"));
        let (Some(name), Some(version)) = (name, version) else {
            fields.problem("has no name or no version");
            continue;
        };
        let source = fields.text("source");
        let checksum = fields.text("checksum").or_else(|| checksums.get(&(name, version, source?)).copied());
        let replace = fields.text("replace");
        let mut dependencies = Vec::new();
        for item in fields.list("dependencies") {
            match item.text() {
                Some(text) => dependencies.push((text, item.line)),
                None => fields.problem("one of its dependencies is not text"),
            }
        }
        let project = source.is_none().then(|| projects.of(name, version)).flatten();
        let place = match (replace, source, project) {
            (Some(other), ..) => Place::Replaced(other.to_owned()),
            (None, None, project) if project.is_none_or(|project| !project.path.starts_with("..")) => {
                asked.push(project.map(|project| project.manifest.asks.as_slice()));
                inventory.roots.push(Root {
                    name: Some(name.to_owned()),
                    version: Some(version.to_owned()),
                    path: project.map(|project| project.path.clone()).unwrap_or_default(),
                    dependencies: Vec::new(),
                });
                Place::Root(inventory.roots.len() - 1)
            }
            _ => {
                let mut package = Package::new(Ecosystem::Cargo, name, Some(version.to_owned()));
                package.line = Some(node.line.into());
                package.source = match (source, project) {
                    (Some(source), _) => source_of(source),
                    (None, project) => {
                        PackageSource::Path { path: project.map(|project| project.path.clone()).unwrap_or_default() }
                    }
                };
                if let Some(value) = checksum {
                    let value = value.to_ascii_lowercase();
                    package.hashes.push(PackageHash { algorithm: "sha256".to_owned(), value });
                }
                inventory.packages.push(package);
                Place::Package(inventory.packages.len() - 1)
            }
        };
        names.add(name, version, source, entries.len());
        entries.push(Entry { place, dependencies });
    }

    let mut unknown = Vec::new();
    for entry in &entries {
        let mut edges = Vec::new();
        for (text, line) in &entry.dependencies {
            match names.find(&entries, text) {
                Some(Place::Package(index)) => edges.push(*index),
                Some(_) => {}
                None => note(&mut inventory.problems, Some((*line).into()), format!("no package is `{}`", shown(text))),
            }
        }
        match entry.place {
            Place::Package(index) => inventory.packages[index].dependencies = edges,
            Place::Root(index) => match asked[index] {
                Some(asks) => reasons(&mut inventory, index, edges, asks, &mut unknown),
                None => unknown.append(&mut edges),
            },
            Place::Replaced(_) => {}
        }
    }
    let unknown = if inventory.roots.is_empty() { Unknown::Projects } else { Unknown::Reasons(unknown) };
    spread(&mut inventory, &OptionalEdges::new(), &unknown);
    Ok(inventory)
}

/// Says for each edge of a project what its manifest needs it for.
fn reasons(inventory: &mut Inventory, root: usize, edges: Vec<usize>, asks: &[Ask], unknown: &mut Vec<usize>) {
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for index in &edges {
        let versions = by_name.entry(inventory.packages[*index].name.as_str()).or_default();
        if versions.len() < MAXIMUM_VERSIONS {
            versions.push(*index);
        }
    }
    let mut told: Vec<(usize, &Ask)> = Vec::new();
    for ask in asks {
        let Some(candidates) = by_name.get(ask.name.as_str()) else { continue };
        let fits = |index: &&usize| {
            let version =
                inventory.packages[**index].version.as_deref().and_then(|text| semver::Version::parse(text).ok());
            let wanted = ask.requirement.as_deref().and_then(|text| semver::VersionReq::parse(text).ok());
            matches!((version, wanted), (Some(version), Some(wanted)) if wanted.matches(&version))
        };
        let mut chosen: Vec<usize> = candidates.iter().filter(fits).copied().collect();
        if candidates.len() == 1 || chosen.is_empty() {
            chosen.clone_from(candidates);
        }
        told.extend(chosen.into_iter().map(|index| (index, ask)));
    }
    for (index, ask) in &told {
        inventory.roots[root].dependencies.push((*index, ask.scope));
        let package = &mut inventory.packages[*index];
        package.alias = package.alias.take().or_else(|| ask.alias.clone());
        package.requirement = package.requirement.take().or_else(|| ask.requirement.clone());
    }
    let told: HashSet<usize> = told.into_iter().map(|(index, _)| index).collect();
    unknown.extend(edges.into_iter().filter(|index| !told.contains(index)));
}

/// Finds entries by what dependencies are written as: `name`, `name version` or `name version (source)`, as much as is
/// needed to tell them apart.
#[derive(Default)]
struct Names<'a> {
    by_name: HashMap<&'a str, (usize, bool)>,
    by_version: HashMap<(&'a str, &'a str), (usize, bool)>,
    exact: HashMap<(&'a str, &'a str, Option<&'a str>), usize>,
}

impl<'a> Names<'a> {
    fn add(&mut self, name: &'a str, version: &'a str, source: Option<&'a str>, entry: usize) {
        self.by_name.entry(name).and_modify(|found| found.1 = false).or_insert((entry, true));
        self.by_version.entry((name, version)).and_modify(|found| found.1 = false).or_insert((entry, true));
        self.exact.insert((name, version, source.map(without_commit)), entry);
    }

    fn find<'e>(&self, entries: &'e [Entry<'_>], text: &str) -> Option<&'e Place> {
        let mut text = text;
        for _ in 0..4 {
            let place = &entries.get(self.index(text)?)?.place;
            match place {
                Place::Replaced(other) => text = other,
                _ => return Some(place),
            }
        }
        None
    }

    fn index(&self, text: &str) -> Option<usize> {
        let mut parts = text.splitn(3, ' ');
        let name = parts.next()?;
        let Some(version) = parts.next() else {
            return self.by_name.get(name).filter(|found| found.1).map(|found| found.0);
        };
        match parts.next() {
            Some(source) => {
                let source = source.strip_prefix('(')?.strip_suffix(')')?;
                self.exact.get(&(name, version, Some(without_commit(source)))).copied()
            }
            None => match self.by_version.get(&(name, version)) {
                Some((entry, true)) => Some(*entry),
                _ => self.exact.get(&(name, version, None)).copied(),
            },
        }
    }
}

/// A source as dependencies name it: without the commit.
fn without_commit(source: &str) -> &str {
    source.split_once('#').map_or(source, |(source, _)| source)
}

/// Version 1 keeps checksums apart: `"checksum name version (source)" = "…"`.
fn old_checksums<'n>(root: &'n Node<'_>) -> HashMap<(&'n str, &'n str, &'n str), &'n str> {
    let mut checksums = HashMap::new();
    for (key, value) in root.get("metadata").map(Node::entries).unwrap_or_default() {
        let mut parts = key.splitn(4, ' ');
        let (Some("checksum"), Some(name), Some(version), Some(source)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        let source = source.strip_prefix('(').and_then(|source| source.strip_suffix(')'));
        if let (Some(source), Some(value)) = (source, value.text().filter(|value| *value != "<none>")) {
            checksums.insert((name, version, source), value);
        }
    }
    checksums
}

fn source_of(source: &str) -> PackageSource {
    let (kind, url) = source.split_once('+').unwrap_or(("", source));
    match kind {
        "registry" | "sparse" => match url.trim_end_matches('/') {
            "https://github.com/rust-lang/crates.io-index" | "https://index.crates.io" => PackageSource::Registry,
            _ => PackageSource::OtherRegistry { url: url.to_owned() },
        },
        "git" => {
            let (url, revision) = url.split_once('#').map_or((url, None), |(url, revision)| (url, Some(revision)));
            let url = url.split_once('?').map_or(url, |(url, _)| url);
            PackageSource::Git { url: url.to_owned(), revision: revision.map(str::to_owned) }
        }
        "path" | "directory" | "local-registry" => PackageSource::Path { path: url.to_owned() },
        _ => PackageSource::OtherRegistry { url: source.to_owned() },
    }
}

struct Project {
    path: String,
    manifest: Manifest,
}

/// The manifests that can be reached from the lock.
#[derive(Default)]
struct Projects {
    all: Vec<Project>,
    by_name: HashMap<String, Vec<usize>>,
}

impl Projects {
    /// Reads the manifest beside the lock and those that it names. A directory cannot be listed: members that only a
    /// pattern names (`crates/*`) are found through dependencies by path, or where the directory is called as the package.
    fn read(input: &Input<'_>, lock: &Node<'_>) -> Self {
        let mut projects = Self::default();
        let Some(bytes) = (input.beside)("Cargo.toml") else { return projects };
        let Ok(text) = decode(&bytes) else { return projects };
        let Ok(tree) = toml::parse(&text) else { return projects };
        let workspace = tree.root.get("workspace");
        let mut seen: HashSet<String> = HashSet::new();
        let mut waiting: VecDeque<String> = VecDeque::from([String::new()]);
        let mut patterns = Vec::new();
        let named = |key| workspace.and_then(|node| node.get(key)).map(Node::items).unwrap_or_default();
        for member in named("members").iter().chain(named("default-members")).filter_map(Node::text) {
            match member.split_once('*') {
                None => waiting.extend(join("", member)),
                Some((before, after)) if !after.contains(['*', '/']) => {
                    let (directory, start) = before.rsplit_once('/').unwrap_or(("", before));
                    patterns.extend(join("", directory).map(|directory| (directory, start, after)));
                }
                Some(_) => {}
            }
        }
        let shared = workspace.and_then(|node| node.get("dependencies")).map(Node::entries).unwrap_or_default();
        waiting
            .extend(shared.iter().filter_map(|(_, node)| node.get("path")?.text()).filter_map(|path| join("", path)));
        projects.walk(input, workspace, &mut waiting, &mut seen);
        if !patterns.is_empty() {
            for node in lock.get("package").map(Node::items).unwrap_or_default() {
                let Some(name) = node.get("name").and_then(Node::text) else { continue };
                if node.get("source").is_some() || projects.by_name.contains_key(name) {
                    continue;
                }
                let short = name.split_once(['-', '_']).map(|(_, rest)| rest);
                for (directory, start, end) in patterns.iter().take(MAXIMUM_PATTERNS) {
                    let fitting = [Some(name), short].into_iter().flatten();
                    let fitting = fitting.filter(|name| name.starts_with(start) && name.ends_with(end));
                    waiting.extend(fitting.map(|name| within(directory, name)));
                }
                projects.walk(input, workspace, &mut waiting, &mut seen);
            }
        }
        projects
    }

    fn walk(
        &mut self,
        input: &Input<'_>,
        workspace: Option<&Node<'_>>,
        waiting: &mut VecDeque<String>,
        seen: &mut HashSet<String>,
    ) {
        while let Some(path) = waiting.pop_front() {
            if seen.len() >= MAXIMUM_MANIFESTS || !seen.insert(path.clone()) {
                continue;
            }
            let Some(bytes) = (input.beside)(&within(&path, "Cargo.toml")) else { continue };
            let Ok(text) = decode(&bytes) else { continue };
            let Ok(tree) = toml::parse(&text) else { continue };
            let manifest = Manifest::of(&tree.root, workspace, &mut Vec::new());
            for ask in &manifest.asks {
                let base = if ask.inherited { "" } else { &path };
                waiting.extend(ask.path.as_deref().and_then(|other| join(base, other)));
            }
            if let Some(name) = &manifest.name {
                self.by_name.entry(name.clone()).or_default().push(self.all.len());
                self.all.push(Project { path, manifest });
            }
        }
    }

    fn of(&self, name: &str, version: &str) -> Option<&Project> {
        let candidates = self.by_name.get(name)?;
        let exact = candidates.iter().find(|index| self.all[**index].manifest.version.as_deref() == Some(version));
        exact.or(candidates.first().filter(|_| candidates.len() == 1)).map(|index| &self.all[*index])
    }
}

#[cfg(test)]
mod tests {
    use provost_model::{Scope, Scopes};

    use super::*;
    use crate::lock::testing::{find, read_with};

    const LOCK: &str = r#"version = 4

[[package]]
name = "app"
version = "0.1.0"
dependencies = [
 "helper",
 "log 0.4.20",
 "log 0.3.9",
 "cc",
 "test-case",
 "fork",
]

[[package]]
name = "helper"
version = "0.1.0"
dependencies = ["log 0.4.20 (registry+https://github.com/rust-lang/crates.io-index)"]

[[package]]
name = "log"
version = "0.3.9"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "ABCD"

[[package]]
name = "log"
version = "0.4.20"
source = "registry+https://github.com/rust-lang/crates.io-index"

[[package]]
name = "cc"
version = "1.0.0"
source = "sparse+https://registry.example/index/"

[[package]]
name = "test-case"
version = "3.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["log 0.3.9"]

[[package]]
name = "fork"
version = "1.2.3"
source = "git+https://git.example/fork?branch=main#0123456789abcdef"
"#;

    const MANIFEST: &str = r#"[package]
name = "app"
version.workspace = true
[workspace]
members = ["tools/help*"]
[workspace.package]
version = "0.1.0"
[workspace.dependencies]
fork = { git = "https://git.example/fork", branch = "main" }
[dependencies]
helper = { path = "tools/helper" }
log = "0.4"
old-log = { package = "log", version = "0.3" }
fork = { workspace = true, optional = true }
[build-dependencies]
cc = "1"
[dev-dependencies]
test-case = "3"
"#;

    const HELPER: &str = "[package]\nname = \"helper\"\nversion = \"0.1.0\"\n[dependencies]\nlog = \"0.4\"\n";

    #[test]
    fn reads_the_graph_and_what_each_is_for() {
        let beside = [("Cargo.toml", MANIFEST), ("tools/helper/Cargo.toml", HELPER)];
        let inventory = read_with("Cargo.lock", LOCK, &beside).unwrap();
        assert_eq!(inventory.kind, "Cargo.lock v4");
        assert_eq!(inventory.problems, []);
        let scopes = |name, version| find(&inventory, name, version).scopes;
        assert_eq!(scopes("log", "0.4.20"), Scopes::only(Scope::Production));
        assert_eq!(scopes("log", "0.3.9"), Scopes::from(vec![Scope::Production, Scope::Development]));
        assert_eq!(scopes("cc", "1.0.0"), Scopes::only(Scope::Build));
        assert_eq!(scopes("test-case", "3.0.0"), Scopes::only(Scope::Development));
        assert_eq!(scopes("fork", "1.2.3"), Scopes::only(Scope::Optional));
        let old = find(&inventory, "log", "0.3.9");
        assert_eq!((old.alias.as_deref(), old.requirement.as_deref()), (Some("old-log"), Some("0.3")));
        assert_eq!((old.line, old.direct), (Some(20), Some(true)));
        assert_eq!(old.hashes, [PackageHash { algorithm: "sha256".into(), value: "abcd".into() }]);
        let registry = PackageSource::OtherRegistry { url: "https://registry.example/index/".into() };
        assert_eq!(find(&inventory, "cc", "1.0.0").source, registry);
        let git =
            PackageSource::Git { url: "https://git.example/fork".into(), revision: Some("0123456789abcdef".into()) };
        assert_eq!(find(&inventory, "fork", "1.2.3").source, git);
        let roots: Vec<_> = inventory.roots.iter().map(|root| (root.name.as_deref(), root.path.as_str())).collect();
        assert_eq!(roots, [(Some("app"), ""), (Some("helper"), "tools/helper")]);
    }

    #[test]
    fn without_manifests_it_does_not_guess() {
        let inventory = read_with("Cargo.lock", LOCK, &[]).unwrap();
        assert_eq!(inventory.roots.len(), 2);
        assert!(inventory.packages.iter().all(|package| package.scopes.is_empty()));
        assert!(inventory.packages.iter().all(|package| package.direct == Some(true)));
    }

    #[test]
    fn a_member_whose_manifest_is_out_of_reach_leaves_its_packages_open() {
        let manifest = MANIFEST.replace("helper = { path = \"tools/helper\" }\n", "");
        let manifest =
            manifest.replace("log = \"0.4\"\n", "").replace("[dev-dependencies]", "[dev-dependencies]\nlog = \"0.4\"");
        let inventory = read_with("Cargo.lock", LOCK, &[("Cargo.toml", &manifest)]).unwrap();
        assert!(find(&inventory, "log", "0.4.20").scopes.is_empty());
        assert!(find(&inventory, "test-case", "3.0.0").scopes.is_development_only());
    }

    #[test]
    fn reads_version_1_with_its_root_and_checksums() {
        let text = r#"[root]
name = "app"
version = "0.1.0"
dependencies = ["a 1.0.0 (registry+https://github.com/rust-lang/crates.io-index)"]
[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[metadata]
"checksum a 1.0.0 (registry+https://github.com/rust-lang/crates.io-index)" = "00ff"
"#;
        let inventory = read_with("Cargo.lock", text, &[]).unwrap();
        assert_eq!(inventory.kind, "Cargo.lock v1");
        assert_eq!(find(&inventory, "a", "1.0.0").hashes[0].value, "00ff");
        assert_eq!(inventory.roots[0].name.as_deref(), Some("app"));
        assert_eq!(find(&inventory, "a", "1.0.0").direct, Some(true));
    }

    #[test]
    fn what_is_wrong_with_one_entry_leaves_the_others() {
        let text =
            "package = [1, {name = \"a\"}, {name = \"b\", version = \"1\", dependencies = [\"c\", 2], source = 3}]";
        let inventory = read_with("Cargo.lock", text, &[]).unwrap();
        assert_eq!(inventory.roots.len() + inventory.packages.len(), 1);
        assert_eq!(inventory.problems.len(), 5);
    }
}
