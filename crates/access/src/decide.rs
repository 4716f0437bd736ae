//! The decision: the one place that grants anything.

use std::sync::Arc;

use firewarden_fhir::search::SearchQuery;
use firewarden_fhir::{Id, Interaction, ResourceType, SearchForm, Timestamp};

use crate::grant::{Refused, grant};
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
    pub(crate) fn new(policy: &Id, verdict: Verdict) -> Self {
        Self { policy: policy.to_string(), verdict }
    }
}

/// A refusal, with its reasons. They are for logs and administrators.
#[derive(Debug)]
pub struct Denial {
    /// Why.
    pub reason: DenialReason,
    /// Whether the caller gave no credential.
    pub anonymous: bool,
    /// What was considered, up to [`CONSIDERED_MAX`](crate::limits::CONSIDERED_MAX).
    pub considered: Vec<Considered>,
    /// What was refused.
    pub interaction: Box<Interaction>,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DenialReason {
    /// No policy grants it.
    NotGranted,
    /// The policies grant it, and the scopes of the token do not cover it.
    InsufficientScope,
    /// More policies, or more different rows, than one decision works through.
    TooManyPolicies,
}

impl DenialReason {
    /// Its name in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotGranted => "not-granted",
            Self::InsufficientScope => "insufficient-scope",
            Self::TooManyPolicies => "too-many-policies",
        }
    }
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

/// Decides one interaction. It is denied unless a policy that applies is satisfied; a few
/// interactions have a rule of their own, which no policy changes.
pub async fn decide(
    policies: &Arc<PolicySet>,
    asker: Asker,
    interaction: Interaction,
) -> Result<Permitted, Denial> {
    match grant(policies, &asker, &interaction).await {
        Ok(grant) => Ok(Permitted::of_policies(interaction, Arc::clone(policies), asker, grant)),
        Err(Refused { reason, considered }) => {
            let anonymous = asker.caller.is_anonymous();
            Err(Denial { reason, anonymous, considered, interaction: Box::new(interaction) })
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
    grant(policies, &asker, &interaction).await.ok().map(|grant| grant.rows)
}
