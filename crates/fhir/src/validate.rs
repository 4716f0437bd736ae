//! Structural validation of a resource against the element table.

mod object;
mod place;
mod primitive;
mod suggest;

use serde_json::{Map, Value};

use self::place::Place;
use crate::definitions::ElementTables;
use crate::{Definitions, Issue, ResourceType, limits};

/// What is wrong with a resource's structure: unknown elements, wrong JSON types, cardinality,
/// primitive formats, choice types. Empty when nothing is. Each issue carries the element's path.
///
/// Our own types are checked where they are used, and pass here; inside a FHIR resource they are
/// refused. An issue names elements and never repeats a value.
pub fn validate(resource_type: ResourceType, resource: &Map<String, Value>) -> Vec<Issue> {
    if resource_type.is_own() {
        return Vec::new();
    }
    let tables = Definitions::get().elements();
    let mut validator = Validator { tables, issues: Vec::new(), depth: 0 };
    let place = Place::Resource(resource_type.name());
    match resource.get("resourceType").and_then(Value::as_str) {
        Some(name) if name == resource_type.name() => validator.resource(resource, &place),
        _ => {
            let wanted = format!("`resourceType` must be `{resource_type}`");
            validator.refuse("invalid", wanted, &place);
        }
    }
    validator.issues
}

struct Validator {
    tables: &'static ElementTables,
    issues: Vec<Issue>,
    depth: usize,
}

impl Validator {
    /// Checks a resource by the type it says it is of.
    fn resource(&mut self, resource: &Map<String, Value>, place: &Place<'_>) {
        let name = resource.get("resourceType").and_then(Value::as_str);
        let Some(name) = name else {
            return self.refuse("required", "`resourceType` is missing", place);
        };
        let known = ResourceType::parse(name).filter(|of| !of.is_own());
        match known.and_then(|of| self.tables.named(of.name())) {
            Some(shape) => self.object(shape, resource, place),
            None => self.refuse("value", "`resourceType` is not a type of FHIR R4", place),
        }
    }

    fn refuse(&mut self, code: &'static str, diagnostics: impl Into<String>, place: &Place<'_>) {
        if !self.is_full() {
            self.issues.push(Issue::error(code, diagnostics).at(place.to_string()));
        }
    }

    fn is_full(&self) -> bool {
        self.issues.len() >= limits::ISSUES_MAX
    }
}

#[cfg(test)]
mod tests;
