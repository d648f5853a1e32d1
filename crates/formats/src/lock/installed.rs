//! Installed trees that are described in JSON: `node_modules/**/package.json`, `conda-meta/*.json`,
//! `vendor/composer/installed.json`.

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, PackageSource, Root, Scope, Scopes};
use serde_json::{Map, Value};

use super::named;
use super::source::address;
use super::text::{Names, add, directory, hexadecimal, join, json, quoted, settle};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[
    Reader { id: "node-modules", wants: wants_node, read: read_node, covered_by: &[] },
    Reader { id: "conda-meta", wants: wants_conda, read: read_conda, covered_by: &[] },
    Reader {
        id: "composer-installed",
        wants: |path| named(path, "composer/installed.json"),
        read: read_composer,
        covered_by: &[],
    },
];

/// Files of one package that are noted.
const MAXIMUM_FILES: usize = 200_000;

/// The `package.json` of a package itself: right below `node_modules`, or below a scope there. Those further down are
/// examples, tests, or mark the kind of their modules.
fn wants_node(path: &str) -> bool {
    let Some(inside) = path.strip_suffix("/package.json") else { return false };
    let below = match inside.rfind("node_modules/") {
        Some(at) if at == 0 || inside.as_bytes()[at - 1] == b'/' => &inside[at + "node_modules/".len()..],
        _ => return false,
    };
    let parts = below.split('/').count();
    !below.is_empty() && !below.starts_with('.') && parts == if below.starts_with('@') { 2 } else { 1 }
}

fn wants_conda(path: &str) -> bool {
    path.ends_with(".json") && named(directory(path), "conda-meta")
}

fn object(input: &Input<'_>) -> Result<Map<String, Value>, LockError> {
    match json(&text(input.bytes)?)? {
        Value::Object(object) => Ok(object),
        _ => Err(LockError::new("it is no JSON object")),
    }
}

/// A string; another thing is a problem.
fn string<'v>(object: &'v Map<String, Value>, key: &str, inventory: &mut Inventory) -> Option<&'v str> {
    match object.get(key)? {
        Value::String(string) => Some(string.as_str()).filter(|string| !string.is_empty()),
        Value::Null => None,
        _ => {
            note(&mut inventory.problems, None, format!("`{key}` is no string"));
            None
        }
    }
}

fn read_node(input: &Input<'_>) -> Result<Inventory, LockError> {
    let document = object(input)?;
    let mut inventory = Inventory::new("node_modules", Completeness::List);
    let name = string(&document, "name", &mut inventory);
    let version = string(&document, "version", &mut inventory);
    let (Some(name), Some(version)) = (name, version) else {
        note(&mut inventory.problems, None, "a package without name or version");
        return Ok(inventory);
    };
    let mut package = Package::new(Ecosystem::Npm, name, Some(version.to_owned()));
    // `npm:` aliases are installed under the name that the project gave them.
    let folder = directory(input.path).rsplit_once("node_modules/").map(|(_, folder)| folder);
    package.alias = folder.filter(|folder| *folder != name).map(str::to_owned);
    package.licence = licence(&document);
    let scripts = document.get("scripts").and_then(Value::as_object);
    package.install_script = ["preinstall", "install", "postinstall"]
        .iter()
        .any(|script| scripts.is_some_and(|scripts| scripts.contains_key(*script)))
        || document.get("gypfile") == Some(&Value::Bool(true))
        || (input.beside)("binding.gyp").is_some();
    package.deprecated = string(&document, "deprecated", &mut inventory).map(str::to_owned);
    // npm up to 6 wrote into it where it came from.
    if let Some(resolved) = string(&document, "_resolved", &mut inventory) {
        package.source = match resolved {
            url if url.starts_with("https://registry.npmjs.org/") => PackageSource::Registry,
            url if url.starts_with("git") => {
                let (url, revision) = url.split_once('#').unwrap_or((url, ""));
                let revision = Some(revision.to_owned()).filter(|revision| !revision.is_empty());
                PackageSource::Git { url: address(url.strip_prefix("git+").unwrap_or(url)), revision }
            }
            url => PackageSource::Url { url: address(url) },
        };
    }
    if let Some(integrity) = string(&document, "_integrity", &mut inventory) {
        package.hashes.extend(integrity.split_whitespace().filter_map(subresource));
    }
    if let Some(requesters) = document.get("_requiredBy").and_then(Value::as_array) {
        let by = |who: &str| requesters.iter().any(|one| one.as_str() == Some(who));
        package.direct = Some(by("/") || by("#USER") || by("#DEV:/"));
    }
    inventory.packages.push(package);
    Ok(inventory)
}

/// `sha512-<base64>` (Subresource Integrity).
fn subresource(written: &str) -> Option<PackageHash> {
    use base64::Engine as _;
    let (algorithm, value) = written.split_once('-')?;
    let value = value.split('?').next().unwrap_or(value);
    let bytes = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    hexadecimal(algorithm, &hex)
}

/// `license`, in all the forms that it had.
fn licence(document: &Map<String, Value>) -> Option<String> {
    let one = |value: &Value| match value {
        Value::String(name) => Some(name.clone()),
        Value::Object(object) => object.get("type").or_else(|| object.get("name"))?.as_str().map(str::to_owned),
        _ => None,
    };
    let value = document.get("license").or_else(|| document.get("licenses"))?;
    let all: Vec<String> = match value {
        Value::Array(all) => all.iter().filter_map(one).collect(),
        value => one(value).into_iter().collect(),
    };
    Some(all.join(" OR ")).filter(|all| !all.is_empty())
}

fn read_conda(input: &Input<'_>) -> Result<Inventory, LockError> {
    let document = object(input)?;
    let mut inventory = Inventory::new("conda-meta", Completeness::List);
    let name = string(&document, "name", &mut inventory);
    let version = string(&document, "version", &mut inventory);
    let (Some(name), Some(version)) = (name, version) else {
        return Err(LockError::new("it does not tell name and version"));
    };
    let mut package = Package::new(Ecosystem::Generic, name, Some(version.to_owned()));
    package.licence = string(&document, "license", &mut inventory).map(str::to_owned);
    package.architecture = string(&document, "subdir", &mut inventory).map(str::to_owned);
    for algorithm in ["sha256", "md5"] {
        package
            .hashes
            .extend(string(&document, algorithm, &mut inventory).and_then(|value| hexadecimal(algorithm, value)));
    }
    if let Some(url) = string(&document, "url", &mut inventory).or(string(&document, "channel", &mut inventory)) {
        package.source = PackageSource::OtherRegistry { url: address(url) };
    }
    if let Some(asked) = document.get("requested_spec").and_then(Value::as_str) {
        package.direct = Some(!asked.is_empty() && asked != "None");
    }
    let prefix = directory(directory(input.path));
    let files = document.get("files").and_then(Value::as_array).into_iter().flatten().take(MAXIMUM_FILES);
    package.files = files.filter_map(|file| join(prefix, file.as_str()?)).collect();
    inventory.packages.push(package);
    Ok(inventory)
}

/// Lines that say a name, by the name.
fn lines_of_names(content: &str) -> HashMap<&str, u64> {
    let mut lines = HashMap::new();
    for (number, line) in (1..).zip(content.lines()) {
        let value = line.trim_start().strip_prefix("\"name\":").and_then(|rest| rest.split('"').nth(1));
        if let Some(name) = value {
            lines.entry(name).or_insert(number);
        }
    }
    lines
}

/// Composer 1 wrote a list, Composer 2 writes an object around it.
fn read_composer(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let document = json(&content)?;
    let mut inventory = Inventory::new("composer installed.json", Completeness::Graph);
    let (packages, development) = match &document {
        Value::Array(packages) => (packages, None),
        Value::Object(object) => {
            let packages = object.get("packages").and_then(Value::as_array);
            let development = object.get("dev-package-names").and_then(Value::as_array);
            (packages.ok_or_else(|| LockError::new("it has no list `packages`"))?, development)
        }
        _ => return Err(LockError::new("it is neither list nor object")),
    };
    let development = development.map(|names| names.iter().filter_map(Value::as_str).collect::<HashSet<_>>());
    let lines = lines_of_names(&content);
    let mut needs = Vec::new();
    for entry in packages {
        let Some(entry) = entry.as_object() else {
            note(&mut inventory.problems, None, "a package that is no object");
            continue;
        };
        let (name, version) = (string(entry, "name", &mut inventory), string(entry, "version", &mut inventory));
        let Some(name) = name else {
            note(&mut inventory.problems, None, "a package without a name");
            continue;
        };
        let line = lines.get(name).copied();
        if version.is_none() {
            note(&mut inventory.problems, line, format!("{} has no version", quoted(name)));
        }
        let mut package = Package::new(Ecosystem::Packagist, name.to_lowercase(), version.map(str::to_owned));
        package.line = line;
        package.licence = licence(entry);
        if let Some(development) = &development {
            let scope = if development.contains(name) { Scope::Development } else { Scope::Production };
            package.scopes = Scopes::only(scope);
        }
        package.deprecated = match entry.get("abandoned") {
            Some(Value::Bool(true)) => Some("abandoned".to_owned()),
            Some(Value::String(instead)) => Some(format!("abandoned: use {instead} instead")),
            _ => None,
        };
        let text_at = |outer: &str, inner: &str| entry.get(outer)?.get(inner)?.as_str();
        package.source = match (text_at("dist", "type"), text_at("source", "url")) {
            (Some("path"), _) => PackageSource::Path { path: text_at("dist", "url").unwrap_or_default().to_owned() },
            (None, Some(url)) => {
                PackageSource::Git { url: address(url), revision: text_at("source", "reference").map(str::to_owned) }
            }
            _ => PackageSource::Registry,
        };
        package.hashes.extend(text_at("dist", "shasum").and_then(|value| hexadecimal("sha1", value)));
        let Some(index) = add(&mut inventory, package) else { break };
        needs.push((index, entry.get("require").and_then(Value::as_object)));
    }
    let mut names = Names::of(&inventory);
    for (index, require) in needs {
        for name in require.into_iter().flat_map(|require| require.keys()) {
            let to = names.named(&name.to_lowercase()).to_vec();
            names.link(&mut inventory, index, &to);
        }
    }
    settle(&mut inventory);
    // What the project asks for stands in its own manifest.
    if let Some(bytes) = (input.beside)("../../composer.json")
        && let Ok(Value::Object(project)) = text(&bytes).and_then(|text| json(&text))
    {
        let mut dependencies = Vec::new();
        for package in &mut inventory.packages {
            package.direct = Some(false);
        }
        for (key, scope) in [("require", Scope::Production), ("require-dev", Scope::Development)] {
            for name in project.get(key).and_then(Value::as_object).into_iter().flat_map(|require| require.keys()) {
                for index in names.named(&name.to_lowercase()) {
                    inventory.packages[*index].direct = Some(true);
                    dependencies.push((*index, scope));
                }
            }
        }
        let name = project.get("name").and_then(Value::as_str).map(str::to_owned);
        inventory.roots.push(Root { name, version: None, path: "../..".to_owned(), dependencies });
    }
    Ok(inventory)
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{needs, package, read_alone, read_beside, shown};
    use super::*;

    #[test]
    fn a_package_below_node_modules() {
        let text = r#"{"name": "@a/b", "version": "1.0.0", "license": {"type": "MIT"}, "scripts": {"postinstall": "x"},
            "_resolved": "git+https://u:p@host/b.git#abc", "_integrity": "sha1-qUiHQ8zMd8vMd8vMd8vMd8vMd8s=", "_requiredBy": ["/"]}"#;
        let read = read_alone(read_node, "app/node_modules/@x/b/package.json", text);
        assert_eq!(shown(&read), ["@a/b 1.0.0"]);
        let package = &read.packages[0];
        assert!(package.install_script && package.direct == Some(true));
        assert_eq!((package.licence.as_deref(), package.alias.as_deref()), (Some("MIT"), Some("@x/b")));
        assert_eq!(package.hashes[0].value.len(), 40);
        assert_eq!(
            package.source,
            PackageSource::Git { url: "https://host/b.git".into(), revision: Some("abc".into()) }
        );
        let read = read_alone(read_node, "node_modules/a/package.json", r#"{"name": 1, "version": "1"}"#);
        assert_eq!((read.packages.len(), read.problems.len()), (0, 2));
    }

    #[test]
    fn only_packages_themselves() {
        for path in [
            "node_modules/a/package.json",
            "x/node_modules/@a/b/package.json",
            "node_modules/.pnpm/a@1/node_modules/a/package.json",
        ] {
            assert!(wants_node(path), "{path}");
        }
        for path in [
            "package.json",
            "node_modules/a/test/package.json",
            "node_modules/@a/package.json",
            "my_node_modules/a/package.json",
            "node_modules/package.json",
        ] {
            assert!(!wants_node(path), "{path}");
        }
    }

    #[test]
    fn a_conda_package() {
        let text = r#"{"name": "numpy", "version": "1.2", "license": "BSD", "subdir": "linux-64", "files": ["lib/x.py", "/etc/x"],
            "md5": "9e0ce3aa93a819ba5b45120216b23878", "url": "https://conda/x.tar.bz2", "requested_spec": "None"}"#;
        let read = read_alone(read_conda, "env/conda-meta/numpy-1.2-0.json", text);
        assert_eq!(shown(&read), ["numpy 1.2"]);
        assert_eq!(read.packages[0].files, ["env/lib/x.py"]);
        assert_eq!(read.packages[0].direct, Some(false));
        let beside = |_: &str| None;
        for bytes in [&b"{}"[..], b"[]", b"{\"name\": \"x\"}", b""] {
            assert!(read_conda(&Input { path: "conda-meta/x.json", bytes, beside: &beside }).is_err());
        }
    }

    #[test]
    fn what_composer_installed() {
        let text = r#"{
    "packages": [
        {
            "name": "Pear/Log",
            "version": "1.13",
            "require": {"php": ">5", "psr/log": "1"},
            "license": ["MIT", "BSD"],
            "authors": [
                {
                    "name": "A"
                }
            ],
            "dist": {"type": "zip", "shasum": ""}
        },
        {
            "name": "psr/log",
            "version": "v1.0",
            "abandoned": "other/log",
            "source": {"type": "git", "url": "https://host/x", "reference": "abc"}
        },
        {"version": "1"}
    ],
    "dev-package-names": ["psr/log"]
}"#;
        let manifest = r#"{"name": "own/app", "require": {"pear/log": "*"}}"#;
        let read =
            read_beside(read_composer, "vendor/composer/installed.json", text, &[("../../composer.json", manifest)]);
        assert_eq!(shown(&read), ["pear/log 1.13", "psr/log v1.0"]);
        assert_eq!(needs(&read, "pear/log"), ["psr/log"]);
        let log = package(&read, "psr/log");
        assert!(log.scopes.is_development_only() && log.deprecated.is_some() && log.direct == Some(false));
        assert_eq!(log.line, Some(16));
        assert_eq!(package(&read, "pear/log").licence.as_deref(), Some("MIT OR BSD"));
        assert_eq!(read.problems.len(), 1);
    }
}
