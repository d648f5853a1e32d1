//! `Pipfile.lock` of Pipenv. It knows no edges; what is asked for stands in the `Pipfile` beside it.

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Scope, Scopes};
use serde_json::Value;

use super::named;
use super::pep508::{marked, normalised, pinned};
use super::pyproject::{noted_beside, of_pipfile};
use super::source::{address, is_of_host};
use super::text::{KeyLines, Names, add, hash, json, quoted};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] =
    &[Reader { id: "pipfile-lock", wants: |path| named(path, "Pipfile.lock"), read, covered_by: &[] }];

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let Value::Object(document) = json(&content)? else { return Err(LockError::new("it is no JSON object")) };
    let meta = document.get("_meta");
    let spec = meta.and_then(|meta| meta.get("pipfile-spec")?.as_u64());
    let kind = spec.map_or_else(|| "Pipfile.lock".to_owned(), |spec| format!("Pipfile.lock spec {spec}"));
    let mut inventory = Inventory::new(kind, Completeness::List);
    let keys = KeyLines::of(&content);
    let indexes: HashMap<&str, &str> = meta
        .and_then(|meta| meta.get("sources")?.as_array())
        .into_iter()
        .flatten()
        .filter_map(|source| Some((source.get("name")?.as_str()?, source.get("url")?.as_str()?)))
        .collect();
    let mut seen: HashMap<(String, Option<String>), usize> = HashMap::new();
    // `default` first; `develop` and the project's own categories after it.
    let mut sections: Vec<_> = document.iter().filter(|(section, _)| *section != "_meta").collect();
    sections.sort_by_key(|(section, _)| *section != "default");
    for (section, packages) in sections {
        let start = keys.after(section, 0);
        let scope = if section == "default" { Scope::Production } else { Scope::Development };
        let Some(packages) = packages.as_object() else {
            note(&mut inventory.problems, start, format!("{} is no object", quoted(section)));
            continue;
        };
        for (name, entry) in packages {
            let line = keys.after(name, start.unwrap_or(0));
            let Some(entry) = entry.as_object() else {
                note(&mut inventory.problems, line, format!("package {} is no object", quoted(name)));
                continue;
            };
            let string = |inventory: &mut Inventory, key: &str| match entry.get(key) {
                Some(Value::String(string)) => Some(string.as_str()),
                Some(_) => {
                    note(&mut inventory.problems, line, format!("package {}: `{key}` is no string", quoted(name)));
                    None
                }
                None => None,
            };
            let versions = string(&mut inventory, "version");
            let version = versions.map(|versions| pinned(versions).unwrap_or(versions).to_owned());
            let scope = marked(scope, string(&mut inventory, "markers"));
            let mut package = Package::new(Ecosystem::PyPi, normalised(name), version);
            let key = (package.name.clone(), package.version.clone());
            if let Some(index) = seen.get(&key) {
                inventory.packages[*index].scopes.add(scope);
                continue;
            }
            package.line = line;
            package.scopes = Scopes::only(scope);
            let hashes = entry.get("hashes").and_then(Value::as_array).into_iter().flatten();
            package.hashes = hashes.filter_map(|written| hash(written.as_str()?)).collect();
            package.source = if let Some(url) = string(&mut inventory, "git") {
                let revision = string(&mut inventory, "ref").map(str::to_owned);
                PackageSource::Git { url: address(url), revision }
            } else if let Some(path) = string(&mut inventory, "path") {
                PackageSource::Path { path: path.to_owned() }
            } else if let Some(url) = string(&mut inventory, "file") {
                PackageSource::Url { url: address(url) }
            } else {
                let index = string(&mut inventory, "index").and_then(|index| indexes.get(index));
                package.claims.resolved.extend(index.map(|url| address(url)));
                match index.filter(|url| !is_of_host(url, &["pypi.org", "pypi.python.org"])) {
                    Some(url) => PackageSource::OtherRegistry { url: address(url) },
                    None => PackageSource::Registry,
                }
            };
            if package.version.is_none() && package.source == PackageSource::Registry {
                note(&mut inventory.problems, line, format!("package {} has no version", quoted(name)));
            }
            let Some(index) = add(&mut inventory, package) else { return Ok(inventory) };
            seen.insert(key, index);
        }
    }
    if let Some(bytes) = (input.beside)("Pipfile") {
        let mut noted = Inventory::new("", Completeness::Declared);
        let project = text(&bytes).and_then(|text| of_pipfile(&text, &mut noted));
        noted_beside("Pipfile", noted, &mut inventory);
        match project {
            Ok(project) => {
                let names = Names::of(&inventory);
                project.mark(&mut inventory, &names);
            }
            Err(error) => note(&mut inventory.problems, None, format!("Pipfile beside it cannot be read: {error}")),
        }
    }
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_beside, shown};
    use super::*;

    #[test]
    fn both_sections_and_the_pipfile() {
        let text = r#"{
    "_meta": {"pipfile-spec": 6, "sources": [{"name": "own", "url": "https://u:${PASS}@index/simple"}]},
    "default": {
        "Markup_Safe": {
            "hashes": ["sha256:9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed"],
            "index": "own",
            "version": "==2.1"
        },
        "tool": {"git": "https://host/tool.git", "ref": "abc"},
        "bad": 7
    },
    "develop": {
        "markup-safe": {"version": "==2.1"},
        "pytest": {"version": 7}
    }
}"#;
        let pipfile = "[packages]\nmarkupsafe = '*'\nmarkup-safe = '*'\n[dev-packages]\npytest='*'\n";
        let read = read_beside(read, "Pipfile.lock", text, &[("Pipfile", pipfile)]);
        assert_eq!(read.kind, "Pipfile.lock spec 6");
        assert_eq!(shown(&read), ["markup-safe 2.1", "tool -", "pytest -"]);
        let one = package(&read, "markup-safe");
        assert_eq!(one.scopes, Scopes::from(vec![Scope::Production, Scope::Development]));
        assert_eq!((one.line, one.direct, one.hashes.len()), (Some(4), Some(true), 1));
        assert_eq!(one.source, PackageSource::OtherRegistry { url: "https://index/simple".into() });
        assert_eq!(package(&read, "tool").direct, Some(false));
        assert_eq!(read.problems.len(), 3, "{:?}", read.problems);
    }
}
