//! `.path`: another value of the same document.

use serde_json::Value;

/// A path into the document: members' names, and indices of lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SentPath {
    steps: Vec<String>,
}

impl SentPath {
    /// Reads `.user.data.patient_id`. `None` for a path with an empty step.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let steps: Vec<String> = text.strip_prefix('.')?.split('.').map(str::to_owned).collect();
        steps.iter().all(|step| !step.is_empty()).then_some(Self { steps })
    }

    /// The first step: a key of the request document.
    pub(super) fn key(&self) -> &str {
        self.steps.first().map(String::as_str).unwrap_or_default()
    }

    /// The steps.
    pub(super) fn steps(&self) -> &[String] {
        &self.steps
    }

    /// The value there; `null` is none.
    pub(super) fn of<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        let value = self.steps.iter().try_fold(document, |value, step| match value {
            Value::Object(members) => members.get(step),
            Value::Array(items) => items.get(index(step)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })?;
        (!value.is_null()).then_some(value)
    }
}

/// An index as it is written: `0`, `12`, and not `+1` or `01`.
fn index(step: &str) -> Option<usize> {
    let canonical = step == "0" || !step.starts_with(['0', '+']);
    step.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_leads_through_members_and_lists() {
        let document = json!({"user": {"data": {"a/b": 1, "n": null}, "roles": [{"id": "r"}]}});
        let at = |text: &str| SentPath::parse(text).unwrap().of(&document).cloned();
        assert_eq!(at(".user.data.a/b"), Some(json!(1)));
        assert_eq!(at(".user.roles.0.id"), Some(json!("r")));
        for nowhere in [
            ".user.data.n",
            ".user.roles.1",
            ".user.roles.00",
            ".user.roles.+0",
            ".user.roles.id",
            ".user.data.a/b.c",
            ".client",
        ] {
            assert_eq!(at(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn a_path_has_no_empty_step() {
        for text in ["", ".", "user", ".user.", "..user", ".user..id"] {
            assert_eq!(SentPath::parse(text), None, "{text}");
        }
    }
}
