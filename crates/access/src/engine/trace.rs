//! How a trace shows values.

use serde_json::{Value, json};

use crate::limits::TRACE_VALUE_CHARACTERS_MAX;

/// What a trace says of a value that a rule compares with and the request does not have.
pub(super) fn absent() -> Value {
    json!("a value that the request does not have")
}

/// Traces show short values whole, and of long ones that they are there.
pub(super) fn shortened(value: &Value) -> Value {
    let text = value.to_string();
    if text.chars().nth(TRACE_VALUE_CHARACTERS_MAX).is_none() {
        return value.clone();
    }
    match value {
        Value::Object(members) => {
            json!(format!(
                "an object with {}",
                members.keys().take(8).cloned().collect::<Vec<_>>().join(", ")
            ))
        }
        Value::Array(items) => json!(format!("a list of {}", items.len())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Value::String(text.chars().take(TRACE_VALUE_CHARACTERS_MAX).collect())
        }
    }
}
