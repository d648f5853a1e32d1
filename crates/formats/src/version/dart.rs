//! Pub: Semantic Versioning, but build metadata counts (pub_semver, "Semantics": a version with a build is above the same
//! without, and builds compare like prereleases).

use std::cmp::Ordering;

use super::semver;

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (semver::parts(a), semver::parts(b));
    semver::compare_numbers(a.numbers, b.numbers)
        .then_with(|| semver::compare_prereleases(a.prerelease, b.prerelease))
        .then_with(|| match (a.build, b.build) {
            (b"", _) | (_, b"") => b.build.is_empty().cmp(&a.build.is_empty()),
            (a, b) => semver::compare_lists(a, b, <[u8]>::cmp),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_count() {
        let ascending = "1.0.0-a 1.0.0-a+1 1.0.0 1.0.0+1 1.0.0+1.1 1.0.0+2 1.0.0+10 1.0.0+a 1.0.1";
        super::super::tests::ascending(compare, ascending);
    }
}
