//! `go.mod` and `go.work` (Go modules reference). From Go 1.17 on a `go.mod` names every module that a build needs; before,
//! the `go.sum` beside it names the others, and some more.

use std::collections::{BTreeMap, HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, PackageSource, Root, Scope, Scopes};

use super::go_sum::{self, Sums};
use super::named;
use super::text::{add, join, quoted};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[
    Reader { id: "go-mod", wants: |path| named(path, "go.mod"), read: read_mod, covered_by: &[] },
    Reader { id: "go-work", wants: |path| named(path, "go.work"), read: read_work, covered_by: &[] },
];

/// Modules of a workspace that are read at most.
const MAXIMUM_MODULES: usize = 2_000;

/// What a file says.
#[derive(Default)]
struct File {
    module: Option<String>,
    /// `go 1.22`.
    language: Option<(u64, String)>,
    /// `toolchain go1.22.3`.
    toolchain: Option<(u64, String)>,
    require: Vec<Require>,
    replace: Vec<Replace>,
    /// Directories of a workspace.
    uses: Vec<(u64, String)>,
    tools: HashSet<String>,
    broken: Vec<(u64, String)>,
}

struct Require {
    line: u64,
    path: String,
    version: String,
    indirect: bool,
}

struct Replace {
    path: String,
    version: Option<String>,
    by: String,
    by_version: Option<String>,
}

fn read_mod(input: &Input<'_>) -> Result<Inventory, LockError> {
    let file = parse(&text(input.bytes)?);
    let mut inventory = Inventory::new("go.mod", Completeness::List);
    if file.module.is_none() && file.require.is_empty() && !file.broken.is_empty() {
        let (line, what) = &file.broken[0];
        return Err(LockError::at(*line, what.clone()));
    }
    let mut sums = Sums::default();
    sums.add_beside(input, "go.sum", &mut inventory);
    for (line, what) in &file.broken {
        note(&mut inventory.problems, Some(*line), what.clone());
    }
    standard_library(&file, &mut inventory);
    let replacements = Replacements::of(&file.replace);
    let tools: HashSet<&str> = file.tools.iter().flat_map(|tool| modules_of(tool)).collect();
    let mut dependencies = Vec::new();
    for require in &file.require {
        let mut package = replacements.package(&require.path, &require.version, &sums);
        package.line = Some(require.line);
        package.direct = Some(!require.indirect);
        if tools.contains(require.path.as_str()) {
            package.scopes = Scopes::only(Scope::Development);
        }
        let Some(index) = add(&mut inventory, package) else { return Ok(inventory) };
        if !require.indirect {
            dependencies.push((index, Scope::Production));
        }
    }
    inventory.roots.push(Root { name: file.module.clone(), version: None, path: String::new(), dependencies });
    let pruned = file.language.as_ref().is_none_or(|(_, version)| go_sum::compare(version, "1.17").is_ge());
    if !pruned {
        let known: HashSet<&str> = file.require.iter().map(|require| require.path.as_str()).collect();
        if sums.is_empty() {
            inventory.completeness = Completeness::Declared;
        }
        for (path, version) in sums.newest().into_iter().filter(|(path, _)| !known.contains(path)) {
            let mut package = replacements.package(path, version, &sums);
            package.direct = Some(false);
            if add(&mut inventory, package).is_none() {
                break;
            }
        }
    }
    Ok(inventory)
}

/// The modules that a package may lie in: the beginnings of its path.
fn modules_of(package: &str) -> impl Iterator<Item = &str> {
    const DEEPEST: usize = 32;
    std::iter::successors(Some(package), |path| path.rsplit_once('/').map(|(before, _)| before)).take(DEEPEST)
}

/// The standard library of the Go that the module asks for.
fn standard_library(file: &File, inventory: &mut Inventory) {
    let toolchain = file.toolchain.as_ref().and_then(|(line, name)| {
        // `go1.22.3`, `go1.22.3-custom`, `default`
        let version = name.strip_prefix("go")?;
        Some((*line, version.split('-').next().unwrap_or(version).to_owned()))
    });
    let Some((line, version)) = toolchain.or_else(|| file.language.clone()) else { return };
    let mut package = Package::new(Ecosystem::Go, "stdlib", Some(version));
    package.line = Some(line);
    package.direct = Some(true);
    package.scopes = Scopes::only(Scope::Production);
    if let Some((_, least)) = &file.language {
        package.requirement = Some(format!(">={least}"));
    }
    add(inventory, package);
}

/// Replacements by the module that they replace.
struct Replacements<'a>(HashMap<(&'a str, Option<&'a str>), &'a Replace>);

impl<'a> Replacements<'a> {
    fn of(all: &'a [Replace]) -> Self {
        let mut by_module = HashMap::new();
        for replace in all {
            by_module.entry((replace.path.as_str(), replace.version.as_deref())).or_insert(replace);
        }
        Self(by_module)
    }

    /// One of a certain version goes before one of any.
    fn find(&self, path: &str, version: &str) -> Option<&'a Replace> {
        self.0.get(&(path, Some(version))).or_else(|| self.0.get(&(path, None))).copied()
    }

    /// The package that a module comes to.
    fn package(&self, path: &str, version: &str, sums: &Sums) -> Package {
        let Some(replace) = self.find(path, version) else {
            let mut package = Package::new(Ecosystem::Go, path, Some(bare(version)));
            package.hashes.extend(sums.hash(path, version));
            return package;
        };
        match &replace.by_version {
            Some(by_version) => {
                let mut package = Package::new(Ecosystem::Go, replace.by.as_str(), Some(bare(by_version)));
                package.hashes.extend(sums.hash(&replace.by, by_version));
                if replace.by != path {
                    package.alias = Some(path.to_owned());
                }
                package.requirement = Some(version.to_owned());
                package
            }
            // A directory: whatever stands in it has no version.
            None => {
                let mut package = Package::new(Ecosystem::Go, path, None);
                package.requirement = Some(version.to_owned());
                package.source = PackageSource::Path { path: replace.by.clone() };
                package
            }
        }
    }
}

/// A version as advisories write it: without its `v`.
pub(super) fn bare(version: &str) -> String {
    version.strip_prefix('v').unwrap_or(version).to_owned()
}

fn read_work(input: &Input<'_>) -> Result<Inventory, LockError> {
    let mut work = parse(&text(input.bytes)?);
    if work.uses.is_empty() && !work.broken.is_empty() {
        let (line, what) = &work.broken[0];
        return Err(LockError::at(*line, what.clone()));
    }
    let mut inventory = Inventory::new("go.work", Completeness::List);
    for (line, what) in std::mem::take(&mut work.broken) {
        note(&mut inventory.problems, Some(line), what);
    }
    standard_library(&work, &mut inventory);
    let mut sums = Sums::default();
    sums.add_beside(input, "go.work.sum", &mut inventory);
    // One build list for all: of each module the newest version that a member asks for.
    let mut selected: BTreeMap<String, Require> = BTreeMap::new();
    let mut members = Vec::new();
    if work.uses.len() > MAXIMUM_MODULES {
        note(&mut inventory.problems, None, format!("more than {MAXIMUM_MODULES} modules: the rest was not read"));
        work.uses.truncate(MAXIMUM_MODULES);
    }
    for (line, directory) in std::mem::take(&mut work.uses) {
        let path = join(&directory, "go.mod");
        let Some(bytes) = path.as_deref().and_then(|path| (input.beside)(path)) else {
            note(
                &mut inventory.problems,
                Some(line),
                format!("{} holds no go.mod that can be read", quoted(&directory)),
            );
            continue;
        };
        let member = match text(&bytes) {
            Ok(content) => parse(&content),
            Err(error) => {
                note(&mut inventory.problems, Some(line), format!("the go.mod in {}: {error}", quoted(&directory)));
                continue;
            }
        };
        for (at, what) in &member.broken {
            note(
                &mut inventory.problems,
                Some(line),
                format!("the go.mod in {}, line {at}: {what}", quoted(&directory)),
            );
        }
        sums.add_beside(input, &join(&directory, "go.sum").unwrap_or_default(), &mut inventory);
        let direct: Vec<String> =
            member.require.iter().filter(|require| !require.indirect).map(|require| require.path.clone()).collect();
        for mut require in member.require {
            require.line = line;
            match selected.get_mut(&require.path) {
                Some(known) => {
                    known.indirect &= require.indirect;
                    if go_sum::compare(&require.version, &known.version).is_gt() {
                        known.version = require.version;
                        known.line = line;
                    }
                }
                None => {
                    selected.insert(require.path.clone(), require);
                }
            }
        }
        // Replacements of the workspace go before those of its modules.
        work.replace.extend(member.replace);
        members.push((member.module, directory, direct));
    }
    let own: HashSet<&str> = members.iter().filter_map(|(name, _, _)| name.as_deref()).collect();
    let replacements = Replacements::of(&work.replace);
    let mut indexes: HashMap<String, usize> = HashMap::new();
    for (path, require) in selected.into_iter().filter(|(path, _)| !own.contains(path.as_str())) {
        let mut package = replacements.package(&path, &require.version, &sums);
        package.line = Some(require.line);
        package.direct = Some(!require.indirect);
        let Some(index) = add(&mut inventory, package) else { break };
        indexes.insert(path, index);
    }
    for (name, directory, direct) in &members {
        let found = direct.iter().filter_map(|path| indexes.get(path.as_str()));
        let dependencies = found.map(|index| (*index, Scope::Production)).collect();
        let path = join("", directory).unwrap_or_default();
        inventory.roots.push(Root { name: name.clone(), version: None, path, dependencies });
    }
    Ok(inventory)
}

/// Parses either file.
fn parse(content: &str) -> File {
    let mut file = File::default();
    let mut block: Option<String> = None;
    for (number, line) in (1..).zip(content.lines()) {
        let (words, comment) = words(line);
        let indirect =
            comment.is_some_and(|comment| comment.split(';').next().is_some_and(|first| first.trim() == "indirect"));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (words.as_slice(), &block) {
            ([], _) => {}
            ([")"], Some(_)) => block = None,
            ([verb, "("], None) => block = Some((*verb).to_owned()),
            ([_, "(", ")"], None) => {}
            (words, Some(verb)) => file.directive(verb, words, number, indirect),
            ([verb, words @ ..], None) => file.directive(verb, words, number, indirect),
        }
    }
    if block.is_some() {
        file.broken.push((content.lines().count() as u64, "a block has no end".to_owned()));
    }
    file
}

impl File {
    fn directive(&mut self, verb: &str, words: &[&str], line: u64, indirect: bool) {
        let owned = |word: &str| word.to_owned();
        match (verb, words) {
            ("module", [path]) => self.module = Some(owned(path)),
            ("go", [version]) => self.language = Some((line, owned(version))),
            ("toolchain", [name]) => self.toolchain = Some((line, owned(name))),
            ("require", [path, version]) if version.starts_with('v') => {
                self.require.push(Require { line, path: owned(path), version: owned(version), indirect });
            }
            ("replace", words) => match replacement(words) {
                Some(replace) => self.replace.push(replace),
                None => self.broken.push((line, "a replacement that is none".to_owned())),
            },
            ("use", [directory]) => self.uses.push((line, owned(directory))),
            ("tool", [path]) => drop(self.tools.insert(owned(path))),
            // Nothing that a build would take.
            ("exclude" | "retract" | "godebug" | "ignore" | "tool", _) => {}
            (verb, words) => {
                let what = format!("{} is no directive", quoted(&format!("{verb} {}", words.join(" "))));
                self.broken.push((line, what));
            }
        }
    }
}

/// `old [version] => new [version]`
fn replacement(words: &[&str]) -> Option<Replace> {
    let arrow = words.iter().position(|word| *word == "=>")?;
    let (old, new) = (&words[..arrow], &words[arrow + 1..]);
    let pair = |words: &[&str]| match words {
        [path] => Some(((*path).to_owned(), None)),
        [path, version] => Some(((*path).to_owned(), Some((*version).to_owned()))),
        _ => None,
    };
    let ((path, version), (by, by_version)) = (pair(old)?, pair(new)?);
    Some(Replace { path, version, by, by_version })
}

/// The words of a line and its comment. Words may be quoted; parentheses are words of their own.
fn words(line: &str) -> (Vec<String>, Option<&str>) {
    let mut words = Vec::new();
    let mut rest = line.trim();
    while let Some(first) = rest.chars().next() {
        if let Some(comment) = rest.strip_prefix("//") {
            return (words, Some(comment.trim()));
        }
        let (word, after) = match first {
            '"' | '`' => match rest[1..].split_once(first) {
                Some((word, after)) => (word, after),
                None => (&rest[1..], ""),
            },
            '(' | ')' => rest.split_at(1),
            _ => {
                let end = rest.find(|c: char| c.is_whitespace() || c == '(' || c == ')').unwrap_or(rest.len());
                rest.split_at(rest[..end].find("//").filter(|at| *at > 0).unwrap_or(end))
            }
        };
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    (words, None)
}

impl Sums {
    /// Adds the sums of a file that lies beside, where there is one.
    fn add_beside(&mut self, input: &Input<'_>, name: &str, inventory: &mut Inventory) {
        let Some(bytes) = (input.beside)(name) else { return };
        match text(&bytes) {
            Ok(content) => self.add(&content),
            Err(error) => note(&mut inventory.problems, None, format!("{}: {error}", quoted(name))),
        }
    }

    /// The hash of a module.
    fn hash(&self, path: &str, version: &str) -> Option<PackageHash> {
        self.find(path, version).map(|value| PackageHash { algorithm: "h1".to_owned(), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, read_beside, shown};
    use super::*;

    const MOD: &str = "module example.org/app // our own\r\n\r\ngo 1.22.1\r\ntoolchain go1.22.5-x\r\nrequire (\r\n\
        \tgithub.com/a/b v1.2.3\r\n\t\"github.com/c/d/v2\" v2.0.0+incompatible // indirect; why not\r\n)\r\n\
        require golang.org/x/local v0.0.0-20240101000000-abcdefabcdef // indirect\r\n\
        require github.com/e/f v0.1.0\r\nrequire github.com/e/tool v0.1.0\r\n\
        replace github.com/e/f v0.1.0 => github.com/fork/f v0.2.0\r\nreplace (\r\ngolang.org/x/local => ../local\r\n\
        github.com/a/b v9.9.9 => github.com/none/b v1.0.0\r\n)\r\nexclude github.com/a/b v1.2.4\r\n\
        retract [v1.0.0, v1.1.0]\r\ntool github.com/e/tool/cmd/x\r\nwhatever 1\r\nrequire (\r\n";

    #[test]
    fn a_module() {
        let sum = "github.com/fork/f v0.2.0 h1:AAAA=\ngithub.com/a/b v1.2.3/go.mod h1:BBBB=\n";
        let read = read_beside(read_mod, "go.mod", MOD, &[("go.sum", sum)]);
        assert_eq!(
            shown(&read),
            [
                "stdlib 1.22.5",
                "github.com/a/b 1.2.3",
                "github.com/c/d/v2 2.0.0+incompatible",
                "golang.org/x/local -",
                "github.com/fork/f 0.2.0",
                "github.com/e/tool 0.1.0"
            ]
        );
        assert_eq!(read.completeness, Completeness::List);
        let fork = package(&read, "github.com/fork/f");
        assert_eq!((fork.alias.as_deref(), fork.direct, fork.line), (Some("github.com/e/f"), Some(true), Some(10)));
        assert_eq!(fork.hashes[0].value, "AAAA=");
        assert_eq!(package(&read, "github.com/a/b").hashes, []);
        assert_eq!(package(&read, "github.com/c/d/v2").direct, Some(false));
        assert_eq!(package(&read, "golang.org/x/local").source, PackageSource::Path { path: "../local".into() });
        assert!(package(&read, "github.com/e/tool").scopes.is_development_only());
        assert_eq!(read.roots[0].name.as_deref(), Some("example.org/app"));
        assert_eq!(read.problems.iter().map(|problem| problem.line).collect::<Vec<_>>(), [Some(20), Some(21)]);
    }

    #[test]
    fn before_1_17_the_sums_name_the_rest() {
        let text = "module m\ngo 1.16\nrequire a.org/a v1.0.0\n";
        let sum = "a.org/a v0.9.0 h1:x=\nb.org/b v1.9.0 h1:x=\nb.org/b v1.10.0 h1:y=\nb.org/b v1.11.0/go.mod h1:z=\n";
        let read = read_beside(read_mod, "go.mod", text, &[("go.sum", sum)]);
        assert_eq!(shown(&read), ["stdlib 1.16", "a.org/a 1.0.0", "b.org/b 1.10.0"]);
        assert_eq!(read_alone(read_mod, "go.mod", text).completeness, Completeness::Declared);
    }

    #[test]
    fn a_workspace_takes_the_newest() {
        let text = "go 1.22\nuse (\n\t./a\n\t./b\n\t./gone\n)\nreplace c.org/c => c.org/fork v2.0.0\n";
        let files = [
            ("a/go.mod", "module m/a\nrequire (\nx.org/x v1.9.0\nc.org/c v1.0.0 // indirect\nm/b v0.0.0\n)\n"),
            ("b/go.mod", "module m/b\nrequire x.org/x v1.10.0 // indirect\n"),
            ("b/go.sum", "x.org/x v1.10.0 h1:AA=\n"),
        ];
        let read = read_beside(read_work, "go.work", text, &files);
        assert_eq!(shown(&read), ["stdlib 1.22", "c.org/fork 2.0.0", "x.org/x 1.10.0"]);
        assert_eq!(package(&read, "x.org/x").direct, Some(true));
        assert_eq!(package(&read, "x.org/x").hashes.len(), 1);
        assert_eq!(read.roots.iter().map(|root| root.path.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(read.problems.len(), 1);
    }

    #[test]
    fn what_is_no_module_file() {
        let beside = |_: &str| None;
        let input = Input { path: "go.mod", bytes: b"<html>", beside: &beside };
        assert_eq!(read_mod(&input).expect_err("no module").line, Some(1));
    }
}
