//! How near a package is to what runs: read in a watched build, installed, or only named.

use std::collections::BTreeSet;

use provost_formats::lock;
use provost_model::{Ecosystem, Package};
use serde::{Deserialize, Serialize};

use crate::ecosystem;
use crate::inventory::{Collected, Source};
use crate::lookup_name;
use crate::observed::Observed;

/// How near a package is to what runs, as far as evidence goes. A lower grade means that there is no evidence for a higher
/// one, not that it is unreachable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reach {
    /// A lock, manifest or bill of materials names it.
    Declared,
    /// It lies in an installed tree, an archive, a program or a system.
    Installed,
    /// A watched run read its files.
    Read,
    /// A program holds the functions that the advisory is about.
    Linked,
}

impl Reach {
    /// Every grade, the nearest last.
    pub const ALL: [Self; 4] = [Self::Declared, Self::Installed, Self::Read, Self::Linked];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Declared => "declared",
            Self::Installed => "installed",
            Self::Read => "read",
            Self::Linked => "linked",
        }
    }
}

impl std::str::FromStr for Reach {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|one| one.name() == text)
            .ok_or_else(|| format!("`{text}` is no grade: declared, installed, read, linked"))
    }
}

/// True for a source that says what is there, and not what somebody wants to be there.
fn is_installed(source: &Source) -> bool {
    match source.reader.as_str() {
        "sbom" | crate::READ => false,
        // What a build compiles from is in its directory.
        "go-vendor" => true,
        reader => match lock::reader_of(&source.path).filter(|one| one.id == reader) {
            Some(reader) => lock::is_installed(reader),
            // Programs, archives, package databases.
            None => true,
        },
    }
}

type Key = (Ecosystem, String, Option<String>);

fn key(package: &Package) -> Key {
    let version = package.version.as_deref().map(|version| match package.ecosystem {
        Ecosystem::Go => version.trim_start_matches('v').to_owned(),
        _ => version.to_owned(),
    });
    (package.ecosystem, lookup_name(ecosystem::name_of(package.ecosystem), &package.name), version)
}

/// The grade of every package, by source and package. `observed` is what a watched run read.
pub fn reaches(collected: &Collected, observed: Option<&Observed>) -> Vec<Vec<Reach>> {
    let mut installed: BTreeSet<Key> = BTreeSet::new();
    let mut read: BTreeSet<Key> = BTreeSet::new();
    for (number, source) in collected.sources.iter().enumerate() {
        let here = is_installed(source);
        for (index, package) in source.inventory.packages.iter().enumerate() {
            if here {
                installed.insert(key(package));
            }
            let seen = observed.is_some_and(|observed| observed.read.contains_key(&(number, index)));
            if seen || matches!(source.reader.as_str(), crate::READ | "build-machine") {
                read.insert(key(package));
            }
        }
    }
    let grade = |package: &Package| {
        let key = key(package);
        if read.contains(&key) {
            Reach::Read
        } else if installed.contains(&key) {
            Reach::Installed
        } else {
            Reach::Declared
        }
    };
    collected.sources.iter().map(|source| source.inventory.packages.iter().map(grade).collect()).collect()
}
