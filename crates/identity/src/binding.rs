//! Which provider a stored `User` belongs to: one provider can never name another's user.

use firewarden_fhir::Id;
use serde_json::{Map, Value};

use crate::introspector::{Introspector, Trust};

/// Whom a token names, and who says so.
pub(crate) struct Naming<'n> {
    pub(crate) introspector: &'n Introspector,
    pub(crate) trust: &'n Trust,
    /// The text the user is looked up by.
    pub(crate) subject: &'n str,
    /// `sub`, if the user is looked up by something else.
    pub(crate) sub: Option<&'n str>,
    /// Whose subject it is: the introspector's issuer, else the one that its endpoint tells. Only
    /// the former binds a user.
    pub(crate) issuer: Option<&'n str>,
    /// Whether no other introspector is active.
    pub(crate) is_only: bool,
}

impl Naming<'_> {
    /// Whether the user counts for the token. `by_id` says that it was found by its id.
    pub(crate) fn binds(&self, user: &Map<String, Value>, by_id: bool) -> bool {
        if let Some(named) = named_introspector(user) {
            return named == self.introspector.id.as_str();
        }
        (self.trust.subjects_are_ids && by_id)
            || self.is_only
            || self.identifier_carries_system(user)
            || self.claims_carry_issuer(user)
    }

    fn is_subject(&self, text: &str) -> bool {
        text == self.subject || self.sub == Some(text)
    }

    fn identifier_carries_system(&self, user: &Map<String, Value>) -> bool {
        identifiers(user).any(|(system, value)| {
            self.trust.systems().any(|ours| ours == system)
                && value.is_some_and(|value| self.is_subject(value))
        })
    }

    fn claims_carry_issuer(&self, user: &Map<String, Value>) -> bool {
        let same_subject = data(user, "sub")
            .is_none_or(|sub| sub.as_str().is_some_and(|sub| self.is_subject(sub)));
        carries_issuer(user, self.trust) && same_subject
    }
}

/// Whether a `User` says in any way that it belongs to this introspector.
pub(crate) fn names(user: &Map<String, Value>, introspector: &Introspector) -> bool {
    if let Some(named) = named_introspector(user) {
        return named == introspector.id.as_str();
    }
    let Some(trust) = &introspector.trust else {
        return false;
    };
    trust.subjects_are_ids
        || identifiers(user).any(|(system, _)| trust.systems().any(|ours| ours == system))
        || carries_issuer(user, trust)
}

/// Whether the claims that a user carries are of the issuer; where none is configured, of nobody.
fn carries_issuer(user: &Map<String, Value>, trust: &Trust) -> bool {
    let carried = data(user, "iss").and_then(Value::as_str);
    carried.is_some() && carried == trust.issuer.as_deref()
}

/// The id that `User.introspector` names. Something there that names no introspector names one
/// that is not there: it binds the user to nobody.
fn named_introspector(user: &Map<String, Value>) -> Option<&str> {
    let reference = user.get("introspector")?;
    let id = match reference.get("reference").unwrap_or(reference) {
        Value::String(text) => text.strip_prefix("TokenIntrospector/"),
        Value::Object(parts)
            if parts.get("resourceType").is_none_or(|kind| kind == "TokenIntrospector") =>
        {
            parts.get("id").and_then(Value::as_str)
        }
        Value::Object(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            None
        }
    };
    Some(id.filter(|id| Id::parse(id).is_some()).unwrap_or_default())
}

fn identifiers(user: &Map<String, Value>) -> impl Iterator<Item = (&str, Option<&str>)> {
    let all = user.get("identifier").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(|identifier| {
        let system = identifier.get("system")?.as_str()?;
        Some((system, identifier.get("value").and_then(Value::as_str)))
    })
}

fn data<'u>(user: &'u Map<String, Value>, name: &str) -> Option<&'u Value> {
    user.get("data")?.get(name)
}
