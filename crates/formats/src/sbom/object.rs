//! Reading JSON by the rules of a format: every member has its type, and an error says where.

use std::fmt;

use provost_model::Timestamp;
use serde_json::{Map, Value};

use super::SbomError;

/// Where in a document something stands.
#[derive(Clone, Copy)]
pub(crate) enum At<'a> {
    Root,
    Name(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

impl At<'_> {
    pub(crate) fn wrong<T>(&self, what: impl Into<String>) -> Result<T, SbomError> {
        Err(SbomError::Form { at: self.to_string(), what: what.into() })
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("the document"),
            Self::Name(At::Root, name) => f.write_str(name),
            Self::Name(before, name) => write!(f, "{before}.{name}"),
            Self::Index(before, index) => write!(f, "{before}[{index}]"),
        }
    }
}

/// An object with the place where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    pub(crate) map: &'a Map<String, Value>,
    pub(crate) at: &'a At<'a>,
}

impl<'a> Object<'a> {
    pub(crate) fn of(value: &'a Value, at: &'a At<'a>) -> Result<Self, SbomError> {
        match value {
            Value::Object(map) => Ok(Self { map, at }),
            _ => at.wrong("an object belongs here"),
        }
    }

    pub(crate) fn wrong<T>(&self, name: &str, what: impl Into<String>) -> Result<T, SbomError> {
        At::Name(self.at, name).wrong(what)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.contains_key(name)
    }

    /// A text that may be missing.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, SbomError> {
        match self.map.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.wrong(name, "a text belongs here"),
        }
    }

    pub(crate) fn owned(&self, name: &str) -> Result<Option<String>, SbomError> {
        Ok(self.text(name)?.map(str::to_owned))
    }

    /// A text that must be there and say something.
    pub(crate) fn needed(&self, name: &str) -> Result<&'a str, SbomError> {
        match self.text(name)? {
            None => self.wrong(name, "it is missing"),
            Some("") => self.wrong(name, "it is empty"),
            Some(text) => Ok(text),
        }
    }

    /// A text of a list of them, that may be missing.
    pub(crate) fn one_of(&self, name: &str, allowed: &[&str]) -> Result<Option<&'a str>, SbomError> {
        match self.text(name)? {
            Some(text) if !allowed.contains(&text) => {
                self.wrong(name, format!("`{}` is none of {}", shortened(text), allowed.join(", ")))
            }
            other => Ok(other),
        }
    }

    /// A point in time that may be missing.
    pub(crate) fn time(&self, name: &str) -> Result<Option<Timestamp>, SbomError> {
        match self.text(name)? {
            None => Ok(None),
            Some(text) => match text.parse() {
                Ok(time) => Ok(Some(time)),
                Err(_) => self.wrong(name, format!("`{}` is no RFC 3339 time", shortened(text))),
            },
        }
    }

    /// A list that may be missing: empty then.
    pub(crate) fn list(&self, name: &str) -> Result<&'a [Value], SbomError> {
        match self.map.get(name) {
            None => Ok(&[]),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => self.wrong(name, "a list belongs here"),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&self, name: &str) -> Result<Vec<&'a str>, SbomError> {
        let mut texts = Vec::new();
        for (index, value) in self.list(name)?.iter().enumerate() {
            match value.as_str() {
                Some(text) => texts.push(text),
                None => return At::Index(&At::Name(self.at, name), index).wrong("a text belongs here"),
            }
        }
        Ok(texts)
    }

    /// Does something with every object of a list.
    pub(crate) fn each(
        &self,
        name: &str,
        act: &mut dyn FnMut(Object<'_>) -> Result<(), SbomError>,
    ) -> Result<(), SbomError> {
        let place = At::Name(self.at, name);
        for (index, value) in self.list(name)?.iter().enumerate() {
            act(Object::of(value, &At::Index(&place, index))?)?;
        }
        Ok(())
    }

    /// Does something with an object that may be missing.
    pub(crate) fn inner<T>(
        &self,
        name: &str,
        act: &mut dyn FnMut(Object<'_>) -> Result<T, SbomError>,
    ) -> Result<Option<T>, SbomError> {
        match self.map.get(name) {
            None => Ok(None),
            Some(value) => act(Object::of(value, &At::Name(self.at, name))?).map(Some),
        }
    }

    /// Refuses members of other names.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), SbomError> {
        match self.map.keys().find(|name| !names.contains(&name.as_str())) {
            Some(name) => self.wrong(&shortened(name), "the format has nothing of that name here"),
            None => Ok(()),
        }
    }
}

pub(crate) fn shortened(text: &str) -> String {
    provost_model::printable(&text.chars().take(80).collect::<String>())
}
