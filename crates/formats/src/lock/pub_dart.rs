//! `pubspec.lock` and `pubspec.yaml` (dart.dev, "The pubspec file").

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope, Scopes};

use super::graph::{declare, full};
use super::javascript::exact;
use super::source::{of_hex, public};
use super::tree::{Fields, Node, Value, decode, note, shown, tell, yaml};
use super::{Input, LockError, Reader};

/// What Dart's pub writes and reads.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "pub-lock", wants: |path| super::named(path, "pubspec.lock"), read, covered_by: &[] },
    Reader {
        id: "pub-manifest",
        wants: |path| super::named(path, "pubspec.yaml") || super::named(path, "pubspec.yml"),
        read: manifest,
        covered_by: &["pub-lock"],
    },
];

/// What a project asks for, by the table that it stands in.
const KINDS: [(&str, Scope); 2] = [("dependencies", Scope::Production), ("dev_dependencies", Scope::Development)];

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = yaml::parse(&text)?;
    let mut inventory = Inventory::new("pubspec.lock", Completeness::List);
    inventory.problems = tree.problems;
    let packages = match tree.root.get("packages") {
        Some(node) if matches!(node.value, Value::Table(_)) => node.entries(),
        Some(node) => return Err(LockError::at(node.line.into(), "`packages` is not a table")),
        None if matches!(tree.root.value, Value::Table(_) | Value::Null) => &[],
        None => return Err(LockError::new("not a table: no lockfile of pub")),
    };
    let bytes = (input.beside)("pubspec.yaml");
    let pubspec = bytes.as_deref().and_then(|bytes| decode(bytes).ok());
    let pubspec = pubspec.as_deref().and_then(|text| yaml::parse(text).ok());
    let mut asked: HashMap<&str, (&Node<'_>, Scope)> = HashMap::new();
    for (key, scope) in KINDS.into_iter().rev() {
        for (name, node) in pubspec.as_ref().and_then(|tree| tree.root.get(key)).map(Node::entries).unwrap_or_default()
        {
            asked.insert(name, (node, scope));
        }
    }
    let said = |key| pubspec.as_ref().and_then(|tree| tree.root.get(key)).and_then(Node::text).map(str::to_owned);
    let mut root = Root { name: said("name"), version: said("version"), path: String::new(), dependencies: Vec::new() };
    for (name, node) in packages {
        if full(&mut inventory) {
            break;
        }
        let mut problems: Vec<Problem> = Vec::new();
        if let Some(mut fields) = Fields::of(node, name, &mut problems) {
            let version = fields.scalar("version").map(str::to_owned);
            if version.is_none() {
                fields.problem("has no version");
            }
            let mut package = Package::new(Ecosystem::Pub, name.as_ref(), version);
            package.line = Some(node.line.into());
            let asked = asked.get(name.as_ref());
            let scope = match fields.text("dependency") {
                Some("direct main") => Some(Scope::Production),
                Some("direct dev") => Some(Scope::Development),
                Some(kind) if kind.starts_with("direct") => asked.map(|(_, scope)| *scope),
                _ => None,
            };
            package.direct = fields.get("dependency").and_then(Node::text).map(|kind| kind.starts_with("direct"));
            package.requirement = asked.and_then(|(node, _)| requirement(node));
            if let Some(scope) = scope {
                package.scopes = Scopes::only(scope);
                root.dependencies.push((inventory.packages.len(), scope));
            }
            source(&mut fields, &mut package);
            inventory.packages.push(package);
        }
        tell(&mut inventory.problems, &mut problems);
    }
    inventory.roots.push(root);
    Ok(inventory)
}

/// Where a package comes from, and its digest.
fn source(fields: &mut Fields<'_, '_, '_>, package: &mut Package) {
    let description = fields.get("description");
    let said = |key| description.and_then(|node| node.get(key)).and_then(Node::text);
    package.source = match (fields.text("source"), said("url"), said("path")) {
        (Some("hosted"), Some(url), _) => hosted(url),
        (Some("git"), Some(url), _) => {
            PackageSource::Git { url: public(url).into_owned(), revision: said("resolved-ref").map(str::to_owned) }
        }
        (Some("path"), _, Some(path)) => PackageSource::Path { path: path.to_owned() },
        (Some("sdk"), ..) => sdk(description.and_then(Node::text).unwrap_or("dart")),
        _ => PackageSource::Registry,
    };
    if let Some(text) = said("sha256").filter(|text| !text.is_empty()) {
        match of_hex("sha256", text) {
            Some(hash) => package.hashes.push(hash),
            None => fields.problem("a `sha256` that cannot be read"),
        }
    }
}

fn hosted(url: &str) -> PackageSource {
    match url.trim_end_matches('/') {
        "https://pub.dev" | "https://pub.dartlang.org" => PackageSource::Registry,
        url => PackageSource::OtherRegistry { url: public(url).into_owned() },
    }
}

/// A package that comes with the SDK.
fn sdk(name: &str) -> PackageSource {
    PackageSource::OtherRegistry { url: format!("sdk:{}", shown(name)) }
}

/// The versions that a dependency of a manifest asks for.
fn requirement(node: &Node<'_>) -> Option<String> {
    node.text().or_else(|| node.get("version")?.text()).map(str::to_owned)
}

fn manifest(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = yaml::parse(&text)?;
    let mut inventory = Inventory::new("pubspec.yaml", Completeness::Declared);
    inventory.problems = tree.problems;
    let mut problems: Vec<Problem> = Vec::new();
    let Some(mut fields) = Fields::of(&tree.root, "pubspec.yaml", &mut problems) else {
        return Err(LockError::new("not a table: no pubspec.yaml"));
    };
    let (name, version) = (fields.text("name").map(str::to_owned), fields.scalar("version").map(str::to_owned));
    let mut root = Root { name, version, path: String::new(), dependencies: Vec::new() };
    for (key, scope) in KINDS {
        for (name, node) in fields.table(key) {
            if full(&mut inventory) {
                break;
            }
            let wanted = requirement(node);
            let version = wanted.as_deref().and_then(exact).map(str::to_owned);
            let mut package = Package::new(Ecosystem::Pub, name.as_ref(), version);
            let said = |key| node.get(key).and_then(Node::text);
            let git = node.get("git").and_then(|git| git.text().or_else(|| git.get("url")?.text()));
            let server = node.get("hosted").and_then(|server| server.text().or_else(|| server.get("url")?.text()));
            package.source = match (git, said("path"), said("sdk"), server) {
                (Some(url), ..) => PackageSource::Git { url: public(url).into_owned(), revision: None },
                (_, Some(path), ..) => PackageSource::Path { path: path.to_owned() },
                (_, _, Some(name), _) => sdk(name),
                (.., Some(url)) => hosted(url),
                _ => PackageSource::Registry,
            };
            if matches!(node.value, Value::List(_) | Value::Bool(_)) {
                note(&mut inventory.problems, Some(node.line.into()), format!("`{}` is {}", shown(name), node.kind()));
            }
            package.requirement = wanted;
            declare(&mut inventory, &mut root, package, scope, Some(node.line.into()));
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

    const PUBSPEC: &str = "name: app
version: 1.0.0
dependencies:
  http: ^1.0.0
  flutter: {sdk: flutter}
  fork: {git: {url: 'https://git.example/fork', ref: main}}
  any:
dev_dependencies:
  test: 1.2.3
  odd: [1]
";

    #[test]
    fn reads_the_lock() {
        let text = "packages:
  http:
    dependency: \"direct main\"
    description: {name: http, sha256: 00FF, url: 'https://pub.dev'}
    source: hosted
    version: \"1.1.0\"
  test: {dependency: direct dev, description: {name: test, url: 'https://dart.example/'}, source: hosted, version: 1.2.3}
  fork: {dependency: direct overridden, description: {url: 'https://git.example/fork', resolved-ref: 0123456}, source: git, version: 0.1.0}
  flutter: {dependency: direct main, description: flutter, source: sdk, version: 0.0.0}
  own: {dependency: transitive, description: {path: ../own, relative: true}, source: path, version: 0.2.0}
  bad: 1
";
        let inventory = read_with("pubspec.lock", text, &[("pubspec.yaml", PUBSPEC)]).unwrap();
        let http = find(&inventory, "http", "1.1.0");
        assert_eq!((http.direct, http.line, http.requirement.as_deref()), (Some(true), Some(2), Some("^1.0.0")));
        assert_eq!((http.hashes[0].value.as_str(), &http.source), ("00ff", &PackageSource::Registry));
        let test = find(&inventory, "test", "1.2.3");
        assert!(test.scopes.is_development_only());
        assert_eq!(test.source, PackageSource::OtherRegistry { url: "https://dart.example".into() });
        let fork = find(&inventory, "fork", "0.1.0");
        assert_eq!(fork.scopes, Scopes::only(Scope::Production));
        assert!(matches!(&fork.source, PackageSource::Git { revision: Some(revision), .. } if revision == "0123456"));
        let own = find(&inventory, "own", "0.2.0");
        assert_eq!((own.direct, own.scopes.is_empty()), (Some(false), true));
        assert_eq!(inventory.roots[0].name.as_deref(), Some("app"));
        assert_eq!(inventory.problems.len(), 1);
        assert!(read_with("pubspec.lock", "packages: 1", &[]).is_err());
    }

    #[test]
    fn reads_what_is_declared() {
        let inventory = read_with("pubspec.yaml", PUBSPEC, &[]).unwrap();
        let found: Vec<_> = inventory.packages.iter().map(|p| (p.name.as_str(), p.version.as_deref())).collect();
        let all =
            [("http", None), ("flutter", None), ("fork", None), ("any", None), ("test", Some("1.2.3")), ("odd", None)];
        assert_eq!(found, all);
        assert_eq!(inventory.packages[1].source, PackageSource::OtherRegistry { url: "sdk:flutter".into() });
        assert_eq!(inventory.problems.len(), 1);
    }
}
