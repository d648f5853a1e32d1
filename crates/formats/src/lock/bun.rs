//! `bun.lock`: JSON with comments (oven-sh/bun, `src/install/lockfile/bun.lock.zig`).

use std::cell::Cell;
use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope};

use super::graph::{OptionalEdges, Unknown, full, spread};
use super::javascript::{asks, claimed, forgive_replaced, is_another, manifest_beside, split_name, tarball, wanted};
use super::source::{integrity, public};
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell};
use super::{Input, LockError, MAXIMUM_DEPTH, Reader};

/// What bun writes.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "bun-lock", wants: |path| super::named(path, "bun.lock"), read, covered_by: &[] },
    Reader {
        id: "bun-lock-binary",
        wants: |path| super::named(path, "bun.lockb"),
        read: |_| {
            let what =
                "bun.lockb is binary and is not read: `bun install --save-text-lockfile` writes bun.lock instead";
            Err(LockError::new(what))
        },
        covered_by: &["bun-lock"],
    },
];

/// Bytes that a package's key may have.
const MAXIMUM_KEY: usize = 8192;

/// Bytes of keys that are tried for what packages need, together: thousands of times what large locks take.
const MAXIMUM_TRIED: usize = 1 << 30;

/// What lies under a key.
#[derive(Clone, Copy)]
enum Place {
    Package(usize),
    Root,
}

#[derive(Default)]
struct Lock<'n, 'a> {
    by_key: HashMap<&'n str, Place>,
    /// Packages, their keys and what is said of them.
    packages: Vec<(usize, &'n str, &'n Node<'a>)>,
    tried: Cell<usize>,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse_with_comments(&text)?;
    let Some(version) = tree.root.get("lockfileVersion").and_then(Node::scalar) else {
        return Err(LockError::new("no `lockfileVersion`: no lockfile of bun"));
    };
    let mut inventory = Inventory::new(format!("bun.lock v{}", shown(version)), Completeness::Graph);
    inventory.problems = tree.problems;
    if !matches!(version, "0" | "1" | "2") {
        let what = format!("lockfile version {} is not known; read as version 2", shown(version));
        note(&mut inventory.problems, Some(tree.root.line.into()), what);
    }
    let mut problems: Vec<Problem> = Vec::new();
    let mut lock = Lock::default();
    let Some(mut fields) = Fields::of(&tree.root, "bun.lock", &mut problems) else {
        return Err(LockError::new("no table: no lockfile of bun"));
    };
    let (packages, workspaces) = (fields.table("packages"), fields.table("workspaces"));
    for (key, node) in packages {
        if full(&mut inventory) {
            break;
        }
        lock.add(&mut inventory, key, node);
    }
    let mut optional = OptionalEdges::new();
    lock.edges(&mut inventory, &mut optional);
    for (path, node) in workspaces {
        lock.workspace(&mut inventory, path, node);
    }
    tell(&mut inventory.problems, &mut problems);
    if lock.tried.get() >= MAXIMUM_TRIED {
        note(&mut inventory.problems, None, "keys too long and too many: what packages need was not followed further");
    }
    let unknown = if inventory.roots.is_empty() { Unknown::Projects } else { Unknown::Nothing };
    spread(&mut inventory, &optional, &unknown);
    forgive_replaced(&mut inventory, manifest_beside(input, "").as_deref());
    Ok(inventory)
}

impl<'n, 'a> Lock<'n, 'a> {
    /// One package: a list of `name@version`, then what its kind has: registry, what it needs, digest.
    fn add(&mut self, inventory: &mut Inventory, key: &'n str, node: &'n Node<'a>) {
        let line = Some(u64::from(node.line));
        let problem = |inventory: &mut Inventory, what: &str| {
            note(&mut inventory.problems, line, format!("`{}`: {what}", shown(key)))
        };
        let items = node.items();
        let Some((name, Some(reference))) = items.first().and_then(Node::text).map(split_name) else {
            return problem(inventory, "does not begin with a name and a version");
        };
        if key.len() > MAXIMUM_KEY || key.split('/').count() > MAXIMUM_DEPTH {
            return problem(inventory, "a key too long");
        }
        if reference.starts_with("workspace:") || reference == "root:" {
            self.by_key.insert(key, Place::Root);
            return;
        }
        let asked = wanted(reference);
        let mut package = Package::new(Ecosystem::Npm, name, None);
        package.line = line;
        if asked.source == PackageSource::Registry {
            package.version = Some(reference.to_owned());
            let registry = items.get(1).and_then(Node::text).unwrap_or_default();
            if !registry.is_empty() {
                package.claims.resolved.extend(claimed(registry));
                package.source = match tarball(registry, name) {
                    PackageSource::Url { url } => PackageSource::OtherRegistry { url },
                    source => source,
                };
            }
        } else {
            package.source = asked.source;
        }
        let installed_as = last_name(key);
        package.alias = (installed_as != name).then(|| installed_as.to_owned());
        let digest = items.iter().skip(1).rev().filter_map(Node::text).find(|text| text.starts_with("sha"));
        if digest.is_some_and(|text| !integrity(text, &mut package.hashes)) {
            problem(inventory, "a digest that cannot be read");
        }
        if let Some(said) = items.iter().skip(1).find(|item| matches!(item.value, Value::Table(_))) {
            self.packages.push((inventory.packages.len(), key, said));
        }
        self.by_key.insert(key, Place::Package(inventory.packages.len()));
        inventory.packages.push(package);
    }

    /// The package that `name` means to the package under a key: its own, or one further up.
    fn find(&self, key: &str, name: &str) -> Option<Place> {
        let mut above = key;
        while !above.is_empty() && self.tried.get() < MAXIMUM_TRIED {
            self.tried.set(self.tried.get() + above.len() + name.len());
            if let Some(place) = self.by_key.get(format!("{above}/{name}").as_str()) {
                return Some(*place);
            }
            let own = last_name(above);
            above = above[..above.len() - own.len()].trim_end_matches('/');
        }
        self.by_key.get(name).copied()
    }

    fn edges(&self, inventory: &mut Inventory, optional: &mut OptionalEdges) {
        for (from, key, said) in &self.packages {
            let mut problems: Vec<Problem> = Vec::new();
            let Some(mut fields) = Fields::of(said, key, &mut problems) else { continue };
            for ask in asks(&mut fields).iter().filter(|ask| ask.scope != Scope::Development) {
                match self.find(key, ask.name) {
                    Some(Place::Package(to)) => {
                        inventory.packages[*from].dependencies.push(to);
                        let package = &mut inventory.packages[to];
                        if is_another(ask.name, ask.wanted, &package.name) {
                            package.claims.instead_of.get_or_insert_with(|| ask.name.to_owned());
                        }
                        if ask.scope == Scope::Optional {
                            optional.insert((*from, to));
                        }
                    }
                    Some(Place::Root) => {}
                    None if ask.peer || ask.scope == Scope::Optional => {}
                    None => {
                        let what = format!("`{}` needs `{}`, which is not in the lock", shown(key), shown(ask.name));
                        fields.problem_at(ask.line, &what);
                    }
                }
            }
            tell(&mut inventory.problems, &mut problems);
        }
    }

    fn workspace(&self, inventory: &mut Inventory, path: &str, node: &Node<'_>) {
        let mut problems: Vec<Problem> = Vec::new();
        if let Some(mut fields) = Fields::of(node, path, &mut problems) {
            let name = fields.text("name");
            let mut root = Root {
                name: name.map(str::to_owned),
                version: fields.text("version").map(str::to_owned),
                path: path.to_owned(),
                dependencies: Vec::new(),
            };
            for ask in asks(&mut fields) {
                let key = if path.is_empty() {
                    ""
                } else {
                    name.filter(|name| name.len() <= MAXIMUM_KEY).unwrap_or_default()
                };
                match self.find(key, ask.name) {
                    Some(Place::Package(to)) => {
                        root.dependencies.push((to, ask.scope));
                        let package = &mut inventory.packages[to];
                        if is_another(ask.name, ask.wanted, &package.name) {
                            package.claims.instead_of.get_or_insert_with(|| ask.name.to_owned());
                        }
                        package.requirement.get_or_insert_with(|| public(ask.wanted).into_owned());
                    }
                    None if !ask.peer && ask.scope != Scope::Optional => {
                        let what = format!("`{}` needs `{}`, which is not in the lock", shown(path), shown(ask.name));
                        fields.problem_at(ask.line, &what);
                    }
                    _ => {}
                }
            }
            inventory.roots.push(root);
        }
        tell(&mut inventory.problems, &mut problems);
    }
}

/// The last package of a key: `b` of `a/b`, `@s/b` of `a/@s/b`.
fn last_name(key: &str) -> &str {
    let Some((before, _)) = key.rsplit_once('/') else { return key };
    let scope = before.rsplit('/').next().unwrap_or(before);
    match scope.starts_with('@') {
        true => &key[before.len() - scope.len()..],
        false => &key[before.len() + 1..],
    }
}

#[cfg(test)]
mod tests {
    use provost_model::Scopes;

    use super::*;
    use crate::lock::testing::{find, read_with};

    const LOCK: &str = r#"// bun
{
  "lockfileVersion": 1,
  "workspaces": {
    "": { "name": "app", "dependencies": { "@s/a": "^1.0.0", "al": "npm:real@3" }, "devDependencies": { "g": "github:o/g", }, },
    "packages/lib": { "name": "@s/lib", "version": "0.1.0", "optionalDependencies": { "b": "1" } },
  },
  "packages": {
    "@s/a": ["@s/a@1.0.0", "", { "dependencies": { "b": "^2" }, "peerDependencies": { "gone": "1" } }, "sha512-AAEC"],
    "@s/lib": ["@s/lib@workspace:packages/lib"],
    "@s/lib/b": ["b@1.0.0", "https://npm.example/", {}, "sha512-AAEC"],
    "al": ["real@3.0.0", "", { "dependencies": { "missing": "1" } }, "sha512-AAEC"],
    "b": ["b@2.0.0", "", { "dependencies": { "c": "1" } }, "sha512-AAEC"],
    "b/c": ["c@1.0.0", "", {}, "sha512-AAEC"],
    "f": ["f@file:./f", {}],
    "g": ["g@github:o/g#0123456", { "dependencies": { "b": "2" } }, "o-g-0123456"],
    "bad": [1],
  },
}"#;

    #[test]
    fn reads_packages_by_their_keys() {
        let inventory = read_with("bun.lock", LOCK, &[]).unwrap();
        assert_eq!(inventory.kind, "bun.lock v1");
        let a = find(&inventory, "@s/a", "1.0.0");
        assert_eq!(inventory.packages[a.dependencies[0]].version.as_deref(), Some("2.0.0"));
        assert_eq!((a.line, a.direct, a.requirement.as_deref()), (Some(9), Some(true), Some("^1.0.0")));
        assert_eq!(find(&inventory, "real", "3.0.0").alias.as_deref(), Some("al"));
        let b = find(&inventory, "b", "1.0.0");
        assert_eq!((b.scopes, b.direct), (Scopes::only(Scope::Optional), Some(true)));
        assert_eq!(b.source, PackageSource::OtherRegistry { url: "https://npm.example/".into() });
        assert_eq!(find(&inventory, "c", "1.0.0").direct, Some(false));
        let g = inventory.packages.iter().find(|package| package.name == "g").unwrap();
        assert!(g.version.is_none() && g.scopes.is_development_only());
        assert!(matches!(g.source, PackageSource::Git { revision: Some(_), .. }));
        assert_eq!(inventory.roots[1].path, "packages/lib");
        assert_eq!(inventory.problems.len(), 2, "{:?}", inventory.problems);
    }

    #[test]
    fn the_binary_form_is_named_and_others_refused() {
        assert!(read_with("bun.lockb", "#!/usr/bin/env bun", &[]).unwrap_err().what.contains("--save-text-lockfile"));
        assert!(read_with("bun.lock", "{}", &[]).is_err());
        assert!(read_with("bun.lock", "{\"lockfileVersion\": 1, \"packages\": {", &[]).is_err());
    }

    #[test]
    fn names_within_keys() {
        for (key, name) in [("a", "a"), ("@s/a", "@s/a"), ("a/b", "b"), ("a/@s/b", "@s/b"), ("@s/a/b", "b"), ("/", "")]
        {
            assert_eq!(last_name(key), name, "{key}");
        }
    }

    #[test]
    fn entries_of_other_packages_than_asked_for() {
        let instead = |wanted: &str| {
            let text = format!(
                r#"{{"lockfileVersion": 1, "workspaces": {{"": {{"name": "app", "dependencies": {{"a": "{wanted}"}}}}}},
                "packages": {{"a": ["evil@1.0.0", "", {{}}, "sha512-AAEC"]}}}}"#
            );
            let inventory = crate::lock::testing::read_with("bun.lock", &text, &[]).unwrap();
            inventory.packages[0].claims.instead_of.clone()
        };
        assert_eq!(instead("^1.0.0").as_deref(), Some("a"));
        assert_eq!(instead("npm:evil@^1"), None);
    }
}
