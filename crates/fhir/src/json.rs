//! JSON as this server accepts it: strict, bounded, with decimals kept as they were written.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use crate::limits;

/// Why a text is not acceptable JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at line {line} column {column}")]
pub struct JsonError {
    /// What is wrong, in words for the client.
    pub what: String,
    /// Line of the text, from 1.
    pub line: usize,
    /// Column of the line, from 1.
    pub column: usize,
}

/// Reads one JSON value. Members keep their order and numbers their text (an exponent gains its
/// sign: `1e2` becomes `1e+2`). Refused: duplicate
/// members (two readers could see two different resources), nesting deeper than
/// [`limits::NESTING_DEPTH_MAX`], more than [`limits::JSON_VALUES_MAX`] values, anything after the
/// value, lone surrogates, invalid UTF-8.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let values = Cell::new(0);
    let value = Strict { depth: 0, values: &values }
        .deserialize(&mut deserializer)
        .map_err(|e| describe(&e))?;
    deserializer.end().map_err(|e| describe(&e))?;
    Ok(value)
}

fn describe(error: &serde_json::Error) -> JsonError {
    let text = error.to_string();
    let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
    JsonError { what: what.to_owned(), line: error.line(), column: error.column() }
}

/// The member name by which `serde_json` hands over a number with its text; it is not part of its
/// public API, and the test `decimals_keep_their_text` holds it.
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

#[derive(Clone, Copy)]
struct Strict<'c> {
    depth: usize,
    /// Values read so far, of the whole text: a value takes many times the bytes it is written in.
    values: &'c Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= limits::NESTING_DEPTH_MAX {
            return Err(E::custom(format!(
                "nested deeper than {} levels",
                limits::NESTING_DEPTH_MAX
            )));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > limits::JSON_VALUES_MAX {
            let what = format!("more than {} values", limits::JSON_VALUES_MAX);
            return Err(D::Error::custom(what));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
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

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(deeper)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == NUMBER_TOKEN {
                return number(&members.next_value::<String>()?);
            }
            match object.entry(name) {
                Entry::Vacant(place) => {
                    place.insert(members.next_value_seed(deeper)?);
                }
                Entry::Occupied(first) => {
                    let name = first.key();
                    return Err(A::Error::custom(format!("duplicate member `{name}`")));
                }
            }
        }
        Ok(Value::Object(object))
    }
}

fn number<E: Error>(text: &str) -> Result<Value, E> {
    if text.len() > limits::NUMBER_LENGTH_MAX {
        return Err(E::custom(format!(
            "a number of more than {} characters",
            limits::NUMBER_LENGTH_MAX
        )));
    }
    text.parse::<Number>().map(Value::Number).map_err(|_| E::custom("not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_text() {
        let text = r#"{"a":1.00,"b":[1e+2,-0.10,100000000000000000000.5],"c":{"d":0}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for (text, what) in [
            (&br#"{"a":1,"a":2}"#[..], "duplicate member `a`"),
            (br#"{"a":{"b":1,"\u0062":2}}"#, "duplicate member `b`"),
            (br#"{} {}"#, "trailing characters"),
            (br#"{"a":"\ud800"}"#, "unexpected end of hex escape"),
            (b"{\"a\":\"\xff\"}", "invalid unicode code point"),
            (b"\xef\xbb\xbf{}", "expected value"),
            (br#"{"a":01}"#, "invalid number"),
            (br#"{"a":NaN}"#, "expected value"),
            (b"", "EOF while parsing a value"),
        ] {
            assert_eq!(parse(text).unwrap_err().what, what, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn depth_and_numbers_are_bounded() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(deep(limits::NESTING_DEPTH_MAX).as_bytes()).is_ok());
        assert!(parse(deep(limits::NESTING_DEPTH_MAX + 1).as_bytes()).is_err());
        assert!(parse(deep(1_000_000).as_bytes()).is_err());
        assert!(parse("1".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn values_are_bounded_in_the_whole_text() {
        let lists = |values: usize| format!("[{}[]]", "[],".repeat(values - 2));
        assert!(parse(lists(limits::JSON_VALUES_MAX).as_bytes()).is_ok());
        let refused = parse(lists(limits::JSON_VALUES_MAX + 1).as_bytes()).unwrap_err();
        assert_eq!(refused.what, "more than 2000000 values");
    }
}
