//! Users that are made for subjects that have none.

use firewarden_identity::limits;
use firewarden_testkit::FakeEndpoint;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::world::{SHARED, World, merged, shared, shared_claims, shared_token};

async fn world(more: Value) -> World {
    let world = World::empty().await;
    world.trust(&[shared(merged(json!({"user": {"create": true}}), more))]);
    world
}

fn made(world: &World) -> Vec<Value> {
    world.directory.made.lock().unwrap().clone()
}

async fn user_of(world: &World, token: &str) -> String {
    match world.token(token).await {
        Ok(caller) => caller.user.map_or("-".into(), |user| user["id"].as_str().unwrap().into()),
        Err(refusal) => refusal.check().into(),
    }
}

#[tokio::test]
async fn the_first_token_of_a_subject_makes_its_user() {
    let world = world(json!({})).await;
    let claims = json!({"email": "a@example.com", "box_user": "(absent)"});
    let caller = world.token(&shared_token(claims.clone())).await.unwrap();
    let [user] = &made(&world)[..] else { panic!("one user is made") };
    assert_eq!(user["identifier"], json!([{"system": SHARED, "value": "alice"}]));
    assert_eq!(user["introspector"], json!({"reference": "TokenIntrospector/shared"}));
    assert_eq!(user["data"]["email"], "a@example.com");
    assert_eq!(user["data"]["sub"], "alice");
    assert_ne!(user["id"], "alice", "the id is the server's");
    assert_eq!(caller.user.unwrap()["id"], user["id"]);
    for more in [json!({}), json!({"jti": "2"}), json!({"box_user": "nobody"})] {
        assert_eq!(user_of(&world, &shared_token(more)).await, user["id"].as_str().unwrap());
    }
    assert_eq!(made(&world).len(), 1);
    assert_ne!(user_of(&world, &shared_token(json!({"sub": "bob"}))).await, user["id"]);
    assert_eq!(made(&world).len(), 2);
}

#[tokio::test]
async fn first_requests_at_once_make_one_user() {
    let world = world(json!({})).await;
    let tokens: Vec<String> = (0..200).map(|n| shared_token(json!({"jti": n}))).collect();
    let users = join_all(tokens.iter().map(|token| user_of(&world, token))).await;
    let [user] = &made(&world)[..] else { panic!("one user is made") };
    assert!(users.iter().all(|id| *id == user["id"]));
}

#[tokio::test]
async fn who_names_nobody_or_is_not_accepted_makes_nobody() {
    let world = world(json!({})).await;
    for (claims, expected) in [
        (json!({"sub": "(absent)"}), "-"),
        (json!({"sub": "(absent)", "client_id": "app"}), "-"),
        (json!({"sub": "(absent)", "box_user": "alice"}), "-"),
        (json!({"sub": ""}), "sub"),
        (json!({"sub": 7}), "sub"),
        (json!({"exp": 1}), "exp"),
        (json!({"iss": "https://other.example.com"}), "issuer"),
    ] {
        assert_eq!(user_of(&world, &shared_token(claims.clone())).await, expected, "{claims}");
    }
    let forged = firewarden_testkit::hmac_token(
        "HS256",
        b"another secret",
        &json!({}),
        &shared_claims(json!({})),
    );
    assert_eq!(user_of(&world, &forged).await, "signature");
    assert_eq!(made(&world), [Value::Null; 0]);
    world.trust(&[shared(json!({"user": {"create": false}}))]);
    assert_eq!(user_of(&world, &shared_token(json!({}))).await, "-");
    assert_eq!(made(&world), [Value::Null; 0]);
}

#[tokio::test]
async fn anothers_user_of_the_same_name_is_not_taken_over() {
    let mut world = world(json!({})).await;
    world.directory.users = vec![
        json!({"id": "alice", "introspector": {"reference": "TokenIntrospector/other"}}),
        json!({"id": "u2", "data": {"sub": "alice"},
            "introspector": {"reference": "TokenIntrospector/other"}}),
        json!({"id": "u3", "identifier": [{"system": SHARED, "value": "alice"}],
            "introspector": {"reference": "TokenIntrospector/other"}}),
    ];
    let user = user_of(&world, &shared_token(json!({}))).await;
    assert_eq!(made(&world)[0]["id"], user);
}

#[tokio::test]
async fn a_user_that_is_stored_is_not_made_again() {
    let mut world = world(json!({})).await;
    world.directory.users = vec![json!({"id": "alice", "inactive": true})];
    assert_eq!(user_of(&world, &shared_token(json!({}))).await, "active-user");
    world.directory.users = vec![json!({"id": "alice"})];
    assert_eq!(user_of(&world, &shared_token(json!({}))).await, "alice");
    assert_eq!(made(&world), [Value::Null; 0]);
    // Looked up by another claim, and inactive where the subject is looked up.
    world.directory.users = vec![json!({
        "id": "u2", "inactive": true, "identifier": [{"system": SHARED, "value": "alice"}],
    })];
    let token = shared_token(json!({"box_user": "nobody"}));
    assert_eq!(user_of(&world, &token).await, "active-user");
    assert_eq!(made(&world), [Value::Null; 0]);
}

#[tokio::test]
async fn a_deleted_user_does_not_come_back() {
    let mut world = world(json!({})).await;
    let id = user_of(&world, &shared_token(json!({}))).await;
    world.directory.made.lock().unwrap().clear();
    world.directory.gone = vec![id];
    for _ in 0..2 {
        assert_eq!(user_of(&world, &shared_token(json!({}))).await, "-");
    }
    assert_eq!(made(&world), [Value::Null; 0]);
}

#[tokio::test]
async fn not_too_many_users_are_made_at_once() {
    let world = world(json!({})).await;
    tokio::time::pause();
    let tokens: Vec<String> =
        (0..100).map(|n| shared_token(json!({"sub": format!("s{n}")}))).collect();
    let mut outcomes = Vec::new();
    for token in &tokens {
        outcomes.push(user_of(&world, token).await);
    }
    assert_eq!(made(&world).len(), limits::CREATIONS_MAX as usize);
    assert_eq!(outcomes.last().unwrap(), "busy");
    tokio::time::advance(limits::CREATION_REFILL).await;
    assert_eq!(user_of(&world, tokens.last().unwrap()).await.len(), 36);
    assert_eq!(user_of(&world, &tokens[98]).await, "busy");
}

#[tokio::test]
async fn an_explanation_makes_nobody() {
    let world = world(json!({})).await;
    let token = shared_token(json!({}));
    let now = crate::world::now();
    let trace = world.identity.explain(&token, &world.directory, now).await;
    assert!(trace.accepted && trace.user.is_none());
    assert_eq!(made(&world), [Value::Null; 0]);
}

#[tokio::test]
async fn an_opaque_token_makes_a_user_of_the_configured_issuer() {
    let (world, endpoint) = (World::empty().await, FakeEndpoint::start().await);
    world.trust(&[json!({
        "id": "asks", "type": "opaque", "jwt": {"iss": SHARED}, "user": {"create": true},
        "introspection_endpoint": {"url": endpoint.url(), "authorization": "Basic YTpi"},
    })]);
    endpoint.know("good", json!({"active": true, "sub": "alice", "name": "Alice"}));
    let user = user_of(&world, "good").await;
    let [stored] = &made(&world)[..] else { panic!("one user is made") };
    assert_eq!(stored["id"], user);
    assert_eq!(stored["identifier"], json!([{"system": SHARED, "value": "alice"}]));
    assert_eq!(stored["data"]["name"], "Alice");
}
