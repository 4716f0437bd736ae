//! The part of FHIRPath that search parameters use, compiled against the element tables.
//!
//! Paths, unions, `as`, `.as()`, `.ofType()`, `where(member='text')`, `where(resolve() is Type)`,
//! an index on a member of the root, and `x.exists() and x != false`. A choice becomes one route
//! for each of its types, so that every route knows the type of what it selects.

mod compile;

use serde_json::{Map, Value};

use crate::definitions::Content;

pub(crate) use compile::compile;

/// An expression, compiled.
#[derive(Debug, PartialEq)]
pub(crate) struct Path {
    /// The ways through the resource; what they select counts together.
    pub(crate) routes: Vec<Route>,
    /// What is made of the selected values.
    pub(crate) result: PathResult,
}

/// What an expression makes of the values that its routes select.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathResult {
    /// The values.
    Values,
    /// One boolean: whether there is a value other than `false`.
    Truth,
}

/// One way through a resource to values of one type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    steps: Vec<Step>,
    /// The type of what it selects.
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    /// The items of a member, or one of them.
    Member { name: Box<str>, item: Option<usize> },
    /// Objects whose member is that text.
    Equals { member: Box<str>, text: Box<str> },
    /// References to that type.
    ResolvesTo(Box<str>),
}

impl Route {
    /// Hands every selected value over.
    pub(crate) fn select<'v>(
        &self,
        resource: &'v Map<String, Value>,
        visit: &mut dyn FnMut(&'v Value),
    ) {
        if let Some((Step::Member { name, item }, rest)) = self.steps.split_first()
            && let Some(value) = resource.get(&**name)
        {
            follow_items(value, *item, rest, visit);
        }
    }
}

fn follow_items<'v>(
    value: &'v Value,
    item: Option<usize>,
    rest: &[Step],
    visit: &mut dyn FnMut(&'v Value),
) {
    let items = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let items = match item {
        Some(at) => items.get(at..=at).unwrap_or_default(),
        None => items,
    };
    for item in items {
        follow(item, rest, visit);
    }
}

fn follow<'v>(value: &'v Value, steps: &[Step], visit: &mut dyn FnMut(&'v Value)) {
    let Some((step, rest)) = steps.split_first() else {
        if !value.is_null() {
            visit(value);
        }
        return;
    };
    let Value::Object(object) = value else { return };
    match step {
        Step::Member { name, item } => {
            if let Some(value) = object.get(&**name) {
                follow_items(value, *item, rest, visit);
            }
        }
        Step::Equals { member, text } => {
            if object.get(&**member).and_then(Value::as_str) == Some(text) {
                follow(value, rest, visit);
            }
        }
        Step::ResolvesTo(resource_type) => {
            if referenced_type(object) == Some(resource_type) {
                follow(value, rest, visit);
            }
        }
    }
}

/// The type a Reference points at, as far as it says so itself: in its URL, or in `type`.
fn referenced_type(reference: &Map<String, Value>) -> Option<&str> {
    let text = reference.get("reference").and_then(Value::as_str).unwrap_or_default();
    let unversioned = text.split_once("/_history/").map_or(text, |(text, _)| text);
    let mut segments = unversioned.rsplit('/');
    match (segments.next(), segments.next()) {
        (Some(_), Some(resource_type)) if crate::ResourceType::parse(resource_type).is_some() => {
            Some(resource_type)
        }
        _ => reference.get("type").and_then(Value::as_str),
    }
}

#[cfg(test)]
mod tests;
