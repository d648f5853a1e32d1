//! `package-lock.json` and `npm-shrinkwrap.json`, lockfile versions 1, 2 and 3 (docs.npmjs.com, package-lock-json).

use std::borrow::Cow;
use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, Problem, Root, Scope, Scopes};

use super::graph::{OptionalEdges, Unknown, full, join, spread};
use super::javascript::{
    self, Ask, asks, claimed, forgive_replaced, is_another, licence, manifest_beside, split_name, tarball,
};
use super::source::{git, integrity, public};
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell};
use super::{Input, LockError, Reader};

/// What npm writes.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "npm-shrinkwrap", wants: |path| super::named(path, "npm-shrinkwrap.json"), read, covered_by: &[] },
    // Where both are there, npm reads the other one (docs.npmjs.com, npm-shrinkwrap.json).
    Reader {
        id: "npm-lock",
        wants: |path| super::named(path, "package-lock.json"),
        read,
        covered_by: &["npm-shrinkwrap"],
    },
];

/// Manifests of workspaces that are looked at.
const MAXIMUM_MANIFESTS: usize = 5000;

/// Bytes of manifests that are looked at together.
const MAXIMUM_READ: usize = 256 << 20;

/// Directories that a package's path may have.
const MAXIMUM_DIRECTORIES: usize = 256;

/// Bytes that a package's path may have.
const MAXIMUM_PATH: usize = 8192;

/// Bytes of paths that are tried for what packages need, together: thousands of times what large trees take.
const MAXIMUM_TRIED: usize = 1 << 30;

/// What lies at a path of the tree.
enum Place<'n> {
    /// A package.
    Package(usize),
    /// A directory of the project: itself, or a workspace.
    Root(usize),
    /// A link to another path.
    Link(Cow<'n, str>),
}

struct Entry<'n, 'a> {
    path: Cow<'n, str>,
    node: &'n Node<'a>,
    place: Place<'n>,
}

#[derive(Default)]
struct Tree<'n, 'a> {
    entries: Vec<Entry<'n, 'a>>,
    by_path: HashMap<Cow<'n, str>, usize>,
    tried: usize,
    /// Version 1: `dependencies` of a package are packages that lie within it.
    nested: bool,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let values = json::parse(&text)?;
    let root = &values.root;
    if !matches!(root.value, Value::Table(_)) {
        return Err(LockError::new(format!("{} instead of a table: no lockfile of npm", root.kind())));
    }
    let version = match root.get("lockfileVersion").and_then(Node::scalar) {
        Some(version) => shown(version),
        None if root.get("packages").is_some() => "3".to_owned(),
        None => "1".to_owned(),
    };
    let mut inventory = Inventory::new(format!("{} v{version}", input.name()), Completeness::Graph);
    inventory.problems = values.problems;
    if !matches!(version.as_str(), "1" | "2" | "3") {
        note(
            &mut inventory.problems,
            Some(root.line.into()),
            format!("lockfile version {version} is not known; read as 3"),
        );
    }
    let mut tree = Tree::default();
    match root.get("packages") {
        Some(packages) => {
            if !matches!(packages.value, Value::Table(_)) {
                return Err(LockError::at(packages.line.into(), "`packages` is not a table"));
            }
            for (path, node) in packages.entries() {
                if full(&mut inventory) {
                    break;
                }
                tree.add(&mut inventory, path, node);
            }
        }
        None => {
            if let Some(node) = root.get("dependencies")
                && !matches!(node.value, Value::Table(_))
            {
                return Err(LockError::at(node.line.into(), "`dependencies` is not a table"));
            }
            tree.nested = true;
            tree.within(&mut inventory, root, "", 0);
        }
    }
    tree.name_projects(&mut inventory);
    let mut optional = OptionalEdges::new();
    for at in 0..tree.entries.len() {
        if tree.tried > MAXIMUM_TRIED {
            note(
                &mut inventory.problems,
                None,
                "paths too long and too many: what packages need was not followed further",
            );
            break;
        }
        tree.connect(&mut inventory, at, &mut optional);
    }
    let known = match root.get("packages") {
        Some(_) => {
            tree.hold_against_manifests(&mut inventory, input);
            tree.by_path.contains_key("")
        }
        None => tree.ask_manifest(&mut inventory, input, root),
    };
    let flags: Vec<Scopes> = inventory.packages.iter_mut().map(|package| std::mem::take(&mut package.scopes)).collect();
    spread(&mut inventory, &optional, if known { &Unknown::Nothing } else { &Unknown::Projects });
    // Version 1 does not say which edges are optional, so its marks are all there is to tell that by. For the rest an edge
    // is worth more than a mark that anyone may set: what production needs is production's.
    let old = root.get("packages").is_none();
    for (package, flags) in inventory.packages.iter_mut().zip(flags) {
        let edges = package.scopes;
        let hides =
            flags.is_development_only() && (edges.contains(Scope::Production) || edges.contains(Scope::Optional));
        if known && hides {
            package.claims.scopes = flags;
        } else if !known || old || edges.is_empty() {
            package.scopes = flags;
        }
    }
    forgive_replaced(&mut inventory, manifest_beside(input, "").as_deref());
    Ok(inventory)
}

impl<'n, 'a> Tree<'n, 'a> {
    fn insert(&mut self, path: Cow<'n, str>, node: &'n Node<'a>, place: Place<'n>) {
        self.by_path.insert(path.clone(), self.entries.len());
        self.entries.push(Entry { path, node, place });
    }

    /// One entry of `packages`.
    fn add(&mut self, inventory: &mut Inventory, path: &'n str, node: &'n Node<'a>) {
        let mut problems: Vec<Problem> = Vec::new();
        let Some(mut fields) = Fields::of(node, path, &mut problems) else {
            tell(&mut inventory.problems, &mut problems);
            return;
        };
        let in_modules =
            path.rsplit_once("node_modules/").filter(|(before, _)| before.is_empty() || before.ends_with('/'));
        let place = match in_modules {
            _ if path.len() > MAXIMUM_PATH || path.split('/').count() > MAXIMUM_DIRECTORIES => {
                fields.problem("a path too long");
                None
            }
            Some(_) if fields.flag("link") => match fields.text("resolved") {
                Some(target) => Some(Place::Link(join("", target).map_or(Cow::Borrowed(target), Cow::Owned))),
                None => {
                    fields.problem("a link without `resolved`");
                    None
                }
            },
            Some((_, name)) => {
                let mut package = package(&mut fields, name);
                package.install_script = fields.flag("hasInstallScript");
                inventory.packages.push(package);
                Some(Place::Package(inventory.packages.len() - 1))
            }
            None => {
                inventory.roots.push(Root {
                    name: fields
                        .text("name")
                        .or(path.rsplit('/').next().filter(|name| !name.is_empty()))
                        .map(str::to_owned),
                    version: fields.text("version").map(str::to_owned),
                    path: path.to_owned(),
                    dependencies: Vec::new(),
                });
                Some(Place::Root(inventory.roots.len() - 1))
            }
        };
        tell(&mut inventory.problems, &mut problems);
        if let Some(place) = place {
            self.insert(Cow::Borrowed(path), node, place);
        }
    }

    /// Version 1: packages within the `dependencies` of packages.
    fn within(&mut self, inventory: &mut Inventory, within: &'n Node<'a>, path: &str, depth: usize) {
        for (name, node) in within.get("dependencies").map(Node::entries).unwrap_or_default() {
            if full(inventory) {
                return;
            }
            let mut problems: Vec<Problem> = Vec::new();
            let Some(mut fields) = Fields::of(node, name, &mut problems) else {
                tell(&mut inventory.problems, &mut problems);
                continue;
            };
            if path.len() + name.len() > MAXIMUM_PATH || depth * 2 > MAXIMUM_DIRECTORIES {
                fields.problem("a path too long");
                tell(&mut inventory.problems, &mut problems);
                continue;
            }
            let mut package = package(&mut fields, name);
            old_version(&mut package);
            inventory.packages.push(package);
            let of_type = fields.get("dependencies").is_none_or(|node| matches!(node.value, Value::Table(_)));
            if !of_type {
                fields.problem("`dependencies` is not a table");
            }
            tell(&mut inventory.problems, &mut problems);
            let own =
                if path.is_empty() { format!("node_modules/{name}") } else { format!("{path}/node_modules/{name}") };
            self.insert(Cow::Owned(own.clone()), node, Place::Package(inventory.packages.len() - 1));
            self.within(inventory, node, &own, depth + 1);
        }
    }

    /// A workspace is called as the link to it is, where its entry does not say otherwise.
    fn name_projects(&self, inventory: &mut Inventory) {
        for entry in &self.entries {
            if let Place::Link(target) = &entry.place
                && let Some((_, name)) = entry.path.rsplit_once("node_modules/")
                && let Some(target) = self.by_path.get(target.as_ref())
                && let Place::Root(root) = self.entries[*target].place
                && self.entries[*target].node.get("name").is_none()
            {
                inventory.roots[root].name = Some(name.to_owned());
            }
        }
    }

    /// What Node finds when a file in that directory asks for a package: `node_modules` there, or in a directory above
    /// (nodejs.org/api/modules.html, "Loading from node_modules folders").
    fn resolve(&mut self, from: &str, name: &str) -> Option<usize> {
        let mut directory = from;
        let mut candidate = String::with_capacity(from.len() + name.len() + 14);
        loop {
            self.tried += directory.len() + name.len();
            if directory != "node_modules" && !directory.ends_with("/node_modules") {
                candidate.clear();
                candidate.push_str(directory);
                if !directory.is_empty() {
                    candidate.push('/');
                }
                candidate.push_str("node_modules/");
                candidate.push_str(name);
                if let Some(entry) = self.by_path.get(candidate.as_str()) {
                    return Some(*entry);
                }
            }
            if directory.is_empty() {
                return None;
            }
            directory = directory.rsplit_once('/').map_or("", |(above, _)| above);
        }
    }

    /// The package that is found there, through links; `None` for a directory of the project.
    fn package_at(&self, entry: usize) -> Option<usize> {
        let mut at = entry;
        for _ in 0..8 {
            match &self.entries[at].place {
                Place::Package(index) => return Some(*index),
                Place::Root(_) => return None,
                Place::Link(target) => at = *self.by_path.get(target.as_ref())?,
            }
        }
        None
    }

    /// Finds what an entry needs.
    fn connect(&mut self, inventory: &mut Inventory, at: usize, optional: &mut OptionalEdges) {
        let node = self.entries[at].node;
        let path = self.entries[at].path.clone();
        let mut problems: Vec<Problem> = Vec::new();
        let Some(mut fields) = Fields::of(node, &path, &mut problems) else { return };
        let mut of_development = false;
        let needs: Vec<Ask<'n>> = match self.entries[at].place {
            Place::Link(_) => return,
            Place::Package(_) if self.nested => {
                let needs = fields.texts("requires").into_iter();
                needs
                    .map(|(name, wanted, line)| Ask { name, wanted, scope: Scope::Production, peer: false, line })
                    .collect()
            }
            Place::Package(_) => asks(&mut fields).into_iter().filter(|ask| ask.scope != Scope::Development).collect(),
            Place::Root(_) => {
                of_development = fields.flag("dev");
                asks(&mut fields)
            }
        };
        for ask in needs {
            if self.tried > MAXIMUM_TRIED {
                break;
            }
            let Some(entry) = self.resolve(&path, ask.name) else {
                if !ask.peer && ask.scope == Scope::Production {
                    let what = format!("`{}` needs `{}`, which is not in the lock", shown(&path), shown(ask.name));
                    problems.push(Problem { line: Some(ask.line.into()), what });
                }
                continue;
            };
            let Some(to) = self.package_at(entry) else { continue };
            if is_another(ask.name, ask.wanted, &inventory.packages[to].name) {
                inventory.packages[to].claims.instead_of.get_or_insert_with(|| ask.name.to_owned());
            }
            match self.entries[at].place {
                Place::Package(from) => {
                    inventory.packages[from].dependencies.push(to);
                    if ask.scope == Scope::Optional {
                        optional.insert((from, to));
                    }
                }
                Place::Root(root) => {
                    let scope = if of_development { Scope::Development } else { ask.scope };
                    inventory.roots[root].dependencies.push((to, scope));
                    let package = &mut inventory.packages[to];
                    package.requirement.get_or_insert_with(|| public(ask.wanted).into_owned());
                }
                Place::Link(_) => {}
            }
        }
        tell(&mut inventory.problems, &mut problems);
    }

    /// Later versions copy what the projects ask for. What a manifest asks for is the project's word, the copy anyone's: what
    /// the manifest needs in production, the copy cannot take out of it.
    fn hold_against_manifests(&mut self, inventory: &mut Inventory, input: &Input<'_>) {
        let mut read = 0;
        for root in 0..inventory.roots.len().min(MAXIMUM_MANIFESTS) {
            let path = inventory.roots[root].path.clone();
            let Some(text) = manifest_beside(input, &path) else { continue };
            // A lock can name one large manifest under many paths.
            read += text.len();
            if read > MAXIMUM_READ {
                note(&mut inventory.problems, None, "manifests too large: the lock was not held against all of them");
                break;
            }
            let Ok(manifest) = json::parse(&text) else { continue };
            let mut problems = Vec::new();
            let Some(mut fields) = Fields::of(&manifest.root, "package.json", &mut problems) else { continue };
            for ask in asks(&mut fields).iter().filter(|ask| ask.scope == Scope::Production && !ask.peer) {
                let Some(to) = self.resolve(&path, ask.name).and_then(|entry| self.package_at(entry)) else { continue };
                let dependencies = &mut inventory.roots[root].dependencies;
                if !dependencies.contains(&(to, Scope::Production)) {
                    dependencies.retain(|known| *known != (to, Scope::Development));
                    dependencies.push((to, Scope::Production));
                    inventory.packages[to].claims.scopes.add(Scope::Development);
                }
                if is_another(ask.name, ask.wanted, &inventory.packages[to].name) {
                    inventory.packages[to].claims.instead_of.get_or_insert_with(|| ask.name.to_owned());
                }
            }
        }
    }

    /// Version 1 does not say what the project asks for: its manifest does. False where that is not there.
    fn ask_manifest(&mut self, inventory: &mut Inventory, input: &Input<'_>, lock: &Node<'_>) -> bool {
        let own = |key| lock.get(key).and_then(Node::text).map(str::to_owned);
        let mut root =
            Root { name: own("name"), version: own("version"), path: String::new(), dependencies: Vec::new() };
        let text = manifest_beside(input, "");
        let manifest = text.as_deref().and_then(|text| json::parse(text).ok());
        let known = manifest.is_some();
        if let Some(manifest) = &manifest
            && let Some(mut fields) = Fields::of(&manifest.root, "package.json", &mut Vec::new())
        {
            for ask in asks(&mut fields) {
                let Some(to) = self.resolve("", ask.name).and_then(|entry| self.package_at(entry)) else { continue };
                root.dependencies.push((to, ask.scope));
                if is_another(ask.name, ask.wanted, &inventory.packages[to].name) {
                    inventory.packages[to].claims.instead_of.get_or_insert_with(|| ask.name.to_owned());
                }
                inventory.packages[to].requirement.get_or_insert_with(|| public(ask.wanted).into_owned());
            }
        }
        inventory.roots.push(root);
        known
    }
}

/// A package, its scopes as its marks say.
fn package(fields: &mut Fields<'_, '_, '_>, installed_as: &str) -> Package {
    let name = fields.text("name").unwrap_or(installed_as);
    let version = fields.text("version");
    if version.is_none() {
        fields.problem("has no version");
    }
    let mut package = Package::new(Ecosystem::Npm, name, version.map(str::to_owned));
    package.alias = (name != installed_as).then(|| installed_as.to_owned());
    package.line = fields.line();
    package.licence = licence(fields);
    package.deprecated = match fields.get("deprecated").map(|node| &node.value) {
        Some(Value::Text(text)) => Some(text.to_string()),
        Some(Value::Bool(true)) => Some("deprecated".to_owned()),
        _ => None,
    };
    // Old versions of npm write `false` for what comes with its parent.
    let stands =
        |key: &str, fields: &Fields<'_, '_, '_>| !matches!(fields.get(key).map(|n| &n.value), Some(Value::Bool(_)));
    if stands("resolved", fields)
        && let Some(resolved) = fields.text("resolved")
    {
        package.source = tarball(resolved, name);
        package.claims.resolved.extend(claimed(resolved));
    }
    if let Some(text) = fields.text("integrity")
        && !integrity(text, &mut package.hashes)
    {
        fields.problem("an `integrity` that cannot be read");
    }
    let (dev, optional) = (fields.flag("dev"), fields.flag("optional"));
    package.scopes = match (dev, optional, fields.flag("devOptional"), fields.flag("extraneous")) {
        (true, ..) => Scopes::only(Scope::Development),
        (_, true, ..) => Scopes::only(Scope::Optional),
        (_, _, true, _) => Scopes::from(vec![Scope::Development, Scope::Optional]),
        (_, _, _, true) => Scopes::default(),
        _ => Scopes::only(Scope::Production),
    };
    package
}

/// In version 1 the version may be an address, or name another package.
fn old_version(package: &mut Package) {
    let Some(text) = package.version.take() else { return };
    if let Some(rest) = text.strip_prefix("npm:") {
        let (name, version) = split_name(rest);
        package.alias = Some(std::mem::replace(&mut package.name, name.to_owned()));
        package.version = version.map(str::to_owned);
    } else if let Some(source) = git(&text) {
        package.source = source;
    } else if text.contains("://") || text.starts_with("file:") {
        package.source = javascript::wanted(&text).source;
    } else {
        package.version = Some(text);
    }
}

#[cfg(test)]
mod tests {
    use provost_model::PackageSource;

    use super::*;
    use crate::lock::testing::{find, read_with};

    const LOCK: &str = r#"{
  "name": "app", "version": "1.0.0", "lockfileVersion": 3, "requires": true,
  "packages": {
    "": {
      "name": "app", "version": "1.0.0", "workspaces": ["packages/*"],
      "dependencies": { "a": "^1.0.0", "al": "npm:real@^2" },
      "devDependencies": { "t": "^1.0.0" },
      "optionalDependencies": { "o": "1.0.0" },
      "peerDependencies": { "p": "1.0.0" }
    },
    "node_modules/a": {
      "version": "1.0.1",
      "resolved": "https://registry.npmjs.org/a/-/a-1.0.1.tgz",
      "integrity": "sha512-AAEC",
      "license": "MIT", "hasInstallScript": true, "deprecated": "use b",
      "dependencies": { "@s/b": "^1.0.0", "gone": "1" }, "optionalDependencies": { "o2": "*", "gone2": "1" },
      "peerDependencies": { "gone3": "*" }
    },
    "node_modules/a/node_modules/@s/b": { "version": "1.0.0", "dependencies": { "c": "1" } },
    "node_modules/@s/b": { "version": "2.0.0" },
    "node_modules/al": { "name": "real", "version": "2.0.0" },
    "node_modules/c": { "version": "1.0.0", "resolved": "git+ssh://git@github.com/o/c.git#0123456789012345678901234567890123456789" },
    "node_modules/o": { "version": "1.0.0", "optional": true },
    "node_modules/o2": { "version": "1.0.0", "optional": true },
    "node_modules/p": { "version": "1.0.0", "peer": true },
    "node_modules/t": { "version": "1.0.0", "dev": true, "dependencies": { "@s/b": "2" }, "optionalDependencies": { "to": "1" } },
    "node_modules/to": { "version": "1.0.0", "dev": true, "optional": true },
    "node_modules/@s/ws": { "resolved": "packages/ws", "link": true },
    "packages/ws": { "version": "0.1.0", "dependencies": { "c": "^1.0.0" } },
    "packages/ws/node_modules/c": { "version": "1.5.0" },
    "node_modules/bad": 1
  }
}"#;

    #[test]
    fn reads_packages_as_node_finds_them() {
        let inventory = read_with("package-lock.json", LOCK, &[]).unwrap();
        assert_eq!(inventory.kind, "package-lock.json v3");
        let needs = |name, version| -> Vec<String> {
            let found = find(&inventory, name, version).dependencies.iter();
            found
                .map(|at| &inventory.packages[*at])
                .map(|p| format!("{}@{}", p.name, p.version.as_deref().unwrap()))
                .collect()
        };
        assert_eq!(needs("a", "1.0.1"), ["@s/b@1.0.0", "o2@1.0.0"]);
        assert_eq!(needs("@s/b", "1.0.0"), ["c@1.0.0"]);
        assert_eq!(needs("t", "1.0.0"), ["@s/b@2.0.0", "to@1.0.0"]);
        let scopes = |name, version| find(&inventory, name, version).scopes;
        assert_eq!(scopes("a", "1.0.1"), Scopes::only(Scope::Production));
        assert_eq!(scopes("o", "1.0.0"), Scopes::only(Scope::Optional));
        assert_eq!(scopes("o2", "1.0.0"), Scopes::only(Scope::Optional));
        assert_eq!(scopes("p", "1.0.0"), Scopes::only(Scope::Production));
        assert!(scopes("to", "1.0.0").is_development_only());
        assert!(scopes("@s/b", "2.0.0").is_development_only());
        let direct = |name, version| find(&inventory, name, version).direct;
        assert_eq!(
            (direct("a", "1.0.1"), direct("c", "1.5.0"), direct("c", "1.0.0")),
            (Some(true), Some(true), Some(false))
        );
        let a = find(&inventory, "a", "1.0.1");
        assert_eq!(
            (a.licence.as_deref(), a.install_script, a.deprecated.as_deref()),
            (Some("MIT"), true, Some("use b"))
        );
        assert_eq!(
            (a.line, a.hashes[0].value.as_str(), a.requirement.as_deref()),
            (Some(11), "000102", Some("^1.0.0"))
        );
        assert_eq!(find(&inventory, "real", "2.0.0").alias.as_deref(), Some("al"));
        assert!(matches!(find(&inventory, "c", "1.0.0").source, PackageSource::Git { revision: Some(_), .. }));
        let roots: Vec<_> = inventory.roots.iter().map(|root| (root.name.as_deref(), root.path.as_str())).collect();
        assert_eq!(roots, [(Some("app"), ""), (Some("@s/ws"), "packages/ws")]);
        let problems: Vec<_> = inventory.problems.iter().map(|problem| problem.what.as_str()).collect();
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems[0].contains("bad") && problems[1].contains("`gone`"));
    }

    #[test]
    fn a_mark_does_not_hide_what_production_needs() {
        let text = r#"{"lockfileVersion": 3, "packages": {
            "": {"dependencies": {"a": "1"}},
            "node_modules/a": {"version": "1.0.0", "dev": true},
            "node_modules/x": {"version": "1.0.0", "extraneous": true}}}"#;
        let inventory = read_with("package-lock.json", text, &[]).unwrap();
        assert_eq!(find(&inventory, "a", "1.0.0").scopes, Scopes::only(Scope::Production));
        assert!(find(&inventory, "x", "1.0.0").scopes.is_empty());
    }

    const OLD: &str = r#"{
  "name": "app", "version": "1.0.0", "lockfileVersion": 1, "requires": true,
  "dependencies": {
    "a": { "version": "1.0.0", "requires": { "b": "^1.0.0" },
      "dependencies": { "b": { "version": "1.1.0", "bundled": true, "integrity": false } } },
    "b": { "version": "2.0.0", "dev": true, "resolved": false },
    "g": { "version": "git+https://git.example/g.git#0123456789012345678901234567890123456789", "from": "g@x" },
    "l": { "version": "npm:@s/real@3.0.0" },
    "f": { "version": "file:../f" },
    "n": "1.0.0"
  }
}"#;

    #[test]
    fn reads_version_1() {
        let inventory = read_with("npm-shrinkwrap.json", OLD, &[]).unwrap();
        assert_eq!(inventory.kind, "npm-shrinkwrap.json v1");
        let a = find(&inventory, "a", "1.0.0");
        assert_eq!(inventory.packages[a.dependencies[0]].version.as_deref(), Some("1.1.0"));
        assert_eq!(a.direct, None);
        assert!(find(&inventory, "b", "2.0.0").scopes.is_development_only());
        assert_eq!(find(&inventory, "@s/real", "3.0.0").alias.as_deref(), Some("l"));
        let git = inventory.packages.iter().find(|package| package.name == "g").unwrap();
        assert!(git.version.is_none() && matches!(git.source, PackageSource::Git { revision: Some(_), .. }));
        let file = inventory.packages.iter().find(|package| package.name == "f").unwrap();
        assert_eq!(file.source, PackageSource::Path { path: "../f".into() });
        assert_eq!(inventory.problems.len(), 2, "{:?}", inventory.problems);

        let manifest = r#"{"dependencies": {"a": "^1.0.0"}, "devDependencies": {"b": "2"}}"#;
        let inventory = read_with("npm-shrinkwrap.json", OLD, &[("package.json", manifest)]).unwrap();
        assert_eq!(find(&inventory, "a", "1.0.0").direct, Some(true));
        assert_eq!(find(&inventory, "b", "1.1.0").direct, Some(false));
    }

    #[test]
    fn hostile_locks_end() {
        for text in ["[]", "{\"packages\": []}", "{\"dependencies\": 1}", "", "{\"packages\": {\"a\": {}}"] {
            assert!(read_with("package-lock.json", text, &[]).is_err(), "{text}");
        }
        let links = r#"{"packages": {"": {"dependencies": {"a": "1", "b": "1"}},
            "node_modules/a": {"link": true, "resolved": "node_modules/b"},
            "node_modules/b": {"link": true, "resolved": "node_modules/a"}}}"#;
        assert_eq!(read_with("package-lock.json", links, &[]).unwrap().packages, []);
        let long = format!(r#"{{"packages": {{"{}node_modules/a": {{"version": "1"}}}}}}"#, "x/".repeat(300));
        let inventory = read_with("package-lock.json", &long, &[]).unwrap();
        assert!(inventory.packages.is_empty() && inventory.problems.len() == 1);
    }
}
