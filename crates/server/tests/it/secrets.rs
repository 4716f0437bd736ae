//! Secrets go in and never come out: not in an answer, not in the files.

use std::path::Path;

use firewarden_testkit::hmac_token;
use serde_json::{Value, json};

use crate::harness::{TestServer, claims};
use crate::http::Answer;

const CANARY: &str = "CANARY-5e1f0c7d-of-more-than-32-bytes";
const ISSUER: &str = "https://canary.example.com";

fn introspector(secret: &str) -> Value {
    json!({
        "resourceType": "TokenIntrospector", "id": "canary", "type": "jwt",
        "jwt": {"iss": ISSUER, "secret": secret},
    })
}

async fn verifies(server: &TestServer) -> bool {
    let token = hmac_token("HS256", CANARY.as_bytes(), &json!({}), &claims(ISSUER, "x"));
    server.bearer(&token, "GET /auth/userinfo").await.status == 200
}

fn holds_canary(answer: &Answer) -> bool {
    let headers = answer.headers.iter().any(|(_, value)| {
        value.as_bytes().windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
    });
    headers || answer.text.contains(CANARY)
}

/// Every file below the folder whose bytes hold the canary.
fn files_with_canary(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let holds = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes())
    };
    entries.filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

async fn server() -> TestServer {
    let server = TestServer::start().await;
    for resource in [
        introspector(CANARY),
        json!({"resourceType": "Client", "id": "canary", "secret": CANARY, "grant_types": ["basic"]}),
        json!({"resourceType": "User", "id": "canary", "password": CANARY}),
        json!({
            "resourceType": "IdentityProvider", "id": "canary",
            "client": {"secret": CANARY, "private-key": CANARY, "private_key": CANARY},
        }),
    ] {
        let answer = server.put(resource).await;
        assert!(!holds_canary(&answer), "{answer:?}");
        assert!(answer.text.contains(r#""***""#), "{answer:?}");
    }
    server
}

#[tokio::test]
async fn a_secret_is_masked_in_every_answer() {
    let server = server().await;
    for of in ["TokenIntrospector", "Client", "User", "IdentityProvider"] {
        for base in ["", "/fhir"] {
            for rest in [
                "/canary",
                "/canary/_history",
                "/canary/_history/1",
                "/_history",
                "",
                "?_id=canary",
                "?_elements=secret,password,jwt,client",
                "?_summary=true",
                "?_format=yaml",
            ] {
                let answer = server.root(&format!("GET {base}/{of}{rest}")).await.is(200);
                assert!(!holds_canary(&answer), "{answer:?}");
                assert!(answer.text.contains("***"), "{answer:?}");
            }
        }
        let batch = json!({
            "resourceType": "Bundle", "type": "batch",
            "entry": [{"request": {"method": "GET", "url": format!("{of}/canary")}}],
        });
        let answer = server.root("POST /").json(&batch).await.is(200);
        assert!(!holds_canary(&answer), "{answer:?}");
    }
    for line in ["GET /fhir/_history", "GET /auth/userinfo", "GET /health/ready"] {
        let answer = server.root(line).await.is(200);
        assert!(!holds_canary(&answer), "{answer:?}");
    }
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("canary:{CANARY}"));
    let own = server.ask("GET /auth/userinfo").header("authorization", &format!("Basic {basic}"));
    let answer = own.await.is(200);
    assert!(!answer.text.contains("secret") && !answer.text.contains("***"), "{answer:?}");
}

#[tokio::test]
async fn a_secret_is_not_in_the_files() {
    let server = server().await;
    server.put(introspector("another secret that is long enough")).await;
    server.put(introspector(CANARY)).await;
    server.delete("/Client/canary").await;
    assert_eq!(files_with_canary(server.folder.path()), Vec::<String>::new());
    let folder = server.close().await;
    assert_eq!(files_with_canary(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn a_mask_that_is_put_back_keeps_the_secret() {
    let server = server().await;
    assert!(verifies(&server).await);
    let read = server.root("GET /TokenIntrospector/canary").await.json();
    assert_eq!(read["jwt"]["secret"], "***");
    server.put(read).await;
    assert!(verifies(&server).await);
    // Under another id there is no secret to keep, and the mask is none.
    let mut other = introspector("***");
    other["id"] = "other".into();
    other["jwt"]["iss"] = "https://other.example.com".into();
    server.root("PUT /TokenIntrospector/other").json(&other).await.is(422);
    // A secret that is put replaces it; one that is left out is gone.
    server.put(introspector("another secret that is long enough")).await;
    assert!(!verifies(&server).await);
}

#[tokio::test]
async fn a_deleted_secret_does_not_come_back() {
    let server = server().await;
    server.delete("/TokenIntrospector/canary").await;
    assert!(!verifies(&server).await);
    let masked = introspector("***");
    server.root("PUT /TokenIntrospector/canary").json(&masked).await.is(422);
}

#[tokio::test]
async fn what_is_told_of_a_fault_shows_no_secret() {
    let server = TestServer::start().await;
    let jwt = |secret: Value| json!({"type": "jwt", "jwt": {"iss": ISSUER, "secret": secret}});
    let introspector = "PUT /TokenIntrospector/x";
    let mut misspelt = jwt(CANARY.into());
    misspelt["jwt"]["audiance"] = "x".into();
    for (line, body) in [
        (introspector, misspelt),
        (introspector, jwt(json!([CANARY]))),
        (introspector, jwt(json!({"value": CANARY}))),
        (introspector, json!({"type": "jwt", "jwt": CANARY})),
        (
            introspector,
            json!({"type": "opaque", "introspection_endpoint": {"authorization": CANARY}}),
        ),
        ("PUT /Client/x", json!({"secret": [CANARY]})),
        ("PUT /Client/x", json!({"secret": {"value": CANARY}})),
        ("PUT /Client/x", json!({"secret": CANARY, "active": CANARY})),
        ("PUT /User/x", json!({"password": [CANARY]})),
        ("PUT /User/x", json!({"password": {"value": CANARY}})),
        ("PUT /User/x", json!({"password": 5_000_000})),
        ("PUT /User/x", json!({"password": CANARY, "active": "no"})),
    ] {
        let answer = server.root(line).json(&body).await.is(422);
        assert!(!holds_canary(&answer), "{answer:?}");
    }
    let broken = format!(r#"{{"type":"jwt","jwt":{{"secret":"{CANARY}""#);
    for content_type in ["application/json", "text/yaml"] {
        let answer = server.root(introspector).body(content_type, broken.clone()).await.is(400);
        assert!(!holds_canary(&answer), "{answer:?}");
    }
    assert_eq!(files_with_canary(server.folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn operations_that_would_read_secrets_are_not_served_and_tell_none() {
    let server = server().await;
    server.trust().await;
    let alice = crate::harness::token("alice");
    let parameters = json!({"resourceType": "Parameters", "parameter": [
        {"name": "expression", "valueString": "Client.secret"},
        {"name": "query", "valueString": "select * from secrets"},
    ]});
    for (case, line) in [
        (93, "GET /$export"),
        (93, "GET /fhir/$export"),
        (93, "POST /fhir/$export"),
        (93, "GET /fhir/$export?_type=TokenIntrospector,Client,User,Session,IdentityProvider"),
        (93, "GET /fhir/Client/$export"),
        (93, "GET /fhir/Group/canary/$export"),
        (96, "POST /fhir/$fhirpath"),
        (96, "POST /fhir/Client/canary/$fhirpath"),
        (96, "POST /Client/$fhirpath"),
        (96, "POST /$sql"),
        (96, "POST /fhir/$sql"),
        (96, "GET /$psql"),
        (96, "PATCH /Client/canary"),
        (96, "PATCH /fhir/TokenIntrospector/canary"),
    ] {
        let ask = |ask: crate::http::Ask| {
            if line.starts_with("GET") { ask } else { ask.json(&parameters) }
        };
        let anonymous = ask(server.ask(line)).await;
        let nobody = ask(server.bearer(&alice, line)).await;
        let root = ask(server.root(line)).await;
        let served = if line.starts_with("PATCH") { 405 } else { 404 };
        for (answer, status) in [(anonymous, 401), (nobody, served), (root, served)] {
            assert_eq!(answer.status, status, "case {case}: {line}: {answer:?}");
            assert!(!holds_canary(&answer), "case {case}: {line}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn no_record_of_a_request_holds_its_query_or_its_token() {
    let server = server().await;
    server.trust().await;
    let of = json!({"reference": "TokenIntrospector/external"});
    server.put(json!({"resourceType": "User", "id": "alice", "introspector": of})).await;
    server.put(crate::harness::allow_user("alice")).await;
    let token = crate::harness::token("alice");
    server.bearer(&token, &format!("GET /fhir/Patient?name={CANARY}")).await.is(200);
    server.bearer(CANARY, &format!("GET /fhir/Patient?name={CANARY}")).await.is(401);
    // Case 104: there are no records in the database yet, and nobody may write one.
    for line in ["GET /fhir/AuditEvent", "GET /fhir/AuditEvent/_history", "GET /fhir/_history"] {
        let answer = server.root(line).await.is(200);
        assert!(!answer.text.contains(r#""AuditEvent""#), "{answer:?}");
        assert!(!holds_canary(&answer) && !answer.text.contains(&token), "{answer:?}");
    }
    assert_eq!(files_with_canary(server.folder.path()), Vec::<String>::new());
}
