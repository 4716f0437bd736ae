//! Performs a transaction: all of its entries, or none.

use std::collections::HashSet;

use firewarden_access::{Permitted, PermittedRows};
use firewarden_fhir::{Interaction, Issue, Target};

use crate::limits::BUNDLE_ANSWER_BYTES_MAX;
use crate::write::{Prepared, apply, prepare_delete};
use crate::{Failure, Outcome, Ports, conditional, create, perform, update};

/// Performs a transaction whose entries were all granted, in FHIR's order: deletions, creations,
/// updates, then reads, which see what was written. Outcomes are in the order of the entries. The
/// writes are done by the time of the reads, so that a read that fails fails alone: nobody must be
/// told that nothing was done.
pub async fn perform_transaction(
    ports: Ports<'_>,
    entries: Vec<Permitted>,
) -> Result<Vec<Result<Outcome, Failure>>, Failure> {
    let mut outcomes: Vec<Option<Result<Outcome, Failure>>> = Vec::new();
    outcomes.resize_with(entries.len(), || None);
    let mut writes = Vec::new();
    let mut reads = Vec::new();
    let mut policy_version = None;
    for (index, permitted) in entries.into_iter().enumerate() {
        if !is_write(permitted.interaction()) {
            reads.push((index, permitted));
            continue;
        }
        policy_version = permitted.policy_version().or(policy_version);
        let (interaction, rows) = permitted.into_parts();
        let prepared = prepare(ports, interaction, &rows).await;
        writes.push((index, prepared.map_err(|failure| in_entry(index, failure))?));
    }
    each_resource_once(&writes)?;
    writes.sort_by_key(|(index, prepared)| (order(prepared), *index));
    let (indexes, prepared): (Vec<usize>, Vec<Prepared>) = writes.into_iter().unzip();
    if !prepared.is_empty() {
        // A condition that leads elsewhere by now: what refers to it is made anew. One that leads
        // elsewhere than the client's own `id` does so again.
        let matching = prepared.iter().filter_map(|prepared| prepared.write.matching.as_ref());
        let is_final = matching.into_iter().any(|matching| matching.id_sent);
        let anew = |failure| {
            let moved = matches!(failure, Failure::OtherMatch) && !is_final;
            if moved { Failure::StaleDecision } else { failure }
        };
        let written = apply(ports, policy_version, prepared).await.map_err(anew)?;
        for (index, outcome) in indexes.into_iter().zip(written) {
            outcomes.get_mut(index).map(|place| place.insert(Ok(outcome)));
        }
    }
    let mut answered = 0;
    for (index, permitted) in reads {
        let outcome = match answered {
            ..BUNDLE_ANSWER_BYTES_MAX => perform(ports, permitted).await,
            _ => Err(Failure::AnswerTooLarge),
        };
        answered += outcome.as_ref().map_or(0, Outcome::body_bytes);
        outcomes.get_mut(index).map(|place| place.insert(outcome));
    }
    Ok(outcomes.into_iter().flatten().collect())
}

fn is_write(interaction: &Interaction) -> bool {
    matches!(
        interaction,
        Interaction::Create(_)
            | Interaction::ConditionalCreate(..)
            | Interaction::Update(..)
            | Interaction::ConditionalUpdate(..)
            | Interaction::Delete(..)
            | Interaction::ConditionalDelete(_)
    )
}

async fn prepare(
    ports: Ports<'_>,
    interaction: Interaction,
    rows: &PermittedRows,
) -> Result<Prepared, Failure> {
    match interaction {
        Interaction::Create(resource) => create::prepare(ports, resource, rows).await,
        Interaction::ConditionalCreate(condition, resource) => {
            conditional::prepare_create(ports, condition, resource, rows).await
        }
        Interaction::ConditionalUpdate(condition, resource, if_match) => {
            conditional::prepare_update(ports, condition, resource, if_match, rows).await
        }
        Interaction::ConditionalDelete(condition) => {
            conditional::prepare_delete(ports, condition, rows).await
        }
        Interaction::Update(target, resource, if_match) => {
            update::prepare(ports, target, resource, if_match, rows).await
        }
        Interaction::Delete(target, if_match) => {
            let of_type = rows.of(target.resource_type).await;
            Ok(prepare_delete(target, of_type, if_match))
        }
        Interaction::Read(_)
        | Interaction::Vread(..)
        | Interaction::Search(..)
        | Interaction::CompartmentSearch(..)
        | Interaction::HistoryInstance(..)
        | Interaction::HistoryType(..)
        | Interaction::HistorySystem(_)
        | Interaction::UserInfo
        | Interaction::TestPolicy(_)
        | Interaction::TestMatcho(_)
        | Interaction::TestToken(_)
        | Interaction::Explain(_)
        | Interaction::Jobs(_)
        | Interaction::HealthDetails
        | Interaction::Metrics => Err(Failure::BadRequest(Issue::error("invalid", "not a write"))),
    }
}

fn order(prepared: &Prepared) -> u8 {
    match prepared.write.change {
        firewarden_store::Change::Delete { .. } => 0,
        firewarden_store::Change::Create { .. } => 1,
        firewarden_store::Change::Put { .. } => 2,
    }
}

fn each_resource_once(writes: &[(usize, Prepared)]) -> Result<(), Failure> {
    let mut seen: HashSet<&Target> = HashSet::new();
    for (index, prepared) in writes {
        let condition = prepared.write.matching.as_ref();
        let expected = condition.and_then(|condition| condition.expected.as_ref());
        if !seen.insert(expected.unwrap_or(&prepared.write.target)) {
            let text = "another entry writes the same resource: a transaction may do it once";
            let issue = Issue::error("invalid", text).at(format!("Bundle.entry[{index}]"));
            return Err(Failure::BadRequest(issue));
        }
    }
    Ok(())
}

/// The failure with its places named from the Bundle on.
fn in_entry(index: usize, failure: Failure) -> Failure {
    let Failure::Invalid(issues) = failure else {
        return failure;
    };
    let renamed = issues.into_iter().map(|issue| {
        let inner = issue.expression.as_deref().unwrap_or_default();
        let rest = inner.find(['.', '[']).and_then(|at| inner.get(at..)).unwrap_or_default();
        let at = format!("Bundle.entry[{index}].resource{rest}");
        issue.at(at)
    });
    Failure::Invalid(renamed.collect())
}
