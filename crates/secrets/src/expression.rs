//! Expressions, and where in a text they have to be tried.
//!
//! A rule's keyword often is the beginning of its pattern. Then a match can begin at one place only, told by where the
//! keyword was found, and the expression is tried there alone: it fails after a few bytes instead of searching a window.

use regex_automata::meta::{Config, Regex};
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::rule::{BEFORE, WINDOW};

/// Size of a compiled expression, in bytes.
const COMPILED: usize = 4 << 20;
/// Branches of a pattern's beginning that are told apart.
const BRANCHES: usize = 256;
/// Bytes of a beginning that are looked at.
const BEGINNING: usize = 24;

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Expression {
    regex: Regex,
    secret: Option<usize>,
    /// The longest match in bytes, at most [`WINDOW`].
    pub longest: usize,
    /// For each keyword, how far before it a match may begin; `None` when it may begin anywhere.
    pub begins: Option<Vec<Vec<usize>>>,
}

/// A match: all of it, the named or first group.
pub(crate) struct Found {
    pub whole: std::ops::Range<usize>,
    pub secret: std::ops::Range<usize>,
}

impl Expression {
    /// Compiles a pattern.
    pub(crate) fn new(pattern: &str, keywords: &[String]) -> Result<Self, String> {
        let parsed = regex_syntax::ParserBuilder::new().unicode(false).utf8(false).build().parse(pattern);
        let parsed = parsed.map_err(|e| e.to_string())?;
        let longest = parsed.properties().maximum_len().unwrap_or(WINDOW).min(WINDOW);
        let config = Config::new()
            .nfa_size_limit(Some(COMPILED))
            .onepass_size_limit(Some(COMPILED / 4))
            .hybrid_cache_capacity(COMPILED / 2)
            .utf8_empty(false);
        let regex = Regex::builder()
            .configure(config)
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_from_hir(&parsed)
            .map_err(|e| e.to_string())?;
        let secret = regex.group_info().to_index(regex_automata::PatternID::ZERO, "secret");
        let begins = begins(&parsed, keywords);
        Ok(Self { regex, secret, longest, begins })
    }

    /// The first match that begins at or after `from`, or exactly there, and ends before `until`.
    pub(crate) fn find(&self, bytes: &[u8], from: usize, until: usize, here: bool, group: usize) -> Option<Found> {
        let anchored = if here { Anchored::Yes } else { Anchored::No };
        let input = Input::new(&bytes[..until]).range(from..until).anchored(anchored);
        // Most attempts fail: groups are asked for only when there is a match.
        let whole = self.regex.find(input)?;
        let input = Input::new(&bytes[..until]).range(whole.start()..until).anchored(Anchored::Yes);
        let mut captures = self.regex.create_captures();
        self.regex.search_captures(&input, &mut captures);
        let span = captures.get_group(self.secret.unwrap_or(group)).or_else(|| captures.get_group(0))?;
        Some(Found { whole: whole.range(), secret: span.range() })
    }
}

/// One position of a beginning: the bytes that may stand there.
type Position = Vec<u8>;

/// Where each keyword stands in the pattern's beginnings, when every beginning has one.
fn begins(hir: &Hir, keywords: &[String]) -> Option<Vec<Vec<usize>>> {
    let mut branches = vec![Branch::default()];
    extend(hir, &mut branches)?;
    let mut offsets = vec![Vec::new(); keywords.len()];
    for branch in &branches {
        let mut has_one = false;
        for (keyword, offsets) in keywords.iter().zip(&mut offsets) {
            let keyword = keyword.as_bytes();
            for offset in 0..=branch.positions.len().checked_sub(keyword.len()).map_or(-1, |n| n as isize) {
                let offset = offset as usize;
                let at = &branch.positions[offset..offset + keyword.len()];
                let forced = at
                    .iter()
                    .zip(keyword)
                    .all(|(position, byte)| position.iter().all(|possible| possible.eq_ignore_ascii_case(byte)));
                if forced && offset <= BEFORE {
                    has_one = true;
                    if !offsets.contains(&offset) {
                        offsets.push(offset);
                    }
                }
            }
        }
        if !has_one {
            return None;
        }
    }
    Some(offsets)
}

#[derive(Clone, Default)]
struct Branch {
    positions: Vec<Position>,
    ended: bool,
}

/// Puts what an expression begins with behind every branch. `None` when there are too many.
fn extend(hir: &Hir, branches: &mut Vec<Branch>) -> Option<()> {
    let push = |branches: &mut Vec<Branch>, position: &Position| {
        for branch in branches.iter_mut().filter(|b| !b.ended) {
            branch.positions.push(position.clone());
            branch.ended = branch.positions.len() >= BEGINNING;
        }
    };
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|byte| push(branches, &vec![*byte])),
        HirKind::Class(class) => {
            let bytes: Option<Vec<u8>> = match class {
                Class::Bytes(class) => Some(class.ranges().iter().flat_map(|r| r.start()..=r.end()).collect()),
                Class::Unicode(class) => {
                    class.ranges().iter().flat_map(|r| r.start()..=r.end()).map(|c| u8::try_from(c).ok()).collect()
                }
            };
            match bytes {
                Some(bytes) => push(branches, &bytes),
                None => branches.iter_mut().for_each(|branch| branch.ended = true),
            }
        }
        HirKind::Capture(capture) => extend(&capture.sub, branches)?,
        HirKind::Concat(parts) => {
            for part in parts {
                if branches.iter().all(|branch| branch.ended) {
                    break;
                }
                extend(part, branches)?;
            }
        }
        HirKind::Alternation(parts) => {
            let before = std::mem::take(branches);
            for part in parts {
                let mut with = before.clone();
                extend(part, &mut with)?;
                branches.extend(with);
                if branches.len() > BRANCHES {
                    return None;
                }
            }
        }
        HirKind::Repetition(repetition) => {
            let max = repetition.max.unwrap_or(u32::MAX);
            if max <= 1 && repetition.min == 0 {
                let mut with = branches.clone();
                extend(&repetition.sub, &mut with)?;
                branches.extend(with);
                if branches.len() > BRANCHES {
                    return None;
                }
            } else {
                for _ in 0..repetition.min.min(BEGINNING as u32) {
                    extend(&repetition.sub, branches)?;
                }
                if max != repetition.min {
                    branches.iter_mut().for_each(|branch| branch.ended = true);
                }
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pattern: &str, keywords: &[&str]) -> Option<Vec<Vec<usize>>> {
        let keywords: Vec<String> = keywords.iter().map(|word| (*word).to_owned()).collect();
        Expression::new(pattern, &keywords).expect("it compiles").begins
    }

    #[test]
    fn where_a_match_may_begin() {
        assert_eq!(of(r"\b(?<secret>ghp_[0-9A-Za-z]{36})\b", &["ghp_"]), Some(vec![vec![0]]));
        assert_eq!(of(r"(?i:https?)://[a-z]+", &["http://", "https://"]), Some(vec![vec![0], vec![0]]));
        assert_eq!(of(r"xo[xy]b-[0-9]", &["oxb-", "oyb-"]), None);
        assert_eq!(of(r"(?:ab|cd)_key_[0-9]+", &["_key_"]), Some(vec![vec![2]]));
        assert_eq!(of(r"(?:ab|cd)?_key_[0-9]+", &["_key_"]), Some(vec![vec![0, 2]]));
        assert_eq!(of(r"[a-z]+_key_[0-9]+", &["_key_"]), None);
        assert_eq!(of(r"(?:abc|xyz)[0-9]", &["abc"]), None);
    }
}
