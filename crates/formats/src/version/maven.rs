//! Maven: `ComparableVersion` of Maven 3.9 (POM Reference, "Version Order Specification").
//!
//! A version is a list of numbers and qualifiers; a hyphen, and each change between digits and other characters, opens a list
//! within the list, which goes on to the end. So a version is one row of parts here, some of which say "a list opens".
//!
//! One thing differs from Maven, which goes in circles there: `1` < `1.sp.1` (a qualifier above the release), `1-alpha` < `1`,
//! and yet `1.sp.1` < `1-alpha`, because a qualifier after a dot is below every list. Where what follows stands on different
//! sides of the release, the release decides here: `1-alpha` < `1` < `1.sp.1`. Everything else is Maven's answer, but
//! that ten zeros or more are 0 (Maven takes them for a long number, above every short one). Only ASCII digits are digits.

use std::cmp::Ordering;

use super::text::{Short, compare_digits, without_zeros};

/// Qualifiers in their order; all others are above them.
const QUALIFIERS: [&str; 7] = ["alpha", "beta", "milestone", "rc", "snapshot", "", "sp"];
const RELEASE: usize = 5;

/// A part of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    /// A qualifier: its place in the order, and its text where that is not among the known ones.
    Qualifier(usize, &'a str),
    /// A list opens.
    List,
    /// A number: its digits without leading zeros.
    Number(&'a [u8]),
}

impl<'a> Part<'a> {
    fn number(digits: &'a str) -> Self {
        Self::Number(without_zeros(digits.as_bytes()))
    }

    /// `a`, `b` and `m` are short for longer words where a digit follows.
    fn qualifier(text: &'a str, digit_follows: bool) -> Self {
        let known = |name: &str| text.eq_ignore_ascii_case(name);
        let place = match text.len() {
            1 if digit_follows => ["a", "b", "m"].iter().position(|short| known(short)),
            _ if known("ga") || known("final") || known("release") => Some(RELEASE),
            _ if known("cr") => Some(3),
            _ => QUALIFIERS.iter().position(|name| known(name)),
        };
        place.map_or(Self::Qualifier(QUALIFIERS.len(), text), |place| Self::Qualifier(place, ""))
    }

    /// How it stands to nothing at all.
    fn sign(self) -> Ordering {
        match self {
            Self::Qualifier(place, _) => place.cmp(&RELEASE),
            Self::List => Ordering::Equal,
            Self::Number(digits) => digits.len().cmp(&0),
        }
    }

    /// What stands in the same place: qualifiers below lists below numbers.
    fn kind(self) -> u8 {
        match self {
            Self::Qualifier(..) => 0,
            Self::List => 1,
            Self::Number(_) => 2,
        }
    }
}

type Parts<'a> = Short<Part<'a>, 24>;

/// The parts as they are written.
fn read(text: &str) -> Parts<'_> {
    let mut parts = Parts::new(Part::List);
    let (mut start, mut in_digits, mut list_is_empty) = (0, false, true);
    for (at, byte) in text.bytes().enumerate() {
        if matches!(byte, b'.' | b'-') {
            parts.push(match &text[start..at] {
                "" => Part::Number(b""),
                digits if in_digits => Part::number(digits),
                word => Part::qualifier(word, false),
            });
            list_is_empty = byte == b'-';
            if list_is_empty {
                parts.push(Part::List);
            }
            start = at + 1;
        } else if byte.is_ascii_digit() {
            if !in_digits && at > start {
                if !list_is_empty {
                    parts.push(Part::List);
                }
                parts.push(Part::qualifier(&text[start..at], true));
                parts.push(Part::List);
                (start, list_is_empty) = (at, true);
            }
            in_digits = true;
        } else {
            if in_digits && at > start {
                parts.push(Part::number(&text[start..at]));
                parts.push(Part::List);
                (start, list_is_empty) = (at, true);
            }
            in_digits = false;
        }
    }
    if start < text.len() {
        if !in_digits && !list_is_empty {
            parts.push(Part::List);
        }
        let last = &text[start..];
        parts.push(if in_digits { Part::number(last) } else { Part::qualifier(last, false) });
    }
    parts
}

/// Moves the parts that count to the end, and says where they start: what is nothing at the end of a list does not count, nor
/// do lists of nothing.
fn normalise(parts: &mut [Part<'_>]) -> usize {
    let (mut write, mut at_end) = (parts.len(), true);
    for read in (0..parts.len()).rev() {
        let part = parts[read];
        let counts = match part {
            Part::List => write < parts.len(),
            item => !at_end || item.sign().is_ne(),
        };
        if counts {
            write -= 1;
            parts[write] = part;
        }
        at_end = part == Part::List || (at_end && !counts);
    }
    write
}

/// How a row of parts stands to nothing at all.
fn sign(parts: &[Part<'_>]) -> Ordering {
    parts.iter().map(|part| part.sign()).find(|sign| sign.is_ne()).unwrap_or(Ordering::Equal)
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (read(a), read(b));
    let (a_start, b_start) = (normalise(a.entries_mut()), normalise(b.entries_mut()));
    let (a, b) = (&a.entries()[a_start..], &b.entries()[b_start..]);
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(Part::Number(a)), Some(Part::Number(b))) => compare_digits(a, b),
            (Some(Part::List), Some(Part::List)) => Ordering::Equal,
            (Some(Part::Qualifier(a, a_text)), Some(Part::Qualifier(b, b_text))) => {
                a.cmp(b).then_with(|| compare_words(a_text, b_text))
            }
            (Some(one), Some(other)) => sign(&a[at..]).cmp(&sign(&b[at..])).then_with(|| one.kind().cmp(&other.kind())),
            (Some(_), None) => return sign(&a[at..]),
            (None, _) => return sign(&b[at..]).reverse(),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_words(a: &str, b: &str) -> Ordering {
    a.chars().flat_map(char::to_lowercase).cmp(b.chars().flat_map(char::to_lowercase))
}

/// True for what a repository can hold and a range does not mean: no blanks, brackets, commas or path separators.
pub(super) fn is_valid(text: &str) -> bool {
    !text.is_empty()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "[](),/\\:\"<>|?*${}".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "1-alpha 1.0-alpha-1 1-a10 1-beta 1-m1 1-milestone-2 1-rc 1-cr2 1-SNAPSHOT 1 1-sp 1-sp.1 1-abc 1-xyz \
            1-1 1.0.1-beta 1.0.1 1.1 1.2-jre 1.2.0.1 1.10 2 99999999999999999999";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [
            ("1", "1.0.0"),
            ("1", "1.Final"),
            ("1.0-ga", "1-RELEASE"),
            ("1-0.0-0", "1"),
            ("1.x1", "1-X-1"),
            ("1a1", "1-alpha-1"),
            ("1.0.cr1", "1-rc-1"),
            ("1..0", "1.0.0"),
            ("", "0"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn the_release_decides_where_maven_goes_in_circles() {
        super::super::tests::ascending(compare, "1-alpha 1 1.sp.1");
        super::super::tests::ascending(compare, "1.0.alpha.1 1 1-sp");
    }
}
