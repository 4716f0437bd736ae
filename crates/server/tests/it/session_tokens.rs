//! `POST /auth/token`, the tokens it issues, and their end.

use serde_json::{Value, json};

use crate::harness::{PATIENCE, TestServer};
use crate::http::{Answer, Ask, basic};

const SECRET: &str = "the secret of the app";

fn client(id: &str, more: Value) -> Value {
    let mut client = json!({
        "resourceType": "Client", "id": id, "secret": SECRET,
        "grant_types": ["client_credentials"],
    });
    client.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    client
}

/// A server with the client `app`, that may read patients.
async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.put(client("app", json!({}))).await;
    server
        .put(json!({
            "resourceType": "AccessPolicy", "id": "app-reads", "engine": "json-schema",
            "link": [{"reference": "Client/app"}],
            "schema": {"required": ["request-method"], "properties": {"request-method": {"const": "get"}}},
        }))
        .await;
    server
}

fn asked(server: &TestServer, more: &str) -> Ask {
    server.ask("POST /auth/token").form(&format!("grant_type=client_credentials{more}"))
}

async fn issued(server: &TestServer) -> String {
    let ask = asked(server, "").header("authorization", &basic("app", SECRET));
    ask.await.is(200).at("/access_token").as_str().unwrap().to_owned()
}

/// The session that a token names, and what proves that it is its.
fn parts(token: &str) -> (&str, &str) {
    token.strip_prefix("fws_").unwrap().split_once('_').unwrap()
}

/// The ids of the sessions, as the root client finds them.
async fn sessions(server: &TestServer) -> Vec<String> {
    server.root("GET /Session").await.is(200).ids()
}

fn is_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.at("/error")), (status, error.into()), "{answer:?}");
    assert!(answer.at("/error_description").is_string(), "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{answer:?}");
    assert!(!answer.text.contains(SECRET), "{answer:?}");
}

#[tokio::test]
async fn a_client_gets_a_token_for_its_secret() {
    let server = server().await;
    let escaped = SECRET.replace(' ', "%20");
    for ask in [
        asked(&server, "").header("authorization", &basic("app", SECRET)),
        asked(&server, "&client_id=app").header("authorization", &basic("app", SECRET)),
        asked(&server, "").header("authorization", &basic("app", &escaped)),
        asked(&server, &format!("&client_id=app&client_secret={escaped}")),
        asked(&server, "")
            .header("authorization", &basic("app", SECRET))
            .header("accept", "text/html"),
    ] {
        let answer = ask.await.is(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.at("/token_type"), "Bearer");
        assert_eq!(answer.at("/expires_in"), 3_600);
        let token = answer.at("/access_token").as_str().unwrap().to_owned();
        server.bearer(&token, "GET /fhir/Patient").await.is(200);
        server.bearer(&token, "DELETE /fhir/Patient/x").await.is(403);
        server.bearer(&token, "GET /User").await.is(403);
        let who = server.bearer(&token, "GET /auth/userinfo").await.is(200);
        assert_eq!((who.at("/client/id"), who.at("/user")), ("app".into(), Value::Null));
        let (session, proof) = parts(&token);
        let other: String = proof.chars().rev().collect();
        let other = format!("fws_{session}_{other}");
        server.bearer(&other, "GET /fhir/Patient").await.is(401);
    }
    assert_eq!(sessions(&server).await.len(), 5);
}

#[tokio::test]
async fn a_wrong_request_for_a_token_is_refused_as_the_standard_says() {
    let server = server().await;
    server.put(client("by-basic", json!({"grant_types": ["basic"]}))).await;
    server.put(client("off", json!({"active": false}))).await;
    let header = |id: &str, secret: &str, more: &str| {
        asked(&server, more).header("authorization", &basic(id, secret))
    };
    let post = |body: &str| {
        server.ask("POST /auth/token").header("authorization", &basic("app", SECRET)).form(body)
    };
    let grant = "grant_type=client_credentials";
    for (ask, status, error) in [
        (post("grant_type=password"), 400, "unsupported_grant_type"),
        (post("grant_type=authorization_code&code=x"), 400, "unsupported_grant_type"),
        (post(""), 400, "invalid_request"),
        (post("grant_type="), 400, "invalid_request"),
        (post(&format!("{grant}&{grant}")), 400, "invalid_request"),
        (post(&format!("{grant}&client_id=other")), 400, "invalid_request"),
        (post(&format!("{grant}&client_secret=x")), 400, "invalid_request"),
        (post(&format!("{grant}&scope=system/*.read")), 400, "invalid_scope"),
        (post(&format!("{grant}&x={}", "x".repeat(20_000))), 400, "invalid_request"),
        (header("app", "wrong", ""), 401, "invalid_client"),
        (header("app", "", ""), 401, "invalid_client"),
        (header("app", "***", ""), 401, "invalid_client"),
        (header("nobody", SECRET, ""), 401, "invalid_client"),
        (header("../app", SECRET, ""), 401, "invalid_client"),
        (header("off", SECRET, ""), 401, "invalid_client"),
        (header("by-basic", SECRET, ""), 400, "unauthorized_client"),
        (asked(&server, "").header("authorization", "Bearer x"), 401, "invalid_client"),
        (asked(&server, ""), 401, "invalid_client"),
        (asked(&server, "&client_id=app"), 401, "invalid_client"),
        (
            server
                .ask("POST /auth/token")
                .header("authorization", &basic("app", SECRET))
                .json(&json!({"grant_type": "client_credentials"})),
            400,
            "invalid_request",
        ),
    ] {
        is_refused(&ask.await, status, error);
    }
    let twice = header("app", SECRET, "").header("authorization", &basic("app", SECRET));
    is_refused(&twice.await, 400, "invalid_request");
    assert!(sessions(&server).await.is_empty());
    // In the query nothing counts, and the token's client cannot use Basic for other requests.
    let line = format!("POST /auth/token?{grant}&client_id=app&client_secret=x");
    is_refused(&server.ask(&line).form("").await, 401, "invalid_client");
    let ask = server.ask("GET /fhir/Patient").header("authorization", &basic("app", SECRET));
    ask.await.is(401);
    server.root("GET /auth/token").await.is(405);
}

#[tokio::test]
async fn a_client_says_how_long_and_for_what_its_tokens_are() {
    let server = server().await;
    let scopes = json!({
        "access_token_expiration": 60,
        "scopes": ["system/Patient.read", "system/Observation.read"],
    });
    server.put(client("app", scopes)).await;
    let ask = asked(&server, "&scope=system/Patient.read");
    let answer = ask.header("authorization", &basic("app", SECRET)).await.is(200);
    assert_eq!(answer.at("/expires_in"), 60);
    assert_eq!(answer.at("/scope"), "system/Patient.read");
    let answer = asked(&server, "").header("authorization", &basic("app", SECRET)).await.is(200);
    assert_eq!(answer.at("/scope"), "system/Patient.read system/Observation.read");
    let ask = asked(&server, "&scope=system/Patient.write");
    is_refused(&ask.header("authorization", &basic("app", SECRET)).await, 400, "invalid_scope");
}

#[tokio::test]
async fn a_token_ends_with_its_session() {
    let server = server().await;
    let (one, two) = (issued(&server).await, issued(&server).await);
    let before = server.root("GET /health/ready").await.at("/policy_version");
    let id = parts(&one).0;
    assert!(sessions(&server).await.contains(&id.to_owned()));
    server.bearer(&one, "GET /fhir/Patient").await.is(200);
    server.bearer(&one, &format!("DELETE /Session/{id}")).await.is(403);
    server.root(&format!("DELETE /Session/{id}")).await.is(204);
    let answer = server.bearer(&one, "GET /fhir/Patient").await.is(401);
    assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
    server.bearer(&two, "GET /fhir/Patient").await.is(200);
    let after = server.root("GET /health/ready").await.at("/policy_version");
    assert_eq!(before, after, "sessions are no configuration");
}

#[tokio::test]
async fn a_token_ends_with_its_client() {
    let server = server().await;
    let token = issued(&server).await;
    for (change, status) in [
        (json!({"active": false}), 401),
        (json!({"active": true}), 200),
        (json!({"grant_types": ["basic"]}), 401),
        (json!({}), 200),
    ] {
        server.put(client("app", change.clone())).await;
        server.bearer(&token, "GET /fhir/Patient").await.is(status);
    }
    server.delete("/Client/app").await;
    server.bearer(&token, "GET /fhir/Patient").await.is(401);
}

#[tokio::test]
async fn nobody_writes_a_session() {
    let server = server().await;
    let token = issued(&server).await;
    let id = sessions(&server).await.remove(0);
    let session = json!({
        "resourceType": "Session", "id": id, "client": {"reference": "Client/root"},
        "expires": "2999-01-01T00:00:00Z", "token": "***",
    });
    for base in ["", "/fhir"] {
        server.root(&format!("PUT {base}/Session/{id}")).json(&session).await.is(403);
        server.root(&format!("POST {base}/Session")).json(&session).await.is(403);
    }
    for (method, url) in [("PUT", format!("Session/{id}")), ("POST", "Session".to_owned())] {
        let entry = json!({"request": {"method": method, "url": url}, "resource": session});
        let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
        server.root("POST /fhir").json(&bundle).await.is(403);
    }
    server.root("PUT /").json(&json!([session])).await.is(403);
    server.bearer(&token, "GET /fhir/Patient").await.is(200);
    let mine = server.root(&format!("GET /Session/{id}")).await.is(200);
    assert_eq!(mine.at("/client/id"), "app");
}

#[tokio::test]
async fn a_session_shows_neither_its_token_nor_the_tokens_hash() {
    let server = server().await;
    let token = issued(&server).await;
    let proof = parts(&token).1.to_owned();
    let id = sessions(&server).await.remove(0);
    for line in [
        "GET /Session".to_owned(),
        "GET /Session?client=Client/app".to_owned(),
        format!("GET /Session/{id}"),
        format!("GET /fhir/Session/{id}/_history"),
        format!("GET /Session/{id}/_history/1"),
        "GET /fhir/_history".to_owned(),
        "GET /metrics".to_owned(),
    ] {
        let answer = server.root(&line).await.is(200);
        assert!(!answer.text.contains(&proof), "{answer:?}");
        if line.contains("Session") {
            assert!(answer.text.contains(r#""token":"***""#), "{answer:?}");
        }
    }
    for parameter in ["token", "secret", "hash", "scope"] {
        let line = format!("GET /Session?{parameter}=x");
        server.root(&line).header("prefer", "handling=strict").await.is(400);
    }
    let folder = server.close().await;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(proof.len()).any(|window| window == proof.as_bytes()));
    }
}

#[tokio::test]
async fn a_token_outlives_a_restart() {
    let server = server().await;
    let token = issued(&server).await;
    let folder = server.close().await;
    let server = TestServer::within(folder, &[]).await.unwrap();
    server.bearer(&token, "GET /fhir/Patient").await.is(200);
}

#[tokio::test]
async fn the_sessions_of_a_client_that_is_gone_are_ended() {
    let server = server().await;
    let token = issued(&server).await;
    server.put(client("other", json!({}))).await;
    let other = asked(&server, "").header("authorization", &basic("other", SECRET)).await.is(200);
    let other = other.at("/access_token").as_str().unwrap().to_owned();
    server.delete("/Client/app").await;
    let server = TestServer::within(server.close().await, &[]).await.unwrap();
    let swept = async {
        while sessions(&server).await.len() > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.unwrap();
    assert_eq!(sessions(&server).await, [parts(&other).0]);
    // A client of the same id that comes later is another one.
    server.put(client("app", json!({}))).await;
    server.bearer(&token, "GET /fhir/Patient").await.is(401);
    server.bearer(&other, "GET /auth/userinfo").await.is(200);
}
