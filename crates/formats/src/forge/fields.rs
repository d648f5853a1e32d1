//! Fields of an event, each read by its path, so that an error says where it is.

use std::fmt;
use std::str::FromStr;

use provost_model::{Timestamp, printable};
use serde_json::Value;

use super::{Account, AccountKind, ForgeError, Limits, NameError, ObjectId, Variables};

/// A field that is missing or of another type.
pub(super) fn missing(field: impl Into<String>, wanted: &'static str) -> ForgeError {
    ForgeError::Field { field: field.into(), wanted }
}

/// Reads a payload into a tree.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<Value, ForgeError> {
    let value = crate::json::parse(bytes, limits.bytes, limits.values)
        .map_err(|error| ForgeError::Json(short(&error, limits.title)))?;
    match value.is_object() {
        true => Ok(value),
        false => Err(ForgeError::Json("it is not a JSON object".to_owned())),
    }
}

/// A value of an event, and the path to it.
#[derive(Clone)]
pub(super) struct At<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> At<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    /// A value that is there and not null.
    pub(super) fn get(&self, name: &str) -> Option<At<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(At { value, path: self.path_of(name) })
    }

    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// An object that has to be there.
    pub(super) fn object(&self, name: &str) -> Result<At<'a>, ForgeError> {
        self.get(name).filter(|at| at.value.is_object()).ok_or_else(|| missing(self.path_of(name), "an object"))
    }

    /// An object, where it is there; any other type is an error.
    pub(super) fn object_if(&self, name: &str) -> Result<Option<At<'a>>, ForgeError> {
        self.get(name).is_some().then(|| self.object(name)).transpose()
    }

    fn typed<T>(
        &self,
        name: &str,
        wanted: &'static str,
        read: fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ForgeError> {
        let Some(at) = self.get(name) else { return Ok(None) };
        read(at.value).map(Some).ok_or_else(|| missing(at.path, wanted))
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ForgeError> {
        self.typed(name, "text", Value::as_str)
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ForgeError> {
        self.typed(name, "a whole number", Value::as_u64)
    }

    pub(super) fn flag(&self, name: &str) -> Result<Option<bool>, ForgeError> {
        self.typed(name, "true or false", Value::as_bool)
    }

    pub(super) fn list(&self, name: &str) -> Result<Vec<At<'a>>, ForgeError> {
        let items = self.typed(name, "a list", Value::as_array)?;
        let path = self.path_of(name);
        Ok(items
            .into_iter()
            .flatten()
            .enumerate()
            .map(|(index, value)| At { value, path: format!("{path}[{index}]") })
            .collect())
    }

    /// This value itself as text.
    pub(super) fn as_text(&self) -> Result<&'a str, ForgeError> {
        self.value.as_str().ok_or_else(|| missing(self.path.clone(), "text"))
    }

    /// Text that is not empty.
    pub(super) fn needed(&self, name: &str) -> Result<&'a str, ForgeError> {
        self.text(name)?.filter(|text| !text.is_empty()).ok_or_else(|| missing(self.path_of(name), "text"))
    }

    /// A name, where there is text that is not empty.
    pub(super) fn name<T: FromStr<Err = NameError>>(&self, name: &str) -> Result<Option<T>, ForgeError> {
        self.made(name, T::from_str)
    }

    /// What is made of the text there, where it is not empty.
    pub(super) fn made<T>(
        &self,
        name: &str,
        make: impl Fn(&str) -> Result<T, NameError>,
    ) -> Result<Option<T>, ForgeError> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        make(text).map(Some).map_err(|error| ForgeError::Name { field: self.path_of(name), error })
    }

    /// An object id that has to be there; the null id is `None`.
    pub(super) fn id_or_null(&self, name: &str) -> Result<Option<ObjectId>, ForgeError> {
        let text = self.needed(name)?;
        ObjectId::or_null(text).map_err(|error| ForgeError::Name { field: self.path_of(name), error })
    }

    /// A time, in RFC 3339 or as GitLab writes it (`2013-12-03 17:23:34 UTC`).
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, ForgeError> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        time(text).map(Some).ok_or_else(|| missing(self.path_of(name), "a time"))
    }

    /// A number, or text that is one (Gerrit writes both).
    pub(super) fn number_or_text(&self, name: &str) -> Result<Option<u64>, ForgeError> {
        let read = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        self.typed(name, "a whole number", read)
    }

    /// One of several words.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, ForgeError> {
        let Some(text) = self.text(name)?.filter(|text| !text.is_empty()) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, value)| Some(*value)).ok_or_else(|| missing(self.path_of(name), "a word that is known"))
    }

    /// Titles of a list of objects.
    pub(super) fn labels(&self, list: &str, title: &str, limits: &Limits) -> Result<Vec<String>, ForgeError> {
        let texts = self.list(list)?.into_iter().map(|label| label.needed(title)).collect::<Result<Vec<_>, _>>()?;
        labels(&self.path_of(list), &texts, limits)
    }
}

/// Labels within their limits.
pub(super) fn labels(field: &str, texts: &[&str], limits: &Limits) -> Result<Vec<String>, ForgeError> {
    let too_many = |what, limit| ForgeError::TooMany { field: field.to_owned(), what, limit };
    if texts.len() > limits.labels {
        return Err(too_many("labels", limits.labels));
    }
    if texts.iter().any(|text| text.chars().nth(limits.label).is_some()) {
        return Err(too_many("characters of a label", limits.label));
    }
    Ok(texts.iter().map(|text| printable(text)).collect())
}

/// Text of people, cut and safe to print.
pub(super) fn short(text: &str, limit: usize) -> String {
    let cut: String = text.chars().take(limit).collect();
    let mark = if cut.len() < text.len() { "…" } else { "" };
    printable(&cut) + mark
}

pub(super) fn time(text: &str) -> Option<Timestamp> {
    match text.strip_suffix(" UTC") {
        Some(rest) => format!("{}Z", rest.replacen(' ', "T", 1)).parse().ok(),
        None => text.parse().ok(),
    }
}

/// Two things that have to be the same.
pub(super) fn agree<T: PartialEq + fmt::Display>(
    what: &str,
    one: Option<T>,
    other: Option<T>,
) -> Result<(), ForgeError> {
    match (one, other) {
        (Some(one), Some(other)) if one != other => {
            let text = format!("{what} is `{one}` and `{other}`");
            Err(ForgeError::Contradiction(printable(&text)))
        }
        _ => Ok(()),
    }
}

/// An account, where anything is known of it.
pub(super) fn account(
    name: Option<super::AccountName>,
    id: Option<u64>,
    email: Option<super::AccountName>,
    kind: AccountKind,
) -> Option<Account> {
    (name.is_some() || id.is_some() || email.is_some()).then_some(Account { name, id, email, kind })
}

/// Variables of the environment; an empty one is as good as none.
pub(super) struct Environment<'a> {
    get: Variables<'a>,
    limits: &'a Limits,
}

impl<'a> Environment<'a> {
    pub(super) fn new(get: Variables<'a>, limits: &'a Limits) -> Self {
        Self { get, limits }
    }

    pub(super) fn text(&self, name: &str) -> Result<Option<String>, ForgeError> {
        let Some(text) = (self.get)(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        if text.len() > self.limits.variable {
            return Err(ForgeError::TooMany { field: name.to_owned(), what: "bytes", limit: self.limits.variable });
        }
        Ok(Some(text))
    }

    pub(super) fn needed(&self, name: &str) -> Result<String, ForgeError> {
        self.text(name)?.ok_or_else(|| missing(name, "set"))
    }

    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, ForgeError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| missing(name, "a whole number"))
    }

    pub(super) fn made<T>(
        &self,
        name: &str,
        make: impl Fn(&str) -> Result<T, NameError>,
    ) -> Result<Option<T>, ForgeError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        make(&text).map(Some).map_err(|error| ForgeError::Name { field: name.to_owned(), error })
    }

    pub(super) fn name<T: FromStr<Err = NameError>>(&self, name: &str) -> Result<Option<T>, ForgeError> {
        self.made(name, T::from_str)
    }

    /// An object id; the null id is none.
    pub(super) fn id(&self, name: &str) -> Result<Option<ObjectId>, ForgeError> {
        Ok(self.made(name, ObjectId::or_null)?.flatten())
    }
}
