//! The decision: the one place that grants anything.

use std::sync::Arc;

use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Id, Interaction, ResourceType, SearchForm, Timestamp};

use crate::document::{Keys, RequestDocument};
use crate::limits::{CONSIDERED_MAX, POLICIES_PER_DECISION_MAX};
use crate::policy::Policy;
use crate::{Caller, Permitted, PolicyDatabase, PolicySet, RequestFacts, RowFilter, Verdict};

/// One policy that was considered, for logs; never for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Considered {
    /// The policy's id.
    pub policy: String,
    /// What it said. A policy that cannot be compiled always fails.
    pub verdict: Verdict,
}

impl Considered {
    fn new(policy: &Id, verdict: Verdict) -> Self {
        Self { policy: policy.to_string(), verdict }
    }
}

/// A refusal, with its reasons. They are for logs and administrators.
#[derive(Debug)]
pub struct Denial {
    /// Whether the caller gave no credential.
    pub anonymous: bool,
    /// What was considered, up to [`CONSIDERED_MAX`].
    pub considered: Vec<Considered>,
    /// What was refused.
    pub interaction: Box<Interaction>,
}

/// Who asks, when and how. A permit keeps it, to decide on other types.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who.
    pub caller: Arc<Caller>,
    /// How.
    pub facts: Arc<RequestFacts>,
    /// What the rules of `sql` policies ask.
    pub database: Arc<dyn PolicyDatabase>,
    /// When.
    pub now: Timestamp,
}

/// What rules an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
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

pub(crate) fn rule(interaction: &Interaction) -> Rule {
    match interaction {
        Interaction::UserInfo => Rule::EveryAuthenticatedCaller,
        Interaction::TestPolicy(_)
        | Interaction::TestToken(_)
        | Interaction::Explain(_)
        | Interaction::HealthDetails => Rule::Administrators,
        Interaction::HistorySystem(_) | Interaction::Metrics => Rule::Policies,
        Interaction::Create(_) | Interaction::Update(..) => match interaction.resource_type() {
            // The record of what happened, and what a token stands for, are the server's alone to
            // write.
            Some(of) if matches!(of.name(), "AuditEvent" | "Session") => Rule::Nobody,
            of => rule_of_type(of),
        },
        Interaction::Delete(..) => match interaction.resource_type() {
            Some(of) if of.name() == "AuditEvent" => Rule::Nobody,
            of => rule_of_type(of),
        },
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

/// Decides one interaction. It is denied unless a policy that applies is satisfied; a few
/// interactions have a rule of their own, which no policy changes.
pub async fn decide(
    policies: &Arc<PolicySet>,
    asker: Asker,
    interaction: Interaction,
) -> Result<Permitted, Denial> {
    match granted_by(policies, &asker, &interaction).await {
        Ok(granted_by) => {
            Ok(Permitted::of_policies(interaction, Arc::clone(policies), asker, granted_by))
        }
        Err(considered) => {
            let anonymous = asker.caller.is_anonymous();
            Err(Denial { anonymous, considered, interaction: Box::new(interaction) })
        }
    }
}

/// The rows of a type that the asker would be granted for a plain search of it; `None` when it
/// would be denied.
pub(crate) async fn implied_rows(
    policies: &PolicySet,
    asker: &Asker,
    of: ResourceType,
) -> Option<RowFilter> {
    let facts = RequestFacts { query_string: None, ..RequestFacts::clone(&asker.facts) };
    let asker = Asker { facts: Arc::new(facts), ..asker.clone() };
    let interaction = Interaction::Search(SearchQuery::all(of), SearchForm::Get);
    granted_by(policies, &asker, &interaction).await.ok().map(|_| RowFilter::everything())
}

/// The policies that grant the request, or those that were considered in vain.
async fn granted_by(
    policies: &PolicySet,
    asker: &Asker,
    interaction: &Interaction,
) -> Result<Vec<String>, Vec<Considered>> {
    let Asker { caller, now, .. } = asker;
    match rule(interaction) {
        Rule::Policies => evaluate(policies, asker, interaction, None).await,
        Rule::PoliciesThatReach(of) => evaluate(policies, asker, interaction, Some(of)).await,
        Rule::Nobody => Err(Vec::new()),
        Rule::EveryAuthenticatedCaller if caller.is_anonymous() => Err(Vec::new()),
        Rule::EveryAuthenticatedCaller => Ok(Vec::new()),
        Rule::Administrators => match policies.administering(caller, *now) {
            Some(policy) => Ok(vec![policy.to_string()]),
            None => Err(Vec::new()),
        },
    }
}

/// Evaluates the policies that apply until one grants: a grant is for every row of the type, so
/// that further ones would add nothing.
async fn evaluate(
    policies: &PolicySet,
    asker: &Asker,
    interaction: &Interaction,
    guarded: Option<ResourceType>,
) -> Result<Vec<String>, Vec<Considered>> {
    let Asker { caller, now, .. } = asker;
    let applying: Vec<&(Id, Policy)> = policies
        .applying(caller, interaction.operation_id(), *now)
        .take(POLICIES_PER_DECISION_MAX)
        .filter(|(_, policy)| guarded.is_none_or(|of| policy.reaches(of, caller, *now)))
        .collect();
    let keys = applying.iter().map(|(_, policy)| policy.engine.keys());
    let keys = keys.fold(Keys::NONE, Keys::with);
    let document = RequestDocument::lazy(interaction, asker, keys);
    let mut considered = Vec::new();
    for (id, policy) in applying {
        let verdict = policy.verdict(&document, asker.database.as_ref()).await;
        if verdict == Verdict::Satisfied {
            return Ok(vec![id.to_string()]);
        }
        if considered.len() < CONSIDERED_MAX {
            considered.push(Considered::new(id, verdict));
        }
    }
    let broken = policies.broken().into_iter().take(CONSIDERED_MAX - considered.len());
    considered.extend(broken.map(|(id, _)| Considered::new(id, Verdict::Failed)));
    Err(considered)
}
