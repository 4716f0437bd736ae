//! A place of the request document that a query names.

use std::fmt;

use serde_json::Value;

/// A path like `user.data.patient_id`: the members, or the places of items, one in another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentPath {
    steps: Vec<String>,
}

impl SentPath {
    /// Reads a path. A step is anything but `.` and braces; `None` where there is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = text.trim().split('.').map(str::to_owned).collect();
        let sound = |step: &String| !step.is_empty() && !step.contains(['{', '}']);
        steps.iter().all(sound).then_some(Self { steps })
    }

    /// The first step: a key of the request document.
    pub(crate) fn key(&self) -> &str {
        self.steps.first().map(String::as_str).unwrap_or_default()
    }

    /// The value there. `null` is none.
    pub(crate) fn of<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        let found = self.steps.iter().try_fold(document, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(items) => {
                let canonical = step == "0" || !step.starts_with(['0', '+']);
                items.get(step.parse::<usize>().ok().filter(|_| canonical)?)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        });
        found.filter(|value| !value.is_null())
    }
}

impl fmt::Display for SentPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.steps.join("."))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_finds_members_and_items() {
        let document = json!({
            "params": {"resource/type": "Patient", "a b": 1},
            "role": [{"name": "x"}, null], "user": null,
        });
        for (path, found) in [
            ("params.resource/type", Some(json!("Patient"))),
            (" params.a b ", Some(json!(1))),
            ("role.0.name", Some(json!("x"))),
            ("role.1", None),
            ("role.00", None),
            ("role.+0", None),
            ("role.name", None),
            ("user", None),
            ("params.resource/type.x", None),
        ] {
            let path = SentPath::parse(path).unwrap();
            assert_eq!(path.of(&document), found.as_ref(), "{path}");
        }
        for text in ["", ".", "a.", ".a", "a..b", "a{b", "a}b", " "] {
            assert_eq!(SentPath::parse(text), None, "{text}");
        }
    }
}
