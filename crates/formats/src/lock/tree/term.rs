//! Terms of Elixir and Erlang as they stand in `mix.lock` and `rebar.lock`: tuples, lists, maps, binaries, atoms, numbers.
//! Nothing is evaluated.

use std::borrow::Cow;

use super::MAXIMUM_NODES;
use crate::lock::{LockError, MAXIMUM_DEPTH};

/// A term and the line that it begins in.
#[derive(Debug, PartialEq)]
pub(crate) struct Term<'a> {
    /// Counted from 1.
    pub(crate) line: u32,
    /// What it is.
    pub(crate) value: Value<'a>,
}

/// What a term is.
#[derive(Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// A binary.
    Text(Cow<'a, str>),
    /// An atom, or a number as it is written.
    Word(Cow<'a, str>),
    /// A tuple.
    Tuple(Vec<Term<'a>>),
    /// A list, or a map as the list of its pairs.
    List(Vec<Term<'a>>),
    /// `key: value` or `key => value`.
    Pair(Box<(Term<'a>, Term<'a>)>),
}

impl<'a> Term<'a> {
    /// A binary's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An atom or a number.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.value {
            Value::Word(word) => Some(word),
            _ => None,
        }
    }

    /// A binary, an atom or a number.
    pub(crate) fn said(&self) -> Option<&str> {
        self.text().or_else(|| self.word())
    }

    /// Elements of a tuple; none where it is none.
    pub(crate) fn tuple(&self) -> &[Term<'a>] {
        match &self.value {
            Value::Tuple(items) => items,
            _ => &[],
        }
    }

    /// Items of a list; none where it is none.
    pub(crate) fn list(&self) -> &[Term<'a>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// Key and value.
    pub(crate) fn pair(&self) -> Option<(&Term<'a>, &Term<'a>)> {
        match &self.value {
            Value::Pair(pair) => Some((&pair.0, &pair.1)),
            _ => None,
        }
    }

    /// The value of a key in a list of pairs.
    pub(crate) fn get(&self, key: &str) -> Option<&Term<'a>> {
        let mut pairs = self.list().iter().filter_map(Term::pair);
        pairs.find(|(name, _)| name.said() == Some(key)).map(|(_, value)| value)
    }
}

/// Reads the terms of a file: one for Elixir, several that end with `.` for Erlang.
///
/// # Errors
/// It is none of these terms, nests too deep or has too many.
pub(crate) fn parse(text: &str) -> Result<Vec<Term<'_>>, LockError> {
    let mut parser = Parser { text, at: 0, line: 1, nodes: 0 };
    let mut terms = Vec::new();
    loop {
        parser.space();
        if parser.take(".") {
            continue;
        }
        if parser.rest().is_empty() {
            return Ok(terms);
        }
        terms.push(parser.term(0)?);
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    nodes: usize,
}

impl<'a> Parser<'a> {
    fn error(&self, what: &str) -> LockError {
        LockError::at(self.line.into(), what)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn take(&mut self, token: &str) -> bool {
        let there = self.rest().starts_with(token);
        if there {
            self.at += token.len();
        }
        there
    }

    /// Steps over space and comments: `#` of Elixir, `%` of Erlang but where it begins a map.
    fn space(&mut self) {
        while let Some(byte) = self.rest().bytes().next() {
            match byte {
                b'\n' => {
                    self.line = self.line.saturating_add(1);
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'%' if self.rest().starts_with("%{") => return,
                b'#' | b'%' => self.at += memchr::memchr(b'\n', self.rest().as_bytes()).unwrap_or(self.rest().len()),
                _ => return,
            }
        }
    }

    fn term(&mut self, depth: usize) -> Result<Term<'a>, LockError> {
        if depth > MAXIMUM_DEPTH {
            return Err(self.error("nested too deep"));
        }
        self.nodes += 1;
        if self.nodes > MAXIMUM_NODES {
            return Err(self.error("too many terms"));
        }
        let line = self.line;
        let value = self.value(depth)?;
        let key = Term { line, value };
        // `key: value`, where the key is a word or quoted, and `key => value`.
        let keyword = matches!(key.value, Value::Text(_) | Value::Word(_))
            && self.rest().starts_with(':')
            && self.rest()[1..].starts_with([' ', '\t', '\r', '\n']);
        let before = (self.at, self.line);
        self.space();
        if keyword && self.take(":") || self.take("=>") {
            self.space();
            let value = self.term(depth + 1)?;
            return Ok(Term { line, value: Value::Pair(Box::new((key, value))) });
        }
        (self.at, self.line) = before;
        Ok(key)
    }

    fn value(&mut self, depth: usize) -> Result<Value<'a>, LockError> {
        if self.take("%{") || self.take("#{") {
            return Ok(Value::List(self.items("}", depth)?));
        }
        if self.take("{") {
            return Ok(Value::Tuple(self.items("}", depth)?));
        }
        if self.take("[") {
            return Ok(Value::List(self.items("]", depth)?));
        }
        if self.take("<<") {
            self.space();
            let mut text = Cow::Borrowed("");
            if self.rest().starts_with('"') {
                text = self.quoted('"')?;
            }
            self.space();
            // The encoding of the text, as Erlang writes it: `<<"text"/utf8>>`.
            if self.take("/") {
                self.bare()?;
            }
            return if self.take(">>") { Ok(Value::Text(text)) } else { Err(self.error("a binary that is not text")) };
        }
        match self.rest().chars().next() {
            Some('"') => Ok(Value::Text(self.quoted('"')?)),
            Some('\'') => Ok(Value::Word(self.quoted('\'')?)),
            Some(':') => {
                self.at += 1;
                match self.rest().starts_with('"') {
                    true => Ok(Value::Word(self.quoted('"')?)),
                    false => Ok(Value::Word(self.bare()?.into())),
                }
            }
            Some(_) => Ok(Value::Word(self.bare()?.into())),
            None => Err(self.error("the file ends within a term")),
        }
    }

    fn items(&mut self, close: &str, depth: usize) -> Result<Vec<Term<'a>>, LockError> {
        let mut items = Vec::new();
        loop {
            self.space();
            if self.take(close) {
                return Ok(items);
            }
            items.push(self.term(depth + 1)?);
            self.space();
            if !self.take(",") && !self.rest().starts_with(close) {
                return Err(self.error("a comma or a closing bracket should stand here"));
            }
        }
    }

    /// An atom or a number without quotes.
    fn bare(&mut self) -> Result<&'a str, LockError> {
        let rest = self.rest();
        let mut end = rest.find(|c: char| !(c.is_alphanumeric() || "_@!?-+.".contains(c))).unwrap_or(rest.len());
        // A dot at the end of a term ends it.
        while rest[..end].ends_with('.') {
            end -= 1;
        }
        if end == 0 {
            return Err(self.error("no term of Elixir or Erlang that is read here"));
        }
        self.at += end;
        Ok(&rest[..end])
    }

    fn quoted(&mut self, quote: char) -> Result<Cow<'a, str>, LockError> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut text = Cow::Borrowed("");
        let mut from = start;
        let mut at = start;
        loop {
            match bytes.get(at) {
                None => return Err(self.error("quotes that do not end")),
                Some(b'\\') => {
                    let Some(escaped) = self.text[at + 1..].chars().next() else {
                        return Err(self.error("quotes that do not end"));
                    };
                    let text = text.to_mut();
                    text.push_str(&self.text[from..at]);
                    match escaped {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        other => text.push(other),
                    }
                    at += 1 + escaped.len_utf8();
                    from = at;
                }
                Some(b'#') if bytes.get(at + 1) == Some(&b'{') => {
                    return Err(self.error("text with code in it: nothing is evaluated here"));
                }
                Some(byte) if char::from(*byte) == quote => break,
                Some(b'\n') => {
                    self.line = self.line.saturating_add(1);
                    at += 1;
                }
                Some(_) => at += 1,
            }
        }
        self.at = at + 1;
        if text.is_empty() && from == start {
            return Ok(Cow::Borrowed(&self.text[start..at]));
        }
        text.to_mut().push_str(&self.text[from..at]);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_terms_of_elixir() {
        let text = "# lock\n%{\n  \"a\": {:hex, :a, \"1.0\\\"\", [:mix], [{:b, \"~> 1\", [hex: :b, optional: true]}]},\n  b: {:git, nil},\n  \"c\" => [1, -2.5],\n}\n";
        let terms = parse(text).unwrap();
        assert_eq!(terms.len(), 1);
        let a = terms[0].get("a").unwrap();
        assert_eq!((a.line, a.tuple()[0].word(), a.tuple()[2].text()), (3, Some("hex"), Some("1.0\"")));
        let needs = a.tuple()[4].list()[0].tuple();
        assert_eq!(needs[2].get("optional").unwrap().word(), Some("true"));
        assert_eq!(terms[0].get("b").unwrap().tuple()[1].word(), Some("nil"));
        assert_eq!(terms[0].get("c").unwrap().list()[1].word(), Some("-2.5"));
    }

    #[test]
    fn reads_terms_of_erlang() {
        let text = "%% lock\n{\"1.2.0\",\n[{<<\"a\">>,{pkg,<<\"a\"/utf8>>,<<\"1.0\">>},0}]}.\n[\n{pkg_hash,[\n {<<\"a\">>, <<\"FF\">>}]}\n].\n";
        let terms = parse(text).unwrap();
        assert_eq!(terms.len(), 2);
        let a = terms[0].tuple()[1].list()[0].tuple();
        assert_eq!((a[0].line, a[0].text(), a[2].word()), (3, Some("a"), Some("0")));
        assert_eq!(a[1].tuple()[1].text(), Some("a"));
        assert_eq!(terms[1].list()[0].tuple()[0].word(), Some("pkg_hash"));
    }

    #[test]
    fn what_is_no_term_is_refused_with_its_line() {
        for text in ["{", "[1 2]", "\"a", "%{\"a\" 1}", "<<1>>", "\"#{x}\"", "(", "{,}", "a: ", "'a\\", ":"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("{\n\n(}").unwrap_err().line, Some(3));
        assert!(parse(&"{".repeat(100_000)).is_err());
        assert!(parse(&"a => ".repeat(100_000)).is_err());
        assert!(parse("").unwrap().is_empty());
    }
}
