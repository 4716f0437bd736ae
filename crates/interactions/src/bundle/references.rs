//! Ids for the resources that a transaction creates, and the references to its entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use firewarden_fhir::{Id, Issue, ResourceType, Target};
use serde_json::Value;

/// Elements of the types uri, url, oid and uuid by which resources refer to entries, besides
/// `Reference.reference`.
const LINKING: &[&str] =
    &["reference", "url", "uri", "valueUri", "valueUrl", "valueUuid", "valueOid"];

/// References of a transaction that depend on a search.
#[derive(Default)]
pub(super) struct Open {
    /// The conditional entries that others refer to, each with where it stands if it is created:
    /// the references to it name that.
    pub(super) entries: BTreeMap<usize, Target>,
    /// The references by criteria: `Patient?identifier=x`.
    pub(super) criteria: BTreeSet<String>,
}

/// Where an entry's resource will stand.
struct Place {
    text: String,
    /// Of a conditional entry: which, and where if it is created.
    conditional: Option<(usize, Target)>,
}

/// Gives each created resource its id and replaces the references to entries by it.
pub(super) fn assign_and_resolve(entries: &mut [Value], new_id: fn() -> Id) -> Result<Open, Issue> {
    let mut places: HashMap<String, Place> = HashMap::new();
    for (index, entry) in entries.iter_mut().enumerate() {
        let Some(place) = assign(index, entry, new_id) else {
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
    let mut open = Open::default();
    for entry in entries.iter_mut() {
        let Some(resource) = entry.get_mut("resource") else { continue };
        each_link(resource, &mut |name, text| {
            if let Some(place) = places.get(text.as_str()) {
                place.text.clone_into(text);
                open.entries.extend(place.conditional.clone());
            } else if name == "reference" && is_by_criteria(text) {
                open.criteria.insert(text.clone());
            }
        });
    }
    Ok(open)
}

/// Where the entry's resource will stand; assigns the id of a created one.
fn assign(index: usize, entry: &mut Value, new_id: fn() -> Id) -> Option<Place> {
    let request = entry.get("request")?;
    let url = request.get("url").and_then(Value::as_str)?;
    let (url, query) = url.split_once('?').unwrap_or((url, ""));
    let url = url.strip_prefix('/').unwrap_or(url);
    let url = url.strip_prefix("fhir/").unwrap_or(url).to_owned();
    let none_exist = request.get("ifNoneExist").is_some_and(|it| !it.is_null());
    let conditional =
        |target: Target| Place { text: target.to_string(), conditional: Some((index, target)) };
    let id_of =
        |resource: Option<&Value>| resource?.get("id").and_then(Value::as_str).and_then(Id::parse);
    match request.get("method").and_then(Value::as_str)? {
        "PUT" => match ResourceType::parse(&url) {
            Some(of) => {
                let id = id_of(entry.get("resource")).unwrap_or_else(new_id);
                Some(conditional(Target::new(of, id)))
            }
            None => Some(Place { text: url, conditional: None }),
        },
        "POST" => {
            let of = ResourceType::parse(&url)?;
            let is_conditional = none_exist || !query.is_empty();
            // Our own types may bring their id; FHIR's get one of ours.
            let kept = id_of(entry.get("resource")).filter(|_| of.is_own());
            let target = Target::new(of, kept.unwrap_or_else(new_id));
            let Value::Object(resource) = entry.get_mut("resource")? else {
                return None;
            };
            resource.insert("id".to_owned(), target.id.as_str().into());
            let plain = || Place { text: target.to_string(), conditional: None };
            Some(if is_conditional { conditional(target.clone()) } else { plain() })
        }
        _ => None,
    }
}

/// Shows each text by which a resource may refer to another, with its member's name.
pub(crate) fn each_link(value: &mut Value, show: &mut impl FnMut(&str, &mut String)) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| each_link(item, show)),
        Value::Object(object) => each_link_of(object, show),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// As [`each_link`], of a resource's content.
pub(crate) fn each_link_of(
    object: &mut serde_json::Map<String, Value>,
    show: &mut impl FnMut(&str, &mut String),
) {
    for (name, member) in object.iter_mut() {
        if let Value::String(text) = member {
            if LINKING.contains(&name.as_str()) {
                show(name, text);
            }
        } else {
            each_link(member, show);
        }
    }
}

/// Whether a reference is a search: `Patient?identifier=x`.
pub(crate) fn is_by_criteria(reference: &str) -> bool {
    reference.split_once('?').is_some_and(|(of, _)| ResourceType::parse(of).is_some())
}
