//! Lockfiles, manifests and installed trees of language ecosystems: what each says, as an [`Inventory`].
//!
//! A reader takes one file. What stands beside it (a manifest that tells which packages were asked for) it may ask for by
//! name, and has to do without where it is absent.

mod compose;
mod dockerfile;
mod gemfile_lock;
mod gemspec;
mod gitmodules;
mod go_mod;
mod go_sum;
mod gradle;
mod gradle_script;
mod image;
mod installed;
pub mod jar;
mod jar_names;
mod maven;
mod pdm;
mod pep508;
mod pipfile;
mod poetry;
mod pylock;
mod pyproject;
mod python_installed;
mod requirements;
mod tables;
mod text;
mod uv;
mod workflow;

use provost_model::Inventory;

mod bun;
mod cargo;
mod cargo_manifest;
mod composer;
mod conan;
mod dotnet;
mod graph;
mod javascript;
mod mix;
mod msbuild;
mod npm;
mod nuget;
mod pnpm;
mod pub_dart;
mod source;
mod swift;
pub(crate) mod tree;
mod yarn;

/// Bytes of a lockfile that are read at most.
pub const MAXIMUM_BYTES: usize = 256 << 20;

/// Packages of one file that are read at most.
pub const MAXIMUM_PACKAGES: usize = 500_000;

/// How deep data may nest.
pub const MAXIMUM_DEPTH: usize = 128;

pub use source::repository;

/// One file to read.
pub struct Input<'a> {
    /// Its path, `/` between its parts.
    pub path: &'a str,
    /// Its content.
    pub bytes: &'a [u8],
    /// Content of a file relative to this one's directory (`package.json`, `../go.sum`), where there is one.
    pub beside: &'a dyn Fn(&str) -> Option<Vec<u8>>,
}

impl Input<'_> {
    /// The last part of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(self.path)
    }
}

/// Why a file cannot be read at all. Single entries that cannot be read are [problems](provost_model::Problem) of the
/// inventory instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{what}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
pub struct LockError {
    /// Line, counted from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong.
    pub what: String,
}

impl LockError {
    /// An error of the file as a whole.
    pub fn new(what: impl Into<String>) -> Self {
        Self { line: None, what: what.into() }
    }

    /// An error at a line.
    pub fn at(line: u64, what: impl Into<String>) -> Self {
        Self { line: Some(line), what: what.into() }
    }
}

/// What reads a file.
pub type Read = fn(&Input<'_>) -> Result<Inventory, LockError>;

/// A kind of file that tells of packages.
pub struct Reader {
    /// Id, kebab-case: `cargo-lock`, `npm-lock`.
    pub id: &'static str,
    /// True for the files that it reads, told by their path.
    pub wants: fn(path: &str) -> bool,
    /// Reads one.
    pub read: Read,
    /// Kinds that say more than this one: where one of them lies in the same directory, this one adds nothing
    /// (`package.json` beside `package-lock.json`).
    pub covered_by: &'static [&'static str],
}

/// Every reader.
pub const READERS: &[&[Reader]] = &[
    cargo::READERS,
    javascript::READERS,
    npm::READERS,
    yarn::READERS,
    go_mod::READERS,
    go_sum::READERS,
    maven::READERS,
    gradle::READERS,
    gradle_script::READERS,
    gemfile_lock::READERS,
    gemspec::READERS,
    requirements::READERS,
    poetry::READERS,
    uv::READERS,
    pdm::READERS,
    pipfile::READERS,
    pylock::READERS,
    pyproject::READERS,
    python_installed::READERS,
    installed::READERS,
    workflow::READERS,
    dockerfile::READERS,
    compose::READERS,
    bun::READERS,
    composer::READERS,
    conan::READERS,
    dotnet::READERS,
    mix::READERS,
    msbuild::READERS,
    nuget::READERS,
    pnpm::READERS,
    pub_dart::READERS,
    swift::READERS,
    gitmodules::READERS,
];

/// The reader of a file, told by its path.
pub fn reader_of(path: &str) -> Option<&'static Reader> {
    READERS.iter().flat_map(|group| group.iter()).find(|reader| (reader.wants)(path))
}

/// Readers of what is installed, and not of what somebody wants to be.
const INSTALLED: &[&str] =
    &["composer-installed", "conda-meta", "dotnet-deps", "gemspec-installed", "node-modules", "python-installed"];

/// True for a reader of what is installed: that is what counts in an image.
pub fn is_installed(reader: &Reader) -> bool {
    INSTALLED.contains(&reader.id)
}

/// True for a file of that name in any directory.
fn named(path: &str, name: &str) -> bool {
    path.strip_suffix(name).is_some_and(|directory| directory.is_empty() || directory.ends_with('/'))
}

#[cfg(test)]
mod testing {
    use super::*;

    /// Reads a file by the reader that wants it.
    pub(crate) fn read_with(path: &str, text: &str, beside: &[(&str, &str)]) -> Result<Inventory, LockError> {
        let beside =
            |name: &str| beside.iter().find(|(other, _)| *other == name).map(|(_, text)| text.as_bytes().to_vec());
        let reader = reader_of(path).expect("a reader wants it");
        (reader.read)(&Input { path, bytes: text.as_bytes(), beside: &beside })
    }

    /// The package of that name and version.
    pub(crate) fn find<'i>(inventory: &'i Inventory, name: &str, version: &str) -> &'i provost_model::Package {
        let mut found = inventory
            .packages
            .iter()
            .filter(|package| package.name == name && package.version.as_deref() == Some(version));
        let package = found.next().unwrap_or_else(|| panic!("{name} {version} in {:?}", inventory.packages));
        assert!(found.next().is_none(), "{name} {version} once");
        package
    }
}
