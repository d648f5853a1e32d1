//! Notations: how a value follows its name, in the common languages of code and settings.

use crate::context::Kind;

/// The longest value, in bytes.
pub(super) const VALUE: usize = 1024;

/// How a name is joined to its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notation {
    /// `=`, `:`, `=>`, `<name>value</name>`, an option's value.
    Assigned,
    /// `("name", "value")`, `name("value")`: often a test's, or a name and its label.
    Argument,
    /// `== "value"`.
    Compared,
}

/// A value: where it stands, whether it is in quotes, how it is joined to its name.
pub(super) struct Literal {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) quoted: bool,
    pub(super) notation: Notation,
}

pub(super) struct Place<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) kind: Kind,
    pub(super) name: std::ops::Range<usize>,
    pub(super) is_option: bool,
}

impl Place<'_> {
    fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(b'\n')
    }

    /// What follows; nothing beyond the end.
    fn rest(&self, i: usize) -> &[u8] {
        self.bytes.get(i..).unwrap_or_default()
    }

    fn blanks(&self, mut i: usize) -> usize {
        while matches!(self.at(i), b' ' | b'\t') && i < self.bytes.len() {
            i += 1;
        }
        i
    }

    fn opens_element(&self) -> bool {
        self.name.start > 0 && matches!(self.at(self.name.start - 1), b'<' | b':') && self.kind != Kind::Text
    }

    /// The value that follows the name: its range, and whether it is in quotes.
    pub(super) fn value(&self) -> Option<Literal> {
        let mut i = self.name.end;
        // The end of a quoted name, of an index, of a variable in braces; escaped quotes of a text within a text.
        let mut closed = false;
        let mut escaped = false;
        for _ in 0..4 {
            match self.at(i) {
                b'\\' if matches!(self.at(i + 1), b'"' | b'\'') => {
                    escaped = true;
                    closed = true;
                    i += 2;
                }
                b'"' | b'\'' | b'`' | b']' | b'}' => {
                    closed = true;
                    i += 1;
                }
                b')' if closed => i += 1,
                _ => break,
            }
        }
        let after_name = i;
        i = self.blanks(i);
        let next = [self.at(i), self.at(i + 1)];
        let mut bare = self.kind != Kind::Code;
        let mut notation = Notation::Assigned;
        match next {
            [b'=', b'>'] | [b':', b'='] | [b'?', b'='] | [b'|', b'|'] | [b'+', b'='] => i += 2,
            [b'=', b'='] | [b'!', b'='] => {
                i += if self.at(i + 2) == b'=' { 3 } else { 2 };
                bare = false;
                notation = Notation::Compared;
            }
            [b':', b':'] | [b'-', b'>'] => return None,
            [b'=', _] => {
                // Within the address of a page or the body of a form: `?token=…&`, `"token=…"`.
                let is_query = !closed
                    && self.name.start > 0
                    && matches!(self.at(self.name.start - 1), b'?' | b'&' | b'"' | b'\'');
                bare |= is_query || self.is_option;
                i += 1;
            }
            [b':', _] => i = self.annotation(i + 1)?,
            [b',', _]
                if closed && self.name.start > 0 && matches!(self.at(self.name.start - 1), b'"' | b'\'' | b'`') =>
            {
                bare = false;
                notation = Notation::Argument;
                i += 1;
            }
            [b'(', _] if !closed => {
                bare = false;
                notation = Notation::Argument;
                i += 1;
            }
            // SQL: `WITH PASSWORD 'x'`.
            [b'\'', _] if i > after_name && self.bytes[self.name.clone()].eq_ignore_ascii_case(b"password") => {}
            [b'>', _] => {
                // <password>value</password>
                if !self.opens_element() {
                    return None;
                }
                let (from, to) = self.element(i + 1)?;
                return Some(Literal { from, to, quoted: true, notation });
            }
            _ if self.opens_element() && i > after_name => {
                // <password encoding="base64">value</password>
                let attributes = self.rest(i).iter().take(80).position(|b| matches!(b, b'>' | b'<' | b'\n'))?;
                if self.at(i + attributes) != b'>' {
                    return None;
                }
                let (from, to) = self.element(i + attributes + 1)?;
                return Some(Literal { from, to, quoted: true, notation });
            }
            _ if self.is_option && i > after_name => bare = true,
            _ => return None,
        }
        i = self.blanks(i);
        if self.at(i) == b'\n' && self.kind == Kind::Code {
            // The value may be on the next line of code.
            i = self.blanks(i + 1);
        }
        let (from, to, quoted) = self.literal(i, bare, escaped)?;
        Some(Literal { from, to, quoted, notation })
    }

    /// SQL: `IDENTIFIED BY 'x'`, `IDENTIFIED WITH plugin BY 'x'`.
    pub(super) fn identified_by(&self) -> Option<Literal> {
        let rest = self.rest(self.name.end);
        let rest = &rest[..rest.len().min(80)];
        let by = rest.windows(4).position(|w| w.eq_ignore_ascii_case(b" by "))?;
        let start = self.blanks(self.name.end + by + 4);
        let (from, to, quoted) = self.literal(start, false, false)?;
        Some(Literal { from, to, quoted, notation: Notation::Assigned })
    }

    /// After a colon: a type's name before the value, as in `password: String = "…"`.
    fn annotation(&self, from: usize) -> Option<usize> {
        let mut i = self.blanks(from);
        if self.kind != Kind::Code || matches!(self.at(i), b'"' | b'\'' | b'`') {
            return Some(i);
        }
        let begin = i;
        while i < begin + 40
            && (self.at(i).is_ascii_alphanumeric()
                || matches!(self.at(i), b'&' | b'\'' | b'_' | b'<' | b'>' | b'[' | b']' | b'?' | b'.' | b':'))
        {
            i += 1;
        }
        let j = self.blanks(i);
        if self.at(j) == b'=' && self.at(j + 1) != b'=' { Some(j + 1) } else { Some(begin) }
    }

    fn element(&self, from: usize) -> Option<(usize, usize)> {
        let length = self.rest(from).iter().take(VALUE).position(|b| matches!(b, b'<' | b'\n'))?;
        let text = &self.bytes[from..from + length];
        let skip = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
        let length = text.trim_ascii().len();
        (self.at(from + text.len()) == b'<').then_some((from + skip, from + skip + length))
    }

    fn literal(&self, mut i: usize, bare: bool, escaped: bool) -> Option<(usize, usize, bool)> {
        // Marks before a text: bytes, raw, interpolated.
        if matches!(self.at(i), b'b' | b'r' | b'u' | b'f' | b'@' | b'$' | b'L' | b'B' | b'R' | b'U' | b'N')
            && matches!(self.at(i + 1), b'"' | b'\'')
        {
            i += 1;
        }
        // A call around a text: `String::from("…")`, `Some("…")`, `process.env.X || "…"`.
        if self.kind == Kind::Code && (self.at(i).is_ascii_alphabetic()) {
            let begin = i;
            while i < begin + 48
                && (self.at(i).is_ascii_alphanumeric() || matches!(self.at(i), b'_' | b'.' | b':' | b'!' | b'?' | b' '))
            {
                i += 1;
            }
            let j = self.blanks(i);
            if self.at(i) == b'(' {
                if is_lookup(&self.bytes[begin..i]) {
                    return None;
                }
                i += 1;
            } else if self.at(j) == b'|' && self.at(j + 1) == b'|' {
                i = self.blanks(j + 2);
            } else {
                return None;
            }
        }
        if escaped && self.at(i) == b'\\' && matches!(self.at(i + 1), b'"' | b'\'') {
            let from = i + 2;
            let length = self.rest(from).iter().take(VALUE).position(|b| matches!(b, b'\\' | b'"' | b'\n'))?;
            return Some((from, from + length, true));
        }
        let quote = self.at(i);
        if matches!(quote, b'"' | b'\'' | b'`') {
            let triple = self.at(i + 1) == quote && self.at(i + 2) == quote;
            let from = if triple { i + 3 } else { i + 1 };
            let mut end = from;
            while end < self.bytes.len() && end - from <= VALUE {
                let b = self.bytes[end];
                if b == quote {
                    // What follows a text shows whether it is one: `"a" + b` is put together.
                    return Some((from, end, true));
                }
                if b == b'\n' {
                    return None;
                }
                end += if b == b'\\' { 2 } else { 1 };
            }
            return None;
        }
        if !bare {
            return None;
        }
        // In an address `&` begins the next value; in settings it is a character like others.
        let of_setting = self.kind == Kind::Settings
            && self.name.start.checked_sub(1).is_none_or(|before| self.bytes[before].is_ascii_whitespace());
        let stops = |b: &u8| {
            if of_setting && *b == b'&' {
                return false;
            }
            b.is_ascii_whitespace()
                || matches!(
                    b,
                    b'"' | b'\''
                        | b'`'
                        | b','
                        | b';'
                        | b')'
                        | b'('
                        | b'}'
                        | b'{'
                        | b']'
                        | b'<'
                        | b'>'
                        | b'&'
                        | b'|'
                        | b'\\'
                )
        };
        let length = self.rest(i).iter().take(VALUE).position(stops).unwrap_or(self.rest(i).len());
        let ended_by = self.at(i + length);
        // A call, a template, a continued text: no value.
        if length == 0 || length >= VALUE || matches!(ended_by, b'(' | b'{' | b'<') {
            return None;
        }
        // `password: the one you use` is a sentence.
        if self.kind == Kind::Text && ended_by == b' ' {
            let next = self.at(self.blanks(i + length));
            if next.is_ascii_lowercase() {
                return None;
            }
        }
        Some((i, i + length, false))
    }
}

/// Calls whose text is a key, a format or a name, not a value.
#[rustfmt::skip]
const LOOKUPS: &[&str] = &[
    "get", "getenv", "env", "encode", "getproperty", "config", "lookup", "gettext", "format", "replace", "split",
    "join", "match", "test", "compile", "require", "import", "read", "open", "load", "find", "query", "select",
    "print", "println", "log", "header", "param", "attr", "field", "column", "input", "getstring", "t", "i18n",
    "translate", "prompt", "getpass", "exists", "has", "contains", "startswith", "endswith", "fetch", "hash",
    "hashpassword", "md5", "sha1", "sha256", "getattr", "environ", "opt", "option", "flag", "arg", "var", "data",
    "getconfig", "text", "id", "label", "name", "key", "error",
];

fn is_lookup(call: &[u8]) -> bool {
    let last = call.rsplit(|b| matches!(b, b'.' | b':')).next().unwrap_or_default().to_ascii_lowercase();
    LOOKUPS.iter().any(|word| word.as_bytes() == last)
}
