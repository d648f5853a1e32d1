//! RubyGems: `Gem::Requirement`, several with commas between; all must hold.

use super::super::gem::{self, Segment};
use super::super::text::compare_digits;
use super::Op;

/// Says whether a version satisfies requirements.
pub(super) fn satisfies(requirement: &str, version: &str) -> Option<bool> {
    if !gem::is_valid(version) {
        return None;
    }
    let mut holds = true;
    for one in requirement.split(',') {
        let one = one.trim_matches(is_blank);
        let (operator, bound) = one.split_at(one.find(|c: char| !"=!<>~".contains(c))?);
        let bound = bound.trim_start_matches(is_blank);
        if bound.is_empty() || !gem::is_valid(bound) {
            return None;
        }
        let op = match operator {
            "" | "=" => Op::Equal,
            "!=" => Op::NotEqual,
            "<" => Op::Less,
            "<=" => Op::LessOrEqual,
            ">" => Op::Greater,
            ">=" => Op::GreaterOrEqual,
            "~>" => {
                holds &= gem::compare(version, bound).is_ge() && is_below_next(version, bound);
                continue;
            }
            _ => return None,
        };
        holds &= op.admits(gem::compare(version, bound));
    }
    Some(holds)
}

fn is_blank(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// The numbers before the first word.
fn numbers(version: &str) -> impl Iterator<Item = &[u8]> {
    gem::segments(version).map_while(|segment| match segment {
        Segment::Number(digits) => Some(digits),
        Segment::Word(_) => None,
    })
}

/// True where the version's release is below the bound with its last number dropped and the one before it raised: the numbers
/// that are left are not above the bound's.
fn is_below_next(version: &str, bound: &str) -> bool {
    let kept = numbers(bound).count().saturating_sub(1).max(1);
    let padded = numbers(version).chain(std::iter::repeat(&b"0"[..]));
    numbers(bound).take(kept).zip(padded).map(|(bound, own)| compare_digits(own, bound)).find(|order| order.is_ne())
        != Some(std::cmp::Ordering::Greater)
}

#[cfg(test)]
mod tests {
    use super::super::tests::table;
    use super::*;

    #[test]
    fn requirements() {
        table(
            satisfies,
            &[
                ("~> 1.2", "1.2 1.9.9 1.2.1.a 1.9.a", "2.0 1.1 1.2.a 2.0.a"),
                ("~>1.2.3", "1.2.3 1.2.9", "1.3 1.2.2"),
                ("~> 1", "1.9", "2.0 0.9"),
                ("~> 1.2.a", "1.2.b 1.9", "2"),
                (">= 1.2, < 2, != 1.3", "1.2 1.4", "1.3.0 2 1.1"),
                ("1.0", "1 1.0.0", "1.0.1"),
                ("~> 0", "0.9", "1"),
            ],
        );
        for bad in ["", ">=", "~> x", "=> 1", "1,,2", "> = 1", "^1.0"] {
            assert_eq!(satisfies(bad, "1.0"), None, "{bad}");
        }
        assert_eq!(satisfies(">= 1", "1_0"), None);
    }
}
