//! Python: version specifiers of PEP 440, with commas between, as `packaging.specifiers.SpecifierSet` reads them.
//!
//! A prerelease satisfies them only where one of them names a prerelease, other than to exclude it: what pip does while there
//! is a release to take.

use super::super::pep440::{self, Version};
use super::super::semver::compare_numbers;
use super::super::text::compare_digits;
use super::Op;

/// How a version must stand to a specifier's.
enum Clause<'a> {
    Ordered(Op, Version<'a>),
    Compatible(Version<'a>),
    /// All versions that start like it, or (false) all others.
    Prefix(Version<'a>, bool),
    /// The same text.
    Identical(&'a str),
}

/// Says whether a version satisfies specifiers.
pub(super) fn satisfies(requirement: &str, version: &str) -> Option<bool> {
    let read = pep440::parse(version)?;
    let text = requirement.trim();
    let text = text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text);
    let mut holds = true;
    let mut prereleases = !read.is_prerelease();
    for clause in text.split(',').map(str::trim).filter(|clause| !clause.is_empty()) {
        let clause = clause_of(clause)?;
        prereleases |= match &clause {
            Clause::Ordered(Op::NotEqual, _) | Clause::Prefix(..) => false,
            Clause::Ordered(_, bound) | Clause::Compatible(bound) => bound.is_prerelease(),
            Clause::Identical(text) => pep440::parse(text).is_some_and(|bound| bound.is_prerelease()),
        };
        holds &= admits(&clause, &read, version);
    }
    Some(holds && prereleases)
}

fn clause_of(text: &str) -> Option<Clause<'_>> {
    let operators =
        ["===", "==", "!=", "~=", "<=", ">=", "<", ">"].into_iter().find_map(|op| Some((op, text.strip_prefix(op)?)));
    let (operator, rest) = operators?;
    let rest = rest.trim_start();
    if operator == "===" {
        let is_text = !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c == ';' || c == ')');
        return is_text.then_some(Clause::Identical(rest));
    }
    let equality = matches!(operator, "==" | "!=");
    if let Some(prefix) = rest.strip_suffix(".*").filter(|prefix| equality && prefix.trim_end() == *prefix) {
        let version = pep440::parse(prefix).filter(|version| is_bare(version) && version.local.is_none())?;
        return Some(Clause::Prefix(version, operator == "=="));
    }
    let version = pep440::parse(rest).filter(|version| equality || version.local.is_none())?;
    let op = match operator {
        "==" => Op::Equal,
        "!=" => Op::NotEqual,
        "<=" => Op::LessOrEqual,
        ">=" => Op::GreaterOrEqual,
        "<" => Op::Less,
        ">" => Op::Greater,
        _ => return version.release.contains(&b'.').then_some(Clause::Compatible(version)),
    };
    Some(Clause::Ordered(op, version))
}

/// Nothing but an epoch, numbers and a local label.
fn is_bare(version: &Version<'_>) -> bool {
    version.pre.is_none() && version.post.is_none() && version.dev.is_none()
}

fn admits(clause: &Clause<'_>, version: &Version<'_>, text: &str) -> bool {
    match clause {
        Clause::Identical(bound) => text.to_lowercase() == bound.to_lowercase(),
        Clause::Prefix(bound, wanted) => starts_like(version, bound.epoch, bound.release) == *wanted,
        Clause::Compatible(bound) => {
            let prefix =
                bound.release.iter().rposition(|&byte| byte == b'.').map_or(&b""[..], |at| &bound.release[..at]);
            version.compare(bound).is_ge() && starts_like(version, bound.epoch, prefix)
        }
        Clause::Ordered(op, bound) => ordered(*op, version, bound),
    }
}

fn ordered(op: Op, version: &Version<'_>, bound: &Version<'_>) -> bool {
    match op {
        Op::Equal | Op::NotEqual if bound.local.is_some() => op.admits(version.compare(bound)),
        Op::GreaterOrEqual => op.admits(version.compare(bound)),
        // What comes before a release are not its own prereleases.
        Op::Less if !bound.is_prerelease() => op.admits(version.compare_public(&Version { dev: Some(b"0"), ..*bound })),
        // What comes after it are not its own post-releases.
        Op::Greater if bound.post.is_none() && bound.dev.is_none() => {
            let first = Version { post: Some(b"0"), dev: Some(b"0"), local: None, ..*bound };
            let same = |a: &Version<'_>, b: &Version<'_>| {
                a.compare_public(&Version { post: a.post, dev: a.dev, local: None, ..*b }).is_eq()
            };
            op.admits(version.compare_public(bound))
                && !(version.post.is_some() && version.compare_public(&first).is_ge() && same(version, bound))
        }
        _ => op.admits(version.compare_public(bound)),
    }
}

/// The same epoch, and the same numbers at the start.
fn starts_like(version: &Version<'_>, epoch: &[u8], prefix: &[u8]) -> bool {
    let count = prefix.split(|&byte| byte == b'.').count();
    let mut dots = version.release.iter().enumerate().filter(|(_, byte)| **byte == b'.');
    let end = dots.nth(count - 1).map_or(version.release.len(), |(at, _)| at);
    compare_digits(version.epoch, epoch).is_eq() && compare_numbers(&version.release[..end], prefix).is_eq()
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;

    #[test]
    fn specifiers() {
        table(
            satisfies,
            &[
                ("", "1.0", "1.0a1"),
                ("~=2.2", "2.2 2.9 2.2.post3 2.2+x", "3.0 2.1 2.3a1 1!2.3"),
                ("~=2.2.0", "2.2.1", "2.3"),
                ("~= 2.2.post3", "2.2.post3 2.9", "2.2 3.dev0"),
                ("==1.0", "1 1.0+local", "1.0.post1"),
                ("==1.0+local", "1.0+LOCAL", "1.0"),
                ("==1.1.*", "1.1 1.1.9 1.1.post1", "1.10 1.1a1 1"),
                ("==1.1.*, >=1.1a0", "1.1a1 1.1", "1.2"),
                ("==1.0.*", "1 1.0.5", "1.1"),
                ("!=1.1.*", "1.2 1.2", "1.1.0"),
                (">1.7", "1.7.1", "1.7 1.7.0.post1 1.7+local 1.7.post2.dev1"),
                (">1.7.post2", "1.7.post3 1.8", "1.7.post2+local 1.7.0"),
                (">1.7a1", "1.7a2 1.7 1.7.post1", "1.7a1.post1 1.7a1"),
                ("<1.7", "1.6.9 1.6.post1", "1.7 1.7a1 1.7.dev0"),
                ("<1.7rc1", "1.7b1 1.6", "1.7rc1 1.7"),
                ("<=1.7", "1.7 1.7+local", "1.7.post1"),
                (">=1.0.dev1", "1.0a1 1.0.dev1 2.0a1", "1.0.dev0"),
                ("===1.0-Foo, >=0", "", "1.0"),
                ("===1.0", "1.0", "1 1.0.0"),
                ("(>=1,<2)", "1.5", "2"),
            ],
        );
        for bad in
            ["1.0", "=1.0", "~=1", ">=1.*", "==1.0a1.*", ">=1.0+x", "==", "==1.0.*+x", "^1.0", ">=1 <2", "==1 .*"]
        {
            assert_eq!(satisfies(bad, "1.0"), None, "{bad}");
        }
        assert_eq!(satisfies(">=1", "nonsense"), None);
    }
}
