//! `pylock.toml` (PEP 751, lock-version 1.0).

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, PackageSource, Root, Scope, Scopes};
use toml::de::DeTable;

use super::pep508::{marked, normalised};
use super::pyproject::Project;
use super::source::{address, is_of_host};
use super::tables::{Fields, at, claims, parse, title};
use super::text::{Names, add, hexadecimal, settle};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[Reader { id: "pylock", wants, read, covered_by: &[] }];

/// `pylock.toml`, `pylock.<name>.toml`.
fn wants(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let middle = name.strip_prefix("pylock.").and_then(|rest| rest.strip_suffix("toml"));
    middle.is_some_and(|middle| middle.is_empty() || (middle.len() > 1 && middle.find('.') == Some(middle.len() - 1)))
}

fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let (table, lines) = parse(&content)?;
    let version = table.get("lock-version").and_then(|version| version.get_ref().as_str()).unwrap_or("1.0");
    let mut inventory = Inventory::new(format!("pylock.toml {version}"), Completeness::List);
    let document = Fields { table: &table, what: "pylock.toml", lines: &lines };
    let mut entries = Vec::new();
    for (line, entry) in document.tables(&mut inventory, "packages") {
        let what = title(entry);
        let fields = Fields { table: entry, what: &what, lines: &lines };
        let Some(name) = fields.string(&mut inventory, "name") else {
            note(&mut inventory.problems, Some(line), "a package without a name");
            continue;
        };
        let version = fields.string(&mut inventory, "version").map(str::to_owned);
        let mut package = Package::new(Ecosystem::PyPi, normalised(name), version);
        package.line = Some(line);
        package.scopes = Scopes::only(scope(fields.string(&mut inventory, "marker")));
        package.source = source(&fields, &mut inventory);
        if matches!(&package.source, PackageSource::Path { path } if path == ".") {
            // The project itself.
            let root = Root {
                name: Some(package.name),
                version: package.version,
                path: String::new(),
                dependencies: Vec::new(),
            };
            inventory.roots.push(root);
            continue;
        }
        let files = ["archive", "sdist"].into_iter().filter_map(|key| at(entry, &[key]));
        let wheels = fields.tables(&mut inventory, "wheels").into_iter().map(|(_, wheel)| wheel);
        let files: Vec<_> = files.chain(wheels).collect();
        package.claims = claims(&files);
        package.hashes = files.into_iter().flat_map(hashes).collect();
        let Some(index) = add(&mut inventory, package) else { break };
        entries.push((index, entry));
    }
    let mut names = Names::of(&inventory);
    for (index, entry) in entries {
        let what = title(entry);
        let fields = Fields { table: entry, what: &what, lines: &lines };
        for (_, needed) in fields.tables(&mut inventory, "dependencies") {
            let string = |key: &str| needed.get(key).and_then(|value| value.get_ref().as_str());
            let Some(name) = string("name") else { continue };
            let to = names.found(&inventory, &normalised(name), string("version")).into_owned();
            names.link(&mut inventory, index, &to);
            // To name them is a tool's choice; those that do name all.
            inventory.completeness = Completeness::Graph;
        }
    }
    settle(&mut inventory);
    if let Some(project) = Project::beside(input, &mut inventory) {
        project.mark(&mut inventory, &names);
    }
    Ok(inventory)
}

/// Markers tell which groups and extras a package is for (PEP 751, "Dependency groups").
fn scope(marker: Option<&str>) -> Scope {
    match marker {
        Some(marker) if marker.contains("dependency_groups") => Scope::Development,
        Some(marker) if marker.contains("extras") => Scope::Optional,
        other => marked(Scope::Production, other),
    }
}

fn source(fields: &Fields<'_>, inventory: &mut Inventory) -> PackageSource {
    let string =
        |table: &DeTable<'_>, key: &str| table.get(key).and_then(|value| value.get_ref().as_str().map(str::to_owned));
    if let Some(vcs) = fields.table(inventory, "vcs") {
        let url = string(vcs, "url").or_else(|| string(vcs, "path")).unwrap_or_default();
        let revision = string(vcs, "commit-id").or_else(|| string(vcs, "requested-revision"));
        return PackageSource::Git { url: address(&url), revision };
    }
    if let Some(directory) = fields.table(inventory, "directory") {
        return PackageSource::Path { path: string(directory, "path").unwrap_or_default() };
    }
    if let Some(archive) = fields.table(inventory, "archive") {
        return match string(archive, "url") {
            Some(url) => PackageSource::Url { url: address(&url) },
            None => PackageSource::Path { path: string(archive, "path").unwrap_or_default() },
        };
    }
    match fields.string(inventory, "index").filter(|url| !is_of_host(url, &["pypi.org"])) {
        Some(url) => PackageSource::OtherRegistry { url: address(url) },
        None => PackageSource::Registry,
    }
}

fn hashes(file: &DeTable<'_>) -> Vec<PackageHash> {
    let hashes = at(file, &["hashes"]).into_iter().flat_map(|hashes| hashes.iter());
    hashes.filter_map(|(algorithm, value)| hexadecimal(algorithm.get_ref(), value.get_ref().as_str()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{needs, package, read_beside, shown};
    use super::*;

    #[test]
    fn sources_hashes_edges() {
        let text = r#"
lock-version = "1.0"
created-by = "hand"
[[packages]]
name = "attrs"
version = "25.1"
index = "https://pypi.org/simple"
wheels = [{name = "attrs.whl", hashes = {sha256 = "9E0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed"}}]
[[packages]]
name = "cattrs"
version = "24.1"
marker = "'dev' in dependency_groups"
dependencies = [{name = "Attrs"}]
[[packages]]
name = "local"
directory = {path = ".", editable = true}
[[packages]]
name = "vcs"
vcs = {type = "git", url = "https://host/vcs", commit-id = "abc"}
[[packages]]
name = "away"
archive = {url = "https://host/away.zip", hashes = {sha256 = "9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed"}}
[[packages]]
version = "1"
"#;
        let read = read_beside(
            read,
            "pylock.toml",
            text,
            &[("pyproject.toml", "[project]\nname='x'\ndependencies=['attrs']")],
        );
        assert_eq!(shown(&read), ["attrs 25.1", "cattrs 24.1", "vcs -", "away -"]);
        assert_eq!(needs(&read, "cattrs"), ["attrs"]);
        assert!(package(&read, "cattrs").scopes.is_development_only());
        assert_eq!(package(&read, "attrs").direct, Some(true));
        assert_eq!(package(&read, "attrs").hashes.len() + package(&read, "away").hashes.len(), 2);
        assert_eq!(read.roots[0].name.as_deref(), Some("local"));
        assert_eq!(read.problems.len(), 1);
    }

    #[test]
    fn which_names() {
        assert!(wants("pylock.toml") && wants("a/pylock.dev.toml"));
        assert!(!wants("pylock..toml") && !wants("pylock.a.b.toml") && !wants("xpylock.toml"));
    }
}
