//! Strict JSON: parsers disagree on repeated names, so a document with one is refused everywhere.

use std::borrow::Cow;
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
        let mut seen = Names::default();
        while let Some(Name(name)) = map.next_key()? {
            if seen.contains(&name) {
                return Err(A::Error::custom(format!("the name {name:?} is there twice in one object")));
            }
            map.next_value::<NoRepeats>()?;
            seen.insert(name);
        }
        Ok(NoRepeats)
    }
}

/// The name of a member, in the document itself where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(name)))
            }

            fn visit_str<E>(self, name: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(name.to_owned())))
            }
        }
        deserializer.deserialize_str(Read)
    }
}

/// The names of one object. Nearly all have few, which are compared one by one.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    const FEW: usize = 24;

    fn contains(&self, name: &str) -> bool {
        self.few.iter().any(|known| known == name) || self.many.contains(name)
    }

    fn insert(&mut self, name: Cow<'de, str>) {
        if self.few.len() < Self::FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
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
        // Wherever in a large object the two are, and however the second is written.
        for (first, second) in [(0, 99), (30, 31), (3, 5), (23, 24)] {
            let names: Vec<String> = (0..100).map(|at| format!("name{at}")).collect();
            let text = |names: &[String]| {
                let members: Vec<String> = names.iter().map(|name| format!("\"{name}\":1")).collect();
                format!("{{{}}}", members.join(","))
            };
            assert!(parse_strict::<serde_json::Value>("test", text(&names).as_bytes()).is_ok());
            for again in [names[first].clone(), names[first].replace('n', "\\u006e")] {
                let mut names = names.clone();
                names[second] = again;
                assert!(parse_strict::<serde_json::Value>("test", text(&names).as_bytes()).is_err(), "{names:?}");
            }
        }
    }
}
