//! The parts of a checked schema.

use serde_json::{Map, Value};

/// The schema itself, or the one that it refers to. A checked schema refers to nothing that holds
/// it.
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

/// The members that a schema with these keywords requires, by itself or by `allOf`.
pub(super) fn required_members<'a>(
    root: &'a Value,
    keywords: &'a Map<String, Value>,
) -> Vec<&'a str> {
    let own = list(keywords, "required").iter().filter_map(Value::as_str);
    let of_all = list(keywords, "allOf").iter().filter_map(|inner| {
        let keywords = resolve(root, inner)?.as_object()?;
        Some(required_members(root, keywords))
    });
    own.chain(of_all.flatten()).collect()
}
