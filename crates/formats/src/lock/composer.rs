//! `composer.lock` and `composer.json` (getcomposer.org, `composer-schema.json`; `Package/Locker.php`).

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope, Scopes};

use super::graph::{OptionalEdges, Unknown, declare, full, spread};
use super::javascript::{claimed, exact};
use super::source::{git, of_hex, public};
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell};
use super::{Input, LockError, Reader};

/// What Composer writes and reads.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "composer-lock", wants: |path| super::named(path, "composer.lock"), read, covered_by: &[] },
    Reader {
        id: "composer-manifest",
        wants: |path| super::named(path, "composer.json"),
        read: manifest,
        covered_by: &["composer-lock"],
    },
];

/// Packages that one name may stand for.
const MAXIMUM_STANDING: usize = 64;

/// What a project asks for, by the table that it stands in.
const KINDS: [(&str, Scope); 2] = [("require", Scope::Production), ("require-dev", Scope::Development)];

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    if !matches!(tree.root.value, Value::Table(_)) {
        return Err(LockError::new(format!("{} instead of a table: no lockfile of Composer", tree.root.kind())));
    }
    let mut inventory = Inventory::new("composer.lock", Completeness::Graph);
    inventory.problems = tree.problems;
    let mut nodes: Vec<&Node<'_>> = Vec::new();
    let mut marks: Vec<Scope> = Vec::new();
    for (key, scope) in [("packages", Scope::Production), ("packages-dev", Scope::Development)] {
        let Some(list) = tree.root.get(key) else { continue };
        if !matches!(list.value, Value::List(_)) {
            note(&mut inventory.problems, Some(list.line.into()), format!("`{key}` is {}, not a list", list.kind()));
        }
        for node in list.items() {
            if full(&mut inventory) {
                break;
            }
            let mut problems: Vec<Problem> = Vec::new();
            let package = Fields::of(node, "package", &mut problems).and_then(|mut fields| package(&mut fields));
            tell(&mut inventory.problems, &mut problems);
            if let Some(package) = package {
                inventory.packages.push(package);
                nodes.push(node);
                marks.push(scope);
            }
        }
    }
    let names = Names::of(&inventory, &nodes);
    for (from, node) in nodes.iter().enumerate() {
        let mut problems: Vec<Problem> = Vec::new();
        let name = inventory.packages[from].name.clone();
        if let Some(mut fields) = Fields::of(node, &name, &mut problems) {
            for (wanted, _, line) in fields.texts("require") {
                match names.find(wanted) {
                    [] if is_platform(wanted) => {}
                    [] => {
                        let what = format!("`{}` needs `{}`, which is not in the lock", shown(&name), shown(wanted));
                        fields.problem_at(line, &what);
                    }
                    found => inventory.packages[from].dependencies.extend(found),
                }
            }
        }
        tell(&mut inventory.problems, &mut problems);
    }
    let known = project(&mut inventory, input, &names);
    spread(&mut inventory, &OptionalEdges::new(), if known { &Unknown::Nothing } else { &Unknown::Projects });
    // Which list a package stands in is what Composer installs by.
    for (package, scope) in inventory.packages.iter_mut().zip(marks) {
        let needed = package.scopes.contains(Scope::Production);
        package.scopes = Scopes::only(if needed { Scope::Production } else { scope });
    }
    Ok(inventory)
}

/// Packages by their names and by those that they replace or provide.
struct Names<'n> {
    by_name: HashMap<String, Vec<usize>>,
    standing_for: HashMap<&'n str, Vec<usize>>,
}

impl<'n> Names<'n> {
    fn of(inventory: &Inventory, nodes: &[&'n Node<'_>]) -> Self {
        let mut names = Self { by_name: HashMap::new(), standing_for: HashMap::new() };
        let add = |list: &mut Vec<usize>, at| {
            if list.len() < MAXIMUM_STANDING {
                list.push(at);
            }
        };
        for (at, (package, node)) in inventory.packages.iter().zip(nodes).enumerate() {
            add(names.by_name.entry(package.name.clone()).or_default(), at);
            for key in ["replace", "provide"] {
                for (name, _) in node.get(key).map(Node::entries).unwrap_or_default() {
                    add(names.standing_for.entry(name).or_default(), at);
                }
            }
        }
        names
    }

    fn find(&self, name: &str) -> &[usize] {
        let own = self.by_name.get(&name.to_ascii_lowercase());
        own.or_else(|| self.standing_for.get(name)).map(Vec::as_slice).unwrap_or_default()
    }
}

/// PHP itself, its extensions and Composer's interfaces are no packages.
fn is_platform(name: &str) -> bool {
    !name.contains('/')
}

fn package(fields: &mut Fields<'_, '_, '_>) -> Option<Package> {
    let Some(name) = fields.text("name") else {
        fields.problem("has no name");
        return None;
    };
    let version = fields.text("version").or_else(|| {
        fields.problem("has no version");
        None
    });
    let mut package = Package::new(Ecosystem::Packagist, name.to_ascii_lowercase(), version.map(str::to_owned));
    package.line = fields.line();
    package.licence = licence(fields);
    package.install_script = matches!(fields.text("type"), Some("composer-plugin" | "composer-installer"));
    package.deprecated = match fields.get("abandoned").map(|node| &node.value) {
        Some(Value::Text(other)) => Some(format!("abandoned; use {other}")),
        Some(Value::Bool(true)) => Some("abandoned".to_owned()),
        _ => None,
    };
    let within = |table: &str, key: &str| fields.get(table).and_then(|node| node.get(key)).and_then(Node::text);
    if let Some(hash) = within("dist", "shasum").and_then(|text| of_hex("sha1", text)) {
        package.hashes.push(hash);
    }
    let revision = within("source", "reference").map(str::to_owned);
    let dist = within("dist", "url");
    package.claims.resolved.extend(dist.and_then(claimed));
    package.source = match (fields.get("notification-url").and_then(Node::text), within("source", "url")) {
        (Some(url), _) if url.starts_with("https://packagist.org/") => PackageSource::Registry,
        (Some(url), _) => PackageSource::OtherRegistry { url: public(url).into_owned() },
        _ if within("dist", "type") == Some("path") => {
            PackageSource::Path { path: dist.unwrap_or_default().to_owned() }
        }
        (None, Some(url)) => PackageSource::Git { url: public(url).into_owned(), revision },
        (None, None) => match dist {
            Some(url) => git(url).unwrap_or_else(|| PackageSource::Url { url: public(url).into_owned() }),
            None => PackageSource::Registry,
        },
    };
    Some(package)
}

/// Several licences are a choice (getcomposer.org, "license").
fn licence(fields: &Fields<'_, '_, '_>) -> Option<String> {
    let node = fields.get("license")?;
    let list: Vec<&str> = node.text().into_iter().chain(node.items().iter().filter_map(Node::text)).collect();
    (!list.is_empty()).then(|| list.join(" OR "))
}

/// What the project itself asks for. False where its manifest is not there.
fn project(inventory: &mut Inventory, input: &Input<'_>, names: &Names<'_>) -> bool {
    let Some(bytes) = (input.beside)("composer.json") else { return false };
    let Ok(text) = decode(&bytes) else { return false };
    let Ok(tree) = json::parse(&text) else { return false };
    let mut ignored = Vec::new();
    let Some(mut fields) = Fields::of(&tree.root, "composer.json", &mut ignored) else { return false };
    let mut root = root(&mut fields);
    for (key, scope) in KINDS {
        for (name, wanted, _) in fields.texts(key) {
            for index in names.find(name) {
                root.dependencies.push((*index, scope));
                inventory.packages[*index].requirement.get_or_insert_with(|| wanted.to_owned());
            }
        }
    }
    inventory.roots.push(root);
    true
}

fn root(fields: &mut Fields<'_, '_, '_>) -> Root {
    Root {
        name: fields.text("name").map(str::to_owned),
        version: fields.text("version").map(str::to_owned),
        path: String::new(),
        dependencies: Vec::new(),
    }
}

fn manifest(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    let mut inventory = Inventory::new("composer.json", Completeness::Declared);
    inventory.problems = tree.problems;
    let mut problems: Vec<Problem> = Vec::new();
    let Some(mut fields) = Fields::of(&tree.root, "composer.json", &mut problems) else {
        return Err(LockError::new("not a table: no composer.json"));
    };
    let mut root = root(&mut fields);
    for (key, scope) in KINDS {
        for (name, wanted, line) in fields.texts(key) {
            if is_platform(name) {
                continue;
            }
            if full(&mut inventory) {
                break;
            }
            let version = exact(wanted).map(str::to_owned);
            let mut package = Package::new(Ecosystem::Packagist, name.to_ascii_lowercase(), version);
            package.requirement = Some(wanted.to_owned());
            declare(&mut inventory, &mut root, package, scope, Some(line.into()));
        }
    }
    tell(&mut inventory.problems, &mut problems);
    inventory.roots.push(root);
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::{find, read_with};

    const LOCK: &str = r#"{
  "packages": [
    { "name": "Own/App-Core", "version": "v1.2.0", "type": "composer-plugin",
      "source": {"type": "git", "url": "https://secret@git.example/core.git", "reference": "0123"},
      "require": {"php": ">=8", "ext-json": "*", "psr/log-implementation": "1", "gone/gone": "1"},
      "license": ["MIT", "BSD-3-Clause"], "abandoned": "other/core" },
    { "name": "mono/log", "version": "2.0.0", "provide": {"psr/log-implementation": "1"},
      "dist": {"type": "zip", "url": "https://api.github.com/x", "shasum": "ABCD"},
      "notification-url": "https://packagist.org/downloads/" },
    { "version": "1" }
  ],
  "packages-dev": [ { "name": "test/unit", "version": "9.0", "dist": {"type": "path", "url": "../unit"} } ]
}"#;

    #[test]
    fn reads_the_lock() {
        let manifest = r#"{"name": "own/app", "require": {"own/app-core": "^1"}, "require-dev": {"test/unit": "*"}}"#;
        let inventory = read_with("composer.lock", LOCK, &[("composer.json", manifest)]).unwrap();
        let core = find(&inventory, "own/app-core", "v1.2.0");
        assert_eq!((core.direct, core.line, core.install_script), (Some(true), Some(3), true));
        assert_eq!(core.licence.as_deref(), Some("MIT OR BSD-3-Clause"));
        assert_eq!(core.deprecated.as_deref(), Some("abandoned; use other/core"));
        let source = PackageSource::Git { url: "https://git.example/core.git".into(), revision: Some("0123".into()) };
        assert_eq!((core.source.clone(), core.dependencies.as_slice()), (source, &[1][..]));
        let log = find(&inventory, "mono/log", "2.0.0");
        assert_eq!(
            (log.hashes[0].value.as_str(), &log.source, log.direct),
            ("abcd", &PackageSource::Registry, Some(false))
        );
        let unit = find(&inventory, "test/unit", "9.0");
        assert!(unit.scopes.is_development_only());
        assert_eq!(unit.source, PackageSource::Path { path: "../unit".into() });
        assert_eq!(inventory.problems.len(), 2, "{:?}", inventory.problems);
        let inventory = read_with("composer.lock", LOCK, &[]).unwrap();
        assert_eq!(find(&inventory, "mono/log", "2.0.0").direct, None);
        assert_eq!(find(&inventory, "mono/log", "2.0.0").scopes, Scopes::only(Scope::Production));
    }

    #[test]
    fn reads_what_is_declared() {
        let text = r#"{"require": {"php": "^8", "a/b": "1.2.3", "c/d": "^1"}, "require-dev": {"e/f": "dev-main"}}"#;
        let inventory = read_with("composer.json", text, &[]).unwrap();
        let versions: Vec<_> = inventory.packages.iter().map(|p| (p.name.as_str(), p.version.as_deref())).collect();
        assert_eq!(versions, [("a/b", Some("1.2.3")), ("c/d", None), ("e/f", None)]);
        assert!(read_with("composer.json", "[]", &[]).is_err());
        assert!(read_with("composer.lock", "[]", &[]).is_err());
    }
}
