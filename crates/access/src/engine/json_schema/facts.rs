//! What a schema asks of the places of a request.

use serde_json::{Map, Value};

use super::schema::resolve;
use crate::element_path::ElementPath;
use crate::lint::{Ask, Fact, Place};

/// The facts of a checked schema, which refers to nothing that holds it.
pub(super) fn facts(schema: &Value, at: &ElementPath) -> Vec<Fact> {
    let mut reader = Reader { root: schema, facts: Vec::new() };
    reader.schema(schema, &Place::document(at.clone()));
    reader.facts
}

struct Reader<'a> {
    root: &'a Value,
    facts: Vec<Fact>,
}

impl Reader<'_> {
    fn add(&mut self, ask: Ask, place: Place) {
        self.facts.push(place.asked(ask));
    }

    fn schema(&mut self, schema: &Value, place: &Place) {
        if *schema == Value::Bool(false) {
            return self.add(Ask::Absent, place.at(place.at.clone()));
        }
        let Some(keywords) = resolve(self.root, schema).and_then(Value::as_object) else { return };
        self.shape(keywords, place);
        for (name, rule) in keywords {
            let at = place.at.member(name);
            match (name.as_str(), rule) {
                ("const", literal) => self.literal(literal, place.at(at)),
                ("enum", Value::Array(each)) => {
                    for (index, literal) in each.iter().enumerate() {
                        self.literal(literal, place.at(at.item(index)));
                    }
                }
                ("pattern", Value::String(text)) => {
                    self.add(Ask::Expression(text.clone()), place.at(at));
                }
                ("properties", Value::Object(members)) => {
                    for (name, inner) in members {
                        let place = place.step(name, at.member(name));
                        self.add(Ask::Other, place.at(place.at.clone()));
                        self.schema(inner, &place);
                    }
                }
                ("required", Value::Array(names)) => {
                    for (index, name) in names.iter().enumerate() {
                        let name = name.as_str().unwrap_or_default();
                        self.add(Ask::Other, place.step(name, at.item(index)));
                    }
                }
                ("allOf" | "anyOf" | "oneOf", Value::Array(each)) => {
                    for (index, inner) in each.iter().enumerate() {
                        self.schema(inner, &place.at(at.item(index)));
                    }
                }
                ("then" | "else", inner) => self.schema(inner, &place.at(at)),
                ("not" | "if", inner) => {
                    self.schema(inner, &place.at(at).negated());
                }
                ("items" | "contains", inner) => self.schema(inner, &place.step("*", at)),
                _ => {}
            }
        }
    }

    /// What the keywords say of the kind of value.
    fn shape(&mut self, keywords: &Map<String, Value>, place: &Place) {
        let is_type = |name: &str| keywords.get("type").is_some_and(|of| *of == name);
        let ask = if is_type("object") {
            Ask::Map
        } else if is_type("array") {
            Ask::List
        } else if is_type("number") || is_type("integer") || is_type("boolean") {
            Ask::Scalar
        } else if keywords.contains_key("properties") || keywords.contains_key("required") {
            Ask::Map
        } else {
            return;
        };
        self.add(ask, place.at(place.at.clone()));
    }

    fn literal(&mut self, literal: &Value, place: Place) {
        let ask = match literal {
            Value::Null => Ask::Absent,
            Value::Bool(_) | Value::Number(_) => Ask::Scalar,
            Value::String(text) => Ask::Text(text.clone()),
            Value::Array(_) => Ask::List,
            Value::Object(_) => Ask::Map,
        };
        self.add(ask, place);
    }
}
