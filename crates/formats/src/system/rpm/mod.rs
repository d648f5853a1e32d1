//! rpm's database of installed packages. Three back ends hold the same thing, a header for each package: SQLite (rpm 4.16
//! on), Berkeley DB (before it), and rpm's own NDB (SUSE). They are read by hand from bytes: no database engine opens what
//! may be hostile.

mod berkeley;
mod header;
mod ndb;
mod sqlite;
mod wal;

use std::collections::{HashMap, HashSet};

use provost_model::{Completeness, Ecosystem, Inventory, Package, PackageHash};

use self::header::Header;
use super::graph::{Edges, Providers};
use super::{FileBudget, Kind, LockError, MAXIMUM_EDGES, Place, problem, room, text};

/// Called with each package's header, or with why one could not be had.
type Each<'a> = dyn FnMut(Result<&[u8], String>) + 'a;

/// Tags of a header (rpm, `include/rpm/rpmtag.h`).
mod tag {
    pub(super) const SIGMD5: u32 = 261;
    pub(super) const SHA256HEADER: u32 = 273;
    pub(super) const NAME: u32 = 1000;
    pub(super) const VERSION: u32 = 1001;
    pub(super) const RELEASE: u32 = 1002;
    pub(super) const EPOCH: u32 = 1003;
    pub(super) const VENDOR: u32 = 1011;
    pub(super) const LICENSE: u32 = 1014;
    pub(super) const PACKAGER: u32 = 1015;
    pub(super) const ARCH: u32 = 1022;
    /// Scripts and the programs that run them: before and after installing, and around the transaction.
    pub(super) const SCRIPTS: [u32; 8] = [1023, 1024, 1085, 1086, 1151, 1152, 1153, 1154];
    pub(super) const OLDFILENAMES: u32 = 1027;
    pub(super) const FILESTATES: u32 = 1029;
    pub(super) const FILEMODES: u32 = 1030;
    pub(super) const FILEFLAGS: u32 = 1037;
    pub(super) const SOURCERPM: u32 = 1044;
    pub(super) const PROVIDENAME: u32 = 1047;
    pub(super) const REQUIRENAME: u32 = 1049;
    pub(super) const DIRINDEXES: u32 = 1116;
    pub(super) const BASENAMES: u32 = 1117;
    pub(super) const DIRNAMES: u32 = 1118;
    pub(super) const MODULARITYLABEL: u32 = 5096;
}

/// `RPMFILE_GHOST`: a file that the package owns and does not bring.
const GHOST: u64 = 1 << 6;

/// File states that mean that the package's own file is not there: replaced, not installed, of another colour.
const ABSENT: [u64; 3] = [1, 2, 4];

pub(super) fn read(places: &[Place<'_>]) -> Result<Inventory, LockError> {
    let mut reader = Reader {
        inventory: Inventory::new(Kind::Rpm.name(), Completeness::Graph),
        providers: Providers::default(),
        needs: Vec::new(),
        needs_left: MAXIMUM_EDGES,
        files: FileBudget::new(),
        seen: HashSet::new(),
    };
    let mut error = None;
    for place in places {
        let bytes = place.bytes();
        let (back_end, read): (_, Result<(), LockError>) = if sqlite::is(bytes) {
            let log = place.beside(&format!("{}-wal", place.input.name())).unwrap_or_default();
            ("sqlite", sqlite::headers(bytes, &log, &mut |header| reader.package(header)))
        } else if ndb::is(bytes) {
            ("ndb", ndb::headers(bytes, &mut |header| reader.package(header)))
        } else if berkeley::is(bytes) {
            ("bdb", berkeley::headers(bytes, &mut |header| reader.package(header)))
        } else {
            ("", Err(LockError::new("no database of rpm's: neither SQLite nor NDB nor a Berkeley DB hash")))
        };
        match read {
            Ok(()) => reader.inventory.kind = format!("{} ({back_end})", Kind::Rpm.name()),
            Err(why) => {
                problem(&mut reader.inventory, None, format!("{}: {}", place.input.path, why.what));
                error = Some(why);
            }
        }
    }
    match error {
        Some(error) if reader.inventory.packages.is_empty() => Err(error),
        _ => Ok(reader.finish()),
    }
}

struct Reader {
    inventory: Inventory,
    providers: Providers,
    /// What each package needs.
    needs: Vec<Vec<String>>,
    /// Needs that may still be kept.
    needs_left: usize,
    files: FileBudget,
    /// Packages that were read: two databases of one root may hold the same.
    seen: HashSet<(String, Option<String>, Option<String>)>,
}

impl Reader {
    fn package(&mut self, blob: Result<&[u8], String>) {
        let header = match blob.and_then(Header::parse) {
            Ok(header) => header,
            Err(why) => return problem(&mut self.inventory, None, why),
        };
        let Some(name) = header.string(tag::NAME) else {
            return problem(&mut self.inventory, None, "a header without a package's name");
        };
        // A key that signatures are checked with is kept as a package.
        if name == "gpg-pubkey" {
            return;
        }
        let version = match (header.string(tag::VERSION), header.string(tag::RELEASE)) {
            (Some(version), Some(release)) => match header.number(tag::EPOCH).filter(|epoch| *epoch != 0) {
                Some(epoch) => Some(format!("{epoch}:{version}-{release}")),
                None => Some(format!("{version}-{release}")),
            },
            (version, _) => {
                problem(&mut self.inventory, None, format!("{name}: it has no version or no release"));
                version
            }
        };
        let architecture = header.string(tag::ARCH);
        if !self.seen.insert((name.clone(), version.clone(), architecture.clone())) || !room(&mut self.inventory) {
            return;
        }
        let mut package = Package::new(Ecosystem::Rpm, &*name, version);
        package.architecture = architecture;
        package.built_from = header.string(tag::SOURCERPM).as_deref().and_then(source);
        package.licence = header.string(tag::LICENSE);
        package.supplier = header.string(tag::VENDOR).or_else(|| header.string(tag::PACKAGER));
        package.module = header.string(tag::MODULARITYLABEL);
        package.install_script = tag::SCRIPTS.into_iter().any(|script| header.has(script));
        if let Some(sum) = header.bytes(tag::SIGMD5).filter(|sum| sum.len() == 16) {
            package.hashes.push(PackageHash { algorithm: "md5".to_owned(), value: hex::encode(sum) });
        }
        let sum = header
            .string(tag::SHA256HEADER)
            .filter(|sum| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(sum) = sum {
            package.hashes.push(PackageHash { algorithm: "sha256".to_owned(), value: sum.to_ascii_lowercase() });
        }
        self.take_files(&header, &mut package);

        let index = self.inventory.packages.len();
        self.providers.add(&name, index);
        for provided in header.strings(tag::PROVIDENAME).filter_map(text) {
            self.providers.add(&provided, index);
        }
        let needs = header.strings(tag::REQUIRENAME).filter(|need| !need.starts_with("rpmlib("));
        let needs: Vec<String> = needs.filter_map(text).take(self.needs_left).collect();
        self.needs_left -= needs.len();
        self.needs.push(needs);
        self.inventory.packages.push(package);
    }

    /// The files that the package brought, without its directories.
    fn take_files(&mut self, header: &Header<'_>, package: &mut Package) {
        let modes = header.numbers(tag::FILEMODES);
        let flags = header.numbers(tag::FILEFLAGS);
        let states = header.numbers(tag::FILESTATES);
        let is_there = |at: usize| {
            modes.get(at).is_none_or(|mode| mode & 0o170_000 != 0o040_000)
                && flags.get(at).is_none_or(|flags| flags & GHOST == 0)
                && states.get(at).is_none_or(|state| !ABSENT.contains(&state))
        };
        let directories: Vec<&str> = header.strings(tag::DIRNAMES).collect();
        let places = header.numbers(tag::DIRINDEXES);
        let mut broken = false;
        for (at, name) in header.strings(tag::BASENAMES).enumerate() {
            let place = places.get(at).and_then(|place| usize::try_from(place).ok());
            let Some(directory) = place.and_then(|place| directories.get(place)) else {
                broken = true;
                continue;
            };
            if is_there(at) && !self.files.take(&mut package.files, directory, name) {
                return;
            }
        }
        for (at, path) in header.strings(tag::OLDFILENAMES).enumerate() {
            if is_there(at) && !self.files.take(&mut package.files, "", path) {
                return;
            }
        }
        if broken {
            problem(&mut self.inventory, None, format!("{}: files in no directory of its", package.name));
        }
    }

    fn finish(mut self) -> Inventory {
        // What is needed by its path is in the lists of files.
        let mut owners: HashMap<&str, Option<usize>> = HashMap::new();
        for need in self.needs.iter().flatten().filter(|need| need.starts_with('/')) {
            if self.providers.of(need).is_empty() {
                owners.insert(need, None);
            }
        }
        if !owners.is_empty() {
            for (index, package) in self.inventory.packages.iter().enumerate() {
                for file in &package.files {
                    if let Some(owner) = owners.get_mut(&**file) {
                        owner.get_or_insert(index);
                    }
                }
            }
        }
        let mut edges = Edges::new();
        for (index, needs) in self.needs.iter().enumerate() {
            let mut found = Vec::new();
            for need in needs {
                match need.strip_prefix('(') {
                    Some(rich) => found.extend(alternatives(rich).flat_map(|name| self.providers.of(name))),
                    None => found.extend(self.providers.of(need)),
                }
                found.extend(owners.get(&**need).copied().flatten());
            }
            edges.set(&mut self.inventory, index, found);
        }
        if self.needs_left == 0 {
            problem(&mut self.inventory, None, "more needs than are kept: the others are left out");
        }
        edges.note(&self.providers, &mut self.inventory);
        self.files.note(&mut self.inventory);
        self.inventory
    }
}

/// Names in a boolean dependency (rpm, `docs/manual/boolean_dependencies.md`), less those of its condition:
/// `(glibc-gconv-extra if redhat-rpm-config)`.
fn alternatives(rich: &str) -> impl Iterator<Item = &str> {
    let end = [" if ", " unless "].iter().filter_map(|word| rich.find(word)).min().unwrap_or(rich.len());
    let words = rich.get(..end).unwrap_or_default().split_ascii_whitespace();
    let words = words.map(|word| word.trim_start_matches('(')).map(|word| match word.contains('(') {
        true => word,
        false => word.trim_end_matches(')'),
    });
    words.filter(|word| !matches!(*word, "and" | "or" | "with" | "without" | "else" | "<" | "<=" | "=" | ">=" | ">"))
}

/// `bash-5.1.8-6.el9.src.rpm`: name, and version with release. The epoch is not told.
fn source(file: &str) -> Option<(String, Option<String>)> {
    let stem = file.strip_suffix(".rpm")?;
    let stem = stem.strip_suffix(".src").or_else(|| stem.strip_suffix(".nosrc"))?;
    let (rest, release) = stem.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    Some((name.to_owned(), Some(format!("{version}-{release}"))))
}

/// The list of packages in images of Azure Linux that have no rpm: columns after `rpm -qa --qf` with name,
/// version-release, times, vendor, epoch, size, architecture, epoch's number and source package.
pub(super) fn manifest(places: &[Place<'_>]) -> Inventory {
    let mut inventory = Inventory::new(Kind::RpmManifest.name(), Completeness::List);
    let said = |column: Option<&&str>| column.and_then(|value| text(value)).filter(|value| value != "(none)");
    for place in places {
        let content = String::from_utf8_lossy(place.bytes());
        for (number, line) in (1..).zip(content.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let columns: Vec<&str> = line.splitn(16, '\t').collect();
            let (Some(name), Some(version)) = (said(columns.first()), said(columns.get(1))) else {
                problem(&mut inventory, Some(number), "a line without name and version");
                continue;
            };
            if name == "gpg-pubkey" {
                continue;
            }
            if !room(&mut inventory) {
                break;
            }
            let epoch = said(columns.get(5)).filter(|epoch| epoch != "0");
            let version = epoch.map_or(version.clone(), |epoch| format!("{epoch}:{version}"));
            let mut package = Package::new(Ecosystem::Rpm, name, Some(version));
            package.line = Some(number);
            package.supplier = said(columns.get(4));
            package.architecture = said(columns.get(7));
            package.built_from = said(columns.get(9)).as_deref().and_then(source);
            inventory.packages.push(package);
        }
    }
    inventory
}

#[cfg(test)]
mod tests;
