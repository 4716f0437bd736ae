//! The resource and the conditions that a write brings, checked against its URL.

use serde_json::{Map, Value};

use super::Body;
use crate::{IfMatch, Issue, Resource, ResourceType, Target, Version};

/// The resource of a body. A type or an id of another resource is an error; for our own types
/// both may be left out, and on an update the URL's id wins.
pub(super) fn resource_of(
    resource_type: ResourceType,
    target: Option<&Target>,
    body: Body,
) -> (Resource, Option<Issue>) {
    match object(body) {
        Err(defect) => (Resource { resource_type, content: Map::new() }, Some(defect)),
        Ok(mut content) => {
            let defect = type_defect(resource_type, content.get("resourceType"))
                .or_else(|| target.and_then(|target| id_defect(target, content.get("id"))));
            if target.is_none() && !resource_type.is_own() {
                // A created resource's id is the server's to give.
                content.shift_remove("id");
            }
            content.insert("resourceType".into(), resource_type.name().into());
            (Resource { resource_type, content }, defect)
        }
    }
}

fn object(body: Body) -> Result<Map<String, Value>, Issue> {
    match body {
        Body::Json(Value::Object(content)) => Ok(content),
        Body::Json(_) => {
            Err(Issue::error("structure", "the body is not an object: send one resource"))
        }
        Body::Empty => Err(Issue::error("required", "the body is empty: send one resource")),
        Body::Form(_) => Err(Issue::error(
            "invalid",
            "the body is a form: send `Content-Type: application/fhir+json`",
        )),
        Body::Defective(defect) => Err(defect),
    }
}

fn type_defect(resource_type: ResourceType, sent: Option<&Value>) -> Option<Issue> {
    match sent {
        Some(Value::String(sent)) if sent == resource_type.name() => None,
        None if resource_type.is_own() => None,
        None => Some(Issue::error(
            "required",
            format!("`resourceType` is missing: it is `{resource_type}`"),
        )),
        Some(_) => Some(Issue::error(
            "invalid",
            format!("`resourceType` is not `{resource_type}`, as the URL says"),
        )),
    }
}

fn id_defect(target: &Target, sent: Option<&Value>) -> Option<Issue> {
    match sent {
        _ if target.resource_type.is_own() => None,
        Some(Value::String(sent)) if sent == target.id.as_str() => None,
        None => Some(Issue::error(
            "required",
            format!("`id` is missing: it is `{}`, as in the URL", target.id),
        )),
        Some(_) => {
            Some(Issue::error("invalid", format!("`id` is not `{}`, as the URL says", target.id)))
        }
    }
}

/// `If-Match: W/"3"`, `"3"` or a bare `3`.
pub(super) fn if_match(header: Option<&str>) -> Result<IfMatch, Issue> {
    let Some(header) = header.map(str::trim) else {
        return Ok(IfMatch::Any);
    };
    let bare = header.strip_prefix("W/").unwrap_or(header);
    let bare = bare.strip_prefix('"').and_then(|s| s.strip_suffix('"')).unwrap_or(bare);
    Version::parse(bare).map(IfMatch::Version).ok_or_else(|| {
        Issue::error("value", format!("`If-Match` is not a version such as `W/\"1\"`: `{header}`"))
    })
}
