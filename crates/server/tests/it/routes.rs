//! Every route and who is refused at it: what is not in the public list needs a credential and a
//! policy.

use serde_json::{Value, json};

use crate::harness::{TestServer, allow_user, token};
use crate::http::{Answer, Ask, basic};

const OWN: &[&str] =
    &["TokenIntrospector", "AccessPolicy", "AccessPolicyTest", "User", "Role", "Client", "Session"];
/// Those that everybody may read.
const PUBLIC: &[&str] = &[
    "/health/live",
    "/health/ready",
    "/fhir/metadata",
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/fhir",
    "/.well-known/smart-configuration",
    "/fhir/.well-known/smart-configuration",
];
/// FHIR types: an ordinary one, and the one that nobody may write.
const FHIR: &[&str] = &["Patient", "AuditEvent"];
const FORBIDDEN: &str = r#"{"resourceType":"OperationOutcome","id":"forbidden","issue":[{"severity":"fatal","code":"forbidden","diagnostics":"Forbidden"}]}"#;

/// A route: the request line, and a body for it.
struct Route {
    line: String,
    body: Option<Value>,
}

fn bundle(kind: &str, method: &str, url: &str) -> Value {
    let entry = json!({"request": {"method": method, "url": url}});
    json!({"resourceType": "Bundle", "type": kind, "entry": [entry]})
}

/// The interactions with a type.
fn of_type(base: &str, of: &str) -> Vec<Route> {
    let at = format!("{base}/{of}");
    let resource = json!({"resourceType": of, "id": "x"});
    let with = |line: String| Route { line, body: Some(resource.clone()) };
    let plain = |line: String| Route { line, body: None };
    vec![
        plain(format!("GET {at}")),
        plain(format!("GET {at}?_id=x")),
        plain(format!("GET {at}?_summary=count")),
        plain(format!("POST {at}/_search")),
        with(format!("POST {at}")),
        plain(format!("GET {at}/x")),
        plain(format!("HEAD {at}/x")),
        with(format!("PUT {at}/x")),
        plain(format!("DELETE {at}/x")),
        plain(format!("GET {at}/_history")),
        plain(format!("GET {at}/x/_history")),
        plain(format!("GET {at}/x/_history/1")),
    ]
}

/// Every route that is not public.
fn guarded() -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for of in OWN {
        routes.extend(of_type("", of));
    }
    for of in OWN.iter().chain(FHIR) {
        routes.extend(of_type("/fhir", of));
    }
    routes.push(Route { line: "GET /fhir/_history".into(), body: None });
    for base in ["/", "/fhir", "/fhir/"] {
        let body = Some(bundle("transaction", "GET", "Patient/x"));
        routes.push(Route { line: format!("POST {base}"), body });
    }
    let users = json!([{"resourceType": "User", "id": "x"}]);
    routes.push(Route { line: "PUT /".into(), body: Some(users) });
    let asked = json!({"request": {}, "policy": {"engine": "allow"}});
    routes.push(Route { line: "POST /auth/test-policy".into(), body: Some(asked) });
    let id = uuid::Uuid::nil();
    routes.push(Route { line: format!("GET /auth/decisions/{id}"), body: None });
    for line in ["GET /auth/shadow", "GET /auth/jobs", "GET /auth/jobs/x", "DELETE /auth/jobs/x"] {
        routes.push(Route { line: line.into(), body: None });
    }
    let asked = json!({"request": "GET /fhir/Patient"});
    routes.push(Route { line: "POST /auth/explain".into(), body: Some(asked) });
    let asked = json!({"tests": []});
    routes.push(Route { line: "POST /auth/policy-tests".into(), body: Some(asked) });
    let asked = json!({"matcho": {"a": 1}, "resource": {"a": 1}});
    routes.push(Route { line: "POST /$matcho".into(), body: Some(asked) });
    let asked = json!({"token": "a.b.c"});
    routes.push(Route { line: "POST /auth/test-token".into(), body: Some(asked) });
    routes.push(Route { line: "GET /metrics".into(), body: None });
    routes
}

fn with_body(ask: Ask, route: &Route) -> Ask {
    match &route.body {
        Some(body) => ask.json(body),
        None => ask,
    }
}

fn challenge(answer: &Answer) -> &str {
    answer.header("www-authenticate").unwrap_or_default()
}

/// Where a challenge points to (RFC 9728 section 5.1).
fn metadata(server: &TestServer, line: &str) -> String {
    let path = line.split_once(' ').unwrap().1;
    let is_fhir = path == "/fhir" || path.starts_with("/fhir/");
    let below = if is_fhir { "/fhir" } else { "" };
    format!("resource_metadata=\"{}/.well-known/oauth-protected-resource{below}\"", server.url)
}

#[tokio::test]
async fn every_route_needs_a_credential_and_a_policy() {
    let server = TestServer::with(&[("TRUSTED_PROXIES", "127.0.0.1/32")]).await;
    server.trust().await;
    let token = token("nobody");
    for (index, route) in guarded().into_iter().enumerate() {
        let line = &route.line;
        let answer = with_body(server.ask(line), &route).await;
        let metadata = metadata(&server, line);
        let plain = format!("Bearer {metadata}");
        assert_eq!((answer.status, challenge(&answer)), (401, plain.as_str()), "{answer:?}");
        let answer = with_body(server.bearer("not.a.token", line), &route).await;
        let invalid = format!("Bearer error=\"invalid_token\", {metadata}");
        assert_eq!((answer.status, challenge(&answer)), (401, invalid.as_str()), "{answer:?}");
        let answer = with_body(server.bearer(&token, line), &route).await;
        let body = if line.starts_with("HEAD") { "" } else { FORBIDDEN };
        assert_eq!((answer.status, answer.text.as_str()), (403, body), "{answer:?}");
        // Each from a place of its own: guesses at one are limited.
        let place = format!("10.0.{}.{}", index / 256, index % 256);
        let wrong = server.ask(line).header("x-forwarded-for", &place);
        let wrong = wrong.header("authorization", &basic(&format!("client{index}"), "wrong"));
        assert_eq!(with_body(wrong, &route).await.status, 401, "{line}");
    }
}

#[tokio::test]
async fn only_the_public_list_is_open_to_everybody() {
    let server = TestServer::start().await;
    for path in PUBLIC {
        server.ask(&format!("GET {path}")).await.is(200);
        let head = server.ask(&format!("HEAD {path}")).await.is(200);
        assert_eq!(head.text, "", "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            server.ask(&format!("{method} {path}")).await.is(401);
        }
    }
    // Public routes read no credential; one brought to `ready` asks for more than is public.
    server.bearer("bad", "GET /health/live").await.is(200);
    server.bearer("bad", "GET /fhir/metadata").await.is(200);
    server.bearer("bad", "GET /health/ready").await.is(401);
    for path in [
        "/fhir/metadata/",
        "/metadata",
        "/health",
        "/health/live/x",
        "/metrics",
        "/console/",
        "/auth/token",
        "/auth/token/",
        "/.well-known",
        "/.well-known/smart-configuration/",
        "/.well-known/oauth-protected-resource/User",
        "/.well-known/openid-configuration",
        "/fhir/$export",
        "/fhir/Unknown",
        "/fhir/Patient/x/$everything",
        "/favicon.ico",
        "/Session",
    ] {
        server.ask(&format!("GET {path}")).await.is(401);
    }
}

#[tokio::test]
async fn what_is_public_tells_nothing_of_policies_clients_and_hosts() {
    let server = TestServer::with(&[("PUBLIC_URL", "https://fhir.example.com/base")]).await;
    server.trust().await;
    for path in ["/health/live", "/health/ready", "/fhir/metadata"] {
        let answer = server.ask(&format!("GET {path}")).await.is(200);
        for hidden in ["root", "auth.example.com", "127.0.0.1", "external", "AccessPolicy"] {
            assert!(!answer.text.contains(hidden), "{path}: {hidden}");
        }
    }
    let statement = server.ask("GET /fhir/metadata").await;
    assert_eq!(statement.at("/implementation/url"), "https://fhir.example.com/base/fhir");
}

#[tokio::test]
async fn details_of_health_are_for_administrators() {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "alice", "data": {"sub": "alice"}})).await;
    let details = server.root("GET /health/ready").await.is(200);
    assert_eq!(details.at("/broken_policies"), json!([]));
    server.bearer(&token("alice"), "GET /health/ready").await.is(403);
    let public = server.ask("GET /health/ready").await.is(200);
    assert_eq!(public.json(), json!({"status": "ready"}));
}

/// The answers to a request for what is there, what never was and what is deleted.
async fn three(server: &TestServer, caller: &str, method: &str, rest: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    for id in ["there", "never", "deleted"] {
        let ask = server.bearer(&token(caller), &format!("{method} /fhir/Patient/{id}{rest}"));
        let body = json!({"resourceType": "Patient", "id": id});
        answers.push(if method == "PUT" { ask.json(&body).await } else { ask.await });
    }
    answers
}

fn stable_headers(answer: &Answer) -> Vec<(String, String)> {
    let stable = |name: &str| !matches!(name, "x-request-id" | "date");
    let headers = answer.headers.iter().filter(|(name, _)| stable(name.as_str()));
    headers.map(|(name, value)| (name.to_string(), format!("{value:?}"))).collect()
}

#[tokio::test]
async fn a_refusal_is_the_same_whatever_is_there() {
    let server = TestServer::start().await;
    server.trust().await;
    for id in ["there", "deleted"] {
        let patient = json!({"resourceType": "Patient", "id": id, "gender": "female"});
        server.put(patient.clone()).await;
        server.put(patient).await;
    }
    server.delete("/fhir/Patient/deleted").await;
    for (method, rest) in [
        ("GET", ""),
        ("HEAD", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("GET", "/_history"),
        ("GET", "/_history/1"),
        ("GET", "/_history/2"),
    ] {
        let answers = three(&server, "nobody", method, rest).await;
        for answer in &answers {
            assert_eq!(answer.status, 403, "{answer:?}");
            assert_eq!(answer.text, answers[0].text);
            assert_eq!(stable_headers(answer), stable_headers(&answers[0]), "{answer:?}");
        }
        for name in ["etag", "last-modified", "location", "content-location", "link"] {
            assert_eq!(answers[0].header(name), None, "{method} {rest} {name}");
        }
    }
}

#[tokio::test]
async fn who_may_read_learns_what_is_there_and_what_is_gone() {
    let server = TestServer::start().await;
    server.trust().await;
    server.put(json!({"resourceType": "User", "id": "alice", "data": {"sub": "alice"}})).await;
    server.put(allow_user("alice")).await;
    for id in ["there", "deleted"] {
        server.put(json!({"resourceType": "Patient", "id": id})).await;
    }
    server.delete("/fhir/Patient/deleted").await;
    let statuses = |answers: Vec<Answer>| answers.iter().map(|a| a.status).collect::<Vec<_>>();
    for (method, rest, expected) in [
        ("GET", "", [200, 404, 410]),
        ("HEAD", "", [200, 404, 410]),
        ("GET", "/_history", [200, 404, 200]),
        ("GET", "/_history/1", [200, 404, 200]),
        ("GET", "/_history/2", [404, 404, 410]),
        ("DELETE", "", [204, 204, 204]),
    ] {
        let answers = three(&server, "alice", method, rest).await;
        assert_eq!(statuses(answers), expected, "{method} {rest}");
    }
}

#[tokio::test]
async fn faults_of_a_request_are_told_only_to_who_may_make_it() {
    let server = TestServer::start().await;
    server.trust().await;
    let token = token("nobody");
    for line in [
        "GET /fhir/Patient?birthdate=yesterday",
        "GET /fhir/Patient?_count=x",
        "GET /fhir/Patient?name:foo=x",
        "GET /fhir/Patient?a.b=x",
        "GET /fhir/Patient?_cursor=x",
        "GET /AccessPolicy?_count=x",
    ] {
        server.bearer(&token, line).await.is(403);
        server.ask(line).await.is(401);
        server.root(line).await.is(400);
    }
    for body in ["{", "[1]", r#"{"resourceType":"Observation"}"#, r#"{"a":1,"a":2}"#] {
        let json = "application/fhir+json";
        server.bearer(&token, "POST /fhir/Patient").body(json, body).await.is(403);
        server.ask("POST /fhir/Patient").body(json, body).await.is(401);
        server.root("POST /fhir/Patient").body(json, body).await.is(400);
    }
    // There is nothing at these for anybody: a valid credential is told so.
    for line in ["GET /fhir/Unknown", "GET /fhir/Patient/x/$everything", "GET /nowhere"] {
        server.ask(line).await.is(401);
        server.bearer("bad", line).await.is(401);
        server.bearer(&token, line).await.is(404);
    }
    let answer = server.bearer(&token, "PATCH /fhir/Patient/x").await.is(405);
    assert!(answer.header("allow").is_some());
}
