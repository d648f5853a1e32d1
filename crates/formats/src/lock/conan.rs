//! `conan.lock` of Conan 1 and 2, and `conanfile.txt` (docs.conan.io).

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, Problem, Root, Scope, Scopes};

use super::graph::{OptionalEdges, Unknown, declare, full, spread};
use super::tree::{Fields, Node, Value, decode, json, note, shown, tell};
use super::{Input, LockError, Reader};

/// What Conan writes and reads.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "conan-lock", wants: |path| super::named(path, "conan.lock"), read, covered_by: &[] },
    Reader {
        id: "conan-manifest",
        wants: |path| super::named(path, "conanfile.txt"),
        read: manifest,
        covered_by: &["conan-lock"],
    },
];

/// A reference: `name/version@user/channel#recipe-revision:package-id#package-revision%time`.
fn reference(text: &str) -> Option<(&str, &str)> {
    let text = text.split(['#', '@', '%']).next().unwrap_or(text);
    let (name, version) = text.split_once('/')?;
    let version = version.split(':').next().unwrap_or(version);
    let is_plain = !version.contains('/') || version.starts_with('[');
    (is_plain && !name.is_empty() && !version.is_empty()).then_some((name.trim(), version.trim()))
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    if !matches!(tree.root.value, Value::Table(_)) {
        return Err(LockError::new(format!("{} instead of a table: no lockfile of Conan", tree.root.kind())));
    }
    let version = tree.root.get("version").and_then(Node::scalar).map(shown).unwrap_or_default();
    let kind = format!("conan.lock v{version}");
    match tree.root.get("graph_lock") {
        Some(graph) => graph_lock(kind, graph, tree.problems),
        None => list(kind, &tree.root, tree.problems),
    }
}

/// Conan 2: lists of references.
fn list(kind: String, root: &Node<'_>, problems: Vec<Problem>) -> Result<Inventory, LockError> {
    let mut inventory = Inventory::new(kind, Completeness::List);
    inventory.problems = problems;
    let lists = [
        ("requires", Scope::Production),
        ("build_requires", Scope::Build),
        ("python_requires", Scope::Build),
        ("config_requires", Scope::Build),
    ];
    for (key, scope) in lists {
        let Some(node) = root.get(key) else { continue };
        if !matches!(node.value, Value::List(_)) {
            let what = format!("`{key}` is {}, not a list", node.kind());
            note(&mut inventory.problems, Some(node.line.into()), what);
        }
        for item in node.items() {
            if full(&mut inventory) {
                break;
            }
            let line = Some(u64::from(item.line));
            let Some((name, version)) = item.text().and_then(reference) else {
                note(&mut inventory.problems, line, format!("`{key}`: an entry that is not `name/version`"));
                continue;
            };
            let mut package = Package::new(Ecosystem::Conan, name, Some(version.to_owned()));
            package.scopes = Scopes::only(scope);
            package.line = line;
            inventory.packages.push(package);
        }
    }
    Ok(inventory)
}

/// Conan 1: a graph of nodes; `0` is the project.
fn graph_lock(kind: String, graph: &Node<'_>, problems: Vec<Problem>) -> Result<Inventory, LockError> {
    let mut inventory = Inventory::new(kind, Completeness::Graph);
    inventory.problems = problems;
    let Some(nodes) = graph.get("nodes") else {
        return Err(LockError::at(graph.line.into(), "no `nodes` in `graph_lock`"));
    };
    if !matches!(nodes.value, Value::Table(_)) {
        return Err(LockError::at(nodes.line.into(), "`nodes` is not a table"));
    }
    let mut by_id: HashMap<&str, usize> = HashMap::new();
    // Before version 0.4 ids were no numbers: the project is then the node that has a path.
    let has_path = |entry: &&(std::borrow::Cow<'_, str>, Node<'_>)| entry.1.get("path").is_some();
    let first = nodes.entries().iter().find(|(id, _)| id == "0").or_else(|| nodes.entries().iter().find(has_path));
    let project = first.map(|(id, _)| id.as_ref());
    let mut root = None;
    for (id, node) in nodes.entries() {
        if full(&mut inventory) {
            break;
        }
        let mut problems: Vec<Problem> = Vec::new();
        if let Some(mut fields) = Fields::of(node, id, &mut problems) {
            // Before version 0.4 it was called `pref`, and had the package's id too.
            let text = fields.text("ref").or_else(|| fields.text("pref"));
            let found = text.and_then(reference);
            if project == Some(id.as_ref()) {
                let (name, version) = found.unzip();
                let (name, version) = (name.map(str::to_owned), version.map(str::to_owned));
                inventory.roots.push(Root { name, version, path: String::new(), dependencies: Vec::new() });
                root = Some(node);
            } else if let Some((name, version)) = found {
                let mut package = Package::new(Ecosystem::Conan, name, Some(version.to_owned()));
                package.line = fields.line();
                by_id.insert(id, inventory.packages.len());
                inventory.packages.push(package);
            } else {
                fields.problem("has no reference `name/version`");
            }
        }
        tell(&mut inventory.problems, &mut problems);
    }
    let ids = |node: &Node<'_>, key: &str| -> Vec<usize> {
        let Some(list) = node.get(key) else { return Vec::new() };
        let ids = list.items().iter().chain(list.entries().iter().map(|(_, id)| id));
        ids.filter_map(|id| by_id.get(id.text()?).copied()).collect()
    };
    let mut tools: Vec<(Option<usize>, usize)> = Vec::new();
    for (id, node) in nodes.entries() {
        let from = by_id.get(id.as_ref()).copied();
        tools.extend(ids(node, "build_requires").into_iter().map(|to| (from, to)));
        if let Some(from) = from {
            inventory.packages[from].dependencies = ids(node, "requires");
        }
    }
    if let Some(node) = root {
        let needs = ids(node, "requires").into_iter().map(|to| (to, Scope::Production));
        let builds = ids(node, "build_requires").into_iter().map(|to| (to, Scope::Build));
        inventory.roots[0].dependencies = needs.chain(builds).collect();
    }
    let unknown = if root.is_some() { Unknown::Nothing } else { Unknown::Projects };
    spread(&mut inventory, &OptionalEdges::new(), &unknown);
    // What builds a package is not in it: its scope stays that, whatever the package is for.
    let mut waiting: Vec<usize> = tools.iter().map(|(_, to)| *to).collect();
    while let Some(index) = waiting.pop() {
        let package = &mut inventory.packages[index];
        if package.scopes.extend(Scopes::only(Scope::Build)) {
            waiting.extend(&package.dependencies);
        }
    }
    for (from, to) in tools {
        if let Some(from) = from {
            inventory.packages[from].dependencies.push(to);
        }
    }
    for package in &mut inventory.packages {
        package.dependencies.sort_unstable();
        package.dependencies.dedup();
    }
    Ok(inventory)
}

fn manifest(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let mut inventory = Inventory::new("conanfile.txt", Completeness::Declared);
    let mut root = Root { name: None, version: None, path: String::new(), dependencies: Vec::new() };
    let mut scope = None;
    for (at, line) in text.lines().enumerate() {
        let number = Some(at as u64 + 1);
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            scope = match section {
                "requires" => Some(Scope::Production),
                "build_requires" | "tool_requires" => Some(Scope::Build),
                "test_requires" => Some(Scope::Development),
                _ => None,
            };
            continue;
        }
        let Some(scope) = scope else { continue };
        if full(&mut inventory) {
            break;
        }
        let Some((name, wanted)) = reference(line) else {
            note(&mut inventory.problems, number, format!("`{}` is not `name/version`", shown(line)));
            continue;
        };
        let is_range = wanted.starts_with('[');
        let mut package = Package::new(Ecosystem::Conan, name, (!is_range).then(|| wanted.to_owned()));
        package.requirement = Some(wanted.to_owned());
        declare(&mut inventory, &mut root, package, scope, number);
    }
    inventory.roots.push(root);
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::{find, read_with};

    #[test]
    fn reads_the_graph_of_conan_1() {
        let text = r#"{"graph_lock": {"nodes": {
  "0": {"ref": "app/1.0", "requires": ["1", "9"], "build_requires": ["3"], "path": "conanfile.py"},
  "1": {"ref": "ssl/3.0@own/stable#0123:4567#89", "requires": ["2"], "build_requires": ["4"]},
  "2": {"pref": "zlib/1.2.11:abc"},
  "3": {"ref": "cmake/3.20"},
  "4": {"ref": "perl/5.30", "requires": ["2"]},
  "5": {"x": 1}
}}, "version": "0.4"}"#;
        let inventory = read_with("conan.lock", text, &[]).unwrap();
        let scopes = |name, version| find(&inventory, name, version).scopes;
        assert_eq!(scopes("ssl", "3.0"), Scopes::only(Scope::Production));
        assert_eq!(scopes("zlib", "1.2.11"), Scopes::from(vec![Scope::Production, Scope::Build]));
        assert_eq!(scopes("cmake", "3.20"), Scopes::only(Scope::Build));
        assert_eq!(scopes("perl", "5.30"), Scopes::only(Scope::Build));
        let ssl = find(&inventory, "ssl", "3.0");
        assert_eq!((ssl.direct, ssl.dependencies.as_slice(), ssl.line), (Some(true), &[1, 3][..], Some(3)));
        assert_eq!(inventory.roots[0].name.as_deref(), Some("app"));
        assert_eq!(inventory.problems.len(), 1);
        assert!(read_with("conan.lock", "{\"graph_lock\": {}}", &[]).is_err());
        let old = r#"{"graph_lock": {"nodes": {"a-b": {"pref": "app/1.0:x", "path": "/src", "requires": {"zlib/1.2.11#0": "c-d"}},
            "c-d": {"pref": "zlib/1.2.11#0:x"}, "e": {"ref": "wrong/ref/form"}}}, "version": "0.1"}"#;
        let inventory = read_with("conan.lock", old, &[]).unwrap();
        assert_eq!(
            (inventory.packages.len(), inventory.packages[0].direct, inventory.problems.len()),
            (1, Some(true), 1)
        );
    }

    #[test]
    fn reads_the_list_of_conan_2() {
        let text = r#"{"version": "0.5", "requires": ["zlib/1.2.11#0123%1675278904.07", 1], "build_requires": ["cmake/3.20"]}"#;
        let inventory = read_with("conan.lock", text, &[]).unwrap();
        assert_eq!(find(&inventory, "zlib", "1.2.11").direct, None);
        assert_eq!(find(&inventory, "cmake", "3.20").scopes, Scopes::only(Scope::Build));
        assert_eq!((inventory.kind.as_str(), inventory.problems.len()), ("conan.lock v0.5", 1));
    }

    #[test]
    fn reads_what_is_declared() {
        let text = "[requires]\r\nzlib/1.2.11@\r\nssl/[>=1.1 <4] # range\r\nodd\r\n\r\n[tool_requires]\r\ncmake/3.20\r\n[generators]\r\nCMakeDeps\r\n";
        let inventory = read_with("conanfile.txt", text, &[]).unwrap();
        let found: Vec<_> =
            inventory.packages.iter().map(|p| (p.name.as_str(), p.version.as_deref(), p.line)).collect();
        let all = [("zlib", Some("1.2.11"), Some(2)), ("ssl", None, Some(3)), ("cmake", Some("3.20"), Some(7))];
        assert_eq!(found, all);
        assert_eq!(inventory.problems.len(), 1);
    }
}
