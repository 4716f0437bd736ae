//! The formats of primitive values (<https://hl7.org/fhir/R4/datatypes.html#primitive>).

use serde_json::{Number, Value};

use crate::definitions::Primitive;
use crate::{Id, TimeRange, limits};

/// Why a value is not of its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The type of issue.
    pub(super) code: &'static str,
    /// What to write.
    pub(super) diagnostics: &'static str,
}

/// What the values of a primitive type are in JSON, and which of those fit.
enum Format {
    Boolean,
    Number(fn(&Number) -> bool),
    Text(fn(&str) -> bool),
}

/// Checks a value against its primitive type.
pub(super) fn check(primitive: Primitive, value: &Value) -> Result<(), Refusal> {
    let (format, wanted) = format(primitive);
    let (code, diagnostics) = match (format, value) {
        (Format::Boolean, Value::Bool(_)) => return Ok(()),
        (Format::Boolean, _) => ("structure", wanted),
        (Format::Number(fits), Value::Number(number)) if fits(number) => return Ok(()),
        (Format::Number(_), Value::Number(_)) => ("value", wanted),
        (Format::Number(_), _) => ("structure", "not a number: write it without quotes"),
        (Format::Text(_), Value::String(text)) if text.is_empty() => {
            ("value", "an empty string: leave the element out")
        }
        (Format::Text(_), Value::String(text)) if text.contains('\0') => {
            ("value", "a string with the character U+0000")
        }
        (Format::Text(fits), Value::String(text)) if fits(text) => return Ok(()),
        (Format::Text(_), Value::String(_)) => ("value", wanted),
        (Format::Text(_), _) => ("structure", "not a string: write it in quotes"),
    };
    Err(Refusal { code, diagnostics })
}

fn format(primitive: Primitive) -> (Format, &'static str) {
    use Format::{Number, Text};
    match primitive {
        Primitive::Boolean => {
            (Format::Boolean, "not a boolean: write `true` or `false` without quotes")
        }
        Primitive::Decimal => (Number(is_decimal), "a decimal beyond 64-bit floating point"),
        Primitive::Integer => (Number(|it| is_from(i32::MIN, it)), "not an integer of 32 bits"),
        Primitive::UnsignedInt => {
            (Number(|it| is_from(0, it)), "not an integer from 0 and below 2^31")
        }
        Primitive::PositiveInt => {
            (Number(|it| is_from(1, it)), "not an integer from 1 and below 2^31")
        }
        Primitive::String | Primitive::Markdown => {
            (Text(|it| it.len() <= limits::STRING_BYTES_MAX), "a string of more than 1 MiB")
        }
        Primitive::Xhtml => (Text(|_| true), ""),
        Primitive::Code => (Text(is_code), "not a code: single spaces, and none at its ends"),
        Primitive::Id => {
            (Text(|it| Id::parse(it).is_some()), "not an id: 1 to 64 letters, digits, `-` and `.`")
        }
        Primitive::Uri | Primitive::Url | Primitive::Canonical => (
            Text(|it| !it.contains(|c: char| c.is_ascii_whitespace())),
            "not a URI: it has white space",
        ),
        Primitive::Oid => (Text(is_oid), "not an OID: write `urn:oid:1.2.3`"),
        Primitive::Uuid => (Text(is_uuid), "not a UUID: write `urn:uuid:` and it in lower case"),
        Primitive::Date => (Text(is_date), "not a date: write `YYYY`, `YYYY-MM` or `YYYY-MM-DD`"),
        Primitive::DateTime => (
            Text(|it| is_date(it) || is_instant(it)),
            "not a dateTime: write a date, or `YYYY-MM-DDThh:mm:ss` and its zone (`Z`, `+02:00`)",
        ),
        Primitive::Instant => (
            Text(is_instant),
            "not an instant: write `YYYY-MM-DDThh:mm:ss` and its zone (`Z`, `+02:00`)",
        ),
        Primitive::Time => (Text(is_time), "not a time: write `hh:mm:ss`"),
        Primitive::Base64Binary => (Text(is_base64), "not Base64"),
    }
}

/// A number that was written with an exponent far below zero would take as many digits where it is
/// kept exactly.
fn is_decimal(number: &Number) -> bool {
    let text = number.to_string();
    let exponent = text.split_once(['e', 'E']).map_or(Ok(0), |(_, digits)| digits.parse::<i64>());
    number.as_f64().is_some()
        && exponent.is_ok_and(|exponent| exponent.abs() <= limits::DECIMAL_EXPONENT_MAX)
}

fn is_from(least: i32, number: &Number) -> bool {
    number.as_i64().and_then(|it| i32::try_from(it).ok()).is_some_and(|it| it >= least)
}

fn is_code(text: &str) -> bool {
    text.split(|c: char| c.is_ascii_whitespace()).all(|word| !word.is_empty())
}

fn is_oid(text: &str) -> bool {
    let Some(mut arcs) = text.strip_prefix("urn:oid:").map(|oid| oid.split('.')) else {
        return false;
    };
    let is_arc = |arc: &str| {
        !arc.is_empty()
            && arc.bytes().all(|b| b.is_ascii_digit())
            && (arc == "0" || !arc.starts_with('0'))
    };
    let is_root = arcs.next().is_some_and(|root| matches!(root, "0" | "1" | "2"));
    let mut rest = arcs.peekable();
    is_root && rest.peek().is_some() && rest.all(is_arc)
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
        })
}

fn is_date(text: &str) -> bool {
    !text.contains('T') && !text.starts_with("0000") && TimeRange::parse(text).is_some()
}

/// A time with seconds and a zone.
fn is_instant(text: &str) -> bool {
    let clock = text.split_once('T').map_or("", |(_, clock)| clock);
    let has_zone = clock.contains(['Z', '+', '-']);
    let has_seconds = clock.get(5..6) == Some(":");
    has_zone && has_seconds && !text.starts_with("0000") && TimeRange::parse(text).is_some()
}

fn is_time(text: &str) -> bool {
    !text.contains(['Z', '+', '-']) && is_instant(&format!("2000-01-01T{text}Z"))
}

fn is_base64(text: &str) -> bool {
    let mut letters = 0usize;
    let mut padding = 0usize;
    for byte in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => letters += 1,
            _ => return false,
        }
    }
    letters > 0 && padding <= 2 && (letters + padding).is_multiple_of(4)
}
