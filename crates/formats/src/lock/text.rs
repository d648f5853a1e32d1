//! What the readers share: bytes to text, offsets to lines, names to the packages that bear them, limits.

use std::borrow::Cow;
use std::collections::HashMap;

use provost_model::{Inventory, Package, PackageHash};

use super::tree::{decode as text, note};
use super::{LockError, MAXIMUM_BYTES, MAXIMUM_PACKAGES};

/// Edges of one inventory that are noted at most.
const MAXIMUM_EDGES: usize = 4_000_000;

/// Versions of one package that an edge without a version can mean at most.
const MAXIMUM_VERSIONS: usize = 64;

/// As [`text`]; bytes that are not UTF-8 are replaced. For files whose fields are of use without the others.
pub(super) fn lossy(bytes: &[u8]) -> Result<Cow<'_, str>, LockError> {
    match text(bytes) {
        Err(error) if bytes.len() > MAXIMUM_BYTES => Err(error),
        Err(_) => Ok(String::from_utf8_lossy(bytes)),
        read => read,
    }
}

/// Where the lines of a text begin.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(memchr::memchr_iter(b'\n', text.as_bytes()).collect())
    }

    /// The line of an offset, counted from 1.
    pub(super) fn at(&self, offset: usize) -> u64 {
        self.0.partition_point(|end| *end < offset) as u64 + 1
    }
}

/// Lines of the keys of a JSON text that has each on a line of its own.
pub(super) struct KeyLines<'t>(HashMap<&'t str, Vec<u64>>);

impl<'t> KeyLines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let mut keys: HashMap<&str, Vec<u64>> = HashMap::new();
        for (number, line) in (1..).zip(text.lines()) {
            let key = line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once('"'));
            if let Some((key, rest)) = key
                && rest.trim_start().starts_with(':')
            {
                keys.entry(key).or_default().push(number);
            }
        }
        Self(keys)
    }

    /// The first line after this one that begins with the key.
    pub(super) fn after(&self, key: &str, line: u64) -> Option<u64> {
        let lines = self.0.get(key)?;
        lines.get(lines.partition_point(|at| *at <= line)).copied()
    }
}

/// Parses JSON.
pub(super) fn json(text: &str) -> Result<serde_json::Value, LockError> {
    serde_json::from_str(text).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        LockError { line: Some(error.line() as u64).filter(|line| *line > 0), what: what.to_owned() }
    })
}

/// Foreign text in a message: cut to what can be read.
pub(super) fn quoted(text: &str) -> String {
    const SHOWN: usize = 80;
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// A hash as Python's tools and others write it: `sha256:…`.
pub(super) fn hash(written: &str) -> Option<PackageHash> {
    let (algorithm, value) = written.split_once([':', '='])?;
    hexadecimal(algorithm, value)
}

/// A hash in hexadecimal.
pub(super) fn hexadecimal(algorithm: &str, value: &str) -> Option<PackageHash> {
    let value = value.trim();
    let sound = value.len() >= 32 && value.len() <= 128 && value.bytes().all(|b| b.is_ascii_hexdigit());
    let algorithm = algorithm.trim().to_ascii_lowercase();
    sound.then(|| PackageHash { algorithm, value: value.to_ascii_lowercase() })
}

/// Adds a package. `None` when there are too many: noted as a problem once.
pub(super) fn add(inventory: &mut Inventory, package: Package) -> Option<usize> {
    if inventory.packages.len() >= MAXIMUM_PACKAGES {
        let what = format!("more than {MAXIMUM_PACKAGES} packages: the rest was not read");
        if inventory.problems.last().is_none_or(|last| last.what != what) {
            note(&mut inventory.problems, package.line, what);
        }
        return None;
    }
    inventory.packages.push(package);
    Some(inventory.packages.len() - 1)
}

/// Packages by name, for the edges between them.
#[derive(Default)]
pub(super) struct Names {
    by_name: HashMap<String, Vec<usize>>,
    edges: usize,
}

impl Names {
    /// Those of an inventory.
    pub(super) fn of(inventory: &Inventory) -> Self {
        let mut names = Self::default();
        for (index, package) in inventory.packages.iter().enumerate() {
            names.insert(&package.name, index);
        }
        names
    }

    /// One more.
    pub(super) fn insert(&mut self, name: &str, index: usize) {
        match self.by_name.get_mut(name) {
            Some(indexes) if indexes.len() < MAXIMUM_VERSIONS => indexes.push(index),
            Some(_) => {}
            None => {
                self.by_name.insert(name.to_owned(), vec![index]);
            }
        }
    }

    /// Packages of a name.
    pub(super) fn named(&self, name: &str) -> &[usize] {
        self.by_name.get(name).map_or(&[], Vec::as_slice)
    }

    /// The package of a name and version; all of that name where none has the version or none is given.
    pub(super) fn found<'a>(&'a self, inventory: &Inventory, name: &str, version: Option<&str>) -> Cow<'a, [usize]> {
        let all = self.named(name);
        if let (Some(version), [_, _, ..]) = (version, all) {
            let has = |index: &&usize| inventory.packages[**index].version.as_deref() == Some(version);
            let exact: Vec<usize> = all.iter().filter(has).copied().collect();
            if !exact.is_empty() {
                return Cow::Owned(exact);
            }
        }
        Cow::Borrowed(all)
    }

    /// Notes that one package needs others.
    pub(super) fn link(&mut self, inventory: &mut Inventory, from: usize, to: &[usize]) {
        if self.edges + to.len() > MAXIMUM_EDGES {
            if self.edges <= MAXIMUM_EDGES {
                note(
                    &mut inventory.problems,
                    None,
                    format!("more than {MAXIMUM_EDGES} dependencies: the rest was not noted"),
                );
                self.edges = MAXIMUM_EDGES + 1;
            }
            return;
        }
        let Some(package) = inventory.packages.get_mut(from) else { return };
        self.edges += to.len();
        package.dependencies.extend_from_slice(to);
    }
}

/// Puts every package's dependencies in order, each once, none of itself.
pub(super) fn settle(inventory: &mut Inventory) {
    for (index, package) in inventory.packages.iter_mut().enumerate() {
        package.dependencies.sort_unstable();
        package.dependencies.dedup();
        package.dependencies.retain(|other| *other != index);
    }
}

/// Joins a relative path to a directory, `..` resolved; `None` for one that is absolute or leaves too far. Both use `/`.
pub(super) fn join(directory: &str, path: &str) -> Option<String> {
    if path.starts_with(['/', '\\']) || path.contains('\0') || path.get(1..3) == Some(":\\") {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in directory.split('/').chain(path.split(['/', '\\'])) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    let up = parts.iter().take_while(|part| **part == "..").count();
    (up <= 8).then(|| parts.join("/"))
}

/// The directory of a path; empty where it has none.
pub(super) fn directory(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Input, Read};
    use super::*;

    /// Reads a file beside which others lie.
    pub(in super::super) fn read_beside(read: Read, path: &str, content: &str, others: &[(&str, &str)]) -> Inventory {
        let beside = |wanted: &str| {
            others.iter().find(|(name, _)| *name == wanted).map(|(_, content)| content.as_bytes().to_vec())
        };
        read(&Input { path, bytes: content.as_bytes(), beside: &beside }).expect("a sound file")
    }

    /// Reads a file that lies alone.
    pub(in super::super) fn read_alone(read: Read, path: &str, content: &str) -> Inventory {
        read_beside(read, path, content, &[])
    }

    /// `name version` of every package.
    pub(in super::super) fn shown(inventory: &Inventory) -> Vec<String> {
        let show = |package: &Package| format!("{} {}", package.name, package.version.as_deref().unwrap_or("-"));
        inventory.packages.iter().map(show).collect()
    }

    /// The package of a name.
    pub(in super::super) fn package<'a>(inventory: &'a Inventory, name: &str) -> &'a Package {
        inventory.packages.iter().find(|package| package.name == name).expect("the package")
    }

    /// Names of the packages that one needs.
    pub(in super::super) fn needs<'a>(inventory: &'a Inventory, name: &str) -> Vec<&'a str> {
        let package = package(inventory, name);
        package.dependencies.iter().map(|index| inventory.packages[*index].name.as_str()).collect()
    }

    #[test]
    fn lines_are_counted_from_one() {
        let lines = Lines::of("a\nbc\n\nd");
        assert_eq!([0, 1, 2, 4, 5, 6].map(|offset| lines.at(offset)), [1, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn paths_do_not_climb_without_end() {
        assert_eq!(join("a/b", "../c.txt").as_deref(), Some("a/c.txt"));
        assert_eq!(join("", "../c.txt").as_deref(), Some("../c.txt"));
        assert_eq!(join("", "/etc/passwd"), None);
        assert_eq!(join("", &"../".repeat(9)), None);
    }
}
