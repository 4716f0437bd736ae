//! What create, update and delete share: a resource made ready, and the write it becomes.

use firewarden_access::RowFilter;
use firewarden_fhir::{IfMatch, Issue, Resource, Target};
use firewarden_store::{Change, Write, WriteRequest, Written};

use crate::{Failure, Outcome, Ports, Saved, own_type};

/// A write that passed its checks.
pub(crate) struct Prepared {
    pub(crate) write: Write,
    pub(crate) warnings: Vec<Issue>,
}

/// How a resource is written.
pub(crate) enum Saving {
    /// `create`.
    New,
    /// `update`, on a condition.
    Replacing(IfMatch),
}

/// Checks a resource and makes it ready to be written at its target.
pub(crate) async fn prepare_save(
    ports: Ports<'_>,
    target: Target,
    resource: Resource,
    rows: RowFilter,
    saving: Saving,
) -> Result<Prepared, Failure> {
    let resource_type = target.resource_type;
    let (content, secrets, warnings) = if resource_type.is_own() {
        let checked = own_type::check(ports, &target, resource.content, &rows).await?;
        (checked.content, checked.secrets, checked.warnings)
    } else {
        check_of_fhir(&resource)?;
        (resource.content, Vec::new(), Vec::new())
    };
    let resource = Resource { resource_type, content };
    let change = match saving {
        Saving::New => Change::Create { resource, secrets },
        Saving::Replacing(if_match) => Change::Put { resource, if_match, secrets },
    };
    Ok(Prepared { write: Write { target, matching: None, rows, change }, warnings })
}

/// Checks a resource of FHIR's own types.
pub(crate) fn check_of_fhir(resource: &Resource) -> Result<(), Failure> {
    let issues = firewarden_fhir::validate(resource.resource_type, &resource.content);
    if issues.is_empty() { Ok(()) } else { Err(Failure::Invalid(issues)) }
}

pub(crate) fn prepare_delete(target: Target, rows: RowFilter, if_match: IfMatch) -> Prepared {
    let write = Write { target, matching: None, rows, change: Change::Delete { if_match } };
    Prepared { write, warnings: Vec::new() }
}

/// Applies prepared writes, all or none.
pub(crate) async fn apply(
    ports: Ports<'_>,
    policy_version: Option<u64>,
    prepared: Vec<Prepared>,
) -> Result<Vec<Outcome>, Failure> {
    let (writes, mut warnings): (Vec<_>, Vec<_>) =
        prepared.into_iter().map(|p| (p.write, p.warnings)).unzip();
    check_together(ports, &writes, &mut warnings).await?;
    let request = WriteRequest { policy_version, now: ports.now, writes };
    let written = ports.store.write(request).await?;
    Ok(written
        .into_iter()
        .zip(warnings)
        .map(|(written, warnings)| outcome(written, warnings))
        .collect())
}

/// Applies one write.
pub(crate) async fn apply_one(
    ports: Ports<'_>,
    policy_version: Option<u64>,
    prepared: Prepared,
) -> Result<Outcome, Failure> {
    let outcomes = apply(ports, policy_version, vec![prepared]).await?;
    outcomes.into_iter().next().ok_or_else(|| Failure::Unknown("no answer to a write".to_owned()))
}

/// Our own types are checked against each other and against what is stored. The stored ones are
/// those of the policy version that the write is applied on, or it is not applied.
async fn check_together(
    ports: Ports<'_>,
    writes: &[Write],
    warnings: &mut [Vec<Issue>],
) -> Result<(), Failure> {
    let of_ours = |write: &&Write| write.target.resource_type.is_own();
    let changes: Vec<_> = writes
        .iter()
        .filter(of_ours)
        .map(|write| match &write.change {
            Change::Create { resource, .. } | Change::Put { resource, .. } => {
                (&write.target, Some(&resource.content))
            }
            Change::Delete { .. } => (&write.target, None),
        })
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    match ports.own_types.check_together(&changes).await {
        Ok(more) => {
            let saved = writes.iter().position(|write| {
                write.target.resource_type.is_own()
                    && !matches!(write.change, Change::Delete { .. })
            });
            if let Some(first) = saved.and_then(|index| warnings.get_mut(index)) {
                first.extend(more);
            }
            Ok(())
        }
        Err(issues) => Err(Failure::Conflict(issues)),
    }
}

fn outcome(written: Written, warnings: Vec<Issue>) -> Outcome {
    match written {
        Written::Created(stored) => Outcome::Created(Saved { stored, warnings }),
        Written::Updated(stored) => Outcome::Updated(Saved { stored, warnings }),
        Written::Deleted(version) => Outcome::Deleted(Some(version)),
        Written::Found(stored) => Outcome::Existing(stored),
        Written::DeletedMatches(each) => Outcome::Deleted(each.last().map(|(_, v)| *v)),
        Written::NotThere => Outcome::Deleted(None),
    }
}
