//! TOML read as what it is, not as what it should be: a value of the wrong type is a problem of its entry, with its line.

use provost_model::{Claims, Inventory, Timestamp};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::LockError;
use super::source::address;
use super::text::{Lines, quoted};
use super::tree::note;

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

/// Parses a document.
pub(super) fn parse(text: &str) -> Result<(DeTable<'_>, Lines), LockError> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => Ok((table.into_inner(), lines)),
        Err(error) => {
            Err(LockError { line: error.span().map(|span| lines.at(span.start)), what: error.message().to_owned() })
        }
    }
}

/// Addresses of one package that are kept.
const MAXIMUM_ADDRESSES: usize = 256;

/// What the files of a package say of it: their addresses, and when the last of them was published. A file that says no
/// time leaves it open: an old release can get a new file.
pub(super) fn claims(files: &[&DeTable<'_>]) -> Claims {
    let mut claims = Claims::default();
    let mut times = Vec::new();
    for file in files {
        let url = file.get("url").and_then(|value| value.get_ref().as_str());
        claims.resolved.extend(url.filter(|url| url.contains("://") && url.len() <= 4096).map(address));
        times.push(file.get("upload-time").and_then(|value| time(value.get_ref())));
    }
    claims.resolved.truncate(MAXIMUM_ADDRESSES);
    claims.released = times.into_iter().collect::<Option<Vec<_>>>().and_then(|times| times.into_iter().max());
    claims
}

/// A time, as TOML has it or as text. Without an offset UTC is meant (PEP 751, `upload-time`).
fn time(value: &DeValue<'_>) -> Option<Timestamp> {
    let text = match value {
        DeValue::Datetime(time) => time.to_string(),
        DeValue::String(text) => text.to_string(),
        _ => return None,
    };
    text.parse().or_else(|_| format!("{text}Z").parse()).ok()
}

/// One table, read field by field; what is wrong goes into the inventory's problems.
pub(super) struct Fields<'t> {
    pub(super) table: &'t DeTable<'t>,
    /// What it is, for messages: `package foo`.
    pub(super) what: &'t str,
    pub(super) lines: &'t Lines,
}

impl<'t> Fields<'t> {
    /// Line of a key, counted from 1.
    pub(super) fn line(&self, key: &str) -> Option<u64> {
        self.table.get_key_value(key).map(|(key, _)| self.lines.at(key.span().start))
    }

    fn wrong(&self, inventory: &mut Inventory, key: &str, value: &Value<'_>, wanted: &str) {
        let line = self.lines.at(value.span().start);
        let what = format!("{}: `{key}` is a {}, not a {wanted}", self.what, value.get_ref().type_str());
        note(&mut inventory.problems, Some(line), what);
    }

    /// A string.
    pub(super) fn string(&self, inventory: &mut Inventory, key: &str) -> Option<&'t str> {
        let value = self.table.get(key)?;
        let string = value.get_ref().as_str();
        if string.is_none() {
            self.wrong(inventory, key, value, "string");
        }
        string
    }

    /// A boolean; false where there is none.
    pub(super) fn boolean(&self, inventory: &mut Inventory, key: &str) -> bool {
        let Some(value) = self.table.get(key) else { return false };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong(inventory, key, value, "boolean");
            false
        })
    }

    /// An array; empty where there is none.
    pub(super) fn array(&self, inventory: &mut Inventory, key: &str) -> &'t [Value<'t>] {
        let Some(value) = self.table.get(key) else { return &[] };
        match value.get_ref().as_array() {
            Some(array) => array,
            None => {
                self.wrong(inventory, key, value, "array");
                &[]
            }
        }
    }

    /// The strings of an array.
    pub(super) fn strings(&self, inventory: &mut Inventory, key: &str) -> Vec<&'t str> {
        let mut strings = Vec::new();
        for value in self.array(inventory, key) {
            match value.get_ref().as_str() {
                Some(string) => strings.push(string),
                None => self.wrong(inventory, key, value, "string"),
            }
        }
        strings
    }

    /// A table.
    pub(super) fn table(&self, inventory: &mut Inventory, key: &str) -> Option<&'t DeTable<'t>> {
        let value = self.table.get(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(inventory, key, value, "table");
        }
        table
    }

    /// The tables of an array, each with its line.
    pub(super) fn tables(&self, inventory: &mut Inventory, key: &str) -> Vec<(u64, &'t DeTable<'t>)> {
        let mut tables = Vec::new();
        for value in self.array(inventory, key) {
            match value.get_ref().as_table() {
                Some(table) => tables.push((self.lines.at(value.span().start), table)),
                None => self.wrong(inventory, key, value, "table"),
            }
        }
        tables
    }
}

/// The table at a path of keys; nothing where one is missing or another thing.
pub(super) fn at<'t>(table: &'t DeTable<'t>, path: &[&str]) -> Option<&'t DeTable<'t>> {
    path.iter().try_fold(table, |table, key| table.get(*key)?.get_ref().as_table())
}

/// The entries of a table in the order of the file.
pub(super) fn in_order<'t>(table: &'t DeTable<'t>, lines: &Lines) -> Vec<(u64, &'t str, &'t Value<'t>)> {
    let mut entries: Vec<_> =
        table.iter().map(|(key, value)| (key.span().start, key.get_ref().as_ref(), value)).collect();
    entries.sort_unstable_by_key(|(start, _, _)| *start);
    entries.into_iter().map(|(start, key, value)| (lines.at(start), key, value)).collect()
}

/// What a package entry is called in messages.
pub(super) fn title(table: &DeTable<'_>) -> String {
    match table.get("name").and_then(|name| name.get_ref().as_str()) {
        Some(name) => format!("package {}", quoted(name)),
        None => "a package".to_owned(),
    }
}
