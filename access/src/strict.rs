//! JSON without ambiguity.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

/// Why a text is no such object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StrictError {
    /// It is no JSON, nests too deep, or is something other than an object.
    NotAnObject,
    /// A name stands twice in one object.
    Duplicate,
}

/// Reads an object in which no name stands twice, at any depth. Of two equal names, readers take the first or
/// the last as they please; whoever checks a token must not read another one than its issuer meant.
pub(crate) fn object(json: &[u8]) -> Result<Map<String, Value>, StrictError> {
    match serde_json::from_slice::<Unique>(json) {
        Ok(Unique(Value::Object(object))) => Ok(object),
        Ok(_) => Err(StrictError::NotAnObject),
        // The visitor takes every type, so that its own error is the only one about the data.
        Err(error) if error.classify() == Category::Data => Err(StrictError::Duplicate),
        Err(_) => Err(StrictError::NotAnObject),
    }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Unique, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Unique)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = list.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((name, Unique(value))) = entries.next_entry::<String, Unique>()? {
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_read_as_it_is() {
        let json = r#"{"a":[1,-1,1.5,null,true,"x",{"b":{}}],"":18446744073709551615}"#;
        let object = object(json.as_bytes()).unwrap();
        assert_eq!(Value::Object(object), serde_json::from_str::<Value>(json).unwrap());
    }

    #[test]
    fn a_name_stands_once_however_it_is_written_and_wherever() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            r#"{"x":[{"a":1,"a":2}]}"#,
        ] {
            assert_eq!(object(json.as_bytes()), Err(StrictError::Duplicate), "{json}");
        }
        assert!(object(br#"{"a":{"a":{"a":1}},"A":1}"#).is_ok());
    }

    #[test]
    fn anything_else_is_no_object() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(2_000), "]".repeat(2_000));
        for json in
            ["", "null", "[]", "1", "{", "{}x", "{} {}", "{'a':1}", "{\"a\":1e999}", "\u{feff}{}", &deep]
        {
            assert_eq!(object(json.as_bytes()), Err(StrictError::NotAnObject), "{json:.40}");
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), Err(StrictError::NotAnObject));
    }
}
