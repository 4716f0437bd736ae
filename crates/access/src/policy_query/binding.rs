//! The values of a request that a query is run with.

use firewarden_fhir::ResourceType;
use serde_json::Value;

use super::{Literal, SentPath, ValueType, tables};
use crate::limits::SENT_BYTES_MAX;

/// What the query takes from a place of the request document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) path: SentPath,
    pub(crate) reading: Reading,
}

/// How a value of the request is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It only has to be there.
    Present,
    /// It is of that type.
    As(ValueType),
    /// It is converted to that type where it is a text, or a whole number that becomes a text.
    Cast(ValueType),
}

/// The values of one request that a query is run with.
#[derive(Clone, Debug, PartialEq)]
pub struct Bindings {
    values: Vec<Option<Literal>>,
    tables: Vec<ResourceType>,
}

impl Bindings {
    /// The values of [`Expression::Sent`](super::Expression::Sent). `None` for one that only had
    /// to be there: no expression names it.
    pub fn values(&self) -> &[Option<Literal>] {
        &self.values
    }

    /// The types of [`Table::Sent`](super::Table::Sent). Each has a table.
    pub fn tables(&self) -> &[ResourceType] {
        &self.tables
    }
}

/// Why a query is not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unbound {
    /// The request has no value there.
    Absent(SentPath),
    /// The value there names no table.
    NoTable(SentPath),
    /// The value there is not of the type that the query compares it with.
    OfAnotherType(SentPath),
    /// The values are larger than a query is run with.
    TooLarge,
}

/// Reads the values. Each must be there, whether or not the query needs it in the end: no rule
/// holds because something is absent.
pub(super) fn bind(
    wanted: &[Wanted],
    table_paths: &[SentPath],
    document: &Value,
) -> Result<Bindings, Unbound> {
    let mut tables = Vec::new();
    for path in table_paths {
        let name = path.of(document).ok_or_else(|| Unbound::Absent(path.clone()))?;
        let of = name.as_str().and_then(sent_table);
        tables.push(of.ok_or_else(|| Unbound::NoTable(path.clone()))?);
    }
    let mut values = Vec::new();
    let mut bytes_left = SENT_BYTES_MAX;
    for Wanted { path, reading } in wanted {
        let value = path.of(document).ok_or_else(|| Unbound::Absent(path.clone()))?;
        let of_another_type = || Unbound::OfAnotherType(path.clone());
        let (to, converts) = match reading {
            Reading::Present => {
                values.push(None);
                continue;
            }
            Reading::As(to) => (*to, false),
            Reading::Cast(to) => (*to, true),
        };
        let value = read(value, to, converts).ok_or_else(of_another_type)?;
        bytes_left = bytes_left.checked_sub(bytes(&value)).ok_or(Unbound::TooLarge)?;
        values.push(Some(value));
    }
    Ok(Bindings { values, tables })
}

/// The type that a request names, as `Patient` or as `patient`.
fn sent_table(name: &str) -> Option<ResourceType> {
    tables().find(|of| of.name() == name).or_else(|| super::table(name))
}

fn read(value: &Value, to: ValueType, converts: bool) -> Option<Literal> {
    Some(match (to, value) {
        // PostgreSQL has no text with this character.
        (_, Value::String(text)) if text.contains('\0') => return None,
        (ValueType::Text, Value::String(text)) => Literal::Text(text.clone()),
        (ValueType::Text, Value::Number(number)) if converts => {
            Literal::Text(number.as_i64()?.to_string())
        }
        (ValueType::Boolean, Value::Bool(value)) => Literal::Boolean(*value),
        (ValueType::Integer, Value::Number(number)) => Literal::Integer(number.as_i64()?),
        (ValueType::Numeric, Value::Number(number)) => Literal::Numeric(number.to_string()),
        (ValueType::Json, Value::Object(_) | Value::Array(_)) => Literal::Json(value.clone()),
        (_, Value::String(text)) if converts => of_text(text, to)?,
        (
            ValueType::Boolean
            | ValueType::Integer
            | ValueType::Numeric
            | ValueType::Text
            | ValueType::Json
            | ValueType::Time,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_),
        ) => return None,
    })
}

/// The value that a parameter of a URL, always a text, is cast to.
fn of_text(text: &str, to: ValueType) -> Option<Literal> {
    match to {
        ValueType::Boolean => match text {
            "true" => Some(Literal::Boolean(true)),
            "false" => Some(Literal::Boolean(false)),
            _ => None,
        },
        ValueType::Integer => text.parse().ok().map(Literal::Integer),
        ValueType::Numeric => is_number(text).then(|| Literal::Numeric(text.to_owned())),
        // A text that becomes an object would let its sender write a part of the rule.
        ValueType::Text | ValueType::Json | ValueType::Time => None,
    }
}

/// Whether a text is a JSON number.
pub(crate) fn is_number(text: &str) -> bool {
    matches!(serde_json::from_str(text), Ok(Value::Number(_)))
        && !text.contains(|c: char| c.is_whitespace())
}

fn bytes(value: &Literal) -> usize {
    match value {
        Literal::Text(text) | Literal::Numeric(text) => text.len(),
        Literal::Json(value) => value.to_string().len(),
        Literal::Boolean(_) | Literal::Integer(_) | Literal::Time(_) => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_cast_to_what_it_says_and_to_nothing_else() {
        use ValueType::{Boolean, Integer, Json, Numeric, Text, Time};
        let number = |text: &str| Some(Literal::Numeric(text.to_owned()));
        for (text, to, expected) in [
            ("true", Boolean, Some(Literal::Boolean(true))),
            ("false", Boolean, Some(Literal::Boolean(false))),
            ("TRUE", Boolean, None),
            ("t", Boolean, None),
            ("1", Boolean, None),
            ("", Boolean, None),
            ("-7", Integer, Some(Literal::Integer(-7))),
            ("7.0", Integer, None),
            (" 7", Integer, None),
            ("99999999999999999999", Integer, None),
            ("7.50", Numeric, number("7.50")),
            ("1e2", Numeric, number("1e2")),
            ("7 ", Numeric, None),
            ("\n7", Numeric, None),
            ("NaN", Numeric, None),
            ("x", Text, None),
            ("{}", Json, None),
            ("2020-01-01", Time, None),
        ] {
            assert_eq!(of_text(text, to), expected, "`{text}` as {to:?}");
        }
    }

    #[test]
    fn the_values_of_a_request_have_a_size_together() {
        let wanted = |name: &str| Wanted {
            path: SentPath::parse(name).unwrap(),
            reading: Reading::As(ValueType::Text),
        };
        let half = "x".repeat(SENT_BYTES_MAX / 2);
        let document = |last: &str| serde_json::json!({"a": half, "b": half, "c": last});
        let wanted = [wanted("a"), wanted("b"), wanted("c")];
        assert_eq!(bind(&wanted, &[], &document("")).unwrap().values().len(), 3);
        assert_eq!(bind(&wanted, &[], &document("x")), Err(Unbound::TooLarge));
    }
}
