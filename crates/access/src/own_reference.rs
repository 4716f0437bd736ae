//! References in our own types, in either of the forms that they are accepted in.

use serde_json::Value;

/// Reads `{reference: "User/x"}` or `{resourceType: User, id: x}` as a type and an id; where both
/// are given they must agree. `None` for anything else.
pub(crate) fn read(value: &Value) -> Option<(&str, &str)> {
    let members = value.as_object()?;
    let text = |name| members.get(name).map(|value: &Value| value.as_str());
    let parts = match (text("resourceType"), text("id")) {
        (None, None) => None,
        (Some(of), Some(id)) => Some((of?, id?)),
        _ => return None,
    };
    let reference = match text("reference") {
        None => None,
        Some(text) => Some(text?.split_once('/')?),
    };
    let read = match (parts, reference) {
        (Some(parts), Some(reference)) if parts != reference => return None,
        (parts, reference) => parts.or(reference)?,
    };
    (!read.0.is_empty() && !read.1.is_empty()).then_some(read)
}
