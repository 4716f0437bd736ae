//! What a pattern asks of the places of a request.

use serde_json::Value;

use crate::element_path::ElementPath;
use crate::lint::{Ask, Fact, Place};

/// The facts of a compiled rule, from its text.
pub(super) fn facts(pattern: &Value, at: &ElementPath) -> Vec<Fact> {
    let mut reader = Reader { facts: Vec::new() };
    reader.pattern(pattern, &Place::document(at.clone()));
    reader.facts
}

struct Reader {
    facts: Vec<Fact>,
}

impl Reader {
    fn add(&mut self, ask: Ask, place: &Place) {
        self.facts.push(place.clone().asked(ask));
    }

    fn pattern(&mut self, pattern: &Value, place: &Place) {
        match pattern {
            Value::Null => self.add(Ask::Absent, place),
            Value::Bool(_) | Value::Number(_) => self.add(Ask::Scalar, place),
            Value::String(text) => self.add(of_text(text), place),
            Value::Array(items) => {
                self.add(Ask::List, place);
                for (index, item) in items.iter().enumerate() {
                    self.pattern(item, &place.step(&index.to_string(), place.at.item(index)));
                }
            }
            Value::Object(members) => {
                if members.is_empty() || members.keys().any(|key| !key.starts_with('$')) {
                    self.add(Ask::Map, place);
                }
                for (key, inner) in members {
                    let at = place.at.member(key);
                    if key.starts_with('$') {
                        self.special(key, inner, &place.at(at));
                    } else {
                        self.pattern(inner, &place.step(key, at));
                    }
                }
            }
        }
    }

    fn special(&mut self, key: &str, rule: &Value, place: &Place) {
        let each = rule.as_array().map(Vec::as_slice).unwrap_or_default();
        match key {
            "$enum" => {
                for (index, literal) in each.iter().enumerate() {
                    let ask = literal.as_str().map_or(Ask::Scalar, |text| Ask::Text(text.into()));
                    self.add(ask, &place.at(place.at.item(index)));
                }
            }
            "$one-of" => {
                for (index, inner) in each.iter().enumerate() {
                    self.pattern(inner, &place.at(place.at.item(index)));
                }
            }
            "$not" => self.pattern(rule, &place.clone().negated()),
            "$contains" | "$every" => {
                self.add(Ask::List, place);
                self.pattern(rule, &place.step("*", place.at.clone()));
            }
            "$present-all" => {
                self.add(Ask::List, place);
                for (index, inner) in each.iter().enumerate() {
                    self.pattern(inner, &place.step("*", place.at.item(index)));
                }
            }
            "$length" => self.add(Ask::List, place),
            // What a reference refers to is told by no place of the document.
            _ => self.add(Ask::Other, place),
        }
    }
}

fn of_text(text: &str) -> Ask {
    match text {
        "nil?" => Ask::Absent,
        "present?" | "not-blank?" => Ask::Other,
        _ => match text.strip_prefix('#') {
            Some(expression) => Ask::Expression(expression.to_owned()),
            None if text.starts_with('.') => Ask::Other,
            None => Ask::Text(text.to_owned()),
        },
    }
}
