//! Packagist: versions as Composer normalises them (composer/semver, `VersionParser::normalize`), compared as PHP's
//! `version_compare` does (PHP manual, "version_compare").
//!
//! Branches (`dev-main`) are below everything; Composer puts none above another, here their names decide. What Composer
//! cannot read is compared as it stands. Numbers may have any length; PHP stops at 2^63.

use std::cmp::Ordering;

use super::text::{Short, compare_digits, take, take_byte, take_digits, take_word};

/// A part of a version: a number's digits, or a word's place in the order of PHP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    Number(&'a [u8]),
    Word(u8),
}

const DEV: u8 = 1;
const ALPHA: u8 = 2;
const BETA: u8 = 3;
const CANDIDATE: u8 = 4;
/// Where the end of a version stands among words.
const END: u8 = 5;
const PATCH: u8 = 7;

impl Part<'_> {
    fn place(part: Option<&Part<'_>>) -> u8 {
        match part {
            None => END,
            Some(Part::Number(_)) => END + 1,
            Some(Part::Word(place)) => *place,
        }
    }
}

type Parts<'a> = Short<Part<'a>, 16>;

/// A version that Composer can read.
pub(super) enum Version<'a> {
    /// A branch, by its name.
    Branch(&'a str),
    /// A version with numbers.
    Numbers(Numbers<'a>),
}

/// A version with numbers.
#[derive(Clone, Copy)]
pub(super) struct Numbers<'a> {
    /// `major.minor.patch.more`; what is missing is empty.
    pub(super) numbers: [&'a [u8]; 4],
    /// Numbers of a date, in place of those, with anything between.
    pub(super) date: &'a [u8],
    /// How far it is: a word's place, and numbers behind it.
    pub(super) stability: Option<(u8, &'a [u8])>,
    /// It is a development version.
    pub(super) dev: bool,
}

/// What stands for `x` in a branch `1.x`.
const WILDCARD: &[u8] = b"9999999";

/// What PHP's `trim` takes away.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\0' | '\u{b}')
}

/// What `\s` matches in PHP.
pub(super) fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// `1.0` of `1.0 as 2.0`.
pub(super) fn without_alias(text: &str) -> Option<&str> {
    let (version, rest) = text.split_once(' ')?;
    let alias = rest.trim_start_matches(' ').strip_prefix("as ")?.trim_start_matches(' ');
    let fits = |part: &str| !part.is_empty() && !part.contains(|c: char| c == ',' || is_space(c));
    (fits(version) && fits(alias)).then_some(version)
}

/// The name of a stability flag.
pub(super) fn is_stability(name: &str) -> bool {
    ["stable", "rc", "beta", "alpha", "dev"].iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Reads a version.
pub(super) fn parse(text: &str) -> Option<Version<'_>> {
    let mut text = text.trim_matches(is_blank);
    text = without_alias(text).unwrap_or(text);
    if let Some((version, flag)) = text.rsplit_once('@')
        && is_stability(flag)
    {
        text = version;
    }
    if matches!(text, "master" | "trunk" | "default") {
        return Some(Version::Branch(text));
    }
    if let Some((start, name)) = text.split_at_checked(4)
        && start.eq_ignore_ascii_case("dev-")
    {
        return Some(Version::Branch(name));
    }
    if let Some((version, build)) = text.split_once('+')
        && !version.is_empty()
        && !build.is_empty()
        && !version.contains(|c: char| c == ',' || is_space(c))
        && !build.contains(is_space)
    {
        text = version;
    }
    let bytes = text.as_bytes();
    classical(bytes).or_else(|| date(bytes)).or_else(|| branch(bytes)).map(Version::Numbers)
}

/// `v1.2.3.4-beta2-dev`.
fn classical(text: &[u8]) -> Option<Numbers<'_>> {
    let mut rest = without_v(text);
    let mut numbers: [&[u8]; 4] = [b""; 4];
    numbers[0] = take_digits(&mut rest);
    if !(1..=5).contains(&numbers[0].len()) {
        return None;
    }
    for number in &mut numbers[1..] {
        match rest {
            [b'.', digit, ..] if digit.is_ascii_digit() => {
                rest = &rest[1..];
                *number = take_digits(&mut rest);
            }
            _ => break,
        }
    }
    modifiers(rest).map(|modifiers| Numbers::new(numbers, b"", modifiers))
}

fn without_v(text: &[u8]) -> &[u8] {
    match text {
        [b'v' | b'V', rest @ ..] => rest,
        _ => text,
    }
}

const STABILITIES: [(&[u8], u8); 9] = [
    (b"stable", END),
    (b"beta", BETA),
    (b"b", BETA),
    (b"rc", CANDIDATE),
    (b"alpha", ALPHA),
    (b"a", ALPHA),
    (b"patch", PATCH),
    (b"pl", PATCH),
    (b"p", PATCH),
];

type Modifiers<'a> = (Option<(u8, &'a [u8])>, bool);

/// What may stand behind the numbers, to the end: `-beta.2.dev`.
fn modifiers(text: &[u8]) -> Option<Modifiers<'_>> {
    let mut rest = text;
    if matches!(rest.first(), Some(b'.' | b'_' | b'-')) {
        rest = &rest[1..];
    }
    let mut stability = None;
    if let Some((_, place)) = STABILITIES.iter().find(|(word, _)| take_word(&mut rest, word)) {
        let start = rest;
        loop {
            match rest {
                [digit, ..] if digit.is_ascii_digit() => {}
                [b'.' | b'-', digit, ..] if digit.is_ascii_digit() => rest = &rest[1..],
                _ => break,
            }
            take_digits(&mut rest);
        }
        stability = Some((*place, &start[..start.len() - rest.len()]));
    }
    if let [b'.' | b'-', ahead @ ..] = rest
        && ahead.len() == 3
    {
        rest = ahead;
    }
    let dev = take_word(&mut rest, b"dev");
    if !rest.is_empty() {
        return None;
    }
    Some((stability, dev))
}

/// True where a text is nothing but what may stand behind the numbers and says how stable that is; `None` where it is not.
pub(super) fn says_stability(text: &[u8]) -> Option<bool> {
    modifiers(text).map(|(stability, dev)| stability.is_some() || dev)
}

/// True where a lower-case text ends with a hyphen and what may stand behind the numbers. Composer does not know `rc` there.
pub(super) fn ends_with_modifier(lower: &str) -> bool {
    let starts = lower.match_indices('-').map(|(at, _)| &lower.as_bytes()[at + 1..]);
    starts.filter_map(modifiers).any(|(stability, _)| stability.is_none_or(|(place, _)| place != CANDIDATE))
}

/// True for a version that is none of the steps to a release.
pub(super) fn is_stable(text: &str) -> bool {
    match parse(text) {
        Some(Version::Numbers(numbers)) => !numbers.dev && numbers.stability.is_none_or(|(place, _)| place >= END),
        _ => false,
    }
}

/// `20240131-123000`: four digits, one to six times two, up to two times one to three, with `.`, `:` or `-` between.
fn date(text: &[u8]) -> Option<Numbers<'_>> {
    const LONGEST: usize = 34;
    let rest = without_v(text);
    let is_cut = |byte: u8| matches!(byte, b'.' | b':' | b'-');
    let mut end = 0;
    while end <= LONGEST {
        match rest.get(end..) {
            Some([digit, ..]) if digit.is_ascii_digit() => end += 1,
            Some([cut, digit, ..]) if is_cut(*cut) && digit.is_ascii_digit() => end += 1,
            _ => break,
        }
    }
    let date = &rest[..end.min(rest.len())];
    if end > LONGEST || date.len() < 6 || !date[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    // ways[n]: which counts (of twos, and of last pieces) lead to the first n bytes.
    let mut ways = [[[false; 3]; 7]; LONGEST + 4];
    ways[4][0][0] = true;
    for at in 4..date.len() {
        let start = at + usize::from(is_cut(date[at]));
        let digits = date[start..].iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
        for (twos, last) in (0..7).flat_map(|twos| (0..3).map(move |last| (twos, last))) {
            if !ways[at][twos][last] {
                continue;
            }
            if last == 0 && twos < 6 && digits >= 2 {
                ways[start + 2][twos + 1][0] = true;
            }
            if last < 2 && twos > 0 {
                (1..=digits).for_each(|more| ways[start + more][twos][last + 1] = true);
            }
        }
    }
    let fits = ways[date.len()][1..].iter().flatten().any(|way| *way);
    modifiers(&rest[date.len()..]).filter(|_| fits).map(|modifiers| Numbers::new([b""; 4], date, modifiers))
}

/// `1.2.x-dev`.
fn branch(text: &[u8]) -> Option<Numbers<'_>> {
    let start = text.len().checked_sub(3).filter(|at| text[*at..].eq_ignore_ascii_case(b"dev"))?;
    let mut rest = &text[..start];
    rest = rest.strip_suffix(b".").or_else(|| rest.strip_suffix(b"-")).unwrap_or(rest);
    rest = without_v(rest.trim_ascii());
    let mut numbers: [&[u8]; 4] = [WILDCARD; 4];
    numbers[0] = take_digits(&mut rest);
    if numbers[0].is_empty() {
        return None;
    }
    for number in &mut numbers[1..] {
        if !take_byte(&mut rest, b'.') {
            break;
        }
        let digits = take_digits(&mut rest);
        if !digits.is_empty() {
            *number = digits;
        } else if take(&mut rest, |byte| matches!(byte, b'x' | b'X' | b'*')).len() != 1 {
            return None;
        }
    }
    rest.is_empty().then_some(Numbers { numbers, date: b"", stability: None, dev: true })
}

impl<'a> Numbers<'a> {
    /// `-stable` says nothing, and Composer reads no further.
    fn new(numbers: [&'a [u8]; 4], date: &'a [u8], (stability, dev): Modifiers<'a>) -> Self {
        match stability {
            Some((END, _)) => Self { numbers, date, stability: None, dev: false },
            _ => Self { numbers, date, stability, dev },
        }
    }

    fn parts(&self) -> Parts<'a> {
        let mut parts = Parts::new(Part::Word(0));
        match self.date {
            b"" => self.numbers.iter().for_each(|number| parts.push(Part::Number(number))),
            date => split(date, &mut parts),
        }
        if let Some((place, numbers)) = self.stability {
            parts.push(Part::Word(place));
            split(numbers, &mut parts);
        }
        if self.dev {
            parts.push(Part::Word(DEV));
        }
        parts
    }
}

/// A version as Composer writes it: `1.2.0.0-beta2-dev`, `dev-main`.
pub(super) fn normalise(text: &str) -> Option<String> {
    let numbers = match parse(text)? {
        Version::Branch(name) => return Some(format!("dev-{name}")),
        Version::Numbers(numbers) => numbers,
    };
    let say = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let number = |digits: &&[u8]| if digits.is_empty() { "0".to_owned() } else { say(digits) };
    let mut text = match numbers.date {
        b"" => numbers.numbers.iter().map(number).collect::<Vec<_>>().join("."),
        date => say(date).replace([':', '-'], "."),
    };
    if let Some((place, behind)) = numbers.stability {
        let word = [(ALPHA, "alpha"), (BETA, "beta"), (CANDIDATE, "RC")].into_iter().find(|(one, _)| *one == place);
        text.push('-');
        text.push_str(word.map_or("patch", |(_, word)| word));
        text.push_str(say(behind).trim_start_matches(['.', '-']));
    }
    if numbers.dev {
        text.push_str("-dev");
    }
    Some(text)
}

/// Numbers and words of a text that nothing is known of.
fn split<'a>(text: &'a [u8], parts: &mut Parts<'a>) {
    let mut rest = text;
    while let Some(first) = rest.first() {
        if first.is_ascii_digit() {
            parts.push(Part::Number(take_digits(&mut rest)));
        } else if first.is_ascii_alphabetic() {
            parts.push(Part::Word(place(take(&mut rest, |byte| byte.is_ascii_alphabetic()))));
        } else {
            rest = &rest[1..];
        }
    }
}

/// A word's place, told by how it starts.
fn place(word: &[u8]) -> u8 {
    let places: [(&[u8], u8); 6] =
        [(b"dev", DEV), (b"a", ALPHA), (b"b", BETA), (b"RC", CANDIDATE), (b"rc", CANDIDATE), (b"p", PATCH)];
    places.iter().find(|(start, _)| word.starts_with(start)).map_or(0, |(_, place)| *place)
}

fn compare_parts(a: &[Part<'_>], b: &[Part<'_>]) -> Ordering {
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(Part::Number(a)), Some(Part::Number(b))) => compare_digits(a, b),
            (a, b) => Part::place(a).cmp(&Part::place(b)),
        };
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (parse(a), parse(b)) {
        (Some(Version::Branch(a)), Some(Version::Branch(b))) => a.cmp(b),
        (Some(Version::Branch(_)), _) => Ordering::Less,
        (_, Some(Version::Branch(_))) => Ordering::Greater,
        (a_read, b_read) => compare_parts(parts(a, a_read).entries(), parts(b, b_read).entries()),
    }
}

/// The parts of what was read, or of the text as it stands.
fn parts<'a>(text: &'a str, read: Option<Version<'a>>) -> Parts<'a> {
    match read {
        Some(Version::Numbers(numbers)) => numbers.parts(),
        _ => raw(without_v(text.trim_matches(is_blank).as_bytes())),
    }
}

fn raw(text: &[u8]) -> Parts<'_> {
    let mut parts = Parts::new(Part::Word(0));
    split(text, &mut parts);
    parts
}

/// Compares two versions that are normalised already, and no branches: PHP's `version_compare`.
pub(super) fn compare_normalised(a: &str, b: &str) -> Ordering {
    compare_parts(raw(a.as_bytes()).entries(), raw(b.as_bytes()).entries())
}

/// True for what Composer can read.
pub(super) fn is_valid(text: &str) -> bool {
    parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order() {
        let ascending = "dev-feature dev-main foo 1.0.0-dev 1.0-alpha 1.0a2-dev 1.0a2 1.0-beta.1 1.0b2 1.0-RC1 1.0 1.0-p1 \
            1.0.0.1 1.0.1 1.2 1.10 1.x-dev 2 2024.01.31 20240131 20240131-120000";
        super::super::tests::ascending(compare, ascending);
        for (a, b) in [
            ("v1", "1.0.0.0"),
            ("1.0-stable", "1.0"),
            ("1.0+build", "1.0"),
            ("1.0-beta2", "1.0.0b2"),
            ("1.x-dev", "1.9999999.9999999.9999999-dev"),
            ("dev-master", "master"),
            ("1.0@dev", "1"),
            ("1.0 as 2.0", "1"),
            ("1.0-pl3", "1.0.patch.3"),
        ] {
            assert_eq!(compare(a, b), Ordering::Equal, "{a} {b}");
        }
    }

    #[test]
    fn validity() {
        for good in
            ["1.0.", "1.0-", "1.0.-dev", "2010-01-02", "20100102", "20100102203040-10", "1.*.x-dev", "dev-", "201903.0"]
        {
            assert!(is_valid(good), "{good}");
        }
        for bad in
            ["", "foo", "1.0-foo", "1.2.3.4.5", "12345678901234567890123456789", "1.0 x", "1.0-beta-", "x-dev", "1,0"]
        {
            assert!(!is_valid(bad), "{bad}");
        }
    }
}
