//! Contributions as a document of provost's own form, for forges that are not known here: the fields of [`Contribution`]
//! and `version`. docs/gate-events.md describes it.

use serde::Deserialize as _;
use serde_json::Value;

use super::fields::{labels, missing, parse, short};
use super::{Account, Contribution, Forge, ForgeError, Limits};

/// What `version` says.
pub const VERSION: &str = "provost.contribution/1";

/// The form as JSON Schema (draft 2020-12).
pub const SCHEMA: &str = include_str!("contribution.schema.json");

/// Reads a document.
///
/// # Errors
/// It has another version, an unknown field, or a value that its field cannot have; it claims to be an event of a forge
/// that has a reader of its own; or it contradicts itself.
pub fn event(document: &[u8], limits: &Limits) -> Result<Contribution, ForgeError> {
    let mut value: Value = parse(document, limits)?;
    let version = value.as_object_mut().and_then(|object| object.remove("version"));
    if version.as_ref().and_then(Value::as_str) != Some(VERSION) {
        return Err(missing("version", "`provost.contribution/1`"));
    }
    let mut it =
        Contribution::deserialize(value).map_err(|error| ForgeError::Json(short(&error.to_string(), limits.title)))?;
    if it.forge != Forge::Neutral {
        return Err(missing("forge", "`neutral`"));
    }
    if it.reviews.len() > limits.reviews {
        return Err(ForgeError::TooMany { field: "reviews".to_owned(), what: "reviews", limit: limits.reviews });
    }
    let known = |account: &Account| account.name.is_some() || account.id.is_some() || account.email.is_some();
    let people = [&it.author, &it.sender, &it.pusher, &it.rerun_by];
    if !people.into_iter().flatten().chain(it.reviews.iter().filter_map(|review| review.who.as_ref())).all(known) {
        return Err(missing("name", "an account's name (or its `id` or `email`)"));
    }
    if it.repository.name.is_none() {
        return Err(missing("repository.name", "a repository's name"));
    }
    if it.created && (it.deleted || it.base.is_some()) || it.deleted && it.head.is_some() {
        let text = "a ref that is `created` has no `base`, one that is `deleted` no `head`, and none is both";
        return Err(ForgeError::Contradiction(text.to_owned()));
    }
    let texts: Vec<&str> = it.labels.iter().map(String::as_str).collect();
    it.labels = labels("labels", &texts, limits)?;
    it.title = it.title.map(|text| short(&text, limits.title));
    it.action = it.action.map(|text| short(&text, limits.title));
    Ok(it)
}

/// Writes a contribution, of any forge, as such a document. One of another forge is not read back by [`event`]: it stays
/// marked as what it is.
pub fn write(contribution: &Contribution) -> Value {
    let mut value = serde_json::to_value(contribution).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("version".to_owned(), VERSION.into());
    }
    value
}
