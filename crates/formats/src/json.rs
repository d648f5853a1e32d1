//! Strict JSON into a tree: parsers disagree on repeated names, so a document with one is refused; depth and the number
//! of values are bounded before they are held.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// What an object costs of the number of values: it takes that much more memory than others (a node of a tree).
const OBJECT: usize = 10;

/// Reads one document: at most `bytes` long, at most `values` values, of which objects count ten times. A byte order mark
/// at its start is allowed.
/// Nesting beyond 128 is refused by `serde_json` itself.
pub(crate) fn parse(text: &[u8], bytes: usize, values: usize) -> Result<Value, String> {
    if text.len() > bytes {
        return Err(format!("{} bytes: at most {bytes} are read", text.len()));
    }
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let left = Cell::new(values);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict(&left).deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<usize>);

impl Strict<'_> {
    fn count<E: Error>(self, number: usize) -> Result<(), E> {
        match self.0.get().checked_sub(number) {
            Some(left) => {
                self.0.set(left);
                Ok(())
            }
            None => Err(E::custom("too many values")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.count(OBJECT - 1)?;
        let mut object = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(self)?;
            if object.contains_key(&name) {
                return Err(A::Error::custom(format!("the name {name:?} is there twice in one object")));
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_documents() {
        for bad in
            [r#"{"a":1,"\u0061":2}"#, r#"[{"x":{"a":1,"a":2}}]"#, r#"{"a":1} x"#, "{", "", "[1,2,3,4,5,6,7,8,9,10,11]"]
        {
            assert!(parse(bad.as_bytes(), 1000, 10).is_err(), "{bad}");
        }
        let deep = "[".repeat(200) + &"]".repeat(200);
        assert!(parse(deep.as_bytes(), 1000, 1000).is_err());
        assert!(parse(b"[1]", 2, 10).is_err());
        assert_eq!(
            parse(b"\xef\xbb\xbf{\"a\":[1,-2,1.5,null,\"x\",true]}", 1000, 20),
            Ok(serde_json::json!({"a": [1, -2, 1.5, null, "x", true]}))
        );
    }
}
