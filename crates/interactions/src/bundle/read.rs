//! Reads a Bundle's entries as interactions.

use firewarden_fhir::request::{Body, NotServed, RestRequest, Routed};
use firewarden_fhir::search::{Handling, ParseSearch};
use firewarden_fhir::{Id, Interaction, Issue, ResourceType, Timestamp, limits};
use serde_json::{Map, Value, json};

use super::references::{self, Open};
use super::sought::{Sought, sought};

/// What a Bundle asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleKind {
    /// Each entry by itself.
    Batch,
    /// All entries or none.
    Transaction,
}

/// A Bundle, read: nothing of it is decided yet.
#[derive(Debug)]
pub struct BundleRequest {
    /// What it asks for.
    pub kind: BundleKind,
    /// Its entries, in their order.
    pub entries: Vec<Result<BundleEntry, EntryDefect>>,
    /// What has to be found before they are decided: [`BundleRequest::resolve`].
    pub sought: Vec<Sought>,
}

/// What one entry asks for.
#[derive(Debug)]
pub struct BundleEntry {
    /// The interaction.
    pub routed: Routed,
    /// The query of the entry's own URL as it was sent, without `?`: policies see this one, and
    /// never that of the envelope.
    pub query: Option<String>,
}

/// Why an entry is no interaction.
#[derive(Clone, Debug, PartialEq)]
pub enum EntryDefect {
    /// Its `request` cannot be understood.
    Malformed(Issue),
    /// Its URL or its method is not served.
    NotServed(NotServed),
}

/// What a Bundle is read against.
#[derive(Clone, Copy)]
pub struct ReadBundle<'a> {
    /// This server's FHIR base URL, without a trailing slash.
    pub base_url: &'a str,
    /// The time of the request.
    pub now: Timestamp,
    /// `Prefer: handling=`.
    pub handling: Handling,
    /// Makes the ids of created resources.
    pub new_id: fn() -> Id,
}

impl ReadBundle<'_> {
    /// Reads a Bundle. In a transaction, created resources get their ids here and the references
    /// to them are resolved, so that each entry is decided on what will be written.
    pub fn read(&self, bundle: Value) -> Result<BundleRequest, Issue> {
        let Value::Object(mut bundle) = bundle else {
            return Err(Issue::error("structure", "the body is not a Bundle: send one resource"));
        };
        if bundle.get("resourceType").and_then(Value::as_str) != Some("Bundle") {
            return Err(Issue::error("invalid", "only a Bundle can be posted to the base"));
        }
        let kind = match bundle.get("type").and_then(Value::as_str) {
            Some("batch") => BundleKind::Batch,
            Some("transaction") => BundleKind::Transaction,
            _ => {
                let text = "the Bundle's `type` is neither `batch` nor `transaction`";
                return Err(Issue::error("value", text).at("Bundle.type"));
            }
        };
        let mut entries = match bundle.remove("entry") {
            None => Vec::new(),
            Some(Value::Array(entries)) => entries,
            Some(_) => {
                return Err(Issue::error("structure", "not an array").at("Bundle.entry"));
            }
        };
        if entries.len() > limits::BUNDLE_ENTRIES_MAX {
            let text = format!("more than {} entries", limits::BUNDLE_ENTRIES_MAX);
            return Err(Issue::error("too-costly", text).at("Bundle.entry"));
        }
        let open = match kind {
            BundleKind::Transaction => references::assign_and_resolve(&mut entries, self.new_id)?,
            BundleKind::Batch => Open::default(),
        };
        let entries = entries.into_iter().enumerate();
        let mut entries: Vec<_> =
            entries.map(|(index, entry)| self.entry(kind, index, entry)).collect();
        let search =
            ParseSearch { base_url: self.base_url, now: self.now, handling: Handling::Strict };
        let sought = sought(open, &mut entries, search)?;
        Ok(BundleRequest { kind, entries, sought })
    }

    fn entry(
        &self,
        kind: BundleKind,
        index: usize,
        entry: Value,
    ) -> Result<BundleEntry, EntryDefect> {
        let malformed = |text: &str, at: &str| {
            let at = format!("Bundle.entry[{index}]{at}");
            EntryDefect::Malformed(Issue::error("invalid", text).at(at))
        };
        let Value::Object(mut entry) = entry else {
            return Err(malformed("not an object", ""));
        };
        let resource = entry.remove("resource");
        let Some(Value::Object(request)) = entry.get("request") else {
            return Err(malformed("`request` is missing: what is asked for?", ".request"));
        };
        let text = |name: &str| request.get(name).and_then(Value::as_str);
        let method = text("method").filter(|m| matches!(*m, "GET" | "POST" | "PUT" | "DELETE"));
        let method = method
            .ok_or_else(|| malformed("not one of `GET POST PUT DELETE`", ".request.method"))?;
        let url = text("url").ok_or_else(|| malformed("missing", ".request.url"))?;
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        // An assigned id is part of the resource only now; a client's own would be dropped.
        let assigned = assigned_id(kind, method, resource.as_ref());
        let request = RestRequest {
            method,
            path: below_base(path),
            query,
            body: resource.map_or(Body::Empty, Body::Json),
            if_match: text("ifMatch"),
            if_none_exist: text("ifNoneExist").filter(|_| method != "GET"),
            unserved_condition: unserved_condition(method, request),
            handling: self.handling,
        };
        let mut routed = request.route(self.base_url, self.now).map_err(EntryDefect::NotServed)?;
        if let (
            Some(id),
            Interaction::Create(resource) | Interaction::ConditionalCreate(_, resource),
        ) = (assigned, &mut routed.interaction)
        {
            resource.content.insert("id".to_owned(), id);
        }
        let query = url.split_once('?').map(|(_, query)| query.to_owned());
        Ok(BundleEntry { routed, query })
    }
}

fn assigned_id(kind: BundleKind, method: &str, resource: Option<&Value>) -> Option<Value> {
    let assigns = kind == BundleKind::Transaction && method == "POST";
    resource.filter(|_| assigns)?.get("id").cloned()
}

/// An entry's URL is relative to the base; a leading `/` and the base's own path are accepted.
fn below_base(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_prefix("fhir/").unwrap_or(path)
}

fn unserved_condition(method: &str, request: &Map<String, Value>) -> Option<&'static str> {
    let sent = |name: &str| request.get(name).is_some_and(|value| !value.is_null());
    // One that is no text is no condition that could be read.
    if method != "GET"
        && request.get("ifNoneExist").is_some_and(|it| !it.is_null() && !it.is_string())
    {
        return Some("ifNoneExist");
    }
    ["ifNoneMatch", "ifModifiedSince"].into_iter().find(|name| method != "GET" && sent(name))
}

/// The transaction that an array of our own resources stands for (`PUT /`): those with an `id`
/// are replaced or created under it, the others created.
pub fn bundle_of_array(items: Vec<Value>) -> Result<Value, Issue> {
    let entry = |(index, item): (usize, Value)| {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        let own = text("resourceType").and_then(ResourceType::parse).filter(|t| t.is_own());
        let of = own.ok_or_else(|| {
            let text = "`resourceType` is not one of this server's own types";
            Issue::error("value", text).at(format!("[{index}].resourceType"))
        })?;
        let request = match text("id") {
            Some(id) => json!({"method": "PUT", "url": format!("{of}/{id}")}),
            None => json!({"method": "POST", "url": of.name()}),
        };
        Ok(json!({"resource": item, "request": request}))
    };
    let entries: Result<Vec<Value>, Issue> = items.into_iter().enumerate().map(entry).collect();
    Ok(json!({"resourceType": "Bundle", "type": "transaction", "entry": entries?}))
}
