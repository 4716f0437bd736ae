//! Policies in shadow mode: they grant nothing, and it is told what they would change.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use firewarden_fhir::{Id, Interaction, ResourceType};
use serde_json::{Map, Value};

use crate::document::RequestDocument;
use crate::grant::barred;
use crate::limits::POLICIES_PER_DECISION_MAX;
use crate::policy::Policy;
use crate::rule::{Rule, rule};
use crate::scopes::{self, Limit};
use crate::{Asker, PolicySet, Verdict};

/// A policy in shadow mode.
#[derive(Debug)]
pub struct Shadow {
    id: Id,
    policy: Policy,
    replaces: Vec<String>,
    contents: u64,
}

/// What a policy in shadow mode would change of a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShadowEffect {
    /// The request was refused, and it would be allowed.
    Allows,
    /// The request was allowed by nothing but what the policy replaces, and it would be refused.
    Refuses,
}

impl Shadow {
    pub(crate) fn new(
        id: Id,
        policy: Policy,
        replaces: Vec<String>,
        content: &Map<String, Value>,
    ) -> Self {
        let mut hasher = DefaultHasher::new();
        for (name, value) in content.iter().filter(|(name, _)| *name != "meta") {
            name.hash(&mut hasher);
            value.to_string().hash(&mut hasher);
        }
        Self { id, policy, replaces, contents: hasher.finish() }
    }

    /// The policy's id.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The ids of the policies that it would take the place of.
    pub fn replaces(&self) -> &[String] {
        &self.replaces
    }

    /// A number that changes with what the policy says.
    pub fn contents(&self) -> u64 {
        self.contents
    }

    /// Whether it would take the place of all of these policies, and there is one.
    fn replaces_all(&self, granted_by: &[String]) -> bool {
        !granted_by.is_empty() && granted_by.iter().all(|id| self.replaces.contains(id))
    }

    /// Whether its rule would grant the request. Its keys are in the document.
    async fn grants(&self, asked: &Asked<'_>) -> bool {
        asked.is_granted_by(&self.policy).await
    }
}

impl PolicySet {
    /// The policies in shadow mode.
    pub fn shadows(&self) -> &[Shadow] {
        &self.shadows
    }

    /// Whether one of them might refuse what these policies granted.
    pub fn shadow_may_refuse(&self, granted_by: &[String]) -> bool {
        self.shadows.iter().any(|shadow| shadow.replaces_all(granted_by))
    }
}

/// What the policies in shadow mode would change of a decision, each for itself. `granted_by` are
/// the policies that allowed the request; none, for one that no policy allowed.
pub async fn shadow_effects<'p>(
    policies: &'p PolicySet,
    asker: &Asker,
    interaction: &Interaction,
    granted_by: &[String],
) -> Vec<(&'p Shadow, ShadowEffect)> {
    let guarded = match rule(interaction) {
        Rule::Policies => None,
        Rule::PoliciesThatReach(of) => Some(of),
        Rule::Nobody | Rule::EveryAuthenticatedCaller | Rule::Administrators => return Vec::new(),
    };
    if scopes::limit(asker, interaction) == Limit::NotCovered {
        return Vec::new();
    }
    let asked = Asked { asker, interaction, guarded };
    let mut effects = Vec::new();
    for shadow in policies.shadows() {
        let would_allow = granted_by.is_empty();
        if !would_allow && !shadow.replaces_all(granted_by) {
            continue;
        }
        match (would_allow, shadow.grants(&asked).await) {
            (true, true) => effects.push((shadow, ShadowEffect::Allows)),
            (false, false) if !asked.is_granted_without(policies, &shadow.replaces).await => {
                effects.push((shadow, ShadowEffect::Refuses));
            }
            (true | false, false) | (false, true) => {}
        }
    }
    effects
}

/// A request that was decided.
struct Asked<'a> {
    asker: &'a Asker,
    interaction: &'a Interaction,
    guarded: Option<ResourceType>,
}

impl Asked<'_> {
    async fn is_granted_by(&self, policy: &Policy) -> bool {
        let Asker { caller, now, database, .. } = self.asker;
        let concerns = policy.applies(caller, self.interaction.operation_id(), *now)
            && barred(policy, self.asker, self.interaction, self.guarded).is_none();
        if !concerns {
            return false;
        }
        let keys = policy.keys(self.interaction.resource_type());
        let document = RequestDocument::lazy(self.interaction, self.asker, keys);
        policy.verdict(&document, database.as_ref()).await == Verdict::Satisfied
    }

    /// Whether a policy that stays grants it.
    async fn is_granted_without(&self, policies: &PolicySet, replaced: &[String]) -> bool {
        let Asker { caller, now, .. } = self.asker;
        let candidates = policies.candidates(caller, self.interaction, *now);
        let stay =
            candidates.into_iter().filter(|(id, _)| !replaced.iter().any(|r| r == id.as_str()));
        for (_, policy) in stay.take(POLICIES_PER_DECISION_MAX) {
            if self.is_granted_by(policy).await {
                return true;
            }
        }
        false
    }
}
