//! Whether a version satisfies a requirement, as the ecosystem's own tool answers.
//!
//! Prereleases count as that tool counts them: npm and Cargo take only those of a version that the requirement names as a
//! prerelease, Python only where the requirement names any, RubyGems, Maven, NuGet and Composer take them by their order.

use std::cmp::Ordering;

use provost_model::Ecosystem;

mod composer;
mod gem;
mod maven;
mod npm;
mod nuget;
mod pep440;

/// Bytes of a requirement that are read at most.
pub const MAXIMUM_REQUIREMENT: usize = 4096;

/// Says whether a version satisfies a requirement; `None` where one of the two is not understood, or the requirement is longer
/// than [`MAXIMUM_REQUIREMENT`].
///
/// | ecosystem | requirement |
/// | --- | --- |
/// | Cargo | The Cargo Book, "Specifying Dependencies" |
/// | npm | node-semver, "Ranges" and "Advanced Range Syntax", strict; `npm:name@range` too |
/// | PyPI | PEP 440, "Version specifiers" |
/// | RubyGems | `Gem::Requirement`, several with commas between |
/// | Go | Go Modules Reference, "Minimal version selection": that version or a later one of the same major version |
/// | Maven | POM Reference, "Dependency Version Requirement Specification"; a version without brackets permits only itself |
/// | NuGet | "Package versioning", "Version ranges" and "Floating version resolutions" |
/// | Packagist | Composer, "Versions and constraints" |
pub fn satisfies(ecosystem: Ecosystem, requirement: &str, version: &str) -> Option<bool> {
    if requirement.len() > MAXIMUM_REQUIREMENT {
        return None;
    }
    match ecosystem {
        Ecosystem::Cargo => {
            let requirement = ::semver::VersionReq::parse(requirement).ok()?;
            Some(requirement.matches(&::semver::Version::parse(version).ok()?))
        }
        Ecosystem::Npm => npm::satisfies(requirement, version),
        Ecosystem::PyPi => pep440::satisfies(requirement, version),
        Ecosystem::RubyGems => gem::satisfies(requirement, version),
        Ecosystem::Go => go(requirement, version),
        Ecosystem::Maven => maven::satisfies(requirement, version),
        Ecosystem::NuGet => nuget::satisfies(requirement, version),
        Ecosystem::Packagist => composer::satisfies(requirement, version),
        _ => None,
    }
}

/// A module of another major version is another module, but that 0 and 1 are one, and that `+incompatible` ones stay.
fn go(requirement: &str, version: &str) -> Option<bool> {
    use super::go;
    let requirement = requirement.trim_ascii();
    if !go::is_valid(requirement) || !go::is_valid(version) {
        return None;
    }
    let is_open = |text: &str| text.ends_with("+incompatible") || matches!(go::major(text), b"" | b"0" | b"1");
    let same = go::major(requirement) == go::major(version) || (is_open(requirement) && is_open(version));
    Some(same && go::compare(version, requirement).is_ge())
}

/// How a version must stand to a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Less,
    LessOrEqual,
    Equal,
    NotEqual,
    GreaterOrEqual,
    Greater,
}

impl Op {
    fn admits(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Greater => order.is_gt(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line: a requirement, versions that satisfy it, `!` and versions that do not.
    pub(super) fn table(satisfies: fn(&str, &str) -> Option<bool>, rows: &[(&str, &str, &str)]) {
        for (requirement, good, bad) in rows {
            for (versions, answer) in [(good, true), (bad, false)] {
                for version in versions.split_whitespace() {
                    assert_eq!(satisfies(requirement, version), Some(answer), "{requirement:?} {version:?}");
                }
            }
        }
    }

    #[test]
    fn cargo_and_go() {
        let cargo = |requirement: &str, version: &str| satisfies(Ecosystem::Cargo, requirement, version);
        table(
            cargo,
            &[
                ("1.2", "1.2.0 1.9.9", "2.0.0 1.1.9 1.3.0-a"),
                ("=0.1, <0.2", "0.1.9", "0.2.0"),
                ("*", "0.0.0 9.9.9", "1.0.0-a"),
                ("~0.1.2", "0.1.3", "0.2.0"),
            ],
        );
        assert_eq!(cargo("nonsense", "1.0.0"), None);
        assert_eq!(cargo("1", "1.0"), None);
        let go = |requirement: &str, version: &str| satisfies(Ecosystem::Go, requirement, version);
        table(
            go,
            &[
                ("v1.2.3", "v1.2.3 1.9.0 v1.2.4-0.20200622213623-75b288015ac9", "v1.2.2 v2.0.0 v1.2.3-pre"),
                ("v0.1.0", "v0.2.0 v1.0.0", "v2.0.0"),
                ("v2.1.0+incompatible", "v3.0.0+incompatible", "v3.0.0"),
                ("1.21", "1.22.1 go1.21.0", "go1.20.9 1.21rc2"),
            ],
        );
        assert_eq!(go("latest", "v1.0.0"), None);
    }

    #[test]
    fn long_requirements_are_not_read() {
        let long = ">=1 ".repeat(2000);
        assert_eq!(satisfies(Ecosystem::Npm, &long, "1.0.0"), None);
    }
}
