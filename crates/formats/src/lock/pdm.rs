//! `pdm.lock` of PDM 1 and 2. What is asked for stands in the `pyproject.toml` beside it.

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Scope};

use super::named;
use super::pep508::{self, marked, normalised};
use super::pyproject::{Project, source_of};
use super::tables::{Fields, at, parse, title};
use super::text::{Names, add, hash, quoted, settle};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] =
    &[Reader { id: "pdm-lock", wants: |path| named(path, "pdm.lock"), read, covered_by: &[] }];

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let (table, lines) = parse(&content)?;
    let metadata = at(&table, &["metadata"]);
    let version = metadata.and_then(|metadata| metadata.get("lock_version")?.get_ref().as_str()).unwrap_or("1");
    let mut inventory = Inventory::new(format!("pdm.lock {version}"), Completeness::Graph);
    let extras = extras(input);
    let old_files = metadata.and_then(|metadata| at(metadata, &["files"]));
    let document = Fields { table: &table, what: "pdm.lock", lines: &lines };
    // A package stands there once for itself and once for each set of its extras.
    let mut seen: HashMap<(String, Option<String>), usize> = HashMap::new();
    let mut entries = Vec::new();
    let mut told = true;
    for (line, entry) in document.tables(&mut inventory, "package") {
        let what = title(entry);
        let fields = Fields { table: entry, what: &what, lines: &lines };
        let Some(name) = fields.string(&mut inventory, "name").map(normalised) else {
            note(&mut inventory.problems, Some(line), "a package without a name");
            continue;
        };
        let version = fields.string(&mut inventory, "version").map(str::to_owned);
        let marker = fields.string(&mut inventory, "marker");
        let groups = fields.strings(&mut inventory, "groups");
        told &= !groups.is_empty();
        let key = (name.clone(), version.clone());
        let index = match seen.get(&key) {
            Some(index) => *index,
            None => {
                let mut package = Package::new(Ecosystem::PyPi, name.as_str(), version.clone());
                package.line = Some(line);
                package.source = source_of(entry).unwrap_or_default();
                if let (PackageSource::Git { revision, .. }, Some(commit)) =
                    (&mut package.source, fields.string(&mut inventory, "revision"))
                {
                    *revision = Some(commit.to_owned());
                }
                if let Some(files) = old_files {
                    let key = format!("{name} {}", version.as_deref().unwrap_or_default());
                    let files = Fields { table: files, what: &what, lines: &lines }.tables(&mut inventory, &key);
                    let written = files.iter().filter_map(|(_, file)| hash(file.get("hash")?.get_ref().as_str()?));
                    package.hashes.extend(written);
                }
                let Some(index) = add(&mut inventory, package) else { break };
                seen.insert(key, index);
                index
            }
        };
        // With extras the files are the same.
        if inventory.packages[index].hashes.is_empty() {
            let files = fields.tables(&mut inventory, "files");
            let written = files.iter().filter_map(|(_, file)| hash(file.get("hash")?.get_ref().as_str()?));
            inventory.packages[index].hashes.extend(written);
        }
        for group in groups {
            inventory.packages[index].scopes.add(marked(scope_of(group, &extras), marker));
        }
        entries.push((index, entry));
    }
    let mut names = Names::of(&inventory);
    for (index, entry) in entries {
        let what = title(entry);
        let fields = Fields { table: entry, what: &what, lines: &lines };
        for written in fields.strings(&mut inventory, "dependencies") {
            match pep508::parse(written) {
                Ok(needed) => {
                    let to = names.found(&inventory, &needed.name, pep508::pinned(&needed.versions)).into_owned();
                    names.link(&mut inventory, index, &to);
                }
                Err(why) => {
                    let line = fields.line("dependencies");
                    note(&mut inventory.problems, line, format!("{what}: {}: {why}", quoted(written)));
                }
            }
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

/// Groups that are extras of the project: `[project.optional-dependencies]`.
fn extras(input: &Input<'_>) -> Option<HashSet<String>> {
    let bytes = (input.beside)("pyproject.toml")?;
    let content = text(&bytes).ok()?;
    let (table, _) = parse(&content).ok()?;
    let extras = at(&table, &["project", "optional-dependencies"]);
    Some(extras.into_iter().flat_map(|extras| extras.keys()).map(|extra| extra.get_ref().to_string()).collect())
}

/// Extras and development groups share their names: without the project beside, only usual names tell.
fn scope_of(group: &str, extras: &Option<HashSet<String>>) -> Scope {
    const DEVELOPMENT: [&str; 10] =
        ["dev", "test", "tests", "testing", "lint", "doc", "docs", "typing", "ci", "development"];
    match (group, extras) {
        ("default", _) => Scope::Production,
        (_, Some(extras)) if !extras.contains(group) => Scope::Development,
        (_, None) if DEVELOPMENT.contains(&group) => Scope::Development,
        _ => Scope::Optional,
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{needs, package, read_alone, read_beside, shown};
    use super::*;

    const LOCK: &str = r#"
[metadata]
groups = ["default", "dev", "fast"]
lock_version = "4.5.0"
[[package]]
name = "requests"
version = "2.31"
groups = ["default"]
dependencies = ["certifi>=2017", "urllib3<3,>=1"]
files = [{file = "r.whl", hash = "sha256:9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed"}]
[[package]]
name = "requests"
version = "2.31"
extras = ["socks"]
groups = ["dev"]
dependencies = ["PySocks!=1.5.7", "requests==2.31", "1 x"]
files = [{file = "r.whl", hash = "sha256:9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed"}]
[[package]]
name = "certifi"
version = "2024"
groups = ["default"]
[[package]]
name = "pysocks"
version = "1.7"
groups = ["dev"]
[[package]]
name = "orjson"
version = "3"
groups = ["fast"]
git = "https://host/orjson"
ref = "main"
revision = "abc"
"#;

    #[test]
    fn extras_are_one_package() {
        let project =
            "[project]\nname='app'\ndependencies=['requests']\n[project.optional-dependencies]\nfast=['orjson']\n";
        let read = read_beside(read, "pdm.lock", LOCK, &[("pyproject.toml", project)]);
        assert_eq!(shown(&read), ["requests 2.31", "certifi 2024", "pysocks 1.7", "orjson 3"]);
        assert_eq!(needs(&read, "requests"), ["certifi", "pysocks"]);
        assert_eq!(package(&read, "requests").hashes.len(), 1);
        assert!(package(&read, "pysocks").scopes.is_development_only());
        assert!(package(&read, "orjson").scopes.contains(Scope::Optional));
        assert_eq!(package(&read, "orjson").direct, Some(true));
        assert_eq!(package(&read, "certifi").direct, Some(false));
        let git = PackageSource::Git { url: "https://host/orjson".into(), revision: Some("abc".into()) };
        assert_eq!(package(&read, "orjson").source, git);
        assert_eq!(read.problems.len(), 1, "{:?}", read.problems);
    }

    #[test]
    fn alone_it_does_not_know_who_asks() {
        let read = read_alone(read, "pdm.lock", LOCK);
        assert_eq!(package(&read, "requests").direct, None);
        assert!(package(&read, "requests").scopes.contains(Scope::Production));
    }
}
