//! What an operating system's package databases say is installed, and what binaries record of the packages they were
//! built from, as an [`Inventory`].
//!
//! A database is told by its path ([`wants`]), a binary by its first bytes ([`binary::sniff`]). What lies beside a database
//! (lists of files, the names of what a person asked for, the release) is asked for by name through
//! [`Input::beside`](crate::lock::Input), and done without where it is absent.

mod apk;
pub mod binary;
mod chisel;
mod deb822;
mod dpkg;
pub mod end_of_life;
mod graph;
pub mod os_release;
mod pacman;
mod rpm;

use provost_model::{Inventory, Scope, Scopes};

pub use crate::lock::{Input, LockError};
use crate::lock::{MAXIMUM_BYTES, MAXIMUM_PACKAGES};

/// Files of all packages of one inventory that are kept at most.
pub const MAXIMUM_FILES: usize = 4_000_000;

/// Bytes that their paths have at most, together.
pub const MAXIMUM_FILE_BYTES: usize = 1 << 29;

/// Bytes of one name, version or other text at most; what is longer is no such thing.
pub const MAXIMUM_TEXT: usize = 4096;

/// Edges of one inventory's graph that are kept at most.
pub const MAXIMUM_EDGES: usize = 4_000_000;

/// Names of what packages provide that are kept at most.
pub const MAXIMUM_NAMES: usize = 1_000_000;

/// Packages that a need is tied to at most, where several provide what is needed.
pub const MAXIMUM_PROVIDERS: usize = 8;

/// Problems that are told one by one; then only that there are more.
pub const MAXIMUM_PROBLEMS: usize = 1000;

/// A kind of package database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// dpkg's status file (`deb822(5)`).
    Dpkg,
    /// One file of dpkg's `status.d`, as images without a package manager have it: one package in each.
    DpkgPart,
    /// opkg's status file: OpenWrt and its relatives.
    Opkg,
    /// apk's database of installed packages (`apk-package(5)` and the wiki's Apk_spec).
    Apk,
    /// rpm's database in any of its three back ends.
    Rpm,
    /// The text list of rpm packages that Azure Linux's images without rpm have.
    RpmManifest,
    /// One package of pacman's local database.
    Pacman,
    /// chisel's manifest: Ubuntu's images without dpkg.
    Chisel,
}

/// Where they lie; `*` is one part of a path. Those that end others stand after them.
const KNOWN: &[(&[&str], Kind)] = &[
    (&["var", "lib", "dpkg", "status"], Kind::Dpkg),
    (&["var", "lib", "dpkg", "status.d", "*"], Kind::DpkgPart),
    (&["usr", "lib", "dpkg", "status"], Kind::Dpkg),
    (&["usr", "lib", "dpkg", "status.d", "*"], Kind::DpkgPart),
    (&["usr", "lib", "opkg", "status"], Kind::Opkg),
    (&["var", "lib", "opkg", "status"], Kind::Opkg),
    (&["usr", "lib", "apk", "db", "installed"], Kind::Apk),
    (&["lib", "apk", "db", "installed"], Kind::Apk),
    (&["var", "lib", "rpm", "rpmdb.sqlite"], Kind::Rpm),
    (&["var", "lib", "rpm", "Packages"], Kind::Rpm),
    (&["var", "lib", "rpm", "Packages.db"], Kind::Rpm),
    (&["usr", "lib", "sysimage", "rpm", "rpmdb.sqlite"], Kind::Rpm),
    (&["usr", "lib", "sysimage", "rpm", "Packages"], Kind::Rpm),
    (&["usr", "lib", "sysimage", "rpm", "Packages.db"], Kind::Rpm),
    (&["usr", "share", "rpm", "rpmdb.sqlite"], Kind::Rpm),
    (&["usr", "share", "rpm", "Packages"], Kind::Rpm),
    (&["usr", "share", "rpm", "Packages.db"], Kind::Rpm),
    (&["var", "lib", "rpmmanifest", "container-manifest-2"], Kind::RpmManifest),
    (&["var", "lib", "pacman", "local", "*", "desc"], Kind::Pacman),
    (&["var", "lib", "chisel", "manifest.wall"], Kind::Chisel),
];

/// The kind of database that a path names, and how many of its last parts lie below the root.
fn known(path: &str) -> Option<(Kind, usize)> {
    let matches = |parts: &[&str]| {
        let mut given = path.rsplit('/');
        parts
            .iter()
            .rev()
            .all(|part| given.next().is_some_and(|one| if *part == "*" { !one.is_empty() } else { one == *part }))
    };
    let (parts, kind) = KNOWN.iter().find(|(parts, _)| matches(parts))?;
    (*kind != Kind::DpkgPart || !path.ends_with(".md5sums")).then_some((*kind, parts.len()))
}

/// The kind of database that a path names: absolute, relative to a root, or within a root that lies anywhere.
pub fn wants(path: &str) -> Option<Kind> {
    known(path).map(|(kind, _)| kind)
}

/// The root that a database's path lies in, with a `/` at its end where it is not empty. Databases of one kind and one
/// root are read together.
pub fn root_of(path: &str) -> Option<&str> {
    let (_, parts) = known(path)?;
    let cut = path.rmatch_indices('/').nth(parts - 1).map_or(0, |(at, _)| at + 1);
    path.get(..cut)
}

impl Kind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dpkg => "dpkg status",
            Self::DpkgPart => "dpkg status.d",
            Self::Opkg => "opkg status",
            Self::Apk => "apk installed",
            Self::Rpm => "rpm database",
            Self::RpmManifest => "rpm manifest",
            Self::Pacman => "pacman local database",
            Self::Chisel => "chisel manifest",
        }
    }

    /// True when every package has a file of its own: all of them are to be handed to [`read`] at once, or what needs what
    /// stays unknown.
    pub fn is_scattered(self) -> bool {
        matches!(self, Self::DpkgPart | Self::Pacman)
    }
}

/// Reads a database: one file, or the many of a [scattered](Kind::is_scattered) one. The system that the packages belong
/// to is found beside it.
///
/// # Errors
/// A file that is no such database at all. Entries that cannot be read are problems of the inventory.
pub fn read(kind: Kind, inputs: &[Input<'_>]) -> Result<Inventory, LockError> {
    if let Some(large) = inputs.iter().find(|input| input.bytes.len() > MAXIMUM_BYTES) {
        return Err(LockError::new(format!("more than {MAXIMUM_BYTES} bytes: {}", large.path)));
    }
    let places: Vec<Place<'_>> = inputs.iter().map(Place::of).collect();
    let mut inventory = match kind {
        Kind::Dpkg | Kind::DpkgPart | Kind::Opkg => dpkg::read(kind, &places),
        Kind::Apk => apk::read(&places),
        Kind::Pacman => pacman::read(&places),
        Kind::Chisel => chisel::read(&places)?,
        Kind::Rpm => rpm::read(&places)?,
        Kind::RpmManifest => rpm::manifest(&places),
    };
    let distribution = places.first().and_then(|place| os_release::find(&|path| place.root(path)));
    for package in &mut inventory.packages {
        package.distribution.clone_from(&distribution);
        // What is installed is there when the product runs.
        package.scopes = Scopes::only(Scope::Production);
    }
    Ok(inventory)
}

/// A database's file, and what lies around it.
struct Place<'a> {
    input: &'a Input<'a>,
    /// The way from its directory to the root.
    to_root: String,
}

impl<'a> Place<'a> {
    fn of(input: &'a Input<'a>) -> Self {
        let below = known(input.path).map_or(1, |(_, parts)| parts);
        Self { input, to_root: "../".repeat(below - 1) }
    }

    fn bytes(&self) -> &'a [u8] {
        self.input.bytes
    }

    /// A file relative to the database's directory.
    fn beside(&self, path: &str) -> Option<Vec<u8>> {
        (self.input.beside)(path).filter(|bytes| bytes.len() <= MAXIMUM_BYTES)
    }

    /// A file relative to the root.
    fn root(&self, path: &str) -> Option<Vec<u8>> {
        self.beside(&format!("{}{path}", self.to_root))
    }
}

/// Notes an entry that could not be read; after [`MAXIMUM_PROBLEMS`] of them, only that there are more.
fn problem(inventory: &mut Inventory, line: Option<u64>, what: impl Into<String>) {
    match inventory.problems.len().cmp(&MAXIMUM_PROBLEMS) {
        std::cmp::Ordering::Less => inventory.problem(line, what),
        std::cmp::Ordering::Equal => inventory.problem(None, "more problems, that are not told one by one"),
        std::cmp::Ordering::Greater => {}
    }
}

/// True when one more package may be added; where not, that is noted once.
fn room(inventory: &mut Inventory) -> bool {
    if inventory.packages.len() < MAXIMUM_PACKAGES {
        return true;
    }
    let what = format!("more than {MAXIMUM_PACKAGES} packages: the others are not read");
    if inventory.problems.last().is_none_or(|last| last.what != what) {
        problem(inventory, None, what);
    }
    false
}

/// A text that may be kept: neither empty nor over long.
fn text(value: &str) -> Option<String> {
    let value = value.trim();
    (!value.is_empty() && value.len() <= MAXIMUM_TEXT).then(|| value.to_owned())
}

/// How many files may still be kept.
struct FileBudget {
    files: usize,
    bytes: usize,
    spent: bool,
}

impl FileBudget {
    fn new() -> Self {
        Self { files: MAXIMUM_FILES, bytes: MAXIMUM_FILE_BYTES, spent: false }
    }

    /// Takes one more file of a package, told in one or two pieces. False when there is no more room: the caller then stops.
    fn take(&mut self, files: &mut Vec<String>, directory: &str, name: &str) -> bool {
        let length = directory.len() + name.len();
        if length > MAXIMUM_TEXT {
            return true;
        }
        if self.spent || self.files == 0 || self.bytes < length {
            self.spent = true;
            return false;
        }
        self.files -= 1;
        self.bytes -= length;
        files.push([directory, name].concat());
        true
    }

    /// Notes that files were left out, where some were.
    fn note(&self, inventory: &mut Inventory) {
        if self.spent {
            problem(inventory, None, "more files than are kept: those of the last packages are left out");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_with_and_without_a_root() {
        assert_eq!(wants("/var/lib/dpkg/status"), Some(Kind::Dpkg));
        assert_eq!(wants("var/lib/dpkg/status"), Some(Kind::Dpkg));
        assert_eq!(wants("images/one/var/lib/dpkg/status.d/base"), Some(Kind::DpkgPart));
        assert_eq!(wants("var/lib/dpkg/status.d/base.md5sums"), None);
        assert_eq!(wants("var/lib/dpkg/status.d/"), None);
        assert_eq!(wants("vvar/lib/dpkg/status"), None);
        assert_eq!(wants("/usr/lib/sysimage/rpm/Packages.db"), Some(Kind::Rpm));
        assert_eq!(wants("var/lib/pacman/local/zlib-1.3-1/desc"), Some(Kind::Pacman));
        assert_eq!(wants("status"), None);
        assert_eq!(root_of("images/one/var/lib/dpkg/status.d/base"), Some("images/one/"));
        assert_eq!(root_of("/usr/lib/apk/db/installed"), Some("/"));
        assert_eq!(root_of("usr/lib/apk/db/installed"), Some(""));
        assert_eq!(root_of("x/lib/apk/db/installed"), Some("x/"));
    }
}
