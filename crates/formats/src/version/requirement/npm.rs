//! npm: ranges of node-semver ("Ranges", "Advanced Range Syntax", "Range Grammar"), as `semver.satisfies` reads them without
//! options.
//!
//! Not understood here, though node-semver makes something of them: a star within a word (`1.2*`, read as `1.2`) and metadata
//! with blanks around (`1 +a - 2`).

use std::borrow::Cow;

use super::super::semver::{self, compare_prereleases};
use super::super::text::{is_digits, take, take_byte, take_digits};
use super::Op;

/// Largest number that node-semver takes.
const MAXIMUM: u64 = (1 << 53) - 1;

/// A version: its numbers and its prerelease.
#[derive(Debug, Clone, Copy)]
struct Version<'a> {
    numbers: [u64; 3],
    prerelease: &'a [u8],
}

/// A bound. A set of them must hold together; none at all is any version.
type Bounds<'a> = Vec<(Op, Version<'a>)>;

/// Says whether a version satisfies a range.
pub(super) fn satisfies(requirement: &str, version: &str) -> Option<bool> {
    let version = version.trim();
    let plain = version.strip_prefix('v').unwrap_or(version);
    let version = read_version(plain).filter(|_| semver::is_valid(plain))?;
    let range = match requirement.strip_prefix("npm:") {
        Some(alias) => alias.get(1..)?.split_once('@')?.1,
        None => requirement,
    };
    let texts: Vec<Cow<'_, str>> = range.split("||").map(prepare).collect();
    let mut sets = Vec::new();
    for text in &texts {
        sets.push(read_set(text)?);
    }
    // Sets that nothing satisfies go, and where one takes any version it is the only one that counts.
    let any = sets.iter().any(|set| set.as_ref().is_some_and(Vec::is_empty));
    Some(if any { version.prerelease.is_empty() } else { sets.iter().flatten().any(|set| admits(set, version)) })
}

fn admits(set: &Bounds<'_>, version: Version<'_>) -> bool {
    let named = |bound: &Version<'_>| !bound.prerelease.is_empty() && bound.numbers == version.numbers;
    let compare = |bound: &Version<'_>| {
        version.numbers.cmp(&bound.numbers).then_with(|| compare_prereleases(version.prerelease, bound.prerelease))
    };
    set.iter().all(|(op, bound)| op.admits(compare(bound)))
        && (version.prerelease.is_empty() || set.iter().any(|(_, bound)| named(bound)))
}

fn read_version(text: &str) -> Option<Version<'_>> {
    let parts = semver::parts(text);
    let mut numbers = [0; 3];
    for (place, number) in parts.numbers.split(|&byte| byte == b'.').enumerate() {
        *numbers.get_mut(place)? = small(number)?;
    }
    Some(Version { numbers, prerelease: parts.prerelease })
}

fn small(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number <= MAXIMUM)
}

/// Without blanks around, with single ones between, and without build metadata.
fn prepare(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    let is_plain = |text: &str| {
        text.is_ascii() && !text.contains("  ") && !text.contains(['+', '\t', '\n', '\r', '\u{b}', '\u{c}'])
    };
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let mut pieces = text.split('+');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let mut rest = piece.as_bytes();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if take(&mut rest, is_part).is_empty() {
            plain.push('+'); // no metadata: the range is broken
        } else {
            while let [b'.', next, ..] = rest
                && is_part(*next)
            {
                rest = &rest[1..];
                take(&mut rest, is_part);
            }
        }
        plain.push_str(&piece[piece.len() - rest.len()..]);
    }
    Cow::Owned(plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A version of which parts may be missing, or `x`.
#[derive(Debug, Clone, Copy)]
struct Partial<'a> {
    numbers: [Option<u64>; 3],
    /// A later part is given though an earlier one is not.
    gap: bool,
    /// What stands before its first number.
    prefix: &'a [u8],
    prerelease: &'a [u8],
}

impl<'a> Partial<'a> {
    /// Numbers before the first that is missing.
    fn known(&self) -> usize {
        self.numbers.iter().position(Option::is_none).unwrap_or(3)
    }

    /// The version with 0 for what is missing.
    fn floor(&self) -> Version<'a> {
        let known = self.known();
        let number = |place: usize| self.numbers[place].filter(|_| place < known).unwrap_or(0);
        let prerelease: &[u8] = if known == 3 { self.prerelease } else { b"" };
        Version { numbers: [number(0), number(1), number(2)], prerelease }
    }

    /// The first version above all that have the same numbers up to a place, prereleases included.
    fn next(&self, place: usize) -> Option<Version<'a>> {
        let mut numbers = [0; 3];
        for (at, number) in numbers.iter_mut().enumerate().take(place + 1) {
            *number = self.numbers[at].unwrap_or(0) + u64::from(at == place);
        }
        (numbers[place] <= MAXIMUM).then_some(Version { numbers, prerelease: b"0" })
    }

    /// Written as a whole version may be.
    fn is_exact(&self) -> bool {
        self.known() == 3 && matches!(self.prefix, b"" | b"v")
    }
}

fn read_partial<'a>(rest: &mut &'a [u8]) -> Option<Partial<'a>> {
    let prefix = take(rest, |byte| matches!(byte, b'v' | b'='));
    let mut partial = Partial { numbers: [None; 3], gap: false, prefix, prerelease: b"" };
    for place in 0..3 {
        let mut ahead = *rest;
        if place > 0 && !take_byte(&mut ahead, b'.') {
            return Some(partial);
        }
        let digits = take_digits(&mut ahead);
        if semver::is_number(digits) {
            partial.gap |= partial.known() < place;
            partial.numbers[place] = Some(small(digits)?);
        } else if !digits.is_empty() || take_one_x(&mut ahead).is_none() {
            return (place > 0).then_some(partial);
        }
        *rest = ahead;
    }
    let mut ahead = *rest;
    if take_byte(&mut ahead, b'-') {
        let prerelease = take(&mut ahead, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        if semver::is_list(prerelease, |one| !is_digits(one) || semver::is_number(one)) {
            (*rest, partial.prerelease) = (ahead, prerelease);
        }
    }
    Some(partial)
}

fn take_one_x(rest: &mut &[u8]) -> Option<()> {
    (take_byte(rest, b'x') || take_byte(rest, b'X') || take_byte(rest, b'*')).then_some(())
}

/// A set that nothing satisfies is `Some(None)`; what is not understood is `None`.
fn read_set(text: &str) -> Option<Option<Bounds<'_>>> {
    let mut set = Some(Bounds::new());
    match text.split_once(" - ") {
        Some((from, to)) => read_hyphen(from, to, &mut set)?,
        None => {
            let mut rest = text.as_bytes();
            while !rest.is_empty() {
                read_comparator(&mut rest, &mut set)?;
                if !rest.is_empty() && take(&mut rest, |byte| byte == b' ').is_empty() {
                    return None;
                }
            }
        }
    }
    // From 0.0.0 on is any version.
    if let Some(set) = &mut set {
        set.retain(|(op, bound)| *op != Op::GreaterOrEqual || bound.numbers != [0; 3] || !bound.prerelease.is_empty());
    }
    Some(set)
}

fn read_hyphen<'a>(from: &'a str, to: &'a str, set: &mut Option<Bounds<'a>>) -> Option<()> {
    let read = |text: &'a str| {
        let mut rest = text.trim_start().as_bytes();
        let prefix = take(&mut rest, |byte| matches!(byte, b'v' | b'=' | b' '));
        let partial = read_partial(&mut rest).filter(|_| rest.is_empty())?;
        Some(Partial { prefix, ..partial })
    };
    let (from, to) = (read(from)?, read(to)?);
    let bounds = set.as_mut()?;
    match from.known() {
        0 => {}
        3 if !from.is_exact() => return None,
        _ => bounds.push((Op::GreaterOrEqual, from.floor())),
    }
    match to.known() {
        0 => {}
        3 if to.prerelease.is_empty() && !to.is_exact() => return None,
        3 => bounds.push((Op::LessOrEqual, to.floor())),
        known => bounds.push((Op::Less, to.next(known - 1)?)),
    }
    Some(())
}

fn blanks(rest: &mut &[u8]) {
    take(rest, |byte| byte == b' ');
}

fn read_comparator<'a>(rest: &mut &'a [u8], set: &mut Option<Bounds<'a>>) -> Option<()> {
    let tilde = take_byte(rest, b'~');
    let caret = !tilde && take_byte(rest, b'^');
    blanks(rest);
    let greater = !caret && take_byte(rest, b'>');
    if tilde && greater && rest.first() == Some(&b' ') {
        blanks(rest);
        take_byte(rest, b'>'); // `~> >1`
    }
    let less = !caret && !tilde && !greater && take_byte(rest, b'<');
    let mut equal = take_byte(rest, b'=');
    let blank = rest.first() == Some(&b' ');
    blanks(rest);
    equal |= blank && !equal && (greater || less) && take_byte(rest, b'=');
    let partial = read_partial(rest)?;
    let known = partial.known();
    let mut add = |op, version| {
        if let Some(set) = set {
            set.push((op, version));
        }
    };
    if tilde || caret {
        if known > 0 {
            let place = match caret {
                true => partial.numbers[..known].iter().position(|number| *number != Some(0)).unwrap_or(known - 1),
                false => (known - 1).min(1),
            };
            add(Op::GreaterOrEqual, partial.floor());
            add(Op::Less, partial.next(place)?);
        }
        return Some(());
    }
    if partial.gap {
        return None;
    }
    match known {
        // More or less than any version is none.
        0 if (greater || less) && !equal => *set = None,
        0 => {}
        3 if !partial.is_exact() => return None,
        3 => {
            let op = match (greater, less, equal) {
                (true, _, true) => Op::GreaterOrEqual,
                (true, ..) => Op::Greater,
                (_, true, true) => Op::LessOrEqual,
                (_, true, _) => Op::Less,
                _ => Op::Equal,
            };
            add(op, partial.floor());
        }
        _ => {
            let next = partial.next(known - 1)?;
            match (greater, less, equal) {
                (true, _, true) => add(Op::GreaterOrEqual, partial.floor()),
                (true, ..) => add(Op::GreaterOrEqual, Version { prerelease: b"", ..next }),
                (_, true, true) => add(Op::Less, next),
                (_, true, _) => add(Op::Less, Version { prerelease: b"0", ..partial.floor() }),
                _ => {
                    add(Op::GreaterOrEqual, partial.floor());
                    add(Op::Less, next);
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;

    #[test]
    fn ranges() {
        table(
            satisfies,
            &[
                ("^1.2.3", "1.2.3 1.9.0 v1.3.0", "2.0.0 1.2.2 1.3.0-a 2.0.0-0"),
                ("^0.2.3", "0.2.4", "0.3.0"),
                ("^0.0.3", "0.0.3", "0.0.4"),
                ("^0.0", "0.0.9", "0.1.0"),
                ("^0.x", "0.9.9", "1.0.0"),
                ("^1.2.3-beta.2", "1.2.3-beta.2 1.2.3-beta.11 1.2.4", "1.2.3-beta.1 1.2.4-beta.3"),
                ("~1.2.3", "1.2.9", "1.3.0"),
                ("~1", "1.9.0", "2.0.0"),
                ("~> 1.2", "1.2.9", "1.3.0"),
                ("~> >= 1.2", "1.2.9", "1.3.0"),
                ("1.2.3 - 2.3", "1.2.3 2.3.9", "2.4.0 1.2.2"),
                ("1.2 - 2.3.4-a || >=9", "2.3.4-a 9.0.0 1.2.0", "2.3.4"),
                ("", "1.0.0", "1.0.0-a"),
                ("* || 1.0.0-a", "1.0.0", "1.0.0-a"),
                (">1.2", "1.3.0", "1.2.9"),
                ("<=1.2", "1.2.9", "1.3.0"),
                ("<1", "0.9.9", "1.0.0 1.0.0-a"),
                (">= 1.2.3 < 2", "1.5.0", "2.0.0 1.2.2"),
                ("> =1.2 < =2", "1.2.0 2.9.9", "1.1.9 3.0.0"),
                ("v 1.2 - 2.0.0", "1.2.0 2.0.0", "2.0.1"),
                ("1.x.x", "1.9.0", "2.0.0"),
                ("<x", "", "0.0.0"),
                (">=0.0.0 <=0.0.0-b", "0.0.0-a", "0.0.0-c"),
                ("=1.2.3+build", "1.2.3 1.2.3+other", "1.2.4"),
                ("npm:@scope/name@^1.0.0", "1.1.0", "2.0.0"),
            ],
        );
    }

    #[test]
    fn what_is_no_range() {
        for bad in [
            "latest",
            "^",
            "1.2.3.4",
            "1.2.3-",
            "01.2",
            "x.1",
            "> = 1.2.3",
            "1.2.3>2",
            "git+https://a/b",
            "file:../a",
            "npm:a",
            ">",
        ] {
            assert_eq!(satisfies(bad, "1.0.0"), None, "{bad}");
        }
        assert_eq!(satisfies("1", "1.0"), None);
    }
}
