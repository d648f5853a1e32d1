//! What JSON, YAML and TOML have in common: a tree of values that know their line.
//!
//! Lockfiles are read through this one tree, so that line numbers, limits, repeated keys and wrong types are dealt with in
//! one place. Numbers stay as they are written: a version `1.10` is not 1.1.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use provost_model::Problem;

use super::{LockError, MAXIMUM_BYTES};

pub(crate) mod json;
pub(crate) mod term;
pub(crate) mod toml;
pub(crate) mod xml;
pub(crate) mod yaml;
pub(crate) mod yarn;

/// Values of one file that are read at most: what 500,000 packages need, with room.
pub(crate) const MAXIMUM_NODES: usize = 16 << 20;

/// Repeated keys of one file that are told of.
const MAXIMUM_REPEATED: usize = 1000;

/// Problems of one file that are told of.
const MAXIMUM_PROBLEMS: usize = 10_000;

/// A value and the line that it stands in (of a table's entry: the line of its key).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node<'a> {
    /// Counted from 1.
    pub(crate) line: u32,
    /// The value.
    pub(crate) value: Value<'a>,
}

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number of JSON or TOML (or a time of TOML), as written. Numbers of YAML are text.
    Number(Cow<'a, str>),
    /// Text.
    Text(Cow<'a, str>),
    /// A list.
    List(Vec<Node<'a>>),
    /// A table, each key once.
    Table(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// The entry of a table; `None` too where it is null, or where this is no table.
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'a>> {
        let node = self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)?;
        (node.value != Value::Null).then_some(node)
    }

    /// Text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Text or a number as it is written.
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) | Value::Number(text) => Some(text),
            _ => None,
        }
    }

    /// True where it is the value true.
    pub(crate) fn is_true(&self) -> bool {
        self.value == Value::Bool(true)
    }

    /// Entries of a table; none where it is none.
    pub(crate) fn entries(&self) -> &[(Cow<'a, str>, Node<'a>)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// Items of a list; none where it is none.
    pub(crate) fn items(&self) -> &[Node<'a>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// What kind of value it is, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }
}

/// A file's values, and what was odd about how they are written.
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    /// The value; of a YAML file with several documents, the first.
    pub(crate) root: Node<'a>,
    /// Further documents of a YAML file.
    pub(crate) more: Vec<Node<'a>>,
    /// Keys that stand twice in one table. The last of them counts, as it does for `JSON.parse`.
    pub(crate) problems: Vec<Problem>,
}

/// A table's entries with each key once: the last of them counts, and the others become problems.
fn unique<'a>(
    mut entries: Vec<(Cow<'a, str>, Node<'a>)>,
    problems: &mut Vec<Problem>,
) -> Vec<(Cow<'a, str>, Node<'a>)> {
    let repeated = if entries.len() <= 12 {
        entries.iter().enumerate().any(|(at, (key, _))| entries[..at].iter().any(|(other, _)| other == key))
    } else {
        let mut seen = HashSet::with_capacity(entries.len());
        entries.iter().any(|(key, _)| !seen.insert(key))
    };
    if repeated {
        let mut last: HashMap<String, usize> = HashMap::new();
        for (at, (key, _)) in entries.iter().enumerate() {
            last.insert(key.to_string(), at);
        }
        let mut at = 0;
        entries.retain(|(key, node)| {
            let stays = last.get(key.as_ref()) == Some(&at);
            if !stays && problems.len() < MAXIMUM_REPEATED {
                let what = format!("key `{}` stands twice in one table; the last one counts", shown(key));
                problems.push(Problem { line: Some(node.line.into()), what });
            }
            at += 1;
            stays
        });
    }
    entries
}

/// A file's text: UTF-8 or, where a byte order mark says so, UTF-16; without the mark.
///
/// # Errors
/// It is too long or not text, or a merge left both sides of a conflict in it.
pub(crate) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, LockError> {
    if bytes.len() > MAXIMUM_BYTES {
        return Err(LockError::new(format!("longer than {MAXIMUM_BYTES} bytes: not read")));
    }
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => Cow::Owned(wide(rest, u16::from_le_bytes)?),
        [0xfe, 0xff, rest @ ..] => Cow::Owned(wide(rest, u16::from_be_bytes)?),
        _ => {
            let rest = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            match std::str::from_utf8(rest) {
                Ok(text) => Cow::Borrowed(text),
                Err(error) => {
                    let line = 1 + memchr::memchr_iter(b'\n', &rest[..error.valid_up_to()]).count();
                    return Err(LockError::at(line as u64, "not UTF-8 text"));
                }
            }
        }
    };
    for at in memchr::memmem::find_iter(text.as_bytes(), b"<<<<<<< ") {
        if at == 0 || text.as_bytes()[at - 1] == b'\n' {
            let line = 1 + memchr::memchr_iter(b'\n', &text.as_bytes()[..at]).count();
            let what = "a merge left a conflict here (`<<<<<<<`): resolve it and write the lockfile anew";
            return Err(LockError::at(line as u64, what));
        }
    }
    Ok(text)
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, LockError> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let text = char::decode_utf16(pairs.iter().map(|pair| unit(*pair))).collect::<Result<String, _>>();
    match text {
        Ok(text) if rest.is_empty() => Ok(text),
        _ => Err(LockError::new("not UTF-16 text")),
    }
}

/// Foreign text as a message may carry it: short and without control characters.
pub(crate) fn shown(text: &str) -> String {
    const LENGTH: usize = 120;
    let mut out: String =
        text.chars().take(LENGTH).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    if text.chars().nth(LENGTH).is_some() {
        out.push('…');
    }
    out
}

/// Notes something that cannot be read. After many, one more says that there are others.
pub(crate) fn note(problems: &mut Vec<Problem>, line: Option<u64>, what: impl Into<String>) {
    match problems.len() {
        0..MAXIMUM_PROBLEMS => problems.push(Problem { line, what: what.into() }),
        MAXIMUM_PROBLEMS => problems.push(Problem { line: None, what: "there are more problems".to_owned() }),
        _ => {}
    }
}

/// Adds the problems of one entry to those of the whole.
pub(crate) fn tell(problems: &mut Vec<Problem>, more: &mut Vec<Problem>) {
    for problem in more.drain(..) {
        note(problems, problem.line, problem.what);
    }
}

/// Reads the fields of a table that stands for one entry. A field of the wrong type becomes a problem, and reads as absent.
pub(crate) struct Fields<'n, 'a, 'p> {
    node: &'n Node<'a>,
    entry: &'p str,
    problems: &'p mut Vec<Problem>,
}

impl<'n, 'a, 'p> Fields<'n, 'a, 'p> {
    /// Of an entry. Nothing at all is an empty table; where it is anything else, that is a problem.
    pub(crate) fn of(node: &'n Node<'a>, entry: &'p str, problems: &'p mut Vec<Problem>) -> Option<Self> {
        if matches!(node.value, Value::Table(_) | Value::Null) {
            return Some(Self { node, entry, problems });
        }
        let what = format!("`{}` is {}, not a table", shown(entry), node.kind());
        note(problems, Some(node.line.into()), what);
        None
    }

    /// The line of the entry.
    pub(crate) fn line(&self) -> Option<u64> {
        Some(self.node.line.into())
    }

    /// Notes that something about this entry cannot be read.
    pub(crate) fn problem(&mut self, what: &str) {
        let what = format!("`{}`: {what}", shown(self.entry));
        note(self.problems, Some(self.node.line.into()), what);
    }

    /// Notes that something in a line of this entry cannot be read, in words that say which entry.
    pub(crate) fn problem_at(&mut self, line: u32, what: &str) {
        note(self.problems, Some(line.into()), what.to_owned());
    }

    fn typed<T>(&mut self, key: &str, wanted: &str, read: fn(&'n Node<'a>) -> Option<T>) -> Option<T> {
        let node = self.node.get(key)?;
        let value = read(node);
        if value.is_none() {
            let what = format!("`{}`: `{key}` is {}, not {wanted}", shown(self.entry), node.kind());
            note(self.problems, Some(node.line.into()), what);
        }
        value
    }

    /// Any field as it stands.
    pub(crate) fn get(&self, key: &str) -> Option<&'n Node<'a>> {
        self.node.get(key)
    }

    /// Text.
    pub(crate) fn text(&mut self, key: &str) -> Option<&'n str> {
        self.typed(key, "text", Node::text)
    }

    /// Text that is the same for a program whether quoted or not.
    pub(crate) fn scalar(&mut self, key: &str) -> Option<&'n str> {
        self.typed(key, "text", Node::scalar)
    }

    /// True or false; false where absent.
    pub(crate) fn flag(&mut self, key: &str) -> bool {
        let read = |node: &'n Node<'a>| match node.value {
            Value::Bool(value) => Some(value),
            _ => None,
        };
        self.typed(key, "true or false", read).unwrap_or(false)
    }

    /// Entries of a table; none where absent.
    pub(crate) fn table(&mut self, key: &str) -> &'n [(Cow<'a, str>, Node<'a>)] {
        let read = |node: &'n Node<'a>| matches!(node.value, Value::Table(_)).then(|| node.entries());
        self.typed(key, "a table", read).unwrap_or_default()
    }

    /// Items of a list; none where absent.
    pub(crate) fn list(&mut self, key: &str) -> &'n [Node<'a>] {
        let read = |node: &'n Node<'a>| matches!(node.value, Value::List(_)).then(|| node.items());
        self.typed(key, "a list", read).unwrap_or_default()
    }

    /// Entries of a table whose values are text: those that are not become problems.
    pub(crate) fn texts(&mut self, key: &str) -> Vec<(&'n str, &'n str, u32)> {
        let mut texts = Vec::new();
        for (name, node) in self.table(key) {
            match node.text() {
                Some(text) => texts.push((name.as_ref(), text, node.line)),
                None => {
                    let (entry, name) = (shown(self.entry), shown(name));
                    let what = format!("`{entry}`: `{key}`: `{name}` is {}, not text", node.kind());
                    note(self.problems, Some(node.line.into()), what);
                }
            }
        }
        texts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_with_any_mark_and_conflicts_are_told() {
        assert_eq!(decode(b"\xef\xbb\xbf{}").unwrap(), "{}");
        assert_eq!(decode(b"\xff\xfe{\0}\0").unwrap(), "{}");
        assert_eq!(decode(b"\xfe\xff\0{\0}").unwrap(), "{}");
        assert!(decode(b"\xff\xfe{").is_err());
        assert_eq!(decode(b"a\n\xc0").unwrap_err().line, Some(2));
        let error = decode(b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> x\n").unwrap_err();
        assert_eq!(error.line, Some(2));
        assert!(error.what.contains("conflict"));
        assert!(decode(b"a <<<<<<< HEAD\n").is_ok());
    }

    #[test]
    fn bytes_and_problems_are_limited() {
        assert!(decode(&vec![b' '; MAXIMUM_BYTES + 1]).unwrap_err().what.contains("longer"));
        let mut problems = Vec::new();
        let mut more: Vec<Problem> =
            (0..MAXIMUM_PROBLEMS as u64 + 5).map(|line| Problem { line: Some(line), what: "x".to_owned() }).collect();
        tell(&mut problems, &mut more);
        assert_eq!(problems.len(), MAXIMUM_PROBLEMS + 1);
        assert_eq!(problems.last().unwrap().what, "there are more problems");
        assert_eq!(shown(&"a\n".repeat(100)).chars().count(), 121);
    }

    #[test]
    fn the_last_of_equal_keys_counts_and_the_others_are_problems() {
        for filler in [0, 20] {
            let node = |line, text: &'static str| Node { line, value: Value::Text(text.into()) };
            let mut entries: Vec<(Cow<'_, str>, Node<'_>)> =
                vec![("a".into(), node(1, "x")), ("a".into(), node(2, "y"))];
            entries.extend((0..filler).map(|at| (Cow::from(at.to_string()), node(3, "z"))));
            let mut problems = Vec::new();
            let entries = unique(entries, &mut problems);
            assert_eq!(entries.len(), 1 + filler);
            assert_eq!(entries[0].1.text(), Some("y"));
            assert_eq!(problems.len(), 1);
            assert_eq!(problems[0].line, Some(1));
        }
    }
}
