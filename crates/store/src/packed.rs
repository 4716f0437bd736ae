//! The values of one version, packed in one blob: for removing its index rows, for `:missing` and
//! `:exact`, and for sorting.
//!
//! The form: one byte for its version, then for each value the parameter's number, a tag, and its
//! parts. Lengths and numbers of parameters are LEB128. What the values were selected by is noted with
//! the parameter, and its number changes with it: `engine/dictionary.rs`.

use firewarden_fhir::TimeRange;
use firewarden_fhir::extract::IndexValue;

/// Grows when the form changes: what is stored in an older one must still be read.
const FORM: u8 = 1;

/// Grows when the extractor selects differently, or when other index rows are made of its values: then
/// all values are made anew.
pub(crate) const EXTRACTOR_VERSION: u32 = 1;

/// The number of a search parameter within its type, as the database gave it.
pub(crate) type ParameterCode = u16;

/// One value, borrowed from a blob or from what was extracted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    String(&'a str),
    Token { system: Option<&'a str>, code: &'a str },
    Local { resource_type: &'a str, id: &'a str },
    Absolute(&'a str),
    Date(TimeRange),
    Number { low: f64, high: f64 },
    Quantity { low: f64, high: f64, unit: Unit<'a> },
    Uri(&'a str),
}

/// The unit of a quantity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Unit<'a> {
    pub system: Option<&'a str>,
    pub code: Option<&'a str>,
    pub text: Option<&'a str>,
}

impl<'a> Value<'a> {
    /// The value as it was extracted; `None` for a number that is none (no comparison finds it).
    pub(crate) fn of(value: &'a IndexValue) -> Option<Self> {
        Some(match value {
            IndexValue::String(text) => Self::String(text),
            IndexValue::Token { system, code } => Self::Token { system: system.as_deref(), code },
            IndexValue::Local(target) => {
                Self::Local { resource_type: target.resource_type.name(), id: target.id.as_str() }
            }
            IndexValue::Absolute(url) => Self::Absolute(url),
            // A Period that ends before it begins is the stretch between the two.
            IndexValue::Date(TimeRange { low_us, high_us }) => Self::Date(TimeRange {
                low_us: *low_us.min(high_us),
                high_us: *high_us.max(low_us),
            }),
            IndexValue::Number { low, high } => {
                let (low, high) = numbers(*low, *high)?;
                Self::Number { low, high }
            }
            IndexValue::Quantity { low, high, system, code, unit } => {
                let (low, high) = numbers(*low, *high)?;
                let text = unit.as_deref();
                let unit = Unit { system: system.as_deref(), code: code.as_deref(), text };
                Self::Quantity { low, high, unit }
            }
            IndexValue::Uri(uri) => Self::Uri(uri),
        })
    }
}

fn numbers(low: f64, high: f64) -> Option<(f64, f64)> {
    // Adding zero makes one of the two zeros.
    (!low.is_nan() && !high.is_nan()).then_some((low.min(high) + 0.0, low.max(high) + 0.0))
}

/// The values in one blob.
pub(crate) fn pack(values: &[(ParameterCode, Value<'_>)]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(1 + values.len() * 24);
    blob.push(FORM);
    for (parameter, value) in values {
        put_number(&mut blob, u64::from(*parameter));
        put_value(&mut blob, value);
    }
    blob
}

/// The values of a blob; `None` when it is not one of this form.
pub(crate) fn unpack(blob: &[u8]) -> Option<Vec<(ParameterCode, Value<'_>)>> {
    let mut rest = Rest(blob.strip_prefix(&[FORM])?);
    let mut values = Vec::new();
    while !rest.0.is_empty() {
        let parameter = ParameterCode::try_from(rest.number()?).ok()?;
        values.push((parameter, rest.value()?));
    }
    Some(values)
}

const STRING: u8 = 1;
const TOKEN: u8 = 2;
const LOCAL: u8 = 3;
const ABSOLUTE: u8 = 4;
const DATE: u8 = 5;
const NUMBER: u8 = 6;
const QUANTITY: u8 = 7;
const URI: u8 = 8;

fn put_value(blob: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::String(text) => {
            blob.push(STRING);
            put_text(blob, text);
        }
        Value::Token { system, code } => {
            blob.push(TOKEN);
            put_optional(blob, *system);
            put_text(blob, code);
        }
        Value::Local { resource_type, id } => {
            blob.push(LOCAL);
            put_text(blob, resource_type);
            put_text(blob, id);
        }
        Value::Absolute(url) => {
            blob.push(ABSOLUTE);
            put_text(blob, url);
        }
        Value::Date(range) => {
            blob.push(DATE);
            blob.extend_from_slice(&range.low_us.to_le_bytes());
            blob.extend_from_slice(&range.high_us.to_le_bytes());
        }
        Value::Number { low, high } => {
            blob.push(NUMBER);
            blob.extend_from_slice(&low.to_le_bytes());
            blob.extend_from_slice(&high.to_le_bytes());
        }
        Value::Quantity { low, high, unit } => {
            blob.push(QUANTITY);
            blob.extend_from_slice(&low.to_le_bytes());
            blob.extend_from_slice(&high.to_le_bytes());
            put_optional(blob, unit.system);
            put_optional(blob, unit.code);
            put_optional(blob, unit.text);
        }
        Value::Uri(uri) => {
            blob.push(URI);
            put_text(blob, uri);
        }
    }
}

fn put_number(blob: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        blob.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    blob.push(number as u8);
}

fn put_text(blob: &mut Vec<u8>, text: &str) {
    put_number(blob, text.len() as u64);
    blob.extend_from_slice(text.as_bytes());
}

/// Zero for none, else the length and one.
fn put_optional(blob: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => blob.push(0),
        Some(text) => {
            put_number(blob, text.len() as u64 + 1);
            blob.extend_from_slice(text.as_bytes());
        }
    }
}

/// What is still to be read of a blob.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn value(&mut self) -> Option<Value<'a>> {
        Some(match self.byte()? {
            STRING => Value::String(self.text()?),
            TOKEN => {
                let system = self.optional()?;
                Value::Token { system, code: self.text()? }
            }
            LOCAL => {
                let resource_type = self.text()?;
                Value::Local { resource_type, id: self.text()? }
            }
            ABSOLUTE => Value::Absolute(self.text()?),
            DATE => {
                let low_us = i64::from_le_bytes(self.eight()?);
                Value::Date(TimeRange { low_us, high_us: i64::from_le_bytes(self.eight()?) })
            }
            NUMBER => {
                let low = f64::from_le_bytes(self.eight()?);
                Value::Number { low, high: f64::from_le_bytes(self.eight()?) }
            }
            QUANTITY => {
                let low = f64::from_le_bytes(self.eight()?);
                let high = f64::from_le_bytes(self.eight()?);
                let (system, code) = (self.optional()?, self.optional()?);
                Value::Quantity { low, high, unit: Unit { system, code, text: self.optional()? } }
            }
            URI => Value::Uri(self.text()?),
            _ => return None,
        })
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        self.text_of(length)
    }

    fn optional(&mut self) -> Option<Option<&'a str>> {
        match self.number()? {
            0 => Some(None),
            length_and_one => self.text_of(length_and_one - 1).map(Some),
        }
    }

    fn text_of(&mut self, length: u64) -> Option<&'a str> {
        let (text, rest) = self.0.split_at_checked(usize::try_from(length).ok()?)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = IndexValue> {
        let text = || "\\PC{0,200}";
        let optional = || prop::option::of("\\PC{0,9}");
        prop_oneof![
            text().prop_map(IndexValue::String),
            (optional(), text()).prop_map(|(system, code)| IndexValue::Token { system, code }),
            text().prop_map(IndexValue::Absolute),
            (any::<i64>(), any::<i64>())
                .prop_map(|(low_us, high_us)| IndexValue::Date(TimeRange { low_us, high_us })),
            (any::<f64>(), any::<f64>()).prop_map(|(low, high)| IndexValue::Number { low, high }),
            (any::<f64>(), optional(), optional(), optional()).prop_map(
                |(low, system, code, unit)| {
                    IndexValue::Quantity { low, high: low, system, code, unit }
                }
            ),
            text().prop_map(IndexValue::Uri),
        ]
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            values in prop::collection::vec((any::<ParameterCode>(), value()), 0..9)
        ) {
            let values: Vec<_> =
                values.iter().filter_map(|(code, v)| Some((*code, Value::of(v)?))).collect();
            let blob = pack(&values);
            prop_assert_eq!(unpack(&blob), Some(values.clone()));
            // A part of it is recognised as such, or is whole values.
            for end in 0..blob.len() {
                if let Some(part) = unpack(&blob[..end]) {
                    prop_assert!(values.starts_with(&part));
                }
            }
        }

        #[test]
        fn no_blob_makes_it_panic(mut blob in prop::collection::vec(any::<u8>(), 1..60)) {
            unpack(&blob);
            blob[0] = FORM;
            unpack(&blob);
        }
    }

    #[test]
    fn a_number_that_is_none_has_no_value() {
        assert_eq!(Value::of(&IndexValue::Number { low: f64::NAN, high: 1.0 }), None);
        let zeros = IndexValue::Number { low: -0.0, high: 0.0 };
        let Some(Value::Number { low, .. }) = Value::of(&zeros) else { panic!() };
        assert!(low.is_sign_positive());
    }
}
