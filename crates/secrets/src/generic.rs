//! Secrets without a form of their own, told by the name that they are given to: passwords, keys, tokens.
//!
//! No expression could tell a value from a name well enough: this is written by hand. A hit of a name is extended to the
//! whole identifier and cut into words; what follows it is read as an assignment in any of the common notations; the
//! value is then judged by what it looks like.

use provost_model::Confidence;

use crate::context::Kind;
use crate::value;

/// Parts of names that are looked for; each is the beginning of a word.
pub(crate) const HITS: &[&str] = &[
    "pass",
    "pwd",
    "secret",
    "token",
    "key",
    "auth",
    "cred",
    "salt",
    "jwt",
    "cookie",
    "session",
    "bearer",
    "nonce",
    "identified",
];

/// The longest identifier, in bytes.
const NAME: usize = 80;
/// The longest value, in bytes.
const VALUE: usize = 1024;

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

/// How a name is joined to its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notation {
    /// `=`, `:`, `=>`, `<name>value</name>`, an option's value.
    Assigned,
    /// `("name", "value")`, `name("value")`: often a test's, or a name and its label.
    Argument,
    /// `== "value"`.
    Compared,
}

/// A value: where it stands, whether it is in quotes, how it is joined to its name.
struct Literal {
    from: usize,
    to: usize,
    quoted: bool,
    notation: Notation,
}

/// A value that was assigned to a telling name.
pub(crate) struct Assigned {
    pub class: Class,
    pub start: usize,
    pub end: usize,
    pub confidence: Confidence,
    pub why: String,
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
    let place = Place { bytes, kind, name: name.clone(), is_option };
    let identified = bytes[name.clone()].eq_ignore_ascii_case(b"identified");
    let class = if identified { Some(Class::Password) } else { class_of(&bytes[name.clone()]) };
    let Some(class) = class else { return (end, None) };
    let literal = if identified { place.identified_by() } else { place.value() };
    let Some(literal) = literal else { return (end, None) };
    let found = judge(class, kind, &bytes[name], bytes, &literal).map(|(confidence, why)| Assigned {
        class,
        start: literal.from,
        end: literal.to,
        confidence,
        why,
    });
    (end, found)
}

/// Words that make a name a secret's, and what kind.
fn telling(word: &[u8]) -> Option<Class> {
    Some(match word {
        b"password" | b"passwd" | b"pwd" | b"pass" | b"passphrase" | b"passcode" | b"passwords" | b"psw" | b"pw"
        | b"userpass" | b"dbpass" | b"dbpassword" | b"rootpassword" | b"userpassword" | b"mypassword" | b"dbpwd"
        | b"sshpass" | b"passwordhash" | b"keypass" | b"storepass" | b"pgpassword" => Class::Password,
        b"secret" | b"token" | b"apikey" | b"secretkey" | b"accesskey" | b"authkey" | b"privatekey" | b"credential"
        | b"credentials" | b"creds" | b"apitoken" | b"accesstoken" | b"authtoken" | b"secrets" | b"tokens" | b"jwt"
        | b"bearer" | b"clientsecret" | b"appkey" | b"appsecret" | b"salt" | b"apisecret" | b"refreshtoken"
        | b"idtoken" | b"masterkey" | b"encryptionkey" | b"signingkey" | b"licensekey" | b"sessionid" | b"cookie"
        | b"auth" | b"nonce" | b"verifier" | b"usertoken" | b"bearertoken" | b"consumerkey" | b"consumersecret"
        | b"sharedsecret" => Class::Token,
        _ => return None,
    })
}

/// Words before `key` that make it a secret one.
const KEYS: &[&str] = &[
    "api",
    "access",
    "secret",
    "private",
    "auth",
    "encryption",
    "encrypt",
    "signing",
    "sign",
    "master",
    "account",
    "storage",
    "app",
    "application",
    "client",
    "shared",
    "service",
    "consumer",
    "subscription",
    "license",
    "session",
    "cipher",
    "aes",
    "des",
    "hmac",
    "ssh",
    "rsa",
    "deploy",
    "server",
    "admin",
    "write",
    "read",
    "ingest",
    "integration",
    "merchant",
    "maps",
    "crypt",
    "crypto",
    "decryption",
    "decrypt",
    "token",
    "jwt",
    "user",
    "aws",
    "azure",
    "google",
    "primary",
    "secondary",
    "instrumentation",
    "webhook",
    "hash",
    "security",
    "root",
    "my",
    "sas",
    "firebase",
    "stripe",
    "passwd",
    "password",
    "x",
    "push",
    "set",
    "mail",
    "smtp",
    "query",
    "partner",
    "developer",
    "dev",
    "prod",
    "test",
    "sendgrid",
];

/// Words that may follow the telling one.
const AFTER: &[&str] = &[
    "value",
    "val",
    "string",
    "str",
    "text",
    "env",
    "default",
    "prod",
    "production",
    "test",
    "dev",
    "staging",
    "base",
    "plain",
    "plaintext",
    "raw",
    "b",
    "s",
    "x",
    "v",
    "one",
    "two",
    "new",
    "old",
    "current",
    "live",
    "key",
    "token",
    "data",
    "content",
    "encoded",
    "confirmation",
    "confirm",
    "again",
    "repeat",
    "admin",
    "user",
    "db",
    "root",
    "api",
    "local",
];

/// Words that say that the value is no secret, wherever they stand.
const NOT: &[&str] = &[
    "hash",
    "hashed",
    "digest",
    "checksum",
    "integrity",
    "public",
    "pub",
    "sha",
    "md",
    "fingerprint",
    "thumbprint",
    "file",
    "filename",
    "path",
    "dir",
    "url",
    "uri",
    "endpoint",
    "host",
    "port",
    "type",
    "name",
    "length",
    "len",
    "size",
    "count",
    "field",
    "label",
    "placeholder",
    "regex",
    "pattern",
    "expiry",
    "expires",
    "expiration",
    "ttl",
    "timeout",
    "header",
    "param",
    "prefix",
    "suffix",
    "policy",
    "column",
    "index",
    "format",
    "template",
    "message",
    "msg",
    "error",
    "err",
    "title",
    "description",
    "desc",
    "help",
    "hint",
    "url",
    "link",
    "page",
    "view",
    "form",
    "input",
    "button",
    "icon",
    "selector",
    "class",
    "style",
    "color",
    "event",
    "handler",
    "callback",
    "provider",
    "manager",
    "factory",
    "service_url",
    "algorithm",
    "alg",
    "method",
    "mode",
    "scheme",
    "issuer",
    "audience",
    "scope",
    "realm",
    "enabled",
    "disabled",
    "required",
    "missing",
    "strength",
    "reset",
    "forgot",
    "change",
    "changed",
    "command",
    "cmd",
    "prompt",
    "store",
    "ring",
    "board",
    "words",
    "code_point",
    "version",
    "tokenizer",
    "arn",
    "ref",
    "lookup",
    "limit",
    "rotation",
    "min",
    "max",
    "history",
    "attempts",
    "map",
    "list",
    "table",
    "schema",
    "spec",
    "mount",
    "volume",
    "kind",
];

fn class_of(name: &[u8]) -> Option<Class> {
    if name.len() < 2 {
        return None;
    }
    let lower: Vec<Vec<u8>> = value::words(name).iter().map(|word| word.to_ascii_lowercase()).collect();
    let is = |list: &[&str], word: &[u8]| list.iter().any(|w| w.as_bytes() == word);
    if lower.iter().any(|word| is(NOT, word)) {
        return None;
    }
    let (at, class) = lower.iter().enumerate().rev().find_map(|(i, word)| {
        if let Some(class) = telling(word) {
            return Some((i, class));
        }
        let is_key = word == b"key" || word == b"keys";
        is_key.then(|| (i, if i > 0 && is(KEYS, &lower[i - 1]) { Class::Token } else { Class::Key }))
    })?;
    // A machine's words around a person's password do not make it a token.
    let class = if lower[..at].iter().any(|w| telling(w) == Some(Class::Password)) { Class::Password } else { class };
    lower[at + 1..].iter().all(|word| is(AFTER, word)).then_some(class)
}

struct Place<'b> {
    bytes: &'b [u8],
    kind: Kind,
    name: std::ops::Range<usize>,
    is_option: bool,
}

impl Place<'_> {
    fn at(&self, i: usize) -> u8 {
        self.bytes.get(i).copied().unwrap_or(b'\n')
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
    fn value(&self) -> Option<Literal> {
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
                let attributes = self.bytes[i..].iter().take(80).position(|b| matches!(b, b'>' | b'<' | b'\n'))?;
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
    fn identified_by(&self) -> Option<Literal> {
        let rest = &self.bytes[self.name.end..];
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
        let length = self.bytes[from..].iter().take(VALUE).position(|b| matches!(b, b'<' | b'\n'))?;
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
            let length = self.bytes[from..].iter().take(VALUE).position(|b| matches!(b, b'\\' | b'"' | b'\n'))?;
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
        let stops = |b: &u8| {
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
        let length = self.bytes[i..].iter().take(VALUE).position(stops).unwrap_or(self.bytes.len() - i);
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

/// Judges a value by what it looks like.
fn judge(class: Class, kind: Kind, name: &[u8], bytes: &[u8], literal: &Literal) -> Option<(Confidence, String)> {
    let text = &bytes[literal.from..literal.to];
    let length = text.len();
    if length < 4 || length > VALUE || value::is_nothing(text) {
        return None;
    }
    // Only a password may hold what no machine would put in; what holds words is text for people.
    let foreign = text.iter().any(|b| !b.is_ascii() || *b == b' ');
    let digit = text.iter().any(u8::is_ascii_digit);
    if text.iter().any(|b| b.is_ascii_control())
        || foreign
            && (class == Class::Token
                || !literal.quoted
                || !digit
                || length > 64
                || text.iter().filter(|b| **b == b' ').count() > 2)
    {
        return None;
    }
    if value::template(text).is_some() || looks_like_something_else(text, literal.quoted) {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let bare_name: Vec<u8> = name.to_ascii_lowercase().into_iter().filter(u8::is_ascii_alphanumeric).collect();
    let bare_value: Vec<u8> = lower.iter().copied().filter(u8::is_ascii_alphanumeric).collect();
    if bare_name == bare_value || bare_value.len() < 3 || memchr::memmem::find(&bare_name, &bare_value).is_some() {
        return None;
    }
    // The name of a variable: NAMES_IN_CAPITALS.
    if text.contains(&b'_') && text.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_') {
        return None;
    }
    let said = |confidence, why: &str| Some((confidence, why.to_owned()));
    let random = value::randomness(text);
    let wordy = value::reads_like_words(text);
    let placeholder = value::placeholder(text);
    match class {
        Class::Key => {
            let fits = literal.quoted && (20..=256).contains(&length) && !wordy && !value::is_uuid(text);
            let sure = fits && placeholder.is_none() && random >= 0.8 && value::entropy(text) >= 3.3;
            if sure { said(Confidence::Likely, "a random value is called a key") } else { None }
        }
        Class::Token => {
            if let Some(doubt) = placeholder {
                let certain = doubt.certain || value::sequential(&lower) > 0.95;
                let confidence = if certain { Confidence::Weak } else { Confidence::Likely };
                return (random >= 0.5 && length >= 12).then(|| (confidence, doubt.why.to_owned()));
            }
            if value::is_uuid(text) {
                return said(Confidence::Likely, "a UUID is assigned to a name that speaks of a secret");
            }
            let enough = match length {
                _ if name.to_ascii_lowercase().ends_with(b"nonce") => 0.8,
                16.. => 0.55,
                _ => 0.68,
            };
            // A key of a cipher in digits.
            if text.iter().all(u8::is_ascii_digit) && matches!(length, 16 | 24 | 32) && value::entropy(text) > 2.5 {
                return said(Confidence::Likely, "a key of digits is assigned to a name that speaks of a secret");
            }
            if wordy && random < 0.75 || length < 8 {
                return None;
            }
            if random < enough {
                return None;
            }
            said(Confidence::Likely, "a random value is assigned to a name that speaks of a secret")
        }
        Class::Password => {
            if let Some(doubt) = placeholder {
                return said(Confidence::Weak, doubt.why);
            }
            // The hash of a password is what should be there; other rules judge it.
            if text[0] == b'$' && text.iter().filter(|b| **b == b'$').count() >= 2 {
                return None;
            }
            if literal.notation == Notation::Argument && random < 0.8 {
                return said(Confidence::Weak, "a word is passed along with the name of a password");
            }
            let letter = text.iter().any(u8::is_ascii_alphabetic);
            // In settings even a common word is what is used.
            let is_setting = kind == Kind::Settings && literal.notation == Notation::Assigned;
            if value::is_common(text) && !(is_setting && digit && letter && length >= 6) {
                return said(Confidence::Weak, "a common word is assigned to a name of a password");
            }
            if random >= 0.6 && length >= 8 && !wordy {
                return said(Confidence::Likely, "a random value is assigned to a name of a password");
            }
            let symbol = text.iter().any(u8::is_ascii_punctuation);
            if length >= 6 && letter && digit && (symbol || !wordy || is_setting) {
                return said(Confidence::Likely, "letters and digits are assigned to a name of a password");
            }
            let odd = literal.quoted && text[1..length - 1].iter().any(|b| b"$@!#%^&*~".contains(b));
            if length >= 8 && letter && odd && literal.notation == Notation::Assigned {
                return said(Confidence::Likely, "letters and signs are assigned to a name of a password");
            }
            let speaks =
                ["pass", "pwd", "secret", "token"].iter().any(|w| memchr::memmem::find(&lower, w.as_bytes()).is_some());
            let plain = kind != Kind::Text && literal.notation == Notation::Assigned && letter && length >= 5;
            if plain
                && !speaks
                && !text.iter().any(|b| matches!(b, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'.' | b':'))
            {
                return said(Confidence::Likely, "a word is assigned to a name of a password");
            }
            said(Confidence::Weak, "a word that speaks of a password is assigned to a name of one")
        }
    }
}

/// Paths, addresses, expressions, versions, dates, selectors, colours: things that are assigned to such names and are
/// no secrets.
fn looks_like_something_else(text: &[u8], quoted: bool) -> bool {
    let has = |part: &[u8]| memchr::memmem::find(text, part).is_some();
    let first = text[0];
    let all = |f: fn(&u8) -> bool| text.iter().all(f);
    if has(b"://") || has(b"->") || has(b"::") || has(b"()") || has(b"\\\\") || has(b"=>") || has(b"||") || has(b"&&") {
        return true;
    }
    if first == b'/' && text.len() < 60 && value::reads_like_words(text)
        || text.starts_with(b"./")
        || text.starts_with(b"../")
        || text.starts_with(b"~/")
    {
        return true;
    }
    if matches!(first, b'$' | b'#' | b'-' | b'.') && value::reads_like_words(&text[1..]) {
        return true;
    }
    // Numbers: small ones, and those with points (versions, addresses, dates).
    if all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':' | b'/' | b',' | b'_'))
        && (text.len() < 6 || !all(u8::is_ascii_digit))
    {
        return true;
    }
    // Members of objects and domain names: words with points between them.
    if text.contains(&b'.')
        && text.split(|b| *b == b'.').all(|part| {
            !part.is_empty()
                && !part[0].is_ascii_digit()
                && part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'[' | b']' | b'$'))
                && value::randomness(part) < 0.5
        })
    {
        return true;
    }
    let ending = text.rsplit(|b| *b == b'.').next().unwrap_or_default();
    if text.contains(&b'.')
        && [
            &b"pem"[..],
            b"key",
            b"crt",
            b"json",
            b"yml",
            b"yaml",
            b"txt",
            b"js",
            b"py",
            b"html",
            b"xml",
            b"conf",
            b"php",
        ]
        .contains(&ending)
    {
        return true;
    }
    // Mail addresses.
    if text.iter().filter(|b| **b == b'@').count() == 1
        && ending.len() <= 4
        && text.contains(&b'.')
        && ending.iter().all(u8::is_ascii_lowercase)
    {
        return true;
    }
    // Words with slashes between them: media types, paths.
    if text.contains(&b'/') && value::reads_like_words(text) && !text.contains(&b'=') {
        return true;
    }
    !quoted && (text.contains(&b'[') || text.ends_with(b":") || is_type(text))
}

/// A type that must not be null: `String!`.
fn is_type(text: &[u8]) -> bool {
    text.strip_suffix(b"!").is_some_and(|name| name.iter().all(u8::is_ascii_alphabetic))
}

/// Calls whose text is a key, a format or a name, not a value.
const LOOKUPS: &[&str] = &[
    "get",
    "getenv",
    "env",
    "encode",
    "getproperty",
    "config",
    "lookup",
    "gettext",
    "format",
    "replace",
    "split",
    "join",
    "match",
    "test",
    "compile",
    "require",
    "import",
    "read",
    "open",
    "load",
    "find",
    "query",
    "select",
    "print",
    "println",
    "log",
    "header",
    "param",
    "attr",
    "field",
    "column",
    "input",
    "getstring",
    "t",
    "i18n",
    "translate",
    "prompt",
    "getpass",
    "exists",
    "has",
    "contains",
    "startswith",
    "endswith",
    "fetch",
    "hash",
    "hashpassword",
    "md5",
    "sha1",
    "sha256",
    "getattr",
    "environ",
    "opt",
    "option",
    "flag",
    "arg",
    "var",
    "data",
    "getconfig",
    "text",
    "id",
    "label",
    "name",
    "key",
    "error",
];

fn is_lookup(call: &[u8]) -> bool {
    let last = call.rsplit(|b| matches!(b, b'.' | b':')).next().unwrap_or_default().to_ascii_lowercase();
    LOOKUPS.iter().any(|word| word.as_bytes() == last)
}
