//! JSON that has one reading only.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::OciError;

/// Refuses two equal keys of an object, and a key that differs from one of `names` in case alone (as Go's reader folds
/// it). Within members called one of `maps`, keys are free.
pub(super) fn check(bytes: &[u8], what: &'static str, names: &[&str], maps: &[&str]) -> Result<(), OciError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let strict = Strict { names, maps, free: false };
    strict.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|error| {
        let why = error.to_string();
        match why.strip_prefix(MARK) {
            Some(why) => OciError::Ambiguous { what, why: why.to_owned() },
            None => OciError::Shape { what, why },
        }
    })
}

const MARK: &str = "ambiguous: ";

#[derive(Clone, Copy)]
struct Strict<'a> {
    names: &'a [&'a str],
    maps: &'a [&'a str],
    /// The keys of this object are no names of members.
    free: bool,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = ();
    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = map.next_key::<String>()? {
            let shown: String = key.chars().take(80).collect();
            let known = self.names.contains(&key.as_str());
            if !self.free && !known {
                let folded = fold(&key);
                if let Some(name) = self.names.iter().find(|name| fold(name) == folded) {
                    return Err(A::Error::custom(format!("{MARK}some readers take its key `{shown}` for `{name}`")));
                }
            }
            if self.free || known {
                map.next_value_seed(Strict { free: self.maps.contains(&key.as_str()), ..self })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if !seen.insert(key) {
                return Err(A::Error::custom(format!("{MARK}its key `{shown}` stands twice in one object")));
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// As Go's `encoding/json` compares keys: letters without case, and the two other characters that fold to one of ASCII.
fn fold(key: &str) -> String {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}
