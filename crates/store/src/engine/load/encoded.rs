//! Index rows as bytes whose order is that of the index tables' keys.

use firewarden_fhir::ResourceType;

use crate::engine::dictionary::TypeCode;
use crate::engine::index_writes::IndexRow;
use crate::index::{DateSpan, IndexKey, NumberSpan, Real};
use crate::packed::ParameterCode;

const STRING: u8 = 0;
const TOKEN: u8 = 1;
const REFERENCE: u8 = 2;
const DATE: u8 = 3;
const NUMBER: u8 = 4;
const QUANTITY: u8 = 5;
const URI: u8 = 6;

/// What stands behind a text. Within it a zero is followed by [`NOT_THE_END`].
const END: [u8; 2] = [0, 0];
const NOT_THE_END: u8 = 0xff;

/// Adds a row of the type that all rows have.
pub(super) fn put_row(
    bytes: &mut Vec<u8>,
    parameter: ParameterCode,
    key: &IndexKey,
    resource: i64,
) {
    let table = match key {
        IndexKey::String(_) => STRING,
        IndexKey::Token { .. } => TOKEN,
        IndexKey::Reference { .. } => REFERENCE,
        IndexKey::Date { .. } => DATE,
        IndexKey::Number { .. } => NUMBER,
        IndexKey::Quantity { .. } => QUANTITY,
        IndexKey::Uri(_) => URI,
    };
    bytes.push(table);
    bytes.extend(parameter.to_be_bytes());
    match key {
        IndexKey::String(text) | IndexKey::Uri(text) => {
            put_text(bytes, text);
            put_integer(bytes, resource);
        }
        IndexKey::Token { code, system } => {
            put_text(bytes, code);
            put_integer(bytes, resource);
            put_optional(bytes, system.as_deref());
        }
        IndexKey::Reference { target, target_type } => {
            put_text(bytes, target);
            put_integer(bytes, resource);
            put_optional(bytes, target_type.map(ResourceType::name));
        }
        IndexKey::Date { span, low_us, high_us } => {
            bytes.push(span.code() as u8);
            put_integer(bytes, *low_us);
            put_integer(bytes, *high_us);
            put_integer(bytes, resource);
        }
        IndexKey::Number { span, low, high } | IndexKey::Quantity { span, low, high } => {
            bytes.push(span.code() as u8);
            put_real(bytes, *low);
            put_real(bytes, *high);
            put_integer(bytes, resource);
        }
    }
}

/// The row that such bytes are.
pub(super) fn row(bytes: &[u8], type_code: TypeCode) -> Option<IndexRow> {
    let mut rest = Rest(bytes);
    let [table, parameter @ ..] = rest.bytes::<3>()?;
    let (key, resource) = match table {
        STRING => (IndexKey::String(rest.text()?), rest.integer()?),
        TOKEN => {
            let (code, resource) = (rest.text()?, rest.integer()?);
            (IndexKey::Token { code, system: rest.optional()? }, resource)
        }
        REFERENCE => {
            let (target, resource) = (rest.text()?, rest.integer()?);
            let target_type = match rest.optional()? {
                Some(name) => Some(ResourceType::parse(&name)?),
                None => None,
            };
            (IndexKey::Reference { target, target_type }, resource)
        }
        DATE => {
            let span = rest.span(DateSpan::ALL, DateSpan::code)?;
            let (low_us, high_us) = (rest.integer()?, rest.integer()?);
            (IndexKey::Date { span, low_us, high_us }, rest.integer()?)
        }
        NUMBER => {
            let (span, low, high) = rest.range()?;
            (IndexKey::Number { span, low, high }, rest.integer()?)
        }
        QUANTITY => {
            let (span, low, high) = rest.range()?;
            (IndexKey::Quantity { span, low, high }, rest.integer()?)
        }
        URI => (IndexKey::Uri(rest.text()?), rest.integer()?),
        _ => return None,
    };
    Some(IndexRow::new(type_code, (ParameterCode::from_be_bytes(parameter), key), resource))
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    for part in text.as_bytes().split_inclusive(|byte| *byte == 0) {
        bytes.extend_from_slice(part);
        if part.last() == Some(&0) {
            bytes.push(NOT_THE_END);
        }
    }
    bytes.extend(END);
}

fn put_optional(bytes: &mut Vec<u8>, text: Option<&str>) {
    bytes.push(u8::from(text.is_some()));
    if let Some(text) = text {
        put_text(bytes, text);
    }
}

/// With the sign turned round, so that negative numbers come first.
fn put_integer(bytes: &mut Vec<u8>, number: i64) {
    bytes.extend((number.cast_unsigned() ^ (1 << 63)).to_be_bytes());
}

/// As `f64::total_cmp` orders them.
fn put_real(bytes: &mut Vec<u8>, number: Real) {
    let bits = number.0.to_bits();
    let turned = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    bytes.extend(turned.to_be_bytes());
}

/// What is still to be read.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn text(&mut self) -> Option<Box<str>> {
        let mut text = Vec::new();
        loop {
            let zero = self.0.iter().position(|byte| *byte == 0)?;
            let (part, rest) = self.0.split_at_checked(zero)?;
            text.extend_from_slice(part);
            let after = *rest.get(1)?;
            self.0 = rest.get(2..)?;
            match after {
                NOT_THE_END => text.push(0),
                _ => return String::from_utf8(text).ok().map(Box::from),
            }
        }
    }

    fn optional(&mut self) -> Option<Option<Box<str>>> {
        match self.bytes::<1>()? {
            [0] => Some(None),
            _ => self.text().map(Some),
        }
    }

    fn integer(&mut self) -> Option<i64> {
        Some((u64::from_be_bytes(self.bytes()?) ^ (1 << 63)).cast_signed())
    }

    fn real(&mut self) -> Option<Real> {
        let turned = u64::from_be_bytes(self.bytes()?);
        let bits = if turned >> 63 == 1 { turned ^ (1 << 63) } else { !turned };
        Some(Real(f64::from_bits(bits)))
    }

    fn range(&mut self) -> Option<(NumberSpan, Real, Real)> {
        let span = self.span(NumberSpan::ALL, NumberSpan::code)?;
        Some((span, self.real()?, self.real()?))
    }

    fn span<S: Copy, const N: usize>(&mut self, all: [S; N], code: fn(S) -> i64) -> Option<S> {
        let [number] = self.bytes::<1>()?;
        all.into_iter().find(|span| code(*span) == i64::from(number))
    }
}
