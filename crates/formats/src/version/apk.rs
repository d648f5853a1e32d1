//! Alpine: apk-package(5), "Package version": `number{.number}…{letter}{_suffix{number}}…{~hash}{-r#}`, in the order of
//! apk-tools 3.
//!
//! Numbers may have any length; apk counts up to 2^64, and then from 0 again. A version that breaks the rules is below all that
//! start like it up to there, and no two of those differ.

use std::cmp::Ordering;

use super::text::{compare_digits, take, take_byte, take_digits};

/// A part of a version. Where two versions differ in kind, the earlier one here is the greater, but for suffixes that say
/// that it is not released yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    First,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Hash,
    Revision,
    End,
    Broken,
}

/// Suffixes in their order. A release without any stands before the fifth.
const SUFFIXES: [&[u8]; 9] = [b"alpha", b"beta", b"pre", b"rc", b"cvs", b"svn", b"git", b"hg", b"p"];
const RELEASED: usize = 4;

struct Parts<'a> {
    rest: &'a [u8],
    kind: Kind,
    text: &'a [u8],
    suffix: usize,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = Self { rest: text.as_bytes(), kind: Kind::First, text: b"", suffix: 0 };
        parts.digits(Kind::First);
        parts
    }

    fn digits(&mut self, kind: Kind) {
        self.text = take_digits(&mut self.rest);
        self.kind = if self.text.is_empty() { Kind::Broken } else { kind };
    }

    fn advance(&mut self) {
        let before = std::mem::replace(&mut self.kind, Kind::Broken);
        match self.rest.first() {
            None => self.kind = Kind::End,
            Some(b'a'..=b'z') if before <= Kind::Number => {
                let (letter, rest) = self.rest.split_at(1);
                (self.text, self.rest, self.kind) = (letter, rest, Kind::Letter);
            }
            Some(b'.') if before <= Kind::Number => {
                self.rest = &self.rest[1..];
                self.digits(Kind::Number);
            }
            Some(b'0'..=b'9') if before == Kind::Suffix => self.digits(Kind::SuffixNumber),
            Some(b'_') if before <= Kind::SuffixNumber => {
                self.rest = &self.rest[1..];
                let word = take(&mut self.rest, |byte| byte.is_ascii_lowercase());
                if let Some(suffix) = SUFFIXES.iter().position(|suffix| *suffix == word) {
                    (self.suffix, self.kind) = (suffix, Kind::Suffix);
                }
            }
            Some(b'~') if before < Kind::Hash => {
                self.rest = &self.rest[1..];
                self.text = take(&mut self.rest, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                self.kind = if self.text.is_empty() { Kind::Broken } else { Kind::Hash };
            }
            Some(b'-') if before < Kind::Revision => {
                if take_byte(&mut self.rest, b'-') && take_byte(&mut self.rest, b'r') {
                    self.digits(Kind::Revision);
                }
            }
            Some(_) => {}
        }
    }

    fn ends(&self) -> bool {
        self.kind >= Kind::End
    }

    fn compare(&self, other: &Self) -> Ordering {
        match self.kind {
            // A number that starts with 0 is a decimal fraction.
            Kind::Number if self.text.first() == Some(&b'0') || other.text.first() == Some(&b'0') => {
                self.text.cmp(other.text)
            }
            Kind::First | Kind::Number | Kind::SuffixNumber | Kind::Revision => compare_digits(self.text, other.text),
            Kind::Suffix => self.suffix.cmp(&other.suffix),
            _ => self.text.cmp(other.text),
        }
    }

    fn is_unreleased(&self) -> bool {
        self.kind == Kind::Suffix && self.suffix < RELEASED
    }
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Parts::of(a), Parts::of(b));
    while a.kind == b.kind && !a.ends() {
        let order = a.compare(&b);
        if order.is_ne() {
            return order;
        }
        a.advance();
        b.advance();
    }
    match (a.is_unreleased(), b.is_unreleased()) {
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        _ => b.kind.cmp(&a.kind),
    }
}

/// True for what the rules allow.
pub(super) fn is_valid(text: &str) -> bool {
    let mut parts = Parts::of(text);
    while !parts.ends() {
        parts.advance();
    }
    parts.kind == Kind::End
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "1.0_alpha 1.0_alpha1 1.0_alpha1_p1 1.0_beta 1.0_rc3-r1 1.0! 1.0 1.0-r0 1.0-r1 1.0-r10 1.0~1a \
            1.0_git20200101 1.0_p 1.0_p0 1.0_p1-r1 1.0a 1.0b 1.0.0 1.01 1.010 1.1 1.9 1.10 2 10";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [("01.1", "1.1"), ("x", "y"), ("1.0!", "1.0."), ("1.0_p01", "1.0_p1")] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn validity() {
        for good in ["1", "1.2.3a_rc1_p2~0af-r3", "1_p", "0.1_git20200101-r0"] {
            assert!(is_valid(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "1.",
            "1..2",
            "1.0ab",
            "1.0_foo",
            "1.0-r",
            "1.0-1",
            "1.0~",
            "1.0~G",
            "1.0-r1-r2",
            "1.0a1",
            "1.0-R1",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
