//! What an operator is told: of a token, and of what was counted.

use serde_json::{Value, json};

use crate::harness::{ISSUER, SECRET, TestServer, allow_user, claims, token};
use crate::http::{Answer, basic};
use firewarden_testkit::hmac_token;

async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "alice", "data": {"sub": "alice"}})).await;
    server
}

async fn tested(server: &TestServer, token: &str) -> Answer {
    server.root("POST /auth/test-token").json(&json!({"token": token})).await.is(200)
}

fn failed(answer: &Answer) -> Vec<String> {
    let checks = answer.at("/checks");
    let failed = checks.as_array().unwrap().iter().filter(|check| check["passed"] == json!(false));
    failed.map(|check| check["check"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_token_is_explained_check_by_check() {
    let server = server().await;
    let answer = tested(&server, &token("alice")).await;
    assert_eq!(answer.at("/accepted"), true);
    let introspector = json!({"resourceType": "TokenIntrospector", "id": "external"});
    assert_eq!(answer.at("/introspector"), introspector);
    assert_eq!(answer.at("/user/id"), "alice");
    assert!(failed(&answer).is_empty());
    let with = |more: Value| {
        let mut claims = claims(ISSUER, "alice");
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        hmac_token("HS256", SECRET.as_bytes(), &json!({}), &claims)
    };
    let forged = hmac_token(
        "HS256",
        b"another secret of more than 32 bytes",
        &json!({}),
        &claims(ISSUER, "alice"),
    );
    for (token, check) in [
        (with(json!({"exp": 1})), "exp"),
        (with(json!({"iss": "https://elsewhere.example.com"})), "issuer"),
        (forged, "signature"),
        ("x".to_owned(), "parts"),
        (String::new(), "parts"),
        ("fws_x_y".to_owned(), "session"),
    ] {
        let answer = tested(&server, &token).await;
        assert_eq!(answer.at("/accepted"), false, "{answer:?}");
        assert!(failed(&answer).contains(&check.to_owned()), "{check}: {answer:?}");
        assert_eq!(answer.at("/user"), Value::Null, "{answer:?}");
        assert!(token.len() < 10 || !answer.text.contains(&token), "{answer:?}");
        server.bearer(&token, "GET /auth/userinfo").await.is(401);
    }
}

#[tokio::test]
async fn only_administrators_have_tokens_explained() {
    let server = server().await;
    let body = json!({"token": token("alice")});
    server.put(json!({
        "resourceType": "AccessPolicy", "id": "all-to-alice", "engine": "json-schema",
        "schema": {"required": ["user"], "properties": {"user": {"required": ["id"], "properties": {"id": {"const": "alice"}}}}},
    })).await;
    let ask = || server.bearer(&token("alice"), "POST /auth/test-token").json(&body);
    ask().await.is(403);
    server.ask("POST /auth/test-token").json(&body).await.is(401);
    server.put(allow_user("alice")).await;
    ask().await.is(200);
    for wrong in [json!({}), json!({"token": 1}), json!({"token": null})] {
        server.root("POST /auth/test-token").json(&wrong).await.is(400);
    }
    server.root("GET /auth/test-token").await.is(405);
}

/// The value of a sample, by its whole name.
fn sample(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[tokio::test]
async fn what_happened_is_counted() {
    let server = server().await;
    server.put(json!({"resourceType": "Patient", "id": "canary-1"})).await;
    server.root("GET /fhir/Patient/canary-1").await.is(200);
    server.root("GET /fhir/Patient/canary-2").await.is(404);
    server.bearer(&token("alice"), "GET /fhir/Patient/canary-1").await.is(403);
    server.bearer("canary-token", "GET /fhir/Patient?name=canary-name").await.is(401);
    server.ask("GET /health/live").await.is(200);
    let entry = json!({"request": {"method": "GET", "url": "Patient/canary-1"}});
    let batch = json!({"resourceType": "Bundle", "type": "batch", "entry": [entry, entry]});
    server.root("POST /fhir").json(&batch).await.is(200);
    let answer = server.root("GET /metrics").await.is(200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let text = &answer.text;
    for (name, expected) in [
        (r#"firewarden_requests_total{operation="FhirRead",status="2xx"}"#, 1.0),
        (r#"firewarden_requests_total{operation="FhirRead",status="4xx"}"#, 2.0),
        (r#"firewarden_requests_total{operation="none",status="4xx"}"#, 1.0),
        (r#"firewarden_requests_total{operation="Public",status="2xx"}"#, 1.0),
        (r#"firewarden_requests_total{operation="Batch",status="2xx"}"#, 1.0),
        (r#"firewarden_decisions_total{decision="deny"}"#, 1.0),
        (r#"firewarden_decisions_total{decision="unauthenticated"}"#, 1.0),
        (r#"firewarden_credentials_refused_total{check="parts"}"#, 1.0),
        (r#"firewarden_request_duration_seconds_count{operation="FhirRead"}"#, 3.0),
        (r#"firewarden_request_duration_seconds_bucket{operation="FhirRead",le="+Inf"}"#, 3.0),
        ("firewarden_policies_broken", 0.0),
        ("firewarden_introspectors", 1.0),
        ("firewarden_store_writes_waiting", 0.0),
    ] {
        assert_eq!(sample(text, name), Some(expected), "{name} in\n{text}");
    }
    assert!(sample(text, "process_resident_memory_bytes").is_none_or(|bytes| bytes > 1e6));
    for hidden in ["canary", "alice", ISSUER, "root", "external"] {
        assert!(!text.contains(hidden), "{hidden} in\n{text}");
    }
}

#[tokio::test]
async fn whatever_is_asked_is_counted_by_its_name() {
    let server = server().await;
    let patient = json!({"resourceType": "Patient", "id": "a"});
    let transaction = json!({"resourceType": "Bundle", "type": "transaction", "entry": []});
    for (operation, request, body) in [
        ("FhirUpdate", "PUT /fhir/Patient/a", Some(&patient)),
        ("FhirConditionalUpdate", "PUT /fhir/Patient?_id=a", Some(&patient)),
        ("FhirCreate", "POST /fhir/Patient", Some(&patient)),
        ("FhirConditionalCreate", "POST /fhir/Patient?_id=a", Some(&patient)),
        ("FhirRead", "GET /fhir/Patient/a", None),
        ("FhirVread", "GET /fhir/Patient/a/_history/1", None),
        ("FhirHistory", "GET /fhir/Patient/_history", None),
        ("FhirSearch", "GET /fhir/Patient", None),
        ("FhirCompartmentSearch", "GET /fhir/Patient/a/Observation", None),
        ("FhirConditionalDelete", "DELETE /fhir/Patient?_id=b", None),
        ("FhirDelete", "DELETE /fhir/Patient/a", None),
        ("Batch", "POST /fhir", Some(&json!({"resourceType": "Bundle", "type": "batch"}))),
        ("Transaction", "POST /fhir", Some(&transaction)),
        ("UserInfo", "GET /auth/userinfo", None),
        ("TestPolicy", "POST /auth/test-policy", Some(&json!({"request": {}, "policy": {}}))),
        ("TestMatcho", "POST /$matcho", Some(&json!({"matcho": {}, "resource": {}}))),
        ("TestToken", "POST /auth/test-token", Some(&json!({"token": "a"}))),
        ("TestPolicies", "POST /auth/policy-tests", Some(&json!({}))),
        ("ExplainDecision", "GET /auth/decisions/a", None),
        ("ExplainRequest", "POST /auth/explain", Some(&json!({"request": "GET /fhir/Patient"}))),
        ("ExplainShadow", "GET /auth/shadow", None),
        ("ListJobs", "GET /auth/jobs", None),
        ("ReadJob", "GET /auth/jobs/x", None),
        ("CancelJob", "DELETE /auth/jobs/x", None),
        ("HealthDetails", "GET /health/ready", None),
        ("Metrics", "GET /metrics", None),
    ] {
        let ask = server.root(request);
        let answer = match body {
            Some(body) => ask.json(body).await,
            None => ask.await,
        };
        assert!(matches!(answer.status, 200..=204 | 404), "{request}: {answer:?}");
        let text = server.root("GET /metrics").await.is(200).text;
        let name = |status: u16| {
            let class = format!("{}xx", status / 100);
            format!(r#"firewarden_requests_total{{operation="{operation}",status="{class}"}}"#)
        };
        assert!(sample(&text, &name(answer.status)).is_some(), "{operation} in\n{text}");
    }
}

#[tokio::test]
async fn who_reads_the_metrics_needs_a_policy() {
    let server = server().await;
    server.put(json!({
        "resourceType": "Client", "id": "prometheus", "secret": "scrape", "grant_types": ["basic"],
    })).await;
    let scrape =
        || server.ask("GET /metrics").header("authorization", &basic("prometheus", "scrape"));
    server.ask("GET /metrics").await.is(401);
    scrape().await.is(403);
    server
        .put(json!({
            "resourceType": "AccessPolicy", "id": "metrics", "engine": "json-schema",
            "link": [{"reference": "Client/prometheus"}],
            "schema": {"required": ["uri"], "properties": {"uri": {"const": "/metrics"}}},
        }))
        .await;
    scrape().await.is(200);
    let other =
        server.ask("GET /fhir/Patient").header("authorization", &basic("prometheus", "scrape"));
    other.await.is(403);
    server.root("POST /metrics").await.is(405);
}
