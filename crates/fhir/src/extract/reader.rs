//! Reads a value of a data type as what a search parameter of some type compares
//! (the tables of <https://hl7.org/fhir/R4/search.html#ptypes>).

use serde_json::Value;

use super::IndexValue;
use crate::definitions::ParameterType;
use crate::{Id, Reference, ResourceType, Target, TimeRange};

/// Adds what it reads of a value; nothing of one that is not of its data type. The text is the
/// server's base URL.
pub(super) type Reader = fn(&Value, &str, &mut Vec<IndexValue>);

/// The reader for a type of parameter and a data type; `None` when such a parameter compares
/// nothing of such a value.
pub(super) fn reader(kind: ParameterType, data_type: &str) -> Option<Reader> {
    let reader: Reader = match (kind, data_type) {
        (ParameterType::String, "string" | "markdown") => string,
        (ParameterType::String, "Address") => address,
        (ParameterType::String, "HumanName") => human_name,
        (ParameterType::Token, "boolean") => boolean,
        (ParameterType::Token, "code" | "id" | "string" | "uri") => code,
        (ParameterType::Token, "Coding") => coding,
        (ParameterType::Token, "CodeableConcept") => codeable_concept,
        (ParameterType::Token, "ContactPoint") => contact_point,
        (ParameterType::Token, "Identifier") => identifier,
        (ParameterType::Reference, "Reference") => reference,
        (ParameterType::Reference, "canonical" | "uri") => canonical,
        (ParameterType::Date, "date" | "dateTime" | "instant") => date,
        (ParameterType::Date, "Period") => period,
        (ParameterType::Date, "Timing") => timing,
        (ParameterType::Number, "decimal" | "integer") => number,
        (ParameterType::Number, "Range") => number_range,
        (ParameterType::Quantity, "Money") => money,
        (ParameterType::Quantity, "Range") => quantity_range,
        (ParameterType::Quantity, "Quantity" | "Age" | "Count" | "Distance" | "Duration") => {
            quantity
        }
        (ParameterType::Uri, "canonical" | "uri" | "url") => uri,
        _ => return None,
    };
    Some(reader)
}

fn string(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(full(value).map(|text| IndexValue::String(text.to_owned())));
}

fn address(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    const PARTS: [&str; 7] = ["text", "line", "city", "district", "state", "postalCode", "country"];
    parts(value, &PARTS, values);
}

fn human_name(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    parts(value, &["text", "family", "given", "prefix", "suffix"], values);
}

fn boolean(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(value.as_bool().map(|bool| bare_token(if bool { "true" } else { "false" })));
}

fn code(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(full(value).map(bare_token));
}

fn coding(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(token(value, "code"));
}

fn codeable_concept(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(items(value, "coding").iter().filter_map(|coding| token(coding, "code")));
}

/// Its `system` says what it is a number or an address of, and is no code system.
fn contact_point(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(text(value, "value").map(bare_token));
}

fn identifier(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(token(value, "value"));
}

/// A Reference; our own types may also name its `resourceType` and `id`.
fn reference(value: &Value, base_url: &str, values: &mut Vec<IndexValue>) {
    let read = match text(value, "reference") {
        Some(text) => referenced(text, base_url),
        None => text(value, "resourceType")
            .and_then(ResourceType::parse)
            .zip(text(value, "id").and_then(Id::parse))
            .map(|(resource_type, id)| IndexValue::Local(Target::new(resource_type, id))),
    };
    values.extend(read);
}

fn canonical(value: &Value, base_url: &str, values: &mut Vec<IndexValue>) {
    values.extend(full(value).and_then(|text| referenced(text, base_url)));
}

fn date(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(value.as_str().and_then(TimeRange::parse).map(IndexValue::Date));
}

fn period(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(stretch(value).map(IndexValue::Date));
}

/// From the earliest to the latest time that a Timing names; its rule of repetition is not applied.
fn timing(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    let events = items(value, "event").iter().filter_map(Value::as_str).map(TimeRange::parse);
    let bounds = value.get("repeat").and_then(|repeat| repeat.get("boundsPeriod"));
    let whole = events.chain([bounds.and_then(stretch)]).flatten().reduce(|a, b| TimeRange {
        low_us: a.low_us.min(b.low_us),
        high_us: a.high_us.max(b.high_us),
    });
    values.extend(whole.map(IndexValue::Date));
}

fn number(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(value.as_f64().map(|number| IndexValue::Number { low: number, high: number }));
}

fn number_range(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(ends(value).map(|(low, high)| IndexValue::Number { low, high }));
}

fn money(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    let code = text(value, "currency").map(str::to_owned);
    let system = code.is_some().then(|| "urn:iso:std:iso:4217".to_owned());
    values.extend(value.get("value").and_then(Value::as_f64).map(|amount| IndexValue::Quantity {
        low: amount,
        high: amount,
        system,
        code,
        unit: None,
    }));
}

fn quantity(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    let Some(number) = value.get("value").and_then(Value::as_f64) else { return };
    let (low, high) = match text(value, "comparator") {
        Some("<" | "<=") => (f64::MIN, number),
        Some(">" | ">=") => (number, f64::MAX),
        _ => (number, number),
    };
    values.push(with_unit(low, high, value));
}

fn quantity_range(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    let unit_of = value.get("low").or_else(|| value.get("high"));
    values.extend(ends(value).zip(unit_of).map(|((low, high), it)| with_unit(low, high, it)));
}

fn uri(value: &Value, _: &str, values: &mut Vec<IndexValue>) {
    values.extend(full(value).map(|text| IndexValue::Uri(text.to_owned())));
}

fn full(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

fn text<'a>(object: &'a Value, member: &str) -> Option<&'a str> {
    object.get(member).and_then(full)
}

fn items<'a>(object: &'a Value, member: &str) -> &'a [Value] {
    match object.get(member) {
        None => &[],
        Some(value) => value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice),
    }
}

fn parts(object: &Value, members: &[&str], values: &mut Vec<IndexValue>) {
    let texts = members.iter().flat_map(|member| items(object, member)).filter_map(full);
    values.extend(texts.map(|text| IndexValue::String(text.to_owned())));
}

fn bare_token(text: &str) -> IndexValue {
    IndexValue::Token { system: None, code: text.to_owned() }
}

fn token(object: &Value, code: &str) -> Option<IndexValue> {
    let (system, code) = (text(object, "system"), text(object, code));
    if system.is_none() && code.is_none() {
        return None;
    }
    let code = code.unwrap_or_default().to_owned();
    Some(IndexValue::Token { system: system.map(str::to_owned), code })
}

fn referenced(text: &str, base_url: &str) -> Option<IndexValue> {
    match Reference::parse(text, base_url)? {
        Reference::Local { target, .. } => Some(IndexValue::Local(target)),
        Reference::Absolute(url) => Some(IndexValue::Absolute(url.into())),
        Reference::Contained(_) => None,
    }
}

/// The stretch of a Period, open where it has no start or end. None of one that cannot be read.
fn stretch(period: &Value) -> Option<TimeRange> {
    let (start, end) = (period.get("start"), period.get("end"));
    if start.is_none() && end.is_none() {
        return None;
    }
    let bound = |value: Option<&Value>| match value {
        None => Some(None),
        Some(value) => value.as_str().and_then(TimeRange::parse).map(Some),
    };
    let low_us = bound(start)?.map_or(TimeRange::LOW_US_MIN, |start| start.low_us);
    let high_us = bound(end)?.map_or(TimeRange::HIGH_US_MAX, |end| end.high_us);
    (low_us < high_us).then_some(TimeRange { low_us, high_us })
}

/// The ends of a Range, open where it has none.
fn ends(range: &Value) -> Option<(f64, f64)> {
    let end = |member| range.get(member).and_then(|end| end.get("value")).and_then(Value::as_f64);
    match (end("low"), end("high")) {
        (None, None) => None,
        (low, high) => Some((low.unwrap_or(f64::MIN), high.unwrap_or(f64::MAX))),
    }
}

fn with_unit(low: f64, high: f64, unit_of: &Value) -> IndexValue {
    let part = |member| text(unit_of, member).map(str::to_owned);
    let (system, code, unit) = (part("system"), part("code"), part("unit"));
    IndexValue::Quantity { low, high, system, code, unit }
}
