//! Ids for the resources that a transaction creates, and the references to them.

use std::collections::HashMap;

use firewarden_fhir::{Id, Issue, ResourceType};
use serde_json::Value;

/// Elements of the types uri, url, oid and uuid by which resources refer to entries, besides
/// `Reference.reference`.
const LINKING: &[&str] =
    &["reference", "url", "uri", "valueUri", "valueUrl", "valueUuid", "valueOid"];

/// Gives each created resource its id and replaces the references to entries by it.
pub(super) fn assign_and_resolve(entries: &mut [Value], new_id: fn() -> Id) -> Result<(), Issue> {
    let mut places: HashMap<String, String> = HashMap::new();
    for (index, entry) in entries.iter_mut().enumerate() {
        let Some(place) = assign(entry, new_id) else {
            continue;
        };
        let Some(full_url) = entry.get("fullUrl").and_then(Value::as_str) else {
            continue;
        };
        if places.insert(full_url.to_owned(), place).is_some() {
            let text = "another entry has the same `fullUrl`: make them different";
            return Err(Issue::error("invalid", text).at(format!("Bundle.entry[{index}].fullUrl")));
        }
    }
    for (index, entry) in entries.iter_mut().enumerate() {
        if let Some(resource) = entry.get_mut("resource") {
            let at = format!("Bundle.entry[{index}].resource");
            resolve(resource, &places, &at)?;
        }
    }
    Ok(())
}

/// Where the entry's resource will stand, `Type/id`; assigns the id of a created one.
fn assign(entry: &mut Value, new_id: fn() -> Id) -> Option<String> {
    let request = entry.get("request")?;
    let url = request.get("url").and_then(Value::as_str)?;
    let url = url.split('?').next().unwrap_or(url);
    let url = url.strip_prefix('/').unwrap_or(url);
    let url = url.strip_prefix("fhir/").unwrap_or(url).to_owned();
    match request.get("method").and_then(Value::as_str)? {
        "PUT" => Some(url),
        "POST" => {
            let resource_type = ResourceType::parse(&url)?;
            let Value::Object(resource) = entry.get_mut("resource")? else {
                return None;
            };
            // Our own types may bring their id; FHIR's get one of ours.
            let kept = resource.get("id").and_then(Value::as_str).and_then(Id::parse);
            let id = kept.filter(|_| resource_type.is_own()).unwrap_or_else(new_id);
            resource.insert("id".to_owned(), id.as_str().into());
            Some(format!("{resource_type}/{id}"))
        }
        _ => None,
    }
}

fn resolve(value: &mut Value, places: &HashMap<String, String>, at: &str) -> Result<(), Issue> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|item| resolve(item, places, at)),
        Value::Object(object) => object.iter_mut().try_for_each(|(name, member)| {
            let Value::String(text) = member else {
                return resolve(member, places, at);
            };
            if !LINKING.contains(&name.as_str()) {
                return Ok(());
            }
            if let Some(place) = places.get(text.as_str()) {
                place.clone_into(text);
            } else if name == "reference" && is_conditional(text) {
                let text = "conditional references are not served: refer by `Type/id`";
                return Err(Issue::error("not-supported", text).at(at));
            }
            Ok(())
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// Whether a reference is a search: `Patient?identifier=x`.
fn is_conditional(reference: &str) -> bool {
    reference.split_once('?').is_some_and(|(of, _)| ResourceType::parse(of).is_some())
}
