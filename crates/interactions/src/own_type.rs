//! Saving our own types: references in one form, secrets taken out, the rules checked.

mod rights;
mod secrets;

use firewarden_access::RowFilter;
use firewarden_fhir::{Issue, Reference, ResourceType, Target};
use firewarden_store::SecretChange;
use serde_json::{Map, Value};

pub(crate) use self::rights::leaves_rights;
pub use self::secrets::MASK;
pub(crate) use self::secrets::secret_places;
use crate::{Failure, Ports};

/// The member that answers carry and that is never stored.
const WARNINGS: &str = "warnings";

/// Members that hold rules and free data: an object in them is not a reference.
const NOT_REFERENCES: &[&str] =
    &["schema", "matcho", "and", "or", "rows", "data", "request", "caller", "expect"];

/// A resource of ours, ready to be stored.
pub(crate) struct Checked {
    /// Its content, with masks for secrets.
    pub(crate) content: Map<String, Value>,
    /// Its secrets, by JSON Pointer.
    pub(crate) secrets: Vec<(String, SecretChange)>,
    /// What its author should know.
    pub(crate) warnings: Vec<Issue>,
}

/// Checks a resource of ours and takes its secrets out. `rows` are those of the write.
pub(crate) async fn check(
    ports: Ports<'_>,
    target: &Target,
    mut content: Map<String, Value>,
    rows: &RowFilter,
) -> Result<Checked, Failure> {
    let resource_type = target.resource_type;
    content.remove(WARNINGS);
    let mut issues = Vec::new();
    let may_refer = |name: &str| !NOT_REFERENCES.contains(&name);
    for (name, member) in content.iter_mut().filter(|(name, _)| may_refer(name)) {
        normalise(member, &format!("{resource_type}.{name}"), &mut issues);
    }
    if !issues.is_empty() {
        return Err(Failure::Invalid(issues));
    }
    let warnings = ports.own_types.check(resource_type, &content).map_err(Failure::Invalid)?;
    let mut root = Value::Object(content);
    let secrets = secrets::take(ports.own_types, resource_type, &mut root).await?;
    secrets::check_kept(ports.store, target, &root, &secrets, rows).await?;
    let content = match root {
        Value::Object(content) => content,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    };
    Ok(Checked { content, secrets, warnings })
}

/// Brings every reference to the form `{reference: "T/x"}`. The form `{resourceType, id}` is
/// accepted too; both at once must agree.
fn normalise(value: &mut Value, path: &str, issues: &mut Vec<Issue>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                normalise(item, &format!("{path}[{index}]"), issues);
            }
        }
        Value::Object(object) => {
            if let Err(text) = normalise_reference(object) {
                issues.push(Issue::error("value", text).at(path));
            }
            for (name, member) in object.iter_mut() {
                normalise(member, &format!("{path}.{name}"), issues);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn normalise_reference(object: &mut Map<String, Value>) -> Result<(), String> {
    let text = |name: &str| object.get(name).and_then(Value::as_str);
    let pair = match (text("resourceType"), text("id")) {
        (Some(of), Some(id)) if ResourceType::parse(of).is_some() || of == "Operation" => {
            Some(format!("{of}/{id}"))
        }
        _ => None,
    };
    match (text("reference").map(str::to_owned), pair) {
        (Some(reference), Some(pair)) => {
            if reference != pair {
                return Err(format!(
                    "`reference` says `{reference}`, `resourceType` and `id` say `{pair}`: \
                     they must agree, or leave one form out"
                ));
            }
            object.shift_remove("resourceType");
            object.shift_remove("id");
        }
        (None, Some(pair)) => {
            object.shift_remove("resourceType");
            object.shift_remove("id");
            object.insert("reference".to_owned(), pair.into());
        }
        (_, None) => {}
    }
    Ok(())
}

/// A resource of ours as the root serves it: references in the form `{resourceType, id}`.
pub fn root_form(resource: &mut Map<String, Value>) {
    for (name, member) in resource.iter_mut() {
        if !NOT_REFERENCES.contains(&name.as_str()) {
            denormalise(member);
        }
    }
}

fn denormalise(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(denormalise),
        Value::Object(object) => {
            let reference = object.get("reference").and_then(Value::as_str).and_then(split);
            if let Some((of, id)) = reference {
                object.shift_remove("reference");
                object.insert("resourceType".to_owned(), of.into());
                object.insert("id".to_owned(), id.into());
            }
            object.values_mut().for_each(denormalise);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn split(reference: &str) -> Option<(String, String)> {
    if let Some(operation) = reference.strip_prefix("Operation/") {
        return Some(("Operation".to_owned(), operation.to_owned()));
    }
    match Reference::parse(reference, "")? {
        Reference::Local { target, version: None } => {
            Some((target.resource_type.name().to_owned(), target.id.to_string()))
        }
        Reference::Local { .. } | Reference::Absolute(_) | Reference::Contained(_) => None,
    }
}
