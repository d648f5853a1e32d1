//! `go.sum` and `vendor/modules.txt`. The sums name every module that ever took part in a resolution, not only those that a
//! build takes: beside a `go.mod` they give its hashes.

use std::cmp::Ordering;
use std::collections::HashMap;

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash, PackageSource};

use super::go_mod::bare;
use super::named;
use super::text::{add, quoted};
use super::tree::{decode as text, note};
use super::{Input, LockError, Reader};

pub(crate) const READERS: &[Reader] = &[
    Reader { id: "go-sum", wants: |path| named(path, "go.sum"), read: read_sum, covered_by: &["go-mod"] },
    Reader { id: "go-vendor", wants: |path| named(path, "vendor/modules.txt"), read: read_vendor, covered_by: &[] },
];

/// Hashes of modules' contents.
#[derive(Default)]
pub(super) struct Sums {
    /// By module, then version.
    hashes: HashMap<String, HashMap<String, String>>,
    /// Modules in the order of the file.
    order: Vec<String>,
}

impl Sums {
    /// Adds those of a file; lines that are none are left out.
    pub(super) fn add(&mut self, content: &str) {
        for line in content.lines() {
            let Ok(Some((path, version, hash))) = sum(line) else { continue };
            match self.hashes.get_mut(path) {
                Some(versions) => drop(versions.insert(version.to_owned(), hash.to_owned())),
                None => {
                    self.order.push(path.to_owned());
                    self.hashes.insert(path.to_owned(), HashMap::from([(version.to_owned(), hash.to_owned())]));
                }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The hash of a module's content.
    pub(super) fn find(&self, path: &str, version: &str) -> Option<&str> {
        self.hashes.get(path)?.get(version).map(String::as_str)
    }

    /// The newest version of each module.
    pub(super) fn newest(&self) -> Vec<(&str, &str)> {
        let newest = |path: &'_ String| {
            let versions = self.hashes.get(path)?;
            versions.keys().map(String::as_str).max_by(|a, b| compare(a, b).then_with(|| a.cmp(b)))
        };
        self.order.iter().filter_map(|path| Some((path.as_str(), newest(path)?))).collect()
    }
}

/// A line: module, version, hash. `None` for empty lines and for the hash of a `go.mod` alone.
fn sum(line: &str) -> Result<Option<(&str, &str, &str)>, ()> {
    let mut words = line.split_whitespace();
    match (words.next(), words.next(), words.next(), words.next()) {
        (None, ..) => Ok(None),
        (Some(_), Some(version), Some(hash), None) if version.ends_with("/go.mod") && hash.contains(':') => Ok(None),
        (Some(path), Some(version), Some(hash), None) if version.starts_with('v') => {
            hash.strip_prefix("h1:").map(|hash| Some((path, version, hash))).ok_or(())
        }
        _ => Err(()),
    }
}

fn read_sum(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let mut inventory = Inventory::new("go.sum", Completeness::List);
    for (number, line) in (1..).zip(content.lines()) {
        match sum(line) {
            Ok(Some((path, version, hash))) => {
                let mut package = Package::new(Ecosystem::Go, path, Some(bare(version)));
                package.line = Some(number);
                package.hashes.push(PackageHash { algorithm: "h1".to_owned(), value: hash.to_owned() });
                if add(&mut inventory, package).is_none() {
                    break;
                }
            }
            Ok(None) => {}
            Err(()) => note(&mut inventory.problems, Some(number), format!("{} is no sum", quoted(line))),
        }
    }
    if inventory.packages.is_empty() && !inventory.problems.is_empty() {
        return Err(LockError { line: inventory.problems[0].line, what: inventory.problems.swap_remove(0).what });
    }
    Ok(inventory)
}

/// `vendor/modules.txt`: what `go mod vendor` copied.
fn read_vendor(input: &Input<'_>) -> Result<Inventory, LockError> {
    let content = text(input.bytes)?;
    let mut inventory = Inventory::new("vendor/modules.txt", Completeness::List);
    // A module of which no package was copied is only named there for the sake of `go.mod`.
    let mut waiting: Option<Package> = None;
    for (number, line) in (1..).zip(content.lines()) {
        if !line.starts_with('#') {
            if !line.trim().is_empty()
                && let Some(package) = waiting.take()
                && add(&mut inventory, package).is_none()
            {
                break;
            }
            continue;
        }
        if line.starts_with("##") {
            continue;
        }
        waiting = None;
        let words: Vec<&str> = line[1..].split_whitespace().collect();
        let package = match words.as_slice() {
            [path, version] | [path, version, "=>", _] | [path, version, "=>", _, _] if version.starts_with('v') => {
                let mut package = Package::new(Ecosystem::Go, *path, Some(bare(version)));
                match &words[2..] {
                    ["=>", by, by_version] => {
                        package.name = (*by).to_owned();
                        package.version = Some(bare(by_version));
                        package.alias = (by != path).then(|| (*path).to_owned());
                        package.requirement = Some((*version).to_owned());
                    }
                    ["=>", directory] => {
                        package.version = None;
                        package.requirement = Some((*version).to_owned());
                        package.source = PackageSource::Path { path: (*directory).to_owned() };
                    }
                    _ => {}
                }
                package
            }
            // Replacements of any version are repeated at the end.
            [_, "=>", ..] => continue,
            _ => {
                note(&mut inventory.problems, Some(number), format!("{} names no module", quoted(line)));
                continue;
            }
        };
        waiting = Some(Package { line: Some(number), ..package });
    }
    Ok(inventory)
}

/// Compares versions of modules, with or without their `v` (Semantic Versioning 2.0.0, 11). Parts that are missing are
/// zero: `1.17` is `1.17.0`.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let split = |version: &str| {
        let version = version.strip_prefix('v').unwrap_or(version);
        let version = version.split('+').next().unwrap_or_default().to_owned();
        match version.split_once('-') {
            Some((numbers, pre)) => (numbers.to_owned(), Some(pre.to_owned())),
            None => (version, None),
        }
    };
    let ((a, a_pre), (b, b_pre)) = (split(a), split(b));
    let number = |part: Option<&str>| part.and_then(|part| part.parse::<u64>().ok()).unwrap_or(0);
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    for _ in 0..3 {
        match number(a.next()).cmp(&number(b.next())) {
            Ordering::Equal => {}
            unequal => return unequal,
        }
    }
    match (a_pre, b_pre) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => pre_releases(&a, &b),
    }
}

fn pre_releases(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (one, other) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(one), Some(other)) => (one, other),
        };
        let order = match (one.parse::<u64>(), other.parse::<u64>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => one.cmp(other),
        };
        if order.is_ne() {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::text::tests::{package, read_alone, shown};
    use super::*;

    #[test]
    fn sums_of_contents_only() {
        let text = "a.org/a v1.0.0 h1:AA=\n\na.org/a v1.0.0/go.mod h1:BB=\nb.org/b v2.0.0/go.mod h1:CC=\nnonsense\n";
        let read = read_alone(read_sum, "go.sum", text);
        assert_eq!(shown(&read), ["a.org/a 1.0.0"]);
        assert_eq!(read.packages[0].hashes[0].value, "AA=");
        assert_eq!(read.problems[0].line, Some(5));
    }

    #[test]
    fn vendored_modules() {
        let text = "## workspace\n# a.org/a v1.0.0\n## explicit; go 1.17\na.org/a/pkg\n# b.org/b v1.0.0 => c.org/c v1.1.0\n\
            b.org/b\n# d.org/d v0.0.0 => ./d\nd.org/d\n# e.org/e v1.0.0\n# b.org/b => c.org/c v1.1.0\n# what\n";
        let read = read_alone(read_vendor, "vendor/modules.txt", text);
        assert_eq!(shown(&read), ["a.org/a 1.0.0", "c.org/c 1.1.0", "d.org/d -"]);
        assert_eq!(package(&read, "c.org/c").alias.as_deref(), Some("b.org/b"));
        assert_eq!(read.problems.len(), 1);
    }

    #[test]
    fn versions_in_order() {
        let rising =
            ["1.2.3-0.20200101000000-aaaaaaaaaaaa", "1.2.3-alpha.2", "1.2.3-alpha.10", "1.2.3-rc1", "v1.2.3", "1.10"];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
        assert_eq!(compare("1.17", "1.17.0"), Ordering::Equal);
    }
}
