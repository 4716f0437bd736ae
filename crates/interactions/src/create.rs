//! `create`: a new resource (<https://hl7.org/fhir/R4/http.html#create>).

use firewarden_access::PermittedRows;
use firewarden_fhir::{Issue, Resource, Target};
use serde_json::Value;

use crate::write::{Prepared, Saving, apply_one, prepare_save};
use crate::{Failure, Outcome, Ports, own_type};

pub(crate) async fn create(
    ports: Ports<'_>,
    resource: Resource,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let prepared = prepare(ports, resource, rows).await?;
    apply_one(ports, rows.policy_version(), prepared).await
}

/// The write. The content's `id` counts: FHIR's own types only have one here when the server
/// assigned it, to an entry of a transaction.
pub(crate) async fn prepare(
    ports: Ports<'_>,
    resource: Resource,
    rows: &PermittedRows,
) -> Result<Prepared, Failure> {
    let resource_type = resource.resource_type;
    let id = match (resource.id(), resource.content.get("id")) {
        (Some(id), _) => id,
        (None, None | Some(Value::Null)) => (ports.new_id)(),
        (None, Some(_)) => {
            let text = "not an id: 1 to 64 of `A-Z a-z 0-9 - .`";
            let issue = Issue::error("value", text).at(format!("{resource_type}.id"));
            return Err(Failure::Invalid(vec![issue]));
        }
    };
    let target = Target::new(resource_type, id);
    let of_type = rows.of(resource_type).await;
    let prepared = prepare_save(ports, target, resource, of_type, Saving::New).await?;
    own_type::leaves_rights(ports, &prepared, rows).await?;
    Ok(prepared)
}
