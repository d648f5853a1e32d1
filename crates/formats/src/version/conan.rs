//! Conan 2: "Version ranges" and `Version` of the Conan reference: parts with dots between, numbers where they can be,
//! a prerelease behind the first hyphen, a build behind the last plus, which counts.
//!
//! Conan compares a number with a word as text, and so goes in circles (2 < 10, `10` < `1a`, `1a` < `2`). Here a word stands
//! behind the number that it starts with: 1 < `1a` < 2 < 10. Words that start with no digit are above all numbers, as in
//! Conan.

use std::cmp::Ordering;

use super::text::{compare_digits, cut, cut_last, take_digits, without_zeros};

struct Parts<'a> {
    main: &'a [u8],
    prerelease: Option<&'a [u8]>,
    build: Option<&'a [u8]>,
}

fn parts(text: &str) -> Parts<'_> {
    let text = text.as_bytes();
    let (rest, build) = cut_last(text, b'+').map_or((text, None), |(rest, build)| (rest, Some(build)));
    let (main, prerelease) = cut(rest, b'-').map_or((rest, None), |(main, prerelease)| (main, Some(prerelease)));
    Parts { main, prerelease, build }
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    compare_items(a.main, b.main)
        .then_with(|| match (a.prerelease, b.prerelease) {
            (Some(a), Some(b)) => compare_items(a, b),
            (a, b) => a.is_none().cmp(&b.is_none()),
        })
        .then_with(|| match (a.build, b.build) {
            (Some(a), Some(b)) => compare_items(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        })
}

/// The items without zeros at the end.
fn without_last_zeros(mut items: &[u8]) -> Option<&[u8]> {
    loop {
        let (rest, last) = cut_last(items, b'.').map_or((None, items), |(rest, last)| (Some(rest), last));
        if last.is_empty() || !without_zeros(last).is_empty() {
            return Some(items);
        }
        items = rest?;
    }
}

fn compare_items(a: &[u8], b: &[u8]) -> Ordering {
    let items = |text| without_last_zeros(text).into_iter().flat_map(|items| items.split(|&byte| byte == b'.'));
    let (mut a, mut b) = (items(a), items(b));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) => compare_item(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_item(a: &[u8], b: &[u8]) -> Ordering {
    let (mut a_tail, mut b_tail) = (a, b);
    let (a_digits, b_digits) = (take_digits(&mut a_tail), take_digits(&mut b_tail));
    match (a_digits.is_empty(), b_digits.is_empty()) {
        (false, false) => compare_digits(a_digits, b_digits)
            .then_with(|| a_tail.cmp(b_tail))
            .then_with(|| if a_tail.is_empty() { Ordering::Equal } else { a.cmp(b) }),
        (true, true) => a.cmp(b),
        // Nothing at all is below every number.
        (true, false) => {
            if a.is_empty() {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if b.is_empty() {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
    }
}

/// Characters that a Conan reference allows in a version.
pub(super) fn is_valid(text: &str) -> bool {
    let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    first && text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+.-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "1.0- 1.0-alpha 1.0-alpha.1 1.0 1.0+1 1.0+2.1 1.0.1-pre 1.0.1 1.1 1.1.1 1.1.1a 1.1.1w 1.1.2 1.1.10 \
            1.a 2 9e 10 cci.20200101 cci.20210101 system";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [("1", "1.0.0"), ("1.0+1", "1+1.0"), ("1.02", "1.2")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
        assert!(is_valid("cci.20200101") && !is_valid("") && !is_valid("[>1]") && !is_valid("1.0/x"));
    }
}
