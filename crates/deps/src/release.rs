//! When a version was published: what the database was told, what the lock says, what a version says by itself.

use provost_formats::version;
use provost_model::{Ecosystem, Package, PackageSource, Timestamp};
use serde::{Deserialize, Serialize};

use crate::database::{Database, DatabaseError};
use crate::ecosystem;

/// Who says when a version was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReleasedBy {
    /// The registry's data, as it was imported.
    Database,
    /// The lock, which whoever changes it can change.
    Lock,
    /// The version itself: Go's pseudo-versions hold the date of the commit.
    Version,
}

impl ReleasedBy {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "the registry's data",
            Self::Lock => "the lock",
            Self::Version => "its version",
        }
    }
}

/// The age of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// It was published then.
    Known(Timestamp, ReleasedBy),
    /// Nothing at hand says when.
    Unknown,
    /// The question has no meaning: it is part of the project, of a system, or no package of a registry.
    None,
}

/// When the version of a package was published. Of what the database and the lock say the later counts: neither can make
/// a package older than the other knows it to be.
///
/// # Errors
/// The database cannot be read.
pub fn age_of(package: &Package, database: &Database) -> Result<Age, DatabaseError> {
    let of_registry = !matches!(
        package.ecosystem,
        Ecosystem::Deb
            | Ecosystem::Apk
            | Ecosystem::Rpm
            | Ecosystem::Oci
            | Ecosystem::Generic
            | Ecosystem::GitHubActions
            | Ecosystem::Swift
            | Ecosystem::Conan
    );
    let standard = package.ecosystem == Ecosystem::Go && package.name == "stdlib";
    if !of_registry || standard || matches!(package.source, PackageSource::Path { .. }) {
        return Ok(Age::None);
    }
    let Some(text) = &package.version else { return Ok(Age::Unknown) };
    // What a repository or an address holds is not what the registry published under that version.
    if !matches!(package.source, PackageSource::Registry | PackageSource::OtherRegistry { .. }) {
        return Ok(Age::Unknown);
    }
    let known = match ecosystem::name_of(package.ecosystem) {
        "" => None,
        name => database.released(name, &package.name, text)?,
    };
    Ok(match (known, package.claims.released) {
        (Some(known), Some(claimed)) if claimed > known => Age::Known(claimed, ReleasedBy::Lock),
        (Some(known), _) => Age::Known(known, ReleasedBy::Database),
        (None, Some(claimed)) => Age::Known(claimed, ReleasedBy::Lock),
        (None, None) => match pseudo(package) {
            Some(time) => Age::Known(time, ReleasedBy::Version),
            None => Age::Unknown,
        },
    })
}

/// The time in a pseudo-version of Go: `v0.0.0-20210101123456-0123456789ab` (Go modules reference, "Pseudo-versions").
fn pseudo(package: &Package) -> Option<Timestamp> {
    let text = package.version.as_deref().filter(|_| package.ecosystem == Ecosystem::Go)?;
    if !version::is_valid(Ecosystem::Go, text) {
        return None;
    }
    let text = text.split('+').next()?;
    let (before, commit) = text.rsplit_once('-')?;
    if commit.len() != 12 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let time = before.rsplit(['-', '.']).next()?;
    if time.len() != 14 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &time[from..to];
    format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14))
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pseudo_versions_tell_their_date() {
        let of = |version: &str| pseudo(&Package::new(Ecosystem::Go, "m", Some(version.into()))).map(|t| t.to_string());
        assert_eq!(of("0.0.0-20210102030405-0123456789ab").as_deref(), Some("2021-01-02T03:04:05Z"));
        assert_eq!(of("1.2.4-0.20210102030405-0123456789ab").as_deref(), Some("2021-01-02T03:04:05Z"));
        assert_eq!(of("2.0.0-20210102030405-0123456789ab+incompatible").as_deref(), Some("2021-01-02T03:04:05Z"));
        for other in ["1.2.3", "1.2.3-20210102030405", "0.0.0-20211302030405-0123456789ab", "0.0.0-x-0123456789ab"] {
            assert_eq!(of(other), None, "{other}");
        }
        let npm = Package::new(Ecosystem::Npm, "m", Some("0.0.0-20210102030405-0123456789ab".into()));
        assert_eq!(pseudo(&npm), None);
    }
}
