//! `Package.resolved`, versions 1 to 3 (swiftlang/swift-package-manager, `ResolvedPackagesStore.swift`), and `Podfile.lock`
//! of CocoaPods.

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope};

use super::graph::{OptionalEdges, Unknown, full, spread};
use super::source::{public, repository};
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell, yaml};
use super::{Input, LockError, Reader};

/// What the package managers of Apple's platforms write.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "swift-resolved", wants: |path| super::named(path, "Package.resolved"), read, covered_by: &[] },
    Reader { id: "podfile-lock", wants: |path| super::named(path, "Podfile.lock"), read: pods, covered_by: &[] },
];

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    let version = tree.root.get("version").and_then(Node::scalar).map(shown).unwrap_or_default();
    let mut inventory = Inventory::new(format!("Package.resolved v{version}"), Completeness::List);
    inventory.problems = tree.problems;
    if !matches!(version.as_str(), "1" | "2" | "3") {
        let what = format!("version `{version}` is not known; read as version 3");
        note(&mut inventory.problems, Some(tree.root.line.into()), what);
    }
    let pins = match tree.root.get("object").unwrap_or(&tree.root).get("pins") {
        Some(node) if matches!(node.value, Value::List(_)) => node.items(),
        Some(node) => return Err(LockError::at(node.line.into(), "`pins` is not a list")),
        None => return Err(LockError::new("no `pins`: no Package.resolved")),
    };
    for node in pins {
        if full(&mut inventory) {
            break;
        }
        let mut problems: Vec<Problem> = Vec::new();
        if let Some(mut fields) = Fields::of(node, "pin", &mut problems) {
            let location =
                fields.text("location").or_else(|| fields.text("repositoryURL")).filter(|text| !text.is_empty());
            let identity = fields.text("identity").or_else(|| fields.text("package"));
            match location.map(repository).or_else(|| identity.map(str::to_owned)) {
                None => fields.problem("has neither a location nor an identity"),
                Some(name) => {
                    let state = fields.get("state");
                    let said = |key| state.and_then(|state| state.get(key)).and_then(Node::text).map(str::to_owned);
                    let mut package = Package::new(Ecosystem::Swift, name, said("version"));
                    package.line = fields.line();
                    package.requirement = said("branch");
                    package.source = match (fields.text("kind"), location) {
                        (Some("localSourceControl"), Some(path)) => PackageSource::Path { path: path.to_owned() },
                        (Some("registry"), _) | (_, None) => PackageSource::Registry,
                        (_, Some(url)) => {
                            PackageSource::Git { url: public(url).into_owned(), revision: said("revision") }
                        }
                    };
                    if package.version.is_none() && said("revision").is_none() {
                        fields.problem("has neither a version nor a revision");
                    }
                    inventory.packages.push(package);
                }
            }
        }
        tell(&mut inventory.problems, &mut problems);
    }
    Ok(inventory)
}

/// `Name (1.0)`, apart: the version may be absent.
fn pod(text: &str) -> (&str, Option<&str>) {
    match text.split_once(" (") {
        Some((name, version)) => (name.trim(), version.strip_suffix(')')),
        None => (text.trim(), None),
    }
}

fn pods(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = yaml::parse(&text)?;
    let mut inventory = Inventory::new("Podfile.lock", Completeness::Graph);
    inventory.problems = tree.problems;
    let mut problems: Vec<Problem> = Vec::new();
    let Some(mut fields) = Fields::of(&tree.root, "Podfile.lock", &mut problems) else {
        return Err(LockError::new("not a table: no Podfile.lock"));
    };
    let elsewhere: HashMap<&str, &Node<'_>> = ["EXTERNAL SOURCES", "CHECKOUT OPTIONS"]
        .into_iter()
        .flat_map(|key| fields.table(key))
        .map(|(name, node)| (name.as_ref(), node))
        .collect();
    let mut by_name: HashMap<&str, usize> = HashMap::new();
    let mut needs: Vec<&[Node<'_>]> = Vec::new();
    for node in fields.list("PODS") {
        if full(&mut inventory) {
            break;
        }
        let (text, needed) = match node.entries() {
            [(key, needed)] => (Some(key.as_ref()), needed.items()),
            _ => (node.text(), &[][..]),
        };
        let line = Some(u64::from(node.line));
        let Some((name, Some(version))) = text.map(pod) else {
            note(&mut inventory.problems, line, "a pod that is not `name (version)`");
            continue;
        };
        let mut package = Package::new(Ecosystem::Generic, name, Some(version.to_owned()));
        package.line = line;
        // A part of a pod (`Name/Part`) comes from where the pod comes from.
        if let Some(source) = elsewhere.get(name.split('/').next().unwrap_or(name)) {
            let said = |key| source.get(key).and_then(Node::text).map(str::to_owned);
            package.source = match (said(":git"), said(":path")) {
                (Some(url), _) => PackageSource::Git { url: public(&url).into_owned(), revision: said(":commit") },
                (None, Some(path)) => PackageSource::Path { path },
                _ => PackageSource::Registry,
            };
        }
        by_name.insert(name, inventory.packages.len());
        inventory.packages.push(package);
        needs.push(needed);
    }
    for (from, needs) in needs.iter().enumerate() {
        for need in needs.iter().filter_map(Node::text) {
            if let Some(to) = by_name.get(pod(need).0) {
                inventory.packages[from].dependencies.push(*to);
            }
        }
    }
    let mut root = Root { name: None, version: None, path: String::new(), dependencies: Vec::new() };
    for wanted in fields.list("DEPENDENCIES").iter().filter_map(Node::text) {
        let (name, requirement) = pod(wanted);
        if let Some(to) = by_name.get(name) {
            root.dependencies.push((*to, Scope::Production));
            inventory.packages[*to].requirement = requirement.map(str::to_owned);
        }
    }
    let known = fields.get("DEPENDENCIES").is_some();
    tell(&mut inventory.problems, &mut problems);
    // Which targets a pod is for (the tests alone, perhaps) stands in the Podfile, which is a program.
    let asked = root.dependencies.drain(..).map(|(to, _)| to).collect();
    inventory.roots.push(root);
    let unknown = if known { Unknown::Reasons(asked) } else { Unknown::Projects };
    spread(&mut inventory, &OptionalEdges::new(), &unknown);
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::{find, read_with};

    #[test]
    fn reads_pins_of_all_versions() {
        let one = r#"{"object": {"pins": [
  {"package": "Nio", "repositoryURL": "https://github.com/apple/swift-nio.git", "state": {"branch": null, "revision": "0123", "version": "2.0.0"}},
  {"package": "Main", "repositoryURL": "git@github.com:own/main.git", "state": {"branch": "main", "revision": "4567", "version": null}}
]}, "version": 1}"#;
        let inventory = read_with("Package.resolved", one, &[]).unwrap();
        let nio = find(&inventory, "github.com/apple/swift-nio", "2.0.0");
        assert_eq!(nio.line, Some(2));
        assert!(matches!(&nio.source, PackageSource::Git { revision: Some(revision), .. } if revision == "0123"));
        let main = &inventory.packages[1];
        assert_eq!((main.name.as_str(), main.version.as_deref()), ("github.com/own/main", None));
        assert_eq!((main.requirement.as_deref(), inventory.problems.as_slice()), (Some("main"), &[][..]));

        let three = r#"{"originHash": "x", "version": 3, "pins": [
  {"identity": "mona.list", "kind": "registry", "location": "", "state": {"version": "1.0.0"}},
  {"identity": "own", "kind": "localSourceControl", "location": "/src/own", "state": {"revision": "89"}},
  {"kind": "remoteSourceControl"}, 1
]}"#;
        let inventory = read_with("Package.resolved", three, &[]).unwrap();
        assert_eq!(find(&inventory, "mona.list", "1.0.0").source, PackageSource::Registry);
        assert_eq!(inventory.packages[1].source, PackageSource::Path { path: "/src/own".into() });
        assert_eq!(inventory.problems.len(), 2);
        assert!(read_with("Package.resolved", "{}", &[]).is_err());
    }

    #[test]
    fn repositories_are_named_as_advisories_do() {
        let pairs = [
            ("https://github.com/a/b.git", "github.com/a/b"),
            ("https://token@github.com/a/b/", "github.com/a/b"),
            ("ssh://git@host:22/a/b.git", "host:22/a/b"),
            ("git@host:a/b.git", "host/a/b"),
            ("host/a", "host/a"),
        ];
        for (location, name) in pairs {
            assert_eq!(repository(location), name);
        }
    }

    #[test]
    fn reads_pods() {
        let text = "PODS:
  - A (1.0.0):
    - B/Core (~> 2.0)
  - B/Core (2.1.0)
  - odd
DEPENDENCIES:
  - A (~> 1.0)
EXTERNAL SOURCES:
  B: {:git: 'https://git.example/b.git', :branch: main}
CHECKOUT OPTIONS:
  B: {:git: 'https://git.example/b.git', :commit: 0123456}
";
        let inventory = read_with("ios/Podfile.lock", text, &[]).unwrap();
        let a = find(&inventory, "A", "1.0.0");
        assert_eq!((a.direct, a.dependencies.as_slice(), a.line), (Some(true), &[1][..], Some(2)));
        assert_eq!((a.requirement.as_deref(), a.scopes.is_empty()), (Some("~> 1.0"), true));
        let b = find(&inventory, "B/Core", "2.1.0");
        assert!(matches!(&b.source, PackageSource::Git { revision: Some(revision), .. } if revision == "0123456"));
        assert_eq!(inventory.problems.len(), 1);
    }
}
