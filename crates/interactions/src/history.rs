//! `history` of a resource, a type or all types, the newest version first
//! (<https://hl7.org/fhir/R4/http.html#history>).

use firewarden_access::PermittedRows;
use firewarden_fhir::{HistoryPage, ResourceType, Target, instant_text};
use firewarden_store::{HistoryEntry, HistoryMethod, HistoryRead};

use crate::bundle_text::BundleText;
use crate::link::PageUrl;
use crate::{Failure, Outcome, Ports};

/// The history of one resource.
pub(crate) async fn of_instance(
    ports: Ports<'_>,
    target: Target,
    page: HistoryPage,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let url = format!("{}/{target}/_history", ports.base_of(target.resource_type));
    let rows = rows.of(target.resource_type).await;
    history(ports, HistoryRead::Instance(target, rows), page, url, Empty::IsAbsent).await
}

/// The history of one type.
pub(crate) async fn of_type(
    ports: Ports<'_>,
    of: ResourceType,
    page: HistoryPage,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let url = format!("{}/{of}/_history", ports.base_of(of));
    let read = HistoryRead::Types(vec![(of, rows.of(of).await)]);
    history(ports, read, page, url, Empty::IsEmpty).await
}

/// The history of every type: of each, the rows that the caller may search.
pub(crate) async fn of_system(
    ports: Ports<'_>,
    page: HistoryPage,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let url = format!("{}/fhir/_history", ports.public_url);
    let mut types = Vec::new();
    for of in ResourceType::all() {
        types.push((of, rows.of(of).await));
    }
    history(ports, HistoryRead::Types(types), page, url, Empty::IsEmpty).await
}

/// What a history without versions means.
#[derive(Clone, Copy, PartialEq)]
enum Empty {
    IsAbsent,
    IsEmpty,
}

async fn history(
    ports: Ports<'_>,
    of: HistoryRead,
    mut page: HistoryPage,
    url: String,
    empty: Empty,
) -> Result<Outcome, Failure> {
    let applied = std::mem::take(&mut page.applied);
    let page_url = PageUrl { url, applied: &applied, caller: ports.caller };
    let first_and_whole = page.cursor.is_none() && page.since.is_none() && page.count > 0;
    if let Some(sent) = page.cursor.take() {
        page.cursor = Some(page_url.open(ports.server_key, &sent)?);
    }
    let read = ports.store.history(of, &page).await?;
    if empty == Empty::IsAbsent && first_and_whole && read.entries.is_empty() {
        return Err(Failure::Absent);
    }
    let body_len = |entry: &HistoryEntry| entry.body.as_ref().map_or(0, |body| body.len());
    let size = read.entries.iter().map(|entry| body_len(entry) + 300).sum();
    let mut bundle = BundleText::new("history", read.total, size);
    bundle.links(&page_url.links(ports.server_key, read.next.as_deref())?);
    for entry in &read.entries {
        let full_url = format!("{}/{}", ports.base_of(entry.target.resource_type), entry.target);
        bundle.entry(Some(&full_url), entry.body.as_deref(), &request_and_response(entry));
    }
    Ok(Outcome::Made(bundle.finish()))
}

/// The members of an entry that tell how the version came about.
fn request_and_response(entry: &HistoryEntry) -> String {
    let (method, url, status) = match entry.method {
        HistoryMethod::Post => ("POST", entry.target.resource_type.to_string(), "201"),
        HistoryMethod::Put if entry.version.0 == 1 => ("PUT", entry.target.to_string(), "201"),
        HistoryMethod::Put => ("PUT", entry.target.to_string(), "200"),
        HistoryMethod::Delete => ("DELETE", entry.target.to_string(), "204"),
    };
    let (version, updated) = (entry.version, instant_text(entry.updated));
    format!(
        r#","request":{{"method":"{method}","url":"{url}"}},"response":{{"status":"{status}","etag":"W/\"{version}\"","lastModified":"{updated}"}}"#
    )
}
