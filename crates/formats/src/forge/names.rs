//! Names of git and of forges, each checked when it is made: refs, object ids, accounts, repositories.

use std::fmt;
use std::str::FromStr;

use provost_model::printable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of a ref name that are read at most.
const REF: usize = 1024;
/// Bytes of the name of an account or a repository that are read at most.
const NAME: usize = 512;

/// Why a name is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {why}")]
pub struct NameError {
    what: &'static str,
    text: String,
    why: &'static str,
}

fn wrong(what: &'static str, text: &str, why: &'static str) -> NameError {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    NameError { what, text: printable(&short), why }
}

/// A full ref name (`refs/heads/main`), as `git check-ref-format` allows it. Its `Display` is safe to print; `as_str` is
/// what git calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefName(String);

impl RefName {
    /// From a full name.
    ///
    /// # Errors
    /// It does not begin with `refs/`, or git would not take it.
    pub fn full(text: &str) -> Result<Self, NameError> {
        if !text.starts_with("refs/") {
            return Err(wrong("full ref name", text, "it does not begin with `refs/`"));
        }
        match fault(text) {
            Some(why) => Err(wrong("ref name", text, why)),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// From the name of a branch: `main` is `refs/heads/main`, and `refs/x` is `refs/heads/refs/x`.
    ///
    /// # Errors
    /// Git would not take it (`git check-ref-format --branch`).
    pub fn branch(text: &str) -> Result<Self, NameError> {
        if text.starts_with('-') {
            return Err(wrong("branch name", text, "it begins with `-`"));
        }
        if text == "HEAD" {
            return Err(wrong("branch name", text, "it is git's name of something else"));
        }
        Self::full(&format!("refs/heads/{text}"))
    }

    /// From the name of a tag: `v1` is `refs/tags/v1`.
    ///
    /// # Errors
    /// Git would not take it.
    pub fn tag(text: &str) -> Result<Self, NameError> {
        if text.starts_with('-') {
            return Err(wrong("tag name", text, "it begins with `-`"));
        }
        Self::full(&format!("refs/tags/{text}"))
    }

    /// The name as git has it: compare this, print the `Display`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The branch's name, where it is one.
    pub fn branch_name(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

/// The rules of `git check-ref-format`, in its order.
fn fault(text: &str) -> Option<&'static str> {
    if text.len() > REF {
        return Some("longer than 1,024 bytes");
    }
    for part in text.split('/') {
        if part.is_empty() {
            return Some("an empty part: `/` at an end, or two in a row");
        }
        if part.starts_with('.') {
            return Some("a part begins with `.`");
        }
        if part.ends_with(".lock") {
            return Some("a part ends with `.lock`");
        }
    }
    if text.contains("..") {
        return Some("it has `..`");
    }
    if text.bytes().any(|b| b < 0x20 || b == 0x7f || b" ~^:?*[\\".contains(&b)) {
        return Some("it has a space, a control character, or one of ~ ^ : ? * [ \\");
    }
    if text.ends_with('.') {
        return Some("it ends with `.`");
    }
    if text.contains("@{") {
        return Some("it has `@{`");
    }
    None
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

impl FromStr for RefName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::full(text)
    }
}

/// The id of a git object: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits, in lower case. Never the null id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(String);

impl ObjectId {
    /// From text; `None` is the null id, by which git says that there is nothing.
    ///
    /// # Errors
    /// It has another length or another character.
    pub fn or_null(text: &str) -> Result<Option<Self>, NameError> {
        if !matches!(text.len(), 40 | 64) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong("object id", text, "it is not 40 or 64 hexadecimal digits"));
        }
        let null = text.bytes().all(|b| b == b'0');
        Ok((!null).then(|| Self(text.to_ascii_lowercase())))
    }

    /// The hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::or_null(text)?.ok_or_else(|| wrong("object id", text, "it is the null id"))
    }
}

/// The name of an account, as the forge writes it: no space, nothing that cannot be seen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(String);

impl AccountName {
    /// The name. Safe to print.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        seen(text, "account name").map(Self)
    }
}

/// The full name of a repository, as the forge writes it: `owner/name`, `group/subgroup/name`, or Gerrit's project.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(String);

impl RepositoryName {
    /// The name. Safe to print.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RepositoryName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let what = "repository name";
        let name = seen(text, what)?;
        match name.split('/').any(|part| matches!(part, "" | "." | "..")) {
            true => Err(wrong(what, text, "a part is empty, `.` or `..`")),
            false => Ok(Self(name)),
        }
    }
}

/// A name that people see as what it is.
fn seen(text: &str, what: &'static str) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(wrong(what, text, "it is empty"));
    }
    if text.len() > NAME {
        return Err(wrong(what, text, "longer than 512 bytes"));
    }
    if text.contains(char::is_whitespace) {
        return Err(wrong(what, text, "it has a space"));
    }
    if printable(text) != text {
        return Err(wrong(what, text, "it has characters that cannot be seen"));
    }
    Ok(text.to_owned())
}

macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

as_text!(RefName, ObjectId, AccountName, RepositoryName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_that_git_refuses() {
        for bad in [
            "main",
            "refs/",
            "refs//x",
            "refs/heads/.x",
            "refs/heads/x.lock",
            "refs/heads/x.lock/y",
            "refs/heads/a..b",
            "refs/heads/a b",
            "refs/heads/a~1",
            "refs/heads/a^",
            "refs/heads/a:b",
            "refs/heads/a?",
            "refs/heads/*",
            "refs/heads/[",
            "refs/heads/a\\b",
            "refs/heads/x.",
            "refs/heads/@{",
            "refs/heads/a\n",
            "refs/heads/a\u{7f}",
            "refs/heads/x/",
        ] {
            assert!(RefName::full(bad).is_err(), "{bad:?}");
        }
        assert!(RefName::full(&format!("refs/heads/{}", "a".repeat(REF))).is_err());
        for good in
            ["refs/heads/main", "refs/pull/1/merge", "refs/heads/a.b@c-ü", "refs/heads/@", "refs/changes/01/1/1"]
        {
            assert_eq!(RefName::full(good).map(|name| name.as_str().to_owned()).as_deref(), Ok(good));
        }
        assert!(RefName::branch("-x").is_err() && RefName::branch("HEAD").is_err() && RefName::tag("-d").is_err());
        assert_eq!(
            RefName::branch("refs/heads/x").map(|name| name.to_string()).as_deref(),
            Ok("refs/heads/refs/heads/x")
        );
        assert_eq!(RefName::branch("a\u{202e}b").map(|name| name.to_string()).as_deref(), Ok("refs/heads/a\\u{202e}b"));
    }

    #[test]
    fn ids_and_names() {
        let id = "A".repeat(40);
        assert_eq!(ObjectId::from_str(&id).map(|id| id.to_string()), Ok("a".repeat(40)));
        assert_eq!(ObjectId::or_null(&"0".repeat(64)), Ok(None));
        for bad in ["", "abc", &"a".repeat(41), &"g".repeat(40), &"0".repeat(40)] {
            assert!(ObjectId::from_str(bad).is_err(), "{bad}");
        }
        for bad in ["", "a b", "a\u{200b}", "a\u{1b}[2J", &"a".repeat(513)] {
            assert!(AccountName::from_str(bad).is_err(), "{bad:?}");
        }
        for bad in ["a//b", "../b", "a/", "a/./b", "a/\u{202e}b"] {
            assert!(RepositoryName::from_str(bad).is_err(), "{bad:?}");
        }
        let error = AccountName::from_str("a\u{1b}b").map_err(|error| error.to_string());
        assert_eq!(error, Err("`a\\u{1b}b` is no account name: it has characters that cannot be seen".to_owned()));
    }
}
