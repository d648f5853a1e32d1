//! `poetry.lock` of Poetry 0.12 to 2.x. What is asked for stands in the `pyproject.toml` beside it.

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, PackageSource, Scope, Scopes};
use toml::de::{DeTable, DeValue};

use super::named;
use super::pep508::normalised;
use super::pyproject::Project;
use super::source::address;
use super::tables::{Fields, at, parse, title};
use super::text::{Names, add, hash, settle};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] =
    &[Reader { id: "poetry-lock", wants: |path| named(path, "poetry.lock"), read, covered_by: &[] }];

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let (table, lines) = parse(&content)?;
    let version = at(&table, &["metadata"]).and_then(|metadata| metadata.get("lock-version"));
    let version = version.and_then(|version| version.get_ref().as_str()).unwrap_or("1.0");
    let mut inventory = Inventory::new(format!("poetry.lock {version}"), Completeness::Graph);
    let document = Fields { table: &table, what: "poetry.lock", lines: &lines };
    let mut hashes = hashes_by_name(&table);
    let mut entries = Vec::new();
    let mut told = true;
    for (line, entry) in document.tables(&mut inventory, "package") {
        let what = title(entry);
        let fields = Fields { table: entry, what: &what, lines: &lines };
        let Some(name) = fields.string(&mut inventory, "name") else {
            note(&mut inventory.problems, Some(line), "a package without a name");
            continue;
        };
        let version = fields.string(&mut inventory, "version").map(str::to_owned);
        if version.is_none() {
            note(&mut inventory.problems, Some(line), format!("{what} has no version"));
        }
        let mut package = Package::new(Ecosystem::PyPi, normalised(name), version);
        package.line = Some(line);
        package.scopes = scopes(&fields, &mut inventory);
        told &= !package.scopes.is_empty();
        if let Some(source) = fields.table(&mut inventory, "source") {
            package.source = source_of(source);
        }
        package.hashes = hashes.remove(&package.name).unwrap_or_default();
        for (_, file) in fields.tables(&mut inventory, "files") {
            package.hashes.extend(file.get("hash").and_then(|written| hash(written.get_ref().as_str()?)));
        }
        let Some(index) = add(&mut inventory, package) else { break };
        entries.push((index, entry));
    }
    let mut names = Names::of(&inventory);
    for (index, entry) in entries {
        let what = title(entry);
        let fields = Fields { table: entry, what: &what, lines: &lines };
        let dependencies = fields.table(&mut inventory, "dependencies");
        for (name, value) in dependencies.into_iter().flat_map(|table| table.iter()) {
            let version = value.get_ref().as_str().and_then(|versions| versions.strip_prefix("=="));
            let to = names.found(&inventory, &normalised(name.get_ref()), version).into_owned();
            names.link(&mut inventory, index, &to);
        }
    }
    settle(&mut inventory);
    if let Some(project) = Project::beside(input, &mut inventory) {
        project.mark(&mut inventory, &names);
        if !told {
            inventory.spread_scopes();
        }
    }
    Ok(inventory)
}

/// `groups` (2.x), `category` (up to 1.4), `optional`.
fn scopes(fields: &Fields<'_>, inventory: &mut Inventory) -> Scopes {
    let optional = fields.boolean(inventory, "optional");
    let main = if optional { Scope::Optional } else { Scope::Production };
    let mut scopes = Scopes::default();
    for group in fields.strings(inventory, "groups") {
        scopes.add(if group == "main" { main } else { Scope::Development });
    }
    match fields.string(inventory, "category") {
        Some("main") => scopes.add(main),
        Some(_) => scopes.add(Scope::Development),
        None if scopes.is_empty() && optional => scopes.add(Scope::Optional),
        None => {}
    }
    scopes
}

fn source_of(source: &DeTable<'_>) -> PackageSource {
    let string = |key: &str| source.get(key).and_then(|value| value.get_ref().as_str());
    let url = string("url").unwrap_or_default();
    match string("type") {
        Some("git") => PackageSource::Git {
            url: address(url),
            revision: string("resolved_reference").or_else(|| string("reference")).map(str::to_owned),
        },
        Some("url") => PackageSource::Url { url: address(url) },
        Some("directory" | "file") => PackageSource::Path { path: url.to_owned() },
        _ => PackageSource::OtherRegistry { url: address(url) },
    }
}

/// Hashes as they stood before 1.3: `[metadata.files]`, and `[metadata.hashes]` before 1.0.
fn hashes_by_name(table: &DeTable<'_>) -> HashMap<String, Vec<PackageHash>> {
    let mut hashes: HashMap<String, Vec<PackageHash>> = HashMap::new();
    for key in ["files", "hashes"] {
        for (name, files) in at(table, &["metadata", key]).into_iter().flat_map(|table| table.iter()) {
            let all = hashes.entry(normalised(name.get_ref())).or_default();
            for file in files.get_ref().as_array().into_iter().flat_map(|files| files.iter()) {
                match file.get_ref() {
                    DeValue::Table(file) => {
                        all.extend(file.get("hash").and_then(|written| hash(written.get_ref().as_str()?)));
                    }
                    DeValue::String(value) => all.extend(super::text::hexadecimal("sha256", value)),
                    _ => {}
                }
            }
        }
    }
    hashes
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{needs, package, read_alone, read_beside, shown};
    use super::*;

    const ONE: &str = r#"
[[package]]
name = "Flask"
version = "2.0"
description = ""
optional = false
files = [
    {file = "Flask-2.0.tar.gz", hash = "sha256:9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed"},
]

[package.dependencies]
click = {version = ">=8", markers = "python_version > '3'"}
Typing_Extensions = [{version = "*"}, {version = "==4"}]

[[package]]
name = "click"
version = "8.1"
optional = false
[[package]]
name = "typing-extensions"
version = "4.0"
optional = false
[[package]]
name = "pytest"
version = "7.0"
optional = false
[package.dependencies]
click = "*"
[package.source]
type = "git"
url = "https://u:p@host/pytest.git"
reference = "main"
resolved_reference = "abc"
[metadata]
lock-version = "2.0"
"#;

    #[test]
    fn scopes_come_from_the_project_beside() {
        let project = "[tool.poetry]\nname='app'\n[tool.poetry.dependencies]\nflask='^2'\n[tool.poetry.group.dev.dependencies]\npytest='*'";
        let read = read_beside(read, "poetry.lock", ONE, &[("pyproject.toml", project)]);
        assert_eq!(read.kind, "poetry.lock 2.0");
        assert_eq!(shown(&read), ["flask 2.0", "click 8.1", "typing-extensions 4.0", "pytest 7.0"]);
        assert_eq!(needs(&read, "flask"), ["click", "typing-extensions"]);
        assert_eq!(package(&read, "flask").hashes.len(), 1);
        assert_eq!(package(&read, "flask").direct, Some(true));
        assert_eq!(package(&read, "click").direct, Some(false));
        assert!(package(&read, "click").scopes.contains(Scope::Production));
        assert!(package(&read, "pytest").scopes.is_development_only());
        let source = PackageSource::Git { url: "https://host/pytest.git".into(), revision: Some("abc".into()) };
        assert_eq!(package(&read, "pytest").source, source);
        assert_eq!(read.roots[0].name.as_deref(), Some("app"));
    }

    #[test]
    fn groups_and_categories() {
        let text = "[[package]]\nname='a'\nversion='1'\noptional=true\ngroups=['main','dev']\n[[package]]\nname='b'\nversion='1'\n\
            category='dev'\noptional=false\n[[package]]\nname=1\n[[package]]\nname='c'\nversion=2\n";
        let read = read_alone(read, "poetry.lock", text);
        assert_eq!(shown(&read), ["a 1", "b 1", "c -"]);
        assert_eq!(package(&read, "a").scopes, Scopes::from(vec![Scope::Optional, Scope::Development]));
        assert!(package(&read, "b").scopes.is_development_only());
        assert_eq!(package(&read, "b").direct, None);
        assert_eq!(read.problems.len(), 4, "{:?}", read.problems);
    }

    #[test]
    fn what_is_no_lock_says_where() {
        let beside = |_: &str| None;
        let error = read(&Input { path: "poetry.lock", bytes: b"a = 1\nb = ", beside: &beside }).expect_err("broken");
        assert_eq!(error.line, Some(2));
    }
}
