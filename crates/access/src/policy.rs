//! One policy, compiled: to whom it applies, and what its rule says of a request.

mod link;
mod rows;
mod source;

use firewarden_fhir::{ResourceType, Timestamp};
use serde_json::Value;

pub(crate) use link::Link;
pub(crate) use rows::{GivenRows, PolicyRows, ReadAgainst};
pub(crate) use source::{Read, read};

use crate::document::{Keys, LazyDocument, RequestDocument};
use crate::engine::{Engine, Required};
use crate::{Caller, PolicyDatabase, Verdict};

/// One policy, compiled. Its rule is asked only for requests that it applies to.
#[derive(Debug)]
pub(crate) struct Policy {
    /// `None` for everybody; an empty list is nobody.
    pub(crate) links: Option<Vec<Link>>,
    pub(crate) role_name: Option<String>,
    pub(crate) period: Option<Period>,
    /// What is granted of each type; `None` for all of it.
    pub(crate) rows: Option<PolicyRows>,
    pub(crate) engine: Engine,
    /// What a request must be for its rule to hold.
    pub(crate) required: Required,
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
            && self.rows.is_none()
            && self.is_current(now)
            && self.is_for_roles_of(caller)
            && self.links.iter().flatten().any(|link| link.names_caller(caller))
    }

    /// Whether it may grant requests for one of the types that no policy reaches by accident.
    pub(crate) fn reaches(&self, guarded: ResourceType, caller: &Caller, now: Timestamp) -> bool {
        match &self.rows {
            Some(rows) => rows.lists(guarded),
            None => self.makes_administrator(caller, now) || self.engine.names(guarded),
        }
    }

    /// Whether who is granted a write of that own type by it keeps the type as an administrator
    /// does: an administrator, and those for whom `rows` say `*` for the type.
    pub(crate) fn makes_keeper(&self, of: ResourceType, caller: &Caller, now: Timestamp) -> bool {
        let Some(rows) = &self.rows else { return self.makes_administrator(caller, now) };
        let is_for_them = self.role_name.is_some()
            || self.links.iter().flatten().any(|link| link.names_caller(caller));
        rows.is_every(of) && is_for_them
    }

    /// Whether what it grants is limited to rows, of types among which that one is not.
    pub(crate) fn leaves_out(&self, of: ResourceType) -> bool {
        self.rows.as_ref().is_some_and(|rows| !rows.lists(of))
    }

    /// The keys of the document that it looks at to grant something of that type.
    pub(crate) fn keys(&self, of: Option<ResourceType>) -> Keys {
        let rows = self.rows.as_ref().zip(of).map(|(rows, of)| rows.keys(of));
        self.engine.keys().with(rows.unwrap_or(Keys::NONE))
    }

    /// The rows of a type that it grants where its rule holds.
    pub(crate) fn given(
        &self,
        of: ResourceType,
        document: &LazyDocument<'_>,
        against: ReadAgainst<'_>,
    ) -> GivenRows {
        let Some(rows) = &self.rows else { return GivenRows::Everything };
        match self.roles_seen(rows.keys(of)) {
            None => rows.of(of, document, against),
            Some(name) => rows.of(of, &document.with_roles_named(name), against),
        }
    }

    /// What its rule says.
    pub(crate) async fn verdict(
        &self,
        document: &LazyDocument<'_>,
        database: &dyn PolicyDatabase,
    ) -> Verdict {
        match self.roles_seen(self.engine.keys()) {
            None => self.engine.verdict(document, database).await,
            Some(name) => {
                let document = RequestDocument::lazy_with_roles_named(document, name);
                self.engine.verdict(&document, database).await
            }
        }
    }

    /// What its rule says, and why.
    pub(crate) async fn explain(
        &self,
        document: &RequestDocument,
        database: &dyn PolicyDatabase,
    ) -> (Verdict, Option<Value>) {
        match self.roles_seen(self.engine.keys()) {
            None => self.engine.explain(document, database).await,
            Some(name) => self.engine.explain(&document.with_roles_named(name), database).await,
        }
    }

    /// The name of the only roles that are to be seen by what looks at these keys; `None` where it
    /// may see the document as it stands.
    fn roles_seen(&self, keys: Keys) -> Option<&str> {
        self.role_name.as_deref().filter(|_| keys.has("role"))
    }

    fn is_current(&self, now: Timestamp) -> bool {
        let now_us = now.as_microsecond();
        self.period.is_none_or(|period| period.start_us <= now_us && now_us < period.end_us)
    }

    fn is_for_roles_of(&self, caller: &Caller) -> bool {
        self.role_name.as_deref().is_none_or(|name| caller.role_names().any(|held| held == name))
    }
}
