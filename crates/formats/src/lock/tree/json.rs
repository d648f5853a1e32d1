//! JSON (RFC 8259), and JSON with comments and trailing commas as `bun.lock` is written.

use std::borrow::Cow;

use super::{MAXIMUM_NODES, Node, Tree, Value, unique};
use crate::lock::{LockError, MAXIMUM_DEPTH};

/// Reads JSON.
///
/// # Errors
/// It is no JSON, nests too deep or has too many values.
pub(crate) fn parse(text: &str) -> Result<Tree<'_>, LockError> {
    document(text, false)
}

/// Reads JSON in which comments may stand, and commas before a closing bracket.
///
/// # Errors
/// As [`parse`].
pub(crate) fn parse_with_comments(text: &str) -> Result<Tree<'_>, LockError> {
    document(text, true)
}

fn document(text: &str, comments: bool) -> Result<Tree<'_>, LockError> {
    let mut parser = Parser { text, at: 0, line: 1, nodes: 0, comments, problems: Vec::new() };
    parser.space()?;
    let root = parser.value(0)?;
    parser.space()?;
    match parser.peek() {
        None => Ok(Tree { root, more: Vec::new(), problems: parser.problems }),
        Some(_) => Err(parser.error("something follows the end of the JSON value")),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    nodes: usize,
    comments: bool,
    problems: Vec<provost_model::Problem>,
}

impl<'a> Parser<'a> {
    fn error(&self, what: impl Into<String>) -> LockError {
        LockError::at(self.line.into(), what)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) -> Result<(), LockError> {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => self.line = self.line.saturating_add(1),
                b' ' | b'\t' | b'\r' => {}
                b'/' if self.comments => {
                    let rest = &self.text.as_bytes()[self.at..];
                    let end = match rest.get(1) {
                        Some(b'/') => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
                        Some(b'*') => match memchr::memmem::find(&rest[2..], b"*/") {
                            Some(end) => end + 4,
                            None => return Err(self.error("a comment does not end")),
                        },
                        _ => return Err(self.error("unexpected `/`")),
                    };
                    self.line = self.line.saturating_add(memchr::memchr_iter(b'\n', &rest[..end]).count() as u32);
                    self.at += end;
                    continue;
                }
                _ => break,
            }
            self.at += 1;
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, LockError> {
        if depth > MAXIMUM_DEPTH {
            return Err(self.error(format!("nested deeper than {MAXIMUM_DEPTH}")));
        }
        self.nodes += 1;
        if self.nodes > MAXIMUM_NODES {
            return Err(self.error(format!("more than {MAXIMUM_NODES} values")));
        }
        let line = self.line;
        let value = match self.peek() {
            Some(b'{') => self.table(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => Value::Number(self.number()?),
            Some(b't') => self.word("true", Value::Bool(true))?,
            Some(b'f') => self.word("false", Value::Bool(false))?,
            Some(b'n') => self.word("null", Value::Null)?,
            Some(_) => return Err(self.error("a JSON value should stand here")),
            None => return Err(self.error("the file ends within a JSON value")),
        };
        Ok(Node { line, value })
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, LockError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.error("a JSON value should stand here"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn table(&mut self, depth: usize) -> Result<Value<'a>, LockError> {
        self.at += 1;
        let mut entries = Vec::new();
        loop {
            self.space()?;
            match self.peek() {
                Some(b'}') if self.comments || entries.is_empty() => break,
                Some(b'"') => {}
                _ => return Err(self.error("a key in quotes should stand here")),
            }
            let line = self.line;
            let key = self.string()?;
            self.space()?;
            if self.peek() != Some(b':') {
                return Err(self.error("a `:` should stand here"));
            }
            self.at += 1;
            self.space()?;
            let node = self.value(depth + 1)?;
            entries.push((key, Node { line, ..node }));
            if !self.comma(b'}')? {
                break;
            }
        }
        self.at += 1;
        entries.shrink_to_fit();
        Ok(Value::Table(unique(entries, &mut self.problems)))
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, LockError> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space()?;
            if self.peek() == Some(b']') && (self.comments || items.is_empty()) {
                break;
            }
            items.push(self.value(depth + 1)?);
            if !self.comma(b']')? {
                break;
            }
        }
        self.at += 1;
        items.shrink_to_fit();
        Ok(Value::List(items))
    }

    /// True where a comma follows (and is stepped over), false at the closing bracket (which is not).
    fn comma(&mut self, close: u8) -> Result<bool, LockError> {
        self.space()?;
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => Ok(false),
            Some(_) => Err(self.error(format!("a `,` or `{}` should stand here", char::from(close)))),
            None => Err(self.error("the file ends within a JSON value")),
        }
    }

    fn number(&mut self) -> Result<Cow<'a, str>, LockError> {
        let start = self.at;
        let digits = |parser: &mut Self| {
            let from = parser.at;
            while matches!(parser.peek(), Some(b'0'..=b'9')) {
                parser.at += 1;
            }
            parser.at - from
        };
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let zero = self.peek() == Some(b'0');
        let whole = digits(self);
        let mut well = whole == 1 || (whole > 1 && !zero);
        if self.peek() == Some(b'.') {
            self.at += 1;
            well &= digits(self) > 0;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            well &= digits(self) > 0;
        }
        if well { Ok(Cow::Borrowed(&self.text[start..self.at])) } else { Err(self.error("not a number of JSON")) }
    }

    fn string(&mut self) -> Result<Cow<'a, str>, LockError> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut from = start;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let rest = &self.text[from..self.at];
                    self.at += 1;
                    return Ok(match owned {
                        Some(mut text) => {
                            text.push_str(rest);
                            Cow::Owned(text)
                        }
                        None => Cow::Borrowed(rest),
                    });
                }
                Some(b'\\') => {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[from..self.at]);
                    self.at += 1;
                    let decoded = self.escape()?;
                    owned.get_or_insert_default().push(decoded);
                    from = self.at;
                }
                Some(0..=0x1f) => return Err(self.error("a control character or the line's end within quotes")),
                Some(_) => self.at += 1,
                None => return Err(self.error("the file ends within quotes")),
            }
        }
    }

    /// What follows a backslash. Half of a surrogate pair alone reads as U+FFFD.
    fn escape(&mut self) -> Result<char, LockError> {
        let byte = self.peek();
        self.at += 1;
        Ok(match byte {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.four()?;
                let mut units = vec![first];
                if (0xd800..0xdc00).contains(&first) && self.text.as_bytes()[self.at..].starts_with(b"\\u") {
                    let before = self.at;
                    self.at += 2;
                    let second = self.four()?;
                    if (0xdc00..0xe000).contains(&second) {
                        units.push(second);
                    } else {
                        self.at = before;
                    }
                }
                char::decode_utf16(units).next().and_then(Result::ok).unwrap_or(char::REPLACEMENT_CHARACTER)
            }
            _ => return Err(self.error("not an escape of JSON")),
        })
    }

    fn four(&mut self) -> Result<u16, LockError> {
        let digits = self.text.as_bytes().get(self.at..self.at + 4);
        let value = digits.and_then(|digits| {
            digits
                .iter()
                .try_fold(0u16, |value, digit| char::from(*digit).to_digit(16).map(|digit| value << 4 | digit as u16))
        });
        let Some(value) = value else { return Err(self.error("four hexadecimal digits should follow `\\u`")) };
        self.at += 4;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to_serde(node: &Node<'_>) -> serde_json::Value {
        match &node.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(text) => serde_json::from_str(text).unwrap(),
            Value::Text(text) => text.as_ref().into(),
            Value::List(items) => items.iter().map(to_serde).collect(),
            Value::Table(entries) => entries.iter().map(|(key, node)| (key.to_string(), to_serde(node))).collect(),
        }
    }

    #[test]
    fn reads_what_serde_json_reads_and_nothing_else() {
        let texts = [
            "{}",
            "[]",
            " [ ] ",
            "[1,2]",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\" 1}",
            "{a:1}",
            "tru",
            "true",
            "nul",
            "null ",
            "\"\\u00e9\\n\\/\"",
            "\"\\ud83d\\ude00\"",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u00zz\"",
            "\"a\tb\"",
            "\"a\nb\"",
            "\"é€😀\"",
            "0",
            "-0",
            "-",
            "01",
            "1.",
            "1.5",
            ".5",
            "1e",
            "1e5",
            "1E-5",
            "1e+",
            "-1.5e+3",
            "",
            " ",
            "[",
            "{",
            "\"",
            "{\"a\":",
            "{\"a\":{\"b\":[1,{\"c\":null}]},\"d\":\"e\"}",
            "// x\n1",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
        ];
        for text in texts {
            let (ours, theirs) = (parse(text), serde_json::from_str::<serde_json::Value>(text));
            assert_eq!(ours.is_ok(), theirs.is_ok(), "{text}");
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                assert_eq!(to_serde(&ours.root), theirs, "{text}");
            }
        }
    }

    #[test]
    fn knows_lines_and_tells_of_repeated_keys() {
        let tree = parse("{\r\n \"a\":\r\n 1,\r\n \"b\": [\r\n2]\r\n, \"a\": 3}").unwrap();
        assert_eq!(tree.root.get("b").unwrap().line, 4);
        assert_eq!(tree.root.get("b").unwrap().items()[0].line, 5);
        assert_eq!(tree.root.get("a").unwrap().scalar(), Some("3"));
        assert_eq!(tree.problems[0].line, Some(2));
        assert_eq!(parse("{\n\n\"a\": }").unwrap_err().line, Some(3));
    }

    #[test]
    fn comments_and_trailing_commas_only_where_asked_for() {
        let text = "// one\n{ /* two\n */ \"a\": [1, 2,], // three\n}";
        let tree = parse_with_comments(text).unwrap();
        assert_eq!(tree.root.get("a").unwrap().items().len(), 2);
        assert_eq!(tree.root.get("a").unwrap().line, 3);
        assert!(parse(text).is_err());
        for text in ["{,}", "[,]", "{} /* x", "/", "{\"a\":1,,}"] {
            assert!(parse_with_comments(text).is_err(), "{text}");
        }
    }

    #[test]
    fn depth_is_limited() {
        let deep = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&deep(MAXIMUM_DEPTH)).is_ok());
        assert!(parse(&deep(MAXIMUM_DEPTH + 1)).unwrap_err().what.contains("deeper"));
        assert!(parse(&"[".repeat(1 << 20)).is_err());
    }
}
