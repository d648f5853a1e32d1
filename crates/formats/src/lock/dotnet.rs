//! What a .NET build writes: `*.deps.json` (dotnet/sdk, "runtime configuration files") and `project.assets.json`.

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, Problem, Root, Scope, Scopes};

use super::graph::{OptionalEdges, Unknown, full, spread};
use super::nuget::content_hash;
use super::tree::{Fields, Node, Value, decode, json, shown, tell};
use super::{Input, LockError, Reader};

/// What is read of a build.
pub(crate) const READERS: &[Reader] = &[
    Reader { id: "dotnet-deps", wants: |path| path.ends_with(".deps.json"), read: deps, covered_by: &[] },
    Reader {
        id: "dotnet-assets",
        wants: |path| super::named(path, "project.assets.json"),
        read: assets,
        covered_by: &[],
    },
];

/// What a library is.
#[derive(Clone, Copy)]
enum Place {
    Package(usize),
    Project(usize),
}

/// The libraries of a file, by `name/version` and by name. Names do not mind upper and lower case.
#[derive(Default)]
struct Libraries {
    by_key: HashMap<String, Place>,
    by_name: HashMap<String, Place>,
}

impl Libraries {
    fn of(inventory: &mut Inventory, libraries: &[(std::borrow::Cow<'_, str>, Node<'_>)]) -> Self {
        let mut found = Self::default();
        for (key, node) in libraries {
            let mut problems: Vec<Problem> = Vec::new();
            let Some(mut fields) = Fields::of(node, key, &mut problems) else {
                tell(&mut inventory.problems, &mut problems);
                continue;
            };
            let kind = fields.text("type").unwrap_or_default().to_ascii_lowercase();
            let place = match (key.split_once('/'), kind.as_str()) {
                (Some((name, version)), "project") => {
                    inventory.roots.push(Root {
                        name: Some(name.to_owned()),
                        version: Some(version.to_owned()),
                        path: String::new(),
                        dependencies: Vec::new(),
                    });
                    Some(Place::Project(inventory.roots.len() - 1))
                }
                (Some((name, version)), "package" | "runtimepack") if !name.is_empty() && !version.is_empty() => {
                    if full(inventory) {
                        break;
                    }
                    // A part of .NET itself that is shipped with the program: advisories know it without the prefix.
                    let own = name.strip_prefix("runtimepack.").unwrap_or(name);
                    let mut package = Package::new(Ecosystem::NuGet, own, Some(version.to_owned()));
                    package.line = fields.line();
                    match fields.text("sha512").filter(|text| !text.is_empty()).map(content_hash) {
                        Some(Some(hash)) => package.hashes.push(hash),
                        Some(None) => fields.problem("a `sha512` that cannot be read"),
                        None => {}
                    }
                    inventory.packages.push(package);
                    Some(Place::Package(inventory.packages.len() - 1))
                }
                (_, "package" | "runtimepack" | "project") => {
                    fields.problem("is not `name/version`");
                    None
                }
                // An assembly that belongs to no package.
                _ => None,
            };
            tell(&mut inventory.problems, &mut problems);
            if let Some(place) = place {
                let name = key.split('/').next().unwrap_or(key).to_lowercase();
                found.by_name.insert(name, place);
                found.by_key.insert(key.to_lowercase(), place);
            }
        }
        found
    }

    /// Connects the libraries as a target says.
    fn connect(&self, inventory: &mut Inventory, target: &Node<'_>) {
        let in_target: HashMap<String, Place> = target
            .entries()
            .iter()
            .filter_map(|(key, _)| {
                let name = key.split('/').next()?.to_lowercase();
                Some((name, *self.by_key.get(&key.to_lowercase())?))
            })
            .collect();
        for (key, node) in target.entries() {
            let Some(from) = self.by_key.get(&key.to_lowercase()).copied() else { continue };
            for (name, wanted) in node.get("dependencies").map(Node::entries).unwrap_or_default() {
                let name = name.to_lowercase();
                let exact =
                    wanted.text().and_then(|version| self.by_key.get(&format!("{name}/{version}").to_lowercase()));
                let to = in_target.get(&name).or(exact).or_else(|| self.by_name.get(&name));
                match (from, to) {
                    (Place::Package(from), Some(Place::Package(to))) => inventory.packages[from].dependencies.push(*to),
                    (Place::Project(root), Some(Place::Package(to))) => {
                        inventory.roots[root].dependencies.push((*to, Scope::Production));
                    }
                    _ => {}
                }
            }
        }
    }
}

fn deps(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    let mut inventory = Inventory::new("deps.json", Completeness::Graph);
    inventory.problems = tree.problems;
    let mut problems: Vec<Problem> = Vec::new();
    let Some(mut fields) = Fields::of(&tree.root, input.name(), &mut problems) else {
        return Err(LockError::new("not a table: no deps.json"));
    };
    let libraries = Libraries::of(&mut inventory, fields.table("libraries"));
    let targets = fields.table("targets");
    let runs_on = fields.get("runtimeTarget").and_then(|node| node.get("name").or(Some(node))).and_then(Node::text);
    let chosen = runs_on.and_then(|name| targets.iter().find(|(key, _)| key == name));
    for (_, target) in chosen.map(std::slice::from_ref).unwrap_or(targets) {
        libraries.connect(&mut inventory, target);
    }
    tell(&mut inventory.problems, &mut problems);
    let unknown = if inventory.roots.is_empty() { Unknown::Projects } else { Unknown::Nothing };
    spread(&mut inventory, &OptionalEdges::new(), &unknown);
    // All of it lies beside the program.
    for package in &mut inventory.packages {
        package.scopes = Scopes::only(Scope::Production);
    }
    Ok(inventory)
}

fn assets(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = json::parse(&text)?;
    let version = tree.root.get("version").and_then(Node::scalar).map(|version| format!(" v{}", shown(version)));
    let kind = format!("project.assets.json{}", version.unwrap_or_default());
    let mut inventory = Inventory::new(kind, Completeness::Graph);
    inventory.problems = tree.problems;
    let mut problems: Vec<Problem> = Vec::new();
    let Some(mut fields) = Fields::of(&tree.root, "project.assets.json", &mut problems) else {
        return Err(LockError::new("not a table: no project.assets.json"));
    };
    let libraries = Libraries::of(&mut inventory, fields.table("libraries"));
    for (_, target) in fields.table("targets") {
        libraries.connect(&mut inventory, target);
    }
    let project = fields.get("project");
    let restored = project.and_then(|project| project.get("restore"));
    let text =
        |node: Option<&Node<'_>>, key| node.and_then(|node| node.get(key)).and_then(Node::text).map(str::to_owned);
    let mut root = Root {
        name: text(restored, "projectName"),
        version: text(project, "version"),
        path: "..".to_owned(),
        dependencies: Vec::new(),
    };
    let frameworks = project.and_then(|project| project.get("frameworks")).map(Node::entries).unwrap_or_default();
    for (_, framework) in frameworks {
        for (name, node) in framework.get("dependencies").map(Node::entries).unwrap_or_default() {
            let Some(Place::Package(to)) = libraries.by_name.get(&name.to_lowercase()).copied() else { continue };
            let kept =
                node.get("suppressParent").and_then(Node::text).is_some_and(|said| said.eq_ignore_ascii_case("all"));
            root.dependencies.push((to, if kept { Scope::Development } else { Scope::Production }));
            if let Some(wanted) = node.get("version").and_then(Node::text) {
                inventory.packages[to].requirement.get_or_insert_with(|| wanted.to_owned());
            }
        }
    }
    let mut unknown = Vec::new();
    if root.dependencies.is_empty() {
        for (_, group) in fields.table("projectFileDependencyGroups") {
            for wanted in group.items().iter().filter_map(Node::text) {
                let name = wanted.split(' ').next().unwrap_or(wanted).to_lowercase();
                if let Some(Place::Package(to)) = libraries.by_name.get(&name) {
                    unknown.push(*to);
                }
            }
        }
    }
    tell(&mut inventory.problems, &mut problems);
    let told = project.is_some_and(|project| matches!(project.value, Value::Table(_))) || !unknown.is_empty();
    inventory.roots.insert(0, root);
    let unknown = if told { Unknown::Reasons(unknown) } else { Unknown::Projects };
    spread(&mut inventory, &OptionalEdges::new(), &unknown);
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::{find, read_with};

    #[test]
    fn reads_what_lies_beside_a_program() {
        let text = r#"{
  "runtimeTarget": {"name": ".NETCoreApp,Version=v8.0/linux-x64"},
  "targets": {
    ".NETCoreApp,Version=v8.0": {},
    ".NETCoreApp,Version=v8.0/linux-x64": {
      "App/1.0.0": {"dependencies": {"A": "1.0.0", "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64": "8.0.1"}},
      "A/1.0.0": {"dependencies": {"b": "2.0.0"}},
      "B/2.0.0": {}
    }
  },
  "libraries": {
    "App/1.0.0": {"type": "project", "sha512": ""},
    "A/1.0.0": {"type": "package", "sha512": "sha512-AAEC"},
    "B/2.0.0": {"type": "package", "sha512": ""},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack"},
    "System.Old/4.0.0.0": {"type": "reference"},
    "C": {"type": "package"}
  }
}"#;
        let inventory = read_with("bin/App.deps.json", text, &[]).unwrap();
        assert_eq!((inventory.packages.len(), inventory.problems.len()), (3, 1));
        let a = find(&inventory, "A", "1.0.0");
        assert_eq!((a.direct, a.dependencies.as_slice(), a.line), (Some(true), &[1][..], Some(13)));
        assert_eq!(find(&inventory, "B", "2.0.0").direct, Some(false));
        assert_eq!(find(&inventory, "Microsoft.NETCore.App.Runtime.linux-x64", "8.0.1").direct, Some(true));
        assert_eq!(inventory.roots[0].name.as_deref(), Some("App"));
        assert!(read_with("a.deps.json", "[]", &[]).is_err());
    }

    #[test]
    fn reads_what_was_restored() {
        let text = r#"{
  "version": 3,
  "targets": {"net8.0": {"A/1.0.0": {"type": "package", "dependencies": {"B": "1.0.0"}}, "B/2.0.0": {"type": "package"},
    "Lib/1.0.0": {"type": "project", "dependencies": {"B": "2.0.0"}}, "Check/3.0.0": {"type": "package"}}},
  "libraries": {"A/1.0.0": {"type": "package", "sha512": "AAEC"}, "B/2.0.0": {"type": "package"},
    "Check/3.0.0": {"type": "package"}, "Lib/1.0.0": {"type": "project"}},
  "project": {"version": "1.0.0", "restore": {"projectName": "App"}, "frameworks": {"net8.0": {"dependencies": {
    "A": {"target": "Package", "version": "[1.0.0, )"}, "Check": {"suppressParent": "All", "version": "3.*"}}}}}
}"#;
        let inventory = read_with("obj/project.assets.json", text, &[]).unwrap();
        assert_eq!((inventory.kind.as_str(), inventory.problems.as_slice()), ("project.assets.json v3", &[][..]));
        assert_eq!(find(&inventory, "A", "1.0.0").requirement.as_deref(), Some("[1.0.0, )"));
        assert!(find(&inventory, "Check", "3.0.0").scopes.is_development_only());
        assert_eq!(find(&inventory, "B", "2.0.0").scopes, Scopes::only(Scope::Production));
        assert_eq!(inventory.roots[0].name.as_deref(), Some("App"));
    }
}
