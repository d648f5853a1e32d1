//! RubyGems: `Gem::Version` (RubyGems, "Gem::Version", "Preamble" and "<=>").
//!
//! Runs of digits are numbers, runs of letters words, a hyphen says `pre`; everything else only cuts. Words are below numbers,
//! what is missing is 0, and zeros before the first word do not count. RubyGems refuses versions with other characters.

use std::cmp::Ordering;

use super::text::{compare_digits, take, take_digits, without_zeros};

/// A part of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Segment<'a> {
    /// Its digits.
    Number(&'a [u8]),
    /// Letters.
    Word(&'a [u8]),
}

/// The parts of a version as they are written, zeros and all.
pub(super) fn segments(text: &str) -> impl Iterator<Item = Segment<'_>> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        loop {
            let first = *rest.first()?;
            if first.is_ascii_digit() {
                return Some(Segment::Number(take_digits(&mut rest)));
            }
            if first.is_ascii_alphabetic() {
                return Some(Segment::Word(take(&mut rest, |byte| byte.is_ascii_alphabetic())));
            }
            rest = &rest[1..];
            if first == b'-' {
                return Some(Segment::Word(b"pre"));
            }
        }
    })
}

/// The parts that count.
struct Canonical<'a, I> {
    segments: I,
    words: bool,
    /// Zeros that still have to be handed out, and what stands behind them.
    zeros: usize,
    behind: Option<Segment<'a>>,
}

impl<'a, I: Iterator<Item = Segment<'a>>> Iterator for Canonical<'a, I> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        while self.behind.is_none() {
            match self.segments.next()? {
                Segment::Number(digits) if !self.words && without_zeros(digits).is_empty() => self.zeros += 1,
                Segment::Word(word) => {
                    (self.words, self.zeros) = (true, 0);
                    self.behind = Some(Segment::Word(word));
                }
                number => self.behind = Some(number),
            }
        }
        if self.zeros > 0 {
            self.zeros -= 1;
            return Some(Segment::Number(b"0"));
        }
        self.behind.take()
    }
}

fn canonical(text: &str) -> impl Iterator<Item = Segment<'_>> {
    Canonical { segments: segments(text), words: false, zeros: 0, behind: None }
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    compare_segments(canonical(a), canonical(b))
}

/// Compares parts, those that are missing as 0.
pub(super) fn compare_segments<'a>(
    mut a: impl Iterator<Item = Segment<'a>>,
    mut b: impl Iterator<Item = Segment<'a>>,
) -> Ordering {
    loop {
        let (a, b) = (a.next(), b.next());
        if a.is_none() && b.is_none() {
            return Ordering::Equal;
        }
        let order = match (a.unwrap_or(Segment::Number(b"0")), b.unwrap_or(Segment::Number(b"0"))) {
            (Segment::Number(a), Segment::Number(b)) => compare_digits(a, b),
            (Segment::Word(a), Segment::Word(b)) => a.cmp(b),
            (Segment::Word(_), Segment::Number(_)) => Ordering::Less,
            (Segment::Number(_), Segment::Word(_)) => Ordering::Greater,
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// `Gem::Version.correct?`: numbers, dots, letters, and prerelease parts behind a hyphen. Blanks around are allowed, and
/// nothing at all is 0.
pub(super) fn is_valid(text: &str) -> bool {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let (numbers, prerelease) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
    let is_list = |list: &str, hyphen: bool| {
        list.split('.').all(|one| {
            !one.is_empty() && one.bytes().all(|byte| byte.is_ascii_alphanumeric() || (hyphen && byte == b'-'))
        })
    };
    let first = numbers.split('.').next().unwrap_or_default();
    text.is_empty()
        || is_list(numbers, false)
            && first.bytes().all(|byte| byte.is_ascii_digit())
            && prerelease.is_none_or(|list| is_list(list, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "0.a 0 1.0.A 1.a 1.0.a.1 1.a10 1.0.b1 1.0-1 1.0.rc1 1.0 1.0.0.1 1.1.a 1.1 1.2.b1 1.2 1.10";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [("1", "1.0.0"), ("1.0.a", "1.a.0"), ("1-1", "1.0.pre.1"), ("", "0"), ("1.01", "1.1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn validity() {
        for good in ["", " 1.2 ", "1.2.3-4-5.a", "1.a", "0"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in ["a", "1..2", "1.", "1-", "1_2", "1.2+3", "-1", "junk"] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
