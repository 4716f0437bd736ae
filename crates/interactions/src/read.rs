//! `read`: the current version of a resource (<https://hl7.org/fhir/R4/http.html#read>).

use firewarden_access::RowFilter;
use firewarden_fhir::{Target, Version};
use firewarden_store::Read;

use crate::{Failure, Outcome, Ports};

pub(crate) async fn read(
    ports: Ports<'_>,
    target: &Target,
    rows: &RowFilter,
) -> Result<Outcome, Failure> {
    found(ports.store.read(target, rows).await?)
}

/// `vread`: one version of a resource (<https://hl7.org/fhir/R4/http.html#vread>).
pub(crate) async fn vread(
    ports: Ports<'_>,
    target: &Target,
    version: Version,
    rows: &RowFilter,
) -> Result<Outcome, Failure> {
    found(ports.store.vread(target, version, rows).await?)
}

fn found(read: Read) -> Result<Outcome, Failure> {
    match read {
        Read::Found(stored) => Ok(Outcome::Found(stored)),
        Read::Deleted(_) => Err(Failure::Gone),
        Read::Absent => Err(Failure::Absent),
    }
}
