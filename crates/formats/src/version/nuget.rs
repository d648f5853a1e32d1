//! NuGet: Semantic Versioning with up to four numbers and prerelease labels whose case does not count (NuGet documentation,
//! "Package versioning": "Normalized version numbers", "Semantic Versioning 2.0.0").
//!
//! Labels of digits are numbers of any length; NuGet reads those above 2^31 as text. A minus may stand before them, because
//! NuGet reads labels with .NET's `int.TryParse`.

use std::cmp::Ordering;

use super::semver;
use super::text::{compare_digits, is_digits};

/// Compares two versions. Build metadata does not count.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (semver::parts(a), semver::parts(b));
    semver::compare_numbers(a.numbers, b.numbers).then_with(|| match (a.prerelease, b.prerelease) {
        (b"", _) | (_, b"") => a.prerelease.is_empty().cmp(&b.prerelease.is_empty()),
        (a, b) => semver::compare_lists(a, b, one),
    })
}

fn one(a: &[u8], b: &[u8]) -> Ordering {
    semver::compare_signed(a, b, without_case)
}

fn without_case(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_uppercase).cmp(b.iter().map(u8::to_ascii_uppercase))
}

/// One to four numbers of 31 bits, labels, metadata.
pub(super) fn is_valid(text: &str) -> bool {
    let parts = semver::parts(text);
    let mut numbers = parts.numbers.split(|&byte| byte == b'.');
    text.starts_with(|c: char| c.is_ascii_digit())
        && numbers.clone().count() <= 4
        && numbers.all(|one| is_digits(one) && compare_digits(one, b"2147483647").is_le())
        && (parts.hyphen || parts.prerelease.is_empty())
        && (!parts.hyphen || semver::is_list(parts.prerelease, |one| !is_digits(one) || semver::is_number(one)))
        && (!text.contains('+') || semver::is_list(parts.build, |_| true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_numbers_and_no_case() {
        let ascending = "1.0--1 1.0-1 1.0-2 1.0-10 1.0-Alpha 1.0-alpha.1 1.0-BETA 1.0 1.0.0.1 1.0.0.2 1.0.1";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [("1", "1.0.0.0"), ("1.0-RC.1", "1.0.0-rc.1"), ("1.0+a", "1.0+b"), ("01.1", "1.01")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        assert!(is_valid("1.2.3.4-beta.1+x") && is_valid("1"));
        assert!(
            !is_valid("1.2.3.4.5")
                && !is_valid("2147483648")
                && !is_valid("1.0-")
                && !is_valid("1.0-01")
                && !is_valid("v1")
        );
    }
}
