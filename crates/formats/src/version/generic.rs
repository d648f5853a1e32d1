//! Versions of no known scheme, container tags among them: runs of digits are numbers, runs of letters words, everything else
//! only cuts.
//!
//! Words that say that something is not released yet stand below the release, whatever their case: 1.0-dev < 1.0-alpha <
//! 1.0-beta < 1.0-rc < 1.0 < 1.0-alpine < 1.0.1.

use std::cmp::Ordering;

use super::text::{compare_digits, take, take_digits};

/// Words for what is not released yet, in their order.
const UNRELEASED: [&[&[u8]]; 4] = [
    &[b"dev", b"snapshot", b"nightly", b"canary"],
    &[b"alpha", b"a"],
    &[b"beta", b"b", b"milestone", b"m"],
    &[b"pre", b"preview", b"rc", b"cr", b"c"],
];

/// Where a part stands, and its text.
fn next<'a>(rest: &mut &'a [u8]) -> (usize, &'a [u8]) {
    take(rest, |byte| !byte.is_ascii_alphanumeric());
    match rest.first() {
        None => (UNRELEASED.len(), b""),
        Some(byte) if byte.is_ascii_digit() => (UNRELEASED.len() + 2, take_digits(rest)),
        Some(_) => {
            let word = take(rest, |byte| byte.is_ascii_alphabetic());
            let is_one = |words: &&[&[u8]]| words.iter().any(|one| word.eq_ignore_ascii_case(one));
            match UNRELEASED.iter().position(is_one) {
                Some(place) => (place, b""),
                None => (UNRELEASED.len() + 1, word),
            }
        }
    }
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (start(a), start(b));
    loop {
        let ends = a.is_empty() && b.is_empty();
        let (first, second) = (next(&mut a), next(&mut b));
        let order = first.0.cmp(&second.0).then_with(|| match first.0 == UNRELEASED.len() + 2 {
            true => compare_digits(first.1, second.1),
            false => first.1.iter().map(u8::to_ascii_lowercase).cmp(second.1.iter().map(u8::to_ascii_lowercase)),
        });
        if order.is_ne() || ends {
            return order;
        }
    }
}

/// The version without a `v` before its first digit.
fn start(text: &str) -> &[u8] {
    let text = text.trim_ascii().as_bytes();
    match text {
        [b'v' | b'V', digit, ..] if digit.is_ascii_digit() => &text[1..],
        _ => text,
    }
}

/// True where it starts like a version: with a number.
pub(super) fn is_valid(text: &str) -> bool {
    start(text).first().is_some_and(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "latest 1.0-dev 1.0-alpha 1.0a2 1.0-beta 1.0-RC1 v1.0rc2 1.0 1.0-alpine 1.0-alpine3 1.0-slim 1.0-1 \
            1.0.2 1.0.10 1.2 2";
        super::super::tests::ascending(compare, ascending);
        assert!(is_valid("v1") && is_valid("22.04") && !is_valid("latest") && !is_valid(""));
    }
}
