//! Packagist: "Versions and constraints" of Composer, as composer/semver reads them (`VersionParser::parseConstraints`).
//!
//! Stability flags and references of branches are taken, and count as they do there: only for what the constraint compares
//! with. The project's minimum stability is not looked at.

use super::super::composer::{self, normalise};
use super::super::text::{is_digits, take_digits};
use super::Op;

/// Says whether a version satisfies a constraint.
pub(super) fn satisfies(requirement: &str, version: &str) -> Option<bool> {
    let version = normalise(version)?;
    let mut holds = false;
    for alternative in alternatives(requirement.trim_matches(composer::is_blank)) {
        let mut all = true;
        for one in conjuncts(alternative) {
            for (op, bound) in constraint(one)? {
                all &= admits(op, &version, &bound);
            }
        }
        holds |= all;
    }
    Some(holds)
}

/// Branches are the same or not, and no more.
fn admits(op: Op, version: &str, bound: &str) -> bool {
    match (op, version.starts_with("dev-") || bound.starts_with("dev-")) {
        (Op::Equal, true) => version == bound,
        (Op::NotEqual, true) => version != bound,
        (_, true) => false,
        _ => op.admits(composer::compare_normalised(version, bound)),
    }
}

/// Cuts at `|` and `||`.
fn alternatives(text: &str) -> Vec<&str> {
    let mut cut = Vec::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once('|') {
        cut.push(head.trim_end_matches(composer::is_space));
        rest = tail.strip_prefix('|').unwrap_or(tail).trim_start_matches(composer::is_space);
    }
    cut.push(rest);
    cut
}

/// Cuts at commas and blanks, but not at those of operators, hyphens and aliases.
fn conjuncts(text: &str) -> Vec<&str> {
    let (mut cut, mut start, mut at) = (Vec::new(), 0, 0);
    while at < text.len() {
        match separator(text.as_bytes(), at) {
            Some(end) => {
                cut.push(&text[start..at]);
                (start, at) = (end, end);
            }
            None => at += 1,
        }
    }
    cut.push(&text[start..]);
    cut
}

/// Where a separator ends that starts here.
fn separator(text: &[u8], at: usize) -> Option<usize> {
    let blanks = |from: usize| text[from..].iter().take_while(|byte| **byte == b' ').count();
    let before = &text[..at];
    if before.last().is_none_or(|last| b"=>< ,".contains(last)) || before.ends_with(b"as") {
        return None;
    }
    for lead in (0..=blanks(at)).rev() {
        let place = at + lead;
        let is_cut = matches!(text.get(place), Some(b',' | b' '));
        if !is_cut || text[place - 1] == b'-' || text.get(place + 1) == Some(&b'-') {
            continue;
        }
        for tail in (0..=blanks(place + 1)).rev() {
            let end = place + 1 + tail;
            if end < text.len() && text[end] != b',' && !text[end..].starts_with(b"as") {
                return Some(end);
            }
        }
    }
    None
}

type Bounds = Vec<(Op, String)>;

/// A version as it may stand in a constraint.
struct Partial<'a> {
    numbers: [Option<&'a str>; 4],
    /// It says how stable it is.
    stability: bool,
    /// It is `1.x-dev`.
    branch: bool,
}

impl Partial<'_> {
    /// How many numbers there are.
    fn known(&self) -> usize {
        self.numbers.iter().position(Option::is_none).unwrap_or(4)
    }

    /// The version with the number at a place raised and 0 behind it.
    fn raised(&self, place: usize, by: u64) -> Option<String> {
        let mut text = String::new();
        for at in 0..4 {
            let digits = self.numbers[at].filter(|_| at <= place).unwrap_or("0");
            text.push_str(if at == 0 { "" } else { "." });
            if at == place && by > 0 {
                let number: u64 = digits.parse().ok().filter(|number| *number < 1 << 62)?;
                text.push_str(&(number + by).to_string());
            } else {
                text.push_str(digits);
            }
        }
        Some(text + "-dev")
    }
}

/// Reads a version of a constraint: numbers, and a stability, or `.x-dev`, and metadata.
fn partial(text: &str) -> Option<Partial<'_>> {
    let plain = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let (plain, metadata) = plain.split_once('+').map_or((plain, None), |(plain, rest)| (plain, Some(rest)));
    if metadata.is_some_and(|rest| rest.is_empty() || rest.contains(composer::is_space)) {
        return None;
    }
    let mut numbers = [None; 4];
    let mut rest = plain.as_bytes();
    let mut used = 0;
    while used < 4 {
        let mut ahead = rest;
        if used > 0 && !super::super::text::take_byte(&mut ahead, b'.') {
            break;
        }
        let digits = take_digits(&mut ahead);
        if digits.is_empty() {
            break;
        }
        numbers[used] = std::str::from_utf8(digits).ok();
        (rest, used) = (ahead, used + 1);
    }
    if used == 0 {
        return None;
    }
    let lower = rest.to_ascii_lowercase();
    let branch = matches!(lower.as_slice(), b".x-dev" | b".x.dev" | b".xdev" | b".*-dev" | b".*.dev" | b".*dev");
    let stability = match composer::says_stability(rest) {
        Some(said) => said,
        None if branch => false,
        None => return None,
    };
    Some(Partial { numbers, stability, branch })
}

/// What one constraint asks for. None at all: anything.
fn constraint(text: &str) -> Option<Bounds> {
    let mut text = composer::without_alias(text).unwrap_or(text);
    let mut flag = None;
    if let Some((head, name)) = text.rsplit_once('@')
        && composer::is_stability(name)
        && !head.contains(|c: char| c == ',' || composer::is_space(c))
    {
        text = if head.is_empty() { "*" } else { head };
        flag = Some(name).filter(|name| *name != "stable");
    }
    text = without_reference(text);
    let stars = text.strip_prefix(['v', 'V']).unwrap_or(text);
    if !stars.is_empty() && stars.split('.').all(|one| matches!(one, "x" | "X" | "*")) {
        let any = stars.len() == 1 && stars.len() == text.len();
        return Some(if any { Vec::new() } else { vec![(Op::GreaterOrEqual, "0.0.0.0-dev".to_owned())] });
    }
    if let Some(version) = text.strip_prefix('~') {
        if let Some(partial) = partial(version) {
            return tilde(version, &partial);
        }
        if version.strip_prefix('>').is_some_and(|version| self::partial(version).is_some()) {
            return None;
        }
    }
    if let Some(version) = text.strip_prefix('^')
        && let Some(partial) = partial(version)
    {
        return caret(version, &partial);
    }
    if let Some(bounds) = wildcard(text) {
        return bounds;
    }
    if let Some((from, to)) = hyphen(text) {
        return between(from, to);
    }
    basic(text, flag)
}

/// `dev-main#0123abc` without what stands behind the `#`.
fn without_reference(text: &str) -> &str {
    match text.split_once('#') {
        Some((version, reference))
            if !reference.is_empty()
                && !version.contains(|c: char| matches!(c, ',' | '@') || composer::is_space(c))
                && (version.len() > 4 && version.is_char_boundary(4) && version[..4].eq_ignore_ascii_case("dev-")
                    || version.len() > 6 && version.to_ascii_lowercase().ends_with(".x-dev")) =>
        {
            version
        }
        _ => text,
    }
}

/// The version itself, development versions of it included where it does not say how stable it is.
fn floor(version: &str, partial: &Partial<'_>) -> Option<(Op, String)> {
    let suffix = if partial.stability || partial.branch { "" } else { "-dev" };
    Some((Op::GreaterOrEqual, normalise(&format!("{version}{suffix}"))?))
}

fn tilde(version: &str, partial: &Partial<'_>) -> Option<Bounds> {
    let position = partial.known() + usize::from(partial.branch);
    let place = position.saturating_sub(1).max(1) - 1;
    Some(vec![floor(version, partial)?, (Op::Less, partial.raised(place, 1)?)])
}

fn caret(version: &str, partial: &Partial<'_>) -> Option<Bounds> {
    let place = match partial.numbers {
        [Some("0"), Some("0"), Some(_), _] => 2,
        [Some("0"), Some(_), ..] => 1,
        _ => 0,
    };
    Some(vec![floor(version, partial)?, (Op::Less, partial.raised(place, 1)?)])
}

/// `1.2.*`. `None`: it is not of this form.
fn wildcard(text: &str) -> Option<Option<Bounds>> {
    let plain = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = [None; 4];
    let (mut known, mut stars) = (0, 0);
    for one in plain.split('.') {
        if matches!(one, "x" | "X" | "*") {
            stars += 1;
        } else if is_digits(one.as_bytes()) && stars == 0 && known < 3 {
            numbers[known] = Some(one);
            known += 1;
        } else {
            return None;
        }
    }
    if known == 0 || stars == 0 {
        return None;
    }
    let partial = Partial { numbers, stability: false, branch: false };
    let bounds = || {
        let (low, high) = (partial.raised(known - 1, 0)?, partial.raised(known - 1, 1)?);
        let all = [(Op::GreaterOrEqual, low), (Op::Less, high)];
        Some(all.into_iter().filter(|(_, bound)| bound != "0.0.0.0-dev").collect())
    };
    Some(bounds())
}

fn hyphen(text: &str) -> Option<(&str, &str)> {
    let (from, to) = text.split_once(" - ")?;
    let (from, to) = (from.trim_end_matches(' '), to.trim_start_matches(' '));
    (partial(from).is_some() && partial(to).is_some()).then_some((from, to))
}

fn between(from: &str, to: &str) -> Option<Bounds> {
    let (low, high) = (partial(from)?, partial(to)?);
    let suffix = if low.stability || low.branch { "" } else { "-dev" };
    let low = normalise(from)? + suffix;
    let upper = if high.known() >= 3 || high.stability || high.branch {
        (Op::LessOrEqual, normalise(to)?)
    } else {
        normalise(to)?;
        (Op::Less, high.raised(high.known() - 1, 1)?)
    };
    Some(vec![(Op::GreaterOrEqual, low), upper])
}

fn basic(text: &str, flag: Option<&str>) -> Option<Bounds> {
    let operators = [
        ("<>", Op::NotEqual),
        ("!=", Op::NotEqual),
        (">=", Op::GreaterOrEqual),
        (">", Op::Greater),
        ("<=", Op::LessOrEqual),
        ("<", Op::Less),
        ("==", Op::Equal),
        ("=", Op::Equal),
    ];
    let (op, rest) =
        operators.into_iter().find_map(|(name, op)| Some((op, text.strip_prefix(name)?))).unwrap_or((Op::Equal, text));
    let rest = rest.trim_start_matches(composer::is_space);
    let mut version = normalise(rest).or_else(|| {
        let branch = rest.strip_suffix("-dev")?;
        let plain = branch.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-./".contains(&byte));
        plain.then(|| format!("dev-{branch}"))
    })?;
    if let Some(flag) = flag.filter(|_| op != Op::Equal && composer::is_stable(&version)) {
        version = format!("{version}-{flag}");
    } else if matches!(op, Op::Less | Op::GreaterOrEqual)
        && !rest.starts_with("dev-")
        && !composer::ends_with_modifier(&rest.to_ascii_lowercase())
    {
        version.push_str("-dev");
    }
    Some(vec![(op, version)])
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;

    #[test]
    fn constraints() {
        table(
            satisfies,
            &[
                ("^1.2.3", "1.2.3 1.9 1.2.3-dev", "2.0 2.0-dev 1.2.2"),
                ("^0.3", "0.3.9", "0.4 0.2"),
                ("^0.0.3", "0.0.3", "0.0.4"),
                ("^1.0-beta", "1.0-beta 1.0", "1.0-alpha 1.0-dev"),
                ("~1.2", "1.2 1.9", "2.0 1.1"),
                ("~1.2.3", "1.2.9", "1.3"),
                ("~1", "1.9", "2.0"),
                ("1.2.*", "1.2.9 1.2-dev", "1.3"),
                ("1.0 - 2.0", "1.0 2.0.9", "2.1 0.9"),
                ("1.0.0 - 2.1.0", "2.1.0", "2.1.1"),
                (">=1.0 <1.1 || >=1.2", "1.0.5 1.2", "1.1"),
                (">=1.0,<2.0|3.*", "1.5 3.3", "2.5"),
                ("*", "1.0 dev-main", ""),
                ("dev-main", "dev-main", "dev-other 1.0"),
                ("dev-main#0123abc", "dev-main", "1.0"),
                ("!=1.0", "1.1 dev-main", "1.0.0"),
                (">=1.0@beta", "1.0-beta1 1.0", "1.0-alpha 1.0-dev"),
                ("1.0 as 2.0", "1.0", "2.0"),
                ("1.x-dev", "1.x-dev", "1.0"),
            ],
        );
        for bad in ["", "~>1.0", "foo", "1.0 ~ 2", ">=1.0.0.0.0", "1.0 - foo"] {
            assert_eq!(satisfies(bad, "1.0"), None, "{bad}");
        }
    }
}
