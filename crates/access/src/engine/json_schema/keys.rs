//! Which keys of the request document a schema can tell apart.

use serde_json::Value;

use super::sent_value::SentValue;
use crate::document::Keys;

/// Keywords that say nothing of the members of an object, or nothing at all.
const SILENT: &[&str] =
    &["type", "title", "description", "$comment", "$schema", "definitions", "default", "examples"];

/// The keys that the schema looks at in a document. Every other key may be absent without changing
/// what it says. A keyword that is not known to look at certain keys looks at all.
pub(super) fn keys(schema: &Value, sent_values: &[SentValue]) -> Keys {
    let sent = sent_values.iter().map(|value| Keys::of(value.key()));
    sent.fold(of_schema(schema), Keys::with)
}

fn of_schema(schema: &Value) -> Keys {
    let Some(keywords) = schema.as_object() else {
        // `true` and `false` look at nothing.
        return Keys::NONE;
    };
    let looked_at = keywords.iter().map(|(keyword, rule)| of_keyword(keyword, rule));
    looked_at.fold(Keys::NONE, Keys::with)
}

fn of_keyword(keyword: &str, rule: &Value) -> Keys {
    let together = |keys: &mut dyn Iterator<Item = Keys>| keys.fold(Keys::NONE, Keys::with);
    match (keyword, rule) {
        ("properties", Value::Object(members)) => {
            together(&mut members.keys().map(|name| Keys::of(name)))
        }
        ("required", Value::Array(names)) => {
            together(&mut names.iter().filter_map(Value::as_str).map(Keys::of))
        }
        ("allOf" | "anyOf" | "oneOf", Value::Array(schemas)) => {
            together(&mut schemas.iter().map(of_schema))
        }
        ("not" | "if" | "then" | "else", schema) => of_schema(schema),
        (keyword, _) if SILENT.contains(&keyword) => Keys::NONE,
        _ => Keys::ALL,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_looks_at_what_it_names_and_at_all_where_it_may() {
        let named =
            |names: &[&str]| names.iter().fold(Keys::NONE, |keys, name| keys.with(Keys::of(name)));
        for (schema, expected) in [
            (json!({"required": ["jwt"], "type": "object"}), named(&["jwt"])),
            (json!({"properties": {"user": {"required": ["params"]}}}), named(&["user"])),
            (json!({"properties": {"nothing": false}}), Keys::NONE),
            (
                json!({"anyOf": [{"required": ["uri"]}, {"not": {"required": ["client"]}}]}),
                named(&["uri", "client"]),
            ),
            (
                json!({"if": {"required": ["uri"]}, "else": {"required": ["role"]}}),
                named(&["uri", "role"]),
            ),
            (json!(true), Keys::NONE),
            (json!({"additionalProperties": false}), Keys::ALL),
            (json!({"patternProperties": {"^j": {}}}), Keys::ALL),
            (json!({"minProperties": 3}), Keys::ALL),
            (json!({"allOf": [{"propertyNames": {"maxLength": 3}}]}), Keys::ALL),
            (json!({"$ref": "#/definitions/a", "definitions": {"a": {}}}), Keys::ALL),
            (json!({"const": {}}), Keys::ALL),
        ] {
            assert_eq!(keys(&schema, &[]), expected, "{schema}");
        }
    }
}
