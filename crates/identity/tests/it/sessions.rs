//! Tokens that this server issued itself.

use firewarden_fhir::{Id, Timestamp};
use firewarden_identity::{StoredSession, Unauthenticated, session_token, session_token_hash};
use serde_json::{Value, json};

use crate::world::{NOW_S, World, merged, shared};

const RANDOM: [u8; 32] = [7; 32];

fn id(text: &str) -> Id {
    Id::parse(text).unwrap()
}

/// A session of a client, `lives_s` seconds from its end.
fn session(client: &str, token: &str, lives_s: i64) -> StoredSession {
    StoredSession {
        client: id(client),
        expires_at: Timestamp::from_second(NOW_S + lives_s).unwrap(),
        scope: Some("system/*.read".to_owned()),
        token_hash: session_token_hash(token),
    }
}

/// A world with one client, that has these attributes too, and its session `s`.
async fn world(more: Value, lives_s: i64) -> (World, String) {
    let world = World::empty().await;
    let client = json!({"id": "app", "secret": "***", "grant_types": ["client_credentials"]});
    *world.directory.clients.lock().unwrap() = vec![(merged(client, more), 1, None)];
    let token = session_token(&id("s"), &RANDOM).to_string();
    let stored = session("app", &token, lives_s);
    world.directory.sessions.lock().unwrap().push((id("s"), stored));
    (world, token)
}

#[tokio::test]
async fn a_session_token_is_its_client() {
    let (world, token) = world(json!({}), 60).await;
    let caller = world.token(&token).await.unwrap();
    let client = caller.client.unwrap();
    assert_eq!(
        *client,
        *json!({"id": "app", "grant_types": ["client_credentials"]}).as_object().unwrap()
    );
    assert!(caller.user.is_none() && caller.jwt.is_none() && caller.token.is_none());
    assert_eq!(caller.session.scope.as_deref(), Some("system/*.read"));
    assert_eq!(caller.session.expires_at.unwrap().as_second(), NOW_S + 60);
    assert_eq!(caller.session.token_id.as_deref(), Some("s"));
    assert!(caller.session.issuer.is_none() && caller.session.introspector.is_none());
}

#[tokio::test]
async fn a_token_that_is_not_of_its_session_is_refused() {
    let (world, token) = world(json!({}), 60).await;
    world.trust(&[shared(json!({}))]);
    let other = session_token(&id("s"), &[8; 32]).to_string();
    let elsewhere = session_token(&id("t"), &RANDOM).to_string();
    for wrong in [
        &other,
        &elsewhere,
        &format!("{token}x"),
        &format!("{token}="),
        token.trim_end_matches(char::is_alphanumeric),
        "fws_s_",
        "fws_s",
        "fws_",
        "fws__",
        "fws_../s_x",
    ] {
        assert_eq!(world.outcome(wrong).await, "session", "{wrong}");
    }
    assert_eq!(world.outcome(&token).await, "accepted");
}

#[tokio::test]
async fn a_session_ends_with_its_time_and_when_it_is_taken_away() {
    for (lives_s, expected) in [(1, "accepted"), (0, "exp"), (-1, "exp")] {
        let (world, token) = world(json!({}), lives_s).await;
        assert_eq!(world.outcome(&token).await, expected, "{lives_s}");
        world.directory.sessions.lock().unwrap().clear();
        assert_eq!(world.outcome(&token).await, "session", "{lives_s}");
    }
}

#[tokio::test]
async fn a_session_ends_with_its_client() {
    for (client, expected) in [
        (json!({"active": true}), "accepted"),
        (json!({"active": false}), "active-client"),
        (json!({"active": "yes"}), "active-client"),
        (json!({"grant_types": ["basic"]}), "grant-type"),
        (json!({"grant_types": "(absent)"}), "grant-type"),
        (json!({"id": "another"}), "active-client"),
    ] {
        let (world, token) = world(client.clone(), 60).await;
        assert_eq!(world.outcome(&token).await, expected, "{client}");
    }
}

#[tokio::test]
async fn a_refusal_shows_no_token() {
    let (world, token) = world(json!({}), 60).await;
    world.directory.sessions.lock().unwrap().clear();
    let refusal: Unauthenticated = world.token(&token).await.unwrap_err();
    let proof = token.rsplit('_').next().unwrap();
    assert!(!format!("{refusal} {refusal:?}").contains(proof));
}
