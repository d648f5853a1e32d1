//! Pub: Semantic Versioning, but that build metadata counts (pub_semver, "Semantics": a version with a build is above the same
//! without, and builds compare like prereleases), and that identifiers are numbers where Dart's `int.parse` takes them: `-1` is
//! one. It takes hexadecimal ones too, which are words here.

use std::cmp::Ordering;

use super::semver;
use super::text::is_digits;

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (semver::parts(a), semver::parts(b));
    semver::compare_numbers(a.numbers, b.numbers)
        .then_with(|| match (a.prerelease, b.prerelease) {
            (b"", _) | (_, b"") => a.prerelease.is_empty().cmp(&b.prerelease.is_empty()),
            (a, b) => semver::compare_lists(a, b, one),
        })
        .then_with(|| match (a.build, b.build) {
            (b"", _) | (_, b"") => b.build.is_empty().cmp(&a.build.is_empty()),
            (a, b) => semver::compare_lists(a, b, one),
        })
}

fn one(a: &[u8], b: &[u8]) -> Ordering {
    semver::compare_signed(a, b, <[u8]>::cmp)
}

/// Three numbers, which may start with zeros, and identifiers of letters, digits and hyphens.
pub(super) fn is_valid(text: &str) -> bool {
    let parts = semver::parts(text);
    text.starts_with(|c: char| c.is_ascii_digit())
        && parts.numbers.split(|&byte| byte == b'.').count() == 3
        && parts.numbers.split(|&byte| byte == b'.').all(is_digits)
        && if parts.hyphen { semver::is_list(parts.prerelease, |_| true) } else { parts.prerelease.is_empty() }
        && (!text.contains('+') || semver::is_list(parts.build, |_| true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_count() {
        let ascending = "1.0.0--1 1.0.0-0 1.0.0-1 1.0.0-a 1.0.0-a+1 1.0.0 1.0.0+-2 1.0.0+1 1.0.0+1.1 1.0.0+2 1.0.0+10 1.0.0+a \
            1.0.1";
        super::super::tests::ascending(compare, ascending);
        assert!(is_valid("01.02.03-01.dev+pre.02") && !is_valid("1.2") && !is_valid("1.2.3-") && !is_valid("1.2.3a"));
    }
}
