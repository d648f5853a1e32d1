//! The order of versions, by the rules of each ecosystem.
//!
//! [`compare`] is total: whatever two texts are, they are ordered, and the order has no circles, so that it can sort.
//! Versions that the ecosystem takes for the same ([`Ordering::Equal`]) may be written differently. Texts that break the
//! ecosystem's rules are ordered too, as its own tools or OSV do; [`is_valid`] tells them apart. `docs/versions.md` has the
//! result of holding each order against the ecosystem's own tool.

use std::cmp::Ordering;

use provost_model::Ecosystem;

mod apk;
mod composer;
mod conan;
mod dart;
mod deb;
mod gem;
mod generic;
mod go;
mod maven;
mod nuget;
mod pep440;
mod requirement;
mod rpm;
mod semver;
mod text;

pub use requirement::{MAXIMUM_REQUIREMENT, satisfies};

/// Compares two versions of an ecosystem. Takes time in proportion to their length.
///
/// | ecosystem | order |
/// | --- | --- |
/// | Cargo, npm, Hex, Swift, GitHub Actions | Semantic Versioning 2.0.0, section 11 |
/// | Go | the same with a `v`; Go Modules Reference, "Versions"; go.dev/doc/toolchain, "Go versions" |
/// | PyPI | PEP 440; what is no such version as setuptools had it before |
/// | RubyGems | `Gem::Version` |
/// | Maven | POM Reference, "Version Order Specification" |
/// | NuGet | "Package versioning" |
/// | Packagist | composer/semver and PHP's `version_compare` |
/// | Pub | pub_semver, "Semantics" |
/// | Conan | Conan reference, `Version` |
/// | Deb | deb-version(7), "Sorting algorithm" |
/// | Rpm | rpm-version(7), "Comparison" |
/// | Apk | apk-package(5), "Package version" |
/// | all others | runs of digits and letters, words for what is not released yet below the release |
pub fn compare(ecosystem: Ecosystem, a: &str, b: &str) -> Ordering {
    match ecosystem {
        Ecosystem::Cargo | Ecosystem::Npm | Ecosystem::Hex | Ecosystem::Swift | Ecosystem::GitHubActions => {
            semver::compare(a, b)
        }
        Ecosystem::Go => go::compare(a, b),
        Ecosystem::PyPi => pep440::compare(a, b),
        Ecosystem::RubyGems => gem::compare(a, b),
        Ecosystem::Maven => maven::compare(a, b),
        Ecosystem::NuGet => nuget::compare(a, b),
        Ecosystem::Packagist => composer::compare(a, b),
        Ecosystem::Pub => dart::compare(a, b),
        Ecosystem::Conan => conan::compare(a, b),
        Ecosystem::Deb => deb::compare(a, b),
        Ecosystem::Rpm => rpm::compare(a, b),
        Ecosystem::Apk => apk::compare(a, b),
        _ => generic::compare(a, b),
    }
}

/// Compares two versions by Semantic Versioning 2.0.0 (section 11), whatever the ecosystem: OSV's ranges of type `SEMVER`.
pub fn compare_semver(a: &str, b: &str) -> Ordering {
    semver::compare(a, b)
}

/// True where a version follows its ecosystem's rules.
pub fn is_valid(ecosystem: Ecosystem, version: &str) -> bool {
    match ecosystem {
        Ecosystem::Npm => semver::is_valid(version.strip_prefix('v').unwrap_or(version)),
        Ecosystem::Cargo | Ecosystem::Hex => semver::is_valid(version),
        Ecosystem::Pub => dart::is_valid(version),
        Ecosystem::Swift | Ecosystem::GitHubActions => semver::is_valid_tag(version),
        Ecosystem::Go => go::is_valid(version),
        Ecosystem::PyPi => pep440::is_valid(version),
        Ecosystem::RubyGems => gem::is_valid(version),
        Ecosystem::Maven => maven::is_valid(version),
        Ecosystem::NuGet => nuget::is_valid(version),
        Ecosystem::Packagist => composer::is_valid(version),
        Ecosystem::Conan => conan::is_valid(version),
        Ecosystem::Deb => deb::is_valid(version),
        Ecosystem::Rpm => rpm::is_valid(version),
        Ecosystem::Apk => apk::is_valid(version),
        _ => generic::is_valid(version),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each of a list, blanks between, is below all that follow.
    pub(super) fn ascending(compare: fn(&str, &str) -> Ordering, versions: &str) {
        let versions: Vec<&str> = versions.split_whitespace().collect();
        for (place, a) in versions.iter().enumerate() {
            for (other, b) in versions.iter().enumerate() {
                assert_eq!(compare(a, b), place.cmp(&other), "{a:?} {b:?}");
            }
        }
    }

    /// Pieces of which versions are made, in every ecosystem.
    const PIECES: &[&str] = &[
        "0",
        "00",
        "1",
        "2",
        "01",
        "10",
        "9",
        ".",
        ".",
        ".",
        "-",
        "-",
        "+",
        "_",
        "~",
        "^",
        ":",
        "!",
        "a",
        "b",
        "alpha",
        "beta",
        "rc",
        "RC",
        "dev",
        "post",
        "pre",
        "p",
        "sp",
        "final",
        "ga",
        "x",
        "dev-",
        "-r1",
        "v",
        "go",
        "@",
        "*",
        " ",
        "é",
        "foo",
        "snapshot",
        "99999999999999999999",
        "cvs",
        "m",
        "20240131",
    ];

    fn version() -> impl Strategy<Value = String> {
        let pieces = prop::collection::vec(prop::sample::select(PIECES), 0..7).prop_map(|pieces| pieces.concat());
        prop_oneof![8 => pieces, 1 => any::<String>()]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn every_order_is_total(a in version(), b in version(), c in version(), tail in "[0-9.a-]{0,3}") {
            let near = format!("{a}{tail}");
            for ecosystem in Ecosystem::ALL {
                let order = |a: &str, b: &str| compare(ecosystem, a, b);
                prop_assert_eq!(order(&a, &a), Ordering::Equal);
                for [x, y, z] in [[&a, &b, &c], [&a, &near, &b], [&near, &b, &a], [&b, &a, &near]] {
                    prop_assert_eq!(order(x, y), order(y, x).reverse(), "{:?} {:?} {:?}", ecosystem, x, y);
                    if order(x, y).is_le() && order(y, z).is_le() {
                        let strict = order(x, y).is_lt() || order(y, z).is_lt();
                        let whole = order(x, z);
                        prop_assert!(
                            whole.is_lt() || (whole.is_eq() && !strict),
                            "{ecosystem:?} {x:?} {y:?} {z:?}: {whole:?}"
                        );
                    }
                }
                std::hint::black_box(is_valid(ecosystem, &a));
                std::hint::black_box(satisfies(ecosystem, &a, &b));
            }
        }
    }

    #[test]
    fn long_texts_take_no_long() {
        let texts = ["1.", "0.", "0", "a", "-", "1a", "~", "_p1", "+1", "0.a", "9", "dev-", "é", ".0-"];
        let start = std::time::Instant::now();
        for text in texts {
            let long = text.repeat((1 << 16) / text.len());
            let (other, ended) = (format!("{long}1"), format!("1{long}"));
            for ecosystem in Ecosystem::ALL {
                for (a, b) in [(&long, &other), (&ended, &other), (&ended, &long)] {
                    std::hint::black_box(compare(ecosystem, a, b));
                }
                std::hint::black_box(is_valid(ecosystem, &long));
            }
        }
        assert!(start.elapsed().as_secs() < 120, "{:?}", start.elapsed());
    }
}
