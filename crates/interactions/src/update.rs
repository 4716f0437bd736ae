//! `update`: replaces a resource, or creates it under the URL's id
//! (<https://hl7.org/fhir/R4/http.html#update>).

use firewarden_access::PermittedRows;
use firewarden_fhir::{IfMatch, Issue, Resource, Target};

use crate::write::{Prepared, Saving, apply_one, prepare_save};
use crate::{Failure, Outcome, Ports, own_type};

pub(crate) async fn update(
    ports: Ports<'_>,
    target: Target,
    resource: Resource,
    if_match: IfMatch,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let prepared = prepare(ports, target, resource, if_match, rows).await?;
    apply_one(ports, rows.policy_version(), prepared).await
}

pub(crate) async fn prepare(
    ports: Ports<'_>,
    target: Target,
    resource: Resource,
    if_match: IfMatch,
    rows: &PermittedRows,
) -> Result<Prepared, Failure> {
    let sent = resource.content.get("id").and_then(|id| id.as_str());
    let other_id = sent.filter(|sent| *sent != target.id.as_str()).map(|sent| {
        let text = format!("the body's `id` is `{sent}`; the URL's, `{}`, was taken", target.id);
        Issue::warning("value", text).at(format!("{}.id", target.resource_type))
    });
    let of_type = rows.of(target.resource_type).await;
    let mut prepared =
        prepare_save(ports, target, resource, of_type, Saving::Replacing(if_match)).await?;
    own_type::leaves_rights(ports, &prepared, rows).await?;
    prepared.warnings.extend(other_id);
    Ok(prepared)
}
