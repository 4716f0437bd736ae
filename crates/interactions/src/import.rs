//! What an import writes, made ready as an update by an administrator would be.

mod bundle;
mod kept;

use firewarden_access::SystemTask;
use firewarden_fhir::{Id, IfMatch, Issue, Resource, ResourceType, Target};
use firewarden_store::{Change, Write};
use serde_json::Value;

pub use self::bundle::{BundleItems, bundle_items};
pub use self::kept::{KEPT_VERSION, kept_version, kept_version_text};
use crate::Failure;
use crate::write::check_of_fhir;

/// Where a resource of an import goes: its own `id`, or a new one.
pub fn placed(resource: Value, new_id: fn() -> Id) -> Result<(Target, Resource), Issue> {
    let Value::Object(mut content) = resource else {
        return Err(Issue::error("structure", "not a resource: a resource is an object"));
    };
    let Some(name) = content.get("resourceType").and_then(Value::as_str) else {
        return Err(Issue::error("required", "`resourceType` is missing"));
    };
    let Some(resource_type) = ResourceType::parse(name) else {
        return Err(Issue::error("value", "`resourceType` is not a type that is served"));
    };
    let id = match content.get("id") {
        None | Some(Value::Null) => new_id(),
        Some(id) => id.as_str().and_then(Id::parse).ok_or_else(|| {
            let text = "not an id: 1 to 64 of `A-Z a-z 0-9 - .`";
            Issue::error("value", text).at(format!("{resource_type}.id"))
        })?,
    };
    // `null` is no id, and no element either.
    content.retain(|name, value| name != "id" || !value.is_null());
    Ok((Target::new(resource_type, id), Resource { resource_type, content }))
}

/// The write of a resource of FHIR's own types that is imported. Ours are performed as updates.
pub fn imported(target: Target, resource: Resource) -> Result<Write, Vec<Issue>> {
    check_of_fhir(&resource).map_err(|failure| {
        if let Failure::Invalid(issues) = failure {
            return issues;
        }
        vec![Issue::error("processing", "the resource cannot be checked")]
    })?;
    let rows = SystemTask::Import.rows(target.resource_type);
    let change = Change::Put { resource, if_match: IfMatch::Any, secrets: Vec::new() };
    Ok(Write { target, matching: None, rows, change })
}
