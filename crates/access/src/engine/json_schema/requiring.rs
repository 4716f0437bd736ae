//! What a schema requires of a request: literal equalities that it cannot hold without.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::naming::{list, resolve};
use crate::engine::required::{Place, Required};

/// What a checked schema requires: `const` and `enum`, reached through `properties` with
/// `required`, `allOf`, and every branch of `anyOf` or `oneOf`. Under `not`, `if` and the like
/// nothing is required.
pub(super) fn required(schema: &Value) -> Required {
    Reader { root: schema }.required(schema, Place::Document, &BTreeSet::new())
}

struct Reader<'a> {
    root: &'a Value,
}

impl<'a> Reader<'a> {
    /// `present` are the members that schemas around this one, for the same value, ask for.
    fn required(&self, schema: &'a Value, place: Place, present: &BTreeSet<&'a str>) -> Required {
        let Some(keywords) = resolve(self.root, schema).and_then(Value::as_object) else {
            return Required::default();
        };
        let mut present = present.clone();
        present.extend(list(keywords, "required").iter().filter_map(Value::as_str));
        let members = keywords.get("properties").and_then(Value::as_object).into_iter().flatten();
        let of_members = members.filter_map(|(name, inner)| {
            let place = place.member(name).filter(|_| present.contains(name.as_str()))?;
            Some(self.required(inner, place, &BTreeSet::new()))
        });
        let here = literals(keywords, place).and(Required::all(of_members));
        let of_all = list(keywords, "allOf").iter();
        let of_all = of_all.map(|inner| self.required(inner, place, &present));
        ["anyOf", "oneOf"].into_iter().fold(here.and(Required::all(of_all)), |so_far, name| {
            let branches = list(keywords, name).iter();
            let branches = branches.map(|inner| self.required(inner, place, &present));
            so_far.and(Required::any(branches))
        })
    }
}

fn literals(keywords: &Map<String, Value>, place: Place) -> Required {
    let one = keywords.get("const").map(std::slice::from_ref);
    let many = keywords.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    let of =
        |literals: &[Value]| Required::one_of(place, literals.iter().filter_map(Value::as_str));
    one.map(of).unwrap_or_default().and(many.map(of).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn method(rule: &Value) -> Value {
        json!({"required": ["request-method"], "properties": {"request-method": rule}})
    }

    fn methods(schema: &Value) -> Option<Vec<String>> {
        required(schema).methods.map(|methods| methods.into_iter().collect())
    }

    #[test]
    fn a_required_equality_is_required() {
        let get = method(&json!({"const": "get"}));
        let read = method(&json!({"enum": ["get", "post", 1]}));
        for (schema, expected) in [
            (get.clone(), vec!["get"]),
            (read.clone(), vec!["get", "post"]),
            (json!({"allOf": [{}, get, read]}), vec!["get"]),
            (json!({"anyOf": [get, read]}), vec!["get", "post"]),
            (json!({"oneOf": [get]}), vec!["get"]),
            (json!({"$ref": "#/definitions/a", "definitions": {"a": get}}), vec!["get"]),
            (method(&json!({"const": "get", "enum": ["post"]})), vec![]),
            (
                json!({"required": ["request-method"], "anyOf": [{"properties": {"request-method": {"const": "put"}}}]}),
                vec!["put"],
            ),
        ] {
            assert_eq!(methods(&schema), Some(expected.into_iter().map(str::to_owned).collect()));
        }
    }

    #[test]
    fn what_may_hold_without_it_requires_nothing() {
        let get = method(&json!({"const": "get"}));
        for schema in [
            json!({}),
            json!({"properties": {"request-method": {"const": "get"}}}),
            json!({"required": ["request-method"]}),
            json!({"not": get}),
            json!({"if": get}),
            json!({"anyOf": [get, {"required": ["user"]}]}),
            method(&json!({"pattern": "^get$"})),
            json!({"required": ["user"], "properties": {"user": get}}),
            json!({"contains": get}),
        ] {
            assert_eq!(required(&schema), Required::default(), "{schema}");
        }
    }

    #[test]
    fn each_place_is_its_own() {
        let schema = json!({"required": ["uri", "params", "operation"], "properties": {
            "uri": {"const": "/fhir/Patient"},
            "params": {"required": ["resource/type"], "properties": {"resource/type": {"const": "Patient"}}},
            "operation": {"required": ["id"], "properties": {"id": {"enum": ["FhirSearch"]}}},
        }});
        let one = |text: &str| Some(BTreeSet::from([text.to_owned()]));
        assert_eq!(
            required(&schema),
            Required {
                methods: None,
                types: one("Patient"),
                uris: one("/fhir/Patient"),
                operations: one("FhirSearch"),
            }
        );
    }
}
