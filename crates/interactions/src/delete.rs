//! `delete`: a resource is no longer there; its history stays
//! (<https://hl7.org/fhir/R4/http.html#delete>).

use firewarden_access::PermittedRows;
use firewarden_fhir::{IfMatch, Target};

use crate::write::{apply_one, prepare_delete};
use crate::{Failure, Outcome, Ports};

pub(crate) async fn delete(
    ports: Ports<'_>,
    target: Target,
    if_match: IfMatch,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let of_type = rows.of(target.resource_type).await;
    apply_one(ports, rows.policy_version(), prepare_delete(target, of_type, if_match)).await
}
