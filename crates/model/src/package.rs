//! Packages: what a lockfile, an installed tree or a package database says is in a product.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Where packages of one kind come from, and by whose rules their names and versions are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Ecosystem {
    /// Rust: crates.io and other Cargo registries.
    Cargo,
    /// JavaScript: npm, yarn, pnpm, bun.
    Npm,
    /// Python.
    PyPi,
    /// Go modules.
    Go,
    /// Java and what else Maven repositories hold; names are `group:artifact`.
    Maven,
    /// Ruby.
    RubyGems,
    /// PHP: Composer.
    Packagist,
    /// .NET.
    NuGet,
    /// Swift packages; names are repositories.
    Swift,
    /// Dart.
    Pub,
    /// Elixir and Erlang.
    Hex,
    /// C and C++: Conan.
    Conan,
    /// Steps of GitHub workflows; names are `owner/repository` or `owner/repository/path`.
    GitHubActions,
    /// Container images.
    Oci,
    /// Packages of Debian and its relatives.
    Deb,
    /// Packages of Alpine and its relatives.
    Apk,
    /// Packages of Red Hat, SUSE and their relatives.
    Rpm,
    /// None of these.
    Generic,
}

impl Ecosystem {
    /// Every one.
    pub const ALL: [Self; 18] = [
        Self::Cargo,
        Self::Npm,
        Self::PyPi,
        Self::Go,
        Self::Maven,
        Self::RubyGems,
        Self::Packagist,
        Self::NuGet,
        Self::Swift,
        Self::Pub,
        Self::Hex,
        Self::Conan,
        Self::GitHubActions,
        Self::Oci,
        Self::Deb,
        Self::Apk,
        Self::Rpm,
        Self::Generic,
    ];

    /// The type of its package URLs (package-url specification, types).
    pub fn purl_type(self) -> &'static str {
        match self {
            Self::Cargo => "cargo",
            Self::Npm => "npm",
            Self::PyPi => "pypi",
            Self::Go => "golang",
            Self::Maven => "maven",
            Self::RubyGems => "gem",
            Self::Packagist => "composer",
            Self::NuGet => "nuget",
            Self::Swift => "swift",
            Self::Pub => "pub",
            Self::Hex => "hex",
            Self::Conan => "conan",
            Self::GitHubActions => "githubactions",
            Self::Oci => "oci",
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Rpm => "rpm",
            Self::Generic => "generic",
        }
    }

    /// The ecosystem of a purl type.
    pub fn of_purl_type(name: &str) -> Self {
        Self::ALL.into_iter().find(|one| one.purl_type() == name).unwrap_or(Self::Generic)
    }
}

/// What a package is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Goes into the product, or runs beside it.
    Production,
    /// Needed to build it.
    Build,
    /// Needed to develop or test it.
    Development,
    /// Goes in only where asked for, or where the platform fits.
    Optional,
}

/// A set of scopes: a package can be there for several reasons. Empty: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Scope>", into = "Vec<Scope>")]
pub struct Scopes(u8);

impl Scopes {
    /// One scope.
    pub fn only(scope: Scope) -> Self {
        Self(1 << scope as u8)
    }

    /// This one too.
    pub fn add(&mut self, scope: Scope) {
        self.0 |= 1 << scope as u8;
    }

    /// All of these too; true when that changed anything.
    pub fn extend(&mut self, other: Self) -> bool {
        let before = self.0;
        self.0 |= other.0;
        self.0 != before
    }

    /// True when the scope is in it.
    pub fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// True when nothing is known.
    pub fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Those in it, production first.
    pub fn iter(self) -> impl Iterator<Item = Scope> {
        [Scope::Production, Scope::Build, Scope::Development, Scope::Optional]
            .into_iter()
            .filter(move |scope| self.contains(*scope))
    }

    /// True when it is only developed or tested with: it does not reach the product.
    pub fn is_development_only(self) -> bool {
        self.0 == 1 << Scope::Development as u8
    }
}

impl From<Vec<Scope>> for Scopes {
    fn from(scopes: Vec<Scope>) -> Self {
        let mut set = Self::default();
        scopes.into_iter().for_each(|scope| set.add(scope));
        set
    }
}

impl From<Scopes> for Vec<Scope> {
    fn from(scopes: Scopes) -> Self {
        scopes.iter().collect()
    }
}

/// Where a package's content comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PackageSource {
    /// It is not said; the ecosystem's usual registry is meant.
    #[default]
    Registry,
    /// A registry that is named.
    OtherRegistry {
        /// Its address.
        url: String,
    },
    /// A git repository.
    Git {
        /// Its address.
        url: String,
        /// The commit, where the lock names one.
        revision: Option<String>,
    },
    /// A file to fetch.
    Url {
        /// Its address.
        url: String,
    },
    /// A directory or file of the project itself.
    Path {
        /// As the lock writes it.
        path: String,
    },
}

/// A digest of a package's content, by whatever algorithm its ecosystem uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageHash {
    /// `sha256`, `sha512`, `sha1`, `md5`, or the ecosystem's own form: `h1` (Go's dirhash).
    pub algorithm: String,
    /// Lower-case hexadecimal; base64 as it stands for `h1`.
    pub value: String,
}

/// The system that an operating-system package belongs to (os-release: `ID`, `VERSION_ID`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Distribution {
    /// `debian`, `ubuntu`, `alpine`, `rhel`, `fedora`, `opensuse-leap`, …
    pub id: String,
    /// `12`, `22.04`, `3.19.1`; empty where the release has none.
    pub version: String,
    /// `ID_LIKE`, most like first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub like: Vec<String>,
}

/// What a lock says of a package that can be held against the rest of it. Whoever writes to the lock wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Claims {
    /// Addresses that its content is fetched from, without user and password.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resolved: Vec<String>,
    /// What a mark says that it is needed for, where the graph says that it is needed for more.
    #[serde(skip_serializing_if = "Scopes::is_empty")]
    pub scopes: Scopes,
    /// The name of the registry's package that is asked for in its place: nobody asked for this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,
    /// When this version was published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released: Option<Timestamp>,
}

impl Claims {
    /// True where nothing of that is said.
    pub fn is_empty(&self) -> bool {
        self.resolved.is_empty() && self.scopes.is_empty() && self.instead_of.is_none() && self.released.is_none()
    }
}

/// One package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    /// Its ecosystem.
    pub ecosystem: Ecosystem,
    /// The whole name as the ecosystem knows it: `@scope/name`, `group:artifact`, `github.com/owner/module`.
    pub name: String,
    /// The version that is locked or installed; `None` where it is only declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What the manifest asks for, as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirement: Option<String>,
    /// What it is needed for.
    #[serde(default, skip_serializing_if = "Scopes::is_empty")]
    pub scopes: Scopes,
    /// Asked for by the project itself; `None` where the source does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct: Option<bool>,
    /// Where its content comes from.
    #[serde(default)]
    pub source: PackageSource,
    /// Digests of its content.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hashes: Vec<PackageHash>,
    /// Its licence as it is stated there: an SPDX expression or free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The name that the project uses for it, where that is another (npm aliases, renamed crates).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Indexes of the packages that it needs, in the inventory that it stands in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<usize>,
    /// Line of the file that it stands in, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// It runs a script when it is installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub install_script: bool,
    /// Its author's word that it should not be used any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// The version was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub yanked: bool,
    /// The system, for packages of an operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<Distribution>,
    /// Architecture, for packages of an operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// The source package (name, version) that it was built from, where advisories are about that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_from: Option<(String, Option<String>)>,
    /// The module stream that it belongs to (rpm: `MODULARITYLABEL`, `name:stream:version:context`): advisories are about
    /// one stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Who made or maintains it, as it is stated there (rpm's vendor, dpkg's and apk's maintainer).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supplier: Option<String>,
    /// Files that belong to it, absolute or relative to the root of what was read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What a lock says of it beside that.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
}

impl Package {
    /// A package of which nothing but this is known yet.
    pub fn new(ecosystem: Ecosystem, name: impl Into<String>, version: Option<String>) -> Self {
        Self {
            ecosystem,
            name: name.into(),
            version,
            requirement: None,
            scopes: Scopes::default(),
            direct: None,
            source: PackageSource::default(),
            hashes: Vec::new(),
            licence: None,
            alias: None,
            dependencies: Vec::new(),
            line: None,
            install_script: false,
            deprecated: None,
            yanked: false,
            distribution: None,
            architecture: None,
            built_from: None,
            module: None,
            supplier: None,
            files: Vec::new(),
            claims: Claims::default(),
        }
    }
}

/// How much an inventory says about what belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completeness {
    /// Every package, and what needs what.
    Graph,
    /// Every package, but not what needs what.
    List,
    /// Only what was asked for: nothing was resolved, transitive packages are not in it.
    Declared,
}

/// A project that asks for packages: the one that the lock is of, or a member of its workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// Its directory relative to the lock; empty for the lock's own.
    pub path: String,
    /// Indexes of the packages that it asks for, and for what.
    pub dependencies: Vec<(usize, Scope)>,
}

/// An entry that could not be read: everything else stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Line, counted from 1, where it is known.
    pub line: Option<u64>,
    /// What is wrong with it.
    pub what: String,
}

/// What one lockfile, manifest, installed tree or package database says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Kind of the source and its version: `package-lock.json v3`.
    pub kind: String,
    /// The packages, in the order of the source.
    pub packages: Vec<Package>,
    /// The projects that ask for them.
    pub roots: Vec<Root>,
    /// How much it says.
    pub completeness: Completeness,
    /// Entries that could not be read. Where there are any, the inventory is not complete.
    pub problems: Vec<Problem>,
}

impl Inventory {
    /// An empty one.
    pub fn new(kind: impl Into<String>, completeness: Completeness) -> Self {
        Self { kind: kind.into(), packages: Vec::new(), roots: Vec::new(), completeness, problems: Vec::new() }
    }

    /// Notes an entry that could not be read.
    pub fn problem(&mut self, line: Option<u64>, what: impl Into<String>) {
        self.problems.push(Problem { line, what: what.into() });
    }

    /// Hands scopes and directness from the roots down the graph: what only development asks for is development's, and
    /// all that a production package needs is production's. Only for [`Completeness::Graph`].
    pub fn spread_scopes(&mut self) {
        let mut waiting: Vec<(usize, Scope)> = Vec::new();
        for package in &mut self.packages {
            package.direct = Some(false);
        }
        for root in &self.roots {
            for (index, scope) in &root.dependencies {
                if let Some(package) = self.packages.get_mut(*index) {
                    package.direct = Some(true);
                    waiting.push((*index, *scope));
                }
            }
        }
        while let Some((index, scope)) = waiting.pop() {
            let Some(package) = self.packages.get_mut(index) else { continue };
            if package.scopes.extend(Scopes::only(scope)) {
                waiting.extend(package.dependencies.iter().map(|next| (*next, scope)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_go_down_the_graph_and_cycles_end() {
        let mut inventory = Inventory::new("test", Completeness::Graph);
        for name in ["a", "b", "c", "d"] {
            inventory.packages.push(Package::new(Ecosystem::Cargo, name, Some("1.0.0".into())));
        }
        inventory.packages[0].dependencies = vec![1];
        inventory.packages[1].dependencies = vec![0, 2];
        let dependencies = vec![(0, Scope::Production), (3, Scope::Development), (9, Scope::Build)];
        inventory.roots.push(Root { name: None, version: None, path: String::new(), dependencies });
        inventory.spread_scopes();
        assert!(inventory.packages[2].scopes.contains(Scope::Production));
        assert_eq!(inventory.packages[2].direct, Some(false));
        assert!(inventory.packages[3].scopes.is_development_only());
        assert_eq!(inventory.packages[3].direct, Some(true));
    }
}
