//! NuGet: `packages.lock.json` (learn.microsoft.com, "Locking dependencies"), `packages.config`.

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, Problem, Root, Scope, Scopes};

use super::graph::{OptionalEdges, Unknown, full, spread};
use super::source::of_base64;
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell, xml};
use super::{Input, LockError, Reader};

/// What NuGet writes.
pub(crate) const READERS: &[Reader] = &[
    Reader {
        id: "nuget-lock",
        wants: |path| super::named(path, "packages.lock.json") || is_named_lock(path),
        read,
        covered_by: &[],
    },
    Reader {
        id: "nuget-config",
        wants: |path| path.rsplit('/').next().is_some_and(|name| name.eq_ignore_ascii_case("packages.config")),
        read: config,
        covered_by: &["nuget-lock"],
    },
];

/// `packages.NAME.lock.json`: of one project among several in a directory.
fn is_named_lock(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.starts_with("packages.") && name.ends_with(".lock.json")
}

/// The digest that NuGet keeps: of a package without its signature, so not that of the file a registry hands out.
pub(crate) fn content_hash(text: &str) -> Option<PackageHash> {
    of_base64("nuget-content-sha512", text.strip_prefix("sha512-").unwrap_or(text))
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    let version = tree.root.get("version").and_then(Node::scalar).map(|version| format!(" v{}", shown(version)));
    let kind = format!("packages.lock.json{}", version.unwrap_or_default());
    let mut inventory = Inventory::new(kind, Completeness::Graph);
    inventory.problems = tree.problems;
    let frameworks = match tree.root.get("dependencies") {
        Some(node) if matches!(node.value, Value::Table(_)) => node.entries(),
        Some(node) => return Err(LockError::at(node.line.into(), "`dependencies` is not a table")),
        None if matches!(tree.root.value, Value::Table(_)) => &[],
        None => return Err(LockError::new("not a table: no lockfile of NuGet")),
    };
    let mut same: HashMap<(String, Option<String>), usize> = HashMap::new();
    let mut projects: HashSet<String> = HashSet::new();
    let mut direct = Vec::new();
    let mut places: HashMap<(&str, String), Place> = HashMap::new();
    for (framework, packages) in frameworks {
        for (name, node) in packages.entries() {
            let mut problems: Vec<Problem> = Vec::new();
            let Some(mut fields) = Fields::of(node, name, &mut problems) else {
                tell(&mut inventory.problems, &mut problems);
                continue;
            };
            let kind = fields.text("type").unwrap_or_default();
            let place = if kind.eq_ignore_ascii_case("project") {
                if projects.insert(name.to_lowercase()) {
                    let name = Some(name.to_string());
                    inventory.roots.push(Root { name, version: None, path: String::new(), dependencies: Vec::new() });
                }
                Place::Project
            } else if full(&mut inventory) {
                break;
            } else {
                let version = fields.text("resolved").map(str::to_owned);
                if version.is_none() {
                    fields.problem("has no resolved version");
                }
                let index = *same.entry((name.to_lowercase(), version.clone())).or_insert_with(|| {
                    inventory.packages.push(Package::new(Ecosystem::NuGet, name.as_ref(), version));
                    inventory.packages.len() - 1
                });
                let package = &mut inventory.packages[index];
                package.line = package.line.or(fields.line());
                if let Some(text) = fields.text("contentHash") {
                    match content_hash(text) {
                        Some(hash) if package.hashes.contains(&hash) => {}
                        Some(hash) => package.hashes.push(hash),
                        None => fields.problem("a `contentHash` that cannot be read"),
                    }
                }
                if kind.eq_ignore_ascii_case("direct") {
                    direct.push(index);
                    package.requirement =
                        package.requirement.take().or_else(|| fields.text("requested").map(str::to_owned));
                }
                Place::Package(index)
            };
            places.insert((framework.as_ref(), name.to_lowercase()), place);
            tell(&mut inventory.problems, &mut problems);
        }
        if !matches!(packages.value, Value::Table(_)) {
            note(&mut inventory.problems, Some(packages.line.into()), format!("`{}` is not a table", shown(framework)));
        }
    }
    let mut unknown = direct;
    for (framework, packages) in frameworks {
        // What one platform needs beyond its framework stands apart: `net8.0/linux-x64`.
        let base = framework.split('/').next().unwrap_or(framework);
        for (name, node) in packages.entries() {
            let Some(from) = places.get(&(framework.as_ref(), name.to_lowercase())).copied() else { continue };
            for (wanted, _) in node.get("dependencies").map(Node::entries).unwrap_or_default() {
                let wanted = wanted.to_lowercase();
                let to = [framework.as_ref(), base].iter().find_map(|place| places.get(&(*place, wanted.clone())));
                match (from, to) {
                    (Place::Package(from), Some(Place::Package(to))) => inventory.packages[from].dependencies.push(*to),
                    (Place::Project, Some(Place::Package(to))) => unknown.push(*to),
                    (_, Some(Place::Project)) => {}
                    (_, None) => {
                        let what = format!("`{}` needs `{}`, which is not in the lock", shown(name), shown(&wanted));
                        note(&mut inventory.problems, Some(node.line.into()), what);
                    }
                }
            }
        }
    }
    // The lock does not say which packages are for development alone (`PrivateAssets`).
    spread(&mut inventory, &OptionalEdges::new(), &Unknown::Reasons(unknown));
    Ok(inventory)
}

#[derive(Clone, Copy)]
enum Place {
    Package(usize),
    /// Another project that this one refers to.
    Project,
}

fn config(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let root = xml::parse(&text)?;
    let mut inventory = Inventory::new("packages.config", Completeness::List);
    if !root.is("packages") {
        return Err(LockError::at(root.line.into(), "no `packages` element: no packages.config"));
    }
    for element in root.children.iter().filter(|element| element.is("package")) {
        if full(&mut inventory) {
            break;
        }
        let line = Some(u64::from(element.line));
        let name = element.said("id").filter(|name| !name.is_empty());
        let version = element.said("version").filter(|version| !version.is_empty());
        let (Some(name), Some(version)) = (name, version) else {
            note(&mut inventory.problems, line, "a package without id or version");
            continue;
        };
        let mut package = Package::new(Ecosystem::NuGet, name, Some(version.to_owned()));
        let development = element.said("developmentDependency").is_some_and(|said| said.eq_ignore_ascii_case("true"));
        package.scopes = Scopes::only(if development { Scope::Development } else { Scope::Production });
        package.requirement = element.said("allowedVersions").map(str::to_owned);
        package.line = line;
        inventory.packages.push(package);
    }
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use crate::lock::testing::{find, read_with};

    #[test]
    fn reads_the_lock() {
        let text = r#"{"version": 2, "dependencies": {
  "net8.0": {
    "A.B": {"type": "Direct", "requested": "[1.0.0, )", "resolved": "1.0.0", "contentHash": "AAEC", "dependencies": {"C": "1.0.0"}},
    "c": {"type": "Transitive", "resolved": "1.0.1", "contentHash": "AAEC"},
    "other": {"type": "Project", "dependencies": {"D": "1.0.0", "Gone": "1"}},
    "D": {"type": "CentralTransitive", "resolved": "1.0.0"},
    "E": 1
  },
  "net8.0/linux-x64": { "F": {"type": "Transitive", "resolved": "2.0.0", "dependencies": {"C": "1.0.0"}} },
  "net9.0": { "A.B": {"type": "Direct", "requested": "[1.0.0, )", "resolved": "1.0.0", "contentHash": "AAEC"} }
}}"#;
        let inventory = read_with("src/packages.lock.json", text, &[]).unwrap();
        assert_eq!((inventory.kind.as_str(), inventory.packages.len()), ("packages.lock.json v2", 4));
        let first = find(&inventory, "A.B", "1.0.0");
        assert_eq!((first.direct, first.line, first.requirement.as_deref()), (Some(true), Some(3), Some("[1.0.0, )")));
        assert_eq!((first.dependencies.as_slice(), first.hashes.len(), first.scopes.is_empty()), (&[1][..], 1, true));
        assert_eq!(find(&inventory, "F", "2.0.0").dependencies, [1]);
        assert_eq!(find(&inventory, "c", "1.0.1").direct, Some(false));
        assert_eq!(inventory.roots[0].name.as_deref(), Some("other"));
        assert_eq!(inventory.problems.len(), 2, "{:?}", inventory.problems);
        for text in ["[]", "{\"dependencies\": 1}", ""] {
            assert!(read_with("packages.lock.json", text, &[]).is_err());
        }
        assert!(crate::lock::reader_of("packages.app.lock.json").is_some());
    }

    #[test]
    fn reads_the_configuration() {
        let text = "\u{feff}<?xml version=\"1.0\"?>\r\n<packages>\r\n  <package id=\"A\" version=\"1.0\" targetFramework=\"net46\"/>\r\n  <package id=\"B\" version=\"2.0\" developmentDependency=\"true\" allowedVersions=\"[2,3)\"/>\r\n  <package id=\"C\"/>\r\n</packages>";
        let inventory = read_with("Packages.config", text, &[]).unwrap();
        assert_eq!(find(&inventory, "A", "1.0").line, Some(3));
        let b = find(&inventory, "B", "2.0");
        assert!(b.scopes.is_development_only() && b.requirement.as_deref() == Some("[2,3)"));
        assert_eq!(inventory.problems.len(), 1);
        assert!(read_with("packages.config", "<a/>", &[]).is_err());
    }
}
