//! The sessions of issued tokens: begun, read, and ended when they are over.

use std::sync::Arc;

use firewarden_access::SystemTask;
use firewarden_access::limits::SESSION_TOKEN_S_MAX;
use firewarden_fhir::search::{Criterion, DateComparison, Prefix, SearchQuery};
use firewarden_fhir::{
    Definitions, Id, IfMatch, Interaction, Resource, ResourceType, Target, TimeRange, Timestamp,
    instant_text,
};
use firewarden_identity::{SESSION_TOKEN_BYTES, StoredSession, session_token};
use firewarden_interactions::{Failure, perform};
use serde_json::{Map, Value, json};
use tracing::warn;
use zeroize::Zeroizing;

use crate::app::{App, new_id};
use crate::configuration::content;
use crate::limits;
use crate::own_types::Force;

/// A token that was issued, to be told this once.
pub(crate) struct Issued {
    pub(crate) token: Zeroizing<String>,
    pub(crate) lives_s: u64,
}

/// Begins a session of a client. It is on the disk before the token is told.
pub(crate) async fn begin(
    app: &App,
    client: &Map<String, Value>,
    scope: Option<&str>,
    now: Timestamp,
) -> Result<Issued, Failure> {
    let fault = |what: &str| Failure::Unavailable(format!("no session was begun: {what}"));
    let of = ResourceType::parse("Session").ok_or_else(|| fault("no such type"))?;
    let client_id = client.get("id").and_then(Value::as_str);
    let client_id = client_id.ok_or_else(|| fault("the client has no id"))?;
    let id = new_id();
    let mut random = Zeroizing::new([0; SESSION_TOKEN_BYTES]);
    aws_lc_rs::rand::fill(random.as_mut_slice()).map_err(|_| fault("there is no randomness"))?;
    let token = session_token(&id, &random);
    let lives_s = life_s(client);
    let ends = i64::try_from(lives_s).ok().and_then(|s| now.as_second().checked_add(s));
    let ends = ends.and_then(|s| Timestamp::from_second(s).ok());
    let mut session = json!({
        "id": id.as_str(),
        "client": {"reference": format!("Client/{client_id}")},
        "created": instant_text(now),
        "expires": instant_text(ends.ok_or_else(|| fault("its end cannot be written"))?),
        "token": token.as_str(),
    });
    if let (Some(scope), Some(members)) = (scope, session.as_object_mut()) {
        members.insert("scope".to_owned(), scope.into());
    }
    let Value::Object(content) = session else {
        return Err(fault("it is not an object"));
    };
    let create = Interaction::Create(Resource { resource_type: of, content });
    keep(app, create, now).await?;
    Ok(Issued { token, lives_s })
}

/// Performs an interaction of the server's own with sessions.
async fn keep(app: &App, interaction: Interaction, now: Timestamp) -> Result<(), Failure> {
    let permitted = SystemTask::KeepSessions.permit(interaction);
    let not_ours = || Failure::Unavailable("not a task with sessions".to_owned());
    let permitted = permitted.ok_or_else(not_ours)?;
    let snapshot = app.configuration.current().await?;
    let own_rules = app.own_rules(&snapshot, now, Force::Yes);
    perform(app.ports(&own_rules, "sessions", now), permitted).await.map(drop)
}

/// How long a client's tokens live.
fn life_s(client: &Map<String, Value>) -> u64 {
    let asked = client.get("access_token_expiration").and_then(Value::as_u64);
    asked.filter(|s| *s > 0).unwrap_or(limits::SESSION_S_DEFAULT).min(SESSION_TOKEN_S_MAX)
}

/// A session as `identity` judges it; `None` if it cannot be read, which nobody's token matches.
pub(crate) fn stored(
    session: &Map<String, Value>,
    token_hash: Zeroizing<Vec<u8>>,
) -> Option<StoredSession> {
    let expires = TimeRange::parse(session.get("expires")?.as_str()?)?;
    Some(StoredSession {
        client: client_of(session)?,
        expires_at: Timestamp::from_microsecond(expires.low_us).ok()?,
        scope: session.get("scope").and_then(Value::as_str).map(str::to_owned),
        token_hash,
    })
}

fn client_of(session: &Map<String, Value>) -> Option<Id> {
    let reference = session.get("client")?.get("reference")?.as_str()?;
    Id::parse(reference.strip_prefix("Client/")?)
}

/// Ends sessions that are over, at the start and as long as the server runs.
pub(crate) async fn sweep(app: Arc<App>) {
    let mut clients_as_of = None;
    loop {
        match sweep_as_of(&app, clients_as_of).await {
            Ok(version) => clients_as_of = Some(version),
            Err(failure) => warn!(?failure, "sessions that are over were not ended"),
        }
        tokio::time::sleep(limits::SESSION_SWEEP_S).await;
    }
}

/// Sweeps once, given the version of the clients that the last sweep looked at; the one of this.
async fn sweep_as_of(app: &App, before: Option<u64>) -> Result<u64, Failure> {
    let version = app.store.policy_version().await?;
    sweep_once(app, before != Some(version), crate::app::now()).await?;
    Ok(version)
}

/// Ends the sessions whose time is over, and those whose client is gone: one of the same id that
/// comes later is another client.
async fn sweep_once(app: &App, clients_changed: bool, now: Timestamp) -> Result<(), Failure> {
    let Some(of) = ResourceType::parse("Session") else {
        return Ok(());
    };
    let count = firewarden_fhir::limits::PAGE_ENTRIES_MAX;
    let mut query = SearchQuery { count, ..SearchQuery::all(of) };
    if !clients_changed {
        query.criteria = over(of, now).into_iter().collect();
    }
    loop {
        let page = app.store.search(SystemTask::KeepSessions.search(query.clone())).await?;
        for session in &page.matches {
            let content = content(session).unwrap_or_default();
            if is_over(app, &content, now).await? {
                let target = Target::new(of, session.target.id.clone());
                keep(app, Interaction::Delete(target, IfMatch::Any), now).await?;
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(()),
        }
    }
}

/// `expires=lt…`.
fn over(of: ResourceType, now: Timestamp) -> Option<Criterion> {
    let parameter = Definitions::get().search_parameter(of, "expires")?;
    let now_us = now.as_microsecond();
    let range = TimeRange { low_us: now_us, high_us: now_us.saturating_add(1) };
    Some(Criterion::Date { parameter, values: vec![DateComparison { prefix: Prefix::Lt, range }] })
}

async fn is_over(app: &App, session: &Map<String, Value>, now: Timestamp) -> Result<bool, Failure> {
    let Some(session) = stored(session, Zeroizing::default()) else {
        return Ok(true);
    };
    if session.expires_at <= now {
        return Ok(true);
    }
    let client = firewarden_identity::Directory::client(&app.directory, &session.client).await;
    Ok(client.map_err(|why| Failure::Unavailable(why.to_string()))?.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_says_how_long_its_tokens_live() {
        for (asked, expected) in [
            (json!({}), limits::SESSION_S_DEFAULT),
            (json!({"access_token_expiration": 60}), 60),
            (json!({"access_token_expiration": 0}), limits::SESSION_S_DEFAULT),
            (json!({"access_token_expiration": -1}), limits::SESSION_S_DEFAULT),
            (json!({"access_token_expiration": "60"}), limits::SESSION_S_DEFAULT),
            (json!({"access_token_expiration": 1_000_000_000}), SESSION_TOKEN_S_MAX),
        ] {
            assert_eq!(life_s(asked.as_object().unwrap()), expected, "{asked}");
        }
    }

    #[test]
    fn a_session_that_cannot_be_read_is_nobodys() {
        let read = |session: Value| stored(session.as_object().unwrap(), Zeroizing::default());
        let client = json!({"reference": "Client/app"});
        assert!(read(json!({"client": client, "expires": "2026-01-01T00:00:00.000Z"})).is_some());
        assert!(read(json!({"client": client})).is_none());
        assert!(read(json!({"client": client, "expires": "soon"})).is_none());
        assert!(read(json!({"expires": "2026-01-01T00:00:00.000Z"})).is_none());
        let user = json!({"reference": "User/app"});
        assert!(read(json!({"client": user, "expires": "2026-01-01T00:00:00.000Z"})).is_none());
    }
}
