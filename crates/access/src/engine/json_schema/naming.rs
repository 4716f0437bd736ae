//! Which resource types a rule names: those it cannot hold without an equality with their name.

use std::collections::BTreeSet;

use firewarden_fhir::ResourceType;
use serde_json::{Map, Value};

use crate::engine::named_type::Place;

/// The types that a checked schema names: by `const` or `enum` on `params.resource/type` or `uri`,
/// reached through `properties` with `required`, `allOf`, and every branch of `anyOf` or `oneOf`.
/// Under `not`, `if` and the like nothing is named.
pub(super) fn names(schema: &Value) -> BTreeSet<ResourceType> {
    let reader = Reader { root: schema };
    reader.names(schema, Place::Document, &BTreeSet::new()).unwrap_or_default()
}

struct Reader<'a> {
    root: &'a Value,
}

impl<'a> Reader<'a> {
    /// `None` when the schema can hold without naming a type. `required` are the members that
    /// schemas around this one, for the same value, require.
    fn names(
        &self,
        schema: &'a Value,
        place: Place,
        required: &BTreeSet<&'a str>,
    ) -> Option<BTreeSet<ResourceType>> {
        let keywords = self.resolved(schema)?;
        let mut required = required.clone();
        self.add_required(keywords, &mut required);
        let mut named = self.literals(keywords, place);
        let mut and = |names: Option<BTreeSet<ResourceType>>| {
            if let Some(names) = names {
                named.get_or_insert_default().extend(names);
            }
        };
        for (name, inner) in
            keywords.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            if let Some(place) = place.member(name).filter(|_| required.contains(name.as_str())) {
                and(self.names(inner, place, &BTreeSet::new()));
            }
        }
        for inner in list(keywords, "allOf") {
            and(self.names(inner, place, &required));
        }
        for branches in ["anyOf", "oneOf"] {
            let branches = list(keywords, branches).iter();
            let each: Option<Vec<_>> =
                branches.map(|inner| self.names(inner, place, &required)).collect();
            and(each
                .filter(|each| !each.is_empty())
                .map(|each| each.into_iter().flatten().collect()));
        }
        named
    }

    fn literals(
        &self,
        keywords: &Map<String, Value>,
        place: Place,
    ) -> Option<BTreeSet<ResourceType>> {
        if !place.tells_type() {
            return None;
        }
        let one = keywords.get("const").map(std::slice::from_ref);
        let many = keywords.get("enum").and_then(Value::as_array).map(Vec::as_slice);
        let literals = one.or(many)?;
        Some(literals.iter().filter_map(|text| place.names(text.as_str()?)).collect())
    }

    fn add_required(&self, keywords: &'a Map<String, Value>, required: &mut BTreeSet<&'a str>) {
        required.extend(list(keywords, "required").iter().filter_map(Value::as_str));
        for inner in list(keywords, "allOf") {
            if let Some(keywords) = self.resolved(inner) {
                self.add_required(keywords, required);
            }
        }
    }

    /// The keywords of a schema, or of the one it refers to. A checked schema refers to nothing
    /// that holds it.
    fn resolved(&self, schema: &'a Value) -> Option<&'a Map<String, Value>> {
        resolve(self.root, schema)?.as_object()
    }
}

/// The schema itself, or the one that it refers to.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    let mut schema = schema;
    while let Some(reference) = schema.get("$ref") {
        let target = super::SentValue::parse(reference.as_str()?)?;
        schema = target.of(root)?;
    }
    Some(schema)
}

pub(super) fn list<'a>(keywords: &'a Map<String, Value>, name: &str) -> &'a [Value] {
    keywords.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(schema: &Value) -> Vec<&'static str> {
        names(schema).into_iter().map(ResourceType::name).collect()
    }

    /// A rule on `params.resource/type`, which is required.
    fn of_type(rule: Value) -> Value {
        json!({"required": ["params"], "properties": {"params": {
            "required": ["resource/type"], "properties": {"resource/type": rule},
        }}})
    }

    fn of_uri(rule: Value) -> Value {
        json!({"required": ["uri"], "properties": {"uri": rule}})
    }

    #[test]
    fn a_required_equality_names_the_type() {
        for (schema, types) in [
            (of_type(json!({"const": "User"})), &["User"][..]),
            (of_type(json!({"enum": ["User", "Role", 1]})), &["Role", "User"]),
            (of_uri(json!({"const": "/User"})), &["User"]),
            (of_uri(json!({"const": "/User/x/_history"})), &["User"]),
            (of_uri(json!({"const": "/fhir/AuditEvent"})), &["AuditEvent"]),
            (json!({"allOf": [{}, of_type(json!({"const": "User"}))]}), &["User"]),
            (
                json!({"anyOf": [of_type(json!({"const": "User"})), of_uri(json!({"const": "/Role"}))]}),
                &["Role", "User"],
            ),
            (json!({"oneOf": [of_uri(json!({"const": "/Role"}))]}), &["Role"]),
            (
                json!({"$ref": "#/definitions/a", "definitions": {"a": of_uri(json!({"const": "/Role"}))}}),
                &["Role"],
            ),
            (
                json!({"allOf": [{"required": ["uri"]}], "properties": {"uri": {"const": "/User"}}}),
                &["User"],
            ),
            (
                json!({"required": ["uri"], "anyOf": [
                    {"properties": {"uri": {"const": "/User"}}},
                    {"properties": {"uri": {"const": "/Role"}}},
                ]}),
                &["Role", "User"],
            ),
        ] {
            assert_eq!(named(&schema), types, "{schema}");
        }
    }

    #[test]
    fn nothing_less_names_a_type() {
        let user = || of_type(json!({"const": "User"}));
        for schema in [
            json!(true),
            json!({}),
            json!({"not": user()}),
            json!({"if": user()}),
            json!({"if": {}, "then": user()}),
            json!({"properties": user()["properties"]}),
            json!({"required": ["params"], "properties": {"params": {"properties": {"resource/type": {"const": "User"}}}}}),
            json!({"anyOf": [user(), {}]}),
            json!({"anyOf": []}),
            json!({"anyOf": [user(), {"not": {}}]}),
            json!({"dependencies": {"uri": user()}}),
            json!({"definitions": {"a": user()}}),
            json!({"patternProperties": {"^params$": {"required": ["resource/type"], "properties": {"resource/type": {"const": "User"}}}}}),
            of_type(json!({"pattern": "^User$"})),
            of_type(json!({"type": "string"})),
            of_type(json!({"not": {"const": "Patient"}})),
            of_type(json!({"firewarden:sent-value": 0})),
            of_uri(json!({"pattern": "/User"})),
            of_uri(json!({"const": "User"})),
            json!({"required": ["resource"], "properties": {"resource": {"required": ["resourceType"], "properties": {"resourceType": {"const": "User"}}}}}),
            json!({"allOf": [{"properties": {"uri": {"const": "/User"}}}]}),
        ] {
            assert_eq!(named(&schema), [""; 0], "{schema}");
        }
    }
}
