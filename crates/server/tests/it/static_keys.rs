//! Keys that the operator gives: saved, masked, put back, and in force from the next request on.

use firewarden_testkit::{SigningKey, hmac_token};
use serde_json::{Value, json};

use crate::harness::{TestServer, claims};

const ISSUER: &str = "https://static.example.com";
const FIRST: &str = "CANARY the first secret of a static key";
const SECOND: &str = "CANARY the second secret of a static key";

fn introspector(keys: Value) -> Value {
    json!({
        "resourceType": "TokenIntrospector", "id": "static", "type": "jwt",
        "jwt": {"iss": ISSUER, "keys": keys},
    })
}

fn secret(id: &str, secret: &str) -> Value {
    json!({"kid": id, "kty": "OCT", "alg": "HS256", "format": "plain", "k": secret})
}

async fn status(server: &TestServer, id: &str, secret: &str) -> u16 {
    let claims = claims(ISSUER, "alice");
    let token = hmac_token("HS256", secret.as_bytes(), &json!({"kid": id}), &claims);
    server.bearer(&token, "GET /auth/userinfo").await.status
}

async fn put(server: &TestServer, keys: Value) -> crate::http::Answer {
    server.root("PUT /TokenIntrospector/static").json(&introspector(keys)).await
}

#[tokio::test]
async fn a_public_key_is_trusted_until_it_is_taken_away() {
    let server = TestServer::start().await;
    let key = SigningKey::generate("ES256", "a");
    let given = json!([{"kty": "EC", "alg": "ES256", "format": "PEM", "pub": key.public_pem()}]);
    let token = key.mint("ES256", &json!({}), &claims(ISSUER, "alice"));
    server.bearer(&token, "GET /auth/userinfo").await.is(401);
    put(&server, given).await.is(201);
    server.bearer(&token, "GET /auth/userinfo").await.is(200);
    let other = SigningKey::generate("ES256", "a");
    let other = json!([{"kty": "EC", "alg": "ES256", "format": "PEM", "pub": other.public_pem()}]);
    put(&server, other).await.is(200);
    server.bearer(&token, "GET /auth/userinfo").await.is(401);
}

#[tokio::test]
async fn what_does_not_agree_is_answered_with_its_place_and_without_the_key() {
    let server = TestServer::start().await;
    let key = SigningKey::generate("ES256", "a");
    for (entry, place) in [
        (json!({"kty": "EC", "alg": "RS256", "format": "PEM", "pub": key.public_pem()}), "alg"),
        (json!({"kty": "RSA", "alg": "ES256", "format": "PEM", "pub": key.public_pem()}), "kty"),
        (json!({"alg": "ES256", "pub": key.private_pem()}), "pub"),
    ] {
        let answer = put(&server, json!([entry])).await.is(422);
        let expected = format!("TokenIntrospector.jwt.keys[0].{place}");
        assert_eq!(answer.at("/issue/0/expression/0"), expected, "{answer:?}");
        assert!(!answer.text.contains("BEGIN EC") && !answer.text.contains("MII"), "{answer:?}");
        assert!(!answer.text.contains("-----"), "{answer:?}");
    }
}

#[tokio::test]
async fn the_secrets_of_a_list_are_sealed_and_kept_by_their_masks() {
    let server = TestServer::start().await;
    let both = json!([secret("a", FIRST), secret("b", SECOND)]);
    let saved = put(&server, both).await.is(201);
    assert_eq!(saved.at("/jwt/keys/1/k"), "***");
    assert_eq!(status(&server, "a", FIRST).await, 200);
    assert_eq!(status(&server, "b", SECOND).await, 200);
    assert_eq!(status(&server, "a", SECOND).await, 401);

    let masked = |ids: &[&str]| ids.iter().map(|id| secret(id, "***")).collect::<Value>();
    put(&server, masked(&["a", "b"])).await.is(200);
    assert_eq!(status(&server, "b", SECOND).await, 200);
    // In another order, or changed, a mask would be another key's.
    for (keys, place) in [
        (masked(&["b", "a"]), 0),
        (masked(&["b"]), 0),
        (masked(&["a", "c"]), 1),
        (json!([secret("x", FIRST), secret("a", "***")]), 1),
    ] {
        let answer = put(&server, keys).await.is(422);
        let expected = format!("TokenIntrospector.jwt.keys[{place}]");
        assert_eq!(answer.at("/issue/0/expression/0"), expected, "{answer:?}");
    }
    put(&server, masked(&["a", "b", "c"])).await.is(422);
    assert_eq!(status(&server, "b", SECOND).await, 200);
    // One more, one changed, one gone.
    put(&server, json!([secret("a", "***"), secret("b", FIRST)])).await.is(200);
    assert_eq!(status(&server, "a", FIRST).await, 200);
    assert_eq!(status(&server, "b", FIRST).await, 200);
    assert_eq!(status(&server, "b", SECOND).await, 401);
    put(&server, masked(&["a"])).await.is(200);
    assert_eq!(status(&server, "a", FIRST).await, 200);
    assert_eq!(status(&server, "b", FIRST).await, 401);

    for line in [
        "GET /TokenIntrospector/static",
        "GET /TokenIntrospector/static/_history",
        "GET /TokenIntrospector",
    ] {
        let answer = server.root(line).await.is(200);
        assert!(!answer.text.contains("CANARY"), "{line}: {answer:?}");
    }
    let folder = server.close().await;
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"CANARY"), "no file holds it");
    }
}
