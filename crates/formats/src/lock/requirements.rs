//! pip's requirements and constraints files (pip documentation, "Requirements File Format"), written by hand or by
//! pip-compile, `uv pip compile`, `pip freeze`, `poetry export`. Where every package says `# via`, they are a graph.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageSource, Root, Scope, Scopes};

use super::pep508::{self, Requirement, normalised, pinned};
use super::source::{address, is_of_host};
use super::text::{Names, add, directory, hash, join, quoted, settle};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

/// Options of a line of its own that change nothing here.
const OPTIONS: [&str; 11] = [
    "--extra-index-url",
    "--no-index",
    "-f",
    "--find-links",
    "--no-binary",
    "--only-binary",
    "--prefer-binary",
    "--require-hashes",
    "--pre",
    "--trusted-host",
    "--use-feature",
];

/// Files that one file includes at most, itself counted.
const MAXIMUM_FILES: usize = 64;

pub(crate) const READERS: &[Reader] = &[
    Reader { id: "python-requirements", wants: wants_locked, read, covered_by: &[] },
    Reader { id: "python-requirements-in", wants: wants_input, read, covered_by: &["python-requirements"] },
];

fn wants_locked(path: &str) -> bool {
    wants(path, ".txt")
}

fn wants_input(path: &str) -> bool {
    wants(path, ".in")
}

fn wants(path: &str, end: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    let folder = folder.rsplit('/').next().unwrap_or_default();
    name.strip_suffix(end).is_some_and(|stem| {
        stem.contains("requirements")
            || stem.contains("constraints")
            || folder == "requirements"
            || folder == "constraints"
    })
}

/// What a requirements file of this name is for.
fn scope_of(path: &str) -> Scope {
    const DEVELOPMENT: [&str; 14] = [
        "dev",
        "devel",
        "develop",
        "development",
        "test",
        "tests",
        "testing",
        "lint",
        "linting",
        "docs",
        "doc",
        "ci",
        "typing",
        "mypy",
    ];
    let path = path.to_ascii_lowercase();
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
    // Of the folders only the last: `tests/requirements.txt`.
    let last = folder.rsplit('/').next().unwrap_or_default();
    let mut words = name.split(['-', '_', '.']).chain([last]);
    if words.any(|word| DEVELOPMENT.contains(&word)) { Scope::Development } else { Scope::Production }
}

/// Reads a file and what it includes.
fn read(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let constraints = input.name().to_ascii_lowercase().contains("constraints");
    let kind = if constraints { "pip constraints" } else { "requirements.txt" };
    let mut reading = Reading {
        inventory: Inventory::new(kind, Completeness::Declared),
        beside: input.beside,
        seen: BTreeSet::from([input.name().to_owned()]),
        constraints: HashMap::new(),
        index: None,
        via: Vec::new(),
        roots: Vec::new(),
        all_hashed: true,
    };
    reading.file(
        &content,
        &File { directory: "", scope: scope_of(input.path), line: None, constrains: constraints, depth: 0 },
    );
    Ok(reading.finish(constraints))
}

/// One of the files that are read.
struct File<'a> {
    /// Relative to the first one's.
    directory: &'a str,
    scope: Scope,
    /// Line of the first file that includes it.
    line: Option<u64>,
    /// Its lines ask for nothing: they bound the others.
    constrains: bool,
    depth: usize,
}

struct Reading<'a> {
    inventory: Inventory,
    beside: &'a dyn Fn(&str) -> Option<Vec<u8>>,
    seen: BTreeSet<String>,
    constraints: HashMap<String, Requirement>,
    /// The index that replaces the usual one.
    index: Option<String>,
    /// Who asks for each package.
    via: Vec<Vec<String>>,
    /// Directories of local projects.
    roots: Vec<String>,
    all_hashed: bool,
}

impl Reading<'_> {
    fn file(&mut self, content: &str, file: &File<'_>) {
        let mut current: Option<usize> = None;
        let mut in_via = false;
        for (number, logical, comment) in logical_lines(content) {
            let line = file.line.unwrap_or(number);
            let logical = logical.trim();
            if !logical.is_empty() {
                in_via = false;
                current = self.line(logical, line, file);
            }
            let Some(comment) = comment else { continue };
            let Some(current) = current else { continue };
            let who = if in_via { Some(comment) } else { via(comment) };
            if let (Some(who), Some(via)) = (who, self.via.get_mut(current)) {
                in_via = true;
                // `# via a` and `# from https://…` after it.
                let named = who.split(',').map(str::trim).filter(|one| !one.is_empty() && !one.starts_with("from "));
                via.extend(named.map(str::to_owned));
            }
        }
    }

    /// Reads a logical line: the package that it is about.
    fn line(&mut self, line: &str, number: u64, file: &File<'_>) -> Option<usize> {
        if line.starts_with('-') {
            let (option, value) = option(line);
            match option {
                "-r" | "--requirement" => self.include(value, number, file, file.constrains),
                "-c" | "--constraint" => self.include(value, number, file, true),
                "-i" | "--index-url" | "--pypi-url" => {
                    self.index = Some(address(value)).filter(|url| !is_of_host(url, &["pypi.org"]));
                }
                "-e" | "--editable" => return self.package(value, number, file),
                known if OPTIONS.contains(&known) => {}
                other => note(&mut self.inventory.problems, Some(number), format!("{} is no option", quoted(other))),
            }
            return None;
        }
        self.package(line, number, file)
    }

    fn include(&mut self, name: &str, line: u64, file: &File<'_>, constrains: bool) {
        let name = name.trim_matches(['"', '\'']);
        let problem = |reading: &mut Self, what: &str| {
            note(&mut reading.inventory.problems, Some(line), format!("{} {what}", quoted(&address(name))));
        };
        if name.contains("://") {
            return problem(self, "is elsewhere: what it asks for is not known");
        }
        let Some(path) = join(file.directory, name) else { return problem(self, "lies outside: it is not read") };
        if !self.seen.insert(path.clone()) {
            return; // read already, or a cycle
        }
        if self.seen.len() > MAXIMUM_FILES || file.depth >= super::MAXIMUM_DEPTH {
            return problem(self, "is one file too many: it is not read");
        }
        let Some(bytes) = (self.beside)(&path) else { return problem(self, "is not there") };
        match text(&bytes) {
            Ok(content) => {
                let inner = File {
                    directory: directory(&path),
                    scope: scope_of(&path),
                    line: Some(line),
                    constrains,
                    depth: file.depth + 1,
                };
                self.file(&content, &inner);
            }
            Err(error) => problem(self, &format!("cannot be read: {error}")),
        }
    }

    fn package(&mut self, line: &str, number: u64, file: &File<'_>) -> Option<usize> {
        let (written, options) = match line.find(" -") {
            Some(at) => (line[..at].trim(), &line[at..]),
            None => (line, ""),
        };
        let requirement = match requirement(written) {
            Ok(requirement) => requirement,
            Err(Unnamed::Project(path)) => {
                self.roots.push(path);
                return None;
            }
            Err(Unnamed::Broken(why)) => {
                note(&mut self.inventory.problems, Some(number), format!("{}: {why}", quoted(&address(written))));
                return None;
            }
        };
        if file.constrains && file.depth > 0 {
            self.constraints.insert(requirement.name.clone(), requirement);
            return None;
        }
        let from_url = requirement.url.as_deref().and_then(pep508::of_file_name).map(|(_, version)| version);
        let version = pinned(&requirement.versions).map(str::to_owned).or(from_url);
        let mut package = Package::new(Ecosystem::PyPi, requirement.name.as_str(), version);
        package.line = Some(number);
        package.scopes = Scopes::only(pep508::marked(file.scope, requirement.marker.as_deref()));
        if !pep508::are_versions(&requirement.versions) {
            let what = format!("{}: {} is no version", requirement.name, quoted(&requirement.versions));
            note(&mut self.inventory.problems, Some(number), what);
        }
        if !requirement.versions.is_empty() {
            package.requirement = Some(requirement.versions);
        }
        let mut hashes: Vec<_> =
            options.split_whitespace().filter_map(|word| hash(word.strip_prefix("--hash=").unwrap_or(word))).collect();
        if let Some(url) = &requirement.url {
            package.source = pep508::source(url);
            hashes.extend(url.split_once('#').into_iter().flat_map(|(_, rest)| rest.split('&')).filter_map(hash));
        } else if let Some(index) = &self.index {
            package.source = PackageSource::OtherRegistry { url: index.clone() };
        }
        self.all_hashed &= !hashes.is_empty() || !matches!(package.source, PackageSource::Registry);
        package.hashes = hashes;
        let index = add(&mut self.inventory, package)?;
        self.via.push(Vec::new());
        Some(index)
    }

    fn finish(mut self, constraints: bool) -> Inventory {
        let mut inventory = self.inventory;
        for package in &mut inventory.packages {
            if let (None, Some(bound)) = (&package.version, self.constraints.get(&package.name)) {
                package.version = pinned(&bound.versions).map(str::to_owned);
                let written = package.requirement.get_or_insert_default();
                if !bound.versions.is_empty() {
                    written.push_str(if written.is_empty() { "" } else { "," });
                    written.push_str(&bound.versions);
                }
            }
        }
        self.roots.dedup();
        let root = |path: String| Root { name: None, version: None, path, dependencies: Vec::new() };
        inventory.roots = self.roots.drain(..).map(root).collect();
        let resolved = inventory.packages.iter().all(|package| {
            package.version.is_some()
                || !matches!(package.source, PackageSource::Registry | PackageSource::OtherRegistry { .. })
        });
        if constraints || inventory.packages.is_empty() {
            return inventory;
        }
        if resolved && self.via.iter().all(|via| !via.is_empty()) {
            graph(&mut inventory, &self.via);
        } else if resolved && self.all_hashed {
            inventory.completeness = Completeness::List;
        } else if !resolved {
            for package in &mut inventory.packages {
                package.direct = Some(true);
            }
        }
        inventory
    }
}

/// Turns what was said with `# via` into edges.
fn graph(inventory: &mut Inventory, via: &[Vec<String>]) {
    let mut names = Names::of(inventory);
    let mut direct = Vec::new();
    for (index, via) in via.iter().enumerate() {
        let mut is_direct = false;
        for who in via {
            if who.starts_with("-c ") || who.starts_with("--constraint") {
                continue;
            }
            let bare = who.split(['[', ' ', '(']).next().unwrap_or_default();
            let asking = if who.starts_with('-') || who.contains('(') {
                Vec::new()
            } else {
                names.named(&normalised(bare)).to_vec()
            };
            // A requirements file, or the project itself.
            is_direct |= asking.is_empty();
            for from in asking {
                names.link(inventory, from, &[index]);
            }
        }
        inventory.packages[index].direct = Some(is_direct);
        if is_direct {
            let scope = inventory.packages[index].scopes.iter().next().unwrap_or(Scope::Production);
            direct.push((index, scope));
        }
    }
    settle(inventory);
    inventory.completeness = Completeness::Graph;
    match inventory.roots.first_mut() {
        Some(root) => root.dependencies = direct,
        None => inventory.roots.push(Root { name: None, version: None, path: String::new(), dependencies: direct }),
    }
}

/// The names in a comment that says who asks.
fn via(comment: &str) -> Option<&str> {
    let rest = comment.trim_start().strip_prefix("via")?;
    (rest.is_empty() || rest.starts_with([' ', '\t'])).then(|| rest.trim())
}

/// An option and its value: `-r file`, `-rfile`, `--requirement=file`.
fn option(line: &str) -> (&str, &str) {
    let long = line.starts_with("--");
    let end = match long {
        true => line.find(['=', ' ', '\t']).unwrap_or(line.len()),
        false => line.char_indices().nth(2).map_or(line.len(), |(at, _)| at),
    };
    (&line[..end], line[end..].trim_start_matches(['=', ' ', '\t']).trim())
}

/// What has no name to be a package by.
enum Unnamed {
    /// A directory of the project.
    Project(String),
    Broken(&'static str),
}

/// A line: a requirement, an address, or a path.
fn requirement(written: &str) -> Result<Requirement, Unnamed> {
    let unquoted = written.trim_matches(['"', '\'']);
    let looks_like_path = unquoted.starts_with(['.', '/', '~'])
        || unquoted.starts_with("file:")
        || [".whl", ".tar.gz", ".zip"].iter().any(|end| unquoted.ends_with(end));
    let scheme = unquoted
        .split_once("://")
        .is_some_and(|(scheme, _)| scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+'));
    if !looks_like_path && !scheme {
        return match pep508::parse(unquoted) {
            Ok(requirement) => Ok(requirement),
            // `-e folder/of/project`
            Err(_) if unquoted.contains('/') && !unquoted.contains([' ', '@', '=']) => {
                Err(Unnamed::Project(unquoted.to_owned()))
            }
            Err(why) => Err(Unnamed::Broken(why)),
        };
    }
    let (url, marker) = match unquoted.split_once(" ;").or_else(|| unquoted.split_once("; ")) {
        Some((url, marker)) => (url.trim(), Some(marker.trim().to_owned())),
        None => (unquoted, None),
    };
    let egg = url.split_once('#').and_then(|(_, rest)| rest.split('&').find_map(|part| part.strip_prefix("egg=")));
    let mut requirement = match egg.map(pep508::parse) {
        Some(Ok(requirement)) => requirement,
        _ => match pep508::of_file_name(url) {
            Some((name, _)) => Requirement { name, ..Requirement::default() },
            None if looks_like_path => {
                let path = url.split('[').next().unwrap_or(url);
                return Err(Unnamed::Project(path.trim_end_matches('/').to_owned()));
            }
            None => Requirement {
                name: repository_name(url).ok_or(Unnamed::Broken("it does not tell a name"))?,
                ..Requirement::default()
            },
        },
    };
    requirement.url = Some(url.to_owned());
    requirement.marker = marker.or(requirement.marker);
    Ok(requirement)
}

/// What a repository is called: the best guess at a package that is named nowhere else.
fn repository_name(url: &str) -> Option<String> {
    let bare = url.strip_prefix("git+")?.split('#').next()?;
    let last = bare.rsplit('/').next()?.split('@').next()?;
    let name = last.strip_suffix(".git").unwrap_or(last);
    pep508::is_name(name).then(|| normalised(name))
}

/// Lines joined where they are continued: number of the first, text, and the comment that ends it (or is all of it).
fn logical_lines(content: &str) -> Vec<(u64, Cow<'_, str>, Option<&str>)> {
    let mut lines = Vec::new();
    let mut pending: Option<(u64, String)> = None;
    for (number, line) in (1..).zip(content.lines()) {
        let (code, comment) = split_comment(line);
        let continued = comment.is_none().then(|| code.trim_end().strip_suffix('\\')).flatten();
        match (&mut pending, continued) {
            (Some((_, text)), Some(part)) => text.push_str(part),
            (None, Some(part)) => pending = Some((number, part.to_owned())),
            (Some(_), None) => {
                let (first, mut text) = pending.take().unwrap_or_default();
                text.push_str(code);
                lines.push((first, Cow::Owned(text), comment));
            }
            (None, None) => lines.push((number, Cow::Borrowed(code), comment)),
        }
    }
    if let Some((first, text)) = pending {
        lines.push((first, Cow::Owned(text), None));
    }
    lines
}

/// A comment begins at the start of a line or after a blank.
fn split_comment(line: &str) -> (&str, Option<&str>) {
    let bytes = line.as_bytes();
    let start = memchr::memchr_iter(b'#', bytes).find(|at| *at == 0 || matches!(bytes[at - 1], b' ' | b'\t'));
    match start {
        Some(at) => (&line[..at], Some(line[at + 1..].trim())),
        None => (line, None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{needs, package, read_alone, read_beside, shown};
    use super::*;

    #[test]
    fn a_compiled_file_is_a_graph() {
        let text = "\u{feff}# This file is autogenerated by pip-compile\r\n--index-url https://user:pass@index.example/simple\r\n\
            asgiref==3.7.2 \\\r\n    --hash=sha256:89b2ef2247e3b562a16eef663bc0e2e703ec6468e2fa8a5cd61cd449786d4f6e \\\r\n    \
            --hash=sha256:9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed\r\n    # via Django\r\n\
            django[argon2]==4.2.1 ; python_version >= \"3.8\"  # via -r requirements.in, other_one\r\n\
            Other_One==1.0\r\n    # via\r\n    #   -c constraints.in\r\n    #   app (pyproject.toml)\r\n\
            colorama==0.4.6 ; sys_platform == 'win32'\r\n    # via\r\n    #   django\r\n    #   other-one\r\n";
        let read = read_alone(read, "requirements.txt", text);
        assert_eq!(read.completeness, Completeness::Graph);
        assert_eq!(read.problems, []);
        assert_eq!(shown(&read), ["asgiref 3.7.2", "django 4.2.1", "other-one 1.0", "colorama 0.4.6"]);
        assert_eq!(needs(&read, "django"), ["asgiref", "colorama"]);
        assert_eq!(needs(&read, "other-one"), ["django", "colorama"]);
        let asgiref = package(&read, "asgiref");
        assert_eq!((asgiref.direct, asgiref.line, asgiref.hashes.len()), (Some(false), Some(3), 2));
        assert_eq!(asgiref.source, PackageSource::OtherRegistry { url: "https://index.example/simple".into() });
        assert_eq!(package(&read, "other-one").direct, Some(true));
        assert_eq!(package(&read, "colorama").scopes, Scopes::only(Scope::Optional));
    }

    #[test]
    fn includes_are_read_and_cycles_end() {
        let others = [
            ("requirements/base.txt", "-r ../requirements.txt\n-r base.txt\nflask\nrequests>=2\n-c bounds.txt"),
            ("requirements/bounds.txt", "flask==2.0\nunused==1"),
        ];
        let read =
            read_beside(read, "app/requirements.txt", "-r requirements/base.txt\n-r gone.txt\nfoo==1\n", &others);
        assert_eq!(shown(&read), ["flask 2.0", "requests -", "foo 1"]);
        assert_eq!(package(&read, "flask").line, Some(1));
        assert_eq!(package(&read, "requests").requirement.as_deref(), Some(">=2"));
        assert_eq!(read.completeness, Completeness::Declared);
        assert_eq!(read.problems.len(), 1, "{:?}", read.problems);
        assert_eq!(read.problems[0].line, Some(2));
    }

    #[test]
    fn addresses_paths_and_what_is_broken() {
        let text = "-e .\n./wheels/foo-1.0-py3-none-any.whl\ngit+https://host/o/bar.git@v2#egg=bar\n\
            baz @ https://host/baz-3.0.tar.gz#sha256=9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed\n\
            -e git+ssh://git@host/o/quux.git\nfoo bar\n=1.0\n-r https://host/more.txt\nhttps://user:secret@host/x\n";
        let read = read_alone(read, "requirements-dev.txt", text);
        assert_eq!(shown(&read), ["foo 1.0", "bar -", "baz 3.0", "quux -"]);
        assert_eq!(read.roots[0].path, ".");
        assert_eq!(package(&read, "baz").hashes.len(), 1);
        assert!(read.packages.iter().all(|package| package.scopes.is_development_only()));
        let lines: Vec<_> = read.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [Some(6), Some(7), Some(8), Some(9)]);
        assert!(!format!("{read:?}").contains("secret"));
    }

    #[test]
    fn pins_with_hashes_are_a_list() {
        let text = "a==1 --hash=sha256:9e0ce3aa93a819ba5b45120216b23878cf6e8525eb3848653452b4192b92afed\n";
        assert_eq!(read_alone(read, "requirements.txt", text).completeness, Completeness::List);
        assert_eq!(read_alone(read, "requirements.txt", "a==1\n").completeness, Completeness::Declared);
    }

    #[test]
    fn which_files() {
        for path in ["requirements.txt", "a/dev-requirements.txt", "requirements/base.txt", "constraints.txt"] {
            assert!(wants_locked(path), "{path}");
        }
        for path in ["a.txt", "requirements.in", "foo.egg-info/requires.txt", "requirements"] {
            assert!(!wants_locked(path), "{path}");
        }
    }
}
