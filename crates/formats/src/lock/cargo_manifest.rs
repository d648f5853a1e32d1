//! `Cargo.toml`: what a crate asks for.

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Problem, Root, Scope, Scopes};

use super::graph::full;
use super::tree::{Fields, Node, Value, decode, toml};
use super::{Input, LockError};

/// One dependency of a manifest.
pub(crate) struct Ask {
    /// The crate's own name.
    pub(crate) name: String,
    /// The name that the manifest gives to it, where that is another.
    pub(crate) alias: Option<String>,
    /// The versions that are asked for.
    pub(crate) requirement: Option<String>,
    /// What for.
    pub(crate) scope: Scope,
    /// Where from.
    pub(crate) source: PackageSource,
    /// Its directory, relative to this manifest's, or to the workspace's where it is inherited.
    pub(crate) path: Option<String>,
    /// `workspace = true`: the workspace's manifest says which.
    pub(crate) inherited: bool,
    /// Line of the manifest.
    pub(crate) line: u32,
}

/// What a manifest says.
pub(crate) struct Manifest {
    /// The crate's name; none for a workspace without one.
    pub(crate) name: Option<String>,
    /// The crate's version.
    pub(crate) version: Option<String>,
    /// What it asks for.
    pub(crate) asks: Vec<Ask>,
}

impl Manifest {
    /// Of a `Cargo.toml`, with the `[workspace]` table that it may inherit from.
    pub(crate) fn of(root: &Node<'_>, workspace: Option<&Node<'_>>, problems: &mut Vec<Problem>) -> Self {
        let package = root.get("package").or_else(|| root.get("project"));
        let name = package.and_then(|package| package.get("name")).and_then(Node::text);
        let version = package.and_then(|package| package.get("version")).and_then(|version| match version.text() {
            Some(text) => Some(text),
            None => workspace?.get("package")?.get("version")?.text(),
        });
        let shared: HashMap<&str, &Node<'_>> = workspace
            .and_then(|workspace| workspace.get("dependencies"))
            .map(Node::entries)
            .unwrap_or_default()
            .iter()
            .map(|(name, node)| (name.as_ref(), node))
            .collect();
        let usual = on_by_default(root);
        let mut asks = Vec::new();
        let mut tables = |node: &Node<'_>, for_platform: bool| {
            let kinds = [
                ("dependencies", Scope::Production),
                ("dev-dependencies", Scope::Development),
                ("dev_dependencies", Scope::Development),
                ("build-dependencies", Scope::Build),
                ("build_dependencies", Scope::Build),
            ];
            for (key, scope) in kinds {
                let Some(table) = node.get(key) else { continue };
                let Some(mut fields) = Fields::of(node, "Cargo.toml", problems) else { continue };
                if !matches!(table.value, Value::Table(_)) {
                    fields.problem(&format!("`{key}` is {}, not a table", table.kind()));
                }
                for (name, node) in table.entries() {
                    asks.extend(ask(name, node, scope, for_platform, &shared, &usual, problems));
                }
            }
        };
        tables(root, false);
        for (_, node) in root.get("target").map(Node::entries).unwrap_or_default() {
            tables(node, true);
        }
        asks.sort_by_key(|ask| ask.line);
        Self { name: name.map(str::to_owned), version: version.map(str::to_owned), asks }
    }
}

fn ask(
    name: &str,
    node: &Node<'_>,
    scope: Scope,
    for_platform: bool,
    shared: &HashMap<&str, &Node<'_>>,
    usual: &HashSet<String>,
    problems: &mut Vec<Problem>,
) -> Option<Ask> {
    let line = node.line;
    let inherited = node.get("workspace").is_some_and(Node::is_true);
    let what = match inherited {
        true => shared.get(name).copied().unwrap_or(node),
        false => node,
    };
    let left_out = (node.get("optional").is_some_and(Node::is_true) && !usual.contains(name)) || for_platform;
    let scope = if left_out && scope == Scope::Production { Scope::Optional } else { scope };
    if let Some(requirement) = what.text() {
        return Some(Ask {
            name: name.to_owned(),
            alias: None,
            requirement: Some(requirement.to_owned()),
            scope,
            source: PackageSource::Registry,
            path: None,
            inherited,
            line,
        });
    }
    let mut fields = Fields::of(what, name, problems)?;
    let real = fields.text("package").unwrap_or(name);
    let path = fields.text("path").map(str::to_owned);
    let registry = fields.text("registry-index").or_else(|| fields.text("registry"));
    let revision = fields.text("rev").map(str::to_owned);
    let source = match (fields.text("git"), &path, registry) {
        (Some(url), ..) => PackageSource::Git { url: url.to_owned(), revision },
        (None, Some(path), _) => PackageSource::Path { path: path.clone() },
        (None, None, Some("crates-io") | None) => PackageSource::Registry,
        (None, None, Some(url)) => PackageSource::OtherRegistry { url: url.to_owned() },
    };
    Some(Ask {
        name: real.to_owned(),
        alias: (real != name).then(|| name.to_owned()),
        requirement: fields.text("version").map(str::to_owned),
        scope,
        source,
        path,
        inherited,
        line,
    })
}

/// Optional dependencies that the default features switch on.
fn on_by_default(root: &Node<'_>) -> HashSet<String> {
    let features: HashMap<&str, &Node<'_>> = root
        .get("features")
        .map(Node::entries)
        .unwrap_or_default()
        .iter()
        .map(|(name, node)| (name.as_ref(), node))
        .collect();
    let mut on = HashSet::new();
    let mut seen = HashSet::from(["default"]);
    let mut waiting = vec!["default"];
    while let Some(feature) = waiting.pop() {
        for item in features.get(feature).map(|node| node.items()).unwrap_or_default().iter().filter_map(Node::text) {
            match item.split_once('/') {
                Some((name, _)) if name.ends_with('?') => {}
                Some((name, _)) => {
                    on.insert(name.to_owned());
                }
                None => match item.strip_prefix("dep:") {
                    Some(name) => {
                        on.insert(name.to_owned());
                    }
                    None if features.contains_key(item) => {
                        if seen.insert(item) {
                            waiting.push(item);
                        }
                    }
                    None => {
                        on.insert(item.to_owned());
                    }
                },
            }
        }
    }
    on
}

/// Reads a manifest alone: what is declared.
///
/// # Errors
/// It is no TOML.
pub(crate) fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let text = decode(input.bytes)?;
    let tree = toml::parse(&text)?;
    let mut inventory = Inventory::new("Cargo.toml", Completeness::Declared);
    let above = ["../Cargo.toml", "../../Cargo.toml", "../../../Cargo.toml"];
    let own = tree.root.get("workspace");
    let inherits = own.is_none() && text.contains("workspace");
    let bytes = above.iter().filter(|_| inherits).find_map(|path| {
        let bytes = (input.beside)(path)?;
        memchr::memmem::find(&bytes, b"[workspace").map(|_| bytes)
    });
    let upper = bytes.as_deref().and_then(|bytes| decode(bytes).ok());
    let upper = upper.as_deref().and_then(|text| toml::parse(text).ok());
    let workspace = own.or_else(|| upper.as_ref().and_then(|tree| tree.root.get("workspace")));
    let manifest = Manifest::of(&tree.root, workspace, &mut inventory.problems);
    let mut root =
        Root { name: manifest.name, version: manifest.version, path: String::new(), dependencies: Vec::new() };
    let mut known: HashMap<(String, Option<String>, Option<String>), usize> = HashMap::new();
    for ask in manifest.asks {
        if full(&mut inventory) {
            break;
        }
        let key = (ask.name.clone(), ask.alias.clone(), ask.requirement.clone());
        let index = *known.entry(key).or_insert_with(|| {
            let mut package = Package::new(Ecosystem::Cargo, &ask.name, None);
            let exact = ask.requirement.as_deref().and_then(|text| text.trim().strip_prefix('='));
            package.version =
                exact.map(str::trim).filter(|text| semver::Version::parse(text).is_ok()).map(str::to_owned);
            package.requirement = ask.requirement;
            package.alias = ask.alias;
            package.source = ask.source;
            package.direct = Some(true);
            package.line = Some(ask.line.into());
            inventory.packages.push(package);
            inventory.packages.len() - 1
        });
        inventory.packages[index].scopes.extend(Scopes::only(ask.scope));
        root.dependencies.push((index, ask.scope));
    }
    inventory.roots.push(root);
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::testing::read_with;

    #[test]
    fn reads_what_is_declared() {
        let text = r#"[package]
name = "app"
version = "1.2.3"
[features]
default = ["net"]
net = ["dep:socket", "log/std", "weak?/x"]
[dependencies]
log = "0.4"
socket = { version = "=1.0.2", optional = true }
weak = { version = "1", optional = true }
other = { package = "real", git = "https://git.example/real", rev = "abc" }
shared.workspace = true
[target.'cfg(windows)'.dependencies]
winapi = "0.3"
[dev-dependencies]
log = "0.4"
bad = 1
"#;
        let above = "[workspace.dependencies]\nshared = { version = \"2\", registry = \"own\" }\n";
        let inventory = read_with("Cargo.toml", text, &[("../../Cargo.toml", above)]).unwrap();
        let found: Vec<_> = inventory
            .packages
            .iter()
            .map(|package| {
                let scopes: Vec<Scope> = package.scopes.iter().collect();
                (package.name.as_str(), package.requirement.as_deref(), package.version.as_deref(), scopes)
            })
            .collect();
        let (p, o, d) = (Scope::Production, Scope::Optional, Scope::Development);
        assert_eq!(
            found,
            [
                ("log", Some("0.4"), None, vec![p, d]),
                ("socket", Some("=1.0.2"), Some("1.0.2"), vec![p]),
                ("weak", Some("1"), None, vec![o]),
                ("real", None, None, vec![p]),
                ("shared", Some("2"), None, vec![p]),
                ("winapi", Some("0.3"), None, vec![o]),
            ]
        );
        assert_eq!(inventory.packages[3].alias.as_deref(), Some("other"));
        assert_eq!(inventory.packages[4].source, PackageSource::OtherRegistry { url: "own".into() });
        assert_eq!(inventory.problems.len(), 1);
        assert_eq!(inventory.problems[0].line, Some(17));
    }
}
