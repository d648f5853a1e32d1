//! Semantic Versioning 2.0.0, section 11, and a reader that also takes what is written in its place: `v1`, `=1.2`,
//! `1.0.0alpha1`, `1.2.3.4`.
//!
//! Numbers may have any length: the specification knows no limit. node-semver refuses those above 2^53 and compares longer
//! prerelease numbers as floating point, Cargo refuses those above 2^64. What is no version has the number 0.0.0 and is a
//! prerelease of it.

use std::cmp::Ordering;

use super::text::{compare_digits, cut, is_digits, take, take_byte, take_digits, without_zeros};

/// A version in parts.
#[derive(Clone, Copy)]
pub(super) struct Parts<'a> {
    /// Digits and dots.
    pub(super) numbers: &'a [u8],
    /// Prerelease identifiers with dots between; empty for a release.
    pub(super) prerelease: &'a [u8],
    /// The prerelease stands behind a hyphen, as it ought to.
    pub(super) hyphen: bool,
    /// Build metadata.
    pub(super) build: &'a [u8],
}

/// Cuts a version into its parts. Every text has some.
pub(super) fn parts(text: &str) -> Parts<'_> {
    let mut rest = text.as_bytes().trim_ascii();
    take(&mut rest, |byte| matches!(byte, b'v' | b'V' | b'=') || byte.is_ascii_whitespace());
    let numbers = take(&mut rest, |byte| byte.is_ascii_digit() || byte == b'.');
    Parts { numbers, ..tail(rest) }
}

/// What stands behind the numbers.
fn tail(mut rest: &[u8]) -> Parts<'_> {
    let hyphen = take_byte(&mut rest, b'-');
    let (prerelease, build) = cut(rest, b'+').unwrap_or((rest, b""));
    Parts { numbers: b"", prerelease, hyphen, build }
}

/// Compares by precedence: build metadata does not count.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    compare_numbers(a.numbers, b.numbers).then_with(|| compare_prereleases(a.prerelease, b.prerelease))
}

/// Compares numbers with dots between; those that are missing are 0.
pub(super) fn compare_numbers(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !(a.is_empty() && b.is_empty()) {
        let order = compare_digits(next_number(&mut a), next_number(&mut b));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn next_number<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    take(rest, |byte| byte == b'.');
    take_digits(rest)
}

/// Compares prereleases: none is above any.
pub(super) fn compare_prereleases(a: &[u8], b: &[u8]) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (false, false) => compare_lists(a, b, compare_identifier),
        (a, b) => a.cmp(&b),
    }
}

/// Compares identifiers with dots between, the shorter list below the longer one that starts like it.
pub(super) fn compare_lists(a: &[u8], b: &[u8], one: fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    let is_dot = |byte: &u8| *byte == b'.';
    compare_identifiers(a.split(is_dot), b.split(is_dot), one)
}

/// The same of lists that are cut already.
pub(super) fn compare_identifiers<'a>(
    mut a: impl Iterator<Item = &'a [u8]>,
    mut b: impl Iterator<Item = &'a [u8]>,
    one: fn(&[u8], &[u8]) -> Ordering,
) -> Ordering {
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) => one(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Compares two identifiers: numbers as numbers, and all of them below words.
pub(super) fn compare_identifier(a: &[u8], b: &[u8]) -> Ordering {
    match (is_digits(a), is_digits(b)) {
        (true, true) => compare_digits(a, b),
        (false, false) => a.cmp(b),
        (a_is_number, b_is_number) => b_is_number.cmp(&a_is_number),
    }
}

/// The same where a number may have a minus before it, and `words` compares the rest.
pub(super) fn compare_signed(a: &[u8], b: &[u8], words: fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    let number = |text| {
        let digits = <[u8]>::strip_prefix(text, b"-").unwrap_or(text);
        let is_negative = digits.len() < text.len() && !without_zeros(digits).is_empty();
        is_digits(digits).then_some((is_negative, digits))
    };
    match (number(a), number(b)) {
        (Some((true, a)), Some((true, b))) => compare_digits(b, a),
        (Some((false, a)), Some((false, b))) => compare_digits(a, b),
        (Some((a_is_negative, _)), Some((b_is_negative, _))) => b_is_negative.cmp(&a_is_negative),
        (None, None) => words(a, b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// True for what the specification's grammar allows.
pub(super) fn is_valid(text: &str) -> bool {
    let mut rest = text.as_bytes();
    for place in 0..3 {
        if place > 0 && !take_byte(&mut rest, b'.') {
            return false;
        }
        if !is_number(take_digits(&mut rest)) {
            return false;
        }
    }
    let tail = tail(rest);
    let prerelease_fits = !tail.hyphen || is_list(tail.prerelease, |one| !is_digits(one) || is_number(one));
    let build_fits = !rest.contains(&b'+') || is_list(tail.build, |_| true);
    (tail.hyphen || tail.prerelease.is_empty()) && prerelease_fits && build_fits
}

/// A number as the grammar writes it: no leading zero.
pub(super) fn is_number(digits: &[u8]) -> bool {
    is_digits(digits) && (digits.len() == 1 || digits[0] != b'0')
}

/// Identifiers with dots between, none of them empty.
pub(super) fn is_list(text: &[u8], fits: impl Fn(&[u8]) -> bool) -> bool {
    text.split(|&byte| byte == b'.')
        .all(|one| !one.is_empty() && one.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') && fits(one))
}

/// True for `v4` and `v4.1` too, as tags of actions and of Swift packages are written.
pub(super) fn is_valid_tag(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = text.split('.');
    is_valid(text) || (numbers.clone().count() <= 3 && numbers.all(|one| is_digits(one.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence() {
        let ascending = "0.0.0-a 0.0.0 0.0.1 1.0.0-0 1.0.0-9 1.0.0-10 1.0.0-10.a 1.0.0-- 1.0.0-A 1.0.0-alpha 1.0.0-alpha.1 \
            1.0.0-alpha.1.0 1.0.0-alpha.b 1.0.0-alpha1 1.0.0 1.0.1 1.2.3.4 1.9.0 1.10.0 18446744073709551616.0.0";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [("1", "1.0.0"), ("v1.2", "= 1.2.0"), ("1.0.0+a", "1.0.0+b"), ("1.0.0alpha", "1.0.0-alpha")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn the_grammar() {
        for good in ["0.0.0", "1.2.3-a.0.x-y+001.z", "1.0.0--", "1.0.0-0a", "99999999999999999999.0.0", "1.0.0+-"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in
            ["", "1", "1.2", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "1.2.3-a..b", "v1.2.3", "1.2.3 ", "1.2.3.4"]
        {
            assert!(!is_valid(bad), "{bad}");
        }
        assert!(is_valid_tag("v4") && is_valid_tag("v4.1") && is_valid_tag("v4.1.7-beta"));
        assert!(!is_valid_tag("11bd71901bbe5b1630ceea73d27597364c9af683") && !is_valid_tag("main"));
    }
}
