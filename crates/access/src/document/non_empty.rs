//! A document without its empty members.

use serde_json::Value;

/// The value without its empty members; `None` when it has none, so that it need not be copied.
pub(super) fn without_empty_members(value: &Value) -> Option<Value> {
    has_empty_members(value).then(|| of(value))
}

fn has_empty_members(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.values().any(|value| is_empty(value) || has_empty_members(value))
        }
        Value::Array(items) => items.iter().any(has_empty_members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The value without the members, at any depth, that are `[]`, `{}`, `""` or `null`, or become so.
/// Elements of lists stay where they are: their number and order mean something.
fn of(value: &Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .iter()
                .map(|(name, value)| (name, of(value)))
                .filter(|(_, value)| !is_empty(value))
                .map(|(name, value)| (name.clone(), value))
                .collect(),
        ),
        Value::Array(items) => items.iter().map(of).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn empty_members_go_at_every_depth() {
        for (whole, left) in [
            (
                json!({"a": [], "b": {}, "c": "", "d": null, "e": 0, "f": false}),
                json!({"e": 0, "f": false}),
            ),
            (json!({"a": {"b": {"c": [], "d": ""}}}), json!({})),
            (json!({"a": [{"b": null}, null, ""]}), json!({"a": [{}, null, ""]})),
            (json!({"a": " ", "b": [0, "", null, {}]}), json!({"a": " ", "b": [0, "", null, {}]})),
            (json!({"a": [[{"b": []}]]}), json!({"a": [[{}]]})),
        ] {
            let expected = (whole != left).then_some(left);
            assert_eq!(without_empty_members(&whole), expected, "{whole}");
        }
    }
}
