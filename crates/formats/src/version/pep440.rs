//! Python: PEP 440 and its appendix B (now "Version specifiers" of the Python Packaging User Guide).
//!
//! What is no such version is below all that are, in the order that setuptools had before PEP 440 and that
//! `packaging.version.LegacyVersion` kept until 22.0; OSV compares so too. Only ASCII counts as letters, digits and blanks.

use std::cmp::Ordering;

use super::text::{compare_digits, is_digits, take, take_byte, take_digits, take_word, without_zeros};

/// A version in parts; numbers are their digits.
#[derive(Clone, Copy)]
pub(super) struct Version<'a> {
    /// Epoch; empty for 0.
    pub(super) epoch: &'a [u8],
    /// Numbers with dots between.
    pub(super) release: &'a [u8],
    /// 0 alpha, 1 beta, 2 release candidate, and which.
    pub(super) pre: Option<(u8, &'a [u8])>,
    /// Post-release.
    pub(super) post: Option<&'a [u8]>,
    /// Development release.
    pub(super) dev: Option<&'a [u8]>,
    /// Local label.
    pub(super) local: Option<&'a [u8]>,
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b'-' | b'_' | b'.')
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, 0x0b | 0x1c..=0x1f)
}

/// Takes a label and its number: `.rc-1`. Nothing is taken where no such label stands.
fn take_label<'a>(rest: &mut &'a [u8], words: &[(&[u8], u8)]) -> Option<(u8, &'a [u8])> {
    let mut ahead = *rest;
    if ahead.first().copied().is_some_and(is_separator) {
        ahead = &ahead[1..];
    }
    let (_, kind) = words.iter().find(|(word, _)| take_word(&mut ahead, word))?;
    if ahead.first().copied().is_some_and(is_separator) {
        ahead = &ahead[1..];
    }
    let number = take_digits(&mut ahead);
    *rest = ahead;
    Some((*kind, number))
}

const PRE: &[(&[u8], u8)] =
    &[(b"alpha", 0), (b"a", 0), (b"beta", 1), (b"b", 1), (b"preview", 2), (b"pre", 2), (b"c", 2), (b"rc", 2)];
const POST: &[(&[u8], u8)] = &[(b"post", 0), (b"rev", 0), (b"r", 0)];
const DEV: &[(&[u8], u8)] = &[(b"dev", 0)];

/// Takes numbers with dots between, and leaves a dot that no number follows.
fn take_release<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let start = *rest;
    if take_digits(rest).is_empty() {
        return b"";
    }
    while let [b'.', digit, ..] = rest
        && digit.is_ascii_digit()
    {
        *rest = &rest[1..];
        take_digits(rest);
    }
    &start[..start.len() - rest.len()]
}

/// Reads a version (appendix B of PEP 440).
pub(super) fn parse(text: &str) -> Option<Version<'_>> {
    let mut rest = text.as_bytes();
    take(&mut rest, is_blank);
    let end = rest.iter().rposition(|&byte| !is_blank(byte)).map_or(0, |last| last + 1);
    rest = &rest[..end];
    let _ = take_byte(&mut rest, b'v') || take_byte(&mut rest, b'V');
    let (mut epoch, mut ahead): (&[u8], _) = (b"", rest);
    let digits = take_digits(&mut ahead);
    if !digits.is_empty() && take_byte(&mut ahead, b'!') {
        (epoch, rest) = (digits, ahead);
    }
    let release = take_release(&mut rest);
    if release.is_empty() {
        return None;
    }
    let pre = take_label(&mut rest, PRE);
    let post = match rest {
        [b'-', digit, ..] if digit.is_ascii_digit() => {
            rest = &rest[1..];
            Some(take_digits(&mut rest))
        }
        _ => take_label(&mut rest, POST).map(|(_, number)| number),
    };
    let dev = take_label(&mut rest, DEV).map(|(_, number)| number);
    let local = take_byte(&mut rest, b'+').then(|| std::mem::take(&mut rest));
    let local_fits = local.is_none_or(|local| {
        local.split(|&byte| is_separator(byte)).all(|one| !one.is_empty() && one.iter().all(u8::is_ascii_alphanumeric))
    });
    (rest.is_empty() && local_fits).then_some(Version { epoch, release, pre, post, dev, local })
}

impl Version<'_> {
    /// A development or pre-release.
    pub(super) fn is_prerelease(&self) -> bool {
        self.pre.is_some() || self.dev.is_some()
    }

    /// Where the pre-release stands: a bare development release is below all of them, a release above.
    fn pre_order(&self) -> (u8, &[u8]) {
        match self.pre {
            Some((kind, number)) => (kind + 1, without_zeros(number)),
            None if self.post.is_none() && self.dev.is_some() => (0, b""),
            None => (4, b""),
        }
    }

    /// The order of public versions: all but the local label.
    pub(super) fn compare_public(&self, other: &Self) -> Ordering {
        let (a, b) = (self.pre_order(), other.pre_order());
        compare_digits(self.epoch, other.epoch)
            .then_with(|| super::semver::compare_numbers(self.release, other.release))
            .then_with(|| a.0.cmp(&b.0).then_with(|| compare_digits(a.1, b.1)))
            .then_with(|| compare_optional(self.post, other.post, Ordering::Less))
            .then_with(|| compare_optional(self.dev, other.dev, Ordering::Greater))
    }

    /// The whole order.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        self.compare_public(other).then_with(|| match (self.local, other.local) {
            (Some(a), Some(b)) => compare_locals(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        })
    }
}

fn compare_optional(a: Option<&[u8]>, b: Option<&[u8]>, none: Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare_digits(a, b),
        (None, None) => Ordering::Equal,
        (None, Some(_)) => none,
        (Some(_), None) => none.reverse(),
    }
}

/// Numbers are above words, and more above fewer.
pub(super) fn compare_locals(a: &[u8], b: &[u8]) -> Ordering {
    let is_cut = |byte: &u8| is_separator(*byte);
    let (mut a, mut b) = (a.split(is_cut), b.split(is_cut));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (Some(a), Some(b)) => match (is_digits(a), is_digits(b)) {
                (true, true) => compare_digits(a, b),
                (false, false) => a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase)),
                (a_is_number, b_is_number) => a_is_number.cmp(&b_is_number),
            },
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(a), Some(b)) => a.compare(&b),
        (None, None) => legacy(a).cmp(&legacy(b)),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// True for versions of PEP 440.
pub(super) fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

/// What old setuptools compared: padded numbers and marked words.
fn legacy(text: &str) -> Vec<String> {
    const FINAL: &str = "*final";
    let lower = text.to_lowercase();
    let mut rest = lower.as_str();
    let mut parts: Vec<String> = Vec::new();
    let add = |parts: &mut Vec<String>, part: String| {
        if part.starts_with('*') {
            while part.as_str() < FINAL && parts.last().is_some_and(|last| last == "*final-") {
                parts.pop();
            }
            while parts.last().is_some_and(|last| last == "00000000") {
                parts.pop();
            }
        }
        parts.push(part);
    };
    while let Some(first) = rest.chars().next() {
        let kind = kind(first);
        let run = match kind {
            Kind::Dot | Kind::Hyphen => 1,
            _ => rest.find(|c| self::kind(c) != kind).unwrap_or(rest.len()),
        };
        let (part, after) = rest.split_at(run);
        rest = after;
        match (kind, part) {
            (Kind::Dot, _) => {}
            (Kind::Hyphen, _) => add(&mut parts, "*final-".to_owned()),
            (Kind::Digit, digits) => add(&mut parts, format!("{digits:0>8}")),
            (_, "pre" | "preview" | "rc") => add(&mut parts, "*c".to_owned()),
            (_, "dev") => add(&mut parts, "*@".to_owned()),
            (_, word) => add(&mut parts, format!("*{word}")),
        }
    }
    add(&mut parts, FINAL.to_owned());
    parts
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Digit,
    Letter,
    Dot,
    Hyphen,
    Other,
}

fn kind(c: char) -> Kind {
    match c {
        '0'..='9' => Kind::Digit,
        'a'..='z' => Kind::Letter,
        '.' => Kind::Dot,
        '-' => Kind::Hyphen,
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "! 1.0-foo 2.x 1.0.dev1 1.0a.dev0 1.0a0 1.0a1.dev2 1.0a1 1.0a1.post1.dev1 1.0a1.post1 1.0a10 1.0b1 \
            1.0rc1 1.0 1.0+a 1.0+a.1 1.0+b 1.0+1 1.0+10 1.0+10.a 1.0.post0.dev1 1.0.post0 1.0-1 1.0.1 1.10 1!0.1 \
            2!0";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [
            ("1", "v1.0.0 "),
            ("1.0-alpha.1", "1a1"),
            ("1.0PREVIEW", "1.0c0"),
            ("1.0-r4", "1.0.post4"),
            ("1.0a-", "1.0a0"),
            ("0!1", "1"),
            ("1.0+ab_C-1", "1.0+AB.c.01"),
            ("1.0_DEV", "1.0.dev0"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn validity() {
        for bad in [
            "",
            "v",
            "1.0.",
            "1..0",
            "1.0-foo",
            "1.0+",
            "1.0+a..b",
            "!1",
            "1.0a1b2",
            "1.0.dev1.post1",
            ".1",
            "0!.1",
            "1.0\u{0660}",
        ] {
            assert!(!is_valid(bad), "{bad}");
        }
        for good in ["1", "1.0a-.post.dev", "\n1.0 ", "1.0-1-dev_2", "1.0rc--1"] {
            assert!(is_valid(good), "{good}");
        }
    }
}
