//! `search`: the resources of a type that match (<https://hl7.org/fhir/R4/http.html#search>).

mod include;

use firewarden_access::PermittedRows;
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{SearchForm, Target, operation_outcome};
use firewarden_store::Stored;

use crate::bundle_text::BundleText;
use crate::link::PageUrl;
use crate::{Failure, Outcome, Ports};

pub(crate) async fn search(
    ports: Ports<'_>,
    query: SearchQuery,
    _form: SearchForm,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let url = format!("{}/{}", ports.base_of(query.resource_type), query.resource_type);
    page(ports, query, url, rows).await
}

/// A search in the compartment of a resource.
pub(crate) async fn in_compartment(
    ports: Ports<'_>,
    compartment: &Target,
    query: SearchQuery,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let base = ports.base_of(compartment.resource_type);
    let url = format!("{base}/{compartment}/{}", query.resource_type);
    page(ports, query, url, rows).await
}

async fn page(
    ports: Ports<'_>,
    mut query: SearchQuery,
    url: String,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let full_url = |stored: &Stored| {
        format!("{}/{}", ports.base_of(stored.target.resource_type), stored.target)
    };
    let applied = std::mem::take(&mut query.applied);
    let page_url = PageUrl { url, applied: &applied, caller: ports.caller };
    if let Some(sent) = query.cursor.take() {
        query.cursor = Some(page_url.open(ports.server_key, &sent)?);
    }
    let mut told = std::mem::take(&mut query.ignored);
    let includes = std::mem::take(&mut query.includes);
    let page = ports.store.search(rows.search(query).await?).await?;
    let included = include::included(ports, &includes, &page.matches, rows).await?;
    told.extend(included.cut);
    let all = page.matches.iter().chain(&included.resources);
    let size = all.map(|stored| stored.body.len() + 160).sum();
    let mut bundle = BundleText::new("searchset", page.total, size);
    bundle.links(&page_url.links(ports.server_key, page.next.as_deref())?);
    for stored in &page.matches {
        bundle.entry(Some(&full_url(stored)), Some(&stored.body), r#","search":{"mode":"match"}"#);
    }
    for stored in &included.resources {
        let mode = r#","search":{"mode":"include"}"#;
        bundle.entry(Some(&full_url(stored)), Some(&stored.body), mode);
    }
    if !told.is_empty() {
        let outcome = operation_outcome(&told).to_string();
        bundle.entry(None, Some(&outcome), r#","search":{"mode":"outcome"}"#);
    }
    Ok(Outcome::Made(bundle.finish()))
}
