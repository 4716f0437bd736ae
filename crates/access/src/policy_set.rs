//! The compiled policies of one moment, found by whom and what they are for.

mod index;

use firewarden_fhir::{Id, Interaction, Issue, Timestamp};
use serde_json::{Map, Value};

use self::index::Index;
use crate::Caller;
use crate::document::route_type;
use crate::engine::{Asked, Engine};
use crate::policy::{self, Policy, Read};
use crate::shadow::Shadow;

/// One stored policy.
pub struct PolicySource {
    /// Its id.
    pub id: Id,
    /// Its content.
    pub content: Map<String, Value>,
}

/// The compiled policies of one moment. A policy that cannot be compiled is kept as one that
/// always fails, and grants nothing.
#[derive(Debug, Default)]
pub struct PolicySet {
    version: u64,
    // The cheap engine first, what grants every row before what does not, each by id: the order of
    // evaluation.
    policies: Vec<(Id, Policy)>,
    broken: Vec<(Id, Issue)>,
    // They grant nothing: no decision looks at them.
    pub(crate) shadows: Vec<Shadow>,
    index: Index,
}

impl PolicySet {
    /// Compiles the stored policies, as of that policy version.
    pub fn compile(version: u64, sources: Vec<PolicySource>) -> Self {
        let mut set = Self { version, ..Self::default() };
        for source in sources {
            match policy::read(&source.content) {
                Ok(Read { policy: Some(policy), shadow: Some(replaces), .. }) => {
                    set.shadows.push(Shadow::new(source.id, policy, replaces, &source.content));
                }
                Ok(read) => set.policies.extend(read.policy.map(|policy| (source.id, policy))),
                Err(issues) => set.broken.extend(issues.into_iter().next().map(|i| (source.id, i))),
            }
        }
        set.policies.sort_by(|a, b| {
            let order = |(_, policy): &(Id, Policy)| {
                let engine = &policy.engine;
                let is_allow = matches!(engine, Engine::Allow);
                (engine.asks_database(), !is_allow, policy.rows.is_some())
            };
            order(a).cmp(&order(b)).then_with(|| a.0.cmp(&b.0))
        });
        set.shadows.sort_by(|a, b| a.id().cmp(b.id()));
        set.broken.sort_by(|a, b| a.0.cmp(&b.0));
        set.index = Index::of(set.policies.iter().map(|(_, policy)| policy));
        set
    }

    /// The policy version it was read at.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many policies there are, those that cannot be compiled among them.
    pub fn count(&self) -> usize {
        self.policies.len() + self.shadows.len() + self.broken.len()
    }

    /// The ids of the policies that cannot be compiled, with the first reason: for health and
    /// alarms.
    pub fn broken(&self) -> Vec<(&Id, &Issue)> {
        self.broken.iter().map(|(id, issue)| (id, issue)).collect()
    }

    /// Whether an active `allow` policy links the caller's own User or Client.
    pub fn is_administrator(&self, caller: &Caller, now: Timestamp) -> bool {
        self.administering(caller, now).is_some()
    }

    /// The policy that makes the caller an administrator.
    pub(crate) fn administering(&self, caller: &Caller, now: Timestamp) -> Option<&Id> {
        self.index
            .linked_allows(caller)
            .filter_map(|index| self.policies.get(index))
            .find(|(_, policy)| policy.makes_administrator(caller, now))
            .map(|(id, _)| id)
    }

    /// The policies that apply, in the order of their evaluation, whether or not they can hold.
    /// It takes as long as there are policies: for explanations, not for decisions.
    pub(crate) fn applying<'a>(
        &'a self,
        caller: &'a Caller,
        operation: &'a str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a (Id, Policy)> {
        self.policies.iter().filter(move |(_, policy)| policy.applies(caller, operation, now))
    }

    /// Those of the policies that apply which may grant the interaction, in the order of their
    /// evaluation. It takes as long as there are such, not as there are policies.
    pub(crate) fn candidates(
        &self,
        caller: &Caller,
        interaction: &Interaction,
        now: Timestamp,
    ) -> Vec<&(Id, Policy)> {
        let (uri, operation) = (interaction.uri(), interaction.operation_id());
        let (method, of) = (interaction.method(), route_type(interaction));
        let asked = Asked { method, of, uri: &uri, operation };
        let found = self.index.find(caller, &asked, interaction.resource_type());
        let policies = found.into_iter().filter_map(|index| self.policies.get(index));
        policies
            .filter(|(_, policy)| {
                policy.applies(caller, operation, now) && policy.required.admits(&asked)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
