//! One policy, compiled: to whom it applies, and what its rule says of a request.

mod link;
mod source;

use firewarden_fhir::{ResourceType, Timestamp};
use serde_json::Value;

pub(crate) use link::Link;
pub(crate) use source::read;

use crate::document::{LazyDocument, RequestDocument};
use crate::engine::Engine;
use crate::{Caller, PolicyDatabase, Verdict};

/// One policy, compiled. Its rule is asked only for requests that it applies to.
#[derive(Debug)]
pub(crate) struct Policy {
    /// `None` for everybody; an empty list is nobody.
    pub(crate) links: Option<Vec<Link>>,
    pub(crate) role_name: Option<String>,
    pub(crate) period: Option<Period>,
    pub(crate) engine: Engine,
}

/// When a policy counts, in microseconds since 1970: from `start_us` and before `end_us`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Period {
    pub(crate) start_us: i64,
    pub(crate) end_us: i64,
}

impl Policy {
    /// Whether it is for this caller, operation and time at all.
    pub(crate) fn applies(&self, caller: &Caller, operation: &str, now: Timestamp) -> bool {
        self.is_current(now)
            && self.is_for_roles_of(caller)
            && self.links.as_ref().is_none_or(|links| {
                links.iter().any(|link| link.names_caller(caller) || link.is_operation(operation))
            })
    }

    /// Whether it makes the caller an administrator: an `allow` that links the own User or Client.
    pub(crate) fn makes_administrator(&self, caller: &Caller, now: Timestamp) -> bool {
        matches!(self.engine, Engine::Allow)
            && self.is_current(now)
            && self.is_for_roles_of(caller)
            && self.links.iter().flatten().any(|link| link.names_caller(caller))
    }

    /// Whether it may grant requests for one of the types that no policy reaches by accident.
    pub(crate) fn reaches(&self, guarded: ResourceType, caller: &Caller, now: Timestamp) -> bool {
        self.makes_administrator(caller, now) || self.engine.names(guarded)
    }

    /// What its rule says.
    pub(crate) async fn verdict(
        &self,
        document: &LazyDocument<'_>,
        database: &dyn PolicyDatabase,
    ) -> Verdict {
        self.engine.verdict(document, self.role_name.as_deref(), database).await
    }

    /// What its rule says, and why.
    pub(crate) async fn explain(
        &self,
        document: &RequestDocument,
        database: &dyn PolicyDatabase,
    ) -> (Verdict, Option<Value>) {
        self.engine.explain(document, self.role_name.as_deref(), database).await
    }

    fn is_current(&self, now: Timestamp) -> bool {
        let now_us = now.as_microsecond();
        self.period.is_none_or(|period| period.start_us <= now_us && now_us < period.end_us)
    }

    fn is_for_roles_of(&self, caller: &Caller) -> bool {
        self.role_name.as_deref().is_none_or(|name| caller.role_names().any(|held| held == name))
    }
}
