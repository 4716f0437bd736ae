//! The resources of a Bundle that is imported, with references between them in place.

use std::collections::HashMap;

use firewarden_fhir::{Id, Issue, Resource, ResourceType, Target, limits};
use serde_json::{Map, Value};

use super::placed;
use crate::bundle::references::{each_link, is_by_criteria};

/// What a Bundle is to an import.
#[derive(Debug)]
pub enum BundleItems {
    /// Resources, all of them or none.
    Together(Vec<(Target, Resource)>),
    /// Resources, each by itself, or why it is none.
    Each(Vec<Result<(Target, Resource), Issue>>),
    /// A transaction or a batch that asks for more than to store resources: it is performed.
    Performed(Value),
    /// A resource like others.
    Resource(Value),
}

/// What that Bundle is. Resources keep their ids, those without get new ones, and references to a
/// `fullUrl` become references to the resource.
pub fn bundle_items(bundle: Value, new_id: fn() -> Id) -> Result<BundleItems, Issue> {
    let kind = bundle.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind.as_str() {
        "transaction" | "batch" | "collection" | "searchset" => {}
        "document" | "message" => return Ok(BundleItems::Resource(bundle)),
        _ => {
            let text = "not a Bundle whose resources are imported: `transaction`, `batch`, \
                        `collection` and `searchset` are, `document` and `message` are stored whole";
            return Err(Issue::error("value", text).at("Bundle.type"));
        }
    }
    let entries = bundle.get("entry").and_then(Value::as_array);
    if entries.is_some_and(|entries| entries.len() > limits::BUNDLE_ENTRIES_MAX) {
        let text = format!("more than {} entries", limits::BUNDLE_ENTRIES_MAX);
        return Err(Issue::error("too-costly", text).at("Bundle.entry"));
    }
    let is_request = matches!(kind.as_str(), "transaction" | "batch");
    if is_request && !entries.into_iter().flatten().all(|entry| is_plain(&kind, entry)) {
        return Ok(BundleItems::Performed(bundle));
    }
    let mut items = taken(bundle, new_id)?;
    resolve(&mut items)?;
    if kind != "transaction" {
        return Ok(BundleItems::Each(items.into_iter().map(|item| item.placed).collect()));
    }
    let together: Result<Vec<_>, Issue> = items.into_iter().map(|item| item.placed).collect();
    let together = together?;
    let mut seen = std::collections::HashSet::new();
    if let Some(index) = together.iter().position(|(target, _)| !seen.insert(target)) {
        let text = "another entry writes the same resource: a transaction may do it once";
        return Err(Issue::error("invalid", text).at(format!("Bundle.entry[{index}]")));
    }
    Ok(BundleItems::Together(together))
}

/// Whether an entry stores a resource and does nothing else.
fn is_plain(kind: &str, entry: &Value) -> bool {
    let Some(request) = entry.get("request").and_then(Value::as_object) else { return false };
    let Some(resource) = entry.get("resource") else { return false };
    let of = resource.get("resourceType").and_then(Value::as_str).and_then(ResourceType::parse);
    // What belongs together is of one kind: ours are checked against what is stored.
    if kind == "transaction" && of.is_none_or(ResourceType::is_own) {
        return false;
    }
    let is_conditional = ["ifNoneExist", "ifMatch", "ifNoneMatch", "ifModifiedSince"]
        .iter()
        .any(|name| request.get(*name).is_some_and(|value| !value.is_null()));
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let (method, url) = (text("method").unwrap_or_default(), text("url").unwrap_or_default());
    let mut by_criteria = false;
    let mut shown = resource.clone();
    each_link(&mut shown, &mut |name, text| {
        by_criteria |= name == "reference" && is_by_criteria(text);
    });
    matches!(method, "POST" | "PUT") && !is_conditional && !url.contains('?') && !by_criteria
}

struct Item {
    full_url: Option<String>,
    placed: Result<(Target, Resource), Issue>,
}

/// The resources of the entries, at their places.
fn taken(mut bundle: Value, new_id: fn() -> Id) -> Result<Vec<Item>, Issue> {
    let entries = match bundle.get_mut("entry").map(Value::take) {
        None => Vec::new(),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(Issue::error("structure", "not an array").at("Bundle.entry")),
    };
    let mut items = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let at = format!("Bundle.entry[{index}]");
        let Value::Object(entry) = entry else {
            return Err(Issue::error("structure", "not an object").at(at));
        };
        items.extend(item(entry, &at, new_id));
    }
    Ok(items)
}

/// The item of an entry; none of the outcome that a search tells beside what it found.
fn item(mut entry: Map<String, Value>, at: &str, new_id: fn() -> Id) -> Option<Item> {
    let mode = entry.get("search").and_then(|search| search.get("mode"));
    if mode.and_then(Value::as_str) == Some("outcome") {
        return None;
    }
    let full_url = entry.get("fullUrl").and_then(Value::as_str).map(str::to_owned);
    let missing = || Issue::error("required", "`resource` is missing").at(format!("{at}.resource"));
    let resource = entry.remove("resource").ok_or_else(missing);
    let placed = resource.and_then(|mut resource| {
        if let (Some(id), Value::Object(content)) = (url_id(&entry), &mut resource) {
            content.insert("id".to_owned(), id.into());
        }
        placed(resource, new_id).map_err(|issue| {
            let expression = issue.expression.as_deref().unwrap_or_default();
            let rest = expression.find('.').and_then(|dot| expression.get(dot..));
            let inside = format!("{at}.resource{}", rest.unwrap_or_default());
            issue.at(inside)
        })
    });
    Some(Item { full_url, placed })
}

/// The id that the URL of an update names.
fn url_id(entry: &Map<String, Value>) -> Option<String> {
    let request = entry.get("request")?;
    if request.get("method").and_then(Value::as_str) != Some("PUT") {
        return None;
    }
    let url = request.get("url").and_then(Value::as_str)?;
    url.rsplit_once('/').map(|(_, id)| id.to_owned())
}

/// Makes references to a `fullUrl` references to the resource that stands there, and gives every
/// resource the id of its place.
fn resolve(items: &mut [Item]) -> Result<(), Issue> {
    let mut places: HashMap<String, String> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let (Some(full_url), Ok((target, _))) = (&item.full_url, &item.placed) else { continue };
        let place = target.to_string();
        let other = places.insert(full_url.clone(), place.clone());
        if other.is_some_and(|other| other != place) {
            let text = "another entry has the same `fullUrl`: make them different";
            return Err(Issue::error("invalid", text).at(format!("Bundle.entry[{index}].fullUrl")));
        }
    }
    for (_, resource) in items.iter_mut().filter_map(|item| item.placed.as_mut().ok()) {
        crate::bundle::references::each_link_of(&mut resource.content, &mut |_, text| {
            if let Some(place) = places.get(text.as_str()) {
                place.clone_into(text);
            }
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn new_id() -> Id {
        Id::parse("new").unwrap()
    }

    fn told(bundle: &Value) -> String {
        match bundle_items(bundle.clone(), new_id) {
            Ok(BundleItems::Together(items)) => {
                let all: Vec<_> = items.iter().map(|(target, _)| target.to_string()).collect();
                format!("together {}", all.join(" "))
            }
            Ok(BundleItems::Each(items)) => {
                let text = |item: &Result<(Target, Resource), Issue>| match item {
                    Ok((target, _)) => target.to_string(),
                    Err(issue) => format!("[{}]", issue.expression.clone().unwrap_or_default()),
                };
                format!("each {}", items.iter().map(text).collect::<Vec<_>>().join(" "))
            }
            Ok(BundleItems::Performed(_)) => "performed".to_owned(),
            Ok(BundleItems::Resource(_)) => "a resource".to_owned(),
            Err(issue) => format!("refused at {}", issue.expression.unwrap_or_default()),
        }
    }

    #[test]
    fn a_bundle_is_what_its_type_and_its_entries_say() {
        let patient = json!({"resourceType": "Patient", "id": "a"});
        let post = json!({"method": "POST", "url": "Patient"});
        let put = json!({"method": "PUT", "url": "Patient/b"});
        let one = |kind: &str, entry: Value| json!({"resourceType": "Bundle", "type": kind, "entry": [entry]});
        for (bundle, expected) in [
            (
                one("transaction", json!({"resource": patient, "request": post})),
                "together Patient/a",
            ),
            (
                one("transaction", json!({"resource": patient, "request": put})),
                "together Patient/b",
            ),
            (one("batch", json!({"resource": patient, "request": put})), "each Patient/b"),
            (one("collection", json!({"resource": patient})), "each Patient/a"),
            (
                one("collection", json!({"resource": {"resourceType": "Patient"}})),
                "each Patient/new",
            ),
            (
                one("searchset", json!({"resource": {"resourceType": "Patient", "id": "a/b"}})),
                "each [Bundle.entry[0].resource.id]",
            ),
            (
                one("searchset", json!({"resource": patient, "search": {"mode": "outcome"}})),
                "each ",
            ),
            (one("collection", json!({"fullUrl": "urn:x"})), "each [Bundle.entry[0].resource]"),
            (
                one("transaction", json!({"request": {"method": "DELETE", "url": "Patient/a"}})),
                "performed",
            ),
            (
                one(
                    "transaction",
                    json!({"resource": patient, "request":
                        {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=x"}}),
                ),
                "performed",
            ),
            (
                one(
                    "transaction",
                    json!({"resource": {"resourceType": "Observation",
                        "subject": {"reference": "Patient?identifier=x"}}, "request": post}),
                ),
                "performed",
            ),
            (
                one(
                    "transaction",
                    json!({"resource": {"resourceType": "User", "id": "u"}, "request": post}),
                ),
                "performed",
            ),
            (one("document", json!({"resource": patient})), "a resource"),
            (one("history", json!({"resource": patient})), "refused at Bundle.type"),
            (
                json!({"resourceType": "Bundle", "type": "transaction", "entry": [
                    {"resource": patient, "request": post}, {"resource": patient, "request": post},
                ]}),
                "refused at Bundle.entry[1]",
            ),
        ] {
            assert_eq!(told(&bundle), expected, "{bundle}");
        }
    }

    #[test]
    fn a_reference_to_an_entry_becomes_one_to_its_resource() {
        let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": [
            {"fullUrl": "urn:uuid:1", "resource": {"resourceType": "Patient"}},
            {"fullUrl": "urn:uuid:2", "resource": {"resourceType": "Observation", "id": "o",
                "subject": {"reference": "urn:uuid:1"}, "focus": [{"reference": "urn:uuid:3"}]}},
        ]});
        let Ok(BundleItems::Each(items)) = bundle_items(bundle, new_id) else { panic!() };
        let (_, observation) = items[1].as_ref().unwrap();
        assert_eq!(observation.content["subject"]["reference"], "Patient/new");
        assert_eq!(observation.content["focus"][0]["reference"], "urn:uuid:3");
    }

    #[test]
    fn a_bundle_has_so_many_entries() {
        let entry = json!({"resource": {"resourceType": "Patient", "id": "a"}});
        let entries = vec![entry; limits::BUNDLE_ENTRIES_MAX + 1];
        let bundle = json!({"resourceType": "Bundle", "type": "collection", "entry": entries});
        assert_eq!(told(&bundle), "refused at Bundle.entry");
    }
}
