//! What a schema requires of a request, and which types it names: literal equalities that it cannot
//! hold without.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::schema::{list, required_members, resolve};
use crate::engine::equalities::Equalities;
use crate::engine::required::Place;

/// What a checked schema requires: `const` and `enum`, reached through `properties` with
/// `required`, `allOf`, and every branch of `anyOf` or `oneOf`. Under `not`, `if` and the like
/// nothing is required or named.
pub(super) fn equalities(schema: &Value) -> Equalities {
    Reader { root: schema }.equalities(schema, Place::Document, &BTreeSet::new())
}

struct Reader<'a> {
    root: &'a Value,
}

impl<'a> Reader<'a> {
    /// `present` are the members that schemas around this one, for the same value, ask for.
    fn equalities(
        &self,
        schema: &'a Value,
        place: Place,
        present: &BTreeSet<&'a str>,
    ) -> Equalities {
        let Some(keywords) = resolve(self.root, schema).and_then(Value::as_object) else {
            return Equalities::default();
        };
        let mut present = present.clone();
        present.extend(required_members(self.root, keywords));
        let members = keywords.get("properties").and_then(Value::as_object).into_iter().flatten();
        let of_members = members.filter_map(|(name, inner)| {
            let place = place.member(name).filter(|_| present.contains(name.as_str()))?;
            Some(self.equalities(inner, place, &BTreeSet::new()))
        });
        let here = literals(keywords, place).and(Equalities::all(of_members));
        let of_all = list(keywords, "allOf").iter();
        let of_all = of_all.map(|inner| self.equalities(inner, place, &present));
        ["anyOf", "oneOf"].into_iter().fold(here.and(Equalities::all(of_all)), |so_far, name| {
            let branches = list(keywords, name).iter();
            let branches = branches.map(|inner| self.equalities(inner, place, &present));
            so_far.and(Equalities::any(branches))
        })
    }
}

fn literals(keywords: &Map<String, Value>, place: Place) -> Equalities {
    let one = keywords.get("const").map(std::slice::from_ref);
    let many = keywords.get("enum").and_then(Value::as_array);
    let Some(each) = one.or(many.map(Vec::as_slice)) else { return Equalities::default() };
    let is_listed = |literal: &&Value| many.is_none_or(|many| many.contains(literal));
    Equalities::one_of(place, each.iter().filter(is_listed).filter_map(Value::as_str))
}

#[cfg(test)]
mod tests {
    use firewarden_fhir::ResourceType;
    use serde_json::json;

    use super::*;
    use crate::engine::required::Required;

    fn method(rule: &Value) -> Value {
        json!({"required": ["request-method"], "properties": {"request-method": rule}})
    }

    fn methods(schema: &Value) -> Option<Vec<String>> {
        equalities(schema).required.methods.map(|methods| methods.into_iter().collect())
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
                json!({"allOf": [{"required": ["request-method"]}], "properties": {"request-method": {"const": "get"}}}),
                vec!["get"],
            ),
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
            assert_eq!(equalities(&schema).required, Required::default(), "{schema}");
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
            equalities(&schema).required,
            Required {
                methods: None,
                types: one("Patient"),
                uris: one("/fhir/Patient"),
                operations: one("FhirSearch"),
            }
        );
    }

    fn named(schema: &Value) -> Vec<&'static str> {
        equalities(schema).names().into_iter().map(ResourceType::name).collect()
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
