//! What a value refers to: how `.path` and `$reference` see references.

use firewarden_fhir::{Reference, ResourceType};
use serde_json::{Value, json};

/// The members of a FHIR Reference, with those that the document derives. A value with any other
/// is a resource or something else, never a reference.
const MEMBERS: &[&str] =
    &["reference", "resourceType", "id", "type", "identifier", "display", "extension"];

/// The type and id of a value that is a reference as the document shows it: with `resourceType`
/// and `id` of what it refers to.
pub(super) fn derived(value: &Value) -> Option<(&str, &str)> {
    let members = value.as_object()?;
    let is_reference = members.keys().all(|name| MEMBERS.contains(&name.as_str()));
    let text = |name| members.get(name).and_then(Value::as_str);
    Some((text("resourceType")?, text("id")?)).filter(|_| is_reference)
}

/// What a value refers to, as `{resourceType, id}`: `"Patient/x"`, `{reference: "Patient/x"}`, or a
/// reference that carries them. `None` for what cannot be read as a reference to a resource here.
pub(super) fn read(value: &Value) -> Option<Value> {
    let text = value.as_str().or_else(|| value.get("reference")?.as_str());
    if let Some((of, id)) = text.and_then(relative) {
        return Some(json!({"resourceType": of.name(), "id": id}));
    }
    let (of, id) = derived(value)?;
    Some(json!({"resourceType": of, "id": id}))
}

/// Reads `Patient/x` and `Patient/x/_history/1`.
fn relative(text: &str) -> Option<(ResourceType, String)> {
    // No base URL: an absolute one under ours comes with what it refers to.
    let is_relative = text.starts_with(|c: char| c.is_ascii_alphabetic());
    match Reference::parse(text, "").filter(|_| is_relative)? {
        Reference::Local { target, .. } => Some((target.resource_type, target.id.to_string())),
        Reference::Absolute(_) | Reference::Contained(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_from_a_text_or_from_an_element() {
        for value in [
            json!("Patient/x"),
            json!("Patient/x/_history/3"),
            json!({"reference": "Patient/x"}),
            json!({"reference": "Patient/x", "display": "X", "other": 1}),
            json!({"resourceType": "Patient", "id": "x"}),
            json!({"reference": "https://fw.example/fhir/Patient/x", "resourceType": "Patient", "id": "x"}),
        ] {
            assert_eq!(
                read(&value),
                Some(json!({"resourceType": "Patient", "id": "x"})),
                "{value}"
            );
        }
    }

    #[test]
    fn what_refers_to_nothing_here_is_not_read() {
        for value in [
            json!("x"),
            json!("/Patient/x"),
            json!("Patient"),
            json!("Patient/"),
            json!("patient/x"),
            json!("#x"),
            json!("https://fw.example/fhir/Patient/x"),
            json!({"reference": "https://elsewhere.example/fhir/Patient/x"}),
            json!({"reference": 1}),
            json!({"id": "x"}),
            json!({"resourceType": "Patient", "id": "x", "name": []}),
            json!(["Patient/x"]),
            json!(null),
            json!(1),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
