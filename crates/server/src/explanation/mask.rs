//! What a kept trace does not show: bodies, and what headers and queries carry.

use serde_json::{Map, Value};

/// Headers whose values are no secret anywhere.
const SHOWN_HEADERS: &[&str] =
    &["accept", "accept-encoding", "accept-language", "content-type", "host", "prefer"];
/// Members of an object that are named where it is not shown.
const NAMED_MEMBERS_MAX: usize = 8;

/// Takes out of a trace what it must not keep: at a failing place in the body, in a header or in
/// the query it says of what kind the value was, and no more.
pub(crate) fn masked(trace: &mut Value) {
    match trace {
        Value::Array(items) => items.iter_mut().for_each(masked),
        Value::Object(members) => {
            let path = members.get("path").and_then(Value::as_str).map(str::to_owned);
            if let (Some(path), Some(but)) = (path, members.get_mut("but")) {
                mask(&path, but);
            }
            members.values_mut().filter(|value| is_composite(value)).for_each(masked);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn mask(path: &str, but: &mut Value) {
    let mut steps = path.split('/').skip(1);
    let (first, second) = (steps.next().unwrap_or_default(), steps.next());
    let is_hidden = match (first, second) {
        ("body" | "resource" | "query-string", _) | ("params", Some("_cursor")) => true,
        ("headers", Some(name)) => !SHOWN_HEADERS.contains(&name),
        _ => false,
    };
    if is_hidden || is_composite(but) {
        *but = kind(but).into();
    }
}

fn is_composite(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// What a value is, without what is in it.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(_) => "true or false".to_owned(),
        Value::Number(_) => "a number".to_owned(),
        Value::String(_) => "a text".to_owned(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(members) => format!("an object with {}", names(members)),
    }
}

fn names(members: &Map<String, Value>) -> String {
    if members.is_empty() {
        return "nothing".to_owned();
    }
    members.keys().take(NAMED_MEMBERS_MAX).cloned().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bodies_headers_and_queries_are_not_shown() {
        for (path, but, shown) in [
            ("/resource/name/0", json!("CANARY"), json!("a text")),
            ("/body/subject", json!({"reference": "CANARY"}), json!("an object with reference")),
            ("/headers/x-api-key", json!("CANARY"), json!("a text")),
            ("/headers/accept", json!("text/yaml"), json!("text/yaml")),
            ("/query-string", json!("token=CANARY"), json!("a text")),
            ("/params/_cursor", json!("CANARY"), json!("a text")),
            ("/params/name", json!("x"), json!("x")),
            ("/user/data/patient_id", json!("1"), json!("1")),
            ("/jwt", json!({"iss": "i"}), json!("an object with iss")),
            ("/role", json!([{"name": "CANARY"}]), json!("a list of 1")),
            ("", json!({"resource": {"name": "CANARY"}}), json!("an object with resource")),
            ("/resource/active", json!(true), json!("true or false")),
            ("/resource/count", json!(7), json!("a number")),
            ("/resource/absent", json!(null), json!("nothing")),
        ] {
            let failing = json!({"path": path, "expected": 1, "but": but});
            let mut trace = json!([{"failing": [{"branch": "and[0]", "failing": failing}]}]);
            masked(&mut trace);
            assert_eq!(trace[0]["failing"][0]["failing"]["but"], shown, "{path}");
        }
    }
}
