//! From verified claims to the stored user and its roles.

use firewarden_fhir::Id;
use serde_json::{Map, Value};

use crate::binding::Naming;
use crate::claims::subject;
use crate::directory::{Content, Directory};
use crate::introspector::{Introspector, Trust};
use crate::limits;
use crate::secrets::without_secrets;
use crate::unauthenticated::{Check, Unauthenticated};

/// The active user that a token names, without secrets. That there is none is no error.
pub(crate) async fn user(
    (introspector, trust): (&Introspector, &Trust),
    claims: &Map<String, Value>,
    is_only: bool,
    directory: &dyn Directory,
) -> Result<Option<Content>, Unauthenticated> {
    let claim = |name: &str| subject(claims, name).map_err(Unauthenticated::TokenRefused);
    let sub = claim("sub")?;
    let by = match &trust.demands.user_claim {
        Some(name) => claim(name)?,
        None => claim("box_user")?.or(sub),
    };
    let Some(by) = by else {
        return Ok(None);
    };
    let naming = Naming { introspector, trust, subject: by, sub, is_only };
    let Some(user) = find(&naming, directory).await? else {
        return Ok(None);
    };
    if is_active(&user) {
        Ok(Some(without_secrets("User", user)))
    } else {
        Err(Unauthenticated::UserRefused(Check::ActiveUser))
    }
}

/// Looks in three places; the first that has a user of this introspector ends it.
async fn find(
    naming: &Naming<'_>,
    directory: &dyn Directory,
) -> Result<Option<Content>, Unauthenticated> {
    if let Some(id) = Id::parse(naming.subject)
        && let Some(user) = directory.user(&id).await?
        && naming.binds(&user, true)
    {
        return Ok(Some(user));
    }
    let issuer = &naming.trust.issuer;
    let found = directory.users_by_identifier(issuer, naming.subject).await?;
    if let Some(user) = the_one(naming, found)? {
        return Ok(Some(user));
    }
    the_one(naming, directory.users_by_data_sub(naming.subject).await?)
}

fn the_one(naming: &Naming<'_>, found: Vec<Content>) -> Result<Option<Content>, Unauthenticated> {
    let ambiguous = Unauthenticated::UserRefused(Check::OneUser);
    if found.len() >= limits::USERS_PER_STEP_MAX {
        return Err(ambiguous);
    }
    let mut bound = found.into_iter().filter(|user| naming.binds(user, false));
    match (bound.next(), bound.next()) {
        (_, Some(_)) => Err(ambiguous),
        (one, None) => Ok(one),
    }
}

/// The active roles of a user, ordered by id.
pub(crate) async fn roles(
    user: &Map<String, Value>,
    directory: &dyn Directory,
) -> Result<Vec<Content>, Unauthenticated> {
    let Some(id) = user.get("id").and_then(Value::as_str).and_then(Id::parse) else {
        return Ok(Vec::new());
    };
    let mut roles = directory.roles(&id).await?;
    roles.retain(|role| is_active(role));
    let id_of = |role: &Content| role.get("id").and_then(Value::as_str).map(str::to_owned);
    roles.sort_by_cached_key(id_of);
    Ok(roles)
}

/// Whether a resource may be used: `active` and `inactive` are absent, or say so in so many words.
pub(crate) fn is_active(content: &Map<String, Value>) -> bool {
    let says = |name: &str, expected: bool| {
        content.get(name).is_none_or(|value| *value == Value::Bool(expected))
    };
    says("active", true) && says("inactive", false)
}
