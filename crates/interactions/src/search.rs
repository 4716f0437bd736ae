//! `search`: the resources of a type that match (<https://hl7.org/fhir/R4/http.html#search>).

use firewarden_access::PermittedRows;
use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{SearchForm, Target, operation_outcome};

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
    let base = ports.base_of(query.resource_type);
    let applied = std::mem::take(&mut query.applied);
    let page_url = PageUrl { url, applied: &applied, caller: ports.caller };
    if let Some(sent) = query.cursor.take() {
        query.cursor = Some(page_url.open(ports.server_key, &sent)?);
    }
    let ignored = std::mem::take(&mut query.ignored);
    let page = ports.store.search(rows.search(query).await?).await?;
    let size = page.matches.iter().map(|stored| stored.body.len() + 160).sum();
    let mut bundle = BundleText::new("searchset", page.total, size);
    bundle.links(&page_url.links(ports.server_key, page.next.as_deref()));
    for stored in &page.matches {
        let full_url = format!("{base}/{}", stored.target);
        bundle.entry(Some(&full_url), Some(&stored.body), r#","search":{"mode":"match"}"#);
    }
    if !ignored.is_empty() {
        let outcome = operation_outcome(&ignored).to_string();
        bundle.entry(None, Some(&outcome), r#","search":{"mode":"outcome"}"#);
    }
    Ok(Outcome::Made(bundle.finish()))
}
