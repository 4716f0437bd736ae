//! Policies that a document is likely to satisfy, and some that are broken.

use std::cell::Cell;

use serde_json::{Map, Value, json};

use super::chance::Chance;
use super::documents::{PATHS, number, odd, text};

/// Expressions, of which the naive interpreter knows what they match.
pub(super) const EXPRESSIONS: &[&str] =
    &["^/fhir/", "Patient$", "a", r"^\d+$", r"^\w+$", "^[^/]*$", "^$", "^/fhir/Patient(/[^/]+)?$"];

/// A policy.
pub(super) fn any(chance: &mut Chance, document: &Value) -> Value {
    match chance.below(100) {
        0..45 => matcho(chance, document),
        45..80 => json_schema(chance, document),
        80..98 => complex(chance, document, 0),
        _ => json!({"engine": "allow"}),
    }
}

fn complex(chance: &mut Chance, document: &Value, depth: usize) -> Value {
    let operator = *chance.one(&["and", "or"]);
    if chance.percent(3) {
        return json!({"engine": "complex", operator: []});
    }
    let mut branches = Vec::new();
    for _ in 0..=chance.below(3) {
        branches.push(match chance.below(10) {
            0 => json!({"engine": "allow"}),
            1..4 if depth < 3 => complex(chance, document, depth + 1),
            1..7 => matcho(chance, document),
            _ => json_schema(chance, document),
        });
    }
    let mut rule = json!({"engine": "complex", operator: branches});
    if chance.percent(2) {
        let other = if operator == "and" { "or" } else { "and" };
        rule[other] = json!([{"engine": "allow"}]);
    }
    rule
}

fn path(chance: &mut Chance) -> String {
    format!(".{}", chance.one(PATHS))
}

/// The place of the document that has an equal value, if there is another than chance finds.
fn path_to(chance: &mut Chance, value: Option<&Value>, document: &Value) -> String {
    let found = PATHS.iter().find(|path| {
        let pointer: String =
            path.split('.').map(|step| format!("/{}", step.replace('/', "~1"))).collect();
        value.is_some() && document.pointer(&pointer) == value
    });
    match found {
        Some(found) if chance.percent(70) => format!(".{found}"),
        _ => path(chance),
    }
}

fn matcho(chance: &mut Chance, document: &Value) -> Value {
    let mut pattern = members(chance, document.as_object().unwrap(), document, 0);
    if chance.percent(8) {
        pattern = json!({"$not": members(chance, document.as_object().unwrap(), document, 0)});
    } else if chance.percent(8) {
        let other = members(chance, document.as_object().unwrap(), document, 0);
        pattern = json!({"$one-of": [pattern, other]});
    }
    json!({"engine": "matcho", "matcho": pattern})
}

fn members(chance: &mut Chance, of: &Map<String, Value>, document: &Value, depth: usize) -> Value {
    let mut pattern = Map::new();
    for _ in 0..chance.below(3) + usize::from(depth == 0) {
        let known = of.keys().nth(chance.below(of.len().max(1)));
        let name = match known {
            Some(name) if chance.percent(85) => name.as_str(),
            _ => *chance.one(&["user", "client", "jwt", "role", "nothing", "id"]),
        };
        let inner = self::pattern(chance, of.get(name), document, depth + 1);
        pattern.insert(name.to_owned(), inner);
    }
    Value::Object(pattern)
}

/// A pattern that the value is likely to match.
fn pattern(chance: &mut Chance, value: Option<&Value>, document: &Value, depth: usize) -> Value {
    let leaf = depth > 5;
    match chance.below(100) {
        0..8 => json!(chance.one(&["present?", "present?", "nil?", "not-blank?"])),
        8..16 => json!(path_to(chance, value, document)),
        16..22 => json!(format!("#{}", chance.one(EXPRESSIONS))),
        22..27 => {
            let mut literals = vec![text(chance), number(chance)];
            literals.extend(value.filter(|value| is_scalar(value)).cloned());
            json!({"$enum": literals})
        }
        27..30 => json!({"$one-of": path(chance)}),
        30..32 => scalar(chance),
        32 => broken(chance),
        33..40 if !leaf => {
            let one = pattern(chance, value, document, depth + 1);
            let mut rule = json!({"$one-of": [one, pattern(chance, None, document, depth + 1)]});
            if chance.percent(20) {
                rule["id"] = json!("present?");
            }
            rule
        }
        40..47 if !leaf => json!({"$not": pattern(chance, None, document, depth + 1)}),
        47..49 if !leaf => json!({"$not": pattern(chance, value, document, depth + 1)}),
        49..54 if !leaf => {
            let parts = json!({"resourceType": "Patient", "id": "a"});
            json!({"$reference": pattern(chance, Some(&parts), document, depth + 1)})
        }
        _ => like(chance, value, document, depth),
    }
}

fn like(chance: &mut Chance, value: Option<&Value>, document: &Value, depth: usize) -> Value {
    match value {
        None | Some(Value::Null) => odd_pattern(chance),
        Some(Value::Object(of)) if depth <= 5 => members(chance, of, document, depth),
        Some(Value::Array(items)) if depth <= 5 => list(chance, items, document, depth),
        Some(Value::Object(_)) => json!({}),
        Some(Value::Array(_)) => json!([]),
        Some(scalar) => scalar_pattern(scalar),
    }
}

fn list(chance: &mut Chance, items: &[Value], document: &Value, depth: usize) -> Value {
    let inner = |chance: &mut Chance| {
        let item = items.get(chance.below(items.len().max(1)));
        pattern(chance, item, document, depth + 1)
    };
    match chance.below(7) {
        0 | 1 => json!({"$contains": inner(chance)}),
        2 => json!({"$every": inner(chance)}),
        3 => json!({"$length": chance.below(4)}),
        4 => json!({"$present-all": [inner(chance), inner(chance)], "$length": items.len()}),
        5 => json!({"$contains": inner(chance), "$not": {"$contains": inner(chance)}}),
        _ => items
            .iter()
            .take(chance.below(3))
            .map(|item| like(chance, Some(item), document, depth + 1))
            .collect(),
    }
}

/// A text of the documents may mean something in a pattern.
fn scalar_pattern(value: &Value) -> Value {
    match value.as_str() {
        Some(text) if text.ends_with('?') || text.starts_with(['.', '#']) => {
            json!({"$enum": [text]})
        }
        _ => value.clone(),
    }
}

fn odd_pattern(chance: &mut Chance) -> Value {
    match odd(chance) {
        scalar if is_scalar(&scalar) => scalar_pattern(&scalar),
        other => other,
    }
}

fn scalar(chance: &mut Chance) -> Value {
    let value = if chance.percent(70) { text(chance) } else { number(chance) };
    scalar_pattern(&value)
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

/// A pattern that is refused.
fn broken(chance: &mut Chance) -> Value {
    let all = [
        json!({"$nothing": 1}),
        json!("presnt?"),
        json!("present"),
        json!("#("),
        json!(".user..id"),
        json!({"$enum": [{"a": 1}]}),
        json!({"$enum": "a"}),
        json!({"$one-of": []}),
        json!({"$one-of": "a"}),
        json!({"$length": "1"}),
        json!({"$present-all": {"a": 1}}),
        json!({"$not": {"$one-of": ["a"], "id": 1}}),
    ];
    chance.one(&all).clone()
}

fn json_schema(chance: &mut Chance, document: &Value) -> Value {
    let left = Cell::new(5);
    json!({"engine": "json-schema", "schema": schema(chance, Some(document), document, 0, &left)})
}

/// A schema that the value is likely to be valid against, with so many `$data` left.
fn schema(
    chance: &mut Chance,
    value: Option<&Value>,
    document: &Value,
    depth: usize,
    left: &Cell<usize>,
) -> Value {
    let mut inner = |chance: &mut Chance, value: Option<&Value>| {
        schema(chance, value, document, depth + 1, left)
    };
    let leaf = depth > 4;
    let combined = if depth == 0 { 25 } else { 100 };
    match chance.below(combined) {
        0..3 if !leaf => json!({"allOf": [inner(chance, value), inner(chance, value)]}),
        3..7 if !leaf => json!({"anyOf": [inner(chance, value), inner(chance, None)]}),
        7..9 if !leaf => json!({"oneOf": [inner(chance, value), inner(chance, None)]}),
        9..13 if !leaf => json!({"not": inner(chance, None)}),
        13..15 if !leaf => json!({
            "if": inner(chance, value), "then": inner(chance, value), "else": inner(chance, None),
        }),
        15 => json!(chance.percent(70)),
        30..45 if left.get() > 0 => {
            left.set(left.get() - 1);
            let keyword = *chance.one(&["const", "constant"]);
            let to = path_to(chance, value, document).replace('/', "~1").replace('.', "/");
            json!({keyword: {"$data": format!("#{to}")}})
        }
        45..50 => {
            let name = chance.one(&["string", "number", "integer", "object", "array", "boolean"]);
            json!({"type": name})
        }
        50..55 => {
            let mut each = vec![text(chance), number(chance)];
            each.extend(value.cloned());
            json!({"enum": each})
        }
        55..60 => json!({"pattern": chance.one(EXPRESSIONS)}),
        60 => json!({"minLength": chance.below(3), "maxLength": chance.below(6)}),
        61 => json!({"minimum": chance.below(2), "maximum": chance.below(3)}),
        62 => chance
            .one(&[
                json!({"requried": ["a"]}),
                json!({"const": {"$data": "user"}}),
                json!({"enum": [{"$data": "#/user"}]}),
                json!({"$ref": "http://127.0.0.1:9/x"}),
                json!({"pattern": "(?=a)"}),
                json!([]),
            ])
            .clone(),
        _ => shape(chance, value, &mut inner),
    }
}

fn shape(
    chance: &mut Chance,
    value: Option<&Value>,
    inner: &mut impl FnMut(&mut Chance, Option<&Value>) -> Value,
) -> Value {
    match value {
        Some(Value::Object(of)) => {
            let (mut properties, mut required) = (Map::new(), Vec::new());
            for _ in 0..=chance.below(3) {
                let known = of.keys().nth(chance.below(of.len().max(1)));
                let name = match known {
                    Some(name) if chance.percent(85) => name.as_str(),
                    _ => *chance.one(&["user", "client", "jwt", "nothing"]),
                };
                properties.insert(name.to_owned(), inner(chance, of.get(name)));
                if chance.percent(70) && !required.contains(&json!(name)) {
                    required.push(json!(name));
                }
            }
            let mut rule = json!({"properties": properties});
            if !required.is_empty() {
                rule["required"] = Value::Array(required);
            }
            if chance.percent(8) {
                rule["additionalProperties"] = inner(chance, None);
            }
            rule
        }
        Some(Value::Array(items)) => match chance.below(4) {
            0 => json!({"items": inner(chance, items.first())}),
            1 => json!({"contains": inner(chance, items.last())}),
            _ => json!({"minItems": chance.below(2), "maxItems": chance.below(4)}),
        },
        Some(scalar) => json!({"const": scalar}),
        None => json!({"const": odd(chance)}),
    }
}
