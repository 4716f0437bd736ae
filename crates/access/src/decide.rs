//! The decision: the one place that grants anything.

use std::sync::Arc;

use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Interaction, ResourceType, SearchForm, Timestamp};
use serde_json::Value;

use crate::limits::{CONSIDERED_MAX, POLICIES_PER_DECISION_MAX};
use crate::{Caller, Permitted, PolicySet, RequestFacts, RowFilter, Verdict};

/// One policy that was considered, for logs and explanations; never for the client.
#[derive(Clone, Debug)]
pub struct Considered {
    /// The policy's id.
    pub policy: String,
    /// What it said.
    pub verdict: Verdict,
    /// Why: the first failing path with what was expected and what was there. `null` unless an
    /// explanation was asked for.
    pub trace: Value,
}

/// A refusal, with its reasons. They are for logs and administrators.
#[derive(Debug)]
pub struct Denial {
    /// Whether the caller gave no credential.
    pub anonymous: bool,
    /// What was considered, up to [`CONSIDERED_MAX`].
    pub considered: Vec<Considered>,
}

/// Who asks, when and how: what a permit keeps to decide on other types.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    pub(crate) caller: Arc<Caller>,
    pub(crate) facts: Arc<RequestFacts>,
    pub(crate) now: Timestamp,
}

/// What is decided.
pub(crate) struct Request<'a> {
    pub(crate) asker: &'a Asker,
    pub(crate) interaction: &'a Interaction,
}

/// What rules an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    /// The policies that apply.
    Policies,
    /// Of those, the ones that reach this type on purpose: an `allow` that links the caller's own
    /// User or Client, and a policy that names the type.
    PoliciesThatReach(ResourceType),
    /// Nobody may.
    Nobody,
    /// Every caller with a valid credential may.
    EveryAuthenticatedCaller,
    /// Callers whose own User or Client an `allow` policy links.
    Administrators,
}

fn rule(interaction: &Interaction) -> Rule {
    match interaction {
        Interaction::UserInfo => Rule::EveryAuthenticatedCaller,
        Interaction::TestPolicy(_) | Interaction::HealthDetails => Rule::Administrators,
        Interaction::HistorySystem(_) => Rule::Policies,
        Interaction::Create(_) | Interaction::Update(..) | Interaction::Delete(..) => {
            match interaction.resource_type() {
                // The record of what happened is the server's alone to write.
                Some(of) if of.name() == "AuditEvent" => Rule::Nobody,
                of => rule_of_type(of),
            }
        }
        Interaction::Read(_)
        | Interaction::Vread(..)
        | Interaction::Search(..)
        | Interaction::HistoryInstance(..)
        | Interaction::HistoryType(..) => rule_of_type(interaction.resource_type()),
    }
}

fn rule_of_type(of: Option<ResourceType>) -> Rule {
    match of {
        Some(of) if of.is_own() || of.name() == "AuditEvent" => Rule::PoliciesThatReach(of),
        Some(_) => Rule::Policies,
        None => Rule::Nobody,
    }
}

/// Decides one interaction at a time. Denied unless a policy's verdict is `Satisfied`, but for
/// the interactions that [`Rule`]s of their own govern.
pub fn decide(
    policies: &Arc<PolicySet>,
    caller: &Arc<Caller>,
    interaction: Interaction,
    facts: &Arc<RequestFacts>,
    now: Timestamp,
) -> Result<Permitted, Denial> {
    let asker = Asker { caller: Arc::clone(caller), facts: Arc::clone(facts), now };
    match granted_by(policies, &Request { asker: &asker, interaction: &interaction }) {
        Ok(granted_by) => {
            Ok(Permitted::of_policies(interaction, Arc::clone(policies), asker, granted_by))
        }
        Err(considered) => Err(Denial { anonymous: caller.is_anonymous(), considered }),
    }
}

/// The rows of a type that the asker would be granted for a plain search of it.
pub(crate) fn implied_rows(policies: &PolicySet, asker: &Asker, of: ResourceType) -> RowFilter {
    let facts = RequestFacts { query_string: None, ..RequestFacts::clone(&asker.facts) };
    let asker = Asker { facts: Arc::new(facts), ..asker.clone() };
    let interaction = Interaction::Search(SearchQuery::all(of), SearchForm::Get);
    match granted_by(policies, &Request { asker: &asker, interaction: &interaction }) {
        Ok(_) => RowFilter::everything(),
        Err(_) => RowFilter::nothing(),
    }
}

/// The policies that grant the request, or those that were considered in vain.
fn granted_by(policies: &PolicySet, request: &Request<'_>) -> Result<Vec<String>, Vec<Considered>> {
    let Asker { caller, now, .. } = request.asker;
    match rule(request.interaction) {
        Rule::Policies => evaluate(policies, request, None),
        Rule::PoliciesThatReach(of) => evaluate(policies, request, Some(of)),
        Rule::Nobody => Err(Vec::new()),
        Rule::EveryAuthenticatedCaller if caller.is_anonymous() => Err(Vec::new()),
        Rule::EveryAuthenticatedCaller => Ok(Vec::new()),
        Rule::Administrators => match policies.administering(caller, *now) {
            Some(policy) => Ok(vec![policy.id.to_string()]),
            None => Err(Vec::new()),
        },
    }
}

/// Evaluates the policies that apply until one grants: a grant is for every row of the type, so
/// that further ones would add nothing.
fn evaluate(
    policies: &PolicySet,
    request: &Request<'_>,
    guarded: Option<ResourceType>,
) -> Result<Vec<String>, Vec<Considered>> {
    let Asker { caller, now, .. } = request.asker;
    let mut considered = Vec::new();
    let applying = policies.applying(caller, request.interaction.operation_id(), *now);
    for policy in applying.take(POLICIES_PER_DECISION_MAX) {
        if guarded.is_some_and(|of| !policy.reaches(of, caller, *now)) {
            continue;
        }
        let verdict = policy.verdict(request);
        if verdict == Verdict::Satisfied {
            return Ok(vec![policy.id.to_string()]);
        }
        if considered.len() < CONSIDERED_MAX {
            let policy = policy.id.to_string();
            considered.push(Considered { policy, verdict, trace: Value::Null });
        }
    }
    Err(considered)
}
