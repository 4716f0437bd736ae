//! Opaque tokens, and who they speak for, through a whole server.

use firewarden_testkit::{FakeEndpoint, Reply};
use serde_json::{Value, json};

use crate::harness::{ISSUER, TestServer, claims, now_s, token};

const CREDENTIAL: &str = "Bearer CANARY-of-the-endpoint";

async fn server() -> (TestServer, FakeEndpoint) {
    let server = TestServer::with(&[("OUTBOUND_ALLOW", "127.0.0.1")]).await;
    let endpoint = FakeEndpoint::start().await;
    endpoint.know("good", json!({"active": true, "sub": "alice", "exp": now_s() + 600}));
    server.put(asking(&endpoint)).await;
    (server, endpoint)
}

fn asking(endpoint: &FakeEndpoint) -> Value {
    json!({
        "resourceType": "TokenIntrospector", "id": "asks", "type": "opaque", "cache_ttl": 30,
        "jwt": {"iss": "https://opaque.example.com"},
        "introspection_endpoint": {"url": endpoint.url(), "authorization": CREDENTIAL},
    })
}

fn policy(id: &str, schema: Value) -> Value {
    json!({"resourceType": "AccessPolicy", "id": id, "engine": "json-schema", "schema": schema})
}

#[tokio::test]
async fn a_policy_reads_the_endpoints_answer_under_token() {
    let (server, endpoint) = server().await;
    server.bearer("good", "GET /fhir/Patient").await.is(403);
    let reads = |scope: &str| {
        json!({"required": ["token"], "properties": {"token": {
            "required": ["scope"], "properties": {"scope": {"const": scope}}}}})
    };
    server.put(policy("reader", reads("read"))).await;
    endpoint.know("reader", json!({"active": true, "scope": "read"}));
    server.bearer("good", "GET /fhir/Patient").await.is(403);
    server.bearer("reader", "GET /fhir/Patient").await.is(200);
    let told = server.bearer("good", "GET /auth/userinfo").await.is(200);
    assert_eq!(told.at("/token/sub"), "alice");
    assert_eq!(told.at("/introspector/id"), "asks");
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_503_and_its_introspectors_end_401() {
    let (server, endpoint) = server().await;
    server.bearer("good", "GET /auth/userinfo").await.is(200);
    server.bearer("bad", "GET /auth/userinfo").await.is(401);
    endpoint.reply(Reply::Text(401, String::new()));
    let answer = server.bearer("other", "GET /auth/userinfo").await.is(503);
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    server.bearer("good", "GET /auth/userinfo").await.is(200);
    server.delete("/TokenIntrospector/asks").await;
    server.bearer("good", "GET /auth/userinfo").await.is(401);
    assert_eq!(endpoint.requests(), 3);
}

#[tokio::test]
async fn the_endpoints_credential_is_written_and_never_read_nor_sent_elsewhere() {
    let (server, endpoint) = server().await;
    let elsewhere = FakeEndpoint::start().await;
    let read = server.root("GET /TokenIntrospector/asks").await.is(200);
    assert!(!read.text.contains("CANARY"), "{read:?}");
    assert_eq!(read.at("/introspection_endpoint/authorization"), "***");
    let mut masked = asking(&endpoint);
    masked["introspection_endpoint"]["authorization"] = json!("***");
    server.put(masked.clone()).await;
    server.bearer("good", "GET /auth/userinfo").await.is(200);
    assert_eq!(endpoint.asked()[0].authorization.as_deref(), Some(CREDENTIAL));
    masked["introspection_endpoint"]["url"] = json!(elsewhere.url());
    server.root("PUT /TokenIntrospector/asks").json(&masked).await.is(409);
    server.bearer("unknown", "GET /auth/userinfo").await.is(401);
    assert_eq!(elsewhere.requests(), 0);
}

#[tokio::test]
async fn a_user_is_made_at_its_first_request_and_not_again_when_deleted() {
    let server = TestServer::start().await;
    server.trust().await;
    let mut trusted = json!({
        "resourceType": "TokenIntrospector", "id": "external", "type": "jwt",
        "jwt": {"iss": ISSUER, "secret": "***"}, "user": {"create": true},
    });
    server.put(trusted.clone()).await;
    let token = token("alice");
    let asked = (0..20).map(|_| server.bearer(&token, "GET /auth/userinfo").into_future());
    let answers = futures_util::future::join_all(asked).await;
    let found = server.root("GET /User").await.is(200);
    assert_eq!(found.at("/total"), 1, "{found:?}");
    let user = found.at("/entry/0/resource");
    let id = user["id"].as_str().unwrap();
    assert_eq!(user["identifier"], json!([{"system": ISSUER, "value": "alice"}]));
    assert_eq!(
        user["introspector"],
        json!({"resourceType": "TokenIntrospector", "id": "external"})
    );
    assert_eq!(user["data"]["sub"], "alice");
    for answer in answers {
        assert_eq!(answer.is(200).at("/user/id"), id);
    }
    server.put(crate::harness::allow_user(id)).await;
    server.bearer(&token, "GET /fhir/Patient").await.is(200);
    server.delete(&format!("/User/{id}")).await;
    let told = server.bearer(&token, "GET /auth/userinfo").await.is(200);
    assert!(told.at("/user").is_null());
    server.bearer(&token, "GET /fhir/Patient").await.is(403);
    trusted["user"] = json!({"create": false});
    server.put(trusted).await;
    let bob = crate::harness::token("bob");
    assert!(server.bearer(&bob, "GET /auth/userinfo").await.is(200).at("/user").is_null());
}

#[tokio::test]
async fn a_client_stands_beside_a_token_by_claim_or_by_its_own_credential() {
    let server = TestServer::start().await;
    server
        .put(json!({
            "resourceType": "TokenIntrospector", "id": "external", "type": "jwt",
            "jwt": {"iss": ISSUER, "secret": crate::harness::SECRET}, "client": {"claim": "azp"},
        }))
        .await;
    let client = |id: &str, more: &[&str]| {
        json!({"resourceType": "Client", "id": id, "secret": "the client's own secret",
            "grant_types": ["basic"], "allowedIssuers": more})
    };
    server.put(client("app", &[ISSUER])).await;
    server.put(client("gate", &[])).await;
    let by = |azp: &str| {
        let mut claims = claims(ISSUER, "alice");
        claims["azp"] = azp.into();
        firewarden_testkit::hmac_token(
            "HS256",
            crate::harness::SECRET.as_bytes(),
            &json!({}),
            &claims,
        )
    };
    let basic = |id: &str, secret: &str| {
        use base64::Engine as _;
        let text = format!("{id}:{secret}");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let (own, wrong) = ("the client's own secret", "a guess");
    for (azp, client_auth, status, bound) in [
        ("app", None, 200, "app"),
        ("gate", None, 200, ""),
        ("root", None, 200, ""),
        ("root", Some(basic("gate", own)), 200, "gate"),
        ("gate", Some(basic("gate", wrong)), 401, ""),
        ("app", Some(basic("gate", own)), 401, ""),
    ] {
        let mut ask = server.bearer(&by(azp), "GET /auth/userinfo");
        if let Some(value) = &client_auth {
            ask = ask.header("x-client-auth", value);
        }
        let answer = ask.await.is(status);
        if status == 200 {
            assert_eq!(answer.at("/client/id").as_str().unwrap_or_default(), bound, "{azp}");
        }
    }
    let alone = |value: &str| server.ask("GET /auth/userinfo").header("x-client-auth", value);
    assert_eq!(alone(&basic("gate", own)).await.is(200).at("/client/id"), "gate");
    alone(&basic("gate", wrong)).await.is(401);
    alone("Bearer x").await.is(401);
    let twice = alone(&basic("gate", own)).header("authorization", &basic("app", own));
    twice.await.is(400);
}
