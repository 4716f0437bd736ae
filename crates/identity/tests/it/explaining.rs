//! What an operator is told of a token.

use firewarden_identity::TokenTrace;
use serde_json::{Value, json};

use crate::world::{NOW_S, SHARED, World, now, shared, shared_token};

async fn traced(world: &World, token: &str) -> TokenTrace {
    world.identity.explain(token, &world.directory, now()).await
}

/// The checks that failed, with what is told of them.
fn failed(trace: &TokenTrace) -> Vec<(&'static str, &str)> {
    let failed = trace.checks.iter().filter(|made| !made.passed);
    failed.map(|made| (made.check, made.detail.as_str())).collect()
}

#[tokio::test]
async fn every_check_of_an_accepted_token_is_told() {
    let mut world = World::new().await;
    world.directory.users = vec![json!({"id": "alice", "data": {"iss": SHARED}})];
    let trace = traced(&world, &shared_token(json!({}))).await;
    assert!(trace.accepted);
    assert_eq!(trace.introspector.unwrap().as_str(), "shared");
    assert_eq!(trace.user.unwrap().as_str(), "alice");
    let names: Vec<&str> = trace.checks.iter().map(|made| made.check).collect();
    let expected = [
        "length",
        "parts",
        "encoding",
        "header",
        "crit",
        "claims",
        "issuer",
        "typ",
        "aud",
        "sub",
        "exp",
        "signature",
        "user",
    ];
    assert_eq!(names, expected);
    assert!(trace.checks.iter().all(|made| made.passed));
}

#[tokio::test]
async fn each_failing_check_says_what_was_expected_and_what_is_said() {
    let world = World::new().await;
    let demanding =
        json!({"jwt": {"aud": "https://us", "max_age": 60, "required_claims": "tenant"}});
    world.trust(&[shared(demanding), world.remote(json!({}))]);
    let right = json!({"aud": "https://us", "iat": NOW_S, "tenant": "a"});
    let with = |more: Value| shared_token(crate::world::merged(right.clone(), more));
    let unknown_key = world.minted("ES256", json!({"kid": "nobody's"}), json!({}));
    for (token, check, told) in [
        (with(json!({"exp": NOW_S - 61})), "exp", "61 s ago"),
        (with(json!({"exp": "soon"})), "exp", "`\"soon\"`"),
        (with(json!({"nbf": NOW_S + 5})), "nbf", "5 s from now"),
        (with(json!({"iat": NOW_S - 90})), "max-age", "90 s ago"),
        (with(json!({"aud": "https://them"})), "aud", "`\"https://them\"`"),
        (with(json!({"sub": 7})), "sub", "`7`"),
        (with(json!({"tenant": "(absent)"})), "required-claims", "`\"tenant\"`"),
        (with(json!({"iss": "https://x"})), "issuer", SHARED),
        (unknown_key, "kid", "nobody's"),
        (format!("{}=", with(json!({}))), "encoding", "base64url"),
        ("a.b".to_owned(), "parts", "it has 2"),
    ] {
        let trace = traced(&world, &token).await;
        assert!(!trace.accepted);
        let failed = failed(&trace);
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0].0, check);
        assert!(failed[0].1.contains(told), "{told} is not told: {failed:?}");
    }
}

#[tokio::test]
async fn the_keys_of_the_set_are_named() {
    let world = World::new().await;
    let token = world.minted("ES256", json!({"kid": "gone"}), json!({}));
    let trace = traced(&world, &token).await;
    let (check, told) = failed(&trace)[0];
    assert_eq!(check, "kid");
    for part in ["`\"gone\"`", "RS256", "ES384", "EdDSA"] {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test]
async fn an_explanation_holds_neither_token_nor_secret() {
    let world = World::new().await;
    let token = shared_token(json!({"exp": NOW_S - 1, "aud": "x".repeat(5_000)}));
    let trace = traced(&world, &token).await;
    let told = format!("{trace:?}");
    assert!(!told.contains(crate::world::SECRET));
    for part in token.split('.') {
        assert!(!told.contains(part));
    }
    assert!(told.len() < 4_000, "claims are cut short");
}
