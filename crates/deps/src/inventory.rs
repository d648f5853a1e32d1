//! What a tree of files says about packages: every lockfile, manifest and installed package in it, each read by its reader.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Cursor, Read as _, Seek as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use provost_formats::archive::ReadSeek;
use provost_formats::lock::{self, Input, Reader};
use provost_formats::system;
use provost_model::{Completeness, Ecosystem, Inventory, PackageSource, Scope, Scopes};
use provost_scan::{Coverage, Limits};
use rayon::prelude::*;

use crate::{ecosystem, lookup_name};
use serde::Serialize;

/// The reader of `.gitmodules`.
pub(crate) const SUBMODULES: &str = "git-submodules";

/// Files by their path, wherever they lie: a directory, a commit, an image.
pub trait Files: Sync {
    /// Paths of the regular files, `/` between their parts, in order.
    fn list(&self) -> &[String];

    /// Content of one of them.
    ///
    /// # Errors
    /// It cannot be read, or is too large; the message says which.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The commit that a submodule at a path stands at, where that is known.
    fn gitlink(&self, path: &str) -> Option<String> {
        let _ = path;
        None
    }

    /// Those that may be programs or libraries; their content is looked at.
    fn binaries(&self) -> Vec<&str> {
        Vec::new()
    }

    /// One of them, to be read from anywhere within.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    fn open(&self, path: &str) -> Result<Box<dyn ReadSeek>, String> {
        Ok(Box::new(Cursor::new(self.read(path)?)))
    }
}

/// A directory. Links are not followed.
pub struct Directory {
    root: PathBuf,
    files: Vec<String>,
    /// The commits of submodules, by path, once one was asked for.
    submodules: OnceLock<BTreeMap<PathBuf, String>>,
}

impl Directory {
    /// Lists a directory; what cannot be listed is noted.
    pub fn new(root: &Path, exclude: &globset::GlobSet, coverage: &mut Coverage) -> Self {
        let mut seen = Coverage::default();
        let files = provost_scan::walk::files(root, exclude, &Limits::default(), &mut seen);
        // A link is not followed. Where its name says that it would tell of packages, something is not read.
        let tells = |place: &str| lock::reader_of(place).is_some() || system::wants(place).is_some();
        for gap in std::mem::take(&mut seen.skips) {
            if gap.why == "excluded by request" {
                coverage.skip(gap.place, &gap.why);
            } else if tells(&gap.place) {
                coverage.part(gap.place, &format!("{}: it is not followed", gap.why));
            }
        }
        seen.skipped = 0;
        coverage.add(seen);
        let mut names = Vec::with_capacity(files.len());
        for path in files {
            match path.into_os_string().into_string() {
                Ok(name) => names.push(name),
                Err(name) => {
                    let shown = name.to_string_lossy().into_owned();
                    if tells(&shown) {
                        coverage.fail(shown, "its name is not UTF-8");
                    }
                }
            }
        }
        let files = names;
        Self { root: root.to_owned(), files, submodules: OnceLock::new() }
    }
}

impl Directory {
    /// What is checked out, or else what the index asks for. Without a repository nothing is known.
    fn read_submodules(&self) -> BTreeMap<PathBuf, String> {
        let Ok(Some((top, found))) = provost_repo::submodules_around(&self.root) else { return BTreeMap::new() };
        let (Ok(top), Ok(root)) = (top.canonicalize(), self.root.canonicalize()) else { return BTreeMap::new() };
        let relative = |path: String| Some(top.join(path).strip_prefix(&root).ok()?.to_owned());
        let commits = found.into_iter().filter_map(|one| {
            let path = relative(String::from_utf8(one.path.to_bytes()?).ok()?)?;
            Some((path, one.checked_out.unwrap_or(one.expected)))
        });
        commits.collect()
    }

    fn file(&self, path: &str) -> Result<File, String> {
        // Only what was listed is read: neither `..` nor a link leads out.
        if self.files.binary_search_by(|known| Path::new(known).cmp(Path::new(path))).is_err() {
            return Err("there is no such file".to_owned());
        }
        let flags = nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK;
        let opened = File::options().read(true).custom_flags(flags.bits()).open(self.root.join(path));
        let file = opened.map_err(|error| error.to_string())?;
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err("not a regular file".to_owned());
        }
        Ok(file)
    }
}

impl Files for Directory {
    fn list(&self) -> &[String] {
        &self.files
    }

    fn binaries(&self) -> Vec<&str> {
        let may_be = |path: &&str| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let library =
                name.contains(".so") || [".dll", ".exe", ".node", ".dylib"].iter().any(|end| name.ends_with(end));
            library || {
                let metadata = std::fs::symlink_metadata(self.root.join(path));
                metadata.is_ok_and(|metadata| metadata.mode() & 0o111 != 0 && metadata.len() > 4096)
            }
        };
        self.files.par_iter().with_min_len(512).map(String::as_str).filter(may_be).collect()
    }

    fn open(&self, path: &str) -> Result<Box<dyn ReadSeek>, String> {
        Ok(Box::new(self.file(path)?))
    }

    fn gitlink(&self, path: &str) -> Option<String> {
        self.submodules.get_or_init(|| self.read_submodules()).get(Path::new(path)).cloned()
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut file = self.file(path)?;
        let mut bytes = Vec::new();
        file.by_ref()
            .take(lock::MAXIMUM_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        if bytes.len() > lock::MAXIMUM_BYTES {
            return Err(format!("it has more than {} bytes", lock::MAXIMUM_BYTES));
        }
        Ok(bytes)
    }
}

/// One file and what it says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Source {
    /// Its path.
    pub path: String,
    /// Id of the reader.
    pub reader: String,
    /// What it says.
    #[serde(flatten)]
    pub inventory: Inventory,
    /// The operating system's package that brought it, where one did: then that is what advisories are about, by the
    /// distribution's own versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed: Option<String>,
    /// The functions of a Go program, where they could be told.
    #[serde(skip)]
    pub functions: Option<Functions>,
}

/// The functions that a program holds, kept as hashes.
#[derive(Debug, Clone, PartialEq)]
pub struct Functions(Vec<u64>);

impl Functions {
    /// Those of a Go program; none when they cannot be told, or not all of them.
    fn of(content: &mut dyn ReadSeek) -> Option<Self> {
        let symbols = system::binary::go_symbols(content)?.ok()?;
        if !symbols.is_complete() || symbols.is_empty() {
            return None;
        }
        let mut hashes: Vec<u64> = symbols.iter().map(hash_of).collect();
        hashes.sort_unstable();
        Some(Self(hashes))
    }

    /// True when a function of a package is in the program: `net/http`, `Client.Do`.
    pub fn has(&self, package: &str, name: &str) -> bool {
        self.0.binary_search(&hash_of(&format!("{package}.{name}"))).is_ok()
    }
}

fn hash_of(name: &str) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// All that was read, in order of path.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Collected {
    /// The sources.
    pub sources: Vec<Source>,
    /// What was and was not read.
    pub coverage: Coverage,
}

impl Collected {
    /// Number of packages over all sources.
    pub fn packages(&self) -> usize {
        self.sources.iter().map(|source| source.inventory.packages.len()).sum()
    }
}

/// Reads every file that a reader wants.
pub fn collect(files: &dyn Files, coverage: Coverage) -> Collected {
    let wanted: Vec<(&str, &'static Reader)> =
        files.list().iter().filter_map(|path| Some((path.as_str(), lock::reader_of(path)?))).collect();
    let read: Vec<(Option<Source>, Coverage)> = wanted
        .par_iter()
        .map(|(path, reader)| {
            let mut coverage = Coverage::default();
            (one(files, path, reader, &mut coverage), coverage)
        })
        .collect();
    let mut collected = Collected { sources: Vec::new(), coverage };
    let binaries = files.binaries();
    let binaries = binaries.par_iter().with_min_len(16).map(|path| binary(files, path));
    let archives: Vec<&String> = files.list().iter().filter(|path| lock::jar::is_jar(path)).collect();
    let archives = archives.par_iter().map(|path| java_archive(files, path));
    let read = read
        .into_iter()
        .chain(databases(files))
        .chain(binaries.collect::<Vec<_>>())
        .chain(archives.collect::<Vec<_>>());
    for (source, coverage) in read {
        collected.sources.extend(source);
        collected.coverage.add(coverage);
    }
    drop_covered(&mut collected);
    collected.sources.sort_by(|a, b| Path::new(&a.path).cmp(Path::new(&b.path)));
    collected.coverage.sort();
    collected
}

fn one(files: &dyn Files, path: &str, reader: &Reader, coverage: &mut Coverage) -> Option<Source> {
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            coverage.fail(path.to_owned(), &error);
            return None;
        }
    };
    let directory = directory_of(path);
    let beside = |name: &str| relative(directory, name).and_then(|path| files.read(&path).ok());
    let read = (reader.read)(&Input { path, bytes: &bytes, beside: &beside });
    let mut inventory = match read {
        Ok(inventory) => inventory,
        Err(error) => {
            coverage.fail(path.to_owned(), &error.to_string());
            return None;
        }
    };
    coverage.scanned += 1;
    coverage.bytes += bytes.len() as u64;
    if reader.id == SUBMODULES {
        stand(files, directory, &mut inventory);
    }
    note_problems(path, &inventory, coverage);
    Some(Source { path: path.to_owned(), reader: reader.id.to_owned(), inventory, managed: None, functions: None })
}

/// Gives submodules the commits that they stand at: the tree has them, and `.gitmodules` has not.
fn stand(files: &dyn Files, directory: &str, inventory: &mut Inventory) {
    for package in &mut inventory.packages {
        let PackageSource::Git { revision, .. } = &mut package.source else { continue };
        let path = package.alias.as_deref().and_then(|path| relative(directory, path));
        *revision = path.and_then(|path| files.gitlink(&path));
        package.version.clone_from(revision);
    }
}

/// Entries that could not be read make a source partial.
pub fn note_problems(path: &str, inventory: &Inventory, coverage: &mut Coverage) {
    let unread: Vec<_> = inventory.problems.iter().filter(|one| !one.what.ends_with(lock::jar::GUESS)).collect();
    for problem in unread.iter().take(100) {
        let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
        coverage.part(format!("{path}{line}"), &problem.what);
    }
    if unread.len() > 100 {
        coverage.part(path.to_owned(), &format!("{} more entries cannot be read", unread.len() - 100));
    }
}

/// Reads the package databases of operating systems. Those that have a file for each package are read together.
fn databases(files: &dyn Files) -> Vec<(Option<Source>, Coverage)> {
    let mut groups: BTreeMap<(String, system::Kind), Vec<&str>> = BTreeMap::new();
    for path in files.list() {
        if let (Some(kind), Some(root)) = (system::wants(path), system::root_of(path)) {
            let group = if kind.is_scattered() { root.to_owned() } else { path.clone() };
            groups.entry((group, kind)).or_default().push(path);
        }
    }
    groups
        .into_iter()
        .map(|((_, kind), paths)| {
            let mut coverage = Coverage::default();
            (database(files, kind, &paths, &mut coverage), coverage)
        })
        .collect()
}

fn database(files: &dyn Files, kind: system::Kind, paths: &[&str], coverage: &mut Coverage) -> Option<Source> {
    let mut contents = Vec::new();
    for path in paths {
        match files.read(path) {
            Ok(bytes) => contents.push((*path, bytes)),
            Err(error) => coverage.fail((*path).to_owned(), &error),
        }
    }
    let (first, _) = contents.first()?;
    let lookups: Vec<_> = contents
        .iter()
        .map(|(path, _)| {
            let directory = directory_of(path);
            move |name: &str| relative(directory, name).and_then(|path| files.read(&path).ok())
        })
        .collect();
    let inputs: Vec<Input<'_>> =
        contents.iter().zip(&lookups).map(|((path, bytes), beside)| Input { path, bytes, beside }).collect();
    match system::read(kind, &inputs) {
        Ok(inventory) => {
            coverage.scanned += contents.len() as u64;
            coverage.bytes += contents.iter().map(|(_, bytes)| bytes.len() as u64).sum::<u64>();
            note_problems(first, &inventory, coverage);
            Some(Source {
                path: (*first).to_owned(),
                reader: kind.name().replace(' ', "-"),
                inventory,
                managed: None,
                functions: None,
            })
        }
        Err(error) => {
            coverage.fail((*first).to_owned(), &error.to_string());
            None
        }
    }
}

/// The packages that a program or library says it was made from.
pub fn of_binary(path: &str, content: &mut dyn ReadSeek, coverage: &mut Coverage) -> Option<Source> {
    match system::binary::packages(content)? {
        Ok(inventory) => {
            coverage.scanned += 1;
            note_problems(path, &inventory, coverage);
            let is_go = inventory.packages.iter().any(|package| package.ecosystem == Ecosystem::Go);
            let functions = is_go.then(|| Functions::of(content)).flatten();
            Some(Source { path: path.to_owned(), reader: "binary".to_owned(), inventory, managed: None, functions })
        }
        Err(error) => {
            coverage.part(path.to_owned(), &format!("what it says of its packages cannot be read: {error}"));
            None
        }
    }
}

/// The packages that a Java archive holds, those in archives within it included. None where it tells of none.
pub fn of_java_archive(path: &str, content: &mut dyn ReadSeek, coverage: &mut Coverage) -> Option<Source> {
    let inventory = lock::jar::jar(content, path, &lock::jar::JarLimits::default());
    coverage.scanned += 1;
    note_problems(path, &inventory, coverage);
    let found = !inventory.packages.is_empty();
    found.then(|| Source {
        path: path.to_owned(),
        reader: "java-archive".to_owned(),
        inventory,
        managed: None,
        functions: None,
    })
}

fn java_archive(files: &dyn Files, path: &str) -> (Option<Source>, Coverage) {
    let mut coverage = Coverage::default();
    match files.open(path) {
        Ok(mut content) => (of_java_archive(path, content.as_mut(), &mut coverage), coverage),
        Err(error) => {
            coverage.fail(path.to_owned(), &error);
            (None, coverage)
        }
    }
}

fn binary(files: &dyn Files, path: &str) -> (Option<Source>, Coverage) {
    let mut coverage = Coverage::default();
    let Ok(mut content) = files.open(path) else { return (None, coverage) };
    let mut head = [0; system::binary::SNIFF];
    let known = content.read_exact(&mut head).is_ok() && system::binary::sniff(&head).is_some();
    if !known || content.rewind().is_err() {
        return (None, coverage);
    }
    (of_binary(path, content.as_mut(), &mut coverage), coverage)
}

/// Packages by ecosystem and the name that they are looked up by.
type Names = BTreeSet<(Ecosystem, String)>;

/// A manifest adds nothing to a lock of its directory, or to that of its workspace, which holds all that the manifest asks
/// for. What is asked for and not in the lock is told: an empty lock hides nothing.
fn drop_covered(collected: &mut Collected) {
    // Locks by the directories that they are of, and what is in them.
    let mut locks: BTreeMap<String, Vec<(String, Names)>> = BTreeMap::new();
    for source in &collected.sources {
        if source.inventory.completeness == Completeness::Declared {
            continue;
        }
        let inventory = &source.inventory;
        let name = |ecosystem: Ecosystem, name: &str| (ecosystem, lookup_name(ecosystem::name_of(ecosystem), name));
        let mut names: BTreeSet<_> = inventory.packages.iter().map(|one| name(one.ecosystem, &one.name)).collect();
        for package in &inventory.packages {
            names.extend(package.alias.iter().map(|alias| name(package.ecosystem, alias)));
        }
        let kind = inventory.packages.first().map(|package| package.ecosystem);
        for root in &inventory.roots {
            if let (Some(own), Some(kind)) = (&root.name, kind) {
                names.insert(name(kind, own));
            }
        }
        let directory = directory_of(&source.path).to_owned();
        let members = inventory.roots.iter().filter_map(|root| {
            let path = relative(&directory, &format!("{}/x", root.path))?;
            Some(directory_of(&path).to_owned())
        });
        let directories: BTreeSet<String> = members.chain([directory.clone()]).collect();
        for directory in directories {
            locks.entry(directory).or_default().push((source.reader.clone(), names.clone()));
        }
    }
    let mut dropped = Vec::new();
    let mut missing = Vec::new();
    collected.sources.retain(|source| {
        let Some(reader) = lock::reader_of(&source.path).filter(|reader| reader.id == source.reader) else {
            return true;
        };
        let here = locks.get(directory_of(&source.path)).map(Vec::as_slice).unwrap_or_default();
        let covering: Vec<_> = here.iter().filter(|(id, _)| reader.covered_by.contains(&id.as_str())).collect();
        if covering.is_empty() || source.inventory.completeness != Completeness::Declared {
            return covering.is_empty() || source.inventory.completeness == Completeness::Graph;
        }
        // A list of versions for whoever wants one asks for nothing itself; optional packages may be left out.
        let asked = source.inventory.packages.iter().filter(|package| {
            // Python's tools lock nothing of what only builds the project itself.
            let builds = package.ecosystem == Ecosystem::PyPi && package.scopes == Scopes::only(Scope::Build);
            let own = matches!(package.source, PackageSource::Path { .. });
            let lists = reader.id == "nuget-central";
            !(lists || builds || own || package.scopes.contains(Scope::Optional))
        });
        let gone: Vec<&str> = asked
            .filter(|package| {
                let name = (package.ecosystem, lookup_name(ecosystem::name_of(package.ecosystem), &package.name));
                !covering.iter().any(|(_, names)| names.contains(&name))
            })
            .map(|package| package.name.as_str())
            .take(5)
            .collect();
        if gone.is_empty() {
            dropped.push((source.path.clone(), covering[0].0.clone()));
        } else {
            missing.push((source.path.clone(), format!("asked for and not in {}: {}", covering[0].0, gone.join(", "))));
        }
        !gone.is_empty()
    });
    for (path, by) in dropped {
        collected.coverage.scanned = collected.coverage.scanned.saturating_sub(1);
        collected.coverage.skip(path, &format!("{by} says more"));
    }
    for (path, why) in missing {
        collected.coverage.part(path, &why);
    }
}

/// The directory of a path; empty for the root.
pub fn directory_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

/// A name relative to a directory, without `.` and `..`; none where it leads out of the tree.
fn relative(directory: &str, name: &str) -> Option<String> {
    if name.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Steps of a way that are kept: of a longer one the first half and the last half of so many.
pub const MAXIMUM_WAY: usize = 32;

/// The shortest ways from the projects of an inventory to its packages.
pub struct Ways {
    /// The package by which each is reached; none for what a project itself asks for, and for what nothing leads to.
    before: Vec<Option<usize>>,
    seen: Vec<bool>,
}

impl Ways {
    /// Finds them all at once.
    pub fn of(inventory: &Inventory) -> Self {
        let mut before: Vec<Option<usize>> = vec![None; inventory.packages.len()];
        let mut seen = vec![false; inventory.packages.len()];
        let mut waiting = std::collections::VecDeque::new();
        for (index, _) in inventory.roots.iter().flat_map(|root| &root.dependencies) {
            if let Some(known) = seen.get_mut(*index)
                && !std::mem::replace(known, true)
            {
                waiting.push_back(*index);
            }
        }
        while let Some(index) = waiting.pop_front() {
            for next in &inventory.packages[index].dependencies {
                if let Some(known) = seen.get_mut(*next)
                    && !std::mem::replace(known, true)
                {
                    before[*next] = Some(index);
                    waiting.push_back(*next);
                }
            }
        }
        Self { before, seen }
    }

    /// The shortest way to a package: the one that is asked for first, itself last. Empty where the inventory does not
    /// tell. Of a way of more than [`MAXIMUM_WAY`] steps the middle is left out.
    pub fn to(&self, package: usize) -> Vec<usize> {
        if !self.seen.get(package).copied().unwrap_or(false) {
            return Vec::new();
        }
        let (mut last, mut first) = (vec![package], std::collections::VecDeque::new());
        let mut at = package;
        while let Some(previous) = self.before[at] {
            if last.len() < MAXIMUM_WAY / 2 {
                last.push(previous);
            } else {
                if first.len() == MAXIMUM_WAY / 2 {
                    first.pop_front();
                }
                first.push_back(previous);
            }
            at = previous;
        }
        first.into_iter().rev().chain(last.into_iter().rev()).collect()
    }
}

/// The shortest way from a project to one package, as [`Ways::to`] says it.
pub fn path_to(inventory: &Inventory, package: usize) -> Vec<usize> {
    Ways::of(inventory).to(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A graph that is one long chain costs no more than its length.
    #[test]
    fn long_ways_are_shortened() {
        let mut inventory = Inventory::new("chain", Completeness::Graph);
        for index in 0..50_000 {
            let mut package = provost_model::Package::new(Ecosystem::Npm, format!("p{index}"), None);
            package.dependencies = if index < 49_999 { vec![index + 1] } else { vec![0] };
            inventory.packages.push(package);
        }
        inventory.packages.push(provost_model::Package::new(Ecosystem::Npm, "alone", None));
        let dependencies = vec![(0, provost_model::Scope::Production)];
        inventory.roots.push(provost_model::Root { name: None, version: None, path: String::new(), dependencies });
        let ways = Ways::of(&inventory);
        assert_eq!(ways.to(0), [0]);
        assert_eq!(ways.to(31), (0..32).collect::<Vec<_>>());
        let long = (0..16).chain(34..50).collect::<Vec<_>>();
        assert_eq!(ways.to(49), long);
        assert_eq!(ways.to(50_000), Vec::<usize>::new());
    }

    #[test]
    fn names_never_lead_out_of_the_tree() {
        assert_eq!(relative("a/b", "../c/./x").as_deref(), Some("a/c/x"));
        assert_eq!(relative("a", "../../x"), None);
        assert_eq!(relative("a", "/etc/passwd"), None);
        assert_eq!(relative("", "x").as_deref(), Some("x"));
    }

    #[test]
    fn ways_are_the_shortest_and_end() {
        let mut inventory = Inventory::new("test", Completeness::Graph);
        for name in 0..2000 {
            let mut package = provost_model::Package::new(Ecosystem::Npm, name.to_string(), None);
            package.dependencies = vec![(name + 1) % 1999];
            inventory.packages.push(package);
        }
        inventory.packages[0].dependencies.push(2);
        let dependencies = vec![(0, Scope::Production), (9999, Scope::Production)];
        inventory.roots.push(provost_model::Root { name: None, version: None, path: String::new(), dependencies });
        let ways = Ways::of(&inventory);
        assert_eq!(ways.to(0), [0]);
        assert_eq!(ways.to(3), [0, 2, 3]);
        let long = ways.to(1900);
        assert_eq!((long.len(), long[0], long[MAXIMUM_WAY - 1]), (MAXIMUM_WAY, 0, 1900), "the middle is left out");
        assert!(ways.to(1999).is_empty() && ways.to(9999).is_empty(), "nobody needs it, and there is none");
        assert_eq!(path_to(&inventory, 3), [0, 2, 3]);
    }
}
