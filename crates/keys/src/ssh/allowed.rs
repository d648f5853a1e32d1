//! OpenSSH's file of allowed signers (ssh-keygen(1), "ALLOWED SIGNERS"): who may sign with which key, for what and when.

use provost_model::Timestamp;

use super::{SshAlgorithm, SshLimits, SshPublicKey, SshSignature};
use crate::KeyError;

const FILE: &str = "file of allowed signers";

/// One line: principals, what bounds them, and a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedSigner {
    principals: Patterns,
    namespaces: Option<Patterns>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
    key: SshPublicKey,
    line: usize,
}

/// A file of allowed signers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSigners {
    entries: Vec<AllowedSigner>,
}

/// A list of patterns with `*`, `?` and `!`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Patterns(Vec<String>);

impl AllowedSigner {
    /// The key.
    pub fn key(&self) -> &SshPublicKey {
        &self.key
    }

    /// The principals as they stand in the line, with their wildcards and negations.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.principals.0.iter().map(String::as_str)
    }

    /// Line number in the file, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// True where the line is for this principal: a pattern matches and none with `!` does.
    pub fn is_for(&self, principal: &str) -> bool {
        self.principals.matches(principal)
    }

    /// Why this line does not allow a signature in a namespace at a time; `None` if it does.
    pub fn refusal(&self, namespace: &str, at: Timestamp) -> Option<String> {
        if self.namespaces.as_ref().is_some_and(|namespaces| !namespaces.matches(namespace)) {
            return Some(format!("line {} does not allow the namespace {namespace:?}", self.line));
        }
        if let Some(start) = self.valid_after.filter(|start| at.seconds() < start.seconds()) {
            return Some(format!("line {} is valid from {start}", self.line));
        }
        if let Some(end) = self.valid_before.filter(|end| at.seconds() > end.seconds()) {
            return Some(format!("line {} was valid until {end}", self.line));
        }
        None
    }
}

impl AllowedSigners {
    /// Reads the file. Times have to end in `Z` (UTC): without it their meaning would depend on the machine.
    ///
    /// # Errors
    /// The first line that cannot be read, with its number: nothing is left out in silence. `cert-authority` and
    /// certificates are not supported and refused.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > SshLimits::ALLOWED_SIGNERS {
            return Err(KeyError::TooLarge {
                what: "the file of allowed signers",
                limit: SshLimits::ALLOWED_SIGNERS as u64,
            });
        }
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_matches([' ', '\t', '\r']);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = entry(line, index + 1)
                .map_err(|why| KeyError::malformed(FILE, format!("line {}: {why}", index + 1)))?;
            entries.push(entry);
        }
        Ok(Self { entries })
    }

    /// All lines.
    pub fn entries(&self) -> &[AllowedSigner] {
        &self.entries
    }

    /// The lines that allow a key to sign in a namespace at a time.
    pub fn of_key<'a>(
        &'a self,
        key: &'a SshPublicKey,
        namespace: &'a str,
        at: Timestamp,
    ) -> impl Iterator<Item = &'a AllowedSigner> {
        self.entries.iter().filter(move |entry| entry.key == *key && entry.refusal(namespace, at).is_none())
    }

    /// Verifies that `principal` signed `message` in `namespace` with a key that was allowed at `at`.
    ///
    /// # Errors
    /// No line allows it ([`KeyError::NotAllowed`]), or the signature does not verify.
    pub fn verify(
        &self,
        principal: &str,
        namespace: &str,
        message: &[u8],
        signature: &SshSignature,
        at: Timestamp,
    ) -> Result<&AllowedSigner, KeyError> {
        let key = signature.public_key();
        let mut why = "no line names both".to_owned();
        for entry in self.entries.iter().filter(|entry| entry.key == *key && entry.is_for(principal)) {
            match entry.refusal(namespace, at) {
                Some(refusal) => why = refusal,
                None => {
                    signature.verify(&entry.key, namespace, message)?;
                    return Ok(entry);
                }
            }
        }
        Err(KeyError::NotAllowed { principal: principal.to_owned(), key: key.fingerprint(), why })
    }
}

fn entry(line: &str, number: usize) -> Result<AllowedSigner, String> {
    let (principals, rest) = word(line)?;
    let principals = Patterns::parse(unquote(principals)?, "principals")?;
    // Options are where no key is, as in OpenSSH.
    let (name, _) = word(rest)?;
    let is_key = SshAlgorithm::ALL.iter().any(|algorithm| algorithm.name() == name);
    let (options, rest) = if is_key || !looks_like_options(name) { ("", rest) } else { word(rest)? };
    let options = Options::parse(options)?;
    let key = SshPublicKey::parse(rest).map_err(|e| e.to_string())?;
    Ok(AllowedSigner {
        principals,
        namespaces: options.namespaces,
        valid_after: options.valid_after,
        valid_before: options.valid_before,
        key,
        line: number,
    })
}

#[derive(Default)]
struct Options {
    namespaces: Option<Patterns>,
    valid_after: Option<Timestamp>,
    valid_before: Option<Timestamp>,
}

impl Options {
    fn parse(text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (option, tail) = split_outside_quotes(rest, &[','])?;
            if tail.is_some_and(str::is_empty) {
                return Err("the options end in a comma".into());
            }
            rest = tail.unwrap_or_default();
            options.take(option)?;
        }
        if let (Some(start), Some(end)) = (options.valid_after, options.valid_before)
            && start.seconds() >= end.seconds()
        {
            return Err("valid-after is not before valid-before".into());
        }
        Ok(options)
    }

    fn take(&mut self, option: &str) -> Result<(), String> {
        let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let name = name.to_ascii_lowercase();
        let twice = || Err(format!("{name} stands there twice"));
        let quoted = || match value {
            Some(value) if value.starts_with('"') => unquote(value),
            _ => Err(format!("{name} needs a value in quotes")),
        };
        match name.as_str() {
            "cert-authority" => {
                return Err("cert-authority is not supported: certificates are not; list the keys themselves".into());
            }
            "namespaces" if self.namespaces.is_some() => return twice(),
            "namespaces" => self.namespaces = Some(Patterns::parse(quoted()?, "namespaces")?),
            "valid-after" if self.valid_after.is_some() => return twice(),
            "valid-after" => self.valid_after = Some(time(quoted()?)?),
            "valid-before" if self.valid_before.is_some() => return twice(),
            "valid-before" => self.valid_before = Some(time(quoted()?)?),
            _ => return Err(format!("the option {name:?} is not known")),
        }
        Ok(())
    }
}

fn looks_like_options(word: &str) -> bool {
    let name = word.split(['=', ',']).next().unwrap_or_default().to_ascii_lowercase();
    word.contains(['=', '"'])
        || matches!(name.as_str(), "cert-authority" | "namespaces" | "valid-after" | "valid-before")
}

/// The first word, which may hold blanks in quotes, and what follows it.
fn word(text: &str) -> Result<(&str, &str), String> {
    let (word, rest) = split_outside_quotes(text, &[' ', '\t'])?;
    match rest.map(|rest| rest.trim_start_matches([' ', '\t'])) {
        Some(rest) if !rest.is_empty() => Ok((word, rest)),
        _ => Err("it has no key".into()),
    }
}

fn split_outside_quotes<'a>(text: &'a str, at: &[char]) -> Result<(&'a str, Option<&'a str>), String> {
    let mut quoted = false;
    for (index, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '\\' => return Err("it holds a backslash, which is not supported".into()),
            c if !quoted && at.contains(&c) => return Ok((&text[..index], Some(&text[index + 1..]))),
            _ => {}
        }
    }
    if quoted { Err("a quotation mark is not closed".into()) } else { Ok((text, None)) }
}

fn unquote(text: &str) -> Result<&str, String> {
    let inner = text.strip_prefix('"').map_or(Some(text), |tail| tail.strip_suffix('"'));
    inner.filter(|inner| !inner.contains('"')).ok_or_else(|| format!("its quotation marks are wrong: {text}"))
}

/// `YYYYMMDDZ`, `YYYYMMDDHHMMZ` or `YYYYMMDDHHMMSSZ`.
fn time(text: &str) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is no time in UTC; write it as YYYYMMDDHHMMSSZ");
    let digits = text.strip_suffix(['Z', 'z']).ok_or_else(wrong)?;
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(wrong());
    }
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("00");
    let text =
        format!("{}-{}-{}T{}:{}:{}Z", part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14));
    text.parse().map_err(|_| wrong())
}

impl Patterns {
    fn parse(text: &str, what: &str) -> Result<Self, String> {
        let patterns: Vec<String> = text.split(',').map(str::to_owned).collect();
        if patterns.len() > SshLimits::PATTERNS {
            return Err(format!("it has over {} {what}", SshLimits::PATTERNS));
        }
        if patterns.iter().any(|pattern| pattern.is_empty() || pattern == "!" || pattern.contains(char::is_control)) {
            return Err(format!("one of its {what} is empty or holds control characters"));
        }
        Ok(Self(patterns))
    }

    /// One matches and no negated one does.
    fn matches(&self, text: &str) -> bool {
        let mut found = false;
        for pattern in &self.0 {
            match pattern.strip_prefix('!') {
                Some(negated) if wildcard(negated.as_bytes(), text.as_bytes()) => return false,
                Some(_) => {}
                None => found |= wildcard(pattern.as_bytes(), text.as_bytes()),
            }
        }
        found
    }
}

/// `*` is any run of bytes, `?` any one byte. Linear in the pattern times the text, whatever the pattern.
fn wildcard(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == b'?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}
