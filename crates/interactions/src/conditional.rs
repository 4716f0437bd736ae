//! Conditional create, update and delete: of what a search finds in the transaction of the write
//! (<https://hl7.org/fhir/R4/http.html#ccreate>).

use firewarden_access::PermittedRows;
use firewarden_fhir::{Id, IfMatch, Issue, Resource, Target, WriteCondition};
use firewarden_store::{Change, Matching, Write};

use crate::write::{Prepared, Saving, apply_one, prepare_save};
use crate::{Failure, Outcome, Ports};

/// `POST` where nothing meets the condition.
pub(crate) async fn create(
    ports: Ports<'_>,
    condition: WriteCondition,
    resource: Resource,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let prepared = prepare_create(ports, condition, resource, rows).await?;
    apply_one(ports, rows.policy_version(), prepared).await
}

/// `PUT` of what meets the condition; created where nothing does.
pub(crate) async fn update(
    ports: Ports<'_>,
    condition: WriteCondition,
    resource: Resource,
    if_match: IfMatch,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let prepared = prepare_update(ports, condition, resource, if_match, rows).await?;
    apply_one(ports, rows.policy_version(), prepared).await
}

/// `DELETE` of what meets the condition.
pub(crate) async fn delete(
    ports: Ports<'_>,
    condition: WriteCondition,
    rows: &PermittedRows,
) -> Result<Outcome, Failure> {
    let prepared = prepare_delete(ports, condition, rows).await?;
    apply_one(ports, rows.policy_version(), prepared).await
}

/// The write of a conditional create.
pub(crate) async fn prepare_create(
    ports: Ports<'_>,
    condition: WriteCondition,
    resource: Resource,
    rows: &PermittedRows,
) -> Result<Prepared, Failure> {
    let id = resource.id();
    prepare(ports, condition, (id, resource), Saving::New, rows).await
}

/// The write of a conditional update.
pub(crate) async fn prepare_update(
    ports: Ports<'_>,
    condition: WriteCondition,
    resource: Resource,
    if_match: IfMatch,
    rows: &PermittedRows,
) -> Result<Prepared, Failure> {
    // Where it leads to another resource, the write is refused or goes there.
    let id = condition.expected.as_ref().map(|expected| expected.id.clone());
    prepare(ports, condition, (id, resource), Saving::Replacing(if_match), rows).await
}

/// The write of a conditional delete.
pub(crate) async fn prepare_delete(
    ports: Ports<'_>,
    condition: WriteCondition,
    rows: &PermittedRows,
) -> Result<Prepared, Failure> {
    let of = condition.query.resource_type;
    let matching = Some(matching(condition, rows).await?);
    // Nothing is ever created under it.
    let target = Target::new(of, (ports.new_id)());
    let change = Change::Delete { if_match: IfMatch::Any };
    let write = Write { target, matching, rows: rows.of(of).await, change };
    Ok(Prepared { write, warnings: Vec::new() })
}

async fn prepare(
    ports: Ports<'_>,
    condition: WriteCondition,
    (id, resource): (Option<Id>, Resource),
    saving: Saving,
    rows: &PermittedRows,
) -> Result<Prepared, Failure> {
    let of = resource.resource_type;
    if of.is_own() {
        let text = format!("a write of `{of}` by criteria is not served");
        return Err(Failure::BadRequest(Issue::error("not-supported", text)));
    }
    let matching = matching(condition, rows).await?;
    let target = Target::new(of, id.unwrap_or_else(ports.new_id));
    let mut prepared = prepare_save(ports, target, resource, rows.of(of).await, saving).await?;
    prepared.write.matching = Some(matching);
    Ok(prepared)
}

/// What is looked for, in the rows that the caller may search. Who may not search the type at all
/// may not write by criteria: it would tell what is there.
async fn matching(condition: WriteCondition, rows: &PermittedRows) -> Result<Matching, Failure> {
    let WriteCondition { query, matches_max, expected, id_sent } = condition;
    let search = rows.search_reached(query).await.ok_or(Failure::Forbidden)?;
    let matches_max = usize::try_from(matches_max).unwrap_or(usize::MAX);
    Ok(Matching { search, matches_max, expected, id_sent })
}
