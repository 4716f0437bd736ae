//! What several introspectors mean for one another.

use firewarden_fhir::{Id, Issue};
use serde_json::{Map, Value};
use url::Url;

use super::{Introspector, KeyOrigin};
use crate::secrets::MASK;

/// Whether an introspector may be saved beside the others: the warnings if it may, the conflict if
/// another active one vouches for the same issuer. The stored version of itself does not count.
/// `users_unbound` is how many users [need a binding](needs_binding).
pub fn conflicts(
    id: &Id,
    content: &Map<String, Value>,
    existing: &[&Introspector],
    users_unbound: u64,
) -> Result<Vec<Issue>, Issue> {
    if content.get("active") == Some(&Value::Bool(false)) {
        return Ok(Vec::new());
    }
    let issuer = content.get("jwt").and_then(|jwt| jwt.get("iss")).and_then(Value::as_str);
    let others = || existing.iter().filter(|other| other.active && other.id != *id);
    let same_issuer = |other: &&&Introspector| issuer.is_some() && other.issuer() == issuer;
    if let Some(other) = others().find(same_issuer) {
        return Err(Issue::error(
            "conflict",
            format!(
                "the active introspector `{}` has the same `jwt.iss`; change that one, or set its `active` to false",
                other.id
            ),
        )
        .at("TokenIntrospector.jwt.iss"));
    }
    if others().next().is_none() {
        return Ok(Vec::new());
    }
    Ok(vec![Issue::warning(
        "informational",
        format!(
            "with more than one active introspector a User counts only for the one it is bound to; {users_unbound} User(s) have no binding: give each `introspector`, an `identifier` whose `system` is the issuer or `data.iss`, or set `user: {{match: id}}` here if the subjects are ids of users"
        ),
    )])
}

/// The error of a save that would send the stored credential of an endpoint, by leaving its mask in
/// place, to another server than it was set for: whoever may change a URL must not learn it.
pub fn moved_credential(content: &Map<String, Value>, stored: &Introspector) -> Option<Issue> {
    let endpoint = content.get("introspection_endpoint")?;
    let KeyOrigin::Endpoint(asked) = &stored.trust.as_ref()?.keys else {
        return None;
    };
    let masked = endpoint.get("authorization").and_then(Value::as_str) == Some(MASK);
    let url = Url::parse(endpoint.get("url")?.as_str()?).ok()?;
    (masked && url.origin() != asked.url.origin()).then(|| {
        Issue::error(
            "conflict",
            "`introspection_endpoint.authorization` was set for another server; set it again with the new `url`",
        )
        .at("TokenIntrospector.introspection_endpoint.authorization")
    })
}

/// Whether a `User` is bound to none of these introspectors, so that it counts for a token only
/// while there is one introspector.
pub fn needs_binding(user: &Map<String, Value>, introspectors: &[Introspector]) -> bool {
    let mut active = introspectors.iter().filter(|introspector| introspector.active);
    !active.any(|introspector| crate::binding::names(user, introspector))
}
