//! Secrets without a form of their own, told by the name that they are given to: passwords, keys, tokens.
//!
//! No expression could tell a value from a name well enough: this is written by hand. A hit of a name is extended to the
//! whole identifier and cut into words; what follows it is read as an assignment in any of the common notations; the
//! value is then judged by what it looks like.

mod forms;
mod judge;
mod names;
mod notation;

use provost_model::Confidence;

use crate::context::Kind;

/// Parts of names that are looked for; each is the beginning of a word.
#[rustfmt::skip]
pub(crate) const HITS: &[&str] = &[
    "pass", "pwd", "secret", "token", "key", "auth", "cred", "salt", "jwt", "cookie", "session", "bearer", "nonce",
    "identified",
];

/// The longest identifier, in bytes.
const NAME: usize = 80;

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Something that a person may have made up.
    Password,
    /// Something that a machine made.
    Token,
    /// Something that is called a key, and nothing more.
    Key,
}

/// A value that was assigned to a telling name.
pub(crate) struct Assigned {
    pub class: Class,
    pub start: usize,
    pub end: usize,
    pub confidence: Confidence,
    pub why: String,
}

/// True where a name is that of a variable of the environment which a line of its own sets: `API_KEY=value`. In prose too it is
/// meant as a setting.
fn is_variable(bytes: &[u8], name: &std::ops::Range<usize>) -> bool {
    let text = &bytes[name.clone()];
    let capitals = text.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_');
    if !capitals || !text.contains(&b'_') || bytes.get(name.end) != Some(&b'=') {
        return false;
    }
    let before = &bytes[name.start.saturating_sub(16)..name.start];
    let line = before.rsplit(|b| *b == b'\n').next().unwrap_or_default();
    let line = line.trim_ascii();
    let begins = before.len() == name.start || before.contains(&b'\n');
    let mut rest = bytes[name.end + 1..].iter().take(200).take_while(|b| **b != b'\n');
    begins && matches!(line, b"" | b"#" | b"export" | b"# export") && rest.all(|b| *b != b' ')
}

/// Looks at a hit of one of [`HITS`]. Returns where the identifier ends, for the caller to pass over further hits in it,
/// and what was found.
pub(crate) fn look(bytes: &[u8], hit: usize, kind: Kind) -> (usize, Option<Assigned>) {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$');
    let before = bytes[..hit].iter().rev().take(NAME).take_while(|b| is_name(**b)).count();
    let after = bytes[hit..].iter().take(NAME).take_while(|b| is_name(**b)).count();
    let (mut start, mut end) = (hit - before, hit + after);
    // A sentence's end, an option's dashes and a variable's sign are not of the name.
    while end > hit && matches!(bytes[end - 1], b'.' | b'-' | b'$') {
        end -= 1;
    }
    let dashes = bytes[start..end].iter().take_while(|b| matches!(b, b'-' | b'.' | b'$')).count();
    start += dashes;
    if start >= end {
        return (hit + 1, None);
    }
    let is_option = dashes > 0 && bytes[start - 1] == b'-';
    let name = start..end;
    let kind = if kind == Kind::Text && is_variable(bytes, &name) { Kind::Settings } else { kind };
    let place = notation::Place { bytes, kind, name: name.clone(), is_option };
    let identified = bytes[name.clone()].eq_ignore_ascii_case(b"identified");
    let class = if identified { Some(Class::Password) } else { names::class_of(&bytes[name.clone()]) };
    let Some(class) = class else { return (end, None) };
    let literal = if identified { place.identified_by() } else { place.value() };
    let Some(literal) = literal else { return (end, None) };
    let found = judge::judge(class, kind, &bytes[name], bytes, &literal).map(|(confidence, why)| Assigned {
        class,
        start: literal.from,
        end: literal.to,
        confidence,
        why,
    });
    (end, found)
}
