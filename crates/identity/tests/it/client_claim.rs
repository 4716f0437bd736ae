//! Which stored client a token speaks for, and which client sends it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firewarden_access::Caller;
use firewarden_identity::{Credentials, Unauthenticated, hash_secret};
use serde_json::{Value, json};

use crate::world::{SHARED, World, merged, now, shared, shared_token};

fn client(id: &str, more: Value) -> Value {
    let client = json!({"id": id, "secret": "***", "grant_types": ["basic"]});
    merged(client, more)
}

async fn world(clients: &[Value]) -> World {
    let world = World::empty().await;
    world.trust(&[shared(json!({"client": {"claim": "azp"}}))]);
    let hash = hash_secret("secret", [1; 16]).ok();
    *world.directory.clients.lock().unwrap() =
        clients.iter().map(|client| (client.clone(), 1, hash.clone())).collect();
    world
}

fn bound_to(caller: Result<Caller, Unauthenticated>) -> String {
    match caller {
        Ok(caller) => caller.client.map_or("-".into(), |c| c["id"].as_str().unwrap().to_owned()),
        Err(refusal) => refusal.check().to_owned(),
    }
}

#[tokio::test]
async fn a_claim_binds_a_client_that_trusts_the_issuer() {
    let trusting = |more: Value| merged(json!({"allowedIssuers": ["https://x", SHARED]}), more);
    let clients = [
        client("app", trusting(json!({}))),
        client("off", trusting(json!({"active": false}))),
        client("root", trusting(json!({}))),
        client("other", json!({"allowedIssuers": ["https://x"]})),
        client("slash", json!({"allowedIssuers": [format!("{SHARED}/")]})),
        client("text", json!({"allowedIssuers": SHARED})),
        client("off-other", json!({"active": false})),
        client("none", json!({})),
    ];
    let world = world(&clients).await;
    for (azp, expected) in [
        (json!("app"), "app"),
        (json!("off"), "active-client"),
        (json!("root"), "-"),
        (json!("other"), "-"),
        (json!("slash"), "-"),
        (json!("text"), "-"),
        (json!("off-other"), "-"),
        (json!("none"), "-"),
        (json!("missing"), "-"),
        (json!("../app"), "-"),
        (json!("App"), "-"),
        (json!("(absent)"), "-"),
        (json!(["app"]), "client-claim"),
        (json!(""), "client-claim"),
        (json!(null), "client-claim"),
        (json!({"id": "app"}), "client-claim"),
    ] {
        let token = shared_token(json!({"azp": azp}));
        assert_eq!(bound_to(world.token(&token).await), expected, "{azp}");
    }
    let caller = world.token(&shared_token(json!({"azp": "app"}))).await.unwrap();
    assert!(!caller.client.unwrap().contains_key("secret"));
}

#[tokio::test]
async fn only_the_claim_that_is_configured_names_a_client() {
    let app = client("app", json!({"allowedIssuers": [SHARED]}));
    let world = world(&[app]).await;
    let token = shared_token(json!({"client_id": "app", "aud": "app", "sub": "app"}));
    assert_eq!(bound_to(world.token(&token).await), "-");
    world.trust(&[shared(json!({}))]);
    assert_eq!(bound_to(world.token(&shared_token(json!({"azp": "app"}))).await), "-");
}

#[tokio::test]
async fn a_subject_is_never_a_client_and_a_client_never_a_user() {
    let mut world = world(&[client("machine", json!({"allowedIssuers": [SHARED]}))]).await;
    world.directory.users =
        vec![json!({"id": "alice", "introspector": "TokenIntrospector/shared"})];
    for (claims, user, client) in [
        (json!({"sub": "machine"}), None, "-"),
        (json!({"sub": "machine", "azp": "alice"}), None, "-"),
        (json!({"sub": "alice", "azp": "alice"}), Some("alice"), "-"),
        (json!({"sub": "alice", "azp": "machine"}), Some("alice"), "machine"),
        (json!({"sub": "(absent)", "azp": "machine"}), None, "machine"),
    ] {
        let caller = world.token(&shared_token(claims.clone())).await.unwrap();
        let found = caller.user.as_ref().map(|user| user["id"].as_str().unwrap());
        assert_eq!(found, user, "{claims}");
        assert_eq!(bound_to(Ok(caller)), client, "{claims}");
    }
}

#[tokio::test]
async fn x_client_auth_adds_an_authenticated_client() {
    let allowed = json!({"allowedIssuers": [SHARED]});
    let world = world(&[client("app", allowed.clone()), client("gate", json!({}))]).await;
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let (good, bad) = (shared_token(json!({})), shared_token(json!({"exp": 1})));
    let of_app = shared_token(json!({"azp": "app"}));
    let bearer = |token: &str| format!("Bearer {token}");
    for (authorization, client_auth, expected) in [
        (Some(bearer(&good)), Some(basic("gate:secret")), "gate"),
        (Some(bearer(&good)), Some(basic("gate:wrong")), "client-secret"),
        (Some(bearer(&good)), Some(basic("nobody:secret")), "client-secret"),
        (Some(bearer(&good)), Some("Bearer a".to_owned()), "scheme"),
        (Some(bearer(&good)), Some(String::new()), "scheme"),
        (Some(bearer(&good)), None, "-"),
        (Some(bearer(&bad)), Some(basic("gate:secret")), "exp"),
        (Some(bearer(&of_app)), None, "app"),
        (Some(bearer(&of_app)), Some(basic("app:secret")), "app"),
        (Some(bearer(&of_app)), Some(basic("gate:secret")), "one-client"),
        (None, Some(basic("gate:secret")), "gate"),
        (None, Some(basic("gate:wrong")), "client-secret"),
        (Some(basic("gate:secret")), Some(basic("gate:secret")), "authorization-header"),
    ] {
        let fields = |field: &Option<String>| field.iter().cloned().collect::<Vec<_>>();
        let (authorization, client_auth) = (fields(&authorization), fields(&client_auth));
        let authorization: Vec<&[u8]> = authorization.iter().map(|text| text.as_bytes()).collect();
        let client_auth: Vec<&[u8]> = client_auth.iter().map(|text| text.as_bytes()).collect();
        let credentials = Credentials::from_headers(&authorization).with_client_auth(&client_auth);
        let caller = world.identity.authenticate(&credentials, &world.directory, now()).await;
        assert_eq!(bound_to(caller), expected);
    }
}
