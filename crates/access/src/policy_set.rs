//! The compiled policies of one moment, found by whom they are for.

use std::collections::HashMap;

use firewarden_fhir::{Id, Issue, Timestamp};
use serde_json::{Map, Value};

use crate::Caller;
use crate::engine::Engine;
use crate::policy::{self, Link, Policy};

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
    for_everybody: Vec<usize>,
    by_role_name: HashMap<String, Vec<usize>>,
    by_user: HashMap<String, Vec<usize>>,
    by_client: HashMap<String, Vec<usize>>,
    by_operation: HashMap<String, Vec<usize>>,
}

impl PolicySet {
    /// Compiles the stored policies, as of that policy version.
    pub fn compile(version: u64, sources: Vec<PolicySource>) -> Self {
        let mut set = Self { version, ..Self::default() };
        for source in sources {
            match policy::read(&source.content) {
                Ok(read) => set.policies.extend(read.policy.map(|policy| (source.id, policy))),
                Err(issues) => set.broken.extend(issues.into_iter().next().map(|i| (source.id, i))),
            }
        }
        set.policies.sort_by(|a, b| {
            let order = |(_, policy): &(Id, Policy)| {
                (!matches!(policy.engine, Engine::Allow), policy.rows.is_some())
            };
            order(a).cmp(&order(b)).then_with(|| a.0.cmp(&b.0))
        });
        set.broken.sort_by(|a, b| a.0.cmp(&b.0));
        set.index();
        set
    }

    /// The policy version it was read at.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// How many policies there are, those that cannot be compiled among them.
    pub fn count(&self) -> usize {
        self.policies.len() + self.broken.len()
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
        let by_user = caller.user_id().and_then(|id| self.by_user.get(id));
        let by_client = caller.client_id().and_then(|id| self.by_client.get(id));
        let linked = by_user.into_iter().chain(by_client).flatten();
        linked
            .filter_map(|&index| self.policies.get(index))
            .find(|(_, policy)| policy.makes_administrator(caller, now))
            .map(|(id, _)| id)
    }

    /// The policies that apply, in the order of their evaluation.
    pub(crate) fn applying<'a>(
        &'a self,
        caller: &'a Caller,
        operation: &'a str,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a (Id, Policy)> {
        let mut indices = self.for_everybody.clone();
        let named = caller
            .role_names()
            .map(|name| self.by_role_name.get(name))
            .chain([
                caller.user_id().and_then(|id| self.by_user.get(id)),
                caller.client_id().and_then(|id| self.by_client.get(id)),
                self.by_operation.get(operation),
            ])
            .flatten()
            .flatten();
        indices.extend(named);
        indices.sort_unstable();
        indices.dedup();
        indices
            .into_iter()
            .filter_map(|index| self.policies.get(index))
            .filter(move |(_, policy)| policy.applies(caller, operation, now))
    }

    fn index(&mut self) {
        for (index, (_, policy)) in self.policies.iter().enumerate() {
            let Some(links) = &policy.links else {
                match &policy.role_name {
                    Some(name) => self.by_role_name.entry(name.clone()).or_default().push(index),
                    None => self.for_everybody.push(index),
                }
                continue;
            };
            for link in links {
                let (by, id) = match link {
                    Link::User(id) => (&mut self.by_user, id),
                    Link::Client(id) => (&mut self.by_client, id),
                    Link::Operation(id) => (&mut self.by_operation, id),
                    Link::Unknown => continue,
                };
                by.entry(id.clone()).or_default().push(index);
            }
        }
    }
}
