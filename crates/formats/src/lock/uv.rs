//! `uv.lock` (version 1). It names the projects of the workspace itself, so it needs nothing beside it.

use std::collections::HashSet;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Root, Scope};
use toml::de::DeTable;

use super::named;
use super::pep508::{marked, normalised, of_file_name};
use super::source::address;
use super::tables::{Fields, at, claims, parse, title};
use super::text::{Lines, Names, add, hash, settle};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] =
    &[Reader { id: "uv-lock", wants: |path| named(path, "uv.lock"), read, covered_by: &[] }];

/// A project of the workspace, with what it asks for by name.
struct Member<'t> {
    root: Root,
    entry: &'t DeTable<'t>,
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let (table, lines) = parse(&content)?;
    let version = table.get("version").and_then(|version| version.get_ref().as_integer());
    let version = version.map_or("1", |version| version.as_str());
    let mut inventory = Inventory::new(format!("uv.lock v{version}"), Completeness::Graph);
    let document = Fields { table: &table, what: "uv.lock", lines: &lines };
    let members: HashSet<String> = at(&table, &["manifest"])
        .map(|manifest| Fields { table: manifest, what: "manifest", lines: &lines }.strings(&mut inventory, "members"))
        .into_iter()
        .flatten()
        .map(normalised)
        .collect();
    let mut entries = Vec::new();
    let mut projects: Vec<Member<'_>> = Vec::new();
    for (line, entry) in document.tables(&mut inventory, "package") {
        let what = title(entry);
        let fields = Fields { table: entry, what: &what, lines: &lines };
        let Some(name) = fields.string(&mut inventory, "name").map(normalised) else {
            note(&mut inventory.problems, Some(line), "a package without a name");
            continue;
        };
        let version = fields.string(&mut inventory, "version").map(str::to_owned);
        let source = fields.table(&mut inventory, "source");
        let local = source.and_then(|source| {
            ["virtual", "editable", "directory"].into_iter().find_map(|key| source.get(key)?.get_ref().as_str())
        });
        let is_project = match local {
            Some(path) => members.contains(&name) || (members.is_empty() && path == "."),
            None => false,
        };
        if let (true, Some(path)) = (is_project, local) {
            let path = if path == "." { String::new() } else { path.to_owned() };
            let root = Root { name: Some(name), version, path, dependencies: Vec::new() };
            projects.push(Member { root, entry });
            continue;
        }
        let from_url = source.and_then(|source| of_file_name(source.get("url")?.get_ref().as_str()?));
        let version = version.or(from_url.map(|(_, version)| version));
        let mut package = Package::new(Ecosystem::PyPi, name, version);
        package.line = Some(line);
        package.source = source.map(source_of).unwrap_or_default();
        let files = fields.table(&mut inventory, "sdist").into_iter();
        let wheels = fields.tables(&mut inventory, "wheels").into_iter().map(|(_, wheel)| wheel);
        let files: Vec<_> = files.chain(wheels).collect();
        package.hashes = files.iter().filter_map(|file| hash(file.get("hash")?.get_ref().as_str()?)).collect();
        package.claims = claims(&files);
        let Some(index) = add(&mut inventory, package) else { break };
        entries.push((index, entry));
    }
    let mut names = Names::of(&inventory);
    for (index, entry) in entries {
        for (to, _) in wanted(entry, &lines, &mut inventory, &names) {
            names.link(&mut inventory, index, &[to]);
        }
    }
    settle(&mut inventory);
    for mut project in projects {
        project.root.dependencies = wanted(project.entry, &lines, &mut inventory, &names);
        inventory.roots.push(project.root);
    }
    inventory.spread_scopes();
    Ok(inventory)
}

/// The packages that an entry asks for, and for what.
fn wanted(entry: &DeTable<'_>, lines: &Lines, inventory: &mut Inventory, names: &Names) -> Vec<(usize, Scope)> {
    let what = title(entry);
    let fields = Fields { table: entry, what: &what, lines };
    let mut wanted = Vec::new();
    let mut list = |inventory: &mut Inventory, table: &DeTable<'_>, key: &str, scope: Scope| {
        for (_, dependency) in (Fields { table, what: &what, lines }).tables(inventory, key) {
            let string = |key: &str| dependency.get(key).and_then(|value| value.get_ref().as_str());
            let Some(name) = string("name") else { continue };
            let scope = marked(scope, string("marker"));
            let found = names.found(inventory, &normalised(name), string("version"));
            wanted.extend(found.iter().map(|index| (*index, scope)));
        }
    };
    list(inventory, entry, "dependencies", Scope::Production);
    for (key, scope) in [
        ("optional-dependencies", Scope::Optional),
        ("dev-dependencies", Scope::Development),
        ("dependency-groups", Scope::Development),
    ] {
        let Some(groups) = fields.table(inventory, key) else { continue };
        for group in groups.keys() {
            list(inventory, groups, group.get_ref(), scope);
        }
    }
    wanted
}

fn source_of(source: &DeTable<'_>) -> PackageSource {
    let string = |key: &str| source.get(key).and_then(|value| value.get_ref().as_str());
    if let Some(url) = string("registry") {
        let usual = url.trim_end_matches('/') == "https://pypi.org/simple";
        return if usual { PackageSource::Registry } else { PackageSource::OtherRegistry { url: address(url) } };
    }
    if let Some(url) = string("git") {
        // https://host/repository?rev=main#commit
        let (url, revision) = match url.split_once('#') {
            Some((url, revision)) => (url, Some(revision.to_owned())),
            None => (url, None),
        };
        return PackageSource::Git { url: address(url.split('?').next().unwrap_or(url)), revision };
    }
    if let Some(url) = string("url") {
        return PackageSource::Url { url: address(url) };
    }
    let path = ["path", "directory", "editable", "virtual"].into_iter().find_map(string);
    path.map_or(PackageSource::Registry, |path| PackageSource::Path { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{needs, package, read_alone, shown};
    use super::*;

    #[test]
    fn a_workspace() {
        let text = r#"
version = 1
revision = 2
[manifest]
members = ["app", "lib"]
[[package]]
name = "app"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "flask", extra = ["async"] }, { name = "lib" }, { name = "w", marker = "sys_platform == 'win32'" }]
[package.optional-dependencies]
extra = [{ name = "orjson" }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "lib"
version = "0.2"
source = { virtual = "packages/lib" }
dependencies = [{ name = "two", version = "1.0" }]
[[package]]
name = "flask"
version = "3.0"
source = { registry = "https://pypi.org/simple" }
dependencies = [{ name = "click" }]
sdist = { url = "https://files/flask.tar.gz", hash = "sha256:9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed", size = 1 }
wheels = [{ url = "https://files/flask.whl", hash = "sha256:89b2ef2247e3b562a16eef663bc0e2e703ec6468e2fa8a5cd61cd449786d4f6e" }]
[package.optional-dependencies]
async = [{ name = "asgiref" }]
[[package]]
name = "click"
version = "8.1"
source = { registry = "https://u:p@index/simple" }
[[package]]
name = "asgiref"
version = "3.0"
source = { git = "https://host/asgiref?rev=main#abc" }
[[package]]
name = "orjson"
version = "1"
source = { path = "../orjson.whl" }
[[package]]
name = "pytest"
version = "8"
source = { url = "https://host/pytest-8-py3-none-any.whl" }
dependencies = [{ name = "two", version = "2.0" }, { name = "click" }]
[[package]]
name = "two"
version = "1.0"
[[package]]
name = "two"
version = "2.0"
[[package]]
name = "w"
version = "1"
"#;
        let read = read_alone(read, "uv.lock", text);
        assert_eq!(read.problems, []);
        let all = ["flask 3.0", "click 8.1", "asgiref 3.0", "orjson 1", "pytest 8", "two 1.0", "two 2.0", "w 1"];
        assert_eq!(shown(&read), all);
        assert_eq!(needs(&read, "flask"), ["click", "asgiref"]);
        assert_eq!(read.roots.iter().map(|root| root.path.as_str()).collect::<Vec<_>>(), ["", "packages/lib"]);
        let scopes = |name: &str| package(&read, name).scopes.iter().collect::<Vec<_>>();
        assert_eq!(scopes("click"), [Scope::Production, Scope::Development]);
        assert_eq!(scopes("orjson"), [Scope::Optional]);
        assert_eq!(scopes("w"), [Scope::Optional]);
        assert_eq!(scopes("pytest"), [Scope::Development]);
        assert!(read.packages[6].scopes.is_development_only());
        assert_eq!(package(&read, "flask").hashes.len(), 2);
        assert_eq!(package(&read, "flask").direct, Some(true));
        assert_eq!(package(&read, "click").source, PackageSource::OtherRegistry { url: "https://index/simple".into() });
        let git = PackageSource::Git { url: "https://host/asgiref".into(), revision: Some("abc".into()) };
        assert_eq!(package(&read, "asgiref").source, git);
    }

    #[test]
    fn wrong_types_lose_only_their_field() {
        let text = "[[package]]\nname = 'a'\nversion = 1\ndependencies = 'b'\n[[package]]\nname = 'b'\nversion = '1'\nwheels = [1]\n";
        let read = read_alone(read, "uv.lock", text);
        assert_eq!(shown(&read), ["a -", "b 1"]);
        assert_eq!(read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(3), Some(8), Some(4)]);
    }
}
