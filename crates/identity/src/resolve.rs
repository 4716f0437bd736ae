//! From verified claims to the stored user and its roles.

use firewarden_access::Caller;
use firewarden_fhir::Id;
use serde_json::{Map, Value};

use crate::binding::Naming;
use crate::claims::subject;
use crate::directory::{Content, Directory, DirectoryUnavailable};
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
    let issuer = trust.issuer.as_deref().or(claims.get("iss").and_then(Value::as_str));
    let naming = Naming { introspector, trust, subject: by, sub, issuer, is_only };
    let Some(user) = find(&naming, directory).await? else {
        return Ok(None);
    };
    if is_active(&user) {
        Ok(Some(without_secrets("User", user)))
    } else {
        Err(Unauthenticated::UserRefused(Check::ActiveUser))
    }
}

/// Why ids stand for no caller.
#[derive(Debug, thiserror::Error)]
pub enum NoCaller {
    /// There is none of that id, or it is not active.
    #[error("there is no active `{of}/{id}`")]
    Nobody {
        /// `User` or `Client`.
        of: &'static str,
        /// The id.
        id: Id,
    },
    /// Nobody can be looked up now.
    #[error("users and clients cannot be read now")]
    Unavailable(#[from] DirectoryUnavailable),
}

/// The caller that an active user with its roles and an active client of these ids are, without
/// secrets or token: what a policy sees when they authenticate.
pub async fn caller_of(
    user: Option<&Id>,
    client: Option<&Id>,
    directory: &dyn Directory,
) -> Result<Caller, NoCaller> {
    let active = |of: &'static str, id: &Id, found: Option<Content>| {
        let found = found.filter(|content| is_active(content));
        let found = found.map(|content| Some(without_secrets(of, content)));
        found.ok_or_else(|| NoCaller::Nobody { of, id: id.clone() })
    };
    let mut caller = Caller::anonymous();
    if let Some(id) = user {
        caller.user = active("User", id, directory.user(id).await?)?;
        caller.roles = active_roles(id, directory).await?;
    }
    if let Some(id) = client {
        let client = directory.client(id).await?.map(|client| client.content);
        caller.client = active("Client", id, client)?;
    }
    Ok(caller)
}

/// The active user that an identifier names as this subject of the introspector's.
pub(crate) async fn user_of_sub(
    naming: &Naming<'_>,
    directory: &dyn Directory,
) -> Result<Option<Content>, Unauthenticated> {
    match by_identifier(naming, directory).await? {
        Some(user) if !is_active(&user) => Err(Unauthenticated::UserRefused(Check::ActiveUser)),
        Some(user) => Ok(Some(without_secrets("User", user))),
        None => Ok(None),
    }
}

/// The local `Client` that a token names, without secrets, if the introspector says which claim
/// does and the client says that it trusts the issuer. Never the root client: no provider may act
/// as it. None is no error; the request goes on without.
pub(crate) async fn client(
    trust: &Trust,
    claims: &Map<String, Value>,
    root_client: &Id,
    directory: &dyn Directory,
) -> Result<Option<Content>, Unauthenticated> {
    let (Some(claim), Some(issuer)) = (&trust.client_claim, &trust.issuer) else {
        return Ok(None);
    };
    let named = subject(claims, claim);
    let named = named.map_err(|_| Unauthenticated::TokenRefused(Check::ClientClaim))?;
    let id = named.and_then(Id::parse).filter(|id| id != root_client);
    let client = match id {
        Some(id) => directory.client(&id).await?.map(|client| client.content),
        None => None,
    };
    let trusts_issuer = |client: &Content| {
        let issuers = client.get("allowedIssuers").and_then(Value::as_array);
        issuers.is_some_and(|issuers| issuers.iter().any(|allowed| allowed == issuer.as_str()))
    };
    match client.filter(trusts_issuer) {
        Some(client) if !is_active(&client) => {
            Err(Unauthenticated::ClientRefused(Check::ActiveClient))
        }
        Some(client) => Ok(Some(without_secrets("Client", client))),
        None => Ok(None),
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
    if let Some(user) = by_identifier(naming, directory).await? {
        return Ok(Some(user));
    }
    the_one(naming, directory.users_by_data_sub(naming.subject).await?)
}

/// The user that has the subject under the issuer, or under the system of the identity provider:
/// one step, so that two users who have one of these each are ambiguous.
async fn by_identifier(
    naming: &Naming<'_>,
    directory: &dyn Directory,
) -> Result<Option<Content>, Unauthenticated> {
    let mut found: Vec<Content> = Vec::new();
    let system = naming.trust.system.as_deref().filter(|system| naming.issuer != Some(*system));
    for system in naming.issuer.into_iter().chain(system) {
        for user in directory.users_by_identifier(system, naming.subject).await? {
            if found.iter().all(|known| known.get("id") != user.get("id")) {
                found.push(user);
            }
        }
    }
    the_one(naming, found)
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
    Ok(active_roles(&id, directory).await?)
}

async fn active_roles(
    user: &Id,
    directory: &dyn Directory,
) -> Result<Vec<Content>, DirectoryUnavailable> {
    let mut roles = directory.roles(user).await?;
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
