//! Strict JSON: parsers disagree on repeated names, so a document with one is refused everywhere.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::AttestError;

/// Reads JSON into a type; refuses repeated object names, trailing bytes and nesting over 128 (RFC 8259, section 4
/// leaves repeated names to the parser; we do not).
///
/// # Errors
/// [`AttestError::Malformed`] with line and column.
pub fn parse_strict<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, AttestError> {
    serde_json::from_slice::<NoRepeats>(bytes).map_err(|e| AttestError::malformed(what, e))?;
    serde_json::from_slice(bytes).map_err(|e| AttestError::malformed(what, e))
}

struct NoRepeats;

impl<'de> Deserialize<'de> for NoRepeats {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = NoRepeats;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_i64<E>(self, _: i64) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_u64<E>(self, _: u64) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_f64<E>(self, _: f64) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_str<E>(self, _: &str) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_unit<E>(self) -> Result<NoRepeats, E> {
        Ok(NoRepeats)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<NoRepeats, A::Error> {
        while seq.next_element::<NoRepeats>()?.is_some() {}
        Ok(NoRepeats)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<NoRepeats, A::Error> {
        let mut seen = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("the name {name:?} is there twice in one object")));
            }
            map.next_value::<NoRepeats>()?;
            seen.insert(name);
        }
        Ok(NoRepeats)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_names_are_refused_at_any_depth() {
        for bad in [r#"{"a":1,"a":2}"#, r#"[{"x":{"a":1,"\u0061":2}}]"#, r#"{"a":1} x"#, "{"] {
            assert!(parse_strict::<serde_json::Value>("test", bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(parse_strict::<serde_json::Value>("test", deep.as_bytes()).is_err());
        assert!(parse_strict::<serde_json::Value>("test", br#"{"a":[{"a":1},{"a":2}]}"#).is_ok());
    }
}
