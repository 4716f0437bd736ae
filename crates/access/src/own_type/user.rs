//! What a User must look like.

use firewarden_fhir::Issue;
use serde_json::{Map, Value};

use super::shape::Shape;

pub(super) fn check(content: &Map<String, Value>) -> Vec<Issue> {
    let mut shape = Shape::of("User", content);
    shape.boolean("active");
    shape.boolean("inactive");
    shape.reference("introspector", "TokenIntrospector");
    identifiers(&mut shape);
    if let Some(data) = shape.object("data") {
        for name in ["sub", "iss"] {
            if data.get(name).is_some_and(|value| !value.is_string()) {
                let at = shape.at("data").member(name);
                shape.refuse("value", format!("`data.{name}` is a text"), at);
            }
        }
    }
    shape.issues()
}

/// A user is found by an identifier of the token's issuer.
fn identifiers(shape: &mut Shape<'_>) {
    for (index, identifier) in shape.list("identifier").iter().enumerate() {
        let at = shape.at("identifier").item(index);
        let Some(identifier) = identifier.as_object() else {
            shape.refuse("structure", "an `identifier` is `{system, value}`".into(), at);
            continue;
        };
        for name in ["system", "value"] {
            if identifier.get(name).is_some_and(|value| !value.is_string()) {
                shape.refuse("value", format!("`{name}` is a text"), at.member(name));
            }
        }
        if !identifier.contains_key("system") {
            let told = "an identifier without `system` is never matched with a token";
            shape.doubt(told.into(), at);
        }
    }
}
