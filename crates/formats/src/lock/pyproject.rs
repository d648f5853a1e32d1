//! What a Python project asks for: `pyproject.toml` (PEP 621, PEP 735, and the tables of Poetry, PDM and uv), `setup.cfg`,
//! `Pipfile`. Nothing in them is resolved; beside a lock they tell which of its packages the project itself wants.

use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Root, Scope, Scopes};
use toml::de::{DeTable, DeValue};

use super::pep508::{self, Requirement, marked, normalised, pinned};
use super::source::address;
use super::tables::{Fields, Value, at, in_order, parse};
use super::text::{Lines, Names, add, quoted};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[
    Reader {
        id: "pyproject",
        wants: |path| super::named(path, "pyproject.toml"),
        read: read_pyproject,
        covered_by: &["poetry-lock", "uv-lock", "pdm-lock", "pylock"],
    },
    Reader {
        id: "pipfile",
        wants: |path| super::named(path, "Pipfile"),
        read: read_pipfile,
        covered_by: &["pipfile-lock"],
    },
    Reader { id: "setup-cfg", wants: |path| super::named(path, "setup.cfg"), read: read_setup_cfg, covered_by: &[] },
];

/// A project and what it asks for.
#[derive(Default)]
pub(super) struct Project {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) asked: Vec<Asked>,
}

/// One thing that a project asks for.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) requirement: Option<String>,
    pub(super) source: PackageSource,
    pub(super) scope: Scope,
    pub(super) line: u64,
}

impl Project {
    /// The project of a `pyproject.toml`. What cannot be read is noted in `problems`' problems.
    pub(super) fn of_pyproject(text: &str, problems: &mut Inventory) -> Result<Self, LockError> {
        let (table, lines) = parse(text)?;
        let mut project = Self::default();
        project.standard(&table, &lines, problems);
        project.poetry(&table, &lines, problems);
        for path in [&["tool", "pdm", "dev-dependencies"][..], &["dependency-groups"]] {
            let Some(groups) = at(&table, path) else { continue };
            for (_, name, group) in in_order(groups, &lines) {
                project.group(name, group, &lines, problems);
            }
        }
        if let Some(uv) = at(&table, &["tool", "uv"]) {
            project.list(uv, "dev-dependencies", Scope::Development, &lines, problems);
            let entries = at(uv, &["sources"]).into_iter().flat_map(|sources| sources.iter());
            let sources: HashMap<String, PackageSource> = entries
                .filter_map(|(name, value)| Some((normalised(name.get_ref()), source_of(value.get_ref().as_table()?)?)))
                .collect();
            for asked in &mut project.asked {
                if let Some(source) = sources.get(&asked.name) {
                    asked.source = source.clone();
                }
            }
        }
        if let Some(build) = at(&table, &["build-system"]) {
            project.list(build, "requires", Scope::Build, &lines, problems);
        }
        Ok(project)
    }

    /// The project whose `pyproject.toml` lies beside a lock.
    pub(super) fn beside(input: &Input<'_>, inventory: &mut Inventory) -> Option<Self> {
        let bytes = (input.beside)("pyproject.toml")?;
        let mut noted = Inventory::new("", Completeness::Declared);
        let read = text(&bytes).and_then(|text| Self::of_pyproject(&text, &mut noted));
        noted_beside("pyproject.toml", noted, inventory);
        read.map_err(|error| {
            note(&mut inventory.problems, None, format!("pyproject.toml beside it cannot be read: {error}"))
        })
        .ok()
    }

    /// Marks the packages of a lock that the project asks for.
    pub(super) fn mark(self, inventory: &mut Inventory, names: &Names) {
        let mut dependencies = Vec::new();
        for package in &mut inventory.packages {
            package.direct = Some(false);
        }
        for asked in self.asked.into_iter().filter(|asked| asked.scope != Scope::Build) {
            for index in names.found(inventory, &asked.name, asked.version.as_deref()).iter() {
                inventory.packages[*index].direct = Some(true);
                dependencies.push((*index, asked.scope));
            }
        }
        inventory.roots.push(Root { name: self.name, version: self.version, path: String::new(), dependencies });
    }

    fn standard(&mut self, table: &DeTable<'_>, lines: &Lines, problems: &mut Inventory) {
        let Some(project) = at(table, &["project"]) else { return };
        let fields = Fields { table: project, what: "project", lines };
        self.name = fields.string(problems, "name").map(str::to_owned);
        self.version = fields.string(problems, "version").map(str::to_owned);
        self.list(project, "dependencies", Scope::Production, lines, problems);
        let Some(extras) = fields.table(problems, "optional-dependencies") else { return };
        for (_, extra, _) in in_order(extras, lines) {
            self.list(extras, extra, Scope::Optional, lines, problems);
        }
    }

    /// A list of requirements.
    fn list(&mut self, table: &DeTable<'_>, key: &str, scope: Scope, lines: &Lines, problems: &mut Inventory) {
        let fields = Fields { table, what: "project", lines };
        for value in fields.array(problems, key) {
            match value.get_ref().as_str() {
                Some(text) => self.requirement(text, scope, lines.at(value.span().start), problems),
                None => wrong(problems, lines, value, key),
            }
        }
    }

    /// A group of PEP 735, which may include others.
    fn group(&mut self, name: &str, group: &Value<'_>, lines: &Lines, problems: &mut Inventory) {
        let Some(array) = group.get_ref().as_array() else { return wrong(problems, lines, group, name) };
        for value in array {
            match value.get_ref() {
                DeValue::String(text) => {
                    self.requirement(text, Scope::Development, lines.at(value.span().start), problems);
                }
                // What it includes is read where it stands.
                DeValue::Table(table) if table.contains_key("include-group") => {}
                _ => wrong(problems, lines, value, name),
            }
        }
    }

    fn requirement(&mut self, text: &str, scope: Scope, line: u64, problems: &mut Inventory) {
        // PDM writes editable ones with the option of pip.
        let bare = text.trim().strip_prefix("-e ").unwrap_or(text).trim();
        let egg = bare.split_once("#egg=").map(|(url, egg)| format!("{egg} @ {url}"));
        match pep508::parse(egg.as_deref().unwrap_or(bare)) {
            Ok(requirement) => {
                if !pep508::are_versions(&requirement.versions) {
                    note(&mut problems.problems, Some(line), format!("{}: no version", quoted(text)));
                }
                self.asked.push(asked(requirement, scope, line));
            }
            Err(why) => note(&mut problems.problems, Some(line), format!("{}: {why}", quoted(&address(text)))),
        }
    }

    fn poetry(&mut self, table: &DeTable<'_>, lines: &Lines, problems: &mut Inventory) {
        let Some(poetry) = at(table, &["tool", "poetry"]) else { return };
        let fields = Fields { table: poetry, what: "tool.poetry", lines };
        let (name, version) = (fields.string(problems, "name"), fields.string(problems, "version"));
        self.name = self.name.take().or(name.map(str::to_owned));
        self.version = self.version.take().or(version.map(str::to_owned));
        for (key, scope) in [("dependencies", Scope::Production), ("dev-dependencies", Scope::Development)] {
            if let Some(table) = fields.table(problems, key) {
                self.constraints(table, scope, lines, problems);
            }
        }
        let groups = fields.table(problems, "group");
        for (_, name, group) in groups.into_iter().flat_map(|groups| in_order(groups, lines)) {
            let Some(group) = group.get_ref().as_table().and_then(|group| at(group, &["dependencies"])) else {
                continue;
            };
            let scope = if name == "main" { Scope::Production } else { Scope::Development };
            self.constraints(group, scope, lines, problems);
        }
    }

    /// A table of names and constraints: Poetry's.
    fn constraints(&mut self, table: &DeTable<'_>, scope: Scope, lines: &Lines, problems: &mut Inventory) {
        // Under PEP 621 this table only adds to what stands in `project`.
        let standard: HashMap<String, usize> = match scope {
            Scope::Production => self.asked.iter().enumerate().map(|(at, asked)| (asked.name.clone(), at)).collect(),
            _ => HashMap::new(),
        };
        for (line, name, value) in in_order(table, lines) {
            if name == "python" {
                continue;
            }
            let values = match value.get_ref() {
                DeValue::Array(values) => values.iter().collect(),
                _ => vec![value],
            };
            for value in values {
                match constraint(name, value, scope, line) {
                    Some(asked) => match standard.get(&asked.name) {
                        Some(at) => self.asked[*at].source = asked.source,
                        None => self.asked.push(asked),
                    },
                    None => wrong(problems, lines, value, name),
                }
            }
        }
    }

    /// As an inventory of its own.
    fn into_inventory(self, mut inventory: Inventory) -> Inventory {
        let mut dependencies = Vec::new();
        for asked in self.asked {
            let mut package = Package::new(Ecosystem::PyPi, asked.name, asked.version);
            package.requirement = asked.requirement;
            package.source = asked.source;
            package.scopes = Scopes::only(asked.scope);
            package.direct = Some(true);
            package.line = Some(asked.line);
            dependencies.extend(add(&mut inventory, package).map(|index| (index, asked.scope)));
        }
        if self.name.is_some() || !dependencies.is_empty() {
            inventory.roots.push(Root { name: self.name, version: self.version, path: String::new(), dependencies });
        }
        inventory
    }
}

/// Hands on what was wrong with a file that lies beside.
pub(super) fn noted_beside(file: &str, noted: Inventory, inventory: &mut Inventory) {
    for problem in noted.problems {
        let line = problem.line.map(|line| format!(" line {line}")).unwrap_or_default();
        note(&mut inventory.problems, None, format!("{file}{line}: {}", problem.what));
    }
}

fn wrong(problems: &mut Inventory, lines: &Lines, value: &Value<'_>, key: &str) {
    let what = format!("{}: a {} is no requirement", quoted(key), value.get_ref().type_str());
    note(&mut problems.problems, Some(lines.at(value.span().start)), what);
}

fn asked(requirement: Requirement, scope: Scope, line: u64) -> Asked {
    let from_url = requirement.url.as_deref().and_then(pep508::of_file_name).map(|(_, version)| version);
    Asked {
        version: pinned(&requirement.versions).map(str::to_owned).or(from_url),
        requirement: Some(requirement.versions).filter(|versions| !versions.is_empty()),
        source: requirement.url.as_deref().map(pep508::source).unwrap_or_default(),
        scope: marked(scope, requirement.marker.as_deref()),
        name: requirement.name,
        line,
    }
}

/// `name = "^1.2"`, `name = { version = "…", … }`.
fn constraint(name: &str, value: &Value<'_>, scope: Scope, line: u64) -> Option<Asked> {
    let (versions, table) = match value.get_ref() {
        DeValue::String(versions) => (Some(versions.as_ref()), None),
        DeValue::Table(table) => (table.get("version").and_then(|version| version.get_ref().as_str()), Some(table)),
        _ => return None,
    };
    let flag = |key: &str| table.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_bool());
    let marker = |key: &str| table.and_then(|table| table.get(key)).and_then(|value| value.get_ref().as_str());
    let scope = if flag("optional") == Some(true) { Scope::Optional } else { scope };
    let scope = marked(scope, marker("markers").or_else(|| marker("sys_platform").map(|_| "sys_platform")));
    let versions = versions.map(str::trim).filter(|versions| *versions != "*" && !versions.is_empty());
    Some(Asked {
        name: normalised(name),
        version: versions.and_then(|versions| pinned(versions).or_else(|| exact(versions))).map(str::to_owned),
        requirement: versions.map(str::to_owned),
        source: table.and_then(source_of).unwrap_or_default(),
        scope,
        line,
    })
}

/// Poetry's constraint that is a bare version means that version.
fn exact(versions: &str) -> Option<&str> {
    let plain = versions.starts_with(|c: char| c.is_ascii_digit()) && !versions.contains(['*', ',', ' ', '|', 'x']);
    plain.then_some(versions)
}

/// Where a table of a dependency says that it comes from: the keys of Poetry, Pipenv and uv.
pub(super) fn source_of(table: &DeTable<'_>) -> Option<PackageSource> {
    let string = |key: &str| table.get(key).and_then(|value| value.get_ref().as_str());
    if let Some(url) = string("git") {
        let revision = ["rev", "ref", "tag", "branch"].into_iter().find_map(string);
        return Some(PackageSource::Git { url: address(url), revision: revision.map(str::to_owned) });
    }
    if let Some(url) = string("url") {
        return Some(PackageSource::Url { url: address(url) });
    }
    if let Some(path) = string("path").or_else(|| string("file")) {
        return Some(match path.contains("://") {
            true => PackageSource::Url { url: address(path) },
            false => PackageSource::Path { path: path.to_owned() },
        });
    }
    None
}

fn read_pyproject(input: &Input<'_>) -> Result<Inventory, LockError> {
    let mut inventory = Inventory::new("pyproject.toml", Completeness::Declared);
    let project = Project::of_pyproject(&text(input.bytes)?, &mut inventory)?;
    Ok(project.into_inventory(inventory))
}

/// What a `Pipfile` asks for.
pub(super) fn of_pipfile(text: &str, problems: &mut Inventory) -> Result<Project, LockError> {
    let (table, lines) = parse(text)?;
    let mut project = Project::default();
    for (line, key, value) in in_order(&table, &lines) {
        let scope = match key {
            "packages" => Scope::Production,
            "source" | "requires" | "scripts" | "pipenv" | "pipfile" => continue,
            // `dev-packages`, or a category of the project's own.
            _ => Scope::Development,
        };
        match value.get_ref().as_table() {
            Some(table) => project.constraints(table, scope, &lines, problems),
            None => note(&mut problems.problems, Some(line), format!("{} is no table", quoted(key))),
        }
    }
    Ok(project)
}

fn read_pipfile(input: &Input<'_>) -> Result<Inventory, LockError> {
    let mut inventory = Inventory::new("Pipfile", Completeness::Declared);
    let project = of_pipfile(&text(input.bytes)?, &mut inventory)?;
    Ok(project.into_inventory(inventory))
}

fn read_setup_cfg(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let mut inventory = Inventory::new("setup.cfg", Completeness::Declared);
    let mut project = Project::default();
    let (mut section, mut key) = ("", "");
    for (number, line) in (1..).zip(content.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        let mut value = trimmed;
        if !line.starts_with([' ', '\t']) {
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                (section, key) = (name.trim(), "");
                continue;
            }
            let Some((before, after)) = trimmed.split_once(['=', ':']) else {
                note(&mut inventory.problems, Some(number), "a line that is no setting");
                continue;
            };
            (key, value) = (before.trim(), after.trim());
        }
        let scope = match (section, key) {
            ("metadata", "name") => {
                project.name = Some(value.to_owned());
                continue;
            }
            ("metadata", "version") if !value.contains(':') => {
                project.version = Some(value.to_owned());
                continue;
            }
            ("options", "install_requires") => Scope::Production,
            ("options", "setup_requires") => Scope::Build,
            ("options", "tests_require") => Scope::Development,
            ("options.extras_require", _) => Scope::Optional,
            _ => continue,
        };
        if !value.is_empty() {
            project.requirement(value, scope, number, &mut inventory);
        }
    }
    Ok(project.into_inventory(inventory))
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, shown};
    use super::*;

    #[test]
    fn standard_tables() {
        let text = r#"
[build-system]
requires = ["setuptools>=61"]
[project]
name = "app"
version = "0.1"
dependencies = ["Flask_Login==1.0", "x @ git+https://host/x@abc", "w; sys_platform == 'win32'", 7, "a b"]
[project.optional-dependencies]
fast = ["orjson~=3.0"]
[dependency-groups]
test = ["pytest>8", {include-group = "lint"}]
lint = ["ruff"]
[tool.uv.sources]
ruff = { git = "https://host/ruff", tag = "v1" }
"#;
        let read = read_alone(read_pyproject, "pyproject.toml", text);
        assert_eq!(shown(&read), ["flask-login 1.0", "x -", "w -", "orjson -", "pytest -", "ruff -", "setuptools -"]);
        let scope = |name: &str| package(&read, name).scopes.iter().next().expect("a scope");
        assert_eq!(
            ["flask-login", "w", "orjson", "pytest", "setuptools"].map(scope),
            [Scope::Production, Scope::Optional, Scope::Optional, Scope::Development, Scope::Build]
        );
        assert_eq!(package(&read, "orjson").line, Some(9));
        assert!(
            matches!(&package(&read, "ruff").source, PackageSource::Git { revision, .. } if revision.as_deref() == Some("v1"))
        );
        assert_eq!(read.problems.len(), 2, "{:?}", read.problems);
        assert_eq!(read.roots[0].dependencies.len(), 7);
    }

    #[test]
    fn tables_of_poetry_and_pipenv() {
        let text = "[tool.poetry.dependencies]
python = '^3.9'
b = '^1.0'
a = { version = '2.0', optional = true }
            c = [{ version = '<2' }, { path = '../c' }]
[tool.poetry.group.dev.dependencies]
d = '*'
";
        let read = read_alone(read_pyproject, "pyproject.toml", text);
        assert_eq!(shown(&read), ["b -", "a 2.0", "c -", "c -", "d -"]);
        assert_eq!(read.packages[3].source, PackageSource::Path { path: "../c".into() });
        let text = "[packages]
A_b = '==1.0'
c = {git = 'https://u:p@host/c', ref = 'abc'}
[dev-packages]
d = '*'
";
        let read = read_alone(read_pipfile, "Pipfile", text);
        assert_eq!(shown(&read), ["a-b 1.0", "c -", "d -"]);
        assert!(package(&read, "d").scopes.is_development_only());
    }

    #[test]
    fn a_setup_cfg() {
        let text = "[metadata]
name = app
[options]
install_requires =
    # none
    a>=1; python_version > '3'
    b
packages = find:
[options.extras_require]
x = c ==1
";
        let read = read_alone(read_setup_cfg, "setup.cfg", text);
        assert_eq!(shown(&read), ["a -", "b -", "c 1"]);
        assert_eq!(read.problems, []);
        assert_eq!(package(&read, "b").line, Some(7));
    }

    #[test]
    fn keys_without_end_do_not_end_the_reader() {
        let text = format!("{}a = 1", "a.".repeat(100_000));
        let beside = |_: &str| None;
        let input = Input { path: "pyproject.toml", bytes: text.as_bytes(), beside: &beside };
        assert!(read_pyproject(&input).is_err() || read_pyproject(&input).is_ok());
    }
}
